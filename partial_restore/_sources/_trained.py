"""The optimizers of an HDF5 file of Keras 3: which arrays are whose state. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from partial_restore._lists import states_of_list
from partial_restore._optimizers import family_of
from partial_restore._order import Weights
from partial_restore._places import LAYERS, Group
from partial_restore._types import Entry, State, name_of

_OPTIMIZERS = ("optimizer/", "_optimizer/")
INNER = "inner_optimizer"
"""Where an optimizer that scales the loss keeps the one that it has."""

_SHARED = "optimizers"
"""Where an optimizer keeps those to which it shares the variables out; in its own list it repeats what they keep."""
_ONCE = ("iterations", "learning_rate")
_SCALED = (
    ("iterations", "learning_rate", "step_counter", "dynamic_scale"),
    ("iterations", "step_counter", "dynamic_scale"),
)
"""What the list of an optimizer that scales the loss has before that of the one within; that of tf_keras has nothing."""
_OLD_LAYERS = "_layer_checkpoint_dependencies"


def with_state(
    entries: Sequence[Entry], trained: Mapping[Group, bool], config: Mapping[str, Any], names: Mapping[str, str]
) -> list[Entry]:
    """Return the entries, those of optimizers with what they are.

    ``trained`` are the members of lists of layers in their order, ``config`` is the optimizer's, ``names`` are those of
    optimizers by their group; all of them as far as the file tells.
    """
    lists: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.group == "optimizer" and entry.key.rpartition("/")[2].isdecimal():
            lists[entry.key.rpartition("/")[0]].append(entry)
    if not lists:
        return list(entries)
    shapes = {entry.key: entry.shape for entry in entries if entry.group == "model"}
    weights = Weights(shapes, {key: _group(key) for key in shapes}, trained)
    found: dict[str, Entry] = {}
    for group, members in lists.items():
        members.sort(key=lambda entry: int(entry.key.rpartition("/")[2]))
        below, told = _below(weights, group, lists), config if group.startswith(_OPTIMIZERS) else {}
        found |= {entry.key: entry for entry in _stated(group, members, lists, below, told, names)}
    shown = {entry.key: entry.name for entry in entries}
    return [_named(found.get(entry.key, entry), shown) for entry in entries]


def _group(key: str) -> Group:
    return tuple(LAYERS if each == _OLD_LAYERS else each for each in key.split("/")[:-2])


def _below(weights: Weights, group: str, lists: Collection[str]) -> Weights:
    """Return the weights of the model that has an optimizer, which may be one within another."""
    parts = group.split("/")
    fronts = ("/".join(parts[:i]) for i in range(1, len(parts)))
    front = next(
        each for each in fronts if each.rpartition("/")[2].strip("_") == "optimizer" or f"{each}/vars" in lists
    )
    at = _group(f"{front}/")
    shapes = {key: shape for key, shape in weights.shapes.items() if weights.groups[key][: len(at)] == at}
    return Weights(shapes, weights.groups, weights.trained)


def _stated(
    group: str,
    members: Sequence[Entry],
    lists: Mapping[str, Sequence[Entry]],
    weights: Weights,
    config: Mapping[str, Any],
    names: Mapping[str, str],
) -> Iterator[Entry]:
    """Yield the arrays of one optimizer with their state; of one that scales the loss, and holds another, what is its own."""
    front = group.removesuffix("/vars")
    told = _config_at(config, front)
    place = front.rpartition("/")[2] if _SHARED in front.split("/") else ""
    family = family_of(str(told.get("class_name") or names.get(group) or place).rpartition(">")[2])
    called = (front, names[group]) if group in names else (front,)
    if any(each.startswith(f"{front}/{_SHARED}/") for each in lists):
        for i, entry in enumerate(members):
            shared = State(_ONCE[i], family, called) if i < len(_ONCE) else None
            yield entry._replace(state=shared) if shared else entry._replace(group="copy")
        return
    held = lists.get(f"{front}/{INNER}/vars")
    if held is not None:
        own = next((each for each in _SCALED if len(members) - len(held) == len(each)), ())
        for i, entry in enumerate(members):
            if i < len(own):
                yield entry._replace(state=State(own[i], "lossscale", called))
            else:
                yield entry._replace(group="copy")
        return
    options = told.get("config")
    known = options if isinstance(options, dict) else None
    states = states_of_list([entry.shape for entry in members], weights, family, called, known)
    yield from (entry._replace(state=state) for entry, state in zip(members, states, strict=True))


def _config_at(config: Mapping[str, Any], front: str) -> Mapping[str, Any]:
    """Return the configuration of an optimizer, or of the one within it; that of one of several is not told."""
    if _SHARED in front.split("/"):
        return {}
    for _ in range(front.count(INNER)):
        inner = config.get("config")
        held = inner.get(INNER) if isinstance(inner, dict) else None
        config = held if isinstance(held, dict) else {}
    return config


def _named(entry: Entry, shown: Mapping[str, str]) -> Entry:
    """Return state under the name of its variable."""
    state = entry.state
    if state is None or not state.kind:
        return entry
    owner = (shown[state.owner],) if state.owner is not None else ()
    return entry._replace(paths=(name_of("/".join((state.optimizer[0], *owner, state.kind)), said=None),))
