"""Whether one side may be a model within the other: then numbers beside that tell nothing. Pure; standard library only."""

from __future__ import annotations

from collections.abc import Collection

from partial_restore._alignment import Alignment
from partial_restore._below import Below
from partial_restore._keys import VARIABLES, Key, unnumbered
from partial_restore._sides import Sides


def may_be_within(found: Alignment) -> bool:
    """Say whether nothing meets of a model within either side that has a layer as the other side has: that may be this model."""
    sides = [({t for t, _ in found.pairs}, found.ours, found.theirs), (found.sources, found.theirs, found.ours)]
    return any(_lies_deeper(side, met, other) for met, side, other in sides)


def _lies_deeper(side: Below, met: Collection[int], other: Below) -> bool:
    """Say whether a layer of the other side lies in a model of a side of which nothing met."""
    known = {key[:i] for entry, key in side.rows if entry in met for i in range(1, len(key))}
    deeper = {
        unnumbered(key[i:])
        for _, key in side.rows
        if not _is_short(key, other)
        for i in range(1, len(key) - 1)
        if key[:i] not in known and key[i] != VARIABLES
    }
    return bool(deeper) and not deeper.isdisjoint(map(unnumbered, other.index))


def of_models_within(found: Alignment, sides: Sides) -> set[tuple[Key, tuple[int, ...]]]:
    """Return what stands in a model within either side and meets nothing, without its numbers: the other side may be that model."""
    return {(unnumbered(key[i:]), shape) for key, shape in lone(found, sides) for i in range(1, len(key) - 1)}


def lone(found: Alignment, sides: Sides) -> list[tuple[Key, tuple[int, ...]]]:
    """Return what meets nothing on either side, and its shape; a file may call what is wrapped after the layer around it alone."""
    met, sources = {t for t, _ in found.pairs}, found.sources
    ours, theirs = found.ours, found.theirs
    return [
        *((key, sides.targets[t].shape) for t, key in ours.rows if t not in met and not _is_short(key, theirs)),
        *((key, sides.sources[s].shape) for s, key in theirs.rows if s not in sources and not _is_short(key, ours)),
    ]


def _is_short(key: Key, other: Below) -> bool:
    """Say whether the other side has a variable of this name directly in a layer around it."""
    return any((*key[:i], key[-1]) in other.index for i in range(1, len(key) - 1))
