"""One cluster ready to be simulated, at either fidelity."""

from collections.abc import Sequence
from dataclasses import dataclass

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.network import build_network
from gnr.plan import Plan
from gnr.rates import rates_of
from gnr.validation.chain import Chain, compile_chain
from gnr.validation.engines import Engine, EngineMaker, find_engine
from gnr.validation.lanes import Seeds
from gnr.validation.per_gpu.engine import PerGpuEngine
from gnr.validation.per_gpu.layout import Rules
from gnr.validation.per_gpu.lengths import read_law
from gnr.validation.per_gpu.records import Recorder
from gnr.validation.per_gpu.rules import make_rules
from gnr.validation.policies import find_policy
from gnr.validation.studies.setting import PER_GPU, Setting

MOST_SINGLE_GPUS = 1_000_000
"""Largest cluster that is simulated GPU by GPU: about 2 GB a replication."""


@dataclass(frozen=True)
class Cluster:
    """A cluster under a policy with its plan.

    Attributes
    ----------
    chain
        The cluster by counts: its clocks, its size and the planned state, which both fidelities
        start from.
    fidelity
        `pooled` or `per-gpu`.
    rules
        What the per-GPU engine reads; None for the pooled chain.
    engine
        Name of the engine.
    """

    chain: Chain
    fidelity: str
    rules: Rules | None
    engine: str

    def engine_maker(self, recorder: Recorder | None = None) -> EngineMaker:
        """Return what makes the lanes; a per-GPU engine writes finished requests to `recorder`."""
        rules = self.rules
        if rules is None:
            return find_engine(self.engine)

        def make(chains: Sequence[Chain], start: Floats, seeds: Seeds) -> Engine:
            return PerGpuEngine(rules, chains, start, seeds, recorder=recorder)

        return make


def make_cluster(instance: Instance, plan: Plan, policy_name: str, setting: Setting) -> Cluster:
    """Return the cluster that `plan` is for.

    Raises
    ------
    InputError
        If the policy cannot follow the plan or the fidelity, or if the plan is for other classes.
    """
    policy, names = find_policy(policy_name), [each.name for each in instance.classes]
    policy.check(plan)
    if names != [each.name for each in plan.classes]:
        message = f"is for other classes than those of {instance.name}"
        raise InputError(
            [Problem("plan-classes", "plan", "classes", message, "plan this instance")]
        )
    rates = rates_of(instance)
    fidelity = setting.fidelity_for(policy, plan.gpus)
    rules = None
    if fidelity == PER_GPU:
        _check_size(plan.gpus)
        rules = make_rules(rates, plan, policy, read_law(setting.lengths, instance))
    chain = compile_chain(build_network(rates, names), plan, policy)
    return Cluster(chain, fidelity, rules, setting.engine)


def _check_size(gpus: int) -> None:
    if gpus > MOST_SINGLE_GPUS:
        message = f"{gpus:,} GPUs one by one need too much memory; {MOST_SINGLE_GPUS:,} at most"
        remedy = "say --fidelity pooled with a policy that has it, or fewer GPUs"
        raise InputError([Problem("gpus-range", "--gpus", "", message, remedy)])
