r"""The prefill side of Theorem 4.1, repaired: :math:`x(t)\to x^\star` for every feasible plan.

Lemmas 10.1-10.5 want :math:`q_{p,i}^\star>0` for all i, which almost no optimum has, and a
finite time after which no class is above its target, which fails. Neither is needed. The gate
looks at the classes that are furthest below their targets, and these always rise. Let
:math:`\rho=\min_ix_i/x_i^\star` over the classes with :math:`x_i^\star>0`, and S the classes that
attain it. At a regular time with :math:`\rho<1` either

* nobody of S waits: then each is admitted as it arrives, or
* someone of S waits: then every slot is taken and every freed slot goes to S,

because a class with a smaller index goes first. Both give
:math:`\dot\rho\ge\underline\mu(1-\rho)`, :math:`\underline\mu=\min_i\mu_{p,i}`.
"""

from typing import Any

import sympy as sp

from gnr.proofs.base_trajectory import base_plan, base_rates, phases
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.drift import CONTROLS, drift, flow
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.paths import edges
from gnr.proofs.kit.symbols import STATE, TIME, Model, State, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.lemma_10_12 import PLAN

SLOWEST = sp.Symbol("mu_low", positive=True)
"""Least prefill rate of all classes."""
LOWEST = sp.Symbol("S_i", nonnegative=True)
"""1 for a class that attains the smallest x_i / x_i*, 0 for another."""
GAP = sp.Symbol("g", nonnegative=True)
"""1 - min_i x_i / x_i*, where that is positive."""

OVER = sp.Symbol("v_i", nonnegative=True)
"""x_i - (1 - g) x_i*."""

ADMITTED_AS_THEY_ARRIVE = "nobody of S waits"
EVERY_FREED_SLOT = "someone of S waits"


def _planned_arrivals(model: Model) -> dict[Any, Any]:
    """Return what the prefill balance of the plan says of the arrival rate."""
    net = drift(model, PLAN)
    rate = model.rates.arrival_rate
    (found,) = sp.solve(net.prefill_queue + net.prefill, rate)
    return {rate: found}


def lowest_classes_rise_when_none_of_them_waits(admitted: Any = 1) -> Finding:
    """Admit a class of S at its arrival rate, which the plan makes at least mu_p,i x_i*.

    An empty queue has a minimum there, so at a regular time nothing is left behind.
    """
    model = general_class()
    rates = model.rates
    net = drift(model, STATE).prefill.subs(CONTROLS["U_p"], admitted * rates.arrival_rate)
    rise = net.subs(_planned_arrivals(model))
    below = PLAN.prefill - STATE.prefill
    faster = rates.prefill - SLOWEST
    return nonnegative(
        rise - SLOWEST * below,
        [product(rates.patience_rate, PLAN.prefill_queue), product(faster, below)],
        given=[faster, below],
        says=f"{ADMITTED_AS_THEY_ARRIVE}: x_i' ≥ μ (x_i* - x_i)",
    )


def lowest_classes_rise_when_one_of_them_waits(share: Any = 1, slots_full: bool = True) -> Finding:
    """Give the freed slots, or a share of them, to S and add up the classes of S.

    The slots are full, so those outside S hold what S lacks.
    """
    model = general_class()
    rates = model.rates
    freed = Total(flow(model, edges(model)["S_p"], STATE))
    finished = Total(LOWEST * drift(model, STATE).prefill.subs(CONTROLS["U_p"], 0))
    lacking = Total(LOWEST * (PLAN.prefill - STATE.prefill))
    others, faster = 1 - LOWEST, rates.prefill - SLOWEST
    excess = Total(STATE.prefill) - Total(PLAN.prefill)
    return nonnegative(
        share * freed + finished - SLOWEST * lacking,
        [
            over_classes(others, faster, STATE.prefill),
            over_classes(SLOWEST, others, PLAN.prefill),
            product(SLOWEST, excess),
        ],
        given=[others, faster, *([excess] if slots_full else [])],
        says=f"{EVERY_FREED_SLOT}: Σ_S x_i' ≥ μ Σ_S (x_i* - x_i)",
    )


def gap_closes(rate: Any = SLOWEST) -> Finding:
    """Compare the gap with the solution of g' = -mu g, for both kinds of regular times."""
    start = sp.Symbol("g_0", nonnegative=True)
    bound = start * sp.exp(-SLOWEST * TIME)
    rest = bound.diff(TIME) + rate * bound
    return all_of(
        lowest_classes_rise_when_none_of_them_waits(),
        lowest_classes_rise_when_one_of_them_waits(),
        equal(rest, 0, "g' = -μ g is solved by g(0) exp(-μ t)"),
        equal(bound.subs(TIME, 0), start, "with the gap of the start"),
        bound_is_attained(),
    )


