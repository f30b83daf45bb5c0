"""What the initializer of a variable will make, as far as that is known before it is called. Keras is never imported here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from partial_restore import _keras

Initializer = Callable[[], Any]


def is_plain(options: Mapping[str, Any]) -> bool:
    """Say whether a variable is created eagerly, on one device, with a value of its initializer alone."""
    with tf.init_scope():
        is_eager = tf.executing_eagerly()
    is_lifted = options.get("experimental_enable_variable_lifting") is not False
    is_checked = options.get("validate_shape") is not False
    is_cached = options.get("caching_device") is not None  # It is read as it is made.
    is_awaited = hasattr(options.get("initial_value"), "checkpoint_position")  # A `tf.train.Checkpoint` has waited.
    return is_eager and is_lifted and is_checked and not (is_awaited or is_cached) and not tf.distribute.has_strategy()


def is_numeric(dtype: tf.DType) -> bool:
    return bool(dtype.is_floating or dtype.is_complex or dtype.is_integer or dtype.is_bool)


def declared(initializer: Initializer, options: Mapping[str, Any]) -> Any:
    """Return what an initializer will make as far as that is said beside it, or None."""
    shape, dtype = _of_keras(initializer) or _of_partial(initializer) or (None, None)
    shape = shape if options.get("shape") is None else options["shape"]
    dtype = options.get("dtype") or dtype
    try:
        return None if shape is None or dtype is None else tf.TensorSpec(shape, dtype)
    except (TypeError, ValueError):
        return None


def _of_keras(initializer: Initializer) -> tuple[Any, Any] | None:
    """Return shape and dtype of the Keras 3 variable for which its wrapped initializer is made."""
    if getattr(initializer, "__module__", "") != "keras.src.backend.tensorflow.core":
        return None
    variable: Any = inspect.getclosurevars(initializer).nonlocals.get("self")
    return (variable._shape, variable._dtype) if _keras.is_variable(variable) else None


def _of_partial(initializer: Initializer) -> tuple[Any, Any] | None:
    """Return the arguments ``shape`` and ``dtype`` that are bound to an initializer, as tf_keras binds them."""
    if not isinstance(initializer, functools.partial):
        return None
    try:
        bound = inspect.signature(initializer.func).bind_partial(*initializer.args, **initializer.keywords)
    except (TypeError, ValueError):
        return None
    bound.apply_defaults()
    return bound.arguments.get("shape"), bound.arguments.get("dtype")
