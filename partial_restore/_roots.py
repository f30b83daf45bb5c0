"""What may stand before all names of a side, as ``model/`` does in `Checkpoint(model=…)`. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from partial_restore._below import Met
from partial_restore._keys import SAYING_NOTHING, Key, Prefix
from partial_restore._rows import Row

Root = tuple[Prefix, Prefix]
"""What is set aside: of the checkpoint's names, and of the model's."""


def roots_before_all(rows: Sequence[Row]) -> list[Prefix]:
    """Return the roots that stand before every name of a side; names of one segment (``step``) do not count."""
    shallow = {row.entry for row in rows if len(row.segments) < 2}
    names: dict[int, list[Prefix]] = defaultdict(list)
    for row in rows:
        if row.entry not in shallow:
            names[row.entry].append(row.segments)
    if not names:
        return []
    deep = list(names.values())
    roots = {segments[:depth] for segments in deep[0] for depth in range(1, len(segments))}
    return sorted(root for root in roots if all(any(name[: len(root)] == root for name in held) for held in deep))


def may_be_root(root: Root, ours: Sequence[Row], theirs: Sequence[Row]) -> bool:
    """Say whether both roots may be set aside at once: ``encoder/`` is not ``decoder/``, but ``model/`` may be either."""
    return not all(root) or says_nothing(root[0], theirs) or says_nothing(root[1], ours)


def says_nothing(root: Prefix, rows: Iterable[Row]) -> bool:
    """Say whether a root, as every name below it may be read, is what anybody calls a model."""
    readings = _readings(root, rows)
    fitting = {
        entry for entry, key in readings if all(part in SAYING_NOTHING or not isinstance(part, str) for part in key)
    }
    return fitting == {entry for entry, _ in readings}


def numbered(root: Prefix, rows: Iterable[Row]) -> list[str]:
    """Return the classes of the layers in a root that Keras named: one that only one side has does say something."""
    found = ([part[0] for part in key if not isinstance(part, str)] for _, key in _readings(root, rows))
    return max(found, key=lambda kinds: (len(kinds), kinds), default=[])


def _readings(root: Prefix, rows: Iterable[Row]) -> set[tuple[int, Key]]:
    """Return how the entries below a root read it, if there is anything to read."""
    depth, here = len(root), rows if root else ()
    return {(row.entry, row.key[:depth]) for row in here if row.segments[:depth] == root and len(row.key) > depth}


def root_texts(root: Root) -> Iterator[str]:
    for side, prefix in zip(("the checkpoint's", "the model's"), root, strict=True):
        if prefix:
            yield f"{side} root {'/'.join(prefix)}/"


def is_near(root: Root, met: Met) -> bool:
    """Say whether roots are short, or more than one layer meets below them: one name may stand anywhere further down."""
    layers = {key[:1] for _, _, key in met}
    return sum(part not in SAYING_NOTHING for part in (*root[0], *root[1])) < 2 or len(layers) > 1
