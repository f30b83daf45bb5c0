"""The names that were meant, for an error to advise. Pure; standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(text: str, names: Iterable[str]) -> list[str]:
    """Return the known paths that look most like ``text``, at any depth.

    >>> nearest("haed", ["head/kernel", "body/kernel"])
    ['head']
    """
    paths = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, name.count("/") + 2)}
    return difflib.get_close_matches(text.strip("/'\""), sorted(paths), n=3, cutoff=0.5)
