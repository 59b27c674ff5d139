"""What the load test of `serve` sends: tokens that tell when they left, as both vendors word them.

A token's text is ` s<stream>.<number>@<monotonic nanoseconds>`; the clock is the machine's, so
that any process can tell how old the token is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

TOKEN = re.compile(rb" s(\d+)\.(\d+)@(\d+)")
ASKED = re.compile(rb"load-test-stream-(\d+):")
_STAMP = "%05d@%019d"  # filled in when the token leaves; of one width, so that chunks are too
_END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """How many streams, tokens a second in each, and seconds; the first of them reasoning."""

    streams: int
    rate: float
    seconds: float
    reasoning: float
    mixed: bool = False
    """Whether some of the streams are loops of calls, and some ask for JSON."""

    def kind(self, stream: int) -> str:
        """Of ten streams two call a tool, and two are to answer with JSON."""
        return {3: "loop", 8: "loop", 1: "json", 6: "json"}.get(stream % 10 * self.mixed, "text")

    @property
    def called(self) -> int:
        """Where the tokens of a loop's call end: half of those behind the reasoning."""
        return (self.thoughts + self.tokens) // 2

    @property
    def thoughts(self) -> int:
        return round(self.rate * self.reasoning)

    @property
    def tokens(self) -> int:
        return round(self.rate * self.seconds)

    @property
    def words(self) -> list[str]:
        """As arguments of a process that takes part."""
        return [
            *(str(self.streams), str(self.rate), str(self.seconds), str(self.reasoning)),
            str(int(self.mixed)),
        ]

    @classmethod
    def of(cls, words: Sequence[str]) -> Load:
        streams, rate, seconds, reasoning, mixed = words
        return cls(int(streams), float(rate), float(seconds), float(reasoning), mixed == "1")


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens of one kind, `first` to before `end`: a chunk to be filled with number and time."""

    chunk: bytes
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Script:
    """A whole reply: what opens it at once, the paced tokens, what closes it."""

    opening: bytes
    parts: tuple[Part, ...]
    closing: bytes


def question(stream: int) -> str:
    """What the client asks; the upstream reads the stream's number from it, in both stages."""
    return f"load-test-stream-{stream}: how much is 6 times 7?"


def request(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A POST as it goes over the wire."""
    fields = {
        "host": "127.0.0.1",
        "connection": "close",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **headers,
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def unchunked(data: bytes) -> tuple[bytes, bytes, bool]:
    """The body in the whole chunks of `data`, what is left over, and whether the last came."""
    body, at = b"", 0
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line], 16)
        if not size:
            return body, b"", True
        after = line + 2 + size
        if len(data) < after + 2:
            break
        body += data[line + 2 : after]
        at = after + 2
    return body, data[at:], False


def reasoner(load: Load, stream: int) -> Script:
    """The reasoner's stream (api.deepseek.com): the reasoning, then an answer nobody needs."""
    own = _chat(f'"content":" r{stream}.{_STAMP}","reasoning_content":null')
    parts = (_thoughts(load, stream), Part(own, load.thoughts, load.tokens))
    return Script(_head() + _chat_opening(), parts, _chat_closing(load))


def both(load: Load, stream: int) -> Script:
    """What a proxy makes of both stages, from the upstream itself: the floor of the figures."""
    answer = _chat(f'"content":" s{stream:03d}.{_STAMP}","reasoning_content":null')
    parts = (_thoughts(load, stream), Part(answer, load.thoughts, load.tokens))
    return Script(_head() + _chat_opening(), parts, _chat_closing(load))


def calling(load: Load, stream: int) -> Script:
    """The Messages stream of a call: the first half of the tokens are its arguments."""
    delta = f'"delta":{{"type":"input_json_delta","partial_json":" s{stream:03d}.{_STAMP}"}}'
    chunk = _named("content_block_delta", f'"index":0,{delta}')
    block = (
        f'"index":0,"content_block":{{"type":"tool_use","id":"toolu_{stream}","name":"look",'
        '"input":{}}'
    )
    begun = _named("content_block_delta", f'"index":0,{_partial("{")}')
    opening = _messages_opening(load, block) + begun
    ended = _named("content_block_delta", f'"index":0,{_partial("}")}')
    parts = (Part(chunk, load.thoughts, load.called),)
    return Script(_head() + opening, parts, ended + _messages_closing(load, "tool_use"))


def _partial(mark: str) -> str:
    """What opens or closes the arguments: the tokens are a text in them."""
    text = '{\\"text\\":\\"' if mark == "{" else '\\"}'
    return f'"delta":{{"type":"input_json_delta","partial_json":"{text}"}}'


def answering_results(load: Load, stream: int) -> Script:
    """The answer to what a call brought: the other half of the tokens."""
    script = answerer(load, stream)
    (part,) = script.parts
    return Script(script.opening, (Part(part.chunk, load.called, part.end),), script.closing)


def answerer(load: Load, stream: int) -> Script:
    """The Messages stream (api.anthropic.com): the answer, numbered on from the reasoning."""
    delta = f'"delta":{{"type":"text_delta","text":" s{stream:03d}.{_STAMP}"}}'
    chunk = _named("content_block_delta", f'"index":0,{delta}')
    parts = (Part(chunk, load.thoughts, load.tokens),)
    return Script(_head() + _messages_opening(load), parts, _messages_closing(load))


def _thoughts(load: Load, stream: int) -> Part:
    chunk = _chat(f'"content":null,"reasoning_content":" s{stream:03d}.{_STAMP}"')
    return Part(chunk, 0, load.thoughts)


def _head() -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
    )


