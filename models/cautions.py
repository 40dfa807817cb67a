"""What should be known of a plan before its promises and penalties are taken at their word."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gnr.models.conflict import nearest
from gnr.models.point import Point, Program
from gnr.models.promises import Promise

MANY = 0.1
"""Share of the prefilled requests of a class that leave before decode from which it is told."""

LEVEL = "a penalty is paid on the whole level of its indicator, not on what exceeds a bound"


def cautions(
    build: Any,
    names: Sequence[str],
    program: Program,
    promises: Sequence[Promise],
    point: Point,
) -> Iterator[str]:
    """Yield where an indicator has no meaning, and why penalties take more than the revenue.

    Parameters
    ----------
    build
        One of the functions of `gnr.models.programs`.
    names
        Of the classes.
    program
        Rates, weights and demands, those of the promises included.
    promises
        The promises and penalties of the instance, in file order.
    point
        The optimum.
    """
    for promise in promises:
        if not np.isnan(promise.value(point)):
            continue
        if promise.hard:
            yield _kept_by_nobody(build, program, promise, promises)
        else:
            yield (
                f"the penalty on {promise.label} comes to 0 only because {_nobody(promise)} is "
                f"served: {LEVEL}, and would come to more than serving anybody pays"
            )
    yield from _never_answered(names, program, promises, point)
    penalty, revenue = _penalty(promises, point), program.revenue(point)
    if penalty > max(revenue, 0.0):
        yield (
            f"the penalties come to more than the revenue, {penalty:.6g} against {revenue:.6g} "
            f"money/s per GPU: {LEVEL}" + _even_idle(program, promises, penalty - revenue)
        )


def _never_answered(
    names: Sequence[str], program: Program, promises: Sequence[Promise], point: Point
) -> Iterator[str]:
    """Yield which classes are prefilled to keep a promise about that, and then not decoded."""
    rates, owners = program.rates, set[int]()
    for each in promises:
        if each.hard and each.indicator.ends_at_first_token:
            owners |= set(each.scope.classes)
    started = rates.prefill * point.prefill
    left = rates.patience_rate * point.decode_queue
    shares = np.divide(left, started, where=started > 0, out=np.zeros_like(left))
    told = [f"{shares[i]:.0%} of {names[i]}" for i in sorted(owners) if shares[i] > MANY]
    if told:
        yield (
            f"of the requests that are prefilled, {' and '.join(told)} leave before they are "
            "decoded: a promise that ends with the first token can be kept like that; promise "
            "mean_end_to_end or abandonment_fraction too, or empty_decode_buffer at most 0"
        )


def _kept_by_nobody(
    build: Any, program: Program, promise: Promise, promises: Sequence[Promise]
) -> str:
    """Return what to say of a promise that only holds because there is nobody to break it to."""
    nobody = _nobody(promise)
    others = [each for each in promises if each.hard and each is not promise]
    bound = nearest(build, program, promise, others)
    if bound is None:
        return f"{promise.label} is kept only because {nobody} is served"
    if promise.excess(bound) <= 0:
        return (
            f"{promise.label} has no meaning at this plan, in which {nobody} is served: to serve "
            "anybody and keep it would leave no more"
        )
    words = promise.direction.replace("_", " ")
    return (
        f"{promise.label} is kept only because {nobody} is served; the tightest bound that can be "
        f"kept without that is {words} {bound:.12g} {promise.indicator.unit}"
    )


def _nobody(promise: Promise) -> str:
    owner = promise.sli.class_name
    return "nobody" if owner is None else f"nobody of {owner}"


def _penalty(promises: Sequence[Promise], point: Point) -> float:
    return sum(each.penalty(point) for each in promises)


def _even_idle(program: Program, promises: Sequence[Promise], loss: float) -> str:
    """Return what a cluster pays that serves nobody, where that is no way out of a loss."""
    rates, none = program.rates, np.zeros(program.rates.classes)
    if not np.all(rates.patience_rate > 0):
        return ""
    idle = Point(none, none, none, rates.arrival_rate / rates.patience_rate, none)
    paid = _penalty(promises, idle)
    return f"; a cluster that serves nobody pays {paid:.6g} too" if paid >= loss else ""
