"""What is left of both sides and may be the same, below other roots. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from partial_restore._alignment import aligned, entries_of
from partial_restore._keys import OF, VARIABLES, WRAPPED, Key, Prefix, is_chosen, is_said
from partial_restore._relisted import chosen_name
from partial_restore._roots import may_be_root, roots_before_all
from partial_restore._rows import Row
from partial_restore._said import rows_of
from partial_restore._settle import Grade, Kind, Settled
from partial_restore._sides import Sides
from partial_restore._types import Blocks, Entry, Name

_LEAST_LAYERS = 2
"""One alone may have been replaced."""

_Layer = tuple[str, ...]
"""What a layer is called, and before it what is around it, as far as it tells."""

_Left = Mapping[_Layer, Mapping[Key, int]]
"""What is left of layers."""


class _Named(NamedTuple):
    """What is left of layers by their names and those of what is around, and of those without a name by their attributes."""

    named: _Left
    in_attributes: _Left


def but_left(settled: Mapping[int, Settled], led: Collection[int], sides: Sides) -> dict[int, Settled]:
    """Leave undecided what no name leads to if all of it, on both sides, meets by numbers below other roots; and layers with names that moved.

    The layers that stood in an inner model may stand around the named ones now, or the other way round; nothing tells
    that they are others. Tensors that are ``led`` to belong to other variables.
    """
    targets = {t for t, entry in enumerate(sides.targets) if t not in settled}
    sources = {s for s in range(len(sides.sources)) if s not in led and not sides.sources[s].nameless}
    if len(targets) == len(sides.targets):
        return dict(settled)
    if not targets or not sources:
        return dict(settled)
    rows, given = rows_of("paths", sides, targets, sources), rows_of("given", sides, targets, sources)
    mine, yours = _by_names(targets, sides, is_target=True), _by_names(sources, sides, is_target=False)
    moved = (
        *_met(_by_layer(rows[0], sides.targets, "paths"), _by_layer(rows[1], sides.sources, "paths"), sides),
        *_met(_by_layer(given[0], sides.targets, "given"), _by_layer(given[1], sides.sources, "given"), sides),
        *_met(mine.named, yours.named, sides),
        *_met(mine.named, yours.in_attributes, sides),
        *_met(mine.in_attributes, yours.named, sides),
    )
    settled = {
        **settled,
        **{t: (Grade.ELSEWHERE, (s,)) for t, s in moved},
        **{t: (Grade.UNDECIDED, (s,)) for t, s in _met(_by_attributes(targets, sides), yours.named, sides)},
    }
    ours, theirs = map(_numbered, rows)
    if any(OF in segment for row in theirs for segment in row.segments):
        return settled  # A checkpoint lost what these are called.
    for root in product([(), *roots_before_all(theirs)], [(), *roots_before_all(ours)]):
        found = aligned(ours, theirs, root)
        alike = {(t, s) for t, s in found.pairs if sides.are_alike(t, s)}
        is_whole = len(alike) == len(found.pairs) == len(entries_of(ours)) == len(entries_of(theirs))
        layers = {key[:-1] for _, _, key in found.met}
        if is_whole and not found.is_told and may_be_root(root, ours, theirs) and len(layers) >= _LEAST_LAYERS:
            return {**settled, **{t: (Grade.UNDECIDED, (s,)) for t, s in alike}}
    return settled


def _met(here: _Left, there: _Left, sides: Sides) -> Iterator[tuple[int, int]]:
    """Yield what meets in layers of one name that stand elsewhere, and have it to themselves on both sides.

    An inner model whose default name tells the size of its images has another one for another size; and a layer may have gone from one
    inner model into another. All of the layer must be there, in the same shapes.
    """
    for name in here.keys() & there.keys():
        mine, yours = here[name], there[name]
        if mine.keys() == yours.keys() and all(sides.are_alike(t, yours[key]) for key, t in mine.items()):
            yield from ((t, yours[key]) for key, t in mine.items())


def _by_layer(rows: Sequence[Row], entries: Sequence[Entry], kind: Kind) -> _Left:
    """Return what is left of layers by the names that somebody chose, if nothing else on their side is called so."""
    found: dict[str, dict[Key, int]] = defaultdict(dict)
    for row in rows:
        around = zip(row.key[:-1], row.said, strict=False)
        layers = [i for i, (part, is_said) in enumerate(around) if is_said is False and is_chosen(part)]
        if layers:
            found[row.segments[layers[-1]]][row.key[layers[-1] :]] = row.entry
    homes: dict[str, set[Prefix]] = defaultdict(set)
    for entry in entries if found else ():
        for segments in (name.segments for name in (entry.paths if kind == "paths" else entry.given)):
            for i, segment in enumerate(segments):
                if segment in found:
                    homes[segment].add(segments[:i])
    return {(name,): layer for name, layer in found.items() if len(homes[name]) == 1}


def _by_names(left: Collection[int], sides: Sides, *, is_target: bool) -> _Named:
    """Return what is left of layers by what they are called, if nothing else on their side is called so.

    A block may have kept its layers, of which those of other blocks have the names, too, in attributes that it has in a list now. Of what
    stands in an attribute, this may be all that is known, and is the name of the layer, if a person called it so: not of what is gone
    with all that was around it. What is wrapped may have been in no wrapper.
    """
    found: dict[bool, dict[_Layer, dict[Key, int]]] = {True: defaultdict(dict), False: defaultdict(dict)}
    homes: dict[_Layer, set[Prefix]] = defaultdict(set)
    entries = sides.targets if is_target else sides.sources
    kept = _around(entry for i, entry in enumerate(entries) if i not in left)
    for i, entry in enumerate(entries):
        for path in entry.paths[:1]:
            known = _names_around(path, entry.blocks).items()
            around = {at: name for at, each in known if (name := chosen_name(each, sides, is_target=is_target))}
            if names := around or _attribute_around(path, kept):
                called, below = tuple(names[at] for at in sorted(names)), max(names) + 1
                is_wrapped = len(called) > 1 and path.segments[below - 1] in WRAPPED
                for layer in (called, called[-1:]) if is_wrapped else (called,):
                    homes[layer].add(path.segments[:below])
                    if i in left:
                        found[bool(around)][layer][path.segments[below:]] = i
    named, in_attributes = (
        {layer: held for layer, held in found[is_named].items() if len(homes[layer]) == 1} for is_named in (True, False)
    )
    return _Named(named, in_attributes)


def _by_attributes(left: Collection[int], sides: Sides) -> _Left:
    """Return what is left of layers to which nobody gave a name, by the attributes in which they stand, where paths are made of the names of layers.

    A Functional model may have become a class: its layer ``head`` is ``self.head`` now.
    """
    found: dict[_Layer, dict[Key, int]] = defaultdict(dict)
    for t in left:
        for path, shown in zip(sides.targets[t].paths, sides.targets[t].shown[:1], strict=False):
            own = 2 if path.segments[-2:-1] == (VARIABLES,) else 1
            layer = path.segments[-own - 1 : -own]
            if layer and chosen_name(layer[0], sides, is_target=True) is None:
                found[shown.segments[:-1]][path.segments[-own:]] = t
    return found


def _names_around(path: Name, blocks: Blocks) -> Mapping[int, str]:
    """Return what layers around a variable are called, by where they stand on its path."""
    layers = {i: path.segments[i] for i, is_said in enumerate(path.said[:-1]) if is_said is False}
    named = layers | {len(path.segments) - depth: name for depth, name, _ in blocks}
    return {i: name for i, name in named.items() if is_chosen(name)}


def _around(entries: Iterable[Entry]) -> set[Prefix]:
    """Return the beginnings of paths, and that of all."""
    paths = (entry.paths[0].segments for entry in entries if entry.paths)
    return {(), *(path[:i] for path in paths for i in range(1, len(path)))}


def _attribute_around(path: Name, kept: Collection[Prefix]) -> Mapping[int, str]:
    """Return the attribute in which a layer stands, and where that is on the path of a variable, if something is kept of what is around."""
    at = len(path.segments) - (3 if path.segments[-2:-1] == (VARIABLES,) else 2)
    is_attribute = at >= 0 and path.said[at] is True and not path.segments[at].isdecimal()
    return {at: path.segments[at]} if is_attribute and path.segments[:at] in kept else {}


def _numbered(rows: Iterable[Row]) -> list[Row]:
    """Return the names with a number in them: what has names alone, and meets nothing, came or went."""
    return [row for row in rows if not is_said(row.key)]
