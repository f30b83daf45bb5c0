"""What the caller renamed, and what a name fits without identifying. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from partial_restore._below import Below, below, by_key
from partial_restore._keys import VARIABLES, Key, Prefix, is_said, unnumbered
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


def but_chosen(claims: Sequence[Claim], sides: Sides) -> tuple[Sequence[Claim], Mapping[int, int]]:
    """Leave out what is called as a tensor that the caller renamed, but for a root: among these the rule chose.

    ``generator/`` was set aside by a rule; then nobody meant ``discriminator/``. But where something else below that root is loaded,
    the rule contradicts what the names say. Also return the tensors that were not chosen, with their variables.
    """
    chosen: dict[int, set[int]] = defaultdict(set)
    for claim in claims:
        if claim.grade is Grade.SAID:
            chosen[claim.target].add(claim.source)
    others: dict[tuple[int, int], Prefix] = {}
    for t, s in {(claim.target, claim.source) for claim in claims}:
        is_other = len(chosen[t]) == 1 and s not in chosen[t]
        if is_other and (root := _root_of(t, s, sides)) and all(_root_of(t, each, sides) for each in chosen[t]):
            others[t, s] = root
    held = {
        path[:depth]
        for claim in claims
        if claim.grade in (Grade.NAMED, Grade.NUMBERED) and not chosen[claim.target]
        for path in _paths_of(claim.source, sides)
        for depth in range(1, len(path))
    }
    left = {pair for pair, root in others.items() if root not in held}
    return [claim for claim in claims if (claim.target, claim.source) not in left], {s: t for t, s in left}


def _root_of(t: int, s: int, sides: Sides) -> Prefix:
    """Return what stands before the name of a variable in that of a tensor; nothing if that is no other one, or the same."""
    names = [name.segments for name in (*sides.targets[t].paths, *sides.targets[t].given)]
    roots = (path[: -len(name)] for path in _paths_of(s, sides) for name in names if path[-len(name) :] == name)
    return min(roots, key=len, default=())


def _paths_of(s: int, sides: Sides) -> list[Prefix]:
    """Return where a tensor stands in the file, or what it is called if nothing else is known."""
    return [path.segments for path in sides.sources[s].paths or sides.sources[s].given]


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
        for blurred in _blurred(key):
            loose[(*blurred, sides.sources[s].shape)].append(s)
    for t, key in (*ours.numbered, *ours.numbered_within):
        if key not in theirs.index:
            at = [(*blurred, sides.targets[t].shape) for blurred in _blurred(key)]
            found = [loose[each] for each in at if each in loose]
            yield from (Claim(t, s, Grade.UNDECIDED, kind) for fits in found[:1] for s in fits[:MOST_CANDIDATES])


def _blurred(key: Key) -> Iterator[Key]:
    """Yield a key without its numbers, and without that of the variable alone: the layer may have more or fewer of them now."""
    yield unnumbered(key)
    if key[-2:-1] == (VARIABLES,) and not is_said(key):
        yield (*key[:-1], "")
