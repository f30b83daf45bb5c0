"""What the optimizers of one side keep, and which of the other side's they may be. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product, takewhile
from typing import TypeVar

from partial_restore._optimizers import family_of, is_known, kind_of
from partial_restore._types import Entry, State

_Optimizer = tuple[str, ...]
_Key = TypeVar("_Key")

Meaning = tuple[str | None, str]
"""Of which variable a piece of state is, and what it is."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What one optimizer keeps: its names, its class, the entries."""

    names: _Optimizer
    family: str
    states: Mapping[Entry, State]

    @cached_property
    def chosen(self) -> frozenset[str]:
        """Its names, without those that Keras numbers."""
        return frozenset(name for name in self.names if not is_known(family_of(name)))

    @cached_property
    def held(self) -> frozenset[Meaning]:
        return frozenset((state.owner, state.kind) for state in self.states.values())

    @cached_property
    def kinds(self) -> frozenset[str]:
        return frozenset(kind for owner, kind in self.held if owner is not None)

    @cached_property
    def lists(self) -> tuple[str, ...]:
        return max((state.lists for state in self.states.values()), default=())

    @cached_property
    def untold(self) -> Mapping[tuple[int, ...], Sequence[Entry]]:
        """The state of which its side does not tell what it is, by shape."""
        return grouped((entry.shape, entry) for entry, state in self.states.items() if not state.kind)


def grouped(pairs: Iterable[tuple[_Key, Entry]]) -> dict[_Key, list[Entry]]:
    groups: dict[_Key, list[Entry]] = defaultdict(list)
    for key, entry in pairs:
        groups[key].append(entry)
    return groups


def called_most_alike(ours: Kept, alike: Collection[Kept]) -> set[Kept]:
    """Return those that share most names, of these those with the longest end of a path in common."""

    def likeness(theirs: Kept) -> tuple[int, int]:
        ends = (_common_end(name, other) for name, other in product(ours.chosen, theirs.chosen))
        return len(ours.chosen & theirs.chosen), max(ends, default=0)

    most = max(map(likeness, alike), default=(0, 0))
    return {each for each in alike if any(most) and likeness(each) == most}


def _common_end(name: str, other: str) -> int:
    """Return how many segments two paths have in common from the end on."""
    pairs = zip(reversed(name.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def have_rivals(ours: Kept, candidates: Mapping[Kept, set[Kept]]) -> bool:
    """Say whether another optimizer of the model has a candidate of this one."""
    return any(candidates[ours] & candidates[each] for each in candidates if each is not ours)


def optimizers_of(entries: Sequence[Entry]) -> list[Kept]:
    kept: dict[tuple[_Optimizer, str], dict[Entry, State]] = defaultdict(dict)
    for entry in entries:
        if entry.state is not None:
            kept[entry.state.optimizer, entry.state.family][entry] = entry.state
    return [Kept(names, family, states) for (names, family), states in kept.items()]


def are_alike(ours: Kept, theirs: Kept) -> bool:
    """Say whether two optimizers are of one class, so that their state means the same.

    Where only a name that a person chose tells of the class, both must bear it and keep the same kinds of state, in attributes
    of the same names, in one order, as far as these are known.
    """
    if ours.family == theirs.family and ours.family:
        return True
    kinds = frozenset(kind_of(ours.family, kind) for kind in theirs.kinds)
    if not theirs.family:
        return not kinds and not ours.kinds
    called = {family_of(name) for name in ours.names}
    if ours.lists and theirs.lists and ours.lists != theirs.lists:
        return False
    return not is_known(theirs.family) and theirs.family in called and kinds == ours.kinds
