r"""Ledger 8.7, P13.5-g to j: the linear system while every queue of both pools is positive."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, undecided
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.linear_paths import linear_path
from gnr.proofs.kit.paths import without
from gnr.proofs.kit.pools import MIXED, PLAN, Pool, class_weight, planned_prefill, pool_flows
from gnr.proofs.kit.symbols import STATE, TIME, Model, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.lemma_13_3 import applied
from gnr.proofs.lemma_13_3_limit import projected
from gnr.proofs.proposition_13_5 import POOLS, SETTLED
from gnr.proofs.section_13 import planned_pool

LOSS = sp.Symbol("theta_i", positive=True)


def decode_rate(pool: Pool) -> Any:
    """Return the rate of the pool's completions, from its edge."""
    return pool_flows(general_class(), PLAN, pool).completed / PLAN.at(pool.station)


def slots_follow_the_matrix(model: Model | None = None, mixed_up: bool = False) -> Finding:
    """Admit completions by weight and compare the slots' drift with A applied to them.

    `mixed_up` exchanges the weights of the two pools.
    """
    parts = []
    for pool, other in zip(POOLS, reversed(POOLS), strict=True):
        flows = pool_flows(model or general_class(), SETTLED, pool)
        chosen = class_weight(general_class(), other if mixed_up else pool)
        weight = class_weight(general_class(), pool)
        move = flows.decode_drift.subs(flows.admitted, chosen * Total(flows.completed))
        stated = applied(STATE.at(pool.station), decode_rate(pool), weight)
        parts += [
            equal(move, stated, f"{pool.station}: dy/dt = (weights mu' - diag mu) y"),
            equal(Total(weight), 1, f"{pool.station}: the weights sum to 1, as L13.3 asks"),
        ]
    return all_of(*parts)


def limit_is_the_target(power: int = -1) -> Finding:
    """Put the weights and the planned total into the limit of Lemma 13.3.

    `power` of the rates makes the direction of the kernel. Classes without weight are removed
    first: they drain into the others.
    """
    parts = []
    for pool in POOLS:
        target, rate = PLAN.at(pool.station), decode_rate(pool)
        direction = class_weight(general_class(), pool) * rate**power
        says = f"{pool.station}: D^-1 weights, scaled to the planned total, is y*_i"
        parts.append(equal(projected(target, direction), target, says))
        start = sp.Symbol("y_0_i", nonnegative=True)
        drained = linear_path(0, LOSS, start)
        if sp.limit(drained, TIME, sp.oo) != 0:
            return undecided(f"{drained} does not vanish")
        handed_on = sp.integrate(LOSS * drained, (TIME, 0, sp.oo))
        says = f"{pool.station}: a class of weight 0 decays and hands all of y(0) on"
        parts.append(equal(handed_on, start, says))
    return all_of(*parts)


def buffers_by_variation_of_constants(kept: int = 1) -> Finding:
    """Differentiate the printed integral with any course of completions and compare.

    `kept` multiplies the rate in the exponentials.
    """
    begin, past = sp.symbols("T_0 u", nonnegative=True)
    start = sp.Symbol("q_0_i", nonnegative=True)
    completions = sp.Function("S", nonnegative=True)
    parts = []
    for pool in POOLS:
        weight = sp.Symbol("varpi_i", nonnegative=True)
        flows = pool_flows(general_class(), SETTLED, pool)
        loss = kept * flows.lost / pool.buffer
        fed = sp.Integral(
            sp.exp(loss * past) * (flows.inflow - weight * completions(past)), (past, begin, TIME)
        )
        path = sp.exp(-loss * (TIME - begin)) * start + sp.exp(-loss * TIME) * fed
        drift = flows.buffer_drift.subs(flows.admitted, weight * completions(TIME))
        wrong = path.diff(TIME) - drift.subs(pool.buffer, path)
        parts += [
            equal(sp.powsimp(sp.expand(wrong)), 0, f"{pool.station}: solves the buffer equation"),
            equal(path.subs(TIME, begin).doit(), start, f"{pool.station}: starts at q(T_0)"),
        ]
    return all_of(*parts)


