"""Models that are objects: Keras 3 models and layers, modules, checkpoints and every other trackable."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from partial_restore import _keras, _live_optimizers
from partial_restore._eager import EagerTarget, Held, is_variable, raw, shape_of
from partial_restore._errors import UnbuiltError
from partial_restore._keras_stored import Stored, stored
from partial_restore._keys import AUTOMATIC, VARIABLES, counted_from_zero, is_own_name, may_be_automatic
from partial_restore._names import Names
from partial_restore._places import LAYERS, names_of_place, snake_case
from partial_restore._targets._tracked import Graph
from partial_restore._targets._training import with_order
from partial_restore._types import Entry, Group, Layout, Name, name_of


def open_object(model: Any, layout: Layout) -> EagerTarget:
    """Return the target that a model in memory is, its variables called as in a checkpoint of this layout.

    Raises:
        UnbuiltError: A layer has no variables yet, or the model has none at all.
    """
    graph = Graph(model)
    layers = graph.held_by(_keras.is_layer)
    unbuilt = [layer.name for layer in layers if _keras.is_unbuilt(layer)]
    held = [] if unbuilt else _called_otherwise(_held(graph, layout), graph, layout)
    if not any(each.entry.group == "model" for each in held):
        raise UnbuiltError(_described(model), unbuilt)
    bases = {_keras.automatic_base(layer) for layer in layers}
    if layout.kind == "groups":
        bases |= {snake_case(type(layer).__name__) for layer in layers}
    unready = [_live_optimizers.class_of(thing) for thing in graph.held_by(_live_optimizers.is_unbuilt)]
    automatic = frozenset(base for base in bases if base)
    return EagerTarget(held, automatic, lambda thing: graph.keys_below(thing, held), unready, _chosen(model, automatic))


def _chosen(model: Any, automatic: frozenset[str]) -> str:
    """Return the name that a person gave to a model or layer, if so."""
    name = model.name if _keras.is_layer(model) else ""
    return "" if may_be_automatic(Name((name,), (False,)), AUTOMATIC | automatic) else name


def _called_otherwise(held: Sequence[Held], graph: Graph, layout: Layout) -> list[Held]:
    """Return the model's variables under the names of a layout, their own ones for people to read and to select by."""
    if layout.kind == "names":
        return [_called(each, given=_also_unnamed(each.entry.given, each)) for each in held]
    if layout.kind == "objects":
        called = [_renamed(each, each.lacking, is_more=True) if each.lacking else each for each in held]
        return _placed([_as_exported(each) for each in called] if layout.is_export else called, graph)
    if layout.kind == "ops":
        short = graph.layer_names(held, keeps="none")
        return [_called(each, ops=(*_op_name(each), *short.get(id(each.variable), ()))) for each in held]
    if layout.kind == "layers":
        names = graph.layer_names(held, keeps="all", is_placed=layout.is_told)
        short = graph.layer_names(held, keeps="top", is_placed=layout.is_told)
        return [
            _called(
                _renamed(
                    each, _also_unnamed(_also_scoped(names.get(id(each.variable), ()), each), each), is_more=False
                ),
                ops=(*_also_unnamed(short.get(id(each.variable), ()), each), *_old_name(each)),
                frozen=not _is_trained(each),
            )
            for each in held
        ]
    ways = _stored_places(graph, layout)
    names = _stored_names(ways, layout)
    renamed = [_of_class(_renamed(each, names.get(id(each.variable), ()), is_more=False)) for each in held]
    return with_order(renamed, [{id(raw(variable)): at for at, variable in _stored_at(places)} for places in ways])


def _as_exported(held: Held) -> Held:
    """Return a variable as TensorFlow calls it: without the layers that were built by their first call, in what holds them."""
    name = name_of(held.variable.name.removesuffix(":0"))
    if held.handle is held.variable or name in held.entry.given:
        return held
    given = _both((name,), held.owner)
    return _called(_renamed(held, given, is_more=False), given=given)


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


def _op_name(held: Held) -> tuple[Name, ...]:
    """Return the name that TensorFlow gave a layer's variable, if the layer is one of Keras 2."""
    is_plain = held.owner is not None and held.handle is held.variable
    return (name_of(held.variable.name.removesuffix(":0")),) if is_plain else ()


def _old_name(held: Held) -> Iterator[Name]:
    """Yield what Keras 2 calls a variable in HDF5 if its layer got another name (``layer._name``) after it was built."""
    for name in _op_name(held):
        if len(name.segments) == 2 and held.owner.name != name.segments[0]:
            top = held.entry.paths[0]
            yield Name(
                (top.segments[0], *name.segments),
                (False, False, True),
                (*top.places[:1], None, None) if top.places else (),
            )


def _is_trained(held: Held) -> bool:
    return all(getattr(each, "trainable", True) for each in (held.owner, held.handle))


def _of_class(held: Held) -> Held:
    return _called(held, layer=snake_case(type(held.owner).__name__) if held.owner is not None else "")


def _called(held: Held, **more: Any) -> Held:
    return held._replace(entry=held.entry._replace(**more))


def _renamed(held: Held, called: Sequence[Name], *, is_more: bool) -> Held:
    """Return a variable under other names, or under more."""
    entry = held.entry
    paths = (*(entry.paths if is_more else ()), *_both(tuple(called), held.owner))
    given = entry.given if is_more else ()
    shown = (*entry.paths, *entry.given)
    return _called(held, paths=tuple(dict.fromkeys(paths)), given=given, shown=shown)


