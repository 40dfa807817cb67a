"""Intervals and verdicts err as often as they say, and no more.

Error rates are counted over seeded samples. A count may stray from its binomial law by what has
probability `FALSE_ALARM` in all, both tails together; each such check has a planted fault as a
parameter, which it must find.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gnr.validation.statistics import (
    Interval,
    Verdict,
    correlation,
    detection_power,
    equivalent,
    holm,
    holm_intervals,
    interval,
    p_value,
    paired_difference,
    replications_needed,
    same_mean,
    sign_test,
    t_interval,
    two_stage_interval,
)

FALSE_ALARM = 1e-4
"""Probability, over seeds, that a correct rate trips one check of this file."""
TRIALS = 20_000
"""With 4 replications the normal quantile covers 0.85, not 0.95: found with p > 1 - 1e-12."""


def normal(seed: int, *shape: int) -> Any:
    return np.random.default_rng([20250101, seed]).standard_normal(shape)


def as_often_as(hits: int, trials: int, probability: float) -> bool:
    """Tell whether a count agrees with a probability."""
    low, high = stats.binom.interval(1 - FALSE_ALARM, trials, probability)
    return bool(low <= hits <= high)


def not_more_often_than(hits: int, trials: int, probability: float) -> bool:
    """Tell whether a count agrees with a probability of at most this."""
    return bool(hits <= stats.binom.isf(FALSE_ALARM, trials, probability))


def normal_interval(samples: Any, confidence: float = 0.95) -> Any:
    """Planted fault: the normal quantile where Student's t is needed."""
    samples = np.asarray(samples)
    error = samples.std(axis=-1, ddof=1) / math.sqrt(samples.shape[-1])
    return samples.mean(axis=-1), stats.norm.isf((1 - confidence) / 2) * error


def biased_spread_interval(samples: Any, confidence: float = 0.95) -> Any:
    """Planted fault: the spread divided by m instead of m - 1."""
    mean, half_width = t_interval(samples, confidence)
    return mean, half_width * math.sqrt(1 - 1 / samples.shape[-1])


@pytest.mark.parametrize(
    ("intervals", "right"),
    [(t_interval, True), (normal_interval, False), (biased_spread_interval, False)],
)
def test_t_interval_covers_as_often_as_it_says(intervals: Callable[..., Any], right: bool) -> None:
    agreed = []
    for replications, confidence in ((2, 0.95), (4, 0.95), (4, 0.99), (20, 0.9)):
        samples = 3.0 + 2.0 * normal(replications, TRIALS, replications)
        mean, half_width = intervals(samples, confidence)
        hits = int((np.abs(mean - 3.0) <= half_width).sum())
        agreed.append(as_often_as(hits, TRIALS, confidence))
    assert all(agreed) is right


def test_t_interval_by_hand() -> None:
    """1, 2, 3: mean 2, s = 1, t_2(0.975) = 4.302653 (any t table), / sqrt(3) = 2.484138."""
    found = interval([1, 2, 3])
    assert found.mean == 2
    assert found.half_width == pytest.approx(2.484138, abs=1e-6)
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert found.high == pytest.approx(2 + 2.484138, abs=1e-6)


def test_what_says_nothing_about_spread_decides_nothing() -> None:
    mean, half_width = t_interval([[5.0], [7.0]])
    assert mean.tolist() == [5, 7]
    assert half_width.tolist() == [math.inf, math.inf]
    mean, half_width = t_interval([[1.0, math.nan], [1.0, math.inf], [1.0, 3.0]])
    assert half_width[:2].tolist() == [math.inf, math.inf]
    assert mean[2] == 2
    assert equivalent([5.0], 5.0, 1e9) is Verdict.UNDECIDED
    assert same_mean([5.0], [5.0, 5.0], 1e9) is Verdict.UNDECIDED
    assert not interval([5.0]).within(-1e300, 1e300)


