"""What is known about Keras 3 objects. Keras is never imported here: no caller without Keras has a Keras object."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any


def _keras() -> Any:
    """Return Keras 3 if the program has imported it."""
    keras = sys.modules.get("keras")
    return keras if keras is not None and hasattr(keras, "KerasTensor") and hasattr(keras, "Variable") else None


def is_layer(thing: object) -> bool:
    keras = _keras()
    return keras is not None and isinstance(thing, keras.Layer)


def is_variable(thing: object) -> bool:
    """Say whether a thing is a variable of Keras; `keras.Variable` was another class before Keras 3.4."""
    return any(base.__module__ == "keras.src.backend.common.variables" for base in type(thing).__mro__)


def is_metric(thing: object) -> bool:
    keras = _keras()
    return keras is not None and isinstance(thing, keras.metrics.Metric)


def is_seed(thing: object) -> bool:
    keras = _keras()
    return keras is not None and isinstance(thing, keras.random.SeedGenerator)


def foreign_backend() -> str:
    """Return the name of Keras' backend if it is not TensorFlow, else an empty string."""
    keras = _keras()
    backend = keras.backend.backend() if keras is not None else "tensorflow"
    return "" if backend == "tensorflow" else str(backend)


def automatic_base(layer: Any) -> str | None:
    """Return what Keras numbers the names of this layer's class with, if this layer's name is such a name."""
    base = _snake_case(type(layer).__name__)
    return base if re.fullmatch(rf"{re.escape(base)}(_\d+)?", layer.name) else None


def _snake_case(name: str) -> str:
    """Return the name of a class as Keras spells it in automatic names (``keras.src.utils.naming``).

    >>> _snake_case("Conv2D"), _snake_case("BatchNormalization"), _snake_case("MyNet")
    ('conv2d', 'batch_normalization', 'my_net')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def containers(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the lists and dicts that a person put into a layer: Keras tracks what is in them, TensorFlow does not."""
    for name in layer._tracked:
        if not _INTERNAL.fullmatch(name):
            yield name, getattr(layer, name, None)


_INTERNAL = re.compile(r"_layers|_(in|out)bound_nodes|_loss.*|_?call_.*|_operations|_nodes.*|_build_shapes_dict")


def is_unbuilt(layer: Any) -> bool:
    """Say whether a layer will make variables of its own when it is built, and is not built yet."""
    keras = _keras()
    return not layer.built and type(layer).build not in (keras.Layer.build, keras.Model.build)


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
    ours, fresh = _own_variables(layer), _own_variables(copy)
    if [(v.name, tuple(v.shape)) for v in ours] != [(v.name, tuple(v.shape)) for v in fresh]:
        raise ValueError("its copy has other variables")
    return {id(variable): new._value for variable, new in zip(ours, fresh, strict=True)}


def _own_variables(layer: Any) -> list[Any]:
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def named_initializer(layer: Any, variable: Any) -> Any:
    """Return the layer's attribute ``<name>_initializer`` for a variable, or None."""
    return getattr(layer, f"{variable.name}_initializer", None)


def initializer(spec: Any) -> Any:
    """Return the initializer that a Keras name, such as ``"glorot_uniform"``, stands for."""
    import keras  # noqa: PLC0415  Only a caller who gives a name of Keras needs it.

    return keras.initializers.get(spec)
