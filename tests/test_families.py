"""Files of either Keras family, and of TensorFlow 1, into models of either family that have the same layers."""

from __future__ import annotations

import contextlib
import itertools
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import families
import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from families import ARCHITECTURES, FAMILIES, Array, Artefact, Called, contents, named, randomized, unnamed
from models import unchanged
from tf_keras.src.saving import saving_lib

import partial_restore as pr

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]

WRITERS: dict[str, tuple[str, families.Write]] = {
    "tf_keras-save_weights": ("tf_keras", families.save_weights),
    "tf_keras-checkpoint": ("tf_keras", families.checkpoint),
    "tf_keras-weights": ("tf_keras", families.legacy_weights),
    "tf_keras-h5": ("tf_keras", families.legacy_model),
    "tf_keras-weights_h5": ("tf_keras", families.weights_h5),
    "tf_keras-archive": ("tf_keras", families.archive),
    "keras-checkpoint": ("keras", families.checkpoint),
    "keras-weights_h5": ("keras", families.weights_h5),
    "keras-archive": ("keras", families.archive),
    "keras-h5": ("keras", families.legacy_model),
}
SAVER = "tf1-saver"
KERAS = tuple(int(part) for part in keras.__version__.split(".")[:2])
NAMELESS = ["tf_keras-weights_h5", *(["keras-weights_h5"] if KERAS < (3, 6) else [])]
"""They keep the classes and the places of layers, and no names."""
NAMING = [writer for writer in [*WRITERS, SAVER] if writer not in NAMELESS]


class Workshop:
    """Models and files, each made when it is first asked for."""

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder
        self._models: dict[tuple[str, str, str, str], Any] = {}
        self._artefacts: dict[tuple[str, str, str], Artefact] = {}

    def model(self, use: str, family: str, architecture: str, n: Called) -> Any:
        """Return the model for this use, be it to write, to restore or to ``restart`` the automatic names."""
        key = (use, family, architecture, n.__name__)
        if key not in self._models:
            if use == "restart":
                FAMILIES[family].backend.clear_session()
            self._models[key] = ARCHITECTURES[architecture].built(FAMILIES[family], n)
        return self._models[key]

    def artefact(self, writer: str, architecture: str, n: Called) -> Artefact:
        key = (writer, architecture, n.__name__)
        if key not in self._artefacts:
            self._artefacts[key] = self._written(writer, architecture, n, self._folder("-".join(key)))
        return self._artefacts[key]

    def _written(self, writer: str, architecture: str, n: Called, folder: Path) -> Artefact:
        if writer == SAVER:
            self._models.clear()  # A layer of tf_keras that is made in a graph breaks those made outside before.
            return families.written_by_saver(ARCHITECTURES[architecture], n, folder)
        family, write = WRITERS[writer]
        return families.written(
            ARCHITECTURES[architecture], self.model("write", family, architecture, n), write, folder
        )


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp)


def is_complete(writer: str, architecture: str) -> bool:
    """Say whether a writer stores the architecture, and all of it."""
    lost = {
        "keras-h5": {"subclassed"},  # Keras does not write subclassed models as legacy files.
        "tf_keras-h5": {"subclassed"},
        SAVER: {"twins"},  # Keras 2 names the layers `up` and `up_1`, without their models.
        "keras-checkpoint": {"subclassed", "cells"},  # TensorFlow does not see what Keras 3 keeps in lists and dicts.
    }
    return architecture not in lost.get(writer, ())


PAIRS = [(w, a) for a in ARCHITECTURES for w in [*WRITERS, SAVER] if is_complete(w, a)]
NUMBERED_ONLY = [(SAVER, "embedding"), (SAVER, "subclassed")]
"""What TensorFlow 1 wrote of layers without names where their numbers tell neither the place nor the attribute."""

CASES = [(w, a, n) for n in (named, unnamed) for w, a in PAIRS if n is named or (w, a) not in NUMBERED_ONLY]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("writer", "architecture", "n"), CASES)
def test_the_same_layers_load_completely_and_give_the_same_output(
    writer: str, architecture: str, n: Called, family: str, workshop: Workshop
) -> None:
    artefact = workshop.artefact(writer, architecture, n)
    model = families.randomized(workshop.model("restore", family, architecture, n))

    report = pr.restore_subset(model, artefact.path, strict=True)

    assert_complete(report, model, artefact)
    np.testing.assert_allclose(ARCHITECTURES[architecture].output(model), artefact.output, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("writer", "architecture"), NUMBERED_ONLY)
def test_numbers_that_follow_no_place_are_undecidable(
    writer: str, architecture: str, family: str, workshop: Workshop
) -> None:
    """Layers were made in another order than they stand in, or are attributes: which is which, no number tells."""
    artefact = workshop.artefact(writer, architecture, unnamed)
    model = families.randomized(workshop.model("restore", family, architecture, unnamed))
    before = families.contents(model)

    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(model, artefact.path)
    assert families.contents(model) == before


RESTARTED = ["cnn", "bidirectional", "cells", "attention", "subclassed"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("writer", "architecture"), [(w, a) for w, a in PAIRS if a in RESTARTED and w in WRITERS])
def test_names_made_up_again_from_the_first_load_completely(
    writer: str, architecture: str, family: str, workshop: Workshop
) -> None:
    """In a new process Keras counts from the start; the file may have any numbers."""
    artefact = workshop.artefact(writer, architecture, unnamed)
    model = families.randomized(workshop.model("restart", family, architecture, unnamed))

    report = pr.restore_subset(model, artefact.path, strict=True)

    assert_complete(report, model, artefact)
    np.testing.assert_allclose(ARCHITECTURES[architecture].output(model), artefact.output, rtol=1e-5, atol=1e-6)


def assert_complete(report: pr.Report, model: Any, artefact: Artefact) -> None:
    """Assert that every weight was loaded, and that the report counts all there is on either side."""
    assert [each for each in report.initialized if "seed" not in each.name] == []
    assert len(report.loaded) == len(families.weights(model))
    assert len(report.loaded) + len(report.initialized) == len(model.variables)
    assert len(report.loaded) + len(report.skipped) == len(pr.list_checkpoint(artefact.path))
    assert sorted(families.contents(model)) == sorted(artefact.contents)


Stack = Sequence[str | None]
EDITS: dict[str, Stack] = {
    "reordered": ["b", "a", "c"],
    "inserted": ["x", "a", "b", "c"],
    "removed": ["b", "c"],
    "replaced": ["a", "x", "c"],
    "moved and removed": ["c", "x"],
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("writer", NAMING)
@pytest.mark.parametrize("edit", EDITS)
def test_named_layers_are_found_wherever_they_went(
    edit: str, writer: str, family: str, stacks: Callable[[str, Stack], Artefact]
) -> None:
    artefact = stacks(writer, ("a", "b", "c"))
    model = families.stack(EDITS[edit]).built(FAMILIES[family], named)
    expected = by_layer(model, families.contents(model)) | by_layer(model, artefact.contents, ["a", "b", "c", "head"])

    pr.restore_subset(model, artefact.path)

    held = by_layer(model, families.contents(model))
    assert held == {name: expected[name] for name in held}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("writer", NAMELESS)
@pytest.mark.parametrize("edit", ["inserted", "removed", "moved and removed"])
def test_names_do_not_help_where_the_file_has_none(
    edit: str, writer: str, family: str, stacks: Callable[[str, Stack], Artefact]
) -> None:
    artefact = stacks(writer, ("a", "b", "c"))
    model = families.stack(EDITS[edit]).built(FAMILIES[family], named)
    before = families.contents(model)

    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(model, artefact.path)
    assert families.contents(model) == before


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("writer", [*WRITERS, SAVER])
@pytest.mark.parametrize("count", [1, 3])
def test_layers_without_names_do_not_move(
    count: int, writer: str, family: str, stacks: Callable[[str, Stack], Artefact]
) -> None:
    artefact = stacks(writer, (None, None))
    model = families.stack([None] * count).built(FAMILIES[family], named)
    before = families.contents(model)

    with pytest.raises(pr.AmbiguousError):
        pr.restore_subset(model, artefact.path)
    assert families.contents(model) == before

    if writer in NAMING:
        pr.restore_subset(model, artefact.path, include="head")
        assert families.contents(model) == [*before[:-2], *artefact.contents[-2:]]


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Stack], Artefact]:
    """What a writer makes of a stack of such layers."""
    made: dict[tuple[str, Stack], Artefact] = {}

    def get(writer: str, names: Stack) -> Artefact:
        if (writer, names) not in made:
            folder, architecture = tmp_path_factory.mktemp("stack"), families.stack(names)
            if writer == SAVER:
                made[writer, names] = families.written_by_saver(architecture, named, folder)
            else:
                saved, write = WRITERS[writer]
                model = architecture.built(FAMILIES[saved], named)
                made[writer, names] = families.written(architecture, model, write, folder)
        return made[writer, names]

    return get


def by_layer(model: Any, contents: Sequence[bytes], names: Sequence[str] = ()) -> dict[str, tuple[bytes, bytes]]:
    """What each dense layer of a stack holds: kernel and bias."""
    layers = names or [layer.name for layer in model.layers]
    return dict(zip(layers, zip(contents[::2], contents[1::2], strict=True), strict=True))


