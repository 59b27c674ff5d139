"""What given usages cost, by figures worked out from the published rate cards, not by the program.

Each row: who, in DeepSeek's peak hours or not, prompt, output, reasoning inside the output, cache
reads and cache writes inside the prompt, USD.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.pipeline.money import RateCard, Usage

OFF_PEAK = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)  # a Saturday
PEAK = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # a Monday
CATALOG = load_catalog()
Row = tuple[str, bool, int, int, int | None, int, int, str]

TABLE: list[Row] = [
    ("claude-fable-5-2", False, 1_000, 500, None, 0, 0, "0.028"),
    ("claude-fable-5-2", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.1726"),
    ("claude-fable-5-1", False, 1_000, 500, None, 0, 0, "0.035"),
    ("claude-fable-5-1", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.21575"),
    ("claude-fable-5", False, 1_000, 500, None, 0, 0, "0.035"),
    ("claude-fable-5", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.22175"),
    ("claude-opus-5-5", False, 1_000, 500, None, 0, 0, "0.014"),
    ("claude-opus-5-5", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.0871"),
    ("claude-opus-5", False, 1_000, 500, None, 0, 0, "0.0175"),
    ("claude-opus-5", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.110875"),
    ("claude-opus-4-6", False, 1_000, 500, None, 0, 0, "0.0175"),
    ("claude-opus-4-6", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.110875"),
    ("claude-sonnet-5-5", False, 1_000, 500, None, 0, 0, "0.007"),
    ("claude-sonnet-5-5", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.04355"),
    ("claude-sonnet-5", False, 1_000, 500, None, 0, 0, "0.007"),
    ("claude-sonnet-5", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.04435"),
    ("claude-sonnet-4-6", False, 1_000, 500, None, 0, 0, "0.0105"),
    ("claude-sonnet-4-6", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.066525"),
    ("claude-sonnet-4-5-20250929", False, 1_000, 500, None, 0, 0, "0.0105"),
    ("claude-sonnet-4-5-20250929", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.066525"),
    ("claude-haiku-5-5", False, 1_000, 500, None, 0, 0, "0.00035"),
    ("claude-haiku-5-5", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.0022175"),
    ("claude-haiku-5-5", False, 100_000, 1_000, None, 0, 0, "0.0105"),
    ("claude-haiku-5-5", False, 100_000, 10, None, 99_000, 1_000, "0.00112"),
    ("claude-haiku-5-5", False, 100_001, 1_000, None, 0, 0, "0.0525005"),
    ("claude-haiku-5-5", False, 150_000, 2_000, 900, 120_000, 10_000, "0.02725"),
    ("claude-haiku-4-5-20251001", False, 1_000, 500, None, 0, 0, "0.0035"),
    ("claude-haiku-4-5-20251001", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.022175"),
    ("claude-opus-4-5-20251101", False, 1_000, 500, None, 0, 0, "0.0175"),
    ("claude-opus-4-5-20251101", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.110875"),
    ("deepseek-pro", False, 1_000, 500, 500, 0, 0, "0.00165"),
    ("deepseek-pro", False, 20_000, 6_000, 5_500, 16_000, 0, "0.014872"),
    ("deepseek-pro", False, 7, 1, 0, 7, 0, "0.000002134"),
    ("deepseek-pro", True, 1_000, 500, 500, 0, 0, "0.0033"),
    ("deepseek-pro", True, 20_000, 6_000, 5_500, 16_000, 0, "0.029744"),
    ("deepseek-pro", True, 7, 1, 0, 7, 0, "0.000004268"),
    ("deepseek", False, 1_000, 500, 500, 0, 0, "0.00045"),
    ("deepseek", False, 20_000, 6_000, 5_500, 16_000, 0, "0.004248"),
    ("deepseek", False, 7, 1, 0, 7, 0, "0.000000621"),
    ("deepseek", True, 1_000, 500, 500, 0, 0, "0.0009"),
    ("deepseek", True, 20_000, 6_000, 5_500, 16_000, 0, "0.008496"),
    ("deepseek", True, 7, 1, 0, 7, 0, "0.000001242"),
    ("openrouter", False, 1_000, 500, None, 0, 0, "0.001575"),
    ("openrouter", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.01211"),
    ("deepinfra", False, 1_000, 500, None, 0, 0, "0.001575"),
    ("deepinfra", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.01211"),
    ("novita", False, 1_000, 500, None, 0, 0, "0.00195"),
    ("novita", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0.0141"),
    ("ollama", False, 1_000, 500, None, 0, 0, "0"),
    ("ollama", False, 12_000, 3_400, 2_900, 8_000, 1_500, "0"),
    ("gateway claude-sonnet-4-5-20250929", False, 1_000, 1_000, None, 0, 0, "0.07"),
    ("gateway claude-sonnet-4-5-20250929", False, 2_345, 678, 400, 0, 0, "0.067464"),
    ("gateway claude-sonnet-4-20250514", False, 1_000, 1_000, None, 0, 0, "0.07"),
    ("gateway claude-sonnet-4-20250514", False, 2_345, 678, 400, 0, 0, "0.067464"),
    ("gateway claude-haiku-4-5-20251001", False, 1_000, 1_000, None, 0, 0, "0.0278"),
    ("gateway claude-haiku-4-5-20251001", False, 2_345, 678, 400, 0, 0, "0.02685"),
    ("gateway claude-opus-4-5-20251101", False, 1_000, 1_000, None, 0, 0, "0.111"),
    ("gateway claude-opus-4-5-20251101", False, 2_345, 678, 400, 0, 0, "0.106931"),
    ("gateway claude-opus-4-1-20250805", False, 1_000, 1_000, None, 0, 0, "0.313"),
    ("gateway claude-opus-4-1-20250805", False, 2_345, 678, 400, 0, 0, "0.300565"),
    ("gateway claude-opus-4-20250514", False, 1_000, 1_000, None, 0, 0, "0.313"),
    ("gateway claude-opus-4-20250514", False, 2_345, 678, 400, 0, 0, "0.300565"),
]


def card(name: str) -> RateCard:
    backend, _, model = name.rpartition(" ")
    found = {row.id: row.rates.get(backend or "direct") for row in CATALOG.claude_models}
    if not backend:
        found |= {row.name: row.rates for row in CATALOG.reasoners}
    priced = found[model]
    assert priced is not None
    return priced


def test_the_table_has_at_least_sixty_usages() -> None:
    assert len(set(TABLE)) == len(TABLE) >= 60


@pytest.mark.parametrize(
    ("name", "peak", "prompt", "output", "reasoning", "cached", "written", "expected"), TABLE
)
def test_a_usage_costs_what_the_rate_card_says(
    name: str,
    peak: bool,
    prompt: int,
    output: int,
    reasoning: int | None,
    cached: int,
    written: int,
    expected: str,
) -> None:
    usage = Usage(prompt, output, reasoning, cached, written)
    assert card(name).cost(usage, PEAK if peak else OFF_PEAK) == Decimal(expected)
