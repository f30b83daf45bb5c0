"""Where TensorFlow is touched the same way by both sides: eager execution anywhere, and conversion that checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # There is no public way to run an op now while a graph is the default.

from partial_restore._types import Entry


@contextmanager
def eagerly() -> Iterator[None]:
    """Run ops now, on the CPU, whatever graph or TensorFlow 1 mode the caller is in."""
    with context.eager_mode(), tf.device("CPU:0"):
        yield


@contextmanager
def ensured_eager() -> Iterator[None]:
    """Run ops now on whatever device they belong, also while a graph is the default."""
    if tf.executing_eagerly():
        yield
    else:
        with context.eager_mode():
            yield


def convert(value: tf.Tensor, dtype: str) -> tuple[tf.Tensor, str]:
    """Return the value as ``dtype`` and what was lost beyond rounding: an empty string if nothing was."""
    if value.dtype.name == dtype:
        return value, ""
    before = value.numpy()
    with np.errstate(all="ignore"):
        after = before.astype(tf.dtypes.as_dtype(dtype).as_numpy_dtype)
    with eagerly():
        return tf.constant(after), _loss(before, after)


def as_value(value: Any, entry: Entry) -> tf.Tensor:
    """Return an initial value as a tensor that fits its variable.

    Raises:
        ValueError: It has another shape, or numbers that the dtype of the variable does not hold.
    """
    with eagerly():
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        if array.shape != entry.shape:
            raise ValueError(f"its initializer gave shape {array.shape}, the variable has {entry.shape}")
        with np.errstate(all="ignore"):  # It is looked at below.
            fitting = array.astype(tf.dtypes.as_dtype(entry.dtype).as_numpy_dtype)
        is_cast = array.dtype != fitting.dtype and array.dtype.kind in "iuf"
        if is_cast and (lost := _loss(array, fitting)):
            raise ValueError(f"its initializer gave what does not fit: {lost}")
        return tf.constant(fitting)


def _loss(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> str:
    if tf.dtypes.as_dtype(after.dtype).is_integer:
        wrapped = int(np.count_nonzero((after.astype(before.dtype) != before) | ((after < 0) != (before < 0))))
        return f"{wrapped} numbers do not fit into {after.dtype}" if wrapped else ""
    lost = int(np.count_nonzero(np.isfinite(before) & ~np.isfinite(after)))
    return f"{lost} finite values become infinite as {after.dtype}" if lost else ""
