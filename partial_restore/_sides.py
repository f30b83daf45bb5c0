"""Both sides of a restore, as they are compared. Pure; standard library only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from partial_restore._keys import VARIABLES
from partial_restore._select import Renamed
from partial_restore._types import Entry


@dataclass(frozen=True)
class Sides:
    """The entries of both sides, what rename made of the tensors, what names are numbered with, and what the model is ``called`` by a person."""

    targets: Sequence[Entry]
    sources: Sequence[Entry]
    renamed: Sequence[Renamed | None]
    bases: Collection[str]
    called: str = ""

    @cached_property
    def has_paths(self) -> bool:
        """Whether something but what it was called leads to a tensor of the file."""
        return any(each.paths for each in self.sources)

    @cached_property
    def is_of_names(self) -> bool:
        """Say whether Keras' names alone tell of the tensors, the same on both sides to the last number: it counts what is made, wherever that stands."""
        if not all(each.paths in ((), each.given) and not each.ops for each in self.sources):
            return False
        ours, theirs = ({name.text for each in side for name in each.given} for side in (self.targets, self.sources))
        called = ((self.targets, theirs), (self.sources, ours))
        return all(any(name.text in names for name in each.given) for side, names in called for each in side)

    def are_listed(self, t: int, s: int) -> bool:
        """Say whether a file lists the weights of a layer in an order which is that of the layers within, as the model has them."""
        is_array = any(None in name.places[:-1] for name in self.sources[s].ops)
        return is_array and all(place is not None for name in self.targets[t].shown[:1] for place in name.places[:-1])

    def is_stored(self, s: int) -> bool:
        """Say whether a tensor is a variable that Keras 3 stores by its number in a layer."""
        return any(VARIABLES in path.segments for path in self.sources[s].paths)

    def is_frozen(self, t: int) -> bool:
        return self.targets[t].frozen

    def are_alike(self, t: int, s: int) -> bool:
        return self.targets[t].shape == self.sources[s].shape
