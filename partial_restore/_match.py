"""Which tensor belongs to which variable, by their names alone. Pure; standard library only.

The paths of both sides are compared with each other, and so are the names that were given; what the two say is then
settled for each variable. `docs/matching.md` argues why no single edit of a model can mislead this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from partial_restore._keys import AUTOMATIC, may_be_automatic, uniquified
from partial_restore._said import MOST_CANDIDATES, Said, said_by
from partial_restore._select import Renamed
from partial_restore._settle import Claim, Grade, Settled, Tells, contested, filled, settled_by
from partial_restore._sides import Sides
from partial_restore._types import Entry


@dataclass(frozen=True, slots=True)
class Pairing:
    """What the names say, by index: for each variable the candidates of the surest grade (more than one is no answer).

    ``rules`` are those that renamed a tensor. ``nameless`` are the tensors, by shape, that might be anyone's. ``roots`` were set aside to compare.
    """

    settled: Mapping[int, Settled]
    rules: Mapping[int, str]
    nameless: Mapping[tuple[int, ...], Collection[int]]
    roots: tuple[str, ...]


def pair(
    targets: Sequence[Entry], sources: Sequence[Entry], renamed: Sequence[Renamed | None], automatic: Collection[str]
) -> Pairing:
    """Return the candidates of every variable. Indices stand for entries of the two sequences."""
    everyone = (name for entry in (*targets, *sources) for name in entry.paths)
    sides = Sides(targets, sources, renamed, AUTOMATIC | frozenset(automatic) | uniquified(everyone))
    by_path, by_given = said_by("paths", sides), said_by("given", sides)
    placed = {t for t, entry in enumerate(targets) if entry.paths != entry.given}
    unplaced = {s for s, entry in enumerate(sources) if entry.paths in ((), entry.given)}
    given = _but_moved(by_given, by_path, placed, unplaced, sides)
    paths = _but_numbered(by_path, unplaced, sides)
    scoped = [*paths, *_contested_scopes(given, by_path.claims, unplaced, sides)]
    claims = _but_within(scoped, by_given, unplaced, sides)
    tells = Tells(placed, unplaced, is_same=by_given.is_whole, are_paths=by_given.met < by_path.met)
    settled = contested(settled_by(claims, tells), claims)
    by_op = said_by("ops", sides) if any(entry.ops for entry in targets) else Said()
    nameless: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for s, entry in enumerate(sources):
        if entry.nameless and renamed[s] is None:
            nameless[entry.shape].append(s)
    rules = {s: rule.rule for s, rule in enumerate(renamed) if rule}
    roots = dict.fromkeys((*by_path.roots, *by_given.roots, *by_op.roots))
    short = _but_short(_but_elsewhere(by_op, by_path, unplaced), by_path)
    return Pairing(filled(settled, claims, short), rules, nameless, tuple(roots))


def _but_moved(
    by_given: Said, by_path: Said, placed: Collection[int], unplaced: Collection[int], sides: Sides
) -> list[Claim]:
    """Leave undecided a given name where the file tells in full that its layer stood elsewhere, or among others.

    Keras names a layer of an inner Functional model as one of the same name that stands beside the model. What paths leave
    open is no contradiction where they can lead to no other variable, and the given names are whole. Nor is it
    the name of a layer alone that tells which part of a saved model this one is: others must have risen with it.
    """
    led = {} if by_given.roots else _led(by_path)
    risen: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    for t, s in by_given.named:
        if t in placed and s not in unplaced:
            risen[_rise(sides, t, s)].add(sides.targets[t].paths[0].segments[:-1])

    def has_moved(claim: Claim) -> bool:
        t, s = claim.target, claim.source
        if claim.grade is Grade.NUMBERED:
            return t in by_path.moved
        if claim.grade is not Grade.NAMED or t not in placed or s in unplaced:
            return False
        if (t, s) in by_path.pairs or (t, s) in by_path.named:
            return False
        if _rise(sides, t, s) > 0 and len(risen[_rise(sides, t, s)]) < 2:
            return True
        return led.get(s) != {t} and (s in by_path.told or not _is_in_such_list(sides, t, s))

    given = _but_elsewhere(by_given, by_path, unplaced)
    return [_open(claim) if has_moved(claim) else claim for claim in given]


def _rise(sides: Sides, t: int, s: int) -> int:
    """Return in how many inner models a tensor lies that its variable does not lie in."""
    return _models_around(sides.sources[s]) - _models_around(sides.targets[t])


def _is_in_such_list(sides: Sides, t: int, s: int) -> bool:
    """Say whether a variable stands in a list that is called as the one of a tensor, or the tensor in none."""
    ours, theirs = sides.targets[t].paths[0].segments, sides.sources[s].paths[0].segments
    if not any(map(str.isdecimal, theirs)):
        return True
    lists = [[segment for segment in each if not segment.isdecimal()] for each in (ours, theirs)]
    depth = min(map(len, lists))
    return lists[0][-depth:] == lists[1][-depth:] and any(map(str.isdecimal, ours))


def _but_elsewhere(said: Said, by_path: Said, unplaced: Collection[int]) -> Sequence[Claim]:
    """Leave undecided a given name that may as well be a path, and leads to another variable then.

    The model around a saved one may have a layer of its own that is called as one of that.
    """
    if said.is_whole or not by_path.open:
        return said.claims
    led = _led(by_path)
    return [
        _open(claim)
        if claim.grade is Grade.NAMED and claim.source in unplaced and led.get(claim.source, set()) - {claim.target}
        else claim
        for claim in said.claims
    ]


def _led(by_path: Said) -> Mapping[int, set[int]]:
    """Return for each tensor of which paths leave open where it belongs the variables of its shape to which they lead."""
    led: dict[int, set[int]] = defaultdict(set)
    for t, s in by_path.open:
        led[s].add(t)
    return led


def _but_numbered(by_path: Said, unplaced: Collection[int], sides: Sides) -> Sequence[Claim]:
    """Leave undecided a path that may as well be an automatic name, if that is not what its variable is called.

    Keras calls the layers in attributes ``dense_1`` and ``dense_2`` by the names ``dense`` and ``dense_1``. Another path that
    is no name of its variable shows that the file is one of paths.
    """
    if not unplaced:
        return by_path.claims
    pairs = [(t, s) for t, s in by_path.named if s in unplaced and not _is_called_so(sides, t, s)]
    numbered = {(t, s) for t, s in pairs if any(may_be_automatic(each, sides.bases) for each in sides.sources[s].paths)}
    if len(numbered) < len(pairs):
        return by_path.claims
    return [_open(claim) if (claim.target, claim.source) in numbered else claim for claim in by_path.claims]


def _is_called_so(sides: Sides, t: int, s: int) -> bool:
    """Say whether the name of a tensor ends as a given name of a variable does, or the other way round."""
    given = [name.segments for name in sides.targets[t].given]
    names = [name.segments for name in (*sides.sources[s].paths, *sides.sources[s].given)]
    return not given or any(
        ours[-depth:] == theirs[-depth:]
        for ours in given
        for theirs in names
        for depth in [min(len(ours), len(theirs))]
    )


def _but_short(ops: Sequence[Claim], by_path: Said) -> list[Claim]:
    """Leave undecided short names that no path repeats, where a path of the file shows that it does not shorten them."""
    is_short = not ops or by_path.named <= {(claim.target, claim.source) for claim in ops}
    return [
        claim
        if is_short or claim.grade is not Grade.NAMED or (claim.target, claim.source) in by_path.named
        else _open(claim)
        for claim in ops
    ]


def _contested_scopes(
    claims: Sequence[Claim], by_path: Sequence[Claim], unplaced: Collection[int], sides: Sides
) -> Sequence[Claim]:
    """Leave undecided a tensor without a path that is called after a scope in which other variables lie, and not this one.

    Such a name may lack all that is between the scope and the variable.
    """
    if len(unplaced) == len(sides.sources):
        return claims
    known = {claim.target for claim in (*claims, *by_path)}
    unknown = [t for t, entry in enumerate(sides.targets) if t not in known and entry.paths]
    found: list[Claim] = []
    for claim in claims:
        t, s = claim.target, claim.source
        rivals: list[int] = []
        if claim.grade is Grade.NAMED and s in unplaced and not _is_in_scope(sides, t, s):
            rivals = [each for each in unknown if sides.are_alike(each, s) and _is_in_scope(sides, each, s)]
        found.append(_open(claim) if rivals else claim)
        found.extend(Claim(each, s, Grade.UNDECIDED, claim.kind) for each in rivals[:MOST_CANDIDATES])
    return found


def _but_within(claims: Sequence[Claim], by_given: Said, unplaced: Collection[int], sides: Sides) -> Sequence[Claim]:
    """Leave undecided the name of a tensor that a layer of an inner model has as well, if the file names nothing in that model.

    Keras 2 does not name an inner model before its layers.
    """
    known = {claim.target for claim in claims}
    inner: dict[tuple[tuple[str, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    told = _scopes_told(by_given, sides) if unplaced else set()
    for t, entry in enumerate(sides.targets if unplaced else ()):
        if t not in known and _models_around(entry):
            for given in entry.given:
                fronts = [i for i in range(1, len(given.segments)) if given.segments[:i] not in told]
                for i in fronts:
                    inner[given.segments[i:], entry.shape].append(t)
    if not inner:
        return claims

    def rivals_of(claim: Claim) -> Sequence[int]:
        if claim.grade is not Grade.NAMED or claim.source not in unplaced:
            return ()
        name = sides.sources[claim.source].given[0]
        found = inner.get((name.segments, sides.sources[claim.source].shape), ())
        return [t for t in found if _models_around(sides.targets[t]) > _models_around(sides.targets[claim.target])]

    rivals = [(claim, rivals_of(claim)) for claim in claims]
    return [
        *(_open(claim) if found else claim for claim, found in rivals),
        *(Claim(t, claim.source, Grade.UNDECIDED, claim.kind) for claim, found in rivals for t in found),
    ]


def _scopes_told(by_given: Said, sides: Sides) -> set[tuple[str, ...]]:
    """Return the scopes of the model's given names that are in what they meet in the file."""
    told: set[tuple[str, ...]] = set()
    for t, s in by_given.pairs:
        reach = max((len(name.segments) for name in sides.sources[s].given), default=0)
        for given in sides.targets[t].given:
            told.update(given.segments[:i] for i in range(max(1, len(given.segments) - reach + 1), len(given.segments)))
    return told


def _models_around(entry: Entry) -> int:
    """Return how many inner models a variable lies in whose layers stand in a list."""
    layers = sum(place is not None for place in entry.paths[0].places) if entry.paths else 0
    return max(layers - 1, 0)


def _open(claim: Claim) -> Claim:
    return claim._replace(grade=Grade.UNDECIDED)


def _is_in_scope(sides: Sides, t: int, s: int) -> bool:
    """Say whether a path of a variable begins and ends as the given name of a tensor does."""
    scope = sides.sources[s].given[0].segments
    paths = (path.segments for path in sides.targets[t].paths)
    return any(path[: len(scope) - 1] == scope[:-1] and path[-1] == scope[-1] for path in paths)
