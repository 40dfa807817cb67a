r"""Does a gap vanish as the cluster grows? A power law with intervals that own up to its misfit.

The curve is :math:`g(n)=g_\infty+a\,n^{-s}` with :math:`a\ge0`, and :math:`g_\infty\ge0` because no
policy earns more than the optimum in the long run (eq. D11); the gap to a plan under promises may
end below 0, for a policy that breaks them. Two things keep measured gaps off it:
the noise of the simulation, and rounding (:math:`M=\lceil nx^\ast\rceil` GPUs), which moves the
gap irregularly by a share of its decaying part, at large n by far more than the noise. Weighting by
noise alone would claim far too much, so the point at :math:`n_k` has the variance

.. math:: \mathrm{se}_k^2+\big(\omega\,a\,n_k^{-s}\big)^2

where the lack of fit :math:`\omega` makes chi-square equal to its degrees of freedom, points - 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gnr.arrays import Floats
from gnr.validation.statistics import Verdict

EXPONENTS = np.geomspace(0.05, 3.0, 200)
"""The exponents tried first."""
REFINEMENTS, FINER = 3, 11
"""Finer grids about the best exponent, and their points."""
LARGEST_LACK = 10.0
"""Bound of the lack of fit, for points that no such curve describes."""
MOST_LACK_FOR_A_VERDICT = 1.0
"""Points as far from the curve as it is from its limit show no power law to extrapolate."""
ROUNDS = 15
"""Rounds of reweighting: ten settle nearly all fits, at a misfit of 0.3 a few hop for ever."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A fitted figure with its bootstrap interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class PowerLaw:
    r"""A fitted :math:`g(n)=g_\infty+a\,n^{-s}`; limit and amplitude in the gap's unit."""

    limit: Estimate
    r""":math:`g_\infty`."""
    amplitude: Estimate
    """a, the decaying part at n = 1."""
    exponent: Estimate
    """s, between the ends of `EXPONENTS`."""
    lack_of_fit: float
    r""":math:`\omega`: spread of the points about the curve beyond noise, relative to its decay."""

    def predict(self, gpus: ArrayLike) -> Floats:
        """Return the fitted gap for clusters of n GPUs, any shape."""
        n = np.asarray(gpus, dtype=np.float64)
        decay = self.amplitude.estimate * n**-self.exponent.estimate
        return np.asarray(self.limit.estimate + decay)


def convergence_verdict(fit: PowerLaw, delta: float) -> Verdict:
    r"""Tell whether the gap vanishes up to `delta`, a tolerance in the gap's unit.

    `YES` if the interval of :math:`g_\infty` lies inside ``[-delta, delta]``, `NO` if wholly
    outside, otherwise `UNDECIDED`; also `UNDECIDED` where the points show no power law at all
    (lack of fit of at least `MOST_LACK_FOR_A_VERDICT`).

    The verdict is an extrapolation. It assumes that beyond the largest n the gap goes on as
    between the points; that one exponent between the ends of `EXPONENTS` holds for all of them;
    that deviations are independent from point to point, around zero and of the same size
    relative to the decaying part; and that replications are independent.

    A negative `delta` raises ValueError.
    """
    if not delta >= 0:
        raise ValueError(f"delta must not be negative, got {delta}")
    if fit.lack_of_fit >= MOST_LACK_FOR_A_VERDICT:
        return Verdict.UNDECIDED
    if -delta <= fit.limit.low and fit.limit.high <= delta:
        return Verdict.YES
    if fit.limit.high < -delta or delta < fit.limit.low:
        return Verdict.NO
    return Verdict.UNDECIDED


