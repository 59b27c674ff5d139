"""Commands that take text out of the chat: a copy, a Markdown document."""

from __future__ import annotations

from pathlib import Path

from deepreasoning_cli.cli.chat.commands import MisuseError, SlashCommand, number, words
from deepreasoning_cli.cli.chat.printer import counted
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.files import write_atomically
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sink, safe_file_name, sanitize


def copy(chat: ChatSession, rest: str) -> None:
    """Copy an answer, a code block or the reasoning."""
    what, text = _text_to_copy(chat, rest)
    if not text:
        raise UsageError(f"{what} is empty", kind="empty")
    chat.copy(sanitize(text, Sink.PIPE))
    chat.printer.note(f"copied: {what}, {counted(len(text), 'character')}")


def _text_to_copy(chat: ChatSession, rest: str) -> tuple[str, str]:
    """What is meant, and its text."""
    match rest.lower().split():
        case []:
            return "the last answer", chat.require_last().answer
        case ["reasoning"]:
            return "the last reasoning", chat.require_last().reasoning
        case ["code", *which] if len(which) < 2:
            return _code_block(chat.require_last(), which)
        case [which] if which.isdigit():
            turns = chat.archive.turns(chat.state.session)
            return f"answer {which}", turns[number(which, len(turns), "turn") - 1].answer
    raise MisuseError(f"{rest!r} is nothing that can be copied")


def _code_block(last: TurnRecord, which: list[str]) -> tuple[str, str]:
    from deepreasoning_cli.views.files import code_blocks

    blocks = code_blocks(last.answer)
    if not blocks:
        raise UsageError("the last answer has no code block", kind="no_code")
    place = number(which[0], len(blocks), "code block") if which else len(blocks)
    return f"code block {place} of {len(blocks)}", blocks[place - 1].text


def export(chat: ChatSession, rest: str) -> None:
    """Write the session to a Markdown file."""
    from deepreasoning_cli.cli.chat.export import markdown

    turns = chat.archive.turns(chat.state.session)
    if not turns:
        raise UsageError("this session has no turn yet", kind="no_turn", hint="ask something")
    path = _target(chat, words(rest))
    write_atomically(path, markdown(chat.state.session, turns), mode=None)
    chat.printer.note(f"wrote {path}, {counted(len(turns), 'turn')}")


def _target(chat: ChatSession, names: list[str]) -> Path:
    """The file that was named, or one after the session; only the first is replaced."""
    match names:
        case [name]:
            return Path(name)
        case []:
            path = Path(f"{safe_file_name(chat.state.session)}.md")
            if path.exists():
                raise UsageError(
                    f"{path} is there already", kind="file_exists", hint=f"/export {path}"
                )
            return path
    raise MisuseError("it takes one file")


EXPORT_COMMANDS = (
    SlashCommand(
        "copy",
        "[N|code [N]|reasoning]",
        "copy the last answer, the Nth, a code block, the reasoning",
        copy,
        choices=("code", "reasoning"),
    ),
    SlashCommand("export", "[FILE]", "write the session to a Markdown file", export, takes="file"),
)
