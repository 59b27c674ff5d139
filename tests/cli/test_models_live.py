"""`models --live`: the vendors are asked, and later runs know what they said."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deepreasoning_cli import paths
from deepreasoning_cli.cli.app import app
from deepreasoning_cli.cli.models import live, model_view
from support.loopback import Loopback, error_reply_anthropic, json_reply

MODEL = {
    "type": "model",
    "id": "claude-sonnet-5-5",
    "display_name": "Claude Sonnet 5.5",
    "created_at": "2026-09-28T00:00:00Z",
    "lifecycle": "deprecated",
    "deprecated_at": "2026-11-20T00:00:00Z",
    "retires_at": "2027-03-01T00:00:00Z",
    "max_input_tokens": 1_000_000,
    "max_tokens": 128_000,
}
NEW = {"type": "model", "id": "claude-sonnet-6", "display_name": "Six", "lifecycle": "active"}


class Noon(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Noon:
        return cls(2026, 11, 23, 12, tzinfo=tz or UTC)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_view, "datetime", Noon)
    monkeypatch.setattr(live, "datetime", Noon)


@pytest.fixture
def anthropic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with Loopback() as vendor:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", vendor.url)
        yield vendor


def models(*words: str) -> Result:
    return CliRunner().invoke(app, ["models", *words])


def page(*items: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"data": list(items), "has_more": more, "last_id": items[-1]["id"] if items else None}


def differences(result: Result) -> list[str]:
    return result.stdout.partition("The vendors' lists differ from the catalog:\n")[2].splitlines()


def test_what_differs_from_the_catalog_is_shown_under_the_table(anthropic: Loopback) -> None:
    anthropic.reply(json_reply(200, page(MODEL, NEW)))
    result = models("--live")
    assert result.exit_code == 0
    assert [line for line in differences(result) if "not listed" not in line] == [
        "claude-sonnet-5-5: status active → deprecated",
        "claude-sonnet-5-5: ends unknown → 2027-03-01",
        "claude-sonnet-6: not in the catalog; Six, active",
    ]
    assert "ends 2027-03-01" in result.stdout
    [request] = anthropic.requests
    assert request.path == (
        "/v1/models?limit=1000&lifecycle%5B%5D=active&lifecycle%5B%5D=deprecated"
        "&lifecycle%5B%5D=retired"
    )
    assert request.headers["x-api-key"] == "sk-ant-test"


def test_later_runs_use_what_was_said_and_say_when(anthropic: Loopback) -> None:
    anthropic.reply(json_reply(200, page(MODEL)))
    models("--live")
    later = models()
    assert "ends 2027-03-01" in later.stdout
    assert "Includes the vendors' lists of 2026-11-23 (`models --live`)." in later.stdout
    assert len(anthropic.requests) == 1
    assert (paths.data_dir() / "models.json").stat().st_mode & 0o077 == 0


def test_what_cannot_be_kept_is_listed_with_a_warning(
    anthropic: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", str(tmp_path / "file/below"))
    anthropic.reply(json_reply(200, page(MODEL)))
    result = models("--live")
    assert (result.exit_code, "ends 2027-03-01" in result.stdout) == (0, True)
    assert result.stderr.startswith("warning: the vendors' lists could not be saved: cannot write ")


def test_a_long_list_is_read_page_by_page(anthropic: Loopback) -> None:
    anthropic.reply(json_reply(200, page(MODEL, more=True)), json_reply(200, page(NEW)))
    assert "claude-sonnet-6" in models("--live", "--json").stdout
    assert anthropic.requests[1].path.endswith("&after_id=claude-sonnet-5-5")


def test_a_list_without_end_is_not_read_for_ever(anthropic: Loopback) -> None:
    anthropic.reply(json_reply(200, page(MODEL, more=True)))
    assert models("--live").exit_code == 0
    assert len(anthropic.requests) == 10


def test_every_vendor_with_a_key_is_asked(
    anthropic: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    anthropic.reply(json_reply(200, page(MODEL)))
    parameter = {"name": "anthropic_model", "enum": ["claude-sonnet-4-5-20250929", "claude-x"]}
    record = {"id": "deepreasoning", "supported_parameters": [parameter]}
    with (
        Loopback(json_reply(200, page({"id": "deepseek-v5"}))) as deepseek,
        Loopback(json_reply(200, page({"id": "deepseek/deepseek-r1-0528"}))) as openrouter,
        Loopback(json_reply(200, record)) as gateway,
    ):
        for name, vendor in (
            ("DEEPSEEK", deepseek),
            ("OPENROUTER", openrouter),
            ("EMPIRIOLABS", gateway),
        ):
            monkeypatch.setenv(f"{name}_API_KEY", "sk-test")
            monkeypatch.setenv(f"{name}_BASE_URL", vendor.url)
        lines = differences(models("--live"))
    assert "deepseek: deepseek-flash is not listed by its host" in lines
    assert not [line for line in lines if line.startswith("openrouter")]
    assert "claude-x: paired by the gateway, which the catalog does not say" in lines
    assert [vendor.requests[0].path for vendor in (deepseek, openrouter, gateway)] == [
        *("/models", "/models", "/models/deepreasoning")
    ]


def test_a_vendor_that_does_not_answer_costs_a_warning_and_not_the_table(
    anthropic: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    anthropic.reply(json_reply(200, page(MODEL)))
    refusal = error_reply_anthropic(403, "permission_error", "not for you")
    with Loopback(refusal) as deepseek:
        monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-test")
        monkeypatch.setenv("DEEPSEEK_BASE_URL", deepseek.url)
        result = models("--live")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: deepseek was not asked: ")
    assert "not for you" in result.stderr
    assert "ends 2027-03-01" in result.stdout


@pytest.mark.parametrize("reply", [{"models": []}, {"data": "none"}, {"data": {"id": "x"}}])
def test_a_reply_of_the_wrong_shape_is_no_answer(
    anthropic: Loopback, reply: dict[str, Any]
) -> None:
    anthropic.reply(json_reply(200, reply))
    result = models("--live")
    assert result.exit_code == 3
    assert "sent no list of models" in result.stderr
    assert "error: no vendor answered" in result.stderr
    assert not (paths.data_dir() / "models.json").exists()


def test_items_of_the_wrong_shape_are_left_out(anthropic: Loopback) -> None:
    odd = [3, {"id": None}, {"id": "claude-odd", "lifecycle": 7, "retires_at": "soon"}]
    odd += [{"id": "claude-big", "max_tokens": "many", "max_input_tokens": -1}]
    anthropic.reply(json_reply(200, {"data": odd}))
    rows = {row["id"]: row for row in json.loads(models("--live", "--json").stdout)}
    assert (rows["claude-odd"]["ends"], rows["claude-odd"]["name"]) == (None, "claude-odd")
    assert (rows["claude-big"]["context"], rows["claude-big"]["max_output"]) == (None, None)


def test_without_any_key_there_is_nobody_to_ask() -> None:
    result = models("--live")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: no vendor can be asked\nhint: ")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
def test_notes_on_the_settings_are_printed_before_the_vendors_are_asked(
    anthropic: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "config.toml"
    path.write_text('model = "sonnet"\n')
    path.chmod(0o644)
    monkeypatch.setenv("DEEPREASONING_CONFIG", str(path))
    anthropic.reply(json_reply(200, page(MODEL)))
    result = models("--live")
    assert result.stderr == f"note: {path} was open to others (mode 0644); now 0600\n"


def test_json_has_the_differences_on_stderr(anthropic: Loopback) -> None:
    anthropic.reply(json_reply(200, page(NEW)))
    result = models("--live", "--json")
    assert "live: claude-sonnet-6: not in the catalog; Six, active\n" in result.stderr
    assert [row["status"] for row in json.loads(result.stdout) if row["id"] == NEW["id"]] == [
        "active"
    ]


def test_a_model_that_the_vendor_has_retired_is_refused_from_then_on(anthropic: Loopback) -> None:
    anthropic.reply(json_reply(200, page(MODEL | {"lifecycle": "retired"})))
    models("--live")
    result = CliRunner().invoke(
        app,
        ["ask", "-m", "claude-sonnet-5-5", "--no-stdin", "hi"],
        env={"DEEPSEEK_API_KEY": "sk-x"},
    )
    assert result.exit_code == 4
    assert "claude-sonnet-5-5 was retired" in result.stderr
