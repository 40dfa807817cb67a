"""Lengths of a log by class, as a file that ``--lengths`` takes."""

import csv
import io
from collections.abc import Sequence

import numpy as np

from gnr.arrays import Floats
from gnr.measure.length_grid import Places
from gnr.validation.per_gpu.lengths import COLUMNS

MOST_LISTED = 5000
"""Rows of a class at most."""


def lengths_csv(names: Sequence[str], lengths: Floats, requests: Floats, labels: Places) -> str:
    """Return a row ``class,prompt_tokens,output_tokens`` for each request, or some of very many.

    Of a class with more than `MOST_LISTED` requests so many are taken at even distances, in order
    of prompt and output.

    Parameters
    ----------
    names
        Names of the classes.
    lengths
        Mean prompt and output of the requests of each cell of the grid, tokens, ``(cells, 2)``.
    requests, labels
        Requests in each cell, and number of its class, ``(cells,)``.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for label, name in enumerate(names):
        own = labels == label
        reached = np.cumsum(requests[own])
        rows = min(int(reached[-1]), MOST_LISTED)
        taken = np.searchsorted(reached, (np.arange(rows) + 0.5) * reached[-1] / rows)
        table.writerows(
            (name, f"{prompt:.6g}", f"{output:.6g}")
            for prompt, output in lengths[own][taken].tolist()
        )
    return text.getvalue()
