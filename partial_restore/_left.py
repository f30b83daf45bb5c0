"""What is left of both sides and may be the same, below other roots. Pure; standard library only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product

from partial_restore._alignment import aligned, entries_of
from partial_restore._keys import OF, Key, Prefix, is_said
from partial_restore._roots import may_be_root, roots_before_all
from partial_restore._rows import Row
from partial_restore._said import rows_of
from partial_restore._settle import Grade, Settled
from partial_restore._sides import Sides
from partial_restore._types import Entry

_LEAST_LAYERS = 2
"""One alone may have been replaced."""


def but_left(settled: Mapping[int, Settled], led: Collection[int], sides: Sides) -> dict[int, Settled]:
    """Leave undecided what no name leads to if all of it, on both sides, meets by numbers below other roots; and models with other names.

    The layers that stood in an inner model may stand around the named ones now, or the other way round; nothing tells
    that they are others. Tensors that are ``led`` to belong to other variables.
    """
    targets = {t for t, entry in enumerate(sides.targets) if t not in settled}
    sources = {s for s in range(len(sides.sources)) if s not in led and not sides.sources[s].nameless}
    if len(targets) == len(sides.targets):
        return dict(settled)
    if not targets or not sources:
        return dict(settled)
    rows = rows_of("paths", sides, targets, sources)
    if renamed := _renamed_models(*rows, sides):
        return {**settled, **{t: (Grade.ELSEWHERE, (s,)) for t, s in renamed}}
    ours, theirs = map(_numbered, rows)
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


def _renamed_models(ours: Collection[Row], theirs: Collection[Row], sides: Sides) -> set[tuple[int, int]]:
    """Return what meets in models with other names, of which nothing else leads to anything.

    All of one must be in the other, in the same shapes, and its layers have names that nothing else on either side has: an inner model
    whose default name tells the size of its images has another one for another size.
    """
    models, others = _models(ours, sides.targets), _models(theirs, sides.sources)
    by_names = {frozenset(found): found for found in others.values()}
    if len(by_names) < len(others):
        return set()  # Which of them is it?
    found: set[tuple[int, int]] = set()
    for model in models.values():
        other = by_names.get(frozenset(model), {})
        if other and all(sides.are_alike(t, other[key]) for key, t in model.items()):
            found.update((t, other[key]) for key, t in model.items())
    return found


def _models(rows: Collection[Row], entries: Sequence[Entry]) -> Mapping[Prefix, Mapping[Key, int]]:
    """Return what is in the models that are left whole, two layers or more, if no other entry ends in one of its names."""
    paths = [(i, path.segments) for i, entry in enumerate(entries) for path in entry.paths]
    ends = Counter(path[depth:] for _, path in paths for depth in range(len(path) - 1))
    left = {row.entry for row in rows}
    taken = {path[:depth] for i, path in paths if i not in left for depth in range(1, len(path))}
    found: dict[Prefix, dict[Key, int]] = defaultdict(dict)
    for row in rows:
        for i in range(1, len(row.key) - 1):
            if ends[row.segments[i:]] == 1:
                found[row.segments[:i]][row.key[i:]] = row.entry
            else:
                taken.add(row.segments[:i])
    return {
        root: model
        for root, model in found.items()
        if root not in taken and len({key[:-1] for key in model}) >= _LEAST_LAYERS and any(map(is_said, model))
    }


def _numbered(rows: Iterable[Row]) -> list[Row]:
    """Return the names with a number in them: what has names alone, and meets nothing, came or went."""
    return [row for row in rows if not is_said(row.key)]
