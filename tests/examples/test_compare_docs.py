"""docs/compare.md: what it shows is what comes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from support.loopback import CLAUDE_USAGE, Loopback, Received, Reply, claude_stream, reasoner_stream
from support.runner import run

PAGE: Final = (Path(__file__).parents[2] / "docs" / "compare.md").read_text("utf-8")
ANSWERS: Final = {
    "claude-sonnet-5-5": "They are 2, 3, 5, 7, 11, 13, 17, 19, 23 and 29.\n\nThere are **10**.",
    "claude-opus-5-5": "There are **10** prime numbers below 30.",
    "claude-haiku-5-5": "There are **11**.",
}
USAGE: Final[dict[str, Any]] = {**CLAUDE_USAGE, "input_tokens": 1700, "output_tokens": 300}


def answer(request: Received) -> Reply:
    model = str(request.body["model"])
    return claude_stream((ANSWERS[model],), model=model, usage=USAGE)


def masked(text: str) -> list[str]:
    """The lines without what differs from run to run: times, and the reasoner's price by hour."""
    lines = re.sub(r"\d+\.\d s", "T", text).splitlines()
    return [re.sub(r"[<≈]*\$[\d.]+", "$", line) if ":" in line else line for line in lines]


def test_the_page_shows_what_comes() -> None:
    words = ("compare", "-m", "sonnet", "-m", "opus", "-m", "haiku")
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S)
    with Loopback(reasoner_stream(("2, 3, 5 …",))) as reasoner, Loopback(answer) as claude:
        env = {
            "DEEPSEEK_API_KEY": "sk-0123456789abcdef",
            "ANTHROPIC_API_KEY": "sk-ant-0123456789",
            "DEEPSEEK_BASE_URL": reasoner.url,
            "ANTHROPIC_BASE_URL": claude.url,
        }
        done = run(*words, "How many prime numbers are there below 30?", env=env)
    assert (done.code, len(reasoner.requests), len(claude.requests)) == (0, 1, 3)
    assert masked(f"{done.stdout.decode()}\n{done.stderr.decode()}") == masked(shown)
