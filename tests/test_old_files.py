"""Files that TensorFlow 1.4 to 2.15 wrote, held to what the same version read back, and restored into the models of today."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import old_models as today
import pytest
import tensorflow as tf
import tf_keras
from models import assert_same, unchanged

import partial_restore as pr

tf1 = tf.compat.v1
Values = dict[str, np.ndarray[Any, Any]]

FIXTURES = Path(__file__).parent / "fixtures"
FILES = {
    # Name-based, by a Saver
    "tf1.4/v1_adam_averages": "model.ckpt-7",
    "tf1.4/v2_momentum_averages": "model.ckpt-7",
    "tf1.4/v1_partitioned_sharded_adam": "model.ckpt-7",
    "tf1.4/v2_partitioned_sharded_momentum": "model.ckpt-7",
    "tf1.15/saver_adam_averages": "model.ckpt-15",
    "tf1.15/saver_partitioned_momentum": "model.ckpt-15",
    "tf1.15/saved_model": "export",
    # Object-based
    "tf1.8/eager_adam": "ckpt-1",
    "tf1.8/eager_sequential": "ckpt-1",
    "tf1.15/keras_weights_adam": "weights",
    "tf1.15/keras_automatic_weights": "weights",
    "tf2.4/checkpoint_adam": "ckpt-3",
    "tf2.4/module_checkpoint": "ckpt-3",
    "tf2.4/module_saved_model": "export",
    "tf2.4/saved_model": "export",
    "tf2.4/subclassed_weights_tf": "weights",
    "tf2.4/automatic_weights_tf": "weights",
    "tf2.10/checkpoint_adam": "ckpt-3",
    "tf2.10/checkpoint_new_adam": "ckpt-3",
    "tf2.10/words_checkpoint": "ckpt-3",
    "tf2.10/subclassed_checkpoint": "ckpt-3",
    "tf2.15/checkpoint_adam_averages": "ckpt-3",
    "tf2.15/checkpoint_legacy_adam": "ckpt-3",
    "tf2.15/exported": "export",
    # HDF5
    "tf1.4/keras_model_h5": "model.h5",
    "tf1.15/keras_model_h5": "model.h5",
    "tf1.15/keras_words_weights_h5": "weights.h5",
    "tf2.4/words_weights_h5": "weights.h5",
    "tf2.10/model_h5": "model.h5",
    "tf2.15/keras": "model.keras",
    "tf2.15/words_keras": "model.keras",
    "tf2.15/weights_h5": "model.weights.h5",
    "tf2.15/automatic_weights_h5": "model.weights.h5",
    "tf2.15/subclassed_weights_h5": "model.weights.h5",
}
NO_WEIGHTS = {
    r".+/(Adam|Adam_1|Momentum)|beta[12]_power": "optimizer state is not restored",
    r"(.+/)?(kernel|bias|gamma|beta)/(m|v|momentum)": "optimizer state is not restored",
    r"optimizer(_weights)?/.+": "optimizer state is not restored",
    r"metrics/.+": "metric state is not restored",
    r"_CHECKPOINTABLE_OBJECT_GRAPH": "bookkeeping of the file, not a weight",
}
"""What files hold besides the weights, by name, and why it is skipped."""

AVERAGE = re.compile(r"(.+)/ExponentialMovingAverage")
FAMILIES = [keras, tf_keras]
EVERY_FILE = pytest.mark.parametrize("case", FILES)


def path_of(case: str) -> Path:
    return FIXTURES / case / FILES[case]


def recorded(case: str) -> tuple[Values, Values]:
    """Return what the writing version read back, by key, and the model's input and output."""
    with np.load(FIXTURES / case / "expected.npz") as values, np.load(FIXTURES / case / "io.npz") as outputs:
        return dict(values), dict(outputs)


def why_skipped(name: str) -> str:
    """Return why a tensor is no weight, or an empty string."""
    return next((reason for pattern, reason in NO_WEIGHTS.items() if re.fullmatch(pattern, name)), "")


def assert_output(output: Any, expected: Any) -> None:
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)


