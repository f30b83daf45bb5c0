"""What people do to models between a checkpoint and a restore: each story on real files, compared bit by bit."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from models import (
    Layers,
    assert_same,
    assert_weights_same,
    by_layer,
    held,
    randomized,
    saved,
    stack,
    trained,
    unchanged,
)

import partial_restore as pr

NAMING = pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 6), reason="this Keras writes no names beside weights"
)


def wrapped_in(kind: str, model: Any, folder: Path) -> str:
    """Save a model under one of the roots that people use."""
    if kind == "bare":
        return saved(folder, model)
    if kind == "model, optimizer":
        return saved(folder, model=model, optimizer=model.optimizer)
    return saved(folder, net=model, opt=model.optimizer, step=tf.Variable(7))


ROOTS = pytest.mark.parametrize("root", ["bare", "model, optimizer", "net, opt, step"])


@pytest.mark.parametrize(
    "head", ["head", ["head/kernel", "head/bias"], re.compile("^head/"), lambda name: name.startswith("head"), "object"]
)
def test_new_head_is_left_and_the_rest_is_loaded(tmp_path: Path, head: Any) -> None:
    source, target = stack(["b0", "b1"]), stack(["b0", "b1"], classes=5)
    path, kept = saved(tmp_path, source), by_layer(target)
    report = pr.restore_subset(target, path, exclude=target.get_layer("head") if head == "object" else head)
    expected = {**by_layer(source), **{name: value for name, value in kept.items() if name.startswith("head")}}
    assert_same(by_layer(target), expected)
    assert {item.name for item in report.initialized} == {"head/kernel", "head/bias"}
    assert "excluded by" in report["head/kernel"].reason


def test_new_head_without_exclude_is_one_error(tmp_path: Path) -> None:
    source, target = stack(["b0", "b1"]), stack(["b0", "b1"], classes=5)
    path = saved(tmp_path, source)
    with unchanged(target), pytest.raises(pr.MismatchError) as caught:
        pr.restore_subset(target, path)
    assert caught.value.names == ("head/kernel", "head/bias")
    assert "(4, 3)" in str(caught.value)
    assert "(4, 5)" in str(caught.value)


def test_new_head_may_be_initialized_by_policy(tmp_path: Path) -> None:
    source, target = stack(["b0", "b1"]), stack(["b0", "b1"], classes=5)
    report = pr.restore_subset(target, saved(tmp_path, source), on_mismatch="initialize")
    assert {item.name for item in report.initialized} == {"head/kernel", "head/bias"}
    assert "shape (4, 3) in the checkpoint, (4, 5) in the model" in report["head/kernel"].reason


@ROOTS
def test_freezing_a_layer_shifts_nothing(tmp_path: Path, root: str) -> None:
    source = trained(stack(["b0", "b1", "b2"]))
    target = stack(["b0", "b1", "b2"], frozen=["b0"])
    target.compile("adam", "mse")
    target.optimizer.build(target.trainable_variables)
    state = {name: value for name, value in held(target).items() if "adam" in name}
    report = pr.restore_subset(target, wrapped_in(root, source, tmp_path))
    assert_same(by_layer(target), by_layer(source))
    assert_same({name: value for name, value in held(target).items() if "adam" in name}, state)
    assert len(report.loaded) == 8
    assert "optimizer/b1/kernel/momentum" in report
    listed = [item for item in report.initialized if item.name.startswith("optimizer/")]
    assert len(listed) == len(target.optimizer.variables)


@ROOTS
def test_one_layer_of_a_trained_model_is_found_by_name(tmp_path: Path, root: str) -> None:
    source, target = trained(stack(["b0", "b1", "b2"])), stack(["b0", "b1", "b2"], frozen=["b0"])
    kept = by_layer(target)
    report = pr.restore_subset(target, wrapped_in(root, source, tmp_path), include="b1")
    expected = {**kept, **{name: value for name, value in by_layer(source).items() if name.startswith("b1/")}}
    assert_same(by_layer(target), expected)
    assert [item.name for item in report.loaded] == ["b1/kernel", "b1/bias"]


EDITS = {
    "inserted": ["b0", "new", "b1", "b2"],
    "inserted first": ["new", "b0", "b1", "b2"],
    "removed": ["b0", "b2"],
    "reordered": ["b2", "b0", "b1"],
    "renamed": ["b0", "new", "b2"],
}


@pytest.mark.parametrize("names", EDITS.values(), ids=EDITS.keys())
@pytest.mark.parametrize("is_trained", [False, True])
def test_named_layers_are_never_shifted(tmp_path: Path, names: list[str], *, is_trained: bool) -> None:
    source, target = stack(["b0", "b1", "b2"]), stack(names)
    source = trained(source) if is_trained else source
    kept = by_layer(target)
    report = pr.restore_subset(target, saved(tmp_path, source))
    assert_same(by_layer(target), {name: by_layer(source).get(name, kept[name]) for name in kept})
    assert {item.name for item in report.initialized if item.name.startswith("new")} <= {"new/kernel", "new/bias"}


def test_unnamed_layers_of_the_same_architecture_load_in_order(tmp_path: Path) -> None:
    source = stack([None, None])
    stack([None])  # Automatic names go on counting.
    target = stack([None, None])
    pr.restore_subset(target, saved(tmp_path, source))
    assert_weights_same(target, source)


@pytest.mark.parametrize("count", [1, 3])
def test_unnamed_layers_of_another_number_are_undecidable(tmp_path: Path, count: int) -> None:
    source, target = stack([None, None]), stack([None] * count)
    path = saved(tmp_path, source)
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    assert len(caught.value.names) == 2 * count
    pasted = re.search(r"rename=(\{.*\})", str(caught.value))
    assert pasted is not None
    report = pr.restore_subset(target, path, rename=eval(pasted[1]), exclude=target.layers[2:-1])  # noqa: S307
    np.testing.assert_array_equal(target.layers[0].kernel.numpy(), source.layers[0].kernel.numpy())
    assert report.loaded[0].rule is not None


@pytest.mark.parametrize("version", [1, 2])
def test_names_of_tensorflow_1_under_a_scope(tmp_path: Path, version: int) -> None:
    target = stack(["b0", "b1"])
    values = {f"tower/{name}": value + 1 for name, value in by_layer(target).items()}
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        for name, value in values.items():
            tf.compat.v1.get_variable(name, initializer=value)
        tf.compat.v1.train.get_or_create_global_step()
        session.run(tf.compat.v1.global_variables_initializer())
        path = tf.compat.v1.train.Saver(write_version=version).save(session, str(tmp_path / "model"), global_step=5)
    report = pr.restore_subset(target, path, rename={"tower/": ""})
    assert_same({f"tower/{name}": value for name, value in by_layer(target).items()}, values)
    assert report["global_step"] in report.skipped
    assert report["b0/kernel"].rule == "{'tower/': ''}"


TYPOS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "include": ({"include": "haed"}, ["include", "'haed'", "head"]),
    "one of several": ({"exclude": ["head", "b11"]}, ["exclude", "'b11'", "b1"]),
    "a regex": ({"include": re.compile("b9")}, ["'b9'"]),
    "a rename rule": ({"rename": {"b0": "b0", "b_1/": "b1"}}, ["rename", "'b_1/'", "decides for no tensor", "b1"]),
    "a rule that another one hides": ({"rename": {"b0": "b0", "b0/bias": "b0/bias"}}, ["{'b0/bias': 'b0/bias'}"]),
    "a rule that leads nowhere": ({"rename": {"b0": "haed"}}, ["leads to no variable", "head"]),
    "an initializer's pattern": ({"initialize": {"haed": "zeros"}}, ["initialize", "'haed'", "head"]),
}


@pytest.mark.parametrize(("options", "words"), TYPOS.values(), ids=TYPOS.keys())
def test_typo_is_an_error_with_the_nearest_names(tmp_path: Path, options: dict[str, Any], words: list[str]) -> None:
    target = stack(["b0", "b1"])
    path = saved(tmp_path, stack(["b0", "b1"]))
    with unchanged(target), pytest.raises(pr.UnknownNameError) as caught:
        pr.restore_subset(target, path, **options)
    for word in words:
        assert word in str(caught.value)
    if "include" not in options:
        assert pr.restore_subset(target, path, allow_unmatched=True, **options).loaded


class Net(keras.Model):
    """A subclassed model: layers in attributes, in another model, and one that is never named."""

    def __init__(self, attribute: str = "encoder", classes: int = 3, *, extra: bool = False) -> None:
        super().__init__()
        setattr(self, attribute, keras.Sequential([Layers.Dense(4), Layers.BatchNormalization(), Layers.Dense(4)]))
        self.attribute = attribute
        self.head = Layers.Dense(classes)
        if extra:
            self.extra = Layers.Dense(2, name="extra")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs: Any) -> Any:
        return self.head(getattr(self, self.attribute)(inputs)) * self.scale


def built(model: Any) -> Any:
    model(np.ones([1, 4], np.float32))
    return randomized(model)


def test_unbuilt_model_is_refused_by_the_names_of_its_layers(tmp_path: Path) -> None:
    target = Net()
    with pytest.raises(pr.UnbuiltError) as caught:
        pr.restore_subset(target, saved(tmp_path, built(Net())))
    assert target.head.name in caught.value.layers
    assert "call it once on an input" in str(caught.value)
    assert not target.variables[1:]


def test_model_with_one_unbuilt_layer_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="unbuilt state"):
        target = built(Net(extra=True))
    with unchanged(target), pytest.raises(pr.UnbuiltError, match="extra"):
        pr.restore_subset(target, saved(tmp_path, built(Net())))


@pytest.mark.parametrize("is_trained", [False, True])
def test_subclassed_model_loads_by_attributes(tmp_path: Path, *, is_trained: bool) -> None:
    source, target = built(Net()), built(Net())
    if is_trained:
        trained(source, np.ones([4, 4], np.float32), np.ones([4, 3], np.float32))
    report = pr.restore_subset(target, saved(tmp_path, source))
    assert_weights_same(target, source)
    assert "head/kernel" in report


def test_renamed_attribute_needs_a_word(tmp_path: Path) -> None:
    source, target = built(Net("encoder")), built(Net("backbone"))
    path, kept = saved(tmp_path, source), [weight.numpy() for weight in target.weights]
    report = pr.restore_subset(target, path)
    assert {item.name.partition("/")[0] for item in report.initialized} == {"backbone"}
    pr.restore_subset(target, path, rename={"encoder": "backbone"})
    assert_weights_same(target, source)
    assert all((ours.numpy() != before).any() for ours, before in zip(target.weights, kept, strict=True))


def test_backbone_loads_into_the_model_that_wraps_it(tmp_path: Path) -> None:
    backbone = stack(["b0", "b1"])
    inner = stack(["b0", "b1"])
    target = randomized(keras.Sequential([Layers.Input([4]), inner, Layers.Dense(2, name="top")]))
    report = pr.restore_subset(target, saved(tmp_path, backbone))
    assert_same(by_layer(inner), by_layer(backbone))
    assert {item.name for item in report.initialized} == {"top/kernel", "top/bias"}


KERAS = tuple(int(part) for part in keras.__version__.split(".")[:2])
NAMED = pytest.mark.skipif(KERAS < (3, 6), reason="this Keras writes no names beside weights")


def body_and_head(body: str | None, *, is_inner: bool) -> Any:
    """A body of layers without names, in a model of its own or not, and a head with one."""
    layers = [Layers.Dense(5), Layers.LayerNormalization(), Layers.Dense(5)]
    inputs = [Layers.Input([4])]
    parts = [keras.Sequential([*inputs, *layers], name=body)] if is_inner else layers
    return randomized(keras.Sequential([Layers.Input([4]), *parts, Layers.Dense(2, name="head")]))


@pytest.mark.parametrize("form", [pytest.param("x.weights.h5", marks=NAMED), "x.keras", "x.h5"])
@pytest.mark.parametrize("body", [None, "body"])
@pytest.mark.parametrize("was_inner", [False, True])
def test_a_body_without_names_that_left_its_model_is_undecidable(
    form: str, body: str | None, tmp_path: Path, *, was_inner: bool
) -> None:
    """It is not all new: else the head alone would load, and nothing be said but in the report."""
    source, target = body_and_head(body, is_inner=was_inner), body_and_head(body, is_inner=not was_inner)
    path = written(source, tmp_path / form)
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    pr.restore_subset(target, path, rename=caught.value.rename, strict=True)
    assert_same(dict(enumerate(target.get_weights())), dict(enumerate(source.get_weights())))


def backboned(names: Sequence[str], layers: Sequence[str] = ("d0", "d1")) -> Any:
    """Models of layers with names, each in the next one, below a head."""
    outputs = inputs = keras.Input([4])
    for name in names:
        within = features = keras.Input([4])
        for layer in layers:
            features = Layers.Dense(4, name=layer)(features)
        outputs = keras.Model(within, features, name=name)(outputs)
    return randomized(keras.Model(inputs, Layers.Dense(3, name="head")(outputs)))


@pytest.mark.parametrize("form", ["", pytest.param("x.weights.h5", marks=NAMED), "x.keras", "x.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_inner_model_of_another_name_is_not_new(form: str, tmp_path: Path) -> None:
    """The default name of a MobileNet tells the size of its images: of another size all of it was new, and only the head was loaded."""
    source, target = backboned(["net_32"]), backboned(["net_64"])
    path = written(source, tmp_path / form)
    rename = None
    if form:
        with (
            unchanged(target),
            pytest.raises(pr.AmbiguousError, match="the layer of its name stands elsewhere") as caught,
        ):
            pr.restore_subset(target, path)
        rename = caught.value.rename
    pr.restore_subset(target, path, rename=rename, strict=True)
    assert_weights_same(target, source)


def modular(*models: str) -> Any:
    """Models of layers with names, one after the other, below a head; a name alone is a layer."""
    outputs = inputs = keras.Input([4])
    for model in models:
        name, _, layers = model.partition(":")
        within = features = keras.Input([4])
        for layer in layers:
            features = Layers.Dense(4, name=layer)(features)
        outputs = (keras.Model(within, features, name=name) if layers else Layers.Dense(4, name=name))(outputs)
    return randomized(keras.Model(inputs, Layers.Dense(3, name="head")(outputs)))


@pytest.mark.parametrize("form", [pytest.param("x.weights.h5", marks=NAMED), "x.keras", "x.h5"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["body:ab", "neck:cd"], ["body:abcd"]),
        (["body:abcd"], ["body:ab", "neck:cd"]),
        (["body:abc", "neck:d"], ["body:ab", "neck:cd"]),
        (["body:ab", "c"], ["body:abc"]),
        (["body:abc"], ["body:ab", "c"]),
        (["body:ab"], ["trunk:abc"]),
    ],
    ids=["merged", "split", "moved", "into", "out of", "renamed, and one more"],
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_layer_that_went_into_another_model_is_not_new(
    before: Sequence[str], after: Sequence[str], form: str, tmp_path: Path
) -> None:
    source, target = modular(*before), modular(*after)
    path = written(source, tmp_path / form)
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    report = pr.restore_subset(target, path, rename=caught.value.rename)
    old, new = ({*"".join(each.rpartition(":")[2] for each in models)} for models in (before, after))
    assert {item.name.split("/")[-2] for item in report.initialized} == new - old


@pytest.mark.parametrize("form", ["x.weights.h5", "x.keras"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(backboned(["a", "b"]), backboned(["b", "c"])), (backboned(["a"]), backboned(["b"], ["e0", "e1"]))],
    ids=["beside one of like layers", "of other layers"],
)
@NAMED
def test_an_inner_model_of_another_name_is_new(before: Any, after: Any, form: str, tmp_path: Path) -> None:
    report = pr.restore_subset(after, written(before, tmp_path / form))
    new = after.layers[-2].name
    assert {item.name.partition("/")[0] for item in report.initialized} == {new}


def half_named(blocks: str, head: str, *, is_norm_named: bool) -> Any:
    """Blocks of two layers, of which one has a name."""
    inputs = outputs = keras.Input([4])
    for block in blocks:
        dense, norm = {"name": f"{block}_dense"}, {"name": f"{block}_norm"}
        outputs = Layers.Dense(4, **({} if is_norm_named else dense))(outputs)
        outputs = Layers.BatchNormalization(**(norm if is_norm_named else {}))(outputs)
    return randomized(keras.Model(inputs, Layers.Conv1D(2, 1, name=head)(outputs[:, None])))


@pytest.mark.parametrize("form", ["", pytest.param("x.weights.h5", marks=NAMED), "x.keras", "x.h5"])
@pytest.mark.parametrize("is_norm_named", [False, True])
@pytest.mark.parametrize("after", ["cba", "sab", "bcd"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layers_without_names_are_undecidable_among_named_ones_that_moved(
    after: str, form: str, tmp_path: Path, *, is_norm_named: bool
) -> None:
    source, target = (half_named(blocks, "head", is_norm_named=is_norm_named) for blocks in ("abc", after))
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, written(source, tmp_path / form))


@pytest.mark.parametrize("form", ["", pytest.param("x.weights.h5", marks=NAMED), "x.keras", "x.h5"])
@pytest.mark.parametrize("is_norm_named", [False, True])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layers_without_names_load_beside_a_new_head(form: str, tmp_path: Path, *, is_norm_named: bool) -> None:
    source, target = (half_named("abc", head, is_norm_named=is_norm_named) for head in ("head", "other"))
    report = pr.restore_subset(target, written(source, tmp_path / form))
    assert {item.name for item in report.initialized} == {"other/kernel", "other/bias"}
    assert_same(dict(enumerate(target.get_weights()[:-2])), dict(enumerate(source.get_weights()[:-2])))


def towers(kit: Any, *, is_tied: bool, order: Sequence[str] = ("student", "teacher")) -> Any:
    """Two models in attributes, whose first layer has one name, and is one layer or two."""

    class Towers(kit.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            shared = kit.layers.Dense(4, name="embed")
            for i, name in enumerate(order):
                inputs = kit.layers.Input([4])
                first = shared if is_tied or not i else kit.layers.Dense(4, name="embed")
                setattr(self, name, kit.Model(inputs, kit.layers.Dense(4, name="top")(first(inputs)), name=name))

        def call(self, inputs: Any) -> Any:
            return self.student(inputs) + self.teacher(inputs)

    model = Towers()
    model(np.ones([1, 4], np.float32))
    return model


@pytest.mark.parametrize("kit", [pytest.param(keras, marks=NAMED), tf_keras], ids=lambda kit: kit.__name__)
@pytest.mark.parametrize("form", ["x.weights.h5", "x.keras"])
def test_a_layer_that_was_tied_is_undecidable(kit: Any, form: str, tmp_path: Path) -> None:
    """Keras stores it in the model that it meets first, and the file has one in each."""
    path = written(towers(kit, is_tied=False), tmp_path / form)
    for order in (["student", "teacher"], ["teacher", "student"]):
        target = towers(kit, is_tied=True, order=order)
        with unchanged(target), pytest.raises(pr.AmbiguousError):
            pr.restore_subset(target, path)


@pytest.mark.parametrize("kit", [pytest.param(keras, marks=NAMED), tf_keras], ids=lambda kit: kit.__name__)
@pytest.mark.parametrize("form", ["x.weights.h5", "x.keras"])
def test_a_tied_layer_loads_whichever_model_was_met_first(kit: Any, form: str, tmp_path: Path) -> None:
    source = towers(kit, is_tied=True)
    target = towers(kit, is_tied=True, order=["teacher", "student"])
    pr.restore_subset(target, written(source, tmp_path / form), strict=True)
    inputs = np.ones([2, 4], np.float32)
    np.testing.assert_array_equal(target(inputs), source(inputs))


class InAttribute(Layers.Layer):  # type: ignore[misc]
    """A block with a layer in an attribute, or in a list."""

    def __init__(self, name: str, layer: str | None, *, lists: bool) -> None:
        super().__init__(name=name)
        dense = Layers.Dense(4, name=layer)
        self.within = [dense] if lists else dense

    def call(self, inputs: Any) -> Any:
        return (self.within[0] if isinstance(self.within, list) else self.within)(inputs)


def block_of(kind: str, name: str, layer: str | None) -> Any:
    if kind in ("attribute", "list"):
        return InAttribute(name, layer, lists=kind == "list")
    if kind == "sequential":
        return keras.Sequential([Layers.Input([4]), Layers.Dense(4, name=layer)], name=name)
    inputs = Layers.Input([4])
    return keras.Model(inputs, Layers.Dense(4, name=layer)(inputs), name=name)


class OfBlocks(keras.Model):  # type: ignore[misc]
    """Blocks in attributes, a dict or a list, which a person named."""

    def __init__(self, home: str, names: str, kind: str, layer: str | None) -> None:
        super().__init__()
        blocks = [block_of(kind, name, layer) for name in names]
        if home == "list":
            self.blocks = blocks
        elif home == "dict":
            self.blocks = {f"k{i}": block for i, block in enumerate(blocks)}
        else:
            for i, block in enumerate(blocks):
                setattr(self, f"{home}{i}", block)
        self.held = lambda: blocks

    def call(self, inputs: Any) -> Any:
        for block in self.held():
            inputs = block(inputs)
        return inputs

    def values(self) -> dict[str, Any]:
        """The kernels by the names of their blocks."""
        return {block.name: block.weights[0].numpy() for block in self.held()}


OF_BLOCKS = [
    pytest.mark.parametrize("form", ["live", "arrays", pytest.param("x.weights.h5", marks=NAMED)]),
    pytest.mark.parametrize("layer", ["fc", None]),
    pytest.mark.parametrize("kind", ["attribute", "list", "sequential", "functional"]),
    pytest.mark.parametrize("home", ["block", "section", "dict", "list"]),
]


def ckpt_of(model: Any, form: str, folder: Path) -> Any:
    if form == "live":
        return model
    return pr.save_subset(model, folder / "x.npz") if form == "arrays" else written(model, folder / form)


@OF_BLOCKS[0]
@OF_BLOCKS[1]
@OF_BLOCKS[2]
@OF_BLOCKS[3]
@pytest.mark.parametrize("after", ["ba", "za"])
def test_a_block_never_takes_what_a_block_of_another_name_had(
    after: str, home: str, kind: str, layer: str | None, form: str, tmp_path: Path
) -> None:
    """Its attribute says so, and the name of the block, which is in another one now, says otherwise."""
    source, target = (built(OfBlocks(home, names, kind, layer)) for names in ("ab", after))
    kept, fresh = source.values(), target.values()
    try:
        pr.restore_subset(target, ckpt_of(source, form, tmp_path))
    except (pr.AmbiguousError, pr.NothingLoadedError):
        kept = {}
    assert_same(target.values(), {name: kept.get(name, value) for name, value in fresh.items()})


@OF_BLOCKS[0]
@OF_BLOCKS[1]
@OF_BLOCKS[2]
@OF_BLOCKS[3]
def test_blocks_with_names_load_unedited(home: str, kind: str, layer: str | None, form: str, tmp_path: Path) -> None:
    source, target = (built(OfBlocks(home, "ab", kind, layer)) for _ in range(2))
    pr.restore_subset(target, ckpt_of(source, form, tmp_path), strict=True)
    assert_same(target.values(), source.values())


@pytest.mark.parametrize("home", ["block", "section"])
@pytest.mark.parametrize("form", ["live", "arrays"])
@pytest.mark.parametrize("kind", ["attribute", "list", "sequential", "functional"])
def test_a_block_of_another_name_in_its_attribute_is_the_same(home: str, kind: str, form: str, tmp_path: Path) -> None:
    source, target = (built(OfBlocks(home, names, kind, "fc")) for names in ("ab", "ac"))
    pr.restore_subset(target, ckpt_of(source, form, tmp_path), strict=True)
    assert_same({name: target.values()[name] for name in "ac"}, dict(zip("ac", source.values().values(), strict=True)))


class BuildsWithin(tf_keras.layers.Layer):  # type: ignore[misc]
    """A block that calls the ``build`` of the layer in it: the full names of variables lack that."""

    def __init__(self, name: str | None, **options: Any) -> None:
        super().__init__(**options)
        self.inner = tf_keras.layers.Dense(4, use_bias=False, name=name)

    def build(self, shape: Any) -> None:
        self.inner.build(shape)

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs)


def that_build_within(names: Sequence[str | None]) -> Any:
    inputs = outputs = tf_keras.Input([4])
    for name in names:
        outputs = BuildsWithin(name)(outputs)
    return tf_keras.Model(inputs, outputs)


@pytest.mark.parametrize("form", ["live", "arrays"])
@pytest.mark.parametrize("after", ["cba", "bcd"])
def test_layers_with_names_in_blocks_without_that_build_them(after: str, form: str, tmp_path: Path) -> None:
    source, target, same = (that_build_within(names) for names in ("abc", after, "abc"))
    ckpt = source if form == "live" else pr.save_subset(source, tmp_path / "x.npz")
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, ckpt)
    pr.restore_subset(same, ckpt, strict=True)
    np.testing.assert_array_equal(same.get_weights(), source.get_weights())


@pytest.mark.parametrize("kind", ["sequential", "functional"])
@pytest.mark.parametrize("form", ["", "live", "arrays"])
def test_a_model_beside_a_layer_that_is_called_as_the_one_in_it(kind: str, form: str, tmp_path: Path) -> None:
    class Beside(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = block_of(kind, "left", "fc"), Layers.Dense(4, name="fc")

        def call(self, inputs: Any) -> Any:
            return self.right(self.left(inputs))

    source, target = built(Beside()), built(Beside())
    pr.restore_subset(target, ckpt_of(source, form, tmp_path), strict=True)
    assert_weights_same(target, source)


RECURRENT = {
    "lstm": lambda name: tf_keras.layers.LSTM(4, return_sequences=True, name=name),
    "bidirectional": lambda name: tf_keras.layers.Bidirectional(
        tf_keras.layers.GRU(4, return_sequences=True), merge_mode="sum", name=name
    ),
    "cells": lambda name: tf_keras.layers.RNN([tf_keras.layers.GRUCell(4)], return_sequences=True, name=name),
}


class BuildsRecurrent(tf_keras.layers.Layer):  # type: ignore[misc]
    """A block that calls the ``build`` of a layer with a cell, and of another one."""

    def __init__(self, which: str, name: str | None) -> None:
        super().__init__(name="block")
        self.first, self.second = RECURRENT[which](name), tf_keras.layers.Dense(4)

    def build(self, shape: Any) -> None:
        self.first.build(shape)
        self.second.build(shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        return self.second(self.first(inputs))


@pytest.mark.parametrize("which", RECURRENT)
@pytest.mark.parametrize("name", [None, "a"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_layer_with_a_cell_that_a_block_builds_loads_from_hdf5(which: str, name: str | None, tmp_path: Path) -> None:
    inputs = tf_keras.Input([3, 4])
    source, target = (tf_keras.Model(inputs, BuildsRecurrent(which, name)(inputs)) for _ in range(2))
    source.save_weights(path := str(tmp_path / "x.h5"))
    pr.restore_subset(target, path, strict=True)
    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("which", RECURRENT)
@pytest.mark.parametrize("name", [None, "a"])
def test_a_block_that_builds_a_cell_in_a_subclassed_model_loads_from_hdf5(
    which: str, name: str | None, tmp_path: Path
) -> None:
    class Net(tf_keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.block, self.head = BuildsRecurrent(which, name), tf_keras.layers.Dense(2, name="head")

        def call(self, inputs: Any) -> Any:
            return self.head(self.block(inputs))

    source, target = Net(), Net()
    for net in (source, target):
        net(np.zeros([1, 3, 4]))
    source.save_weights(path := str(tmp_path / "x.h5"))
    pr.restore_subset(target, path, strict=True)
    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", ["live", "arrays"])
def test_layers_without_names_in_blocks_that_build_them(form: str, tmp_path: Path) -> None:
    source, target = (that_build_within([None, "a", None]) for _ in range(2))
    pr.restore_subset(target, source if form == "live" else pr.save_subset(source, tmp_path / "x.npz"), strict=True)
    np.testing.assert_array_equal(target.get_weights(), source.get_weights())


def convolutions() -> Any:
    image = features = keras.Input([9, 9, 1])
    for filters in (2, 3, 3):
        features = Layers.BatchNormalization()(Layers.Conv2D(filters, 3, padding="same")(features))
    return randomized(keras.Model(image, Layers.GlobalAveragePooling2D()(features)))


def written(model: Any, path: Path) -> str:
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    elif path.suffix:
        model.save(path)
    else:
        return saved(path, model=model)
    return str(path)


@pytest.mark.parametrize("ending", ["", ".weights.h5", ".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_old_network_without_names_loads_below_a_new_head_and_back(tmp_path: Path, ending: str) -> None:
    old, new, other = convolutions(), convolutions(), convolutions()
    whole = keras.Sequential([Layers.Input([9, 9, 1]), new, Layers.Dense(5)])
    report = pr.restore_subset(whole, written(old, tmp_path / f"old{ending}"))
    assert_weights_same(new, old)
    assert {item.name.partition("/")[2] for item in report.initialized} == {"kernel", "bias"}
    pr.restore_subset(other, written(whole, tmp_path / f"whole{ending}"))
    assert_weights_same(other, old)


@pytest.mark.parametrize(
    ("family", "ending"),
    [pytest.param(keras, ".weights.h5", marks=NAMING), (keras, ".keras"), (keras, ".h5"), (tf_keras, ".h5")],
)
@pytest.mark.parametrize("name", ["layer", None])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_part_that_is_restored_alone_is_known_by_its_name(
    tmp_path: Path, family: Any, ending: str, name: str | None
) -> None:
    def part(called: str | None) -> Any:
        inputs = family.Input((4,))
        outputs = inputs
        for i in range(2):
            outputs = family.layers.Dense(4, name=name and f"{name}{i}")(outputs)
        return family.Model(inputs, outputs, name=called)

    inputs, parts = family.Input((4,)), [part("encoder"), part("decoder"), part(None)]
    outputs = inputs
    for each in parts:
        outputs = each(outputs)
    whole, path = family.Model(inputs, outputs), str(tmp_path / f"whole{ending}")
    whole.save_weights(path) if ending == ".weights.h5" else whole.save(path)
    for origin in parts[:2]:
        alone = part(origin.name)
        assert len(pr.restore_subset(alone, path).loaded) == 4
        for ours, theirs in zip(alone.get_weights(), origin.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(part(None), path)


@pytest.mark.parametrize(
    ("family", "ending"),
    [(keras, ".weights.h5"), (keras, ".keras"), (keras, ".h5"), (tf_keras, ".keras"), (tf_keras, ".h5")],
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_layer_of_a_part_is_not_taken_for_one_of_its_name_beside_the_part(
    tmp_path: Path, family: Any, ending: str
) -> None:
    def part() -> Any:
        return family.Sequential([family.Input((4,)), family.layers.Dense(4, name="out")], name="encoder")

    whole = family.Sequential([family.Input((4,)), part(), family.layers.Dense(4, name="out")])
    path, target = str(tmp_path / f"whole{ending}"), part()
    whole.save_weights(path) if ending == ".weights.h5" else whole.save(path)
    before = target.get_weights()
    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, path)
    np.testing.assert_equal(target.get_weights(), before)


@pytest.mark.parametrize(
    ("ending", "attribute"),
    [
        ("", "encoder"),
        *((ending, "encoder") for ending in (".weights.h5", ".keras")),
        *(pytest.param(ending, "first", marks=NAMING) for ending in (".weights.h5", ".keras")),
    ],
)
def test_a_part_in_an_attribute_is_restored_alone(tmp_path: Path, ending: str, attribute: str) -> None:
    def part(name: str) -> Any:
        layers = [Layers.Dense(4, name=each) for each in "ab"]
        return keras.Sequential([keras.Input((4,)), *layers], name=name)

    class Whole(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            setattr(self, attribute, part("encoder"))
            self.decoder, self.head = part("decoder"), Layers.Dense(2, name="head")

        def call(self, inputs: Any) -> Any:
            return self.head(self.decoder(getattr(self, attribute)(inputs)))

        def get_config(self) -> dict[str, Any]:
            return {}

    whole, path, head = Whole(), str(tmp_path / f"whole{ending}"), Layers.Dense(2, name="head")
    whole(np.zeros([1, 4], np.float32))
    head.build((None, 4))
    if ending:
        whole.save_weights(path) if ending == ".weights.h5" else whole.save(path)
    else:
        tf.train.Checkpoint(model=whole).write(path)
    for alone, origin in [(part("encoder"), whole.layers[0]), (part("decoder"), whole.decoder)]:
        assert len(pr.restore_subset(alone, path).loaded) == 4
        assert_weights_same(alone, origin)
    if ending:  # A variable that is but `kernel` in a checkpoint is everyone's.
        pr.restore_subset(head, path)
        assert_weights_same(head, whole.head)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *[((0, 1), (0, 1)), ((0, 1, 2), (0, 2)), ((0, 1), (0, 1, 2)), ((0, 2), (0, 1)), ((0, 1, 2), (2, 1, 0))],
        *[((0, 1, 2), (1, 2, 3)), ((1, 2), (0, 1)), ((0, 1), (2, 3)), ((1, 2, 3), (1, 3, 4))],
    ],
)
@pytest.mark.parametrize(
    ("family", "ending", "is_listed"),
    [
        (keras, ".npz", True),
        pytest.param(keras, ".weights.h5", True, marks=NAMING),
        *((keras, ending, False) for ending in [".npz", ".keras", ".h5", ""]),
        pytest.param(keras, ".weights.h5", False, marks=NAMING),
        *((tf_keras, ending, False) for ending in [".keras", ".h5", ""]),
    ],
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layers_that_a_person_numbered_have_names(
    tmp_path: Path, family: Any, ending: str, is_listed: bool, old: tuple[int, ...], new: tuple[int, ...]
) -> None:
    class Block(family.layers.Layer):  # type: ignore[misc]
        def build(self, _: Any) -> None:
            self.kernel = self.add_weight(shape=(4, 4), name="kernel")

        def call(self, inputs: Any) -> Any:
            return inputs @ self.kernel

    class Listed(family.Model):  # type: ignore[misc]
        def __init__(self, blocks: list[Any]) -> None:
            super().__init__()
            self.blocks = blocks

        def call(self, inputs: Any) -> Any:
            for block in self.blocks:
                inputs = block(inputs)
            return inputs

    def make(numbers: tuple[int, ...]) -> tuple[Any, dict[int, Any]]:
        blocks = {number: Block(name=f"block_{number}") for number in numbers}
        listed = [*blocks.values()]
        model = Listed(listed) if is_listed else family.Sequential([family.Input((4,)), *listed])
        model(np.zeros([1, 4], np.float32))
        return model, {number: block.kernel for number, block in blocks.items()}

    (source, theirs), (target, ours) = make(old), make(new)
    path = str(tmp_path / f"model{ending}")
    if ending == ".npz":
        np.savez(path, **{variable.path: variable.numpy() for variable in source.weights})
    elif ending:
        source.save_weights(path) if ending == ".weights.h5" else source.save(path)
    else:
        path = tf.train.Checkpoint(source).write(path)
    before = {number: kernel.numpy() for number, kernel in ours.items()}
    if not {0} <= {*old} & {*new}:  # Keras may have numbered these.
        with unchanged(target), pytest.raises(pr.AmbiguousError):
            pr.restore_subset(target, path)
        return
    pr.restore_subset(target, path)
    for number, kernel in ours.items():
        expected = theirs[number].numpy() if number in theirs else before[number]
        np.testing.assert_array_equal(kernel.numpy(), expected)


@NAMING
@pytest.mark.parametrize("names", [("block_0", "block_1"), ("block_1", "block_0")])
def test_attributes_that_look_like_places_are_names(tmp_path: Path, names: tuple[str, str]) -> None:
    class Block(Layers.Dense):  # type: ignore[misc]
        pass

    class Pair(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.block, self.block_1 = (Block(4, name=name) for name in names)

        def call(self, inputs: Any) -> Any:
            return self.block_1(self.block(inputs))

    source, target = (built(Pair()) for _ in range(2))
    path = str(tmp_path / "pair.weights.h5")
    source.save_weights(path)
    pr.restore_subset(target, path)
    assert_weights_same(target, source)


def test_two_tensors_renamed_to_one_variable(tmp_path: Path) -> None:
    target = stack(["b0"])
    path = saved(tmp_path, stack(["b0", "b1"]))
    with unchanged(target), pytest.raises(pr.CollisionError, match="b0/kernel"):
        pr.restore_subset(target, path, rename={"b1": "b0"})


class Adversaries(keras.Model):  # type: ignore[misc]
    """Two models of like layers."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = randomized(stack(["b0", "b1"])), randomized(stack(["b0", "b1"]))

    def call(self, inputs: Any) -> Any:
        return self.generator(inputs) + self.discriminator(inputs)


