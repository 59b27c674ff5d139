"""Commands that ask, or prepare a question."""

from __future__ import annotations

from pathlib import Path

from deepreasoning_cli.cli.chat.commands import (
    MisuseError,
    SlashCommand,
    no_arguments,
    one_of,
    words,
)
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.sanitize import single_line


def retry(chat: ChatSession, rest: str) -> None:
    """Answer the last turn again, or think again too."""
    of = chat.require_last()
    if one_of(rest, ("answer", "all"), "answer" if of.reasoning else "all") == "all":
        chat.ask_instead(of.opened.prompt, of)
    elif of.reasoning:
        chat.answer_again(of)
    else:
        raise UsageError("the last turn has no reasoning", kind="no_reasoning", hint="/retry all")


def edit(chat: ChatSession, rest: str) -> None:
    """Change the last question in the user's editor, and ask it instead."""
    no_arguments(rest)
    if not chat.is_interactive:
        raise UsageError("/edit needs a terminal", kind="no_terminal")
    of = chat.last
    before = of.opened.prompt if of else ""
    text = chat.edit(before)
    if not text.strip() or text == before.rstrip("\n"):
        chat.printer.note("nothing was changed, nothing is sent")
    elif of:
        chat.ask_instead(text, of)
    else:
        chat.ask(text)


def undo(chat: ChatSession, rest: str) -> None:
    """Take the last turn out of the conversation."""
    no_arguments(rest)
    last = chat.require_last()
    kept = chat.archive.turns(chat.state.session)[-1:]
    if [turn.opened.id for turn in kept] == [last.opened.id]:  # not so if it was stopped at once
        chat.archive.drop_last(chat.state.session)
    chat.forget_last()
    chat.printer.note(f"forgotten: {single_line(last.opened.prompt)}")


def file(chat: ChatSession, rest: str) -> None:
    """Attach files to the next question, or say which are."""
    names = words(rest)
    if names == ["-"]:
        chat.change(files=())
    else:
        for name in names:
            chat.attach(_expand_user(name))
    for path in chat.state.files:
        chat.printer.note(f"goes with the next question: {path}")
    if not chat.state.files:
        chat.printer.note("no file goes with the next question")


def price(chat: ChatSession, rest: str) -> None:
    """Estimate what a question would cost."""
    prompt = chat.compose(rest) if rest or chat.state.files else ""
    chat.printer.show(chat.turns.price(prompt, chat.state))


def _expand_user(name: str) -> str:
    try:
        return str(Path(name).expanduser())
    except RuntimeError as exc:  # a `~name` that nobody here bears
        raise MisuseError(f"{name} is nobody's folder") from exc


ASK_COMMANDS = (
    SlashCommand(
        "retry",
        "[answer|all]",
        "answer again from the same reasoning; all reasons again",
        retry,
        choices=("answer", "all"),
    ),
    SlashCommand("edit", "", "change the last question in $EDITOR and ask it instead", edit),
    SlashCommand("undo", "", "take the last turn out of the conversation", undo),
    SlashCommand("file", "[PATH…|-]", "attach text files to the next question", file, takes="file"),
    SlashCommand("price", "[TEXT]", "estimate what a question would cost", price),
)
