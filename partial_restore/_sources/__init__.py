"""The checkpoint side: one file per family of formats, each with ``entries`` and ``read(keys)``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

from partial_restore._errors import CheckpointNotFoundError
from partial_restore._in_place import NOWHERE
from partial_restore._sources._checkpoint import CheckpointSource
from partial_restore._sources._files import Stamps
from partial_restore._sources._groups import open_keras, open_shards, open_weights
from partial_restore._sources._hdf5 import is_of_layers
from partial_restore._sources._kinds import Kind, kind_of
from partial_restore._sources._layers import LayersSource
from partial_restore._sources._mapping import MappingSource
from partial_restore._sources._npz import NpzSource
from partial_restore._sources._safetensors import SafetensorsSource
from partial_restore._types import Entry, Layout


class Source(Protocol):
    """Something with named tensors."""

    path: str

    @property
    def stamps(self) -> Stamps:
        """Those of the files that every save writes anew, as they were before they were read; none if it lies in memory."""

    @property
    def layout(self) -> Layout:
        """How its tensors are called."""

    @property
    def entries(self) -> Sequence[Entry]:
        """All that is there, without reading a value."""

    def read(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return the values of these keys, in the tensor ``into`` of a key if that saves something."""

    def check(self, keys: Sequence[str]) -> None:
        """Raise what reading these keys would raise, as far as that can be known, at less cost."""

    def reread(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return the values of keys that were read or checked before, at less cost if there is a way."""


def _open_hdf5(path: str) -> Source:
    return LayersSource(path) if is_of_layers(path) else open_weights(path)


_FORMATS: Mapping[Kind, Callable[[str], Source]] = {
    "hdf5": _open_hdf5,
    "keras": open_keras,
    "npz": NpzSource,
    "safetensors": SafetensorsSource,
    "shards": open_shards,
    "tensorflow": CheckpointSource,
}


def open_source(ckpt: Any) -> Source:
    """Return the source that ``ckpt`` is.

    Raises:
        CheckpointNotFoundError: ``ckpt`` is None or there is no checkpoint at the path.
        UnreadableCheckpointError: There is one, and it is damaged or of another library.
        TypeError: ``ckpt`` is neither a path nor a mapping.
    """
    if ckpt is None:
        raise CheckpointNotFoundError(
            None, ["a path; this is None, as tf.train.latest_checkpoint returns for a folder without one"]
        )
    if isinstance(ckpt, Mapping):
        return MappingSource(ckpt)
    if isinstance(ckpt, str | os.PathLike):
        path = os.fspath(ckpt)
        return _FORMATS[kind_of(path)](path)
    raise TypeError(f"a checkpoint is a path or a mapping name -> array, not {type(ckpt).__name__}")
