"""Where the values of a checkpoint V2 lie: its index is a table as LevelDB has them, with a record for each tensor.

`RestoreV2` computes a value's checksum whenever it reads it, which takes longer than the copy. What was held against its
checksum before need not be read that way again.
"""

from __future__ import annotations

import glob
import os
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

from partial_restore._in_place import NOWHERE
from partial_restore._sources._extents import Extent, read_extents
from partial_restore._sources._files import Stamps, stamps_of

_FOOTER = struct.Struct("<40sQ")
_MAGIC = 0xDB4775248B80FB57
_NOT_COMPRESSED = 0
"""The byte behind a block."""

_MORE = 0x80
"""The bit of a byte which says that a number goes on."""

_MOST_BITS = 63
_WORTH = 2**17
"""Bytes of a value, on an average, from which a read of its own takes less time than the checksum."""


class Bundle:
    """The files of a checkpoint V2 on a local disk, as they are when this is made."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._stamps = self._now()

    @property
    def size(self) -> int:
        """The bytes of all files; none if they are elsewhere."""
        return sum(size for _, _, size, *_ in self._stamps.values())

    def read(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor] | None:
        """Return the values without a look at their checksums, or None where TensorFlow must read them.

        To be called where ops run eagerly on the CPU, for values that were held against their checksums since this was made.
        """
        if self.size < _WORTH * len(self._table):
            return None
        lying = [each for key in keys if (each := self._lying(key))]
        if len(lying) < len(keys):
            return None
        try:
            values = [
                read_extents(path, [extent], [into.get(key)])[0]
                for key, (path, extent) in zip(keys, lying, strict=True)
            ]
        except OSError:
            return None
        return values if self._now() == self._stamps else None

    def _now(self) -> Stamps:
        paths = [f"{self._prefix}.index", *glob.glob(f"{glob.escape(self._prefix)}.data-?????-of-?????")]
        return stamps_of(path for path in paths if os.path.isfile(path))

    @cached_property
    def _table(self) -> Mapping[bytes, bytes]:
        """The records of the index; none if only TensorFlow understands it, or if it is another one by now."""
        try:
            with open(f"{self._prefix}.index", "rb") as file:
                records = dict(_records(file.read()))
        except (OSError, LookupError, ValueError, struct.error):
            return {}
        return records if self._now() == self._stamps else {}

    def _lying(self, key: str) -> tuple[str, Extent] | None:
        """Return the file that has a value, and where; None if it is partitioned, or not the bytes of an array."""
        try:
            header = BundleHeaderProto.FromString(self._table[b""])
            entry = BundleEntryProto.FromString(self._table[key.encode()])
        except (KeyError, DecodeError):
            return None
        dtype = tf.dtypes.as_dtype(entry.dtype)
        extent = Extent(entry.offset, tuple(dim.size for dim in entry.shape.dim), dtype.name)
        is_native = header.endianness == BundleHeaderProto.LITTLE and sys.byteorder == "little"
        is_array = dtype not in (tf.string, tf.variant, tf.resource) and not entry.slices
        if not is_native or not is_array or extent.nbytes != entry.size:
            return None
        return f"{self._prefix}.data-{entry.shard_id:05d}-of-{header.num_shards:05d}", extent


def _records(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table: its footer leads to the index, and that to the blocks, in order."""
    handles, magic = _FOOTER.unpack(table[-_FOOTER.size :])
    if magic != _MAGIC:
        raise ValueError("this is no table")
    _, _, start, size = _varints(handles, 0, 4)[0]
    for _, handle in _block(table, start, size):
        yield from _block(table, *_varints(handle, 0, 2)[0])


def _block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block; each key says how much of the last one it begins with."""
    if table[start + size] != _NOT_COMPRESSED:
        raise ValueError("a block is compressed")
    block = table[start : start + size]
    restarts = int.from_bytes(block[-4:], "little")
    key, at, end = b"", 0, size - 4 * (restarts + 1)
    while at < end:
        (shared, own, length), at = _varints(block, at, 3)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _varints(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Return numbers that are written in groups of 7 bits, the lowest first, and where they end."""
    numbers = []
    for _ in range(count):
        number = shift = 0
        while data[at] >= _MORE and shift < _MOST_BITS:
            number |= (data[at] - _MORE) << shift
            at, shift = at + 1, shift + 7
        numbers.append(number | data[at] << shift)
        at += 1
    return numbers, at
