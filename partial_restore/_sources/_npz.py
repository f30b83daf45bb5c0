"""Archives of arrays, ``.npz`` of NumPy. No pickle is ever read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._in_place import NOWHERE
from partial_restore._optimizers import states_of_keys
from partial_restore._sources._arrays import entry_of, nbytes_of
from partial_restore._sources._extents import Extent, Places, check_extents, read_extents
from partial_restore._sources._files import opened, size_of, stamps_of, start_of
from partial_restore._tensors import eagerly
from partial_restore._types import Entry, Layout

_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, tf.errors.OpError)
_SUFFIX = ".npy"
_ENCRYPTED = 1


class NpzSource:
    """The arrays of an archive that `numpy.savez` wrote, each held against its checksum."""

    layout = Layout()

    def __init__(self, path: str) -> None:
        self.path, self.stamps, self._places = path, stamps_of([path]), Places(path)

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
        return [entry_of(key, shape, dtype, states.get(key)) for key, (shape, dtype) in headers.items()]

    def read(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return the values, in the order of the keys; each member is read to its end, which checks it."""
        with self._refusing_damage(), eagerly():
            lying = self._lying(keys)
            values = read_extents(self.path, list(lying.values()), [into.get(key) for key in lying])
            direct = dict(zip(lying, values, strict=True))
            others = iter(self._arrays([key for key in keys if key not in lying]))
            return [direct[key] if key in direct else tf.constant(next(others)) for key in keys]

    reread = read

    def check(self, keys: Sequence[str]) -> None:
        """Hold the values against their checksums, without keeping them."""
        with self._refusing_damage():
            lying = self._lying(keys)
            check_extents(self.path, list(lying.values()))
            self._arrays([key for key in keys if key not in lying])

    def _arrays(self, keys: Sequence[str]) -> list[np.ndarray[Any, Any]]:
        """Return values as the library reads them."""
        if not keys:
            return []
        with self._archive() as archive:
            return [self._array(archive, key) for key in keys]

    def _lying(self, keys: Sequence[str]) -> dict[str, Extent]:
        """Return where the arrays lie that need no library to be read."""
        places = zip(keys, self._places.of(keys, self._find), strict=True)
        return {key: extent for key, extent in places if extent}

    def _find(self, keys: Sequence[str]) -> Mapping[str, Extent | None]:
        with self._archive() as archive:
            return {key: self._extent(archive, f"{key}{_SUFFIX}") for key in keys}

    def _extent(self, archive: zipfile.ZipFile, member: str) -> Extent | None:
        """Return where an array lies if it is stored as it is in memory, with its checksum."""
        info = archive.getinfo(member)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
            return None
        with archive.open(info) as opened_member:  # This holds the member's own header against the archive's.
            shape, is_flipped, dtype = _read_header(opened_member)
            size = opened_member.tell()
            opened_member.seek(0)
            start = zlib.crc32(opened_member.read(size))
        known = entry_of(member, shape, dtype, None).dtype
        if is_flipped or not dtype.isnative or dtype.hasobject or size + nbytes_of(shape, dtype) != info.file_size:
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
        with self._refusing_damage(), opened(self.path) as file, zipfile.ZipFile(file) as archive:
            yield archive

    @contextmanager
    def _refusing_damage(self) -> Iterator[None]:
        try:
            yield
        except UnreadableCheckpointError:
            raise
        except _DAMAGE as error:
            raise UnreadableCheckpointError(self.path, f"the archive is damaged: {error}") from error


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype, if the member is as large as they say."""
    with archive.open(info) as member:
        shape, _, dtype = _read_header(member)
        held = info.file_size - member.tell()
    claimed = nbytes_of(shape, dtype)
    if not dtype.hasobject and claimed != held:
        raise ValueError(f"{info.filename} claims {claimed} bytes and has {held}")
    return shape, dtype


def _read_header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether the first axis varies fastest, and the dtype."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(member)


def _native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.astype(array.dtype.newbyteorder("="), copy=False)
