"""A cut answer is continued: what the answerer is told, and where its reply joins the text.

A model cannot be made to go on in the middle of its own message: Claude 4.6 and later refuse a
conversation that ends with the assistant's (platform.claude.com, migration guide). So the text
goes into the user turn, and the reply is asked to begin with a line of its own and the last words
of the text again: a model that has to begin in the middle of a word, or with a space, does so
badly. What the reply repeats is left out, whether it keeps to that or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from deepreasoning_cli.pipeline.events import Chunk, Continued, End, Prompt, Text
from deepreasoning_cli.pipeline.handoff import with_blocks
from deepreasoning_cli.pipeline.record import TurnRecord

GO_ON: Final = "[the answer goes on]"
INTRODUCTION: Final = (
    "You began to answer the question above, and your answer was cut off. All that the reader has"
    " of it stands below, between the two lines that carry the mark {mark}. Write the rest of it."
    " Begin your reply with the line {go_on}, then repeat the last characters of the text exactly"
    " as they stand, {tail} (a JSON string), and go on from there without a break, even in the"
    " middle of a word or of a line of code. What you write after these characters is appended to"
    " the text as it is: repeat nothing else, do not begin anew, do not open a code block again,"
    " and say nothing of the cut. If nothing is missing, stop after the repeated characters."
)
SHORTEST_TAIL: Final = 40  # characters that the reply is asked to repeat
LONGEST_TAIL: Final = 400
WINDOW: Final = 20_000  # characters: a reply that repeats more than this is not recognised
TELLING: Final = 8  # letters and digits; a repetition of fewer may be chance
PART_OF_A_WORD: Final = 4  # letters of a word that was cut, and that the reply begins anew
FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def kept_answer(record: TurnRecord) -> Continued | None:
    """The beginning of the answer, as what an answerer continues; None where there is no word."""
    if not record.answer.strip():
        return None
    cost = record.cost if record.earlier_cost is None else record.cost_in_all
    return Continued(record.answer, cost, record.sources)


def with_cut_answer(prompt: Prompt, answer: str) -> Prompt:
    """`prompt` with the beginning of its answer below, and the request to write the rest."""
    tail = json.dumps(tail_of(answer), ensure_ascii=False)
    blocks = [("beginning", answer)]
    return with_blocks(prompt, "answer", blocks, INTRODUCTION, go_on=GO_ON, tail=tail)


def tail_of(answer: str) -> str:
    """The last words of the text: enough of them to be found again."""
    start = len(answer)
    for start in range(len(answer) - 1, -1, -1):
        size = len(answer) - start
        begins_word = start == 0 or (answer[start - 1].isspace() and not answer[start].isspace())
        if size >= SHORTEST_TAIL and begins_word and _is_telling(answer[start:]):
            break
        if size == LONGEST_TAIL:
            break
    return answer[start:].lstrip()


def open_fence(text: str) -> str:
    """The line that opened the code block in which the text ends; empty outside of one."""
    opener = ""
    for line in text.split("\n"):
        if (match := FENCE.match(line)) is None:
            continue
        marks, info = match[1], match[2].strip()
        if not opener:
            if marks[0] == "~" or "`" not in info:
                opener = line.strip()
        elif opener.startswith(marks[0]) and not info:
            begun = FENCE.match(opener)
            if begun and len(marks) >= len(begun[1]):
                opener = ""
    return opener


class Seam:
    """Takes the pieces of a reply, and returns what of them comes after the text there is."""

    def __init__(self, answer: str) -> None:
        self._answer = answer
        self._tail = tail_of(answer)
        self._start = ""
        self._joined = False

    def feed(self, piece: str) -> str:
        """The text that is certainly new; empty while the reply may be repeating."""
        if self._joined:
            return piece
        self._start += piece
        return self._join(ended=False)

    def finish(self) -> str:
        """The last of it, when the reply has come to its end."""
        return "" if self._joined else self._join(ended=True)

    def _join(self, *, ended: bool) -> str:
        repeated = self._repeated(self._start, ended)
        if repeated is None:
            return ""
        self._joined = True
        return self._start[repeated:]

    def _repeated(self, reply: str, ended: bool) -> int | None:
        """How much of the reply's beginning to leave out; None where more of it has to come."""
        body = reply.lstrip()
        if not ended and GO_ON.startswith(body):
            return None
        if not body.startswith(GO_ON):
            found = _overlap(self._answer, body, ended)
            return len(reply) - len(body) + found if found else found
        rest = body[len(GO_ON) :].lstrip(" ").removeprefix("\n")
        if not (rest.strip() or ended):
            return None
        at = _behind(self._tail, rest)
        if at is None:
            at = len(rest) if ended else None
        elif at < 0:
            at = _overlap(self._answer, rest.lstrip(), ended)
            at = at + len(rest) - len(rest.lstrip()) if at else at
        else:
            at = _behind_space(self._tail, rest, at, ended)
        return None if at is None else len(reply) - len(rest) + at


