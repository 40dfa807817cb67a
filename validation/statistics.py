r"""Intervals and verdicts for independent replications of a simulation.

A claim is shown by an interval inside its tolerance, never by the absence of a significant
difference; an interval too wide to tell is undecided, which is not green. Replications are
assumed independent and their values near normal (averages over a long run are).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from gnr.arrays import Floats


class Verdict(StrEnum):
    """What a sample says about a claim; only `YES` is green."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided confidence interval, in the unit of the samples."""

    mean: float
    half_width: float
    """Infinite where the sample says nothing about its spread."""
    confidence: float

    @property
    def low(self) -> float:
        """Return the lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Return the upper end."""
        return self.mean + self.half_width

    def within(self, low: float, high: float) -> bool:
        """Tell whether the whole interval lies in ``[low, high]``."""
        return low <= self.low and self.high <= high

    def outside(self, low: float, high: float) -> bool:
        """Tell whether no point of the interval lies in ``[low, high]``."""
        return self.high < low or high < self.low


def t_interval(samples: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    r"""Return mean and half-width :math:`t_{m-1}\,s/\sqrt m` along the last axis.

    Parameters
    ----------
    samples
        Independent replications, shape ``(..., replications)``, any unit.
    confidence
        Two-sided, in (0, 1).

    Returns
    -------
    mean, half_width
        Shape ``(...)``. The half-width is never nan: it is infinite for one replication and
        where a replication is not finite, so that such a cell decides nothing.

    Raises
    ------
    ValueError
        If there is no replication or `confidence` is outside (0, 1).
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError("an interval needs at least one replication")
    quantile = _t_quantile(confidence, values.shape[-1] - 1)
    finite = np.asarray(np.isfinite(values).all(axis=-1))
    known = np.where(finite[..., None], values, 0.0)
    half_width = np.full(finite.shape, np.inf)
    if values.shape[-1] > 1:
        spread = known.std(axis=-1, ddof=1) / math.sqrt(values.shape[-1])
        half_width = np.where(finite, quantile * spread, np.inf)
    return np.where(finite, known.mean(axis=-1), np.nan), half_width


def interval(samples: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the t interval of one sample, shape ``(replications,)``; see `t_interval`.

    Raises
    ------
    ValueError
        If the sample is empty, has another shape or a value that is not finite.
    """
    mean, half_width = t_interval(_sample(samples), confidence)
    return Interval(float(mean), float(half_width), confidence)


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the interval of the mean of ``a - b``, pair by pair, shapes ``(replications,)``.

    With common random numbers pair k is one replication of both systems on the same draws;
    the interval is narrower than that of two independent samples where they correlate.

    Raises
    ------
    ValueError
        If the samples differ in length or `interval` refuses one.
    """
    first, second = _pairs(a, b)
    return interval(first - second, confidence)


def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Return the correlation that common random numbers achieved, in [-1, 1].

    It is 0 where a sample does not vary, for then pairing gains nothing. Shapes and errors are
    those of `paired_difference`.
    """
    first, second = _pairs(a, b)
    # The range, not the variance: rounding of the mean gives constants a tiny variance.
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    product = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.clip(product, -1.0, 1.0))


def equivalent(samples: ArrayLike, target: float, delta: float, alpha: float = 0.05) -> Verdict:
    r"""Tell whether the mean lies in ``[target - delta, target + delta]``.

    Two one-sided t tests (Schuirmann 1987): `YES` if the :math:`1-2\alpha` t interval lies
    inside, which errs with probability at most :math:`\alpha` for a mean outside or on the edge.
    `NO` if the wider :math:`1-\alpha` interval lies wholly outside, which errs with probability
    at most :math:`\alpha` for a mean inside. Otherwise `UNDECIDED`. The :math:`\alpha` are those
    of normal samples; a sample that does not vary at all is taken at its word.

    Parameters
    ----------
    samples
        Independent replications, shape ``(replications,)``.
    target, delta
        In the unit of the samples; ``delta >= 0``.
    alpha
        In (0, 1/2).

    Raises
    ------
    ValueError
        If `delta` or `alpha` is out of range or `interval` refuses the samples.
    """
    values = _sample(samples)
    difference = float(values.mean()) - target
    return _two_tests(difference, _standard_error(values), len(values) - 1, delta, alpha)


