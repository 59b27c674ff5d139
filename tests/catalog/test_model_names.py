"""Which Claude model a name means, however it is written, and which names mean none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import ClaudeModel, Lifecycle, Samplers
from deepreasoning_cli.catalog.names import edits
from deepreasoning_cli.errors import RefusedError
from support.names import misspellings

TODAY = date(2026, 11, 23)
CATALOG = load_catalog()


def meant(name: str, backend: str = "direct") -> str:
    return CATALOG.claude(name, backend, TODAY).model.id


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5-20250929"),
        ("openrouter/anthropic/claude-sonnet-4.5", "claude-sonnet-4-5-20250929"),
        ("anthropic/claude-opus-5.5:beta", "claude-opus-5-5"),
        ("~anthropic/claude-haiku-latest", "claude-haiku-5-5"),
        ("anthropic/opus", "claude-opus-5-5"),
        ("anthropic:claude-sonnet-4-6", "claude-sonnet-4-6"),
        ("github_copilot/claude-haiku-4.5", "claude-haiku-4-5-20251001"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("eu.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0:200k", "claude-haiku-4-5-20251001"),
        ("bedrock/us-east-1/anthropic.claude-opus-4-8", "claude-opus-4-8"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-5",
            "claude-sonnet-5",
        ),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5-20250929"),
        ("vertex_ai/claude-opus-4-5@20251101", "claude-opus-4-5-20251101"),
        ("publishers/anthropic/models/claude-sonnet-4-6@default", "claude-sonnet-4-6"),
        ("claude-4.5-sonnet", "claude-sonnet-4-5-20250929"),
        ("claude-4-5-opus-20251101", "claude-opus-4-5-20251101"),
        ("Claude 4.6 Sonnet", "claude-sonnet-4-6"),
        ("Claude Opus 4.5", "claude-opus-4-5-20251101"),
        ("opus4.7", "claude-opus-4-7"),
        ("sonnet_5_5", "claude-sonnet-5-5"),
        ("claude-sonnet-latest", "claude-sonnet-5-5"),
        ("claude-sonnet-4-5-latest", "claude-sonnet-4-5-20250929"),
        ("sonnet[1m]", "claude-sonnet-5-5"),
        ("claude-opus-5-5[1m]", "claude-opus-5-5"),
        ('"haiku"', "claude-haiku-5-5"),
        ("claude–fable–5–2", "claude-fable-5-2"),
    ],
)
def test_a_name_of_another_host_or_tool_means_the_model(name: str, model: str) -> None:
    assert meant(name) == model


@pytest.mark.parametrize(
    "name",
    [
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "claude-3-5-sonnet-v2@20241022",
        "anthropic/claude-3.7-sonnet",
        "Claude 3 Opus",
        "opus 4",
    ],
)
def test_a_retired_model_is_refused_in_any_spelling(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        meant(name)
    assert caught.value.kind == "model_retired"


@pytest.mark.parametrize("name", ["claude-sonnet-6-1", "claude-nova-1", "claude-sonnet-7-nightly"])
@pytest.mark.parametrize("backend", ["direct", "gateway"])
def test_an_id_that_could_be_the_vendors_passes_with_a_warning(name: str, backend: str) -> None:
    choice = CATALOG.claude(f" {name} ", backend, TODAY)
    assert choice.model == ClaudeModel(
        id=name, name=name, status=Lifecycle.UNKNOWN, rates={backend: None}
    )
    assert choice.model.lifecycle(TODAY) is Lifecycle.UNKNOWN
    assert choice.model.samplers is Samplers.NONE
    assert choice.warning == f"unknown model {name!r}"


def test_an_unknown_id_goes_out_as_anthropic_writes_ids() -> None:
    assert meant("openrouter/anthropic/claude-sonnet-6.1") == "claude-sonnet-6-1"


@pytest.mark.parametrize(
    ("name", "backend", "hint"),
    [
        ("sonet", "direct", "did you mean sonnet?"),
        ("opsu", "gateway", "did you mean opus?"),
        (
            "claude-sonet-5-5",
            "direct",
            "did you mean claude-sonnet-5-5 or claude-sonnet-4-5?\n"
            "`deepreasoning models --live` learns of new ones",
        ),
        (
            "claude-sonnet-4-5-20250930",
            "direct",
            "did you mean claude-sonnet-4-5-20250929?\n"
            "`deepreasoning models --live` learns of new ones",
        ),
        ("gpt-4o", "direct", "try fable, mythos, opus, sonnet, haiku"),
        ("openai/gpt-5", "direct", "try fable, mythos, opus, sonnet, haiku"),
        ("deepseek", "direct", "deepseek is a reasoner: -r deepseek"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_the_nearest(
    name: str, backend: str, hint: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        CATALOG.claude(name, backend, TODAY)
    error = caught.value
    assert error.message == f"there is no Claude model {name!r}"
    assert (error.hint, error.kind, error.stage) == (hint, "model_unknown", "answer")


@pytest.mark.parametrize(
    "name",
    [
        *("claude-sonnet-4-5-thinking", "claude-opus-4-8-high", "claude-opus-4-6-16k"),
        *("anthropic/claude-sonnet-4.5:thinking", "anthropic/claude-opus-5.5:online"),
        *("claude-sonnet5-5", "claude-haiku-45", "claudesonnet-5-5", "claude-sonnet--5-5"),
        *("claude-sonnnett-5-5", "claude-haku-6", "claude-sonnet-5-5-latst", "claude"),
    ],
)
def test_what_is_no_part_of_a_name_is_not_ignored(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        meant(name)
    assert caught.value.kind == "model_unknown"


@pytest.mark.parametrize("name", misspellings(200))
def test_a_misspelled_name_is_refused_before_anything_is_sent(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        meant(name)
    assert caught.value.hint


@given(st.text("abc-", max_size=6), st.text("abc-", max_size=6))
def test_edits_are_counted_alike_from_both_sides(one: str, other: str) -> None:
    assert edits(one, other, most=12) == edits(other, one, most=12)
    assert (edits(one, other, most=0) == 0) is (one == other)
    few = edits(one, other, most=2)
    assert few == edits(one, other, most=12) or few > 2


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("opus", "opsu", 1), ("opus", "opuus", 1), ("opus", "opu", 1), ("opus", "onux", 2)],
)
def test_a_swap_is_one_edit(one: str, other: str, count: int) -> None:
    assert edits(one, other, most=3) == count
