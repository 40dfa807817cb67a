r"""Ledger 8.7, P13.5-b to f: pools with a planned backlog (Proposition 13.5, eqs. P66, P67).

From (P65) on prefill is at its target; :math:`\alpha_{\bullet,i}` is then constant. The linear
system that follows is in `proposition_13_5_limit`, other cases in `proposition_13_5_cases`.
"""

from dataclasses import replace
from typing import Any

import sympy as sp

from gnr.network import Station
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted, undecided
from gnr.proofs.kit.exact import equal, nonnegative, over_classes
from gnr.proofs.kit.linear_paths import linear_path
from gnr.proofs.kit.paths import without
from gnr.proofs.kit.pools import (
    MIXED,
    PLAN,
    SOLO,
    Pool,
    class_weight,
    planned_prefill,
    pool_flows,
    solo_share,
)
from gnr.proofs.kit.symbols import STATE, TIME, Model, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.section_13 import planned_pool
from gnr.proofs.stuck_class import first_phase, mixed_pool, plan_is_optimal

SETTLED = replace(STATE, prefill=PLAN.prefill)
"""A state with prefill at its target, (P65)."""
AT_START = sp.Symbol("y_0_i", nonnegative=True)
POOLS = (MIXED, SOLO)


def pool_equations(model: Model | None = None, kept: Any = 1) -> Finding:
    """Read both equations of each pool off the edges of the split network.

    `kept` multiplies the abandonment in the statement.
    """
    rates = general_class().rates
    parts = []
    for pool, rate in ((MIXED, rates.mixed_decode), (SOLO, rates.solo_decode)):
        flows = pool_flows(model or general_class(), SETTLED, pool)
        entering = sp.Symbol("du_i", real=True)
        inflow = pool.share * rates.prefill * PLAN.prefill
        at_rate = {flows.admitted: entering}
        parts += [
            equal(
                flows.buffer_drift.subs(at_rate),
                inflow - entering - kept * rates.patience_rate * pool.buffer,
                f"{pool.station}: buffer",
            ),
            equal(
                flows.decode_drift.subs(at_rate),
                entering - rate * SETTLED.at(pool.station),
                f"{pool.station}: slots",
            ),
        ]
    return all_of(*parts)


def excess(pool: Pool) -> tuple[Any, Any]:
    """Return what class i would occupy beyond its target, and the losses behind it.

    The first is alpha over the decode rate less the target, from the flows of the plan; the
    second theta times planned buffer over the decode rate.
    """
    flows = planned_pool(pool)
    planned = PLAN.at(pool.station)
    rate = sp.cancel(flows.completed / planned)
    inflow = flows.inflow.subs(planned_prefill(general_class()))
    return sp.cancel(inflow / rate - planned), sp.cancel(flows.lost / rate)


def backlog_is_lost_somewhere(pool: Pool) -> Finding:
    """Certify the sign of the planned losses, any number of classes, the share a symbol."""
    flows = pool_flows(general_class(), PLAN, pool)
    rate = flows.completed / PLAN.at(pool.station)
    losing = flows.lost / pool.buffer
    return nonnegative(
        Total(losing * pool.share * PLAN.decode_buffer / rate),
        [over_classes(losing, pool.share, PLAN.decode_buffer, 1 / rate)],
        given=(MIXED.share,),
        says=f"{pool.station}: in total positive where a class sent here has q*_d,i > 0",
    )


def load_exceeds_the_slots(margin: Any = 1) -> Finding:
    """Turn the planned balances into excess = losses / rate, and sum over any number of classes.

    `margin` multiplies the losses in the statement.
    """
    parts = []
    for pool in POOLS:
        over, losses = excess(pool)
        says = f"{pool.station}: alpha_i/mu_i - y*_i = theta_i q*_d,i/mu_i"
        parts += [equal(over, margin * losses, says), backlog_is_lost_somewhere(pool)]
    return all_of(*parts)


def excess_exactly_where(station: Station = Station.SOLO_DECODE) -> Finding:
    """Try the four ways a class can decode, its share by (U7), its excess by the balance."""
    model = general_class()
    share = solo_share(model)
    rates = dict.fromkeys(share.free_symbols, 1)
    for mixed, solo in ((0, 0), (1, 0), (0, 1), (1, 1)):
        where = {PLAN.mixed_decode: mixed, PLAN.solo_decode: solo}
        chance = share.subs(rates | where) if mixed + solo else sp.Integer(1)
        losses = pool_flows(model, PLAN, replace(SOLO, buffer=chance)).lost
        positive = bool(losses.subs(model.rates.patience_rate, 1) > 0)
        planned = {Station.MIXED_DECODE: mixed, Station.SOLO_DECODE: solo}[station]
        if positive != (planned > 0):
            return refuted(
                f"theta_i = q*_d,i = 1, y*_m,i = {mixed}, y*_s,i = {solo}: p_s,i = {chance}, "
                f"alpha_s,i - mu_s,i y*_s,i = theta_i q*_d,s,i = {chance}"
            )
    return undecided("no difference in the four cases")


