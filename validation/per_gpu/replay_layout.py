"""What a replayed cluster holds in memory besides `Room`: the trace, the iterations, the outcome.

Rows are named here once. Requests are numbered as in the trace: their rows are never used twice.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.validation.per_gpu.layout import LINE_REALS, NOBODY, ROWS, Integers, Places

Codes = NDArray[np.int8]

OUTCOMES = (
    "left before prefill",
    "left before decode",
    "finished",
    "refused",
    "still there",
    "not arrived",
)
"""What became of a request; the first three are those of `gnr.validation.per_gpu.records`."""

LEFT_BEFORE_PREFILL, LEFT_BEFORE_DECODE, FINISHED, REFUSED, STILL_THERE, NOT_ARRIVED = range(6)

# The row of a GPU: context of its decodes after the iterations that have ended (tokens), KV tokens
# reserved and the most so far, tokens processed of the prompt in prefill, and of the iteration that
# runs: its chunk (tokens), its decodes, when it began (s). Its phase comes last.
CONTEXT, RESERVED, MOST_RESERVED, PROCESSED, CHUNK, ACTIVE, BEGAN, PHASE = range(LINE_REALS)

# Phases: without work; without work until now, between two iterations; in an iteration.
IDLE, WOKEN, BETWEEN, RUNNING = range(4)

# Whole numbers: the next request of the trace, requests that have ended, GPUs that may begin an
# iteration now, rows of the time series that are full, classes held up for memory, whether
# something has happened that the policy may act on.
NEXT_REQUEST, ENDED, TO_BEGIN, INTERVALS, CLASSES_HELD_UP, CHANGED = range(6)
COUNTERS = 6

# What is added up since the last multiple of the interval, in the order of the columns of the time
# series after the state.
BUSY, KV_TOKENS, ARRIVED, PROMPT_TOKENS, OUTPUT_TOKENS, DONE = range(6)
# And over the whole run: iterations, those with a chunk, their time (s), requests that were held up
# for memory alone, the time (s) that the head of some line was while a GPU was ready, events.
ITERATIONS, MIXED_ITERATIONS, ITERATION_TIME, HELD_UP, HELD_UP_TIME, EVENTS = range(6)
TALLIES = 6

# How many GPUs are busy and how many KV tokens are reserved now.
NOW_BUSY, NOW_RESERVED = range(2)


class Log(NamedTuple):
    """What became of every request, arrays of shape ``(requests,)``; times in s."""

    prefill_start: Floats
    first_token: Floats
    decode_start: Floats
    end: Floats
    """nan where a request never came so far."""
    prefill_gpu: Places
    decode_gpu: Places
    """-1 where there was none."""
    outcome: Codes
    """Places in `OUTCOMES`."""
    held_up: Codes
    """1 for those that were held up for memory alone."""


class Replay(NamedTuple):
    """What the replaying kernel keeps beside `Room`."""

    arrivals: Floats
    kinds: Places
    prompts: Floats
    outputs: Floats
    """The trace, shape ``(requests,)``: s, class, tokens, tokens."""
    law: Floats
    """The law of the iteration time, as from `row_of_law`."""
    chunk_tokens: float
    kv_tokens: float
    """Most KV tokens that may be reserved on a GPU."""
    interval: float
    """Between two rows of the time series, s."""
    gpus: Floats
    """Shape ``(gpus, 8)``: `CONTEXT` and so on."""
    to_begin: Places
    """GPUs that may begin an iteration now: a stack."""
    held_up: Codes
    """1 for the classes whose head of line fits on no ready GPU, shape ``(classes,)``."""
    counters: Integers
    since: Floats
    """Shape ``(6,)``: `BUSY` and so on, since the last multiple of the interval."""
    totals: Floats
    """Shape ``(6,)``: `ITERATIONS` and so on."""
    now: Floats
    """Shape ``(2,)``: `NOW_BUSY`, `NOW_RESERVED`."""
    series: Floats
    """Shape ``(intervals, 6 classes + 6)``; the first rows are full."""
    log: Log


@dataclass(frozen=True)
class Trace:
    """Requests to be replayed, sorted by time; arrays of shape ``(requests,)``.

    Attributes
    ----------
    arrival
        s, at least 0.
    kind
        Number of the class.
    prompt_tokens, output_tokens
        Whole numbers, at least 1.

    Raises
    ------
    InputError
        If the arrays do not say that.
    """

    arrival: Floats
    kind: Integers
    prompt_tokens: Integers
    output_tokens: Integers

    def __post_init__(self) -> None:
        arrival, tokens = np.asarray(self.arrival), (self.prompt_tokens, self.output_tokens)
        shapes = {np.shape(each) for each in vars(self).values()}
        faults = [
            (len(shapes) != 1 or len(np.shape(arrival)) != 1, "all", "must have one shape"),
            (not np.all(np.isfinite(arrival) & (arrival >= 0)), "arrival", "must be 0 s or later"),
            (bool(np.any(np.diff(arrival) < 0)), "arrival", "must be sorted"),
            (not _whole(self.kind, 0), "kind", "must be numbers of classes"),
            *(
                (not _whole(each, 1), name, "must be whole numbers of tokens, 1 or more")
                for each, name in zip(tokens, ("prompt_tokens", "output_tokens"), strict=True)
            ),
        ]
        told = [_problem(place, message) for wrong, place, message in faults if wrong]
        if told:
            raise InputError(told)


def _whole(values: Integers, least: int) -> bool:
    return bool(np.all((np.asarray(values) >= least) & (np.mod(values, 1) == 0)))


def _problem(place: str, message: str) -> Problem:
    return Problem("trace", "trace", place, message, "sort and clean the trace first")


def make_replay(
    trace: Trace,
    law: Floats,
    classes: int,
    gpus: int,
    chunk_tokens: int,
    interval: float,
    kv_tokens: float,
) -> Replay:
    """Return what is kept before anything has happened; arguments as of `ReplayEngine`."""
    count = len(trace.arrival)
    return Replay(
        arrivals=np.ascontiguousarray(trace.arrival, float),
        kinds=np.ascontiguousarray(trace.kind, np.int32),
        prompts=np.ascontiguousarray(trace.prompt_tokens, float),
        outputs=np.ascontiguousarray(trace.output_tokens, float),
        law=law,
        chunk_tokens=float(chunk_tokens),
        kv_tokens=float(kv_tokens),
        interval=float(interval),
        gpus=np.zeros((gpus, LINE_REALS)),
        to_begin=np.zeros(gpus, np.int32),
        held_up=np.zeros(classes, np.int8),
        counters=np.zeros(COUNTERS, np.int64),
        since=np.zeros(TALLIES),
        totals=np.zeros(TALLIES),
        now=np.zeros(2),
        series=np.zeros((64, classes * ROWS + TALLIES)),
        log=_empty_log(count),
    )


def _empty_log(count: int) -> Log:
    """Return the log of requests that have not arrived."""
    times = np.full((4, count), np.nan)
    places = np.full((2, count), NOBODY, np.int32)
    return Log(
        prefill_start=times[0],
        first_token=times[1],
        decode_start=times[2],
        end=times[3],
        prefill_gpu=places[0],
        decode_gpu=places[1],
        outcome=np.full(count, NOT_ARRIVED, np.int8),
        held_up=np.zeros(count, np.int8),
    )
