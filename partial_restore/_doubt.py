"""What one variable of a layer says against loading the others. Pure; standard library only.

A name may meet and the layer be another one: then shapes, or what is missing, tell it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from partial_restore._cast import is_castable
from partial_restore._keys import AUTOMATIC, VARIABLES, WRAPPED, may_be_automatic
from partial_restore._types import Entry, Match, Name, Outcome

NUMBERED = "same number, of as many"
"""The reason of a match by a number only."""

_Layer = tuple[str, ...]
"""A layer by the segments of its name."""

_STATE = "recurrent_kernel"
_KERNELS = frozenset({"kernel", "depthwise_kernel", "pointwise_kernel", "embeddings", "gamma"})
"""Weights that tell what kind of a layer it is; a bias is in many."""

_TELLING = _KERNELS | {_STATE}

_SCALE = "_scale"
"""How the name of a weight's scale ends, before which stands that of the weight: what is quantized has one."""


@dataclass(frozen=True, slots=True)
class _Layers:
    """By layer: a variable of another shape, whether its bias is one, whether it has a recurrent kernel, and where from.

    And what kernels it has, in the model, where none of them is in the file, and in the file; and all that is of another shape.
    """

    wrong: Mapping[_Layer, Match]
    unlike: frozenset[_Layer]
    biases: frozenset[_Layer]
    recurrent: Mapping[_Layer, Match]
    kernels: Mapping[_Layer, Collection[str]]
    stored: Mapping[_Layer, Collection[str]]


def doubted(matches: Sequence[Match], sources: Iterable[Entry]) -> tuple[Match, ...]:
    """Return the matches, refused with a mismatch where their layer speaks against them, be it selected or not."""
    unlike = [match for match in matches if match.source and _is_unlike(match.target, match.source)]
    wrong = sorted(unlike, key=_weight)
    telling = [match for match in matches if _last(match.target) in _TELLING]
    recurrent = {_layer(match): match for match in telling if _last(match.target) == _STATE}
    lacking = _lacking(telling)
    if not (wrong or recurrent or lacking):
        return tuple(matches)
    layers = _Layers(
        {_layer(match): match for match in wrong},
        frozenset(match.target.called.segments for match in unlike),
        frozenset(_layer(match) for match in wrong if _last(match.target) == "bias"),
        recurrent,
        lacking,
        _kernels(sources),
    )

    def doubt(match: Match) -> Match:
        reason = _doubt(match, layers) if match.outcome is Outcome.LOADED else ""
        return match._replace(outcome=Outcome.MISMATCHED, reason=reason) if reason else match

    return tuple(map(doubt, matches))


def _doubt(match: Match, layers: _Layers) -> str:
    """Return what speaks against a match, or an empty string.

    A recurrent layer whose bias has another shape computes its gates otherwise (``reset_after`` of a GRU, cuDNN), and one
    of TensorFlow 1, which has one kernel for input and state, orders them otherwise. A layer whose kernels the file lacks, and
    has others of, is of another kind, unless the caller renamed. A weight and its scale tell nothing alone.
    """
    layer, source = _layer(match), match.source
    if source is None:
        return ""
    state, wrong = layers.recurrent.get(layer), layers.wrong.get(layer)
    if state and layer in layers.biases:
        return "the bias of its recurrent layer has another shape, so that its gates are computed otherwise"
    if state and not state.source and not state.candidates:
        return (
            "its recurrent layer has no kernel for the state in the checkpoint, so that its gates are ordered otherwise"
        )
    ours, theirs = layers.kernels.get(layer, ()), layers.stored.get(_layer_of(source), ())
    if ours and theirs and match.rule is None and not set(ours) & set(theirs):
        return f"its layer has {' and '.join(theirs)} in the checkpoint, {' and '.join(ours)} in the model"
    if wrong is None or wrong.source is None:
        return ""
    if _is_of_another_class(match.target, source):
        return f"its layer is a {source.layer} in the checkpoint, a {match.target.layer} in the model"
    if _is_of_another_kind(wrong.target, wrong.source):
        return f"its layer has other variables: {wrong.target.name} is {wrong.source.dtype} in the checkpoint"
    if len(wrong.source.shape) != len(wrong.target.shape):
        return f"its layer is another one: {wrong.target.name} has other dimensions"
    if match.reason == NUMBERED and not _is_wrapped_by_name(match.target.called, source.called):
        return f"its layer is known by a number only, and {wrong.target.name} has another shape"
    if other := next((name for name in _scaled_or_scale(_last(match.target)) if (*layer, name) in layers.unlike), ""):
        return f"it is one with {other}, which has another shape"
    return ""


def _scaled_or_scale(name: str) -> tuple[str, ...]:
    return name + _SCALE, *([name.removesuffix(_SCALE)] if name.endswith(_SCALE) else [])


def _is_unlike(target: Entry, source: Entry) -> bool:
    return source.shape != target.shape or _is_of_another_class(target, source) or _is_of_another_kind(target, source)


def _weight(match: Match) -> tuple[bool, bool]:
    """Return how much a variable says against its layer: of several the last one speaks."""
    target, source = match.target, match.source
    if source is None:
        return False, False
    return _is_of_another_kind(target, source), len(source.shape) != len(target.shape)


def _is_of_another_kind(target: Entry, source: Entry) -> bool:
    """Say whether what a file knows as the first variable of a layer, say, is of whole numbers on one side alone."""
    is_numbered = VARIABLES in source.called.segments
    return is_numbered and not is_castable(source.dtype, target.dtype, "same_kind")


def _is_of_another_class(target: Entry, source: Entry) -> bool:
    """Say whether both layers are of classes of Keras, and not of one."""
    return source.layer != target.layer and {source.layer, target.layer} <= AUTOMATIC


def _is_wrapped_by_name(target: Name, source: Name) -> bool:
    """Say whether both are of the one layer in a wrapper that was named: it needs no name of its own."""
    ours, theirs = target.segments, source.segments
    is_wrapped = len(ours) > 2 and ours[-2] in WRAPPED and ours[-3:-2] == theirs[-3:-2]
    return is_wrapped and not may_be_automatic(target, AUTOMATIC)


def _lacking(matches: Sequence[Match]) -> Mapping[_Layer, Collection[str]]:
    """Return the kernels of the layers of which the file has none: it may have one under another name."""
    met = {_layer(match) for match in matches if match.source and _last(match.target) in _KERNELS}
    return {layer: found for layer, found in _kernels(each.target for each in matches).items() if layer not in met}


def _kernels(entries: Iterable[Entry]) -> Mapping[_Layer, Collection[str]]:
    """Return by layer which of the weights it has that tell its kind."""
    found: dict[_Layer, dict[str, None]] = defaultdict(dict)
    for entry in entries:
        if _last(entry) in _KERNELS:
            found[_layer_of(entry)][_last(entry)] = None
    return found


def _layer(match: Match) -> _Layer:
    return _layer_of(match.target)


def _layer_of(entry: Entry) -> _Layer:
    return entry.called.segments[:-1]


def _last(entry: Entry) -> str:
    return entry.called.segments[-1]