def occupancies_reach_the_plan(slots: Any = 1) -> Finding:
    """Squeeze: no class falls short by more than the gap, and together they fit the slots.

    With x_i = (1 - g) x_i* + v_i, where v_i ≥ 0 by the definition of the gap.
    """
    prefill = (1 - GAP) * PLAN.prefill + OVER
    room = slots * Total(PLAN.prefill) - Total(prefill)
    fit = Total(PLAN.prefill) - Total(prefill)
    others = Total(OVER) - OVER
    return all_of(
        nonnegative(
            GAP * Total(PLAN.prefill) - OVER,
            [product(fit), product(others)],
            given=[room, others],
            says="(1 - g) x_i* ≤ x_i ≤ (1 - g) x_i* + g x*",
        ),
        gap_closes(),
    )


def bound_is_attained() -> Finding:
    """Put the exact path of the base instance beside the bound."""
    rates, path = base_rates(), phases()[2].prefill[1]
    slowest, second = min(rates.prefill), base_plan().prefill[1]
    gap = 1 - path / sp.Rational(second.numerator, second.denominator)
    bound = sp.exp(-sp.Rational(slowest.numerator, slowest.denominator) * TIME)
    return equal(sp.expand(gap), bound, "base instance from an empty cluster: g = exp(-μ t)")


def queues_reach_the_plan(patience_of_those_in_prefill: Any = 0) -> Finding:
    """Solve for requests before decode: z = q_p,i + x_i forgets its start at rate theta_i."""
    model = general_class()
    rates = model.rates
    held, start = sp.Symbol("z_i", nonnegative=True), sp.Symbol("z0_i", nonnegative=True)
    state = State(held - PLAN.prefill, PLAN.prefill, 0, 0, 0)
    net = drift(model, state)
    change = (net.prefill_queue + net.prefill).subs(_planned_arrivals(model))
    target = PLAN.prefill_queue + PLAN.prefill
    path = target + (start - target) * sp.exp(-rates.patience_rate * TIME)
    moved = change - patience_of_those_in_prefill * PLAN.prefill
    shift = sp.Symbol("e_i", real=True)
    disturbed = drift(model, State(held - PLAN.prefill - shift, PLAN.prefill + shift, 0, 0, 0))
    reaction = disturbed.prefill_queue + disturbed.prefill - net.prefill_queue - net.prefill
    return all_of(
        equal(moved.subs(held, path), path.diff(TIME), "x = x*: z = z* + (z(0) - z*) exp(-θ_i t)"),
        equal(
            reaction,
            (rates.patience_rate - rates.prefill) * shift,
            "x_i = x_i* + e_i disturbs it by (θ_i - μ_p,i) e_i, which vanishes with e_i",
        ),
    )


CLAIMS = (
    Claim(
        id="R4.1-lowest",
        statement=(
            "Under the fluid gate the class that is furthest below its target rises: "
            "the relative gap g = 1 - min x_i/x_i* closes at least at the slowest prefill rate."
        ),
        latex=(
            r"g(t)=\Big(1-\min_{i:x_i^\star>0}\frac{x_i(t)}{x_i^\star}\Big)^+\le g(0)e^{-"
            r"\underline\mu t}"
        ),
        source="THEORY 7, in place of Lemma 10.1",
        check=gap_closes,
        mutants=(
            Mutant("the gap closes twice as fast", lambda: gap_closes(2 * SLOWEST)),
            Mutant(
                "freed slots go to other classes",
                lambda: lowest_classes_rise_when_one_of_them_waits(share=0),
            ),
            Mutant(
                "slots stay free although somebody waits",
                lambda: lowest_classes_rise_when_one_of_them_waits(slots_full=False),
            ),
            Mutant(
                "arrivals admitted by half",
                lambda: lowest_classes_rise_when_none_of_them_waits(sp.Rational(1, 2)),
            ),
        ),
        cites=(
            "the minimum of absolutely continuous functions has a.e. the derivative of each "
            "function that attains it",
            "Grönwall's inequality",
        ),
    ),
    Claim(
        id="R4.1-gate",
        statement=(
            "Under the fluid gate x(t) → x* from every start, exponentially fast, for every "
            "feasible plan: any number of classes, empty planned queues or not."
        ),
        latex=(
            r"-g(t)x_i^\star\le x_i(t)-x_i^\star\le g(t)\,x^\star,\qquad g(t)\le g(0)e^{-"
            r"\underline\mu t}"
        ),
        source="THEORY 7, in place of Lemmas 10.1 and 10.5",
        check=occupancies_reach_the_plan,
        mutants=(Mutant("twice the planned slots", lambda: occupancies_reach_the_plan(slots=2)),),
        cites=("Grönwall's inequality",),
    ),
    Claim(
        id="R4.1-queue",
        statement="Then prefill queues reach the plan too, those that it leaves empty included.",
        latex=r"q_{p,i}(t)\to q_{p,i}^\star=(\lambda_i-\mu_{p,i}x_i^\star)/\theta_i",
        source="THEORY 7, in place of Lemmas 10.3 and 10.5",
        check=queues_reach_the_plan,
        mutants=(
            Mutant(
                "those in prefill leave too",
                lambda: queues_reach_the_plan(general_class().rates.patience_rate),
            ),
        ),
        cites=("variation of constants",),
    ),
)
