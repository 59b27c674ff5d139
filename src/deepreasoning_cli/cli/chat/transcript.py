"""A conversation as a Markdown document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt

from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.search import parse_sources
from deepreasoning_cli.sanitize import Sink, sanitize, single_line
from deepreasoning_cli.views.notes import turn_summary

LAST_WORD = "the end of this answer"


def markdown(session: str, turns: Sequence[TurnRecord]) -> str:
    """The whole session. Question and reasoning are quoted, the answer stands as it was sent.

    Control characters are spelled out; a code block that an answer left open is closed.
    """
    parts = [f"# {single_line(session)}"]
    for number, turn in enumerate(turns, 1):
        parts += _turn(number, turn)
    return "\n\n".join(parts) + "\n"


def _turn(number: int, turn: TurnRecord) -> Iterator[str]:
    yield f"## {number}"
    yield _quoted(turn.start.prompt)
    if turn.reasoning.strip():
        yield f"### Reasoning{_by(turn, Stage.REASON)}"
        yield _quoted(turn.reasoning)
    if turn.own_thinking.strip():
        yield f"### Reasoning{_by(turn, Stage.ANSWER)}"
        yield _quoted(turn.own_thinking)
    yield f"### Answer{_by(turn, Stage.ANSWER)}"
    yield _closed(sanitize(turn.answer, Sink.PIPE).strip("\n")) or "(none)"
    if turn.sources and not parse_sources(turn.answer):
        yield "\n".join(
            f"- {single_line(s.title, 200)} <{single_line(s.url, 2000)}>" for s in turn.sources
        )
    if turn.stages:
        yield f"*{single_line(turn_summary(turn), 200)}{'' if turn.complete else ' · incomplete'}*"


def _by(turn: TurnRecord, stage: Stage) -> str:
    done = turn.stages.get(stage)
    return f" · {single_line(done.served_model or done.model)}" if done else ""


def _quoted(text: str) -> str:
    lines = sanitize(text, Sink.PIPE).strip("\n").split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _closed(answer: str) -> str:
    """The answer, with the fence that its end left open."""
    for token in MarkdownIt().parse(f"{answer}\n\n{LAST_WORD}"):
        if token.type == "fence" and token.level == 0 and token.content.endswith(LAST_WORD):
            return f"{answer}\n{token.markup}"
    return answer
