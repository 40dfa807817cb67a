r"""Ledger 8.5: Theorem 4.2, prioritize-and-route under separate prices (THEORY 4.2 and 5)."""

from dataclasses import replace
from typing import Any

import sympy as sp

from gnr.proofs.base_trajectory import base_rates, decay
from gnr.proofs.kit.claim import (
    Claim,
    Finding,
    Mutant,
    Verdict,
    all_of,
    proved,
    refuted,
    undecided,
    unsettled,
)
from gnr.proofs.kit.drift import CONTROLS, drift, revenue_rate
from gnr.proofs.kit.exact import equal, equivalent, nonnegative, over_classes, product
from gnr.proofs.kit.symbols import (
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    STATE,
    TIME,
    State,
    general_class,
)
from gnr.proofs.kit.totals import Total, component_derivative, numbered
from gnr.proofs.lemma_10_12 import ARRIVING, capacity, drift_of_full_slots, lost_work
from gnr.proofs.lemmas_10_7_and_10_10 import mixed_slots, solo_slots

WORTH = sp.Symbol("v", real=True)
"""Index D/P of the marginal class."""
UP, DOWN = sp.symbols("up_i down_i", nonnegative=True)
"""How far the index of class i is above it, and below it; one of them is 0."""
MOST = sp.Symbol("most_i", positive=True)
"""λ_i/μ_p,i, the most that can be in prefill."""
PATIENT, ALIKE = "θ_i ≤ μ_p,i", "equal D_i and equal θ_i"


def only_aggregates_count(scheme: str = "separate") -> Finding:
    """Move prefills or decodes from one class to another; revenue must not change.

    Revenue is summed over the moves of the network and linear in the occupancies, so it is
    enough that any two classes have the same derivative.
    """
    earned = Total(revenue_rate(general_class(), STATE, scheme))
    shares = {
        place: component_derivative(earned, place)
        for place in (STATE.prefill, STATE.mixed_decode, STATE.solo_decode)
    }
    return all_of(
        equal(
            earned,
            Total(sum(share * place for place, share in shares.items())),
            "revenue is linear in x_i, y_m,i, y_s,i and does not see the queues",
        ),
        *(
            equal(
                numbered(share, 1),
                numbered(share, 2),
                f"revenue per {place} is the same for classes 1 and 2",
            )
            for place, share in shares.items()
        ),
    )


def priority_ranks_by_decode_work(index: Any = None) -> Finding:
    """Compare the decode work of two classes' prefill slots with the difference of indices."""
    rates = general_class().rates
    work = rates.prefill / rates.mixed_decode
    chosen = rates.output_tokens / rates.prompt_tokens if index is None else index
    one, other = ((numbered(work, k), numbered(chosen, k)) for k in (1, 2))
    return equivalent(
        one[0] - other[0],
        one[1] - other[1],
        CHUNK,
        says="a prefill slot of class 1 makes at least the decode work of class 2 iff "
        "D_1/P_1 ≥ D_2/P_2",
    )


def greedy_filling_is_optimal(best_first: bool = True, prompt_price: Any = PROMPT_PRICE) -> Finding:
    """Price a prefill slot at the index of the marginal class: no other filling does better.

    Filled greedily, classes above it are all in prefill, classes below it not at all. The
    objective of (P42) wants no more of the prefills than their total and the work they make.
    """
    model = general_class()
    rates, kappa, x = model.rates, model.rates.speed_ratio, STATE.prefill
    decoded = Total(STATE.mixed_decode) + kappa * Total(STATE.solo_decode)
    slots = prompt_price * CHUNK / MIXED_TIME * Total(x) + OUTPUT_PRICE / MIXED_TIME * decoded
    net = drift(model, STATE)
    kept = Total((net.decode_buffer + net.mixed_decode + net.solo_decode) / rates.mixed_decode)
    index = rates.decode_work / CHUNK
    greedy = WORTH * Total(x) + (Total(UP * MOST) if best_first else -Total(DOWN * MOST))
    left = MOST - x
    return all_of(
        equal(
            Total(revenue_rate(model, STATE, "separate")),
            slots,
            "(P42) counts Σ x_i and the work decoded, Σ y_m,i + κ Σ y_s,i",
        ),
        equal(
            kept + lost_work(model),
            CHUNK * Total(index * x) - decoded,
            "at rest the work decoded is at most C Σ φ_i x_i, the rest leaves",
        ),
        equal(index, rates.output_tokens / rates.prompt_tokens, "φ_i = D_i/P_i"),
        nonnegative(
            greedy - Total((WORTH + UP - DOWN) * x),
            [over_classes(UP, left), over_classes(DOWN, x)],
            given=[left],
            says="Φ(X) - Σ φ_i x_i = Σ (φ_i - v)^+ (λ_i/μ_p,i - x_i) + Σ (v - φ_i)^+ x_i ≥ 0",
        ),
    )


