"""Which dtypes may become which."""

from __future__ import annotations

import itertools

import pytest

from partial_restore._cast import is_castable

SAFE = {
    ("float16", "float32"),
    ("float16", "float64"),
    ("bfloat16", "float32"),
    ("bfloat16", "float64"),
    ("float32", "float64"),
    ("int8", "int16"),
    ("int8", "int64"),
    ("int16", "int64"),
    ("uint8", "int16"),
    ("uint8", "uint16"),
    ("uint8", "int64"),
    ("uint16", "int64"),
    ("complex64", "complex128"),
}
DTYPES = [
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int64",
    "uint8",
    "uint16",
    "complex64",
    "complex128",
    "bool",
    "string",
]


def kind(dtype: str) -> str:
    return dtype.rstrip("0123456789").removeprefix("b" if dtype == "bfloat16" else "").removeprefix("u")


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(DTYPES, 2)))
def test_casts_within_a_kind_and_safely_without_loss(source: str, target: str) -> None:
    assert is_castable(source, target, "safe") == ((source, target) in SAFE or (source, target) == ("int16", "int64"))
    assert is_castable(source, target, "same_kind") == (kind(source) == kind(target))
    assert not is_castable(source, target, "never")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dtype_is_itself(dtype: str) -> None:
    assert is_castable(dtype, dtype, "never")
