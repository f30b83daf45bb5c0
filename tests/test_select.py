"""The grammar of patterns and rename rules."""

from __future__ import annotations

import re
from typing import Any

import pytest
from entries import attribute, tensor

from partial_restore._select import apply_rules, compile_patterns, compile_rename

NAMES = ["head/kernel", "head2/kernel", "enc/block_1/conv/kernel", "enc/block_2/conv/bias", "enc/block_2/norm/gamma"]

PATTERNS: dict[str, tuple[Any, list[int]]] = {
    "a path and all below": ("head", [0]),
    "a whole name": ("head/kernel", [0]),
    "a trailing slash": ("head/", [0]),
    "not in the middle": ("kernel", []),
    "not a part of a segment": ("hea", []),
    "a star is a part of a segment": ("head*", [0, 1]),
    "a star is one segment": ("enc/*/conv", [2, 3]),
    "a star does not cross segments": ("enc/*/kernel", []),
    "two stars are any number of segments": ("**/kernel", [0, 1, 2]),
    "two stars in the middle": ("enc/**/kernel", [2]),
    "two stars at the end": ("enc/**", [2, 3, 4]),
    "two stars are none as well": ("enc/**/block_1", [2]),
    "other signs are letters": ("head.", []),
    "a regex searches": (re.compile(r"block_\d/norm"), [4]),
    "a callable is asked": (lambda name: name.endswith("bias"), [3]),
    "several": (["head", re.compile("norm")], [0, 4]),
    "none": ([], []),
}


@pytest.mark.parametrize(("pattern", "accepted"), PATTERNS.values(), ids=PATTERNS.keys())
def test_pattern_takes_what_the_table_says(pattern: Any, accepted: list[int]) -> None:
    tests = compile_patterns(pattern, lambda _: None)
    assert [i for i, name in enumerate(NAMES) if any(test.accepts(tensor(name)) for test in tests)] == accepted


def test_pattern_takes_any_name_of_a_variable() -> None:
    (test,) = compile_patterns("conv1", lambda _: None)
    assert test.accepts(attribute("stem/kernel", "conv1/kernel"))


def test_the_name_that_is_shown_means_its_variable_alone() -> None:
    within, beside = attribute("proj/norm/gamma", "norm/gamma"), attribute("norm/gamma")
    (test,) = compile_patterns("norm/gamma", lambda _: None, [within.name, beside.name])
    assert [test.accepts(within), test.accepts(beside)] == [False, True]
    (test,) = compile_patterns("norm", lambda _: None, [within.name, beside.name])
    assert [test.accepts(within), test.accepts(beside)] == [True, True]


def test_object_stands_for_its_variables() -> None:
    head = object()
    (test,) = compile_patterns(head, lambda thing: {"head/kernel"} if thing is head else None)
    assert [name for name in NAMES if test.accepts(tensor(name))] == ["head/kernel"]


def test_what_is_no_pattern_is_refused() -> None:
    with pytest.raises(TypeError, match="3 is no pattern"):
        compile_patterns([3], lambda _: None)
    with pytest.raises(ValueError, match="names nothing"):
        compile_patterns("", lambda _: None)


RULES: dict[str, tuple[Any, str, list[tuple[str, int]] | None]] = {
    "a prefix": ({"tower/": ""}, "tower/a/w", [("a/w", 0)]),
    "a prefix without its slash": ({"tower": "t"}, "tower/a/w", [("t/a/w", 1)]),
    "whole segments only": ({"tow": "t"}, "tower/a/w", None),
    "leading segments only": ({"a": "b"}, "tower/a/w", None),
    "nothing to a prefix": ({"": "backbone/"}, "a/w", [("backbone/a/w", 1)]),
    "a whole name": ({"a/w": "b/v"}, "a/w", [("b/v", 2)]),
    "a prefix does not fit its own name": ({"a/": ""}, "a", None),
    "dropped": ({"a": None}, "a/w", []),
    "fanned out": ({"a": ["b", "c/d"]}, "a/w", [("b/w", 1), ("c/d/w", 2)]),
    "the first that fits": ({"x": "y", "a/w": "b", "a": "c"}, "a/w", [("b", 1)]),
    "a regex with groups": ({re.compile(r"block_(\d)/"): r"blocks/\1/"}, "net/block_1/w", [("net/blocks/1/w", 3)]),
    "a regex that only drops a root": ({re.compile("^tower/"): ""}, "tower/dense_1/w", [("dense_1/w", 0)]),
    "a regex replaces once": ({re.compile("a"): "b"}, "a/a", [("b/a", 1)]),
    "a regex that does not fit": ({re.compile("z"): "b"}, "a/a", None),
    "a callable": (lambda name: name.replace("a", "b"), "a/w", [("b/w", 1)]),
    "a callable that lets be": (lambda name: name, "a/w", None),
    "a callable that drops": (lambda _: None, "a/w", []),
}


@pytest.mark.parametrize(("rename", "name", "expected"), RULES.values(), ids=RULES.keys())
def test_rule_renames_as_the_table_says(rename: Any, name: str, expected: list[tuple[str, int]] | None) -> None:
    renamed = apply_rules(compile_rename(rename), attribute(name))
    assert (None if renamed is None else [(new.text, pinned) for new, pinned in renamed.names]) == expected


def test_rule_is_told() -> None:
    renamed = apply_rules(compile_rename({"tower/": ""}), attribute("tower/w"))
    assert renamed is not None
    assert renamed.rule == "{'tower/': ''}"


def test_what_is_no_rule_is_refused() -> None:
    with pytest.raises(TypeError, match="mapping old -> new or a callable"):
        compile_rename("tower")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="string or a compiled regex"):
        compile_rename({3: "a"})  # type: ignore[dict-item]
    for new in (3, ["a", 3], lambda match: match[0]):
        with pytest.raises(TypeError, match="leads to a string"):
            compile_rename({re.compile("a"): new})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="leads to a string, to several in a list, or to None, not 3"):
        apply_rules(compile_rename(lambda _: 3), attribute("a"))  # type: ignore[arg-type,return-value]
    for new in (r"\9", ["b", r"\g<other>"]):
        with pytest.raises(ValueError, match=r"leads to no name: .*(group reference 9|group name 'other')"):
            compile_rename({re.compile("a"): new})
    with pytest.raises(ValueError, match="empty name"):
        apply_rules(compile_rename({re.compile(".*"): ""}), attribute("a/w"))
    with pytest.raises(ValueError, match="empty name"):
        apply_rules(compile_rename({"a/w": ""}), attribute("a/w"))
