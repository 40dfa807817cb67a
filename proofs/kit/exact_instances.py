"""Instances in exact fractions, and programs of them maximised with a checked certificate.

They only ever refute, or support what is proved for all instances.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from fractions import Fraction
from typing import Any

import sympy as sp

from gnr.exact_lp import LinearProgram, Row, maximize
from gnr.proofs.kit.numbers import base_instance
from gnr.proofs.kit.steady_state import program
from gnr.proofs.kit.symbols import (
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SOLO_TIME,
    general_class,
)
from gnr.proofs.kit.totals import numbered, written_out


class NoOptimumError(ArithmeticError):
    """A program is infeasible or unbounded, which none of the instances here is."""


class ExactInstance:
    """Numbers for the symbols of a model with a few classes.

    Parameters
    ----------
    prompts, outputs, arrivals, patience
        P_i, D_i, lambda_i and theta_i of each class, as decimals in text.
    speed_ratio
        kappa to give the solo iteration; that of the measured constants if absent.
    prices
        c_p and c_d.
    """

    def __init__(
        self,
        prompts: Sequence[int],
        outputs: Sequence[int],
        arrivals: Sequence[str],
        patience: Sequence[str],
        speed_ratio: str | None = None,
        prices: tuple[str, str] = ("0.1", "0.2"),
    ) -> None:
        self.classes = len(prompts)
        self.values = dict(base_instance().shared)
        if speed_ratio is not None:
            self.values[SOLO_TIME] = self.values[MIXED_TIME] / sp.Rational(speed_ratio)
        self.values |= dict(
            zip((PROMPT_PRICE, OUTPUT_PRICE), map(sp.Rational, prices), strict=True)
        )
        rates = general_class().rates
        columns = {
            rates.prompt_tokens: prompts,
            rates.output_tokens: outputs,
            rates.arrival_rate: arrivals,
            rates.patience_rate: patience,
        }
        for symbol, column in columns.items():
            for number, value in enumerate(column, start=1):
                self.values[numbered(symbol, number)] = sp.Rational(value)

    def priced(self, prompt: Any, output: Any) -> "ExactInstance":
        """Return the instance with other token prices."""
        other = copy(self)
        other.values = {**self.values, PROMPT_PRICE: prompt, OUTPUT_PRICE: output}
        return other

    def of(self, expression: Any) -> Any:
        """Return an expression with totals written out and the numbers put in."""
        return sp.expand(written_out(sp.sympify(expression), self.classes).xreplace(self.values))

    def of_each(self, expression: Any) -> list[Any]:
        """Return an expression about class i for every class."""
        return [
            sp.expand(
                written_out(sp.sympify(expression), self.classes, number).xreplace(self.values)
            )
            for number in range(1, self.classes + 1)
        ]


BASE = ExactInstance((300, 3000), (1000, 400), ("0.5", "0.5"), ("0.1", "0.1"))
"""The base instance (THEORY 9.2)."""

ABOVE_THRESHOLD = (
    BASE,
    ExactInstance((3000, 1000), (100, 400), ("4", "4"), ("0.1", "0.2")),
    ExactInstance((300, 2000, 3500), (1000, 150, 150), ("0.5", "1", "1.2"), ("0.1", "0.05", "0.2")),
    ExactInstance((200, 2800), (2450, 200), ("1.4", "1.85"), ("0.1", "0.1"), speed_ratio="15/16"),
)
"""With kappa ≥ (B-1)/B, the last one exactly at it."""

BELOW_THRESHOLD = (
    ExactInstance((200, 2800), (2450, 200), ("1.4", "1.85"), ("0.1", "0.1"), speed_ratio="1/4"),
    ExactInstance(
        (300, 2000, 3500),
        (1000, 150, 150),
        ("0.01", "0.3", "0.2"),
        ("0.1", "0.05", "0.2"),
        speed_ratio="9/10",
    ),
    ExactInstance((3000, 1000), (100, 400), ("4", "4"), ("0.1", "0.2"), speed_ratio="1/2"),
)
"""With kappa < (B-1)/B."""


def program_value(instance: ExactInstance, scheme: str) -> Fraction:
    """Return the value of (P40), ``bundled``, or of (P42), ``separate``."""
    rows = program(general_class())
    return maximum(
        instance.of(getattr(rows, scheme)),
        [instance.of(room) for room in rows.rooms],
        [*instance.of_each(rows.prefill_balance), *instance.of_each(rows.decode_balance)],
    )


def maximum(objective: Any, at_least_zero: Sequence[Any], zero: Sequence[Any] = ()) -> Fraction:
    """Return the maximum over nonnegative variables, all symbols of affine expressions.

    The optimum is believed only with a certificate that is checked here: a feasible point and
    multipliers of the right signs that bound every other point by its value.

    Raises
    ------
    NoOptimumError
        If the program is infeasible or unbounded.
    """
    rows = {f"r{k}": _row(each, ">=") for k, each in enumerate(at_least_zero)}
    rows |= {f"e{k}": _row(each, "=") for k, each in enumerate(zero)}
    costs, constant = _affine(objective)
    program = LinearProgram(costs, rows)
    found = maximize(program)
    if found.status != "optimal" or found.value is None:
        raise NoOptimumError(found.status)
    _certify(program, found.primal, found.dual, found.value)
    return found.value + constant


def _certify(
    program: LinearProgram,
    primal: Mapping[str, Fraction],
    dual: Mapping[str, Fraction],
    value: Fraction,
) -> None:
    """Raise unless the point is feasible, the multipliers too, and both have the value."""
    reduced = dict(program.objective)
    bound, holds = Fraction(0), all(each >= 0 for each in primal.values())
    for name, row in program.rows.items():
        activity = sum((primal[v] * c for v, c in row.coefficients.items()), Fraction(0))
        equality = row.sense == "="
        holds &= activity == row.bound if equality else activity >= row.bound
        holds &= equality or dual[name] <= 0
        bound += dual[name] * row.bound
        for variable, coefficient in row.coefficients.items():
            reduced[variable] = reduced.get(variable, Fraction(0)) - dual[name] * coefficient
    earned = sum((primal[v] * c for v, c in program.objective.items()), Fraction(0))
    if not (holds and all(each <= 0 for each in reduced.values()) and earned == value == bound):
        raise ArithmeticError("the optimum has no certificate")


def _row(expression: Any, sense: Any) -> Row:
    coefficients, constant = _affine(expression)
    return Row(coefficients, sense, -constant)


def _affine(expression: Any) -> tuple[dict[str, Fraction], Fraction]:
    """Return coefficients by name and the constant of an affine expression."""
    terms = sp.sympify(expression).as_coefficients_dict()
    return (
        {str(symbol): fraction(value) for symbol, value in terms.items() if symbol != 1},
        fraction(terms.get(sp.Integer(1), sp.Integer(0))),
    )


def fraction(value: Any) -> Fraction:
    """Return a rational number of SymPy as a fraction."""
    exact = sp.Rational(value)
    return Fraction(int(exact.p), int(exact.q))
