"""What the configuration in a file tells of the layers of a model. It is read as data, nothing is made of it. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from partial_restore._keys import is_chosen_input
from partial_restore._places import CELLS, LAYERS, Group, snake_case
from partial_restore._types import Name, Place

_MOST_DEPTH = 100

Chain = tuple[str, ...]
"""A layer within others, by their names from the outside in, and its own."""


class Member(NamedTuple):
    """A layer in a list of layers: where HDF5 of Keras 3 has it, its name, and whether it is trained."""

    place: Group
    name: str | None
    is_trained: bool


_Called = tuple[str, str]
"""The class and the name of a layer."""


def members_in(
    config: Mapping[str, Any], stored: Collection[Group], at: Group = (), seen: Collection[_Called] = ()
) -> Iterator[Member]:
    """Yield the layers in lists as the configuration of a model tells them, in their order, with all that is ``stored``.

    A layer that was ``seen`` before is stored there alone, and tf.keras does not count it again.

    >>> dense = {"class_name": "Dense", "config": {"name": "head"}}
    >>> inner = {"class_name": "Sequential", "config": {"name": "encoder", "layers": [dense]}}
    >>> places = [("layers", "sequential"), ("layers", "sequential", "layers", "dense"), ("layers", "dense")]
    >>> [list(members_in({"config": {"layers": [inner, dense]}}, places[:i]))[-1].place[-1] for i in (3, 2)]
    ['dense', 'dense']
    >>> [len(list(members_in({"config": {"layers": [inner, dense]}}, places[:i]))) for i in (3, 2)]
    [3, 2]
    """
    known = {*seen}
    members = _layers_of(config) if len(at) <= 2 * _MOST_DEPTH else ()
    for place, layer in _numbered(members, (*at, LAYERS), stored, known):
        yield Member(place, _name_of(layer), _is_trained(layer))
        yield from members_in(layer, stored, place, known)
        known.update(_called_in(layer))
        cell = _own(layer).get("cell")
        cells = _listed(_own(cell).get("cells")) if isinstance(cell, dict) else ()
        for home, each in _numbered(cells, (*place, *CELLS)):
            yield Member(home, _name_of(each), _is_trained(each))


def _numbered(
    layers: Sequence[Mapping[str, Any]], at: Group, stored: Collection[Group] = (), seen: Collection[_Called] = ()
) -> Iterator[tuple[Group, Mapping[str, Any]]]:
    """Yield the layers of a list with their places among those of their class; not those of a class of which some are not told."""
    rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    again = _seen_again(layers, seen)
    for layer in layers:
        rows[snake_case(layer["class_name"])].append(layer)
    places: dict[int, Group] = {}
    for kind, row in rows.items():
        row_places = [(*at, f"{kind}_{i}" if i else kind) for i in range(len(row))]
        shared = [layer for layer in row if id(layer) in again]
        held = [place in stored for place in row_places]
        if shared and not all(held) and held == sorted(held, reverse=True):
            told = [layer for layer in row if id(layer) not in again] if len(shared) == held.count(False) else []
        else:
            told = row
        places.update((id(layer), place) for layer, place in zip(told, row_places, strict=False))
    yield from ((places[id(layer)], layer) for layer in layers if id(layer) in places)


def _seen_again(layers: Sequence[Mapping[str, Any]], seen: Collection[_Called]) -> set[int]:
    """Return the layers of a list that are called as one that was seen before, or as one in a layer before them."""
    known, again = {*seen}, set()
    for layer in layers:
        inner = _called_in(layer)
        if inner[:1] and inner[0] in known:
            again.add(id(layer))
        known.update(inner)
    return again


def _called_in(layer: Mapping[str, Any], depth: int = 0) -> list[_Called]:
    """Return how a layer is called, and the layers in it: in lists, and what it wraps."""
    name = _name_of(layer)
    found = [(str(layer["class_name"]), name)] if name is not None else []
    for value in _own(layer).values() if depth <= _MOST_DEPTH else ():
        for each in _listed(value if isinstance(value, list) else [value]):
            found.extend(_called_in(each, depth + 1))
    return found


def _is_trained(layer: Mapping[str, Any]) -> bool:
    return _own(layer).get("trainable") is not False


def inputs_in(config: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
    """Return by the names of the layers of a model which of its inputs feed each: those with names that a person chose, if there are several.

    >>> user, item = ({"class_name": "InputLayer", "name": name} for name in ("user", "item"))
    >>> dense, head = (
    ...     {"class_name": "Dense", "name": name, "inbound_nodes": [[[fed, 0, 0, {}] for fed in feeding]]}
    ...     for name, feeding in (("dense", ["user"]), ("head", ["item", "dense"]))
    ... )
    >>> [(name, sorted(fed)) for name, fed in inputs_in({"config": {"layers": [user, item, dense, head]}}).items()]
    [('user', ['user']), ('item', ['item']), ('dense', ['user']), ('head', ['item', 'user'])]
    """
    layers = {name: layer for layer in _layers_of(config) if (name := _name_of(layer)) is not None}
    chosen = [name for name, each in layers.items() if each["class_name"] == "InputLayer" and is_chosen_input(name)]
    if len(chosen) < 2:
        return {}
    fed_by: dict[str, set[str]] = defaultdict(set)
    for name, layer in layers.items():
        for parent in _called_from(layer.get("inbound_nodes")):
            fed_by[parent].add(name)
    found: dict[str, set[str]] = {name: set() for name in layers}
    for name in chosen:
        reached = [name]
        while reached:
            layer_name = reached.pop()
            if name not in found[layer_name]:
                found[layer_name].add(name)
                reached.extend(fed_by[layer_name])
    return {name: frozenset(inputs) for name, inputs in found.items()}


def _called_from(node: object, depth: int = 0) -> Iterator[str]:
    """Yield the layers whose outputs a call takes, as any version of Keras writes them: lists of a name and two numbers."""
    if (
        isinstance(node, list)
        and len(node) > 2
        and isinstance(node[0], str)
        and all(isinstance(each, int) for each in node[1:3])
    ):
        yield node[0]
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for each in below if depth <= _MOST_DEPTH else ():
        yield from _called_from(each, depth + 1)


def chains_in(
    config: Mapping[str, Any], around: Chain = (), places: Sequence[Place | None] = ()
) -> Iterator[tuple[Chain, Sequence[Place | None]]]:
    """Yield the layers of a model that hold no list of others, as far as all names are told: also what others wrap.

    With each come the places of its layers in the lists that hold them; what is wrapped has none.

    >>> dense = {"class_name": "Dense", "config": {"name": "head"}}
    >>> inner = {"class_name": "Sequential", "config": {"name": "encoder", "layers": [dense]}}
    >>> list(chains_in({"config": {"layers": [inner, dense]}}))
    [(('encoder', 'head'), (('', 0), ('', 0))), (('head',), (('', 1),))]
    """
    wrapped = _own(config).get("layer")
    members: list[tuple[Place | None, Any]] = [(("", place), layer) for place, layer in enumerate(_layers_of(config))]
    held = [*members, *([(None, wrapped)] if isinstance(wrapped, dict) else [])]
    for place, layer in held if len(around) <= _MOST_DEPTH else ():
        name = _name_of(layer)
        if name is not None:
            first, *more = [name] if not around else name.split("/")
            chain, found = (*around, first, *more), (*places, place, *(None for _ in more))
            if not _layers_of(layer):
                yield chain, found
            yield from chains_in(layer, chain, found)


def _own(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    config = layer.get("config")
    return config if isinstance(config, dict) else {}


def _layers_of(config: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the list of layers that a configuration has; Keras 2.2 has that of a Sequential in no dict."""
    inner = config.get("config")
    return _listed(inner.get("layers") if isinstance(inner, dict) else inner)


