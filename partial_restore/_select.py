"""What a caller's words stand for: ``include`` and ``exclude`` as tests, ``rename`` as a function.

Pure; standard library only. The grammar is in `docs/reference.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from partial_restore._types import Entry, Name

Pattern = Any
"""A string, a compiled regex, a callable ``name -> bool``, or an object that holds variables."""

Rename = Mapping["str | re.Pattern[str]", "str | Sequence[str] | None"] | Callable[[str], "str | Sequence[str] | None"]


@dataclass(frozen=True, slots=True)
class Test:
    """One pattern: its text for messages, and what it says of an entry."""

    text: str
    accepts: Callable[[Entry], bool]


def compile_patterns(
    patterns: Pattern | Iterable[Pattern],
    stands_for: Callable[[object], Collection[str] | None],
    names: Collection[str] = (),
) -> list[Test]:
    """Return a test per pattern. ``stands_for`` gives the keys of an object's variables, or None if it has none.

    A string that is one of the ``names`` that are shown means this variable (and what is shown below it), whatever others are called besides.

    >>> tests = compile_patterns(["head", "**/bias"], lambda thing: None)
    >>> [test.text for test in tests]
    ["'head'", "'**/bias'"]
    """
    return [_compile_pattern(pattern, stands_for, names) for pattern in _several(patterns, stands_for)]


def _several(patterns: Pattern, stands_for: Callable[[object], Collection[str] | None]) -> list[Pattern]:
    if patterns is None:
        return []
    single = isinstance(patterns, str | re.Pattern) or stands_for(patterns) is not None or callable(patterns)
    if single or not isinstance(patterns, Iterable):
        return [patterns]
    return list(patterns)


def _compile_pattern(
    pattern: Pattern, stands_for: Callable[[object], Collection[str] | None], names: Collection[str]
) -> Test:
    if isinstance(pattern, str):
        accepts = re.compile(_glob(pattern)).fullmatch
        return Test(repr(pattern), _shown_accepted(accepts) if pattern in names else _names_accepted(accepts))
    if isinstance(pattern, re.Pattern):
        return Test(repr(pattern.pattern), _names_accepted(pattern.search))
    keys = stands_for(pattern)
    if keys is not None:
        return Test(f"<{type(pattern).__name__} {getattr(pattern, 'name', '')!r}>", lambda entry: entry.key in keys)
    if callable(pattern):
        return Test(getattr(pattern, "__name__", repr(pattern)), lambda entry: bool(pattern(entry.name)))
    raise TypeError(
        f"{pattern!r} is no pattern: give a path such as 'head', a compiled regex, a callable name -> bool, "
        "or a layer, module or variable of this model"
    )


def _shown_accepted(accepts: Callable[[str], Any]) -> Callable[[Entry], bool]:
    return lambda entry: bool(accepts(entry.name))


def _names_accepted(accepts: Callable[[str], Any]) -> Callable[[Entry], bool]:
    return lambda entry: any(map(accepts, texts_of(entry)))


def texts_of(entry: Entry) -> Iterable[str]:
    """Return every name under which a caller may mean the entry, the shown one first."""
    return dict.fromkeys([name.text for name in entry.shown or (*entry.paths, *entry.given)])


def _glob(pattern: str) -> str:
    """Return the regex of a path pattern, which takes what it names and all that lies below.

    >>> bool(re.fullmatch(_glob("head"), "head/kernel")), bool(re.fullmatch(_glob("head"), "head2/kernel"))
    (True, False)
    """
    segments = pattern.strip("/").split("/")
    if segments == [""]:
        raise ValueError("an empty string names nothing; leave the argument out to select everything")
    parts = [
        "(?:[^/]+/)*" if segment == "**" else "[^/]*".join(map(re.escape, segment.split("*"))) + "/"
        for segment in segments
    ]
    text = "".join(parts)
    return f"{text.removesuffix('/')}(?:/.*)?" if text.endswith("/") else f"{text}.*"


@dataclass(frozen=True, slots=True)
class Renamed:
    """What a rule makes of a tensor: new names (none if it drops it), and how far the rule spelled each one out.

    The first ``pinned`` segments are the caller's word and are taken literally; the others keep their meaning,
    so that ``{"tower/": ""}`` does not turn an automatic ``dense_1`` into one that the caller asserted.
    """

    rule: str
    names: tuple[tuple[Name, int], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    text: str
    rename: Callable[[Name], list[tuple[Name, int]] | None]


def compile_rename(rename: Rename | None) -> list[Rule]:
    """Return the rules, in their order.

    >>> rule, = compile_rename({"tower/": ""})
    >>> rule.text
    "{'tower/': ''}"
    """
    if rename is None:
        return []
    if isinstance(rename, Mapping):
        return [_compile_rule(old, new) for old, new in rename.items()]
    if callable(rename):
        return [Rule(getattr(rename, "__name__", repr(rename)), lambda name: _called(rename, name))]
    raise TypeError(f"rename takes a mapping old -> new or a callable name -> name, not {type(rename).__name__}")


def apply_rules(rules: Sequence[Rule], entry: Entry) -> Renamed | None:
    """Return what the first rule that fits makes of the entry, or None if none fits."""
    for rule in rules:
        results = [rule.rename(name) for name in dict.fromkeys((*entry.paths, *entry.given))]
        if any(result is not None for result in results):
            return Renamed(rule.text, tuple(dict.fromkeys(new for result in results for new in result or [])))
    return None


def _compile_rule(old: str | re.Pattern[str], new: str | Sequence[str] | None) -> Rule:
    olds = old.pattern if isinstance(old, re.Pattern) else old
    text = f"{{{olds!r}: {new!r}}}"
    templates = _news(new)
    if isinstance(old, re.Pattern):
        for template in templates:
            try:
                old.sub(template, "")
            except (re.error, IndexError) as error:  # Of a group of another name it is the latter.
                raise ValueError(f"the rename rule {text} leads to no name: {error}") from None
        return Rule(text, lambda name: _searched(old, new, name))
    if isinstance(old, str):
        return Rule(text, lambda name: _prefixed(old, new, name))
    raise TypeError(f"a rename rule starts from a string or a compiled regex, not {type(old).__name__}")


def _news(new: str | Sequence[str] | None) -> list[str]:
    news = [] if new is None else [new] if isinstance(new, str) else new
    if not isinstance(news, Sequence) or not all(isinstance(each, str) for each in news):
        raise TypeError(f"a rename rule leads to a string, to several in a list, or to None, not {new!r}")
    return list(news)


def _prefixed(old: str, new: str | Sequence[str] | None, name: Name) -> list[tuple[Name, int]] | None:
    head = tuple(part for part in old.split("/") if part)
    if name.segments[: len(head)] != head or (old.endswith("/") and len(name.segments) == len(head)):
        return None
    rest = Name(name.segments[len(head) :], name.said[len(head) :], name.places[len(head) :])
    results = []
    for text in _news(new):
        front = tuple(part for part in text.split("/") if part)
        if not front and not rest.segments:
            raise ValueError(f"a rename rule makes an empty name of {name.text!r}; None drops a tensor")
        places = (None,) * len(front) + rest.places if rest.places else ()
        results.append((Name(front + rest.segments, (True,) * len(front) + rest.said, places), len(front)))
    return results


def _searched(old: re.Pattern[str], new: str | Sequence[str] | None, name: Name) -> list[tuple[Name, int]] | None:
    if not old.search(name.text):
        return None
    return [_spelled(old.sub(template, name.text, count=1), name) for template in _news(new)]


def _called(rename: Callable[[str], str | Sequence[str] | None], name: Name) -> list[tuple[Name, int]] | None:
    new = rename(name.text)
    return None if new == name.text else [_spelled(text, name) for text in _news(new)]


def _spelled(text: str, old: Name) -> tuple[Name, int]:
    """Return the new name; what it shares with the end of the old one keeps its meaning, the rest is pinned."""
    segments = tuple(part for part in text.split("/") if part)
    if not segments:
        raise ValueError(f"a rename rule makes an empty name of {old.text!r}; None drops a tensor")
    shared = 0
    while shared < min(len(segments), len(old.segments)) and segments[-1 - shared] == old.segments[-1 - shared]:
        shared += 1
    front = len(segments) - shared
    places = (None,) * front + old.places[len(old.places) - shared :] if old.places else ()
    return Name(segments, (True,) * front + old.said[len(old.said) - shared :], places), front
