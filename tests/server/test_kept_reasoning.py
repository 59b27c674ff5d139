"""Reasoning is kept for what its question's tools return: by whom, for how much, and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli import paths
from deepreasoning_cli.pipeline.events import Message, Prompt, ToolCall
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import ReasonerOutput
from deepreasoning_cli.pipeline.tools import AnswerOptions, Image, Tool, ToolResult
from deepreasoning_cli.server.kept_reasoning import (
    KeptReasoning,
    ReasoningMemory,
    fingerprint_of,
)
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.wire.server.request import ChatRequest, RequestParameters
from support.sample_turns import open_store, record_of, turn_events

PICTURE = Message("user", "What?", ("What?", Image("image/png", "aQ==")))
ASKED = Prompt((PICTURE,), "Be brief.")
LATER = replace(
    ASKED,
    messages=(
        PICTURE,
        Message("assistant", "", (ToolCall("c1", "read", "{}"),)),
        Message("user", "", (ToolResult("c1", ("six",)),)),
    ),
    question_at=0,
    options=AnswerOptions(tools=(Tool("read", "", {}),)),
)


words = st.text(st.sampled_from('ab"[]\\\n,')) | st.sampled_from(["me", "null", "user"])
parts = words | st.builds(Image, st.just("image/png"), words) | st.builds(ToolResult, words)
messages = st.builds(
    Message,
    st.sampled_from(["user", "assistant"]),
    st.just(""),
    st.lists(parts, min_size=1, max_size=2).map(tuple),
)
conversations = st.tuples(
    words, st.builds(Prompt, st.lists(messages, min_size=1, max_size=2).map(tuple), words)
)
"""A caller and what is asked, of marks that a fingerprint might take for its own."""


def kept(text: str, turn: str = "1") -> KeptReasoning:
    return KeptReasoning(turn, ReasonerOutput(text))


class TestFingerprint:
    def test_what_follows_the_question_does_not_count(self) -> None:
        assert fingerprint_of(LATER, "me") == fingerprint_of(ASKED, "me")

    @pytest.mark.parametrize(
        "other",
        [
            replace(ASKED, system="Be long."),
            replace(ASKED, messages=(Message("user", "What?"),)),
            replace(ASKED, messages=(Message("user", "", ("What?", Image("image/png", "ag=="))),)),
            replace(ASKED, messages=(Message("user", "", (Image("image/png", "aQ=="), "What?")),)),
            replace(ASKED, messages=(PICTURE, PICTURE)),
            replace(LATER, question_at=-1),
        ],
    )
    def test_everything_before_it_does(self, other: Prompt) -> None:
        assert fingerprint_of(other, "me") != fingerprint_of(ASKED, "me")

    @given(one=conversations, other=conversations)
    def test_two_conversations_have_two(
        self, one: tuple[str, Prompt], other: tuple[str, Prompt]
    ) -> None:
        same = fingerprint_of(one[1], one[0]) == fingerprint_of(other[1], other[0])
        assert same == (one == other)

    def test_the_caller_is_a_part_of_it(self) -> None:
        assert fingerprint_of(ASKED, "me") != fingerprint_of(ASKED, "you")

    def test_the_line_that_claude_code_changes_is_not(self) -> None:
        systems = [f"x-anthropic-billing-header: cch={n};\nBe brief." for n in range(2)]
        one, two = (fingerprint_of(replace(ASKED, system=each), "me") for each in systems)
        assert one == two


class TestMemory:
    def test_it_finds_what_it_kept_last(self) -> None:
        memory = ReasoningMemory()
        memory.keep("a", kept("first"))
        memory.keep("a", kept("second"))
        assert memory.find("a") == kept("second")
        assert memory.find("b") is None

    def test_the_oldest_is_forgotten_what_was_asked_for_counts_as_new(self) -> None:
        memory = ReasoningMemory(most=2)
        memory.keep("a", kept("1"))
        memory.keep("b", kept("2"))
        memory.find("a")
        memory.keep("c", kept("3"))
        assert [memory.find(name) is not None for name in "abc"] == [True, False, True]

    def test_it_holds_so_many_characters(self) -> None:
        memory = ReasoningMemory(most_characters=10)
        memory.keep("a", kept("x" * 6))
        memory.keep("a", kept("x" * 6))
        assert memory.find("a")
        memory.keep("b", kept("x" * 5))
        assert (memory.find("a"), memory.find("b")) == (None, kept("x" * 5))
        memory.keep("c", kept("x" * 11))
        assert memory.find("c") is None


def test_a_turn_without_reasoning_leaves_none() -> None:
    assert KeptReasoning.of(TurnRecord()) is None


def request(prompt: Prompt = LATER, **fields: Any) -> ChatRequest:
    return ChatRequest("deepreasoning", prompt, RequestParameters(), stream=True, **fields)


def service(**settings: Any) -> Service:
    flags = {"backend": "direct", "keys.deepseek": "sk-one", "keys.anthropic": "sk-two"}
    return Service(load_settings(None, flags | settings))


@pytest.fixture
def folder() -> Path:
    return paths.data_dir()


def save(folder: Path, fingerprint: str, turn: str = "turn1") -> TurnRecord:
    record = record_of(turn_events(turn))
    record.start = replace(record.start, fingerprint=fingerprint)
    with open_store(folder) as store:
        store.save(record)
    return record


def test_another_process_finds_it_in_the_history(folder: Path) -> None:
    record = save(folder, fingerprint_of(ASKED, "me"))
    ours = service()
    assert not ours.plans_at_once(request(), "me")
    plan = ours.plan(request(), None, "2", "me")
    assert plan.reused is not None
    assert (plan.reused.reasoning, plan.reused.model) == (record.reasoning, record.reasoned_by)
    assert (plan.reasoning_from, plan.resumes) == ("turn1", None)
    assert plan.reasoner is None


def test_what_is_gone_is_not_bought_again(folder: Path) -> None:
    save(folder, fingerprint_of(ASKED, "you"))
    plan = service().plan(request(), None, "2", "me")
    assert (plan.reasoner, plan.reused, plan.handoff) == (None, None, "none")


def test_a_history_that_cannot_be_read_is_no_reason_to_fail(folder: Path) -> None:
    (folder / "history.db").mkdir(parents=True)
    assert service().plan(request(), None, "2", "me").reused is None


def test_without_a_history_only_this_process_knows() -> None:
    ours = service(history=False)
    assert ours.plans_at_once(request(), "me")
    assert ours.plan(request(), None, "2", "me").reused is None
    record = record_of(turn_events("1"))
    record.start = replace(record.start, fingerprint=fingerprint_of(ASKED, "me"))
    ours.keep_reasoning(record)
    found = ours.plan(request(), None, "2", "me").reused
    assert found is not None
    assert found.reasoning == record.reasoning


@pytest.mark.parametrize(
    ("setting", "own", "reasons"),
    [
        ("question", None, False),
        ("always", None, True),
        ("never", None, False),
        ("never", "always", True),
        ("always", "question", False),
        ("question", "always", True),
    ],
)
def test_when_the_reasoner_thinks_is_a_setting_and_the_requests_own_word(
    setting: str, own: str | None, reasons: bool
) -> None:
    ours = service(**{"serve.reason": setting, "history": False})
    assert (ours.plan(request(reason=own), None, "2").reasoner is not None) is reasons
    question = ours.plan(request(ASKED, reason=own), None, "2").reasoner
    assert (question is not None) is ((own or setting) != "never")


def test_what_tools_return_is_not_searched_for_again() -> None:
    ours = service(**{"history": False, "keys.linkup": "lk", "web_search_linkup": True})
    assert ours.plan(request(ASKED), None, "1").search is not None
    assert ours.plan(request(), None, "2").search is None
