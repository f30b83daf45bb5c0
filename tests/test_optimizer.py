"""Optimizer state goes where its variable goes: on real files, compared with what the saving optimizer held."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from models import assert_same, by_layer, saved, unchanged

import partial_restore as pr

NAMING = pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 6), reason="this Keras writes no names beside weights"
)

tf1 = tf.compat.v1
State = dict[str, np.ndarray[Any, Any]]
Make = Callable[[], Any]

X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
Y = np.roll(X, 1, axis=0) * 2

KERAS_3: dict[str, Make] = {
    "adam": keras.optimizers.Adam,
    "amsgrad and average": lambda: keras.optimizers.Adam(amsgrad=True, use_ema=True),
    "sgd with momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "rmsprop": lambda: keras.optimizers.RMSprop(momentum=0.5, centered=True),
    "nadam": keras.optimizers.Nadam,
    "adafactor": keras.optimizers.Adafactor,
    **({"muon": keras.optimizers.Muon} if hasattr(keras.optimizers, "Muon") else {}),
    "scaled loss": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
}
TF_KERAS: dict[str, Make] = {
    "adam of tf.keras": tf_keras.optimizers.Adam,
    "sgd of tf.keras": lambda: tf_keras.optimizers.SGD(0.1, momentum=0.9),
    "rmsprop of tf.keras": lambda: tf_keras.optimizers.RMSprop(momentum=0.5, centered=True),
    "scaled loss of tf.keras": lambda: tf_keras.mixed_precision.LossScaleOptimizer(tf_keras.optimizers.Adam()),
    "scaled loss of legacy adam": lambda: tf_keras.mixed_precision.LossScaleOptimizer(
        tf_keras.optimizers.legacy.Adam()
    ),
    "legacy adam": lambda: tf_keras.optimizers.legacy.Adam(amsgrad=True),
    "legacy sgd": lambda: tf_keras.optimizers.legacy.SGD(0.1, momentum=0.9),
    "legacy rmsprop": lambda: tf_keras.optimizers.legacy.RMSprop(momentum=0.5, centered=True),
}
EVERY = {**KERAS_3, **TF_KERAS}


def net(make: Make, names: Sequence[str] = ("a", "b", "c"), frozen: Sequence[str] = ()) -> Any:
    """A compiled model of layers of one shape, of the Keras of its optimizer."""
    optimizer = make()
    family = tf_keras if type(optimizer).__module__.startswith("tf_keras") else keras
    outputs = inputs = family.layers.Input([4])
    for name in names:
        outputs = family.layers.Dense(4, name=name)(outputs)
    model = family.Model(inputs, outputs)
    for name in frozen:
        model.get_layer(name).trainable = False
    model.compile(optimizer, "mse", run_eagerly=True)
    return model


def step(model: Any) -> Any:
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    return model


def restored(model: Any, path: str, **options: Any) -> pr.Report:
    """Restore with the optimizer, and hold the report against all variables that there are."""
    report = pr.restore_subset(model, path, optimizer=True, **options)
    assert len(report.loaded) + len(report.initialized) == len({id(v) for v in everything(model)})
    return report


def everything(model: Any) -> Iterator[Any]:
    """Yield all variables of a model and its optimizer."""
    optimizer = model.optimizer
    yield from model.variables
    if hasattr(scale := getattr(optimizer, "_loss_scale", None), "_current_loss_scale"):
        yield from (scale._current_loss_scale, scale._counter)
        optimizer = optimizer.inner_optimizer
    if hasattr(optimizer, "get_slot_names"):
        yield from (*optimizer.variables(), *(v for v in optimizer._hyper.values() if isinstance(v, tf.Variable)))
        return
    yield from optimizer.variables
    yield from (getattr(optimizer, name) for name in ("_learning_rate", "_u_product") if hasattr(optimizer, name))
    yield from getattr(optimizer, "inner_optimizer", optimizer).variables


def state(model: Any) -> State:
    """What the optimizer holds of each variable, by layer, variable and kind; read off the optimizer's own lists."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    called = {id(weight): f"{layer.name}/{name_of(weight)}" for layer in model.layers for weight in layer.weights}
    if hasattr(optimizer, "get_slot_names"):
        kinds = optimizer.get_slot_names()
        return {
            f"{called[id(v)]}/{k}": optimizer.get_slot(v, k).numpy() for v in model.trainable_weights for k in kinds
        }
    trained = getattr(optimizer, "_trainable_variables", model.trainable_weights)
    held = {}
    for kind, each in vars(optimizer).items():
        if isinstance(each, list) and len(each) == len(trained) and kind not in ("_variables", "_trainable_variables"):
            held |= {
                f"{called[id(v)]}/{kind}": s.numpy() for v, s in zip(trained, each, strict=True) if hasattr(s, "numpy")
            }
    return held


def name_of(weight: Any) -> str:
    return str(weight.name).removesuffix(":0").rpartition("/")[2]


def of_layers(held: State, layers: Sequence[str]) -> State:
    return {name: value for name, value in held.items() if name.partition("/")[0] in layers}


OPTIMIZERS = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY.keys())


@OPTIMIZERS
def test_training_goes_on_as_if_it_had_never_stopped(make: Make, tmp_path: Path) -> None:
    source = step(step(net(make)))
    report = restored(target := step(net(make)), saved(tmp_path, model=source, optimizer=source.optimizer))
    assert not report.initialized
    assert_same(state(target), state(source))
    step(source)
    step(target)
    assert_same(by_layer(target), by_layer(source))


EDITS = {
    "frozen first": (("a", "b", "c"), ("a",)),
    "frozen in between": (("a", "b", "c"), ("b",)),
    "inserted": (("a", "new", "b", "c"), ()),
    "removed": (("a", "c"), ()),
    "swapped": (("c", "b", "a"), ()),
    "swapped, removed and inserted": (("new", "c", "a"), ()),
}


def checkpoint(model: Any, folder: Path) -> str:
    return saved(folder, model=model, optimizer=model.optimizer)


def whole(ending: str) -> Callable[[Any, Path], str]:
    """Save a model with its optimizer into one file."""

    def save(model: Any, folder: Path) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras advises against its older formats.
            model.save(path := str(folder / f"model{ending}"))
        return path

    return save


