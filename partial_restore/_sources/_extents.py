"""Values that lie in one piece in a file, read straight into the memory of fresh tensors.

No copy is made in between and no lock of a library is held, so that several threads read at once; and TensorFlow hands out
memory again that was just freed, which costs a small part of what memory does that is touched for the first time.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import RawIOBase
from typing import Any

import numpy as np
import tensorflow as tf

from partial_restore._in_place import memory_of
from partial_restore._sources._files import stamp_of, unbuffered

_TOO_SHORT = "the file ends before the {} bytes from {}"

_CHECKED_AT_ONCE = 2**20
"""Bytes of one read that are then checked, while they are in the processor's cache."""


_MADE_EMPTY = frozenset(
    map(
        tf.dtypes.as_dtype,
        "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 half bfloat16 float32 float64 complex64 complex128".split(),
    )
)
"""What TensorFlow makes without filling it."""

_MOST_MADE_EMPTY = 2**31 - 1
"""Numbers in a row of it."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a value lies: its first byte in the file, and what it is.

    ``crc`` is the CRC-32 to which the bytes lead from ``start``, that of what precedes them.
    """

    offset: int
    shape: tuple[int, ...]
    dtype: str
    crc: int | None = None
    start: int = 0

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * int(tf.dtypes.as_dtype(self.dtype).size)


class Places:
    """Where the values of a file lie, found out once as long as the file stays the same one, with nothing written."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: tuple[tuple[int, ...], dict[str, Extent | None]] = ((), {})

    def of(
        self, keys: Sequence[str], find: Callable[[Sequence[str]], Mapping[str, Extent | None]]
    ) -> list[Extent | None]:
        """Return where each value lies, or None for those that only the library of the format can read."""
        self.look()
        stamp, found = self._known
        if missing := [key for key in keys if key not in found]:
            found = {**found, **find(missing)}
            self._known = stamp, found
        return [found[key] for key in keys]

    def look(self) -> None:
        """Forget what is known if the file is another one by now: before it is opened, to learn from it."""
        stamp = stamp_of(self._path)
        if self._known[0] != stamp:
            self._known = stamp, {}

    def learn(self, found: Mapping[str, Extent | None]) -> None:
        """Know where values lie in the file as it was when last looked at."""
        stamp, known = self._known
        self._known = stamp, {**known, **found}


def read_extents(
    path: str, extents: Sequence[Extent], into: Sequence[tf.Tensor | None] | None = None
) -> list[tf.Tensor]:
    """Return the values of a file, in their order, each in the tensor of ``into`` at its place, if there is one.

    To be called where ops run eagerly on the CPU.

    Raises:
        OSError: The file ends before the value does, or the value has another checksum.
    """
    if not extents:
        return []
    with unbuffered(path) as file:
        tensors = into or [None] * len(extents)
        return [_read(file, extent, tensor) for extent, tensor in zip(extents, tensors, strict=True)]


def check_extents(path: str, extents: Sequence[Extent]) -> None:
    """Find out what would fail if the values were read, without keeping them.

    A value with a checksum is read, through a small buffer. Of another one it can only be said whether it is there.

    Raises:
        OSError: As `read_extents`.
    """
    if not extents:
        return
    buffer = memoryview(bytearray(_CHECKED_AT_ONCE))
    with unbuffered(path) as file:
        size = file.seek(0, os.SEEK_END)
        for extent in extents:
            if extent.offset + extent.nbytes > size:
                raise OSError(_TOO_SHORT.format(extent.nbytes, extent.offset))
            if extent.crc is not None:
                _refuse_other(extent, _read_through(file, buffer, extent))


def _read(file: RawIOBase, extent: Extent, tensor: tf.Tensor | None) -> tf.Tensor:
    dtype = tf.dtypes.as_dtype(extent.dtype)
    memory = memory_of(tensor, extent.shape, dtype.as_numpy_dtype)
    value, array = _new_memory(extent.shape, dtype) if memory is None else (tensor, memory)
    _refuse_other(extent, _fill(file, memoryview(array.reshape(-1).view(np.uint8)), extent))
    return tf.convert_to_tensor(value)


def _new_memory(shape: Sequence[int], dtype: tf.DType) -> tuple[Any, Any]:
    """Return a tensor, or what becomes one, and the array that is its memory."""
    if dtype in _MADE_EMPTY and max(shape, default=0) <= _MOST_MADE_EMPTY:
        tensor = tf.raw_ops.Empty(shape=np.array(shape, np.int32), dtype=dtype)
        memory = memory_of(tensor, shape, dtype.as_numpy_dtype)
        if memory is not None:
            return tensor, memory
    array = np.empty(shape, dtype.as_numpy_dtype)
    return array, array


def _refuse_other(extent: Extent, crc: int) -> None:
    if extent.crc is not None and crc != extent.crc:
        raise OSError(f"bad CRC-32 of the {extent.nbytes} bytes from {extent.offset}")


def _fill(file: RawIOBase, memory: memoryview, extent: Extent) -> int:
    """Fill the memory from the file and return the checksum, if one is wanted."""
    crc, step = extent.start, memory.nbytes if extent.crc is None else _CHECKED_AT_ONCE
    for at in range(0, memory.nbytes, max(1, step)):
        piece = memory[at : at + step]
        _read_piece(file, piece, extent, at)
        crc = crc if extent.crc is None else zlib.crc32(piece, crc)
    return crc


def _read_through(file: RawIOBase, buffer: memoryview, extent: Extent) -> int:
    """Return the checksum of a value, of which the buffer holds a piece at a time."""
    crc = extent.start
    for at in range(0, extent.nbytes, buffer.nbytes):
        piece = buffer[: extent.nbytes - at]
        _read_piece(file, piece, extent, at)
        crc = zlib.crc32(piece, crc)
    return crc


def _read_piece(file: RawIOBase, piece: memoryview, extent: Extent, at: int) -> None:
    file.seek(extent.offset + at)
    while piece.nbytes:
        count = file.readinto(piece)
        if not count:
            raise OSError(_TOO_SHORT.format(extent.nbytes, extent.offset))
        piece = piece[count:]
