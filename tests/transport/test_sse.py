from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, cast

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.pipeline.events import DONE, Payload
from deepreasoning_cli.transport import Timeouts, TransportLimits
from deepreasoning_cli.transport.sse import StallGuard, _event_payloads, event_data, payloads
from support.calls import said
from support.loopback import Reply, claude_stream, reasoner_stream
from support.often import RecordProperty, often


class Pieces:
    """A response that comes in these pieces; `clock` is moved on before each of them."""

    def __init__(self, pieces: Iterable[bytes], waits: Iterable[float] = ()) -> None:
        self.pieces, self.waits, self.time = pieces, iter(waits), 0.0

    def iter_bytes(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.time += next(self.waits, 0.0)
            yield piece

    def now(self) -> float:
        return self.time


def read(*pieces: bytes) -> list[Payload]:
    return list(payloads(cast(httpx.Response, Pieces(pieces)), Timeouts()))


def lines(text: str) -> list[Payload]:
    return read(text.encode())


@pytest.mark.parametrize("text", ["", "x"])
@pytest.mark.parametrize("key", [r"sk-\u0031234567890abc", r"sk\/1234567890abc"])
def test_a_key_is_masked_in_what_comes_beside_a_text(text: str, key: str) -> None:
    data = f'data: {{"model": "{key}", "choices": [{{"delta": {{"content": "{text}"}}}}]}}\n\n'
    secrets = ("sk-1234567890abc", "sk/1234567890abc")
    guard = StallGuard(cast(httpx.Response, Pieces([data.encode()])), Timeouts())
    (payload,) = _event_payloads(guard, guard.iter_bytes(), secrets)
    assert payload["model"] == "[key]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('data: {"a":1}\n\n', [{"a": 1}]),
        ('data:{"a":1}\n\n', [{"a": 1}]),
        ('data: {"a":1}\r\n\r\ndata: {"a":2}\r\n\r\n', [{"a": 1}, {"a": 2}]),
        ('data: {"a":1}\r\rdata: {"a":2}\r\r', [{"a": 1}, {"a": 2}]),
        ('\ufeffdata: {"a":1}\n\n', [{"a": 1}]),
        ('data: {"a":\ndata: 1}\n\n', [{"a": 1}]),
        (': keep-alive\n\n: OPENROUTER PROCESSING\n\ndata: {"a":1}\n\n', [{"a": 1}]),
        ('id: 7\nretry: 100\nevent: x\nunknown: y\nflag\ndata: {"a":1}\n\n', [{"a": 1}]),
        ("id: 7\n\nid\x00: 8\nretry: soon\n\n", []),
        ('event: ping\ndata: {"type": "ping"}\n\ndata: {"a":1}\n\n', [{"a": 1}]),
        (
            'data: {"a":1}\n\nevent: ping\ndata: {"type":"ping"}\n\n',
            [{"a": 1}, {"type": "ping"}],
        ),
        ("data: null\n\ndata: 1\n\ndata: []\n\ndata: {}\n\n", [{}]),
        ('data: {"a":"\u2028\u2029\u0085"}\n\n', [{"a": "\u2028\u2029\u0085"}]),
        ('data: {"a":1}\n\ndata: [DONE]\n\ndata: {"b":1}\n\n', [{"a": 1}, DONE]),
        ("data:  [DONE] \n\n", [DONE]),
        ('data: {"a":1}\n\ndata: {"b":1}\n', [{"a": 1}]),
        ('data: {"a":1}\n\ndata: {"b":1}', [{"a": 1}]),
        ("", []),
    ],
)
def test_events_become_payloads(text: str, expected: list[Payload]) -> None:
    assert lines(text) == expected


def test_an_invalid_byte_becomes_a_replacement_character() -> None:
    assert read(b'data: {"a":"x\xffy"}\n\n') == [{"a": "x\ufffdy"}]


def test_a_character_may_come_in_two_pieces() -> None:
    data = 'data: {"a":"😀"}\n\n'.encode()
    assert [read(data[:cut], data[cut:]) for cut in range(len(data))] == [[{"a": "😀"}]] * len(data)