def new_text(answer: str, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The chunks of a reply that continues `answer`, without the text that is in it already.

    Of a reply that is cut while it may be repeating, nothing is certainly new.
    """
    seam = Seam(answer)
    for chunk in chunks:
        match chunk:
            case Text(piece):
                text = seam.feed(piece)
            case End():
                text = seam.finish()
            case _:
                text = ""
        if text:
            yield Text(text)
        if not isinstance(chunk, Text):
            yield chunk


def _behind(tail: str, text: str) -> int | None:
    """Where `text` goes on after it has repeated `tail`, which may differ in white space.

    -1 where it does not repeat it, None where it ends before.
    """
    at = 0
    for character in tail:
        if character.isspace():
            continue
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return None
        if text[at] != character:
            return -1
        at += 1
    return at


def _behind_space(tail: str, text: str, at: int, ended: bool) -> int | None:
    """The same place, after the white space that the tail ends with and `text` repeats."""
    for character in tail[len(tail.rstrip()) :]:
        if at == len(text) and not ended:
            return None
        if text[at : at + 1] != character:
            break
        at += 1
    return at


def _overlap(answer: str, reply: str, ended: bool) -> int | None:
    """How much of `reply` repeats the end of `answer`; None where more of it has to come."""
    found = _plain_overlap(answer, reply, ended)
    if found != 0:
        return found
    fence = open_fence(answer[-WINDOW:])
    if not fence or not (reply.startswith(fence) or (fence.startswith(reply) and not ended)):
        return 0
    line = answer.rpartition("\n")[2]
    if line.strip() == fence:  # it was cut behind the fence or within its language
        return len(fence) if len(reply) >= len(fence) else None
    first, newline, rest = reply.partition("\n")
    if not newline:
        return 0 if ended or not fence.startswith(first.strip()) else None
    if first.strip() != fence:
        return 0
    return _in_reopened_block(answer, line, rest, ended, len(reply) - len(rest))


def _in_reopened_block(answer: str, line: str, rest: str, ended: bool, skipped: int) -> int | None:
    """The reply has opened the code block anew, and begins a line of it."""
    found = _plain_overlap(answer, rest, ended)
    if found == 0 and line:
        if not ended and line.startswith(rest):
            return None
        found = len(line) if rest.startswith(line) else 0
    return None if found is None else skipped + found


def _plain_overlap(answer: str, reply: str, ended: bool) -> int | None:
    window = answer[-WINDOW:]
    if not ended and reply in window:  # it may be on its way to the end
        return None
    for size in range(min(len(reply), len(window)), 0, -1):
        if window.endswith(reply[:size]) and _is_repetition(window, reply, size):
            return size
    return 0


def _is_repetition(answer: str, reply: str, size: int) -> bool:
    """Whether it is no chance that `size` characters of the reply are the answer's last."""
    piece = reply[:size]
    first = piece[0]
    if size < len(answer) and first.isalnum() and first.isascii() and answer[-size - 1].isalnum():
        return False  # whoever repeats begins with a word
    if piece.isalpha() and reply[size : size + 1].isalpha() and size >= PART_OF_A_WORD:
        return True
    if size == len(answer) and size >= PART_OF_A_WORD and len(set(filter(str.isalnum, piece))) > 1:
        return True  # it begins anew
    return _is_telling(piece)


def _is_telling(text: str) -> bool:
    """Whether the text is one that stands out: words, and not the same again and again."""
    letters = [character for character in text if character.isalnum()]
    if len(letters) < TELLING or len(set(letters)) < TELLING // 2:
        return False
    if len(text) > LONGEST_TAIL:
        return True
    return not any(text.startswith(text[period:]) for period in range(1, len(text) // 2 + 1))