EDITED = {
    f"{name}, {kind}": (EVERY[name], save)
    for kind, save, names in (
        ("checkpoint", checkpoint, ("amsgrad and average", "rmsprop", "adam of tf.keras", "legacy adam")),
        ("h5", whole(".h5"), ("amsgrad and average", "nadam", "legacy adam", "scaled loss", "scaled loss of tf.keras")),
        ("keras", whole(".keras"), ("rmsprop", "adam of tf.keras")),
    )
    for name in names
}


@pytest.mark.parametrize(("names", "frozen"), EDITS.values(), ids=EDITS.keys())
@pytest.mark.parametrize(("make", "save"), EDITED.values(), ids=EDITED.keys())
def test_state_stays_with_its_layer_whatever_is_edited(
    make: Make, names: Sequence[str], frozen: Sequence[str], save: Callable[[Any, Path], str], tmp_path: Path
) -> None:
    source = step(step(net(make)))
    target = step(net(make, names, frozen))
    kept, path = state(target), save(source, tmp_path)
    restored(target, path)
    common = [name for name in names if name != "new" and name not in frozen]
    assert_same(of_layers(state(target), common), of_layers(state(source), common))
    others = [name for name in names if name not in common]
    assert_same(of_layers(state(target), others), of_layers(kept, others))


def test_the_optimizer_around_another_for_mixed_precision_is_known_again(tmp_path: Path) -> None:
    """TensorFlow numbers what is called ``adam_1`` once more: ``loss_scale_optimizer_1/adam_1_2``."""

    def mixed() -> Any:
        model = keras.Sequential([keras.Input([4]), keras.layers.Dense(4, name="a", dtype="mixed_float16")])
        model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), "mse")
        return step(model)

    for times in range(3):
        source, target = step(mixed()), mixed()
        restored(target, saved(tmp_path / str(times), model=source, optimizer=source.optimizer))
        assert_same(state(target), state(source))


AGAIN: dict[str, tuple[Make, Callable[[Any, Path], str]]] = {
    "scaled loss, checkpoint": (EVERY["scaled loss"], checkpoint),
    "nadam, h5": (EVERY["nadam"], whole(".h5")),
    "nadam, keras": (EVERY["nadam"], whole(".keras")),
    "legacy nadam, h5": (tf_keras.optimizers.legacy.Nadam, whole(".h5")),
}


@pytest.mark.parametrize(("make", "save"), AGAIN.values(), ids=AGAIN.keys())
def test_training_goes_on_with_one_that_is_not_the_first_of_its_class(
    make: Make, save: Callable[[Any, Path], str], tmp_path: Path
) -> None:
    """Keras and TensorFlow each number what is called so already: ``adam_1_2``, ``nadam_1/variable_1``."""
    for _ in range(2):
        step(net(make))
    source = step(step(net(make)))
    report = restored(target := step(net(make)), save(source, tmp_path))
    assert not [item.name for item in report.initialized if item.name.endswith(("product", "cache", "tum", "ity"))]
    step(source)
    step(target)
    assert_same(by_layer(target), by_layer(source))


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_the_list_of_a_scaled_loss_of_tf_keras_is_a_copy(family: str, tmp_path: Path) -> None:
    """It has all that the inner one has, and nothing else: what stands second in it is no ``step_counter``."""
    source = step(step(net(EVERY["scaled loss of tf.keras"])))
    target = step(net(EVERY["scaled loss" if family == "keras" else "scaled loss of tf.keras"]))
    path = whole(".keras")(source, tmp_path)
    assert not [tensor.name for tensor in pr.list_checkpoint(path) if "step_counter" in tensor.name]
    restored(target, path)
    for ours, theirs in zip(state(target).values(), state(source).values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@OPTIMIZERS
def test_state_is_left_alone_unless_asked_for(make: Make, tmp_path: Path) -> None:
    source, target = step(step(net(make))), step(net(make))
    kept = state(target)
    report = pr.restore_subset(target, saved(tmp_path, source))
    assert_same(state(target), kept)
    assert {item.reason for item in report.initialized} == {"optimizer state is not restored; kept as it was"}
    assert_same(by_layer(target), by_layer(source))


def test_unfrozen_layer_has_no_state_in_the_file(tmp_path: Path) -> None:
    source = step(net(keras.optimizers.Adam, frozen=["b"]))
    report = restored(target := step(net(keras.optimizers.Adam)), saved(tmp_path, source))
    assert_same(of_layers(state(target), "ac"), state(source))
    assert report["optimizer/b/kernel/momentum"].reason.startswith("the checkpoint's optimizer has no such state")
    with pytest.raises(pr.MissingError, match="optimizer/b/kernel/velocity"):
        restored(step(net(keras.optimizers.Adam)), saved(tmp_path, source), strict=True)


CROSSINGS = {
    "legacy → tf.keras": (TF_KERAS["legacy adam"], tf_keras.optimizers.Adam),
    "tf.keras → legacy": (tf_keras.optimizers.Adam, tf_keras.optimizers.legacy.Adam),
    "legacy rmsprop → tf.keras": (TF_KERAS["legacy rmsprop"], TF_KERAS["rmsprop of tf.keras"]),
    "legacy sgd → tf.keras": (TF_KERAS["legacy sgd"], TF_KERAS["sgd of tf.keras"]),
    "adamw → adam": (keras.optimizers.AdamW, keras.optimizers.Adam),
}


@pytest.mark.parametrize(("old", "new"), CROSSINGS.values(), ids=CROSSINGS.keys())
def test_same_state_under_another_word_is_known(old: Make, new: Make, tmp_path: Path) -> None:
    source = step(step(net(old)))
    report = restored(target := step(net(new)), saved(tmp_path, source))
    theirs, ours = state(source), state(target)
    loaded = [item for item in report.loaded if item.name.startswith("optimizer/") and item.name.count("/") > 1]
    assert len(loaded) == len(ours)
    for name, value in ours.items():
        front, _, kind = name.rpartition("/")
        twins = [each for each in theirs if each.startswith(front) and np.array_equal(theirs[each], value)]
        assert twins, f"{front} {kind}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (keras.optimizers.Adam, KERAS_3["sgd with momentum"]),
        (KERAS_3["rmsprop"], keras.optimizers.Adam),
        (keras.optimizers.Nadam, keras.optimizers.Adam),
        (lambda: keras.optimizers.Adam(name="mine"), lambda: keras.optimizers.SGD(momentum=0.9, name="mine")),
        (lambda: keras.optimizers.Adam(name="mine"), lambda: keras.optimizers.RMSprop(momentum=0.9, name="mine")),
        (lambda: keras.optimizers.SGD(momentum=0.9, name="mine"), lambda: keras.optimizers.Lion(name="mine")),
        (lambda: tf_keras.optimizers.Adam(name="mine"), lambda: tf_keras.optimizers.Adamax(name="mine")),
    ],
)
def test_state_of_another_optimizer_is_not_taken_for_this_ones(old: Make, new: Make, tmp_path: Path) -> None:
    source, target = step(net(old)), step(net(new))
    kept = state(target)
    report = restored(target, saved(tmp_path, source))
    assert_same(state(target), kept)
    assert_same(by_layer(target), by_layer(source))
    assert "optimizer is another one" in report["optimizer/iterations"].reason


