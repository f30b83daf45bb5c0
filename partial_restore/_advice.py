"""What an error advises: the names that were meant, and a rename to check and paste. Pure; standard library only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from partial_restore._types import Match

_NUMBER = re.compile(r"_\d+(?=/|$)")


def nearest(text: str, names: Iterable[str]) -> list[str]:
    """Return the known paths that look most like ``text``, at any depth.

    >>> nearest("haed", ["head/kernel", "body/kernel"])
    ['head']
    """
    paths = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, name.count("/") + 2)}
    return difflib.get_close_matches(text.strip("/'\""), sorted(paths), n=3, cutoff=0.5)


def suggested_rename(matches: Sequence[Match], taken: Mapping[str, str] | None = None) -> str:
    """Return a rename that pairs the undecided, each tensor once, for the user to check and paste.

    What has fewest candidates goes first, and takes the one whose layers are called most alike, then what comes first by
    name. What others have ``taken``, by names, is for them; so is what is numbered with the candidates: where rules say
    whose some of them are, the numbers of the others tell nothing.

    >>> from partial_restore._types import Entry, Outcome, name_of
    >>> head, inner = (Entry(name, (name_of(name),), (), (), "float32") for name in ("dense_1/w", "net/dense/w"))
    >>> one, two = (Entry(name, (name_of(name),), (), (), "float32") for name in ("dense/w", "dense_1/w"))
    >>> suggested_rename([Match(head, Outcome.AMBIGUOUS, "", None, (one, two)), Match(inner, Outcome.AMBIGUOUS, "", None, (one,))])
    "{'dense': 'net/dense', 'dense_1': 'dense_1'}"
    """
    candidates = {match.target.name: {entry.name for entry in match.candidates} for match in matches}
    everything = {name for names in candidates.values() for name in names}
    bases = {_base(name) for name in everything}
    pairs: dict[str, str | None] = {name: target for name, target in (taken or {}).items() if _base(name) in bases}
    for target in sorted(candidates, key=lambda name: (len(candidates[name] - pairs.keys()), _natural(name))):
        free = candidates[target] - pairs.keys()
        if free:
            pairs[min(sorted(free, key=_natural), key=partial(_difference, target))] = target
    pairs |= dict.fromkeys(sorted(everything - pairs.keys(), key=_natural))
    shortened = [_shortened(old, new) for old, new in pairs.items()]
    short = dict(shortened)
    return repr(short if all(short[old] == new for old, new in shortened) else pairs)


def _difference(name: str, other: str) -> int:
    """Return how far apart two names are: the more segments their ends have in common but for numbers, the less.

    >>> _difference("model/sequential_3/dense_6/kernel", "sequential_7/dense_14/kernel")
    -3
    """
    ends = zip(*(reversed(_NUMBER.sub("", each).split("/")) for each in (name, other)), strict=False)
    return -next((i for i, (one, two) in enumerate(ends) if one != two), min(name.count("/"), other.count("/")) + 1)


def _base(name: str) -> str:
    """Return what the layer of a variable is called, without its number."""
    return _NUMBER.sub("", name.rpartition("/")[0].rpartition("/")[2])


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
