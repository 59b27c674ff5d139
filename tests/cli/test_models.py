from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deepreasoning_cli.cli import pager
from deepreasoning_cli.cli.app import app
from deepreasoning_cli.cli.models import model_view
from support.runner import run_in_pty

ANTHROPIC = "https://platform.claude.com/docs/en/about-claude/pricing"
GATEWAY = "https://empiriolabs.ai/models/deepreasoning"


class Monday(datetime):
    """A clock that stands still, in DeepSeek's peak hours."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Monday:
        return cls(2026, 11, 23, 2, 0, tzinfo=tz or UTC)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_view, "datetime", Monday)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv("DEEPREASONING_CONFIG", str(path))
    return path


def write(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)


def models(*words: str) -> Result:
    return CliRunner().invoke(app, ["models", *words])


def listed(*words: str) -> list[dict[str, Any]]:
    result = models("--json", *words)
    assert (result.exit_code, result.stderr) == (0, "")
    entry: list[dict[str, Any]] = json.loads(result.stdout)
    return entry


def row(text: str, name: str) -> list[str]:
    """The words of the one line above the answerers that holds `name` as a word."""
    lines = text.partition("   answerer")[0].splitlines()
    [entry] = [line.split() for line in lines if name in line.split()]
    return entry


def ids(rows: list[dict[str, Any]], kind: str) -> list[str]:
    return [entry["id"] for entry in rows if entry["kind"] == kind]


def test_the_list_has_a_row_for_each_family_what_one_types_first() -> None:
    lines = models().stdout.splitlines()
    assert lines[0] == "Claude models, direct backend, USD per million tokens"
    assert lines[1].split() == ["name", "id", "context", "$", "in", "$", "out"]
    assert [line.split() for line in lines[2:7]] == [
        ["fable", "claude-fable-5-2", "1M", "8.00", "40.00"],
        ["mythos", "claude-mythos-5-2", "1M", "8.00", "40.00"],
        ["opus", "claude-opus-5-5", "1M", "4.00", "20.00"],
        ["*", "sonnet", "claude-sonnet-5-5", "1M", "2.00", "10.00"],
        ["haiku", "claude-haiku-5-5", "1M", "0.10-0.50", "0.50-2.50"],
    ]
    assert lines[7] == ""
    assert "https://" not in "\n".join(lines)


def test_the_whole_list_has_older_models_with_limits_and_samplers() -> None:
    text = models("--all").stdout
    assert row(text, "claude-sonnet-5-5") == [
        *("*", "sonnet", "claude-sonnet-5-5", "active", "1M", "128k", "none", "2.00", "10.00")
    ]
    assert row(text, "claude-haiku-4-5-20251001") == [
        *("haiku-4.5", "claude-haiku-4-5-20251001"),
        *("legacy", "200k", "64k", "one", "1.00", "5.00"),
    ]


def test_each_name_in_the_list_means_its_model() -> None:
    rows = [line.split() for line in models("--all").stdout.splitlines() if " claude-" in line]
    named = [[word for word in words if word != "*"][:2] for words in rows]
    assert len(named) > 20
    for name, id_ in named:
        shown = models("show", name).stdout.splitlines()[0].split()[1]
        assert shown == id_ or name == "sonnet-3.5", name  # there were two of that one


def test_list_is_the_name_of_what_the_command_alone_does() -> None:
    assert models("list", "--all", "--json").stdout == models("--all", "--json").stdout
    assert models("list", "--backend", "gateway").stdout == models("--backend", "gateway").stdout


def test_a_deprecated_model_is_listed_with_its_last_day() -> None:
    assert row(models("--all").stdout, "claude-sonnet-4-5-20250929")[2:4] == ["ends", "2026-11-30"]
    assert "status     deprecated, ends 2026-11-30\n" in models("show", "sonnet-4.5").stdout


def test_a_price_that_depends_on_size_or_hour_is_a_range() -> None:
    text = models("--all").stdout
    assert row(text, "claude-haiku-5-5")[-2:] == ["0.10-0.50", "0.50-2.50"]
    assert row(text, "deepseek-flash")[5:7] == ["0.15-0.30", "0.60-1.20"]
    assert "A range: long prompts or peak hours cost more." in text


def test_retired_models_are_listed_only_when_asked_for() -> None:
    short, full = models("--backend", "gateway"), models("--backend", "gateway", "--all")
    assert "claude-opus-4-1-20250805" not in short.stdout
    assert row(full.stdout, "claude-opus-4-1-20250805") == [
        *("opus-4.1", "claude-opus-4-1-20250805", "retired", "200k", "32k", "one"),
        *("53.00", "260.00"),
    ]


def test_a_price_that_nobody_publishes_is_unknown_and_not_zero() -> None:
    text = models("--backend", "gateway", "--all").stdout
    assert row(text, "claude-3-opus-20240229")[-2:] == ["unknown", "unknown"]


def test_the_gateway_list_has_its_own_default_and_prices_and_no_reasoners() -> None:
    lines = models("--backend", "gateway").stdout.splitlines()
    assert lines[0] == "Claude models, gateway backend, USD per million tokens"
    assert [line.split() for line in lines if line.startswith("*  ")] == [
        [
            *("*", "sonnet", "claude-sonnet-4-5-20250929", "ends", "2026-11-30"),
            *("200k", "12.00", "58.00"),
        ]
    ]
    assert not any("reasoner" in line for line in lines)


def test_the_demo_has_no_models_and_says_so() -> None:
    result = models("--backend", "demo")
    assert (result.exit_code, result.stdout) == (
        0,
        "The demo calls no model and costs nothing; --backend direct or gateway has prices.\n",
    )
    assert listed("--backend", "demo") == []


def test_the_list_has_the_hosts_that_can_be_asked_and_names_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-12345678")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-12345678")
    hosts = models().stdout.split("\n\n")[1:3]
    names = [[line.replace("*", " ").split()[0] for line in each.splitlines()] for each in hosts]
    assert names == [
        ["reasoner", "deepseek", "deepseek-pro", "ollama", "no"],
        ["answerer", "anthropic", "ollama", "deepseek", "no"],
    ]
    assert "   no key: openrouter, deepinfra, novita, huggingface\n" in models().stdout


def test_the_list_knows_which_keys_are_set_and_never_prints_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-never-to-be-seen")
    text = models("--all").stdout
    assert row(text, "openrouter")[0] == "*"
    assert "  set  " in next(line for line in text.splitlines() if "openrouter" in line.split())
    assert row(text, "deepseek")[2:4] == ["not", "set"]
    assert row(text, "ollama")[2:4] == ["not", "needed"]
    assert "never-to-be-seen" not in text + models("--json").output


def test_the_list_is_that_of_the_host_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-never-to-be-seen")
    text = models("--all").stdout
    assert text.startswith("Claude models, openrouter, USD per million tokens\n")
    assert row(text, "anthropic/claude-sonnet-5.5")[:3] == [
        *("*", "sonnet", "anthropic/claude-sonnet-5.5")
    ]
    answerers = text.partition("   answerer")[2].splitlines()
    assert [line.split()[:2] for line in answerers if line.startswith("*")] == [
        ["*", "openrouter"],
        ["*", "is"],
    ]
    (entry,) = [each for each in listed() if each["kind"] == "answerer" and each["default"]]
    assert entry == {
        "kind": "answerer",
        "id": "openrouter",
        "name": "Claude at OpenRouter",
        "model": None,
        "base_url": "https://openrouter.ai/api/v1",
        "format": "messages",
        "auth": "bearer",
        "key": {"name": "openrouter", "set": True},
        "default": True,
        "rates": None,
    }


def test_the_settings_choose_the_marked_defaults_and_the_backend(config: Path) -> None:
    write(
        config,
        'model = "opus"\nreasoner = "lab"\n[reasoners.lab]\n'
        'base_url = "http://gpu:8000/v1"\nmodel = "r1"\nrates = { input = 0.1, output = 2 }\n',
    )
    text = models().stdout
    assert [line.split()[1] for line in text.splitlines() if line.startswith("*  ")] == [
        *("opus", "lab")
    ]
    assert row(text, "lab") == ["*", "lab", "r1", "unknown", "0.10", "2.00", "lab"]
    write(config, 'backend = "gateway"\n')
    assert models().stdout.startswith("Claude models, gateway backend")


def test_auto_means_the_backend_whose_keys_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPIRIOLABS_API_KEY", "sk-empiriolabs-1234")
    assert models().stdout.startswith("Claude models, gateway backend")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-12345678")
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-12345678")
    assert models().stdout.startswith("Claude models, direct backend")


def test_a_default_that_the_catalog_lacks_is_listed_as_unknown(config: Path) -> None:
    write(config, 'model = "claude-next-9"\n')
    assert row(models().stdout, "claude-next-9") == [
        *("*", "claude-next-9", "claude-next-9", *["unknown"] * 4)
    ]


def test_a_default_that_is_retired_marks_nothing_and_is_told(config: Path) -> None:
    write(config, 'model = "claude-opus-4-1"\n')
    result = models()
    assert not any(line.startswith("*  ") for line in result.stdout.splitlines())
    assert (result.exit_code, result.stderr) == (
        0,
        "warning: no default model: claude-opus-4-1-20250805 was retired on 2026-08-05;"
        " use claude-opus-5-5 instead\n",
    )


def test_a_default_reasoner_that_is_unknown_is_told(config: Path) -> None:
    write(config, 'reasoner = "deepsek"\n')
    assert models().stderr == (
        "warning: no default reasoner: there is no reasoner 'deepsek';"
        " did you mean deepseek or deepseek-pro?\n"
    )


def test_quiet_silences_the_warnings_of_the_list(config: Path) -> None:
    write(config, 'reasoner = "deepsek"\n')
    assert CliRunner().invoke(app, ["--quiet", "models"]).stderr == ""


def test_json_lists_models_and_reasoners_with_money_as_text() -> None:
    rows = listed()
    haiku = next(entry for entry in rows if entry["id"] == "claude-haiku-5-5")
    elsewhere = haiku["rates"].pop("openrouter")
    figures = {name: elsewhere[name] for name in ("input", "output", "as_of")}
    assert figures == {"input": "0.1", "output": "0.5", "as_of": "2026-11-10"}
    assert haiku == {
        "kind": "claude",
        "id": "claude-haiku-5-5",
        "name": "Claude Haiku 5.5",
        "family": "haiku",
        "aliases": ["haiku"],
        "status": "active",
        "released": "2026-10-07",
        "ends": None,
        "successor": None,
        "context": 1_000_000,
        "max_output": 128_000,
        "samplers": "none",
        "thinking": "unasked",
        "efforts": ["low", "medium", "high", "xhigh", "max"],
        "default_effort": "medium",
        "default": False,
        "rates": {
            "direct": {
                "input": "0.1",
                "output": "0.5",
                "cache_read": "0.01",
                "cache_write": "0.125",
                "bands": [
                    {
                        "above": 100_000,
                        "input": "0.5",
                        "output": "2.5",
                        "cache_read": "0.05",
                        "cache_write": "0.625",
                    }
                ],
                "peak": None,
                "peak_hours": None,
                "as_of": "2026-11-12",
                "source": ANTHROPIC,
            }
        },
    }
    assert [entry["id"] for entry in rows if entry["default"]] == ["claude-sonnet-5-5"]


def test_json_of_a_reasoner_has_peak_rates_and_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_BASE_URL", "http://proxy.test")
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-12345678")
    entry = json.loads(models("show", "deepseek", "--json").stdout)
    card = entry["rates"]["direct"]
    assert (entry["base_url"], entry["key"], entry["default"]) == (
        "http://proxy.test",
        {"name": "deepseek", "set": True},
        True,
    )
    assert card["peak"] == {
        "input": "0.3",
        "output": "1.2",
        "cache_read": "0.006",
        "cache_write": None,
    }
    assert card["peak_hours"]["weekdays"][::4] == ["monday", "friday"]
    assert card["peak_hours"]["spans_utc"] == [["01:00", "04:00"], ["06:00", "10:00"]]
    assert "2026-10-01" in card["peak_hours"]["holidays"]


def test_json_leaves_retired_models_out_unless_all_are_wanted() -> None:
    assert "claude-3-opus-20240229" not in ids(listed(), "claude")
    assert "claude-3-opus-20240229" in ids(listed("--all"), "claude")
    assert ids(listed("--backend", "gateway"), "reasoner") == []


def test_show_prints_all_facts_of_a_model_with_rates_bands_and_source() -> None:
    assert models("show", "haiku").stdout == (
        "id        claude-haiku-5-5\n"
        "name      Claude Haiku 5.5\n"
        "also      haiku\n"
        "status    active\n"
        "released  2026-10-07\n"
        "context   1,000,000 tokens\n"
        "output    128,000 tokens\n"
        "samplers  not accepted\n"
        "thinks    by itself; --effort none keeps it from that\n"
        "effort    low, medium, high, xhigh, max; medium if none is sent\n"
        "\n"
        "USD per million tokens            input  output  cache read  cache write\n"
        "direct                             0.10    0.50        0.01        0.125\n"
        "direct, prompt above 100,000       0.50    2.50        0.05        0.625\n"
        "openrouter                         0.10    0.50        0.01        0.125\n"
        "openrouter, prompt above 100,000   0.50    2.50        0.05        0.625\n"
        "\n"
        f"Rates (direct) as of 2026-11-12: {ANTHROPIC}\n"
        "Rates (openrouter) as of 2026-11-10: https://pypi.org/project/genai-prices/0.2.3/\n"
        "The rest as of 2026-11-26.\n"
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the time zone of this process."""

    def live_in(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield live_in
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("UTC", "Mon–Fri 01–04 and 06–10"),
        ("Europe/Berlin", "Mon–Fri 02–05 and 07–11"),
        ("Asia/Kolkata", "Mon–Fri 06:30–09:30 and 11:30–15:30"),
        ("America/Los_Angeles", "Sun–Thu 17–20 and 22–02"),
        ("America/Sao_Paulo", "Sun–Thu 22–01 and Mon–Fri 03–07"),
        ("Pacific/Kiritimati", "Mon–Fri 15–18 and 20–00"),
    ],
)
def test_show_says_when_the_peak_is_on_ones_own_clock(
    clock: Callable[[str], None], zone: str, hours: str
) -> None:
    clock(zone)
    lines = models("show", "deepseek").stdout.splitlines()
    assert "direct, peak hours       0.30    1.20       0.006     as input" in lines
    assert f"Peak hours (now): {hours} your time." in lines


