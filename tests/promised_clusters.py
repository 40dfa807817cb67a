"""Clusters that promise a time per output token: random instances, runs, what they show."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from per_gpu_clusters import Case, bundled, case

import gnr
from gnr.arrays import Floats
from gnr.instance import Instance, Sli
from gnr.rates import Rates, rates_of
from gnr.result import Solution
from gnr.validation.drawing_rule import drawn_instance
from gnr.validation.statistics import interval

SEED, NUMBERS = 2026, range(10)
SHARE = 0.6
"""What the promises leave: of the prefills of the plan without them, or of the excess of its mean
time per token over the solo iteration time."""

WARMUP = 200.0

Kind = Literal["mean_tpot", "token_tpot"]


@dataclass(frozen=True)
class Promised:
    """An instance with one promise, its optimum, and the optimum without."""

    instance: Instance
    solution: Solution
    free: Solution

    @property
    def bound(self) -> float:
        """Return what is promised, s."""
        return float(self.instance.slis[0].at_most or 0.0)

    @property
    def revenue_rate(self) -> float:
        """Return the best revenue under the promise, money/s per GPU."""
        return float(self.solution.revenue_rate or 0.0)

    def cluster(self, policy: str, gpus: int) -> Case:
        """Return the cluster of a policy that follows the plan under the promise."""
        return case(self.instance, policy, gpus, plan=self.solution.plan(gpus))


def slot_mean(rates: Rates, prefill: Any) -> Any:
    """Return the mean iteration time over the decode slots at X prefills per GPU, s (eq. P47)."""
    slots, mixed, solo = rates.batch_slots, rates.mixed_time, rates.solo_time
    return (mixed * (slots - 1) * prefill + solo * slots * (1 - prefill)) / (slots - prefill)


def token_mean(rates: Rates, mixed_decode: Any, solo_decode: Any) -> Any:
    """Return the mean iteration time over the output tokens, s (eq. D9)."""
    tokens = mixed_decode / rates.mixed_time + solo_decode / rates.solo_time
    return (mixed_decode + solo_decode) / tokens


def promised(number: int, kind: Kind, share: float = SHARE, seed: int = SEED) -> Promised:
    """Return a random instance with a promise that binds."""
    instance = drawn_instance(seed, number)
    rates, free = rates_of(instance), gnr.solve(instance)
    totals = free.totals
    assert totals is not None
    if kind == "mean_tpot":
        bound = slot_mean(rates, share * totals.prefill)
    else:
        excess = token_mean(rates, totals.mixed_decode, totals.solo_decode) - rates.solo_time
        bound = rates.solo_time + share * excess
    slis = (Sli(kind=kind, at_most=float(bound)),)
    instance = instance.model_copy(update={"slis": slis})
    return Promised(instance, gnr.solve(instance), free)


@dataclass(frozen=True)
class Shown:
    """What a run shows, means over the lanes with half widths at 95 %.

    Gaps are shares of the best revenue under the promise, excesses shares of what is promised.
    """

    gap: float
    gap_half_width: float
    excess: float
    excess_half_width: float

    @property
    def kept(self) -> bool:
        """Return whether the whole interval of the indicator is within the promise."""
        return self.excess + self.excess_half_width <= 1e-9


def shown(which: Promised, cluster: Case, lanes: int, seconds: float) -> Shown:
    """Simulate `seconds` s in each lane, from the plan."""
    found = cluster.measured(cluster.window(lanes, WARMUP, seconds, seed=3, planned=True))
    if which.instance.slis[0].kind == "mean_tpot":
        seen: Floats = slot_mean(cluster.rates, found.prefill.sum(axis=0))
    else:
        decodes = found.mixed_decode.sum(axis=0), found.solo_decode.sum(axis=0)
        seen = token_mean(cluster.rates, *decodes)
    gap = interval(1 - bundled(cluster.rates, found.throughput) / which.revenue_rate)
    excess = interval(np.asarray(seen) / which.bound - 1)
    return Shown(gap.mean, gap.half_width, excess.mean, excess.half_width)
