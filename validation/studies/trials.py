"""Clusters of a given size as sizing tries them: simulated, and what they keep of the promises."""

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Self

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance, Sli
from gnr.latency_promise import PERCENTILES, LatencyPromise
from gnr.models.promises import Promise, promises_of
from gnr.plan import Plan, with_mixed_gpus
from gnr.rates import rates_of
from gnr.validation.fluid import slowest_time_constant
from gnr.validation.measures import Measures, measure
from gnr.validation.per_gpu.engine import PerGpuLanes
from gnr.validation.per_gpu.latencies import EDGES, TIMES, quantile
from gnr.validation.policies.policy import Policy
from gnr.validation.replications import (
    HORIZON_CONSTANTS,
    WARMUP_CONSTANTS,
    Windows,
    replicate,
)
from gnr.validation.sequential import ALPHA, Bounded
from gnr.validation.studies.cluster import Cluster, make_cluster
from gnr.validation.studies.optima import planning_optimum, policy_plan
from gnr.validation.studies.setting import PER_GPU, Setting
from gnr.validation.studies.settling import longest_simulated, relaxation_time
from gnr.validation.studies.size_search import Vector


class Side(Enum):
    """Which GPUs a promise asks for in the first place."""

    PREFILL = "prefill"
    DECODE = "decode"


ABANDONMENT = "abandonment_fraction"
"""Kind of the promise on who leaves."""

LATENCY_SIDES = {"ttft": Side.PREFILL, "tpot": Side.DECODE}

KIND_SIDES = {
    ABANDONMENT: (Side.PREFILL, Side.DECODE),
    "mean_wait": (Side.PREFILL,),
    "mean_ttft": (Side.PREFILL,),
    "token_tpot": (Side.DECODE,),
}
"""Sides of the promises that a program knows; others are on neither."""


@dataclass(frozen=True)
class Size:
    """A cluster: GPUs, and how many of them may prefill.

    Attributes
    ----------
    gpus
        n.
    prefill_gpus
        M; None where every GPU may prefill.
    """

    gpus: int
    prefill_gpus: int | None = None

    @classmethod
    def of_parts(cls, parts: Vector) -> Self:
        """Return the cluster that a vector of the search stands for."""
        return cls(parts[0]) if len(parts) == 1 else cls(sum(parts), parts[0])

    @property
    def parts(self) -> Vector:
        """GPUs that may prefill and GPUs that only decode; n alone without a partition."""
        if self.prefill_gpus is None:
            return (self.gpus,)
        return (self.prefill_gpus, self.gpus - self.prefill_gpus)


@dataclass(frozen=True)
class Task:
    """What is to be sized, and how it is tried.

    Attributes
    ----------
    demanded
        The instance with the rates of the whole demand as its arrival rates, requests/s.
    policy
        How the cluster is run.
    percentiles, promises
        What is promised.
    lengths
        Law of the lengths, as in `Setting`.
    seed
        Seed of the random numbers.
    error
        Probability at most of a wrong claim of either kind.
    """

    demanded: Instance
    policy: Policy
    percentiles: tuple[LatencyPromise, ...]
    promises: tuple[Sli, ...]
    lengths: str = "exponential"
    seed: int = 1
    error: float = ALPHA

    @property
    def partitioned(self) -> bool:
        """Whether the policy keeps a group of GPUs that may prefill."""
        return self.policy.partitioned

    @property
    def total_rate(self) -> float:
        """Requests/s of all classes."""
        return sum(each.arrival_rate for each in self.demanded.classes)

    def instance(self, gpus: int) -> Instance:
        """Return the instance of a cluster of that many GPUs: the demand over n."""
        classes = tuple(
            each.model_copy(update={"arrival_rate": each.arrival_rate / gpus})
            for each in self.demanded.classes
        )
        return self.demanded.model_copy(update={"classes": classes})

    def plan(self, size: Size) -> Plan:
        """Return the policy's plan for that size.

        Raises
        ------
        NoOptimumError
            If there is no steady state: classes that never leave, and too few GPUs.
        """
        instance = self.instance(size.gpus)
        optimum = planning_optimum(instance, self.policy)
        if size.prefill_gpus is None:
            return policy_plan(optimum, self.policy, size.gpus)
        return with_mixed_gpus(optimum.plan(size.gpus), size.prefill_gpus, instance.gpu.batch_slots)


