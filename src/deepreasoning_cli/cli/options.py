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
    **{name: name for name in ("effort", "think", "max_reasoning", "stop")},
    **{name: name for name in ("max_tokens", "max_cost", "on_cap", "timeout")},
    "web": "web_search_linkup",
    "no_sources": "disable_formatting",
    "replay_pace": "replay_pace",
}
"""The parameters of commands that override a setting, with the setting's name."""


def settings_from(
    params: Mapping[str, Any], names: Mapping[str, str] = SETTINGS
) -> dict[str, object]:
    """The settings that a command's parameters override; a flag that is absent overrides none."""
    settings: dict[str, object] = {
        names[name]: value
        for name, value in params.items()
        if name in names and value not in (None, ())
    }
    cassettes = [(mode, params[mode]) for mode in ("record", "replay") if params.get(mode)]
    if len(cassettes) > 1:
        raise UsageError("use either --record or --replay", hint="drop one of them")
    settings.update(("cassette", f"{path}:{mode}") for mode, path in cassettes)
    return settings


def at_most_one(flags: Mapping[str, bool]) -> None:
    """Raise UsageError where two of these flags, by name, are set."""
    names = [name for name, is_set in flags.items() if is_set]
    if len(names) > 1:
        raise UsageError(f"use either {names[0]} or {names[1]}", hint="drop one of them")


def build_options(cls: type[Options], params: Mapping[str, Any], **others: object) -> Options:
    """The dataclass `cls`: each field is one of `others`, or the parameter of its name."""
    names = {field.name for field in fields(cls)}
    return cls(**{name: value for name, value in params.items() if name in names} | others)


MODELS, OUTPUT, INPUT, LIMITS = "Models", "Output", "Input", "Limits"
CASSETTES = "Cassettes"
models_option = partial(typer.Option, rich_help_panel=MODELS)
output_option = partial(typer.Option, rich_help_panel=OUTPUT)
input_option = partial(typer.Option, rich_help_panel=INPUT)
limits_option = partial(typer.Option, rich_help_panel=LIMITS)
cassette_option = partial(typer.Option, rich_help_panel=CASSETTES)

PromptArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT", help="Your question; - reads it from stdin."),
]
ModelOption = Annotated[
    str | None,
    models_option(
        "--model",
        "-m",
        metavar="MODEL",
        help="Claude model: sonnet, haiku, opus or an id.",
    ),
]
ReasonerOption = Annotated[
    str | None,
    models_option(
        "--reasoner",
        "-r",
        metavar="NAME",
        help="Reasoner: deepseek, openrouter, … or one of your own.",
    ),
]
AnswererOption = Annotated[
    str | None,
    models_option(
        "--answerer",
        "-a",
        metavar="NAME",
        help="Host of the Claude model: anthropic, openrouter, … or one of your own.",
    ),
]
FallbackOption = Annotated[
    list[str] | None,
    models_option(
        "--fallback",
        metavar="NAME",
        help="Host to use if the reasoner or answerer is unavailable. Repeatable.",
    ),
]
BackendOption = Annotated[
    Backend | None,
    models_option(
        "--backend",
        metavar="NAME",
        help="auto, direct, gateway, or demo (calls no model).",
    ),
]
SystemOption = Annotated[
    str | None,
    models_option("--system", "-s", metavar="TEXT", help="System prompt for both models."),
]
HandoffOption = Annotated[
    Literal["reasoning", "answer", "both", "none"] | None,
    models_option(
        "--handoff",
        metavar="WHAT",
        help="What Claude receives: the reasoning, the reasoner's answer, both, or none.",
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
        help="Stop reasoning after this much and answer: 4000 (tokens) or 90s.",
    ),
]
StopOption = Annotated[
    Literal["end", "settled"] | None,
    limits_option(
        "--stop",
        metavar="WHEN",
        help="When reasoning stops: at its end, or settled: once probes agree on an answer.",
    ),
]
TemperatureOption = Annotated[
    float | None,
    models_option(
        "--temperature", "-t", metavar="NUMBER", min=0, max=2, help="Sampling temperature, 0 to 2."
    ),
]
TopPOption = Annotated[
    float | None,
    models_option("--top-p", metavar="NUMBER", min=0, max=1, help="Nucleus sampling, 0 to 1."),
]
MaxTokensOption = Annotated[
    int | None,
    limits_option(
        "--max-tokens",
        metavar="N",
        min=1,
        max=65536,
        help="Maximum length of Claude's answer, in tokens.",
    ),
]
TimeoutOption = Annotated[
    float | None,
    limits_option(
        "--timeout", min=1, metavar="SECONDS", help="Give up after this many seconds of silence."
    ),
]

