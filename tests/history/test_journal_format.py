"""Events as lines of a journal."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.history.journal_format import (
    JournalLine,
    NewerJournalError,
    TurnClosed,
    TurnOutcome,
    event_line,
    read_line,
)
from deepreasoning_cli.pipeline.events import (
    Continued,
    Draft,
    Event,
    Handoff,
    Reused,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage
from support.sample_turns import CARD, WHEN, turn_started

JOURNAL_V1 = Path(__file__).with_name("journal_v1.jsonl")
LATER = datetime(2026, 11, 23, 14, 0, 0, 250, tzinfo=timezone(timedelta(hours=2)))
TEXTS = st.text(st.characters(exclude_categories=()), max_size=40)  # halves of pairs, NUL and all
MAYBE = st.none() | TEXTS
MONEY = st.decimals(min_value=0, max_value=10**6, allow_nan=False, places=9)
COUNTS = st.integers(0, 10**7)
SECONDS = st.floats(0, 10**6)
TIMES = st.datetimes(timezones=st.just(UTC))
RATES = st.builds(Rates, MONEY, MONEY, st.none() | MONEY, st.none() | MONEY)
STAGES = st.sampled_from(Stage)
USAGES = st.builds(Usage, COUNTS, COUNTS, st.none() | COUNTS, COUNTS, COUNTS, st.booleans())
EVENTS: st.SearchStrategy[Event | TurnClosed] = st.one_of(
    st.builds(TurnStarted, TEXTS, TEXTS, TEXTS, st.sampled_from(Handoff), MAYBE, MAYBE, MAYBE),
    st.builds(
        StageStarted,
        STAGES,
        TEXTS,
        COUNTS,
        st.none() | st.builds(RateCard, RATES, as_of=TEXTS, source=TEXTS),
        TIMES,
        COUNTS,
    ),
    st.builds(Reused, TEXTS, TEXTS, TEXTS),
    st.builds(
        Continued,
        TEXTS,
        st.none() | MONEY,
        st.lists(st.builds(Source, TEXTS, TEXTS), max_size=3).map(tuple),
    ),
    st.builds(Thought, TEXTS),
    st.builds(Draft, TEXTS),
    st.builds(Text, TEXTS),
    st.builds(ToolCallStarted, TEXTS, TEXTS),
    st.builds(ToolArguments, TEXTS),
    st.builds(Sources, st.lists(st.builds(Source, TEXTS, TEXTS), max_size=3).map(tuple)),
    st.builds(
        StageFinished,
        STAGES,
        TEXTS,
        MAYBE,
        st.none() | USAGES,
        st.none() | MONEY,
        SECONDS,
        MAYBE,
        st.booleans(),
    ),
    st.builds(TurnWarning, TEXTS),
    st.builds(
        TurnClosed,
        ending=st.sampled_from(TurnOutcome),
        complete=st.booleans(),
        first_reasoning=st.none() | SECONDS,
        first_answer=st.none() | SECONDS,
        total=SECONDS,
    ),
)


LARGE = Rates(Decimal(6), Decimal("3E+1"), Decimal("0.60"))
BANDED = replace(CARD, base=Rates(Decimal("0.28"), Decimal("0.42")), bands=((200_000, LARGE),))
VERSION_1: list[tuple[Event | TurnClosed, datetime | None]] = [
    (
        TurnStarted(
            *("t1", "direct", "6×7?\ud83d", Handoff.BOTH, "s", "Be brief.", "t0", "r1", "claude")
        ),
        WHEN,
    ),
    (TurnStarted("t1", "demo", "", Handoff.NONE), None),
    (Reused("so", "42", "r1"), None),
    (StageStarted(Stage.ANSWER, "m", 300_000, replace(BANDED, source="page"), LATER, 7), None),
    (StageStarted(Stage.REASON, "m", 1, replace(BANDED, source="page"), WHEN), None),
    (StageStarted(Stage.SEARCH, "m", 0, None, WHEN), None),
    (Sources((Source("Täbles", "https://example.org/7"), Source("", ""))), None),
    (Thought('"so" \0\u2028'), None),
    (Draft("4"), None),
    (Text("😀\n"), None),
    (
        StageFinished(
            *(Stage.REASON, "m", "m-1", Usage(11, 40, 40, 3, 2, estimated=True)),
            *(Decimal("1.50E-7"), 2.25, "stop"),
        ),
        None,
    ),
    (StageFinished(Stage.SEARCH, "m", None, None, None, 0.0, None, complete=False), None),
    (TurnWarning("late"), None),
    (
        TurnClosed(
            ending=TurnOutcome.LENGTH,
            complete=False,
            first_reasoning=None,
            first_answer=1.5,
            total=2.0,
        ),
        None,
    ),
]
"""What the lines of `journal_v1.jsonl` tell, which the first versions wrote."""


def as_read(event: Event | TurnClosed) -> Event | TurnClosed:
    """Of a rate card a line has the rates that hold for its request, of a time the moment."""
    if not isinstance(event, StageStarted):
        return event
    card = event.rates and RateCard(
        event.rates.at(event.at, event.input_tokens),
        as_of=event.rates.as_of,
        source=event.rates.source,
    )
    return replace(event, rates=card, at=event.at.astimezone(UTC))


def test_the_lines_of_version_1_are_still_written_to_the_byte() -> None:
    lines = [event_line(event, 0.12345678, began) for event, began in VERSION_1]
    later_fields = (
        *(b"answerer_host", b"host", b"resumes", b"fingerprint", b"conversation"),
        *(b"comparison", b"arms"),
    )
    for later in later_fields:
        lines = [line.replace(b', "%s": null' % later, b"") for line in lines]
    assert lines == JOURNAL_V1.read_bytes().splitlines(keepends=True)


def test_the_lines_of_version_1_are_still_read() -> None:
    lines = map(read_line, JOURNAL_V1.read_bytes().splitlines(keepends=True))
    assert [(line.event, line.began) for line in lines] == [
        (as_read(event), began) for event, began in VERSION_1
    ]


@given(EVENTS)
def test_every_event_comes_back_as_it_was(event: Event | TurnClosed) -> None:
    assert read_line(event_line(event, 0.25)) == JournalLine(event, 0.25)


@given(EVENTS, SECONDS)
def test_a_line_is_one_line_of_ascii(event: Event | TurnClosed, seconds: float) -> None:
    data = event_line(event, seconds)
    assert (data.isascii(), data.count(b"\n"), data[-1:]) == (True, 1, b"\n")
    assert len(data.splitlines()) == 1


@given(EVENTS)
def test_a_torn_line_is_refused_wherever_it_is_torn(event: Event | TurnClosed) -> None:
    data = event_line(event, 0.25)
    for size in range(len(data) - 1):
        with pytest.raises(ValueError):  # noqa: PT011 - json's own error is one too
            read_line(data[:size])


@given(st.binary(max_size=60))
def test_a_foreign_line_is_a_value_error_or_a_line(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(read_line(data), JournalLine)


def test_the_first_line_holds_the_version_and_the_time() -> None:
    data = event_line(turn_started(), 0.0, WHEN)
    assert read_line(data) == JournalLine(turn_started(), 0.0, WHEN)
    assert json.loads(data)["version"] == 1


def test_a_line_of_a_newer_version_says_so() -> None:
    fields = json.loads(event_line(turn_started(), 0.0, WHEN)) | {"version": 2}
    with pytest.raises(NewerJournalError):
        read_line(json.dumps(fields).encode())


def test_of_a_rate_card_the_rates_of_this_very_request_are_kept() -> None:
    large = Rates(Decimal(6), Decimal(30))
    card = RateCard(CARD.base, bands=((200_000, large),), as_of="2026-11-01", source="page")
    when = datetime(2026, 11, 23, tzinfo=UTC)
    start = StageStarted(Stage.ANSWER, "claude-opus-5", 300_000, card, when)
    kept = RateCard(large, as_of="2026-11-01", source="page")
    assert read_line(event_line(start, 1.0)).event == replace(start, rates=kept)


def test_a_stage_in_an_older_journal_wrote_to_no_cache() -> None:
    start = StageStarted(Stage.ANSWER, "claude-opus-5", 300, CARD, WHEN, 200)
    fields = json.loads(event_line(start, 1.0))
    del fields["cache_write_tokens"]
    assert read_line(json.dumps(fields).encode()).event == replace(start, cache_write_tokens=0)


@pytest.mark.parametrize(
    "data",
    [
        b"null",
        b"[]",
        b"{}",
        b"7",
        b"\0" * 40,
        b'{"event":"text","t":1}',
        b'{"event":"text","t":1,"text":5}',
        b'{"event":"later","t":1}',
        b'{"event":"finished","t":1,"stage":"answer","model":"m","served_model":null,"usage":null,'
        b'"cost":"dear","seconds":1,"stop_reason":null,"complete":true}',
        b"[" * 100_000,
        b'{"event":"text","t":NaN,"text":"a"}',
        b'{"event":"text","t":1e999,"text":"a"}',
        b'{"event":"text","t":1,"text":"a","began":"9999-12-31T23:59:59-12:00"}',
        b'{"event":"closed","t":1,"complete":true,"ending":"complete","first_reasoning":null,'
        b'"first_answer":null,"total":Infinity}',
        b'{"event":"finished","t":1,"stage":"answer","model":"m","served_model":null,"usage":null,'
        b'"cost":"NaN","seconds":1,"stop_reason":null,"complete":true}',
        b'{"event":"finished","t":1,"stage":"answer","model":"m","served_model":null,'
        b'"usage":{"input_tokens":"many","output_tokens":1},'
        b'"cost":"1","seconds":1,"stop_reason":null,"complete":true}',
    ],
)
def test_a_damaged_line_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is one too
        read_line(data)


def test_what_a_page_said_is_kept_with_its_source_and_nothing_where_it_said_nothing() -> None:
    sources = Sources((Source("A", "https://a.example", "42"), Source("B", "https://b.example")))
    line = event_line(sources, 0.5)
    assert json.loads(line)["sources"] == [
        {"title": "A", "url": "https://a.example", "text": "42"},
        {"title": "B", "url": "https://b.example"},
    ]
