"""What optimizers of TensorFlow and Keras call their state, and to which variable each piece belongs.

Standard library only, no I/O. The same word means different things: Keras 3 calls Adam's first moment and the velocity of
SGD ``momentum``, and the ``Momentum`` of TensorFlow 1 leaves out the learning rate that Keras' SGD puts in. So a word
counts only together with the class of the optimizer, its *family*.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from partial_restore._types import State

Owner = TypeVar("Owner")

_ADAM = {"m": "momentum", "v": "velocity", "vhat": "velocity_hat"}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "adam": _ADAM,
    "adamax": {"m": "momentum", "u": "norm", "v": "norm"},
    "nadam": _ADAM,
    "lamb": _ADAM,
    "lion": {"m": "momentum"},
    "sgd": {"m": "momentum"},
    "momentum": {},
    "rmsprop": {"rms": "velocity", "mg": "average_gradient"},
    "adagrad": {},
    "adadelta": {"accum_grad": "accumulated_grad", "accum_var": "accumulated_delta_var"},
    "ftrl": {},
    "adafactor": {},
    "muon": {},
    "lossscale": {},
}
"""How the families call their state otherwise than Keras 3 does."""

_SAME_FAMILY = {"adamw": "adam", "lazyadam": "adam", "adamweightdecay": "adam"}
"""Optimizers whose state means what that of another one means: they differ in how they decay."""

_ONCE = {"iteration": "iterations", "iter": "iterations"}
KINDS = frozenset(
    "momentum velocity velocity_hat norm accumulator linear accumulated_grad accumulated_delta_var average_gradient"
    " average gradient_accumulator m v vhat u rms mg accum_grad accum_var r c".split()
)
"""What optimizers of Keras call the state of a variable."""

_KEPT = {
    frozenset({"m", "v"}): "adam",
    frozenset({"m", "u"}): "adamax",
    frozenset({"velocity"}): "rmsprop",
    frozenset({"velocity", "momentum"}): "rmsprop",
    frozenset({"velocity", "average_gradient"}): "rmsprop",
    frozenset({"velocity", "momentum", "average_gradient"}): "rmsprop",
    frozenset({"accumulator"}): "adagrad",
    frozenset({"accumulator", "linear"}): "ftrl",
    frozenset({"accumulated_grad", "accumulated_delta_var"}): "adadelta",
}
"""What the optimizers of tf.keras keep since 2.11: not told apart are SGD and Lion."""

_KEPT_BEFORE = {
    frozenset({"m", "v", "vhat"}): "adam",
    frozenset({"momentum"}): "sgd",
    frozenset({"rms"}): "rmsprop",
    frozenset({"rms", "momentum"}): "rmsprop",
    frozenset({"rms", "mg"}): "rmsprop",
    frozenset({"rms", "momentum", "mg"}): "rmsprop",
    frozenset({"accumulator"}): "adagrad",
    frozenset({"accumulator", "linear"}): "ftrl",
    frozenset({"accum_grad", "accum_var"}): "adadelta",
}
"""What they kept before: not told apart are Adam and Adamax."""

SLOTS = {
    **dict.fromkeys(("Adam", "LazyAdam", "AdamWeightDecayOptimizer", "adam_m"), ("adam", "momentum")),
    **dict.fromkeys(("Adam_1", "LazyAdam_1", "AdamWeightDecayOptimizer_1", "adam_v"), ("adam", "velocity")),
    "LAMB": ("lamb", "momentum"),
    "LAMB_1": ("lamb", "velocity"),
    "AdaMax": ("adamax", "momentum"),
    "AdaMax_1": ("adamax", "norm"),
    "Adadelta": ("adadelta", "accumulated_grad"),
    "Adadelta_1": ("adadelta", "accumulated_delta_var"),
    "Adagrad": ("adagrad", "accumulator"),
    "AdagradDA": ("adagradda", "gradient_accumulator"),
    "AdagradDA_1": ("adagradda", "gradient_squared_accumulator"),
    "Ftrl": ("ftrl", "accumulator"),
    "Ftrl_1": ("ftrl", "linear"),
    "Momentum": ("momentum", "momentum"),
    "RMSProp": ("rmsprop", "velocity"),
    "RMSProp_1": ("rmsprop", "momentum"),
    "RMSProp_2": ("rmsprop", "momentum"),
}
"""What the optimizers of TensorFlow 1 name the state of a variable, below its own name: numbered as they make it."""

_WIDTHS = Counter(re.sub(r"_\d+$", "", slot) for slot in SLOTS)
"""How many slots they make of a variable, by the name of the first."""

_MOST_SLOTS = 100
"""Slots of a class that a variable may have: nobody has fifty optimizers."""

_POWER = re.compile(r"(?:(?P<scope>.+)/)?(?P<word>beta[12]_power)(?P<number>_\d+)?")
"""What they have once, beside the variables."""


def family_of(name: str) -> str:
    """Return the family of an optimizer that is called so: its class, however it is spelled and numbered, by Keras or TensorFlow or both.

    >>> family_of("rm_sprop_2"), family_of("AdamW"), family_of("adam_1_2"), family_of("gen_opt")
    ('rmsprop', 'adam', 'adam', 'genopt')
    """
    base = re.sub(r"(_\d+)+$", "", name).replace("_", "").lower()
    base = base.removesuffix("optimizer") or base
    return _SAME_FAMILY.get(base, base)


def family_of_words(words: Collection[str], once: Collection[str]) -> str:
    """Return the family of an optimizer of tf.keras that tells no name, by what it keeps of each variable and once.

    >>> family_of_words({"m", "v"}, {"iterations"}), family_of_words({"m", "v"}, {"iter", "decay"})
    ('adam', '')
    """
    if "decay" in once:
        return _KEPT_BEFORE.get(frozenset(words), "nadam" if "momentum_cache" in once else "")
    family = _KEPT.get(frozenset(words) - {"average", "gradient_accumulator", "vhat"}, "")
    return "nadam" if family == "adam" and "u_product" in once else family


def is_known(family: str) -> bool:
    return family in _WORDS


def kind_of(family: str, word: str) -> str:
    """Return what a word means to a family, as Keras 3 says it.

    >>> kind_of("adam", "m"), kind_of("adamax", "v"), kind_of("adam", "iter")
    ('momentum', 'norm', 'iterations')
    """
    return _WORDS.get(family, {}).get(word) or _ONCE.get(word, word)


def states_of_keys(shapes: Mapping[str, Sequence[int]]) -> dict[str, State]:
    """Return the state that the optimizers of TensorFlow 1 keep, among all variables that are known by key and shape.

    >>> states_of_keys({"w": [2], "w/Adam": [2], "w/Adam_1": [2], "n/Adam": [3]})["w/Adam_1"].owner
    'w'
    """
    found: dict[str, State] = {}
    slots = {key: slot for key in shapes if (slot := _slot(key, shapes)) and slot.owners}
    counts = Counter(optimizer[:2] for optimizer in {slot.optimizer for slot in slots.values()})
    for key, slot in slots.items():
        family, scope, place = slot.optimizer
        owner = slot.owners[0] if len(slot.owners) == 1 else None
        called = f"{scope}{place + 1} of {counts[family, scope]}"
        found[key] = State("" if owner is None else slot.kind, family, (called,), owner)
    families = {state.family for state in found.values()}
    family = families.pop() if len(families) == 1 else ""
    powers = {key: power for key in shapes if (power := _POWER.fullmatch(key))}
    places = {(power["scope"] or "", power["number"] or "") for power in powers.values()}
    count_of = Counter(scope for scope, _ in places)
    for key, power in powers.items():
        scope = power["scope"] or ""
        found[key] = State(power["word"], family, (f"{scope}/{power['number'] or ''} of {count_of[scope]}",))
    return found


@dataclass(frozen=True, slots=True)
class _Slot:
    """What an optimizer of TensorFlow 1 keeps of a variable: which optimizer, what, and whose it may be.

    The optimizer is known by its class, its scope, and its place among those of the class there; the kind is empty where numbers do not tell it.
    """

    optimizer: tuple[str, str, int]
    kind: str
    owners: Sequence[str]


def _slot(key: str, shapes: Mapping[str, Sequence[int]]) -> _Slot | None:
    """Return what a key says, if it is one of a slot. A second optimizer of a class goes on where the first one's numbers end.

    >>> shapes = {"w": [2], "w/Adagrad": [2], "w/Adagrad_1": [2]}
    >>> _slot("w/Adagrad_1", shapes).optimizer, _slot("w/Adam_2", shapes)
    (('adagrad', '', 1), None)
    """
    front, _, word = key.rpartition("/")
    name, _, number = word.rpartition("_")
    base, place = (name, int(number)) if number.isdecimal() and len(number) < len(str(_MOST_SLOTS)) else (word, 0)
    if not front or base not in SLOTS or word != _numbered(base, place):
        return None
    count = next((i for i in range(_MOST_SLOTS) if _numbered(f"{front}/{base}", i) not in shapes), _MOST_SLOTS)
    if place >= max(_WIDTHS[base], count):
        return None
    owners = _owners_of_slot(key, front, shapes)
    scope = front.removesuffix(owners[0]) if len(owners) == 1 else ""
    kinds = _kinds(base, count)
    return _Slot((SLOTS[base][0], scope, place // len(kinds)), kinds[place % len(kinds)], owners)


def _kinds(base: str, count: int) -> Sequence[str]:
    """Return what one optimizer keeps of a variable, in the order in which it is numbered, if all of its class keep so many.

    RMSProp keeps two, or three if it is centered: five or more may be of either.
    """
    if base != "RMSProp":
        return [SLOTS[_numbered(base, i)][1] for i in range(_WIDTHS[base])]
    if count == 3:
        return "velocity", "average_gradient", "momentum"
    return ("velocity", "momentum") if count < 5 else ("", "")


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _owners_of_slot(key: str, front: str, shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """Return the variables whose state a key may be: the one above it, else one within the scope of an optimizer."""
    parts = front.split("/")
    owners = ["/".join(parts[start:]) for start in range(len(parts))]
    fitting = [owner for owner in owners if owner in shapes and tuple(shapes[owner]) == tuple(shapes[key])]
    word = key.rpartition("/")[2]
    others = [owner for owner in fitting if f"{owner}/{word}" not in shapes or f"{owner}/{word}" == key]
    return others if len(others) == 1 else fitting


@dataclass(frozen=True, slots=True)
class Spelled(Generic[Owner]):
    """What the name of a piece of state says: how its optimizer is called, what it is, and of which variable."""

    optimizer: str
    word: str
    owner: Owner


class Called(Generic[Owner]):
    """The variables of one side by what TensorFlow calls them."""

    def __init__(self, names: Collection[tuple[str, Owner]]) -> None:
        self._names: dict[str, set[Owner]] = defaultdict(set)
        self._stems: dict[str, set[Owner]] = defaultdict(set)
        for name, owner in names:
            self._names[name].add(owner)
            self._stems[name.replace("/", "_")].add(owner)

    def read(self, name: str) -> Spelled[Owner] | None:
        """Return what the name of a piece of state says, or None if it can be read in several ways, or in none.

        >>> called = Called([("a/kernel", 1), ("a/bias", 2)])
        >>> [called.read(name).owner for name in ("adam/a_kernel_momentum", "Adam/m/a/kernel", "Adam/a/bias/m")]
        [1, 1, 2]
        """
        found = [*self._keras_3(name), *self._keras_2(name)]
        found = [each for each in found if is_known(family_of(each.optimizer))] or found
        return found[0] if len({(each.owner, each.word) for each in found}) == 1 else None

    def begun(self, name: str) -> tuple[str, Collection[Owner]]:
        """Return the variables with whose name that of a piece of state begins, and what follows: a word that nobody knows.

        >>> called = Called([("a/kernel", 1), ("a/bias", 2)])
        >>> called.begun("own/a_kernel_trace"), called.begun("own/trace")
        (('trace', {1}), ('', ()))
        """
        words = name.rpartition("/")[2].split("_")
        for end in range(len(words) - 1, 0, -1):
            if owners := self._stems.get("_".join(words[:end])):
                return "_".join(words[end:]), owners
        return "", ()

    def _keras_3(self, name: str) -> Iterator[Spelled[Owner]]:
        """Read ``adam/dense_kernel_momentum``."""
        front, _, last = name.rpartition("/")
        words = last.split("_")
        for end in range(1, len(words)):
            kind = "_".join(words[end:])
            if kind in KINDS:
                for owner in self._stems.get("_".join(words[:end]), ()):
                    yield Spelled(front.rpartition("/")[2], kind, owner)

    def _keras_2(self, name: str) -> Iterator[Spelled[Owner]]:
        """Read ``Adam/m/dense/kernel`` (tf.keras since 2.11, without ``Adam`` if built by hand), ``Adam/dense/kernel/m``."""
        parts = name.split("/")
        for i in range(len(parts) - 1):
            if parts[i] in KINDS:
                for owner in self._names.get("/".join(parts[i + 1 :]), ()):
                    yield Spelled(parts[i - 1] if i else "", parts[i], owner)
            if parts[-1] in KINDS and i:
                for owner in self._names.get("/".join(parts[i:-1]), ()):
                    yield Spelled(parts[i - 1], parts[-1], owner)
