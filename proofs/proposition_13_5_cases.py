r"""Ledger 8.7, P13.5-e and k: cases of Proposition 13.5 that can be settled.

Classes of one output length, where pools keep their backlog or lose it; and a slack pool with a
planned backlog, which the policy does not keep.
"""

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
from gnr.proofs.kit.drift import drift, revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.linear_paths import linear_path
from gnr.proofs.kit.numbers import in_columns
from gnr.proofs.kit.pools import (
    PLAN,
    SOLO,
    decode_balance,
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
    general_class,
)
from gnr.proofs.kit.totals import Total
from gnr.proofs.proposition_13_5 import POOLS, SETTLED
from gnr.proofs.section_13 import planned_pool
from gnr.proofs.stuck_class import rooms

SAME_LENGTH = {sp.Symbol("D_i", positive=True): sp.Symbol("D", positive=True)}

RATES = in_columns(
    shared={
        BATCH: 2,
        CHUNK: 4,
        MIXED_TIME: sp.Rational(1, 100),
        SOLO_TIME: sp.Rational(1, 200),
        PROMPT_PRICE: sp.Rational(1, 200),
        OUTPUT_PRICE: sp.Rational(1, 200),
    },
    columns={
        sp.Symbol("P_i", positive=True): (100, 100),
        sp.Symbol("D_i", positive=True): (100, 100),
        sp.Symbol("lambda_i", positive=True): (sp.Rational(3, 2), sp.Rational(1, 2)),
        sp.Symbol("theta_i", positive=True): (1, 1),
    },
)
"""An instance with little of class 2."""
FAIRNESS_WEIGHT = 4
"""Money per unit of difference of solo occupancies (eq. P46)."""
TARGET = RATES.and_columns(
    {
        PLAN.prefill_queue: (0, 0),
        PLAN.prefill: (sp.Rational(3, 8), sp.Rational(1, 8)),
        PLAN.decode_buffer: (sp.Rational(1, 2), 0),
        PLAN.mixed_decode: (sp.Rational(1, 2), 0),
        PLAN.solo_decode: (sp.Rational(1, 4), sp.Rational(1, 4)),
    },
)
"""Its optimum under a price on unequal solo decoding: class 1 waits beside free solo slots."""


def equal_rates_keep_the_pool_positive(planned_losses: Any = 1) -> Finding:
    """Certify, for classes of one output length, growth of slots, then of the buffer.

    `planned_losses` multiplies the planned losses, sum of theta_i q*_d,i.
    """
    most = sp.Symbol("theta", positive=True)
    parts = []
    for pool in POOLS:
        planned = planned_pool(pool)
        here = pool_flows(general_class(), SETTLED, pool)
        held, target = SETTLED.at(pool.station), PLAN.at(pool.station)
        rate = (here.completed / held).subs(SAME_LENGTH)
        inflow = planned.inflow.subs(planned_prefill(general_class()))
        parts += [
            equal(
                (inflow - here.completed).subs(SAME_LENGTH),
                (planned_losses * planned.lost + rate * (target - held)).subs(SAME_LENGTH),
                f"{pool.station}, empty: the slots fill at sum theta_i q*_i + mu (free slots)",
            ),
            nonnegative(
                most * Total(pool.buffer) - Total(here.lost),
                [over_classes(most - here.lost / pool.buffer, pool.buffer)],
                given=(most - here.lost / pool.buffer,),
                says=f"{pool.station}, full: d(sum q_i)/dt >= sum theta_i q*_i - theta sum q_i",
            ),
        ]
    gain, start = sp.symbols("g q_0", positive=True)
    floor = linear_path(gain, most, 0)
    parts.append(
        equal(
            linear_path(gain, most, start) - floor,
            start * sp.exp(-most * TIME),
            f"so sum q_i >= {floor} > 0 from then on, with g = sum theta_i q*_i, theta = max",
        )
    )
    return all_of(*parts)


