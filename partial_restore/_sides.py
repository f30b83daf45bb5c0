"""Both sides of a restore, as they are compared. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from partial_restore._keys import AUTOMATIC, VARIABLES, Front, front_of
from partial_restore._select import Renamed
from partial_restore._types import Entry

Joins = Callable[[str, str], bool | None]
"""Whether the layer of one variable feeds that of another, or is fed by it, by their keys; None if that is not known."""


@dataclass(frozen=True)
class Sides:
    """The entries of both sides, what rename made of the tensors, what names are numbered with, and what the model is ``called`` by a person.

    A person may have numbered the layers of the classes that are ``counted``.
    """

    targets: Sequence[Entry]
    sources: Sequence[Entry]
    renamed: Sequence[Renamed | None]
    bases: frozenset[str]
    called: str = ""
    counted: Collection[str] = ()
    joins: Joins = lambda *_: None

    @cached_property
    def has_paths(self) -> bool:
        """Whether something but what it was called leads to a tensor of the file."""
        return any(each.paths for each in self.sources)

    def front_of(self, segment: str, *, is_target: bool) -> Front | None:
        """Return what the name of a layer was made of: the automatic one of a layer of the model's own classes.

        That is on the same side; or it is the model, which a file does not name: then it has no other one of its class.
        """
        front = front_of(segment, self._own) if self._own else None
        if front is None:
            return None
        base, number, _ = front
        known = self._automatic[is_target].get(base, set())
        return front if (f"{base}_{number}" if number else base) in known or not (known or is_target) else None

    @cached_property
    def _own(self) -> frozenset[str]:
        """The classes of the model's own."""
        return self.bases - AUTOMATIC

    @cached_property
    def _automatic(self) -> tuple[Mapping[str, set[str]], Mapping[str, set[str]]]:
        """The automatic names of layers of the model's own classes, by these: those of the checkpoint, and of the model."""
        theirs, ours = (_by_class(side, self._own) for side in (self.sources, self.targets))
        return theirs, ours

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

    def are_joined(self, t: int, other: int) -> bool | None:
        """Say whether of the layers of two variables one feeds the other; None if that is not known."""
        return self.joins(self.targets[t].key, self.targets[other].key)

    @cached_property
    def tells_inputs(self) -> bool:
        """Whether both sides tell which inputs feed their layers."""
        return all(any(entry.inputs for entry in side) for side in (self.targets, self.sources))

    @cached_property
    def _inputs(self) -> frozenset[str]:
        """The inputs of both sides."""
        ours, theirs = (frozenset().union(*(each.inputs for each in side)) for side in (self.targets, self.sources))
        return ours & theirs

    def are_fed_otherwise(self, t: int, s: int) -> bool:
        """Say whether the layers of a variable and of a tensor are fed by other inputs: something that feeds them may have come or gone."""
        ours, theirs = (entry.inputs & self._inputs for entry in (self.targets[t], self.sources[s]))
        return not (ours <= theirs or theirs <= ours)

    def are_alike(self, t: int, s: int) -> bool:
        return self.targets[t].shape == self.sources[s].shape


def _by_class(entries: Sequence[Entry], classes: Collection[str]) -> Mapping[str, set[str]]:
    names = [name for entry in entries for name in (*entry.paths, *entry.given, *entry.shown)] if classes else []
    words = {word for name in names for word in name.segments}
    found: dict[str, set[str]] = defaultdict(set)
    for word in words:
        base, _, number = word.rpartition("_")
        for each in (word, base if number.isdecimal() else ""):
            if each in classes:
                found[each].add(word)
    return found
