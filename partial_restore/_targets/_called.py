"""What the variables of a model are called under each layout of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from partial_restore import _keras
from partial_restore._eager import Held, all_variables, raw
from partial_restore._keras_stored import listed
from partial_restore._keys import is_own_name
from partial_restore._places import snake_case
from partial_restore._targets._tracked import Graph
from partial_restore._targets._training import with_order
from partial_restore._targets._ways import stored_at, stored_blocks, stored_names, stored_places
from partial_restore._types import Layout, Name, name_of


def called_as_in(held: Sequence[Held], graph: Graph, layout: Layout) -> list[Held]:
    """Return the model's variables under the names of a layout, their own ones for people to read and to select by."""
    if layout.kind == "names":
        return [with_entry(each, given=_also_unnamed(each.entry.given, each)) for each in held]
    if layout.kind == "objects":
        called = [_renamed(each, each.lacking, is_more=True) if each.lacking else each for each in held]
        return _placed([_as_exported(each) for each in called] if layout.is_export else called, graph)
    if layout.kind == "ops":
        short = graph.layer_names(held, keeps="none")
        return [with_entry(each, ops=(*_op_name(each), *short.get(id(each.variable), ()))) for each in held]
    if layout.kind == "layers":
        places = _listed_places(graph)
        names, short = (
            _listed_as(places, graph.layer_names(held, keeps=keeps, is_placed=layout.is_told))
            for keeps in ("all", "top")
        )
        return [
            with_entry(
                _renamed(
                    each, _also_unnamed(_also_scoped(names.get(id(each.variable), ()), each), each), is_more=False
                ),
                ops=(
                    *_also_unnamed(short.get(id(each.variable), ()), each),
                    *_old_name(each, names.get(id(each.variable), ())),
                ),
                frozen=not _is_trained(each),
            )
            for each in held
        ]
    ways = stored_places(graph, layout)
    names = stored_names(ways, layout)
    blocks = stored_blocks(ways)
    renamed = [
        with_entry(
            _of_class(_renamed(each, names.get(id(each.variable), ()), is_more=False)),
            blocks=blocks.get(id(each.variable), ()),
        )
        for each in held
    ]
    return with_order(renamed, [{id(raw(variable)): at for at, variable in stored_at(places)} for places in ways])


def with_entry(held: Held, **more: Any) -> Held:
    return held._replace(entry=held.entry._replace(**more))


def in_both_families(names: tuple[Name, ...], owner: Any) -> tuple[Name, ...]:
    """Return the names, and those under which the other family of Keras knows a variable."""
    ours, theirs = _keras.other_name(type(owner))
    if not ours:
        return names
    here = [name for name in names if name.segments[-1] == ours]
    return (*names, *(name._replace(segments=(*name.segments[:-1], theirs)) for name in here))


def _renamed(held: Held, called: Sequence[Name], *, is_more: bool) -> Held:
    """Return a variable under other names, or under more."""
    entry = held.entry
    paths = (*(entry.paths if is_more else ()), *in_both_families(tuple(called), held.owner))
    given = entry.given if is_more else ()
    shown = (*entry.paths, *entry.given)
    return with_entry(held, paths=tuple(dict.fromkeys(paths)), given=given, shown=shown)


def _placed(held: Sequence[Held], graph: Graph) -> list[Held]:
    """Return the variables with their places among those of the one model that there is, if so, as Keras counts them."""
    tops = [top for _, top in graph.tops()]
    places = {id(raw(each)): i for i, each in enumerate(all_variables(tops[0]))} if len(tops) == 1 else {}
    return [with_entry(each, place=places.get(id(each.variable))) for each in held] if places else list(held)


def _listed_places(graph: Graph) -> Mapping[str, int]:
    """Return the places of the layers in the one model that there is, by their names, as Keras 2 lists them."""
    tops = [top for _, top in graph.tops()]
    layers = None
    with suppress(Exception):  # A property of a person's own model may raise anything.
        layers = tops[0].layers if len(tops) == 1 else None
    in_order = listed(tops[0], layers, sorts=True) if isinstance(layers, list) else []
    return {each.name: i for i, each in enumerate(in_order) if _keras.is_layer(each)}