def fit_power_law(
    gpus: ArrayLike,
    samples: Sequence[ArrayLike],
    *,
    least: float = 0.0,
    resamples: int = 1000,
    seed: int,
    confidence: float = CONFIDENCE,
) -> PowerLaw:
    r"""Fit the curve to replications of the gap at several cluster sizes.

    Parameters
    ----------
    gpus
        The sizes n, all different, at least 4, shape ``(points,)``.
    samples
        For each size the replications of the gap, shape ``(replications,)``, at least 2; their
        number may differ between sizes.
    least
        No limit is below: 0 for the gap to an optimum that nobody can beat.
    resamples, seed
        Number of bootstrap refits, and the seed of their draws.
    confidence
        Of the intervals.

    Raises
    ------
    ValueError
        If there are fewer than 4 sizes, one is repeated or not positive, a size has fewer than 2
        replications, or a gap is not finite.

    Notes
    -----
    Intervals are bootstrap percentiles. Each refit, by the same procedure with the same noise
    weights, has the replications drawn again at each n (their spread scaled by
    :math:`\sqrt{m/(m-1)}`, which drawing with replacement lacks) and a normal deviation of
    relative size :math:`\omega` added. How large :math:`\omega` is, few points tell badly, so
    each refit has its own, which makes the chi-square of the first fit a draw of its law with
    points - 3 degrees of freedom (the Q profile of meta-analysis, Viechtbauer 2007). Inflating
    the one estimate by a factor fails where it happens to be 0.
    """
    n, values = _checked(gpus, samples)
    # About the middle of the sizes amplitude and exponent hardly depend on each other.
    middle = float(np.exp(np.log(n).mean()))
    size = n / middle
    means = np.array([each.mean() for each in values]) - least
    errors = np.array([each.std(ddof=1) / np.sqrt(len(each)) for each in values])
    # Replications that agree to the last digit would otherwise weigh infinitely.
    errors = np.maximum(errors, 1e-7 * np.abs(means).max() + np.finfo(float).tiny ** 0.25)

    best = _fit(size, means[None], errors)
    random = np.random.default_rng(seed)
    noise = np.stack([_noise(each, resamples, random) for each in values], axis=1)
    decay = best.decay(size)
    residuals = np.broadcast_to(means - best.limit[:, None] - decay, noise.shape)
    lack = _lack_of_fit(residuals, decay, errors, random.chisquare(len(n) - 3, resamples))
    deviations = lack[:, None] * decay * random.standard_normal(noise.shape)
    again = _fit(size, means + noise + deviations, errors)
    return PowerLaw(
        limit=_estimate(best.limit + least, again.limit + least, confidence),
        amplitude=_estimate(
            best.amplitude * middle**best.exponent,
            again.amplitude * middle**again.exponent,
            confidence,
        ),
        exponent=_estimate(best.exponent, again.exponent, confidence),
        lack_of_fit=float(best.lack[0]),
    )


@dataclass(frozen=True)
class _Curves:
    """Curves fitted side by side, each figure of shape ``(curves,)``."""

    limit: Floats
    amplitude: Floats
    exponent: Floats
    lack: Floats

    def decay(self, size: Floats) -> Floats:
        """Return the decaying part, shape ``(curves, points)``."""
        return np.asarray(self.amplitude[:, None] * size ** -self.exponent[:, None])


def _checked(gpus: ArrayLike, samples: Sequence[ArrayLike]) -> tuple[Floats, list[Floats]]:
    """Return sizes and replications as arrays that can be fitted."""
    n = np.asarray(gpus, dtype=np.float64)
    values = [np.asarray(each, dtype=np.float64) for each in samples]
    if n.ndim != 1 or len(n) != len(values):
        raise ValueError(f"every size needs its replications: {n.shape} and {len(values)}")
    if not np.all((n > 0) & np.isfinite(n)) or len(np.unique(n)) < len(n):
        raise ValueError("sizes must be positive, finite and different")
    if len(n) < 4:
        raise ValueError(f"three figures need at least 4 sizes to be judged, got {len(n)}")
    if any(each.ndim != 1 or len(each) < 2 or not np.isfinite(each).all() for each in values):
        raise ValueError("every size needs at least 2 replications with finite gaps")
    return n, values


