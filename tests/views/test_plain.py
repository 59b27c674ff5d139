from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline.events import Event, Stage, StageFinished, Text, Thought
from deepreasoning_cli.sanitize import Sink
from deepreasoning_cli.views.plain import RawView, TextView, stream_writer, with_final_newline

REASONED = StageFinished(Stage.REASON, "r1", None, None, None, 1.0, "stop")
ANSWERED = StageFinished(Stage.ANSWER, "sonnet", None, None, None, 1.0, "end_turn")


def shown(
    *pieces: str, sink: Sink = Sink.PIPE, failure: BaseException | None = None
) -> tuple[str, int]:
    out: list[str] = []
    view = TextView(Text, out.append, sink)
    for piece in pieces:
        view(Text(piece))
    view.close(failure)
    return "".join(out), view.escaped_count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42", "42\n"),
        ("42\n", "42\n"),
        ("42\n\n\n", "42\n"),
        ("a\n\nb", "a\n\nb\n"),
        ("\n\na", "\n\na\n"),
        ("a\r\nb\r\n", "a\r\nb\r\n"),
        ("a\r\n\r\n\n", "a\r\n"),
        ("a\r", "a\n"),
        ("a \n", "a \n"),
        ("", ""),
        ("\n\n", ""),
    ],
)
def test_a_text_ends_with_one_newline_however_it_is_cut(text: str, expected: str) -> None:
    for at in range(len(text) + 1):
        assert shown(text[:at], text[at:]) == (expected, 0)
    assert shown(*text) == (expected, 0)


@given(st.lists(st.text(st.sampled_from("ab \r\n\t\x1b中\U0001f600"))), st.sampled_from(Sink))
def test_pieces_come_out_as_the_whole_would(pieces: list[str], sink: Sink) -> None:
    out, counted = shown(*pieces, sink=sink)
    assert (out, counted) == shown("".join(pieces), sink=sink)
    assert not out or (out.endswith("\n") and not out.endswith(("\n\n", "\n\r\n")))


@pytest.mark.parametrize("text", ["a", "a\n\n", "a\r\n\r\n", "\n", "a\r"])
def test_a_text_that_is_ended_whole_is_ended_as_the_stream_is(text: str) -> None:
    assert with_final_newline(text) == (shown(text)[0] or "\n")


@pytest.mark.parametrize(
    ("sink", "expected"),
    [(Sink.PIPE, "a\r\nb\\x1b[2J\\x00\r\u202ec\n"), (Sink.TERMINAL, "a\nb␛[2J␀\n⟨U+202E⟩c\n")],
)
def test_control_characters_are_shown_as_the_sink_may_have_them(sink: Sink, expected: str) -> None:
    out, counted = shown("a\r", "\nb\x1b[2J\0", "\r\u202ec", sink=sink)
    assert (out, counted) == (expected, {Sink.PIPE: 2, Sink.TERMINAL: 3}[sink])


def test_only_text_of_its_own_kind_is_shown() -> None:
    out: list[str] = []
    view = TextView(Text, out.append, Sink.PIPE)
    events: list[Event] = [Thought("hm"), REASONED, Text("4"), ANSWERED]
    for event in events:
        view(event)
    assert out == ["4"]
    view.close(None)
    assert out == ["4", "\n"]


def test_the_reasonings_last_line_ends_with_its_stage_and_only_once() -> None:
    out: list[str] = []
    view = TextView(Thought, out.append, Sink.PIPE)
    for event in (Thought("hm\n"), REASONED, Text("42"), ANSWERED):
        view(event)
    assert out == ["hm", "\n"]
    view.close(None)
    assert out == ["hm", "\n"]


def test_a_text_that_was_cut_is_ended_too() -> None:
    assert shown("half\r", failure=IncompleteError("cut"))[0] == "half\n"


def test_nothing_more_is_written_into_a_closed_pipe() -> None:
    assert shown("half", failure=BrokenPipeError())[0] == "half"


def test_each_piece_is_flushed() -> None:
    class Flushed(io.StringIO):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

    stream = Flushed()
    write = stream_writer(stream)
    write("a")
    write("b")
    assert (stream.getvalue(), stream.flushes) == ("ab", 2)


def test_raw_is_the_exact_answer_in_utf_8() -> None:
    out: list[bytes] = []
    view = RawView(out.append)
    for event in (Thought("hm"), Text("\x1b[2J é\r\n\n"), Text("\n")):
        view(event)
    view.close(None)
    assert out == [b"\x1b[2J \xc3\xa9\r\n\n", b"\n"]


def test_a_signal_during_the_writing_leaves_nothing_to_be_written_twice() -> None:
    out: list[str] = []

    def write(text: str) -> None:
        out.append(text)
        if text == "\na":
            raise KeyboardInterrupt

    view = TextView(Text, write, Sink.PIPE)
    view(Text("x\n"))
    with pytest.raises(KeyboardInterrupt):
        view(Text("a\n\n"))
    view.close(KeyboardInterrupt())
    assert out == ["x", "\na", "\n"]