@pytest.mark.parametrize("samples", [[], [[1.0, 2.0]], [1.0, math.nan], 3.0])
def test_what_is_no_sample_is_refused(samples: Any) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        interval(samples)
    with pytest.raises(ValueError, match="at least one replication"):
        t_interval(np.empty((3, 0)))


def test_levels_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="confidence"):
        interval([1.0, 2.0], 95)
    with pytest.raises(ValueError, match="alpha"):
        equivalent([1.0, 2.0], 0.0, 1.0, alpha=0.5)
    with pytest.raises(ValueError, match="delta"):
        same_mean([1.0, 2.0], [1.0, 2.0], -1.0)


def test_inside_outside_and_neither() -> None:
    one = Interval(1.0, 0.5, 0.95)
    assert one.within(0.5, 1.5)
    assert not one.within(0.6, 2)
    assert one.outside(1.6, 2)
    assert one.outside(-1, 0.4)
    assert not one.outside(1.5, 2)


def test_common_random_numbers_are_paired_and_the_gain_is_told() -> None:
    common, own = normal(1, 40), 0.1 * normal(2, 2, 40)
    a, b = 1.0 + common + own[0], common + own[1]
    paired = paired_difference(a, b)
    assert paired.within(0.9, 1.1)
    assert paired == interval(a - b)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1], rel=1e-12)
    assert correlation(a, a) == pytest.approx(1)
    assert correlation(a, -a) == pytest.approx(-1)
    assert correlation(a, np.full(40, 0.1)) == 0
    assert correlation([1.0], [2.0]) == 0
    with pytest.raises(ValueError, match="equal lengths"):
        paired_difference(a, b[:-1])


def verdicts(mean: float, replications: int, alpha: float, seed: int) -> list[Verdict]:
    samples = mean + normal(seed, 1500, replications)
    return [equivalent(each, 0.0, 1.0, alpha) for each in samples]


@pytest.mark.parametrize(("alpha", "right"), [(0.05, True), (0.1, False)])
def test_equivalence_is_wrongly_claimed_at_most_alpha(alpha: float, right: bool) -> None:
    """On the edge the rate of false yes is alpha; run at 0.1 (planted fault) it is found out."""
    claimed = verdicts(1.0, 20, alpha, 3).count(Verdict.YES)
    assert not_more_often_than(claimed, 1500, 0.05) is right
    assert claimed > 0, "a test that never says yes has no power"


def test_difference_is_wrongly_claimed_at_most_alpha() -> None:
    """On the edge the rate of false no is alpha/2: the interval for no is the wider one."""
    found = verdicts(1.0, 20, 0.05, 4)
    assert as_often_as(found.count(Verdict.NO), 1500, 0.025)


def test_verdicts_have_power_and_too_few_replications_are_undecided() -> None:
    """SE = 0.2 at 25 replications: 5 SE to the edge, so nearly all decide; 3 do not suffice."""
    assert verdicts(0.0, 25, 0.05, 5).count(Verdict.YES) > 1470
    assert verdicts(2.0, 25, 0.05, 6).count(Verdict.NO) > 1470
    assert verdicts(0.0, 3, 0.05, 7).count(Verdict.UNDECIDED) > 750


def test_two_starts_are_compared_with_their_own_variances() -> None:
    """On the edge, sizes 5 and 30 and spreads 3 and 1: a pooled spread would err in 1 of 4."""
    pairs = zip(1.0 + 3.0 * normal(8, 1500, 5), normal(9, 1500, 30), strict=True)
    found = [same_mean(a, b, 1.0, 0.05) for a, b in pairs]
    assert not_more_often_than(found.count(Verdict.YES), 1500, 0.05)
    assert as_often_as(found.count(Verdict.NO), 1500, 0.025)
    assert same_mean(normal(10, 200), normal(11, 200), 0.5) is Verdict.YES
    assert same_mean(1 + normal(10, 200), normal(11, 200), 0.5) is Verdict.NO
    assert same_mean([2.0, 2.0], [2.0, 2.0], 0.0) is Verdict.YES


