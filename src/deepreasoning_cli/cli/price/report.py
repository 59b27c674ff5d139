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
from deepreasoning_cli.cli.price import rate_card
from deepreasoning_cli.cli.price.rate_card import PriceContext
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.settings.loaded import LoadedSettings, load_settings
from deepreasoning_cli.views import terminal

DEFAULT_SINCE = "30d"
Output = str | dict[str, object]
"""Text for people (or CSV), an object for programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOptions:
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


def run(given: Globals, options: PriceOptions) -> None:
    """Print it. Raises every kind of DeepReasoningError.

    The rate card needs neither history nor arithmetic, and is quick because it imports neither.
    """
    options.check()
    loaded = load_settings(given.config, options.flags)
    for text in loaded.notes:
        note(given, text)
    output = _output(given, loaded, options, output_width())
    if isinstance(output, str):
        print_text(f"{output}\n")
    else:
        print_json(output)


def _output(
    given: Globals, loaded: LoadedSettings, options: PriceOptions, width: int | None
) -> Output:
    if options.spent:
        return _spending(given, loaded, options, width)
    context = PriceContext.of(loaded, options.backend, web=options.web)
    if options.counts_tokens:
        return _bill(given, context, options, width)
    prompt = _prompt(options)
    if prompt is not None:
        return _estimate(given, context, prompt, options, width)
    return rate_card.as_json(context) if options.json else rate_card.text(context, width)


def _at_most_one(flags: Mapping[str, bool]) -> None:
    given = [name for name, wanted in flags.items() if wanted]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other", hint="choose one")


def _spending(
    given: Globals, loaded: LoadedSettings, options: PriceOptions, width: int | None
) -> Output:
    """What was spent. Raises UsageError for a time that is none, and without a history."""
    from deepreasoning_cli.cli.price import spending

    start = parse_time("--since", options.since or DEFAULT_SINCE)
    rows = spending.read_spending(given, loaded, start)
    if rows is None:
        raise UsageError(
            "there is no history to add up", kind="no_history", hint="ask something first"
        )
    found = spending.SpendingReport(rows, start, options.by or "day")
    if options.json:
        return spending.as_json(found)
    if options.csv:
        return spending.as_csv(found)
    return spending.text(found, width, unicode=terminal.is_unicode(sys.stdout))


def _bill(
    given: Globals, context: PriceContext, options: PriceOptions, width: int | None
) -> Output:
    """The bill for given tokens. Raises UsageError for more than the models take."""
    from deepreasoning_cli.cli.price import bill

    if options.counts[1] is None and (context.on_gateway or context.reasoner()):
        note(given, "no chain of thought is counted; --reasoning-tokens N adds it")
    pair, tokens = (
        context.pair(context.model()),
        bill.Tokens(*(count or 0 for count in options.counts)),
    )
    bill.require_possible(pair, tokens)
    return bill.as_json(pair, tokens) if options.json else bill.text(pair, tokens, width)


def _estimate(
    given: Globals, context: PriceContext, prompt: str, options: PriceOptions, width: int | None
) -> Output:
    """What the prompt would cost on each model. Raises what counting and the history raise."""
    from deepreasoning_cli.cli.price import estimate
    from deepreasoning_cli.cli.price.spending import read_spending
    from deepreasoning_cli.pipeline.money import estimate_tokens

    counts = estimate.exact_counts(context, prompt, given) if options.exact else {}
    usage = estimate.UsageForecast.of(read_spending(given, context.view.loaded) or ())
    found = estimate.PriceEstimate(context, usage, estimate_tokens(prompt), counts)
    return estimate.as_json(found) if options.json else estimate.text(found, width)


def _prompt(options: PriceOptions) -> str | None:
    """The prompt to price; None where there is none. Raises UsageError for unreadable input."""
    asked = bool(options.words or options.files)
    try:
        return read_prompt(
            options.words, options.files, use_stdin=options.use_stdin, announce=write_stderr
        )
    except UsageError as error:
        if asked or error.kind != "empty_prompt":
            raise
        return None