def fair_plan_is_optimal() -> Finding:
    """Put the plan into balances and capacities; bound every other point by a certificate."""
    model = general_class()
    net = drift(model, PLAN)
    decode = decode_balance(model)
    prefill = sp.expand(net.prefill_queue + net.prefill)
    parts = [
        equal(value, 0, "the plan is in balance")
        for each in (prefill, decode)
        for value in TARGET.of_each(each)
    ]
    mixed, solo = (TARGET.of(room) for room in rooms(PLAN))
    if mixed != 0 or not solo > 0:
        return undecided(f"rooms {mixed} and {solo}")
    spread = sp.Symbol("spread", nonnegative=True)
    unwaiting = replace(STATE, prefill_queue=sp.Integer(0), decode_buffer=sp.Integer(0))
    free = drift(model, unwaiting)
    arriving = RATES.of_each(sp.expand(free.prefill_queue + free.prefill))
    backlog = RATES.of_each(decode_balance(model, unwaiting))
    earned = RATES.of(Total(revenue_rate(model, STATE, "bundled")))
    value = TARGET.of(Total(revenue_rate(model, PLAN, "bundled")))
    room = RATES.of(rooms(STATE)[0])
    first, second = RATES.of_each(STATE.solo_decode)
    unequal = spread - first + second
    quarter = sp.Rational(1, 4)
    parts.append(
        nonnegative(
            value - (earned - FAIRNESS_WEIGHT * spread),
            [
                product(quarter, arriving[0]),
                product(quarter + 2, arriving[1]),
                product(room),
                product(2, backlog[1]),
                product(2, RATES.of_each(STATE.mixed_decode)[1]),
                product(2, unequal),
                product(FAIRNESS_WEIGHT - 2, spread),
            ],
            given=(*arriving, *backlog, room, unequal),
            says=f"no point is worth more than {value}",
        )
    )
    return all_of(*parts)


def slack_pool_reaches_its_target(of_buffer: bool = False) -> Finding:
    """Solve the solo pool from an empty start: free slots for ever, a limit off the target.

    `of_buffer` asks for the target of its buffer, not of its slots.
    """
    model = general_class()
    chance = solo_share(model)
    flows = pool_flows(model, PLAN, replace(SOLO, share=chance))
    inflow, rate = TARGET.of_each(flows.inflow), TARGET.of_each(flows.completed / PLAN.solo_decode)
    paths = [linear_path(gain, loss, 0) for gain, loss in zip(inflow, rate, strict=True)]
    ends = [sp.limit(path, TIME, sp.oo) for path in paths]
    slots = TARGET.of(BATCH * (1 - Total(PLAN.prefill)))
    rising = all((path.diff(TIME) * sp.exp(2 * TIME)).expand().is_positive for path in paths)
    target = TARGET.of_each(chance * PLAN.decode_buffer if of_buffer else PLAN.solo_decode)[0]
    reached = sp.Integer(0) if of_buffer else ends[0]
    optimal = fair_plan_is_optimal()
    if optimal.verdict is not Verdict.PROVED:
        return unsettled(optimal)
    if not (rising and sum(ends) < slots and reached != target):
        return undecided("the pool fills or reaches its target")
    return refuted(
        "B = 2, C = 4, tau = 1/100, 1/gamma = 1/200, P = D = (100, 100), lambda = (3/2, 1/2), "
        "theta = (1, 1), c_p = c_d = 1/200, penalty 4 max |y_s,i - y_s,j|",
        "optimum: x = (3/8, 1/8), y_m = (1/2, 0), y_s = (1/4, 1/4), q_d = (1/2, 0)",
        f"y_s(t) = ({paths[0]}, {paths[1]}), in total below {sum(ends)} < {slots} slots, so "
        "nobody ever waits there",
        f"class 1: limit {reached}, target {target}",
    )


