"""Quantities that compare policies, over replications of one cluster and over drawn instances.

Instances differ by far more than replications do, and what a policy loses is skewed over them: of
t intervals of the mean of 24 that claim 99.8 %, one in twenty misses it, where what gate-and-route
lost in the recommendation runs is drawn again. Quantities over instances are therefore medians and
shares, whose intervals hold whatever the law is.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from gnr.reproduction import Quantity
from gnr.validation.studies.reproduction.outline import confidence
from gnr.validation.studies.reproduction.quantities import LARGEST, Ends, quantity


def median_ends(samples: ArrayLike, level: float) -> Ends:
    """Return the median with the interval between order statistics, exact for every law.

    Samples too few for the confidence have no interval: it is then everything.
    """
    values = np.asarray(samples, float)
    middle = float(np.median(values))
    ends = stats.quantile_test(values, q=middle, p=0.5).confidence_interval(level)
    return (
        -LARGEST if np.isnan(ends.low) else float(ends.low),
        middle,
        LARGEST if np.isnan(ends.high) else float(ends.high),
    )


def share_ends(flags: ArrayLike, level: float) -> Ends:
    """Return the share of samples that are true, %, with the interval of Clopper and Pearson."""
    values = np.asarray(flags, bool)
    count = int(values.sum())
    ends = stats.binomtest(count, len(values)).proportion_ci(level, method="exact")
    return 100 * float(ends.low), 100 * count / len(values), 100 * float(ends.high)


def deviation_ratio_ends(pairs: tuple[ArrayLike, ArrayLike], level: float) -> Ends:
    r"""Return the ratio of two standard deviations, the samples paired, with Morgan's interval.

    With :math:`w` the ratio of the variances, :math:`r` the correlation and :math:`K=1+
    2(1-r^2)t_{m-2}^2/(m-2)` the ends are :math:`\sqrt{w(K\mp\sqrt{K^2-1})}`, exact for normal
    pairs.

    References
    ----------
    W. A. Morgan, A test for the significance of the difference between the two variances in a
    sample from a normal bivariate population, Biometrika 31 (1939) 13-19.
    """
    above, below = (np.asarray(each, float) for each in pairs)
    degrees = len(above) - 2
    ratio = float(above.std(ddof=1) / below.std(ddof=1))
    alone = 1 - float(np.corrcoef(above, below)[0, 1]) ** 2
    middle = 1 + 2 * alone * float(stats.t.ppf((1 + level) / 2, degrees)) ** 2 / degrees
    factor = float(np.sqrt(middle + np.sqrt(middle**2 - 1)))
    return ratio / factor, ratio, ratio * factor


def median_of(name: str, words: str, samples: ArrayLike, unit: str = "") -> Quantity:
    """Return the median of independent samples, shape ``(samples,)``."""
    return quantity(name, words, median_ends(samples, confidence()), unit)


def share_of(name: str, words: str, flags: ArrayLike) -> Quantity:
    """Return the share of independent samples that are true, shape ``(samples,)``, in %."""
    return quantity(name, words, share_ends(flags, confidence()), "%")


def least_of(
    name: str, words: str, rows: Sequence[Any], ends: Callable[[Any, float], Ends], unit: str = ""
) -> Quantity:
    """Return the least of several numbers, each estimated from one of `rows` by `ends`.

    It is below the interval only if the number that is truly least is below its own, so that the
    lower ends need no correction; above it if any is, so that the upper ends share the error.
    """
    shared = 1 - (1 - confidence()) / len(rows)
    each = [ends(row, confidence()) for row in rows]
    high = min(ends(row, shared)[2] for row in rows)
    low, value = min(one[0] for one in each), min(one[1] for one in each)
    return quantity(name, words, (low, value, high), unit)
