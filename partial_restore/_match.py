"""Which tensor belongs to which variable, by their names alone. Pure; standard library only.

The paths of both sides are compared with each other, and so are the names that were given; what the two say is then
settled for each variable. `docs/matching.md` argues why no single edit of a model can mislead this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from partial_restore._crossed import but_crossed
from partial_restore._keys import (
    AUTOMATIC,
    SCOPES,
    counted_from_zero,
    counted_on_one_side,
    counted_with_gaps,
    may_be_automatic,
    one_of,
    uniquified,
    unnumbered_word,
)
from partial_restore._left import but_left
from partial_restore._moved import but_below_root, but_elsewhere, but_moved, is_called_so
from partial_restore._relisted import but_alongside, but_renamed
from partial_restore._renamed import but_chosen
from partial_restore._said import Said, said_by
from partial_restore._select import Renamed
from partial_restore._settle import Claim, Grade, Settled, Tells, completed, contested, filled, settled_by
from partial_restore._shortened import but_short, but_shortened, but_within, contested_scopes, models_around
from partial_restore._sides import Joins, Sides
from partial_restore._types import Entry, Name, name_of


@dataclass(frozen=True, slots=True)
class Pairing:
    """What the names say, by index: for each variable the candidates of the surest grade (more than one is no answer).

    ``rules`` are those that renamed a tensor. ``nameless`` are the tensors, by shape, that might be anyone's. ``roots`` were set aside to compare.
    ``others`` are tensors that repeat one for a variable, or that a rule did not choose for it, with the variable.
    """

    settled: Mapping[int, Settled]
    rules: Mapping[int, str]
    nameless: Mapping[tuple[int, ...], Collection[int]]
    roots: tuple[str, ...]
    others: Mapping[int, int]


def pair(
    targets: Sequence[Entry],
    sources: Sequence[Entry],
    renamed: Sequence[Renamed | None],
    automatic: Collection[str],
    called: str = "",
    joins: Joins = lambda *_: None,
) -> Pairing:
    """Return the candidates of every variable. Indices stand for entries of the two sequences."""
    sides = _compared(targets, sources, renamed, automatic, called, joins)
    by_path = said_by("paths", sides)
    by_given = said_by("given", sides, by_path.root)
    knows_places = any(entry.paths != entry.given for entry in targets)
    placed = {t for t, entry in enumerate(targets) if knows_places and entry.paths}
    unplaced = {s for s, entry in enumerate(sources) if entry.paths in ((), entry.given)}
    places = but_renamed(
        _but_shared(_but_numbered(by_path, unplaced, sides), by_path, by_given, unplaced, sides), sides
    )
    names = but_moved(by_given, by_path, placed, unplaced, sides)
    given, paths = but_below_root(by_given, names, places, sides)
    by_op = said_by("ops", sides) if any(entry.ops for entry in targets) else Said()
    paths = but_shortened(paths, by_op, by_path, unplaced, sides)
    scoped = [*paths, *contested_scopes(given, by_path.claims, unplaced, sides)]
    claims = but_within(scoped, by_given, by_path, unplaced, sides)
    unsure = {*by_path.unsure, *by_given.unsure, *by_op.unsure}
    claims = _but_counted(but_crossed(_but_unsure(claims, unsure), unplaced, sides), sides)
    claims = but_alongside(claims, sides)
    claims, not_chosen = but_chosen(claims, sides) if any(renamed) else (claims, {})
    tells = Tells(placed, unplaced, is_same=_settles_roots(by_given, by_path), are_paths=by_given.met < by_path.met)
    settled = contested(settled_by(claims, tells), claims, sides.is_stored)
    if len(unplaced) == len(sources) and _is_literal(by_given, sides):
        has_models = any(map(models_around, targets))
        pairs = [(t, s) for t, s in by_given.pairs if not has_models or _is_in_place(sides, t)]
        settled = completed(settled, _but_led_elsewhere(pairs, by_path))
    nameless: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for s, entry in enumerate(sources):
        if entry.nameless and renamed[s] is None:
            nameless[entry.shape].append(s)
    rules = {s: rule.rule for s, rule in enumerate(renamed) if rule}
    roots = dict.fromkeys((*by_path.roots, *by_given.roots, *by_op.roots))
    shorter = but_short(but_elsewhere(by_op, by_path, unplaced, sides), by_path)
    short = _but_counted(_but_unsure(shorter, unsure), sides)
    settled = _but_new(filled(settled, claims, short), claims, sides)
    led = {claim.source for claim in (*claims, *short)} | {s for s, rule in enumerate(renamed) if rule is not None}
    settled = but_left(settled, led, sides)
    return Pairing(settled, rules, nameless, tuple(roots), {**not_chosen, **by_path.copies})


def _compared(
    targets: Sequence[Entry],
    sources: Sequence[Entry],
    renamed: Sequence[Renamed | None],
    automatic: Collection[str],
    called: str,
    joins: Joins,
) -> Sides:
    """Return both sides, and what is a number in their names: not what a person numbered on both."""
    everyone = (name for entry in (*targets, *sources) for name in entry.paths)
    by_hand = counted_from_zero(_words(targets)) & counted_from_zero(_words(sources))
    words = AUTOMATIC if automatic else AUTOMATIC | SCOPES
    own = frozenset(automatic) - by_hand
    counted = counted_on_one_side(_layer_words(targets), _layer_words(sources)) | counted_with_gaps(
        _names_of(targets), _names_of(sources), own - words
    )
    return Sides(targets, sources, renamed, one_of(words | own | uniquified(everyone)), called, counted, joins)


def _but_new(settled: Mapping[int, Settled], claims: Sequence[Claim], sides: Sides) -> dict[int, Settled]:
    """Leave out a variable in an attribute to which numbers in given names alone lead, if paths give those tensors to others.

    So are adapters in blocks without names: what a list has at the same places is the same.
    """
    led = {(claim.target, claim.source) for claim in claims if claim.kind == "paths"}
    taken = {s for t, (grade, found) in settled.items() if grade is not Grade.UNDECIDED for s in found if (t, s) in led}
    known = {t for t, _ in led}

    def is_new(t: int) -> bool:
        grade, found = settled[t]
        is_open = grade is Grade.UNDECIDED and t not in known and taken.issuperset(found)
        return is_open and any(all(path.said) for path in sides.targets[t].paths[:1])

    return {t: each for t, each in settled.items() if not is_new(t)}


def _words(entries: Sequence[Entry]) -> set[str]:
    """Return all that layers and what is in them are called on a side."""
    return {segment for entry in entries for name in (*entry.paths, *entry.given) for segment in name.segments}


def _layer_words(entries: Sequence[Entry]) -> set[str]:
    """Return what layers are called on a side, be it by a person or by Keras: no attributes, nor places."""
    return {
        segment
        for name in _names_of(entries)
        for segment, is_said in zip(name.segments, name.said, strict=True)
        if not is_said
    }


def _names_of(entries: Sequence[Entry]) -> list[Name]:
    return [name for entry in entries for name in (*entry.paths, *entry.given)]


def _settles_roots(by_given: Said, by_path: Said) -> bool:
    """Say whether the given names of all of both sides meet, none of them in doubt, and nowhere but where paths may lead that leave a root open."""
    may_lead = {t for t, _ in by_given.pairs & by_path.open}
    is_sure = by_given.is_whole and all(claim.grade is not Grade.UNDECIDED for claim in by_given.claims)
    return is_sure and bool(may_lead) and may_lead == {t for t, _ in by_path.open}


def _is_literal(by_given: Said, sides: Sides) -> bool:
    """Say whether all of both sides meets under given names that are the same to the last number, but for a root."""
    is_whole = by_given.is_whole and len(by_given.pairs) == len(sides.targets) == len(sides.sources)
    return is_whole and all(
        any(_end_alike(ours, theirs) for ours in sides.targets[t].given for theirs in sides.sources[s].given)
        for t, s in by_given.pairs
    )


def _is_in_place(sides: Sides, t: int) -> bool:
    """Say whether a variable lies in no inner model, nor can its layer have been in one: somebody named it.

    Names of arrays may lack models within: a layer without a name may have gone from one into another.
    """
    layer = name_of(sides.targets[t].paths[0].segments[0]) if sides.targets[t].paths else Name((), ())
    return bool(layer.segments) and not models_around(sides.targets[t]) and not may_be_automatic(layer, sides.bases)


def _but_led_elsewhere(pairs: Collection[tuple[int, int]], by_path: Said) -> list[tuple[int, int]]:
    """Return the pairs of which a path leads neither the variable to another tensor nor the tensor to another variable."""
    led = {(claim.target, claim.source) for claim in by_path.claims}
    targets, sources = ({pair[i] for pair in led.difference(pairs)} for i in (0, 1))
    return [(t, s) for t, s in pairs if t not in targets and s not in sources]


def _end_alike(ours: Name, theirs: Name) -> bool:
    depth = min(len(ours.segments), len(theirs.segments))
    return ours.segments[-depth:] == theirs.segments[-depth:]


def _but_unsure(claims: Sequence[Claim], unsure: Collection[int]) -> Sequence[Claim]:
    """Leave undecided the numbers of variables among which a rule spelled one out: what is left is not as many."""
    if not unsure:
        return claims
    return [claim.opened() if claim.grade is Grade.NUMBERED and claim.target in unsure else claim for claim in claims]


def _but_counted(claims: Sequence[Claim], sides: Sides) -> Sequence[Claim]:
    """Leave undecided the numbers of layers that a person numbered on one side, or on both: they may be names."""
    if not sides.counted:
        return claims
    ours, theirs = (
        [any(unnumbered_word(word) in sides.counted for word in _layer_words([entry])) for entry in side]
        for side in (sides.targets, sides.sources)
    )
    return [
        claim.opened() if claim.grade is Grade.NUMBERED and ours[claim.target] and theirs[claim.source] else claim
        for claim in claims
    ]


def _but_numbered(by_path: Said, unplaced: Collection[int], sides: Sides) -> Sequence[Claim]:
    """Leave undecided a path that may as well be an automatic name, if that is not what its variable is called.

    Keras calls the layers in attributes ``dense_1`` and ``dense_2`` by the names ``dense`` and ``dense_1``. Another path that
    is no name of its variable shows that the file is one of paths.
    """
    if not unplaced:
        return by_path.claims
    pairs = [(t, s) for t, s in by_path.named if s in unplaced and not is_called_so(sides, t, s)]
    numbered = {(t, s) for t, s in pairs if any(may_be_automatic(each, sides.bases) for each in sides.sources[s].paths)}
    if len(numbered) < len(pairs):
        return by_path.claims
    return [claim.opened() if (claim.target, claim.source) in numbered else claim for claim in by_path.claims]


def _but_shared(
    claims: Sequence[Claim], by_path: Said, by_given: Said, unplaced: Collection[int], sides: Sides
) -> Sequence[Claim]:
    """Leave undecided a name below a root that may as well be no path.

    If another variable is called so as well; or the tensor has no path, as a name it is in doubt, and one layer alone speaks for the root.
    """
    if not by_path.root:
        return claims
    called: dict[int, set[int]] = defaultdict(set)
    for claim in by_given.claims:
        called[claim.source].add(claim.target)
    is_of_one = len({path.segments[:-1] for t, _ in by_path.pairs for path in sides.targets[t].paths[:1]}) == 1
    doubted = [each for each in by_given.claims if is_of_one and each.grade is Grade.UNDECIDED]
    pairs = {(claim.target, claim.source) for claim in doubted if not sides.sources[claim.source].paths}

    def is_shared(claim: Claim) -> bool:
        return bool(called[claim.source] - {claim.target}) or (claim.target, claim.source) in pairs

    return [
        claim.opened() if claim.grade is Grade.NAMED and claim.source in unplaced and is_shared(claim) else claim
        for claim in claims
    ]
