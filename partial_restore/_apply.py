"""The one place that touches a model: reads what was decided, assigns it, initializes the rest.

Everything that can be found wrong beforehand is found before the first variable changes. What fits into the memory
budget is read whole and then assigned; more than that is first read once to verify it, keeping nothing, then streamed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

import tensorflow as tf

from partial_restore._errors import CastError, PartialRestoreError
from partial_restore._sources import Source
from partial_restore._targets import Target
from partial_restore._tensors import convert
from partial_restore._types import Entry, Match

_IN_FLIGHT = 2
"""Batches in memory at once, each read by a thread of its own: one is assigned while the other is read."""

_Batch = Sequence[tuple[Entry, Sequence[Entry]]]
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
    batches = list(_batches(_wanted(loaded), max_memory // _IN_FLIGHT))
    if sum(entry.nbytes for batch in batches for entry, _ in batch) <= max_memory:
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


def _wanted(loaded: Sequence[Match]) -> Mapping[Entry, Sequence[Entry]]:
    """Return the variables for each tensor: a tensor is read once however many take it."""
    wanted: dict[str, tuple[Entry, list[Entry]]] = {}
    for match in loaded:
        if match.source is not None:
            wanted.setdefault(match.source.key, (match.source, []))[1].append(match.target)
    return dict(wanted.values())


def _batches(wanted: Mapping[Entry, Sequence[Entry]], most: int) -> Iterator[_Batch]:
    """Yield the tensors in the order of their keys, which is that of a checkpoint's data, ``most`` bytes at a time."""
    batch: list[tuple[Entry, Sequence[Entry]]] = []
    size = 0
    for source in sorted(wanted, key=lambda entry: entry.key):
        if batch and size + source.nbytes > most:
            yield batch
            batch, size = [], 0
        batch.append((source, wanted[source]))
        size += source.nbytes
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
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        ahead = iter(batches)
        waiting = deque(pool.submit(_read_batch, source, batch) for batch in islice(ahead, _IN_FLIGHT))
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
