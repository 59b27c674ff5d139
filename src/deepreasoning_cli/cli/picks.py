"""Which answer of a comparison is best: a person picks, and `history picks` counts."""

from __future__ import annotations

import random
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import typer

from deepreasoning_cli.cli.messages import ask_line
from deepreasoning_cli.cli.pager import output_width, print_json, print_text
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.money import decimal_usd, format_usd
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.table import Column, table

if TYPE_CHECKING:
    from deepreasoning_cli.history.comparisons import ModelPicks
    from deepreasoning_cli.views.comparison import ComparedAnswer

COLUMNS: Final = (
    Column("model", min_width=12),
    Column("wins", right=True),
    Column("compared", right=True),
    Column("won", right=True, drop_order=1),
    Column("cost", right=True, drop_order=3),
    Column("wins per dollar", right=True, drop_order=2),
)


def can_pick() -> bool:
    """Whether a person sees the answers and can be asked."""
    return all(map(terminal.is_terminal, (sys.stdin, sys.stdout, sys.stderr)))


def require_person(flag: str) -> None:
    """Raise UsageError where nobody can pick, for an option that is about what is picked."""
    if not can_pick():
        raise UsageError(f"{flag} needs a person at a terminal", hint="leave it out in a script")


def hidden_names(count: int) -> dict[int, str]:
    """A letter for each place, in random order."""
    letters = list(string.ascii_uppercase[:count])
    random.SystemRandom().shuffle(letters)
    return dict(enumerate(letters))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The question which answer is picked, from so many on, and what Enter alone means."""

    question: str
    enter: str
    fewest: int = 2

    def ask(self, answers: Mapping[str, ComparedAnswer]) -> ComparedAnswer | None:
        """The answer that a person picks, by the name that it was shown under or its number among
        the names; None where none is, or nobody can be asked.

        What was typed before the question is no answer to it.
        """
        if len(answers) < self.fewest or not can_pick():
            return None
        names = sorted(answers) if all(len(name) == 1 for name in answers) else list(answers)
        choices = " · ".join(f"{number} {name}" for number, name in enumerate(names, 1))
        terminal.forget_input(sys.stdin)
        while True:
            word = ask_line(f"{self.question} {choices} ({self.enter})").strip().casefold()
            if not word:
                return None
            for number, name in enumerate(names, 1):
                if word in (str(number), name.casefold()):
                    return answers[name]
            typer.echo(f"type a number from 1 to {len(names)}", err=True)


BEST: Final = Pick(question="Which answer is best?", enter="Enter for none")


def print_picks(picks: Sequence[ModelPicks], *, as_json: bool) -> None:
    """Print what each model has won, and for how much money."""
    if as_json:
        print_json([_as_json(each) for each in picks])
    elif picks:
        lines = table(COLUMNS, [_cells(each) for each in picks], output_width()).lines
        print_text("\n".join(lines) + "\n")


def _per_dollar(picks: ModelPicks) -> Decimal | None:
    return picks.wins / picks.cost if picks.cost else None


def _cells(picks: ModelPicks) -> list[str]:
    rate = _per_dollar(picks)
    return [
        picks.model,
        str(picks.wins),
        str(picks.comparisons),
        f"{100 * picks.wins / picks.comparisons:.0f} %",
        format_usd(picks.cost),
        "" if rate is None else f"{rate:.1f}",
    ]


def _as_json(picks: ModelPicks) -> dict[str, Any]:
    fields = asdict(picks)
    fields["cost_usd"] = decimal_usd(fields.pop("cost"))
    return fields
