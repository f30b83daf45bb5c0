"""Which root stands before the names of a side, as ``model/`` does in `Checkpoint(model=…)`. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from partial_restore._keys import Index, Key, Prefix, Row, beneath, by_key, common

Root = tuple[Prefix, Prefix]


def alignments(ours: Sequence[Row], theirs: Sequence[Row], *, tops: bool) -> list[Root]:
    """Return the (source root, target root) to set aside; more than one if which is undecidable.

    A root that stands before every name of a side is tried first, beside none at all. One of several first segments,
    as of a model that wraps another, is set aside only if nothing matches otherwise; if it makes as much meet as what
    does match, then who wraps whom is undecidable.
    """
    full: list[Root] = [
        ((), ()),
        *((root, ()) for root in _covering(theirs)),
        *(((), root) for root in _covering(ours)),
    ]
    pairs = {root: _pairs(beneath(ours, root[1]), beneath(theirs, root[0])) for root in full}
    fitting = [root for root in pairs if pairs[root]]
    if not fitting:
        return (_agreeing(_tops(ours, theirs, ((), ()))) if tops else []) or [((), ())]
    best = _best(fitting, pairs, len({row.entry for row in ours}), len({row.entry for row in theirs}))
    if tops and len(best) == 1:
        held = pairs[best[0]]
        rivals = _tops(ours, theirs, best[0])
        best += [root for root, found in rivals.items() if len(found) >= len(held) and not found <= held]
    return best


def _pairs(ours: Sequence[tuple[int, Key]], theirs: Sequence[tuple[int, Key]]) -> set[tuple[int, int]]:
    return {(t, s) for t, s, _ in common(by_key(ours), by_key(theirs))}


def _best(fitting: list[Root], pairs: Mapping[Root, set[tuple[int, int]]], targets: int, sources: int) -> list[Root]:
    """Return the alignment that no other contradicts, or that explains strictly most and none or all; else all.

    It explains all if every variable, or every tensor, is in a pair.
    """
    best, *others = sorted(fitting, key=lambda root: len(pairs[root]), reverse=True)
    if all(pairs[other] <= pairs[best] for other in others):
        return [best]
    strictly = len(pairs[best]) > len(pairs[others[0]])
    whole = len({t for t, _ in pairs[best]}) == targets or len({s for _, s in pairs[best]}) == sources
    return [best] if strictly and (best == ((), ()) or whole) else [best, *others]


def _covering(rows: Sequence[Row]) -> list[Prefix]:
    """Return the roots that stand before every name of a side; names of one segment (``step``) do not count."""
    names: dict[int, list[Prefix]] = defaultdict(list)
    for row in rows:
        names[row.entry].append(row.segments)
    deep = [held for held in names.values() if all(len(segments) > 1 for segments in held)]
    if not deep:
        return []
    roots = {segments[:depth] for segments in deep[0] for depth in range(1, len(segments))}
    return sorted(root for root in roots if all(any(name[: len(root)] == root for name in held) for held in deep))


def _tops(ours: Sequence[Row], theirs: Sequence[Row], root: Root) -> dict[Root, set[tuple[int, int]]]:
    """Return what meets if one more segment than ``root`` is set aside, on either side.

    What is left must name more than a variable: ``kernel`` alone is everyone's.
    """
    everything, everyone = by_key(beneath(ours, root[1])), by_key(beneath(theirs, root[0]))
    pairs: dict[Root, set[tuple[int, int]]] = {}
    for top, rows in _by_top(theirs, root[0]).items():
        pairs[top, root[1]] = _telling_pairs(everything, by_key(beneath(rows, top)))
    for top, rows in _by_top(ours, root[1]).items():
        pairs[root[0], top] = _telling_pairs(by_key(beneath(rows, top)), everyone)
    return {top: found for top, found in pairs.items() if found}


def _agreeing(pairs: Mapping[Root, set[tuple[int, int]]]) -> list[Root]:
    """Return the root that makes most meet if the others say nothing else, or all of them."""
    fitting = sorted(pairs, key=lambda root: len(pairs[root]), reverse=True)
    return fitting[:1] if all(pairs[root] <= pairs[fitting[0]] for root in fitting) else fitting


def _telling_pairs(ours: Index, theirs: Index) -> set[tuple[int, int]]:
    return {(t, s) for t, s, key in common(ours, theirs) if len(key) > 1}


def _by_top(rows: Iterable[Row], root: Prefix) -> dict[Prefix, list[Row]]:
    """Return the rows below a root by the root and one segment more."""
    depth = len(root)
    tops: dict[Prefix, list[Row]] = defaultdict(list)
    for row in rows:
        if len(row.segments) > depth + 1 and row.segments[:depth] == root:
            tops[row.segments[: depth + 1]].append(row)
    return tops


def root_texts(root: Root) -> Iterator[str]:
    for side, prefix in zip(("the checkpoint's", "the model's"), root, strict=True):
        if prefix:
            yield f"{side} root {'/'.join(prefix)}/"