def buffers_reach_their_targets(part: Any = 1) -> Finding:
    r"""Squeeze: within epsilon of the planned admissions, q ends within epsilon/theta of target.

    `part` multiplies the planned buffer in the statement.
    """
    off, loss = sp.symbols("epsilon theta", positive=True)
    gain = sp.Symbol("g", nonnegative=True)
    start = sp.Symbol("q_0", nonnegative=True)
    settled = sp.limit(linear_path(gain + off, loss, start), TIME, sp.oo)
    parts, ends = [], []
    for pool in POOLS:
        flows = planned_pool(pool)
        bracket = (flows.inflow - flows.completed).subs(planned_prefill(general_class()))
        patience = pool_flows(general_class(), PLAN, pool).lost / pool.buffer
        end = settled.subs({gain: bracket, loss: patience})
        ends.append(end.subs(off, 0))
        target = flows.lost / patience
        says = f"{pool.station}: q_i ends at most epsilon/theta_i off its target"
        parts.append(equal(end, part * target + off / patience, says))
    return all_of(
        *parts,
        equal(ends[0] + ends[1], PLAN.decode_buffer, "q_d,m,i + q_d,s,i -> q*_d,i"),
    )


CLAIMS = (
    Claim(
        id="P13.5-g",
        statement="While every queue of a full pool is positive its slots obey a linear system.",
        latex=r"\dot y_m=A_my_m,\qquad A_m=\varpi_m\mu_m^\top-{\rm diag}(\mu_m)",
        source="THEORY 8.7, Proposition 13.5",
        assumptions=(sp.Gt(MIXED.buffer, 0),),
        cites=("(P66) and all class queues positive, which P13.5-e and f do not establish",),
        check=slots_follow_the_matrix,
        mutants=(
            Mutant(
                "no edge for mixed completions",
                lambda: slots_follow_the_matrix(without(general_class(), "S_dm")),
            ),
            Mutant("weights of the other pool", lambda: slots_follow_the_matrix(mixed_up=True)),
        ),
    ),
    Claim(
        id="P13.5-h",
        statement="The limit of the linear system is the plan, also with classes of weight zero.",
        latex=(
            r"(D^{-1}\varpi_m)_i=\frac{y^\star_{m,i}}{\sum_j\mu_{m,j}y^\star_{m,j}},\qquad "
            r"\mathbf 1^\top y=y_m^\star\Rightarrow y^\infty=y_m^\star"
        ),
        source="THEORY 8.7, eq. U16",
        cites=("Lemma 13.3 with an integrable forcing (variation of constants)",),
        check=limit_is_the_target,
        mutants=(
            Mutant("weights without the rates", lambda: limit_is_the_target(power=0)),
            Mutant("D for its inverse", lambda: limit_is_the_target(power=1)),
        ),
    ),
    Claim(
        id="P13.5-i",
        statement="Each buffer is given by variation of constants.",
        latex=(
            r"q_{d,s,i}(t)=e^{-\theta_i(t-T_0)}q_{d,s,i}(T_0)+\int_{T_0}^te^{-\theta_i(t-u)}"
            r"\Big(\alpha_{s,i}-\varpi_{s,i}\sum_j\mu_{s,j}y_{s,j}(u)\Big)du"
        ),
        source="THEORY 8.7, Proposition 13.5",
        assumptions=(sp.Gt(MIXED.buffer, 0),),
        check=buffers_by_variation_of_constants,
        mutants=(
            Mutant("twice the patience rate", lambda: buffers_by_variation_of_constants(kept=2)),
        ),
    ),
    Claim(
        id="P13.5-j",
        statement="The buffers reach their planned values.",
        latex=(
            r"\alpha_{s,i}-\mu_{s,i}y^\star_{s,i}=\theta_iq^\star_{d,s,i}"
            r"\Rightarrow q_{d,s,i}\to q^\star_{d,s,i},\quad q_{d,i}\to q^\star_{d,i}"
        ),
        source="THEORY 8.7, Proposition 13.5",
        assumptions=(sp.Gt(LOSS, 0, evaluate=False),),
        cites=("comparison of a scalar differential inequality with its equation",),
        check=buffers_reach_their_targets,
        mutants=(
            Mutant("half of the buffer", lambda: buffers_reach_their_targets(sp.Rational(1, 2))),
        ),
    ),
)
