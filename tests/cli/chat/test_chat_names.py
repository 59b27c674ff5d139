"""The names that a chat offers and describes."""

from __future__ import annotations

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.cli.chat.turns import ChatNames
from deepreasoning_cli.errors import ConfigError, RefusedError


@pytest.mark.parametrize("backend", ["auto", "direct", "demo"])
def test_families_come_first_and_nothing_that_is_retired(backend: str) -> None:
    names = ChatNames(load_catalog(), backend).models()
    assert {"sonnet", "opus", "haiku"} <= set(names[: names.index("claude-sonnet-5-5")])
    for name in names:
        assert ChatNames(load_catalog(), backend).describe_model(name)


def test_every_reasoner_is_offered_and_described() -> None:
    names = ChatNames(load_catalog(), "auto")
    assert names.reasoners()[0] == "deepseek"
    assert names.describe_reasoner("deepseek").startswith("deepseek-v4-pro at ")


def test_what_cannot_be_asked_is_refused() -> None:
    names = ChatNames(load_catalog(), "auto")
    with pytest.raises(ConfigError):
        names.describe_reasoner("nobody")
    with pytest.raises(RefusedError):
        names.describe_model("claude-3-opus-20240229")
