"""Where either Keras would store the variables of a layer in HDF5. Keras is never imported here."""

from __future__ import annotations

import operator
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

from partial_restore._keras import automatic_base, family_of, is_layer, is_metric, keras_3
from partial_restore._keras_own import stored_variables
from partial_restore._keys import AUTOMATIC, CONTAINER
from partial_restore._places import Group, base_of, snake_case
from partial_restore._types import Layout

T = TypeVar("T")
_Further = tuple[Group, Group, tuple[bool, ...]]
"""Where a layer stands, where it stands as well, and which segments of that are places in lists."""

_LISTS = ("layers", "_layers")
"""Attributes in which Keras lists all layers of one."""

_INNER = "_self_"
"""How the attributes begin in which TensorFlow keeps what it tracks."""

_TRACKED = "_self_unconditional_dependency_names"
"""Where it keeps all attributes, by name: no dict of a person."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where Keras 3 would store a layer's own variables: its path, which of the segments are places in lists, its names.

    ``labels`` are the names of the layers at the path and above it, ``order`` says how the members of a list follow each other.
    It stands ``elsewhere`` if Keras would store it under another attribute now.
    """

    group: Group
    members: tuple[bool, ...]
    labels: Mapping[Group, str]
    order: Mapping[Group, int]
    variables: Mapping[str, Any]
    elsewhere: bool = False


def stored(layer: Any, layout: Layout, *, reverse: bool, sorts: bool) -> list[Stored]:
    """Return where the layers from this one down would be stored, and where a file of a layout has them.

    tf_keras goes through attributes in reverse order, and sorts what a dict adds to the layers of a model by its keys. Neither it nor
    the first releases of Keras 3 go into a list in a list: what is there they find among the layers of the model alone.
    """
    nests = not reverse and any(base_of(segment) == CONTAINER for group in layout.groups for segment in group)
    walk = _Walk(reverse=reverse, sorts=sorts, nests=nests)
    with warnings.catch_warnings():  # To look at a deprecated property is not to use it.
        warnings.simplefilter("ignore")
        walk.layer(layer, (), ())
    return [*walk.here(layout), *walk.elsewhere(layout)]


def listed(owner: Any, layers: Sequence[Any], *, sorts: bool) -> list[Any]:
    """Return the layers of a model in the order in which a Keras lists them that sorts the keys of dicts, or does not.

    Its own Keras has listed them. The other one would go through the same attributes, if these are what they were listed by.
    """
    does_sort = family_of(owner) is not keras_3()
    if does_sort == sorts or is_of_layers(owner):
        return list(layers)
    skipped = _plain_attributes(family_of(owner))
    held = {name: value for name, value in vars(owner).items() if name not in skipped and not name.startswith(_INNER)}
    own, other = ([*_met(held.values(), sorts=each)] for each in (does_sort, sorts))
    ids = {id(each) for each in held.values()}
    in_attributes = ([id(each) for each in some if id(each) in ids] for some in (own, layers))
    is_known = {*map(id, own)} == {*map(id, layers)} and operator.eq(*in_attributes)
    if is_known:  # What is in a list or dict may have been put there later.
        return other
    return _listed_anew(layers, held.values(), sorts=sorts)  # An attribute was set again.


def _listed_anew(layers: Sequence[Any], things: Iterable[Any], *, sorts: bool) -> list[Any]:
    """Return the layers, those of each container in another order, in the places that these have."""
    places = {id(each): i for i, each in enumerate(layers)}
    found = list(layers)
    for thing in things:
        members = [each for each in _met([thing], sorts=sorts) if id(each) in places]
        for i, each in zip(sorted(places.pop(id(each)) for each in members), members, strict=True):
            found[i] = each
    return found


def is_of_layers(layer: Any) -> bool:
    """Say whether a model was made of a list or a graph of layers."""
    is_of_graph = hasattr(layer, "_operations") or getattr(layer, "_is_graph_network", False)
    return is_of_graph or isinstance(layer, family_of(layer).Sequential)


def _met(things: Iterable[Any], *, sorts: bool) -> Iterator[Any]:
    """Yield layers and those in containers, each where it is met first."""
    seen: set[int] = set()
    waiting = [*things][::-1]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if is_layer(thing) and not is_metric(thing):
            yield thing
        elif isinstance(thing, Mapping):
            waiting.extend([thing[key] for key in (sorted(thing, key=str) if sorts else thing)][::-1])
        elif isinstance(thing, list | tuple):
            waiting.extend(thing[::-1])


