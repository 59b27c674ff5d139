"""A forked run is what a started one is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import forked, runner
from support.loopback import Loopback
from support.runner import CompletedRun, run
from support.vendors import Vendors

pytestmark = pytest.mark.skipif(not runner.FORKED, reason="each run is started")


@pytest.fixture
def vendors(tmp_path: Path, clean_environment: None) -> Iterator[Vendors]:
    with Loopback() as reasoner, Loopback() as claude, Loopback() as novita:
        yield Vendors(reasoner, claude, novita, tmp_path / "home")


def both(monkeypatch: pytest.MonkeyPatch, *args: str, stdin: bytes | None = None) -> CompletedRun:
    """What a run leaves, which has to be the same in both ways."""
    fast = run(*args, stdin=stdin)
    with monkeypatch.context() as patch:
        patch.setattr(runner, "FORKED", False)
        assert run(*args, stdin=stdin) == fast
    return fast


@pytest.mark.parametrize(
    ("args", "code"),
    [(["--version"], 0), (["ask", "-c", "--session", "s", "6 x 7?"], 2), (["ask", "6 x 7?"], 3)],
    ids=["a version", "a wrong call", "no key"],
)
def test_what_it_says_and_its_exit_code_are_the_same(
    monkeypatch: pytest.MonkeyPatch, args: list[str], code: int
) -> None:
    assert both(monkeypatch, *args).code == code


def test_what_is_piped_in_is_read_to_its_end(vendors: Vendors) -> None:
    vendors.reply()
    text = b"six times seven\n" * 20_000  # more than a pipe holds
    assert vendors.ask("sum up", stdin=text).code == 0
    said = vendors.claude.requests[0].body["messages"][0]["content"]
    assert said.count("six times seven") == 20_000


def test_an_end_of_input_that_is_not_read_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    assert both(monkeypatch, "--version", stdin=b"x" * 1_000_000).code == 0


def test_files_are_made_as_the_tests_umask_has_it(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?").code == 0
    assert (vendors.home / ".local/share").stat().st_mode & 0o777 == 0o700


def test_a_run_that_does_not_end_is_killed(vendors: Vendors) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        vendors.ask("6 x 7?", stdin=None, timeout=0.01)


@pytest.mark.parametrize("name", ["PYTHONUTF8", "LC_ALL", "NO_COLOR", "TZ"])
def test_what_is_read_before_the_program_begins_needs_a_start(name: str) -> None:
    assert forked.is_the_same(["ask"], {"DEEPREASONING_MODEL": "sonnet"})
    assert not forked.is_the_same(["ask"], {name: "x"})
