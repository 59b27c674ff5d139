"""Commands about the chat itself: its sessions, its state, the way out."""

from __future__ import annotations

from itertools import count

from deepreasoning_cli.cli.chat.commands import MisuseError, SlashCommand, no_arguments, number
from deepreasoning_cli.cli.chat.printer import counted
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.errors import UsageError, nearest
from deepreasoning_cli.sanitize import safe_file_name, single_line
from deepreasoning_cli.views.table import Column

COLUMNS = (
    Column("session"),
    Column("turns", right=True),
    Column("last used", drop_order=2),
    Column("first question", drop_order=1, min_width=20),
)


def clear(chat: ChatSession, rest: str) -> None:
    """Begin a new session: nothing of this one is sent any more."""
    no_arguments(rest)
    chat.move(chat.archive.new_name())
    chat.printer.note(f"new session: {chat.state.session}")


def sessions(chat: ChatSession, rest: str) -> None:
    """List the sessions."""
    no_arguments(rest)
    rows = [
        (
            row.name,
            str(row.turns),
            f"{row.last.astimezone():%Y-%m-%d %H:%M}",
            single_line(row.first_prompt),
        )
        for row in chat.archive.sessions()
    ]
    if rows:
        chat.printer.table(COLUMNS, rows)
    else:
        chat.printer.note("no session has a turn yet")


def resume(chat: ChatSession, rest: str) -> None:
    """Go on with another session."""
    if not rest:
        raise MisuseError("which session?")
    if not chat.archive.turns(rest):
        names = [row.name for row in chat.archive.sessions()]
        close = nearest(rest, names, likeness=0.4)
        hint = f"/resume {close[0]}" if close else "/sessions lists them"
        raise UsageError(f"there is no session {rest}", kind="unknown_session", hint=hint)
    chat.move(rest)
    turns = len(chat.archive.turns(chat.state.session))
    chat.printer.note(f"session {chat.state.session}, {counted(turns, 'turn')}")
    chat.printer.note(f"last question: {single_line(chat.require_last().opened.prompt)}")


def branch(chat: ChatSession, rest: str) -> None:
    """Go on in a copy of this session, from its end or from an earlier turn."""
    chat.require_last()
    turns = len(chat.archive.turns(chat.state.session))
    name, upto = _branch(chat.state.session, rest, turns)
    taken = {row.name for row in chat.archive.sessions()}
    if not name:
        names = (f"{chat.state.session}-{n}" for n in count(2))
        name = next(each for each in names if each not in taken)
    elif name in taken:
        raise UsageError(f"there is a session {name} already", kind="session_exists")
    chat.archive.branch(chat.state.session, name, upto)
    chat.move(name)
    chat.printer.note(f"session {chat.state.session}, {counted(upto, 'turn')}")


def _branch(session: str, rest: str, turns: int) -> tuple[str, int]:
    """The name that is wished for, "" for any, and how many turns it begins with."""
    name, _, last = rest.partition(" ")
    if name and safe_file_name(name) != name:
        raise MisuseError("a name is made of letters, digits, dots, dashes and underscores")
    return name, number(last.strip(), turns, "turn") if last else turns


def info(chat: ChatSession, rest: str) -> None:
    """Say how the next question will be asked, and what was used so far."""
    no_arguments(rest)
    state = chat.state
    chat.printer.facts(
        [
            ("model", state.model or "default"),
            ("reasoner", state.reasoner or "default"),
            ("handoff", state.handoff),
            ("reasoning", state.reasoning),
            ("web search", "on" if state.web else "off"),
            ("system prompt", state.system or "none"),
            ("files", ", ".join(state.files) or "none"),
            ("session", state.session),
            ("turns", str(len(chat.archive.turns(state.session)))),
            ("this chat", f"{counted(chat.totals.turns, 'turn')} · {chat.totals.words}"),
            ("cache", chat.totals.cache_words),
        ],
    )


def leave(chat: ChatSession, rest: str) -> None:
    """End the chat."""
    no_arguments(rest)
    chat.over = True


SESSION_COMMANDS = (
    SlashCommand("clear", "", "begin a new session", clear),
    SlashCommand("sessions", "", "list the sessions", sessions),
    SlashCommand("resume", "NAME", "go on with another session", resume, takes="session"),
    SlashCommand("branch", "[NAME [TURN]]", "go on in a copy of this session", branch),
    SlashCommand("info", "", "how the next question is asked, and what was used", info),
    SlashCommand("exit", "", "leave the chat; Ctrl-D does too", leave),
    SlashCommand("quit", "", "the same", leave),
)
