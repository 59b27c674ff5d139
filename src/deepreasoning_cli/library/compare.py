"""`compare` as a function: one chain of thought, and an answer from each of several models."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from deepreasoning_cli.library.answer import Answer, Names
from deepreasoning_cli.library.comparison_turns import ComparisonTurns
from deepreasoning_cli.library.planner import LOGGER, TurnPlanner, require_prompt, setting_flags
from deepreasoning_cli.pipeline.comparison import Comparison
from deepreasoning_cli.pipeline.events import Event
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.run import ReasonerOutput
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.views.comparison import ComparedAnswer, arm_labels, comparison_object
from deepreasoning_cli.wiring.comparison import arm_settings, plan_comparison
from deepreasoning_cli.wiring.resources import TurnRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """One answer of a comparison: `cost_usd` and `seconds` are those of writing it alone.

    `name` is its model, and what else differs among the answers. `error` is what ended it early;
    `text` is then what there is of it. A cost of None is not known.
    """

    turn_id: str
    name: str
    model: str
    host: str | None
    effort: str
    handoff: str
    text: str
    usage: Usage | None
    cost_usd: Decimal | None
    seconds: float | None
    error: BaseException | None

    @classmethod
    def of(cls, answer: ComparedAnswer) -> ModelAnswer:
        """The answer, which has ended."""
        stage, arm = answer.stage, answer.arm
        return cls(
            turn_id=answer.record.start.id or arm.id,
            name=answer.label,
            model=arm.model,
            host=arm.answerer,
            effort=arm.effort,
            handoff=str(arm.handoff),
            text=answer.record.answer,
            usage=stage.usage if stage else None,
            cost_usd=stage.cost if stage else None,
            seconds=stage.seconds if stage else None,
            error=answer.failure,
        )


class ModelAnswers(Iterator[ModelAnswer]):
    """A comparison that runs while it is iterated: each answer as soon as it has ended.

    Nothing is sent before the first is asked for. An answer that failed comes, too; behind the last
    one the failure is raised. `reasoning`, `cost_usd` and `to_dict` tell how far it has come.
    Leaving a `with`, or `close`, ends the calls at once; what came is kept in the history.
    """

    def __init__(
        self, turns: ComparisonTurns, planner: TurnPlanner, comparison: Comparison
    ) -> None:
        self._turns = turns
        self._planner = planner
        self._comparison = comparison
        self._events = self._run()

    def __next__(self) -> ModelAnswer:
        for place, event in self._events:
            if event is None:
                return ModelAnswer.of(self._turns.answers[place])
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """End all turns where they are. Without effect where they are over."""
        self._events.close()

    def events(self) -> Iterator[tuple[str, Event]]:
        """In place of whole answers: each event of each turn, behind the name of its answer.

        The reasoning is in the events of the answer that was asked for first.
        """
        for place, event in self._events:
            if event is not None:
                yield self._turns.answers[place].label, event

    @property
    def comparison_id(self) -> str:
        """What `deepreasoning resume` takes to ask for answers that are missing."""
        return self._comparison.id

    @property
    def reasoning(self) -> str:
        """The chain of thought, as far as it has come."""
        return self._turns.compared.reasoning.reasoning

    @property
    def cost_usd(self) -> Decimal | None:
        """USD of all that has come, the reasoning once; None where a rate is not known."""
        return self._turns.compared.cost

    def to_dict(self) -> dict[str, Any]:
        """The object of `compare --json`, as far as it has come."""
        return comparison_object(self._turns.compared)

    def _run(self) -> Generator[tuple[int, Event | None], None, None]:
        """The steps of the turns, each kept before it is handed on."""
        with self._planner.calls, closing(self._turns.steps()) as steps:
            for plan in self._comparison.plans:
                self._planner.connect(plan)
            for step in steps:
                if step:
                    yield step.place, step.event
        if failure := self._turns.failure:
            raise failure


def compare(
    prompt: str,
    models: Sequence[str] = (),
    *,
    answerers: Sequence[str] = (),
    efforts: Sequence[Literal["auto", "none", "low", "medium", "high", "xhigh", "max"]] = (),
    handoffs: Sequence[Literal["reasoning", "answer", "both", "none"]] = (),
    reasoner: Names | None = None,
    backend: Literal["auto", "direct", "gateway", "demo"] | None = None,
    system: str | None = None,
    think: Literal["auto", "low", "medium", "high", "max"] | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    max_reasoning: str | int | None = None,
    max_cost: Decimal | float | str | None = None,
    on_cap: Literal["stop", "answer"] | None = None,
    timeout: float | None = None,
    reasoning: Answer | str | None = None,
    allow_empty_reasoning: bool = False,
    save: bool | None = None,
    config: Path | str | None = None,
    record: Path | str | None = None,
    replay: Path | str | None = None,
    replay_pace: float = 0.0,
) -> ModelAnswers:
    """Reason once, then let several models answer. Nothing is sent until the answers are iterated.

    All combinations of `models`, `answerers`, `efforts` and `handoffs` answer, at most twelve;
    without any they are sonnet, opus and haiku. The other parameters are those of `ask`; `max_cost`
    is one cap for all of it.

    Raises UsageError, ConfigError and RefusedError at once; behind the last answer what the models
    did: IncompleteError where something was paid for, else what the first of them met.
    """
    common = setting_flags(
        reasoner=reasoner,
        backend=backend,
        think=think,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        max_reasoning=max_reasoning,
        max_cost=max_cost,
        on_cap=on_cap,
        timeout=timeout,
        history=save,
        record=record,
        replay=replay,
        replay_pace=replay_pace,
    )
    text = require_prompt(prompt)
    axes = {"model": models, "answerer": answerers, "effort": efforts, "handoff": handoffs}
    path = Path(config) if config else None
    settings = [load_settings(path, {**common, **arm}) for arm in arm_settings(axes)]
    for note in settings[0].notes:
        LOGGER.info(note)
    reused = reasoning.reasoner_output if isinstance(reasoning, Answer) else None
    if isinstance(reasoning, str):
        reused = ReasonerOutput(reasoning)
    source = reasoning.turn_id if isinstance(reasoning, Answer) else None
    requests = [
        TurnRequest(
            loaded=loaded,
            question=text,
            system=system,
            reused=reused if loaded.settings.handoff != "none" else None,
            reasoning_from=source if loaded.settings.handoff != "none" else None,
            allow_empty_reasoning=allow_empty_reasoning,
        )
        for loaded in settings
    ]
    planner = TurnPlanner(settings[0])
    comparison = plan_comparison(requests, planner.plan)
    labels = arm_labels(comparison.arms)
    turns = ComparisonTurns(comparison, labels, planner.folder, LOGGER.warning)
    return ModelAnswers(turns, planner, comparison)
