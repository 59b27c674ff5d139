"""Commands about questions: how the next one is asked, and the last one asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deepreasoning_cli.cli.chat.commands import MisuseError, parse_choice, slash_command, split_args
from deepreasoning_cli.cli.chat.model_names import ChoiceList
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.cli.options import Visibility
from deepreasoning_cli.errors import RefusedError, UsageError
from deepreasoning_cli.pipeline.attachments import summarize_prompt
from deepreasoning_cli.pipeline.events import Handoff

EFFORTS = ("auto", "none", "low", "medium", "high", "xhigh", "max")
THINK_LEVELS = ("auto", "low", "medium", "high", "max")
SWITCHES = ("on", "off")
PRICES = "USD per million tokens"
VISIBILITIES: tuple[Visibility, ...] = ("show", "tail", "hide")


@slash_command("[NAME]", choices=lambda chat: chat.names.models())
def model(chat: ChatSession, argument: str) -> None:
    """Choose the Claude model; alone, list them with prices."""
    if not argument:
        _show_choices(chat, chat.names.list_models(chat.state), f"{PRICES}; /model NAME")
        return
    chat.printer.show(chat.names.describe_model(argument, chat.state.answerer))
    chat.change(model=argument)


@slash_command("[NAME]", choices=lambda chat: chat.names.reasoners())
def reasoner(chat: ChatSession, argument: str) -> None:
    """Choose the reasoner; alone, list them with prices."""
    if not argument:
        _show_choices(chat, chat.names.list_reasoners(chat.state), f"{PRICES}; /reasoner NAME")
        return
    chat.printer.show(chat.names.describe_reasoner(argument))
    chat.change(reasoner=argument)


@slash_command("[NAME]", choices=lambda chat: chat.names.answerers())
def answerer(chat: ChatSession, argument: str) -> None:
    """Choose the host that answers; alone, list them."""
    if not argument:
        _show_choices(chat, chat.names.list_answerers(chat.state), f"{PRICES}; /answerer NAME")
        return
    chat.printer.show(chat.names.describe_answerer(argument))
    model = chat.state.model
    try:
        chat.names.describe_model(model, argument)
    except RefusedError as error:
        chat.printer.note(f"{error.message}; its default answers")
        model = None
    chat.change(answerer=argument, model=model)


@slash_command("[LEVEL]", choices=EFFORTS)
def effort(chat: ChatSession, argument: str) -> None:
    """How much Claude thinks; alone, list the levels with prices."""
    if not argument:
        _show_choices(chat, chat.names.list_efforts(chat.state), "/effort LEVEL")
        return
    chat.change(effort=parse_choice(argument, EFFORTS))
    chat.printer.note(f"effort: {chat.state.effort}")


@slash_command("[LEVEL]", choices=THINK_LEVELS)
def think(chat: ChatSession, argument: str) -> None:
    """How much the reasoner thinks: auto, low, medium, high or max."""
    if argument:
        chat.change(think=parse_choice(argument, THINK_LEVELS))
    _show_value(chat, "think", chat.state.think or "auto", argument, THINK_LEVELS)


def _show_choices(chat: ChatSession, choices: ChoiceList, usage: str) -> None:
    """The table of what can be chosen, what else there is, and how to choose."""
    chat.printer.table(choices.columns, choices.rows)
    for text in filter(None, (choices.note, f"{usage} chooses another")):
        chat.printer.note(text)


def _show_value(
    chat: ChatSession, name: str, value: str, argument: str, choices: Sequence[str]
) -> None:
    """`web search: off`; where it was only asked for, with the choices."""
    others = "" if argument else f" ({', '.join(choices)})"
    chat.printer.note(f"{name}: {value}{others}")


@slash_command("[TEXT|-]")
def system(chat: ChatSession, argument: str) -> None:
    """Show, set or remove the system prompt."""
    if argument:
        chat.change(system=None if argument == "-" else argument)
    chat.printer.show(chat.state.system or "no system prompt")


@slash_command("[show|tail|hide|last]", choices=(*VISIBILITIES, "last"))
def reasoning(chat: ChatSession, argument: str) -> None:
    """Show or hide the reasoning, or its last rows; last prints the last one."""
    if argument.lower() == "last":
        thoughts = chat.require_last().reasoning
        chat.printer.show(thoughts or "the last turn has no reasoning", dim=True)
        return
    if argument:
        chat.change(reasoning=parse_choice(argument, VISIBILITIES))
    _show_value(chat, "reasoning", chat.state.reasoning, argument, (*VISIBILITIES, "last"))


@slash_command("[on|off]", choices=SWITCHES)
def web(chat: ChatSession, argument: str) -> None:
    """Search the web first: on or off."""
    if argument:
        wanted = replace(chat.state, web=parse_choice(argument, SWITCHES) == "on")
        if wanted.web:
            chat.names.check_search(wanted)
        chat.state = wanted
    _show_value(chat, "web search", SWITCHES[not chat.state.web], argument, SWITCHES)


@slash_command("[reasoning|answer|both|none]", choices=tuple(Handoff))
def handoff(chat: ChatSession, argument: str) -> None:
    """What Claude receives of the reasoner's work."""
    if argument:
        chat.change(handoff=parse_choice(argument, tuple(Handoff)))
    _show_value(chat, "handoff", chat.state.handoff, argument, tuple(Handoff))