def same_mean(a: ArrayLike, b: ArrayLike, delta: float, alpha: float = 0.05) -> Verdict:
    r"""Tell whether the means of two independent samples are within `delta` of each other.

    As `equivalent`, with the standard error and degrees of freedom of Welch (1947), so that the
    samples, shapes ``(replications,)``, may differ in length and variance; the :math:`\alpha`
    are then approximate. Parameters and errors are those of `equivalent`.
    """
    first, second = _sample(a), _sample(b)
    parts = np.array([_standard_error(first), _standard_error(second)]) ** 2
    freedom = np.array([len(first), len(second)]) - 1
    total, degrees = float(parts.sum()), float(freedom.min())
    if 0 < total < math.inf:
        degrees = float(1 / ((parts / total) ** 2 / freedom).sum())
    difference = float(first.mean() - second.mean())
    return _two_tests(difference, math.sqrt(total), degrees, delta, alpha)


def replications_needed(
    pilot: ArrayLike, target_half_width: float, confidence: float = 0.95
) -> int:
    r"""Return how many replications, the pilot's m included, Stein's rule asks for.

    .. math:: N=\max\big\{m,\ \lceil(t_{m-1}\,s_m/d)^2\rceil\big\}

    The pilot has shape ``(m,)``, m >= 2; d > 0 is the target half-width in its unit.

    Raises
    ------
    ValueError
        If the pilot has fewer than two replications or d is not positive.
    """
    if not target_half_width > 0:
        raise ValueError(f"the target half-width must be positive, got {target_half_width}")
    first = _sample(pilot, least=2)
    ratio = _t_quantile(confidence, len(first) - 1) * float(first.std(ddof=1)) / target_half_width
    return max(len(first), math.ceil(ratio**2))


def two_stage_interval(
    pilot: ArrayLike, all_samples: ArrayLike, confidence: float = 0.95
) -> Interval:
    r"""Return Stein's interval: mean of all N samples, half-width :math:`t_{m-1}s_m/\sqrt N`.

    For normal samples it covers with the nominal probability exactly, and the target half-width
    of `replications_needed`, never narrower, with at least that. This holds for every N chosen
    from the pilot's *spread* alone (a cap, or the most of several quantities included), because
    spread and mean are independent; rules that stop by looking at the growing sample have no
    such guarantee. The later samples do not enter the spread.

    The pilot has shape ``(m,)``, m >= 2, and all samples ``(N,)``, the pilot first.

    Raises
    ------
    ValueError
        If the pilot has fewer than two replications or is not the beginning of `all_samples`.

    References
    ----------
    C. Stein, A two-sample test for a linear hypothesis whose power is independent of the
    variance, Annals of Mathematical Statistics 16 (1945) 243-258.
    """
    first, values = _sample(pilot, least=2), _sample(all_samples)
    if not np.array_equal(values[: len(first)], first):
        raise ValueError("all samples must begin with the pilot")
    quantile = _t_quantile(confidence, len(first) - 1)
    half_width = quantile * float(first.std(ddof=1)) / math.sqrt(len(values))
    return Interval(float(values.mean()), half_width, confidence)


def detection_power(effect: float, standard_error: float, alpha: float) -> float:
    r"""Return the probability that a two-sided z test at level `alpha` finds a bias `effect`.

    .. math:: \Phi(-z_{1-\alpha/2}+e)+\Phi(-z_{1-\alpha/2}-e),\quad e=\text{effect}/\text{SE}

    A standard error that is not positive raises ValueError.
    """
    if not standard_error > 0:
        raise ValueError(f"the standard error must be positive, got {standard_error}")
    lowest, shift = special.ndtri(alpha / 2), effect / standard_error
    return float(special.ndtr(lowest + shift) + special.ndtr(lowest - shift))


