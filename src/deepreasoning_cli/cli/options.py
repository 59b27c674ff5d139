"""The options that commands share, each defined once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import typer

from deepreasoning_cli.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from deepreasoning_cli.connect import LastOrigin

Options = TypeVar("Options", bound="DataclassInstance")


Backend = Literal["auto", "direct", "gateway", "demo"]
Visibility = Literal["show", "tail", "hide"]
"""How the chain of thought is shown: all of it, its last rows and then one line, or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalOptions:
    """The options that stand before the command's name, and what was begun before they were read.

    `last_origin` is None where the words of the call do not plainly ask the same host again.
    """

    config: Path | None = None
    debug: bool = False
    quiet: bool = False
    color: str = "auto"
    last_origin: LastOrigin | None = None


def global_options_of(context: typer.Context) -> GlobalOptions:
    """The global options of this run."""
    options = context.find_root().obj
    return options if isinstance(options, GlobalOptions) else GlobalOptions()


SETTINGS: Final = {
    **{name: name for name in ("model", "reasoner", "answerer", "fallback", "backend")},
    **{name: name for name in ("handoff", "temperature", "top_p")},
    **{name: name for name in ("effort", "think", "max_reasoning")},
    **{name: name for name in ("max_tokens", "max_cost", "on_cap", "timeout")},
    "web": "web_search_linkup",
    "no_sources": "disable_formatting",
}
"""The parameters of commands that override a setting, with the setting's name."""


def settings_from(
    params: Mapping[str, Any], names: Mapping[str, str] = SETTINGS
) -> dict[str, object]:
    """The settings that a command's parameters override; a flag that is absent overrides none."""
    return {
        names[name]: value
        for name, value in params.items()
        if name in names and value not in (None, ())
    }


def at_most_one(flags: Mapping[str, bool]) -> None:
    """Raise UsageError where two of these flags, by name, are set."""
    names = [name for name, is_set in flags.items() if is_set]
    if len(names) > 1:
        raise UsageError(f"{names[0]} and {names[1]} exclude each other", hint="choose one")


def build_options(cls: type[Options], params: Mapping[str, Any], **others: object) -> Options:
    """The dataclass `cls`: each field is one of `others`, or the parameter of its name."""
    names = {field.name for field in fields(cls)}
    return cls(**{name: value for name, value in params.items() if name in names} | others)


MODELS, OUTPUT, INPUT, LIMITS = "Models", "Output", "Input", "Limits"
models_option = partial(typer.Option, rich_help_panel=MODELS)
output_option = partial(typer.Option, rich_help_panel=OUTPUT)
input_option = partial(typer.Option, rich_help_panel=INPUT)
limits_option = partial(typer.Option, rich_help_panel=LIMITS)

ModelOption = Annotated[
    str | None,
    models_option(
        "--model",
        "-m",
        metavar="NAME",
        help="Claude model that answers: sonnet, haiku, opus or an id.",
    ),
]
ReasonerOption = Annotated[
    str | None,
    models_option(
        "--reasoner",
        "-r",
        metavar="NAME",
        help="Reasoner that thinks: deepseek, openrouter, … or one of your own.",
    ),
]
AnswererOption = Annotated[
    str | None,
    models_option(
        "--answerer",
        "-a",
        metavar="NAME",
        help="Host that answers: anthropic, openrouter, ollama, … or one of your own.",
    ),
]
FallbackOption = Annotated[
    list[str] | None,
    models_option(
        "--fallback",
        metavar="NAME",
        help="Host that is asked where the reasoner or the answerer cannot be. Repeatable.",
    ),
]
BackendOption = Annotated[
    Backend | None,
    models_option(
        "--backend",
        metavar="NAME",
        help="Who is called: auto, direct, gateway or demo, which calls no model.",
    ),
]
SystemOption = Annotated[
    str | None, models_option("--system", "-s", metavar="TEXT", help="System prompt for both.")
]
HandoffOption = Annotated[
    Literal["reasoning", "answer", "both", "none"] | None,
    models_option(
        "--handoff",
        metavar="WHAT",
        help="What Claude gets of the reasoner's work: reasoning, answer, both or none.",
    ),
]
EffortOption = Annotated[
    Literal["auto", "none", "low", "medium", "high", "xhigh", "max"] | None,
    models_option(
        "--effort",
        metavar="LEVEL",
        help="How much Claude thinks: auto, none, low, medium, high, xhigh or max.",
    ),
]
ThinkOption = Annotated[
    Literal["auto", "low", "medium", "high", "max"] | None,
    models_option(
        "--think",
        metavar="LEVEL",
        help="How much the reasoner thinks: auto, low, medium, high or max.",
    ),
]
MaxReasoningOption = Annotated[
    str | None,
    limits_option(
        "--max-reasoning",
        metavar="TOKENS|SECONDS",
        help="Answer after so much thinking: 4000 tokens, or 90s.",
    ),
]
TemperatureOption = Annotated[
    float | None,
    models_option("--temperature", "-t", metavar="NUMBER", min=0, max=2, help="0 to 2."),
]
TopPOption = Annotated[
    float | None, models_option("--top-p", metavar="NUMBER", min=0, max=1, help="0 to 1.")
]
MaxTokensOption = Annotated[
    int | None,
    limits_option("--max-tokens", min=1, max=65536, help="Longest answer, in tokens of Claude's."),
]
TimeoutOption = Annotated[
    float | None,
    limits_option(
        "--timeout", min=1, metavar="SECONDS", help="Give up when nothing has come for so long."
    ),
]

