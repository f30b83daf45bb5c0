"""Errors carry data, say what to do, and survive pickling."""

from __future__ import annotations

import pickle

import pytest
from entries import layer

import partial_restore as pr
from partial_restore._advised import advised_rename
from partial_restore._errors import refusal
from partial_restore._plan import Request, decide
from partial_restore._types import Outcome

SOURCES = [layer("a/w"), layer("dense/w")]
DECISION = decide([layer("a/w", shape=(3,)), layer("dense/w"), layer("dense_1/w")], SOURCES, Request())
REFUSED = DECISION.of(Outcome.MISMATCHED, Outcome.AMBIGUOUS)
ERRORS = [
    pr.CheckpointNotFoundError("p", ["p.index"], ["q.index"], "hint"),
    pr.UnreadableCheckpointError("p", "a byte is wrong"),
    pr.UnbuiltError("Net 'net'", ["l1"]),
    pr.UnbuiltError("Net 'net'", []),
    pr.UnknownNameError([("include", "'haed'", ["head"])]),
    refusal(DECISION, REFUSED),
    pr.NothingLoadedError(DECISION, ["a/w"], ["b/w"]),
    pr.CastError("p", [("a/w", "1 finite values become infinite as float16")]),
    pr.InitializerError([("a/w", "no layer knows its initializer")]),
    pr.PartialRestoreError("p", ["a/w"], "OSError: gone"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_survives_pickling(error: pr.RestoreError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  Our own bytes.
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_refusal_names_all_offenders_of_all_kinds() -> None:
    error = refusal(DECISION, REFUSED, advised_rename(DECISION, SOURCES, Request()))
    assert isinstance(error, pr.MismatchError)
    assert error.names == ("a/w", "dense/w", "dense_1/w")
    for text in ("a/w ← a/w", "(2,)", "(3,)", "exclude=['a/w']", "candidates: dense/w", "rename={'dense': 'dense'}"):
        assert text in str(error)


def test_missing_checkpoint_is_a_file_that_is_not_found() -> None:
    assert issubclass(pr.CheckpointNotFoundError, FileNotFoundError)
    assert "q.index" in str(ERRORS[0])
