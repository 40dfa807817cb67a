r"""Ledger T4.1-a: what Theorem 4.1 needs and does not say.

Where :math:`\kappa<(B-1)/B` the planned optimum of (P40) may keep a decode backlog of one class
on purpose. A router that does not look at classes cannot keep it.
"""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import (
    Claim,
    Finding,
    Mutant,
    Verdict,
    all_of,
    refuted,
    undecided,
    unsettled,
)
from gnr.proofs.kit.class_blind import (
    PATIENCE,
    SERVED,
    TAKEN,
    completed,
    equally_patient,
    prefilled,
    resting_decodes,
    routed,
    served_share,
)
from gnr.proofs.kit.drift import revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, product
from gnr.proofs.kit.numbers import Numbers, shown, stated
from gnr.proofs.kit.optimum import Optimum, balances, optimum, rooms
from gnr.proofs.kit.symbols import BATCH, STATE, Model, State, general_class
from gnr.proofs.kit.totals import Total

R = sp.Rational
KAPPA = sp.Symbol("kappa", positive=True)
SOLO_OVER_MIXED = sp.Integer(4)
"""1/kappa in the counterexample; kappa = 1/4 < 15/16."""


def slow_solo_instance() -> Numbers:
    """Return two classes on the base platform, decoding alone four times slower than mixed."""
    base, per_token, chunk = R(174, 10_000), R(62, 1_000_000), 256
    return stated(
        prompt=(200, 2800),
        output=(2450, 200),
        arrivals=(R(14, 10), R(185, 100)),
        patience=(R(1, 10), R(1, 10)),
        base=base,
        per_chunk_token=per_token,
        decode_only=SOLO_OVER_MIXED * (base + per_token * chunk),
        chunk=chunk,
    )


def planned_with_backlog(instance: Numbers) -> Optimum:
    """Return the planned optimum: everybody is prefilled, only class 2 is decoded."""
    only, everyone = (2,), (1, 2)
    return optimum(
        instance,
        {
            "prefill": everyone,
            "decode_buffer": everyone,
            "mixed_decode": only,
            "solo_decode": only,
        },
    )


def planned_without_backlog(instance: Numbers) -> Optimum:
    """Return the optimum under q_d = 0: class 1 is shut out."""
    return optimum(
        instance,
        {"prefill": (2,), "prefill_queue": (1, 2), "mixed_decode": (2,), "solo_decode": (2,)},
        tight={"prefill": (1,)},
        no_backlog=True,
    )


def work_and_earnings(model: Model) -> tuple[Any, Any]:
    """Return decode work, mixed slots, and revenue when all that is prefilled is decoded."""
    mixed, solo = resting_decodes(model, sp.Integer(1))
    full = State(STATE.prefill_queue, STATE.prefill, sp.Integer(0), mixed, solo)
    work = Total(sp.expand(mixed + model.rates.speed_ratio * solo))
    return work, Total(sp.expand(revenue_rate(model, full, "bundled")))


def capacity(model: Model) -> Any:
    r"""Return :math:`C^\star=(B-1)x^\star+\kappa B(1-x^\star)` of the plan, mixed slots."""
    empty = State(STATE.prefill_queue, STATE.prefill, *[sp.Integer(0)] * 3)
    _, mixed, solo = rooms(model, empty)
    return mixed + model.rates.speed_ratio * solo


def router_serves_classes_alike(model: Model) -> Finding:
    """Show that every class rests at the same served share, and what both groups then hold."""
    share = equally_patient(model, served_share(model))
    mixed, solo = resting_decodes(model)
    work, earned = work_and_earnings(model)
    held = Total(sp.expand(mixed + model.rates.speed_ratio * solo))
    point = State(STATE.prefill_queue, STATE.prefill, STATE.decode_buffer, mixed, solo)
    revenue = Total(sp.expand(revenue_rate(model, point, "bundled")))
    return all_of(
        equal(share, TAKEN / (PATIENCE + TAKEN), "at rest every class is served in one share f"),
        equal(held, SERVED * work, "sum y_m + kappa sum y_s = f A, wherever requests are sent"),
        equal(revenue, SERVED * earned, "revenue at rest = f sum w_i mu_p,i x_i"),
    )


