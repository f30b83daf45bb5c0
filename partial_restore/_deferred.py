"""Puts off the initializers of variables as these are created, so that those which a checkpoint supplies never run.

A variable that waits has memory that nobody has touched. It is initialized at once if anything but a forward pass of Keras
reads or changes it: what such a pass computes is thrown away, anything else may keep what it makes of the value.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import tensorflow as tf

from partial_restore import _keras

_Initializer = Callable[[], Any]

_HANDLE = "_handle"
"""The attribute by which every read and every change of a variable goes, also where C++ makes it."""

_VARIABLES = "keras.src.backend.common.variables"

_Use = Literal["identity", "pass", "value"]
_USES: Mapping[tuple[str, str], _Use] = {
    ("keras.src.layers.layer", "__call__"): "pass",
    ("keras.src.layers.layer", "_maybe_build"): "value",
    ("keras.src.backend.tensorflow.core", "compute_output_spec"): "pass",
    ("keras.src.backend.tensorflow.optimizer", "_var_key"): "identity",
    ("tensorflow.python.ops.resource_variable_ops", "device"): "identity",
    ("tf_keras.src.engine.base_layer", "__call__"): "pass",
    ("tf_keras.src.engine.base_layer", "_maybe_build"): "value",
    ("tf_keras.src.engine.training", "build"): "pass",  # It calls the model in a graph that is thrown away.
}
"""Functions of Keras and TensorFlow, and for what they take a variable's handle: to tell variables apart, in a forward pass,
or for what may keep the value, such as the `build` of a layer, which may be called within a pass."""


class Deferral:
    """The initializers that wait, in the order in which their variables were created."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[Any, _Initializer]] = {}
        self._types: dict[type, type] = {}
        self._is_tracing = False

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Put off the initializers of the variables that are created here."""
        try:
            with tf.variable_creator_scope(self._create), _shapes_inferred_without_initializers():
                yield
        finally:
            for variable, _ in self._waiting.values():
                _settle(variable)

    def run(self, filled: Collection[int]) -> set[int]:
        """Run what waits, but for the variables that have been filled, by their ids; return for which ones.

        An initializer that reads another variable sees what the checkpoint, or an initializer before it, gave that one.
        """
        ran = {key for key in self._waiting if key not in filled}
        for variable, initializer in [self._waiting[key] for key in self._waiting if key in ran]:
            _start(variable, initializer)
        self._waiting.clear()
        return ran

    def _create(self, next_creator: Callable[..., Any], **options: Any) -> Any:
        """Create a variable as TensorFlow does, but let its initializer wait if it is known what it will make."""
        initializer = options.get("initial_value")
        if not callable(initializer) or not _is_plain(initializer, options):
            return next_creator(**options)
        known = _declared(initializer, options)
        if known is None:
            known, initializer = self._traced(initializer, options)
        if known is None or not known.shape.is_fully_defined() or not _is_numeric(known.dtype):
            return next_creator(**options)
        variable = next_creator(**{**options, "initial_value": functools.partial(_untouched, known)})
        if _HANDLE in vars(variable):
            self._waiting[id(variable)] = variable, initializer
            variable.__class__ = self._type_that_waits(type(variable))
        else:  # Another creator made something of its own.
            _start(variable, initializer)
        return variable

    def _traced(self, initializer: _Initializer, options: Mapping[str, Any]) -> tuple[Any, _Initializer]:
        """Return what an initializer makes that does not tell, and its graph: it is called once, and nothing computed."""
        dtype = options.get("dtype")
        self._is_tracing = True
        try:
            traced = tf.function(lambda: tf.convert_to_tensor(initializer(), dtype), autograph=False)
            graph = traced.get_concrete_function()
        except Exception:  # noqa: BLE001  Whatever cannot be done in a graph is done as ever.
            return None, initializer
        finally:
            self._is_tracing = False
        return tf.TensorSpec(graph.output_shapes, graph.output_dtypes), graph

    def _type_that_waits(self, base: type) -> type:
        """Return the type of a variable that is looked after: whoever takes its handle may have to let it be initialized."""

        def handle(variable: Any) -> Any:
            if not self._is_tracing and _needs_value(variable.dtype):
                _settle(variable)
                _start(*self._waiting.pop(id(variable)))
            return vars(variable)[_HANDLE]

        if base not in self._types:
            self._types[base] = type(base.__name__, (base,), {_HANDLE: property(handle)})
        return self._types[base]


@contextmanager
def _shapes_inferred_without_initializers() -> Iterator[None]:
    """Let Keras 3 infer shapes without a call of the initializers, with which it stands in for variables yet to be made."""
    variables = vars(sys.modules[_VARIABLES]) if _VARIABLES in sys.modules else {}
    owner: Any = next((each for each in variables.values() if "_deferred_initialize" in dir(each)), None)
    if owner is None:
        yield
        return

    def initializer(variable: Any) -> Any:
        return vars(variable)["_initializer"] if tf.executing_eagerly() else tf.zeros

    owner._initializer = property(initializer, lambda variable, value: vars(variable).update(_initializer=value))
    try:
        yield
    finally:
        del owner._initializer


def _settle(variable: Any) -> None:
    """Make the variable one of TensorFlow's own type again."""
    variable.__class__ = type(variable).__base__


