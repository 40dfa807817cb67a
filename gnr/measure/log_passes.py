"""The two passes over a request log: lengths and times first, then parts of it by class."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.measure.arrivals import ArrivalTimes, WindowCounts
from gnr.measure.length_grid import LengthGrid
from gnr.measure.log_blocks import BlockSums, ClassSums
from gnr.measure.prefix_cache import SeenBlocks
from gnr.measure.request_logs import RequestLog, Requests

Told = Callable[[int], None]


@dataclass
class FirstPass:
    """What the first pass finds.

    Attributes
    ----------
    grid
        Lengths.
    times
        Arrivals; empty without times.
    seen
        Blocks of prompts; None where the log does not name them.
    requests, without_output, without_prompt
        Rows that are used, and those set aside.
    blocks, hits
        Blocks of all prompts, and those that were cached, from a column of cached tokens.
    """

    grid: LengthGrid = field(default_factory=LengthGrid)
    times: ArrivalTimes = field(default_factory=ArrivalTimes)
    seen: SeenBlocks | None = None
    requests: int = 0
    without_output: int = 0
    without_prompt: int = 0
    blocks: float = 0.0
    hits: float = 0.0


def first_pass(log: RequestLog, block_tokens: float, told: Told) -> FirstPass:
    """Return lengths and arrival times of a log.

    Raises
    ------
    InputError
        If a line cannot be read.
    """
    found = FirstPass(seen=SeenBlocks(block_tokens) if log.has_blocks else None)
    for some in log.requests(told):
        found.requests += len(some.prompt)
        found.without_output += some.empty_output
        found.without_prompt += some.empty_prompt
        cached = _cached(some, found.seen)
        found.grid.add(some, cached)
        if some.cached is not None:
            found.blocks += float(np.ceil(some.prompt / block_tokens).sum())
            found.hits += float(np.ceil(some.cached / block_tokens).sum())
        if some.ticks is not None and some.arrival is not None:
            found.times.add(some.ticks, some.arrival)
    if found.seen is not None:
        found.blocks, found.hits = found.seen.blocks, found.seen.hits
    return found


def _cached(some: Requests, seen: SeenBlocks | None) -> Floats | None:
    """Return the cached tokens of each request, if the log tells."""
    if some.cached is not None:
        return some.cached
    return None if seen is None else seen.cached(some.blocks, some.prompt)


def second_pass(
    log: RequestLog,
    first: FirstPass,
    class_of_cell: NDArray[np.int16],
    shape: tuple[int, int],
    block_tokens: float,
    told: Told,
) -> tuple[ClassSums, WindowCounts | None]:
    """Return the sums of every class in each part of a log, and the counts in windows.

    Parameters
    ----------
    class_of_cell
        Class by number of the cell of the grid.
    shape
        Number of parts, of the time where there is one, else of the rows; number of classes.

    Raises
    ------
    InputError
        If the file is no longer what it was.
    """
    before = log.table.sha256
    sums = BlockSums(*shape)
    span, done = first.times.span, 0
    seen = SeenBlocks(block_tokens) if log.has_blocks else None
    windows = WindowCounts(first.times) if span > 0 else None
    for some in log.requests(told):
        if windows is not None and some.ticks is not None:
            windows.add(some.ticks)
            place = (some.ticks - first.times.first) * shape[0] // (span + 1)
        else:
            place = np.arange(done, done + len(some.prompt)) * shape[0] // first.requests
        done += len(some.prompt)
        outside = done > first.requests or (len(place) and not _inside(place, shape[0]))
        label = class_of_cell[first.grid.cells_of(some.prompt, some.output)]
        if outside or (label < 0).any():
            raise _changed(log)
        sums.add(place, label, some.prompt, some.output, _cached(some, seen))
    if log.table.sha256 != before:
        raise _changed(log)
    return sums.sums(), windows


def _inside(place: NDArray[np.int64], parts: int) -> bool:
    return bool(place.min() >= 0 and place.max() < parts)


def _changed(log: RequestLog) -> InputError:
    message = "changed while it was read"
    return InputError(
        [
            Problem(
                "file-changed", str(log.table.path), "", message, "fit a copy that stays as it is"
            )
        ]
    )
