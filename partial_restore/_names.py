"""Names of the variables in a graph of objects, the same for a model in memory and for the graph that a file recorded.

Standard library only, no I/O. A path is made of what a person wrote wherever the graph tells it: attributes as they
stand, members of Keras' own layer lists by the name of the layer (read off the full names that TensorFlow records),
and by their place only where nothing else is known.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from partial_restore._types import Group, Name, name_of

MOST_PATHS = 8
"""Paths kept per node: a graph of shared nodes has exponentially many."""

MOST_DEPTH = 100
"""Segments in a path: no model nests deeper; a cycle does."""

_LAYER_LIST = "_operations"
_TRANSPARENT = frozenset({"_functional", _LAYER_LIST})
_TF_KERAS_LAYER = re.compile(r"layer_with_weights-(\d+)")
_HIDDEN = re.compile(
    r"_tracked|_?(non_)?trainable_variables|_?variables|_all_variables|weights|regularization_losses|keras_api|signatures"
    r"|_self_\w+|_inbound_nodes|_outbound_nodes|_losses(_override)?|_metrics|_optimizer_variables|_?layers-\d+|layer-\d+"
)
"""Attributes in which Keras and TensorFlow keep a second list of what has a better name elsewhere."""


_SLOT = re.compile(
    r"(?P<owner>.+)/(Adam(_1)?|AdaMax(_1)?|Adadelta(_1)?|Adagrad|AdagradDA(_1)?|Momentum|RMSProp(_1)?|Ftrl(_1)?"
    r"|LazyAdam(_1)?|AdamWeightDecayOptimizer(_1)?|LAMB(_1)?|adam_[mv])"
)
_POWER = re.compile(r"(.+/)?beta[12]_power(_\d+)?")
"""Names that the optimizers of TensorFlow 1 give their state, beside and below the variable's own."""


@dataclass(frozen=True, slots=True)
class Node:
    """One object: its children by name, what TensorFlow calls it if it is a variable, the layer's name if one is known.

    ``slots`` are the state variables that an optimizer of TensorFlow 1 or early 2 keeps: (owner, slot name, state).
    """

    children: Sequence[tuple[str, int]]
    full_name: str | None = None
    label: str | None = None
    slots: Sequence[tuple[int, str, int]] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """All that is known about what a variable is called."""

    paths: tuple[Name, ...]
    given: tuple[Name, ...]
    group: Group
    nameless: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    segment: str
    node: int


_Path = tuple[_Step, ...]


def names_of_graph(nodes: Sequence[Node], leaves: Sequence[int]) -> dict[int, Names]:
    """Return the names of every leaf (a variable's node); node 0 is the root.

    >>> nodes = [Node([("a", 1)]), Node([("_kernel", 2)]), Node([], full_name="net/dense/kernel")]
    >>> [name.text for name in names_of_graph(nodes, [2])[2].paths]
    ['a/kernel']
    """
    optimizers = {i for i, node in enumerate(nodes) if _is_optimizer(node)}
    open_paths = _paths(nodes, lambda i, segment: i not in optimizers and not _is_hidden(nodes[i], segment))
    lost = [leaf for leaf in leaves if leaf not in open_paths]
    all_paths = _paths(nodes, lambda *_: True) if lost else {}
    owned = _optimizer_leaves(nodes, optimizers)
    copies = _copies(nodes)
    telling = _telling(nodes, [leaf for leaf in leaves if leaf not in copies], open_paths)
    derived = _derived_labels(nodes, telling, open_paths)
    real = {i: node.label for i, node in enumerate(nodes) if node.label}
    slots = {state: (owner, slot) for node in nodes for owner, slot, state in node.slots}
    owned |= slots.keys() - open_paths.keys()
    found: dict[int, Names] = {}
    for leaf in leaves:
        paths = open_paths.get(leaf, [])
        readable = [_readable(path, nodes, labels) for labels in ({**derived, **real}, derived) for path in paths]
        given = (name_of(nodes[leaf].full_name or ""),) if leaf in telling else ()
        if readable and all(_tells_all(name) for name in readable):
            given = ()  # The attributes say all; a full name could only repeat them or blur them.
        if readable or (given and leaf not in owned):
            found[leaf] = Names(tuple(dict.fromkeys(readable)), given, "model")
        elif leaf in copies:
            found[leaf] = Names((_raw(all_paths[leaf][0]),), (), "copy")
        elif leaf not in owned:
            found[leaf] = _unreadable(leaf, all_paths)
    stems = {leaf: _stems(found[leaf], nodes[leaf]) for leaf in found}
    for leaf in leaves:
        if leaf not in found:
            path = next(iter(all_paths.get(leaf, [])), ())
            found[leaf] = Names((_state_name(leaf, nodes, path, optimizers, slots, stems),), (), "optimizer")
    return found


def _tells_all(name: Name) -> bool:
    """Say whether every segment was chosen by a person and none is a place in a list."""
    return all(name.said) and not any(segment.isdecimal() for segment in name.segments)


