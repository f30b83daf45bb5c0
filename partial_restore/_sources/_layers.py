"""The HDF5 files of Keras 1 and 2 and tf.keras, weights or whole models: a list of layers, each with named weights."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from partial_restore._errors import UnreadableCheckpointError
from partial_restore._in_place import NOWHERE
from partial_restore._keys import is_own_name
from partial_restore._layer_names import without_cudnn
from partial_restore._optimizers import Called, family_of, kind_of
from partial_restore._sources._configs import chains_in, inputs_in, names_in_full
from partial_restore._sources._files import stamps_of
from partial_restore._sources._hdf5 import Array, Hdf5, text, texts
from partial_restore._types import Entry, Group, Layout, Name, State, in_pieces, name_of

_TOP = "top_level_model_weights"
_KERAS_1 = re.compile(r"(?P<layer>.+)_(?P<weight>[WUb](_[a-z])?|gamma|beta|running_mean|running_std|alpha)")
_NEW_WEIGHTS = {"W": "kernel", "U": "recurrent_kernel", "b": "bias", "running_mean": "moving_mean"}
_NEW_WEIGHTS |= {"running_std": "moving_variance"}
_NEW_LAYERS = {
    **{f"convolution{n}d": f"conv{n}d" for n in (1, 2, 3)},
    "separableconvolution2d": "separable_conv2d",
    "deconvolution2d": "conv2d_transpose",
    "batchnormalization": "batch_normalization",
    "simplernn": "simple_rnn",
    "timedistributed": "time_distributed",
    "prelu": "p_re_lu",
}
_OPTIMIZER = "optimizer_weights/"
_SCALED = "lossscale"
"""The class of the optimizer of Keras 3 that scales the loss for another one."""
_ONCE = ("iteration", "iterations", "iter", "learning_rate", "u_product", "momentum_cache")
_GATES = {frozenset("ifco"): "ifco", frozenset("zrh"): "zrh"}
"""The gates of LSTM and GRU in the order in which Keras 2 keeps them side by side."""


class LayersSource:
    """A file with the attribute ``layer_names``."""

    def __init__(self, path: str) -> None:
        self.path, self.stamps = path, stamps_of([path])
        self._hdf5 = Hdf5(path)
        with self._hdf5.opened() as file:
            self._arrays, _ = self._hdf5.content(file)
            root = file.get("model_weights", file)
            weights = _with_gates_joined([each for each in _weights(root) if each.parts[0] in self._arrays])
            self._is_theano = text(root.attrs.get("backend", "")) == "theano"
            config, training = (_told(file.attrs, name) for name in ("model_config", "training_config"))
        if not weights:
            raise UnreadableCheckpointError(path, "it has no weights: none of its layers lists any")
        self._weights = {each.parts[0]: each for each in weights}
        self._family = _family(training)
        self.layout = Layout("layers", is_told=bool(config))
        self._inputs = inputs_in(config)
        self._full = names_in_full({each.parts[0]: each.names for each in weights}, dict(chains_in(config)))

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """Every weight, in the order of the file; then what else the file has."""
        entries = [self._entry(key, each) for key, each in self._weights.items()]
        used = {part for each in self._weights.values() for part in each.parts}
        states = _states(self._arrays, self._weights, self._family)
        rest = [_other(key, array, states.get(key)) for key, array in self._arrays.items() if key not in used]
        return [*without_cudnn(entries), *rest]

    def _entry(self, key: str, weight: _Weight) -> Entry:
        arrays = [self._arrays[part] for part in weight.parts]
        shape = arrays[0].shape
        if len(arrays) > 1:
            shape = (*shape[:-1], sum(array.shape[-1] for array in arrays))
        is_flipped = (self._is_theano or weight.is_theano) and len(shape) > 2
        group: Group = "foreign" if is_flipped else "model" if arrays[0].dtype else "internal"
        dtype = arrays[0].dtype or "unknown"
        names = tuple(map(in_pieces, self._full.get(key, weight.names)))
        inputs = self._inputs.get(weight.names[0].segments[0], frozenset())
        return Entry(key, names, (), shape, dtype, group, arrays[0].itemsize, ops=names, inputs=inputs)

    def read(self, keys: Sequence[str], into: Mapping[str, tf.Tensor] = NOWHERE) -> list[tf.Tensor]:
        """Return the values, in the order of the keys."""
        paths = self._paths(keys)
        return self._hdf5.read(
            paths, {path: into[key] for key, (path, *_) in zip(keys, paths, strict=True) if key in into}
        )

    reread = read

    def check(self, keys: Sequence[str]) -> None:
        """Find out what would fail if the values were read."""
        self._hdf5.check(self._paths(keys))

    def _paths(self, keys: Sequence[str]) -> list[tuple[str, ...]]:
        return [self._weights[key].parts if key in self._weights else (key,) for key in keys]


@dataclass(frozen=True, slots=True)
class _Weight:
    """A weight of a layer: the paths of the arrays that make it up, its names, and what TensorFlow ``called`` it."""

    parts: tuple[str, ...]
    names: tuple[Name, ...]
    is_theano: bool = False
    called: str = ""


def _weights(root: Any) -> Iterator[_Weight]:
    """Yield the weights that the layers list, in the order of the model."""
    front = root.name.strip("/")
    layers = [(place, layer) for place, layer in enumerate(texts(root.attrs, "layer_names")) if layer in root]
    listed = [(*each, weight) for each in layers for weight in texts(root[each[1]].attrs, "weight_names")]
    below = _below_layers([(layer, weight) for _, layer, weight in listed])
    for (place, layer, weight), parts in zip(listed, below, strict=True):
        path = "/".join(filter(None, (front, layer, weight)))
        yield _named(place, layer, weight, path, parts)
    if _TOP in root:
        for weight in texts(root[_TOP].attrs, "weight_names"):
            name = name_of(weight.removesuffix(":0").rpartition("/")[2], said=True)
            yield _Weight(("/".join(filter(None, (front, _TOP, weight))),), (name,), called=weight.removesuffix(":0"))


def _begin_with_model(listed: Sequence[tuple[str, str]]) -> bool:
    """Say whether weights are called after their model, and the layers in it: one of them may be called as the model is."""
    first = {weight.partition("/")[0] for _, weight in listed}
    are_within = all(f"{weight.partition('/')[2]}/".startswith(f"{layer}/") for layer, weight in listed)
    return len(first) == 1 and are_within and len({layer for layer, _ in listed}) > 1


def _told(attributes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return what a whole model's file tells of it; it is read as data, nothing is made of it."""
    with suppress(ValueError, RecursionError):
        read = json.loads(text(attributes.get(name, "{}")))
        return read if isinstance(read, dict) else {}
    return {}