LOST = {"subclassed": {"blocks", "heads"}, "cells": {"tower"}}
"""What Keras 3 keeps in lists and dicts, which `tf.train.Checkpoint` does not save."""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("architecture", LOST)
def test_what_a_checkpoint_of_keras_3_lacks_is_told(architecture: str, family: str, workshop: Workshop) -> None:
    artefact = workshop.artefact("keras-checkpoint", architecture, named)
    model = families.randomized(workshop.model("restore", family, architecture, named))
    before = families.contents(model)

    with pytest.raises(pr.MissingError) as caught:
        pr.restore_subset(model, artefact.path, strict=True)
    assert {name.partition("/")[0] for name in caught.value.names} == LOST[architecture]
    assert families.contents(model) == before

    report = pr.restore_subset(model, artefact.path)
    assert {each.name.partition("/")[0] for each in report.initialized if "seed" not in each.name} == LOST[architecture]
    for old, new, written in zip(before, families.contents(model), artefact.contents, strict=True):
        assert new in (old, written)
    assert len(report.loaded) == sum(old != new for old, new in zip(before, families.contents(model), strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_of_one_name_in_two_models_are_not_taken_for_each_other(family: str, workshop: Workshop) -> None:
    """TensorFlow 1 calls them ``up`` and ``up_1``, and nothing tells which of the two models each was in."""
    artefact = workshop.artefact(SAVER, "twins", named)
    model = families.randomized(workshop.model("restore", family, "twins", named))
    before = families.contents(model)

    report = pr.plan_subset(model, artefact.path, on_mismatch="initialize").report
    pr.restore_subset(model, artefact.path, include="out")

    assert "out/kernel" in {each.name for each in report.loaded}
    for old, new, written in zip(before, families.contents(model), artefact.contents, strict=True):
        assert new in (old, written)


OPTIMIZED = {
    "tf_keras-save_weights": families.save_weights,
    "tf_keras-checkpoint": families.save_with_optimizer,
    "tf_keras-h5": families.legacy_model,
    "tf_keras-weights_h5": families.weights_h5,
    "tf_keras-archive": families.archive,
    "keras-checkpoint": families.save_with_optimizer,
    "keras-weights_h5": families.weights_h5,
    "keras-archive": families.archive,
    "keras-h5": families.legacy_model,
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("writer", OPTIMIZED)
def test_the_optimizer_of_either_family_is_left_alone(writer: str, family: str, tmp_path: Path) -> None:
    architecture = ARCHITECTURES["cnn"]
    saved = trained(architecture.built(FAMILIES[writer.partition("-")[0]], named))
    artefact = families.written(architecture, saved, OPTIMIZED[writer], tmp_path)
    model = trained(architecture.built(FAMILIES[family], named))
    state = [np.asarray(variable) for variable in optimizer_variables(model)]

    report = pr.restore_subset(model, artefact.path, strict=True)

    assert sorted(families.contents(model)) == sorted(artefact.contents)
    np.testing.assert_allclose(architecture.output(model), artefact.output, rtol=1e-5, atol=1e-6)
    for ours, kept in zip(optimizer_variables(model), state, strict=True):
        np.testing.assert_array_equal(ours, kept)
    assert len(report.loaded) == len(families.weights(model))
    assert {each.reason for each in report.skipped} <= {
        "optimizer state is not restored",
        "metric state is not restored",
        "bookkeeping of the file, not a weight",
        "the state of a random generator is not restored",
    }


def trained(model: Any) -> Any:
    model.compile("adam", "mse", run_eagerly=True)
    model.fit(np.ones([2, 6, 6, 2], np.float32), np.ones([2, 3], np.float32), verbose=0)
    return model


def optimizer_variables(model: Any) -> list[Any]:
    variables = model.optimizer.variables
    return list(variables() if callable(variables) else variables)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("architecture", ["lstm", "gru", "bidirectional"])
def test_recurrent_layers_as_older_versions_called_them(architecture: str, family: str, tmp_path: Path) -> None:
    artefact = families.written_with_older_names(ARCHITECTURES[architecture], tmp_path)
    model = ARCHITECTURES[architecture].built(FAMILIES[family], named)

    pr.restore_subset(model, artefact.path, strict=True)

    assert sorted(families.contents(model)) == sorted(artefact.contents)
    np.testing.assert_allclose(ARCHITECTURES[architecture].output(model), artefact.output, rtol=1e-5, atol=1e-6)


Tree = list[Any]
"""Layers in order, each a number; a list is a model within."""


def deep(k: Any, tree: Tree, numbered: dict[int, Any]) -> Any:
    """A model without names: those on even levels are Sequential, those within them Functional."""
    return _deep(k, tree, numbered, is_functional=False)


def _deep(k: Any, tree: Tree, numbered: dict[int, Any], *, is_functional: bool) -> Any:
    parts = []
    for each in tree:
        if isinstance(each, list):
            parts.append(_deep(k, each, numbered, is_functional=not is_functional))
        else:
            numbered[each] = k.layers.Dense(4)
            parts.append(numbered[each])
    start = k.layers.Input([4])
    if not is_functional:
        return k.Sequential([start, *parts])
    x = start
    for part in parts:
        x = part(x)
    return k.Model(start, x)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tree", [[0, [1, 2, [3, 4]], 5], [0, 1, [[2], [3, 4]]], [[[0, [1]]], [[2, 3], 4]]])
def test_models_within_models_of_a_whole_model_load_without_names(tree: Tree, family: str, tmp_path: Path) -> None:
    """Legacy HDF5 calls a layer by fewer models than are around it; the configuration beside the weights tells them all."""
    k, old, new = FAMILIES[family], {}, {}
    source, target = deep(k, tree, old), deep(k, tree, new)
    for i, layer in old.items():
        layer.set_weights([np.full(v.shape, i + 1, np.float32) for v in layer.weights])
    source.save(tmp_path / "m.h5")

    pr.restore_subset(target, tmp_path / "m.h5", strict=True)

    for i, layer in new.items():
        assert [set(v.ravel()) for v in layer.get_weights()] == [{i + 1}, {i + 1}], i


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([0, [[1, 2, 3], 4, 5], 6], [0, [[1, 3], 4, 5, 2], 6]),
        ([[[0]], [[1, 2, 3]]], [[[0]], [[1, 3], 2]]),
        ([[0, [1, 2, 3]]], [[[1, 0, 2, 3]]]),
        ([0, 1, [[2, 3, 4], [5, 6, 7]]], [0, 1, [[2, 3, 6, 4], [5, 7]]]),
    ],
)
def test_a_layer_that_went_into_another_inner_model_is_no_other_one(
    before: Tree, after: Tree, family: str, tmp_path: Path
) -> None:
    """As many layers under as many names: only the models around them tell that one has moved."""
    k, old, new = FAMILIES[family], {}, {}
    source, target = deep(k, before, old), deep(k, after, new)
    for i, layer in old.items():
        layer.set_weights([np.full(v.shape, i + 1, np.float32) for v in layer.weights])
    source.save(tmp_path / "m.h5")

    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, tmp_path / "m.h5")

    with contextlib.suppress(pr.NothingLoadedError):
        pr.restore_subset(target, tmp_path / "m.h5", exclude=caught.value.names)
    firsts = {i: layer.get_weights()[0].ravel()[0] for i, layer in new.items()}
    wrong = {i: first for i, first in firsts.items() if first != i + 1 and first in range(1, 9)}
    assert not wrong


NAMED: dict[str, tuple[Any, ...]] = {
    # An outer model: a name and its layers; a name alone is a layer (after `-` one without weights), one after `*` wraps a model.
    "a layer called as its model": ("net", ("s", ("dec", "dec")), "bn"),
    "a layer called as a model beside it": ("net", ("outer", "enc", ("s", ("enc", "d")))),
    "two layers of one name": ("net", ("outer", ("s1", ("s2", "head")), "head")),
    "a layer and one deeper": ("net", ("outer", ("s1", ("s2", "b"), "b"))),
    "a model that a layer wraps": ("net", ("inner", ("*td", "d"))),
    "and a layer of that name": ("net", ("inner", "d", ("*td", "d"))),
    "a layer without weights": ("net", ("outer", ("s1", ("s2", "-a", "c"), "b"))),
}


def named_model(k: Any, tree: tuple[Any, ...], shape: tuple[int, ...] = (3, 4)) -> Any:
    name, *parts = tree
    if name.startswith("*"):
        return k.layers.TimeDistributed(named_model(k, ("wrapped", *parts), shape[1:]), name=name[1:])
    layers = [
        named_model(k, each, shape)
        if isinstance(each, tuple)
        else k.layers.Activation("relu", name=each[1:])
        if each.startswith("-")
        else k.layers.Dense(4, name=each)
        for each in parts
    ]
    return k.Sequential([k.layers.Input(shape), *layers], name=name)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", NAMED)
def test_named_layers_of_models_within_models_of_a_whole_model(kind: str, family: str, tmp_path: Path) -> None:
    source, target = (named_model(FAMILIES[family], NAMED[kind]) for _ in range(2))
    try:
        source.save(tmp_path / "m.h5")
    except ValueError as error:
        assert "name already exists" in str(error)  # noqa: PT017  Keras 2 gives two weights one name.
        return
    if family == "keras" and source._functional is None:
        pytest.skip("this Keras makes no graph of a model around a layer that wraps a model, and tracks nothing of it")

    pr.restore_subset(target, tmp_path / "m.h5", strict=True)

    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("save", [families.legacy_model, families.legacy_weights])
