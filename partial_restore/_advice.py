"""What an error advises: the names that were meant, and a rename to check and paste. Pure; standard library only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from partial_restore._types import Match


def nearest(text: str, names: Iterable[str]) -> list[str]:
    """Return the known paths that look most like ``text``, at any depth.

    >>> nearest("haed", ["head/kernel", "body/kernel"])
    ['head']
    """
    paths = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, name.count("/") + 2)}
    return difflib.get_close_matches(text.strip("/'\""), sorted(paths), n=3, cutoff=0.5)


def suggested_rename(matches: Sequence[Match]) -> str:
    """Return a rename that pairs the undecided, each tensor once, for the user to check and paste.

    What has fewest candidates goes first, then what comes first by name.

    >>> from partial_restore._types import Entry, Outcome, name_of
    >>> head, inner = (Entry(name, (name_of(name),), (), (), "float32") for name in ("dense_1/w", "net/dense/w"))
    >>> one, two = (Entry(name, (name_of(name),), (), (), "float32") for name in ("dense/w", "dense_1/w"))
    >>> suggested_rename([Match(head, Outcome.AMBIGUOUS, "", None, (one, two)), Match(inner, Outcome.AMBIGUOUS, "", None, (one,))])
    "{'dense': 'net/dense', 'dense_1': 'dense_1'}"
    """
    candidates = {entry.name for match in matches for entry in match.candidates}
    pairs: dict[str, str | None] = {}
    for match in sorted(matches, key=lambda match: (len(match.candidates), _natural(match.target.name))):
        free = sorted({entry.name for entry in match.candidates} - pairs.keys(), key=_natural)
        if free:
            pairs[free[0]] = match.target.name
    pairs |= dict.fromkeys(sorted(candidates - pairs.keys(), key=_natural))
    shortened = [_shortened(old, new) for old, new in pairs.items()]
    short = dict(shortened)
    return repr(short if all(short[old] == new for old, new in shortened) else pairs)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that orders numbers in names as numbers.

    >>> sorted(["dense_10", "dense_9", "dense"], key=_natural)
    ['dense', 'dense_9', 'dense_10']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _shortened(old: str, new: str | None) -> tuple[str, str | None]:
    """Return the pair without the name of the variable itself, where both end in it: a rule per layer.

    >>> _shortened("dense_1/kernel", "body/dense/kernel")
    ('dense_1', 'body/dense')
    """
    olds, _, last = old.rpartition("/")
    if new is None:
        return olds or old, None
    news, _, end = new.rpartition("/")
    return (olds, news) if olds and news and last == end else (old, new)
