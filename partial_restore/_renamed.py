"""What the caller renamed, and what a name fits without identifying. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from partial_restore._below import Below, below, by_key
from partial_restore._keys import Prefix, unnumbered
from partial_restore._rows import Row, keyed
from partial_restore._settle import MOST_CANDIDATES, Claim, Grade, Kind
from partial_restore._sides import Sides


def renamed_claims(
    ours: Sequence[Row], theirs: Sequence[Row], sides: Sides, kind: Kind
) -> tuple[list[Claim], Collection[int]]:
    """Return what the caller renamed: the segments that a rule spelled out are compared as they stand.

    And the variables with a number among those of which a rule spelled one out: what is left is not in order.
    """
    shown = ((t, name, 0) for t, entry in enumerate(sides.targets) for name in entry.shown)
    known = [*ours, *keyed(shown, sides.bases, partial(sides.front_of, is_target=True), is_target=True)]
    moved = [row for row in theirs if sides.renamed[row.entry] is not None]
    pins = {(s, name.segments): pinned for s, rule in enumerate(sides.renamed) if rule for name, pinned in rule.names}
    claims: list[Claim] = []
    spelled: set[tuple[Prefix, str]] = set()
    for depth in set(pins.values()):
        here = by_key((row.entry, row.segments[:depth] + row.key[depth:]) for row in known)
        for row in moved:
            if pins[row.entry, row.segments] == depth:
                fits = here.get(row.key, ())
                grade = Grade.SAID if len(fits) == 1 else Grade.UNDECIDED
                claims.extend(Claim(t, row.entry, grade, kind) for t in fits)
                spelled.update(
                    scope
                    for each in known
                    if each.entry in fits and each.segments[:depth] == row.segments[:depth]
                    for scope in _rows_of(each, depth)
                )
    claims.extend(undecided_claims(below(known), below(moved), sides, kind))
    return claims, {each.entry for each in known if not spelled.isdisjoint(_rows_of(each, len(each.key)))}


def _rows_of(row: Row, depth: int) -> list[tuple[Prefix, str]]:
    """Return what the numbers in the first segments of a name are numbered among."""
    return [(row.segments[:i], part[0]) for i, part in enumerate(row.key[:depth]) if not isinstance(part, str)]


def undecided_claims(ours: Below, theirs: Below, sides: Sides, kind: Kind) -> Iterator[Claim]:
    """Yield what a name fits without identifying: a name that several share, and numbers that do not align."""
    for key in ours.shared | theirs.shared:
        if key in ours.index and key in theirs.index:
            fits = sorted(theirs.index[key])[:MOST_CANDIDATES]
            yield from (Claim(t, s, Grade.UNDECIDED, kind) for t in ours.index[key] for s in fits)
    loose: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for s, key in (*theirs.numbered, *theirs.numbered_within):
        loose[(*unnumbered(key), sides.sources[s].shape)].append(s)
    for t, key in (*ours.numbered, *ours.numbered_within):
        if key not in theirs.index:
            fits = loose.get((*unnumbered(key), sides.targets[t].shape), [])[:MOST_CANDIDATES]
            yield from (Claim(t, s, Grade.UNDECIDED, kind) for s in fits)
