"""The best revenue against a promise, exactly, and checked by the ordinary solver."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Literal

from pyomo.common.gc_manager import PauseGC

from gnr.checks import warnings_for
from gnr.errors import InputError, Problem
from gnr.exact_rates import exact
from gnr.frontier_result import (
    Breakpoint,
    ClassOccupancy,
    ExactPoint,
    Frontier,
    FrontierPiece,
    FrontierSli,
    Resolved,
)
from gnr.instance import Instance
from gnr.models import promised_state
from gnr.models.moving_promise import (
    Course,
    MovingPromise,
    course,
    moving_promise,
    no_optimum,
    set_aside,
)
from gnr.models.parametric import Coefficients, LinearFractional, Piece
from gnr.models.point import Program
from gnr.models.promises import promises_of
from gnr.models.solver import Status
from gnr.models.steady_state import PROGRAMS
from gnr.plan import Occupancy
from gnr.provenance import record
from gnr.rates import rates_of

BESIDE = Fraction(1, 64)
"""Share of a piece by which a solve keeps off the breakpoint."""

NARROW = Fraction(1, 10**6)
"""Width of a piece, relative to its bounds, up to which a solve may take one end for the other."""

SAME_REVENUE, SAME_PRICE = 1e-8, 1e-6
"""Relative differences up to which the solver agrees with the frontier."""

NO_PRICE = 1e-9
"""Price, relative to the best revenue over the width of the frontier, that is as good as 0."""


def frontier(
    instance: Instance,
    sli: str,
    *,
    low: float | None = None,
    high: float | None = None,
    progress: Callable[[float], None] = lambda _: None,
    options: Mapping[str, Any] | None = None,
) -> Frontier:
    """Return the best revenue of an instance as a function of the bound of one promise.

    All pieces are found, in exact fractions, without a grid; their slopes are the shadow price of
    the promise. At both sides of every breakpoint the program is solved anew in floats.

    Parameters
    ----------
    instance
        Its other promises stay; other penalties are refused.
    sli
        ``KIND``, ``KIND:CLASS``, or the name of an SLI of the instance, whose bound or penalty is
        then set aside.
    low, high
        Ends of the range of bounds; by default from the tightest promise that can be kept to the
        one that costs nothing.
    progress
        Called with the share of the work that is done, about: tracing is a half, solving the rest.
    options
        Options to write into the provenance.

    Raises
    ------
    InputError
        If there is no such indicator, an end is not finite, or the instance has other penalties.
    NoOptimumError
        If no bound in the range can be kept.
    """
    started = time.perf_counter()
    for option, end in (("--from", low), ("--to", high)):
        if end is not None and not math.isfinite(end):
            raise InputError([Problem("frontier", option, "", f"must be finite, got {end}")])
    moving = moving_promise(instance, sli)
    found = course(moving, low, high, lambda share: progress(share / 2))
    if not found.pieces:
        best = f"{'less' if moving.direction == 'at_most' else 'more'} than"
        raise no_optimum(
            moving,
            f"{best} {float(found.tightest):.10g} {moving.indicator.unit} cannot be promised, and "
            "the range asked for holds nothing else",
            "move --from and --to",
        )
    breakpoints = tuple(_breakpoints(moving, found, progress))
    return Frontier(
        instance=instance.name,
        scheme=instance.prices.scheme,
        sli=described(moving),
        best_revenue_rate=float(found.best),
        loosest_revenue_rate=float(found.top),
        tightest=_point(found.tightest, found.least),
        beyond_tightest_revenue_rate=None if found.beyond is None else float(found.beyond),
        loosest=_point(found.loosest, found.top) if found.loosest is not None else None,
        pieces=tuple(_told(piece) for piece in found.pieces),
        breakpoints=breakpoints,
        verified=bool(_all_agree(solve for each in breakpoints for solve in each.solves)),
        warnings=(*warnings_for(instance), *set_aside(instance, moving)),
        provenance=record(
            instance.sha256(), started, {"sli": sli, "from": low, "to": high, **(options or {})}
        ),
    )


def described(moving: MovingPromise) -> FrontierSli:
    """Return the promise that moves, for a document."""
    return FrontierSli(
        name=moving.label,
        kind=moving.sli.kind,
        class_name=moving.sli.class_name,
        title=moving.indicator.title,
        unit=moving.indicator.unit,
        direction=moving.direction,
        bound=moving.stated,
    )


def resolved(
    moving: MovingPromise, bound: float, value: float | None, price: float | None, scale: float
) -> Resolved:
    """Return what the ordinary solver says at a bound, held against what is expected there.

    Parameters
    ----------
    moving
        The promise.
    bound
        Where to solve.
    value, price
        Expected best revenue, None if infeasible; expected price, None where it is not compared.
    scale
        Best revenue over the width of the frontier: the magnitude of a price.
    """
    status, revenue, found = _solved(moving.at(bound), moving.place)
    if value is None or revenue is None or found is None:
        agrees = value is None and status is Status.INFEASIBLE
    else:
        agrees = abs(revenue - value) <= SAME_REVENUE * (abs(value) or abs(scale)) and (
            price is None or abs(found - price) <= SAME_PRICE * abs(price) + NO_PRICE * scale
        )
    return Resolved(
        bound=bound,
        status=status.value,
        revenue_rate=revenue,
        price=found,
        expected_revenue_rate=value,
        expected_price=price,
        agrees=agrees,
    )


def _solved(instance: Instance, place: int) -> tuple[Status, float | None, float | None]:
    """Return how the solver ends, best revenue and price of one promise, all in floats.

    What `gnr.solve` finds before it asks what is unique or in conflict, which would cost more.
    """
    rates = rates_of(instance)
    build, weigh = PROGRAMS[instance.prices.scheme]
    promises = promises_of(instance, rates)
    plain = Program(rates, weigh(rates), empty_decode_buffer=False)
    program = promised_state.demanded(plain, promises)
    with PauseGC():
        found = promised_state.optimum(build, program, promises)
    if found.point is None:
        return found.status, None, None
    return found.status, program.revenue(found.point), found.prices[place]


def _breakpoints(
    moving: MovingPromise, found: Course, progress: Callable[[float], None]
) -> Iterator[Breakpoint]:
    """Yield the ends of all pieces, each with a solve on both sides."""
    pieces = found.pieces
    bounds = [pieces[0].low, *(each.high for each in pieces if each.low < each.high)]
    spread = bounds[-1] - bounds[0] or abs(bounds[0]) or Fraction(1)
    scale = float(found.best / spread)
    for k, bound in enumerate(bounds):
        left = pieces[k - 1] if k > 0 else None
        right = pieces[k] if k < len(bounds) - 1 else None
        vertex = pieces[0].first if k == 0 else pieces[k - 1].last
        sides = [
            _beside(moving, found, bound, scale, -1, left, right),
            _beside(moving, found, bound, scale, 1, right, left),
        ]
        if left is None and right is None:
            looser = 1 if moving.direction == "at_most" else 0
            sides[looser] = sides[looser] or _at(moving, found, bound, scale)
        yield Breakpoint(
            **_point(bound, (left or pieces[0]).value.at(bound)).model_dump(),
            slope_left=float(left.value.slope(bound)) if left else None,
            slope_right=float(right.value.slope(bound)) if right else None,
            resolved_left=sides[0],
            resolved_right=sides[1],
            agrees=_all_agree(sides),
            classes=_plan(moving.instance, vertex),
        )
        progress((1 + (k + 1) / len(bounds)) / 2)


def _all_agree(solves: Iterable[Resolved | None]) -> bool | None:
    """Whether all solves agree; None if there is none."""
    found = [each.agrees for each in solves if each is not None]
    return all(found) if found else None


def _at(moving: MovingPromise, found: Course, bound: Fraction, scale: float) -> Resolved:
    """Return a solve at the only bound of a frontier."""
    return resolved(moving, float(bound), float(found.pieces[0].value.at(bound)), None, scale)


def _narrow(piece: Piece) -> bool:
    """Whether a piece is too narrow for a solve to tell where in it it is."""
    return piece.high - piece.low <= NARROW * max(abs(piece.low), abs(piece.high))


def _beside(
    moving: MovingPromise,
    found: Course,
    bound: Fraction,
    scale: float,
    side: Literal[-1, 1],
    piece: Piece | None,
    other: Piece | None,
) -> Resolved | None:
    """Return a solve a little beside a breakpoint, `piece` being there and `other` opposite.

    Beyond the tightest promise it must be infeasible, or earn what plans do that serve nobody the
    promise is about; beyond the loosest the promise must cost nothing. None beyond other ends, and
    in a piece that is too narrow.
    """
    near = piece or other
    width = near.high - near.low if near is not None and not _narrow(near) else abs(bound)
    width = width or Fraction(1)
    at = float(bound + side * BESIDE * width)
    if not moving.indicator.lowest <= at <= moving.indicator.highest:
        return None
    if piece is not None:
        if _narrow(piece):
            return None
        value, price = (float(each(exact(at))) for each in (piece.value.at, piece.value.slope))
        return resolved(moving, at, value, price, scale)
    tightening = -1 if moving.direction == "at_most" else 1
    if bound == found.tightest and side == tightening:
        beyond = None if found.beyond is None else float(found.beyond)
        return resolved(moving, at, beyond, None, scale)
    if bound == found.loosest and side == -tightening:
        return resolved(moving, at, float(found.top), 0.0, scale)
    return None


def _point(bound: Fraction, value: Fraction) -> ExactPoint:
    return ExactPoint(bound=float(bound), exact=str(bound), revenue_rate=float(value))


def _told(piece: Piece) -> FrontierPiece:
    value = piece.value
    named = {"from": piece.low, "to": piece.high, "a": value.a, "b": value.b, "c": value.c,
             "d": value.d}  # fmt: skip
    return FrontierPiece(
        low=float(piece.low),
        high=float(piece.high),
        revenue_from=float(value.at(piece.low)),
        revenue_to=float(value.at(piece.high)),
        slope_from=float(value.slope(piece.low)),
        slope_to=float(value.slope(piece.high)),
        shape=_shape(value),
        numerator=(float(value.a), float(value.b)),
        denominator=(float(value.c), float(value.d)),
        exact={name: str(number) for name, number in named.items()},
    )


def _shape(value: LinearFractional) -> Literal["flat", "straight", "curved"]:
    if value.d:
        return "curved"
    return "straight" if value.b else "flat"


def _plan(instance: Instance, vertex: Coefficients) -> tuple[ClassOccupancy, ...]:
    return tuple(
        ClassOccupancy(
            name=each.name,
            **{
                field: float(vertex.get(f"{field}[{each.name}]", 0))
                for field in Occupancy.model_fields
            },
        )
        for each in instance.classes
    )
