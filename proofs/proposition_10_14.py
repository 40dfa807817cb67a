r"""Proposition 10.14: the decode buffer empties."""

from typing import Any

import sympy as sp

from gnr.proofs.base_trajectory import base_plan
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, refuted, undecided
from gnr.proofs.kit.drift import CONTROLS, drift
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.symbols import STATE, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.lemma_10_12 import (
    ARRIVING,
    EXCESS,
    PLANNED_WORK,
    arriving_work,
    capacity,
    drift_of_full_slots,
    lost_work,
)
from gnr.proofs.lemmas_10_7_and_10_10 import work_drift
from gnr.proofs.repaired_decode import (
    COMPARISON,
    alike,
    buffer_empties,
    served_are_a_sample,
    solo_shortfall_vanishes,
)
from gnr.proofs.repaired_theorem_4_1 import buffer_empties_for_unequal_patience

LEAST = sp.Symbol("thetalow", positive=True)
"""min θ_i/μ_m,i."""
LEVEL, LENGTH, SHORTEST, SPEED = sp.symbols("delta length eta L", positive=True)
"""δ; t_k'' - t_k'; η; Lipschitz constant of q_d."""


def losses_grow_with_the_buffer(lowest: bool = True) -> Finding:
    """Compare the work of those who leave with the least rate at which waiting work leaves."""
    model = general_class()
    rate = model.rates.patience_rate / model.rates.mixed_decode
    margin = rate - LEAST if lowest else LEAST - rate
    return nonnegative(
        lost_work(model) - LEAST * Total(STATE.decode_buffer),
        [over_classes(rate - LEAST, STATE.decode_buffer)],
        given=[margin],
        says="Σ θ_i/μ_m,i q_d,i ≥ min(θ_i/μ_m,i) q_d",
    )


def work_never_rises(busy: Any = 0) -> Finding:
    """Evaluate (P61) on the base instance at x = x*, an empty buffer and free decode slots.

    `busy` is the part of the decode capacity in use.
    """
    plan = base_plan()
    arriving = sp.Rational(plan.work.numerator, plan.work.denominator)
    used = busy * sp.Rational(plan.capacity.numerator, plan.capacity.denominator)
    model = general_class()
    moved = work_drift(model) - arriving_work(model, STATE.prefill) + arriving
    rise = moved.xreplace({STATE.decode_buffer: sp.Integer(0), STATE.solo_decode: sp.Integer(0)})
    rise = rise.xreplace({Total(STATE.mixed_decode): used})
    if not rise.is_positive or plan.work != plan.capacity:
        return undecided(f"dW_d/dt = {rise} at that state")
    return refuted(
        f"base instance, x = x*, q_d = 0, y_m + κ y_s = {used}: "
        f"dW_d/dt = {rise} ({float(rise):.6g}) > 0",
        "A(t) = A* = C* there, so W_d rises as long as a decode slot is free, at any time",
    )


def work_changes_by(excess: Any = EXCESS, waiting: bool = True) -> Finding:
    """Bound the drift where decodes wait, and state it exactly where none does."""
    model = general_class()
    rate = model.rates.patience_rate / model.rates.mixed_decode - LEAST
    spare, late = capacity(model) - PLANNED_WORK, EXCESS - (ARRIVING - PLANNED_WORK)
    moved = drift_of_full_slots(waiting, model)
    empty = drift_of_full_slots(slots_full=False, model=model).xreplace(
        {STATE.decode_buffer: sp.Integer(0)}
    )
    decoded = Total(STATE.mixed_decode) + model.rates.speed_ratio * Total(STATE.solo_decode)
    return all_of(
        nonnegative(
            excess - LEAST * Total(STATE.decode_buffer) - moved,
            [product(spare), product(late), over_classes(rate, STATE.decode_buffer)],
            given=[spare, late, rate],
            says="q_d > 0: dW_d/dt ≤ ε(t) - min(θ_i/μ_m,i) q_d",
            witness=alike(B=2, xstar="1/2", Astar="3/2", q_d="1/10", y_m=0, y_s=0)
            | {ARRIVING: sp.Rational(5, 2), LEAST: sp.Integer(1)},
        ),
        equal(empty, ARRIVING - decoded, "q_d = 0: dW_d/dt = A(t) - (y_m + κ y_s), of any sign"),
    )