T = TypeVar("T")
_Path = tuple[str, ...]
_Placed = tuple[_Path, _Path, Stored]
"""What stands before a model that was saved, where a layer is stored with that, and its variables."""


def _stored_places(graph: Graph, layout: Layout) -> list[list[_Placed]]:
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


def _stored_at(places: Sequence[_Placed]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the variables of layers with the path under which each is stored."""
    for _, group, place in places:
        if not place.elsewhere:
            yield from (((*group, VARIABLES, key), variable) for key, variable in place.variables.items())


def _stored_names(ways: Sequence[Sequence[_Placed]], layout: Layout) -> Mapping[int, Sequence[Name]]:
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


def _behind(front: _Path, by_group: Mapping[_Path, T]) -> Mapping[_Path, T]:
    return {(*front, *at): value for at, value in by_group.items()} if front else by_group


def _ways(layout: Layout) -> Sequence[tuple[bool, bool]]:
    """Return in which orders (reverse or not, dicts sorted or not) Keras may have met attributes when it wrote a file.

    What a model has in an attribute is found in its list of layers, too: it stands where it was met first.
    """
    forward, reverse = ((False, False),), ((True, False), (True, True))
    tops = {group[0] for group in layout.groups if group}
    is_first = {top < LAYERS for top in tops if top != LAYERS and top[0] != "_"} if LAYERS in tops else set()
    if layout.labelled == "all" or is_first == {True}:
        return forward
    return reverse if is_first == {False} else (*forward, *reverse)


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


def _described(model: Any) -> str:
    name = getattr(model, "name", "")
    return f"{type(model).__name__} {name!r}" if isinstance(name, str) and name else type(model).__name__


def _held(graph: Graph, layout: Layout) -> list[Held]:
    names = graph.names(unnamed=layout.unnamed)
    metrics = {place for metric in graph.held_by(_keras.is_metric) for place in graph.below(metric)}
    held = []
    for place in graph.leaves:
        group: Group = "metric" if place in metrics else names[place].group
        held.append(_hold(graph.things[place], graph.owners[place], names[place], group, layout))
    pieces = {i: piece for i, place in enumerate(graph.leaves) if (piece := names[place].piece)}
    if pieces:
        keys = dict(zip(graph.leaves, (each.entry.key for each in _distinct(held)), strict=True))
        for i, piece in pieces.items():
            held[i] = _called(held[i], state=piece.state(keys))
    reached = {id(each.variable) for each in held}
    strays = [variable for variable in _all_variables(graph.root) if id(raw(variable)) not in reached]
    held.extend(_hold(stray, None, Names((), (), "model"), "model", layout) for stray in strays)
    return _distinct(held)


def _placed(held: Sequence[Held], graph: Graph) -> list[Held]:
    """Return the variables with their places among those of the one model that there is, if so, as Keras counts them."""
    tops = [top for _, top in graph.tops()]
    places = {id(raw(each)): i for i, each in enumerate(_all_variables(tops[0]))} if len(tops) == 1 else {}
    return [_called(each, place=places.get(id(each.variable))) for each in held] if places else list(held)


def _all_variables(root: Any) -> Sequence[Any]:
    """Return all variables that a layer or module itself counts."""
    variables = getattr(root, "variables", ())
    return [variable for variable in variables if is_variable(variable)] if isinstance(variables, list | tuple) else []


def _hold(variable: Any, owner: Any, names: Names, group: Group, layout: Layout) -> Held:
    given, value = names.given, raw(variable)
    if not given and layout.kind in ("names", "ops") and "/" in value.name:
        given = (name_of(value.name.removesuffix(":0")),)  # The file may have no other one.
    if value is not variable:  # It is one of Keras.
        given = (name_of(variable.path),)
        if _keras.is_seed(owner) or variable.path.endswith("seed_generator_state"):
            group = "seed"
    given = _both(given, owner)
    paths = _both(names.paths, owner) or given or (name_of(value.name.removesuffix(":0")),)
    dtype = value.dtype.base_dtype
    entry = Entry(paths[0].text, paths, given, shape_of(value), dtype.name, group, dtype.size)
    return Held(entry, value, variable, owner if _keras.is_layer(owner) else None, names.lacking)


def _is_only(owner: Any) -> bool:
    return _keras.is_layer(owner) and len(_all_variables(owner)) == 1


def _both(names: tuple[Name, ...], owner: Any) -> tuple[Name, ...]:
    """Return the names, and those under which the other family of Keras knows a variable."""
    ours, theirs = _keras.other_name(type(owner))
    if not ours:
        return names
    here = [name for name in names if name.segments[-1] == ours]
    return (*names, *(name._replace(segments=(*name.segments[:-1], theirs)) for name in here))


def _distinct(held: Sequence[Held]) -> list[Held]:
    """Return the variables with a key each; of those with one name the later ones show a number."""
    if len({each.entry.key for each in held}) == len(held):
        return list(held)
    seen: dict[str, int] = {}
    distinct = []
    for each in held:
        entry = each.entry
        times = seen[entry.key] = seen.get(entry.key, 0) + 1
        if times > 1:
            shown = name_of(f"{entry.key}#{times}", said=True)
            entry = entry._replace(key=shown.text, paths=(shown, *entry.paths))
        distinct.append(each._replace(entry=entry) if times > 1 else each)
    return distinct
