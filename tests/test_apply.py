"""How values are read: in what pieces, how many at once, and how often."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from models import saved, stack
from safetensors.numpy import save_file

import partial_restore as pr
from partial_restore import _apply
from partial_restore._sources import _extents, _safetensors
from partial_restore._sources._checkpoint import CheckpointSource

KIB = 2**10


class Module(tf.Module):
    """Variables of one size, each with a value of its own."""

    def __init__(self, count: int, size: int, first: float) -> None:
        super().__init__()
        for i in range(count):
            setattr(self, f"w{i}", tf.Variable(tf.fill([size], first + i)))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The keys of each piece that is read."""
    done: list[Sequence[str]] = []
    read = CheckpointSource.read  # `check` reads, too.

    def noted(self: CheckpointSource, keys: Sequence[str], *into: Any) -> Any:
        done.append(keys)
        return read(self, keys, *into)

    monkeypatch.setattr(CheckpointSource, "read", noted)
    return done


def values(model: tf.Module) -> list[float]:
    return sorted(float(variable[-1]) for variable in model.variables)


@pytest.mark.parametrize(
    ("count", "size", "max_memory", "verify", "passes"),
    [
        (300, 1, 2**20, True, 1),
        (300, 1, 300, True, 2),
        (300, 1, 300, False, 1),
        (7, 4 * KIB, 64 * KIB, True, 2),
        (7, 4 * KIB, 1, True, 2),
        (1, 4 * KIB, 64 * KIB, True, 1),
    ],
    ids=["fits", "verified", "streamed", "pieces", "larger than the memory", "one"],
)
def test_everything_is_read_once_in_each_pass(
    count: int, size: int, max_memory: int, verify: bool, passes: int, tmp_path: Path, reads: list[Sequence[str]]
) -> None:
    path = saved(tmp_path, Module(count, size, 100.0))
    model = Module(count, size, 0.0)
    plan = pr.plan_subset(model, path, max_memory=max_memory, verify=verify)
    reads.clear()
    plan.apply()
    assert values(model) == [100.0 + i for i in range(count)]
    keys = [key for piece in reads for key in piece]
    assert sorted(keys) == sorted([*dict.fromkeys(keys)] * passes)
    assert len(keys) == count * passes
    assert max(map(len, reads)) <= _apply._MOST_TENSORS
    assert all(len(piece) * size * 4 <= max_memory or len(piece) == 1 for piece in reads)


def test_no_more_is_in_memory_than_was_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, Module(64, 16 * KIB, 100.0))
    model = Module(64, 16 * KIB, 0.0)
    lock, held, most = threading.Lock(), 0, 0
    read, assign = _apply._read_batch, type(pr.plan_subset(model, path)._target).assign

    def reading(source: Any, lend: Any, batch: Any) -> Any:
        nonlocal held, most
        with lock:
            held += sum(entry.nbytes for entry, _ in batch)
            most = max(most, held)
        return read(source, lend, batch)

    def assigning(self: Any, batch: Any) -> None:
        nonlocal held
        assign(self, batch)
        with lock:
            held -= sum(value.shape.num_elements() * 4 for _, value in batch)

    monkeypatch.setattr(_apply, "_read_batch", reading)
    monkeypatch.setattr("partial_restore._eager.EagerTarget.assign", assigning)
    pr.restore_subset(model, path, max_memory=512 * KIB, verify=False)
    assert values(model) == [100.0 + i for i in range(64)]
    assert 64 * KIB <= most <= 512 * KIB


@pytest.mark.parametrize("form", ["model", "mapping of variables", "mapping of values"])
def test_a_model_whose_variables_change_places_is_read_before_it_changes(form: str) -> None:
    count = 12
    model = Module(count, 2**18, 0.0)
    held = {f"w{i}": getattr(model, f"w{i}") for i in range(count)}
    ckpt = {"model": model, "mapping of variables": held, "mapping of values": {k: v.value() for k, v in held.items()}}
    rename = {f"w{i}": f"w{(i + 1) % count}" for i in range(count)}
    pr.restore_subset(model, ckpt[form], rename=rename, max_memory=1)
    assert [float(variable[-1]) for variable in held.values()] == [(i - 1) % count for i in range(count)]