MaxCostOption = Annotated[
    str | None,
    limits_option("--max-cost", metavar="USD", help="Stop at this cost."),
]
OnCapOption = Annotated[
    Literal["stop", "answer"] | None,
    limits_option("--on-cap", help="At the cost cap: stop, or answer from the reasoning so far."),
]
FileOption = Annotated[
    list[str] | None,
    input_option(
        "--file",
        "-f",
        metavar="FILE",
        help="Attach a text file; - is stdin. Repeatable.",
    ),
]
NoStdinOption = Annotated[bool, input_option("--no-stdin", help="Ignore piped input.")]
ReasoningFromOption = Annotated[
    str | None,
    input_option(
        "--reasoning-from",
        metavar="ID|last|FILE",
        help="Reuse the reasoning of an earlier turn (ID, last) or a file; skips the reasoner.",
    ),
]
ReasoningOption = Annotated[
    str | None,
    output_option(
        "--reasoning",
        metavar="show|tail|hide|only|stderr|FILE",
        help="Where to print the reasoning: show, tail (its last lines), hide, stderr, FILE;"
        " only prints it and doesn't call Claude.",
    ),
]
ChatReasoningOption = Annotated[
    Visibility | None,
    output_option(
        "--reasoning",
        metavar="show|tail|hide",
        help="How the chain of thought is shown; tail (the default): its last rows, then one line.",
    ),
]
HideReasoningOption = Annotated[bool, typer.Option("--hide-reasoning", hidden=True)]
WebOption = Annotated[
    bool | None,
    input_option("--web/--no-web", "-w", help="Search the web first (Linkup).", show_default=False),
]
WebOptionalOption = Annotated[
    bool, input_option("--web-optional", help="If the search fails, answer without it.")
]
NoSourcesOption = Annotated[
    bool | None, output_option("--no-sources", help="Don't list sources under the answer.")
]
JsonOption = Annotated[bool, output_option("--json", help="Print one JSON object.")]
JsonlOption = Annotated[
    bool, output_option("--jsonl", help="Print one JSON event per line, as it happens.")
]
PlainOption = Annotated[
    bool, output_option("--plain", help="Plain text: no panels, no Markdown rendering.")
]
RawOption = Annotated[
    bool, output_option("--raw", help="Print the answer's exact bytes; not on a terminal.")
]
ExtractOption = Annotated[
    bool,
    output_option(
        "--extract",
        "-x",
        help="Print only the last code block; -x LANG: the last in that language.",
    ),
]
ExtractLanguageOption = Annotated[
    str | None, typer.Option("--extract-language", hidden=True, metavar="LANG")
]
ExtractAllOption = Annotated[
    bool, output_option("--extract-all", help="Print all code blocks and nothing else.")
]
OutputOption = Annotated[
    Path | None,
    output_option(
        "--output", "-o", metavar="FILE", help="Write the answer to FILE (only if it is complete)."
    ),
]
DryRunOption = Annotated[
    bool,
    limits_option("--dry-run", help="Print the requests and the estimated cost; send nothing."),
]
NoStreamOption = Annotated[
    bool, output_option("--no-stream", help="Wait for the whole answer instead of streaming.")
]
AllowEmptyOption = Annotated[
    bool,
    models_option(
        "--allow-empty-reasoning", help="Continue even if the reasoner returned no reasoning."
    ),
]
ContinueOption = Annotated[
    bool, input_option("--continue", "-c", help="Continue the last conversation.")
]
SessionOption = Annotated[
    str | None,
    input_option("--session", metavar="NAME", help="Continue session NAME, or start it."),
]
CopyOption = Annotated[bool, output_option("--copy", help="Also copy the answer to the clipboard.")]
NoSaveOption = Annotated[bool, output_option("--no-save", help="Save nothing to disk.")]
RecordOption = Annotated[
    Path | None,
    cassette_option("--record", metavar="FILE", help="Record all calls of models in FILE."),
]
ReplayOption = Annotated[
    Path | None,
    cassette_option(
        "--replay", metavar="FILE", help="Replay the calls recorded in FILE; nothing is sent."
    ),
]
ReplayPaceOption = Annotated[
    float | None,
    cassette_option(
        "--replay-pace",
        metavar="NUMBER",
        min=0,
        max=1000,
        help="Speed of a replay: 1 as recorded (default on a terminal), 0 at once (in a pipe).",
    ),
]
