"""Commands that ask, or prepare a question."""

from __future__ import annotations

from pathlib import Path

from deepreasoning_cli.chat.command import Command, MisuseError, nothing, one_of, words
from deepreasoning_cli.chat.talk import Talk
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.views.safe import one_line


def retry(talk: Talk, rest: str) -> None:
    """Answer the last turn again, or think again too."""
    of = talk.demand_last()
    if one_of(rest, ("answer", "all"), "answer" if of.reasoning else "all") == "all":
        talk.ask_instead(of.opened.prompt, of)
    elif of.reasoning:
        talk.answer_again(of)
    else:
        raise UsageError("the last turn has no reasoning", kind="no_reasoning", hint="/retry all")


def edit(talk: Talk, rest: str) -> None:
    """Change the last question in the user's editor, and ask it instead."""
    nothing(rest)
    if not talk.is_interactive:
        raise UsageError("/edit needs a terminal", kind="no_terminal")
    of = talk.last
    before = of.opened.prompt if of else ""
    text = talk.edit(before)
    if not text.strip() or text == before.rstrip("\n"):
        talk.printer.note("nothing was changed, nothing is sent")
    elif of:
        talk.ask_instead(text, of)
    else:
        talk.ask(text)


def undo(talk: Talk, rest: str) -> None:
    """Take the last turn out of the conversation."""
    nothing(rest)
    last = talk.demand_last()
    kept = talk.ports.archive.turns(talk.state.session)[-1:]
    if [turn.opened.id for turn in kept] == [last.opened.id]:  # not so if it was stopped at once
        talk.ports.archive.drop_last(talk.state.session)
    talk.forget_last()
    talk.printer.note(f"forgotten: {one_line(last.opened.prompt)}")


def file(talk: Talk, rest: str) -> None:
    """Attach files to the next question, or say which are."""
    names = words(rest)
    if names == ["-"]:
        talk.change(files=())
    else:
        for name in names:
            talk.attach(_expanded(name))
    for path in talk.state.files:
        talk.printer.note(f"goes with the next question: {path}")
    if not talk.state.files:
        talk.printer.note("no file goes with the next question")


def price(talk: Talk, rest: str) -> None:
    """Estimate what a question would cost."""
    prompt = talk.composed(rest) if rest or talk.state.files else ""
    talk.printer.show(talk.ports.estimates.price(prompt, talk.state))


def _expanded(name: str) -> str:
    try:
        return str(Path(name).expanduser())
    except RuntimeError as exc:  # a `~name` that nobody here bears
        raise MisuseError(f"{name} is nobody's folder") from exc


ASKING = (
    Command(
        "retry",
        "[answer|all]",
        "answer again from the same reasoning; all reasons again",
        retry,
        ("answer", "all"),
    ),
    Command("edit", "", "change the last question in $EDITOR and ask it instead", edit),
    Command("undo", "", "take the last turn out of the conversation", undo),
    Command("file", "[PATH…|-]", "attach text files to the next question", file, takes="file"),
    Command("price", "[TEXT]", "estimate what a question would cost", price),
)
