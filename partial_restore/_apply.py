"""The one place that touches a model: reads what was decided, assigns it, initializes the rest.

Everything that can be found wrong beforehand is found before the first variable changes. What fits into the memory
budget is read whole and then assigned, as is what variables without a value take over, and what is in the memory of variables,
which may be the same ones; more than that is first read once to verify it, keeping nothing, then streamed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain, islice
from typing import TypeVar

import tensorflow as tf

from partial_restore._errors import CastError, PartialRestoreError
from partial_restore._malloc import resident, trim
from partial_restore._progress import Bar
from partial_restore._sources import Source
from partial_restore._sources._live import LiveSource
from partial_restore._targets import Target
from partial_restore._tensors import convert
from partial_restore._types import Entry, Match

_MOST_THREADS = 8
"""Threads that read, at most: one for each processor, so that copying and checksums keep up with a fast disk."""

_MOST_TENSORS, _MOST_CALLS = 256, 64
"""Tensors of a batch, and batches of so many tensors, beyond which batches have more.

TensorFlow prepares an op for each number of results, at a cost that grows faster than the number; and it reads the whole
index anew for each batch.
"""

_SMALL_BATCH = 2**20
"""Bytes of a batch at least, if there are not more batches than threads: each has a fixed cost of 0.3 ms."""

_MOST_FREED = 32 * 2**20
"""Bytes that are freed before they are given back, which takes some milliseconds."""

_MOST_KEPT = 48 * 2**20
"""Bytes that the process may have more, while it verifies, before those are given back that were freed: most are used again."""

_VERIFIED_PART = 2
"""How many times smaller the batches are that are only verified: most then fit again where the last ones were freed."""

_Batch = Sequence[tuple[Entry, Sequence[Entry]]]
"""Tensors, each with the variables that take it."""

_Values = Sequence[tuple[str, tf.Tensor]]
_Loss = tuple[str, str]
"""A variable, and what happened to its values."""

_Read = tuple[_Values, Sequence[_Loss], int]
"""What variables take, what they cannot hold, and the bytes of it that have memory of their own: as many become free."""

_Result = TypeVar("_Result")


class _Changes:
    """The variables that are being or have been changed, by the threads that read ahead as well."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self._are_told = False

    def note(self, keys: Iterable[str]) -> bool:
        """Note variables before they change, and say whether they may: not when it has been told which did."""
        self._keys.update(dict.fromkeys(keys))
        return not self._are_told

    @property
    def noted(self) -> list[str]:
        return list(self._keys)

    def told(self) -> list[str]:
        """Return what has changed. From now on nothing may."""
        self._are_told = True
        return self.noted


