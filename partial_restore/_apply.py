"""The one place that touches a model: reads what was decided, assigns it, initializes the rest.

Everything that can be found wrong beforehand is found before the first variable changes. What fits into the memory
budget is read whole and then assigned; more than that is first read once to verify it, keeping nothing, then streamed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

import tensorflow as tf

from partial_restore._errors import CastError, PartialRestoreError
from partial_restore._sources import Source
from partial_restore._targets import Target
from partial_restore._tensors import convert
from partial_restore._types import Entry, Match

_MOST_THREADS = 8
"""Threads that read, at most: one for each processor, so that copying and checksums keep up with a fast disk."""

_MOST_TENSORS = 128
"""Tensors of a batch: TensorFlow prepares an op for each number of results, at a cost that grows faster than the number."""

_SMALL_BATCH = 2**20
"""Bytes of a batch at least, if there are not more than threads: opening the index anew takes 0.3 ms."""

_Batch = Sequence[tuple[Entry, Sequence[Entry]]]
"""Tensors, each with the variables that take it."""

_Values = Sequence[tuple[str, tf.Tensor]]


def carry_out(
    target: Target,
    source: Source,
    loaded: Sequence[Match],
    initial: _Values,
    rerun: Sequence[str],
    max_memory: int,
    verify: bool,
) -> list[str]:
    """Load, initialize, and return the variables whose initializers ran in place.

    Raises:
        UnreadableCheckpointError: A value cannot be read; nothing was changed.
        CastError: A value does not fit its variable's dtype; nothing was changed.
        PartialRestoreError: Something failed when variables had been changed.
    """
    wanted = _wanted(loaded)
    size = sum(entry.nbytes for entry, _ in wanted)
    batches = list(_batches(wanted, _batch_size(size, min(max_memory // _threads(), target.batch_bytes))))
    if size <= max_memory:
        stream: Iterator[_Values] = iter(_verified(source, batches, keep=True))
    else:
        if verify:
            _verified(source, batches, keep=False)
        stream = _streamed(source, batches)
    changed: list[str] = []
    try:
        for values in chain([initial], stream):
            changed.extend(key for key, _ in values)
            target.assign(values)
            del values  # The next batch is read into the memory that this one frees.
        return target.finish(rerun, changed)
    except (Exception, KeyboardInterrupt) as error:
        if not changed:
            raise
        raise PartialRestoreError(source.path, changed, f"{type(error).__name__}: {error}") from error


def _wanted(loaded: Sequence[Match]) -> _Batch:
    """Return what to read, in the order of the keys, which is that of a checkpoint's data; each tensor once."""
    wanted: dict[str, tuple[Entry, list[Entry]]] = {}
    for match in loaded:
        if match.source is not None:
            wanted.setdefault(match.source.key, (match.source, []))[1].append(match.target)
    return sorted(wanted.values(), key=lambda each: each[0].key)


def _threads() -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1)


def _batch_size(size: int, most: int) -> int:
    """Return the bytes of a batch, so that all threads have some."""
    return max(1, min(most, max(_SMALL_BATCH, -(-size // _threads()))))


def _batches(wanted: _Batch, most: int) -> Iterator[_Batch]:
    """Yield the tensors up to ``most`` bytes at a time; a larger one alone."""
    batch: list[tuple[Entry, Sequence[Entry]]] = []
    size = 0
    for source, takers in wanted:
        nbytes = source.nbytes
        if batch and (size + nbytes > most or len(batch) == _MOST_TENSORS):
            yield batch
            batch, size = [], 0
        batch.append((source, takers))
        size += nbytes
    if batch:
        yield batch


def _verified(source: Source, batches: Sequence[_Batch], *, keep: bool) -> list[_Values]:
    """Read everything, and return it or keep nothing; raise one error for all values that do not fit."""
    kept: list[_Values] = []
    lost: list[tuple[str, str]] = []
    for values, losses in _read(source, batches):
        lost.extend(losses)
        if keep:
            kept.append(values)
        del values
    if lost:
        raise CastError(source.path, lost)
    return kept


def _streamed(source: Source, batches: Sequence[_Batch]) -> Iterator[_Values]:
    for values, losses in _read(source, batches):
        if losses:
            raise CastError(source.path, losses)
        yield values
        del values


def _read(source: Source, batches: Sequence[_Batch]) -> Iterator[tuple[_Values, list[tuple[str, str]]]]:
    """Yield the batches in turn, read ahead by threads, as values for the variables with what these cannot hold."""
    if len(batches) == 1:
        yield _read_batch(source, batches[0])
        return
    with ThreadPoolExecutor(_threads()) as pool:
        ahead = iter(batches)
        waiting = deque(pool.submit(_read_batch, source, batch) for batch in islice(ahead, _threads()))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(_read_batch, source, batch) for batch in islice(ahead, 1))


def _read_batch(source: Source, batch: _Batch) -> tuple[_Values, list[tuple[str, str]]]:
    values: list[tuple[str, tf.Tensor]] = []
    losses: list[tuple[str, str]] = []
    for (_, takers), value in zip(batch, source.read([entry.key for entry, _ in batch]), strict=True):
        for taker in takers:
            converted, loss = convert(value, taker.dtype)
            values.append((taker.key, converted))
            if loss:
                losses.append((taker.name, loss))
    return values, losses
