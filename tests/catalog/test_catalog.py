"""The catalog: every published price to the last digit, and what a name means on a given day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import (
    Catalog,
    ClaudeModel,
    Effort,
    Lifecycle,
    Reasoner,
    Samplers,
    Thinking,
    ThinkingOff,
)
from deepreasoning_cli.errors import ConfigError, RefusedError, UsageError
from deepreasoning_cli.pipeline.money import Rates, Usage

TODAY = date(2026, 11, 26)
CATALOG = load_catalog()
MODELS = {model.id: model for model in CATALOG.claude_models}
REASONERS = {reasoner.name: reasoner for reasoner in CATALOG.reasoners}

# USD per million tokens at Anthropic: input, output, cache read, five-minute cache write
DIRECT = {
    "claude-fable-5-2": ("8", "40", "0.20", "10"),
    "claude-mythos-5-2": ("8", "40", "0.20", "10"),
    "claude-fable-5-1": ("10", "50", "0.25", "12.50"),
    "claude-mythos-5-1": ("10", "50", "0.25", "12.50"),
    "claude-fable-5": ("10", "50", "1.00", "12.50"),
    "claude-mythos-5": ("10", "50", "1.00", "12.50"),
    "claude-opus-5-5": ("4", "20", "0.20", "5"),
    "claude-opus-5": ("5", "25", "0.50", "6.25"),
    "claude-opus-4-8": ("5", "25", "0.50", "6.25"),
    "claude-opus-4-7": ("5", "25", "0.50", "6.25"),
    "claude-opus-4-6": ("5", "25", "0.50", "6.25"),
    "claude-sonnet-5-5": ("2", "10", "0.10", "2.50"),
    "claude-sonnet-5": ("2", "10", "0.20", "2.50"),
    "claude-sonnet-4-6": ("3", "15", "0.30", "3.75"),
    "claude-haiku-5-5": ("0.10", "0.50", "0.01", "0.125"),
    "claude-sonnet-4-5-20250929": ("3", "15", "0.30", "3.75"),
    "claude-haiku-4-5-20251001": ("1", "5", "0.10", "1.25"),
    "claude-opus-4-5-20251101": ("5", "25", "0.50", "6.25"),
    "claude-opus-4-1-20250805": ("15", "75", "1.50", "18.75"),
    "claude-sonnet-4-20250514": ("3", "15", "0.30", "3.75"),
    "claude-opus-4-20250514": ("15", "75", "1.50", "18.75"),
    "claude-3-7-sonnet-20250219": ("3", "15", "0.30", "3.75"),
    "claude-3-5-haiku-20241022": ("0.80", "4", "0.08", "1"),
    "claude-3-opus-20240229": ("15", "75", "1.50", "18.75"),
    "claude-3-5-sonnet-20241022": ("3", "15", None, None),
    "claude-3-5-sonnet-20240620": ("3", "15", None, None),
}
# USD per thousand tokens, as the gateway's page prints them
GATEWAY = {
    "claude-sonnet-4-5-20250929": ("0.012", "0.058"),
    "claude-sonnet-4-20250514": ("0.012", "0.058"),
    "claude-haiku-4-5-20251001": ("0.0048", "0.023"),
    "claude-opus-4-5-20251101": ("0.019", "0.092"),
    "claude-opus-4-1-20250805": ("0.053", "0.26"),
    "claude-opus-4-20250514": ("0.053", "0.26"),
    "claude-3-7-sonnet-20250219": None,
    "claude-3-5-haiku-20241022": None,
    "claude-3-opus-20240229": None,
}
RETIRED = {
    "claude-opus-4-1-20250805": (date(2026, 8, 5), "claude-opus-5-5"),
    "claude-sonnet-4-20250514": (date(2026, 6, 15), "claude-sonnet-5-5"),
    "claude-opus-4-20250514": (date(2026, 6, 15), "claude-opus-5-5"),
    "claude-3-7-sonnet-20250219": (date(2026, 2, 19), "claude-sonnet-5-5"),
    "claude-3-5-haiku-20241022": (date(2026, 2, 19), "claude-haiku-5-5"),
    "claude-3-opus-20240229": (date(2026, 1, 5), "claude-opus-5-5"),
    "claude-3-5-sonnet-20241022": (date(2025, 10, 28), "claude-sonnet-5-5"),
    "claude-3-5-sonnet-20240620": (date(2025, 10, 28), "claude-sonnet-5-5"),
}
LEGACY = {
    *("claude-fable-5", "claude-mythos-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7"),
    *("claude-opus-4-6", "claude-sonnet-5", "claude-sonnet-4-6"),
    "claude-haiku-4-5-20251001",
}
DEPRECATED = {
    "claude-sonnet-4-5-20250929": (date(2026, 11, 30), "claude-sonnet-5-5"),
    "claude-opus-4-5-20251101": (date(2027, 1, 22), "claude-opus-5-5"),
}


def rates(prices: tuple[str | None, ...]) -> Rates:
    return Rates(*(None if price is None else Decimal(price) for price in prices))  # type: ignore[arg-type] # input and output are never None here


def known(reasoner: str) -> Reasoner:
    return REASONERS[reasoner]


# --- facts of Claude


def test_the_catalog_has_every_claude_model_and_no_other() -> None:
    assert MODELS.keys() == DIRECT.keys()


@pytest.mark.parametrize("model", DIRECT)
def test_anthropics_price_is_the_published_one(model: str) -> None:
    card = MODELS[model].rates["direct"]
    assert card is not None
    assert card.base == rates(DIRECT[model])


def test_only_haiku_5_5_has_a_band_above_100000_tokens() -> None:
    cards = {model.id: model.rates["direct"] for model in MODELS.values()}
    large = rates(("0.50", "2.50", "0.05", "0.625"))
    assert {id_: card.bands for id_, card in cards.items() if card and card.bands} == {
        "claude-haiku-5-5": ((100_000, large),)
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_cache_write_costs_a_quarter_more_than_input(model: str) -> None:
    card = MODELS[model].rates["direct"]
    assert card is not None
    for priced in (card.base, *(band for _, band in card.bands)):
        assert priced.cache_write in (None, priced.input * Decimal("1.25"))


@pytest.mark.parametrize("model", GATEWAY)
def test_the_gateways_price_is_the_published_one_digit_for_digit(model: str) -> None:
    card = MODELS[model].rates["gateway"]
    published = None if card is None else tuple(map(str, card.base.per_thousand))
    assert published == GATEWAY[model]


def test_the_gateway_offers_nine_models() -> None:
    assert {model.id for model in CATALOG.offered("gateway")} == GATEWAY.keys()


def test_anthropic_is_asked_for_every_model() -> None:
    assert CATALOG.offered("direct") == CATALOG.claude_models


def test_a_gateway_turn_costs_its_pairing_price() -> None:
    card = MODELS["claude-opus-4-1-20250805"].rates["gateway"]
    assert card is not None
    cost = card.cost(Usage(1000, 1000), datetime(2026, 11, 23, 2, tzinfo=UTC))
    assert cost == Decimal("0.313")


def test_every_price_says_where_it_comes_from_and_when() -> None:
    cards = [card for model in MODELS.values() for card in model.rates.values() if card]
    cards += [reasoner.rates for reasoner in REASONERS.values() if reasoner.rates]
    for card in cards:
        assert card.source.startswith("https://")
        assert date(2026, 1, 1) <= date.fromisoformat(card.as_of) <= TODAY


@pytest.mark.parametrize("model", MODELS)
def test_limits_are_those_of_the_generation(model: str) -> None:
    limits = {
        "claude-opus-4-1-20250805": (200_000, 32_000),
        "claude-opus-4-20250514": (200_000, 32_000),
        "claude-3-5-haiku-20241022": (200_000, 8192),
        "claude-3-5-sonnet-20241022": (200_000, 8192),
        "claude-3-5-sonnet-20240620": (200_000, 8192),
        "claude-3-opus-20240229": (200_000, 4096),
    }
    dated = (200_000, 64_000) if model[-8:].isdigit() else (1_000_000, 128_000)
    assert (MODELS[model].context, MODELS[model].max_output) == limits.get(model, dated)


@pytest.mark.parametrize("model", MODELS)
def test_samplers_are_those_the_api_takes(model: str) -> None:
    one = {
        "claude-opus-4-6",
        "claude-sonnet-4-6",
        *(m for m in MODELS if "-4-" in m and m[-8:].isdigit()),
    }
    if model.startswith("claude-3"):
        expected = Samplers.BOTH
    else:
        expected = Samplers.ONE if model in one else Samplers.NONE
    assert MODELS[model].samplers is expected


@pytest.mark.parametrize("model", MODELS)
def test_what_a_cache_keeps_at_least_is_known_of_every_model_that_still_answers(model: str) -> None:
    of_its_own = {
        "claude-opus-4-8": 1024,
        "claude-opus-4-7": 2048,
        "claude-opus-4-6": 4096,
        "claude-opus-4-5-20251101": 4096,
        "claude-sonnet-5": 1024,
        "claude-sonnet-4-6": 1024,
        "claude-sonnet-4-5-20250929": 1024,
        "claude-haiku-4-5-20251001": 4096,
    }
    answers = MODELS[model].lifecycle(TODAY) is not Lifecycle.RETIRED
    assert MODELS[model].cache_minimum == (of_its_own.get(model, 512) if answers else None)


@pytest.mark.parametrize(
    ("model", "released"),
    [
        ("claude-fable-5-2", date(2026, 11, 9)),
        ("claude-fable-5-1", date(2026, 9, 1)),
        ("claude-fable-5", date(2026, 6, 9)),
        ("claude-opus-5-5", date(2026, 9, 22)),
        ("claude-sonnet-5-5", date(2026, 9, 28)),
        ("claude-sonnet-5", date(2026, 6, 30)),
        ("claude-haiku-5-5", date(2026, 10, 7)),
    ],
)
def test_release_dates_are_the_announced_ones(model: str, released: date) -> None:
    assert MODELS[model].released == released


# --- thinking and effort

EVERY = tuple(Effort)
ALWAYS = (Thinking.UNASKED, None, EVERY)
THINKING = {
    **dict.fromkeys((m for m in MODELS if "fable" in m or "mythos" in m), (*ALWAYS, Effort.HIGH)),
    "claude-opus-5-5": (*ALWAYS, Effort.MEDIUM),
    "claude-opus-5": (*ALWAYS, Effort.HIGH),
    "claude-sonnet-5-5": (*(Thinking.UNASKED, ThinkingOff.BETWEEN_TOOLS), EVERY, Effort.HIGH),
    "claude-sonnet-5": (*(Thinking.UNASKED, ThinkingOff.DISABLED), EVERY, Effort.HIGH),
    "claude-haiku-5-5": (*(Thinking.UNASKED, ThinkingOff.DISABLED), EVERY, Effort.MEDIUM),
    "claude-opus-4-8": (Thinking.ASKED, None, EVERY, Effort.HIGH),
    "claude-opus-4-7": (Thinking.ASKED, None, EVERY, Effort.HIGH),
    **dict.fromkeys(
        ("claude-opus-4-6", "claude-sonnet-4-6"),
        (Thinking.ASKED, None, tuple(e for e in Effort if e is not Effort.XHIGH), Effort.HIGH),
    ),
    "claude-opus-4-5-20251101": (*(Thinking.NEVER, None), EVERY[:3], Effort.HIGH),
}


@pytest.mark.parametrize("model", MODELS)
def test_thinking_and_efforts_are_the_published_ones(model: str) -> None:
    row = MODELS[model]
    expected = THINKING.get(model, (Thinking.NEVER, None, (), None))
    assert (row.thinking, row.thinking_off, row.efforts, row.default_effort) == expected


def test_what_thinking_takes_is_known_for_every_effort_and_rises() -> None:
    figures = list(CATALOG.efforts.values())
    assert tuple(CATALOG.efforts) == EVERY
    assert [len(each.thinks) for each in figures] == [3] * len(EVERY)
    for each in figures:
        assert list(each.thinks) == sorted(each.thinks)
    for less, more in pairwise(figures):
        assert (less.headroom, *less.thinks) < (more.headroom, *more.thinks)


def test_the_efforts_of_a_reasoner_are_those_its_host_takes() -> None:
    said = {r.name: (r.efforts, r.effort_field) for r in CATALOG.reasoners if r.efforts}
    assert said == {
        "deepseek": (("low", "high", "max"), "reasoning_effort"),
        "deepseek-pro": (("high", "max"), "reasoning_effort"),
        "openrouter": (("low", "medium", "high"), "reasoning.effort"),
        "ollama": (("low", "medium", "high"), "reasoning_effort"),
    }


def test_of_the_reasoners_deepseek_flash_sees_images() -> None:
    assert [row.model for row in CATALOG.reasoners if row.images] == ["deepseek-flash"]


# --- lifecycle


@pytest.mark.parametrize("model", MODELS)
def test_todays_lifecycle_is_the_published_one(model: str) -> None:
    expected = Lifecycle.ACTIVE
    if model in RETIRED:
        expected = Lifecycle.RETIRED
    elif model in LEGACY:
        expected = Lifecycle.LEGACY
    elif model in DEPRECATED:
        expected = Lifecycle.DEPRECATED
    assert MODELS[model].lifecycle(TODAY) is expected


@pytest.mark.parametrize("model", DEPRECATED)
def test_a_model_is_deprecated_until_the_day_it_retires_and_retired_on_it(model: str) -> None:
    day, successor = DEPRECATED[model]
    row = MODELS[model]
    assert (row.retires, row.successor) == (day, successor)
    assert row.lifecycle(date.fromordinal(day.toordinal() - 1)) is Lifecycle.DEPRECATED
    assert row.lifecycle(day) is Lifecycle.RETIRED


@pytest.mark.parametrize("model", RETIRED)
def test_a_retired_model_was_callable_the_day_before(model: str) -> None:
    day = RETIRED[model][0]
    assert MODELS[model].retired == day
    assert MODELS[model].lifecycle(day) is Lifecycle.RETIRED
    assert MODELS[model].lifecycle(date.fromordinal(day.toordinal() - 1)) is Lifecycle.DEPRECATED


def test_a_deprecation_begins_on_its_date() -> None:
    model = ClaudeModel(id="m", name="M", status=Lifecycle.LEGACY, deprecated=date(2027, 1, 10))
    assert model.lifecycle(date(2027, 1, 9)) is Lifecycle.LEGACY
    assert model.lifecycle(date(2027, 1, 10)) is Lifecycle.DEPRECATED


def test_an_announced_end_leaves_a_model_what_it_is_until_then() -> None:
    model = ClaudeModel(id="m", name="M", status=Lifecycle.ACTIVE, retires=date(2027, 10, 7))
    assert model.lifecycle(date(2027, 10, 6)) is Lifecycle.ACTIVE
    assert model.lifecycle(date(2027, 10, 7)) is Lifecycle.RETIRED


def test_a_model_retired_on_an_unknown_day_is_retired() -> None:
    assert (
        ClaudeModel(id="m", name="M", status=Lifecycle.RETIRED).lifecycle(TODAY)
        is Lifecycle.RETIRED
    )


def test_every_successor_is_a_model_that_is_active_today() -> None:
    successors = {model.successor for model in MODELS.values() if model.successor}
    assert {MODELS[id_].lifecycle(TODAY) for id_ in successors} == {Lifecycle.ACTIVE}


def test_every_model_that_is_not_active_names_its_successor() -> None:
    for model in MODELS.values():
        active = model.lifecycle(TODAY) is Lifecycle.ACTIVE
        assert active is (model.successor is None)


# --- which model a name means


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("sonnet", "claude-sonnet-5-5"),
        ("haiku", "claude-haiku-5-5"),
        ("opus", "claude-opus-5-5"),
        ("fable", "claude-fable-5-2"),
        ("mythos", "claude-mythos-5-2"),
        ("claude-sonnet", "claude-sonnet-5-5"),
        ("  SONNET\n", "claude-sonnet-5-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("Claude-Haiku-4-5", "claude-haiku-4-5-20251001"),
        ("Claude Sonnet 4.6", "claude-sonnet-4-6"),
        ("opus-4.8", "claude-opus-4-8"),
        ("sonnet 5", "claude-sonnet-5"),
    ],
)
def test_a_name_means_one_model_at_anthropic_without_a_warning(name: str, model: str) -> None:
    choice = CATALOG.claude(name, "direct", TODAY)
    assert (choice.model, choice.warning) == (MODELS[model], None)


def test_a_family_on_the_gateway_is_its_newest_that_is_not_retired() -> None:
    choice = CATALOG.claude("haiku", "gateway", TODAY)
    assert (choice.model, choice.warning) == (MODELS["claude-haiku-4-5-20251001"], None)


@pytest.mark.parametrize(
    ("family", "model"),
    [("sonnet", "claude-sonnet-4-5-20250929"), ("opus", "claude-opus-4-5-20251101")],
)
def test_the_gateways_best_of_a_family_is_taken_with_its_date(family: str, model: str) -> None:
    choice = CATALOG.claude(family, "gateway", TODAY)
    assert choice.model.id == model
    assert choice.warning == (
        f"{model} is deprecated at Anthropic and retires on {DEPRECATED[model][0]}"
    )


def test_the_gateways_sonnet_is_still_taken_when_anthropic_has_retired_it() -> None:
    choice = CATALOG.claude("sonnet", "gateway", date(2026, 11, 30))
    assert choice.model.id == "claude-sonnet-4-5-20250929"
    assert choice.warning == (
        "claude-sonnet-4-5-20250929 is retired at Anthropic since 2026-11-30;"
        " the gateway may refuse it"
    )


@pytest.mark.parametrize("name", [model for model in RETIRED if model in GATEWAY])
def test_a_retirement_at_anthropic_is_only_a_warning_on_the_gateway(name: str) -> None:
    choice = CATALOG.claude(name, "gateway", TODAY)
    assert choice.model == MODELS[name]
    assert choice.warning == (
        f"{name} is retired at Anthropic since {RETIRED[name][0]}; the gateway may refuse it"
    )


def test_a_deprecated_model_is_taken_with_its_date_and_successor() -> None:
    choice = CATALOG.claude("claude-sonnet-4-5", "direct", TODAY)
    assert choice.model.id == "claude-sonnet-4-5-20250929"
    assert choice.warning == (
        "claude-sonnet-4-5-20250929 is deprecated and retires on 2026-11-30;"
        " its successor is claude-sonnet-5-5"
    )


@pytest.mark.parametrize("name", RETIRED)
def test_a_retired_model_is_refused_with_its_date_and_successor(name: str) -> None:
    day, successor = RETIRED[name]
    with pytest.raises(RefusedError) as caught:
        CATALOG.claude(name, "direct", TODAY)
    assert caught.value.message == f"{name} was retired on {day}"
    assert caught.value.hint == f"use {successor} instead"
    assert (caught.value.kind, caught.value.stage) == ("model_retired", "answer")


@pytest.mark.parametrize(
    "alias",
    [
        *("claude-opus-4-1", "claude-opus-4-0", "claude-opus-4", "claude-sonnet-4-0"),
        *("claude-sonnet-4", "claude-3-7-sonnet-latest", "claude-3-7-sonnet"),
        *("claude-3-5-haiku-latest", "claude-3-5-haiku", "claude-3-opus-latest", "claude-3-opus"),
        *("claude-3-5-sonnet-latest", "claude-3.5-sonnet", "claude-3-5-sonnet"),
    ],
)
def test_a_retired_model_is_refused_by_any_of_its_names(alias: str) -> None:
    with pytest.raises(RefusedError, match="was retired on"):
        CATALOG.claude(alias, "direct", TODAY)


def test_a_deprecated_model_is_refused_from_its_last_day_on() -> None:
    assert CATALOG.claude("claude-sonnet-4-5", "direct", date(2026, 11, 29)).warning
    with pytest.raises(RefusedError, match="was retired on 2026-11-30"):
        CATALOG.claude("claude-sonnet-4-5", "direct", date(2026, 11, 30))


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("claude-sonnet-5-5", "claude-sonnet-4-5-20250929"),
        ("claude-3-5-sonnet-20241022", "claude-sonnet-4-5-20250929"),
        ("claude-haiku-5-5", "claude-haiku-4-5-20251001"),
        ("claude-opus-4-6", "claude-opus-4-5-20251101"),
    ],
)
def test_a_model_the_gateway_lacks_is_refused_with_the_one_it_has(name: str, offer: str) -> None:
    with pytest.raises(RefusedError) as caught:
        CATALOG.claude(name, "gateway", TODAY)
    assert caught.value.message == f"the gateway backend does not offer {name}"
    assert caught.value.hint == f"choose {offer}"
    assert caught.value.kind == "model_not_offered"


@pytest.mark.parametrize("name", ["fable", "claude-fable-5-2", "mythos"])
def test_a_family_the_gateway_lacks_is_refused_with_all_that_is_alive_there(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        CATALOG.claude(name, "gateway", TODAY)
    assert caught.value.hint == (
        "choose claude-sonnet-4-5-20250929, claude-haiku-4-5-20251001 or claude-opus-4-5-20251101"
    )


def test_a_backend_without_claude_models_says_so() -> None:
    with pytest.raises(RefusedError) as caught:
        CATALOG.claude("sonnet", "elsewhere", TODAY)
    assert caught.value.hint == "choose another host"


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_an_empty_name_is_a_mistake_in_the_call(name: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        CATALOG.claude(name, "direct", TODAY)


@given(st.text(min_size=1), st.sampled_from(["direct", "gateway"]))
def test_any_text_is_chosen_or_refused_and_never_sent_without_a_word(
    name: str, backend: str
) -> None:
    try:
        choice = CATALOG.claude(name, backend, TODAY)
    except (RefusedError, UsageError):
        return
    assert choice.model in CATALOG.claude_models or choice.warning


@given(st.sampled_from(CATALOG.claude_models), st.dates(TODAY, date(2030, 1, 1)))
def test_what_is_chosen_at_anthropic_is_never_retired(model: ClaudeModel, today: date) -> None:
    assert CATALOG.claude(model.family, "direct", today).model.lifecycle(today) is Lifecycle.ACTIVE


# --- reasoners


def test_the_built_in_reasoners_come_in_their_order() -> None:
    built_in = [reasoner.name for reasoner in CATALOG.reasoners if reasoner.builtin]
    assert built_in == ["deepseek", "openrouter", "deepinfra", "novita", "ollama"]


@pytest.mark.parametrize(
    ("name", "base_url", "model"),
    [
        ("deepseek", "https://api.deepseek.com", "deepseek-flash"),
        ("deepseek-pro", "https://api.deepseek.com", "deepseek-v4-pro"),
        ("openrouter", "https://openrouter.ai/api/v1", "deepseek/deepseek-r1-0528"),
        ("deepinfra", "https://api.deepinfra.com/v1/openai", "deepseek-ai/DeepSeek-R1-0528"),
        ("novita", "https://api.novita.ai/openai", "deepseek/deepseek-r1-0528"),
        ("ollama", "http://localhost:11434/v1", "deepseek-r1"),
        ("together", "https://api.together.ai/v1", "deepseek-ai/DeepSeek-R1"),
        (
            "fireworks",
            "https://api.fireworks.ai/inference/v1",
            "accounts/fireworks/models/deepseek-r1-0528",
        ),
        ("siliconflow", "https://api.siliconflow.com/v1", "deepseek-ai/DeepSeek-R1"),
        ("huggingface", "https://router.huggingface.co/v1", "deepseek-ai/DeepSeek-R1-0528"),
    ],
)
def test_a_preset_has_the_address_and_model_of_its_host(
    name: str, base_url: str, model: str
) -> None:
    assert (known(name).base_url, known(name).model) == (base_url, model)


@pytest.mark.parametrize(
    ("name", "base", "peak"),
    [
        ("deepseek", ("0.15", "0.60", "0.003"), ("0.30", "1.20", "0.006")),
        ("deepseek-pro", ("0.66", "1.98", "0.022"), ("1.32", "3.96", "0.044")),
    ],
)
def test_deepseek_costs_twice_as_much_in_its_peak_hours(
    name: str, base: tuple[str, ...], peak: tuple[str, ...]
) -> None:
    card = known(name).rates
    assert card is not None
    assert (card.base, card.peak) == (rates(base), rates(peak))
    hours = [card.at(datetime(2026, 11, 23, hour, tzinfo=UTC)) for hour in range(24)]
    assert [hour for hour in range(24) if hours[hour] == card.peak] == [1, 2, 3, 6, 7, 8, 9]
    assert card.at(datetime(2026, 11, 22, 7, tzinfo=UTC)) == card.base  # a Sunday
    assert card.at(datetime(2026, 10, 1, 7, tzinfo=UTC)) == card.base  # China's national day


@pytest.mark.parametrize(
    ("name", "prices"),
    [
        ("openrouter", ("0.50", "2.15", "0.35")),
        ("deepinfra", ("0.50", "2.15", "0.35")),
        ("novita", ("0.70", "2.50", "0.35")),
        ("huggingface", ("3.00", "5.00")),
        ("ollama", ("0", "0")),
    ],
)
def test_a_hosts_price_is_the_published_one(name: str, prices: tuple[str, ...]) -> None:
    card = known(name).rates
    assert card is not None
    assert card.base == rates(prices)


@pytest.mark.parametrize(
    ("name", "context", "max_output"),
    [
        ("openrouter", 163_840, 32_768),
        ("deepinfra", 163_840, None),
        ("novita", 163_840, 32_768),
        ("huggingface", 163_840, 32_768),
    ],
)
def test_a_hosts_limits_are_the_published_ones(
    name: str, context: int, max_output: int | None
) -> None:
    assert (known(name).context, known(name).max_output) == (context, max_output)


@pytest.mark.parametrize("name", ["together", "fireworks", "siliconflow"])
def test_a_host_of_unsure_offer_has_no_price_and_is_never_the_default(name: str) -> None:
    assert (known(name).rates, known(name).builtin, known(name).key) == (None, False, name)
    assert known(name).doubt is not None
    assert CATALOG.default_reasoner(lambda key: key == name) is None


def test_no_other_host_is_doubted() -> None:
    doubted = {reasoner.name for reasoner in CATALOG.reasoners if reasoner.doubt}
    assert doubted == {"together", "fireworks", "siliconflow"}


def test_what_a_host_wants_beside_the_prompt_is_in_its_row() -> None:
    bodies = {reasoner.name: reasoner.body for reasoner in CATALOG.reasoners if reasoner.body}
    assert bodies == {
        "deepseek": {"thinking": {"type": "enabled"}},
        "deepseek-pro": {"thinking": {"type": "enabled"}},
        "openrouter": {"reasoning": {"enabled": True}},
    }


def test_deepseek_ignores_samplers_and_the_others_take_both() -> None:
    ignoring = {r.name for r in CATALOG.reasoners if r.samplers is Samplers.IGNORED}
    taking = {r.name for r in CATALOG.reasoners if r.samplers is Samplers.BOTH}
    assert ignoring == {"deepseek", "deepseek-pro"}
    assert ignoring | taking == REASONERS.keys()


@pytest.mark.parametrize(
    ("keys", "default"),
    [
        ({"deepseek", "openrouter"}, "deepseek"),
        ({"novita", "deepinfra"}, "deepinfra"),
        ({"novita"}, "novita"),
        ({"anthropic", "together"}, None),
        (set(), None),
    ],
)
def test_the_default_is_the_first_whose_key_is_set(keys: set[str], default: str | None) -> None:
    chosen = CATALOG.default_reasoner(keys.__contains__)
    assert (chosen.name if chosen else None) == default


@pytest.mark.parametrize("name", ["openrouter", " OpenRouter ", "OPENROUTER"])
def test_a_reasoner_is_found_in_any_case(name: str) -> None:
    assert CATALOG.reasoner(name) == known("openrouter")


@pytest.mark.parametrize(
    ("alias", "name"), [("deepseek-flash", "deepseek"), ("DeepSeek-V4-Pro", "deepseek-pro")]
)
def test_a_reasoner_is_found_by_the_name_of_its_model_too(alias: str, name: str) -> None:
    assert CATALOG.reasoner(alias) == known(name)


def test_a_reasoner_of_the_users_goes_before_an_alias() -> None:
    own = Reasoner(name="deepseek-flash", label="Mine", base_url="http://mine/v1", model="r1")
    assert CATALOG.with_hosts([own], []).reasoner("deepseek-flash") == own


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("deepsek", "did you mean deepseek or deepseek-pro?"),
        ("OpenRuter", "did you mean openrouter?"),
        (
            "zzz",
            "choose deepseek, deepseek-pro, openrouter, deepinfra, novita, ollama, huggingface,"
            " together, fireworks or siliconflow",
        ),
    ],
)
def test_an_unknown_reasoner_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CATALOG.reasoner(name)
    assert caught.value.message == f"there is no reasoner {name!r}"
    assert (caught.value.kind, caught.value.hint) == ("reasoner_unknown", hint)


def test_a_reasoner_of_the_users_is_added_or_takes_the_place_of_its_namesake() -> None:
    lab = Reasoner(name="lab", label="Lab", base_url="http://gpu:8000/v1", model="r1", key="lab")
    deepseek = Reasoner(name="deepseek", label="Mine", base_url="http://mine/v1", model="r1")
    extended = CATALOG.with_hosts([lab, deepseek], [])
    assert extended.reasoner("lab") == lab
    assert extended.reasoners[0] == deepseek
    assert len(extended.reasoners) == len(CATALOG.reasoners) + 1
    assert CATALOG.reasoners[0].label == "DeepSeek V4.1 Flash"


# --- vendors and searches


@pytest.mark.parametrize(
    ("name", "base_url", "key_env", "page"),
    [
        (
            "deepseek",
            "https://api.deepseek.com",
            "DEEPSEEK_API_KEY",
            "https://platform.deepseek.com",
        ),
        (
            *("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
            "https://console.anthropic.com",
        ),
        ("empiriolabs", "https://api.empiriolabs.ai/v1", "EMPIRIOLABS_API_KEY", None),
        ("linkup", "https://api.linkup.so/v1", "LINKUP_API_KEY", "https://app.linkup.so"),
        (
            *("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
            "https://openrouter.ai/settings/keys",
        ),
        ("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", None),
        ("novita", "https://api.novita.ai/openai", "NOVITA_API_KEY", None),
        ("ollama", "http://localhost:11434/v1", None, None),
    ],
)
def test_a_vendor_has_its_address_its_key_and_its_page(
    name: str, base_url: str, key_env: str | None, page: str | None
) -> None:
    vendor = CATALOG.vendor(name.upper())
    assert (vendor.base_url, vendor.key_env, vendor.page) == (base_url, key_env, page)
    assert vendor.base_url_env == f"{name.upper()}_BASE_URL"


def test_a_built_in_reasoner_lives_where_its_vendor_does() -> None:
    for reasoner in CATALOG.reasoners:
        if reasoner.builtin:
            vendor = CATALOG.vendor(reasoner.key or reasoner.name)
            assert reasoner.base_url == vendor.base_url


def test_an_unknown_vendor_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        CATALOG.vendor("antropic")
    assert caught.value.hint == "did you mean anthropic?"
    assert caught.value.kind == "vendor_unknown"


def test_a_search_costs_what_linkup_and_the_gateway_say() -> None:
    search = CATALOG.search
    assert (search.standard, search.deep, search.gateway) == (
        *(Decimal("0.005"), Decimal("0.05")),
        Decimal("0.013"),
    )


def test_the_catalog_is_dated_and_frozen() -> None:
    assert CATALOG.as_of == "2026-11-26"
    with pytest.raises(AttributeError):
        CATALOG.as_of = "2027-01-01"  # type: ignore[misc] # that it is refused is the point


def test_two_readings_are_equal() -> None:
    assert isinstance(load_catalog(), Catalog)
    assert load_catalog() == CATALOG
