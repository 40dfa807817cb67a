r"""Theorem 4.1 with the hypotheses it needs, and the chain from the gate to the reward.

Hypotheses: all :math:`\theta_i>0`; a plan, optimal in (P40), with :math:`q_d^\star=0`, which
exists if :math:`\kappa\ge(B-1)/B` (Proposition 3.2); Assumption A; the fixed partition counts as
mixed (row M-s). What the machine carries needs equally patient classes too, or
:math:`\kappa=1`: only then is it proved that the decode buffer empties.
"""

from dataclasses import replace
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, Verdict, all_of, refuted, undecided
from gnr.proofs.kit.drift import drift, revenue_rate
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.symbols import STATE, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.lemma_10_12 import (
    ARRIVING,
    PLAN,
    arriving_work_settles,
    capacity,
    drift_of_full_slots,
    lost_work,
    plan_is_not_overloaded,
)
from gnr.proofs.lemmas_10_7_and_10_10 import slots_are_full_while_a_decode_waits
from gnr.proofs.random_fluids import INSTANCES, largest_buffer_left
from gnr.proofs.repaired_decode import (
    COMPARISON,
    buffer_empties,
    served_are_a_sample,
    shares_of_the_oldest,
    shortfall_when_all_arrivals_fit,
    solo_shortfall_vanishes,
)
from gnr.proofs.repaired_gate import occupancies_reach_the_plan, queues_reach_the_plan

SMALL = 1e-3
"""Decode buffer, per decode slot, that counts as empty after a step-by-step integration."""


def buffer_empties_for_unequal_patience(load: Any = 1) -> Finding:
    """Integrate the fluid model from unkind starts; above capacity solve for the rest point."""
    if load > 1:
        model = general_class()
        arriving = {ARRIVING: sp.Rational(load) * capacity(model)}
        rest = sp.expand((drift_of_full_slots(model=model) + lost_work(model)).subs(arriving))
        over = sp.cancel(rest / sp.expand(capacity(model)))
        return refuted(f"A* = {load} C*: at rest Σ θ_i/μ_m,i q_d,i = {over} C* > 0 (P61)")
    left = largest_buffer_left()
    if left > SMALL:
        return undecided(f"after the integration {left:.2g} per slot still waits")
    return undecided(
        "those who get a slot are no sample of the arrivals when some classes leave sooner",
        "missing: that the shortfall of solo slots of a class, of the order of q_d times the "
        "spread of θ_i, cannot keep q_d alive if κ ≠ 1",
        f"at A* = C* the buffer is below {SMALL} per slot at the end of each integration",
        supported=INSTANCES,
    )


def reward_reaches_the_plan(backlog: Any = 0) -> Finding:
    """Write revenue as that of finished prefills, less losses, less what is still held.

    The content behind prefill is bounded, so its time average of change vanishes; with
    x → x* and q_d → 0 what remains is the objective of the plan.
    """
    model = general_class()
    rates = model.rates
    net = drift(model, STATE)
    change = net.decode_buffer + net.mixed_decode + net.solo_decode
    through = rates.prefill * STATE.prefill - rates.patience_rate * STATE.decode_buffer - change
    earned = Total(revenue_rate(model, STATE, "bundled"))
    planned = drift(model, PLAN)
    balance = planned.decode_buffer + planned.mixed_decode + planned.solo_decode
    (decoded,) = sp.solve(balance.subs(PLAN.decode_buffer, backlog), PLAN.mixed_decode)
    objective = revenue_rate(model, PLAN, "bundled").subs(PLAN.mixed_decode, decoded)
    return all_of(
        equal(
            earned,
            Total(rates.reward * through),
            "revenue = Σ w_i (μ_p,i x_i - θ_i q_d,i - n_i'), n_i all of class i behind prefill",
        ),
        equal(
            Total(objective),
            Total(rates.reward * rates.prefill * PLAN.prefill),
            "the plan earns R* = Σ w_i μ_p,i x_i*, having no decode backlog",
        ),
    )


def chain(backlog: Any = 0, slots: Any = 1, overload: Any = 0) -> Finding:
    """Run every link from the gate to the reward."""
    links = {
        "x(t) → x* under the gate (R4.1-gate)": occupancies_reach_the_plan(slots),
        "q_p(t) → q_p* (R4.1-queue)": queues_reach_the_plan(),
        "A(t) → A* (L10.12-a)": arriving_work_settles(),
        "A* ≤ C* (L10.12-b)": plan_is_not_overloaded(backlog),
        "full slots while decodes wait (L10.7-a)": slots_are_full_while_a_decode_waits(),
        "who gets a slot, equally patient classes (R4.1-blind)": served_are_a_sample(),
        "solo slots (R4.1-solo)": solo_shortfall_vanishes(),
        "q_d(t) → 0 (R4.1-drain)": buffer_empties(overload=overload),
        "revenue → R* (R4.1-reward)": reward_reaches_the_plan(backlog),
    }
    finding = all_of(*links.values())
    if finding.verdict is not Verdict.PROVED:
        return finding
    return replace(finding, evidence=tuple(f"{name}: {each.label}" for name, each in links.items()))


