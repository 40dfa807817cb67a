r"""Ledger M-o, D4 and D12: (P40) as a fractional knapsack, for any number of classes.

Two inclusions prove each form: from any point of (P40), with a decode buffer or without, a point
of the knapsack that earns as much, and back. Both maps are written down and every row certified
(THEORY 4.5).
"""

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

from gnr.proofs.decode_split import (
    decode_capacity,
    mixing_cost,
    plan,
    plan_is_feasible,
)
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.exact_instances import (
    ABOVE_THRESHOLD,
    BELOW_THRESHOLD,
    ExactInstance,
    NoOptimumError,
    maximum,
    program_value,
)
from gnr.proofs.kit.steady_state import program, solve_for
from gnr.proofs.kit.symbols import BATCH, STATE, Model, general_class
from gnr.proofs.kit.totals import Total, written_out

TAKEN = sp.Symbol("z_i", nonnegative=True)
"""What a knapsack takes of class i: prefill occupancy of the requests that get decoded."""

THRESHOLD = (
    sp.Ge(general_class().rates.speed_ratio, (BATCH - 1) / BATCH),
    sp.Ge(BATCH, 2),
)
"""The hypothesis of Proposition 3.2, and room for a decode beside a prefill."""

MOST = sp.Symbol("X_b", nonnegative=True)
"""Prefills in progress when as many run as can: the smaller of 1 and what arrives."""


def decoded_prefills(model: Model) -> Any:
    r"""Return :math:`(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})/\mu_{p,i}`, prefills that get decoded."""
    rates = model.rates
    done = rates.mixed_decode * STATE.mixed_decode + rates.solo_decode * STATE.solo_decode
    return sp.expand(done / rates.prefill)


def profit(model: Model, taken: Any) -> Any:
    r"""Return :math:`\sum_iw_i\mu_{p,i}z_i`, money/s per GPU."""
    return Total(model.rates.reward * model.rates.prefill * taken)


class OnBalance:
    r"""The rows of (P40) with :math:`\lambda_i` and :math:`x_i` as the balances give them.

    What is left, both queues and both decodes, is free but for its sign and the three rooms.
    """

    def __init__(self, model: Model) -> None:
        rows, arrival = program(model), model.rates.arrival_rate
        self._arrivals = {arrival: solve_for(rows.prefill_balance, arrival)}
        self._prefill = {STATE.prefill: solve_for(rows.decode_balance, STATE.prefill)}
        self.rooms = [self.of(each) for each in rows.rooms]
        self.bundled = self.of(rows.bundled)
        self.separate = self.of(rows.separate)
        self.prefills = self.of(Total(STATE.prefill))
        self.full_prefill = self.of(model.rates.full_prefill)
        self.holds = all_of(
            equal(self.of(rows.prefill_balance), 0, "lambda_i as the prefill balance gives it"),
            equal(self.of(rows.decode_balance), 0, "x_i as the decode balance gives it"),
        )
        self.unserved = model.rates.patience_rate * STATE.prefill_queue / model.rates.prefill
        self.undecoded = model.rates.patience_rate * STATE.decode_buffer / model.rates.prefill

    def of(self, expression: Any) -> Any:
        """Return an expression at the point."""
        return sp.expand(expression.xreplace(self._arrivals).xreplace(self._prefill))


