"""Variables of a TensorFlow 1 graph, with the session that holds their values.

Values are fed into the variables' own initializers: that adds no op to the graph (it may be finalized) and lets
all shapes be checked before, where `Saver.restore` adds ops, checks nothing for resource variables and changes some
variables before it finds another's checksum wrong.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.ops.variables import PartitionedVariable  # It has no public name.

from partial_restore._keys import ends_with
from partial_restore._optimizers import states_of_keys
from partial_restore._tensors import eagerly
from partial_restore._types import Entry, Group, Note, State, name_of

_ASSIGNMENTS = ("Assign", "AssignVariableOp")


@dataclass(frozen=True, slots=True)
class _Part:
    """A variable, or one part of a partitioned one with its place in the whole."""

    variable: Any
    where: tuple[slice, ...]


class GraphTarget:
    """Variables of one graph in a session."""

    batch_bytes = 32 * 2**20
    """Values to take at once. The session prepares every run (10 ms), and keeps what it prepared."""
    automatic: Collection[str] = frozenset()
    called = ""
    unready: Mapping[str, str] = MappingProxyType({})

    def __init__(self, variables: Any, session: tf.compat.v1.Session) -> None:
        self.session = session
        self._parts: dict[str, list[_Part]] = {}
        named = _named(variables)
        if not named:
            raise ValueError("there are no variables to restore: the graph or the collection has none")
        whole: dict[str, tuple[tuple[int, ...], Any]] = {}
        for name, variable in named:
            _refuse_foreign(variable, session)
            info = variable._save_slice_info
            shape = tuple(info.full_shape) if info else _static_shape(variable)
            where = _slices(info) if info else ()
            if name in whole and not info:
                raise ValueError(f"two variables have the name {name!r}; give a mapping name -> variable")
            whole[name] = shape, variable.dtype.base_dtype
            self._parts.setdefault(name, []).append(_Part(variable, where))
        for name, (shape, _) in whole.items():
            _refuse_incomplete(name, shape, self._parts[name])
        session.run([])  # A closed session is found out before anything changes.
        states = states_of_keys({name: shape for name, (shape, _) in whole.items()})
        self.entries: Sequence[Entry] = [
            _entry(
                name,
                shape,
                dtype,
                states.get(name),
                said=not ends_with(name, _full_name(self._parts[name][0].variable)),
            )
            for name, (shape, dtype) in whole.items()
        ]

    @property
    def variables(self) -> Mapping[str, Any]:
        """The variables by name; a partitioned one is the list of its parts, as a Saver takes it."""
        return {
            name: parts[0].variable if not parts[0].where else [part.variable for part in parts]
            for name, parts in self._parts.items()
        }

    def stands_for(self, thing: object) -> Collection[str] | None:
        """Return the names of the variables that an object is or holds."""
        held: list[Any] = list(thing) if isinstance(thing, PartitionedVariable) else [thing]
        if not all(isinstance(each, tf.Variable) for each in held):
            return None
        return {
            name for name, parts in self._parts.items() if any(part.variable is each for part in parts for each in held)
        }

    def joins(self, one: str, other: str) -> None:
        """Return None: of a graph nobody knows its layers."""

    def is_empty(self, keys: Sequence[str]) -> bool:
        """Say whether none of these variables has a value yet, and each takes over the memory of the one that it gets.

        Those of TensorFlow 1 copy it, as do devices with a memory of their own.
        """
        parts = [part for key in keys for part in self._parts[key]]
        if any(part.where or part.variable.initializer.type != "AssignVariableOp" for part in parts):
            return False
        if any(device.device_type != "CPU" for device in _underlying(self.session).list_devices()):
            return False
        told = [_says_whether_it_has_a_value(part.variable) for part in parts]
        return None not in told and not any(self.session.run(told))

    def assign(self, values: Sequence[tuple[str, tf.Tensor]]) -> None:
        """Put the values into the variables, in as few runs as there are variables that share an initial value."""
        runs: list[tuple[list[Any], dict[Any, Any]]] = []
        for name, value in values:
            array = value._numpy() if isinstance(value, tf.Tensor) else value  # `numpy` would make a copy.
            for part in self._parts[name]:
                operation = part.variable.initializer
                ops, feeds = next((run for run in runs if operation.inputs[1].ref() not in run[1]), ([], {}))
                if not ops:
                    runs.append((ops, feeds))
                ops.append(operation)
                feeds[operation.inputs[1].ref()] = array[part.where] if part.where else array
        for ops, feeds in runs:
            self.session.run(ops, {ref.deref(): array for ref, array in feeds.items()})

    def lend(self, keys: Sequence[str]) -> Mapping[str, tf.Tensor]:  # noqa: ARG002
        """Return nothing: the memory is the session's."""
        return {}

    def values(self, keys: Sequence[str]) -> list[tf.Tensor]:
        """Return what the variables hold, a partitioned one in one piece."""
        shapes = {entry.key: entry.shape for entry in self.entries}
        reads = {key: [_read(part.variable) for part in self._parts[key]] for key in keys}
        with eagerly():
            return [
                tf.constant(_joined(self._parts[key], shapes[key], pieces))
                for key, pieces in self.session.run(reads).items()
            ]

    def initial_values(self, keys: Sequence[str]) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:  # noqa: ARG002
        """Return nothing: a graph's initializers run in the session, where `finish` starts them."""
        return [], []

    def finish(self, rerun: Sequence[str], filled: Collection[str], note: Note) -> list[str]:
        """Run the initializers of the variables that have no value yet, and of those to be initialized anew."""
        rest = [name for name in self._parts if name not in filled]
        started = [name for name in rest if name in set(rerun) or not self._has_value(name)]
        note(started)
        self._initialize(started)
        return started

    def _initialize(self, names: Sequence[str]) -> None:
        """Run initializers; those that need the value of another one after it."""
        if self._is_initialized_by_run(names):
            return
        while waiting := [name for name in names if not self._is_initialized_by_run([name])]:
            if len(waiting) == len(names):
                self._run_initializers(waiting)
            names = waiting

    def _is_initialized_by_run(self, names: Sequence[str]) -> bool:
        try:
            self._run_initializers(names)
        except tf.errors.FailedPreconditionError:
            return False
        return True

    def _run_initializers(self, names: Sequence[str]) -> None:
        self.session.run([part.variable.initializer for name in names for part in self._parts[name]])

    def _has_value(self, name: str) -> bool:
        """Say whether every part of a variable is initialized, without adding an op to the graph."""
        try:
            self.session.run([_read(part.variable).op for part in self._parts[name]])
        except tf.errors.FailedPreconditionError:
            return False
        return True


