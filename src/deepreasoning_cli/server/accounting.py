"""What a turn used, all stages together, as the caller is told."""

from __future__ import annotations

from deepreasoning_cli.events import Stage
from deepreasoning_cli.money import Usage
from deepreasoning_cli.record import Record


def usage_of(record: Record) -> Usage | None:
    """The tokens of the stages that have ended; None where nothing was counted.

    All that the reasoner wrote counts as reasoning, and what Claude read of it as input again:
    both are billed.
    """
    usages = {stage: done.usage for stage, done in record.stages.items() if done.usage}
    if not usages:
        return None
    reasoner = usages.get(Stage.REASON)
    reasoning = sum(usage.reasoning_tokens or 0 for usage in usages.values())
    return Usage(
        sum(usage.input_tokens for usage in usages.values()),
        sum(usage.output_tokens for usage in usages.values()),
        max(reasoning, reasoner.output_tokens if reasoner else 0),
        sum(usage.cached_tokens for usage in usages.values()),
        sum(usage.cache_write_tokens for usage in usages.values()),
        any(usage.estimated for usage in usages.values()),
    )
