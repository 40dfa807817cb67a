"""Intervals of medians, shares and ratios of standard deviations cover as often as they say.

Skewed samples are drawn again from what a policy lost on the instances of the recommendation runs.
Misses are counted at either end, for a verdict rests on one of them.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gnr.arrays import Floats
from gnr.validation.studies.reproduction.compared import (
    deviation_ratio_ends,
    least_of,
    median_ends,
    share_ends,
)
from gnr.validation.studies.reproduction.outline import confidence
from gnr.validation.studies.reproduction.quantities import LARGEST, mean_ends

RECOMMENDATION_RUNS = (
    Path(__file__).parents[1] / "benchmarks" / "results" / "recommendation-2026-11-23.json"
)

LEVEL = 0.9
"""Of the intervals whose coverage is counted: more misses to count than at 99.8 %."""

DRAWS = 2000

FALSE_ALARM = 1e-4


def too_many(missed: list[bool], most: float) -> bool:
    """Tell whether so many misses are hardly possible if `most` is their probability."""
    return bool(stats.binom.sf(sum(missed) - 1, len(missed), most) < FALSE_ALARM)


@pytest.fixture(scope="module")
def losses() -> Floats:
    """Return what gate-and-route loses with 500 GPUs on 96 instances, % of the optimum."""
    kinds = ("light", "mostly_solo", "mostly_mixed", "two_marginal")
    terms = [
        np.array([each for each in cell.values() if isinstance(each, list)])
        for kind in json.loads(RECOMMENDATION_RUNS.read_text())["kinds"]
        for cell in kind["cells"]
        if kind["kind"] in kinds and (cell["gpus"], cell["policy"]) == (500, "gate-and-route")
    ]
    return 100 * np.concatenate([each.sum(axis=0) for each in terms])


@pytest.mark.parametrize("size", [10, 24])
def test_medians_of_skewed_samples_are_covered(size: int, losses: Floats) -> None:
    draws = np.random.default_rng(20250105).choice(losses, (500, size))
    middle = np.median(losses)
    ends = [median_ends(each, LEVEL) for each in draws]
    assert not too_many([low > middle for low, _, _ in ends], (1 - LEVEL) / 2)
    assert not too_many([high < middle for _, _, high in ends], (1 - LEVEL) / 2)


def test_means_of_skewed_samples_are_not_covered_by_t_intervals(losses: Floats) -> None:
    """Why quantities over instances are medians, and that a miss would be noticed."""
    draws = np.random.default_rng(20250106).choice(losses, (DRAWS, 24))
    missed = [mean_ends(each, 0.998)[2] < losses.mean() for each in draws]
    assert too_many(missed, 20 * 0.001)


def test_the_median_of_ten_is_between_the_least_and_the_largest() -> None:
    """By hand: both miss it on the same side with probability 2 / 1024, less than 0.002."""
    values = [3.0, 1, 4, 1.5, 9, 2.6, 5, 3.5, 8, 9.7]
    assert median_ends(values, 0.998) == (1, 3.75, 9.7)
    assert median_ends(values[:9], 0.998) == (-LARGEST, 3.5, LARGEST)


def test_the_share_of_ten_in_ten() -> None:
    """By hand: p to the tenth is 0.001."""
    low, share, high = share_ends([True] * 10, 0.998)
    assert (share, high) == (100, 100)
    assert low == pytest.approx(100 * 0.001**0.1)


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_ratios_of_standard_deviations_are_covered_exactly(correlation: float) -> None:
    """Also from below: an interval that never misses would be too wide."""
    rng = np.random.default_rng(20250107)
    pairs = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], (DRAWS, 16))
    ends = [deviation_ratio_ends((2 * one[:, 0], one[:, 1]), LEVEL) for one in pairs]
    for misses in ([low > 2 for low, _, _ in ends], [high < 2 for _, _, high in ends]):
        assert not too_many(misses, (1 - LEVEL) / 2)
        assert stats.binom.cdf(sum(misses), DRAWS, (1 - LEVEL) / 2) > FALSE_ALARM


@pytest.mark.parametrize("shift", [0.0, 3.0], ids=["all the least", "one alone"])
def test_the_least_of_several_means_is_covered_at_either_end(shift: float) -> None:
    """At the confidence of all claims, where a corrected lower end is not needed."""
    rng = np.random.default_rng(20250108)
    means = np.array([0.0, shift, shift, shift])
    draws = rng.normal(0, 1, (DRAWS, 4, 16)) + means[:, None]
    found = partial(least_of, "q", "", ends=mean_ends)
    quantities = [found(rows=list(each)) for each in draws]
    half = (1 - confidence()) / 2
    assert not too_many([each.low > 0 for each in quantities], half)
    assert not too_many([each.high < 0 for each in quantities], half)
    assert all(each.low <= each.value <= each.high for each in quantities)