@dataclass(frozen=True)
class Effort:
    """How long and with which random numbers a cluster is tried.

    Attributes
    ----------
    first
        Number of the first replication; efforts that are far apart share no random numbers.
    requests
        Requests that arrive in the window of a replication, at least.
    warmup, horizon
        Time thrown away, and kept at least, in slowest time constants.
    """

    first: int
    requests: float
    warmup: float
    horizon: float


GLANCE = Effort(first=0, requests=50_000.0, warmup=4.0, horizon=6.0)
"""What the search takes of each size."""

CLAIM = Effort(first=1024, requests=100_000.0, warmup=WARMUP_CONSTANTS, horizon=HORIZON_CONSTANTS)
"""What a claim rests on: runs that the search has never seen."""


def claim_effort(number: int) -> Effort:
    """Return the effort of the `number`-th claim, from 1, with random numbers of its own.

    Which cluster a claim is about depends on those before: on the same random numbers, what made
    one fail by chance would choose the next and speak for it.
    """
    return replace(CLAIM, first=CLAIM.first * number)


GLANCES = 8
"""Replications of a glance."""


class Trial:
    """A cluster of one size, with as many replications as were asked for so far.

    Clusters of all sizes meet the same requests, so that one more GPU shows.

    Parameters
    ----------
    task
        What is sized.
    size
        The cluster.
    effort
        How it is tried.
    """

    def __init__(self, task: Task, size: Size, effort: Effort) -> None:
        self.task, self.size = task, size
        self._effort = effort
        self._windows: Windows | None = None

    @cached_property
    def _cluster(self) -> Cluster:
        task = self.task
        setting = Setting(fidelity=PER_GPU, lengths=task.lengths)
        instance = task.instance(self.size.gpus)
        return make_cluster(instance, task.plan(self.size), task.policy.name, setting)

    @cached_property
    def _relaxation(self) -> float:
        size, apart = self.size, self.task.policy.disaggregated
        return relaxation_time(
            self.task.demanded, size.gpus, size.prefill_gpus, disaggregated=apart
        )

    @property
    def settles(self) -> bool:
        """Whether the warm-up forgets how a run began; if not, it shows too few long waits."""
        return self._relaxation <= longest_simulated(self.task.demanded)

    def run(self, replications: int) -> "Evidence":
        """Return what that many replications show; more than before are added to those before."""
        done = 0 if self._windows is None else len(self._windows.started_empty)
        if replications > done:
            more = self._replicate(done, replications - done)
            self._windows = more if self._windows is None else self._windows.joined(more)
        assert self._windows is not None
        rates = rates_of(self.task.instance(self.size.gpus))
        measures = measure(self._windows.records, rates, self.size.gpus)
        return Evidence(self.task, self.size, self._windows, measures)

    def _replicate(self, done: int, lanes: int) -> Windows:
        chain, effort = self._cluster.chain, self._effort
        lines = min(self._relaxation, longest_simulated(self.task.demanded))
        constant = max(slowest_time_constant(chain), lines)
        windows = replicate(
            chain,
            digest=self.task.demanded.sha256(),
            common=True,
            seed=self.task.seed,
            replications=lanes,
            first=effort.first + done,
            warmup=effort.warmup * constant,
            horizon=max(effort.horizon * constant, effort.requests / self.task.total_rate),
            engine=self._cluster.engine_maker(),
        )
        if not windows.complete:  # no claim rests on a shorter window, and the search must end
            raise KeyboardInterrupt
        return windows


def glance(task: Task, size: Size) -> "Evidence":
    """Return what a few replications show of a cluster."""
    return Trial(task, size, GLANCE).run(GLANCES)


