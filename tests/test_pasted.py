"""The rename that an error advises, pasted: it works in one go, on real files, and every value goes where it belongs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from families import FAMILIES
from models import Layers, assert_weights_same, randomized, saved, stack

import partial_restore as pr

KERAS = tuple(int(part) for part in keras.__version__.split(".")[:2])
NAMING = pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")

Parts = Mapping[str, Any]
"""What is to be compared, a layer or a variable, by what it is in the model before and after."""


def spectral(count: int) -> tuple[Any, Parts]:
    """Layers that hold variables of their own, and a layer."""
    layers = [Layers.SpectralNormalization(Layers.Conv2D(3, 3, padding="same")) for _ in range(count)]
    return randomized(keras.Sequential([Layers.Input([8, 8, 3]), *layers])), dict(enumerate_names(layers))


def normalized(_: int) -> tuple[Any, Parts]:
    """A layer of which Keras calls the variables otherwise than their attributes."""
    layers = [Layers.Normalization(), Layers.Dense(2)]
    layers[0].adapt(np.random.default_rng().normal(size=[9, 3]).astype(np.float32))
    model = keras.Sequential([Layers.Input([3]), *layers])
    layers[1].kernel.assign(np.random.default_rng().normal(size=[3, 2]))
    return model, {"mean": layers[0].adapt_mean, "variance": layers[0].adapt_variance, "dense": layers[1]}


class Patch(keras.layers.Layer):  # type: ignore[misc]
    """A layer with a variable of its own beside a layer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.proj = Layers.Dense(4)

    def build(self, shape: Any) -> None:
        self.token = self.add_weight(shape=[4], name="token")
        self.proj.build(shape)

    def call(self, x: Any) -> Any:
        return self.proj(x) + self.token


def patched(count: int) -> tuple[Any, Parts]:
    patch, dense = Patch(), [Layers.Dense(4) for _ in range(count)]
    model = randomized(keras.Sequential([Layers.Input([4]), patch, *dense]))
    return model, {"proj": patch.proj, "token": patch.token, **enumerate_names(dense)}


class Nested(tf.Module):  # type: ignore[misc]
    """Lists in lists and dicts."""

    def __init__(self, count: int, *, is_deep: bool) -> None:
        super().__init__()
        rng = np.random.default_rng()

        def variable(*shape: int) -> Any:
            return tf.Variable(rng.normal(size=shape).astype(np.float32))

        self.layers = [[variable(4, 4), variable(4)] if is_deep else variable(4) for _ in range(count)]
        nest = [variable(2, 2), {"y": variable(2, 2)}]
        self.nest = {"x": nest} if is_deep else nest


def nested(count: int, *, is_deep: bool = False) -> tuple[Any, Parts]:
    module = Nested(count, is_deep=is_deep)
    nest = module.nest["x"] if is_deep else module.nest
    layers = {
        f"{i} {j}": each for i, pair in enumerate(module.layers) for j, each in enumerate(pair if is_deep else [pair])
    }
    return module, {"nest": nest[0], "nest y": nest[1]["y"], **layers}


def deep(count: int) -> tuple[Any, Parts]:
    return nested(count, is_deep=True)


def headed(classes: int) -> tuple[Any, Parts]:
    body = [Layers.Dense(4), Layers.Dense(4)]
    return randomized(keras.Sequential([Layers.Input([4]), *body, Layers.Dense(classes)])), dict(enumerate_names(body))


def towers(_: int) -> tuple[Any, Parts]:
    """Two models of one architecture, whose layers are called alike: an export tells them by their places only."""

    def tower(name: str) -> Any:
        x = Layers.Input([4])
        return keras.Model(x, Layers.Dense(4, name="fc2")(Layers.Dense(4, name="fc1")(x)), name=name)

    q, d, x, y = tower("q"), tower("d"), Layers.Input([4]), Layers.Input([4])
    model = keras.Model([x, y], Layers.Dense(2, name="sim")(Layers.Concatenate()([q(x), d(y)])))
    parts = {f"{each.name} {name}": each.get_layer(name) for each in (q, d) for name in ("fc1", "fc2")}
    return randomized(model), {**parts, "sim": model.get_layer("sim")}