@EVERY_FILE
def test_listing_is_what_the_writing_version_read(case: str) -> None:
    expected, _ = recorded(case)
    kinds = {key: "string" if value.dtype.kind == "V" else value.dtype.name for key, value in expected.items()}
    listed = {tensor.key: (tensor.shape, tensor.dtype) for tensor in pr.list_checkpoint(path_of(case))}
    assert listed == {key: (value.shape, kinds[key]) for key, value in expected.items()}


@EVERY_FILE
def test_every_weight_is_restored_to_the_last_bit_and_the_rest_is_listed(case: str) -> None:
    expected, _ = recorded(case)
    listing = pr.list_checkpoint(path_of(case))
    weights = {tensor.name: expected[tensor.key] for tensor in listing if not why_skipped(tensor.name)}
    variables = {name: tf.Variable(tf.zeros_like(value)) for name, value in weights.items()}

    report = pr.restore_subset(variables, path_of(case), strict=True)

    assert_same({name: variable.numpy() for name, variable in variables.items()}, weights)
    rest = {tensor.name: why_skipped(tensor.name) for tensor in listing if tensor.name not in weights}
    assert {item.name: item.reason for item in report.skipped} == rest


KERAS: dict[str, Callable[[Any], Any]] = {
    "tf1.4/v1_adam_averages": today.graph_image_net,
    "tf1.4/v2_momentum_averages": today.graph_image_net,
    "tf1.15/saver_adam_averages": today.graph_image_net,
    "tf1.15/saved_model": today.graph_image_net,
    "tf1.8/eager_adam": today.eager_net,
    "tf1.8/eager_sequential": today.image_net,
    "tf1.15/keras_weights_adam": today.image_net,
    "tf1.15/keras_automatic_weights": today.unnamed_image_net,
    "tf2.4/checkpoint_adam": today.nested_net,
    "tf2.4/saved_model": today.image_net,
    "tf2.4/subclassed_weights_tf": today.subclassed_net,
    "tf2.4/automatic_weights_tf": today.unnamed_image_net,
    "tf2.10/checkpoint_adam": today.nested_net,
    "tf2.10/checkpoint_new_adam": today.nested_net,
    "tf2.10/words_checkpoint": today.word_net,
    "tf2.10/subclassed_checkpoint": today.subclassed_net,
    "tf2.15/checkpoint_adam_averages": today.nested_net,
    "tf2.15/checkpoint_legacy_adam": today.nested_net,
    "tf2.15/exported": today.image_net,
    "tf1.4/keras_model_h5": today.image_net,
    "tf1.15/keras_model_h5": today.image_net,
    "tf1.15/keras_words_weights_h5": today.short_word_net,
    "tf2.4/words_weights_h5": today.word_net,
    "tf2.10/model_h5": today.nested_net,
    "tf2.15/keras": today.image_net,
    "tf2.15/words_keras": today.word_net,
    "tf2.15/weights_h5": today.nested_net,
    "tf2.15/automatic_weights_h5": today.unnamed_image_net,
    "tf2.15/subclassed_weights_h5": today.subclassed_net,
}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
@pytest.mark.parametrize(("case", "build"), KERAS.items(), ids=KERAS.keys())
def test_keras_model_of_today_gives_the_old_output(case: str, build: Callable[[Any], Any], family: Any) -> None:
    _, outputs = recorded(case)
    model = build(family)

    report = pr.restore_subset(model, path_of(case), strict=True)

    assert len(report.loaded) == len(model.weights), str(report)
    assert not [item for item in report.loaded if item.tensor and AVERAGE.fullmatch(item.tensor.name)]
    assert_output(model(outputs["x"]), outputs["y"])


MODULES: dict[str, tuple[today.Shapes, today.Forward]] = {
    "tf1.4/v1_adam_averages": (today.IMAGE, today.image_forward),
    "tf1.4/v2_momentum_averages": (today.IMAGE, today.image_forward),
    "tf1.4/v1_partitioned_sharded_adam": (today.WORDS, today.word_forward),
    "tf1.4/v2_partitioned_sharded_momentum": (today.WORDS, today.word_forward),
    "tf1.15/saver_adam_averages": (today.IMAGE, today.image_forward),
    "tf1.15/saver_partitioned_momentum": (today.WORDS, today.word_forward),
    "tf1.15/saved_model": (today.IMAGE, today.image_forward),
    "tf1.8/eager_adam": (today.IMAGE, today.keras_image_forward),
    "tf1.15/keras_weights_adam": (today.IMAGE, today.keras_image_forward),
    "tf1.15/keras_model_h5": (today.IMAGE, today.keras_image_forward),
    "tf2.4/saved_model": (today.IMAGE, today.keras_image_forward),
    "tf2.15/exported": (today.IMAGE, today.keras_image_forward),
}
AS_MODULES = pytest.mark.parametrize(
    ("case", "shapes", "forward"), [(case, *how) for case, how in MODULES.items()], ids=MODULES.keys()
)


