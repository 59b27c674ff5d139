"""The prompt line on a terminal: many rows, a history, completion, a toolbar."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected, is_searching
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.named_commands import get_by_name
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from deepreasoning_cli.cli.chat.commands import SlashCommand
from deepreasoning_cli.cli.chat.prompt_history import PromptHistory
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.cli.chat.typed_ahead import TypedAhead
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views import terminal

PROMPT = "> "
LEAVING = "Ctrl-D leaves the chat"
TALLEST_MENU = 6  # rows
FEWEST_ROWS = 3  # with fewer the toolbar would take the place of what is typed
MOST_FILES = 200  # entries of a folder that are offered
LAST_WORD = re.compile(r"(?:[^\s\\]|\\.)*$" if os.name == "posix" else r"\S*$")
SPECIAL = re.compile(r"([\s\\'\"])")
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


class LineEditor:
    """Reads entries from a terminal; `history` is the file that keeps them, None for none.

    `keys` has what was typed before the prompt came.
    Enter sends, Esc-Enter and Ctrl-J begin a new line, a paste keeps its lines. Ctrl-C clears
    what is typed; on an empty line the second one says how to leave.
    """

    def __init__(
        self,
        chat: ChatSession,
        history: PromptHistory | None,
        *,
        output: Output | None = None,
        source: Input | None = None,
        keys: TypedAhead | None = None,
    ) -> None:
        self._chat, self._keys_before = chat, keys
        self._history = history
        self._presses, self._is_typing = 0, False
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation=" " * len(PROMPT),
            history=InMemoryHistory(history.entries()[::-1] if history else ()),
            completer=CommandCompleter(chat),
            complete_while_typing=False,
            reserve_space_for_menu=TALLEST_MENU,
            key_bindings=self._keys(),
            style=STYLE,
            include_default_pygments_style=False,
            enable_suspend=os.name == "posix",
            output=output,
            input=source,
        )
        self._session.default_buffer.on_text_changed += self._note_typing

    def read(self) -> str | None:
        """The next entry, None for Ctrl-D."""
        self._presses, self._is_typing = 0, False
        roomy = terminal.terminal_size()[1] >= FEWEST_ROWS
        self._session.bottom_toolbar = self._toolbar if roomy else None
        if self._keys_before:
            store_typeahead(self._session.input, self._keys_before.take())
        try:
            entry = self._session.prompt()
        except EOFError:
            return None
        if self._history:  # not in prompt_toolkit's way: it leaves out one that repeats the last
            self._history.add(entry)
        return entry

    def _note_typing(self, buffer: Buffer) -> None:
        """Once an entry, if it is no command, open the connection that its turn will use."""
        if buffer.text and not (self._is_typing or buffer.text.startswith("/")):
            self._is_typing = True
            self._chat.turns.preconnect()

    def _toolbar(self) -> str:
        return LEAVING if self._presses > 1 else self._chat.toolbar(terminal.terminal_size()[0])

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        keys.add("enter")(get_by_name("accept-line"))
        keys.add("enter", filter=completion_is_selected)(_close_menu)
        keys.add("escape", "enter")(_new_line)
        keys.add("c-j")(_new_line)
        keys.add("c-c", filter=~is_searching)(self._clear)  # there it leaves the search
        keys.add("<sigint>")(self._clear)
        return keys

    def _clear(self, event: KeyPressEvent) -> None:
        """Take Ctrl-C; one that still belongs to the stopped turn does nothing."""
        if self._chat.is_settling:
            return
        buffer = event.current_buffer
        self._presses = 0 if buffer.text else self._presses + 1
        buffer.reset()


def _close_menu(event: KeyPressEvent) -> None:
    event.current_buffer.complete_state = None


def _new_line(event: KeyPressEvent) -> None:
    event.current_buffer.newline(copy_margin=False)


class CommandCompleter(Completer):
    """Completes entries that begin with one slash."""

    def __init__(self, chat: ChatSession) -> None:
        self._chat = chat

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """The completions of the text before the cursor."""
        text, commands = document.text_before_cursor, self._chat.commands
        if not text.startswith("/") or text.startswith("//") or "\n" in text:
            return
        name, space, rest = text[1:].partition(" ")
        if not space:
            yield from _matching(name, {each.name: each.help for each in commands.values()})
        elif command := commands.get(name):
            yield from self._arguments(command, rest)

    def _arguments(self, command: SlashCommand, rest: str) -> Iterator[Completion]:
        if command.takes_files:
            yield from complete_files(rest)
        elif " " not in rest or command.metavar.endswith("…]"):
            *before, word = rest.split(" ")
            choices = [each for each in self._choices(command) if each not in before]
            yield from _matching(word, dict.fromkeys(choices, ""))

    def _choices(self, command: SlashCommand) -> Sequence[str]:
        choices = command.choices
        if not callable(choices):
            return choices
        try:
            return choices(self._chat)
        except DeepReasoningError:  # the history cannot be read: there is nothing to offer
            return ()


def complete_files(text: str) -> Iterator[Completion]:
    """The files and folders that the last word of `text` begins the name of."""
    match = LAST_WORD.search(text)
    word = match[0] if match else ""
    path = re.sub(r"\\(.)", r"\1", word) if os.name == "posix" else word
    folder, start = os.path.split(path)
    for name, is_folder in _entries(folder):
        if name.startswith(start) and (start or not name.startswith(".")):
            quoted = SPECIAL.sub(r"\\\1", name) if os.name == "posix" else name
            before = word[: len(word) - len(SPECIAL.sub(r"\\\1", start))]
            ending = "/" if is_folder else ""
            yield Completion(
                f"{before}{quoted}{ending}", -len(word), display=single_line(name) + ending
            )


def _entries(folder: str) -> list[tuple[str, bool]]:
    """Names in a folder and whether they are folders; none for one that cannot be read."""
    try:
        with os.scandir(Path(folder or ".").expanduser()) as entries:
            return sorted((entry.name, entry.is_dir()) for entry in entries)[:MOST_FILES]
    except (OSError, ValueError, RuntimeError):  # RuntimeError: nobody's `~name`
        return []


def _matching(start: str, words: Mapping[str, str]) -> Iterator[Completion]:
    """The words that begin with `start`, each shown with its description."""
    for word, description in words.items():
        if word.lower().startswith(start.lower()):
            yield Completion(word, -len(start), display=single_line(word), display_meta=description)
