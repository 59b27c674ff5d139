"""A cassette by itself: what is written is read again; what cannot be read is refused."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli import keys
from deepreasoning_cli.errors import (
    DeepReasoningError,
    IncompleteError,
    RefusedError,
    UnavailableError,
    UsageError,
    WriteError,
)
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import (
    RECORDING_ENDED,
    End,
    Handoff,
    Message,
    Prompt,
    Source,
    Text,
    Thought,
    ToolCall,
)
from deepreasoning_cli.pipeline.handoff import with_notes
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.search import SearchResult
from deepreasoning_cli.pipeline.tools import AnswerOptions, Image, Tool, ToolResult, in_words
from deepreasoning_cli.providers import cassette_file
from deepreasoning_cli.providers.cassette import Playback, Recording
from deepreasoning_cli.providers.cassette_file import CassettePlayer, CassetteRecorder
from deepreasoning_cli.providers.cassette_format import (
    RecordedCall,
    call_line,
    header_line,
    read_call,
)
from deepreasoning_cli.providers.cassette_request import (
    describe_prompt,
    differences,
    fingerprint,
)
from support.scripted_models import Said, ScriptedModel

PROMPT: Final = Prompt((Message("user", "6 x 7?"),))
REQUEST: Final[dict[str, Any]] = {
    "stage": "answer",
    "host": "anthropic",
    "model": "claude",
    "messages": [{"role": "user", "text": "6 x 7?"}],
}
CALL: Final = RecordedCall(request=REQUEST, reply=[(0.0, Text("42")), (0.1, End("end_turn"))])


def claude(*said: Said) -> ScriptedModel:
    return ScriptedModel(model="claude", host="anthropic", context=1000, said=list(said))


def fail(text: str) -> None:
    raise AssertionError(text)


def recording(path: Path, warn: Callable[[str], None] = fail) -> Recording:
    return Recording(CassetteRecorder(path), warn)


texts = st.text(max_size=20)
counts = st.integers(0, 1 << 40)
pieces = st.one_of(
    st.builds(Thought, texts),
    st.builds(Text, texts),
    st.builds(events.HiddenThought, counts),
    st.builds(events.ToolCallStarted, texts, texts),
    st.builds(events.ToolArguments, texts),
    st.builds(events.ModelReported, texts),
    st.builds(Usage, counts, counts, st.none() | counts, counts, counts, st.booleans()),
    st.builds(End, st.none() | texts, texts),
    st.builds(SearchResult, st.builds(Source, texts, texts), texts),
)
errors = st.builds(
    lambda kind, message, hints, status, retry: kind(
        message, hint=hints, kind="overloaded", status=status, retry_after=retry
    ),
    st.sampled_from([UsageError, RefusedError, UnavailableError, IncompleteError]),
    texts,
    st.lists(texts, max_size=2),
    st.none() | st.integers(400, 599),
    st.none() | st.floats(0, 1000),
)


@given(
    st.lists(st.tuples(st.integers(0, 10**6).map(lambda n: n / 1000), pieces)),
    st.none() | errors,
    st.booleans(),
)
def test_what_is_written_is_read_again(
    reply: list[tuple[float, Any]], error: DeepReasoningError | None, stopped: bool
) -> None:
    call = RecordedCall(request=REQUEST, reply=reply, error=error, stopped=stopped and not error)
    line = call_line(call)
    assert line.isascii()
    assert line.count(b"\n") == 1
    read = read_call(json.loads(line))
    assert (read.request, list(read.reply), read.end) == (call.request, reply, call.end)
    if error:
        assert type(read.error) is type(error)
        assert read.error is not None
        assert read.error.as_json() == error.as_json()
        assert read.error.retry_after == error.retry_after


def test_a_model_is_played_as_it_was_recorded(tmp_path: Path) -> None:
    usage = Usage(3, 2)
    model = claude(Thought("hm"), Text("4"), Text("2"), usage, End("end_turn"))
    tape = recording(tmp_path / "tape.jsonl")
    recorded = tape.provider(model, "answer", Handoff.NONE)
    assert list(recorded.stream(PROMPT)) == model.said
    player = Playback(CassettePlayer(tmp_path / "tape.jsonl"))
    silent = claude(UnavailableError("nobody may call", hint="x"))
    played = player.provider(silent, "answer", Handoff.NONE)
    sent: list[bool] = []
    assert list(played.stream(PROMPT, lambda: sent.append(True))) == model.said
    assert (sent, silent.asked) == ([True], 0)
    assert played.rates is not None
    assert played.rates.base.cost(usage) == 0


def test_a_failure_is_raised_again_behind_what_came_before(tmp_path: Path) -> None:
    error = UnavailableError("it is down", kind="overloaded", status=529, hint="wait")
    model = claude(Text("4"), error)
    with pytest.raises(UnavailableError):
        list(recording(tmp_path / "tape").provider(model, "answer", None).stream(PROMPT))
    played = Playback(CassettePlayer(tmp_path / "tape")).provider(model, "answer", None)
    stream = played.stream(PROMPT)
    assert next(stream) == Text("4")
    with pytest.raises(UnavailableError) as caught:
        next(stream)
    assert caught.value.as_json() == error.as_json()


@pytest.mark.parametrize("stage", ["reason", "answer"])
def test_a_reply_that_was_stopped_ends_where_it_was_stopped(tmp_path: Path, stage: str) -> None:
    model = claude(Thought("a"), Thought("b"), End("stop"))
    stream = recording(tmp_path / "tape").provider(model, stage, None).stream(PROMPT)
    assert next(stream) == Thought("a")
    stream.close()
    played = Playback(CassettePlayer(tmp_path / "tape")).provider(model, stage, None)
    if stage == "reason":
        assert list(played.stream(PROMPT)) == [Thought("a"), End(RECORDING_ENDED)]
        return
    with pytest.raises(IncompleteError, match="the recording ends here"):
        list(played.stream(PROMPT))


def test_the_pace_is_that_of_the_recording_times_the_factor(tmp_path: Path) -> None:
    reply = [(0.5, Text("a")), (0.5, Text("b")), (2.5, Text("c"))]
    CassetteRecorder(tmp_path / "tape").add(RecordedCall(request=REQUEST, reply=reply))
    for pace, expected in ((0.0, []), (1.0, [0.5, 2.0]), (4.0, [0.125, 0.5])):
        waited: list[float] = []
        playback = Playback(CassettePlayer(tmp_path / "tape"), pace, waited.append)
        call = playback.player.find(REQUEST)
        assert list(playback.reply(call)) == [Text("a"), Text("b"), Text("c")]
        assert waited == expected


def test_equal_calls_come_in_their_order_and_the_last_again(tmp_path: Path) -> None:
    recorder = CassetteRecorder(tmp_path / "tape")
    for text in "ab":
        recorder.add(RecordedCall(request=REQUEST, reply=[(0, Text(text))]))
    player = CassettePlayer(tmp_path / "tape")
    assert [player.find(REQUEST).reply[0][1] for _ in range(3)] == [Text("a"), Text("b"), Text("b")]


def test_many_threads_record_into_one_file(tmp_path: Path) -> None:
    def record(number: int) -> None:
        recorder = CassetteRecorder(tmp_path / "tape")
        for place in range(20):
            request = REQUEST | {"model": f"{number}-{place}"}
            recorder.add(RecordedCall(request=request, reply=[(0, Text("x" * 3000))]))

    threads = [threading.Thread(target=record, args=(number,), daemon=True) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    player = CassettePlayer(tmp_path / "tape")
    for number in range(5):
        for place in range(20):
            assert player.find(REQUEST | {"model": f"{number}-{place}"}).end == "complete"
    assert len((tmp_path / "tape").read_bytes().splitlines()) == 101


def test_a_full_disk_costs_the_recording_and_not_the_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    tape = recording(tmp_path / "tape", warnings.append)
    tape.recorder.add(CALL)
    whole = (tmp_path / "tape").read_bytes()

    def half(descriptor: int, data: bytes) -> int:
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cassette_file, "_write", half)
    model = claude(Text("42"), End("end_turn"))
    assert list(tape.provider(model, "answer", None).stream(PROMPT)) == model.said
    assert warnings == [f"this call is not recorded: {os.strerror(errno.ENOSPC)}"]
    assert (tmp_path / "tape").read_bytes() == whole


def test_a_key_is_in_no_line(tmp_path: Path) -> None:
    key = keys.validate_and_remember("deepseek", "sk-0123456789abcdef/+%", "a test")
    request = REQUEST | {"messages": [{"role": "user", "text": f"my key is \\{key.value}"}]}
    error = RefusedError(f"wrong key {key.value}", hint=f"not {key.value}")
    CassetteRecorder(tmp_path / "tape").add(
        RecordedCall(request=request, reply=[(0, Text(f"so: {key.value}"))], error=error)
    )
    text = (tmp_path / "tape").read_text()
    assert CassettePlayer(tmp_path / "tape").hosts == {("answer", "anthropic")}
    assert "0123456789abcdef" not in text
    assert text.count("[key]") == 4


# ------------------------------------------------------------------------ what is no cassette


@pytest.mark.skipif(os.name != "posix", reason="modes and pipes are POSIX's")
def test_a_new_file_is_the_owners_alone_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    CassetteRecorder(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    (tmp_path / "new").chmod(0o644)
    CassetteRecorder(tmp_path / "new").add(CALL)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o644


BAD: Final = {
    "empty": (b"", "is no cassette"),
    "binary": (bytes(range(256)) * 40, "is no cassette"),
    "another JSON": (b'{"a": 1}\n', "is no cassette"),
    "a list": (b"[1]\n", "is no cassette"),
    "a long line": (b"x" * 100_000, "is no cassette"),
    "newer": (b'{"cassette": 2}\n', "is a cassette of version 2; this program reads version 1"),
    "not JSON": (header_line() + b"{oops\n", "tape:2: not a recorded call: "),
    "no request": (header_line() + b"\n{}\n", "tape:3: not a recorded call: "),
    "no object": (header_line() + b"3\n", "tape:2: not a recorded call: "),
    "no reply": (header_line() + b'{"request": {}}\n', "tape:2: not a recorded call: "),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_what_is_no_cassette_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "tape").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        CassettePlayer(tmp_path / "tape")
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["missing", "folder", *(["pipe"] if os.name == "posix" else [])])
def test_a_path_that_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tape"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(UsageError):
        CassettePlayer(path)
    if kind != "missing":
        with pytest.raises((UsageError, WriteError)):
            CassetteRecorder(path)


@pytest.mark.parametrize("name", ["newer", "binary", "a long line", "another JSON"])
def test_nothing_is_recorded_into_another_file(tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    (tmp_path / "tape").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        CassetteRecorder(tmp_path / "tape")
    assert message in caught.value.message
    assert (tmp_path / "tape").read_bytes() == content


def test_a_file_that_was_cut_plays_its_whole_lines_and_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    other = RecordedCall(request=REQUEST | {"model": "other"}, reply=[(0, Text("x"))])
    whole = header_line() + call_line(CALL)
    line = call_line(other)
    for size in range(1, len(line) - 1):
        path.write_bytes(whole + line[:size])
        player = CassettePlayer(path)
        assert player.is_cut
        assert player.find(REQUEST).reply == CALL.reply
        with pytest.raises(UsageError, match=r"the last line of .* is cut"):
            CassetteRecorder(path)
    path.write_bytes(whole + line[:-1])  # only the line's end is missing
    assert not CassettePlayer(path).is_cut


def test_a_reply_that_was_edited_badly_is_named_when_it_is_played(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    path.write_bytes(header_line() + call_line(CALL).replace(b'"text": "42"', b'"txet": "42"'))
    with pytest.raises(UsageError, match="tape:2: not a recorded call: no piece"):
        CassettePlayer(path).find(REQUEST)


def test_lines_may_be_moved_and_fields_be_written_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    turned = json.loads(call_line(CALL))
    turned["request"] = dict(reversed(turned["request"].items()))
    path.write_text('{"cassette":1}\n\n' + json.dumps(dict(reversed(turned.items()))))
    assert list(CassettePlayer(path).find(REQUEST).reply) == list(CALL.reply)


# ------------------------------------------------------------------------ what differs


def miss(path: Path, request: dict[str, Any]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        CassettePlayer(path).find(request)
    assert caught.value.kind == "cassette_miss"
    return caught.value


def test_a_miss_names_all_that_differs_from_the_nearest_call(tmp_path: Path) -> None:
    recorder = CassetteRecorder(tmp_path / "tape")
    long = "a" * 500
    for text in ("far away", f"{long}7"):
        messages = [{"role": "user", "text": text}]
        recorder.add(RecordedCall(request=REQUEST | {"messages": messages}, reply=[]))
    asked = REQUEST | {"messages": [{"role": "user", "text": f"{long}8"}], "effort": "high"}
    error = miss(tmp_path / "tape", asked)
    assert error.message.endswith("the nearest differs in prompt and effort")
    assert error.hints[:2] == (
        f"prompt: …{'a' * 24}8 (recorded: …{'a' * 24}7)",
        "effort: high (recorded: none)",
    )


def test_a_stage_that_was_never_recorded_is_said_to_be_missing(tmp_path: Path) -> None:
    CassetteRecorder(tmp_path / "tape").add(CALL)
    error = miss(tmp_path / "tape", REQUEST | {"stage": "reason"})
    assert error.message == f"{tmp_path / 'tape'} holds no call of this stage"


def test_differences_in_a_conversation_name_the_message() -> None:
    def talk(*texts: str) -> dict[str, Any]:
        return {"messages": [{"role": "user", "text": text} for text in texts]}

    (found,) = differences(talk("a", "b", "c"), talk("a", "x", "c"))
    assert str(found) == "conversation, message 2: b (recorded: x)"
    (found,) = differences(talk("a", "b"), talk("a"))
    assert str(found) == "conversation: 2 messages (recorded: 1 message)"


def test_the_delimiter_is_left_out_of_the_description() -> None:
    def handed(mark: str) -> Prompt:
        text = f"Q\n[notes-{mark} reasoning begins]\nhm\n[notes-{mark} reasoning ends]"
        return Prompt((Message("user", text),))

    described = [describe_prompt(handed(mark)) for mark in ("0123456789ab", "ba9876543210")]
    assert described[0] == described[1]
    prompt = with_notes(PROMPT, Handoff.REASONING, model="m", reasoning="hm", answer="")
    text = describe_prompt(prompt)["messages"][0]["text"]
    assert text.count("notes-…") == 3


def test_tools_calls_results_and_images_are_described_without_their_data() -> None:
    image = Image("image/png", "QUJD" * 100)
    parts = ("look", ToolCall("1", "f", "{}"), ToolResult("1", ("ok", image), is_error=True))
    options = AnswerOptions(tools=(Tool("f", "does", {"type": "object"}),), stop_sequences=("x",))
    prompt = Prompt((Message("user", "look", parts),), "Be brief.", options=options)
    described = describe_prompt(prompt)
    assert "QUJD" not in json.dumps(described)
    assert described["system"] == "Be brief."
    assert [tool["name"] for tool in described["tools"]] == ["f"]
    told = Prompt((Message("user", "look\n\n[an image, image/png]"),), "Be brief.")
    shown = Prompt((Message("user", "", ("look", image)),), "Be brief.")
    assert describe_prompt(in_words(shown, None)) == describe_prompt(told)
    seen = describe_prompt(in_words(shown, None, sees_images=True))
    assert (
        seen["messages"] == describe_prompt(shown)["messages"] != describe_prompt(told)["messages"]
    )
    other = Prompt((Message("user", "look", (*parts[:2], ToolResult("1", ("ok",)))),), "Be brief.")
    assert fingerprint(described) != fingerprint(describe_prompt(other))
