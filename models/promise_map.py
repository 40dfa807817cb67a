"""The best revenue against two promises at once: exact in one direction, a grid in the other."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from gnr.checks import warnings_for
from gnr.errors import InputError, NoOptimumError, Problem
from gnr.exact_rates import exact
from gnr.frontier_result import FrontierMap, Resolved, wide
from gnr.instance import Instance
from gnr.models.frontiers import described, resolved
from gnr.models.moving_promise import Course, MovingPromise, course, moving_promise, set_aside
from gnr.provenance import record

POINTS = 25
"""Bounds of each promise, unless said otherwise."""

MARGIN = 0.06
"""Share of its range by which the grid goes beyond the tightest and the loosest bound."""

DIGITS = 6
"""Significant digits of the bounds of the grid."""

EDGE_DIGITS = 4
"""Significant digits of ends that are found under bounds of the other promise."""

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

    The grid covers all bounds that cost something, alone or together with the other, and those
    of the file. For each bound of the second promise the exact frontier of the first is taken at
    the bounds of the grid. Up to nine points, none on an edge, are solved anew.

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
    spans = tuple(_span(one, other) for one, other in zip(told, reversed(told), strict=True))
    across, down = (_grid(each, span, points) for each, span in zip(told, spans, strict=True))
    columns: list[Row] = []
    solves: list[tuple[int, int, Resolved]] = []
    rows, chosen = (
        _spread([k for k, bound in enumerate(bounds) if bound not in span.ends])
        for bounds, span in zip((across, down), spans, strict=True)
    )
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
        tightest=(spans[0].tightest, spans[1].tightest),
        revenue_rate=tuple(zip(*columns, strict=True)),
        resolved=tuple(solves),
        verified=all(each.agrees for _, _, each in solves),
        warnings=(*warnings_for(instance), *_aside(instance, told)),
        provenance=record(instance.sha256(), started, options),
    )


def _aside(instance: Instance, told: Sequence[MovingPromise]) -> list[str]:
    """Return which penalties of the instance the promises of the map are drawn without."""
    return [each for moving in told for each in set_aside(instance, moving)]


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


@dataclass(frozen=True)
class _Span:
    """What the bounds of one promise should cover.

    Attributes
    ----------
    tightest
        Best bound that can be kept where the other is not promised.
    low, high
        Ends of the bounds that cost something, with the other promise or without it, and of
        those in the file.
    """

    tightest: float
    low: float
    high: float

    @property
    def ends(self) -> set[float]:
        """Bounds next to which floats and fractions need not agree on what can be kept."""
        return {self.tightest, self.low, self.high}


def _span(moving: MovingPromise, other: MovingPromise) -> _Span:
    """Return which bounds matter: what costs nothing alone may cost much under the other."""
    upwards = moving.direction == "at_most"
    alone = course(moving.without(other.place))
    tightest = _inside(alone.tightest, 1.0 if upwards else -1.0)
    ends = {tightest, _loose_end(alone, upwards)}
    for bound in _typical(other, course(other.without(moving.place))):
        try:
            found = course(replace(moving, instance=other.at(bound)))
        except NoOptimumError:
            continue
        reached = [found.tightest]
        if found.loosest is not None:  # else it ends where nothing more can be seen
            reached.append(found.loosest)
        ends.update(_admitted(moving, _rounded(float(each), upwards)) for each in reached)
    stated = set() if moving.stated is None else {moving.stated}
    if len(ends | stated) == 1:
        further = (abs(tightest) or 1.0) * (1 if upwards else -1)
        ends.add(_admitted(moving, tightest + further))
    return _Span(tightest, min(ends | stated), max(ends | stated))


def _typical(moving: MovingPromise, alone: Course) -> set[float]:
    """Return some bounds of a promise: its ends, one between, and that of the file."""
    low, high = _inside(alone.pieces[0].low, 1.0), _inside(alone.pieces[-1].high, -1.0)
    found = {low, (low + high) / 2, high}
    return found if moving.stated is None else found | {moving.stated}


def _loose_end(found: Course, upwards: bool) -> float:
    """Return the loosest bound of a course, within it."""
    end = found.pieces[-1].high if upwards else found.pieces[0].low
    return _inside(end, -1.0 if upwards else 1.0)


def _rounded(bound: float, upwards: bool) -> float:
    """Return a bound rounded to a looser one.

    On the very edge of what can be kept, floats and fractions would not agree.
    """
    if not bound:
        return bound
    step = 10.0 ** (math.floor(math.log10(abs(bound))) + 1 - EDGE_DIGITS)
    rounded = (math.ceil if upwards else math.floor)(bound / step) * step
    return float(f"{rounded:.{EDGE_DIGITS}g}")


def _admitted(moving: MovingPromise, bound: float) -> float:
    """Return the nearest bound that a file may hold."""
    return min(max(bound, moving.indicator.lowest), moving.indicator.highest)


def _grid(moving: MovingPromise, span: _Span, points: int) -> tuple[float, ...]:
    """Return bounds from one end to the other and one a little beyond each.

    The tightest bound and that of the file are among them. Those between have few digits, so that
    the exact numbers stay short.
    """
    low, high = span.low, span.high
    marks = {low, high, span.tightest} | (set() if moving.stated is None else {moving.stated})
    steps = points - 1 - len(marks)

    def at(share: float) -> float:
        if wide(low, high):
            return float(low * (high / low) ** share)
        return low + (high - low) * share

    between = {float(f"{at(k / steps):.{DIGITS}g}") for k in range(1, steps)}
    between = {each for each in between if low < each < high}
    beyond = {_admitted(moving, at(-MARGIN)), _admitted(moving, at(1 + MARGIN))}
    return tuple(sorted(marks | between | beyond))


def _inside(end: Fraction, side: float) -> float:
    """Return the float next to the end of an interval and within it."""
    found = float(end)
    return (
        found
        if (exact(found) - end) * Fraction(side) >= 0
        else math.nextafter(found, side * math.inf)
    )


def _spread(places: list[int]) -> set[int]:
    """Return up to three of some places, spread over them."""
    count = len(places)
    return {places[k] for k in (count // 5, count // 2, count - 1 - count // 5)}


def _column(moving: MovingPromise, bounds: tuple[float, ...]) -> Row:
    """Return the exact best values at some bounds, rounded to floats."""
    try:
        found = course(moving, bounds[0], bounds[-1])
    except NoOptimumError:
        return (None,) * len(bounds)
    values = (found.at(exact(bound)) for bound in bounds)
    return tuple(None if value is None else float(value) for value in values)
