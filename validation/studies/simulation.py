"""Simulate one cluster under one policy and hold it against the optimum."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.checks import warnings_for
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.models.lost_revenue import explain_gap
from gnr.models.point import Point
from gnr.models.steady_state import PROGRAMS
from gnr.plan import Occupancy, Plan
from gnr.provenance import record
from gnr.rates import rates_of
from gnr.result import Solution
from gnr.simulation import (
    ClassSimulation,
    Estimate,
    Latency,
    PrecisionGoal,
    RevenueEstimate,
    Simulation,
    WarmupCheck,
)
from gnr.validation.engines import Progress, find_engine
from gnr.validation.fluid import slowest_time_constant
from gnr.validation.measures import REVENUE, Measures, measure
from gnr.validation.per_gpu.engine import PerGpuLanes
from gnr.validation.per_gpu.latencies import latencies
from gnr.validation.per_gpu.lengths import read_law
from gnr.validation.per_gpu.records import Recorder, recording
from gnr.validation.policies import default_policy, find_policy
from gnr.validation.replications import (
    Windows,
    default_horizon,
    default_warmup,
)
from gnr.validation.statistics import (
    Verdict,
    paired_difference,
    replications_needed,
    same_mean,
    t_interval,
    two_stage_interval,
)
from gnr.validation.studies.blocks import Block, run_block
from gnr.validation.studies.cluster import Cluster, make_cluster
from gnr.validation.studies.kept import CONFIDENCE, known_mean, measured_promises
from gnr.validation.studies.optima import planning_optimum, policy_plan, target_optimum
from gnr.validation.studies.setting import PER_GPU, Setting

WARMUP_DELTA = 0.005
"""Largest difference between runs from two starts, as a fraction of the LP value."""


def simulate(
    instance: Instance,
    plan: Plan | None = None,
    *,
    policy: str | None = None,
    gpus: int | None = None,
    account: str | None = None,
    setting: Setting | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Simulation:
    """Simulate a cluster under a policy and compare it with the LP optimum.

    Parameters
    ----------
    instance
        What to simulate.
    plan
        The plan the policy follows; by default that of the program the policy is made for.
    policy
        Name of a policy, see `gnr.validation.policies.POLICIES`; by default the one made for the
        pricing of the instance, under promises sli-aware-general, which keeps the planned split.
    gpus
        n, needed where no plan is given.
    account
        `bundled` or `separate`; by default as the instance is priced.
    setting, changes
        How to simulate; single fields of `Setting` may be given as keywords instead.
    progress
        Called now and then with the number of events so far.
    options
        Further options to write into the provenance.

    Raises
    ------
    InputError
        If the policy is unknown or cannot follow the plan, if the engine is not there, or if
        there is no optimum to compare with.
    """
    setting = Setting(**(vars(setting or Setting()) | changes))
    study = prepare(instance, policy, account, setting, options)
    if plan is None:
        if gpus is None:
            raise InputError(
                [Problem("gpus-missing", "--gpus", "", "no cluster size", "say --gpus 500")]
            )
        plan = study.plan(gpus)
    elif gpus not in (None, plan.gpus):
        raise InputError(
            [
                Problem(
                    "gpus-clash", "gpus", "", f"is {gpus}, the plan is for {plan.gpus}", "drop it"
                )
            ]
        )
    return study.run(plan, progress)


def prepare(
    instance: Instance,
    policy: str | None,
    account: str | None,
    setting: Setting,
    options: Mapping[str, Any] | None = None,
) -> "Study":
    """Return the study of a policy on an instance, everything checked that can be beforehand.

    Raises
    ------
    InputError
        If the policy or the engine is unknown or not there, an option out of range, or if there
        is no optimum to compare with.
    """
    setting.check()
    policy = policy or default_policy(instance)
    find_policy(policy)
    find_engine(setting.engine)
    read_law(setting.lengths, instance)
    target = target_optimum(instance, account or instance.prices.scheme)
    return Study(instance, target, policy, setting, dict(options or {}))


@dataclass(frozen=True)
class Study:
    """Simulations of one instance under one policy, for any cluster size.

    Attributes
    ----------
    instance
        What is simulated.
    target
        The optimum without promises under the accounting wanted.
    policy
        Name of the policy.
    setting
        How to simulate.
    options
        What to write into the provenance.
    """

    instance: Instance
    target: Solution
    policy: str
    setting: Setting
    options: dict[str, Any]

    @cached_property
    def planned(self) -> Solution:
        """The optimum of the program that the policy plans by."""
        return planning_optimum(self.instance, find_policy(self.policy))

    def fidelity(self, gpus: int) -> str:
        """Return the fidelity at which a cluster of that size is simulated."""
        return self.setting.fidelity_for(find_policy(self.policy), gpus)

    def plan(self, gpus: int, mixed_gpus: int | None = None) -> Plan:
        """Return the policy's own plan for that many GPUs, `mixed_gpus` of which may prefill."""
        if mixed_gpus is not None:
            return policy_plan(self.planned, find_policy(self.policy), gpus, mixed_gpus)
        if gpus not in self._plans:
            self._plans[gpus] = policy_plan(self.planned, find_policy(self.policy), gpus)
        return self._plans[gpus]

    @cached_property
    def _plans(self) -> dict[int, Plan]:
        """Plans made so far, by number of GPUs: one for n GPUs may take seconds."""
        return {}

    def fluid_revenue(self, plan: Plan) -> float:
        """Return what the plan's fluid point earns under the accounting, money/s per GPU."""
        rates = rates_of(self.instance)
        return PROGRAMS[self.target.scheme][1](rates).revenue(rates, _planned(plan))

    def cluster(self, plan: Plan) -> Cluster:
        """Return the cluster that is simulated for `plan`; see `make_cluster`."""
        return make_cluster(self.instance, plan, self.policy, self.setting)

    def expected_events(self, plan: Plan) -> float:
        """Return about how many events `run` will simulate, further replications apart."""
        return self.block(self.cluster(plan), 0, self.setting.replications).expected_events

    def run(
        self, plan: Plan, progress: Progress | None = None, records: Path | None = None
    ) -> Simulation:
        """Simulate the cluster that `plan` is for; write its requests to the file `records`.

        Raises
        ------
        InputError
            If records are asked for and there are none: of a pooled chain, or of replications
            that are added until a precision is reached.
        """
        started = time.perf_counter()
        cluster = self.cluster(plan)
        with self._recorder(cluster, records) as recorder:
            windows = run_block(
                self.block(cluster, 0, self.setting.replications), recorder, progress
            )
        needed = self.needed(windows, plan.gpus)
        further = self.further(cluster, needed)
        if further is not None:
            windows = _refined(windows, further, progress)
        return self.result(plan, cluster, windows, needed, started)

    def _recorder(
        self, cluster: Cluster, path: Path | None
    ) -> AbstractContextManager[Recorder | None]:
        """Return a context that yields the recorder, or nothing where no records are kept."""
        if path is None:
            return nullcontext()
        if cluster.fidelity != PER_GPU or self.setting.precision is not None:
            remedy = f"say --fidelity {PER_GPU}, and --replications in the place of --precision"
            raise InputError(
                [Problem("records", "--records", "", "there are no records to keep", remedy)]
            )
        names = [each.name for each in self.instance.classes]
        warmup, _ = self._times(cluster)
        options = vars(self.setting) | {"policy": self.policy, "gpus": cluster.chain.gpus}
        origin = record(
            self.instance.sha256(), time.perf_counter(), options, seed=self.setting.seed
        )
        return recording(path, names, warmup, origin.model_dump_json())

    def _times(self, cluster: Cluster) -> tuple[float, float]:
        """Return warm-up and horizon, s."""
        chain = cluster.chain
        warmup, horizon = self.setting.warmup, self.setting.horizon
        return (
            default_warmup(chain) if warmup is None else warmup,
            default_horizon(chain, cluster.fidelity) if horizon is None else horizon,
        )

    def block(self, cluster: Cluster, first: int, last: int) -> Block:
        """Return replications of a cluster, `last` not among them."""
        warmup, horizon = self._times(cluster)
        digest = self.instance.sha256()
        return Block(cluster, digest, self.setting.seed, warmup, horizon, first, last)

    def needed(self, pilot: Windows, gpus: int) -> int | None:
        """Return how many replications the precision needs in all, by Stein's rule.

        None where no precision is asked for, or the pilot was interrupted.
        """
        if self.setting.precision is None or not pilot.complete:
            return None
        return replications_needed(self._revenue(pilot, gpus), self._goal, CONFIDENCE)

    def further(self, cluster: Cluster, needed: int | None) -> Block | None:
        """Return the replications that are needed beyond the pilot's, up to the limit, if any."""
        done, last = self.setting.replications, min(needed or 0, self.setting.most_replications)
        return self.block(cluster, done, last) if last > done else None

    @property
    def _goal(self) -> float:
        """Half-width asked for, money/s per GPU."""
        return (self.setting.precision or 0.0) * self._lp_value

    def _revenue(self, windows: Windows, gpus: int) -> Floats:
        rates = rates_of(self.instance)
        return REVENUE[self.target.scheme](measure(windows.records, rates, gpus), rates)

    @property
    def _lp_value(self) -> float:
        return float(self.target.revenue_rate or 0.0)

    def result(
        self, plan: Plan, cluster: Cluster, windows: Windows, needed: int | None, started: float
    ) -> Simulation:
        """Return the result document.

        Parameters
        ----------
        plan, cluster, windows
            What was simulated, and what was recorded.
        needed
            Replications that the precision needs; None where none was asked for.
        started
            Reading of `time.perf_counter` when it began.
        """
        value, setting, rates = self._lp_value, self.setting, rates_of(self.instance)
        measures = measure(windows.records, rates, plan.gpus)
        revenue = self._revenue(windows, plan.gpus)
        precision = None if needed is None else self._precision(needed, windows)
        planned = _planned(plan)
        found = two_stage_interval(revenue[: setting.replications], revenue, CONFIDENCE)
        gap = 1 - revenue / value
        earned = self.fluid_revenue(plan)
        plan_gap = 1 - revenue / earned if earned > 0 else None
        terms = self._gap_terms(measures, revenue)
        warmup, _ = self._times(cluster)
        times = _latencies(windows)
        settled = windows.horizon >= slowest_time_constant(cluster.chain)
        check = _warmup_check(windows, revenue / value, settled)
        return Simulation(
            instance=self.instance.name,
            policy=self.policy,
            fidelity="per-gpu" if cluster.fidelity == PER_GPU else "pooled",
            lengths=setting.lengths,
            gpus=plan.gpus,
            replications=len(revenue),
            horizon_s=windows.horizon,
            warmup_s=warmup,
            seed=setting.seed,
            engine=setting.engine,
            accounting=self.target.scheme,
            lp_revenue_rate=value,
            plan_revenue_rate=plan.revenue_rate,
            revenue_rate=RevenueEstimate(
                mean=found.mean, half_width=found.half_width, confidence=found.confidence
            ),
            gap=Estimate(mean=1 - found.mean / value, half_width=found.half_width / value),
            plan_gap=None if plan_gap is None else _estimate(plan_gap),
            gap_terms={name: _estimate(values) for name, values in terms.items()},
            classes=_classes(self.instance, measures, times),
            latency=_latency(times, -1),
            planned=_by_class(planned, self.instance),
            promises=measured_promises(self.instance, rates, planned, measures, times),
            warmup_check=check,
            precision=precision,
            complete=windows.complete,
            events=windows.events,
            events_per_second=windows.events / windows.wall_time_s,
            warnings=(
                *warnings_for(self.instance),
                *(plan.warnings if find_policy(self.policy).partitioned else ()),
                *_warnings(self.instance, check, precision, windows),
            ),
            provenance=record(
                self.instance.sha256(),
                started,
                vars(setting) | {"policy": self.policy, "gpus": plan.gpus} | self.options,
                seed=setting.seed,
            ),
            samples={"revenue_rate": revenue, "gap": gap}
            | ({} if plan_gap is None else {"plan_gap": plan_gap})
            | {f"gap_{name}": values for name, values in terms.items()}
            | dict(vars(measures))
            | {f"latency_{name}": rows[:-1] for name, rows in times.items()},
        )

    def _precision(self, needed: int, windows: Windows) -> PrecisionGoal:
        reached = needed <= len(windows.started_empty)
        return PrecisionGoal(half_width=self._goal, replications_needed=needed, reached=reached)

    def _gap_terms(self, measures: Measures, revenue: Floats) -> dict[str, Floats]:
        """Return the terms of (D11) by replication, money/s per GPU."""
        fields = Occupancy.model_fields
        rows = [
            explain_gap(
                self.target,
                Point(**{field: getattr(measures, field)[:, lane] for field in fields}),
                float(revenue[lane]),
            )
            for lane in range(len(revenue))
        ]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _refined(pilot: Windows, further: Block, progress: Progress | None) -> Windows:
    """Return the pilot with further replications; by itself if they were interrupted."""
    try:
        more = run_block(further, progress=progress)
    except KeyboardInterrupt:
        return replace(pilot, complete=False)
    # Lanes of different length do not mix.
    return pilot.joined(more) if more.complete else replace(pilot, complete=False)


