"""Commands that choose how the next question is asked."""

from __future__ import annotations

from typing import Literal

from deepreasoning_cli.chat.command import Command, one_of
from deepreasoning_cli.chat.talk import Talk
from deepreasoning_cli.events import Handoff

HANDOFFS = tuple(Handoff)
SHOWING: tuple[Literal["show", "hide"], ...] = ("show", "hide")


def model(talk: Talk, rest: str) -> None:
    """Show or change the Claude model."""
    name = rest or talk.state.model
    if name is None:
        talk.printer.show("default model")
        return
    talk.printer.show(talk.ports.names.describe_model(name))
    talk.change(model=name)


def reasoner(talk: Talk, rest: str) -> None:
    """Show or change the reasoner."""
    name = rest or talk.state.reasoner
    if name is None:
        talk.printer.show("default reasoner")
        return
    talk.printer.show(talk.ports.names.describe_reasoner(name))
    talk.change(reasoner=name)


def system(talk: Talk, rest: str) -> None:
    """Show, change or remove the system prompt."""
    if rest:
        talk.change(system=None if rest == "-" else rest)
    talk.printer.show(talk.state.system or "no system prompt")


def reasoning(talk: Talk, rest: str) -> None:
    """Show or fold the chain of thought from now on, or print the last one."""
    if rest.lower() == "last":
        thoughts = talk.demand_last().reasoning
        talk.printer.show(thoughts or "the last turn has no reasoning", dim=True)
        return
    talk.change(reasoning=one_of(rest, SHOWING, talk.state.reasoning))
    talk.printer.note(f"reasoning: {talk.state.reasoning}")


def web(talk: Talk, rest: str) -> None:
    """Turn the web search on or off."""
    wished = one_of(rest, ("on", "off"), "off" if talk.state.web else "on")
    talk.change(web=wished == "on")
    talk.printer.note(f"web search: {wished}")


def handoff(talk: Talk, rest: str) -> None:
    """Show or change what Claude is given of the reasoner's work."""
    talk.change(handoff=one_of(rest, HANDOFFS, talk.state.handoff))
    talk.printer.note(f"handoff: {talk.state.handoff}")


CHOICES = (
    Command("model", "[NAME]", "show or change the Claude model", model, takes="model"),
    Command("reasoner", "[NAME]", "show or change the reasoner", reasoner, takes="reasoner"),
    Command("system", "[TEXT|-]", "show, set or remove the system prompt", system),
    Command(
        "reasoning",
        "[show|hide|last]",
        "show or hide the reasoning; last prints the last one",
        reasoning,
        (*SHOWING, "last"),
    ),
    Command("web", "[on|off]", "search the web first", web, ("on", "off")),
    Command(
        "handoff",
        "[reasoning|answer|both|none]",
        "what Claude is given of the reasoner's work",
        handoff,
        HANDOFFS,
    ),
)
