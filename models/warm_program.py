"""One program for many instances that differ in their numbers: solved again from where it stood."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from gnr.instance import Instance
from gnr.models import promised_state, verification
from gnr.models.point import Point, Program
from gnr.models.promises import Promise, promises_of
from gnr.models.solver import KeptSolver, Outcome, Status
from gnr.models.steady_state import PROGRAMS, solve
from gnr.plan import Occupancy
from gnr.rates import Rates, rates_of

FIXED = ("patience_rate",)
"""Fields of `Rates` that are numbers in the model: which classes have queues depends on them."""


@dataclass(frozen=True)
class WarmOptimum:
    """An optimum as the solver found it: any of them where there are several.

    Attributes
    ----------
    status
        How the solve ended; only OPTIMAL comes with numbers.
    revenue_rate
        Best revenue, money/s per GPU; nan unless optimal.
    point
        Occupancies per GPU; None unless optimal.
    penalty
        What is paid for penalties, money/s per GPU; not subtracted from the revenue.
    prices
        Derivative of the value in the bound of each promise, of a penalty its weight, in file
        order; empty unless optimal.
    """

    status: Status
    revenue_rate: float = float("nan")
    point: Point | None = None
    penalty: float = 0.0
    prices: tuple[float, ...] = ()


class WarmProgram:
    """A program with hard promises that is kept with its solver.

    A new instance only changes parameters of the model. Where that is not enough (other classes,
    patience rates or promises) it is built anew. Every plan and its revenue are held against
    the rates of its own instance; one that does not stand up is found again by a fresh solve.
    """

    def __init__(self) -> None:
        self._shape: Any = None
        self._model: Any = None
        self._solver: KeptSolver | None = None

    def optimum(self, instance: Instance) -> WarmOptimum:
        """Return the optimum of an instance (eq. P40, P42 or P49).

        Penalties, and promises that are relative to another optimum, are solved afresh.
        """
        rates = rates_of(instance)
        promises = promises_of(instance, rates)
        if any(not each.hard or each.indicator.needs_fair_shares for each in promises):
            return _fresh(instance)
        _, weigh = PROGRAMS[instance.prices.scheme]
        program = promised_state.demanded(Program(rates, weigh(rates), False), promises)
        shape = _shape(instance)
        if shape == self._shape:
            _set(self._model, rates, promises)
        else:
            self._shape, self._model = shape, _build(instance, program)
            self._solver = KeptSolver(self._model)
        assert self._solver is not None
        found = _read(self._model, self._solver.optimize(), program, promises)
        return found if _stands(found, program, promises) else _fresh(instance)


def _shape(instance: Instance) -> Any:
    """Return what of an instance is built into the model."""
    return (
        instance.prices.scheme,
        tuple((each.name, each.patience_rate) for each in instance.classes),
        tuple((each.kind, each.class_name, each.at_most is None) for each in instance.slis),
    )


def _build(instance: Instance, program: Program) -> Any:
    """Return the model of an instance with all of its numbers as mutable parameters."""
    build, _ = PROGRAMS[instance.prices.scheme]
    numbers = pyo.ConcreteModel()
    symbols = {}
    for field in fields(Rates):
        value = getattr(program.rates, field.name)
        if field.name in FIXED:
            symbols[field.name] = value
            continue
        values = np.atleast_1d(value).tolist()
        parameter = pyo.Param(range(len(values)), initialize=dict(enumerate(values)), mutable=True)
        numbers.add_component(field.name, parameter)
        found = np.array([parameter[k] for k in range(len(values))], dtype=object)
        symbols[field.name] = found if np.ndim(value) else found[0]
    rates = Rates(**symbols)
    promises = promises_of(instance, rates)
    model = promised_state.build_program(build, replace(program, rates=rates), promises)
    model.numbers = numbers
    return model


def _set(model: Any, rates: Rates, promises: Sequence[Promise]) -> None:
    """Write the numbers of another instance into the model."""
    for field in fields(Rates):
        if field.name in FIXED:
            continue
        value = getattr(rates, field.name)
        values = dict(enumerate(np.atleast_1d(value).tolist()))
        model.numbers.component(field.name).store_values(values)
    for k, promise in enumerate(promises):
        getattr(model, f"sli_{k}").promised.value = promise.bound


def _read(
    model: Any, outcome: Outcome, program: Program, promises: Sequence[Promise]
) -> WarmOptimum:
    if outcome.status is not Status.OPTIMAL:
        return WarmOptimum(outcome.status)
    point = promised_state.point_of(model, outcome, program)
    prices = promised_state.prices_of(model, outcome, promises, point)
    return WarmOptimum(Status.OPTIMAL, outcome.objective, point, prices=prices)


def _stands(found: WarmOptimum, program: Program, promises: Sequence[Promise]) -> bool:
    """Tell whether an answer fits the numbers of its own instance, or says that nothing does."""
    if found.point is None:
        return found.status is Status.INFEASIBLE
    accepted = verification.ACCEPTED_ERROR
    earned = program.revenue(found.point)
    missed = verification.infeasibility(program.rates, found.point)
    agrees = abs(earned - found.revenue_rate) <= accepted * abs(earned)
    return agrees and missed <= accepted and all(_kept(each, found.point) for each in promises)


def _kept(promise: Promise, point: Point) -> bool:
    """Tell whether a point keeps a promise, up to rounding."""
    value, bound = promise.value(point), promise.bound
    slack = 1e-7 * max(abs(bound), abs(value), 1e-3)
    beyond = value - bound if promise.direction == "at_most" else bound - value
    return not beyond > slack


def _fresh(instance: Instance) -> WarmOptimum:
    """Return the optimum that a fresh solve finds."""
    solution = solve(instance)
    status = Status(solution.status)
    if solution.revenue_rate is None:
        return WarmOptimum(status)
    columns = {
        name: np.array([getattr(each, name) for each in solution.classes])
        for name in Occupancy.model_fields
    }
    prices = tuple(each.price for each in solution.promises)
    return WarmOptimum(status, solution.revenue_rate, Point(**columns), solution.penalty, prices)
