"""The names that were meant, for an error to advise. Pure; standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(text: str, names: Iterable[str]) -> list[str]:
    """Return the known paths that look most like ``text``, at any depth.

    >>> nearest("haed", ["head/kernel", "body/kernel"])
    ['head']
    >>> nearest("head", ["model/head/kernel", "model/heads/kernel"])
    ['model/head']
    """
    text = text.strip("/'\"")
    paths = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, name.count("/") + 2)}
    further_down = sorted(path for path in paths if path.endswith(f"/{text}"))
    return further_down[:3] or difflib.get_close_matches(text, sorted(paths), n=3, cutoff=0.5)
