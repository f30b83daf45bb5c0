"""Whether the optimizers of a model have its variables in an order that a file of Keras 3 could tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from partial_restore._eager import Held
from partial_restore._order import may_train


def with_order(held: Sequence[Held], ways: Collection[Mapping[int, tuple[str, ...]]]) -> list[Held]:
    """Return the variables; of the state of optimizers that have them in an order that no way to store them tells, it is said.

    A layer that stands at several places, and is stored at one of them, may be trained before the others there.
    ``ways`` are where the variables are stored, by their ids.
    """
    ids = {each.entry.key: id(each.variable) for each in held}
    owners: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for each in held:
        if (state := each.entry.state) and state.owner is not None:
            owners[state.optimizer][state.owner] = None
    odd = {
        names
        for names, order in owners.items()
        if not all(_may_train([ids[key] for key in order], places) for places in ways)
    }
    return [_reordered(each) if each.entry.state and each.entry.state.optimizer in odd else each for each in held]


def _may_train(order: Sequence[int], places: Mapping[int, tuple[str, ...]]) -> bool:
    texts = {variable: "/".join(path) for variable, path in places.items()}
    groups = {texts[variable]: path[:-2] for variable, path in places.items()}
    return all(variable in texts for variable in order) and may_train(groups, [texts[variable] for variable in order])


def _reordered(held: Held) -> Held:
    state = held.entry.state
    return held._replace(entry=held.entry._replace(state=state and replace(state, is_reordered=True)))
