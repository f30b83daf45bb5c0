"""Wrong loads beside TensorFlow's and Keras' own: the same generated models, saved, edited, restored every way.

Usage: ``python benchmarks/wrong_loads.py [--cases N] [--first SEED]``. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests")]
CHUNK = 50
Sums = dict[tuple[str, str], Counter[str]]
Way = Callable[[Any, Any, str], None]
COLUMNS = ("cases", "had", "right", "wrong", "changed", "unseen", "missed untold", "missed told", "half-loaded")
HEADS = (
    "files", "way", "models", "variables with a right value in the file", "right", "wrong", "wrong: no value of the model",
    "wrong, but not to be seen", "missed, untold", "missed, told", "models half loaded after an error",
)  # fmt: skip


def checkpoint(model: Any, path: Any, form: str) -> None:
    """Restore as TensorFlow does, with the roots that the file was saved with."""
    import tensorflow as tf

    optimizer = getattr(model, "optimizer", None)
    parts = {"optimizer": optimizer} if form == "with_optimizer" and optimizer is not None else {}
    root = tf.train.Checkpoint(model) if form == "bare" else tf.train.Checkpoint(model=model, **parts)
    root.read(path).expect_partial()


def strict(model: Any, path: Any, form: str) -> None:  # noqa: ARG001  One of many.
    """Load as Keras does."""
    model.load_weights(path)


def skip_mismatch(model: Any, path: Any, form: str) -> None:  # noqa: ARG001  One of many.
    """Load as Keras does when told to leave out what does not fit."""
    model.load_weights(path, skip_mismatch=True)


def by_name(model: Any, path: Any, form: str) -> None:  # noqa: ARG001  One of many.
    """Load a legacy file as Keras does by the names of layers."""
    model.load_weights(path, by_name=True, skip_mismatch=True)


KERAS = {"`load_weights`": strict, "`load_weights(skip_mismatch=True)`": skip_mismatch}
PEERS: Mapping[str, Mapping[str, Way]] = {
    **{
        form: {"`tf.train.Checkpoint.read(…).expect_partial()`": checkpoint}
        for form in ("bare", "rooted", "with_optimizer")
    },
    **dict.fromkeys(("weights_h5", "archive", "shards", "unlabelled"), KERAS),
    "legacy": {"`load_weights(by_name=True, skip_mismatch=True)`": by_name},
}
FILES = {
    **dict.fromkeys(["bare", "rooted", "with_optimizer"], "TensorFlow checkpoint"),
    **dict.fromkeys(["weights_h5", "archive", "shards"], "`.weights.h5`, `.keras`, shards"),
    "unlabelled": "`.weights.h5` before Keras 3.6",
    "legacy": "legacy `.h5`",
}


def run(first: int) -> Sums:
    """Run one chunk of cases in a process of its own."""
    from generated.cases import case_of, ours, quiet, rebuild, save

    sums: Sums = {}
    for seed in range(first, first + CHUNK):
        case = case_of(seed)
        with tempfile.TemporaryDirectory() as folder, quiet():
            saved = save(case, Path(folder))
            files = FILES.get(case.form, "others (subset, live, arrays)")
            for name, way in PEERS.get(case.form, {}).items():
                _add(sums, files, name, native(saved, rebuild(saved), way))
            _add(sums, files, "`restore_subset`", _told(ours(saved, rebuild(saved)).counts))
    return sums


def native(saved: Any, made: Any, way: Way) -> Counter[str]:
    """Restore a peer's way and judge."""
    from generated.cases import held, judge

    before, is_told = held(made), False
    try:
        way(made.model, saved.checkpoint, saved.case.form)
    except Exception:  # noqa: BLE001  Peers raise anything.
        is_told = True
    after = held(made)
    counts = judge(saved, made, before, after).counts
    is_changed = any(before[owner].tobytes() != after[owner].tobytes() for owner in before)
    missed = counts["missed"] + counts["missed certain"]
    counts.update({"missed told": missed * is_told, "missed untold": missed * (not is_told)})
    counts["half-loaded"] += is_told and is_changed
    return counts


def _told(counts: Counter[str]) -> Counter[str]:
    """Return the counts with the misses by whether the report says more than that the file lacks the variable."""
    lacks = [kind for kind in counts if kind.startswith("missed") and "not in the checkpoint" in kind]
    untold = sum(counts[kind] for kind in lacks)
    missed = counts["missed"] + counts["missed certain"]
    return counts + Counter({"missed untold": untold, "missed told": missed - untold})


def _add(sums: Sums, files: str, way: str, counts: Counter[str]) -> None:
    sums[files, way] = sums.get((files, way), Counter()) + counts + Counter(cases=1)


def main() -> None:
    """Run the cases in all cores and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=100_000, help="the first seed")
    arguments = parser.parse_args()
    total: Sums = {}
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        seeds = range(arguments.first, arguments.first + arguments.cases, CHUNK)
        for sums in pool.imap_unordered(run, seeds):
            for key, counts in sums.items():
                total[key] = total.get(key, Counter()) + counts
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * 2}{'--:|' * len(COLUMNS)}")
    for (files, way), counts in sorted(total.items()):
        print(f"| {files} | {way} | {' | '.join(f'{counts[column]:,}' for column in COLUMNS)} |")


if __name__ == "__main__":
    main()
