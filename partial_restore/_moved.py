"""Which given names contradict where their layers stand: a layer that went elsewhere, or a root that is not that of all.

Pure; standard library only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from partial_restore._keys import may_be_automatic
from partial_restore._said import Said
from partial_restore._settle import Claim, Grade
from partial_restore._shortened import models_around
from partial_restore._sides import Sides
from partial_restore._types import Name, name_of


def but_moved(
    by_given: Said, by_path: Said, placed: Collection[int], unplaced: Collection[int], sides: Sides
) -> list[Claim]:
    """Leave undecided a given name where the file tells in full that its layer stood elsewhere, or among others.

    Keras names a layer of an inner Functional model as one of the same name that stands beside the model. What paths leave
    open is no contradiction where they can lead to no other variable, and the given names are whole; it is where they may lead to
    one whose given name only has more before it, which Keras drops or not. Nor is it
    the name of a layer alone that tells which part of a saved model this one is: others must have risen with it.
    Numbers tell nothing where some layers lie in an inner model now and others do not: a model put around may have a new one of their class.
    """
    led = {} if by_given.roots else _led(by_path)
    undecided: dict[int, set[int]] = defaultdict(set)
    for claim in by_path.claims:
        if claim.grade is Grade.UNDECIDED:
            undecided[claim.source].add(claim.target)
    leading = _leading(by_path)
    anyones = {entry.shape for entry in sides.sources if entry.nameless}
    met = {t for t, _ in by_given.named}
    wrapped = by_path.wrapped if len(by_given.met) < len(sides.targets) else ()
    risen: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    for t, s in by_given.named:
        if t in placed and s not in unplaced:
            risen[_rise(sides, t, s)].add(sides.targets[t].paths[0].segments[:-1])
    numbered = [(each.target, each.source) for each in by_given.claims if each.grade is Grade.NUMBERED]
    rises = {_rise(sides, t, s) for t, s in (*by_given.named, *numbered) if t in placed and s not in unplaced}

    def has_moved(claim: Claim) -> bool:
        t, s = claim.target, claim.source
        if wrapped and t in placed and t not in wrapped and not _is_in_its_place(sides, t, s):
            return True
        if claim.grade is Grade.NUMBERED:
            return t in by_path.moved or len(rises) > 1
        if claim.grade is not Grade.NAMED or t not in placed or s in unplaced:
            return False
        if (t, s) in by_path.pairs or (t, s) in by_path.named:
            return False
        if by_path.within.get(s, t) != t:
            return True
        if any(is_called_so(sides, other, s) for other in undecided[s] - met):
            return True
        rise = _rise(sides, t, s)
        if rise and (len(risen[rise]) < 2 or (rise > 0 and sides.targets[t].shape in anyones)):
            return True
        is_led = led.get(s) == {t} and leading.get(t) == {s} and s not in by_path.replaced
        return not is_led and (s in by_path.told or not _is_in_such_list(sides, t, s))

    given = but_elsewhere(by_given, by_path, unplaced, sides)
    return [claim.opened() if has_moved(claim) else claim for claim in given]


def but_below_root(
    by_given: Said, given: Sequence[Claim], paths: Sequence[Claim], sides: Sides
) -> tuple[Sequence[Claim], Sequence[Claim]]:
    """Leave undecided names and places that contradict each other, where a root was set aside and names of tensors are not known.

    That may be a model beside the one in which the place is, of which the file knows no names. So may it be one of the name of the root
    whose variables have no names to compare.
    """
    if not by_given.root:
        return given, paths
    nameless = {
        path.segments[-2:]
        for entry in sides.targets
        if not entry.given
        for path in entry.paths
        if by_given.root[-1] in path.segments[:-2]
    }
    given = [
        claim.opened()
        if claim.grade is Grade.NAMED
        and any(name.segments[-2:] in nameless for name in sides.targets[claim.target].given)
        else claim
        for claim in given
    ]
    if all(entry.given or not entry.paths for entry in sides.sources):
        return given, paths
    places = {claim.target: claim.source for claim in paths if claim.grade is Grade.NUMBERED}
    lost = {
        claim.target
        for claim in given
        if claim.grade is Grade.NAMED and places.get(claim.target, claim.source) != claim.source
    }
    opened = [
        [claim.opened() if claim.target in lost and claim.grade is not Grade.SAID else claim for claim in claims]
        for claims in (given, paths)
    ]
    return opened[0], opened[1]


def _rise(sides: Sides, t: int, s: int) -> int:
    """Return in how many inner models a tensor lies that its variable does not lie in."""
    return models_around(sides.sources[s]) - models_around(sides.targets[t])


def _is_in_such_list(sides: Sides, t: int, s: int) -> bool:
    """Say whether a variable stands in a list that is called as the one of a tensor, or the tensor in none."""
    ours, theirs = sides.targets[t].paths[0].segments, sides.sources[s].paths[0].segments
    if not any(map(str.isdecimal, theirs)):
        return True
    lists = [[segment for segment in each if not segment.isdecimal()] for each in (ours, theirs)]
    depth = min(map(len, lists))
    return lists[0][-depth:] == lists[1][-depth:] and any(map(str.isdecimal, ours))


def _is_in_its_place(sides: Sides, t: int, s: int) -> bool:
    """Say whether a tensor is known by names alone, and these begin with the layer in which its variable lies, outermost."""
    ours, theirs = sides.targets[t].paths, sides.sources[s].paths
    is_of_names = theirs == sides.sources[s].given
    return is_of_names and any(mine.segments[0] == yours.segments[0] for mine in ours for yours in theirs)


def but_elsewhere(said: Said, by_path: Said, unplaced: Collection[int], sides: Sides) -> Sequence[Claim]:
    """Leave undecided a given name that may as well be a path, and leads to another variable then.

    The model around a saved one may have a layer of its own that is called as one of that.
    """
    if said.is_whole or not by_path.open:
        return said.claims
    led, leading = _led(by_path), _leading(by_path)

    def is_elsewhere(claim: Claim) -> bool:
        t, s = claim.target, claim.source
        if claim.kind == "ops" and (
            leading.get(t, set()) - {s} or ((t, s) in by_path.open and _is_at_its_path(sides, t, s))
        ):
            return True
        may_be_path = s in unplaced or claim.kind == "ops"
        return may_be_path and bool(led.get(s, set()) - {t})

    return [claim.opened() if claim.grade is Grade.NAMED and is_elsewhere(claim) else claim for claim in said.claims]


def _is_at_its_path(sides: Sides, t: int, s: int) -> bool:
    """Say whether a variable and a tensor have a path in common, so that a short name says nothing more."""
    return not {path.segments for path in sides.targets[t].paths}.isdisjoint(
        path.segments for path in sides.sources[s].paths
    )


def _led(by_path: Said) -> Mapping[int, set[int]]:
    """Return for each tensor of which paths leave open where it belongs the variables of its shape to which they lead."""
    led: dict[int, set[int]] = defaultdict(set)
    for t, s in by_path.open:
        led[s].add(t)
    return led


def _leading(by_path: Said) -> Mapping[int, set[int]]:
    """Return for each variable the tensors of its shape to which paths lead, where they leave that open."""
    leading: dict[int, set[int]] = defaultdict(set)
    for t, s in by_path.open:
        leading[t].add(s)
    return leading


def is_called_so(sides: Sides, t: int, s: int) -> bool:
    """Say whether the name of a tensor ends as a given name of a variable does, as far as that is its path, or the other way round.

    A name that is the end of another one says no more than that.
    """
    most = max(2, *(len(path.segments) for path in sides.targets[t].paths), 0)
    given = [_but_leading(name, sides) for name in _whole(sides.targets[t].given)]
    names = [_but_leading(name, sides) for name in (*sides.sources[s].paths, *_whole(sides.sources[s].given))]
    return not given or any(
        ours[-depth:] == theirs[-depth:]
        for ours in given
        for theirs in names
        for depth in [min(len(ours), len(theirs), most)]
    )


def _whole(names: Sequence[Name]) -> Sequence[Name]:
    """Return the names without those that are the ends of others."""
    ends = {name.segments[i:] for name in names for i in range(1, len(name.segments))} if len(names) > 1 else ()
    return [name for name in names if name.segments not in ends]


def _but_leading(name: Name, sides: Sides) -> tuple[str, ...]:
    """Return the segments of a name from the first one that somebody may have chosen; at least those of a layer and a variable."""
    last = max(0, len(name.segments) - 2)
    first = next((i for i in range(last) if not may_be_automatic(name_of(name.segments[i]), sides.bases)), last)
    return name.segments[first:]
