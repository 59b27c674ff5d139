"""What a turn cost, in words: models, tokens, money, time."""

from __future__ import annotations

from deepreasoning_cli.events import Finished, Stage
from deepreasoning_cli.money import SMALLEST_SHOWN, format_tokens, shown
from deepreasoning_cli.record import Record


def duration(seconds: float) -> str:
    """`8.2 s`, `41 s`, `3 min 5 s`."""
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def stage_line(stage: Finished) -> str:
    """`41 s · 3,120 tokens · $0.0070`: time, tokens written and cost of one stage."""
    parts = [duration(stage.seconds)]
    if usage := stage.usage:
        parts.append(f"{format_tokens(usage.output_tokens, estimated=usage.estimated)} tokens")
        parts.append(shown(stage.cost, estimated=usage.estimated))
    elif stage.cost is not None:
        parts.append(shown(stage.cost))
    return " · ".join(parts)


def turn_line(record: Record) -> str:
    """`deepseek-v4-pro → claude-sonnet-5-5 · 3,412 tokens · $0.0123 · 52 s`.

    Where caches have spared the turn something, that stands behind its cost.
    """
    stages = record.stages.values()
    named = [stage for stage in stages if stage.stage is not Stage.SEARCH]
    models = " → ".join(stage.served_model or stage.model for stage in named or stages)
    used = sum(s.usage.input_tokens + s.usage.output_tokens for s in stages if s.usage)
    tokens = f"{format_tokens(used, estimated=record.estimated)} tokens"
    cost = shown(record.cost, estimated=record.estimated)
    return " · ".join([models, tokens, cost, *_saving(record), duration(record.total)])


def _saving(record: Record) -> list[str]:
    """`12,345 cached, $0.0222 saved`, or nothing."""
    if record.saved < SMALLEST_SHOWN:
        return []
    cached = sum(stage.usage.cached_tokens for stage in record.stages.values() if stage.usage)
    return [f"{cached:,} cached, {shown(record.saved)} saved"]
