from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deepreasoning_cli import paths
from deepreasoning_cli.cli.app import app
from deepreasoning_cli.cli.dates import FORMS
from deepreasoning_cli.cli.models import model_view
from deepreasoning_cli.history.journal_format import event_line
from deepreasoning_cli.pipeline.events import (
    Handoff,
    Stage,
    StageFinished,
    Text,
    Thought,
    TurnStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from support.loopback import Loopback, Reply, error_reply_anthropic, json_reply
from support.runner import run
from support.sample_turns import WHEN, open_store, reason_events, record_of, turn_started

GATEWAY = "https://empiriolabs.ai/models/deepreasoning"


class Monday(datetime):
    """A clock that stands still, in DeepSeek's peak hours."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Monday:
        return cls(2026, 11, 23, 2, 0, tzinfo=tz or UTC)


class Sunday(datetime):
    """A clock that stands still on a day without a peak."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Sunday:
        return cls(2026, 11, 22, 2, 0, tzinfo=tz or UTC)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_view, "datetime", Sunday)


def price(*words: str) -> Result:
    return CliRunner().invoke(app, ["price", *words])


def text_of(*words: str) -> str:
    result = price(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def report_of(*words: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(text_of(*words, "--json"))
    return report


def failed(*words: str) -> tuple[int, str, str]:
    result = price(*words)
    error, _, hint = result.stderr.removesuffix("\n").partition("\n")
    assert result.stdout == ""
    return result.exit_code, error, hint


def row(text: str, *names: str) -> list[str]:
    """The words of the one line that holds all `names` as words."""
    [report] = [line.split() for line in text.splitlines() if set(names) <= set(line.split())]
    return report


def spend(
    name: str, reason: str | None, answer: str | None, days_ago: int = 0, session: str | None = None
) -> None:
    """A turn in the history that cost so much; None is an unknown cost."""
    stages = [
        StageFinished(stage, model, None, usage, Decimal(cost) if cost else None, 1.0, "stop")
        for stage, model, usage, cost in (
            (Stage.REASON, "r1", Usage(100, 2_000), reason),
            (Stage.ANSWER, "sonnet", Usage(2_100, 300), answer),
        )
    ]
    begun = TurnStarted(name, "direct", "?", Handoff.REASONING, session)
    began = datetime.now(UTC) - timedelta(days=days_ago)
    with open_store(paths.data_dir()) as store:
        store.save(record_of([begun, Thought("so"), Text("42"), *stages]), began=began)


def left_behind(folder: Path, turn: str) -> Path:
    """The journal of a process that died while the reasoner wrote."""
    path = folder / "journal" / f"{turn}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = event_line(turn_started(turn), 0.0, WHEN)
    path.write_bytes(begun + b"".join(event_line(event, 0.5) for event in reason_events()[:2]))
    return path


# --- the rate card


@pytest.mark.parametrize(
    ("model", "figures"),
    [
        ("claude-sonnet-4-5-20250929", ["0.012", "0.058", "12.00", "58.00"]),
        ("claude-sonnet-4-20250514", ["0.012", "0.058", "12.00", "58.00"]),
        ("claude-haiku-4-5-20251001", ["0.0048", "0.023", "4.80", "23.00"]),
        ("claude-opus-4-5-20251101", ["0.019", "0.092", "19.00", "92.00"]),
        ("claude-opus-4-1-20250805", ["0.053", "0.26", "53.00", "260.00"]),
        ("claude-opus-4-20250514", ["0.053", "0.26", "53.00", "260.00"]),
    ],
)
def test_the_gateways_card_has_each_pairing_as_published(model: str, figures: list[str]) -> None:
    assert row(text_of("--backend", "gateway", "--all"), model)[-4:] == figures
    [report] = [m for m in report_of("--backend", "gateway")["models"] if m["id"] == model]
    assert report["per_thousand"] == {"input": figures[0], "output": figures[1]}


@pytest.mark.parametrize(
    "model",
    ["claude-3-7-sonnet-20250219", "claude-3-5-haiku-20241022", "claude-3-opus-20240229"],
)
def test_a_pairing_without_a_published_price_says_so(model: str) -> None:
    assert row(text_of("--backend", "gateway", "--all"), model)[-8:] == ["not", "published"] * 4
    [report] = [m for m in report_of("--backend", "gateway")["models"] if m["id"] == model]
    assert (report["per_thousand"], report["rates"]) == ({"input": None, "output": None}, None)


def test_the_gateways_card_has_the_search_and_leaves_the_sources_to_json() -> None:
    text = text_of("--backend", "gateway")
    assert "Web search (Linkup): $0.013 per call, when one is made\n" in text
    assert "https://" not in text
    report = report_of("--backend", "gateway")
    assert {model["rates"]["source"] for model in report["models"] if model["rates"]} == {GATEWAY}
    assert report["search"] == {
        "usd_per_call": "0.013",
        "as_of": "2026-11-23",
        "source": "https://docs.linkup.so",
    }


def test_a_direct_card_has_both_stages_and_the_search() -> None:
    text = text_of("--all")
    assert row(text, "openrouter")[2:] == ["0.50", "2.15", "0.35", "as", "input"]
    assert row(text, "claude-sonnet-5-5") == [
        *("*", "sonnet", "claude-sonnet-5-5", "2.00", "10.00", "0.10", "2.50")
    ]
    assert "Web search (Linkup): $0.005 per call" in text


def test_the_card_has_the_newest_models_and_the_hosts_that_can_be_asked() -> None:
    text = text_of()
    names = [line.replace("*", " ").split()[0] for line in text.splitlines() if line.strip()]
    assert names[2:] == [
        *("name", "deepseek", "peak", "ollama", "2."),
        *("name", "fable", "mythos", "opus", "sonnet", "haiku", "prompt"),
        *("Web", "Peak", "`price"),
    ]


def test_the_demo_costs_nothing() -> None:
    sentence = (
        "The demo calls no model and costs nothing; --backend direct or gateway has prices.\n"
    )
    assert text_of("--backend", "demo") == text_of("--backend", "demo", "why?") == sentence
    assert report_of("--backend", "demo")["cost_usd"] == "0"


def test_deepseeks_hours_are_on_the_card_and_the_one_that_holds_now_is_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pro = ("--reasoner", "deepseek-pro")
    cheap = ("0.66", "1.98", "0.022", "as", "input")
    assert "Peak hours (not now): " in text_of(*pro)
    assert row(text_of(*pro), "now")[3:] == ["now", *cheap]
    assert row(text_of(*pro), "peak") == ["peak", "1.32", "3.96", "0.044", "as", "input"]
    monkeypatch.setattr(model_view, "datetime", Monday)
    assert row(text_of(*pro), "off-peak")[3:] == ["off-peak", *cheap]
    assert row(text_of(*pro), "now") == ["now", "1.32", "3.96", "0.044", "as", "input"]
    assert report_of(*pro)["reasoners"][0]["peak_now"] is True


def test_both_bands_of_a_model_are_on_the_card() -> None:
    text = text_of("-m", "haiku")
    low, high = (line.split()[-4:] for line in text.splitlines() if "100k" in line)
    assert low == ["0.10", "0.50", "0.01", "0.125"]
    assert high == ["0.50", "2.50", "0.05", "0.625"]


def test_a_model_narrows_the_card() -> None:
    assert [m["id"] for m in report_of("-m", "opus")["models"]] == ["claude-opus-5-5"]
    assert [r["id"] for r in report_of("-r", "novita")["reasoners"]] == ["novita"]


# --- the bill for given tokens


def test_a_bill_has_each_item_and_their_sum() -> None:
    words = ("--input", "1000", "--output", "500", "--reasoning-tokens", "3000", "--web")
    lines = [line.split() for line in text_of(*words).splitlines()]
    assert lines[1:] == [
        ["search", "linkup", "search", "1", "0.005", "each", "0.005"],
        ["reason", "deepseek-flash", "input", "1,000", "0.15/1M", "0.00015"],
        ["reason", "deepseek-flash", "output", "3,000", "0.60/1M", "0.0018"],
        ["answer", "claude-sonnet-5-5", "input", "4,000", "2.00/1M", "0.008"],
        ["answer", "claude-sonnet-5-5", "output", "500", "10.00/1M", "0.005"],
        ["total", "0.01995"],
    ]


def test_a_bill_as_json_has_exact_amounts() -> None:
    report = report_of("--input", "1", "--output", "1", "--reasoning-tokens", "1")
    costs = [item["cost_usd"] for item in report["items"]]
    assert costs == ["0.00000015", "0.0000006", "0.000004", "0.00001"]
    assert report["cost_usd"] == "0.00001475"


def test_the_peak_holds_for_a_bill_too(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--input", "1000", "--output", "0", "--reasoning-tokens", "1000")
    assert report_of(*words)["cost_usd"] == "0.00475"
    monkeypatch.setattr(model_view, "datetime", Monday)
    assert report_of(*words)["cost_usd"] == "0.0055"


def test_the_gateway_bills_one_pairing() -> None:
    words = ("--backend", "gateway", "--input", "1000", "--output", "1000")
    assert report_of(*words, "--reasoning-tokens", "0")["cost_usd"] == "0.07"
    assert report_of(*words, "--reasoning-tokens", "1000")["cost_usd"] == "0.128"
    assert report_of(*words, "--reasoning-tokens", "0", "--web")["cost_usd"] == "0.083"


def test_without_a_reasoner_only_claude_is_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPREASONING_HANDOFF", "none")
    report = report_of("--input", "1000", "--output", "1000")
    assert [item["stage"] for item in report["items"]] == ["answer", "answer"]
    assert report["cost_usd"] == "0.012"


def test_an_unknown_rate_makes_the_sum_unknown_and_never_nothing() -> None:
    words = ("--input", "10", "--output", "10", "--reasoning-tokens", "10", "-r", "together")
    assert row(text_of(*words), "total") == ["total", "unknown"]
    assert report_of(*words)["cost_usd"] is None


def test_a_bill_without_a_chain_of_thought_says_so() -> None:
    result = price("--input", "10", "--output", "10")
    assert result.stderr == "note: no chain of thought is counted; --reasoning-tokens N adds it\n"


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (
            ("--input", "1000001", "--reasoning-tokens", "0"),
            "error: claude-sonnet-5-5 reads at most 1,000,000 tokens, not 1,000,001",
            "hint: `deepreasoning models` lists the limits",
        ),
        (
            ("--output", "128001", "--reasoning-tokens", "0"),
            "error: claude-sonnet-5-5 writes at most 128,000 tokens, not 128,001",
            "hint: `deepreasoning models` lists the limits",
        ),
        (
            ("--input", "1", "--reasoning-tokens", "384001"),
            "error: deepseek-flash writes at most 384,000 tokens, not 384,001",
            "hint: `deepreasoning models` lists the limits",
        ),
        (
            ("--input", "1", "--reasoning-tokens", "0", "-m", "sonet"),
            "error: the catalog has no model or reasoner 'sonet'",
            "hint: did you mean sonnet?",
        ),
        (
            ("--input", "1", "--reasoning-tokens", "0", "-m", "deepseek"),
            "error: deepseek is a reasoner",
            "hint: --reasoner deepseek",
        ),
        (
            ("--spent", "--input", "1"),
            "error: use either --spent or --input",
            "hint: drop one of them",
        ),
        (("--csv",), "error: --csv needs --spent", "hint: `deepreasoning price --spent --csv …`"),
        (
            ("--exact", "--input", "1"),
            "error: --exact counts a prompt",
            'hint: `deepreasoning price --exact "your question"`',
        ),
        (
            ("--spent", "--since", "last week"),
            "error: --since: cannot read 'last week' as a time",
            f"hint: write {FORMS}",
        ),
        (("--spent",), "error: nothing spent yet", "hint: ask something first"),
    ],
)
def test_what_cannot_be_priced_is_a_mistake_in_the_call(
    words: tuple[str, ...], error: str, hint: str
) -> None:
    assert failed(*words) == (2, error, hint)


@pytest.mark.parametrize("number", ["-1", "1.5", "many", "100000001"])
def test_a_count_that_is_none_is_a_mistake_in_the_call(number: str) -> None:
    result = price(f"--input={number}")
    said = "error: --input must be a whole number from 0 to 100000000\nhint: `deepreasoning price "
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{said}--help` says what it takes\n"


def test_a_retired_model_has_no_price_at_anthropic() -> None:
    code, error, hint = failed("--input", "1", "--reasoning-tokens", "0", "-m", "claude-3-opus")
    assert code == 4
    assert error == "error: answer: claude-3-opus-20240229 was retired on 2026-01-05"
    assert hint == "hint: use claude-opus-5-5 instead"


# --- a prompt


def test_a_prompt_is_priced_on_every_model_by_documented_assumptions() -> None:
    text = text_of("four" * 1_000)
    # 1,000 in: at DeepSeek 0.00015; typical 2,000 thoughts 0.0012; 3,000 read 0.006;
    # 600 out and 200 thought at low 0.008
    assert row(text, "claude-sonnet-5-5")[3:] == ["≈1,000", "≈$0.0050", "≈$0.0154", "≈$0.0630"]
    assert "Reasoning tokens, low/typical/high (assumed): 500 / 2,000 / 8,000.\n" in text
    assert "Answer tokens, low/typical/high (assumed): 150 / 600 / 2,500.\n" in text


def test_a_forecast_is_on_all_models_that_can_be_asked() -> None:
    report = report_of("why?")
    names = [model["model"] for model in report["models"]]
    assert "claude-opus-5-5" in names
    assert "claude-3-opus-20240229" not in names
    assert all(model["estimated"] for model in report["models"])
    assert report["history_turns"] == 0


def test_a_forecast_takes_its_lengths_from_the_users_own_turns() -> None:
    for number in range(5):
        spend(f"turn{number}", "0.1", "0.1")
    report = report_of("why?")
    assert report["history_turns"] == 5
    assert report["reasoning_tokens"] == [2_000, 2_000, 2_000]
    assert report["answer_tokens"] == [300, 300, 300]


def test_four_turns_say_nothing_yet() -> None:
    for number in range(4):
        spend(f"turn{number}", "0.1", "0.1")
    assert report_of("why?")["history_turns"] == 0


@pytest.mark.parametrize(
    ("keeps", "note"),
    [
        ("true", "note: recovered 1 unfinished turn: `deepreasoning history list`\n"),
        ("false", ""),
    ],
)
def test_what_a_dead_process_left_behind_is_taken_up_where_a_history_is_kept(
    monkeypatch: pytest.MonkeyPatch, keeps: str, note: str
) -> None:
    spend("turn0", "0.1", "0.1")
    journal = left_behind(paths.data_dir(), "gamma1")
    monkeypatch.setenv("DEEPREASONING_HISTORY", keeps)
    result = price("why?")
    assert (result.exit_code, result.stderr) == (0, note)
    assert journal.exists() == (keeps == "false")


def test_the_rate_card_leaves_the_history_alone() -> None:
    journal = left_behind(paths.data_dir(), "gamma1")
    result = price()
    assert (result.exit_code, result.stderr, journal.exists()) == (0, "", True)
    assert [file.name for file in paths.data_dir().iterdir()] == ["journal"]


def test_piped_text_and_files_are_priced(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("word " * 400)
    piped = run("price", "--json", "-m", "sonnet", stdin=b"four" * 10)
    assert json.loads(piped.stdout)["models"][0]["input_tokens"] == 10
    assert report_of("-f", str(file), "-m", "sonnet")["models"][0]["input_tokens"] > 500


def test_an_empty_prompt_is_no_prompt_to_price() -> None:
    assert failed(" ")[:2] == (2, "error: the prompt is empty")


def test_exact_asks_anthropic_to_count_for_each_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    with Loopback(json_reply(200, {"input_tokens": 17})) as vendor:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", vendor.url)
        report = report_of("why?", "--exact", "-m", "sonnet")
    assert report["models"][0]["input_tokens"] == 17
    assert report["models"][0]["estimated"] is False
    [request] = vendor.requests
    assert (request.method, request.path) == ("POST", "/v1/messages/count_tokens")
    assert request.body == {
        "model": "claude-sonnet-5-5",
        "messages": [{"role": "user", "content": "why?"}],
    }
    assert request.headers["x-api-key"] == "sk-ant-test"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (json_reply(200, {"tokens": 17}), "sent no count of tokens"),
        (json_reply(200, {"input_tokens": "17"}), "sent no count of tokens"),
        (json_reply(200, {"input_tokens": -1}), "sent no count of tokens"),
        (error_reply_anthropic(404, "not_found_error", "model: gone"), "model: gone"),
    ],
)
def test_a_model_that_is_not_counted_is_estimated_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, said: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    with Loopback(reply) as vendor:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", vendor.url)
        result = price("why?", "--exact", "-m", "sonnet", "--json")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: the input of claude-sonnet-5-5 is estimated: ")
    assert said in result.stderr
    assert json.loads(result.stdout)["models"][0]["estimated"] is True


def test_exact_needs_a_key() -> None:
    assert failed("why?", "--exact") == (
        3,
        "error: --exact needs a key of Anthropic's",
        "hint: export ANTHROPIC_API_KEY=…, or leave --exact out",
    )


# --- what was spent


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("model", {"sonnet": "0.75", "r1": "0.3"}),
        ("stage", {"answer": "0.75", "reason": "0.3"}),
        ("session", {"work": "0.7", "(none)": "0.35"}),
    ],
)
def test_spending_is_summed_by_what_is_asked_the_dearest_first(
    by: str, groups: dict[str, str]
) -> None:
    spend("a", "0.1", "0.25")
    spend("b", "0.2", "0.5", session="work")
    report = report_of("--spent", "--by", by)
    assert [(group[by], group["cost_usd"]) for group in report["groups"]] == list(groups.items())
    assert (report["cost_usd"], report["turns"], report["unknown"]) == ("1.05", 2, 0)


def test_days_come_in_their_order_and_old_ones_only_when_asked_for() -> None:
    spend("new", "0.1", "0.1")
    spend("old", "0.2", "0.2", days_ago=40)
    assert [group["cost_usd"] for group in report_of("--spent")["groups"]] == ["0.2"]
    everything = report_of("--spent", "--since", "all")["groups"]
    assert [group["cost_usd"] for group in everything] == ["0.4", "0.2"]


def test_spending_is_drawn_as_bars() -> None:
    spend("a", "0.25", "1")
    lines = text_of("--spent", "--by", "model").splitlines()
    assert lines[2].split() == [
        "model",
        "turns",
        "tokens",
        "in",
        "tokens",
        "out",
        "thinking",
        "cost",
    ]
    assert lines[3].split() == ["sonnet", "1", "2,100", "300", "0", "$1.00", "█" * 40]
    assert lines[4].split() == ["r1", "1", "100", "2,000", "0", "$0.2500", "█" * 10]
    assert lines[5].split() == ["total", "1", "2,200", "2,300", "0", "$1.25"]


def test_a_terminal_without_unicode_gets_bars_of_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    spend("a", "0.25", "1")
    done = run(
        "price",
        "--spent",
        "--by",
        "model",
        env={"PYTHONIOENCODING": "ascii", "DEEPREASONING_DATA_DIR": str(paths.data_dir())},
    )
    assert b"#" * 40 in done.stdout
    assert done.stdout.isascii()


def test_an_unknown_cost_is_said_and_not_counted_as_nothing() -> None:
    spend("a", None, "0.5")
    text = text_of("--spent", "--by", "stage")
    assert row(text, "reason")[-2:] == ["cost", "unknown"]
    assert row(text, "total")[-3:] == ["$0.5000", "+", "unknown"]
    assert text.endswith("The cost of 1 stage is unknown and not in the sum.\n")
    report = report_of("--spent", "--by", "stage")
    assert [group["cost_usd"] for group in report["groups"]] == ["0.5", None]


def test_spending_as_csv_is_a_heading_and_a_line_for_each_group() -> None:
    spend("a", None, "0.5", session='a "b", c')
    text = text_of("--spent", "--by", "session", "--csv")
    assert list(csv.reader(io.StringIO(text))) == [
        [
            *("session", "turns", "stages", "input_tokens", "output_tokens"),
            *("cost_usd", "unknown", "estimated", "thinking_tokens"),
        ],
        ['a "b", c', "1", "2", "2200", "2300", "0.5", "1", "False", "0"],
    ]


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\uff1d1+1", "\uff20SUM(A1)"]


@pytest.mark.parametrize("before", ["", "\t", "\r", "\n ", "\ufeff", "\u200b", "\xa0"])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_name_in_csv_is_no_formula(name: str, before: str) -> None:
    """Nor behind what a spreadsheet, or we, take away."""
    spend("a", "0.1", "0.5", session=before + name)
    text = text_of("--spent", "--by", "session", "--csv")
    cells = [row[0] for row in csv.reader(io.StringIO(text))]
    assert f"'{name}" in cells
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\uff1d\uff20"))]


def test_a_history_without_spending_says_so() -> None:
    spend("old", "0.2", "0.2", days_ago=3)
    assert text_of("--spent", "--since", "1h").startswith("Nothing was spent since ")
    assert report_of("--spent", "--since", "1h")["groups"] == []


def test_asking_for_prices_makes_no_history() -> None:
    text_of("why?")
    failed("--spent")
    assert not paths.data_dir().exists()
