"""What the full names of variables tell of the layers above them. Standard library only, no I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile

from partial_restore._keys import AUTOMATIC, may_be_automatic
from partial_restore._nodes import LAYER_LIST, TF_KERAS_LAYER, TRANSPARENT, Node, Path, Step
from partial_restore._types import name_of

Read = Mapping[int, Path]
"""The path by which to read a leaf's full name."""


def read_by(paths: Mapping[int, Sequence[Path]]) -> Read:
    """Return for every leaf the first path that leads through a layer list, else the first."""
    return {leaf: next((path for path in found if path.members), found[0]) for leaf, found in paths.items() if found}


def telling(nodes: Sequence[Node], leaves: Sequence[int], read: Read) -> set[int]:
    """Return the leaves whose full name tells the layer.

    Keras records ``net/kernel`` for any layer of a subclassed model that has no ``build``. So a full name counts for
    what belongs to a member of a layer list, if it has lost no layer from there on, and if no other owner shares its
    stem (members of two lists may have one name). A person's own list needs one layer more, above it, or members
    of which each has a name of its own. Of what no attribute leads to there is only the full name.
    """
    names = Counter(nodes[leaf].full_name for leaf in leaves)
    told = {leaf for leaf in leaves if leaf not in read and nodes[leaf].full_name and names[nodes[leaf].full_name] == 1}
    listed = _listed(nodes, [leaf for leaf in leaves if leaf in read], read)
    more = {leaf: _more(nodes, leaf, read) for leaf in leaves if leaf in read and read[leaf].members}
    if not listed and not more:
        return told
    honest = _honest_stems(nodes, leaves, read)
    told |= {leaf for leaf in listed if _stem(nodes[leaf]) in honest}
    fronts: dict[int, int] = {}
    for leaf, extra in more.items():
        fronts[_home(read[leaf])] = max(extra, fronts.get(_home(read[leaf]), 0))
    scopes = _scopes(nodes, more, read)
    return told | {
        leaf
        for leaf, extra in more.items()
        if nodes[leaf].full_name
        and (stem := _stem(nodes[leaf])) in honest
        and (extra == fronts[_home(read[leaf])] or (extra >= 0 and not _has_lost(read[leaf], stem, scopes)))
    }


def told_beside_attributes(nodes: Sequence[Node], leaves: Sequence[int], read: Read) -> Mapping[int, str]:
    """Return what full names call the layers in attributes, by their nodes, where no layer is lost.

    So it is if they tell one more, above all, or if the first attribute is that of the model itself: then all below have its name. What
    is around the model, and dicts in it, are attributes more, which have no names.
    """
    within = {leaf: path for leaf, path in read.items() if len(path) > 1 and not path.members}
    steps = {leaf: below for leaf, path in within.items() if len(below := _telling_steps(nodes, path)) > 1}
    if not steps:
        return {}
    honest = _honest_stems(nodes, leaves, read)
    called = {leaf: (nodes[leaf].full_name or "").split("/") for leaf in steps}
    fronts: dict[int, set[str]] = defaultdict(set)
    for leaf, parts in called.items():
        for step in steps[leaf]:
            fronts[step.node].add(parts[0])
    labels: dict[int, set[str]] = defaultdict(set)
    for leaf, parts in called.items():
        below = _told_steps(steps[leaf], parts, fronts)
        if below and _stem(nodes[leaf]) in honest:
            for step, name in zip(below[:-1], parts[-len(below) : -1], strict=True):
                labels[step.node].add(name)
    return {node: next(iter(names)) for node, names in labels.items() if len(names) == 1}


def _told_steps(steps: list[Step], parts: Sequence[str], fronts: Mapping[int, Collection[str]]) -> list[Step]:
    """Return the steps that a full name tells: without the first ones, if one name begins all below them; none if it tells fewer."""
    for i, step in enumerate(steps[:-1]):
        if len(parts) >= len(steps) - i + (len(fronts[step.node]) > 1):
            return steps[i:]
        if len(fronts[step.node]) > 1:
            break
    return []