def of_adversaries(path: Path, form: str) -> tuple[Any, Any]:
    """Return what a restore may read of two models of like layers, and the model that holds them."""
    model = built(Adversaries())
    if form == "weights":
        model.save_weights(path / "x.weights.h5")
        return str(path / "x.weights.h5"), model
    if form == "arrays":
        return pr.save_subset(model, path / "x.npz"), model
    parts = tf.train.Checkpoint(generator=model.generator, discriminator=model.discriminator)
    below = tf.train.Checkpoint(model=parts)
    return {"parts": parts, "live": model}.get(form) or below.write(str(path / "x")), model


@pytest.mark.parametrize("form", ["checkpoint", "parts", "live", "weights", "arrays"])
def test_a_rename_chooses_among_models_of_like_layers(form: str, tmp_path: Path) -> None:
    source, model = of_adversaries(tmp_path, form)
    root = "model/" if form == "checkpoint" else ""
    for part, other in [("generator", "discriminator"), ("discriminator", "generator")]:
        target = randomized(stack(["b0", "b1"]))
        report = pr.restore_subset(target, source, rename={f"{root}{part}/": ""}, strict=True)
        assert_weights_same(target, getattr(model, part))
        left = {skip.reason for skip in report.skipped if f"{other}/" in skip.name}
        assert left == {f"its variable takes what is renamed by {{'{root}{part}/': ''}}"}


