"""What Claude is sent in a conversation, at the wire, and what may be billed for keeping it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from pytest_httpx import HTTPXMock

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.errors import RefusedError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Message, Payload, Prompt, Stage
from deepreasoning_cli.pipeline.money import RateCard, Rates
from deepreasoning_cli.pipeline.stage import StageRun
from deepreasoning_cli.providers.anthropic import ClaudeProvider, without_refused
from deepreasoning_cli.transport import Request, Transport

SONNET = next(m for m in load_catalog().claude_models if m.id == "claude-sonnet-5-5")
KEY = Key("anthropic", "sk-ant-0123456789", "a test")
SYSTEM = "Be brief. " * 240  # 600 tokens by the estimate
EARLIER = (Message("user", "6 × 7?"), Message("assistant", "**42** is the answer."))
FIRST = Prompt((Message("user", "6 × 7?"),), SYSTEM, stable=0)
SECOND = Prompt((*EARLIER, Message("user", "Sure?")), SYSTEM, stable=2)
REPLY = {
    "type": "message",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "Yes."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 7},
}


def claude(transport: Transport, rates: RateCard | None = SONNET.rates["direct"]) -> ClaudeProvider:
    return ClaudeProvider(
        model=SONNET.id,
        base_url="https://api.anthropic.com",
        key=KEY,
        max_tokens=100,
        samplers={},
        transport=transport,
        rates=rates,
        cache_minimum=SONNET.cache_minimum,
    )


def sent(httpx_mock: HTTPXMock, prompt: Prompt) -> Payload:
    """The body that reached Anthropic."""
    httpx_mock.add_response(json=REPLY)
    with Transport() as transport:
        list(claude(transport).stream(prompt))
    request = httpx_mock.get_requests()[-1]
    assert str(request.url) == "https://api.anthropic.com/v1/messages"
    body: Payload = json.loads(request.content)
    return body


def marked(text: str) -> list[Payload]:
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]


def test_the_first_turn_of_a_conversation_has_its_long_system_prompt_kept(
    httpx_mock: HTTPXMock,
) -> None:
    assert sent(httpx_mock, FIRST) == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 100,
        "system": marked(SYSTEM),
        "messages": [{"role": "user", "content": "6 × 7?"}],
        "stream": True,
    }


def test_the_second_has_the_first_exchange_kept_too_and_never_its_own_question(
    httpx_mock: HTTPXMock,
) -> None:
    assert sent(httpx_mock, SECOND) == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 100,
        "system": marked(SYSTEM),
        "messages": [
            {"role": "user", "content": "6 × 7?"},
            {"role": "assistant", "content": marked("**42** is the answer.")},
            {"role": "user", "content": "Sure?"},
        ],
        "stream": True,
    }


def test_a_question_that_is_asked_once_is_not_marked(httpx_mock: HTTPXMock) -> None:
    assert sent(httpx_mock, replace(SECOND, stable=None)) == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 100,
        "system": SYSTEM,
        "messages": [
            {"role": "user", "content": "6 × 7?"},
            {"role": "assistant", "content": "**42** is the answer."},
            {"role": "user", "content": "Sure?"},
        ],
        "stream": True,
    }


def test_a_beginning_that_is_too_short_to_be_kept_is_not_marked(httpx_mock: HTTPXMock) -> None:
    body = sent(httpx_mock, replace(SECOND, system="Be brief."))
    assert (body["system"], body["messages"][1]["content"]) == ("Be brief.", EARLIER[1].text)


PLAIN = Rates(Decimal(2), Decimal(10))


@pytest.mark.parametrize(
    "rates",
    [
        None,
        RateCard(PLAIN),
        RateCard(replace(PLAIN, cache_read=Decimal("0.1"))),
        RateCard(replace(PLAIN, cache_write=Decimal("2.5"))),
    ],
)
def test_where_nobody_knows_what_a_cache_costs_nothing_is_marked(rates: RateCard | None) -> None:
    with Transport() as transport:
        provider = claude(transport, rates)
        assert "cache_control" not in json.dumps(provider.request(SECOND).body)
        assert provider.written_tokens(SECOND) == 0


def test_what_may_be_written_is_estimated_for_the_price() -> None:
    with Transport() as transport:
        provider = claude(transport)
        # 2,400 bytes; 7 and 21 behind them with the ends of two lines are 2,430
        assert (provider.written_tokens(FIRST), provider.written_tokens(SECOND)) == (600, 608)
        assert provider.written_tokens(replace(SECOND, stable=None)) == 0
        started = StageRun(Stage.ANSWER, provider, SECOND).started()
    assert (started.input_tokens, started.cache_write_tokens) == (609, 608)


def test_a_stage_that_breaks_off_is_priced_as_if_all_had_been_written() -> None:
    with Transport() as transport:
        finished = StageRun(Stage.ANSWER, claude(transport), SECOND).finished()
    assert finished.usage is not None
    # 1 token at 2 and 608 at 2.50 per million
    assert (finished.usage.estimated, finished.cost) == (True, Decimal("0.001522"))


def test_a_schema_that_a_host_refuses_is_not_left_out_silently() -> None:
    refusal = RefusedError("output_config: unknown field", status=400)
    plain = {"model": "m", "messages": [], "output_config": {"effort": "low"}}
    held = plain | {"output_config": {"effort": "low", "format": {"type": "json_schema"}}}
    simpler = without_refused(Request("http://h", body=plain), refusal)
    assert simpler is not None
    assert simpler.body == {"model": "m", "messages": []}
    assert without_refused(Request("http://h", body=held), refusal) is None
