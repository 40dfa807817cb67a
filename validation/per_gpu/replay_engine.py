"""A trace of requests replayed on GPUs under a policy, iteration by iteration."""

from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.batch_law import BatchLaw
from gnr.errors import InputError, Problem
from gnr.validation.engines import Progress
from gnr.validation.lanes import Seeds, stretch_seeds
from gnr.validation.per_gpu import replay_kernel
from gnr.validation.per_gpu import replay_layout as own
from gnr.validation.per_gpu.engine import CHOICES
from gnr.validation.per_gpu.iteration_law import row_of_law
from gnr.validation.per_gpu.layout import CLOCK, ROWS, Rules, make_room
from gnr.validation.per_gpu.replay_layout import Log, Trace, make_replay

ROUND = 1 << 20
"""Events between two looks at the keyboard and the progress bar."""


@dataclass(frozen=True)
class Series:
    """A cluster over time: one row per interval, the last one up to the present.

    An interval contains its beginning and not its end. Arrays have shape ``(rows,)`` unless said
    otherwise. Tokens are counted when their iteration ends.

    Attributes
    ----------
    start, end
        s.
    state
        Integrals of the requests in each row, request-seconds, shape ``(rows, classes, 6)``, as
        `gnr.validation.chain.Row`: a decode is beside a prefill as soon as the prefill has its
        slot.
    busy_gpus, kv_tokens
        Integrals of the GPUs with work and of the KV tokens reserved, GPU-s and token-s.
    arrivals, prompt_tokens, output_tokens, finished
        How many there were.
    """

    start: Floats
    end: Floats
    state: Floats
    busy_gpus: Floats
    kv_tokens: Floats
    arrivals: Floats
    prompt_tokens: Floats
    output_tokens: Floats
    finished: Floats


@dataclass(frozen=True)
class Totals:
    """What is counted over a whole run.

    Attributes
    ----------
    clock
        Simulated time, s.
    events
        Arrivals, ends of iterations, losses of patience, and times at which a debt was paid off.
    iterations, mixed_iterations
        Iterations that have ended, and those of them with a chunk.
    iteration_time
        The time of all of them, GPU-s.
    held_up_requests
        Requests that stood at the head of a line that the gate opened, and fitted into the memory
        of no ready GPU.
    held_up_time
        How long some request stood so, s.
    most_kv_tokens
        The most that was reserved on each GPU, tokens, shape ``(gpus,)``.
    """

    clock: float
    events: float
    iterations: float
    mixed_iterations: float
    iteration_time: float
    held_up_requests: float
    held_up_time: float
    most_kv_tokens: Floats


