"""A cluster through a surge and a drain: the chain's mean beside the fluid model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.network import build_network
from gnr.rates import rates_of
from gnr.validation.chain import Chain, compile_chain
from gnr.validation.engines import find_engine
from gnr.validation.fluid import (
    default_step,
    fluid_fixed_point,
    slowest_time_constant,
    trajectory,
    with_arrivals,
)
from gnr.validation.lanes import lane_seeds, settled
from gnr.validation.policies import find_policy
from gnr.validation.replications import expected_events, mean_trajectory
from gnr.validation.studies.optima import planning_optimum, policy_plan
from gnr.validation.studies.setting import Setting

SURGE = ((0.5, 1.0), (1.0, 2.0), (3.0, 1.0))
DRAIN = ((0.5, 1.0), (3.0, 0.0))
"""Scenarios: durations in slowest time constants, as a rule, and factors of all arrival rates."""

SCENARIOS: Mapping[str, tuple[tuple[float, float], ...]] = {
    "surge: arrivals double for a while": SURGE,
    "drain: arrivals stop": DRAIN,
}

POINTS = 60
"""Times looked at in a slowest time constant."""

MOST_STEPS, MOST_CONSTANTS = 1e6, 50
"""Steps of the fluid in a unit of time, and units to look for its rest; where the slowest time
constant takes more, a shorter unit is shown, from the plan."""

MOST_EVENTS = 4e8
"""Events of a scenario; fewer lanes are run where one takes many."""


@dataclass(frozen=True)
class Course:
    """One scenario.

    Attributes
    ----------
    title
        What happens.
    changes
        Times at which the arrival rates change, s.
    times
        Shape ``(times,)``, s.
    fluid
        State of the fluid model, requests per GPU, shape ``(times, classes, 6)``.
    chain
        State of the lanes, requests per GPU, shape ``(times, classes, 6, lanes)``.
    """

    title: str
    changes: tuple[float, ...]
    times: Floats
    fluid: Floats
    chain: Floats


@dataclass(frozen=True)
class Courses:
    """The scenarios of one cluster under one policy."""

    instance: Instance
    policy: str
    gpus: int
    least_target: float
    """Fewest requests that an admitted class should have in prefill."""
    courses: tuple[Course, ...]


def courses(
    instance: Instance, *, policy: str, gpus: int, setting: Setting, mixed_gpus: int | None = None
) -> Courses:
    """Return how a cluster comes through a surge and a drain, from the fluid at rest."""
    chosen = find_policy(policy)
    plan = policy_plan(planning_optimum(instance, chosen), chosen, gpus, mixed_gpus)
    names = [each.name for each in instance.classes]
    chain = compile_chain(build_network(rates_of(instance), names), plan, chosen)
    digest = instance.sha256()
    return Courses(
        instance,
        policy,
        gpus,
        min((each.gate_target for each in plan.classes if each.admitted), default=0.0),
        tuple(
            _course(chain, title, phases, digest, setting) for title, phases in SCENARIOS.items()
        ),
    )


def _course(
    chain: Chain,
    title: str,
    phases: tuple[tuple[float, float], ...],
    digest: str,
    setting: Setting,
) -> Course:
    unit = min(slowest_time_constant(chain), MOST_STEPS * default_step(chain))
    total = unit * sum(length for length, _ in phases)
    lanes = int(np.clip(MOST_EVENTS / expected_events(chain, total), 1, setting.replications))
    engine = find_engine(setting.engine)
    short = unit == slowest_time_constant(chain)
    rest = fluid_fixed_point(chain, longest=MOST_CONSTANTS).state if short else chain.planned
    fluid = settled(chain, np.floor(rest))
    state = np.repeat(fluid[..., None], lanes, axis=-1)
    times, fluids, chains, changes, elapsed = [np.zeros(1)], [fluid[None]], [state[None]], [], 0.0
    for phase, (length, factor) in enumerate(phases):
        at = np.linspace(0.0, unit * length, int(POINTS * length) + 1)[1:]
        loaded = with_arrivals(chain, factor)
        seeds = lane_seeds(digest, chain.gpus, setting.seed, lanes, first=lanes * phase)
        fluids.append(trajectory(loaded, fluids[-1][-1], at))
        chains.append(mean_trajectory(loaded, chains[-1][-1], at, seeds, engine))
        times.append(elapsed + at)
        elapsed += unit * length
        changes.append(elapsed)
    return Course(
        title=title,
        changes=tuple(changes[:-1]),
        times=np.concatenate(times),
        fluid=np.concatenate(fluids) / chain.gpus,
        chain=np.concatenate(chains) / chain.gpus,
    )
