"""Faults to plant in the model, and what the claims say then."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from inspect import signature
from types import ModuleType
from typing import Any

import pytest
import sympy as sp
from pyomo.repn import generate_standard_repn

import gnr
import gnr.proofs.proving
from gnr import network, rates
from gnr.models import constraints, objectives
from gnr.verdicts import ClaimVerdict

PROCESSES = ("A", "B_p", "U_p", "S_p", "B_d", "U_dm", "U_ds", "S_dm", "S_ds", "M_sm", "M_ms")

Fault = Callable[[pytest.MonkeyPatch], None]


def verdicts(fault: Fault, claim_ids: list[str], anew: bool = True) -> dict[str, str]:
    """Return the label of each claim with a fault in place."""
    return {each.id: each.label for each in judged(fault, claim_ids, anew)}


def judged(fault: Fault, claim_ids: list[str], anew: bool = True) -> list[ClaimVerdict]:
    """Return the verdict on each claim with a fault in place.

    With `anew` the proofs are imported once more under the fault, so that what a module
    computes when it is imported has the fault too.
    """
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        with imported_anew() if anew else nullcontext():
            check_claim = importlib.import_module("gnr.proofs.proving").check_claim
            return [check_claim(each, faults=False) for each in claim_ids]


@contextmanager
def imported_anew() -> Iterator[None]:
    """Forget all modules of the proofs, and put them back afterwards."""
    kept = _forget_proofs()
    try:
        yield
    finally:
        _forget_proofs()
        sys.modules.update(kept)
        gnr.proofs = kept["gnr.proofs"]


def _forget_proofs() -> dict[str, ModuleType]:
    names = [each for each in sys.modules if f"{each}.".startswith("gnr.proofs.")]
    return {each: sys.modules.pop(each) for each in names}


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

    def altered(model: Any, *index: int) -> Any:
        relation = right(model, *index)
        if module is objectives:
            return relation + _terms(relation, part)
        body, bound = relation.args
        if part == "bound":
            bound = bound + bound
        else:
            body = body + _terms(body, part)
        return body == bound if relation.__class__.__name__.startswith("Eq") else body <= bound

    # Pyomo counts the arguments of a rule
    per_class = len(signature(right).parameters) > 1
    rule = (lambda model, i: altered(model, i)) if per_class else (lambda model: altered(model))

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
