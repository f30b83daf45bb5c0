"""What the names of one kind claim: paths, given names, or those of TensorFlow 1. Pure; standard library only.

The names of both sides are made comparable, aligned below their roots, and each that meets is a claim.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from partial_restore._align import alignments, of_its_name
from partial_restore._alignment import Alignment
from partial_restore._below import Met
from partial_restore._certain import is_certain, rivals_of
from partial_restore._keys import AUTOMATIC, GLOBAL_STEP, MODELS, SCOPES, VARIABLES, Key, Prefix, is_said, unnumbered
from partial_restore._renamed import renamed_claims, undecided_claims
from partial_restore._roots import root_texts
from partial_restore._rows import Row, keyed
from partial_restore._settle import Claim, Grade, Kind
from partial_restore._siblings import disproved, is_below, reordered, reordered_in_all, shuffled
from partial_restore._sides import Sides
from partial_restore._types import Entry, Name
from partial_restore._whole import proven
from partial_restore._within import led_within, lone, may_be_within, of_models_within


@dataclass(frozen=True)
class Said:
    """What the names of one kind claim, and the roots that were set aside to compare them.

    The variables that ``met`` a tensor of their shape, and whether all of both sides did, so that it is the same model;
    the tensors of which a name is ``told`` in full; the variables and tensors of one shape that roots leave ``open``;
    the variables whose layers ``moved`` among others, so that their numbers tell nothing; all ``pairs`` that meet;
    the variables that are ``unsure``, of which numbers tell nothing; and of tensors ``within`` layers of which only the number is
    known the variable that has the name of the layer itself as well. Those that are ``wrapped`` lie in the
    inner model that the saved one is now. Tensors that are ``copies`` of others are given with the variable that takes those.
    The ``root`` of the file's names was set aside. Where roots contest each other,
    the layers of tensors that are ``replaced`` have other variables now, by one of them.
    """

    claims: Sequence[Claim] = ()
    roots: Sequence[str] = ()
    met: frozenset[int] = frozenset()
    is_whole: bool = False
    told: frozenset[int] = frozenset()
    open: frozenset[tuple[int, int]] = frozenset()
    moved: frozenset[int] = frozenset()
    pairs: frozenset[tuple[int, int]] = frozenset()
    unsure: Collection[int] = frozenset()
    within: Mapping[int, int] = field(default_factory=dict)
    wrapped: Collection[int] = frozenset()
    copies: Mapping[int, int] = field(default_factory=dict)
    root: Prefix = ()
    replaced: frozenset[int] = frozenset()

    @cached_property
    def named(self) -> set[tuple[int, int]]:
        return {(claim.target, claim.source) for claim in self.claims if claim.grade is Grade.NAMED}


def said_by(kind: Kind, sides: Sides, root: Prefix = ()) -> Said:
    """Return what the names of a kind claim; the ``root`` is known to be what the file calls the model."""
    ours, theirs = rows_of(kind, sides)
    claims, unsure = renamed_claims(ours, theirs, sides, kind) if any(sides.renamed) else ([], set())
    free = [row for row in theirs if sides.renamed[row.entry] is None]
    told = frozenset(row.entry for row in free if is_said(row.key))
    known = (root, (sides.called,)) if root and sides.called else ((), ())
    aligned = alignments(ours, free, sides.are_alike, tops=kind == "paths", known=known)
    found = proven(of_its_name(aligned, sides.called), ours, free, sides)
    if not is_certain(found, ours, free):
        either = {pair for each in found for pair in each.pairs}
        claims.extend(Claim(t, s, Grade.UNDECIDED, kind) for t, s in either)
        led = {t for t, _ in either}
        loose = (claim for each in found for claim in undecided_claims(each.ours, each.theirs, sides, kind))
        claims.extend(claim for claim in loose if claim.target not in led)
        replaced = frozenset().union(*map(_replaced, found))
        wrapped = _wrapped(found)
        return Said(
            claims,
            told=told,
            open=_alike(either, sides),
            replaced=replaced,
            moved=reordered_in_all([(each.ours, each.theirs, each.met) for each in found], sides),
            unsure=unsure,
            wrapped=wrapped,
        )
    best = found[0]
    moved = reordered(best.ours, best.theirs, sides)
    copies = _copies(best.met, sides)
    claims.extend(
        claim for claim in _claims(ours, best, moved, sides, kind) if copies.get(claim.source) != claim.target
    )
    rivals = _alike((pair for each in rivals_of(found, sides.are_alike) for pair in each.pairs), sides)
    rivals |= led_within(best, sides)
    contested = {s for _, s in rivals}
    met = frozenset([t for t, s in best.pairs if sides.are_alike(t, s)])
    return Said(
        _doubted(claims, rivals, kind, sides),
        tuple(root_texts(best.root)),
        met,
        kind == "given" and _is_whole(best, sides),
        told,
        rivals.union((t, s) for t, s in best.pairs if s in contested) if contested else rivals,
        frozenset(t for t, _, key in best.met if is_below(key, moved)) if moved else frozenset(),
        best.pairs,
        unsure,
        {s: t for t, s, key in best.met if not is_said(key) and _is_of_named_layer(key)},
        _wrapped([best]),
        copies,
        best.root[0],
    )


def _wrapped(found: Sequence[Alignment]) -> Collection[int]:
    """Return the variables in the inner model, or models, that the saved one may be now; none if it may be no inner one."""
    return frozenset().union(*(each.ours.entries for each in found)) if all(each.root[1] for each in found) else ()


def rows_of(
    kind: Kind, sides: Sides, targets: Collection[int] | None = None, sources: Collection[int] | None = None
) -> tuple[list[Row], list[Row]]:
    """Return the names of a kind on both sides, or of some entries, ready to compare."""
    here = range(len(sides.targets)) if targets is None else targets
    there = range(len(sides.sources)) if sources is None else sources
    ours = ((t, name, 0) for t in here for name in _target_names(sides, sides.targets[t], kind))
    theirs = ((s, name, pins) for s in there for name, pins in _source_names(sides, s, kind))
    mine, yours = (partial(sides.front_of, is_target=is_target) for is_target in (True, False))
    return keyed(ours, sides.bases, mine, is_target=True), keyed(theirs, sides.bases, yours, is_target=False)


def _alike(pairs: Iterable[tuple[int, int]], sides: Sides) -> frozenset[tuple[int, int]]:
    return frozenset((t, s) for t, s in pairs if sides.are_alike(t, s))


def _doubted(claims: list[Claim], rivals: Collection[tuple[int, int]], kind: Kind, sides: Sides) -> list[Claim]:
    """Leave undecided where the alignment that decides and a rival of it would give one tensor to different variables.

    The step of training stands beside the scopes of all models.
    """
    if not rivals:
        return claims
    pairs = {(claim.target, claim.source) for claim in claims if claim.grade is not Grade.UNDECIDED}
    other = {pair for pair in rivals if pair not in pairs}
    met = {t for t, _ in pairs}, {s for _, s in pairs}
    steps = {
        (t, s)
        for t, s in other
        if t not in met[0] and s not in met[1] and _is_step(sides.targets[t], kind) and _is_step(sides.sources[s], kind)
    }
    targets, sources = {t for t, _ in other}, {s for _, s in other}
    doubtful = [
        claim.opened()
        if claim.grade is not Grade.SAID and (claim.target in targets or claim.source in sources)
        else claim
        for claim in claims
    ]
    doubts = (Claim(t, s, Grade.NAMED if (t, s) in steps else Grade.UNDECIDED, kind) for t, s in other)
    return [*doubtful, *doubts]


def _is_step(entry: Entry, kind: Kind) -> bool:
    """Say whether a variable is the step of training as TensorFlow calls it, of which a graph has one."""
    return any(name.segments == (GLOBAL_STEP,) for name in _names(entry, kind))


def _names(entry: Entry, kind: Kind) -> tuple[Name, ...]:
    return entry.paths if kind == "paths" else entry.given if kind == "given" else entry.ops


def _target_names(sides: Sides, entry: Entry, kind: Kind) -> Iterable[Name]:
    names = _names(entry, kind)
    if kind == "given" and not sides.has_paths:  # What is called by attributes there has a path in the file as well.
        names = tuple(name for name in names if not any(name.said[:-1]))
    return (name._replace(places=()) for name in names) if sides.is_of_names else names


def _source_names(sides: Sides, s: int, kind: Kind) -> Iterable[tuple[Name, int]]:
    renamed, entry = sides.renamed[s], sides.sources[s]
    if renamed is not None:
        return renamed.names
    names = _names(entry, kind)
    if kind == "paths" and not sides.has_paths:
        names = entry.given  # A file in which nothing leads to a tensor but what it was called.
    return () if entry.nameless else [(name, 0) for name in names]


def _claims(ours: Sequence[Row], found: Alignment, moved: set[Key], sides: Sides, kind: Kind) -> Iterator[Claim]:
    """Yield what the names say under an alignment of roots; the layers that ``moved`` are not what their number says."""
    spread = _spread(ours, sides.targets) - _told_apart(found, sides) if kind == "given" else set()
    is_loose = kind == "ops" and not _is_whole(found, sides)  # Short numbers count only if all of them agree.
    wrong = moved | disproved(found.ours, found.theirs, found.met, sides.are_alike)
    wrong |= shuffled(found.met, sides.are_listed, sides.is_frozen, is_part=bool(found.root[0]))
    new = set() if found.is_told else _unmet(found, sides)
    deeper = set() if found.is_told and not _is_short(found, sides) else of_models_within(found, sides)

    def is_other(t: int, key: Key) -> bool:
        shape = sides.targets[t].shape
        return (key[-1], shape) in new or (unnumbered(key), shape) in deeper

    # One may have got its name since, or the file may be the model within: then nobody knows of the others.
    is_within = any(not isinstance(key[0], str) for _, _, key in found.met) and may_be_within(found)
    if not found.is_told:
        is_loose = is_loose or any(is_other(t, key) for t, _, key in found.met)
        is_loose = is_loose or any((unnumbered(key), shape) in deeper for key, shape in lone(found, sides))

    def is_named(t: int, key: Key) -> bool:
        if kind != "given" or t in spread or not _is_named_but_for_models(key):
            return False
        chosen = unnumbered(tuple(part for part in key if isinstance(part, str)))
        return not (found.sources < found.theirs.entries and (chosen, sides.targets[t].shape) in deeper)

    def is_doubtful(t: int, key: Key) -> bool:
        is_beside = is_within and not isinstance(key[0], str)
        return is_loose or is_beside or t in spread or is_other(t, key) or is_below(key, wrong)

    for t, s, key in found.met:
        if is_said(key) or is_named(t, key):
            yield Claim(t, s, Grade.NAMED, kind)
        else:
            yield Claim(t, s, Grade.UNDECIDED if is_doubtful(t, key) else Grade.NUMBERED, kind)
    yield from undecided_claims(found.ours, found.theirs, sides, kind)


def _copies(met: Met, sides: Sides) -> dict[int, int]:
    """Return the tensors that a layer stores of a variable that a layer within it stores as well, each with the variable.

    So does `SpectralNormalization` of Keras 3 with the kernel of the layer that it wraps: the inner place is its own.
    """
    stored: dict[int, list[tuple[int, Key]]] = defaultdict(list)
    for t, s, key in met:
        if key[-2:-1] == (VARIABLES,) and sides.are_alike(t, s):
            stored[t].append((s, key[:-2]))
    return {
        s: t
        for t, places in stored.items()
        for s, layer in places
        if any(len(layer) < len(inner) and inner[: len(layer)] == layer for other, inner in places if other != s)
    }


def _unmet(found: Alignment, sides: Sides) -> set[tuple[object, tuple[int, ...]]]:
    """Return what variables are called that meet nothing, and their shapes: one of them may have got its name since."""
    met = {t for t, _ in found.pairs}
    return {(key[-1], sides.targets[t].shape) for t, key in found.ours.rows if t not in met and _is_of_named_layer(key)}


def _replaced(found: Alignment) -> set[int]:
    """Return the tensors that meet nothing, of layers that have other variables now."""
    ours = {key[:-1] for _, key in found.ours.rows}
    around = {layer[:i] for layer in ours for i in range(1, len(layer) + 1)}
    return {
        s
        for s, key in found.theirs.rows
        if s not in found.sources and (key[:-1] in around or any(key[:i] in ours for i in range(1, len(key))))
    }


def _is_short(found: Alignment, sides: Sides) -> bool:
    """Say whether the tensors are known by names alone, which may lack the models within."""
    return any(sides.sources[s].paths == sides.sources[s].given for s in found.sources)


def _is_of_named_layer(key: Key) -> bool:
    above = [part for part in key[:-1] if part not in (VARIABLES, "cell")]
    return bool(above) and isinstance(above[-1], str)


def _is_named_but_for_models(key: Key) -> bool:
    """Say whether all of a key was chosen but the names of models around the layer, each the only one of its class."""
    numbered = [part for part in key if not isinstance(part, str)]
    are_models = all(
        part[2] == 1 and part[0] and (part[0] in MODELS or part[0] not in AUTOMATIC | SCOPES) for part in numbered
    )
    return are_models and len(key) > len(numbered) + 1


def _is_whole(found: Alignment, sides: Sides) -> bool:
    """Say whether every variable meets a tensor of its shape and every tensor a variable: then it is the same model."""
    targets, sources = found.ours.entries, found.theirs.entries
    pairs = dict(found.pairs)
    whole = len(pairs) == len(found.pairs) == len(targets) == len(sources) == len(found.sources)
    return whole and all(sides.are_alike(t, s) for t, s in pairs.items())


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


def _told_apart(found: Alignment, sides: Sides) -> set[int]:
    """Return the variables that meet under names of which no number tells anything, if all of both sides meets."""
    if not _is_whole(found, sides):
        return set()
    times = Counter(unnumbered(key) for key in {key for _, key in (*found.ours.rows, *found.theirs.rows)})
    return {t for t, _, key in found.met if times[unnumbered(key)] == 1}


def _home(path: Name, below: int) -> tuple[str, ...]:
    """Return what holds the layer that stands ``below`` segments above the end; a list is not a holder of its own."""
    place = max(0, len(path.segments) - 1 - below)
    while place and path.segments[place].isdecimal():
        place -= 1
    return path.segments[:place]
