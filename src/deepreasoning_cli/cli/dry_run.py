"""`ask --dry-run`: the requests, keys masked, and what they would cost. Nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, cast

import typer

from deepreasoning_cli.pipeline.events import Prompt, Stage
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage, decimal_usd, format_usd
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, answer_prompt
from deepreasoning_cli.pipeline.search import LONGEST_QUERY, Search, Searcher
from deepreasoning_cli.pipeline.stage import Provider, input_usage
from deepreasoning_cli.sanitize import dump_json, sanitize
from deepreasoning_cli.transport import Request

NOT_YET = "(the reasoner's text stands here)"


class Sending(Protocol):
    """A provider that sends requests; the demo is none."""

    def request(self, prompt: Prompt) -> Request:
        """The call it would make."""


class SendingSearch(Searcher, Protocol):
    """A search that sends requests."""

    def request(self, query: str) -> Request:
        """The call it would make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage as it would be called; the tokens are estimates.

    `cache_write_tokens` of the `input_tokens` are written to the vendor's cache, or read from it
    where it has them.
    """

    stage: Stage
    model: str
    request: Request | None
    input_tokens: int
    rates: RateCard | None
    price: Decimal | None = None
    """USD for the call itself, whatever it reads and writes."""
    cache_write_tokens: int = 0

    def shown_request(self) -> dict[str, Any] | None:
        """The request with its key masked."""
        if self.request is None:
            return None
        return {
            "method": self.request.method,
            "url": self.request.url,
            "headers": self.request.all_headers(show_key=False),
            "body": self.request.body,
        }

    def input_cost(self) -> Decimal | None:
        """USD for the input alone, all of it new to the cache."""
        if self.price is not None:
            return self.price
        usage = Usage(self.input_tokens, 0, cache_write_tokens=self.cache_write_tokens)
        return self._rates.cost(usage) if self._rates else None

    def thousand_tokens(self) -> Decimal | None:
        """USD for each thousand tokens written."""
        if self.price is not None:
            return Decimal(0)
        return None if self._rates is None else self._rates.output / 1000

    @property
    def words(self) -> str:
        """`4,100 tokens in, ≈$0.0100, or ≈$0.0008 where the cache has 3,900 of them; each 1,000
        tokens out $0.0100`.
        """
        words = f"{self.input_tokens:,} tokens in, {format_usd(self.input_cost(), estimated=True)}"
        if self._rates and self.cache_write_tokens:
            found = Usage(self.input_tokens, 0, cached_tokens=self.cache_write_tokens)
            least = format_usd(self._rates.cost(found), estimated=True)
            words += f", or {least} where the cache has {self.cache_write_tokens:,} of them"
        return f"{words}; each 1,000 tokens out {format_usd(self.thousand_tokens())}"

    @property
    def _rates(self) -> Rates | None:
        return self.rates.at(datetime.now(UTC), self.input_tokens) if self.rates else None


def steps(plan: Plan) -> Iterator[Step]:
    """The stages of `plan`, Claude's with a place-holder for what the reasoner would write."""
    if plan.search:
        yield _search(plan.search)
    if plan.reasoner and not plan.reused:
        yield _step(Stage.REASON, plan.reasoner, plan.prompt)
    if plan.answerer:
        work = plan.reused or _to_come(plan)
        yield _step(Stage.ANSWER, plan.answerer, answer_prompt(plan, work))


def _search(search: Search) -> Step:
    searcher = cast(SendingSearch, search.searcher)
    query = search.query[:LONGEST_QUERY]
    return Step(
        stage=Stage.SEARCH,
        model=searcher.name,
        request=searcher.request(query),
        input_tokens=0,
        rates=None,
        price=searcher.price,
    )


def _to_come(plan: Plan) -> ReasonerOutput:
    return (
        ReasonerOutput(NOT_YET, NOT_YET, plan.reasoner.model) if plan.reasoner else ReasonerOutput()
    )


def _step(stage: Stage, provider: Provider, prompt: Prompt) -> Step:
    sending = hasattr(provider, "request")
    request = cast(Sending, provider).request(prompt) if sending else None
    read = input_usage(provider, prompt)
    return Step(
        stage=stage,
        model=provider.model,
        request=request,
        input_tokens=read.input_tokens,
        rates=provider.rates,
        cache_write_tokens=read.cache_write_tokens,
    )


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Print the steps on stdout, as text or as one JSON object."""
    if as_json:
        typer.echo(
            dump_json({"backend": plan.backend, "stages": [_object(s) for s in steps(plan)]})
        )
        return
    for step in steps(plan):
        typer.echo(sanitize("\n".join(_lines(step))))


def _object(step: Step) -> dict[str, Any]:
    return {
        "stage": str(step.stage),
        "model": step.model,
        "request": step.shown_request(),
        "input_tokens": step.input_tokens,
        "estimated": True,
        "input_cost_usd": decimal_usd(step.input_cost()),
        "output_cost_usd_per_1k_tokens": decimal_usd(step.thousand_tokens()),
    }


def _lines(step: Step) -> Iterator[str]:
    yield f"# {step.stage}: {step.model}"
    request = step.shown_request()
    if request is None:
        yield "nothing would be sent: the demo calls no model"
    else:
        yield f"{request['method']} {request['url']}"
        yield from (f"{name}: {value}" for name, value in request["headers"].items())
        yield ""
        yield json.dumps(request["body"], ensure_ascii=False, indent=2)
    yield ""
    yield f"estimate: {step.words}"
    yield ""
