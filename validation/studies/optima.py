"""The optima that a simulation is planned by and held against."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from gnr.errors import InputError, NoOptimumError, Problem
from gnr.instance import Instance
from gnr.models.steady_state import solve as solve_program
from gnr.plan import Plan
from gnr.rates import rates_of
from gnr.result import Solution
from gnr.validation.partition_planning import best_partition
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import SOLO_FIRST

ACCOUNTINGS = ("bundled", "separate")


def optimum(
    instance: Instance,
    scheme: str,
    *,
    empty_decode_buffer: bool = False,
    disaggregated: bool = False,
    policy: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Solution:
    """Return the optimum of `instance` under a pricing scheme; `options` go into its provenance.

    `policy` is whose demands these are, for messages.

    Raises
    ------
    InputError
        If the scheme is unknown.
    NoOptimumError
        If there is no optimum, or none that keeps the promises of the instance.
    """
    if scheme not in ACCOUNTINGS:
        raise InputError(
            [
                Problem(
                    "accounting-unknown",
                    "--account",
                    "",
                    f"no accounting {scheme!r}",
                    f"use {' or '.join(ACCOUNTINGS)}",
                )
            ]
        )
    prices = instance.prices.model_copy(update={"scheme": scheme})
    solution = solve_program(
        instance.model_copy(update={"prices": prices}),
        empty_decode_buffer=empty_decode_buffer,
        disaggregated=disaggregated,
        options=options,
    )
    if solution.status != "optimal":
        raise NoOptimumError([_no_optimum(solution, policy)])
    return solution


def _no_optimum(solution: Solution, policy: str | None) -> Problem:
    """Return why there is no optimum: promises that nobody can keep, or an overload."""
    instance, conflict = solution.instance, solution.conflict
    if conflict is None:
        short = [f"{each.requirement} by {each.by:.4g} {each.unit}" for each in solution.shortfall]
        reason = f": {'; '.join(short)}" if short else ""
        message = f"no steady state exists, the linear program is {solution.status}{reason}"
        remedy = "see `gnr solve`; let requests leave (patience_rate > 0) or lower the load"
        return Problem("no-optimum", instance.name, "", message, remedy)
    demands = {
        "an empty decode buffer": solution.empty_decode_buffer,
        "no decodes on prefilling GPUs": solution.disaggregated,
    }
    asked = " and ".join(text for text, demanded in demands.items() if demanded)
    message = f"no plan keeps {' and '.join(conflict.promises)}" + f" with {asked}" * bool(asked)
    other = ""
    if asked and policy is not None:
        message += f", which {policy} needs"
        other = "take a policy without that need, as sli-aware-general, or "
    nearest = [
        f"{each.name} {each.words(each.nearest)}"
        for each in conflict.keepable
        if each.nearest is not None
    ]
    instead = f"promise {' or '.join(nearest)}" if nearest else "drop one of them"
    return Problem(
        "no-optimum", instance.name, "slis", message, f"{other}{instead}; see `gnr solve`"
    )


def without_promises(instance: Instance) -> Instance:
    """Return the same instance without promises and penalties."""
    return instance.model_copy(update={"slis": ()})


def target_optimum(instance: Instance, scheme: str) -> Solution:
    """Return the optimum without promises, what a simulation is held against.

    Raises
    ------
    InputError
        If the scheme is unknown.
    NoOptimumError
        If there is no optimum.
    """
    return optimum(without_promises(instance), scheme)


def planning_optimum(instance: Instance, policy: Policy) -> Solution:
    """Return the optimum that `policy` plans by: its own program (Algorithm 1, step 1).

    The instance's promises and penalties are in it (eq. P49); its scheme is kept where the policy
    can follow either. A buffer shared by all classes takes no notice of the plan: under promises it
    is planned empty where that can be, as Algorithm 1 asks of a bundled plan.
    """
    own = instance.prices.scheme
    scheme = own if own in policy.objectives else policy.objectives[0]
    plan = partial(
        optimum, instance, scheme, disaggregated=policy.disaggregated, policy=policy.name
    )
    try:
        found = plan(empty_decode_buffer=policy.empty_decode_buffer)
    except NoOptimumError:
        if instance.slis:
            optimum(instance, scheme)  # where no policy has a plan, its demands are not the reason
        raise
    if instance.slis and scheme == "bundled" and policy.router is SOLO_FIRST and _queues(found):
        with suppress(NoOptimumError):
            return plan(empty_decode_buffer=True)
    return found


def policy_plan(
    solution: Solution, policy: Policy, gpus: int, mixed_gpus: int | None = None
) -> Plan:
    """Return the plan that `policy` makes for that many GPUs from its optimum.

    A policy that plans for n GPUs chooses the size of its groups; under promises, which bear on
    them, it rounds as all others do. With `mixed_gpus` none chooses.

    Raises
    ------
    InputError
        If nobody is served with `mixed_gpus`, or the policy has no partition.
    """
    if mixed_gpus is not None and not policy.partitioned:
        raise InputError([no_partition([policy])])
    plan = solution.plan(gpus, mixed_gpus)
    if mixed_gpus is not None or not policy.finite_plan or plan.promises:
        return plan
    return best_partition(rates_of(solution.instance), plan)


def no_partition(policies: Sequence[Policy]) -> Problem:
    """Return that these policies keep no group whose size could be chosen."""
    names = ", ".join(each.name for each in policies)
    message = f"sets the size of a group of GPUs that prefill; there is none under {names}"
    remedy = "leave it out, or take a policy with a partition, as gate-and-route"
    return Problem("mixed-gpus-policy", "--mixed-gpus", "", message, remedy)


def _queues(solution: Solution) -> bool:
    """Tell whether a plan keeps requests in the decode buffer."""
    return any(each.decode_queue > 0 for each in solution.classes)