def pool_cannot_stay_empty(extra_loss: Any = 0) -> Finding:
    """Solve the slots of an empty pool: admissions are the inflow, occupancies outgrow the pool.

    `extra_loss` is a rate at which requests leave their slots besides completions.
    """
    parts = []
    for pool in POOLS:
        flows = planned_pool(pool)
        rate = flows.completed / PLAN.at(pool.station)
        empty = pool_flows(general_class(), SETTLED, replace(pool, buffer=sp.Integer(0)))
        (admitted,) = sp.solve(empty.buffer_drift, empty.admitted)
        parts.append(equal(admitted, empty.inflow, f"{pool.station}: empty, so du_i = alpha_i"))
        inflow, loss = sp.Symbol("alpha_i", positive=True), sp.Symbol("mu_i", positive=True)
        settled = sp.limit(linear_path(inflow, loss, AT_START), TIME, sp.oo)
        actual = {inflow: flows.inflow.subs(planned_prefill(general_class()))}
        reached = settled.subs(actual).subs(loss, rate + extra_loss)
        parts += [
            equal(
                reached - PLAN.at(pool.station),
                excess(pool)[1],
                f"{pool.station}: y_i -> alpha_i/mu_i, theta_i q*_d,i/mu_i above target",
            ),
            backlog_is_lost_somewhere(pool),
        ]
    return all_of(*parts)


def below_at_one(expression: Any) -> Any:
    """Return an upper bound of a + b exp(-1), b < 0, by e < 3."""
    weight = expression.coeff(sp.exp(-1))
    if not weight < 0:
        raise ArithmeticError(f"{expression} is not bounded this way")
    return expression.subs(sp.exp(-1), sp.Rational(1, 3))


def positive_pool_stays_positive() -> Finding:
    """Follow the pool with a class at rest: its whole buffer runs empty within a second."""
    pool = mixed_pool()
    phase = first_phase(pool)
    bound = below_at_one(phase.queue[1].subs(TIME, 1))
    if not (bound < 0 and plan_is_optimal().label == "proved"):
        return undecided("the pool does not empty")
    return refuted(
        f"y = (0, 1), q = (0, 5): while it waits, q_2(t) = {phase.queue[1]} and q_1(t) = 0",
        f"at t = 1 that is below {bound} (e < 3), so the pool empties before",
    )


def pool_is_positive_from_some_time_on() -> Finding:
    """Say what is shown: never empty for good, yet a positive pool can empty."""
    shown, emptied = pool_cannot_stay_empty(), positive_pool_stays_positive()
    if (shown.label, emptied.label) != ("proved", "refuted"):
        return all_of(shown, emptied)
    return undecided(
        "shown: a pool that is empty from some time on outgrows its slots, so it is not",
        *emptied.evidence,
        "missing: that such emptyings end; a bound on W while the buffer is empty is needed",
    )


def empty_queue_rises(rise: Any = 1) -> Finding:
    """Follow the exact trajectory for half a second: class 1 rests at 0 and is served.

    `rise` times its inflow is the derivative that is claimed for its queue.
    """
    pool = mixed_pool()
    phase = first_phase(pool)
    half = sp.Rational(1, 2)
    waiting, served = phase.queue[1], pool.served(phase.occupancy)
    slope = waiting.coeff(sp.exp(-TIME))
    floor = waiting.subs(sp.exp(-TIME), 0) + min(slope.subs(TIME, half), 0)
    entitled = pool.weight[0] * served.subs(sp.exp(-TIME), half)
    consistent = equal(
        phase.occupancy[1].diff(TIME),
        phase.admitted[1] - pool.speed[1] * phase.occupancy[1],
        "slots of class 2",
    )
    if not (floor > 0 and entitled > pool.inflow[0] and consistent.label == "proved"):
        return undecided("the trajectory is not as expected")
    rests = pool.inflow[0] - phase.admitted[0]
    if rests == rise * pool.inflow[0]:
        return undecided("it does rise so")
    return refuted(
        f"mu = {pool.speed}, y* = (9/10, 1/10), theta = {pool.patience}, q* = (1/10, 1/10): "
        f"alpha = {pool.inflow}, weights {pool.weight}; start y = (0, 1), q = (0, 5)",
        f"share of class 1 {pool.weight[0] * pool.served((0, 1))}, above its inflow "
        f"{pool.inflow[0]}: a queue above 0 falls, so q_1 rests at 0 and du_1/dt = "
        f"{phase.admitted[0]}, not 0",
        f"y_1(t) = {phase.occupancy[0]}, q_2(t) = {waiting}: on [0, 1/2] q_2 >= {floor} and the "
        f"share of class 1 stays above {entitled}",
    )


def queue_leaves_zero_near_the_target(exponent: int = 1) -> Finding:
    """Compare entitlement and inflow at the target: they differ by the planned losses.

    `exponent` is the power of the decode rate in the weights.
    """
    parts = []
    for pool in POOLS:
        flows = planned_pool(pool)
        rate = flows.completed / PLAN.at(pool.station)
        weight = class_weight(general_class(), pool) * rate ** (exponent - 1)
        entitled = weight * Total(flows.completed)
        inflow = flows.inflow.subs(planned_prefill(general_class()))
        parts.append(
            equal(
                inflow - entitled,
                flows.lost,
                f"{pool.station}: at y* an empty queue is owed theta_i q*_d,i less than alpha_i",
            )
        )
    return all_of(
        *parts,
        proved("a queue at rest at 0 is admitted alpha_i (L13.1-b), more than its weight gives"),
    )