def test_welch_agrees_with_scipy() -> None:
    """The p-value of scipy's Welch test is alpha where our 1 - alpha interval just touches 0."""
    a, b = 1.0 + 3.0 * normal(12, 7), normal(13, 30)
    p = float(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert p < 0.49
    assert same_mean(a, b, 0.0, p * (1 + 1e-9)) is Verdict.NO
    assert same_mean(a, b, 0.0, p * (1 - 1e-9)) is Verdict.UNDECIDED


def stein(pilot: Any, draw: Callable[[int], Any]) -> Interval:
    needed = replications_needed(pilot, 0.8)
    return two_stage_interval(pilot, np.concatenate([pilot, draw(needed - len(pilot))]))


def look_and_stop(pilot: Any, draw: Callable[[int], Any]) -> Interval:
    """Planted fault: add replications until the interval looks narrow enough."""
    values = pilot
    while interval(values).half_width > 0.8:
        values = np.concatenate([values, draw(1)])
    return interval(values)


@pytest.mark.parametrize(("rule", "right"), [(stein, True), (look_and_stop, False)])
def test_two_stages_cover_as_often_as_they_say(rule: Any, right: bool) -> None:
    """From 2 replications look-and-stop covers 0.88 (counted): found with p > 0.999999."""
    random = np.random.default_rng([20250101, 14])
    found = [
        rule(random.standard_normal(2), lambda count: random.standard_normal(count))
        for _ in range(1500)
    ]
    hits = sum(abs(each.mean) <= each.half_width for each in found)
    assert as_often_as(hits, 1500, 0.95) is right
    assert max(each.half_width for each in found) <= 0.8 * (1 + 1e-12)


def test_replications_needed_by_hand() -> None:
    """1, 2, 3: (4.302653 / 0.5)^2 = 74.05, so 75; a wide target needs the pilot alone."""
    assert replications_needed([1, 2, 3], 0.5) == 75
    assert replications_needed([1, 2, 3], 100.0) == 3
    assert replications_needed([2, 2, 2], 0.5) == 3
    with pytest.raises(ValueError, match="2 or more"):
        replications_needed([1.0], 0.5)
    with pytest.raises(ValueError, match="positive"):
        replications_needed([1.0, 2.0], 0.0)
    with pytest.raises(ValueError, match="begin with the pilot"):
        two_stage_interval([1.0, 2.0], [1.0, 3.0, 2.0])


def test_power_by_hand_and_by_count() -> None:
    """No effect is found at rate alpha; z_0.975 + z_0.9 = 1.96 + 1.2816 SE with p = 0.9."""
    assert detection_power(0.0, 1.0, 0.05) == pytest.approx(0.05)
    assert detection_power(3.2415, 1.0, 0.05) == pytest.approx(0.9, abs=1e-4)
    assert detection_power(-3.2415, 1.0, 0.05) == pytest.approx(0.9, abs=1e-4)
    found = int((np.abs(0.02 + 0.01 * normal(15, TRIALS)) > 0.01 * 2.575829).sum())
    assert as_often_as(found, TRIALS, detection_power(0.02, 0.01, 0.01))
    with pytest.raises(ValueError, match="positive"):
        detection_power(1.0, 0.0, 0.05)


def test_holm_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; then rising."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    assert holm([]).tolist() == []
    with pytest.raises(ValueError, match="p-values"):
        holm([0.5, math.nan])


def test_holm_intervals_by_hand() -> None:
    """Three samples of three, alpha = 0.05.

    (9, 10, 11): s = 1, mean 10, t = 10 / (1 / sqrt 3) = 17.32, p = 0.00332 < 0.05 / 3: rejected;
    its interval has level 0.05 / 3, t_2(1 - 0.05 / 6) = 7.6488, half-width 4.4160.
    (1, 2, 3): t = 3.464, p = 0.0742 > 0.05 / 2: kept, at level 0.025, t_2(0.9875) = 6.2053.
    (-1, 0, 1): p = 1, kept, at the same level 0.025, though 0.05 / 1 would be its own.
    """
    found = holm_intervals([[1, 2, 3], [9, 10, 11], [-1, 0, 1]])
    assert [each.mean for each in found] == [2, 10, 0]
    assert [each.confidence for each in found] == pytest.approx([0.975, 1 - 0.05 / 3, 0.975])
    halves = [6.2053 / math.sqrt(3), 7.6488 / math.sqrt(3), 6.2053 / math.sqrt(3)]
    assert [each.half_width for each in found] == pytest.approx(halves, rel=1e-4)
    assert p_value([9, 10, 11]) == pytest.approx(0.00332, abs=1e-5)
    assert p_value([1, 2, 3]) == pytest.approx(0.0742, abs=1e-4)


def test_holm_intervals_decide_as_holm() -> None:
    """Over families of many kinds: some effects large, some none, some on the edge."""
    for trial in range(400):
        rng = np.random.default_rng([20250102, trial])
        count, replications = int(rng.integers(1, 12)), int(rng.integers(2, 20))
        effects = rng.choice([0.0, 0.5, 2.0, 50.0], count)
        samples = effects[:, None] + rng.standard_normal((count, replications))
        alpha = float(rng.choice([0.01, 0.05, 0.3]))
        rejected = holm([p_value(each) for each in samples]) <= alpha
        found = holm_intervals(list(samples), alpha)
        assert [each.outside(0, 0) for each in found] == rejected.tolist()
        assert all(1 - alpha <= each.confidence <= 1 - alpha / count + 1e-12 for each in found)


def test_holm_intervals_of_odd_samples() -> None:
    """None; one replication; no variation; lengths that differ."""
    assert holm_intervals([]) == []
    one, constant, same, long = holm_intervals([[5.0], [2.0, 2.0], [0.0, 0.0], [1.0, 2.0, 3.0]])
    assert (one.mean, one.half_width) == (5, math.inf)
    assert constant.outside(0, 0)
    assert not same.outside(0, 0)
    assert long.mean == 2
    with pytest.raises(ValueError, match="finite numbers"):
        holm_intervals([[1.0, math.nan]])


def false_claims(decide: Callable[..., Any], trials: int) -> int:
    """Count families of ten in which a mean of 0 is told apart from 0; three are not 0.

    The seven share half of their noise, as policies on common random numbers do.
    """
    count = 0
    for trial in range(trials):
        own, common = normal(10_000 + trial, 10, 8), normal(20_000 + trial, 8)
        samples = own + common
        samples[:3] += 50.0
        count += any(each.outside(0, 0) for each in decide(list(samples))[3:])
    return count


@pytest.mark.parametrize(
    ("decide", "right"),
    [
        (holm_intervals, True),
        (lambda samples: [interval(each) for each in samples], False),
    ],
)
def test_any_false_claim_is_as_rare_as_it_says(decide: Callable[..., Any], right: bool) -> None:
    """Planted fault: every interval at its own 0.95."""
    trials = 2000
    assert not_more_often_than(false_claims(decide, trials), trials, 0.05) is right


def test_the_sign_test_counts_and_asks_nothing_of_the_size_of_a_difference() -> None:
    assert sign_test([1, 2, 3, 1e9, 5, 6]) == pytest.approx(2 / 64)
    assert sign_test([-1, -2, -3, -4, -5, 0, 0]) == pytest.approx(2 / 32)
    assert sign_test([1, 1, 1, 1, -1]) == pytest.approx(2 * (1 + 5) / 32)
    assert sign_test([1, -1]) == sign_test([0.0, 0.0]) == 1.0
    with pytest.raises(ValueError, match="finite"):
        sign_test([1.0, float("nan")])
