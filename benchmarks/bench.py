"""Restores beside TensorFlow's, Keras' and PyTorch's own: ratios, peak memory, the floor, and what moved since the baseline.

Every way runs in fresh processes; the ways of a row take turns, so that drift hits all alike. Linux only.
Usage: ``python benchmarks/bench.py [--rounds N] [--scale F] [--only ROW]... [--folder PATH] [--save]``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do the work: its name, the step of `works.py`, and which figure of it counts as the time."""

    name: str
    step: str
    time: str = "seconds"


@dataclass(frozen=True, slots=True)
class Row:
    """A piece of work: the files that it needs, and the ways, of which the first is the peer."""

    name: str
    title: str
    files: Sequence[str]
    ways: Sequence[Way]
    goal: str


OURS, STREAM = "restore_subset", "restore_subset, verify=False"
ROWS = [
    Row(
        "floor",
        "floor: readinto touched memory",
        ["objects"],
        [Way("1 thread", "floor:1"), Way("2 threads", "floor:2")],
        "",
    ),
    Row(
        "first",
        "1 GiB in 128 tensors, object checkpoint into a Keras model, first restore",
        ["objects"],
        [Way("tf.train.Checkpoint.read", "first:read"), Way(OURS, "first:restore"), Way(STREAM, "first:stream")],
        "8 times faster, 12 with verify=False; extra peak at most 100 MB",
    ),
    Row(
        "again",
        "the same, repeated in the process",
        ["objects"],
        [
            Way("tf.train.Checkpoint.read", "first:read", "again seconds"),
            Way(OURS, "first:restore", "again seconds"),
            Way(STREAM, "first:stream", "again seconds"),
        ],
        "not slower; 1.5 times faster with verify=False",
    ),
    Row(
        "graph",
        "the same by name, in a graph",
        ["names"],
        [Way("Saver.restore", "graph:read"), Way(OURS, "graph:restore"), Way(STREAM, "graph:stream")],
        "not slower, extra peak not higher",
    ),
    Row(
        "h5",
        "the same as .weights.h5",
        ["h5"],
        [Way("Model.load_weights", "h5:read"), Way(OURS, "h5:restore"), Way(STREAM, "h5:stream")],
        "2.5 times faster",
    ),
    Row(
        "safetensors",
        "the same as .safetensors",
        ["safetensors"],
        [
            Way("safetensors.tensorflow, assign", "safetensors:read"),
            Way("PyTorch load_file, load_state_dict", "safetensors:torch"),
            Way(OURS, "safetensors:restore"),
            Way(STREAM, "safetensors:stream"),
        ],
        "faster than both",
    ),
    Row(
        "embedding",
        "1 GiB of a file of 5, the embedding of 4 excluded",
        ["embedding"],
        [Way(OURS, "embedding:restore"), Way(STREAM, "embedding:stream")],
        "reads 1 GiB a pass; extra peak at most 100 MB",
    ),
    Row(
        "single",
        "one variable of 2 GiB",
        ["single"],
        [Way("tf.train.Checkpoint.read", "single:read"), Way(OURS, "single:restore"), Way(STREAM, "single:stream")],
        "extra peak not higher",
    ),
    Row(
        "part",
        "a sixteenth of the variables",
        ["objects"],
        [Way("all of them", "first:restore"), Way("a sixteenth", "first:part")],
        "8 times faster",
    ),
    Row(
        "small",
        "20,000 variables of 1 KiB",
        ["small_20000"],
        [
            Way("tf.train.Checkpoint.read", "small_20000:read"),
            Way(OURS, "small_20000:restore"),
            Way("of which planning", "small_20000:restore", "plan"),
        ],
        "2 times faster, planning under half of it",
    ),
    Row(
        "linear",
        "planning for 2,000, 20,000 and 50,000 variables",
        ["small_2000", "small_20000", "small_50000"],
        [Way(f"{n:,} variables", f"small_{n}:restore", "plan") for n in (2000, 20000, 50000)],
        "time in proportion: 10 and 25 times slower",
    ),
    Row(
        "build",
        "build a Keras model of 1 GiB and restore it",
        ["objects"],
        [Way("build, tf.train.Checkpoint.read", "build:read"), Way("build_restored", "build:restored")],
        "4 times faster; peak at most 1.2 times the model",
    ),
]


