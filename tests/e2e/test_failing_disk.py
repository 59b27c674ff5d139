"""Whichever call to the disk fails: the answer is shown, nothing is half-written, no traceback."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.cli.app import app
from deepreasoning_cli.history.journal_format import event_line
from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.history.schema import MIGRATIONS, migrate
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.providers import demo
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.wiring import resources
from failing_calls import CALLS, CODES, READING_TOO, NthCallFails
from support.often import AT_LENGTH, RecordProperty
from support.sample_turns import (
    OF_VERSION_1,
    fill_store,
    journal_turn,
    reason_events,
    turn_events,
    turn_started,
)
from support.serving import Serve
from support.serving import serve as serve
from support.vendors import canary, traces

pytestmark = pytest.mark.no_cover  # the same lines hundreds of times: only slower
KEY = canary("sk-")
TRACES = tuple(traces(KEY, "sk-"))
QUESTION = "How many r's are in strawberry?"
FAULTS = [(code, ever) for code in CODES[:3] for ever in (False, True)]
FAULTS += [(code, False) for code in ("EMFILE", "EROFS", "EDQUOT", "ENOMEM")] if AT_LENGTH else []
FEW_FAULTS = FAULTS if AT_LENGTH else [("EIO", False)]
STARTED = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pieces and no waiting: each piece is a call that can fail."""
    monkeypatch.setattr(DemoProvider, "_wait", lambda self, seconds: None)
    monkeypatch.setattr(resources, "load_catalog", cache(load_catalog))
    monkeypatch.setattr(demo, "pieces", lambda text: [text[:40], text[40:]])


EachFailure = Callable[..., None]


@pytest.fixture
def each_failure(folder_in_memory: Path, record_property: RecordProperty) -> Iterator[EachFailure]:
    """Runs something with its first call failing, its second, … until none is left to fail.

    Each run has a folder of its own, which `prepare` fills and `check` looks at. With `reads`
    calls that only read fail, too; with `few_writes` there may be no others of ours.
    """
    tried = 0

    def fail_each(
        code: str,
        for_ever: bool,
        run: Callable[[Path], Result],
        check: Callable[[Path, Result], None],
        prepare: Callable[[Path], object] = lambda folder: folder.mkdir(),
        *,
        reads: bool = AT_LENGTH,
        few_writes: bool = False,
    ) -> None:
        nonlocal tried
        reading = reads and code not in ("ENOSPC", "EROFS")
        for nth in range(1, 2_000):
            folder = folder_in_memory / f"{nth}-{for_ever}"
            prepare(folder)
            fault = NthCallFails(nth, getattr(errno, code), for_ever=for_ever, below=folder)
            with fault.at(READING_TOO if reading else (*CALLS, "replace"), opens=reading):
                result = run(folder)
            assert "Traceback" not in result.output
            assert result.exception is None or isinstance(result.exception, SystemExit)
            check(folder, result)
            check_for_key(folder if AT_LENGTH or nth % 40 == 1 else None, result)
            shutil.rmtree(folder)
            if not fault.struck:
                assert nth > (4 if reading or not few_writes else 0)
                return
            tried += 1
        raise AssertionError("there is no end of calls")

    yield fail_each
    record_property("calls", tried)


def check_for_key(folder: Path | None, result: Result) -> None:
    """It is in nothing that is said, or left in the folder."""
    files = folder.rglob("*") if folder else ()
    left = [file.read_bytes() for file in files if file.is_file()]
    for text in (result.output.encode(), *left):
        assert not any(trace in text for trace in TRACES)


def invoke(folder: Path, *words: str, stdin: str | None = None) -> Result:
    env = {
        "DEEPREASONING_BACKEND": "demo",
        "DEEPREASONING_DATA_DIR": str(folder / "data"),
        "DEEPREASONING_CONFIG": str(folder / "config" / "config.toml"),
        "DEEPREASONING_KEYS__DEEPSEEK": KEY,
    }
    return CliRunner().invoke(app, list(words), input=stdin, env=env)


