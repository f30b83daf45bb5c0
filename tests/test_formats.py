"""One call for every file: what is in it decides how it is read, and what is of another library is refused by name."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import Layers, assert_same, by_layer, held, randomized, unchanged
from safetensors.numpy import save_file

import partial_restore as pr
from partial_restore._sources import _safetensors, open_source

Values = dict[str, np.ndarray[Any, Any]]


def small() -> keras.Model:
    return randomized(keras.Sequential([Layers.Input([3]), Layers.Dense(2, name="a"), Layers.Dense(2, name="b")]))


def npz(path: str, values: Values) -> None:
    with open(path, "wb") as file:
        np.savez(file, **values)  # type: ignore[arg-type]


def safetensors(path: str, values: Values) -> None:
    save_file(values, path)


@pytest.mark.parametrize("dtype", ["bfloat16", "longdouble"])
def test_arrays_of_a_dtype_that_numpy_or_tensorflow_lacks_fit_no_variable(dtype: str, tmp_path: Path) -> None:
    """NumPy writes bfloat16 as opaque bytes."""
    value = np.ones(2, np.longdouble) if dtype == "longdouble" else tf.ones(2, tf.bfloat16).numpy()
    np.savez(path := tmp_path / "x.npz", w=value)
    target = {"w": tf.Variable(tf.zeros(2, tf.bfloat16 if dtype == "bfloat16" else tf.float64))}
    with pytest.raises(pr.MismatchError, match=r"w ← w: .* in the checkpoint"):
        pr.restore_subset(target, path)


def test_tensors_of_a_dtype_that_tensorflow_lacks_fit_no_variable(tmp_path: Path) -> None:
    save_file({"w": np.ones(2, np.int8)}, path := tmp_path / "x.safetensors")
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = content[8:end].replace(b'"I8"', b'"F8_E4M3"').rstrip()
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[end:])
    with pytest.raises(pr.MismatchError, match="w ← w: F8_E4M3 in the checkpoint"):
        pr.restore_subset({"w": tf.Variable([0.0, 0.0])}, path)


@pytest.mark.parametrize("write", [npz, safetensors])
@pytest.mark.parametrize("ending", ["", ".bin"])
def test_arrays_by_name(write: Callable[[str, Values], None], ending: str, tmp_path: Path) -> None:
    saved, model = small(), small()
    path = f"{tmp_path}/weights{ending}"
    write(path, by_layer(saved))

    report = pr.restore_subset(model, path, strict=True)

    assert_same(by_layer(model), by_layer(saved))
    assert len(report.loaded) == 4


@pytest.mark.parametrize("write", [npz, safetensors])
def test_remote_files_go_through_tensorflow(write: Callable[[str, Values], None], tmp_path: Path) -> None:
    saved, model = small(), small()
    write(f"{tmp_path}/weights", by_layer(saved))
    remote = f"ram://{tmp_path.name}-{write.__name__}"
    tf.io.gfile.copy(f"{tmp_path}/weights", remote)

    pr.restore_subset(model, remote, strict=True)

    assert_same(by_layer(model), by_layer(saved))


def test_bfloat16_of_safetensors(tmp_path: Path) -> None:
    value = tf.cast([1.5, -2.0], tf.bfloat16).numpy()
    save_file({"w": value}, f"{tmp_path}/w")
    variable = tf.Variable([0.0, 0.0])

    pr.restore_subset({"w": variable}, f"{tmp_path}/w")

    np.testing.assert_array_equal(variable.numpy(), [1.5, -2.0])


def test_optimizer_slots_of_arrays_are_no_weights(tmp_path: Path) -> None:
    npz(f"{tmp_path}/w", {"w": np.ones(2, np.float32), "w/Adam": np.zeros(2, np.float32)})
    variables = {"w": tf.Variable([0.0, 0.0]), "w/Adam": tf.Variable([5.0, 5.0])}

    report = pr.restore_subset(variables, f"{tmp_path}/w")

    assert [each.name for each in report.loaded] == ["w"]


def test_the_header_of_a_safetensors_file_is_read_once_for_all_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    safetensors(f"{tmp_path}/w", {f"w{i}": np.full(2, i, np.float32) for i in range(9)})
    source = open_source(f"{tmp_path}/w")
    keys = [entry.key for entry in source.entries]
    opened: list[str] = []
    real = _safetensors._local
    monkeypatch.setattr(_safetensors, "_local", lambda path: opened.append(path) or real(path))
    for key in keys:
        source.check([key])
    assert [source.read([key])[0].numpy().tolist() for key in keys] == [[i, i] for i in range(9)]
    assert len(opened) == 1


@pytest.mark.parametrize("claimed", [2**62, 200, 3])
def test_a_remote_safetensors_file_with_a_wrong_header_is_damaged(claimed: int, tmp_path: Path) -> None:
    safetensors(f"{tmp_path}/w", {"w": np.ones(2, np.float32)})
    data = Path(f"{tmp_path}/w").read_bytes()
    with tf.io.gfile.GFile("ram://damaged", "wb") as file:
        file.write(claimed.to_bytes(8, "little") + data[8:])
    with pytest.raises(pr.RestoreError):
        pr.restore_subset({"w": tf.Variable(tf.zeros([2]))}, "ram://damaged")


def test_without_the_package_a_safetensors_file_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    safetensors(f"{tmp_path}/w", {"w": np.ones(2, np.float32)})
    monkeypatch.setitem(sys.modules, "safetensors", None)

    with pytest.raises(pr.UnreadableCheckpointError, match=r"pip install \"partial-restore\[safetensors\]\""):
        pr.list_checkpoint(f"{tmp_path}/w")


def test_no_pickle_is_read(tmp_path: Path) -> None:
    npz(f"{tmp_path}/w", {"w": np.ones(2, np.float32), "evil": np.array([Evil()], object)})
    variable = tf.Variable([0.0, 0.0])

    report = pr.restore_subset({"w": variable}, f"{tmp_path}/w")

    assert [each.name for each in report.skipped] == ["evil"]


class Evil:
    """Raises when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise AssertionError('code of the file was run')",)