def carry_out(
    target: Target,
    source: Source,
    loaded: Sequence[Match],
    initial: _Values,
    rerun: Sequence[str],
    *,
    max_memory: int,
    verify: bool,
    progress: bool,
) -> list[str]:
    """Load, initialize, and return the variables whose initializers ran in place.

    Raises:
        UnreadableCheckpointError: A value cannot be read; nothing was changed.
        CastError: A value does not fit its variable's dtype; nothing was changed.
        PartialRestoreError: Something failed when variables had been changed.
    """
    wanted = _wanted(loaded)
    size = _nbytes(wanted)
    most = _batch_size(size, min(max_memory // _threads(), target.batch_bytes))
    batches = list(_batches(wanted, most))
    is_taken_over = size > max_memory and target.is_empty([taker.key for _, takers in wanted for taker in takers])
    is_whole = size <= max_memory or is_taken_over or isinstance(source, LiveSource)
    is_verified = verify and not is_whole
    with Bar(2 * size if is_verified else size, wanted=progress) as bar:
        if is_verified:
            _verify(source, list(_batches(wanted, most // _VERIFIED_PART)), bar)
        changes = _Changes()
        lend = _lend_nothing if is_whole or not _is_in_turn() else partial(_lend, target, changes)
        read = partial(_read_batch, source.reread if is_verified else source.read, lend)
        ahead = _ahead(batches, read, bar)
        stream = (_whole if is_whole else _streamed)(source, ahead)
        if is_taken_over:  # A session takes 10 ms to prepare every run.
            stream = iter([list(chain.from_iterable(stream))])
        with _stopping(ahead, source, changes):
            return _assign(target, chain([initial], stream), changes, rerun)


def _is_in_turn() -> bool:
    """Say whether ops have run when they return: else those that wait might read a variable while it is being filled."""
    return bool(tf.config.experimental.get_synchronous_execution())


@contextmanager
def _stopping(ahead: Generator[_Read], source: Source, changes: _Changes) -> Iterator[None]:
    """Name what has changed if something fails, when the threads are done that read ahead: they change variables, too."""
    try:
        with closing(ahead):
            yield
    except (Exception, KeyboardInterrupt) as error:
        changed = changes.told()
        if not changed:
            raise
        raise PartialRestoreError(source.path, changed, f"{type(error).__name__}: {error}") from error


def _assign(target: Target, stream: Iterator[_Values], changes: _Changes, rerun: Sequence[str]) -> list[str]:
    """Put the values into the variables as they come, and initialize the rest."""
    for values in stream:
        changes.note(key for key, _ in values)
        target.assign(values)
        del values  # The next batch is read into the memory that this one frees.
    return target.finish(rerun, changes.noted, changes.note)


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
    size, count = 0, max(_MOST_TENSORS, -(-len(wanted) // _MOST_CALLS))
    for source, takers in wanted:
        nbytes = source.nbytes
        if batch and (size + nbytes > most or len(batch) == count):
            yield batch
            batch, size = [], 0
        batch.append((source, takers))
        size += nbytes
    if batch:
        yield batch


def _whole(source: Source, batches: Iterator[_Read]) -> Iterator[_Values]:
    """Return all values when all are read; raise one error for those that do not fit."""
    read = list(batches)
    _refuse(source, [loss for _, losses, _ in read for loss in losses])
    return iter([values for values, _, _ in read])


def _verify(source: Source, batches: Sequence[_Batch], bar: Bar) -> None:
    """Find out what would fail, keeping nothing; raise one error for all values that do not fit."""
    checked = _ahead(batches, partial(_check_batch, source), bar)
    losses: list[_Loss] = []
    before = resident()
    for found in checked:
        losses.extend(found)
        if resident() - before >= _MOST_KEPT:
            trim()
    trim()
    _refuse(source, losses)


def _streamed(source: Source, batches: Iterator[_Read]) -> Iterator[_Values]:
    """Yield the values as they come, and give the memory back of those that they replace."""
    freed = 0
    for values, losses, new in batches:
        _refuse(source, losses)
        yield values
        del values
        freed += new
        if freed >= _MOST_FREED:
            trim()
            freed = 0


def _refuse(source: Source, losses: Sequence[_Loss]) -> None:
    if losses:
        raise CastError(source.path, losses)


def _ahead(batches: Sequence[_Batch], work: Callable[[_Batch], _Result], bar: Bar) -> Generator[_Result]:
    """Yield what is made of the batches, in turn; threads work ahead, each on one batch."""
    if len(batches) == 1:
        result = [work(batches[0])]
        bar.add(_nbytes(batches[0]))
        yield result.pop()
        return
    with ThreadPoolExecutor(_threads()) as pool:
        rest = iter(batches)
        waiting = deque((batch, pool.submit(work, batch)) for batch in islice(rest, _threads()))
        while waiting:
            batch, future = waiting.popleft()
            result = [future.result()]
            del future  # It holds the values, too.
            bar.add(_nbytes(batch))
            yield result.pop()
            waiting.extend((batch, pool.submit(work, batch)) for batch in islice(rest, 1))


def _nbytes(batch: _Batch) -> int:
    return sum(entry.nbytes for entry, _ in batch)


def _check_batch(source: Source, batch: _Batch) -> Sequence[_Loss]:
    """Return what the variables cannot hold; only a cast needs the values for that."""
    if any(entry.dtype != taker.dtype for entry, takers in batch for taker in takers):
        return _read_batch(source.read, _lend_nothing, batch)[1]
    source.check([entry.key for entry, _ in batch])
    return ()


def _lend_nothing(batch: _Batch) -> Mapping[str, tf.Tensor]:  # noqa: ARG001
    return {}


def _lend(target: Target, changes: _Changes, batch: _Batch) -> Mapping[str, tf.Tensor]:
    """Return memory to read tensors into: that of the one variable that takes each as it is."""
    takers = {entry.key: takers[0].key for entry, takers in batch if len(takers) == 1 and _is_alike(entry, takers[0])}
    lent = target.lend(list(takers.values()))
    if not changes.note(lent):
        return {}
    return {key: lent[taker] for key, taker in takers.items() if taker in lent}


def _is_alike(source: Entry, target: Entry) -> bool:
    return (source.shape, source.dtype) == (target.shape, target.dtype)


def _read_batch(
    read: Callable[[Sequence[str], Mapping[str, tf.Tensor]], Sequence[tf.Tensor]],
    lend: Callable[[_Batch], Mapping[str, tf.Tensor]],
    batch: _Batch,
) -> _Read:
    """Return values for the variables, and what these cannot hold."""
    values: list[tuple[str, tf.Tensor]] = []
    losses: list[_Loss] = []
    into = lend(batch)
    for (_, takers), value in zip(batch, read([entry.key for entry, _ in batch], into), strict=True):
        for taker in takers:
            converted, loss = convert(value, taker.dtype)
            values.append((taker.key, converted))
            if loss:
                losses.append((taker.name, loss))
    return values, losses, sum(entry.nbytes for entry, _ in batch if entry.key not in into)