def a_lasting_buffer_costs_work(parts: int = 2) -> Finding:
    """Integrate the bound while q_d ≥ δ/2; q_d cannot have come from there in less than η."""
    model = general_class()
    mean, fastest = sp.symbols("qmean mu_high", positive=True)
    routed = dict(
        zip(
            (CONTROLS["U_dm"], CONTROLS["U_ds"]),
            sp.symbols("in_m_i in_s_i", nonnegative=True),
            strict=True,
        )
    )
    rise = drift(model, STATE).decode_buffer.subs(routed)
    slower, room = fastest - model.rates.prefill, 1 - Total(STATE.prefill)
    out = sp.Add(*routed.values()) + model.rates.patience_rate * STATE.decode_buffer
    high, long = mean - LEVEL / 2, LENGTH - SHORTEST
    return all_of(
        nonnegative(
            LEAST * mean * LENGTH - LEAST * LEVEL / parts * SHORTEST,
            [product(LEAST, high, LENGTH), product(LEAST, LEVEL / 2, long)],
            given=[high, long],
            says="W_d loses at least min(θ_i/μ_m,i) δ/2 · η while q_d ≥ δ/2 for η",
        ),
        nonnegative(
            fastest - Total(rise),
            [over_classes(slower, STATE.prefill), product(fastest, room), product(Total(out))],
            given=[slower, room],
            says="dq_d/dt ≤ max μ_p,i: q_d = δ at t means q_d ≥ δ/2 for η = δ/(2 max μ_p,i) before",
        ),
    )


def buffer_empties_in_the_end(abandonment: Any = 1, overload: Any = 0) -> Finding:
    """Go through who gets a slot, the solo slots, and the content behind prefill."""
    return all_of(
        served_are_a_sample(),
        solo_shortfall_vanishes(),
        buffer_empties(abandonment=abandonment, overload=overload),
    )


CLAIMS = (
    Claim(
        id="P10.14-a",
        statement="Waiting work leaves at least at the least rate of all classes.",
        latex=(
            r"\sum_i\tfrac{\theta_i}{\mu_{m,i}}q_{d,i}\ge\underline\theta q_d,\quad"
            r"\underline\theta=\min_i\theta_i/\mu_{m,i}"
        ),
        source="THEORY 8.4, eq. P62",
        check=losses_grow_with_the_buffer,
        mutants=(
            Mutant("the largest rate instead", lambda: losses_grow_with_the_buffer(lowest=False)),
        ),
    ),
    Claim(
        id="P10.14-b/printed",
        statement="The decode work never rises after some time.",
        latex=r"\dot W_d(t)\le-\underline\theta q_d(t)\le0\quad(t\ge T_0)",
        source="THEORY 8.4, Proposition 10.14",
        check=work_never_rises,
        mutants=(
            Mutant(
                "at least once half of the slots are taken",
                lambda: work_never_rises(sp.Rational(1, 2)),
            ),
        ),
    ),
    Claim(
        id="P10.14-b/corrected",
        statement=(
            "Where decodes wait the work falls but for a vanishing excess; where none waits it "
            "changes by arrivals less decoding."
        ),
        latex=(
            r"q_d>0:\ \dot W_d\le\varepsilon(t)-\underline\theta q_d;\qquad "
            r"q_d=0:\ \dot W_d=A(t)-(y_m+\kappa y_s)"
        ),
        source="THEORY 8.4, repair of Proposition 10.14",
        check=work_changes_by,
        mutants=(
            Mutant("no excess", lambda: work_changes_by(excess=0)),
            Mutant("the bound with free slots too", lambda: work_changes_by(waiting=False)),
        ),
    ),
    Claim(
        id="P10.14-c",
        statement="A buffer that stays above half a level for some time costs a fixed work.",
        latex=r"W_d(t_k'')-W_d(t_k')\le-\underline\theta\tfrac\delta2\eta",
        source="THEORY 8.4, Proposition 10.14",
        check=a_lasting_buffer_costs_work,
        mutants=(Mutant("the whole level", lambda: a_lasting_buffer_costs_work(parts=1)),),
    ),
    Claim(
        id="P10.14-d/printed",
        statement="The decode buffer empties along every fluid trajectory.",
        latex=r"\theta_i>0,\ x(t)\to x^\star\ \Rightarrow\ q_d(t)\to0",
        source="THEORY 8.4, Proposition 10.14",
        check=buffer_empties_for_unequal_patience,
        mutants=(
            Mutant(
                "whatever the plan: decode overloaded by a tenth",
                lambda: buffer_empties_for_unequal_patience(sp.Rational(11, 10)),
            ),
        ),
    ),
    Claim(
        id="P10.14-d/corrected",
        statement=(
            "The decode buffer empties under the work-conserving router if all classes are equally "
            "patient or κ = 1, by the content of the classes above target in place of the work."
        ),
        latex=(
            r"\theta_i=\theta>0\text{ or }\kappa=1,\ x(t)\to x^\star,\ A^\star\le C^"
            r"\star\ \Rightarrow\ q_d(t)\to0"
        ),
        source="THEORY 8.4, Proposition 10.14 repaired",
        check=buffer_empties_in_the_end,
        mutants=(
            Mutant("nobody leaves", lambda: buffer_empties_in_the_end(abandonment=0)),
            Mutant("decode overloaded", lambda: buffer_empties_in_the_end(overload=1)),
        ),
        cites=COMPARISON,
    ),
)
