"""How far lengths are from the exponential law that the model assumes."""

from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.fit_result import Band, LengthLaw
from gnr.measure.length_grid import Cells, Places, upper_ends

PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Quantiles that are told."""

NORMAL_95 = 1.959963984540054

LILLIEFORS_EXPONENTIAL = 1.094
"""KS distance times the root of the sample that an exponential sample with its mean estimated
exceeds once in twenty (Stephens 1974)."""

KL_BINS = 50
"""Bins of equal probability under the exponential."""


@dataclass(frozen=True)
class Marginal:
    """Requests by length; arrays of shape ``(bins,)``.

    Attributes
    ----------
    requests
        Requests in each bin of the grid.
    sums, squares
        Sums of their lengths and of the squares.
    """

    requests: Floats
    sums: Floats
    squares: Floats


def prompt_marginal(cells: Cells, chosen: Places) -> Marginal:
    """Return the prompt lengths of the chosen cells."""
    return _marginal(cells.prompt_bin, cells, cells.prompt_sum, cells.prompt_squares, chosen)


def output_marginal(cells: Cells, chosen: Places) -> Marginal:
    """Return the output lengths of the chosen cells."""
    return _marginal(cells.output_bin, cells, cells.output_sum, cells.output_squares, chosen)


def _marginal(
    bins: Places, cells: Cells, sums: Floats, squares: Floats, chosen: Places
) -> Marginal:
    count, at = len(upper_ends()), bins[chosen]
    return Marginal(
        *(
            np.asarray(np.bincount(at, weights=values[chosen], minlength=count), dtype=float)
            for values in (cells.requests, sums, squares)
        )
    )


def describe(lengths: Marginal) -> LengthLaw:
    """Return mean, variability and distance to the exponential law of the same mean.

    Lengths are whole numbers, so that laws are compared at whole numbers; where a bin holds more
    than one, at the last of it, which leaves the distance at most 0.004 too small.
    """
    total = lengths.requests.sum()
    mean = float(lengths.sums.sum() / total)
    variance = max(float(lengths.squares.sum() / total) - mean**2, 0.0)
    variability = variance / mean**2
    half = NORMAL_95 * _error_of_variability(lengths, mean, variance, float(total))
    below = np.cumsum(lengths.requests) / total
    exponential = 1 - np.exp(-upper_ends() / mean)
    return LengthLaw(
        mean=mean,
        squared_cv=variability,
        squared_cv_band=Band(low=max(variability - half, 0.0), high=variability + half),
        ks_distance=float(np.abs(below - exponential).max()),
        ks_by_chance=LILLIEFORS_EXPONENTIAL / float(np.sqrt(total)),
        kl_divergence=divergence(lengths, KL_BINS),
        quantiles={
            f"p{100 * p:g}": value
            for p, value in zip(
                PROBABILITIES, quantiles(lengths, np.array(PROBABILITIES)).tolist(), strict=True
            )
        },
    )


def quantiles(lengths: Marginal, probabilities: Floats) -> Floats:
    """Return quantiles, tokens: means of the bins they are in, so within 1 %."""
    below = np.cumsum(lengths.requests)
    at = np.searchsorted(below, probabilities * below[-1] * (1 - 1e-12))
    return np.asarray(lengths.sums[at] / lengths.requests[at])


def _error_of_variability(lengths: Marginal, mean: float, variance: float, total: float) -> float:
    """Return the standard error of the squared coefficient of variation, by the delta method."""
    there = lengths.requests > 0
    away = lengths.sums[there] / lengths.requests[there] - mean
    third, fourth = (float(lengths.requests[there] @ away**power / total) for power in (3, 4))
    spread = (
        (fourth - variance**2) / mean**4
        + 4 * variance**3 / mean**6
        - 4 * third * variance / mean**5
    )
    return float(np.sqrt(max(spread, 0.0) / total))


def divergence(lengths: Marginal, bins: int) -> float | None:
    """Return the KL divergence from the exponential fit, nats; None with too few requests.

    Plug-in estimate over bins of nearly equal probability under the fit, less its first-order bias
    (bins - 1) / (2 requests).
    """
    total = float(lengths.requests.sum())
    if total < 10 * bins:
        return None
    ends, mean = upper_ends(), float(lengths.sums.sum() / total)
    cuts = -mean * np.log1p(-np.arange(1, bins) / bins)
    last = np.unique(np.searchsorted(ends, cuts))
    fitted = np.diff(1 - np.exp(-ends[last] / mean), prepend=0.0, append=1.0)
    below = np.cumsum(lengths.requests)[last] / total
    seen = np.diff(below, prepend=0.0, append=1.0)
    there = seen > 0
    plain = float(seen[there] @ np.log(seen[there] / fitted[there]))
    return max(plain - (len(fitted) - 1) / (2 * total), 0.0)
