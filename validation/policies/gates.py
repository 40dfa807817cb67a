"""Gates: which waiting request is prefilled next."""

from dataclasses import dataclass, replace

import numpy as np

from gnr.arrays import Floats
from gnr.plan import Plan

SIGNIFICANT_DIGITS = 12
"""Digits of a gate target that count: solver noise must not break a tie of equal targets."""

HEADROOM = 1e-3
"""Share of a cap on prefills that is left unused. The average over a run is off the cap by what the
credit has changed, either way: up to 5 request-seconds. With this it stays below in runs of about
5000 / X_c GPU-seconds and more, X_c the cap per GPU; a shorter one may end above by chance."""


@dataclass(frozen=True)
class GateIndex:
    """Index of each class at the gate, least first: ``slope * X + offset``; shape ``(classes,)``.

    Ties go to the largest Q_p minus `queue_target` (eq. U5), then to the first in the file.
    An infinite offset shuts a class out (10.1(b)). While X is not below `limit`, where there is
    one, the class is not let in; the pooled policies have none.

    With a `prefill_cap` the requests in prefill stay below it on average in the long run, and
    `crowded_offset` takes the place of `offset` while no more slots than the cap are free in the
    whole cluster (Algorithm 11).
    """

    slope: Floats
    offset: Floats
    queue_target: Floats
    limit: Floats | None = None
    prefill_cap: float = np.inf
    crowded_offset: Floats | None = None


def occupancy_gate(plan: Plan) -> GateIndex:
    """Return the gate that keeps X_i at its target: least X_i / x_i first (eq. U4)."""
    target, admitted = _targets(plan)
    return GateIndex(
        slope=np.where(admitted, 1 / np.where(admitted, target, 1.0), 0.0),
        offset=np.where(admitted, 0.0, np.inf),
        queue_target=np.array([one.queue_target for one in plan.classes]),
    )


def limited_occupancy_gate(plan: Plan) -> GateIndex:
    """Return the same gate, closed for a class while X_i is at its target or above (10.1(f))."""
    gate = occupancy_gate(plan)
    target, _ = _targets(plan)
    return GateIndex(gate.slope, gate.offset, gate.queue_target, limit=target)


def priority_gate(plan: Plan) -> GateIndex:
    """Return the gate of strict priority: largest D_i / P_i first (eq. U6)."""
    index = np.array([one.prefill_index for one in plan.classes])
    flat = np.zeros_like(index)
    return GateIndex(flat, -index, queue_target=flat)


def price_index_gate(plan: Plan) -> GateIndex:
    """Return the ranking of section 12: the class whose next request is worth most first.

    Marginal classes share the last rank; between them the least X_i / x_i goes first. A class
    that has the last rank alone is ordered the same with that tie rule and without.
    """
    target, _ = _targets(plan)
    ranks = [one.rank for one in plan.classes]
    last = max((rank for rank in ranks if rank is not None), default=0)
    marginal = np.array([rank == last for rank in ranks]) & (target > 0)
    return GateIndex(
        slope=np.where(marginal, 1 / np.where(marginal, target, 1.0), 0.0),
        offset=np.array([np.inf if rank is None else float(rank) for rank in ranks]),
        queue_target=np.zeros(len(ranks)),
    )


def limited_price_index_gate(plan: Plan) -> GateIndex:
    """Return the ranking, closed for a class while X_i is at its limit, where the plan has one."""
    limits = [each.prefill_limit for each in plan.classes]
    return replace(
        price_index_gate(plan),
        limit=np.array([np.inf if each is None else float(each) for each in limits]),
    )


def capped_price_index_gate(plan: Plan) -> GateIndex:
    """Return the ranking under a cap on prefills (Algorithm 11, steps 2 to 4).

    Of the marginal classes the one with the most output per prompt token, D_i / P_i, goes first
    while slots are plenty, the one with the least while they are scarce. A plan without a cap is
    followed without one.
    """
    gate = price_index_gate(plan)
    work = np.array([one.prefill_index for one in plan.classes])
    marginal = gate.slope > 0
    place = np.array([float(np.sum(marginal & (work > own))) for own in work]) / len(work)
    flat = np.zeros(len(work))
    return GateIndex(
        slope=flat,
        offset=gate.offset + np.where(marginal, place, 0.0),
        queue_target=flat,
        prefill_cap=np.inf if plan.prefill_cap is None else (1 - HEADROOM) * plan.prefill_cap,
        crowded_offset=gate.offset - np.where(marginal, place, 0.0),
    )


def _targets(plan: Plan) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return n x_i without solver noise, and which classes are let in at all."""
    target = np.array([float(f"{one.gate_target:.{SIGNIFICANT_DIGITS}g}") for one in plan.classes])
    return target, np.array([one.admitted for one in plan.classes]) & (target > 0)