_Scopes = Mapping[int, Mapping[str, Collection[int]]]
"""For each layer list the beginnings of full names, each with the members that have it, with more behind it; and all members."""
_ALL = "/"
"""What stands for all members: no full name begins so."""


def _scopes(nodes: Sequence[Node], leaves: Collection[int], read: Read) -> _Scopes:
    scopes: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for leaf in leaves:
        stem, path = _stem(nodes[leaf]), read[leaf]
        for i, letter in enumerate(stem):
            if letter == "/":
                scopes[_home(path)][stem[:i]].add(path[path.members[-1]].node)
        scopes[_home(path)][_ALL].add(path[path.members[-1]].node)
    return scopes


def _has_lost(path: Path, stem: str, scopes: _Scopes) -> bool:
    """Say whether what is called as a scope may have lost a layer; not if that is the scope of one other layer among several.

    A person may call two layers ``expand`` and ``expand/BN``.
    """
    here, member = scopes[_home(path)], path[path.members[-1]].node
    within = here.get(stem, ())
    return bool(within) and (member in within or len(within) > 1 or len(here[_ALL]) < 4)


def _listed(nodes: Sequence[Node], leaves: Sequence[int], read: Read) -> list[int]:
    """Return the leaves below a person's own list of which the full name tells the layers from there on.

    It does if it has one more, above. Else it may be that of the model, in which Keras lost the layer; but not if each
    member of the list, of two or more, is called otherwise. Numbers that Keras made up say no more than the places.
    """
    found: list[int] = []
    shorter: dict[int, dict[int, dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
    for leaf in leaves:
        path = read[leaf]
        if path.members or len(path) < 2:
            continue
        first = next((i for i, step in enumerate(path) if nodes[step.node].is_list), len(path))
        below, parts = _telling_steps(nodes, path[first:]), (nodes[leaf].full_name or "").split("/")
        if not below:
            continue
        if len(parts) > len(below):
            found.append(leaf)
        elif first + 2 < len(path):
            name = parts[0] if len(parts) == len(below) else ""
            shorter[path[first].node][path[first + 1].node][leaf] = name
    for members in shorter.values():
        names = Counter(name for called in members.values() for name in set(called.values()))
        chosen = {name for name in names if not may_be_automatic(name_of(name), AUTOMATIC)}
        if not chosen or "" in names or not 1 < len(members) == names.total():
            continue
        told = names if len(names) == len(members) else {name for name in chosen if names[name] == 1}
        found += [leaf for called in members.values() for leaf, name in called.items() if name in told]
    return found


def _telling_steps(nodes: Sequence[Node], steps: Sequence[Step]) -> list[Step]:
    """Return the steps that a full name may tell: neither to a list nor to what is no layer."""
    return [step for step in steps if step.segment not in TRANSPARENT and not nodes[step.node].is_list]


def _more(nodes: Sequence[Node], leaf: int, read: Read) -> int:
    """Return how many segments a full name has before those of the objects from the last member of a layer list on.

    It is the same for all of a list, but for scopes within: one that has less, and is called as such a scope, has lost a layer.
    """
    path = read[leaf]
    below = _telling_steps(nodes, path[path.members[-1] :])
    return len((nodes[leaf].full_name or "").split("/")) - len(below)


def _home(path: Path, depth: int = 0) -> int:
    """Return the node of a layer list on a path: of the last one, or of one counted from the first."""
    member = path.members[depth - 1]
    return path[member - 1].node if member else 0


def _honest_stems(nodes: Sequence[Node], leaves: Sequence[int], read: Read) -> set[str]:
    """Return the stems of full names that one owner has, or owners that are members of a layer list each."""
    owners: dict[str, dict[int, int | None]] = defaultdict(dict)
    for leaf in leaves:
        if leaf in read:
            path = read[leaf]
            owners[_stem(nodes[leaf])][path[-2].node if len(path) > 1 else 0] = _layer_list_of(path)
    return {
        stem
        for stem, lists in owners.items()
        if len(lists) == 1 or (None not in lists.values() and len(set(lists.values())) == len(lists))
    }


def _stem(node: Node) -> str:
    return (node.full_name or "").rpartition("/")[0]


def _layer_list_of(path: Path) -> int | None:
    """Return the node of the layer list in which the owner of the path's last step stands, or None."""
    if len(path) >= 2 and TF_KERAS_LAYER.fullmatch(path[-2].segment):
        return path[-3].node if len(path) >= 3 else 0
    return path[-3].node if len(path) >= 3 and path[-3].segment == LAYER_LIST else None


def derived_labels(nodes: Sequence[Node], told: Collection[int], read: Read) -> dict[int, str]:
    """Return layer names, read off the full names of the variables below, for members of Keras' layer lists."""
    found: dict[int, set[str]] = defaultdict(set)
    scoped: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    home: dict[int, int] = {}
    for leaf in told:
        path = read.get(leaf, Path())
        parts = (nodes[leaf].full_name or "").split("/")[:-1]
        for i in range(len(path) - 2, -1, -1):
            if path[i].segment in TRANSPARENT or nodes[path[i].node].is_list:
                continue
            if not parts:
                break
            part = parts.pop()
            if i in path.members:
                found[path[i].node].add(part)
                scoped[path[i].node].add((*parts, part))
                home[path[i].node] = path[i - 1].node if i else 0
    labels = {node: next(iter(parts)) for node, parts in found.items() if len(parts) == 1}
    for layers, stems in _members(nodes, read).items():
        labels |= _by_scope({member: each for member, each in stems.items() if member not in labels}, stems)
        home |= dict.fromkeys(stems, layers)
    labels |= _lengthened(labels, home, scoped)
    times = Counter((home[node], label) for node, label in labels.items())
    return {node: label for node, label in labels.items() if times[home[node], label] == 1}


def _lengthened(
    labels: Mapping[int, str], home: Mapping[int, int], stems: Mapping[int, Collection[tuple[str, ...]]]
) -> dict[int, str]:
    """Return longer names for members that have one in common: a person called them ``a/norm`` and ``b/norm``.

    What stands before the names of all of the list is no part of them.
    """
    times = Counter((home[node], label) for node, label in labels.items())
    fronts: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    for node, found in stems.items():
        fronts[home[node]].extend(found)
    shared = {layers: len(common(found)) for layers, found in fronts.items()}
    return {
        node: "/".join(next(iter(stems[node]))[shared[home[node]] :]) or label
        for node, label in labels.items()
        if times[home[node], label] > 1 and len(stems.get(node, ())) == 1
    }


def _members(nodes: Sequence[Node], read: Read) -> dict[int, dict[int, list[list[str]]]]:
    """Return for each layer list its members, each with the stems of the full names of what lies below it.

    What lies in a list further below speaks for the member of that one, unless all of that, two members or more, has one
    stem: then it is the scope of what is around that list.
    """
    found: dict[int, dict[int, list[list[str]]]] = defaultdict(lambda: defaultdict(list))
    inner = [(path, (nodes[leaf].full_name or "").split("/")[:-1], len(path.members)) for leaf, path in read.items()]
    while inner := [each for each in inner if each[2]]:
        for path, stem, depth in inner:
            found[_home(path, depth)][path[path.members[depth - 1]].node].append(stem)
        silent = {home for home, members in found.items() if _is_silent(members)}
        inner = [(path, stem, depth - 1) for path, stem, depth in inner if _home(path, depth) in silent]
    return found


def _is_silent(members: Mapping[int, list[list[str]]]) -> bool:
    """Say whether the stems of several members do not tell them apart."""
    return len(members) > 1 and len({tuple(stem) for stems in members.values() for stem in stems}) == 1


def _by_scope(unread: Mapping[int, list[list[str]]], members: Mapping[int, list[list[str]]]) -> dict[int, str]:
    """Return the names of layers whose inner layers are lost from the full names, by the scope that each opened.

    A layer without ``build`` records ``enc/kernel`` for what is in it: what all members share is not its name, the
    next segment is.
    """
    shared = len(common([stem for stems in members.values() for stem in stems]))
    return {member: own[shared] for member, stems in unread.items() if len(own := common(stems)) > shared}


def common(stems: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the longest beginning that all stems share."""
    return [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*stems, strict=False))]
