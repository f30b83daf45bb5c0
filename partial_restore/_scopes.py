"""What blocks in a list are called, by the scopes in which their variables were made. Standard library only, no I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from partial_restore._keys import AUTOMATIC, may_be_automatic, without_numbers
from partial_restore._labels import Read, common
from partial_restore._nodes import TRANSPARENT, Node, Path
from partial_restore._types import Blocks, Name, name_of

_Scope = tuple[str, ...]


class Scoped(NamedTuple):
    """What scopes tell of a leaf in blocks of lists: names for it, and what the blocks are called."""

    names: tuple[Name, ...] = ()
    blocks: Blocks = ()


def scopes_of_blocks(nodes: Sequence[Node], read: Read) -> dict[int, Scoped]:
    """Return what is known of leaves in the blocks of a person's lists: as a name the scope of the block, then the attributes within it.

    A full name may have lost a layer within (``net/first/kernel``), or be that of several (Sonnet calls two layers of a block
    ``net/first/linear/w``). What all in a block share, and no other block has, is what the block is called. A model in an attribute is lost
    to the full names, too, and in tf_keras a layer in one whose block calls its ``build``.
    """
    listed = [(leaf, path, i) for leaf, path in read.items() if len(path) > 2 for i in _places(nodes, path)]
    lists: dict[int, dict[int, list[_Scope]]] = defaultdict(lambda: defaultdict(list))
    for leaf, path, i in listed:
        lists[_outermost(nodes, path, i)][path[i].node].append(_called(nodes[leaf])[:-1])
    scopes = {member: scope for blocks in lists.values() for member, scope in _told(blocks).items()}
    labels = {member: label for blocks in lists.values() for member, label in _labels(nodes, blocks).items()}
    found: dict[int, Scoped] = {}
    for leaf, path, i in listed:
        names, blocks = found.get(leaf, Scoped())
        scope, times = scopes.get(path[i].node, ((), 0))
        if not blocks:
            blocks = tuple(_labelled(nodes, path, i))
        if called := (scope[-1], times) if scope else labels.get(path[i].node):
            blocks = (*blocks, (_depth(path, i), *called))
        within = _within(nodes, path, i)
        if within and times == 1:
            names = (_name(scope, within, nodes[leaf]),)
        found[leaf] = Scoped(names, blocks)
    for leaf, path in read.items() if scopes else ():
        for i in _places_around(nodes, path):
            scope, times = scopes.get(path[i].node, ((), 0))
            within = _within(nodes, path, i)
            if times == 1 and all(segment for segment, _ in within):
                names, blocks = found.get(leaf, Scoped())
                found[leaf] = Scoped((*names, _name(scope, within, nodes[leaf])), blocks)
    for leaf, variable in _listed_variables(nodes, read).items():
        names, blocks = found.get(leaf, Scoped())
        if variable.is_told and not may_be_automatic(name_of(variable.label), AUTOMATIC):
            segments = (
                *(step.segment for step in read[leaf][:-1] if step.segment not in TRANSPARENT),
                *variable.called,
            )
            names = (*names, Name(segments, (True,) * len(segments)))
        found[leaf] = Scoped(names, (*blocks, (1, variable.label, variable.times)))
    known_labels = {i: node.label for i, node in enumerate(nodes) if node.label}
    for leaf, path in read.items() if known_labels else ():
        full, (names, blocks) = _called(nodes[leaf]), found.get(leaf, Scoped())
        known = {depth for depth, _, _ in blocks}
        around = [each for each in in_attributes(nodes, path, known_labels) if each[0] not in known]
        if blocks or any(label not in full for _, label, _ in around):
            found[leaf] = Scoped(names, (*blocks, *around))
    return found


def _places(nodes: Sequence[Node], path: Path) -> list[int]:
    """Return where members of a person's lists stand on a path, behind the last one of Keras' own lists; a list in a list is none."""
    first = path.members[-1] + 1 if path.members else 1
    is_list = [nodes[step.node].is_list for step in path]
    return [i for i in range(first, len(path) - 1) if is_list[i - 1] and not is_list[i]]


def _places_around(nodes: Sequence[Node], path: Path) -> list[int]:
    """Return where members of a person's lists stand on a path before the first one of Keras' own lists: a model lies in such a block."""
    is_list = [nodes[step.node].is_list for step in path]
    return [i for i in range(1, min(path.members, default=0)) if is_list[i - 1] and not is_list[i]]


def _within(nodes: Sequence[Node], path: Path, i: int) -> Sequence[tuple[str, bool]]:
    """Return what leads from a block to its variable: attributes, and layers of models, which are none, and may be numbered; one of an unknown name is empty."""
    return [
        (nodes[path[j].node].label or "", False) if j in path.members else (path[j].segment, True)
        for j in range(i + 1, len(path) - 1)
        if path[j].segment not in TRANSPARENT
    ]


def _name(scope: _Scope, within: Sequence[tuple[str, bool]], leaf: Node) -> Name:
    """Return the name of a variable by the scope of a block, which may be of automatic names, and what leads to it from there."""
    segments, said = zip(*((segment, False) for segment in scope), *within, (_called(leaf)[-1], True), strict=True)
    return Name(segments, said)


def _outermost(nodes: Sequence[Node], path: Path, i: int) -> int:
    """Return the list that holds a member, be it in lists within."""
    while i > 1 and nodes[path[i - 2].node].is_list:
        i -= 1
    return path[i - 1].node


def _labelled(nodes: Sequence[Node], path: Path, i: int) -> Iterator[tuple[int, str, int]]:
    """Yield what the layers in a block are called, if that is known: attributes lead to them."""
    for j in range(i + 1, len(path) - 1):
        if label := nodes[path[j].node].label:
            yield _depth(path, j), label, 1


def in_attributes(nodes: Sequence[Node], path: Path, labels: Mapping[int, str]) -> Iterator[tuple[int, str, int]]:
    """Yield what the layers on a path are called that are no members of Keras' own lists, if that is known.

    One is called so if it stands in such a member or in a person's list: there its place is not its name, as an attribute is.
    """
    last = max(path.members, default=len(path))
    for j in range(len(path) - 1):
        label = labels.get(path[j].node)
        if label and j not in path.members and path[j].segment not in TRANSPARENT:
            yield _depth(path, j), label, int(j > last or (j > 0 and nodes[path[j - 1].node].is_list))


def _depth(path: Path, i: int) -> int:
    return sum(step.segment not in TRANSPARENT for step in path[i:])


def _told(blocks: Mapping[int, Sequence[_Scope]]) -> dict[int, tuple[_Scope, int]]:
    """Return the scopes of the blocks of a list that have a chosen name, and how many have it, if all have one that tells something."""
    shared = len(common([stem for stems in blocks.values() for stem in stems]))
    scopes = {member: tuple(common(stems))[: shared + 1] for member, stems in blocks.items()}
    times = Counter(scopes.values())
    if any(len(scope) <= shared for scope in scopes.values()):
        return {}
    return {
        member: (scope, times[scope])
        for member, scope in scopes.items()
        if not may_be_automatic(name_of(scope[-1]), AUTOMATIC)
    }


def _labels(nodes: Sequence[Node], blocks: Collection[int]) -> dict[int, tuple[str, int]]:
    """Return what layers and models in a list are called, and how many are called so, as far as it is known."""
    labels = {member: label for member in blocks if (label := nodes[member].label)}
    times = Counter(labels.values())
    return {member: (label, times[label]) for member, label in labels.items()}


class _Listed(NamedTuple):
    """A variable that a person's list holds itself: what it is called, also without numbers, how many are called so, of how many in the list."""

    called: _Scope
    label: str
    times: int
    total: int

    @property
    def is_told(self) -> bool:
        """Say whether its name tells it from the others, and no number does."""
        return self.times == 1 < self.total and "" != self.label == "/".join(self.called)


def _listed_variables(nodes: Sequence[Node], read: Read) -> dict[int, _Listed]:
    """Return what the variables are called that a person's list holds itself.

    What all of them share is the scope of what is around the list; of one alone this may be the name of its layer. Numbers in a name
    are those of places, or of what Keras made up.
    """
    lists: dict[int, dict[int, _Scope]] = defaultdict(dict)
    for leaf, path in read.items():
        if len(path) > 1 and nodes[path[-2].node].is_list:
            lists[path[-2].node][leaf] = _called(nodes[leaf])
    found: dict[int, _Listed] = {}
    for members in lists.values():
        shared = len(common([full[:-1] for full in members.values()]))
        called = {leaf: full[shared:] for leaf, full in members.items()}
        labels = {leaf: without_numbers("/".join(each)) for leaf, each in called.items()}
        times = Counter(labels.values())
        found |= {leaf: _Listed(called[leaf], each, times[each], len(labels)) for leaf, each in labels.items()}
    return found


def _called(node: Node) -> _Scope:
    return tuple((node.called or node.full_name or "").split("/"))
