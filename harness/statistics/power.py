"""The power of the paired t test: how many pairs tell a difference from chance."""

from __future__ import annotations

from harness.statistics.student import LEVEL, half_width

POWER = 0.8
"""How often a difference is to be found where it is there."""
MOST = 10_000
"""Numbers of pairs above it are not searched: nobody trains so many seeds."""


def power_of_pairs(effect: float, n: int, level: float = LEVEL) -> float:
    """Return how often the two-sided paired t test finds a difference, over n >= 2 pairs.

    Args:
        effect: mean of the differences over their standard deviation.
    """
    from scipy.stats import nct

    shift, critical = abs(effect) * n**0.5, float(half_width(n - 1, level))
    below = float(nct.cdf(-critical, n - 1, shift))  # of the wrong sign: next to nothing, except for tiny effects
    return float(nct.sf(critical, n - 1, shift)) + (0.0 if below != below else below)


def pairs_to_tell(mean: float, sd: float, power: float = POWER, level: float = LEVEL) -> int | None:
    """Return the least number of pairs whose paired t test finds a difference with this power.

    The mean and the standard deviation are taken as true. Estimates of a few pairs are rough, and so is then the answer.

    Args:
        mean, sd: of the differences; sd >= 0.
    Returns: None where there is no difference, and for numbers above MOST.
    """
    if mean == 0:
        return None
    if sd == 0:
        return 2
    effect = mean / sd
    if power_of_pairs(effect, MOST, level) < power:
        return None
    low, high = 1, 2  # `low` pairs are too few
    while power_of_pairs(effect, high, level) < power:
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of_pairs(effect, middle, level) >= power else (middle, high)
    return high
