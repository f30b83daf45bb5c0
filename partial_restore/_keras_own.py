"""Under which keys a layer of either Keras stores its own variables in HDF5. Keras is never imported here."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import tensorflow as tf

from partial_restore._keras import family_of, own_variables
from partial_restore._types import name_of


def stored_variables(layer: Any) -> dict[str, Any]:
    """Return a layer's own variables under the keys under which it stores them itself.

    A layer with LoRA stores a kernel into which the update is merged, and the scale of it; they go into its own.
    """
    own = own_variables(layer)
    if type(layer).save_own_variables is family_of(layer).layers.Layer.save_own_variables:
        return {str(i): variable for i, variable in enumerate(own)}
    store: dict[str, Any] = {}
    try:
        layer.save_own_variables(store)
    except Exception:  # noqa: BLE001  A person's own layer may need a real file.
        return {}
    ids = {id(variable) for variable in own}
    is_lora = getattr(layer, "lora_enabled", False)
    if not is_lora and not ids.intersection(map(id, store.values())):
        return dict(_copied(layer, store, own))
    merged = _merged(store, own) if is_lora else {}
    return {str(key): merged.get(key, value) for key, value in store.items() if key in merged or id(value) in ids}


def _merged(store: Mapping[str, Any], own: Sequence[Any]) -> dict[str, Any]:
    """Return the variables into which the update of LoRA was merged where they are stored: of its shape there is one alone."""
    stored = set(map(id, store.values()))
    rest = [each for each in own if id(each) not in stored and not each.name.startswith("lora_")]
    ids = set(map(id, own))
    shapes = {key: tuple(getattr(value, "shape", ())) for key, value in store.items() if id(value) not in ids}
    fits = {key: [each for each in rest if tuple(each.shape) == shape] for key, shape in shapes.items()}
    times = Counter(shapes.values())
    return {key: found[0] for key, found in fits.items() if len(found) == times[shapes[key]] == 1}


def _copied(layer: Any, store: Mapping[Any, Any], own: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the variables whose values a layer stores copies of, by key: the value tells, where several are equal the name.

    What is as it was when it is changed tells nothing: zeros may be doubled in the file, and transposed. Keras 3 can let
    the layer store other values than it has, which are like no others.
    """
    scope = getattr(family_of(layer), "StatelessScope", None)
    values = [np.asarray(variable) for variable in own]
    if scope:
        values = _unlike(own)
        store = {}
        with suppress(Exception), scope(state_mapping=list(zip(own, values, strict=True))):
            layer.save_own_variables(store)
    same = {str(key): [i for i, value in enumerate(values) if _is_equal(value, copy)] for key, copy in store.items()}
    times = Counter(i for found in same.values() for i in found)
    for key, found in same.items():
        named = [i for i in found if key == name_of(own[i].name.removesuffix(":0")).segments[-1]]
        decided = found if len(found) == 1 and times[found[0]] == 1 else named
        if len(decided) == 1 and not (_is_symmetric(values[decided[0]]) or _is_plain(values[decided[0]])):
            yield key, own[decided[0]]


def _unlike(variables: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """Return a random value of the shape and dtype of each variable."""
    chance = np.random.default_rng(0)
    return [
        np.asarray(chance.uniform(2, 100, size=tuple(each.shape)), tf.as_dtype(each.dtype).as_numpy_dtype)
        for each in variables
    ]


def _is_plain(value: np.ndarray[Any, Any]) -> bool:
    """Say whether all numbers are zero or one: so they would be if they were squared, or in part if they were doubled."""
    return bool(np.isin(value, (0, 1)).all())


def _is_equal(value: np.ndarray[Any, Any], copy: Any) -> bool:
    stored = np.asarray(copy)
    return stored.shape == value.shape and stored.tobytes() == value.tobytes()


def _is_symmetric(value: np.ndarray[Any, Any]) -> bool:
    axes = itertools.combinations(range(value.ndim), 2)
    return any(
        value.shape[i] == value.shape[j] > 1 and np.array_equal(value, np.swapaxes(value, i, j)) for i, j in axes
    )
