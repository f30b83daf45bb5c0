"""A bar on the terminal for restores that take seconds. It writes nothing anywhere else, and nothing stays of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress
    from typing_extensions import Self

_LONG, _SURE = 2.0, 0.5
"""Seconds: a restore that will take so long shows a bar, once it has run long enough for that to be told."""


class Bar:
    """Shows how much of so many bytes is done, and how fast; to be used as a context."""

    def __init__(
        self, total: int, *, wanted: bool, stream: IO[str] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total, self._stream, self._clock = total, stream or sys.stderr, clock
        self._is_wanted = wanted and self._stream.isatty()
        self._start, self._done = clock(), 0
        self._shown: Progress | None = None

    def add(self, count: int) -> None:
        """Take note that so many bytes more are done."""
        self._done += count
        if self._shown is None and self._is_wanted and self._is_long():
            self._shown = _shown(self._stream, self._total)
        if self._shown is not None:
            self._shown.update(self._shown.task_ids[0], completed=self._done)

    def _is_long(self) -> bool:
        elapsed = self._clock() - self._start
        return elapsed >= _SURE and elapsed * self._total >= _LONG * self._done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown.stop()


def _shown(stream: IO[str], total: int) -> Progress | None:
    """Return a bar that is on the terminal, or None without the library, which comes with Keras."""
    try:
        from rich import progress  # noqa: PLC0415  Few calls need it.
        from rich.console import Console  # noqa: PLC0415
    except ImportError:
        return None
    bar = progress.Progress(
        progress.TextColumn("restoring"),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(file=stream),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("", total=total)
    bar.start()
    return bar
