r"""Ledger 8.6, P12.1-d to i: admissions and occupancies of each pool under Algorithm 6."""

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
from gnr.proofs.kit.exact import equal, nonnegative, product
from gnr.proofs.kit.linear_paths import linear_path
from gnr.proofs.kit.paths import without
from gnr.proofs.kit.pools import (
    MIXED,
    PLAN,
    SOLO,
    PoolFlows,
    planned_prefill,
    pool_flows,
)
from gnr.proofs.kit.symbols import CHUNK, MIXED_TIME, SOLO_TIME, STATE, TIME, Model, general_class
from gnr.proofs.proposition_12_1 import NO_BACKLOG, POOLS, pool_rate
from gnr.proofs.section_13 import planned_pool

SLOPE = sp.Symbol("dq_i", real=True)
"""Derivative of a pool's buffer."""
OFF = sp.Symbol("epsilon", positive=True)
POINT = {
    CHUNK: 1,
    MIXED_TIME: sp.Rational(1, 400),
    SOLO_TIME: sp.Rational(1, 200),
    sp.Symbol("P_i", positive=True): 100,
    sp.Symbol("D_i", positive=True): 100,
    sp.Symbol("theta_i", positive=True): 1,
    SOLO.share: sp.Rational(1, 2),
    STATE.prefill: sp.Rational(1, 2),
    MIXED.buffer: 1,
    SOLO.buffer: sp.Rational(1, 2),
    STATE.mixed_decode: sp.Rational(1, 2),
    STATE.solo_decode: 1,
    PLAN.mixed_decode: sp.Rational(1, 4),
    PLAN.solo_decode: sp.Rational(1, 2),
}
"""One class, B = 2, x = x* = 1/2: mu_p = 4, mu_m = 4, mu_s = 2, both pools full and waited for."""
_TOLD = (
    "one class, B = 2, x = x* = 1/2, mu_p = mu_m = 4, mu_s = 2, theta = 1, p_s = 1/2, "
    "y* = (1/4, 1/2)"
)
_FULL = f"{_TOLD}; q_d,m = 1, q_d,s = 1/2, slots full: y_m = 1/2, y_s = 1"


def flows_of_both(model: Model | None = None) -> tuple[PoolFlows, PoolFlows]:
    """Return the flows of the mixed and of the solo pool at any state."""
    mixed, solo = (pool_flows(model or general_class(), STATE, pool) for pool in POOLS)
    return mixed, solo


def state_is_as_told() -> Finding:
    """Compare what moves at the state of the counterexamples with the numbers it is told by."""
    rates = general_class().rates
    speeds = (rates.prefill, rates.mixed_decode, rates.solo_decode)
    parts = [
        equal(speed.subs(POINT), told, f"the rate is {told}")
        for speed, told in zip(speeds, (4, 4, 2), strict=True)
    ]
    for pool, lost, flows in zip(POOLS, (1, sp.Rational(1, 2)), flows_of_both(), strict=True):
        moved = sp.expand(flows.decode_drift + flows.buffer_drift).subs(POINT)
        admitted = sp.expand(flows.decode_drift - flows.buffer_drift).diff(flows.admitted)
        parts += [
            equal(moved, 1 - lost - 2, f"{pool.station}: 1 comes in, {lost} leaves, 2 completed"),
            equal(admitted, 2, f"{pool.station}: an admission takes from the buffer to a slot"),
        ]
    return all_of(*parts)


def admissions(flows: PoolFlows) -> Any:
    """Return the admissions that the buffer equation leaves."""
    (admitted,) = sp.solve(flows.buffer_drift - SLOPE, flows.admitted)
    return admitted


def admitted_when_full(flows: PoolFlows) -> Any:
    """Return the admissions of a full pool with one class that waits: its completions."""
    return flows.completed.subs(POINT)


def losses_inside_the_factor(exchanged: bool = True) -> Finding:
    """Compare the printed admission rates with those of full pools at one exact state.

    `exchanged` tells whether each pool is given the queue of the other.
    """
    told = state_is_as_told()
    if told.verdict is not Verdict.PROVED:
        return unsettled(told)
    theta = general_class().rates.patience_rate
    arriving = general_class().rates.prefill * STATE.prefill
    lines = []
    for pool, other, flows in zip(POOLS, reversed(POOLS), flows_of_both(), strict=True):
        queue = (other if exchanged else pool).buffer
        printed = (pool.share * (arriving - theta * queue)).subs(POINT)
        actual = admitted_when_full(flows)
        if printed != actual:
            slope = flows.buffer_drift.subs(flows.admitted, actual).subs(POINT)
            lines.append(f"{pool.station}: admitted {actual} (dq/dt = {slope}), printed {printed}")
    if not lines:
        return undecided("no difference at this state")
    return refuted(_FULL, *lines)


