from __future__ import annotations

from pathlib import Path

import pytest

from deepreasoning_cli.errors import IncompleteError, WriteError
from deepreasoning_cli.pipeline.events import Event, Stage, StageFinished, Text, Thought
from deepreasoning_cli.views.files import (
    FileView,
)

REASONED = StageFinished(Stage.REASON, "r1", None, None, None, 1.0, "stop")
HALF_REASONED = StageFinished(Stage.REASON, "r1", None, None, None, 1.0, "length", complete=False)
ANSWERED = StageFinished(Stage.ANSWER, "sonnet", None, None, None, 1.0, "end_turn")
CUT_OFF = IncompleteError("cut")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.md"
    path.write_text("a good answer\n")
    return path


def folder(path: Path) -> dict[str, str]:
    return {
        each.name: each.read_bytes().decode() for each in path.parent.iterdir() if each.is_file()
    }


def test_a_whole_answer_replaces_the_file_when_the_turn_is_over(good: Path) -> None:
    view = FileView(Text, good)
    for event in (Thought("hm"), REASONED, Text("4"), Text("2\n\n"), ANSWERED):
        view(event)
    assert folder(good) == {"good.md": "a good answer\n"}
    view.close(None)
    assert folder(good) == {"good.md": "42\n"}


@pytest.mark.parametrize("failure", [CUT_OFF, KeyboardInterrupt(), BrokenPipeError()])
@pytest.mark.parametrize("kind", [Text, Thought])
def test_half_a_text_is_kept_beside_the_good_one(
    good: Path, kind: type[Text] | type[Thought], failure: BaseException
) -> None:
    view = FileView(kind, good)
    view(kind("half"))
    view.close(failure)
    assert folder(good) == {"good.md": "a good answer\n", "good.md.partial": "half\n"}


def test_a_finished_answer_of_a_turn_that_failed_is_not_taken_for_a_good_one(good: Path) -> None:
    view = FileView(Text, good)
    view(Text("cut at its limit"))
    view(ANSWERED)
    view.close(CUT_OFF)
    assert folder(good) == {"good.md": "a good answer\n", "good.md.partial": "cut at its limit\n"}


def test_the_reasoning_is_written_once_as_soon_as_its_stage_is_whole(good: Path) -> None:
    view = FileView(Thought, good)
    view(Thought("six sevens"))
    view(REASONED)
    assert folder(good) == {"good.md": "six sevens\n"}
    good.write_text("edited meanwhile")
    view(Text("42"))
    view.close(CUT_OFF)
    assert folder(good) == {"good.md": "edited meanwhile"}


def test_reasoning_that_was_cut_at_its_limit_replaces_nothing(good: Path) -> None:
    view = FileView(Thought, good)
    view(Thought("six sev"))
    view(HALF_REASONED)
    view.close(CUT_OFF)
    assert folder(good) == {"good.md": "a good answer\n", "good.md.partial": "six sev\n"}


@pytest.mark.parametrize("events", [(), (REASONED,), (Thought("\n"), REASONED)])
@pytest.mark.parametrize("failure", [None, CUT_OFF])
def test_no_text_leaves_the_file_alone(
    good: Path, events: tuple[Event, ...], failure: BaseException | None
) -> None:
    view = FileView(Thought, good)
    for event in events:
        view(event)
    view.close(failure)
    assert folder(good) == {"good.md": "a good answer\n"}


def test_a_file_holds_what_a_pipe_would_get(good: Path) -> None:
    view = FileView(Text, good)
    for piece in ("\x1b[2J\r\n", "\ud83d", "\ude00\r\n\r\n"):
        view(Text(piece))
    view.close(None)
    assert (folder(good), view.escaped_count) == ({"good.md": "\\x1b[2J\r\n\U0001f600\r\n"}, 1)


def test_a_raw_file_holds_the_exact_characters(good: Path) -> None:
    view = FileView(Text, good, raw=True)
    view(Text("\x1b[2J\n\n"))
    view.close(None)
    assert (folder(good), view.escaped_count) == ({"good.md": "\x1b[2J\n\n"}, 0)


def test_a_place_that_takes_no_file_is_a_write_error(tmp_path: Path) -> None:
    view = FileView(Text, tmp_path / "missing/out.md")
    view(Text("42"))
    with pytest.raises(WriteError):
        view.close(None)
