"""The model side: one file per kind of model, each with ``entries``, ``variables``, ``assign`` and initializers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

from partial_restore import _keras
from partial_restore._targets._graph import GraphTarget
from partial_restore._targets._objects import open_object
from partial_restore._targets._tracked import is_object
from partial_restore._targets._variables import open_variables
from partial_restore._types import Entry, Layout, Note

NAMES = Layout()


class Target(Protocol):
    """Something with variables, ``called`` what a person called it, if that; ``unready`` are its optimizers that have no state yet, with their classes."""

    session: Any
    entries: Sequence[Entry]
    automatic: Collection[str]
    called: str
    unready: Mapping[str, str]
    batch_bytes: int

    @property
    def variables(self) -> Mapping[str, Any]:
        """TensorFlow's variables by the key of their entry."""

    def stands_for(self, thing: object) -> Collection[str] | None:
        """Return the keys of the variables for which an object stands, or None if it holds none."""

    def joins(self, one: str, other: str) -> bool | None:
        """Say whether the layer of one variable feeds that of another, or is fed by it; None if that is not known."""

    def is_empty(self, keys: Sequence[str]) -> bool:
        """Say whether values for these variables take no memory that is not soon theirs: they have none of their own yet."""

    def assign(self, values: Sequence[tuple[str, tf.Tensor]]) -> None:
        """Put values into variables."""

    def lend(self, keys: Sequence[str]) -> Mapping[str, tf.Tensor]:
        """Return the memory of those variables that take over what is read into it: from then on they have changed."""

    def values(self, keys: Sequence[str]) -> list[tf.Tensor]:
        """Return what the variables hold."""

    def initial_values(self, keys: Sequence[str]) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
        """Return new initial values, and the variables for which none is known, with the reason."""

    def finish(self, rerun: Sequence[str], filled: Collection[str], note: Note) -> list[str]:
        """Initialize what can only be initialized in place, noted before, and return which variables that were."""


def is_model(thing: Any) -> bool:
    """Say whether a thing is an object that holds variables, be it a model or not."""
    return is_object(thing) and not isinstance(thing, list | tuple | Mapping)


def open_target(model: Any, session: tf.compat.v1.Session | None, layout: Layout = NAMES) -> Target:
    """Return the target that ``model`` is, its variables called as the checkpoint of this layout calls them.

    Raises:
        UnbuiltError: The model, or a layer of it, has no variables yet.
        TypeError: ``model`` is no model, or a mapping whose keys are no names.
        ValueError: There are no variables, several have one name, or a session is missing or of another graph.
    """
    if isinstance(model, Mapping) and (wrong := [key for key in model if not isinstance(key, str)]):
        raise TypeError(f"a mapping of variables has names as keys, not {wrong[:3]!r}")
    if session is not None:
        return GraphTarget(model, session)
    if isinstance(model, tf.Graph):
        raise ValueError("a tf.Graph holds no values: pass the session in which its variables live, session=")
    if _keras.is_layer(model) and _keras.foreign_backend():
        raise TypeError(f"Keras runs on {_keras.foreign_backend()} here; its variables are not TensorFlow's")
    if is_model(model):
        target = open_object(model, layout)
        _refuse_symbolic(target.variables.values())
        return target
    if isinstance(model, Mapping | Iterable) and not isinstance(model, str | bytes):
        variables = model if isinstance(model, Mapping) else list(model)
        _refuse_symbolic(variables.values() if isinstance(variables, Mapping) else variables)
        return open_variables(variables)
    raise TypeError(
        f"a model is a Keras model or layer, a tf.Module, a trackable, a mapping name -> variable, variables, or a tf.Graph, "
        f"not {type(model).__name__}"
    )


def _refuse_symbolic(variables: Iterable[Any]) -> None:
    for each in variables:
        if isinstance(each, tf.Variable) and getattr(each, "_in_graph_mode", None) not in (False, None):
            raise ValueError(f"{each.name!r} is a variable of a graph: pass the session in which it lives, session=")
