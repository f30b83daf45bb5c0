"""Names of a side made comparable: what a person chose stands for itself, a position for its rank among as many. Pure; standard library only.

An automatic name such as ``dense_3`` becomes its rank among its siblings together with their number, so that two of
them are equal only where both sides have the same number of siblings: then the pairing in order is forced. Adding,
removing or re-typing a layer changes the number. A number in a list or a dict must be equal itself, among as many.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from partial_restore._keys import ALONE, CELL, HALVES, OF, VARIABLES, Front, Key, Part, Prefix, positions_of
from partial_restore._types import Name, Place

Places = tuple[Place | None, ...]


class Row(NamedTuple):
    """One name of one entry, ready to compare."""

    entry: int
    segments: Prefix
    key: Key
    places: Places = ()
    said: Sequence[bool | None] = ()


def keyed(
    names: Iterable[tuple[int, Name, int]],
    bases: frozenset[str],
    front_of: Callable[[str], Front | None],
    *,
    is_target: bool,
) -> list[Row]:
    """Return the names with their keys; the first ``pins`` segments of a name are taken literally.

    A segment of which its side knows nothing may be a chosen name or an automatic one: such a name has a key for
    each reading, and the other side decides which of them it meets. Of variables by name (a mapping) only one that
    stands alone may be a chosen one: where neither side knows, a number is no more than a number.

    Where a file knows the names of some layers alone, those are counted beside the places of the others. The names of a model
    that are derived as those of the file are counted by themselves, and meet them beside the very same places.
    """
    listed = [(entry, name, positions_of(name, pins, bases)) for entry, name, pins in names]
    held: dict[_Scope, dict[int, Place | None]] = defaultdict(dict)
    nameless: dict[_Scope, set[str]] = defaultdict(set)
    for _, name, positions in listed:
        for i, position in enumerate(positions):
            if position is not None:
                held[_scope(name, i, position[0])][position[1]] = name.places[i] if name.places else None
                if position[0] == OF:
                    nameless[_scope(name, i, OF)].add(name.segments[i])
    lost = {scope: ", ".join(sorted(places)) for scope, places in nameless.items()}
    ranks: dict[_Scope, _Ranks] = {
        scope: _ranks(places) if scope[2] else _listed(places) for scope, places in held.items()
    }
    around_one = _around_one([(name, positions) for _, name, positions in listed])
    after = _called_after([(name, positions) for _, name, positions in listed], front_of)
    return [
        Row(entry, name.segments, key, name.places, name.said)
        for entry, name, positions in listed
        for key in (
            itertools.product(*_readings(name, positions, ranks, lost, around_one, after, is_target=is_target))
            if any(positions)
            else (name.segments,)
        )
    ]


def _around_one(names: Iterable[tuple[Name, Sequence[tuple[str, int] | None]]]) -> set[Prefix]:
    """Return the layers that somebody named in which there is but one layer, as in a wrapper."""
    within: dict[Prefix, set[str]] = defaultdict(set)
    for name, positions in names:
        for i in range(1, len(name.segments) - 1):
            if not positions or positions[i - 1] is None:
                within[name.segments[:i]].add(name.segments[i])
    return {layer for layer, found in within.items() if len(found) == 1}


_Scope = tuple[Prefix, tuple[bool | None, ...], str, bool]
_Ranks = Mapping[int, tuple[int, int | str]]


def _scope(name: Name, i: int, base: str) -> _Scope:
    """Return what segment ``i`` of a name is counted in, if it is of this kind: what stands before it, as this name reads that."""
    return name.segments[:i], name.said[:i], base, name.is_derived


def _listed(numbers: Collection[int]) -> _Ranks:
    """Return for each place in a list itself, and which places are taken: what has no variables may stand between."""
    ordered = sorted(numbers)
    breaks = [i for i in range(1, len(ordered)) if ordered[i] != ordered[i - 1] + 1]
    runs = itertools.pairwise([0, *breaks, len(ordered)])
    text = ",".join(f"{ordered[start]}-{ordered[end - 1]}" for start, end in runs)
    return {number: (number, text) for number in numbers}


def _ranks(places: Mapping[int, Place | None]) -> _Ranks:
    """Return for each number its rank, and the rank of its place: another one if somebody chose a name among them."""
    ordered = sorted(places)
    known = [place for place in places.values() if place is not None]
    if len(set(known)) < len(ordered):
        return {number: (rank, rank) for rank, number in enumerate(ordered)}
    by_place = {
        number: rank for rank, number in enumerate(sorted(ordered, key=lambda number: places[number] or ("", 0)))
    }
    return {number: (rank, by_place[number]) for rank, number in enumerate(ordered)}


def _called_after(
    names: Iterable[tuple[Name, Sequence[tuple[str, int] | None]]], front_of: Callable[[str], Front | None]
) -> Mapping[tuple[Prefix, str], Part]:
    """Return what segments, by what stands before them, are that a person made of an automatic name, if all beside them have the same number in it.

    ``block_3/block_3_query`` is the query of that block.
    """
    numbers: dict[tuple[Prefix, str], set[str]] = defaultdict(set)
    found: dict[tuple[Prefix, str], tuple[str, str]] = {}
    for name, positions in names:
        for i, segment in enumerate(name.segments[: len(positions)]):
            if positions[i] is None and not name.said[i] and (front := front_of(segment)):
                base, number, rest = front
                numbers[name.segments[:i], base].add(number)
                found[name.segments[:i], segment] = base, rest
    return {at: (f"{base}_{rest}", 0, 1, 0) for at, (base, rest) in found.items() if len(numbers[at[0], base]) == 1}


def _readings(
    name: Name,
    positions: Sequence[tuple[str, int] | None],
    ranks: Mapping[_Scope, _Ranks],
    lost: Mapping[_Scope, str],
    around_one: Collection[Prefix],
    after: Mapping[tuple[Prefix, str], Part],
    *,
    is_target: bool,
) -> Iterator[tuple[Part, ...]]:
    """Yield what each segment may stand for: itself, or its rank among so many; a place in a list its number."""
    for i, position in enumerate(positions):
        segment = name.segments[i]
        if position is None:
            at = (name.segments[:i], segment)
            yield (segment, after[at]) if at in after else (segment,)
            continue
        base, number = position
        if base == OF:
            yield ((OF, number, int(segment.rpartition(OF)[2]), number),)
            continue
        held = ranks[_scope(name, i, base)]
        rank, place = held[number]
        if not base and i and name.segments[i - 1] == VARIABLES:
            yield (f"{number} of {len(held)}",)  # The layer is known, and so is which of its variables it is.
            continue
        if i and len(held) == 1 and CELL.fullmatch(base):
            yield (base, "cell") if base != "cell" else (base,)  # The one cell of a layer is known by the layer.
            continue
        if i and len(held) == 1 and base.startswith(HALVES):
            yield (base,)  # And so is either half of a bidirectional one.
            continue
        part = (base, rank, len(held), place)
        is_of_cell = not i and len(held) == 1 and CELL.fullmatch(base)
        if is_of_cell:
            yield part, base  # It may be the name of a layer, below a root on the other side.
            continue
        if base and i == len(name.segments) - 2 and name.segments[:i] in around_one:
            yield part, f"{base}{ALONE}"  # The layer above tells it, where that has but one on the other side as well.
            continue
        is_open = bool(base) and name.said[i] is None and (not is_target or (len(held) == 1 and number < 0))
        beside = lost.get(_scope(name, i, OF), "")
        if base and beside and (name.is_derived or not is_target):
            part_beside = (base, rank, len(held), f"{place} beside {beside}")
            yield (part_beside,) if name.is_derived else (part, part_beside)
        else:
            yield (part, segment) if is_open else (part,)