def test_show_has_the_holidays_to_come_as_ranges() -> None:
    assert (
        "No peak on 2027-01-01, 2027-02-05 to 2027-02-08, 2027-04-05, 2027-06-09, 2027-09-15,"
        " 2027-10-01 (UTC).\n"
    ) in models("show", "deepseek").stdout


@pytest.mark.parametrize("name", ["claude-opus-4-1", "CLAUDE-OPUS-4-1-20250805", "Claude Opus 4.1"])
def test_show_knows_a_retired_model_by_any_of_its_names(name: str) -> None:
    lines = models("show", name).stdout.splitlines()
    assert lines[0].split() == ["id", "claude-opus-4-1-20250805"]
    assert "status     retired since 2026-08-05" in lines
    assert "successor  claude-opus-5-5" in lines
    assert "gateway                 53.00  260.00    as input     as input" in lines


def test_show_of_the_users_own_reasoner_says_what_is_unknown(config: Path) -> None:
    write(config, '[reasoners.lab]\nbase_url = "http://gpu:8000/v1"\nmodel = "r1"\n')
    assert models("show", "lab").stdout == (
        "name      lab\n"
        "host      lab\n"
        "model     r1\n"
        "address   http://gpu:8000/v1\n"
        "key       not needed\n"
        "context   unknown\n"
        "output    unknown\n"
        "samplers  temperature and top_p\n"
        "\n"
        "USD per million tokens    input   output  cache read  cache write\n"
        "direct                  unknown  unknown     unknown      unknown\n"
        "\n"
        "The rest as of 2026-11-26.\n"
    )


