"""Which tensor belongs to which variable, by their names alone. Pure; standard library only.

The paths of both sides are compared with each other, and so are the names that were given; what the two say is then
settled for each variable. `docs/matching.md` argues why no single edit of a model can mislead this.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from partial_restore._align import alignments, root_texts
from partial_restore._keys import AUTOMATIC, Key, Row, beneath, by_key, common, is_said, keyed, uniquified, unnumbered
from partial_restore._select import Renamed
from partial_restore._types import Entry, Name

MOST_CANDIDATES = 64
"""Candidates kept for a variable that cannot be decided."""

Kind = Literal["paths", "given"]


class Grade(enum.IntEnum):
    """How sure a name is of a tensor: a rename rule said it, it was chosen by a person, it is a number among as many."""

    SAID = 0
    NAMED = 1
    NUMBERED = 2
    UNDECIDED = 3


@dataclass(frozen=True, slots=True)
class Pairing:
    """What the names say, by index: for each variable the candidates of the surest grade (more than one is no answer).

    ``rules`` are those that renamed a tensor. ``nameless`` are the tensors, by shape, that might be anyone's. ``roots`` were set aside to compare.
    """

    settled: Mapping[int, tuple[Grade, Collection[int]]]
    rules: Mapping[int, str]
    nameless: Mapping[tuple[int, ...], Collection[int]]
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Claim:
    """One name of a variable leads to a tensor."""

    target: int
    source: int
    grade: Grade
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Sides:
    """The entries of both sides and what rename made of the tensors."""

    targets: Sequence[Entry]
    sources: Sequence[Entry]
    renamed: Sequence[Renamed | None]


def pair(
    targets: Sequence[Entry], sources: Sequence[Entry], renamed: Sequence[Renamed | None], automatic: Collection[str]
) -> Pairing:
    """Return the candidates of every variable. Indices stand for entries of the two sequences."""
    sides = _Sides(targets, sources, renamed)
    everyone = (name for entry in (*targets, *sources) for name in entry.paths)
    bases = AUTOMATIC | frozenset(automatic) | uniquified(everyone)
    claims: list[_Claim] = []
    roots: list[str] = []
    kinds: tuple[Kind, ...] = ("paths", "given")
    for kind in kinds:
        ours = keyed(
            ((t, name, 0) for t, entry in enumerate(targets) for name in _names(entry, kind)), bases, is_target=True
        )
        theirs = keyed(
            ((s, name, pins) for s in range(len(sources)) for name, pins in _source_names(sides, s, kind)),
            bases,
            is_target=False,
        )
        known = keyed(((t, name, 0) for t, entry in enumerate(targets) for name in entry.shown), bases, is_target=True)
        claims.extend(_renamed_claims([*ours, *known], theirs, sides, kind))
        free = [row for row in theirs if renamed[row.entry] is None]
        aligned = alignments(ours, free, tops=kind == "paths")
        claims.extend(claim for root in aligned for claim in _claims(ours, free, root, sides, kind, len(aligned) == 1))
        roots.extend(root_texts(aligned[0]) if len(aligned) == 1 else ())
    nameless: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for s, entry in enumerate(sources):
        if entry.nameless and renamed[s] is None:
            nameless[entry.shape].append(s)
    rules = {s: rule.rule for s, rule in enumerate(renamed) if rule}
    return Pairing(_contested(_settled(claims), claims), rules, nameless, tuple(dict.fromkeys(roots)))


def _names(entry: Entry, kind: Kind) -> tuple[Name, ...]:
    return entry.paths if kind == "paths" else entry.given


def _source_names(sides: _Sides, s: int, kind: Kind) -> Iterable[tuple[Name, int]]:
    renamed, entry = sides.renamed[s], sides.sources[s]
    if renamed is not None:
        return renamed.names
    return () if entry.nameless else [(name, 0) for name in _names(entry, kind)]


def _renamed_claims(ours: Sequence[Row], theirs: Sequence[Row], sides: _Sides, kind: Kind) -> Iterator[_Claim]:
    """Yield what the caller renamed: the segments that a rule spelled out are compared as they stand."""
    moved = [row for row in theirs if sides.renamed[row.entry] is not None]
    pins = {(s, name.segments): pinned for s, rule in enumerate(sides.renamed) if rule for name, pinned in rule.names}
    for depth in set(pins.values()):
        here = by_key((row.entry, row.segments[:depth] + row.key[depth:]) for row in ours)
        for row in moved:
            if pins[row.entry, row.segments] == depth:
                fits = here.get(row.key, ())
                grade = Grade.SAID if len(fits) == 1 else Grade.UNDECIDED
                yield from (_Claim(t, row.entry, grade, kind) for t in fits)
    yield from _undecided_claims(beneath(ours, ()), beneath(moved, ()), sides, kind)


def _claims(
    ours: Sequence[Row],
    theirs: Sequence[Row],
    root: tuple[tuple[str, ...], tuple[str, ...]],
    sides: _Sides,
    kind: Kind,
    is_only: bool,
) -> Iterator[_Claim]:
    """Yield what the names say under one alignment of roots; nothing for sure if it is not the only one."""
    here, there = beneath(ours, root[1]), beneath(theirs, root[0])
    spread = _spread(ours, sides.targets) if kind == "given" else set()
    for t, s, key in common(by_key(here), by_key(there)):
        grade = Grade.NAMED if is_said(key) else Grade.UNDECIDED if t in spread else Grade.NUMBERED
        yield _Claim(t, s, grade if is_only else Grade.UNDECIDED, kind)
    if is_only:
        yield from _undecided_claims(here, there, sides, kind)


def _spread(ours: Sequence[Row], targets: Sequence[Entry]) -> set[int]:
    """Return the variables whose given names number layers of several containers in one row.

    Keras names the layers of an inner Functional model without the model: such a number is no place in anything.
    """
    homes: dict[tuple[tuple[str, ...], str], set[tuple[str, ...]]] = defaultdict(set)
    members: dict[tuple[tuple[str, ...], str], set[int]] = defaultdict(set)
    for row in ours:
        for i, part in enumerate(row.key):
            if not isinstance(part, str) and targets[row.entry].paths:
                scope = row.segments[:i], part[0]
                homes[scope].add(_home(targets[row.entry].paths[0], len(row.key) - 1 - i))
                members[scope].add(row.entry)
    return {t for scope, found in homes.items() if len(found) > 1 for t in members[scope]}


def _home(path: Name, below: int) -> tuple[str, ...]:
    """Return what holds the layer that stands ``below`` segments above the end; a list is not a holder of its own."""
    place = max(0, len(path.segments) - 1 - below)
    while place and path.segments[place].isdecimal():
        place -= 1
    return path.segments[:place]


def _undecided_claims(
    ours: Sequence[tuple[int, Key]], theirs: Sequence[tuple[int, Key]], sides: _Sides, kind: Kind
) -> Iterator[_Claim]:
    """Yield what a name fits without identifying: a name that several share, and numbers that do not align."""
    here, there = by_key(ours), by_key(theirs)
    for key in here.keys() & there.keys():
        if len(here[key]) > 1 or len(there[key]) > 1:
            fits = sorted(there[key])[:MOST_CANDIDATES]
            yield from (_Claim(t, s, Grade.UNDECIDED, kind) for t in here[key] for s in fits)
    loose: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for s, key in theirs:
        if not is_said(key):
            loose[(*unnumbered(key), sides.sources[s].shape)].append(s)
    for t, key in ours:
        if not is_said(key) and key not in there:
            fits = loose.get((*unnumbered(key), sides.targets[t].shape), [])[:MOST_CANDIDATES]
            yield from (_Claim(t, s, Grade.UNDECIDED, kind) for s in fits)


_Settled = tuple[Grade, Collection[int]]


def _settled(claims: Iterable[_Claim]) -> dict[int, _Settled]:
    """Return for each variable the surest grade and its candidates, of both kinds of names together."""
    held: dict[int, dict[tuple[Kind, Grade], set[int]]] = defaultdict(lambda: defaultdict(set))
    for claim in claims:
        held[claim.target][claim.kind, claim.grade].add(claim.source)
    return {t: _agreed(found) for t, found in held.items()}


def _agreed(found: Mapping[tuple[Kind, Grade], set[int]]) -> _Settled:
    """Return what paths and given names agree on; a chosen name is surer than a place, else a conflict is undecided."""
    if said := {s for (_, grade), sources in found.items() if grade is Grade.SAID for s in sources}:
        return Grade.SAID, said | {s for (_, grade), sources in found.items() if grade is Grade.NAMED for s in sources}
    (by_path, paths), (by_given, given) = _surest(found, "paths"), _surest(found, "given")
    if by_path is Grade.UNDECIDED and paths and by_given is Grade.NUMBERED:
        return Grade.UNDECIDED, paths | given  # A number says nothing against a doubt.
    if Grade.UNDECIDED in (by_path, by_given):
        return min((by_path, paths), (by_given, given), key=lambda each: (each[0], not each[1]))
    if paths & given or (by_given, by_path) == (Grade.NAMED, Grade.NUMBERED):
        return min(by_path, by_given), paths | given if paths & given else given
    return Grade.UNDECIDED, paths | given


def _surest(found: Mapping[tuple[Kind, Grade], set[int]], kind: Kind) -> tuple[Grade, set[int]]:
    for grade in (Grade.NAMED, Grade.NUMBERED):
        if found.get((kind, grade)):
            return grade, found[kind, grade]
    return Grade.UNDECIDED, found.get((kind, Grade.UNDECIDED), set())


def _contested(settled: dict[int, _Settled], claims: Iterable[_Claim]) -> dict[int, _Settled]:
    """Leave undecided what several variables claim, unless each has a path to it that was chosen.

    Several paths lead to one tensor if a layer was tied in the file and is not in the model: each of them is right.
    """
    rivals: dict[int, set[int]] = defaultdict(set)
    for t, (grade, candidates) in settled.items():
        if grade in (Grade.NAMED, Grade.NUMBERED):
            for s in candidates:
                rivals[s].add(t)
    paths = {(claim.target, claim.source) for claim in claims if claim.grade is Grade.NAMED and claim.kind == "paths"}
    lost = {t for s, ts in rivals.items() if len(ts) > 1 and not all((t, s) in paths for t in ts) for t in ts}
    return {t: (Grade.UNDECIDED, found[1]) if t in lost else found for t, found in settled.items()}
