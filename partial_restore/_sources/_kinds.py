"""What a path leads to, told by what is in it: the first bytes of a file, the members of an archive or a folder."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Collection
from typing import Literal

import tensorflow as tf

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._sources._files import head_of, is_file, is_regular, opened, size_of

Kind = Literal["hdf5", "keras", "npz", "safetensors", "shards", "tensorflow"]

WEIGHTS = "model.weights.h5"
"""The member of a ``.keras`` archive or folder that has the weights."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_FOREIGN: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), what)
    for pattern, what in (
        (rb"version https://git-lfs\.github\.com/spec/", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
        (rb"\s*(<!doctype html|<html|<!DOCTYPE html|<HTML|<\?xml)", "a web page, not the file itself: load it again"),
        (rb".{4}TFL3", "a TFLite model; it is made for inference and does not keep the names of variables"),
        (rb"\x08[\x01-\x1f]\x12[\x00-\x40][\w.\- ]{2,}", "an ONNX model; export its weights under names, as .npz"),
        (rb"\x80[\x02-\x05]", "a Python pickle (PyTorch, joblib), which runs code when read; save it as .safetensors"),
        (rb"\x93NUMPY", "a single array without a name (.npy); save it as .npz"),
        (rb"\x1f\x8b", "a gzip archive; unpack it"),
        (rb".{257}ustar", "a tar archive; unpack it"),
    )
)
_ORBAX = {"_METADATA", "_CHECKPOINT_METADATA", "_sharding", "manifest.ocdbt", "ocdbt.process_0"}
_HEAD = 512
_MOST_JSON = 64 * 2**20
"""Bytes of an index of shards: more is none."""


def kind_of(path: str) -> Kind:
    """Return the family of formats to which the file or folder at ``path`` belongs; what is unknown is TensorFlow's.

    Raises:
        UnreadableCheckpointError: It belongs to another library, or is no checkpoint at all.
    """
    try:
        if tf.io.gfile.isdir(path):
            return _of_folder(path, {name.rstrip("/") for name in tf.io.gfile.listdir(path)})
        if not is_file(path):
            return "tensorflow"
        if not is_regular(path):
            raise UnreadableCheckpointError(path, "it is a pipe or a device, not a file")
        return _of_file(path, head_of(path, _HEAD))
    except (tf.errors.OpError, OSError) as error:
        raise UnreadableCheckpointError(path, str(error).splitlines()[0]) from error


def _of_folder(path: str, names: Collection[str]) -> Kind:
    if _ORBAX & set(names) and not any(name.endswith(".index") for name in names):
        raise UnreadableCheckpointError(path, "it is a checkpoint of Orbax; restore it there and pass a mapping")
    if WEIGHTS in names or {"config.json", "metadata.json"} <= set(names):
        return "keras"
    return "tensorflow"


def _of_file(path: str, head: bytes) -> Kind:
    if head.startswith(_HDF5):
        return "hdf5"
    if head.startswith(_ZIP):
        return _of_archive(path)
    if _is_safetensors(path, head):
        return "safetensors"
    if head.lstrip().startswith(b"{") and b'"weight_map"' in head_of(path, _MOST_JSON):
        return "shards"
    if not tf.io.gfile.exists(f"{path}.index"):
        for pattern, what in _FOREIGN:
            if pattern.match(head):
                raise UnreadableCheckpointError(path, f"it is {what}")
        if not head:
            raise UnreadableCheckpointError(path, "the file is empty")
    return "tensorflow"


def _is_safetensors(path: str, head: bytes) -> bool:
    """Say whether a file begins with the length of a JSON header, and the header."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= size_of(path) - 8


def _of_archive(path: str) -> Kind:
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableCheckpointError(path, f"the archive is damaged: {error}") from error
    if any(os.path.basename(name) == "data.pkl" for name in names):
        raise UnreadableCheckpointError(
            path, "it is a PyTorch file (a pickle), which runs code when read; save it as .safetensors"
        )
    if WEIGHTS in names or "config.json" in names:
        return "keras"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise UnreadableCheckpointError(path, f"it is a zip archive without weights: {', '.join(names[:5]) or 'empty'}")