def waits_become_alike(model: Model) -> Finding:
    """Follow r_i = q_d,i/(mu_p,i x_i): differences between classes die out at rate theta.

    Held for the inflow of the plan and any taking rate v(t) ≥ 0.
    """
    time = sp.Symbol("t", nonnegative=True)
    inflow = prefilled(model)
    relative, other, taken = sp.symbols("r_here r_there v", nonnegative=True)
    waiting = State(STATE.prefill_queue, STATE.prefill, relative * inflow, *[sp.Integer(0)] * 2)
    net = equally_patient(
        model, routed(model, taken * waiting.decode_buffer, waiting).decode_buffer
    )
    change = sp.cancel(net / inflow)
    gap = relative - other
    gap_change = change - change.xreplace({relative: other})
    decay = sp.exp(-PATIENCE * time)
    return all_of(
        equal(change, 1 - (PATIENCE + taken) * relative, "r_i' = 1 - (theta + v) r_i"),
        nonnegative(
            -2 * gap * gap_change - 2 * PATIENCE * gap**2,
            [product(2, taken, gap**2)],
            [gap**2],
            "((r_i - r_j)^2)' ≤ -2 theta (r_i - r_j)^2",
        ),
        equal(
            sp.integrate(decay, (time, 0, sp.oo)),
            1 / PATIENCE,
            "so |r_i - r_j| ≤ |r_i(0) - r_j(0)| exp(-theta t), whose integral is bounded",
        ),
    )


def time_averages_cannot_beat_the_share(model: Model) -> Finding:
    r"""Average the decode balances: revenue is at most (C*/A) sum w mu_p x, but for O(1/T).

    With time average :math:`h` of the common :math:`1-\theta r` and errors
    :math:`\epsilon_i=O(1/T)`, class i completes :math:`h\mu_{p,i}x_i-\epsilon_i`.
    """
    common = sp.Symbol("h", real=True)
    error = sp.Symbol("epsilon_i", real=True)
    rates, room = model.rates, sp.Symbol("C_star", positive=True)
    inflow = prefilled(model)
    done = common * inflow - error
    work, earned = work_and_earnings(model)
    used = Total(sp.expand(done / rates.mixed_decode))
    slack = room - used
    bound = earned * (room + Total(sp.expand(error / rates.mixed_decode)))
    reached = work * Total(sp.expand(rates.reward * (done + error)))
    _, mixed_room, solo_room = rooms(model, STATE)
    worked = Total(sp.expand(completed(model) / rates.mixed_decode))
    return all_of(
        equal(
            capacity(model) - worked,
            mixed_room + rates.speed_ratio * solo_room,
            "work done never exceeds C*: the difference is mixed room + kappa solo room",
        ),
        nonnegative(
            sp.expand(bound) - sp.expand(reached),
            [product(earned, slack)],
            [slack],
            "A R(T) ≤ C* sum w_i mu_p,i x_i + O(1/T), whatever the initial decodes",
        ),
    )


