r"""Ledger 8.6, P12.1-a to c: the work of each pool under Algorithm 6 (eqs. P63, P64)."""

from dataclasses import replace
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
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.linear_paths import linear_path
from gnr.proofs.kit.numbers import in_columns
from gnr.proofs.kit.paths import without
from gnr.proofs.kit.pools import (
    MIXED,
    PLAN,
    SOLO,
    Pool,
    planned_prefill,
    pool_flows,
    solo_share,
)
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SOLO_TIME,
    STATE,
    TIME,
    Model,
    general_class,
)
from gnr.proofs.kit.totals import Total
from gnr.proofs.section_13 import planned_pool
from gnr.proofs.stuck_class import plan_is_optimal, rooms

POOLS = (MIXED, SOLO)
NO_BACKLOG = {PLAN.decode_buffer: sp.Integer(0)}
FADING = sp.Symbol("w", positive=True)
"""exp(-t), in (0, 1]."""

OVERTAKEN = in_columns(
    shared={
        BATCH: 4,
        CHUNK: 4,
        MIXED_TIME: sp.Rational(1, 100),
        SOLO_TIME: sp.Rational(1, 75),
        PROMPT_PRICE: 0,
        OUTPUT_PRICE: 1,
    },
    columns={
        sp.Symbol("P_i", positive=True): (100, 200),
        sp.Symbol("D_i", positive=True): (100, 100),
        sp.Symbol("lambda_i", positive=True): (3, 1),
        sp.Symbol("theta_i", positive=True): (1, 1),
        PLAN.prefill_queue: (1, 0),
        PLAN.prefill: (sp.Rational(1, 2), sp.Rational(1, 2)),
        PLAN.decode_buffer: (0, 0),
        PLAN.mixed_decode: (2, 1),
        PLAN.solo_decode: (0, 0),
    },
)
"""A plan in which class 2 is fully admitted; all GPUs are mixed."""


def pool_rate(pool: Pool) -> Any:
    """Return the decode rate of a pool as the rates of the model give it."""
    rates = general_class().rates
    return rates.mixed_decode if pool is MIXED else rates.solo_decode


def load(pool: Pool, occupancy: Any) -> Any:
    """Return what class i brings into a pool, in slots, at a prefill occupancy."""
    flows = pool_flows(general_class(), replace(STATE, prefill=occupancy), pool)
    return flows.inflow / pool_rate(pool)


def work_drift(pool: Pool, model: Model | None = None) -> Any:
    """Return the derivative of the pool's work (U14), from the edges that touch the pool."""
    flows = pool_flows(model or general_class(), STATE, pool)
    return Total((flows.buffer_drift + flows.decode_drift) / pool_rate(pool))


def works_drift_as_stated(model: Model | None = None, weighed: bool = True) -> Finding:
    """Divide the drift of buffer and slots by the pool's rate and sum over the classes.

    `weighed` False leaves abandonments undivided in the statement.
    """
    rates = general_class().rates
    parts = []
    for pool in POOLS:
        rate = pool_rate(pool)
        lost = rates.patience_rate * pool.buffer / (rate if weighed else 1)
        stated = (
            Total(pool.share * rates.prefill / rate * STATE.prefill)
            - Total(STATE.at(pool.station))
            - Total(lost)
        )
        parts.append(equal(work_drift(pool, model), stated, f"{pool.station}: drift of its work"))
    return all_of(*parts)


def loads_are_the_planned_slots(backlog: Any = 0) -> Finding:
    """Send the plan through the split network: each class brings what it decodes.

    `backlog` is the planned decode buffer of each class.
    """
    parts = []
    for pool, room in zip(POOLS, rooms(PLAN), strict=True):
        inflow = planned_pool(pool).inflow.subs(planned_prefill(general_class()))
        brought = sp.cancel(inflow.subs(PLAN.decode_buffer, backlog) / pool_rate(pool))
        target = PLAN.at(pool.station)
        capacity = sp.expand(room + Total(target))
        parts += [
            equal(brought, target, f"{pool.station}: class i brings y*_i"),
            nonnegative(
                capacity - Total(target),
                [product(room)],
                given=(room,),
                says=f"{pool.station}: in total at most its slots, by the row of (P40)",
            ),
        ]
    return all_of(*parts)


