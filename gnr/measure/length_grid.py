"""Counts and exact sums of request lengths on a fine grid: a log of any length in bounded memory.

Up to 128 tokens a bin is one length; beyond, bins are 1 % wide, so at least one token.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.measure.request_logs import MOST_TOKENS, Requests

EXACT = 128
"""Tokens up to which every length has a bin of its own."""

WIDTH = 0.01
"""Width of the other bins, as a share of the length."""

Places = NDArray[np.int64]


@cache
def upper_ends() -> Places:
    """Return the largest length of each bin, tokens, shape ``(bins,)``, from 1 on."""
    ends = list(range(1, EXACT + 1))
    while ends[-1] < MOST_TOKENS:
        ends.append(max(ends[-1] + 1, int(ends[-1] * (1 + WIDTH))))
    return np.array(ends)


def bins_of(lengths: Floats) -> Places:
    """Return the bin of each length; both of shape ``(requests,)``."""
    return np.searchsorted(upper_ends(), lengths)


@dataclass(frozen=True)
class Cells:
    """The cells of the grid that hold requests; arrays of shape ``(cells,)``, floats.

    Attributes
    ----------
    prompt_bin, output_bin
        Bins of the cell.
    requests
        Requests in it.
    prompt_sum, output_sum, cached_sum
        Exact sums of their lengths and of their cached prompt tokens.
    prompt_squares, output_squares
        Sums of the squares of their lengths.
    """

    prompt_bin: Places
    output_bin: Places
    requests: Floats
    prompt_sum: Floats
    output_sum: Floats
    cached_sum: Floats
    prompt_squares: Floats
    output_squares: Floats

    @property
    def points(self) -> Floats:
        """Return the logarithms of the mean prompt and output of each cell, ``(cells, 2)``."""
        means = np.stack([self.prompt_sum, self.output_sum], axis=1) / self.requests[:, None]
        return np.asarray(np.log(means))


class LengthGrid:
    """The grid while it is filled."""

    def __init__(self) -> None:
        self._bins = len(upper_ends())
        size = self._bins**2
        self._sums = {name: np.zeros(size) for name in ("requests", "prompt", "output")}
        self._sums |= {name: np.zeros(size) for name in ("prompt_squares", "output_squares")}
        self._cached: Floats | None = None

    def cells_of(self, prompt: Floats, output: Floats) -> Places:
        """Return the number of the cell of each request, shape ``(requests,)``."""
        return bins_of(prompt) * self._bins + bins_of(output)

    def add(self, requests: Requests, cached: Floats | None) -> None:
        """Count some requests, with the prompt tokens of each that were cached, if known."""
        prompt, output = requests.prompt, requests.output
        places = self.cells_of(prompt, output)
        for name, values in (
            ("requests", np.ones_like(prompt)),
            ("prompt", prompt),
            ("output", output),
            ("prompt_squares", prompt**2),
            ("output_squares", output**2),
        ):
            _add(self._sums[name], places, values)
        if cached is not None:
            if self._cached is None:
                self._cached = np.zeros(self._bins**2)
            _add(self._cached, places, cached)

    def cells(self) -> tuple[Cells, Places]:
        """Return the cells with requests in them, and the number of each in the grid."""
        places = np.flatnonzero(self._sums["requests"])
        sums = {name: values[places] for name, values in self._sums.items()}
        cached = np.zeros(len(places)) if self._cached is None else self._cached[places]
        found = Cells(
            *np.divmod(places, self._bins),
            sums["requests"],
            sums["prompt"],
            sums["output"],
            cached,
            sums["prompt_squares"],
            sums["output_squares"],
        )
        return found, places

    def table_of(self, places: Places, values: Places) -> NDArray[np.int16]:
        """Return `values` by number of the cell, to look up; -1 where there was no request."""
        table = np.full(self._bins**2, -1, dtype=np.int16)
        table[places] = values
        return table


def _add(total: Floats, places: Places, values: Floats) -> None:
    """Add values to their places; without a temporary as large as the grid for few of them."""
    if len(places) * 8 < len(total):
        different, at = np.unique(places, return_inverse=True)
        total[different] += np.bincount(at, weights=values)
    else:
        total += np.bincount(places, weights=values, minlength=len(total))
