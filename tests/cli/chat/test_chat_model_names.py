"""The models and hosts that a chat offers, with the settings and keys of a home of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.cli.chat.model_names import ChatNames, ChoiceList, ModelsInForce
from deepreasoning_cli.cli.chat.turns import ChatState
from deepreasoning_cli.errors import ConfigError, RefusedError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.views.table import table

STATE = ChatState(session="s")
BOTH = {"DEEPSEEK_API_KEY": "sk-1234567890", "ANTHROPIC_API_KEY": "sk-ant-1234567890"}
ONE = {"OPENROUTER_API_KEY": "sk-or-1234567890"}
HOSTED = {"EMPIRIOLABS_API_KEY": "sk-empiriolabs-1234567890"}


def names(environ: dict[str, str] | None = None, **flags: object) -> ChatNames:
    keys = BOTH if environ is None else environ
    loaded = load_settings(None, flags, keys)
    return ChatNames(load_catalog(), loaded, lambda: loaded)


def marked(choices: ChoiceList) -> list[str]:
    return [row[1] for row in choices.rows if row[0]]


@pytest.mark.parametrize("backend", ["auto", "direct", "demo"])
def test_families_come_first_and_nothing_that_is_retired(backend: str) -> None:
    known = names(backend=backend)
    models = known.models()
    assert {"sonnet", "opus", "haiku"} <= set(models[: models.index("claude-sonnet-5-5")])
    for name in models:
        assert known.describe_model(name)


def test_every_reasoner_is_offered_and_described() -> None:
    assert names().reasoners()[0] == "deepseek"
    assert names().describe_reasoner("deepseek").startswith("deepseek-flash at ")


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ConfigError):
        names().describe_reasoner("nobody")
    with pytest.raises(RefusedError):
        names().describe_model("claude-3-opus-20240229")


@pytest.mark.parametrize(
    ("known", "state", "words"),
    [
        (names(), STATE, "claude-sonnet-5-5 ← deepseek-flash"),
        (names(), replace(STATE, model="opus"), "claude-opus-5-5 ← deepseek-flash"),
        (names(), replace(STATE, reasoner="deepseek-pro"), "claude-sonnet-5-5 ← deepseek-v4-pro"),
        (names(), replace(STATE, handoff=Handoff.NONE), "claude-sonnet-5-5"),
        (names(reasoner=("novita", "deepseek")), STATE, "claude-sonnet-5-5 ← deepseek-flash"),
        (
            names(ONE),
            STATE,
            "anthropic/claude-sonnet-5.5 ← deepseek/deepseek-r1-0528",
        ),
        (names(HOSTED), STATE, "claude-sonnet-4-5-20250929 ← deepreasoning"),
        (names({}, backend="demo"), STATE, "demo"),
        (names({}), replace(STATE, model="opus", reasoner="novita"), "opus ← novita"),
    ],
)
def test_the_models_are_named_that_the_next_question_goes_to(
    known: ChatNames, state: ChatState, words: str
) -> None:
    assert known.in_force(state).words == words


def test_a_family_is_a_row_and_the_model_in_force_is_marked() -> None:
    choices = names().list_models(STATE)
    assert marked(choices) == ["sonnet"]
    assert ["", "opus", "claude-opus-5-5", "4.00", "20.00"] in choices.rows
    assert len(choices.rows) <= 8
    older = names().list_models(replace(STATE, model="claude-opus-4-8"))
    assert [row[2] for row in older.rows if row[0]] == ["claude-opus-4-8"]


@pytest.mark.parametrize("flags", [{}, {"backend": "gateway"}])
def test_the_gateway_has_its_own_models_and_prices(flags: dict[str, object]) -> None:
    known = names(HOSTED, **flags)
    (current,) = [row for row in known.list_models(STATE).rows if row[0]]
    assert current[2] == "claude-sonnet-4-5-20250929"
    direct = [row for row in names().list_models(replace(STATE, model=current[2])).rows if row[0]]
    assert current[3:] != direct[0][3:]
    assert "claude-sonnet-5-5" not in known.models()
    assert [row[1] for row in known.list_efforts(STATE).rows] == ["auto"]


def test_hosts_without_a_key_are_named_below_those_that_can_be_asked() -> None:
    choices = names().list_reasoners(STATE)
    assert marked(choices) == ["deepseek"]
    assert [row[1] for row in choices.rows] == ["deepseek", "deepseek-pro", "ollama"]
    assert "openrouter" in choices.note
    assert marked(names().list_reasoners(replace(STATE, reasoner="novita, deepseek"))) == ["novita"]
    answerers = names().list_answerers(replace(STATE, answerer="ollama"))
    assert (marked(answerers), answerers.rows[0][2]) == (["ollama"], "Claude")


def test_efforts_are_those_that_the_model_takes_with_what_a_question_costs() -> None:
    choices = names().list_efforts(replace(STATE, effort="high"))
    assert marked(choices) == ["high"]
    assert [row[1] for row in choices.rows] == [
        *("auto", "none", "low", "medium", "high", "xhigh", "max"),
    ]
    costs = {row[1]: row[3] for row in choices.rows}
    assert (costs["none"], costs["high"]) == ("$0", "≈$0.0200")
    assert marked(names().list_efforts(STATE)) == ["auto"]


@pytest.mark.parametrize("kind", ["models", "reasoners", "answerers", "efforts"])
def test_every_list_fits_a_small_terminal(kind: str) -> None:
    known = names({**BOTH, **ONE, "NOVITA_API_KEY": "sk_1234567890"})
    choices: ChoiceList = getattr(known, f"list_{kind}")(STATE)
    for width, left_out in ((80, {"host"}), (40, {"host", "model"})):
        shown = table(choices.columns, choices.rows, width)
        assert set(shown.dropped_titles) <= left_out
        assert len(shown.lines) < 12
        assert max(map(len, shown.lines)) <= width
        assert not [line for line in shown.lines if "…" in line]


def test_the_web_is_searched_only_with_a_key_or_by_the_gateway() -> None:
    web = replace(STATE, web=True)
    with pytest.raises(ConfigError) as refused:
        names().check_search(web)
    assert "keys.linkup" in str(refused.value.hint)
    names({**BOTH, "LINKUP_API_KEY": "lk-1234567890"}).check_search(web)
    names(HOSTED).check_search(web)


def test_models_that_are_named_without_a_reasoner_are_one() -> None:
    assert ModelsInForce("opus", None).words == "opus"
