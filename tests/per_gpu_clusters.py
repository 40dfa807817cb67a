"""Clusters at the per-GPU fidelity for the tests of the simulators."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import numpy as np

import gnr
from gnr.arrays import Floats
from gnr.instance import Instance, Sli
from gnr.plan import Plan
from gnr.rates import Rates, rates_of
from gnr.reading import build
from gnr.result import Solution
from gnr.validation.chain import Chain
from gnr.validation.lanes import empty_cluster, fluid_point, lane_seeds
from gnr.validation.measures import Measures, measure
from gnr.validation.per_gpu.engine import PerGpuEngine, PerGpuLanes
from gnr.validation.per_gpu.layout import Room, Rules
from gnr.validation.policies import POLICIES
from gnr.validation.studies.cluster import make_cluster
from gnr.validation.studies.optima import planning_optimum
from gnr.validation.studies.setting import Setting

DIGEST = "7" * 64
"""Stands for the SHA-256 of an instance."""


def instance_of(
    prompts: Sequence[float],
    outputs: Sequence[float],
    rates: Sequence[float],
    patience: Sequence[float],
    slots: int = 16,
) -> Instance:
    """Return an instance on the platform and at the prices of the base instance (THEORY 11)."""
    classes = [
        {
            "name": f"class-{i}",
            "prompt_tokens": prompts[i],
            "output_tokens": outputs[i],
            "arrival_rate": rates[i],
            "patience_rate": patience[i],
        }
        for i in range(len(prompts))
    ]
    iteration = {"base": 0.0174, "per_chunk_token": 6.2e-5, "decode_only": 1 / 45.45}
    return build(
        {
            "schema_version": 1,
            "name": "tests",
            "title": "An instance of the tests",
            "source": "tests",
            "gpu": {"batch_slots": slots, "chunk_tokens": 256, "iteration_time": iteration},
            "prices": {"scheme": "bundled", "prompt_token": 0.1, "output_token": 0.2},
            "classes": classes,
        },
        "tests",
    )


TWO = gnr.load("two-class")
THREE = instance_of((300, 2000, 3500), (1000, 150, 150), (0.5, 1.0, 1.2), (0.1, 0.1, 0.1))
"""THEORY 12: three classes, the first of them marginal."""


def promising(instance: Instance, policy: str) -> Instance:
    """Return an instance that a policy can follow: with a cap on prefills if it needs one.

    The promised mean time per output token lies halfway between solo and mixed iteration time, so
    that about half of the GPUs may prefill.
    """
    if not POLICIES[policy].prefill_cap:
        return instance
    rates = rates_of(instance)
    halfway = Sli(kind="mean_tpot", at_most=(rates.solo_time + rates.mixed_time) / 2)
    return instance.model_copy(update={"slis": (halfway,)})


@cache
def optimum_for(instance: Instance, policy: str) -> Solution:
    """Return the optimum that a policy plans by."""
    return planning_optimum(promising(instance, policy), POLICIES[policy])


@dataclass(frozen=True)
class Case:
    """A cluster under a policy: what the engine reads, and what a test may tamper with."""

    instance: Instance
    plan: Plan
    chain: Chain
    rules: Rules

    @property
    def rates(self) -> Rates:
        """Return the rates of the instance."""
        return rates_of(self.instance)

    def with_rules(self, **changes: Any) -> "Case":
        """Return the same cluster with other rules: a planted fault."""
        return replace(self, rules=self.rules._replace(**changes))

    def lanes(self, lanes: int, seed: int = 1, planned: bool = False) -> PerGpuEngine:
        """Return lanes that start empty, or at the plan."""
        start = (fluid_point if planned else empty_cluster)(self.chain)
        seeds = lane_seeds(DIGEST, self.chain.gpus, seed, lanes)
        repeated = np.repeat(start[..., None], lanes, axis=-1).astype(float)
        return PerGpuEngine(self.rules, [self.chain] * lanes, repeated, seeds)

    def window(
        self, lanes: int, warmup: float, seconds: float, seed: int = 1, planned: bool = False
    ) -> PerGpuLanes:
        """Return the records of `seconds` s after `warmup` s."""
        run = self.lanes(lanes, seed, planned)
        run.advance(np.full(lanes, warmup))
        warm = run.snapshot()
        run.advance(np.full(lanes, warmup + seconds))
        return run.snapshot().since(warm)

    def measured(self, records: PerGpuLanes) -> Measures:
        """Return the measures of a window, per GPU."""
        return measure(records, self.rates, self.chain.gpus)


def case(
    instance: Instance,
    policy: str,
    gpus: int,
    lengths: str = "exponential",
    plan: Plan | None = None,
) -> Case:
    """Return the cluster that a policy makes of an instance, by its own plan or another."""
    plan = plan or optimum_for(instance, policy).plan(gpus)
    setting = Setting(fidelity="per-gpu", lengths=lengths)
    cluster = make_cluster(instance, plan, policy, setting)
    return Case(instance, plan, cluster.chain, cast(Rules, cluster.rules))


def rooms(run: PerGpuEngine) -> list[Room]:
    """Return the memory of the lanes: tests look into it."""
    return run._rooms


def bundled(rates: Rates, throughput: Floats) -> Floats:
    """Return revenue per GPU from throughput of shape ``(classes, lanes)`` (eq. P22)."""
    return np.asarray(rates.reward @ throughput)
