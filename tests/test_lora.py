"""Layers with low-rank adapters: some files have the adapters, in others they are merged into the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import families
import keras
import numpy as np
import pytest
from families import FAMILIES, named

import partial_restore as pr

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")

MERGED: dict[str, families.Write] = {"weights_h5": families.weights_h5, "archive": families.archive}
APART: dict[str, families.Write] = {"checkpoint": families.checkpoint, "legacy": families.legacy_model}
ADAPTED = ["table", "mix", "conv", "out"]


def adaptable(k: Any, n: families.Called) -> Any:
    inputs = k.layers.Input([4], dtype="int32", name=n("words"))
    x = k.layers.Embedding(9, 4, name=n("table"))(inputs)
    x = k.layers.EinsumDense("abc,cd->abd", [None, 4], bias_axes="d", name=n("mix"))(x)
    x = k.layers.Conv2D(2, 2, name=n("conv"))(k.layers.Reshape([4, 4, 1], name=n("square"))(x))
    return k.Model(inputs, k.layers.Dense(2, name=n("out"))(k.layers.Flatten(name=n("flat"))(x)), name=n("net"))


ARCHITECTURE = families.Architecture(adaptable, families.ARCHITECTURES["embedding"].inputs)


def adapted() -> Any:
    """A model in which every layer that can has an adapter; as in any new one, they add nothing yet."""
    model = ARCHITECTURE.built(keras, named)
    for name in ADAPTED:
        model.get_layer(name).enable_lora(2)
    return model


def tuned() -> Any:
    return families.randomized(adapted())


def is_adapter(name: str) -> bool:
    return "/lora_" in name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("write", MERGED)
def test_a_merged_file_into_a_model_without_adapters(write: str, family: str, tmp_path: Path) -> None:
    artefact = families.written(ARCHITECTURE, tuned(), MERGED[write], tmp_path)
    model = ARCHITECTURE.built(FAMILIES[family], named)

    report = pr.restore_subset(model, artefact.path, strict=True)

    assert not report.initialized
    np.testing.assert_allclose(ARCHITECTURE.output(model), artefact.output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("write", MERGED)
def test_a_merged_file_into_a_model_with_new_adapters(write: str, tmp_path: Path) -> None:
    artefact = families.written(ARCHITECTURE, tuned(), MERGED[write], tmp_path)
    model = adapted()

    report = pr.restore_subset(model, artefact.path)

    assert len(report.initialized) == 2 * len(ADAPTED)
    assert all(is_adapter(each.name) for each in report.initialized)
    np.testing.assert_allclose(ARCHITECTURE.output(model), artefact.output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("write", MERGED)
def test_a_merged_file_lacks_the_adapters(write: str, tmp_path: Path) -> None:
    path = MERGED[write](tuned(), tmp_path)
    model = tuned()
    before = families.contents(model)

    with pytest.raises(pr.MissingError) as caught:
        pr.restore_subset(model, path, strict=True)

    assert all(is_adapter(name) for name in caught.value.names)
    assert families.contents(model) == before


@pytest.mark.parametrize("write", MERGED)
def test_adapters_made_anew_add_nothing_to_merged_weights(write: str, tmp_path: Path) -> None:
    artefact = families.written(ARCHITECTURE, tuned(), MERGED[write], tmp_path)
    model = tuned()

    pr.restore_subset(model, artefact.path, initialize={"*/lora_*_a": "zeros", "*/lora_*_b": "zeros"})

    np.testing.assert_allclose(ARCHITECTURE.output(model), artefact.output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("write", APART)
def test_a_file_with_adapters_into_a_model_with_adapters(write: str, tmp_path: Path) -> None:
    artefact = families.written(ARCHITECTURE, tuned(), APART[write], tmp_path)
    model = tuned()

    report = pr.restore_subset(model, artefact.path, strict=True)

    assert not report.initialized
    assert sorted(families.contents(model)) == sorted(artefact.contents)
    np.testing.assert_allclose(ARCHITECTURE.output(model), artefact.output, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("write", APART)
def test_adapters_for_which_a_model_has_no_place_are_listed(write: str, family: str, tmp_path: Path) -> None:
    path = APART[write](tuned(), tmp_path)
    model = ARCHITECTURE.built(FAMILIES[family], named)

    report = pr.restore_subset(model, path, strict=True)

    assert not report.initialized
    adapters = [each.name for each in report.skipped if is_adapter(each.name)]
    assert len(adapters) == 2 * len(ADAPTED)


@pytest.mark.parametrize("saved", FAMILIES)
@pytest.mark.parametrize("write", [*MERGED, *APART])
def test_a_plain_file_into_a_model_with_new_adapters(write: str, saved: str, tmp_path: Path) -> None:
    """The way in which adapters are begun: from weights that have none."""
    plain = ARCHITECTURE.built(FAMILIES[saved], named)
    artefact = families.written(ARCHITECTURE, plain, (MERGED | APART)[write], tmp_path)
    model = adapted()

    report = pr.restore_subset(model, artefact.path)

    assert all(is_adapter(each.name) for each in report.initialized)
    np.testing.assert_allclose(ARCHITECTURE.output(model), artefact.output, rtol=1e-5, atol=1e-6)


def quantized(layer: Any) -> Any:
    """A model of one layer with an adapter, whose weights are eight bits wide: its scale is merged, too."""
    inputs = keras.Input([4], dtype="int32" if isinstance(layer, keras.layers.Embedding) else "float32")
    model = keras.Model(inputs, layer(inputs))
    layer.enable_lora(2)
    layer.quantize("int8")
    for each in layer.variables:
        if is_adapter(each.path):
            each.assign(np.random.default_rng().normal(size=each.shape))
    return model


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.Dense(4, name="layer"),
        lambda: keras.layers.EinsumDense("ab,bc->ac", [4], bias_axes="c", name="layer"),
        lambda: keras.layers.Embedding(4, 4, name="layer"),
    ],
    ids=["dense", "einsum_dense", "embedding"],
)
@pytest.mark.parametrize("write", MERGED)
def test_the_scale_of_merged_weights_of_eight_bits_goes_with_them(write: str, make: Any, tmp_path: Path) -> None:
    source, target = quantized(make()), quantized(make())
    path = MERGED[write](source, tmp_path)
    report = pr.restore_subset(target, path)
    assert {is_adapter(item.name) for item in report.initialized} == {True}
    store: dict[str, Any] = {}
    source.layers[-1].save_own_variables(store)
    held = [each.numpy() for each in target.layers[-1].variables if not is_adapter(each.path)]
    for value in map(np.asarray, store.values()):
        assert any(np.array_equal(value, each) for each in held)
