"""Files of arrays by name: ``.npz`` of NumPy and ``.safetensors``. No pickle is ever read."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._optimizers import states_of_keys
from partial_restore._sources._extents import Extent, check_extents, is_local, read_extents
from partial_restore._sources._files import opened, size_of, start_of
from partial_restore._tensors import eagerly
from partial_restore._types import Entry, Group, Layout, State, name_of

_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, tf.errors.OpError)
_SUFFIX = ".npy"
_ENCRYPTED = 1


class NpzSource:
    """The arrays of an archive that `numpy.savez` wrote, each held against its checksum."""

    layout = Layout()

    def __init__(self, path: str) -> None:
        self.path = path

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """Every array, in the order of the file; one of Python objects is listed and never read."""
        with self._archive() as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(_SUFFIX)]
            names = [info.filename for info in members]
            if len(set(names)) < len(names):
                raise UnreadableCheckpointError(self.path, "the archive has two members of one name")
            headers = {info.filename.removesuffix(_SUFFIX): _header(archive, info) for info in members}
        states = states_of_keys({key: shape for key, (shape, _) in headers.items()})
        return [_entry(key, shape, dtype, states.get(key)) for key, (shape, dtype) in headers.items()]

    def read(self, keys: Sequence[str]) -> list[tf.Tensor]:
        """Return the values, in the order of the keys; each member is read to its end, which checks it."""
        with self._archive() as archive, eagerly():
            extents = [self._extent(archive, f"{key}{_SUFFIX}") for key in keys]
            direct = iter(read_extents(self.path, [each for each in extents if each]))
            return [
                next(direct) if extent else tf.constant(self._array(archive, key))
                for key, extent in zip(keys, extents, strict=True)
            ]

    def check(self, keys: Sequence[str]) -> None:
        """Hold the values against their checksums, without keeping them."""
        with self._archive() as archive:
            extents = {key: self._extent(archive, f"{key}{_SUFFIX}") for key in keys}
            check_extents(self.path, [each for each in extents.values() if each])
            for key, extent in extents.items():
                if not extent:
                    self._array(archive, key)

    def _extent(self, archive: zipfile.ZipFile, member: str) -> Extent | None:
        """Return where an array lies in a local file if it is stored as it is in memory, with its checksum."""
        info = archive.getinfo(member)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED or not is_local(self.path):
            return None
        with archive.open(info) as opened_member:  # This holds the member's own header against the archive's.
            shape, is_flipped, dtype = _read_header(opened_member)
            size = opened_member.tell()
            opened_member.seek(0)
            start = zlib.crc32(opened_member.read(size))
        known = _entry(member, shape, dtype, None).dtype
        if is_flipped or not dtype.isnative or dtype.hasobject or size + _nbytes(shape, dtype) != info.file_size:
            return None
        with opened(self.path) as file:
            return Extent(start_of(file, info, size_of(self.path)) + size, shape, known, info.CRC, start)

    def _array(self, archive: zipfile.ZipFile, key: str) -> np.ndarray[Any, Any]:
        with archive.open(f"{key}{_SUFFIX}") as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
            if member.read(1):
                raise ValueError(f"there is more in {key!r} than its header says")
            return _native(array)

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        try:
            with opened(self.path) as file, zipfile.ZipFile(file) as archive:
                yield archive
        except _DAMAGE as error:
            raise UnreadableCheckpointError(self.path, f"the archive is damaged: {error}") from error


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype, if the member is as large as they say."""
    with archive.open(info) as member:
        shape, _, dtype = _read_header(member)
        held = info.file_size - member.tell()
    claimed = _nbytes(shape, dtype)
    if not dtype.hasobject and claimed != held:
        raise ValueError(f"{info.filename} claims {claimed} bytes and has {held}")
    return shape, dtype


def _read_header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether the first axis varies fastest, and the dtype."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(member)


def _nbytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return math.prod(shape) * dtype.itemsize


