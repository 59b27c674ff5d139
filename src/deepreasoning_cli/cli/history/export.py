"""Turns as one document: Markdown, JSON, or an HTML file that stands alone.

The HTML has no script, no link, and nothing to load.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from deepreasoning_cli.cli.pager import print_text
from deepreasoning_cli.files import write_atomically
from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.search import parse_sources
from deepreasoning_cli.pipeline.tools import describe_call
from deepreasoning_cli.sanitize import Sink, dump_json, sanitize, single_line
from deepreasoning_cli.views.json import turn_object
from deepreasoning_cli.views.notes import turn_summary
from deepreasoning_cli.views.terminal import is_terminal

DEEPEST: Final = 60
"""Nested blocks beyond which a text is shown as it was sent: the parser would drop them."""
LAST_WORD: Final = "the end of this answer"
LOADED_OR_LEFT: Final = ("image", "link", "autolink", "html_inline", "html_block", "reference")
HEAD: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif }}
section {{ border-top: 1px solid #8888; margin-top: 2rem }}
pre {{ overflow-x: auto; padding: .5rem; background: #8882; font: .9rem/1.4 monospace }}
pre.text {{ white-space: pre-wrap; overflow-wrap: anywhere }}
table {{ border-collapse: collapse }}
th, td {{ border: 1px solid #8888; padding: .2rem .5rem }}
blockquote {{ margin-left: 0; padding-left: 1rem; border-left: 3px solid #8888 }}
footer, summary {{ opacity: .7 }}
</style>
</head>
<body>
<h1>{title}</h1>
"""


def export_turns(name: str, turns: Sequence[TurnRecord], form: str, file: Path | None) -> None:
    """Write the turns as `md`, `json` or `html` to the file, else to stdout. Raises WriteError."""
    match form:
        case "json":
            text = dump_json([turn_object(turn) for turn in turns]) + "\n"
        case "html":
            text = html(name, turns)
        case _:
            text = markdown(name, turns)
    if file is not None:
        write_atomically(file, text, mode=None)
    else:
        print_text(sanitize(text) if form == "md" and is_terminal(sys.stdout) else text)


def markdown(session: str, turns: Sequence[TurnRecord]) -> str:
    """The whole session. Question and reasoning are quoted, the answer stands as it was sent.

    Control characters are spelled out; a code block that an answer left open is closed.
    """
    parts = [f"# {single_line(session)}"]
    for number, turn in enumerate(turns, 1):
        parts += _markdown_parts(number, turn)
    return "\n\n".join(parts) + "\n"


def _markdown_parts(number: int, turn: TurnRecord) -> Iterator[str]:
    yield f"## {number}"
    yield _quoted(turn.start.prompt)
    if turn.reasoning.strip():
        yield f"### Reasoning{_by(turn, Stage.REASON)}"
        yield _quoted(turn.reasoning)
    if turn.own_thinking.strip():
        yield f"### Reasoning{_by(turn, Stage.ANSWER)}"
        yield _quoted(turn.own_thinking)
    yield f"### Answer{_by(turn, Stage.ANSWER)}"
    if answer := _closed(sanitize(turn.answer, Sink.PIPE).strip("\n")):
        yield answer
    if calls := _calls(turn):
        yield _quoted(calls)
    if not (answer or calls):
        yield "(none)"
    if turn.sources and not parse_sources(turn.answer):
        yield "\n".join(
            f"- {single_line(s.title, 200)} <{single_line(s.url, 2000)}>" for s in turn.sources
        )
    if turn.stages:
        yield f"*{single_line(turn_summary(turn), 200)}{'' if turn.complete else ' · incomplete'}*"


def _quoted(text: str) -> str:
    lines = sanitize(text, Sink.PIPE).strip("\n").split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _closed(answer: str) -> str:
    """The answer, with the fence that its end left open."""
    from markdown_it import MarkdownIt

    for token in MarkdownIt().parse(f"{answer}\n\n{LAST_WORD}"):
        if token.type == "fence" and token.level == 0 and token.content.endswith(LAST_WORD):
            return f"{answer}\n{token.markup}"
    return answer


def html(name: str, turns: Sequence[TurnRecord]) -> str:
    """The document. Texts of users and models are escaped; links are shown, not made."""
    title = escape(single_line(name))
    sections = (part for turn in turns for part in _section(turn))
    document = "\n".join([HEAD.format(title=title), *sections, "</body>", "</html>"]) + "\n"
    return sanitize(document)  # what an entity in the Markdown brought back


def _section(turn: TurnRecord) -> Iterator[str]:
    yield f'<section id="{escape(turn.start.id)}">'
    yield f"<h2>{escape(single_line(turn.start.prompt))}</h2>"
    yield _as_sent(turn.start.prompt)
    if turn.reasoning.strip():
        yield f"<details><summary>Reasoning{escape(_by(turn, Stage.REASON))}</summary>"
        yield _as_sent(turn.reasoning)
        yield "</details>"
    if turn.own_thinking.strip():
        yield f"<details><summary>Reasoning{escape(_by(turn, Stage.ANSWER))}</summary>"
        yield _as_sent(turn.own_thinking)
        yield "</details>"
    yield f"<h3>Answer{escape(_by(turn, Stage.ANSWER))}</h3>"
    calls = _calls(turn)
    if turn.answer.strip():
        yield _rendered(turn.answer)
    if calls:
        yield _as_sent(calls)
    if not (turn.answer.strip() or calls):
        yield "<p>(none)</p>"
    if turn.sources and not parse_sources(turn.answer):
        yield "<ol>"
        for source in turn.sources:
            entry = f"{single_line(source.title, 200)} <{single_line(source.url, 2000)}>"
            yield f"<li>{escape(entry)}</li>"
        yield "</ol>"
    yield f"<footer>{escape(_summary(turn))}</footer>"
    yield "</section>"


def _calls(turn: TurnRecord) -> str:
    """A line for each call of a client's tool that the answer has."""
    return "\n".join(describe_call(call, full=True) for call in turn.calls)


def _by(turn: TurnRecord, name: Stage) -> str:
    stage = turn.stages.get(name)
    return f" · {single_line(stage.served_model or stage.model)}" if stage else ""


def _summary(turn: TurnRecord) -> str:
    summary = turn_summary(turn) if turn.stages else ""
    status = "" if turn.complete else "incomplete"
    return single_line(" · ".join(filter(None, [turn.start.id, summary, status])), 300)


def _as_sent(text: str) -> str:
    safe = sanitize(text).strip("\n")
    return f'<pre class="text" dir="auto">{escape(safe)}</pre>'


def _rendered(text: str) -> str:
    """The text's Markdown as HTML; HTML in it is text."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST})
    parser.enable(["table", "strikethrough"]).disable(list(LOADED_OR_LEFT))
    tokens = parser.parse(sanitize(text))
    if any(token.level >= DEEPEST - 1 for token in tokens):
        return _as_sent(text)
    body: str = parser.renderer.render(tokens, parser.options, {})
    return f'<div dir="auto">\n{body}</div>'
