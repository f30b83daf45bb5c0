"""The HDF5 files of Keras: every layout, the same model, changed models, and files that are damaged or hostile."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import families
import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from families import FAMILIES
from models import Layers, assert_same, assert_weights_same, by_layer, held, randomized, stack, trained, unchanged

import partial_restore as pr

Save = Callable[[keras.Model, Path], Path]


def weights_h5(model: keras.Model, folder: Path) -> Path:
    model.save_weights(folder / "model.weights.h5")
    return folder / "model.weights.h5"


def keras_archive(model: keras.Model, folder: Path) -> Path:
    model.save(folder / "model.keras")
    return folder / "model.keras"


def keras_folder(model: keras.Model, folder: Path) -> Path:
    """As `keras.saving.save_model(zipped=False)` writes it, which came with Keras 3.6."""
    with zipfile.ZipFile(keras_archive(model, folder)) as archive:
        archive.extractall(folder / "model")
    return folder / "model"


def shards(model: keras.Model, folder: Path) -> Path:
    model.save_weights(folder / "model.weights.json", max_shard_size=1e-6)
    return folder / "model.weights.json"


def legacy(model: keras.Model, folder: Path) -> Path:
    model.save(folder / "model.h5")
    return folder / "model.h5"


def unlabelled(model: keras.Model, folder: Path) -> Path:
    """As Keras 3 wrote before 3.6, and TensorFlow 2.13 to 2.15: without the names of layers."""
    with h5py.File(weights_h5(model, folder), "r+") as file:
        named = [file]
        file.visititems(lambda _, thing: named.append(thing))
        for thing in named:
            thing.attrs.pop("name", None)
    return folder / "model.weights.h5"


KERAS = tuple(int(part) for part in keras.__version__.split(".")[:2])
LABELLED: list[Save] = [keras_archive, keras_folder, legacy]
LABELLED += [weights_h5] if KERAS >= (3, 6) else []
SHARDED: list[Save] = [shards] if KERAS >= (3, 10) else []
LABELLED += SHARDED
"""What this Keras can write with the names of layers in it."""

EVERY: list[Save] = [*LABELLED, unlabelled]


def functional() -> keras.Model:
    inputs = Layers.Input([6, 6, 2], name="image")
    inner = Layers.Input([5])
    mid = keras.Model(inner, Layers.Dense(5)(Layers.Dense(5)(inner)), name="mid")
    shared = Layers.Dense(5, name="shared")
    x = Layers.BatchNormalization()(Layers.Conv2D(3, 3, use_bias=False)(inputs))
    x = Layers.SeparableConv2D(3, 2, name="separable")(Layers.DepthwiseConv2D(2)(x))
    x = Layers.Dense(5)(Layers.Flatten()(x))
    x = keras.Sequential([Layers.Input([5]), Layers.Dense(5), Layers.BatchNormalization()], name="encoder")(x)
    return keras.Model(inputs, Layers.Dense(2, name="out")(shared(mid(shared(x)))))


def recurrent() -> keras.Model:
    inputs = Layers.Input([4], dtype="int32", name="words")
    x = Layers.Embedding(9, 4, name="embedding_of_words")(inputs)
    x = Layers.Bidirectional(Layers.LSTM(3, return_sequences=True))(x)
    x = Layers.GRU(4, return_sequences=True, name="gru_of_words")(x)
    x = Layers.TimeDistributed(Layers.Dense(4))(x)
    x = Layers.RNN([Layers.LSTMCell(3), Layers.GRUCell(4)], return_sequences=True)(x)
    x = Layers.LayerNormalization()(Layers.MultiHeadAttention(2, 3)(x, x))
    return keras.Model(inputs, Layers.Dense(2)(Layers.SimpleRNN(3)(x)))


@keras.saving.register_keras_serializable("tests")
class Net(keras.Model):
    """Layers as attributes, in a list and in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Layers.Dense(4)
        self.blocks = [Layers.Dense(4), Layers.LayerNormalization(), Layers.Dense(4)]
        self.heads = {"a": Layers.Dense(4), "b": Layers.Dense(4)}
        self.tail = keras.Sequential([Layers.Dense(4), Layers.Dense(4)])

    def call(self, x: Any) -> Any:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.tail(self.heads["a"](x) + 2 * self.heads["b"](x))

    def get_config(self) -> dict[str, Any]:
        return {}


def subclassed() -> keras.Model:
    model = Net()
    model(np.ones([2, 4], np.float32))
    return model


MODELS: list[Callable[[], keras.Model]] = [functional, recurrent, subclassed]


def inputs_of(build: Callable[[], keras.Model]) -> Any:
    if build is recurrent:
        return np.arange(8).reshape(2, 4) % 9
    shape = [2, 6, 6, 2] if build is functional else [2, 4]
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("build", "save"),
    # Keras does not write subclassed models as legacy files.
    [(build, save) for build in MODELS for save in EVERY if not (build is subclassed and save is legacy)],
)
def test_the_same_model_built_later_gives_the_same_output(
    build: Callable[[], keras.Model], save: Save, tmp_path: Path
) -> None:
    saved = randomized(build())
    path = save(saved, tmp_path)
    model = randomized(build())

    report = pr.restore_subset(model, path, strict=True)

    assert not report.initialized or all("seed" in each.name for each in report.initialized), str(report)
    inputs = inputs_of(build)
    np.testing.assert_array_equal(model(inputs), saved(inputs))


