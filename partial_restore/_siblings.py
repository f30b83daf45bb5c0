"""Which numbered layers are not what their number says, because other things lie below. Pure; standard library only.

Where layers are known by numbers alone, two of them may have changed places, or one of them its type. Then what lies
below them differs, and that tells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from partial_restore._keys import Below, Key, Part

_Rests = Mapping[int, set[Key]]
"""The names that each entry has below a numbered layer."""


def disproved(ours: Below, theirs: Below) -> set[Key]:
    """Return the keys of the numbered layers that cannot be taken for each other.

    Other variables of its own disprove a layer. And if some of the layers that are numbered together lack something that
    they had, others have something that they lacked, and it is not the same for all, then they have changed places.
    """
    here, there = _by_layer(ours), _by_layer(theirs)
    found: set[Key] = set()
    rows: dict[Key, dict[Key, tuple[frozenset[Key], frozenset[Key]]]] = defaultdict(dict)
    for layer in here.keys() & there.keys():
        more, less = _unmet(here[layer], there[layer]), _unmet(there[layer], here[layer])
        if any(len(rest) == 1 for rest in (*more, *less)):
            found.add(layer)
        rows[(*layer[:-1], layer[-1][0])][layer] = more, less
    for layers in rows.values():
        kinds = set(layers.values())
        if len(kinds) > 1 and any(more for more, _ in kinds) and any(less for _, less in kinds):
            found.update(layers)
    return found


def _by_layer(side: Below) -> dict[Key, dict[int, set[Key]]]:
    found: dict[Key, dict[int, set[Key]]] = defaultdict(lambda: defaultdict(set))
    for entry, key in side.rows:
        for i in range(len(key) - 1):
            if not isinstance(key[i], str):
                found[key[: i + 1]][entry].add(key[i + 1 :])
    return found


def _unmet(entries: _Rests, others: _Rests) -> frozenset[Key]:
    """Return the names of entries of which the other side has none; what LoRA adds to a layer changes no layer."""
    known = {rest for rests in others.values() for rest in rests}
    lone = (rests for rests in entries.values() if not rests & known)
    return frozenset(rest for rests in lone for rest in rests if not _is_added(rest[-1]))


def _is_added(part: Part) -> bool:
    return isinstance(part, str) and part.startswith("lora_")


def is_below(key: Key, layers: set[Key]) -> bool:
    """Say whether a key leads to something in one of the layers."""
    return any(key[: i + 1] in layers for i in range(len(key) - 1))
