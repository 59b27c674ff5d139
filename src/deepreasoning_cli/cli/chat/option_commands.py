"""Commands that choose how the next question is asked."""

from __future__ import annotations

from typing import Literal

from deepreasoning_cli.cli.chat.commands import SlashCommand, one_of
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.pipeline.events import Handoff

HANDOFFS = tuple(Handoff)
SHOWING: tuple[Literal["show", "hide"], ...] = ("show", "hide")


def model(chat: ChatSession, rest: str) -> None:
    """Show or change the Claude model."""
    name = rest or chat.state.model
    if name is None:
        chat.printer.show("default model")
        return
    chat.printer.show(chat.names.describe_model(name))
    chat.change(model=name)


def reasoner(chat: ChatSession, rest: str) -> None:
    """Show or change the reasoner."""
    name = rest or chat.state.reasoner
    if name is None:
        chat.printer.show("default reasoner")
        return
    chat.printer.show(chat.names.describe_reasoner(name))
    chat.change(reasoner=name)


def system(chat: ChatSession, rest: str) -> None:
    """Show, change or remove the system prompt."""
    if rest:
        chat.change(system=None if rest == "-" else rest)
    chat.printer.show(chat.state.system or "no system prompt")


def reasoning(chat: ChatSession, rest: str) -> None:
    """Show or fold the chain of thought from now on, or print the last one."""
    if rest.lower() == "last":
        thoughts = chat.require_last().reasoning
        chat.printer.show(thoughts or "the last turn has no reasoning", dim=True)
        return
    chat.change(reasoning=one_of(rest, SHOWING, chat.state.reasoning))
    chat.printer.note(f"reasoning: {chat.state.reasoning}")


def web(chat: ChatSession, rest: str) -> None:
    """Turn the web search on or off."""
    wished = one_of(rest, ("on", "off"), "off" if chat.state.web else "on")
    chat.change(web=wished == "on")
    chat.printer.note(f"web search: {wished}")


def handoff(chat: ChatSession, rest: str) -> None:
    """Show or change what Claude is given of the reasoner's work."""
    chat.change(handoff=one_of(rest, HANDOFFS, chat.state.handoff))
    chat.printer.note(f"handoff: {chat.state.handoff}")


OPTION_COMMANDS = (
    SlashCommand("model", "[NAME]", "show or change the Claude model", model, takes="model"),
    SlashCommand("reasoner", "[NAME]", "show or change the reasoner", reasoner, takes="reasoner"),
    SlashCommand("system", "[TEXT|-]", "show, set or remove the system prompt", system),
    SlashCommand(
        "reasoning",
        "[show|hide|last]",
        "show or hide the reasoning; last prints the last one",
        reasoning,
        choices=(*SHOWING, "last"),
    ),
    SlashCommand("web", "[on|off]", "search the web first", web, choices=("on", "off")),
    SlashCommand(
        "handoff",
        "[reasoning|answer|both|none]",
        "what Claude is given of the reasoner's work",
        handoff,
        choices=HANDOFFS,
    ),
)
