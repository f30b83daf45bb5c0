"""Values that are read into the memory which variables have: nobody else's memory, and what happens when that fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

import partial_restore as pr
from partial_restore import _apply, _in_place
from partial_restore._sources import _extents

ROWS = 2**19
"""Of two numbers of four bytes: 4 MiB."""


class Module(tf.Module):
    """Variables of 4 MiB, each of one number."""

    def __init__(self, first: float, count: int = 3, dtype: str = "float32") -> None:
        super().__init__()
        for i in range(count):
            setattr(self, f"w{i}", tf.Variable(tf.fill([ROWS, 2], tf.cast(first + i, dtype))))


@pytest.fixture(autouse=True)
def _without_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let memory be reused whether TensorFlow has an allocator of its own on this machine or not."""
    monkeypatch.setattr(_in_place, "_uses_onednn", lambda: False)


def checkpoint(folder: Path, arrays: dict[str, Any]) -> str:
    model = tf.Module()
    for name, array in arrays.items():
        setattr(model, name, tf.Variable(array))
    return str(tf.train.Checkpoint(model).write(f"{folder}/ckpt"))


def safetensors(folder: Path, arrays: dict[str, Any]) -> str:
    save_file(arrays, f"{folder}/file.safetensors")
    return f"{folder}/file.safetensors"


def npz(folder: Path, arrays: dict[str, Any]) -> str:
    np.savez(f"{folder}/file.npz", **arrays)
    return f"{folder}/file.npz"