def _listed_as(places: Mapping[str, int], named: Mapping[int, Sequence[Name]]) -> Mapping[int, Sequence[Name]]:
    """Return the names with the places of the layers that are known by their names alone."""

    def placed(name: Name) -> Name:
        first, *rest = name.places or [None for _ in name.segments]
        place = places.get(name.segments[0]) if first is None else None
        return name if place is None else name._replace(places=(("", place), *rest))

    return {at: [placed(name) for name in names] for at, names in named.items()}


def _as_exported(held: Held) -> Held:
    """Return a variable as TensorFlow calls it: without the layers that were built by their first call, in what holds them."""
    name = name_of(held.variable.name.removesuffix(":0"))
    if held.handle is held.variable or name in held.entry.given:
        return held
    given = in_both_families((name,), held.owner)
    return with_entry(_renamed(held, given, is_more=False), given=given)


def _also_scoped(names: Sequence[Name], held: Held) -> tuple[Name, ...]:
    """Return the names, and those below the outer layer that have the scopes in which inner ones were made, as Keras writes them."""
    more = (
        name._replace(
            segments=(name.segments[0], *full.segments),
            said=(*(False for _ in full.segments), name.said[-1]),
            places=(*name.places[:1], *(None for _ in full.segments)) if name.places else (),
        )
        for name in names
        for full in held.entry.given
        if not any(full.said[:-1])
        if 2 < len(name.segments) <= len(full.segments) and name.segments[-2:] == full.segments[-2:]
        if name.segments[0] not in full.segments
    )
    return tuple(dict.fromkeys((*names, *more)))


def _also_unnamed(names: Sequence[Name], held: Held) -> tuple[Name, ...]:
    """Return the names, and those of a variable that is given one on one side only: by its attribute, or as the only one of its layer."""
    attribute, is_only = held.entry.paths[0].segments[-1], _is_only(held.owner)
    more: list[Name] = []
    for name in names:
        *layers, own = name.segments
        other = "variable" if is_only and is_own_name(own) else attribute
        if layers and not other.isdecimal() and is_own_name(own) != is_own_name(other):
            more.append(name._replace(segments=(*layers, other), said=(*name.said[:-1], is_own_name(other))))
    return (*names, *more)


def _is_only(owner: Any) -> bool:
    return _keras.is_layer(owner) and len(all_variables(owner)) == 1


def _op_name(held: Held) -> tuple[Name, ...]:
    """Return the name that TensorFlow gave a layer's variable, if the layer is one of Keras 2."""
    is_plain = held.owner is not None and held.handle is held.variable
    return (name_of(held.variable.name.removesuffix(":0")),) if is_plain else ()


def _old_name(held: Held, names: Sequence[Name]) -> Iterator[Name]:
    """Yield what Keras 2 calls a variable in HDF5 if its layer got another name (``layer._name``) after it was built.

    So it does if the layer around it built it: then its name is that of the layer around, also of one with a cell. ``names`` are those by
    its layers.
    """
    for name in _op_name(held):
        top = next(iter(names), held.entry.paths[0])
        segments = _below_model(name.segments, top.segments[0])
        is_within = top.segments[0] == segments[0]
        if len(segments) == 2 and held.owner.name != segments[0]:
            yield _placed_as(top, segments if is_within else (top.segments[0], *segments))
        elif len(segments) > 2 and is_within and all(each.segments != segments for each in names):
            yield _placed_as(top, segments)


def _below_model(segments: tuple[str, ...], layer: str) -> tuple[str, ...]:
    """Return a name without the name of the model that begins it, which that of its layer follows."""
    return segments[1:] if len(segments) > 2 and segments[0] != layer == segments[1] else segments


def _placed_as(top: Name, segments: tuple[str, ...]) -> Name:
    """Return a name of a variable in a layer of which another name tells the place."""
    within = len(segments) - 1
    return Name(segments, (*(False,) * within, True), (*top.places[:1], *(None,) * within) if top.places else ())


def _is_trained(held: Held) -> bool:
    return all(getattr(each, "trainable", True) for each in (held.owner, held.handle))


def _of_class(held: Held) -> Held:
    return with_entry(held, layer=snake_case(type(held.owner).__name__) if held.owner is not None else "")