def _underlying(session: Any) -> Any:
    """Return the session that a monitored one uses, or the session itself."""
    return (
        session.run_step_fn(lambda step_context: step_context.session) if hasattr(session, "run_step_fn") else session
    )


def _read(variable: Any) -> Any:
    """Return the tensor that a variable of a graph was made with to read it: no op is added."""
    return variable._graph_element if hasattr(variable, "_graph_element") else variable._snapshot


def _says_whether_it_has_a_value(variable: Any) -> Any:
    """Return the tensor that was made with a variable to tell whether it is initialized, or None: no op is added."""
    return next((op.outputs[0] for op in variable.handle.consumers() if op.type == "VarIsInitializedOp"), None)


def _joined(parts: Sequence[_Part], shape: tuple[int, ...], pieces: Sequence[Any]) -> Any:
    if not parts[0].where:
        return pieces[0]
    whole = np.empty(shape, pieces[0].dtype)
    for part, piece in zip(parts, pieces, strict=True):
        whole[part.where] = piece
    return whole


def _refuse_incomplete(name: str, shape: tuple[int, ...], parts: Sequence[_Part]) -> None:
    """Refuse some parts of a partitioned variable without the others, and one variable given twice."""
    sizes = [math.prod(size.stop - size.start for size in part.where) for part in parts]
    if parts[0].where and (sum(sizes) != math.prod(shape) or len({str(part.where) for part in parts}) < len(parts)):
        raise ValueError(f"not all parts of the partitioned variable {name!r} are given; give the whole")


def _named(variables: Any) -> list[tuple[str, Any]]:
    """Return (name, variable) of all variables; each part of a partitioned one under the name of the whole."""
    if isinstance(variables, tf.Graph):
        variables = variables.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES)
    if not isinstance(variables, Iterable):
        raise _no_model(variables)
    given = variables.items() if isinstance(variables, Mapping) else ((None, each) for each in variables)
    return [
        (name.removesuffix(":0") if name else _full_name(part), part)
        for name, each in given
        for part in (each if _is_several(each) else [each])
    ]


def _is_several(thing: object) -> bool:
    return isinstance(thing, list | tuple | PartitionedVariable)


def _no_model(thing: Any) -> TypeError:
    return TypeError(f"with session= a model is a tf.Graph or its variables; {thing!r} is neither")


def _full_name(variable: Any) -> str:
    if not isinstance(variable, tf.Variable):
        raise _no_model(variable)
    info = variable._save_slice_info
    return str(info.full_name if info else variable.op.name)


def _refuse_foreign(variable: Any, session: tf.compat.v1.Session) -> None:
    """Refuse what the session cannot hold, or what cannot be fed."""
    if getattr(variable, "graph", None) is not session.graph:
        raise ValueError(f"{variable!r} is not a variable of the session's graph")
    if variable.initializer is None or variable.initializer.type not in _ASSIGNMENTS:
        raise ValueError(f"{variable!r} has no initializer into which a value could be fed")


def _static_shape(variable: Any) -> tuple[int, ...]:
    shape = variable.shape
    return tuple(-1 if size is None else int(size) for size in shape.as_list()) if shape.rank is not None else (-1,)


def _slices(info: Any) -> tuple[slice, ...]:
    return tuple(slice(start, start + size) for start, size in zip(info.var_offset, info.var_shape, strict=True))


def _entry(name: str, shape: tuple[int, ...], dtype: Any, state: State | None, *, said: bool) -> Entry:
    names = (name_of(name, said=None if said else False),)
    group: Group = "optimizer" if state else "model"
    return Entry(name, names, names, shape, dtype.name, group, dtype.size, state=state)
