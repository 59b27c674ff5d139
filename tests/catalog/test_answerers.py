"""Answerers as data: how each is called, and what it calls which Claude."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from deepreasoning_cli.catalog.live import LiveModels
from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import Answerer, AnswererFormat, Auth, Samplers
from deepreasoning_cli.errors import ConfigError, RefusedError

TODAY = date(2026, 11, 26)
CATALOG = load_catalog()

# as OpenRouter lists them; its rates are Anthropic's, but for long prompts to Sonnet 4.5
OPENROUTER = {
    "claude-fable-5-1": "anthropic/claude-fable-5.1",
    "claude-fable-5": "anthropic/claude-fable-5",
    "claude-opus-5-5": "anthropic/claude-opus-5.5",
    "claude-opus-5": "anthropic/claude-opus-5",
    "claude-opus-4-8": "anthropic/claude-opus-4.8",
    "claude-opus-4-7": "anthropic/claude-opus-4.7",
    "claude-opus-4-6": "anthropic/claude-opus-4.6",
    "claude-sonnet-5-5": "anthropic/claude-sonnet-5.5",
    "claude-sonnet-5": "anthropic/claude-sonnet-5",
    "claude-sonnet-4-6": "anthropic/claude-sonnet-4.6",
    "claude-haiku-5-5": "anthropic/claude-haiku-5.5",
    "claude-sonnet-4-5-20250929": "anthropic/claude-sonnet-4.5",
    "claude-haiku-4-5-20251001": "anthropic/claude-haiku-4.5",
    "claude-opus-4-5-20251101": "anthropic/claude-opus-4.5",
}


def test_the_built_in_answerers_are_called_as_their_hosts_say() -> None:
    messages = AnswererFormat.MESSAGES
    assert {
        row.name: (row.format, row.auth, row.key, row.path, row.model, row.builtin)
        for row in CATALOG.answerers
    } == {
        "anthropic": (messages, Auth.X_API_KEY, "anthropic", None, None, True),
        "openrouter": (messages, Auth.BEARER, "openrouter", "/messages", None, True),
        "ollama": (messages, Auth.NONE, None, "/messages", "qwen3", True),
        "deepseek": (
            *(messages, Auth.X_API_KEY, "deepseek", "/anthropic/v1/messages"),
            *("deepseek-flash", False),
        ),
    }


def test_openrouter_has_ids_of_its_own() -> None:
    assert {row.id: row.ids["openrouter"] for row in CATALOG.offered("openrouter")} == OPENROUTER


@pytest.mark.parametrize("model", OPENROUTER)
def test_openrouter_bills_what_anthropic_does(model: str) -> None:
    row = next(row for row in CATALOG.claude_models if row.id == model)
    here, there = row.rates["openrouter"], row.rates["direct"]
    assert here is not None
    assert there is not None
    assert here.base == there.base
    assert [above for above, _ in here.bands] == (
        [200_000] if "sonnet-4-5" in model else [above for above, _ in there.bands]
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sonnet", "claude-sonnet-5-5"),
        ("fable", "claude-fable-5-1"),  # 5.2 is not listed there
        ("anthropic/claude-opus-4.8", "claude-opus-4-8"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
    ],
)
def test_a_name_means_what_the_host_offers(name: str, expected: str) -> None:
    assert CATALOG.claude(name, "openrouter", TODAY).model.id == expected


def test_a_hosts_own_id_is_known_at_anthropic_too() -> None:
    choice = CATALOG.claude("anthropic/claude-sonnet-5.5", "direct", TODAY)
    assert (choice.model.id, choice.warning) == ("claude-sonnet-5-5", None)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("mythos", "openrouter does not offer mythos", "choose claude-fable-5-1, "),
        (
            *("claude-fable-5-2", "openrouter does not offer claude-fable-5-2"),
            "choose claude-fable-5-1",
        ),
    ],
)
def test_a_model_that_the_host_lacks_is_refused(name: str, message: str, hint: str) -> None:
    with pytest.raises(RefusedError) as raised:
        CATALOG.claude(name, "openrouter", TODAY)
    assert raised.value.message == message
    assert (raised.value.hint or "").startswith(hint)


def test_what_anthropic_has_retired_is_refused_at_other_hosts_too() -> None:
    with pytest.raises(RefusedError, match="claude-sonnet-4-5-20250929 was retired on 2026-11-30"):
        CATALOG.claude("anthropic/claude-sonnet-4.5", "openrouter", date(2026, 11, 30))


def test_the_hosts_own_list_goes_before_the_catalog() -> None:
    ids = (
        *("anthropic/claude-fable-5.2", "anthropic/claude-sonnet-5"),
        "anthropic/claude-opus-5:batch",
    )
    live = LiveModels(datetime(2026, 11, 26, tzinfo=UTC), hosts={"openrouter": ids})
    catalog = live.apply_to(CATALOG)
    offered = {row.id: row.ids["openrouter"] for row in catalog.offered("openrouter")}
    assert offered == {
        "claude-fable-5-2": "anthropic/claude-fable-5.2",
        "claude-sonnet-5": "anthropic/claude-sonnet-5",
    }
    fable = catalog.claude("fable", "openrouter", TODAY).model
    sonnet = catalog.claude("sonnet", "openrouter", TODAY).model
    assert (fable.id, fable.rates["openrouter"]) == ("claude-fable-5-2", None)
    assert sonnet.rates["openrouter"] is not None
    assert catalog.claude("sonnet", "direct", TODAY).model.id == "claude-sonnet-5-5"


def test_a_list_without_claudes_says_nothing_of_them() -> None:
    live = LiveModels(datetime(2026, 11, 26, tzinfo=UTC), hosts={"openrouter": ("x/y",)})
    assert live.apply_to(CATALOG).offered("openrouter") == CATALOG.offered("openrouter")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["openrouter"], "openrouter"),
        (["openrouter", "anthropic"], "anthropic"),
        (["deepseek"], None),
        ([], None),
    ],
)
def test_the_default_is_the_first_whose_key_is_there(
    keys: Iterable[str], expected: str | None
) -> None:
    answerer = CATALOG.default_answerer(set(keys).__contains__)
    assert (answerer and answerer.name) == expected


def test_an_unknown_answerer_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as raised:
        CATALOG.answerer("openruter")
    assert raised.value.message == "there is no answerer 'openruter'"
    assert raised.value.hint == "did you mean openrouter?"


def test_an_answerer_of_ones_own_takes_the_place_of_one_of_its_name() -> None:
    own = Answerer(name="ollama", label="mine", base_url="http://gpu:11434", model="llama4")
    assert CATALOG.with_hosts([], [own]).answerer("OLLAMA") == own


def test_the_users_file_adds_a_host_with_ids_and_rates(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(
        '[answerers.vercel]\nbase_url = "https://ai-gateway.vercel.sh"\nkey = "vercel"\n'
        '[claude.claude-sonnet-5-5.vercel]\nid = "anthropic/claude-sonnet-5.5"\n'
        'input = "2"\noutput = "10"\n'
    )
    catalog = load_catalog(file)
    model = catalog.claude("sonnet", "vercel", TODAY).model
    card = model.rates["vercel"]
    assert model.ids["vercel"] == "anthropic/claude-sonnet-5.5"
    assert card is not None
    assert (card.base.output, card.source) == (Decimal(10), str(file))
    assert catalog.answerer("vercel").samplers is Samplers.BOTH


def test_other_rates_keep_the_hosts_id(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(
        '[claude.claude-sonnet-5-5.openrouter]\nper = 1_000\ninput = "0.003"\noutput = "0.015"\n'
    )
    model = load_catalog(file).claude("sonnet", "openrouter", TODAY).model
    card = model.rates["openrouter"]
    assert card is not None
    assert model.ids["openrouter"] == "anthropic/claude-sonnet-5.5"
    assert (card.base.input, card.base.cache_read) == (Decimal(3), None)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            '[answerers.openrouter]\nauth = "token"\n',
            "[answerers.openrouter] auth must be one of x-api-key, bearer, none, not 'token'",
        ),
        (
            '[answerers.openrouter]\nformat = "responses"\n',
            "[answerers.openrouter] format must be one of messages, chat_completions,"
            " not 'responses'",
        ),
        (
            '[claude.claude-mythos-5.openrouter]\ninput = "1"\noutput = "2"\n',
            "[claude.claude-mythos-5.openrouter] id is missing",
        ),
        (
            '[claude.claude-mythos-5.openruter]\nid = "x"\n',
            "[claude.claude-mythos-5] there is no key 'openruter'",
        ),
    ],
)
def test_a_mistake_in_the_users_file_is_named(tmp_path: Path, table: str, problem: str) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(table)
    with pytest.raises(ConfigError) as raised:
        load_catalog(file)
    assert raised.value.message == f"{file}: {problem}"
