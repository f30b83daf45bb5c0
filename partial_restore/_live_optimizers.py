"""What is known about optimizers in memory, of either Keras and of TensorFlow. Keras is never imported here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import product
from typing import Any

from partial_restore._keras import families


def class_of(thing: object) -> str:
    """Return the class of an optimizer of either Keras, or an empty string."""
    return type(_inner(thing)).__name__ if _is_optimizer(thing) else ""


def _inner(optimizer: Any) -> Any:
    """Return the optimizer that one of Keras 2 stands for: that for mixed precision keeps what the one within keeps."""
    return getattr(optimizer, "_trackable", optimizer)


def _is_optimizer(thing: object) -> bool:
    cls: Any = type(thing)
    return _is_class_of_optimizers(cls)


@lru_cache(maxsize=4096)
def _is_class_of_optimizers(cls: Any) -> bool:
    """Say whether objects of a class are optimizers; of what is none, nothing can become one."""
    return any(
        issubclass(cls, each)
        for family in families()
        for each in (family.optimizers.Optimizer, getattr(family.optimizers, "legacy", family.optimizers).Optimizer)
    )


def within(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the list of the optimizers that one of Keras 3 shares the variables out to, which TensorFlow does not track."""
    held = getattr(thing, "_inner_optimizers", None)
    if isinstance(held, list) and _is_optimizer(thing):
        yield "optimizers", held


def is_unbuilt(thing: Any) -> bool:
    """Say whether a thing is an optimizer that has not made its state yet."""
    marks = ("_hypers_created", "built", "_built")  # Of tf.keras up to 2.10, of Keras 3, of tf.keras since.
    return _is_optimizer(thing) and not any(getattr(_inner(thing), mark, False) for mark in marks)


def slots(thing: Any, variables: Sequence[Any]) -> Iterator[tuple[Any, str, Any]]:
    """Yield the state that an optimizer keeps beside variables: (variable, word, state).

    That is all of one of TensorFlow up to 2.10; of one of tf.keras since it is what has no name of its own, as where layers of two
    models have one name.
    """
    yield from _slots_of_one_name(thing, variables)
    if hasattr(type(thing), "get_slot_names") and hasattr(type(thing), "get_slot"):
        for word, variable in product(thing.get_slot_names(), variables):
            with suppress(KeyError):
                state = thing.get_slot(variable, word)
                if state is not None:
                    yield variable, word, state


def _slots_of_one_name(thing: Any, variables: Sequence[Any]) -> Iterator[tuple[Any, str, Any]]:
    """Yield the state in the lists of an optimizer of tf.keras of which the name is that of another piece as well."""
    places = getattr(thing, "_index_dict", None)
    if not (isinstance(places, dict) and _is_optimizer(thing)):
        return
    known = [each for each in variables if hasattr(each, "_unique_id")]
    owners = {places[key]: each for each in known if (key := thing._var_key(each)) in places}
    lists = {
        name: held
        for name, held in vars(thing).items()
        if isinstance(held, list) and len(held) == len(places) and all(hasattr(each, "assign") for each in held)
    }
    times = Counter(state.name for held in lists.values() for state in held)
    for name, held in lists.items():
        for i, state in enumerate(held):
            if times[state.name] > 1 and i in owners:
                word, front = name.strip("_"), state.name.removesuffix(f"/{owners[i].name}")
                yield owners[i], word if len(word) == 1 else front.rpartition("/")[2], state
