"""Intervals of figures of a request log, from blocks of consecutive requests drawn again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.measure.length_grid import bins_of, upper_ends
from gnr.measure.length_laws import Marginal

AT_ONCE = 250
"""Draws that are made together, to bound memory."""


@dataclass(frozen=True)
class Redraws:
    """How blocks are drawn.

    Attributes
    ----------
    requests
        Requests in a block: those of one time or session stay together.
    resamples
        Draws.
    seed
        Seed of the draws; figures of one log come from the same draws.
    confidence
        Of the intervals.
    """

    requests: int
    resamples: int
    seed: int
    confidence: float

    def times(self, length: int) -> Floats:
        """Return how often each block of a log is drawn, shape ``(resamples, blocks)``."""
        blocks = -(-length // self.requests)
        random = np.random.default_rng([self.seed, blocks])
        drawn = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=self.resamples)
        return np.asarray(drawn, dtype=float)

    def interval(self, drawn: Floats, bias: float = 0.0) -> tuple[float, float]:
        """Return the percentile interval of a figure.

        Parameters
        ----------
        drawn
            The estimate of each draw, shape ``(resamples,)``.
        bias
            What drawing adds to it on average, as sampling the log did before.
        """
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(drawn - bias, (tail, 1 - tail))
        return float(low), float(high)


def sums_by_block(values: Floats, size: int) -> Floats:
    """Return sums over blocks of `size` rows; shapes ``(rows, ...)`` and ``(blocks, ...)``."""
    return np.add.reduceat(values, np.arange(0, len(values), size), axis=0)


class BlockMarginals:
    """Lengths by block on the grid, to draw blocks from."""

    def __init__(self, lengths: Floats, chosen: Flags, size: int) -> None:
        """Take the chosen of all requests of a log; arrays of shape ``(requests,)``."""
        bins = len(upper_ends())
        block = np.arange(len(lengths)) // size
        shape = (int(block[-1]) + 1, bins)
        at = (block * bins + bins_of(lengths))[chosen]
        some = lengths[chosen]
        self._sums = [
            np.bincount(at, weights=each, minlength=shape[0] * bins).reshape(shape)
            for each in (np.ones(len(some)), some, some**2)
        ]

    def whole(self) -> Marginal:
        """Return the lengths of the log."""
        return Marginal(*(each.sum(axis=0) for each in self._sums))

    def drawn(self, times: Floats) -> Iterator[Marginal]:
        """Yield the lengths of each draw; `times` has shape ``(resamples, blocks)``."""
        for first in range(0, len(times), AT_ONCE):
            some = times[first : first + AT_ONCE]
            for row in zip(*(some @ each for each in self._sums), strict=True):
                yield Marginal(*row)
