"""Keras models of generated specs, every variable with values of its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from generated.specs import WIDTH, Layer, width_after

Owner = tuple[int, str]
"""A variable's true identity: the layer's, and which of its variables it is."""

Kit = Any
"""The module of a family of Keras: `keras` or `tf_keras`."""


def kit_of(family: str) -> Kit:
    return importlib.import_module(family)


class Steps:
    """What is common to the subclassed models of both families: layers as attributes, in a list and in a dict."""

    route: str

    def keep(self, steps: Sequence[tuple[Layer, Any]]) -> None:
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


@cache
def nets(family: str) -> tuple[Any, Any]:
    """Return the subclassed models of a family: one that makes its variables when it is called, one before, if it can."""
    kit = kit_of(family)

    @kit.saving.register_keras_serializable("tests")
    class Net(Steps, kit.Model):  # type: ignore[misc]
        def __init__(self, steps: Sequence[tuple[Layer, Any]], name: str | None) -> None:
            super().__init__(name=name)
            self.keep(steps)

    class BuiltNet(Net):
        def build(self, shape: Any) -> None:
            for layer in self.steps():
                is_same = _is_attention(layer)
                if not layer.built:
                    layer.build(*[shape] * (2 if is_same else 1))
                shape = shape if is_same else layer.compute_output_shape(shape)

        def compute_output_shape(self, shape: Any) -> Any:
            for layer in self.steps():
                shape = shape if _is_attention(layer) else layer.compute_output_shape(shape)
            return shape

    return Net, BuiltNet if family == "keras" else Net


@dataclass(frozen=True, slots=True)
class Built:
    """A model and its layers by identity."""

    spec: Layer
    model: Any
    layers: Mapping[int, Any]
    owners: Mapping[Owner, Any] = field(default_factory=dict)
    family: str = "keras"


def applied(layer: Any, x: Any) -> Any:
    return layer(x, x) if _is_attention(layer) else layer(x)


def _is_attention(layer: Any) -> bool:
    return type(layer).__name__ == "MultiHeadAttention"


def built(spec: Layer, family: str = "keras") -> Built:
    """Build a model as its user would, give every variable random values, and tell whose each is."""
    layers: dict[int, Any] = {}
    widths: dict[int, int] = {}
    width_after(spec, WIDTH, widths)
    model = _made(spec, layers, widths, family)
    if spec.kind == "net" or not model.built:
        model(np.zeros([1, *_input_shape(spec, WIDTH)], np.float32))
    owners: dict[Owner, Any] = {}
    for each in spec.walk():
        if not each.is_container:
            owners.update(_owned(each, layers[each.uid]))
    randomize(owners.values())
    return Built(spec, model, layers, owners, family)


def compiled(made: Built, optimizer: str = "Adam") -> None:
    """Compile the model with an optimizer that has state, as after a step of training."""
    options = {"momentum": 0.9} if optimizer == "SGD" else {}
    made.model.compile(optimizer=getattr(kit_of(made.family).optimizers, optimizer)(**options), loss="mse")
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


def raw(variable: Any) -> Any:
    """Return the TensorFlow variable within a variable of Keras 3."""
    return getattr(variable, "_value", variable)


def randomize(variables: Any) -> None:
    rng = np.random.default_rng()
    for variable in variables:
        variable.assign(rng.normal(size=variable.shape).astype(np.float32))


def _owned(spec: Layer, layer: Any) -> Iterator[tuple[Owner, Any]]:
    weights = [weight for weight in layer.weights if "seed" not in getattr(weight, "path", weight.name)]
    names = [weight.name.removesuffix(":0").rpartition("/")[2] for weight in weights]
    for i, (name, weight) in enumerate(zip(names, weights, strict=True)):
        yield (spec.uid, name if names.count(name) == 1 else f"{name}@{i}"), weight


def _input_shape(spec: Layer, width: int) -> tuple[int, ...]:
    first = spec
    while first.is_container:
        first = first.members[0]
    return (3,) if first.kind == "embedding" else (3, width)


def _made(spec: Layer, layers: dict[int, Any], widths: Mapping[int, int], family: str) -> Any:
    if spec.uid not in layers:
        is_leaf = not spec.is_container
        layers[spec.uid] = _leaf(spec, kit_of(family).layers) if is_leaf else _container(spec, layers, widths, family)
        if spec.frozen:
            layers[spec.uid].trainable = False
    return layers[spec.uid]


def _container(spec: Layer, layers: dict[int, Any], widths: Mapping[int, int], family: str) -> Any:
    kit = kit_of(family)
    order = reversed(spec.distinct()) if spec.backwards else spec.distinct()
    made = {member.uid: _made(member, layers, widths, family) for member in order}
    steps = [(member, made[member.uid]) for member in spec.members]
    if spec.kind == "net":
        return nets(family)[spec.is_buildable](steps, spec.name)
    inputs = kit.layers.Input(_input_shape(spec, widths[spec.uid]))
    if spec.kind == "sequential":
        return kit.Sequential([*([inputs] if spec.builds else []), *(layer for _, layer in steps)], name=spec.name)
    return kit.Model(inputs, _joined(spec, inputs, [layer for _, layer in steps], kit), name=spec.name)


def _joined(spec: Layer, x: Any, layers: Sequence[Any], kit: Kit) -> Any:
    """Return the output of layers one behind the other, or the sum of those of branches."""
    if spec.parallel:
        ends = [applied(layer, x) for layer in layers]
        return kit.layers.Add()(ends) if len(ends) > 1 else ends[0]
    for layer in layers:
        x = applied(layer, x)
    return x


def _leaf(spec: Layer, known: Any) -> Any:
    width, name = spec.width, spec.name
    made: dict[str, Any] = {
        "dense": lambda: known.Dense(width, use_bias=spec.has_bias, name=name),
        "einsum": lambda: known.EinsumDense("...c,cd->...d", width, bias_axes="d", name=name),
        "conv": lambda: known.Conv1D(width, 1, name=name),
        "separable": lambda: known.SeparableConv1D(width, 1, name=name),
        "batch_norm": lambda: known.BatchNormalization(name=name),
        "layer_norm": lambda: known.LayerNormalization(name=name),
        "lstm": lambda: known.LSTM(width, return_sequences=True, name=name),
        "gru": lambda: known.GRU(width, return_sequences=True, name=name),
        "attention": lambda: known.MultiHeadAttention(1, WIDTH, name=name),
        "embedding": lambda: known.Embedding(7, width, name=name),
        "bidirectional": lambda: known.Bidirectional(
            known.LSTM(width, return_sequences=True), merge_mode="ave", name=name
        ),
        "time_distributed": lambda: known.TimeDistributed(known.Dense(width), name=name),
        "relu": lambda: known.ReLU(name=name),
        "dropout": lambda: known.Dropout(0.1, name=name),
    }
    return made[spec.kind]()
