r"""Lemma 10.12: the decode work that arrives, the decode capacity, and the drift between them."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy as sp

from gnr.proofs.base_trajectory import (
    AFTER,
    arriving_work_stays_above_the_plan,
    obeys_the_gate,
    solves_the_model,
)
from gnr.proofs.kit.claim import Claim, Finding, Mutant, Verdict, all_of, refuted, unsettled
from gnr.proofs.kit.drift import drift
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.symbols import BATCH, STATE, TIME, Model, State, general_class
from gnr.proofs.kit.totals import Total, component_derivative
from gnr.proofs.lemmas_10_7_and_10_10 import (
    PLANNED_PREFILL,
    contribution,
    mixed_slots,
    solo_slots,
    work_drift,
)

PLANNED_WORK = sp.Symbol("Astar", positive=True)
"""A*."""
ARRIVING, EXCESS = sp.symbols("A epsilon", nonnegative=True)
"""A(t) and epsilon(t) = (A(t) - A*)^+."""
PLAN = State(
    *(sp.Symbol(f"{name}star_i", nonnegative=True) for name in ("q_p", "x", "q_d", "y_m", "y_s"))
)
"""The planned point."""
SHIFT = sp.Symbol("e_i", real=True)
"""x_i(t) - x_i*."""


def capacity(model: Model) -> Any:
    """Return C*: decode slots of both groups in mixed slots."""
    return mixed_slots() + model.rates.speed_ratio * solo_slots()


def arriving_work(model: Model, prefill: Any) -> Any:
    """Return A at a prefill occupancy: what finished prefills add to W_d."""
    return contribution(model, "S_p").xreplace({STATE.prefill: prefill})


def arriving_work_settles(
    coefficient: Callable[[Model], Any] = lambda m: m.rates.decode_work,
) -> Finding:
    """Move x by e: A moves by a fixed combination of the e_i, and vanishes with them."""
    model = general_class()
    moved = arriving_work(model, PLAN.prefill + SHIFT) - arriving_work(model, PLAN.prefill)
    return all_of(
        equal(moved, Total(coefficient(model) * SHIFT), "A(t) - A* = Σ C φ_i (x_i(t) - x_i*)"),
        equal(
            component_derivative(moved, SHIFT).diff(SHIFT),
            0,
            "a finite sum of terms that vanish as x_i(t) → x_i*",
        ),
    )


def decoded_prefill(model: Model, backlog: Any = 0) -> Any:
    """Return the x_i* that the balance of the decode side fixes, with a planned buffer."""
    point = State(PLAN.prefill_queue, STATE.prefill, backlog, PLAN.mixed_decode, PLAN.solo_decode)
    net = drift(model, point)
    after = net.decode_buffer + net.mixed_decode + net.solo_decode
    (found,) = sp.solve(sp.expand(after), STATE.prefill)
    return found


def plan_is_not_overloaded(backlog: Any = 0, mixed_weight: Any = 1) -> Finding:
    """Divide the planned decode balances by mu_m,i, add up, and use both decode capacities."""
    model = general_class()
    kappa, y_m, y_s = model.rates.speed_ratio, PLAN.mixed_decode, PLAN.solo_decode
    work = arriving_work(model, decoded_prefill(model, backlog))
    room_m, room_s = mixed_slots() - Total(y_m), solo_slots() - Total(y_s)
    taken = mixed_weight * Total(y_m) + kappa * Total(y_s)
    return all_of(
        equal(work, taken, "A* = Σ y*_m,i + κ Σ y*_s,i"),
        nonnegative(
            capacity(model) - taken,
            [product(room_m), product(kappa, room_s)],
            given=[room_m, room_s],
            says="C* - A* is the free mixed slots and κ times the free solo slots",
        ),
    )


def work_settles_below_the_plan(since: Fraction | None = None) -> Finding:
    """Solve the fluid gate on the base instance from an empty cluster and bound A(t) - A*.

    `since` is the time in s from which on A(t) ≤ A* is claimed; None claims some such time.
    """
    start = AFTER if since is None else since
    above = all_of(solves_the_model(), obeys_the_gate(), arriving_work_stays_above_the_plan(start))
    if above.verdict is not Verdict.PROVED:
        return unsettled(above)
    return refuted(
        f"A(t) ≤ A* for all t ≥ {'t_0 of one t_0' if since is None else f'{since} s'}: base "
        "instance from x = 0, q_p = (1/2, 0)",
        *above.evidence[-4:],
        f"so A(t) > A* for all t ≥ {start} s ({float(start)} s), and A(t) → A*",
    )


def drift_of_full_slots(slots_full: bool = True, model: Model | None = None) -> Any:
    """Return dW_d/dt where q_d > 0, with A(t) as a symbol."""
    model = model or general_class()
    moved = work_drift(model) - arriving_work(model, STATE.prefill) + ARRIVING
    if not slots_full:
        return moved
    full = {
        Total(STATE.mixed_decode): mixed_slots(),
        Total(STATE.solo_decode): solo_slots(),
    }
    return sp.expand(moved.xreplace(full))


def lost_work(model: Model) -> Any:
    """Return the work of those who leave the buffer, per second."""
    return -contribution(model, "B_d")


def drift_with_a_vanishing_excess(
    excess: Any = EXCESS, slots_full: bool = True, fits: bool = True
) -> Finding:
    """Bound the drift where q_d > 0 by the excess of A(t) over the plan, less abandonment.

    The excess is at least A(t) - A*, and vanishes with the shift of x. `fits` is A* ≤ C*.
    """
    model = general_class()
    spare, over = capacity(model) - PLANNED_WORK, EXCESS - (ARRIVING - PLANNED_WORK)
    goal = excess - lost_work(model) - drift_of_full_slots(slots_full, model)
    moved = arriving_work(model, PLAN.prefill + SHIFT) - arriving_work(model, PLAN.prefill)
    size = sp.Symbol("h_i", nonnegative=True)
    bound = Total(model.rates.decode_work * size)
    within = [size - SHIFT, size + SHIFT]
    return all_of(
        nonnegative(
            goal,
            [product(spare), product(over)],
            given=[spare, over] if fits else [over],
            says="dW_d/dt ≤ ε(t) - Σ θ_i/μ_m,i q_d,i with ε(t) = (A(t) - A*)^+, if A* ≤ C*",
        ),
        *(
            nonnegative(
                bound - sign * moved,
                [over_classes(model.rates.decode_work, size - sign * SHIFT)],
                given=within,
                says=f"{'A(t) - A*' if sign > 0 else 'A* - A(t)'} ≤ Σ C φ_i |x_i(t) - x_i*|",
            )
            for sign in (1, -1)
        ),
        equal(bound.subs(size, 0), 0, "which vanishes as x(t) → x*, and so does ε(t)"),
    )


def drift_where_decodes_wait(solo_speed: Callable[[Model], Any] | None = None) -> Finding:
    """Put full slots (Lemma 10.7) into (P61)."""
    model = general_class()
    speed = solo_speed(model) if solo_speed else model.rates.speed_ratio
    served = (BATCH - 1) * PLANNED_PREFILL + speed * BATCH * (1 - PLANNED_PREFILL)
    return equal(
        drift_of_full_slots(model=model),
        ARRIVING
        - served
        - Total(model.rates.patience_rate / model.rates.mixed_decode * STATE.decode_buffer),
        "q_d > 0: dW_d/dt = A(t) - C* - Σ θ_i/μ_m,i q_d,i",
    )


CLAIMS = (
    Claim(
        id="L10.12-a",
        statement="If prefill occupancies reach the plan, so does the decode work that arrives.",
        latex=(
            r"x(t)\to x^\star\ \Rightarrow\ A(t)=\sum_i\tfrac{\mu_{p,i}}{\mu_{m,i}}x_i(t)"
            r"\to A^\star"
        ),
        source="THEORY 8.4, Lemma 10.12",
        check=arriving_work_settles,
        mutants=(
            Mutant(
                "work in solo seconds",
                lambda: arriving_work_settles(lambda m: m.rates.prefill / m.rates.solo_decode),
            ),
        ),
    ),
    Claim(
        id="L10.12-b",
        statement="A plan with an empty decode buffer does not overload decode.",
        latex=(
            r"A^\star=\sum_iy^\star_{m,i}+\kappa\sum_iy^\star_{s,i}\le x^\star(B-1)+"
            r"\kappa(1-x^\star)B"
        ),
        source="THEORY 8.4, Lemma 10.12; eq. P40",
        check=plan_is_not_overloaded,
        mutants=(
            Mutant(
                "a plan with a decode backlog",
                lambda: plan_is_not_overloaded(backlog=PLAN.decode_buffer),
            ),
            Mutant("mixed slots count double", lambda: plan_is_not_overloaded(mixed_weight=2)),
        ),
    ),
    Claim(
        id="L10.12-c/printed",
        statement="From some time on no more decode work arrives than planned.",
        latex=r"\exists t_0:\ A(t)\le A^\star\quad(t\ge t_0)",
        source="THEORY 8.4, Lemma 10.12 by Lemma 10.1",
        check=work_settles_below_the_plan,
        mutants=(Mutant("from 1 s on", lambda: work_settles_below_the_plan(Fraction(1))),),
    ),
    Claim(
        id="L10.12-c/corrected",
        statement="If prefills reach the plan and it does not overload decode, the work falls "
        "while decodes wait, but for an excess that vanishes with time.",
        latex=(
            r"q_d>0\ \Rightarrow\ \dot W_d\le\varepsilon(t)-\sum_i\tfrac{\theta_i}{"
            r"\mu_{m,i}}q_{d,i},"
            r"\quad\varepsilon(t)=(A(t)-A^\star)^+\to0"
        ),
        source="THEORY 8.4, repair of Lemma 10.12",
        assumptions=(
            sp.Le(PLANNED_WORK, capacity(general_class()), evaluate=False),
            sp.Eq(sp.Limit(SHIFT, TIME, sp.oo), 0, evaluate=False),
        ),
        check=drift_with_a_vanishing_excess,
        mutants=(
            Mutant("no excess, as printed", lambda: drift_with_a_vanishing_excess(excess=0)),
            Mutant("slots not full", lambda: drift_with_a_vanishing_excess(slots_full=False)),
            Mutant(
                "a plan that may overload decode", lambda: drift_with_a_vanishing_excess(fits=False)
            ),
        ),
    ),
    Claim(
        id="L10.12-d",
        statement="While decodes wait, the work changes by arrivals less capacity less losses.",
        latex=(
            r"q_d>0\ \Rightarrow\ \dot W_d=A(t)-[x^\star(B-1)+\kappa(1-x^\star)B]"
            r"-\sum_i\tfrac{\theta_i}{\mu_{m,i}}q_{d,i}"
        ),
        source="THEORY 8.4, Lemma 10.12 by Lemma 10.7 and eq. P61",
        check=drift_where_decodes_wait,
        mutants=(
            Mutant(
                "solo slots at mixed speed",
                lambda: drift_where_decodes_wait(lambda m: sp.Integer(1)),
            ),
        ),
    ),
)
