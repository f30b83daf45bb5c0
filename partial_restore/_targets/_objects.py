"""Models that are objects: Keras 3 models and layers, modules, checkpoints and every other trackable."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from partial_restore import _keras, _live_optimizers
from partial_restore._eager import EagerTarget, Held, is_variable, raw, shape_of
from partial_restore._errors import UnbuiltError
from partial_restore._keras import own_name
from partial_restore._names import Names, layer_names, names_of_graph
from partial_restore._nodes import Node
from partial_restore._places import names_of_place, snake_case
from partial_restore._types import Entry, Group, Layout, Name, name_of


def is_object(model: object) -> bool:
    """Say whether a model is an object that keeps its variables as attributes."""
    return hasattr(model, "_trackable_children") and not is_variable(model)


def open_object(model: Any, layout: Layout) -> EagerTarget:
    """Return the target that a model in memory is, its variables called as in a checkpoint of this layout.

    Raises:
        UnbuiltError: A layer has no variables yet, or the model has none at all.
    """
    graph = _Graph(model)
    unbuilt = [thing.name for thing in graph.things if _keras.is_layer(thing) and _keras.is_unbuilt(thing)]
    held = [] if unbuilt else _called_otherwise(_held(graph), graph, layout)
    if not any(each.entry.group == "model" for each in held):
        raise UnbuiltError(_described(model), unbuilt)
    layers = [thing for thing in graph.things if _keras.is_layer(thing)]
    bases = {_keras.automatic_base(layer) for layer in layers}
    if layout.kind == "groups":
        bases |= {snake_case(type(layer).__name__) for layer in layers}
    unready = [_live_optimizers.class_of(thing) for thing in graph.things if _live_optimizers.is_unbuilt(thing)]
    automatic = frozenset(base for base in bases if base)
    return EagerTarget(held, automatic, lambda thing: graph.keys_below(thing, held), unready)


def _called_otherwise(held: Sequence[Held], graph: _Graph, layout: Layout) -> list[Held]:
    """Return the model's variables under the names of a layout, their own ones for people to read and to select by."""
    if layout.kind == "names":
        return list(held)
    if layout.kind == "objects":
        return [_renamed(each, each.lacking, is_more=True) if each.lacking else each for each in held]
    if layout.kind == "ops":
        short = graph.layer_names(held, keeps="none")
        return [_called(each, ops=(*_op_name(each), *short.get(id(each.variable), ()))) for each in held]
    if layout.kind == "layers":
        names = graph.layer_names(held, keeps="all")
        short = graph.layer_names(held, keeps="top")
        renamed = [_renamed(each, names.get(id(each.variable), ()), is_more=False) for each in held]
        return [_called(each, ops=tuple(short.get(id(each.variable), ()))) for each in renamed]
    names = _stored_names(graph, layout)
    return [_of_class(_renamed(each, names.get(id(each.variable), ()), is_more=False)) for each in held]


def _op_name(held: Held) -> tuple[Name, ...]:
    """Return the name that TensorFlow gave a layer's variable, if the layer is one of Keras 2."""
    is_plain = held.owner is not None and held.handle is held.variable
    return (name_of(held.variable.name.removesuffix(":0")),) if is_plain else ()


def _of_class(held: Held) -> Held:
    return _called(held, layer=snake_case(type(held.owner).__name__) if held.owner is not None else "")


def _called(held: Held, **more: Any) -> Held:
    return replace(held, entry=replace(held.entry, **more))


def _renamed(held: Held, called: Sequence[Name], *, is_more: bool) -> Held:
    """Return a variable under other names, or under more."""
    entry = held.entry
    paths = (*(entry.paths if is_more else ()), *called, *_otherwise(called, held.owner))
    given = entry.given if is_more else ()
    shown = (*entry.paths, *entry.given)
    return _called(held, paths=tuple(dict.fromkeys(paths)), given=given, shown=shown)


