"""Which places in lists have layers of other names now. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from partial_restore._keys import VARIABLES, Prefix, may_be_automatic, positions_of, without_numbers
from partial_restore._settle import Claim, Grade
from partial_restore._sides import Sides
from partial_restore._types import Blocks, Entry, name_of


def but_renamed(claims: Sequence[Claim], sides: Sides) -> Sequence[Claim]:
    """Leave undecided a place in a list if both sides tell the names of the layers there, chosen ones, and they differ.

    Or if the given names tell that what is there traded places: those of one have all models within the list on one side only,
    those of another on the other side only. Or if layers within have other chosen names, or some of the list are of another class, or have a name now. Or if an attribute is for a layer of a list in which that stands elsewhere now, or among others. So is all that lies at that place, be its name lost; and what stands under an attribute as well, which is no name of its own then.
    """

    def is_renamed(claim: Claim) -> bool:
        target, source = sides.targets[claim.target], sides.sources[claim.source]
        path = _listed_path(target)
        places = _list_places(path)
        depth = len(path) - len(places[-1]) + 1 if places else 0
        pairs = zip(
            _tails(target, depth, sides, is_target=True), _tails(source, depth, sides, is_target=False), strict=False
        )
        if any(ours != theirs for pair in pairs for ours, theirs in zip(*pair, strict=True) if ours and theirs):
            return True
        if claim.grade is Grade.NUMBERED and _are_others(target.blocks, source.blocks, sides):
            return True
        if places[-1:] == [path] and _are_called_otherwise(target, source):
            return True
        owner, other = owners[0].get(claim.target), owners[1].get(claim.source)
        return owner is not None and other is not None and owner != other

    def is_by_place(claim: Claim) -> bool:
        is_alias = claim.grade is Grade.NAMED and len(sides.targets[claim.target].paths) > 1
        return is_alias or claim.grade is Grade.NUMBERED

    placed = [claim for claim in claims if is_by_place(claim)]
    if not placed:
        return claims
    owners = _owners(sides.targets, sides), _owners(sides.sources, sides)
    renamed = {place for claim in placed if is_renamed(claim) for place in _blocks_of(sides.targets[claim.target])[-1:]}
    renamed |= _traded(placed, sides) | _moved(placed, sides) | _retyped(placed, sides) | _named_since(placed, sides)
    if not renamed:
        return claims
    return [
        claim.opened()
        if is_by_place(claim) and not renamed.isdisjoint(_blocks_of(sides.targets[claim.target]))
        else claim
        for claim in claims
    ]


def but_alongside(claims: Sequence[Claim], sides: Sides) -> Sequence[Claim]:
    """Leave undecided the places in a list, and in those that are as long beside it, in which a layer that has a name stands elsewhere now.

    What has no name may have gone along, and what others have the name of; but not if it has one and stands before all that moved, or behind.
    """
    moved: dict[Prefix, list[int]] = defaultdict(list)
    for claim in claims:
        if claim.grade is Grade.NAMED and claim.kind == "given":
            for here, there in _list_left(sides.targets[claim.target], sides.sources[claim.source]):
                moved[here[:-1]] += [int(here[-1]), int(there[-1])]
    if not moved:
        return claims
    lists = _lists(sides.targets)
    beside = {
        other
        for other in lists
        for place in moved
        if other[:-1] == place[:-1] and len(lists[other]) == len(lists[place])
    }

    def may_have_moved(claim: Claim) -> bool:
        target, source = sides.targets[claim.target], sides.sources[claim.source]
        path = _listed_path(target)
        places = _list_places(path)
        at = next((place for place in places if place[:-1] in beside), None)
        if claim.grade is not Grade.NUMBERED or claim.kind != "paths" or at is None:
            return False
        span = moved.get(at[:-1]) if at == places[-1] else None
        if span is None or min(span) <= int(at[-1]) <= max(span):
            return True
        words = [_word_of(entry, len(path) - len(at) + 1) for entry in (target, source)]
        ours, theirs = (chosen_name(word, sides, is_target=not i) for i, word in enumerate(words))
        return not ours or ours != theirs

    return [claim.opened() if may_have_moved(claim) else claim for claim in claims]


def _list_left(target: Entry, source: Entry) -> Iterator[tuple[Prefix, Prefix]]:
    """Yield the places of a layer in the outermost list in which it stands at another one now."""
    for here, there in zip(_list_places(_listed_path(target)), _list_places(_listed_path(source)), strict=False):
        if here[-2:-1] != there[-2:-1]:
            return
        if here[-1] != there[-1]:
            yield here, there
            return


def _are_others(ours: Blocks, theirs: Blocks, sides: Sides) -> bool:
    """Say whether blocks, or layers in them, have chosen names that differ, or that are those of as many no more."""
    known = {depth: (chosen_name(name, sides, is_target=False), times) for depth, name, times in theirs}
    called = [
        ((chosen_name(name, sides, is_target=True), times), known.get(depth, (None, 0))) for depth, name, times in ours
    ]
    return any(mine[0] and yours[0] and all((mine[1], yours[1])) and mine != yours for mine, yours in called)


def _are_called_otherwise(target: Entry, source: Entry) -> bool:
    """Say whether two variables that lists hold have names beside it, as tf_keras keeps each under its own in the layer, and other ones."""
    ours, theirs = (
        {without_numbers(path.text.rpartition("/")[2]) for path in entry.paths if path.tells_all}
        for entry in (target, source)
    )
    return bool(ours and theirs) and ours.isdisjoint(theirs)


def _retyped(claims: Sequence[Claim], sides: Sides) -> set[Prefix]:
    """Return the places in lists in which some layers of a class that Keras numbered are of another class now, and others are not.

    Such a layer may have come in, and one have gone: the numbers tell nothing of it.
    """
    classes: dict[Prefix, dict[Prefix, tuple[str, str]]] = defaultdict(dict)
    for claim in claims:
        target, source = sides.targets[claim.target], sides.sources[claim.source]
        path = _listed_path(target)
        for place in _list_places(path)[-1:]:
            depth = len(path) - len(place) + 1
            words = [_class_of(entry, depth, sides) for entry in (target, source)]
            if words[0] and words[1]:
                classes[place[:-1]][place] = words[0], words[1]
    return {place for found in classes.values() if not _is_one_to_one({*found.values()}) for place in found}


def _named_since(claims: Sequence[Claim], sides: Sides) -> set[Prefix]:
    """Return the places in lists of layers of like variables some of which have a chosen name on one side only, and others on none, or on the other.

    One may have got its name since; or it has come in, and one have gone.
    """
    shapes: dict[Prefix, set[tuple[tuple[str, ...], tuple[int, ...]]]] = defaultdict(set)
    have_names: dict[Prefix, tuple[bool, bool]] = {}
    for claim in claims:
        target, source = sides.targets[claim.target], sides.sources[claim.source]
        path = _listed_path(target)
        for place in _list_places(path)[-1:]:
            shapes[place].add((path[len(place) :], target.shape))
            words = [_word_of(entry, len(path) - len(place) + 1) for entry in (target, source)]
            if all(words):
                ours, theirs = (chosen_name(word, sides, is_target=not i) for i, word in enumerate(words))
                have_names[place] = ours is not None, theirs is not None
    alike: dict[tuple[Prefix, frozenset[object]], dict[Prefix, tuple[bool, bool]]] = defaultdict(dict)
    for place, have in have_names.items():
        if have != (True, True):
            alike[place[:-1], frozenset(shapes[place])][place] = have
    return {place for found in alike.values() if len(set(found.values())) > 1 for place in found}


def _word_of(entry: Entry, depth: int) -> str:
    """Return what a layer is called that stands in a list, so many segments before the end, if that is known."""
    labels = [name for at, name, _ in entry.blocks if at == depth > 1]
    return next(iter(labels), "") or next(
        (name.segments[-depth] for name in entry.given if 1 < depth < len(name.segments)), ""
    )


def _is_one_to_one(pairs: Collection[tuple[str, str]]) -> bool:
    return len({ours for ours, _ in pairs}) == len(pairs) == len({theirs for _, theirs in pairs})


def _class_of(entry: Entry, depth: int, sides: Sides) -> str:
    """Return the class of a layer in a list, if Keras named it after that."""
    for name in entry.given:
        if 1 < depth < len(name.segments):
            (position,) = positions_of(name_of(name.segments[-depth]), 0, sides.bases) or (None,)
            return position[0] if position else ""
    return ""


def _blocks_of(entry: Entry) -> list[Prefix]:
    """Return the beginnings of a path that end with a place in a list, which Keras 3 stores as a layer's class with a number."""
    path = _listed_path(entry)
    return _list_places(path) or [
        path.segments[: i + 1]
        for path in entry.paths
        for i, said in enumerate(path.said)
        if not said and VARIABLES in path.segments
    ]


