"""From an instance to its optimal steady state: build, solve, verify, read off."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC

from gnr.arrays import Flags, Floats
from gnr.checks import CAPACITIES, warnings_for
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.models import chosen_optimum, optimal_face, programs, verification
from gnr.models.point import (
    Multipliers,
    Point,
    RevenueWeights,
    bundled_weights,
    separate_weights,
)
from gnr.models.shortfall import explain_shortfall
from gnr.models.solver import Outcome, Status, optimize, optimize_scaled
from gnr.plan import Occupancy
from gnr.provenance import record
from gnr.rates import Rates, rates_of
from gnr.result import (
    ClassSolution,
    MarginalRanges,
    Range,
    Shortfall,
    Solution,
    Tpot,
    Unique,
)

PROGRAMS = {
    "bundled": (programs.bundled_program, bundled_weights),
    "separate": (programs.separate_program, separate_weights),
}
"""Program and revenue weights of each pricing scheme."""


NO_NUMBERS: dict[str, Any] = {
    "revenue_rate": None,
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
    options: Mapping[str, Any] | None = None,
) -> Solution:
    """Return the optimal steady state of an instance.

    Parameters
    ----------
    instance
        What to solve; its pricing scheme chooses between (P40) and (P42).
    empty_decode_buffer
        Demand that no request waits for a decode slot, q_d = 0.
    options
        Further options to write into the provenance.

    Raises
    ------
    InputError
        If the instance has SLIs, which this version does not optimise under.
    """
    _refuse_slis(instance)
    with PauseGC():  # a large model is many small objects, none of them garbage
        return _solve(instance, empty_decode_buffer, dict(options or {}))


def _solve(instance: Instance, empty_decode_buffer: bool, options: dict[str, Any]) -> Solution:
    started = time.perf_counter()
    rates = rates_of(instance)
    build, weigh = PROGRAMS[instance.prices.scheme]
    weights = weigh(rates)
    model = build(rates)
    if empty_decode_buffer:
        programs.require_empty_decode_buffer(model)
    status, point, multipliers = _optimum(model, instance, rates, weights, empty_decode_buffer)
    warnings, numbers = warnings_for(instance), NO_NUMBERS
    shortfall: tuple[Shortfall, ...] = ()
    if status is Status.INFEASIBLE:
        shortfall = explain_shortfall(rates, [each.name for each in instance.classes])
    elif status is Status.OPTIMAL:
        numbers = _read_off(instance, rates, weights, point, multipliers, empty_decode_buffer)
    else:
        warnings.append(f"the solver found no answer that stands up ({status}): nothing is known")
    return Solution(
        instance=instance,
        status=status.value,
        scheme=instance.prices.scheme,
        empty_decode_buffer=empty_decode_buffer,
        penalty=0.0,
        shortfall=shortfall,
        warnings=tuple(warnings),
        provenance=record(
            instance.sha256(), started, {"empty_decode_buffer": empty_decode_buffer} | options
        ),
        **numbers,
    )


def _refuse_slis(instance: Instance) -> None:
    problems = [
        Problem(
            "sli-not-supported",
            instance.name,
            f"slis[{index}]",
            f"the promise {sli.label!r} cannot be optimised under yet",
            "remove the [[slis]] table to solve without it",
        )
        for index, sli in enumerate(instance.slis)
    ]
    if problems:
        raise InputError(problems)


def _optimum(
    model: Any, instance: Instance, rates: Rates, weights: RevenueWeights, empty: bool
) -> tuple[Status, Point, Multipliers]:
    """Return status, reported point and multipliers; an optimum only if it is verified.

    An instance in which every class leaves at some rate is never infeasible (M-m), and no
    program is unbounded: such an answer, or one that fails verification, is asked for again
    in equilibrated form, and believed only if it stands up then.
    """
    status, point, multipliers = Status.LIMIT, _nothing(rates), _no_multipliers(rates)
    for attempt in (optimize, optimize_scaled):
        outcome = attempt(model)
        status = outcome.status
        if status is Status.OPTIMAL:
            point = _reported_point(model, outcome, instance, rates, empty)
            multipliers = _multipliers(model, outcome, rates, point)
            error = max(
                verification.infeasibility(rates, point),
                verification.suboptimality(
                    rates, weights, multipliers, point, empty_decode_buffer=empty
                ),
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


def _reported_point(
    model: Any, outcome: Outcome, instance: Instance, rates: Rates, empty: bool
) -> Point:
    """Return the optimum that is reported, whatever vertex the solver chose (10.1(d))."""
    count = rates.classes
    point = Point(
        *(
            outcome.primal(variable, count)
            for variable in (
                model.prefill_occupancy,
                model.mixed_decode_occupancy,
                model.solo_decode_occupancy,
                model.prefill_queue,
                model.decode_queue,
            )
        )
    )
    work = point.decode_work(rates)
    if empty:
        work = rates.decode_work * point.prefill
    elif instance.prices.scheme == "separate":
        work = chosen_optimum.fill_in_file_order(rates, point.prefill, work)
    elif rates.mixing_cost >= 0:
        point = chosen_optimum.drain_decode_buffer(rates, point)
        work = rates.decode_work * point.prefill
    return chosen_optimum.settle(rates, point.prefill, work)


def _multipliers(model: Any, outcome: Outcome, rates: Rates, point: Point) -> Multipliers:
    """Return the solver's multipliers; at sum x = 1 the redundant row is folded away."""
    found = Multipliers(
        float(outcome.duals.get(model.prefill_capacity, 0.0)),
        float(outcome.duals.get(model.mixed_decode_capacity, 0.0)),
        float(outcome.duals.get(model.solo_decode_capacity, 0.0)),
        outcome.dual(model.prefill_balance, rates.classes),
        outcome.dual(model.decode_balance, rates.classes),
    )
    if not _every_gpu_prefills(point):
        return found
    return replace(
        found,
        prefill_capacity=0.0,
        solo_decode_capacity=found.gpu_value(rates) / rates.batch_slots,
    )


