"""The verbs: compile what was asked for, decide, refuse or carry out, report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from partial_restore._arguments import refuse_options, refuse_stateless, refuse_unknown, selection
from partial_restore._cast import Cast
from partial_restore._pause import collection_paused
from partial_restore._plan import Request, decide, unselected
from partial_restore._prepared import Initialize, Plan, Policy
from partial_restore._recorded import is_bookkeeping, recorded
from partial_restore._report import Listing, Report, listing_of
from partial_restore._save import write_checkpoint
from partial_restore._select import Pattern, Rename, compile_patterns, compile_rename
from partial_restore._sources import Source, open_source
from partial_restore._sources._live import LiveSource
from partial_restore._targets import is_model, open_target

if TYPE_CHECKING:
    import tensorflow as tf

DEFAULT_MEMORY = 32 * 2**20
"""Bytes of values in memory at once: what is read whole before anything changes, and what is in flight if there is more."""


@collection_paused()
def plan_subset(
    model: Any,
    ckpt: Any,
    include: Pattern | Iterable[Pattern] = None,
    exclude: Pattern | Iterable[Pattern] = None,
    rename: Rename | None = None,
    *,
    strict: bool = False,
    on_mismatch: Literal["error", "initialize"] = "error",
    cast: Cast = "same_kind",
    initialize: Initialize = "keep",
    verify: bool = True,
    max_memory: int = DEFAULT_MEMORY,
    optimizer: bool = False,
    progress: bool = True,
    allow_unmatched: bool = False,
    session: tf.compat.v1.Session | None = None,
) -> Plan:
    """Decide what `restore_subset` would do with the same arguments; read no value, change nothing.

    >>> import numpy as np, tensorflow as tf
    >>> import partial_restore as pr
    >>> plan = pr.plan_subset({"w": tf.Variable([0.0])}, {"w": np.float32([1.0])})
    >>> print(plan)
    would restore: loaded 1 (1 parameters) · initialized 0 · skipped 0
    from <mapping>
    loaded: same name
      w (1,)

    The arguments are those of `restore_subset`.

    Returns:
        The plan.

    Raises:
        RestoreError: A path, a pattern or a rule names nothing, or the model is not built. Troubles of single
            variables are shown in the plan and raised by `Plan.apply`.
    """
    refuse_options(on_mismatch, cast, initialize, max_memory)
    source = _open(ckpt)
    model = [*model] if isinstance(model, Iterator) else model
    target = open_target(model, session, source.layout)
    if optimizer:
        refuse_stateless(target, source.entries)
    rules = compile_rename(rename)
    chosen = selection(target, include, exclude)
    request = Request(*chosen, rules, cast, target.automatic, optimizer, target.called, target.joins)
    patterns = initialize if isinstance(initialize, Mapping) else None
    given = compile_patterns(patterns, target.stands_for, {entry.name for entry in target.entries})
    decision = decide(target.entries, source.entries, request)
    if not allow_unmatched:
        refuse_unknown(target, request, [("initialize", test) for test in given], decision, source.entries)
    policy = Policy(strict, on_mismatch, initialize, verify, max_memory, progress)
    return Plan(target, source, request, decision, policy, partial(open_target, model, session))


def restore_subset(
    model: Any,
    ckpt: Any,
    include: Pattern | Iterable[Pattern] = None,
    exclude: Pattern | Iterable[Pattern] = None,
    rename: Rename | None = None,
    *,
    strict: bool = False,
    on_mismatch: Literal["error", "initialize"] = "error",
    cast: Cast = "same_kind",
    initialize: Initialize = "keep",
    verify: bool = True,
    max_memory: int = DEFAULT_MEMORY,
    optimizer: bool = False,
    progress: bool = True,
    allow_unmatched: bool = False,
    session: tf.compat.v1.Session | None = None,
) -> Report:
    """Restore the variables of a model that belong to a checkpoint's tensors; initialize the rest; say what was done.

    A value goes into a variable only if the names are certain. Whatever can be known to fail fails before the first
    variable changes, in one error with all offenders.

    >>> import numpy as np, tensorflow as tf
    >>> import partial_restore as pr
    >>> body, head = tf.Variable([0.0, 0.0]), tf.Variable([0.0])
    >>> report = pr.restore_subset({"body/w": body, "head/w": head}, {"body/w": np.float32([1, 2])})
    >>> report.loaded[0].name, report.initialized[0].name, body.numpy().tolist()
    ('body/w', 'head/w', [1.0, 2.0])

    Args:
        model: A Keras 3 or `tf_keras` model or layer, a `tf.Module`, a `tf.train.Checkpoint` or another trackable, a mapping
            name → variable, an iterable of variables; with ``session`` a `tf.Graph`, or its variables.
        ckpt: The prefix of a TensorFlow checkpoint (V1 or V2, by name or by object), one of its files, a folder
            of checkpoints, a SavedModel; ``.weights.h5``, ``.keras``, ``.weights.json`` or legacy ``.h5`` of Keras;
            ``.npz`` or ``.safetensors``; another model in memory, or a mapping name → array.
        include: Which variables to restore; all if None. A path such as ``"encoder/block_1"`` takes what it
            names and all below, ``*`` stands for any part of a segment, ``**`` for any number of segments. A compiled
            regex searches, a callable is asked with the name, a layer, module or variable stands for its variables.
            One of them, or an iterable.
        exclude: Which variables not to restore; wins over ``include``.
        rename: Checkpoint → model: ``{old: new}`` for leading segments or a compiled regex; None drops the
            tensor, a list restores it into several variables. Or a callable. The first rule that fits decides.
        strict: Whether a selected variable that the checkpoint lacks is an error.
        on_mismatch: What to do where the shapes differ: ``"error"``, or ``"initialize"`` to leave the variable out.
        cast: ``"same_kind"`` casts float to float and integer to integer, and refuses values that overflow;
            ``"safe"`` casts only where no value can be lost; ``"never"`` does not cast.
        initialize: The variables that are not loaded: ``"keep"`` what they hold, ``"rerun"`` their initializers, or
            a mapping pattern → initializer (of Keras, by its Keras name, or a callable ``(shape, dtype) → array``).
            In a session, those without a value are always initialized.
        verify: Whether to read everything once before the first change if it is more than ``max_memory``.
        max_memory: Bytes of values in memory at once, beside those that variables without a value (in a session) take over.
            A larger tensor is read alone.
        optimizer: Whether to restore the state of the optimizer too: that of a variable follows the variable, also where
            layers were added, removed or frozen; what the optimizer has once (``iterations``, ``learning_rate``) goes
            by name. Its class must be the same. The model is compiled, or a `tf.train.Checkpoint` with the optimizer.
        progress: Whether to show a bar on a terminal if it takes more than two seconds.
        allow_unmatched: Whether a pattern or a rule may fit nothing.
        session: The session in which the variables of a graph live.

    Returns:
        The report.

    Raises:
        CheckpointNotFoundError: There is no checkpoint.
        UnreadableCheckpointError: It is damaged or incomplete.
        UnbuiltError: A layer of the model, or its optimizer, is not built.
        UnknownNameError: A pattern or a rule fits nothing.
        CollisionError, MismatchError, AmbiguousError, MissingError: Variables that cannot be restored.
        NothingLoadedError: No variable at all would be loaded.
        CastError: A value does not fit the variable's dtype.
        InitializerError: A variable's initializer is unknown.
        PartialRestoreError: The medium failed when variables had been changed; it names them.
        TypeError, ValueError: An argument is of the wrong kind.
    """
    return plan_subset(
        model,
        ckpt,
        include,
        exclude,
        rename,
        strict=strict,
        on_mismatch=on_mismatch,
        cast=cast,
        initialize=initialize,
        verify=verify,
        max_memory=max_memory,
        optimizer=optimizer,
        progress=progress,
        allow_unmatched=allow_unmatched,
        session=session,
    )._carry_out()


def list_checkpoint(ckpt: Any) -> Listing:
    """Return every tensor of a checkpoint: name, key, shape, dtype, bytes; no value is read. Prints as a table.

    >>> import numpy as np
    >>> import partial_restore as pr
    >>> print(pr.list_checkpoint({"w": np.zeros([2, 3], np.float32)}))
    name  shape   dtype    bytes
    w     (2, 3)  float32     24
    1 tensors, 24 bytes

    Args:
        ckpt: As in `restore_subset`.

    Returns:
        The tensors, in the order of the checkpoint.

    Raises:
        CheckpointNotFoundError: There is no checkpoint.
        UnreadableCheckpointError: It is damaged or incomplete.
    """
    return listing_of(_open(ckpt).entries)


def save_subset(
    model: Any,
    path: str | os.PathLike[str],
    include: Pattern | Iterable[Pattern] = None,
    exclude: Pattern | Iterable[Pattern] = None,
    *,
    session: tf.compat.v1.Session | None = None,
) -> str:
    """Write variables of a model under their names, as a V2 checkpoint that every reader of TensorFlow takes.

    State of optimizers and of metrics is none of them: `tf.train.Checkpoint` saves that. The files appear under their names only
    when they are complete. Of a model of objects they have one tensor more, of text, which says what of the names was chosen, so that a restore knows as much as from the model in memory.

    >>> import tempfile, tensorflow as tf
    >>> import partial_restore as pr
    >>> folder = tempfile.mkdtemp()
    >>> prefix = pr.save_subset({"w": tf.Variable([1.0]), "b": tf.Variable([2.0])}, f"{folder}/part", include="w")
    >>> [tensor.name for tensor in pr.list_checkpoint(prefix)]
    ['w']

    Args:
        model, include, exclude, session: As in `restore_subset`.
        path: The prefix of the files to write.

    Returns:
        The prefix.

    Raises:
        UnknownNameError: A pattern fits nothing.
        ValueError: Nothing is selected, or nothing but state by one of ``include``, a name is one that TensorFlow keeps for itself, or there is a file of another format at the path.
    """
    target = open_target(model, session)
    request = Request(*selection(target, include, exclude))
    refuse_unknown(target, request)
    own = [entry for entry in target.entries if entry.group == "model"]
    entries = [entry for entry in own if not unselected(entry, request)]
    if vain := next((test.text for test in request.include or () if not any(map(test.accepts, own))), None):
        raise ValueError(
            f"include={vain} fits nothing that is saved, which is variables of the model: no state of optimizers"
        )
    if not entries:
        raise ValueError("nothing is selected; nothing was saved")
    keys = [entry.key for entry in entries]
    if kept := next(filter(is_bookkeeping, keys), None):
        raise ValueError(f"{kept!r} is a name that TensorFlow, or this library, keeps for itself")
    return write_checkpoint(os.fspath(path), keys, target.values(keys), recorded(entries))


def _open(ckpt: Any) -> Source:
    """Return the source that a checkpoint is, be it a file, a mapping or a model in memory."""
    if not is_model(ckpt):
        return open_source(ckpt)
    model = open_target(ckpt, None)
    return LiveSource(f"<{type(ckpt).__name__} in memory>", model.entries, model.values)
