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


def accept_samplers(request: SamplerRequest, accepts: Samplers, model: str) -> AcceptedSamplers:
    """The parameters `model` takes; a typed one that is dropped leaves a warning.

    Where a model takes one of the two, `temperature` is kept, unless only `top_p` was typed.
    """
    names: tuple[str, ...] = ("temperature", "top_p") if accepts is Samplers.BOTH else ()
    if accepts is Samplers.ONE:
        names = ("top_p",) if request.typed == {"top_p"} else ("temperature",)
    values = {"temperature": request.temperature, "top_p": request.top_p}
    why = "takes only one of the two" if names else "takes no sampling parameters"
    return AcceptedSamplers(
        {name: values[name] for name in names},
        tuple(
            f"--{name.replace('_', '-')} is not sent: {model} {why}"
            for name in sorted(request.typed.difference(names))
        ),
    )


def limit_temperature(
    samplers: AcceptedSamplers, model: str, typed: frozenset[str]
) -> AcceptedSamplers:
    """The same for Claude, whose temperature ends at 1 where the reasoner's ends at 2."""
    temperature = samplers.values.get("temperature", 0.0)
    if temperature <= HOTTEST_CLAUDE:
        return samplers
    warning = f"{model} is sent temperature {HOTTEST_CLAUDE}, its highest, not {temperature}"
    return AcceptedSamplers(
        {**samplers.values, "temperature": HOTTEST_CLAUDE},
        (*samplers.warnings, warning) if "temperature" in typed else samplers.warnings,
    )
