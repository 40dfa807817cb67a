"""One policy on growing clusters: how fast its revenue approaches the optimum."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gnr.checks import warnings_for
from gnr.convergence import Against, Bounded, Convergence, PairedDifference, PowerLawFit
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.plan import Occupancy
from gnr.provenance import record
from gnr.result import Solution
from gnr.simulation import Estimate, Simulation
from gnr.validation.engines import Progress
from gnr.validation.policies import find_policy
from gnr.validation.power_law import (
    CONFIDENCE,
    EXPONENTS,
    MOST_LACK_FOR_A_VERDICT,
    PowerLaw,
    convergence_verdict,
    fit_power_law,
)
from gnr.validation.statistics import Verdict, correlation, paired_difference
from gnr.validation.studies.setting import EXPONENTIAL, PER_GPU, POOLED_FIDELITY, Setting
from gnr.validation.studies.side_by_side import Run, simulations
from gnr.validation.studies.simulation import Study, prepare

GRID = (5, 20, 50, 200, 500, 2000, 8000, 32000, 128000)
"""Default cluster sizes."""

DELTA = 0.005
"""A limit of the gap inside +-DELTA, a fraction of the LP value, counts as converged."""

FEWEST_SIZES = 4
"""Cluster sizes below which no power law is fitted."""

FEWEST_FOR_A_VERDICT, LEAST_SPAN = 6, 100
"""Cluster sizes, and factor between the smallest and the largest, below which a fitted law is not
extrapolated to a verdict: with one or two points to spare its misfit cannot be told."""

RESAMPLES = 4000

VERDICTS: Mapping[Verdict, Any] = {
    Verdict.YES: "converges",
    Verdict.NO: "does not converge",
    Verdict.UNDECIDED: "undecided",
}

GAPS: Mapping[Against, str] = {"optimum": "gap", "plan": "plan_gap"}
"""Samples of a simulation that hold the gap to each."""

Told = Callable[[Simulation], None]
"""Called with each cluster size that is done."""


def converge(
    instance: Instance,
    *,
    policy: str | None = None,
    gpus: Sequence[int] = GRID,
    account: str | None = None,
    setting: Setting | None = None,
    delta: float = DELTA,
    progress: Progress | None = None,
    told: Told | None = None,
    options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Convergence:
    """Simulate a policy on clusters of growing size and judge where its gap goes.

    Where the instance has promises, the gap is that to the plan that keeps them: the optimum
    without promises is out of reach by their cost, at any number of GPUs.

    Parameters
    ----------
    instance
        What to simulate.
    policy
        Name of a policy, see `gnr.validation.policies.POLICIES`; by default the one made for the
        pricing of the instance, under promises sli-aware-general, which keeps the planned split.
    gpus
        Cluster sizes; a verdict needs six or more over a factor of a hundred.
    account
        `bundled` or `separate`; by default as the instance is priced.
    setting, changes
        How to simulate; single fields of `Setting` may be given as keywords instead.
    delta
        Largest limit of the gap that counts as none, a fraction of the LP value.
    progress
        Called now and then with the events simulated so far.
    told
        Called with each cluster size that is done.
    options
        Further options to write into the provenance.

    Returns
    -------
    Convergence
        Of the sizes that were complete, if interrupted after the first.

    Raises
    ------
    InputError
        If a name is unknown, an option out of range, or there is no optimum to compare with.
    KeyboardInterrupt
        If interrupted before any cluster size was complete.
    """
    started = time.perf_counter()
    setting = Setting(**(vars(setting or Setting()) | changes))
    sizes = _checked_sizes(gpus, delta)
    study = prepare(instance, policy, account, setting, options)
    study = replace(study, setting=_one_fidelity(study))
    plans = [study.plan(size) for size in sizes]
    found: dict[int, Simulation] = {}
    try:
        for place, point in simulations([Run(study, plan) for plan in plans], progress):
            found[place] = point
            if told is not None:
                told(point)
            if not point.complete:
                break
    except KeyboardInterrupt:
        if not found:
            raise
    points = [found[place] for place in sorted(found)]
    points = [point for point in points if point.complete] or points
    complete = len(points) == len(plans) and points[-1].complete
    earned = study.fluid_revenue(plans[0])
    against: Against = "plan" if instance.slis and earned > 0 else "optimum"
    value = float(study.target.revenue_rate or 0.0)
    # Who breaks the promises may earn more than the plan, and nobody more than the optimum.
    least = min(0.0, 1 - value / earned) if against == "plan" else 0.0
    fit = _fit(points, GAPS[against], least, setting.seed)
    sizes = [point.gpus for point in points]
    enough = len(sizes) >= FEWEST_FOR_A_VERDICT and max(sizes) >= LEAST_SPAN * min(sizes)
    verdict = convergence_verdict(fit, delta) if fit is not None and enough else Verdict.UNDECIDED
    return Convergence(
        instance=instance.name,
        policy=study.policy,
        accounting=study.target.scheme,
        lp_revenue_rate=value,
        against=against,
        approached_revenue_rate=earned if against == "plan" else value,
        targets=_targets(study.planned),
        points=tuple(points),
        fit=fit and _fit_document(fit),
        delta=delta,
        verdict=VERDICTS[verdict],
        complete=complete,
        warnings=(*warnings_for(instance), *_warnings(points, fit, enough, complete)),
        provenance=record(
            instance.sha256(),
            started,
            vars(setting)
            | {"policy": study.policy, "gpus": list(sizes), "delta": delta}
            | dict(options or {}),
            seed=setting.seed,
        ),
    )


def paired_with(result: Convergence, other: Convergence) -> Convergence:
    """Return `result` with its paired differences to `other` in it."""
    pairs = []
    others = {point.gpus: point.samples["revenue_rate"] for point in other.points}
    for point in result.points:
        if point.gpus not in others:
            continue
        count = min(point.replications, len(others[point.gpus]))
        ours, theirs = point.samples["revenue_rate"][:count], others[point.gpus][:count]
        found = paired_difference(ours, theirs, CONFIDENCE)
        pairs.append(
            PairedDifference(
                against=other.policy,
                gpus=point.gpus,
                difference=Estimate(mean=found.mean, half_width=found.half_width),
                correlation=correlation(ours, theirs),
            )
        )
    return result.model_copy(update={"paired": tuple(pairs)})


def expected_total(
    instance: Instance, policy: str | None, gpus: Sequence[int], setting: Setting
) -> float:
    """Return about how many events `converge` will simulate."""
    study = prepare(instance, policy, None, setting)
    study = replace(study, setting=_one_fidelity(study))
    return sum(study.expected_events(study.plan(size)) for size in gpus)


def _one_fidelity(study: Study) -> Setting:
    """Return the setting with one fidelity for all sizes: pooled where that is possible."""
    setting = study.setting
    pooled = find_policy(study.policy).pooled and setting.lengths == EXPONENTIAL
    return replace(setting, fidelity=setting.fidelity or (POOLED_FIDELITY if pooled else PER_GPU))


def _checked_sizes(gpus: Sequence[int], delta: float) -> list[int]:
    problems = []
    if not 0 < delta < 1:
        problems.append(("--delta", f"must lie between 0 % and 100 %, got {delta}", "say 0.5%"))
    if not gpus or len(set(gpus)) != len(gpus) or min(gpus) < 1:
        problems.append(
            ("--gpus", f"must be different sizes of at least 1, got {list(gpus)}", "say 5,20,50")
        )
    if problems:
        raise InputError(
            Problem("converge-range", option, "", message, remedy)
            for option, message, remedy in problems
        )
    return sorted(gpus)


def _fit(points: Sequence[Simulation], gap: str, least: float, seed: int) -> PowerLaw | None:
    if len(points) < FEWEST_SIZES:
        return None
    return fit_power_law(
        [point.gpus for point in points],
        [point.samples[gap] for point in points],
        least=least,
        resamples=RESAMPLES,
        seed=seed,
    )


def _fit_document(fit: PowerLaw) -> PowerLawFit:
    limit, amplitude, exponent = (
        Bounded(estimate=each.estimate, low=each.low, high=each.high)
        for each in (fit.limit, fit.amplitude, fit.exponent)
    )
    return PowerLawFit(
        limit=limit,
        amplitude=amplitude,
        exponent=exponent,
        lack_of_fit=fit.lack_of_fit,
        confidence=CONFIDENCE,
    )


def _targets(planned: Solution) -> dict[str, Occupancy]:
    return {
        each.name: Occupancy(**{field: getattr(each, field) for field in Occupancy.model_fields})
        for each in planned.classes
    }


def _warnings(
    points: Sequence[Simulation], fit: PowerLaw | None, enough: bool, complete: bool
) -> list[str]:
    told = [
        f"{point.gpus} GPUs: {warning}"
        for point in points
        for warning in point.warnings
        if warning.startswith(("runs from", "the precision", "interrupted"))
    ]
    if fit is None:
        told.append(f"fewer than {FEWEST_SIZES} cluster sizes: no power law was fitted")
    elif fit.lack_of_fit >= MOST_LACK_FOR_A_VERDICT:
        told.append("the points show no power law: the fitted one says nothing")
    elif fit.exponent.low <= EXPONENTS[0] or fit.exponent.high >= EXPONENTS[-1]:
        told.append("the sizes do not determine the exponent: its interval ends where the fit does")
    if not enough:
        told.append(
            f"a verdict needs at least {FEWEST_FOR_A_VERDICT} cluster sizes over a factor of "
            f"{LEAST_SPAN}; these decide nothing"
        )
    if not complete:
        told.append("interrupted: cluster sizes are missing")
    return told