def _listed(layers: object) -> Sequence[Mapping[str, Any]]:
    """Return the configurations of a list, up to what is none."""
    found: list[Mapping[str, Any]] = []
    for layer in layers if isinstance(layers, list) else ():
        if not isinstance(layer, dict) or not isinstance(layer.get("class_name"), str):
            break
        found.append(layer)
    return found


def _name_of(layer: Mapping[str, Any]) -> str | None:
    name = _own(layer).get("name") or layer.get("name")
    return name if isinstance(name, str) else None


def names_in_full(
    weights: Mapping[str, tuple[Name, ...]], chains: Mapping[Chain, Sequence[Place | None]]
) -> dict[str, tuple[Name, ...]]:
    """Return the names, by key, of the weights of inner models, which a file may know by fewer models than are around them.

    They tell the places of the layers in these models.

    Where the layers do not tell those of all weights below one of the outer model, they tell none:
    the numbers in names count only among their like.

    >>> from partial_restore._types import name_of
    >>> names_in_full({"a": (name_of("net/dense/kernel"),)}, {("net", "encoder", "dense"): ()})["a"][0].text
    'net/encoder/dense/kernel'
    """
    within: dict[str, dict[str, list[Chain]]] = defaultdict(lambda: defaultdict(list))
    for top, *below in chains:
        if below:
            within[top][below[-1]].append(tuple(below))
    held: dict[str, dict[str, tuple[Name, ...]]] = defaultdict(dict)
    for key, short in weights.items():
        if (top := short[0].segments[0]) in within:
            held[top][key] = short
    return {
        key: tuple(_placed(name, chains) for name in names)
        for top, short in held.items()
        for key, names in _all_in_full(short, within[top]).items()
    }


