"""Arrays that a file has under names, as entries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from partial_restore._types import Entry, Group, State, name_of


def entry_of(key: str, shape: tuple[int, ...], dtype: np.dtype[Any] | str | None, state: State | None) -> Entry:
    """Return an array as an entry: what holds no numbers is only listed, and of a dtype that TensorFlow lacks no variable is."""
    names = (name_of(key.strip("/").removesuffix(":0"), said=None),)
    group: Group = "optimizer" if state else "model"
    if isinstance(dtype, str):
        return Entry(key, names, names, shape, dtype, group, state=state)
    if dtype is None or dtype.kind not in "fiubcV" or dtype.hasobject or dtype.names:
        return Entry(key, names, (), shape, str(dtype), "internal")
    try:
        known = tf.dtypes.as_dtype(dtype.newbyteorder("=")).name
    except TypeError:
        known = str(dtype)
    return Entry(key, names, names, shape, known, group, dtype.itemsize, state=state)


def nbytes_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return math.prod(shape) * dtype.itemsize