class ReplayEngine:
    """A cluster that serves the requests of a trace, from an empty start.

    Patience is drawn anew for each of the two lines, at arrival, so that every policy meets the
    same. Starts are the times at which a slot is taken; the work begins with the next iteration
    of that GPU.

    Parameters
    ----------
    rules
        The cluster and its policy, from `gnr.validation.per_gpu.rules.make_rules`; arrivals and
        lengths in it are not read, nor its speeds.
    law
        The law of the iteration time.
    trace
        What is replayed.
    gpus
        n.
    chunk_tokens
        C, most prompt tokens of an iteration.
    seeds
        Unsigned, shape ``(4, 1)``, as from `gnr.validation.lanes.lane_seeds` for one lane.
    interval
        Between two rows of the time series, s.
    kv_tokens
        Most KV tokens that the requests on a GPU may reserve. A request reserves its prompt and
        its output where its prefill starts, until it ends or takes a decode slot elsewhere; one
        that is larger is refused.

    Raises
    ------
    InputError
        If the trace has a class that the rules lack, or a number is out of range.
    """

    name = "compiled"

    def __init__(
        self,
        rules: Rules,
        law: BatchLaw,
        trace: Trace,
        gpus: int,
        *,
        chunk_tokens: int,
        seeds: Seeds,
        interval: float = np.inf,
        kv_tokens: float = np.inf,
    ) -> None:
        classes = len(rules.patience)
        _check(rules, law, trace, gpus, chunk_tokens, interval, kv_tokens)
        replay = make_replay(
            trace, row_of_law(law), classes, gpus, chunk_tokens, interval, kv_tokens
        )
        own_seeds = np.asarray(seeds).reshape(4, 1)
        streams = np.stack([own_seeds, stretch_seeds(own_seeds, CHOICES)])[:, :, 0]
        self._rules = rules
        self._room = make_room(
            rules, gpus, len(trace.arrival), np.ascontiguousarray(streams), replay
        )
        replay_kernel.prepare(self._rules, self._room)

    @property
    def clock(self) -> float:
        """Return the simulated time, s."""
        return float(self._room.times[CLOCK])

    @property
    def ended_requests(self) -> int:
        """Return how many requests have ended."""
        return int(self._room.own.counters[own.ENDED])

    @property
    def ended(self) -> bool:
        """Return whether every request of the trace has ended."""
        replay = self._room.own
        return bool(replay.counters[own.ENDED] == len(replay.arrivals))

    def advance(self, until: float = np.inf, progress: Progress | None = None) -> None:
        """Simulate until a time, s, or until nothing happens any more.

        Once every request has ended, the clock stands. An interrupt leaves what was simulated so
        far, to be looked at or to be gone on with.
        """
        if until < self.clock:
            raise ValueError(f"it is {self.clock} s already")
        code = replay_kernel.MORE
        while code in (replay_kernel.MORE, replay_kernel.SERIES_FULL):
            code = replay_kernel.advance(self._rules, self._room, float(until), ROUND)
            if code == replay_kernel.SERIES_FULL:
                series = self._room.own.series
                longer = np.concatenate([series, np.zeros_like(series)])
                self._room = self._room._replace(own=self._room.own._replace(series=longer))
            if progress is not None:
                progress(float(self._room.own.totals[own.EVENTS]))

    def replace_rules(self, rules: Rules) -> None:
        """Follow other rules from now on: every GPU is filed under the new layout.

        Work that is in its slot stays there; who waits keeps his patience. Requests whose decode
        buffer the new router lacks, or whose group has no decode slots any more, go to the end of
        the other one.

        Raises
        ------
        ValueError
            If the rules are for other classes, batch slots or more GPUs.
        """
        old = self._rules
        if (len(rules.patience), rules.slots) != (len(old.patience), old.slots):
            raise ValueError("the rules are for other classes or batch slots")
        if rules.prefill_gpus > len(self._room.ready):
            raise ValueError("the rules are for more GPUs")
        self._rules = rules
        replay_kernel.refile(rules, self._room)
        pairs = zip(map(np.asarray, rules), map(np.asarray, old), strict=True)
        if any(not np.array_equal(new, was) for new, was in pairs):
            self._room.own.counters[own.CHANGED] = 1

    def requests(self) -> Log:
        """Return a copy of what became of every request so far."""
        return Log(*(each.copy() for each in self._room.own.log))

    def series(self) -> Series:
        """Return the time series up to the present."""
        room, replay = self._room, self._room.own
        full = int(replay.counters[own.INTERVALS])
        start = np.append(0.0, np.arange(1, full + 1) * replay.interval) if full else np.zeros(1)
        rest = np.concatenate([room.integral, replay.since])
        rows = np.concatenate([replay.series[:full], rest[None, :]])
        if full and start[-1] == self.clock and not replay.since.any():
            start, rows = start[:-1], rows[:-1]
        end = np.append(start[1:], self.clock if len(start) > full else full * replay.interval)
        states = len(room.integral)
        return Series(
            start,
            end,
            rows[:, :states].reshape(len(rows), -1, ROWS).copy(),
            *rows[:, states:].T.copy(),
        )

    def totals(self) -> Totals:
        """Return what was counted so far."""
        totals, gpus = self._room.own.totals, self._room.own.gpus
        return Totals(
            clock=self.clock,
            events=float(totals[own.EVENTS]),
            iterations=float(totals[own.ITERATIONS]),
            mixed_iterations=float(totals[own.MIXED_ITERATIONS]),
            iteration_time=float(totals[own.ITERATION_TIME]),
            held_up_requests=float(totals[own.HELD_UP]),
            held_up_time=float(totals[own.HELD_UP_TIME]),
            most_kv_tokens=gpus[:, own.MOST_RESERVED].copy(),
        )


def _check(
    rules: Rules,
    law: BatchLaw,
    trace: Trace,
    gpus: int,
    chunk_tokens: int,
    interval: float,
    kv_tokens: float,
) -> None:
    chunks, decodes = np.array([1.0, chunk_tokens])[:, None], np.array([0.0, rules.slots])
    faults = [
        ("gpus", not max(1, rules.prefill_gpus) <= gpus, "as many as the rules are for"),
        ("chunk_tokens", not (chunk_tokens >= 1 and chunk_tokens % 1 == 0), "a whole number >= 1"),
        ("interval", not interval > 0, "more than 0 s"),
        ("kv_tokens", not kv_tokens >= 0, "0 tokens or more"),
        ("kind", bool(np.any(trace.kind >= len(rules.patience))), "classes of the rules"),
        (
            "law",
            bool(np.any(law.mixed_time(chunks, 0.0, decodes, 0.0) <= 0))
            or law.solo_time(1.0, 1.0) <= 0,
            "times above 0",
        ),
    ]
    told = [
        Problem("replay", "replay", name, f"must be {wanted}", "change it")
        for name, wrong, wanted in faults
        if wrong
    ]
    if told:
        raise InputError(told)
