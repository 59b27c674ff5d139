"""Any text as config.toml, any value of any key: settings, or one clear error without a key."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from deepreasoning_cli.errors import ConfigError, DeepReasoningError
from deepreasoning_cli.settings.editor import set_value
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.views.base import error_lines
from support.mutations import CanaryKey, mutated
from support.often import RecordProperty, often

TIMES, SHARES = often(800, 20_000), 4
TOP: Final = (
    *("model", "backend", "reasoner", "answerer", "fallback", "effort", "think", "max_reasoning"),
    *("stop", "temperature", "top_p", "max_tokens", "web_search_linkup", "handoff", "panels"),
    *("history", "clipboard", "max_cost", "daily_cost", "on_cap", "timeout", "replay_pace", "keys"),
    *("reasoners", "answerers", "base_urls", "gateway", "search", "serve", "code_theme"),
)
INNER: Final = (
    *(
        "keys.deepseek",
        "reasoners.lab",
        "reasoners.lab.base_url",
        "reasoners.lab.key",
        "serve.port",
    ),
    *(
        "reasoners.lab.rates",
        "answerers.mine",
        "base_urls.deepseek",
        "gateway.endpoint",
        "serve.log",
    ),
    *("serve.hosts", "serve.origins", "serve.body_limit", "search.depth", "keys.anthropic.command"),
)
VALUES: Final = (
    *("-1", "0", "1", "1e999", "-inf", "nan", "9" * 400, "true", '""', '" "', '"KEY"', '"\\u0000"'),
    *("[]", "[[]]", '["KEY"]', "{}", '{command = "KEY"}', "{command = []}", '{KEY = "KEY"}'),
    *("1979-05-27", "07:32:00", "1979-05-27T07:32:00+23:59", '"http://KEY@h"', '"http://[::1"'),
    *('"http://h:99999"', '"\\uFFFF"', '"\\U0001F600"', "'''\n'''", "0xFF", "[1, 'a', {a = 1}]"),
    *('"deepseek"', '["deepseek", "deepseek"]', '"NaN"', '"1E+999999"', '"9E-999999"', '"1_0"'),
)
CONFIG: Final = b"""# mine
model = "sonnet"
reasoner = ["deepseek", "openrouter"]
max_tokens = 4096
daily_cost = "5.00"
temperature = 0.7

[keys]
deepseek = "KEY" # a key

[reasoners.lab]
base_url = "http://gpu:8000/v1"
model = "r1"
rates = { input = 0.5, output = 2.0 }

[serve]
port = 1337
hosts = ["localhost"]
"""


def with_values(dice: random.Random) -> bytes:
    """Lines that set keys to something, whatever it is."""
    names = dice.sample([*TOP, *INNER], dice.randint(1, 4))
    return "".join(f"{name} = {dice.choice(VALUES)}\n" for name in names).encode()


def check(path: Path, key: CanaryKey, text: bytes) -> None:
    """It is loaded, or an error says why; the key is in nothing that is said."""
    path.write_bytes(text.replace(b"KEY", key.value.encode()))
    try:
        loaded = load_settings(path, {}, {})
    except DeepReasoningError as error:
        said = error_lines(error)
        key.check(*said, repr(error), repr(error.__cause__))
        assert len(said) > 1 or str(path) in said[0], text
        return
    key.check(*loaded.notes)
    with suppress(DeepReasoningError):
        set_value(path, "panels", "box")
        assert load_settings(path, {}, {}).settings.panels == "box", text


@pytest.mark.no_cover  # the same lines thousands of times: only slower
@pytest.mark.parametrize("share", range(SHARES))
def test_any_config_is_settings_or_one_clear_error(
    tmp_path: Path, share: int, record_property: RecordProperty
) -> None:
    dice = random.Random(share)
    path = tmp_path / "config.toml"
    path.touch(0o600)
    key = CanaryKey()
    for _ in range(TIMES // SHARES):
        text = with_values(dice) if dice.random() < 0.5 else mutated(CONFIG, dice)
        check(path, key, text)
    record_property("config", TIMES // SHARES)


@pytest.mark.parametrize(
    "text",
    [
        b"max_tokens = " + b"9" * 5_000,
        b"reasoner = " + b"[" * 20_000,
        b"reasoner = " + b"[" * 900 + b"]" * 900,
        b".".join([b"a"] * 3_000) + b" = 1",
        b"keys." + b".".join([b"a"] * 800) + b' = "KEY"',
        b"[" + b".".join([b"serve"] * 3_000) + b"]",
        b"x = " + b"{a = " * 5_000,
    ],
    ids=["number", "open lists", "lists", "dotted", "in a table", "table", "inline tables"],
)
def test_what_the_parser_itself_gives_up_on_is_one_clear_error(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "config.toml"
    path.touch(0o600)
    check(path, CanaryKey(), text)
    with pytest.raises(DeepReasoningError):
        load_settings(path, {}, {})


@pytest.mark.parametrize("value", ["9" * 5_000, "[" * 20_000, "{a = " * 5_000, "1979-99-99"])
def test_a_value_that_the_parser_gives_up_on_cannot_be_set(tmp_path: Path, value: str) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(DeepReasoningError):
        set_value(path, "max_tokens", value)
    assert not path.exists()


@pytest.mark.parametrize("nested", [b"[" * 900 + b"]" * 900, b"{a = " * 300 + b"1" + b"}" * 300])
def test_a_file_that_only_the_editor_gives_up_on_stays_as_it_is(
    tmp_path: Path, nested: bytes
) -> None:
    path = tmp_path / "config.toml"
    text = b"reasoner = " + nested
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        set_value(path, "panels", "box")
    assert caught.value.kind in ("config_broken", "setting_wrong")
    assert path.read_bytes() == text