class Stages(keras.Model):
    """Lists of layers in a list."""

    def __init__(self, stages: str) -> None:
        super().__init__()
        self.blocks = [[Layers.Dense(4) for _ in stage] for stage in stages.split()]
        self(np.ones([2, 4], np.float32))

    def call(self, x: Any) -> Any:
        for layer in itertools.chain(*self.blocks):
            x = layer(x)
        return x


@pytest.mark.parametrize("save", [*([weights_h5] if KERAS >= (3, 6) else []), unlabelled])
@pytest.mark.parametrize("stages", ["cd ef", "ab ef", "ab cd ef gh"])
def test_lists_within_a_list_do_not_move(save: Save, stages: str, tmp_path: Path) -> None:
    path = save(Stages("ab cd ef"), tmp_path)
    target = Stages(stages)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, path)
    report = pr.restore_subset(same := Stages("ab cd ef"), path)
    assert len(report.loaded) == len(same.weights) == 12


class TwoLayers(Layers.Layer):  # type: ignore[misc]
    """A block that has its layers in a list."""

    def __init__(self, name: str | None) -> None:
        super().__init__(name=name)
        self.layers = [Layers.Dense(4), Layers.Dense(4)]

    def call(self, x: Any) -> Any:
        return self.layers[1](self.layers[0](x))


