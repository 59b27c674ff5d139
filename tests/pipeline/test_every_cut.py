"""An answer whose stream is cut at every byte: one request brings the rest, and it fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.continuation import GO_ON, kept_answer, tail_of
from deepreasoning_cli.pipeline.events import Chunk, Message, Prompt
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, run_turn
from deepreasoning_cli.transport.sse import event_data
from deepreasoning_cli.wire.client.messages import read_reply
from support.replies import claude_stream
from support.scripted_models import ScriptedModel

QUESTION = Prompt((Message("user", "How?"),))
PIECES = (
    "Use `set`:\n\n",
    "```python\n",
    "def unique(items):\n    ",
    "return list(",
    "set(items))",
    "\n```\n\n",
    "Es bleibt die Reihen",
    "folge nicht – 順序",
    "は",
    "保たれない 🌌.\n",
)
ANSWER = "".join(PIECES)


@dataclass(kw_only=True)
class Claude(ScriptedModel):
    """Sends the first `cut_at` bytes of its stream; asked to go on, it writes the rest."""

    model: str = "claude-sonnet-5-5"
    host: str | None = "anthropic"
    cut_at: int | None = None
    obeys: bool = True

    def reply(self, prompt: Prompt) -> Iterator[Chunk]:
        stream = claude_stream(self._pieces(prompt.text)).whole[: self.cut_at]
        data = (stream[at : at + 100] for at in range(0, len(stream), 100))
        yield from read_reply(json.loads(each) for each in event_data(data))

    def _pieces(self, text: str) -> tuple[str, ...]:
        if "beginning begins]" not in text:
            return PIECES
        kept = text.rpartition(" beginning begins]\n")[2].rpartition("\n[")[0]
        assert ANSWER.startswith(kept)
        rest = ANSWER[len(kept) :]
        if not self.obeys:
            return (rest[:3], rest[3:])
        again = f"{GO_ON}\n{tail_of(kept)}"
        return (again[:30], again[30:] + rest[:5], rest[5:])


def run(claude: Claude, plan: Plan) -> TurnRecord:
    """The record of one turn, however it ends."""
    record, complete = TurnRecord(), False
    with suppress(DeepReasoningError):
        for event in run_turn(plan):
            record.apply(event)
        complete = True
    record.close(complete=complete)
    return record


@pytest.mark.parametrize("obeys", [True, False], ids=["as asked", "the rest alone"])
def test_an_answer_cut_at_every_byte_is_continued_by_one_request(obeys: bool) -> None:
    whole = claude_stream(PIECES).whole
    lengths = set()
    for cut_at in range(len(whole)):
        first = Claude(cut_at=cut_at)
        plan = Plan(
            id="t1",
            backend="direct",
            question="How?",
            prompt=QUESTION,
            reasoner=None,
            answerer=first,
            reused=ReasonerOutput("A set.", model="r1"),
        )
        cut = run(first, plan)
        kept = kept_answer(cut)
        assert ANSWER.startswith(cut.answer)
        if cut.complete:  # the stop reason was there
            assert cut.answer == ANSWER
            continue
        if kept is None:
            assert cut.answer == ""
            continue
        lengths.add(len(kept.text))
        second = Claude(obeys=obeys)
        done = run(
            second,
            Plan(
                id="t2",
                backend="direct",
                question="How?",
                prompt=QUESTION,
                reasoner=None,
                answerer=second,
                reused=plan.reused,
                continued=kept,
                resumes="t1",
            ),
        )
        assert (done.complete, done.answer, len(second.prompts)) == (True, ANSWER, 1)
        assert ("A set." in second.prompts[0].text, "".join(done.texts)) == (
            True,
            ANSWER[len(kept.text) :],
        )
    assert len(lengths) == len(PIECES)


@pytest.mark.parametrize("obeys", [True, False], ids=["as asked", "the rest alone"])
def test_a_continuation_cut_at_every_byte_is_continued_in_turn(obeys: bool) -> None:
    """However often the connection breaks, what was shown is a beginning of the answer."""
    record = TurnRecord()
    plan = Plan(
        id="t",
        backend="direct",
        question="How?",
        prompt=QUESTION,
        reasoner=None,
        answerer=None,
        reused=ReasonerOutput("A set.", model="r1"),
    )
    for cut_at in range(600, 2400, 23):
        claude = Claude(cut_at=cut_at, obeys=obeys)
        continued = kept_answer(record)
        fields = {name: getattr(plan, name) for name in ("id", "backend", "question", "prompt")}
        record = run(
            claude,
            Plan(
                **fields,
                reasoner=None,
                answerer=claude,
                reused=plan.reused,
                continued=continued,
            ),
        )
        assert ANSWER.startswith(record.answer)
        assert record.answer.startswith(continued.text if continued else "")
    assert record.answer == ANSWER
