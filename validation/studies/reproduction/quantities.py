"""Quantities with intervals, all at the confidence that ``claims.toml`` fixes."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from gnr.reproduction import Quantity, Series
from gnr.validation.statistics import interval
from gnr.validation.studies.reproduction.outline import confidence


def exactly(name: str, words: str, value: float, unit: str = "") -> Quantity:
    """Return a quantity that no chance is in."""
    return Quantity(name=name, words=words, value=value, low=value, high=value, unit=unit)


def mean_of(name: str, words: str, samples: ArrayLike, unit: str = "") -> Quantity:
    """Return the mean of independent samples, shape ``(samples,)``, with its t interval."""
    found = interval(samples, confidence())
    return Quantity(
        name=name, words=words, value=found.mean, low=found.low, high=found.high, unit=unit
    )


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
    largest = float(np.finfo(float).max)
    return Quantity(
        name=name,
        words=words,
        value=top.mean / bottom.mean,
        low=min(ends) if bounded else -largest,
        high=max(ends) if bounded else largest,
        unit="",
    )


def spread_ratio(name: str, words: str, above: ArrayLike, below: ArrayLike) -> Quantity:
    """Return the ratio of the standard deviations of two independent near-normal samples."""
    top, bottom = np.asarray(above, float), np.asarray(below, float)
    ratio = float(top.std(ddof=1) / bottom.std(ddof=1))
    tail = (1 - confidence()) / 2
    low, high = stats.f.ppf([tail, 1 - tail], len(top) - 1, len(bottom) - 1)
    return Quantity(
        name=name,
        words=words,
        value=ratio,
        low=ratio / float(np.sqrt(high)),
        high=ratio / float(np.sqrt(low)),
        unit="",
    )


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
    found = [interval(row, each) for row in values]
    low = max(max(one.low, -one.high, 0.0) for one in found)
    high = max(max(abs(one.low), abs(one.high)) for one in found)
    value = max(abs(one.mean) for one in found)
    return Quantity(name=name, words=words, value=value, low=low, high=high, unit=unit)