class _Walk:
    """Goes through a layer as Keras does when it saves."""

    def __init__(self, *, reverse: bool, sorts: bool, nests: bool) -> None:
        self.found: list[Stored] = []
        self._reverse, self._sorts, self._nests = reverse, sorts, nests
        self._visited: dict[int, Any] = {}
        self._homes: dict[int, Group] = {}
        self._further: list[_Further] = []
        self._chosen: dict[Group, str] = {}
        self._listed_again: set[Group] = set()
        self._labels: dict[Group, str] = {}
        self._order: dict[Group, int] = {}

    def layer(self, layer: Any, group: Group, members: tuple[bool, ...]) -> None:
        if id(layer) in self._visited:
            if members and members[-1] and group[-2] not in _LISTS:
                self._listed_again.add(self._homes[id(layer)])
            if members and (not members[-1] or not _is_below(self._homes[id(layer)], group[:-2])):
                self._further.append((self._homes[id(layer)], group, members))
            return
        self._visited[id(layer)] = layer
        self._homes[id(layer)] = group
        self._labels[group] = layer.name
        self._chosen[group] = "" if automatic_base(layer) else _chosen(layer.name)
        self.found.append(Stored(group, members, self._labels, self._order, stored_variables(layer)))
        for name, value in self._attributes(layer):
            self._thing(value, (*group, name), (*members, False))

    def here(self, layout: Layout) -> Iterator[Stored]:
        """Yield the layers where Keras stores them.

        An attribute is no name of a layer that stands in a list, too, where the file has a layer of another chosen name: its own is.
        """
        called: dict[Group, Group] = {}
        for home in self._listed_again & {each.group for each in self.found if not all(each.members[-1:])}:
            ours, theirs = self._chosen[home], _chosen(layout.labels.get(home, ""))
            if ours and theirs and ours != theirs:
                called[home] = (*home[:-1], ours)
                self._labels |= _below(self._labels, home, called[home])
        for each in self.found:
            home = next((home for home in called if each.group[: len(home)] == home), ())
            yield replace(each, group=(*called[home], *each.group[len(home) :])) if home else each

    def elsewhere(self, layout: Layout) -> Iterator[Stored]:
        """Yield the layers under further attributes, those that a file has, unless it has a layer of another chosen name there.

        Keras stores a layer under the first attribute in which it meets it: another one may have been the first, or the only one.
        So it does in the list of a further model, where the name is to be the same.
        """
        known = {group[:depth] for group in layout.groups for depth in range(1, len(group) + 1)}
        called = {_called(group, layout.labels) for group in known}
        for home, group, members in [*self._further, *self._called_so(layout, known)]:
            ours, theirs = self._chosen[home], _chosen(layout.labels.get(group, ""))
            is_there = group in known and (not ours or not theirs or ours == theirs)
            if members[-1]:
                is_there = bool(ours) and (*_called(group[:-1], self._labels), ours) in called
            if is_there and not _is_below(group, home):
                yield from self._moved(home, group, members)

    def _called_so(self, layout: Layout, known: set[Group]) -> Iterator[_Further]:
        """Yield the layers in attributes that a file has not, with the one that the model has not, in which the file has the layer of that chosen name.

        It is the only one of the name on either side.
        """
        ours = {*self._chosen, *(group for _, group, _ in self._further)}
        met = known | {home for home, group, _ in self._further if group in known}
        times = Counter([*self._chosen.values(), *layout.labels.values()])
        at = {(group[:-1], label): group for group, label in layout.labels.items() if group not in ours}
        for each in self.found:
            home, name = each.group, self._chosen[each.group]
            group = at.get((home[:-1], name))
            if home and name and group and times[name] == 2 and home not in met and not each.members[-1]:
                yield home, group, each.members

    def _moved(self, home: Group, group: Group, members: tuple[bool, ...]) -> Iterator[Stored]:
        """Yield the layer at a path, and what is below, under another one."""
        self._labels |= _below(self._labels, home, group)
        self._order |= _below(self._order, home, group)
        for each in self.found:
            if each.group[: len(home)] == home:
                moved, below = (*group, *each.group[len(home) :]), (*members, *each.members[len(home) :])
                yield replace(each, group=moved, members=below, elsewhere=True)

    def _thing(self, value: Any, group: Group, members: tuple[bool, ...]) -> None:
        if is_layer(value) and not is_metric(value):
            self.layer(value, group, members)
        elif isinstance(value, list | tuple | Mapping):
            self._container(value, group, members)

    def _container(self, container: Any, group: Group, members: tuple[bool, ...]) -> None:
        if id(container) in self._visited:
            return
        self._visited[id(container)] = container  # Kept: a list that a property made would leave its id to another.
        times: dict[str, int] = {}
        for each in list(container.values() if isinstance(container, Mapping) else container):
            is_list = self._nests and isinstance(each, list | tuple | Mapping)
            if not (is_list or is_layer(each)) or (self._reverse and id(each) in self._visited):
                continue
            kind = CONTAINER if is_list else snake_case(type(each).__name__)
            times[kind] = times.get(kind, -1) + 1
            place = (*group, f"{kind}_{times[kind]}" if times[kind] else kind)
            self._order.setdefault(place, len(self._order))
            self._thing(each, place, (*members, True))

    def _attributes(self, layer: Any) -> Iterator[tuple[str, Any]]:
        """Yield what a layer has beyond what every layer has, private attributes last, or all in reverse order."""
        family = family_of(layer)
        skipped = {
            *_plain_attributes(family),
            _TRACKED,
            "_functional",
            "_operations",
            "operations",
        }
        names = [name for name in dir(layer) if not name.startswith("__") and name not in skipped]
        names.sort(key=lambda name: name if self._reverse else name.replace("_", "~", 1) if name[0] == "_" else name)
        if self._reverse:
            names.reverse()
        elif is_of_layers(layer):
            names = ["layers", *names]
        for name in names:
            try:
                value = getattr(layer, name)
            except Exception:  # noqa: BLE001, S112  A property of a person's own layer may raise anything.
                continue
            yield (
                name,
                listed(layer, value, sorts=self._sorts) if name == "layers" and isinstance(value, list) else value,
            )


def _chosen(name: str) -> str:
    """Return the name of a layer, or an empty string if Keras may have made it up."""
    return "" if base_of(name) in AUTOMATIC else name


def _called(group: Group, labels: Mapping[Group, str]) -> Group:
    """Return a path with the names that were chosen for the layers on it."""
    return tuple(_chosen(labels.get(group[: i + 1], "")) or segment for i, segment in enumerate(group))


def _is_below(group: Group, home: Group) -> bool:
    return group[: len(home)] == home


def _below(told: Mapping[Group, T], home: Group, group: Group) -> dict[Group, T]:
    """Return what is told of one path and of all below it, for another one."""
    return {(*group, *at[len(home) :]): each for at, each in told.items() if at[: len(home)] == home}


@cache
def _plain_attributes(family: Any) -> frozenset[str]:
    return frozenset(dir(family.layers.Layer()))
