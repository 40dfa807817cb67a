"""Finite plans against both roundings of n x: who earns more on runs that no plan was made with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.plan import Plan
from gnr.validation.fluid import slowest_time_constant
from gnr.validation.statistics import Interval, holm_intervals
from gnr.validation.studies.finite_plan import POLICY, plan_for_size, roundings
from gnr.validation.studies.setting import Setting
from gnr.validation.studies.simulation import prepare

PLAIN = "gate-and-route"
LET_PASS = 0.002
"""Loss against a rounding below which a plan is not worse, a fraction of the LP value."""

WARMUP_CONSTANTS, LEAST_CONSTANTS = 3.0, 1.5


@dataclass(frozen=True)
class Duel:
    """A finite plan against one rounding of one policy, at one size of one instance."""

    instance: str
    gpus: int
    mixed_gpus: int
    prefill_limit: int | None
    decided_by: str
    settled: bool
    rival: str
    rival_mixed_gpus: int
    same: bool
    """Whether both are the same plan of the same policy."""


def revenue(
    instance: Instance, policy: str, plan: Plan, *, seed: int, lanes: int, gpu_seconds: float
) -> Floats:
    """Return the revenue of each run, a fraction of the LP value, shape ``(lanes,)``."""
    study = prepare(instance, policy, "bundled", Setting(seed=seed, fidelity="per-gpu"))
    slowest = slowest_time_constant(study.cluster(plan).chain)
    setting = Setting(
        replications=lanes,
        seed=seed,
        fidelity="per-gpu",
        warmup=WARMUP_CONSTANTS * slowest,
        horizon=max(gpu_seconds / plan.gpus, LEAST_CONSTANTS * slowest),
    )
    found = prepare(instance, policy, "bundled", setting).run(plan)
    return np.asarray(found.samples["revenue_rate"] / found.lp_revenue_rate)


@dataclass(frozen=True)
class Cell:
    """One instance at one size: the finite plan and its four rivals."""

    instance: Instance
    duels: tuple[Duel, ...]
    plan: Plan
    rivals: tuple[tuple[str, Plan], ...]

    def differences(
        self, wanted: Sequence[Duel], *, seed: int, lanes: int, gpu_seconds: float
    ) -> list[Floats]:
        """Return revenue of the finite plan less that of each rival wanted, run by run."""
        earned = partial(revenue, self.instance, seed=seed, lanes=lanes, gpu_seconds=gpu_seconds)
        own = earned(POLICY.name, self.plan)
        found = []
        for duel, (policy, plan) in zip(self.duels, self.rivals, strict=True):
            if duel in wanted:
                found.append(np.zeros(lanes) if duel.same else own - earned(policy, plan))
        return found


def cell(instance: Instance, gpus: int, planned: Plan | None = None) -> Cell:
    """Return the cell of an instance; `planned` takes the place of the finite plan, as a fault."""
    found = plan_for_size(instance, gpus)
    plan = planned or found.plan
    rounded = roundings(prepare(instance, PLAIN, "bundled", Setting()).plan(gpus), slots(instance))
    rivals = [
        (f"{policy}, rounded {way}", policy, each)
        for policy in (PLAIN, POLICY.name)
        for way, each in rounded.items()
    ]
    limits = [each.prefill_limit for each in plan.classes if each.prefill_limit is not None]
    duels = tuple(
        Duel(
            instance=instance.name,
            gpus=gpus,
            mixed_gpus=plan.mixed_gpus,
            prefill_limit=min(limits, default=None),
            decided_by=found.decided_by,
            settled=found.settled,
            rival=name,
            rival_mixed_gpus=each.mixed_gpus,
            same=policy == POLICY.name and each.mixed_gpus == plan.mixed_gpus and not limits,
        )
        for name, policy, each in rivals
    )
    return Cell(instance, duels, plan, tuple((policy, each) for _, policy, each in rivals))


def slots(instance: Instance) -> int:
    return instance.gpu.batch_slots


def verdict(duel: Duel, difference: Interval) -> str:
    """Return better, not worse, worse or undecided; the same plan is not worse than itself."""
    if duel.same:
        return "same plan"
    if difference.low > 0:
        return "better"
    if difference.high < 0:
        return "worse"
    return "not worse" if difference.low >= -LET_PASS else "undecided"


def verdicts(
    duels: Sequence[Duel], differences: Sequence[Floats], alpha: float
) -> list[tuple[str, Interval]]:
    """Return each verdict with its interval, corrected for all duels together (Holm)."""
    met = [number for number, each in enumerate(duels) if not each.same]
    intervals = [Interval(0.0, 0.0, 1 - alpha)] * len(duels)
    for number, found in zip(
        met, holm_intervals([differences[each] for each in met], alpha), strict=True
    ):
        intervals[number] = found
    assert not any(math.isnan(each.mean) for each in intervals)
    return [(verdict(duel, each), each) for duel, each in zip(duels, intervals, strict=True)]
