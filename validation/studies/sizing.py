"""How many GPUs a demand needs: the fluid program, then clusters of whole GPUs by simulation."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gnr.checks import warnings_for
from gnr.demand import Demand
from gnr.errors import InputError, NoOptimumError, Problem
from gnr.instance import Instance, Sli
from gnr.latency_promise import read_promises
from gnr.models.fewest_gpus import FluidSize, fewest_gpus
from gnr.provenance import record
from gnr.size_band import UncertainInput
from gnr.sizing import DemandedClass, SizedPolicy, Sizing
from gnr.validation.per_gpu.lengths import read_law
from gnr.validation.policies import find_policy
from gnr.validation.sequential import ALPHA
from gnr.validation.staffing import MOST_SERVERS
from gnr.validation.statistics import Verdict
from gnr.validation.studies import size_claims, size_report
from gnr.validation.studies.cluster import MOST_SINGLE_GPUS
from gnr.validation.studies.first_guess import first_guess, stations
from gnr.validation.studies.setting import MOST_GPUS_BY_DEFAULT
from gnr.validation.studies.size_bands import band_of
from gnr.validation.studies.size_claims import Claim
from gnr.validation.studies.size_ladder import ladder
from gnr.validation.studies.size_search import Vector, grown, smallest
from gnr.validation.studies.trials import (
    ABANDONMENT,
    GLANCE,
    GLANCES,
    Evidence,
    Size,
    Task,
    Trial,
    claim_effort,
    glance,
)

POLICIES = ("gate-and-route", "disaggregated", "price-index-fill")
"""Ways to run a cluster that are sized unless others are named: a partition with mixed GPUs, one
without, and none."""

LEAVING = 0.01
"""Share of the arrivals that may leave where nothing is promised of them."""

SMALLER = 0.95
"""The smaller cluster that should fail, as a share of n."""

GROWTH = 0.01
"""By how much a size grows that was not shown to keep its promises."""

Told = Callable[[str], None]
"""Told in words what is being done."""


def size(
    instance: Instance,
    demand: Demand,
    promises: Sequence[str] = (),
    *,
    policies: Sequence[str] = POLICIES,
    lengths: str = "exponential",
    seed: int = 1,
    inputs: Sequence[UncertainInput] = (),
    tell: Told = lambda _: None,
    options: Mapping[str, Any] | None = None,
) -> Sizing:
    """Return the fewest GPUs that serve a demand under promises, policy by policy.

    Parameters
    ----------
    instance
        GPU, classes and prices. Its own arrival rates do not matter; its promises are kept too.
    demand
        Requests/s of each of its classes.
    promises
        Promises as they are typed, ``p99_ttft=500ms``; see `gnr.latency_promise.read_promises`.
        Where none is about who leaves, at most 1 % of the arrivals may.
    policies
        Ways to run the cluster.
    lengths, seed
        As in `gnr.simulate`.
    inputs
        What is uncertain of instance and demand; with any, each n found has a range.
    tell
        Told now and then what is being done.
    options
        Further options to write into the provenance.

    Raises
    ------
    InputError
        If demand and instance do not fit, a policy is unknown, or a promise cannot be read or
        sized.
    """
    started = time.perf_counter()
    if not policies:
        remedy = f"name some, as in {','.join(POLICIES)}"
        raise InputError([Problem("policies-missing", "--policies", "", "names none", remedy)])
    read_law(lengths, instance)
    demanded = demand.instance_for(instance, 1).model_copy(update={"slis": ()})
    percentiles, stated = read_promises(promises, instance)
    all_promises, warnings = _all_promises(instance, stated)
    error = ALPHA / len(policies)  # the best of them is named: a wrong claim would look best
    tasks = [
        Task(demanded, find_policy(name), percentiles, all_promises, lengths, seed, error)
        for name in policies
    ]
    found, complete = _until_interrupted(tasks, inputs, tell)
    sized = [each for each in found if each.gpus is not None]
    best = min(sized, key=lambda each: (each.status != "found", each.gpus or 0), default=None)
    return Sizing(
        instance=instance.name,
        demand=demand.source,
        demand_sha256=demand.sha256,
        demanded=tuple(
            DemandedClass(name=each.name, requests_per_second=each.arrival_rate)
            for each in demanded.classes
        ),
        percentiles=percentiles,
        promises=tuple(each.label for each in all_promises),
        lengths=lengths,
        seed=seed,
        replica_gpus=instance.gpu.replica_gpus,
        policies=tuple(found),
        best=None if best is None else best.policy,
        complete=complete,
        warnings=(
            *warnings_for(instance),
            *warnings,
            *dict.fromkeys(text for each in inputs for text in each.warnings),
        ),
        provenance=record(instance.sha256(), started, dict(options or {}), seed=seed),
    )


def _until_interrupted(
    tasks: Sequence[Task], inputs: Sequence[UncertainInput], tell: Told
) -> tuple[list[SizedPolicy], bool]:
    """Return the policies that are done, and whether that is all of them."""
    found: list[SizedPolicy] = []
    try:
        for task in tasks:
            found.append(_size(task, inputs, tell))
    except KeyboardInterrupt:
        if not found:
            raise
    return found, len(found) == len(tasks)


def _all_promises(
    instance: Instance, promises: Sequence[Sli]
) -> tuple[tuple[Sli, ...], tuple[str, ...]]:
    """Return the promises of the instance and the others, and warnings about them."""
    hard = [each for each in instance.slis if each.penalty_weight is None]
    labels = {each.label for each in promises}
    nothing = [each for each in promises if each.at_most == 0]
    if nothing:
        message = f"{nothing[0].label} of 0 cannot be shown by any simulation"
        remedy = f"promise little, as {nothing[0].kind}=0.1%"
        raise InputError([Problem("promise-zero", "--promise", "", message, remedy)])
    kept = [*(each for each in hard if each.label not in labels), *promises]
    warnings = []
    if len(hard) < len(instance.slis):
        warnings.append("penalties of the instance do not count: they promise nothing")
    if not any(each.kind == ABANDONMENT for each in kept):
        kept.append(Sli(kind=ABANDONMENT, at_most=LEAVING))
        warnings.append(
            f"nothing is promised of who leaves: {LEAVING:.0%} of the arrivals may; promise "
            f"{ABANDONMENT} to say otherwise"
        )
    return tuple(kept), tuple(warnings)


def _size(task: Task, inputs: Sequence[UncertainInput], tell: Told) -> SizedPolicy:
    """Return how many GPUs one policy needs."""
    name = task.policy.name
    fluid = fewest_gpus(task.demanded, task.promises, disaggregated=task.policy.disaggregated)
    prefill, decode = stations(task)
    busy = prefill.load + decode.load / task.demanded.gpu.batch_slots
    _check_number(busy if decode.load < MOST_SERVERS / 2 else np.inf)
    guess = first_guess(task, fluid)
    _check_number(sum(guess))
    search = _Search(task, tell)
    if fluid is None:
        return size_report.none_found(task, fluid, sum(guess), search.tried)
    best = _searched(task, search, guess, fluid)
    ladder(task, search.keeps, best or guess)
    if best is None:
        return size_report.none_found(task, fluid, sum(guess), search.tried)
    claim = _claimed(task, best, tell)
    smaller = None
    if claim.verdict is Verdict.YES:
        tell(f"{name}: does a twentieth fewer than {claim.evidence.size.gpus} GPUs fail?")
        smaller = _smaller(task, fluid, claim.evidence.size)
    found = size_report.found(task, fluid, sum(guess), search.tried, claim, smaller)
    if not inputs:
        return found
    return found.model_copy(update={"band": band_of(task, claim.evidence.size, inputs)})


def _searched(task: Task, search: "_Search", guess: Vector, fluid: FluidSize) -> Vector | None:
    """Return the smallest cluster found.

    The search begins at the guess and, where GPUs may do both, once more at as many that all do.
    """
    least = _least(task, fluid)
    best = smallest(search.keeps, guess, least)
    if best is None or not task.partitioned or task.policy.disaggregated:
        return best
    together = (sum(best), 0)
    if not search.keeps(together):
        return best
    other = smallest(search.keeps, together, least)
    return best if other is None else min(best, other, key=sum)


def _check_number(gpus: float) -> None:
    """Raise `InputError` if there are more GPUs, or slots on them, than can be computed with."""
    if gpus > MOST_GPUS_BY_DEFAULT:
        about = f"about {gpus:,.0f}" if np.isfinite(gpus) else "too many"
        message = f"asks for {about} GPUs; {MOST_GPUS_BY_DEFAULT:,} are sized at most"
        remedy = "size a part of it, as --scale 0.01: 100 times its size is enough for all"
        raise InputError([Problem("demand-range", "--demand", "", message, remedy)])


def _least(task: Task, fluid: FluidSize) -> Vector:
    """Return the smallest cluster worth trying: with fewer, classes would go without service."""
    if not task.partitioned:
        return (max(1, int(np.ceil(fluid.gpus * (1 - 1e-9)))),)
    return (1, 1 if task.policy.disaggregated else 0)


class _Search:
    """Looks at sizes with few replications, and remembers what it saw."""

    def __init__(self, task: Task, tell: Told) -> None:
        self._task, self._tell = task, tell
        self.tried: dict[Size, Evidence] = {}
        self._known: dict[Vector, bool] = {}

    def keeps(self, vector: Vector) -> bool:
        if vector not in self._known:
            self._known[vector] = self._looked_at(vector)
        return self._known[vector]

    def _looked_at(self, vector: Vector) -> bool:
        size = Size.of_parts(vector)
        if size.gpus > MOST_SINGLE_GPUS:
            return False
        self._tell(f"{self._task.policy.name}: trying {words(size)}")
        trial = Trial(self._task, size, GLANCE)
        try:
            evidence = trial.run(GLANCES)
        except NoOptimumError:  # no steady state with so few
            return False
        self.tried[size] = evidence
        return evidence.seems_to_keep and trial.settles


def words(size: Size) -> str:
    """Return a size in words."""
    group = "" if size.prefill_gpus is None else f", {size.prefill_gpus} of them prefilling"
    return f"{size.gpus} GPUs{group}"


def _claimed(task: Task, vector: Vector, tell: Told) -> Claim:
    """Return the claim that a cluster keeps its promises, of `vector` or somewhat more GPUs."""
    for attempt in range(1, size_claims.ATTEMPTS + 1):
        size = Size.of_parts(vector)
        tell(f"{task.policy.name}: do {words(size)} keep all promises?")
        trial = Trial(task, size, claim_effort(attempt))
        claim = size_claims.keeps(trial, size_claims.level_of(task, attempt))
        if claim.verdict is Verdict.YES:
            break
        more = grown(vector, GROWTH)
        short = size_claims.short_of(claim)
        vector = tuple(more[k] if k in short else vector[k] for k in range(len(vector)))
    return claim


def _smaller(task: Task, fluid: FluidSize, found: Size) -> size_report.Smaller:
    """Return what can be said of a twentieth fewer GPUs."""
    gpus = int(SMALLER * found.gpus)
    if gpus == 0:
        return size_report.Smaller(gpus, Verdict.YES, size_report.NOBODY_SERVED, ())
    if gpus < fluid.gpus * (1 - 1e-9):
        return size_report.Smaller(gpus, Verdict.YES, size_report.BY_THE_PROGRAM, ())
    effort = claim_effort(size_claims.ATTEMPTS + 1)
    if found.prefill_gpus is None:
        claim = size_claims.fails(Trial(task, Size(gpus), effort))
        return size_report.Smaller(gpus, _opposite(claim), size_report.BY_SIMULATION, (claim,))
    if task.policy.decodes_first:
        return size_report.Smaller(gpus, Verdict.UNDECIDED, size_report.SIDES_TOGETHER, ())
    sides = size_claims.weak_sides(task, gpus, _weakest_split(task, found, gpus))
    if not sides:
        return size_report.Smaller(gpus, Verdict.YES, size_report.NOBODY_SERVED, ())
    claims = tuple(
        size_claims.fails_on_a_side(Trial(task, size, effort), side, task.error / len(sides))
        for size, side in sides
    )
    both = all(claim.verdict is Verdict.NO for claim in claims)
    verdict = Verdict.YES if both else Verdict.UNDECIDED
    return size_report.Smaller(gpus, verdict, size_report.BY_SIMULATION, claims)


def _weakest_split(task: Task, found: Size, gpus: int) -> int:
    """Return M at which a smaller cluster seems weakest: M on one side, M + 1 on the other."""

    def weakness(prefill: int) -> float:
        margins = (
            size_claims.margin(glance(task, size).on_side(side))
            for size, side in size_claims.weak_sides(task, gpus, prefill)
        )
        return min(margins, default=np.inf)

    return max(size_claims.weak_splits(found, gpus), key=weakness)


def _opposite(claim: Claim) -> Verdict:
    return {Verdict.YES: Verdict.NO, Verdict.NO: Verdict.YES}.get(claim.verdict, claim.verdict)