def work_falls_as_fast_as_jobs_abandon(factor: int = 1) -> Finding:
    """Follow an exact trajectory of the gate on which class 1 stays above its target for ever.

    `factor` multiplies the rate at which the work is said to fall.
    """
    model = general_class()
    arriving = OVERTAKEN.of_each(model.rates.arrival_rate)
    speed, patience = (
        OVERTAKEN.of_each(each) for each in (model.rates.prefill, model.rates.patience_rate)
    )
    second = linear_path(arriving[1], speed[1], sp.Rational(1, 4))
    first = OVERTAKEN.of(Total(PLAN.prefill)) - second
    admitted = sp.expand(first.diff(TIME) + speed[0] * first)
    queue = linear_path(arriving[0] - admitted, patience[0], 1)
    share = OVERTAKEN.of_each(MIXED.share.subs(SOLO.share, solo_share(model)))
    now = OVERTAKEN.and_columns(
        {STATE.prefill: (first, second), SOLO.share: [1 - each for each in share]}
    )
    slots = OVERTAKEN.of((BATCH - 1) * Total(PLAN.prefill))
    rate = OVERTAKEN.of_each(pool_rate(MIXED))
    brought = now.of(Total(load(MIXED, STATE.prefill)))
    waiting = linear_path(sp.expand(rate[0] * (brought - slots)), patience[0], 1)
    full = now.and_columns({STATE.mixed_decode: (slots, 0), MIXED.buffer: (waiting, 0)})
    moved, waiting_change = full.of(work_drift(MIXED)), waiting.diff(TIME)
    above = moved + factor * patience[0] / rate[0] * waiting
    queue, waiting, above, moved, waiting_change = (
        sp.expand(each).subs(sp.exp(-2 * TIME), FADING**2).subs(sp.exp(-TIME), FADING)
        for each in (queue, waiting, above, moved, waiting_change)
    )
    half = sp.Rational(1, 2)
    consistent = all_of(
        plan_is_optimal(OVERTAKEN),
        equal(rate[0] * patience[1], rate[1] * patience[0], "only totals count"),
        nonnegative(
            queue, [product(half, 1 - FADING), product(half, 1 + FADING**2)], given=(1 - FADING,)
        ),
        equal(
            moved, waiting_change / rate[0], "slots full: the work of the pool moves by its buffer"
        ),
        nonnegative(waiting - FADING, [product(half, FADING, 1 - FADING)], given=(1 - FADING,)),
    )
    if consistent.verdict is not Verdict.PROVED:
        return unsettled(consistent)
    if not above.is_positive:
        return undecided(f"{above} may be negative")
    return refuted(
        "B = 4, C = 4, tau = 1/100, 1/gamma = 1/75, P = (100, 200), D = (100, 100), "
        "lambda = (3, 1), theta = (1, 1), c_p = 0; plan x = (1/2, 1/2), y_m = (2, 1)",
        f"x(t) = ({first}, {second}), q_p = ({queue}, 0), q_d,m = {waiting} > 0, w = exp(-t)",
        f"for every t: dW_m/dt + theta_m q_d,m = {above} > 0",
    )


