"""What the full names of variables tell of the layers above them. Standard library only, no I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile

from partial_restore._nodes import LAYER_LIST, TF_KERAS_LAYER, TRANSPARENT, Node, Path, is_list, is_member


def telling(nodes: Sequence[Node], leaves: Sequence[int], paths: Mapping[int, list[Path]]) -> set[int]:
    """Return the leaves whose full name tells the layer.

    Keras records ``net/kernel`` for any layer of a subclassed model that has no ``build``. So a full name counts for
    what belongs to a member of a layer list, if it has a segment for every layer from there on, and if no other owner
    shares its stem (members of two lists may have one name). Of what no attribute leads to there is only the full name.
    """
    owners: dict[str, dict[int, int | None]] = defaultdict(dict)
    names = Counter(nodes[leaf].full_name for leaf in leaves)
    for leaf in leaves:
        for path in _speaking(paths.get(leaf, [])):
            owner = path[-2].node if len(path) > 1 else 0
            owners[_stem(nodes[leaf])][owner] = _layer_list_of(path)
    honest = {
        stem
        for stem, lists in owners.items()
        if len(lists) == 1 or (None not in lists.values() and len(set(lists.values())) == len(lists))
    }

    def tells(leaf: int) -> bool:
        if not paths.get(leaf):
            return names[nodes[leaf].full_name] == 1
        return _stem(nodes[leaf]) in honest and all(
            _has_all_layers(nodes, leaf, path) for path in _speaking(paths[leaf])
        )

    return {leaf for leaf in leaves if nodes[leaf].full_name and tells(leaf)}


def _has_all_layers(nodes: Sequence[Node], leaf: int, path: Path) -> bool:
    """Say whether the full name has a segment for every object from the last member of a layer list on."""
    members = [i for i in range(len(path)) if is_member(path, i)]
    if not members:
        return False
    below = [step for step in path[members[-1] :] if step.segment not in TRANSPARENT and not is_list(nodes[step.node])]
    return len((nodes[leaf].full_name or "").split("/")) >= len(below)


def _speaking(paths: Sequence[Path]) -> Sequence[Path]:
    """Return the path by which to read a full name: the first that leads through a layer list, else the first."""
    through = [path for path in paths if any(is_member(path, i) for i in range(len(path)))]
    return (through or paths)[:1]


def _stem(node: Node) -> str:
    return (node.full_name or "").rpartition("/")[0]


def _layer_list_of(path: Path) -> int | None:
    """Return the node of the layer list in which the owner of the path's last step stands, or None."""
    if len(path) >= 2 and TF_KERAS_LAYER.fullmatch(path[-2].segment):
        return path[-3].node if len(path) >= 3 else 0
    return path[-3].node if len(path) >= 3 and path[-3].segment == LAYER_LIST else None


def derived_labels(
    nodes: Sequence[Node], leaves: Sequence[int], told: Collection[int], paths: Mapping[int, list[Path]]
) -> dict[int, str]:
    """Return layer names, read off the full names of the variables below, for members of Keras' layer lists."""
    read: dict[int, set[str]] = defaultdict(set)
    home: dict[int, int] = {}
    for leaf in told:
        for path in _speaking(paths.get(leaf, [])):
            parts = (nodes[leaf].full_name or "").split("/")[:-1]
            for i in range(len(path) - 2, -1, -1):
                if path[i].segment in TRANSPARENT or is_list(nodes[path[i].node]):
                    continue
                if not parts:
                    break
                part = parts.pop()
                if is_member(path, i):
                    read[path[i].node].add(part)
                    home[path[i].node] = path[i - 1].node if i else 0
    labels = {node: next(iter(parts)) for node, parts in read.items() if len(parts) == 1}
    for layers, members in _members(nodes, leaves, paths).items():
        labels |= _by_scope({member: stems for member, stems in members.items() if member not in labels}, members)
        home |= dict.fromkeys(members, layers)
    times = Counter((home[node], label) for node, label in labels.items())
    return {node: label for node, label in labels.items() if times[home[node], label] == 1}


def _members(
    nodes: Sequence[Node], leaves: Sequence[int], paths: Mapping[int, list[Path]]
) -> dict[int, dict[int, list[list[str]]]]:
    """Return for each layer list its members, each with the stems of the full names of what lies below it.

    What lies in a list further below speaks for the member of that one.
    """
    members: dict[int, dict[int, list[list[str]]]] = defaultdict(lambda: defaultdict(list))
    for leaf in leaves:
        for path in _speaking(paths.get(leaf, [])):
            last = max((i for i in range(len(path)) if is_member(path, i)), default=None)
            if last is not None:
                home = path[last - 1].node if last else 0
                members[home][path[last].node].append((nodes[leaf].full_name or "").split("/")[:-1])
    return members


def _by_scope(unread: Mapping[int, list[list[str]]], members: Mapping[int, list[list[str]]]) -> dict[int, str]:
    """Return the names of layers whose inner layers are lost from the full names, by the scope that each opened.

    A layer without ``build`` records ``enc/kernel`` for what is in it: what all members share is not its name, the
    next segment is.
    """
    shared = len(_common([stem for stems in members.values() for stem in stems]))
    return {member: common[shared] for member, stems in unread.items() if len(common := _common(stems)) > shared}


def _common(stems: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the longest beginning that all stems share."""
    return [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*stems, strict=False))]
