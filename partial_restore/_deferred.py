"""Puts off the initializers of variables as these are created, so that those which a checkpoint supplies never run.

A variable that waits has memory that nobody has touched. It is initialized at once if anything but a forward pass of Keras
reads or changes it: what such a pass computes is thrown away, anything else may keep what it makes of the value. What
a pass assigns to a variable that does not wait is undone.
"""

from __future__ import annotations

import functools
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import tensorflow as tf

from partial_restore._declared import Initializer, declared, is_numeric, is_plain

_HANDLE = "_handle"
"""The attribute by which every read and every change of a variable goes, also where C++ makes it."""

_VARIABLES = "keras.src.backend.common.variables"

_CHANGERS = "tensorflow.python.ops.resource_variable_ops"
_CHANGE = re.compile(r"(batch_)?(assign|scatter).*")
"""The methods by which a variable is changed."""

_LOCK = threading.Lock()
_INFERRING: Counter[type] = Counter()
"""How many builds let a class of variables infer shapes without initializers: one within another, or in several threads."""

_Use = Literal["identity", "pass", "change", "value"]
_USES: Mapping[tuple[str, str], _Use] = {
    (__name__, "_create"): "value",  # An initializer runs at once.
    ("keras.src.layers.layer", "__call__"): "pass",
    ("keras.src.layers.layer", "_maybe_build"): "value",
    ("keras.src.backend.tensorflow.core", "compute_output_spec"): "pass",
    ("keras.src.backend.tensorflow.optimizer", "_var_key"): "identity",
    ("tensorflow.python.ops.resource_variable_ops", "device"): "identity",
    ("tf_keras.src.engine.base_layer", "__call__"): "pass",
    ("tf_keras.src.engine.base_layer", "_maybe_build"): "value",
    ("tf_keras.src.engine.training", "build"): "pass",  # It calls the model in a graph that is thrown away.
}
"""Functions of Keras and TensorFlow, and for what they take a variable's handle: to tell variables apart, in a forward pass (there
a change is told apart), or for what may keep the value, such as the `build` of a layer, which may be called within a pass."""


