"""Quantities with intervals, all at the confidence that ``claims.toml`` fixes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gnr.arrays import Floats
from gnr.reproduction import Kind, Quantity, Series
from gnr.validation.power_law import MOST_LACK_FOR_A_VERDICT, fit_power_law
from gnr.validation.statistics import interval
from gnr.validation.studies.reproduction.effort import SEED
from gnr.validation.studies.reproduction.outline import confidence

LARGEST = float(np.finfo(float).max)
"""In the place of infinity, which JSON does not have."""

DRAWS = 400_000
"""Draws behind the interval of an exponent."""

RESAMPLES = 10_000
"""Draws behind the interval of a limit: five of them are beyond each end, fewer where the limits
of several numbers share the error."""

LEAST_DISTANCE = -100.0
"""No signed distance, %, ends below: what has doubled has left the plan, however far."""


Ends = tuple[float, float, float]
"""Lower end of an interval, estimate, upper end."""


def quantity(name: str, words: str, ends: Ends, unit: str = "") -> Quantity:
    """Return an estimated quantity with those ends."""
    low, value, high = ends
    return Quantity(
        name=name, words=words, kind="estimated", value=value, low=low, high=high, unit=unit
    )


def mean_ends(samples: ArrayLike, level: float) -> Ends:
    """Return the mean of near-normal samples with its t interval."""
    found = interval(samples, level)
    return found.low, found.mean, found.high


def exactly(name: str, words: str, value: float, unit: str = "") -> Quantity:
    """Return a quantity that no chance is in."""
    return _alone("exact", name, words, value, unit)


def as_printed(name: str, words: str, value: float, unit: str = "") -> Quantity:
    """Return a number that the paper prints, or one that is computed from such numbers alone."""
    return _alone("printed", name, words, value, unit)


def unrepeated(name: str, words: str, value: float, unit: str = "") -> Quantity:
    """Return a measurement whose source does not say how often it was made."""
    return _alone("unrepeated", name, words, value, unit)


def _alone(kind: Kind, name: str, words: str, value: float, unit: str) -> Quantity:
    return Quantity(
        name=name, words=words, kind=kind, value=value, low=value, high=value, unit=unit
    )


def mean_of(name: str, words: str, samples: ArrayLike, unit: str = "") -> Quantity:
    """Return the mean of independent samples, shape ``(samples,)``, with its t interval."""
    return quantity(name, words, mean_ends(samples, confidence()), unit)


def up_to_all(share: Quantity) -> Quantity:
    """Return a share, %, whose interval does not reach beyond 100 %."""
    return share.model_copy(update={"high": min(share.high, 100.0)})


def ratio_of(name: str, words: str, above: ArrayLike, below: ArrayLike) -> Quantity:
    """Return the ratio of the means of two samples of positive mean.

    The interval holds whatever their correlation: each mean has half of the error. Where the
    mean of `below` may be 0 the ratio is not bounded, and the upper end is the largest number.
    """
    half = (1 + confidence()) / 2
    top, bottom = interval(above, half), interval(below, half)
    ends = [top.low / each for each in (bottom.low, bottom.high)]
    ends += [top.high / each for each in (bottom.low, bottom.high)]
    bounded = bottom.low > 0
    low, high = (min(ends), max(ends)) if bounded else (-LARGEST, LARGEST)
    return quantity(name, words, (low, top.mean / bottom.mean, high))


def narrowing(
    name: str, words: str, sizes: ArrayLike, samples: Sequence[ArrayLike], times: ArrayLike
) -> Quantity:
    r"""Return the exponent of n in the standard deviation between runs of equal length.

    Independent requests make it -1/2; 0 is a band that does not narrow. `samples` has one sample
    of time averages for each size, `times` how long they ran, s: a standard deviation falls as the
    square root of that. Fitted is the least squares line; the standard deviation of m normal
    values is off by :math:`\sqrt{\chi^2_{m-1}/(m-1)}`, and the interval has the quantiles of what
    that does to the line, from `DRAWS` draws.
    """
    x = np.log(np.asarray(sizes, float))
    values = [np.asarray(each, float) for each in samples]
    y = np.log([each.std(ddof=1) for each in values]) + np.log(np.asarray(times, float)) / 2
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    slope, random = float(weights @ y), np.random.default_rng(SEED)
    off = np.zeros(DRAWS)
    for weight, each in zip(weights, values, strict=True):
        freedom = len(each) - 1
        off += weight * np.log(random.chisquare(freedom, DRAWS) / freedom) / 2
    tail = (1 - confidence()) / 2
    below, above = np.quantile(off, [tail, 1 - tail])
    return quantity(name, words, (slope - float(above), slope, slope - float(below)))


def limit_of(
    name: str, words: str, sizes: Sequence[int], samples: Sequence[ArrayLike], unit: str = ""
) -> Quantity:
    """Return where a power law through samples at growing sizes goes, see `fit_power_law`."""
    return quantity(name, words, _limit_ends(sizes, samples, confidence(), least=0.0), unit)


def distance_limit_of(
    name: str,
    words: str,
    sizes: Sequence[int],
    rows: Sequence[Sequence[ArrayLike]],
    unit: str = "",
) -> Quantity:
    """Return the largest absolute value of where several signed numbers go as sizes grow.

    `rows` has the samples of one number at each size. Each number follows a power law of its own,
    from above or from below. The intervals of all hold together with the confidence asked for.
    """
    each = 1 - (1 - confidence()) / len(rows)
    found = [_limit_ends(sizes, _falling(row), each, least=LEAST_DISTANCE) for row in rows]
    return quantity(name, words, _largest_ends(found), unit)


def _limit_ends(
    sizes: Sequence[int], samples: Sequence[ArrayLike], level: float, least: float
) -> Ends:
    """Return the limit of a falling power law; of one that the points do not follow: everything.

    What falls ends below the last point, whatever becomes of it beyond. The refits do not know
    that, for each moves all points off the curve: half of the upper error goes to either bound.
    """
    half = (1 + level) / 2
    fit = fit_power_law(
        sizes, samples, least=least, resamples=RESAMPLES, seed=SEED, confidence=half
    )
    if fit.lack_of_fit >= MOST_LACK_FOR_A_VERDICT:
        return -LARGEST, fit.limit.estimate, LARGEST
    high = min(fit.limit.high, mean_ends(samples[-1], half)[2])
    return min(fit.limit.low, high), min(fit.limit.estimate, high), high


def _falling(samples: Sequence[ArrayLike]) -> list[Floats]:
    """Return the samples, with the other sign if they rise with the size."""
    values = [np.asarray(each, float) for each in samples]
    rise = values[-1].mean() > values[0].mean()
    return [-each if rise else each for each in values]


def series_of(label: str, x: ArrayLike, samples: ArrayLike) -> Series:
    """Return a line of means with t intervals; `samples` has shape ``(points, samples)``."""
    found = [interval(each, confidence()) for each in np.asarray(samples, float)]
    return Series(
        label=label,
        x=tuple(np.asarray(x, float).tolist()),
        y=tuple(each.mean for each in found),
        low=tuple(each.low for each in found),
        high=tuple(each.high for each in found),
    )


def largest_of(name: str, words: str, samples: ArrayLike, unit: str = "") -> Quantity:
    """Return the largest absolute mean of several samples, shape ``(numbers, samples)``.

    The intervals of all of them hold together with the confidence asked for.
    """
    values = np.asarray(samples, float)
    each = 1 - (1 - confidence()) / len(values)
    return quantity(name, words, _largest_ends([mean_ends(row, each) for row in values]), unit)


def _largest_ends(found: Sequence[Ends]) -> Ends:
    """Return the largest absolute value of several numbers whose intervals hold together."""
    low = max(max(low, -high, 0.0) for low, _, high in found)
    high = max(max(abs(low), abs(high)) for low, _, high in found)
    return low, max(abs(value) for _, value, _ in found), high