def _estimate(best: Floats, draws: Floats, confidence: float) -> Estimate:
    """Return the best fit's figure with percentiles of the refits'."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Estimate(float(best[0]), float(low), float(high))


def _noise(values: Floats, resamples: int, random: np.random.Generator) -> Floats:
    """Return what drawing replications again adds to their mean, shape ``(resamples,)``."""
    count = len(values)
    drawn = values[random.integers(count, size=(resamples, count))].mean(axis=1)
    return np.asarray((drawn - values.mean()) * np.sqrt(count / (count - 1)))


def _fit(size: Floats, means: Floats, errors: Floats) -> _Curves:
    """Fit a curve to each row of `means`, shape ``(curves, points)``, by reweighting.

    Weights come from the previous round, never from the curve being fitted: that would favour
    curves with much decay, which excuse every misfit.
    """
    first = _weighted_fit(size, means, 1 / (errors**2 + (0.1 * means) ** 2))
    curves = _Curves(*first, lack=np.zeros(len(means)))
    wanted = np.full(len(means), float(len(size) - 3))
    for _ in range(ROUNDS):
        decay = curves.decay(size)
        lack = _lack_of_fit(means - curves.limit[:, None] - decay, decay, errors, wanted)
        weights = 1 / (errors**2 + (lack[:, None] * decay) ** 2)
        curves = _Curves(*_weighted_fit(size, means, weights), lack=lack)
    return curves


def _weighted_fit(size: Floats, means: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Return limit, amplitude and exponent of least chi-square for each row.

    Exponents are tried on a common grid, then on ever finer ones about each row's best.
    """
    rows, reach = np.arange(len(means)), np.log(EXPONENTS[1] / EXPONENTS[0])
    best = EXPONENTS[_profile(size, EXPONENTS[None], means, weights).argmin(axis=1)]
    for _ in range(REFINEMENTS):
        exponents = best[:, None] * np.exp(reach * np.linspace(-1, 1, FINER))
        exponents = np.clip(exponents, EXPONENTS[0], EXPONENTS[-1])
        best = exponents[rows, _profile(size, exponents, means, weights).argmin(axis=1)]
        reach *= 2 / (FINER - 1)
    limit, amplitude, _ = _line(size, best[:, None], means, weights)
    return limit[:, 0], amplitude[:, 0], best


def _profile(size: Floats, exponents: Floats, means: Floats, weights: Floats) -> Floats:
    """Return the least chi-square for each row and exponent, shape ``(rows, exponents)``."""
    return _line(size, exponents, means, weights)[2]


def _line(
    size: Floats, exponents: Floats, means: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return limit, amplitude and chi-square for each row and exponent.

    For a fixed exponent the problem is a weighted line, or one through zero where the free one
    would end below it. Chi-square comes less what is common to a row; `exponents` has one row or
    as many as `means`.
    """
    shapes = size ** -exponents[..., None]
    heavy = weights * means
    if len(exponents) == 1:  # one grid for all rows: matrix products
        first, second = weights @ shapes[0].T, weights @ (shapes[0] ** 2).T
        product = heavy @ shapes[0].T
    else:
        first = np.einsum("rp,rep->re", weights, shapes)
        second = np.einsum("rp,rep->re", weights, shapes**2)
        product = np.einsum("rp,rep->re", heavy, shapes)
    total, level = weights.sum(axis=1)[:, None], heavy.sum(axis=1)[:, None]
    across = second - first**2 / total
    along = np.maximum(product - first * level / total, 0.0)
    amplitude, to_zero = along / across, np.maximum(product, 0.0) / second
    limit = (level - amplitude * first) / total
    below = limit < 0
    chi_square = np.where(below, level**2 / total - to_zero * product, -amplitude * along)
    return np.where(below, 0.0, limit), np.where(below, to_zero, amplitude), chi_square


def _lack_of_fit(residuals: Floats, decay: Floats, errors: Floats, wanted: Floats) -> Floats:
    """Return the lack of fit at which each row's chi-square is as `wanted`; 0 if noise does."""
    low, high = (np.full(len(residuals), np.log(end)) for end in (1e-4, LARGEST_LACK))
    for _ in range(18):
        middle = (low + high) / 2
        variance = errors**2 + (np.exp(middle)[:, None] * decay) ** 2
        above = (residuals**2 / variance).sum(axis=1) > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    explained = (residuals**2 / errors**2).sum(axis=1) <= wanted
    return np.where(explained, 0.0, np.exp(high))
