"""The per-GPU cluster on the CPU: independent lanes, each in its own memory, some at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.spreading import usable_cores
from gnr.validation.chain import Chain, Flow, Row
from gnr.validation.engines import Progress
from gnr.validation.lanes import Lanes, Seeds, stretch_seeds
from gnr.validation.per_gpu import kernel
from gnr.validation.per_gpu.layout import (
    CLOCK,
    RECORD_COLUMNS,
    RECORDED,
    Integers,
    Room,
    Rules,
    make_room,
    with_more_room,
)
from gnr.validation.per_gpu.records import Recorder

ROUND = 1 << 20
"""Events of a lane between two looks at the keyboard and the progress bar."""

RECORDED_ROUND = 1 << 16
"""The same where records are kept: as many may have to be held at a time."""

LEAST_REQUESTS = 1024
"""Room for requests that a lane begins with, at least."""

CHOICES = 1
"""Stretch of the seeds that the policy's draws use; the requests use the first."""


@dataclass(frozen=True)
class PerGpuLanes(Lanes):
    """Lanes with what the single requests met.

    Attributes
    ----------
    sums
        Sums of times, s, and numbers of requests, shape ``(classes, SUMS, lanes)``, rows as in
        `gnr.validation.per_gpu.layout`.
    bins
        Histograms of times, shape ``(classes, HISTOGRAMS, BINS, lanes)``.
    """

    sums: Floats
    bins: Integers


class PerGpuEngine:
    """Lanes of per-GPU clusters that advance side by side.

    Parameters
    ----------
    rules
        The cluster and its policy, the same for every lane.
    chains
        One per lane: the cluster's size.
    start
        State of the lanes, shape ``(classes, 6, lanes)``, whole requests.
    seeds
        Unsigned, shape ``(4, lanes)``, as from `gnr.validation.lanes.lane_seeds`. Arrivals,
        lengths and patience come from a stream of their own, so that policies share them.
    threads
        Most threads to use; by default as many as there are usable cores.
    recorder
        Where finished requests are written to; None keeps none.
    """

    name = "compiled"

    def __init__(
        self,
        rules: Rules,
        chains: Sequence[Chain],
        start: Floats,
        seeds: Seeds,
        threads: int | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._threads = threads or usable_cores()
        self._recorder = recorder
        self._rules = rules
        streams = np.stack([seeds, stretch_seeds(seeds, CHOICES)])
        self._rooms: list[Room] = []
        for lane, chain in enumerate(chains):
            requests = int(1.25 * start[..., lane].sum()) + LEAST_REQUESTS
            own = np.ascontiguousarray(streams[:, :, lane])
            room = make_room(rules, chain.gpus, requests, own)
            kernel.populate(rules, room, np.ascontiguousarray(start[..., lane]))
            self._rooms.append(room)

    def advance(self, until: Floats, progress: Progress | None = None) -> None:
        """Simulate every lane until its time in `until`, s, shape ``(lanes,)``."""
        pending = list(range(len(self._rooms)))
        with ThreadPoolExecutor(self._threads) as pool:
            while pending:
                rounds = pool.map(lambda lane: self._round(lane, float(until[lane])), pending)
                pending = list(self._unfinished(zip(pending, rounds, strict=True)))
                if progress is not None:
                    progress(self._events())

    def _round(self, lane: int, until: float) -> tuple[bool, Floats]:
        """Make a round of one lane; return whether its time is up, and its records."""
        size = RECORDED_ROUND if self._recorder else 0
        records = np.empty((size, RECORD_COLUMNS))
        self._rooms[lane].counters[RECORDED] = 0
        while True:
            events = RECORDED_ROUND if self._recorder else ROUND
            code = kernel.advance(self._rules, self._rooms[lane], until, events, records)
            if code != kernel.NO_ROOM:
                break
            self._rooms[lane] = with_more_room(self._rooms[lane])
        return code == kernel.DONE, records[: self._rooms[lane].counters[RECORDED]]

    def _unfinished(self, rounds: Iterator[tuple[int, tuple[bool, Floats]]]) -> Iterator[int]:
        """Write the records of each lane in turn; yield the lanes whose time is not up."""
        for lane, (done, records) in rounds:
            if self._recorder:
                self._recorder.write(lane, records)
            if not done:
                yield lane

    def _events(self) -> float:
        return float(sum(room.counts.sum() for room in self._rooms))

    def feed(self, uniforms: Floats) -> None:
        """Refuse: a request's lengths are drawn at once, there is no uniform step."""
        raise NotImplementedError("a per-GPU cluster draws whole requests, not uniform steps")

    def snapshot(self) -> PerGpuLanes:
        """Return a copy of state and records."""
        rooms = self._rooms
        classes = len(self._rules.patience)
        shape = (classes, len(Row))
        return PerGpuLanes(
            state=np.stack([room.state.reshape(shape) for room in rooms], axis=-1),
            integral=np.stack([room.integral.reshape(shape) for room in rooms], axis=-1),
            count=np.stack([room.counts for room in rooms], axis=-1),
            clock=np.array([room.times[CLOCK] for room in rooms]),
            events=np.array([room.counts[:, list(Flow)].sum() for room in rooms]),
            sums=np.stack([room.sums for room in rooms], axis=-1),
            bins=np.stack([room.bins for room in rooms], axis=-1),
        )
