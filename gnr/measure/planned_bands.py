"""Rates, loads and the best plan of a log, each with what its sampling leaves of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.checks import problems_in
from gnr.errors import InputError, Problem
from gnr.fit_result import Banded, FittedPlan
from gnr.instance import Instance
from gnr.measure.fit_request import DEFAULT_LOAD, FitRequest
from gnr.measure.fitted_plan import (
    RARE,
    Workload,
    best_plan,
    capacity_of,
    loads_of,
    mean_lengths,
    with_workload,
    workload_of,
)
from gnr.measure.log_blocks import ClassSums, banded
from gnr.models.warm_program import WarmProgram
from gnr.rates import rates_of


@dataclass(frozen=True)
class PlannedLog:
    """What a log comes to.

    Attributes
    ----------
    instance
        GPU, prices and classes.
    total
        Requests/s in all; None where not known.
    by_class
        Fields of `gnr.fit_result.FittedClass` that have intervals, by class.
    plan
        The best plan.
    """

    instance: Instance
    total: Banded | None
    by_class: tuple[dict[str, Any], ...]
    plan: FittedPlan


@dataclass(frozen=True)
class Sampled:
    """A log by class and its resamples.

    Attributes
    ----------
    names
        Names of the classes.
    whole
        Sums over the log, shape ``(classes,)``.
    drawn
        Sums over resamples, shape ``(resamples, classes)``; None without.
    parts
        Parts that were drawn.
    own_rate
        Requests/s of the log; None without times.
    tells_prefixes
        Whether sums of cached tokens mean anything.
    """

    names: Sequence[str]
    whole: ClassSums
    drawn: ClassSums | None
    parts: int
    own_rate: float | None
    tells_prefixes: bool


def plan_log(asked: FitRequest, base: Instance, log: Sampled) -> PlannedLog:
    """Return the instance of a log and its best plan, solved anew for every resample."""
    caching, names = asked.prefix_caching, log.names
    ones = np.ones(len(names))
    work = workload_of(log.whole, Workload(ones, ones, ones), caching)
    total = asked.rate if asked.rate is not None else log.own_rate
    capacity = capacity_of(with_workload(base, names, work, 1.0, asked.patience))
    goal = asked.load or (1.0 if asked.gpus else DEFAULT_LOAD)
    here = goal * capacity
    if asked.gpus is not None and total is not None:
        here = total / asked.gpus
    program = WarmProgram()
    instance = with_workload(base, names, work, here, asked.patience)
    problems = problems_in(instance.model_dump(by_alias=True, exclude_none=True), "the log")
    if problems:
        raise InputError(problems)
    plan, loads = best_plan(program, instance), loads_of(rates_of(instance))
    if np.isnan(plan.revenue_rate):
        message = "the solver found no answer that stands up for these lengths and rates"
        raise InputError(
            [Problem("no-plan", "the log", "", message, "try another --load, or --gpus")]
        )
    tried: dict[str, Floats] = {}
    if log.drawn is not None:
        varies = asked.rate is None and log.own_rate is not None
        tried = _resampled(asked, base, log, work, here, varies, program)

    def band(value: float, key: str, k: int | None = None, scale: float = 1.0) -> Banded:
        if not tried:
            return Banded(value=value, band=None)
        values = tried[key] if k is None else tried[key][:, k]
        return banded(value, values * scale, log.parts)

    prompt, output, saved = mean_lengths(log.whole, work)
    by_class = tuple(
        {
            "share": band(float(work.share[k]), "share", k),
            "prompt_tokens": band(float(prompt[k]), "prompt", k),
            "output_tokens": band(float(output[k]), "output", k),
            "effective_prompt_tokens": band(float(prompt[k] - saved[k]), "effective", k)
            if log.tells_prefixes
            else None,
            "requests_per_second": None
            if total is None
            else band(float(work.share[k] * total), "rate", k, total),
            "arrival_rate": band(float(work.share[k] * here), "rate", k, here),
            "served": band(float(plan.served[k]), "served", k),
            "admitted_share": float((tried["served"][:, k] > 0).mean()) if tried else None,
        }
        for k in range(len(names))
    )
    needed = None
    if total is not None:
        needed = band(total / (goal * capacity), "needed", None, total / goal)
    return PlannedLog(
        instance,
        None if total is None else band(total, "factor", None, total),
        by_class,
        FittedPlan(
            hardware_from=base.name,
            hardware_title=base.title,
            capacity=band(capacity, "capacity"),
            load=band(here / capacity, "load"),
            gpus=None if total is None else total / here,
            at_load=goal,
            gpus_needed=needed,
            prefill_load=loads.prefill,
            decode_load=loads.decode,
            revenue_rate=band(plan.revenue_rate, "revenue"),
            mixed_share=band(plan.mixed_share, "mixed"),
        ),
    )


def _resampled(
    asked: FitRequest,
    base: Instance,
    log: Sampled,
    work: Workload,
    here: float,
    varies: bool,
    program: WarmProgram,
) -> dict[str, Floats]:
    """Return every figure by resample, shape ``(resamples,)`` or ``(resamples, classes)``.

    `here` is the total rate per GPU of the whole log; `varies` tells whether that of a resample is
    another, as it is where the log has times. ``factor``, ``rate`` and ``needed`` are to be
    multiplied by a total.
    """
    drawn = log.drawn
    assert drawn is not None
    requests = float(log.whole.requests.sum())
    found = []
    for at in range(len(drawn.requests)):
        sums = drawn.at(at)
        again = workload_of(sums, work, asked.prefix_caching)
        prompt, output, saved = mean_lengths(sums, work)
        factor = max(float(sums.requests.sum()) / requests, RARE) if varies else 1.0
        instance = with_workload(base, log.names, again, here * factor, asked.patience)
        capacity, best = capacity_of(instance), best_plan(program, instance)
        found.append(
            {
                "share": again.share,
                "prompt": prompt,
                "output": output,
                "effective": prompt - saved,
                "factor": factor,
                "rate": again.share * factor,
                "capacity": capacity,
                "load": here * factor / capacity,
                "needed": factor / capacity,
                "revenue": best.revenue_rate,
                "mixed": best.mixed_share,
                "served": best.served,
            }
        )
    return {key: np.array([each[key] for each in found]) for key in found[0]}
