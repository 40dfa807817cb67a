"""What is read off an optimum: numbers, prices, and how unique they are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.checks import CAPACITIES
from gnr.instance import Instance
from gnr.models import optimal_face
from gnr.models.exact_uniqueness import Settled
from gnr.models.point import Multipliers, Point, Program
from gnr.models.promises import Promise
from gnr.models.solver import Outcome
from gnr.plan import Occupancy
from gnr.rates import Rates
from gnr.result import ClassSolution, MarginalRanges, PlannedPromise, Range, Tpot, Unique

BEYOND = 100.0
"""Multiple of its magnitude from which a multiplier at a corner at infinity is infinite."""


def every_gpu_prefills(point: Point) -> bool:
    """Whether the prefill row is tight, and so not told apart from the solo row (4.4 (ii))."""
    return float(point.prefill.sum()) >= 1 - optimal_face.RELATIVE


def row_multipliers(model: Any, outcome: Outcome, classes: int) -> Multipliers:
    """Return the solver's multipliers of the rows of (P40)."""
    return Multipliers(
        float(outcome.duals.get(model.prefill_capacity, 0.0)),
        float(outcome.duals.get(model.mixed_decode_capacity, 0.0)),
        float(outcome.duals.get(model.solo_decode_capacity, 0.0)),
        outcome.dual(model.prefill_balance, classes),
        outcome.dual(model.decode_balance, classes),
    )


def fold_redundant_row(found: Multipliers, rates: Rates, point: Point) -> Multipliers:
    """Return multipliers in which, at sum x = 1, the redundant prefill row has none."""
    if not every_gpu_prefills(point):
        return found
    return replace(
        found,
        prefill_capacity=0.0,
        solo_decode_capacity=found.gpu_value(rates) / rates.batch_slots,
    )


def read_off(
    instance: Instance, program: Program, point: Point, multipliers: Multipliers
) -> dict[str, Any]:
    """Return the fields of a `Solution` that any optimum has."""
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
    if every_gpu_prefills(point):
        capacities[0] = None
    return {
        "revenue_rate": program.revenue(point),
        "classes": classes,
        "totals": Occupancy(**{name: float(np.sum(column)) for name, column in columns.items()}),
        "marginals": dict(zip(CAPACITIES, capacities, strict=True)),
        "tpot": _tpot(program, point),
    }


def _tpot(program: Program, point: Point) -> Tpot:
    """Return both means of the time per output token (eqs. P47 and D9)."""
    rates = program.rates
    used = float(point.prefill.sum())
    mixed_slots, solo_slots = (rates.batch_slots - 1) * used, rates.batch_slots * (1 - used)
    slot_time = rates.mixed_time * mixed_slots + rates.solo_time * solo_slots
    mixed, solo = float(point.mixed_decode.sum()), float(point.solo_decode.sum())
    tokens = mixed / rates.mixed_time + solo / rates.solo_time
    return Tpot(
        capacity=(
            rates.solo_time if program.disaggregated else slot_time / (mixed_slots + solo_slots)
        ),
        token_mean=(mixed + solo) / tokens if tokens > 0 else None,
    )


def kept_promises(
    promises: Sequence[Promise], point: Point, prices: Sequence[float]
) -> tuple[PlannedPromise, ...]:
    """Return what a plan promises, what it attains and at what price, in file order."""
    return tuple(
        PlannedPromise(
            name=each.label,
            kind=each.sli.kind,
            class_name=each.sli.class_name,
            unit=each.indicator.unit,
            direction=each.direction,
            bound=each.bound if each.hard else None,
            penalty_weight=each.sli.penalty_weight,
            planned=_known(each.value(point)),
            price=price,
            penalty=each.penalty(point),
        )
        for each, price in zip(promises, prices, strict=True)
    )


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def unique_under_promises(
    settled: Settled | None,
    rates: Rates,
    classes: Sequence[ClassSolution],
    prices: Mapping[str, float | None],
) -> Unique:
    """Return which numbers of an optimum under promises are unique, so far as that is settled.

    Multipliers are left open where those reported, `prices` by capacity and promise among them, do
    not lie between the exact ends: a kink of the value is then within rounding.
    """
    reported = (
        "of the optima the one with most on solo slots, the first classes of the file "
        "first, as far as the promises let"
    )
    if settled is None or settled.value is None:
        open_ = dict.fromkeys((*Occupancy.model_fields, "marginals"), None)
        return Unique(**open_, ranges=MarginalRanges(), reported=reported)
    ranges = settled.ranges
    unique = not any(vars(ranges).values()) if settled.holds(rates, classes, prices) else None
    return Unique(**settled.variables, marginals=unique, ranges=ranges, reported=reported)


