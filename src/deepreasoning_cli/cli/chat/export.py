"""A conversation as a Markdown document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt

from deepreasoning_cli.events import Stage
from deepreasoning_cli.findings import sources_in
from deepreasoning_cli.record import Record
from deepreasoning_cli.views.footer import turn_line
from deepreasoning_cli.views.safe import Sink, one_line, safe

LAST_WORD = "the end of this answer"


def markdown(session: str, turns: Sequence[Record]) -> str:
    """The whole session. Question and reasoning are quoted, the answer stands as it was sent.

    Control characters are spelled out; a code block that an answer left open is closed.
    """
    parts = [f"# {one_line(session)}"]
    for number, turn in enumerate(turns, 1):
        parts += _turn(number, turn)
    return "\n\n".join(parts) + "\n"


def _turn(number: int, turn: Record) -> Iterator[str]:
    yield f"## {number}"
    yield _quoted(turn.opened.prompt)
    if turn.reasoning.strip():
        yield f"### Reasoning{_by(turn, Stage.REASON)}"
        yield _quoted(turn.reasoning)
    yield f"### Answer{_by(turn, Stage.ANSWER)}"
    yield _closed(safe(turn.answer, Sink.PIPE).strip("\n")) or "(none)"
    if turn.sources and not sources_in(turn.answer):
        yield "\n".join(
            f"- {one_line(s.title, 200)} <{one_line(s.url, 2000)}>" for s in turn.sources
        )
    if turn.stages:
        yield f"*{one_line(turn_line(turn), 200)}{'' if turn.complete else ' · incomplete'}*"


def _by(turn: Record, stage: Stage) -> str:
    done = turn.stages.get(stage)
    return f" · {one_line(done.served_model or done.model)}" if done else ""


def _quoted(text: str) -> str:
    lines = safe(text, Sink.PIPE).strip("\n").split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _closed(answer: str) -> str:
    """The answer, with the fence that its end left open."""
    for token in MarkdownIt().parse(f"{answer}\n\n{LAST_WORD}"):
        if token.type == "fence" and token.level == 0 and token.content.endswith(LAST_WORD):
            return f"{answer}\n{token.markup}"
    return answer
