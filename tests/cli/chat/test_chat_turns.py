"""What a chat's turns leave behind when a view fails."""

from __future__ import annotations

import io
import sys

import pytest

from deepreasoning_cli import paths
from deepreasoning_cli.cli.chat.repl import run
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.output import ViewBuilder
from deepreasoning_cli.cli.runner import AskOptions
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import Event, Text
from deepreasoning_cli.providers import demo

DEMO = "demo: these are scripted replies, no model was called"
BUG = (
    "error: unexpected ZeroDivisionError\n"
    "hint: run it again with --debug and report what it prints: this is a bug\n"
)


class BrokenView:
    """Fails at the first piece of an answer."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, Text):
            raise ZeroDivisionError

    def close(self, failure: BaseException | None) -> None:
        pass


@pytest.fixture
def broken_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn of two questions on stdin is shown by one view that fails, and by others."""
    build = ViewBuilder.build_views
    monkeypatch.setattr(ViewBuilder, "build_views", lambda *words: [BrokenView(), *build(*words)])
    monkeypatch.setattr(demo, "choose_script", lambda _: demo.Script("tiny", "hm", "", "42"))
    monkeypatch.setattr(demo.DemoProvider, "_wait", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo\n")))


@pytest.mark.usefixtures("broken_view")
def test_a_bug_in_a_view_costs_neither_the_turn_nor_the_chat(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(GlobalOptions(), AskOptions(settings={"backend": "demo"}, session="s"))
    assert (code, *capsys.readouterr()) == (1, "42\n42\n", f"{DEMO}\n{BUG}" * 2)
    with Store.open(paths.data_dir(), pytest.fail) as store:
        kept = store.session_turns("s")
    assert [(turn.start.prompt, turn.answer, turn.complete) for turn in kept] == [
        ("one", "42", True),
        ("two", "42", True),
    ]


@pytest.mark.usefixtures("broken_view")
def test_a_bug_in_a_view_is_printed_whole_where_that_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(GlobalOptions(debug=True), AskOptions(settings={"backend": "demo"}, save=False))
    err = capsys.readouterr().err
    assert (err.count(BUG), err.count("\nZeroDivisionError\n")) == (2, 2)
