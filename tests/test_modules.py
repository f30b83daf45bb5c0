"""Models that are no Keras model: Sonnet's modules, layers alone, and what holds models of either family of Keras."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import families
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf
from families import ARCHITECTURES, FAMILIES, Array, named

import partial_restore as pr

Values = dict[str, Array]


class Net(snt.Module):
    """What Sonnet has: convolution, averages that move, an MLP, a list, a core; and a head that may have a name."""

    def __init__(self, *, blocks: int = 2, classes: int = 2, head: str = "head") -> None:
        super().__init__(name="net")
        self.conv = snt.Conv2D(2, 2)
        self.norm = snt.BatchNorm(create_scale=True, create_offset=True)
        self.mlp = snt.nets.MLP([3, 3])
        self.blocks = [snt.Linear(3) for _ in range(blocks)]
        self.core = snt.LSTM(3)
        setattr(self, head, snt.Linear(classes))
        self._head = head

    def __call__(self, image: Any, *, is_training: bool) -> Any:
        x = tf.reduce_mean(self.norm(self.conv(image), is_training=is_training), [1, 2])
        x = self.mlp(x)
        for block in self.blocks:
            x = block(x)
        x, _ = self.core(x, self.core.initial_state(x.shape[0]))
        return getattr(self, self._head)(x)


def built(module: Any) -> Any:
    module(tf.ones([1, 4, 4, 2]), is_training=True)
    return randomized(module)


def randomized(module: Any) -> Any:
    rng = np.random.default_rng()
    for variable in module.variables:
        variable.assign(tf.cast(rng.uniform(1, 9, size=variable.shape), variable.dtype))
    return module


def values(module: Any) -> Values:
    """What a module holds, by the attributes that lead there."""
    return {"/".join(map(str, path)): variable.numpy() for path, variable in _leaves(module)}


def _leaves(module: Any) -> Sequence[Any]:
    return [
        (path, leaf)
        for path, leaf in module._flatten(with_path=True, predicate=lambda leaf: isinstance(leaf, tf.Variable))
    ]


def saved(module: Any, folder: Path, **parts: Any) -> str:
    return str(tf.train.Checkpoint(module=module, **parts).write(str(folder / "ckpt")))


def assert_equal(ours: Values, theirs: Values) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_module_of_sonnet_takes_its_own_checkpoint(tmp_path: Path) -> None:
    source, module = built(Net()), built(Net())

    report = pr.restore_subset(module, saved(source, tmp_path), strict=True)

    assert not report.initialized
    assert len(report.loaded) == len(module.variables)
    assert_equal(values(module), values(source))


def test_a_module_of_sonnet_beside_an_optimizer(tmp_path: Path) -> None:
    source, module = built(Net()), built(Net())
    optimizer = snt.optimizers.Adam(0.1)
    optimizer.apply([tf.ones_like(each) for each in source.trainable_variables], source.trainable_variables)

    pr.restore_subset(module, saved(source, tmp_path, optimizer=optimizer), strict=True)

    assert_equal(values(module), values(source))


@pytest.mark.parametrize(("trained", "now"), [(["dec"], ["enc"]), (["enc", "dec"], ["mid", "dec"])], ids=str)
def test_state_of_an_optimizer_of_sonnet_is_not_taken_for_that_of_another_layer(
    trained: list[str], now: list[str], tmp_path: Path
) -> None:
    """It is kept in lists by the places of what was trained; the full names tell whose it is."""

    def made(names: list[str]) -> Any:
        layers = {name: linear(name) for name in ("enc", "mid", "dec")}
        optimizer = snt.optimizers.Adam(0.1)
        weights = [layers[name].w for name in names]
        optimizer.apply([tf.random.normal([2, 2]) for _ in weights], weights)
        return tf.train.Checkpoint(o=optimizer, **layers)

    old, new, again = made(trained), made(now), made(trained)
    path = old.write(str(tmp_path / "ckpt"))
    kept = [each.numpy() for each in new.o.m]
    with pytest.raises(pr.AmbiguousError, match="o/m/0"):
        pr.restore_subset(new, path)
    for each, value in zip(new.o.m, kept, strict=True):
        np.testing.assert_array_equal(each.numpy(), value)
    pr.restore_subset(again, path, strict=False)
    for each, state in zip(again.o.m, old.o.m, strict=True):
        np.testing.assert_array_equal(each.numpy(), state.numpy())


def test_lists_of_variables_in_modules_of_other_names_keep_their_places(tmp_path: Path) -> None:
    """What all of a list are called alike is the module, not a layer."""

    class Net(tf.Module):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            with self.name_scope:
                self.parts = [tf.Variable(tf.random.normal([2]), name="w") for _ in range(2)]

    old, new = Net("teacher"), Net("student")
    pr.restore_subset(new, saved(old, tmp_path))
    for mine, yours in zip(new.parts, old.parts, strict=True):
        np.testing.assert_array_equal(mine.numpy(), yours.numpy())


def test_a_module_of_sonnet_with_another_head(tmp_path: Path) -> None:
    source, module = built(Net()), built(Net(classes=5, head="scores"))
    kept = {name: value for name, value in values(module).items() if name.startswith("scores")}

    report = pr.restore_subset(module, saved(source, tmp_path))

    assert {each.name for each in report.initialized} == {"scores/w", "scores/b"}
    assert {each.name.rpartition("/")[2] for each in report.skipped if "head" in each.name} == {"w", "b"}
    theirs = {name: value for name, value in values(source).items() if not name.startswith("head")}
    assert_equal(values(module), theirs | kept)


@pytest.mark.parametrize("saved_as", ["model", "root", "two"])
def test_a_module_with_another_head_beside_what_a_checkpoint_counts(saved_as: str, tmp_path: Path) -> None:
    class Net(tf.Module):
        def __init__(self, head: str) -> None:
            super().__init__()
            self.trunk, self.neck = snt.nets.MLP([3, 3]), snt.Linear(3)
            setattr(self, head, snt.Linear(2))
            for layer in (self.trunk, self.neck, getattr(self, head)):
                layer(tf.ones([1, 3]))

    source, target = randomized(Net("pi")), randomized(Net("v"))
    other = tf.Module()
    other.step = tf.Variable(0)  # type: ignore[attr-defined]
    parts = {"model": {"model": source}, "root": {"root": source}, "two": {"net": source, "other": other}}[saved_as]
    path = tf.train.Checkpoint(**parts).save(str(tmp_path / "ckpt"))
    head = values(target)["v/w"]
    report = pr.restore_subset(target, path)
    assert {each.name for each in report.initialized} == {"v/w", "v/b"}
    assert {k: v.tolist() for k, v in values(target).items() if k[0] != "v"} == {
        k: v.tolist() for k, v in values(source).items() if k[:2] != "pi"
    }
    np.testing.assert_array_equal(values(target)["v/w"], head)


def test_a_module_of_sonnet_with_another_number_of_blocks(tmp_path: Path) -> None:
    """A place in a list tells nobody which of the blocks it was."""
    source, module = built(Net()), built(Net(blocks=3))
    path = saved(source, tmp_path)
    before = values(module)

    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(module, path)
    assert {name.partition("/")[0] for name in caught.value.names} == {"blocks"}
    assert_equal(values(module), before)

    pr.restore_subset(module, path, exclude="blocks")
    blocks = {name: value for name, value in before.items() if name.startswith("blocks")}
    theirs = {name: value for name, value in values(source).items() if not name.startswith("blocks")}
    assert_equal(values(module), theirs | blocks)


def test_a_part_of_a_module_of_sonnet(tmp_path: Path) -> None:
    source, module = built(Net()), built(Net())
    before = values(module)

    pr.restore_subset(module, saved(source, tmp_path), include=module.mlp)

    mlp = {name: value for name, value in values(source).items() if name.startswith("mlp")}
    assert_equal(values(module), before | mlp)


Make = Callable[[Any], Any]
LAYERS: dict[str, tuple[Make, list[int]]] = {
    "dense": (lambda k: k.layers.Dense(3, name="alone"), [2, 4]),
    "norm": (lambda k: k.layers.BatchNormalization(name="alone"), [2, 4]),
    "lstm": (lambda k: k.layers.LSTM(3, name="alone"), [2, 2, 4]),
    "bidirectional": (lambda k: k.layers.Bidirectional(k.layers.GRU(3, name="inner"), name="alone"), [2, 2, 4]),
    "depthwise": (lambda k: k.layers.DepthwiseConv2D(2, name="alone"), [2, 4, 4, 2]),
    "sequential": (lambda k: k.Sequential([k.layers.Dense(3, name="a"), k.layers.Dense(3, name="b")]), [2, 3]),
    "unnamed": (lambda k: k.Sequential([k.layers.Dense(3), k.layers.Dense(3)]), [2, 3]),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("other", FAMILIES)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_a_model(layer: str, other: str, family: str, tmp_path: Path) -> None:
    make, shape = LAYERS[layer]
    source, target = make(FAMILIES[other]), make(FAMILIES[family])
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for each in (source, target):
        each(image)
        families.randomized(each)

    report = pr.restore_subset(target, saved(source, tmp_path), strict=True)

    assert len(report.loaded) == len(families.weights(target))
    assert sorted(families.contents(target)) == sorted(families.contents(source))
    np.testing.assert_allclose(target(image), source(image), rtol=1e-5, atol=1e-6)


class Holder(tf.Module):
    """A module that holds a model of Keras and a variable of its own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.scale = tf.Variable(np.random.default_rng().normal(size=[3]).astype(np.float32))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("other", FAMILIES)
