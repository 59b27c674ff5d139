"""Output flags → views, where no terminal is; and the flags that contradict each other."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.output import OutputOptions, ViewBuilder
from deepreasoning_cli.cli.runner import AskOptions
from deepreasoning_cli.errors import UsageError, WriteError
from deepreasoning_cli.pipeline.events import Handoff, Text, TurnStarted
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.views.base import View
from deepreasoning_cli.views.status import Progress


def views(output: OutputOptions) -> list[View]:
    settings = load_settings(None, {}, {}).settings
    builder = ViewBuilder(output, TurnRecord(), Progress, GlobalOptions(), settings)
    return builder.build_views(lambda: True)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (OutputOptions(), ["TextView"]),
        (OutputOptions(plain=True), ["TextView"]),
        (OutputOptions(reasoning="only"), ["TextView"]),
        (OutputOptions(reasoning="hide"), ["TextView"]),
        (OutputOptions(reasoning="stderr"), ["TextView", "TextView"]),
        (OutputOptions(reasoning="thoughts.txt"), ["FileView", "TextView"]),
        (OutputOptions(output=Path("answer.md")), ["FileView"]),
        (OutputOptions(raw=True), ["RawView"]),
        (OutputOptions(extract=True, language="py"), ["CodeView"]),
        (OutputOptions(json=True, reasoning="stderr"), ["JsonView"]),
        (OutputOptions(jsonl=True), ["JsonlView"]),
        (OutputOptions(no_stream=True, copy=True), ["DeferredView", "ClipboardView"]),
    ],
    ids=repr,
)
@pytest.mark.usefixtures("capsys")
def test_flags_choose_the_views_of_a_pipe_and_notes_come_last(
    output: OutputOptions, expected: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [type(view).__name__ for view in views(output)] == [*expected, "Notes"]
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]  # a file comes with what goes into it


class Tty(io.StringIO):
    """A stdout that is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_code_on_a_terminal_is_escaped_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout, record = Tty(), TurnRecord()
    monkeypatch.setattr(sys, "stdout", stdout)
    settings = load_settings(None, {}, {}).settings
    output = OutputOptions(extract=True)
    builder = ViewBuilder(output, record, Progress, GlobalOptions(), settings)
    views = builder.build_views(lambda: True)
    record.apply(Text("```\n\u202e\n```"))
    for view in views:
        view.close(None)
    assert stdout.getvalue() == "⟨U+202E⟩\n"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (OutputOptions(json=True, raw=True), "use either --json or --raw"),
        (OutputOptions(jsonl=True, extract=True), "use either --jsonl or --extract"),
        (OutputOptions(reasoning="only", raw=True), "--reasoning only has no answer to write"),
    ],
)
@pytest.mark.usefixtures("capsys")
def test_flags_that_contradict_are_refused(output: OutputOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        output.check()
    assert caught.value.message == message


def test_a_closed_stdout_is_told_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(WriteError):
        OutputOptions().check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            AskOptions(resume_last=True, session="s"),
            "use either --continue or --session",
        ),
        (AskOptions(session=" "), "a session needs a name"),
    ],
)
def test_a_session_that_cannot_be_meant_is_refused(options: AskOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        options.check()
    assert caught.value.message == message


def test_the_system_prompt_is_the_last_turns_unless_one_is_asked_for() -> None:
    last = TurnRecord()
    last.start = TurnStarted("t1", "demo", "?", Handoff.REASONING, None, "be brief")
    assert AskOptions().system_after([]) is None
    assert AskOptions().system_after([last]) == "be brief"
    assert AskOptions(system="").system_after([last]) == ""
    assert AskOptions(system="be kind").system_after([last]) == "be kind"