def test_optimizer_with_a_name_of_its_own_is_known_by_it(tmp_path: Path) -> None:
    def mine() -> Any:
        return keras.optimizers.Adam(name="mine")

    source = step(net(mine))
    restored(target := step(net(mine)), saved(tmp_path, source))
    assert_same(state(target), state(source))
    report = pr.restore_subset(step(net(keras.optimizers.Adam)), saved(tmp_path, source), optimizer=True)
    assert "another one (mine)" in report["optimizer/iterations"].reason


class Pair(tf.Module):
    """Two networks of one shape, each with an optimizer of its own."""

    def __init__(self, names: Sequence[str] = ("generator", "critic")) -> None:
        super().__init__()
        for i, name in enumerate(names):
            layer = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(4, name=f"{name}_d")])
            setattr(self, name, layer)
            optimizer = keras.optimizers.Adam(0.1 * (i + 1))
            setattr(self, f"{name}_optimizer", optimizer)
            optimizer.build(layer.trainable_variables)
            optimizer.apply([tf.fill(v.shape, float(i + 1)) for v in layer.trainable_variables])


def test_two_optimizers_are_told_apart_by_name_and_by_what_they_train(tmp_path: Path) -> None:
    source, target = Pair(), Pair(("critic", "generator"))
    report = pr.restore_subset(target, saved(tmp_path, source), optimizer=True, strict=True)
    assert not report.initialized
    for name in ("generator", "critic"):
        ours, theirs = (getattr(each, f"{name}_optimizer") for each in (target, source))
        assert len(ours.variables) == 6
        for our, their in zip(ours.variables, theirs.variables, strict=True):
            np.testing.assert_array_equal(our.numpy(), their.numpy())


def test_two_optimizers_under_other_names_are_told_by_what_they_train(tmp_path: Path) -> None:
    source = Pair()
    path = saved(
        tmp_path,
        generator=source.generator,
        critic=source.critic,
        x=source.critic_optimizer,
        y=source.generator_optimizer,
    )
    report = pr.restore_subset(target := Pair(), path, optimizer=True)
    assert report["generator_optimizer/learning_rate"].tensor.name == "y/learning_rate"
    np.testing.assert_array_equal(target.critic_optimizer.learning_rate, source.critic_optimizer.learning_rate)


def test_two_optimizers_that_nothing_tells_apart_are_undecidable(tmp_path: Path) -> None:
    def plain(*names: str) -> Any:
        layer = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(4, name="d")])
        return tf.train.Checkpoint(net=layer, **{name: keras.optimizers.SGD() for name in names})

    source, target = plain("x", "y"), plain("v", "w")
    for each in (source, target):
        for child in each._trackable_children().values():
            if isinstance(child, keras.optimizers.Optimizer):
                child.build(each.net.trainable_variables)
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(target, source.write(str(tmp_path / "ckpt")), optimizer=True)
    assert set(caught.value.names) == {f"{o}/{v}" for o in "vw" for v in ("iterations", "learning_rate")}