def admissions_are_what_is_left(model: Model | None = None, moving: int = 1) -> Finding:
    """Solve the buffer equation of each pool for its admissions.

    `moving` 0 leaves the derivative of the buffer out of the statement.
    """
    theta = general_class().rates.patience_rate
    arriving = general_class().rates.prefill * STATE.prefill
    parts = []
    for pool, flows in zip(POOLS, flows_of_both(model), strict=True):
        stated = pool.share * arriving - theta * pool.buffer - moving * SLOPE
        parts.append(equal(admissions(flows), stated, f"{pool.station}: admissions"))
    return all_of(*parts)


def slots_forget_the_buffer(shrink: int = 1) -> Finding:
    """Compare the printed equation of the slots with the drift at a state with full buffers.

    `shrink` multiplies the inflow in the printed equation.
    """
    told = state_is_as_told()
    if told.verdict is not Verdict.PROVED:
        return unsettled(told)
    lines = []
    for pool, flows in zip(POOLS, flows_of_both(), strict=True):
        actual = flows.decode_drift.subs(flows.admitted, admitted_when_full(flows)).subs(POINT)
        printed = (shrink * flows.inflow - flows.completed).subs(POINT)
        if printed != actual:
            lines.append(f"{pool.station}: dy/dt = {actual}, printed {printed}")
    if not lines:
        return undecided("no difference at this state")
    return refuted(_FULL, *lines)


def sums_relax_to_the_target(losses: int = 1) -> Finding:
    r"""Write :math:`z=q+y` as a linear equation and squeeze its solution.

    Its gain differs from the planned completions by what vanishes with q and x - x\*.
    `losses` multiplies the abandonments in the equation of z.
    """
    held = sp.Symbol("z_i", nonnegative=True)
    end, loss = sp.symbols("g mu", positive=True)
    start = sp.Symbol("z_0", nonnegative=True)
    settled = sp.limit(linear_path(end + OFF, loss, start), TIME, sp.oo)
    parts = []
    for pool, flows in zip(POOLS, flows_of_both(), strict=True):
        rate, occupied = pool_rate(pool), STATE.at(pool.station)
        moved = sp.expand(flows.buffer_drift + flows.decode_drift).subs(
            occupied, held - pool.buffer
        )
        gain = flows.inflow - losses * flows.lost + rate * pool.buffer
        planned = planned_pool(pool).inflow.subs(planned_prefill(general_class())).subs(NO_BACKLOG)
        target = PLAN.at(pool.station)
        parts += [
            equal(moved, gain - rate * held, f"{pool.station}: dz/dt = gain - mu z"),
            equal(
                gain.subs(pool.buffer, 0).subs(STATE.prefill, PLAN.prefill),
                flows.inflow.subs(STATE.prefill, PLAN.prefill),
                f"{pool.station}: with q -> 0, x -> x* the gain tends to the planned inflow",
            ),
            equal(
                settled.subs({end: planned, loss: rate}),
                target + OFF / rate,
                f"{pool.station}: z ends within epsilon/mu of y*_i, and y = z - q",
            ),
        ]
    return all_of(*parts)


def targets_balance(backlog: Any = 0) -> Finding:
    """Put the plan through the split network, pool by pool and in total.

    `backlog` is the planned decode buffer of each class.
    """
    model = general_class()
    x = planned_prefill(model)
    parts = []
    for pool in POOLS:
        flows = planned_pool(pool)
        inflow = flows.inflow.subs(x).subs(PLAN.decode_buffer, backlog)
        says = f"{pool.station}: planned inflow is planned completions"
        parts.append(equal(inflow, pool_rate(pool) * PLAN.at(pool.station), says))
    total = (model.rates.prefill * PLAN.prefill).subs(x).subs(PLAN.decode_buffer, backlog)
    completed = sum(pool_rate(pool) * PLAN.at(pool.station) for pool in POOLS)
    return all_of(*parts, equal(total, completed, "mu_p,i x*_i = all planned completions"))