class SafetensorsSource:
    """The tensors of a ``.safetensors`` file."""

    layout = Layout()

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            import safetensors  # noqa: F401, PLC0415  An extra of the package: only these files need it.
        except ImportError as error:
            raise UnreadableCheckpointError(
                path, 'it is a .safetensors file; reading it needs `pip install "partial-restore[safetensors]"`'
            ) from error

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """Every tensor, by name."""
        with self._file() as file:
            held = {key: file.get_slice(key) for key in sorted(file.keys())}
            shapes = {key: tuple(each.get_shape()) for key, each in held.items()}
            states = states_of_keys(shapes)
            return [
                _entry(key, shapes[key], _DTYPES.get(each.get_dtype()), states.get(key)) for key, each in held.items()
            ]

    def read(self, keys: Sequence[str]) -> list[tf.Tensor]:
        """Return the values, in the order of the keys."""
        with self._file() as file, eagerly():
            extents = _extents(self.path, file) if is_local(self.path) else None
            if extents is None:
                return [tf.constant(file.get_tensor(key)) for key in keys]
            return read_extents(self.path, [extents[key] for key in keys])

    def check(self, keys: Sequence[str]) -> None:  # noqa: ARG002  It concerns them all.
        """Find out whether the file is as long as it says; the library does, and there is no more to find."""
        with self._file():
            pass

    @contextmanager
    def _file(self) -> Iterator[Any]:
        from safetensors import SafetensorError, safe_open  # noqa: PLC0415  See above.

        try:
            with _local(self.path) as path, safe_open(path, framework="np") as file:
                yield file
        except (SafetensorError, OSError, ValueError, TypeError, tf.errors.OpError) as error:
            raise UnreadableCheckpointError(self.path, str(error)) from error


_DTYPES = {
    name: np.dtype(tf.dtypes.as_dtype(dtype).as_numpy_dtype)
    for name, dtype in {
        **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
        **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
        **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
        "BF16": "bfloat16",
        "BOOL": "bool",
    }.items()
}


def _extents(path: str, file: Any) -> dict[str, Extent] | None:
    """Return where each tensor lies, or None if a dtype is unknown here.

    The format has the tensors one behind the other, without gaps, to the end of the file; the library refuses others.
    """
    held = {key: file.get_slice(key) for key in file.offset_keys()}
    if not all(each.get_dtype() in _DTYPES for each in held.values()):
        return None
    with opened(path) as start:
        offset = 8 + int.from_bytes(start.read(8), "little")
    extents = {}
    for key, each in held.items():
        shape, dtype = tuple(each.get_shape()), _DTYPES[each.get_dtype()]
        extents[key] = Extent(offset, shape, dtype.name)
        offset += _nbytes(shape, dtype)
    if offset != size_of(path):
        raise ValueError(f"its tensors end at {offset}, the file at {size_of(path)}")
    return extents


@contextmanager
def _local(path: str) -> Iterator[str]:
    """Give a path that any library can open: a remote file is copied to the disk, a piece at a time."""
    if os.path.isfile(path):
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy:
        with opened(path) as file:
            _copy(file, copy, size_of(path))
        copy.flush()
        yield copy.name


def _copy(file: BinaryIO, copy: Any, size: int) -> None:
    if shutil.disk_usage(tempfile.gettempdir()).free < size:
        raise OSError(f"there is no room for a copy of {size} bytes in {tempfile.gettempdir()}")
    shutil.copyfileobj(file, copy, 2**20)


def _native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _entry(key: str, shape: tuple[int, ...], dtype: np.dtype[Any] | None, state: State | None) -> Entry:
    names = (name_of(key.strip("/").removesuffix(":0"), said=None),)
    if dtype is None or dtype.kind not in "fiubcV" or dtype.hasobject:
        return Entry(key, names, (), shape, str(dtype), "internal")
    try:
        known = tf.dtypes.as_dtype(dtype.newbyteorder("="))
    except TypeError:
        return Entry(key, names, (), shape, str(dtype), "internal")
    group: Group = "optimizer" if state else "model"
    return Entry(key, names, names, shape, known.name, group, dtype.itemsize, state=state)
