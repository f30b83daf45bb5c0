"""Which root stands before the names of a side, as ``model/`` does in `Checkpoint(model=…)`. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from partial_restore._below import Below, Met, below, common
from partial_restore._keys import CELL, VARIABLES, Key, Prefix, is_said
from partial_restore._roots import Root, is_near, may_be_root, numbered, roots_before_all, says_nothing
from partial_restore._rows import Row

AreAlike = Callable[[int, int], bool]
"""Whether a variable and a tensor have one shape."""

_MOST_DEPTH = 6
"""Segments that may stand before the names of a side: nobody wraps a model more often."""


@dataclass(frozen=True, slots=True)
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

    @property
    def sources(self) -> set[int]:
        return {s for _, s in self.pairs}

    @property
    def layers(self) -> set[Key]:
        return {key[:-1] for _, _, key in self.met if len(key) > 1}

    @property
    def is_of_one(self) -> bool:
        """Whether what meets is of one layer."""
        return len({key[:1] for _, _, key in self.met}) == 1


def alignments(
    ours: Sequence[Row], theirs: Sequence[Row], are_alike: AreAlike, *, tops: bool, known: Root = ((), ())
) -> list[Alignment]:
    """Return the alignment of roots to compare by, then its rivals; the first decides if it `is_certain`.

    Roots that stand before every name of a side are tried first, beside none at all. One that stands before some of
    them, as of a model that wraps another, is set aside only if nothing matches otherwise; if it makes as much meet as what
    does match, then it is a rival. A root of the model is not looked for where every variable meets as it is called.
    That of both sides which is ``known`` stands for one model, whatever each calls it.
    """
    roots = [
        root
        for root in product([(), *roots_before_all(theirs)], [(), *roots_before_all(ours)])
        if may_be_root(root, ours, theirs) or root == known
    ]
    full = [_alignment(ours, theirs, root) for root in roots]
    fitting = [each for each in full if each.pairs]
    if not fitting:
        below_all = {top.root: top for root in roots for top in _tops(ours, theirs, root)} if tops else {}
        return _agreeing([*below_all.values()]) or full[:1]
    exact = next((each for each in fitting if _is_exact(each, ours, are_alike)), None)
    if exact and (not tops or exact.sources == _entries(theirs) or not _is_part(ours, theirs, are_alike)):
        return [exact]
    best = _best(fitting, len(_entries(ours)), len(_entries(theirs)))
    if not tops or len(best) > 1 or _needs_no_root(best[0], ours, theirs, are_alike):
        return best
    above = [root for root in roots if _is_above(root, best[0].root)]
    tops_of = {top.root: top for root in above for top in _tops(ours, theirs, root)}
    rivals = [top for top in tops_of.values() if _is_rival(top, best[0], are_alike)]
    return sorted([*best, *rivals], key=_weight, reverse=True)


def of_its_name(found: list[Alignment], called: str) -> list[Alignment]:
    """Return the alignment with the part of the file that is called as the model is, if nothing but numbers or other parts is beside it.

    Then its root is evident. A part with which more meets speaks against the name.
    """
    own = [each for each in found if called and each.root[0][-1:] == (called,) and not each.root[1]]
    if len(own) != 1:
        return found
    rest = [each for each in found if each is not own[0]]
    is_told = any(each.is_told and (each.root[1] or not each.root[0]) for each in rest)
    is_less = any(len(each.pairs) > len(own[0].pairs) for each in rest)
    return found if is_told or is_less else [replace(own[0], is_evident=True)]


def _is_above(root: Root, other: Root) -> bool:
    """Say whether both parts of a root are the beginnings of those of another, or the same."""
    return all(deep[: len(part)] == part for part, deep in zip(root, other, strict=True))


def _needs_no_root(best: Alignment, ours: Sequence[Row], theirs: Sequence[Row], are_alike: AreAlike) -> bool:
    """Say whether all of the file meets as it stands; by numbers alone, or below a root that says nothing, all of the model must meet as well.

    The saved model may be a part of this one, too, if it meets as much.
    """
    if best.sources != _entries(theirs):
        return False
    if best.root == ((), ()) and any(is_said(key) for _, _, key in best.met):
        return not _is_around(ours, theirs, are_alike)
    is_plain = says_nothing(best.root[0], theirs) and says_nothing(best.root[1], ours)
    return is_plain and len({t for t, _ in best.pairs}) == len(_entries(ours))


def _is_exact(found: Alignment, ours: Sequence[Row], are_alike: AreAlike) -> bool:
    """Say whether every variable meets a tensor of its shape whose very name somebody chose."""
    met = [t for t, s, key in found.met if is_said(key) and are_alike(t, s)]
    return found.root == ((), ()) and len(set(met)) == len(_entries(ours))


def _is_part(ours: Sequence[Row], theirs: Sequence[Row], are_alike: AreAlike) -> bool:
    """Say whether every variable meets a tensor of its shape further down in the file, too: the model may be a part of that one."""
    further = (each for each in _tops(ours, theirs, ((), ())) if not each.root[1])
    return any(len({t for t, s in each.pairs if are_alike(t, s)}) == len(_entries(ours)) for each in further)


def _is_around(ours: Sequence[Row], theirs: Sequence[Row], are_alike: AreAlike) -> bool:
    """Say whether every tensor meets a variable of its shape further down in the model, too: more than a layer, of which any model may have one."""
    everyone, whole = below(theirs), _entries(theirs)
    if len({row.segments[:-1] for row in theirs}) < 2:
        return False
    parts = (below(rows, top) for top, rows in _by_top(ours, ()).items() if len(_entries(rows)) >= len(whole))
    return any({s for t, s, _ in common(part, everyone) if are_alike(t, s)} == whole for part in parts)


def _is_rival(top: Alignment, best: Alignment, are_alike: AreAlike) -> bool:
    """Say whether what meets further down speaks against what meets: anything against numbers, as much against a name.

    Other tensors for the same variables do not if none has the shape of its variable. Other variables for the same tensors
    do, whatever their shape: a layer that was made wider is still that layer. Other tensors that are attributes do not for layers. One layer of a model that both sides have
    is no part for the whole of the other, if it explains no more of the file.
    """
    if top.pairs <= best.pairs:
        return False
    is_sure = best.is_told and best.is_evident
    if is_sure and _are_apart(top, best) and not _kept(top.ours, top.theirs, top.met):
        return False
    if best.is_told and top.is_of_one and (_is_on_both_sides(top, best) or _is_renamed(top, best)):
        return False
    if not top.sources & best.sources and not any(are_alike(t, s) for t, s in top.pairs):
        return False
    is_named = top.is_evident or _is_any_said(top.met) or not _is_any_said(best.met)
    is_weighty = len(top.pairs) >= len(best.pairs) or len(top.layers) >= len(best.layers)
    return not best.is_told or (top.is_told and is_named and is_weighty)


def _are_apart(top: Alignment, best: Alignment) -> bool:
    """Say whether no variable and no tensor meets below both."""
    return all({pair[i] for pair in top.pairs}.isdisjoint(pair[i] for pair in best.pairs) for i in (0, 1))


def _is_on_both_sides(top: Alignment, best: Alignment) -> bool:
    """Say whether what stands behind the roots that decide, on one side, stands there on the other side as well, and explains no more of the file.

    Nor does a layer that both sides call so from there on.
    """
    front, back = (part[len(known) :][:1] for part, known in zip(top.root, best.root, strict=True))
    explains_more = not top.sources <= best.sources and not _are_called_so(top, best)
    return not explains_more and (front in best.ours.fronts or back in best.theirs.fronts)


def _is_renamed(top: Alignment, best: Alignment) -> bool:
    """Say whether the other side has such a model as what is set aside, of two layers or more, under a name that this side has not."""
    layers = [_layers_within(best.theirs), _layers_within(best.ours)]
    for i, (part, known) in enumerate(zip(top.root, best.root, strict=True)):
        here, there = layers[i], layers[1 - i]
        own = here.get(part[-1], set()) if len(part) == len(known) + 1 else set()
        others = [held for name, held in there.items() if name not in here]
        if any(len(held & own) > 1 and (held <= own or own <= held) for held in others):
            return True
    return False


def _layers_within(side: Below) -> Mapping[str, set[Key]]:
    """Return the layers that were called by a person, by the model in which they lie."""
    layers: dict[str, set[Key]] = defaultdict(set)
    for _, key in side.rows:
        if isinstance(key[0], str) and len(key) > 2 and key[1] != VARIABLES and is_said(key[:-1]):
            layers[key[0]].add(key[1:-1])
    return layers


def _are_called_so(top: Alignment, best: Alignment) -> bool:
    """Say whether layers of the file below a root further down are called so in the model, from the root that decides on."""
    ours = {key[:-1] for _, key in best.ours.rows if is_said(key[:-1])}
    return top.root[0] != best.root[0] and {key[:-1] for s, key in best.theirs.rows if s in top.sources} <= ours


def _is_any_said(met: Met) -> bool:
    """Say whether anything meets by a name that was chosen, not by numbers below one."""
    return any(is_said(key) for _, _, key in met if len(key) > 1)


def _alignment(ours: Iterable[Row], theirs: Iterable[Row], root: Root) -> Alignment:
    here, there = below(ours, root[1]), below(theirs, root[0])
    met = common(here, there)
    pairs = _pairs(met, 1 if all(root) else 0)
    is_plain = says_nothing(root[0], theirs) and says_nothing(root[1], ours)
    is_same = numbered(root[0], theirs) == numbered(root[1], ours)
    is_whole = len(pairs) == len(_entries(ours)) == len(_entries(theirs))
    is_evident = (is_plain and (is_same or is_whole)) or _is_evident(root, here, there, met)
    return Alignment(root, here, there, met, pairs, _is_told(met), is_evident)


def _entries(rows: Iterable[Row]) -> set[int]:
    return {row.entry for row in rows}


def _best(fitting: Sequence[Alignment], targets: int, sources: int) -> list[Alignment]:
    """Return the alignment that no other contradicts, or that explains strictly most and none or all; else all.

    It explains all if every variable, or every tensor, is in a pair.
    """
    best, *others = sorted(fitting, key=lambda each: len(each.pairs), reverse=True)
    if all(other.pairs <= best.pairs for other in others):
        return [best]
    strictly = len(best.pairs) > len(others[0].pairs)
    whole = len({t for t, _ in best.pairs}) == targets or len(best.sources) == sources
    return [best] if strictly and (best.root == ((), ()) or whole) else [best, *others]


def _weight(found: Alignment) -> tuple[int, bool]:
    """Return how much an alignment explains: of as many pairs those count first among which is a chosen name."""
    return len(found.pairs), found.is_told


def _tops(ours: Sequence[Row], theirs: Sequence[Row], root: Root) -> list[Alignment]:
    """Return what meets if more segments than ``root`` are set aside, on either side.

    What is left must name more than a variable: ``kernel`` alone is everyone's.
    """
    everything, everyone = below(ours, root[1]), below(theirs, root[0])
    found = [
        *(_telling((top, root[1]), everything, below(rows, top)) for top, rows in _by_top(theirs, root[0]).items()),
        *(_telling((root[0], top), below(rows, top), everyone) for top, rows in _by_top(ours, root[1]).items()),
    ]
    return [each for each in found if each.pairs and may_be_root(each.root, ours, theirs)]


def _telling(root: Root, ours: Below, theirs: Below) -> Alignment:
    met = common(ours, theirs)
    return Alignment(root, ours, theirs, met, _pairs(met, 1), _is_told(met), _is_evident(root, ours, theirs, met))


def _is_evident(root: Root, ours: Below, theirs: Below, met: Met) -> bool:
    """Say whether names that were chosen prove roots: a model keeps its attributes and its layers, wherever it went."""
    kept = _kept(ours, theirs, met)
    return _is_told(kept) and is_near(root, kept)


def _kept(ours: Below, theirs: Below, met: Met) -> Met:
    """Return what meets that may be below an attribute on both sides, or below a layer of a model on both."""
    return [each for each in met if _are_of_kind(ours.kinds[each[2][0]], theirs.kinds[each[2][0]])]


def _are_of_kind(ours: Collection[bool | None], theirs: Collection[bool | None]) -> bool:
    """Say whether what stands below a root may be an attribute on both sides, or a layer of a model on both."""
    return None in ours or None in theirs or not {*ours}.isdisjoint(theirs)


def _is_told(met: Met) -> bool:
    """Say whether somebody chose a name that meets: not that of a variable, nor of a part of a layer that has a number."""
    return any(
        isinstance(key[0], str) and key[0] != VARIABLES and not CELL.fullmatch(key[0])
        for _, _, key in met
        if len(key) > 1
    )


def _pairs(met: Met, least: int) -> frozenset[tuple[int, int]]:
    return frozenset([(t, s) for t, s, key in met if len(key) > least])


def _agreeing(found: Sequence[Alignment]) -> list[Alignment]:
    """Return the alignment that makes most meet if the others say nothing else, or all of them.

    Numbers alone speak against a chosen name where they make as much meet.
    """
    most = max((len(each.pairs) for each in found if each.is_told), default=0)
    weighty = [each for each in found if each.is_told or len(each.pairs) >= most]
    fitting = sorted(weighty, key=_weight, reverse=True)
    return fitting[:1] if all(each.pairs <= fitting[0].pairs for each in fitting) else fitting


def _by_top(rows: Iterable[Row], root: Prefix) -> dict[Prefix, list[Row]]:
    """Return the rows below a root by the root and some segments more."""
    tops: dict[Prefix, list[Row]] = defaultdict(list)
    for row in rows:
        if row.segments[: len(root)] == root:
            for depth in range(len(root) + 1, min(len(row.segments), len(root) + _MOST_DEPTH)):
                tops[row.segments[:depth]].append(row)
    return tops