def derivative_of_the_other_pool(sign: int = 1) -> Finding:
    """Look for a state with admissions at their targets that breaks the printed bounds.

    Both pools are admitted at their targets, the mixed slots at rest, the solo slots empty.
    `sign` -1 puts the other pool's derivative on with a minus.
    """
    told = state_is_as_told()
    if told.verdict is not Verdict.PROVED:
        return unsettled(told)
    mixed, solo = flows_of_both()
    aim = {pool: (pool_rate(pool) * PLAN.at(pool.station)).subs(POINT) for pool in POOLS}
    rising = solo.decode_drift.subs({solo.admitted: aim[SOLO], STATE.solo_decode: 0}).subs(POINT)
    resting = mixed.completed.subs(STATE.mixed_decode, PLAN.mixed_decode).subs(POINT)
    off = sp.Rational(1, 10)
    middle = sign * rising + resting
    if aim[MIXED] - off <= middle <= aim[MIXED] + off:
        return undecided("the bounds hold at this state")
    return refuted(
        f"{_TOLD}; nobody waits, y_m = y*_m, y_s = 0, so both pools are admitted at mu y* = "
        f"{aim[MIXED]}; epsilon = {off}",
        f"printed middle term {middle}, outside [{aim[MIXED] - off}, {aim[MIXED] + off}]",
    )


def slots_are_squeezed(model: Model | None = None, width: Any = 1) -> Finding:
    """Add completions to the drift of the slots: what is left are the admissions.

    `width` times epsilon bounds the admissions; the statement has epsilon.
    """
    parts = []
    for pool, flows in zip(POOLS, flows_of_both(model), strict=True):
        aim = pool_rate(pool) * PLAN.at(pool.station)
        middle = flows.decode_drift + pool_rate(pool) * STATE.at(pool.station)
        parts.append(equal(middle, flows.admitted, f"{pool.station}: dy/dt + mu y is du"))
        over = flows.admitted - aim
        for says, distance in (("at most epsilon above", over), ("at most epsilon below", -over)):
            room = width * OFF - distance
            parts.append(
                nonnegative(
                    OFF - distance,
                    [product(room)],
                    given=(room,),
                    says=f"{pool.station}: {says} mu y*",
                )
            )
    return all_of(*parts)


def occupancies_end_within(power: int = -1) -> Finding:
    """Solve the upper and the lower equation and take their distance to the target.

    `power` of the rate multiplies epsilon in the statement.
    """
    rate, start = sp.Symbol("mu", positive=True), sp.Symbol("y_0", nonnegative=True)
    target = sp.Symbol("y_star", nonnegative=True)
    parts = []
    for side in (OFF, -OFF):
        path = linear_path(rate * target + side, rate, start)
        level = side * rate**power
        stated = level + (start - target - level) * sp.exp(-rate * TIME)
        parts += [
            equal(sp.powsimp(sp.expand(path - target - stated)), 0, "distance to the target"),
            equal(sp.limit(path, TIME, sp.oo), target + level, "its limit"),
        ]
    return all_of(*parts)