@pytest.mark.parametrize("form", ["live", "arrays"])
def test_a_rename_of_a_model_with_a_layer_as_in_its_inner_one(form: str, tmp_path: Path) -> None:
    def make() -> Any:
        inputs = keras.Input([4])
        inner = keras.Model(inputs, Layers.Dense(4, name="fc")(inputs), name="body")
        outer = keras.Input([4])
        return randomized(keras.Model(outer, Layers.Dense(4, name="fc")(inner(outer))))

    source, target = make(), make()
    part = tf.train.Checkpoint(generator=source)
    ckpt = part if form == "live" else pr.save_subset(part, tmp_path / "x.npz")
    pr.restore_subset(target, ckpt, rename={"generator/": ""}, strict=True)
    assert_weights_same(target, source)


@pytest.mark.parametrize("form", ["checkpoint", "live", pytest.param("weights", marks=NAMED), "arrays"])
@pytest.mark.parametrize("renamed", [["b0"], ["b0", "b1"]])
def test_a_rename_of_some_layers_does_not_choose_for_the_others(renamed: list[str], form: str, tmp_path: Path) -> None:
    source, _ = of_adversaries(tmp_path, form)
    target = stack(["b0", "b1"])
    root = "model/" if form == "checkpoint" else ""
    with unchanged(target), pytest.raises((pr.AmbiguousError, pr.CollisionError)):
        pr.restore_subset(target, source, rename={f"{root}generator/{layer}": layer for layer in renamed})