@pytest.mark.parametrize("architecture", ["cnn", "nested", "bidirectional"])
def test_a_module_may_hold_a_model_of_either_family(architecture: str, other: str, family: str, tmp_path: Path) -> None:
    build = ARCHITECTURES[architecture].built
    source, target = Holder(build(FAMILIES[other], named)), Holder(build(FAMILIES[family], named))

    report = pr.restore_subset(target, saved(source, tmp_path), strict=True)

    assert len(report.loaded) == len(families.weights(target.model)) + 1
    assert sorted(families.contents(target.model)) == sorted(families.contents(source.model))
    np.testing.assert_array_equal(target.scale, source.scale)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("other", FAMILIES)
def test_a_model_in_memory_is_a_checkpoint_for_the_other_family(other: str, family: str) -> None:
    architecture = ARCHITECTURES["nested"]
    source, target = architecture.built(FAMILIES[other], named), architecture.built(FAMILIES[family], named)

    pr.restore_subset(target, source, strict=True)

    assert sorted(families.contents(target)) == sorted(families.contents(source))


ONE_FAMILY = """
import sys
import numpy as np
import {family} as k
import tensorflow as tf
import partial_restore as pr

layers = [k.layers.Input([2]), k.layers.Dense(2, name="a"), k.layers.Dense(1, name="b")]
model = k.Sequential(layers)
model.save_weights(r"{folder}/model.weights.h5")
model.save(r"{folder}/model.keras")
model.save(r"{folder}/model.h5")
tf.train.Checkpoint(model=model).write(r"{folder}/ckpt")
before = "{other}" in sys.modules
for name in ("model.weights.h5", "model.keras", "model.h5", "ckpt"):
    print(pr.restore_subset(model, r"{folder}/" + name, strict=True))
pr.restore_subset(model, r"{folder}/ckpt", include="a", initialize="rerun")
pr.restore_subset(model, r"{folder}/ckpt", include=model.layers[-1], initialize={{"a": "zeros"}})
pr.save_subset(model, r"{folder}/part", include="a")
pr.restore_subset(model, model)
assert ("{other}" in sys.modules) == before, "a verb imported {other}"
"""

