"""Which places in lists have layers of other names now. Pure; standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from partial_restore._keys import VARIABLES, may_be_automatic
from partial_restore._settle import Claim, Grade
from partial_restore._sides import Sides
from partial_restore._types import Entry, name_of


def but_renamed(claims: Sequence[Claim], sides: Sides) -> Sequence[Claim]:
    """Leave undecided a place in a list if both sides tell the names of the layers there, chosen ones, and they differ.

    So is all that lies at that place, be its name lost; and what stands under an attribute as well, which is no name of its own then.
    """

    def is_renamed(claim: Claim) -> bool:
        target, source = sides.targets[claim.target], sides.sources[claim.source]
        path = _listed_path(target)
        places = _list_places(path)
        depth = len(path) - len(places[-1]) + 1 if places else 0
        pairs = zip(_tails(target, depth, sides), _tails(source, depth, sides), strict=False)
        return any(ours != theirs for pair in pairs for ours, theirs in zip(*pair, strict=True) if ours and theirs)

    def is_by_place(claim: Claim) -> bool:
        is_alias = claim.grade is Grade.NAMED and len(sides.targets[claim.target].paths) > 1
        return is_alias or claim.grade is Grade.NUMBERED

    placed = [claim for claim in claims if is_by_place(claim)]
    renamed = {_list_places(_listed_path(sides.targets[claim.target]))[-1] for claim in placed if is_renamed(claim)}
    if not renamed:
        return claims
    return [
        claim.opened()
        if is_by_place(claim) and not renamed.isdisjoint(_list_places(_listed_path(sides.targets[claim.target])))
        else claim
        for claim in claims
    ]


def _listed_path(entry: Entry) -> tuple[str, ...]:
    """Return the first path that leads through a list, else the first."""
    return next((path.segments for path in entry.paths if _list_places(path.segments)), entry.paths[0].segments)


def _list_places(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the beginnings of a path that end with a place in a list."""
    return [path[: i + 1] for i, each in enumerate(path) if each.isdecimal() and path[i - 1] != VARIABLES]


def _tails(entry: Entry, depth: int, sides: Sides) -> Iterator[list[str | None]]:
    """Yield the ends of the given names, without what Keras may have made up."""
    for name in entry.given:
        if 1 < depth <= len(name.segments):
            yield [
                None if may_be_automatic(name_of(segment), sides.bases) else segment
                for segment in name.segments[-depth:]
            ]
