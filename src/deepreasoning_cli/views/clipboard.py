"""Text to the clipboard, by the platform's own tool: never by an escape sequence."""

from __future__ import annotations

from collections.abc import Callable

from deepreasoning_cli.errors import DeepReasoningError, WriteError
from deepreasoning_cli.events import Event
from deepreasoning_cli.record import Record


def copy_text(text: str) -> None:
    """Put `text` on the clipboard; raises WriteError where the platform has no tool for it."""
    import pyperclip

    try:
        pyperclip.copy(text)
    except (pyperclip.PyperclipException, OSError) as exc:
        raise WriteError(
            "nothing here can write to the clipboard",
            kind="clipboard",
            hint="install wl-clipboard, xclip or xsel",
        ) from exc


class Clipboard:
    """Copies the answer when it is whole; a clipboard that cannot be written costs a warning."""

    def __init__(self, record: Record, say: Callable[[str], None]) -> None:
        self._record = record
        self._say = say

    def __call__(self, event: Event) -> None:
        """The record keeps it."""

    def close(self, failure: BaseException | None) -> None:
        """Copy."""
        if failure is not None:
            return
        try:
            copy_text(self._record.answer)
        except DeepReasoningError as error:
            self._say(f"warning: {error.message}: {error.hint}")
