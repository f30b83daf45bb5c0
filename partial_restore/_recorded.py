"""What `save_subset` records beside the values: all names of each, and who made them up. Pure; standard library only.

A key of a checkpoint tells neither which of its segments a person chose nor where a layer stood.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from partial_restore._types import Blocks, Entry, Name

KEY = "_PARTIAL_RESTORE_NAMES"
"""The tensor that holds the record."""

GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The tensor that holds the graph of objects of TensorFlow."""

_VERSION = 1

Recorded = Mapping[str, tuple[tuple[Name, ...], tuple[Name, ...], Blocks, frozenset[str]]]
"""Paths, given names, blocks and inputs by key."""


def is_bookkeeping(key: str) -> bool:
    """Say whether a tensor of this key is no value of anyone: TensorFlow, or this library, keeps it beside them."""
    return key in (GRAPH_KEY, KEY) or key.endswith(".OBJECT_CONFIG_JSON")


def recorded(entries: Sequence[Entry]) -> str:
    """Return the record of the names of variables; empty if there is nothing but the keys to tell.

    >>> from partial_restore._types import name_of
    >>> entry = Entry("a/w", (name_of("a/w", said=True),), (name_of("net/dense/w"),), (2,), "float32")
    >>> names_in(recorded([entry]))["a/w"] == (entry.paths, entry.given, entry.blocks, entry.inputs)
    True
    """
    if all(entry.paths in ((), entry.given) for entry in entries):
        return ""
    names = {
        entry.key: [
            *([_parts(name) for name in kind] for kind in (entry.paths, entry.given)),
            entry.blocks,
            sorted(entry.inputs),
        ]
        for entry in entries
    }
    return json.dumps({"version": _VERSION, "names": names})


def _parts(name: Name) -> list[tuple[Any, ...]]:
    return list(zip(name.segments, name.said, *([name.places] if name.places else []), strict=True))


def names_in(record: str | bytes) -> Recorded:
    """Return the names in a record, none if another version wrote it.

    Raises:
        ValueError: It is damaged.
    """
    try:
        read = json.loads(record)
        if read["version"] != _VERSION:
            return {}
        return {
            key: (
                _names(paths),
                _names(given),
                tuple((int(depth), str(name), int(times)) for depth, name, times in blocks),
                frozenset(map(str, *inputs)) if inputs else frozenset(),
            )
            for key, (paths, given, blocks, *inputs) in read["names"].items()
        }
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no record of names: {error}") from error


def _names(kind: Sequence[Any]) -> tuple[Name, ...]:
    return tuple(map(_name, kind))


def _name(parts: Sequence[Any]) -> Name:
    segments, said, *places = zip(*map(_part, parts), strict=True)
    return Name(segments, said, places[0] if places else ())


def _part(part: Sequence[Any]) -> tuple[Any, ...]:
    """Return a segment, whether it was chosen, and its place if names of its kind have places, each held against its type."""
    segment, said, *places = part
    if not isinstance(segment, str) or said not in (True, False, None) or len(places) > 1:
        raise TypeError(f"{part!r} is no segment of a name")
    return segment, said, *(None if place is None else (str(place[0]), int(place[1])) for place in places)
