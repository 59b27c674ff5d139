"""What counts of right answers show: intervals, the exact McNemar test, Holm, power.

Everything is computed exactly or by sums over the binomial distribution, without a library for
numbers. Probabilities and shares are from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, exp, floor, lgamma, log, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

LEVEL: Final = 0.95  # of an interval
ALPHA: Final = 0.05  # how often a difference may be seen where there is none
POWER: Final = 0.8  # how often a difference that is there has to be seen
NEGLIGIBLE: Final = 1e-15  # beside a sum, a term that is left out
TAIL: Final = 9  # standard deviations; what lies beyond is less than 1e-17


class Interval(NamedTuple):
    """Where a share is likely to lie, both ends included."""

    low: float
    high: float


def wilson_interval(right: int, asked: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval for `right` out of `asked`, without a correction for continuity.

    Wilson 1927; recommended for small samples by Brown, Cai and DasGupta, "Interval Estimation for
    a Binomial Proportion", Statistical Science 16 (2001). Without a question it is 0 to 1.
    """
    if not asked:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = right / asked, z * z / asked
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / asked + spread / (4 * asked)) / (1 + spread)
    low = 0.0 if right == 0 else max(0.0, middle - half)
    return Interval(low, 1.0 if right == asked else min(1.0, middle + half))


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided McNemar test: how likely so uneven a split is, were both equally good.

    The counts are of the questions that only the one and only the other got right; the rest says
    nothing about a difference. It is the binomial test with 1/2, not the mid-p variant, so that it
    errs on the side of "no difference shown".
    """
    differing, fewer = only_first + only_second, min(only_first, only_second)
    ways = below = 1
    for count in range(fewer):
        ways = ways * (differing - count) // (count + 1)
        below += ways
    return float(min(1.0, 2 * below / 2**differing))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's correction of several tests: each p-value as it stands against `ALPHA` thereafter.

    With it, a difference is claimed anywhere among the tests where there is none in at most
    `ALPHA` of cases. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def smallest_difference(
    asked: int, differing: int, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """The smallest difference of accuracies that the exact McNemar test sees with this power.

    `differing` of the questions were answered rightly by one of the two alone; their share is taken
    to be what it was, or as large as the difference needs. Rounded up to a thousandth. None where
    so few questions show no difference at all.
    """
    if not asked or mcnemar_power(asked, 1.0, 1.0, alpha) < power:
        return None
    observed = differing / asked
    low, high = 0, 1000
    while high - low > 1:
        middle = (low + high) // 2
        difference = middle / 1000
        enough = mcnemar_power(asked, max(observed, difference), difference, alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high / 1000


def mcnemar_power(asked: int, differing: float, difference: float, alpha: float = ALPHA) -> float:
    """How often the exact McNemar test sees a difference, before the answers are known.

    `differing` is the share of questions that one of the two alone gets right, `difference` how
    much of it is one's more than the other's. The number of such questions is binomial, and given
    it, so is the split.
    """
    if not differing:
        return 0.0
    share = (differing + difference) / (2 * differing)
    spread = TAIL * sqrt(asked * differing * (1 - differing)) + 1
    first = max(0, floor(asked * differing - spread))
    last = min(asked, ceil(asked * differing + spread))
    total = 0.0
    for count in range(first, last + 1):
        critical = critical_count(count, alpha)
        if critical >= 0:
            seen = cumulative(critical, count, share) + cumulative(critical, count, 1 - share)
            total += probability(count, asked, differing) * seen
    return min(1.0, total)


@lru_cache(maxsize=20_000)
def critical_count(differing: int, alpha: float) -> int:
    """The largest number of questions on the smaller side that still shows a difference, or -1."""
    z = NormalDist().inv_cdf(1 - alpha / 2)
    count = max(-1, floor(differing / 2 - z * sqrt(differing) / 2))
    while count >= 0 and 2 * cumulative(count, differing, 0.5) > alpha:
        count -= 1
    while 2 * cumulative(count + 1, differing, 0.5) <= alpha:
        count += 1
    return count


def probability(count: int, trials: int, share: float) -> float:
    """The binomial probability of exactly so many."""
    if share in {0.0, 1.0}:
        return float(count == trials * share)
    ways = lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1)
    return exp(ways + count * log(share) + (trials - count) * log(1 - share))


def cumulative(count: int, trials: int, share: float) -> float:
    """The binomial probability of so many or fewer, summed from the largest term on."""
    if count < 0:
        return 0.0
    if count >= trials:
        return 1.0
    if share in {0.0, 1.0}:
        return 1.0 - share
    if count > trials * share:
        return 1.0 - cumulative(trials - count - 1, trials, 1 - share)
    term = total = probability(count, trials, share)
    odds = (1 - share) / share
    while count and term > total * NEGLIGIBLE:
        term *= count / (trials - count + 1) * odds
        count -= 1
        total += term
    return total
