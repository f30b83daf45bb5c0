"""What becomes of the variables that the checkpoint does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import Layers, by_layer, randomized, saved, stack, unchanged

import partial_restore as pr


class Scale(Layers.Layer):
    """A custom layer whose initializer is known to nobody else."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(
            shape=(shape[-1],), initializer=lambda shape, dtype: keras.ops.full(shape, 3.0, dtype), name="scale"
        )

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale


class Nest(Layers.Layer):
    """A custom layer of layers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inner = Layers.Dense(4, kernel_initializer="ones", bias_initializer=keras.initializers.Constant(2.0))

    def build(self, shape: Any) -> None:
        self.inner.build(shape)

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs)


NEW: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "dense": (lambda: Layers.Dense(4, kernel_initializer="ones", name="new"), {"kernel": 1, "bias": 0}),
    "normalization": (
        lambda: Layers.BatchNormalization(name="new"),
        {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1},
    ),
    "custom": (lambda: Scale(name="new"), {"scale": 3}),
    "custom of layers": (lambda: Nest(name="new"), {"inner/kernel": 1, "inner/bias": 2}),
}


def with_new(make: Callable[[], Any]) -> Any:
    return randomized(keras.Sequential([Layers.Input([4]), Layers.Dense(4, name="b0"), make()]))


@pytest.mark.parametrize(("make", "expected"), NEW.values(), ids=NEW.keys())
def test_rerun_finds_the_real_initializer(make: Callable[[], Any], expected: dict[str, float]) -> None:
    target = with_new(make)
    report = pr.restore_subset(target, {"b0/kernel": np.zeros([4, 4], np.float32)}, initialize="rerun")
    values = {item.name: item.reason for item in report.initialized}
    variables = pr.plan_subset(target, {"b0/kernel": np.zeros([4, 4], np.float32)})._target.variables
    for name, value in expected.items():
        assert values[f"new/{name}"].endswith("initialized anew")
        assert (variables[f"new/{name}"].numpy() == value).all()


def test_rerun_of_an_lstm_has_the_bias_of_the_forget_gate() -> None:
    target = randomized(
        keras.Sequential([Layers.Input([3, 2]), Layers.LSTM(2, name="lstm"), Layers.Dense(1, name="out")])
    )
    pr.restore_subset(target, {"out/kernel": np.zeros([2, 1], np.float32)}, initialize="rerun")
    assert target.get_layer("lstm").cell.bias.numpy().tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_rerun_is_repeatable_with_the_global_seed(tmp_path: Path) -> None:
    path = saved(tmp_path, stack(["b0"]))
    drawn = []
    for _ in range(2):
        target = stack(["b0", "new"])
        keras.utils.set_random_seed(3)
        pr.restore_subset(target, path, initialize="rerun")
        drawn.append(by_layer(target)["new/kernel"])
    np.testing.assert_array_equal(*drawn)


def test_keep_keeps(tmp_path: Path) -> None:
    target = stack(["b0", "new"])
    kept = by_layer(target)
    report = pr.restore_subset(target, saved(tmp_path, stack(["b0"])))
    np.testing.assert_array_equal(by_layer(target)["new/kernel"], kept["new/kernel"])
    assert report["new/kernel"].reason == "not in the checkpoint; kept as it was"


@pytest.mark.parametrize(
    "initializer", ["ones", keras.initializers.Ones(), keras.initializers.Ones, lambda shape, _: np.ones(shape)]
)
def test_given_initializers_of_every_kind(tmp_path: Path, initializer: Any) -> None:
    target = stack(["b0", "new"])
    kept = by_layer(target)
    pr.restore_subset(target, saved(tmp_path, stack(["b0"])), initialize={"new/kernel": initializer, "b0": "zeros"})
    assert (by_layer(target)["new/kernel"] == 1).all()
    assert (by_layer(target)["b0/kernel"] != 0).any()
    np.testing.assert_array_equal(by_layer(target)["new/bias"], kept["new/bias"])


def broken(shape: Any, dtype: Any) -> Any:
    raise OSError(shape, dtype)


WRONG: dict[str, tuple[Any, str]] = {
    "fails": (broken, "OSError"),
    "another shape": (lambda _shape, _dtype: np.zeros(3), "gave shape"),
    "no initializer": (3, "TypeError"),
    "no name of one": ("nix", "ValueError"),
}


@pytest.mark.parametrize(("initializer", "words"), WRONG.values(), ids=WRONG.keys())
def test_initializer_that_fails_changes_nothing(tmp_path: Path, initializer: Any, words: str) -> None:
    target = stack(["b0", "new"])
    path = saved(tmp_path, stack(["b0"]))
    with unchanged(target), pytest.raises(pr.InitializerError, match=f"new/kernel: .*{words}"):
        pr.restore_subset(target, path, initialize={"new/kernel": initializer})


def test_bare_variables_have_no_initializer_to_rerun() -> None:
    target = {"a": tf.Variable([0.0]), "b": tf.Variable([5.0])}
    with pytest.raises(pr.InitializerError, match="b: no layer knows"):
        pr.restore_subset(target, {"a": np.float32([1])}, initialize="rerun")
    assert target["a"].numpy() == 0
    pr.restore_subset(target, {"a": np.float32([1])}, initialize={"b": "zeros"})
    assert target["b"].numpy() == 0


def test_options_are_checked() -> None:
    for options in ({"initialize": "maybe"}, {"on_mismatch": "ignore"}, {"cast": "any"}, {"max_memory": 0}):
        with pytest.raises(ValueError, match=str(next(iter(options)))):
            pr.restore_subset({"a": tf.Variable([0.0])}, {"a": np.float32([1])}, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dtype", "value"), [("int32", 1.7), ("int32", np.nan), ("float16", 1e6), ("uint8", -1.0), ("int8", 300)]
)
def test_initial_values_that_the_dtype_does_not_hold_are_refused(dtype: str, value: float) -> None:
    model = {"a": tf.Variable([0.0]), "b": tf.Variable([3], dtype=dtype)}
    with pytest.raises(pr.InitializerError, match=r"do not fit|become infinite"):
        pr.restore_subset(model, {"a": np.float32([1])}, initialize={"b": lambda shape, _: np.full(shape, value)})
    assert (model["a"].numpy(), model["b"].numpy()) == (0, 3)


def test_initial_values_of_another_dtype_that_fit_are_taken() -> None:
    model = {"a": tf.Variable([0.0]), "b": tf.Variable([3], dtype="int32"), "c": tf.Variable([3.0], dtype="bfloat16")}
    pr.restore_subset(
        model, {"a": np.float32([1])}, initialize={"b,c"[i]: lambda shape, _: np.full(shape, 0.1 * 0) for i in (0, 2)}
    )
    assert (model["b"].numpy(), model["c"].numpy()) == (0, 0)
