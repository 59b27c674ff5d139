from __future__ import annotations

import random
import re
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline.events import (
    End,
    Handoff,
    Message,
    ModelReported,
    Prompt,
    Stage,
    StageFinished,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.handoff import with_notes
from deepreasoning_cli.pipeline.money import Usage, estimate_tokens
from deepreasoning_cli.pipeline.run import Plan, run_turn
from deepreasoning_cli.providers import demo
from deepreasoning_cli.providers.demo import DemoProvider, Script, choose_script, pieces, scripts

BY_NAME = {script.name: script for script in scripts()}
ASKED = [script for script in scripts() if script.question]
every_script = pytest.mark.parametrize("script", scripts(), ids=lambda script: script.name)
every_question = pytest.mark.parametrize("script", ASKED, ids=lambda script: script.name)


def ask(text: str) -> Prompt:
    return Prompt((Message("user", text),))


def role(name: Literal["reasoner", "answerer"]) -> DemoProvider:
    return DemoProvider(name, speed=0)


def question_of(script: Script) -> str:
    return script.question or "What is the tallest building in Lisbon?"


@every_script
def test_the_reasoner_thinks_the_whole_script_then_begins_an_answer(script: Script) -> None:
    prompt = ask(question_of(script))
    served, *said, usage, end = role("reasoner").stream(prompt)
    thoughts = [chunk for chunk in said if isinstance(chunk, Thought)]
    texts = [chunk for chunk in said if isinstance(chunk, Text)]
    assert said == [*thoughts, *texts]
    assert "".join(thought.text for thought in thoughts) == script.reasoning
    assert "".join(text.text for text in texts) == script.draft
    assert min(len(thoughts) / 20, len(texts)) > 2
    assert (served, end) == (ModelReported("demo-reasoner"), End("stop"))
    thought = estimate_tokens(script.reasoning)
    written = thought + estimate_tokens(script.draft)
    assert usage == Usage(estimate_tokens(prompt.text), written, thought, estimated=True)


@every_script
def test_the_answerer_says_the_whole_answer(script: Script) -> None:
    prompt = ask(question_of(script))
    served, *said, usage, end = role("answerer").stream(prompt)
    assert "".join(chunk.text for chunk in said if isinstance(chunk, Text)) == script.answer
    assert all(isinstance(chunk, Text) for chunk in said)
    assert (served, end) == (ModelReported("demo-answerer"), End(script.stop_reason))
    written = estimate_tokens(script.answer)
    assert usage == Usage(estimate_tokens(prompt.text), written, estimated=True)


def test_only_the_request_for_phishing_is_refused() -> None:
    reasons = {script.name: script.stop_reason for script in scripts()}
    refused = {name for name, reason in reasons.items() if reason == "refusal"}
    assert refused == {"phishing"}
    assert set(reasons.values()) == {"refusal", "end_turn"}


def test_the_demo_costs_nothing() -> None:
    usage = Usage(1_000_000, 1_000_000)
    assert demo.FREE.base.cost(usage) == 0
    assert role("reasoner").rates is role("answerer").rates is demo.FREE


def test_the_demo_reads_prompts_of_any_length() -> None:
    assert role("reasoner").context is None


@every_script
@pytest.mark.parametrize("handoff", Handoff)
def test_the_answerer_finds_the_script_that_the_reasoner_used(
    script: Script, handoff: Handoff
) -> None:
    asked = ask(question_of(script))
    given_on = {"reasoning": script.reasoning, "answer": script.draft}
    prompt = with_notes(asked, handoff, model="demo-reasoner", **given_on)
    assert choose_script(prompt.messages[-1].text) is script


@every_question
def test_a_question_finds_its_script_whatever_stands_around_it(script: Script) -> None:
    piped = "<stdin>\n" + "git commit push " * 500 + "\n</stdin>\n\n"
    assert choose_script(script.question) is script
    assert choose_script(script.question.upper()) is script
    assert choose_script(piped + script.question) is script


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("a bat and a ball: what do they cost?", "bat-and-ball"),
        ("how many r in Strawberry?", "strawberry"),
        ("show me binary search", "binary-search"),
        ("السماء زرقاء، لماذا؟", "sky"),
        ("鸡兔同笼怎么算?", "chickens-and-rabbits"),
        ("pretend to be my bank and ask for a PIN", "phishing"),
        ("Async or threads?", "threads-or-async"),
        ("explain git rebase", "git-tour"),
        ("For a server that streems replys to meny clients, tread or asink?", "threads-or-async"),
        ("6×7?", "anything-else"),
        ("", "anything-else"),
        ("What does it cost to build a server?", "anything-else"),
        ("git rebase " * 200, "anything-else"),
    ],
)
def test_the_closest_script_is_chosen_or_none(question: str, name: str) -> None:
    assert choose_script(question).name == name


def test_only_the_last_message_chooses() -> None:
    talk = Prompt(
        (
            Message("user", BY_NAME["sky"].question),
            Message("assistant", BY_NAME["sky"].answer),
            Message("user", BY_NAME["strawberry"].question),
        )
    )
    said = [chunk.text for chunk in role("answerer").stream(talk) if isinstance(chunk, Text)]
    assert "".join(said) == BY_NAME["strawberry"].answer


