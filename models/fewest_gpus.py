r"""The fewest GPUs that serve a demand by the fluid program, exactly.

All rows of (P40) are homogeneous: n GPUs serve the rates :math:`n\lambda` with n times the
occupancies. With the occupancies of the whole cluster as variables, n is a variable like any
other and the fewest GPUs are the value of one linear program. Promises are quotients N/D per GPU;
their rows become linear in n wherever N and D are affine in the occupancies and the arrival rates
together, or in shares of the arrivals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyomo.environ as pyo

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.instance import Instance, Sli
from gnr.models import programs
from gnr.models.promises import FIELDS, Promise, expression, promises_of
from gnr.models.solver import Status, optimize
from gnr.rates import Rates, rates_of
from gnr.slis import INDICATORS
from gnr.slis.affine import Affine

RELATIVE = 1e-9
"""Relative difference below which two coefficients are the same."""


@dataclass(frozen=True)
class FluidSize:
    """The fewest GPUs in the fluid limit.

    Attributes
    ----------
    gpus
        n, real.
    prefill
        GPUs that prefill, by class, shape ``(classes,)``.
    decode
        Decodes in progress, by class, shape ``(classes,)``.
    gpus_per_request
        By how much n grows with one more request/s of each class; GPU s, shape ``(classes,)``.
    """

    gpus: float
    prefill: Floats
    decode: Floats
    gpus_per_request: Floats


def fewest_gpus(
    demand: Instance, promises: Sequence[Sli] = (), *, disaggregated: bool = False
) -> FluidSize | None:
    """Return the fewest GPUs that keep the promises in the fluid limit; None if no number does.

    Parameters
    ----------
    demand
        The instance with the rates of the whole demand as its arrival rates, requests/s.
    promises
        Hard service level indicators; they say what has to be served. Those that ask for fair
        shares are left out, which leaves the answer a lower bound: the shares depend on n.
    disaggregated
        Whether no GPU may decode while it prefills.

    Raises
    ------
    InputError
        If a promise has no linear form when n is a variable.
    """
    rates = rates_of(demand)
    model = programs.fewest_gpus_program(rates)
    if disaggregated:
        programs.require_disaggregation(model)
    known = tuple(each for each in promises if not INDICATORS[each.kind].needs_fair_shares)
    _add_promises(model, demand.model_copy(update={"slis": known}), rates)
    outcome = optimize(model)
    if outcome.status is not Status.OPTIMAL:
        return None
    size = rates.classes
    decode = outcome.primal(model.mixed_decode_occupancy, size) + outcome.primal(
        model.solo_decode_occupancy, size
    )
    return FluidSize(
        gpus=outcome.objective,
        prefill=outcome.primal(model.prefill_occupancy, size),
        decode=decode,
        gpus_per_request=outcome.dual(model.prefill_balance, size),
    )


def _add_promises(model: pyo.ConcreteModel, demand: Instance, rates: Rates) -> None:
    """Add the rows of the promises, in the occupancies of the whole cluster and n."""
    once = promises_of(demand, rates)
    if any(promise.form.empty_decode_buffer for promise in once):
        programs.require_empty_decode_buffer(model)
    twice = promises_of(demand, replace(rates, arrival_rate=2 * rates.arrival_rate))
    for number, (promise, doubled) in enumerate(zip(once, twice, strict=True)):
        block = pyo.Block()
        model.add_component(f"promise_{number}", block)
        form = promise.form
        block.auxiliary = pyo.Var(list(form.auxiliaries), domain=pyo.NonNegativeReals)
        wanted = (form.excess(promise.direction, promise.bound), *form.definitions)
        other = doubled.form
        again = (other.excess(promise.direction, promise.bound), *other.definitions)
        rows = [_of_cluster(promise, *pair) for pair in zip(wanted, again, strict=True)]
        block.row = pyo.Constraint(
            range(len(rows)),
            rule=lambda _, k, block=block, rows=rows: (
                expression(model, block, rows[k][0]) + rows[k][1] * model.gpus <= 0
            ),
        )


def _of_cluster(promise: Promise, affine: Affine, doubled: Affine) -> tuple[Affine, float]:
    r"""Return an affine function of the cluster, and the coefficient of n.

    Per GPU it is :math:`k^\top z+c_0+c_1`, with :math:`c_1` proportional to the arrival rates, and
    times n :math:`k^\top Z+c_0n+c_1(\Lambda)`. Shares of the arrivals, :math:`k\propto1/\lambda`
    with a constant, are the same of a GPU and of the cluster.

    Parameters
    ----------
    promise
        Whose row it is, for messages.
    affine, doubled
        The function at the demand and at twice the demand.
    """
    once, twice = (
        np.array([float(each.coefficients.get(name, 0.0)) for name in affine.coefficients])
        for each in (affine, doubled)
    )
    constant, changed = float(affine.constant), float(doubled.constant)
    if np.allclose(once, twice, rtol=RELATIVE, atol=0.0):
        of_rates = changed - constant
        return Affine(affine.coefficients, of_rates), constant - of_rates
    of_cluster = [field in FIELDS for field, _ in affine.coefficients]
    shares = np.where(of_cluster, once / 2, once)
    if np.allclose(shares, twice, rtol=RELATIVE, atol=0.0) and constant == changed:
        return affine, 0.0
    message = f"{promise.label} has no linear form when the number of GPUs is sought"
    remedy = "leave it out, or size without it and look at `gnr solve --gpus N`"
    where = f"promise {promise.label}"
    raise InputError([Problem("promise-not-sizable", where, "slis", message, remedy)])