@dataclass(frozen=True)
class Evidence:
    """What the replications of a trial show."""

    task: Task
    size: Size
    windows: Windows
    measures: Measures

    @property
    def bounds(self) -> tuple[Bounded, ...]:
        """What each promise asks to be at most a limit, by replication."""
        instance = self.task.instance(self.size.gpus)
        rates = rates_of(instance)
        sized = instance.model_copy(update={"slis": self.task.promises})
        return (
            *(self._share_above(each) for each in self.task.percentiles),
            *(self._indicated(each) for each in promises_of(sized, rates)),
        )

    @property
    def seems_to_keep(self) -> bool:
        """Tell whether the means keep all promises, which claims nothing."""
        return all(each.seems_kept for each in self.bounds)

    def on_side(self, side: Side) -> tuple[Bounded, ...]:
        """Return what gets worse with fewer GPUs on one side, whatever happens on the other.

        Where one of these is above its limit, a promise is broken. Of those who leave only the
        ones count that leave on this side; times to the last token are on neither. Times per token
        count only where no GPU does both: with fewer GPUs that only decode, prefills are spread
        over more of the others, where each decode meets fewer, and its tokens come faster.
        """
        steady = side is Side.PREFILL or self.task.policy.disaggregated
        rates = rates_of(self.task.instance(self.size.gpus))
        nobody = np.zeros_like(self.measures.prefill_queue)
        other = {"prefill_queue" if side is Side.DECODE else "decode_queue": nobody}
        part = replace(self, measures=replace(self.measures, **other))
        sized = self.task.demanded.model_copy(update={"slis": self.task.promises})
        return (
            *(
                self._share_above(each)
                for each in self.task.percentiles
                if LATENCY_SIDES.get(each.latency) is side and steady
            ),
            *(
                (part if each.sli.kind == ABANDONMENT else self)._indicated(each)
                for each in promises_of(sized, rates)
                if side in KIND_SIDES.get(each.sli.kind, ())
                and (steady or each.sli.kind == ABANDONMENT)
            ),
        )

    def _share_above(self, promise: LatencyPromise) -> Bounded:
        """Return the share of the requests that took longer than a promise allows.

        The bin that the bound is in counts as above for `high` and not for `low`. One request is
        added to all replications together that took longer, so that none without any is not none.
        """
        counts = self._counts(promise)
        place = int(np.searchsorted(EDGES, promise.at_most, side="right")) - 1
        total = counts.sum(axis=0)
        certain = counts[place + 1 :].sum(axis=0)
        doubtful = counts[max(place, 0) :].sum(axis=0)
        one = 1.0 / len(total)
        return Bounded(
            low=certain / np.maximum(total, 1),
            high=(doubtful + one) / (total + one),
            limit=promise.share_above,
        )

    def _counts(self, promise: LatencyPromise) -> Floats:
        """Return the histogram that a promise is about, shape ``(bins, replications)``."""
        assert isinstance(self.windows.records, PerGpuLanes)
        bins = self.windows.records.bins[:, TIMES[promise.latency]].astype(float)
        if promise.class_name is None:
            return np.asarray(bins.sum(axis=0))
        names = [each.name for each in self.task.demanded.classes]
        return np.asarray(bins[names.index(promise.class_name)])

    def _indicated(self, promise: Promise) -> Bounded:
        """Return the indicator of a promise, turned so that it should be at most the limit."""
        values = np.broadcast_to(
            np.asarray(promise.indicator.at(promise.scope, self.measures), dtype=float),
            (len(self.windows.started_empty),),
        )
        sign = 1.0 if promise.direction == "at_most" else -1.0
        return Bounded(sign * values, sign * values, sign * promise.bound)

    def percentile(self, promise: LatencyPromise) -> Floats:
        """Return the percentile that a promise is about, s, shape ``(replications,)``."""
        cumulative = np.cumsum(self._counts(promise), axis=0)
        return np.asarray(quantile(cumulative[None], PERCENTILES[promise.percentile])[0])
