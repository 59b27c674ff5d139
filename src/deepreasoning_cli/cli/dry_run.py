"""`ask --dry-run`: print the requests, keys masked, and their estimated cost; send nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import typer

from deepreasoning_cli.pipeline.events import Prompt, Stage
from deepreasoning_cli.pipeline.money import Usage, decimal_usd, format_usd
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, answer_prompt
from deepreasoning_cli.pipeline.search import LONGEST_QUERY
from deepreasoning_cli.pipeline.stage import Provider, input_usage
from deepreasoning_cli.sanitize import dump_json, sanitize
from deepreasoning_cli.transport import Request

if TYPE_CHECKING:
    from deepreasoning_cli.pipeline.comparison import Comparison
    from deepreasoning_cli.providers.linkup import LinkupProvider

NOT_YET = "(the reasoner's text stands here)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage as it would be called; the tokens are estimates, the costs are in USD."""

    stage: Stage
    model: str
    request: Request | None
    """None for the demo, which sends nothing."""
    usage: Usage
    """The input; its `cache_write_tokens` are written to the vendor's cache or read from it."""
    input_cost: Decimal | None
    """For the whole input, all of it new to the cache; for a search, the search itself."""
    cached_input_cost: Decimal | None = None
    """For the input where the cache has all that it can have."""
    output_cost: Decimal | None
    """For each thousand tokens written."""

    @property
    def words(self) -> str:
        """`4,100 tokens in, ≈$0.0100, or ≈$0.0008 where the cache has 3,900 of them; each 1,000
        tokens out $0.0100`.
        """
        tokens, cacheable = self.usage.input_tokens, self.usage.cache_write_tokens
        words = f"{tokens:,} tokens in, {format_usd(self.input_cost, estimated=True)}"
        if self.cached_input_cost is not None:
            least = format_usd(self.cached_input_cost, estimated=True)
            words += f", or {least} where the cache has {cacheable:,} of them"
        return f"{words}; each 1,000 tokens out {format_usd(self.output_cost)}"


def steps(plan: Plan) -> Iterator[Step]:
    """The stages of `plan`, Claude's with a place-holder for what the reasoner would write."""
    if plan.search and plan.search.searcher:
        searcher = cast("LinkupProvider", plan.search.searcher)
        yield Step(
            stage=Stage.SEARCH,
            model=searcher.name,
            request=searcher.request(plan.search.query[:LONGEST_QUERY]),
            usage=Usage(0, 0),
            input_cost=searcher.price,
            output_cost=None if searcher.price is None else Decimal(0),
        )
    if plan.reasoner and not plan.reused:
        yield _step(Stage.REASON, plan.reasoner, plan.prompt)
    if plan.answerer:
        work = plan.reused or ReasonerOutput()
        if plan.reasoner and not plan.reused:
            work = ReasonerOutput(NOT_YET, NOT_YET, plan.reasoner.model)
        yield _step(Stage.ANSWER, plan.answerer, answer_prompt(plan, work))


def _step(stage: Stage, provider: Provider, prompt: Prompt) -> Step:
    build_request = getattr(provider, "request", None)
    usage = input_usage(provider, prompt)
    card, cacheable = provider.rates, usage.cache_write_tokens
    rates = card.at(datetime.now(UTC), usage.input_tokens) if card else None
    cached = Usage(usage.input_tokens, 0, cached_tokens=cacheable)
    return Step(
        stage=stage,
        model=provider.model,
        request=build_request(prompt) if build_request else None,
        usage=usage,
        input_cost=rates.cost(usage) if rates else None,
        cached_input_cost=rates.cost(cached) if rates and cacheable else None,
        output_cost=rates.output / 1000 if rates else None,
    )


def show_plan(*plans: Plan, as_json: bool) -> None:
    """Print the steps of all of them on stdout, as text or as one JSON object."""
    if as_json:
        typer.echo(dump_json(plan_object(*plans)))
        return
    for plan in plans:
        for step in steps(plan):
            typer.echo(sanitize("\n".join(_lines(step))))


def plan_object(*plans: Plan) -> dict[str, Any]:
    """The steps of all of them for programs, which begin at the first one's backend."""
    stages = [_as_json(step) for plan in plans for step in steps(plan)]
    return {"backend": plans[0].backend, "stages": stages}


def show_comparison(comparison: Comparison, *, as_json: bool) -> None:
    """Print what a comparison would send: the reasoner's request once, then one for each answer."""
    opening = comparison.plans[comparison.reasons or 0]
    others = [plan for plan in comparison.plans if plan is not opening]
    if comparison.reasons is not None and opening.reasoner:
        work = ReasonerOutput(NOT_YET, NOT_YET, opening.reasoner.model)
        others = [replace(plan, reused=work) if plan.reused else plan for plan in others]
    show_plan(opening, *others, as_json=as_json)


def _as_json(step: Step) -> dict[str, Any]:
    request = step.request and {
        "method": step.request.method,
        "url": step.request.url,
        "headers": step.request.all_headers(show_key=False),
        "body": step.request.body,
    }
    return {
        "stage": str(step.stage),
        "model": step.model,
        "request": request,
        "input_tokens": step.usage.input_tokens,
        "estimated": True,
        "input_cost_usd": decimal_usd(step.input_cost),
        "output_cost_usd_per_1k_tokens": decimal_usd(step.output_cost),
    }


def _lines(step: Step) -> Iterator[str]:
    yield f"# {step.stage}: {step.model}"
    request = step.request
    if request is None:
        yield "nothing would be sent: the demo calls no model"
    else:
        yield f"{request.method} {request.url}"
        headers = request.all_headers(show_key=False)
        yield from (f"{name}: {value}" for name, value in headers.items())
        yield ""
        yield json.dumps(request.body, ensure_ascii=False, indent=2)
    yield from ("", f"estimate: {step.words}", "")
