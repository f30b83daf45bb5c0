"""What is known about Keras 3 objects. Keras is never imported here: no caller without Keras has a Keras object."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from partial_restore._keys import unprivate
from partial_restore._places import snake_case


def keras_3() -> Any:
    """Return Keras 3 if the program has imported it."""
    keras = sys.modules.get("keras")
    return keras if keras is not None and hasattr(keras, "KerasTensor") and hasattr(keras, "Variable") else None


def families() -> list[Any]:
    """Return Keras 3 and tf_keras, those that the program has imported."""
    found = (keras_3(), sys.modules.get("tf_keras"))
    return [family for family in found if family is not None and hasattr(family, "layers")]


def family_of(thing: Any) -> Any:
    """Return the Keras of which a layer is."""
    return next(family for family in families() if isinstance(thing, family.layers.Layer))


def is_layer(thing: Any) -> bool:
    return _kind(type(thing)) == "layer"


def is_variable(thing: Any) -> bool:
    """Say whether a thing is a variable of Keras; `keras.Variable` was another class before Keras 3.4."""
    return is_class_of_variables(type(thing))


def is_class_of_variables(cls: Any) -> bool:
    return _kind(cls) == "variable"


def is_metric(thing: Any) -> bool:
    return _kind(type(thing)) == "metric"


def is_seed(thing: Any) -> bool:
    return _kind(type(thing)) == "seed"


def _kind_of(cls: Any) -> str:
    """Return what a class of Keras is; of what is none, nothing can become one."""
    if any(base.__module__ == "keras.src.backend.common.variables" for base in cls.__mro__):
        return "variable"
    for family in families():
        if issubclass(cls, family.layers.Layer):
            return "metric" if issubclass(cls, family.metrics.Metric) else "layer"
        if issubclass(cls, family.metrics.Metric):
            return "metric"
    keras = keras_3()
    return "seed" if keras is not None and issubclass(cls, keras.random.SeedGenerator) else ""


_kind: Callable[[Any], str] = lru_cache(maxsize=4096)(_kind_of)


def foreign_backend() -> str:
    """Return the name of Keras' backend if it is not TensorFlow, else an empty string."""
    keras = keras_3()
    backend = keras.backend.backend() if keras is not None else "tensorflow"
    return "" if backend == "tensorflow" else str(backend)


def automatic_base(layer: Any) -> str | None:
    """Return what Keras numbers the names of this layer's class with, if this layer's name is such a name."""
    base = snake_case(type(layer).__name__)
    return base if re.fullmatch(rf"{re.escape(base)}(_\d+)?", unprivate(layer.name)) else None


def containers(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the lists and dicts that a person put into a layer: Keras tracks what is in them, TensorFlow does not."""
    for name in getattr(layer, "_tracked", ()):
        if not _INTERNAL.fullmatch(name):
            yield name, getattr(layer, name, None)


_INTERNAL = re.compile(r"_layers|_(in|out)bound_nodes|_loss.*|_?call_.*|_operations|_nodes.*|_build_shapes_dict")


def is_unbuilt(layer: Any) -> bool:
    """Say whether a layer will make variables of its own when it is built, and is not built yet."""
    family = family_of(layer)
    return not layer.built and type(layer).build not in (family.layers.Layer.build, family.Model.build)


def finalize(layer: Any) -> None:
    """Let a layer take note of its new values, as Keras does after loading: `Normalization` computes with copies."""
    finalize_state = getattr(layer, "finalize_state", None)
    if callable(finalize_state):
        finalize_state()


def initial_values(layer: Any) -> Mapping[int, Any]:
    """Return fresh initial values of a layer's own variables, by the variable's id: what a new layer would start with.

    A copy of the layer is built from its configuration, so that every initializer runs as the layer itself runs it
    (an LSTM's bias is made of two).

    Raises:
        Exception: Whatever the layer raises that cannot be copied.
    """
    copy = type(layer).from_config(layer.get_config())
    if not copy.built:
        copy.build_from_config(layer.get_build_config())
    ours, fresh = own_variables(layer), own_variables(copy)
    if [(own_name(v), tuple(v.shape)) for v in ours] != [(own_name(v), tuple(v.shape)) for v in fresh]:
        raise ValueError("its copy has other variables")
    return {id(variable): getattr(new, "_value", new) for variable, new in zip(ours, fresh, strict=True)}


def own_variables(layer: Any) -> list[Any]:
    if hasattr(layer, "_trainable_weights"):
        return [*layer._trainable_weights, *layer._non_trainable_weights]
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def own_name(variable: Any) -> str:
    """Return what a layer calls its variable: ``kernel``."""
    return str(variable.name).removesuffix(":0").rpartition("/")[2]


def _other_name(cls: Any) -> tuple[str, str]:
    """Return how this family of Keras calls a variable of a layer, and how the other one does; empty if as well."""
    if _kind(cls) != "layer" or not re.match(r"DepthwiseConv[12]D$", cls.__name__):
        return "", ""
    names = ("kernel", "depthwise_kernel")
    keras = keras_3()
    return names if keras is not None and issubclass(cls, keras.layers.Layer) else names[::-1]


other_name: Callable[[Any], tuple[str, str]] = lru_cache(maxsize=4096)(_other_name)


def named_initializer(layer: Any, variable: Any) -> Any:
    """Return the layer's attribute ``<name>_initializer`` for a variable, or None."""
    return getattr(layer, f"{own_name(variable)}_initializer", None)


def initializer(spec: Any) -> Any:
    """Return the initializer that a Keras name, such as ``"glorot_uniform"``, stands for."""
    found = families() or [importlib.import_module("keras")]  # Only a caller who gives a name of Keras needs it.
    return found[0].initializers.get(spec)