MaxCostOption = Annotated[
    str | None,
    limits_option("--max-cost", metavar="USD", help="Stop when this question has cost so much."),
]
OnCapOption = Annotated[
    Literal["stop", "answer"] | None,
    limits_option("--on-cap", help="answer: stop the reasoner early, so that Claude can answer."),
]
FileOption = Annotated[
    list[str] | None,
    input_option(
        "--file",
        "-f",
        metavar="FILE",
        help="Text file to put in front of the prompt; - is stdin. Repeatable.",
    ),
]
NoStdinOption = Annotated[bool, input_option("--no-stdin", help="Do not read piped text.")]
ReasoningFromOption = Annotated[
    str | None,
    input_option(
        "--reasoning-from",
        metavar="ID|last|FILE",
        help="Use reasoning that is there already; the reasoner is not called or paid.",
    ),
]
ReasoningOption = Annotated[
    str | None,
    output_option(
        "--reasoning",
        metavar="show|tail|hide|only|stderr|FILE",
        help="Where the chain of thought goes: tail shows its last rows, then one line; only stops"
        " before Claude.",
    ),
]
WebOption = Annotated[
    bool | None,
    input_option(
        "--web/--no-web", "-w", help="Search the web first, with Linkup.", show_default=False
    ),
]
WebOptionalOption = Annotated[
    bool, input_option("--web-optional", help="Answer without the search where it cannot be had.")
]
NoSourcesOption = Annotated[
    bool | None, output_option("--no-sources", help="No list of sources under the answer.")
]
JsonOption = Annotated[bool, output_option("--json", help="One JSON object.")]
JsonlOption = Annotated[bool, output_option("--jsonl", help="One JSON event a line, at once.")]
PlainOption = Annotated[bool, output_option("--plain", help="Text without panels or rendering.")]
RawOption = Annotated[
    bool, output_option("--raw", help="Exact bytes of the answer; not on a terminal.")
]
ExtractOption = Annotated[
    bool,
    output_option(
        "--extract", "-x", help="Only the last code block; -x LANG the last one in LANG."
    ),
]
ExtractLanguageOption = Annotated[
    str | None, typer.Option("--extract-language", hidden=True, metavar="LANG")
]
ExtractAllOption = Annotated[
    bool, output_option("--extract-all", help="Only the code blocks, all.")
]
OutputOption = Annotated[
    Path | None,
    output_option(
        "--output", "-o", metavar="FILE", help="Write the answer to FILE, when it is whole."
    ),
]
DryRunOption = Annotated[
    bool, limits_option("--dry-run", help="Print the requests and an estimate; send nothing.")
]
NoStreamOption = Annotated[
    bool, output_option("--no-stream", help="Print when all is there, not as it comes.")
]
AllowEmptyOption = Annotated[
    bool,
    models_option(
        "--allow-empty-reasoning", help="Ask Claude even if the reasoner brought nothing."
    ),
]
ContinueOption = Annotated[bool, input_option("--continue", "-c", help="Go on from the last turn.")]
SessionOption = Annotated[
    str | None,
    input_option("--session", metavar="NAME", help="Go on in this session; a new name begins one."),
]
CopyOption = Annotated[bool, output_option("--copy", help="Copy the answer to the clipboard too.")]
NoSaveOption = Annotated[bool, output_option("--no-save", help="Keep nothing on disk.")]
