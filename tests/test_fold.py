"""Folding loses nothing."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from partial_restore._fold import fold

SEGMENT = st.sampled_from(["a", "b", "l0", "l1", "l2", "l3", "x", "y"])
ROWS = st.lists(
    st.tuples(st.lists(SEGMENT, min_size=1, max_size=4).map(tuple), st.sampled_from(["", "m/…"])), unique=True
)


def unfolded(line: str) -> set[tuple[tuple[str, ...], str]]:
    """Read a line back as rows."""
    text, _, origin = line.partition(" ← ")
    cells = [cell.strip("{}").replace(", ", ",").split(",") for cell in re.findall(r"\{[^}]*\}|[^/]+", text)]
    return {
        (segments, origin) for segments in itertools.product(*([s for c in cell for s in spread(c)] for cell in cells))
    }


def spread(text: str) -> list[str]:
    first, _, last = text.partition("…")
    return [f"l{i}" for i in range(int(first[1:]), int(last[1:]) + 1)] if last else [text]


@given(ROWS)
def test_law_every_row_can_be_read_back_once(rows: list[tuple[tuple[str, ...], str]]) -> None:
    back = [unfolded(line) for line in fold(rows)]
    assert set().union(*back) == set(rows)
    assert sum(map(len, back)) == len(rows)


def test_a_deep_regular_model_is_one_line() -> None:
    rows = [
        (("blocks", str(i), part, name), "")
        for i in range(12)
        for part in ("attn", "mlp")
        for name in ("w (4,)", "b (4,)")
    ]
    assert fold(rows) == ["blocks/{0…11}/{attn,mlp}/{w (4,), b (4,)}"]
