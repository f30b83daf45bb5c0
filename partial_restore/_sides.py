"""Both sides of a restore, as they are compared. Pure; standard library only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from partial_restore._select import Renamed
from partial_restore._types import Entry


@dataclass(frozen=True)
class Sides:
    """The entries of both sides, what rename made of the tensors, and what names are numbered with."""

    targets: Sequence[Entry]
    sources: Sequence[Entry]
    renamed: Sequence[Renamed | None]
    bases: Collection[str]

    @cached_property
    def has_paths(self) -> bool:
        """Whether something but what it was called leads to a tensor of the file."""
        return any(each.paths for each in self.sources)

    def are_alike(self, t: int, s: int) -> bool:
        return self.targets[t].shape == self.sources[s].shape