@AS_MODULES
def test_module_of_today_gives_the_old_output(case: str, shapes: today.Shapes, forward: today.Forward) -> None:
    _, outputs = recorded(case)
    module, variables = today.module_of(shapes)

    report = pr.restore_subset(module, path_of(case), strict=True)

    assert {item.name for item in report.loaded} == shapes.keys()
    assert_output(forward(variables, outputs["x"]), outputs["y"])


@pytest.mark.parametrize("case", ["tf2.4/module_checkpoint", "tf2.4/module_saved_model"])
def test_module_with_a_list_gives_the_old_output(case: str) -> None:
    _, outputs = recorded(case)
    module = today.Perceptron()
    pr.restore_subset(module, path_of(case), strict=True)
    assert_output(module(outputs["x"]), outputs["y"])


@pytest.fixture
def session() -> Iterator[tf1.Session]:
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        yield session


@AS_MODULES
def test_graph_of_today_gives_the_old_output(
    case: str, shapes: today.Shapes, forward: today.Forward, session: tf1.Session
) -> None:
    _, outputs = recorded(case)
    variables = today.graph_of(shapes, {})
    output = forward(variables, outputs["x"])

    report = pr.restore_subset(session.graph, path_of(case), strict=True, session=session)

    assert {item.name for item in report.loaded} == shapes.keys()
    assert_output(session.run(output), outputs["y"])


PARTITIONED = [case for case in MODULES if "partitioned" in case]
PARTS: dict[str, Mapping[str, Any]] = {
    "as they were": {"table": tf1.fixed_size_partitioner(3), "mlp/w": tf1.fixed_size_partitioner(2, axis=1)},
    "otherwise": {"table": tf1.fixed_size_partitioner(2), "mlp/b": tf1.fixed_size_partitioner(2)},
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS.keys())
@pytest.mark.parametrize("case", PARTITIONED)
def test_partitioned_graph_gives_the_old_output(case: str, parts: Mapping[str, Any], session: tf1.Session) -> None:
    _, outputs = recorded(case)
    output = today.word_forward(today.graph_of(today.WORDS, parts), outputs["x"])
    pr.restore_subset(session.graph, path_of(case), strict=True, session=session)
    assert_output(session.run(output), outputs["y"])


@pytest.mark.parametrize("case", PARTITIONED)
def test_state_of_a_partitioned_variable_is_listed_whole(case: str) -> None:
    module, _ = today.module_of(today.WORDS)
    report = pr.restore_subset(module, path_of(case), strict=True)
    state = [item for item in report.skipped if item.tensor and re.search(r"table/(Adam|Momentum)", item.tensor.name)]
    assert {(item.tensor.shape, item.reason) for item in state if item.tensor} == {
        ((7, 3), "optimizer state is not restored")
    }


AVERAGED = pytest.mark.parametrize(
    "case", ["tf1.4/v1_adam_averages", "tf1.4/v2_momentum_averages", "tf1.15/saver_adam_averages"]
)
TRAINED = re.compile(r"^\w+/(kernel|bias|gamma|beta)$")
"""The variables of which there are averages."""


@AVERAGED
def test_averages_go_where_a_rename_puts_them(case: str) -> None:
    _, outputs = recorded(case)
    model = today.graph_image_net(keras)
    report = pr.restore_subset(model, path_of(case), rename={AVERAGE: r"\1", TRAINED: None}, strict=True)
    assert_output(model(outputs["x"]), outputs["y_of_averages"])
    assert "conv/kernel/ExponentialMovingAverage" in report.explain("conv/kernel")
    assert "same name" in report.explain("bn/moving_mean")


