"""The same small models in either family of Keras (``k`` is `keras` or `tf_keras`), and every way to write them to a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
import tf_keras

Array = np.ndarray[Any, Any]
Called = Callable[[str], "str | None"]
Build = Callable[[Any, Called], Any]
FAMILIES = {"keras": keras, "tf_keras": tf_keras}


def named(name: str) -> str | None:
    """Call every layer by a name of its own."""
    return name


def unnamed(_: str) -> str | None:
    """Leave the name of every layer to Keras."""
    return None


def cnn(k: Any, n: Called) -> Any:
    inputs = k.layers.Input([6, 6, 2], name=n("image"))
    x = k.layers.Conv2D(3, 3, use_bias=False, name=n("stem"))(inputs)
    x = k.layers.Activation("relu", name=n("stem_on"))(k.layers.BatchNormalization(name=n("stem_norm"))(x))
    x = k.layers.BatchNormalization(name=n("tail_norm"))(k.layers.Conv2D(3, 2, padding="same", name=n("tail"))(x))
    x = k.layers.GlobalAveragePooling2D(name=n("pool"))(x)
    outputs = k.layers.Dense(3, name=n("logits"))(k.layers.Dropout(0.5, name=n("drop"))(x))
    return k.Model(inputs, outputs, name=n("classifier"))


def nested(k: Any, n: Called) -> Any:
    """A Functional model within one, with a Sequential one within; every layer of one shape."""
    layers = k.layers
    inner_in = layers.Input([4], name=n("inner_in"))
    x = layers.LayerNormalization(name=n("norm"))(layers.Dense(4, name=n("first"))(inner_in))
    x = _stack(k, n, "deep", ["up", "down"])(x)
    inner = k.Model(inner_in, layers.Dense(4, name=n("last"))(x), name=n("inner"))
    inputs = layers.Input([4], name=n("features"))
    x = inner(layers.Dense(4, activation="tanh", name=n("before"))(inputs))
    x = _stack(k, n, "side", ["left", "right"])(x)
    return k.Model(inputs, layers.Dense(2, name=n("out"))(x), name=n("outer"))


def twins(k: Any, n: Called) -> Any:
    """Two models within, whose layers have the same names."""
    inputs = k.layers.Input([4], name=n("features"))
    x = _stack(k, n, "lower", ["up", "down"])(inputs)
    x = _stack(k, n, "upper", ["up", "down"])(x)
    return k.Model(inputs, k.layers.Dense(2, name=n("out"))(x), name=n("outer"))


def _stack(k: Any, n: Called, name: str, names: Sequence[str]) -> Any:
    """A Sequential model of dense layers of one shape."""
    return k.Sequential([k.layers.Input([4]), *(k.layers.Dense(4, name=n(each)) for each in names)], name=n(name))


def stack(names: Sequence[str | None]) -> Architecture:
    """A Sequential model of dense layers of one shape, with a head; a layer without a name gets an automatic one."""

    def build(k: Any, _: Called) -> Any:
        body = [k.layers.Dense(4, name=each) for each in names]
        return k.Sequential([k.layers.Input([4]), *body, k.layers.Dense(2, name="head")])

    return Architecture(build, lambda: [_noise(2, 4)])


def sequential(k: Any, n: Called) -> Any:
    """A Sequential model, one within it, and layers without weights between."""
    layers = k.layers
    body = [layers.Input([5]), layers.Dense(5, name=n("a")), layers.ReLU(name=n("on"))]
    stem = [layers.Input([6, 2]), layers.Flatten(name=n("flat")), layers.Dense(5, name=n("stem"))]
    head = [layers.PReLU(name=n("slope")), layers.Dense(5, name=n("head"))]
    return k.Sequential([*stem, k.Sequential(body, name=n("body")), *head], name=n("stack"))


STEPS = {"unroll": True, "return_sequences": True}
"""Two steps are quicker laid out than looped over."""


def lstm(k: Any, n: Called) -> Any:
    inputs = k.layers.Input([2, 3], name=n("series"))
    x = k.layers.LSTM(4, **STEPS, name=n("lower"))(inputs)
    x = k.layers.LSTM(4, unroll=True, name=n("upper"))(x)
    return k.Model(inputs, k.layers.Dense(4, name=n("out"))(x), name=n("reader"))


def gru(k: Any, n: Called) -> Any:
    inputs = k.layers.Input([2, 3], name=n("series"))
    x = k.layers.GRU(3, **STEPS, name=n("lower"))(inputs)
    x = k.layers.GRU(3, **STEPS, reset_after=False, name=n("upper"))(x)
    return k.Model(inputs, k.layers.SimpleRNN(3, unroll=True, name=n("out"))(x), name=n("reader"))


def bidirectional(k: Any, n: Called) -> Any:
    """Halves that Keras makes of one layer, and halves that a person made."""
    layers = k.layers
    inputs = layers.Input([2, 4], name=n("series"))
    x = layers.Bidirectional(layers.LSTM(2, **STEPS, name=n("both")), name=n("lower"))(inputs)
    ahead = layers.LSTM(2, unroll=True, name=n("ahead"))
    back = layers.LSTM(2, unroll=True, go_backwards=True, name=n("back"))
    x = layers.Bidirectional(ahead, backward_layer=back, name=n("upper"))(x)
    return k.Model(inputs, layers.Dense(2, name=n("out"))(x), name=n("reader"))


def cells(k: Any, n: Called) -> Any:
    """Recurrent cells in `RNN`, alone and stacked, and a layer for every step."""
    layers = k.layers
    inputs = layers.Input([2, 3], name=n("series"))
    x = layers.RNN(layers.GRUCell(3, name=n("one")), **STEPS, name=n("single"))(inputs)
    stacked = [layers.LSTMCell(3, name=n("under")), layers.LSTMCell(3, name=n("over"))]
    x = layers.RNN(stacked, **STEPS, name=n("tower"))(x)
    x = layers.TimeDistributed(layers.Dense(3, name=n("step")), name=n("steps"))(x)
    x = layers.RNN(layers.SimpleRNNCell(3, name=n("end")), unroll=True, name=n("last"))(x)
    return k.Model(inputs, x, name=n("reader"))


def attention(k: Any, n: Called) -> Any:
    layers = k.layers
    inputs = layers.Input([4, 6], name=n("tokens"))
    x = layers.MultiHeadAttention(2, 3, name=n("lower"))(inputs, inputs)
    x = layers.LayerNormalization(name=n("lower_norm"))(layers.Add(name=n("lower_sum"))([inputs, x]))
    x = layers.MultiHeadAttention(2, 3, dropout=0.1, name=n("upper"))(x, x)
    x = layers.EinsumDense("abc,cd->abd", [None, 6], bias_axes="d", name=n("mix"))(x)
    return k.Model(inputs, layers.LayerNormalization(name=n("upper_norm"))(x), name=n("transformer"))


def embedding(k: Any, n: Called) -> Any:
    layers = k.layers
    inputs = layers.Input([4], dtype="int32", name=n("words"))
    places = layers.Embedding(9, 4, name=n("places"))(inputs)
    x = layers.Add(name=n("sum"))([layers.Embedding(9, 4, name=n("words_table"))(inputs), places])
    return k.Model(inputs, layers.Dense(2, name=n("out"))(layers.Flatten(name=n("flat"))(x)), name=n("bag"))


def separable(k: Any, n: Called) -> Any:
    layers = k.layers
    inputs = layers.Input([6, 6, 2], name=n("image"))
    x = layers.SeparableConv2D(3, 2, name=n("split"))(inputs)
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, name=n("depth"))(x)
    x = layers.Conv2DTranspose(2, 2, name=n("grow"))(x)
    x = layers.Reshape([25, 2], name=n("line"))(x)
    x = layers.DepthwiseConv1D(2, name=n("depth_line"))(layers.SeparableConv1D(2, 2, name=n("split_line"))(x))
    x = layers.Conv1D(2, 2, name=n("line_end"))(x)
    return k.Model(inputs, layers.GlobalAveragePooling1D(name=n("pool"))(x), name=n("mobile"))


def shared(k: Any, n: Called) -> Any:
    """A layer that is called twice, and an inner model that is."""
    layers = k.layers
    inner = _stack(k, n, "inner", ["twin"])
    left, right = layers.Input([4], name=n("left")), layers.Input([4], name=n("right"))
    once = layers.Dense(4, name=n("once"))
    ahead = layers.Dense(4, name=n("ahead"))(inner(once(left)))
    x = layers.Concatenate(name=n("joined"))([ahead, inner(once(right))])
    return k.Model([left, right], layers.Dense(2, name=n("out"))(x), name=n("siamese"))


def rare(k: Any, n: Called) -> Any:
    layers = k.layers
    inputs = layers.Input([2, 4, 4, 2], name=n("film"))
    sight = layers.ConvLSTM2D(
        2, 2, recurrent_activation="sigmoid", name=n("sight")
    )  # Its default is another one in Keras 2.
    x = layers.GroupNormalization(2, name=n("groups"))(sight(inputs))
    x = layers.Reshape([3, 6], name=n("line"))(x)
    x = layers.AdditiveAttention(name=n("look"))([x, x])
    return k.Model(inputs, layers.PReLU(name=n("slope"))(x), name=n("viewer"))


def subclassed(k: Any, n: Called) -> Any:
    """Layers as attributes, in lists, in a tuple and in a dict, and models within, written once for either family."""

    class Block(k.layers.Layer):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(name=n(name))
            self.dense = k.layers.Dense(4, name=n(f"{name}_dense"))
            self.norm = k.layers.LayerNormalization(name=n(f"{name}_norm"))

        def call(self, x: Any) -> Any:
            return self.norm(self.dense(x))

    class Net(k.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name=n("net"))
            self.first = k.layers.Dense(4, name=n("first"))
            self.blocks = [Block("block_x"), Block("block_y")]
            self.heads = {"a": k.layers.Dense(4, name=n("head_a")), "b": k.layers.Dense(4, name=n("head_b"))}
            self.tail = _stack(k, n, "tail", ["tail_x", "tail_y"])

        def call(self, x: Any) -> Any:
            x = self.first(x)
            for block in self.blocks:
                x = block(x)
            return self.tail(self.heads["a"](x) + 2 * self.heads["b"](x))

    return Net()


def images() -> list[Array]:
    return [_noise(2, 6, 6, 2)]


def series() -> list[Array]:
    return [_noise(2, 2, 3)]


def _noise(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Architecture:
    """How a model is built, and what it is called on."""

    build: Build
    inputs: Callable[[], list[Array]]

    def built(self, k: Any, n: Called) -> Any:
        """Return the model, called once so that it has its variables, and no two of its values alike."""
        model = self.build(k, n)
        self.output(model)
        return randomized(model)

    def output(self, model: Any) -> Array:
        inputs = self.inputs()
        return np.asarray(tf.cast(model(inputs if len(inputs) > 1 else inputs[0], training=False), "float32"))


ARCHITECTURES: Mapping[str, Architecture] = {
    "cnn": Architecture(cnn, images),
    "nested": Architecture(nested, lambda: [_noise(2, 4)]),
    "twins": Architecture(twins, lambda: [_noise(2, 4)]),
    "sequential": Architecture(sequential, lambda: [_noise(2, 6, 2)]),
    "lstm": Architecture(lstm, series),
    "gru": Architecture(gru, series),
    "bidirectional": Architecture(bidirectional, lambda: [_noise(2, 2, 4)]),
    "cells": Architecture(cells, series),
    "attention": Architecture(attention, lambda: [_noise(2, 4, 6)]),
    "embedding": Architecture(embedding, lambda: [np.arange(8).reshape(2, 4)]),
    "separable": Architecture(separable, images),
    "shared": Architecture(shared, lambda: [_noise(2, 4), _noise(2, 4)[::-1].copy()]),
    "rare": Architecture(rare, lambda: [_noise(2, 2, 4, 4, 2)]),
    "subclassed": Architecture(subclassed, lambda: [_noise(2, 4)]),
}


def is_seed(variable: Any) -> bool:
    return "seed_generator" in getattr(variable, "path", variable.name)


def weights(model: Any) -> list[Any]:
    """All variables of a model but the state of its random generators."""
    return [variable for variable in model.variables if not is_seed(variable)]


def randomized(model: Any) -> Any:
    """Give every weight values of its own."""
    for variable in weights(model):
        variable.assign(values_for(variable))
    return model


def values_for(variable: Any) -> Array:
    """Return values that no other weight has; a variance is positive."""
    dtype = tf.as_dtype(variable.dtype)
    values = np.random.default_rng().normal(scale=0.5, size=variable.shape)
    return (np.abs(values) if "variance" in variable.name else values).astype(dtype.as_numpy_dtype)


def contents(model: Any) -> list[bytes]:
    """What the weights hold, in the order of the model."""
    return [np.asarray(variable).tobytes() for variable in weights(model)]


Write = Callable[[Any, Path], Any]


def save_weights(model: Any, folder: Path) -> Path:
    """As tf.keras 2 does without an ending."""
    model.save_weights(folder / "weights")
    return folder / "weights"


def checkpoint(model: Any, folder: Path) -> str:
    return str(tf.train.Checkpoint(model=model).write(str(folder / "ckpt")))


def weights_h5(model: Any, folder: Path) -> Path:
    model.save_weights(folder / "model.weights.h5")
    return folder / "model.weights.h5"


def archive(model: Any, folder: Path) -> Path:
    model.save(folder / "model.keras")
    return folder / "model.keras"


def legacy_weights(model: Any, folder: Path) -> Path:
    model.save_weights(folder / "weights.h5")
    return folder / "weights.h5"


def legacy_model(model: Any, folder: Path) -> Path:
    model.save(folder / "model.h5")
    return folder / "model.h5"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A file, and of the model that wrote it: what its weights held, and what came out."""

    path: Any
    contents: list[bytes]
    output: Array


