"""What a model in memory keeps: every object below a root, what TensorFlow tracks and what only Keras does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from partial_restore import _keras, _live_optimizers
from partial_restore._eager import Held, is_variable, raw
from partial_restore._keras import own_name
from partial_restore._keys import VARIABLES
from partial_restore._layer_names import layer_names
from partial_restore._names import Names, names_of_graph
from partial_restore._nodes import Node
from partial_restore._types import Name


def is_object(model: object) -> bool:
    """Say whether a model is an object that keeps its variables as attributes."""
    return hasattr(model, "_trackable_children") and not is_variable(model)


class Graph:
    """Every object below a root, in the order in which they are met, with the edges between them.

    A variable is one of the ``leaves``, whatever else is one of the ``holders``: only these can be layers or optimizers.
    """

    def __init__(self, root: Any) -> None:
        self.root, attached = _written_as(root)
        self.things: list[Any] = []
        self.values: list[Any] = []
        self.edges: list[list[tuple[str, int]]] = []
        self.owners: list[Any] = []
        self.leaves: list[int] = []
        self.holders: list[int] = []
        self._places: dict[int, int] = {}
        self.slots: dict[int, list[tuple[int, str, int]]] = {}
        waiting: list[tuple[int, str, Any]] = []
        self._add(self.root, raw(self.root), None, waiting)
        waiting[:0] = [(0, name, child) for name, child in attached.items()][::-1]
        while waiting:
            parent, segment, thing = waiting.pop()
            value = raw(thing)
            place = self._places.get(id(value))
            if place is None:
                place = self._add(thing, value, self.things[parent], waiting)
            self.edges[parent].append((segment, place))
        variables = [self.values[place] for place in self.leaves]
        for place in tuple(self.holders):
            for variable, word, state in _live_optimizers.slots(self.things[place], variables):
                kept = self._places.get(id(state)) or self._add(state, state, self.things[place], [])
                self.slots.setdefault(place, []).append((self._places[id(variable)], word, kept))

    def _add(self, thing: Any, value: Any, owner: Any, waiting: list[tuple[int, str, Any]]) -> int:
        """Note an object, which TensorFlow knows as ``value``; what it keeps is to be met next, in order."""
        place = self._places[id(value)] = len(self.things)
        self.things.append(thing)
        self.values.append(value)
        self.edges.append([])
        self.owners.append(owner)
        if is_variable(thing):
            self.leaves.append(place)
        else:
            self.holders.append(place)
            waiting.extend([(place, name, child) for name, child in _children(thing)][::-1])
        return place

    def names(self, *, unnamed: bool) -> Mapping[int, Names]:
        return names_of_graph(self._nodes(), self.leaves, unnamed=unnamed)

    def held_by(self, is_kind: Callable[[Any], bool]) -> list[Any]:
        """Return the objects of a kind that are no variables."""
        return [self.things[place] for place in self.holders if is_kind(self.things[place])]

    def _nodes(self) -> list[Node]:
        nodes = [Node(())] * len(self.things)
        for i in self.leaves:
            thing, value = self.things[i], self.values[i]
            nodes[i] = Node((), self._full_name(i), called=thing.path if value is not thing else "")
        for i in self.holders:
            thing = self.things[i]
            nodes[i] = Node(self.edges[i], None, _label(thing), self.slots.get(i, ()), _live_optimizers.class_of(thing))
        return nodes

    def _full_name(self, leaf: int) -> str | None:
        """Return what TensorFlow calls a variable, with its layer in a list: in tf_keras a direct call of ``build`` leaves that out."""
        name = _full_name(self.values[leaf])
        owner, label = self.owners[leaf], _label(self.owners[leaf])
        if not name or not label or self.values[leaf] is not self.things[leaf]:
            return name
        home = self._above(owner)
        if home is None or _keras.is_layer(home):
            return name
        while home is not None and not _keras.is_layer(home):
            home = self._above(home)
        stem, _, own = name.rpartition("/")
        is_left_out = stem.rpartition("/")[2] == _label(home) if stem else True
        return "/".join((*([stem] if stem else []), label, own)) if is_left_out else name

    def _above(self, holder: Any) -> Any:
        """Return what an object was met in."""
        return self.owners[self._places[id(holder)]]

    def attribute_of(self, thing: Any) -> str:
        """Return the attributes that lead from the root to an object."""
        place, segments = self._places[id(thing)], list[str]()
        while place:
            parent = self._places[id(raw(self.owners[place]))]
            segments.insert(0, next(segment for segment, child in self.edges[parent] if child == place))
            place = parent
        return "/".join(segments)

    def layer_names(self, held: Sequence[Held], *, keeps: Any, is_placed: bool = False) -> Mapping[int, Sequence[Name]]:
        """Return the variables' names by those of their layers, by the variables' ids."""
        leaves = {
            self._places[id(each.variable)]: own_name(each.handle) for each in held if id(each.variable) in self._places
        }
        found = layer_names(self._nodes(), leaves, keeps=keeps, is_placed=is_placed)
        return {id(self.values[place]): names for place, names in found.items()}

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
        below = {id(self.values[place]) for place in self.below(thing)}
        return {each.entry.key for each in held if id(each.variable) in below}


def _written_as(model: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return what is the root of the graph that a model is saved as, and what is attached to that.

    In the file of `tf.train.Checkpoint(root, step=…)` what ``root`` keeps stands beside ``step``, as if it were kept there.
    """
    children = model._trackable_children() if isinstance(model, tf.train.Checkpoint) else {}
    root = children.get("root")
    if root is None:
        return model, {}
    return root, {name: child for name, child in children.items() if child is not root}


def _children(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object keeps: what TensorFlow tracks, and what only Keras does."""
    if hasattr(thing, "_trackable_children"):
        children = thing._trackable_children()
        yield from ((name, child) for name, child in children.items() if name is not None)
        if _keras.is_layer(thing):
            yield from _keras.containers(thing)
        if None in children:
            yield VARIABLES, _nameless(thing, children)
        yield from _live_optimizers.within(thing)
    elif isinstance(thing, Mapping):
        yield from ((str(key), value) for key, value in thing.items() if _is_holder(value))
    elif isinstance(thing, list | tuple):
        yield from ((str(i), value) for i, value in enumerate(thing) if _is_holder(value))


def _nameless(layer: Any, children: Mapping[str | None, Any]) -> Mapping[str, Any]:
    """Return by their places the weights that a layer of tf_keras made without a name, and keeps in no attribute."""
    kept = {id(each) for name, child in children.items() if name is not None for each in (child, *_members(child))}
    return {str(i): each for i, each in enumerate(_keras.own_variables(layer)) if id(each) not in kept}


def _members(thing: Any) -> Iterable[Any]:
    """Return what is in a list or dict."""
    return thing.values() if isinstance(thing, Mapping) else thing if isinstance(thing, list | tuple) else ()


def _is_holder(thing: object) -> bool:
    return hasattr(thing, "_trackable_children") or isinstance(thing, Mapping | list | tuple)


def _full_name(value: Any) -> str | None:
    name = getattr(value, "_shared_name", None)  # Only TensorFlow's variables have one.
    return None if name is None else str(name)


def _label(thing: Any) -> str | None:
    return thing.name if _keras.is_layer(thing) else None
