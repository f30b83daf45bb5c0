"""Where weights have the names and maybe the shapes of others and mean something else, they are listed or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import families
import keras
import numpy as np
import pytest
import tensorflow as tf
from families import FAMILIES, Array

import partial_restore as pr

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")

WRITERS: dict[str, families.Write] = {
    "checkpoint": families.checkpoint,
    "weights_h5": families.weights_h5,
    "archive": families.archive,
    "legacy": families.legacy_model,
}
LAYER_LOADED = {"out/kernel", "out/bias"}


def reader(k: Any, layer: Any) -> Any:
    """A recurrent layer, and one behind it that anybody can load."""
    inputs = k.layers.Input([3, 2], name="series")
    return families.randomized(k.Model(inputs, k.layers.Dense(1, name="out")(layer(inputs)), name="reader"))


def assert_layer_left_alone(model: Any, path: Any) -> None:
    """Assert that the layer ``rnn`` is refused, and that it is left whole where mismatches are waved through."""
    before = families.contents(model)
    report = pr.plan_subset(model, path, on_mismatch="initialize").report
    assert {each.name for each in report.loaded} == LAYER_LOADED, str(report)
    assert len(report.skipped) >= 3
    for name in {each.name for each in report.initialized if each.name.startswith("rnn/")}:
        rest = pr.plan_subset(model, path, exclude=name, on_mismatch="initialize").report
        assert {each.name for each in rest.loaded} == LAYER_LOADED, str(rest)

    with pytest.raises(pr.RestoreError, match="rnn"):
        pr.restore_subset(model, path, strict=True)
    assert families.contents(model) == before


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("saved", FAMILIES)
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("reset_after", [True, False])
def test_a_gru_that_resets_otherwise(write: str, saved: str, family: str, reset_after: bool, tmp_path: Path) -> None:
    def gru(k: Any, *, reset_after: bool) -> Any:
        return reader(k, k.layers.GRU(2, reset_after=reset_after, name="rnn"))

    path = WRITERS[write](gru(FAMILIES[saved], reset_after=reset_after), tmp_path)
    assert_layer_left_alone(gru(FAMILIES[family], reset_after=not reset_after), path)


def cudnn(k: Any, gates: int) -> Any:
    """The weights of a layer of cuDNN, which has two biases and its gates in another order."""
    base = "CuDNNLSTM" if gates == 4 else "CuDNNGRU"

    def build(self: Any, shape: Any) -> None:
        units = 2
        self.kernel = self.add_weight(shape=[shape[-1], gates * units], name="kernel")
        self.recurrent_kernel = self.add_weight(shape=[units, gates * units], name="recurrent_kernel")
        self.bias = self.add_weight(shape=[2 * gates * units], name="bias")
        self.built = True

    def call(_: Any, x: Any) -> Any:
        return tf.zeros_like(x[:, 0]) if k is not keras else keras.ops.zeros_like(x[:, 0])

    def get_config(self: Any) -> dict[str, Any]:
        return {"name": self.name}

    body = {"build": build, "call": call, "get_config": get_config}
    return reader(k, type(base, (k.layers.Layer,), body)(name="rnn"))


def plain(k: Any, gates: int, **options: Any) -> Any:
    return reader(k, k.layers.LSTM(2, name="rnn") if gates == 4 else k.layers.GRU(2, name="rnn", **options))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("saved", FAMILIES)
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("gates", [4, 3], ids=["lstm", "gru"])
def test_a_layer_of_cudnn(write: str, saved: str, family: str, gates: int, tmp_path: Path) -> None:
    path = WRITERS[write](cudnn(FAMILIES[saved], gates), tmp_path)
    assert_layer_left_alone(plain(FAMILIES[family], gates), path)
    if gates == 3:
        assert_layer_left_alone(plain(FAMILIES[family], gates, reset_after=False), path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gates", [4, 3], ids=["lstm", "gru"])
def test_a_layer_of_cudnn_under_the_names_of_variables(gates: int, family: str, tmp_path: Path) -> None:
    names = {variable.path: variable._value for variable in families.weights(cudnn(keras, gates))}
    path = tf.compat.v1.train.Saver(names).save(None, str(tmp_path / "model.ckpt"))
    assert_layer_left_alone(plain(FAMILIES[family], gates), path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gates", [4, 3], ids=["lstm", "gru"])
def test_a_layer_of_cudnn_as_keras_2_wrote_it(gates: int, family: str, tmp_path: Path) -> None:
    rows = {"kernel": [2, 2 * gates], "recurrent_kernel": [2, 2 * gates], "bias": [4 * gates]}
    layers = {"rnn": {name: _values(shape) for name, shape in rows.items()}, "out": _out()}
    assert_layer_left_alone(plain(FAMILIES[family], gates), families.legacy_file(tmp_path / "weights.h5", layers))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gates", [4, 3], ids=["lstm", "gru"])
def test_a_file_of_a_plain_layer_into_one_of_cudnn(gates: int, family: str, tmp_path: Path) -> None:
    path = families.checkpoint(plain(keras, gates), tmp_path)
    assert_layer_left_alone(cudnn(FAMILIES[family], gates), path)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_cell_of_tensorflow_1_orders_its_gates_otherwise(family: str, tmp_path: Path) -> None:
    """`tf.nn.rnn_cell.LSTMCell` has one kernel for input and state, and i, j, f, o where Keras has i, f, c, o."""
    arrays = {"rnn/lstm_cell/kernel": _values([4, 8]), "rnn/lstm_cell/bias": _values([8])}
    arrays |= {f"out/{name}": values for name, values in _out().items()}
    names = {name: tf.Variable(values) for name, values in arrays.items()}
    path = tf.compat.v1.train.Saver(names).save(None, str(tmp_path / "model.ckpt"))
    model = plain(FAMILIES[family], 4)
    before = families.contents(model)

    report = pr.plan_subset(model, path, on_mismatch="initialize").report

    assert {each.name for each in report.loaded} == LAYER_LOADED, str(report)
    with pytest.raises(pr.RestoreError, match="rnn"):
        pr.restore_subset(model, path)
    assert families.contents(model) == before


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernels_of_theano_are_flipped(family: str, tmp_path: Path) -> None:
    k = FAMILIES[family]
    shapes = {"conv": [3, 3, 2, 2], "line": [3, 2, 2], "out": [2, 1]}
    layers = {name: {"kernel": _values(shape), "bias": _values(shape[-1:])} for name, shape in shapes.items()}
    path = families.legacy_file(tmp_path / "weights.h5", layers, backend="theano")
    inputs = k.layers.Input([5, 5, 2], name="image")
    x = k.layers.Reshape([9, 2], name="row")(k.layers.Conv2D(2, 3, name="conv")(inputs))
    x = k.layers.GlobalAveragePooling1D(name="pool")(k.layers.Conv1D(2, 3, name="line")(x))
    model = families.randomized(k.Model(inputs, k.layers.Dense(1, name="out")(x)))

    report = pr.restore_subset(model, path)

    assert {each.name for each in report.initialized} == {"conv/kernel", "line/kernel"}
    assert {each.tensor.name for each in report.skipped if each.tensor} == {"conv/kernel", "line/kernel"}
    with pytest.raises(pr.MissingError):
        pr.restore_subset(model, path, strict=True)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("write", ["checkpoint", "weights_h5", "archive"])
def test_quantized_kernels_are_no_floats(write: str, family: str, tmp_path: Path) -> None:
    """Without its scales an int8 kernel has the right shape and the wrong size."""

    def dense(k: Any) -> Any:
        inputs = k.layers.Input([4], name="features")
        x = k.layers.Dense(4, name="rnn")(inputs)
        return families.randomized(k.Model(inputs, k.layers.Dense(1, name="out")(x), name="net"))

    saved = dense(keras)
    saved.get_layer("rnn").quantize("int8")
    path = WRITERS[write](saved, tmp_path)
    model = dense(FAMILIES[family])
    before = families.contents(model)

    report = pr.plan_subset(model, path, on_mismatch="initialize").report

    assert "rnn/kernel" not in {each.name for each in report.loaded}, str(report)
    with pytest.raises(pr.RestoreError, match="rnn/kernel"):
        pr.restore_subset(model, path, strict=True)
    assert families.contents(model) == before


@pytest.mark.parametrize("write", ["weights_h5", "archive"])
@pytest.mark.parametrize("is_quantized", [True, False])
def test_scale_of_a_quantized_kernel_is_no_bias(write: str, is_quantized: bool, tmp_path: Path) -> None:
    """Both are the second variable of a layer that has two, and HDF5 files of Keras 3 know no more of them."""

    def dense(*, quantized: bool) -> Any:
        layer = keras.layers.Dense(4, use_bias=not quantized, name="body")
        model = keras.Sequential([keras.Input([4]), layer, keras.layers.Dense(3, name="head")])
        if quantized:
            layer.quantize("int8")
        return families.randomized(model)

    path, model = WRITERS[write](dense(quantized=is_quantized), tmp_path), dense(quantized=not is_quantized)
    second = "body/bias" if is_quantized else "body/kernel_scale"
    with pytest.raises(pr.MismatchError, match="its layer has other variables"):
        pr.restore_subset(model, path, exclude="body/kernel")
    report = pr.restore_subset(model, path, exclude=["body/kernel", second])
    assert {each.name for each in report.loaded} == {"head/kernel", "head/bias"}


def _values(shape: Any) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def _out() -> dict[str, Array]:
    return {"kernel": _values([2, 1]), "bias": _values([1])}
