"""The Keras callback, in training as people run it."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from models import Layers, by_layer, saved, stack, trained

import partial_restore as pr

ONES = np.ones([4, 4], np.float32)


class Net(keras.Model):
    """A subclassed model that is built by training only."""

    def __init__(self) -> None:
        super().__init__()
        self.b0, self.head = Layers.Dense(4), Layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        return self.head(self.b0(inputs))


def still(model: Any) -> Any:
    """Compile a model so that training changes nothing."""
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    return model


@pytest.mark.parametrize(
    "make",
    [Net, lambda: stack(["b0"]), lambda: keras.Sequential([Layers.Dense(4, name="b0"), Layers.Dense(3, name="head")])],
)
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_restores_before_the_first_step(tmp_path: Path, make: Any, *, run_eagerly: bool) -> None:
    source, target = stack(["b0"]), still(make())
    target.run_eagerly = run_eagerly
    restore = pr.RestoreSubset(saved(tmp_path, source), exclude="head")
    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore])
    np.testing.assert_array_equal(target.weights[0].numpy(), by_layer(source)["b0/kernel"])
    assert restore.report is not None
    assert [item.name for item in restore.report.loaded] == ["b0/kernel", "b0/bias"]


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("is_built", [False, True])
def test_restores_models_of_keras_2_as_well(tmp_path: Path, *, is_built: bool, run_eagerly: bool) -> None:
    source, layer = stack(["b0"]), tf_keras.layers.Dense
    inputs = [tf_keras.layers.Input([4])] if is_built else []
    target = tf_keras.Sequential([*inputs, layer(4, name="b0"), layer(3, name="head")])
    target.compile(tf_keras.optimizers.SGD(0.0), "mse", run_eagerly=run_eagerly)
    restore = pr.RestoreSubset(saved(tmp_path, source), exclude="head")
    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore], validation_data=(ONES, ONES[:, :3]))
    np.testing.assert_array_equal(target.weights[0].numpy(), by_layer(source)["b0/kernel"])
    assert [item.name for item in restore.report.loaded] == ["b0/kernel", "b0/bias"]


@pytest.mark.parametrize("family", [keras, tf_keras])
@pytest.mark.parametrize("is_built", [False, True])
def test_optimizer_is_restored_with_its_model(tmp_path: Path, family: Any, *, is_built: bool) -> None:
    def compiled(*, is_built: bool) -> Any:
        inputs = [family.layers.Input([4])] if is_built else []
        layers = [family.layers.Dense(4, name="b0"), family.layers.Dense(3, name="head")]
        model = family.Sequential([*inputs, *layers])
        model.compile(family.optimizers.Adam(0.0), "mse")
        return model

    source, target = compiled(is_built=True), compiled(is_built=is_built)
    source.fit(ONES, ONES[:, :3], verbose=0)
    path = tf.train.Checkpoint(model=source).write(f"{tmp_path}/checkpoint")
    restore = pr.RestoreSubset(path, optimizer=True, strict=True)
    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore])
    assert {"optimizer/b0/kernel/velocity", "optimizer/iterations"} <= {item.name for item in restore.report.loaded}
    assert target.optimizer.iterations.numpy() == 2


def test_restores_once(tmp_path: Path) -> None:
    source, target = stack(["b0"]), still(stack(["b0"]))
    restore = pr.RestoreSubset(saved(tmp_path, source))
    target.optimizer.iterations.assign(0)
    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore])
    target.get_layer("b0").bias.assign(np.full(4, 9.0))
    target.optimizer.iterations.assign(0)
    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore])
    assert (target.get_layer("b0").bias.numpy() == 9).all()


@pytest.mark.parametrize("family", [keras, tf_keras])
@pytest.mark.parametrize("is_built", [False, True])
def test_callbacks_restore_in_their_order(family: Any, *, is_built: bool) -> None:
    inputs = [family.layers.Input([4])] if is_built else []
    target = family.Sequential([*inputs, family.layers.Dense(4, name="b0"), family.layers.Dense(3, name="head")])
    target.compile(family.optimizers.SGD(0.0), "mse")
    whole = pr.RestoreSubset({"b0/kernel": ONES, "head/kernel": ONES[:, :3]})
    head = pr.RestoreSubset({"head/kernel": 2 * ONES[:, :3]})

    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[whole, head])

    np.testing.assert_array_equal(target.layers[-1].kernel.numpy(), 2 * ONES[:, :3])
    np.testing.assert_array_equal(target.layers[-2].kernel.numpy(), ONES)


def test_serves_several_models(tmp_path: Path) -> None:
    source = stack(["b0"])
    restore = pr.RestoreSubset(saved(tmp_path, source))
    for target in (still(stack(["b0"])), still(stack(["b0"]))):
        target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore])
        np.testing.assert_array_equal(target.weights[0].numpy(), by_layer(source)["b0/kernel"])


def test_leaves_resumed_training_alone(tmp_path: Path) -> None:
    path, target = saved(tmp_path, stack(["b0"])), trained(stack(["b0"]))
    restore = pr.RestoreSubset(path)
    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore])
    assert restore.report is None


def test_leaves_resumed_training_by_an_optimizer_in_an_attribute_alone(tmp_path: Path) -> None:
    source, target = stack(["b0"]), still(stack(["b0"]))
    target.own_optimizer = keras.optimizers.SGD(0.1)
    target.own_optimizer.apply([keras.ops.ones_like(v) for v in target.trainable_variables], target.trainable_variables)
    kept, restore = by_layer(target), pr.RestoreSubset(saved(tmp_path, source))
    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore])
    assert restore.report is None
    np.testing.assert_array_equal(by_layer(target)["b0/kernel"], kept["b0/kernel"])


@pytest.mark.parametrize("make", [Net, lambda: stack(["b0"])])
def test_optimizer_that_scales_the_loss_is_built_once(tmp_path: Path, make: Any) -> None:
    target = make()
    target.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), "mse")
    if target.built:
        target.optimizer.build(target.trainable_variables)
        target.optimizer.dynamic_scale.assign(8.0)
    restore = pr.RestoreSubset(saved(tmp_path, stack(["b0"])), optimizer=True)
    target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore])
    names = [variable.name for variable in target.optimizer.variables]
    assert names.count("dynamic_scale") == 1
    assert float(target.optimizer.dynamic_scale.numpy()) == (8.0 if make is not Net else 2.0**15)


def test_optimizer_of_which_a_part_is_made_gets_the_rest(tmp_path: Path) -> None:
    def model() -> Any:
        made = tf_keras.Sequential([tf_keras.layers.Input([4]), tf_keras.layers.Dense(4, name="b0")])
        made.compile(tf_keras.optimizers.legacy.Adam(), "mse")
        return made

    source, target = model(), model()
    source.fit(ONES, ONES, verbose=0)
    target.optimizer._create_hypers()
    restore = pr.RestoreSubset(saved(tmp_path, source), optimizer=True)
    target.fit(ONES, ONES, verbose=0, callbacks=[restore])
    assert restore.report is not None
    assert "optimizer/b0/kernel/velocity" in {item.name for item in restore.report.loaded}


def test_restore_does_not_outlive_a_training_that_breaks_off(tmp_path: Path) -> None:
    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            raise InterruptedError(epoch, logs)

    target = still(Net())
    with pytest.raises(InterruptedError):
        target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[pr.RestoreSubset(saved(tmp_path, stack(["b0"]))), Break()])
    target.fit(ONES, ONES[:, :3], verbose=0)
    kept = target.b0.kernel.numpy()
    target.fit(ONES, ONES[:, :3], verbose=0)
    np.testing.assert_array_equal(target.b0.kernel.numpy(), kept)


def unbuilt(family: Any) -> Any:
    target = family.Sequential([family.layers.Dense(4, name="b0"), family.layers.Dense(3, name="head")])
    target.compile(family.optimizers.SGD(0.0), "mse")
    return target


@pytest.mark.parametrize("family", [keras, tf_keras])
@pytest.mark.parametrize("verb", ["fit", "train_on_batch"])
def test_restore_does_not_outlive_a_batch_that_breaks_off(family: Any, verb: str) -> None:
    class Break(family.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            raise InterruptedError(batch, logs)

    target, restore = unbuilt(family), pr.RestoreSubset({"b0/kernel": ONES})
    with pytest.raises(InterruptedError):
        target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[restore, Break()])
    getattr(target, verb)(ONES, ONES[:, :3])
    assert not np.array_equal(target.layers[0].kernel.numpy(), ONES)


@pytest.mark.parametrize("family", [keras, tf_keras])
def test_restores_once_though_another_callback_keeps_the_step(family: Any) -> None:
    class Keep(family.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            self.step = step = self.model.train_function
            self.model.train_function = functools.partial(step)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            self.model.train_function = self.step
            self.model.layers[0].kernel.assign_add(ONES)

    target = unbuilt(family)
    target.fit(ONES, ONES[:, :3], batch_size=1, verbose=0, callbacks=[pr.RestoreSubset({"b0/kernel": ONES}), Keep()])
    np.testing.assert_array_equal(target.layers[0].kernel.numpy(), 5 * ONES)


def test_leaves_alone_what_another_callback_resumes(tmp_path: Path) -> None:
    """`BackupAndRestore` of tf_keras comes after it, and restores as the model is built."""

    class Break(tf_keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.layers[0].set_weights([7 * ONES, ONES[0]])
            if epoch == 2:
                raise InterruptedError(logs)

    def callbacks() -> list[Any]:
        return [pr.RestoreSubset({"b0/kernel": ONES}), tf_keras.callbacks.BackupAndRestore(str(tmp_path))]

    target = unbuilt(tf_keras)
    target.build([None, 4])
    with pytest.raises(InterruptedError):
        target.fit(ONES, ONES[:, :3], epochs=3, verbose=0, callbacks=[*callbacks(), Break()])
    again, both = unbuilt(tf_keras), callbacks()
    again.fit(ONES, ONES[:, :3], epochs=3, verbose=0, callbacks=both)
    np.testing.assert_array_equal(again.layers[0].kernel.numpy(), 7 * ONES)
    assert both[0].report is None


@pytest.mark.parametrize("make", [Net, lambda: stack(["b0"])])
def test_error_stops_training_before_the_first_step(make: Any) -> None:
    target = make()
    target.compile("sgd", "mse")
    with pytest.raises(pr.MismatchError):
        target.fit(ONES, ONES[:, :3], verbose=0, callbacks=[pr.RestoreSubset({"head/bias": np.zeros(9, np.float32)})])
    assert target.optimizer.iterations.numpy() == 0


MIRRORED = """
    import keras, numpy as np, sys, tensorflow as tf
    import partial_restore as pr
    cpu, = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    values = {"b0/kernel": np.arange(16, dtype=np.float32).reshape(4, 4), "bn/moving_mean": np.float32([1, 2, 3, 4])}

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.b0, self.bn = keras.layers.Dense(4), keras.layers.BatchNormalization(momentum=1.0)
        def call(self, inputs):
            return self.bn(self.b0(inputs))

    def layers():
        return [keras.layers.Dense(4, name="b0"), keras.layers.BatchNormalization(momentum=1.0, name="bn")]

    for make in (Net, lambda: keras.Sequential([keras.layers.Input([4]), *layers()])):
        with strategy.scope():
            model = make()
            model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
        restore = pr.RestoreSubset(values)
        model.fit(np.ones([4, 4], np.float32), np.ones([4, 4], np.float32), batch_size=4, verbose=0, callbacks=[restore])
        assert len(restore.report.loaded) == 2, restore.report
        layer, normalization = model.layers[-2:]
        for variable, value in ((layer.kernel, values["b0/kernel"]), (normalization.moving_mean, values["bn/moving_mean"])):
            replicas = variable._value.values
            assert len(replicas) == 2
            for replica in replicas:
                np.testing.assert_array_equal(replica.numpy(), value)
    print("replicas equal")
"""


def test_replicas_are_equal_under_mirrored_strategy() -> None:
    """In a process of its own: logical devices are set before TensorFlow starts."""
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(MIRRORED)], capture_output=True, text=True, check=False)  # noqa: S603
    assert ran.stdout.strip().endswith("replicas equal"), ran.stderr[-3000:]
