"""The pieces of work: what is written before, what is built, and what each way does while the clock runs.

Run as a script it is one measured process: ``works.py FOLDER SCALE STEP`` prints the figures as JSON.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MIB = 2**20
WIDTH = 1448
"""Units of a layer: its kernel has 8 MiB."""


class Clock:
    """Measures what runs within it: seconds, extra peak memory, bytes read from files."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    @contextlib.contextmanager
    def measure(self, prefix: str = "") -> Iterator[None]:
        """Measure the time, and the peak of the process' memory above what it has now."""
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before, read, start = memory("VmRSS"), bytes_read(), time.perf_counter()
        yield
        self.figures[f"{prefix}seconds"] = time.perf_counter() - start
        self.figures[f"{prefix}peak"] = (memory("VmHWM") - before) / MIB
        self.figures[f"{prefix}read"] = (bytes_read() - read) / MIB


def memory(field: str) -> int:
    """Return a figure of /proc/self/status in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


def bytes_read() -> int:
    """Return how many bytes the process has read, from the page cache or the disk."""
    return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])


def layers(scale: float) -> int:
    return max(2, int(128 * scale))


def keras_model(count: int, **options: Any) -> Any:
    """A model of dense layers of 8 MiB each; 128 of them make 1 GiB."""
    import keras

    outputs = inputs = keras.Input([WIDTH])
    for i in range(count):
        outputs = keras.layers.Dense(WIDTH, use_bias=False, name=f"block{i}", **options)(outputs)
    return keras.Model(inputs, outputs)


def value(i: int, shape: list[int]) -> Any:
    import tensorflow as tf

    return tf.random.stateless_uniform(shape, [i, 7])


def filled_model(count: int) -> Any:
    model = keras_model(count, kernel_initializer="zeros")
    for i, variable in enumerate(model.variables):
        variable.assign(value(i, [WIDTH, WIDTH]))
    return model


def module(count: int, size: int, start: Callable[[int], Any]) -> Any:
    import tensorflow as tf

    made = tf.Module()
    for i in range(count):
        setattr(made, f"weight_{i}", tf.Variable(start(i), name=f"weight_{i}"))
    assert size == made.weight_0.shape[0]  # noqa: S101  Of this file alone.
    return made


def check(held: Any, i: int) -> None:
    """Stop if a value is not the one that was written."""
    import numpy as np

    array = np.asarray(held)
    if not np.array_equal(array, value(i, list(array.shape)).numpy()):
        sys.exit(f"the value of variable {i} is wrong")


# What is written before anything is measured.


def write_objects(folder: str, scale: float) -> None:
    import tensorflow as tf

    tf.train.Checkpoint(filled_model(layers(scale))).write(f"{folder}/objects")


def write_names(folder: str, scale: float) -> None:
    import tensorflow as tf

    names = [f"weight_{i}" for i in range(layers(scale))]
    tf.raw_ops.SaveV2(
        prefix=f"{folder}/names",
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[value(i, [WIDTH, WIDTH]) for i in range(len(names))],
    )


def write_h5(folder: str, scale: float) -> None:
    filled_model(layers(scale)).save_weights(f"{folder}/model.weights.h5")


def write_safetensors(folder: str, scale: float) -> None:
    from safetensors.numpy import save_file

    arrays = {f"block{i}/kernel": value(i, [WIDTH, WIDTH]).numpy() for i in range(layers(scale))}
    save_file(arrays, f"{folder}/model.safetensors")


def embedding_model(scale: float, start: Callable[[list[int]], Any]) -> Any:
    """An embedding of 4 GiB, which may not be in memory, and 1 GiB of blocks behind it, which are.

    The other way round TensorFlow's allocator may take a region as large as the embedding for the first value that is
    read, and with it a table of one part in 32: 128 MiB.
    """
    import tensorflow as tf

    embedding = tf.Variable(start([layers(scale) * 4, 2 * MIB]), name="embedding")
    made = module(layers(scale), 2 * MIB, lambda _: tf.ones([2 * MIB]))
    made.embedding = embedding
    return made


def write_embedding(folder: str, scale: float) -> None:
    import tensorflow as tf

    made = embedding_model(scale, tf.ones)
    made.weight_1.assign(value(1, [2 * MIB]))
    tf.train.Checkpoint(made).write(f"{folder}/embedding")


def write_single(folder: str, scale: float) -> None:
    import tensorflow as tf

    made = module(1, single_size(scale), lambda i: value(i, [single_size(scale)]))
    tf.train.Checkpoint(made).write(f"{folder}/single")


def single_size(scale: float) -> int:
    return int(2 * 2**30 * scale) // 4


def write_small(folder: str, count: int) -> None:
    import tensorflow as tf

    tf.train.Checkpoint(module(count, 256, lambda i: value(i, [256]))).write(f"{folder}/small{count}")


# The ways. What is built stands before the clock; what is imported, too.


def first(folder: str, scale: float, way: str) -> dict[str, float]:
    """Restore an object checkpoint into a Keras model, and once more in the same process."""
    import tensorflow as tf

    import partial_restore as pr

    restore, model, clock = pr.restore_subset, keras_model(layers(scale)), Clock()
    ways: dict[str, Callable[[], Any]] = {
        "read": lambda: tf.train.Checkpoint(model).read(f"{folder}/objects"),
        "restore": lambda: restore(model, f"{folder}/objects"),
        "stream": lambda: restore(model, f"{folder}/objects", verify=False),
        "part": lambda: restore(model, f"{folder}/objects", [f"block{i}" for i in range(max(1, layers(scale) // 16))]),
    }
    with clock.measure():
        ways[way]()
    check(model.variables[0], 0)
    with clock.measure("again "):
        ways[way]()
    return clock.figures


def graph(folder: str, scale: float, way: str) -> dict[str, float]:
    import tensorflow as tf

    import partial_restore as pr

    restore, clock, v1 = pr.restore_subset, Clock(), tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        zeros = v1.zeros_initializer()
        variables = [v1.get_variable(f"weight_{i}", [WIDTH, WIDTH], initializer=zeros) for i in range(layers(scale))]
        saver = v1.train.Saver(variables)
        session.run([])
        with clock.measure():
            if way == "read":
                saver.restore(session, f"{folder}/names")
            else:
                restore(variables, f"{folder}/names", session=session, verify=way != "stream")
        last = session.run(variables[-1])
    check(last, len(variables) - 1)
    return clock.figures


def h5(folder: str, scale: float, way: str) -> dict[str, float]:
    import partial_restore as pr

    restore, model, clock, path = pr.restore_subset, keras_model(layers(scale)), Clock(), f"{folder}/model.weights.h5"
    with clock.measure():
        if way == "read":
            model.load_weights(path)
        else:
            restore(model, path, verify=way != "stream")
    check(model.variables[-1], len(model.variables) - 1)
    return clock.figures


def safetensors(folder: str, scale: float, way: str) -> dict[str, float]:
    import partial_restore as pr

    path, clock = f"{folder}/model.safetensors", Clock()
    if way == "torch":
        return torch_safetensors(path, scale)
    restore, model = pr.restore_subset, keras_model(layers(scale))
    from safetensors.tensorflow import load_file

    with clock.measure():
        if way == "read":
            held = load_file(path)
            for variable in model.variables:
                variable.assign(held[variable.path])
        else:
            restore(model, path, verify=way != "stream")
    check(model.variables[-1], len(model.variables) - 1)
    return clock.figures


def torch_safetensors(path: str, scale: float) -> dict[str, float]:
    if not importlib.util.find_spec("torch"):
        return {}
    import torch
    from safetensors.torch import load_file

    clock = Clock()
    model = torch.nn.ModuleDict(
        {f"block{i}/kernel": torch.nn.Linear(WIDTH, WIDTH, bias=False) for i in range(layers(scale))}
    )
    with clock.measure():
        held = load_file(path)
        model.load_state_dict({f"{name}.weight": tensor for name, tensor in held.items()})
    return clock.figures


def embedding(folder: str, scale: float, way: str) -> dict[str, float]:
    import tensorflow as tf

    import partial_restore as pr

    model = embedding_model(scale, lambda shape: tf.raw_ops.Empty(shape=shape, dtype=tf.float32))
    restore, clock = pr.restore_subset, Clock()
    with clock.measure():
        restore(model, f"{folder}/embedding", exclude="embedding", verify=way != "stream")
    check(model.weight_1, 1)
    return clock.figures


def single(folder: str, scale: float, way: str) -> dict[str, float]:
    import tensorflow as tf

    import partial_restore as pr

    restore, clock = pr.restore_subset, Clock()
    model = module(1, single_size(scale), lambda _: tf.zeros([single_size(scale)]))
    with clock.measure():
        if way == "read":
            tf.train.Checkpoint(model).read(f"{folder}/single")
        else:
            restore(model, f"{folder}/single", verify=way != "stream")
    check(model.weight_0, 0)
    return clock.figures


def small(folder: str, count: int, way: str) -> dict[str, float]:
    import tensorflow as tf

    import partial_restore as pr

    plan, clock = pr.plan_subset, Clock()
    model = module(count, 256, lambda _: tf.zeros([256]))
    with clock.measure():
        if way == "read":
            tf.train.Checkpoint(model).read(f"{folder}/small{count}").assert_consumed()
        else:
            start = time.perf_counter()
            planned = plan(model, f"{folder}/small{count}")
            clock.figures["plan"] = time.perf_counter() - start
            planned.apply()
    check(getattr(model, f"weight_{count - 1}"), count - 1)
    return clock.figures


def build(folder: str, scale: float, way: str) -> dict[str, float]:
    """From the call to a model that is ready; the peak is that of the process above the bare import."""
    import keras  # noqa: F401  It is not to be measured.
    import tensorflow as tf

    import partial_restore as pr

    build_restored, clock = pr.build_restored, Clock()
    with clock.measure():
        if way == "read":
            model = keras_model(layers(scale))
            tf.train.Checkpoint(model).read(f"{folder}/objects")
        else:
            model, _ = build_restored(lambda: keras_model(layers(scale)), f"{folder}/objects")
    check(model.variables[-1], len(model.variables) - 1)
    return clock.figures


def floor(folder: str, scale: float, way: str) -> dict[str, float]:  # noqa: ARG001
    """Read the file of the first row into memory that was touched before, with one or two threads."""
    path, clock, threads = f"{folder}/objects.data-00000-of-00001", Clock(), int(way)
    size = os.path.getsize(path) // threads
    buffers = [bytearray(b"1" * (8 * MIB)) for _ in range(threads)]

    def read(i: int) -> None:
        with open(path, "rb", buffering=0) as file:
            file.seek(i * size)
            for _ in range(size // (8 * MIB)):
                file.readinto(buffers[i])

    workers = [threading.Thread(target=read, args=[i]) for i in range(threads)]
    with clock.measure():
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return clock.figures


def main() -> None:
    """Be the measured process."""
    folder, scale, step = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    name, _, way = step.partition(":")
    size: Any = scale
    if name.rpartition("_")[2].isdecimal():
        name, _, count = name.rpartition("_")
        size = max(10, int(int(count) * scale))
    done = globals()[name](folder, size, way) if way else globals()[f"write_{name}"](folder, size)
    print(json.dumps(done))


if __name__ == "__main__":
    main()