def test_a_model_in_memory() -> None:
    saved, model = small(), small()
    before = held(saved)

    report = pr.restore_subset(model, saved, strict=True)

    assert_same(by_layer(model), by_layer(saved))
    assert_same(held(saved), before)
    assert "from <Sequential in memory>" in str(report)


def test_a_model_in_memory_with_other_layers() -> None:
    saved = small()
    model = randomized(keras.Sequential([Layers.Input([3]), Layers.Dense(2, name="a"), Layers.Dense(2, name="c")]))
    before = by_layer(model)

    report = pr.restore_subset(model, saved)

    assert {each.name for each in report.loaded} == {"a/kernel", "a/bias"}
    np.testing.assert_array_equal(by_layer(model)["c/kernel"], before["c/kernel"])


def torch_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    return buffer.getvalue()


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights"), io.BytesIO())
    return buffer.getvalue()


def tflite() -> bytes:
    @tf.function(input_signature=[tf.TensorSpec([2], tf.float32)])
    def double(x: tf.Tensor) -> tf.Tensor:
        return x + x

    converter = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()])
    return bytes(converter.convert())


def empty_zip() -> bytes:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(2))
    return buffer.getvalue()


FOREIGN: dict[str, tuple[Callable[[], bytes], str]] = {
    "PyTorch": (torch_zip, "PyTorch"),
    "pickle": (lambda: pickle.dumps({"w": [1.0]}), "pickle"),
    "TFLite": (tflite, "TFLite"),
    "ONNX": (lambda: b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x80\x01", "ONNX"),
    "LFS": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "Git LFS"),
    "HTML": (lambda: b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
    "gzip": (lambda: b"\x1f\x8b\x08\x00", "gzip"),
    "tar": (tar, "tar"),
    "npy": (npy, "without a name"),
    "empty": (lambda: b"", "empty"),
    "zip without weights": (lambda: zipped({"readme.txt": b"hello"}), "without weights: readme.txt"),
}


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("ending", ["", ".h5", ".ckpt", ".keras"])
def test_a_foreign_file_is_refused_by_name(name: str, ending: str, tmp_path: Path) -> None:
    write, told = FOREIGN[name]
    path = tmp_path / f"weights{ending}"
    path.write_bytes(write())

    with pytest.raises(pr.UnreadableCheckpointError, match=told) as caught:
        pr.restore_subset(small(), path)

    assert str(path) in str(caught.value)


def test_an_orbax_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "_METADATA").write_text(json.dumps({"tree_metadata": {}}))
    (tmp_path / "manifest.ocdbt").write_bytes(b"\x0c\xdb")

    with pytest.raises(pr.UnreadableCheckpointError, match="Orbax"):
        pr.list_checkpoint(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(pr.UnreadableCheckpointError, match="pipe"):
        pr.list_checkpoint(tmp_path / "pipe")


def test_an_archive_with_one_name_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("w.npy", npy())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("w.npy", npy())

    with pytest.raises(pr.UnreadableCheckpointError, match="two members"):
        pr.list_checkpoint(tmp_path / "w.npz")


def test_a_flipped_byte_of_an_archive_is_found_before_anything_changes(tmp_path: Path) -> None:
    npz(f"{tmp_path}/w.npz", {"a/kernel": np.full([3, 2], 1.25, np.float32), "a/bias": np.ones(2, np.float32)})
    data = (tmp_path / "w.npz").read_bytes()
    at = data.index(np.float32(1.25).tobytes())
    (tmp_path / "w.npz").write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    model = small()
    before = held(model)

    with pytest.raises(pr.UnreadableCheckpointError, match="CRC"):
        pr.restore_subset(model, tmp_path / "w.npz")

    assert_same(held(model), before)


def test_a_header_that_claims_more_than_there_is(tmp_path: Path) -> None:
    header = npy().replace(b"(2,)", b"(9,)")
    (tmp_path / "w.npz").write_bytes(zipped({"w.npy": header}))

    with pytest.raises(pr.UnreadableCheckpointError, match="claims 72 bytes and has 16"):
        pr.list_checkpoint(tmp_path / "w.npz")


@pytest.mark.parametrize("is_zip", [True, False])
def test_vocabulary_of_an_archive_is_listed(is_zip: bool, tmp_path: Path) -> None:
    def model() -> Any:
        inputs = keras.Input((1,), dtype="string")
        lookup = keras.layers.StringLookup(output_mode="one_hot")
        lookup.adapt(np.array([["a"], ["b"]]))
        return keras.Model(inputs, keras.layers.Dense(2, name="d")(lookup(inputs)))

    model().save(path := str(tmp_path / "model.keras"))
    if not is_zip:
        shutil.unpack_archive(path, tmp_path / "folder.keras", "zip")
        path = str(tmp_path / "folder.keras")
    report = pr.restore_subset(model(), path)
    assert len(report.loaded) == 2
    assert [(each.name, each.reason) for each in report.skipped] == [
        (
            "assets/layers/string_lookup/vocabulary.txt",
            "a file that a layer keeps, such as a vocabulary; it is not restored",
        )
    ]
    assert "vocabulary.txt" in str(pr.list_checkpoint(path))


def saver_v1(prefix: str, values: Values) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        held = {name: tf.compat.v1.Variable(value) for name, value in values.items()}
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(held, write_version=tf.compat.v1.train.SaverDef.V1)
        saver.save(session, prefix, write_meta_graph=False)


def in_order(names: str) -> keras.Model:
    """Layers of one shape, called in another order: what is stored by place is another layer's then."""
    model = keras.Sequential([Layers.Input([2]), *(Layers.Dense(2, name=name) for name in names)])
    for layer in model.layers:
        layer.set_weights([np.full(each.shape, ord(layer.name)) for each in layer.weights])
    return model


WRITTEN: dict[str, Callable[[str, Any], Any]] = {
    "": lambda path, model: tf.train.Checkpoint(model).write(path),
    ".v1": lambda path, model: saver_v1(f"{path}.v1", by_layer(model)),
    ".weights.h5": lambda path, model: model.save_weights(f"{path}.weights.h5"),
    ".weights.json": lambda path, model: model.save_weights(f"{path}.weights.json", max_shard_size=3e-8),
    ".h5": lambda path, model: model.save(f"{path}.h5"),
    ".keras": lambda path, model: model.save(f"{path}.keras"),
    ".npz": lambda path, model: npz(f"{path}.npz", by_layer(model)),
    ".safetensors": lambda path, model: safetensors(f"{path}.safetensors", by_layer(model)),
}
KERAS = tuple(map(int, keras.__version__.split(".")[:2]))
OLDEST = {".weights.h5": (3, 6), ".weights.json": (3, 10)}
"""The Keras that writes names beside weights, and shards."""

NAMED = [
    pytest.param(ending, marks=pytest.mark.skipif(OLDEST.get(ending, KERAS) > KERAS, reason="this Keras is too old"))
    for ending in WRITTEN
]
BY_PLACE = ["", ".weights.h5", ".weights.json", ".h5", ".keras"]
"""Where a layer is stored under its place, or under the number that Keras gave the model."""


@pytest.mark.parametrize("ending", NAMED)
def test_a_plan_does_not_take_one_layer_for_another_of_a_file_that_was_saved_anew(ending: str, tmp_path: Path) -> None:
    model, path = in_order("abc"), f"{tmp_path}/x{ending}"
    WRITTEN[ending](f"{tmp_path}/x", in_order("abc"))
    plan = pr.plan_subset(model, path)
    for each in model.weights:
        each.assign(-each)
    WRITTEN[ending](f"{tmp_path}/x", in_order("cab"))

    if ending in BY_PLACE:
        with unchanged(model), pytest.raises(pr.StalePlanError, match="saved anew since"):
            plan.apply()
        plan = pr.plan_subset(model, path)
    plan.apply()

    assert_same(by_layer(model), by_layer(in_order("abc")))


def test_a_plan_outlives_other_checkpoints_of_its_folder(tmp_path: Path) -> None:
    model, folder = in_order("abc"), str(tmp_path)
    WRITTEN[""](f"{folder}/ckpt-1", in_order("abc"))
    plan = pr.plan_subset(model, f"{folder}/ckpt-1")
    for each in model.weights:
        each.assign(-each)
    WRITTEN[""](f"{folder}/ckpt-10", in_order("cab"))

    plan.apply()

    assert_same(by_layer(model), by_layer(in_order("abc")))


@pytest.mark.parametrize("ending", NAMED)
def test_a_plan_takes_what_the_same_model_saved_anew(ending: str, tmp_path: Path) -> None:
    saved = in_order("abc")
    WRITTEN[ending](f"{tmp_path}/x", saved)
    plan = pr.plan_subset(model := in_order("abc"), f"{tmp_path}/x{ending}")
    randomized(saved)
    WRITTEN[ending](f"{tmp_path}/x", saved)

    plan.apply()

    assert_same(by_layer(model), by_layer(saved))


def test_a_plan_whose_file_is_gone_is_refused(tmp_path: Path) -> None:
    WRITTEN[".npz"](f"{tmp_path}/x", in_order("abc"))
    plan = pr.plan_subset(in_order("abc"), f"{tmp_path}/x.npz")
    os.remove(f"{tmp_path}/x.npz")

    with pytest.raises(pr.CheckpointNotFoundError):
        plan.apply()


def test_a_value_that_is_no_array_is_named() -> None:
    class Tensor:
        """As PyTorch's tensors that have a gradient."""

        def numpy(self) -> Any:
            raise RuntimeError("it requires grad")

    with pytest.raises(TypeError, match="the value of 'w' is no array"):
        pr.restore_subset({"w": tf.Variable([0.0])}, {"w": Tensor()})
