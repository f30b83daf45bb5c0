"""Models that are a mapping name → variable or an iterable of variables, outside of graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from partial_restore import _keras
from partial_restore._eager import EagerTarget, Held, is_variable, raw, shape_of
from partial_restore._keys import ends_with
from partial_restore._optimizers import states_of_keys
from partial_restore._types import Entry, Group, State, name_of


def open_variables(variables: Mapping[str, Any] | Iterable[Any]) -> EagerTarget:
    """Return the target that a collection of variables is: by key in a mapping, else by the variables' own names.

    A key that is the variable's own name says no more than that: nobody chose it.
    """
    given = variables.items() if isinstance(variables, Mapping) else ((own_name(each), each) for each in variables)
    named = [(name.removesuffix(":0"), each) for name, each in given]
    refuse_others([each for _, each in named], is_variable)
    if not named:
        raise ValueError("there are no variables to restore: the collection is empty")
    times = Counter(name for name, _ in named)
    shared = sorted(name for name in times if times[name] > 1)
    if shared:
        raise ValueError(f"several variables have one name ({', '.join(shared[:5])}); give a mapping name -> variable")
    refuse_twice(named)
    states = states_of_keys({name: shape_of(raw(each)) for name, each in named})
    held = [_hold(name, each, states.get(name), said=not ends_with(name, own_name(each))) for name, each in named]
    return EagerTarget(held, frozenset(), lambda thing: _keys_of(held, thing))


def own_name(variable: Any) -> str:
    """Return what a variable is called: a Keras variable's path, another one's name."""
    return str(variable.path if _keras.is_variable(variable) else getattr(variable, "name", "")).removesuffix(":0")


def refuse_others(variables: Iterable[Any], is_right: Any) -> None:
    for each in variables:
        if not is_right(each):
            raise TypeError(f"a model is a Keras model, a module, a trackable, a graph, or variables; {each!r} is none")


def refuse_twice(named: Iterable[tuple[str, Any]]) -> None:
    """Refuse a variable under two names: two tensors could go into it."""
    seen: dict[int, str] = {}
    for name, variable in named:
        first = seen.setdefault(id(raw(variable)), name)
        if first != name:
            raise ValueError(f"{first!r} and {name!r} are one variable; give it once")


def _hold(name: str, variable: Any, state: State | None, *, said: bool) -> Held:
    names = (name_of(name, said=None if said else False),)
    dtype = raw(variable).dtype.base_dtype
    group: Group = "optimizer" if state else "model"
    entry = Entry(name, names, names, shape_of(raw(variable)), dtype.name, group, dtype.size, state=state)
    return Held(entry, raw(variable), variable)


def _keys_of(held: Iterable[Held], thing: object) -> Collection[str] | None:
    if not is_variable(thing):
        return None
    return {each.entry.key for each in held if each.variable is raw(thing)}
