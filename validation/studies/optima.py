"""The optima that a simulation is planned by and held against."""

from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.models.steady_state import solve as solve_program
from gnr.result import Solution
from gnr.validation.policies import PooledPolicy

ACCOUNTINGS = ("bundled", "separate")


def optimum(instance: Instance, scheme: str, *, empty_decode_buffer: bool = False) -> Solution:
    """Return the optimum of `instance` under a pricing scheme, without its promises.

    Raises
    ------
    InputError
        If there is none, or if the scheme is unknown.
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
        instance.model_copy(update={"prices": prices, "slis": ()}),
        empty_decode_buffer=empty_decode_buffer,
    )
    if solution.status != "optimal":
        raise InputError(
            [
                Problem(
                    "no-optimum",
                    instance.name,
                    "",
                    f"there is no steady state to compare with: the program is {solution.status}",
                    "see `gnr solve`; let requests leave (patience_rate > 0) or lower the load",
                )
            ]
        )
    return solution


def planning_optimum(instance: Instance, policy: PooledPolicy) -> Solution:
    """Return the optimum that `policy` plans by: its own program (Algorithm 1, step 1).

    The instance's scheme is kept where the policy can follow either.
    """
    own = instance.prices.scheme
    scheme = own if own in policy.objectives else policy.objectives[0]
    return optimum(instance, scheme, empty_decode_buffer=policy.empty_decode_buffer)