def prefill_is_always_full(since: int = 0) -> Finding:
    """Solve the fluid gate on the base instance from an empty cluster: nobody ever waits.

    `since` is the time in s from which on the slots are said to be full.
    """
    model, values = general_class(), base_rates()
    rates = model.rates
    path = rates.full_prefill * (1 - sp.exp(-rates.prefill * TIME))
    net = drift(model, State(0, path, 0, 0, 0)).prefill.subs(CONTROLS["U_p"], rates.arrival_rate)
    follows = equal(path.diff(TIME), net, "x_i = λ_i/μ_p,i (1 - exp(-μ_p,i t)) follows the network")
    if follows.verdict is not Verdict.PROVED:
        return unsettled(follows)
    slots = sum(values.full_prefill)
    idle = sum(
        most * decay(rate * since)[0]
        for most, rate in zip(values.full_prefill, values.prefill, strict=True)
    )
    if idle <= 0:
        return undecided(f"no slot is shown free at t = {since}")
    free = " + ".join(
        f"{float(most):.4g} exp(-{float(rate):.4g} t)"
        for most, rate in zip(values.full_prefill, values.prefill, strict=True)
    )
    return refuted(
        f"slots full for all t ≥ {since}: base instance, plan x̃* = Σ λ_i/μ_p,i = {slots} "
        f"({float(slots):.6g}), empty cluster",
        *follows.evidence,
        f"x̃* - Σ x_i = {free} > 0 for all t, at least {float(idle):.6g} at t = {since}",
    )


def prefill_fills_in_the_limit(leave_in_service: Any = 0, patient: bool = True) -> Finding:
    """Compare all of class i before decode with a class that finds a free slot at once.

    If nobody leaves faster than he would be served, waiting only adds to the content, which
    then tends to at least λ_i/μ_p,i; and slots are full whenever somebody waits.
    """
    model = general_class()
    rates, queue, x = model.rates, STATE.prefill_queue, STATE.prefill
    net = drift(model, STATE)
    change = net.prefill_queue + net.prefill - leave_in_service * x
    free = rates.arrival_rate - rates.prefill * (queue + x)
    start = sp.Symbol("z_0", nonnegative=True)
    path = rates.full_prefill + (start - rates.full_prefill) * sp.exp(-rates.prefill * TIME)
    calm = rates.prefill - rates.patience_rate
    finding = all_of(
        nonnegative(
            change - free,
            [product(calm, queue)],
            given=[calm] if patient else [],
            says="n_i = q_p,i + x_i: n_i' ≥ λ_i - μ_p,i n_i if θ_i ≤ μ_p,i",
        ),
        equal(
            path.diff(TIME),
            free.subs(queue, 0).subs(x, path),
            "z' = λ_i - μ_p,i z tends to λ_i/μ_p,i, and n_i ≥ z",
        ),
        proved("Σ x_i ≥ min(x̃*, Σ n_i) → x̃*: full if somebody waits, Σ n_i if nobody does"),
    )
    if finding.verdict is Verdict.PROVED:
        return replace(finding, restriction=PATIENT)
    return finding


def backlog_settles_printed(target: Any = None) -> Finding:
    """Find the rest points with full slots; whether every path tends there is not shown."""
    rest = _rest()
    if target is not None:
        return equal(rest, target, "Σ θ_i/μ_m,i q_d,i at rest")
    model = general_class()
    finding = equal(rest, ARRIVING - capacity(model), "at rest with full slots it is A - C*")
    if finding.verdict is not Verdict.PROVED:
        return finding
    return undecided(
        *finding.evidence,
        "missing: that the class mix of slots and buffer settles; with unequal D_i or θ_i the "
        "work in full slots changes with the mix",
    )


def _rest() -> Any:
    """Return the sum of θ_i/μ_m,i q_d,i at which W_d rests with full slots."""
    model = general_class()
    return sp.expand(drift_of_full_slots(model=model) + lost_work(model))


def backlog_settles(losses: Any = 1) -> Finding:
    """Solve for the backlog of classes with equal decode rates and equal patience."""
    model = general_class()
    patience, length = sp.symbols("theta D", positive=True)
    backlog, start = sp.symbols("Q Q_0", nonnegative=True)
    same = {model.rates.patience_rate: patience, model.rates.output_tokens: length}
    rate = model.rates.mixed_decode.subs(same)
    # full slots hold constant work, so dW_d/dt is that of the buffer alone
    moved = drift_of_full_slots(model=model).xreplace(same)
    moved = sp.expand(moved).xreplace({Total(STATE.decode_buffer): losses * backlog})
    over = ARRIVING - capacity(model)
    target = rate * over / patience
    path = target + (start - target) * sp.exp(-patience * TIME)
    empty = drift_of_full_slots(slots_full=False, model=model).xreplace(
        {STATE.decode_buffer: sp.Integer(0)}
    )
    free_m = mixed_slots() - Total(STATE.mixed_decode)
    free_s = solo_slots() - Total(STATE.solo_decode)
    finding = all_of(
        equal(
            path.diff(TIME) / rate,
            moved.subs(backlog, path),
            "q_d > 0: Q = Q* + (Q(0) - Q*) exp(-θ t), Q* = (A - C*) μ_m/θ",
        ),
        equal(patience / rate * target, over, "Σ θ_i/μ_m,i q_d,i → A - C*"),
        nonnegative(
            empty - over,
            [product(free_m), product(model.rates.speed_ratio, free_s)],
            given=[free_m, free_s],
            says="q_d = 0: dW_d/dt = (A - C*) + free capacity ≥ A - C* > 0: the slots fill in time",
        ),
    )
    return replace(finding, restriction=ALIKE) if finding.verdict is Verdict.PROVED else finding


