"""What a side has under a root: its names from there on, and what they meet. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from partial_restore._keys import VARIABLES, Key, Part, Prefix, is_said
from partial_restore._rows import Row
from partial_restore._types import Place

Index = Mapping[Key, Collection[int]]


@dataclass(frozen=True)
class Below:
    """What a side has under a root: entries with their keys from there on, and the entries of each key."""

    rows: Sequence[tuple[int, Key]]
    index: Index
    full: Sequence[Row] = ()
    depth: int = 0

    @cached_property
    def places(self) -> Mapping[Key, Place]:
        """Where layers stand among others, as far as it is known, by their keys."""
        return {
            row.key[self.depth : i + 1]: place
            for row in self.full
            for i, place in enumerate(row.places[: len(row.key) - 1])
            if i >= self.depth and place is not None
        }

    @cached_property
    def fronts(self) -> Collection[Prefix]:
        """What stands directly below the root before names."""
        return {row.segments[self.depth : self.depth + 1] for row in self.full if len(row.segments) > self.depth + 1}

    @cached_property
    def kinds(self) -> Mapping[Part, Collection[bool | None]]:
        """Whether what is directly below the root is an attribute, or else a layer of a model; None if that is not known."""
        kinds: dict[Part, set[bool | None]] = defaultdict(set)
        for row in self.full:
            kinds[row.key[self.depth]].add(row.said[self.depth] if row.said else None)
        return kinds

    @cached_property
    def layers(self) -> set[Key]:
        """The layers of which all was chosen."""
        return {key[:-1] for _, key in self.rows if is_said(key[:-1])}

    @cached_property
    def within(self) -> Mapping[str, set[Key]]:
        """By the model in which they lie those layers of which all was chosen."""
        layers: dict[str, set[Key]] = defaultdict(set)
        for key in self.layers:
            if len(key) > 1 and isinstance(key[0], str) and key[1] != VARIABLES:
                layers[key[0]].add(key[1:])
        return layers

    @cached_property
    def entries(self) -> set[int]:
        return {entry for entry, _ in self.rows}

    @cached_property
    def shared(self) -> set[Key]:
        """The keys that several entries have."""
        return {key for key, entries in self.index.items() if len(entries) > 1}

    @cached_property
    def numbered(self) -> Sequence[tuple[int, Key]]:
        """The rows of which not all was chosen."""
        return [(entry, key) for entry, key in self.rows if not is_said(key)]

    @cached_property
    def numbered_within(self) -> Sequence[tuple[int, Key]]:
        """The rows of layers that were all chosen, of whose variables only the number is known."""
        return [(entry, key) for entry, key in self.rows if key[-2:-1] == (VARIABLES,) and is_said(key)]


def below(rows: Iterable[Row], root: Prefix = ()) -> Below:
    """Return the rows under a root."""
    depth = len(root)
    here = [row for row in rows if row.segments[:depth] == root and len(row.key) > depth]
    found = [(row.entry, row.key[depth:]) for row in here]
    return Below(found, by_key(found), here, depth)


def by_key(rows: Iterable[tuple[int, Key]]) -> Index:
    """Return the entries of every key, of which nearly each has one."""
    index: dict[Key, Collection[int]] = {}
    several: dict[Key, set[int]] = {}
    for entry, key in rows:
        if key in index:
            several.setdefault(key, {*index[key]}).add(entry)
        else:
            index[key] = (entry,)
    return {**index, **several}


Met = Sequence[tuple[int, int, Key]]
"""What meets: a variable, a tensor, and the key by which they do."""


def common(ours: Below, theirs: Below) -> Met:
    """Return (target, source, key) for every key that belongs to exactly one entry of either side."""
    here, there = ours.index, theirs.index
    few, many = (here, there) if len(here) <= len(there) else (there, here)
    met = []
    for key in few:
        if key in many and len(here[key]) == 1 == len(there[key]):
            (t,), (s,) = here[key], there[key]
            met.append((t, s, key))
    return met