CLAIMS = (
    Claim(
        id="P13.5-b",
        statement="Buffer and slots of each pool obey the split equations.",
        latex=(
            r"\dot q_{d,\bullet,i}=\alpha_{\bullet,i}-\dot u_{d,\bullet,i}"
            r"-\theta_iq_{d,\bullet,i},\quad "
            r"\dot y_{\bullet,i}=\dot u_{d,\bullet,i}-\mu_{\bullet,i}y_{\bullet,i}"
        ),
        source="THEORY 8.7, Proposition 13.5",
        assumptions=(sp.Eq(STATE.prefill, PLAN.prefill),),
        check=pool_equations,
        mutants=(
            Mutant(
                "nobody abandons the buffer",
                lambda: pool_equations(without(general_class(), "B_d")),
            ),
            Mutant("abandonment counted twice", lambda: pool_equations(kept=2)),
        ),
    ),
    Claim(
        id="P13.5-c/printed",
        statement="The excess of a class in the solo pool is positive exactly where it decodes.",
        latex=r"\alpha_{s,i}>\mu_{s,i}y^\star_{s,i}\iff y^\star_{s,i}>0",
        source="Proposition 13.5 as printed, an aside",
        check=excess_exactly_where,
        mutants=(
            Mutant(
                "exactly where it decodes mixed",
                lambda: excess_exactly_where(Station.MIXED_DECODE),
            ),
        ),
    ),
    Claim(
        id="P13.5-c/corrected",
        statement="A pool with a planned backlog would fill more slots than it has.",
        latex=(
            r"\frac{\alpha_{s,i}}{\mu_{s,i}}-y^\star_{s,i}"
            r"=\frac{\theta_ip_{s,i}q^\star_{d,i}}{\mu_{s,i}},\quad "
            r"\sum_i\frac{\alpha_{s,i}}{\mu_{s,i}}>y_s^\star"
        ),
        source="THEORY 8.7, eq. P67",
        assumptions=(sp.Gt(PLAN.decode_buffer, 0),),
        check=load_exceeds_the_slots,
        mutants=(Mutant("none of the losses", lambda: load_exceeds_the_slots(margin=0)),),
    ),
    Claim(
        id="P13.5-d",
        statement="A pool's buffer is not empty from some time on.",
        latex=(
            r"q_{d,s}\equiv0\Rightarrow y_{s,i}\to\alpha_{s,i}/\mu_{s,i},"
            r"\quad\sum_i\alpha_{s,i}/\mu_{s,i}>y_s^\star"
        ),
        source="THEORY 8.7, Proposition 13.5",
        assumptions=(sp.Gt(PLAN.decode_buffer, 0),),
        check=pool_cannot_stay_empty,
        mutants=(
            Mutant(
                "decoding requests abandon too",
                lambda: pool_cannot_stay_empty(extra_loss=general_class().rates.patience_rate),
            ),
        ),
    ),
    Claim(
        id="P13.5-e/printed",
        statement="From some time on both pools have waiting jobs.",
        latex=r"q_{d,s}(t)>0,\ q_{d,m}(t)>0\qquad(t\ge T_0)",
        source="Proposition 13.5, eq. P66",
        assumptions=(sp.Gt(PLAN.decode_buffer, 0),),
        check=pool_is_positive_from_some_time_on,
        mutants=(Mutant("a positive pool stays positive", positive_pool_stays_positive),),
    ),
    Claim(
        id="P13.5-f/printed",
        statement="An empty class queue of a positive pool gets nothing and rises at its inflow.",
        latex=(
            r"q_{d,m,i}=0\Rightarrow\dot u_{d,m,i}=0"
            r"\Rightarrow\dot q_{d,m,i}=\alpha_{m,i}>0"
        ),
        source="Proposition 13.5 as printed",
        check=empty_queue_rises,
        mutants=(
            Mutant("it rises at half its inflow", lambda: empty_queue_rises(sp.Rational(1, 2))),
        ),
    ),
    Claim(
        id="P13.5-f/corrected",
        statement=(
            "Where the weight of a class entitles it to less than its inflow, as at the target, "
            "its queue cannot rest at zero while all others are positive."
        ),
        latex=(
            r"\alpha_{m,i}-\varpi_{m,i}\sum_j\mu_{m,j}y^\star_{m,j}"
            r"=\theta_iq^\star_{d,m,i}>0"
        ),
        source="THEORY 8.7",
        assumptions=(sp.Gt(PLAN.decode_buffer, 0),),
        check=queue_leaves_zero_near_the_target,
        mutants=(
            Mutant(
                "weights by occupancy",
                lambda: queue_leaves_zero_near_the_target(exponent=0),
            ),
        ),
    ),
)
