"""Names that may lack the models within: what a short name may mean besides what is called so. Pure; standard library only.

Keras 2 does not name an inner model before its layers, and TensorFlow 1 knows no models at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from partial_restore._keys import Prefix
from partial_restore._said import Said
from partial_restore._settle import MOST_CANDIDATES, Claim, Grade
from partial_restore._sides import Sides
from partial_restore._types import Entry


def but_shortened(
    paths: Sequence[Claim], by_op: Said, by_path: Said, unplaced: Collection[int], sides: Sides
) -> Sequence[Claim]:
    """Leave undecided a path of a file that a layer of an inner model may have as well, if no path names such a model."""
    if not by_path.named <= _pairs(by_op.claims):
        return paths
    met = {claim.target for claim in paths}
    open_to: dict[int, set[int]] = defaultdict(set)
    for t, s in _pairs(by_op.claims):
        if t not in met and s not in unplaced and sides.renamed[s] is None and sides.are_alike(t, s):
            open_to[s].add(t)
    return [claim.opened() if open_to.get(claim.source) else claim for claim in paths] if open_to else paths


def _pairs(claims: Iterable[Claim]) -> set[tuple[int, int]]:
    return {(claim.target, claim.source) for claim in claims}


def but_short(ops: Sequence[Claim], by_path: Said) -> list[Claim]:
    """Leave undecided short names that no path repeats, where a path of the file shows that it does not shorten them."""
    is_short = not ops or by_path.named <= _pairs(ops)
    return [
        claim
        if is_short or claim.grade is not Grade.NAMED or (claim.target, claim.source) in by_path.named
        else claim.opened()
        for claim in ops
    ]


def contested_scopes(
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
        found.append(claim.opened() if rivals else claim)
        found.extend(Claim(each, s, Grade.UNDECIDED, claim.kind) for each in rivals[:MOST_CANDIDATES])
    return found


def but_within(
    claims: Sequence[Claim], by_given: Said, by_path: Said, unplaced: Collection[int], sides: Sides
) -> Sequence[Claim]:
    """Leave undecided the name of a tensor that a layer of an inner model has as well, if the file names nothing in that model.

    Keras 2 does not name an inner model before its layers, nor Keras 3 a Functional one. So it is with the name that only a layer
    of an inner model meets, if the layer that is called so outside of it has such a variable that meets nothing: the families
    name what is in some layers otherwise.
    """
    known = {claim.target for claim in claims if claim.grade is not Grade.UNDECIDED}
    outer: dict[tuple[str, str, tuple[int, ...]], list[int]] = defaultdict(list)
    for t, entry in enumerate(sides.targets if unplaced else ()):
        if t not in known and not models_around(entry):
            for path in entry.paths:
                outer[path.segments[0], path.segments[-1], entry.shape].append(t)
    inner: dict[tuple[tuple[str, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    told = _scopes_told(by_given, sides) if unplaced else set()
    inside = {_top(sides.targets[t]) for t, _ in by_path.pairs if models_around(sides.targets[t])}
    for t, entry in enumerate(sides.targets if unplaced else ()):
        if t not in known and models_around(entry):
            for given in entry.given:
                first = 1 if _top(entry) in inside else 0
                fronts = [i for i in range(first, len(given.segments)) if given.segments[:i] not in told]
                for i in fronts:
                    inner[given.segments[i:], entry.shape].append(t)
    if not inner and not outer:
        return claims

    def rivals_of(claim: Claim) -> Sequence[int]:
        if claim.grade is not Grade.NAMED or claim.source not in unplaced:
            return ()
        name, shape = sides.sources[claim.source].given[0].segments, sides.sources[claim.source].shape
        depth = models_around(sides.targets[claim.target])
        deeper = [t for t in inner.get((name, shape), ()) if models_around(sides.targets[t]) > depth]
        is_outside = not depth or _top(sides.targets[claim.target]) == name[0]
        return deeper if is_outside else [*deeper, *outer.get((name[0], name[-1], shape), ())]

    rivals = [(claim, rivals_of(claim)) for claim in claims]
    layers = {_stem(sides, claim.source) for claim, found in rivals if found}

    def is_doubtful(claim: Claim) -> bool:
        return claim.grade is Grade.NAMED and claim.source in unplaced and _stem(sides, claim.source) in layers

    return [
        *(claim.opened() if is_doubtful(claim) else claim for claim in claims),
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


def models_around(entry: Entry) -> int:
    """Return how many inner models a variable lies in whose layers stand in a list."""
    layers = sum(place is not None for place in entry.paths[0].places) if entry.paths else 0
    return max(layers - 1, 0)


def _stem(sides: Sides, s: int) -> Prefix:
    """Return what a tensor without a path is called but for its last segment: its layer."""
    return sides.sources[s].given[0].segments[:-1]


def _top(entry: Entry) -> str:
    """Return what stands first in the path of a variable."""
    return entry.paths[0].segments[0]


def _is_in_scope(sides: Sides, t: int, s: int) -> bool:
    """Say whether a path of a variable begins and ends as the given name of a tensor does."""
    scope = sides.sources[s].given[0].segments
    paths = (path.segments for path in sides.targets[t].paths)
    return any(path[: len(scope) - 1] == scope[:-1] and path[-1] == scope[-1] for path in paths)
