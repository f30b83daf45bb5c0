"""Names of the variables in a graph of objects, the same for a model in memory and for the graph that a file recorded.

Standard library only, no I/O. A path is made of what a person wrote wherever the graph tells it: attributes as they
stand, members of Keras' own layer lists by the name of the layer, and by their place only where nothing else is known.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from partial_restore._keys import place_of
from partial_restore._labels import derived_labels, read_by, telling, told_beside_attributes
from partial_restore._nodes import (
    MOST_PATHS,
    TRANSPARENT,
    Node,
    Path,
    Step,
    copies_of,
    is_hidden,
    is_optimizer,
    optimizer_state,
    overwritten,
    paths_of,
)
from partial_restore._optimizers import kind_of
from partial_restore._pieces import Piece, pieces_of_graph
from partial_restore._scopes import Scoped, in_attributes, scopes_of_blocks
from partial_restore._types import Blocks, Group, Name, Place, name_of


class Names(NamedTuple):
    """All that is known about what a variable is called."""

    paths: tuple[Name, ...]
    given: tuple[Name, ...]
    group: Group
    nameless: bool = False
    lacking: tuple[Name, ...] = ()
    """Paths that a file would have instead that does not know the names of all layers."""
    piece: Piece | None = None
    shared: tuple[Name, ...] = ()
    """The full name of what is nameless, which is also that of others."""
    scoped: tuple[Name, ...] = ()
    """By the scope of a block in a list, and the attributes within that."""
    blocks: Blocks = ()
    """What is around it in lists, be it called as others are or not."""
    inputs: frozenset[str] = frozenset()
    """Which inputs of its model feed its layer, if its side tells."""


def names_of_graph(nodes: Sequence[Node], leaves: Sequence[int], *, unnamed: bool = False) -> dict[int, Names]:
    """Return the names of every leaf (a variable's node); node 0 is the root. The file to compare with may know ``unnamed`` layers.

    >>> nodes = [Node([("a", 1)]), Node([("_kernel", 2)]), Node([], full_name="net/dense/kernel")]
    >>> [name.text for name in names_of_graph(nodes, [2])[2].paths]
    ['a/kernel']
    """
    optimizers = {i for i, node in enumerate(nodes) if is_optimizer(node)}
    slots = {state: (owner, slot) for node in nodes for owner, slot, state in node.slots}
    last = overwritten(nodes)
    open_paths = paths_of(
        nodes, lambda i, segment: i not in optimizers and not is_hidden(nodes[i], segment) and (i, segment) not in last
    )
    is_complete = all(leaf in open_paths for leaf in leaves)
    all_paths = {} if is_complete else paths_of(nodes, lambda *_: True)
    state = (optimizer_state(nodes, optimizers) | slots.keys()) - open_paths.keys()
    copies = copies_of(nodes)
    others = state | copies
    weights = [leaf for leaf in leaves if leaf not in others]
    found = _model_names(nodes, weights, open_paths, all_paths, unnamed=unnamed)
    for leaf in copies.intersection(leaves):
        found[leaf] = Names((raw_name(all_paths[leaf][0]),), (), "copy")
    pieces = pieces_of_graph(nodes, optimizers, state.intersection(leaves), frozenset(weights))
    for leaf in state.intersection(leaves):
        found[leaf] = _state_names(leaf, pieces.get(leaf), found, open_paths, all_paths)
    return {leaf: found[leaf] for leaf in leaves}


def _model_names(
    nodes: Sequence[Node],
    leaves: Sequence[int],
    open_paths: Mapping[int, list[Path]],
    all_paths: Mapping[int, list[Path]],
    *,
    unnamed: bool,
) -> dict[int, Names]:
    """Return the names of the model's own variables."""
    read = read_by({leaf: open_paths[leaf] for leaf in leaves if leaf in open_paths})
    told = telling(nodes, leaves, read)
    scopes = scopes_of_blocks(nodes, read)
    derived = derived_labels(nodes, told, read)
    known = {**derived, **{i: node.label for i, node in enumerate(nodes) if node.label}}
    beside = {**told_beside_attributes(nodes, leaves, read), **known}
    ranks = _ranks(path for leaf in leaves for path in open_paths.get(leaf, ()))
    may_lack = len(known) > len(derived) and (unnamed or any(known[i] != label for i, label in derived.items()))
    found: dict[int, Names] = {}
    for leaf in leaves:
        paths = open_paths.get(leaf, [])
        readable = _once([_readable(path, nodes, known, ranks) for path in paths])
        lacking = _lacking(paths, nodes, known, derived, ranks) if may_lack else ()
        given = (name_of(nodes[leaf].full_name or ""),) if leaf in told else ()
        scoped = scopes.get(leaf, Scoped())
        blocks = scoped.blocks
        if given and readable and all(name.tells_all for name in readable):
            given = ()  # The attributes say all; a full name could only repeat them or blur them.
        if beside and not given and readable and all(name.tells_all for name in readable):
            blocks = blocks or tuple(in_attributes(nodes, read[leaf], beside))
        names = Names(readable, given, "model", lacking=lacking, scoped=scoped.names, blocks=blocks)
        found[leaf] = names if readable or given else _unreadable(leaf, nodes[leaf], all_paths)
    return found


def _once(names: Sequence[Name]) -> tuple[Name, ...]:
    """Return the names, each once: most variables have but one."""
    return tuple(names if len(names) < 2 else dict.fromkeys(names))


def _shown(names: Names) -> str:
    return (names.paths or names.given)[0].text


def _unreadable(leaf: int, node: Node, all_paths: Mapping[int, list[Path]]) -> Names:
    """Return what is known of a variable that only hidden lists hold, such as the one of an optimizer's weights."""
    path = next(iter(all_paths.get(leaf, [])), Path([Step(f"node-{leaf}", leaf)]))
    is_metric = any(step.segment in ("keras_api", "_metrics") for step in path)
    shared = (name_of(node.full_name),) if node.full_name else ()
    return Names((raw_name(path),), (), "metric" if is_metric else "model", nameless=not is_metric, shared=shared)


def _state_names(
    leaf: int,
    piece: Piece | None,
    found: Mapping[int, Names],
    open_paths: Mapping[int, list[Path]],
    all_paths: Mapping[int, list[Path]],
) -> Names:
    """Return the name of a piece of optimizer state: the optimizer, the variable to which it belongs, what it is."""
    path = next(iter(all_paths.get(leaf, [])), Path([Step(f"node-{leaf}", leaf)]))
    if piece is None:
        return Names((raw_name(path),), (), "optimizer")
    fronts = tuple(raw_name(each).text for each in open_paths.get(piece.optimizer, ()) if each)
    owner = found.get(piece.owner) if piece.owner is not None else None
    shown = (
        fronts[0] if fronts else "optimizer",
        *((_shown(owner),) if owner else ()),
        kind_of(piece.family, piece.word),
    )
    named = name_of("/".join(shown), said=True) if piece.word else raw_name(path)
    return Names((named,), (), "optimizer", piece=replace(piece, fronts=fronts))


def _partly(labels: Mapping[int, str], path: Path) -> Iterator[Mapping[int, str]]:
    """Yield the labels of members of layer lists on the path, all and without some of them, which a file may lack."""
    members = [path[i].node for i in path.members]
    subsets = itertools.chain.from_iterable(itertools.combinations(members, size) for size in range(len(members) + 1))
    for nameless in itertools.islice(subsets, MOST_PATHS):
        yield {node: labels[node] for node in members if node in labels and node not in nameless}


_Ranks = Mapping[tuple[int, int], str]
"""The place of a member among those of its layer list, by the nodes of both."""


def _ranks(paths: Iterable[Path]) -> _Ranks:
    """Return the places among the members that have variables: Keras 3 counts others as well, Keras 2 does not."""
    places: dict[int, dict[int, int]] = defaultdict(dict)
    for path in paths:
        for i in path.members:
            places[path[i - 1].node if i else 0][member_place(path[i])] = path[i].node
    return {
        (home, members[place]): place_of(rank, len(members))
        for home, members in places.items()
        for rank, place in enumerate(sorted(members), 1)
    }


def _lacking(
    paths: Sequence[Path],
    nodes: Sequence[Node],
    known: Mapping[int, str],
    derived: Mapping[int, str],
    ranks: _Ranks,
) -> tuple[Name, ...]:
    """Return the names in a file that knows of the layers only what full names tell, or not even some of that."""
    listed = [path for path in paths if path.members]
    names = [_readable(path, nodes, labels, ranks) for path in listed for labels in _partly(known, path)]
    return _once([*names, *(_readable(path, nodes, derived, ranks)._replace(is_derived=True) for path in listed)])


def _readable(path: Path, nodes: Sequence[Node], labels: Mapping[int, str], ranks: _Ranks) -> Name:
    if not path.members:
        return _chosen(path, nodes)
    segments: list[str] = []
    said: list[bool] = []
    places: list[Place | None] = []
    members = path.members
    for i, step in enumerate(path):
        if step.segment in TRANSPARENT:
            continue
        if i in members:
            place = ranks[path[i - 1].node if i else 0, step.node]
            segments.append(labels.get(step.node, place))
            said.append(False)
            places.append(("", int(place.partition(" ")[0])))
        else:
            segments.append(_plain(step.segment, nodes[step.node]) if i == len(path) - 1 else step.segment)
            said.append(True)
            places.append(None)
    return Name(tuple(segments), tuple(said), tuple(places))


def _chosen(path: Path, nodes: Sequence[Node]) -> Name:
    """Return the name of a variable to which attributes lead, and no layer list."""
    segments = [step.segment for step in path if step.segment not in TRANSPARENT]
    if path and path[-1].segment not in TRANSPARENT:
        segments[-1] = _plain(segments[-1], nodes[path[-1].node])
    return Name(tuple(segments), (True,) * len(segments), (None,) * len(segments))


def member_place(step: Step) -> int:
    """Return the place of a member of a layer list."""
    return int(step.segment.rpartition("-")[2])


def _plain(segment: str, node: Node) -> str:
    """Return ``kernel`` for Keras' private attribute ``_kernel``, where the variable itself is called so."""
    is_private = segment.startswith("_") and segment[1:] == (node.full_name or "").rpartition("/")[2]
    return segment[1:] if is_private else segment


def raw_name(path: Path) -> Name:
    return name_of("/".join(step.segment for step in path), said=True)
