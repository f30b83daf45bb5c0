"""The bar: on a terminal, when it takes long, and nowhere else."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import Layers

import partial_restore as pr
from partial_restore import _apply
from partial_restore._progress import Bar

GIB = 2**30


class Terminal(io.StringIO):
    """Text that was written to a terminal."""

    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO, seconds: float, *, wanted: bool = True) -> str:
    """Return what is written for ten steps that take so long together."""
    now = 0.0
    with Bar(10 * GIB, wanted=wanted, stream=stream, clock=lambda: now) as bar:
        for _ in range(10):
            now += seconds / 10
            bar.add(GIB)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


def test_a_long_restore_shows_bytes_and_rate_on_a_terminal() -> None:
    shown = written(Terminal(), 20)
    assert "restoring" in shown
    assert "/10.0 GiB" in shown
    assert "B/s" in shown


@pytest.mark.parametrize(
    ("stream", "seconds", "wanted"),
    [(Terminal(), 1.9, True), (Terminal(), 20, False), (io.StringIO(), 20, True)],
    ids=["short", "not wanted", "no terminal"],
)
def test_nothing_is_written(stream: io.StringIO, seconds: float, wanted: bool) -> None:
    assert not written(stream, seconds, wanted=wanted)


def test_a_bar_that_an_error_ends_is_gone() -> None:
    now = 0.0
    with contextlib.suppress(LookupError), Bar(2, wanted=True, stream=Terminal(), clock=lambda: now) as bar:
        now += 5
        bar.add(1)
        raise LookupError
    assert bar._shown is not None
    assert not bar._shown.live.is_started


@pytest.mark.parametrize(("options", "passes"), [({}, 2), ({"verify": False}, 1), ({"max_memory": 2**30}, 1)])
def test_every_byte_is_counted(
    options: dict[str, int], passes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[Bar] = []

    class Noted(Bar):
        def __enter__(self) -> Bar:
            bars.append(self)
            return self

    monkeypatch.setattr(_apply, "Bar", Noted)
    variables = {f"w{i}": tf.Variable(tf.zeros([2**18])) for i in range(9)}
    path = pr.save_subset(variables, f"{tmp_path}/ckpt")
    pr.restore_subset(variables, path, **{"max_memory": 2**21, **options})  # type: ignore[arg-type]
    assert [bar._done for bar in bars] == [bar._total for bar in bars] == [9 * 2**20 * passes]


def test_a_callback_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[bool] = []

    class Noted(Bar):
        def __init__(self, total: int, *, wanted: bool) -> None:
            seen.append(wanted)
            super().__init__(total, wanted=wanted)

    seen = wanted
    monkeypatch.setattr(_apply, "Bar", Noted)
    model = keras.Sequential([Layers.Input([1]), Layers.Dense(1, name="body")])
    model.compile("sgd", "mse")
    ckpt = {"body/kernel": np.float32([[2.0]])}
    data = np.zeros([1, 1]), np.zeros([1, 1])
    model.fit(*data, verbose=0, callbacks=[pr.RestoreSubset(ckpt)])
    pr.restore_subset(model, ckpt)
    assert wanted == [False, True]
