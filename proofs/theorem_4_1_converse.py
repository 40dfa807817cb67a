r"""Ledger T4.1-d: no policy does better than R* in the fluid model; the paper leaves it out."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, refuted
from gnr.proofs.kit.drift import CONTROLS, drift, revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.numbers import Numbers
from gnr.proofs.kit.optimum import (
    CAPACITY_PRICES,
    DECODE_PRICE,
    PREFILL_PRICE,
    VARIABLES,
    balances,
    base_plan,
    lagrangian,
    rooms,
)
from gnr.proofs.kit.relaxation import relaxation, solves
from gnr.proofs.kit.symbols import STATE, TIME, Model, general_class
from gnr.proofs.kit.totals import Total, component_derivative

PERIOD = sp.Symbol("T", positive=True)
NOTHING = {getattr(STATE, name): sp.Integer(0) for name in VARIABLES}
IDLE = dict.fromkeys(CONTROLS.values(), sp.Integer(0))


def averages_satisfy_the_balances(model: Model) -> Finding:
    """Look at the drift before and after prefill: free of controls and linear in occupancies.

    Integrated over [0, T] and divided by T, the averages of a trajectory satisfy the balances
    but for what the stations gained, over T. Capacities are linear, so they hold for averages.
    """
    stretch = sp.Symbol("stretch", positive=True)
    scaled = {getattr(STATE, name): stretch * getattr(STATE, name) for name in VARIABLES}
    words = ("prefill balance", "decode balance", "prefill room", "mixed room", "solo room")
    rows = (*balances(model, STATE), *rooms(model, STATE))
    return all_of(
        *(
            refuted(f"{word}: a control is left in {sp.sstr(row)}")
            if row.free_symbols & set(CONTROLS.values())
            else equal(
                row.xreplace(scaled) - row.xreplace(NOTHING),
                stretch * (row - row.xreplace(NOTHING)),
                f"{word}: no control, linear in the occupancies, so true of averages"
                + (" but for (end - start)/T" if "balance" in word else ""),
            )
            for word, row in zip(words, rows, strict=True)
        )
    )


def queue_is_bounded(says: str, net: Any, queue: Any, level: Any) -> Finding:
    """Solve z' = a - theta z, which bounds a queue from above, and compare with its bounds.

    `net` is the drift of the queue with every outflow but abandonment left out; `level` is
    the bound besides the initial queue.
    """
    start = sp.Symbol("z_0", nonnegative=True)
    path = relaxation(net, queue, start)
    fading, most = sp.Symbol("fading", positive=True), sp.Symbol("most", positive=True)
    theta = general_class().rates.patience_rate
    frozen = sp.expand(path).xreplace({sp.exp(-theta * TIME): fading})
    rest = sp.solve(net, queue)[0]
    return all_of(
        solves(path, net, queue, start, f"{sp.sstr(queue)}' ≤ {sp.sstr(net)}, solved"),
        nonnegative(
            most - sp.expand(frozen),
            [product(most - start, fading), product(most - rest, 1 - fading)],
            [most - start, most - level, 1 - fading],
            says,
        ),
    )


def revenue_exceeds_the_optimum_by_little(model: Model, stored: bool = True) -> Finding:
    """Bound the revenue of averages by the dual value, with what was stored at the start.

    The averages satisfy balance = (end - start)/T. `stored` False leaves the start out.
    """
    ends = [sp.Symbol(f"end_{name}_i", nonnegative=True) for name in ("p", "d")]
    before, after = balances(model, STATE)
    starts = [ends[0] - PERIOD * before, ends[1] - PERIOD * after]
    prices = (PREFILL_PRICE, DECODE_PRICE)
    cost = lagrangian(model)
    reduced = [component_derivative(cost, getattr(STATE, name)) for name in VARIABLES]
    dual_value = cost.xreplace(NOTHING)
    carried = Total(sp.expand(prices[0] * starts[0] + prices[1] * starts[1])) / PERIOD
    free = rooms(model, STATE)
    patience = model.rates.patience_rate
    return all_of(
        equal(reduced[0], -patience * PREFILL_PRICE, "hat phi_i ≥ 0, as hat phi_i theta_i ≥ 0"),
        equal(reduced[2], -patience * DECODE_PRICE, "hat eta_i ≥ 0 likewise"),
        nonnegative(
            dual_value
            + (carried if stored else 0)
            - Total(sp.expand(revenue_rate(model, STATE, "bundled"))),
            [
                *(product(price, room) for price, room in zip(CAPACITY_PRICES, free, strict=True)),
                *(
                    over_classes(price / PERIOD, end)
                    for price, end in zip(prices, ends, strict=True)
                ),
                *(
                    over_classes(-each, getattr(STATE, name))
                    for each, name in zip(reduced, VARIABLES, strict=True)
                ),
            ],
            [
                *free,
                *prices,
                *(price / PERIOD for price in prices),
                *(-each for each in reduced),
                *starts,
            ],
            "R(T) ≤ dual value + sum [hat phi_i (q_p,i + x_i)(0) + hat eta_i (q_d,i + y_m,i + "
            "y_s,i)(0)]/T",
            None if stored else _stored_work(ends),
        ),
    )


def _stored_work(ends: list[Any]) -> dict[Any, Any]:
    """Return the optimum of the base instance fed from storage, with hardly an arrival.

    The third class is the first once more, without a request.
    """
    here = base_plan(mixed=(2,)).numbers
    few = {general_class().rates.arrival_rate: sp.Rational(1, 100)}
    few |= dict.fromkeys(ends, sp.Integer(1))
    classes = (*here.classes, {**here.classes[0], **NOTHING})
    return Numbers(
        {**here.shared, PERIOD: sp.Integer(1)}, tuple({**each, **few} for each in classes)
    ).point


def nobody_does_better(stored: bool = True, halved: bool = False) -> Finding:
    """Show the balances of time averages, bounds on the queues, and weak duality.

    `halved` claims that queues stay below half of what patience allows.
    """
    model = general_class()
    rates, net = model.rates, drift(model, STATE)
    level = sp.Rational(1, 2) if halved else sp.Integer(1)
    theta = rates.patience_rate
    full = net.decode_buffer.xreplace(IDLE).xreplace({STATE.prefill: sp.Integer(1)})
    return all_of(
        averages_satisfy_the_balances(model),
        queue_is_bounded(
            "q_p,i(t) ≤ max(q_p,i(0), lambda_i/theta_i)",
            net.prefill_queue.xreplace(IDLE),
            STATE.prefill_queue,
            level * rates.arrival_rate / theta,
        ),
        queue_is_bounded(
            "q_d,i(t) ≤ max(q_d,i(0), mu_p,i/theta_i), as x_i ≤ 1",
            full,
            STATE.decode_buffer,
            level * rates.prefill / theta,
        ),
        revenue_exceeds_the_optimum_by_little(model, stored),
    )


CLAIMS = (
    Claim(
        id="T4.1-d",
        statement="No policy does better in the fluid model: time averages satisfy (P40) up to "
        "O(1/T), queues stay bounded, and revenue exceeds R* by at most a constant over T.",
        latex=r"R(T)\le R^\star+\tfrac1T\sum_i[\hat\phi_i(q_{p,i}+x_i)(0)"
        r"+\hat\eta_i(q_{d,i}+y_{m,i}+y_{s,i})(0)]",
        source="THEORY 8.4, derived; eqs. P24-P35, P40, D3",
        check=nobody_does_better,
        mutants=(
            Mutant(
                "what is stored at the start does not count",
                lambda: nobody_does_better(stored=False),
            ),
            Mutant(
                "queues stay below half of what patience allows",
                lambda: nobody_does_better(halved=True),
            ),
        ),
        cites=(
            "strong duality: optimal multipliers exist and their dual value is R*",
            "comparison of scalar differential inequalities",
        ),
    ),
)