def _estimate(samples: Floats) -> Estimate:
    mean, half_width = t_interval(samples, CONFIDENCE)
    return Estimate(mean=float(mean), half_width=float(half_width))


def _latencies(windows: Windows) -> dict[str, Floats]:
    """Return latencies by class and replication, as `latencies`; empty for the pooled chain."""
    return latencies(windows.records) if isinstance(windows.records, PerGpuLanes) else {}


def _latency(times: Mapping[str, Floats], i: int) -> Latency | None:
    """Return the latency of class `i`, or of all requests: -1."""
    return Latency(**{name: known_mean(rows[i]) for name, rows in times.items()}) if times else None


def _classes(
    instance: Instance, measures: Measures, times: Mapping[str, Floats]
) -> tuple[ClassSimulation, ...]:
    others = ("name", "tpot", "latency")
    fields = [field for field in ClassSimulation.model_fields if field not in others]
    return tuple(
        ClassSimulation(
            name=each.name,
            tpot=known_mean(measures.tpot[i]),
            latency=_latency(times, i),
            **{field: _estimate(getattr(measures, field)[i]) for field in fields},
        )
        for i, each in enumerate(instance.classes)
    )


def _planned(plan: Plan) -> Point:
    """Return the plan's fluid point, per GPU."""
    rows = [
        (
            each.gate_target,
            each.mixed_decode_target,
            each.solo_decode_target,
            each.queue_target,
            each.mixed_queue_target + each.solo_queue_target,
        )
        for each in plan.classes
    ]
    return Point(*np.array(rows).T / plan.gpus)


