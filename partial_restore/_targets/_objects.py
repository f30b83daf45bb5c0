"""Models that are objects: Keras 3 models and layers, modules, checkpoints and every other trackable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from partial_restore import _keras, _live_optimizers
from partial_restore._eager import EagerTarget, Held, all_variables, raw, shape_of
from partial_restore._errors import UnbuiltError
from partial_restore._keys import AUTOMATIC, may_be_automatic
from partial_restore._names import Names
from partial_restore._places import snake_case
from partial_restore._targets._called import called_as_in, in_both_families, with_entry
from partial_restore._targets._flow import Flow
from partial_restore._targets._tracked import Graph
from partial_restore._types import Entry, Group, Layout, Name, name_of


def open_object(model: Any, layout: Layout) -> EagerTarget:
    """Return the target that a model in memory is, its variables called as in a checkpoint of this layout.

    Raises:
        UnbuiltError: A layer has no variables yet, or the model has none at all.
        TypeError: A variable is in shards on several servers.
    """
    graph = Graph(model)
    if sharded := graph.held_by(_is_sharded):
        names = ", ".join(sorted(each.name for each in sharded))
        raise TypeError(f"{names}: variables in shards are for tf.train.Checkpoint.read to restore, on all servers")
    layers = graph.held_by(_keras.is_layer)
    unbuilt = [layer.name for layer in layers if _keras.is_unbuilt(layer)]
    held = [] if unbuilt else called_as_in(_held(graph, layout), graph, layout)
    if not any(each.entry.group == "model" for each in held):
        raise UnbuiltError(_described(model), unbuilt)
    flow = Flow(layers)
    held = [with_entry(each, inputs=flow.inputs_of(each.variable)) for each in held] if flow.has_inputs else held
    bases = {_keras.automatic_base(layer) for layer in layers}
    if layout.kind == "groups":
        bases |= {snake_case(type(layer).__name__) for layer in layers}
    unbuilt_optimizers = graph.held_by(_live_optimizers.is_unbuilt)
    unready = {graph.attribute_of(thing): _live_optimizers.class_of(thing) for thing in unbuilt_optimizers}
    automatic = frozenset(base for base in bases if base)
    return EagerTarget(
        held,
        automatic,
        lambda thing: graph.keys_below(thing, held),
        unready,
        _chosen(graph.root, automatic),
        flow.joins,
    )


def _chosen(model: Any, automatic: frozenset[str]) -> str:
    """Return the name that a person gave to a model or layer, if so."""
    name = model.name if _keras.is_layer(model) else ""
    return "" if may_be_automatic(Name((name,), (False,)), AUTOMATIC | automatic) else name


def _is_sharded(thing: object) -> bool:
    return isinstance(thing, tf.__internal__.distribute.ShardedVariable)


def _described(model: Any) -> str:
    name = getattr(model, "name", "")
    return f"{type(model).__name__} {name!r}" if isinstance(name, str) and name else type(model).__name__


def _held(graph: Graph, layout: Layout) -> list[Held]:
    names = graph.names(unnamed=layout.unnamed)
    metrics = {place for metric in graph.held_by(_keras.is_metric) for place in graph.below(metric)}
    held = []
    for place in graph.leaves:
        group: Group = "metric" if place in metrics else names[place].group
        held.append(_hold(graph.things[place], graph.owners[place], names[place], group, layout))
    pieces = {i: piece for i, place in enumerate(graph.leaves) if (piece := names[place].piece)}
    if pieces:
        keys = dict(zip(graph.leaves, (each.entry.key for each in _distinct(held)), strict=True))
        for i, piece in pieces.items():
            held[i] = with_entry(held[i], state=piece.state(keys))
    reached = {id(each.variable) for each in held}
    strays = [variable for variable in all_variables(graph.root) if id(raw(variable)) not in reached]
    held.extend(_hold(stray, None, Names((), (), "model"), "model", layout) for stray in strays)
    return _distinct(held)


def _hold(variable: Any, owner: Any, names: Names, group: Group, layout: Layout) -> Held:
    given, value = names.given, raw(variable)
    if not given and layout.kind in ("names", "ops") and "/" in value.name:
        given = (name_of(value.name.removesuffix(":0")),)  # The file may have no other one.
    if value is not variable:  # It is one of Keras.
        given = (name_of(variable.path),)
        if _keras.is_seed(owner) or variable.path.endswith("seed_generator_state"):
            group = "seed"
    given = (*in_both_families(given, owner), *names.scoped)
    paths = in_both_families(names.paths, owner) or given or (name_of(value.name.removesuffix(":0")),)
    dtype = value.dtype.base_dtype
    entry = Entry(paths[0].text, paths, given, shape_of(value), dtype.name, group, dtype.size, blocks=names.blocks)
    return Held(entry, value, variable, owner if _keras.is_layer(owner) else None, names.lacking)


def _distinct(held: Sequence[Held]) -> list[Held]:
    """Return the variables with a key each; of those with one name the later ones show a number."""
    if len({each.entry.key for each in held}) == len(held):
        return list(held)
    seen: dict[str, int] = {}
    distinct = []
    for each in held:
        entry = each.entry
        times = seen[entry.key] = seen.get(entry.key, 0) + 1
        if times > 1:
            shown = name_of(f"{entry.key}#{times}", said=True)
            entry = entry._replace(key=shown.text, paths=(shown, *entry.paths))
        distinct.append(each._replace(entry=entry) if times > 1 else each)
    return distinct
