"""The state that optimizers keep in a graph of objects, in memory or recorded in a file, and whose each piece is.

Standard library only, no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from partial_restore._nodes import Node
from partial_restore._optimizers import KINDS, SLOTS, Called, family_of, family_of_words, kind_of
from partial_restore._types import State

_LISTS = frozenset({"_variables", "_trainable_variables", "_trainable_variables_indices", "_index_dict", "optimizers"})
"""Attributes of optimizers that are no lists of one kind of state."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A variable that an optimizer keeps in a graph of objects, by nodes: of which optimizer, and of which variable.

    ``word`` is what it is called, empty where the graph does not say whose it is; ``owner`` is None also of what the
    optimizer has once. ``called`` is the optimizer by its own name, ``family`` its class, ``fronts`` the paths to it, ``lists``
    the attributes in which it keeps the state of variables, in order.
    """

    optimizer: int
    word: str
    called: str
    owner: int | None = None
    family: str = ""
    fronts: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()

    def state(self, keys: Mapping[int, str]) -> State:
        """Return the state that it is, by the keys of the variables."""
        owner = None if self.owner is None else keys.get(self.owner)
        kind = kind_of(self.family, self.word) if self.owner is None or owner is not None else ""
        names = (*self.fronts, self.called) if self.called else self.fronts
        return State(kind, self.family, names, owner, self.lists)


def pieces_of_graph(
    nodes: Sequence[Node], optimizers: Collection[int], leaves: Collection[int], variables: Collection[int]
) -> dict[int, Piece]:
    """Return the state that the optimizers of a graph keep; ``variables`` are the leaves that are the model's."""
    if not optimizers:
        return {}
    called = Called([(name or "", leaf) for leaf in variables for name in (nodes[leaf].full_name, nodes[leaf].called)])
    found: dict[int, Piece] = {}
    for i in sorted(optimizers):
        node = nodes[i]
        held: dict[int, Piece] = {}
        for leaf, piece in _pieces(nodes, i, optimizers, called):
            if leaf in leaves and leaf not in variables:
                held.setdefault(leaf, piece)
        family = family_of(node.kind) if node.kind else _family(held.values())
        name = _most(piece.called for piece in held.values() if piece.owner is None or not node.slots)
        lists = tuple(segment for segment, child in node.children if segment not in _LISTS and _is_list(nodes[child]))
        found |= {leaf: replace(piece, family=family, called=name, lists=lists) for leaf, piece in held.items()}
    return found


def _family(pieces: Collection[Piece]) -> str:
    """Return the class that the names of an optimizer's state tell; where several do, it is not told."""
    told = {family_of(piece.called) for piece in pieces if piece.owner is not None and piece.called}
    told = told or {family_of(piece.called) for piece in pieces if piece.called}
    if not told:
        words = {piece.word for piece in pieces if piece.owner is not None}
        return family_of_words(words, {piece.word for piece in pieces if piece.owner is None})
    return told.pop() if len(told) == 1 else ""


def _most(names: Iterable[str]) -> str:
    """Return the name that most pieces bear: TensorFlow numbers some of those that Keras gives."""
    times = Counter(name for name in names if name)
    return times.most_common(1)[0][0] if times else ""


def _pieces(
    nodes: Sequence[Node], optimizer: int, optimizers: Collection[int], called: Called[int]
) -> Iterator[tuple[int, Piece]]:
    """Yield what an optimizer keeps: beside the variables (TensorFlow up to 2.10), as attributes, in lists, and then what attributes keep of their own."""
    node = nodes[optimizer]
    for owner, word, state in node.slots:
        yield state, _slot(nodes, optimizer, owner, word, state)
    lists = {segment: nodes[child] for segment, child in node.children if nodes[child].is_list}
    trained = _members(lists.get("_trainable_variables"))
    for segment, child in node.children:
        if segment not in _LISTS and not nodes[child].children:
            yield child, Piece(optimizer, segment.strip("_"), _above(nodes[child].full_name or ""))
    for segment, each in lists.items():
        if segment not in _LISTS:
            members = _members(each)
            owners = trained if members.keys() == trained.keys() else {}
            for place, leaf in members.items():
                yield leaf, _listed(nodes, optimizer, leaf, segment, owners.get(place), called)
    everything = _members(lists.get("_variables"))
    yield from _factored(
        nodes,
        optimizer,
        [leaf for _, leaf in sorted(everything.items(), key=lambda each: (len(each[0]), each[0]))],
        called,
    )
    for leaf in everything.values():
        yield leaf, _listed(nodes, optimizer, leaf, "", None, called)
    for segment, child in node.children:
        if child not in optimizers and segment not in _LISTS and segment not in lists:
            once = (each for each in nodes[child].children if not nodes[each[1]].children)
            yield from ((leaf, Piece(optimizer, f"{segment}_{name}", "")) for name, leaf in once)


