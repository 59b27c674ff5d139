"""docs/batch.md: what it shows is what comes, from vendors on this machine.

`WRITE_PAGE=1` writes that into the page anew.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from deepreasoning_cli.views.run_progress import RunProgress
from support.loopback import Received
from support.message_batches import PATH, MessageBatchesVendor
from support.replies import Reply, claude_stream, reasoner_stream
from support.row_vendors import text_of
from support.vendors import Vendors

PATH_OF_PAGE: Final = Path(__file__).parents[2] / "docs" / "batch.md"
PAGE: Final = PATH_OF_PAGE.read_text("utf-8")
WRITES: Final = "WRITE_PAGE" in os.environ
FILES: Final = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
CONSOLES: Final = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)
USAGE: Final = {"input_tokens": 500, "output_tokens": 50}
ANSWERS: Final = {"6 times 7": "42", "6 plus 7": "13", "capital of France": "Paris"}
HOST: Final = """
model = "claude-sonnet-4-6"
reasoner = "steady"
[reasoners.steady]
base_url = "{url}"
model = "thinker"
key = "deepseek"
rates = {{ input = 1, output = 2 }}
"""


def answer_in(text: str) -> str:
    """What Claude writes to the question in the text."""
    (answer,) = (answer for words, answer in ANSWERS.items() if words in text)
    return answer


class Claude(MessageBatchesVendor):
    """Answers the page's questions, one by one and in batches."""

    def __call__(self, request: Received) -> Reply:
        if request.path.startswith(PATH):
            return super().__call__(request)
        return claude_stream([answer_in(text_of(request))], usage=USAGE)

    def row_of(self, params: dict[str, Any]) -> str:
        return answer_in(str(params))

    def answer_to(self, row: str) -> str:
        return row


def shown(text: str) -> list[str]:
    """The lines, whatever time it took."""
    return re.sub(r"\b\d+ s$", "N s", text, flags=re.M).splitlines()


def runs(console: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, with what it prints."""
    for part in re.split(r"^\$ ", console, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


@pytest.mark.skipif(shutil.which("jq") is None, reason="the page uses jq")
def test_the_page_shows_what_comes(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reasoner.reply(reasoner_stream(["Let me see: "] * 20))
    vendors.claude.reply(Claude(usage=USAGE))
    vendors.config(HOST.format(url=vendors.reasoner.url))
    for name, text in zip(("questions.jsonl", "bad.jsonl"), FILES, strict=True):
        (tmp_path / name).write_text(text)
    page = PAGE
    for console in CONSOLES:
        for command, output in runs(console):
            script = f'cd "$1"; {command.replace("dr batch", "deepreasoning batch")}'
            told = vendors.shell(script, str(tmp_path))
            printed = (told.stdout + told.stderr).decode()
            if WRITES:
                fixed = re.sub(r"\b\d+ s$", "1 s", printed, flags=re.M)
                page = page.replace(f"{command}\n{output}", f"{command}\n{fixed}")
            else:
                assert shown(printed) == shown(output), printed
    if WRITES:
        PATH_OF_PAGE.write_text(page, "utf-8")
    assert len(CONSOLES) == 4


def test_the_line_of_a_terminal_is_as_the_page_has_it() -> None:
    now = [0.0]
    progress = RunProgress(2000, clock=lambda: now[0])
    for number in range(315):
        progress.count(Decimal("1.2034") if number == 0 else Decimal(0), failed=number < 3)
    now[0] = 315 / 41 * 60
    assert f"`{progress.line()}`" in " ".join(PAGE.split())