FREED = """import sys
from pathlib import Path
import keras
import partial_restore as pr

def memory(field):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))

layers = [keras.layers.Dense(1448, use_bias=False, name=f"d{i}") for i in range(24)]
model = keras.Sequential([keras.Input([1448]), *layers])
pr.save_subset(model, sys.argv[1] + "/ckpt")
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
pr.restore_subset(model, sys.argv[1] + "/ckpt")
print((memory("VmHWM") - before) // 1024)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library's memory"
)
def test_old_values_are_given_back_where_the_c_library_would_keep_them(tmp_path: Path) -> None:
    without_onednn = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", FREED, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=without_onednn)  # noqa: S603
    assert int(ran.stdout.split()[-1]) < 110, "MiB more than before, of a model of 192"


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells so what a process has")
def test_what_verifying_freed_is_given_back_when_it_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2**20 < _apply.resident() < 2**40
    path, model = saved(tmp_path, Module(8, 4 * KIB, 100.0)), Module(8, 4 * KIB, 0.0)
    told, trims = iter([0, 0, 60, 0, 60, 0, 0, 0, 0]), []
    before = values(model)
    monkeypatch.setattr(_apply, "resident", lambda: next(told) * 2**20)
    monkeypatch.setattr(_apply, "trim", lambda: trims.append(values(model)))
    pr.restore_subset(model, path, max_memory=4 * KIB)
    assert trims == [before] * 3  # Twice while it verified, and once behind that.
    assert values(model) == [100.0 + i for i in range(8)]


def test_planning_leaves_garbage_collection_as_it_was() -> None:
    model, ckpt = {"w": tf.Variable([0.0])}, {"w": np.float32([1])}
    assert gc.isenabled()
    pr.restore_subset(model, ckpt)
    assert gc.isenabled()
    gc.disable()
    try:
        with pytest.raises(pr.UnknownNameError):
            pr.restore_subset(model, ckpt, exclude="nix")
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(pr.UnknownNameError):
        pr.restore_subset(model, ckpt, exclude="nix")
    assert gc.isenabled()


def test_a_file_without_checksums_is_read_once_even_when_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def noted(path: str, extents: Any, into: Any) -> Any:
        read.extend(extent.nbytes for extent in extents)
        return _extents.read_extents(path, extents, into)

    monkeypatch.setattr(_safetensors, "read_extents", noted)
    save_file({"w": np.ones([5, KIB], np.float32)}, f"{tmp_path}/file")
    model = {"w": tf.Variable(tf.zeros([5, KIB]))}
    pr.restore_subset(model, f"{tmp_path}/file", max_memory=1)
    assert read == [5 * 4 * KIB]
    assert float(model["w"][-1, -1]) == 1
    with pytest.raises(pr.CastError, match="infinite"):
        pr.restore_subset({"w": tf.Variable(tf.zeros([2], tf.float16))}, {"w": np.float32([1e9, 1])}, max_memory=1)


@pytest.mark.parametrize("packed", [False, True], ids=["stored", "compressed"])
def test_a_damaged_member_is_found_before_anything_changes(packed: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"w{i}": rng.random(64 * KIB, np.float32) for i in range(4)}
    (np.savez_compressed if packed else np.savez)(f"{tmp_path}/file.npz", **arrays)  # type: ignore[arg-type]
    data = bytearray(Path(f"{tmp_path}/file.npz").read_bytes())
    data[-100 * KIB] ^= 1
    Path(f"{tmp_path}/file.npz").write_bytes(data)
    model = {name: tf.Variable(tf.zeros([64 * KIB])) for name in arrays}
    with pytest.raises(pr.UnreadableCheckpointError, match="CRC"):
        pr.restore_subset(model, f"{tmp_path}/file.npz", max_memory=1)
    assert not any(variable.numpy().any() for variable in model.values())


class Kept(tf.Module):
    """Two variables in attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = tf.Variable([1.0, 1.0]), tf.Variable([2.0, 2.0])


def replaced(model: Any) -> None:
    model.a = tf.Variable([5.0, 5.0])


def grown(model: Any) -> None:
    model.c = tf.Variable([5.0, 5.0])


def shrunk(model: Any) -> None:
    del model.a


@pytest.mark.parametrize("change", [replaced, grown, shrunk])
def test_a_plan_of_a_model_that_has_other_variables_now_is_refused(change: Callable[[Any], None]) -> None:
    """It would restore those that nobody has any more."""
    model = Kept()
    plan = pr.plan_subset(model, {name: np.float32([7, 7]) for name in "abc"})
    change(model)
    with pytest.raises(pr.StalePlanError, match="model has"):
        plan.apply()
    np.testing.assert_array_equal(model.b.numpy(), [2, 2])
    pr.plan_subset(model, {name: np.float32([7, 7]) for name in "abc"}).apply()
    assert all((each.numpy() == 7).all() for each in model.variables)


def test_a_plan_of_a_layer_that_is_another_one_now_is_refused() -> None:
    model = stack(["b0", "b1"])
    plan = pr.plan_subset(model, {"b0/kernel": np.ones([4, 4], np.float32)})
    model.get_layer("b0").quantize("int8")
    with pytest.raises(pr.StalePlanError):
        plan.apply()


def test_a_plan_takes_variables_from_an_iterator_once() -> None:
    variables = [tf.Variable([1.0], name="a"), tf.Variable([2.0], name="b")]
    pr.plan_subset(iter(variables), {"a": np.float32([7])}).apply()
    assert variables[0].numpy() == 7


def test_a_plan_of_a_model_that_was_frozen_since_is_the_same() -> None:
    model = stack(["b0"])
    plan = pr.plan_subset(model, {"b0/kernel": np.ones([4, 4], np.float32)})
    model.trainable = False
    plan.apply()
    plan.apply()
    np.testing.assert_array_equal(model.get_layer("b0").kernel.numpy(), np.ones([4, 4]))