def _start(variable: Any, initializer: _Initializer) -> None:
    with tf.init_scope():
        variable.assign(initializer(), read_value=False)


def _untouched(spec: Any) -> tf.Tensor:
    return tf.raw_ops.Empty(shape=spec.shape.as_list(), dtype=spec.dtype)


def _is_plain(initializer: _Initializer, options: Mapping[str, Any]) -> bool:
    """Say whether a variable is created eagerly, on one device, with a value of its initializer alone."""
    with tf.init_scope():
        is_eager = tf.executing_eagerly()
    is_lifted = options.get("experimental_enable_variable_lifting") is not False
    is_checked = options.get("validate_shape") is not False
    is_restored = hasattr(initializer, "checkpoint_position")  # By a `tf.train.Checkpoint` that waited for it.
    return is_eager and is_lifted and is_checked and not is_restored and not tf.distribute.has_strategy()


def _is_numeric(dtype: tf.DType) -> bool:
    return bool(dtype.is_floating or dtype.is_complex or dtype.is_integer or dtype.is_bool)


def _declared(initializer: _Initializer, options: Mapping[str, Any]) -> Any:
    """Return what an initializer will make as far as that is said beside it, or None."""
    shape, dtype = _of_keras(initializer) or _of_partial(initializer) or (None, None)
    shape = shape if options.get("shape") is None else options["shape"]
    dtype = options.get("dtype") or dtype
    try:
        return None if shape is None or dtype is None else tf.TensorSpec(shape, dtype)
    except (TypeError, ValueError):
        return None


def _of_keras(initializer: _Initializer) -> tuple[Any, Any] | None:
    """Return shape and dtype of the Keras 3 variable for which its wrapped initializer is made."""
    if getattr(initializer, "__module__", "") != "keras.src.backend.tensorflow.core":
        return None
    variable: Any = inspect.getclosurevars(initializer).nonlocals.get("self")
    return (variable._shape, variable._dtype) if _keras.is_variable(variable) else None


def _of_partial(initializer: _Initializer) -> tuple[Any, Any] | None:
    """Return the arguments ``shape`` and ``dtype`` that are bound to an initializer, as tf_keras binds them."""
    if not isinstance(initializer, functools.partial):
        return None
    try:
        bound = inspect.signature(initializer.func).bind_partial(*initializer.args, **initializer.keywords)
    except (TypeError, ValueError):
        return None
    bound.apply_defaults()
    return bound.arguments.get("shape"), bound.arguments.get("dtype")


def _needs_value(dtype: tf.DType) -> bool:
    """Say whether who takes a variable's handle here needs its value; a pass needs that of whole numbers, to look up by."""
    use = _use()
    return use == "value" or (use == "pass" and not dtype.is_floating)


def _use() -> _Use:
    """Return for what a handle is taken here: of the functions that are running, the innermost that is known decides."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        use = _USES.get((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        if use is not None:
            return use
        frame = frame.f_back
    return "value"