def _every_gpu_prefills(point: Point) -> bool:
    return float(point.prefill.sum()) >= 1 - optimal_face.RELATIVE


def _read_off(
    instance: Instance,
    rates: Rates,
    weights: RevenueWeights,
    point: Point,
    multipliers: Multipliers,
    empty: bool,
) -> dict[str, Any]:
    """Return the fields of a `Solution` that an optimum has."""
    columns = {name: getattr(point, name).tolist() for name in Occupancy.model_fields}
    value, eta = multipliers.marginal_value.tolist(), multipliers.decode_marginal.tolist()
    classes = tuple(
        ClassSolution(
            name=each.name,
            marginal_value=value[i],
            decode_marginal=eta[i],
            **{name: column[i] for name, column in columns.items()},
        )
        for i, each in enumerate(instance.classes)
    )
    capacities: list[float | None] = [
        multipliers.prefill_capacity,
        multipliers.mixed_decode_capacity,
        multipliers.solo_decode_capacity,
    ]
    if _every_gpu_prefills(point):
        capacities[0] = None
    return {
        "revenue_rate": weights.revenue(rates, point),
        "classes": classes,
        "totals": Occupancy(**{name: float(np.sum(column)) for name, column in columns.items()}),
        "marginals": dict(zip(CAPACITIES, capacities, strict=True)),
        "gpu_value": multipliers.gpu_value(rates),
        "tpot": _tpot(rates, point),
        "unique": _unique(instance, rates, weights, point, empty),
    }


def _tpot(rates: Rates, point: Point) -> Tpot:
    """Return both means of the time per output token (eqs. P47 and D9)."""
    used = float(point.prefill.sum())
    mixed_slots, solo_slots = (rates.batch_slots - 1) * used, rates.batch_slots * (1 - used)
    slot_time = rates.mixed_time * mixed_slots + rates.solo_time * solo_slots
    mixed, solo = float(point.mixed_decode.sum()), float(point.solo_decode.sum())
    tokens = mixed / rates.mixed_time + solo / rates.solo_time
    return Tpot(
        capacity=slot_time / (mixed_slots + solo_slots),
        token_mean=(mixed + solo) / tokens if tokens > 0 else None,
    )


