"""Values that are read straight from where they lie are those that the libraries of the formats read."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

import partial_restore as pr
from partial_restore._sources import _extents, _files, _hdf5, _npz, _safetensors, open_source

Values = dict[str, np.ndarray[Any, Any]]
DTYPES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
]
VALUES: Values = {
    **{dtype: np.arange(6).reshape(2, 3).astype(dtype) for dtype in DTYPES},
    "scalar": np.array(3, np.float32),
    "empty": np.zeros([0, 3], np.float32),
    "large": np.random.default_rng(0).random([3, 2**18], np.float32),
    "bfloat16": np.arange(6).astype(ml_dtypes.bfloat16),
}
ODD: Values = {
    "complex": np.arange(3).astype(np.complex64),
    "flipped": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(3, dtype=">f4"),
    "strided": np.arange(10.0)[::2],
}


def npz(path: str, values: Values) -> None:
    with open(path, "wb") as file:
        np.savez(file, **values)  # type: ignore[arg-type]


def packed(path: str, values: Values) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, **values)  # type: ignore[arg-type]


def hdf5(path: str, values: Values) -> None:
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            is_opaque = value.dtype.kind == "V"
            file.create_dataset(f"layers/{name}/vars/0", data=value.view("V2") if is_opaque else value)


def chunked(path: str, values: Values) -> None:
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            options = {"chunks": value.shape, "compression": "gzip"} if value.size > 1 else {}
            file.create_dataset(f"layers/{name}/vars/0", data=value, **options)


WITHOUT_OPAQUE = {name: value for name, value in VALUES.items() if name != "bfloat16"}
FILES: dict[str, tuple[Callable[[str, Values], None], Values]] = {
    "npz": (npz, WITHOUT_OPAQUE | ODD),
    "compressed npz": (packed, WITHOUT_OPAQUE | ODD),
    "safetensors": (lambda path, values: save_file(values, path), VALUES),
    "hdf5": (hdf5, VALUES | ODD),
    "hdf5 in chunks": (chunked, WITHOUT_OPAQUE | ODD),
}


@pytest.mark.parametrize("is_read_directly", [True, False], ids=["directly", "by the library"])
@pytest.mark.parametrize("name", FILES)
def test_values_are_those_of_the_file(
    name: str, is_read_directly: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, values = FILES[name]
    write(f"{tmp_path}/file", values)
    if not is_read_directly and name != "safetensors":
        monkeypatch.setattr(_extents.Places, "of", lambda _self, keys, _find: [None for _ in keys])
    source = open_source(f"{tmp_path}/file")
    keys = {key: key.removeprefix("layers/").removesuffix("/vars/0") for key in (entry.key for entry in source.entries)}
    assert set(keys.values()) == set(values)
    for read, key in zip(source.read(list(keys)), keys, strict=True):
        expected = values[keys[key]]
        assert read.dtype == tf.dtypes.as_dtype(expected.dtype.newbyteorder("="))
        assert read.shape == expected.shape
        np.testing.assert_array_equal(read.numpy(), expected)


def test_most_values_are_read_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(path: str, extents: Any, into: Any) -> Any:
        read.append(len(extents))
        return _extents.read_extents(path, extents, into)

    for module in (_npz, _safetensors, _hdf5):
        monkeypatch.setattr(module, "read_extents", counted)
    for name, direct in {"npz": 17, "compressed npz": 0, "safetensors": 16, "hdf5": 18, "hdf5 in chunks": 1}.items():
        write, values = FILES[name]
        write(f"{tmp_path}/file", values)
        source = open_source(f"{tmp_path}/file")
        read.clear()
        source.read([entry.key for entry in source.entries])
        assert sum(read) == direct, name


@pytest.mark.parametrize("write", [npz, hdf5])
def test_a_file_that_is_cut_after_it_was_looked_at_is_damaged(
    write: Callable[[str, Values], None], tmp_path: Path
) -> None:
    write(f"{tmp_path}/file", {"large": VALUES["large"]})
    whole = Path(f"{tmp_path}/file").read_bytes()
    source = open_source(f"{tmp_path}/file")
    key = source.entries[0].key
    Path(f"{tmp_path}/file").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(pr.UnreadableCheckpointError):
        source.read([key])


def test_a_short_file_and_a_wrong_checksum_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(16))
    assert _extents.read_extents(str(path), [_extents.Extent(8, (2,), "float32")])[0].numpy().tolist() == [0, 0]
    with pytest.raises(OSError, match="ends before the 12 bytes from 8"):
        _extents.read_extents(str(path), [_extents.Extent(8, (3,), "float32")])
    with pytest.raises(OSError, match="bad CRC-32 of the 8 bytes from 8"):
        _extents.read_extents(str(path), [_extents.Extent(8, (2,), "float32", crc=1)])


def test_every_piece_of_a_checked_value_counts(tmp_path: Path) -> None:
    npz(f"{tmp_path}/file", {"large": VALUES["large"]})
    with zipfile.ZipFile(f"{tmp_path}/file") as archive:
        start = archive.infolist()[0].header_offset
    data = bytearray(Path(f"{tmp_path}/file").read_bytes())
    for at in (start + 200, start + 2**20 + 7, start + 3 * 2**20 - 1):
        data[at] ^= 1
        Path(f"{tmp_path}/damaged").write_bytes(data)
        data[at] ^= 1
        source = open_source(f"{tmp_path}/damaged")
        with pytest.raises(pr.UnreadableCheckpointError, match="bad CRC-32"):
            source.read([entry.key for entry in source.entries])


def test_values_are_the_tensors_own(tmp_path: Path) -> None:
    """The memory belongs to the tensor: it lives as long, and a variable that takes it over can be changed in place."""
    hdf5(f"{tmp_path}/file", {"large": VALUES["large"]})
    model = {"large": tf.Variable(tf.zeros([3, 2**18]))}
    pr.restore_subset(model, f"{tmp_path}/file", rename={"large/vars/0": "large"})
    Path(f"{tmp_path}/file").unlink()
    before = model["large"].value()
    model["large"].assign_add(tf.ones([3, 2**18]))
    np.testing.assert_array_equal(before, VALUES["large"])
    np.testing.assert_array_equal(model["large"], VALUES["large"] + 1)


@pytest.mark.parametrize("shape", [(2**16, 2**15), (2**31,)])
def test_there_is_memory_for_more_numbers_than_32_bits_count(shape: tuple[int, ...]) -> None:
    _, array = _extents._new_memory(shape, tf.int8)
    assert array.shape == shape


def test_places_are_found_out_once_for_one_state_of_the_file(tmp_path: Path) -> None:
    path, asked = tmp_path / "file", []

    def find(keys: Any) -> Any:
        asked.extend(keys)
        return {key: _extents.Extent(int(key), (1,), "int8") for key in keys}

    places = _extents.Places(str(path))
    path.write_bytes(b"ab")
    for _ in range(2):
        assert [extent.offset for extent in places.of(["1", "0"], find) if extent] == [1, 0]
    assert asked == ["1", "0"]
    path.write_bytes(b"abc")
    places.of(["0"], find)
    assert asked == ["1", "0", "0"]


@pytest.mark.parametrize("name", FILES)
def test_what_only_tensorflow_can_open_is_read_as_directly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its values are those of the file, and no more of it is read than is wanted."""
    write, values = FILES[name]
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/file", values)
        tf.io.gfile.copy(f"{folder}/file", f"ram://{name}", overwrite=True)
    source = open_source(f"ram://{name}")
    for key in (entry.key for entry in source.entries):
        expected = values[key.removeprefix("layers/").removesuffix("/vars/0")]
        source.check([key])
        np.testing.assert_array_equal(source.read([key])[0].numpy(), expected)
    read: list[int] = []
    read_at = _files._Remote._read_at

    def noted(self: Any, position: int, size: int) -> bytes:
        data = read_at(self, position, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(_files._Remote, "_read_at", noted)
    wanted = next(entry for entry in source.entries if "large" in entry.key)
    source.read([wanted.key])
    assert ("chunks" in name) or ("compressed" in name) or sum(read) == wanted.nbytes


@pytest.mark.parametrize("write", [npz, hdf5, lambda path, values: save_file(values, path)])
def test_a_file_that_was_written_anew_is_read_as_it_is(write: Callable[[str, Values], None], tmp_path: Path) -> None:
    path, other = f"{tmp_path}/file", f"{tmp_path}/other"
    write(path, {"a": np.arange(3.0), "b": np.arange(5.0)})
    source = open_source(path)
    key = next(entry.key for entry in source.entries if "a" in entry.key.split("/"))
    assert source.read([key])[0].numpy().tolist() == [0, 1, 2]
    write(other, {"0": np.arange(9.0), "a": np.arange(3.0) + 7, "b": np.arange(5.0)})
    Path(other).replace(path)
    assert source.read([key])[0].numpy().tolist() == [7, 8, 9]


def test_where_large_arrays_lie_is_known_from_the_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = keras.Sequential([keras.Input([512]), keras.layers.Dense(512), keras.layers.Dense(512)])
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    kernels = [model.layers[i].kernel.numpy() for i in range(2)]
    found: list[str] = []
    extent = _hdf5.Hdf5._extent
    monkeypatch.setattr(_hdf5.Hdf5, "_extent", lambda self, each: found.append(each.name) or extent(self, each))
    source = open_source(str(path))
    keys = [entry.key for entry in source.entries if entry.key.endswith("vars/0")]
    assert len(found) == 2
    values = [source.read([key])[0].numpy() for key in keys]
    assert len(found) == 2
    for value, kernel in zip(values, kernels, strict=True):
        np.testing.assert_array_equal(value, kernel)
    with h5py.File(path, "w") as file:  # Other values elsewhere, under the names that were listed.
        for i, key in enumerate(("more", *reversed(keys))):
            file[key] = np.full([512, 512], i, np.float32)
    assert [float(source.read([key])[0][0, 0]) for key in keys] == [2, 1]


def test_a_file_that_was_written_anew_under_its_old_time_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"

    def write(values: dict[str, float]) -> None:
        with h5py.File(path, "w") as file:
            for key, value in values.items():
                file[f"layers/{key}/vars/0"] = np.full([512, 512], value, np.float32)

    write({"a": 1, "b": 2})
    before, source = path.stat(), open_source(str(path))
    write({"b": 2, "a": 1})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    values = {entry.key: float(source.read([entry.key])[0][0, 0]) for entry in source.entries}
    assert list(values.values()) == [1 if "a/" in key else 2 for key in values]


def test_every_value_has_its_own_memory_to_be_read_into(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(16))
    extents = [_extents.Extent(0, (2,), "float32"), _extents.Extent(8, (2,), "float32")]
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        _extents.read_extents(str(tmp_path / "file"), extents, [tf.zeros([2])])


def test_a_tensor_that_is_gone_since_the_listing(tmp_path: Path) -> None:
    path = f"{tmp_path}/file.safetensors"
    arrays = {key: np.full([512, 512], i, np.float32) for i, key in enumerate("abc")}
    save_file(arrays, path)
    model = {key: tf.Variable(tf.fill([512, 512], 7.0)) for key in arrays}
    plan = pr.plan_subset(model, path, max_memory=1)
    save_file({key: arrays[key] for key in "bc"}, path)
    with pytest.raises(pr.StalePlanError):
        plan.apply()
    with pytest.raises(pr.UnreadableCheckpointError):
        plan._carry_out()
    assert all(float(each[0, 0]) == 7 for each in model.values())