def holm(p_values: ArrayLike) -> Floats:
    """Return Holm's adjusted p-values, shape ``(tests,)``, in the order given.

    Rejecting where they are at most alpha keeps the probability of any false alarm at alpha or
    below, whatever the dependence (Holm 1979). A value outside [0, 1] raises ValueError.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("p-values lie in [0, 1]")
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return adjusted


def holm_intervals(differences: Sequence[ArrayLike], alpha: float = 0.05) -> list[Interval]:
    r"""Return intervals of the means of several samples that agree with Holm's step-down test.

    The samples are ordered by the p-value of the two-sided t test that their mean is 0. The k-th
    of m gets level :math:`\alpha/(m-k+1)` until the first whose interval contains 0; that one and
    all after it keep its level. An interval then excludes 0 exactly where `holm` rejects at
    `alpha`, so the probability that any mean of 0 is told apart from 0 is at most alpha, whatever
    the dependence. That is a promise on the decisions: each interval covers its own mean with
    its own `confidence`, while all m together may do so with less than :math:`1-\alpha`.

    Parameters
    ----------
    differences
        Paired differences, one array of shape ``(replications,)`` each; lengths may differ. A
        sample of one replication is never told apart from 0.
    alpha
        Family-wise level, in (0, 1).

    Returns
    -------
    list of Interval
        In the order given, in the unit of the samples.

    Raises
    ------
    ValueError
        If `interval` refuses a sample or `alpha` is out of range.
    """
    samples = [_sample(each) for each in differences]
    found = [interval(each, 1 - alpha) for each in samples]
    level, rejecting = alpha, True
    order = np.argsort([p_value(each) for each in samples], kind="stable")
    for place, index in enumerate(order):
        if rejecting:
            level = alpha / (len(samples) - place)
        found[index] = interval(samples[index], 1 - level)
        rejecting = rejecting and found[index].outside(0.0, 0.0)
    return found


def p_value(samples: ArrayLike) -> float:
    """Return the p-value of the two-sided t test that the mean is 0; 1 for one replication.

    The sample has shape ``(replications,)``. One that does not vary is taken at its word: 1 if it
    is 0, else 0. Raises ValueError where `interval` does.
    """
    values = _sample(samples)
    mean, error = float(values.mean()), _standard_error(values)
    if mean == 0 or len(values) == 1:
        return 1.0
    if error == 0:
        return 0.0
    return float(2 * special.stdtr(len(values) - 1, -abs(mean) / error))


def sign_test(differences: ArrayLike) -> float:
    """Return the p-value that a difference is as likely above 0 as below, exact and two-sided.

    The sample has shape ``(replications,)``; zeros say nothing and are left out. It asks nothing
    of the law of the differences, which may be as skewed as it likes. Raises ValueError where
    `interval` does.
    """
    values = _sample(differences)
    above, below = int((values > 0).sum()), int((values < 0).sum())
    return min(1.0, 2 * float(special.bdtr(min(above, below), above + below, 0.5)))


def _two_tests(
    difference: float, standard_error: float, degrees: float, delta: float, alpha: float
) -> Verdict:
    """Return the verdict of `equivalent` on a difference that should be within `delta`."""
    if not delta >= 0:
        raise ValueError(f"delta must not be negative, got {delta}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie in (0, 1/2), got {alpha}")
    narrow, wide = (
        Interval(difference, _t_quantile(level, degrees) * standard_error, level)
        for level in (1 - 2 * alpha, 1 - alpha)
    )
    if narrow.within(-delta, delta):
        return Verdict.YES
    return Verdict.NO if wide.outside(-delta, delta) else Verdict.UNDECIDED


def _t_quantile(confidence: float, degrees: float) -> float:
    """Return the two-sided t quantile; infinite without degrees of freedom."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    return -float(special.stdtrit(degrees, (1 - confidence) / 2)) if degrees > 0 else math.inf


def _standard_error(values: Floats) -> float:
    """Return the standard error of the mean; infinite for one replication."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def _sample(samples: ArrayLike, least: int = 1) -> Floats:
    """Return one sample of at least `least` values as a checked array."""
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or len(values) < least or not np.isfinite(values).all():
        raise ValueError(f"a sample is {least} or more finite numbers; got shape {values.shape}")
    return values


def _pairs(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Return two samples of the same length."""
    first, second = _sample(a), _sample(b)
    if len(first) != len(second):
        raise ValueError(f"pairs need equal lengths, got {len(first)} and {len(second)}")
    return first, second