def _unique(
    instance: Instance, rates: Rates, weights: RevenueWeights, point: Point, empty: bool
) -> Unique:
    reported = "solo slots filled by the classes in file order, the rest decoding mixed"
    if not np.all(rates.patience_rate > 0):
        reported += "; queues of classes that never leave are open and shown as 0"
    face = optimal_face.price_face(rates, weights, point, empty_decode_buffer=empty)
    if face is None:
        undecided = dict.fromkeys((*Occupancy.model_fields, "marginals"), None)
        return Unique(**undecided, ranges=MarginalRanges(), reported=reported)
    variables = optimal_face.uniqueness(rates, weights, point, face, empty_decode_buffer=empty)
    ranges = _ranges(instance, rates, weights, point, face, empty)
    return Unique(
        **vars(variables),
        marginals=face.unique and not any(vars(ranges).values()),
        ranges=ranges,
        reported=reported,
    )


def _ranges(
    instance: Instance,
    rates: Rates,
    weights: RevenueWeights,
    point: Point,
    face: optimal_face.PriceFace,
    empty: bool,
) -> MarginalRanges:
    """Return the ends of the multipliers that are not unique (THEORY 4.4 (iii))."""
    names = [each.name for each in instance.classes]
    corners, far = face.corners, face.at_infinity
    if face.unique:
        corners, far = face.center[None, :], np.zeros(1, dtype=np.bool_)
    at_corners = [
        optimal_face.marginals_at(rates, weights, corner, empty_decode_buffer=empty)
        for corner in corners
    ]
    value = np.array([phi for phi, _ in at_corners])
    eta_low = np.array([eta for _, eta in at_corners])
    # A class that is shut out has no prefilled requests to lose: eta may be anything up to
    # what would make starting one worth while.
    shut_out = (point.prefill <= 0) & (not empty)
    started = [optimal_face.prefill_break_even(rates, weights, corner) for corner in corners]
    eta_high = np.where(shut_out, np.maximum(eta_low, np.array(started)), eta_low)
    return MarginalRanges(
        marginals=_capacity_ranges(rates, point, corners, far),
        marginal_value=_ends(names, value, value, rates.reward, far),
        decode_marginal=_ends(names, eta_low, eta_high, rates.reward, far),
        gpu_value=_gpu_range(rates, corners, far),
    )


def _gpu_range(rates: Rates, corners: Floats, far: Flags) -> Range | None:
    """Return [right, left] derivative in the number of GPUs, None where they agree."""
    worth = rates.speed_ratio * rates.batch_slots * corners[:, :1] + corners[:, 1:]
    sizes = np.max(np.abs(worth[~far]), axis=0, initial=0.0)
    return _ends(["gpu"], worth, worth, sizes, far).get("gpu")


def _capacity_ranges(rates: Rates, point: Point, corners: Floats, far: Flags) -> dict[str, Range]:
    """Return [right, left] derivative in each capacity where they differ."""
    decode, prefill = corners[:, 0], corners[:, 1]
    solo_low = rates.speed_ratio * decode
    crowded = _every_gpu_prefills(point)
    solo_high = solo_low + prefill / rates.batch_slots if crowded else solo_low
    prefill_low = np.zeros_like(prefill) if crowded else prefill
    low = np.stack([prefill_low, decode, solo_low], axis=1)
    high = np.stack([prefill, decode, solo_high], axis=1)
    sizes = np.full(3, float(np.max(np.abs(corners[~far]), initial=0.0)))
    return _ends(list(CAPACITIES), low, high, sizes, far)


def _ends(
    names: list[str], low: Floats, high: Floats, sizes: Floats, far: Flags
) -> dict[str, Range]:
    """Return the ends over the corners of the quantities that are not unique, by name.

    `low` and `high` have shape ``(corners, names)``; an end reached at infinity is None.
    """
    spread = high.max(axis=0) - low.min(axis=0)
    return {
        name: (
            None if far[low[:, i].argmin()] else float(low[:, i].min()),
            None if far[high[:, i].argmax()] else float(high[:, i].max()),
        )
        for i, name in enumerate(names)
        if spread[i] > optimal_face.SPREAD * sizes[i]
    }
