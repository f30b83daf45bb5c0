"""Where Keras 3 stores the variables of a model, in each way in which it may have met its layers."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from partial_restore._eager import raw
from partial_restore._keras_stored import Stored, stored
from partial_restore._keys import VARIABLES, counted_from_zero
from partial_restore._places import LAYERS, blocks_around, names_of_place
from partial_restore._targets._tracked import Graph
from partial_restore._types import Blocks, Layout, Name

T = TypeVar("T")
_Path = tuple[str, ...]
_Placed = tuple[_Path, _Path, Stored]
"""What stands before a model that was saved, where a layer is stored with that, and its variables."""


def stored_places(graph: Graph, layout: Layout) -> list[list[_Placed]]:
    """Return where Keras 3 would store the layers, in each way to go that the file may be of.

    Before it kept the names of layers, Keras met its attributes in one order or the other, and Keras 2 sorted dicts: what has most
    of the file's paths is taken, below whatever stands before them in a model around the saved one. Several ways may
    have as many.
    """
    found = [
        [place for each in graph.tops() for place in _below(*each, layout, reverse=reverse, sorts=sorts)]
        for reverse, sorts in _ways(layout)
    ]
    met = [_met(places, layout.groups) for places in found]
    return [places for places, most in zip(found, met, strict=True) if most == max(met)]


def stored_at(places: Sequence[_Placed]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the variables of layers with the path under which each is stored."""
    for _, group, place in places:
        if not place.elsewhere:
            yield from (((*group, VARIABLES, key), variable) for key, variable in place.variables.items())


def stored_names(ways: Sequence[Sequence[_Placed]], layout: Layout) -> Mapping[int, Sequence[Name]]:
    """Return the names under which Keras 3 would store the variables, by their ids: those of each way to go."""
    names: dict[int, list[Name]] = {}
    words = {place.labels[place.group] for way in ways for _, _, place in way} if layout.by_hand else ()
    layout = replace(layout, by_hand=layout.by_hand & counted_from_zero(words))
    known: dict[tuple[int, _Path], tuple[Mapping[_Path, str], Mapping[_Path, int]]] = {}
    for front, group, place in itertools.chain.from_iterable(ways):
        members = (*(False for _ in front), *place.members)
        walk = id(place.labels), front  # All layers that were met on one walk have the same labels.
        if walk not in known:
            known[walk] = _behind(front, place.labels), _behind(front, place.order)
        labels, order = known[walk]
        for key, variable in place.variables.items():
            names.setdefault(id(raw(variable)), []).extend(names_of_place(group, key, members, labels, layout, order))
    return names


def stored_blocks(ways: Sequence[Sequence[_Placed]]) -> Mapping[int, Blocks]:
    """Return what the layers around the variables are called, by their ids."""
    return {
        id(raw(variable)): blocks_around(place.group, place.labels)
        for way in ways[:1]
        for _, _, place in way
        if not place.elsewhere
        for variable in place.variables.values()
    }


def _behind(front: _Path, by_group: Mapping[_Path, T]) -> Mapping[_Path, T]:
    return {(*front, *at): value for at, value in by_group.items()} if front else by_group


def _ways(layout: Layout) -> Sequence[tuple[bool, bool]]:
    """Return in which orders (reverse or not, dicts sorted or not) Keras may have met attributes when it wrote a file.

    Keras 2 sorts dicts; it met attributes in reverse order from 2.15 on. What a model has in an attribute is found in its list
    of layers, too: it stands where it was met first.
    """
    keras_3, old, keras_2 = (False, False), (False, True), (True, True)
    if layout.labelled == "all" or layout.keras == 3:
        return (keras_3,)
    tops = {group[0] for group in layout.groups if group}
    is_first = {top < LAYERS for top in tops if top != LAYERS and top[0] != "_"} if LAYERS in tops else set()
    may_be = {keras_3, old} if is_first == {True} else {keras_2} if is_first == {False} else {keras_3, old, keras_2}
    return sorted(may_be - {keras_3} if layout.keras else may_be)


def _met(places: Sequence[_Placed], known: Collection[tuple[str, ...]]) -> int:
    """Return how many segments of the paths end as a path of the file does, below whatever stands before."""
    return sum(
        next((len(group) - i for i in range(len(front), len(group)) if group[i:] in known), 0)
        for front, group, place in places
        if not place.elsewhere
    )


def _below(front: _Path, layer: Any, layout: Layout, *, reverse: bool, sorts: bool) -> Iterator[_Placed]:
    for place in stored(layer, layout, reverse=reverse, sorts=sorts):
        yield front, (*front, *place.group), place
