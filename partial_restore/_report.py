"""What a restore did (or would do), and its faces: text of one screen, HTML, plain data.

Standard library only: a report holds names, shapes and reasons, never a tensor, so it can be pickled and kept.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from partial_restore._advice import nearest
from partial_restore._fold import fold
from partial_restore._types import Decision, Entry, Match, Outcome


@dataclass(frozen=True, slots=True)
class Tensor:
    """One side of a line of the report.

    Attributes:
        name: The name that is shown.
        names: All names under which it is known.
        key: How its side stores it.
        shape: Its shape.
        dtype: The name of its dtype, such as ``"float32"``.
        size: The number of its elements.
        nbytes: Its size in bytes.
    """

    name: str
    names: tuple[str, ...]
    key: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the report.

    Attributes:
        variable: The model's side; None for a tensor that was skipped.
        tensor: The checkpoint's side; None for a variable that the checkpoint has nothing for.
        reason: Why it was loaded, initialized or skipped.
        rule: The rename rule that decided, or None.
        candidates: Names of the tensors among which nothing decided.
    """

    variable: Tensor | None
    tensor: Tensor | None
    reason: str
    rule: str | None = None
    candidates: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The variable's name; the tensor's where there is no variable."""
        side = self.variable or self.tensor
        return side.name if side else ""

    def __str__(self) -> str:
        parts = [_side(side) for side in (self.variable, self.tensor) if side]
        rule = f", by {self.rule}" if self.rule else ""
        candidates = f"; candidates: {', '.join(self.candidates)}" if self.candidates else ""
        return f"{' ← '.join(parts)}: {self.reason}{rule}{candidates}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was loaded, initialized and skipped, and why.

    Every variable of the model is in exactly one of ``loaded`` and ``initialized``; every tensor of the checkpoint is
    either the tensor of a loaded variable or in ``skipped``.

    Attributes:
        path: The checkpoint.
        loaded: Variables that hold a value of the checkpoint now.
        initialized: Variables that do not.
        skipped: Tensors that no variable took.
        roots: What was set aside before all names of a side to align them.
    """

    path: str
    loaded: tuple[Item, ...]
    initialized: tuple[Item, ...]
    skipped: tuple[Item, ...]
    roots: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Item:
        """Return the line of a variable, or of a tensor, by any of its names.

        Raises:
            KeyError: Neither side has the name; the nearest names are in the message.
        """
        for item in self._items():
            if item.name == name:
                return item
        for item in self._items():
            sides = [side for side in (item.variable, item.tensor) if side]
            if any(name in side.names or name == side.key for side in sides):
                return item
        raise KeyError(
            f"{name!r} is neither a variable nor a skipped tensor; nearest: {nearest(name, (i.name for i in self._items()))}"
        )

    def __contains__(self, name: object) -> bool:
        return any(item.name == name for item in self._items())

    def explain(self, name: str) -> str:
        """Return in words what became of a variable or a tensor, and why."""
        item = self[name]
        state = "loaded" if item in self.loaded else "initialized" if item in self.initialized else "skipped"
        roots = f" (set aside: {', '.join(self.roots)})" if self.roots and state == "loaded" else ""
        return f"{state}: {item}{roots}"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dicts, lists, strings and numbers, as `json.dumps` takes them."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return f"<Report of {self.path!r}: {self._summary()}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def _items(self) -> Iterator[Item]:
        yield from self.loaded
        yield from self.initialized
        yield from self.skipped

    def _summary(self) -> str:
        count = sum(item.variable.size for item in self.loaded if item.variable)
        return f"loaded {len(self.loaded)} ({_parameters(count)}) · initialized {len(self.initialized)} · skipped {len(self.skipped)}"

    def _lines(self) -> Iterator[str]:
        yield self._summary()
        yield f"from {self.path}"
        for root in self.roots:
            yield f"set aside to align the names: {root}"
        for title, items in (("loaded", self.loaded), ("initialized", self.initialized), ("skipped", self.skipped)):
            for reason, group in _by_reason(items).items():
                yield f"{title}: {reason}"
                yield from (f"  {line}" for line in fold([_cells(item) for item in group]))


def report_of(path: str, decision: Decision, how: dict[str, str]) -> Report:
    """Return the report of a decision; ``how`` says by key what happened to variables that were not loaded."""
    loaded = [match for match in decision.matches if match.outcome is Outcome.LOADED]
    others = [match for match in decision.matches if match.outcome is not Outcome.LOADED]
    return Report(
        path,
        tuple(_item(match, match.reason) for match in loaded),
        tuple(_item(match, f"{match.reason}; {how.get(match.target.key, 'kept as it was')}") for match in others),
        tuple(Item(None, _tensor(skip.source), skip.reason) for skip in decision.skipped),
        decision.roots,
    )


class Listing(tuple[Tensor, ...]):
    """The tensors of a checkpoint; prints as a table."""

    __slots__ = ()

    def __str__(self) -> str:
        rows = [("name", "shape", "dtype", "bytes"), *((t.name, str(t.shape), t.dtype, f"{t.nbytes:,}") for t in self)]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {dtype:<{widths[2]}}  {size:>{widths[3]}}".rstrip()
            for name, shape, dtype, size in rows
        ]
        return "\n".join([*lines, f"{len(self)} tensors, {sum(t.nbytes for t in self):,} bytes"])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def listing_of(entries: Sequence[Entry]) -> Listing:
    return Listing(_tensor(entry) for entry in entries)


def _item(match: Match, reason: str) -> Item:
    source = _tensor(match.source) if match.source else None
    cast = match.source is not None and match.outcome is Outcome.LOADED and match.source.dtype != match.target.dtype
    reason = f"{reason}, cast from {match.source.dtype}" if cast and match.source else reason
    return Item(_tensor(match.target), source, reason, match.rule, tuple(entry.name for entry in match.candidates))


def _tensor(entry: Entry) -> Tensor:
    names = tuple(dict.fromkeys(name.text for name in (*entry.paths, *entry.given)))
    return Tensor(entry.name, names, entry.key, entry.shape, entry.dtype, entry.size, entry.nbytes)


def _by_reason(items: Sequence[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(f"{item.reason}, by {item.rule}" if item.rule else item.reason, []).append(item)
    return groups


def _cells(item: Item) -> tuple[tuple[str, ...], str]:
    """Return what `fold` folds: the segments of the name, the last with its shape, and the tensor if not of that name."""
    side = item.variable or item.tensor
    if side is None:
        return (), ""
    *front, last = side.name.split("/")
    origin = _origin(item) if item.variable else ""
    return (*front, f"{last} {side.shape}"), origin


def _origin(item: Item) -> str:
    """Return how the tensor's name differs from the variable's, or an empty string."""
    if item.variable is None or item.tensor is None or item.variable.name == item.tensor.name:
        return ""
    ours, theirs = item.variable.name.split("/"), item.tensor.name.split("/")
    while ours and theirs and ours[-1] == theirs[-1]:
        ours, theirs = ours[:-1], theirs[:-1]
    front = f"{'/'.join(theirs)}/" if theirs else ""
    if item.tensor.name == "/".join(theirs):
        return item.tensor.name
    return f"{front}…" if not ours else f"{front}… in place of {'/'.join(ours)}/…"


def _side(side: Tensor) -> str:
    return f"{side.name} {side.shape} {side.dtype}"


def _parameters(count: int) -> str:
    """Return a number of parameters as people say it.

    >>> _parameters(23_500_000), _parameters(12)
    ('23.5 M parameters', '12 parameters')
    """
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit} parameters"
    return f"{count} parameters"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
