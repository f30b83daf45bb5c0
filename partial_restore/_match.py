"""Which tensor belongs to which variable, by their names alone. Pure; standard library only.

The paths of both sides are compared with each other, and so are the names that were given; `docs/matching.md` argues
why no single edit of a model can mislead this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from partial_restore._align import alignments, root_texts
from partial_restore._keys import AUTOMATIC, Key, Row, beneath, by_key, common, is_said, keyed, uniquified, unnumbered
from partial_restore._select import Renamed
from partial_restore._types import Entry, Name

Kind = Literal["paths", "given"]
MOST_CANDIDATES = 64
"""Candidates kept for a variable that cannot be decided."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """What the names say of each variable (by index): candidate tensors, from the most certain kind to the least.

    ``said`` by a rename rule (with its text), ``named`` by a name that a person chose, ``numbered`` by a forced
    pairing of positions, ``undecided`` where a name fits but does not identify. ``nameless`` are the tensors, by shape, of
    which nothing is known but that they might be anyone's. ``roots`` were set aside to compare.
    """

    said: Mapping[int, Mapping[int, str]]
    named: Mapping[int, Collection[int]]
    numbered: Mapping[int, Collection[int]]
    undecided: Mapping[int, Collection[int]]
    nameless: Mapping[tuple[int, ...], Collection[int]]
    roots: tuple[str, ...]


class _Found:
    """The candidates, as they are gathered."""

    def __init__(self) -> None:
        self.said: dict[int, dict[int, str]] = defaultdict(dict)
        self.named: dict[int, set[int]] = defaultdict(set)
        self.numbered: dict[int, set[int]] = defaultdict(set)
        self.undecided: dict[int, set[int]] = defaultdict(set)
        self.placed: dict[int, set[int]] = defaultdict(set)
        self.given: dict[int, set[int]] = defaultdict(set)
        self.roots: list[str] = []


def pair(
    targets: Sequence[Entry], sources: Sequence[Entry], renamed: Sequence[Renamed | None], automatic: Collection[str]
) -> Pairing:
    """Return the candidates of every variable. Indices stand for entries of the two sequences."""
    everyone = (name for entry in (*targets, *sources) for name in entry.paths)
    bases = AUTOMATIC | frozenset(automatic) | uniquified(everyone)
    found = _Found()
    kinds: tuple[Kind, ...] = ("paths", "given")
    for kind in kinds:
        ours = keyed(((t, name, 0) for t, entry in enumerate(targets) for name in _names(entry, kind)), bases)
        theirs = keyed(
            (
                (s, name, pins)
                for s, entry in enumerate(sources)
                for name, pins in _source_names(entry, renamed[s], kind)
            ),
            bases,
        )
        free = [row for row in theirs if renamed[row.entry] is None]
        _pair_renamed(found, ours, [row for row in theirs if renamed[row.entry] is not None], renamed, targets, sources)
        _pair_free(found, ours, free, targets, sources, kind)
    _contest(found)
    nameless: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for s, entry in enumerate(sources):
        if entry.nameless and renamed[s] is None:
            nameless[entry.shape].append(s)
    return Pairing(
        found.said, found.named, found.numbered, found.undecided, nameless, tuple(dict.fromkeys(found.roots))
    )


def _names(entry: Entry, kind: Kind) -> tuple[Name, ...]:
    return entry.paths if kind == "paths" else entry.given


def _source_names(entry: Entry, renamed: Renamed | None, kind: Kind) -> Iterable[tuple[Name, int]]:
    if renamed is not None:
        return renamed.names
    return () if entry.nameless else [(name, 0) for name in _names(entry, kind)]


def _pair_renamed(
    found: _Found,
    ours: Sequence[Row],
    theirs: Sequence[Row],
    renamed: Sequence[Renamed | None],
    targets: Sequence[Entry],
    sources: Sequence[Entry],
) -> None:
    """Pair what the caller renamed: the segments that a rule spelled out are compared as they stand."""
    pins = {(s, name.segments): pinned for s, rule in enumerate(renamed) if rule for name, pinned in rule.names}
    for depth in set(pins.values()):
        here = by_key((row.entry, row.segments[:depth] + row.key[depth:]) for row in ours)
        for row in theirs:
            rule = renamed[row.entry]
            if rule is not None and pins[row.entry, row.segments] == depth:
                fits = here.get(row.key, ())
                for t in fits:
                    if len(fits) == 1:
                        found.said[t][row.entry] = rule.rule
                    else:
                        found.undecided[t].add(row.entry)
    _note_undecided(found, beneath(ours, ()), beneath(theirs, ()), targets, sources)


def _pair_free(
    found: _Found,
    ours: Sequence[Row],
    theirs: Sequence[Row],
    targets: Sequence[Entry],
    sources: Sequence[Entry],
    kind: Kind,
) -> None:
    """Pair the others, by the one alignment of roots that explains the file."""
    roots = alignments(ours, theirs, tops=kind == "paths")
    for root in roots:
        here, there = beneath(ours, root[1]), beneath(theirs, root[0])
        for t, s, key in common(by_key(here), by_key(there)):
            if len(roots) > 1:
                found.undecided[t].add(s)
            else:
                (found.named if is_said(key) else found.numbered)[t].add(s)
                (found.given if kind == "given" else found.placed)[s].add(t)
        if len(roots) == 1:
            _note_undecided(found, here, there, targets, sources)
            found.roots.extend(root_texts(root))


def _contest(found: _Found) -> None:
    """Leave undecided what one variable claims by its path and another by its given name.

    Several paths may lead to one tensor (a tied layer in the file, untied in the model): each of them is right.
    """
    for s in found.given.keys() | found.placed.keys():
        claims = {
            t for t in found.given[s] | found.placed[s] if s in (found.named.get(t) or found.numbered.get(t) or ())
        }
        if len(claims) > 1 and not claims <= found.placed[s]:
            for t in claims:
                for held in (found.named, found.numbered):
                    held[t].discard(s)
                found.undecided[t].add(s)


def _note_undecided(
    found: _Found,
    ours: Sequence[tuple[int, Key]],
    theirs: Sequence[tuple[int, Key]],
    targets: Sequence[Entry],
    sources: Sequence[Entry],
) -> None:
    """Note the tensors that a variable's name fits without identifying: shared names, and numbers that do not align."""
    here, there = by_key(ours), by_key(theirs)
    for key in here.keys() & there.keys():
        if len(here[key]) > 1 or len(there[key]) > 1:
            for t in here[key]:
                found.undecided[t].update(sorted(there[key])[:MOST_CANDIDATES])
    loose: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for s, key in theirs:
        if not is_said(key):
            loose[(*unnumbered(key), sources[s].shape)].append(s)
    for t, key in ours:
        if not is_said(key) and key not in there:
            found.undecided[t].update(loose.get((*unnumbered(key), targets[t].shape), [])[:MOST_CANDIDATES])