def test_show_says_of_a_reasoner_whether_it_sees_images(config: Path) -> None:
    own = '[reasoners.lab]\nbase_url = "http://gpu:8000/v1"\nmodel = "r1"\n'
    write(config, own)
    assert json.loads(models("show", "lab", "--json").stdout)["images"] is False
    write(config, f"{own}images = true\n")
    assert json.loads(models("show", "lab", "--json").stdout)["images"] is True
    assert "images    seen" in models("show", "lab").stdout.splitlines()


def test_a_terminal_gets_no_line_longer_than_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pager, "output_width", lambda: 80)
    for words in ((), ("--all",)):
        lines = models(*words).stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert row("\n".join(lines), "claude-sonnet-5-5")[:3] == [
            "*",
            "sonnet",
            "claude-sonnet-5-5",
        ]
        assert not any("No room" in line for line in lines)


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
def test_a_screen_has_room_for_the_list_and_for_the_card() -> None:
    keys = {f"{name}_API_KEY": "sk-12345678" for name in ("ANTHROPIC", "DEEPSEEK", "OPENROUTER")}
    for command in ("models", "price"):
        shown = run_in_pty(command, columns=80, rows=24, env={**keys, "PAGER": "false"})
        lines = shown.colorless.decode().splitlines()
        assert (shown.code, 10 < len(lines) < 24) == (0, True), command
        assert max(map(len, lines)) <= 80
    narrow = run_in_pty("models", columns=40, env={**keys, "PAGER": "cat"}).colorless.decode()
    assert max(map(len, narrow.splitlines())) <= 40
    assert "*  sonnet" in narrow


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
def test_heading_default_and_older_models_look_different_and_no_word_is_blue() -> None:
    shown = run_in_pty("models", "--all", env={"PAGER": "cat"}).output.decode()
    styles = {line[2:-2] for line in re.findall(r"\x1b\[[0-9;]*m(?=.)", shown + "..")}
    lines = shown.splitlines()
    assert lines[1].startswith("\x1b[4m   name")
    assert any(line.startswith("\x1b[1m*  sonnet") for line in lines)
    assert any(line.startswith("\x1b[2m   sonnet-4.5") for line in lines)
    assert "34" not in "".join(styles)
    plain = run_in_pty("models", env={"PAGER": "cat", "NO_COLOR": "1"}).output
    assert b"\x1b" not in plain


