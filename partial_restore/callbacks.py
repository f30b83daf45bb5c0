"""The callback of `fit`, for whichever Keras calls it: none is imported."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext, suppress
from types import FrameType
from typing import Any

import tensorflow as tf

from partial_restore._errors import UnbuiltError
from partial_restore._live_optimizers import class_of, is_unbuilt
from partial_restore._report import Report
from partial_restore._restore import restore_subset
from partial_restore._targets import open_target


class Callback:
    """What either Keras expects of a callback, done by doing nothing: both ask for methods, not for a class."""

    model: Any = None
    params: Any = None
    validation_data: Any = None
    _chief_worker_only: Any = None
    _supports_tf_logs = True

    def set_model(self, model: Any) -> None:
        """Take note of the model that is trained."""
        self.model = model

    def set_params(self, params: Any) -> None:
        """Take note of how it is trained."""
        self.params = params

    def _implements_train_batch_hooks(self) -> bool:
        return True

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        """Return a hook that does nothing for every event about which nothing is to be done."""
        if name.startswith("on_"):
            return _ignored
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")


def _ignored(*_: Any, **__: Any) -> None:
    """Do nothing."""


_ignored._is_default = True  # type: ignore[attr-defined]  # So Keras 3 marks its own hooks that do nothing.


class RestoreSubset(Callback):
    """Restore the weights that still belong before the first step of training.

    Runs once for a model, and not when training is resumed (its optimizer, or one in an attribute, has made a step): what was trained stays. Keras
    builds a model that is not built yet only as it traces the first step; the callback then builds it from the shapes
    of the data, restores, and lets the step go on. With ``optimizer=True`` it builds the optimizer, too.

    >>> import keras, numpy as np
    >>> import partial_restore as pr
    >>> model = keras.Sequential([keras.layers.Dense(1, name="body")])
    >>> model.compile("sgd", "mse")
    >>> restore = pr.RestoreSubset({"body/kernel": np.float32([[2.0]])})
    >>> _ = model.fit(np.zeros([1, 1]), np.zeros([1, 1]), verbose=0, callbacks=[restore])
    >>> restore.report.loaded[0].name
    'body/kernel'

    Args:
        ckpt: As in `restore_subset`.
        **options: Every other argument of `restore_subset`; there is no progress bar beside Keras' own unless asked for.

    Attributes:
        report: What was done; None before training, and if training was resumed.
    """

    def __init__(self, ckpt: Any, **options: Any) -> None:
        self.report: Report | None = None
        self._ckpt, self._options = ckpt, {"progress": False, **options}
        self._done: Any = None

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002  Keras passes it.
        """Restore, unless that was done before or training goes on from an earlier run."""
        if self._done is not self.model:
            with suppress(UnbuiltError):
                self._restore()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Put the restore into the first step if the model was not built before it."""
        if self._done is not self.model:
            self._restore_in_step()

    def _restore(self) -> None:
        if _is_resumed(self.model):
            self._done, self.report = self.model, None
            return
        if self._options.get("optimizer"):
            open_target(self.model, session=None)  # An optimizer is built once, for all variables: there must be some.
            with _scope(self.model):
                _build_optimizer(self.model)
        self.report = restore_subset(self.model, self._ckpt, **self._options)
        self._done = self.model

    def _restore_in_step(self) -> None:
        """Restore in the step that comes next, where the shapes of the data are known, and only there."""
        step, training = self.model.train_function, _training(self.model)
        if not isinstance(step, _BuildingStep) or step.training is not training:
            self.model.train_function = step = _BuildingStep(self.model, step, training)
        step.restores.append(self._restore)


class _BuildingStep:
    """The first step of a ``training``: it builds the model, restores as the callbacks in their order ask for, and is the step that it was.

    That is done once, whoever keeps it, and not if the training broke off before.
    """

    def __init__(self, model: Any, step: Callable[[Any], Any], training: FrameType | None) -> None:
        self._model, self._step, self.training = model, step, training
        self.restores: list[Callable[[], None]] = []

    def __call__(self, iterator: Any) -> Any:
        if self._model.train_function is self:
            self._model.train_function = self._step
        restores, self.restores = self.restores, []
        if restores and _training(self._model) is self.training:
            with _scope(self._model):
                _build(self._model, tf.nest.map_structure(_of_one_replica, iterator.element_spec))
            for restore in restores:
                restore()
        self.training = None
        return self._step(iterator)


def _training(model: Any) -> FrameType | None:
    """Return the call of `fit` in which a model is trained now, if it is one."""
    frame = inspect.currentframe()
    while frame and not (frame.f_code.co_name == "fit" and frame.f_locals.get("self") is model):
        frame = frame.f_back
    return frame


def _scope(model: Any) -> Any:
    """Return the context in which a model's variables are made."""
    strategy = model.distribute_strategy
    return nullcontext() if strategy is tf.distribute.get_strategy() else strategy.scope()


def _build(model: Any, batch: Any) -> None:
    """Build a model from the shapes and dtypes of a batch; Keras 2 has no other way than to call it."""
    if hasattr(model, "_symbolic_build"):
        model._symbolic_build(data_batch=batch)
    else:
        inputs = batch[0] if isinstance(batch, tuple) else batch
        model(tf.nest.map_structure(lambda spec: tf.zeros([size or 1 for size in spec.shape], spec.dtype), inputs))


def _build_optimizer(model: Any) -> None:
    """Let an optimizer make its state, once; those of tf.keras up to 2.10 have no public way to."""
    optimizer = getattr(model, "optimizer", None)
    build = getattr(optimizer, "build", None) or getattr(optimizer, "_create_all_weights", None)
    if build is not None and not getattr(optimizer, "built", False):  # One that scales the loss would do so anew.
        build(model.trainable_variables)


def _of_one_replica(spec: Any) -> Any:
    """Return the shape and dtype of what one replica gets."""
    return spec._value_specs[0] if hasattr(spec, "_value_specs") else spec


def _is_resumed(model: Any) -> bool:
    """Say whether an optimizer of a model, the compiled one or one in an attribute, has made a step."""
    compiled = getattr(model, "optimizer", None)
    others = [thing for thing in vars(model).values() if class_of(thing) and not is_unbuilt(thing)]
    return any(int(each.iterations.numpy()) > 0 for each in [compiled, *others] if each is not None)
