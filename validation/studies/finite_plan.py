"""The plan of gate-and-route-backpressure for exactly n GPUs: predicted, then simulated.

The model of `gnr.validation.partition_model` predicts what every group size earns and rules most
of them out (`partition_planning`). It knows the best sizes to about half a percentage point, and
flatters groups that are too small. So the best predicted size meets larger ones and both roundings
of n x in a simulation GPU by GPU, and the winner is the plan: where the simulation settles it, it
is not worse than either rounding by more than the indifference, with the confidence of
`selection`. These runs have random numbers of their own, which no later simulation meets again.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gnr.arrays import Floats
from gnr.finite_plan import FinitePlan, GroupSize
from gnr.instance import Instance
from gnr.plan import Plan, with_mixed_gpus
from gnr.provenance import record
from gnr.rates import rates_of
from gnr.simulation import Estimate
from gnr.validation.fluid import slowest_time_constant
from gnr.validation.partition_planning import Predicted, best_limit, predicted, predicted_plans
from gnr.validation.policies import gate_and_route_backpressure
from gnr.validation.statistics import interval
from gnr.validation.studies.optima import planning_optimum, target_optimum
from gnr.validation.studies.selection import CONFIDENCE, INDIFFERENCE, Selection, select
from gnr.validation.studies.setting import PER_GPU, Setting
from gnr.validation.studies.simulation import Study

POLICY = gate_and_route_backpressure.POLICY
"""Who follows the plan."""

SEEDS = 1_000_000_000
"""Seeds of the planning runs begin here, far from those that users and studies take."""

WARMUP_CONSTANTS, LEAST_CONSTANTS, GPU_SECONDS = 4.0, 1.5, 8_000.0
"""Warm-up and least window in slowest time constants; GPU-seconds of a window in small clusters."""

MOST_SIMULATED = 200
"""Largest cluster whose plan is settled by simulation unless told otherwise."""

SCHEME = "bundled"


def plan_for_size(
    instance: Instance, gpus: int, *, seed: int = 1, most_simulated: int = MOST_SIMULATED
) -> FinitePlan:
    """Return the plan of gate-and-route-backpressure for n GPUs, its group size chosen for n.

    Parameters
    ----------
    instance
        Without promises, which the choice takes no notice of.
    gpus
        n.
    seed
        Of the planning runs.
    most_simulated
        Larger clusters are planned by prediction alone: a second up to n = 1000, a minute at
        100,000. The simulations of 100 GPUs take some seconds.

    Raises
    ------
    InputError
        If there is no optimum to plan by, or `gpus` is out of range.
    """
    started = time.perf_counter()
    rates, target = rates_of(instance), target_optimum(instance, SCHEME)
    rounded_up = planning_optimum(instance, POLICY).plan(gpus)
    found = predicted_plans(rates, rounded_up)
    rivals, selection = found, None
    if gpus <= most_simulated:
        rivals = _rivals(instance, rounded_up, found)
        setting = Setting(seed=SEEDS + seed, fidelity=PER_GPU)
        study = Study(instance, target, POLICY.name, setting, {})
        selection = _simulated(study, rivals) if len(rivals) > 1 else None
    chosen = rivals[0 if selection is None else selection.chosen].plan
    value = float(target.revenue_rate or 0.0)
    return FinitePlan(
        instance=instance.name,
        policy=POLICY.name,
        gpus=gpus,
        lp_revenue_rate=value,
        plan=chosen,
        decided_by="prediction" if selection is None else "simulation",
        settled=selection is None or selection.settled,
        indifference=INDIFFERENCE,
        confidence=CONFIDENCE,
        sizes=_sizes(rounded_up, found, rivals, selection, value),
        warnings=(*chosen.warnings, *_warnings(instance, selection)),
        provenance=record(
            instance.sha256(), started, {"gpus": gpus, "most_simulated": most_simulated}, seed=seed
        ),
    )


def _warnings(instance: Instance, selection: Selection | None) -> list[str]:
    told = []
    if instance.slis:
        told.append("the group size is chosen for revenue alone; the promises bear on it too")
    if selection is None:
        told.append("by prediction alone: the best sizes are known to half a point, not closer")
    elif not selection.settled:
        told.append(
            f"not settled after {len(selection.samples[selection.chosen])} runs: a rival may be "
            f"better by more than {INDIFFERENCE:.1%} (see `sizes`)"
        )
    return told


def roundings(plan: Plan, batch_slots: int) -> dict[str, Plan]:
    """Return the plan with n x rounded up and, where it is not the same or nobody, down."""
    down = plan.mixed_gpus - 1
    lower = {"down": with_mixed_gpus(plan, down, batch_slots)} if down > 0 else {}
    return {"up": plan, **lower}


def _rivals(instance: Instance, plan: Plan, found: Sequence[Predicted]) -> list[Predicted]:
    """Return what is simulated: the best predicted size, larger ones, both roundings."""
    rates, best = rates_of(instance), found[0].plan.mixed_gpus
    step = math.ceil(math.sqrt(best) / 4)
    larger = [size for size in (best + step, best + 2 * step) if size <= plan.gpus]
    rivals = [found[0], *(best_limit(rates, plan, size) for size in larger)]
    rivals += [
        predicted(rates, each) for each in roundings(plan, instance.gpu.batch_slots).values()
    ]
    distinct = {_key(each.plan): each for each in rivals}
    return list(distinct.values())


def _simulated(study: Study, rivals: Sequence[Predicted]) -> Selection:
    """Return who earns most, run by run on the same random numbers."""
    value = float(study.target.revenue_rate or 0.0)
    chain = study.cluster(rivals[0].plan).chain
    slowest = slowest_time_constant(chain)
    horizon = max(GPU_SECONDS / rivals[0].plan.gpus, LEAST_CONSTANTS * slowest)

    def sample(rival: int, look: int, runs: int) -> Floats:
        setting = replace(
            study.setting,
            seed=study.setting.seed + look * SEEDS,
            replications=runs,
            warmup=WARMUP_CONSTANTS * slowest,
            horizon=horizon,
        )
        run = replace(study, setting=setting).run(rivals[rival].plan)
        return np.asarray(run.samples["revenue_rate"]) / value

    return select(len(rivals), sample)


def _key(plan: Plan) -> tuple[int, int]:
    """Return what two plans for the same n differ in: group size and limit."""
    limits = [each.prefill_limit for each in plan.classes if each.prefill_limit is not None]
    return plan.mixed_gpus, min(limits, default=plan.mixed_gpus)


def _sizes(
    rounded_up: Plan,
    found: Sequence[Predicted],
    rivals: Sequence[Predicted],
    selection: Selection | None,
    value: float,
) -> tuple[GroupSize, ...]:
    """Return every size that was looked at, the best predicted first."""
    place = {_key(each.plan): number for number, each in enumerate(rivals)}
    everything = {_key(each.plan): each for each in [*found, *rivals]}
    rows = []
    for key, each in everything.items():
        number = place.get(key)
        simulated = None if selection is None or number is None else number
        rows.append(_size(rounded_up, key, each, selection, simulated, value))
    return tuple(sorted(rows, key=lambda each: each.predicted_gap))


def _size(
    rounded_up: Plan,
    key: tuple[int, int],
    each: Predicted,
    selection: Selection | None,
    number: int | None,
    value: float,
) -> GroupSize:
    size, limit = key
    names = {rounded_up.mixed_gpus: "up", rounded_up.mixed_gpus - 1: "down"}
    gap = behind = None
    runs = 0
    if selection is not None and number is not None:
        earned, lead = interval(selection.samples[number]), selection.behind[number]
        gap = Estimate(mean=1 - earned.mean, half_width=earned.half_width)
        behind = Estimate(mean=lead.mean, half_width=lead.half_width)
        runs = len(selection.samples[number])
    return GroupSize(
        mixed_gpus=size,
        prefill_limit=limit if limit < size else None,
        rounding=names.get(size) if limit == size else None,
        predicted_gap=1 - each.revenue_rate / value,
        least_gap=1 - each.bound / value,
        gap=gap,
        behind=behind,
        runs=runs,
    )