class Deferral:
    """The initializers that wait, in the order in which their variables were created."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[Any, Initializer]] = {}
        self._types: dict[type, type] = {}
        self._watched: dict[int, Any] = {}
        self._read: list[Any] | None = None
        """The variables that the initializer reads that is being traced."""
        self._held: dict[int, tuple[Any, tf.Tensor]] = {}
        """What variables that do not wait held before a forward pass changed them."""
        self._is_abandoned = False

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Put off the initializers of the variables that are created here."""
        try:
            with tf.variable_creator_scope(self._create), _shapes_inferred_without_initializers():
                yield
        finally:
            for variable in self._watched.values():
                self._put_back(variable)
                _settle(variable)
            self._watched.clear()

    def run(self, filled: Collection[int]) -> set[int]:
        """Run what waits, but for the variables that have been filled, by their ids; return for which ones.

        An initializer that reads another variable sees what the checkpoint, or an initializer before it, gave that one.
        """
        self._waiting = {key: each for key, each in self._waiting.items() if key not in filled}
        ran = {*self._waiting}
        while self._waiting:
            key, (variable, initializer) = next(iter(self._waiting.items()))
            _start(variable, initializer)
            self._waiting.pop(key, None)  # What reads it may have started it.
        return ran

    def abandon(self) -> None:
        """Let whatever still waits be initialized as soon as anything reads it: others may hold the model that failed."""
        self._is_abandoned = True
        for variable, _ in self._waiting.values():
            self._watch(variable)

    def _create(self, next_creator: Callable[..., Any], **options: Any) -> Any:
        """Create a variable as TensorFlow does, but let its initializer wait if it is known what it will make."""
        if not is_plain(options):
            return next_creator(**options)
        known, initializer = self._known(options)
        if known is None:
            variable = next_creator(**options)
            if variable.dtype.is_floating and _HANDLE in vars(variable):
                self._watch(variable)
            return variable
        variable = next_creator(**{**options, "initial_value": functools.partial(_untouched, known)})
        if _HANDLE in vars(variable):
            self._waiting[id(variable)] = variable, initializer
            self._watch(variable)
        else:  # Another creator made something of its own.
            _start(variable, initializer)
        return variable

    def _known(self, options: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return what the initializer of a variable will make, None if that is not known, and what to call then."""
        initializer = options.get("initial_value")
        if not callable(initializer):
            return None, initializer
        known = declared(initializer, options)
        if known is None:
            known, initializer = self._traced(initializer, options)
        is_whole = known is not None and known.shape.is_fully_defined() and is_numeric(known.dtype)
        return known if is_whole else None, initializer

    def _traced(self, initializer: Initializer, options: Mapping[str, Any]) -> tuple[Any, Initializer]:
        """Return what an initializer makes that does not tell, and its graph: it is called once, and nothing computed."""
        dtype = options.get("dtype")
        outer, self._read = self._read, []
        try:
            traced = tf.function(lambda: tf.convert_to_tensor(initializer(), dtype), autograph=False)
            graph, read = traced.get_concrete_function(), self._read
        except Exception:  # noqa: BLE001  Whatever cannot be done in a graph is done as ever.
            return None, initializer
        finally:
            self._read = outer

        def run() -> Any:
            for variable in read:
                self._start(variable)
                self._put_back(variable)
            return graph()

        return tf.TensorSpec(graph.output_shapes, graph.output_dtypes), run

    def _start(self, variable: Any) -> None:
        """Run the initializer of a variable if that waits."""
        if id(variable) in self._waiting:
            _settle(variable)
            _start(*self._waiting.pop(id(variable)))
            if variable.dtype.is_floating and not self._is_abandoned:
                self._watch(variable)

    def _watch(self, variable: Any) -> None:
        """Give a variable a type that tells whenever anything takes its handle."""

        def handle(variable: Any) -> Any:
            self._used(variable)
            return vars(variable)[_HANDLE]

        base = type(variable)
        if base not in self._types:
            self._types[base] = type(base.__name__, (base,), {_HANDLE: property(handle)})
        variable.__class__ = self._types[base]
        self._watched[id(variable)] = variable

    def _used(self, variable: Any) -> None:
        """See to it that whoever takes the handle of a variable finds in it, and leaves in it, what it should."""
        if self._read is not None:
            self._read.append(variable)
            return
        use = _use()
        if use != "identity" and (self._is_abandoned or not variable.dtype.is_floating):
            use = "value"  # The pass may look something up by whole numbers.
        if id(variable) in self._waiting:
            if use == "value":
                self._start(variable)
        elif use == "change" and id(variable) not in self._held:
            with tf.init_scope():
                value = tf.raw_ops.ReadVariableOp(resource=vars(variable)[_HANDLE], dtype=variable.dtype)
            self._held[id(variable)] = variable, value
        elif use == "value":
            self._put_back(variable)

    def _put_back(self, variable: Any) -> None:
        """Let a variable hold again what it held before a forward pass."""
        if id(variable) in self._held:
            _, value = self._held.pop(id(variable))
            with tf.init_scope():
                tf.raw_ops.AssignVariableOp(resource=vars(variable)[_HANDLE], value=value)


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

    with _LOCK:
        _INFERRING[owner] += 1
        owner._initializer = property(initializer, lambda variable, value: vars(variable).update(_initializer=value))
    try:
        yield
    finally:
        with _LOCK:
            _INFERRING[owner] -= 1
            if not _INFERRING[owner]:
                del owner._initializer


def _settle(variable: Any) -> None:
    """Make the variable one of TensorFlow's own type again."""
    if _HANDLE in vars(type(variable)):
        variable.__class__ = type(variable).__base__


def _start(variable: Any, initializer: Initializer) -> None:
    with tf.init_scope():
        variable.assign(initializer(), read_value=False)


def _untouched(spec: Any) -> tf.Tensor:
    return tf.raw_ops.Empty(shape=spec.shape.as_list(), dtype=spec.dtype)


def _use() -> _Use:
    """Return for what a handle is taken here: of the functions that are running, the innermost that is known decides."""
    frame: Any = sys._getframe(1)
    is_changed = False
    while frame is not None:
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        use = _USES.get((module, name))
        if use is not None:
            return "change" if use == "pass" and is_changed else use
        is_changed = is_changed or (module == _CHANGERS and _CHANGE.fullmatch(name) is not None)
        frame = frame.f_back
    return "value"
