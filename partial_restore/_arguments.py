"""What the verbs are given, held against the model and the checkpoint: what fits nothing is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partial_restore._advice import nearest
from partial_restore._errors import UnbuiltError, UnknownNameError
from partial_restore._optimizers import family_of, is_known
from partial_restore._plan import Request
from partial_restore._prepared import Initialize
from partial_restore._select import Test, compile_patterns, texts_of
from partial_restore._targets import Target
from partial_restore._types import Decision, Entry


def refuse_options(on_mismatch: str, cast: str, initialize: Initialize, max_memory: int) -> None:
    """Refuse words and numbers that are none of those that an argument takes."""
    if on_mismatch not in ("error", "initialize"):
        raise ValueError(f'on_mismatch is "error" or "initialize", not {on_mismatch!r}')
    if cast not in ("same_kind", "safe", "never"):
        raise ValueError(f'cast is "same_kind", "safe" or "never", not {cast!r}')
    if not isinstance(initialize, Mapping) and initialize not in ("keep", "rerun"):
        raise ValueError(f'initialize is "keep", "rerun" or a mapping pattern -> initializer, not {initialize!r}')
    if max_memory < 1:
        raise ValueError(f"max_memory is a number of bytes, not {max_memory!r}")


def refuse_stateless(target: Target, sources: Sequence[Entry]) -> None:
    """Refuse to restore the state of an optimizer that has none yet, though the checkpoint may have some for it, or of none."""
    states = [entry.state for entry in sources if entry.state]
    families = {state.family for state in states if state.owner is not None or not state.kind}
    unready = [
        f"{name} ({kind})"
        for name, kind in target.unready.items()
        if any(each == family_of(kind) or not is_known(each) for each in families)
    ]
    if unready:
        raise UnbuiltError("the model", (), unready)
    if not any(entry.group == "optimizer" for entry in target.entries):
        raise ValueError(
            "optimizer=True, and the model has no optimizer: compile it, or pass tf.train.Checkpoint(model=…, optimizer=…)"
        )


def selection(target: Target, include: Any, exclude: Any) -> tuple[Sequence[Test] | None, Sequence[Test]]:
    """Return what ``include`` (None: everything) and ``exclude`` stand for in a model."""
    names = {entry.name for entry in target.entries}
    included = None if include is None else compile_patterns(include, target.stands_for, names)
    return included, compile_patterns(exclude, target.stands_for, names)


def refuse_unknown(
    target: Target,
    request: Request,
    more: Sequence[tuple[str, Test]] = (),
    decision: Decision | None = None,
    sources: Sequence[Entry] = (),
) -> None:
    """Raise one error for all patterns and rules that fit nothing, and rules that lead nowhere."""
    asked = [("include", test) for test in request.include or ()] + [("exclude", test) for test in request.exclude]
    unknown = [
        (argument, test.text, nearest(test.text, _all_texts(target.entries)))
        for argument, test in (*asked, *more)
        if not any(test.accepts(entry) for entry in target.entries)
    ]
    if decision:
        unknown += [
            ("rename from", text, nearest(text[1:].partition(":")[0], _all_texts(sources))) for text in decision.unfit
        ]
        unknown += [
            ("rename to", text, nearest(text[1:-1].partition(":")[2], _all_texts(target.entries)))
            for text in decision.astray
        ]
    if unknown:
        raise UnknownNameError(unknown)


def _all_texts(entries: Sequence[Entry]) -> list[str]:
    return [text for entry in entries for text in texts_of(entry)]