def plan_gives_knapsack_point(weight: Any = None, hypothesis: bool = True) -> Finding:
    """Take of each class what a point of (P40) decodes; certify the rows of (D4).

    What the decode buffer loses is dropped, as in Algorithm 0. `weight` replaces the weight of
    a prefill on top of its decode work; without `hypothesis` any kappa > 0 is allowed.
    """
    model = general_class()
    rates, point, cost = model.rates, OnBalance(model), mixing_cost(model)
    taken, given = decoded_prefills(model), [*point.rooms, *([cost] if hypothesis else [])]
    prefill_room, mixed_room, solo_room = point.rooms
    weights = rates.decode_work + (cost if weight is None else weight)
    return all_of(
        point.holds,
        nonnegative(
            rates.speed_ratio * BATCH - Total(weights * taken),
            [
                product(mixed_room),
                product(rates.speed_ratio, solo_room),
                product(cost, Total(point.undecoded)),
            ],
            given,
            "to (D4): its decode row is mixed row + kappa solo row + mixing cost of the dropped",
        ),
        nonnegative(
            1 - Total(taken),
            [product(prefill_room), over_classes(point.undecoded)],
            given,
            "to (D4): sum z_i ≤ 1",
        ),
        nonnegative(
            point.full_prefill - taken,
            [product(point.undecoded), product(point.unserved)],
            given,
            "to (D4): z_i ≤ lambda_i/mu_p,i",
        ),
        nonnegative(taken, [product(taken)], given, "to (D4): z_i ≥ 0"),
        equal(profit(model, taken), point.bundled, "to (D4): the revenue is the profit"),
    )


def knapsack_point_gives_plan(dropped: Any = 0) -> Finding:
    """Prefill what a point of (D4) takes, split its decodes over the pools, leave no buffer.

    Of the decode work the fraction `dropped` is left undone.
    """
    model = general_class()
    rates, prefills = model.rates, Total(TAKEN)
    made = plan(model, TAKEN, (1 - dropped) * rates.decode_work * TAKEN, prefills)
    weights = rates.decode_work + mixing_cost(model)
    below_arrivals = rates.full_prefill - TAKEN
    return all_of(
        equal(
            made.room,
            rates.speed_ratio * BATCH - Total(weights * TAKEN),
            "from (D4): its decode row is the room of the plan",
        ),
        plan_is_feasible(
            made,
            queue=[product(below_arrivals, rates.prefill, 1 / rates.patience_rate)],
            buffer=[product(dropped, TAKEN, rates.prefill, 1 / rates.patience_rate)],
            given=[below_arrivals],
        ),
        equal(made.rows.bundled, profit(model, TAKEN), "from (D4): the profit is the revenue"),
    )


def plan_gives_point_below_threshold(hypothesis: bool = True) -> Finding:
    """Take what a point of (P40) decodes; certify the rows of (D12) for both values of X_b.

    A full mixed GPU now decodes no slower than a solo one, so capacity is largest where X is.
    Without `hypothesis` any kappa > 0 is allowed.
    """
    model = general_class()
    rates, point, taken = model.rates, OnBalance(model), decoded_prefills(model)
    gain = -mixing_cost(model)
    given = [*point.rooms, *([gain] if hypothesis else [])]
    prefill_room, mixed_room, solo_room = point.rooms
    findings = []
    for name, bound, slack in (
        ("1", sp.Integer(1), product(prefill_room)),
        ("sum lambda_i/mu_p,i", Total(point.full_prefill), over_classes(point.unserved)),
    ):
        findings += [
            nonnegative(
                bound - Total(taken),
                [slack, over_classes(point.undecoded)],
                given,
                f"to (D12), X_b = {name}: sum z_i ≤ X_b",
            ),
            nonnegative(
                decode_capacity(model, bound) - Total(rates.decode_work * taken),
                [
                    product(mixed_room),
                    product(rates.speed_ratio, solo_room),
                    product(gain, slack.expression),
                ],
                [*given, slack.expression],
                f"to (D12), X_b = {name}: decode row",
            ),
        ]
    return all_of(
        point.holds,
        *findings,
        nonnegative(
            point.full_prefill - taken,
            [product(point.undecoded), product(point.unserved)],
            given,
            "to (D12): z_i ≤ lambda_i/mu_p,i",
        ),
        nonnegative(taken, [product(taken)], given, "to (D12): z_i ≥ 0"),
        equal(profit(model, taken), point.bundled, "to (D12): the revenue is the profit"),
    )


