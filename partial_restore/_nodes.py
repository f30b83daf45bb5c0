"""The graph of objects that a model is, or that a file recorded, as data; and the paths through it.

Standard library only, no I/O. What is known here of Keras and TensorFlow is how they call the attributes of objects.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

MOST_PATHS = 8
"""Paths kept per node: a graph of shared nodes has exponentially many."""

MOST_LISTS = 3
"""Lists and dicts in each other in which variables of a layer are looked for."""

MOST_DEPTH = 100
"""Segments in a path: no model nests deeper; a cycle does."""

LAYER_LIST = "_operations"
TRANSPARENT = frozenset({"_functional", LAYER_LIST})
TF_KERAS_LAYER = re.compile(r"layer_with_weights-(\d+)")
_HIDDEN = re.compile(
    r"_tracked|_?(non_)?trainable_variables|_?variables|_all_variables|weights|regularization_losses|keras_api|signatures"
    r"|_self_\w+|_inbound_nodes|_outbound_nodes|_losses(_override)?|_metrics|_optimizer_variables|_?layers-\d+|layer-\d+"
)
"""Attributes in which Keras and TensorFlow keep a second list of what has a better name elsewhere."""


@dataclass(eq=False)
class Node:
    """One object: its children by name, what TensorFlow calls it if it is a variable, the layer's name if one is known.

    ``slots`` are the state variables that an optimizer of TensorFlow 1 or early 2 keeps: (owner, slot name, state);
    ``kind`` is the class of an optimizer in memory, ``called`` what Keras 3 calls a variable in memory.
    """

    children: Sequence[tuple[str, int]]
    full_name: str | None = None
    label: str | None = None
    slots: Sequence[tuple[int, str, int]] = ()
    kind: str = ""
    called: str = ""

    @property
    def is_list(self) -> bool:
        return bool(self.children) and self._is_numbered

    @cached_property
    def _is_numbered(self) -> bool:
        return all(segment.isdecimal() for segment, _ in self.children)


class Step(NamedTuple):
    segment: str
    node: int


class Path(tuple[Step, ...]):  # noqa: SLOT001  It has an attribute.
    """The steps from the root to a node, and which of them are ``members`` of one of Keras' layer lists."""

    members: tuple[int, ...] = ()

    def onward(self, step: Step) -> Path:
        """Return the path with one more step."""
        path = Path((*self, step))
        if (self and self[-1].segment == LAYER_LIST) or (
            step.segment.startswith("layer_with") and TF_KERAS_LAYER.fullmatch(step.segment)
        ):
            path.members = (*self.members, len(self))
        elif self.members:
            path.members = self.members
        return path


def is_optimizer(node: Node) -> bool:
    """Say whether a node is an optimizer, by what it keeps: no graph records its class."""
    if not node.children:
        return bool(node.slots)
    held = {name for name, _ in node.children}
    is_keras_3 = "_variables" in held and bool(held & {"_iterations", "iterations"})
    return bool(node.slots) or is_keras_3 or {"iter", "decay"} <= held


def is_hidden(node: Node, segment: str) -> bool:
    """Say whether an attribute is a second list of what the node holds elsewhere under a better name."""
    return bool(_HIDDEN.fullmatch(segment)) or (
        segment == "_layers" and any(name in TRANSPARENT for name, _ in node.children)
    )


def overwritten(nodes: Sequence[Node]) -> set[tuple[int, str]]:
    """Return the nodes and names under which tf_keras tracks the last of several weights of a layer that are all called so.

    It tracks every weight under its name, beside the attribute in which a person keeps it. Here the attributes tell, and that name nothing.
    """
    found: set[tuple[int, str]] = set()
    everywhere = Counter(node.full_name for node in nodes)
    for i, node in enumerate(nodes):
        called = {
            segment: child
            for segment, child in node.children
            if (name := nodes[child].full_name) and everywhere[name] > 1 and name.rpartition("/")[2] == segment
        }
        if not called:
            continue
        homes: dict[int, set[str]] = defaultdict(set)
        for segment, leaf in _held(nodes, i):
            homes[leaf].add(segment)
        times = Counter(nodes[leaf].full_name for leaf in homes)
        found.update(
            (i, segment)
            for segment, child in called.items()
            if len(homes[child]) > 1 and times[nodes[child].full_name] > 1
        )
    return found


def _held(nodes: Sequence[Node], i: int, depth: int = MOST_LISTS) -> Iterator[tuple[str, int]]:
    """Yield the variables that an object keeps itself, or in lists and dicts, with the attributes that lead there."""
    for segment, child in nodes[i].children:
        if nodes[child].full_name is not None:
            yield segment, child
        elif depth and nodes[child].label is None:
            yield from ((segment, below) for _, below in _held(nodes, child, depth - 1))


def paths_of(nodes: Sequence[Node], follow: Callable[[int, str], bool]) -> dict[int, list[Path]]:
    """Return up to `MOST_PATHS` simple paths from the root to every node that can be reached, shortest first."""
    found: dict[int, list[Path]] = defaultdict(list)
    queue: deque[tuple[int, Path]] = deque([(0, Path())])
    while queue:
        here, path = queue.popleft()
        if len(found[here]) >= MOST_PATHS or len(path) > MOST_DEPTH:
            continue
        found[here].append(path)
        if not nodes[here].children:
            continue
        passed = {step.node for step in path} | {0}
        queue.extend(
            (child, path.onward(Step(segment, child)))
            for segment, child in nodes[here].children
            if child not in passed and follow(here, segment)
        )
    return found


def optimizer_state(nodes: Sequence[Node], optimizers: Collection[int]) -> set[int]:
    """Return every node that an optimizer keeps as state; the weights it trains are the model's."""
    owned: set[int] = set()
    rest = [child for i in optimizers for segment, child in nodes[i].children if segment != "_trainable_variables"]
    while rest:
        here = rest.pop()
        if here not in owned:
            owned.add(here)
            rest.extend(child for segment, child in nodes[here].children if segment != "_trainable_variables")
    return owned


def copies_of(nodes: Sequence[Node]) -> set[int]:
    """Return the variables that an export of Keras 3 holds once more, in a list whose order varies: no more of a name than the first has."""
    copies: set[int] = set()
    for lists in (dict(node.children) for node in nodes if node.children):
        if "variables" in lists and "_all_variables" in lists:
            listed = [child for _, child in nodes[lists["variables"]].children]
            others = {child for _, child in nodes[lists["_all_variables"]].children}.difference(listed)
            more = Counter(nodes[child].full_name for child in others)
            more.subtract(nodes[child].full_name for child in listed)
            copies |= {child for child in others if more[nodes[child].full_name] <= 0}
    return copies