def _stored_names(graph: _Graph, layout: Layout) -> Mapping[int, Sequence[Name]]:
    """Return the names under which Keras 3 would store the variables, by their ids.

    Which of its attributes Keras meets first has changed: what has more of the file's paths is taken, below whatever
    stands before them in a model around the saved one.
    """
    orders = [[place for each in graph.tops() for place in _below(*each, reverse=order)] for order in (False, True)]
    best = max(
        orders,
        key=lambda places: sum(
            any(group[i:] in layout.groups for i in range(len(front), len(group))) for front, group, _ in places
        ),
    )
    names: dict[int, list[Name]] = {}
    for front, group, place in best:
        members = (*(False for _ in front), *place.members)
        labels = {(*front, *at): label for at, label in place.labels.items()}
        for key, variable in place.variables.items():
            names.setdefault(id(raw(variable)), []).extend(names_of_place(group, key, members, labels, layout))
    return names


def _below(
    front: tuple[str, ...], layer: Any, *, reverse: bool
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], _keras.Stored]]:
    for place in _keras.stored(layer, reverse=reverse):
        yield front, (*front, *place.group), place


def _described(model: Any) -> str:
    name = getattr(model, "name", "")
    return f"{type(model).__name__} {name!r}" if isinstance(name, str) and name else type(model).__name__


class _Graph:
    """Every object below a root, in the order in which they are met, with the edges between them."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.things: list[Any] = []
        self.edges: list[list[tuple[str, int]]] = []
        self.owners: list[Any] = []
        self._places: dict[int, int] = {}
        self.slots: dict[int, list[tuple[int, str, int]]] = {}
        waiting: list[tuple[int | None, str, Any]] = [(None, "", root)]
        while waiting:
            parent, segment, thing = waiting.pop()
            place = self._places.get(id(raw(thing)))
            is_new = place is None
            if place is None:
                place = self._add(thing, None if parent is None else self.things[parent])
            if parent is not None:
                self.edges[parent].append((segment, place))
            if is_new:
                waiting.extend((place, name, child) for name, child in reversed(list(_children(thing))))
        variables = [raw(thing) for thing in self.things if is_variable(thing)]
        for place, thing in enumerate(tuple(self.things)):
            self.slots[place] = [
                (self._places[id(variable)], word, self._places.get(id(state)) or self._add(state, thing))
                for variable, word, state in _live_optimizers.slots(thing, variables)
            ]

    def _add(self, thing: Any, owner: Any) -> int:
        place = self._places[id(raw(thing))] = len(self.things)
        self.things.append(thing)
        self.edges.append([])
        self.owners.append(owner)
        return place

    def names(self, leaves: Sequence[int]) -> Mapping[int, Names]:
        return names_of_graph(self._nodes(), leaves)

    def _nodes(self) -> list[Node]:
        return [
            Node(edges, _full_name(thing), _label(thing), self.slots.get(i, ()), _live_optimizers.class_of(thing))
            for i, (thing, edges) in enumerate(zip(self.things, self.edges, strict=True))
        ]

    def layer_names(self, held: Sequence[Held], *, keeps: Any) -> Mapping[int, Sequence[Name]]:
        """Return the variables' names by those of their layers, by the variables' ids."""
        leaves = {
            self._places[id(each.variable)]: own_name(each.handle) for each in held if id(each.variable) in self._places
        }
        found = layer_names(self._nodes(), leaves, keeps=keeps)
        return {id(raw(self.things[place])): names for place, names in found.items()}

    def tops(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yield the layers that no other layer holds, with the attributes that lead to them."""
        waiting: list[tuple[tuple[str, ...], int]] = [((), 0)]
        seen: set[int] = set()
        while waiting:
            path, here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            if _keras.is_layer(self.things[here]):
                yield path, self.things[here]
            else:
                waiting.extend(((*path, segment), child) for segment, child in self.edges[here])

    def below(self, thing: Any) -> set[int]:
        """Return the places of an object and of all that it reaches."""
        found: set[int] = set()
        waiting = [place for place in [self._places.get(id(raw(thing)))] if place is not None]
        while waiting:
            here = waiting.pop()
            if here not in found:
                found.add(here)
                waiting.extend(child for _, child in self.edges[here])
        return found

    def keys_below(self, thing: Any, held: Sequence[Held]) -> Collection[str] | None:
        """Return the keys of the variables for which an object stands, or None if it is not one that holds any."""
        if not is_variable(thing) and not is_object(thing):
            return None
        below = {id(raw(self.things[place])) for place in self.below(thing)}
        return {each.entry.key for each in held if id(each.variable) in below}


