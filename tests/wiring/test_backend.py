from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.errors import ConfigError, UsageError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.wiring.backend import STARTS, BackendNeeds, choose_backend, likely_origin

BOTH = BackendNeeds(thinks=True, answers=True, has_reasoning=False, handoff=Handoff.REASONING)
KEPT = BackendNeeds(thinks=False, answers=True, has_reasoning=True, handoff=Handoff.REASONING)
ALONE = BackendNeeds(thinks=False, answers=True, has_reasoning=False, handoff=Handoff.NONE)
THINKING = BackendNeeds(thinks=True, answers=False, has_reasoning=False, handoff=Handoff.REASONING)
DRAFT = BackendNeeds(thinks=True, answers=True, has_reasoning=False, handoff=Handoff.BOTH)


def backend(keys: Iterable[str], needs: BackendNeeds = BOTH, **flags: str) -> str:
    environ = {f"{name.upper()}_API_KEY": "sk-0123456789" for name in keys}
    loaded = load_settings(None, flags, environ)
    return choose_backend(loaded, load_catalog(), needs)


@pytest.fixture(autouse=True)
def no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEEPREASONING_CONFIG", str(tmp_path / "config.toml"))


@pytest.mark.parametrize(
    ("keys", "needs", "expected"),
    [
        (["deepseek", "anthropic"], BOTH, "direct"),
        (["deepseek", "anthropic", "empiriolabs"], BOTH, "direct"),
        (["empiriolabs"], BOTH, "gateway"),
        (["anthropic", "empiriolabs"], BOTH, "gateway"),
        (["deepseek", "empiriolabs"], BOTH, "gateway"),
        (["empiriolabs"], THINKING, "gateway"),
        (["deepseek"], THINKING, "direct"),
        (["anthropic", "empiriolabs"], KEPT, "direct"),
        (["anthropic", "empiriolabs"], ALONE, "direct"),
    ],
)
def test_auto_goes_by_the_keys(keys: list[str], needs: BackendNeeds, expected: str) -> None:
    assert backend(keys, needs) == expected


@pytest.mark.parametrize(
    ("keys", "needs", "message"),
    [
        ([], BOTH, "no keys are set"),
        (["anthropic"], BOTH, "no key for a reasoner"),
        (["deepseek"], BOTH, "no key for Claude: set ANTHROPIC_API_KEY"),
        (["empiriolabs"], KEPT, "no key for Claude: set ANTHROPIC_API_KEY"),
        (["empiriolabs"], DRAFT, "no keys are set"),
    ],
)
def test_without_the_keys_three_ways_to_start_are_named(
    keys: list[str], needs: BackendNeeds, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        backend(keys, needs)
    assert (raised.value.message, raised.value.hint) == (message, "\n".join(STARTS))


@pytest.mark.parametrize("name", ["direct", "demo", "gateway"])
def test_a_backend_that_is_named_is_taken(name: str) -> None:
    assert backend([], backend=name) == name


@pytest.mark.parametrize("needs", [ALONE, DRAFT])
def test_the_gateway_has_a_handoff_of_its_own(needs: BackendNeeds) -> None:
    with pytest.raises(UsageError) as raised:
        backend(["empiriolabs", "anthropic"], needs, backend="gateway")
    assert f"without --handoff {needs.handoff}" in raised.value.message


def test_kept_reasoning_goes_to_claude_directly() -> None:
    assert backend(["empiriolabs", "anthropic"], KEPT, backend="gateway") == "direct"


def test_kept_reasoning_needs_a_key_for_claude() -> None:
    with pytest.raises(ConfigError) as raised:
        backend(["empiriolabs"], KEPT, backend="gateway")
    assert raised.value.hint == "set ANTHROPIC_API_KEY to ask Claude directly"


PAIR = ("deepseek", "anthropic")


@pytest.mark.parametrize(
    ("keys", "flags", "host"),
    [
        (PAIR, {}, "api.deepseek.com"),
        (PAIR, {"reasoner": "novita"}, "api.novita.ai"),
        (
            PAIR,
            {"backend": "direct", "base_urls": {"deepseek": "https://proxy.test/v1"}},
            "proxy.test",
        ),
        (PAIR, {"handoff": "none"}, None),
        (PAIR, {"web_search_linkup": True}, None),
        (PAIR, {"max_cost": "1"}, None),
        (PAIR, {"daily_cost": "1"}, None),
        (PAIR, {"monthly_cost": "1"}, None),
        (PAIR, {"connect_ahead": False}, None),
        (PAIR, {"backend": "demo"}, None),
        (PAIR, {"backend": "gateway"}, None),
        (("deepseek",), {}, None),
        ((), {}, None),
    ],
)
def test_where_a_turn_plainly_goes_first(
    keys: tuple[str, ...], flags: dict[str, object], host: str | None
) -> None:
    environ = {f"{name.upper()}_API_KEY": "sk-0123456789" for name in keys}
    origin = likely_origin(load_settings(None, flags, environ), load_catalog())
    assert (origin and origin.host) == host