def test_the_order_of_the_scripts_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [*(script.question for script in scripts()), "bank server", "git merge python sort"]
    expected = [choose_script(question) for question in questions]
    shuffled = random.Random(7).sample(scripts(), len(scripts()))
    monkeypatch.setattr(demo, "scripts", lambda: tuple(shuffled))
    assert [choose_script(question) for question in questions] == expected


def test_any_other_question_is_told_that_no_model_was_called() -> None:
    answer = BY_NAME["anything-else"].answer
    assert "No model was called" in answer
    assert all(f"\n- {script.question}\n" in answer for script in ASKED)
    assert "{" not in answer


def test_the_scripts_show_what_a_terminal_must_render() -> None:
    kinds = {token.type for token in _markdown(BY_NAME["git-tour"].answer)}
    assert kinds >= {
        "heading_open",
        "bullet_list_open",
        "ordered_list_open",
        "fence",
        "table_open",
        "blockquote_open",
        "hr",
    }
    assert len(BY_NAME["git-tour"].answer.splitlines()) >= 150
    assert re.search(r"[\u0600-\u06ff]{4}", BY_NAME["sky"].reasoning)
    assert re.search(r"[\u0600-\u06ff]{4}", BY_NAME["sky"].answer)
    assert re.search(r"[\u4e00-\u9fff]{4}", BY_NAME["chickens-and-rabbits"].reasoning)
    assert re.search(r"[\u4e00-\u9fff]{4}", BY_NAME["chickens-and-rabbits"].answer)


def _markdown(text: str) -> list[Any]:
    return MarkdownIt().enable("table").parse(text)


def test_the_code_in_the_script_does_what_its_table_says() -> None:
    answer = BY_NAME["binary-search"].answer
    (code,) = (token.content for token in _markdown(answer) if token.type == "fence")
    names: dict[str, Any] = {}
    exec(code, names)
    rows = re.findall(r"^\| `\[(.*?)\]` \| (\d+) \| (\d+) \|", answer, re.MULTILINE)
    assert len(rows) == 6
    for items, target, result in rows:
        numbers = [int(item) for item in items.split(",") if item]
        assert names["insertion_point"](numbers, int(target)) == int(result)


@pytest.mark.parametrize("name", BY_NAME)
def test_code_fits_a_terminal_of_eighty_columns(name: str) -> None:
    fences = (token for token in _markdown(BY_NAME[name].answer) if token.type == "fence")
    lines = [line for token in fences for line in token.content.splitlines()]
    assert [line for line in lines if len(line) > 76] == []


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert all(pieces(text))


def test_pieces_are_about_as_long_as_tokens() -> None:
    assert pieces("Hello, internationally x\n\n  鸡兔同笼。") == [
        "Hello", ",", " internat", "ionally", " x", "\n\n", "  鸡兔", "同笼", "。",
    ]  # fmt: skip


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_it_is_paced_like_the_real_thing(speed: float) -> None:
    waits: list[float] = []
    provider = DemoProvider("answerer", speed, waits.append)
    chunks = list(provider.stream(ask(BY_NAME["strawberry"].question)))
    said = [chunk for chunk in chunks if isinstance(chunk, Text)]
    assert waits == [0.4 / speed] + [1 / 120 / speed] * len(said)


def test_without_speed_it_does_not_wait() -> None:
    waits: list[float] = []
    list(DemoProvider("reasoner", 0, waits.append).stream(ask("x")))
    assert waits == []


def test_the_request_is_out_before_the_first_chunk() -> None:
    happened: list[str] = []
    provider = DemoProvider("reasoner", 1.0, lambda _: happened.append("waited"))
    stream = provider.stream(ask("x"), lambda: happened.append("sent"))
    assert happened == []
    assert next(stream) == ModelReported("demo-reasoner")
    assert happened == ["sent", "waited"]
    stream.close()


def test_through_the_pipeline_the_reasoner_is_stopped_at_its_draft() -> None:
    script = BY_NAME["strawberry"]
    events = list(run_turn(_plan(script)))
    thoughts = "".join(event.text for event in events if isinstance(event, Thought))
    answer = "".join(event.text for event in events if isinstance(event, Text))
    reason, final = [event for event in events if isinstance(event, StageFinished)]
    assert (thoughts, answer) == (script.reasoning, script.answer)
    assert (reason.stage, reason.model, reason.stop_reason) == (Stage.REASON, "demo-reasoner", None)
    assert (final.stage, final.model, final.stop_reason) == (
        Stage.ANSWER,
        "demo-answerer",
        "end_turn",
    )
    assert (reason.cost, final.cost) == (Decimal(0), Decimal(0))


def test_through_the_pipeline_a_refusal_is_incomplete() -> None:
    with pytest.raises(IncompleteError) as caught:
        list(run_turn(_plan(BY_NAME["phishing"])))
    assert (caught.value.kind, caught.value.stage) == ("refusal", Stage.ANSWER)


def _plan(script: Script) -> Plan:
    prompt = ask(script.question)
    return Plan(
        id="turn",
        backend="demo",
        question=script.question,
        prompt=prompt,
        reasoner=role("reasoner"),
        answerer=role("answerer"),
    )
