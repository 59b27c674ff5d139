"""What may be asked for, on each backend, with what it costs here."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import request_response

from deepreasoning_cli.catalog.models import Lifecycle
from deepreasoning_cli.errors import RefusedError
from deepreasoning_cli.pipeline.money import Rates
from deepreasoning_cli.server.models import ModelList, models_response
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.loaded import LoadedSettings, load_settings
from deepreasoning_cli.wire.server.model_list import ModelListing, StageModel
from deepreasoning_cli.wire.server.request import RequestParameters
from deepreasoning_cli.wiring.resources import written_catalog
from support.asgi_calls import Answer, call, scope

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEYS = {"DEEPSEEK_API_KEY": "sk-deepseek-0000", "ANTHROPIC_API_KEY": "sk-ant-0000"}
SONNET = "claude-sonnet-4-5-20250929"


def loaded(keys: dict[str, str] | None = None, **flags: Any) -> LoadedSettings:
    return load_settings(None, flags, KEYS if keys is None else keys)


def model_list(settings: LoadedSettings | None = None, now: datetime = NOW) -> ModelList:
    settings = settings or loaded()
    backend = ModelList.of(settings, written_catalog(settings)).backend
    return ModelList(settings, written_catalog(settings), backend, now)


def model(listing: ModelListing) -> str | None:
    return listing.defaults.anthropic_model


def test_the_pair_comes_first_and_then_every_model_that_is_offered() -> None:
    catalog = written_catalog(loaded())
    living = [
        each.id
        for each in catalog.offered("direct")
        if each.lifecycle(NOW.date()) is not Lifecycle.RETIRED
    ]
    ids = [each.id for each in model_list().listed()]
    assert ids == ["deepreasoning", *(f"deepreasoning/{each}" for each in living), *living]
    assert len(living) < len(catalog.offered("direct"))


def test_a_model_tells_what_it_costs_and_what_a_request_is_without_parameters() -> None:
    listing = model_list(loaded(temperature=0.2, max_tokens=65536, disable_formatting=True)).find(
        f"deepreasoning/{SONNET}"
    )
    expected = RequestParameters(SONNET, 0.2, 0.9, 64_000, False, True)
    assert (listing.id, listing.name) == (
        f"deepreasoning/{SONNET}",
        "DeepSeek V4.1 Flash + Claude Sonnet 4.5",
    )
    assert listing.defaults == expected
    cache = {"cache_read": Decimal("0.30"), "cache_write": Decimal("3.75")}
    assert listing.answerer == StageModel(SONNET, Rates(Decimal(3), Decimal(15), **cache))
    assert listing.reasoner is not None
    assert listing.reasoner.model == "deepseek-flash"
    assert (listing.context, listing.max_output) == (200_000, 64_000)
    assert listing.created == datetime(2025, 9, 29, tzinfo=UTC).timestamp()
    assert listing.lifecycle == "deprecated"
    assert listing.search == written_catalog(loaded()).search.standard


@pytest.mark.parametrize("name", ["sonnet", "claude-sonnet", "Claude Sonnet 5.5"])
def test_an_alias_stands_for_the_model_of_its_id(name: str) -> None:
    assert model_list().find(f"deepreasoning/{name}").id == "deepreasoning/claude-sonnet-5-5"
    assert model_list().find(name).id == "claude-sonnet-5-5"


def test_a_claude_alone_has_no_reasoner() -> None:
    alone, pair = model_list().find("haiku"), model_list().find("deepreasoning/haiku")
    assert (alone.reasoner, alone.name) == (None, "Claude Haiku 5.5")
    assert (alone.answerer, alone.context) == (pair.answerer, pair.context)


@pytest.mark.parametrize("name", ["haiku", SONNET])
def test_the_gateway_has_no_claude_alone(name: str) -> None:
    listed = model_list(loaded({"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0"}))
    assert all(each.id.startswith("deepreasoning") for each in listed.listed())
    with pytest.raises(RefusedError):
        listed.find(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt-5",
        "deepreasoning/",
        "deepreasoning/ ",
        "deepreasoning/gpt-5",
        "deepreasoning/claude-3-opus-20240229",
        "Deepreasoning",
    ],
)
def test_a_model_that_is_not_offered_is_refused(name: str) -> None:
    with pytest.raises(RefusedError):
        model_list().find(name)


def test_a_model_is_offered_until_the_day_it_retires() -> None:
    ends = next(m.ends for m in written_catalog(loaded()).claude_models if m.id == SONNET)
    assert ends is not None
    last = datetime(ends.year, ends.month, ends.day, tzinfo=UTC)
    assert f"deepreasoning/{SONNET}" not in [each.id for each in model_list(now=last).listed()]


def test_a_default_that_is_retired_is_not_listed() -> None:
    listed = model_list(loaded(model="claude-3-opus-20240229")).listed()
    assert "deepreasoning" not in [each.id for each in listed]


def test_the_gateway_has_its_own_models_and_one_rate_for_both_stages() -> None:
    listing = model_list(loaded({"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0"})).listed()
    assert model(listing[0]) == SONNET
    assert [each.reasoner for each in listing] == [None] * len(listing)
    assert listing[0].answerer.rates == Rates(Decimal("12.000"), Decimal("58.000"))
    assert listing[0].search == written_catalog(loaded()).search.gateway


def test_the_demo_lists_what_direct_does_for_nothing() -> None:
    free = model_list(loaded(backend="demo")).listed()
    assert [each.id for each in free] == [each.id for each in model_list().listed()]
    assert free[0].name.endswith("(demo: no model is called)")
    nothing = Rates(Decimal(0), Decimal(0))
    assert {each.answerer for each in free} == {StageModel("demo-answerer", nothing)}
    assert free[0].reasoner == StageModel("demo-reasoner", nothing)
    assert {each.reasoner for each in free} == {free[0].reasoner, None}
    assert {each.search for each in free} == {Decimal(0)}


def test_callers_keys_are_for_deepseek_and_anthropic() -> None:
    settings = loaded({"EMPIRIOLABS_API_KEY": "sk-empiriolabs-0"}, **{"serve.byok": True})
    listing = model_list(settings).find("deepreasoning/sonnet")
    assert listing.reasoner is not None
    assert listing.reasoner.model == "deepseek-flash"


@pytest.mark.parametrize(
    ("flags", "reasoner"),
    [
        ({"handoff": "none"}, None),
        ({"reasoner": "openrouter"}, "deepseek/deepseek-r1-0528"),
        ({"backend": "gateway", "handoff": "none"}, None),
    ],
)
def test_the_reasoner_is_the_one_of_the_settings(
    flags: dict[str, Any], reasoner: str | None
) -> None:
    listing = model_list(loaded(**flags)).find("deepreasoning").reasoner
    assert (listing and listing.model) == reasoner


def test_without_keys_the_models_are_listed_all_the_same() -> None:
    assert [each.id for each in model_list(loaded({})).listed()] == [
        each.id for each in model_list().listed()
    ]


def get_models(name: str | None) -> Answer:
    settings = loaded(backend="demo")
    service = SimpleNamespace(loaded=settings, catalog=written_catalog(settings))

    where: dict[str, Any] = {} if name is None else {"path_params": {"id": name}}
    return call(
        request_response(partial(models_response, cast("Service", service))),
        scope("/v1/models" if name is None else f"/v1/models/{name}", **where),
    )


def test_the_list_is_one_page() -> None:
    answer = get_models(None)
    assert answer.status == 200
    assert answer.json["object"] == "list"
    assert answer.json["data"][0]["id"] == "deepreasoning"


def test_one_model_is_its_entry_of_the_list() -> None:
    entries = {each["id"]: each for each in get_models(None).json["data"]}
    assert get_models("deepreasoning/haiku").json == entries["deepreasoning/claude-haiku-5-5"]
    assert get_models("deepreasoning").json == entries["deepreasoning"]


def test_an_unknown_model_is_not_found() -> None:
    answer = get_models("gpt-5")
    assert answer.status == 404
    assert answer.json["error"] == {
        "message": "there is no model gpt-5",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


@given(st.text(max_size=40))
def test_no_name_is_a_bug(name: str) -> None:
    assert get_models(f"deepreasoning/{name}").status in {200, 404}
