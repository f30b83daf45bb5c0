"""Files of tensors by name, ``.safetensors``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._optimizers import states_of_keys
from partial_restore._sources._arrays import entry_of, nbytes_of
from partial_restore._sources._extents import Extent, Places, read_extents
from partial_restore._sources._files import opened, size_of
from partial_restore._tensors import eagerly
from partial_restore._types import Entry, Layout


class SafetensorsSource:
    """The tensors of a ``.safetensors`` file."""

    layout = Layout()

    def __init__(self, path: str) -> None:
        self.path, self._places = path, Places(path)
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
                entry_of(key, shapes[key], _DTYPES.get(each.get_dtype()), states.get(key)) for key, each in held.items()
            ]

    def read(self, keys: Sequence[str]) -> list[tf.Tensor]:
        """Return the values, in the order of the keys."""
        with self._refusing_damage(), eagerly():
            extents = [extent for extent in self._places.of(keys, self._find) if extent]
            if len(extents) == len(keys):
                return read_extents(self.path, extents)
            with self._file() as file:
                return [tf.constant(file.get_tensor(key)) for key in keys]

    reread = read

    def _find(self, keys: Sequence[str]) -> Mapping[str, Extent | None]:
        with self._file() as file:
            return _extents(self.path, file) or dict.fromkeys(keys)

    def check(self, keys: Sequence[str]) -> None:  # noqa: ARG002  It concerns them all.
        """Find out whether the file is as long as it says; the library does, and there is no more to find."""
        with self._file():
            pass

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
    """Return where each tensor lies, or None if a dtype is unknown here, or the library is too old to tell their order.

    The format has the tensors one behind the other, without gaps, to the end of the file; the library refuses others.
    """
    if not hasattr(file, "offset_keys"):
        return None
    held = {key: file.get_slice(key) for key in file.offset_keys()}
    if not all(each.get_dtype() in _DTYPES for each in held.values()):
        return None
    with opened(path) as start:
        offset = 8 + int.from_bytes(start.read(8), "little")
    extents = {}
    for key, each in held.items():
        shape, dtype = tuple(each.get_shape()), _DTYPES[each.get_dtype()]
        extents[key] = Extent(offset, shape, dtype.name)
        offset += nbytes_of(shape, dtype)
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
