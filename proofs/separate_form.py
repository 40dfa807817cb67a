r"""Ledger M-p and D5: (P42) as a maximum over one variable, for any number of classes.

Two inclusions, as for (P40): a point of (P42) with X prefills earns no more than the formula at
X, and a plan that fills X by decreasing :math:`D_i/P_i` earns it (THEORY 4.5).
"""

from typing import Any

import sympy as sp

from gnr.proofs.closed_forms import OnBalance, values_agree
from gnr.proofs.decode_split import decode_capacity, plan, plan_is_feasible
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.exact_instances import ABOVE_THRESHOLD, BELOW_THRESHOLD, ExactInstance
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    STATE,
    Model,
    general_class,
)
from gnr.proofs.kit.totals import Total

PREFILLS = sp.Symbol("X", nonnegative=True)
"""Prefills in progress per GPU."""

FILLED = sp.Symbol("x_i", nonnegative=True)
"""Prefills of class i where they feed the most decodes."""

"""Decode work that is done, mixed slots."""

PART = sp.Symbol("s", nonnegative=True)
"""Position on the way from one point to another, at most 1."""


def earned(model: Model, prefills: Any, work: Any) -> Any:
    r"""Return :math:`c_p\\frac C\\tau X+\\frac{c_d}\\tau W`, money/s per GPU."""
    return (PROMPT_PRICE * CHUNK * prefills + OUTPUT_PRICE * work) / model.rates.mixed_time


def plan_earns_no_more(buffered: int = 1) -> Finding:
    """Bound the decode work of any point of (P42) by what is prefilled and by the capacity.

    `buffered` 0 takes the work for all that is prefilled, as if the buffer lost nothing.
    """
    model = general_class()
    rates, point = model.rates, OnBalance(model)
    prefill_room, mixed_room, solo_room = point.rooms
    work = STATE.mixed_decode + rates.speed_ratio * STATE.solo_decode
    fed = point.of(Total(rates.decode_work * STATE.prefill))
    lost = over_classes(rates.patience_rate, STATE.decode_buffer, 1 / rates.mixed_decode)
    claimed = Total(work) + (1 - buffered) * lost.expression
    return all_of(
        point.holds,
        equal(
            point.separate,
            earned(model, point.prefills, claimed),
            "to (D5): revenue = (c_p C X + c_d W)/tau, W the decode work that is done",
        ),
        nonnegative(fed - Total(work), [lost], point.rooms, "to (D5): W ≤ C sum phi_i x_i"),
        nonnegative(
            decode_capacity(model, point.prefills) - Total(work),
            [product(mixed_room), product(rates.speed_ratio, solo_room)],
            point.rooms,
            "to (D5): W ≤ (B-1)X + kappa B(1-X)",
        ),
        nonnegative(
            point.full_prefill - point.of(STATE.prefill),
            [product(point.unserved)],
            point.rooms,
            "to (D5): x_i ≤ lambda_i/mu_p,i, so sum phi_i x_i ≤ Phi(X) and X ≤ their sum",
        ),
        nonnegative(1 - point.prefills, [product(prefill_room)], point.rooms, "to (D5): X ≤ 1"),
    )


def fill_gives_plan(saturated: bool, served_part: Any = None) -> Finding:
    """Prefill what attains Phi(X); decode all of it, or of every class what capacity allows.

    `served_part` replaces the fraction of every class that is then decoded.
    """
    model = general_class()
    rates, prefills = model.rates, Total(FILLED)
    fed, capacity = Total(rates.decode_work * FILLED), decode_capacity(model, prefills)
    left, go = rates.full_prefill - FILLED, rates.prefill / rates.patience_rate
    served = sp.Symbol("g", nonnegative=True)
    share = capacity / fed if saturated else sp.Integer(1)
    share = share if served_part is None else served_part
    work = served * rates.decode_work * FILLED
    made = plan(model, FILLED, work, prefills, fractions={served: share})
    name = "from (D5), C Phi(X) ≥ capacity" if saturated else "from (D5), C Phi(X) ≤ capacity"
    over = (fed - capacity) * (1 if saturated else -1)
    findings = [
        equal(
            made.rows.separate,
            earned(model, prefills, capacity if saturated else fed),
            f"{name}: earns the smaller term",
        ),
        equal(made.room, 0 if saturated else over, f"{name}: the work fits"),
        plan_is_feasible(
            made,
            queue=[product(left, go)],
            buffer=[product(1 - served, FILLED, go)],
            given=[left, 1 - served, over],
        ),
    ]
    if saturated:
        given = [over, 1 / fed, capacity, 1 - prefills]
        findings.append(
            nonnegative(1 - share, [product(over, 1 / fed)], given, f"{name}: served part ≤ 1")
        )
    return all_of(*findings)


def separate_value_is_one_dimensional() -> Finding:
    """Carry points of (P42) to (D5) and back without loss of revenue."""
    return all_of(plan_earns_no_more(), fill_gives_plan(False), fill_gives_plan(True))


