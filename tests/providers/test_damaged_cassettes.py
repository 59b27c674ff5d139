"""Cassettes that were damaged or edited: each is played, or refused with advice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from deepreasoning_cli import ask
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.sanitize import dump_json
from support.often import Tried, often

QUESTION: Final = "What is 6 times 7?"
RECORDED: Final = Path(__file__).parents[1] / "examples" / "python.jsonl"
HEADER, REASONED, ANSWERED = map(json.loads, RECORDED.read_text("utf-8").splitlines()[:3])
FAILED: Final[dict[str, Any]] = {
    **ANSWERED,
    "end": "failed",
    "error": {
        "class": "unavailable",
        "message": "it is down",
        "kind": "overloaded",
        "status": 529,
        "request_id": "req_1",
        "hints": ["wait"],
        "retry_after": 3.0,
    },
}
CALLED: Final[dict[str, Any]] = {
    **ANSWERED,
    "reply": [
        {"t": 0.1, "hidden": 2},
        {"t": 0.2, "call": {"id": "toolu_1", "name": "add"}},
        {"t": 0.3, "arguments": "{}"},
        {"t": 0.4, "usage": {"input_tokens": 9, "output_tokens": 7, "reasoning_tokens": 3}},
        {"t": 0.4, "stop": {"reason": "tool_use", "details": ""}},
    ],
}
CASSETTES: Final = [[HEADER, REASONED, last] for last in (ANSWERED, FAILED, CALLED)]


def play(path: Path) -> str | DeepReasoningError:
    """The answer of a replay, all of which is kept and shown; or how it was refused."""
    try:
        with ask(QUESTION, replay=path) as answer:
            try:
                return answer.text
            finally:
                dump_json(answer.to_dict())
    except DeepReasoningError as error:
        return error


def check(path: Path) -> None:
    """It is played, or refused by an error that has advice and an exit code for scripts."""
    end = play(path)
    if isinstance(end, DeepReasoningError):
        assert end.hints, end
        assert end.exit_code in range(2, 7), end


def write(path: Path, lines: Sequence[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_each_of_them_is_played_as_it_is(tmp_path: Path) -> None:
    played = [play(write(tmp_path / "tape", lines)) for lines in CASSETTES]
    assert list(map(str, played)) == [
        "**42**",
        "it is down; 6 characters of the answer came before",
        "",
    ]


numbers = st.integers() | st.floats() | st.sampled_from([1 << 63, 10**400, -1, 1e308])
texts = st.text(st.characters(), max_size=8) | st.sampled_from(["\ud800", "\0", "\x1b[31m", ""])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value inside."""
    yield path
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[name], (*path, name))


def edited(value: Any, path: Sequence[Any], new: Any) -> Any:
    """A copy with `new` at the end of the way; LEFT_OUT leaves it out, AS_TEXT makes it a text."""
    if not path:
        return str(value) if new is AS_TEXT else new
    name, *rest = path
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    copied = {key: edited(each, rest, new) if key == name else each for key, each in pairs}
    kept = {key: each for key, each in copied.items() if each is not LEFT_OUT}
    return kept if isinstance(value, dict) else list(kept.values())


LEFT_OUT: Final = object()
AS_TEXT: Final = object()
many = settings(max_examples=often(100, 1_500))


@many
@given(st.data())
def test_what_was_edited_by_hand_is_played_or_refused(
    tmp_path: Path, tried: Tried, data: st.DataObject
) -> None:
    lines = data.draw(st.sampled_from(CASSETTES))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([each for each in places(lines) if len(each) > 1]))
        new = data.draw(st.sampled_from([LEFT_OUT, AS_TEXT]) | values)
        lines = edited(lines, path, new)
    check(write(tmp_path / "tape", lines))
    tried("cassettes")


@many
@given(st.data())
def test_what_was_damaged_is_played_or_refused(
    tmp_path: Path, tried: Tried, data: st.DataObject
) -> None:
    path = write(tmp_path / "tape", data.draw(st.sampled_from(CASSETTES)))
    text = path.read_bytes()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 40, len(text))))
        text = text[:start] + data.draw(st.binary(max_size=5)) + text[end:]
    path.write_bytes(text[: data.draw(st.integers(0, len(text)) | st.just(len(text)))])
    check(path)
    tried("cassettes")
