r"""Exact optima of the steady-state programs in numbers, certified by a basis.

A basis names the variables that may be positive and the capacities that bind. It gives one
primal and one dual point; if both are feasible and worth the same, that is the optimum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import sympy as sp

from gnr.proofs.kit.steady_state import program
from gnr.proofs.kit.symbols import STATE, Model, general_class
from gnr.proofs.kit.totals import numbered, written_out


@dataclass(frozen=True)
class Instance:
    """Parameters in exact numbers.

    Attributes
    ----------
    shared
        Values of the symbols of the GPU and of the prices.
    columns
        Values of the symbols of class i, one for each class.
    """

    shared: Mapping[sp.Symbol, Any]
    columns: Mapping[sp.Symbol, Sequence[Any]]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(next(iter(self.columns.values())))

    def value(self, expression: Any, of_class: int = 1) -> Any:
        """Return an expression in numbers; symbols of class i become those of `of_class`."""
        numbers = dict(self.shared)
        for symbol, column in self.columns.items():
            for k, value in enumerate(column, start=1):
                numbers[numbered(symbol, k)] = sp.nsimplify(value)
        return sp.expand(written_out(expression, self.classes, of_class).subs(numbers))


@dataclass(frozen=True)
class Optimum:
    """A certified optimum: its value and the point, by name of variable."""

    value: sp.Rational
    point: Mapping[str, sp.Rational]


class NotOptimalError(Exception):
    """The basis does not certify an optimum."""


def certified(
    instance: Instance,
    basic: Sequence[str],
    tight: Sequence[str],
    scheme: str = "bundled",
    queue: bool = True,
) -> Optimum:
    """Return the optimum that a basis certifies.

    Parameters
    ----------
    instance
        The numbers.
    basic
        Variables that may be positive, ``y_m_1`` for class 1.
    tight
        Capacities that bind: ``prefill_room``, ``mixed_room``, ``solo_room``.
    scheme
        Whose revenue is maximised.
    queue
        Whether requests may wait for decode.

    Raises
    ------
    NotOptimalError
        If a point is not unique or not feasible, or if the two are not worth the same.
    """
    objective, rooms, balances, variables = _in_numbers(general_class(), instance, scheme, queue)
    chosen = [each for each in variables if each.name in basic]
    nothing = {each: sp.Integer(0) for each in variables}
    rows = [*balances, *(rooms[name] for name in tight)]
    idle = {each: 0 for each in variables if each not in chosen}
    point = nothing | _solved([row.subs(idle) for row in rows], chosen)
    prices = [sp.Symbol(f"price_{k}", real=True) for k in range(len(rows))]
    whole = objective + sp.Add(*(p * row for p, row in zip(prices, rows, strict=True)))
    paid = _solved([whole.diff(each) for each in chosen], prices)
    bound = sp.expand(whole.subs(paid))
    capacity_prices = [paid[price] for price in prices[len(balances) :]]
    value = objective.subs(point)
    certificate = (
        *point.values(),
        *(room.subs(point) for room in rooms.values()),
        *capacity_prices,
        *(-bound.diff(each) for each in variables),
        -abs(value - bound.subs(nothing)),
        *(-abs(balance.subs(point)) for balance in balances),
    )
    if not all(each.is_rational and each >= 0 for each in certificate):
        raise NotOptimalError(f"basis {', '.join((*basic, *tight))}")
    return Optimum(value, {each.name: number for each, number in point.items()})


def _in_numbers(
    model: Model, instance: Instance, scheme: str, queue: bool
) -> tuple[Any, dict[str, Any], list[Any], list[sp.Symbol]]:
    """Return objective, capacities, balances and variables of (P40) or (P42)."""
    state = STATE if queue else replace(STATE, decode_buffer=sp.Integer(0))
    stated, numbers = program(model, state), range(1, instance.classes + 1)
    names = ("prefill_room", "mixed_room", "solo_room")
    return (
        instance.value(getattr(stated, scheme)),
        {name: instance.value(getattr(stated, name)) for name in names},
        [
            instance.value(balance, k)
            for k in numbers
            for balance in (stated.prefill_balance, stated.decode_balance)
        ],
        [
            numbered(getattr(state, field.name), k)
            for k in numbers
            for field in fields(state)
            if getattr(state, field.name) != 0
        ],
    )


def _solved(equations: Sequence[Any], unknowns: Sequence[sp.Symbol]) -> dict[Any, Any]:
    """Return the one solution of linear equations."""
    (solution,) = sp.linsolve(list(equations), list(unknowns)) or ((),)
    if len(solution) != len(unknowns) or any(each.free_symbols for each in solution):
        raise NotOptimalError("the basis has no unique point")
    return dict(zip(unknowns, solution, strict=True))
