"""Deciding: a table of cases, each a way to take one tensor for another, and the laws that hold for all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from entries import attribute, layer, mixed, placed, tensor, variable, wrapped
from hypothesis import given, settings
from hypothesis import strategies as st

from partial_restore._plan import Request, decide
from partial_restore._select import compile_patterns, compile_rename
from partial_restore._types import Decision, Entry, Outcome

LOADED, MISSING, AMBIGUOUS = Outcome.LOADED, Outcome.MISSING, Outcome.AMBIGUOUS
COLLIDED, MISMATCHED, UNCASTABLE, UNSELECTED = (
    Outcome.COLLIDED,
    Outcome.MISMATCHED,
    Outcome.UNCASTABLE,
    Outcome.UNSELECTED,
)


def request(**options: Any) -> Request:
    return Request(
        compile_patterns(options.pop("include"), lambda _: None) if "include" in options else None,
        compile_patterns(options.pop("exclude", None), lambda _: None),
        compile_rename(options.pop("rename", None)),
        **options,
    )


def told(decision: Decision) -> dict[str, object]:
    """What became of each variable: the name of the tensor that it loads, or the outcome."""
    return {
        match.target.name: match.source.name if match.outcome is LOADED and match.source else match.outcome
        for match in decision.matches
    }


def numbered(base: str, count: int, shape: tuple[int, ...] = (2,)) -> list[Entry]:
    return [layer(f"{base}_{i}/kernel" if i else f"{base}/kernel", shape=shape) for i in range(count)]


TABLE = {
    "same names": ([layer("a/w"), layer("b/w")], [layer("b/w"), layer("a/w")], {}, {"a/w": "a/w", "b/w": "b/w"}),
    "a place in the order is no identity": ([layer("b/w")], [layer("a/w"), layer("b/w")], {}, {"b/w": "b/w"}),
    "an equal shape is no identity": ([layer("c/w")], [layer("a/w")], {}, {"c/w": MISSING}),
    "a part of a segment is no name": ([layer("head/w")], [layer("head2/w"), layer("he/w")], {}, {"head/w": MISSING}),
    "a suffix is no name": ([layer("a/w")], [tensor("a/w/Adam")], {}, {"a/w": MISSING}),
    "automatic names of one architecture": (
        [layer("dense_7/kernel"), layer("dense_9/kernel")],
        [layer("dense/kernel"), layer("dense_1/kernel")],
        {},
        {"dense_7/kernel": "dense/kernel", "dense_9/kernel": "dense_1/kernel"},
    ),
    "numbers are ordered as numbers": (
        [layer(f"dense_{i}/kernel") for i in range(9, 12)],
        [layer(f"dense_{i}/kernel") for i in (2, 10, 9)],
        {},
        {"dense_9/kernel": "dense_2/kernel", "dense_10/kernel": "dense_9/kernel", "dense_11/kernel": "dense_10/kernel"},
    ),
    "an automatic name more is undecidable": (
        numbered("dense", 3),
        numbered("dense", 2),
        {},
        dict.fromkeys(["dense/kernel", "dense_1/kernel", "dense_2/kernel"], AMBIGUOUS),
    ),
    "an automatic name less is undecidable": (
        numbered("dense", 2),
        numbered("dense", 3),
        {},
        dict.fromkeys(["dense/kernel", "dense_1/kernel"], AMBIGUOUS),
    ),
    "other kinds stay decided": (
        [*numbered("dense", 3), layer("conv2d_4/kernel")],
        [*numbered("dense", 2), layer("conv2d/kernel")],
        {"exclude": "dense*"},
        {
            "dense/kernel": UNSELECTED,
            "dense_1/kernel": UNSELECTED,
            "dense_2/kernel": UNSELECTED,
            "conv2d_4/kernel": "conv2d/kernel",
        },
    ),
    "a removed layer does not hand its values on": (
        [layer("dense/kernel", shape=(4, 4)), layer("dense_1/kernel", shape=(4, 3))],
        [
            layer("dense/kernel", shape=(4, 4)),
            layer("dense_1/kernel", shape=(4, 3)),
            layer("dense_2/kernel", shape=(3, 3)),
        ],
        {},
        {"dense/kernel": AMBIGUOUS, "dense_1/kernel": AMBIGUOUS},
    ),
    "an automatic name without one of its shape is missing": (
        [*numbered("dense", 2), layer("dense_2/kernel", shape=(7,))],
        numbered("dense", 2),
        {"exclude": ["dense/kernel", "dense_1/kernel"]},
        {"dense/kernel": UNSELECTED, "dense_1/kernel": UNSELECTED, "dense_2/kernel": MISSING},
    ),
    "a number that a person gave is a name": (
        [attribute("dense_1/w")],
        [attribute("dense_1/w"), attribute("dense/w")],
        {},
        {"dense_1/w": "dense_1/w"},
    ),
    "an attribute is not an automatic name": (
        [layer("dense_1/w")],
        [attribute("dense_1/w"), attribute("dense_2/w")],
        {},
        {"dense_1/w": MISSING},
    ),
    "places in lists of one length": (
        [attribute("l/0/w"), attribute("l/1/w")],
        [attribute("l/0/w"), attribute("l/1/w")],
        {},
        {"l/0/w": "l/0/w", "l/1/w": "l/1/w"},
    ),
    "places in a longer list": (
        [attribute("l/0/w"), attribute("l/1/w")],
        [attribute("l/0/w")],
        {},
        {"l/0/w": AMBIGUOUS, "l/1/w": AMBIGUOUS},
    ),
    "variables that nobody named": (
        [variable("Variable"), variable("Variable_1")],
        [tensor("Variable"), tensor("Variable_1"), tensor("Variable_2")],
        {},
        {"Variable": AMBIGUOUS, "Variable_1": AMBIGUOUS},
    ),
    "names that TensorFlow made unique": (
        [variable("weights"), variable("weights_1"), variable("weights_2")],
        [tensor("weights"), tensor("weights_1")],
        {},
        dict.fromkeys(["weights", "weights_1", "weights_2"], AMBIGUOUS),
    ),
    "a name that was unique before": (
        [variable("weights"), variable("weights_1")],
        [tensor("weights")],
        {},
        dict.fromkeys(["weights", "weights_1"], AMBIGUOUS),
    ),
    "cells of a recurrent network": (
        [variable(f"rnn/multi_rnn_cell/cell_{i}/kernel") for i in range(3)],
        [tensor(f"rnn/multi_rnn_cell/cell_{i}/kernel") for i in range(2)],
        {},
        {f"rnn/multi_rnn_cell/cell_{i}/kernel": AMBIGUOUS for i in range(3)},
    ),
    "names as they are listed": (
        [tensor("model/dense/w"), tensor("model/dense_1/w"), tensor("step")],
        [mixed("model/dense/w", 1), mixed("model/dense_1/w", 1), attribute("step")],
        {},
        {"model/dense/w": "model/dense/w", "model/dense_1/w": "model/dense_1/w", "step": "step"},
    ),
    "an attribute called as a class": (
        [attribute("dense/w")],
        [tensor("dense/w"), tensor("b")],
        {},
        {"dense/w": "dense/w"},
    ),
    "a name that two tensors share": (
        [layer("m1/a/w", "a/w")],
        [layer("0/a/w", "a/w")._replace(key="1"), layer("1/a/w", "a/w")._replace(key="2")],
        {},
        {"m1/a/w": AMBIGUOUS},
    ),
    "names that lead to two tensors": (
        [attribute("b/w", "a/w")._replace(given=tensor("a/w").given)],
        [layer("a/w"), layer("b/w")],
        {},
        {"b/w": AMBIGUOUS},
    ),
    "a given name that two tensors share": (
        [attribute("m/w", "a/w")],
        [attribute("x/w", "a/w"), attribute("y/w", "a/w")],
        {},
        {"m/w": AMBIGUOUS},
    ),
    "a tensor claimed by the path of one and the name of another": (
        [attribute("b/w"), attribute("a/w", "b/w")],
        [layer("b/w")],
        {},
        {"b/w": AMBIGUOUS, "a/w": AMBIGUOUS},
    ),
    "a tied layer in the file, untied in the model": (
        [layer("a/w"), layer("b/w")],
        [layer("a/w", "b/w")],
        {},
        {"a/w": "a/w", "b/w": "a/w"},
    ),
    "a tied layer in the model, untied in the file": (
        [layer("a/w", "b/w")],
        [layer("a/w"), layer("b/w")],
        {},
        {"a/w": AMBIGUOUS},
    ),
    "the root of the file": (
        [layer("a/w"), layer("b/w")],
        [attribute("model/a/w"), attribute("model/b/w"), tensor("step")],
        {},
        {"a/w": "model/a/w", "b/w": "model/b/w"},
    ),
    "the root of the model": (
        [attribute("net/a/w"), attribute("net/b/w")],
        [layer("a/w"), layer("b/w")],
        {},
        {"net/a/w": "a/w", "net/b/w": "b/w"},
    ),
    "a wrapped model": (
        [mixed("body/a/w", 1), attribute("head/w")],
        [layer("a/w")],
        {},
        {"body/a/w": "a/w", "head/w": MISSING},
    ),
    "a wrapped model with two ways to say so": (
        [layer("body/a/w", "1/a/w"), layer("body/b/w", "1/b/w")],
        [layer("a/w"), layer("b/w")],
        {},
        {"body/a/w": "a/w", "body/b/w": "b/w"},
    ),
    "two that could be wrapped": (
        [attribute("enc/a/w"), attribute("dec/a/w")],
        [layer("a/w")],
        {},
        {"enc/a/w": AMBIGUOUS, "dec/a/w": AMBIGUOUS},
    ),
    "one of two models in a file": (
        [attribute("g0/w"), attribute("g1/w")],
        [attribute("gen/g0/w"), attribute("gen/g1/w"), attribute("dis/d0/w")],
        {},
        {"g0/w": "gen/g0/w", "g1/w": "gen/g1/w"},
    ),
    "two models alike in a file": (
        [attribute("d0/w"), attribute("d1/w"), attribute("d2/w")],
        [attribute("gen/d0/w"), attribute("gen/d1/w"), attribute("gen/d2/w"), attribute("dis/d0/w")],
        {},
        {"d0/w": AMBIGUOUS, "d1/w": AMBIGUOUS, "d2/w": AMBIGUOUS},
    ),
    "an inner model called as the root": (
        [attribute("d/w"), attribute("model/d/w")],
        [attribute("model/d/w"), attribute("model/model/d/w")],
        {},
        {"d/w": "model/d/w", "model/d/w": "model/model/d/w"},
    ),
    "an inner model called as the root, undecidable": (
        [attribute("model/d/w"), attribute("model/e/w")],
        [attribute("model/d/w"), attribute("model/model/d/w")],
        {},
        {"model/d/w": AMBIGUOUS, "model/e/w": MISSING},
    ),
    "an attribute renamed is no root": (
        [attribute("backbone/w")],
        [attribute("encoder/w")],
        {},
        {"backbone/w": MISSING},
    ),
    "an inner layer is not the outer one of its name": (
        [attribute("d0/w"), attribute("d1/w"), attribute("head/w")],
        [attribute("enc/d0/w"), attribute("d1/w"), attribute("head/w")],
        {},
        {"d0/w": MISSING, "d1/w": "d1/w", "head/w": "head/w"},
    ),
    "wrapped, and the wrapper has a head as well": (
        [attribute("body/mid/w"), attribute("body/head/w"), attribute("head/w")],
        [attribute("mid/w"), attribute("head/w")],
        {},
        {"body/mid/w": "mid/w"} | dict.fromkeys(["body/head/w", "head/w"], AMBIGUOUS),
    ),
    "unwrapped, and the wrapper had a head as well": (
        [attribute("mid/w"), attribute("head/w")],
        [attribute("body/mid/w"), attribute("body/head/w"), attribute("head/w")],
        {},
        dict.fromkeys(["mid/w", "head/w"], AMBIGUOUS),
    ),
    "unwrapped below the root of the file": (
        [layer("mid/w"), layer("head/w")],
        [attribute("model/body/mid/w"), attribute("model/body/head/w"), attribute("model/head/w")],
        {},
        dict.fromkeys(["mid/w", "head/w"], AMBIGUOUS),
    ),
    "numbers that are keys": (
        [attribute("heads/16/w"), attribute("heads/32/w")],
        [attribute("heads/16/w"), attribute("heads/32/w")],
        {},
        {"heads/16/w": "heads/16/w", "heads/32/w": "heads/32/w"},
    ),
    "a list in which something without variables came before": (
        [attribute("heads/1/w"), attribute("heads/2/w")],
        [attribute("heads/0/w"), attribute("heads/1/w")],
        {},
        {"heads/1/w": AMBIGUOUS, "heads/2/w": AMBIGUOUS},
    ),
    "a list in which something without variables stands between": (
        [attribute("heads/0/w"), attribute("heads/2/w"), attribute("heads/3/w")],
        [attribute("heads/0/w"), attribute("heads/1/w"), attribute("heads/3/w")],
        {},
        dict.fromkeys(["heads/0/w", "heads/2/w", "heads/3/w"], AMBIGUOUS),
    ),
    "a chosen name that looks automatic, among automatic ones": (
        [placed("dense/w", 1), placed("dense_7/w", 2), placed("dense_1/w", 3)],
        [placed("dense/w", 1), placed("dense_1/w", 2), placed("dense_2/w", 3)],
        {},
        {"dense/w": "dense/w", "dense_7/w": AMBIGUOUS, "dense_1/w": AMBIGUOUS},
    ),
    "layers made in another order than they are used in": (
        [placed("dense_4/w", 2), placed("dense_5/w", 1)],
        [placed("dense/w", 2), placed("dense_1/w", 1)],
        {},
        {"dense_4/w": "dense/w", "dense_5/w": "dense_1/w"},
    ),
    "layers made in another order than before": (
        [placed("dense_4/w", 1), placed("dense_5/w", 2)],
        [placed("dense/w", 2), placed("dense_1/w", 1)],
        {},
        dict.fromkeys(["dense_4/w", "dense_5/w"], AMBIGUOUS),
    ),
    "one row of numbers for the layers of two containers": (
        [attribute("enc/x/w", "dense_7/w"), attribute("dec/x/w", "dense_8/w")],
        [tensor("dense/w"), tensor("dense_1/w")],
        {},
        dict.fromkeys(["enc/x/w", "dec/x/w"], AMBIGUOUS),
    ),
    "a mapping on both sides does not make numbers names": (
        [tensor("dense/w"), tensor("dense_1/w")],
        [tensor("dense/w"), tensor("dense_1/w"), tensor("dense_2/w")],
        {},
        dict.fromkeys(["dense/w", "dense_1/w"], AMBIGUOUS),
    ),
    "halves of a bidirectional layer": (
        [layer("bidirectional_2/forward_lstm_5/w"), layer("bidirectional_2/backward_lstm_5/w")],
        [layer("bidirectional/forward_lstm/w"), layer("bidirectional/backward_lstm/w")],
        {},
        {
            "bidirectional_2/forward_lstm_5/w": "bidirectional/forward_lstm/w",
            "bidirectional_2/backward_lstm_5/w": "bidirectional/backward_lstm/w",
        },
    ),
    "a number that another shape disproves": (
        [layer("dense/kernel", shape=(4, 3)), layer("dense/bias"), layer("other/w")],
        [layer("dense/kernel", shape=(4, 4)), layer("dense/bias"), layer("other/w")],
        {},
        {"dense/kernel": MISMATCHED, "dense/bias": MISMATCHED, "other/w": "other/w"},
    ),
    "a number that the shape of an excluded variable disproves": (
        [layer("dense/kernel", shape=(4, 3)), layer("dense/bias"), layer("other/w")],
        [layer("dense/kernel", shape=(4, 4)), layer("dense/bias"), layer("other/w")],
        {"exclude": "dense/kernel"},
        {"dense/kernel": UNSELECTED, "dense/bias": MISMATCHED, "other/w": "other/w"},
    ),
    "a name that another shape does not disprove": (
        [layer("d/kernel", shape=(4, 3)), layer("d/bias")],
        [layer("d/kernel", shape=(4, 4)), layer("d/bias")],
        {},
        {"d/kernel": MISMATCHED, "d/bias": "d/bias"},
    ),
    "a wrapper with a name names what it wraps": (
        [wrapped("fc", "kernel", shape=(4, 3)), wrapped("fc", "bias")],
        [layer("fc/dense/kernel", shape=(4, 4)), layer("fc/dense/bias")],
        {},
        {"fc/layer/kernel": MISMATCHED, "fc/layer/bias": "fc/dense/bias"},
    ),
    "a wrapper with a number names nothing": (
        [wrapped("time_distributed", "kernel", shape=(4, 3)), wrapped("time_distributed", "bias"), layer("other/w")],
        [layer("time_distributed/dense/kernel", shape=(4, 4)), layer("time_distributed/dense/bias"), layer("other/w")],
        {},
        {
            **dict.fromkeys(["time_distributed/layer/kernel", "time_distributed/layer/bias"], MISMATCHED),
            "other/w": "other/w",
        },
    ),
    "rename a prefix": (
        [layer("a/w")],
        [tensor("tower/a/w"), tensor("a/w/v")],
        {"rename": {"tower/": ""}},
        {"a/w": "tower/a/w"},
    ),
    "rename nothing to a prefix": ([attribute("b/a/w")], [layer("a/w")], {"rename": {"": "b/"}}, {"b/a/w": "a/w"}),
    "rename does not assert the automatic names below": (
        numbered("dense", 3),
        [tensor("tower/dense/kernel"), tensor("tower/dense_1/kernel")],
        {"rename": {"tower/": ""}},
        dict.fromkeys(["dense/kernel", "dense_1/kernel", "dense_2/kernel"], AMBIGUOUS),
    ),
    "rename asserts what it spells out": (
        numbered("dense", 3),
        numbered("dense", 2),
        {"rename": {"dense": "dense", "dense_1": "dense_2"}},
        {"dense/kernel": "dense/kernel", "dense_1/kernel": MISSING, "dense_2/kernel": "dense_1/kernel"},
    ),
    "rename swaps": (
        [layer("a/w"), layer("b/w")],
        [layer("a/w"), layer("b/w")],
        {"rename": {"a": "b", "b": "a"}},
        {"a/w": "b/w", "b/w": "a/w"},
    ),
    "rename onto a name that is taken": (
        [layer("a/w")],
        [layer("a/w"), layer("b/w")],
        {"rename": {"b": "a"}},
        {"a/w": COLLIDED},
    ),
    "rename two to one": (
        [layer("c/w")],
        [layer("a/w"), layer("b/w")],
        {"rename": {"a": "c", "b": "c"}},
        {"c/w": COLLIDED},
    ),
    "rename drops": ([layer("a/w")], [layer("a/w"), layer("b/w")], {"rename": {"a": None}}, {"a/w": MISSING}),
    "rename drops what is in the way": (
        [layer("a/w")],
        [layer("a/w"), layer("b/w")],
        {"rename": {"b": "a", "a": None}},
        {"a/w": "b/w"},
    ),
    "rename fans out": (
        [layer("a/w"), layer("b/w")],
        [layer("x/w")],
        {"rename": {"x": ["a", "b"]}},
        {"a/w": "x/w", "b/w": "x/w"},
    ),
    "the first rule decides": (
        [layer("c/w"), layer("d/w")],
        [layer("a/w")],
        {"rename": {"a/w": "c/w", "a": "d"}},
        {"c/w": "a/w", "d/w": MISSING},
    ),
    "a position dropped by rename": (
        numbered("dense", 2),
        numbered("dense", 3),
        {"rename": {"dense_1": None}},
        {"dense/kernel": "dense/kernel", "dense_1/kernel": "dense_2/kernel"},
    ),
    "another shape": ([layer("a/w", shape=(3,))], [layer("a/w")], {}, {"a/w": MISMATCHED}),
    "a transposed shape": ([layer("a/w", shape=(2, 3))], [layer("a/w", shape=(3, 2))], {}, {"a/w": MISMATCHED}),
    "a shape of another rank": ([layer("a/w", shape=(2, 1))], [layer("a/w", shape=(2,))], {}, {"a/w": MISMATCHED}),
    "float is not int": ([variable("w", dtype="int32")], [tensor("w")], {}, {"w": UNCASTABLE}),
    "bool is not int": ([variable("w", dtype="int32")], [tensor("w", dtype="bool")], {}, {"w": UNCASTABLE}),
    "never cast": ([variable("w", dtype="float16")], [tensor("w")], {"cast": "never"}, {"w": UNCASTABLE}),
    "cast what is safe": ([variable("w", dtype="float64")], [tensor("w")], {"cast": "safe"}, {"w": "w"}),
    "excluded": (
        [layer("a/w"), layer("b/w")],
        [layer("a/w"), layer("b/w")],
        {"exclude": "a"},
        {"a/w": UNSELECTED, "b/w": "b/w"},
    ),
    "include nothing": ([layer("a/w")], [layer("a/w")], {"include": []}, {"a/w": UNSELECTED}),
    "exclude wins": (
        [layer("a/w"), layer("a/b")],
        [layer("a/w"), layer("a/b")],
        {"include": "a", "exclude": "a/b"},
        {"a/w": "a/w", "a/b": UNSELECTED},
    ),
    "optimizer state is another group": (
        [tensor("a/w"), tensor("a/w/Adam", group="optimizer")],
        [tensor("a/w"), tensor("a/w/Adam", group="optimizer")],
        {},
        {"a/w": "a/w", "a/w/Adam": UNSELECTED},
    ),
    "a tensor without a name might be anyone's": (
        [layer("a/w"), layer("b/w")],
        [layer("a/w"), tensor("opt/3", nameless=True)],
        {},
        {"a/w": "a/w", "b/w": AMBIGUOUS},
    ),
    "a tensor without a name, of another shape": (
        [layer("b/w")],
        [tensor("opt/3", shape=(9,), nameless=True)],
        {},
        {"b/w": MISSING},
    ),
    "a tensor without a name, named by the caller": (
        [layer("b/w")],
        [tensor("opt/3", nameless=True)],
        {"rename": {"opt/3": "b/w"}},
        {"b/w": "opt/3"},
    ),
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
def test_decides_as_the_table_says(case: tuple[list[Entry], list[Entry], dict[str, Any], dict[str, object]]) -> None:
    targets, sources, options, expected = case
    assert told(decide(targets, sources, request(**options))) == expected


def test_what_only_tensorflow_1_numbers_was_chosen_in_keras() -> None:
    targets = [layer(f"{name}/w") for name in ("layer_norm", "layer_norm_1", "layer_norm_2")]
    sources = [layer("layer_norm/w"), layer("layer_norm_2/w")]
    assert set(told(decide(targets, sources, request())).values()) == {AMBIGUOUS}
    assert told(decide(targets, sources, request(automatic={"layer_normalization"}))) == {
        "layer_norm/w": "layer_norm/w",
        "layer_norm_1/w": MISSING,
        "layer_norm_2/w": "layer_norm_2/w",
    }


def test_target_may_add_automatic_bases_of_its_own_classes() -> None:
    targets, sources = numbered("my_block", 2), numbered("my_block", 3)
    assert told(decide(targets, sources, request())) == {
        "my_block/kernel": "my_block/kernel",
        "my_block_1/kernel": "my_block_1/kernel",
    }
    assert set(told(decide(targets, sources, request(automatic={"my_block"}))).values()) == {AMBIGUOUS}


def test_roots_are_told() -> None:
    decision = decide([layer("a/w")], [attribute("model/a/w")], request())
    assert decision.roots == ("the checkpoint's root model/",)


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ("tower/a/w tower/b/w global_step", "global_step"),
        ("tower/a/w tower/b/w tower/global_step global_step", "tower/global_step"),
        ("tower/a/w tower/b/w tower/global_step", "tower/global_step"),
    ],
)
def test_the_step_of_training_stands_beside_a_scope(theirs: str, expected: str) -> None:
    """TensorFlow calls it so, once in a graph; any other name may be that of a part that the scope has now."""
    targets = [variable("a/w"), variable("b/w"), variable("global_step", ())]
    sources = [tensor(name, () if name.endswith("step") else (2,)) for name in theirs.split()]
    found = told(decide(targets, sources, request()))
    assert found == {"a/w": "tower/a/w", "b/w": "tower/b/w", "global_step": expected}
    other = [variable("a/w"), variable("b/w"), variable("scale", ())]
    sources = [tensor("tower/a/w"), tensor("tower/b/w"), tensor("scale", ())]
    assert told(decide(other, sources, request()))["scale"] is AMBIGUOUS


def test_every_skip_has_the_reason() -> None:
    sources = [
        layer("a/w"),
        layer("b/w"),
        layer("c/w"),
        layer("d/w"),
        layer("e/w", shape=(9,)),
        tensor("o", group="optimizer"),
        tensor("_GRAPH", group="internal"),
    ]
    targets = [layer("a/w"), layer("b/w"), layer("e/w")]
    decision = decide(targets, sources, request(exclude="b", rename={"c": None, "d": "zzz"}))
    assert {skip.source.name: skip.reason for skip in decision.skipped} == {
        "b/w": "its variable is excluded by 'b'",
        "c/w": "dropped by rename {'c': None}",
        "d/w": "renamed by {'d': 'zzz'} to what is no variable of the model",
        "e/w": "its variable is refused: the shapes differ",
        "o": "optimizer state is not restored",
        "_GRAPH": "bookkeeping of the file, not a weight",
    }


SEGMENTS = st.sampled_from(["a", "b", "head", "dense", "dense_1", "dense_2", "0", "1", "model"])
TEXTS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from([tensor, variable, attribute, layer])
SHAPES = st.sampled_from([(2,), (3,), (2, 2)])


@st.composite
def sides(draw: st.DrawFn) -> list[Entry]:
    texts = draw(st.lists(TEXTS, min_size=1, max_size=6, unique=True))
    return [draw(KINDS)(text, shape=draw(SHAPES)) for text in texts]


PATTERNS = st.lists(st.sampled_from(["a", "head", "**/dense*", "model/**", "*"]), max_size=2)


@given(sides(), sides(), PATTERNS, PATTERNS)
@settings(max_examples=300)
def test_law_everything_is_decided_once(
    targets: list[Entry], sources: list[Entry], include: list[str], exclude: list[str]
) -> None:
    decision = decide(targets, sources, request(include=include, exclude=exclude))
    assert [match.target for match in decision.matches] == targets
    used = {match.source.key for match in decision.of(LOADED) if match.source}
    skipped = [skip.source.key for skip in decision.skipped]
    assert sorted([*used, *skipped]) == sorted(source.key for source in sources)
    for match in decision.of(LOADED):
        assert match.source is not None
        assert match.source.shape == match.target.shape
    for match in decision.of(AMBIGUOUS, COLLIDED):
        assert match.candidates


@given(sides())
@settings(max_examples=300)
def test_law_a_side_accepts_itself(entries: list[Entry]) -> None:
    decision = decide(entries, entries, request())
    for match in decision.matches:
        assert match.outcome in (LOADED, AMBIGUOUS)
        assert match.outcome is AMBIGUOUS or match.source is match.target


@given(sides(), sides(), st.randoms())
@settings(max_examples=300)
def test_law_the_order_of_the_file_is_immaterial(
    targets: list[Entry], sources: list[Entry], rng: random.Random
) -> None:
    shuffled = sorted(sources, key=lambda _: rng.random())
    assert told(decide(targets, sources, request())) == told(decide(targets, shuffled, request()))


@given(sides(), sides(), PATTERNS, PATTERNS)
@settings(max_examples=300)
def test_law_excluding_more_never_loads_more(
    targets: list[Entry], sources: list[Entry], less: list[str], more: list[str]
) -> None:
    few = decide(targets, sources, request(exclude=[*less, *more])).of(LOADED)
    many = decide(targets, sources, request(exclude=less)).of(LOADED)
    assert {(match.target.key, match.source) for match in few} <= {(match.target.key, match.source) for match in many}


@st.composite
def edited_stacks(draw: st.DrawFn) -> tuple[list[int | None], list[tuple[int, ...]], list[tuple[int, ...]]]:
    """A stack of automatically named layers, and the stack after one edit, with the origin of every layer in it."""
    widths = draw(st.lists(st.sampled_from([2, 3]), min_size=2, max_size=6))
    origins: list[int | None] = list(range(len(widths) - 1))
    outs = widths[1:]
    place = draw(st.integers(0, len(outs) - 1))
    edit = draw(st.sampled_from(["insert", "remove", "widen", "swap"]))
    new = list(outs)
    if edit == "insert":
        new.insert(place, draw(st.sampled_from([2, 3])))
        origins.insert(place, None)
    elif edit == "remove":
        del new[place], origins[place]
    elif edit == "widen":
        new[place] = 4
    else:
        other = draw(st.integers(0, len(outs) - 1))
        new[place], new[other] = new[other], new[place]
        origins[place], origins[other] = origins[other], origins[place]
    return origins, _shapes(widths[0], outs), _shapes(widths[0], new)


def _shapes(width: int, outs: list[int]) -> list[tuple[int, ...]]:
    return [(a, b) for a, b in zip([width, *outs], outs, strict=False)]


@given(edited_stacks())
@settings(max_examples=500)
def test_law_no_single_edit_misleads_automatic_names(
    case: tuple[list[int | None], list[tuple[int, ...]], list[tuple[int, ...]]],
) -> None:
    origins, before, after = case
    if before == after:
        return  # Nothing can tell the two apart.
    sources = [layer(f"dense_{i}/kernel", shape=shape) for i, shape in enumerate(before)]
    targets = [layer(f"dense_{i + 20}/kernel", shape=shape) for i, shape in enumerate(after)]
    for match, origin in zip(decide(targets, sources, request()).matches, origins, strict=True):
        if match.outcome is LOADED:
            assert match.source is sources[origin if origin is not None else -99]
