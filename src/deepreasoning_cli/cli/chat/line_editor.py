"""The prompt line on a terminal: many rows, a history, completion, a toolbar."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import completion_is_selected
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.styles import Style

from deepreasoning_cli.chat.completion import CommandCompleter
from deepreasoning_cli.chat.prompt_history import PromptHistory
from deepreasoning_cli.chat.talk import Talk
from deepreasoning_cli.views import console

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

PROMPT = "> "
LEAVING = "Ctrl-D leaves the chat"
TALLEST_MENU = 6  # rows
FEWEST_ROWS = 3  # with fewer the toolbar would take the place of what is typed
STYLE = Style.from_dict(
    {
        "bottom-toolbar": "noreverse dim",
        "prompt": "bold",
        "exiting": "noinherit",
        "completion-menu": "noinherit",
        "completion-menu.completion": "noinherit",
        "completion-menu.completion.current": "noinherit reverse",
        "completion-menu.meta.completion": "noinherit dim",
        "completion-menu.meta.completion.current": "noinherit dim",
        "scrollbar.background": "noinherit",
        "scrollbar.button": "noinherit reverse",
    }
)


class Editor:
    """Reads entries from a terminal. `history` is the file that keeps them, None keeps none.

    Enter sends, Esc-Enter and Ctrl-J begin a new line, a paste keeps its lines. Ctrl-C clears
    what is typed; on an empty line the second one says how to leave.
    """

    def __init__(
        self,
        talk: Talk,
        history: Path | None,
        *,
        output: Output | None = None,
        source: Input | None = None,
    ) -> None:
        self._talk = talk
        self._presses = 0
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation=" " * len(PROMPT),
            history=PromptHistory(history) if history else InMemoryHistory(),
            completer=CommandCompleter(talk),
            complete_while_typing=False,
            reserve_space_for_menu=TALLEST_MENU,
            key_bindings=self._keys(),
            style=STYLE,
            include_default_pygments_style=False,
            mouse_support=False,
            enable_suspend=os.name == "posix",
            output=output,
            input=source,
        )

    def read(self) -> str | None:
        """The next entry, None for Ctrl-D."""
        self._presses = 0
        roomy = console.size()[1] >= FEWEST_ROWS
        self._session.bottom_toolbar = self._toolbar if roomy else None
        try:
            return self._session.prompt()
        except EOFError:
            return None

    def _toolbar(self) -> str:
        return LEAVING if self._presses > 1 else self._talk.toolbar(console.size()[0])

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        keys.add("enter")(_send)
        keys.add("enter", filter=completion_is_selected)(_take_completion)
        keys.add("escape", "enter")(_new_line)
        keys.add("c-j")(_new_line)
        keys.add("c-c")(self._clear)
        keys.add("<sigint>")(self._clear)
        return keys

    def _clear(self, event: KeyPressEvent) -> None:
        """Ctrl-C; one that still belongs to the stopped turn does nothing."""
        if self._talk.is_settling:
            return
        buffer = event.current_buffer
        self._presses = 0 if buffer.text else self._presses + 1
        buffer.reset()


def _send(event: KeyPressEvent) -> None:
    event.current_buffer.validate_and_handle()


def _take_completion(event: KeyPressEvent) -> None:
    event.current_buffer.complete_state = None


def _new_line(event: KeyPressEvent) -> None:
    event.current_buffer.newline(copy_margin=False)
