"""Which sampling parameters a model is sent: only those it takes, with a word where one is lost."""

from __future__ import annotations

from dataclasses import dataclass

from deepreasoning_cli.catalog.models import Samplers

HOTTEST_CLAUDE = 1.0  # the Messages API takes 0 to 1


@dataclass(frozen=True, slots=True)
class SamplerRequest:
    """What the user wants: `typed` names the parameters given on the command line."""

    temperature: float
    top_p: float
    typed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AcceptedSamplers:
    """What is sent, and what the user is told of the rest."""

    values: dict[str, float]
    warnings: tuple[str, ...] = ()


def accept_samplers(wish: SamplerRequest, taken: Samplers, model: str) -> AcceptedSamplers:
    """The parameters `model` takes; a typed one that is dropped leaves a warning.

    Where a model takes one of the two, `temperature` is kept, unless only `top_p` was typed.
    """
    match taken:
        case Samplers.BOTH:
            keep = {"temperature", "top_p"}
        case Samplers.ONE:
            keep = {"top_p"} if wish.typed == {"top_p"} else {"temperature"}
        case _:
            keep = set()
    values = {
        name: value
        for name, value in (("temperature", wish.temperature), ("top_p", wish.top_p))
        if name in keep
    }
    lost = sorted(wish.typed - keep)
    why = "takes only one of the two" if keep else "takes no sampling parameters"
    return AcceptedSamplers(
        values, tuple(f"--{name.replace('_', '-')} is not sent: {model} {why}" for name in lost)
    )


def limit_temperature(
    granted: AcceptedSamplers, model: str, typed: frozenset[str]
) -> AcceptedSamplers:
    """The same for Claude, whose temperature ends at 1 where the reasoner's ends at 2."""
    temperature = granted.values.get("temperature", 0.0)
    if temperature <= HOTTEST_CLAUDE:
        return granted
    values = {**granted.values, "temperature": HOTTEST_CLAUDE}
    warning = f"{model} is sent temperature {HOTTEST_CLAUDE}, its highest, not {temperature}"
    return AcceptedSamplers(
        values, (*granted.warnings, *([warning] if "temperature" in typed else []))
    )
