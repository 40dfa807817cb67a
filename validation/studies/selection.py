r"""The best of a few alternatives by simulation, with a stated error.

Every alternative meets the same random numbers. After each of a few looks, fixed beforehand, the
differences of all pairs have simultaneous t intervals (Bonferroni over pairs and looks); who is
shown to earn less than the leader drops out, and the search ends when no rival that is left can
earn more than the leader by the indifference. With the confidence, at least, all intervals cover:
then nobody, those that dropped out included, is better than the leader of a settled search by more
than the indifference, for a chain of "earns less than" leads from each to the leader or to a rival
that is left. Where the looks end first, the search is not settled, and the intervals say how much
better a rival may be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.validation.statistics import Interval, paired_difference

LOOKS = (16, 16, 32)
"""Runs that each look adds."""

INDIFFERENCE = 0.002
"""Difference of revenue that is let pass, a share of the LP value."""

CONFIDENCE = 0.95
"""Of all differences at all looks together."""

Sample = Callable[[int, int, int], Floats]
"""``sample(alternative, look, runs)``: revenue of new runs, shares of the LP value, ``(runs,)``."""


@dataclass(frozen=True)
class Selection:
    """Who was chosen, and against what.

    Attributes
    ----------
    chosen
        Number of the alternative.
    settled
        Whether nobody is better by more than `INDIFFERENCE`, with `CONFIDENCE`.
    samples
        Runs of each alternative, shares of the LP value.
    behind
        How far each is behind the chosen one, on the runs that both have.
    """

    chosen: int
    settled: bool
    samples: list[Floats]
    behind: list[Interval]


def select(alternatives: int, sample: Sample, looks: Sequence[int] = LOOKS) -> Selection:
    """Return the best of so many alternatives, at least two, as far as the looks tell."""
    pairs = alternatives * (alternatives - 1) // 2
    level = 1 - (1 - CONFIDENCE) / (pairs * len(looks))
    runs: list[list[Floats]] = [[] for _ in range(alternatives)]
    left, leader, settled = list(range(alternatives)), 0, False
    for look, added in enumerate(looks):
        for each in left:
            runs[each].append(sample(each, look, added))
        samples = [np.concatenate(each) for each in runs]
        leader = max(left, key=lambda each: float(samples[each].mean()))
        lead = {each: paired_difference(samples[leader], samples[each], level) for each in left}
        left = [each for each in left if each == leader or lead[each].low <= 0]
        settled = all(lead[each].low >= -INDIFFERENCE for each in left if each != leader)
        if settled:
            break
    known = [min(len(each), len(samples[leader])) for each in samples]
    behind = [
        paired_difference(samples[leader][:shared], each[:shared], level)
        for each, shared in zip(samples, known, strict=True)
    ]
    return Selection(leader, settled, samples, behind)