def test_show_says_why_a_host_is_doubted_and_the_list_which() -> None:
    lines = models("show", "together").stdout.splitlines()
    assert "doubtful  Together's recent list of models does not name R1" in lines
    assert (
        "Possibly no longer served: together, fireworks, siliconflow; `models NAME` says why."
    ) in models("--all").stdout.splitlines()


def test_show_marks_the_default() -> None:
    assert "default   on the direct backend" in models("show", "sonnet").stdout.splitlines()
    assert "default" not in models("show", "opus").stdout


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("deepsek", "did you mean deepseek or deepseek-pro?"),
        ("qqqq", "`deepreasoning models --all` lists what the catalog knows"),
    ],
)
def test_show_of_an_unknown_name_is_a_usage_error(name: str, hint: str) -> None:
    result = models("show", name)
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        f"error: the catalog has no model or reasoner '{name}'\nhint: {hint}\n",
    )


def test_the_default_is_written_and_comments_stay(config: Path) -> None:
    write(config, '# mine\nmodel = "haiku"  # cheap\nhistory = false\n')
    result = models("default", "claude-opus-4.6")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        f"set model to claude-opus-4-6 in {config}\n",
    )
    assert config.read_text() == '# mine\nmodel = "claude-opus-4-6"  # cheap\nhistory = false\n'


