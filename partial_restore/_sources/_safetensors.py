"""Files of tensors by name, ``.safetensors``."""

from __future__ import annotations

import json
import os
import tempfile
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
from partial_restore._sources._extents import Extent, Places, read_extents
from partial_restore._sources._files import opened, size_of, stamps_of
from partial_restore._tensors import eagerly
from partial_restore._types import Entry, Layout

_LENGTH = 8
"""The bytes that say how long the header is."""

_MOST_HEADER = 10**8
"""What the library takes for a header at most."""


class SafetensorsSource:
    """The tensors of a ``.safetensors`` file."""

    layout = Layout()

    def __init__(self, path: str) -> None:
        self.path, self.stamps, self._places = path, stamps_of([path]), Places(path)
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
            held = _held(file)
        states = states_of_keys({key: shape for key, (shape, _) in held.items()})
        return [entry_of(key, shape, dtype, states.get(key)) for key, (shape, dtype) in held.items()]

    def read(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return the values, in the order of the keys."""
        with self._refusing_damage(), eagerly():
            lying = {key: extent for key, extent in zip(keys, self._places.of(keys, self._find), strict=True) if extent}
            return read_extents(self.path, list(lying.values()), [into.get(key) for key in lying])

    reread = read

    def check(self, keys: Sequence[str]) -> None:
        """Find out whether the values are there; there is no more to find."""
        with self._refusing_damage():
            self._places.of(keys, self._find)

    def _find(self, _keys: Sequence[str]) -> Mapping[str, Extent]:
        """Return where all values lie that TensorFlow has: the format has the offsets, and the library held them against the file's size."""
        with self._file() as file, opened(self.path) as start:
            size = int.from_bytes(start.read(_LENGTH), "little")
            header = json.loads(start.read(size))
            return {
                key: _extent(header[key], _LENGTH + size, shape, dtype)
                for key, (shape, dtype) in _held(file).items()
                if isinstance(dtype, np.dtype)
            }

    @contextmanager
    def _file(self) -> Iterator[Any]:
        from safetensors import safe_open  # noqa: PLC0415  See above.

        with self._refusing_damage(), _local(self.path) as path, safe_open(path, framework="np") as file:
            yield file

    @contextmanager
    def _refusing_damage(self) -> Iterator[None]:
        from safetensors import SafetensorError  # noqa: PLC0415  See above.

        try:
            yield
        except (SafetensorError, OSError, ValueError, TypeError, KeyError, tf.errors.OpError) as error:
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


def _held(file: Any) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any] | str]]:
    """Return the shape of every tensor, and its dtype; that which TensorFlow lacks as the format calls it."""
    held = {key: file.get_slice(key) for key in sorted(file.keys())}
    return {
        key: (tuple(each.get_shape()), _DTYPES.get(each.get_dtype(), each.get_dtype())) for key, each in held.items()
    }


def _extent(told: Mapping[str, Any], start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Extent:
    first, last = told["data_offsets"]
    if last - first != nbytes_of(shape, dtype):
        raise ValueError(f"{last - first} bytes are no {dtype} of shape {shape}")
    return Extent(start + first, shape, dtype.name)


@contextmanager
def _local(path: str) -> Iterator[str]:
    """Give a path that any library can open: of a remote file the header is copied, followed by nothing, as long as the file."""
    if os.path.isfile(path):
        yield path
        return
    size = size_of(path)
    with tempfile.NamedTemporaryFile() as copy, opened(path) as file:
        length = file.read(_LENGTH)
        copy.write(length + file.read(min(int.from_bytes(length, "little"), _MOST_HEADER)))
        copy.flush()
        copy.truncate(size)
        yield copy.name