@pytest.mark.parametrize(
    ("before", "after"),
    [("float32", "float16"), ("float32", "bfloat16"), ("float16", "float32"), ("bfloat16", "float32")],
)
def test_floats_are_cast_and_told(tmp_path: Path, before: str, after: str) -> None:
    def make(dtype: str) -> Any:
        return keras.Sequential([Layers.Input([4]), Layers.Dense(4, name="b0", dtype=dtype)])

    source, target = make(before), make(after)
    source.layers[0].kernel.assign(np.linspace(-3, 3, 16).reshape(4, 4))
    report = pr.restore_subset(target, saved(tmp_path, source))
    expected = source.layers[0].kernel.numpy().astype(ml_dtypes.bfloat16 if after == "bfloat16" else after)
    np.testing.assert_array_equal(target.layers[0].kernel.numpy(), expected)
    assert report["b0/kernel"].reason == f"same name, cast from {before}"
    with unchanged(target), pytest.raises(pr.MismatchError, match=before):
        pr.restore_subset(target, saved(tmp_path, source), cast="never")


@pytest.mark.parametrize("memory", [1, 10**9])
def test_value_that_overflows_is_refused(memory: int) -> None:
    target = {
        "a": tf.Variable(tf.zeros([2], tf.float16)),
        "b": tf.Variable([0, 0], dtype=tf.int8),
        "c": tf.Variable([0], dtype=tf.uint64),
    }
    source = {"a": np.float32([1, 70000]), "b": np.int32([300, 1]), "c": np.int64([-1])}
    with pytest.raises(pr.CastError) as caught:
        pr.restore_subset(target, source, max_memory=memory)
    assert [name for name, _ in caught.value.values] == ["a", "b", "c"]
    assert all((variable.numpy() == 0).all() for variable in target.values())


