"""From a grid of optima to the document of `gnr sweep`: the best point, kinks, the price claim."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.checks import problems_in
from gnr.errors import InputError
from gnr.instance import Instance
from gnr.models.sweep_grid import CLOSED, Grid, per_point, solve_grid
from gnr.provenance import record
from gnr.rates import ROUNDING, compute_rates, parameters_of
from gnr.sweep_result import Alone, Axis, Best, Kink, Numbers, PriceSegment, Sweep
from gnr.varying import PRICE_PATHS, parse_axes, plain

SAME = 1e-9
"""Relative difference below which two revenues are the same."""

SEGMENT_POINTS = 201
"""Price vectors on the segment c_p + c_d = k."""

ENDS = ("all on output tokens", "all on prompt tokens")


def sweep(
    instance: Instance,
    vary: str | Sequence[str],
    *,
    tpot_at_most: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
    options: Mapping[str, Any] | None = None,
) -> Sweep:
    """Return the optimum over a grid of one or two parameters.

    Parameters
    ----------
    instance
        What is varied; its promises hold at every point.
    vary
        One or two texts ``PATH=FROM:TO[:COUNT][:log]`` or ``PATH=VALUE,VALUE,...``, the path as
        in `gnr.load`; an integer takes every value in between if no count is given.
    tpot_at_most
        One more promise: the mean time per output token (P47) is at most this, s.
    progress
        Told how many points are done, those without promises counted again; not called where
        closed forms suffice.
    options
        Further options to write into the provenance.

    Raises
    ------
    InputError
        If a text cannot be read, or the instance at a corner of the grid is not valid.
    """
    started = time.perf_counter()
    texts = [vary] if isinstance(vary, str) else list(vary)
    if tpot_at_most is not None:
        instance = _with_tpot(instance, tpot_at_most)
    parameters = parse_axes(instance, texts)
    axes = tuple(each.axis for each in parameters)
    grid = solve_grid(instance, parameters, progress)
    revenue, lawful = grid.columns["revenue_rate"], grid.columns["speed_ratio"] >= 1 - ROUNDING
    penalty = grid.columns["penalty"]
    best, outside = (_best(axes, revenue, penalty, these) for these in (lawful, ~lawful))
    alone = None
    if instance.slis and grid.complete:

        def again(done: int) -> None:
            progress(len(grid.binding) + done)

        bare = solve_grid(instance.model_copy(update={"slis": ()}), parameters, again)
        earned, nothing = bare.columns["revenue_rate"], bare.columns["penalty"]
        alone = Alone(revenue_rate=_numbers(earned), best=_best(axes, earned, nothing, lawful))
    return Sweep(
        instance=instance.name,
        scheme=instance.prices.scheme,
        promises=instance.slis,
        axes=axes,
        **{name: _numbers(values) for name, values in grid.columns.items()},
        binding=tuple(grid.binding.tolist()),
        method=tuple(grid.method.tolist()),
        best=best,
        best_outside=outside if _better(outside, best) else None,
        alone=alone,
        kinks=tuple(_kinks(axes, grid.binding)),
        price_segment=_price_segment(instance, axes),
        complete=grid.complete,
        warnings=tuple(_warnings(grid)),
        provenance=record(
            instance.sha256(),
            started,
            {"vary": texts, "tpot_at_most": tpot_at_most} | dict(options or {}),
        ),
    )


def _with_tpot(instance: Instance, bound: float) -> Instance:
    """Return the instance with one more promise; it is checked as if it stood in the file."""
    data = plain(instance)
    data["slis"] = [*data["slis"], {"kind": "mean_tpot", "at_most": float(bound)}]
    problems = problems_in(data, "--tpot-at-most")
    if problems:
        raise InputError(problems)
    return Instance.model_validate(data)


def _numbers(values: Floats) -> Numbers:
    found = values.astype(object)
    found[np.isnan(values)] = None
    return tuple(found.tolist())


def _better(one: Best | None, other: Best | None) -> bool:
    if one is None or other is None:
        return one is not None
    worth = other.revenue_rate - other.penalty
    return one.revenue_rate - one.penalty > worth + SAME * abs(worth)


def _best(axes: Sequence[Axis], revenue: Floats, penalty: Floats, allowed: Flags) -> Best | None:
    """Return the first of the points allowed that earns most, penalties subtracted."""
    worth = np.where(allowed, revenue - penalty, np.nan)
    if np.isnan(worth).all():
        return None
    most = float(np.nanmax(worth))
    winners = np.flatnonzero(worth >= most - SAME * abs(most))
    shape = tuple(len(axis.values) for axis in axes)
    places = np.unravel_index(winners, shape)
    place = tuple(int(each[0]) for each in places)
    return Best(
        values={axis.path: axis.values[k] for axis, k in zip(axes, place, strict=True)},
        revenue_rate=float(revenue[winners[0]]),
        penalty=float(penalty[winners[0]]),
        equally_good=len(winners) - 1,
        equally_good_range={
            axis.path: (axis.values[int(each.min())], axis.values[int(each.max())])
            for axis, each in zip(axes, places, strict=True)
        },
        at_end=tuple(_ends(axes, worth.reshape(shape), place)),
    )


def _ends(axes: Sequence[Axis], worth: Floats, place: tuple[int, ...]) -> Iterator[str]:
    """Yield the paths along which the best point is at an end and the one beside it earns less."""
    for k, axis in enumerate(axes):
        last = len(axis.values) - 1
        if axis.path in PRICE_PATHS:  # demand is fixed: a higher price always earns more
            continue
        if place[k] not in (0, last) or not last or not axis.values[place[k]]:
            continue
        beside = list(place)
        beside[k] = 1 if place[k] == 0 else last - 1
        if worth[tuple(beside)] < worth[place] - SAME * abs(worth[place]):
            yield axis.path


def _kinks(axes: Sequence[Axis], binding: Any) -> Iterator[Kink]:
    if len(axes) > 1:
        return
    values = axes[0].values
    for k in np.flatnonzero(binding[1:] != binding[:-1]).tolist():
        yield Kink(lower=values[k], upper=values[k + 1], before=binding[k], after=binding[k + 1])


def _price_segment(instance: Instance, axes: Sequence[Axis]) -> PriceSegment | None:
    """Return revenue along c_p + c_d = k without promises, if both prices are varied.

    None too where a class never leaves: there is no closed form then.
    """
    patient = any(each.patience_rate == 0 for each in instance.classes)
    if {axis.path for axis in axes} != set(PRICE_PATHS) or patient:
        return None
    total = instance.prices.prompt_token + instance.prices.output_token
    prompt = np.linspace(0.0, total, SEGMENT_POINTS)
    arguments = parameters_of(instance)
    arguments |= {"prompt_price": prompt[:, None], "output_price": (total - prompt)[:, None]}
    revenue = CLOSED[instance.prices.scheme](compute_rates(**arguments)).revenue_rate
    most = float(revenue.max())
    bends = revenue[1:-1] - (revenue[:-2] + revenue[2:]) / 2
    flat = most - float(revenue.min()) <= SAME * most
    return PriceSegment(
        total=total,
        prompt_token=tuple(prompt.tolist()),
        revenue_rate=tuple(revenue.tolist()),
        largest_dent=float(bends.max()) / most,
        best_at="everywhere" if flat else ENDS[int(revenue[-1] > revenue[0])],
        interior_best=bool(most > max(revenue[0], revenue[-1]) * (1 + SAME)),
    )


def _warnings(grid: Grid) -> Iterator[str]:
    rates = grid.rates
    points = len(grid.binding)
    below = int((per_point(rates, rates.mixing_cost) < 0).sum())
    if below:
        yield (
            f"at {below:,} of {points:,} points kappa is below (B-1)/B: Proposition 3.2 and "
            "Theorem 4.1 do not cover them, and the optimum may keep a decode backlog"
        )
    slow = int((per_point(rates, rates.speed_ratio) < 1).sum())
    if slow:
        yield (
            f"at {slow:,} of {points:,} points kappa is below 1: the chunk is below the range of "
            "the iteration-time law (eq. D1)"
        )
    nobody = int(((grid.binding == "promise") & (grid.columns["revenue_rate"] == 0)).sum())
    if nobody:
        yield f"at {nobody:,} of {points:,} points the promises are kept only by serving nobody"
    for state, words in (
        ("undecided", "the solver found no answer that stands up"),
        ("missing", "interrupted before they were solved"),
    ):
        count = int((grid.binding == state).sum())
        if count:
            yield f"{count:,} of {points:,} points: {words}"
