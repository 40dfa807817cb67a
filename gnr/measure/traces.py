"""Read a request log as a whole, to be replayed."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gnr.errors import InputError, Problem
from gnr.measure.request_logs import TICKS, Requests, no_rows, open_log
from gnr.measure.row_filters import read_conditions
from gnr.measure.table_heads import read_head
from gnr.measure.tables import Told
from gnr.request_trace import RequestTrace


def read_trace(
    file: str | Path,
    *,
    columns: Iterable[str] = (),
    where: Iterable[str] = (),
    told: Told = lambda done: None,
) -> RequestTrace:
    """Return the requests of a log, sorted by time.

    Parameters
    ----------
    file
        CSV or JSON lines, gzipped or not.
    columns
        Texts ``QUANTITY=HEADER[:UNIT]`` for columns that go by other names.
    where
        Texts ``HEADER=VALUE``: rows to take.
    told
        Called now and then with the bytes read.

    Raises
    ------
    InputError
        If the file cannot be read, has no times, or fewer than two requests.
    """
    path = Path(file)
    log = open_log(read_head(path), columns, read_conditions(where))
    if not log.has_times:
        message = "has no column that says when requests came"
        remedy = "say --column arrival=HEADER:UNIT; without times nothing can be replayed"
        raise InputError([Problem("no-times", str(path), "arrival", message, remedy)])
    parts = list(log.requests(told))
    if sum(len(part.prompt) for part in parts) < 2:
        raise no_rows(path, "has fewer than two requests with output")
    ticks = np.concatenate([_ticks(part) for part in parts])
    order = np.argsort(ticks, kind="stable")
    ranked = ticks[order]
    steps = np.diff(ranked)
    return RequestTrace(
        name=path.name,
        sha256=str(log.table.sha256),
        arrival=(ranked - ranked[0]) / TICKS,
        prompt_tokens=np.concatenate([part.prompt for part in parts])[order].astype(np.int64),
        output_tokens=np.concatenate([part.output for part in parts])[order].astype(np.int64),
        set_aside=sum(part.empty_output + part.empty_prompt for part in parts),
        unsorted=int(np.sum(np.diff(ticks) < 0)),
        resolution=float(steps[steps > 0].min()) / TICKS if (steps > 0).any() else 0.0,
        doubts=tuple(log.doubts()),
    )


def _ticks(part: Requests) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    assert part.ticks is not None
    return part.ticks
