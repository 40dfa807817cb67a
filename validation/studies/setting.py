"""How to simulate: replications, times, engine, fidelity."""

from dataclasses import dataclass

import numpy as np

from gnr.errors import InputError, Problem
from gnr.validation.policies import POOLED
from gnr.validation.policies.policy import Policy

POOLED_FIDELITY, PER_GPU = "pooled", "per-gpu"

EXPONENTIAL = "exponential"

MOST_GPUS_BY_DEFAULT = 20_000
"""Largest cluster that is simulated GPU by GPU unless told to."""

LEAST_REPLICATIONS = 4
"""Two lanes from each start: fewer have no interval."""


@dataclass(frozen=True)
class Setting:
    """How to simulate; None where the default depends on the cluster.

    Attributes
    ----------
    replications
        Independent runs, at least 4, half from an empty cluster.
    seed
        Seed of the random numbers, at least 0.
    engine
        Name of the engine.
    warmup, horizon
        Simulated time thrown away and kept, s.
    precision
        Half-width of the revenue's interval to reach, as a fraction of the LP value.
    most_replications
        Where to stop trying for it.
    fidelity
        `pooled` or `per-gpu` (10.1(d')); None: as the cluster's size and the policy say.
    lengths
        Law of the lengths, see `gnr.validation.per_gpu.lengths`; the pooled chain knows only the
        exponential one.
    """

    replications: int = 32
    seed: int = 1
    engine: str = "compiled"
    warmup: float | None = None
    horizon: float | None = None
    precision: float | None = None
    most_replications: int = 1024
    fidelity: str | None = None
    lengths: str = "exponential"

    def check(self) -> None:
        """Raise `InputError` naming every option that is out of range."""
        lanes, most = self.replications, self.most_replications
        at_least = f"be at least {LEAST_REPLICATIONS}"
        warmup, horizon, precision = self.warmup, self.horizon, self.precision
        capped = precision is not None and most < lanes
        wrong = [
            (lanes < LEAST_REPLICATIONS, "--replications", at_least, lanes, "32"),
            (capped, "--most-replications", "reach --replications", most, "1024"),
            (self.seed < 0, "--seed", "be at least 0", self.seed, "1"),
            (not _between(warmup, -1e-300, np.inf), "--warmup", "be 0 s or more", warmup, "300"),
            (not _between(horizon, 0, np.inf), "--horizon", "be above 0 s", horizon, "1000"),
            (not _between(precision, 0, 1), "--precision", "be a share", precision, "0.5%"),
        ]
        problems = [
            Problem("simulation-range", option, "", f"must {rule}, got {value}", f"say {say}")
            for bad, option, rule, value, say in wrong
            if bad
        ]
        problems += self._of_fidelity()
        if problems:
            raise InputError(problems)

    def fidelity_for(self, policy: Policy, gpus: int) -> str:
        """Return the fidelity at which a cluster is simulated.

        Where it is left open: per GPU up to 20,000 GPUs, and wherever the policy or the lengths
        ask for it.

        Raises
        ------
        InputError
            If the pooled chain is asked for and cannot follow the policy.
        """
        if self.fidelity == POOLED_FIDELITY and not policy.pooled:
            remedy = f"say --fidelity {PER_GPU}, or take {', '.join(POOLED)}"
            message = f"the pooled chain cannot follow {policy.name}: it looks at single GPUs"
            raise InputError([Problem("fidelity", "--fidelity", "", message, remedy)])
        if self.fidelity is not None:
            return self.fidelity
        small = gpus <= MOST_GPUS_BY_DEFAULT and self.engine == "compiled"
        if policy.pooled and self.lengths == EXPONENTIAL and not small:
            return POOLED_FIDELITY
        if self.engine != "compiled":
            remedy = f"use compiled; the others run the pooled chain: {', '.join(POOLED)}"
            raise InputError([Problem("fidelity", "--engine", "", self._no_engine, remedy)])
        return PER_GPU

    @property
    def _no_engine(self) -> str:
        return f"{self.engine} does not simulate GPU by GPU"

    def _of_fidelity(self) -> list[Problem]:
        """Return what is wrong with fidelity, engine and lengths together."""
        pooled, per_gpu = self.fidelity == POOLED_FIDELITY, self.fidelity == PER_GPU
        known, choices = f"{POOLED_FIDELITY} or {PER_GPU}", (None, POOLED_FIDELITY, PER_GPU)
        wrong = [
            (self.fidelity not in choices, "--fidelity", f"no {self.fidelity!r}", f"say {known}"),
            (
                per_gpu and self.engine != "compiled",
                "--engine",
                self._no_engine,
                "use compiled, or --fidelity pooled",
            ),
            (
                pooled and self.lengths != EXPONENTIAL,
                "--lengths",
                "the pooled chain has exponential lengths only",
                f"say --fidelity {PER_GPU}",
            ),
        ]
        return [
            Problem("fidelity", option, "", message, remedy)
            for bad, option, message, remedy in wrong
            if bad
        ]


def _between(value: float | None, low: float, high: float) -> bool:
    """Tell whether `value` is left to its default or lies strictly between the ends."""
    return value is None or low < value < high