def _traded(claims: Sequence[Claim], sides: Sides) -> set[Prefix]:
    """Return the places whose given names are short on one side only, where others of the list are on the other side only."""
    changes: dict[Prefix, dict[Prefix, set[bool]]] = defaultdict(lambda: defaultdict(set))
    for claim in claims:
        target, source = sides.targets[claim.target], sides.sources[claim.source]
        path = _listed_path(target)
        for place in _list_places(path)[-1:]:
            is_short, was_short = (_is_short(entry, len(path) - len(place) + 1) for entry in (target, source))
            if is_short != was_short and target.given and source.given:
                changes[place[:-1]][place].add(is_short)
    return {place for found in changes.values() if len(set().union(*found.values())) > 1 for place in found}


def _moved(claims: Sequence[Claim], sides: Sides) -> set[Prefix]:
    """Return the places in lists to which an attribute leads as well, on both sides, that are others now or in longer or shorter lists."""
    named = [claim for claim in claims if claim.grade is Grade.NAMED and claim.kind == "paths"]
    if not named:
        return set()
    ours, theirs = _lists(sides.targets), _lists(sides.sources)
    moved: set[Prefix] = set()
    for claim in named:
        here = _list_places(_listed_path(sides.targets[claim.target]))[-1:]
        there = _list_places(_listed_path(sides.sources[claim.source]))[-1:]
        if here and there:
            is_same = here[0][-1] == there[0][-1] and ours[here[0][:-1]] == theirs[there[0][:-1]]
            moved.update(() if is_same else here)
    return moved


