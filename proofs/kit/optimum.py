r"""Exact optima of the bundled program (P40), with the multipliers that prove them.

Rows and revenue come from the network: balances are its drift with the controls eliminated.
For every point and all multipliers the Lagrangian, less what is multiplied, is the revenue; so
multipliers of the right signs that make no reduced cost positive bound every feasible revenue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Finding, proved, undecided
from gnr.proofs.kit.drift import drift, revenue_rate
from gnr.proofs.kit.numbers import Numbers, base_instance, shown
from gnr.proofs.kit.symbols import STATE, Model, State, general_class
from gnr.proofs.kit.totals import Total, numbered

VARIABLES = ("prefill_queue", "prefill", "decode_buffer", "mixed_decode", "solo_decode")

CAPACITY_PRICES = sp.symbols("hat_alpha hat_beta hat_delta", nonnegative=True)
PREFILL_PRICE, DECODE_PRICE = sp.symbols("hat_phi_i hat_eta_i", real=True)


def balances(model: Model, state: State) -> tuple[Any, Any]:
    """Return what (P40) wants to be 0 for every class: net inflow before and after prefill.

    A control leaves one station as fast as it enters another, so it is gone from either sum.
    """
    net = drift(model, state)
    return (
        net.prefill_queue + net.prefill,
        net.decode_buffer + net.mixed_decode + net.solo_decode,
    )


def rooms(model: Model, state: State) -> tuple[Any, Any, Any]:
    """Return the free capacities: prefills, mixed and solo decodes per GPU (eqs. P33-P35)."""
    slots, prefills = model.rates.batch_slots, Total(state.prefill)
    return (
        1 - prefills,
        (slots - 1) * prefills - Total(state.mixed_decode),
        slots * (1 - prefills) - Total(state.solo_decode),
    )


def lagrangian(model: Model) -> Any:
    """Return the revenue plus every row times its multiplier, at `STATE`."""
    before, after = balances(model, STATE)
    value = Total(revenue_rate(model, STATE, "bundled"))
    for price, room in zip(CAPACITY_PRICES, rooms(model, STATE), strict=True):
        value += price * room
    return value + Total(PREFILL_PRICE * before + DECODE_PRICE * after)


@dataclass(frozen=True)
class Optimum:
    """A point of (P40) in exact numbers.

    Attributes
    ----------
    numbers
        The instance, with the point and the multipliers.
    value
        Its revenue, money/s per GPU.
    states
        Occupancies, a state for each class.
    finding
        Whether it is optimal.
    """

    numbers: Numbers
    value: Any
    states: tuple[State, ...]
    finding: Finding


def optimum(
    numbers: Numbers,
    positive: Mapping[str, Sequence[int]],
    *,
    tight: Mapping[str, Sequence[int]] | None = None,
    no_backlog: bool = False,
) -> Optimum:
    """Return a vertex of (P40) and whether it is optimal, with both decode capacities full.

    Parameters
    ----------
    numbers
        The instance.
    positive
        The classes, counted from 1, for which a variable is not 0.
    tight
        Variables at 0 whose reduced cost is 0 too: where complementary slackness alone leaves
        multipliers open.
    no_backlog
        Whether the decode buffer must stay empty, as a further row for each class.
    """
    model = general_class()
    states = _vertex(model, numbers, positive)
    here = numbers.at(states)
    priced = {
        name: [*positive.get(name, ()), *(tight or {}).get(name, ())]
        for name in VARIABLES
        if not (no_backlog and name == "decode_buffer")
    }
    prices = _multipliers(model, numbers, priced)
    here = Numbers(
        {**here.shared, **{each: prices[each] for each in CAPACITY_PRICES}}, here.classes
    )
    here = here.and_columns(
        {
            symbol: [prices[numbered(symbol, k)] for k in range(1, len(states) + 1)]
            for symbol in (PREFILL_PRICE, DECODE_PRICE)
        }
    )
    value = here.of(Total(revenue_rate(model, STATE, "bundled")))
    return Optimum(here, value, states, certified(here, no_backlog=no_backlog))


def base_plan(mixed: tuple[int, ...]) -> Optimum:
    """Return the planned optimum of the base instance in which only `mixed` decode mixed.

    The other class decodes in the solo group alone, as far as that group goes.
    """
    return optimum(
        base_instance(),
        {"prefill": (1, 2), "prefill_queue": (1,), "mixed_decode": mixed, "solo_decode": (1, 2)},
    )


def certified(here: Numbers, *, no_backlog: bool = False) -> Finding:
    """Return whether the point and the multipliers in `here` prove each other optimal."""
    model = general_class()
    cost = _spelled_out(model, here)
    count = range(1, len(here.classes) + 1)
    unknowns = {name: [_unknown(name, k) for k in count] for name in VARIABLES}
    occupancies = [v for name in VARIABLES for v in here.of_each(getattr(STATE, name))]
    kept = [value for each in balances(model, STATE) for value in here.of_each(each)]
    reduced = [
        cost.coeff(unknown)
        for name in VARIABLES
        if not (no_backlog and name == "decode_buffer")
        for unknown in unknowns[name]
    ]
    signs = [*occupancies, *map(here.of, rooms(model, STATE)), *map(here.of, CAPACITY_PRICES)]
    signs += [-each for each in reduced]
    value = here.of(Total(revenue_rate(model, STATE, "bundled")))
    bound = cost.xreplace({each: sp.Integer(0) for some in unknowns.values() for each in some})
    backlog = no_backlog and any(here.of_each(STATE.decode_buffer))
    if backlog or any(kept) or any(each < 0 for each in signs) or value != bound:
        return undecided(f"not shown optimal: revenue {shown(value)}, bound {shown(bound)}")
    rows = " with q_d = 0" if no_backlog else ""
    return proved(f"optimum of (P40){rows}: {shown(value)}, equal to its dual bound")


def _unknown(name: str, number: int) -> Any:
    return numbered(getattr(STATE, name), number)


def _spelled_out(model: Model, numbers: Numbers) -> Any:
    """Return the Lagrangian in numbers, linear in the occupancies, which stay symbols."""
    occupancies = {getattr(STATE, name) for name in VARIABLES}
    without = tuple(
        {symbol: value for symbol, value in known.items() if symbol not in occupancies}
        for known in numbers.classes
    )
    return sp.expand(Numbers(numbers.shared, without).of(lagrangian(model)))


def _vertex(
    model: Model, numbers: Numbers, positive: Mapping[str, Sequence[int]]
) -> tuple[State, ...]:
    count = len(numbers.classes)
    free = [_unknown(name, k) for name in VARIABLES for k in positive.get(name, ())]
    zero = {
        _unknown(name, k): 0
        for name in VARIABLES
        for k in range(1, count + 1)
        if k not in positive.get(name, ())
    }
    rows = [value for each in balances(model, STATE) for value in numbers.of_each(each)]
    rows += [numbers.of(each) for each in rooms(model, STATE)[1:]]
    (found,) = sp.linsolve([row.xreplace(zero) for row in rows], free)
    values = {**zero, **dict(zip(free, found, strict=True))}
    return tuple(
        State(**{name: sp.sympify(values[_unknown(name, k)]) for name in VARIABLES})
        for k in range(1, count + 1)
    )


def _multipliers(
    model: Model, numbers: Numbers, priced: Mapping[str, Sequence[int]]
) -> dict[Any, Any]:
    """Solve for the multipliers: prefill has room, no reduced cost on what is `priced`."""
    cost = _spelled_out(model, numbers)
    unknowns = list(CAPACITY_PRICES)
    for symbol in (PREFILL_PRICE, DECODE_PRICE):
        unknowns += [numbered(symbol, k) for k in range(1, len(numbers.classes) + 1)]
    rows = [CAPACITY_PRICES[0]]
    for name in VARIABLES:
        rows += [cost.coeff(_unknown(name, k)) for k in priced.get(name, ())]
    (found,) = sp.linsolve(rows, unknowns)
    return dict(zip(unknowns, found, strict=True))
