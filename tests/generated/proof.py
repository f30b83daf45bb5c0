"""Runs many cases in several processes."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

CHUNK = 100
"""Cases per process: Keras never forgets all of a model."""


def run(first: int) -> tuple[Counter[str], list[str]]:
    """Run one chunk, in a process of its own."""
    from generated.cases import case_of, ours, rebuild, save  # noqa: PLC0415  TensorFlow starts here.

    counts: Counter[str] = Counter()
    defects: list[str] = []
    for seed in range(first, first + CHUNK):
        with tempfile.TemporaryDirectory() as folder:
            saved = save(case_of(seed), Path(folder))
            verdict = ours(saved, rebuild(saved))
        counts += verdict.counts
        counts["cases"] += 1
        defects += [str(verdict)] if verdict.defects else []
    return counts, defects


def main() -> None:
    """Print every defect as it is found, and the sums; fail if there is any defect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=3000)
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.count, CHUNK)
    total: Counter[str] = Counter()
    found = 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        for counts, defects in pool.imap_unordered(run, seeds):
            total += counts
            found += len(defects)
            sys.stdout.write("".join(f"{defect}\n\n" for defect in defects))
            sys.stdout.flush()
    sys.stdout.write("".join(f"{kind}: {number}\n" for kind, number in sorted(total.items()) if ":" not in kind))
    sys.exit(f"{found} cases with defects" if found else 0)
