"""Vendors for files of rows: what each says is about the row that it was asked."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from support.loopback import Received
from support.replies import Reply, claude_stream, reasoner_stream
from support.runner import PROGRAM, environment
from support.vendors import Vendors

ROW: Final = re.compile(r"question number (\d+)")
PATIENCE: Final = 120.0  # seconds


def thought_about(row: str) -> str:
    """What the reasoner thinks of a row."""
    return f"thoughts on row {row}; "


def answer_to(row: str) -> str:
    """What Claude answers to a row."""
    return f"the answer to row {row}"


def write_rows(path: Path, count: int) -> None:
    """A file of so many rows, which the vendors know by their prompts."""
    rows = ({"id": f"row-{row}", "prompt": f"question number {row}"} for row in range(count))
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def answers_in(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of answers, which are all whole."""
    text = path.read_text("utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@dataclass(slots=True)
class RowVendors:
    """Scripts both vendors; `log` has who was asked about which row, in the order of asking."""

    vendors: Vendors
    thoughts: int = 4
    """How many times a thought is repeated."""
    log: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vendors.reasoner.reply(self.reason)
        self.vendors.claude.reply(self.answer)

    def reason(self, request: Received) -> Reply:
        """The chain of thought about the row in the request."""
        row = row_of(request)
        self.log.append(("reasoner", row))
        return reasoner_stream([thought_about(row)] * self.thoughts, ["so it is"])

    def answer(self, request: Received) -> Reply:
        """The answer to the row, in two pieces; it has to have been told that row's thoughts."""
        row = row_of(request)
        self.log.append(("claude", row))
        others = set(re.findall(r"thoughts on row (\d+)", text_of(request)))
        assert others == {row}, f"row {row} was handed the thoughts on {others}"
        text = answer_to(row)
        return claude_stream([text[:6], text[6:]])

    def asked(self, who: str) -> list[str]:
        """The rows that it was asked about."""
        return [row for vendor, row in self.log if vendor == who]

    @contextmanager
    def running(self, *args: str) -> Iterator[subprocess.Popen[bytes]]:
        """The program; it is killed if it still runs at the end."""
        process = subprocess.Popen(
            [*PROGRAM, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(self.vendors.environment),
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, args: Sequence[str], *, kill_at: int | None = None) -> int:
        """Run the program, killed when Claude has been asked so often; its exit code."""
        with self.running(*args) as process:
            if kill_at is not None:
                self.vendors.claude.wait_for_requests(kill_at, PATIENCE)
                process.kill()
            process.communicate(timeout=PATIENCE)
            return process.returncode


def text_of(request: Received) -> str:
    """All that a request says."""
    return json.dumps(request.body, ensure_ascii=False)


def row_of(request: Received) -> str:
    """The row that a request asks about."""
    match = ROW.search(text_of(request))
    assert match, request.body
    return match[1]