def test_infinities_and_nans_are_values() -> None:
    target = {"a": tf.Variable(tf.zeros([3], tf.float16))}
    pr.restore_subset(target, {"a": np.float32([np.inf, -np.inf, np.nan])})
    np.testing.assert_array_equal(target["a"].numpy(), np.float16([np.inf, -np.inf, np.nan]))


@pytest.mark.parametrize(
    ("value", "dtype"), [(np.float32([1]), "int32"), (np.int32([1]), "float32"), (np.array([True]), "int32")]
)
def test_kinds_are_not_cast(value: Any, dtype: str) -> None:
    target = {"a": tf.Variable([0], dtype=dtype), "b": tf.Variable([0.0])}
    with pytest.raises(pr.MismatchError, match=dtype):
        pr.restore_subset(target, {"a": value, "b": np.float32([1])})
    assert target["b"].numpy() == 0


class Shared(tf.Module):
    """Levels of objects, each reached by two attributes from the one above: a path for every subset of levels."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.weight = tf.Variable(tf.random.normal([3]))
        if levels:
            self.left = Shared(levels - 1)
            self.right = self.left


def test_shared_objects_are_loaded_once_and_fast(tmp_path: Path) -> None:
    source, target = Shared(20), Shared(20)
    path = saved(tmp_path, source)
    start = time.perf_counter()
    report = pr.restore_subset(target, path)
    elapsed = time.perf_counter() - start
    assert len(report.loaded) == 21
    for ours, theirs in zip(target.variables, source.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert elapsed < 60  # A bound on exponential work (2**20 paths), not on speed.


def test_tied_layer_is_one_variable(tmp_path: Path) -> None:
    def make() -> Any:
        inputs = Layers.Input([4])
        shared = Layers.Dense(4, name="shared")
        return randomized(keras.Model(inputs, Layers.Dense(2, name="out")(shared(shared(inputs)))))

    source, target = make(), make()
    report = pr.restore_subset(target, saved(tmp_path, source))
    assert len(report.loaded) == 4
    assert_same(by_layer(target), by_layer(source))


def test_layers_in_lists_that_only_the_optimizer_kept_are_not_guessed(tmp_path: Path) -> None:
    class Blocks(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [Layers.Dense(4), Layers.Dense(4)]
            self.top = Layers.Dense(4)

        def call(self, inputs: Any) -> Any:
            for block in self.blocks:
                inputs = block(inputs)
            return self.top(inputs)

    ones = np.ones([4, 4], np.float32)
    path = saved(tmp_path, trained(built(Blocks()), ones, ones))
    target = built(Blocks())
    with unchanged(target), pytest.raises(pr.AmbiguousError, match="without a name"):
        pr.restore_subset(target, path)
    report = pr.restore_subset(target, path, exclude="blocks")
    assert {item.name for item in report.loaded} == {"top/kernel", "top/bias"}


def test_one_variable_under_two_names_is_refused() -> None:
    variable = tf.Variable([0.0])
    with pytest.raises(ValueError, match="'a' and 'b' are one variable"):
        pr.restore_subset({"a": variable, "b": variable}, {"a": np.float32([1]), "b": np.float32([2])})


def test_eager_variables_while_a_graph_is_the_default() -> None:
    variable = tf.Variable([0.0])
    with tf.Graph().as_default():
        pr.restore_subset({"a": variable}, {"a": np.float32([1])})
    assert variable.numpy() == 1


def test_variable_of_unknown_shape_has_the_shape_that_it_holds() -> None:
    target = {"a": tf.Variable([0.0], shape=[None]), "b": tf.Variable([0.0], shape=tf.TensorShape(None))}
    pr.restore_subset(target, {"a": np.float32([1]), "b": np.float32([2])})
    assert target["b"].numpy() == 2
    with pytest.raises(pr.MismatchError):
        pr.restore_subset(target, {"a": np.float32([1, 2])})


def test_strings_are_values() -> None:
    target = {"a": tf.Variable(["", ""]), "b": tf.Variable([""])}
    pr.restore_subset(target, {"a": np.array(["x", "y"]), "b": tf.constant([b"z\0"])})
    assert [variable.numpy().tolist() for variable in target.values()] == [[b"x", b"y"], [b"z\0"]]


def test_mapping_by_the_names_that_are_listed(tmp_path: Path) -> None:
    path = saved(tmp_path, model=trained(stack([None, None])), step=tf.Variable(1))
    listed = [tensor for tensor in pr.list_checkpoint(path) if tensor.dtype != "string"]
    target = {tensor.name: tf.Variable(tf.zeros(tensor.shape, tensor.dtype)) for tensor in listed}
    report = pr.restore_subset(target, path)
    assert {item.name for item in report.loaded} == {name for name in target if not name.startswith("model/optimizer/")}


class Chain(keras.Model):
    """Layers in a tuple, which TensorFlow tracks by their places."""

    def __init__(self, *layers: Any, **options: Any) -> None:
        super().__init__(**options)
        self.blocks = layers

    def call(self, inputs: Any) -> Any:
        for layer in self.blocks:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def functional(layer: Any, **options: Any) -> Any:
    inputs = Layers.Input([4])
    return keras.Model(inputs, layer(inputs), **options)


def chained(*inner: Any) -> Any:
    return built(
        Chain(
            Layers.Dense(4, name="b"),
            functional(Chain(*inner, Layers.Dense(4, name="b"), name="b"), name="f"),
            name="net",
        )
    )


def test_an_inner_layer_is_not_taken_for_an_outer_one_of_its_name(tmp_path: Path) -> None:
    source = chained()
    path, outer = saved(tmp_path, source), source.blocks[0].kernel.numpy()
    target = built(Chain(Layers.Dense(4, name="b"), Layers.Dense(7), name="net"))
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)  # The layer at the second place is another one, so the first may be, too.
    assert {each.key for match in caught.value.refused for each in match.candidates} == {
        f"blocks/0/{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in ("_kernel", "bias")
    }
    pr.restore_subset(target, path, rename={"blocks/0": "blocks/0"})
    np.testing.assert_array_equal(target.blocks[0].kernel.numpy(), outer)


def test_paths_of_keras_do_not_mislead_when_an_inner_layer_is_replaced() -> None:
    inner = functional(Layers.Dense(4, name="c"), name="inner")
    source = randomized(keras.Sequential([Layers.Input([4]), Layers.Dense(4, name="c"), inner]))
    values = {variable.path: variable.numpy() for variable in source.variables}
    other = functional(Layers.BatchNormalization(name="n"), name="inner")
    target = randomized(keras.Sequential([Layers.Input([4]), Layers.Dense(4, name="c"), other]))
    report = pr.restore_subset(target, values)
    assert {each.name for each in report.loaded} == {"c/kernel", "c/bias"}
    np.testing.assert_array_equal(target.get_layer("c").kernel.numpy(), source.get_layer("c").kernel.numpy())


def test_numbers_in_one_row_do_not_cross_containers() -> None:
    def inner(count: int) -> Any:
        inputs = hidden = Layers.Input([4])
        for _ in range(count):
            hidden = Layers.Dense(4)(hidden)
        return keras.Model(inputs, hidden)

    source = randomized(keras.Sequential([Layers.Input([4]), inner(3)]))
    values = {variable.path: variable.numpy() for variable in source.variables}
    target = randomized(keras.Sequential([Layers.Input([4]), Layers.Dense(4), inner(2)]))
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, values)


def test_one_tensor_is_not_taken_twice_by_two_readings_of_its_name() -> None:
    source = {"dense_1/kernel": np.float32([1]), "dense_2/kernel": np.float32([2])}
    target = {"dense/kernel": tf.Variable([0.0]), "dense_1/kernel": tf.Variable([0.0])}
    pr.restore_subset(target, source)
    assert [variable.numpy().item() for variable in target.values()] == [1, 2]


def test_a_layer_does_not_take_the_weights_of_another(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        keras.Sequential([Layers.Input([4]), Layers.Dense(4, name="body"), Layers.BatchNormalization(name="bn")]),
    )
    head = Layers.Dense(4, name="head")
    head.build((None, 4))
    with pytest.raises(pr.NothingLoadedError):
        pr.restore_subset(head, path)


def test_layer_that_computes_with_a_copy_of_its_variables(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).normal(5, 3, [32, 4]).astype(np.float32)

    def make() -> Any:
        return keras.Sequential([Layers.Input([4]), Layers.Normalization(name="norm")])

    source, target = make(), make()
    source.layers[0].adapt(inputs)
    pr.restore_subset(target, saved(tmp_path, source))
    np.testing.assert_array_equal(target(inputs).numpy(), source(inputs).numpy())


class Block(Layers.Layer):
    """An unnamed layer with attributes that are called as Keras calls layers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dense, self.dense_1 = Layers.Dense(4), Layers.Dense(4)

    def build(self, shape: Any) -> None:
        self.dense.build(shape)
        self.dense_1.build(shape)

    def call(self, inputs: Any) -> Any:
        return self.dense_1(self.dense(inputs))