def plan_is_attained(short_of: str = "plan") -> Finding:
    """Compare what the router attains on the planned prefills with what the plan promises.

    `short_of` may also be ``no backlog``: the value of the best plan with q_d = 0.
    """
    instance, model = slow_solo_instance(), general_class()
    plan = planned_with_backlog(instance)
    lean = planned_without_backlog(instance)
    derived = all_of(
        plan.finding,
        lean.finding,
        router_serves_classes_alike(model),
        waits_become_alike(model),
        time_averages_cannot_beat_the_share(model),
    )
    if derived.verdict is not Verdict.PROVED:
        return unsettled(derived)
    here = plan.numbers
    work, earned = work_and_earnings(model)
    load, room = here.of(work), here.of(capacity(model))
    attained = room / load * here.of(earned)
    unique = all(price > 0 for price in here.of_each(sp.Symbol("hat_phi_i", real=True)))
    promised = plan.value if short_of == "plan" else lean.value
    backlog = plan.states[0].decode_buffer
    if not (unique and room < load and attained < promised):
        return undecided(f"attained {shown(attained)}, promised {shown(promised)}: settles nothing")
    return refuted(
        f"P = (200, 2800), D = (2450, 200), lambda = (7/5, 37/20), theta = 1/10, B = 16, C = 256, "
        f"tau = {here.of(model.rates.mixed_time)}, kappa = {here.of(model.rates.speed_ratio)}",
        f"planned R* = {shown(plan.value)}, with q_d* = {shown(backlog)} in the first class; x* is "
        "unique, nobody is planned to wait for prefill, so x = x* stays x*",
        f"with q_d = 0 imposed: {shown(lean.value)}",
        f"work of the plan {shown(load)} against capacity {shown(room)}: the buffer cannot stay "
        f"empty, so both groups are full at rest and f = C*/A = {shown(room / load)}, unique",
        f"attained at rest: {shown(attained)}, less than {shown(promised)}; on any trajectory with "
        "x = x* no more in the long run",
    )


def backlog_can_be_planned_away(kept: Any = 0, hypothesis: bool = True) -> Finding:
    r"""Rebuild Proposition 3.2 from any point of (P40) and look at every row and at the load.

    The point is written through its queues and decodes; :math:`x_i` and :math:`\lambda_i` are
    what the balances make them. `kept` is the part of the backlog's prefills that is not given
    up; `hypothesis` is kappa ≥ (B-1)/B.
    """
    model = general_class()
    rates, kappa = model.rates, model.rates.speed_ratio
    before, after = balances(model, STATE)
    (prefill,) = sp.solve(after, STATE.prefill)
    prefill = sp.expand(prefill)
    (arrivals,) = sp.solve(before.xreplace({STATE.prefill: prefill}), rates.arrival_rate)
    known = {STATE.prefill: prefill}
    free, mixed_room, solo_room = (each.xreplace(known) for each in rooms(model, STATE))
    dropped = sp.expand(prefill - prefill.xreplace({STATE.decode_buffer: sp.Integer(0)}))
    fewer = sp.expand(prefill - (1 - kept) * dropped)
    held = Total(STATE.mixed_decode)
    overflow = held - (BATCH - 1) * Total(fewer)
    moved = STATE.mixed_decode * overflow / held
    new = State(
        STATE.prefill_queue + rates.prefill * (prefill - fewer) / rates.patience_rate,
        fewer,
        sp.Integer(0),
        STATE.mixed_decode - moved,
        STATE.solo_decode + moved / kappa,
    )
    calm = State(new.prefill_queue, fewer, sp.Integer(0), STATE.mixed_decode, STATE.solo_decode)
    spare = kappa * BATCH - (BATCH - 1)
    given = [free, mixed_room, solo_room, BATCH - 1, *([spare] if hypothesis else [])]
    work = sp.expand(rates.prefill / rates.mixed_decode * fewer)
    load = (BATCH - 1) * Total(fewer) + kappa * BATCH * (1 - Total(fewer)) - Total(work)
    in_queue, in_decode = (
        each.xreplace({rates.arrival_rate: arrivals}) for each in balances(model, new)
    )
    return all_of(
        equal(in_queue, 0, "prefill balance kept"),
        equal(in_decode, 0, "decode balance without a backlog"),
        equal(balances(model, calm)[1], 0, "and the same if nothing overflows"),
        equal(
            revenue_rate(model, new, "bundled") - revenue_rate(model, STATE, "bundled"),
            0,
            "each class earns what it earned",
        ),
        nonnegative(
            new.prefill_queue,
            [
                product(STATE.prefill_queue),
                product(rates.prefill / rates.patience_rate, 1 - kept, dropped),
            ],
            given,
            "prefill queues only grow",
        ),
        nonnegative(
            1 - Total(fewer),
            [product(free), product(1 - kept, Total(dropped))],
            given,
            "prefills fit: fewer than before",
        ),
        equal(
            (BATCH - 1) * Total(fewer) - sp.expand(held - overflow),
            0,
            "mixed decodes fill what is left of the mixed slots",
        ),
        nonnegative(
            held - overflow,
            [product(BATCH - 1, Total(fewer))],
            given,
            "no more is moved than decodes mixed",
        ),
        nonnegative(
            BATCH * (1 - Total(fewer)) - Total(STATE.solo_decode),
            [product(solo_room), product(BATCH, 1 - kept, Total(dropped))],
            given,
            "solo decodes fit if nothing overflows",
        ),
        nonnegative(
            sp.expand(BATCH * (1 - Total(fewer)) - Total(STATE.solo_decode) - overflow / kappa),
            [
                product(solo_room),
                product(1 / kappa, mixed_room),
                product(spare, 1 / kappa, 1 - kept, Total(dropped)),
            ],
            given,
            "solo decodes fit: solo room + mixed room/kappa + (kappa B - (B-1))/kappa times "
            "the prefills given up",
            None if hypothesis else _slow_solo_point(),
        ),
        nonnegative(
            load,
            [
                product(mixed_room),
                product(kappa, solo_room),
                product(spare, Total(dropped)),
            ],
            given,
            "planned decode work is at most C*",
            None if hypothesis and not kept else _slow_solo_point(),
        ),
    )


