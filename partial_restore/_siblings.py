"""Which numbered layers are not what their number says, because other things lie below. Pure; standard library only.

Layers that are known by numbers alone are taken together or not at all. If two of them changed places, or one went and
another came, then something below them differs somewhere; and nobody can say how far it has moved the others.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, combinations, product

from partial_restore._below import Below, Met
from partial_restore._keys import OF, Key, Part
from partial_restore._sides import Sides
from partial_restore._types import Place

_Sides = tuple[set[Place], set[Place]]
"""Places of layers in the model, and in the file."""

_Rests = Mapping[int, set[Key]]
"""The names that each entry has below a numbered layer."""


def disproved(ours: Below, theirs: Below, met: Met, are_alike: Callable[[int, int], bool]) -> set[Key]:
    """Return the keys of the numbered layers that cannot be taken for each other.

    A layer is disproved by other variables of its own, and so are those that are numbered together with it; all of them
    if something came or went below some and not below all, and the rest of them if one has another shape. Of layers of which
    a side knows only the place, nothing may come or go where the other side has more such places.
    """
    here, there = _by_layer(ours), _by_layer(theirs)
    lone = {_row(layer) for layer in here.keys() ^ there.keys() if layer[-1][0] == OF}
    rows: dict[Key, set[tuple[frozenset[Key], frozenset[Key]]]] = defaultdict(set)
    doubtful: set[Key] = set()
    for layer in here.keys() & there.keys():
        more, less = _unmet(here[layer], there[layer]), _unmet(there[layer], here[layer])
        rows[_row(layer)].add((more, less))
        is_lone = (more or less) and _row(layer) in lone
        if is_lone or len(rows[_row(layer)]) > 1 or any(len(rest) == 1 for rest in (*more, *less)):
            doubtful.add(_row(layer))
    unlike = _layers_of(key for t, s, key in met if not are_alike(t, s))
    doubtful |= {_row(layer) for layer in unlike}
    return {layer for layer in here.keys() & there.keys() if _row(layer) in doubtful and layer not in unlike}


def reordered(ours: Below, theirs: Below, sides: Sides) -> set[Key]:
    """Return the keys of the numbered layers among which a layer beside them has another place.

    Two of two are as many, but if something stood between them and stands behind them, then one of them is new. So is the only one of
    its class if something came or went as well. Of a class of which there are more now, or fewer, some may have come between
    them, or gone, not both. Layers with names may have traded places with all of the branches in which they stand: where a file counts each
    class by itself, or it is not known what feeds what, any of them may be such.
    """
    scopes: dict[Key, list[Key]] = defaultdict(list)
    for layer in ours.places.keys() & theirs.places.keys():
        scopes[layer[:-1]].append(layer)
    nameless, uneven = _nameless(scopes, ours, theirs), _uneven(scopes, ours, theirs)
    changed = {layer[:-1] for layer in ours.places.keys() ^ theirs.places.keys()}
    turned = _turned(scopes, ours, theirs)
    alongside = _alongside(turned, ours)
    crossed = _fed_otherwise(ours, theirs, sides) if sides.tells_inputs else ()
    found: set[Key] = set()
    for scope, siblings in scopes.items():
        rows: dict[Key, list[Key]] = defaultdict(list)
        for layer in siblings:
            if not isinstance(layer[-1], str) and (layer[-1][2] > 1 or scope in changed):
                rows[_row(layer)].append(layer)
        for row, layers in rows.items():
            here, there = (sorted(side.places[layer] for layer in layers) for side in (ours, theirs))
            others = (each for each in siblings if isinstance(each[-1], str) or _row(each) != row)
            behind = ((_before(ours.places[each], here), _before(theirs.places[each], there)) for each in others)
            is_moved = any(None not in (mine, yours) and mine != yours for mine, yours in behind)
            unmet = [nameless[scope]] if scope in nameless else []
            unmet += [places for other, places in uneven[scope].items() if other != row]
            marks = turned[scope]
            is_moved = is_moved or not marks.keys() <= {there[0][0]} or scope in alongside or row in crossed
            is_moved = is_moved or not all(_are_between(places, here, there) for places in unmet)
            if is_moved or (marks and _are_in_branches(layers, marks[there[0][0]], ours, sides)):
                found.update(layers)
    return found


def reordered_in_all(found: Iterable[tuple[Below, Below, Met]], sides: Sides) -> frozenset[int]:
    """Return the variables among whose layers another one has another place, below every root below which they meet."""
    met: set[int] = set()
    unmoved: set[int] = set()
    for ours, theirs, common in found:
        moved = reordered(ours, theirs, sides)
        met.update(t for t, _, _ in common)
        unmoved.update(t for t, _, key in common if not is_below(key, moved))
    return frozenset(met - unmoved)


def shuffled(
    met: Met, are_listed: Callable[[int, int], bool], is_frozen: Callable[[int], bool], *, is_part: bool
) -> set[Key]:
    """Return the keys of the numbered layers within others whose weights a file lists in another order.

    So is all that meets if it ``is_part`` of what the file has. What is not trained stands last there: what is frozen now, or a
    beginning that was, may follow the rest.
    """
    homes: dict[Key, dict[Key, tuple[int, tuple[bool, int]]]] = defaultdict(dict)
    for t, s, key in met:
        if are_listed(t, s):
            here = s, (is_frozen(t), t)
            for i in range(0 if is_part else 1, len(key) - 1):
                first = homes[key[:i]].get(key[: i + 1], here)
                homes[key[:i]][key[: i + 1]] = min(first[0], here[0]), min(first[1], here[1])
    found: set[Key] = set()
    for layers in homes.values():
        order = [place for _, place in sorted(layers.values())]
        turns = sum(order[i - 1][1] > order[i][1] for i in range(len(order)))
        if turns > 1 and order != sorted(order):
            found.update(layer for layer in layers if not isinstance(layer[-1], str) and layer[-1][2] > 1)
    return found


def _nameless(scopes: Mapping[Key, Sequence[Key]], ours: Below, theirs: Below) -> Mapping[Key, _Sides]:
    """Return by scope the places of the layers whose names the file lost, and of those of the model that it may mean."""
    lost: dict[Key, set[Place]] = defaultdict(set)
    for layer, place in theirs.places.items():
        if layer[-1][0] == OF and layer[:-1] in scopes:
            lost[layer[:-1]].add(place)
    lone: dict[Key, set[Place]] = {scope: set() for scope in lost}
    for layer, place in ours.places.items() if lost else ():
        if layer[:-1] in lone:
            lone[layer[:-1]].add(place)
    for scope in lost:
        lone[scope] -= {ours.places[layer] for layer in scopes[scope] if layer[-1][0] != OF}
    return {scope: (lone[scope], found) for scope, found in lost.items()}


def _uneven(scopes: Collection[Key], ours: Below, theirs: Below) -> Mapping[Key, Mapping[Key, _Sides]]:
    """Return by scope the places of the numbered layers of each class of which there are more on one side than on the other.

    What one side alone has may be what the other side alone has, by another name: if it is as much, and both count all layers in
    one row, it is taken together.
    """
    classes: dict[Key, _Sides] = defaultdict(lambda: (set(), set()))
    lone: dict[Key, _Sides] = defaultdict(lambda: (set(), set()))
    for i, (side, other) in enumerate(((ours, theirs), (theirs, ours))):
        for layer, place in side.places.items():
            if layer[:-1] not in scopes or layer[-1][0] == OF:
                continue
            if not isinstance(layer[-1], str):
                classes[_row(layer)][i].add(place)
            elif layer not in other.places:
                lone[layer[:-1]][i].add(place)
    found: dict[Key, dict[Key, _Sides]] = defaultdict(dict)
    for row, (here, there) in classes.items():
        if len(here) != len(there):
            found[row[:-1]][row] = here, there
        if not (here and there):
            lone[row[:-1]][0].update(here)
            lone[row[:-1]][1].update(there)
    for scope, (here, there) in lone.items():
        if len(here) == len(there) and len({word for word, _ in here | there}) == 1:
            found[scope][scope] = here, there
    return found


def _turned(
    scopes: Mapping[Key, Sequence[Key]], ours: Below, theirs: Below
) -> Mapping[Key, Mapping[str, Collection[Key]]]:
    """Return by scope and row of the file the layers with names that traded places, or about which some came and others went elsewhere."""
    came, went = (_lone(scopes, side, other) for side, other in ((ours, theirs), (theirs, ours)))
    found: dict[Key, dict[str, Collection[Key]]] = defaultdict(dict)
    for scope, siblings in scopes.items():
        kept: dict[str, list[tuple[Place, Place, Key]]] = defaultdict(list)
        for layer in siblings:
            if isinstance(layer[-1], str):
                kept[theirs.places[layer][0]].append((ours.places[layer], theirs.places[layer], layer))
        for word, places in kept.items():
            gone = [place for place in went[scope] if place[0] == word and came[scope]]
            shifted = (layer for mine, yours, layer in places if bisect(came[scope], mine) != bisect(gone, yours))
            if marks := {*_inverted(places), *(shifted if gone else ())}:
                found[scope][word] = marks
    return found


def _alongside(turned: Mapping[Key, Collection[str]], ours: Below) -> set[Key]:
    """Return the lists beside one that is as long, of which a file counts each class by itself, in which layers with names traded places."""
    lists = {scope for scope, words in turned.items() if scope and any(words)}
    sizes = Counter(layer[:-1] for layer in ours.places) if lists else {}
    return {
        scope
        for scope, size in sizes.items()
        for other in lists
        if scope != other and scope[:-1] == other[:-1] and size == sizes[other]
    }


def _fed_otherwise(ours: Below, theirs: Below, sides: Sides) -> set[Key]:
    """Return the rows of numbered layers in different branches of which one is fed by other inputs than before."""
    here = {key: t for t, key in ours.rows}
    branches: dict[Key, set[frozenset[str]]] = defaultdict(set)
    crossed: set[Key] = set()
    for s, key in theirs.rows:
        depth = next((i for i, part in enumerate(key[:-1], 1) if not isinstance(part, str)), 0)
        if depth and key in here:
            branches[_row(key[:depth])].add(sides.sources[s].inputs)
            if sides.are_fed_otherwise(here[key], s):
                crossed.add(_row(key[:depth]))
    return {row for row in crossed if len(branches[row]) > 1}


def _inverted(places: Iterable[tuple[Place, Place, Key]]) -> Iterator[Key]:
    """Yield the layers of which another one stands before them on one side and behind them on the other."""
    ordered = sorted(places)
    highest = accumulate((yours for _, yours, _ in ordered), max)
    lowest = [*accumulate((yours for _, yours, _ in reversed(ordered)), min)][::-1]
    for (_, yours, layer), before, behind in zip(ordered, highest, lowest, strict=True):
        if not before <= yours <= behind:
            yield layer


def _are_in_branches(layers: Sequence[Key], marks: Iterable[Key], ours: Below, sides: Sides) -> bool:
    """Say whether of two layers with variables of the same shapes one may stand in a branch with what traded places, and the other not.

    They may not if one feeds the other. Where it is not known what feeds what they may.
    """
    entries: dict[Key, list[tuple[int, Key]]] = defaultdict(list)
    for entry, key in ours.rows:
        for i in range(1, len(key)):
            entries[key[:i]].append((entry, key[i:]))
    placed = [entries[mark][0][0] for mark in marks]
    alike: dict[object, dict[tuple[bool | None, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for layer in layers:
        first = entries[layer][0][0]
        shapes = frozenset((rest, sides.targets[t].shape) for t, rest in entries[layer])
        alike[shapes][tuple(sides.are_joined(first, t) for t in placed)].append(first)
    return any(
        not all(sides.are_joined(*pair) for pair in product(*each))
        for found in alike.values()
        for each in combinations(found.values(), 2)
    ) or any(None in joined and len(each) > 1 for found in alike.values() for joined, each in found.items())


def _lone(scopes: Collection[Key], side: Below, other: Below) -> Mapping[Key, Sequence[Place]]:
    """Return by scope the places of the layers with names that the other side has not."""
    found: dict[Key, list[Place]] = defaultdict(list)
    for layer, place in side.places.items():
        if isinstance(layer[-1], str) and layer[:-1] in scopes and layer not in other.places:
            found[layer[:-1]].append(place)
    return defaultdict(list, {scope: sorted(places) for scope, places in found.items()})


def _are_between(unmet: _Sides, here: Sequence[Place], there: Sequence[Place]) -> bool:
    """Say whether layers that do not meet may stand among numbered ones as before, some having come or some gone.

    Where a side counts each class by itself, they may have stood anywhere.
    """
    if any(place[0] != places[0][0] for side, places in zip(unmet, (here, there), strict=True) for place in side):
        return True
    ours, theirs = (
        Counter(_before(place, places) for place in side) for side, places in zip(unmet, (here, there), strict=True)
    )
    return ours <= theirs or theirs <= ours


def _before(place: Place, places: Sequence[Place]) -> int | None:
    """Return behind how many of the places one stands; None if it has none among them."""
    return bisect(places, place) if places[0][0] == place[0] else None


def _row(layer: Key) -> Key:
    """Return what the layers that are numbered together have in common."""
    return (*layer[:-1], layer[-1][0])


def _layers_of(keys: Iterable[Key]) -> set[Key]:
    return {key[: i + 1] for key in keys for i in range(len(key) - 1) if not isinstance(key[i], str)}


def _by_layer(side: Below) -> dict[Key, dict[int, set[Key]]]:
    found: dict[Key, dict[int, set[Key]]] = defaultdict(lambda: defaultdict(set))
    for entry, key in side.numbered:
        for i in range(len(key) - 1):
            if not isinstance(key[i], str):
                found[key[: i + 1]][entry].add(key[i + 1 :])
    return found


def _unmet(entries: _Rests, others: _Rests) -> frozenset[Key]:
    """Return the names of entries of which the other side has none; what LoRA adds to a layer changes no layer."""
    known = {rest for rests in others.values() for rest in rests}
    lone = (rests for rests in entries.values() if not rests & known)
    return frozenset(rest for rests in lone for rest in rests if not _is_added(rest[-1]))


def _is_added(part: Part) -> bool:
    return isinstance(part, str) and part.startswith("lora_")


def is_below(key: Key, layers: set[Key]) -> bool:
    """Say whether a key leads to something in one of the layers."""
    return any(key[: i + 1] in layers for i in range(len(key) - 1))
