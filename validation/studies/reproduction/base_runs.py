"""The clusters of the base instance that figures 2, 4, 5 and 6 look at; each is run once."""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.models.point import Point
from gnr.models.steady_state import PROGRAMS
from gnr.plan import Occupancy
from gnr.rates import rates_of
from gnr.reading import load
from gnr.validation.chain import Row
from gnr.validation.fluid import fluid_fixed_point
from gnr.validation.policies import find_policy
from gnr.validation.studies.optima import planning_optimum, target_optimum
from gnr.validation.studies.reproduction.effort import PAPER_SIZES, Effort
from gnr.validation.studies.reproduction.parts import ClusterPart, ClusterRun
from gnr.validation.studies.setting import Setting
from gnr.validation.studies.simulation import prepare

POOLED, PER_GPU = "pooled", "per-gpu"

ENDLESS = 10**9
"""GPUs at which whole numbers of them no longer matter."""


@cache
def base() -> Instance:
    """Return the base instance (9.2)."""
    return load("two-class")


def optimum_of(accounting: str) -> float:
    """Return the optimum of the base instance under an accounting, money/s per GPU."""
    return float(target_optimum(base(), accounting).revenue_rate or 0.0)


def planned(policy: str) -> tuple[Occupancy, ...]:
    """Return the fluid point that a policy plans for, per GPU, by class."""
    return tuple(planning_optimum(base(), find_policy(policy)).classes)


@cache
def fluid_revenue(policy: str, accounting: str) -> float:
    """Return what a policy earns as n goes to infinity, money/s per GPU: where its fluid rests.

    That need not be what its plan earns: a buffer shared by all classes takes no notice of how the
    plan splits it.
    """
    study = prepare(base(), policy, accounting, Setting())
    chain = study.cluster(study.plan(ENDLESS)).chain
    found = fluid_fixed_point(chain)
    if not found.reached:
        raise RuntimeError(f"the fluid of {policy} did not come to rest in {found.elapsed:.0f} s")
    state = found.state.T / ENDLESS
    rest = Point(
        prefill=state[Row.PREFILL],
        mixed_decode=state[Row.MIXED_DECODE],
        solo_decode=state[Row.SOLO_DECODE],
        prefill_queue=state[Row.PREFILL_QUEUE],
        decode_queue=state[Row.DECODE_QUEUE] + state[Row.SOLO_QUEUE],
    )
    rates = rates_of(base())
    return float(PROGRAMS[accounting][1](rates).revenue(rates, rest))


def gap_of(run: ClusterRun, accounting: str = "bundled") -> Floats:
    """Return 1 - revenue / optimum by replication, a fraction; shape ``(replications,)``."""
    return 1 - run.earned(accounting) / optimum_of(accounting)


def distances(run: ClusterRun, fields: Sequence[str]) -> Floats:
    """Return occupancies less the plan, %, class by class for each of the fields.

    They are per cent of the class's own plan; of the plan of all classes in the field where its
    own is 0. Shape ``(fields times classes, replications)``.
    """
    rows = []
    for field in fields:
        targets = np.array([getattr(each, field) for each in planned(run.policy)])
        yardsticks = np.where(targets > 0, targets, targets.sum())
        rows.append((run.held(field) - targets[:, None]) / yardsticks[:, None])
    return np.asarray(100 * np.concatenate(rows))


def buffer_of(run: ClusterRun) -> Floats:
    """Return who waits for a decode slot, % of those that decode; shape ``(replications,)``."""
    decoding = (run.held("mixed_decode") + run.held("solo_decode")).sum(axis=0)
    return np.asarray(100 * run.held("decode_queue").sum(axis=0) / decoding)


def warnings_of(runs: Iterable[ClusterRun]) -> list[str]:
    """Return what the runs warn of, each with the cluster that it is about."""
    return [
        f"{run.policy}, {run.gpus:,} GPUs, {run.fidelity}: {text}"
        for run in runs
        for text in run.warnings
    ]


def pooled_parts(policy: str, effort: Effort) -> dict[tuple[str, str, int], ClusterPart]:
    """Return the runs of the pooled chain, by policy, fidelity and number of GPUs."""
    return _parts(policy, POOLED, effort.pooled_sizes, effort.pooled_gpu_seconds, effort)


def single_parts(policy: str, effort: Effort) -> dict[tuple[str, str, int], ClusterPart]:
    """Return the runs GPU by GPU at the sizes of the paper."""
    return _parts(policy, PER_GPU, PAPER_SIZES, effort.single_gpu_seconds, effort)


def _parts(
    policy: str, fidelity: str, sizes: Sequence[int], gpu_seconds: float, effort: Effort
) -> dict[tuple[str, str, int], ClusterPart]:
    return {
        (policy, fidelity, size): ClusterPart(
            instance=base(),
            policy=policy,
            gpus=size,
            fidelity=fidelity,
            replications=effort.replications,
            gpu_seconds=gpu_seconds,
            seed=effort.seed,
        )
        for size in sizes
    }