def _copies(nodes: Sequence[Node]) -> set[int]:
    """Return the variables that an export of Keras 3 holds once more, in a list whose order varies."""
    copies: set[int] = set()
    for node in nodes:
        lists = dict(node.children)
        if "variables" in lists and "_all_variables" in lists:
            listed = [child for _, child in nodes[lists["variables"]].children]
            names = Counter(nodes[child].full_name for child in listed)
            every = {child for _, child in nodes[lists["_all_variables"]].children}
            copies |= {child for child in every.difference(listed) if names[nodes[child].full_name] == 1}
    return copies


def _unreadable(leaf: int, all_paths: Mapping[int, list[_Path]]) -> Names:
    """Return what is known of a variable that only hidden lists hold, such as the one of an optimizer's weights."""
    path = next(iter(all_paths.get(leaf, [])), (_Step(f"node-{leaf}", leaf),))
    is_metric = any(step.segment in ("keras_api", "_metrics") for step in path)
    return Names((_raw(path),), (), "metric" if is_metric else "model", nameless=not is_metric)


def _stems(names: Names, node: Node) -> tuple[str, str]:
    """Return how an optimizer of Keras 3 begins the name of a variable's state, and what the variable is called."""
    return (node.full_name or "").replace("/", "_") + "_", (names.paths or names.given)[0].text


def _state_name(
    leaf: int,
    nodes: Sequence[Node],
    path: _Path,
    optimizers: Collection[int],
    slots: Mapping[int, tuple[int, str]],
    stems: Mapping[int, tuple[str, str]],
) -> Name:
    """Return the name of a piece of optimizer state: the optimizer, the variable to which it belongs, what it is."""
    full = nodes[leaf].full_name or ""
    if leaf in slots and slots[leaf][0] in stems:
        owner, slot = slots[leaf]
        return name_of(f"{stems[owner][1]}/{slot}", said=True)
    state = full.rpartition("/")[2]
    owners = {name: stem for stem, name in stems.values() if len(stem) > 1 and state.startswith(stem)}
    depth = next((i for i, step in enumerate(path) if step.node in optimizers), 0)
    front = "/".join(step.segment for step in path[: depth + 1]) or "optimizer"
    if len(owners) == 1:
        ((name, stem),) = owners.items()
        return name_of(f"{front}/{name}/{state.removeprefix(stem)}", said=True)
    return (
        name_of(f"{front}/{full.partition('/')[2] or full}", said=True)
        if full
        else _raw(path or (_Step(f"node-{leaf}", leaf),))
    )


def _is_optimizer(node: Node) -> bool:
    """Say whether a node is an optimizer, by what it keeps: no graph records its class."""
    held = {name for name, _ in node.children}
    return bool(node.slots) or {"_iterations", "_variables"} <= held or {"iter", "decay"} <= held


def _is_hidden(node: Node, segment: str) -> bool:
    """Say whether an attribute is a second list of what the node holds elsewhere under a better name."""
    return bool(_HIDDEN.fullmatch(segment)) or (
        segment == "_layers" and any(name in _TRANSPARENT for name, _ in node.children)
    )


def _paths(nodes: Sequence[Node], follow: Callable[[int, str], bool]) -> dict[int, list[_Path]]:
    """Return up to `MOST_PATHS` simple paths from the root to every node that can be reached, shortest first."""
    found: dict[int, list[_Path]] = defaultdict(list)
    queue: deque[tuple[int, _Path]] = deque([(0, ())])
    while queue:
        here, path = queue.popleft()
        if len(found[here]) >= MOST_PATHS or len(path) > MOST_DEPTH:
            continue
        found[here].append(path)
        passed = {step.node for step in path} | {0}
        queue.extend(
            (child, (*path, _Step(segment, child)))
            for segment, child in nodes[here].children
            if child not in passed and follow(here, segment)
        )
    return found


def _optimizer_leaves(nodes: Sequence[Node], optimizers: Collection[int]) -> set[int]:
    """Return every node that an optimizer keeps as state; the weights it trains are the model's."""
    owned: set[int] = set()
    rest = [child for i in optimizers for segment, child in nodes[i].children if segment != "_trainable_variables"]
    while rest:
        here = rest.pop()
        if here not in owned:
            owned.add(here)
            rest.extend(child for segment, child in nodes[here].children if segment != "_trainable_variables")
    return owned


