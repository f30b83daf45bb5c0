"""What is in blocks of a list, by the names of these and the attributes within. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from partial_restore._keys import VARIABLES, Prefix, may_be_automatic
from partial_restore._types import Entry, Name, name_of

_Block = Mapping[int, tuple[Prefix, Prefix]]
"""The variables of one block: what each was called up to that, and the attributes from there on."""


def within_blocks(entries: Sequence[Entry], bases: Collection[str]) -> Iterator[tuple[int, Name]]:
    """Yield names for what is in the blocks of lists, where each block has a name that a person chose.

    What has the path ``blocks/0/query/kernel`` and was called ``net/first/dense_3/kernel`` is ``net/first/query/kernel``, wherever
    the block stands, and whatever was made before it. A given name may have lost layers: then it does not tell the blocks apart.
    """
    lists: dict[Prefix, dict[str, dict[int, tuple[Prefix, Prefix]]]] = defaultdict(lambda: defaultdict(dict))
    for i, entry in enumerate(entries):
        if not entry.paths or not entry.given:
            continue
        path = entry.paths[0]
        place = max((at for at, segment in enumerate(path.segments) if segment.isdecimal()), default=0)
        within = path.segments[place + 1 :]
        if place and len(within) > 1 and VARIABLES not in within and all(path.said[place:-1]):
            outer = entry.given[0].segments[: -len(within)]
            lists[path.segments[:place]][path.segments[place]][i] = outer, within
    for blocks in lists.values():
        if _are_told(list(blocks.values()), bases):
            for block in blocks.values():
                for i, (outer, within) in block.items():
                    yield i, Name((*outer, *within), (*(False for _ in outer), *(True for _ in within)))


def _are_told(blocks: Sequence[_Block], bases: Collection[str]) -> bool:
    """Say whether the names of blocks tell them apart: each has one, of its own, which Keras did not make up."""
    names = {outer for block in blocks for outer, _ in block.values()}
    is_one_each = all(len({outer for outer, _ in block.values()}) == 1 for block in blocks)
    are_chosen = all(name and not may_be_automatic(name_of(name[-1]), bases) for name in names)
    return is_one_each and are_chosen and 1 < len(blocks) == len(names)