CLAIMS = (
    Claim(
        id="P12.1-d/printed",
        statement="Admissions are the prefills less the other pool's losses, times the share.",
        latex=(
            r"\dot u_{d,m,i}=(1-p_{s,i})(\mu_{p,i}x_i-\theta_iq_{d,s,i}),\quad "
            r"\dot u_{d,s,i}=p_{s,i}(\mu_{p,i}x_i-\theta_iq_{d,m,i})"
        ),
        source="Proposition 12.1 as printed",
        check=losses_inside_the_factor,
        mutants=(
            Mutant("each with its own queue", lambda: losses_inside_the_factor(exchanged=False)),
        ),
    ),
    Claim(
        id="P12.1-d/corrected",
        statement="Admissions are what the pool's own buffer neither loses nor keeps.",
        latex=(
            r"\dot u_{d,m,i}=(1-p_{s,i})\mu_{p,i}x_i-\theta_iq_{d,m,i}-\dot q_{d,m,i},\quad "
            r"\dot u_{d,s,i}=p_{s,i}\mu_{p,i}x_i-\theta_iq_{d,s,i}-\dot q_{d,s,i}"
        ),
        source="THEORY 8.6, from eq. P26",
        check=admissions_are_what_is_left,
        mutants=(
            Mutant(
                "the buffer's derivative dropped", lambda: admissions_are_what_is_left(moving=0)
            ),
            Mutant(
                "nobody abandons the buffer",
                lambda: admissions_are_what_is_left(without(general_class(), "B_d")),
            ),
        ),
    ),
    Claim(
        id="P12.1-e/printed",
        statement="Slots fill at the pool's part of the prefills.",
        latex=r"\dot y_{m,i}=(1-p_{s,i})\mu_{p,i}x_i-\mu_{m,i}y_{m,i}",
        source="Proposition 12.1 as printed",
        check=slots_forget_the_buffer,
        mutants=(Mutant("no inflow at all", lambda: slots_forget_the_buffer(shrink=0)),),
    ),
    Claim(
        id="P12.1-e/corrected",
        statement="Buffer and slots together obey a linear equation, and relax to the plan.",
        latex=(
            r"z=q_{d,m,i}+y_{m,i}:\ \dot z=(1-p_{s,i})\mu_{p,i}x_i-\theta_iq_{d,m,i}"
            r"+\mu_{m,i}q_{d,m,i}-\mu_{m,i}z,\quad q\to0,\ x\to x^\star\Rightarrow "
            r"y_{m,i}\to y^\star_{m,i}"
        ),
        source="THEORY 8.6",
        assumptions=(sp.Eq(PLAN.decode_buffer, 0),),
        cites=("comparison of a scalar differential inequality with its equation",),
        check=sums_relax_to_the_target,
        mutants=(
            Mutant("abandonment dropped", lambda: sums_relax_to_the_target(losses=0)),
            Mutant("abandonment counted twice", lambda: sums_relax_to_the_target(losses=2)),
        ),
    ),
    Claim(
        id="P12.1-f",
        statement="At the plan each pool is sent what it completes.",
        latex=(
            r"(1-p_{s,i})\mu_{p,i}x^\star_i=\mu_{m,i}y^\star_{m,i},\quad "
            r"p_{s,i}\mu_{p,i}x^\star_i=\mu_{s,i}y^\star_{s,i}"
        ),
        source="THEORY 8.6",
        assumptions=(sp.Eq(PLAN.decode_buffer, 0),),
        check=targets_balance,
        mutants=(
            Mutant("with a planned backlog", lambda: targets_balance(backlog=PLAN.decode_buffer)),
        ),
    ),
    Claim(
        id="P12.1-h/printed",
        statement="Admissions near their targets squeeze a sum with the solo derivative in it.",
        latex=(
            r"\mu_{m,i}y^\star_{m,i}-\epsilon\le\dot y_{s,i}+\mu_{m,i}y_{m,i}"
            r"\le\mu_{m,i}y^\star_{m,i}+\epsilon"
        ),
        source="Proposition 12.1 as printed",
        check=derivative_of_the_other_pool,
        mutants=(Mutant("minus sign", lambda: derivative_of_the_other_pool(sign=-1)),),
    ),
    Claim(
        id="P12.1-h/corrected",
        statement="Admissions near their targets squeeze each pool's own equation.",
        latex=(
            r"|\dot u_{d,\bullet,i}-\mu_{\bullet,i}y^\star_{\bullet,i}|\le\epsilon\Rightarrow"
            r"|\dot y_{\bullet,i}+\mu_{\bullet,i}y_{\bullet,i}"
            r"-\mu_{\bullet,i}y^\star_{\bullet,i}|\le\epsilon"
        ),
        source="THEORY 8.6",
        check=slots_are_squeezed,
        mutants=(
            Mutant("admissions within two epsilon", lambda: slots_are_squeezed(width=2)),
            Mutant(
                "no edge for mixed completions",
                lambda: slots_are_squeezed(without(general_class(), "S_dm")),
            ),
        ),
    ),
    Claim(
        id="P12.1-i",
        statement="Squeezed occupancies end within epsilon over the rate of their targets.",
        latex=(
            r"|y_{m,i}(t)-y^\star_{m,i}|\le\frac{\epsilon}{\mu_{m,i}}"
            r"+{\rm const}\cdot e^{-\mu_{m,i}t}"
        ),
        source="THEORY 8.6",
        cites=("comparison of a scalar differential inequality with its equation",),
        check=occupancies_end_within,
        mutants=(Mutant("epsilon not divided", lambda: occupancies_end_within(power=0)),),
    ),
)
