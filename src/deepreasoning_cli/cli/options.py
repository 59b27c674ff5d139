"""The options that commands share, each defined once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Color(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Backend(StrEnum):
    """Who answers."""

    AUTO = "auto"
    DIRECT = "direct"
    GATEWAY = "gateway"
    DEMO = "demo"


class HandoffChoice(StrEnum):
    """What Claude is given of the reasoner's work."""

    REASONING = "reasoning"
    ANSWER = "answer"
    BOTH = "both"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Globals:
    """What was said before the command's name."""

    config: Path | None = None
    debug: bool = False
    quiet: bool = False
    color: str = "auto"


def globals_of(context: typer.Context) -> Globals:
    """The global options of this run."""
    given = context.find_root().obj
    return given if isinstance(given, Globals) else Globals()


MODELS, OUTPUT, INPUT, LIMITS = "Models", "Output", "Input", "Limits"

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Claude model that answers: sonnet, haiku, opus or an id.",
        rich_help_panel=MODELS,
    ),
]
ReasonerOption = Annotated[
    str | None,
    typer.Option(
        "--reasoner",
        "-r",
        metavar="NAME",
        help="Reasoner that thinks: deepseek, openrouter, … or one of your own.",
        rich_help_panel=MODELS,
    ),
]
BackendOption = Annotated[
    Backend | None,
    typer.Option("--backend", help="Who is called; demo calls no model.", rich_help_panel=MODELS),
]
SystemOption = Annotated[
    str | None,
    typer.Option(
        "--system", "-s", metavar="TEXT", help="System prompt for both.", rich_help_panel=MODELS
    ),
]
HandoffOption = Annotated[
    HandoffChoice | None,
    typer.Option(
        "--handoff",
        help="What Claude gets of the reasoner's work; none asks Claude alone.",
        rich_help_panel=MODELS,
    ),
]
TemperatureOption = Annotated[
    float | None,
    typer.Option("--temperature", "-t", min=0, max=2, help="0 to 2.", rich_help_panel=MODELS),
]
TopPOption = Annotated[
    float | None,
    typer.Option("--top-p", min=0, max=1, help="0 to 1.", rich_help_panel=MODELS),
]
MaxTokensOption = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        min=1,
        max=65536,
        help="Longest answer, in tokens of Claude's.",
        rich_help_panel=LIMITS,
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=1,
        metavar="SECONDS",
        help="Give up when nothing has come for so long.",
        rich_help_panel=LIMITS,
    ),
]


class OnCap(StrEnum):
    """What gives way to a cap."""

    STOP = "stop"
    ANSWER = "answer"


MaxCostOption = Annotated[
    str | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="Stop when this question has cost so much.",
        rich_help_panel=LIMITS,
    ),
]
OnCapOption = Annotated[
    OnCap | None,
    typer.Option(
        "--on-cap",
        help="answer: stop the reasoner early, so that Claude can answer.",
        rich_help_panel=LIMITS,
    ),
]
FileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="Text file to put in front of the prompt; - is stdin. Repeatable.",
        rich_help_panel=INPUT,
    ),
]
NoStdinOption = Annotated[
    bool,
    typer.Option("--no-stdin", help="Do not read piped text.", rich_help_panel=INPUT),
]
ReasoningFromOption = Annotated[
    str | None,
    typer.Option(
        "--reasoning-from",
        metavar="ID|last|FILE",
        help="Use reasoning that is there already; the reasoner is not called or paid.",
        rich_help_panel=INPUT,
    ),
]
ReasoningOption = Annotated[
    str | None,
    typer.Option(
        "--reasoning",
        metavar="show|hide|only|stderr|FILE",
        help="Where the chain of thought goes; only stops before Claude.",
        rich_help_panel=OUTPUT,
    ),
]
WebOption = Annotated[
    bool | None,
    typer.Option(
        "--web/--no-web",
        "-w",
        help="Search the web first, with Linkup.",
        rich_help_panel=INPUT,
        show_default=False,
    ),
]
WebOptionalOption = Annotated[
    bool,
    typer.Option(
        "--web-optional",
        help="Answer without the search where it cannot be had.",
        rich_help_panel=INPUT,
    ),
]
NoSourcesOption = Annotated[
    bool,
    typer.Option(
        "--no-sources", help="No list of sources under the answer.", rich_help_panel=OUTPUT
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON object.", rich_help_panel=OUTPUT)
]
JsonlOption = Annotated[
    bool,
    typer.Option("--jsonl", help="One JSON event a line, at once.", rich_help_panel=OUTPUT),
]
PlainOption = Annotated[
    bool,
    typer.Option("--plain", help="Text without panels or rendering.", rich_help_panel=OUTPUT),
]
RawOption = Annotated[
    bool,
    typer.Option(
        "--raw", help="Exact bytes of the answer; not on a terminal.", rich_help_panel=OUTPUT
    ),
]
ExtractOption = Annotated[
    bool,
    typer.Option(
        "--extract",
        "-x",
        help="Only the last code block; --extract=LANG the last one in LANG.",
        rich_help_panel=OUTPUT,
    ),
]
ExtractLanguageOption = Annotated[
    str | None, typer.Option("--extract-language", hidden=True, metavar="LANG")
]
ExtractAllOption = Annotated[
    bool,
    typer.Option("--extract-all", help="Only the code blocks, all.", rich_help_panel=OUTPUT),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write the answer to FILE, when it is whole.",
        rich_help_panel=OUTPUT,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the requests and an estimate; send nothing.",
        rich_help_panel=LIMITS,
    ),
]
NoStreamOption = Annotated[
    bool,
    typer.Option(
        "--no-stream", help="Print when all is there, not as it comes.", rich_help_panel=OUTPUT
    ),
]
AllowEmptyOption = Annotated[
    bool,
    typer.Option(
        "--allow-empty-reasoning",
        help="Ask Claude even if the reasoner brought nothing.",
        rich_help_panel=MODELS,
    ),
]
ContinueOption = Annotated[
    bool,
    typer.Option("--continue", "-c", help="Go on from the last turn.", rich_help_panel=INPUT),
]
SessionOption = Annotated[
    str | None,
    typer.Option(
        "--session",
        metavar="NAME",
        help="Go on in this session; a new name begins one.",
        rich_help_panel=INPUT,
    ),
]
CopyOption = Annotated[
    bool,
    typer.Option("--copy", help="Copy the answer to the clipboard too.", rich_help_panel=OUTPUT),
]
NoSaveOption = Annotated[
    bool,
    typer.Option("--no-save", help="Keep nothing on disk.", rich_help_panel=OUTPUT),
]