def main() -> None:
    """Measure, print the tables, compare with the baseline."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes, for a quick look")
    parser.add_argument("--only", action="append", choices=[row.name for row in ROWS], help="a row; may be repeated")
    parser.add_argument("--folder", help="where to write the files; by default a temporary folder")
    parser.add_argument("--save", action="store_true", help="make these figures the baseline")
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        measured = measure(rows, folder, arguments.scale, arguments.rounds)
    figures = {row.name: ratios(row, measured) for row in rows}
    before = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    compare(before, figures, conditions(arguments.scale))
    if arguments.save:
        kept = before.get("rows", {}) if before.get("conditions") == conditions(arguments.scale) else {}
        saved = {"conditions": conditions(arguments.scale), "rows": {**kept, **figures}}
        BASELINE.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


def measure(rows: Sequence[Row], folder: str, scale: float, rounds: int) -> dict[str, list[Figures]]:
    """Return the figures of every step, round by round; a file goes when no row needs it any more."""
    measured: dict[str, list[Figures]] = {}
    for place, row in enumerate(rows):
        for name in row.files:
            if not (Path(folder) / name).exists():
                (Path(folder) / name).mkdir()
                run(folder, name, scale, name)
        steps = [step for step in dict.fromkeys(way.step for way in row.ways) if step not in measured]
        for step in steps:  # The page cache is warm before the clock starts.
            run(folder, row.files[0] if len(row.files) == 1 else step.partition(":")[0], scale, step)
        for _ in range(rounds if steps else 0):
            for step in steps:
                file = row.files[0] if len(row.files) == 1 else step.partition(":")[0]
                measured.setdefault(step, []).append(run(folder, file, scale, step))
        show(row, measured, rounds)
        for name in set(row.files) - {name for later in rows[place + 1 :] for name in later.files}:
            shutil.rmtree(Path(folder) / name)
    return measured


def run(folder: str, file: str, scale: float, step: str) -> Figures:
    """Run one step in a process of its own and return its figures."""
    command = [sys.executable, str(HERE / "works.py"), f"{folder}/{file}", str(scale), step]
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **settings})
    if ran.returncode:
        sys.exit(f"{step}: {ran.stderr[-4000:]}")
    figures: Figures = json.loads(ran.stdout.splitlines()[-1]) or {}
    return figures


def show(row: Row, measured: Mapping[str, Sequence[Figures]], rounds: int) -> None:
    """Print the table of one piece of work."""
    goal = f"; to reach: {row.goal}" if row.goal else ""
    print(f"\n{row.name}: {row.title}\nmedian of {rounds} fresh processes (min to max){goal}")
    print(f"{'way':<36} {'seconds':>24} {'times faster':>13} {'extra peak MiB':>15} {'read MiB':>9}")
    for way in row.ways:
        figures = measured[way.step]
        if not figures[0]:
            print(f"{way.name:<36} {'not installed':>24}")
            continue
        times = [each[way.time] for each in figures]
        prefix = way.time.removesuffix("seconds") if way.time.endswith("seconds") else ""
        middle = statistics.median(times)
        spread = f"{middle:.3f} ({min(times):.3f} to {max(times):.3f})"
        peak, read = (statistics.median(each[prefix + field] for each in figures) for field in ("peak", "read"))
        ratio = statistics.median(_ratios(row, way, measured))
        print(f"{way.name:<36} {spread:>24} {ratio:>13.2f} {peak:>15.0f} {read:>9.0f}", flush=True)


def _ratios(row: Row, way: Way, measured: Mapping[str, Sequence[Figures]]) -> list[float]:
    """Return how many times faster than the peer a way was, round by round."""
    peer = row.ways[0]
    pairs = zip(measured[peer.step], measured[way.step], strict=True)
    return [theirs[peer.time] / ours[way.time] for theirs, ours in pairs]


def ratios(row: Row, measured: Mapping[str, Sequence[Figures]]) -> dict[str, Any]:
    """Return median, lowest and highest ratio and the peak of each way, as the baseline keeps them."""
    kept = {}
    for way in row.ways:
        if measured[way.step][0]:
            each = _ratios(row, way, measured)
            peak = statistics.median(figures["peak"] for figures in measured[way.step])
            kept[way.name] = {
                "times faster": [round(x, 3) for x in (statistics.median(each), min(each), max(each))],
                "peak": round(peak),
            }
    return kept


def conditions(scale: float) -> dict[str, Any]:
    """Return on what ratios depend: they are compared only among the same."""
    return {"scale": scale, "processors": os.cpu_count(), "machine": platform.machine()}


def compare(before: Mapping[str, Any], figures: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Say which ratios lie outside of what was measured before, and which peaks grew."""
    if not before:
        print("\nThere is no baseline; --save makes one.")
        return
    if before["conditions"] != now:
        print(f"\nThe baseline is of other conditions: {before['conditions']}, not {now}.")
        return
    moved = [
        line
        for row, ways in figures.items()
        for way, new in ways.items()
        if (old := before["rows"].get(row, {}).get(way))
        for line in moves(old, new)
        for line in [f"{row}, {way}: {line}"]
    ]
    print("\nSince the baseline:\n  " + "\n  ".join(moved or ["nothing moved beyond the spread"]))


def moves(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say what moved between two measurements of a way: each median must lie outside of the other's spread."""
    (was, low, high), (now, lowest, highest) = old["times faster"], new["times faster"]
    lines = []
    if not low <= now <= high and not lowest <= was <= highest:
        lines.append(f"{'faster' if now > was else 'SLOWER'}: {was:.2f} → {now:.2f} times the peer")
    if abs(new["peak"] - old["peak"]) > max(10, old["peak"] // 10):
        lines.append(f"{'less' if new['peak'] < old['peak'] else 'MORE'} memory: {old['peak']} → {new['peak']} MiB")
    return lines


if __name__ == "__main__":
    main()
