"""`deepreasoning batch` on Ray Data: the same rows in, the same lines out, on many machines.

`python ray_batch.py IN OUT` in this folder; docs/batch.md says more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from deepreasoning_cli.cli.batch.check import RowCheck
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.many import AtOnce, ManyTurns
from deepreasoning_cli.library.question_rows import Row, guess_format, read_rows
from deepreasoning_cli.library.row_turns import RowOutcome, RowTurns
from deepreasoning_cli.pipeline.money import format_usd
from deepreasoning_cli.settings.loaded import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deepreasoning_cli.settings.loaded import LoadedSettings


@ray.remote(num_cpus=0)
class Answers:
    """OUT and its state file: one process writes them, on the machine where the run was begun."""

    def __init__(self, output: str) -> None:
        self._file = AnswersFile(Path(output)).__enter__()
        self._over = set(self._file.done)

    def begun(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """The turns of each row that is not over; Ray repeats a batch if its machine is lost."""
        return {key: self._file.turns.get(key, []) for key in keys if key not in self._over}

    def begin_turn(self, key: str, turn: str) -> None:
        """A turn is about to be run for the row."""
        self._file.begin_turn(key, turn)
        self._file.turns[key].append(turn)

    def append(self, key: str, answer: dict[str, Any]) -> None:
        """Add the line of a row that is over."""
        self._file.append(answer, is_kept=True)
        self._over.add(key)

    def close(self, *, all_answered: bool) -> None:
        """The run is over."""
        if all_answered:
            self._file.forget_turns()
        self._file.__exit__()


class Asker:
    """Asks the rows of a batch, `at_once` at a time, with the settings of its machine."""

    def __init__(self, answers: Any, at_once: int) -> None:
        self._answers = answers
        self._at_once = at_once
        self._turns = ManyTurns(load_settings(None, {}), at_once=at_once).__enter__()
        self._row_turns = RowTurns(self._turns, settings_of_row)

    def __call__(self, batch: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Ask the rows; what each has cost, and whether it failed. Their lines are in OUT then."""
        rows = [Row(**json.loads(text)) for text in batch["row"]]
        earlier = ray.get(self._answers.begun.remote([row.key for row in rows]))
        left = [row for row in rows if row.key in earlier]
        outcomes = list(AtOnce(lambda row: self._ask(row, earlier[row.key]), left, self._at_once))
        return {
            "usd": [str(outcome.cost) for outcome in outcomes],
            "error": [outcome.error.message if outcome.error else "" for outcome in outcomes],
        }

    def _ask(self, row: Row, earlier: Sequence[str]) -> RowOutcome:
        begin = partial(self._begin_turn, row.key)
        outcome = self._row_turns.answer(row, earlier, begin)
        if outcome.error and outcome.ends_the_run:  # a key that is wrong, a cap: no row would pass
            raise RuntimeError(outcome.error.message)
        ray.get(self._answers.append.remote(row.key, outcome.answer))
        return outcome

    def _begin_turn(self, key: str, turn: str) -> None:
        ray.get(self._answers.begin_turn.remote(key, turn))


def settings_of_row(values: Mapping[str, object]) -> LoadedSettings:
    """The settings of this machine with those of a row."""
    return load_settings(None, dict(values))


def rows_left(source: Path, output: Path) -> tuple[list[Row], int]:
    """The rows that are not answered yet, and how many there are in all; all are looked at first.

    Raises UsageError where some cannot be asked.
    """
    loaded = load_settings(None, {})
    with (
        source.open("rb") as file,
        AnswersFile(output, writes=False) as answers,
        ManyTurns(loaded, at_once=1) as turns,
    ):
        form = guess_format(source.name, file.read(4096))
        check = RowCheck(RowTurns(turns, settings_of_row), answers, batched=False)
        file.seek(0)
        for row in read_rows(file, form):
            check.add(row)
        check.report(GlobalOptions(), skip_bad=False)
        file.seek(0)
        return list(check.left(read_rows(file, form))), check.count


def answer_all(source: Path, output: Path, *, workers: int, at_once: int) -> int:
    """Answer the rows that are left; 6 if some failed, else 0."""
    rows, count = rows_left(source, output)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = Answers
    answers = actor.options(scheduling_strategy=here).remote(str(output))
    failed, usd = 0, Decimal(0)
    if rows:
        dataset = ray.data.from_items([{"row": json.dumps(asdict(row))} for row in rows])
        asked = dataset.map_batches(
            Asker,
            fn_constructor_args=(answers, at_once),
            batch_size=min(-(-len(rows) // workers), 16 * at_once),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=0.25,  # most of the time they wait
            udf_modifying_row_count=True,
        )
        for outcome in asked.iter_rows():
            failed += outcome["error"] != ""
            usd += Decimal(outcome["usd"])
    ray.get(answers.close.remote(all_answered=not failed))
    answered = f"{count - failed:,} of {count:,} rows are answered in {output}"
    sys.stdout.write(f"{answered} · {format_usd(usd)}\n")
    return 6 if failed else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--workers", type=int, default=2, help="processes, on all machines")
    parser.add_argument("--at-once", type=int, default=8, help="rows at once in each of them")
    told = parser.parse_args()
    try:
        return answer_all(told.source, told.output, workers=told.workers, at_once=told.at_once)
    except OSError as error:
        sys.stderr.write(f"error: cannot read {told.source}: {error.strerror}\n")
        return 2
    except DeepReasoningError as error:
        lines = (f"error: {error.message}", *(f"hint: {hint}" for hint in error.hints))
        sys.stderr.writelines(f"{line}\n" for line in lines)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