def _named(place: int, layer: str, weight: str, path: str, below: Sequence[str]) -> _Weight:
    """Return a weight under the name of its layer, ``below`` which its own name may continue or contradict that.

    TensorFlow's names end with ``:0``; those of Keras 1 on Theano do not.
    """
    old = _KERAS_1.fullmatch(below[-1]) if "/" not in weight else None
    if old:
        inner = [] if old["layer"] == layer else [old["layer"]]
        leaves = [_NEW_WEIGHTS.get(old["weight"].partition("_")[0], ""), _NEW_WEIGHTS.get(old["weight"], old["weight"])]
        gate = "/" + old["weight"][2:] if re.fullmatch(r"[WUb]_.", old["weight"]) else ""
        leaf = (leaves[0] if gate else leaves[1]) + gate
        heads = [[layer, *inner]]
        names = [[*head, each] for head in heads for each in ([leaf, "embeddings"] if leaf == "kernel" else [leaf])]
    else:
        names = [[layer, *below]]
    made = tuple(
        Name(
            (_renewed(first), *rest),
            (*(False for _ in rest), is_own_name(rest[-1])),
            (("", place), *(None for _ in rest)),
        )
        for first, *rest in names
    )
    is_theano = bool(old) and not weight.endswith(":0")
    return _Weight((path,), made, is_theano, weight.removesuffix(":0"))


def _below_layers(listed: Sequence[tuple[str, str]]) -> list[Sequence[str]]:
    """Return of each weight what follows the name of its layer, in which Keras 2 allows slashes; all, if that is not there.

    A model that is a layer may have a layer of its own name. What stands before that is a model in it: it stands neither before
    all of its weights, nor before those of another layer.
    """
    is_below_model = _begin_with_model(listed)
    named = [(layer, weight.removesuffix(":0").split("/")[is_below_model:]) for layer, weight in listed]
    parted = [(layer, parts, *_parted(parts, layer.split("/"))) for layer, parts in named]
    lacking = {layer for layer, parts, _, below in parted if below == parts}
    around: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for layer, _, scope, _ in parted:
        around[scope].add(layer)
    return [
        parts if scope and layer in lacking and len(around[scope]) == 1 else below
        for layer, parts, scope, below in parted
    ]


