"""The best revenue against two promises at once: exact in one direction, a grid in the other."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from gnr.checks import warnings_for
from gnr.errors import InputError, NoOptimumError, Problem
from gnr.exact_rates import exact
from gnr.frontier_result import FrontierMap, Resolved
from gnr.instance import Instance
from gnr.models.frontiers import described, resolved
from gnr.models.moving_promise import MovingPromise, course, moving_promise
from gnr.provenance import record

POINTS = 25
"""Bounds of each promise, unless said otherwise."""

MARGIN = 0.06
"""Share of its range by which the grid goes beyond the tightest and the loosest bound."""

DIGITS = 6
"""Significant digits of the bounds of the grid."""

Row = tuple[float | None, ...]


def frontier_map(
    instance: Instance,
    first: str,
    second: str,
    *,
    points: int = POINTS,
    progress: Callable[[float], None] = lambda _: None,
    options: Mapping[str, Any] | None = None,
) -> FrontierMap:
    """Return the best revenue on a grid of bounds of two promises.

    For each bound of the second promise the exact frontier of the first is taken at the bounds of
    the grid. Nine points are solved anew.

    Parameters
    ----------
    instance
        Its other promises stay; penalties are refused.
    first, second
        As in `gnr.frontier`.
    points
        Most bounds of each promise, at least 5.
    progress
        Called with the number of bounds of the second promise that are done.
    options
        Options to write into the provenance.

    Raises
    ------
    InputError
        If there is no such indicator, both are the same, or there are too few points.
    NoOptimumError
        If one of them alone cannot be kept at any bound.
    """
    started = time.perf_counter()
    told = _both(instance, first, second)
    _refuse(told, points)
    alone = tuple(one.without(other.place) for one, other in zip(told, reversed(told), strict=True))
    across, down = (_grid(each, points) for each in alone)
    columns: list[Row] = []
    solves: list[tuple[int, int, Resolved]] = []
    rows, chosen = (_spread(len(bounds)) for bounds in (across, down))
    best = float(course(alone[0]).best)
    for j, bound in enumerate(down):
        under = replace(told[0], instance=told[1].at(bound))
        column = _column(under, across)
        columns.append(column)
        for i in rows if j in chosen else ():
            solves.append((i, j, resolved(under, across[i], column[i], None, best)))
        progress(j + 1)
    options = {"sli": [first, second], "points": points, **(options or {})}
    return FrontierMap(
        instance=instance.name,
        scheme=instance.prices.scheme,
        slis=(described(told[0]), described(told[1])),
        best_revenue_rate=best,
        bounds=(across, down),
        revenue_rate=tuple(zip(*columns, strict=True)),
        resolved=tuple(solves),
        verified=all(each.agrees for _, _, each in solves),
        warnings=tuple(warnings_for(instance)),
        provenance=record(instance.sha256(), started, options),
    )


def _both(instance: Instance, first: str, second: str) -> tuple[MovingPromise, MovingPromise]:
    """Return both promises in one instance, each in its place and neither with a bound."""
    one = moving_promise(instance, first)
    two = moving_promise(one.instance, second)
    return replace(one, instance=two.instance), two


def _refuse(told: tuple[MovingPromise, MovingPromise], points: int) -> None:
    """Raise `InputError` for what makes no map."""
    if told[0].place == told[1].place:
        raise InputError(
            [Problem("frontier", "--sli", "", f"{told[0].key} twice makes no map", "name two")]
        )
    if points < 5:
        raise InputError(
            [Problem("frontier", f"--points {points}", "", "too few for a map", "at least 5")]
        )


def _grid(moving: MovingPromise, points: int) -> tuple[float, ...]:
    """Return bounds from the tightest to the loosest, and one a little beyond each.

    Those between have few digits, so that the exact numbers stay short.
    """
    pieces = course(moving).pieces
    low, high = (_inside(pieces[0].low, 1.0), _inside(pieces[-1].high, -1.0))
    width = (high - low) or abs(high) or 1.0
    steps = points - 3
    between = (float(f"{low + width * k / steps:.{DIGITS}g}") for k in range(1, steps))
    beyond = (low - MARGIN * width, high + MARGIN * width)
    lowest, highest = moving.indicator.lowest, moving.indicator.highest
    found = {low, high, *(each for each in between if low < each < high)}
    return tuple(sorted(found | {each for each in beyond if lowest <= each <= highest}))


def _inside(end: Fraction, side: float) -> float:
    """Return the float next to the end of an interval and within it."""
    found = float(end)
    return (
        found
        if (exact(found) - end) * Fraction(side) >= 0
        else math.nextafter(found, side * math.inf)
    )


def _spread(count: int) -> tuple[int, ...]:
    """Return three places spread over `count`."""
    return (count // 5, count // 2, count - 1 - count // 5)


def _column(moving: MovingPromise, bounds: tuple[float, ...]) -> Row:
    """Return the exact best values at some bounds, rounded to floats."""
    try:
        found = course(moving, bounds[0], bounds[-1])
    except NoOptimumError:
        return (None,) * len(bounds)
    values = (found.at(exact(bound)) for bound in bounds)
    return tuple(None if value is None else float(value) for value in values)
