"""Do the intervals of `gnr reproduce` cover as often as they tell? Limits of power laws and ratios.

Seeded data sets whose truth is known. Each check has the level of one in a thousand, and intervals
shrunk to a half must fail it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from gnr.arrays import Floats
from gnr.reproduction import Quantity
from gnr.validation.power_law import fit_power_law
from gnr.validation.studies.reproduction import quantities
from gnr.validation.studies.reproduction.outline import confidence

LEVEL = 1e-3

SIZES = (5, 20, 50, 200, 500, 2000, 8000, 32000, 128000)


def believable(misses: int, trials: int) -> bool:
    """Tell whether so many misses agree with the confidence that is told."""
    return bool(misses <= stats.binom.isf(LEVEL, trials, 1 - confidence()))


def halved(found: Quantity) -> Quantity:
    """Planted fault: each end only half as far from the estimate."""
    low, high = ((end + found.value) / 2 for end in (found.low, found.high))
    return found.model_copy(update={"low": low, "high": high})


def covers(found: Quantity, truth: float) -> bool:
    return found.low <= truth <= found.high


@dataclass(frozen=True)
class Gaps:
    """Gaps of growing clusters, %: 0.5 + 25 n^-exponent, about as those of the base instance.

    Attributes
    ----------
    points, replications
        Of the full and of the quick effort.
    exponent
        Of the decay.
    steady
        Whether the noise is as of runs of equal GPU-time up to thousands of GPUs, as in the study;
        otherwise it falls as 1 over the square root of n throughout.
    off
        Spread of the points about the curve, relative to its decay, as rounding makes it.
    """

    points: int
    replications: int
    exponent: float
    steady: bool
    off: float

    limit = 0.5
    """The bound of the claim."""

    @property
    def sizes(self) -> tuple[int, ...]:
        return SIZES[: self.points]

    def noise(self) -> Floats:
        """Return the standard deviation of a run at each size, %."""
        n = np.array(self.sizes)
        return np.asarray(
            0.12 * np.minimum(1, np.sqrt(4000 / n)) if self.steady else 0.1 * np.sqrt(5 / n)
        )

    def samples(self, trial: int) -> list[Floats]:
        """Return the runs at each size."""
        random = np.random.default_rng([20250110, trial])
        off = 1 + self.off * random.standard_normal(self.points)
        means = self.limit + 25 * np.array(self.sizes) ** -self.exponent * off
        shape = (self.replications, self.points)
        return list((means + self.noise() * random.standard_normal(shape)).T)


WORLDS = {
    "full": Gaps(9, 32, 0.5, steady=False, off=0.0),
    "quick, off the curve": Gaps(7, 16, 0.4, steady=True, off=0.2),
}


def limit_covers(world: Gaps, trial: int) -> bool:
    """Tell whether the limit is covered; rough bounds that are nearer settle most."""
    samples = world.samples(trial)
    rough = fit_power_law(world.sizes, samples, resamples=200, seed=trial, confidence=0.98).limit
    last = samples[-1].mean() + samples[-1].std(ddof=1) / np.sqrt(len(samples[-1]))
    if rough.low <= world.limit <= min(rough.high, last):
        return True
    return covers(quantities.limit_of("q", "", world.sizes, samples), world.limit)


@pytest.mark.long
@pytest.mark.parametrize("name", WORLDS)
def test_a_limit_is_covered_as_often_as_told(name: str) -> None:
    trials = 150
    assert believable(sum(not limit_covers(WORLDS[name], k) for k in range(trials)), trials)


def test_a_limit_lies_below_the_last_point_of_a_falling_curve() -> None:
    """Protects the upper end where rounding moves the points: refits alone reach far above it."""
    world = WORLDS["quick, off the curve"]
    samples = world.samples(0)
    last = samples[-1].mean()
    fit = fit_power_law(world.sizes, samples, resamples=500, seed=1, confidence=confidence())
    found = quantities.limit_of("q", "", world.sizes, samples)
    assert found.high < last + 6 * samples[-1].std() / 4 < fit.limit.high


@pytest.mark.long
@pytest.mark.parametrize("name", WORLDS)
def test_half_of_the_interval_of_a_limit_is_found_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ends need not be as steady as in the study to be far too near: fewer draws will do."""
    monkeypatch.setattr(quantities, "RESAMPLES", 200)
    world, trials = WORLDS[name], 80
    found = [quantities.limit_of("q", "", world.sizes, world.samples(k)) for k in range(trials)]
    assert not believable(sum(not covers(halved(each), world.limit) for each in found), trials)


RATIO = 1.2

Pair = tuple[Floats, Floats]


def alone(random: np.random.Generator) -> Pair:
    """Return two samples that know nothing of each other, about as those of figure 2."""
    above, below = random.normal(1.0, 0.09, (2, 16))
    return RATIO * above, below


def opposite(random: np.random.Generator) -> Pair:
    """Return two samples of which one is high where the other is low: the worst there is."""
    off = random.normal(0.0, 0.09, 16)
    return RATIO * (1 + off), 1 - off


def perhaps_by_zero(random: np.random.Generator) -> Pair:
    """Return two samples of which the lower has a mean that is often not told from 0."""
    return random.normal(RATIO, 1.0, 16), random.normal(1.0, 1.0, 16)


def ratios(pair: Callable[[np.random.Generator], Pair], trials: int) -> Iterator[Quantity]:
    """Yield ratios of seeded pairs."""
    for trial in range(trials):
        above, below = pair(np.random.default_rng([20250111, trial]))
        yield quantities.ratio_of("q", "", above, below)


@pytest.mark.parametrize("pair", [alone, opposite, perhaps_by_zero])
def test_a_ratio_is_covered_as_often_as_told(
    pair: Callable[[np.random.Generator], Pair],
) -> None:
    found = list(ratios(pair, 1500))
    assert believable(sum(not covers(each, RATIO) for each in found), len(found))


@pytest.mark.parametrize("pair", [alone, opposite])
def test_half_of_the_interval_of_a_ratio_is_found_out(
    pair: Callable[[np.random.Generator], Pair],
) -> None:
    found = [halved(each) for each in ratios(pair, 1500)]
    assert not believable(sum(not covers(each, RATIO) for each in found), len(found))
