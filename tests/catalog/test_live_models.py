"""What vendors say of their models, laid over the catalog and kept for later runs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.catalog.live import LiveModel, LiveModels, apply_cache, read
from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import Catalog, ClaudeModel, Lifecycle

WRITTEN = load_catalog()
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SONNET = "claude-sonnet-5-5"
models = st.builds(
    LiveModel,
    st.text(),
    st.text(),
    st.sampled_from(["active", "deprecated", "retired", "", "asleep"]),
    st.none() | st.dates(),
    st.none() | st.integers(1, 10**9),
    st.none() | st.integers(1, 10**9),
)
lives = st.builds(
    LiveModels,
    st.datetimes(timezones=st.just(UTC)),
    st.lists(models, max_size=3).map(tuple),
    st.dictionaries(st.text(), st.lists(st.text(), max_size=3).map(tuple), max_size=3),
    st.lists(st.text(), max_size=3).map(tuple),
)


def said(
    id_: str, lifecycle: str, retires: date | None = None, context: int | None = None
) -> LiveModels:
    return LiveModels(NOON, (LiveModel(id_, "A model", lifecycle, retires, context),))


def row(catalog: Catalog, id_: str) -> ClaudeModel:
    return next(model for model in catalog.claude_models if model.id == id_)


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (said(SONNET, "active"), Lifecycle.ACTIVE),
        (said(SONNET, "deprecated"), Lifecycle.DEPRECATED),
        (said(SONNET, "deprecated", date(2027, 1, 1)), Lifecycle.DEPRECATED),
        (said(SONNET, "deprecated", date(2026, 1, 1)), Lifecycle.DEPRECATED),
        (said(SONNET, "retired", date(2026, 11, 1)), Lifecycle.RETIRED),
        (said(SONNET, "retired", date(2027, 1, 1)), Lifecycle.RETIRED),
        (said(SONNET, "asleep"), Lifecycle.ACTIVE),
        (said("claude-opus-5", "active"), Lifecycle.LEGACY),
        (said("claude-3-opus-20240229", "active"), Lifecycle.ACTIVE),
        (said("claude-sonnet-4-5-20250929", "active", date(2027, 1, 1)), Lifecycle.ACTIVE),
    ],
)
def test_the_vendors_word_on_a_lifecycle_holds(live: LiveModels, expected: Lifecycle) -> None:
    model = row(live.apply_to(WRITTEN), live.anthropic[0].id)
    assert model.lifecycle(NOON.date()) is expected


def test_prices_and_names_stay_what_the_catalog_says() -> None:
    after = row(said(SONNET, "deprecated", date(2027, 1, 1), 500_000).apply_to(WRITTEN), SONNET)
    assert after == replace(
        row(WRITTEN, SONNET),
        status=Lifecycle.DEPRECATED,
        retires=date(2027, 1, 1),
        context=500_000,
    )


def test_a_new_model_has_no_price_and_is_found_by_its_id_alone() -> None:
    live = said("claude-sonnet-6", "active")
    after = live.apply_to(WRITTEN)
    assert row(after, "claude-sonnet-6").rates == {"direct": None}
    today = NOON.date()
    assert after.claude("claude-sonnet-6", "direct", today).warning is None
    assert after.claude("sonnet", "direct", today).model.id == SONNET


def test_only_what_differs_is_said() -> None:
    everything = tuple(
        LiveModel(model.id, model.name, "active", None, model.context, model.max_output)
        for model in WRITTEN.offered("direct")
        if model.lifecycle(NOON.date()) in (Lifecycle.ACTIVE, Lifecycle.LEGACY)
    )
    live = LiveModels(NOON, everything)
    assert list(live.differences(WRITTEN)) == [
        "claude-sonnet-4-5-20250929: not listed by Anthropic",
        "claude-opus-4-5-20251101: not listed by Anthropic",
    ]


def test_each_difference_is_a_line_with_both_sides() -> None:
    new = LiveModel("claude-sonnet-6", "Claude Sonnet 6", "active")
    dying = LiveModel(SONNET, "x", "deprecated", date(2027, 1, 1), 2_000_000)
    hosts = {"deepseek": ("deepseek-v5", "deepseek-flash"), "openrouter": ()}
    live = LiveModels(NOON, (new, dying), hosts, ("claude-sonnet-4-5-20250929", "claude-x"))
    gone = ("not listed by Anthropic", "not listed by the gateway")
    found = [line for line in live.differences(WRITTEN) if not line.endswith(gone)]
    assert found == [
        f"{SONNET}: status active → deprecated",
        f"{SONNET}: ends unknown → 2027-01-01",
        f"{SONNET}: context 1000000 → 2000000",
        "claude-sonnet-6: not in the catalog; Claude Sonnet 6, active",
        "deepseek-pro: deepseek-v4-pro is not listed by its host",
        "claude-x: paired by the gateway, which the catalog does not say",
    ]
    assert "claude-opus-5: not listed by Anthropic" in live.differences(WRITTEN)
    assert "claude-haiku-4-5-20251001: not listed by the gateway" in live.differences(WRITTEN)


def test_vendors_that_were_not_asked_differ_in_nothing() -> None:
    assert list(LiveModels(NOON).differences(WRITTEN)) == []
    assert LiveModels(NOON).apply_to(WRITTEN) == WRITTEN


@given(lives)
def test_the_cache_reads_back_what_was_written(tmp_path: Path, live: LiveModels) -> None:
    path = tmp_path / "models.json"
    path.write_text(live.write(), "utf-8")
    assert read(path) == live


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"version": 2}', '{"version": 1}', '{"version":1,"as_of":3}']
)
def test_a_damaged_cache_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "models.json").write_text(text)
    assert read(tmp_path / "models.json") is None
    assert apply_cache(WRITTEN, tmp_path / "models.json") is WRITTEN


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("context", "many"), ("context", -1), ("max_output", True), ("name", 7), ("id", None)],
)
def test_a_cached_model_with_a_wrong_figure_is_as_none(
    tmp_path: Path, key: str, wrong: object
) -> None:
    fields = json.loads(said(SONNET, "active").write())
    fields["anthropic"][0][key] = wrong
    (tmp_path / "models.json").write_text(json.dumps(fields))
    assert read(tmp_path / "models.json") is None


@pytest.mark.parametrize("key", ["anthropic", "hosts", "gateway", "as_of"])
def test_a_cache_of_another_shape_is_as_none(tmp_path: Path, key: str) -> None:
    fields = json.loads(said(SONNET, "active").write())
    for wrong in (None, 3, [3], [{"id": "x"}]):
        (tmp_path / "models.json").write_text(json.dumps(fields | {key: wrong}))
        found = read(tmp_path / "models.json")
        assert found is None or key == "gateway"
