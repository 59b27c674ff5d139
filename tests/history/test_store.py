"""What was asked and answered, afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepreasoning_cli.errors import IncompleteError, UsageError
from deepreasoning_cli.history.journal_format import TurnOutcome
from deepreasoning_cli.history.queries import TurnSummary
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import (
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
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.json import turn_object
from support.sample_turns import (
    CARD,
    WHEN,
    answer_events,
    journal_turn,
    no_warning,
    open_store,
    reason_events,
    record_of,
    turn_events,
    turn_started,
)

TEXTS = st.text(max_size=30)
COUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, COUNTS, COUNTS, st.none() | COUNTS, COUNTS, COUNTS, st.booleans())
MONEY = st.decimals(min_value=0, max_value=10**6, allow_nan=False, places=12)
FINISHED = st.builds(
    StageFinished,
    st.sampled_from(Stage),
    TEXTS,
    st.none() | TEXTS,
    st.none() | USAGES,
    st.none() | MONEY,
    st.floats(0, 10**6),
    st.none() | TEXTS,
    st.booleans(),
)
EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        st.builds(Thought, TEXTS),
        st.builds(Draft, TEXTS),
        st.builds(Reused, TEXTS, TEXTS, TEXTS),
        st.builds(Text, TEXTS),
        st.builds(TurnWarning, TEXTS),
        st.builds(Sources, st.lists(st.builds(Source, TEXTS, TEXTS), max_size=3).map(tuple)),
        st.builds(
            StageStarted,
            st.sampled_from(Stage),
            TEXTS,
            COUNTS,
            st.none() | st.just(CARD),
            st.just(WHEN),
        ),
        FINISHED,
    ),
    max_size=12,
)
OPENED = st.builds(
    TurnStarted,
    st.text(min_size=1, max_size=20),
    TEXTS,
    TEXTS,
    st.sampled_from(Handoff),
    *[st.none() | TEXTS] * 3,
)
FAULT = IncompleteError("cut")
NUMBERS = count()


def store_turns(
    folder: Path, *turns: Sequence[Event], failure: BaseException | None = None
) -> None:
    with open_store(folder) as store:
        for events in turns:
            store.save(record_of(events, failure=failure))


def ids(turns: Sequence[TurnRecord] | Sequence[TurnSummary]) -> list[str]:
    return [turn.start.id if isinstance(turn, TurnRecord) else turn.id for turn in turns]


@settings(max_examples=60)
@given(OPENED, EVENTS, st.sampled_from([None, FAULT]))
def test_a_turn_comes_back_as_it_was_shown(
    tmp_path: Path, first: TurnStarted, events: list[Event], failure: IncompleteError | None
) -> None:
    first = replace(first, id=f"{next(NUMBERS)}/{first.id}")  # all examples share one store
    record = record_of([first, *events], failure=failure)
    with open_store(tmp_path) as store:
        store.save(record)
        back = store.turn(first.id)
    assert turn_object(back) == turn_object(record)
    assert (back.start, back.sources) == (record.start, record.sources)
    assert (back.warnings, back.stages) == (record.warnings, record.stages)
    assert (back.draft, back.reused_model) == (record.draft, record.reused_model)


def test_the_rates_a_stage_was_priced_by_are_kept(tmp_path: Path) -> None:
    starts = [event for event in turn_events() if isinstance(event, StageStarted)]
    with open_store(tmp_path) as store:
        store.save(record_of(turn_events()), starts=starts[:1])
        rows = store._database.read(
            lambda connection: connection.execute("SELECT * FROM stages ORDER BY stage").fetchall()
        )
    figures = ("rate_input", "rate_output", "rate_cache_read", "rate_cache_write", "rates_as_of")
    assert [tuple(row[name] for name in figures) for row in rows] == [
        (None, None, None, None, None),
        ("0.28", "0.42", "0.028", None, "2026-11-01"),
    ]


def test_what_caches_spared_is_known_again_from_the_rates_that_are_kept(tmp_path: Path) -> None:
    record = journal_turn(tmp_path, turn_events())
    assert record.saved == 0  # 3 tokens were read at a tenth, by an estimate
    counted = [
        replace(event, usage=Usage(1_000, 40, 40, 600))
        if isinstance(event, StageFinished) and event.stage is Stage.REASON
        else event
        for event in turn_events("turn2")
    ]
    shown_then = journal_turn(tmp_path, counted)
    with open_store(tmp_path) as store:
        kept = store.turn("turn2").saved
        never = store.turn("turn1").saved
    # 600 read at 0.028 in place of 0.28 per million
    assert (shown_then.saved, kept, never) == (*[Decimal("0.0001512")] * 2, Decimal(0))


def test_money_is_kept_as_its_digits(tmp_path: Path) -> None:
    store_turns(tmp_path, turn_events())
    with open_store(tmp_path) as store:
        stages = store.turn("turn1").stages
        (row,) = store.listing()
    assert str(stages[Stage.ANSWER].cost) == "1.5E-7"
    assert str(row.cost) == "0.00002015"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\0b", "a\0b"),
        ("half \ud83d", "half �"),
        ("joined \ud83d\ude00", "joined 😀"),
        ("\udcff", "�"),
    ],
)
def test_nul_and_surrogates_are_stored(tmp_path: Path, text: str, stored: str) -> None:
    events = [
        replace(turn_started(prompt=text), session=text, system=text),
        Sources((Source(text, text),)),
        *reason_events([text]),
        *answer_events([text], model=text),
        TurnWarning(text),
    ]
    store_turns(tmp_path, events)
    with open_store(tmp_path) as store:
        (row,) = store.listing(session=text, model=text)
        turn = store.turn("turn1")
        assert ids(store.session_turns(text)) == ["turn1"]
        assert store.search(["nothing"]) == []
        assert store.claim(text).name == stored
    assert (row.prompt, turn.reasoning, turn.answer) == (stored, stored, stored)
    assert (turn.start.system, turn.sources, turn.warnings) == (
        stored,
        (Source(stored, stored),),
        [stored],
    )


def test_absurd_counts_are_stored_as_far_as_they_fit(tmp_path: Path) -> None:
    usage = Usage(10**40, -(10**40))
    store_turns(
        tmp_path, [turn_started(), StageFinished(Stage.ANSWER, "m", None, usage, None, 1.0, None)]
    )
    with open_store(tmp_path) as store:
        assert store.turn("turn1").stages[Stage.ANSWER].usage == Usage(2**63 - 1, 1 - 2**63)


def test_a_turn_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    store_turns(tmp_path, turn_events("abc1"), turn_events("abd2"), turn_events("abd"))
    with open_store(tmp_path) as store:
        assert ids([store.turn("abc"), store.turn("abd2"), store.turn("abd")]) == [
            "abc1",
            "abd2",
            "abd",
        ]


LISTED = "`deepreasoning history` lists the turns"


@pytest.mark.parametrize(
    ("wanted", "kind", "message", "hint"),
    [
        ("abx1", "unknown_turn", "there is no turn 'abx1'", LISTED),
        ("", "unknown_turn", "there is no turn ''", LISTED),
        ("\udcff%_*", "unknown_turn", "there is no turn '�%_*'", LISTED),
        (
            "ab",
            "ambiguous_turn",
            "ab begins the ids of several turns: abc1, abd2",
            "give more of the id",
        ),
    ],
)
def test_an_unclear_id_is_refused_with_the_nearest(
    tmp_path: Path, wanted: str, kind: str, message: str, hint: str
) -> None:
    store_turns(tmp_path, turn_events("abc1"), turn_events("abd2"))
    with open_store(tmp_path) as store, pytest.raises(UsageError) as caught:
        store.turn(wanted)
    error = caught.value
    assert (error.kind, error.message, error.hint) == (kind, message, hint)


def test_an_empty_history_says_so(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert (store.last(), store.last("s"), store.last_unfinished()) == (None, None, None)
        assert (list(store.listing()), store.sessions(), store.session_turns("s")) == ([], [], [])
        with pytest.raises(UsageError) as caught:
            store.turn("any")
    assert caught.value.hint == "the history is empty"


def test_the_order_is_that_of_storing_when_the_clock_goes_backwards(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for number in range(3):
            record = record_of(turn_events(f"turn{number}", session="s"))
            store.save(record, began=WHEN - timedelta(days=number))
        assert ids(list(store.listing())) == ["turn2", "turn1", "turn0"]
        assert ids(store.session_turns("s")) == ["turn0", "turn1", "turn2"]
        last = store.last()
        assert last is not None
        assert ids([last]) == ["turn2"]


def test_a_listing_is_filtered(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.save(record_of(turn_events("a", session="s")), began=WHEN)
        store.save(record_of(turn_events("b"), failure=FAULT), began=WHEN + timedelta(hours=1))
        opus = [turn_started("c"), *answer_events(model="claude-opus-5")]
        store.save(record_of(opus), began=WHEN.astimezone(UTC) + timedelta(hours=2))
        store.save(
            record_of(turn_events("d")[:4], failure=FAULT),
            began=WHEN,
            outcome=TurnOutcome.STOPPED,
        )
        assert ids(list(store.listing())) == ["d", "c", "b", "a"]
        assert ids(list(store.listing(limit=2))) == ["d", "c"]
        assert ids(list(store.listing(limit=0))) == []
        assert ids(list(store.listing(session="s"))) == ["a"]
        assert ids(list(store.listing(model="opus"))) == ["c"]
        assert ids(list(store.listing(model="deepseek"))) == ["d", "b", "a"]
        assert ids(list(store.listing(status="complete"))) == ["c", "a"]
        assert ids(list(store.listing(status="stopped"))) == ["d"]
        assert ids(list(store.listing(since=WHEN + timedelta(hours=1)))) == ["c", "b"]
        assert ids(list(store.listing(status="complete", session="s", model="sonnet"))) == ["a"]
        assert next(store.listing(session="s")) == TurnSummary(
            id="a",
            session="s",
            started=WHEN,
            status="complete",
            outcome=TurnOutcome.COMPLETE,
            prompt="What is 6×7?",
            model="claude-sonnet-5",
            cost=Decimal("0.00002015"),
            number=4,
        )


def test_a_long_listing_comes_page_by_page_and_whole(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        names = [f"turn{number:04}" for number in range(450)]
        for name in names:
            store.save(record_of([turn_started(name)]))
        assert ids(list(store.listing())) == names[::-1]
        assert ids(list(store.listing(limit=201))) == names[:-202:-1]
        rows = store.listing()
        first = next(rows)
        store.delete([names[-2], names[100]])  # while the listing is read
        rest = [row.id for row in rows]
    assert (first.id, len(rest), names[100] in rest) == (names[-1], 448, False)


def test_the_unfinished_turn_is_the_newest_that_nobody_finished(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.save(record_of([turn_started("a"), *reason_events()], failure=FAULT))
        store.save(record_of(turn_events("b")[:4], failure=FAULT))
        store.save(record_of([turn_started("c")], failure=FAULT))  # nothing was received
        store.save(record_of(turn_events("d")))
        found = [store.last_unfinished()]
        store.save(record_of([turn_started("e", reasoning_from="b"), *answer_events()]))
        found.append(store.last_unfinished())
        store.save(
            record_of([turn_started("f", reasoning_from="a"), *answer_events()[:1]], failure=FAULT)
        )
        found.append(store.last_unfinished())
        store.save(record_of([turn_started("g", reasoning_from="f"), *answer_events()]))
        found.append(store.last_unfinished())  # "a" is finished by "g", at one remove
        store.save(
            record_of([turn_started("h"), Draft("the reasoner's own answer")], failure=FAULT)
        )
        found.append(store.last_unfinished())
    assert [turn and turn.start.id for turn in found] == ["b", "a", "f", None, "h"]


def test_words_are_found_in_prompt_reasoning_and_answer(tmp_path: Path) -> None:
    store_turns(
        tmp_path,
        [turn_started("a", prompt="Which primes are twins?"), *answer_events(["Those two apart."])],
        [turn_started("b"), *reason_events(["Primality", " of 41"]), *answer_events()],
        [turn_started("c"), *answer_events(["Ça va, été"])],
    )
    with open_store(tmp_path) as store:
        found = {
            words: sorted(hit.row.id for hit in store.search(words.split()))
            for words in ("prime", "prim", "PRIMALITY 41", "apart twins", "ete ca", "zebra")
        }
        (hit,) = store.search(["primality"])
    assert found == {
        "prime": ["a"],
        "prim": ["a", "b"],
        "PRIMALITY 41": ["b"],
        "apart twins": ["a"],
        "ete ca": ["c"],
        "zebra": [],
    }
    assert hit.snippet == "Primality of 41"


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=12), max_size=4))
@settings(max_examples=200)
def test_no_words_are_syntax(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp() / "searched"
    with open_store(folder) as store:
        assert store.search([*words, "zebra"]) == []


@pytest.mark.parametrize(
    "words", ['"', "prompt: NEAR(", "a AND", "*", "{x}", "answer : -", "^six", "six* OR"]
)
def test_the_syntax_of_fts_is_harmless(tmp_path: Path, words: str) -> None:
    store_turns(tmp_path, turn_events())
    with open_store(tmp_path) as store:
        if not any(map(str.isalnum, words)):
            with pytest.raises(UsageError):
                store.search([words])
        else:
            assert [hit.row.id for hit in store.search([words])] == (
                ["turn1"] if words == "^six" else []
            )


def test_words_without_spaces_between_them_are_found_too(tmp_path: Path) -> None:
    chinese = "质数是只能被一和自身整除的数。" * 5
    store_turns(
        tmp_path,
        [turn_started("a", prompt="什么是质数？ six"), *reason_events(["ราคาเท่าไร"])],
        [turn_started("b"), *answer_events([chinese + "六七四十二" + chinese])],
    )
    with open_store(tmp_path) as store:
        found = {
            words: [hit.row.id for hit in store.search(words.split())]
            for words in ("质数", "六七", "质数 SIX", "เท่า 质数", "没有", "质数 zebra")
        }
        (hit,) = store.search(["六七"])
    assert found == {
        "质数": ["b", "a"],
        "六七": ["b"],
        "质数 SIX": ["a"],
        "เท่า 质数": ["a"],
        "没有": [],
        "质数 zebra": [],
    }
    assert hit.snippet == f"…{chinese[-40:]}六七四十二{chinese[:37]}…"


def test_a_turn_that_is_stored_again_is_searched_by_its_new_words(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.save(record_of([turn_started("a", prompt="zebra")]))
        store.save(record_of([turn_started("a", prompt="giraffe")]))
        assert (store.search(["zebra"]), ids(list(store.listing()))) == ([], ["a"])
        assert [hit.row.id for hit in store.search(["giraffe"])] == ["a"]


def test_a_turn_without_session_becomes_the_first_of_one(tmp_path: Path) -> None:
    store_turns(tmp_path, turn_events("a"), turn_events("b"))
    with open_store(tmp_path) as store:
        store.put_in_session("a", "s")
        store.put_in_session("a", "other")
        store.save(record_of(turn_events("c", session="s")))
        assert ids(store.session_turns("s")) == ["a", "c"]
        assert store.session_turns("other") == []
        store.save(record_of(turn_events("a")))  # as a journal does that was not removed
        assert ids(store.session_turns("s")) == ["a", "c"]


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b?mode=ro#c%20é&x"
    store_turns(folder, turn_events())
    with open_store(folder) as store:
        assert ids(list(store.listing())) == ["turn1"]


def test_the_default_beginning_is_as_long_ago_as_the_turn_took(tmp_path: Path) -> None:
    record = record_of(turn_events())
    record.total = 3600.0
    before = datetime.now(UTC)
    with Store.open(tmp_path, no_warning) as store:
        store.save(record)
        (row,) = store.listing()
    hour = before - row.started
    assert timedelta(minutes=59, seconds=55) < hour < timedelta(minutes=60, seconds=5)


@pytest.mark.parametrize("length", [999_990, 1_000_010, 3_000_000])
def test_a_long_chain_of_thought_is_kept_whole(tmp_path: Path, length: int) -> None:
    reasoning = ("→ " * length)[:length]
    record = record_of([turn_started(), *reason_events([reasoning[:500], reasoning[500:]])])
    with open_store(tmp_path) as store:
        store.save(record)
        store.save(record)
        kept = store.turn(record.start.id)
        assert kept.reasoning == reasoning
        store.save(record_of([turn_started(), *reason_events(["short"])]))
        assert store.turn(record.start.id).reasoning == "short"


def test_a_long_chain_of_thought_survives_a_repair(tmp_path: Path) -> None:
    reasoning = "é" * 1_500_000
    with open_store(tmp_path) as store:
        store.save(record_of([turn_started(), *reason_events([reasoning])]))
    path = tmp_path / "history.db"
    data = path.read_bytes()
    path.write_bytes(b"\xff" * 100 + data[100:])
    with Store.open(tmp_path, lambda _: None) as store:
        assert store.turn("last").reasoning == reasoning


def test_the_newest_turn_that_reasoned_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    def asked(turn: str, fingerprint: str, *events: Event) -> list[Event]:
        return [replace(turn_started(turn), fingerprint=fingerprint), *events]

    store_turns(
        tmp_path,
        asked("a", "f1", *reason_events(), *answer_events()),
        asked("b", "f1", *reason_events(), *answer_events()),
        asked("c", "f1", *answer_events()),
        asked("d", "f2", *reason_events()),
    )
    with open_store(tmp_path) as store:
        found = [store.reasoned(fingerprint) for fingerprint in ("f1", "f2", "f3")]
    assert [turn and turn.start.id for turn in found] == ["b", "d", None]


def test_a_request_that_was_not_answered_is_found_until_it_was(tmp_path: Path) -> None:
    def asked(turn: str, fingerprint: str, *events: Event) -> list[Event]:
        return [replace(turn_started(turn), fingerprint=fingerprint), *events]

    cut = [*reason_events(), StageStarted(Stage.ANSWER, "sonnet", 9, None, WHEN), Text("Fo")]
    failed = [
        asked("a", "once", *cut),
        asked("b", "twice", *cut),
        asked("c", "twice", *cut),
        asked("d", "later", *cut),
        asked("e", "alone", StageStarted(Stage.ANSWER, "sonnet", 9, None, WHEN), Text("Fo")),
    ]
    store_turns(tmp_path, *failed, failure=IncompleteError("cut", kind="cut"))
    whole = [*reason_events(), *answer_events()]
    store_turns(tmp_path, asked("f", "later", *whole), asked("g", "whole", *whole))
    with open_store(tmp_path) as store:
        ages = (timedelta(minutes=-1), timedelta(minutes=1))
        names = ("once", "twice", "later", "whole", "alone", "none")
        found = [
            [store.unanswered(name, datetime.now(UTC) + age) for name in names] for age in ages
        ]
        loop = store.reasoned("onc")
        assert loop is not None
        assert loop.start.id == "a"
    seen = [[turn and turn.start.id for turn in each] for each in found]
    assert seen == [["a", "c", None, None, None, None], [None] * 6]
