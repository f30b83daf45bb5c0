"""Whether what meets below roots is certain, or other roots contest it. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from partial_restore._alignment import Alignment, AreAlike
from partial_restore._below import Below
from partial_restore._keys import OF, Key, Part, Prefix, is_chosen, is_place, is_said
from partial_restore._roots import says_nothing
from partial_restore._rows import Row


def is_certain(found: Sequence[Alignment], ours: Sequence[Row], theirs: Sequence[Row]) -> bool:
    """Say whether the first alignment stands against its rivals: it explains more, and every tensor if one is as sure."""
    best = found[0]
    if not best.is_evident or _is_shared(best, ours, theirs) or _is_another(best, ours, theirs):
        return False
    others = [each for each in found if not each.pairs <= best.pairs]
    if not best.is_told and any(each.sources - best.sources for each in others):
        return False  # Numbers, and there is a root below which more of the file may lie.
    if best.is_of_one_member and any(not each.is_of_one and not each.sources & best.sources for each in others):
        return False  # A name may stand anywhere for one layer; several tell where the model went.
    if best.is_of_one and any(_is_outside(each, best) for each in others):
        return False
    is_open = any(each.is_evident and each.is_told >= best.is_told for each in others) and _leaves_layers(best, theirs)
    weighty = [each for each in others if each.is_evident or each.sources & best.sources]
    return not weighty or (not is_open and len(best.pairs) > len(weighty[0].pairs))


def _is_outside(each: Alignment, best: Alignment) -> bool:
    """Say whether other layers meet outside of a model of the file, so that the one within it may be gone with that."""
    depth = len(each.root[0])
    is_above = depth < len(best.root[0]) and best.root[0][:depth] == each.root[0] and each.root[1] == best.root[1]
    targets = {t for t, _ in best.pairs}
    return is_above and each.sources.isdisjoint(best.sources) and targets.isdisjoint(t for t, _ in each.pairs)


def _leaves_layers(found: Alignment, theirs: Iterable[Row]) -> bool:
    """Say whether there are layers in the file of which nothing meets, nor their names: one may have lost a bias."""
    deep = [row for row in theirs if len(row.segments) > 1]
    explained = found.sources | {s for s, key in found.theirs.rows if len(key) > 1 and key[:-1] in found.ours.layers}
    met = {row.segments[:-1] for row in deep if row.entry in explained}
    return any(row.entry not in explained and row.segments[:-1] not in met for row in deep)


def _is_another(found: Alignment, ours: Sequence[Row], theirs: Sequence[Row]) -> bool:
    """Say whether a part of one side may be something else that has like attributes.

    Each side has some there that the other lacks, and not more than twice as many layers meet. What a checkpoint has as
    an attribute of its own is believed.
    """
    front, back = found.root
    is_part = bool(back) and _is_beside(found.ours, ours)
    was_part = len(front) > 1 and _is_beside(found.theirs, theirs)
    if not (is_part or was_part):
        return False
    here, there = (
        {key[:-1] for _, key in side.rows if len(key) > 1 and is_chosen(key[0])} for side in (found.ours, found.theirs)
    )
    tops = {key[0] for key in here} & {key[0] for key in there}
    are_layers = all({*found.ours.kinds[top], *found.theirs.kinds[top]} == {False} for top in tops)
    own = min(sum(key[0] not in tops for key in side) for side in (here, there))
    return not are_layers and len(here & there) <= 2 * own


def _is_beside(side: Below, rows: Iterable[Row]) -> bool:
    """Say whether there are other layers than those below a root; names of one segment (``step``) do not count."""
    return any(row.entry not in side.entries and len(row.segments) > 1 for row in rows)


def _is_shared(found: Alignment, ours: Sequence[Row], theirs: Sequence[Row]) -> bool:
    """Say whether a root may be one that the other side has as well.

    Be it of the same name, wherever that stands, if one layer alone speaks for setting it aside, or numbers besides; or of a name that the file
    lost, be that the root, of which not all meets, or beside what meets below a root of the model.
    """
    front, back = found.root
    is_on_both = front in found.ours.fronts or back in found.theirs.fronts
    if (found.is_of_one or found.is_told_by_one) and (
        is_on_both or _holds(found.ours, front) or _holds(found.theirs, back)
    ):
        return True
    if front and is_place(front[-1]) and found.sources != found.theirs.entries:
        return True
    lost = {key[0] for _, key in found.theirs.rows if _is_lost(key[0]) and key[1:] in found.ours.index}
    return _may_be_renamed(found, ours, theirs) or (bool(back) and not lost <= {key[0] for _, _, key in found.met})


def _holds(side: Below, root: Prefix) -> bool:
    """Say whether a model of the name of a root lies on the other side."""
    return any(root[-1:] == key[i : i + 1] for _, key in side.rows for i in range(len(key) - 2)) if root else False


def _is_lost(part: Part) -> bool:
    return not isinstance(part, str) and part[0] == OF


def _may_be_renamed(found: Alignment, ours: Sequence[Row], theirs: Sequence[Row]) -> bool:
    """Say whether as many layers would meet below another root of the other side: that may be the one that is set aside, renamed.

    Where both sides have a root, it may stand beside that of the other side as well.
    """
    front, back = found.root
    layers = len({key[:-1] for _, _, key in found.met})
    sides = [(found.ours, ours, found.theirs)] * (_says_something(front, found.theirs) or _is_name(front, found.theirs))
    sides += [(found.theirs, theirs, found.ours)] * _says_something(back, found.ours)
    for side, rows, other in sides:
        beside = [row.key for row in rows if row.entry not in side.entries] if front and back else []
        if max(_most_deeper([key for _, key in side.rows], other), _most_deeper(beside, other)) >= layers:
            return True
    return False


def _says_something(root: Prefix, side: Below) -> bool:
    """Say whether a root had a name, be it one that the file lost."""
    return any(map(is_place, root)) or not says_nothing(root, side.full)


def _is_name(root: Prefix, side: Below) -> bool:
    """Say whether a root is what a model is called, not an attribute: what was the whole is called otherwise as a part."""
    return bool(root) and not any(row.said[len(root) - 1] for row in side.full if row.said)


def _most_deeper(keys: Iterable[Key], other: Below) -> int:
    """Return how many layers of the other side meet at most below a beginning of the names of a side."""
    deeper: dict[Key, set[Key]] = defaultdict(set)
    for key in keys:
        for i in range(1, len(key) - 1):
            if is_chosen(key[i]) and key[i:] in other.index:
                deeper[key[:i]].add(key[i:-1])
    return max(map(len, deeper.values()), default=0)


def rivals_of(found: Sequence[Alignment], are_alike: AreAlike) -> Iterator[Alignment]:
    """Yield the alignments that contest the first.

    One further down does not, which explains a part of what that explains; nor does one that cuts off the beginnings of
    names that meet whole, and were all chosen, if it is not evident or all layers of the file meet so.
    """
    best = found[0]
    everything = not _leaves_layers(best, best.theirs.full)
    whole = {s for t, s, key in best.met if is_said(key) and are_alike(t, s)}
    for each in found[1:]:
        is_further = each.ours.entries <= best.ours.entries and each.theirs.entries <= best.theirs.entries
        is_cut = (everything or not each.is_evident) and len(each.root[0]) > len(best.root[0]) and each.sources <= whole
        if not (is_further or is_cut):
            yield each
