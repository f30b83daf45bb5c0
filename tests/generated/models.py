"""Keras models of generated specs, every variable with values of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from generated.specs import WIDTH, Layer, width_after

Layers = keras.layers
Owner = tuple[int, str]
"""A variable's true identity: the layer's, and which of its variables it is."""


@keras.saving.register_keras_serializable("tests")
class Net(keras.Model):
    """A subclassed model that keeps layers as attributes, in a list and in a dict."""

    def __init__(self, steps: Sequence[tuple[Layer, Any]], name: str | None) -> None:
        super().__init__(name=name)
        at = {spec.uid: (spec, layer) for spec, layer in steps}
        blocks = [(spec.uid, layer) for spec, layer in at.values() if spec.home == "list"]
        heads = {spec.key: layer for spec, layer in at.values() if spec.home == "dict"}
        for spec, layer in at.values():
            if spec.home == "attribute":
                setattr(self, spec.key, layer)
        if blocks:
            self.blocks = [layer for _, layer in blocks]
        if heads:
            self.heads = heads
        places = {uid: str(i) for i, (uid, _) in enumerate(blocks)}
        # A text: Keras would take note of layers in any other attribute.
        self.route = " ".join(f"{spec.home}:{places.get(spec.uid, spec.key)}" for spec, _ in steps)

    def steps(self) -> Iterator[Any]:
        for step in self.route.split():
            home, _, key = step.partition(":")
            if home == "attribute":
                yield getattr(self, key)
            else:
                yield self.blocks[int(key)] if home == "list" else self.heads[key]

    def call(self, x: Any) -> Any:
        for layer in self.steps():
            x = applied(layer, x)
        return x

    def get_config(self) -> dict[str, Any]:
        return {}


class BuiltNet(Net):
    """A subclassed model that makes its variables before it is called."""

    def build(self, shape: Any) -> None:
        for layer in self.steps():
            if not layer.built:
                layer.build(*[shape] * (2 if isinstance(layer, Layers.MultiHeadAttention) else 1))
            is_same = isinstance(layer, Layers.MultiHeadAttention)
            shape = shape if is_same else layer.compute_output_shape(shape)

    def compute_output_shape(self, shape: Any) -> Any:
        for layer in self.steps():
            is_same = isinstance(layer, Layers.MultiHeadAttention)
            shape = shape if is_same else layer.compute_output_shape(shape)
        return shape


@dataclass(frozen=True, slots=True)
class Built:
    """A model and its layers by identity."""

    spec: Layer
    model: Any
    layers: Mapping[int, Any]
    owners: Mapping[Owner, Any] = field(default_factory=dict)


def applied(layer: Any, x: Any) -> Any:
    return layer(x, x) if isinstance(layer, Layers.MultiHeadAttention) else layer(x)


def built(spec: Layer) -> Built:
    """Build a model as its user would, give every variable random values, and tell whose each is."""
    layers: dict[int, Any] = {}
    widths: dict[int, int] = {}
    width_after(spec, WIDTH, widths)
    model = _made(spec, layers, widths)
    if spec.kind == "net" or not model.built:
        model(np.zeros([1, *_input_shape(spec, WIDTH)], np.float32))
    owners: dict[Owner, Any] = {}
    for each in spec.walk():
        if not each.is_container:
            owners.update(_owned(each, layers[each.uid]))
    randomize(owners.values())
    return Built(spec, model, layers, owners)


def compiled(made: Built, optimizer: str = "Adam") -> None:
    """Compile the model with an optimizer that has state, as after a step of training."""
    options = {"momentum": 0.9} if optimizer == "SGD" else {}
    made.model.compile(optimizer=getattr(keras.optimizers, optimizer)(**options), loss="mse")
    made.model.optimizer.build(made.model.trainable_variables)
    randomize(v for v in made.model.optimizer.variables if len(v.shape) > 0)


def state_owners(made: Built) -> dict[Owner, Any]:
    """Return the state that the optimizer keeps for each variable; a slash sets its kind apart."""
    optimizer, owners = made.model.optimizer, {id(variable): owner for owner, variable in made.owners.items()}
    kinds = {kind: getattr(optimizer, kind, ()) for kind in ("_momentums", "momentums", "_velocities")}
    return {
        (uid, f"{role}/{kind}"): held[i]
        for i, variable in enumerate(optimizer._trainable_variables)
        for uid, role in [owners[id(variable)]]
        for kind, held in kinds.items()
        if held
    }


def randomize(variables: Any) -> None:
    rng = np.random.default_rng()
    for variable in variables:
        variable.assign(rng.normal(size=variable.shape).astype(np.float32))


def _owned(spec: Layer, layer: Any) -> Iterator[tuple[Owner, Any]]:
    weights = [weight for weight in layer.weights if "seed" not in weight.path]
    names = [weight.name for weight in weights]
    for i, (name, weight) in enumerate(zip(names, weights, strict=True)):
        yield (spec.uid, name if names.count(name) == 1 else f"{name}@{i}"), weight


def _input_shape(spec: Layer, width: int) -> tuple[int, ...]:
    first = spec
    while first.is_container:
        first = first.members[0]
    return (3,) if first.kind == "embedding" else (3, width)


def _made(spec: Layer, layers: dict[int, Any], widths: Mapping[int, int]) -> Any:
    if spec.uid not in layers:
        layers[spec.uid] = _container(spec, layers, widths) if spec.is_container else _leaf(spec)
        if spec.frozen:
            layers[spec.uid].trainable = False
    return layers[spec.uid]


def _container(spec: Layer, layers: dict[int, Any], widths: Mapping[int, int]) -> Any:
    order = reversed(spec.distinct()) if spec.backwards else spec.distinct()
    made = {member.uid: _made(member, layers, widths) for member in order}
    steps = [(member, made[member.uid]) for member in spec.members]
    if spec.kind == "net":
        return (BuiltNet if spec.is_buildable else Net)(steps, spec.name)
    inputs = Layers.Input(_input_shape(spec, widths[spec.uid]))
    if spec.kind == "sequential":
        return keras.Sequential([*([inputs] if spec.builds else []), *(layer for _, layer in steps)], name=spec.name)
    return keras.Model(inputs, _joined(spec, inputs, [layer for _, layer in steps]), name=spec.name)


def _joined(spec: Layer, x: Any, layers: Sequence[Any]) -> Any:
    """Return the output of layers one behind the other, or the sum of those of branches."""
    if spec.parallel:
        ends = [applied(layer, x) for layer in layers]
        return Layers.Add()(ends) if len(ends) > 1 else ends[0]
    for layer in layers:
        x = applied(layer, x)
    return x


def _leaf(spec: Layer) -> Any:
    width, name = spec.width, spec.name
    made: dict[str, Any] = {
        "dense": lambda: Layers.Dense(width, use_bias=spec.has_bias, name=name),
        "einsum": lambda: Layers.EinsumDense("abc,cd->abd", (None, width), bias_axes="d", name=name),
        "conv": lambda: Layers.Conv1D(width, 1, name=name),
        "separable": lambda: Layers.SeparableConv1D(width, 1, name=name),
        "batch_norm": lambda: Layers.BatchNormalization(name=name),
        "layer_norm": lambda: Layers.LayerNormalization(name=name),
        "lstm": lambda: Layers.LSTM(width, return_sequences=True, name=name),
        "gru": lambda: Layers.GRU(width, return_sequences=True, name=name),
        "attention": lambda: Layers.MultiHeadAttention(1, WIDTH, name=name),
        "embedding": lambda: Layers.Embedding(7, width, name=name),
        "bidirectional": lambda: Layers.Bidirectional(
            Layers.LSTM(width, return_sequences=True), merge_mode="ave", name=name
        ),
        "time_distributed": lambda: Layers.TimeDistributed(Layers.Dense(width), name=name),
        "relu": lambda: Layers.ReLU(name=name),
        "dropout": lambda: Layers.Dropout(0.1, name=name),
    }
    return made[spec.kind]()
