"""A mapping name → array as a checkpoint: what a caller has in memory, and how projects test code that restores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from partial_restore._in_place import NOWHERE, moved
from partial_restore._sources._files import NO_FILES
from partial_restore._tensors import eagerly
from partial_restore._types import Entry, Layout, name_of


class MappingSource:
    """Arrays, tensors or variables by name."""

    path = "<mapping>"
    layout = Layout()
    stamps = NO_FILES

    def __init__(self, values: Mapping[str, Any]) -> None:
        wrong = [key for key in values if not isinstance(key, str) or not key.strip("/")]
        if wrong:
            raise TypeError(f"a mapping used as a checkpoint has names as keys, not {wrong[:3]!r}")
        self._values = {key: _host_array(key, value) for key, value in values.items()}
        self.entries: Sequence[Entry] = [_entry(key, value) for key, value in self._values.items()]

    def check(self, keys: Sequence[str]) -> None:
        """Do nothing: what is in memory can be read."""

    def read(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return the values, in the order of the keys."""
        with eagerly():
            return [tf.constant(moved(self._values[key], into.get(key))) for key in keys]

    reread = read


def _host_array(key: str, value: Any) -> np.ndarray[Any, Any]:
    """Return the value as an array in host memory, without a copy where it is one."""
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        tf.dtypes.as_dtype(array.dtype)
    except (TypeError, ValueError, RuntimeError) as error:  # The last is PyTorch's of a tensor that has a gradient.
        raise TypeError(f"the value of {key!r} is no array: {error}") from error
    if array.dtype.hasobject and not all(isinstance(each, str | bytes) for each in array.flat):
        raise TypeError(f"the value of {key!r} is no array of numbers or strings")
    return array


def _entry(key: str, value: np.ndarray[Any, Any]) -> Entry:
    text = key.strip("/").removesuffix(":0")
    names = (name_of(text, said=None),)
    return Entry(key, names, names, value.shape, tf.dtypes.as_dtype(value.dtype).name, "model", value.dtype.itemsize)