@pytest.mark.parametrize("family", [keras, tf_keras], ids=lambda family: family.__name__)
@pytest.mark.parametrize("called", ["adam", "rmsprop", "sgd"])
def test_an_archive_of_a_model_compiled_by_the_name_of_an_optimizer(called: str, family: Any, tmp_path: Path) -> None:
    """Keras 2 writes down the name, not what it stands for."""
    source, target = (net(family.optimizers.Adam) for _ in range(2))
    for model in (source, target):
        model.compile(called, "mse")
    step(source).save(path := str(tmp_path / "x.keras"))
    target.optimizer.build(target.trainable_variables)
    restored(target, path)
    for ours, theirs in zip(everything(target), everything(source), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_an_archive_of_a_model_of_half_precision_compiled_by_the_name_of_an_optimizer(
    tmp_path: Path,
) -> None:
    """Its optimizer is one that scales the loss, and has the one of that name; the archive has no scale."""
    tf_keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        source, target = (net(tf_keras.optimizers.Adam) for _ in range(2))
        for model in (source, target):
            model.compile("adam", "mse", run_eagerly=True)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    step(source).save(path := str(tmp_path / "x.keras"))
    scale = step(target).optimizer.dynamic_counter.numpy(), target.optimizer.loss_scale.numpy()
    restored(target, path)
    assert scale == (target.optimizer.dynamic_counter.numpy(), target.optimizer.loss_scale.numpy())
    for ours, theirs in zip(everything(target), everything(source), strict=True):
        if ours.name not in ("current_loss_scale:0", "good_steps:0"):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("make", [keras.optimizers.Adam, tf_keras.optimizers.Adam, tf_keras.optimizers.legacy.Adam])
def test_optimizer_that_is_not_built_is_an_error(make: Make, tmp_path: Path) -> None:
    path = saved(tmp_path, step(net(make)))
    with pytest.raises(pr.UnbuiltError, match=r"Adam.*Build it first") as caught:
        pr.restore_subset(net(make), path, optimizer=True)
    assert caught.value.optimizers == ("optimizer (Adam)",)
    assert pr.restore_subset(net(make), path).loaded


def test_optimizers_in_attributes_that_are_not_built_are_told_by_these(tmp_path: Path) -> None:
    parts = tf.train.Checkpoint(model=step(net(keras.optimizers.Adam)))
    target = tf.train.Checkpoint(
        model=net(keras.optimizers.Adam), inner=tf.train.Checkpoint(of=keras.optimizers.Adam())
    )
    with pytest.raises(pr.UnbuiltError) as caught:
        pr.restore_subset(target, parts.write(str(tmp_path / "ckpt")), optimizer=True)
    assert caught.value.optimizers == ("inner/of (Adam)", "model/optimizer (Adam)")


def test_model_without_an_optimizer_is_misuse() -> None:
    with pytest.raises(ValueError, match="has no optimizer"):
        pr.restore_subset({"w": tf.Variable([0.0])}, {"w": np.float32([1])}, optimizer=True)


def test_file_without_optimizer_state_gives_the_weights(tmp_path: Path) -> None:
    source = net(keras.optimizers.Adam)
    report = restored(target := step(net(keras.optimizers.Adam)), pr.save_subset(source, str(tmp_path / "part")))
    assert_same(by_layer(target), by_layer(source))
    assert "the checkpoint tells of no optimizer state" in report["optimizer/iterations"].reason


def test_include_takes_the_state_along_and_exclude_leaves_it(tmp_path: Path) -> None:
    source = step(net(keras.optimizers.Adam))
    path, target = saved(tmp_path, source), step(net(keras.optimizers.Adam))
    kept = state(target)
    report = pr.restore_subset(target, path, include="a", exclude="optimizer/a/bias", optimizer=True)
    assert {item.name for item in report.loaded} == {
        "a/kernel",
        "a/bias",
        "optimizer/a/kernel/momentum",
        "optimizer/a/kernel/velocity",
    }
    assert_same(of_layers(state(target), "bc"), of_layers(kept, "bc"))
    report = pr.restore_subset(target, path, exclude="b", optimizer=True)
    assert report["optimizer/b/kernel/momentum"].reason.startswith("its variable is not loaded")
    assert report["optimizer/iterations"] in report.loaded


def test_mismatch_of_a_layer_leaves_its_state(tmp_path: Path) -> None:
    source, target = step(net(keras.optimizers.Adam)), keras.Sequential([keras.layers.Input([4])])
    for name, units in (("a", 4), ("b", 5), ("c", 4)):
        target.add(keras.layers.Dense(units, name=name))
    target.compile("adam", "mse")
    step(target)
    path = saved(tmp_path, source)
    with unchanged(target), pytest.raises(pr.MismatchError):
        pr.restore_subset(target, path, optimizer=True)
    report = pr.restore_subset(target, path, optimizer=True, on_mismatch="initialize")
    assert report["optimizer/b/kernel/momentum"].reason.startswith("its variable is not loaded")
    assert_same(of_layers(state(target), "a"), of_layers(state(source), "a"))


def test_rename_moves_the_state_with_its_variable_and_says_scalars(tmp_path: Path) -> None:
    source, target = step(step(net(keras.optimizers.Adam))), step(net(keras.optimizers.SGD, ("x", "b", "c")))
    rename = {"a": "x", "optimizer/iterations": "optimizer/iterations"}
    report = pr.restore_subset(target, saved(tmp_path, source), rename=rename, optimizer=True)
    assert report["optimizer/iterations"].reason == "renamed"
    assert target.optimizer.iterations.numpy() == 2
    restored(other := step(net(keras.optimizers.Adam, ("x", "b", "c"))), saved(tmp_path, source), rename={"a": "x"})
    theirs = {name.replace("a/", "x/", 1): value for name, value in state(source).items()}
    assert_same(state(other), theirs)


def test_live_model_gives_its_state() -> None:
    source = step(net(keras.optimizers.Adam))
    target = step(net(keras.optimizers.Adam, ("a", "new", "c")))
    pr.restore_subset(target, source, optimizer=True)
    assert_same(of_layers(state(target), "ac"), of_layers(state(source), "ac"))


def test_names_with_underscores_are_no_riddle(tmp_path: Path) -> None:
    """``a_b`` with ``c`` and ``a`` with ``b_c`` make one name; the optimizer's own list of variables tells them apart."""

    class Odd(keras.layers.Layer):
        def __init__(self, own: str, name: str) -> None:
            super().__init__(name=name)
            self.own = self.add_weight(shape=(4,), name=own)

        def call(self, inputs: Any) -> Any:
            return inputs * self.own

    def odd(first: Sequence[str], second: Sequence[str]) -> Any:
        model = keras.Sequential([keras.layers.Input([4]), Odd(*first), Odd(*second)])
        model.compile("adam", "mse")
        return step(model)

    source, target = odd(("c", "a_b"), ("b_c", "a")), odd(("b_c", "a"), ("c", "a_b"))
    lists = source.optimizer._trackable_children()["_momentums"]._trackable_children()
    expected = state(source if lists else target)  # Keras 3.3 does not show its lists: then nobody can tell.
    pr.restore_subset(target, saved(tmp_path, source), optimizer=True)
    ours = state(target)
    assert_same(ours, {name: expected[name] for name in ours})


@pytest.mark.parametrize("make", [keras.optimizers.Adam, tf_keras.optimizers.Adam, tf_keras.optimizers.legacy.Adam])
def test_callback_builds_the_optimizer(make: Make, tmp_path: Path) -> None:
    source = step(net(make))
    restore = pr.RestoreSubset(saved(tmp_path, source), optimizer=True)
    target = net(make)
    target.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=[restore])
    assert not restore.report.initialized
    step(source)
    assert_same(by_layer(target), by_layer(source))


