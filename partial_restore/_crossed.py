"""Which layers have moved to other attributes with their names. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from partial_restore._keys import VARIABLES
from partial_restore._relisted import chosen_name
from partial_restore._settle import Claim, Grade
from partial_restore._sides import Sides
from partial_restore._types import Entry, Name

_Label = tuple[tuple[str, ...], int, str]
"""What layers around a variable are called, from within, how many segments stand from the last of these on, and the variable."""

_Around = Sequence[tuple[int, str]]
"""The names around a variable, from within, with the number of segments from there on."""

_Pairs = set[tuple[int, int]]


class _Way(NamedTuple):
    """Pairs of which both sides tell names in one way, and what those of both sides are called so."""

    pairs: _Pairs
    ours: Mapping[int, _Label]
    theirs: Mapping[int, _Label]


def but_crossed(claims: Sequence[Claim], unplaced: Collection[int], sides: Sides) -> Sequence[Claim]:
    """Leave undecided an attribute of a layer if that has the name of another one now, or another one has its name.

    ``self.q0`` held the layer that is called as the one in ``self.q1`` now: layers have moved among attributes, or got the names of others.
    A name that stands in its attribute on both sides is not another one's. So it is with blocks whose layers are called alike.
    """
    placed = {
        (claim.target, claim.source)
        for claim in claims
        if claim.kind == "paths" and claim.grade in (Grade.NAMED, Grade.NUMBERED) and claim.source not in unplaced
    }
    targets: set[int] = set()
    sources: set[int] = set()
    others: dict[tuple[int, int], None] = {}
    for ways in _by_count(placed, sides):
        agreed = {(t, s) for way in ways for t, s in way.pairs if way.ours.get(t) == way.theirs.get(s)}
        for way in ways:
            for t, s in _crossed(way, agreed, sides):
                targets.update(t)
                sources.update(s)
                others |= dict.fromkeys((*product(t, s[:1]), *product(t[:1], s)))
    if not targets:
        return claims
    opened = [
        claim.opened()
        if claim.grade is not Grade.SAID and (claim.target in targets or claim.source in sources)
        else claim
        for claim in claims
    ]
    return [*opened, *(Claim(t, s, Grade.UNDECIDED, "paths") for t, s in others if sides.are_alike(t, s))]


def _by_count(placed: _Pairs, sides: Sides) -> Iterator[list[_Way]]:
    """Yield the pairs with so many of the innermost names: those of blocks where both sides know any, else those that were given."""
    in_blocks = {(t, s) for t, s in placed if _blocks_around(sides.targets[t]) and _blocks_around(sides.sources[s])}
    known = []
    for pairs, around in ((in_blocks, _names_of_blocks), (placed - in_blocks, _given_around)):
        if not pairs:
            continue
        ours, theirs = (_chosen(sides, around, is_target=is_target) for is_target in (True, False))
        if ours and theirs:
            known.append((pairs, ours, theirs, min(max(map(len, side.values())) for side in (ours, theirs))))
    for count in range(1, 1 + max((depth for *_, depth in known), default=0)):
        yield [
            _Way(pairs, _labels(ours, sides.targets, count), _labels(theirs, sides.sources, count))
            for pairs, ours, theirs, _ in known
        ]


def _crossed(way: _Way, agreed: _Pairs, sides: Sides) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Yield the variables and tensors of each pair that has other names, and those that have these, of what agrees nowhere."""
    here, there = _at(way.ours, {t for t, _ in agreed}), _at(way.theirs, {s for _, s in agreed})
    for t, s in way.pairs - agreed:
        ours, theirs = way.ours.get(t), way.theirs.get(s)
        called, held = here.get(theirs, ()), there.get(ours, ())
        depths = {2, *(label[1] for label in (ours, theirs) if label)}
        paths = sides.targets[t].paths if called or held else ()
        if any(_is_in_attribute(path, depth) for path in paths for depth in depths):
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


def _chosen(sides: Sides, names_around: Callable[[Entry], _Around], *, is_target: bool) -> dict[int, _Around]:
    """Return the names around variables that were chosen, from within, with the number of segments from there on."""
    found: dict[int, _Around] = {}
    for i, entry in enumerate(sides.targets if is_target else sides.sources):
        around = ((depth, chosen_name(name, sides, is_target=is_target)) for depth, name in names_around(entry))
        if names := [(depth, name) for depth, name in around if name]:
            found[i] = names
    return found


def _names_of_blocks(entry: Entry) -> _Around:
    """Return what a side calls all around a variable, in which its full name may lack something."""
    return _blocks_around(entry) or _given_around(entry)


def _blocks_around(entry: Entry) -> _Around:
    """Return what is known of the blocks around a variable, and not what it is called itself in a list."""
    return sorted((depth, name) for depth, name, _ in entry.blocks if depth > 1) if entry.blocks else ()


def _given_around(entry: Entry) -> _Around:
    return list(enumerate(reversed(entry.given[0].segments[:-1]), 2)) if entry.given else []


def _labels(names: Mapping[int, _Around], entries: Sequence[Entry], count: int) -> Mapping[int, _Label]:
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