def turns_in(folder: Path) -> list[str]:
    """The ids of the turns that are kept, oldest first."""
    with Store.open(folder / "data", lambda _: None) as store:
        recover(folder / "data", store, lambda _: None)
        return [row.id for row in store.listing()][::-1]


def refuses(result: Result) -> bool:
    """Whether the settings could not be read: then nothing is asked, and nothing paid."""
    return (result.exit_code, result.stdout) == (3, "") and "config.toml" in result.stderr


@pytest.mark.parametrize(("code", "for_ever"), FAULTS)
def test_ask_shows_the_answer_whichever_call_fails(
    tmp_path: Path, each_failure: EachFailure, code: str, for_ever: bool
) -> None:
    def ask(folder: Path) -> Result:
        return invoke(folder, "ask", QUESTION)

    whole = ask(tmp_path / "whole").stdout
    assert "strawberry" in whole

    def check(folder: Path, result: Result) -> None:
        if not refuses(result):
            assert (result.exit_code, result.stdout) == (0, whole)
            assert len(turns_in(folder)) in ((0, 1) if for_ever else (1,))

    each_failure(code, for_ever, ask, check)


@pytest.mark.parametrize(("code", "for_ever"), FAULTS)
def test_a_chat_turn_shows_its_answer_whichever_call_fails(
    tmp_path: Path, each_failure: EachFailure, code: str, for_ever: bool
) -> None:
    def chat(folder: Path) -> Result:
        return invoke(folder, "chat", stdin=f"{QUESTION}\n{QUESTION}\n")

    whole = chat(tmp_path / "whole").stdout
    assert whole.count("strawberry") >= 2

    def check(folder: Path, result: Result) -> None:
        assert (result.exit_code, result.stdout) == (0, whole)
        assert len(turns_in(folder)) in ((0, 1, 2) if for_ever else (2,))

    each_failure(code, for_ever, chat, check, reads=False)


@pytest.mark.parametrize(("code", "for_ever"), FAULTS)
def test_config_set_leaves_the_old_file_or_the_new_one_whichever_call_fails(
    each_failure: EachFailure, code: str, for_ever: bool
) -> None:
    old = '# mine\nmodel = "haiku"\n'
    new = '# mine\nmodel = "opus"\n'

    def prepare(folder: Path) -> None:
        file = folder / "config" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(old)

    def run(folder: Path) -> Result:
        return invoke(folder, "config", "set", "model", "opus")

    def check(folder: Path, result: Result) -> None:
        written = (folder / "config" / "config.toml").read_text()
        done: Any = (result.exit_code, written)
        assert done in [(0, new), (7, old), (7, new), (3, old)]

    each_failure(code, for_ever, run, check, prepare)


def in_use(folder: Path) -> None:
    """A history of three turns, one of them in a session."""
    fill_store(folder / "data", 2)
    journal_turn(folder / "data", turn_events("turn0003", session="tables"))


def unfinished(folder: Path) -> None:
    """The same, and the journal of a process that died before Claude was asked."""
    in_use(folder)
    path = folder / "data/journal/dead.jsonl"
    path.parent.mkdir(exist_ok=True)
    lines = [turn_started("dead"), *reason_events()]
    path.write_bytes(b"".join(event_line(each, 0.0, STARTED) for each in lines))


def of_an_older_version(folder: Path) -> None:
    """A database of the first schema, with a turn."""
    folder.mkdir()
    (folder / "data").mkdir()
    with closing(sqlite3.connect(folder / "data/history.db")) as connection:
        migrate(connection, MIGRATIONS[:1])
        connection.execute(OF_VERSION_1)
        connection.commit()


def damaged(folder: Path) -> None:
    """A database whose first page is gone."""
    in_use(folder)
    with (folder / "data/history.db").open("r+b") as file:
        file.write(b"\xff" * 100)