def graph_of(names: Sequence[str], make: Callable[[], Any]) -> tuple[Any, Any]:
    variables = [tf1.get_variable(name, initializer=tf.constant(X[i])) for i, name in enumerate(names)]
    return variables, make().minimize(tf.add_n([tf.reduce_sum((v - 1) ** 2) for v in variables]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf1.train.AdamOptimizer(0.1),
        lambda: tf1.train.MomentumOptimizer(0.1, 0.9),
        lambda: tf1.train.RMSPropOptimizer(0.1, momentum=0.9, centered=True),
        lambda: tf1.train.AdagradOptimizer(0.1),
        lambda: tf1.train.AdadeltaOptimizer(0.1),
        lambda: tf1.train.FtrlOptimizer(0.1),
    ],
)
def test_graph_goes_on_as_if_it_had_never_stopped(make: Make, tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as session:
        variables, train = graph_of(["tower/a", "tower/b"], make)
        session.run(tf1.global_variables_initializer())
        session.run([train, train])
        session.run(train)
        path = tf1.train.Saver().save(session, str(tmp_path / "ckpt"))
        session.run(train)
        expected = dict(zip("ab", session.run(variables), strict=True))
    with tf.Graph().as_default(), tf1.Session() as session:
        variables, train = graph_of(["net/b", "net/new", "net/a"], make)
        report = pr.restore_subset(session.graph, path, rename={"tower/": "net/"}, optimizer=True, session=session)
        session.run(train)
        b, _, a = session.run(variables)
        np.testing.assert_array_equal(a, expected["a"])
        np.testing.assert_array_equal(b, expected["b"])
        assert all("new" in item.name for item in report.initialized)


def test_velocity_without_the_learning_rate_is_another_one(tmp_path: Path) -> None:
    """The ``Momentum`` of TensorFlow 1 sums gradients, SGD of Keras sums steps."""
    with tf.Graph().as_default(), tf1.Session() as session:
        graph_of(["w"], lambda: tf1.train.MomentumOptimizer(0.1, 0.9))
        session.run(tf1.global_variables_initializer())
        path = tf1.train.Saver().save(session, str(tmp_path / "ckpt"))
    variable, sgd = tf.Variable(tf.zeros([4])), keras.optimizers.SGD(momentum=0.9)
    sgd.build([keras_variable := keras.Variable(np.zeros(4, np.float32), name="w")])
    del variable
    report = pr.restore_subset(tf.train.Checkpoint(w=keras_variable, optimizer=sgd), path, optimizer=True)
    assert "another one (momentum)" in report["optimizer/w/momentum"].reason


def test_whole_model_of_keras_1_does_not_tell_whose_its_state_is(tmp_path: Path) -> None:
    """It calls all state ``training/Adam/Variable_7``: nothing but places, which is not enough."""
    source = step(net(tf_keras.optimizers.legacy.Adam))
    path = whole(".h5")(source, tmp_path)
    with h5py.File(path, "r+") as file:
        weights = file["optimizer_weights"]
        names = [name for name in weights.attrs["weight_names"] if name != "Adam/iter:0"]
        for i, name in enumerate(names):
            weights.move(name, f"training/Adam/Variable_{i}:0")
    target = step(net(tf_keras.optimizers.legacy.Adam))
    kept = state(target)
    with pytest.raises(pr.AmbiguousError, match="does not tell whose state this is"):
        pr.restore_subset(target, path, optimizer=True)
    pr.restore_subset(target, path)
    assert_same(state(target), kept)
    assert_same(by_layer(target), by_layer(source))


@NAMING
@pytest.mark.parametrize("frozen", [(), ("b",)])
def test_weights_alone_tell_whose_state_it_is_where_that_is_forced(frozen: Sequence[str], tmp_path: Path) -> None:
    source = step(step(net(keras.optimizers.Adam, frozen=frozen)))
    source.save_weights(path := str(tmp_path / "x.weights.h5"))
    target = step(net(keras.optimizers.Adam, ("a", "new", "b", "c")))
    if frozen:  # Of three layers of one shape, two were trained: nothing tells which.
        with (
            unchanged(target),
            pytest.raises(pr.AmbiguousError, match=r"optimizer/a/kernel/momentum.*whose state") as caught,
        ):
            pr.restore_subset(target, path, optimizer=True)
        assert "optimizer=False" in str(caught.value)
        return
    restored(target, path)
    assert_same(of_layers(state(target), "abc"), state(source))


@pytest.mark.parametrize("name", ["sgd with momentum", "rmsprop", "amsgrad and average", *({"muon"} & EVERY.keys())])
def test_weights_alone_do_not_tell_which_state_it_is(name: str, tmp_path: Path) -> None:
    """Momentum or an average of the weights, one list of them looks like the other."""
    source, target = step(net(EVERY[name])), step(net(EVERY[name]))
    source.save_weights(path := str(tmp_path / "x.weights.h5"))
    with unchanged(target), pytest.raises(pr.AmbiguousError, match="whose state"):
        pr.restore_subset(target, path, optimizer=True)


def deep() -> Any:
    """Layers within layers, statistics that are not trained, and one layer frozen; three shapes occur many times."""
    layers = keras.layers
    tokens = inputs = layers.Input([6], dtype="int32")
    tokens = layers.Embedding(20, 4, name="embed")(tokens)
    tokens = layers.MultiHeadAttention(2, 2, name="attend")(tokens, tokens)
    tokens = layers.BatchNormalization(name="norm")(tokens)
    tokens = layers.Dense(4, name="still")(tokens)
    inner = keras.Sequential(
        [layers.Input([6, 4]), layers.Dense(4, name="d0"), layers.BatchNormalization(name="n0")], name="inner"
    )
    tokens = inner(tokens)
    tokens = layers.Bidirectional(layers.LSTM(2, name="lstm"), name="both")(tokens)
    model = keras.Model(inputs, layers.Dense(4, name="head")(tokens))
    model.get_layer("still").trainable = False
    model.compile("adam", "mse", run_eagerly=True)
    return model


@pytest.mark.parametrize(
    "save", [checkpoint, whole(".h5"), pytest.param(whole(".keras"), marks=NAMING)], ids=["checkpoint", "h5", "keras"]
)
def test_state_of_layers_within_layers_is_found(save: Callable[[Any, Path], str], tmp_path: Path) -> None:
    tokens = np.random.default_rng(1).integers(0, 20, [8, 6])

    def trained(model: Any) -> Any:
        model.fit(tokens, Y, batch_size=8, shuffle=False, verbose=0)
        return model

    source, target = trained(trained(deep())), trained(deep())
    pr.restore_subset(target, save(source, tmp_path), optimizer=True, strict=True)
    for ours, theirs in zip(target.optimizer.variables, source.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)
    for each in (source, target):
        trained(each)
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


class Listed(keras.Model):
    """Layers of one shape in a list whose attribute sorts before `layers`."""

    def __init__(self, *, is_filled_from_its_end: bool = False) -> None:
        super().__init__()
        self.blocks: list[Any] = []
        for _ in range(3):
            self.blocks.insert(0 if is_filled_from_its_end else len(self.blocks), keras.layers.Dense(4))
        self(X)
        self.compile("adam", "mse", run_eagerly=True)

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


@NAMING
@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
@pytest.mark.parametrize("ends", [(True, False), (False, True), (True, True), (False, False)])
def test_a_list_does_not_tell_in_which_order_it_was_filled(
    ends: tuple[bool, bool], ending: str, tmp_path: Path
) -> None:
    """Layers are trained in the order in which they came, and stored in that of the list."""
    source, target = (Listed(is_filled_from_its_end=each) for each in ends)
    target.optimizer.build(target.trainable_variables)
    (step(source).save if ending == ".keras" else step(source).save_weights)(path := str(tmp_path / f"x{ending}"))
    with unchanged(target), pytest.raises(pr.AmbiguousError, match="whose state"):
        pr.restore_subset(target, path, optimizer=True)


@pytest.mark.parametrize("ending", [".keras", pytest.param(".weights.h5", marks=NAMING)])
def test_state_in_a_file_of_keras_3_is_listed_by_what_it_is(ending: str, tmp_path: Path) -> None:
    source = step(net(keras.optimizers.Adam))
    (source.save if ending == ".keras" else source.save_weights)(path := str(tmp_path / f"x{ending}"))
    names = {tensor.name for tensor in pr.list_checkpoint(path)}
    assert {"optimizer/iterations", "optimizer/learning_rate", "optimizer/a/vars/0/momentum"} < names


def test_two_optimizers_of_keras_2_that_were_built_before_training_are_told_by_name(tmp_path: Path) -> None:
    """Their state is called after the variables alone: `m/x/kernel`; the layers of both models are called alike."""

    def pair() -> Any:
        parts = {}
        for i, (name, optimizer) in enumerate(
            {"g": tf_keras.optimizers.RMSprop, "d": tf_keras.optimizers.Adam}.items()
        ):
            layers = [tf_keras.layers.Dense(4, name=each) for each in "xy"]
            parts[name] = tf_keras.Sequential([tf_keras.Input([4]), *layers])
            parts[f"{name}_optimizer"] = optimizer(0.1 * (i + 1))
            parts[f"{name}_optimizer"].build(parts[name].trainable_variables)
        return tf.train.Checkpoint(**parts)

    source, target = pair(), pair()
    for optimizer in (target.g_optimizer, target.d_optimizer):
        optimizer.learning_rate.assign(0.7)

    pr.restore_subset(target, source.write(str(tmp_path / "ckpt")), optimizer=True)

    for name, rate in (("g", 0.1), ("d", 0.2)):
        np.testing.assert_allclose(getattr(target, f"{name}_optimizer").learning_rate, rate)


class Block(keras.layers.Layer):
    """A layer that shares another one, which the model has as well."""

    def __init__(self, tied: Any, name: str) -> None:
        super().__init__(name=name)
        self.tied = tied
        self.inner = keras.layers.Dense(4, name=f"{name}_inner")

    def build(self, shape: Any) -> None:
        self.inner.build(shape)

    def call(self, x: Any) -> Any:
        return self.inner(x)


class Tied(keras.Model):
    """A model that trains a layer before those that hold it as well, one of which comes first in a file."""

    def __init__(self) -> None:
        super().__init__()
        self.tied = keras.layers.Dense(4, name="tied")
        self.encoder, self.decoder = Block(self.tied, "encoder"), Block(self.tied, "decoder")

    def call(self, x: Any) -> Any:
        return self.decoder(self.encoder(self.tied(x)))


@NAMING
@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_order_that_a_shared_layer_hides_is_not_guessed(ending: str, tmp_path: Path) -> None:
    def tied() -> Any:
        model = Tied()
        model.compile(keras.optimizers.Adam(0.01), "mse")
        return step(model)

    source, target, path = tied(), tied(), str(tmp_path / f"tied{ending}")
    source.save_weights(path) if ending == ".weights.h5" else source.save(path)
    with unchanged(target), pytest.raises(pr.AmbiguousError, match="whose state") as raised:
        pr.restore_subset(target, path, optimizer=True)
    assert not [name for name in raised.value.names if name.endswith(("iterations", "learning_rate"))]
    pr.restore_subset(target, path)
    np.testing.assert_equal(target.get_weights(), source.get_weights())


@pytest.mark.parametrize("rename", [{re.compile("a/"): "x/"}, lambda name: name.replace("a/", "x/")])
def test_a_rule_for_a_layer_does_not_make_a_velocity_a_moment(rename: Any, tmp_path: Path) -> None:
    path = saved(tmp_path, step(net(lambda: keras.optimizers.SGD(0.1, momentum=0.9))))
    target = step(net(keras.optimizers.Adam, ("x", "b", "c")))
    before = state(target)
    report = pr.restore_subset(target, path, optimizer=True, rename=rename)
    assert report["x/kernel"].reason == "renamed"
    assert report["optimizer/x/kernel/momentum"].reason.startswith("the checkpoint's optimizer is another one")
    assert_same(state(target), before)


class MatricesFirst(keras.optimizers.Optimizer):
    """An optimizer that keeps its state in an order of its own."""

    def __init__(self) -> None:
        super().__init__(0.1, name="matrices_first")

    def build(self, variables: Any) -> None:
        if not self.built:
            super().build(variables)
            self._places = sorted(range(len(variables)), key=lambda i: -len(variables[i].shape))
            self._traces = [self.add_variable_from_reference(variables[i], name="trace") for i in self._places]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ARG002  Keras passes it.
        self.assign_add(self._traces[self._places.index(self._get_variable_index(variable))], gradient)


def test_state_in_an_order_of_its_own_is_told_by_its_names(tmp_path: Path) -> None:
    source, target = step(net(MatricesFirst, ("a", "b"))), step(net(MatricesFirst, ("a", "new", "b")))
    before = {trace.path: trace.numpy() for trace in target.optimizer._traces}
    restored(target, saved(tmp_path, source))
    theirs = {trace.path: trace.numpy() for trace in source.optimizer._traces}
    assert_same({trace.path: trace.numpy() for trace in target.optimizer._traces}, before | theirs)


@pytest.mark.skipif(not hasattr(keras.optimizers, "MultiOptimizer"), reason="this Keras has one optimizer for all")
def test_optimizers_that_share_the_variables_out_are_restored_each(tmp_path: Path) -> None:
    def shared() -> Any:
        inputs = keras.Input([4])
        outputs = keras.layers.Dense(3, name="a")(inputs)
        model = keras.Model(inputs, keras.layers.Dense(4, name="b")(outputs))
        each = keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.01), {"b/.*": keras.optimizers.Adagrad(0.02)})
        model.compile(keras.optimizers.MultiOptimizer(each), "mse")
        return step(model)

    source, target, path = step(shared()), shared(), str(tmp_path / "shared.keras")
    source.save(path)
    restored(target, path)
    for ours, theirs in zip(target.optimizer.variables, source.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)
    report = restored(shared(), saved(tmp_path, source))  # TensorFlow stores nothing of what is within.
    assert report["optimizer/a/kernel/momentum"].reason.startswith("the checkpoint's optimizer is another one")


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("ending", [pytest.param(".weights.h5", marks=NAMING), ""])
def test_optimizer_of_an_inner_model_is_another_one(ending: str, tmp_path: Path, *, is_compiled: bool) -> None:
    def nested(*, is_compiled: bool) -> Any:
        inner = keras.Sequential([keras.Input([4]), keras.layers.Dense(3, name="a")], name="encoder")
        if is_compiled:
            inner.compile(keras.optimizers.Adam(0.01), "mse")
            inner.fit(X, Y[:, :3], verbose=0)
        model = keras.Sequential([keras.Input([4]), inner, keras.layers.Dense(4, name="b")])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        return step(model)

    source, target = nested(is_compiled=True), nested(is_compiled=is_compiled and not ending)
    path = str(tmp_path / f"nested{ending}") if ending else saved(tmp_path, source)
    if ending:
        source.save_weights(path)
    pr.restore_subset(target, path, optimizer=True)
    np.testing.assert_equal(target.get_weights(), source.get_weights())
    pairs = [(target, source), *([(target.layers[0], source.layers[0])] if is_compiled and not ending else [])]
    for ours, theirs in pairs:
        for one, other in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=one.path)


