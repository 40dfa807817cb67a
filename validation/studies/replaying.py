"""Replay a request log on n GPUs under policies, against the optimum at its averages."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

import numpy as np

from gnr.batch_law import BatchLaw, law_of
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.plan import Plan
from gnr.provenance import record
from gnr.replay_result import Replay
from gnr.request_trace import RequestTrace
from gnr.result import Solution
from gnr.spreading import usable_cores
from gnr.validation.lanes import Seeds, lane_seeds
from gnr.validation.per_gpu.layout import Rules
from gnr.validation.per_gpu.replay_engine import ReplayEngine
from gnr.validation.per_gpu.replay_layout import Trace
from gnr.validation.policies import find_policy
from gnr.validation.policies.policy import Policy
from gnr.validation.studies.optima import no_partition, target_optimum
from gnr.validation.studies.replanning import (
    Replanned,
    follows_a_plan,
    own_plan,
    replanned,
    rules_of,
)
from gnr.validation.studies.replay_cluster import Cluster
from gnr.validation.studies.replay_measures import Run, policy_results
from gnr.validation.studies.replay_warnings import warnings_of
from gnr.validation.studies.trace_classes import ClassedTrace, classed

POLICIES = ("gate-and-route", "fcfs-immediate", "price-index-fill")
"""Replayed unless others are asked for."""

POINTS = 120
"""Intervals of a course, unless another length is asked for."""

MOST_PLANS, MOST_INTERVALS = 2_000, 100_000
"""Most plans that are made in the course of a trace, and most points of a course."""

MOST_LOAD = 20.0
"""Load above which a percentage was probably meant."""

MOST_GPUS = 100_000
"""Largest cluster that is replayed."""


class _StoppedError(Exception):
    """The run was interrupted elsewhere."""


def replay(
    trace: RequestTrace,
    instance: Instance,
    cluster: Cluster,
    *,
    policies: Sequence[str] = POLICIES,
    speed: float | None = None,
    load: float | None = None,
    replan: float | None = None,
    plan_for: str = "trace",
    account: str | None = None,
    interval: float | None = None,
    replications: int = 4,
    seed: int = 1,
    progress: Callable[[float], None] = lambda done: None,
    options: Mapping[str, Any] | None = None,
) -> Replay:
    """Replay a trace on a cluster of n GPUs under each policy.

    Parameters
    ----------
    trace
        The requests, from `gnr.read_trace`.
    instance
        Classes, patience, prices, slots and chunk. A request is of the class with the nearest
        lengths.
    cluster
        n, the law of the iteration time, the KV memory.
    policies
        Names.
    speed
        How much faster than in the log requests come; 1 unless `load` says otherwise.
    load
        In its place: arrivals as a share of the most that the program serves in full.
    replan
        Time between two plans made for the rates of late, s as replayed; every policy is replayed
        with one plan and with these.
    plan_for
        `trace`: plans are made for the rates and lengths of the trace; `instance`: for those of
        the file.
    account
        `bundled` or `separate`; by default as the instance is priced.
    interval
        Between two points of the courses, s.
    replications
        Replays of each policy, with other draws of patience and of GPUs.
    seed
        Seed of these.
    progress
        Told how many requests have been replayed, all policies together.
    options
        Further options to write into the provenance.

    Raises
    ------
    InputError
        If an option is out of range, or a policy is unknown or cannot follow its plan.
    NoOptimumError
        If there is no optimum to compare with.
    """
    started = time.perf_counter()
    known = [find_policy(name) for name in dict.fromkeys(policies)]
    _check(cluster, known, speed, load, replan, plan_for, interval, replications)
    classes = classed(instance, trace, cluster.gpus)
    if load is not None:
        speed = load / classes.load
    if speed is not None:
        classes = classed(instance, trace.faster(speed), cluster.gpus)
    target = target_optimum(classes.instance, account or instance.prices.scheme)
    _check_pieces(classes.trace.span, replan, interval)
    study = _Study(
        classes=classes,
        planned=classes.instance if plan_for == "trace" else _stated(instance, classes),
        cluster=cluster,
        law=cluster.law or law_of(instance),
        interval=interval or max(classes.trace.span / POINTS, 1e-3),
        seeds=lane_seeds(trace.digest, cluster.gpus, seed, replications),
    )
    first = [(each, study.plan(each)) for each in known]  # everything checked before any is run
    runs: list[tuple[Policy, float | None, list[Run]]] = []
    complete = True
    jobs = [
        (policy, plan, every)
        for policy, plan in first
        for every in dict.fromkeys((None, replan))
        if every is None or follows_a_plan(policy)
    ]
    try:
        for done, (policy, plan, every) in enumerate(jobs):
            told = partial(_further, progress, done * replications * len(trace))
            found = study.runs(policy, plan, every, told)
            runs.append((policy, every, found))
    except KeyboardInterrupt:
        if not runs:
            raise
        complete = False
    return Replay(
        trace=trace.name,
        trace_sha256=trace.sha256,
        requests=len(trace),
        span_s=classes.trace.span,
        speed=speed or 1.0,
        instance=instance.name,
        gpus=cluster.gpus,
        planned_for="trace" if plan_for == "trace" else "instance",
        accounting=target.scheme,
        lp_revenue_rate=_value(target),
        load=classes.load,
        law=study.law,
        law_source=cluster.law_source,
        kv_tokens=cluster.kv_tokens,
        interval_s=study.interval,
        replications=replications,
        seed=seed,
        policies=policy_results(runs, classes, target, cluster.gpus),
        complete=complete,
        warnings=(
            *_other_groups(cluster, first),
            *warnings_of(instance, classes, cluster, study.law, runs),
        ),
        provenance=record(
            instance.sha256(),
            started,
            {"policies": [each.name for each in known], "gpus": cluster.gpus, "speed": speed}
            | {
                "mixed_gpus": cluster.mixed_gpus,
                "load": load,
                "replan": replan,
                "plan_for": plan_for,
                "kv_tokens": cluster.kv_tokens,
            }
            | dict(options or {}),
            seed=seed,
        ),
        samples={
            f"{policy.name}{'' if every is None else ' replanned'}": found[0].requests
            for policy, every, found in runs
        },
    )


@dataclass(frozen=True)
class _Study:
    """Replays of one trace on one cluster."""

    classes: ClassedTrace
    planned: Instance
    cluster: Cluster
    law: BatchLaw
    interval: float
    seeds: Seeds

    def plan(self, policy: Policy) -> Plan:
        """Return the plan that a replay begins with."""
        return own_plan(self.planned, policy, self.cluster.gpus, self.cluster.mixed_gpus)

    def runs(
        self, policy: Policy, plan: Plan, every: float | None, progress: Callable[[float], None]
    ) -> list[Run]:
        """Return the replays of one policy, as many side by side as there are cores."""
        rules, cluster = rules_of(self.planned, policy, plan), self.cluster
        later: list[Replanned] = []
        if every is not None:
            later = replanned(
                self.classes, self.planned, policy, cluster.gpus, every, cluster.mixed_gpus
            )
        stopped = Event()
        ended = np.zeros(self.seeds.shape[1])

        def one(lane: int) -> Run:
            def told(share: float) -> None:
                ended[lane] = share
                progress(float(ended.sum()))
                if stopped.is_set():
                    raise _StoppedError

            return self._run(rules, later, lane, told)

        with ThreadPoolExecutor(usable_cores()) as pool:
            waiting = [pool.submit(one, lane) for lane in range(len(ended))]
            try:
                return [each.result() for each in waiting]
            except BaseException:
                stopped.set()
                for each in waiting:
                    each.cancel()
                raise

    def _run(
        self, rules: Rules, later: list[Replanned], lane: int, told: Callable[[float], None]
    ) -> Run:
        trace, gpus = self.classes.trace, self.cluster.gpus
        kv_tokens = self.cluster.kv_tokens
        engine = ReplayEngine(
            rules,
            self.law,
            Trace(trace.arrival, self.classes.kind, trace.prompt_tokens, trace.output_tokens),
            gpus,
            chunk_tokens=self.planned.gpu.chunk_tokens,
            seeds=self.seeds[:, lane : lane + 1],
            interval=self.interval,
            kv_tokens=np.inf if kv_tokens is None else kv_tokens,
        )

        def report(_: float) -> None:
            told(engine.ended_requests)

        for moment, fresh in later:
            engine.advance(moment, report)
            engine.replace_rules(fresh)
        engine.advance(np.inf, report)
        return Run(
            engine.requests(), engine.series(), engine.totals(), 1 + len(later), rules.prefill_gpus
        )


def _other_groups(cluster: Cluster, plans: Sequence[tuple[Policy, Plan]]) -> Iterator[str]:
    """Yield where the group that was asked for does not fit the plan."""
    if cluster.mixed_gpus is not None:
        for policy, plan in plans:
            yield from (f"{policy.name}: {text}" for text in plan.warnings if policy.partitioned)


def _further(progress: Callable[[float], None], before: float, done: float) -> None:
    progress(before + done)


def _stated(instance: Instance, classes: ClassedTrace) -> Instance:
    """Return the instance of the file, without the classes that the trace does not have."""
    kept = [each for each in instance.classes if each.name not in classes.missing]
    return instance.model_copy(update={"classes": tuple(kept)})


def _value(target: Solution) -> float:
    return float(target.revenue_rate or 0.0)


def _check_pieces(span: float, replan: float | None, interval: float | None) -> None:
    """Raise `InputError` if a trace would be cut into too many pieces."""
    problems = [
        Problem(
            "replay-range", option, "", f"cuts {span:.4g} s into {span / value:.3g} pieces, more "
            f"than {most:,}", f"say {option} {span / most:.2g} or more",
        )
        for option, value, most in (
            ("--replan", replan, MOST_PLANS),
            ("--interval", interval, MOST_INTERVALS),
        )
        if value is not None and span / value > most
    ]  # fmt: skip
    if problems:
        raise InputError(problems)


def _check(
    cluster: Cluster,
    policies: Sequence[Policy],
    speed: float | None,
    load: float | None,
    replan: float | None,
    plan_for: str,
    interval: float | None,
    replications: int,
) -> None:
    """Raise `InputError` with every option out of range."""
    group = cluster.mixed_gpus
    wrong = [
        (not 1 <= cluster.gpus <= MOST_GPUS, "--gpus", f"be from 1 to {MOST_GPUS:,}"),
        (
            group is not None and not 1 <= group <= cluster.gpus,
            "--mixed-gpus",
            f"be from 1 to {cluster.gpus:,} (--gpus), got {group}",
        ),
        (speed is not None and not 0 < speed < np.inf, "--speed", "be above 0"),
        (
            load is not None and not 0 < load <= MOST_LOAD,
            "--load",
            f"be a share above 0 and at most {MOST_LOAD:g}, as 0.9 for 90 %",
        ),
        (speed is not None and load is not None, "--load", "not go with --speed"),
        (replan is not None and not 0 < replan < np.inf, "--replan", "be above 0 s"),
        (plan_for not in ("trace", "instance"), "--plan-for", "be trace or instance"),
        (interval is not None and not 0 < interval < np.inf, "--interval", "be above 0 s"),
        (not 1 <= replications <= 1000, "--replications", "be from 1 to 1000"),
        (
            cluster.kv_tokens is not None and not 0 < cluster.kv_tokens < np.inf,
            "--kv-tokens",
            "be above 0 tokens",
        ),
    ]
    problems = [
        Problem("replay-range", option, "", f"must {rule}", "see `gnr replay --help`")
        for bad, option, rule in wrong
        if bad
    ]
    if group is not None and not any(each.partitioned for each in policies):
        problems.append(no_partition(policies))
    if problems:
        raise InputError(problems)
