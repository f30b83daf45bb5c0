"""Whether one side is the other and no more than something around it, in all but names. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from partial_restore._alignment import Alignment
from partial_restore._keys import Part, Prefix
from partial_restore._rows import Row
from partial_restore._sides import Sides
from partial_restore._types import Entry

_LEAST_LAYERS = 3
"""Fewer may have been replaced one by one, by a part that has as many."""


def proven(found: list[Alignment], ours: Sequence[Row], theirs: Sequence[Row], sides: Sides) -> list[Alignment]:
    """Return the alignment that numbers prove, all below its roots, if no chosen name meets anywhere; else all of them."""
    if any(each.is_told for each in found):
        return found
    whole = (each for each in found if _is_whole(each, ours, theirs, sides))
    return next(([replace(each, is_evident=True)] for each in whole), found)


def _is_whole(found: Alignment, ours: Sequence[Row], theirs: Sequence[Row], sides: Sides) -> bool:
    """Say whether all below roots meets, nothing else stands beside it on one side, and no layer that might be meant on the other."""
    met = {t: s for t, s in found.pairs if sides.are_alike(t, s)}
    if not len(met) == len(found.pairs) == len(found.ours.entries) == len(found.theirs.entries):
        return False
    if len({key[:-1] for _, _, key in found.met}) < _LEAST_LAYERS:
        return False
    here = _layers(sides.targets, (row for row in ours if row.entry not in met))
    there = _layers(sides.sources, (row for row in theirs if row.entry not in found.sources))
    known = _layers(sides.targets, found.ours.full)
    return not (here and there) and known.isdisjoint(here | there)


def _layers(entries: Sequence[Entry], rows: Iterable[Row]) -> set[Collection[tuple[Part, tuple[int, ...]]]]:
    """Return the layers of a side, each as what its variables are called and their shapes."""
    found: dict[Prefix, set[tuple[Part, tuple[int, ...]]]] = defaultdict(set)
    for row in rows:
        found[row.segments[:-1]].add((row.key[-1], entries[row.entry].shape))
    return {frozenset(variables) for variables in found.values()}
