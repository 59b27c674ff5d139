"""docs/python.md: what it shows is what comes, replayed from the cassette beside this file.

`WRITE_CASSETTE=1` records that cassette anew, against vendors on this machine.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from support.loopback import Loopback, Received, Reply, Script, claude_stream, reasoner_stream

PAGE: Final = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
EXAMPLES: Final = re.findall(r"^```python\n(.*?)^```\n```text\n(.*?)^```", PAGE, re.M | re.S)
CASSETTE: Final = Path(__file__).with_name("python.jsonl")
ANSWERS: Final = ("**42**", "**42**", "**42**", "**42**", "It is 42.", "**48**", "4", "9")
"""What Claude writes for each of the page's questions."""


def answer_of_model(request: Received) -> Reply:
    """What is compared."""
    is_opus = "opus" in request.body["model"]
    return claude_stream(("**42**" if is_opus else "7 times 6 is **42**.",))


@contextlib.contextmanager
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Vendors on this machine, whose replies are recorded anew."""
    CASSETTE.unlink(missing_ok=True)
    thinker = reasoner_stream(("Six times seven: ", "42."), ("It is 42.",))
    writers: list[Script] = [*(claude_stream((text,)) for text in ANSWERS), answer_of_model]
    with Loopback(thinker) as reasoner, Loopback(*writers) as claude:
        for name, vendor in (("DEEPSEEK", reasoner), ("ANTHROPIC", claude)):
            monkeypatch.setenv(f"{name}_API_KEY", "sk-0123456789abcdef")
            monkeypatch.setenv(f"{name}_BASE_URL", vendor.url)
        monkeypatch.setenv("DEEPREASONING_CASSETTE", f"{CASSETTE}:record")
        yield


def printed_by_the_page(threads: int) -> Iterator[list[str]]:
    """What each example prints, in their order, in one program."""
    names: dict[str, Any] = {}
    for code, _ in EXAMPLES:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code.replace("Executor(8)", f"Executor({threads})"), names)
        yield [line.rstrip() for line in printed.getvalue().splitlines()]


def test_the_page_shows_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.environ.get("WRITE_CASSETTE"):
        with recording(monkeypatch):
            assert len(list(printed_by_the_page(threads=1))) == len(EXAMPLES)
    monkeypatch.setenv("DEEPREASONING_CASSETTE", f"{CASSETTE}:replay")
    shown = [[line.rstrip() for line in text.splitlines()] for _, text in EXAMPLES]
    assert list(printed_by_the_page(threads=8)) == shown
    assert len(EXAMPLES) == 7