def work_falls_up_to_a_vanishing_term(least: bool = True) -> Finding:
    """Certify the drift of a full pool with what the load exceeds its plan by set apart.

    `least` tells whether the factor is known to be at most each theta_i/mu_i.
    """
    over, factor = sp.symbols("epsilon theta", nonnegative=True)
    parts = []
    for pool, room in zip(POOLS, rooms(PLAN), strict=True):
        flows = pool_flows(general_class(), STATE, pool)
        losing = flows.lost / pool.buffer / pool_rate(pool)
        now, planned = (Total(load(pool, x)) for x in (STATE.prefill, PLAN.prefill))
        slots = sp.expand(room + Total(PLAN.at(pool.station)))
        full = work_drift(pool).subs(Total(STATE.at(pool.station)), slots)
        given = [over - now + planned, slots - planned]
        given += [losing - factor] if least else []
        parts.append(
            nonnegative(
                over - factor * Total(pool.buffer) - full,
                [*map(product, given[:2]), over_classes(losing - factor, pool.buffer)],
                given=given,
                says=f"{pool.station}: dW/dt <= (A - A*)^+ - theta q while jobs wait",
            )
        )
    coefficient = load(MIXED, STATE.prefill) / STATE.prefill
    return all_of(
        *parts,
        equal(
            load(MIXED, STATE.prefill) - load(MIXED, PLAN.prefill),
            coefficient * (STATE.prefill - PLAN.prefill),
            "A is linear in x, so the excess vanishes as x -> x*",
        ),
    )


CLAIMS = (
    Claim(
        id="P12.1-a",
        statement="The work of each pool drifts by its inflow, its slots and its abandonments.",
        latex=(
            r"\dot W_\bullet=\sum_i\frac{p_{\bullet,i}\mu_{p,i}}{\mu_{\bullet,i}}x_i-y_\bullet"
            r"-\sum_i\frac{\theta_i}{\mu_{\bullet,i}}q_{d,\bullet,i}"
        ),
        source="THEORY 8.6, eqs. P63, P64",
        check=works_drift_as_stated,
        mutants=(
            Mutant("abandonments not divided", lambda: works_drift_as_stated(weighed=False)),
            Mutant(
                "nobody abandons the buffer",
                lambda: works_drift_as_stated(without(general_class(), "B_d")),
            ),
        ),
    ),
    Claim(
        id="P12.1-b",
        statement="The plan loads each pool with its own decodes, no more than its slots.",
        latex=(
            r"A_m^\star=\sum_i\frac{(1-p_{s,i})\mu_{p,i}}{\mu_{m,i}}x_i^\star"
            r"=\sum_iy^\star_{m,i}\le C_m,\quad A_s^\star=\sum_iy^\star_{s,i}\le C_s"
        ),
        source="THEORY 8.6",
        assumptions=(sp.Eq(PLAN.decode_buffer, 0),),
        check=loads_are_the_planned_slots,
        mutants=(
            Mutant(
                "with a planned backlog",
                lambda: loads_are_the_planned_slots(backlog=PLAN.decode_buffer),
            ),
        ),
    ),
    Claim(
        id="P12.1-c/printed",
        statement="From some time on, work falls at least as fast as waiting jobs abandon.",
        latex=r"q_{d,m}(t)>0,\ t\ge T_0\Rightarrow\dot W_m\le-\underline\theta_mq_{d,m}",
        source="Proposition 12.1 as printed",
        assumptions=(sp.Eq(PLAN.decode_buffer, 0),),
        check=work_falls_as_fast_as_jobs_abandon,
        mutants=(Mutant("twice as fast", lambda: work_falls_as_fast_as_jobs_abandon(factor=2)),),
    ),
    Claim(
        id="P12.1-c/corrected",
        statement="It does so up to the excess of the load over the plan, which vanishes.",
        latex=(
            r"q_{d,m}>0\Rightarrow\dot W_m\le(A_m(t)-A_m^\star)^+-\underline\theta_mq_{d,m},"
            r"\quad(A_m(t)-A_m^\star)^+\to0"
        ),
        source="THEORY 8.6",
        assumptions=(sp.Eq(PLAN.decode_buffer, 0),),
        cites=(
            "slots are full while the pool's buffer is positive (Lemma 10.7)",
            "x_i(t) -> x*_i (Lemma 10.5), and A* is at most the slots (P12.1-b)",
        ),
        check=work_falls_up_to_a_vanishing_term,
        mutants=(
            Mutant(
                "any factor, not the least theta_i/mu_m,i",
                lambda: work_falls_up_to_a_vanishing_term(least=False),
            ),
        ),
    ),
)
