"""Whichever call to the disk fails: the answer is shown, nothing is half-written, no traceback."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.cli.app import app
from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.providers import demo
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.wiring import resources
from failing_calls import CALLS, NthCallFails

pytestmark = pytest.mark.no_cover  # the same lines hundreds of times: only slower
QUESTION = "How many r's are in strawberry?"
FAULTS = [(code, ever) for code in ("ENOSPC", "EIO", "EACCES") for ever in (False, True)]


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pieces and no waiting: each piece is a call that can fail."""
    monkeypatch.setattr(DemoProvider, "_wait", lambda self, seconds: None)
    monkeypatch.setattr(resources, "load_catalog", cache(load_catalog))
    monkeypatch.setattr(demo, "pieces", lambda text: [text[:40], text[40:]])


def each_failure(
    code: str,
    for_ever: bool,
    run: Callable[[int], Result],
    check: Callable[[int, Result], None],
    prepare: Callable[[int], object] = lambda nth: None,
) -> None:
    """`run` with its first call failing, its second, … until none is left to fail."""
    for nth in range(1, 300):
        prepare(nth)
        fault = NthCallFails(nth, getattr(errno, code), for_ever=for_ever)
        with pytest.MonkeyPatch.context() as patch:
            for name in (*CALLS, "replace"):
                patch.setattr(os, name, fault.wrapped(getattr(os, name)))
            result = run(nth)
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        check(nth, result)
        if not fault.struck:
            assert nth > 5
            return
    raise AssertionError("there is no end of calls")


def invoke(folder: Path, *words: str, stdin: str | None = None) -> Result:
    env = {
        "DEEPREASONING_DATA_DIR": str(folder / "data"),
        "DEEPREASONING_CONFIG": str(folder / "config" / "config.toml"),
    }
    return CliRunner().invoke(app, list(words), input=stdin, env=env)


def turns_in(folder: Path) -> int:
    with Store.open(folder / "data", lambda _: None) as store:
        recover(folder / "data", store, lambda _: None)
        return len(list(store.listing()))


@pytest.mark.parametrize(("code", "for_ever"), FAULTS)
def test_ask_shows_the_answer_whichever_call_fails(
    tmp_path: Path, code: str, for_ever: bool
) -> None:
    whole = invoke(tmp_path / "whole", "ask", "--backend", "demo", QUESTION).stdout
    assert "strawberry" in whole

    def run(nth: int) -> Result:
        return invoke(tmp_path / str(nth), "ask", "--backend", "demo", QUESTION)

    def check(nth: int, result: Result) -> None:
        assert (result.exit_code, result.stdout) == (0, whole)
        assert for_ever or turns_in(tmp_path / str(nth)) == 1

    each_failure(code, for_ever, run, check)


@pytest.mark.parametrize(("code", "for_ever"), FAULTS)
def test_a_chat_turn_shows_its_answer_whichever_call_fails(
    tmp_path: Path, code: str, for_ever: bool
) -> None:
    def chat(folder: Path) -> Result:
        return invoke(folder, "chat", "--backend", "demo", stdin=f"{QUESTION}\n{QUESTION}\n")

    whole = chat(tmp_path / "whole").stdout
    assert whole.count("strawberry") >= 2

    def check(nth: int, result: Result) -> None:
        assert (result.exit_code, result.stdout) == (0, whole)
        assert for_ever or turns_in(tmp_path / str(nth)) == 2

    each_failure(code, for_ever, lambda nth: chat(tmp_path / str(nth)), check)


@pytest.mark.parametrize(("code", "for_ever"), FAULTS)
def test_config_set_leaves_the_old_file_or_the_new_one_whichever_call_fails(
    tmp_path: Path, code: str, for_ever: bool
) -> None:
    old = '# mine\nmodel = "haiku"\n'
    new = '# mine\nmodel = "opus"\n'

    def prepare(nth: int) -> None:
        file = tmp_path / str(nth) / "config" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(old)

    def run(nth: int) -> Result:
        return invoke(tmp_path / str(nth), "config", "set", "model", "opus")

    def check(nth: int, result: Result) -> None:
        written = (tmp_path / str(nth) / "config" / "config.toml").read_text()
        done: Any = (result.exit_code, written)
        assert done in [(0, new), (7, old), (7, new), (3, old)]

    each_failure(code, for_ever, run, check, prepare)
