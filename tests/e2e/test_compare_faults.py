"""What can go wrong with the vendors of a comparison: how it ends, and what resume asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import pytest

from e2e.test_compare import FIVE, IS_LONG, answer_of, asked, by_model, compared, texts_of
from support.loopback import (
    Cut,
    Received,
    Reply,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    reasoner_stream,
)
from support.vendors import OWN_ANSWER, THOUGHTS, Vendors, turn_id

ONE, OTHER = FIVE[:2]
COMPARE: Final = ("compare", "6 x 7?", "-m", ONE, "-m", OTHER)
AT_ONCE: Final = {"retry-after": "0.01"}
OVERLOADED: Final = error_reply_anthropic(529, "overloaded_error", "Overloaded", headers=AT_ONCE)
LIMITED: Final = error_reply_anthropic(429, "rate_limit_error", "Slow down.", headers=AT_ONCE)
REFUSED: Final = error_reply_anthropic(400, "invalid_request_error", "No.")
NO_KEY: Final = error_reply_anthropic(401, "authentication_error", "invalid x-api-key")
BUSY: Final = error_reply_openai(503, "Busy", headers=AT_ONCE)
ANSWER: Final = claude_stream(texts_of(ONE), model=ONE)
WHOLE: Final = reasoner_stream(THOUGHTS, OWN_ANSWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What the reasoner and one of two Claudes do, or both; how that ends, and who is asked then.

    `answers` are those that are printed whole, `kept` tells whether anything can be resumed.
    """

    reasoner: Reply = WHOLE
    one: Reply | None = None
    both: bool = False
    code: int = 6
    answers: tuple[str, ...] = (OTHER,)
    said: str
    resume: tuple[str, ...] = ()
    reasons_again: int = 0
    asked_again: tuple[str, ...] = (ONE,)
    kept: bool = True

    def reply(self, request: Received) -> Reply:
        faulty = self.both or asked(request) == ONE
        return self.one if self.one and faulty else by_model(request)


FEW: Final = {
    "one is cut": Fault(one=ANSWER.failing(5, Cut()), said="1 of 2 answers are missing"),
    "all are overloaded": Fault(
        one=OVERLOADED,
        both=True,
        answers=(),
        said="2 of 2 answers are missing",
        asked_again=(ONE, OTHER),
    ),
    "the reasoner is cut": Fault(
        reasoner=WHOLE.failing(3, Cut()),
        answers=(),
        said="error: reason: ",
        resume=("--partial",),
        asked_again=(ONE, OTHER),
    ),
}
MANY: Final = {
    "one is overloaded": Fault(one=OVERLOADED, said="1 of 2 answers are missing"),
    "the reasoner is busy": Fault(
        reasoner=BUSY, code=5, answers=(), said="error: reason: ", asked_again=(), kept=False
    ),
    "one is limited": Fault(one=LIMITED, said="1 of 2 answers are missing"),
    "one is refused": Fault(one=REFUSED, said="1 of 2 answers are missing"),
    "one has no key": Fault(one=NO_KEY, said="1 of 2 answers are missing"),
    "one is cut at once": Fault(one=ANSWER.failing(0, Cut()), said="1 of 2 answers are missing"),
    "one says nothing": Fault(
        one=claude_stream((), model=ONE), said="the model returned an empty answer"
    ),
    "all are cut": Fault(
        one=ANSWER.failing(5, Cut()),
        both=True,
        answers=(),
        said="2 of 2 answers are missing",
        asked_again=(ONE, OTHER),
    ),
    "the reasoner is cut and asked again": Fault(
        reasoner=WHOLE.failing(3, Cut()),
        answers=(),
        said="error: reason: ",
        resume=("--again",),
        reasons_again=1,
        asked_again=(ONE, OTHER),
    ),
    "the reasoner says nothing": Fault(
        reasoner=reasoner_stream((), ()),
        answers=(),
        said="Claude was not called",
        reasons_again=1,
        asked_again=(ONE, OTHER),
    ),
    "the reasoner has no credit": Fault(
        reasoner=error_reply_openai(402, "Insufficient Balance"),
        code=4,
        answers=(),
        said="error: reason: ",
        kept=False,
    ),
}
FAULTS: Final = FEW | (MANY if IS_LONG else {})


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_ends_as_the_table_says_and_resume_asks_for_what_is_missing(
    vendors: Vendors, fault: Fault
) -> None:
    vendors.reasoner.reply(fault.reasoner)
    vendors.claude.reply(fault.reply)
    failed = vendors.run(*COMPARE)
    assert failed.code == fault.code, failed.stderr
    assert fault.said in failed.stderr.decode()
    printed = failed.stdout.decode()
    assert [model for model in (ONE, OTHER) if answer_of(model) in printed] == list(fault.answers)
    for vendor in (vendors.reasoner, vendors.claude):
        vendor.forget()
    vendors.reasoner.reply(WHOLE)
    vendors.claude.reply(by_model)
    if not fault.kept:
        assert b"resume" not in failed.stderr
        return
    resumed = vendors.run("resume", turn_id(failed), "--json", *fault.resume)
    assert resumed.code == 0, resumed.stderr
    found = compared(resumed)
    assert [each["status"] for each in found["answers"]] == ["complete"] * 2
    assert len(vendors.reasoner.requests) == fault.reasons_again
    assert sorted(map(asked, vendors.claude.requests)) == sorted(fault.asked_again)
    spent = json.loads(vendors.run("price", "--spent", "--json").stdout)
    assert Decimal(spent["cost_usd"]) == Decimal(found["cost_usd"])
