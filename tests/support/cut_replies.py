"""Replies that break off at a byte, on a network that is not there; and what they had said by then.

What they had said is read by a few lines of this file's own, not by the program.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import httpcore

from support.replies import Payload, Reply, claude_stream, reasoner_stream, sse

Break = Literal["FIN", "RST", "stall"]
Plays = tuple[bytes, int, Break]
"""A reply, how much of it comes, and how it breaks off."""
BREAKS: Final[tuple[Break, ...]] = ("FIN", "RST", "stall")
HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)

THOUGHTS: Final = ("Six sevens: ", "größer als 40, ", "求める 🌌 ", 'so "42"\n', "it is.")
TEXTS: Final = ("**Forty", "-two**, ", "naïvely: 7×6 😀\n", "\\end")
CALLS: Final = (("toolu_1", "read", {"path": "a.txt", "lines": [1, 2]}),)


class Said(NamedTuple):
    """What a reply has said so far."""

    thoughts: str = ""
    texts: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """A reply as bytes on the wire, and how to read what was said in so many of its events."""

    wire: bytes
    ends: tuple[int, ...]
    """How many bytes have come when an event is whole."""
    said: tuple[Said, ...]
    """What the events up to each of these say."""

    @classmethod
    def of(
        cls,
        reply: Reply,
        read: Callable[[Payload], Sequence[str]],
        split: Callable[[Said], Said] = lambda said: said,
    ) -> RecordedReply:
        """The reply, a chunk for each of its events; `read` finds what an event says.

        `split` finds the reasoning in the text.
        """
        wire, ends, said = HEAD, [], [Said()]
        for event in reply.body:
            assert isinstance(event, bytes)
            wire += b"%x\r\n%b" % (len(event), event)
            ends.append(len(wire))
            wire += b"\r\n"
            data = event.partition(b"data: ")[2].strip()
            parts = read(json.loads(data)) if data.startswith(b"{") else ()
            said.append(
                Said(*(a + b for a, b in zip(said[-1], [*parts, "", "", ""], strict=False)))
            )
        return cls(wire + b"0\r\n\r\n", tuple(ends), tuple(map(split, said)))

    def said_by(self, cut: int) -> Said:
        """What it has said in its first `cut` bytes."""
        return self.said[sum(end <= cut for end in self.ends)]


def of_chat(event: Payload) -> Sequence[str]:
    """What an event of Chat Completions says."""
    delta = event["choices"][0]["delta"] if event["choices"] else {}
    thought = delta.get("reasoning_content") or delta.get("reasoning") or delta.get("thinking")
    return (thought or "", delta.get("content") or "")


def of_messages(event: Payload) -> Sequence[str]:
    """What an event of Messages says."""
    delta = event.get("delta", {})
    return (delta.get("thinking", ""), delta.get("text", ""), delta.get("partial_json", ""))


def of_responses(event: Payload) -> Sequence[str]:
    """What an event of Responses says."""
    kind = event["type"]
    return (
        event["delta"] if kind == "response.reasoning_text.delta" else "",
        event["delta"] if kind == "response.output_text.delta" else "",
    )


def between_tags(said: Said) -> Said:
    """What is said, where the reasoning stands between tags at the beginning of the text."""
    start = said.texts.lstrip()
    if not start.startswith("<think>"):
        return said
    thoughts, _, texts = start.removeprefix("<think>").lstrip().partition("</think>")
    return Said(thoughts, texts.lstrip())


def responses_stream() -> Reply:
    """The events of Responses that say something, and its last."""
    head = {"id": "resp_1", "object": "response", "model": "deepreasoning", "output": []}
    events: list[Payload] = [{"type": "response.created", "response": head}]
    for at, kind in enumerate(("reasoning_text", "output_text")):
        events += [
            {"type": f"response.{kind}.delta", "output_index": at, "delta": text}
            for text in (THOUGHTS, TEXTS)[at]
        ]
    usage = {"input_tokens": 20, "output_tokens": 50, "total_tokens": 70}
    whole = head | {"status": "completed", "incomplete_details": None, "usage": usage}
    events.append({"type": "response.completed", "response": whole})
    return Reply(body=[sse(event, event["type"]) for event in events])


INLINE: Final = ("<thi", "nk>\n", *THOUGHTS, " a <b", "</th", "ink>\n", "\n", *TEXTS)
REASONERS: Final[Mapping[str, RecordedReply]] = {
    **{
        field: RecordedReply.of(reasoner_stream(THOUGHTS, TEXTS, field=field), of_chat)
        for field in ("reasoning_content", "reasoning_details", "thinking")
    },
    "<think>": RecordedReply.of(reasoner_stream((), INLINE), of_chat, between_tags),
}
ANSWERERS: Final[Mapping[str, RecordedReply]] = {
    "messages": RecordedReply.of(claude_stream(TEXTS), of_messages),
    "thinking": RecordedReply.of(claude_stream(TEXTS, thinking=THOUGHTS), of_messages),
    "tools": RecordedReply.of(claude_stream(TEXTS[:1], calls=CALLS), of_messages),
}
HOSTED: Final[Mapping[str, RecordedReply]] = {
    "chat_completions": REASONERS["reasoning_content"],
    "responses": RecordedReply.of(responses_stream(), of_responses),
    "messages": ANSWERERS["thinking"],
}


class BreakingStream(httpcore.NetworkStream):
    """A connection that brings so many bytes of a reply, a slice a read, and breaks."""

    def __init__(self, wire: bytes, cut: int, how: Break) -> None:
        self._rest = wire[:cut]
        self._slice = 1 + cut * 7919 % 997  # another one for each cut, the same in each run
        self._how = how

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        size = min(self._slice, max_bytes)
        data, self._rest = self._rest[:size], self._rest[size:]
        if data or self._how == "FIN":
            return data
        if self._how == "RST":
            raise httpcore.ReadError("[Errno 104] Connection reset by peer")
        raise httpcore.ReadTimeout("timed out")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Who is asked knows what to say."""

    def close(self) -> None:
        """There is no socket."""

    def get_extra_info(self, info: str) -> Any:
        return None


@dataclass(frozen=True, slots=True)
class BreakingNetwork(httpcore.NetworkBackend):
    """Leads to the stream of each host, by its name."""

    replies: Mapping[str, Plays]

    def connect_tcp(self, host: str, *_args: Any, **_options: Any) -> httpcore.NetworkStream:
        return BreakingStream(*self.replies[host])
