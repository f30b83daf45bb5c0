"""Writes named values as a TensorFlow V2 checkpoint, complete or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from contextlib import suppress

import tensorflow as tf

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._recorded import KEY
from partial_restore._sources._files import is_file
from partial_restore._sources._kinds import kind_of
from partial_restore._tensors import eagerly


def write_checkpoint(prefix: str, names: Sequence[str], values: Sequence[tf.Tensor], record: str = "") -> str:
    """Write the values under the names, and a record of what is known of these, and return the prefix.

    The files are written beside their place and renamed, the index last: a reader finds the old checkpoint or the
    new one. (Replacing one takes two renames; a crash between them leaves a checkpoint that fails its checksums.)
    """
    folder, base = os.path.split(prefix)
    if not base or set(prefix) & set("*?[]") or base.endswith((".index", ".meta")):
        raise ValueError(f"{prefix!r} is no prefix for a checkpoint; give one such as {os.path.join(folder, 'part')!r}")
    if not all(names):
        raise ValueError("a variable without a name cannot be saved")
    if is_file(prefix) and not _is_of_tensorflow(prefix):
        raise ValueError(
            f"there is another file at {prefix!r}, which readers would take for the checkpoint; give another prefix"
        )
    if folder:
        tf.io.gfile.makedirs(folder)
    keys = [*names, KEY] if record else list(names)
    aside = os.path.join(folder, f".{base}.{uuid.uuid4().hex}")
    try:
        with eagerly():
            tensors = [*values, tf.constant(record)] if record else list(values)
            tf.raw_ops.SaveV2(prefix=aside, tensor_names=keys, shape_and_slices=[""] * len(keys), tensors=tensors)
        for suffix in (".data-00000-of-00001", ".index"):
            tf.io.gfile.rename(f"{aside}{suffix}", f"{prefix}{suffix}", overwrite=True)
    finally:
        for left in tf.io.gfile.glob(f"{aside}*"):
            tf.io.gfile.remove(left)
    return prefix


def _is_of_tensorflow(path: str) -> bool:
    with suppress(UnreadableCheckpointError):
        return kind_of(path) == "tensorflow"
    return False