class Blocks(keras.Model):
    """Such blocks in a list, the first one with a name."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [TwoLayers(name) for name in ("e0", None, None)]
        self(np.ones([2, 4], np.float32))

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


@pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")
def test_layers_without_names_in_blocks_of_which_some_have_one(tmp_path: Path) -> None:
    """The file calls a block by its class as well, and so one that has a name as one that has none."""
    source, target = randomized(Blocks()), Blocks()
    pr.restore_subset(target, weights_h5(source, tmp_path))
    assert_weights_same(target, source)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("save", EVERY)
def test_a_trained_file_gives_its_weights_and_not_its_optimizer(save: Save, tmp_path: Path) -> None:
    saved = trained(stack([None, "b"]))
    path = save(saved, tmp_path)
    model = trained(stack([None, "b"]))
    before = [variable.numpy() for variable in model.optimizer.variables]

    report = pr.restore_subset(model, path, strict=True)

    for ours, theirs in zip(model.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    for ours, kept in zip(model.optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(ours.numpy(), kept)
    assert {each.reason for each in report.skipped} <= {
        "optimizer state is not restored",
        "metric state is not restored",
        "bookkeeping of the file, not a weight",
    }


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("save", LABELLED)
@pytest.mark.parametrize(
    "names", [["b", "a", "c"], ["x", "a", "b", "c"], ["b", "c"], ["a", "c", "b"], ["c", "x"], ["a", "x", "c"]]
)
def test_named_layers_are_found_wherever_they_went(save: Save, names: list[str], tmp_path: Path) -> None:
    saved = stack(["a", "b", "c"], classes=4)
    path = save(saved, tmp_path)
    model = stack(names, classes=4)
    before = by_layer(model)

    pr.restore_subset(model, path)

    theirs = by_layer(saved)
    assert_same(by_layer(model), {name: theirs.get(name, value) for name, value in before.items()})


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("save", EVERY)
@pytest.mark.parametrize("count", [1, 3])
def test_layers_without_names_do_not_move(save: Save, count: int, tmp_path: Path) -> None:
    path = save(stack([None, None]), tmp_path)
    model = stack([None] * count)
    before = held(model)

    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(model, path)

    assert_same(held(model), before)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("is_alone", [True, False])
@pytest.mark.parametrize(
    ("family", "write", "place"),
    # In a list of weights a first layer that was frozen stands behind the others, as one that moved there.
    [
        (keras, "save", 0),
        (keras, "save", 1),
        (tf_keras, "save", 0),
        (tf_keras, "save", 1),
        (tf_keras, "save_weights", 1),
    ],
)
def test_layers_without_names_within_a_model_do_not_move_with_a_named_one(
    family: Any, write: str, place: int, tmp_path: Path, *, is_alone: bool
) -> None:
    def encoder(names: list[str | None]) -> Any:
        layers = [family.layers.Dense(4, name=name) for name in names]
        return family.Sequential([family.Input((4,)), *layers], name="encoder")

    def whole(inner: Any) -> Any:
        return family.Sequential([family.Input((4,)), inner, family.layers.Dense(4, name="head")])

    names: list[str | None] = [None, None, None, "n"]
    origin = encoder(names)
    path = str(tmp_path / "whole.h5")
    getattr(whole(origin), write)(path)
    target, same = encoder([*names[:place], "n", *names[place:3]]), encoder(names)
    before = target.get_weights()

    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target if is_alone else whole(target), path)
    np.testing.assert_equal(target.get_weights(), before)
    assert pr.restore_subset(same if is_alone else whole(same), path).loaded
    np.testing.assert_equal(same.get_weights(), origin.get_weights())


def test_a_file_without_names_is_no_help_to_named_layers_that_were_removed(tmp_path: Path) -> None:
    path = unlabelled(stack(["a", "b"], classes=4), tmp_path)
    model = stack(["b"], classes=4)
    before = held(model)

    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(model, path)

    assert_same(held(model), before)


@pytest.mark.parametrize("save", [weights_h5, unlabelled])
def test_another_number_of_variables_in_a_layer_is_no_match(save: Save, tmp_path: Path) -> None:
    """Without ``center`` the second variable is the mean, which is as long as the offset."""

    def normalized(**options: Any) -> keras.Model:
        layers = [Layers.Input([4]), Layers.BatchNormalization(name="norm", **options), Layers.Dense(4, name="out")]
        return randomized(keras.Sequential(layers))

    path = save(normalized(center=False), tmp_path)
    model = normalized()
    before = by_layer(model)

    pr.restore_subset(model, path, include="out")
    report = pr.plan_subset(model, path).report

    assert not [each.name for each in report.loaded if each.name.startswith("norm/")]
    assert_same(
        {k: v for k, v in by_layer(model).items() if k.startswith("norm/")},
        {k: v for k, v in before.items() if k.startswith("norm/")},
    )


def test_rename_speaks_the_names_of_either_side(tmp_path: Path) -> None:
    saved, model = stack(["a", "b"], classes=4), stack(["a", "c"], classes=4)
    path = keras_archive(saved, tmp_path)

    pr.restore_subset(model, path, rename={"b": "c"}, strict=True)
    np.testing.assert_array_equal(by_layer(model)["c/kernel"], by_layer(saved)["b/kernel"])

    pr.restore_subset(model, path, include="c/kernel", rename={"a/vars/0": "c/kernel"})
    np.testing.assert_array_equal(by_layer(model)["c/kernel"], by_layer(saved)["a/kernel"])


def test_lora_goes_into_the_kernel(tmp_path: Path) -> None:
    saved = stack(["a", "b"], classes=4)
    saved.get_layer("a").enable_lora(2)
    randomized(saved)
    path = weights_h5(saved, tmp_path)
    model = stack(["a", "b"], classes=4)
    model.get_layer("a").enable_lora(2)

    report = pr.restore_subset(model, path)

    assert {each.name for each in report.initialized} == {"a/lora_kernel_a", "a/lora_kernel_b"}
    inputs = np.ones([2, 4], np.float32)
    np.testing.assert_allclose(model(inputs), saved(inputs), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("save", EVERY)
def test_a_gru_that_resets_otherwise_is_refused_whole(save: Save, tmp_path: Path) -> None:
    def gru(*, reset_after: bool) -> keras.Model:
        layers = [
            Layers.Input([3, 2]),
            Layers.GRU(2, reset_after=reset_after, name="gru_a"),
            Layers.Dense(1, name="out"),
        ]
        return randomized(keras.Sequential(layers))

    path = save(gru(reset_after=False), tmp_path)
    model = gru(reset_after=True)

    report = pr.restore_subset(model, path, on_mismatch="initialize")

    assert {each.name for each in report.loaded} == {"out/kernel", "out/bias"}


@pytest.mark.parametrize("save", [weights_h5, keras_archive, *SHARDED, legacy])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_remote_files(save: Save, tmp_path: Path) -> None:
    saved, model = stack(["a"]), stack(["a"])
    path = save(saved, tmp_path)
    remote = f"ram://{tmp_path.name}-{save.__name__}"
    tf.io.gfile.makedirs(remote)
    for file in tmp_path.iterdir():
        tf.io.gfile.copy(str(file), f"{remote}/{file.name}")

    pr.restore_subset(model, f"{remote}/{path.name}", strict=True)

    assert_same(by_layer(model), by_layer(saved))


def test_the_file_may_be_written_anew_while_a_plan_is_kept(tmp_path: Path) -> None:
    saved, model = stack(["a"]), stack(["a"])
    plan = pr.plan_subset(model, weights_h5(saved, tmp_path))

    path = weights_h5(randomized(saved), tmp_path)
    plan.apply()

    assert path.exists()
    assert_same(by_layer(model), by_layer(saved))


def test_half_floats_of_keras(tmp_path: Path) -> None:
    def half() -> keras.Model:
        layers = [Layers.Input([3]), Layers.Dense(2, name="a", dtype=keras.DTypePolicy("bfloat16"))]
        return randomized(keras.Sequential(layers))

    saved, model = half(), half()

    pr.restore_subset(model, weights_h5(saved, tmp_path), strict=True)

    for ours, theirs in zip(model.weights, saved.weights, strict=True):
        assert ours.dtype == "bfloat16"
        np.testing.assert_array_equal(tf.cast(ours.value, "float32"), tf.cast(theirs.value, "float32"))


def refused(path: Path, told: str) -> None:
    """A file is refused with its path and the reason, and the model is as it was."""
    model = stack(["a"])
    before = held(model)
    with pytest.raises(pr.RestoreError, match=told) as caught:
        pr.restore_subset(model, path)
    assert str(path) in str(caught.value)
    assert_same(held(model), before)


def edited(folder: Path, edit: Callable[[h5py.File], None]) -> Path:
    path = weights_h5(stack(["a"]), folder)
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


KERNEL = "layers/dense/vars/0"


def test_hdf5_without_weights(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["images"] = np.ones([2, 2])
    refused(tmp_path / "data.h5", "no weights")


def test_a_legacy_file_without_weights(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.attrs["layer_names"] = ["a"]
        file.create_group("a").attrs["weight_names"] = np.array([], "S1")
    refused(tmp_path / "data.h5", "no weights")


def test_an_archive_without_its_weights(tmp_path: Path) -> None:
    path = keras_archive(stack(["a"]), tmp_path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "other.keras", "w") as other:
        other.writestr("config.json", archive.read("config.json"))
    refused(tmp_path / "other.keras", r"no 'model.weights.h5'")


def test_a_folder_without_its_weights(tmp_path: Path) -> None:
    path = keras_folder(stack(["a"]), tmp_path)
    (path / "model.weights.h5").unlink()
    refused(path, r"no 'model.weights.h5'")


@pytest.mark.skipif(not SHARDED, reason="this Keras does not write shards")
def test_a_shard_that_is_gone(tmp_path: Path) -> None:
    path = shards(stack(["a", "b"]), tmp_path)
    gone = max(tmp_path.glob("*.h5"))
    gone.unlink()
    refused(path, f"shards are missing: {gone.name}")


@pytest.mark.parametrize("name", ["../other.weights.h5", "/etc/passwd", ""])
def test_an_index_that_leads_elsewhere(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.weights.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": {"/layers/dense/vars": name}}))
    refused(path, "names no files|other folders|are no HDF5")


def test_an_external_link(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = h5py.ExternalLink("other.h5", "/secret")

    refused(edited(tmp_path, edit), "is a link")


def test_a_soft_link(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = h5py.SoftLink("/layers/dense_1/vars/0")

    refused(edited(tmp_path, edit), "is a link")


def test_external_storage(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\x01" * 64)

    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        external = [(str(tmp_path / "secret"), 0, 64)]
        file.create_dataset(KERNEL, (4, 4), np.float32, external=external)

    refused(edited(tmp_path, edit), "lie in another file")


def test_a_virtual_dataset(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.ones([4, 4], np.float32)
    layout = h5py.VirtualLayout((4, 4), np.float32)
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "data", (4, 4))

    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_virtual_dataset(KERNEL, layout)

    refused(edited(tmp_path, edit), "lie in another file")


@pytest.mark.parametrize("options", [{}, {"chunks": (4, 4), "compression": "gzip"}, {"chunks": (2, 2)}])
def test_data_that_were_never_written_are_no_zeros(options: dict[str, Any], tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, (4, 4), np.float32, **options)

    refused(edited(tmp_path, edit), "claims 64 bytes and has 0")


def test_a_claim_of_terabytes_takes_no_memory(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, (2**20, 2**20), np.float32, chunks=(1, 2**10))

    refused(edited(tmp_path, edit), "claims 4398046511104 bytes")


def test_groups_in_a_circle(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file["layers/loop"] = file["layers"]

    refused(edited(tmp_path, edit), "nested too deep")


@pytest.mark.parametrize("dtype", [np.dtype("S3"), np.dtype([("a", "f4"), ("b", "i4")]), h5py.string_dtype()])
def test_kinds_that_no_variable_has_are_listed_and_left(dtype: np.dtype[Any], tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file.create_dataset("layers/text/vars/0", (2,), dtype)[:] = np.zeros(2, dtype if dtype.kind != "O" else "S1")

    path = edited(tmp_path, edit)
    report = pr.restore_subset(stack(["a"]), path, strict=True)

    assert [each.reason for each in report.skipped] == ["bookkeeping of the file, not a weight"]


def test_a_truncated_file(tmp_path: Path) -> None:
    path = weights_h5(stack(["a"]), tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, "damaged")


def test_a_flipped_byte_in_an_archive_is_found_on_every_python(tmp_path: Path) -> None:
    model = stack(["a"])
    model.get_layer("a").kernel.assign(np.full([4, 4], 1.25, np.float32))
    path = keras_archive(model, tmp_path)
    data = path.read_bytes()
    at = data.index(np.full(16, 1.25, np.float32).tobytes())
    path.write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    refused(path, "CRC")


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = keras_archive(stack(["a"]), tmp_path)
    with (
        zipfile.ZipFile(path) as archive,
        zipfile.ZipFile(tmp_path / "other.keras", "w", zipfile.ZIP_DEFLATED) as other,
    ):
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    refused(tmp_path / "other.keras", "compressed")


def test_a_config_is_data(tmp_path: Path) -> None:
    """What a configuration names is not imported, and what it nests without end is not followed."""
    path = keras_folder(stack(["a"]), tmp_path)
    (path / "config.json").write_text(
        json.dumps({"module": "os", "class_name": "system", "config": {"layers": [{"class_name": 3}, "x"]}})
    )
    pr.restore_subset(stack(["a"]), path, strict=True)
    (path / "config.json").write_text("[" * 100_000)
    refused(path, "JSON is damaged")


def cudnn(folder: Path) -> Path:
    """An LSTM of cuDNN as tf.keras wrote it: two biases, and the kernels' gates in another order."""
    with h5py.File(folder / "cudnn.h5", "w") as file:
        file.attrs["layer_names"] = [b"rnn_a", b"out"]
        file.attrs["backend"] = b"tensorflow"
        rows = {
            "rnn_a": {"kernel": [3, 8], "recurrent_kernel": [2, 8], "bias": [16]},
            "out": {"kernel": [2, 1], "bias": [1]},
        }
        for layer, weights in rows.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in weights]
            for name, shape in weights.items():
                group[f"{layer}/{name}:0"] = np.ones(shape, np.float32)
    return folder / "cudnn.h5"


