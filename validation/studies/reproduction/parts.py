"""The parts that the experiments are made of: each is computed once, wherever there is room."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from gnr.arrays import Floats
from gnr.frontier_result import Frontier
from gnr.installed import installation_digest, instruction_set
from gnr.instance import Instance
from gnr.models.frontiers import frontier
from gnr.models.sweeps import sweep
from gnr.rates import rates_of
from gnr.sweep_result import Sweep
from gnr.validation.fluid import slowest_time_constant
from gnr.validation.measures import REVENUE, Measures
from gnr.validation.studies.setting import Setting
from gnr.validation.studies.simulation import prepare

FIELDS = ("prefill", "mixed_decode", "solo_decode", "prefill_queue", "decode_queue")
"""Occupancies that are kept of a run, requests per GPU by class and replication."""


class Part(Protocol):
    """A piece of work whose result depends on its fields alone."""

    document: ClassVar[type[BaseModel]]

    @property
    def weight(self) -> float:
        """About how much work it is, core-seconds."""

    def key(self) -> dict[str, Any]:
        """Return what decides the result."""

    def run(self) -> BaseModel:
        """Do the work."""


def key_of(label: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key of a part with those fields, computed by this gnr on this kind of processor.

    Another kind may round otherwise. With it in the key, a folder that was begun elsewhere ends
    with the numbers, bit for bit, of one that was begun here.
    """
    return {"label": label, "gnr": installation_digest(), "processor": instruction_set(), **fields}


class ClusterRun(BaseModel):
    """What independent replications of a cluster measured."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    policy: str
    """Name of the policy."""
    gpus: int
    """n."""
    fidelity: str
    """`pooled` or `per-gpu`."""
    revenue: dict[str, list[float]]
    """Money/s per GPU by replication, under bundled and under separate accounting."""
    occupancy: dict[str, list[list[float]]]
    """Requests per GPU by class and replication, for each of `FIELDS`."""
    horizon_s: float
    """Measured window of each run, s."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""

    def earned(self, accounting: str) -> Floats:
        """Return the revenue rates, money/s per GPU, shape ``(replications,)``."""
        return np.array(self.revenue[accounting])

    def held(self, field: str) -> Floats:
        """Return an occupancy, requests per GPU, shape ``(classes, replications)``."""
        return np.array(self.occupancy[field])


@dataclass(frozen=True)
class ClusterPart:
    """Replications of one cluster under one policy.

    Attributes
    ----------
    instance
        What is simulated.
    policy
        Name of the policy; it follows the plan of its own program.
    gpus
        n.
    fidelity
        `pooled` or `per-gpu`.
    replications
        Independent runs, half from an empty cluster.
    gpu_seconds
        GPU-seconds of the measured window, which lasts at least the second of `constants`.
    constants
        Warm-up and least window in slowest time constants of the cluster.
    seed
        Seed of the random numbers.
    """

    instance: Instance
    policy: str
    gpus: int
    fidelity: str
    replications: int
    gpu_seconds: float
    seed: int
    constants: tuple[float, float] = (8.0, 10.0)

    document: ClassVar[type[BaseModel]] = ClusterRun

    @property
    def weight(self) -> float:
        """About how much work it is, core-seconds."""
        seconds = max(self.gpu_seconds / self.gpus, 300.0) + 250.0
        speed = 1e7 if self.fidelity == "pooled" else 1e6
        return self.replications * seconds * self.gpus / speed

    def key(self) -> dict[str, Any]:
        """Return what decides the result."""
        fields = vars(self) | {"instance": self.instance.sha256()}
        label = f"{self.instance.name}.{self.policy}.{self.gpus}.{self.fidelity}"
        return key_of(label, fields)

    def run(self) -> ClusterRun:
        """Simulate the cluster."""
        setting = Setting(replications=self.replications, seed=self.seed, fidelity=self.fidelity)
        study = prepare(self.instance, self.policy, None, setting)
        plan = study.plan(self.gpus)
        slowest = slowest_time_constant(study.cluster(plan).chain)
        warmup, least = (each * slowest for each in self.constants)
        horizon = max(least, self.gpu_seconds / self.gpus)
        setting = replace(setting, warmup=warmup, horizon=horizon)
        found = replace(study, setting=setting).run(plan)
        rates = rates_of(self.instance)
        measures = Measures(**{name: found.samples[name] for name in Measures.__annotations__})
        return ClusterRun(
            policy=self.policy,
            gpus=self.gpus,
            fidelity=self.fidelity,
            revenue={name: of(measures, rates).tolist() for name, of in REVENUE.items()},
            occupancy={name: found.samples[name].tolist() for name in FIELDS},
            horizon_s=found.horizon_s,
            warnings=found.warnings,
        )


@dataclass(frozen=True)
class FrontierPart:
    """The best revenue against one promise, exactly."""

    instance: Instance
    sli: str

    document: ClassVar[type[BaseModel]] = Frontier
    weight: ClassVar[float] = 1.0

    def key(self) -> dict[str, Any]:
        """Return what decides the result."""
        label = f"{self.instance.name}.frontier.{self.sli}"
        fields = {"instance": self.instance.sha256(), "sli": self.sli}
        return key_of(label, fields)

    def run(self) -> Frontier:
        """Trace the frontier."""
        return frontier(self.instance, self.sli)


@dataclass(frozen=True)
class SweepPart:
    """Optima over a grid of one or two parameters."""

    instance: Instance
    vary: tuple[str, ...]

    document: ClassVar[type[BaseModel]] = Sweep
    weight: ClassVar[float] = 0.2

    def key(self) -> dict[str, Any]:
        """Return what decides the result."""
        label = ".".join([self.instance.name, "sweep", *(text.split("=")[0] for text in self.vary)])
        fields = {"instance": self.instance.sha256(), "vary": list(self.vary)}
        return key_of(label, fields)

    def run(self) -> Sweep:
        """Solve at every point."""
        return sweep(self.instance, self.vary)
