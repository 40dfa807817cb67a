r"""Where the search for a size begins: two stations in a row, each staffed for its promises.

Prefills wait for M servers, one GPU each; decodes for K slots, B on a GPU, all at the speed of a
GPU that only decodes. Each is taken for a queue M/M/c+M of its own with the mean service time and
the mean patience of all classes. Where the cluster is one such queue the guess is exact: one class,
and GPUs that hardly decode or hardly prefill.
"""

import math
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.latency_promise import LatencyPromise
from gnr.models.fewest_gpus import FluidSize
from gnr.rates import rates_of
from gnr.validation.erlang import ErlangQueue
from gnr.validation.staffing import (
    Requirement,
    abandonment_at_most,
    beta_for_delay,
    delay_at_most,
    fewest_servers,
    square_root_staffing,
)
from gnr.validation.studies.size_search import Vector
from gnr.validation.studies.trials import ABANDONMENT, Task

DELAYED = 0.5
"""Share of the requests that may wait where no promise says how long."""

LEAST_LEAVING = 1e-4
"""In place of a smaller promised share of requests that leave: none at all needs no end of GPUs."""


@dataclass(frozen=True)
class Station:
    """A station as one queue.

    Attributes
    ----------
    arrival_rate
        Requests/s.
    service
        Mean service time of each class, s, shape ``(classes,)``.
    shares
        Share of each class in the arrivals, shape ``(classes,)``.
    patience_rate
        Mean rate at which a waiting request leaves, 1/s.
    """

    arrival_rate: float
    service: Floats
    shares: Floats
    patience_rate: float

    @property
    def load(self) -> float:
        """Return the servers busy if everybody is served."""
        return self.arrival_rate * float(self.shares @ self.service)

    def servers(self, requirements: list[Requirement]) -> int:
        """Return the fewest servers that meet all requirements."""
        service_rate = 1.0 / float(self.shares @ self.service)
        beta = beta_for_delay(DELAYED, self.patience_rate / service_rate)
        return fewest_servers(
            self.arrival_rate,
            service_rate,
            self.patience_rate,
            lambda queue: queue.stable and all(each(queue) for each in requirements),
            square_root_staffing(self.load, beta),
        )


def first_guess(task: Task, fluid: FluidSize | None) -> Vector:
    """Return the cluster to begin with: GPUs that prefill and GPUs that decode, or all in one."""
    prefill, decode = stations(task)
    slots = task.demanded.gpu.batch_slots
    leaving = [
        abandonment_at_most(min(max(each.at_most, LEAST_LEAVING), 1 - LEAST_LEAVING))
        for each in task.promises
        if each.kind == ABANDONMENT and each.class_name is None and each.at_most is not None
    ]
    first_tokens = [
        _first_token(prefill, each, _owner(task, each))
        for each in task.percentiles
        if each.latency == "ttft" and _possible(prefill, each, _owner(task, each))
    ]
    servers = prefill.servers([*leaving, *first_tokens] or [delay_at_most(DELAYED)])
    decodes = decode.servers(leaving or [delay_at_most(DELAYED)])
    if task.partitioned:
        return servers, math.ceil(decodes / slots)
    spare = (decodes - decode.load) / slots
    return (max(servers, math.ceil((0.0 if fluid is None else fluid.gpus) + spare)),)


def stations(task: Task) -> tuple[Station, Station]:
    """Return the prefill and the decode station of the whole demand."""
    rates = rates_of(task.demanded)
    total = float(rates.arrival_rate.sum())
    shares = rates.arrival_rate / total
    patience = float(shares @ rates.patience_rate)
    return (
        Station(total, 1 / rates.prefill, shares, patience),
        Station(total, 1 / rates.solo_decode, shares, patience),
    )


def first_token_tail(
    station: Station, queue: ErlangQueue, seconds: float, owner: int | None = None
) -> float:
    r"""Return :math:`P(W+S>t)` of the served: wait and prefill longer than t s.

    The service time of a class is exponential and independent of the wait: this is the mean over W
    of :math:`P(S>t-W)`, to some 0.2 % of it because of the bend at W = t.
    """
    shares = station.shares if owner is None else np.eye(len(station.shares))[owner]
    waits, chances = queue.served_waits()
    left = np.maximum(seconds - waits, 0.0)
    return float(chances @ np.exp(-left[:, None] / station.service) @ shares)


def _first_token(station: Station, promise: LatencyPromise, owner: int | None) -> Requirement:
    def holds(queue: ErlangQueue) -> bool:
        tail = first_token_tail(station, queue, promise.at_most, owner)
        return tail <= promise.share_above

    return holds


def _possible(station: Station, promise: LatencyPromise, owner: int | None) -> bool:
    """Tell whether a promise could be kept if nobody waited; a guess is none the wiser if not."""
    shares = station.shares if owner is None else np.eye(len(station.shares))[owner]
    return float(shares @ np.exp(-promise.at_most / station.service)) < promise.share_above


def _owner(task: Task, promise: LatencyPromise) -> int | None:
    names = [each.name for each in task.demanded.classes]
    return None if promise.class_name is None else names.index(promise.class_name)