CLAIMS = (
    Claim(
        id="R4.1-blind",
        statement=(
            "If all classes are equally patient, the class mix of those who get a decode slot "
            "tends to that of the planned prefills, first come first served or drawn at random."
        ),
        latex=(
            r"\theta_i=\theta:\quad \frac{\dot u_{d,i}}{\sum_j\dot u_{d,j}}\to\frac{"
            r"\mu_{p,i}x_i^\star}{\sum_j\mu_{p,j}x_j^\star}"
        ),
        source="THEORY 7, in place of Proposition 10.14; Algorithm 3, 10.2",
        check=served_are_a_sample,
        mutants=(
            Mutant("classes leave at different rates", lambda: served_are_a_sample(False)),
            Mutant("the same, oldest first", lambda: shares_of_the_oldest(False)),
        ),
        cites=("the wait is bounded: bounded buffer, freed slots bounded below",),
    ),
    Claim(
        id="R4.1-solo",
        statement=(
            "If those who get a slot are a sample of the planned prefills, every class holds its "
            "planned part of the solo slots, up to a shortfall that vanishes."
        ),
        latex=(
            r"\sum_i\Big(S\frac{C\phi_ix_i^\star}{A^\star}-y_{s,i}(t)\Big)^+\to0,\quad S="
            r"\min\{(1-x^\star)B,A^\star/\kappa\}"
        ),
        source="THEORY 7, in place of Proposition 10.14; Algorithm 3",
        check=solo_shortfall_vanishes,
        mutants=(
            Mutant("freed solo slots stay free", lambda: solo_shortfall_vanishes(refilled=0)),
            Mutant(
                "mixed slots first",
                lambda: shortfall_when_all_arrivals_fit(takes_all=False),
            ),
        ),
        cites=COMPARISON,
    ),
    Claim(
        id="R4.1-drain",
        statement=(
            "With θ_i > 0, x(t) → x* and A* ≤ C* the decode buffer empties, for any κ and any "
            "number of classes, if all classes are equally patient or κ = 1."
        ),
        latex=(
            r"\dot V\le\varepsilon(t)-c\sum_i(n_i-t_i)^+,\quad q_d\le\sum_i(n_i-t_i)^+\ "
            r"\Rightarrow\ q_d\to0"
        ),
        source="THEORY 7, in place of Proposition 10.14",
        check=buffer_empties,
        mutants=(
            Mutant("nobody leaves the buffer", lambda: buffer_empties(abandonment=0)),
            Mutant("a plan that overloads decode", lambda: buffer_empties(overload=1)),
        ),
        cites=COMPARISON,
    ),
    Claim(
        id="R4.1-unequal",
        statement="The decode buffer empties for any patience rates and any κ.",
        latex=r"\theta_i>0,\ x(t)\to x^\star,\ A^\star\le C^\star\ \Rightarrow\ q_d(t)\to0",
        source="THEORY 7, Proposition 10.14 in general",
        check=buffer_empties_for_unequal_patience,
        mutants=(
            Mutant(
                "decode overloaded by a tenth",
                lambda: buffer_empties_for_unequal_patience(load=sp.Rational(11, 10)),
            ),
        ),
    ),
    Claim(
        id="R4.1-reward",
        statement=(
            "If x(t) → x* and q_d(t) → 0 the average fluid revenue tends to that of the plan."
        ),
        latex=(
            r"\frac1T\int_0^T\sum_iw_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})\,ds\to\sum_iw_i"
            r"\mu_{p,i}x_i^\star=R^\star"
        ),
        source="THEORY 7, eqs. P38, P40",
        check=reward_reaches_the_plan,
        mutants=(
            Mutant(
                "a plan with a decode backlog",
                lambda: reward_reaches_the_plan(backlog=PLAN.decode_buffer),
            ),
        ),
        cites=("dominated convergence, by row T4.1-e",),
    ),
    Claim(
        id="R4.1-chain",
        statement=(
            "Gate-and-route earns R* in the limit if all θ_i > 0, the plan is an optimum with "
            "q_d* = 0 (as exists if κ ≥ (B-1)/B), classes are equally patient or κ = 1, and no "
            "decode slot is free beside a waiting decode at the start."
        ),
        latex=r"\lim_{T\to\infty}\lim_{n\to\infty}R^n(T;\pi^{n,\star})=R^\star",
        source="THEORY 7, Theorem 4.1 repaired; section 8.4",
        check=chain,
        mutants=(
            Mutant("a plan with a decode backlog", lambda: chain(backlog=PLAN.decode_buffer)),
            Mutant("twice the planned prefill slots", lambda: chain(slots=2)),
            Mutant("a plan that overloads decode", lambda: chain(overload=1)),
        ),
        cites=("Theorem 3.1: fluid limits", "row T4.1-e: the limit inside the expectation"),
    ),
)
