"""What replays amount to: fates, times, revenue and courses, from what became of every request."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.replay_result import (
    Course,
    Fates,
    Latencies,
    Repeated,
    ReplayedClass,
    ReplayedPolicy,
    Times,
)
from gnr.result import Solution
from gnr.validation.chain import Row
from gnr.validation.per_gpu import replay_layout as own
from gnr.validation.per_gpu.replay_engine import Series, Totals
from gnr.validation.per_gpu.replay_layout import Log
from gnr.validation.policies.policy import Policy
from gnr.validation.statistics import t_interval
from gnr.validation.studies.trace_classes import ClassedTrace

QUANTILES = (0.50, 0.95, 0.99)

FATES = {
    "finished": own.FINISHED,
    "left_before_prefill": own.LEFT_BEFORE_PREFILL,
    "left_before_decode": own.LEFT_BEFORE_DECODE,
    "refused": own.REFUSED,
}


@dataclass(frozen=True)
class Run:
    """One replay: every request, the cluster over time, what was counted, how many plans.

    `prefill_gpus` may prefill by the first of them.
    """

    requests: Log
    series: Series
    totals: Totals
    plans: int
    prefill_gpus: int


Runs = Sequence[tuple[Policy, float | None, list[Run]]]
"""Policy, time between two plans (s, or None), replays."""


def policy_results(
    runs: Runs, classes: ClassedTrace, target: Solution, gpus: int
) -> tuple[ReplayedPolicy, ...]:
    """Return what each policy made of the trace."""
    revenue = [
        np.array([revenue_rate(run, classes, target.scheme, gpus) for run in found])
        for _, _, found in runs
    ]
    best = max(range(len(runs)), key=lambda k: float(revenue[k].mean()), default=0)
    optimum = float(target.revenue_rate or 0.0)
    pairs = max(len(runs) * (len(runs) - 1) // 2, 1)  # any two could have been best and behind
    corrected = 1 - 0.05 / pairs
    return tuple(
        _result(
            policy,
            every,
            found,
            classes,
            gpus,
            revenue=revenue[k],
            optimum=optimum,
            behind=None if k == best else repeated(revenue[best] - revenue[k], corrected),
        )
        for k, (policy, every, found) in enumerate(runs)
    )


def revenue_rate(run: Run, classes: ClassedTrace, scheme: str, gpus: int) -> float:
    """Return the revenue, money/s per GPU over the arrivals' span, by the length of each request.

    Bundled: prompt and output of those that finished (eq. P22). Separate: prompts whose prefill
    ended, outputs of those that finished (eq. P23).
    """
    trace, prices = classes.trace, classes.instance.prices
    finished = run.requests.outcome == own.FINISHED
    prefilled = np.isfinite(run.requests.first_token) if scheme == "separate" else finished
    earned = prices.prompt_token * float(trace.prompt_tokens[prefilled].sum())
    earned += prices.output_token * float(trace.output_tokens[finished].sum())
    return earned / (gpus * trace.span)


def times_of(run: Run, classes: ClassedTrace) -> dict[str, Floats]:
    """Return time to first token, per output token and end to end of every request, s, or nan."""
    log, trace = run.requests, classes.trace
    finished = log.outcome == own.FINISHED
    more = trace.output_tokens - 1
    several = finished & (more > 0)
    tpot = np.full(len(trace), np.nan)
    tpot[several] = (log.end - log.first_token)[several] / more[several]
    return {
        "ttft": log.first_token - trace.arrival,
        "tpot": tpot,
        "end_to_end": np.where(finished, log.end - trace.arrival, np.nan),
    }


def repeated(samples: Sequence[float] | Floats, confidence: float = 0.95) -> Repeated:
    """Return mean and half-width of a number over replays."""
    values = np.asarray(samples, float)
    if len(values) < 2:
        return Repeated(mean=float(values.mean()), half_width=None)
    mean, half_width = t_interval(values, confidence)
    return Repeated(mean=float(mean), half_width=float(half_width))


def _result(
    policy: Policy,
    every: float | None,
    found: list[Run],
    classes: ClassedTrace,
    gpus: int,
    *,
    revenue: Floats,
    optimum: float,
    behind: Repeated | None,
) -> ReplayedPolicy:
    times = [times_of(run, classes) for run in found]
    everybody = np.ones(len(classes.trace), bool)
    totals = [run.totals for run in found]

    iterations = np.maximum([one.iterations for one in totals], 1.0)

    def each(value: str) -> Repeated:
        return repeated([float(np.max(getattr(one, value))) for one in totals])

    return ReplayedPolicy(
        policy=policy.name,
        replanned_every_s=every,
        mixed_gpus=found[0].prefill_gpus if policy.partitioned else None,
        plans=float(np.mean([run.plans for run in found])),
        revenue_rate=repeated(revenue),
        share_of_optimum=repeated(revenue / optimum if optimum > 0 else np.zeros(len(revenue))),
        behind_best=behind,
        fates=_fates(found, everybody),
        latency=_latencies(times, everybody),
        classes=tuple(
            ReplayedClass(
                name=one.name,
                fates=_fates(found, classes.kind == i),
                latency=_latencies(times, classes.kind == i),
            )
            for i, one in enumerate(classes.instance.classes)
        ),
        makespan_s=repeated([float(np.nanmax(run.requests.end)) for run in found]),
        iterations=each("iterations"),
        mixed_iterations=repeated([one.mixed_iterations for one in totals] / iterations),
        mean_iteration_s=repeated([one.iteration_time for one in totals] / iterations),
        kv_transfers=repeated([_transfers(run) for run in found]),
        held_up_requests=each("held_up_requests"),
        held_up_time_s=each("held_up_time"),
        most_kv_tokens=each("most_kv_tokens"),
        course=_course(found[0], times[0]["ttft"], classes, gpus),
    )


def _transfers(run: Run) -> float:
    log = run.requests
    decoded = log.decode_gpu >= 0
    return float(np.mean((log.decode_gpu != log.prefill_gpu)[decoded])) if decoded.any() else 0.0


def _fates(found: list[Run], chosen: Flags) -> Fates:
    return Fates(
        **{
            name: repeated([float(np.mean(run.requests.outcome[chosen] == code)) for run in found])
            for name, code in FATES.items()
        }
    )


def _latencies(times: list[dict[str, Floats]], chosen: Flags) -> Latencies:
    return Latencies(
        ttft=_times([each["ttft"][chosen] for each in times]),
        tpot=_times([each["tpot"][chosen] for each in times]),
        end_to_end=_times([each["end_to_end"][chosen] for each in times]),
    )


def _times(replays: list[Floats]) -> Times | None:
    """Return mean and quantiles over the requests that have the time, by replay."""
    known = [each[np.isfinite(each)] for each in replays]
    if not all(len(each) for each in known):
        return None
    quantiles = np.array([np.quantile(each, QUANTILES) for each in known])
    p50, p95, p99 = (repeated(quantiles[:, k]) for k in range(3))
    return Times(mean=repeated([float(each.mean()) for each in known]), p50=p50, p95=p95, p99=p99)


def without_a_short_end(series: Series) -> Series:
    """Return a time series whose last interval, if it is a short one, is joined to that before."""
    length = series.end - series.start
    if len(length) < 2 or length[-1] >= length[-2] / 2:
        return series

    def joined(values: Floats) -> Floats:
        return np.concatenate([values[:-2], values[-2:].sum(axis=0, keepdims=True)])

    return Series(
        series.start[:-1],
        np.append(series.end[:-2], series.end[-1]),
        *(
            joined(getattr(series, each.name))
            for each in fields(series)
            if each.name not in ("start", "end")
        ),
    )


def _course(run: Run, ttft: Floats, classes: ClassedTrace, gpus: int) -> Course:
    series = without_a_short_end(run.series)
    length = np.maximum(series.end - series.start, 1e-12)
    state = series.state.sum(axis=1) / length[:, None]
    member = np.searchsorted(series.start, classes.trace.arrival, side="right") - 1
    known = np.isfinite(ttft)
    slow = [ttft[known & (member == k)] for k in range(len(length))]
    return Course(
        start_s=series.start.tolist(),
        end_s=series.end.tolist(),
        arrivals=(series.arrivals / length).tolist(),
        finished=(series.finished / length).tolist(),
        waiting_prefill=state[:, Row.PREFILL_QUEUE].tolist(),
        prefilling=state[:, Row.PREFILL].tolist(),
        waiting_decode=(state[:, Row.DECODE_QUEUE] + state[:, Row.SOLO_QUEUE]).tolist(),
        decoding=(state[:, Row.MIXED_DECODE] + state[:, Row.SOLO_DECODE]).tolist(),
        busy_gpus=(series.busy_gpus / length / gpus).tolist(),
        kv_tokens=(series.kv_tokens / length / gpus).tolist(),
        ttft_p95_s=[float(np.quantile(each, 0.95)) if len(each) else None for each in slow],
    )
