"""Figure 7: gate-and-route and what is left of it without gate, routing or plan."""

from dataclasses import replace
from functools import cache

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.reproduction import Panel, Quantity
from gnr.validation.paper_drawing_rule import PAPER
from gnr.validation.studies.optima import target_optimum
from gnr.validation.studies.reproduction.ablation import (
    ABLATIONS,
    FULL,
    GATE_ALONE,
    NO_CONTROL,
    PLAN_ALONE,
    POLICIES,
    Earned,
    as_in_the_paper,
    losses,
    one_by_one,
)
from gnr.validation.studies.reproduction.base_runs import PER_GPU, base, single_parts
from gnr.validation.studies.reproduction.compared import (
    deviation_ratio_ends,
    least_of,
    median_ends,
    median_of,
    share_ends,
    share_of,
)
from gnr.validation.studies.reproduction.effort import PAPER_SIZES, Effort
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.parts import ClusterPart, ClusterRun
from gnr.validation.studies.reproduction.quantities import mean_ends, mean_of

GPUS = max(PAPER_SIZES)

BASE, DRAWN = "base", "drawn"

VISIBLE = 1.0
"""What it takes to hurt, % of the optimum: as much as the other claims ask for."""

FORGOTTEN = VISIBLE / 10
"""Difference between the two starts that can move no verdict, % of the optimum."""

Key = tuple[str, str, int]


def parts(effort: Effort) -> dict[Key, ClusterPart]:
    """Return the clusters by kind, policy and number, of the batch or of the drawn instance.

    All policies meet the same random numbers; the first batch of gate-and-route is figure 4's.
    """
    found = {
        (BASE, policy, batch): replace(
            single_parts(policy, effort)[policy, PER_GPU, GPUS], seed=effort.seed + batch
        )
        for policy in POLICIES
        for batch in range(effort.base_batches)
    }
    return found | {
        (DRAWN, policy, number): ClusterPart(
            instance=instance,
            policy=policy,
            gpus=GPUS,
            fidelity=PER_GPU,
            replications=effort.drawn_replications,
            gpu_seconds=0.0,
            seed=effort.seed,
            constants=effort.drawn_constants,
        )
        for policy in POLICIES
        for number, instance in enumerate(drawn(effort))
    }


def drawn(effort: Effort) -> tuple[Instance, ...]:
    """Return the drawn instances."""
    return tuple(_drawn(effort.seed, number) for number in range(effort.drawn))


@cache
def _drawn(seed: int, number: int) -> Instance:
    return PAPER.instance(seed, number)


@cache
def optimum_of(instance: Instance) -> float:
    """Return the optimum under bundled charging, money/s per GPU."""
    return float(target_optimum(instance, "bundled").revenue_rate or 0.0)


def measured(runs: dict[Key, ClusterRun], effort: Effort) -> Measured:
    """Return what each policy earns of the optimum, and what gate, plan and routing add."""
    on_base = {
        policy: np.concatenate(
            [_earned(runs[BASE, policy, batch], base()) for batch in range(effort.base_batches)]
        )
        for policy in POLICIES
    }
    runs_of_drawn = {
        policy: np.array(
            [
                _earned(runs[DRAWN, policy, number], instance)
                for number, instance in enumerate(drawn(effort))
            ]
        )
        for policy in POLICIES
    }
    on_drawn = {policy: each.mean(axis=1) for policy, each in runs_of_drawn.items()}
    starts = _starts(on_base, runs_of_drawn)
    quantities = _of_base(on_base) + _of_drawn(on_drawn) + starts
    panels: list[Panel] = [
        losses("Base instance: what is lost", "mean", _gaps(quantities, "base_gap")),
        losses("Drawn instances: what is lost", "median", _gaps(quantities, "drawn_gap")),
        as_in_the_paper(on_drawn),
        one_by_one(on_drawn),
    ]
    return Measured(quantities, panels, [one for each in starts for one in unsettled(each)])


def _earned(run: ClusterRun, instance: Instance) -> Floats:
    """Return revenue by replication, % of the optimum."""
    return np.asarray(100 * run.earned("bundled") / optimum_of(instance))


