"""Models as plain data, with a hidden identity per layer that edits carry along. Pure; standard library only.

Every layer takes (batch, 3, width) to (batch, 3, width), so that layers can stand in any order, and nearly all widths
are equal on purpose: a shape alone must never tell two layers apart.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

WIDTH = 4
CONTAINERS = ("sequential", "functional", "net")
KEEP_WIDTH = ("batch_norm", "layer_norm", "attention", "relu", "dropout")
"""Kinds whose output is as wide as their input."""
VARIABLELESS = ("relu", "dropout")
_KINDS = "dense dense dense dense einsum conv separable batch_norm layer_norm lstm gru attention relu dropout".split()
WRAPPERS = ["bidirectional", "time_distributed"]
RICH = 200_000
"""From this seed on models have more kinds of layers and branches, and new layers may take the names of old ones.

Seeds below go on to draw what they drew when something went wrong at them.
"""
_NAMES = "a b c d e f g h fc block head".split()
_RICH_NAMES = "a out proj d norm q g v fc block head".split()
"""Some sort before ``layers`` and some behind: Keras stores attributes in that order."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer or a model. The same ``uid`` twice is one layer that is used twice.

    ``name`` is what its user calls it, None if Keras does; ``key`` and ``home`` say how a subclassed model keeps it.
    A model ``builds`` if it knows its variables before it is called; ``backwards`` makes its layers last to first;
    the members of a ``parallel`` one are branches, of which it returns the sum.
    """

    uid: int
    kind: str
    width: int = WIDTH
    name: str | None = None
    key: str = ""
    home: Literal["attribute", "list", "dict"] = "attribute"
    frozen: bool = False
    members: tuple[Layer, ...] = ()
    builds: bool = True
    backwards: bool = False
    parallel: bool = False
    has_bias: bool = True

    @property
    def is_container(self) -> bool:
        return self.kind in CONTAINERS

    @property
    def is_buildable(self) -> bool:
        """Say whether a subclassed model makes its variables, and gives them full paths, before it is called."""
        nets = [each for each in self.walk() if each.kind == "net"]
        return all(each.builds for each in nets)

    def walk(self) -> Iterator[Layer]:
        """Yield the layer and everything below it."""
        yield self
        for member in self.members:
            yield from member.walk()

    def distinct(self) -> list[Layer]:
        """Return the members, each once, in the order of their first use."""
        held: dict[int, Layer] = {}
        for member in self.members:
            held.setdefault(member.uid, member)
        return list(held.values())


class Draw:
    """Makes random specs: a source of chance, and of identities that are never used twice.

    Most models are of few kinds of layers, so that many of their layers are alike.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  A fixed seed, not a secret.
        self._uids = itertools.count(1)
        self.named = self.chance.choice([0.0, 0.0, 0.5, 0.8, 1.0])
        self.is_rich = seed >= RICH
        self.old_names: Sequence[str] = ()
        kinds = [*_KINDS, *WRAPPERS] if self.is_rich else _KINDS
        few = self.chance.sample(kinds, 2)
        self._kinds = self.chance.choice([kinds, few, ["dense"], ["dense", *few]])

    def model(self) -> Layer:
        """Return a model of two to five layers, some of which are models."""
        kind = self.chance.choice(CONTAINERS)
        return self._container(kind, depth=0)

    def layer(self, home: Layer, depth: int = 2) -> Layer:
        """Return a layer that may stand in ``home``, with a name that nothing in it bears."""
        if depth < 2 and self.chance.random() < 0.25:
            made = self._container(self.chance.choice(CONTAINERS), depth + 1)
        else:
            kinds = [kind for kind in self._kinds if home.kind != "sequential" or kind != "attention"]
            width = 5 if self.chance.random() < 0.05 else WIDTH
            made = Layer(next(self._uids), self.chance.choice(kinds or ["dense"]), width)
        return self.placed(made, home, self.name(f"new{made.uid}"))

    def name(self, new: str) -> str:
        """Return a new name, or at times one that some layer had when the model was saved."""
        return self.chance.choice(self.old_names) if self.old_names and self.chance.random() < 0.4 else new

    def placed(self, layer: Layer, home: Layer, name: str) -> Layer:
        """Return the layer as ``home`` keeps it, by that name where it is given one."""
        named = name if self.chance.random() < self.named else None
        if home.kind != "net":
            return replace(layer, name=named)
        where = self.chance.choice(["attribute", "attribute", "list", "dict"])
        return replace(layer, name=named, key=name, home=where)

    def wrapper(self, inner: Layer) -> Layer:
        """Return a model around a model, with layers of its own before or behind it."""
        outer = Layer(next(self._uids), self.chance.choice(CONTAINERS), builds=self.chance.random() < 0.5)
        inner = self.placed(inner, outer, inner.name or "backbone")
        front = [self.layer(outer) for _ in range(self.chance.choice([0, 0, 1]))]
        return replace(
            outer, members=(*front, inner, *(self.layer(outer) for _ in range(self.chance.choice([0, 1, 2]))))
        )

    def _container(self, kind: str, depth: int) -> Layer:
        chance = self.chance
        home = Layer(next(self._uids), kind, builds=chance.random() < 0.5, backwards=chance.random() < 0.2)
        if self.is_rich and kind == "functional" and chance.random() < 0.3:
            home = replace(home, parallel=True)
        names = chance.sample(_RICH_NAMES if self.is_rich else _NAMES, 5)
        count = chance.randint(2, 5) if not depth else chance.randint(1, 3)
        members = [self.layer(home, depth) for _ in range(count)]
        if not depth and chance.random() < 0.1:
            members[0] = Layer(members[0].uid, "embedding", key="words")
        renamed = [
            replace(member, name=member.name and name, key=member.key and name)
            for member, name in zip(members, names, strict=False)
        ]
        return replace(home, members=tuple(renamed))


