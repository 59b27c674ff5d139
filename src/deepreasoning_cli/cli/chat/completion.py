"""What Tab offers: commands, their words, models, reasoners, sessions, files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from deepreasoning_cli.chat.command import Command
from deepreasoning_cli.chat.commands import COMMANDS
from deepreasoning_cli.chat.talk import Talk
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.views.safe import one_line

MOST = 200  # entries of a folder that are offered
LAST_WORD = re.compile(r"(?:[^\s\\]|\\.)*$" if os.name == "posix" else r"\S*$")
SPECIAL = re.compile(r"([\s\\'\"])")


class CommandCompleter(Completer):
    """Completes entries that begin with one slash."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """The completions of what stands before the cursor."""
        text = document.text_before_cursor
        if not text.startswith("/") or text.startswith("//") or "\n" in text:
            return
        name, space, rest = text[1:].partition(" ")
        if not space:
            for each in _beginning(name, list(COMMANDS)):
                yield _completion(each, name, COMMANDS[each].help)
        elif command := COMMANDS.get(name):
            yield from self._arguments(command, rest)

    def _arguments(self, command: Command, rest: str) -> Iterator[Completion]:
        if command.takes == "file":
            yield from files(rest)
            return
        if " " not in rest:
            for each in _beginning(rest, [*command.choices, *self._names(command.takes)]):
                yield _completion(each, rest)

    def _names(self, kind: str) -> Sequence[str]:
        ports = self._talk.ports
        try:
            match kind:
                case "model":
                    return ports.names.models()
                case "reasoner":
                    return ports.names.reasoners()
                case "session":
                    return [row.name for row in ports.archive.sessions()]
                case "command":
                    return list(COMMANDS)
        except DeepReasoningError:  # the history cannot be read: there is nothing to offer
            return []
        return []


def files(text: str) -> Iterator[Completion]:
    """The files and folders that the last word of `text` begins the name of."""
    match = LAST_WORD.search(text)
    word = match[0] if match else ""
    path = re.sub(r"\\(.)", r"\1", word) if os.name == "posix" else word
    folder, start = os.path.split(path)
    for name, is_folder in _entries(folder):
        if name.startswith(start) and (start or not name.startswith(".")):
            quoted = SPECIAL.sub(r"\\\1", name) if os.name == "posix" else name
            kept = word[: len(word) - len(SPECIAL.sub(r"\\\1", start))]
            ending = "/" if is_folder else ""
            yield Completion(f"{kept}{quoted}{ending}", -len(word), display=one_line(name) + ending)


def _entries(folder: str) -> list[tuple[str, bool]]:
    """Names in a folder and whether they are folders; none for one that cannot be read."""
    try:
        with os.scandir(Path(folder or ".").expanduser()) as found:
            return sorted((entry.name, entry.is_dir()) for entry in found)[:MOST]
    except (OSError, ValueError, RuntimeError):  # RuntimeError: nobody's `~name`
        return []


def _beginning(start: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.lower().startswith(start.lower())]


def _completion(name: str, start: str, meta: str = "") -> Completion:
    return Completion(name, -len(start), display=one_line(name), display_meta=meta)
