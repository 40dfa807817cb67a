"""The optimal steady state under promises and penalties (eq. P49)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo

from gnr.arrays import Floats
from gnr.models import programs, verification
from gnr.models.linear_answer import Answer, Solved, prefer, solve_verified
from gnr.models.penalties import add_penalty, charge, curved_penalties
from gnr.models.penalty_search import TOLERANCE, Worth, search
from gnr.models.point import Multipliers, Point, Program
from gnr.models.promises import FIELDS, Promise, add_promise, scaled_bound
from gnr.models.read_off import fold_redundant_row, row_multipliers
from gnr.models.solver import Matrices, Outcome, Status
from gnr.plan import Occupancy
from gnr.slis.affine import Affine
from gnr.slis.indicator import Form


@dataclass(frozen=True)
class PromisedOptimum:
    """What a program with promises came to.

    Attributes
    ----------
    status
        How it ended.
    point
        The reported optimum.
    multipliers
        Of the rows of (P40), with the signs of THEORY 4.4.
    prices
        By promise, in file order: the slope of the best value in its bound; of a penalty, what it
        pays for one unit.
    bound
        No plan has a larger value, money/s per GPU; infinite if nothing is known.
    """

    status: Status
    point: Point | None = None
    multipliers: Multipliers | None = None
    prices: tuple[float, ...] = ()
    bound: float = float("inf")


def build_program(build: Any, program: Program, promises: Sequence[Promise]) -> Any:
    """Return the Pyomo model of (P49): a program of (P40) or (P42) with promises and penalties.

    Penalties that are not linear are held from below only (`gnr.models.penalties`).

    Parameters
    ----------
    build
        One of the functions of `gnr.models.programs`.
    program
        Rates, weights and demands; an empty decode buffer is demanded also where a promise asks.
    promises
        In file order; the k-th becomes the block ``sli_k``.
    """
    model = build(program.rates)
    if program.empty_decode_buffer:
        programs.require_empty_decode_buffer(model)
    if program.disaggregated:
        programs.require_disaggregation(model)
    (goal,) = model.component_data_objects(pyo.Objective, active=True)
    for k, promise in enumerate(promises):
        if promise.hard:
            add_promise(model, f"sli_{k}", promise)
        else:
            goal.set_value(goal.expr - add_penalty(model, f"sli_{k}", promise))
    return model


def optimum(build: Any, program: Program, promises: Sequence[Promise]) -> PromisedOptimum:
    """Return the optimum under promises and penalties, if it stands up to verification."""
    model = build_program(build, program, promises)
    curved = curved_penalties(model, promises)

    accepted = TOLERANCE if curved else verification.ACCEPTED_ERROR

    def solve() -> Solved:
        return solve_verified(model, partial(largest_values, model, program), accepted)

    def worth(outcome: Outcome) -> Worth:
        return _worth(program, promises, point_of(model, outcome, program))

    found = search(model, curved, solve, worth)
    outcome, answer = found.solved.outcome, found.solved.answer
    if answer is None:
        return PromisedOptimum(found.solved.status, bound=found.bound)
    for each in curved:
        each.keep(outcome)
    least = found.bound - found.allowed
    point = _reported(model, outcome, answer, program)
    if _worth(program, promises, point).value < least:
        point = point_of(model, outcome, program)
    multipliers = _multipliers(model, outcome, program, promises, point)
    prices = prices_of(model, outcome, promises, point)
    return PromisedOptimum(found.solved.status, point, multipliers, prices, found.bound)


def _worth(program: Program, promises: Sequence[Promise], point: Point) -> Worth:
    return Worth(program.revenue(point), sum(each.penalty(point) for each in promises))


def largest_values(model: Any, program: Program, outcome: Outcome, compiled: Matrices) -> Floats:
    """Return bounds that every point better than `outcome` keeps, by column of the matrices.

    No penalty can then be more than the difference of the objective to the largest revenue.
    """
    rates, slots = program.rates, program.rates.batch_slots
    queue = np.where(
        rates.patience_rate > 0,
        rates.arrival_rate / np.where(rates.patience_rate > 0, rates.patience_rate, 1.0),
        0.0,
    )
    most = {
        "prefill_occupancy": np.minimum(rates.full_prefill, 1.0),
        "mixed_decode_occupancy": np.full(rates.classes, slots),
        "solo_decode_occupancy": np.full(rates.classes, slots),
        "prefill_queue": queue,
        "decode_queue": queue,
    }
    anything = max(float(slots), float(queue.max(initial=0.0)))
    columns = [
        data
        for component in model.component_objects(pyo.Var, descend_into=True)
        for data in component.values()
    ]
    by_data = {id(data): anything for data in columns}
    revenue = program.revenue(Point(**{name: most[FIELDS[name]] for name in FIELDS}))
    for cost in model.component_objects(pyo.Var, descend_into=True):
        if cost.local_name == "cost":
            by_data[id(cost)] = max(revenue - outcome.objective, 0.0)
    for name, values in most.items():
        for i, data in getattr(model, name).items():
            by_data[id(data)] = float(values[i])
    return np.array([by_data[id(data)] for data in compiled.columns])


def point_of(model: Any, outcome: Outcome, program: Program) -> Point:
    """Return the point of the programs that the solver found."""
    count = program.rates.classes
    columns = {
        name: np.maximum(outcome.primal(getattr(model, FIELDS[name]), count), 0.0)
        for name in Occupancy.model_fields
    }
    return Point(**columns)


def _reported(model: Any, outcome: Outcome, found: Answer, program: Program) -> Point:
    """Return the optimum that fills solo slots in file order (10.1(d)), as far as promises let."""
    solo, count = model.solo_decode_occupancy, program.rates.classes
    chosen = prefer(model, found, pyo.quicksum((count - i) * solo[i] for i in range(count)))
    if chosen is None:
        return point_of(model, outcome, program)
    return point_of(model, chosen, program)


def _multipliers(
    model: Any,
    outcome: Outcome,
    program: Program,
    promises: Sequence[Promise],
    point: Point,
) -> Multipliers:
    """Return multipliers of the rows of (P40); marginal values take in what promises add."""
    rates = program.rates
    found = row_multipliers(model, outcome, rates.classes)
    moved = {k: each for k, each in enumerate(promises) if _follows_arrivals(each)}
    if moved:  # each class costs the forms anew: quadratic in the classes
        added = [_arrival_slope(model, outcome, moved, point, i) for i in range(rates.classes)]
        found = replace(found, marginal_value=found.marginal_value + np.array(added))
    return fold_redundant_row(found, rates, point)


def _follows_arrivals(promise: Promise) -> bool:
    """Whether an arrival rate stands in the form of a promise, or in what its penalty is from."""
    rates = promise.scope.rates
    doubled = replace(promise.scope, rates=replace(rates, arrival_rate=2 * rates.arrival_rate))
    best = promise.indicator.best
    return promise.indicator.form(doubled) != promise.form or (
        best is not None and bool(best(doubled) != best(promise.scope))
    )


def _arrival_slope(
    model: Any, outcome: Outcome, promises: Mapping[int, Promise], point: Point, i: int
) -> float:
    """Return what one more arrival of class `i` is worth by the rows of promises, money/request.

    Those rows are affine in the arrival rate, so that a finite difference is exact.
    """
    slope = 0.0
    for k, promise in promises.items():
        rates = promise.scope.rates
        more = np.array(rates.arrival_rate)
        more[i] *= 2
        doubled = replace(promise.scope, rates=replace(rates, arrival_rate=more))
        other = replace(promise, scope=doubled)
        block = getattr(model, f"sli_{k}")
        change = 0.0 if promise.hard else _penalty_change(block, outcome, promise, other, point)
        for row, here, there in _rows(block, promise, other.form):
            multiplier = float(outcome.duals.get(row, 0.0))
            if multiplier:
                change += multiplier * _value(block, outcome, there - here, point)
        slope -= change / float(rates.arrival_rate[i])
    return slope


def _penalty_change(
    block: Any, outcome: Outcome, promise: Promise, other: Promise, point: Point
) -> float:
    """Return by how much a penalty differs for other arrivals, to first order, money/s per GPU."""
    value = promise.value(point)
    if np.isnan(value):
        return 0.0
    here, there = (each.form.excess("at_most", value) for each in (promise, other))
    size = _value(block, outcome, promise.form.denominator, point)
    moved = value + _value(block, outcome, there - here, point) / size
    return float(charge(other, moved) - charge(promise, value))


def _rows(block: Any, promise: Promise, other: Form) -> Iterator[tuple[Any, Affine, Affine]]:
    """Yield the rows of a promise with what they want at most 0, here and for another form."""
    here = promise.form
    for k, (one, two) in enumerate(zip(here.definitions, other.definitions, strict=True)):
        yield block.definition[k], one, two
    if promise.hard:
        direction, bound = promise.direction, promise.bound
        yield block.bound, here.excess(direction, bound), other.excess(direction, bound)


def _value(block: Any, outcome: Outcome, affine: Affine, point: Point) -> float:
    """Return an affine function at the optimum, auxiliary variables included."""
    found = float(affine.constant)
    for (name, i), coefficient in affine.coefficients.items():
        known = name in FIELDS
        at = getattr(point, name)[i] if known else outcome.values.get(block.auxiliary[name], 0.0)
        found += float(coefficient) * float(at)
    return found


def prices_of(
    model: Any, outcome: Outcome, promises: Sequence[Promise], point: Point
) -> tuple[float, ...]:
    """Return the derivative of the value in each bound; of a penalty its weight."""
    return tuple(_price(model, outcome, k, each, point) for k, each in enumerate(promises))


def _price(model: Any, outcome: Outcome, k: int, promise: Promise, point: Point) -> float:
    if not promise.hard:
        return float(promise.sli.penalty_weight or 0.0)
    multiplier = outcome.duals.get(getattr(model, f"sli_{k}").bound, 0.0)
    return scaled_bound(promise, point, float(multiplier))


def demanded(program: Program, promises: Sequence[Promise]) -> Program:
    """Return the program with the demands that its promises come with."""
    buffers = any(promise.form.empty_decode_buffer for promise in promises)
    return replace(program, empty_decode_buffer=program.empty_decode_buffer or buffers)
