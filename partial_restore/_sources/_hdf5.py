"""HDF5 files, read so that nothing outside the file is opened and no more memory is taken than the file has data for."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

import h5py
import numpy as np
import tensorflow as tf

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._in_place import NOWHERE
from partial_restore._sources._extents import Extent, Places, check_extents, read_extents
from partial_restore._sources._files import opened, window
from partial_restore._tensors import eagerly

_MOST_RATIO = 1100
"""What the compressions of HDF5 reach at most; a file that claims more holds nothing."""

_MOST_DEPTH = 100
_LARGE = 2**20
"""Bytes of an array for which it pays to note where it lies: it is read alone or with few others, and the file opened each time."""

_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError, tf.errors.OpError)


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the file; the dtype is empty if it is of a kind that no variable has."""

    shape: tuple[int, ...]
    dtype: str
    itemsize: int


class Hdf5:
    """An HDF5 file, or the part of a file from ``start`` that is one; it is closed between uses, so that others may write it.

    Args:
        path: What the caller called it, for errors.
        file: The path of the file.
        start: The place of the first byte, for a member of an archive.
        size: The number of bytes, for a member of an archive.
    """

    def __init__(self, path: str, file: str | None = None, start: int = 0, size: int | None = None) -> None:
        self.path, self.file, self._start, self._size = path, file or path, start, size
        self._places = Places(self.file)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Give the root of the file."""
        with self._refusing_damage():
            self._places.look()
            if os.path.isfile(self.file) and self._size is None:
                with self._local() as file:  # The library reads faster than a stream.
                    yield file
            else:
                with self._stream() as stream, h5py.File(stream, "r") as file:
                    yield file

    def _local(self) -> Any:
        """Open the file without a lock, which not every disk has; as this process may have opened it, with one."""
        with suppress(OSError):
            return h5py.File(self.file, "r", locking=False)
        return h5py.File(self.file, "r")

    @contextmanager
    def _refusing_damage(self) -> Iterator[None]:
        try:
            yield
        except UnreadableCheckpointError:
            raise
        except _DAMAGE as error:
            raise UnreadableCheckpointError(self.path, f"the HDF5 file is damaged: {error}") from error

    def _stream(self) -> BinaryIO:
        file = opened(self.file)
        return file if self._size is None else window(file, self._start, self._size)

    def content(self, file: Any) -> tuple[dict[str, Array], list[str]]:
        """Return every array below the root, by path, and the paths of the groups.

        Raises:
            UnreadableCheckpointError: A link or the storage of an array leads outside the file, or more is claimed
                than is stored.
        """
        found: dict[str, Array] = {}
        large: dict[str, Extent | None] = {}
        groups: list[str] = []
        waiting: list[tuple[str, Any]] = [("", file)]
        while waiting:
            path, group = waiting.pop()
            if path.count("/") > _MOST_DEPTH:
                raise UnreadableCheckpointError(self.path, "its groups are nested too deep, or in a circle")
            for name in reversed(list(group)):
                here = f"{path}/{name}" if path else name
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise UnreadableCheckpointError(self.path, f"{here!r} is a link, which may lead outside the file")
                thing = group[name]
                if isinstance(thing, h5py.Group):
                    groups.append(here)
                    waiting.append((here, thing))
                elif isinstance(thing, h5py.Dataset):
                    self._refuse_foreign(here, thing)
                    found[here] = array = _array(thing)
                    if math.prod(array.shape) * array.itemsize >= _LARGE:
                        large[here] = self._extent(thing)
        self._places.learn(large)
        return found, groups

    def read(self, wanted: Sequence[Sequence[str]], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return a value for each list of paths: that array, or several ones side by side (along the last axis); ``into`` is by path."""
        with self._refusing_damage(), eagerly():
            lying = self._lying([paths[0] for paths in wanted if len(paths) == 1])
            values = read_extents(self.file, list(lying.values()), [into.get(path) for path in lying])
            direct = dict(zip(lying, values, strict=True))
            others = iter(self._joined([paths for paths in wanted if len(paths) > 1 or paths[0] not in direct]))
            return [
                direct[paths[0]] if len(paths) == 1 and paths[0] in direct else tf.constant(next(others))
                for paths in wanted
            ]

    def check(self, wanted: Sequence[Sequence[str]]) -> None:
        """Find out what would fail if the values were read, without keeping them."""
        with self._refusing_damage():
            keys = [path for paths in wanted for path in paths]
            lying = self._lying(keys)
            check_extents(self.file, list(lying.values()))
            self._joined([[path] for path in keys if path not in lying])

    def _joined(self, wanted: Sequence[Sequence[str]]) -> list[np.ndarray[Any, Any]]:
        """Return values as the library reads them."""
        if not wanted:
            return []
        with self.opened() as file:
            return [_joined([self._value(file, path) for path in paths]) for paths in wanted]

    def _lying(self, paths: Sequence[str]) -> dict[str, Extent]:
        """Return where the arrays lie that need no library to be read."""
        places = zip(paths, self._places.of(paths, self._find), strict=True)
        return {path: extent for path, extent in places if extent}

    def _find(self, paths: Sequence[str]) -> Mapping[str, Extent | None]:
        with self.opened() as file:
            return {path: self._extent(file[path]) for path in paths}

    def _extent(self, dataset: Any) -> Extent | None:
        """Return where an array lies if it lies in one piece, as numbers of this machine."""
        offset = dataset.id.get_offset() if dataset.size else None
        if offset is None or not _is_native(dataset):
            return None
        self._refuse_foreign(dataset.name, dataset)
        array = _array(dataset)
        return Extent(self._start + offset, array.shape, array.dtype)

    def _value(self, file: Any, path: str) -> np.ndarray[Any, Any]:
        dataset = file[path]
        array = np.empty(dataset.shape, dataset.dtype)
        if dataset.size:
            dataset.read_direct(array)
        known = tf.dtypes.as_dtype(_array(dataset).dtype).as_numpy_dtype
        return array.view(known) if array.dtype.kind == "V" else array.astype(known, copy=False)

    def _refuse_foreign(self, path: str, dataset: Any) -> None:
        if dataset.is_virtual or dataset.external:
            raise UnreadableCheckpointError(self.path, f"the data of {path!r} lie in another file")
        claimed = math.prod(dataset.shape or (0,)) * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        most = stored * (_MOST_RATIO if dataset.compression else 1)
        if claimed > most or (dataset.chunks and dataset.id.get_num_chunks() < _chunks(dataset)):
            raise UnreadableCheckpointError(self.path, f"{path!r} claims {claimed} bytes and has {stored}")