def _is_list(node: Node) -> bool:
    """Say whether a node is a list, be it empty: Keras up to 3.3 does not let TensorFlow see what is in those of optimizers."""
    return node.is_list or (not node.children and node.full_name is None)


def _members(node: Node | None) -> dict[str, int]:
    return dict(node.children) if node else {}


def _above(name: str) -> str:
    """Return the segment above the last one: what the optimizer is called."""
    return name.rpartition("/")[0].rpartition("/")[2]


def _slot(nodes: Sequence[Node], optimizer: int, owner: int, word: str, state: int) -> Piece:
    """Return the state that stands beside its variable: ``Adam/dense/kernel/m``, in TensorFlow 1 ``dense/kernel/Adam``."""
    name = nodes[state].full_name or ""
    last = name.rpartition("/")[2]
    if last != word and last in SLOTS:
        return Piece(optimizer, SLOTS[last][1], SLOTS[last][0], owner)
    front, is_below, _ = name.rpartition(f"/{nodes[owner].full_name}/")
    return Piece(optimizer, word, front.rpartition("/")[2] if is_below else "", owner)


def _listed(
    nodes: Sequence[Node], optimizer: int, leaf: int, segment: str, by_place: int | None, called: Called[int]
) -> Piece:
    """Return whose state a member of a list is: by its place among the variables that the optimizer trains, or its name.

    The places of both lists are those of one file, written by one optimizer. A name that says otherwise leaves it open, or tells it
    where it begins with that of another variable: an optimizer may keep its state in an order of its own.
    """
    name = nodes[leaf].full_name or ""
    spelled = called.read(name)
    if by_place is None and spelled:
        return Piece(optimizer, spelled.word, spelled.optimizer, spelled.owner)
    if by_place is None or (spelled and spelled.owner != by_place):
        return Piece(optimizer, "", _above(name))
    word, owners = called.begun(name)
    if owners and by_place not in owners:
        owner = min(owners) if len(owners) == 1 else None
        return Piece(optimizer, word if owner is not None else "", _above(name), owner)
    stem = (nodes[by_place].full_name or "").replace("/", "_")
    last = name.rpartition("/")[2]
    word = last.removeprefix(f"{stem}_") if stem and last.startswith(f"{stem}_") else _word(last, segment)
    return Piece(optimizer, word, _above(name), by_place)


def _factored(
    nodes: Sequence[Node], optimizer: int, members: Sequence[int], called: Called[int]
) -> Iterator[tuple[int, Piece]]:
    """Yield the row and column averages of Adafactor, whose names do not tell what they are: they stand before the velocity."""
    read = [called.read(nodes[leaf].full_name or "") for leaf in members]
    for i in range(2, len(members)):
        velocity = read[i] if not any(read[i - 2 : i]) else None
        if velocity is None or velocity.word != "velocity":
            continue
        if "adafactor" in (family_of(nodes[optimizer].kind), family_of(velocity.optimizer)):
            for leaf, word in zip(members[i - 2 : i], "rc", strict=True):
                yield leaf, Piece(optimizer, word, velocity.optimizer, velocity.owner)


def _word(last: str, segment: str) -> str:
    """Return what a piece of state is by the end of its name, else by the list in which it is."""
    ends = [kind for kind in KINDS if last.endswith(f"_{kind}")]
    return max(ends, key=len, default=segment.strip("_"))
