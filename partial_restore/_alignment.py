"""What meets below a root of each side. Pure; standard library only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from partial_restore._below import Below, Met, below, common
from partial_restore._keys import ALONE, Key, is_chosen, is_said
from partial_restore._roots import Root, is_near, numbered, says_nothing
from partial_restore._rows import Row

AreAlike = Callable[[int, int], bool]
"""Whether a variable and a tensor have one shape."""


@dataclass(frozen=True)
class Alignment:
    """What is left of both sides below a root of each, what meets there, and the (variable, tensor) pairs of that.

    It ``is_told`` if a chosen name is among what meets, and ``is_evident`` as well if the roots say nothing: numbers
    alone do not tell where a model went, though all that is there meets.
    """

    root: Root
    ours: Below
    theirs: Below
    met: Met
    pairs: frozenset[tuple[int, int]]
    is_told: bool
    is_evident: bool

    @cached_property
    def sources(self) -> set[int]:
        return {s for _, s in self.pairs}

    @cached_property
    def chosen(self) -> frozenset[tuple[int, int]]:
        """The pairs that meet by names that were chosen alone."""
        return frozenset([(t, s) for t, s, key in self.met if is_said(key)])

    @cached_property
    def layers(self) -> set[Key]:
        return {key[:-1] for _, _, key in self.met if len(key) > 1}

    @cached_property
    def is_of_one(self) -> bool:
        """Whether what meets is of one layer."""
        return len({key[:1] for _, _, key in self.met}) == 1

    @cached_property
    def is_told_by_one(self) -> bool:
        """Whether one layer alone has a chosen name among what meets; the others have numbers."""
        return len({key[:1] for _, _, key in self.met if is_chosen(key[0]) and len(key) > 1}) == 1

    @cached_property
    def is_of_one_member(self) -> bool:
        """Whether what meets is of one layer, and no more of what holds that."""
        return len({key[:-1][:2] for _, _, key in self.met}) == 1


def aligned(ours: Iterable[Row], theirs: Iterable[Row], root: Root) -> Alignment:
    here, there = below(ours, root[1]), below(theirs, root[0])
    met = common(here, there)
    pairs = _pairs(met, 1 if all(root) else 0)
    is_plain = says_nothing(root[0], theirs) and says_nothing(root[1], ours)
    is_same = numbered(root[0], theirs) == numbered(root[1], ours)
    is_whole = len(pairs) == len(entries_of(ours)) == len(entries_of(theirs))
    is_lone = sum(map(len, root)) > 1 and len({key[:-1] for _, _, key in met}) == 1  # That may stand anywhere.
    is_evident = (is_plain and (is_same or (is_whole and not is_lone))) or _is_evident(root, here, there, met)
    return Alignment(root, here, there, met, pairs, _is_told(met), is_evident)


def aligned_below(root: Root, ours: Below, theirs: Below) -> Alignment:
    met = common(ours, theirs)
    return Alignment(root, ours, theirs, met, _pairs(met, 1), _is_told(met), _is_evident(root, ours, theirs, met))


def _is_evident(root: Root, ours: Below, theirs: Below, met: Met) -> bool:
    """Say whether names that were chosen prove roots: a model keeps its attributes and its layers, wherever it went."""
    met = kept(ours, theirs, met)
    return _is_told(met) and is_near(root, met)


def kept(ours: Below, theirs: Below, met: Met) -> Met:
    """Return what meets that may be below an attribute on both sides, or below a layer of a model on both."""
    return [each for each in met if _are_of_kind(ours.kinds[each[2][0]], theirs.kinds[each[2][0]])]


def _are_of_kind(ours: Collection[bool | None], theirs: Collection[bool | None]) -> bool:
    """Say whether what stands below a root may be an attribute on both sides, or a layer of a model on both."""
    return None in ours or None in theirs or not {*ours}.isdisjoint(theirs)


def _is_told(met: Met) -> bool:
    """Say whether somebody chose a name that meets: not that of a variable, nor of a part of a layer that has a number, nor of what was set aside."""
    return any(is_chosen(key[0]) and not str(key[0]).endswith(ALONE) for _, _, key in met if len(key) > 1)


def _pairs(met: Met, least: int) -> frozenset[tuple[int, int]]:
    return frozenset([(t, s) for t, s, key in met if len(key) > least])


def is_any_said(met: Met) -> bool:
    """Say whether anything meets by a name that was chosen, not by numbers below one."""
    return any(is_said(key) for _, _, key in met if len(key) > 1)


def entries_of(rows: Iterable[Row]) -> set[int]:
    return {row.entry for row in rows}
