from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

import pytest

from deepreasoning_cli.catalog.models import Reasoner
from deepreasoning_cli.cli.dry_run import NOT_YET, show_plan
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Handoff, Message, Prompt
from deepreasoning_cli.pipeline.handoff import with_notes
from deepreasoning_cli.pipeline.money import RateCard, Rates, estimate_tokens
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.providers.openai_compatible import ReasonerProvider
from deepreasoning_cli.transport import Transport

PROMPT = Prompt((Message("user", "Why is the \x1b sky blue?"),))
SECRET = "sk-canary-0123456789"
KEY = Key("k", SECRET, "a test")
PRESET = Reasoner(name="lab", label="Lab", base_url="http://gpu/v1", model="r1", key="lab")


@dataclass
class Untouched:
    """A transport that must not be used."""

    used: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is used in a dry run")


LINE = cast(Transport, Untouched())
R1 = ReasonerProvider(preset=PRESET, base_url="http://gpu/v1", key=KEY, samplers={}, transport=LINE)
CARD = RateCard(Rates(Decimal(3), Decimal(15)))
CLAUDE = ClaudeProvider(
    model="sonnet",
    base_url="https://api.anthropic.com",
    key=KEY,
    max_tokens=100,
    samplers={},
    transport=LINE,
    rates=CARD,
)
DEMO = DemoProvider("answerer", speed=0)


def plan(**fields: Any) -> Plan:
    standard = {"reasoner": R1, "answerer": CLAUDE, "backend": "direct"}
    return Plan(id="id1", question="?", prompt=PROMPT, **{**standard, **fields})


def stages(capsys: pytest.CaptureFixture[str], turn: Plan) -> list[Mapping[str, Any]]:
    show_plan(turn, as_json=True)
    out = capsys.readouterr().out
    assert (out.count("\n"), SECRET in out) == (1, False)
    shown = json.loads(out)
    assert shown["backend"] == turn.backend
    return cast("list[Mapping[str, Any]]", shown["stages"])


def handed(handoff: Handoff, work: ReasonerOutput) -> str:
    prompt = with_notes(
        PROMPT, handoff, model=work.model, reasoning=work.reasoning, answer=work.answer
    )
    return prompt.messages[-1].text


def asked(stage: Mapping[str, Any]) -> str:
    return cast(str, stage["request"]["body"]["messages"][-1]["content"])


def test_both_requests_are_shown_as_they_would_be_sent(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = stages(capsys, plan())
    question = PROMPT.messages[-1].text
    text = handed(Handoff.REASONING, ReasonerOutput(NOT_YET, NOT_YET, "r1"))
    assert first == {
        "stage": "reason",
        "model": "r1",
        "request": {
            "method": "POST",
            "url": "http://gpu/v1/chat/completions",
            "headers": R1.request(PROMPT).all_headers(show_key=False),
            "body": R1.request(PROMPT).body,
        },
        "input_tokens": estimate_tokens("\n" + question),
        "estimated": True,
        "input_cost_usd": None,
        "output_cost_usd_per_1k_tokens": None,
    }
    tokens = estimate_tokens("\n" + text)
    assert asked(second) == text
    assert second["request"]["headers"]["x-api-key"] == "…6789"
    assert (second["input_tokens"], second["input_cost_usd"]) == (
        tokens,
        str(Decimal(tokens) * 3 / 1_000_000),
    )
    assert second["output_cost_usd_per_1k_tokens"] == "0.015"


@pytest.mark.parametrize("handoff", Handoff)
def test_kept_reasoning_is_shown_in_the_request_and_nothing_that_would_not_be_sent(
    capsys: pytest.CaptureFixture[str], handoff: Handoff
) -> None:
    reused = ReasonerOutput("kept thoughts")
    (only,) = stages(capsys, plan(reused=reused, handoff=handoff))
    assert (only["stage"], asked(only)) == ("answer", handed(handoff, reused))


def test_without_a_reasoner_claude_gets_the_question_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (only,) = stages(capsys, plan(reasoner=None, handoff=Handoff.NONE))
    assert asked(only) == PROMPT.messages[-1].text


def test_reasoning_alone_is_one_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert [stage["stage"] for stage in stages(capsys, plan(answerer=None))] == ["reason"]


def test_the_demo_would_send_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    (only,) = stages(capsys, plan(reasoner=None, answerer=DEMO, backend="demo"))
    assert (only["model"], only["request"], only["input_cost_usd"]) == ("demo-answerer", None, "0")


def test_as_text_each_stage_has_its_request_and_its_estimate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tokens = estimate_tokens(
        "\n" + handed(Handoff.REASONING, ReasonerOutput(NOT_YET, NOT_YET, "r1"))
    )
    show_plan(plan(), as_json=False)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert (SECRET in out, "\x1b" in out) == (False, False)
    assert [line for line in lines if line.startswith(("#", "POST", "auth", "x-api", "est"))] == [
        "# reason: r1",
        "POST http://gpu/v1/chat/completions",
        "authorization: Bearer …6789",
        "estimate: 6 tokens in, cost unknown; each 1,000 tokens out cost unknown",
        "# answer: sonnet",
        "POST https://api.anthropic.com/v1/messages",
        "x-api-key: …6789",
        f"estimate: {tokens} tokens in, ≈$0.0004; each 1,000 tokens out $0.0150",
    ]
    body = out.partition("\n\n{")[2].partition("\n}\n")[0]
    assert json.loads(f"{{{body}}}") == R1.request(PROMPT).body


def test_as_text_the_demo_says_that_nothing_would_be_sent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_plan(plan(reasoner=None, answerer=DEMO, backend="demo"), as_json=False)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "# answer: demo-answerer",
        "nothing would be sent: the demo calls no model",
    ]


CACHING = RateCard(Rates(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75")))
KEEPING = replace(CLAUDE, base_url="https://a.example", rates=CACHING, cache_minimum=1000)
LONG = Prompt((Message("user", "?"),), "Be brief. " * 400, stable=0)


def test_what_is_put_into_a_cache_costs_more_and_is_shown_marked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turn = replace(plan(reasoner=None, answerer=KEEPING, handoff=Handoff.NONE), prompt=LONG)
    (only,) = stages(capsys, turn)
    assert only["request"]["body"]["system"][0]["cache_control"] == {"type": "ephemeral"}
    # 1,000 tokens at 3.75 and 1 at 3
    assert (only["input_tokens"], only["input_cost_usd"]) == (1001, "0.003753")
    show_plan(turn, as_json=False)
    assert capsys.readouterr().out.splitlines()[-2] == (
        "estimate: 1,001 tokens in, ≈$0.0038, or ≈$0.0003 where the cache has 1,000 of them;"
        " each 1,000 tokens out $0.0150"
    )
