"""The models whose files are in the fixtures, as a user has them today.

In either family of Keras (``k`` is `keras` or `tf_keras`), as modules, and as variables of a graph of TensorFlow 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

tf1 = tf.compat.v1
Shapes = Mapping[str, tuple[int, ...]]
Forward = Callable[[Mapping[str, Any], Any], Any]


def image_net(k: Any, *, is_named: bool = True) -> Any:
    def called(name: str) -> str | None:
        return name if is_named else None

    layers = k.layers
    return k.Sequential(
        [
            layers.Input([4, 4, 2]),
            layers.Conv2D(3, 3, use_bias=False, activation="relu", name=called("conv")),
            layers.BatchNormalization(name=called("bn")),
            layers.Flatten(name=called("flat")),
            layers.Dense(4, activation="tanh", name=called("fc")),
            layers.Dense(2, name=called("head")),
        ]
    )


def unnamed_image_net(k: Any) -> Any:
    return image_net(k, is_named=False)


def graph_image_net(k: Any) -> Any:
    """As the graphs of TensorFlow 1 had it: normalized before it is rectified."""
    layers = k.layers
    return k.Sequential(
        [
            layers.Input([4, 4, 2]),
            layers.Conv2D(3, 3, use_bias=False, name="conv"),
            layers.BatchNormalization(name="bn"),
            layers.ReLU(name="on"),
            layers.Flatten(name="flat"),
            layers.Dense(4, activation="tanh", name="fc"),
            layers.Dense(2, name="head"),
        ]
    )


def word_net(k: Any) -> Any:
    layers = k.layers
    words = layers.Input([4], dtype="int32", name="words")
    x = layers.Embedding(9, 3, name="table")(words)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
    x = layers.GRU(4, return_sequences=True, name="gru")(x)
    x = layers.LayerNormalization(name="norm")(layers.MultiHeadAttention(2, 3, name="look")(x, x))
    return k.Model(words, layers.Dense(2, name="head")(layers.SimpleRNN(3, name="rnn")(x)))


def short_word_net(k: Any) -> Any:
    layers = k.layers
    words = layers.Input([4], dtype="int32", name="words")
    x = layers.Embedding(9, 3, name="table")(words)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
    return k.Model(words, layers.Dense(2, name="head")(layers.GRU(4, name="gru")(x)))


def nested_net(k: Any) -> Any:
    layers = k.layers
    encoder = k.Sequential(
        [
            layers.Input([4]),
            layers.Dense(4, activation="tanh", name="first"),
            layers.BatchNormalization(name="bn"),
            layers.Dense(4, name="second"),
        ],
        name="encoder",
    )
    features = layers.Input([4], name="features")
    shared = layers.Dense(4, activation="tanh", name="shared")
    return k.Model(features, layers.Dense(2, name="head")(shared(shared(encoder(features)))))


def subclassed_net(k: Any) -> Any:
    model = _net_of(k)()
    model(tf.zeros([1, 4]))
    return model


def eager_net(k: Any) -> Any:
    model = _eager_net_of(k)()
    model(tf.zeros([1, 4, 4, 2]))
    return model


def _net_of(k: Any) -> Any:
    class Net(k.Model):
        """Layers as attributes, in a list and in a dict; equal shapes on purpose."""

        def __init__(self) -> None:
            super().__init__()
            self.first = k.layers.Dense(4, activation="tanh")
            self.blocks = [k.layers.Dense(4), k.layers.LayerNormalization(), k.layers.Dense(4)]
            self.heads = {"a": k.layers.Dense(2), "b": k.layers.Dense(2)}

        def call(self, x: Any) -> Any:
            x = self.first(x)
            for block in self.blocks:
                x = block(x)
            return self.heads["a"](x) + 2 * self.heads["b"](x)

    return Net


def _eager_net_of(k: Any) -> Any:
    class Net(k.Model):
        """Layers as attributes, each with a name that Keras made up."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = k.layers.Conv2D(3, 3, use_bias=False, activation="relu")
            self.bn = k.layers.BatchNormalization()
            self.flat = k.layers.Flatten()
            self.fc = k.layers.Dense(4, activation="tanh")
            self.head = k.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.head(self.fc(self.flat(self.bn(self.conv(x)))))

    return Net


IMAGE: Shapes = {
    "conv/kernel": (3, 3, 2, 3),
    **{f"bn/{name}": (3,) for name in ("gamma", "beta", "moving_mean", "moving_variance")},
    "fc/kernel": (12, 4),
    "fc/bias": (4,),
    "head/kernel": (4, 2),
    "head/bias": (2,),
}
WORDS: Shapes = {"table": (7, 3), "mlp/w": (3, 4), "mlp/b": (4,)}


def image_forward(v: Mapping[str, Any], x: Any, *, is_rectified_first: bool = False) -> Any:
    x = tf.nn.conv2d(x, v["conv/kernel"], 1, "VALID")
    x = tf.nn.relu(x) if is_rectified_first else x
    statistics = v["bn/moving_mean"], v["bn/moving_variance"]
    x = tf.nn.batch_normalization(x, *statistics, v["bn/beta"], v["bn/gamma"], 1e-3)
    x = x if is_rectified_first else tf.nn.relu(x)
    x = tf.tanh(tf.matmul(tf.reshape(x, [x.shape[0], -1]), v["fc/kernel"]) + v["fc/bias"])
    return tf.matmul(x, v["head/kernel"]) + v["head/bias"]


def keras_image_forward(v: Mapping[str, Any], x: Any) -> Any:
    return image_forward(v, x, is_rectified_first=True)


def word_forward(v: Mapping[str, Any], words: Any) -> Any:
    x = tf.reduce_sum(tf.gather(tf.convert_to_tensor(v["table"]), words), 1)
    return tf.tanh(tf.matmul(x, tf.convert_to_tensor(v["mlp/w"])) + v["mlp/b"])


def module_of(shapes: Shapes) -> tuple[tf.Module, dict[str, tf.Variable]]:
    """Return a module with a variable for each shape, under modules as attributes, and the variables by name."""
    root, held = tf.Module(), {name: tf.Variable(tf.zeros(shape)) for name, shape in shapes.items()}
    for name, variable in held.items():
        module: Any = root
        *front, last = name.split("/")
        for each in front:
            if not hasattr(module, each):
                setattr(module, each, tf.Module())
            module = getattr(module, each)
        setattr(module, last, variable)
    return root, held


def graph_of(shapes: Shapes, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the current graph, one for each shape; ``parts`` are partitioners by name."""
    return {name: tf1.get_variable(name, shape, partitioner=parts.get(name)) for name, shape in shapes.items()}


class Affine(tf.Module):
    """A layer by hand."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.w = tf.Variable(tf.zeros([inputs, outputs]))
        self.b = tf.Variable(tf.zeros([outputs]))

    def __call__(self, x: Any) -> Any:
        return x @ self.w + self.b


class Perceptron(tf.Module):
    """A model by hand: layers in a list, and one beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = [Affine(4, 4), Affine(4, 4)]
        self.head = Affine(4, 2)

    def __call__(self, x: Any) -> Any:
        for step in self.steps:
            x = tf.tanh(step(x))
        return self.head(x)
