"""Earlier turns as input of a model: questions and answers, never old reasoning."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from deepreasoning_cli.pipeline.events import Message
from deepreasoning_cli.pipeline.money import estimate_tokens
from deepreasoning_cli.pipeline.record import TurnRecord

CUT_OFF = "\n\n[the answer was cut off here]"
RESERVE = 1_000  # tokens for what stands around the messages


def to_messages(turns: Sequence[TurnRecord]) -> tuple[Message, ...]:
    """The turns' questions and answers in order; a turn without an answer is left out.

    So is one that was cut, where a later turn finishes it, or answers its question from the same
    reasoning.
    """
    answered = [turn for turn in turns if turn.answer.strip()]
    resumed = _resumed(turns, answered)
    exchanges = (_exchange(turn) for turn in answered if turn.start.id not in resumed)
    return tuple(itertools.chain.from_iterable(exchanges))


def _resumed(turns: Sequence[TurnRecord], answered: Sequence[TurnRecord]) -> set[str]:
    """The ids of cut turns in whose place one of `answered` stands; that one may be cut as well."""
    by_id = {turn.start.id: turn for turn in turns}
    resumed: set[str] = set()
    for turn in answered:
        source = _source(turn, by_id)
        while source and not source.complete and source.start.prompt == turn.start.prompt:
            if source.start.id in resumed:
                break
            resumed.add(source.start.id)
            source = _source(source, by_id)
    return resumed


def _source(turn: TurnRecord, by_id: Mapping[str, TurnRecord]) -> TurnRecord | None:
    return by_id.get(turn.start.resumes or turn.start.reasoning_from or "")


def _exchange(turn: TurnRecord) -> tuple[Message, Message]:
    answer = turn.answer if turn.complete else turn.answer + CUT_OFF
    return Message("user", turn.start.prompt), Message("assistant", answer)


def fit_to_context(
    earlier: tuple[Message, ...], question: str, room: int | None
) -> tuple[tuple[Message, ...], int]:
    """The newest exchanges that fit with `question` into `room` tokens, and how many do not.

    Images and documents in them count.
    """
    if room is None:
        return earlier, 0
    left = room - RESERVE - estimate_tokens(question)
    start = len(earlier)
    while start >= 2:
        pair = earlier[start - 2 : start]
        left -= sum(estimate_tokens(each.text) + each.media_tokens for each in pair)
        if left < 0:
            break
        start -= 2
    return earlier[start:], start // 2


def cacheable_prefix(sent: tuple[Message, ...], left_out: int) -> int:
    """How many of the earlier messages in `sent` the next turn begins with as well.

    0 once old exchanges are left out: the next turn leaves out more of them.
    """
    return 0 if left_out else len(sent)
