"""Bytes changed at random, the key among them, and a look for the key in all that came of it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from support.vendors import canary, traces

START: Final = "sk-"
ODD: Final = (
    *(b"null", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\ud83d", b"-1", b"1e999", b"NaN", b"9" * 30),
    *(b"\n", b"\n\n", b"\r", b"\x00", b"\xff", b"\xed\xa0\xbd", b"\xef\xbb\xbf", b"\x1b[2J", b","),
    *(b":", b"=", b"#", b"'", b"true", b'""', b"{}", b"[[", b"0001-01-01", b"9" * 5_000),
)


class CanaryKey:
    """A key that must be nowhere: `value` is planted, and `check` looks for any piece of it."""

    def __init__(self) -> None:
        self.value = canary(START)
        self._traces = tuple(traces(self.value, START))

    def check(self, *said: str | bytes, below: Path | None = None) -> None:
        """Fail where a piece of it was said, or is in a file below the folder, or in its name."""
        for each in said:
            data = each.encode("utf-8", "replace") if isinstance(each, str) else each
            assert not any(trace in data for trace in self._traces), f"a piece of the key: {each!r}"
        for path in below.rglob("*") if below else ():
            self.check(path.name, path.read_bytes() if path.is_file() else b"")


def mutated(data: bytes, dice: random.Random, odd: tuple[bytes, ...] = ODD) -> bytes:
    """The bytes with a few of them changed, doubled, left out or put in."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 5)):
        at = dice.randrange(len(changed))
        until = min(len(changed), at + dice.choice((1, 2, 7, 60)))
        match dice.randrange(4):
            case 0:
                changed[at] ^= 1 << dice.randrange(8)
            case 1 if len(changed) > 100:
                del changed[at:until]
            case 2:
                changed[at:at] = changed[at:until]
            case _:
                changed[at:at] = dice.choice(odd)
    return bytes(changed)