def is_of_layers(path: str) -> bool:
    """Say whether a file lists layers, as Keras wrote it before Keras 3."""
    hdf5 = Hdf5(path)
    with hdf5.opened() as file:
        root = file.get("model_weights", file) if file.get("model_weights", getclass=True) is h5py.Group else file
        return any(name in root.attrs for name in ("layer_names", "layer_names0"))


def text(value: Any) -> str:
    """Return an attribute or a member of one as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def texts(attributes: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of names; what does not fit into one attribute stands in ``name0``, ``name1`` and so on."""
    if name in attributes:
        return [text(each) for each in attributes[name]]
    parts: list[Any] = []
    while f"{name}{len(parts)}" in attributes:
        parts.append(attributes[f"{name}{len(parts)}"])
    return [text(each) for part in parts for each in part]


def _chunks(dataset: Any) -> int:
    return math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))


def _is_native(dataset: Any) -> bool:
    """Say whether the bytes of the file are those that NumPy has in memory: h5py converts other types as it reads."""
    stored, dtype = dataset.id.get_type(), dataset.dtype
    is_alike = isinstance(stored, h5py.h5t.TypeOpaqueID) or stored == h5py.h5t.py_create(dtype, logical=True)
    return bool(is_alike and dtype.isnative and dataset.id.get_storage_size() == dataset.size * dtype.itemsize)


def _array(dataset: Any) -> Array:
    dtype = dataset.dtype
    name = ""
    if dtype.kind in "fiubc":
        name = dtype.newbyteorder("=").name
    elif dtype.kind == "V" and dtype.fields is None:  # Opaque bytes: Keras 2 does not say what they are.
        name = text(dataset.attrs.get("dtype", "bfloat16" if dtype.itemsize == 2 else ""))
    return Array(dataset.shape or (), _known(name, dtype.itemsize), dtype.itemsize)


def _known(name: str, itemsize: int) -> str:
    try:
        dtype = tf.dtypes.as_dtype(name)
    except TypeError:
        return ""
    return str(dtype.name) if dtype.size == itemsize else ""


def _joined(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)
