"""Which layers have moved to other attributes with their names. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from partial_restore._keys import VARIABLES
from partial_restore._relisted import chosen_name
from partial_restore._settle import Claim, Grade
from partial_restore._sides import Sides
from partial_restore._types import Entry, Name

_Label = tuple[tuple[str, ...], int, str]
"""What layers around a variable are called, from within, how many segments stand from the last of these on, and the variable."""

_Pairs = set[tuple[int, int]]


def but_crossed(claims: Sequence[Claim], unplaced: Collection[int], sides: Sides) -> Sequence[Claim]:
    """Leave undecided an attribute of a layer if that has the name of another one now, or another one has its name.

    ``self.q0`` held the layer that is called as the one in ``self.q1`` now: layers have moved among attributes, or got the names of others.
    A name that stands in its attribute on both sides is not another one's. So it is with blocks whose layers are called alike.
    """
    ours, theirs = _names_of(sides, is_target=True), _names_of(sides, is_target=False)
    if not ours or not theirs:
        return claims
    placed = {
        (claim.target, claim.source)
        for claim in claims
        if claim.kind == "paths" and claim.grade in (Grade.NAMED, Grade.NUMBERED) and claim.source not in unplaced
    }
    targets: set[int] = set()
    sources: set[int] = set()
    for count in range(1, 1 + min(max(map(len, side.values())) for side in (ours, theirs))):
        here, there = _labels(ours, sides.targets, count), _labels(theirs, sides.sources, count)
        for t, s in _crossed(placed, here, there, sides):
            targets.update(t)
            sources.update(s)
    if not targets:
        return claims
    return [
        claim.opened()
        if claim.grade is not Grade.SAID and (claim.target in targets or claim.source in sources)
        else claim
        for claim in claims
    ]


def _crossed(
    placed: _Pairs, ours: Mapping[int, _Label], theirs: Mapping[int, _Label], sides: Sides
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Yield the variables and tensors of each pair that has other names, and those that have these."""
    agreed = {(t, s) for t, s in placed if ours.get(t) == theirs.get(s)}
    here, there = _at(ours, {t for t, _ in agreed}), _at(theirs, {s for _, s in agreed})
    for t, s in placed - agreed:
        called, held = here.get(theirs.get(s), ()), there.get(ours.get(t), ())
        depths = {2, *(label[1] for label in (ours.get(t), theirs.get(s)) if label)}
        if (called or held) and any(
            _is_in_attribute(path, depth) for path in sides.targets[t].paths for depth in depths
        ):
            yield [t, *called], [s, *held]


def _is_in_attribute(path: Name, depth: int) -> bool:
    """Say whether a layer itself stands in an attribute, so many segments before the end, whatever is around it.

    Keras 3 stores its variables one segment further down.
    """
    depths = (depth, depth + 1) if path.segments[-2:-1] == (VARIABLES,) else (depth,)
    return any(
        len(path.segments) >= each and path.said[-each] is True and not path.segments[-each].isdecimal()
        for each in depths
    )


def _names_of(sides: Sides, *, is_target: bool) -> dict[int, list[tuple[int, str]]]:
    """Return the names around variables that were chosen, from within, with the number of segments from there on."""
    found: dict[int, list[tuple[int, str]]] = {}
    for i, entry in enumerate(sides.targets if is_target else sides.sources):
        around = ((depth, chosen_name(name, sides, is_target=is_target)) for depth, name in _names_around(entry))
        if names := [(depth, name) for depth, name in around if name]:
            found[i] = names
    return found


def _names_around(entry: Entry) -> list[tuple[int, str]]:
    """Return the names of what is around a variable, from within, with the number of segments from there on."""
    if entry.blocks:
        return sorted((depth, name) for depth, name, _ in entry.blocks)
    return list(enumerate(reversed(entry.given[0].segments[:-1]), 2)) if entry.given else []


def _labels(
    names: Mapping[int, Sequence[tuple[int, str]]], entries: Sequence[Entry], count: int
) -> Mapping[int, _Label]:
    """Return so many of the innermost names around variables, of those that have as many."""
    return {
        i: (
            tuple(name for _, name in found[:count]),
            found[count - 1][0],
            (entries[i].paths or entries[i].given)[0].segments[-1],
        )
        for i, found in names.items()
        if len(found) >= count
    }


def _at(labels: Mapping[int, _Label], settled: Collection[int]) -> Mapping[_Label | None, Sequence[int]]:
    found: dict[_Label | None, list[int]] = defaultdict(list)
    for i, label in labels.items():
        if i not in settled:
            found[label].append(i)
    return found