def mapping(folder: Path, arrays: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    return arrays


WRITERS = [checkpoint, safetensors, npz, mapping]


def arrays_of(count: int = 3, dtype: Any = np.float32) -> dict[str, Any]:
    return {f"w{i}": np.full([ROWS, 2], 7 + i, dtype) for i in range(count)}


def variables(model: tf.Module) -> list[tf.Variable]:
    return sorted(model.variables, key=lambda each: float(each[0, 0]))


def address(variable: tf.Variable) -> int:
    return int(variable.read_value()._numpy().ctypes.data)


def numbers(things: Any) -> list[set[float]]:
    return [set(np.unique(np.asarray(thing)).tolist()) for thing in things]


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("write", WRITERS)
def test_the_memory_of_a_variable_is_used_again(write: Callable[..., Any], verify: bool, tmp_path: Path) -> None:
    model = Module(0)
    held = variables(model)
    before = [address(each) for each in held]
    pr.restore_subset(model, write(tmp_path, arrays_of()), max_memory=1, verify=verify)
    assert numbers(held) == [{7}, {8}, {9}]
    assert [address(each) for each in held] == before


@pytest.mark.parametrize("write", WRITERS)
def test_what_was_read_of_a_variable_stays_what_it_was(write: Callable[..., Any], tmp_path: Path) -> None:
    model = Module(0)
    held = variables(model)
    read = [each.read_value() for each in held]
    arrays = [each._numpy() for each in read]
    taken = tf.Variable(tf.zeros([ROWS, 2]))
    taken.assign(held[1])
    exported = tf.experimental.dlpack.to_dlpack(held[2].read_value())
    pr.restore_subset(model, write(tmp_path, arrays_of()), max_memory=1)
    assert numbers(held) == [{7}, {8}, {9}]
    assert numbers(read) == numbers(arrays) == [{0}, {1}, {2}]
    assert numbers([taken, tf.experimental.dlpack.from_dlpack(exported)]) == [{1}, {2}]


@pytest.mark.parametrize("offset", [0, 4, 16, 32])
def test_memory_that_is_not_of_tensorflow_stays_as_it_was(offset: int, tmp_path: Path) -> None:
    memory = np.zeros(8 * ROWS + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    array = memory[start : start + 8 * ROWS].view(np.float32).reshape(ROWS, 2)
    model = Module(0, 1)
    model.w0.assign(tf.experimental.dlpack.from_dlpack(array.__dlpack__()))
    assert address(model.w0) == array.ctypes.data
    pr.restore_subset(model, safetensors(tmp_path, arrays_of(1)), max_memory=1)
    assert numbers([model.w0, array]) == [{7}, {0}]


def test_two_models_that_have_one_memory_do_not_change_together(tmp_path: Path) -> None:
    first, second = Module(0), Module(10)
    pr.restore_subset(second, first)
    assert [address(each) for each in variables(first)] == [address(each) for each in variables(second)]
    pr.restore_subset(second, safetensors(tmp_path, arrays_of()), max_memory=1)
    assert numbers(variables(first)) == [{0}, {1}, {2}]
    assert numbers(variables(second)) == [{7}, {8}, {9}]


def test_a_function_that_was_traced_before_reads_the_new_value(tmp_path: Path) -> None:
    model = Module(0, 1)
    total = tf.function(lambda: tf.reduce_max(model.w0))
    assert float(total()) == 0
    pr.restore_subset(model, safetensors(tmp_path, arrays_of(1)), max_memory=1)
    assert float(total()) == 7


@pytest.mark.parametrize("before", [True, False], ids=["updated before", "updated after"])
def test_rows_are_updated_as_ever(before: bool, tmp_path: Path) -> None:
    model, rows = Module(0, 1), tf.IndexedSlices(tf.ones([1, 2]), [3])
    if before:
        model.w0.scatter_add(rows)
    pr.restore_subset(model, safetensors(tmp_path, arrays_of(1)), max_memory=1)
    read = model.w0.read_value()
    model.w0.scatter_add(rows)
    assert numbers([read, model.w0[3], model.w0]) == [{7}, {8}, {7, 8}]


@pytest.mark.parametrize(
    "dtype", ["bfloat16", "float16", "float64", "int8", "uint16", "int32", "int64", "bool", "complex64", "uint32"]
)
def test_every_dtype_loads(dtype: str, tmp_path: Path) -> None:
    values = np.full([2**21, 2], 1, tf.dtypes.as_dtype(dtype).as_numpy_dtype)
    model = tf.Module()
    model.w = tf.Variable(tf.zeros([2**21, 2], dtype))
    pr.restore_subset(model, checkpoint(tmp_path, {"w": values}), max_memory=1)
    np.testing.assert_array_equal(model.w.numpy(), values)


def test_shapes_that_are_not_declared(tmp_path: Path) -> None:
    model = tf.Module()
    model.a = tf.Variable(tf.zeros([ROWS, 2]), shape=tf.TensorShape(None))
    model.b = tf.Variable(tf.zeros([ROWS, 2]), shape=[None, 2])
    model.c = tf.Variable(tf.zeros([ROWS, 2]), shape=[ROWS, None])
    ckpt = dict(zip("abc", arrays_of().values(), strict=True))
    pr.restore_subset(model, safetensors(tmp_path, ckpt), max_memory=1)
    assert numbers([model.a, model.b, model.c]) == [{7}, {8}, {9}]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("size", [ROWS // 2, 2 * ROWS])
def test_another_shape_since_the_plan(size: int, write: Callable[..., Any], tmp_path: Path) -> None:
    model = tf.Module()
    model.w0 = tf.Variable(tf.zeros([ROWS, 2]), shape=[None, 2])
    plan = pr.plan_subset(model, write(tmp_path, arrays_of(1)), max_memory=1)
    model.w0.assign(tf.zeros([size, 2]))
    with pytest.raises(pr.StalePlanError, match="the model has changed"):
        plan.apply()
    with pytest.raises(pr.PartialRestoreError, match="wrong shape"):
        plan._carry_out()  # So it is where the shape changes while the plan is carried out.
    assert numbers([model.w0]) == [{0}]


@pytest.mark.parametrize("write", [safetensors, npz])
@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_another_dtype_since_the_plan(dtype: str, write: Callable[..., Any], tmp_path: Path) -> None:
    model = Module(0)
    plan = pr.plan_subset(model, write(tmp_path, arrays_of()), max_memory=1)
    write(tmp_path, arrays_of(dtype=dtype))
    if dtype == "int32":  # That is cast to no float.
        with pytest.raises(pr.StalePlanError, match="saved anew"):
            plan.apply()
        assert numbers([model.w0, model.w1, model.w2]) == [{0}, {1}, {2}]
        return
    plan.apply()
    assert numbers([model.w0, model.w1, model.w2]) == [{7}, {8}, {9}]


def test_ops_that_wait_read_what_variables_hold_now(tmp_path: Path) -> None:
    def slow(number: Any) -> Any:
        time.sleep(0.5)
        return number

    @tf.function
    def late(variable: Any) -> Any:
        with tf.control_dependencies([tf.numpy_function(slow, [tf.constant(1.0)], tf.float32)]):
            return variable.read_value()

    model, path = Module(0), safetensors(tmp_path, arrays_of())
    held = variables(model)
    late(held[0])
    tf.config.experimental.set_synchronous_execution(False)
    try:
        read = [late(held[0]), *(each.read_value() for each in held[1:])]
        pr.restore_subset(model, path, max_memory=1)
        assert numbers(read) == [{0}, {1}, {2}]
        assert numbers(held) == [{7}, {8}, {9}]
    finally:
        tf.config.experimental.set_synchronous_execution(True)


def test_a_variable_for_each_replica_gets_its_value(tmp_path: Path) -> None:
    devices = tf.config.list_logical_devices("CPU")
    with tf.distribute.MirroredStrategy([device.name for device in devices]).scope():
        model = Module(0)
    pr.restore_subset(model, safetensors(tmp_path, arrays_of()), max_memory=1)
    assert numbers(model.variables) == [{7}, {8}, {9}]


def test_what_is_cast_gets_memory_of_its_own(tmp_path: Path) -> None:
    model = Module(0, 1, "float64")
    pr.restore_subset(model, safetensors(tmp_path, arrays_of(1)), max_memory=1)
    assert numbers([model.w0]) == [{7}]


def test_within_the_scope_of_a_strategy_or_a_creator(tmp_path: Path) -> None:
    def refusing(*_: Any, **__: Any) -> Any:
        raise AssertionError("nobody asked for a variable")

    for scope in (tf.distribute.MirroredStrategy(["CPU:0"]).scope(), tf.variable_creator_scope(refusing)):
        model, path = Module(0, 1), safetensors(tmp_path, arrays_of(1))
        _in_place._is_made_sole.cache_clear()
        before = address(model.w0)
        with scope:
            pr.restore_subset(model, path, max_memory=1)
        assert numbers([model.w0]) == [{7}]
        assert address(model.w0) == before


def test_one_tensor_for_two_variables(tmp_path: Path) -> None:
    model = Module(0, 2)
    pr.restore_subset(model, safetensors(tmp_path, arrays_of(1)), rename={"w0": ["w0", "w1"]}, max_memory=1)
    assert numbers([model.w0, model.w1]) == [{7}, {7}]


@pytest.mark.parametrize("verify", [True, False])
def test_a_keras_model_from_hdf5(verify: bool, tmp_path: Path) -> None:
    def make(value: float) -> Any:
        start = keras.initializers.Constant(value)
        dense = (keras.layers.Dense(1024, kernel_initializer=start, name=name) for name in ("x", "y"))
        return keras.Sequential([keras.Input([1024]), *dense])

    make(5.0).save_weights(f"{tmp_path}/m.weights.h5")
    model = make(0.0)
    before = [address(layer.kernel._value) for layer in model.layers]
    pr.restore_subset(model, f"{tmp_path}/m.weights.h5", max_memory=1, verify=verify)
    assert numbers(layer.kernel for layer in model.layers) == [{5}, {5}]
    assert [address(layer.kernel._value) for layer in model.layers] == before


def test_what_was_being_filled_when_reading_failed_is_said_to_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fill = safetensors(tmp_path, arrays_of()), _extents._fill

    def failing(file: Any, memory: memoryview, extent: Any) -> int:
        if extent.offset > 2 * 4 * 2**20:
            memory[:4] = b"half"
            raise OSError("the disk is gone")
        return fill(file, memory, extent)

    monkeypatch.setattr(_extents, "_fill", failing)
    model = Module(0)
    with pytest.raises(pr.PartialRestoreError, match="the disk is gone") as raised:
        pr.restore_subset(model, path, max_memory=1)
    changed = {
        name
        for name, value in zip(("w0", "w1", "w2"), (0, 1, 2), strict=True)
        if numbers([getattr(model, name)]) != [{value}]
    }
    assert "w2" in changed <= set(raised.value.changed)


def test_when_an_error_is_raised_nothing_changes_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_sole = _in_place._made_sole

    def slow(variable: Any) -> Any:
        time.sleep(0.5)
        return make_sole(variable)

    _in_place._is_made_sole()
    monkeypatch.setattr(_in_place, "_made_sole", slow)
    path = safetensors(tmp_path, {"a": np.full([ROWS, 2], 1e30, np.float32), "b": np.full([ROWS, 2], 7, np.float32)})
    model = {"a": tf.Variable(tf.zeros([ROWS, 2], tf.float16)), "b": tf.Variable(tf.zeros([ROWS, 2]))}
    with pytest.raises(pr.RestoreError, match="infinite") as raised:
        pr.restore_subset(model, path, max_memory=1, verify=False)
    changed = set(getattr(raised.value, "changed", ()))
    time.sleep(1)
    assert {name for name, variable in model.items() if numbers([variable]) != [{0}]} <= changed


def test_nothing_is_lent_when_it_was_told_what_has_changed(tmp_path: Path) -> None:
    plan = pr.plan_subset(Module(0), safetensors(tmp_path, arrays_of()))
    changes, batch = _apply._Changes(), _apply._wanted(plan._loaded)
    assert set(_apply._lend(plan._target, changes, batch)) == set(changes.told()) == {"w0", "w1", "w2"}
    assert not _apply._lend(plan._target, changes, batch)


def test_without_a_way_to_be_the_only_holder_values_get_memory_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_in_place, "_made_sole", tf.convert_to_tensor)  # Anyone may hold it.
    _in_place._is_made_sole.cache_clear()
    try:
        assert not _in_place._is_made_sole()
        model = Module(0, 1)
        before = model.w0.read_value()
        pr.restore_subset(model, safetensors(tmp_path, arrays_of(1)), max_memory=1)
        assert numbers([before, model.w0]) == [{0}, {7}]
    finally:
        _in_place._is_made_sole.cache_clear()
