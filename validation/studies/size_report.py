"""What sizing found, as the result shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.models.fewest_gpus import FluidSize
from gnr.rates import rates_of
from gnr.sizing import (
    ClassAtSize,
    Cost,
    FluidGpus,
    KeptPromise,
    NearestPromise,
    SizedCluster,
    SizedPolicy,
    SmallerCluster,
    TriedCluster,
)
from gnr.slis import INDICATORS
from gnr.validation.sequential import Bounded
from gnr.validation.statistics import Verdict
from gnr.validation.studies.kept import known_mean
from gnr.validation.studies.size_claims import LOOKS, Claim
from gnr.validation.studies.trials import Evidence, Size, Task

BY_THE_PROGRAM = "the linear program proves it for every policy of this kind"
BY_SIMULATION = "simulated"
NOBODY_SERVED = "so few serve nobody"
SIDES_TOGETHER = "prefill and decode wait for each other, so that splits do not show it one by one"

SPARE = 1.05
"""How far above what the largest cluster measured a promise is that it could keep."""

DIGITS = 2
"""Digits of such a promise, rounded to the safe side."""

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Smaller:
    """What is known of a smaller cluster: does it fail, why, and by which claims."""

    gpus: int
    fails: Verdict
    reason: str
    claims: tuple[Claim, ...]


def found(
    task: Task,
    fluid: FluidSize | None,
    guess: int,
    tried: Mapping[Size, Evidence],
    claim: Claim,
    smaller: Smaller | None,
) -> SizedPolicy:
    """Return a policy with the size that was found for it."""
    size = claim.evidence.size
    return SizedPolicy(
        policy=task.policy.name,
        status="found" if claim.verdict is Verdict.YES else "undecided",
        fluid=fluid_gpus(task, fluid),
        first_guess=guess,
        gpus=size.gpus,
        prefill_gpus=size.prefill_gpus,
        physical_gpus=size.gpus * task.demanded.gpu.replica_gpus,
        cluster=_cluster(claim),
        smaller=None if smaller is None else _smaller(smaller),
        classes=_classes(claim.evidence),
        cost=_cost(claim.evidence),
        tried=_tried(tried),
        nearest=(),
    )


def none_found(
    task: Task, fluid: FluidSize | None, guess: int, tried: Mapping[Size, Evidence]
) -> SizedPolicy:
    """Return a policy under which no cluster keeps the promises."""
    largest = max(tried, key=lambda size: size.gpus, default=None)
    return SizedPolicy(
        policy=task.policy.name,
        status="none",
        fluid=fluid_gpus(task, fluid),
        first_guess=guess,
        gpus=None,
        prefill_gpus=None,
        physical_gpus=None,
        cluster=None,
        smaller=None,
        classes=(),
        cost=None,
        tried=_tried(tried),
        nearest=() if largest is None else _nearest(tried[largest]),
    )


def fluid_gpus(task: Task, fluid: FluidSize | None) -> FluidGpus | None:
    """Return the fluid limit."""
    if fluid is None:
        return None
    names = [each.name for each in task.demanded.classes]

    def by_class(values: Floats) -> dict[str, float]:
        return dict(zip(names, values.tolist(), strict=True))

    return FluidGpus(
        gpus=fluid.gpus,
        prefill_gpus=by_class(fluid.prefill),
        decode_gpus=by_class(fluid.decode / task.demanded.gpu.batch_slots),
        gpus_per_request=by_class(fluid.gpus_per_request),
    )


def _cluster(claim: Claim) -> SizedCluster:
    evidence = claim.evidence
    level = claim.level / len(LOOKS)
    return SizedCluster(
        gpus=evidence.size.gpus,
        prefill_gpus=evidence.size.prefill_gpus,
        keeps=claim.verdict.value,
        error_probability=claim.level,
        replications=len(evidence.windows.started_empty),
        horizon_s=evidence.windows.horizon,
        promises=_promises(evidence, level),
    )


def _promises(evidence: Evidence, level: float) -> tuple[KeptPromise, ...]:
    task, bounds = evidence.task, evidence.bounds
    shares = zip(task.percentiles, bounds[: len(task.percentiles)], strict=True)
    others = zip(task.promises, bounds[len(task.percentiles) :], strict=True)
    rows = [
        KeptPromise(
            name=promise.label,
            unit="s",
            direction="at_most",
            promised=promise.at_most,
            measured=known_mean(evidence.percentile(promise)),
            kept=_kept(bounded, level, len(bounds)).value,
        )
        for promise, bounded in shares
    ]
    for sli, bounded in others:
        upper = sli.at_most is not None
        values = bounded.high if upper else -bounded.high
        rows.append(
            KeptPromise(
                name=sli.label,
                unit=INDICATORS[sli.kind].unit,
                direction="at_most" if upper else "at_least",
                promised=bounded.limit if upper else -bounded.limit,
                measured=known_mean(values),
                kept=_kept(bounded, level, len(bounds)).value,
            )
        )
    return tuple(rows)


def _kept(bounded: Bounded, level: float, number: int) -> Verdict:
    """Return whether one of `number` bounds is kept, at the levels of `sequential.decide`."""
    if bounded.kept() <= level:
        return Verdict.YES
    return Verdict.NO if bounded.broken() <= level / number else Verdict.UNDECIDED


def _smaller(smaller: Smaller) -> SmallerCluster:
    return SmallerCluster(
        gpus=smaller.gpus,
        fails=smaller.fails.value,
        reason=smaller.reason,
        clusters=tuple(_cluster(each) for each in smaller.claims),
    )


def _tried(tried: Mapping[Size, Evidence]) -> tuple[TriedCluster, ...]:
    by_size = sorted(tried.items(), key=lambda each: each[0].gpus)
    return tuple(_tried_cluster(evidence) for _, evidence in by_size)


def _tried_cluster(evidence: Evidence) -> TriedCluster:
    promises = _promises(evidence, 0.0)
    return TriedCluster(
        gpus=evidence.size.gpus,
        prefill_gpus=evidence.size.prefill_gpus,
        seems_to_keep=evidence.seems_to_keep,
        broken=tuple(
            promise.name
            for promise, bounded in zip(promises, evidence.bounds, strict=True)
            if not bounded.seems_kept
        ),
        measured={each.name: _mean(each) for each in promises},
    )


def _mean(promise: KeptPromise) -> float | None:
    return None if promise.measured is None else promise.measured.mean


def _nearest(evidence: Evidence) -> tuple[NearestPromise, ...]:
    """Return the promises that the largest cluster seems to break, with what it could promise."""
    broken = [
        each
        for each, bounded in zip(_promises(evidence, 0.0), evidence.bounds, strict=True)
        # unlike `seems_kept`, a mean that is nan is on neither side
        if float(bounded.high.mean()) > bounded.limit and each.measured is not None
    ]
    return tuple(
        NearestPromise(
            name=each.name,
            promised=each.promised,
            keepable=_with_spare(each),
            unit=each.unit,
        )
        for each in broken
    )


def _with_spare(promise: KeptPromise) -> float:
    assert promise.measured is not None
    mean, upper = promise.measured.mean, promise.direction == "at_most"
    wanted = mean * SPARE if upper else mean / SPARE
    if wanted <= 0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(wanted)) - DIGITS + 1)
    rounded = np.ceil(wanted / unit) if upper else np.floor(wanted / unit)
    return float(f"{rounded * unit:.{DIGITS}g}")


def _classes(evidence: Evidence) -> tuple[ClassAtSize, ...]:
    gpus, measures = evidence.size.gpus, evidence.measures
    slots = evidence.task.demanded.gpu.batch_slots
    decodes = (measures.mixed_decode + measures.solo_decode).mean(axis=-1) * gpus
    left = (measures.abandoned_prefill + measures.abandoned_decode).mean(axis=-1)
    return tuple(
        ClassAtSize(
            name=each.name,
            prefill_gpus=float(measures.prefill[i].mean() * gpus),
            decodes=float(decodes[i]),
            decode_gpus=float(decodes[i] / slots),
            finished=float(measures.throughput[i].mean() * gpus),
            abandoned=float(left[i]),
        )
        for i, each in enumerate(evidence.task.demanded.classes)
    )


def _cost(evidence: Evidence) -> Cost | None:
    gpu, size = evidence.task.demanded.gpu, evidence.size
    if gpu.cost is None:
        return None
    rates = rates_of(evidence.task.instance(size.gpus))
    finished = evidence.measures.throughput.mean(axis=-1) * size.gpus * SECONDS_PER_HOUR
    prompts, outputs = float(finished @ rates.prompt_tokens), float(finished @ rates.output_tokens)
    per_hour = gpu.cost.per_hour * gpu.replica_gpus * size.gpus
    return Cost(
        per_hour=per_hour,
        per_million_tokens=1e6 * per_hour / (prompts + outputs),
        per_million_output_tokens=1e6 * per_hour / outputs,
    )