def _of_base(earned: Earned) -> list[Quantity]:
    """Return the quantities of the base instance: means over replications."""
    runs = len(earned[FULL])
    gaps = [
        mean_of(_name("base_gap", policy), f"base instance: lost by {label}", 100 - of, "%")
        for (policy, label), of in zip(POLICIES.items(), earned.values(), strict=True)
    ]
    return [
        *gaps,
        mean_of(
            "base_gate",
            f"base instance: what the gate adds (GI-WSP less FI-WSP), {runs} pairs of runs",
            earned[GATE_ALONE] - earned[NO_CONTROL],
            "%",
        ),
        mean_of(
            "base_planning",
            "base instance: what the plan adds without the gate (FG-SP less FI-WSP)",
            earned[PLAN_ALONE] - earned[NO_CONTROL],
            "%",
        ),
        least_of(
            "base_lead",
            "base instance: lead of GG-SP over the best of the other four",
            [earned[FULL] - earned[each] for each in ABLATIONS],
            mean_ends,
            "%",
        ),
        least_of(
            "base_spread",
            "base instance: smallest standard deviation between runs of the other four, over "
            "that of GG-SP",
            [(earned[each], earned[FULL]) for each in ABLATIONS],
            deviation_ratio_ends,
        ),
    ]


def _of_drawn(earned: Earned) -> list[Quantity]:
    """Return the quantities over the drawn instances: medians and shares."""
    count = len(earned[FULL])
    gaps = [
        median_of(
            _name("drawn_gap", policy),
            f"{count} drawn instances: lost by {label}, median",
            100 - of,
            "%",
        )
        for (policy, label), of in zip(POLICIES.items(), earned.values(), strict=True)
    ]
    others = np.array([earned[each] for each in ABLATIONS])
    lead = earned[FULL] - others.max(axis=0)
    return [
        *gaps,
        median_of(
            "drawn_gate",
            "drawn instances: what the gate adds (GI-WSP less FI-WSP), median",
            earned[GATE_ALONE] - earned[NO_CONTROL],
            "%",
        ),
        share_of(
            "drawn_planning",
            "share of drawn instances where FG-SP earns less than FI-WSP by at least "
            f"{VISIBLE:g} % of the optimum",
            earned[PLAN_ALONE] - earned[NO_CONTROL] <= -VISIBLE,
        ),
        least_of(
            "drawn_lead",
            "drawn instances: median lead of GG-SP over each of the other four, the smallest",
            [earned[FULL] - earned[each] for each in ABLATIONS],
            median_ends,
            "%",
        ),
        share_of(
            "drawn_ahead",
            "share of drawn instances where GG-SP earns the most of the five",
            lead > 0,
        ),
        least_of(
            "drawn_spread",
            f"{count // 2} pairs of drawn instances: share that GG-SP keeps closer together than "
            "each of the other four does, the smallest of these shares",
            list(_apart(others) > _apart(earned[FULL])),
            share_ends,
            "%",
        ),
    ]


def _apart(earned: Floats) -> Floats:
    """Return how far the two instances of each pair are apart; no instance is in two pairs."""
    even = earned[..., : earned.shape[-1] // 2 * 2]
    return np.abs(even[..., 1::2] - even[..., ::2])


def _name(what: str, policy: str) -> str:
    return f"{what}_{POLICIES[policy].lower().replace('-', '_')}"


def _gaps(quantities: list[Quantity], what: str) -> list[Quantity]:
    names = [_name(what, policy) for policy in POLICIES]
    return [each for each in quantities if each.name in names]


def _starts(on_base: Earned, runs_of_drawn: Earned) -> list[Quantity]:
    """Return how far runs from an empty cluster, every second one, are from those from the plan.

    Averaged over the policies, which meet the same random numbers. Over drawn instances it is the
    median, for four runs of one cluster tell its start from chance too seldom.
    """
    words = "runs from an empty cluster less those from the plan, mean of the policies"
    in_pairs = [each[1::2] - each[::2] for each in on_base.values()]
    by_instance = [
        each[:, 1::2].mean(axis=1) - each[:, ::2].mean(axis=1) for each in runs_of_drawn.values()
    ]
    return [
        mean_of("base_starts", f"base instance: {words}", np.mean(in_pairs, axis=0), "%"),
        median_of(
            "drawn_starts", f"drawn instances: {words}, median", np.mean(by_instance, axis=0), "%"
        ),
    ]


def unsettled(starts: Quantity) -> list[str]:
    """Return a warning if runs from the two starts are shown to differ by too much."""
    if starts.low <= FORGOTTEN and starts.high >= -FORGOTTEN:
        return []
    return [
        f"{starts.words}: {starts.low:.2g} to {starts.high:.2g} % of the optimum, and more than "
        f"{FORGOTTEN:g} % either way is too much. The warm-up was too short."
    ]
