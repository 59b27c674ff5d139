"""Vendors for files of rows: what each says is about the row that it was asked."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from support.loopback import Received
from support.replies import Reply, Stall, claude_stream, reasoner_stream
from support.vendors import Vendors

ROW: Final = re.compile(r"question number (\d+)")
PATIENCE: Final = 60.0  # seconds without the next thing that has to come


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
    most_answers: int | None = None
    """How often Claude answers: who asks again, waits."""

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
        reply = claude_stream([text[:6], text[6:]])
        if self.most_answers is not None and len(self.vendors.claude.requests) > self.most_answers:
            return replace(reply, before=[Stall(PATIENCE)])
        return reply

    def asked(self, who: str) -> list[str]:
        """The rows that it was asked about."""
        return [row for vendor, row in self.log if vendor == who]

    def run(self, args: Sequence[str], *, kill_at: int | None = None, more: int = 0) -> int:
        """Run the program, killed when Claude has been asked so often; its exit code.

        So many `more` are answered until it is dead, and no others: it cannot come to its end.
        """
        self.most_answers = None if kill_at is None else kill_at + more
        with self.vendors.started(*args) as process:
            if kill_at is not None:
                self.vendors.claude.wait_for_requests(kill_at, PATIENCE)
                process.kill()
            process.communicate(timeout=PATIENCE)
            return process.returncode


def kill_when(vendors: Vendors, args: Sequence[str], happened: Callable[[], bool]) -> bool:
    """Run the program, killed as soon as it has happened; False where it was over before that."""
    with vendors.started(*args) as process:
        until = time.monotonic() + 2 * PATIENCE
        while not happened():
            if process.poll() is not None:
                return False
            assert time.monotonic() < until
            time.sleep(0.005)
        process.kill()
        return process.wait(PATIENCE) == -signal.SIGKILL


def has_lines(path: Path, goal: int) -> bool:
    """Whether there are so many lines in the file, which may not be there yet."""
    return path.exists() and path.read_bytes().count(b"\n") >= goal


def text_of(request: Received) -> str:
    """All that a request says."""
    return json.dumps(request.body, ensure_ascii=False)


def row_of(request: Received) -> str:
    """The row that a request asks about."""
    match = ROW.search(text_of(request))
    assert match, request.body
    return match[1]