def slack_pool_drains(planned_backlog: Any = 0) -> Finding:
    """For one output length: the buffer falls while positive, then each class relaxes alone.

    `planned_backlog` is the planned decode buffer of each class.
    """
    slots = sp.Symbol("slots", positive=True)
    parts = []
    for pool in POOLS:
        held, target = SETTLED.at(pool.station), PLAN.at(pool.station)
        here = pool_flows(general_class(), SETTLED, pool)
        rate = (here.completed / held).subs(SAME_LENGTH)
        planned = planned_pool(pool).inflow.subs(planned_prefill(general_class()))
        inflow = sp.cancel(planned.subs(PLAN.decode_buffer, planned_backlog)).subs(SAME_LENGTH)
        losing = here.lost / pool.buffer
        settled = sp.limit(
            linear_path(sp.Symbol("g", positive=True), sp.Symbol("mu", positive=True), 0),
            TIME,
            sp.oo,
        ).subs({sp.Symbol("g", positive=True): inflow, sp.Symbol("mu", positive=True): rate})
        completed = Total(here.completed.subs(SAME_LENGTH)).subs(Total(held), slots)
        parts += [
            equal(settled, target, f"{pool.station}: y_i -> alpha_i/mu = y*_i once nobody waits"),
            nonnegative(
                completed
                + Total(here.lost)
                - Total(rate * target)
                - rate * (slots - Total(target)),
                [over_classes(losing, pool.buffer)],
                says=f"{pool.station}: d(sum q_i)/dt <= -mu (slots - y*) < 0 while it is positive",
            ),
        ]
    return all_of(*parts)


CLAIMS = (
    Claim(
        id="P13.5-e/corrected",
        statement="From some time on both pools have waiting jobs if all outputs are equally long.",
        latex=r"D_i=D\ \forall i\Rightarrow q_{d,s}(t)>0,\ q_{d,m}(t)>0\qquad(t\ge T_0)",
        source="derived here, after THEORY 8.7",
        assumptions=(
            sp.Gt(PLAN.decode_buffer, 0),
            sp.Eq(sp.Symbol("D_i", positive=True), sp.Symbol("D", positive=True)),
        ),
        cites=(
            "slots are full while the pool's buffer is positive (Lemma 10.7)",
            "comparison of a scalar differential inequality with its equation",
        ),
        check=equal_rates_keep_the_pool_positive,
        mutants=(
            Mutant(
                "half the planned losses",
                lambda: equal_rates_keep_the_pool_positive(planned_losses=sp.Rational(1, 2)),
            ),
        ),
    ),
    Claim(
        id="P13.5-k/printed",
        statement="The other cases, a slack pool for one, go the same way.",
        latex=(
            r"y_s^\star<B(1-x^\star)\ \text{or}\ q^\star_{d,i}=0\Rightarrow "
            r"y_{\bullet,i}\to y^\star_{\bullet,i},\ q_{d,i}\to q^\star_{d,i}"
        ),
        source="Proposition 13.5 as printed (analogous cases)",
        check=slack_pool_reaches_its_target,
        mutants=(
            Mutant(
                "its buffer reaches the target",
                lambda: slack_pool_reaches_its_target(of_buffer=True),
            ),
        ),
    ),
    Claim(
        id="P13.5-k/corrected",
        statement=(
            "A slack pool without planned backlog, all outputs equally long, empties its buffer "
            "in finite time and reaches its target."
        ),
        latex=(
            r"D_i=D,\ q^\star_{d,i}=0,\ y_\bullet^\star<C_\bullet\Rightarrow "
            r"q_{d,\bullet,i}(t)=0\ (t\ge T_0),\quad y_{\bullet,i}\to y^\star_{\bullet,i}"
        ),
        source="derived here, after THEORY 8.7",
        assumptions=(
            sp.Eq(PLAN.decode_buffer, 0),
            sp.Eq(sp.Symbol("D_i", positive=True), sp.Symbol("D", positive=True)),
        ),
        cites=("slots are full while the pool's buffer is positive (Lemma 10.7)",),
        check=slack_pool_drains,
        mutants=(
            Mutant(
                "with a planned backlog",
                lambda: slack_pool_drains(planned_backlog=PLAN.decode_buffer),
            ),
        ),
    ),
)