def _by_class(point: Point, instance: Instance) -> dict[str, Occupancy]:
    fields = Occupancy.model_fields
    return {
        each.name: Occupancy(**{field: float(getattr(point, field)[i]) for field in fields})
        for i, each in enumerate(instance.classes)
    }


def _warmup_check(windows: Windows, relative: Floats, settled: bool) -> WarmupCheck:
    """Return whether the two starts agree; `relative` is revenue over the LP value.

    A window that is not `settled`, shorter than the slowest time constant, decides nothing.
    """
    empty, full = relative[windows.started_empty], relative[~windows.started_empty]
    pairs = min(len(empty), len(full))
    difference = paired_difference(empty[:pairs], full[:pairs], CONFIDENCE)
    return WarmupCheck(
        delta=WARMUP_DELTA,
        difference=Estimate(mean=difference.mean, half_width=difference.half_width),
        agree=(same_mean(empty, full, WARMUP_DELTA) if settled else Verdict.UNDECIDED).value,
    )


def _warnings(
    instance: Instance, check: WarmupCheck, precision: PrecisionGoal | None, windows: Windows
) -> list[str]:
    told = [
        f"requests of {each.name} never leave: close to full load their lines take far longer to "
        "settle than the default warm-up, and the check of the two starts sees revenue only"
        for each in instance.classes
        if each.patience_rate == 0
    ]
    if check.agree != "yes":
        told.append(
            f"runs from an empty cluster and from the plan differ by {check.difference.mean:.2%} "
            f"± {check.difference.half_width:.2%} of the LP value; within {check.delta:.1%} is "
            f"asked, so that the start is forgotten: {check.agree}. A longer warm-up or "
            "horizon (of one slowest time constant at least), or more replications, settle it"
        )
    if precision is not None and not precision.reached:
        told.append(
            f"the precision was not reached: {precision.replications_needed} replications are "
            "needed; raise --most-replications or --horizon"
        )
    if not windows.complete:
        told.append(
            f"interrupted: {len(windows.started_empty)} runs of {windows.horizon:.6g} s are kept"
        )
    return told
