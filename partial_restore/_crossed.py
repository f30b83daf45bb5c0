"""Which layers have moved to other attributes with their names. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from partial_restore._keys import VARIABLES
from partial_restore._relisted import chosen_name
from partial_restore._settle import Claim, Grade
from partial_restore._sides import Sides
from partial_restore._types import Entry, Name

_Label = tuple[str, int, str]
"""What a layer is called, the number of segments from there on, and the last one of these: the variable."""


def but_crossed(claims: Sequence[Claim], unplaced: Collection[int], sides: Sides) -> Sequence[Claim]:
    """Leave undecided an attribute of a layer if that has the name of another one now, or another one has its name.

    ``self.q0`` held the layer that is called as the one in ``self.q1`` now: layers have moved among attributes, or got the names of others.
    A name that stands in its attribute on both sides is not another one's.
    """
    ours, theirs = _labels(sides, is_target=True), _labels(sides, is_target=False)
    if not ours or not theirs:
        return claims
    placed = {
        (claim.target, claim.source)
        for claim in claims
        if claim.kind == "paths" and claim.grade in (Grade.NAMED, Grade.NUMBERED) and claim.source not in unplaced
    }
    agreed = {(t, s) for t, s in placed if ours.get(t) == theirs.get(s)}
    here, there = _at(ours, {t for t, _ in agreed}), _at(theirs, {s for _, s in agreed})
    targets: set[int] = set()
    sources: set[int] = set()
    for t, s in placed - agreed:
        called, held = here.get(theirs.get(s), ()), there.get(ours.get(t), ())
        if (called or held) and any(map(_is_in_attribute, sides.targets[t].paths)):
            targets.update([t, *called])
            sources.update([s, *held])
    if not targets:
        return claims
    return [
        claim.opened()
        if claim.grade is not Grade.SAID and (claim.target in targets or claim.source in sources)
        else claim
        for claim in claims
    ]


def _is_in_attribute(path: Name) -> bool:
    """Say whether the layer itself stands in an attribute, whatever is around it."""
    depth = 3 if path.segments[-2:-1] == (VARIABLES,) else 2
    return len(path.segments) >= depth and path.said[-depth] is True and not path.segments[-depth].isdecimal()


def _labels(sides: Sides, *, is_target: bool) -> dict[int, _Label]:
    """Return the innermost of the names around variables that were chosen, of those that have any."""
    labels: dict[int, _Label] = {}
    for i, entry in enumerate(sides.targets if is_target else sides.sources):
        for depth, segment in sorted(_names_around(entry)):
            if name := chosen_name(segment, sides, is_target=is_target):
                labels[i] = name, depth, (entry.paths or entry.given)[0].segments[-1]
                break
    return labels


def _names_around(entry: Entry) -> list[tuple[int, str]]:
    """Return the names of what is around a variable, with the number of segments from there on."""
    if entry.blocks:
        return [(depth, name) for depth, name, _ in entry.blocks]
    around = entry.given[0].segments[:-1] if entry.given else ()
    return list(enumerate(reversed(around), 2))


def _at(labels: Mapping[int, _Label], settled: Collection[int]) -> Mapping[_Label | None, Sequence[int]]:
    found: dict[_Label | None, list[int]] = defaultdict(list)
    for i, label in labels.items():
        if i not in settled:
            found[label].append(i)
    return found
