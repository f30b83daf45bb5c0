"""Models that are built and restored in one call: which initializers run, how often, and what they see."""

from __future__ import annotations

import functools
import importlib.util
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import Layers, assert_weights_same, by_layer, saved

import partial_restore as pr

FAMILIES: list[Any] = [
    importlib.import_module(name) for name in ("keras", "tf_keras") if importlib.util.find_spec(name)
]
RUNS: Counter[str] = Counter()
MAKES_VALUES_FIRST = pytest.mark.skipif(
    not hasattr(keras.Variable, "_initialize_with_initializer"),
    reason="this Keras computes the value of a variable before it makes one",
)


@pytest.fixture(autouse=True)
def _no_runs() -> Iterator[None]:
    RUNS.clear()
    yield
    RUNS.clear()


def counted(name: str, value: float = 1.0) -> Callable[..., Any]:
    """An initializer that counts how often it is called, whichever Keras calls it."""

    def initializer(shape: Any, dtype: Any = "float32", **_: Any) -> tf.Tensor:
        RUNS[name] += 1
        return tf.fill(shape, tf.cast(value, dtype))

    return initializer


def dense(family: Any, name: str, units: int = 4) -> Any:
    return family.layers.Dense(
        units, kernel_initializer=counted(f"{name}/kernel"), bias_initializer=counted(f"{name}/bias"), name=name
    )


def functional(family: Any = keras) -> Any:
    inputs = family.Input([4])
    return family.Model(inputs, dense(family, "head", 3)(dense(family, "body")(inputs)))


def sequential(family: Any = keras) -> Any:
    return family.Sequential([family.layers.Input([4]), dense(family, "body"), dense(family, "head", 3)])


