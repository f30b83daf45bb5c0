"""Which layers of a model feed which others, where Keras keeps a graph or a sequence of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, reduce
from operator import or_
from typing import Any

from partial_restore._eager import all_variables, raw
from partial_restore._keras import family_of, is_layer
from partial_restore._keras_stored import is_of_layers
from partial_restore._keys import is_chosen_input


class Flow:
    """The layers of models from inputs to outputs, read when somebody asks for the first time.

    Each layer has a bit, an inner model has those of its layers; what stands before a layer is a set of bits.
    """

    def __init__(self, models: Sequence[Any]) -> None:
        self._models = models
        self._own: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._leaves: list[Any] = []

    def joins(self, one: Any, other: Any) -> bool | None:
        """Say whether the layer of one of two variables feeds that of the other, directly or not; None if that is not known."""
        ours, theirs = (self._bits.get(id(raw(each)), (0, 0)) for each in (one, other))
        for whole in self._wholes:  # A layer of one model may hold another one, in which both are.
            mine, yours = ours[0] & whole, theirs[0] & whole
            if mine and yours and not mine & yours:
                return bool(mine & theirs[1] or yours & ours[1])
        return None

    def inputs_of(self, variable: Any) -> frozenset[str]:
        """Return the inputs that feed the layer of a variable, of a model that has several with names which a person chose."""
        _, before = self._bits.get(id(raw(variable)), (0, 0))
        return frozenset(name for name, own in self._inputs.items() if own & before)

    @property
    def has_inputs(self) -> bool:
        """Whether a model has several inputs with names that a person chose."""
        return bool(self._inputs)

    @cached_property
    def _tops(self) -> Sequence[Any]:
        """The models that lie in no other one."""
        inner = {id(member) for model in self._models for member, _ in _members(model)}
        return [model for model in self._models if id(model) not in inner]

    @cached_property
    def _inputs(self) -> Mapping[str, int]:
        """The bits of the inputs with names that a person chose, if there are several."""
        chosen = {id(each): each.name for each in self._models if _is_input(each) and is_chosen_input(each.name)}
        members = (member for model in (self._tops if len(chosen) > 1 else ()) for member, _ in _members(model))
        found = {chosen[id(member)]: member for member in members if id(member) in chosen}
        return {name: self._own[id(each)] for name, each in found.items()} if len(found) > 1 and self._wholes else {}

    @cached_property
    def _wholes(self) -> Sequence[int]:
        """The bits of each model that lies in no other one."""
        wholes = [self._marked(model) for model in self._tops]
        for model in self._tops:
            self._walk(model, 0)
        return wholes

    @cached_property
    def _bits(self) -> Mapping[int, tuple[int, int]]:
        """What the layer of each variable is, and what stands before it."""
        if not self._wholes:
            return {}
        found: dict[int, tuple[int, int]] = {}
        for layer in self._leaves:
            for variable in all_variables(layer):
                own, before = found.get(id(raw(variable)), (0, 0))
                found[id(raw(variable))] = own | self._own[id(layer)], before | self._before.get(id(layer), 0)
        return found

    def _marked(self, layer: Any) -> int:
        if id(layer) not in self._own:
            within = [self._marked(member) for member, _ in _members(layer)]
            self._own[id(layer)] = reduce(or_, within) if within else 1 << len(self._leaves)
            if not within:
                self._leaves.append(layer)
        return self._own[id(layer)]

    def _walk(self, model: Any, before: int) -> None:
        """Note what stands before the layers of a model, and of those within; a layer that is called again may stand before itself."""
        members = _members(model)
        is_new = bool(members)
        while is_new:
            is_new = False
            for member, parents in members:
                known = self._before.get(id(member), 0)
                found = [self._own.get(id(each), 0) | self._before.get(id(each), 0) for each in parents]
                self._before[id(member)] = reduce(or_, found, before | known)
                is_new = is_new or self._before[id(member)] != known
        for member, _ in members:
            self._walk(member, self._before[id(member)])


def _is_input(layer: Any) -> bool:
    return isinstance(layer, family_of(layer).layers.InputLayer)


def _members(model: Any) -> list[tuple[Any, Sequence[Any]]]:
    """Return the layers of a model that is a graph or a sequence of them, each with those that feed it directly."""
    if not (is_layer(model) and is_of_layers(model)):
        return []
    if isinstance(model, family_of(model).Sequential):
        return [(layer, model.layers[max(i - 1, 0) : i]) for i, layer in enumerate(model.layers)]
    members = getattr(model, "_operations", None) or model.layers
    known = {id(each) for each in members}
    return [(each, [parent for parent in _parents(each) if id(parent) in known]) for each in members]


def _parents(layer: Any) -> Iterator[Any]:
    """Yield what feeds a layer, in all models in which it is."""
    for node in layer._inbound_nodes:
        for parent in node.parent_nodes:
            yield parent.operation if hasattr(parent, "operation") else parent.layer
