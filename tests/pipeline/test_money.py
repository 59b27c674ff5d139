"""Money: to the last digit, never negative, never a number where none is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.money import (
    Hours,
    RateCard,
    Rates,
    Usage,
    believable,
    decimal_usd,
    estimate_tokens,
    format_tokens,
    format_usd,
)

OFF_PEAK = Rates(Decimal("0.66"), Decimal("1.98"), cache_read=Decimal("0.022"))
PEAK = Rates(Decimal("1.32"), Decimal("3.96"), cache_read=Decimal("0.044"))
WORKDAYS = Hours(
    weekdays=frozenset(range(5)),
    spans=((time(1), time(4)), (time(6), time(10))),
    holidays=frozenset({date(2026, 10, 1)}),
)
DEEPSEEK = RateCard(OFF_PEAK, peak=PEAK, peak_hours=WORKDAYS)
SMALL = Rates(Decimal("0.10"), Decimal("0.50"), Decimal("0.01"), Decimal("0.125"))
LARGE = Rates(Decimal("0.50"), Decimal("2.50"), Decimal("0.05"), Decimal("0.625"))
HAIKU = RateCard(SMALL, bands=((100_000, LARGE),))
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

tokens = st.integers(0, 2_000_000)
prices = st.decimals(0, 500, places=4, allow_nan=False)
rates = st.builds(Rates, prices, prices, st.none() | prices, st.none() | prices)
usages = st.builds(Usage, tokens, tokens, cached_tokens=tokens, cache_write_tokens=tokens)


# --- rates × usage


@pytest.mark.parametrize(
    ("usage", "believed"),
    [
        (Usage(120, 400), Usage(120, 400)),
        (Usage(120, 130), Usage(120, 130)),  # 15 bytes a token
        (Usage(120, 9_000, 8_500), Usage(120, 9_000, 8_500)),  # thought unseen
        (Usage(120, 1), Usage(120, 500, 200, estimated=True)),
        (Usage(120, 0), Usage(120, 500, 200, estimated=True)),
        (Usage(120, 10**9), Usage(120, 500, 200, estimated=True)),
        (Usage(120, 130, estimated=True), Usage(120, 500, 200, estimated=True)),
        (Usage(120, 700, estimated=True), Usage(120, 700, estimated=True)),
        (Usage(0, 400), Usage(100, 400, cache_write_tokens=60, estimated=True)),
        (Usage(1, 400, None, 1), Usage(100, 400, cache_write_tokens=60, estimated=True)),
    ],
)
def test_a_count_that_contradicts_the_text_is_not_believed(usage: Usage, believed: Usage) -> None:
    estimate = Usage(100, 500, 200, cache_write_tokens=60, estimated=True)
    assert believable(usage, estimate) == believed


@pytest.mark.parametrize("output", [1, 3, 40])
def test_a_few_tokens_for_a_short_text_may_be_right(output: int) -> None:
    assert believable(Usage(1, output), Usage(9, 45, estimated=True)) == Usage(1, output)


def test_each_kind_of_token_has_its_own_rate() -> None:
    usage = Usage(1000, 500, reasoning_tokens=400, cached_tokens=600, cache_write_tokens=300)
    card = Rates(Decimal(2), Decimal(10), cache_read=Decimal("0.10"), cache_write=Decimal("2.50"))
    # 100 plain at 2, 600 read at 0.10, 300 written at 2.50, 500 out at 10, per million
    assert card.cost(usage) == Decimal("0.006010")


def test_reasoning_tokens_are_not_billed_beside_the_output_they_are_part_of() -> None:
    assert OFF_PEAK.cost(Usage(0, 1000, reasoning_tokens=900)) == OFF_PEAK.cost(Usage(0, 1000))


def test_without_a_cache_rate_cached_tokens_cost_what_plain_input_costs() -> None:
    plain = Rates(Decimal("0.50"), Decimal("2.15"))
    cached = Usage(1_000_000, 0, cached_tokens=400_000, cache_write_tokens=500_000)
    assert plain.cost(cached) == Decimal("0.50")


def test_a_cache_rate_of_zero_is_not_taken_for_an_unknown_one() -> None:
    free = Rates(Decimal(1), Decimal(1), cache_read=Decimal(0), cache_write=Decimal(0))
    assert free.cost(Usage(100, 0, cached_tokens=60, cache_write_tokens=40)) == 0


def test_more_cached_than_prompt_tokens_bills_the_prompt_as_read_and_no_more() -> None:
    usage = Usage(1000, 0, cached_tokens=5000, cache_write_tokens=5000)
    assert OFF_PEAK.cost(usage) == Decimal("0.000022")


def test_a_write_beyond_the_rest_of_the_prompt_is_billed_for_the_rest() -> None:
    usage = Usage(1000, 0, cached_tokens=400, cache_write_tokens=5000)
    assert SMALL.cost(usage) == (400 * Decimal("0.01") + 600 * Decimal("0.125")) / 1_000_000


def test_negative_counts_of_a_broken_host_cost_nothing() -> None:
    assert OFF_PEAK.cost(Usage(-5, -7, cached_tokens=-9, cache_write_tokens=-1)) == 0


def test_negative_cached_tokens_do_not_make_the_prompt_dearer() -> None:
    assert SMALL.cost(Usage(100, 0, cached_tokens=-50)) == SMALL.cost(Usage(100, 0))


@pytest.mark.parametrize(
    ("usage", "saved"),
    [
        (Usage(10_000, 500), "0"),
        # 8,000 read at 0.01 in place of 0.10
        (Usage(10_000, 500, cached_tokens=8_000), "0.00072"),
        # 8,000 written at 0.125 in place of 0.10
        (Usage(10_000, 500, cache_write_tokens=8_000), "-0.0002"),
        # 6,000 read and 2,000 written
        (Usage(10_000, 500, None, 6_000, 2_000), "0.00049"),
        # the larger band: 90,000 read at 0.05 and 20,000 written at 0.625 in place of 0.50
        (Usage(120_000, 0, None, 90_000, 20_000), "0.038"),
        (Usage(10_000, 500, None, 6_000, 2_000, estimated=True), "0"),
    ],
)
def test_caches_save_what_they_cost_less_than_plain_input(usage: Usage, saved: str) -> None:
    assert HAIKU.saved(usage, MONDAY) == Decimal(saved)


def test_what_a_cache_saves_goes_by_the_hour_too() -> None:
    usage = Usage(20_000, 0, cached_tokens=16_000)
    assert DEEPSEEK.saved(usage, MONDAY) == Decimal("0.010208")
    assert DEEPSEEK.saved(usage, MONDAY + timedelta(hours=1)) == Decimal("0.020416")


def test_at_a_host_that_bills_cached_tokens_as_any_other_nothing_is_saved() -> None:
    plain = Rates(Decimal("0.50"), Decimal("2.15"))
    assert plain.saved(Usage(1_000, 5, cached_tokens=600, cache_write_tokens=300)) == 0


@given(rates, usages)
def test_what_was_paid_and_what_was_saved_is_what_no_cache_would_have_cost(
    card: Rates, usage: Usage
) -> None:
    plain = replace(usage, cached_tokens=0, cache_write_tokens=0)
    assert card.cost(usage) + card.saved(usage) == card.cost(plain)


@pytest.mark.parametrize(
    ("card", "known"),
    [(SMALL, True), (OFF_PEAK, False), (Rates(Decimal(1), Decimal(2)), False)],
)
def test_what_a_cache_costs_is_known_if_both_of_its_rates_are(card: Rates, known: bool) -> None:
    assert card.prices_caching is known


@given(rates, usages)
def test_no_usage_has_a_negative_cost(card: Rates, usage: Usage) -> None:
    assert card.cost(usage) >= 0


@given(rates, usages, st.integers(0, 10_000))
def test_more_output_never_costs_less(card: Rates, usage: Usage, more: int) -> None:
    longer = Usage(
        usage.input_tokens,
        usage.output_tokens + more,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    assert card.cost(longer) - card.cost(usage) == more * card.output / 1_000_000


@given(rates, usages, st.integers(0, 10_000))
def test_a_longer_prompt_never_costs_less_while_its_cached_parts_stay(
    card: Rates, usage: Usage, more: int
) -> None:
    def asked(prompt: int) -> Usage:
        return Usage(
            prompt,
            0,
            cached_tokens=usage.input_tokens // 3,
            cache_write_tokens=usage.input_tokens // 3,
        )

    assert card.cost(asked(usage.input_tokens + more)) >= card.cost(asked(usage.input_tokens))


@given(rates, tokens, tokens, tokens, tokens)
def test_two_requests_cost_the_sum_of_their_tokens(
    card: Rates, first_in: int, first_out: int, second_in: int, second_out: int
) -> None:
    apart = card.cost(Usage(first_in, first_out)) + card.cost(Usage(second_in, second_out))
    assert apart == card.cost(Usage(first_in + second_in, first_out + second_out))


@pytest.mark.parametrize(
    ("published_in", "published_out"),
    [("0.012", "0.058"), ("0.0048", "0.023"), ("0.019", "0.092"), ("0.053", "0.26")],
)
def test_rates_per_thousand_tokens_come_back_digit_for_digit(
    published_in: str, published_out: str
) -> None:
    card = Rates(Decimal(published_in) * 1000, Decimal(published_out) * 1000)
    assert tuple(map(str, card.per_thousand)) == (published_in, published_out)
    assert card.cost(Usage(1000, 1000)) == Decimal(published_in) + Decimal(published_out)


# --- hours


@pytest.mark.parametrize(
    ("after_midnight", "dear"),
    [
        (timedelta(0), False),
        (timedelta(hours=1) - MOMENT, False),
        (timedelta(hours=1), True),
        (timedelta(hours=4) - MOMENT, True),
        (timedelta(hours=4), False),
        (timedelta(hours=6) - MOMENT, False),
        (timedelta(hours=6), True),
        (timedelta(hours=10) - MOMENT, True),
        (timedelta(hours=10), False),
        (timedelta(days=1) - MOMENT, False),
    ],
)
def test_the_peak_begins_with_its_first_moment_and_ends_before_its_last(
    after_midnight: timedelta, dear: bool
) -> None:
    assert DEEPSEEK.at(MONDAY + after_midnight) == (PEAK if dear else OFF_PEAK)


@pytest.mark.parametrize(
    ("offset", "dear"), [(-1, False), (0, True), (4, True), (5, False), (6, False), (7, True)]
)
def test_the_weekend_has_no_peak(offset: int, dear: bool) -> None:
    when = MONDAY + timedelta(days=offset, hours=2)
    assert DEEPSEEK.at(when) == (PEAK if dear else OFF_PEAK)


@pytest.mark.parametrize(("day", "dear"), [(30, True), (31, False), (32, True)])
def test_a_holiday_has_no_peak_and_its_neighbours_do(day: int, dear: bool) -> None:
    when = datetime(2026, 9, 1, 7, tzinfo=UTC) + timedelta(days=day - 1)
    assert WORKDAYS.hold(when) is dear


@pytest.mark.parametrize(
    ("clock", "dear"),
    [
        (datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=8))), True),
        (datetime(2026, 11, 23, 8, 59, tzinfo=timezone(timedelta(hours=8))), False),
        # Sunday evening in New York is Monday in UTC; Friday evening is Saturday
        (datetime(2026, 11, 22, 20, 0, tzinfo=timezone(timedelta(hours=-5))), True),
        (datetime(2026, 11, 27, 20, 0, tzinfo=timezone(timedelta(hours=-5))), False),
    ],
)
def test_hours_and_weekdays_are_those_of_utc_wherever_the_clock_stands(
    clock: datetime, dear: bool
) -> None:
    assert WORKDAYS.hold(clock) is dear


def test_hours_without_a_peak_rate_change_nothing() -> None:
    when = MONDAY + timedelta(hours=2)
    assert RateCard(OFF_PEAK, peak_hours=WORKDAYS).at(when) == OFF_PEAK
    assert RateCard(OFF_PEAK, peak=PEAK).at(when) == OFF_PEAK


def test_the_cost_is_that_of_the_hour_of_the_request() -> None:
    usage = Usage(1_000_000, 1_000_000, cached_tokens=500_000)
    assert DEEPSEEK.cost(usage, MONDAY) == Decimal("2.321")
    assert DEEPSEEK.cost(usage, MONDAY + timedelta(hours=9)) == Decimal("4.642")


# --- bands


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [(0, SMALL), (99_999, SMALL), (100_000, SMALL), (100_001, LARGE), (1_000_000, LARGE)],
)
def test_the_dear_band_begins_one_token_above_its_border(prompt: int, expected: Rates) -> None:
    assert HAIKU.at(MONDAY, prompt) == expected


def test_the_whole_request_is_billed_at_the_band_of_its_prompt() -> None:
    assert HAIKU.cost(Usage(100_000, 1000), MONDAY) == Decimal("0.0105")
    assert HAIKU.cost(Usage(100_001, 1000), MONDAY) == Decimal("0.0525005")


def test_cached_tokens_count_towards_the_band() -> None:
    usage = Usage(100_001, 0, cached_tokens=100_001)
    assert HAIKU.cost(usage, MONDAY) == Decimal("0.00500005")


def test_the_highest_band_that_is_reached_holds() -> None:
    third = Rates(Decimal(9), Decimal(9))
    card = RateCard(SMALL, bands=((100_000, LARGE), (200_000, third)))
    assert [card.at(MONDAY, n) for n in (100_000, 200_000, 200_001)] == [SMALL, LARGE, third]


# --- estimates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 1),
        ("four", 1),
        ("fives", 2),
        ("a" * 4000, 1000),
        ("思考" * 2, 3),  # three bytes each
        ("🙂", 1),
        ("é", 1),
        ("\ud83d", 1),  # half of a pair, as a broken stream delivers it
        ("abcd\udc80", 2),
    ],
)
def test_tokens_are_estimated_from_bytes_and_rounded_up(text: str, expected: int) -> None:
    assert estimate_tokens(text) == expected


@given(st.text(), st.text())
def test_an_estimate_of_the_whole_is_at_most_one_less_than_that_of_its_parts(
    head: str, tail: str
) -> None:
    whole, parts = estimate_tokens(head + tail), estimate_tokens(head) + estimate_tokens(tail)
    assert parts - 1 <= whole <= parts


@given(st.text(st.characters(codec=None)))
def test_no_text_is_too_odd_to_be_estimated(text: str) -> None:
    assert 0 <= estimate_tokens(text) <= len(text)


# --- as text


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (None, None),
        ("0", "0"),
        ("0.000", "0"),
        ("1.500", "1.5"),
        ("100", "100"),
        ("0.00000033", "0.00000033"),
        ("1E+3", "1000"),
        ("0.0525005", "0.0525005"),
    ],
)
def test_scripts_read_the_exact_amount_without_an_exponent(
    amount: str | None, expected: str | None
) -> None:
    assert decimal_usd(None if amount is None else Decimal(amount)) == expected


@given(st.decimals(0, 10_000, places=9, allow_nan=False))
def test_what_scripts_read_is_the_amount(amount: Decimal) -> None:
    assert Decimal(decimal_usd(amount) or "") == amount


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (None, "cost unknown"),
        ("0", "$0"),
        ("0.000001", "<$0.0001"),
        ("0.0000999", "<$0.0001"),
        ("0.0001", "$0.0001"),
        ("0.00714", "$0.0071"),
        ("0.9999", "$0.9999"),
        ("0.99996", "$1.00"),
        ("1", "$1.00"),
        ("12.345", "$12.34"),
        ("1234.5", "$1234.50"),
    ],
)
def test_people_read_four_digits_below_a_dollar_and_two_above(
    amount: str | None, expected: str
) -> None:
    assert format_usd(None if amount is None else Decimal(amount)) == expected


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (None, "cost unknown"),
        ("0.0071", "≈$0.0071"),
        ("2", "≈$2.00"),
        ("0.00001", "<$0.0001"),
    ],
)
def test_an_estimate_says_that_it_is_one(amount: str | None, expected: str) -> None:
    assert format_usd(None if amount is None else Decimal(amount), estimated=True) == expected


# --- as JSON


def test_rates_as_json_are_decimal_strings_and_none_where_they_are_plain_input() -> None:
    assert OFF_PEAK.as_json() == {
        "input": "0.66",
        "output": "1.98",
        "cache_read": "0.022",
        "cache_write": None,
    }


def test_a_card_as_json_has_its_base_and_what_departs_from_it() -> None:
    card = replace(DEEPSEEK, bands=HAIKU.bands, as_of="2026-11-01")
    assert card.as_json() == {
        **OFF_PEAK.as_json(),
        "bands": [{"above": 100_000, **LARGE.as_json()}],
        "peak": PEAK.as_json(),
        "peak_hours": {
            "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "spans_utc": [["01:00", "04:00"], ["06:00", "10:00"]],
            "holidays": ["2026-10-01"],
        },
        "as_of": "2026-11-01",
        "source": None,
    }
    plain = RateCard(SMALL).as_json()
    assert (plain["bands"], plain["peak"], plain["peak_hours"]) == ([], None, None)


def test_usage_as_json_has_the_counts_that_vendors_bill() -> None:
    assert Usage(11, 40, 30, 3, 2, estimated=True).as_json() == {
        "input_tokens": 11,
        "output_tokens": 40,
        "reasoning_tokens": 30,
        "cached_tokens": 3,
        "estimated": True,
    }


def test_people_read_a_count_in_thousands_and_whether_it_is_an_estimate() -> None:
    assert (format_tokens(3120), format_tokens(3120, estimated=True)) == ("3,120", "≈3,120")
