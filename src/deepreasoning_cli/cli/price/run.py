"""What `price` does once its flags are known: which of its four forms is meant, and its text."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.price import counted, forecast, ratecard, spent
from deepreasoning_cli.cli.price.bill import Tokens
from deepreasoning_cli.cli.price.exact import exact_counts
from deepreasoning_cli.cli.price.outlook import Outlook
from deepreasoning_cli.cli.price.scope import Scope
from deepreasoning_cli.cli.price.since import parse_since
from deepreasoning_cli.cli.turns import Turns
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.money import estimate_tokens
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.views import console

DEFAULT_SINCE = "30d"


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


def run(given: Globals, wish: Wish) -> str:
    """What to print. Raises every kind of DeepReasoningError but WriteError."""
    wish.check()
    width = console.size()[0] if console.is_terminal(sys.stdout) else None
    with Turns(given) as turns:
        loaded = turns.load(wish.flags)
        if wish.spent:
            return _spent(turns, wish, width)
        scope = Scope.of(loaded, wish.backend, web=wish.web)
        if wish.counts_tokens:
            return _counted(turns, scope, wish, width)
        prompt = _prompt(wish)
        if prompt is None:
            return ratecard.as_json(scope) if wish.json else ratecard.text(scope, width)
        counts = exact_counts(scope, prompt, turns.say, given) if wish.exact else {}
        outlook = Outlook.of(turns.spending() or ())
        found = forecast.Forecast(scope, outlook, estimate_tokens(prompt), counts)
        return forecast.as_json(found) if wish.json else forecast.text(found, width)


def _at_most_one(flags: Mapping[str, bool]) -> None:
    given = [name for name, wanted in flags.items() if wanted]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other", hint="choose one")


def _spent(turns: Turns, wish: Wish, width: int | None) -> str:
    """What was spent. Raises UsageError for a time that is none, and without a history."""
    start = parse_since(wish.since or DEFAULT_SINCE, datetime.now(UTC))
    rows = turns.spending(start)
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


def _counted(turns: Turns, scope: Scope, wish: Wish, width: int | None) -> str:
    """The bill for given tokens. Raises UsageError for more than the models take."""
    if wish.counts[1] is None and (scope.on_gateway or scope.reasoner()):
        turns.say("note", "no chain of thought is counted; --reasoning-tokens N adds it")
    pair, tokens = scope.pair(scope.model()), Tokens(*(count or 0 for count in wish.counts))
    counted.demand_possible(pair, tokens)
    return counted.as_json(pair, tokens) if wish.json else counted.text(pair, tokens, width)


def _prompt(wish: Wish) -> str | None:
    """The prompt to price; None where there is none. Raises UsageError for unreadable input."""
    asked = bool(wish.words or wish.files)
    try:
        return read_prompt(wish.words, wish.files, use_stdin=wish.use_stdin, announce=write_stderr)
    except UsageError as error:
        if asked or error.kind != "empty_prompt":
            raise
        return None