def greedy_fill_is_best(largest_first: bool = True) -> Finding:
    r"""Exchange prefills of any choice with those of the greedy one, class by class.

    The greedy choice takes all of the classes with :math:`\phi_i` above some level, none of
    those below it and fills up at the level. With the same X, its lead is the total of
    :math:`(\phi_i-\text{level})` times the difference of the two.
    """
    rates = general_class().rates
    per_prefill = rates.decode_work / CHUNK
    level, other = sp.Symbol("l", nonnegative=True), sp.Symbol("v_i", nonnegative=True)
    lead = Total(per_prefill * (FILLED - other))
    same_sum = level * (Total(FILLED) - Total(other))
    full, none = (rates.full_prefill, 0) if largest_first else (0, rates.full_prefill)
    above, room = per_prefill - level, rates.full_prefill - other
    step, count = sp.symbols("k I", integer=True, positive=True)
    reached = sp.Function("r")
    return all_of(
        equal(
            lead - same_sum,
            Total((per_prefill - level) * (FILLED - other)),
            "same X: the lead in sum phi_i x_i is the total of (phi_i - level)(x_i - v_i)",
        ),
        nonnegative(
            above * (full - other), [product(above, room)], [above, room], "phi_i above the level"
        ),
        nonnegative(
            above * (none - other), [product(-above, other)], [-above, room], "phi_i below it"
        ),
        equal(
            sp.Sum(reached(step) - reached(step - 1), (step, 1, count)).doit(),
            reached(count) - reached(0),
            "it exists: in decreasing phi, x_k = min(X, U_k) - min(X, U_(k-1)) with U_k the sum "
            "of the first k bounds has the sum min(X, U_I) - 0 = X, and is full, partial or 0",
        ),
    )


def separate_value(instance: ExactInstance, largest_first: bool = True) -> Any:
    """Return the exact maximum of (D5): ends, breakpoints of Phi, crossings of the two terms."""
    model = general_class()
    bounds = instance.of_each(model.rates.full_prefill)
    works = instance.of_each(model.rates.decode_work)
    order = sorted(zip(works, bounds, strict=True), reverse=largest_first)
    end = min(sp.Integer(1), sum(bounds))
    start = fed = sp.Integer(0)
    best = sp.Integer(0)
    for work, bound in order:
        stop = min(start + bound, end)
        line = fed + work * (PREFILLS - start)
        gap = sp.expand(line - instance.of(decode_capacity(model, PREFILLS)))
        crossings = sp.solve(gap, PREFILLS) if gap.has(PREFILLS) else []
        for at in (start, *(each for each in crossings if start <= each <= stop), stop):
            capacity = instance.of(decode_capacity(model, at))
            best = max(best, instance.of(earned(model, at, min(line.subs(PREFILLS, at), capacity))))
        start, fed = stop, line.subs(PREFILLS, stop)
    return best


CLAIMS = (
    Claim(
        id="M-p",
        statement="The separate program is a maximum over the prefills in progress; both sides "
        "are also computed exactly on seven instances.",
        latex=r"\tilde R^\star=\max_{0\le X\le\min(1,\sum_i\lambda_i/\mu_{p,i})}c_p\frac C\tau X+"
        r"\frac{c_d}\tau\min\{C\Phi(X),(B-1)X+\kappa B(1-X)\}",
        source="THEORY 8.1, eqs. P42, D5",
        assumptions=(sp.Ge(BATCH, 2),),
        check=lambda: all_of(
            separate_value_is_one_dimensional(),
            greedy_fill_is_best(),
            values_agree(separate_value, (*ABOVE_THRESHOLD, *BELOW_THRESHOLD), "separate"),
        ),
        mutants=(
            Mutant(
                "fill the least D/P first, by exact values",
                lambda: values_agree(
                    lambda each: separate_value(each, largest_first=False),
                    ABOVE_THRESHOLD,
                    "separate",
                ),
            ),
            Mutant(
                "the bundled program, by exact values",
                lambda: values_agree(separate_value, ABOVE_THRESHOLD, "bundled"),
            ),
        ),
    ),
    Claim(
        id="D5",
        statement="A point of the separate program with X prefills earns at most the formula at "
        "X, and a plan that prefills what attains Phi(X) earns it, for any kappa > 0.",
        latex=r"W=\sum_i(y_{m,i}+\kappa y_{s,i})\le\min\{C\Phi(X),(B-1)X+\kappa B(1-X)\},\qquad "
        r"\tilde R=\frac{c_pCX+c_dW}{\tau}",
        source="THEORY 4.5, eq. D5",
        assumptions=(sp.Ge(BATCH, 2),),
        check=separate_value_is_one_dimensional,
        mutants=(
            Mutant("a buffer that loses nothing", lambda: plan_earns_no_more(buffered=0)),
            Mutant(
                "saturated decode, nothing left in the buffer",
                lambda: fill_gives_plan(saturated=True, served_part=sp.Integer(1)),
            ),
        ),
    ),
    Claim(
        id="D5/greedy",
        statement="Prefilling by decreasing D/P feeds the most decodes among all choices with the "
        "same prefill occupancy.",
        latex=r"\Phi(X)=\max\Big\{\sum_i\phi_ix_i:\ \sum_ix_i=X,\ 0\le x_i\le\lambda_i/\mu_{p,i}"
        r"\Big\}=\sum_i\phi_ix^{g}_i",
        source="THEORY 4.5, eq. D5",
        check=greedy_fill_is_best,
        mutants=(Mutant("by increasing D/P", lambda: greedy_fill_is_best(largest_first=False)),),
    ),
)
