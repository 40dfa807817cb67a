"""The best revenue against two promises at once: exact in one direction, a grid in the other."""

import time
from collections.abc import Callable, Mapping
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
        Bounds of each promise, at least 5.
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
    told = moving_promise(instance, first), moving_promise(instance, second)
    _refuse(told, points)
    keys = tuple(each.key for each in told)
    places = {each.place for each in told}
    rest = tuple(sli for k, sli in enumerate(instance.slis) if k not in places)
    base = instance.model_copy(update={"slis": rest})
    across, down = (_grid(moving_promise(base, key), points) for key in keys)
    columns: list[Row] = []
    solves: list[tuple[int, int, Resolved]] = []
    chosen = (points // 5, points // 2, points - 1 - points // 5)
    best = float(course(moving_promise(base, keys[0])).best)
    for j, bound in enumerate(down):
        under = moving_promise(moving_promise(base, keys[1]).at(bound), keys[0])
        column = _column(under, across)
        columns.append(column)
        for i in chosen if j in chosen else ():
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


def _refuse(told: tuple[MovingPromise, MovingPromise], points: int) -> None:
    """Raise `InputError` for what makes no map."""
    if told[0].key == told[1].key:
        raise InputError(
            [Problem("frontier", "--sli", "", f"{told[0].key} twice makes no map", "name two")]
        )
    if points < 5:
        raise InputError(
            [Problem("frontier", f"--points {points}", "", "too few for a map", "at least 5")]
        )


def _grid(moving: MovingPromise, points: int) -> tuple[float, ...]:
    """Return bounds from a little beyond the tightest to a little beyond the loosest."""
    pieces = course(moving).pieces
    low, high = float(pieces[0].low), float(pieces[-1].high)
    margin = MARGIN * ((high - low) or abs(high) or 1.0)
    low = max(low - margin, moving.indicator.lowest)
    high = min(high + margin, moving.indicator.highest)
    return tuple(low + (high - low) * k / (points - 1) for k in range(points))


def _column(moving: MovingPromise, bounds: tuple[float, ...]) -> Row:
    """Return the exact best values at some bounds, rounded to floats."""
    try:
        found = course(moving, bounds[0], bounds[-1])
    except NoOptimumError:
        return (None,) * len(bounds)
    values = (found.at(exact(bound)) for bound in bounds)
    return tuple(None if value is None else float(value) for value in values)
