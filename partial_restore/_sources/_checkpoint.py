"""TensorFlow's own checkpoints: V1 and V2, by name or by object graph, in one file or in shards.

`CheckpointReader` says what is there, the recorded `TrackableObjectGraph` what it is called, `RestoreV2` gives the
values and holds them against their checksums.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import trackable_object_graph_pb2

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._in_place import NOWHERE, moved
from partial_restore._keys import is_place
from partial_restore._names import Names, names_of_graph
from partial_restore._nodes import Node
from partial_restore._optimizers import states_of_keys
from partial_restore._recorded import GRAPH_KEY, KEY, is_bookkeeping, names_in
from partial_restore._sources._bundle import Bundle
from partial_restore._sources._files import stamps_of
from partial_restore._sources._locate import locate, written_of
from partial_restore._tensors import eagerly
from partial_restore._types import Entry, Layout, Name, State, name_of

_VALUE = "VARIABLE_VALUE"
_NO_ARRAYS = ("variant", "resource")
_READER_ERRORS = (tf.errors.OpError, RuntimeError, ValueError, LookupError, MemoryError, NotImplementedError)
"""What TensorFlow raises for a damaged index: pybind turns a status such as OUT_OF_RANGE into a built-in exception."""


class CheckpointSource:
    """A checkpoint of TensorFlow at ``prefix``."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = self._prefix = locate(path)
        self.stamps = stamps_of(written_of(self._prefix))
        self._bundle = Bundle(self._prefix)
        try:
            self._reader: Any = tf.compat.v1.train.NewCheckpointReader(self._prefix)
        except _READER_ERRORS as error:
            raise UnreadableCheckpointError(self.path, _first_line(error)) from error
        self._recorded = self._read_record() if self._reader.has_tensor(KEY) else {}

    @cached_property
    def layout(self) -> Layout:
        """By attributes, as `save_subset` recorded, or as TensorFlow 1 named variables."""
        if not self._reader.has_tensor(GRAPH_KEY):
            return Layout("names" if self._recorded else "ops")
        weights = [entry for entry in self.entries if entry.group == "model"]
        return Layout(
            "objects",
            is_export=all(entry.paths in ((), entry.given) for entry in weights),
            unnamed=any(
                is_place(segment) for entry in self.entries for path in entry.paths for segment in path.segments
            ),
        )

    @cached_property
    def _dtypes(self) -> Mapping[str, Any]:
        return dict(self._reader.get_variable_to_dtype_map())

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """Every tensor that the file lists, in its own order."""
        shapes: Mapping[str, list[int]] = self._reader.get_variable_to_shape_map()
        dtypes = self._dtypes
        names, states = self._object_names() if GRAPH_KEY in shapes else (self._recorded, states_of_keys(shapes))
        keys = [*(key for key in names if key in shapes), *sorted(shapes.keys() - names.keys())]
        return [
            _entry(
                key,
                tuple(shapes[key]),
                dtypes[key],
                names.get(key) or _name_based(key, states, has_graph=bool(names)),
                states.get(key),
            )
            for key in keys
        ]

    def read(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return the values, in the order of the keys, each checked against its checksum."""
        dtypes = self._dtypes
        try:
            with eagerly():
                values = tf.raw_ops.RestoreV2(
                    prefix=self._prefix,
                    tensor_names=list(keys),
                    shape_and_slices=[""] * len(keys),
                    dtypes=[dtypes[key] for key in keys],
                )
                return [moved(value, into.get(key)) for key, value in zip(keys, values, strict=True)]
        except tf.errors.OpError as error:
            raise UnreadableCheckpointError(self.path, _first_line(error)) from error

    def check(self, keys: Sequence[str]) -> None:
        """Hold the values against their checksums; TensorFlow does so only as it reads them."""
        self.read(keys)

    def reread(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return values that were held against their checksums before, from where they lie if that is known."""
        with eagerly():
            values = self._bundle.read(keys, into)
        return self.read(keys, into) if values is None else values

    def _read_record(self) -> dict[str, Names]:
        """Return the names that `save_subset` recorded, by key."""
        try:
            found = names_in(self.read([KEY])[0].numpy())
        except ValueError as error:
            raise UnreadableCheckpointError(self.path, f"its record of names is damaged: {error}") from error
        return {
            key: Names(paths, given, "model", blocks=blocks, inputs=inputs)
            for key, (paths, given, blocks, inputs) in found.items()
            if paths or given
        }

    def _object_names(self) -> tuple[dict[str, Names], dict[str, State]]:
        """Return the names of every tensor that the object graph refers to, by key, in its order, and optimizer state."""
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        try:
            graph.ParseFromString(self.read([GRAPH_KEY])[0].numpy())
        except DecodeError as error:
            raise UnreadableCheckpointError(self.path, f"its object graph is damaged: {_first_line(error)}") from error
        attributes = [
            [(each.name, each.full_name, each.checkpoint_key) for each in node.attributes] for node in graph.nodes
        ]
        nodes = [_node(node, held) for node, held in zip(graph.nodes, attributes, strict=True)]
        size = len(nodes)
        if not size or any(not 0 <= i < size for node in nodes for _, i in node.children):
            raise UnreadableCheckpointError(self.path, "its object graph is empty or refers to objects that it lacks")
        leaves = [i for i, held in enumerate(attributes) if held]
        values = {i: key for i in leaves for name, _, key in attributes[i] if name == _VALUE}
        names = names_of_graph(nodes, leaves)
        if len(values) < len(leaves):
            # No model in memory counts a layer that has but a table among those with variables.
            names |= names_of_graph(nodes, list(values))
        return {key: _attribute_names(names[i], name) for i in leaves for name, _, key in attributes[i]}, {
            key: piece.state(values) for i, key in values.items() if (piece := names[i].piece)
        }


def _node(node: Any, attributes: Sequence[tuple[str, str, str]]) -> Node:
    """Return a node of the graph; to find out that a field is empty takes less time than to go through it."""
    children, slots = node.children, node.slot_variables
    return Node(
        [(each.local_name, each.node_id) for each in children] if children else (),
        next((full_name for name, full_name, _ in attributes if name == _VALUE), None),
        slots=[(each.original_variable_node_id, each.slot_name, each.slot_variable_node_id) for each in slots]
        if slots
        else (),
    )


def _attribute_names(names: Names, attribute: str) -> Names:
    """Return the names of one attribute of an object; a variable's value bears the name of the variable."""
    if attribute == _VALUE:
        return names
    paths = tuple(Name((*name.segments, attribute), (*name.said, True)) for name in names.paths)
    return Names(paths or (name_of(attribute, said=True),), (), names.group)


def _name_based(key: str, states: Collection[str], *, has_graph: bool) -> Names:
    """Return the names of a tensor that is known by its key alone: who wrote the name, a person or TensorFlow, is not."""
    names = (name_of(key, said=None),)
    return Names(names, names, "internal" if has_graph else "optimizer" if key in states else "model")


def _entry(key: str, shape: tuple[int, ...], dtype: tf.DType, names: Names, state: State | None) -> Entry:
    name = dtype.name
    unreadable = name in _NO_ARRAYS or is_bookkeeping(key)
    return Entry(
        key,
        names.paths,
        (*names.given, *names.scoped),
        shape,
        name,
        "internal" if unreadable else names.group,
        dtype.size,
        names.nameless,
        ops=names.given or names.shared,
        state=state,
        blocks=names.blocks,
        inputs=names.inputs,
    )


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