def _lists(entries: Iterable[Entry]) -> Mapping[Prefix, set[str]]:
    """Return the places of every list."""
    lists: dict[Prefix, set[str]] = defaultdict(set)
    for entry in entries:
        for path in entry.paths:
            for place in _list_places(path.segments):
                lists[place[:-1]].add(place[-1])
    return lists


def _is_short(entry: Entry, depth: int) -> bool:
    return all(len(name.segments) < depth for name in entry.given)


def _owners(entries: Sequence[Entry], sides: Sides) -> Mapping[int, str]:
    """Return the layers whose names stand in the full names of variables that a list holds itself, as Sonnet's optimizers do.

    What all of a list share, of two or more, is the scope of what is around it.
    """
    lists: dict[Prefix, dict[int, str]] = defaultdict(dict)
    for i, entry in enumerate(entries):
        path = _listed_path(entry)
        layer = entry.given[0].segments[-2:-1] if entry.given else ()
        if layer and path in _list_places(path) and not may_be_automatic(name_of(layer[0]), sides.bases):
            lists[path[:-1]][i] = layer[0]
    return {
        i: layer
        for members in lists.values()
        if len(members) == 1 or len(set(members.values())) > 1
        for i, layer in members.items()
    }


def _listed_path(entry: Entry) -> tuple[str, ...]:
    """Return the first path that leads through a list, else the first; none if there is none."""
    paths = [path.segments for path in entry.paths]
    return next((path for path in paths if _list_places(path)), paths[0] if paths else ())


def _list_places(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the beginnings of a path that end with a place in a list."""
    return [path[: i + 1] for i, each in enumerate(path) if each.isdecimal() and path[i - 1] != VARIABLES]


def chosen_name(segment: str, sides: Sides, *, is_target: bool) -> str | None:
    """Return what a layer is called but for what Keras may have made up of it."""
    if may_be_automatic(name_of(segment), sides.bases):
        return None
    front = sides.front_of(segment, is_target=is_target)
    return f"{front[0]}_{front[2]}" if front else segment


def _tails(entry: Entry, depth: int, sides: Sides, *, is_target: bool) -> Iterator[list[str | None]]:
    """Yield the ends of the given names, without what Keras may have made up."""
    for name in entry.given:
        if 1 < depth <= len(name.segments):
            yield [chosen_name(segment, sides, is_target=is_target) for segment in name.segments[-depth:]]
