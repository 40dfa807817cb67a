"""Service level indicators in a run: measured, held against what was promised and planned."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.models.conflict import nearest
from gnr.models.penalties import charge
from gnr.models.point import Point, Program
from gnr.models.promises import Promise, promises_of
from gnr.models.steady_state import PROGRAMS
from gnr.rates import Rates
from gnr.simulation import Estimate, Kept, MeasuredPromise
from gnr.validation.measures import Measures
from gnr.validation.statistics import t_interval

CONFIDENCE = 0.95

SERVED_ONLY: Mapping[str, str] = MappingProxyType(
    {"mean_wait": "wait_prefill", "mean_ttft": "ttft", "mean_end_to_end": "end_to_end"}
)
"""Fields of `gnr.simulation.Latency` that are the same time over the served requests alone."""


def measured_promises(
    instance: Instance,
    rates: Rates,
    planned: Point,
    averages: Measures,
    latencies: Mapping[str, Floats],
) -> tuple[MeasuredPromise, ...]:
    """Return every promise and penalty of an instance as a run shows it, in file order.

    Parameters
    ----------
    instance, rates
        What was simulated and its rates. What is promised does not depend on the policy: fair
        shares are those of the instance, without the demands of the policy's own program.
    planned
        The plan's fluid point, per GPU.
    averages
        Of the runs. The indicator is taken at the time averages of each run, so that it is the
        same function as in the program: completions enter as rate times occupancy, which is what
        is counted in the long run whatever the law of the lengths (Little's law).
    latencies
        As `gnr.validation.per_gpu.latencies.latencies`; empty for the pooled chain.
    """
    promises = promises_of(instance, rates)
    build, weigh = PROGRAMS[instance.prices.scheme]
    program = Program(rates, weigh(rates), empty_decode_buffer=False)

    def keepable(promise: Promise) -> float | None:
        others = [each for each in promises if each.hard and each is not promise]
        return nearest(build, program, promise, others)

    return tuple(_measured(promise, planned, averages, latencies, keepable) for promise in promises)


def _measured(
    promise: Promise,
    planned: Point,
    averages: Measures,
    latencies: Mapping[str, Floats],
    keepable: Callable[[Promise], float | None],
) -> MeasuredPromise:
    lanes = averages.prefill.shape[-1]
    found = promise.indicator.at(promise.scope, averages)
    values = np.broadcast_to(np.asarray(found, dtype=float), (lanes,))
    values = np.where(_starved(promise, averages), np.inf, values)
    at_plan = promise.value(planned)
    kept = verdict(values, promise.direction, promise.bound) if promise.hard else None
    served = latencies.get(SERVED_ONLY.get(promise.sli.kind, ""))
    owner = promise.scope.owner
    return MeasuredPromise(
        name=promise.label,
        kind=promise.sli.kind,
        class_name=promise.sli.class_name,
        unit=promise.indicator.unit,
        direction=promise.direction,
        promised=promise.bound if promise.hard else None,
        planned=at_plan if np.isfinite(at_plan) else None,
        measured=known_mean(values),
        served_only=None if served is None else known_mean(served[-1 if owner is None else owner]),
        kept=kept,
        keepable=keepable(promise) if kept in ("no", "undecided") else None,
        penalty=None if promise.hard else known_mean(charge(promise, values)),
    )


def _starved(promise: Promise, averages: Measures) -> Any:
    """Return in which runs the indicator is N/0 with N > 0, as the wait of a class never served."""
    form = promise.form
    if form.auxiliaries or form.constant_denominator:
        return False
    return (form.denominator.at(averages) <= 0) & (form.numerator.at(averages) > 0)


def verdict(values: Floats, direction: str, bound: float) -> Kept:
    """Return whether the mean of the samples keeps a bound, by its interval.

    `values` have shape ``(replications,)``; one that is infinite breaks a bound from above but
    says nothing of the others, and nan decides nothing.
    """
    if not np.isfinite(values).all():
        broken = values > bound if direction == "at_most" else values < bound
        return "no" if broken.all() else "undecided"
    mean, half_width = t_interval(values, CONFIDENCE)
    sign = 1.0 if direction == "at_most" else -1.0
    if sign * mean + half_width <= sign * bound:
        return "yes"
    return "no" if sign * mean - half_width > sign * bound else "undecided"


def known_mean(samples: Floats) -> Estimate | None:
    """Return the mean over the replications that have a value; None with fewer than two."""
    known = samples[np.isfinite(samples)]
    if len(known) < 2:
        return None
    mean, half_width = t_interval(known, CONFIDENCE)
    return Estimate(mean=float(mean), half_width=float(half_width))
