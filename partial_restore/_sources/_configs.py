"""What the configuration in a file tells of the layers of a model. It is read as data, nothing is made of it. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from partial_restore._places import LAYERS, Group, snake_case
from partial_restore._types import Name

_MOST_DEPTH = 100

_Chains = Mapping[str, Sequence[tuple[str, ...]]]
"""Layers within a model, each by the names of the models around it and its own; by its own."""


class Member(NamedTuple):
    """A layer in a list of layers: where HDF5 of Keras 3 has it, its name and those of the models around it, if it is trained."""

    place: Group
    names: tuple[str | None, ...]
    is_trained: bool


def members_in(config: Mapping[str, Any], at: Group = (), around: tuple[str | None, ...] = ()) -> Iterator[Member]:
    """Yield the layers in lists as the configuration of a model tells them, in their order.

    >>> dense = {"class_name": "Dense", "config": {"name": "head"}}
    >>> inner = {"class_name": "Sequential", "config": {"name": "encoder", "layers": [dense]}}
    >>> for member in members_in({"config": {"layers": [inner, dense]}}):
    ...     print(*member)
    ('layers', 'sequential') ('encoder',) True
    ('layers', 'sequential', 'layers', 'dense') ('encoder', 'head') True
    ('layers', 'dense') ('head',) True
    """
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else inner  # Keras 2.2 has that of a Sequential in no dict.
    if not isinstance(layers, list) or len(around) > _MOST_DEPTH:
        return
    times: dict[str, int] = {}
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("class_name"), str):
            return
        kind = snake_case(layer["class_name"])
        times[kind] = times.get(kind, -1) + 1
        place = (*at, LAYERS, f"{kind}_{times[kind]}" if times[kind] else kind)
        own = layer.get("config")
        name = (own.get("name") if isinstance(own, dict) else None) or layer.get("name")
        names = (*around, name if isinstance(name, str) else None)
        yield Member(place, names, not isinstance(own, dict) or own.get("trainable") is not False)
        yield from members_in(layer, place, names)


def names_in_full(weights: Mapping[str, tuple[Name, ...]], members: Iterable[Member]) -> dict[str, tuple[Name, ...]]:
    """Return the names, by key, of the weights of inner models, which a file may know by fewer models than are around them.

    Where the configuration does not tell those of all weights below a layer of the outer model, it tells none:
    the numbers in names count only among their like.

    >>> from partial_restore._types import name_of
    >>> members = [Member((), names, True) for names in (("net",), ("net", "encoder"), ("net", "encoder", "dense"))]
    >>> names_in_full({"a": (name_of("net/dense/kernel"),)}, members)["a"][0].text
    'net/encoder/dense/kernel'
    """
    chains: dict[str, dict[str, list[tuple[str, ...]]]] = defaultdict(lambda: defaultdict(list))
    for member in members:
        names = tuple(name for name in member.names if name is not None)
        if 1 < len(names) == len(member.names):
            chains[names[0]][names[-1]].append(names[1:])
    found: dict[str, dict[str, list[Name | None]]] = defaultdict(dict)
    for key, short in weights.items():
        top = short[0].segments[0]
        if top in chains:
            found[top][key] = [_in_full(name, chains[top]) for name in short]
    return {
        key: tuple(name for name in full if name)
        for held in found.values()
        if all(map(all, held.values())) and len({full[0] for full in held.values()}) == len(held)
        for key, full in held.items()
    }


def _in_full(name: Name, chains: _Chains) -> Name | None:
    """Return a name with all the models around its layer; None if not exactly one layer can be meant."""
    top, *below = name.segments
    found = {
        (*chain, *below[i + 1 :])
        for i, layer in enumerate(below[:-1])
        for chain in chains.get(layer, ())
        if _lie_in_order(below[:i], chain[:-1])
    }
    if len(found) != 1:
        return None
    full = found.pop()
    more = len(full) - len(below)
    places = (*name.places[:1], *(None,) * more, *name.places[1:]) if name.places else ()
    return Name((top, *full), (*(False,) * more, *name.said), places)


def _lie_in_order(some: Sequence[str], around: Sequence[str]) -> bool:
    rest = iter(around)
    return all(each in rest for each in some)