class Adversarial(keras.Model):
    """A model with an optimizer of its own, beside the one that ``compile`` makes and nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential([keras.Input([4]), keras.layers.Dense(4, name="a")])
        self(X)

    def call(self, x: Any) -> Any:
        return self.generator(x)

    def compile(self, optimizer: Any) -> None:
        super().compile()
        self.own = optimizer
        optimizer.build(self.generator.trainable_variables)


def test_optimizer_that_nobody_uses_needs_no_state(tmp_path: Path) -> None:
    source, target = Adversarial(), Adversarial()
    for model in (source, target):
        model.compile(keras.optimizers.Adam())
    for i, variable in enumerate(source.own.variables):
        variable.assign(np.full(variable.shape, i))
    pr.restore_subset(target, saved(tmp_path, source), optimizer=True)
    for ours, theirs in zip(target.own.variables, source.own.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Holding(keras.Model):
    """A model that keeps another one, which may have been compiled, in an attribute."""

    def __init__(self, *, is_compiled: bool) -> None:
        super().__init__()
        self.encoder = keras.Sequential([keras.Input([4]), keras.layers.Dense(3, name="a")])
        self.out = keras.layers.Dense(4, name="b")
        if is_compiled:
            self.encoder.compile(keras.optimizers.Adam(0.01), "mse")
            self.encoder.fit(X, Y[:, :3], verbose=0)
        self.compile(keras.optimizers.Adam(0.01), "mse")

    def call(self, x: Any) -> Any:
        return self.out(self.encoder(x))


@NAMING
def test_optimizer_of_a_model_in_an_attribute_is_another_one(tmp_path: Path) -> None:
    source, target = step(Holding(is_compiled=True)), step(Holding(is_compiled=False))
    source.save_weights(path := str(tmp_path / "held.weights.h5"))
    pr.restore_subset(target, path, optimizer=True)
    for ours, theirs in zip(target.optimizer.variables, source.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


@NAMING
def test_training_of_a_head_goes_on_beside_what_is_frozen(tmp_path: Path) -> None:
    def tuned() -> Any:
        outputs = inputs = keras.Input([4])
        for i in range(12):
            outputs = keras.layers.Dense(4, name=f"dense{i}")(outputs)
            outputs = keras.layers.BatchNormalization(name=f"batch{i}")(outputs)
            outputs = keras.layers.LayerNormalization(name=f"layer{i}")(outputs)
        model = keras.Model(inputs, keras.layers.Dense(4, name="head")(outputs))
        for layer in model.layers[:25]:
            layer.trainable = False
        model.compile(keras.optimizers.Adam(0.01), "mse")
        return step(model)

    source, target, path = tuned(), tuned(), str(tmp_path / "tuned.keras")
    source.save(path)
    pr.restore_subset(target, path, optimizer=True, strict=True)
    for ours, theirs in zip(target.optimizer.variables, source.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


class Adversaries(keras.Model):
    """A model whose parts have optimizers of their own, as attributes."""

    def __init__(self, width: int, make: Make) -> None:
        super().__init__()
        self.g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(width, name="up")], name="g")
        self.d = keras.Sequential([keras.Input((width,)), keras.layers.Dense(4, name="down")], name="d")
        self.g_opt, self.d_opt = make(), make()
        self.g_opt.build(self.g.trainable_variables)
        self.d_opt.build(self.d.trainable_variables)
        self(X)

    def call(self, inputs: Any) -> Any:
        return self.d(self.g(inputs))

    @property
    def everything(self) -> list[Any]:
        return [*self.variables, *self.g_opt.variables, *self.d_opt.variables]


def adversaries(width: int, make: Make) -> Adversaries:
    """A model of which every number is its own."""
    model = Adversaries(width, make)
    for i, variable in enumerate(model.everything):
        variable.assign(np.arange(np.prod(variable.shape)).reshape(variable.shape) + 100 * i)
    return model


@NAMING
@pytest.mark.parametrize("which", ["adam", "scaled loss"])
def test_optimizers_in_attributes_are_known_by_their_names(which: str, tmp_path: Path) -> None:
    source, target = adversaries(8, KERAS_3[which]), Adversaries(8, KERAS_3[which])
    source.save_weights(path := tmp_path / "both.weights.h5")
    report = pr.restore_subset(target, str(path), optimizer=True)
    assert not report.initialized
    for ours, theirs in zip(target.everything, source.everything, strict=True):
        np.testing.assert_array_equal(ours, theirs, ours.path)


@NAMING
def test_optimizers_in_attributes_of_models_alike_are_not_guessed(tmp_path: Path) -> None:
    source, target = adversaries(4, keras.optimizers.Adam), Adversaries(4, keras.optimizers.Adam)
    source.save_weights(path := tmp_path / "both.weights.h5")
    with unchanged(target), pytest.raises(pr.AmbiguousError, match="g_opt/vars/2"):
        pr.restore_subset(target, str(path), optimizer=True)
    report = pr.restore_subset(target, str(path))
    assert {item.name for item in report.loaded} == {
        f"{name}/{each}" for name in ("g/up", "d/down") for each in ("kernel", "bias")
    }


@NAMING
def test_a_layer_that_begins_with_numbers_is_no_optimizer(tmp_path: Path) -> None:
    def model() -> Any:
        class Counted(keras.layers.Layer):
            def build(self, _: Any) -> None:
                self.seen = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)
                self.scale = self.add_weight(shape=(), initializer="ones")
                self.kernel = self.add_weight(shape=(4, 4))

            def call(self, inputs: Any) -> Any:
                return inputs @ self.kernel * self.scale

        return keras.Sequential([keras.Input((4,)), Counted(name="counted")])

    source, target = model(), model()
    source.save_weights(path := tmp_path / "counted.weights.h5")
    assert len(pr.restore_subset(target, str(path)).loaded) == 3


def towers() -> Any:
    """A trained model of Keras 2 with two models of layers of the same names."""

    def tower(name: str) -> Any:
        inputs = outputs = tf_keras.layers.Input([4])
        for each in "xy":
            outputs = tf_keras.layers.Dense(4, name=each)(outputs)
        return tf_keras.Model(inputs, outputs, name=name)

    inputs = tf_keras.layers.Input([4])
    model = tf_keras.Model(inputs, tower("dec")(tower("enc")(inputs)))
    model.compile(tf_keras.optimizers.Adam(), "mse", run_eagerly=True)
    return step(model)


@pytest.mark.parametrize("save", [lambda model, _: model, whole(".keras")], ids=["live", "keras"])
def test_state_of_layers_of_one_name_goes_to_the_right_model(save: Callable[[Any, Path], Any], tmp_path: Path) -> None:
    source, target = step(towers()), towers()
    report = pr.restore_subset(target, save(source, tmp_path), optimizer=True)
    assert all("rate" in item.name for item in report.initialized)
    for kind in ("_momentums", "_velocities"):
        for ours, theirs in zip(getattr(target.optimizer, kind), getattr(source.optimizer, kind), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_state_of_layers_of_one_name_is_undecidable_in_a_checkpoint(tmp_path: Path) -> None:
    target = towers()
    with unchanged(target), pytest.raises(pr.AmbiguousError, match="does not tell whose state this is"):
        pr.restore_subset(target, saved(tmp_path, step(towers())), optimizer=True)


def test_every_piece_of_adafactor_of_keras_2_goes_over_in_memory() -> None:
    source, target = (step(net(tf_keras.optimizers.Adafactor)) for _ in range(2))
    report = pr.restore_subset(target, step(source), optimizer=True)
    assert not report.initialized
    for kind in ("_r", "_c", "_v"):
        for ours, theirs in zip(getattr(target.optimizer, kind), getattr(source.optimizer, kind), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def adapted() -> Any:
    layer = keras.layers.Normalization(name="n")
    layer.adapt(X)
    return layer


def attended(inputs: Any) -> Any:
    return keras.layers.GroupQueryAttention(2, 2, 1, name="a")(inputs, inputs)


LAYERS_THAT_TRAIN_A_PART: dict[str, Callable[[Any], Any]] = {
    "statistics": lambda inputs: keras.layers.LayerNormalization(name="a")(adapted()(inputs)),
    "spectral": lambda x: keras.layers.SpectralNormalization(keras.layers.Dense(4), name="a")(x),  # noqa: PLW0108  It makes one anew.
    "grouped queries": lambda x: attended(keras.layers.RepeatVector(2)(x))[:, 0],
}


@pytest.mark.parametrize("which", LAYERS_THAT_TRAIN_A_PART)
def test_an_archive_tells_the_state_of_layers_that_train_a_part(which: str, tmp_path: Path) -> None:
    def made() -> Any:
        inputs = keras.layers.Input([4])
        model = keras.Model(inputs, keras.layers.Dense(4, name="b")(LAYERS_THAT_TRAIN_A_PART[which](inputs)))
        model.compile(keras.optimizers.Adam(), "mse", run_eagerly=True)
        return step(model)

    source, target = step(made()), made()
    pr.restore_subset(target, whole(".keras")(source, tmp_path), optimizer=True)
    for ours, theirs in zip(target.optimizer.variables, source.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, ours.path)


def test_what_adafactor_of_keras_2_has_in_place_of_averages_is_left(tmp_path: Path) -> None:
    source, target = (step(net(tf_keras.optimizers.Adafactor)) for _ in range(2))
    report = pr.restore_subset(target, saved(tmp_path, step(source)), optimizer=True)
    assert {item.name.rpartition("/")[2] for item in report.initialized} == {"r", "c"}
    for kind in ("_r", "_c", "_v"):
        for ours, theirs in zip(getattr(target.optimizer, kind), getattr(source.optimizer, kind), strict=True):
            if ours.shape.rank:
                np.testing.assert_array_equal(ours, theirs)
