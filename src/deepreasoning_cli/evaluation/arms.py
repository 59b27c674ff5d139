"""The arms of an evaluation: who answers, and from what of the reasoner's work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from deepreasoning_cli.errors import UsageError, alternatives, did_you_mean

MOST_ARMS: Final = 24


class ArmKind(StrEnum):
    """What an arm is; the last three are hand-offs."""

    ALONE = "alone"
    REASONER = "reasoner"
    REASONING = "reasoning"
    ANSWER = "answer"
    BOTH = "both"


ALL_KINDS: Final = tuple(map(str, ArmKind))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationArm:
    """Claude alone, the reasoner alone, or a pair. `effort` is None where it is the setting's.

    `model` is a Claude model by the name that was given; None for the reasoner alone.
    """

    kind: ArmKind
    model: str | None = None
    effort: str | None = None

    @property
    def name(self) -> str:
        """What it is called: `sonnet alone`, `reasoner alone`, `opus (high) + reasoning`."""
        if self.kind is ArmKind.REASONER:
            return "reasoner alone"
        model = f"{self.model} ({self.effort})" if self.effort else f"{self.model}"
        return f"{model} alone" if self.kind is ArmKind.ALONE else f"{model} + {self.kind}"

    @property
    def settings(self) -> dict[str, object]:
        """The settings of its turns, beside those of the run."""
        handoff = "none" if self.kind is ArmKind.ALONE else str(self.kind)
        settings: dict[str, object] = {"handoff": handoff, "model": self.model, "stop": "end"}
        return settings | ({"effort": self.effort} if self.effort else {})

    @property
    def needs_reasoner(self) -> bool:
        """Whether the reasoner has to have worked before."""
        return self.kind is not ArmKind.ALONE

    @property
    def needs_draft(self) -> bool:
        """Whether the reasoner has to write an answer of its own."""
        return self.kind in (ArmKind.REASONER, ArmKind.ANSWER, ArmKind.BOTH)


def make_arms(
    kinds: Sequence[str], models: Sequence[str], efforts: Sequence[str]
) -> list[EvaluationArm]:
    """The arms: each kind with each model and each effort; Claude alone is always among them.

    Raises UsageError for an unknown kind, for something that is there twice, for too many, and
    where there is nothing to compare.
    """
    for option, values in (("--arm", kinds), ("-m", models), ("--effort", efforts)):
        if twice := next((value for value in values if values.count(value) > 1), None):
            raise UsageError(f"{option} {twice} is there twice", hint="leave one of them out")
    for kind in kinds:
        if kind not in ALL_KINDS:
            hint = did_you_mean(kind, ALL_KINDS) or f"use {alternatives(ALL_KINDS)}"
            raise UsageError(f"there is no arm {kind!r}", hint=hint)
    wanted = [ArmKind.ALONE, *(ArmKind(kind) for kind in kinds if kind != ArmKind.ALONE)]
    arms = [
        EvaluationArm(kind=kind, model=model, effort=effort)
        for model in models
        for effort in efforts or (None,)
        for kind in wanted
        if kind is not ArmKind.REASONER
    ]
    if ArmKind.REASONER in wanted:
        arms.append(EvaluationArm(kind=ArmKind.REASONER))
    if len(arms) < 2:
        raise UsageError("there is nothing to compare", hint="--arm reasoning, or a second -m")
    if len(arms) > MOST_ARMS:
        raise UsageError(
            f"that makes {len(arms)} arms; at most {MOST_ARMS} are compared",
            hint="name fewer: each --arm is combined with each -m and each --effort",
        )
    return arms


def baseline_of(arm: EvaluationArm, arms: Sequence[EvaluationArm]) -> EvaluationArm | None:
    """What the arm is compared with: its model alone at its effort, else the first arm.

    Other models alone, and the reasoner, are compared with the first arm, which is Claude alone.
    """
    if arm == arms[0]:
        return None
    alone = EvaluationArm(kind=ArmKind.ALONE, model=arm.model, effort=arm.effort)
    return alone if arm != alone and alone in arms else arms[0]
