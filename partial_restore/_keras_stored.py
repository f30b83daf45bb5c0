"""Where either Keras would store the variables of a layer in HDF5. Keras is never imported here."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from partial_restore._keras import automatic_base, family_of, is_layer, is_metric, own_variables
from partial_restore._keys import AUTOMATIC
from partial_restore._places import Group, base_of, snake_case
from partial_restore._types import Layout, name_of

T = TypeVar("T")
_Further = tuple[Group, Group, tuple[bool, ...]]
"""Where a layer stands, where it stands as well, and which segments of that are places in lists."""

_LISTS = ("layers", "_layers")
"""Attributes in which Keras lists all layers of one."""

_TRACKED = "_self_unconditional_dependency_names"
"""Where TensorFlow keeps all attributes that it tracks, by name: no dict of a person."""


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

    tf_keras goes through attributes in reverse order, and sorts what a dict adds to the layers of a model by its keys.
    """
    walk = _Walk(reverse=reverse, sorts=sorts)
    with warnings.catch_warnings():  # To look at a deprecated property is not to use it.
        warnings.simplefilter("ignore")
        walk.layer(layer, (), ())
    return [*walk.here(layout), *walk.elsewhere(layout)]


class _Walk:
    """Goes through a layer as Keras does when it saves."""

    def __init__(self, *, reverse: bool, sorts: bool) -> None:
        self.found: list[Stored] = []
        self._reverse, self._sorts = reverse, sorts
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
        self.found.append(Stored(group, members, self._labels, self._order, _stored_variables(layer)))
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
            is_list = isinstance(each, list | tuple | Mapping)
            if not (is_list or is_layer(each)) or (self._reverse and id(each) in self._visited):
                continue
            kind = "container" if is_list else snake_case(type(each).__name__)
            times[kind] = times.get(kind, -1) + 1
            place = (*group, f"{kind}_{times[kind]}" if times[kind] else kind)
            self._order.setdefault(place, len(self._order))
            self._thing(each, place, (*members, True))

    def _attributes(self, layer: Any) -> Iterator[tuple[str, Any]]:
        """Yield what a layer has beyond what every layer has, private attributes last, or all in reverse order."""
        family = family_of(layer)
        is_of_layers = (
            isinstance(layer, family.Sequential)
            or hasattr(layer, "_operations")
            or getattr(layer, "_is_graph_network", False)
        )
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
        elif is_of_layers:
            names = ["layers", *names]
        for name in names:
            try:
                value = getattr(layer, name)
            except Exception:  # noqa: BLE001, S112  A property of a person's own layer may raise anything.
                continue
            yield name, self._listed(layer, value) if name == "layers" and isinstance(value, list) else value

    def _listed(self, owner: Any, layers: Sequence[Any]) -> list[Any]:
        """Return the layers of a model, those of a dict in the order in which its Keras lists them."""
        listed = list(layers)
        for name, held in vars(owner).items():
            if (
                name != _TRACKED
                and isinstance(held, Mapping)
                and held
                and all(is_layer(each) for each in held.values())
            ):
                members = [held[key] for key in (sorted(held, key=str) if self._sorts else held)]
                ids = {id(each) for each in members}
                places = [i for i, each in enumerate(layers) if id(each) in ids]
                if len(places) == len(members):
                    for i, each in zip(places, members, strict=True):
                        listed[i] = each
        return listed


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


def _stored_variables(layer: Any) -> dict[str, Any]:
    """Return a layer's own variables under the keys under which it stores them itself.

    A layer with LoRA stores a kernel into which the update is merged, and the scale of it; they go into its own.
    """
    own = own_variables(layer)
    if type(layer).save_own_variables is family_of(layer).layers.Layer.save_own_variables:
        return {str(i): variable for i, variable in enumerate(own)}
    store: dict[str, Any] = {}
    try:
        layer.save_own_variables(store)
    except Exception:  # noqa: BLE001  A person's own layer may need a real file.
        return {}
    ids = {id(variable) for variable in own}
    is_lora = getattr(layer, "lora_enabled", False)
    if not is_lora and not ids.intersection(map(id, store.values())):
        return dict(_copied(layer, store, own))
    merged = _merged(store, own) if is_lora else {}
    return {str(key): merged.get(key, value) for key, value in store.items() if key in merged or id(value) in ids}


def _merged(store: Mapping[str, Any], own: Sequence[Any]) -> dict[str, Any]:
    """Return the variables into which the update of LoRA was merged where they are stored: of its shape there is one alone."""
    stored = set(map(id, store.values()))
    rest = [each for each in own if id(each) not in stored and not each.name.startswith("lora_")]
    ids = set(map(id, own))
    shapes = {key: tuple(getattr(value, "shape", ())) for key, value in store.items() if id(value) not in ids}
    fits = {key: [each for each in rest if tuple(each.shape) == shape] for key, shape in shapes.items()}
    times = Counter(shapes.values())
    return {key: found[0] for key, found in fits.items() if len(found) == times[shapes[key]] == 1}


def _copied(layer: Any, store: Mapping[Any, Any], own: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the variables whose values a layer stores copies of, by key: the value tells, where several are equal the name.

    What is as it was when it is changed tells nothing: zeros may be doubled in the file, and transposed. Keras 3 can let
    the layer store other values than it has, which are like no others.
    """
    scope = getattr(family_of(layer), "StatelessScope", None)
    values = [np.asarray(variable) for variable in own]
    if scope:
        values = _unlike(own)
        store = {}
        with suppress(Exception), scope(state_mapping=list(zip(own, values, strict=True))):
            layer.save_own_variables(store)
    same = {str(key): [i for i, value in enumerate(values) if _is_equal(value, copy)] for key, copy in store.items()}
    times = Counter(i for found in same.values() for i in found)
    for key, found in same.items():
        named = [i for i in found if key == name_of(own[i].name.removesuffix(":0")).segments[-1]]
        decided = found if len(found) == 1 and times[found[0]] == 1 else named
        if len(decided) == 1 and not (_is_symmetric(values[decided[0]]) or _is_plain(values[decided[0]])):
            yield key, own[decided[0]]


def _unlike(variables: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """Return a random value of the shape and dtype of each variable."""
    chance = np.random.default_rng(0)
    return [
        np.asarray(chance.uniform(2, 100, size=tuple(each.shape)), tf.as_dtype(each.dtype).as_numpy_dtype)
        for each in variables
    ]


def _is_plain(value: np.ndarray[Any, Any]) -> bool:
    """Say whether all numbers are zero or one: so they would be if they were squared, or in part if they were doubled."""
    return bool(np.isin(value, (0, 1)).all())


def _is_equal(value: np.ndarray[Any, Any], copy: Any) -> bool:
    stored = np.asarray(copy)
    return stored.shape == value.shape and stored.tobytes() == value.tobytes()


def _is_symmetric(value: np.ndarray[Any, Any]) -> bool:
    axes = itertools.combinations(range(value.ndim), 2)
    return any(
        value.shape[i] == value.shape[j] > 1 and np.array_equal(value, np.swapaxes(value, i, j)) for i, j in axes
    )
