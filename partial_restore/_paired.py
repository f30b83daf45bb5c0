"""Which of the undecided belong together: in pairs, layer by layer, by how much alike they are called. Pure; standard library only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from partial_restore._keys import SAYING_NOTHING, VARIABLES, is_place
from partial_restore._types import Entry, Name

Pair = tuple[Entry, Entry]
"""A tensor, and the variable for which it is."""

_ByLayer = Mapping[str, Sequence[Entry]]

_STATISTICS = ("moving_mean", "moving_variance")
_NORMALIZATION = ("gamma", "beta", *_STATISTICS)
"""The variables of a normalization, in the order in which Keras stores them."""

_NUMBER = re.compile(r"_\d+(?=/|$)")


class Open(NamedTuple):
    """A variable that is undecided, and the tensors of its shape that no other one has.

    Of state the ``owner`` is the key of the tensor that the variable has whose state it is.
    """

    target: Entry
    free: Sequence[Entry]
    owner: str = ""

    @property
    def is_nameless(self) -> bool:
        return any(entry.nameless for entry in self.free)

    @property
    def is_state(self) -> bool:
        return self.target.group == "optimizer"

    @property
    def is_ordered(self) -> bool:
        """Say whether of a tensor only the place is known, in the order of the model."""
        return self.is_nameless or any(is_place(segment) for entry in self.free for segment in entry.called.segments)

    @property
    def is_of_names(self) -> bool:
        """Say whether what Keras called a tensor is all that the file tells."""
        return any(entry.called.segments in [name.segments for name in entry.given] for entry in self.free)


@dataclass(frozen=True)
class Likeness:
    """How much alike a variable and a tensor are called: how many segments the ends of two names have in common.

    First those that were given count, with the numbers that a person chose; then without any, also in other names, be it with the
    name of the ``model`` before them; then the attributes. Numbers of ``automatic`` names tell nothing, nor does a place in a list. Last
    counts whether they lie in as many models and layers.
    """

    model: str = ""
    automatic: Collection[str] = ()

    def __call__(self, target: Entry, source: Entry) -> tuple[int, ...]:
        """Return what counts of two entries, first things first."""
        front = f"{self.model}/" if self.model else ""
        ours = {front + name.text for name in (*target.shown, *target.paths, *target.given) if not _is_listed(name)}
        theirs = {name.text for name in (*source.paths, *source.given, *source.ops) if not _is_listed(name)}
        given = [(one, other) for one in _given(target) for other in _given(source)]
        attributes = [(one.text, other.text) for one in target.paths for other in source.paths]
        return (
            max((common_end(*map(self._chosen, pair)) for pair in given), default=0),
            max((common_end(*map(unnumbered, pair)) for pair in given), default=0),
            max((common_end(unnumbered(one), unnumbered(other)) for one in ours for other in theirs), default=0),
            max((common_end(*map(unnumbered, pair)) for pair in attributes), default=0),
            -min((abs(_layers(one) - _layers(other)) for one in target.paths for other in source.paths), default=0),
        )

    def _chosen(self, name: str) -> str:
        return "/".join(base if (base := unnumbered(each)) in self.automatic else each for each in name.split("/"))


def _layers(path: Name) -> int:
    """Return in how many layers a variable lies that are known by their names or numbers, as members of a model are."""
    return sum(is_said is False for is_said in path.said[:-1])


def _given(entry: Entry) -> list[str]:
    """Return what an entry was called, or its path with what is known of the names of the layers on it."""
    names = {depth: name for depth, name, _ in entry.blocks if depth > 1}
    if entry.given or not names or not entry.paths:
        return [name.text for name in entry.given]
    segments = entry.paths[0].segments
    return ["/".join(names.get(len(segments) - i, segment) for i, segment in enumerate(segments))]


def paired(undecided: Sequence[Open], likeness: Likeness) -> list[Pair]:
    """Return the undecided in pairs, each tensor once, layer by layer: one that has a free tensor for each of the variables.

    What has fewest of these goes first, then what is called most alike one of them, and takes that; then what comes first in the model.
    Last goes that of whose tensors another layer has the name; and what is called most alike none that is left waits for all others.

    >>> from partial_restore._types import name_of
    >>> head, inner = (Entry(name, (name_of(name),), (), (), "float32") for name in ("dense_1/w", "net/dense/w"))
    >>> one, two = (Entry(name, (name_of(name),), (), (), "float32") for name in ("dense/w", "dense_1/w"))
    >>> [(old.name, new.name) for old, new in paired([Open(head, [one, two]), Open(inner, [one])], Likeness())]
    [('dense/w', 'net/dense/w'), ('dense_1/w', 'dense_1/w')]
    """
    layers: dict[str, list[tuple[Entry, _ByLayer]]] = defaultdict(list)
    for each in undecided:
        layers[layer_of(each.target)].append((each.target, _by_layer(each.free)))
    options = {layer: _options(variables, likeness) for layer, variables in layers.items()}
    alike = {layer: max(found.values(), default=()) for layer, found in options.items()}
    places = {layer_of(each.target): each.target.place or 0 for each in undecided if each.is_ordered}
    made = {
        layer_of(each.target): each.target.given[0].text for each in undecided if each.target.given and each.is_of_names
    }
    made |= {new.name: f"{owner}/{new.name.rpartition('/')[2]}" for new, _, owner in undecided if owner}
    order = {layer: i for i, layer in enumerate(_as_made(layers, made))}
    named: dict[str, int] = defaultdict(int)
    for option, (name, *_) in (each for fits in options.values() for each in fits.items()):
        named[option] = max(named[option], name)
    pairs: dict[str, Pair] = {}

    def rank(layer: str) -> tuple[int, ...]:
        is_outdone = all(name < named[option] for option, (name, *_) in options[layer].items())
        few = is_outdone, len(options[layer]), places.get(layer, 0)
        return *few, *(-each for each in alike[layer]), order[layer]

    waiting: list[str] = []
    for layer in sorted(layers, key=rank):
        best = [option for option, found in options[layer].items() if found == alike[layer]]
        if found := _first(layers[layer], best, pairs.keys(), likeness):
            pairs |= found
        else:
            waiting.append(layer)
    for layer in waiting:
        pairs |= _first(layers[layer], options[layer], pairs.keys(), likeness)
    return list(pairs.values())


def _first(
    variables: Sequence[tuple[Entry, _ByLayer]], options: Iterable[str], taken: AbstractSet[str], likeness: Likeness
) -> dict[str, Pair]:
    """Return tensors of the first of some layers that has them for all of the variables, or nothing."""
    return next(filter(None, (_chosen(variables, option, taken, likeness) for option in options)), {})


def _as_made(layers: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Return layers in the order of the model, those that Keras numbered in a row by their numbers: it counts what is made.

    The order of a model of branches is that of no numbers, and not the same in both families.

    >>> _as_made(["one", "head", "two"], {"one": "dense_1/w", "two": "dense/w"})
    ['two', 'head', 'one']
    """
    rows: dict[str, list[str]] = defaultdict(list)
    for layer in layers:
        rows[unnumbered(names.get(layer, layer))].append(layer)
    queues = {row: iter(sorted(held, key=lambda each: _natural(names.get(each, each)))) for row, held in rows.items()}
    return [next(queues[unnumbered(names.get(layer, layer))]) for layer in layers]