def subclassed(family: Any = keras) -> Any:
    class Net(family.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = dense(family, "body"), dense(family, "head", 3)
            self.body.build([None, 4])
            self.head.build([None, 4])
            self.built = True

        def call(self, inputs: Any) -> Any:
            return self.head(self.body(inputs))

    return Net()


def called(family: Any = keras) -> Any:
    class Net(family.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = dense(family, "body"), dense(family, "head", 3)

        def call(self, inputs: Any) -> Any:
            return self.head(self.body(inputs))

    net = Net()
    net(tf.ones([1, 4]))
    return net


class Module(tf.Module):
    """Variables whose initializers are bound to their shapes."""

    def __init__(self) -> None:
        super().__init__()
        for name, units in (("body", 4), ("head", 3)):
            setattr(self, f"{name}_kernel", tf.Variable(functools.partial(counted(f"{name}/kernel"), [4, units])))
            bias = counted(f"{name}/bias")
            setattr(self, f"{name}_bias", tf.Variable(functools.partial(bias, [units]), shape=[units], dtype="float32"))


BUILDS: dict[str, Callable[[], Any]] = {
    f"{family.__name__} {build.__name__}": functools.partial(build, family)
    for family in FAMILIES
    for build in (functional, sequential, subclassed, called)
} | {"module": Module}


@MAKES_VALUES_FIRST
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS.keys())
def test_initializers_run_once_for_what_is_not_loaded_and_never_for_the_rest(
    tmp_path: Path, build: Callable[[], Any]
) -> None:
    trained = build()
    for i, variable in enumerate(trained.variables):
        variable.assign(tf.fill(variable.shape, i + 10.0))
    path = saved(tmp_path, trained)
    RUNS.clear()
    model, report = pr.build_restored(build, path, exclude=re.compile("head"))
    assert RUNS == {"head/kernel": 1, "head/bias": 1}
    assert len(report.loaded) == len(report.initialized) == 2
    assert {item.reason.partition("; ")[2] for item in report.initialized} == {"its initializer was run"}
    assert [float(variable.numpy().flat[0]) for variable in model.variables] == [10.0, 11.0, 1.0, 1.0]
    assert all(type(raw(variable)) is type(tf.Variable(0.0)) for variable in model.variables)


def raw(variable: Any) -> Any:
    return getattr(variable, "_value", variable)


def test_model_is_the_one_that_was_restored_after_building(tmp_path: Path) -> None:
    path = saved(tmp_path, sequential())
    keras.utils.set_random_seed(1)
    model, _ = pr.build_restored(BUILDS["keras sequential"], path)
    restored = sequential()
    pr.restore_subset(restored, path)
    assert_weights_same(model, restored)
    model.compile("adam", "mse")
    model.fit(np.ones([2, 4]), np.ones([2, 3]), verbose=0)


def test_mixed_precision_of_tf_keras(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    path = saved(tmp_path, sequential(tf_keras))
    RUNS.clear()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        pr.build_restored(BUILDS["tf_keras sequential"], path, exclude="head")
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert RUNS == {"head/kernel": 1, "head/bias": 1}


def test_sonnet_makes_its_values_as_ever() -> None:
    sonnet = pytest.importorskip("sonnet")

    def build() -> Any:
        linear = sonnet.Linear(2, w_init=counted("w"), name="body")
        linear(tf.ones([1, 3]))
        return linear

    model, report = pr.build_restored(build, {"w": np.full([3, 2], 5.0, np.float32)})
    assert RUNS == {"w": 1}
    assert (model.w.numpy() == 5).all()
    assert report["b"].reason == "not in the checkpoint; kept as it was"


def chain() -> dict[str, tf.Variable]:
    """Variables of which each starts with what the one before it holds."""
    first = tf.Variable(lambda: counted("first")([2]))
    second = tf.Variable(lambda: counted("second")([2]) + first)
    third = tf.Variable(lambda: counted("third")([2]) + second, shape=[2], dtype=tf.float32)
    return {"first": first, "second": second, "third": third}


@pytest.mark.parametrize(
    ("loaded", "expected"), [("first", [5, 6, 7]), ("second", [1, 5, 6]), ("third", [1, 2, 5])], ids=str
)
def test_initializer_that_reads_another_variable_sees_what_was_loaded(loaded: str, expected: list[float]) -> None:
    model, _ = pr.build_restored(chain, {loaded: np.full([2], 5.0, np.float32)})
    assert [float(variable[0]) for variable in model.values()] == expected
    assert max(RUNS.values()) == 1


def made_of_values() -> dict[str, tf.Variable]:
    """Variables of which the second is made of what the first holds while the model is built."""
    first = tf.Variable(functools.partial(counted("first", 3.0), [2]))
    return {"first": first, "second": tf.Variable(first * 2), "third": tf.Variable(tf.zeros([2]))}


def test_variable_that_is_read_while_building_is_initialized_before() -> None:
    model, _ = pr.build_restored(made_of_values, {"third": np.float32([1, 1])})
    assert [float(variable[0]) for variable in model.values()] == [3, 6, 1]
    model, _ = pr.build_restored(made_of_values, {"first": np.float32([1, 1])})
    assert [float(variable[0]) for variable in model.values()] == [1, 6, 0]
    assert RUNS == {"first": 2}


def test_variable_that_is_assigned_while_building_keeps_that() -> None:
    def build() -> dict[str, tf.Variable]:
        made = {name: tf.Variable(functools.partial(counted(name), [2])) for name in ("a", "b", "c")}
        made["a"].assign_add([1.0, 1.0])
        made["b"].assign([7.0, 7.0])
        return made

    model, report = pr.build_restored(build, {"c": np.float32([3, 3])})
    assert [float(variable[0]) for variable in model.values()] == [2, 7, 3]
    assert report["a"].reason == "not in the checkpoint; kept as it was"


def test_initializer_that_runs_while_building_sees_the_values_that_it_reads() -> None:
    def build() -> dict[str, tf.Variable]:
        first = tf.Variable(functools.partial(counted("first", 3.0), [2]))
        second = tf.Variable(lambda: first + 1.0)
        copy = tf.Variable(second.read_value)
        copy.assign_add([1.0, 1.0])
        return {"first": first, "second": second, "copy": copy, "other": tf.Variable(lambda: tf.zeros([2]))}

    model, _ = pr.build_restored(build, {"other": np.float32([1, 1])})
    assert [float(variable[0]) for variable in model.values()] == [3, 4, 5, 1]
    assert RUNS == {"first": 1}


@MAKES_VALUES_FIRST
def test_pass_leaves_variables_as_they_were() -> None:
    class Averaged(Layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="mean")
            self.average, self.read = tf.Variable(tf.ones([2])), tf.Variable(lambda: tf.fill([2], 5.0))
            self.twice = tf.Variable(self.read * 2)

        def build(self, _: Any) -> None:
            self.scale = self.add_weight(shape=(2,), initializer=counted("scale", 4.0), name="scale")

        def call(self, inputs: Any) -> Any:
            for variable in (self.average, self.read, self.twice):
                variable.assign_add(tf.convert_to_tensor(self.scale))
            return inputs * self.scale

    def build() -> Any:
        model = keras.Sequential([Averaged(), dense(keras, "body")])
        for _ in range(2):
            model(tf.ones([1, 2]))
        model.layers[0].twice.assign_add([1.0, 1.0])
        return model

    model, _ = pr.build_restored(build, {"body/bias": np.ones([4], np.float32), "mean/scale": np.ones([2])})
    averaged = model.get_layer("mean")
    assert [float(each[0]) for each in (averaged.average, averaged.read, averaged.twice)] == [1, 5, 11]
    assert RUNS == {"body/kernel": 1}


def test_what_build_trains_stays_trained() -> None:
    class Scale(Layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="scaled")
            self.factor = tf.Variable(tf.ones([4]))

        def build(self, _: Any) -> None:
            self.scale = self.add_weight(shape=(4,), initializer="ones", name="scale")

        def call(self, inputs: Any) -> Any:
            return inputs * self.scale * self.factor

    inputs = np.ones([8, 4], np.float32)

    def build() -> Any:
        model = keras.Sequential([Scale(), dense(keras, "body")])
        model.compile("sgd", "mse")
        model.fit(inputs, inputs, epochs=2, validation_data=(inputs, inputs), verbose=0)
        model(inputs)
        model.fit(inputs, inputs, verbose=0)
        return model

    (model, _), expected = pr.build_restored(build, {"body/bias": np.ones([4], np.float32)}), build()
    for ours, theirs in zip(model.layers, expected.layers, strict=True):
        np.testing.assert_allclose(ours.weights[0].numpy(), theirs.weights[0].numpy(), rtol=1e-6)


@MAKES_VALUES_FIRST
def test_layer_that_reads_its_variable_as_it_is_built_within_a_pass_sees_the_value() -> None:
    class Twice(Layers.Layer):
        def build(self, shape: Any) -> None:
            self.one = self.add_weight(shape=(shape[-1],), initializer=counted("one", 4.0), name="one")
            self.two = tf.Variable(tf.convert_to_tensor(self.one) * 2)

        def call(self, inputs: Any) -> Any:
            return inputs * self.one * self.two

    def build() -> Any:
        model = keras.Sequential([Twice(name="twice"), dense(keras, "body")])
        model(tf.ones([1, 4]))
        return model

    model, _ = pr.build_restored(build, {"body/bias": np.ones([4], np.float32)})
    assert RUNS == {"one": 1, "body/kernel": 1}
    assert float(model.get_layer("twice").two[0]) == 8


@MAKES_VALUES_FIRST
def test_whole_numbers_have_their_value_in_a_pass() -> None:
    class Pick(Layers.Layer):
        def build(self, _: Any) -> None:
            self.table = self.add_weight(shape=(4, 2), initializer=counted("table"), name="table")
            self.places = self.add_weight(shape=(64,), dtype="int32", initializer=counted("places", 3), name="places")

        def call(self, inputs: Any) -> Any:
            return inputs + tf.gather(tf.convert_to_tensor(self.table), tf.convert_to_tensor(self.places))

    def build() -> Any:
        model = keras.Sequential([Pick(name="chosen")])
        model(tf.ones([64, 2]))
        return model

    pr.build_restored(build, {"chosen/table": np.ones([4, 2], np.float32)})
    assert RUNS == {"places": 1}


def test_side_effects_happen_once_and_in_order() -> None:
    rng = np.random.default_rng(0)

    def build() -> dict[str, tf.Variable]:
        return {name: tf.Variable(lambda: rng.normal(size=[2]), dtype=tf.float32) for name in "abc"}

    drawn = np.random.default_rng(0).normal(size=[3, 2]).astype(np.float32)
    model, _ = pr.build_restored(build, {"b": np.float32([1, 1])})
    np.testing.assert_array_equal(model["a"], drawn[0])
    np.testing.assert_array_equal(model["c"], drawn[2])


def test_callable_that_no_graph_takes_is_called_as_ever() -> None:
    def build() -> dict[str, tf.Variable]:
        return {name: tf.Variable(lambda: tf.ones([2]).numpy() * 2) for name in "ab"}

    model, _ = pr.build_restored(build, {"a": np.float32([1, 1])})
    assert model["b"].numpy().tolist() == [2, 2]


def test_names_and_text_are_variables_too() -> None:
    def build() -> dict[str, tf.Variable]:
        return {"w": tf.Variable(lambda: tf.ones([2]), name="w"), "words": tf.Variable(lambda: tf.constant(["a"]))}

    model, report = pr.build_restored(build, {"w": np.float32([1, 1])})
    assert model["w"].name == "w:0"
    assert model["words"].numpy().tolist() == [b"a"]
    assert report["words"].reason == "not in the checkpoint; kept as it was"


def test_optimizer_and_seeds_are_initialized() -> None:
    def build() -> Any:
        model = keras.Sequential([Layers.Input([4]), dense(keras, "body"), Layers.Dropout(0.5, seed=3)])
        model.compile(keras.optimizers.Adam(0.5))
        model.optimizer.build(model.trainable_variables)
        return model

    model, _ = pr.build_restored(build, {"body/kernel": np.ones([4, 4], np.float32)})
    expected = build()
    for ours, theirs in zip(model.optimizer.variables, expected.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(
        model.layers[-1].seed_generator.state.numpy(), expected.layers[-1].seed_generator.state.numpy()
    )


def test_variable_that_the_model_does_not_reach_is_initialized() -> None:
    left: list[tf.Variable] = []

    def build() -> dict[str, tf.Variable]:
        left.append(tf.Variable(functools.partial(counted("left"), [2])))
        return {"w": tf.Variable(functools.partial(counted("w"), [2]))}

    pr.build_restored(build, {"w": np.float32([1, 1])})
    assert RUNS == {"left": 1}
    assert left[0].numpy().tolist() == [1, 1]


@MAKES_VALUES_FIRST
def test_initializer_of_the_caller_runs_in_place_of_the_own() -> None:
    model, report = pr.build_restored(
        sequential, {"body/kernel": np.ones([4, 4], np.float32)}, initialize={"head": "zeros"}
    )
    assert RUNS == {"body/bias": 1}
    assert (by_layer(model)["head/kernel"] == 0).all()
    assert report["head/kernel"].reason == "not in the checkpoint; initialized anew"


@MAKES_VALUES_FIRST
def test_rerun_does_not_run_twice() -> None:
    pr.build_restored(sequential, {"body/kernel": np.ones([4, 4], np.float32)}, initialize="rerun")
    assert RUNS == {"body/bias": 1, "head/kernel": 1, "head/bias": 1}


def fails(shape: Any, dtype: Any = None) -> Any:
    raise OSError(shape, dtype)


def test_initializer_that_fails_raises_its_own_error() -> None:
    def build() -> dict[str, tf.Variable]:
        return {"w": tf.Variable(lambda: tf.ones([2])), "v": tf.Variable(functools.partial(fails, [3], tf.float32))}

    with pytest.raises(OSError, match="3"):
        pr.build_restored(build, {"w": np.float32([1, 1])})
    model, _ = pr.build_restored(build, {"w": np.float32([1, 1]), "v": np.float32([1, 2, 3])})
    assert model["v"].numpy().tolist() == [1, 2, 3]


@MAKES_VALUES_FIRST
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ckpt": {"nix": np.ones(3)}}, pr.NothingLoadedError),
        ({"ckpt": {"body/kernel": np.ones(3)}}, pr.MismatchError),
        ({"ckpt": {"body/kernel": np.ones([4, 4])}, "exclude": "nix"}, pr.UnknownNameError),
        ({"ckpt": {"body/kernel": np.ones([4, 4])}, "strict": True}, pr.MissingError),
        ({"ckpt": "/nowhere/ckpt"}, pr.CheckpointNotFoundError),
        ({"ckpt": {"body/kernel": np.ones([4, 4])}, "initialize": {"head": fails}}, pr.InitializerError),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_refused_calls_raise_and_run_no_initializer(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        pr.build_restored(sequential, **options)
    assert not RUNS


@MAKES_VALUES_FIRST
@pytest.mark.parametrize("error", [pr.MismatchError, KeyboardInterrupt])
def test_model_of_the_caller_is_initialized_after_an_error_once_it_is_read(error: type[BaseException]) -> None:
    model = keras.Sequential([dense(keras, "body")])

    def build() -> Any:
        model.build((None, 4))
        if error is KeyboardInterrupt:
            raise error
        return model

    with pytest.raises(error):
        pr.build_restored(build, {"body/kernel": np.ones(3)})
    assert not RUNS
    assert {float(value) for value in np.ravel(model(tf.ones([1, 4])))} == {5.0}
    assert RUNS == {"body/kernel": 1, "body/bias": 1}
    assert [np.ravel(variable)[0] for variable in model.weights] == [1.0, 1.0]


def test_error_of_the_builder_is_raised_as_it_is() -> None:
    def build() -> Any:
        tf.Variable(lambda: tf.ones([2]))
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        pr.build_restored(build, {"w": np.float32([1])})


def test_under_a_strategy_variables_are_initialized_as_ever() -> None:
    def build() -> dict[str, Any]:
        with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
            return {name: tf.Variable(functools.partial(counted(name), [2])) for name in "ab"}

    model, _ = pr.build_restored(build, {"a": np.float32([3, 3])})
    assert model["a"].numpy().tolist() == [3, 3]
    assert model["b"].numpy().tolist() == [1, 1]
    assert RUNS == {"a": 1, "b": 1}


def test_learning_shapes_traces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("traced")

    monkeypatch.setattr(tf, "function", refused)
    for build in (*(functools.partial(sequential, family) for family in FAMILIES), Module):
        model, _ = pr.build_restored(build, sequential(), rename=None if build is not Module else RENAME)
        assert model is not None


RENAME = {f"{layer}/{weight}": f"{layer}_{weight}" for layer in ("body", "head") for weight in ("kernel", "bias")}


@MAKES_VALUES_FIRST
def test_state_of_the_optimizer_is_restored_if_asked_for(tmp_path: Path) -> None:
    def build() -> Any:
        model = keras.Sequential([Layers.Input([4]), dense(keras, "body")])
        model.compile(keras.optimizers.Adam(0.5), "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    trained = build()
    trained.fit(np.ones([2, 4]), np.ones([2, 4]), verbose=0)
    path = saved(tmp_path, trained)
    RUNS.clear()
    model, _ = pr.build_restored(build, path, optimizer=True)
    assert not RUNS
    for ours, theirs in zip(model.optimizer.variables, trained.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


@pytest.mark.parametrize("family", FAMILIES)
def test_build_within_a_build(family: Any) -> None:
    layers = family.layers

    def inner() -> Any:
        return family.Sequential(
            [layers.Input([4]), layers.Dense(4, name="d"), layers.Dense(2, name="e")], name="inner"
        )

    def outer() -> Any:
        body, _ = pr.build_restored(inner, {"d/kernel": np.full([4, 4], 3, np.float32)})
        return family.Sequential([layers.Input([4]), body, layers.Dense(3, name="head")])

    model, report = pr.build_restored(outer, {"head/kernel": np.full([2, 3], 5, np.float32)})

    assert [item.name for item in report.loaded] == ["head/kernel"]
    body, head = model.layers[-2:]
    np.testing.assert_array_equal(head.kernel, np.full([2, 3], 5))
    np.testing.assert_array_equal(body.get_layer("d").kernel, np.full([4, 4], 3))
    assert np.std(body.get_layer("e").kernel) > 0.01


def test_inner_build_that_fails_leaves_the_outer_one() -> None:
    class Inner(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(lambda: tf.ones([2]))
            self.u = tf.Variable(lambda: self.w * 10)

    class Outer(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            with pytest.raises(pr.MismatchError):
                pr.build_restored(Inner, {"w": np.zeros(3, np.float32)})
            self.u, self.v = (tf.Variable(lambda: tf.ones([3])) for _ in "uv")

    model, _ = pr.build_restored(Outer, {"v": np.float32([7, 8, 9])})
    np.testing.assert_array_equal(model.v, [7, 8, 9])
    np.testing.assert_array_equal(model.u, [1, 1, 1])


def test_builds_in_several_threads() -> None:
    def build() -> Any:
        made = keras.Sequential([keras.Input([4]), keras.layers.Dense(4, name="d"), keras.layers.Dense(2, name="e")])
        time.sleep(0.05)
        return made

    def built(_: int) -> Any:
        return pr.build_restored(build, {"d/kernel": np.full([4, 4], 3, np.float32)})[0]

    with ThreadPoolExecutor(3) as pool:
        models = list(pool.map(built, range(9)))
    for model in models:
        np.testing.assert_array_equal(model.layers[0].kernel, np.full([4, 4], 3))
        assert np.std(model.layers[1].kernel) > 0.01


def test_variable_with_a_cache_is_made_as_ever() -> None:
    class Cached(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.v, self.w = (tf.Variable(lambda: tf.ones([3]), caching_device="/CPU:0") for _ in "vw")

    model, _ = pr.build_restored(Cached, {"v": np.float32([7, 8, 9])})
    np.testing.assert_array_equal(model.w, [1, 1, 1])
    np.testing.assert_array_equal(tf.convert_to_tensor(model.w), [1, 1, 1])
