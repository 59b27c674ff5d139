"""What `price` does once its flags are known: prompt, history, counts; then text, JSON or CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deepreasoning_cli import paths, wiring
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.price import counted, forecast, ratecard, spent
from deepreasoning_cli.cli.price.bill import Tokens
from deepreasoning_cli.cli.price.outlook import Outlook
from deepreasoning_cli.cli.price.scope import Scope
from deepreasoning_cli.cli.price.since import parse_since
from deepreasoning_cli.cli.turns import Turns
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError
from deepreasoning_cli.events import Message, Prompt
from deepreasoning_cli.history.adopt import leftovers
from deepreasoning_cli.history.database import NAME
from deepreasoning_cli.history.spending import Spending
from deepreasoning_cli.money import estimate_tokens
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.settings.loaded import Loaded

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Form:
    """How the result is printed: in `width` cells (None: a pipe), as JSON, as CSV."""

    width: int | None
    unicode: bool
    json: bool = False
    csv: bool = False


def of_history(turns: Turns, since: str, by: str, form: Form) -> str:
    """What was spent. Raises UsageError for a time that is none, and without a history."""
    start = parse_since(since, datetime.now(UTC))
    rows = _kept(turns, start)
    if rows is None:
        raise UsageError(
            "there is no history to add up", kind="no_history", hint="ask something first"
        )
    found = spent.Spent(rows, start, by)
    if form.json:
        return spent.as_json(found)
    if form.csv:
        return spent.as_csv(found)
    return spent.text(found, form.width, unicode=form.unicode)


def of_tokens(scope: Scope, tokens: Tokens, form: Form) -> str:
    """The bill for so many tokens. Raises UsageError for more than the models take."""
    pair = scope.pair(scope.model())
    counted.demand_possible(pair, tokens)
    return counted.as_json(pair, tokens) if form.json else counted.text(pair, tokens, form.width)


def of_prompt(turns: Turns, scope: Scope, prompt: str, form: Form, exact: Log | None) -> str:
    """What the question would cost on each model; `exact` logs the calls that count its tokens."""
    counts = _counts(turns, scope, prompt, exact) if exact else {}
    outlook = Outlook.of(_kept(turns, None) or ())
    found = forecast.Forecast(scope, outlook, estimate_tokens(prompt), counts)
    return forecast.as_json(found) if form.json else forecast.text(found, form.width)


def of_models(scope: Scope, form: Form) -> str:
    """The rate card."""
    return ratecard.as_json(scope) if form.json else ratecard.text(scope, form.width)


def asked(words: Sequence[str], files: Sequence[str], *, use_stdin: bool) -> str | None:
    """The prompt to price; None where there is none. Raises UsageError for unreadable input."""
    try:
        return read_prompt(words, files, use_stdin=use_stdin, announce=write_stderr)
    except UsageError as error:
        if error.kind != "empty_prompt" or words or files:
            raise
        return None


def _kept(turns: Turns, since: datetime | None) -> list[Spending] | None:
    """What was paid for; None where nothing was ever kept. Asking does not make a history."""
    folder = paths.data_dir()
    if not (folder / NAME).exists() and not leftovers(folder):
        return None
    with turns.history() as store:
        return store.spending(since)


def _counts(turns: Turns, scope: Scope, prompt: str, log: Log) -> Mapping[str, int]:
    """Anthropic's count for each model; one that cannot be counted is a warning.

    Raises ConfigError without a key.
    """
    from deepreasoning_cli.providers.count import count_tokens
    from deepreasoning_cli.transport.client import ignore

    loaded = scope.known.loaded
    key = loaded.key("anthropic")
    if key is None:
        hint = "export ANTHROPIC_API_KEY=…, or leave --exact out"
        raise ConfigError("--exact needs the key of Anthropic", kind="key_missing", hint=hint)
    base = _base_url(loaded, scope)
    question = Prompt((Message("user", prompt),))
    found = {}
    with wiring.connected(loaded, ignore, log) as transport:
        for model in scope.models():
            if scope.known.is_retired(model):
                continue
            try:
                found[model.id] = count_tokens(transport, base, key, model.id, question)
            except ConfigError:
                raise
            except DeepReasoningError as error:
                turns.say("warning", f"{model.id} is estimated: {error.message}")
    return found


def _base_url(loaded: Loaded, scope: Scope) -> str:
    vendor = scope.known.catalog.vendor("anthropic")
    return loaded.settings.base_urls.get("anthropic", vendor.base_url)
