r"""Deciding while samples come in, without cheating on error rates.

Claims are tested one-sided at looks fixed beforehand, after 8, 16, ... replications. The error
probability is divided over the looks (Bonferroni), so that it holds whatever the dependence
between them; nothing is gained by looking often. That *all* of several bounds are kept is claimed
when each is at that level (intersection-union: no correction); that *some* bound is broken, when
one is at the level divided by their number (union-intersection).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import special

from gnr.arrays import Floats
from gnr.validation.statistics import Verdict

ALPHA = 0.05
"""Probability of a wrong claim, of either kind."""


@dataclass(frozen=True)
class Bounded:
    """Something that should be at most a limit, as replications show it.

    Attributes
    ----------
    low, high
        Between these it is, in every replication; shape ``(replications,)``.
    limit
        What the mean should not exceed.
    """

    low: Floats
    high: Floats
    limit: float

    @property
    def seems_kept(self) -> bool:
        """Whether the mean is within the limit, which claims nothing; not where it is nan."""
        return float(self.high.mean()) <= self.limit

    def kept(self) -> float:
        """Return the p-value of the claim that the mean is below the limit."""
        return below(self.high, self.limit)

    def broken(self) -> float:
        """Return the p-value of the claim that the mean is above the limit."""
        return below(-self.low, -self.limit)


def below(samples: Floats, limit: float) -> float:
    r"""Return the p-value of the one-sided test for a mean below `limit`; shape ``(m,)``.

    Shares of late requests have long upper tails, and the t test would claim too often that their
    mean is low. The statistic is therefore Hall's (1992) transformation of
    :math:`S=(\bar x-\eta)/s`, with the skewness g of the sample, against t with m - 1 degrees:

    .. math:: \sqrt m\,\big[S+\tfrac g3S^2+\tfrac{g^2}{27}S^3+\tfrac g{6m}\big]

    Values that are not finite claim nothing unless all are on one side: p is 1, or 0 where every
    one is minus infinity. A sample that does not vary is taken at its word.

    References
    ----------
    P. Hall, On the removal of skewness by transformation, Journal of the Royal Statistical Society
    B 54 (1992) 221-228.
    """
    values = np.asarray(samples, dtype=float)
    if not np.isfinite(values).all():
        return 0.0 if np.all(values == -np.inf) else 1.0
    if len(values) < 2:
        return 1.0
    count, spread = len(values), float(values.std(ddof=1))
    difference = float(values.mean()) - limit
    if np.ptp(values) == 0:
        return 0.0 if difference < 0 else 1.0
    shift = difference / spread
    skew = float(np.mean((values - values.mean()) ** 3)) / spread**3
    straight = shift + skew * shift**2 / 3 + skew**2 * shift**3 / 27 + skew / (6 * count)
    return float(special.stdtr(count - 1, math.sqrt(count) * straight))


_Evidence = TypeVar("_Evidence")


def decide(
    sample: Callable[[int], _Evidence],
    bounds: Callable[[_Evidence], Sequence[Bounded]],
    looks: Sequence[int],
    alpha: float = ALPHA,
) -> tuple[Verdict, _Evidence]:
    """Return whether all bounds are kept, and the evidence at the last look.

    Parameters
    ----------
    sample
        Returns the evidence of that many replications; those of an earlier look are among them.
    bounds
        What is to be kept, in the evidence; always as many.
    looks
        Numbers of replications at which a decision is tried, ascending.
    alpha
        Probability of `YES` while some bound is broken, and of `NO` while all are kept.
    """
    level = alpha / len(looks)
    for count in looks:
        evidence = sample(count)
        found = bounds(evidence)
        if all(each.kept() <= level for each in found):
            return Verdict.YES, evidence
        if any(each.broken() <= level / len(found) for each in found):
            return Verdict.NO, evidence
    return Verdict.UNDECIDED, evidence


def spent(alpha: float, attempt: int) -> float:
    """Return the level of the `attempt`-th claim, from 1, of a series of any length.

    Halves add up to `alpha`: with these levels the probability of any wrong claim is at most that.
    """
    return alpha / 2.0**attempt
