"""What speaks against the roots by which two sides are compared: what meets further down. Pure; standard library only."""

from __future__ import annotations

from partial_restore._alignment import Alignment, AreAlike, is_any_said, kept


def is_rival(top: Alignment, best: Alignment, are_alike: AreAlike) -> bool:
    """Say whether what meets further down speaks against what meets: anything against numbers, as much against a name.

    Other tensors for the same variables do not if none has the shape of its variable. Other variables for the same tensors
    do, whatever their shape: a layer that was made wider is still that layer. Attributes of the file do not for layers that are
    called so, where neither of them meets another. One layer of a model that both sides have is no part for the whole of the
    other, if it explains no more of the file.
    """
    if top.pairs <= best.pairs:
        return False
    is_sure = best.is_told and best.is_evident
    if is_sure and _are_apart(top, best) and not kept(top.ours, top.theirs, top.met):
        return False
    if best.is_told and top.is_of_one and (_is_on_both_sides(top, best) or _is_renamed(top, best)):
        return False
    if not top.sources & best.sources and not any(are_alike(t, s) for t, s in top.pairs):
        return False
    is_named = top.is_evident or is_any_said(top.met) or not is_any_said(best.met)
    is_weighty = len(top.pairs) >= len(best.pairs) or len(top.layers) >= len(best.layers)
    return not best.is_told or (top.is_told and is_named and is_weighty)


def _are_apart(top: Alignment, best: Alignment) -> bool:
    """Say whether no variable and no tensor meets below both."""
    return all({pair[i] for pair in top.pairs}.isdisjoint(pair[i] for pair in best.pairs) for i in (0, 1))


def _is_on_both_sides(top: Alignment, best: Alignment) -> bool:
    """Say whether what is set aside on one side stands on the other as well, and explains no more of the file, or only what both call the same.

    Nor does more of the file count where all parts of one side, two or more, are called as parts of the other.
    """
    front, back = (part[len(known) :][:1] for part, known in zip(top.root, best.root, strict=True))
    explains_more = not (top.sources <= best.sources or _are_called_so(top, best) or _are_all_parts(best))
    return not explains_more and (front in best.ours.fronts or back in best.theirs.fronts)


def _are_all_parts(best: Alignment) -> bool:
    sides = {*best.ours.fronts}, {*best.theirs.fronts}
    common = sides[0] & sides[1]
    return len(common) > 1 and common in sides


def _is_renamed(top: Alignment, best: Alignment) -> bool:
    """Say whether the other side has such a model as what is set aside, of two layers or more, under a name that this side has not."""
    layers = [best.theirs.within, best.ours.within]
    for i, (part, known) in enumerate(zip(top.root, best.root, strict=True)):
        here, there = layers[i], layers[1 - i]
        own = here.get(part[-1], set()) if len(part) == len(known) + 1 else set()
        others = [held for name, held in there.items() if name not in here]
        if any(len(held & own) > 1 and (held <= own or own <= held) for held in others):
            return True
    return False


def _are_called_so(top: Alignment, best: Alignment) -> bool:
    """Say whether layers of the file below a root further down are called so in the model, from the root that decides on."""
    sources = top.sources
    is_further = top.root[0] != best.root[0]
    return is_further and {key[:-1] for s, key in best.theirs.rows if s in sources} <= best.ours.layers
