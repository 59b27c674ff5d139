"""Each file of the program's is damaged at random: every command works, or says one clear error.

What is in other files, and in other rows, is still there.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from deepreasoning_cli import connect, keys
from deepreasoning_cli.catalog.live import LiveModel, LiveModels
from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.cli.app import app
from deepreasoning_cli.connect import HttpOrigin, LastOrigin
from deepreasoning_cli.history.journal_format import event_line
from deepreasoning_cli.history.locks import try_lock_path
from deepreasoning_cli.providers import demo
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.wiring import resources
from support.often import AT_LENGTH, RecordProperty, often
from support.sample_turns import (
    THOUGHTS,
    WHEN,
    answer_events,
    journal_turn,
    reason_events,
    turn_started,
)
from support.vendors import canary, traces

pytestmark = pytest.mark.no_cover  # the same lines thousands of times: only slower
SHARES: Final = 4 if AT_LENGTH else 1
TIMES: Final = often(16, 250)  # damages in a share
PAGE: Final = 4096
KEY: Final = canary("sk-")
TURNS: Final = tuple(f"turn{number:04}" for number in range(1, 13))
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ask": ("ask", "How many r's are in strawberry?"),
    "list": ("history", "list", "--json", "--limit", "100"),
    "show": ("history", "show", "turn0006"),
    "search": ("history", "search", "sevens"),
    "export": ("history", "export", "turn0006"),
    "resume": ("resume", "dead"),
    "price": ("price", "--spent"),
    "config show": ("config", "show"),
    "models": ("models",),
}
Damage = Callable[[Path, random.Random], None]


def spoil(change: Callable[[bytearray, random.Random], None]) -> Damage:
    """The damage of a file by a change of its bytes; an empty one stays empty."""

    def damage(path: Path, chance: random.Random) -> None:
        if data := bytearray(path.read_bytes()):
            change(data, chance)
            path.write_bytes(data)

    return damage


def _bit(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _byte(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] = chance.choice((0, 0xFF, 0x1B, 0x22, 0x2D, 0x39, 0x80))


def _page(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(0, len(data), PAGE)
    size = min(PAGE, len(data) - at)
    data[at : at + size] = chance.choice((bytes(size), chance.randbytes(size), b"\xff" * size))


def _tail(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


BYTES: Final[Mapping[str, Damage]] = {
    "bit": spoil(_bit),
    "byte": spoil(_byte),
    "page": spoil(_page),
    "tail": spoil(_tail),
}
ODD_VALUES: Final = (
    *(None, -1, 2**63 - 1, 1e308, "", "x", "NaN", "0.0x", "-5", "1E+999999", "2026-99-01"),
    *(b"\xff\xfe", "\x1b[2J", "[", "{}", '[["a"]]', "0001-01-01T00:00:00+23:59", "9" * 400),
    *(float("inf"), "true", "[null]", "[[1, 2]]", '[{"id": 1, "name": 2, "arguments": 3}]'),
)


def value_in_a_row(path: Path, chance: random.Random) -> None:
    """Put something odd into a column of a turn, or of its stages."""
    with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.IntegrityError):
        connection.execute("PRAGMA ignore_check_constraints = ON")
        table, key = chance.choice((("turns", "seq"), ("stages", "turn")))
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column = chance.choice([name for name in columns if name != key])
        row = chance.randrange(1, len(TURNS) + 1)
        query = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"
        connection.execute(query, (chance.choice(ODD_VALUES), row))
        connection.commit()


def amount(path: Path, chance: random.Random) -> None:
    """What another turn has set aside is no amount of money."""
    path.write_text(chance.choice(("NaN", "sNaN", "Infinity", "-Infinity", "-5", "1E+999999", "½")))


FILES: Final[Mapping[str, Mapping[str, Damage]]] = {
    "history.db": {**BYTES, "value": value_in_a_row},
    "journal/dead.jsonl": BYTES,
    "config.toml": BYTES,
    "models.json": BYTES,
    "recent": BYTES,
    "own-hosts": BYTES,
    "reserved/other.usd": {**BYTES, "value": amount},
    "last-origin": BYTES,
    "prompts": BYTES,
}
CONFIG: Final = f"""# mine
model = "sonnet"
reasoner = ["deepseek", "openrouter"]
max_tokens = 4096
daily_cost = "5.00"

[keys]
deepseek = "{KEY}" # a key

[reasoners.lab]
base_url = "http://gpu:8000/v1"
model = "r1"
"""


@dataclass(frozen=True, slots=True)
class Home:
    """The program's files, all of them in use."""

    data: Path

    @property
    def config(self) -> Path:
        return self.data / "config.toml"

    def run(self, command: str) -> Result:
        env = {
            "DEEPREASONING_BACKEND": "demo",
            "DEEPREASONING_DATA_DIR": str(self.data),
            "DEEPREASONING_CONFIG": str(self.config),
        }
        return CliRunner().invoke(app, list(COMMANDS[command]), env=env)

    def turns(self) -> set[str]:
        listed = self.run("list")
        assert listed.exit_code == 0, listed.output
        return {row["id"] for row in json.loads(listed.stdout)}