@AVERAGED
def test_averages_and_variables_in_one_place_are_refused(case: str) -> None:
    model = today.graph_image_net(keras)
    with unchanged(model), pytest.raises(pr.CollisionError) as caught:
        pr.restore_subset(model, path_of(case), rename={AVERAGE: r"\1"})
    assert set(caught.value.names) == {name for name in today.IMAGE if TRAINED.match(name)}


@AVERAGED
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_averages_never_take_the_place_of_what_is_missing(case: str, family: Any) -> None:
    model = today.graph_image_net(family)
    report = pr.restore_subset(model, path_of(case), rename={TRAINED: None})
    assert {item.name for item in report.loaded} == {"bn/moving_mean", "bn/moving_variance"}
    reasons = {item.reason for item in report.skipped if item.tensor and AVERAGE.fullmatch(item.tensor.name)}
    assert reasons == {"no variable of the model has its name"}


@pytest.mark.parametrize("case", [case for case in FILES if (FIXTURES / case / "checkpoint").exists()])
def test_folder_is_as_good_as_its_latest_checkpoint(case: str) -> None:
    """Those of TensorFlow 1.4 name a folder of another machine in their ``checkpoint`` file."""
    assert pr.list_checkpoint(FIXTURES / case) == pr.list_checkpoint(path_of(case))


WITH_ADAM = {
    case: KERAS[case]
    for case in (
        "tf1.4/v1_adam_averages",
        "tf1.15/saver_adam_averages",
        "tf1.8/eager_adam",
        "tf1.15/keras_weights_adam",
        "tf1.15/keras_model_h5",
        "tf2.4/checkpoint_adam",
        "tf2.10/checkpoint_adam",
        "tf2.10/checkpoint_new_adam",
        "tf2.10/subclassed_checkpoint",
        "tf2.10/model_h5",
        "tf2.15/checkpoint_adam_averages",
        "tf2.15/checkpoint_legacy_adam",
        "tf2.15/keras",
    )
}


def owner_of(key: str) -> str:
    """Return what the key of a moment says of its variable, in letters and digits; nothing where it is a number."""
    below = re.sub(
        r"^optimizer_weights/|(training/)?Adam/|/(Adam(_1)?|[mv])(:0)?$", "", key.partition("/.OPTIMIZER_SLOT")[0]
    )
    return "" if "_variables/" in key or "vars/" in key else re.sub(r"\W", "", below)


def compiled(model: Any, family: Any) -> Any:
    model.compile(family.optimizers.Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
@pytest.mark.parametrize(("case", "build"), WITH_ADAM.items(), ids=WITH_ADAM.keys())
def test_moments_of_adam_are_those_of_the_same_variable(case: str, build: Callable[[Any], Any], family: Any) -> None:
    expected, _ = recorded(case)
    model = compiled(build(family), family)

    report = pr.restore_subset(model, path_of(case), optimizer=True)

    moments = [item for item in report.loaded if item.name.endswith(("/momentum", "/velocity"))]
    assert len(moments) == 2 * len(model.trainable_variables)
    for item in moments:
        variable = report[item.name.partition("/")[2].rpartition("/")[0]]
        assert item.tensor is not None
        assert variable.tensor is not None
        assert owner_of(item.tensor.key) in re.sub(r"\W", "", variable.tensor.key), item
        told = re.search(r"/(Adam|Adam_1|m|v)(:0)?(/.ATTRIBUTES.*)?$", item.tensor.key)
        assert not told or (told[1] in ("Adam", "m")) == item.name.endswith("/momentum"), item
    values = sorted(value.tobytes() for value in (expected[item.tensor.key] for item in moments if item.tensor))
    held = [value.numpy().tobytes() for value in (*model.optimizer._momentums, *model.optimizer._velocities)]
    assert sorted(held) == values


@pytest.mark.parametrize("case", ["tf1.4/keras_model_h5", "tf2.15/weights_h5"])
def test_moments_that_have_only_a_number_are_undecidable(case: str) -> None:
    model = compiled(KERAS[case](keras), keras)
    with unchanged(model), pytest.raises(pr.AmbiguousError, match=r"optimizer/.*/kernel/momentum"):
        pr.restore_subset(model, path_of(case), optimizer=True)