def _all_in_full(
    weights: Mapping[str, tuple[Name, ...]], chains: Mapping[str, Collection[Chain]]
) -> Mapping[str, tuple[Name, ...]]:
    """Return the full names of all weights within a layer, or none.

    What one weight alone can be, no other is; of what is left the layer counts that is named next to the weight.
    """
    open_ = {(key, i): _readings(name, chains) for key, names in weights.items() for i, name in enumerate(names)}
    full: dict[tuple[str, int], Chain] = {}
    taken: set[tuple[int, Chain]] = set()
    while sure := {at: min(readings) for at, readings in open_.items() if len(readings) == 1}:
        full |= sure
        taken |= {(i, below) for (_, i), below in sure.items()}
        open_ = {
            (key, i): {below: depth for below, depth in readings.items() if (i, below) not in taken}
            for (key, i), readings in open_.items()
            if (key, i) not in full
        }
    for at, readings in open_.items():
        deepest = [below for below, depth in readings.items() if depth == max(readings.values())]
        full |= {at: deepest[0]} if len(deepest) == 1 else {}
    firsts = [below for (_, i), below in full.items() if i == 0]
    if len(full) < sum(map(len, weights.values())) or len({*firsts}) < len(firsts):
        return {}
    return {key: tuple(_in_full(name, full[key, i]) for i, name in enumerate(names)) for key, names in weights.items()}


def _readings(name: Name, chains: Mapping[str, Collection[Chain]]) -> dict[Chain, int]:
    """Return what a name may be with all the models around its layer, each with the depth at which it has the layer."""
    below = name.segments[1:]
    found: dict[Chain, int] = {}
    for layer in {*below[:-1]}:
        for chain in chains.get(layer, ()):
            fitting = [i for i, each in enumerate(below[:-1]) if each == layer and _lie_in(below[:i], chain[:-1])]
            if fitting:  # A layer may be called as the model around it.
                found[(*chain, *below[fitting[-1] + 1 :])] = fitting[-1]
    return found


def _lie_in(some: Sequence[str], around: Sequence[str]) -> bool:
    """Say whether some names lie in this order among those around them."""
    rest = iter(around)
    return all(each in rest for each in some)


def _in_full(name: Name, below: Chain) -> Name:
    more = len(below) + 1 - len(name.segments)
    return Name((name.segments[0], *below), (*(False,) * more, *name.said), name.places[:1])


def _placed(name: Name, chains: Mapping[Chain, Sequence[Place | None]]) -> Name:
    """Return a name with the places of its layers within the first one, of which the file tells the place."""
    if not name.places:
        return name
    depth = next(i for i in range(len(name.segments), 0, -1) if name.segments[:i] in chains)
    within = chains[name.segments[:depth]][1:]
    return name._replace(places=(*name.places, *within, *(None,) * (len(name.segments) - 1 - len(within))))
