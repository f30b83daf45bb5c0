"""Small Keras models and what the end-to-end tests do with them: save, edit, restore, compare to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Layers = keras.layers
Values = dict[str, np.ndarray[Any, Any]]


def stack(names: Sequence[str | None], *, classes: int = 3, frozen: Sequence[str] = (), width: int = 4) -> keras.Model:
    """A Sequential model of dense layers of one shape, with a head; a layer without a name gets an automatic one."""
    body = [Layers.Dense(width, name=name) for name in names]
    model = keras.Sequential([Layers.Input([width]), *body, Layers.Dense(classes, name="head")])
    for name in frozen:
        model.get_layer(name).trainable = False
    return randomized(model)


def randomized(model: Any) -> Any:
    """Give every variable values of its own, so that no two can be taken for each other."""
    rng = np.random.default_rng()
    for variable in model.variables:
        if "seed" not in variable.path:
            variable.assign(rng.normal(size=variable.shape).astype(np.float32))
    return model


def trained(model: Any, inputs: Any = None, outputs: Any = None) -> Any:
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    inputs = np.ones([4, *model.input_shape[1:]], np.float32) if inputs is None else inputs
    outputs = np.ones([4, *model.output_shape[1:]], np.float32) if outputs is None else outputs
    model.fit(inputs, outputs, verbose=0)
    return model


def held(model: Any) -> Values:
    """What every variable holds, the optimizer's included, by a name that is unique in the model."""
    variables = list(model.variables)
    optimizer = getattr(model, "optimizer", None)
    variables += optimizer.variables if optimizer is not None else []
    return {f"{i}|{getattr(v, 'path', v.name)}": v.numpy() for i, v in enumerate(variables)}


def by_layer(model: Any) -> Values:
    """What the weights of a flat model hold, by the name of layer and variable."""
    return {f"{layer.name}/{weight.name}": weight.numpy() for layer in model.layers for weight in layer.weights}


def assert_same(after: Values, before: Values) -> None:
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def assert_weights_same(target: Any, source: Any) -> None:
    """Assert that two models hold the same weights, in the same order."""
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


@contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Assert that nothing in the model changes, to the last bit."""
    before = held(model)
    yield
    assert_same(held(model), before)


def saved(folder: Any, root: Any = None, /, **parts: Any) -> str:
    """Save as `tf.train.Checkpoint` does, and return the prefix."""
    checkpoint = tf.train.Checkpoint(root, **parts) if root is not None else tf.train.Checkpoint(**parts)
    return str(checkpoint.write(str(folder / "ckpt")))