def prefills_can_be_raised(fraction: Any, share: Any) -> Finding:
    """Add a fraction of what (D12) leaves of every class; the prefills become X_b.

    If nothing is left, the prefills are X_b already: then the plan is that of D4/split.
    """
    rates = general_class().rates
    taken, arriving = Total(TAKEN), Total(rates.full_prefill)
    above, below, left = MOST - taken, arriving - MOST, 1 / (arriving - taken)
    raised = Total(TAKEN + fraction * (rates.full_prefill - TAKEN)).xreplace({fraction: share})
    given = [above, below, left]
    return all_of(
        equal(raised, MOST, "from (D12), sum z_i < sum lambda_i/mu_p,i: raised by g to X_b"),
        nonnegative(share, [product(above, left)], given, "from (D12): g ≥ 0"),
        nonnegative(1 - share, [product(below, left)], given, "from (D12): g ≤ 1"),
        nonnegative(
            taken - MOST,
            [product(taken - arriving), product(below)],
            [taken - arriving, below, above],
            "from (D12), sum z_i = sum lambda_i/mu_p,i: it is X_b, the plan of D4/split fits",
            witness_of_given=dict.fromkeys(
                written_out(MOST + taken + arriving, 1).free_symbols, sp.Integer(1)
            ),
        ),
    )


def point_below_threshold_gives_plan() -> Finding:
    """Prefill a common fraction g of what (D12) leaves of every class, and let it go undecoded."""
    model = general_class()
    rates, work = model.rates, model.rates.decode_work * TAKEN
    taken, left = Total(TAKEN), rates.full_prefill - TAKEN
    go = rates.prefill / rates.patience_rate
    fraction = sp.Symbol("g", nonnegative=True)
    share = (MOST - taken) / (Total(rates.full_prefill) - taken)
    raised = plan(model, TAKEN + fraction * left, work, MOST, fractions={fraction: share})
    return all_of(
        prefills_can_be_raised(fraction, share),
        nonnegative(
            raised.point.prefill,
            [product(TAKEN), product(fraction, left)],
            [left],
            "from (D12): prefills ≥ 0",
        ),
        plan_is_feasible(
            raised,
            queue=[product(1 - fraction, left, go)],
            buffer=[product(fraction, left, go)],
            given=[left, 1 - fraction],
        ),
        equal(raised.rows.bundled, profit(model, TAKEN), "from (D12): the profit is the revenue"),
    )


def bundled_value_is_a_knapsack() -> Finding:
    """Carry points of (P40) to (D4) and back without loss of revenue."""
    return all_of(plan_gives_knapsack_point(), knapsack_point_gives_plan())


def bundled_value_below_threshold() -> Finding:
    """Carry points of (P40) to (D12) and back without loss of revenue."""
    return all_of(plan_gives_point_below_threshold(), point_below_threshold_gives_plan())


def knapsack_value(instance: ExactInstance, weight: Any = None) -> Any:
    """Return the exact maximum of (D4), with `weight` in place of kappa B - (B-1)."""
    model = general_class()
    rates = model.rates
    weights = rates.decode_work + (mixing_cost(model) if weight is None else weight)
    return maximum(
        instance.of(profit(model, TAKEN)),
        [
            instance.of(rates.speed_ratio * BATCH - Total(weights * TAKEN)),
            instance.of(1 - Total(TAKEN)),
            *instance.of_each(rates.full_prefill - TAKEN),
        ],
    )


def value_below_threshold(instance: ExactInstance) -> Any:
    """Return the exact maximum of (D12)."""
    model = general_class()
    rates = model.rates
    most = min(sp.Integer(1), instance.of(Total(rates.full_prefill)))
    return maximum(
        instance.of(profit(model, TAKEN)),
        [
            instance.of(decode_capacity(model, most) - Total(rates.decode_work * TAKEN)),
            instance.of(most - Total(TAKEN)),
            *instance.of_each(rates.full_prefill - TAKEN),
        ],
    )


def values_agree(
    form: Callable[[ExactInstance], Any],
    instances: Sequence[ExactInstance],
    scheme: str = "bundled",
) -> Finding:
    """Compare a closed form with the linear program, in exact fractions."""
    findings = []
    for number, instance in enumerate(instances, start=1):
        try:
            program, closed = program_value(instance, scheme), form(instance)
        except NoOptimumError as failure:
            findings.append(refuted(f"instance {number} is {failure}"))
            continue
        findings.append(
            proved(f"instance {number}: both are {closed} = {float(closed):.6f}")
            if program == closed
            else refuted(f"instance {number}: the program has {program}, the form {closed}")
        )
    return all_of(*findings)