class Unbuilding(Layers.Layer):
    """A layer without ``build``, as most people write one: its name is all that the full names keep."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first, self.second = Layers.Dense(4), Layers.Dense(4)

    def call(self, inputs: Any) -> Any:
        return self.second(self.first(inputs))

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


@pytest.mark.parametrize("is_trained", [False, True])
@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
def test_named_layers_without_build_are_known_by_their_names(tmp_path: Path, kind: str, *, is_trained: bool) -> None:
    def make(*names: str) -> Any:
        layers = [Layers.Dense(4, name="stem"), *(Unbuilding(name=name) for name in names)]
        if kind == "Sequential":
            return randomized(keras.Sequential([Layers.Input([4]), *layers]))
        inputs = hidden = Layers.Input([4])
        for layer in layers:
            hidden = layer(hidden)
        return randomized(keras.Model(inputs, hidden))

    source = make("enc", "dec")
    path = saved(tmp_path, trained(source) if is_trained else source)
    same, swapped, replaced = make("enc", "dec"), make("dec", "enc"), make("dec", "new")
    kept = replaced.get_layer("new").first.kernel.numpy()
    for target in (same, swapped, replaced):
        pr.restore_subset(target, path)
        for name in ("first", "second"):
            ours, theirs = getattr(target.get_layer("dec"), name), getattr(source.get_layer("dec"), name)
            np.testing.assert_array_equal(ours.kernel.numpy(), theirs.kernel.numpy())
    assert_weights_same(same, source)
    np.testing.assert_array_equal(replaced.get_layer("new").first.kernel.numpy(), kept)


@pytest.mark.parametrize("form", ["save_subset", "Checkpoint", "mapping"])
def test_attributes_called_as_layers_within_unnamed_layers(tmp_path: Path, form: str) -> None:
    def make() -> Any:
        return randomized(keras.Sequential([Layers.Input([4]), Block(), Block()]))

    source, target = make(), make()
    if form == "mapping":
        ckpt: Any = {
            item.name: value
            for item, value in zip(pr.plan_subset(source, {"x": 1}).report.initialized, source.weights, strict=True)
        }
    else:
        ckpt = pr.save_subset(source, tmp_path / "part") if form == "save_subset" else saved(tmp_path, source)
    pr.restore_subset(target, ckpt)
    assert_weights_same(target, source)


def test_suggested_rename_helps_for_places_in_lists(tmp_path: Path) -> None:
    source = built(Chain(*(Layers.Dense(4) for _ in range(3))))
    target = built(Chain(*(Layers.Dense(4) for _ in range(2))))
    path = saved(tmp_path, source)
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    pasted = re.search(r"rename=(\{.*\})", str(caught.value))
    assert pasted is not None
    pr.restore_subset(target, path, rename=eval(pasted[1]))  # noqa: S307
    for ours, theirs in zip(target.blocks, source.blocks, strict=False):
        np.testing.assert_array_equal(ours.kernel.numpy(), theirs.kernel.numpy())


@pytest.mark.parametrize("is_around", [True, False])
def test_suggested_rename_pairs_an_exported_model_in_one_go(tmp_path: Path, is_around: bool) -> None:
    """`export` calls a layer of an inner Functional model as one beside it; what numbers still decide, a rename keeps."""

    def functional(count: int) -> Any:
        x = inputs = Layers.Input([4])
        for _ in range(count):
            x = Layers.Dense(4)(x)
        return keras.Model(inputs, x)

    def sequential(*layers: Any) -> Any:
        return keras.Sequential([Layers.Input([4]), *layers])

    def nested() -> Any:
        first, *inner = (Layers.Dense(4) for _ in range(3))
        if is_around:
            return randomized(sequential(first, sequential(inner[0], functional(2), inner[1]), Layers.Dense(4)))
        return randomized(sequential(first, functional(3), sequential(inner[0])))

    source, target = nested(), nested()
    source.export(str(tmp_path / "exported"))
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, tmp_path / "exported")
    pasted = re.search(r"rename=(\{.*\})", str(caught.value))
    assert pasted is not None
    pr.restore_subset(target, tmp_path / "exported", rename=eval(pasted[1]))  # noqa: S307
    assert_weights_same(target, source)


def test_nothing_loaded_is_an_error(tmp_path: Path) -> None:
    target = stack(["x0"])
    path = saved(tmp_path, stack(["b0"]))
    with unchanged(target), pytest.raises(pr.NothingLoadedError, match="b0/kernel"):
        pr.restore_subset(target, path, exclude="head")


def test_strict_refuses_what_the_checkpoint_lacks(tmp_path: Path) -> None:
    target = stack(["b0", "new"])
    path = saved(tmp_path, stack(["b0"]))
    with unchanged(target), pytest.raises(pr.MissingError) as caught:
        pr.restore_subset(target, path, strict=True)
    assert caught.value.names == ("new/kernel", "new/bias")


def test_plan_reads_and_changes_nothing_until_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = stack(["b0"]), stack(["b0", "new"], classes=5)
    path = saved(tmp_path, source)
    with monkeypatch.context() as patched, unchanged(target):
        patched.setattr("partial_restore._apply._read_batch", None)
        plan = pr.plan_subset(target, path, exclude="head")
        assert str(plan).startswith("would restore: loaded 2 ")
        assert set(plan.assignment_map) == {item.tensor.key for item in plan.report.loaded if item.tensor}
    troubled = pr.plan_subset(target, path)
    assert "the shapes differ" in str(troubled) or "in the checkpoint" in str(troubled)
    plan.apply()
    np.testing.assert_array_equal(target.get_layer("b0").kernel.numpy(), source.get_layer("b0").kernel.numpy())


def test_patterns_mean_the_model_whatever_the_file_calls_things(tmp_path: Path) -> None:
    """A file may call the inner model's layer without the model, or by its place: that is no name of the model's."""

    def nested() -> keras.Model:
        inner = keras.Sequential([Layers.Input([4]), Layers.Dense(4, name="a")], name="mid")
        return randomized(keras.Sequential([Layers.Input([4]), inner, Layers.Dense(2, name="out")]))

    model = nested()
    for path in (saved(tmp_path, nested()), nested()):
        for pattern in ("a", "1 of 2"):
            with pytest.raises(pr.UnknownNameError, match="fits no variable"):
                pr.restore_subset(model, path, exclude=pattern)
        assert len(pr.restore_subset(model, path, exclude="mid/a").loaded) == 2


def in_a_layer(names: list[str]) -> Any:
    """Layers in a list of a layer of Keras 3, which is called as Keras would call it."""

    class Blk(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="blk")
            self.steps = [Layers.Dense(4, name=name) for name in names]

        def build(self, shape: Any) -> None:
            for step in self.steps:
                step.build(shape)

        def call(self, x: Any) -> Any:
            for step in self.steps:
                x = step(x)
            return x

    model = keras.Sequential([Layers.Input([4]), Blk()])
    return model, model.layers[-1].steps


def in_a_model(names: list[str]) -> Any:
    """Layers in a list of a model of Keras 2."""

    class Net(tf_keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps = [tf_keras.layers.Dense(4, name=name) for name in names]

        def call(self, x: Any) -> Any:
            for step in self.steps:
                x = step(x)
            return x

    model = Net()
    model(np.zeros([1, 4], np.float32))
    return model, model.steps


@pytest.mark.parametrize(("build", "kind"), [(in_a_layer, "live"), (in_a_model, "live"), (in_a_model, "file")])
def test_the_names_of_layers_in_a_list_speak_against_their_places(build: Any, kind: str, tmp_path: Path) -> None:
    """``[p, q]`` became ``[r, p]``: what ``q`` learned is not for ``p``."""
    (old, (p, _)), (new, (r, now_p)) = build(["p", "q"]), build(["r", "p"])
    before = now_p.kernel.numpy(), r.kernel.numpy()
    try:
        pr.restore_subset(new, old if kind == "live" else saved(tmp_path, model=old))
    except pr.AmbiguousError:
        assert np.array_equal(now_p.kernel, before[0])
    else:
        np.testing.assert_array_equal(now_p.kernel, p.kernel)
    np.testing.assert_array_equal(r.kernel, before[1])


def recurrent_of_cells() -> Any:
    """A model of which nobody named the cells."""
    inputs = keras.Input([4, 3])
    cells = [Layers.LSTMCell(3), Layers.LSTMCell(3)]
    hidden = Layers.RNN(Layers.GRUCell(3))(Layers.RNN(cells, return_sequences=True)(inputs))
    return keras.Model(inputs, Layers.Dense(2)(hidden))


def test_arrays_under_the_paths_of_a_model_go_back_into_it() -> None:
    model = randomized(recurrent_of_cells())
    weights = {weight.path: weight.numpy() for weight in model.weights}
    before = held(model)
    randomized(model)
    assert len(pr.restore_subset(model, weights).loaded) == len(weights)
    assert_same(held(model), before)


def test_arrays_under_the_paths_of_cells_are_undecidable_in_another_model() -> None:
    source, target = recurrent_of_cells(), recurrent_of_cells()
    weights = {weight.path: weight.numpy() for weight in randomized(source).weights}
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, weights)


def scoped(*classes: int) -> Any:
    """A model whose layers were partly made in scopes of names, as those of `keras.applications.NASNetMobile` are."""
    inputs = keras.Input([4])
    hidden = Layers.Dense(4, name="stem")(inputs)
    for scope in "pq":
        with keras.name_scope(scope):
            hidden = Layers.Dense(4, name=f"left_{scope}")(hidden)
            with keras.name_scope(f"inner_{scope}"):
                hidden = Layers.Dense(4, name=f"right_{scope}")(hidden)
    heads = [Layers.Dense(width, name=f"head_of_{width}") for width in classes]
    return randomized(keras.Sequential([Layers.Input([4]), keras.Model(inputs, hidden), *heads]))


def test_layers_in_scopes_of_names_are_found_beside_other_layers(tmp_path: Path) -> None:
    source, target = scoped(5), scoped(6, 7)
    path = tf.train.Checkpoint(model=source).write(str(tmp_path / "ckpt"))
    assert len(pr.restore_subset(target, path).loaded) == 10
    assert_weights_same(target.layers[0], source.layers[0])


@pytest.mark.parametrize("classes", [(5,), (6, 7)])
def test_layers_in_scopes_of_names_are_found_in_old_files(tmp_path: Path, classes: tuple[int, ...]) -> None:
    source, target = scoped(5), scoped(*classes)
    path = tmp_path / "model.h5"
    source.save(path)
    assert len(pr.restore_subset(target, path).loaded) == (12 if classes == (5,) else 10)
    assert_weights_same(target.layers[0], source.layers[0])


class Calling(keras.Layer):
    """A layer that leaves it to the one within to be built by its first call: TensorFlow does not call the weights by that."""

    def __init__(self, *, has_own: bool = False) -> None:
        super().__init__(name="wrap")
        self.inner, self.has_own = Layers.Dense(4, name="inner"), has_own

    def build(self, _: Any) -> None:
        if self.has_own:
            self.kernel = self.add_weight(shape=(4, 4), name="kernel")
        self.built = True

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs)


class Listing(keras.Model):
    """A functional model that keeps its layers in a list as well."""

    def __init__(self, wrap: Any) -> None:
        inputs = keras.Input([4])
        layers = [Layers.Dense(4, name="stem"), wrap, Layers.Dense(2, name="head")]
        super().__init__(inputs, layers[2](layers[1](layers[0](inputs))))
        self.blocks = layers


def test_what_was_built_by_a_call_is_found_in_an_export(tmp_path: Path) -> None:
    source, target = randomized(Listing(Calling())), Listing(Calling())
    source.export(str(tmp_path / "exported"))
    assert len(pr.restore_subset(target, tmp_path / "exported").loaded) == 6
    assert_weights_same(target, source)


def test_a_weight_that_is_called_as_the_one_within_is_undecidable_in_an_export(tmp_path: Path) -> None:
    source, target = randomized(Listing(Calling())), Listing(Calling(has_own=True))
    source.export(str(tmp_path / "exported"))
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, tmp_path / "exported")


class Aliased(tf_keras.Model):  # type: ignore[misc]
    """Blocks in a list, of which the first and the last have attributes as well."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.blocks = [tf_keras.layers.Dense(4, name=name) for name in names]
        self.first, self.last = self.blocks[0], self.blocks[-1]

    def call(self, inputs: Any) -> Any:
        for block in self.blocks:
            inputs = block(inputs)
        return inputs


