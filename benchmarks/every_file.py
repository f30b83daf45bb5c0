"""Files of every writer into models of either Keras family: what comes out right, natively and with `restore_subset`.

Usage: ``python benchmarks/every_file.py``. Prints a table in Markdown. The models and the writers are those of the tests; a
load is right if the model then gives the output that the writing one gave.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests")]
OUTCOMES = ("right", "refused", "wrong or empty")


def natively(model: Any, artefact: Any, writer: str) -> None:
    """Load as TensorFlow or Keras does: by `load_weights` what Keras reads, by `tf.train.Checkpoint` the rest."""
    import tensorflow as tf

    if writer == "tf_keras-save_weights" and type(model).__module__.startswith("tf_keras"):
        model.load_weights(artefact.path)
    elif writer.endswith(("-checkpoint", "-saver", "-save_weights")):
        root = tf.train.Checkpoint(model=model) if writer.endswith("-checkpoint") else tf.train.Checkpoint(model)
        root.read(os.fspath(artefact.path)).expect_partial()
    else:
        model.load_weights(artefact.path)


def ours(model: Any, artefact: Any, writer: str) -> None:  # noqa: ARG001  One of two.
    import partial_restore as pr

    pr.restore_subset(model, artefact.path, strict=True)


def outcome(load: Callable[..., None], architecture: Any, model: Any, artefact: Any, writer: str) -> str:
    """Return what came of a load."""
    import families
    import numpy as np

    families.randomized(model)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            load(model, artefact, writer)
    except Exception:  # noqa: BLE001  The peers refuse in many ways.
        return "refused"
    is_right = np.allclose(architecture.output(model), artefact.output, rtol=1e-5, atol=1e-6)
    return "right" if is_right else "wrong or empty"


def measured() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield (writer, family, names, way, outcome) of every load."""
    import families
    import test_families

    folder = Path(tempfile.mkdtemp())
    workshop = test_families.Workshop(lambda name: folder / name)
    for writer, architecture, n in test_families.CASES:
        (folder / f"{writer}-{architecture}-{n.__name__}").mkdir(exist_ok=True)
        artefact = workshop.artefact(writer, architecture, n)
        for family in families.FAMILIES:
            model = workshop.model("restore", family, architecture, n)
            for way, load in (("native", natively), ("ours", ours)):
                found = outcome(load, families.ARCHITECTURES[architecture], model, artefact, writer)
                yield writer, family, n.__name__, way, found


def main() -> None:
    """Print the table: for each writer and family what came out natively, and with ours."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for writer, family, _, way, found in measured():
        counts.setdefault((writer, family, way), Counter())[found] += 1
    print("| files | into | natively: right | refused | wrong or empty | ours: right | refused | wrong or empty |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    sums: Counter[tuple[str, str]] = Counter()
    for writer, family in dict.fromkeys((writer, family) for writer, family, _ in counts):
        cells = [(way, found, counts[writer, family, way][found]) for way in ("native", "ours") for found in OUTCOMES]
        for way, found, count in cells:
            sums[way, found] += count
        print(f"| {writer} | {family} | " + " | ".join(str(count) for _, _, count in cells) + " |")
    print("| all | | " + " | ".join(str(sums[way, found]) for way in ("native", "ours") for found in OUTCOMES) + " |")


if __name__ == "__main__":
    main()
