"""What several names of a variable, each leading to a tensor, come to. Pure; standard library only."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["paths", "given", "ops"]


class Grade(enum.IntEnum):
    """How sure a name is of a tensor: a rename rule said it, it was chosen by a person, it is a number among as many.

    Not sure is what is undecided, and what is elsewhere: the layer of its name stands at another place in the file.
    """

    SAID = 0
    NAMED = 1
    NUMBERED = 2
    UNDECIDED = 3
    ELSEWHERE = 4


MOST_CANDIDATES = 64
"""Candidates kept for a variable that cannot be decided."""


class Claim(NamedTuple):
    """One name of a variable leads to a tensor."""

    target: int
    source: int
    grade: Grade
    kind: Kind

    def opened(self) -> Claim:
        """Return the claim, undecided."""
        return self._replace(grade=Grade.UNDECIDED)


Settled = tuple[Grade, Collection[int]]


@dataclass(frozen=True, slots=True)
class Tells:
    """What decides between names that lead to different tensors.

    The variables that are ``placed`` have a path; of these a number in a given name tells nothing to which no path leads.
    The tensors that are ``unplaced`` have none: whether their names are paths is not known, unless all variables that
    they fit as given names they fit as paths, too, and more than those; then they ``are_paths``. It ``is_same`` if all given names of both sides
    meet and paths leave a root open: then their numbers settle that doubt, and no other.
    """

    placed: Collection[int] = ()
    unplaced: Collection[int] = ()
    is_same: bool = False
    are_paths: bool = False


def settled_by(claims: Iterable[Claim], tells: Tells = Tells()) -> dict[int, Settled]:
    """Return for each variable the surest grade and its candidates, of both kinds of names together."""
    held: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        held[claim.target].append(claim)
    return {t: _agreed(found, tells, is_placed=t in tells.placed) for t, found in held.items()}


def _agreed(claims: Sequence[Claim], tells: Tells, *, is_placed: bool) -> Settled:
    """Return what paths and given names agree on; a chosen name is surer than a place, else a conflict is undecided."""
    if len(claims) == 1 and claims[0].kind == "paths":
        return claims[0].grade, (claims[0].source,)
    found: dict[tuple[Kind, Grade], set[int]] = defaultdict(set)
    for claim in claims:
        found[claim.kind, claim.grade].add(claim.source)
    if said := {s for (_, grade), sources in found.items() if grade is Grade.SAID for s in sources}:
        return Grade.SAID, said | {s for (_, grade), sources in found.items() if grade is Grade.NAMED for s in sources}
    called: Kind = "ops" if any(kind == "ops" for kind, _ in found) else "given"
    (by_path, paths), (by_given, given) = _surest(found, "paths"), _surest(found, called)
    if is_placed and by_given is Grade.NUMBERED and not paths:
        return Grade.UNDECIDED, given
    are_unplaced = all(source in tells.unplaced for source in paths)
    is_doubted = by_path is Grade.UNDECIDED or are_unplaced
    if is_doubted and {by_path, by_given} == {Grade.NUMBERED, Grade.UNDECIDED} and paths and given:
        return (Grade.NUMBERED if tells.is_same and paths == given else Grade.UNDECIDED), paths | given
    if by_path is by_given is Grade.UNDECIDED:
        return Grade.UNDECIDED, paths | given
    if Grade.UNDECIDED in (by_path, by_given):
        return min((by_path, paths), (by_given, given), key=lambda each: (each[0], not each[1]))
    if paths & given:
        return min(by_path, by_given), paths | given
    if are_unplaced and tells.are_paths:
        return by_path, paths
    if by_given is Grade.NAMED and by_path is Grade.NUMBERED:  # A chosen name is surer than a number,
        return by_given, given
    if by_path is Grade.NAMED and by_given is Grade.NUMBERED and not are_unplaced:  # and so is a real path.
        return by_path, paths
    return Grade.UNDECIDED, paths | given


def _surest(found: Mapping[tuple[Kind, Grade], set[int]], kind: Kind) -> tuple[Grade, set[int]]:
    for grade in (Grade.NAMED, Grade.NUMBERED):
        if found.get((kind, grade)):
            return grade, found[kind, grade]
    return Grade.UNDECIDED, found.get((kind, Grade.UNDECIDED), set())


def contested(
    settled: dict[int, Settled], claims: Iterable[Claim], is_stored: Callable[[int], bool] = lambda _: False
) -> dict[int, Settled]:
    """Leave undecided what several variables claim, unless each has a path to it that was chosen.

    Several paths lead to one tensor if a layer was tied in the file and is not in the model: each of them is right. What is stored
    at one place has no other: its attribute and the name of its layer are two readings of that.
    """
    taken = [(t, s) for t, (grade, found) in settled.items() if grade in (Grade.NAMED, Grade.NUMBERED) for s in found]
    times = Counter(s for _, s in taken)
    shared = {s for s, count in times.items() if count > 1}
    if not shared:
        return settled
    paths = {
        (claim.target, claim.source)
        for claim in claims
        if claim.grade is Grade.NAMED and claim.kind == "paths" and not is_stored(claim.source)
    }
    shared = {s for t, s in taken if s in shared and (t, s) not in paths}
    lost = {t for t, s in taken if s in shared}
    return {t: (Grade.UNDECIDED, found[1]) if t in lost else found for t, found in settled.items()}


def completed(settled: Mapping[int, Settled], pairs: Iterable[tuple[int, int]]) -> dict[int, Settled]:
    """Return what is settled, and by these pairs what is not, where their tensors belong to no other variable."""
    decided = {t: found for t, found in settled.items() if found[0] is not Grade.UNDECIDED}
    taken = {s for _, sources in decided.values() for s in sources}
    return {**settled, **{t: (Grade.NUMBERED, (s,)) for t, s in pairs if t not in decided and s not in taken}}


def filled(settled: Mapping[int, Settled], claims: Iterable[Claim], weaker: Sequence[Claim]) -> dict[int, Settled]:
    """Return what is settled, and what weaker claims say of variables and tensors about which nothing else does.

    They do not say whose a tensor is that a name in ``claims`` gives to another variable, be that decided or not. But where
    one gives it to a variable that nothing else knows, the numbers that gave it away are not among as many.
    """
    if not weaker:
        return _unclaimed(settled)
    others = {claim.source for claim in weaker if claim.target not in settled}
    settled = {
        t: (Grade.UNDECIDED, found) if grade is Grade.NUMBERED and others & set(found) else (grade, found)
        for t, (grade, found) in settled.items()
    }
    taken = {s for grade, found in settled.values() if grade is not Grade.UNDECIDED for s in found}
    named: dict[int, set[int]] = defaultdict(set)
    for claim in claims:
        if claim.grade is Grade.NAMED:
            named[claim.source].add(claim.target)
    open_to = [
        claim
        for claim in weaker
        if claim.grade is Grade.SAID or (claim.source not in taken and named[claim.source] <= {claim.target})
    ]
    added = contested(settled_by(open_to), open_to)
    decided = {t: found for t, found in settled.items() if found[0] is not Grade.UNDECIDED}
    return _unclaimed({**settled, **added, **decided})


def _unclaimed(settled: Mapping[int, Settled]) -> dict[int, Settled]:
    """Leave out what is undecided only among tensors that belong to others by name."""
    named = {s for grade, found in settled.values() if grade in (Grade.SAID, Grade.NAMED) for s in found}
    return {
        t: (grade, found) for t, (grade, found) in settled.items() if grade is not Grade.UNDECIDED or set(found) - named
    }
