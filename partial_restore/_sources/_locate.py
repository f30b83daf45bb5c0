"""From what a user has in hand (a prefix, one of its files, a folder) to the prefix of a TensorFlow checkpoint."""

from __future__ import annotations

import os
import re
from contextlib import suppress

import tensorflow as tf

from partial_restore._errors import CheckpointNotFoundError, UnreadableCheckpointError

_SHARD = re.compile(r"(?P<prefix>.+)\.data-\d{5}-of-\d{5}")
_V1_SHARD = re.compile(r"(?P<prefix>.+)-(?:\d{5}|\?{5})-of-(?P<count>\d{5})")
_STEP = re.compile(r"(?P<stem>.+)-(?P<step>\d+)")
_STATE = "checkpoint"


def locate(path: str | os.PathLike[str]) -> str:
    """Return the prefix that TensorFlow's readers take.

    Args:
        path: A prefix, its ``.index``, ``.data-*`` or ``.meta`` file, a shard of a V1 checkpoint, a folder of
            checkpoints or a SavedModel, on any file system that TensorFlow opens.

    Raises:
        CheckpointNotFoundError: There is no checkpoint.
        UnreadableCheckpointError: A shard is missing.
    """
    text = os.fspath(path)
    text = text.rstrip("/") if len(text) > 1 else text
    if not text:
        raise CheckpointNotFoundError(text, ["a path; this one is empty"])
    try:
        prefix = _in_folder(text) if tf.io.gfile.isdir(text) and not _is_prefix(text) else _of_file(text)
    except tf.errors.OpError as error:
        raise UnreadableCheckpointError(text, str(error).splitlines()[0]) from error
    if re.search(r"[][*]|\?(?!\?{0,4}-of-\d{5}$)", prefix):
        raise UnreadableCheckpointError(
            prefix, "TensorFlow takes the signs * ? [ ] in a path for a pattern; rename the folder"
        )
    _refuse_missing_shards(prefix)
    return prefix


def written_of(prefix: str) -> list[str]:
    """Return those files of a checkpoint that every save writes anew."""
    return [f"{prefix}.index"] if _is_prefix(prefix) else _glob(prefix)


def _is_prefix(prefix: str) -> bool:
    return bool(tf.io.gfile.exists(f"{prefix}.index"))


def _of_file(text: str) -> str:
    """Return the prefix that the path is, or whose file it names."""
    for prefix in (text, *_prefixes_of(text)):
        if _is_prefix(prefix):
            return prefix
    sharded = _V1_SHARD.fullmatch(text)
    if sharded:
        return _v1_pattern(sharded["prefix"], sharded["count"])
    for prefix in (text, *_prefixes_of(text)):
        counts = {found["count"] for name in _glob(f"{prefix}-?????-of-?????") if (found := _V1_SHARD.fullmatch(name))}
        if len(counts) == 1:
            return _v1_pattern(prefix, counts.pop())
    if text.endswith(".meta") and tf.io.gfile.exists(text.removesuffix(".meta")):
        return text.removesuffix(".meta")
    if os.path.basename(text) == _STATE and tf.io.gfile.exists(text):
        return _in_folder(os.path.dirname(text) or ".")
    if tf.io.gfile.exists(text) and not _prefixes_of(text):
        return text
    raise CheckpointNotFoundError(text, [f"{text}.index", text, f"{text}-00000-of-*", f"{text}/"], _neighbours(text))


def _prefixes_of(text: str) -> list[str]:
    """Return the prefix of which ``text`` is one of the files, if its name says so."""
    shard = _SHARD.fullmatch(text)
    if shard:
        return [shard["prefix"]]
    return [text.removesuffix(suffix) for suffix in (".index", ".meta") if text.endswith(suffix)]


def _v1_pattern(prefix: str, count: str) -> str:
    """Return how TensorFlow writes the path of a sharded V1 checkpoint: literally with question marks."""
    pattern = f"{prefix}-?????-of-{count}"
    present = set(_glob(pattern))
    if not present:
        raise CheckpointNotFoundError(pattern, [pattern], _neighbours(prefix))
    missing = [name for i in range(int(count)) if (name := f"{prefix}-{i:05d}-of-{count}") not in present]
    if missing:
        raise UnreadableCheckpointError(prefix, f"shards are missing: {', '.join(map(os.path.basename, missing))}")
    return pattern


