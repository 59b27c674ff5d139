"""The request of `ask` for every Claude model and every effort, compared whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from unittest.mock import Mock

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import Effort
from deepreasoning_cli.cli.dry_run import steps
from deepreasoning_cli.errors import RefusedError
from deepreasoning_cli.history.ledger import Ledger
from deepreasoning_cli.pipeline.events import Handoff, Message, Payload, Prompt
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, answer_prompt
from deepreasoning_cli.pipeline.tools import AnswerOptions, Tool, ToolChoice
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.transport import Transport
from deepreasoning_cli.wiring import plan as plan_module
from deepreasoning_cli.wiring.plan import build_plan
from deepreasoning_cli.wiring.resources import TurnRequest

CATALOG = load_catalog()
TODAY = date(2026, 11, 26)
MODELS = [model.id for model in CATALOG.claude_models if (model.ends or date.max) > TODAY]
KEYS = {"DEEPSEEK_API_KEY": "sk-deepseek-0123456789", "ANTHROPIC_API_KEY": "sk-anthropic-01234567"}
LINE = Mock(spec=Transport)  # nothing is sent
NO_LEDGER = Mock(spec=Ledger)  # no cap needs it
SETTINGS = ("auto", "none", "low", "medium", "high", "xhigh", "max")

SUMMARIZED = {"type": "adaptive", "display": "summarized"}
ROOM = {"low": 8_192, "medium": 16_384, "high": 32_768, "xhigh": 65_536, "max": 98_304}


def at(day: date) -> type[datetime]:
    """A clock that stands at noon of that day."""

    class Standing(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Standing:
            return cls(day.year, day.month, day.day, 12, tzinfo=tz)

    return Standing


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "datetime", at(TODAY))


def plan(
    flags: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    **request: Any,
) -> Plan:
    loaded = load_settings(None, flags, KEYS | dict(environ or {}))
    asked = TurnRequest(loaded=loaded, question="6×7?", **request)
    return build_plan(asked, CATALOG, lambda: LINE, lambda: NO_LEDGER, saves=True)


def bodies(turn: Plan) -> list[Payload]:
    """What would be sent."""
    return [step.request.body for step in steps(turn) if step.request and step.request.body]


def to_claude(turn: Plan) -> Payload:
    return bodies(turn)[-1]


# --- what each family takes, by the facts of November 2026: effort → thinking, effort, head-room

Taken = dict[str, tuple[Payload | None, str | None, int]]
ALWAYS: Taken = {
    level: (SUMMARIZED, level, ROOM[level]) for level in ("medium", "high", "xhigh", "max")
}
ALWAYS |= {"auto": (None, "low", ROOM["low"]), "low": (None, "low", ROOM["low"])}
OFF = {"sonnet-5-5": "between_tools", "sonnet-5": "disabled", "haiku-5-5": "disabled"}
ASKED: Taken = {
    level: (SUMMARIZED, level, ROOM[level]) for level in ("medium", "high", "xhigh", "max")
}
ASKED |= {"auto": (None, "low", 0), "low": (None, "low", 0), "none": (None, None, 0)}
NO_XHIGH: Taken = ASKED | {"xhigh": (None, None, 0)}
OPUS_4_5: Taken = {level: (None, level, 0) for level in ("low", "medium", "high")}
OPUS_4_5 |= {"auto": (None, "low", 0), **dict.fromkeys(("none", "xhigh", "max"), (None, None, 0))}
NOTHING: Taken = dict.fromkeys(SETTINGS, (None, None, 0))


def taken(model: str) -> Taken:
    name = model.removeprefix("claude-")
    if name in OFF:
        return ALWAYS | {"none": ({"type": OFF[name]}, None, 0)}
    if name.startswith(("fable", "mythos")) or name in ("opus-5-5", "opus-5"):
        return ALWAYS | {"none": ALWAYS["low"]}
    if name in ("opus-4-8", "opus-4-7"):
        return ASKED
    if name in ("opus-4-6", "sonnet-4-6"):
        return NO_XHIGH
    return OPUS_4_5 if name.startswith("opus-4-5") else NOTHING


def samplers(model: str, thinking: Payload | None) -> Payload:
    """One sampler where the model takes one; none beside thinking that was asked for."""
    takes_one = "-4-5" in model or model in ("claude-opus-4-6", "claude-sonnet-4-6")
    return {"temperature": 0.7} if takes_one and thinking is None else {}


@pytest.mark.parametrize("effort", SETTINGS)
@pytest.mark.parametrize("model", MODELS)
def test_the_request_with_each_effort_holds_what_the_model_takes(model: str, effort: str) -> None:
    turn = plan({"model": model, "effort": effort})
    sent = to_claude(turn)
    thinking, level, room = taken(model)[effort]
    expected = {
        "model": model,
        "max_tokens": 8192 + room,
        "messages": sent["messages"],
        "stream": True,
        **samplers(model, thinking),
        **({"output_config": {"effort": level}} if level else {}),
        **({"thinking": thinking} if thinking else {}),
    }
    assert sent == expected
    assert [message["role"] for message in sent["messages"]] == ["user"]


@pytest.mark.parametrize("effort", SETTINGS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wanted", [1, 60_000, 65_536])
def test_no_request_asks_for_more_than_the_model_writes(
    model: str, effort: str, wanted: int
) -> None:
    sent = to_claude(plan({"model": model, "effort": effort, "max_tokens": wanted}))
    most = 64_000 if "-4-5" in model else 128_000
    room = taken(model)[effort][2]
    assert sent["max_tokens"] == min(wanted + room, most)


@pytest.mark.parametrize(
    ("model", "effort", "takes"),
    [
        ("claude-opus-4-6", "xhigh", "low, medium, high, max"),
        ("claude-opus-4-5-20251101", "max", "low, medium, high"),
        ("claude-haiku-4-5-20251001", "high", "no effort"),
    ],
)
def test_an_effort_that_was_typed_and_is_not_taken_leaves_one_warning(
    model: str, effort: str, takes: str
) -> None:
    said = [text for text in plan({"model": model, "effort": effort}).warnings if "effort" in text]
    assert said == [f"--effort {effort} is not sent: {model} takes {takes}"]


def test_an_effort_from_the_settings_that_is_not_taken_is_dropped_quietly() -> None:
    turn = plan({"model": "claude-opus-4-6"}, {"DEEPREASONING_EFFORT": "xhigh"})
    assert turn.warnings == ()
    assert "output_config" not in to_claude(turn)


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-opus-5", "claude-fable-5-2"])
def test_a_model_that_always_thinks_is_let_think_least_and_says_so(model: str) -> None:
    turn = plan({"model": model, "effort": "none"})
    assert turn.warnings == (f"{model} always thinks: --effort low is sent, not none",)


def test_an_effort_for_a_model_that_nobody_knows_is_sent_as_it_is() -> None:
    sent = to_claude(plan({"model": "claude-sonnet-7-1", "effort": "high"}))
    assert (sent["output_config"], sent["max_tokens"]) == ({"effort": "high"}, 8192)
    assert "thinking" not in sent
    assert "output_config" not in to_claude(plan({"model": "claude-sonnet-7-1"}))


def test_a_sampler_that_was_typed_is_dropped_aloud_where_thinking_is_asked_for() -> None:
    turn = plan({"model": "claude-opus-4-6", "effort": "high", "temperature": 0.5})
    assert "temperature" not in to_claude(turn)
    said = "--temperature has no effect: neither deepseek-flash nor claude-opus-4-6 takes it"
    assert turn.warnings[-1] == said


# --- what `auto` depends on


def request_for(turn: Plan, work: ReasonerOutput) -> Payload:
    answerer = turn.answerer
    assert isinstance(answerer, ClaudeProvider)
    return answerer.request(answer_prompt(turn, work)).body or {}


@pytest.mark.parametrize(
    ("work", "handoff", "effort"),
    [
        (ReasonerOutput("it is 42"), "reasoning", "low"),
        (ReasonerOutput("it is 42", "42"), "both", "low"),
        (ReasonerOutput("it is", whole=False), "reasoning", None),
        (ReasonerOutput("it is", "42", whole=False), "both", None),
        (ReasonerOutput("", "42"), "reasoning", None),
        (ReasonerOutput("it is 42", "42"), "answer", None),
        (ReasonerOutput("it is 42"), "none", None),
    ],
)
def test_auto_is_low_for_a_whole_chain_of_thought_and_else_the_models_own(
    work: ReasonerOutput, handoff: str, effort: str | None
) -> None:
    sent = request_for(plan({"handoff": handoff}), work)
    if effort:
        assert (sent["output_config"], sent["max_tokens"]) == ({"effort": effort}, 16_384)
        assert "thinking" not in sent
    else:
        assert (sent["thinking"], sent["max_tokens"]) == (SUMMARIZED, 8192 + ROOM["high"])
        assert "output_config" not in sent


@pytest.mark.parametrize("model", MODELS)
def test_alone_a_model_that_thinks_shows_its_thinking_at_any_effort(model: str) -> None:
    alone = {"model": model, "handoff": Handoff.NONE.value}
    thinks = "-4-" not in model
    assert to_claude(plan(alone)).get("thinking") == (SUMMARIZED if thinks else None)
    low = to_claude(plan(alone | {"effort": "low"}))
    assert low.get("thinking") == (SUMMARIZED if thinks else None)


def test_the_room_that_a_turn_is_known_to_need_is_given() -> None:
    assert to_claude(plan({}, thinking_room=20_000))["max_tokens"] == 8192 + 20_000
    assert to_claude(plan({}, thinking_room=500))["max_tokens"] == 8192 + 8192
    assert to_claude(plan({}, thinking_room=500_000))["max_tokens"] == 128_000


# --- the reasoner


@pytest.mark.parametrize(
    ("reasoner", "think", "field"),
    [
        ("deepseek", "auto", {}),
        ("deepseek", "low", {"reasoning_effort": "low"}),
        ("deepseek", "max", {"reasoning_effort": "max"}),
        ("deepseek-pro", "high", {"reasoning_effort": "high"}),
        ("openrouter", "medium", {"reasoning": {"enabled": True, "effort": "medium"}}),
        ("ollama", "low", {"reasoning_effort": "low"}),
    ],
)
def test_a_host_is_told_how_much_to_think_where_it_wants_it(
    reasoner: str, think: str, field: Payload
) -> None:
    keys = {"OPENROUTER_API_KEY": "sk-or-0123456789abcdef"}
    turn = plan({"reasoner": reasoner, "think": think}, keys)
    untold = bodies(plan({"reasoner": reasoner}, keys))[0]
    assert bodies(turn)[0] == untold | field
    assert turn.warnings == ()


@pytest.mark.parametrize(
    ("reasoner", "think", "takes"),
    [
        ("deepseek", "medium", "deepseek-flash takes low, high, max"),
        ("deepseek-pro", "low", "deepseek-v4-pro takes high, max"),
        ("novita", "high", "deepseek/deepseek-r1-0528 takes no effort"),
    ],
)
def test_a_level_that_the_host_does_not_take_is_not_sent_and_said_where_it_was_typed(
    reasoner: str, think: str, takes: str
) -> None:
    keys = {"NOVITA_API_KEY": "sk_novita_0123456789abcdef"}
    untold = bodies(plan({"reasoner": reasoner}, keys))[0]
    typed = plan({"reasoner": reasoner, "think": think}, keys)
    assert bodies(typed)[0] == untold
    assert typed.warnings == (f"--think {think} is not sent: {takes}",)
    quiet = plan({"reasoner": reasoner}, keys | {"DEEPREASONING_THINK": think})
    assert (bodies(quiet)[0], quiet.warnings) == (untold, ())


def test_the_gateway_is_sent_neither() -> None:
    keys = {"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0123456789"}
    flags = {"backend": "gateway", "effort": "high", "think": "max", "model": "haiku"}
    turn = plan(flags, keys)
    assert turn.warnings == (
        "--effort ignored: the gateway decides",
        "--think ignored: the gateway decides",
    )
    assert to_claude(turn)["max_tokens"] == 8192
    assert not {"output_config", "thinking", "effort"} & to_claude(turn).keys()


# --- retirement: time moved forward


@pytest.mark.parametrize("model", [model for model in CATALOG.claude_models if model.ends])
def test_from_its_last_day_on_no_request_for_a_model_leaves(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ahead in (0, 1, 365):
        day = date.fromordinal(model.ends.toordinal() + ahead)
        monkeypatch.setattr(plan_module, "datetime", at(day))
        for name in (model.id, *model.aliases):
            with pytest.raises(RefusedError) as caught:
                plan({"model": name})
            assert caught.value.message == f"{model.id} was retired on {model.ends}"
            assert caught.value.hint == f"use {model.successor} instead"


@pytest.mark.parametrize("model", [model for model in CATALOG.claude_models if model.ends])
def test_until_then_each_turn_warns_with_the_day(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = date.fromordinal(model.ends.toordinal() - 1)
    monkeypatch.setattr(plan_module, "datetime", at(eve))
    (warning,) = (text for text in plan({"model": model.id}).warnings if "retires" in text)
    assert warning.startswith(f"{model.id} is deprecated and retires on {model.ends}")


def test_a_replay_asks_for_models_that_are_retired_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "datetime", at(date(2099, 1, 1)))
    for model in (model for model in CATALOG.claude_models if model.ends):
        answerer = plan({"model": model.id, "cassette": "tape.jsonl:replay"}).answerer
        assert answerer is not None
        assert answerer.model == model.id
    monkeypatch.setattr(plan_module, "datetime", at(TODAY))
    for family in ("sonnet", "opus", "haiku"):
        now, then = (
            plan({"model": family, "cassette": use}).answerer for use in (None, "tape.jsonl:replay")
        )
        assert (now and now.model) == (then and then.model)


@pytest.mark.parametrize("family", ["sonnet", "opus", "haiku", "fable"])
def test_a_family_never_means_a_model_that_is_retired(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ends in sorted({model.ends for model in CATALOG.claude_models if model.ends}):
        monkeypatch.setattr(plan_module, "datetime", at(ends))
        answerer = plan({"model": family}).answerer
        assert answerer is not None
        (row,) = (model for model in CATALOG.claude_models if model.id == answerer.model)
        assert row.ends is None or row.ends > ends


def test_every_effort_has_its_room() -> None:
    assert {str(effort): CATALOG.efforts[effort].headroom for effort in Effort} == ROOM


def test_the_gateways_default_is_said_to_be_in_doubt_after_its_retirement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0123456789"}
    assert plan({"backend": "gateway"}, keys).daily_note is None
    monkeypatch.setattr(plan_module, "datetime", at(date(2026, 11, 30)))
    turn = plan({"backend": "gateway"}, keys)
    assert turn.warnings == ()
    assert turn.daily_note == (
        "Anthropic has retired claude-sonnet-4-5-20250929, the gateway's default, on 2026-11-30;"
        " the gateway may no longer serve it"
    )
    named = plan({"backend": "gateway", "model": "claude-sonnet-4-5"}, keys)
    assert named.daily_note is None
    assert named.warnings == (
        "claude-sonnet-4-5-20250929 is retired at Anthropic since 2026-11-30;"
        " the gateway may refuse it",
    )


FORCED = Prompt(
    (Message("user", "6×7?"),),
    options=AnswerOptions(tools=(Tool("read", "", {}),), tool_choice=ToolChoice("any")),
)


@pytest.mark.parametrize("effort", ["auto", "high", "none"])
@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("sonnet-5-5", {"type": "between_tools"}),
        ("haiku-5-5", {"type": "disabled"}),
        ("claude-opus-4-6", None),
        ("claude-haiku-4-5", None),
    ],
)
def test_a_claude_that_has_to_call_a_tool_is_kept_from_thinking(
    model: str, thinking: Payload | None, effort: str
) -> None:
    sent = to_claude(plan({"model": model, "effort": effort}, conversation=FORCED))
    assert sent["tool_choice"] == {"type": "any"}
    assert sent.get("thinking") == thinking


@pytest.mark.parametrize("model", ["opus-5-5", "fable"])
def test_a_claude_that_always_thinks_is_not_made_to_call_a_tool(model: str) -> None:
    with pytest.raises(RefusedError, match="takes no forced tool_choice") as caught:
        plan({"model": model}, conversation=FORCED)
    assert caught.value.kind == "unsupported_value"
