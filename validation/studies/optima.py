"""The optima that a simulation is planned by and held against."""

from collections.abc import Mapping
from typing import Any

from gnr.errors import InputError, NoOptimumError, Problem
from gnr.instance import Instance
from gnr.models.steady_state import solve as solve_program
from gnr.result import Solution
from gnr.validation.policies.policy import Policy

ACCOUNTINGS = ("bundled", "separate")


def optimum(
    instance: Instance,
    scheme: str,
    *,
    empty_decode_buffer: bool = False,
    disaggregated: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Solution:
    """Return the optimum of `instance` under a pricing scheme; `options` go into its provenance.

    Raises
    ------
    InputError
        If the scheme is unknown, or the instance has promises that cannot be optimised under.
    NoOptimumError
        If there is no optimum.
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
        short = [f"{each.requirement} by {each.by:.4g} {each.unit}" for each in solution.shortfall]
        reason = f": {'; '.join(short)}" if short else ""
        raise NoOptimumError(
            [
                Problem(
                    "no-optimum",
                    instance.name,
                    "",
                    f"no steady state exists, the linear program is {solution.status}{reason}",
                    "see `gnr solve`; let requests leave (patience_rate > 0) or lower the load",
                )
            ]
        )
    return solution


def planning_optimum(instance: Instance, policy: Policy) -> Solution:
    """Return the optimum that `policy` plans by: its own program (Algorithm 1, step 1).

    The instance's scheme is kept where the policy can follow either.
    """
    own = instance.prices.scheme
    scheme = own if own in policy.objectives else policy.objectives[0]
    return optimum(
        instance,
        scheme,
        empty_decode_buffer=policy.empty_decode_buffer,
        disaggregated=policy.disaggregated,
    )