CLAIMS = (
    Claim(
        id="M-o",
        statement="The bundled program is a fractional knapsack with two rows; both sides are "
        "also computed exactly on four instances.",
        latex=r"R^\star=\max\Big\{\sum_iw_i\mu_{p,i}z_i:\ "
        r"\sum_i(C\phi_i+\kappa B-(B-1))z_i\le\kappa B,\ \sum_iz_i\le1,\ "
        r"0\le z_i\le\lambda_i/\mu_{p,i}\Big\}",
        source="THEORY 8.1, eqs. P40, D4",
        assumptions=THRESHOLD,
        check=lambda: all_of(
            bundled_value_is_a_knapsack(), values_agree(knapsack_value, ABOVE_THRESHOLD)
        ),
        mutants=(
            Mutant(
                "also below the threshold, by exact values",
                lambda: values_agree(knapsack_value, BELOW_THRESHOLD),
            ),
            Mutant(
                "mixed GPUs lose all of their decode slots, by exact values",
                lambda: values_agree(
                    lambda each: knapsack_value(each, general_class().rates.speed_ratio * BATCH),
                    ABOVE_THRESHOLD,
                ),
            ),
        ),
    ),
    Claim(
        id="D4",
        statement="Every point of the bundled program, with a decode buffer or without, gives a "
        "point of the knapsack that earns as much, and conversely.",
        latex=r"z_i=\frac{\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}}{\mu_{p,i}};\qquad "
        r"x_i=z_i,\ q_{d,i}=0,\ y_{s,i}=f\frac{C\phi_iz_i}{\kappa},\ "
        r"y_{m,i}=(1-f)C\phi_iz_i,\ f=\frac{\kappa B(1-X)}{(B-1)X+\kappa B(1-X)}",
        source="THEORY 4.5, eq. D4",
        assumptions=THRESHOLD,
        check=bundled_value_is_a_knapsack,
        mutants=(
            Mutant("any kappa", lambda: plan_gives_knapsack_point(hypothesis=False)),
            Mutant(
                "a mixed GPU decodes nothing",
                lambda: plan_gives_knapsack_point(general_class().rates.speed_ratio * BATCH),
            ),
            Mutant(
                "half of the work is left undone",
                lambda: knapsack_point_gives_plan(dropped=sp.Rational(1, 2)),
            ),
        ),
    ),
    Claim(
        id="D12",
        statement="Where a full mixed GPU decodes no slower than a solo one, prefill runs as much "
        "as it can and a knapsack decides what of it is decoded.",
        latex=r"R^\star=\max\Big\{\sum_iw_i\mu_{p,i}z_i:\ C\sum_i\phi_iz_i\le(B-1)X_b+"
        r"\kappa B(1-X_b),\ \sum_iz_i\le X_b,\ 0\le z_i\le\lambda_i/\mu_{p,i}\Big\},\ "
        r"X_b=\min\Big(1,\sum_i\lambda_i/\mu_{p,i}\Big)",
        source="THEORY 4.5, eq. D12",
        assumptions=(sp.Le(general_class().rates.speed_ratio, (BATCH - 1) / BATCH), THRESHOLD[1]),
        check=lambda: all_of(
            bundled_value_below_threshold(), values_agree(value_below_threshold, BELOW_THRESHOLD)
        ),
        mutants=(
            Mutant("any kappa", lambda: plan_gives_point_below_threshold(hypothesis=False)),
            Mutant(
                "above the threshold, by exact values",
                lambda: values_agree(value_below_threshold, ABOVE_THRESHOLD),
            ),
            Mutant(
                "only what is decoded is prefilled",
                lambda: prefills_can_be_raised(sp.Symbol("g"), sp.Integer(0)),
            ),
        ),
    ),
)
