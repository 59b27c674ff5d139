"""Wherever a comparison is killed, what was shown is kept, and it is known what is missing."""

from __future__ import annotations

import shutil
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from deepreasoning_cli.cli.unfinished_comparison import UnfinishedComparison
from deepreasoning_cli.errors import RefusedError, UnavailableError
from deepreasoning_cli.history.recovery import HistoryAccess
from deepreasoning_cli.library.comparison_turns import ComparisonTurns
from deepreasoning_cli.pipeline.budget import Cap, Caps
from deepreasoning_cli.pipeline.comparison import (
    Arm,
    Comparison,
    arms_from_json,
    arms_to_json,
)
from deepreasoning_cli.pipeline.events import End, Handoff, Message, Prompt, Text, Thought
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
from deepreasoning_cli.views.comparison import arm_labels, disagreement, last_line
from deepreasoning_cli.wiring.resources import new_id
from support.scripted_models import ScriptedModel

RATES = RateCard(Rates(Decimal(3), Decimal(15)))


def thinking() -> ScriptedModel:
    return ScriptedModel(
        model="r1",
        rates=RATES,
        said=[Thought("six "), Thought("times"), Text("42"), Usage(10, 5), End("stop")],
    )


def answering(model: str) -> ScriptedModel:
    return ScriptedModel(
        model=model,
        rates=RATES,
        said=[Text("It "), Text(f"is {model}"), Usage(30, 4), End("end_turn")],
    )


def comparison(
    reasoner: ScriptedModel, *answerers: ScriptedModel, caps: Caps | None = None
) -> Comparison:
    """The first reasons, all answer."""
    ids = [new_id() for _ in answerers]
    arms = tuple(
        Arm(id=id_, model=each.model, answerer=None, effort="auto", handoff=Handoff.REASONING)
        for id_, each in zip(ids, answerers, strict=True)
    )
    plans = tuple(
        Plan(
            id=id_,
            backend="direct",
            question="6 x 7?",
            prompt=Prompt((Message("user", "6 x 7?"),)),
            reasoner=reasoner if place == 0 else None,
            answerer=each,
            reused=None if place == 0 else ReasonerOutput(),
            comparison=ids[0],
            arms=arms_to_json(arms) if place == 0 else None,
            caps=caps or Caps(),
        )
        for place, (id_, each) in enumerate(zip(ids, answerers, strict=True))
    )
    return Comparison(id=ids[0], arms=arms, plans=plans, reasons=0)


def turns_of(compared: Comparison, folder: Path | None) -> ComparisonTurns:
    return ComparisonTurns(compared, arm_labels(compared.arms), folder, pytest.fail)


def test_at_every_step_what_was_shown_is_kept_and_what_is_missing_known(tmp_path: Path) -> None:
    compared = comparison(thinking(), *map(answering, ("one", "two", "three")))
    turns, count = turns_of(compared, tmp_path / "data"), 0
    with closing(turns.steps()) as steps:
        for step in filter(None, steps):
            count += 1
            dead = tmp_path / f"killed-{count}"  # its journals are nobody's
            shutil.copytree(tmp_path / "data", dead)
            with HistoryAccess(dead, lambda *_: None).open() as store:
                found = UnfinishedComparison.find(store, "last")
            stages = {each.arm.id: each.stage for each in turns.answers}
            whole = {arm for arm, stage in stages.items() if stage and stage.complete}
            if found is None:
                assert len(whole) == 3, step
                continue
            assert {arm.id for arm, _ in found.whole} == whole
            assert {arm.id for arm in found.missing} == {arm.id for arm in compared.arms} - whole
            kept = [found.newest(each.arm) for each in turns.answers]
            shown = [each.record.answer for each in turns.answers]
            assert [turn.answer if turn else "" for turn in kept] == shown
            assert found.reasoned.reasoning == turns.answers[0].record.reasoning
    assert count > 20
    assert turns.failure is None


def test_the_reasoner_is_asked_once_and_the_others_get_its_work() -> None:
    reasoner, answerers = thinking(), [answering("one"), answering("two")]
    turns = turns_of(comparison(reasoner, *answerers), None)
    list(turns.steps())
    assert [each.asked for each in (reasoner, *answerers)] == [1, 1, 1]
    assert [each.record.reasoning for each in turns.answers] == ["six times", "six times"]
    assert turns.compared.cost == sum(
        stage.cost or 0 for each in turns.answers for stage in each.record.stages.values()
    )


def test_nobody_answers_where_the_reasoner_fails() -> None:
    failure = UnavailableError("it is down")
    answerers = [answering("one"), answering("two")]
    turns = turns_of(
        comparison(ScriptedModel(model="r1", rates=RATES, said=[failure]), *answerers), None
    )
    list(turns.steps())
    assert turns.failure is failure
    assert [each.asked for each in answerers] == [0, 0]


def test_a_cap_that_the_whole_would_pass_refuses_all_of_it() -> None:
    usual = Decimal("0.09")  # two answers and the reasoning, of 2,000 tokens each
    for amount, fits in ((usual * 2, True), (usual / 2, False)):
        caps = Caps((Cap("max_cost", amount),))
        compared = comparison(thinking(), answering("one"), answering("two"), caps=caps)
        if fits:
            list(turns_of(compared.with_shared_caps(), None).steps())
            continue
        with pytest.raises(RefusedError, match="set aside for turns that run"):
            compared.with_shared_caps()


def test_arms_are_read_as_they_were_written_and_damage_is_an_error() -> None:
    arms = comparison(thinking(), answering("one")).arms
    assert arms_from_json(arms_to_json(arms)) == arms
    for text in ("", "[1]", '[{"id": "x"}]', '{"a": 1}'):
        with pytest.raises(ValueError, match=r"."):
            arms_from_json(text)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("It is **42**.", "it is 42"), "they end in the same line; "),
        (("So: 42", "The answer is\n\n**42**"), "they end in the same number, 42; "),
        (("1,000", "999"), "the last number differs (1000: A; 999: B); "),
        (("Yes.", "No."), "the last lines differ; "),
    ],
)
def test_what_answers_differ_in_is_told_by_their_last_lines(
    texts: tuple[str, str], words: str
) -> None:
    assert disagreement(list(zip("AB", texts, strict=True))).startswith(words)


def test_the_last_line_is_one_with_words() -> None:
    assert last_line("One\n\n> **Two**\n\n```\n") == "Two"
    assert last_line("") == ""