def uniqueness_of(instance: Instance, program: Program, point: Point) -> Unique:
    """Return which numbers of an optimum without promises are unique."""
    reported = "solo slots filled by the classes in file order, the rest decoding mixed"
    if program.disaggregated:
        reported = "all decodes on GPUs that only decode"
    if not np.all(program.rates.patience_rate > 0):
        reported += "; queues of classes that never leave are open and shown as 0"
    face = optimal_face.price_face(program, point)
    if face is None:
        undecided = dict.fromkeys((*Occupancy.model_fields, "marginals"), None)
        return Unique(**undecided, ranges=MarginalRanges(), reported=reported)
    variables = optimal_face.uniqueness(program, point, face)
    if not variables.decode_queue and instance.prices.scheme == "separate":
        reported += "; decodes given out in file order, who does not fit waits"
    if not variables.prefill:
        reported += "; of the choices whom to let in, the one the solver found"
    ranges = _ranges(instance, program, point, face)
    return Unique(
        **vars(variables),
        marginals=face.unique and not any(vars(ranges).values()),
        ranges=ranges,
        reported=reported,
    )


def _ranges(
    instance: Instance, program: Program, point: Point, face: optimal_face.PriceFace
) -> MarginalRanges:
    """Return the ends of the multipliers that are not unique (THEORY 4.4 (iii))."""
    rates = program.rates
    names = [each.name for each in instance.classes]
    corners, far = face.corners, face.at_infinity
    if face.unique:
        corners, far = face.center[None, :], np.zeros(1, dtype=np.bool_)
    at_corners = [optimal_face.marginals_at(program, corner) for corner in corners]
    value = np.array([phi for phi, _ in at_corners])
    eta_low = np.array([eta for _, eta in at_corners])
    # A class that is shut out has no prefilled requests to lose: eta may be anything up to
    # what would make starting one worth while.
    shut_out = point.prefill <= 0
    started = [optimal_face.prefill_break_even(program, corner) for corner in corners]
    eta_high = np.where(shut_out, np.maximum(eta_low, np.array(started)), eta_low)
    return MarginalRanges(
        marginals=_capacity_ranges(program, point, face, corners, far),
        marginal_value=_ends(names, value, value, rates.reward, far),
        decode_marginal=_ends(names, eta_low, eta_high, rates.reward, far),
        gpu_value=_gpu_range(rates, face, corners, far),
    )


def _gpu_range(
    rates: Rates, face: optimal_face.PriceFace, corners: Floats, far: Flags
) -> Range | None:
    """Return [right, left] derivative in the number of GPUs, None where they agree."""
    weights = np.array([[rates.speed_ratio * rates.batch_slots], [1.0]])
    return _ends(["gpu"], corners @ weights, corners @ weights, face.scale @ weights, far).get(
        "gpu"
    )


def _capacity_ranges(
    program: Program, point: Point, face: optimal_face.PriceFace, corners: Floats, far: Flags
) -> dict[str, Range]:
    """Return [right, left] derivative in each capacity where they differ.

    Where every GPU prefills, the value nu of a prefill can be laid on the prefill row or, divided
    by B, on the solo row. With disaggregation the mixed row never binds.
    """
    slots, ratio = program.rates.batch_slots, program.rates.speed_ratio
    mixed = 0.0 if program.disaggregated else 1.0
    own = np.array([[0.0, mixed, ratio], [1.0, 0.0, 0.0]])
    low = high = corners @ own
    if every_gpu_prefills(point):
        low = corners @ np.array([[0.0, mixed, ratio], [0.0, 0.0, 0.0]])
        high = corners @ np.array([[0.0, mixed, ratio], [1.0, 0.0, 1.0 / slots]])
    return _ends(list(CAPACITIES), low, high, face.scale @ own, far)


def _ends(
    names: list[str], low: Floats, high: Floats, sizes: Floats, far: Flags
) -> dict[str, Range]:
    """Return the ends over the corners of the quantities that are not unique, by name.

    `low` and `high` have shape ``(corners, names)``, `sizes` are magnitudes of the quantities.
    An end that a corner at infinity drives beyond all magnitudes is None.
    """

    def finite(values: Floats, corner: int, i: int) -> float | None:
        found = float(values[corner, i])
        return None if far[corner] and abs(found) > BEYOND * sizes[i] else found

    spread = high.max(axis=0) - low.min(axis=0)
    return {
        name: (finite(low, int(low[:, i].argmin()), i), finite(high, int(high[:, i].argmax()), i))
        for i, name in enumerate(names)
        if spread[i] > optimal_face.SPREAD * sizes[i]
    }
