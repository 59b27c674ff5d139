from __future__ import annotations

import logging
import os
import stat
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import Vendor
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.settings import reader
from deepreasoning_cli.settings.loaded import LoadedSettings, load_settings
from deepreasoning_cli.settings.models import KeyCommand, Settings
from deepreasoning_cli.settings.sources import from_environment, lines_of

CANARY = "sk-canary-4f9Qz81LmX77"
ADDRESS = (
    "an address such as https://host:8000/v1, with a scheme, and without user name, query or #part"
)
TWICE = "merge the two tables of this name"
BACKSLASH = r"put a text with \ in single quotes, as 'C:\Users\me', or double each"
KEY = 'the key in quotes, or { command = "…" }'
SHOW = "`deepreasoning config show` lists the settings"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.touch(0o600)
    return path


def load(
    path: Path,
    text: str = "",
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> LoadedSettings:
    path.write_bytes(text.encode())
    return load_settings(path, flags or {}, environ or {})


def failure(
    path: Path,
    text: str = "",
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> DeepReasoningError:
    with pytest.raises(DeepReasoningError) as caught:
        load(path, text, flags, environ)
    error = caught.value
    assert CANARY not in f"{error!r} {error.hint} {error.__cause__!r} {error.as_json()}"
    assert error.__cause__ is None
    return error


def program(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o700)
    return str(path)


def test_without_anything_every_setting_has_its_default(config: Path) -> None:
    assert load(config).settings.model_dump() == {
        "model": None,
        "backend": "auto",
        "reasoner": None,
        "answerer": None,
        "fallback": None,
        "effort": "auto",
        "think": "auto",
        "max_reasoning": None,
        "stop": "end",
        "probe_model": "haiku",
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 8192,
        "web_search_linkup": False,
        "disable_formatting": False,
        "handoff": "reasoning",
        "reasoning": None,
        "panels": "rules",
        "history": True,
        "clipboard": "tool",
        "max_cost": None,
        "daily_cost": None,
        "monthly_cost": None,
        "on_cap": "stop",
        "code_theme": "ansi_dark",
        "timeout": None,
        "connect_ahead": True,
        "cassette": None,
        "replay_pace": None,
        "keys": {},
        "reasoners": {},
        "answerers": {},
        "base_urls": {},
        "gateway": {"endpoint": "chat_completions"},
        "search": {"depth": "standard"},
        "serve": {
            "host": "127.0.0.1",
            "port": 1337,
            "workers": 1,
            "drain": 30,
            "byok": False,
            "reason": "question",
            "hosts": (),
            "origins": (),
            "streams": 256,
            "body_limit": 16_777_216,
            "keep_alive": 10,
            "log": "text",
            "metrics": False,
        },
    }


def test_the_file_of_the_contract_is_read_whole(config: Path) -> None:
    loaded = load(
        config,
        """\
model = "sonnet"                 # the Claude model
backend = "auto"
reasoner = "deepseek"
temperature = 0.7
top_p = 0.9
max_tokens = 8192
web_search_linkup = false
disable_formatting = false
handoff = "reasoning"
panels = "box"
history = true
max_cost = "1.00"

[keys]
deepseek = "sk-deepseek-key"
anthropic = { command = "pass show anthropic" }

[reasoners.lab]
base_url = "http://gpu:8000/v1"
model = "deepseek-ai/DeepSeek-R1-0528"
key = "lab"

[gateway]
endpoint = "responses"
""",
    )
    settings = loaded.settings
    assert settings.max_cost == Decimal("1.00")
    assert settings.reasoners["lab"].model_dump() == {
        "base_url": "http://gpu:8000/v1",
        "model": "deepseek-ai/DeepSeek-R1-0528",
        "key": "lab",
        "rates": None,
        "opens_thinking": False,
        "images": False,
        "context": None,
    }
    assert settings.gateway.endpoint == "responses"
    assert loaded.key("deepseek") == Key("deepseek", "sk-deepseek-key", "config.toml")
    assert [loaded.has_key(name) for name in ("deepseek", "anthropic", "linkup")] == [
        True,
        True,
        False,
    ]
    assert loaded.origins["gateway.endpoint"] == f"file {config}:24"


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(config: Path) -> None:
    text = 'model = "file"\nreasoner = "file"\npanels = "rules"\n'
    environ = {"DEEPREASONING_MODEL": "env", "DEEPREASONING_REASONER": "env"}
    loaded = load(config, text, {"model": "flag", "temperature": None}, environ)
    settings, origins = loaded.settings, loaded.origins
    assert [settings.model, settings.reasoner, settings.panels, settings.temperature] == [
        "flag",
        ("env",),
        "rules",
        0.7,
    ]
    assert [origins[name] for name in ("model", "reasoner", "panels", "temperature")] == [
        "flag --model",
        "environment DEEPREASONING_REASONER",
        f"file {config}:3",
        "default",
    ]
    assert [loaded.is_typed(name) for name in ("model", "reasoner", "temperature")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("max_tokens", "--max-tokens"),
        ("web_search_linkup", "--web"),
        ("disable_formatting", "--no-sources"),
    ],
)
def test_a_flag_is_called_by_its_own_name(config: Path, name: str, flag: str) -> None:
    assert load(config, flags={name: 1}).origins[name] == f"flag {flag}"


def test_a_variable_of_ours_beats_the_vendors(config: Path) -> None:
    environ = {
        "DEEPSEEK_API_KEY": "sk-of-the-vendor",
        "DEEPREASONING_KEYS__DEEPSEEK": "sk-of-ours",
        "ANTHROPIC_API_KEY": "sk-ant-vendor",
        "DEEPREASONING_KEYS__ANTHROPIC__COMMAND": "pass show anthropic",
        "OLLAMA_BASE_URL": "http://gpu:11434/v1/",
        "DEEPREASONING_BASE_URLS__DEEPSEEK": "https://proxy.example",
        "DEEPSEEK_BASE_URL": "https://api.deepseek.com",
    }
    loaded = load(config, environ=environ)
    ours = "environment DEEPREASONING_"
    assert loaded.key("deepseek") == Key("deepseek", "sk-of-ours", f"{ours}KEYS__DEEPSEEK")
    assert loaded.settings.base_urls == {
        "deepseek": "https://proxy.example",
        "ollama": "http://gpu:11434/v1",
    }
    keys = {name: place for name, place in loaded.origins.items() if name.startswith("keys.")}
    assert keys == {
        "keys.deepseek": f"{ours}KEYS__DEEPSEEK",
        "keys.anthropic.command": f"{ours}KEYS__ANTHROPIC__COMMAND",
    }


@pytest.mark.parametrize("vendor", [each.name for each in load_catalog().vendors if each.key_env])
def test_every_vendors_own_variables_are_read(config: Path, vendor: str) -> None:
    name = vendor.upper()
    environ = {f"{name}_API_KEY": "sk-of-the-vendor", f"{name}_BASE_URL": "https://x.example/v2"}
    loaded = load(config, environ=environ)
    key = Key(vendor, "sk-of-the-vendor", f"environment {name}_API_KEY")
    assert (loaded.key(vendor), loaded.settings.base_urls) == (
        key,
        {vendor: "https://x.example/v2"},
    )


@pytest.mark.parametrize(
    ("variable", "given", "address"),
    [
        ("ANTHROPIC", "https://x.example/v1", "https://x.example"),
        ("ANTHROPIC", "https://x.example/v1/", "https://x.example"),
        ("ANTHROPIC", "https://x.example/v1/messages", "https://x.example"),
        ("ANTHROPIC", "https://x.example/v1/messages/count_tokens", "https://x.example"),
        ("ANTHROPIC", "https://x.example/anthropic/v1/", "https://x.example/anthropic"),
        ("ANTHROPIC", "'https://x.example/'", "https://x.example"),
        ("DEEPSEEK", "https://x.example/v1", "https://x.example/v1"),
        ("DEEPSEEK", "https://x.example/chat/completions", "https://x.example"),
        ("DEEPSEEK", '"https://x.example/v1/chat/completions/"', "https://x.example/v1"),
        ("EMPIRIOLABS", "https://api.empiriolabs.ai", "https://api.empiriolabs.ai/v1"),
        ("EMPIRIOLABS", "https://x.example/v1/responses", "https://x.example/v1"),
        ("LINKUP", "https://api.linkup.so/v1/search", "https://api.linkup.so/v1"),
        ("LINKUP", "https://api.linkup.so/", "https://api.linkup.so/v1"),
        ("OPENROUTER", "https://openrouter.ai", "https://openrouter.ai/api/v1"),
        ("OPENROUTER", "https://openrouter.ai/api/", "https://openrouter.ai/api/v1"),
        ("DEEPINFRA", "https://api.deepinfra.com/v1", "https://api.deepinfra.com/v1/openai"),
        ("OLLAMA", "http://gpu:11434", "http://gpu:11434/v1"),
        ("OLLAMA", "http://gpu:11434/api", "http://gpu:11434/v1"),
        ("OLLAMA", "http://gpu:11434/other", "http://gpu:11434/other"),
    ],
)
def test_an_address_may_be_written_as_other_tools_want_it(
    config: Path, variable: str, given: str, address: str
) -> None:
    loaded = load(config, environ={f"{variable}_BASE_URL": given})
    assert loaded.settings.base_urls == {variable.lower(): address}


def test_ones_own_reasoner_may_have_the_whole_endpoint_as_its_address(config: Path) -> None:
    own = '[reasoners.lab]\nbase_url = "http://gpu/v1/chat/completions"\nmodel = "m"\n'
    assert load(config, own).settings.reasoners["lab"].base_url == "http://gpu/v1"


ADVICE = [
    ('model = "a"\nmodel = "b"\n', "keep one of the two settings of this name"),
    ('model = "a"\nmodel.x = "b"\n', "keep one of the two settings of this name"),
    ('[keys]\nlab = "aaaaaaaa"\n[keys]\nlinkup = "bbbbbbbb"\n', TWICE),
    ('keys = { lab = "aaaaaaaa" }\n[keys]\nlinkup = "bbbbbbbb"\n', TWICE),
    ('[keys]\nlab = { command = "C:\\Users\\me\\key.exe" }\n', BACKSLASH),
    ('[keys]\nlab = { command = "C:\\me\\key.exe" }\n', BACKSLASH),
    ('code_theme = "a\\q"', BACKSLASH),
    ('model = "opus\n', "close the string with a quote"),
    ("model = 'opus\n", "close the string with a quote"),
    ("model = “opus”\n", "write straight quotes, not typographic ones"),
    ("history = True\n", "write true or false, lowercase and without quotes"),
    ("history = yes\n", "write true or false, lowercase and without quotes"),
    ('model: "opus"\n', "write a setting as name = value"),
    ("temperature = 0,7\n", "write numbers with a decimal point: 0.7"),
    ("[keys\n", "write the name of a table in brackets: [keys]"),
    ('reasoner = ["deepseek"\n', "close the list with ]"),
    ("model = opus\n", "strings need quotes"),
]


@pytest.mark.parametrize(("text", "advice"), ADVICE)
def test_the_advice_on_a_file_that_is_no_toml_fits(config: Path, text: str, advice: str) -> None:
    error = failure(config, text)
    assert (error.kind, error.exit_code) == ("config_broken", 3)
    assert error.hint == f"{advice}; `deepreasoning config edit` opens the file"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_read_if_it_says_so(config: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    config.touch(0o600)
    config.write_bytes(f'{mark}# é\r\nmodel = "opus"\r\n'.encode(encoding))
    assert load_settings(config, {}, {}).settings.model == "opus"


ACME = """
[vendors.acme]
base_url = "https://acme.example/v1"
key_env = "ACME_TOKEN"
base_url_env = "ACME_URL"
[reasoners.acme]
base_url = "https://acme.example/v1"
model = "r1"
key = "acme"
"""


def test_a_vendor_of_the_users_catalog_has_its_variables_read(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPREASONING_CONFIG", str(config))
    paths.catalog_override().write_text(ACME)
    environ = {"ACME_TOKEN": "sk-acme", "ACME_URL": "https://other.example/v1"}
    loaded = load(config, "[keys]\nacmee = 'x'\n", environ=environ)
    assert loaded.key("acme") == Key("acme", "sk-acme", "environment ACME_TOKEN")
    assert loaded.settings.base_urls == {"acme": "https://other.example/v1"}
    assert [note.partition(": ")[2] for note in loaded.notes] == [
        "nothing asks for keys.acmee; did you mean acme?"
    ]


@pytest.mark.parametrize("text", ["[vendors", "vendors = 1", "[vendors.acme]\nkey_env = 7\n"])
def test_settings_do_without_a_catalog_that_cannot_be_used(
    config: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("DEEPREASONING_CONFIG", str(config))
    paths.catalog_override().write_text(text)
    assert load(config, environ={"DEEPSEEK_API_KEY": "sk-ds"}).has_key("deepseek")


def test_a_key_of_the_environment_hides_the_command_of_the_file(config: Path) -> None:
    text = '[keys]\nanthropic = { command = "pass show anthropic" }\n'
    loaded = load(config, text, environ={"ANTHROPIC_API_KEY": "sk-ant-env"})
    assert loaded.key("anthropic") == Key(
        "anthropic", "sk-ant-env", "environment ANTHROPIC_API_KEY"
    )
    assert "keys.anthropic.command" not in loaded.origins


def test_a_part_of_a_table_can_come_from_the_environment(config: Path) -> None:
    text = '[reasoners.lab]\nbase_url = "http://gpu:8000"\nmodel = "file"\n'
    loaded = load(config, text, environ={"DEEPREASONING_REASONERS__LAB__MODEL": "env"})
    lab = loaded.settings.reasoners["lab"]
    assert (lab.base_url, lab.model) == ("http://gpu:8000", "env")


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_variable_is_not_set(config: Path, blank: str) -> None:
    environ = {
        "DEEPREASONING_MODEL": blank,
        "DEEPREASONING_NO_SUCH_THING": blank,
        "DEEPSEEK_API_KEY": blank,
    }
    loaded = load(config, 'model = "file"\n[keys]\ndeepseek = "sk-in-the-file"\n', None, environ)
    assert loaded.settings.model == "file"
    assert loaded.key("deepseek") == Key("deepseek", "sk-in-the-file", "config.toml")


def test_a_blank_key_in_the_file_is_no_key(config: Path) -> None:
    loaded = load(config, '[keys]\ndeepseek = " "\n')
    assert (loaded.has_key("deepseek"), loaded.key("deepseek")) == (False, None)


def test_a_missing_file_is_an_error_only_if_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent.toml"
    monkeypatch.setenv("DEEPREASONING_CONFIG", str(absent))
    assert (load_settings(None, {}).path, load_settings(None, {}).settings.backend) == (
        absent,
        "auto",
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(absent, {})
    assert (caught.value.message, caught.value.exit_code, caught.value.kind) == (
        f"there is no config file {absent}",
        3,
        "config_missing",
    )


def test_nothing_is_read_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text('model = "from-here"')
    (tmp_path / ".env").write_text("DEEPREASONING_MODEL=from-here\nDEEPSEEK_API_KEY=sk-from-here")
    monkeypatch.chdir(tmp_path)
    loaded = load_settings(None, {})
    assert (loaded.settings.model, loaded.settings.keys) == (None, {})


WRONG_VALUES = [
    ("model = 5", "model", 'a string such as "sonnet"'),
    ('model = ""', "model", 'a string such as "sonnet"'),
    ('backend = "directt"', "backend", '"auto", "direct", "gateway" or "demo"'),
    ("temperature = 2.1", "temperature", "a number from 0 to 2"),
    ("temperature = true", "temperature", "a number from 0 to 2"),
    ("temperature = nan", "temperature", "a number from 0 to 2"),
    ("temperature = [1]", "temperature", "a number from 0 to 2"),
    ("top_p = -0.1", "top_p", "a number from 0 to 1"),
    ("max_tokens = 0", "max_tokens", "a whole number from 1 to 65536"),
    ("max_tokens = 65537", "max_tokens", "a whole number from 1 to 65536"),
    ("max_tokens = 1.5", "max_tokens", "a whole number from 1 to 65536"),
    ('max_reasoning = "long"', "max_reasoning", 'tokens such as 4000, or a time such as "90s"'),
    ("max_reasoning = true", "max_reasoning", 'tokens such as 4000, or a time such as "90s"'),
    ("max_reasoning = 0", "max_reasoning", 'tokens such as 4000, or a time such as "90s"'),
    ('history = "perhaps"', "history", "true or false"),
    ("max_cost = 0", "max_cost", "an amount in USD above 0"),
    ("daily_cost = inf", "daily_cost", "an amount in USD above 0"),
    ("monthly_cost = true", "monthly_cost", "an amount in USD above 0"),
    ("timeout = 0", "timeout", "a number of seconds above 0"),
    ('handoff = "all"', "handoff", '"reasoning", "answer", "both" or "none"'),
    ('panels = "none"', "panels", '"box" or "rules"'),
    ("gateway = 5", "gateway", "a table with endpoint"),
    (f'keys = "{CANARY}"', "keys", f"a table: NAME = {KEY}"),
    (f'keys.deepseek = ["{CANARY}"]', "keys.deepseek", KEY),
    ("keys.deepseek = 5", "keys.deepseek", KEY),
    ('keys.deepseek = { command = "" }', "keys.deepseek", KEY),
    ("keys.deepseek = { command = [] }", "keys.deepseek", KEY),
    (f'keys.deepseek = {{ command = "\'{CANARY}" }}', "keys.deepseek", KEY),
    ('reasoners.lab = "x"', "reasoners.lab", "a table with base_url and model"),
    ('base_urls.deepseek = "api.deepseek.com"', "base_urls.deepseek", ADDRESS),
    ('base_urls.deepseek = "file:///etc/passwd"', "base_urls.deepseek", ADDRESS),
    ('base_urls.deepseek = "http://host:99999"', "base_urls.deepseek", ADDRESS),
    ('base_urls.deepseek = "http://host:0"', "base_urls.deepseek", ADDRESS),
    ('base_urls.deepseek = "http://"', "base_urls.deepseek", ADDRESS),
    ('base_urls.deepseek = "http://[::1"', "base_urls.deepseek", ADDRESS),
    ('base_urls.deepseek = "https://a b"', "base_urls.deepseek", ADDRESS),
    ('base_urls.deepseek = "https://ä.example"', "base_urls.deepseek", ADDRESS),
    (f'base_urls.deepseek = "https://u:{CANARY}@host"', "base_urls.deepseek", ADDRESS),
    (f'base_urls.deepseek = "https://host?key={CANARY}"', "base_urls.deepseek", ADDRESS),
]


@pytest.mark.parametrize(("line", "name", "allowed"), WRONG_VALUES)
def test_a_wrong_value_names_file_line_setting_and_what_is_allowed(
    config: Path, line: str, name: str, allowed: str
) -> None:
    error = failure(config, f"# a comment\n\n{line}\n")
    assert (type(error), error.exit_code, error.kind) == (ConfigError, 3, "setting_wrong")
    assert error.message == f"{config}:3: {name} must be {allowed}"
    assert error.hint == "`deepreasoning config edit` opens the file"


LAB = '[reasoners.lab]\nbase_url = "http://gpu:8000/v1"\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f'{LAB}key = "{CANARY}"',
            "4: reasoners.lab.key must be a string: a name from [keys], never the key itself",
        ),
        (f"{LAB}context = 0", "4: reasoners.lab.context must be a whole number of tokens above 0"),
        (f"{LAB}rates = {{ input = 1 }}", "4: reasoners.lab.rates.output is missing"),
        (
            f"{LAB}rates = {{ input = 1, output = -1 }}",
            "4: reasoners.lab.rates.output must be USD per million tokens, 0 or more",
        ),
        ('[reasoners.lab]\nmodel = "m"', "1: reasoners.lab.base_url is missing"),
    ],
)
def test_what_is_wrong_inside_a_reasoner_is_found_at_its_line(
    config: Path, text: str, words: str
) -> None:
    assert failure(config, text).message == f"{config}:{words}"


@pytest.mark.parametrize(
    ("text", "line", "name", "hint"),
    [
        ("modle = 1", 1, "modle", "did you mean model?"),
        ('Model = "haiku"', 1, "Model", "did you mean model?"),
        ('[Keys]\nlab = "x"', 1, "Keys", "did you mean keys?"),
        ("max-tokens = 1", 1, "max-tokens", "did you mean max_tokens?"),
        ("xyzzy = 1", 1, "xyzzy", SHOW),
        ('[gateway]\nendpont = "x"', 2, "gateway.endpont", "did you mean endpoint?"),
        ('[search]\ndeep = "x"', 2, "search.deep", "did you mean depth?"),
        ("[serve]\nprot = 1338", 2, "serve.prot", "did you mean port?"),
        (f'[keys.lab]\ncomand = "{CANARY}"', 2, "keys.lab.comand", "did you mean command?"),
        ('[reasoners.lab]\nbase-url = "x"', 2, "reasoners.lab.base-url", "did you mean base_url?"),
        (f"{LAB}rates = {{ inputs = 1 }}", 4, "reasoners.lab.rates.inputs", "did you mean input?"),
        (
            '[gateway]\nmodel = "x"',
            2,
            "gateway.model",
            "model belongs at the top of the file, above the first [table]",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_valid_one(
    config: Path, text: str, line: int, name: str, hint: str
) -> None:
    error = failure(config, text)
    assert (error.message, error.hint) == (f"{config}:{line}: {name} is not a setting", hint)
    assert error.exit_code == 3


OR_UNSET = "change the variable, or unset it"


@pytest.mark.parametrize(
    ("variable", "value", "words", "hint"),
    [
        ("TEMPERATURE", "warm", "TEMPERATURE must be a number from 0 to 2", OR_UNSET),
        ("HISTORY", "perhaps", "HISTORY must be true or false", OR_UNSET),
        ("KEYS", CANARY, f"KEYS must be a table: NAME = {KEY}", OR_UNSET),
        ("GATEWAY__ENDPONT", "x", "GATEWAY__ENDPONT is not a setting", "did you mean endpoint?"),
        ("SEARCH__DEPTH", "x", 'SEARCH__DEPTH must be "standard" or "deep"', OR_UNSET),
        ("SERVE__PORT", "70000", "SERVE__PORT must be a port from 0 to 65535", OR_UNSET),
        ("BASE_URLS__OLLAMA", "gpu", f"BASE_URLS__OLLAMA must be {ADDRESS}", OR_UNSET),
        (
            "REASONERS__LAB__MODEL",
            "x",
            "REASONERS__LAB__MODEL: reasoners.lab.base_url is missing",
            OR_UNSET,
        ),
    ],
)
def test_a_wrong_variable_is_named(
    config: Path, variable: str, value: str, words: str, hint: str | None
) -> None:
    error = failure(config, environ={f"DEEPREASONING_{variable}": value})
    assert (error.message, error.hint) == (f"DEEPREASONING_{words}", hint)
    assert error.exit_code == 3


def test_a_vendors_wrong_variable_is_named(config: Path) -> None:
    error = failure(config, environ={"DEEPSEEK_BASE_URL": "ftp://host"})
    assert error.message == f"DEEPSEEK_BASE_URL must be {ADDRESS}"


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("DEEPREASONING_MODLE", "did you mean DEEPREASONING_MODEL?"),
        ("DEEPREASONING_DATADIR", "did you mean DEEPREASONING_DATA_DIR?"),
        ("DEEPREASONING_", "unset it"),
    ],
)
def test_an_unknown_variable_of_ours_is_refused(config: Path, variable: str, hint: str) -> None:
    error = failure(config, environ={variable: CANARY})
    assert (error.message, error.hint, error.exit_code) == (
        f"unknown setting in the environment: {variable}",
        hint,
        3,
    )


def test_the_variables_for_places_are_known(config: Path) -> None:
    environ = {"DEEPREASONING_CONFIG": "x", "DEEPREASONING_DATA_DIR": "y"}
    assert load(config, environ=environ).notes == []


def test_variables_that_contradict_each_other_are_refused(config: Path) -> None:
    environ = {
        "DEEPREASONING_KEYS__LAB": CANARY,
        "DEEPREASONING_KEYS__LAB__COMMAND": "pass show lab",
    }
    error = failure(config, environ=environ)
    assert (error.message, error.hint) == (
        "DEEPREASONING_KEYS__LAB__COMMAND contradicts DEEPREASONING_KEYS__LAB",
        "unset one of the two",
    )


def test_a_wrong_flag_is_a_usage_error(config: Path) -> None:
    error = failure(config, "temperature = 5", {"temperature": 3.0})
    assert (type(error), error.exit_code, error.message) == (
        UsageError,
        2,
        "--temperature must be a number from 0 to 2",
    )


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("model = ", "1:9", "invalid value"),
        ('model = "x"\ntop_p = \n', "2:9", "invalid value"),
        (f"[keys]\ndeepseek = {CANARY}", "2:12", "invalid value"),
        (f"[keys]\n{CANARY}", "2:23", "expected '=' after a key in a key/value pair"),
        (f'[keys]\ndeepseek = "{CANARY}', "2:35", "unterminated string"),
        ('model = "x"\nmodel = "y"', "2:12", "cannot overwrite a value"),
    ],
)
def test_a_file_that_is_not_toml_names_line_and_column(
    config: Path, text: str, place: str, reason: str
) -> None:
    error = failure(config, text)
    assert (error.message, error.exit_code, error.kind) == (
        f"{config}:{place}: not TOML: {reason}",
        3,
        "config_broken",
    )


def test_a_file_that_is_not_utf8_names_the_line(config: Path) -> None:
    config.write_bytes(b'# ok\nmodel = "\xff"\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(config, {}, {})
    assert (caught.value.message, caught.value.__cause__) == (f"{config}:2: not UTF-8", None)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(config: Path) -> None:
    loaded = load(config, '\ufeff# c\r\nmodel = "x"\r\npanels = "rules"\r\n')
    assert (loaded.settings.model, loaded.origins["panels"]) == ("x", f"file {config}:3")


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, {}, {})
    assert caught.value.message == f"cannot read {tmp_path}: Is a directory"


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_file_that_others_can_read_is_closed_and_said_so(config: Path) -> None:
    config.chmod(0o644)
    assert load(config).notes == [f"{config} was open to others (mode 0644); now 0600"]
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert load(config).notes == []


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ('model = "x"', []),
        (
            '[keys]\ndeepseek = "sk-deepseek"',
            ["{} holds keys, is open to others, and cannot be closed: Read-only file system"],
        ),
    ],
)
def test_a_file_that_cannot_be_closed_is_a_matter_of_its_keys(
    config: Path, monkeypatch: pytest.MonkeyPatch, text: str, notes: list[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    config.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", refuse)
    assert load(config, text).notes == [note.format(config) for note in notes]


def marking(folder: Path) -> str:
    """A config file whose key command leaves a mark."""
    return f"[keys]\nanthropic = {{ command = \"sh -c 'touch {folder}/ran; echo sk-{'a' * 20}'\" }}"


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize(
    ("name", "mode"), [("config.toml", 0o666), ("config.toml", 0o602), ("", 0o777)]
)
def test_the_commands_of_a_file_that_others_can_write_are_not_run(
    tmp_path: Path, name: str, mode: int
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir(0o700)
    path = folder / "config.toml"
    path.touch(0o600)
    (folder / name).chmod(mode)
    written = str(folder / name).rstrip("/")
    advice = f"look at the commands in {path}, then `chmod go-w '{written}'`"
    for _ in range(2):  # it is not repaired: the user is to look at it first
        loaded = load(path, marking(tmp_path))
        assert loaded.notes == [
            f"others can write {written}: the key commands of config.toml are not run; {advice}"
        ]
        with pytest.raises(ConfigError) as caught:
            loaded.key("anthropic")
        error = caught.value
        what = f"the command of keys.anthropic is not run: others can write {written}"
        assert (error.message, error.hint, error.kind) == (what, advice, "config_not_safe")
        assert not (tmp_path / "ran").exists()
    (folder / name).chmod(mode & 0o755)
    assert load(path, marking(tmp_path)).key("anthropic")
    assert (tmp_path / "ran").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_link_into_a_folder_that_others_can_write_is_no_better(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    own.mkdir(0o700)
    (shared / "c.toml").touch(0o600)
    shared.chmod(0o777)
    (own / "config.toml").symlink_to(shared / "c.toml")
    loaded = load(own / "config.toml", marking(tmp_path))
    assert (loaded.writable, (tmp_path / "ran").exists()) == (shared, False)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_further_up_that_others_can_write_is_no_better(
    tmp_path: Path, linked: bool
) -> None:
    """They could put another folder in its place, and a link to a file of the user's in that."""
    upper, own = tmp_path / "upper", tmp_path / "own"
    (upper / "lower").mkdir(parents=True)
    own.mkdir(0o700)
    upper.chmod(0o777)
    path = upper / "lower/config.toml"
    path.touch(0o600)
    if linked:
        (own / "config.toml").symlink_to(path)
        path = own / "config.toml"
    loaded = load(path, marking(tmp_path))
    assert (loaded.writable, (tmp_path / "ran").exists()) == (upper, False)
    upper.chmod(0o1777)
    assert load(path, marking(tmp_path)).writable is None


@pytest.mark.skipif(os.name != "posix", reason="users of POSIX")
@pytest.mark.parametrize("mode", [0o755, 0o1755])
def test_a_folder_of_another_user_is_no_better(
    config: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    folder, real = config.parent, Path.stat
    others = Mock(st_uid=os.geteuid() + 1, st_mode=stat.S_IFDIR | mode)
    config.touch(0o600)
    monkeypatch.setattr(Path, "stat", lambda path: others if path == folder else real(path))
    loaded = load(config, marking(folder))
    advice = f"look at the commands in {config}, then move it into a folder of yours"
    assert loaded.notes == [
        f"others can write {folder}: the key commands of config.toml are not run; {advice}"
    ]


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_list_of_rights_may_name_others(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the mode has the most that it may give where the group's rights stand."""
    monkeypatch.setattr(reader, "_is_own_group", lambda _: True)
    config.touch(0o660)
    config.chmod(0o660)
    listed: list[str] = []
    monkeypatch.setattr(os, "listxattr", lambda _: listed, raising=False)
    assert load(config, marking(config.parent)).writable is None
    listed.append("system.posix_acl_access")
    config.chmod(0o660)
    assert load(config, marking(config.parent)).writable == config


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("mode", [0o1777, 0o755])
def test_a_sticky_folder_or_one_that_others_only_read_is_trusted(config: Path, mode: int) -> None:
    config.parent.chmod(mode)
    loaded = load(config, marking(config.parent))
    assert (loaded.writable, loaded.notes) == (None, [])
    assert loaded.key("anthropic")


@pytest.mark.skipif(os.name != "posix", reason="groups of POSIX")
@pytest.mark.parametrize(
    ("members", "is_safe"), [([], True), (["me"], True), (["me", "you"], False)]
)
def test_a_group_without_other_members_is_nobody_else(
    config: Path, monkeypatch: pytest.MonkeyPatch, members: list[str], is_safe: bool
) -> None:
    import grp
    import pwd

    monkeypatch.setattr(pwd, "getpwuid", lambda _: Mock(pw_name="me"))
    monkeypatch.setattr(grp, "getgrgid", lambda _: Mock(gr_name="me", gr_mem=members))
    config.chmod(0o660)
    assert (load(config, marking(config.parent)).writable is None) == is_safe


@pytest.mark.skipif(os.name != "posix", reason="groups of POSIX")
def test_a_group_that_nobody_knows_is_somebody_else(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grp

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(grp, "getgrgid", unknown)
    config.chmod(0o660)
    assert load(config, marking(config.parent)).writable == config


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_file_without_commands_that_others_could_write_is_closed(config: Path) -> None:
    config.chmod(0o666)
    loaded = load(config, '[keys]\ndeepseek = "sk-deepseek-0123"')
    assert loaded.notes == [f"{config} was open to others (mode 0666); now 0600"]
    assert loaded.key("deepseek")


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_command_of_the_environment_is_nobody_elses(config: Path) -> None:
    config.chmod(0o666)
    own = {"DEEPREASONING_KEYS__LAB__COMMAND": "echo sk-lab-0123456789"}
    loaded = load(config, marking(config.parent), None, own)
    assert loaded.writable == config
    assert loaded.key("lab")


@pytest.mark.skipif(os.name != "posix", reason="owners of POSIX")
def test_a_file_of_another_user_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = config.stat().st_uid or 4321
    os.chown(config, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    error = failure(config)
    assert (error.message, error.kind) == (
        f"{config} belongs to another user (id {owner})",
        "config_not_yours",
    )


@pytest.mark.parametrize(
    ("text", "environ", "note"),
    [
        (
            '[keys]\ndeepsek = "sk-deepseek"',
            {},
            "{}:2: nothing asks for keys.deepsek; did you mean deepseek?",
        ),
        (
            "",
            {"DEEPREASONING_BASE_URLS__ANTROPIC": "https://x.example"},
            "DEEPREASONING_BASE_URLS__ANTROPIC: nothing asks for base_urls.antropic;"
            " did you mean anthropic?",
        ),
    ],
)
def test_a_name_that_looks_like_a_slip_is_told(
    config: Path, text: str, environ: dict[str, str], note: str
) -> None:
    assert load(config, text, None, environ).notes == [note.format(config)]


def test_the_key_of_ones_own_reasoner_is_no_slip(config: Path) -> None:
    text = f'{LAB}key = "deepseek2"\n[keys]\ndeepseek2 = "sk-two"\nlab = "sk-lab"\nxyz = "sk-x"'
    assert load(config, text).notes == []


def test_the_token_of_serve_is_a_key_without_a_vendor(config: Path) -> None:
    environ = {
        "DEEPREASONING_KEYS__SERVE": "token-of-the-callers",
        "SERVE_API_KEY": "sk-of-somebody",
        "SERVE_BASE_URL": "https://x.example",
    }
    loaded = load(config, environ=environ)
    key = Key("serve", "token-of-the-callers", "environment DEEPREASONING_KEYS__SERVE")
    assert (loaded.notes, loaded.key("serve")) == ([], key)
    assert loaded.settings.base_urls == {}


@pytest.mark.parametrize(
    ("name", "notes"),
    [("serve", []), ("server", ["{}:2: nothing asks for keys.server; did you mean serve?"])],
)
def test_the_token_of_serve_is_asked_for(config: Path, name: str, notes: list[str]) -> None:
    found = load(config, f'[keys]\n{name} = "token-of-the-callers"').notes
    assert found == [note.format(config) for note in notes]


def test_a_key_with_a_line_break_is_refused_without_being_shown(config: Path) -> None:
    loaded = load(config, f'[keys]\ndeepseek = "{CANARY}\\n{CANARY}"')
    with pytest.raises(ConfigError) as caught:
        loaded.key("deepseek")
    assert caught.value.message == (
        "the key deepseek from config.toml holds a line break at position 23"
    )


def test_the_command_of_a_key_is_run_once_and_without_a_shell(config: Path, tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = program(
        tmp_path / "helper",
        f"import sys; open({str(count)!r}, 'a').write('x'); print('sk-' + sys.argv[1])",
    )
    loaded = load(config, f"[keys]\nlab = {{ command = \"{script} '$HOME;id'\" }}")
    assert loaded.has_key("lab")
    assert not count.exists()
    key = Key("lab", "sk-$HOME;id", "the command of keys.lab")
    assert [loaded.key("lab"), loaded.key("lab"), count.read_text()] == [key, key, "x"]


def test_a_command_may_be_a_list(config: Path, tmp_path: Path) -> None:
    script = program(tmp_path / "helper", "import sys; print(sys.argv[1:])")
    loaded = load(config, f'[keys]\nlab = {{ command = ["{script}", "a"] }}')
    assert loaded.key("lab") == Key("lab", "['a']", "the command of keys.lab")


def test_a_command_may_ask_on_stdin(config: Path, tmp_path: Path) -> None:
    script = program(tmp_path / "helper", "print('sk-' + input())")
    question = (
        "from pathlib import Path; from deepreasoning_cli.settings.loaded import load_settings;"
        f"print(load_settings(Path({str(config)!r}), {{}}).key('lab').value)"
    )
    load(config, f'[keys]\nlab = {{ command = "{script}" }}')
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", question], input=b"typed\n", capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "sk-typed"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "import sys; print('no store\\nlocked', file=sys.stderr); sys.exit(4)",
            "failed with status 4: no store locked",
        ),
        ("import sys; sys.exit(1)", "failed with status 1"),
    ],
)
def test_a_command_that_fails_is_quoted(
    config: Path, tmp_path: Path, body: str, words: str
) -> None:
    script = program(tmp_path / "helper", body)
    loaded = load(config, f'[keys]\nlab = {{ command = "{script}" }}')
    with pytest.raises(ConfigError) as caught:
        loaded.key("lab")
    assert caught.value.message == f"the command of keys.lab {words}"
    assert (caught.value.exit_code, caught.value.kind) == (3, "key_command")


def test_a_command_that_is_not_there_is_told(config: Path, tmp_path: Path) -> None:
    loaded = load(config, f'[keys]\nlab = {{ command = "{tmp_path}/nothing" }}')
    with pytest.raises(ConfigError) as caught:
        loaded.key("lab")
    assert caught.value.message == (
        "the command of keys.lab cannot be started: No such file or directory"
    )


def test_a_command_that_prints_nothing_is_told(config: Path) -> None:
    loaded = load(config, '[keys]\nlab = { command = "true" }')
    with pytest.raises(ConfigError) as caught:
        loaded.key("lab")
    assert caught.value.message == "the key lab from the command of keys.lab is empty"


def test_a_command_that_does_not_end_is_ended() -> None:
    start = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        reader.run_key_command(["sleep", "60"], "keys.lab", timeout=0.2)
    assert time.monotonic() - start < 55
    assert caught.value.message == "the command of keys.lab did not end within 0.2 s"


def test_one_line_end_is_taken_off_and_no_more() -> None:
    command = ["printf", "%s", "a\\n\r\n"]
    assert reader.run_key_command(command, "keys.x") == "a\\n"


def test_keys_are_in_no_text_of_the_settings(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    loaded = load(config, f'[keys]\ndeepseek = "{CANARY}"', environ={"LINKUP_API_KEY": CANARY})
    key = loaded.key("deepseek")
    shown = f"{loaded!r} {loaded.settings} {loaded.settings.model_dump_json()} {key!r}"
    assert CANARY not in shown + caplog.text


def test_settings_cannot_be_changed(config: Path) -> None:
    settings = load(config).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.model = "other"


NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
VALUES = st.sampled_from(
    [
        '"x"',
        "5",
        "[\n  1,\n\n  2, # c\n]",
        '"""\n[not.a.table]\nb = 1\n"""',
        "{ q = 1 }",
        "'''\n'''",
    ]
)
NOISE = st.sampled_from(["", "# a = 1\n", "\n\n", "   \n"])


@given(st.lists(st.tuples(NOISE, NAMES, VALUES), unique_by=lambda one: one[1]), st.integers(0, 5))
def test_every_name_is_found_at_the_line_it_begins_on(
    entries: list[tuple[str, str, str]], table_at: int
) -> None:
    text, expected, prefix = "", {}, ""
    for number, (noise, name, value) in enumerate(entries):
        text += noise
        if number == table_at:
            expected["zz.yy"] = text.count("\n") + 1
            text, prefix = text + "[zz.yy] # [c]\n", "zz.yy."
        expected[prefix + name] = text.count("\n") + 1
        if "{" in value:
            expected[f"{prefix}{name}.q"] = text.count("\n") + 1
        text += f"{name} = {value}\n"
    assert lines_of(text) == expected


def test_flags_of_tables_win_and_are_named_by_their_own_words(config: Path) -> None:
    loaded = load(
        config,
        "[serve]\nport = 1\nworkers = 2\n[keys]\nserve = 'of-the-file'",
        {
            "serve.port": 2,
            "serve.hosts": ["a.example"],
            "serve.streams": None,
            "keys.serve.command": "printf of-the-command",
        },
        {"DEEPREASONING_SERVE__ORIGINS": "https://a.example, https://b.example,"},
    )
    serve = loaded.settings.serve
    assert (serve.port, serve.workers, serve.hosts) == (2, 2, ("a.example",))
    assert serve.origins == ("https://a.example", "https://b.example")
    assert {name: loaded.origins[name] for name in ("serve.port", "serve.streams")} == {
        "serve.port": "flag --port",
        "serve.streams": "default",
    }
    assert loaded.origins["serve.hosts"] == "flag --allow-host"
    assert loaded.origins["serve.workers"] == f"file {config}:3"
    assert loaded.key("serve") == Key("serve", "of-the-command", "the command of keys.serve")


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("https://app.example.com/", "https://app.example.com"),
        ("HTTPS://App.Example.com:443", "https://app.example.com"),
        ("http://localhost:3000//", "http://localhost:3000"),
        ("http://a.example:80", "http://a.example"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("tauri://localhost", "tauri://localhost"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://B\u00fccher.example", "https://xn--bcher-kva.example"),
        ("*", "*"),
        ("null", "null"),
    ],
)
def test_an_origin_is_read_as_browsers_send_it(config: Path, typed: str, sent: str) -> None:
    assert load(config, flags={"serve.origins": [typed]}).settings.serve.origins == (sent,)


@pytest.mark.parametrize(
    "typed",
    [
        *("app.example.com", "https://a.example/page", "https://", "", "https://*.example.com"),
        *("https://a\x1b]0;x\x07.example", "https://me:pw@a.example", "https://a.example:port"),
        *("https://a b.example", "https://\u202e.example", "nullx", "https://a,https://b"),
    ],
)
def test_what_is_no_origin_is_a_mistake(config: Path, typed: str) -> None:
    with pytest.raises(UsageError, match="--cors"):
        load(config, flags={"serve.origins": [typed]})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"serve.port": 70000}, "--port must be a port from 0 to 65535"),
        ({"serve": {"port": 70000}}, "--port must be a port from 0 to 65535"),
        ({"serve.log": "xml"}, '--log must be "text" or "json"'),
        ({"serve.drain": float("inf")}, "--drain must be a number of seconds, 0 or more"),
        ({"serve.drain": float("nan")}, "--drain must be a number of seconds, 0 or more"),
        ({"serve.body_limit": 1}, "--body-limit must be a number of bytes, 1024 or more"),
    ],
)
def test_a_flag_of_a_table_that_is_wrong_is_named(
    config: Path, flags: dict[str, Any], message: str
) -> None:
    error = failure(config, flags=flags)
    assert (type(error), error.message) == (UsageError, message)


def test_settings_may_be_changed_for_one_request(config: Path) -> None:
    text = f"temperature = 0.1\n[keys]\ndeepseek = '{CANARY}'"
    loaded = load(config, text)
    changed = loaded.with_values({"temperature": 1.5}, "of the request")
    assert (changed.settings.temperature, loaded.settings.temperature) == (1.5, 0.1)
    assert (changed.origins["temperature"], changed.is_typed("temperature")) == (
        "flag of the request",
        True,
    )
    assert not loaded.is_typed("temperature")
    assert changed.key("deepseek") is loaded.key("deepseek")


def test_settings_may_be_changed_to_the_keys_of_somebody_else(config: Path) -> None:
    loaded = load(config, f"[keys]\ndeepseek = '{CANARY}'\nlinkup = '{CANARY}'")
    theirs = Key("deepseek", "sk-of-the-caller", "a header")
    changed = loaded.with_values({}, "of the request", {"deepseek": theirs})
    assert (changed.key("deepseek"), changed.key("linkup")) == (theirs, None)
    assert loaded.key("deepseek") != theirs
    assert "sk-of-the-caller" not in repr(changed)


# --- hosts in an order, answerers of one's own


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ('reasoner = "deepseek"\n', {}, ("deepseek",)),
        ('reasoner = ["deepseek", "openrouter"]\n', {}, ("deepseek", "openrouter")),
        ("", {"DEEPREASONING_REASONER": "deepseek, openrouter"}, ("deepseek", "openrouter")),
    ],
)
def test_hosts_are_one_name_or_an_order(
    config: Path, text: str, environ: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert load(config, text, {}, environ).settings.reasoner == expected


@pytest.mark.parametrize("name", ["reasoner", "answerer", "fallback"])
@pytest.mark.parametrize("value", ['["openrouter", "OpenRouter"]', '""', "[]", '[""]', "7"])
def test_an_order_without_a_first_or_with_a_name_twice_is_wrong(
    config: Path, name: str, value: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load(config, f"{name} = {value}\n")
    assert raised.value.message.startswith(
        f"{config}:1: {name} must be a host name, or a list without repeats such as ["
    )


def test_an_answerer_of_ones_own_has_what_a_host_is_called_by(config: Path) -> None:
    text = (
        '[answerers.lab]\nbase_url = "http://gpu:8000/v1/"\nmodel = "qwen3"\n'
        'format = "chat_completions"\nauth = "bearer"\nkey = "lab"\n'
        'rates = { input = 1, output = "2.5", cache_read = 0.1 }\n'
        'context = 131072\nmax_output = 8192\nefforts = ["low", "high"]\n'
    )
    assert load(config, text).settings.answerers["lab"].model_dump(exclude={"rates"}) == {
        "base_url": "http://gpu:8000/v1",
        "model": "qwen3",
        "format": "chat_completions",
        "auth": "bearer",
        "key": "lab",
        "context": 131072,
        "max_output": 8192,
        "efforts": ("low", "high"),
    }


@pytest.mark.parametrize("fields", ['auth = "bearer"', 'auth = "none"\nkey = "lab"'])
def test_a_key_that_is_not_sent_and_one_that_is_not_there_are_wrong(
    config: Path, fields: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load(config, f'[answerers.lab]\nbase_url = "http://gpu:8000"\n{fields}\n')
    assert raised.value.message == (
        f"{config}:1: answerers.lab must be a table with base_url,"
        " and with key exactly where auth sends one"
    )


@pytest.mark.parametrize(
    ("environ", "origin", "value"),
    [
        ({"ANTHROPIC_AUTH_TOKEN": "token-1234567"}, "ANTHROPIC_AUTH_TOKEN", "token-1234567"),
        (
            {"ANTHROPIC_AUTH_TOKEN": "token-1234567", "ANTHROPIC_API_KEY": " "},
            *("ANTHROPIC_AUTH_TOKEN", "token-1234567"),
        ),
        (
            {"ANTHROPIC_AUTH_TOKEN": "token-1234567", "ANTHROPIC_API_KEY": "sk-ant-12345"},
            *("ANTHROPIC_API_KEY", "sk-ant-12345"),
        ),
    ],
)
def test_a_token_of_claudes_holds_where_there_is_no_key_of_his(
    config: Path, environ: dict[str, str], origin: str, value: str
) -> None:
    key = load(config, "", {}, environ).key("anthropic")
    assert key == Key("anthropic", value, f"environment {origin}")


@pytest.mark.parametrize("command", ['""', '"  "', '["", "x"]', '[" "]', "[]"])
def test_a_command_of_blanks_is_none(config: Path, command: str) -> None:
    error = failure(config, f"[keys]\nlab = {{ command = {command} }}")
    assert error.exit_code == 3
    assert "keys.lab" in error.message


@pytest.mark.parametrize("use", ["tape.jsonl", "tape.jsonl:", ":replay", "tape.jsonl:play"])
def test_a_cassette_is_a_file_and_what_is_done_with_it(config: Path, use: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(config, environ={"DEEPREASONING_CASSETTE": use})
    assert "FILE:record or FILE:replay" in caught.value.message
    taken = load(config, environ={"DEEPREASONING_CASSETTE": "C:\\tapes\\one.jsonl:replay"})
    assert taken.settings.is_replay


def test_a_cassette_is_not_for_the_file(config: Path) -> None:
    error = failure(config, 'cassette = "tape.jsonl:replay"\n')
    assert error.message == f"{config}:1: cassette is not for the file"


def test_where_files_have_no_owners_and_modes_none_is_asked_for(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "os", SimpleNamespace(name="nt"))  # nothing else of it is there
    config.chmod(0o666)
    loaded = load(config, marking(config.parent))
    assert loaded.writable is None
    assert loaded.key("anthropic")


def test_of_a_key_command_the_program_alone_is_shown(config: Path) -> None:
    commands = {"a": '"pass show secret"', "b": '["gpg", "-d", "secret"]', "c": '"hello"'}
    tables = "".join(f"{name} = {{ command = {line} }}\n" for name, line in commands.items())
    reasoners = "".join(
        f'[reasoners.{name}]\nbase_url = "http://a"\nmodel = "m"\nkey = "{name}"\n'
        for name in commands
    )
    keys = load(config, f"[keys]\n{tables}{reasoners}").settings.keys
    shown = [entry.masked for entry in keys.values() if isinstance(entry, KeyCommand)]
    assert shown == ["command: pass …", "command: gpg …", "command: hello"]


def test_a_vendor_without_a_variable_for_its_address_is_configured_by_the_file_alone() -> None:
    vendors = [Vendor(name="lab", label="Lab", base_url="http://lab/v1", key_env="LAB_API_KEY")]
    environ = {"LAB_API_KEY": "sk-lab-0123456789", "LAB_BASE_URL": "http://x"}
    layer = from_environment(environ, Settings.model_fields, vendors)
    assert layer.origins == {"keys.lab": "environment LAB_API_KEY"}


def test_a_folder_that_cannot_be_looked_at_is_told_as_a_file_that_cannot_be_read(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reader, "writable_by_others", closed)
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert caught.value.message == f"cannot read {config}: Permission denied"
