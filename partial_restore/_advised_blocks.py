"""Which models and blocks may have another name now, by what is in them. Pure; standard library only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from partial_restore._keys import VARIABLES
from partial_restore._paired import common_end
from partial_restore._types import Entry, Match, Name

Rules = dict["str | re.Pattern[str]", "str | Sequence[str] | None"]
"""A rename, as rules for names."""


def renamed_blocks(undecided: Iterable[Match]) -> Sequence[Rules]:
    """Return renames to try: what the candidates of the undecided lie in is called as what these lie in, one to one.

    The second one has rules for what else stands beside the blocks: no root is looked for if a rule set it aside from these.

    >>> from partial_restore._types import Outcome, name_of
    >>> new, old = (Entry(name, (name_of(name),), (), (), "float32") for name in ("encoder/conv/w", "model/base/conv/w"))
    >>> renamed_blocks([Match(new, Outcome.AMBIGUOUS, "", candidates=(old,))])
    [{'model/base': 'encoder'}, {'model/base': 'encoder', 'model/': ''}]
    """
    news: dict[str, set[str]] = defaultdict(set)
    olds: dict[str, set[str]] = defaultdict(set)
    for match in undecided:
        for entry in match.candidates:
            new, old = _heads(match.target, entry)
            if new and old:
                news[old].add(new)
                olds[new].add(old)
    pairs = [(old, min(found)) for old, found in news.items() if len(found) == 1 and len(olds[min(found)]) == 1]
    around = [(old.rpartition("/")[0], new.rpartition("/")[0]) for old, new in pairs]
    blocks: Rules = {}
    blocks.update(sorted(pairs, key=lambda pair: -pair[0].count("/")))
    return [blocks, {**blocks, **{f"{old}/": new for old, new in around if old not in {"", new}}}] if blocks else []


def _heads(target: Entry, source: Entry) -> tuple[str, str]:
    """Return what stands before the end that the names of a variable and of a tensor have most in common, if that is a layer."""
    pairs = ((one.text, other.text) for one in _names(target) for other in _names(source))
    ours, theirs = max(pairs, key=lambda pair: common_end(*pair), default=("", ""))
    depth, variable = common_end(ours, theirs), 2 if ours.split("/")[-2:-1] == [VARIABLES] else 1
    if depth <= variable:
        return "", ""
    return "/".join(ours.split("/")[:-depth]), "/".join(theirs.split("/")[:-depth])


def _names(entry: Entry) -> Sequence[Name]:
    return (*entry.paths, *entry.given)