@slash_command("[answer|all]", choices=("answer", "all"))
def retry(chat: ChatSession, argument: str) -> None:
    """Answer again from the same reasoning; all reasons again."""
    last = chat.require_last()
    default = "answer" if last.reasoning else "all"
    if parse_choice(argument or default, ("answer", "all")) == "all":
        chat.ask_instead(last.start.prompt, last)
    elif last.reasoning:
        chat.answer_again(last)
    else:
        raise UsageError("the last turn has no reasoning", kind="no_reasoning", hint="/retry all")


@slash_command("[MODEL…]", choices=lambda chat: chat.names.models())
def compare(chat: ChatSession, argument: str) -> None:
    """Several models answer the last question again, from the same reasoning; pick one to go on."""
    names = split_args(argument)
    if len(names) == 1:
        raise MisuseError("name two models, or none for the usual three")
    chat.compare(chat.require_last(), names)


@slash_command()
def edit(chat: ChatSession, argument: str) -> None:
    """Change the last question in $EDITOR and ask it instead."""
    if not chat.is_interactive:
        raise UsageError("/edit needs a terminal", hint="ask it anew", kind="no_terminal")
    last = chat.last
    before = last.start.prompt if last else ""
    text = chat.edit(before)
    if not text.strip() or text == before.rstrip("\n"):
        chat.printer.note("nothing was changed, nothing is sent")
    elif last:
        chat.ask_instead(text, last)
    else:
        chat.ask(text)


@slash_command()
def undo(chat: ChatSession, argument: str) -> None:
    """Take the last turn out of the conversation."""
    last = chat.require_last()
    chat.archive.remove(chat.state.session, last)
    chat.forget_last()
    chat.printer.note(f"undone: {summarize_prompt(last.start.prompt)}")


@slash_command("[PATH…|-]", takes_files=True)
def file(chat: ChatSession, argument: str) -> None:
    """Attach text files to the next question."""
    names = split_args(argument)
    if names == ["-"]:
        chat.change(files=())
    else:
        for name in names:
            chat.attach(_expand_user(name))
    for path in chat.state.files:
        chat.printer.note(f"goes with the next question: {path}")
    if not chat.state.files:
        chat.printer.note("no file goes with the next question")


@slash_command("[TEXT]")
def price(chat: ChatSession, argument: str) -> None:
    """Estimate what a question would cost."""
    prompt = chat.compose(argument) if argument or chat.state.files else ""
    chat.printer.show(chat.turns.price(prompt, chat.state))


def _expand_user(name: str) -> str:
    try:
        return str(Path(name).expanduser())
    except RuntimeError as exc:  # the user of `~user` does not exist
        raise MisuseError(f"{name}: there is no such user") from exc
