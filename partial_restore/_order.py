"""In which order the layers of a file may have trained which of their variables. Pure; standard library only.

HDF5 of Keras 3 has the layers in groups, and says of some lists in which order they stand.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, product

from partial_restore._places import LAYERS, Group

Shape = tuple[int, ...]
_MOST_STEPS = 20_000
_MOST_VARIABLES = 8
"""Variables of one layer of which some may be frozen; of more there are too many choices."""

_PROJECTIONS = ("query_dense", "key_dense", "value_dense", "output_dense")
_INNER_ORDER = {
    "multi_head_attention": _PROJECTIONS,
    "grouped_query_attention": tuple(f"_{each}" for each in _PROJECTIONS),
    "bidirectional": ("forward_layer", "backward_layer"),
}

_UNTRAINED = {"batch_normalization": 2, "normalization": 3, "spectral_normalization": 2}
"""How many of its own variables, the last ones, a layer never trains: statistics, and the kernel of the layer that it wraps, which has it."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """The variables that a layer itself may train."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Branch:
    """Layers within a layer: those of a chain stand in order, between chains there is none that is known."""

    chains: tuple[tuple[_Leaf | _Branch, ...], ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a file by group, their shapes, and what its configuration tells: its layers in order, trained or not."""

    shapes: Mapping[str, Shape]
    groups: Mapping[str, Group]
    trained: Mapping[Group, bool]
    """The members of lists of layers, in the order of the model; empty if the file does not tell."""


def _tree(weights: Weights) -> _Branch:
    """Return the layers as a tree, with all that is known of their order and of what they train."""
    keys: dict[Group, list[str]] = defaultdict(list)
    for key in sorted(weights.shapes, key=_number):
        keys[weights.groups[key]].append(key)
    inner: dict[Group, set[str]] = defaultdict(set)
    for group in keys:
        for i, segment in enumerate(group):
            inner[group[:i]].add(segment)
    return _branch((), keys, inner, weights.trained, is_trained=True)


def _number(key: str) -> tuple[int, str]:
    last = key.rpartition("/")[2]
    return (int(last), key) if last.isdecimal() else (0, key)


def _branch(
    at: Group,
    keys: Mapping[Group, Sequence[str]],
    inner: Mapping[Group, Collection[str]],
    told: Mapping[Group, bool],
    *,
    is_trained: bool,
) -> _Branch:
    def below(group: Group) -> _Branch:
        return _branch(group, keys, inner, told, is_trained=is_trained and told.get(group, True))

    is_member = len(at) > 1 and at[-2] == LAYERS
    kind = _base(at[-1]) if is_member else ""
    chains: list[tuple[_Leaf | _Branch, ...]] = []
    if at in keys and is_trained:
        chains.extend((_Leaf(own),) for own in _in_order(keys[at][: _trainable(kind, len(keys[at]))]))
    rest = sorted(inner.get(at, ()))
    if LAYERS in rest:
        rest.remove(LAYERS)
        members = {(*at, LAYERS, name) for name in inner[(*at, LAYERS)]}
        in_order = [group for group in told if group in members]
        known = [in_order] if len(in_order) == len(members) else _by_class(members)
        chains.extend(tuple(map(below, chain)) for chain in known)
    ordered = [name for name in _INNER_ORDER.get(kind, ()) if name in rest]
    others = [[name] for name in rest if name not in ordered]
    chains.extend(tuple(below((*at, name)) for name in names) for names in (ordered, *others))
    return _Branch(tuple(chain for chain in chains if chain))


def _in_order(keys: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the variables of one layer of which the order is known: those that are numbered; one with a name stands anywhere."""
    if all(key.rpartition("/")[2].isdecimal() for key in keys):
        yield tuple(keys)
    else:
        yield from ((key,) for key in keys)


def _by_class(members: Collection[Group]) -> Iterator[list[Group]]:
    """Yield the members of a list of layers by class, in the order of their numbers."""
    chains: dict[str, list[Group]] = defaultdict(list)
    for group in sorted(members, key=lambda group: (len(group[-1]), group[-1])):
        chains[_base(group[-1])].append(group)
    yield from chains.values()


def _base(segment: str) -> str:
    return re.sub(r"_\d+$", "", segment)


def _trainable(kind: str, size: int) -> int:
    """Return how many of its variables a layer may train: they come before the others."""
    return max(size - _UNTRAINED.get(kind, 0), 0)


def owners_of(weights: Weights, runs: Sequence[Shape]) -> set[tuple[str, ...]] | None:
    """Return up to two ways to name variables that were trained and have these shapes; None if it takes too long.

    >>> shapes = {f"layers/{name}/vars/0": (2,) for name in ("dense", "dense_1")}
    >>> groups = {key: tuple(key.split("/")[:-2]) for key in shapes}
    >>> sorted(owners_of(Weights(shapes, groups, {}), [(2,), (2,)]))
    [('layers/dense/vars/0', 'layers/dense_1/vars/0')]
    >>> len(owners_of(Weights(shapes, groups, {}), [(2,)]))
    2
    """
    tree = _tree(weights)
    trainable = Counter(weights.shapes[key] for key in _keys(tree))
    search = _Search(weights.shapes, runs, is_whole=Counter(runs) == trainable)
    found = search.ends(tree, 0).get(len(runs), set())
    return None if search.is_exhausted else found


def may_train(groups: Mapping[str, Group], order: Sequence[str]) -> bool:
    """Say whether a file with these variables in these groups could be read as of a model that trains them in this order.

    >>> groups = {f"layers/{name}/vars/0": ("layers", name) for name in ("dense", "dense_1")}
    >>> [may_train(groups, order) for order in (list(groups), list(groups)[::-1])]
    [True, False]
    """
    shapes = {key: (i,) for i, key in enumerate(groups)}
    if not shapes.keys() >= set(order):
        return False
    tree = _only(_tree(Weights(shapes, groups, {})), frozenset(order))
    search = _Search(shapes, [shapes[key] for key in order], is_whole=True)
    return len(order) in search.ends(tree, 0) and not search.is_exhausted


def _only(branch: _Branch, keys: Collection[str]) -> _Branch:
    """Return the layers with these variables alone."""
    chains = (tuple(kept for each in chain if (kept := _kept(each, keys))) for chain in branch.chains)
    return _Branch(tuple(chain for chain in chains if chain))


def _kept(node: _Leaf | _Branch, keys: Collection[str]) -> _Leaf | _Branch | None:
    if isinstance(node, _Branch):
        inner = _only(node, keys)
        return inner if inner.chains else None
    own = tuple(key for key in node.keys if key in keys)
    return _Leaf(own) if own else None


def _keys(node: _Leaf | _Branch) -> Iterator[str]:
    if isinstance(node, _Leaf):
        yield from node.keys
    else:
        yield from (key for chain in node.chains for each in chain for key in _keys(each))


_Ends = dict[int, set[tuple[str, ...]]]
_Frontier = dict[tuple[int, tuple[int, ...]], set[tuple[str, ...]]]
"""How far the shapes are explained, and how far each chain is gone, with up to two ways to it."""


class _Search:
    """Goes through the orders in which layers may stand, and keeps two of all that fit.

    Where what was trained has as many shapes of each kind as could be, all was trained; else any variable may be frozen.
    """

    def __init__(self, shapes: Mapping[str, Shape], runs: Sequence[Shape], *, is_whole: bool) -> None:
        self.is_exhausted = False
        self._shapes, self._runs, self._is_whole = shapes, runs, is_whole
        self._steps = 0

    def ends(self, node: _Leaf | _Branch, at: int) -> _Ends:
        """Return where a node may end that begins at a place, with up to two ways to it."""
        if isinstance(node, _Leaf):
            return _merged((at + len(keys), {keys}) for keys in self._choices(node) if self._fits(keys, at))
        frontier: _Frontier = {(at, (0,) * len(node.chains)): {()}}
        for _ in range(sum(map(len, node.chains))):
            frontier = self._advanced(node, frontier)
        return _merged((end, ways) for (end, _), ways in frontier.items())

    def _choices(self, leaf: _Leaf) -> Iterator[tuple[str, ...]]:
        self.is_exhausted = self.is_exhausted or (not self._is_whole and len(leaf.keys) > _MOST_VARIABLES)
        if self._is_whole:
            yield leaf.keys
        elif not self.is_exhausted:
            yield from (tuple(compress(leaf.keys, chosen)) for chosen in product((0, 1), repeat=len(leaf.keys)))

    def _fits(self, keys: Sequence[str], at: int) -> bool:
        return [self._shapes[key] for key in keys] == list(self._runs[at : at + len(keys)])

    def _advanced(self, node: _Branch, frontier: _Frontier) -> _Frontier:
        """Return what one more layer makes of every state."""
        onward: _Frontier = {}
        for ((at, places), ways), (i, chain) in product(frontier.items(), enumerate(node.chains)):
            self._steps += 1
            self.is_exhausted = self.is_exhausted or self._steps > _MOST_STEPS
            if places[i] == len(chain) or self.is_exhausted:
                continue
            moved = (*places[:i], places[i] + 1, *places[i + 1 :])
            for end, more in self.ends(chain[places[i]], at).items():
                _add(onward.setdefault((end, moved), set()), (way + each for way in ways for each in more))
        return onward


def _merged(found: Iterable[tuple[int, set[tuple[str, ...]]]]) -> _Ends:
    ends: _Ends = {}
    for end, ways in found:
        _add(ends.setdefault(end, set()), ways)
    return ends


def _add(held: set[tuple[str, ...]], ways: Iterable[tuple[str, ...]]) -> None:
    """Add ways, of which two are as good as many."""
    for way in ways:
        if len(held) < 2:
            held.add(way)
