"""Deciding while samples come in: the error probability holds however often one looks.

False-alarm rate of this file: each Monte Carlo has 2,000 series; a rate that is truly 5 % is
found above 6.7 % with probability 3e-4.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from gnr.arrays import Floats
from gnr.validation.sequential import ALPHA, Bounded, below, decide, spent
from gnr.validation.statistics import Verdict

LOOKS = (16, 32, 64, 128)
SERIES = 2_000
ABOVE_BY_CHANCE = 0.067


def exact(values: Floats, limit: float) -> Bounded:
    return Bounded(values, values, limit)


def rate(draws: Floats, limits: Sequence[float], wanted: Verdict, looks: Sequence[int]) -> float:
    """Return how often the verdict is `wanted`; draws have shape (series, bounds, lanes)."""
    hits = 0
    for series in draws:
        verdict, _ = decide(
            lambda count, series=series: series[:, :count],
            lambda found: [exact(*pair) for pair in zip(found, limits, strict=True)],
            looks,
        )
        hits += verdict is wanted
    return hits / len(draws)


def shares(mean: float, shape: float, size: tuple[int, ...]) -> Floats:
    """Return positive values with a long tail, as shares of late requests are."""
    return np.random.default_rng(8).gamma(shape, mean / shape, size)


@pytest.mark.parametrize("shape", [4.0, 100.0])
def test_a_bound_that_is_just_broken_is_seldom_called_kept(shape: float) -> None:
    draws = shares(0.01, shape, (SERIES, 1, LOOKS[-1]))
    assert rate(draws, [0.01], Verdict.YES, LOOKS) <= ABOVE_BY_CHANCE


def test_bounds_that_are_just_kept_are_seldom_called_broken() -> None:
    draws = np.random.default_rng(9).normal(1.0, 0.3, (SERIES, 3, LOOKS[-1]))
    assert rate(draws, [1.0, 1.0, 1.0], Verdict.NO, LOOKS) <= ABOVE_BY_CHANCE


def test_looking_at_every_replication_at_full_level_would_cheat() -> None:
    """The planted fault: the same test with the whole level at each of many looks."""
    draws = np.random.default_rng(10).normal(1.0, 0.3, (SERIES // 2, 1, LOOKS[-1]))
    cheated = np.mean(
        [
            any(below(series[0, :count], 1.0) <= ALPHA for count in range(4, LOOKS[-1] + 1, 4))
            for series in draws
        ]
    )
    assert cheated > 2 * ABOVE_BY_CHANCE


def test_clear_cases_are_decided_at_the_first_look() -> None:
    seen: list[int] = []

    def sample(count: int) -> Floats:
        seen.append(count)
        return np.random.default_rng(1).normal(0.5, 0.01, count)

    assert decide(sample, lambda found: [exact(found, 1.0)], LOOKS)[0] is Verdict.YES
    assert decide(sample, lambda found: [exact(found, 0.1)], LOOKS)[0] is Verdict.NO
    assert seen == [16, 16]


def test_a_mean_on_the_bound_stays_undecided() -> None:
    even = np.tile([0.9, 1.1], 64)
    verdict, evidence = decide(lambda count: even[:count], lambda found: [exact(found, 1.0)], LOOKS)
    assert verdict is Verdict.UNDECIDED
    assert len(evidence) == LOOKS[-1]


def test_doubt_counts_against_either_claim() -> None:
    """The value is between low and high: neither claim can be made where they straddle."""
    doubtful = Bounded(np.full(16, 0.8), np.full(16, 1.2), 1.0)
    assert doubtful.kept() == 1.0
    assert doubtful.broken() == 1.0


@pytest.mark.parametrize("values", [[np.nan, 0.1], [np.inf, 0.1], [0.1], [-np.inf, np.nan]])
def test_what_is_not_finite_claims_nothing(values: list[float]) -> None:
    assert below(np.array(values), 1.0) == 1.0


def test_the_levels_of_all_attempts_add_up() -> None:
    assert sum(spent(ALPHA, attempt) for attempt in range(1, 60)) == pytest.approx(ALPHA)
