"""Commands about the chat itself: its sessions, its state, help, the way out."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import count

from deepreasoning_cli.chat.command import Command, MisuseError, nothing, number
from deepreasoning_cli.chat.printer import counted
from deepreasoning_cli.chat.talk import Talk
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.views.safe import file_name, one_line
from deepreasoning_cli.views.table import Column

COLUMNS = (
    Column("session"),
    Column("turns", right=True),
    Column("last used", leaves=2),
    Column("first question", leaves=1, least=20),
)


def clear(talk: Talk, rest: str) -> None:
    """Begin a new session: nothing of this one is sent any more."""
    nothing(rest)
    talk.move(talk.ports.archive.new_name())
    talk.printer.note(f"new session: {talk.state.session}")


def sessions(talk: Talk, rest: str) -> None:
    """List the sessions."""
    nothing(rest)
    rows = [
        (
            row.name,
            str(row.turns),
            f"{row.last.astimezone():%Y-%m-%d %H:%M}",
            one_line(row.first_prompt),
        )
        for row in talk.ports.archive.sessions()
    ]
    if rows:
        talk.printer.table(COLUMNS, rows)
    else:
        talk.printer.note("no session has a turn yet")


def resume(talk: Talk, rest: str) -> None:
    """Go on with another session."""
    if not rest:
        raise MisuseError("which session?")
    if not talk.ports.archive.turns(rest):
        names = [row.name for row in talk.ports.archive.sessions()]
        close = get_close_matches(rest, names, 1, 0.4)
        hint = f"/resume {close[0]}" if close else "/sessions lists them"
        raise UsageError(f"there is no session {rest}", kind="unknown_session", hint=hint)
    talk.move(rest)
    turns = len(talk.ports.archive.turns(talk.state.session))
    talk.printer.note(f"session {talk.state.session}, {counted(turns, 'turn')}")
    talk.printer.note(f"last question: {one_line(talk.demand_last().opened.prompt)}")


def branch(talk: Talk, rest: str) -> None:
    """Go on in a copy of this session, from its end or from an earlier turn."""
    talk.demand_last()
    turns = len(talk.ports.archive.turns(talk.state.session))
    name, upto = _branch(talk.state.session, rest, turns)
    taken = {row.name for row in talk.ports.archive.sessions()}
    if not name:
        names = (f"{talk.state.session}-{n}" for n in count(2))
        name = next(each for each in names if each not in taken)
    elif name in taken:
        raise UsageError(f"there is a session {name} already", kind="session_exists")
    talk.ports.archive.branch(talk.state.session, name, upto)
    talk.move(name)
    talk.printer.note(f"session {talk.state.session}, {counted(upto, 'turn')}")


def _branch(session: str, rest: str, turns: int) -> tuple[str, int]:
    """The name that is wished for, "" for any, and how many turns it begins with."""
    name, _, last = rest.partition(" ")
    if name and file_name(name) != name:
        raise MisuseError("a name is made of letters, digits, dots, dashes and underscores")
    return name, number(last.strip(), turns, "turn") if last else turns


def info(talk: Talk, rest: str) -> None:
    """Say how the next question will be asked, and what was used so far."""
    nothing(rest)
    state = talk.state
    talk.printer.facts(
        [
            ("model", state.model or "default"),
            ("reasoner", state.reasoner or "default"),
            ("handoff", state.handoff),
            ("reasoning", state.reasoning),
            ("web search", "on" if state.web else "off"),
            ("system prompt", state.system or "none"),
            ("files", ", ".join(state.files) or "none"),
            ("session", state.session),
            ("turns", str(len(talk.ports.archive.turns(state.session)))),
            ("this chat", f"{counted(talk.tally.turns, 'turn')} · {talk.tally.words}"),
            ("cache", talk.tally.cache_words),
        ],
    )


def leave(talk: Talk, rest: str) -> None:
    """End the chat."""
    nothing(rest)
    talk.over = True


SESSIONS = (
    Command("clear", "", "begin a new session", clear),
    Command("sessions", "", "list the sessions", sessions),
    Command("resume", "NAME", "go on with another session", resume, takes="session"),
    Command("branch", "[NAME [TURN]]", "go on in a copy of this session", branch),
    Command("info", "", "how the next question is asked, and what was used", info),
    Command("exit", "", "leave the chat; Ctrl-D does too", leave),
    Command("quit", "", "the same", leave),
)