CALLBACK = """
model.compile("sgd", "mse")
restore = pr.RestoreSubset(r"{folder}/ckpt")
model.fit(np.ones([2, 2]), np.ones([2, 1]), verbose=0, callbacks=[restore])
assert len(restore.report.loaded) == 4
assert ("{other}" in sys.modules) == before, "the callback imported {other}"
"""


@pytest.mark.parametrize(
    ("family", "other", "code"),
    [
        ("keras", "tf_keras", ONE_FAMILY + CALLBACK),
        ("tf_keras", "keras", ONE_FAMILY),
        ("tf_keras", "keras", ONE_FAMILY + CALLBACK),
    ],
    ids=["keras", "tf_keras", "tf_keras-callback"],
)
def test_who_uses_one_family_never_gets_the_other(family: str, other: str, code: str, tmp_path: Path) -> None:
    code = code.format(family=family, other=other, folder=tmp_path)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr[-500:]


class Scoped(tf.Module):
    """A block that has the variable ``w`` in its own name scope."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        with self.name_scope:
            self.w = tf.Variable(tf.zeros([2]), name="w")


class Listed(tf.Module):
    """Blocks with names, in a list of which the places tell nothing."""

    def __init__(self, block: Callable[[str], Any], names: str) -> None:
        super().__init__()
        self.blocks = [block(name) for name in names]


def held(listed: Listed) -> list[list[Array]]:
    return [[variable.numpy() for variable in block.variables] for block in listed.blocks]


def linear(name: str) -> Any:
    module = snt.Linear(2, name=name)
    module(tf.ones([1, 2]))
    return module


def dense(family: str) -> Callable[[str | None], Any]:
    def block(name: str | None) -> Any:
        layer = FAMILIES[family].layers.Dense(2, name=name)
        layer(np.ones([1, 2], np.float32))
        return layer

    return block


BLOCKS = {"scoped": Scoped, "sonnet": linear, **{family: dense(family) for family in FAMILIES}}


def check_by_name(block: Callable[[str], Any], names: str, folder: Path) -> None:
    """Hold every block that has one of the names of a checkpoint against that, and all others against what they were."""
    old, new = (Listed(block, each) for each in ("abc", names))
    randomized(old)
    kept = dict(zip(names, held(new), strict=True))
    pr.restore_subset(new, tf.train.Checkpoint(model=old).write(str(folder / "ckpt")))
    before = dict(zip("abc", held(old), strict=True))
    for name, values in zip(names, held(new), strict=True):
        for value, meant in zip(values, {**kept, **before}[name], strict=True):
            np.testing.assert_array_equal(value, meant)


@pytest.mark.parametrize("names", ["bcd", "acb", "ac", "axbc"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_names_of_blocks_in_a_list_count_more_than_their_places(kind: str, names: str, tmp_path: Path) -> None:
    check_by_name(BLOCKS[kind], names, tmp_path)


@pytest.mark.parametrize("kind", BLOCKS)
def test_names_that_only_some_blocks_in_a_list_have_to_themselves(kind: str, tmp_path: Path) -> None:
    """Two blocks of one name, as Sonnet calls all that get none, tell nothing of the others."""
    old, new, other = (Listed(BLOCKS[kind], each) for each in ("abcc", "bacc", "axcc"))
    randomized(old)
    path = tf.train.Checkpoint(model=old).write(str(tmp_path / "ckpt"))
    pr.restore_subset(new, path)
    for mine, at in zip(held(new), (1, 0, 2, 3), strict=True):
        np.testing.assert_array_equal(mine[0], held(old)[at][0])
    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(other, path)


def built_directly(name: str) -> Any:
    layer = FAMILIES["tf_keras"].layers.Dense(2, name=name)
    layer.build((None, 2))
    return layer


class Stack(FAMILIES["tf_keras"].layers.Layer):  # type: ignore[misc]
    """Blocks in a layer, which builds them in its own scope."""

    def __init__(self, names: str) -> None:
        super().__init__(name="stack")
        self.blocks = [FAMILIES["tf_keras"].layers.Dense(2, name=name) for name in names]

    def build(self, shape: Any) -> None:
        for block in self.blocks:
            block.build(shape)
        super().build(shape)


def stacked(names: str) -> Any:
    stack = Stack(names)
    stack(np.ones([1, 2], np.float32))
    return stack


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("model", [lambda names: Listed(built_directly, names), stacked], ids=["alone", "in a layer"])
def test_blocks_of_tf_keras_that_were_built_directly_have_names(
    model: Callable[[str], Any], is_live: bool, tmp_path: Path
) -> None:
    """TensorFlow calls all of them ``kernel``; they know better."""
    old, new, other = map(model, ("ab", "ba", "ax"))
    randomized(old)
    path = str(tmp_path / "ckpt")
    pr.save_subset(old, path)
    source = old if is_live else path
    pr.restore_subset(new, source)
    for mine, yours in zip(held(new), held(old)[::-1], strict=True):
        np.testing.assert_array_equal(mine[0], yours[0])
    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(other, source)


class Pair(tf.Module):
    """A block of two layers of one name, as those of Sonnet without a name are."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        with self.name_scope:
            self.query, self.mix = Scoped("linear"), Scoped("linear")


