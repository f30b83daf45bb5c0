"""First restores beside TensorFlow's own, each way in a fresh process, in turn: seconds, extra peak memory, ratios.

Linux only: peak memory is read from /proc. Usage: ``python benchmarks/restore.py [--rounds N] [--scale F]``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MIB = 2**20
WORKS = {
    "1 GiB in 128 tensors": (128, 2 * MIB),
    "2,000 tensors of 1 KiB": (2000, 256),
}
WAYS = {
    "tf.train.Checkpoint.read": "read",
    "restore_subset": "restore",
    "restore_subset, verify=False": "stream",
}


def main() -> None:
    """Measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes, for a quick look")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        way, path, count, size = arguments.measure
        print(json.dumps(measure(way, path, int(count), int(size))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for work, (count, size) in WORKS.items():
            compare(work, Path(folder) / "ckpt", max(1, int(count * arguments.scale)), size, arguments.rounds)


def compare(work: str, path: Path, count: int, size: int, rounds: int) -> None:
    """Print the table of one piece of work; the ways take turns, so that drift hits all alike."""
    run("write", path, count, size)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            measured = run(way, path, count, size)
            runs[name].append((measured["seconds"], measured["extra_peak_mib"]))
    peer = statistics.median(seconds for seconds, _ in next(iter(runs.values())))
    print(f"\n{work}: median of {rounds} fresh processes (min to max)")
    print(f"{'way':<30} {'seconds':>24} {'times faster':>13} {'extra peak MiB':>15}")
    for name, measured in runs.items():
        seconds = [each for each, _ in measured]
        middle = statistics.median(seconds)
        spread = f"{middle:.3f} ({min(seconds):.3f} to {max(seconds):.3f})"
        peak = statistics.median(each for _, each in measured)
        print(f"{name:<30} {spread:>24} {peer / middle:>13.2f} {peak:>15.0f}", flush=True)


def run(way: str, path: Path, count: int, size: int) -> dict[str, float]:
    """Run one way in a process of its own and return its figures."""
    command = [sys.executable, __file__, "--measure", way, str(path), str(count), str(size)]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    )
    if ran.returncode:
        sys.exit(ran.stderr[-4000:])
    figures: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return figures


def measure(way: str, path: str, count: int, size: int) -> dict[str, float]:
    """Do the work in this process: write the checkpoint, or make the variables and restore them once."""
    import tensorflow as tf

    import partial_restore as pr

    module = tf.Module()
    for i in range(count):
        start = tf.random.stateless_uniform([size], [i, 7]) if way == "write" else tf.zeros([size])
        setattr(module, f"weight_{i}", tf.Variable(start))
    if way == "write":
        tf.train.Checkpoint(module).write(path)
        return {}
    restore = pr.restore_subset  # Imported before the clock starts, as TensorFlow is.
    reset_peak()
    before, start_time = memory("VmRSS"), time.perf_counter()
    if way == "read":
        tf.train.Checkpoint(module).read(path).assert_consumed()
    else:
        restore(module, path, verify=way != "stream")
    seconds = time.perf_counter() - start_time
    extra = (memory("VmHWM") - before) / MIB
    last: Any = getattr(module, f"weight_{count - 1}")
    if float(last[0]) != float(tf.random.stateless_uniform([size], [count - 1, 7])[0]):
        sys.exit("the values are wrong")
    return {"seconds": seconds, "extra_peak_mib": extra}


def reset_peak() -> None:
    """Set the kernel's record of this process' peak memory to what it holds now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory(field: str) -> int:
    """Return a figure of /proc/self/status in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


if __name__ == "__main__":
    main()
