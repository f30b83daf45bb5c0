"""Variables whose own memory takes the new values: none is touched for the first time, and none is copied.

TensorFlow lets several tensors have one memory, as a variable and what was read of it, because nobody changes it but ops
that first make sure that the variable has it alone. What such an op has made sure of is made use of here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import ResourceVariable  # It has no public name.
from tensorflow.python.util import _pywrap_util_port  # Nor has this.

from partial_restore._tensors import eagerly

NOWHERE: Mapping[str, tf.Tensor] = MappingProxyType({})
"""No memory to read into: every value gets its own."""

_HERE = "/job:localhost/replica:0/task:0/device:CPU:0"
"""The device whose memory NumPy can have."""

_WORTH = 2**20
"""Bytes of a value from which new memory for it costs more than the ops do."""

_ALIGNMENT = 64
"""Bytes to which TensorFlow aligns its memory; that of others, which DLPack may bring, need not be."""


def lent_memory(variable: Any, nbytes: int) -> tf.Tensor | None:
    """Return the memory of a variable as a tensor, to be filled and then assigned.

    None if it is on another device, or might be another one's, too, or if new memory takes less time.
    """
    if nbytes < _WORTH or _uses_onednn() or type(variable) is not ResourceVariable or variable.handle.device != _HERE:
        return None
    with eagerly():
        return _made_sole(variable) if _is_made_sole() else None


def memory_of(tensor: tf.Tensor | None, shape: Sequence[int], dtype: Any) -> Any:
    """Return the array that is the memory of a tensor, or None if there is none for such values, or NumPy can have but a copy."""
    if tensor is None:
        return None
    array = tensor._numpy()  # `numpy` would make a copy.
    is_alike = array.shape == tuple(shape) and array.dtype == dtype
    return array if is_alike and array.flags.writeable and not array.flags.owndata else None


def moved(value: Any, tensor: tf.Tensor | None) -> Any:
    """Return a tensor that was filled with the value, or the value itself where there is none."""
    if tensor is None:
        return value
    array = value._numpy() if isinstance(value, tf.Tensor) else value
    memory = memory_of(tensor, array.shape, array.dtype)
    if memory is None:
        return value
    np.copyto(memory, array)
    return tensor


def _made_sole(variable: Any) -> tf.Tensor | None:
    """Return what a variable holds after it was made the only one to hold it: by an op that changes some of its rows, here none."""
    try:
        nothing = np.empty((0, *variable.shape.as_list()[1:]), variable.dtype.as_numpy_dtype)
        if _address(_read_as_it_is(variable)) % _ALIGNMENT:  # The op would abort the process.
            return None
        tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=np.empty(0, np.int32), updates=nothing)
        return _read_as_it_is(variable)
    except (tf.errors.OpError, TypeError, ValueError):  # It has no value, or no rows, or there is no op for its dtype.
        return None


def _read_as_it_is(variable: Any) -> tf.Tensor:
    """Return what a variable holds, not a copy, as every read is after an op that changed some rows."""
    tf.raw_ops.DisableCopyOnRead(resource=variable.handle)
    return tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)


def _address(tensor: tf.Tensor) -> int:
    return int(tensor._numpy().__array_interface__["data"][0])


@cache
def _uses_onednn() -> bool:
    """Say whether TensorFlow has an allocator that gives the memory out again that was just freed: that is faster still."""
    return bool(_pywrap_util_port.IsMklEnabled())


@cache
def _is_made_sole() -> bool:
    """Try once whether this TensorFlow does it so."""
    variable = ResourceVariable([1.0, 2.0])  # `tf.Variable` may be what a strategy or a creator makes of it.
    before = tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=tf.float32)
    lent = _made_sole(variable)
    memory = memory_of(lent, before.shape, np.float32)
    if memory is None:
        return False
    memory[:] = 0.0
    return [tensor.numpy().tolist() for tensor in (before, variable)] == [[1.0, 2.0], [0.0, 0.0]]
