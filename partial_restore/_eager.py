"""The variables of a model outside of graphs, whatever holds them: how they are assigned and initialized anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import ResourceVariable  # It has no public name.

from partial_restore import _keras
from partial_restore._in_place import lent_memory
from partial_restore._tensors import as_value, eagerly, ensured_eager
from partial_restore._types import Entry, Name, Note


class Held(NamedTuple):
    """A variable of a model: as an entry, as TensorFlow's variable, as its holder knows it, and the holder.

    ``lacking`` are names that it might have in a file instead.
    """

    entry: Entry
    variable: Any
    handle: Any = None
    owner: Any = None
    lacking: Sequence[Name] = ()


def is_variable(thing: object) -> bool:
    cls: Any = type(thing)
    return _is_class_of_variables(cls)


@lru_cache(maxsize=4096)
def _is_class_of_variables(cls: Any) -> bool:
    """Say whether objects of a class are variables: to ask this of each of them takes long."""
    return issubclass(cls, tf.Variable) or _keras.is_class_of_variables(cls)


def all_variables(root: Any) -> Sequence[Any]:
    """Return all variables that a layer or module itself counts."""
    variables = getattr(root, "variables", ())
    return [variable for variable in variables if is_variable(variable)] if isinstance(variables, list | tuple) else []


def raw(variable: Any) -> Any:
    """Return TensorFlow's variable, which Keras wraps."""
    return variable._value if _keras.is_variable(variable) else variable


def shape_of(variable: Any) -> tuple[int, ...]:
    """Return the shape of what TensorFlow's variable holds, which may be declared unknown."""
    shape = variable.shape
    declared = [None] if shape.rank is None else shape.as_list()
    return tuple(tf.convert_to_tensor(variable).shape.as_list() if None in declared else declared)


def initial_value(spec: Any, entry: Entry) -> tf.Tensor:
    """Return what an initializer gives for a variable: one of Keras, its name, or a callable ``(shape, dtype)``."""
    made = _keras.initializer(spec) if isinstance(spec, str) else spec() if isinstance(spec, type) else spec
    with eagerly():
        return as_value(made(entry.shape, entry.dtype), entry)


class EagerTarget:
    """Variables in memory."""

    session = None
    batch_bytes = 16 * 2**20
    """Values to take at once. Memory that is touched for the first time costs ten times what reading into it does."""

    def __init__(
        self,
        held: Sequence[Held],
        automatic: Collection[str],
        stands_for: Callable[[object], Collection[str] | None],
        unready: Mapping[str, str] = MappingProxyType({}),
        called: str = "",
        joins: Callable[[Any, Any], bool | None] = lambda *_: None,
    ) -> None:
        self.entries: Sequence[Entry] = [each.entry for each in held]
        self.automatic = automatic
        self.unready = unready
        self.called = called
        self.stands_for = stands_for
        self._joins = joins
        self._held = {each.entry.key: each for each in held}

    @property
    def variables(self) -> Mapping[str, Any]:
        """TensorFlow's variables by the key of their entry."""
        return {key: each.variable for key, each in self._held.items()}

    def joins(self, one: str, other: str) -> bool | None:
        """Say whether the layer of one variable feeds that of another, or is fed by it; None if that is not known."""
        return self._joins(self._held[one].variable, self._held[other].variable)

    def is_empty(self, keys: Sequence[str]) -> bool:  # noqa: ARG002  A session needs them.
        """Return False: a variable in memory has a value."""
        return False

    def assign(self, values: Sequence[tuple[str, tf.Tensor]]) -> None:
        """Put the values into the variables; on a GPU or in a replica, wherever these live."""
        with ensured_eager():
            for key, value in values:
                _assign(self._held[key].variable, value)

    def lend(self, keys: Sequence[str]) -> Mapping[str, tf.Tensor]:
        """Return the memory of variables that can be read into."""
        held = [self._held[key] for key in keys]
        lent = {each.entry.key: lent_memory(each.variable, each.entry.nbytes) for each in held}
        return {key: tensor for key, tensor in lent.items() if tensor is not None}

    def values(self, keys: Sequence[str]) -> list[tf.Tensor]:
        """Return what the variables hold."""
        with ensured_eager():
            return [tf.convert_to_tensor(self._held[key].variable) for key in keys]

    def initial_values(self, keys: Sequence[str]) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
        """Return what the variables' own initializers give now, and for which variables none is known, with the reason."""
        copies: dict[int, Mapping[int, Any]] = {}
        failures: dict[int, str] = {}
        for owner in {id(owner): owner for key in keys if (owner := self._held[key].owner) is not None}.values():
            try:
                copies[id(owner)] = _keras.initial_values(owner)
            except Exception as error:  # noqa: BLE001  A person's own layer may fail to copy itself in any way.
                failures[id(owner)] = f"a copy of its layer cannot be built ({error})"
        values, unknown = [], []
        for key in keys:
            each = self._held[key]
            value = copies.get(id(each.owner), {}).get(id(each.handle))
            if value is None:
                value = self._by_attribute(each)
            if value is None:
                unknown.append((each.entry.name, failures.get(id(each.owner), "no layer knows its initializer")))
            else:
                values.append((key, value))
        return values, unknown

    def _by_attribute(self, held: Held) -> Any:
        """Return a value of the initializer that a layer keeps beside its variable, or None."""
        initializer = _keras.named_initializer(held.owner, held.handle) if held.owner is not None else None
        return initial_value(initializer, held.entry) if callable(initializer) else None

    def finish(self, rerun: Sequence[str], filled: Collection[str], note: Note) -> list[str]:  # noqa: ARG002  A session needs them.
        """Let layers that keep something computed from their variables (`Normalization`) compute it anew."""
        owners = {id(owner): owner for key in filled if (owner := self._held[key].owner) is not None}
        for owner in owners.values():
            _keras.finalize(owner)
        return []


def _assign(variable: Any, value: tf.Tensor) -> None:
    """Let the variable take the value's memory over; the op itself, a fifth of the cost of `assign`, where there is but one."""
    if type(variable) is ResourceVariable:
        tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value, validate_shape=True)
    else:
        variable.assign(value, read_value=False)
