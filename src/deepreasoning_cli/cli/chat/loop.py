"""Read an entry, take it, again: until there are no more."""

from __future__ import annotations

from deepreasoning_cli.chat.commands import take
from deepreasoning_cli.chat.ports import STOPPED
from deepreasoning_cli.chat.reader import Reader
from deepreasoning_cli.chat.talk import Talk
from deepreasoning_cli.errors import UsageError


class Repl:
    """A chat from its first prompt to its last."""

    def __init__(self, talk: Talk, reader: Reader) -> None:
        self._talk = talk
        self._reader = reader

    def run(self) -> int:
        """Chat; return the exit code: 0 after a person left, else that of the last failure.

        Where a person types, Ctrl-C only ever leads back to the prompt. Elsewhere it ends the
        chat, as KeyboardInterrupt or with 130 after a turn that it stopped.
        """
        while not self._talk.over:
            try:
                self._step()
            except KeyboardInterrupt:
                if not self._talk.is_interactive:
                    raise
        return 0 if self._talk.is_interactive else self._talk.code

    def _step(self) -> None:
        talk = self._talk
        try:
            entry = self._reader.read()
        except UsageError as error:
            talk.printer.failure(error)
            talk.code = error.exit_code
            return
        if entry is None:
            talk.over = True
        elif entry.strip():
            take(talk, entry)
            talk.over |= talk.code == STOPPED and not talk.is_interactive
