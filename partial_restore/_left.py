"""What is left of both sides and may be the same, by the numbers of layers that have no names. Pure; standard library only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import product

from partial_restore._alignment import aligned, entries_of
from partial_restore._keys import OF, is_said
from partial_restore._roots import may_be_root, roots_before_all
from partial_restore._rows import Row
from partial_restore._said import rows_of
from partial_restore._settle import Grade, Settled
from partial_restore._sides import Sides

_LEAST_LAYERS = 2
"""One alone may have been replaced."""


def but_left(settled: Mapping[int, Settled], led: Collection[int], sides: Sides) -> dict[int, Settled]:
    """Leave undecided what no name leads to if all of it, on both sides, meets by numbers below other roots.

    The layers that stood in an inner model may stand around the named ones now, or the other way round; nothing tells
    that they are others. Tensors that are ``led`` to belong to other variables.
    """
    targets = {t for t, entry in enumerate(sides.targets) if t not in settled}
    sources = {s for s in range(len(sides.sources)) if s not in led and not sides.sources[s].nameless}
    if len(targets) == len(sides.targets):
        return dict(settled)
    ours, theirs = map(_numbered, rows_of("paths", sides, targets, sources))
    if any(OF in segment for row in theirs for segment in row.segments):
        return dict(settled)  # A checkpoint lost what these are called.
    for root in product([(), *roots_before_all(theirs)], [(), *roots_before_all(ours)]):
        found = aligned(ours, theirs, root)
        alike = {(t, s) for t, s in found.pairs if sides.are_alike(t, s)}
        is_whole = len(alike) == len(found.pairs) == len(entries_of(ours)) == len(entries_of(theirs))
        layers = {key[:-1] for _, _, key in found.met}
        if is_whole and not found.is_told and may_be_root(root, ours, theirs) and len(layers) >= _LEAST_LAYERS:
            return {**settled, **{t: (Grade.UNDECIDED, (s,)) for t, s in alike}}
    return dict(settled)


def _numbered(rows: Iterable[Row]) -> list[Row]:
    """Return the names with a number in them: what has names alone, and meets nothing, came or went."""
    return [row for row in rows if not is_said(row.key)]