@pytest.mark.parametrize("config", [[], {"class_name": "Adam"}, {"class_name": "Adam", "config": []}, 7])
def test_a_training_config_of_another_form_tells_nothing(config: Any, tmp_path: Path) -> None:
    source, target = stack(["a"]), stack(["a"])
    path = legacy(source, tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["training_config"] = json.dumps({"optimizer_config": config})
    pr.restore_subset(target, path)
    assert_same(by_layer(target), by_layer(source))


def test_an_lstm_of_cudnn_is_not_taken_for_another(tmp_path: Path) -> None:
    layers = [Layers.Input([4, 3]), Layers.LSTM(2, name="rnn_a"), Layers.Dense(1, name="out")]

    report = pr.restore_subset(keras.Sequential(layers), cudnn(tmp_path))

    assert {each.name for each in report.loaded} == {"out/kernel", "out/bias"}
    assert {each.reason for each in report.skipped} == {
        "laid out for another implementation of the layer (cuDNN, Theano); its numbers mean something else here"
    }


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_kernels_of_theano_are_flipped(tmp_path: Path) -> None:
    def convolution() -> keras.Model:
        layers = [Layers.Input([5, 5, 1]), Layers.Conv2D(2, 3, name="a"), Layers.Flatten(), Layers.Dense(1, name="out")]
        return randomized(keras.Sequential(layers))

    path = legacy(convolution(), tmp_path)
    with h5py.File(path, "r+") as file:
        file["model_weights"].attrs["backend"] = b"theano"

    report = pr.restore_subset(convolution(), path)

    assert {each.name for each in report.loaded} == {"a/bias", "out/kernel", "out/bias"}


def test_a_file_that_is_open_already(tmp_path: Path) -> None:
    saved, model = stack(["a"]), stack(["a"])
    with h5py.File(weights_h5(saved, tmp_path)):
        pr.restore_subset(model, tmp_path / "model.weights.h5", strict=True)
    assert_same(by_layer(model), by_layer(saved))


def test_a_copy_of_a_file_under_any_name(tmp_path: Path) -> None:
    saved, model = stack(["a"]), stack(["a"])
    shutil.copy(weights_h5(saved, tmp_path), tmp_path / "weights.bin")

    pr.restore_subset(model, tmp_path / "weights.bin", strict=True)

    assert_same(by_layer(model), by_layer(saved))


def test_two_weights_that_read_alike_are_both_there_and_undecided(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"a"]
        group = file.create_group("a")
        group.attrs["weight_names"] = [b"a/kernel:0", b"kernel:0", b"a/bias:0"]
        for name, value in (("a/kernel:0", 1), ("kernel:0", 2)):
            group[name] = np.full([4, 4], value, np.float32)
        group["a/bias:0"] = np.zeros(4, np.float32)
    model = stack(["a"])

    assert [tensor.key for tensor in pr.list_checkpoint(tmp_path / "w.h5")] == [
        "a/a/kernel:0",
        "a/kernel:0",
        "a/a/bias:0",
    ]
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(model, tmp_path / "w.h5")
    assert caught.value.names == ("a/kernel",)


def with_namesake(kit: Any) -> Any:
    """A model in which a layer of an inner model is called as that is; and the model in one more."""
    layers = kit.layers
    block = kit.Sequential([layers.Input([4]), layers.Dense(4, name="body"), layers.Dense(4, name="a")], name="block")
    body = kit.Sequential([layers.Input([4]), block, layers.Dense(4, name="out")], name="body")
    model = kit.Sequential([layers.Input([4]), body, layers.Dense(4, name="block")], name="base")
    return model, kit.Sequential([layers.Input([4]), model, layers.Dense(2, name="head")])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_layer_that_is_called_as_the_model_around_it(family: str, tmp_path: Path, *, is_wrapped: bool) -> None:
    """What stands before its name is a model within, not what Keras puts before the names of all layers."""
    (source, _), (model, outer) = (with_namesake(FAMILIES[each]) for each in ("keras", family))
    families.randomized(source)
    source.save(tmp_path / "x.h5")
    pr.restore_subset(outer if is_wrapped else model, tmp_path / "x.h5")
    assert families.contents(model) == families.contents(source)


def normalized(*names: str | None) -> keras.Model:
    """A wrapper that keeps the kernel of its layer as its own: HDF5 has it twice."""
    layers = [Layers.SpectralNormalization(Layers.Dense(4), name=name) for name in names]
    return randomized(keras.Sequential([Layers.Input([4]), *layers, Layers.Dense(2, name="head")]))


@pytest.mark.parametrize("save", [save for save in EVERY if save is not legacy])
@pytest.mark.parametrize("names", [("a", "b"), (None, None)], ids=str)
def test_a_kernel_that_a_wrapper_stores_as_well(save: Save, names: tuple[str | None, ...], tmp_path: Path) -> None:
    saved, model = normalized(*names), normalized(*names)

    report = pr.restore_subset(model, save(saved, tmp_path), strict=True)

    assert_same(dict(enumerate(held(model).values())), dict(enumerate(held(saved).values())))
    assert {each.reason for each in report.skipped} == {"a second copy of a weight that the file has under its name"}


def test_a_kernel_that_a_wrapper_stores_as_well_is_left_with_its_variable(tmp_path: Path) -> None:
    report = pr.restore_subset(normalized("a"), keras_archive(normalized("a"), tmp_path), exclude="a/kernel")

    assert [each.reason for each in report.skipped] == ["its variable is excluded by 'a/kernel'"] * 2


@keras.saving.register_keras_serializable("tests")
class Attributes(keras.Model):
    """Layers in attributes, given as ``attribute=name``; a name that stands twice is one layer in two attributes."""

    def __init__(self, **names: str | None) -> None:
        super().__init__()
        self.chain = tuple(dict.fromkeys(names))
        made = {name or attribute: Layers.Dense(4, name=name) for attribute, name in names.items()}
        for attribute, name in names.items():
            setattr(self, attribute, made[name or attribute])

    def call(self, x: Any) -> Any:
        for layer in {id(each): each for each in map(self.__getattribute__, self.chain)}.values():
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        return {}


def attributes(**names: str | None) -> Any:
    model = Attributes(**names)
    model(np.ones([2, 4], np.float32))
    return randomized(model)


def sources_of(model: Any, saved: Any) -> dict[str, str | None]:
    """From which attribute of the saved model each attribute of the model has its kernel."""
    kernels = {each: getattr(saved, each).kernel.numpy().tobytes() for each in reversed(saved.chain)}
    origins = {kernel: each for each, kernel in kernels.items()}
    return {each: origins.get(getattr(model, each).kernel.numpy().tobytes()) for each in model.chain}


Chosen = dict[str, str | None]

ATTRIBUTES: dict[str, tuple[Chosen, Chosen, Chosen]] = {
    "one more": ({"head": "out"}, {"head": "out", "alias": "out"}, {"head": "head", "alias": "head"}),
    "one more, no name": ({"head": None}, {"head": "out", "alias": "out"}, {"head": "head", "alias": "head"}),
    "one less": ({"head": "out", "alias": "out"}, {"head": "out"}, {"head": "head"}),
    "another": ({"head": "out"}, {"apex": "out"}, {"apex": "head"}),
    "two others": ({"head": "out"}, {"apex": "out", "end": "out"}, {"apex": "head", "end": "head"}),
    "another, no name": ({"head": None}, {"apex": None}, {"apex": None}),
    "another, of a layer of another name": ({"head": "out"}, {"apex": "other"}, {"apex": None}),
}
"""The attributes and names of layers in the file and in the model, and from where each attribute of the model is filled."""


@pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")
@pytest.mark.parametrize("save", [keras_archive, weights_h5])
@pytest.mark.parametrize("case", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_a_layer_in_other_attributes(save: Save, case: tuple[Chosen, Chosen, Chosen], tmp_path: Path) -> None:
    theirs, ours, expected = case
    saved, model = attributes(body="body", **theirs), attributes(body="body", **ours)

    pr.restore_subset(model, save(saved, tmp_path))

    assert sources_of(model, saved) == {"body": "body", **expected}


@pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")
@pytest.mark.parametrize("save", [keras_archive, weights_h5])
@pytest.mark.parametrize(
    ("theirs", "ours", "undecidable"),
    [
        ({"head": "out"}, {"apex": "out", "head": "new"}, {"head"}),
        ({"b": "y", "c": "x"}, {"a": "x", "b": "x", "c": "y"}, {"c"}),
        ({"b": "y", "c": "x"}, {"b": "x", "c": "y"}, {"b", "c"}),
    ],
)
def test_a_layer_in_an_attribute_whose_name_stands_elsewhere(
    theirs: Chosen, ours: Chosen, undecidable: set[str], save: Save, tmp_path: Path
) -> None:
    path, model = save(attributes(body="body", **theirs), tmp_path), attributes(body="body", **ours)
    with unchanged(model), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(model, path)
    assert undecidable <= {name.split("/")[0] for name in caught.value.names} <= {*ours}


@pytest.mark.parametrize("save", [keras_archive, weights_h5, unlabelled])
def test_two_layers_that_are_one_now_are_undecidable(save: Save, tmp_path: Path) -> None:
    path = save(attributes(body="body", head="out", alias="other"), tmp_path)
    model = attributes(body="body", head="out", alias="out")
    with unchanged(model), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(model, path)
    assert set(caught.value.names) == {"head/kernel", "head/bias"}


class Aliased(keras.Model):
    """Layers in a list, the last one under an attribute as well."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.blocks = [Layers.Dense(4, name=name) for name in names]
        self.alias = self.blocks[-1]

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


class Keeps(Layers.Layer):
    """A block that has two layers with names in attributes, in a list, or in a dict."""

    def __init__(self, name: str, way: str) -> None:
        super().__init__(name=name)
        self.fc, self.out, self.parts = None, None, None
        fc, out = (Layers.Dense(4, name=each) for each in ("fc", "out"))
        if way == "attributes":
            self.fc, self.out = fc, out
        else:
            self.parts = [fc, out] if way == "list" else {"first": fc, "second": out}

    def call(self, x: Any) -> Any:
        parts = self.parts.values() if isinstance(self.parts, dict) else self.parts
        for part in parts or (self.fc, self.out):
            x = part(x)
        return x


def with_blocks(way: str) -> Any:
    keras.utils.clear_session()
    inputs = keras.Input([4])
    kept = Keeps("beta", way)(Keeps("alpha", "attributes")(inputs))
    return randomized(keras.Model(inputs, Layers.Dense(2, name="head")(kept)))


@pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")
@pytest.mark.parametrize("save", [keras_archive, weights_h5])
@pytest.mark.parametrize(
    "ways", [("attributes", "list"), ("list", "attributes"), ("attributes", "dict"), ("dict", "attributes")]
)
def test_a_block_that_keeps_its_layers_otherwise_now(ways: tuple[str, str], save: Save, tmp_path: Path) -> None:
    before, now = map(with_blocks, ways)
    path = save(before, tmp_path)
    with unchanged(now), pytest.raises(pr.AmbiguousError) as raised:
        pr.restore_subset(now, path)
    assert len(raised.value.names) == 4
    assert all(name.startswith("beta/") for name in raised.value.names)
    pr.restore_subset(now, path, rename=raised.value.rename)
    assert_weights_same(now, before)


@pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")
@pytest.mark.parametrize("names", ["abcx", "abx"])
@pytest.mark.parametrize(
    "save",
    [
        lambda model, folder: (model.save_weights(folder / "m.weights.h5"), folder / "m.weights.h5")[1],
        lambda model, folder: pr.save_subset(model, folder / "m"),
        lambda model, _: model,
    ],
    ids=["weights_h5", "subset", "live"],
)
def test_an_attribute_is_no_name_of_the_last_one_in_a_list(save: Any, names: str, tmp_path: Path) -> None:
    saved, model = Aliased(*"abc"), Aliased(*names)
    for each in (saved, model):
        each(np.ones([2, 4], np.float32))
        randomized(each)
    before = model.alias.kernel.numpy()

    with contextlib.suppress(pr.AmbiguousError):
        pr.restore_subset(model, save(saved, tmp_path))

    np.testing.assert_array_equal(model.alias.kernel, before)
    assert model.alias.name == "x"


@pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"head": "out"}, {"head": "new", "top": "out"}),
        ({"head": "out", "top": "other"}, {"head": "other", "top": "out"}),
    ],
)
def test_an_attribute_and_a_name_that_lead_to_two_layers(theirs: Chosen, ours: Chosen, tmp_path: Path) -> None:
    path = weights_h5(attributes(body="body", **theirs), tmp_path)
    model = attributes(body="body", **ours)
    with unchanged(model), pytest.raises(pr.AmbiguousError) as raised:
        pr.restore_subset(model, path)
    assert {name.rpartition("/")[0] for name in raised.value.names} == {"head", "top"}


def test_what_is_in_a_model_in_two_attributes(tmp_path: Path) -> None:
    class Outer(keras.Model):
        def __init__(self, *, twice: bool) -> None:
            super().__init__()
            self.tower = attributes(body="body", head="out")
            if twice:
                self.again = self.tower

        def call(self, x: Any) -> Any:
            return self.tower(x)

    saved, model = (Outer(twice=twice) for twice in (False, True))
    for each in (saved, model):
        each(np.ones([2, 4], np.float32))

    pr.restore_subset(model, weights_h5(saved, tmp_path), strict=True)

    assert sources_of(model.tower, saved.tower) == {"body": "body", "head": "head"}


class _Nameless(tf_keras.layers.Layer):  # type: ignore[misc]
    """A layer with weights without names, in attributes or in none."""

    def __init__(self, count: int, *, is_kept: bool) -> None:
        super().__init__(name="nameless")
        for i in range(count):
            weight = self.add_weight(shape=(4, 4), initializer="normal")
            if is_kept:
                setattr(self, f"w{i}", weight)

    def call(self, inputs: Any) -> Any:
        for weight in self.trainable_weights:
            inputs = inputs @ weight
        return inputs


def nameless(count: int, *, is_kept: bool) -> Any:
    """A model of tf_keras, in which such a layer stands before a named one."""
    head = tf_keras.layers.Dense(3, name="head")
    return tf_keras.Sequential([tf_keras.Input([4]), _Nameless(count, is_kept=is_kept), head])


NAMELESS: dict[str, Callable[[Any, Path], Any]] = {
    "weights_h5": weights_h5,
    "keras_archive": keras_archive,
    "live": lambda model, _: model,
    "subset": lambda model, folder: pr.save_subset(model, folder / "subset"),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("save", NAMELESS.values(), ids=NAMELESS)
def test_weights_without_names_are_known_by_attributes_or_by_their_places_in_their_layer(
    save: Callable[[Any, Path], Any], count: int, *, is_kept: bool, tmp_path: Path
) -> None:
    saved, model = nameless(count, is_kept=is_kept), nameless(count, is_kept=is_kept)

    report = pr.restore_subset(model, save(saved, tmp_path), strict=True)

    kept = [f"nameless/w{i}" if is_kept else f"nameless/vars/{i}" for i in range(count)]
    assert {each.name for each in report.loaded} == {*kept, "head/kernel", "head/bias"}
    for ours, theirs in zip(model.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_weight_without_a_name_in_a_part_of_a_checkpoint_is_told(tmp_path: Path) -> None:
    saved = tf.train.Checkpoint(model=nameless(1, is_kept=False))
    model = tf.train.Checkpoint(model=nameless(1, is_kept=False))

    report = pr.restore_subset(model, pr.save_subset(saved, tmp_path / "subset"), strict=True)

    assert "model/nameless/vars/0" in {each.name for each in report.loaded}


@pytest.mark.parametrize("counts", [(1, 2), (2, 1)])
@pytest.mark.parametrize("save", NAMELESS.values(), ids=NAMELESS)
def test_places_of_weights_without_names_count_among_as_many(
    save: Callable[[Any, Path], Any], counts: tuple[int, int], tmp_path: Path
) -> None:
    saved, model = (nameless(count, is_kept=False) for count in counts)
    places = [f"nameless/vars/{i}" for i in range(counts[1])]
    path = save(saved, tmp_path)
    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(model, path)

    report = pr.restore_subset(model, path, exclude=places)

    assert {each.name for each in report.initialized} == set(places)


class _Affine(keras.layers.Layer):  # type: ignore[misc]
    """A layer with weights without names, in attributes."""

    def __init__(self, attributes: tuple[str, ...], **options: Any) -> None:
        super().__init__(**options)
        self.attributes = attributes

    def build(self, shape: tuple[int | None, ...]) -> None:
        for attribute in self.attributes:
            setattr(self, attribute, self.add_weight(shape=shape[-1:], initializer="random_normal"))

    def call(self, inputs: Any) -> Any:
        return sum((inputs * getattr(self, attribute) for attribute in self.attributes), 0.0)


def affine(*layers: tuple[str, ...]) -> keras.Model:
    members = [_Affine(each, name=f"at{i}") for i, each in enumerate(layers)]
    return keras.Sequential([keras.Input([4]), *members, keras.layers.Dense(2, name="head")])


def arrays(model: keras.Model, folder: Path) -> Path:
    np.savez(folder / "model.npz", **{variable.path: variable.numpy() for variable in model.variables})
    return folder / "model.npz"


ANY: dict[str, Save] = {"legacy": legacy, "arrays": arrays, "weights_h5": weights_h5, "archive": keras_archive}


@pytest.mark.parametrize("save", [legacy, weights_h5, keras_archive])
def test_weights_that_keras_3_numbers_are_restored_built_later(save: Save, tmp_path: Path) -> None:
    path = save(saved := affine(("scale", "offset"), ("scale", "offset")), tmp_path)
    model = affine(("scale", "offset"), ("scale", "offset"))

    pr.restore_subset(model, path, strict=True)

    for ours, theirs in zip(model.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


MORE = [("gate", "scale", "offset"), ("scale", "gate", "offset")]


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("is_less", [False, True])
@pytest.mark.parametrize("save", ANY.values(), ids=ANY)
def test_weights_that_keras_3_numbers_are_no_names(
    save: Save, more: tuple[str, ...], *, is_less: bool, tmp_path: Path
) -> None:
    less = ("scale", "offset")
    saved, model = affine(more if is_less else less, less), affine(less if is_less else more, less)
    undecided = [f"at0/{each}" for each in model.layers[0].attributes]
    path = save(saved, tmp_path)

    with pytest.raises(pr.AmbiguousError) as error:
        pr.restore_subset(model, path)
    report = pr.restore_subset(model, path, exclude=error.value.names)

    assert not {each.name for each in report.loaded} & set(undecided)


class _Storing(keras.layers.Layer):  # type: ignore[misc]
    """A layer that stores copies of its weights itself, in another order than it has them."""

    def __init__(self, keys: dict[str, str], *, is_equal: bool, **options: Any) -> None:
        super().__init__(**options)
        self.keys, self.is_equal = keys, is_equal

    def build(self, shape: tuple[int | None, ...]) -> None:
        start = "zeros" if self.is_equal else "random_normal"
        self.scale, self.offset = (
            self.add_weight(shape=shape[-1:], name=name, initializer=start) for name in ("scale", "offset")
        )

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale + self.offset

    def save_own_variables(self, store: Any) -> None:
        for attribute, key in self.keys.items():
            store[key] = getattr(self, attribute).numpy()


def storing(keys: dict[str, str], *, is_equal: bool) -> keras.Model:
    return keras.Sequential([keras.Input([4]), _Storing(keys, is_equal=is_equal, name="at"), keras.layers.Dense(2)])


KEYS = [
    {"offset": "offset", "scale": "scale"},
    {"offset": "0", "scale": "1"},
    {"offset": "shift", "scale": "factor"},
    {"offset": "a", "scale": "b"},
]


@pytest.mark.parametrize("keys", KEYS, ids=lambda keys: keys["offset"])
@pytest.mark.parametrize("is_equal", [False, True])
@pytest.mark.parametrize("save", [weights_h5, keras_archive, *SHARDED])
def test_what_a_layer_stores_itself_goes_where_it_came_from(
    save: Save, keys: dict[str, str], *, is_equal: bool, tmp_path: Path
) -> None:
    saved, model = storing(keys, is_equal=False), storing(keys, is_equal=is_equal)

    report = pr.restore_subset(model, save(saved, tmp_path))
    built, _ = pr.build_restored(lambda: storing(keys, is_equal=is_equal), save(saved, tmp_path))

    assert not report.initialized
    for name in keys:
        np.testing.assert_array_equal(getattr(built.layers[0], name), getattr(saved.layers[0], name))
        np.testing.assert_array_equal(getattr(model.layers[0], name), getattr(saved.layers[0], name))


class _Transposing(keras.layers.Layer):  # type: ignore[misc]
    """A layer that stores its kernel transposed."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), name="kernel", initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return inputs @ self.kernel

    def save_own_variables(self, store: Any) -> None:
        store["kernel"] = self.kernel.numpy().T


class _Doubling(keras.layers.Layer):  # type: ignore[misc]
    """A layer that stores twice what it has, of which zeros are the same."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(shape[-1], 3), name="scale", initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return inputs @ self.scale

    def save_own_variables(self, store: Any) -> None:
        store["scale"] = 2 * self.scale.numpy()


@pytest.mark.parametrize("save", [weights_h5, keras_archive])
def test_what_a_layer_stores_doubled_is_left(save: Save, tmp_path: Path) -> None:
    """A variable that waits for its initializer holds nothing yet, which is the same doubled, too."""

    def model() -> keras.Model:
        return keras.Sequential([keras.Input([4]), _Doubling(name="at"), keras.layers.Dense(2, name="head")])

    path, target = save(randomized(model()), tmp_path), model()
    report = pr.restore_subset(target, path)
    built, again = pr.build_restored(model, path)

    for each, told in ((target, report), (built, again)):
        assert {item.name for item in told.initialized} == {"at/scale"}
        np.testing.assert_array_equal(each.layers[0].scale, np.zeros([4, 3]))


@pytest.mark.parametrize("save", [weights_h5, keras_archive])
def test_what_a_layer_may_store_transposed_is_left(save: Save, tmp_path: Path) -> None:
    def model() -> keras.Model:
        return keras.Sequential([keras.Input([4]), _Transposing(name="at"), keras.layers.Dense(2, name="head")])

    for value in (np.zeros([4, 4]), np.eye(4), np.arange(16.0).reshape([4, 4])):
        target = model()
        target.layers[0].kernel.assign(value)

        report = pr.restore_subset(target, save(randomized(model()), tmp_path))

        assert {each.name for each in report.initialized} == {"at/kernel"}
        np.testing.assert_array_equal(target.layers[0].kernel, value)
