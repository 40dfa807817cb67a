r"""Multipliers, Lagrangian and dual of the reduced program (P52), read off its rows.

A row is the amount by which it holds: nonnegative for capacities and (P50), 0 for the prefill
balance. So its multiplier enters the Lagrangian with a plus, and a dual row is the derivative.
"""

from collections.abc import Mapping
from typing import Any

import sympy as sp

from gnr.proofs.kit.algorithm_0 import without_buffer
from gnr.proofs.kit.symbols import STATE, Model, State
from gnr.proofs.kit.totals import Total, component_derivative

ALPHA, BETA, DELTA = sp.symbols("alpha_hat beta_hat delta_hat", nonnegative=True)
"""Multipliers of the prefill, mixed and solo capacity, money/s per GPU."""

PHI = sp.Symbol("phi_hat_i", real=True)
"""Multiplier of the prefill balance, money per request; its sign is a result (P56)."""

ETA = sp.Symbol("eta_hat_i", nonnegative=True)
"""Multiplier of (P50), money per request."""

SIGNS = State(
    prefill_queue=sp.Symbol("sigma_p_i", nonnegative=True),
    prefill=sp.Symbol("sigma_x_i", nonnegative=True),
    decode_buffer=sp.Integer(0),
    mixed_decode=sp.Symbol("sigma_m_i", nonnegative=True),
    solo_decode=sp.Symbol("sigma_s_i", nonnegative=True),
)
"""Multipliers of the signs of the variables; (P52) has no decode buffer."""

VARIABLES = ("prefill", "mixed_decode", "solo_decode", "prefill_queue")
"""Variables of (P52), by the name of their station."""

NOTHING = State(*(sp.Integer(0) for _ in range(5)))


def rows(model: Model, state: State = STATE) -> Mapping[Any, Any]:
    """Return the rows of (P52) by multiplier; those of one class have a multiplier of class i."""
    reduced = without_buffer(model, state)
    return {
        ALPHA: reduced.prefill_room,
        BETA: reduced.mixed_room,
        DELTA: reduced.solo_room,
        PHI: reduced.prefill_balance,
        ETA: reduced.decode_balance,
    }


def revenue(model: Model, scheme: str = "bundled") -> Any:
    """Return the objective, money/s per GPU."""
    return getattr(without_buffer(model), scheme)


def valued(by_multiplier: Mapping[Any, Any]) -> Any:
    """Return the sum of multiplier times row, over classes where the row is that of a class."""
    return sp.Add(
        *(
            Total(multiplier * row) if multiplier in (PHI, ETA) else multiplier * row
            for multiplier, row in by_multiplier.items()
        )
    )


def lagrangian(model: Model, scheme: str = "bundled") -> Any:
    """Return (U2): revenue, rows at their multipliers, variables at those of their signs."""
    signs = Total(sp.Add(*(getattr(SIGNS, name) * getattr(STATE, name) for name in VARIABLES)))
    return revenue(model, scheme) + valued(rows(model)) + signs


def stationarity(model: Model, scheme: str = "bundled") -> Mapping[str, Any]:
    """Return the derivative of the Lagrangian in every variable of class i (P53-P56)."""
    whole = lagrangian(model, scheme)
    return {name: component_derivative(whole, getattr(STATE, name)) for name in VARIABLES}


def dual_value(model: Model) -> Any:
    """Return the dual objective: what the rows have in hand if nothing is done."""
    return valued(rows(model, NOTHING))


def dual_rows(model: Model, scheme: str = "bundled") -> Mapping[str, Any]:
    """Return what must be nonnegative in the dual: a column of the rows less its revenue."""
    read, earned = rows(model), revenue(model, scheme)
    return {
        name: -component_derivative(earned, getattr(STATE, name))
        - sp.Add(*(m * component_derivative(row, getattr(STATE, name)) for m, row in read.items()))
        for name in VARIABLES
    }
