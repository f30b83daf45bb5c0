"""What segments of names may be: chosen, a place in a list, or a number that Keras or TensorFlow made up. Pure; standard library only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from partial_restore._types import Name

Part = str | tuple[str, int, int, int | str]
"""A segment as it is compared: itself; or the kind of a position, its rank, their number, and the rank of its place.

Of a place in a list it is the number itself, their number, and which numbers there are.
"""

Key = tuple[Part, ...]
Prefix = tuple[str, ...]

AUTOMATIC = frozenset(
    "model functional sequential dense einsum_dense embedding reversible_embedding conv1d conv2d conv3d "
    "conv1d_transpose conv2d_transpose conv3d_transpose depthwise_conv1d depthwise_conv2d separable_conv1d "
    "separable_conv2d locally_connected1d locally_connected2d batch_normalization batch_normalization_v1 "
    "sync_batch_normalization layer_normalization group_normalization rms_normalization unit_normalization "
    "spectral_normalization normalization lstm gru simple_rnn rnn cell lstm_cell gru_cell simple_rnn_cell "
    "stacked_rnn_cells conv_lstm1d conv_lstm2d conv_lstm3d conv_lst_m1d conv_lst_m2d conv_lst_m3d cu_dnnlstm "
    "cu_dnngru bidirectional time_distributed multi_head_attention group_query_attention grouped_query_attention "
    "attention additive_attention p_re_lu dense_features seed_generator container Variable variable".split()
)
"""Names that both Keras and tf.layers number on their own. A target adds those of its own classes."""

_INPUTS = frozenset({"input", "input_layer", "keras_tensor"})
"""What Keras calls inputs, numbering them on its own."""

SCOPES = frozenset(
    "basic_lstm_cell multi_rnn_cell nas_cell attention_wrapper Conv Conv2d Conv2d_transpose "
    "SeparableConv2d fully_connected BatchNorm LayerNorm InstanceNorm GroupNorm conv_2d batch_norm layer_norm".split()
)
"""Names that other libraries of TensorFlow 1 number on their own: tf_slim, Sonnet 1. Keras does not: there somebody chose them."""

MODELS = frozenset({"functional", "sequential"})
"""Those of them that are names of models."""

SAYING_NOTHING = frozenset("model _model net _net network module root".split())
"""What people call a model where there is only one."""

CONTAINER = "container"
"""What Keras 3 numbers lists within lists with."""

VARIABLES = "vars"
"""Under this segment Keras 3 stores the variables of one layer, numbered."""

GLOBAL_STEP = "global_step"
"""What TensorFlow calls the step of training, beside the scopes of a graph."""

ALONE = " alone"
"""The end of the key of a layer that is known by the one around it, in which it is the only one."""

WRAPPED = ("cell", "layer")
"""Attributes under which a recurrent layer and a wrapper keep the layer within."""

_SAME = {"model": "functional", "Variable": "variable"}
"""What Keras 3 numbers with another word than Keras 2 and TensorFlow."""

CELL = re.compile(r"(.+_)?cell")
HALVES = ("forward_", "backward_")
"""What the names of the layers in a bidirectional one begin with."""

_NUMBERED = re.compile(r"(.+)_(\d+)")
_NUMBERS = re.compile(r"_?\d+")
_UNNAMED = re.compile(r"[Vv]ariable(_\d+)?")
_MOST_NUMBER = 10**6
"""No class has so many layers."""
_PLACE = re.compile(r"(\d+) of (\d+)")
OF = " of "
"""The kind of a place among all members of a layer list: what is known of a layer of which no name is."""


def place_of(number: int, total: int) -> str:
    """Return the segment that stands for a member of a layer list without a name, counted from one."""
    return f"{number} of {total}"


def is_place(segment: str) -> bool:
    """Say whether a segment stands for a layer without a name."""
    return OF in segment and _PLACE.fullmatch(segment) is not None


def positions_of(name: Name, pins: int, bases: frozenset[str]) -> Sequence[tuple[str, int] | None]:
    """Return (kind, number) of the segments that are positions, None of those that were chosen or are among the first ``pins``; nothing if all were chosen."""
    if name.tells_all:
        return ()
    return [
        _position(segment, bool(name.said[i]), bases) if i >= pins else None for i, segment in enumerate(name.segments)
    ]


def uniquified(names: Iterable[Name]) -> set[str]:
    """Return the names that TensorFlow made unique by a number: ``weights`` where ``weights_1`` stands beside it.

    Only names of which nothing is known can be meant: those of a graph, and of a file without an object graph.
    """
    held: dict[Prefix, set[str]] = defaultdict(set)
    for name in names:
        if not any(name.said):  # None of them is known to be chosen.
            for i, segment in enumerate(name.segments):
                held[name.segments[:i]].add(segment)
    return {
        numbered[1]
        for siblings in held.values()
        for segment in siblings
        if (numbered := _NUMBERED.fullmatch(segment)) and numbered[1] in siblings
    }


def is_own_name(last: str) -> bool:
    """Say whether a variable was given its name: if not, Keras 3 numbers it as ``variable_1``."""
    return _UNNAMED.fullmatch(last) is None


def counted_from_zero(words: Collection[str]) -> frozenset[str]:
    """Return the classes whose layers a person numbered: Keras calls the first of a class without a number, nobody's but ``block_0``.

    >>> sorted(counted_from_zero(["block_0", "block_2", "cell", "cell_0", "dense_0"]))
    ['block']
    """
    firsts = {word[:-2] for word in words if word.endswith("_0")}
    return frozenset(base for base in firsts if base not in AUTOMATIC | SCOPES and base not in words)


def counted_on_one_side(ours: Collection[str], theirs: Collection[str]) -> frozenset[str]:
    """Return the classes whose layers a person numbered on one side, if the other one has numbers only: of Keras, or a person's.

    >>> sorted(counted_on_one_side(["block_0", "dense_0", "cell_0"], ["block_1", "dense", "dense_1"]))
    ['block']
    """
    sides = ours, theirs
    firsts = [{word[:-2] for word in side if word.endswith("_0") and word[:-2] not in side} for side in sides]
    numbered = [{unnumbered_word(word) for word in side} for side in sides]
    return frozenset((firsts[0] ^ firsts[1]) & numbered[0] & numbered[1] - {*ours, *theirs})


def counted_with_gaps(ours: Iterable[Name], theirs: Iterable[Name], classes: Collection[str]) -> frozenset[str]:
    """Return those classes of which both sides have as many layers in one place, with other gaps in their numbers, and some of one name.

    Keras counts on from one layer to the next, wherever it begins: a person has taken one out and put one in.

    >>> one, two, three = (Name((f"block_{i}", "w"), (False, True)) for i in (1, 2, 3))
    >>> [sorted(counted_with_gaps([one, two], [each, three], ["block"])) for each in (one, two)]
    [['block'], []]
    """
    if not classes:
        return frozenset()
    here, there = (_numbers(names, classes) for names in (ours, theirs))
    return frozenset(
        base
        for base, scope in here.keys() & there.keys()
        if len(one := sorted(here[base, scope])) == len(other := sorted(there[base, scope]))
        and {*one} & {*other}
        and len({number - beside for number, beside in zip(one, other, strict=True)}) > 1
    )


def _numbers(names: Iterable[Name], classes: Collection[str]) -> Mapping[tuple[str, Prefix], set[int]]:
    """Return the numbers of the layers of classes, the first of which has none, by what stands before them but for numbers."""
    found: dict[tuple[str, Prefix], set[int]] = defaultdict(set)
    for name in names:
        for i, segment in enumerate(name.segments):
            if not name.said[i] and (base := unnumbered_word(segment) or segment) in classes:
                scope = tuple(unnumbered_word(each) or each for each in name.segments[:i])
                found[base, scope].add(int(segment[len(base) + 1 :] or 0))
    return found


def unnumbered_word(word: str) -> str:
    """Return what stands before the number of a segment, or an empty string."""
    found = _NUMBERED.fullmatch(word)
    return found[1] if found else ""


@lru_cache
def one_of(bases: frozenset[str]) -> frozenset[str]:
    """Return the same object for all equal sets: as one of the arguments of a cached function it is then compared at once."""
    return bases


@lru_cache(maxsize=1 << 16)
def _position(segment: str, is_said: bool, bases: frozenset[str]) -> tuple[str, int] | None:
    """Return (kind, number) if a segment is a position: a place in a list or an automatic name."""
    if segment.isdecimal():
        return "", int(segment)
    if is_said:
        return None
    if place := _PLACE.fullmatch(segment):
        return OF, int(place[1])
    numbered = _NUMBERED.fullmatch(segment)
    if numbered and _is_automatic(numbered[1], bases):
        return _merged(numbered[1], int(numbered[2]), bases)
    return (counted_as(segment), -1) if _is_automatic(segment, bases) else None


def _merged(base: str, number: int, bases: frozenset[str]) -> tuple[str, int]:
    """Return the kind and number of a position: ``block_2`` may be the third of a class or one of ``Block_2``, so these are counted together."""
    numbered = _NUMBERED.fullmatch(base)
    if numbered and _is_automatic(numbered[1], bases):
        return _merged(numbered[1], int(numbered[2]) * _MOST_NUMBER + number, bases)
    return counted_as(base), number


def counted_as(base: str) -> str:
    """Return the word that stands for all with which one class may be numbered."""
    return _SAME.get(base) or unprivate(base)


@lru_cache(maxsize=1 << 16)
def without_numbers(name: str) -> str:
    """Return a name without numbers, wherever they stand.

    >>> without_numbers("ema_dense_3_kernel"), without_numbers("w0")
    ('ema_dense_kernel', 'w')
    """
    return _NUMBERS.sub("", name)


def unprivate(name: str) -> str:
    """Return the name of a private class without what Keras 2 puts before it.

    >>> unprivate("private__net"), unprivate("private_net")
    ('__net', 'private_net')
    """
    return name.removeprefix("private") if name.startswith("private__") else name


def may_be_automatic(name: Name, bases: frozenset[str]) -> bool:
    """Say whether a segment looks as if Keras had made it up."""
    return any(position and position[0] for position in positions_of(name, 0, bases))


def is_chosen_input(name: str) -> bool:
    """Say whether somebody gave an input its name.

    >>> [name for name in ("user", "user_1", "input_1", "input_layer") if is_chosen_input(name)]
    ['user', 'user_1']
    """
    base, _, number = name.rpartition("_")
    return name not in _INPUTS and not (number.isdecimal() and base in _INPUTS)


Front = tuple[str, str, str]
"""What the name of a layer was made of: the class of another one, the number of that, and the rest."""


def front_of(segment: str, bases: Collection[str]) -> Front | None:
    """Return (class, number, rest) of a name that looks as if made of the automatic one of a layer of the model's own classes: ``f"{self.name}_query"``.

    >>> front_of("my_net_3_query", ["my_net"]), front_of("my_net_query", ["my_net"]), front_of("dense_3_query", ["my_net"])
    (('my_net', '3', 'query'), ('my_net', '', 'query'), None)
    """
    words = segment.split("_")
    for i in range(1, len(words)):
        front = "_".join(words[:i])
        if front in bases and front not in AUTOMATIC:
            number = words[i] if words[i].isdecimal() and i + 1 < len(words) else ""
            return front, number, "_".join(words[i + 1 if number else i :])
    return None


def _is_automatic(base: str, bases: frozenset[str]) -> bool:
    """Say whether Keras counts with this name; the halves of a bidirectional layer are called after its layer."""
    return unprivate(base) in bases or (base.startswith(HALVES) and base.partition("_")[2] in bases)


def is_part(segment: str) -> bool:
    """Say whether a name is that of a part of a layer, which every layer of its class has."""
    return segment in (VARIABLES, "layer", *(f"{half}layer" for half in HALVES)) or bool(CELL.fullmatch(segment))


def ends_with(name: str, own: str) -> bool:
    """Say whether a variable is named as it is called, be it below something, or that be below something else.

    >>> ends_with("net/dense/kernel", "dense/kernel"), ends_with("net/w", "w")
    (True, False)
    """
    ours, theirs = name.split("/"), own.split("/")
    depth = min(len(ours), len(theirs))
    return name == own or (depth > 1 and ours[-depth:] == theirs[-depth:])


def is_chosen(part: Part) -> bool:
    """Say whether somebody chose a part of a key: no number, nor what every layer of its class has."""
    return isinstance(part, str) and not is_part(part)


def is_said(key: Key) -> bool:
    """Say whether all parts of a key are names that were chosen."""
    return tuple not in map(type, key)


def unnumbered(key: Key) -> Key:
    """Return the key without its numbers; that of a variable goes only where nothing else is one."""
    blurred = tuple(part if isinstance(part, str) else (part[0], 0, 0, 0) for part in key)
    return blurred if blurred != key else (*key[:-1], "")