def _telling(nodes: Sequence[Node], leaves: Sequence[int], paths: Mapping[int, list[_Path]]) -> set[int]:
    """Return the leaves whose full name tells the layer.

    Keras records ``net/kernel`` for any layer of a subclassed model that has no ``build``. So a full name counts for
    what belongs to a member of a layer list, if it has a segment for every layer from there on, and if no other owner
    shares its stem (members of two lists may have one name). Of what no attribute leads to there is only the full name.
    """
    owners: dict[str, dict[int, int | None]] = defaultdict(dict)
    names = Counter(nodes[leaf].full_name for leaf in leaves)
    for leaf in leaves:
        for path in paths.get(leaf, [])[:1]:
            owner = path[-2].node if len(path) > 1 else 0
            owners[_stem(nodes[leaf])][owner] = _layer_list_of(path)
    honest = {
        stem
        for stem, lists in owners.items()
        if len(lists) == 1 or (None not in lists.values() and len(set(lists.values())) == len(lists))
    }

    def tells(leaf: int) -> bool:
        if not paths.get(leaf):
            return names[nodes[leaf].full_name] == 1
        return _stem(nodes[leaf]) in honest and _has_all_layers(nodes, leaf, paths[leaf][0])

    return {leaf for leaf in leaves if nodes[leaf].full_name and tells(leaf)}


def _has_all_layers(nodes: Sequence[Node], leaf: int, path: _Path) -> bool:
    """Say whether the full name has a segment for every object from the last member of a layer list on."""
    members = [i for i in range(len(path)) if _is_member(path, i)]
    if not members:
        return False
    below = [
        step for step in path[members[-1] :] if step.segment not in _TRANSPARENT and not _is_list(nodes[step.node])
    ]
    return len((nodes[leaf].full_name or "").split("/")) >= len(below)


def _stem(node: Node) -> str:
    return (node.full_name or "").rpartition("/")[0]


def _layer_list_of(path: _Path) -> int | None:
    """Return the node of the layer list in which the owner of the path's last step stands, or None."""
    if len(path) >= 2 and _TF_KERAS_LAYER.fullmatch(path[-2].segment):
        return path[-3].node if len(path) >= 3 else 0
    return path[-3].node if len(path) >= 3 and path[-3].segment == _LAYER_LIST else None


def _derived_labels(
    nodes: Sequence[Node], telling: Collection[int], paths: Mapping[int, list[_Path]]
) -> dict[int, str]:
    """Return layer names, read off the full names of the variables below, for members of Keras' layer lists."""
    read: dict[int, set[str]] = defaultdict(set)
    home: dict[int, int] = {}
    for leaf in telling:
        for path in paths.get(leaf, [])[:1]:
            parts = (nodes[leaf].full_name or "").split("/")[:-1]
            for i in range(len(path) - 2, -1, -1):
                if path[i].segment in _TRANSPARENT or _is_list(nodes[path[i].node]):
                    continue
                if not parts:
                    break
                part = parts.pop()
                if _is_member(path, i):
                    read[path[i].node].add(part)
                    home[path[i].node] = path[i - 1].node if i else 0
    labels = {node: next(iter(parts)) for node, parts in read.items() if len(parts) == 1}
    times = Counter((home[node], label) for node, label in labels.items())
    return {node: label for node, label in labels.items() if times[home[node], label] == 1}


def _is_list(node: Node) -> bool:
    return bool(node.children) and all(segment.isdigit() for segment, _ in node.children)


def _is_member(path: _Path, i: int) -> bool:
    """Say whether step ``i`` is a member of one of Keras' layer lists."""
    return bool(_TF_KERAS_LAYER.fullmatch(path[i].segment)) or (i > 0 and path[i - 1].segment == _LAYER_LIST)


def _readable(path: _Path, nodes: Sequence[Node], labels: Mapping[int, str]) -> Name:
    segments: list[str] = []
    said: list[bool] = []
    for i, step in enumerate(path):
        if step.segment in _TRANSPARENT:
            continue
        if _is_member(path, i):
            place = step.segment.rpartition("-")[2]
            segments.append(labels.get(step.node, place))
            said.append(False)
        else:
            segments.append(_plain(step.segment, nodes[step.node]) if i == len(path) - 1 else step.segment)
            said.append(True)
    return Name(tuple(segments), tuple(said))


def _plain(segment: str, node: Node) -> str:
    """Return ``kernel`` for Keras' private attribute ``_kernel``, where the variable itself is called so."""
    return segment[1:] if segment[1:] == (node.full_name or "").rpartition("/")[2] else segment


def _raw(path: _Path) -> Name:
    return name_of("/".join(step.segment for step in path), said=True)


def group_of_key(key: str, shapes: Mapping[str, Sequence[int]]) -> Group:
    """Return what a tensor that is known by its key alone is part of, among all keys and their shapes.

    >>> group_of_key("w/Adam", {"w": (2,), "w/Adam": (2,)}), group_of_key("w", {"w": (2,)})
    ('optimizer', 'model')
    """
    slot = _SLOT.fullmatch(key)
    parts = slot["owner"].split("/") if slot else []
    owners = ("/".join(parts[start:]) for start in range(len(parts)))  # A slot may lie in the optimizer's own scope.
    is_slot = any(owner in shapes and tuple(shapes[owner]) == tuple(shapes[key]) for owner in owners)
    return "optimizer" if is_slot or _POWER.fullmatch(key) else "model"
