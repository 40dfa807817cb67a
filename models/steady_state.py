"""From an instance to its optimal steady state: build, solve, verify, read off."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC

from gnr.checks import warnings_for
from gnr.instance import Instance
from gnr.models import chosen_optimum, programs, promised_state, verification
from gnr.models.cautions import cautions
from gnr.models.conflict import find_conflict, shortfall_of
from gnr.models.exact_uniqueness import settle
from gnr.models.point import (
    Multipliers,
    Point,
    Program,
    bundled_weights,
    separate_weights,
)
from gnr.models.promises import Promise, promises_of
from gnr.models.read_off import (
    fold_redundant_row,
    kept_promises,
    read_off,
    row_multipliers,
    unique_under_promises,
    uniqueness_of,
)
from gnr.models.shortfall import explain_shortfall
from gnr.models.solver import Outcome, Status, optimize, optimize_scaled
from gnr.provenance import record
from gnr.rates import Rates, rates_of
from gnr.result import Conflict, Shortfall, Solution

PROGRAMS = {
    "bundled": (programs.bundled_program, bundled_weights),
    "separate": (programs.separate_program, separate_weights),
}
"""Program and revenue weights of each pricing scheme."""


NO_NUMBERS: dict[str, Any] = {
    "revenue_rate": None,
    "unpromised_revenue_rate": None,
    "penalty": 0.0,
    "penalty_bound": None,
    "promises": (),
    "classes": (),
    "totals": None,
    "marginals": {},
    "gpu_value": None,
    "tpot": None,
    "unique": None,
}
"""What a `Solution` that is not optimal has in place of numbers."""


def solve(
    instance: Instance,
    *,
    empty_decode_buffer: bool = False,
    disaggregated: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Solution:
    """Return the optimal steady state of an instance.

    Parameters
    ----------
    instance
        What to solve; its pricing scheme chooses between (P40) and (P42).
    empty_decode_buffer
        Demand that no request waits for a decode slot, q_d = 0.
    disaggregated
        Demand that no GPU decodes while it prefills, y_m = 0.
    options
        Further options to write into the provenance.

    """
    demands = {"empty_decode_buffer": empty_decode_buffer, "disaggregated": disaggregated}
    with PauseGC():  # a large model is many small objects, none of them garbage
        return _solve(instance, demands, dict(options or {}))


def _solve(instance: Instance, demands: dict[str, bool], options: dict[str, Any]) -> Solution:
    started = time.perf_counter()
    rates = rates_of(instance)
    build, weigh = PROGRAMS[instance.prices.scheme]
    plain = program = Program(rates, weigh(rates), **demands)
    promises = promises_of(instance, rates)
    warnings = warnings_for(instance)
    shortfall: tuple[Shortfall, ...] = ()
    conflict: Conflict | None = None
    basis = promised_state.demanded(program, [each for each in promises if not each.hard])
    if promises:
        program = promised_state.demanded(program, promises)
        status, numbers, doubts = _under_promises(instance, program, promises)
        warnings.extend(doubts)
        if status is Status.OPTIMAL:
            numbers |= {"unpromised_revenue_rate": _unpromised(instance, plain, numbers)}
    else:
        status, numbers = _without_promises(instance, program)
    if status is Status.INFEASIBLE:
        conflict = find_conflict(build, plain, promises) if promises else None
        shortfall = (
            explain_shortfall(basis, [each.name for each in instance.classes])
            if conflict is None
            else shortfall_of(conflict)
        )
    elif status is not Status.OPTIMAL:
        warnings.append(f"the solver found no answer that stands up ({status}): nothing is known")
        if numbers["penalty_bound"] is not None:
            warnings[-1] = (
                "the search over the penalties was given up: no plan is worth more than "
                f"{numbers['penalty_bound']:.9g} money/s per GPU"
            )
    return Solution(
        instance=instance,
        status=status.value,
        scheme=instance.prices.scheme,
        shortfall=shortfall,
        conflict=conflict,
        warnings=tuple(warnings),
        provenance=record(instance.sha256(), started, demands | options),
        empty_decode_buffer=program.empty_decode_buffer,
        disaggregated=program.disaggregated,
        **numbers,
    )


def _without_promises(instance: Instance, program: Program) -> tuple[Status, dict[str, Any]]:
    """Return status and numbers of the optimum of (P40) or (P42)."""
    status, point, multipliers = _optimum(instance, program)
    if status is not Status.OPTIMAL:
        return status, NO_NUMBERS
    numbers = read_off(instance, program, point, multipliers)
    return status, NO_NUMBERS | numbers | {
        "gpu_value": multipliers.gpu_value(program.rates),
        "unique": uniqueness_of(instance, program, point),
    }


def _under_promises(
    instance: Instance, program: Program, promises: Sequence[Promise]
) -> tuple[Status, dict[str, Any], list[str]]:
    """Return status and numbers of the optimum of (P49), and what speaks against them."""
    build, _ = PROGRAMS[instance.prices.scheme]
    found = promised_state.optimum(build, program, promises)
    if found.point is None or found.multipliers is None:
        known = found.bound if np.isfinite(found.bound) else None
        return found.status, NO_NUMBERS | {"penalty_bound": known}, []
    numbers = read_off(instance, program, found.point, found.multipliers)
    penalty = sum(each.penalty(found.point) for each in promises)
    value = numbers["revenue_rate"] - penalty
    bound = None if all(each.hard for each in promises) else max(found.bound, value)
    phi, rates = found.multipliers.marginal_value, program.rates
    kept = kept_promises(promises, found.point, found.prices)
    prices = numbers["marginals"] | {each.name: each.price for each in kept}
    settled = settle(instance, program, found.point)
    doubt = None if settled is None else settled.doubt(numbers["revenue_rate"])
    numbers |= {
        # Euler: one more GPU at the same demand is a little less demand for each.
        "gpu_value": value - float(phi @ rates.arrival_rate),
        "marginals": prices,
        "penalty": penalty,
        "penalty_bound": bound,
        "promises": kept,
        "unique": unique_under_promises(settled, rates, numbers["classes"], prices),
    }
    names = [each.name for each in instance.classes]
    told = cautions(build, names, program, promises, found.point)
    return found.status, numbers, [*([] if doubt is None else [doubt]), *told]


def _unpromised(instance: Instance, plain: Program, numbers: dict[str, Any]) -> float | None:
    """Return the best revenue without promises; that of the plan under them is no better."""
    status, point, _ = _optimum(instance, plain)
    if status is not Status.OPTIMAL:
        return None
    return max(plain.revenue(point), float(numbers["revenue_rate"]))


def _optimum(instance: Instance, program: Program) -> tuple[Status, Point, Multipliers]:
    """Return status, reported point and multipliers of (P40) or (P42), verified if optimal.

    An instance in which every class leaves at some rate is never infeasible (M-m), and no
    program is unbounded: such an answer, or one that fails verification, is asked for again
    in equilibrated form, and believed only if it stands up then.
    """
    build, _ = PROGRAMS[instance.prices.scheme]
    model = build(program.rates)
    if program.empty_decode_buffer:
        programs.require_empty_decode_buffer(model)
    if program.disaggregated:
        programs.require_disaggregation(model)
    rates, status = program.rates, Status.LIMIT
    point, multipliers = _nothing(rates), _no_multipliers(rates)
    for attempt in (optimize, optimize_scaled):
        outcome = attempt(model)
        status = outcome.status
        if status is Status.OPTIMAL:
            point = _reported_point(model, outcome, instance, program)
            multipliers = fold_redundant_row(
                row_multipliers(model, outcome, rates.classes), rates, point
            )
            error = max(
                verification.infeasibility(rates, point),
                verification.suboptimality(program, multipliers, point),
            )
            if error <= verification.ACCEPTED_ERROR:
                return status, point, multipliers
            status = Status.LIMIT
    if status is Status.INFEASIBLE and not np.all(rates.patience_rate > 0):
        return status, point, multipliers
    return Status.LIMIT, point, multipliers


def _nothing(rates: Rates) -> Point:
    return Point(*(np.zeros(rates.classes) for _ in range(5)))


def _no_multipliers(rates: Rates) -> Multipliers:
    return Multipliers(0.0, 0.0, 0.0, np.zeros(rates.classes), np.zeros(rates.classes))


def _reported_point(model: Any, outcome: Outcome, instance: Instance, program: Program) -> Point:
    """Return the optimum that is reported, whatever vertex the solver chose (10.1(d)).

    A solver that breaks down may return occupancies far below 0: at 0 they are none, and what is
    then missing in the balances is noticed.
    """
    rates, count = program.rates, program.rates.classes
    point = Point(
        *(
            np.maximum(outcome.primal(variable, count), 0.0)
            for variable in (
                model.prefill_occupancy,
                model.mixed_decode_occupancy,
                model.solo_decode_occupancy,
                model.prefill_queue,
                model.decode_queue,
            )
        )
    )
    if program.disaggregated:
        point = replace(point, mixed_decode=np.zeros(count))
    work = point.decode_work(rates)
    if program.empty_decode_buffer:
        work = rates.decode_work * point.prefill
    elif instance.prices.scheme == "separate":
        work = chosen_optimum.fill_in_file_order(program, point.prefill, work)
    elif program.mixing_cost >= 0:
        point = chosen_optimum.drain_decode_buffer(rates, point)
        work = rates.decode_work * point.prefill
    return chosen_optimum.settle(program, point.prefill, work)