def _children(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object keeps: what TensorFlow tracks, and what only Keras does."""
    if is_variable(thing):
        return
    if hasattr(thing, "_trackable_children"):
        yield from thing._trackable_children().items()
        if _keras.is_layer(thing):
            yield from _keras.containers(thing)
    elif isinstance(thing, Mapping):
        yield from ((str(key), value) for key, value in thing.items() if _is_holder(value))
    elif isinstance(thing, list | tuple):
        yield from ((str(i), value) for i, value in enumerate(thing) if _is_holder(value))


def _is_holder(thing: object) -> bool:
    return hasattr(thing, "_trackable_children") or isinstance(thing, Mapping | list | tuple)


def _full_name(thing: Any) -> str | None:
    return str(raw(thing)._shared_name) if is_variable(thing) and hasattr(raw(thing), "_shared_name") else None


def _label(thing: Any) -> str | None:
    return thing.name if _keras.is_layer(thing) else None


def _held(graph: _Graph) -> list[Held]:
    leaves = [place for place, thing in enumerate(graph.things) if is_variable(thing)]
    names = graph.names(leaves)
    metrics = {place for thing in graph.things if _keras.is_metric(thing) for place in graph.below(thing)}
    held = []
    for place in leaves:
        group: Group = "metric" if place in metrics else names[place].group
        held.append(_hold(graph.things[place], graph.owners[place], names[place], group))
    keys = dict(zip(leaves, (each.entry.key for each in _distinct(held)), strict=True))
    held = [
        replace(each, entry=replace(each.entry, state=piece.state(keys))) if (piece := names[place].piece) else each
        for place, each in zip(leaves, held, strict=True)
    ]
    reached = {id(each.variable) for each in held}
    strays = [variable for variable in _all_variables(graph.root) if id(raw(variable)) not in reached]
    held.extend(_hold(stray, None, Names((), (), "model"), "model") for stray in strays)
    return _distinct(held)


def _all_variables(root: Any) -> Sequence[Any]:
    """Return all variables that a layer or module itself counts."""
    variables = getattr(root, "variables", ())
    return [variable for variable in variables if is_variable(variable)] if isinstance(variables, list | tuple) else []


def _hold(variable: Any, owner: Any, names: Names, group: Group) -> Held:
    given = names.given
    if _keras.is_variable(variable):
        given = (name_of(variable.path),)
        if _keras.is_seed(owner) or variable.path.endswith("seed_generator_state"):
            group = "seed"
    given = (*given, *_otherwise(given, owner))
    value = raw(variable)
    paths = (*names.paths, *_otherwise(names.paths, owner)) or given or (name_of(value.name.removesuffix(":0")),)
    dtype = value.dtype.base_dtype
    entry = Entry(paths[0].text, paths, given, shape_of(variable), dtype.name, group, dtype.size)
    return Held(entry, value, variable, owner if _keras.is_layer(owner) else None, names.lacking)


def _otherwise(names: Sequence[Name], owner: Any) -> Iterator[Name]:
    """Yield the names under which the other family of Keras knows a variable."""
    ours, theirs = _keras.other_name(owner)
    for name in names if ours else ():
        if name.segments[-1] == ours:
            yield replace(name, segments=(*name.segments[:-1], theirs))


def _distinct(held: Sequence[Held]) -> list[Held]:
    """Return the variables with a key each; of those with one name the later ones show a number."""
    seen: dict[str, int] = {}
    distinct = []
    for each in held:
        entry = each.entry
        times = seen[entry.key] = seen.get(entry.key, 0) + 1
        if times > 1:
            shown = name_of(f"{entry.key}#{times}", said=True)
            entry = replace(entry, key=shown.text, paths=(shown, *entry.paths))
        distinct.append(replace(each, entry=entry) if times > 1 else each)
    return distinct