def changed(model: Layer, uid: int, change: Callable[[Layer], Layer]) -> Layer:
    """Return the model with a layer changed wherever it is used."""
    members = tuple(changed(member, uid, change) for member in model.members)
    here = replace(model, members=members)
    return change(here) if here.uid == uid else here


def is_possible(model: Layer) -> bool:
    """Say whether Keras can build the model: widths fit where a layer is used twice, and names are unique."""
    widths: dict[int, int] = {}
    try:
        width_after(model, WIDTH, widths)
    except ValueError:
        return False
    leaves = [each for each in model.walk() if not each.is_container and each.kind not in VARIABLELESS]
    return bool(leaves) and all(_has_members_of_its_own(each) for each in model.walk() if each.is_container)


def _has_members_of_its_own(model: Layer) -> bool:
    names = [member.name for member in model.distinct() if member.name]
    keys = [member.key for member in model.distinct() if model.kind == "net"]
    is_once = len(model.distinct()) == len(model.members) or model.kind != "sequential"
    kinds = {member.kind for member in model.members}
    return (
        bool(model.members)
        and len(set(names)) == len(names)
        and len(set(keys)) == len(keys)
        and is_once
        and not (model.kind == "sequential" and "attention" in kinds)
        and not (model.parallel and "embedding" in {each.kind for each in model.walk()})
        and "embedding" not in {each.kind for member in model.members[1:] for each in member.walk()}
    )


def width_after(layer: Layer, width: int, widths: dict[int, int]) -> int:
    """Return how wide the output is; ``widths`` takes note of every layer's input.

    Raises:
        ValueError: A layer is used for two widths.
    """
    if widths.setdefault(layer.uid, width) != width:
        raise ValueError(layer.uid)
    if layer.parallel and layer.members:
        ends = {width_after(member, width, widths) for member in layer.members}
        if len(ends) > 1:
            raise ValueError(layer.uid)
        return ends.pop()
    for member in layer.members:
        width = width_after(member, width, widths)
    return width if layer.is_container or layer.kind in KEEP_WIDTH else layer.width


def shown(model: Layer, depth: int = 0) -> str:
    """Return the spec as indented text."""
    flags = " ".join(flag for flag in ("frozen", "builds", "backwards", "parallel") if getattr(model, flag))
    place = f" {model.home} {model.key}" if model.key else ""
    flags += "" if model.has_bias else " without bias"
    line = f"{'  ' * depth}#{model.uid} {model.kind}({model.width}) {model.name or '-'}{place} {flags}".rstrip()
    return "\n".join([line, *(shown(member, depth + 1) for member in model.members)])


def containers(model: Layer) -> Sequence[Layer]:
    return [each for each in model.walk() if each.is_container]