def test_a_mark_of_byte_order_counts_only_at_the_start() -> None:
    assert read(b"\xef", b"\xbb\xbf", b'data: {"a":"\xef\xbb\xbf"}\n\n') == [{"a": "\ufeff"}]


def test_one_bad_event_is_skipped() -> None:
    bad = "data: {half\n\n"
    deep = f"data: {'[' * 100_000}\n\n"
    text = f'{bad}{deep}data: {{"a":1}}\n\n{bad}{bad}data: null\n\n{bad}{bad}data: {{"a":2}}\n\n'
    assert lines(text) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "9" * 5_000, f"-{'9' * 5_000}"])
def test_a_number_beyond_all_numbers_costs_no_text(number: str) -> None:
    (payload,) = lines(f'data: {{"text": "paid for", "created": {number}}}\n\n')
    assert payload["text"] == "paid for"


def test_three_bad_events_in_a_row_end_it() -> None:
    stream = payloads(cast(httpx.Response, Pieces([said({"a": 1}, "x", "y", "z")])), Timeouts())
    assert next(stream) == {"a": 1}
    with pytest.raises(UnavailableError) as caught:
        next(stream)
    assert (caught.value.kind, caught.value.message) == ("bad_reply", "the reply is not readable")
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    "reply", [claude_stream(["Grü", "ße 😀\u2028"], thinking=["hm"]), reasoner_stream(["é", "b"])]
)
def test_a_recorded_stream_is_the_same_at_every_cut(reply: Reply, newline: bytes) -> None:
    data = b"\xef\xbb\xbf: hello\n\n" + reply.whole
    data = data.replace(b"\n", newline)
    expected = read(data)
    assert len(expected) >= 6
    for cut in range(1, len(data)):
        assert read(data[:cut], data[cut:]) == expected
    assert read(*(data[at : at + 1] for at in range(len(data)))) == expected


objects = st.dictionaries(st.text(), st.text() | st.integers() | st.none())


