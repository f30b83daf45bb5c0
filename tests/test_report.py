"""The report: lookup, words, plain data."""

from __future__ import annotations

import json
import pickle

import pytest
from entries import attribute, layer, tensor

from partial_restore._plan import Request, decide
from partial_restore._report import listing_of, report_of
from partial_restore._select import compile_patterns

TARGETS = [
    *(layer(f"b{i}/{name}", shape=(4,)) for i in range(3) for name in ("kernel", "bias")),
    layer("head/kernel", shape=(5,)),
    layer("new/kernel"),
]
SOURCES = [
    *(attribute(f"model/b{i}/{name}", shape=(4,)) for i in range(3) for name in ("kernel", "bias")),
    attribute("model/head/kernel", shape=(3,)),
    tensor("step", shape=()),
]
REPORT = report_of(
    "ckpt",
    decide(TARGETS, SOURCES, Request(exclude=compile_patterns("head", lambda _: None))),
    {"new/kernel": "initialized anew"},
)


def test_text_folds_siblings_and_keeps_every_reason() -> None:
    assert str(REPORT).splitlines() == [
        "loaded 6 (24 parameters) · initialized 2 · skipped 2",
        "from ckpt",
        "set aside to align the names: the checkpoint's root model/",
        "loaded: same name",
        "  {b0…b2}/{kernel (4,), bias (4,)} ← model/…",
        "initialized: excluded by 'head'; kept as it was",
        "  head/kernel (5,) ← model/…",
        "initialized: not in the checkpoint; initialized anew",
        "  new/kernel (2,)",
        "skipped: its variable is excluded by 'head'",
        "  model/head/kernel (3,)",
        "skipped: no variable of the model has its name",
        "  step ()",
    ]


def test_lookup_by_either_sides_name() -> None:
    assert REPORT["b1/bias"].tensor is REPORT["model/b1/bias"].tensor
    assert REPORT["step"].variable is None
    assert "b1/bias" in REPORT
    with pytest.raises(KeyError, match=r"nearest.*b1/bias"):
        REPORT["b1/bais"]


def test_explains_in_words() -> None:
    assert REPORT.explain("b0/bias") == (
        "loaded: b0/bias (4,) float32 ← model/b0/bias (4,) float32: same name (set aside: the checkpoint's root model/)"
    )
    assert (
        REPORT.explain("new/kernel") == "initialized: new/kernel (2,) float32: not in the checkpoint; initialized anew"
    )
    assert REPORT.explain("step") == "skipped: step () float32: no variable of the model has its name"


def test_is_plain_data() -> None:
    assert json.loads(json.dumps(REPORT.to_dict()))["loaded"][0]["variable"]["shape"] == [4]
    assert pickle.loads(pickle.dumps(REPORT)) == REPORT  # noqa: S301  Our own bytes.
    assert "&#x27;head&#x27;" in REPORT._repr_html_()


def test_listing_is_a_table() -> None:
    listing = listing_of([tensor("a/w", shape=(2, 3)), tensor("step", shape=())])
    assert str(listing).splitlines() == [
        "name  shape   dtype    bytes",
        "a/w   (2, 3)  float32     24",
        "step  ()      float32      4",
        "2 tensors, 28 bytes",
    ]
