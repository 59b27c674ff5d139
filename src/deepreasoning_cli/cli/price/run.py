"""What `price` does once its flags are known: which of its four forms is meant, and its text."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.dates import parse_time
from deepreasoning_cli.cli.messages import note
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.pager import output_width, print_json, print_text
from deepreasoning_cli.cli.price import ratecard
from deepreasoning_cli.cli.price.scope import Scope
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.settings import Settings
from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.views import console

DEFAULT_SINCE = "30d"
Shown = str | dict[str, object]
"""Text for people (or CSV), an object for programs."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line; `counts` are tokens of question, chain of thought and answer."""

    words: Sequence[str] = ()
    files: Sequence[str] = ()
    use_stdin: bool = True
    counts: tuple[int | None, int | None, int | None] = (None, None, None)
    flags: Mapping[str, str | None] = field(default_factory=dict)
    backend: str | None = None
    web: bool = False
    exact: bool = False
    spent: bool = False
    since: str | None = None
    by: str | None = None
    json: bool = False
    csv: bool = False

    @property
    def counts_tokens(self) -> bool:
        """Whether the bill for given tokens is asked for."""
        return any(count is not None for count in self.counts)

    def check(self) -> None:
        """Raise UsageError for flags that contradict or that nothing asks for."""
        prompt = bool(self.words or self.files)
        _at_most_one({"--spent": self.spent, "--input": self.counts_tokens, "a prompt": prompt})
        _at_most_one({"--json": self.json, "--csv": self.csv})
        only_spent = {"--since": self.since, "--by": self.by, "--csv": self.csv}
        for name, value in only_spent.items():
            if value and not self.spent:
                raise UsageError(f"{name} belongs to --spent", hint=f"price --spent {name} …")
        if self.exact and (self.spent or self.counts_tokens):
            raise UsageError("--exact counts a prompt", hint='price --exact "your question"')


def run(given: Globals, wish: Wish) -> None:
    """Print it. Raises every kind of DeepReasoningError.

    The rate card needs neither history nor arithmetic, and is quick because it imports neither.
    """
    wish.check()
    loaded = Settings.load(given.config, wish.flags)
    for text in loaded.notes:
        note(given, text)
    shown = _shown(given, loaded, wish, output_width())
    if isinstance(shown, str):
        print_text(f"{shown}\n")
    else:
        print_json(shown)


def _shown(given: Globals, loaded: Loaded, wish: Wish, width: int | None) -> Shown:
    if wish.spent:
        return _spent(given, loaded, wish, width)
    scope = Scope.of(loaded, wish.backend, web=wish.web)
    if wish.counts_tokens:
        return _counted(given, scope, wish, width)
    prompt = _prompt(wish)
    if prompt is not None:
        return _forecast(given, scope, prompt, wish, width)
    return ratecard.as_json(scope) if wish.json else ratecard.text(scope, width)


def _at_most_one(flags: Mapping[str, bool]) -> None:
    given = [name for name, wanted in flags.items() if wanted]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other", hint="choose one")


def _spent(given: Globals, loaded: Loaded, wish: Wish, width: int | None) -> Shown:
    """What was spent. Raises UsageError for a time that is none, and without a history."""
    from deepreasoning_cli.cli.price import spent
    from deepreasoning_cli.cli.price.kept import spending

    start = parse_time("--since", wish.since or DEFAULT_SINCE)
    rows = spending(given, loaded, start)
    if rows is None:
        raise UsageError(
            "there is no history to add up", kind="no_history", hint="ask something first"
        )
    found = spent.Spent(rows, start, wish.by or "day")
    if wish.json:
        return spent.as_json(found)
    if wish.csv:
        return spent.as_csv(found)
    return spent.text(found, width, unicode=console.is_unicode(sys.stdout))


def _counted(given: Globals, scope: Scope, wish: Wish, width: int | None) -> Shown:
    """The bill for given tokens. Raises UsageError for more than the models take."""
    from deepreasoning_cli.cli.price import counted
    from deepreasoning_cli.cli.price.bill import Tokens

    if wish.counts[1] is None and (scope.on_gateway or scope.reasoner()):
        note(given, "no chain of thought is counted; --reasoning-tokens N adds it")
    pair, tokens = scope.pair(scope.model()), Tokens(*(count or 0 for count in wish.counts))
    counted.demand_possible(pair, tokens)
    return counted.as_json(pair, tokens) if wish.json else counted.text(pair, tokens, width)


def _forecast(given: Globals, scope: Scope, prompt: str, wish: Wish, width: int | None) -> Shown:
    """What the prompt would cost on each model. Raises what counting and the history raise."""
    from deepreasoning_cli.cli.price import forecast
    from deepreasoning_cli.cli.price.exact import exact_counts
    from deepreasoning_cli.cli.price.kept import spending
    from deepreasoning_cli.cli.price.outlook import Outlook
    from deepreasoning_cli.money import estimate_tokens

    counts = exact_counts(scope, prompt, given) if wish.exact else {}
    outlook = Outlook.of(spending(given, scope.known.loaded) or ())
    found = forecast.Forecast(scope, outlook, estimate_tokens(prompt), counts)
    return forecast.as_json(found) if wish.json else forecast.text(found, width)


def _prompt(wish: Wish) -> str | None:
    """The prompt to price; None where there is none. Raises UsageError for unreadable input."""
    asked = bool(wish.words or wish.files)
    try:
        return read_prompt(wish.words, wish.files, use_stdin=wish.use_stdin, announce=write_stderr)
    except UsageError as error:
        if asked or error.kind != "empty_prompt":
            raise
        return None