def filled(data: Path) -> Home:
    """A home with twelve turns, the journal of a dead process, and everything else."""
    for at, turn in enumerate(TURNS):
        session = "tables" if at % 3 == 0 else None
        events = [turn_started(turn, session=session), *reason_events(THOUGHTS * 40)]
        journal_turn(data, [*events, *answer_events()])
    lines = [turn_started("dead"), *reason_events(THOUGHTS * 10)]
    files = {
        "config.toml": CONFIG,
        "journal/dead.jsonl": b"".join(event_line(each, 0.0, WHEN) for each in lines).decode(),
        "models.json": LiveModels(
            WHEN, (LiveModel("claude-sonnet-9", "Sonnet 9", "active", None, 10**6, 64_000),)
        ).write(),
        "own-hosts": "reasoner\tlab\n",
        "reserved/other.usd": "0.25".ljust(64),
        "last-origin": "https://api.deepseek.com:443\n",
        "prompts": "".join(f"\n# 2026-11-23 12:00:00.000000\n+{turn}?\n" for turn in TURNS),
    }
    for name, text in files.items():
        path = data / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Home(data)


def check(result: Result, *, answered: str | None = None) -> None:
    """It worked, or it says one clear error; no key is in what it says."""
    assert result.exception is None or isinstance(result.exception, SystemExit)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert (result.exit_code == 0, len(errors)) in [(True, 0), (False, 1)], result.output
    assert result.exit_code != 1, result.output
    assert "Traceback" not in result.output
    assert answered is None or result.stdout == answered
    shown = result.output.encode("utf-8", "replace")
    assert not any(trace in shown for trace in TRACES)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Somebody else's turn holds what it has set aside."""
    descriptor = try_lock_path(path)
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)


INTERIOR: Final = 5  # the kind of a page; https://www.sqlite.org/fileformat.html#b_tree_pages


def most_lost(kind: str, whole: Path, hurt: Path) -> int:
    """How many turns may be gone: those of one page, or all below a page that led to them."""
    if whole.name != "history.db":
        return 0
    if kind in ("value", "tail"):
        return 1 if kind == "value" else len(TURNS)
    before, after = whole.read_bytes(), hurt.read_bytes()
    pages = {at // PAGE for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}
    if any(before[page * PAGE] == INTERIOR for page in pages):
        return len(TURNS)
    return MOST_IN_A_PAGE


MOST_IN_A_PAGE: Final = 4
TRACES: Final = tuple(traces(KEY, "sk-"))


@pytest.fixture
def home(folder_in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home to copy; turns wait for nothing."""
    monkeypatch.setattr(DemoProvider, "_wait", lambda self, seconds: None)
    monkeypatch.setattr(resources, "load_catalog", cache(load_catalog))
    monkeypatch.setattr(demo, "pieces", lambda text: [text[:40], text[40:]])
    return filled(folder_in_memory / "whole")


def commands_after(file: str, number: int) -> list[str]:
    """All of them, or, where a file has little to do with most, the question and two others."""
    names = list(COMMANDS)
    if file in ("history.db", "journal/dead.jsonl", "config.toml"):
        return names[number % len(names) :] + names[: number % len(names)]
    return ["ask", names[1 + number % 4], names[5 + number % 4]]


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("file", FILES)
def test_after_any_damage_every_command_works_or_says_why(
    home: Home,
    folder_in_memory: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    share: int,
    record_property: RecordProperty,
) -> None:
    chance = random.Random(f"{file} {share}")
    answer = home.run("ask").stdout
    shutil.rmtree(home.data)
    whole = filled(home.data)
    for number in range(TIMES):
        kind = chance.choice(list(FILES[file]))
        hurt = Home(folder_in_memory / "hurt")
        shutil.copytree(whole.data, hurt.data)
        FILES[file][kind](hurt.data / file, chance)
        most = most_lost(kind, whole.data / file, hurt.data / file)
        monkeypatch.setattr(keys, "_loaded", set())
        with held(hurt.data / "reserved/other.usd"):
            for command in commands_after(file, share * TIMES + number):
                print(file, kind, number, command)
                result = hurt.run(command)
                is_shown = command == "ask" and file != "config.toml"
                check(result, answered=answer if is_shown else None)
        if file == "config.toml":
            shutil.copy(whole.config, hurt.config)
        lost = set(TURNS) - hurt.turns()
        assert len(lost) <= most, (kind, number)
        shutil.rmtree(hurt.data)
    record_property("damages", TIMES)


@pytest.mark.parametrize("share", range(SHARES))
def test_a_damaged_origin_leads_nowhere_or_to_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int, record_property: RecordProperty
) -> None:
    opened: list[HttpOrigin] = []
    monkeypatch.setattr(connect, "EarlyConnection", opened.append)
    chance = random.Random(share)
    file = tmp_path / "last-origin"
    tries = often(100, 250)
    for _ in range(tries):
        file.write_bytes(b"https://api.deepseek.com:443\n")
        chance.choice(list(BYTES.values()))(file, chance)
        opened.clear()
        last = LastOrigin(file)
        assert all(each.scheme in ("http", "https") for each in opened)
        assert all(0 < each.port < 65536 for each in opened)
        last.remember(HttpOrigin("https", "api.novita.ai", 443))
        assert file.read_text() == "https://api.novita.ai:443\n"
    record_property("damages", tries)
