"""Faults to plant in the model, and what the claims say then."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import sympy as sp
from pyomo.repn import generate_standard_repn

from gnr import network, rates
from gnr.models import constraints, objectives
from gnr.proofs.proving import check_claim

PROCESSES = ("A", "B_p", "U_p", "S_p", "B_d", "U_dm", "U_ds", "S_dm", "S_ds", "M_sm", "M_ms")

Fault = Callable[[pytest.MonkeyPatch], None]


def verdicts(fault: Fault, claim_ids: list[str]) -> dict[str, str]:
    """Return the label of each claim with a fault in place."""
    with pytest.MonkeyPatch.context() as patch:
        forget()
        fault(patch)
        try:
            return {each: check_claim(each, faults=False).label for each in claim_ids}
        finally:
            forget()


def forget() -> None:
    """Empty every cache of the proofs, so that nothing is remembered across a fault."""
    for name in [each for each in sys.modules if each.startswith("gnr.proofs")]:
        for value in list(vars(sys.modules[name]).values()):
            if hasattr(value, "cache_clear") and name != "gnr.proofs.ledger":
                value.cache_clear()


def formula(name: str, change: Callable[..., Any]) -> Fault:
    """Put another formula in `gnr.rates`; `change` gets the right value and the arguments."""
    right = getattr(rates, name)

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(rates, name, lambda *args: change(right(*args), *args))

    return plant


def free_formula(name: str) -> Fault:
    """Put a symbol in place of a formula of `gnr.rates`, of class i: any number at all."""
    return formula(name, lambda _, *args: sp.Symbol(f"any_{name}_i", positive=True))


def no_edge(process: str) -> Fault:
    """Leave an edge out of the network."""
    right = network._transitions

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(
            network,
            "_transitions",
            lambda *args: [each for each in right(*args) if each[2].process != process],
        )

    return plant


def free_edge(process: str) -> Fault:
    """Let the clock of an edge run at any rate at all."""
    right = network._transitions

    def freed(origin: Any, target: Any, move: network.Transition) -> Any:
        if move.process != process:
            return origin, target, move
        rate = sp.Symbol(f"any_{process}_i", positive=True)
        return origin, target, network.Transition(**{**vars(move), "rate": rate})

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(
            network, "_transitions", lambda *args: [freed(*each) for each in right(*args)]
        )

    return plant


def doubled(row: str, part: str) -> Fault:
    """Double the coefficients of one variable in a row of the programs, or its bound."""
    module = constraints if hasattr(constraints, row) else objectives
    right = getattr(module, row)

    def rule(model: Any, *index: int) -> Any:
        relation = right(model, *index)
        if module is objectives:
            return relation + _terms(relation, part)
        body, bound = relation.args
        if part == "bound":
            bound = bound + bound
        else:
            body = body + _terms(body, part)
        return body == bound if relation.__class__.__name__.startswith("Eq") else body <= bound

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(module, row, rule)

    return plant


def _terms(body: Any, part: str) -> Any:
    row = generate_standard_repn(body)
    return sum(
        coefficient * variable
        for variable, coefficient in zip(row.linear_vars, row.linear_coefs, strict=True)
        if variable.parent_component().local_name == part
    )