@pytest.mark.parametrize("names", ["bc", "ab"])
@pytest.mark.parametrize("form", ["ckpt", "model.weights.h5", "subset"])
def test_attributes_of_blocks_do_not_take_those_that_were_removed(form: str, names: str, tmp_path: Path) -> None:
    source, target = Aliased(*"abc"), Aliased(*names)
    for model in (source, target):
        model(tf.ones([1, 4]))
        model.set_weights([np.random.default_rng().normal(size=weight.shape) for weight in model.weights])
    path = str(tmp_path / form)
    if form == "ckpt":
        path = tf.train.Checkpoint(model=source).write(path)
    elif form == "subset":
        pr.save_subset(source, path)
    else:
        source.save_weights(path)
    before = target.get_weights()
    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, path)
    assert all(map(np.array_equal, target.get_weights(), before))


def two_parts(first: int) -> Any:
    """Three layers without names in two models, so many of them in the first."""
    keras.backend.clear_session()
    inputs = keras.Input([4])
    hidden = inputs
    for name, depth in (("p", first), ("q", 3 - first)):
        within = keras.Input([4])
        outputs = within
        for _ in range(depth):
            outputs = Layers.Dense(4)(outputs)
        hidden = keras.Model(within, outputs, name=name)(hidden)
    return randomized(keras.Model(inputs, hidden))