CLAIMS = (
    Claim(
        id="T4.2-a",
        statement="With separate prices the revenue depends on the class occupancies through their "
        "sums only.",
        latex=r"\frac{\partial\tilde R}{\partial x_i}=\frac{\partial\tilde R}{\partial x_j},\quad "
        r"\frac{\partial\tilde R}{\partial y_{\bullet,i}}"
        r"=\frac{\partial\tilde R}{\partial y_{\bullet,j}}",
        source="THEORY 8.5, Theorem 4.2, eq. P42",
        check=only_aggregates_count,
        mutants=(Mutant("bundled prices", lambda: only_aggregates_count(scheme="bundled")),),
    ),
    Claim(
        id="T4.2-b",
        statement="The index D/P ranks classes by the decode work that a prefill slot makes.",
        latex=r"\frac{\mu_{p,i}}{\mu_{m,i}}\ge\frac{\mu_{p,j}}{\mu_{m,j}}"
        r"\iff\frac{D_i}{P_i}\ge\frac{D_j}{P_j}",
        source="THEORY 8.5, Theorem 4.2, eqs. U1, U6",
        check=priority_ranks_by_decode_work,
        mutants=(
            Mutant(
                "longest output first",
                lambda: priority_ranks_by_decode_work(general_class().rates.output_tokens),
            ),
        ),
    ),
    Claim(
        id="T4.2-c",
        statement="Filling prefill slots by decreasing D/P is optimal for any number of slots.",
        latex=r"\sum_ix_i=X,\ x_i\le\lambda_i/\mu_{p,i}\ \Rightarrow\ \sum_i\phi_ix_i\le\Phi(X)",
        source="THEORY 8.5, eqs. P42, D5",
        check=greedy_filling_is_optimal,
        mutants=(
            Mutant("smallest D/P first", lambda: greedy_filling_is_optimal(best_first=False)),
            Mutant("prefill is free", lambda: greedy_filling_is_optimal(prompt_price=0)),
        ),
    ),
    Claim(
        id="T4.2-d/printed",
        statement="All planned prefill slots are taken at all times.",
        latex=r"\sum_ix_i(t)=\tilde x^\star",
        source="THEORY 8.5, Theorem 4.2",
        check=prefill_is_always_full,
        mutants=(Mutant("from 2 s on", lambda: prefill_is_always_full(2)),),
    ),
    Claim(
        id="T4.2-d/corrected",
        statement="The planned prefill slots fill in the limit, from every start.",
        latex=r"\sum_ix_i(t)\to\tilde x^\star\le\sum_i\lambda_i/\mu_{p,i}",
        source="THEORY 8.5, Theorem 4.2",
        check=prefill_fills_in_the_limit,
        mutants=(
            Mutant(
                "requests leave during prefill too",
                lambda: prefill_fills_in_the_limit(general_class().rates.patience_rate),
            ),
            Mutant("any patience", lambda: prefill_fills_in_the_limit(patient=False)),
        ),
        cites=("comparison of ordinary differential equations",),
    ),
    Claim(
        id="T4.2-e/printed",
        statement="If decode is overloaded its backlog tends to what abandonment can shed.",
        latex=r"A>C^\star\ \Rightarrow\ \sum_i\tfrac{\theta_i}{\mu_{m,i}}q_{d,i}\to A-C^\star",
        source="THEORY 8.5, Theorem 4.2",
        check=backlog_settles_printed,
        mutants=(
            Mutant("all of the work waits", lambda: backlog_settles_printed(target=ARRIVING)),
        ),
    ),
    Claim(
        id="T4.2-e/corrected",
        statement="So it is, from every start, if all classes decode and leave at equal rates.",
        latex=r"D_i=D,\ \theta_i=\theta:\ \tfrac{\theta}{\mu_m}q_d(t)\to A-C^\star",
        source="THEORY 8.5, Theorem 4.2",
        check=backlog_settles,
        mutants=(Mutant("half of them leave", lambda: backlog_settles(sp.Rational(1, 2))),),
        cites=("comparison of ordinary differential equations",),
    ),
)
