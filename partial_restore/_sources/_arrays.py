"""Arrays that a file has under names, as entries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from partial_restore._types import Entry, Group, State, name_of


def entry_of(key: str, shape: tuple[int, ...], dtype: np.dtype[Any] | None, state: State | None) -> Entry:
    """Return an array as an entry; what no variable can hold is only listed."""
    names = (name_of(key.strip("/").removesuffix(":0"), said=None),)
    if dtype is None or dtype.kind not in "fiubcV" or dtype.hasobject:
        return Entry(key, names, (), shape, str(dtype), "internal")
    try:
        known = tf.dtypes.as_dtype(dtype.newbyteorder("="))
    except TypeError:
        return Entry(key, names, (), shape, str(dtype), "internal")
    group: Group = "optimizer" if state else "model"
    return Entry(key, names, names, shape, known.name, group, dtype.itemsize, state=state)


def nbytes_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return math.prod(shape) * dtype.itemsize
