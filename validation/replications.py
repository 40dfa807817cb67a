"""Independent replications of one chain: start, warm-up, measured window."""

import time
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.validation.chain import Chain
from gnr.validation.engines import EngineMaker, Progress
from gnr.validation.fluid import slowest_time_constant
from gnr.validation.lanes import Lanes, Seeds, empty_cluster, fluid_point, lane_seeds

SEGMENTS = 10
"""Parts of the measured window; an interrupted run keeps those that are complete."""

WARMUP_CONSTANTS = 8.0
"""Warm-up in slowest time constants: a start is then forgotten to exp(-8) = 0.03 %."""

HORIZON_CONSTANTS = 10.0
"""Least measured window in slowest time constants."""

LONGEST_HORIZON_CONSTANTS = 600.0
"""Longest window in slowest time constants; small clusters are noisy and cheap."""

GPU_SECONDS = {"pooled": 4e6, "per-gpu": 4e5}
"""GPU-seconds of a window between these two, by fidelity: some seconds of computing."""


@dataclass(frozen=True)
class Windows:
    """What the lanes recorded after their warm-up.

    Attributes
    ----------
    records
        State at the end, records of the window only.
    started_empty
        Which lanes started from an empty cluster rather than the fluid point; shape ``(lanes,)``.
    events
        Events of the whole run, warm-up included.
    wall_time_s
        Wall time of the whole run, s.
    complete
        False if the run was interrupted and the window is shorter than asked for.
    """

    records: Lanes
    started_empty: Flags
    events: float
    wall_time_s: float
    complete: bool

    @property
    def horizon(self) -> float:
        """Length of the window, s."""
        return float(self.records.clock[0])

    def joined(self, later: "Windows") -> "Windows":
        """Return these lanes and `later` ones of the same window length."""
        return Windows(
            records=self.records.joined(later.records),
            started_empty=np.concatenate([self.started_empty, later.started_empty]),
            events=self.events + later.events,
            wall_time_s=self.wall_time_s + later.wall_time_s,
            complete=self.complete and later.complete,
        )


def default_warmup(chain: Chain) -> float:
    """Return the default warm-up, s."""
    return WARMUP_CONSTANTS * slowest_time_constant(chain)


def default_horizon(chain: Chain, fidelity: str) -> float:
    """Return the default length of the measured window at a fidelity, s."""
    slowest = slowest_time_constant(chain)
    longest = min(LONGEST_HORIZON_CONSTANTS * slowest, GPU_SECONDS[fidelity] / chain.gpus)
    return max(HORIZON_CONSTANTS * slowest, longest)


def expected_events(chain: Chain, seconds: float) -> float:
    """Return about how many events a lane sees in that time at the planned state."""
    return float(chain.arrival.sum() + (chain.leaving * chain.planned).sum()) * seconds


def replicate(
    chain: Chain,
    *,
    digest: str,
    seed: int,
    replications: int,
    warmup: float,
    horizon: float,
    engine: EngineMaker,
    first: int = 0,
    common: bool = False,
    progress: Progress | None = None,
) -> Windows:
    """Simulate independent replications, every second one from an empty cluster.

    Parameters
    ----------
    chain
        The cluster and its policy.
    digest, seed, first
        SHA-256 of the instance, the user's seed, number of the first replication: they choose
        the random numbers.
    replications
        Lanes.
    warmup, horizon
        Simulated time that is thrown away and that is kept, s.
    engine
        From `gnr.validation.engines.find_engine`.
    common
        Whether clusters of all sizes meet the same random numbers.
    progress
        Told the number of events now and then.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before a first part of the window was complete.
    """
    began = time.perf_counter()
    started_empty = (first + np.arange(replications)) % 2 == 1
    start = np.where(
        started_empty, empty_cluster(chain)[..., None], fluid_point(chain)[..., None]
    ).astype(float)
    seeds = lane_seeds(digest, 0 if common else chain.gpus, seed, replications, first)
    lanes = engine([chain] * replications, start, seeds)
    lanes.advance(np.full(replications, warmup), progress)
    warm = latest = lanes.snapshot()
    complete = True
    try:
        for segment in range(1, SEGMENTS + 1):
            end = warmup + horizon * segment / SEGMENTS
            lanes.advance(np.full(replications, end), progress)
            latest = lanes.snapshot()
    except KeyboardInterrupt:
        if latest is warm:
            raise
        complete = False
    return Windows(
        records=latest.since(warm),
        started_empty=started_empty,
        events=float(latest.events.sum()),
        wall_time_s=time.perf_counter() - began,
        complete=complete,
    )


def mean_trajectory(
    chain: Chain, start: Floats, times: Floats, seeds: Seeds, engine: EngineMaker
) -> Floats:
    """Return the state of every lane at `times`, s, shape ``(times, classes, 6, lanes)``.

    `start` has shape ``(classes, 6, lanes)``, whole requests; `seeds` ``(4, lanes)``.
    """
    lanes = start.shape[-1]
    run = engine([chain] * lanes, start, seeds)
    states = []
    for at in times:
        run.advance(np.full(lanes, at))
        states.append(run.snapshot().state)
    return np.stack(states)
