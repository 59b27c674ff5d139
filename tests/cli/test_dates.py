"""One grammar of times, for every option that takes one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from deepreasoning_cli.cli.app import app
from deepreasoning_cli.cli.dates import FORMS, parse_time
from deepreasoning_cli.errors import UsageError
from support.sample_turns import WHEN, open_store, record_of, turn_events

AGES = {"minutes": 0.01, "hours": 0.8, "days": 6.9, "week": 7.1, "months": 60.0}  # in days


def local(*parts: int) -> datetime:
    return datetime(*parts).astimezone()  # type: ignore[arg-type]  # year to minute


@pytest.fixture
def aged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of different ages, named after them."""
    folder = tmp_path / "data"
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", str(folder))
    now = datetime.now(UTC)
    with open_store(folder) as store:
        for name, days in AGES.items():
            store.save(record_of(turn_events(name, session=name)), began=now - timedelta(days=days))


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def listed(when: str) -> set[str]:
    result = run("history", "--since", when, "--json")
    assert result.exit_code == 0, result.stderr
    return {row["id"] for row in json.loads(result.stdout)}


def priced(when: str) -> set[str]:
    result = run("price", "--spent", "--since", when, "--by", "session", "--json")
    assert result.exit_code == 0, result.stderr
    return {group["session"] for group in json.loads(result.stdout)["groups"]}


def left_by_deletion(when: str) -> set[str]:
    result = run("history", "delete", "--older-than", when, "--yes")
    assert result.exit_code == 0, result.stderr
    return set() if when == "all" else listed("all")


@pytest.mark.parametrize("kept", [listed, priced, left_by_deletion])
@pytest.mark.parametrize("when", ["7d", "1w", " 7D ", "168h"])
def test_a_span_is_as_long_in_every_command(
    aged: None, kept: Callable[[str], set[str]], when: str
) -> None:
    assert kept(when) == set(AGES) - {"week", "months"}


@pytest.mark.parametrize("kept", [listed, priced, left_by_deletion])
@pytest.mark.parametrize("when", ["today", "yesterday", "2026-11-01", "2026-11-01 10:30", "all"])
def test_every_command_takes_every_form(
    aged: None, kept: Callable[[str], set[str]], when: str
) -> None:
    kept(when)


@pytest.mark.parametrize(
    "words",
    [
        ("history", "--since"),
        ("price", "--spent", "--since"),
        ("history", "delete", "--yes", "--older-than"),
    ],
)
def test_a_wrong_time_is_refused_alike(aged: None, words: tuple[str, ...]) -> None:
    result = run(*words, "1y")
    lines = f"error: {words[-1]}: cannot read '1y' as a time\nhint: write {FORMS}\n"
    assert (result.exit_code, result.stderr) == (2, lines)


@pytest.mark.parametrize(
    "words", [("history",), ("history", "list"), ("history", "delete"), ("price",)]
)
def test_the_help_shows_the_whole_grammar(words: tuple[str, ...]) -> None:
    shown_in_columns = run(*words, "--help").stdout
    assert FORMS.replace(" ", "") in "".join(re.sub(r"[│\s]", "", shown_in_columns))


# the grammar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12h", WHEN - timedelta(hours=12)),
        ("30d", WHEN - timedelta(days=30)),
        (" 30D ", WHEN - timedelta(days=30)),
        (" 2W ", WHEN - timedelta(weeks=2)),
        ("0d", WHEN),
        ("today", local(2026, 11, 23)),
        ("Yesterday", local(2026, 11, 22)),
        ("2026-11-01", local(2026, 11, 1)),
        ("2026-11-01 10:30", local(2026, 11, 1, 10, 30)),
        ("2026-11-01T10:30+02:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T10:30Z", datetime(2026, 11, 1, 10, 30, tzinfo=UTC)),
        ("all", None),
    ],
)
def test_a_time_is_so_long_ago_or_a_day_or_a_date(text: str, expected: datetime | None) -> None:
    assert parse_time("--since", text, WHEN) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "7", "30", "d", "7x", "30m", "-7d", "-1d", "1.5d", "1e3d", "٣d", "99999999d"),
        *("9" * 30 + "w", "9" * 5000 + "h", "2026-13-01", "tomorrow"),
    ],
)
def test_a_wrong_time_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match="as a time") as caught:
        parse_time("--since", text, WHEN)
    assert (caught.value.kind, caught.value.hint) == ("bad_time", f"write {FORMS}")


@given(st.text(max_size=12))
def test_no_text_breaks_the_reader_of_times(text: str) -> None:
    with suppress(UsageError):
        found = parse_time("--since", text, WHEN)
        assert found.tzinfo if found else text.strip().lower() == "all"
