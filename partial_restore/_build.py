"""The verb that builds a model and restores it before anything is spent on values that the checkpoint replaces."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import tensorflow as tf

from partial_restore._cast import Cast
from partial_restore._deferred import Deferral
from partial_restore._errors import PartialRestoreError
from partial_restore._pause import collection_paused
from partial_restore._prepared import Initialize, Plan
from partial_restore._report import Report
from partial_restore._restore import DEFAULT_MEMORY, plan_subset
from partial_restore._select import Pattern, Rename
from partial_restore._targets import Target
from partial_restore._types import Note

Model = TypeVar("Model")


def build_restored(
    build: Callable[[], Model],
    ckpt: Any,
    include: Pattern | Iterable[Pattern] = None,
    exclude: Pattern | Iterable[Pattern] = None,
    rename: Rename | None = None,
    *,
    strict: bool = False,
    on_mismatch: Literal["error", "initialize"] = "error",
    cast: Cast = "same_kind",
    initialize: Initialize = "keep",
    verify: bool = False,
    max_memory: int = DEFAULT_MEMORY,
    optimizer: bool = False,
    progress: bool = True,
    allow_unmatched: bool = False,
) -> tuple[Model, Report]:
    """Build a model and restore it: what the checkpoint supplies is not initialized first, which takes most of the time.

    The initializers of variables are put off while ``build`` runs. Those of variables that are loaded never run; all
    others run once, in the order in which the variables were created, when the loaded values are in place.

    >>> import numpy as np, tensorflow as tf
    >>> import partial_restore as pr
    >>> class Scale(tf.Module):
    ...     def __init__(self):
    ...         self.w = tf.Variable(lambda: tf.random.normal([2]))
    ...         self.half = tf.Variable(lambda: self.w / 2)
    >>> model, report = pr.build_restored(Scale, {"w": np.float32([1, 2])})
    >>> model.half.numpy().tolist(), report["half"].reason
    ([0.5, 1.0], 'not in the checkpoint; its initializer was run')

    Args:
        build: Makes the model, its variables included, and returns it: a Keras 3 or tf_keras model, a `tf.Module`, a
            mapping name → variable, or what else `restore_subset` takes, but for graphs. Variables that are made of
            values instead of initializers are made as ever (Sonnet's are).
        ckpt, include, exclude, rename, strict, on_mismatch, cast, max_memory, optimizer, progress, allow_unmatched: As
            in `restore_subset`.
        initialize: As in `restore_subset`; ``"rerun"`` is the same as ``"keep"``, because all that is not loaded has
            just been initialized. An initializer given here runs in place of the variable's own.
        verify: As in `restore_subset`; it is off because nobody has the model yet: what cannot be read is found out as it
            is read, and no model is returned.

    Returns:
        The model and the report.

    Raises:
        RestoreError: See `restore_subset`; whatever is raised, by ``build`` and by initializers too, no model is returned.
    """
    deferral = Deferral()
    try:
        with collection_paused(), deferral.creating():
            model = build()
        plan = plan_subset(
            model,
            ckpt,
            include,
            exclude,
            rename,
            strict=strict,
            on_mismatch=on_mismatch,
            cast=cast,
            initialize="keep" if initialize == "rerun" else initialize,
            verify=verify,
            max_memory=max_memory,
            optimizer=optimizer,
            progress=progress,
            allow_unmatched=allow_unmatched,
        )
        return model, _with_initializers(plan, deferral)._carry_out()
    except BaseException as error:
        deferral.abandon()
        if isinstance(error, PartialRestoreError):  # Nobody has the model of which a part was restored.
            raise error.__cause__ or error from None
        raise


def _with_initializers(plan: Plan, deferral: Deferral) -> Plan:
    built = _Built(plan._target, deferral)
    return Plan(built, plan._source, plan._request, plan._decision, plan._policy, lambda _: built)


class _Built:
    """A target whose variables may still wait for their initializers."""

    session = None

    def __init__(self, target: Target, deferral: Deferral) -> None:
        self._target, self._deferral = target, deferral
        self.entries, self.automatic, self.batch_bytes = target.entries, target.automatic, target.batch_bytes
        self.called, self.joins = target.called, target.joins
        self.variables, self.stands_for, self.unready = target.variables, target.stands_for, target.unready
        self.is_empty, self.assign = target.is_empty, target.assign
        self.values, self.initial_values = target.values, target.initial_values

    def lend(self, keys: Sequence[str]) -> Mapping[str, tf.Tensor]:  # noqa: ARG002
        """Return nothing: the variables have no memory until they have their values."""
        return {}

    def finish(self, rerun: Sequence[str], filled: Collection[str], note: Note) -> list[str]:
        """Run the initializers that wait, but for the variables that were filled."""
        ids = {key: id(_innermost(variable)) for key, variable in self.variables.items()}
        ran = self._deferral.run({ids[key] for key in filled})
        started = [key for key in ids if ids[key] in ran]
        return [*started, *self._target.finish(rerun, [*filled, *started], note)]


def _innermost(variable: Any) -> Any:
    """Return the variable that tf_keras wraps for mixed precision, or the variable itself."""
    return getattr(variable, "_variable", variable)
