"""Max-min fair shares: how much of its arrivals each class gets at the fairest plan."""

from typing import Any

import numpy as np
import pyomo.environ as pyo

from gnr.arrays import Flags, Floats
from gnr.models import programs
from gnr.models.solver import Status, optimize, optimize_scaled
from gnr.rates import Rates

ROUNDING = 1e-9
"""Relative amount by which shares are told too low, so that all of them can be kept at once."""

BINDING = 1e-6
"""Multiplier of a class, of all together 1, from which it is what keeps the least share low."""


def fair_shares(
    rates: Rates, *, empty_decode_buffer: bool = False, disaggregated: bool = False
) -> tuple[float, ...]:
    r"""Return the fraction of its arrivals that each class is served at the max-min fair plan.

    The plan is the lexicographically largest: its least fraction is as large as it can be, then
    the next, and so on, over the feasible set of (P40) and (P42). One linear program per level:
    the classes with a multiplier above 0 are at that level in all of its optima, and stay there.
    The multipliers add up to 1, so there is always one: it ends after at most I levels. A class
    without a multiplier that cannot rise either has its turn at the same level again.

    Parameters
    ----------
    rates
        Rates of the instance, class arrays of shape ``(classes,)``.
    empty_decode_buffer, disaggregated
        Demands on every plan: q_d = 0, y_m = 0.

    Returns
    -------
    tuple of float
        Shape ``(classes,)``, within 0 and 1 and a relative 1e-9 too low. Classes that never leave
        have 1, even where they make the set empty; the others then have 0.
    """
    model = programs.bundled_program(rates)
    model.bundled_revenue.deactivate()
    if empty_decode_buffer:
        programs.require_empty_decode_buffer(model)
    if disaggregated:
        programs.require_disaggregation(model)
    model.least = pyo.Var(domain=pyo.NonNegativeReals)
    model.fairest = pyo.Objective(expr=model.least, sense=pyo.maximize)
    rising = np.array(rates.patience_rate > 0)
    shares = np.where(rising, 0.0, 1.0)
    while rising.any():
        level, multipliers = _level(model, rates, shares, rising)
        if level is None:
            break
        shares[rising] = level
        if level >= 1 - ROUNDING:
            break
        rising &= multipliers < min(BINDING, float(multipliers.max()))
    return tuple((shares * (1 - ROUNDING)).tolist())


def _level(model: Any, rates: Rates, shares: Floats, rising: Flags) -> tuple[float | None, Floats]:
    """Return the highest level of the rising classes, and their multipliers; None if infeasible.

    The other classes keep their shares. Multipliers have shape ``(classes,)``, 0 for the others.
    """

    def fraction(i: int) -> Any:
        mixed = float(rates.mixed_decode[i]) * model.mixed_decode_occupancy[i]
        solo = float(rates.solo_decode[i]) * model.solo_decode_occupancy[i]
        return (mixed + solo) / float(rates.arrival_rate[i])

    block = model.level = pyo.Block()
    block.risen = pyo.Constraint(
        np.flatnonzero(rising).tolist(), rule=lambda _, i: model.least - fraction(i) <= 0
    )
    block.kept = pyo.Constraint(
        np.flatnonzero(~rising & (rates.patience_rate > 0)).tolist(),
        rule=lambda _, i: fraction(i) >= float(shares[i]) * (1 - ROUNDING),
    )
    outcome = optimize(model)
    if outcome.status is not Status.OPTIMAL:
        outcome = optimize_scaled(model)
    multipliers = outcome.dual(block.risen, rates.classes)
    model.del_component(block)
    return (outcome.objective if outcome.status is Status.OPTIMAL else None), multipliers
