"""`price` once its options are known: which of the four reports they ask for, and its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.dates import parse_time
from deepreasoning_cli.cli.messages import load_with_notes, note
from deepreasoning_cli.cli.models import PricedBackend
from deepreasoning_cli.cli.models.model_view import ModelView
from deepreasoning_cli.cli.options import GlobalOptions, at_most_one
from deepreasoning_cli.cli.pager import output_color, output_width, print_json, print_text
from deepreasoning_cli.cli.price.rate_card import FreeReport, PriceContext, RateReport
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.settings.loaded import LoadedSettings

DEFAULT_SINCE = "30d"


class Report(Protocol):
    """What `price` prints: a table for people, an object for programs."""

    def as_text(self, width: int | None, *, color: bool) -> str:
        """The report in at most `width` cells a line; None is a pipe."""

    def as_json(self) -> dict[str, object]:
        """The report as one object; money as decimal strings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOptions:
    """The command line; `counts` are tokens of question, chain of thought and answer."""

    words: Sequence[str]
    files: Sequence[str]
    use_stdin: bool
    counts: tuple[int | None, int | None, int | None]
    flags: Mapping[str, str | None]
    backend: str | None
    web: bool
    exact: bool
    all: bool
    spent: bool
    since: str | None
    by: str | None
    json: bool
    csv: bool

    @property
    def counts_tokens(self) -> bool:
        """Whether a number of tokens is to be priced."""
        return any(count is not None for count in self.counts)

    def check(self) -> None:
        """Raise UsageError for flags that contradict or that nothing asks for."""
        prompt = bool(self.words or self.files)
        at_most_one({"--spent": self.spent, "--input": self.counts_tokens, "a prompt": prompt})
        at_most_one({"--json": self.json, "--csv": self.csv})
        only_spent = {"--since": self.since, "--by": self.by, "--csv": self.csv}
        for name, value in only_spent.items():
            if value and not self.spent:
                raise UsageError(
                    f"{name} needs --spent", hint=f"`deepreasoning price --spent {name} …`"
                )
        if self.exact and (self.spent or self.counts_tokens):
            raise UsageError(
                "--exact counts a prompt", hint='`deepreasoning price --exact "your question"`'
            )


def run(global_options: GlobalOptions, options: PriceOptions) -> None:
    """Print the report. Raises every kind of DeepReasoningError.

    The rate card needs neither history nor arithmetic, and is quick because it imports neither.
    """
    options.check()
    loaded = load_with_notes(global_options, options.flags)
    report = _report(global_options, loaded, options)
    if options.json:
        print_json(report.as_json())
    else:
        print_text(f"{report.as_text(output_width(), color=output_color(global_options))}\n")


def _report(global_options: GlobalOptions, loaded: LoadedSettings, options: PriceOptions) -> Report:
    if options.spent:
        return _spending(global_options, loaded, options)
    if options.backend == PricedBackend.DEMO:
        return FreeReport()
    web = options.web or loaded.settings.web_search_linkup
    newest = not (options.all or options.json)
    context = PriceContext(ModelView.of(loaded, options.backend), web, newest)
    if options.counts_tokens:
        return _bill(global_options, context, options)
    prompt = _prompt(options)
    if prompt is not None:
        return _estimate(global_options, context, prompt, exact=options.exact)
    return RateReport(context)


def _spending(
    global_options: GlobalOptions, loaded: LoadedSettings, options: PriceOptions
) -> Report:
    """What was spent. Raises UsageError for a time that is none, and without a history."""
    from deepreasoning_cli.cli.price import spending

    start = parse_time("--since", options.since or DEFAULT_SINCE)
    rows = spending.read_spending(global_options, loaded, start)
    if rows is None:
        raise UsageError("nothing spent yet", kind="no_history", hint="ask something first")
    kind = spending.SpendingCsv if options.csv else spending.SpendingReport
    return kind(rows, start, options.by or "day")


def _bill(global_options: GlobalOptions, context: PriceContext, options: PriceOptions) -> Report:
    """The bill for so many tokens. Raises UsageError for more than the models take."""
    from deepreasoning_cli.cli.price.bill import Pair, Tokens

    if options.counts[1] is None and context.thinks:
        note(global_options, "no chain of thought is counted; --reasoning-tokens N adds it")
    pair = Pair(context, context.model())
    tokens = Tokens(*(count or 0 for count in options.counts))
    pair.check(tokens)
    return pair.bill(tokens)


def _estimate(
    global_options: GlobalOptions, context: PriceContext, prompt: str, *, exact: bool
) -> Report:
    """What the prompt would cost on each model. Raises what counting and the history raise."""
    from deepreasoning_cli.cli.price import estimate
    from deepreasoning_cli.cli.price.spending import read_spending
    from deepreasoning_cli.pipeline.money import estimate_tokens

    counts = estimate.exact_counts(context, prompt, global_options) if exact else {}
    rows = read_spending(global_options, context.view.loaded) or ()
    forecast = estimate.UsageForecast.of(rows)
    return estimate.PriceEstimate(context, forecast, estimate_tokens(prompt), counts)


def _prompt(options: PriceOptions) -> str | None:
    """The prompt to price; None where there is none. Raises UsageError for unreadable input."""
    try:
        return read_prompt(
            options.words, options.files, use_stdin=options.use_stdin, announce=write_stderr
        )
    except UsageError as error:
        if options.words or options.files or error.kind != "empty_prompt":
            raise
        return None
