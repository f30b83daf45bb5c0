"""What the documentation shows is what happens: its examples run, and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)( no-run)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_print_what_stands_below_them(page: Path, tmp_path: Path) -> None:
    names: dict[str, object] = {}
    printed = ""
    for language, no_run, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        text = re.sub(r"/tmp/(\w+)", rf"{tmp_path}/\1", text)  # noqa: PLW2901, S108  Examples write to a folder of the test.
        if language == "python":
            code = compile(text, page.name, "exec")
            with contextlib.redirect_stdout(io.StringIO()) as out:
                if not no_run:
                    exec(code, names)  # noqa: S102  Our own documentation.
            printed = out.getvalue()
        elif language == "text":
            assert printed == text
            printed = ""
    assert not printed