def _by_layer(entries: Iterable[Entry]) -> _ByLayer:
    layers: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        layers[layer_of(entry)].append(entry)
    return layers


def _options(variables: Sequence[tuple[Entry, _ByLayer]], likeness: Likeness) -> Mapping[str, tuple[int, ...]]:
    """Return the layers that have a tensor for each of the variables of one, and how alike they are called; the most alike first.

    Of as much alike ones that of the model goes before that of a part with a name (``ema``).
    """
    common = set.intersection(*(set(free) for _, free in variables))
    alike = {
        layer: max(likeness(target, entry) for target, free in variables for entry in free[layer]) for layer in common
    }
    ordered = sorted(common, key=lambda layer: (layer.partition("/")[0] not in SAYING_NOTHING, _natural(layer)))
    return {layer: alike[layer] for layer in sorted(ordered, key=alike.__getitem__, reverse=True)}


def _chosen(
    variables: Sequence[tuple[Entry, _ByLayer]], layer: str, taken: AbstractSet[str], likeness: Likeness
) -> dict[str, Pair]:
    """Return a tensor of a layer for each of the variables, by key, or nothing if there is none for one of them."""
    known = _in_order(variables, layer)
    if known is not None:
        return known if taken.isdisjoint(known) else {}
    chosen: dict[str, Pair] = {}
    for target, free in variables:
        left = [entry for entry in free[layer] if entry.key not in taken and entry.key not in chosen]
        if not left:
            return {}
        ordered = sorted(left, key=lambda entry: _natural(entry.name))
        best = max(ordered, key=lambda entry: likeness(target, entry))
        chosen[best.key] = best, target
    return chosen


def _in_order(variables: Sequence[tuple[Entry, _ByLayer]], layer: str) -> dict[str, Pair] | None:
    """Return a tensor for each variable of a normalization, of which a file has the places alone: which of them it lacks now tells these.

    Nothing if nobody can tell which of them the file lacks; None if it is no normalization, or no such file.
    """
    names = [target.called.segments[-1] for target, _ in variables]
    order = _NORMALIZATION if not {*names}.isdisjoint(_STATISTICS) else _NORMALIZATION[: -len(_STATISTICS)]
    held = {entry.key: entry for _, free in variables for entry in free[layer]}
    if not {*names} <= {*order} or any(entry.called.segments[-2:-1] != (VARIABLES,) for entry in held.values()):
        return None
    places = sorted(held.values(), key=lambda entry: _natural(entry.name))
    if len(places) != len(order):
        return {}
    pairs = ((places[order.index(name)], target) for name, (target, _) in zip(names, variables, strict=True))
    return {old.key: (old, new) for old, new in pairs}


def common_end(name: str, other: str) -> int:
    """Return how many segments the ends of two names have in common.

    >>> common_end("model/sequential/dense/kernel", "sequential/dense/kernel")
    3
    """
    ends = zip(*(reversed(each.split("/")) for each in (name, other)), strict=False)
    return next((i for i, (one, two) in enumerate(ends) if one != two), min(name.count("/"), other.count("/")) + 1)


@lru_cache(maxsize=1 << 16)
def unnumbered(name: str) -> str:
    return _NUMBER.sub("", name)


def layer_of(entry: Entry) -> str:
    """Return what a variable is part of: a member of a list is a part of nothing else, nor is state, and what has no name may be of anyone's."""
    is_alone = (_is_listed(entry.called) and not entry.nameless) or entry.group == "optimizer"
    return entry.name if is_alone else "/".join(entry.called.segments[:-1])


def _is_listed(name: Name) -> bool:
    """Say whether a name ends with a place in a list."""
    return name.segments[-1].isdecimal() and name.segments[-2:-1] != (VARIABLES,)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that orders numbers in names as numbers.

    >>> sorted(["dense_10", "dense_9", "dense"], key=_natural)
    ['dense', 'dense_9', 'dense_10']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
