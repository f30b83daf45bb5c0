"""Names of what Keras 3 stores in HDF5: attributes, and within lists the classes of the layers, numbered by place.

The same for a file and for a model in memory. Standard library only, no I/O.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from partial_restore._keys import AUTOMATIC, CONTAINER, VARIABLES, counted_as
from partial_restore._types import Blocks, Layout, Name, Place

Group = tuple[str, ...]
LAYERS = "layers"
"""The list of a model's layers."""

CELLS = ("cell", "cells")
"""The list of the cells of a layer of stacked ones."""

_NUMBERED = re.compile(r"(.+?)(?:_(\d+))?")
_MOST_NAMES = 16


def members_of(group: Group) -> tuple[bool | None, ...]:
    """Say of each segment whether it is the place of a layer in a list; None if the path does not tell."""
    return tuple(True if is_in_list(group, i) else None for i in range(len(group)))


def is_in_list(group: Group, i: int) -> bool:
    """Say whether a segment is the place of a layer in a list that every Keras calls so."""
    return group[max(0, i - 1) : i] == (LAYERS,) or group[max(0, i - 2) : i] == CELLS


def is_of_models(group: Group) -> bool:
    """Say whether a path leads through models and their lists alone to a layer: a configuration tells no names of others."""
    return len(group) % 2 == 0 and all(each == LAYERS for each in group[::2])


def names_of_place(
    group: Group,
    key: str,
    members: Sequence[bool | None],
    labels: Mapping[Group, str],
    layout: Layout,
    order: Mapping[Group, int],
) -> tuple[Name, ...]:
    """Return the names of the variable ``key`` of the layer at ``group``.

    ``members`` are the segments that are places in lists, ``labels`` the names of the layers and ``order`` that of all
    members of a list as far as they are known; else a layer has a place only among those of its class.

    >>> at = ("layers", "dense_1")
    >>> names_of_place(at, "0", members_of(at), {at: "head"}, Layout("groups"), {})[0].text
    'head/vars/0'
    """
    choices: list[list[tuple[str, bool | None, Place | None]]] = []
    for i, segment in enumerate(group):
        if segment == LAYERS and i + 1 < len(group):
            continue
        at = group[: i + 1]
        label = _label(at, i, labels, layout)
        place = ("", order[at]) if at in order else (base_of(segment), int(_number(segment) or 0))
        if members[i]:
            is_open = (
                label
                and base_of(label) not in layout.by_hand
                and layout.labelled == "lists"
                and (not is_of_models(at) or _is_untold(at, layout))
                and not (group[:i][-2:] == CELLS and members[i - 1] is None)  # Of cells a file tells the name, or none.
            )
            choices.append(
                [(each, False, place) for each in (_either(label, segment) if is_open else [label or segment])]
            )
        elif members[i] is False:
            choices.append(
                [(segment.lstrip("_"), True, None)]
            )  # Keras 3 has a public property for it, Keras 2 has none.
        elif layout.labelled == "all":
            is_chosen = None if base_of(segment) == CONTAINER else True
            called = [(label, False, place)] if _may_be_place(segment, label, layout) else []
            is_place = called and base_of(label) in layout.by_hand and at[:-1] not in layout.labels
            choices.append([*([] if is_place else [(segment.lstrip("_"), is_chosen, None)]), *called])
        else:
            choices.append([(segment.lstrip("_"), None, None)])
    names = []
    for chosen in itertools.islice(itertools.product(*choices), _MOST_NAMES):
        segments, said, places = zip(*chosen, strict=True) if chosen else ((), (), ())
        names.append(Name((*segments, VARIABLES, key), (*said, True, True), (*places, None, None)))
    return tuple(names)


def blocks_around(group: Group, labels: Mapping[Group, str]) -> Blocks:
    """Return what the layers around the variables of a layer are called, as far as it is known.

    >>> blocks_around(("blocks", "block_1", "query"), {("blocks", "block_1", "query"): "q"})
    ((3, 'q', 1),)
    """
    hidden = [segment == LAYERS and i + 1 < len(group) for i, segment in enumerate(group)]
    return tuple(
        (hidden[i:].count(False) + 2, label, 1)
        for i in range(len(group))
        if not hidden[i] and (label := labels.get(group[: i + 1]))
    )


def _label(group: Group, i: int, labels: Mapping[Group, str], layout: Layout) -> str:
    is_known = layout.labelled == "all" or (layout.labelled == "lists" and is_in_list(group, i))
    return labels.get(group, "") if is_known else ""


def _is_untold(at: Group, layout: Layout) -> bool:
    """Say whether a file may have no name for a layer, or for all of its list; what is around may have been wrapped and counted otherwise.

    Nor is it known of the layers of a class that the file has not: it may be called otherwise there.
    """
    classes = classes_of(at)
    if LAYERS in at[:-2] and classes[-3] not in _classes(layout.groups) and layout.untold:
        return True
    return any(untold in (classes[-len(untold) :], classes[-len(untold) - 1 : -1]) for untold in layout.untold)


def _either(label: str, segment: str) -> Sequence[str]:
    """Return what a layer is called in a list of which the names may be known: an automatic name is a number, as its place is."""
    return [segment] if counted_as(base_of(label)) == counted_as(base_of(segment)) else [label, segment]


def _may_be_place(segment: str, label: str, layout: Layout) -> bool:
    """Say whether a segment may be the class of a layer that is called so: ``fc`` is not that of ``dense_3``.

    ``dense`` may be that of ``encoder``, whatever else is a class: without a number, somebody may have chosen this name.
    """
    base = base_of(label)
    is_automatic = base in AUTOMATIC or base in _classes(layout.groups)
    is_chosen = label == base and base_of(segment) in AUTOMATIC
    return bool(label) and (not is_automatic or is_chosen or base == base_of(segment))


@lru_cache(maxsize=8)
def _classes(groups: frozenset[Group]) -> frozenset[str]:
    """Return the classes of layers that a file has in lists of models."""
    return frozenset(base_of(each) for group in groups for above, each in itertools.pairwise(group) if above == LAYERS)


def classes_of(group: Group) -> Group:
    return tuple(map(base_of, group))


def base_of(segment: str) -> str:
    """Return the class of a layer in a list, without the number of its place."""
    found = _NUMBERED.fullmatch(segment)
    return found[1] if found else segment


def _number(segment: str) -> str | None:
    found = _NUMBERED.fullmatch(segment)
    return found[2] if found else None


@lru_cache(maxsize=4096)
def snake_case(name: str) -> str:
    """Return the name of a class as Keras 3 spells it in automatic names (``keras.src.utils.naming``).

    >>> snake_case("Conv2D"), snake_case("BatchNormalization"), snake_case("MyNet")
    ('conv2d', 'batch_normalization', 'my_net')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