def _parted(parts: Sequence[str], layer: Sequence[str]) -> tuple[tuple[str, ...], Sequence[str]]:
    """Return what stands before the layer's name and what follows it; nothing and all, if it is not there."""
    starts = (i for i in range(len(parts) - len(layer)) if parts[i : i + len(layer)] == layer)
    start = next(starts, None)
    return ((), parts) if start is None else (tuple(parts[:start]), parts[start + len(layer) :])


def _renewed(layer: str) -> str:
    """Return the automatic name of a layer of Keras 1 as Keras 2 spells it."""
    base, _, number = layer.rpartition("_")
    return f"{_NEW_LAYERS[base]}_{number}" if base in _NEW_LAYERS and number.isdecimal() else layer


def _with_gates_joined(weights: Sequence[_Weight]) -> list[_Weight]:
    """Return the weights; the gates of an LSTM or GRU, which Keras 1 kept apart, side by side in the order of Keras 2."""
    gates: dict[str, dict[str, _Weight]] = {}
    joined: list[_Weight] = []
    for weight in weights:
        stem, _, gate = weight.names[0].text.rpartition("/")
        if len(gate) != 1 or not stem.endswith(("kernel", "bias")):
            joined.append(weight)
        else:
            gates.setdefault(stem, {})[gate] = weight
    for held in gates.values():
        order = _GATES.get(frozenset(held))
        if order is None:
            joined.extend(held.values())
            continue
        first = held[order[0]]
        names = tuple(
            Name(name.segments[:-1], name.said[:-1], name.places[:-1])
            for name in first.names
            if name.segments[-2] in ("kernel", "recurrent_kernel", "bias")
        )
        parts = tuple(part for gate in order for part in held[gate].parts)
        joined.append(_Weight(parts, names, is_theano=first.is_theano))
    return joined


def _family(training: Mapping[str, Any]) -> str:
    """Return the class of the optimizer with which a model was trained.

    That for mixed precision is around the one that keeps state of variables.
    """
    with suppress(KeyError, TypeError):
        optimizer = training["optimizer_config"]
        config = optimizer.get("config") if isinstance(optimizer, dict) else None
        inner = config.get("inner_optimizer") if isinstance(config, dict) else None
        return family_of(str((inner or optimizer)["class_name"]).rpartition(">")[2])
    return ""


def _states(arrays: Iterable[str], weights: Mapping[str, _Weight], family: str) -> dict[str, tuple[str, State]]:
    """Return the optimizer state by key, with what to call it: whose it is, if its name tells."""
    called = Called([(each.called, key) for key, each in weights.items()])
    names = {key: key.removeprefix(_OPTIMIZER).removesuffix(":0") for key in arrays if key.startswith(_OPTIMIZER)}
    read = {key: called.read(name) for key, name in names.items()}
    told = {family_of(each.optimizer) for each in read.values() if each and each.optimizer}
    family = family or (told.pop() if len(told) == 1 else "")
    found: dict[str, tuple[str, State]] = {}
    for key, spelled in read.items():
        scope, _, last = names[key].rpartition("/")
        if family == "nadam" and not is_own_name(last):
            last = "u_product"  # Keras 3 gives it no name of its own.
        if spelled:
            kind = kind_of(family, spelled.word)
            shown = weights[spelled.owner].names[0].text
            found[key] = f"optimizer/{shown}/{kind}", State(kind, family, ("optimizer",), spelled.owner)
        elif family_of(scope) == _SCALED:
            kind = kind_of("", last)
            found[key] = f"optimizer/{scope}/{kind}", State(kind, _SCALED, ("optimizer", scope))
        elif last in _ONCE:
            kind = kind_of(family, last)
            found[key] = f"optimizer/{kind}", State(kind, family, ("optimizer",))
        else:
            found[key] = f"optimizer/{names[key]}", State("", family, ("optimizer",))
    return found


def _other(key: str, array: Array, state: tuple[str, State] | None) -> Entry:
    """Return what the file has beside weights."""
    group: Group = "optimizer" if state else "internal"
    name = name_of(state[0] if state else key.removesuffix(":0"), said=None)
    held = state[1] if state else None
    return Entry(key, (name,), (), array.shape, array.dtype or "unknown", group, array.itemsize, state=held)
