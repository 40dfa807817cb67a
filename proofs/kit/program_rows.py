r"""The linear programs as Pyomo builds them, with symbols for the numbers.

`gnr.models` only adds, subtracts, multiplies and divides the rates it is given. Given an
`Exact` in place of each float, it builds its rows with exact coefficients, rational functions of
the symbols of the model, which can then be compared as identities and not at sample points.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pyomo.environ as pyo
import sympy as sp
from pyomo.common.numeric_types import RegisterNumericType
from pyomo.repn import generate_standard_repn

from gnr.proofs.kit.symbols import STATE, several_classes
from gnr.proofs.kit.totals import numbered
from gnr.rates import Rates

VARIABLES = {
    "prefill_occupancy": STATE.prefill,
    "mixed_decode_occupancy": STATE.mixed_decode,
    "solo_decode_occupancy": STATE.solo_decode,
    "prefill_queue": STATE.prefill_queue,
    "decode_queue": STATE.decode_buffer,
    "unserved_rate": sp.Symbol("s_i", nonnegative=True),
    "gpus": sp.Symbol("n", positive=True),
}
"""Variables of the programs, and what each stands for: an occupancy, arrivals not served, or the
size of the cluster, the only one that is not of a class."""


@dataclass(frozen=True, eq=False)
class Exact:
    """A SymPy number that Pyomo takes for a number; arithmetic with floats is exact."""

    value: Any

    def __add__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: a + b)

    def __radd__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: b + a)

    def __sub__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: a * b)

    def __rmul__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: b * a)

    def __truediv__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: b / a)

    def __neg__(self) -> "Exact":
        return Exact(-self.value)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Exact | int | float) and bool(self.value == exact(other))

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self.value != 0)

    def _combined(self, other: Any, operation: Callable[[Any, Any], Any]) -> Any:
        if not isinstance(other, Exact | int | float):
            return NotImplemented
        return Exact(operation(self.value, exact(other)))


RegisterNumericType(Exact)


def exact(number: Any) -> Any:
    """Return the SymPy value of a number or Pyomo constant, for a float the rational it is."""
    held = pyo.value(number)
    return held.value if isinstance(held, Exact) else sp.Rational(Fraction(held))


def exact_rates(count: int, patient: Iterable[int] = ()) -> Rates:
    """Return the rates of some classes in symbols, to build programs with.

    Those numbered in `patient`, from 1, have patience rate 0.
    """
    rates = several_classes(count)
    patience = rates.patience_rate.copy()
    for k in patient:
        patience[k - 1] = sp.Integer(0)
    rates = replace(rates, patience_rate=patience)
    return Rates(**{each.name: _wrapped(getattr(rates, each.name)) for each in fields(rates)})


def _wrapped(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.array([Exact(each) for each in value], dtype=object)
    return Exact(value)


@dataclass(frozen=True)
class ProgramRow:
    """A constraint or objective in symbols.

    Attributes
    ----------
    expression
        Body in the occupancies of the numbered classes.
    lower, upper
        Bounds, None where there is none; an equality has both.
    """

    expression: Any
    lower: Any = None
    upper: Any = None


def program_rows(model: Any) -> dict[str, ProgramRow]:
    """Return every active constraint and objective by its Pyomo name, classes from 0."""
    found = {}
    for each in model.component_data_objects((pyo.Constraint, pyo.Objective), active=True):
        constraint = each.ctype is pyo.Constraint
        lower, upper = (each.lower, each.upper) if constraint else (None, None)
        found[each.name] = ProgramRow(
            _in_symbols(each.body if constraint else each.expr),
            None if lower is None else exact(lower),
            None if upper is None else exact(upper),
        )
    return found


def free_below_zero(model: Any) -> list[str]:
    """Return the variables whose lower bound is not 0, or that have an upper bound."""
    return [
        each.name
        for each in model.component_data_objects(pyo.Var)
        if each.lb != 0 or each.ub is not None
    ]


def _in_symbols(body: Any) -> Any:
    row = generate_standard_repn(body)
    if row.nonlinear_expr is not None or row.quadratic_vars:
        raise ValueError(f"not linear: {body}")
    total = exact(row.constant)
    for variable, coefficient in zip(row.linear_vars, row.linear_coefs, strict=True):
        symbol = VARIABLES[variable.parent_component().local_name]
        index = variable.index()
        total += exact(coefficient) * (symbol if index is None else numbered(symbol, index + 1))
    return sp.expand(total)
