"""Journals mutated at random: what can be read is kept, and nothing of any other turn is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from deepreasoning_cli.history.journal_format import event_line
from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.views.json import turn_object
from support.mutations import CanaryKey, mutated
from support.often import RecordProperty, often
from support.sample_turns import WHEN, journal_turn, open_store, turn_events

pytestmark = pytest.mark.no_cover  # the same lines thousands of times: only slower
TIMES, SHARES, AT_ONCE = often(400, 10_000), 4, 20


def journal(turn: str) -> bytes:
    """What a process leaves that died when it had nearly ended."""
    first, *rest = turn_events(turn)
    return event_line(first, 0.0, WHEN) + b"".join(event_line(each, 0.25) for each in rest)


@pytest.mark.parametrize("share", range(SHARES))
def test_any_journal_is_recovered_or_left_out_with_a_warning(
    folder_in_memory: Path,
    share: int,
    monkeypatch: pytest.MonkeyPatch,
    record_property: RecordProperty,
) -> None:
    key = CanaryKey()
    monkeypatch.setenv("DEEPSEEK_API_KEY", key.value)
    dice = random.Random(share)
    tried = 0
    for number in range(TIMES // SHARES // AT_ONCE):
        folder = folder_in_memory / str(number)
        journal_turn(folder, turn_events("kept"))
        (folder / "journal").mkdir(exist_ok=True)
        for at in range(AT_ONCE):
            turn = f"turn{at}"
            (folder / f"journal/{turn}.jsonl").write_bytes(mutated(journal(turn), dice))
        (folder / "journal/whole.jsonl").write_bytes(journal("whole"))
        warnings: list[str] = []
        with open_store(folder) as store:
            recover(folder, store, warnings.append)
            rows = list(store.listing())
            for row in rows:
                turn_object(store.turn(row.id))
            assert {"kept", "whole"} <= {row.id for row in rows}
            assert store.turn("whole").answer == store.turn("kept").answer == "Forty-two."
            aside = len([*folder.glob("journal/*.jsonl*")])
            assert len(rows) - 2 + aside >= AT_ONCE, warnings
            key.check(*warnings, below=folder)
        tried += AT_ONCE
    record_property("journals", tried)