def branched(classes: int = 2, *, is_deeper: bool = False, family: Any = keras) -> Any:
    """A model of branches, which stand in another order than their layers were made in: Keras starts to count anew."""
    family.backend.clear_session()
    layers = family.layers
    inputs = hidden = family.Input([4])
    for i in range(2):
        left, right = layers.Dense(4)(hidden), layers.Dense(4)(hidden)
        hidden = layers.Add(name=f"mixed_{i}")([left, layers.Dense(4)(right)])
    hidden = layers.Dense(4)(hidden) if is_deeper else hidden
    return family.Model(inputs, layers.Dense(classes, name="head")(hidden))


@pytest.mark.parametrize("classes", [2, 5])
def test_arrays_count_what_was_made_not_where_it_stands(classes: int) -> None:
    source, target = randomized(branched()), branched(classes)
    assert [each.path for each in source.weights] != sorted(each.path for each in source.weights)
    weights = {each.path: each.numpy() for each in source.weights}
    report = pr.restore_subset(target, weights, exclude="head" if classes != 2 else None)
    assert len(report.loaded) == len(weights) - 2 * (classes != 2)
    for each in target.weights:
        if classes == 2 or not each.path.startswith("head"):
            np.testing.assert_array_equal(each, weights[each.path], each.path)


def test_advice_for_arrays_follows_the_numbers_of_layers() -> None:
    source, target = randomized(branched()), branched(is_deeper=True)
    weights = {each.path: each.numpy() for each in source.weights}
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, weights)
    pr.restore_subset(target, weights, rename=caught.value.rename)
    for each in target.weights:
        if each.path in weights:
            np.testing.assert_array_equal(each, weights[each.path], each.path)


def test_advice_for_a_model_of_branches_within_another_is_of_all_its_layers(tmp_path: Path) -> None:
    """A legacy file tells where its layers stand, and nothing of those in an inner model; their numbers are the same."""
    source, base = branched(family=tf_keras), branched()
    weights = {each.name: np.random.default_rng().normal(size=each.shape) for each in source.weights}
    for each in source.weights:
        each.assign(weights[each.name])
    source.save_weights(tmp_path / "weights.h5")
    base = keras.Model(base.inputs, base.get_layer("mixed_1").output, name="base")
    target = keras.Sequential([keras.Input([4]), base, Layers.Dense(2, name="top")])
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, tmp_path / "weights.h5")
    pr.restore_subset(target, tmp_path / "weights.h5", rename=caught.value.rename)
    for each in base.weights:
        np.testing.assert_allclose(each, weights[f"{each.path}:0"], rtol=1e-6, err_msg=each.path)


def test_arrays_do_not_tell_in_which_model_a_layer_without_a_name_was() -> None:
    source, target = two_parts(2), two_parts(1)
    weights = {weight.path: weight.numpy() for weight in source.weights}
    assert [weight.path for weight in target.weights] == list(weights)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, weights)