class Block(keras.layers.Layer):  # type: ignore[misc]
    """Two layers with numbers for names."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.norm = Layers.Dense(4), Layers.LayerNormalization()

    def call(self, x: Any) -> Any:
        return self.norm(self.dense(x))


class Transformer(keras.Model):  # type: ignore[misc]
    """Its attributes are met in another order than its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Block(), Block()]
        self.norm, self.head = Layers.LayerNormalization(), Layers.Dense(4)

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def transformer(_: int) -> tuple[Any, Parts]:
    model = Transformer()
    model(np.zeros([1, 4], np.float32))
    parts = {f"{i} {name}": getattr(block, name) for i, block in enumerate(model.blocks) for name in ("dense", "norm")}
    return randomized(model), {**parts, "norm": model.norm, "head": model.head}


class Attention(keras.layers.Layer):  # type: ignore[misc]
    """Three layers with numbers for names, and attributes that tell them apart, not in the order of the alphabet."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.query, self.key, self.feed = Layers.Dense(4), Layers.Dense(4), Layers.Dense(4)

    def build(self, shape: Any) -> None:
        for each in (self.query, self.key, self.feed):
            each.build(shape)

    def call(self, x: Any) -> Any:
        return self.feed(self.query(x) + self.key(x))


class Encoder(keras.Model):  # type: ignore[misc]
    """Blocks in a list."""

    def __init__(self, blocks: list[Any]) -> None:
        super().__init__()
        self.blocks = blocks

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


def encoder(count: int, *, is_named: bool = False) -> tuple[Any, Parts]:
    """Blocks in a list, of which those before the last ones are gone if there are less; in reverse if the count is negative."""
    numbers = [0, *range(5 - abs(count), 4)][:: 1 if count > 0 else -1]
    blocks = {i: Attention(name=f"att_{i}" if is_named else None) for i in numbers}
    model = Encoder([*blocks.values()])
    model(np.zeros([1, 4], np.float32))
    places = blocks if is_named else range(count)
    parts = zip(places, blocks.values(), strict=True)
    return randomized(model), {f"{i} {a}": getattr(each, a) for i, each in parts for a in ("query", "key", "feed")}


def named_encoder(count: int) -> tuple[Any, Parts]:
    return encoder(count, is_named=True)


def normalized_blocks(count: int) -> tuple[Any, Parts]:
    """Blocks in a list, of which each has a normalization, whose variables a file knows by their places alone."""
    model = Encoder([Block() for _ in range(count)])
    model(np.zeros([1, 4], np.float32))
    parts = {f"{i} {a}": getattr(each, a) for i, each in enumerate(model.blocks) for a in ("dense", "norm")}
    return randomized(model), parts


INNER = ("stem body inner", "stem body", "stem inner", "stem new inner")
"""What stands before the head of models without names, one of them with a model within."""


def around_inner(number: int) -> tuple[Any, Parts]:
    """Layers without names around an inner model that has such ones as well."""
    first, second, x = Layers.Dense(4), Layers.Dense(4), Layers.Input([4])
    inner, parts = keras.Model(x, second(first(x))), {}
    outputs = inputs = Layers.Input([4])
    for name in INNER[number].split():
        layer = inner if name == "inner" else Layers.Dense(4)
        parts |= {"first": first, "second": second} if name == "inner" else {name: layer}
        outputs = layer(outputs)
    head = Layers.Dense(3)
    return randomized(keras.Model(inputs, head(outputs))), {**parts, "head": head}


def renamed_inner(number: int) -> tuple[Any, Parts]:
    """A model in which a layer is called as one beside it: that model has another name, and what is in it lies one model deeper or not."""
    dense, norm, top = (
        Layers.Dense(4, name="d"),
        Layers.LayerNormalization(name="norm"),
        Layers.LayerNormalization(name="norm"),
    )
    within = keras.Sequential([Layers.Input([4]), norm], name="q") if number // 2 else norm
    inner = keras.Sequential([Layers.Input([4]), dense, within], name=("base", "encoder")[number % 2])
    return randomized(keras.Sequential([Layers.Input([4]), inner, top])), {"dense": dense, "norm": norm, "top": top}


def subset(folder: Path, model: Any) -> str:
    return str(pr.save_subset(model, folder / "subset"))


def enumerate_names(layers: list[Any]) -> dict[str, Any]:
    return {str(i): layer for i, layer in enumerate(layers)}


def exported(folder: Path, model: Any) -> str:
    model.export(str(folder / "exported"))
    return str(folder / "exported")


def weights_h5(folder: Path, model: Any) -> str:
    model.save_weights(folder / "model.weights.h5")
    return str(folder / "model.weights.h5")


def keras_file(folder: Path, model: Any) -> str:
    model.save(folder / "model.keras")
    return str(folder / "model.keras")


PASTED: dict[str, tuple[Callable[[int], tuple[Any, Parts]], tuple[int, int], Callable[[Path, Any], str]]] = {
    "a rule for a part comes before the one for the whole": (spectral, (2, 3), saved),
    "variables that are called otherwise": (normalized, (0, 0), exported),
    "a rule for a part leaves the whole as it was": (patched, (2, 3), saved),
    "members of a list are not called all alike": (nested, (2, 3), saved),
    "what was decided beside them stays decided": (deep, (2, 3), saved),
    "another head, in HDF5": (headed, (3, 5), weights_h5),
    "another head, in an archive": (headed, (3, 5), keras_file),
    "another head, in a checkpoint": (headed, (3, 5), saved),
    "two towers, exported": (towers, (0, 0), exported),
    "blocks in a list keep their attributes": (encoder, (4, 3), subset),
    "names of blocks in a list count": (named_encoder, (4, -4), subset),
    "a subclassed model, exported": (transformer, (0, 0), exported),
    "one more block with a normalization": (normalized_blocks, (2, 3), weights_h5),
    "layers around an inner model that is gone": (around_inner, (0, 1), saved),
    "a layer around an inner model that is gone": (around_inner, (0, 2), saved),
    "a new layer around an inner model": (around_inner, (2, 3), saved),
    "a new layer around an inner model, in HDF5": (around_inner, (2, 3), weights_h5),
    "a model by another name, beside a layer as in it": (renamed_inner, (0, 1), saved),
    "a model by another name, beside a layer as in it, in an archive": (renamed_inner, (0, 1), keras_file),
    "a model by another name, beside a layer as deeper in it": (renamed_inner, (2, 3), saved),
    "a model by another name, beside a layer as deeper in it, in an archive": (renamed_inner, (2, 3), keras_file),
}


@pytest.mark.parametrize(("build", "counts", "save"), PASTED.values(), ids=PASTED.keys())
def test_advised_rename_works_when_pasted(
    build: Callable[[int], tuple[Any, Parts]],
    counts: tuple[int, int],
    save: Callable[[Path, Any], str],
    tmp_path: Path,
) -> None:
    (source, old), (target, new) = map(build, counts)
    path = save(tmp_path, source)
    with pytest.raises(pr.RefusedError) as caught:
        pr.restore_subset(target, path)
    pasted = re.search(r"rename=(\{.*\})", str(caught.value))
    assert pasted is not None
    assert caught.value.rename == eval(pasted[1])  # noqa: S307
    pr.restore_subset(target, path, rename=caught.value.rename, on_mismatch="initialize")
    for name in old.keys() & new.keys():
        for ours, theirs in zip(values(new[name]), values(old[name]), strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def values(part: Any) -> list[Any]:
    return [weight.numpy() for weight in getattr(part, "weights", [part])]


def test_nothing_is_advised_where_places_tell_nothing(tmp_path: Path) -> None:
    """Of the export of two towers one is left: which of them it was is not to be seen."""
    source, _ = towers(0)
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(source.get_layer("d"), exported(tmp_path, source))
    assert caught.value.rename is None
    assert "rename={" not in str(caught.value)


@pytest.mark.parametrize("other", ["ema", "zema"])
def test_the_model_is_advised_rather_than_an_equal_part_beside_it(other: str, tmp_path: Path) -> None:
    model, average, target = (randomized(stack(["a", "b"])) for _ in range(3))
    path = saved(tmp_path, **{"model": model, other: average})
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    pr.restore_subset(target, path, rename=caught.value.rename)
    assert_weights_same(target, model)


def trained(optimizer: Any, *, frozen: bool = False) -> Any:
    """Three layers without names in attributes, and an optimizer with state."""
    model = Attention()
    built = keras.Sequential([Layers.Input([4]), model])
    model.key.trainable = not frozen
    built.compile(optimizer, "mse")
    built.fit(np.ones([4, 4]), np.zeros([4, 4]), verbose=0)
    return built


@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"centered": True}, {"momentum": 0.9, "centered": True}])
def test_advised_state_comes_in_the_order_of_the_optimizer(options: Mapping[str, Any], tmp_path: Path) -> None:
    """RMSprop keeps all velocities, then all momentums: a file that numbers them does not tell what they are."""
    source, target = (trained(keras.optimizers.RMSprop(**options)) for _ in range(2))
    path = weights_h5(tmp_path, source)
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path, optimizer=True)
    assert caught.value.rename
    pr.restore_subset(target, path, optimizer=True, rename=caught.value.rename)
    for ours, theirs in zip(target.optimizer.variables, source.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=theirs.path)


def test_no_state_is_advised_of_fewer_variables(tmp_path: Path) -> None:
    """Of the state of three layers, one of which is frozen now, the order does not tell whose is gone."""
    path = weights_h5(tmp_path, trained(keras.optimizers.RMSprop(momentum=0.9)))
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(trained(keras.optimizers.RMSprop(momentum=0.9), frozen=True), path, optimizer=True)
    assert caught.value.rename is None


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_advised_state_stays_with_the_variable_that_it_is_called_after(tmp_path: Path) -> None:
    """An optimizer of Keras 2 whose state was made outside of training calls it without its own name: ``a/kernel/m``."""
    kit = FAMILIES["tf_keras"]
    source, target = (
        kit.Sequential([kit.layers.InputLayer([4]), *(kit.layers.Dense(4, name=name) for name in "abc")])
        for _ in range(2)
    )
    for model in (source, target):
        model.compile(kit.optimizers.legacy.Adam(amsgrad=True), "mse")
        model.optimizer._create_all_weights(model.trainable_weights)
    for i, state in enumerate(source.optimizer.variables()):
        state.assign(tf.fill(state.shape, tf.cast(i + 1, state.dtype)))
    source.save(tmp_path / "model.h5")
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, tmp_path / "model.h5", optimizer=True)
    pr.restore_subset(target, tmp_path / "model.h5", optimizer=True, rename=caught.value.rename)
    for ours, theirs in zip(target.optimizer.variables(), source.optimizer.variables(), strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.name)


class Stack(keras.Model):  # type: ignore[misc]
    """Layers with names in a list."""

    def __init__(self, names: str) -> None:
        super().__init__()
        self.all = [Layers.Dense(4, name=name) for name in names]

    def get_config(self) -> dict[str, Any]:
        return {}

    def call(self, x: Any) -> Any:
        for layer in self.all:
            x = layer(x)
        return x


@NAMING
@pytest.mark.parametrize("form", ["model.keras", "model.weights.h5"])
@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop"])
def test_advised_state_follows_layers_that_traded_places(kind: str, form: str, tmp_path: Path) -> None:
    """The order of state is that of the layers in the file, which tells it of those that it counts."""
    source, target = Stack("abc"), Stack("cab")
    states = []
    for model in (source, target):
        model(np.ones([1, 4], np.float32))
        optimizer = getattr(keras.optimizers, kind)(**({} if kind == "Adam" else {"momentum": 0.9}))
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, "mse")
        states.append({"_".join(each.path.rsplit("_", 3)[-3:]): each for each in optimizer.variables[2:]})
    for i, state in enumerate(states[0].values()):
        state.assign(np.full(state.shape, i + 1))
    (source.save if form == "model.keras" else source.save_weights)(tmp_path / form)
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, tmp_path / form, optimizer=True)
    pr.restore_subset(target, tmp_path / form, optimizer=True, rename=caught.value.rename)
    for name, state in states[0].items():
        np.testing.assert_array_equal(states[1][name], state, err_msg=name)