KEPT = ("turn0001", "turn0002", "turn0003")
COMMANDS: Mapping[str, tuple[Callable[[Path], object], Sequence[str], Sequence[str]]] = {
    "resume": (unfinished, ("resume", "dead"), (*KEPT, "dead")),
    "repair": (damaged, ("history", "list"), KEPT),
    "migrate": (of_an_older_version, ("history", "list"), ("t1",)),
    "list": (in_use, ("history", "list"), KEPT),
    "show": (in_use, ("history", "show", "turn0002"), KEPT),
    "search": (in_use, ("history", "search", "sevens"), KEPT),
    "export": (in_use, ("history", "export", "turn0002"), KEPT),
    "export to a file": (in_use, ("history", "export", "turn0002", "-o", "OUT"), KEPT),
    "rename": (in_use, ("history", "rename", "tables", "sums"), KEPT),
    "delete": (in_use, ("history", "delete", "turn0002", "--yes"), (KEPT[0], KEPT[2])),
    "price": (in_use, ("price", "--spent"), KEPT),
    "config init": (in_use, ("config", "init", "--no-input"), KEPT),
    "config show": (in_use, ("config", "show"), KEPT),
    "models": (in_use, ("models",), KEPT),
}
"""What a folder holds, a command, and the turns that are there afterwards in any case."""


@pytest.mark.parametrize(("code", "for_ever"), FEW_FAULTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_does_it_or_says_why_whichever_call_fails(
    each_failure: EachFailure, name: str, code: str, for_ever: bool
) -> None:
    prepare, words, kept = COMMANDS[name]
    allowed = [(3, 1), (7, 1), *([(2, 1)] if name == "resume" else [])]  # the turn is not found

    def run(folder: Path) -> Result:
        return invoke(folder, *(word.replace("OUT", str(folder / "out.md")) for word in words))

    def check(folder: Path, result: Result) -> None:
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert (result.exit_code, len(errors)) in [(0, 0), *allowed], result.output
        assert set(kept) <= set(turns_in(folder))

    each_failure(code, for_ever, run, check, prepare, reads=True, few_writes=True)


@pytest.mark.parametrize(("code", "for_ever"), FEW_FAULTS)
def test_serve_answers_whichever_call_fails(
    folder_in_memory: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Serve,
    record_property: RecordProperty,
    code: str,
    for_ever: bool,
) -> None:
    """What a request opens is its own; the server is up before."""
    for nth in range(1, 2_000):
        folder = folder_in_memory / str(nth)
        monkeypatch.setenv("DEEPREASONING_DATA_DIR", str(folder / "data"))
        fault = NthCallFails(nth, getattr(errno, code), for_ever=for_ever, below=folder)
        server = serve(history=True)
        with fault.at(READING_TOO, opens=True):
            answer = server.ask(stream=nth % 2 == 0)
        assert (answer.status, b"Forty-" in answer.body) == (200, True)
        assert len(turns_in(folder)) in ((0, 1) if for_ever else (1,))
        if not fault.struck:
            break
    assert (nth > 10, fault.struck) == (True, False)
    record_property("calls", nth - 1)


def test_a_data_folder_that_is_closed_costs_the_history_and_never_the_answer(
    tmp_path: Path,
) -> None:
    """As where it was made by `sudo`."""
    in_use(tmp_path)
    closed = NthCallFails(1, errno.EACCES, for_ever=True, below=tmp_path / "data")
    with closed.at(READING_TOO, opens=True):
        answer = invoke(tmp_path, "ask", QUESTION)
        listing = invoke(tmp_path, "history", "rename", "tables", "sums")
    assert (answer.exit_code, "strawberry" in answer.stdout) == (0, True)
    assert (listing.exit_code, listing.stderr.count("error: cannot use ")) == (3, 1)
    assert listing.stderr.count("\n") == 2


def test_a_config_file_that_is_closed_is_named(tmp_path: Path) -> None:
    closed = NthCallFails(1, errno.EACCES, for_ever=True, below=tmp_path / "config")
    with closed.at(READING_TOO, opens=True):
        result = invoke(tmp_path, "ask", QUESTION)
    assert (result.exit_code, result.stdout) == (3, "")
    path = tmp_path / "config/config.toml"
    assert result.stderr.startswith(f"error: cannot read {path}: Permission denied\nhint: ")
