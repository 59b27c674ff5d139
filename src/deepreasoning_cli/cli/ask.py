"""`deepreasoning ask`: reason, then answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.typer_hooks import RewritingCommand

if TYPE_CHECKING:
    from deepreasoning_cli.settings.loaded import LoadedSettings

EPILOG = (
    "Exit codes: 0 done · 2 usage · 3 set-up · 4 refused · 5 unavailable · 6 incomplete"
    " · 7 cannot write · 130 interrupted"
)


LANGUAGES = frozenset(
    (
        *("bash", "c++", "console", "cpp", "csharp", "css", "dockerfile", "golang", "graphql"),
        *("haskell", "html", "ini", "java", "javascript", "js", "json", "jsx", "kotlin", "latex"),
        *("lua", "makefile", "markdown", "md", "perl", "php", "powershell", "ps1", "py", "python"),
        *("python3", "rb", "rs", "ruby", "rust", "scala", "scss", "sh", "sql", "svg", "swift"),
        *("toml", "ts", "tsx", "typescript", "xml", "yaml", "yml", "zsh"),
    )
)
COMMON_WORDS = frozenset(("c", "d", "diff", "go", "julia", "make", "r", "shell", "text"))
"""Languages, too."""


def _is_language(word: str, following: list[str]) -> bool:
    quoted = any(" " in text for text in following)
    return word.lower() in LANGUAGES or (quoted and word.lower() in COMMON_WORDS)


class AskCommand(RewritingCommand):
    """`ask`, with `--extract=LANG`, `-x=LANG` and `-x LANG` besides the bare flag.

    A word behind the flag is the language if it is a well-known one; one that is a common word
    too, only before a question in quotation marks.
    """

    def rewrite(self, words: list[str]) -> list[str]:
        """Give the language an option of its own, up to `--`."""
        end = words.index("--") if "--" in words else len(words)
        rewritten: list[str] = []
        for place, word in enumerate(words[:end]):
            name, equals, language = word.partition("=")
            if name not in ("--extract", "-x"):
                after_flag = rewritten[-1:] in (["--extract"], ["-x"])
                named = after_flag and _is_language(word, words[place + 1 : place + 2])
                rewritten.append(f"--extract-language={word}" if named else word)
            else:
                rewritten += [name, f"--extract-language={language}"] if equals else [name]
        return rewritten + words[end:]


def ask(
    context: typer.Context,
    prompt: o.PromptArgument = None,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    answerer: o.AnswererOption = None,
    fallback: o.FallbackOption = None,
    backend: o.BackendOption = None,
    system: o.SystemOption = None,
    handoff: o.HandoffOption = None,
    effort: o.EffortOption = None,
    think: o.ThinkOption = None,
    temperature: o.TemperatureOption = None,
    top_p: o.TopPOption = None,
    allow_empty_reasoning: o.AllowEmptyOption = False,
    files: o.FileOption = None,
    web: o.WebOption = None,
    web_optional: o.WebOptionalOption = False,
    no_stdin: o.NoStdinOption = False,
    resume_last: o.ContinueOption = False,
    session: o.SessionOption = None,
    reasoning_from: o.ReasoningFromOption = None,
    reasoning: o.ReasoningOption = None,
    no_sources: o.NoSourcesOption = None,
    json: o.JsonOption = False,
    jsonl: o.JsonlOption = False,
    plain: o.PlainOption = False,
    raw: o.RawOption = False,
    extract: o.ExtractOption = False,
    language: o.ExtractLanguageOption = None,
    extract_all: o.ExtractAllOption = False,
    output: o.OutputOption = None,
    copy: o.CopyOption = False,
    no_stream: o.NoStreamOption = False,
    no_save: o.NoSaveOption = False,
    max_reasoning: o.MaxReasoningOption = None,
    stop: o.StopOption = None,
    max_tokens: o.MaxTokensOption = None,
    max_cost: o.MaxCostOption = None,
    on_cap: o.OnCapOption = None,
    timeout: o.TimeoutOption = None,
    record: o.RecordOption = None,
    replay: o.ReplayOption = None,
    replay_pace: o.ReplayPaceOption = None,
    dry_run: o.DryRunOption = False,
) -> None:
    """Ask a question: the reasoner thinks, Claude answers.

    Piped text is put in front of the question; without a question, it is the question.
    """
    params, global_options = context.params, o.global_options_of(context)
    settings = o.settings_from(params)
    loaded = _connect_and_load(global_options, settings)
    from deepreasoning_cli.cli import runner
    from deepreasoning_cli.cli.output import OutputOptions

    options = o.build_options(
        runner.AskOptions,
        params,
        settings=settings,
        output=o.build_options(OutputOptions, params),
        use_stdin=not no_stdin,
        save=not no_save,
    )
    runner.ask(global_options, options, loaded)


def _connect_and_load(
    global_options: o.GlobalOptions, settings: Mapping[str, object]
) -> LoadedSettings:
    """The settings; where they plainly say who is asked first, a connection there is begun.

    It is being opened while all that runs a turn is imported.
    """
    from deepreasoning_cli.settings.loaded import load_settings

    loaded = load_settings(global_options.config, settings)
    if (last := global_options.last_origin) and not loaded.settings.is_replay:
        from deepreasoning_cli.wiring.backend import likely_origin
        from deepreasoning_cli.wiring.resources import current_catalog

        if origin := likely_origin(loaded, current_catalog(loaded)):
            last.expect(origin, loaded.settings.timeout)
    return loaded