def _chunk(text: str) -> bytes:
    """As one chunk of the transfer coding; a stamp counts as long as it will be."""
    length = len(text) + (len(_STAMP % (0, 0)) - len(_STAMP)) * text.count(_STAMP)
    return f"{length:x}\r\n{text}\r\n".encode()


def _chat(delta: str, finish: str = "null", rest: str = "") -> bytes:
    return _chunk(
        'data: {"id":"930c60df-bf64-41c9-a88e-3ec75f81e00e","object":"chat.completion.chunk",'
        '"created":1795442174,"model":"deepseek-reasoner","system_fingerprint":"fp_load_test",'
        f'"choices":[{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":{finish}}}]'
        f"{rest}}}\n\n"
    )


def _chat_opening() -> bytes:
    return _chat('"role":"assistant","content":null,"reasoning_content":""')


def _chat_closing(load: Load) -> bytes:
    usage = (
        f',"usage":{{"prompt_tokens":20,"completion_tokens":{load.tokens},'
        f'"total_tokens":{load.tokens + 20},"prompt_cache_hit_tokens":0,'
        f'"prompt_cache_miss_tokens":20,'
        f'"completion_tokens_details":{{"reasoning_tokens":{load.thoughts}}}}}'
    )
    last = _chat('"content":"","reasoning_content":null', '"stop"', usage)
    return last + _chunk("data: [DONE]\n\n") + _END


def _named(event: str, rest: str) -> bytes:
    return _chunk(f'event: {event}\ndata: {{"type":"{event}"{"," if rest else ""}{rest}}}\n\n')


TEXT_BLOCK = '"index":0,"content_block":{"type":"text","text":""}'


def _messages_opening(load: Load, block: str = TEXT_BLOCK) -> bytes:
    message = (
        '"message":{"id":"msg_load_test","type":"message","role":"assistant",'
        '"model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,'
        f'"stop_sequence":null,"usage":{{"input_tokens":{load.thoughts + 40},"output_tokens":1}}}}'
    )
    return _named("message_start", message) + _named("content_block_start", block)


def _messages_closing(load: Load, reason: str = "end_turn") -> bytes:
    delta = (
        f'"delta":{{"stop_reason":"{reason}","stop_sequence":null}},'
        f'"usage":{{"output_tokens":{load.tokens - load.thoughts}}}'
    )
    ends = (_named("content_block_stop", '"index":0'), _named("message_delta", delta))
    return b"".join(ends) + _named("message_stop", "") + _END


def spread(sample: Sequence[int]) -> dict[str, float]:
    """Median, 95th and 99th hundredth and maximum of nanoseconds, in milliseconds."""
    ordered = sorted(sample)
    return dict(_marks(ordered)) if ordered else {}


def _marks(ordered: Sequence[int]) -> Iterator[tuple[str, float]]:
    for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        yield name, ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6
