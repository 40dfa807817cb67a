"""Figure 2: who waits where under bundled and under separate charging, and what either earns."""

import numpy as np

from gnr.arrays import Floats
from gnr.reproduction import Bars, Quantity, Series
from gnr.validation.policies import find_policy
from gnr.validation.studies.optima import ACCOUNTINGS, planning_optimum
from gnr.validation.studies.reproduction.base_runs import (
    PER_GPU,
    base,
    buffer_of,
    fluid_revenue,
    gap_of,
    optimum_of,
    planned,
    single_parts,
    warnings_of,
)
from gnr.validation.studies.reproduction.effort import PAPER_SIZES, Effort
from gnr.validation.studies.reproduction.outline import Measured, confidence
from gnr.validation.studies.reproduction.parts import ClusterPart, ClusterRun
from gnr.validation.studies.reproduction.quantities import (
    Ends,
    exactly,
    mean_ends,
    mean_of,
    ratio_of,
    series_of,
    up_to_all,
)

BUNDLED, SEPARATE = "gate-and-route", "prioritize-and-route"
"""The policies that the paper makes for each charging."""

QUEUES = {"prefill_queue": "for prefill", "decode_queue": "for a decode slot"}

GPUS = max(PAPER_SIZES)

Key = tuple[str, str, int]


def parts(effort: Effort) -> dict[Key, ClusterPart]:
    """Return the paper's largest cluster under both policies."""
    found = single_parts(BUNDLED, effort) | single_parts(SEPARATE, effort)
    return {key: part for key, part in found.items() if part.gpus == GPUS}


def measured(runs: dict[Key, ClusterRun], effort: Effort) -> Measured:
    """Return who waits where, in the plan and in the cluster, and the picture."""
    bundled, separate = (runs[name, PER_GPU, GPUS] for name in (BUNDLED, SEPARATE))
    quantities = [
        _planned_share("bundled_planned_share", BUNDLED, "prefill_queue"),
        _planned_share("separate_planned_share", SEPARATE, "decode_queue"),
        mean_of(
            "bundled_prefill_share",
            "bundled: of all who wait, for prefill",
            100 * _held(bundled, "prefill_queue") / _all_waiting(bundled),
            "%",
        ),
        mean_of(
            "bundled_buffer",
            "bundled: waiting for a decode slot, of the requests that decode",
            buffer_of(bundled),
            "%",
        ),
        mean_of(
            "separate_decode_share",
            "separate: of all who wait, for a decode slot",
            100 * _held(separate, "decode_queue") / _all_waiting(separate),
            "%",
        ),
        up_to_all(
            mean_of("separate_busy", "separate: busy decode slots", 100 * _busy(separate), "%")
        ),
        ratio_of(
            "backlog",
            "waiting for a decode slot, separate over bundled",
            _held(separate, "decode_queue"),
            _held(bundled, "decode_queue"),
        ),
        *_fluid_losses(),
        *_losses(bundled, separate),
    ]
    panels = [
        _bars("Bundled", bundled),
        _bars("Separate", separate),
        _lost(bundled, separate),
    ]
    return Measured(quantities, panels, warnings_of(runs.values()))


def _fluid_losses() -> list[Quantity]:
    """Return what the policy of the other charging earns less as n goes to infinity (10j)."""
    return [
        exactly(
            name,
            f"billed {billed}, the policy of the other charging: loss to its own, fluid limit",
            _percent_short(fluid_revenue(other, billed), fluid_revenue(own, billed)),
            "%",
        )
        for name, billed, own, other in (
            ("fluid_loss_separate", "separate", SEPARATE, BUNDLED),
            ("fluid_loss_bundled", "bundled", BUNDLED, SEPARATE),
        )
    ]


def _losses(bundled: ClusterRun, separate: ClusterRun) -> list[Quantity]:
    """Return what the policy of the other charging earns less in the cluster (10j).

    Relative to the optimum under the charging; the runs of both policies are compared one by one.
    """
    return [
        mean_of(
            name,
            f"billed {billed}, the policy of the other charging: loss to its own, {GPUS} GPUs",
            100 * (own.earned(billed) - other.earned(billed)) / optimum_of(billed),
            "%",
        )
        for name, billed, own, other in (
            ("loss_separate", "separate", separate, bundled),
            ("loss_bundled", "bundled", bundled, separate),
        )
    ]


def _lost(bundled: ClusterRun, separate: ClusterRun) -> Bars:
    return Bars(
        title="Either policy billed either way: what is lost",
        y_label="lost, % of the optimum",
        categories=tuple(f"{each}, {n}" for each in ACCOUNTINGS for n in (f"{GPUS} GPUs", "limit")),
        series=tuple(_loss_of(run) for run in (bundled, separate)),
    )


def _percent_short(revenue: float, of: float) -> float:
    """Return by how much a fluid revenue is short of another, %, to the digits that are sure."""
    return round(100 * (1 - revenue / of), 4)


def _loss_of(run: ClusterRun) -> Series:
    """Return what a policy loses under both chargings, in the cluster and in the fluid limit."""
    ends: list[Ends] = []
    for each in ACCOUNTINGS:
        limit = _percent_short(fluid_revenue(run.policy, each), optimum_of(each))
        ends += [mean_ends(100 * gap_of(run, each), confidence()), (limit, limit, limit)]
    low, value, high = zip(*ends, strict=True)
    return Series(label=run.policy, x=tuple(range(len(ends))), y=value, low=low, high=high)


def _planned_share(name: str, policy: str, field: str) -> Quantity:
    queues = [sum(float(getattr(each, one)) for each in planned(policy)) for one in QUEUES]
    share = sum(float(getattr(each, field)) for each in planned(policy)) / sum(queues)
    return exactly(name, f"plan of {policy}: of all who wait, {QUEUES[field]}", 100 * share, "%")


def _held(run: ClusterRun, field: str) -> Floats:
    return np.asarray(run.held(field).sum(axis=0))


def _all_waiting(run: ClusterRun) -> Floats:
    return _held(run, "prefill_queue") + _held(run, "decode_queue")


def _busy(run: ClusterRun) -> Floats:
    """Return the share of the decode slots of the policy's partition that are busy."""
    plan = planning_optimum(base(), find_policy(run.policy)).plan(run.gpus)
    slots = (plan.mixed_decode_slots + plan.solo_decode_slots) / run.gpus
    return np.asarray((_held(run, "mixed_decode") + _held(run, "solo_decode")) / slots)


def _bars(label: str, run: ClusterRun) -> Bars:
    lines = [
        series_of(words, range(len(base().classes)), run.held(field))
        for field, words in QUEUES.items()
    ]
    return Bars(
        title=f"{label} charging: who waits",
        y_label="requests per GPU",
        categories=tuple(each.name for each in base().classes),
        series=tuple(lines),
    )