def test_a_slash_in_the_name_of_a_layer_of_keras_2(save: Any, tmp_path: Path) -> None:
    def layers() -> Any:
        dense = (tf_keras.layers.Dense(4, name=name) for name in ("fc", "block1/conv"))
        return tf_keras.Sequential([tf_keras.Input([4]), *dense])

    source, target = layers(), layers()
    path = save(source, tmp_path)

    pr.restore_subset(target, path, strict=True)

    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("renamed", ["encoder", "net"])
def test_a_layer_of_a_subclassed_model_of_keras_2_has_the_name_of_that(renamed: str, tmp_path: Path) -> None:
    def made(name: str, *layers: str) -> Any:
        class Net(tf_keras.Model):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(name=name)
                self.parts = {each: tf_keras.layers.Dense(4, name=each) for each in layers}

            def call(self, x: Any) -> Any:
                for each in layers:
                    x = self.parts[each](x)
                return x

        model = Net()
        model(np.ones([1, 4], np.float32))
        return model

    source, target = made("encoder", "stem", "encoder", "head"), made(renamed, "head", "stem", "encoder")
    report = pr.restore_subset(target, families.legacy_weights(families.randomized(source), tmp_path), strict=True)

    assert len(report.loaded) == 6
    for name, layer in target.parts.items():
        for ours, theirs in zip(layer.get_weights(), source.parts[name].get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("names", ["abc", "xabc", "ac", "cba"])
def test_layers_in_a_list_of_a_model_of_keras_2_that_builds_them(names: str, tmp_path: Path) -> None:
    """Its `build` runs as it is called: their weights are called as if they were its own, in groups with their names."""

    def made(names: str) -> Any:
        class Net(tf_keras.Model):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(name="net")
                self.first = tf_keras.layers.Dense(4, name="stem")
                self.parts = [tf_keras.layers.Dense(4, name=each) for each in names]

            def build(self, _: Any) -> None:
                for each in (self.first, *self.parts):
                    each.build((None, 4))
                self.built = True

            def call(self, x: Any) -> Any:
                for each in (self.first, *self.parts):
                    x = each(x)
                return x

        model = Net()
        model(np.ones([1, 4], np.float32))
        return model

    source, target = made("abc"), made(names)
    before = {each.name: each.get_weights() for each in target.parts}
    pr.restore_subset(target, families.legacy_weights(families.randomized(source), tmp_path))

    known = {each.name: each.get_weights() for each in (source.first, *source.parts)}
    for layer in (target.first, *target.parts):
        for ours, theirs in zip(layer.get_weights(), known.get(layer.name) or before[layer.name], strict=True):
            np.testing.assert_array_equal(ours, theirs)


class Builder(tf_keras.layers.Layer):  # type: ignore[misc]
    """A layer that builds the one in it: its weights are then called as if they were its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.inner = tf_keras.layers.Dense(4)

    def build(self, shape: Any) -> None:
        self.inner.build(shape)
        super().build(shape)

    def call(self, x: Any) -> Any:
        return self.inner(x)


@pytest.mark.parametrize("save", [families.legacy_model, families.legacy_weights])
def test_a_layer_of_keras_2_that_builds_the_one_in_it(save: Any, tmp_path: Path) -> None:
    def layers(*names: str) -> Any:
        return tf_keras.Sequential([tf_keras.Input([4]), *map(Builder, names), tf_keras.layers.Dense(4, name="body")])

    source, target = families.randomized(layers("first", "second")), layers("second", "first")
    before = {layer.name: layer.get_weights() for layer in source.layers}

    pr.restore_subset(target, save(source, tmp_path), strict=True)

    for layer in target.layers:
        for ours, theirs in zip(layer.get_weights(), before[layer.name], strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("save", [families.legacy_model, families.legacy_weights])
def test_slashes_in_the_names_of_layers_within_a_model_of_keras_2(save: Any, tmp_path: Path) -> None:
    def wrapped(head: str) -> tuple[Any, Any]:
        inputs = x = tf_keras.Input([4])
        for name in ("stem", "stem/norm", "block/up/norm", "block/up"):
            layer = tf_keras.layers.BatchNormalization if name.endswith("norm") else tf_keras.layers.Dense
            x = layer(name=name)(x) if name.endswith("norm") else layer(4, name=name)(x)
        body = families.randomized(tf_keras.Model(inputs, x, name="body"))
        return body, tf_keras.Sequential([tf_keras.Input([4]), body, tf_keras.layers.Dense(2, name=head)])

    (saved, source), (body, target) = wrapped("old"), wrapped("new")

    report = pr.restore_subset(target, save(source, tmp_path))

    assert {item.name for item in report.initialized} == {"new/kernel", "new/bias"}
    for ours, theirs in zip(body.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "names",
    [
        ["up", "up/BN", "down", "down/BN"],
        ["block/up", "block/up/BN", "block/down", "block/down/BN"],
        ["Conv", "Conv/BN", "Conv_1", "Conv_1/BN"],
        ["Conv", "Conv/BN", "block/se", "block/down", "block/down/BN", "block_1/down", "block_1/down/BN"],
        ["block", "block/up", "block/up/BN"],
    ],
)
def test_names_of_layers_of_which_one_begins_another(names: list[str], tmp_path: Path) -> None:
    """As those of MobileNetV3: a checkpoint tells them by the full names of variables alone."""

    def layers(*heads: str) -> Any:
        norm, dense = tf_keras.layers.BatchNormalization, tf_keras.layers.Dense
        inputs = x = tf_keras.Input([4])
        for name in (*names, *heads):
            x = norm(name=name)(x) if name.endswith("BN") else dense(4, name=name)(x)
        return tf_keras.Model(inputs, x)

    source, target = families.randomized(layers("head")), layers()

    report = pr.restore_subset(target, tf.train.Checkpoint(model=source).write(str(tmp_path / "ckpt")))

    assert not report.initialized
    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=False):
        np.testing.assert_array_equal(ours, theirs)


def stacked(family: str, names: Sequence[str | None], parts: Sequence[str]) -> Any:
    """Return a model that has a list of blocks; the layers in these have no names but their attributes."""
    keras = FAMILIES[family]

    class Block(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, name: str | None) -> None:
            super().__init__(name=name)
            for part in parts:
                setattr(self, part, keras.layers.Dense(4))

        def call(self, x: Any) -> Any:
            for part in parts:
                x = getattr(self, part)(x)
            return x

    class Stack(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem = keras.layers.Dense(4)
            self.blocks = [Block(name) for name in names]

        def call(self, x: Any) -> Any:
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return x

    model = Stack()
    model(np.zeros([1, 4], np.float32))
    return model


def by_attribute(model: Any) -> dict[tuple[str, str, str], Array]:
    return {
        (block.name, part, kind): getattr(getattr(block, part), kind).numpy()
        for block in model.blocks
        for part in ("query", "value", "adapter")
        if hasattr(block, part)
        for kind in ("kernel", "bias")
    }


STACKS: dict[str, tuple[Sequence[str | None], Sequence[str]]] = {
    "one more": (["a", "b", "x", "c"], ["query", "value"]),
    "one less": (["a", "c"], ["query", "value"]),
    "an adapter in each": (["a", "b", "c"], ["query", "value", "adapter"]),
    "made in another order": (["a", "b", "c"], ["value", "query"]),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS.keys())
def test_blocks_with_names_in_a_list_have_their_attributes(
    stack: tuple[Sequence[str | None], Sequence[str]], is_live: bool, family: str, tmp_path: Path
) -> None:
    source = families.randomized(stacked(family, "abc", ["query", "value"]))
    target = stacked(family, *stack)
    meant = by_attribute(target) | {key: each for key, each in by_attribute(source).items() if key[0] in stack[0]}
    pr.save_subset(source, str(tmp_path / "ckpt"))

    pr.restore_subset(target, source if is_live else tmp_path / "ckpt")

    found = by_attribute(target)
    assert found.keys() == meant.keys()
    for key, each in found.items():
        np.testing.assert_array_equal(each, meant[key])


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_in_every_block_without_a_name(family: str) -> None:
    source = families.randomized(stacked(family, [None] * 3, ["query", "value"]))
    target = stacked(family, [None] * 3, ["query", "value", "adapter"])

    report = pr.restore_subset(target, source)

    assert all("adapter" in item.name for item in report.initialized)
    for ours, theirs in zip(target.blocks, source.blocks, strict=True):
        np.testing.assert_array_equal(ours.query.kernel, theirs.query.kernel)
        np.testing.assert_array_equal(ours.value.bias, theirs.value.bias)


HALVES = ["float16", "bfloat16", "mixed_bfloat16"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("policy", HALVES)
def test_every_policy_of_dtypes_goes_over_bit_by_bit(writer: str, policy: str, family: str, tmp_path: Path) -> None:
    architecture = families.Architecture(lambda k, n: halved(k, n, policy), ARCHITECTURES["nested"].inputs)
    saved, write = WRITERS[writer]
    artefact = families.written(architecture, architecture.built(FAMILIES[saved], named), write, tmp_path)
    model = architecture.built(FAMILIES[family], named)

    report = pr.restore_subset(model, artefact.path, strict=True, cast="never")

    assert_complete(report, model, artefact)
    np.testing.assert_allclose(architecture.output(model), artefact.output, rtol=0.05, atol=0.05)


def halved(k: Any, n: Called, policy: str) -> Any:
    inputs = k.layers.Input([4], name=n("features"))
    x = k.layers.LayerNormalization(name=n("norm"), dtype=policy)(k.layers.Dense(4, name=n("a"), dtype=policy)(inputs))
    return k.Model(inputs, k.layers.Dense(2, name=n("out"))(x), name=n("half"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("writer", WRITERS)
def test_statistics_that_a_layer_computes_with_are_taken_over(writer: str, family: str, tmp_path: Path) -> None:
    """`Normalization` keeps its statistics in variables and computes with what it made of them."""
    architecture = families.Architecture(normalized, ARCHITECTURES["nested"].inputs)
    saved, write = WRITERS[writer]
    artefact = families.written(architecture, adapted(architecture, FAMILIES[saved], 3), write, tmp_path)
    model = adapted(architecture, FAMILIES[family], 1)

    report = pr.restore_subset(model, artefact.path, strict=True)

    assert not report.initialized
    np.testing.assert_allclose(architecture.output(model), artefact.output, rtol=1e-5, atol=1e-6)


def normalized(k: Any, n: Called) -> Any:
    inputs = k.layers.Input([4], name=n("features"))
    x = k.layers.Normalization(name=n("scaled"))(inputs)
    return k.Model(inputs, k.layers.Dense(2, name=n("out"))(x), name=n("normalized"))


def adapted(architecture: families.Architecture, k: Any, scale: float) -> Any:
    model = architecture.build(k, named)
    model.get_layer("scaled").adapt(scale * np.random.default_rng(int(scale)).normal(size=[8, 4]) + scale)
    return model


def backward(k: Any) -> Any:
    back = k.layers.LSTM(2, go_backwards=True, name="d")
    return k.layers.Bidirectional(k.layers.LSTM(2, name="c"), backward_layer=back, name="a")


# fmt: off
DIFFERENCES = {
    # how it is made, on what: {what one weight is called as an op (Keras 3, Keras 2), and in `tf.train.Checkpoint`}
    "dense": (lambda k: k.layers.Dense(2, name="a"), [2, 3], ("a/kernel", "a/kernel"), ("_kernel", "kernel")),
    "embedding": (lambda k: k.layers.Embedding(5, 2, name="a"), [2, 3], ("a/embeddings", "a/embeddings"), ("_embeddings", "embeddings")),
    "conv": (lambda k: k.layers.Conv2D(2, 2, name="a"), [2, 4, 4, 2], ("a/kernel", "a/kernel"), ("_kernel", "kernel")),
    "transposed": (lambda k: k.layers.Conv2DTranspose(2, 2, name="a"), [2, 4, 4, 2], ("a/kernel", "a/kernel"), ("kernel", "kernel")),
    "depthwise": (lambda k: k.layers.DepthwiseConv2D(2, name="a"), [2, 4, 4, 2], ("a/kernel", "a/depthwise_kernel"), ("kernel", "depthwise_kernel")),
    "separable": (lambda k: k.layers.SeparableConv2D(2, 2, name="a"), [2, 4, 4, 2], ("a/depthwise_kernel", "a/depthwise_kernel"), ("depthwise_kernel", "depthwise_kernel")),
    "batch norm": (lambda k: k.layers.BatchNormalization(name="a"), [2, 3], ("a/moving_variance", "a/moving_variance"), ("moving_variance", "moving_variance")),
    "layer norm": (lambda k: k.layers.LayerNormalization(name="a"), [2, 3], ("a/gamma", "a/gamma"), ("gamma", "gamma")),
    "normalization": (lambda k: k.layers.Normalization(name="a"), [2, 3], ("a/mean", "a/mean"), ("adapt_mean", "mean")),
    "lstm": (lambda k: k.layers.LSTM(2, name="a"), [2, 2, 3], ("a/lstm_cell/kernel", "a/lstm_cell/kernel"), ("cell/kernel", "cell/kernel")),
    "conv lstm": (lambda k: k.layers.ConvLSTM2D(2, 2, name="a"), [2, 2, 4, 4, 2], ("a/conv_lstm_cell/kernel", "a/kernel"), ("cell/kernel", "cell/kernel")),
    "cell": (lambda k: k.layers.RNN(k.layers.GRUCell(2, name="c"), name="a"), [2, 2, 3], ("a/c/kernel", "a/c/kernel"), ("cell/kernel", "cell/kernel")),
    "every step": (lambda k: k.layers.TimeDistributed(k.layers.Dense(2, name="c"), name="a"), [2, 2, 3], ("a/c/kernel", "a/kernel"), ("layer/_kernel", "layer/kernel")),
    "bidirectional": (lambda k: k.layers.Bidirectional(k.layers.LSTM(2, name="c"), name="a"), [2, 2, 3], ("a/backward_c/lstm_cell/bias", "a/backward_c/lstm_cell/bias"), ("backward_layer/cell/bias", "backward_layer/cell/bias")),
    "backward": (backward, [2, 2, 3], ("a/d/lstm_cell/bias", "a/backward_d/lstm_cell/bias"), ("backward_layer/cell/bias", "backward_layer/cell/bias")),
    "einsum": (lambda k: k.layers.EinsumDense("ab,bc->ac", 2, name="a"), [2, 3], ("a/kernel", "a/kernel"), ("_kernel", "kernel")),
}
# fmt: on
"""What the families call otherwise, and some that one might take for it. Besides: the parts of `MultiHeadAttention` are
``query/kernel`` as ops and ``_query_dense/_kernel`` or ``_query_dense/kernel`` as keys. A Functional model is
``functional_1`` in Keras 3 and ``model_1`` in Keras 2. Keras 3 stores no `StackedRNNCells` in `tf.train.Checkpoint`. In a
graph of TensorFlow 1 no layer is called after the Sequential or Functional model in which it stands."""


@pytest.mark.parametrize("layer", DIFFERENCES)
def test_the_families_differ_as_the_table_says(layer: str, tmp_path: Path) -> None:
    make, shape, names, keys = DIFFERENCES[layer]
    for k, name, key in zip(FAMILIES.values(), names, keys, strict=True):
        made = make(k)
        made(np.zeros(shape, np.float32))
        called = {getattr(each, "path", each.name).removesuffix(":0") for each in made.variables}
        path = tf.train.Checkpoint(made).write(str(tmp_path / k.__name__))
        assert name in called
        assert f"{key}/.ATTRIBUTES/VARIABLE_VALUE" in dict(tf.train.list_variables(path))


class _Encoder(tf_keras.Model):  # type: ignore[misc]
    """A model of which a configuration tells no layers."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.first, self.second = (tf_keras.layers.Dense(4, name=each) for each in ("first", "second"))

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


def _with_heads(*heads: str) -> Any:
    inputs = tf_keras.Input([4])
    x = _Encoder("encoder")(inputs)
    for head in heads:
        x = tf_keras.layers.Dense(4, bias_initializer="uniform", name=head)(x)
    return tf_keras.Model(inputs, x)


@pytest.mark.parametrize("heads", [["mid", "new"], ["out", "mid"]], ids=["another head", "swapped heads"])
def test_the_names_of_an_archive_count_beside_a_model_of_which_it_has_none(heads: list[str], tmp_path: Path) -> None:
    saved, model = _with_heads("mid", "out"), _with_heads(*heads)
    saved.save(tmp_path / "model.keras")
    pr.restore_subset(model, tmp_path / "model.keras")
    for name in ("encoder", *(each for each in heads if each != "new")):
        pairs = zip(model.get_layer(name).get_weights(), saved.get_layer(name).get_weights(), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs), name
    if "new" in heads:
        assert not np.array_equal(model.get_layer("new").get_weights()[1], saved.get_layer("out").get_weights()[1])


class _Named(tf_keras.layers.Layer):  # type: ignore[misc]
    """A layer whose configuration does not tell its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.inner = tf_keras.layers.Dense(4, bias_initializer="uniform")

    def build(self, shape: Any) -> None:
        self.inner.build(shape)
        super().build(shape)

    def call(self, x: Any) -> Any:
        return self.inner(x)

    def get_config(self) -> dict[str, Any]:
        return {}


class _Around(tf_keras.Model):  # type: ignore[misc]
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def call(self, x: Any) -> Any:
        return self.inner(x)

    def get_config(self) -> dict[str, Any]:
        return {}


def _sequential_around_a_layer(name: str | None) -> Any:
    layers = tf_keras.layers
    return tf_keras.Sequential([layers.Input([4]), layers.Dense(4, name=name), _Named("encoder"), layers.Dense(4)])


def _functional_in_subclassed_in_functional(name: str | None) -> Any:
    x = inputs = tf_keras.Input([4])
    inner = tf_keras.Model(inputs, tf_keras.layers.Dense(4)(tf_keras.layers.Dense(4)(x)))
    outer = tf_keras.Input([4])
    return tf_keras.Model(outer, tf_keras.layers.Dense(4)(_Around(inner)(tf_keras.layers.Dense(4, name=name)(outer))))


@pytest.mark.parametrize("name", ["stem", None])
@pytest.mark.parametrize("build", [_sequential_around_a_layer, _functional_in_subclassed_in_functional])
def test_an_archive_that_tells_a_part_of_the_names_loads_completely(
    build: Callable[[str | None], Any], name: str | None, tmp_path: Path
) -> None:
    saved = build(name)
    saved.save(tmp_path / "model.keras")
    model = build(name)
    pr.restore_subset(model, tmp_path / "model.keras")
    assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), saved.get_weights(), strict=True))


def _private(k: Any, count: int) -> Any:
    """Return layers of a class for which Keras 2 makes up other names than Keras 3 does, as it begins with an underscore."""
    cls = type("_Dense", (k.layers.Dense,), {})
    return k.Sequential([k.layers.Input([4]), *(cls(4, bias_initializer="uniform") for _ in range(count))])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("writer", WRITERS)
def test_the_names_of_private_classes_are_made_up_too(writer: str, family: str, tmp_path: Path) -> None:
    module, write = WRITERS[writer]
    saved = _private(FAMILIES[module], 2)
    path = write(saved, tmp_path)
    model = _private(FAMILIES[family], 2)
    pr.restore_subset(model, path)
    assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), saved.get_weights(), strict=True))
    with pytest.raises((pr.AmbiguousError, pr.NothingLoadedError)):
        pr.restore_subset(_private(FAMILIES[family], 3), path)


@pytest.mark.parametrize("write", [families.legacy_weights, families.legacy_model], ids=["weights", "model"])
def test_layers_that_got_other_names_after_they_were_built(write: families.Write, tmp_path: Path) -> None:
    def renamed() -> Any:
        body = tf_keras.Sequential([tf_keras.layers.Dense(4, bias_initializer="uniform", name=name) for name in "ab"])
        body.build([None, 4])
        x = inputs = tf_keras.Input([4])
        for layer in body.layers:
            layer._name = f"left_{layer.name}"
            x = layer(x)
        return tf_keras.Model(inputs, tf_keras.layers.Dense(4, name="head")(x))

    saved = renamed()
    path = write(saved, tmp_path)
    model = renamed()
    pr.restore_subset(model, path)
    assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), saved.get_weights(), strict=True))


class Halves(tf_keras.Model):
    """A model of two models in attributes, of one class, at times with optimizers beside them."""

    def __init__(self, prefix: str, *, is_trained: bool) -> None:
        super().__init__()
        # The names of attributes sort otherwise than the model has them.
        self.front, self.end = (
            tf_keras.Sequential([tf_keras.layers.Dense(4, name=f"{name}{i}" if name else None) for i in range(2)])
            for name in (prefix and f"{prefix}_front", prefix and f"{prefix}_end")
        )
        self(np.ones([1, 4], np.float32))
        if is_trained:
            self.a_opt, self.b_opt = tf_keras.optimizers.Adam(), tf_keras.optimizers.Adam()
            self.a_opt.build(self.front.trainable_variables)
            self.b_opt.build(self.end.trainable_variables)

    def call(self, inputs: Any) -> Any:
        return self.end(self.front(inputs))


@pytest.mark.parametrize("is_trained", [False, True])
@pytest.mark.parametrize("prefix", ["", "fc"])
def test_models_in_attributes_of_a_model_of_keras_2(prefix: str, is_trained: bool, tmp_path: Path) -> None:
    source, target = (Halves(prefix, is_trained=is_trained) for _ in range(2))
    source.save_weights(path := str(tmp_path / "halves.weights.h5"))
    assert len(pr.restore_subset(target, path).loaded) == 8
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("names", ["abc", "bac", "bc", "anbc"])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_cells_of_an_archive_are_known_by_their_names(ending: str, names: str, family: str, tmp_path: Path) -> None:
    def stacked(kit: Any, names: str) -> tuple[Any, dict[str, Any]]:
        cells = {name: kit.layers.GRUCell(4, name=name) for name in names}
        layer = kit.layers.RNN(kit.layers.StackedRNNCells(list(cells.values())), name="rnn")
        return kit.Sequential([kit.layers.Input((3, 4)), layer, kit.layers.Dense(4, name="head")]), cells

    (source, old), (target, new) = stacked(tf_keras, "abc"), stacked(FAMILIES[family], names)
    for weight in source.weights:
        weight.assign(np.random.default_rng().normal(size=weight.shape))
    source.save(path := str(tmp_path / f"model{ending}"))
    report = pr.restore_subset(target, path)
    for name in set(names) & set("abc"):
        for ours, theirs in zip(new[name].weights, old[name].weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert len(report.loaded) == 3 * len(set(names) & set("abc")) + 2


def scaled(k: Any, names: Sequence[str | None]) -> Any:
    """Return a model of layers with one weight each, which has these names."""

    class Scale(k.layers.Layer):  # type: ignore[misc]
        def __init__(self, called: str | None, **options: Any) -> None:
            super().__init__(**options)
            self.called = called

        def build(self, shape: Any) -> None:
            self.gamma = self.add_weight(shape=(shape[-1],), **({"name": self.called} if self.called else {}))
            self.built = True

        def call(self, x: Any) -> Any:
            return x * self.gamma

    inputs = outputs = k.Input([4])
    for i, called in enumerate(names):
        outputs = Scale(called, name=f"scale_of_{'abc'[i]}")(outputs)
    return families.randomized(k.Model(inputs, outputs))


@pytest.mark.parametrize("names", [(None, None), ("gamma", None), (None, "gamma"), ("gamma", "gamma")], ids=str)
@pytest.mark.parametrize("kind", ["whole", "weights", "arrays"])
@pytest.mark.parametrize("writer", FAMILIES)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_only_weight_of_a_layer_may_be_given_a_name_on_one_side(
    family: str, writer: str, kind: str, names: tuple[str | None, str | None], tmp_path: Path
) -> None:
    old, new = (scaled(FAMILIES[each], [name] * 2) for each, name in zip((writer, family), names, strict=True))
    if kind == "arrays":
        ckpt: Any = {getattr(each, "path", each.name): each.numpy() for each in old.variables}
    else:
        ckpt = str(tmp_path / "old.h5")
        old.save(ckpt) if kind == "whole" or writer == "keras" else old.save_weights(ckpt)
    rename: Any = None
    if kind == "arrays" and names[0] is None and (writer, family, names[1]) != ("tf_keras", "tf_keras", None):
        with pytest.raises(pr.AmbiguousError) as refused:  # Nothing tells of arrays that the layer has no other.
            pr.restore_subset(new, ckpt)
        rename = refused.value.rename
    pr.restore_subset(new, ckpt, rename=rename)
    for mine, yours in zip(new.variables, old.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), yours.numpy())


@pytest.mark.parametrize("family", FAMILIES)
def test_what_has_a_name_is_not_taken_for_what_has_none_where_there_are_several(family: str, tmp_path: Path) -> None:
    k = FAMILIES[family]

    class Both(k.layers.Layer):  # type: ignore[misc]
        def __init__(self, first: str, second: str) -> None:
            super().__init__(name="both")
            self.parts = first, second

        def build(self, _: Any) -> None:
            for each in self.parts:
                setattr(self, each, self.add_weight(shape=(2,), **({"name": each} if each == "beta" else {})))
            self.built = True

        def call(self, x: Any) -> Any:
            return x * self.gamma + self.beta

    def made(*parts: str) -> Any:
        inputs = k.Input([2])
        return families.randomized(k.Model(inputs, Both(*parts)(inputs)))

    old, new = made("gamma", "beta"), made("beta", "gamma")
    old.save(str(tmp_path / "old.h5"))
    pr.restore_subset(new, str(tmp_path / "old.h5"))
    for each in ("gamma", "beta"):
        mine, yours = (getattr(model.layers[-1], each).numpy() for model in (new, old))
        np.testing.assert_array_equal(mine, yours)


def of_steps(parts: str) -> Any:
    """A model without names, some layers of which go over every step."""
    layers = tf_keras.layers
    made = {
        "steps": lambda: layers.TimeDistributed(layers.Dense(4)),
        "norm": layers.BatchNormalization,
        "dense": lambda: layers.Dense(4),
    }
    return tf_keras.Sequential([layers.Input([3, 4]), *(made[part]() for part in parts.split())])


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("parts", ["steps norm steps norm dense", "steps dense steps dense", "norm steps norm dense"])
def test_what_goes_over_steps_is_no_model_within(parts: str, whole: bool, tmp_path: Path) -> None:
    """A legacy file does not name the layer that is wrapped: one of its class and shape beside it is another one."""
    source, path = randomized(of_steps(parts)), tmp_path / "model.h5"
    (source.save if whole else source.save_weights)(path)
    target = of_steps(parts)
    pr.restore_subset(target, path)
    assert contents(target) == contents(source)


@pytest.mark.parametrize(
    "parts", ["steps norm steps norm steps", "steps norm dense norm dense", "norm steps norm dense"]
)
def test_layers_over_steps_that_came_or_went_are_undecidable(parts: str, tmp_path: Path) -> None:
    randomized(of_steps("steps norm steps norm dense")).save_weights(tmp_path / "model.h5")
    target = of_steps(parts)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, tmp_path / "model.h5")


def with_shared(k: Any, edit: str = "") -> Any:
    """A model whose layers have names, of which two models within and the one around them share one."""

    def dense(name: str) -> Any:
        return k.layers.Dense(4, name=name)

    def inner(name: str, *layers: Any) -> Any:
        x = inputs = k.Input([4])
        for layer in layers:
            x = layer(x)
        return k.Model(inputs, x, name=name)

    shared = dense("shared")
    models = [
        inner("one", dense("a"), *([] if "one" in edit else [shared]), dense("b")),
        inner("two", *([] if "two" in edit else [shared]), dense("c")),
    ]
    layers = [dense("d"), *models, k.layers.TimeDistributed(shared, name="steps"), shared, dense("e")]
    if "apart" in edit:
        layers[-2] = dense("shared")
    x = inputs = k.Input([4])
    for layer in layers:
        is_of_steps = layer.name == "steps"
        x = k.layers.Reshape([1, 4])(x) if is_of_steps else x
        x = k.layers.Reshape([4])(layer(x)) if is_of_steps else layer(x)
    return k.Model(inputs, x)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("saved", ["", "one", "two", "apart"])
@pytest.mark.parametrize("made", ["", "one", "two", "one two"])
def test_a_shared_layer_in_an_archive_is_not_counted_twice(saved: str, made: str, family: str, tmp_path: Path) -> None:
    """It is stored where it comes first, and tf.keras does not count it again: what follows has another number then."""
    k = FAMILIES[family]
    source, target = randomized(with_shared(k, saved)), with_shared(k, made)
    source.save(tmp_path / "model.keras")
    kernels = {each.name: weights_of(source, each.name) for each in leaves(source)}
    before = weights_of(target, "shared")
    told: pr.AmbiguousError | None = None
    try:
        pr.restore_subset(target, tmp_path / "model.keras")
    except pr.AmbiguousError as error:
        told = error
    if told and "apart" in saved:
        return
    if told:
        assert saved != made
        assert {name.split("/")[-2] for name in told.names} == {"shared"}
        pr.restore_subset(target, tmp_path / "model.keras", rename=told.rename)
        before = kernels["shared"]
    for name in (each.name for each in leaves(target) if each.name != "shared"):
        assert weights_of(target, name) == kernels[name]
    if "apart" not in saved:
        allowed = [kernels["shared"]] if saved == made else [kernels["shared"], before]
        assert weights_of(target, "shared") in allowed


def leaves(model: Any) -> list[Any]:
    """The layers of a model and of those within it that have weights of their own."""
    return [
        leaf
        for layer in model.layers
        for leaf in (leaves(layer) if hasattr(layer, "layers") else [layer] if layer.weights else [])
        if leaf.name != "steps"
    ]


def weights_of(model: Any, name: str) -> list[Any]:
    found = next(each for each in leaves(model) if each.name == name)
    return [np.asarray(each).tolist() for each in found.get_weights()]


def dense(k: Any) -> Any:
    return k.layers.Dense(4)


def of_attributes(k: Any, *, beside: bool) -> dict[str, Any]:
    depth, boxes = dense(k), dense(k)
    alone = {"depth": depth, "boxes": boxes} if beside else {"depth": depth}
    return alone | {"heads": {"depth": depth, "boxes": boxes}}


def of_list(k: Any) -> dict[str, Any]:
    both = [dense(k), dense(k)]
    return {"both": both, "heads": dict(zip(("depth", "boxes"), both, strict=True))}


def of_two(k: Any) -> dict[str, Any]:
    one, two = dense(k), dense(k)
    return {"first": {"z": one, "a": two}, "other": {"a": one, "z": two}}


HOLDERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "attributes": lambda k: of_attributes(k, beside=True),
    "one attribute": lambda k: of_attributes(k, beside=False),
    "last attributes": lambda k: dict(zip(("ta", "heads", "tb"), of_attributes(k, beside=True).values(), strict=True)),
    "list": of_list,
    "two dicts": of_two,
    "dict of a list": lambda k: {"heads": {"depth": dense(k), "boxes": [dense(k), dense(k)]}},
    "list of dicts": lambda k: {"heads": [{key: dense(k) for key in "qb"} for _ in range(2)]},
    "dict of dicts": lambda k: {"outs": {one: {key: dense(k) for key in "qb"} for one in "za"}},
    "dict with none": lambda k: {"outs": {"z": dense(k), "act": None, "a": dense(k)}},
    "dict of models": lambda k: {"heads": {key: k.Sequential([dense(k)]) for key in "za"}},
    "dict that grew": lambda k: {"heads": {"depth": dense(k)}, "mid": dense(k), "more": {"boxes": dense(k)}},
}


@pytest.mark.parametrize(
    ("holder", "is_set_again"),
    [*((each, False) for each in HOLDERS), ("dict with none", True), ("list of dicts", True), ("dict of a list", True)],
)
@pytest.mark.parametrize("form", ["weights.h5", "keras", "h5"])
@pytest.mark.parametrize("reader", FAMILIES)
@pytest.mark.filterwarnings("ignore:.*was called on layer")  # Keras 3 keeps the layer that was replaced.
def test_layers_without_names_in_containers_of_keras_2(
    reader: str, form: str, holder: str, is_set_again: bool, tmp_path: Path
) -> None:
    """It goes into dicts by their sorted keys, also where a layer is met elsewhere before."""

    def model(k: Any) -> Any:
        class Model(k.Model):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.body, held = dense(k), HOLDERS[holder](k)
                if is_set_again:
                    self.zero, self.one = dense(k), dense(k)
                    self.zero = dense(k)
                more = held.pop("more", {})
                for name, value in held.items():
                    setattr(self, name, dict(value) if isinstance(value, dict) else value)
                for key, value in more.items():
                    self.heads[key] = value
                self.__dict__["ordered"] = [self.body, *tf.nest.flatten([*held.values(), more])]
                if is_set_again:
                    self.ordered.extend([self.zero, self.one])

            def call(self, inputs: Any) -> Any:
                for layer in filter(None, self.ordered):
                    inputs = layer(inputs)
                return inputs

        made = Model()
        made(tf.zeros([1, 4]))
        return made

    source, target = randomized(model(tf_keras)), model(FAMILIES[reader])
    path = tmp_path / f"model.{form}"
    source.save(path) if form == "keras" else source.save_weights(path)
    pr.restore_subset(target, path, strict=True)
    for ours, theirs in zip(*(filter(None, each.ordered) for each in (target, source)), strict=True):
        np.testing.assert_array_equal(ours.get_weights()[0], theirs.get_weights()[0])


@pytest.mark.parametrize("keys", ["seg aux", "aux seg"])
@pytest.mark.parametrize("attribute", ["heads", "outs"])
@pytest.mark.parametrize(
    ("writer", "form"),
    [
        *itertools.product(["keras", "tf_keras", "tf.keras 2.14"], ["weights.h5", "keras"]),
        ("tf_keras", "h5"),
    ],
)
@pytest.mark.parametrize("reader", FAMILIES)
def test_a_dict_of_layers_without_names(
    reader: str, writer: str, form: str, attribute: str, keys: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras 2 lists them by their sorted keys, and until 2.14 after the attributes before `layers`, as Keras 3 does."""

    def model(k: Any) -> Any:
        class Model(k.Model):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.base = k.layers.Dense(3)
                setattr(self, attribute, {key: k.layers.Dense(3) for key in keys.split()})

            def call(self, inputs: Any) -> Any:
                return [layer(self.base(inputs)) for layer in getattr(self, attribute).values()]

        made = Model()
        made(tf.zeros([1, 3]))
        made.set_weights([np.random.default_rng().normal(size=each.shape) for each in made.get_weights()])
        return made

    source, target = model(FAMILIES.get(writer, tf_keras)), model(FAMILIES[reader])
    if writer == "tf.keras 2.14":
        monkeypatch.setattr(saving_lib, "sorted", lambda names, reverse: sorted(names), raising=False)  # noqa: ARG005
    path = tmp_path / f"model.{form}"
    source.save(path) if form == "keras" else source.save_weights(path)
    is_nameless = form == "weights.h5" and writer in ("tf.keras 2.14", *(["keras"] if KERAS < (3, 6) else []))
    is_refused = is_nameless and keys == "seg aux" and attribute == "outs"
    with pytest.raises(pr.AmbiguousError, match="rename=") if is_refused else contextlib.nullcontext():
        pr.restore_subset(target, path, strict=True)
        for key in keys.split():
            ours, theirs = (getattr(each, attribute)[key].get_weights() for each in (target, source))
            np.testing.assert_array_equal(ours[0], theirs[0])


class Net(tf_keras.Model):  # type: ignore[misc]
    """One layer in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.head = tf_keras.layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        return self.head(inputs)


class Failing(Net):
    """Its layers are not to be had."""

    @property
    def layers(self) -> Any:
        raise RuntimeError


class Naming(Net):
    """Its layers are names."""

    layers = ("head",)


@pytest.mark.parametrize("kind", [Failing, Naming])
def test_an_attribute_layers_that_is_no_list_of_layers(kind: type[Net], tmp_path: Path) -> None:
    source, target = Net(), kind()
    for each in (source, target):
        each(tf.zeros([1, 3]))
    source.save_weights(tmp_path / "model.h5")
    pr.restore_subset(target, tmp_path / "model.h5", strict=True)
    np.testing.assert_array_equal(target.head.kernel, source.head.kernel)


@pytest.mark.parametrize("version", ["", "9" * 5000, "three", None, 3, "4.0.0"])
def test_an_archive_of_another_version_of_keras(version: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(3)])
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as old, zipfile.ZipFile(tmp_path / "new.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, json.dumps({"keras_version": version}) if name == "metadata.json" else old.read(name))
    target = keras.models.clone_model(model)
    pr.restore_subset(target, tmp_path / "new.keras", strict=True)
    np.testing.assert_array_equal(target.get_weights()[0], model.get_weights()[0])


def written(model: Any, form: str, folder: Path) -> Any:
    """Return a file of a model, as a part of a checkpoint or alone, or the model."""
    parts = {"model": model} if form == "within" else {"root": model}
    files = {"live": lambda: model, "subset": lambda: pr.save_subset(model, folder / "x")}
    return files.get(form, lambda: tf.train.Checkpoint(**parts).write(str(folder / "ckpt")))()


@pytest.mark.parametrize(
    ("before", "now", "is_told"),
    [
        ("a=a b=b", "a=b b=a", False),
        ("cls=cls", "cls=new old=cls", False),
        ("cls=cls", "cls=new heads=cls", False),
        ("cls=c0", "cls=new heads=c0", False),
        ("cls=c0", "cls=new", True),
        ("a=a b=b", "b=b a=a c=c", True),
        ("a=x b=y", "a=x c=y b=z", False),
    ],
)
@pytest.mark.parametrize("form", ["checkpoint", "within", "subset", "live"])
def test_named_layers_of_a_subclassed_model_that_moved_to_other_attributes(
    form: str, before: str, now: str, is_told: bool, tmp_path: Path
) -> None:
    """Or to a list: the attribute has a layer of another name now, and that name is elsewhere."""

    class Model(tf_keras.Model):  # type: ignore[misc]
        def __init__(self, layers: str) -> None:
            super().__init__()
            for attribute, name in (each.split("=") for each in layers.split()):
                layer = tf_keras.layers.Dense(4, name=name)
                setattr(self, attribute, [layer] if attribute == "heads" else layer)

        def call(self, inputs: Any) -> Any:
            return [layer(inputs) for layer in self.layers]

    source, target, same = Model(before), Model(now), Model(before)
    for each in (source, target, same):
        each(tf.zeros([1, 4]))
    path = written(source, form, tmp_path)
    pr.restore_subset(same, path, strict=True)
    for ours, theirs in zip(same.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    if not is_told:
        with pytest.raises(pr.AmbiguousError) as caught:
            pr.restore_subset(target, path)
        pr.restore_subset(target, path, rename=caught.value.rename)
    else:
        pr.restore_subset(target, path)
    kernels = {each.name: each.kernel.numpy() for each in source.layers}
    for layer in target.layers:
        if layer.name in kernels:
            np.testing.assert_array_equal(layer.kernel, kernels[layer.name])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (lambda k: k.layers.BatchNormalization(), lambda k: k.layers.BatchNormalization(scale=False)),
        (lambda k: k.layers.BatchNormalization(scale=False), lambda k: k.layers.BatchNormalization()),
        (lambda k: k.layers.LayerNormalization(), lambda k: k.layers.LayerNormalization(center=False)),
        (lambda k: k.layers.Dense(4), lambda k: k.layers.Dense(4, use_bias=False)),
    ],
)
@pytest.mark.parametrize("form", ["weights.h5", "keras", "h5", "ckpt"])
@pytest.mark.parametrize("k", FAMILIES.values(), ids=FAMILIES)
def test_a_layer_without_a_name_that_has_other_variables_now(
    k: Any, form: str, before: Any, now: Any, tmp_path: Path
) -> None:
    """It may be the same one or another one: what fits is undecided, whatever the file."""

    def model(make: Any) -> Any:
        layers = k.layers
        return k.Sequential([layers.Input([4]), layers.Dense(4, name="stem"), make(k), layers.Dense(3, name="head")])

    source, target = randomized(model(before)), model(now)
    path = str(tmp_path / f"model.{form}")
    write = {"weights.h5": source.save_weights, "ckpt": tf.train.Checkpoint(source).write}.get(form, source.save)
    write(path)
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    undecided, named = {name.split("/")[0] for name in caught.value.names}, {"stem", "head"}
    if form != "weights.h5" or (k is keras and KERAS >= (3, 6)):
        assert undecided == {each.name for each in target.layers} - named
    if named - undecided:
        pr.restore_subset(target, path, exclude=list(caught.value.names))
    for name in named - undecided:
        ours, theirs = (each.get_layer(name).get_weights() for each in (target, source))
        np.testing.assert_array_equal(ours[0], theirs[0])
    if caught.value.rename:  # It says what a layer has lost; what it has more now may be anything.
        pr.restore_subset(target, path, rename=caught.value.rename)
        for mine, yours in zip(target.layers, source.layers, strict=True):
            old = {each.name.rpartition("/")[2]: np.asarray(each) for each in yours.weights}
            for each in mine.weights:
                np.testing.assert_array_equal(each, old.get(each.name.rpartition("/")[2], each))


@pytest.mark.parametrize("form", ["h5", "whole.h5", "keras", "weights.h5"])
@pytest.mark.parametrize("k", FAMILIES.values(), ids=FAMILIES)
def test_a_layer_without_a_name_in_an_attribute_that_the_file_has_as_a_name(k: Any, form: str, tmp_path: Path) -> None:
    """A Functional model is a class now: what was ``head`` is ``self.head``, if not another one."""
    if k is keras and form == "h5":
        pytest.skip("Keras 3 writes no such file")

    def body() -> Any:
        inputs = k.layers.Input([4])
        hidden = k.layers.Dense(4, name="first")(inputs)
        return k.Model(inputs, k.layers.Dense(4, name="second")(hidden), name="body")

    class Model(k.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = body(), k.layers.Dense(3)

        def call(self, inputs: Any) -> Any:
            return self.head(self.backbone(inputs))

    inputs = k.layers.Input([4])
    source, target = randomized(k.Model(inputs, k.layers.Dense(3, name="head")(body()(inputs)))), Model()
    target(tf.zeros([1, 4]))
    path = str(tmp_path / f"model.{form}")
    (source.save_weights if form in ("h5", "weights.h5") else source.save)(path)
    if form == "weights.h5" and (k is tf_keras or KERAS < (3, 6)):
        report = pr.restore_subset(target, path)  # It has no names: the places tell all.
        assert len(report.loaded) == len(target.weights)
    else:
        with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
            pr.restore_subset(target, path)
        pr.restore_subset(target, path, rename=caught.value.rename)
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("now", ["x0 x1 x2", "x0 x2", "x0 new x1 x2", "x0 x1 x2 new"])
@pytest.mark.parametrize("form", ["checkpoint", "within", "subset", "live"])
def test_named_blocks_of_a_subclassed_model_that_moved_to_other_attributes(form: str, now: str, tmp_path: Path) -> None:
    """The layers within have the same names in each."""
    layers = tf_keras.layers

    class Block(layers.Layer):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(name=name)
            self.conv1, self.conv2 = layers.Dense(4, name="c1"), layers.Dense(4, name="c2")

        def call(self, inputs: Any) -> Any:
            return self.conv2(self.conv1(inputs))

    class Model(tf_keras.Model):  # type: ignore[misc]
        def __init__(self, names: str) -> None:
            super().__init__()
            self.stem, self.head = layers.Dense(4, name="stem"), layers.Dense(3, name="head")
            for i, name in enumerate(names.split()):
                setattr(self, f"stage{i}", Block(f"blk_{name}"))

        def call(self, inputs: Any) -> Any:
            return [layer(inputs) for layer in self.layers]

    source, target = Model("x0 x1 x2"), Model(now)
    for each in (source, target):
        each(tf.zeros([1, 4]))
    path, rename = written(source, form, tmp_path), None
    if not now.startswith("x0 x1 x2"):
        with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
            pr.restore_subset(target, path)
        rename = caught.value.rename
    pr.restore_subset(target, path, rename=rename)
    old = {each.name: each.get_weights() for each in source.layers}
    for layer in target.layers:
        for ours, theirs in zip(layer.get_weights(), old.get(layer.name, ()), strict=False):
            np.testing.assert_array_equal(ours, theirs)


def in_form(model: Any, folder: Path, form: str) -> str:
    if form == "checkpoint":
        return str(tf.train.Checkpoint(model=model).write(str(folder / "model")))
    model.save(folder / f"model.{form}")
    return str(folder / f"model.{form}")


def side_by_side(kit: Any, users: str, named: str) -> Any:
    """Branches side by side, of which a layer before or behind one without a name has one."""
    inputs, outputs = [], []
    for user in users:
        inputs.append(kit.layers.Input([4], name=f"{user}_in"))
        around = {at: kit.layers.Dense(5, name=f"{user}_{at}") for at in ("first", "last") if at in named}
        hidden = around["first"](inputs[-1]) if "first" in named else kit.layers.Reshape([4])(inputs[-1])
        hidden = kit.layers.LayerNormalization()(kit.layers.Dense(4)(hidden))
        outputs.append(around["last"](hidden) if "last" in named else hidden)
    return randomized(kit.Model(inputs, kit.layers.Dense(3, name="head")(kit.layers.Concatenate()(outputs))))


@pytest.mark.parametrize("form", ["checkpoint", "keras", "h5", "live"])
@pytest.mark.parametrize("named", ["first", "last", "first and last"])
@pytest.mark.parametrize("after", ["vu", "wu"])
@pytest.mark.parametrize("kit", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_branches_that_traded_places_took_their_layers_without_names_along(
    kit: Any, after: str, named: str, form: str, tmp_path: Path
) -> None:
    """All that has a name stands before, or behind, all that has none, in both models."""
    source, target = side_by_side(kit, "uv", named), side_by_side(kit, after, named)
    with unchanged(target), pytest.raises(pr.AmbiguousError):
        pr.restore_subset(target, source if form == "live" else in_form(source, tmp_path, form))


def fed(kit: Any, users: str, *, is_nested: bool, is_crossed: bool = False) -> Any:
    """Branches of two layers without names each, be they in a model; only inputs have names."""
    inputs = {user: kit.layers.Input([4], name=f"{user}_in" if user.isalpha() else None) for user in users}
    outputs: list[Any] = []
    for given in inputs.values():
        fed_by = kit.layers.Add()([given, inputs[users[0]]]) if is_crossed and outputs else given
        layers = [kit.layers.Dense(4), kit.layers.Dense(4)]
        inner = kit.Sequential([kit.layers.InputLayer([4]), *layers]) if is_nested else None
        outputs.append(inner(fed_by) if inner else layers[1](layers[0](fed_by)))
    return randomized(
        kit.Model([*inputs.values()], kit.layers.Dense(3, name="head")(kit.layers.Concatenate()(outputs)))
    )


def in_any_form(model: Any, folder: Path, form: str) -> Any:
    if form == "subset":
        return pr.save_subset(model, folder / "subset")
    return model if form == "live" else in_form(model, folder, form)


@pytest.mark.parametrize("form", ["keras", "h5", "live", "subset"])
@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("kit", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layers_without_names_belong_to_the_inputs_that_feed_them(
    kit: Any, form: str, tmp_path: Path, *, is_nested: bool
) -> None:
    source, target = fed(kit, "uv", is_nested=is_nested), fed(kit, "vu", is_nested=is_nested)
    path = in_any_form(source, tmp_path, form)
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    pr.restore_subset(target, path, rename=caught.value.rename)
    u, v = np.ones([2, 4]), np.full([2, 4], 2.0)
    first, last = np.split(source.layers[-1].kernel.numpy(), 2)
    target.layers[-1].kernel.assign(np.concatenate([last, first]))
    np.testing.assert_allclose(target([v, u]), source([u, v]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["keras", "h5", "live", "subset"])
@pytest.mark.parametrize(
    ("before", "after", "is_crossed"),
    [("uv", "uv", False), ("uv", "uv", True), ("12", "21", False), ("uv", "xy", False)],
)
@pytest.mark.parametrize("kit", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layers_without_names_load_where_inputs_say_nothing_against_it(
    kit: Any, before: str, after: str, form: str, tmp_path: Path, *, is_crossed: bool
) -> None:
    """What was fed by one of them is fed by both now, or nobody gave them names, or they have others."""
    source = fed(kit, before, is_nested=False)
    target = fed(kit, after, is_nested=False, is_crossed=is_crossed)
    pr.restore_subset(target, in_any_form(source, tmp_path, form))
    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def in_wrappers(wrapped: str) -> Any:
    """Layers with names, some of which are in wrappers with names."""
    layers = {name: keras.layers.Dense(4, name=name) for name in "ab"}
    around = [
        keras.layers.TimeDistributed(each, name=f"each_{name}") if name in wrapped else each
        for name, each in layers.items()
    ]
    model = keras.Sequential([keras.layers.Input([3, 4]), *around, keras.layers.Dense(3, name="head")])
    return randomized(model)


@pytest.mark.parametrize("form", ["checkpoint", "keras", "weights.h5", "h5", "live"])
@pytest.mark.parametrize(("before", "after"), [("ab", "a"), ("a", "ab"), ("ab", ""), ("", "ab")])
@pytest.mark.skipif(KERAS < (3, 6), reason="it wrote no names")
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_layer_with_a_name_that_is_in_a_wrapper_now_or_was_is_not_missed(
    before: str, after: str, form: str, tmp_path: Path
) -> None:
    source, target = in_wrappers(before), in_wrappers(after)
    if form == "weights.h5":
        source.save_weights(path := tmp_path / "model.weights.h5")
    else:
        path = source if form == "live" else in_form(source, tmp_path, form)
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    pr.restore_subset(target, path, rename=caught.value.rename)
    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def headed(kit: Any, heads: Sequence[str], *, is_nested: bool) -> Any:
    """Layers without names in two branches, and in one behind these, then heads with names."""
    inputs = kit.layers.Input([4])
    sides = [kit.layers.Dense(4)(kit.layers.Dense(4)(inputs)) for _ in range(2)]
    hidden = kit.layers.Dense(4)(kit.layers.Add()(sides))
    if is_nested:
        outer = kit.layers.Input([4])
        inputs, hidden = outer, kit.Model(inputs, hidden, name="trunk")(outer)
    return randomized(kit.Model(inputs, [kit.layers.Dense(4, name=head)(hidden) for head in heads]))


@pytest.mark.parametrize("form", ["checkpoint", "keras", "h5", "live"])
@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("kit", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layers_without_names_load_before_heads_that_traded_places(
    kit: Any, form: str, tmp_path: Path, *, is_nested: bool
) -> None:
    source, target = (headed(kit, heads, is_nested=is_nested) for heads in ("ab", "ba"))
    pr.restore_subset(target, source if form == "live" else in_form(source, tmp_path, form))
    old = source.get_weights()
    for ours, theirs in zip(target.get_weights(), [*old[:-4], *old[-2:], *old[-4:-2]], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", ["checkpoint", "live"])
@pytest.mark.parametrize("kit", FAMILIES.values(), ids=FAMILIES)
def test_what_feeds_what_is_known_of_a_model_in_a_layer_of_another(kit: Any, form: str, tmp_path: Path) -> None:
    class Around(kit.layers.Layer):  # type: ignore[misc]
        def __init__(self, heads: Sequence[str]) -> None:
            super().__init__(name="around")
            self.net = headed(kit, heads, is_nested=False)

        def call(self, inputs: Any) -> Any:
            return self.net(inputs)

    def model(heads: Sequence[str]) -> Any:
        inputs = kit.layers.Input([4])
        return kit.Model(inputs, Around(heads)(inputs))

    source, target = model("ab"), model("ba")
    pr.restore_subset(target, source if form == "live" else in_form(source, tmp_path, form))
    old = source.get_weights()
    for ours, theirs in zip(target.get_weights(), [*old[:-4], *old[-2:], *old[-4:-2]], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", ["checkpoint", "keras", "h5", "live"])
@pytest.mark.parametrize("kit", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layers_without_names_in_a_row_load_beside_ones_that_traded_places(kit: Any, form: str, tmp_path: Path) -> None:
    def model(names: str) -> Any:
        called = [kit.layers.Dense(4, name=name) for name in names]
        return randomized(
            kit.Sequential([kit.layers.Input([4]), *called, kit.layers.Dense(4), kit.layers.Dense(4)], name="model")
        )

    source, target = model("ab"), model("ba")
    pr.restore_subset(target, source if form == "live" else in_form(source, tmp_path, form))
    old = source.get_weights()
    for ours, theirs in zip(target.get_weights(), [*old[2:4], *old[:2], *old[4:]], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", ["checkpoint", "live"])
@pytest.mark.parametrize("kit", FAMILIES.values(), ids=FAMILIES)
def test_what_is_new_does_not_load_once_the_undecidable_is_excluded(kit: Any, form: str, tmp_path: Path) -> None:
    """A layer is gone from a model within, and one of its class is new behind it: as many names as before, none of them sure."""

    def model(*, is_old: bool) -> Any:
        inputs = kit.layers.Input([1, 4])
        branches = [kit.layers.Dense(4)(inputs) for _ in range(2)]
        branches += [kit.layers.Conv1D(4, 1)(inputs)] if is_old else []
        inner = kit.Model(inputs, kit.layers.Add()(branches))
        behind = [] if is_old else [kit.layers.Conv1D(4, 1)]
        return randomized(
            kit.Sequential([kit.layers.Input([1, 4]), kit.layers.ReLU(), inner, kit.layers.Dense(4), *behind])
        )

    source, target = model(is_old=True), model(is_old=False)
    path = source if form == "live" else in_form(source, tmp_path, form)
    with unchanged(target), pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, path)
    with unchanged(target), pytest.raises(pr.NothingLoadedError):
        pr.restore_subset(target, path, exclude=list(caught.value.names))