def written(architecture: Architecture, model: Any, write: Write, folder: Path) -> Artefact:
    return Artefact(write(model, folder), contents(model), architecture.output(model))


def written_by_saver(architecture: Architecture, n: Called, folder: Path) -> Artefact:
    """As TensorFlow 1 does: a graph of Keras 2 layers, a session, and a checkpoint by the names of variables."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        inputs = [tf.constant(each) for each in architecture.inputs()]
        model = architecture.build(tf_keras, n)
        output = model(inputs if len(inputs) > 1 else inputs[0], training=False)
        for variable in model.variables:
            variable.load(values_for(variable), session)
        held = session.run(model.variables)
        path = tf.compat.v1.train.Saver(model.variables).save(session, str(folder / "model.ckpt"), global_step=7)
        return Artefact(path, [value.tobytes() for value in held], session.run(output))


def save_with_optimizer(model: Any, folder: Path) -> str:
    return str(tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(folder / "ckpt")))


def written_with_older_names(architecture: Architecture, folder: Path) -> Artefact:
    """As TensorFlow 1.15 calls the weights of recurrent layers: by the layer, without the cell."""
    model = architecture.built(tf_keras, named)
    names = {
        re.sub(r"/(lstm|gru|simple_rnn)_cell/", "/", each.name.removesuffix(":0")): each for each in weights(model)
    }
    path = tf.compat.v1.train.Saver(names).save(None, str(folder / "model.ckpt"))
    return Artefact(path, contents(model), architecture.output(model))


def legacy_file(path: Path, layers: Mapping[str, Mapping[str, Array]], *, backend: str = "tensorflow") -> Path:
    """Write the weights of layers as Keras 2 lays them out."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        file.attrs["backend"] = backend.encode()
        for layer, arrays in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in arrays]
            for name, values in arrays.items():
                group[f"{layer}/{name}:0"] = values
    return path