def _in_folder(folder: str) -> str:
    """Return the latest checkpoint of a folder; a SavedModel's is its variables."""
    names = sorted(tf.io.gfile.listdir(folder))
    saved_model = [name for name in names if name.rstrip("/") in ("saved_model.pb", "saved_model.pbtxt")]
    looked_for = [os.path.join(folder, name) for name in (_STATE, "*.index", "saved_model.pb")]
    if saved_model:
        variables = os.path.join(folder, "variables", "variables")
        if not _is_prefix(variables):
            raise CheckpointNotFoundError(folder, [f"{variables}.index"], names, "This SavedModel has no variables.")
        return variables
    if _STATE in names and not tf.io.gfile.isdir(os.path.join(folder, _STATE)):
        return _latest_of_state(folder, names)
    prefixes = [os.path.join(folder, name.removesuffix(".index")) for name in names if name.endswith(".index")]
    if not prefixes:
        raise CheckpointNotFoundError(folder, looked_for, names)
    return _latest(folder, prefixes, looked_for, names)


def _latest_of_state(folder: str, names: list[str]) -> str:
    """Return what the ``checkpoint`` file calls the latest; a folder that was moved keeps its files' names."""
    try:
        state = tf.train.get_checkpoint_state(folder)
    except (tf.errors.OpError, ValueError) as error:
        raise UnreadableCheckpointError(folder, f"its {_STATE!r} file is damaged: {error}") from error
    if state is None or not state.model_checkpoint_path:
        raise UnreadableCheckpointError(folder, f"its {_STATE!r} file names no checkpoint")
    latest = state.model_checkpoint_path
    moved = os.path.join(folder, os.path.basename(latest))
    for prefix in (latest, moved):
        with suppress(CheckpointNotFoundError):
            return _of_file(prefix)
    raise CheckpointNotFoundError(
        folder, [latest, moved], names, f"The {_STATE!r} file names a checkpoint that is gone; give one of those there."
    )


def _latest(folder: str, prefixes: list[str], looked_for: list[str], names: list[str]) -> str:
    """Return the highest step of one series (``ckpt-9``, ``ckpt-10``); of several names none is the latest."""
    if len(prefixes) == 1:
        return prefixes[0]
    steps = [_STEP.fullmatch(os.path.basename(prefix)) for prefix in prefixes]
    found = [step for step in steps if step is not None]
    if len(found) < len(steps) or len({step["stem"] for step in found}) > 1:
        raise CheckpointNotFoundError(
            folder, looked_for, names, f"Without a {_STATE!r} file none of these is the latest; give one of them."
        )
    return max(zip((int(step["step"]) for step in found), prefixes, strict=True))[1]


def _refuse_missing_shards(prefix: str) -> None:
    """Refuse a V2 checkpoint of whose shards some are gone."""
    shards = _glob(f"{prefix}.data-?????-of-?????")
    counts = {int(name[-5:]) for name in shards}
    if _is_prefix(prefix) and not any(len([n for n in shards if int(n[-5:]) == count]) == count for count in counts):
        detail = f"it has {', '.join(map(os.path.basename, shards))}" if shards else "there is none"
        raise UnreadableCheckpointError(prefix, f"data shards are missing; {detail}")


def _glob(pattern: str) -> list[str]:
    folder, name = os.path.split(pattern)
    try:
        present = tf.io.gfile.listdir(folder or ".")
    except tf.errors.OpError:
        return []
    wanted = re.compile(re.escape(name).replace(r"\?", "[0-9]"))
    return sorted(os.path.join(folder, each) for each in present if wanted.fullmatch(each))


def _neighbours(text: str) -> list[str]:
    """Return what lies where the checkpoint was looked for."""
    try:
        return sorted(tf.io.gfile.listdir(os.path.dirname(text) or "."))
    except tf.errors.OpError:
        return []
