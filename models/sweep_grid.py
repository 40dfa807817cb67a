"""Optima at all points of a grid: closed forms where they apply, re-solves elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.instance import Instance
from gnr.models.closed_optimum import (
    ClosedOptimum,
    bundled_optimum,
    prefill_cap,
    separate_optimum,
)
from gnr.models.point import Point
from gnr.models.promises import Promise, promises_of
from gnr.models.solver import Status
from gnr.models.warm_program import WarmOptimum, WarmProgram
from gnr.rates import Rates, rates_of
from gnr.spreading import spread, spreads
from gnr.varying import Parameter, plain, points_of, rates_over

CLOSED = {"bundled": bundled_optimum, "separate": separate_optimum}
"""Closed optimum of each pricing scheme."""

PROMISED = "mean_tpot"
"""The kind of promise that the closed forms can keep: it caps X (eq. D7)."""

STRETCH_POINTS = 64
"""Points that are solved one from the other: some tenths of a second."""

_ONE_AT_A_TIME = Lock()

USED_UP = 1e-7
"""Relative distance at which a capacity counts as used up at a re-solved point."""


@dataclass(frozen=True)
class Grid:
    """Numbers of all points, shape ``(points,)`` each; nan where there is none.

    Attributes
    ----------
    rates
        Rates at the points; class arrays of shape ``(points, classes)`` or ``(classes,)``.
    columns
        Arrays by the names of `gnr.sweep_result.UNITS`.
    binding, method
        What is short, and how it was solved.
    complete
        Whether no point is missing.
    """

    rates: Rates
    columns: dict[str, Floats]
    binding: Any
    method: Any
    complete: bool


def solve_grid(
    instance: Instance,
    parameters: Sequence[Parameter],
    progress: Callable[[int], None] = lambda done: None,
) -> Grid:
    """Return the optima of an instance at all points of a grid, the last axis running fastest.

    `progress` is told how many points are done. An interrupt leaves the others out.
    """
    rates = rates_over(instance, parameters)
    cap = _cap(rates, instance)
    found = CLOSED[instance.prices.scheme](rates, cap)
    binding = np.where(cap < 0, "infeasible", _closed_binding(found, cap)).astype(object)
    grid = Grid(rates, _columns(rates, found), binding, _closed_method(rates, instance), True)
    left = np.flatnonzero(np.isnan(found.revenue_rate) & ~(cap < 0))
    grid.binding[left], grid.method[left] = "missing", "re-solved"
    done = len(grid.binding) - len(left)
    try:
        for at, short, numbers in _re_solved(instance, parameters, left):
            grid.binding[at] = short
            for name, value in numbers.items():
                grid.columns[name][at] = value
            done += 1
            progress(done)
    except KeyboardInterrupt:
        return Grid(rates, grid.columns, grid.binding, grid.method, False)
    return grid


@dataclass(frozen=True)
class _Stretch:
    """Points that are solved one after the other, each from the optimum of the one before.

    Attributes
    ----------
    instance, parameters
        What is varied.
    places
        Numbers of the points in the grid.
    points
        Their values, by point and parameter.
    """

    instance: Instance
    parameters: Sequence[Parameter]
    places: Sequence[int]
    points: Sequence[Sequence[Any]]


def _re_solved(
    instance: Instance, parameters: Sequence[Parameter], left: Any
) -> Iterator[tuple[int, str, dict[str, float]]]:
    """Yield the places in `left`, what is short there, and the numbers by column.

    An optimum found from another one may be another of several, or differ in its last digits: the
    stretches are therefore the same whether they are solved here or elsewhere.
    """
    points = points_of(parameters)
    stretches = [
        _Stretch(instance, parameters, places, [points[at] for at in places])
        for first in range(0, len(left), STRETCH_POINTS)
        if (places := left[first : first + STRETCH_POINTS].tolist())
    ]
    if spreads():
        for _, found in spread(_solve_stretch, stretches):
            yield from found
    else:
        for stretch in stretches:
            yield from _solved(stretch)


def _solve_stretch(stretch: _Stretch) -> list[tuple[int, str, dict[str, float]]]:
    """Solve a stretch in a worker, which may have other threads: Pyomo is not made for several."""
    with _ONE_AT_A_TIME:
        return list(_solved(stretch))


def _solved(stretch: _Stretch) -> Iterator[tuple[int, str, dict[str, float]]]:
    data, program = plain(stretch.instance), WarmProgram()
    for at, values in zip(stretch.places, stretch.points, strict=True):
        for parameter, value in zip(stretch.parameters, values, strict=True):
            parameter.put(data, value)
        here = Instance.model_validate(data)
        yield at, *_judged(here, program.optimum(here))


def per_point(rates: Rates, values: Any) -> Floats:
    """Return a GPU figure as one number for each point."""
    shape = np.broadcast_shapes(np.shape(values), rates.full_prefill.shape)
    return np.array(np.broadcast_to(values, shape)[..., 0])


def _cap(rates: Rates, instance: Instance) -> Floats:
    """Return the largest X that the promises let; nan where that is not all they ask."""
    cap = per_point(rates, 1.0)
    for sli in instance.slis:
        if sli.kind == PROMISED and sli.at_most is not None:
            cap = np.minimum(cap, prefill_cap(rates, sli.at_most))
        else:
            cap = np.full_like(cap, np.nan)
    return cap


def _closed_binding(found: ClosedOptimum, cap: Floats) -> Any:
    decode, prefill = found.decode_price > 0, found.prefill_price > 0
    return _words(decode, prefill & (cap >= 1), prefill & (cap < 1))


def _words(decode: Flags, prefill: Flags, promise: Flags) -> Any:
    """Return what is short at each point in words."""
    parts = (("decode", decode), ("prefill", prefill), ("promise", promise))
    words = np.full(np.shape(decode), "", dtype=object)
    for name, short in parts:
        words = words + np.where(short, np.where(words == "", name, f" + {name}"), "")
    return np.where(words == "", "none", words)


def _closed_method(rates: Rates, instance: Instance) -> Any:
    if instance.prices.scheme == "separate":
        return np.full(len(rates.full_prefill), "closed form (D5)", dtype=object)
    above = per_point(rates, rates.mixing_cost) >= 0
    return np.where(above, "closed form (D4)", "closed form (D12)").astype(object)


def _columns(rates: Rates, found: ClosedOptimum) -> dict[str, Floats]:
    """Return the numbers of closed optima, solo slots filled first (10.1(d))."""
    slots, mixed, solo, ratio = (
        per_point(rates, each)
        for each in (rates.batch_slots, rates.mixed_time, rates.solo_time, rates.speed_ratio)
    )
    used, work = found.mixed_share, found.decode_work
    on_solo = np.minimum(work / ratio, slots * (1 - used))
    on_mixed = work - ratio * on_solo
    tokens = on_mixed / mixed + on_solo / solo
    slot_time = mixed * (slots - 1) * used + solo * slots * (1 - used)
    token_mean = np.divide(
        on_mixed + on_solo, tokens, where=tokens > 0, out=np.full_like(used, np.nan)
    )
    return {
        "revenue_rate": np.array(found.revenue_rate),
        "penalty": np.where(np.isnan(found.revenue_rate), np.nan, 0.0),
        "mixed_share": np.array(used),
        "tpot_capacity": slot_time / (slots - used),
        "tpot_token_mean": token_mean,
        "speed_ratio": ratio,
        "speed_threshold": (slots - 1) / slots,
        "decode_price": np.array(found.decode_price),
        "prefill_price": np.array(found.prefill_price),
    }


def _judged(instance: Instance, optimum: WarmOptimum) -> tuple[str, dict[str, float]]:
    """Return what is short, which is what is used up, and the numbers by column."""
    if optimum.point is None:
        infeasible = optimum.status is Status.INFEASIBLE
        return "infeasible" if infeasible else "undecided", {}
    rates, point = rates_of(instance), optimum.point
    used, mixed, solo = (
        float(each.sum()) for each in (point.prefill, point.mixed_decode, point.solo_decode)
    )
    slots, tokens = rates.batch_slots, mixed / rates.mixed_time + solo / rates.solo_time
    slot_time = rates.mixed_time * (slots - 1) * used + rates.solo_time * slots * (1 - used)
    found = {
        "revenue_rate": optimum.revenue_rate,
        "penalty": optimum.penalty,
        "mixed_share": used,
        "tpot_capacity": slot_time / (slots - used),
        "tpot_token_mean": (mixed + solo) / tokens if tokens > 0 else np.nan,
    }
    capacity = rates.speed_ratio * slots
    spent = mixed + rates.speed_ratio * solo + rates.mixing_cost * used
    promises = promises_of(instance, rates)
    word = _words(
        np.array(spent >= (1 - USED_UP) * capacity),
        np.array(used >= 1 - USED_UP),
        np.array(
            any(
                _short(each, price, optimum)
                for each, price in zip(promises, optimum.prices, strict=True)
            )
        ),
    ).item()
    turned_away = word == "none" and _leaving(rates, point) > USED_UP * rates.arrival_rate.sum()
    return _turning_away(promises, point) if turned_away else word, found


def _short(promise: Promise, price: float, optimum: WarmOptimum) -> bool:
    """Tell whether a promise is kept with nothing to spare and would earn more if looser."""
    if not promise.hard or optimum.point is None:
        return False
    value, bound = promise.value(optimum.point), promise.bound
    room = max(abs(bound), abs(value), 1e-3)
    costs = abs(price) * room > USED_UP * abs(optimum.revenue_rate)
    return costs and abs(value - bound) <= USED_UP * room


def _leaving(rates: Rates, point: Point) -> float:
    """Return the requests that leave without an answer, 1/s per GPU."""
    return float(rates.patience_rate @ (point.prefill_queue + point.decode_queue))


def _turning_away(promises: Sequence[Promise], point: Point) -> str:
    """Return what turns requests away where there is room for them."""
    if any(each.hard and np.isnan(each.value(point)) for each in promises):
        return "promise"
    return "none" if all(each.hard for each in promises) else "penalty"
