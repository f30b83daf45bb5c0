"""Which root stands before the names of a side, as ``model/`` does in `Checkpoint(model=…)`. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from partial_restore._alignment import Alignment, AreAlike, aligned, aligned_below, entries_of
from partial_restore._below import below, common
from partial_restore._keys import Prefix, is_said
from partial_restore._rivals import is_rival
from partial_restore._roots import Root, may_be_root, roots_before_all, says_nothing
from partial_restore._rows import Row

_MOST_DEPTH = 6
"""Segments that may stand before the names of a side: nobody wraps a model more often."""


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
    full = [aligned(ours, theirs, root) for root in roots]
    fitting = [each for each in full if each.pairs]
    if not fitting:
        below_all = {top.root: top for root in roots for top in _tops(ours, theirs, root)} if tops else {}
        return _agreeing([*below_all.values()]) or full[:1]
    exact = next((each for each in fitting if _is_exact(each, ours, are_alike)), None)
    if exact and (not tops or exact.sources == entries_of(theirs) or not _is_part(ours, theirs, are_alike)):
        return [exact]
    best = _best(fitting, len(entries_of(ours)), len(entries_of(theirs)))
    if not tops or len(best) > 1 or _needs_no_root(best[0], ours, theirs, are_alike):
        return best
    above = [root for root in roots if _is_above(root, best[0].root)]
    tops_of = {top.root: top for root in above for top in _tops(ours, theirs, root)}
    rivals = [top for top in tops_of.values() if is_rival(top, best[0], are_alike)]
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
    if best.sources != entries_of(theirs):
        return False
    if best.root == ((), ()) and any(is_said(key) for _, _, key in best.met):
        return not _is_around(ours, theirs, are_alike)
    is_plain = says_nothing(best.root[0], theirs) and says_nothing(best.root[1], ours)
    return is_plain and len({t for t, _ in best.pairs}) == len(entries_of(ours))


def _is_exact(found: Alignment, ours: Sequence[Row], are_alike: AreAlike) -> bool:
    """Say whether every variable meets a tensor of its shape whose very name somebody chose."""
    met = [t for t, s, key in found.met if is_said(key) and are_alike(t, s)]
    return found.root == ((), ()) and len(set(met)) == len(entries_of(ours))


def _is_part(ours: Sequence[Row], theirs: Sequence[Row], are_alike: AreAlike) -> bool:
    """Say whether every variable meets a tensor of its shape further down in the file, too: the model may be a part of that one."""
    further = (each for each in _tops(ours, theirs, ((), ())) if not each.root[1])
    return any(len({t for t, s in each.pairs if are_alike(t, s)}) == len(entries_of(ours)) for each in further)


def _is_around(ours: Sequence[Row], theirs: Sequence[Row], are_alike: AreAlike) -> bool:
    """Say whether every tensor meets a variable of its shape further down in the model, too.

    One layer alone counts in a model to which nobody gave a name: in others any model may have such a one.
    """
    everyone, whole = below(theirs), entries_of(theirs)
    is_one = len({row.segments[:-1] for row in theirs}) < 2
    parts = (
        below(rows, top)
        for top, rows in _by_top(ours, ()).items()
        if len(entries_of(rows)) >= len(whole)
        and not (is_one and any(isinstance(p, str) for p in rows[0].key[: len(top)]))
    )
    return any({s for t, s, _ in common(part, everyone) if are_alike(t, s)} == whole for part in parts)


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
        *(
            aligned_below((top, root[1]), everything, below(rows, top))
            for top, rows in _by_top(theirs, root[0]).items()
        ),
        *(aligned_below((root[0], top), below(rows, top), everyone) for top, rows in _by_top(ours, root[1]).items()),
    ]
    return [each for each in found if each.pairs and may_be_root(each.root, ours, theirs)]


def _agreeing(found: Sequence[Alignment]) -> list[Alignment]:
    """Return the alignment that makes most meet if the others say nothing else, or all of them.

    Numbers alone speak against chosen names where they make as much meet as these do, or more layers than the one that a name has.
    """
    told = [each for each in found if each.is_told]
    most = max((len(each.chosen) for each in told), default=0)
    is_of_one = all(each.is_of_one_member for each in told)
    weighty = [each for each in found if each.is_told or len(each.pairs) >= most or (is_of_one and not each.is_of_one)]
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
