"""Generated models are saved, edited and restored: every value goes where it came from, or nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import pytest
from generated.cases import case_of, held, judge, ours, rebuild, save
from generated.files import FORMATS
from generated.oracle import Side, certain, unseen
from generated.specs import RICH, Layer

ALL_FORMATS = pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 10), reason="this Keras does not write all formats"
)
CASES = 200
CHUNK = 10
FIRST = [*range(0, CASES, CHUNK), *range(RICH, RICH + CASES, CHUNK)]


@ALL_FORMATS
@pytest.mark.parametrize("first", FIRST)
def test_no_value_goes_to_a_variable_of_another_origin(first: int, tmp_path: Path) -> None:
    defects = []
    for seed in range(first, first + CHUNK):
        folder = tmp_path / str(seed)
        folder.mkdir()
        saved = save(case_of(seed), folder)
        verdict = ours(saved, rebuild(saved))
        defects += [str(verdict)] if verdict.defects else []
    assert not defects, "\n\n".join(defects)


def test_every_format_is_drawn() -> None:
    seeds = [*range(CASES), *range(RICH, RICH + CASES)]
    assert {case_of(seed).form for seed in seeds} == FORMATS.keys()


def test_a_wrong_load_is_seen(tmp_path: Path) -> None:
    """The judge is no rubber stamp: two layers whose values were exchanged are wrong, however they are called."""
    for seed in range(CASES):
        saved = save(replace(case_of(seed), form="live"), tmp_path)
        made = rebuild(saved)
        before = held(made)
        pairs = [(ours, theirs) for ours in before for theirs in saved.values if ours[0] != theirs[0]]
        fitting = [pair for pair in pairs if before[pair[0]].shape == saved.values[pair[1]].shape]
        if fitting:
            break
    target, source = fitting[0]
    verdict = judge(saved, made, before, before | {target: saved.values[source]})
    assert verdict.counts["wrong"] + verdict.counts["unseen"] == 1


def dense(uid: int, name: str | None = None) -> Layer:
    return Layer(uid, "dense", name=name)


def side(*members: Layer, form: str = "live", wide: int = 0) -> Side:
    """Return a Sequential model of dense layers, of which one may be wider than the others."""
    shapes = {(each.uid, "kernel"): (4, 5 if each.uid == wide else 4) for each in members}
    return Side(Layer(0, "sequential", members=members), shapes, form)


def test_equal_layers_without_names_that_changed_places_cannot_be_seen() -> None:
    assert unseen(side(dense(1), dense(2)), side(dense(2), dense(1))) == {2: {1}, 1: {2}}


@pytest.mark.parametrize(
    "edited",
    [
        side(dense(2)),  # One was removed.
        side(dense(3), dense(1), dense(2)),  # One was inserted.
        side(dense(2), dense(1), wide=2),  # One has another shape.
        side(dense(2, "a"), dense(1)),  # One has a name.
    ],
)
def test_what_differs_can_be_seen(edited: Side) -> None:
    assert unseen(side(dense(1), dense(2)), edited) == {}


def test_names_tell_where_the_format_keeps_them() -> None:
    before, after = (dense(1, "a"), dense(2, "b")), (dense(2, "b"), dense(1, "a"))
    assert certain(side(*before), side(*after)) == {1, 2}
    assert unseen(side(*before), side(*after)) == {}
    assert certain(side(*before, form="unlabelled"), side(*after, form="unlabelled")) == set()
    assert unseen(side(*before, form="unlabelled"), side(*after, form="unlabelled")) == {2: {1}, 1: {2}}


def test_what_is_left_may_look_like_an_inner_model_that_was_taken_out() -> None:
    inner = Layer(3, "functional", name="v", members=(dense(2, "norm"),))
    saved = replace(side(dense(1), dense(2)), spec=Layer(0, "sequential", members=(dense(1, "head"), inner)))
    assert unseen(saved, side(dense(1, "norm"))) == {1: {2}}
    assert unseen(saved, side(dense(1, "norm"), dense(4, "other"))) == {}  # It had no such layer.


def test_what_takes_the_name_of_a_layer_in_a_list_of_which_the_file_has_no_more() -> None:
    net = Layer(0, "net", members=(replace(dense(1, "q"), home="dict", key="q"), replace(dense(2), key="fc")))
    edited = replace(net, members=(replace(dense(2, "q"), key="q"),))
    sides = [replace(side(*each.members, form="bare"), spec=each) for each in (net, edited)]
    assert unseen(*sides) == {2: {1}}


def test_a_model_of_which_no_layer_is_left_may_be_another_one() -> None:
    inner, norm = dense(1), Layer(1, "layer_norm")
    outer = Layer(9, "sequential", members=(Layer(0, "sequential", members=(norm,)), dense(2)))
    assert unseen(side(inner), replace(side(norm, dense(2)), spec=outer)) == {2: {1}}
    kept = Layer(9, "sequential", members=(Layer(0, "sequential", members=(inner,)), dense(2)))
    assert unseen(side(inner), replace(side(inner, dense(2)), spec=kept)) == {}  # It is still in there.


def test_a_layer_that_was_renamed_is_another_one() -> None:
    assert certain(side(dense(1, "a")), side(dense(1, "b"))) == set()


HARD = (
    20177, 20983, 30151, 30682, 31082, 31296, 31977, 40195, 41431, 50236, 50846, 51254, 51960, 90492, 110293, 110319,
    112957, 120359, 120561, 121577, 140440, 140858, 141077,
    150281, 150653, 151794,
    200043, 190600, 191455, 192530, 193786, 195889, 201218, 205016, 205212, 205219,
    206347, 206379, 206566, 210027, 210290, 220581, 240218,
    211906, 240049, 250419, 250501, 250520, 260477, 261833, 263778, 263882, 264154, 264237, 264605, 270937,
    264318, 280752, 290079, 300384, 300989, 302698, 304047, 304152, 305324, 306272,
    321184, 340007, 340402, 340957, 342257, 342513, 344405, 355247, 355884, 357975, 366213, 366675, 372164, 376653, 377231, 377749, 383638, 387166, 393346, 396053, 403466, 405310, 408082, 409071, 409785,
    409920, 410404, 410935, 412508, 421942, 423211, 424128, 425899, 427736, 441229, 443275, 444473, 454819, 463320, 466040, 471849, 472413, 475542, 478542, 481719, 482498, 486100, 486367,
    487632, 490553, 492160, 492504, 503350, 1177, 1359, 516548, 538152, 518930,
)  # fmt: skip
"""Seeds at which a value went astray once, or a layer with a name was missed."""


@ALL_FORMATS
@pytest.mark.parametrize("seed", HARD)
def test_what_went_wrong_once_does_so_no_more(seed: int, tmp_path: Path) -> None:
    saved = save(case_of(seed), tmp_path)
    verdict = ours(saved, rebuild(saved))
    assert not verdict.defects, str(verdict)
