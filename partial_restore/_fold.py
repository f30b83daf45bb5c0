"""Long lists of names in few lines, without losing any: what differs in one segment only is written once, in braces.

Pure; standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_Product = tuple[tuple[tuple[str, ...], ...], str]

_NUMBERED = re.compile(r"(.*?)(\d+)")


def fold(rows: Sequence[tuple[tuple[str, ...], str]]) -> list[str]:
    """Return lines for rows of (segments, origin).

    >>> fold([(("a", "w (2,)"), ""), (("a", "b (2,)"), ""), (("c", "w (2,)"), ""), (("c", "b (2,)"), "")])
    ['{a,c}/{w (2,), b (2,)}']
    >>> fold([(("a", "w (2,)"), "x/…"), (("a", "v (2,)"), "")])
    ['a/w (2,) ← x/…', 'a/v (2,)']
    """
    products: list[_Product] = [(tuple((segment,) for segment in segments), origin) for segments, origin in rows]
    for place in range(1, 1 + max((len(cells) for cells, _ in products), default=0)):
        products = _merged(products, place)
    return [_line(cells, origin) for cells, origin in products]


def _merged(products: Sequence[_Product], place: int) -> list[_Product]:
    """Merge the products that are equal in all cells but the one ``place`` cells from the end."""
    groups: dict[object, list[_Product]] = {}
    for i, (cells, origin) in enumerate(products):
        others = (cells[:-place], cells[len(cells) - place + 1 :], origin) if place <= len(cells) else (i,)
        groups.setdefault(others, []).append((cells, origin))
    merged = []
    for group in groups.values():
        cells, origin = group[0]
        if len(group) > 1:
            cell = tuple(segment for each, _ in group for segment in each[-place])
            cells = (*cells[:-place], cell, *cells[len(cells) - place + 1 :])
        merged.append((cells, origin))
    return merged


def _line(cells: tuple[tuple[str, ...], ...], origin: str) -> str:
    text = "/".join(_cell(cell, is_last=i == len(cells) - 1) for i, cell in enumerate(cells))
    return f"{text} ← {origin}" if origin else text


def _cell(cell: tuple[str, ...], *, is_last: bool) -> str:
    if len(cell) == 1:
        return cell[0]
    return "{" + (", ".join(cell) if is_last else ",".join(_ranges(cell))) + "}"


def _ranges(cell: Sequence[str]) -> list[str]:
    """Return the texts with runs of consecutive numbers joined.

    >>> _ranges(["b0", "b1", "b2", "c"])
    ['b0…b2', 'c']
    """
    runs: list[list[str]] = []
    for text in cell:
        if runs and _follows(runs[-1][-1], text):
            runs[-1].append(text)
        else:
            runs.append([text])
    return [each for run in runs for each in (run if len(run) < 3 else [f"{run[0]}…{run[-1]}"])]


def _follows(before: str, after: str) -> bool:
    first, second = _NUMBERED.fullmatch(before), _NUMBERED.fullmatch(after)
    return bool(
        first
        and second
        and first[1] == second[1]
        and int(second[2]) == int(first[2]) + 1
        and str(int(second[2])) == second[2]
    )