class Builder(FAMILIES["tf_keras"].layers.Layer):  # type: ignore[misc]
    """A block that builds its layer itself, so that the name of that is lost."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.value = FAMILIES["tf_keras"].layers.Dense(2)
        self(np.ones([1, 2], np.float32))

    def build(self, shape: Any) -> None:
        self.value.build(shape)
        super().build(shape)

    def call(self, x: Any) -> Any:
        return self.value(x)


@pytest.mark.parametrize("block", [Pair, Builder])
@pytest.mark.parametrize("names", ["bac", "axc", "cba"])
def test_a_block_whose_layers_share_a_name_or_lost_theirs_is_not_taken_for_another(
    names: str, block: Callable[[str], Any], tmp_path: Path
) -> None:
    old, new = (Listed(block, each) for each in ("abc", names))
    randomized(old)
    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(new, tf.train.Checkpoint(model=old).write(str(tmp_path / "ckpt")))


@pytest.mark.parametrize("block", [Pair, Builder])
@pytest.mark.parametrize("names", ["ac", "axbc"])
def test_a_block_whose_layers_share_a_name_or_lost_theirs_is_found(
    names: str, block: Callable[[str], Any], tmp_path: Path
) -> None:
    check_by_name(block, names, tmp_path)


@pytest.mark.parametrize("is_saved_by_name", [False, True])
@pytest.mark.parametrize("block", [Scoped, Pair])
@pytest.mark.parametrize(("before", "after"), [("abc", "acc"), ("acc", "abc"), ("aabb", "bbaa"), ("acc", "ccb")])
def test_blocks_that_share_a_name_are_not_taken_for_others_by_their_places(
    before: str, after: str, block: Callable[[str], Any], is_saved_by_name: bool, tmp_path: Path
) -> None:
    old, new = (Listed(block, each) for each in (before, after))
    randomized(old)
    path = str(tmp_path / "ckpt")
    saved = pr.save_subset(old, path) if is_saved_by_name else tf.train.Checkpoint(model=old).write(path)
    for source in (saved, old):
        with pytest.raises(pr.AmbiguousError):
            pr.restore_subset(new, source)


@pytest.mark.parametrize("is_saved_by_name", [False, True])
@pytest.mark.parametrize("block", [Scoped, Pair])
def test_blocks_that_share_a_name_at_the_same_places_are_the_same(
    block: Callable[[str], Any], is_saved_by_name: bool, tmp_path: Path
) -> None:
    old, new = (Listed(block, "abcc") for _ in range(2))
    randomized(old)
    path = str(tmp_path / "ckpt")
    saved = pr.save_subset(old, path) if is_saved_by_name else tf.train.Checkpoint(model=old).write(path)
    pr.restore_subset(new, saved)
    for mine, yours in zip(new.variables, old.variables, strict=True):
        np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_of_blocks_in_a_list_leave_the_places_as_they_are(family: str, tmp_path: Path) -> None:
    """A layer beside the list takes part in the count by which Keras calls the blocks, and in nothing else."""
    old, new = (Listed(lambda _: dense(family)(None), "abc") for _ in range(2))
    new.extra = dense(family)(None)
    randomized(old)
    report = pr.restore_subset(new, tf.train.Checkpoint(model=old).write(str(tmp_path / "ckpt")))
    for mine, yours in zip(held(new), held(old), strict=True):
        np.testing.assert_array_equal(mine[0], yours[0])
    assert {item.name for item in report.initialized} == {"extra/kernel", "extra/bias"}


def test_a_model_that_loses_the_names_of_its_blocks_does_not_give_them_its_own(tmp_path: Path) -> None:
    """Keras 3 records ``net/kernel`` for layers of a model without ``build``: no name of the only layer of a list."""

    class Net(FAMILIES["keras"].Model):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(name=name)
            self.blocks = (FAMILIES["keras"].layers.Dense(2),)

        def call(self, x: Any) -> Any:
            return self.blocks[0](x)

    old, new = Net("net"), Net("other")
    for model in (old, new):
        model(np.ones([1, 2], np.float32))
    randomized(old)
    pr.restore_subset(new, tf.train.Checkpoint(model=old).write(str(tmp_path / "ckpt")))
    for mine, yours in zip(new.variables, old.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), yours.numpy())


def listing(kind: str, names: str) -> Any:
    """What holds variables of these names in a list."""
    layer: Any = FAMILIES["tf_keras"].layers.Layer
    module: Any = snt.Module if kind == "sonnet" else tf.Module

    class Module(module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="net")
            self.bias = tf.Variable([0.5, 0.5, 0.5])
            with self.name_scope if kind != "module" else contextlib.nullcontext():
                self.params = [tf.Variable(tf.random.normal([2]), name=name) for name in names.split()]

        def set(self, values: Any) -> None:
            for variable, value in zip(self.params, values, strict=True):
                variable.assign(value)

    class Layer(layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="net")
            self.bias = self.add_weight("bias", [3])
            self.params = [self.add_weight(name, [2], initializer="normal") for name in names.split()]

        set = Module.set

    return Layer() if kind == "layer" else Module()


@pytest.mark.parametrize("names", ["query key value", "extra key query", "key extra query"])
@pytest.mark.parametrize("kind", ["module", "scoped", "sonnet", "layer"])
@pytest.mark.parametrize("form", ["checkpoint", "subset", "live"])
def test_variables_with_names_in_a_list_that_stand_elsewhere_now(
    form: str, kind: str, names: str, tmp_path: Path
) -> None:
    source, target, same = (listing(kind, each) for each in ("key value query", names, "key value query"))
    files = {"live": lambda: source, "subset": lambda: pr.save_subset(source, tmp_path / "x")}
    path = files.get(form, lambda: tf.train.Checkpoint(source).write(str(tmp_path / "ckpt")))()
    by_name = {name: value.numpy() for name, value in zip(("key", "value", "query"), source.params, strict=True)}
    values = [by_name.get(name, value.numpy()) for name, value in zip(names.split(), target.params, strict=True)]
    try:
        pr.restore_subset(target, path)
    except pr.AmbiguousError as refused:
        values = values if "extra" not in names else [variable.numpy() for variable in target.params]
        rename, left = refused.rename, [f"params/{i}" for i in range(3)]
        pr.restore_subset(target, path, **({"rename": rename} if "extra" not in names else {"exclude": left}))
    np.testing.assert_array_equal([variable.numpy() for variable in target.params], values)
    pr.restore_subset(same, path, strict=True)
    for mine, yours in zip(same.params, source.params, strict=True):
        np.testing.assert_array_equal(mine.numpy(), yours.numpy())


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("ema_dense_kernel ema_dense_1_kernel", "ema_dense_3_kernel ema_dense_4_kernel"),
        ("kernel kernel_1", "kernel_3 kernel_4"),
        ("dense/w dense_1/w", "dense_3/w dense_4/w"),
        ("net/a net/b", "gen/a gen/b"),
    ],
)
@pytest.mark.parametrize("kind", ["module", "layer"])
def test_numbers_and_scopes_in_names_of_variables_in_a_list(kind: str, before: str, now: str, tmp_path: Path) -> None:
    source, target = (listing(kind, names) for names in (before, now))
    for ckpt in (
        tf.train.Checkpoint(source).write(str(tmp_path / "c")),
        pr.save_subset(source, tmp_path / "s"),
        source,
    ):
        target.set([[0.0, 0.0]] * 2)
        pr.restore_subset(target, ckpt, strict=True)
        np.testing.assert_array_equal(target.params, source.params)


@pytest.mark.parametrize("form", ["checkpoint", "subset", "live"])
def test_names_of_variables_in_a_list_leave_those_of_modules_around_it(form: str, tmp_path: Path) -> None:
    class Block(tf.Module):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            with self.name_scope:
                self.params = [tf.Variable(tf.random.normal([2]), name=each) for each in ("key", "query")]

    class Net(tf.Module):
        def __init__(self, *names: str) -> None:
            super().__init__("net")
            with self.name_scope:
                self.first, self.second = map(Block, names)

    source, target = Net("a", "b"), Net("b", "a")
    files = {"live": lambda: source, "subset": lambda: pr.save_subset(source, tmp_path / "x")}
    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, files.get(form, lambda: tf.train.Checkpoint(source).write(str(tmp_path / "c")))())


@pytest.mark.parametrize("names", ["w_0 w_1 w_2 w_3", "w_0 w_1"])
def test_numbers_in_names_of_variables_in_a_list_are_places(names: str, tmp_path: Path) -> None:
    source, target = listing("module", "w_0 w_1 w_2"), listing("module", names)
    for ckpt in (
        tf.train.Checkpoint(source).write(str(tmp_path / "c")),
        pr.save_subset(source, tmp_path / "s"),
        source,
    ):
        before = [variable.numpy() for variable in target.params]
        with pytest.raises(pr.AmbiguousError):
            pr.restore_subset(target, ckpt)
        np.testing.assert_array_equal(target.params, before)


@pytest.mark.parametrize(
    ("before", "now"),
    [("q", "q v"), ("q k", "q k v"), ("q k", "v q k"), ("q k v", "q k"), ("q k", "q x"), ("q k", "q k v o")],
)
@pytest.mark.parametrize("form", ["checkpoint", "subset", "live"])
def test_weights_of_a_layer_that_are_called_alike_are_known_by_their_attributes(
    form: str, before: str, now: str, tmp_path: Path
) -> None:
    """tf_keras tracks the last one under the name as well."""

    class Layer(FAMILIES["tf_keras"].layers.Layer):  # type: ignore[misc]
        def __init__(self, names: str) -> None:
            super().__init__(name="net")
            for name in names.split():
                setattr(self, name, self.add_weight("w", [2], initializer="normal"))

    source, target = Layer(before), Layer(now)
    files = {"live": lambda: source, "subset": lambda: pr.save_subset(source, tmp_path / "x")}
    path = files.get(form, lambda: tf.train.Checkpoint(source).write(str(tmp_path / "ckpt")))()
    expected = {name: getattr(source if name in before else target, name).numpy() for name in now.split()}
    report = pr.restore_subset(target, path)
    assert {item.name for item in report.loaded} == {*before.split()} & {*now.split()}
    for name, value in expected.items():
        np.testing.assert_array_equal(getattr(target, name), value)


@pytest.mark.parametrize("before", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("form", ["checkpoint", "subset", "live"])
def test_a_new_weight_that_is_called_as_those_in_a_list(form: str, kind: type, before: int, tmp_path: Path) -> None:
    class Layer(FAMILIES["tf_keras"].layers.Layer):  # type: ignore[misc]
        def __init__(self, *, is_new: bool) -> None:
            super().__init__(name="net")
            self.bias = self.add_weight("bias", [2], initializer="normal")
            made = [self.add_weight("w", [2], initializer="normal") for _ in range(before)]
            self.all = made if kind is list else dict(zip("bac", made, strict=False))
            if is_new:
                self.extra = self.add_weight("w", [2], initializer="normal")

    source, target = Layer(is_new=False), Layer(is_new=True)
    extra = target.extra.numpy()
    files = {"live": lambda: source, "subset": lambda: pr.save_subset(source, tmp_path / "x")}
    path = files.get(form, lambda: tf.train.Checkpoint(source).write(str(tmp_path / "ckpt")))()
    report = pr.restore_subset(target, path)
    assert [item.name for item in report.initialized] == ["extra" if before else "w"]
    expected = [*(each.numpy() for each in source.weights), extra]
    np.testing.assert_array_equal([each.numpy() for each in target.weights], expected)


def test_a_mapping_of_variables_has_names_as_keys() -> None:
    with pytest.raises(TypeError, match=r"names as keys, not \[3\]"):
        pr.restore_subset({3: tf.Variable(0.0), "a": tf.Variable(0.0)}, {"a": 1.0})
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        a = tf.compat.v1.get_variable("a", ())
        with pytest.raises(TypeError, match=r"names as keys, not \[None\]"):
            pr.restore_subset({None: a}, {"a": 1.0}, session=session)