def _slow_solo_point() -> dict[Any, Any]:
    """Return the planned optimum of the counterexample, with a third class that is not there."""
    here = planned_with_backlog(slow_solo_instance()).numbers
    nobody = {symbol: sp.Integer(1) for symbol in here.classes[0]}
    nobody |= {getattr(STATE, name): sp.Integer(0) for name in vars(STATE)}
    three = Numbers(here.shared, (*here.classes, nobody))
    return {symbol: sp.sympify(value) for symbol, value in three.point.items()}


CLAIMS = (
    Claim(
        id="T4.1-a/printed",
        statement="Gate-and-route attains the planned value R*, with no condition on the solo "
        "speed or on the planned backlog.",
        latex=r"\liminf_{T\to\infty}\liminf_{n\to\infty}R^n(T;\pi^{n,\star})=R^\star",
        source="THEORY 8.4, Theorem 4.1",
        check=plan_is_attained,
        mutants=(
            Mutant(
                "it attains at least the best value without a backlog",
                lambda: plan_is_attained("no backlog"),
            ),
        ),
        cites=(
            "Theorem 3.1: scaled paths converge to fluid trajectories",
            "comparison of scalar differential inequalities",
        ),
    ),
    Claim(
        id="T4.1-a/corrected",
        statement="If kappa ≥ (B-1)/B and all classes are impatient, some planned optimum has no "
        "decode backlog, and its decode work is at most the capacity C*. These are what Theorem "
        "4.1 needs; the theorem itself, from such a plan, is row R4.1-chain.",
        latex=r"\kappa\ge\tfrac{B-1}B,\ \theta_i>0\ \Rightarrow\ \exists\,q_d^\star=0,\ "
        r"A^\star\le C^\star",
        source="THEORY 8.4, Proposition 3.2, Algorithm 0",
        assumptions=(sp.Ge(BATCH * KAPPA, BATCH - 1), sp.Ge(BATCH, 1)),
        check=backlog_can_be_planned_away,
        mutants=(
            Mutant(
                "solo speed may be anything",
                lambda: backlog_can_be_planned_away(hypothesis=False),
            ),
            Mutant(
                "half of the backlog's prefills are kept",
                lambda: backlog_can_be_planned_away(kept=R(1, 2)),
            ),
        ),
        cites=("a feasible linear program with bounded value has an optimum",),
    ),
)
