"""Whether one side may be a model within the other: then numbers beside that tell nothing. Pure; standard library only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from partial_restore._alignment import Alignment
from partial_restore._below import Below
from partial_restore._keys import VARIABLES, Key, is_chosen, is_said, unnumbered
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


def led_within(found: Alignment, sides: Sides) -> set[tuple[int, int]]:
    """Return the variables and tensors that belong together if one side is a model within the other, where numbers below a chosen name meet.

    Nothing meets of that model, and it has the name as well, and room for all of the other side: if one of its layers was renamed, the others
    have other numbers.
    """
    numbered = {_blurred(key) for _, _, key in found.met if is_chosen(key[0]) and not is_said(key)}
    if not numbered:
        return set()
    ours = _Side(found.ours, {t for t, _ in found.pairs}, [entry.shape for entry in sides.targets])
    theirs = _Side(found.theirs, found.sources, [entry.shape for entry in sides.sources])
    led = {*_led(ours, theirs, numbered), *((t, s) for s, t in _led(theirs, ours, numbered))}
    return {(t, s) for t, s in led if sides.are_alike(t, s)}


class _Side(NamedTuple):
    """What a side has below a root, what of it meets, and the shapes of all its entries."""

    below: Below
    met: Collection[int]
    shapes: Sequence[tuple[int, ...]]


def _led(side: _Side, other: _Side, numbered: Collection[Key]) -> Iterator[tuple[int, int]]:
    """Yield the entries in such models of a side, with those of the other one that stand there as they do in the models."""
    if other.met == other.below.entries:
        return
    ends = [(mine, key[:i], _blurred(key[i:])) for mine, key in side.below.rows for i in range(1, len(key) - 1)]
    models: dict[Key, dict[int, Key]] = {model: {} for _, model, end in ends if end in numbered}
    for mine, model, end in ends:
        if model in models:
            models[model].setdefault(mine, end)
    needed = Counter(other.shapes[yours] for yours in other.below.entries)
    known: dict[Key, list[int]] = defaultdict(list)
    for yours, key in other.below.rows:
        known[_blurred(key)].append(yours)
    for held in models.values():
        if held.keys().isdisjoint(side.met) and needed <= Counter(side.shapes[mine] for mine in held):
            yield from ((mine, yours) for mine, end in held.items() for yours in known.get(end, ()))


def _blurred(key: Key) -> Key:
    """Return a key without the number of its first part, nor what is between its first part and the variable but for how much that is."""
    first = key[0] if isinstance(key[0], str) else (key[0][0], 0, 0, 0)
    return first, *("" for _ in key[2:]), key[-1]
