"""From the words of a row to the bytes of a reply, and the places that nobody should call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Timer
from typing import Any, Final

from support.loopback_line import chunk_of, head_of, on_the_wire
from support.replies import (
    Call,
    Cut,
    HalfClose,
    Pause,
    Reply,
    Reset,
    Stall,
    Step,
    claude_stream,
    json_reply,
    reasoner_stream,
    sse,
)
from support.vendors import OWN_ANSWER, TEXTS, THOUGHTS

THOUGHTS_SEEN: Final = "".join(THOUGHTS[:2])
TEXT_SEEN: Final = TEXTS[0]
PAGE: Final = {
    "type": "text",
    "name": "Tables",
    "url": "https://example.org/6x7",
    "content": "6 x 7 is 42.",
}
SEEN: Final = {"reasoning": 4, "answer": 5}
"""How many parts of a good reply come before the fault: the head, then events."""

Signals = Callable[[str], None]
Said = dict[str, Any]
Steps = Iterator[bytes | Step]


def good_reply(letter: str) -> Reply:
    """What a vendor answers where nothing goes wrong: S search, R reasoner, C Claude."""
    if letter == "S":
        return json_reply(200, {"results": [PAGE]})
    return reasoner_stream(THOUGHTS, OWN_ANSWER) if letter == "R" else claude_stream(TEXTS)


def vendor_of(phase: str) -> str:
    """The letter of the vendor that fails in this phase."""
    return {"search": "S", "claude": "C", "answer": "C"}.get(phase, "R")


def faulty_reply(phase: str, does: Sequence[Any], signal: Signals) -> Reply:
    """The good reply up to the phase, and from there what the row says."""
    parts = on_the_wire(good_reply(vendor_of(phase)))
    at = SEEN.get(phase, 0)
    script = Script(parts[at:], signal, framed=at > 0)
    return Reply(framing="raw", body=[*parts[:at], *script.steps(does)])


class Script:
    """Plays the words of a row; `rest` is what a good reply would still bring.

    A word is a name alone, or a table whose first key is the name: each has its method here.
    Events are sent as chunks once the head is out (`framed`).
    """

    def __init__(self, rest: list[bytes | Step], signal: Signals, *, framed: bool) -> None:
        self._rest = rest
        self._signal = signal
        self._framed = framed

    def steps(self, words: Sequence[Any]) -> Iterator[bytes | Step]:
        """What the words mean. Raises AttributeError for one that nobody knows."""
        for word in words:
            said = {word: None} if isinstance(word, str) else word
            name = next(iter(said))
            yield from getattr(self, "play_" + name.replace("-", "_"))(said)

    def play_head(self, _: Said) -> Steps:
        self._framed = True
        yield head_of(Reply(), last=True)

    def play_rest(self, _: Said) -> Steps:
        yield from self._rest

    def play_rest_but_end(self, _: Said) -> Steps:
        yield from self._rest[:-1]

    def play_events(self, _: Said) -> Steps:
        yield from self._rest[1:]

    def play_body(self, _: Said) -> Steps:
        """The events without the frame of chunks."""
        yield b"".join(_piece(part) for part in self._rest[1:-1])

    def play_end(self, _: Said) -> Steps:
        yield b"0\r\n\r\n"

    def play_reset(self, _: Said) -> Steps:
        yield Reset()

    def play_stall(self, _: Said) -> Steps:
        yield Stall()

    def play_half_close(self, _: Said) -> Steps:
        yield HalfClose()

    def play_cut(self, said: Said) -> Steps:
        """Close the connection, after so many bytes of the rest."""
        if said["cut"]:
            yield _bytes_of(self._rest)[: said["cut"]]
        yield Cut()

    def play_cut_before(self, said: Said) -> Steps:
        """Close the connection before the last so many parts."""
        yield from self._rest[: -said["cut_before"]]
        yield Cut()

    def play_pause(self, said: Said) -> Steps:
        yield Pause(said["pause"])

    def play_signal(self, said: Said) -> Steps:
        yield Call(partial(self._signal, said["signal"]))

    def play_signal_soon(self, said: Said) -> Steps:
        yield Call(Timer(0.5, self._signal, [said["signal_soon"]]).start)

    def play_slice(self, said: Said) -> Steps:
        whole, size = _bytes_of(self._rest), said["slice"]
        for start in range(0, len(whole), size):
            yield whole[start : start + size]
            if "every" in said:
                yield Pause(said["every"])

    def play_status(self, said: Said) -> Steps:
        yield from on_the_wire(_whole_reply(said["status"], said))

    def play_raw(self, said: Said) -> Steps:
        yield said["raw"].encode("latin-1")

    def play_hex(self, said: Said) -> Steps:
        yield bytes.fromhex(said["hex"])

    def play_repeat(self, said: Said) -> Steps:
        yield from self.steps([*said["of"]] * said["repeat"])

    def play_replace(self, said: Said) -> Steps:
        yield _replaced(self._rest, said["replace"].encode(), said["by"].encode())

    def play_bytes_for(self, said: Said) -> Steps:
        yield _replaced(self._rest, said["bytes_for"].encode(), bytes.fromhex(said["hex"]))

    def play_data(self, said: Said) -> Steps:
        """An event of JSON."""
        yield self._chunk(sse(said["data"], said.get("named")))

    def play_event(self, said: Said) -> Steps:
        """An event as it stands; @[@ are 100,000 brackets."""
        yield self._chunk(said["event"].replace("@[@", "[" * 100_000).encode())

    def play_large(self, said: Said) -> Steps:
        """An event with so many bytes in place of its #."""
        yield self._chunk(said["event"].encode().replace(b"#", b"x" * said["large"]))

    def _chunk(self, event: bytes) -> bytes:
        return chunk_of(event) if self._framed else event


def _whole_reply(status: int, said: dict[str, Any]) -> Reply:
    headers = {name: str(value) for name, value in said.get("headers", {}).items()}
    if "json" in said:
        return json_reply(status, said["json"], headers)
    if "error" in said:  # the shape of either vendor: both read it
        return json_reply(status, {"type": "error", "error": said["error"]}, headers)
    body = str(said.get("body", "")).encode()
    return Reply(status, headers, [body], said.get("type", "text/html"), "length")


def _bytes_of(parts: list[bytes | Step]) -> bytes:
    return b"".join(part for part in parts if isinstance(part, bytes))


def _replaced(parts: list[bytes | Step], old: bytes, new: bytes) -> bytes:
    """The rest with other words in its events, framed anew."""
    head = parts[:1] if _bytes_of(parts[:1]).startswith(b"HTTP") else []
    *events, end = parts[len(head) :]
    changed = [chunk_of(_piece(event).replace(old, new)) for event in events]
    return _bytes_of([*head, *changed, end])


def _piece(part: bytes | Step) -> bytes:
    """What is in the chunk."""
    assert isinstance(part, bytes)
    return part.partition(b"\r\n")[2][:-2]
