"""Files on every file system that TensorFlow opens, read in pieces and never taken whole into memory."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, BinaryIO, cast

import tensorflow as tf

_BUFFER = 2**20
_MOST_AT_ONCE = 2**24
"""Bytes of one read of what only TensorFlow can open: it gives them in memory of its own."""

_LOCAL_HEADER = 30


Stamps = Mapping[str, tuple[int, ...]]
"""What changes if a file is written or replaced, by its path."""

NO_FILES: Stamps = MappingProxyType({})


def is_file(path: str) -> bool:
    """Say whether there is something at the path that is no folder."""
    return bool(tf.io.gfile.exists(path)) and not tf.io.gfile.isdir(path)


def is_regular(path: str) -> bool:
    """Say whether a local path is a plain file: a pipe or a device could keep a reader waiting for ever."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True  # It is on a file system of TensorFlow's own, which has no pipes.


def size_of(path: str) -> int:
    return int(tf.io.gfile.stat(path).length)


def opened(path: str) -> BinaryIO:
    """Return the file, open for reading."""
    if os.path.isfile(path):
        return open(path, "rb")
    return cast("BinaryIO", io.BufferedReader(_Remote(path), _BUFFER))


def unbuffered(path: str) -> io.RawIOBase:
    """Return the file, open for reading at once into the memory of whoever reads."""
    return io.FileIO(path) if os.path.isfile(path) else _Remote(path)


def stamp_of(path: str) -> tuple[int, ...]:
    """Return what changes if the file is written or replaced."""
    if os.path.isfile(path):
        found = os.stat(path)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    there = tf.io.gfile.stat(path)
    return int(there.length), int(there.mtime_nsec)


def stamps_of(paths: Iterable[str]) -> Stamps:
    """Return the stamps of those files that are there."""
    found = {}
    for path in paths:
        with suppress(OSError, tf.errors.OpError):
            found[path] = stamp_of(path)
    return found


def window(file: BinaryIO, start: int, size: int) -> BinaryIO:
    """Return a part of an open file as a file of its own; closing it closes the file."""
    return cast("BinaryIO", io.BufferedReader(_Window(file, start, size), _BUFFER))


def head_of(path: str, size: int) -> bytes:
    with opened(path) as file:
        return file.read(size)


def start_of(file: BinaryIO, info: zipfile.ZipInfo, size: int) -> int:
    """Return where the data of an uncompressed member begin: behind a header that ends with a name and an extra field."""
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    start = info.header_offset + _LOCAL_HEADER + sum(int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
    if start + info.file_size > size:
        raise ValueError("a member claims more bytes than there are")
    return start


class _Readable(io.RawIOBase):
    """A file of known size, read from a position of its own."""

    size: int
    _position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._read_at(self._position, max(0, min(len(buffer), self.size - self._position, _MOST_AT_ONCE)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read_at(self, position: int, size: int) -> bytes:
        raise NotImplementedError


class _Remote(_Readable):
    """A file that only TensorFlow can open."""

    def __init__(self, path: str) -> None:
        self._file = tf.io.gfile.GFile(path, "rb")
        self.size = self._file.size()

    def _read_at(self, position: int, size: int) -> bytes:
        if self._file.tell() != position:
            self._file.seek(position)
        return cast("bytes", self._file.read(size))

    def close(self) -> None:
        self._file.close()
        super().close()


class _Window(_Readable):
    """A part of another file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self.size = file, start, size

    def _read_at(self, position: int, size: int) -> bytes:
        self._file.seek(self._start + position)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
        super().close()