def test_the_name_of_a_family_is_kept_so_that_it_goes_on_to_mean_the_newest(config: Path) -> None:
    result = models("default", "Opus")
    assert result.stderr == f"set model to opus, which is claude-opus-5-5 today, in {config}\n"
    assert config.read_text() == 'model = "opus"\n'


def test_a_deprecated_default_warns_with_its_date(config: Path) -> None:
    result = models("default", "claude-sonnet-4-5")
    assert result.stderr.splitlines()[0] == (
        "warning: claude-sonnet-4-5-20250929 is deprecated and retires on 2026-11-30;"
        " its successor is claude-sonnet-5-5"
    )
    assert config.read_text() == 'model = "claude-sonnet-4-5-20250929"\n'


def test_a_variable_that_wins_over_the_new_default_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPREASONING_MODEL", "haiku")
    assert models("default", "opus").stderr.splitlines()[0] == (
        "warning: DEEPREASONING_MODEL is set and wins over the file"
    )


@pytest.mark.parametrize(
    ("name", "code", "stderr"),
    [
        (
            "claude-opus-4-1",
            4,
            "error: answer: claude-opus-4-1-20250805 was retired on 2026-08-05\n"
            "hint: use claude-opus-5-5 instead\n",
        ),
        (
            "sonet",
            2,
            "error: there is no Claude model 'sonet'\nhint: did you mean sonnet?\n",
        ),
        (
            "ollama",
            2,
            "error: there is no Claude model 'ollama'\n"
            "hint: it is a reasoner: `deepreasoning config set reasoner ollama`\n",
        ),
        (" ", 2, "error: the name of the model is empty\nhint: try sonnet\n"),
    ],
)
def test_a_default_that_cannot_be_is_refused_and_nothing_is_written(
    config: Path, name: str, code: int, stderr: str
) -> None:
    result = models("default", name)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", stderr)
    assert not config.exists()


def test_a_model_that_the_backend_in_use_does_not_offer_is_refused(config: Path) -> None:
    write(config, 'backend = "gateway"\n')
    result = models("default", "fable")
    assert (result.exit_code, config.read_text()) == (4, 'backend = "gateway"\n')
    assert "the gateway backend does not offer fable" in result.stderr


def test_flags_of_the_list_before_a_sub_command_are_refused() -> None:
    result = models("--all", "show", "opus")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: options of the list cannot be used with `show`\n"
        "hint: see `deepreasoning models show -h`\n",
    )


def test_rows_of_the_users_own_catalog_cannot_touch_the_terminal(config: Path) -> None:
    config.with_name("catalog.toml").write_text(
        '[claude."evil\\u001b[2J"]\nname = "x"\nfamily = "evil"\nstatus = "active"\n'
        'samplers = "none"\ndirect = {}\n'
    )
    result = models()
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "evil␛[2J" in result.stdout


def test_a_broken_catalog_of_the_users_own_is_named(config: Path) -> None:
    own = config.with_name("catalog.toml")
    own.write_text("[claude\n")
    result = models()
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"error: {own}: is not valid TOML")
