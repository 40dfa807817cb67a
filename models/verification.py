"""Does an answer of the solver stand up? A bound on its error, computed without the solver."""

import numpy as np

from gnr.arrays import Floats
from gnr.models.point import Multipliers, Point, Program, reduced_costs
from gnr.rates import Rates

ACCEPTED_ERROR = 1e-9
"""Largest relative error with which an answer is called optimal."""


def infeasibility(rates: Rates, point: Point) -> float:
    """Return the largest relative violation of a constraint of (P40) at `point`.

    Balances are measured against the arrival rate of the class, capacities against a GPU.
    """
    used = float(point.prefill.sum())
    mixed_room = (rates.batch_slots - 1) * used - float(point.mixed_decode.sum())
    solo_room = rates.batch_slots * (1 - used) - float(point.solo_decode.sum())
    decoded = rates.mixed_decode * point.mixed_decode + rates.solo_decode * point.solo_decode
    started = rates.prefill * point.prefill
    prefill = rates.arrival_rate - started - rates.patience_rate * point.prefill_queue
    decode = started - decoded - rates.patience_rate * point.decode_queue
    lowest = min(float(values.min()) for values in vars(point).values())
    violations = (
        used - 1,
        -mixed_room / rates.batch_slots,
        -solo_room / rates.batch_slots,
        -lowest / rates.batch_slots,
        np.max(np.abs(prefill) / rates.arrival_rate),
        np.max(np.abs(decode) / rates.arrival_rate),
    )
    return float(max(violations))


def suboptimality(program: Program, multipliers: Multipliers, point: Point) -> float:
    """Return how far `point` and `multipliers` are from being optimal, relative to the revenue.

    The distance of the dual value from the revenue plus, for every dual constraint that is
    violated, the violation times the most its variable can be. By weak duality a bound on
    (best revenue - revenue at `point`) / revenue at `point`, for any multipliers whatever; small
    only if both point and multipliers are nearly optimal.
    """
    rates, revenue = program.rates, program.revenue(point)
    dual = (
        multipliers.prefill_capacity
        + rates.batch_slots * multipliers.solo_decode_capacity
        + float(rates.arrival_rate @ multipliers.marginal_value)
    )
    costs = reduced_costs(rates, program.weights, multipliers)
    impatient = rates.patience_rate > 0
    largest_work = np.minimum(
        rates.decode_work * rates.full_prefill,
        max(1.0, rates.speed_ratio) * rates.batch_slots,
    )
    slack = (
        _excess(costs.prefill, np.minimum(rates.full_prefill, 1.0))
        + _excess(costs.solo_decode, largest_work / rates.speed_ratio)
        + _excess(multipliers.marginal_value, np.where(impatient, rates.arrival_rate, 0.0))
        + max(0.0, -multipliers.prefill_capacity)
        + max(0.0, -multipliers.mixed_decode_capacity) * rates.batch_slots
        + max(0.0, -multipliers.solo_decode_capacity) * rates.batch_slots
    )
    if not program.disaggregated:
        slack += _excess(costs.mixed_decode, largest_work)
    if not program.empty_decode_buffer:
        started = np.where(impatient, rates.prefill * np.minimum(rates.full_prefill, 1.0), 0.0)
        slack += _excess(multipliers.decode_marginal, started)
    return float((abs(dual - revenue) + slack) / revenue) if revenue > 0 else float("inf")


def _excess(costs: Floats, largest: Floats) -> float:
    """Return what violated dual constraints could hide, variables being at most `largest`."""
    return float(np.maximum(-costs, 0.0) @ largest)
