"""Commands about the chat itself: its text, its sessions, its state, the way out."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from deepreasoning_cli.cli.chat.commands import MisuseError, parse_number, slash_command, split_args
from deepreasoning_cli.cli.chat.printer import pluralize
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.errors import UsageError, nearest
from deepreasoning_cli.files import write_atomically
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sink, safe_file_name, sanitize


@slash_command("[N|code [N]|reasoning]", choices=("code", "reasoning"))
def copy(chat: ChatSession, argument: str) -> None:
    """Copy the last answer, the Nth, a code block, the reasoning."""
    what, text = _text_to_copy(chat, argument)
    if not text:
        raise UsageError(f"{what} is empty", hint="/copy N copies another", kind="empty")
    chat.copy(sanitize(text, Sink.PIPE))
    chat.printer.note(f"copied: {what}, {pluralize(len(text), 'character')}")


def _text_to_copy(chat: ChatSession, argument: str) -> tuple[str, str]:
    """What is meant, and its text."""
    match argument.lower().split():
        case []:
            return "the last answer", chat.require_last().answer
        case ["reasoning"]:
            return "the last reasoning", chat.require_last().reasoning
        case ["code", *which] if len(which) < 2:
            return _code_block(chat.require_last(), which)
        case [which] if which.isdigit():
            turns = chat.archive.turns(chat.state.session)
            return f"answer {which}", turns[parse_number(which, len(turns), "turn") - 1].answer
    raise MisuseError(f"{argument!r} cannot be copied")


def _code_block(last: TurnRecord, which: list[str]) -> tuple[str, str]:
    from deepreasoning_cli.views.code_blocks import code_blocks

    blocks = code_blocks(last.answer)
    if not blocks:
        raise UsageError(
            "the last answer has no code block", hint="/copy copies all of it", kind="no_code"
        )
    place = parse_number(which[0], len(blocks), "code block") if which else len(blocks)
    return f"code block {place} of {len(blocks)}", blocks[place - 1].text


@slash_command("[FILE]", takes_files=True)
def export(chat: ChatSession, argument: str) -> None:
    """Write the session to a Markdown file."""
    from deepreasoning_cli.cli.history.export import markdown

    session = chat.state.session
    turns = chat.archive.turns(session)
    if not turns:
        raise UsageError("this session has no turn yet", kind="no_turn", hint="ask something")
    names = split_args(argument)
    if len(names) > 1:
        raise MisuseError("it takes one file")
    path = Path(*names) if names else Path(f"{safe_file_name(session)}.md")
    if not names and path.exists():  # only a file that was named is replaced
        raise UsageError(f"{path} is there already", kind="file_exists", hint=f"/export {path}")
    write_atomically(path, markdown(session, turns), mode=None)
    chat.printer.note(f"wrote {path}, {pluralize(len(turns), 'turn')}")


@slash_command()
def clear(chat: ChatSession, argument: str) -> None:
    """Begin a new session."""
    chat.move(chat.archive.new_name())
    chat.printer.note(f"new session: {chat.state.session}")


@slash_command()
def sessions(chat: ChatSession, argument: str) -> None:
    """List the sessions."""
    from deepreasoning_cli.cli.history.display import SESSION_COLUMNS, session_cells

    if rows := [session_cells(row) for row in chat.archive.sessions()]:
        chat.printer.table(SESSION_COLUMNS, rows)
    else:
        chat.printer.note("no session has a turn yet")


@slash_command("[NAME]", choices=lambda chat: [row.name for row in chat.archive.sessions()])
def resume(chat: ChatSession, argument: str) -> None:
    """Finish the last answer; with NAME go on in that session."""
    if not argument:
        if chat.last is None or chat.last.complete:
            raise MisuseError("the last answer is not cut: which session?")
        chat.finish(chat.last)
        return
    if not chat.archive.turns(argument):
        names = [row.name for row in chat.archive.sessions()]
        matches = nearest(argument, names, likeness=0.4)
        hint = f"/resume {matches[0]}" if matches else "/sessions lists them"
        raise UsageError(f"there is no session {argument}", kind="unknown_session", hint=hint)
    chat.move(argument)
    chat.introduce()


@slash_command("[NAME [TURN]]")
def branch(chat: ChatSession, argument: str) -> None:
    """Go on in a copy of this session."""
    chat.require_last()
    session = chat.state.session
    name, _, last = argument.partition(" ")
    if name and safe_file_name(name) != name:
        raise MisuseError("a name is made of letters, digits, dots, dashes and underscores")
    turns = len(chat.archive.turns(session))
    upto = parse_number(last.strip(), turns, "turn") if last else turns
    names = {row.name for row in chat.archive.sessions()}
    if name in names:
        raise UsageError(
            f"there is a session {name} already", hint="give another name", kind="session_exists"
        )
    name = name or next(free for n in count(2) if (free := f"{session}-{n}") not in names)
    chat.archive.branch(session, name, upto)
    chat.move(name)
    chat.printer.note(f"session {chat.state.session}, {pluralize(upto, 'turn')}")


@slash_command()
def info(chat: ChatSession, argument: str) -> None:
    """How the next question is asked, and what was used."""
    state = chat.state
    chat.printer.facts(
        [
            ("model", state.model or "default"),
            ("reasoner", state.reasoner or "default"),
            ("answerer", state.answerer or "default"),
            ("handoff", state.handoff),
            ("reasoning", state.reasoning),
            ("web search", "on" if state.web else "off"),
            ("system prompt", state.system or "none"),
            ("files", ", ".join(state.files) or "none"),
            ("session", state.session),
            ("turns", str(len(chat.archive.turns(state.session)))),
            ("this chat", f"{pluralize(chat.totals.turns, 'turn')} · {chat.totals.words}"),
            ("cache", chat.totals.cache_words),
        ],
    )


@slash_command()
def exit_(chat: ChatSession, argument: str) -> None:
    """Leave the chat; Ctrl-D does too."""
    chat.over = True


@slash_command()
def quit_(chat: ChatSession, argument: str) -> None:
    """The same."""
    chat.over = True
