"""Counts and lengths of every class in equal parts of a log, and resamples of the parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gnr.arrays import Floats
from gnr.fit_result import Band, Banded

BLOCKS = 50
"""Parts of a log."""

FEWEST_BLOCKS = 10
"""Parts below which there are no intervals."""

LEAST_IN_BLOCK = 4
"""Requests per part below which there are fewer parts."""

RESAMPLES = 200


@dataclass(frozen=True)
class ClassSums:
    """Sums over requests, by class; arrays of shape ``(..., classes)``.

    Attributes
    ----------
    requests
        Number of requests.
    prompt, output, cached
        Sums of lengths and of cached prompt tokens.
    """

    requests: Floats
    prompt: Floats
    output: Floats
    cached: Floats

    def total(self) -> "ClassSums":
        """Return the sums over the first axis."""
        return ClassSums(
            self.requests.sum(axis=0),
            self.prompt.sum(axis=0),
            self.output.sum(axis=0),
            self.cached.sum(axis=0),
        )

    def at(self, place: int) -> "ClassSums":
        """Return the sums at one place of the first axis."""
        return ClassSums(
            self.requests[place], self.prompt[place], self.output[place], self.cached[place]
        )


def number_of_blocks(requests: int) -> int:
    """Return into how many parts a log of so many requests is divided."""
    return max(1, min(BLOCKS, requests // LEAST_IN_BLOCK))


class BlockSums:
    """Sums by part and class while they are gathered."""

    def __init__(self, blocks: int, classes: int) -> None:
        self._shape = (blocks, classes)
        self._sums = np.zeros((4, blocks * classes))

    def add(
        self,
        block: NDArray[np.int64],
        label: NDArray[np.int16],
        prompt: Floats,
        output: Floats,
        cached: Floats | None,
    ) -> None:
        """Add some requests: part, class and lengths of each, shape ``(requests,)``."""
        at, size = block * self._shape[1] + label, self._sums.shape[1]
        weights = (None, prompt, output, cached)
        for k, each in enumerate(weights):
            if k == 0 or each is not None:
                self._sums[k] += np.bincount(at, weights=each, minlength=size)

    def sums(self) -> ClassSums:
        """Return the sums, arrays of shape ``(blocks, classes)``."""
        return ClassSums(*(each.reshape(self._shape) for each in self._sums))


def resample(sums: ClassSums, seed: int, count: int = RESAMPLES) -> ClassSums:
    """Return sums over parts drawn with replacement, shape ``(count, classes)``."""
    blocks = len(sums.requests)
    random = np.random.default_rng([seed, blocks])
    times = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=count).astype(float)
    return ClassSums(
        times @ sums.requests, times @ sums.prompt, times @ sums.output, times @ sums.cached
    )


def banded(value: float, resamples: Floats, blocks: int) -> Banded:
    """Return a figure with its 95 % interval from resamples, shape ``(resamples,)``.

    Quantiles of the resamples, farther out than 2.5 % by what a few blocks call for (expanded
    percentile interval: t quantile, and the root of n / (n - 1)).
    """
    known = resamples[np.isfinite(resamples)]
    if not len(known):
        return Banded(value=value, band=None)
    reach = float(np.sqrt(blocks / (blocks - 1)) * special.stdtrit(blocks - 1, 0.975))
    tail = float(special.ndtr(-reach))
    low, high = np.quantile(known, (tail, 1 - tail))
    return Banded(value=value, band=Band(low=float(low), high=float(high)))
