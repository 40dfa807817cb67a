"""Where the revenue of measured averages falls short of the optimum (eq. D11)."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from gnr.arrays import Floats
from gnr.models.point import Multipliers, Point, RevenueWeights, lost_revenue
from gnr.models.steady_state import PROGRAMS
from gnr.rates import Rates, rates_of
from gnr.result import Solution

LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "idle_prefill": "GPUs that could prefill and do not",
        "idle_mixed_decode": "idle slots on mixed GPUs",
        "idle_solo_decode": "idle slots on solo GPUs",
        "prefill_queue": "requests that leave before prefill",
        "decode_queue": "requests that leave before decode",
        "shunned_work": "work on classes that the optimum turns away",
    }
)
"""The terms of (D11) in words."""


def multipliers_of(solution: Solution) -> Multipliers:
    """Return the multipliers that a solution reports.

    Raises
    ------
    ValueError
        If the solution is not optimal.
    """
    if not solution.classes:
        raise ValueError(f"{solution.instance.name}: no multipliers, it is {solution.status}")
    capacity = {name: value or 0.0 for name, value in solution.marginals.items()}
    return Multipliers(
        capacity["prefill_capacity"],
        capacity["mixed_decode_capacity"],
        capacity["solo_decode_capacity"],
        np.array([each.marginal_value for each in solution.classes]),
        np.array([each.decode_marginal for each in solution.classes]),
    )


def explain_gap(solution: Solution, averages: Point, revenue: float) -> dict[str, float]:
    r"""Return the terms of (D11) for measured averages, money/s per GPU.

    Parameters
    ----------
    solution
        The optimum without promises, under the accounting of `revenue`.
    averages
        Time averages per GPU, not necessarily feasible: a finite run does not balance exactly.
    revenue
        What was counted, money/s per GPU.

    Notes
    -----
    The terms add up to :math:`R^\star` less `revenue`, to rounding. ``flow_errors`` holds what the
    balances of (P40) miss by, valued at their multipliers, and the difference between the
    revenue that was counted and that of the averages.
    """
    rates = rates_of(solution.instance)
    weights: RevenueWeights = PROGRAMS[solution.scheme][1](rates)
    multipliers = multipliers_of(solution)
    terms = lost_revenue(rates, weights, multipliers, averages)
    before, after = flow_errors(rates, averages)
    missed = multipliers.marginal_value @ before + multipliers.decode_marginal @ after
    uncounted = weights.revenue(rates, averages) - revenue
    return terms | {"flow_errors": float(missed) + uncounted}


def flow_errors(rates: Rates, point: Point) -> tuple[Floats, Floats]:
    """Return what the prefill and the decode balance of (P40) miss by, 1/s per GPU, by class."""
    before = rates.arrival_rate - rates.patience_rate * point.prefill_queue
    prefills = rates.prefill * point.prefill
    decodes = rates.mixed_decode * point.decode_work(rates)
    after = prefills - rates.patience_rate * point.decode_queue - decodes
    return np.asarray(before - prefills), np.asarray(after)
