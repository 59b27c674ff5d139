"""Keys that are pressed while a turn runs: kept for the next prompt, or asking for the answer."""

from __future__ import annotations

import codecs
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

from deepreasoning_cli.cli.enter_key import TIP, silent_terminal
from deepreasoning_cli.sanitize import single_line

STOP = "Ctrl-C: stop"
SAME_PASTE = 0.02  # seconds between two pieces of one paste; nobody types so fast
LONGEST_READ = 65536  # bytes
LONGEST_DRAFT = 30  # characters of what is typed that are shown
ENTER, NEW_LINE, BACKSPACE = Keys.ControlM, Keys.ControlJ, Keys.ControlH


class TypedAhead:
    """Collects keys in a thread of its own, so that a paste of any length has room.

    Enter on an empty line asks for the answer now, if there is reasoning to answer from; else it
    is dropped. Enter behind text queues the question, and Backspace takes the last one back.
    What is pasted is text, and its line ends send nothing.
    """

    def __init__(self) -> None:
        self._keys: list[KeyPress] = []
        self._lock = threading.Lock()
        self._parser = Vt100Parser(self._press)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._can_answer = self._wants_answer = self._over = False
        self._pasted_at = float("-inf")

    @contextmanager
    def collecting(self) -> Iterator[Callable[[], bool]]:
        """Collect keys; yield a function that is called at each thought: is the answer wanted now?

        After a failure queued questions are only text at the next prompt.
        """
        self._can_answer = self._wants_answer = self._over = False
        reader, waker = os.pipe()
        thread = threading.Thread(
            target=self._read, args=(sys.stdin.fileno(), reader), name="keys", daemon=True
        )
        with silent_terminal(sys.stdin, by_key=True):
            thread.start()
            try:
                yield self._is_answer_wanted
            except BaseException:
                self.unqueue()
                raise
            finally:
                os.write(waker, b".")
                thread.join()
                os.close(reader)
                os.close(waker)

    def take(self) -> list[KeyPress]:
        """The keys for the next prompt, which are forgotten here."""
        with self._lock:
            self._parser.flush()  # an Esc that nothing followed
            keys, self._keys = self._keys, []
        return keys

    def unqueue(self) -> None:
        """Make the queued questions text that stands at the next prompt."""
        with self._lock:
            if self._keys and self._keys[-1].key == ENTER:
                self._keys.pop()
            self._keys = [
                KeyPress(NEW_LINE, "\n") if each.key == ENTER else each for each in self._keys
            ]

    def tip(self, can_answer: bool) -> str:
        """What was typed, what is queued, or what Enter does, in a few words."""
        with self._lock:
            queued = sum(each.key == ENTER for each in self._keys)
            draft = _text_of(self._draft())
        if draft:
            return f"> {single_line(draft)[-LONGEST_DRAFT:]}"
        if queued:
            return f"{queued} queued · Backspace takes it back"
        return f"{TIP} · {STOP}" if can_answer else STOP

    def _is_answer_wanted(self) -> bool:
        """Whether Enter asked for the answer; from the first call on there is reasoning."""
        wanted, self._wants_answer, self._can_answer = self._wants_answer, False, True
        return wanted

    def _read(self, descriptor: int, waker: int) -> None:
        is_over = False
        while not is_over:
            is_over = waker in select.select([descriptor, waker], [], [])[0]
            while select.select([descriptor], [], [], 0)[0]:
                try:
                    data = os.read(descriptor, LONGEST_READ)
                except OSError:  # the terminal is gone
                    return
                if not data:
                    return
                with self._lock:
                    self._feed(self._decoder.decode(data))

    def _feed(self, text: str) -> None:
        now = time.monotonic()
        goes_on = now - self._pasted_at < SAME_PASTE
        is_many = len(text) > 1 and text.strip("\r\n") and not text.startswith("\x1b")
        if goes_on or (is_many and ("\r" in text or "\n" in text)) or len(text) > LONGEST_DRAFT:
            self._pasted_at = now
            if not text.startswith("\x1b"):
                self._keys.append(KeyPress(Keys.BracketedPaste, text))
                return
        self._parser.feed(text)

    def _press(self, press: KeyPress) -> None:
        last_is_enter = bool(self._keys) and self._keys[-1].key == ENTER
        if press.key == ENTER and not _text_of(self._draft()).strip():
            self._wants_answer = self._can_answer and not last_is_enter
        elif press.key == BACKSPACE and last_is_enter:
            self._keys.pop()
        else:
            self._keys.append(press)

    def _draft(self) -> list[KeyPress]:
        """The keys behind the last Enter."""
        ends = [place for place, each in enumerate(self._keys) if each.key == ENTER]
        return self._keys[ends[-1] + 1 :] if ends else self._keys


def _text_of(keys: list[KeyPress]) -> str:
    """About what these keys write; the prompt does it exactly."""
    text = ""
    for each in keys:
        if each.key == BACKSPACE:
            text = text[:-1]
        elif each.key in (NEW_LINE, Keys.BracketedPaste) or len(each.key) == 1:
            text += each.data
    return text
