"""Chains for the tests of the simulators."""

from functools import cache
from typing import Any

import numpy as np

import gnr
from gnr.rates import Rates, rates_of
from gnr.validation.chain import Chain, compile_chain
from gnr.validation.compiled_engine import CompiledEngine
from gnr.validation.lanes import fluid_point, lane_seeds
from gnr.validation.policies import POOLED
from gnr.validation.studies.optima import planning_optimum

DIGEST = "5" * 64
"""Stands for the SHA-256 of an instance."""


@cache
def planned(instance: str, policy: str) -> Any:
    """Return the optimum that a policy plans by."""
    return planning_optimum(gnr.load(instance), POOLED[policy])


def chain_of(instance: str, policy: str, gpus: int) -> Chain:
    """Return the chain of a shipped instance under a policy."""
    loaded = gnr.load(instance)
    network = gnr.build_network(rates_of(loaded), [each.name for each in loaded.classes])
    return compile_chain(network, planned(instance, policy).plan(gpus), POOLED[policy])


def rates_named(instance: str) -> Rates:
    """Return the rates of a shipped instance."""
    return rates_of(gnr.load(instance))


def lanes_from_plan(chain: Chain, lanes: int) -> np.ndarray[Any, Any]:
    """Return the planned state for every lane, shape ``(classes, 6, lanes)``."""
    return np.repeat(fluid_point(chain)[..., None], lanes, axis=-1)


def compiled(chain: Chain, lanes: int, seed: int = 1, threads: int | None = None) -> CompiledEngine:
    """Return the compiled engine at the planned state."""
    seeds = lane_seeds(DIGEST, chain.gpus, seed, lanes)
    return CompiledEngine([chain] * lanes, lanes_from_plan(chain, lanes), seeds, threads)