@given(st.lists(objects), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_any_objects_come_through_any_cuts(
    sent: list[Payload], newline: str, data: st.DataObject
) -> None:
    body = said(*sent).replace(b"\n", newline.encode())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    pings = itertools.takewhile(lambda payload: payload.get("type") == "ping", sent)
    assert read(*pieces) == sent[len(list(pings)) :]


@given(st.lists(st.binary()))
def test_any_bytes_give_payloads_or_our_error(pieces: list[bytes]) -> None:
    received: list[Payload] = []
    with suppress(UnavailableError):
        received.extend(payloads(cast(httpx.Response, Pieces(pieces)), Timeouts()))
    assert all(isinstance(payload, dict) for payload in received)


class Decoded:
    """A response whose text httpx-sse reads."""

    headers = {"content-type": "text/event-stream"}  # noqa: RUF012 (nobody changes it)

    def __init__(self, body: bytes) -> None:
        self.body = body

    def iter_text(self) -> Iterator[str]:
        yield self.body.decode("utf-8-sig", "replace")


@given(st.lists(st.sampled_from(["data", ":", " ", "x", "\n", "\r", "\ufeff", "\u2028", "id"])))
def test_events_are_those_that_httpx_sse_reads(parts: list[str]) -> None:
    body = "".join(parts).encode()
    expected = [e.data for e in EventSource(cast(Any, Decoded(body))).iter_sse() if e.data]
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        assert [data.decode() for data in event_data(pieces) if data] == expected


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_an_event_waits_for_no_further_read(newline: bytes) -> None:
    pieces = iter([b"data: x" + newline * 2, b"more"])
    assert (next(event_data(pieces)), next(pieces)) == (b"x", b"more")


def watch(pieces: Pieces, clocks: Timeouts) -> StallGuard:
    return StallGuard(cast(httpx.Response, pieces), clocks, TransportLimits(now=pieces.now))


CLOCKS = Timeouts(read=120, first_progress=620, progress=180)


def texts(guarded: StallGuard) -> int:
    """How many pieces come before it gives up."""
    came: list[bytes] = []
    with pytest.raises(UnavailableError, match=r"^nothing but keep-alives for \d+ s$"):
        came.extend(guarded.iter_bytes())
    return len(came)


def test_the_first_event_may_take_the_longest() -> None:
    assert texts(watch(Pieces([b":\n"] * 99, [100.0] * 99), CLOCKS)) == 6


def test_after_the_first_event_there_is_less_patience() -> None:
    guarded = watch(Pieces([b":\n"] * 99, [100.0] * 99), CLOCKS)
    guarded.progressed()
    assert texts(guarded) == 1


def test_a_suspended_program_does_not_give_up_the_moment_it_goes_on() -> None:
    guarded = watch(Pieces([b":\n"] * 99, [3600.0, *[1.0] * 98]), CLOCKS)
    guarded.progressed()
    assert texts(guarded) == 61


def test_what_the_reader_takes_is_not_the_servers_silence() -> None:
    pieces = Pieces([b":\n"] * 50)
    guarded = watch(pieces, CLOCKS)
    for _ in guarded.iter_bytes():
        pieces.time += 3600
    assert pieces.time == 50 * 3600


def test_progress_starts_the_clock_again() -> None:
    pieces = Pieces([b":\n"] * 50, [100.0] * 50)
    guarded = watch(pieces, CLOCKS)
    for _ in guarded.iter_bytes():
        guarded.progressed()
    assert pieces.time == 5000


def test_an_event_has_a_largest_size() -> None:
    limits = TransportLimits(largest_event=100)
    small, large = said({"a": "x" * 50}), said({"a": "x" * 100})
    assert len(list(payloads(cast(Any, Pieces([small] * 9)), Timeouts(), limits))) == 9
    stream = payloads(cast(Any, Pieces([small, large[:60], large[60:]])), Timeouts(), limits)
    assert next(stream) == {"a": "x" * 50}
    with pytest.raises(UnavailableError) as caught:
        next(stream)
    message = "one event of the reply passes 16 MB"
    assert (caught.value.kind, caught.value.message) == ("bad_reply", message)


def test_an_error_event_that_is_no_json_is_the_error_that_it_says() -> None:
    assert lines('data: {"a":1}\n\nevent: error\ndata: out of tokens\n\ndata: {"b":1}\n\n') == [
        {"a": 1},
        {"error": "out of tokens"},
    ]


def events_by_the_standard(body: bytes) -> list[str]:
    """The data of each event, by the words of
    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
    """
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _unfinished = re.split("\r\n|\n|\r", text)
    events, buffer = [], ""
    for line in lines:
        if not line:
            if buffer:
                events.append(buffer.removesuffix("\n"))
            buffer = ""
            continue
        name, _, value = line.partition(":")
        if name == "data":
            buffer += value.removeprefix(" ") + "\n"
    return [event for event in events if event]


FRAMING = (
    *(b"data", b"data:", b"data: ", b":", b" ", b"event: error", b"id: 1", b"retry", b"\x00"),
    *(b"\n", b"\n", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\r", b"\xef\xbb\xbf", b"\xef", b"\xff"),
    *(b'{"a":1}', b"[DONE]", "é".encode(), b"\xf0\x9f", "😀\u2028\u0085".encode(), b"\x0b\x0c\x1c"),
)
STREAMS, SHARES = often(4_000, 100_000), 4


@pytest.mark.parametrize("share", range(SHARES))
def test_streams_are_read_as_the_standard_says(share: int, record_property: RecordProperty) -> None:
    dice = random.Random(share)
    for _ in range(STREAMS // SHARES):
        body = b"".join(dice.choices(FRAMING, k=dice.randint(1, 24)))
        cuts = sorted(dice.randint(0, len(body)) for _ in range(dice.randint(0, 6)))
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        read_events = [data.decode("utf-8", "replace") for data in event_data(pieces) if data]
        assert read_events == events_by_the_standard(body), (body, cuts)
    record_property("streams", STREAMS // SHARES)
