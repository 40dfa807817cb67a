r"""Ledger L10.1-a to L10.1-e: prefill occupancies fall to their targets, and where they do not."""

from typing import Any

import sympy as sp

from gnr.proofs import base_trajectory
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
from gnr.proofs.kit.drift import CONTROLS, drift
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.fluid_gate import TARGET, crowded_state, gated
from gnr.proofs.kit.numbers import shown
from gnr.proofs.kit.optimum import PREFILL_PRICE, base_plan
from gnr.proofs.kit.relaxation import relaxation, solves
from gnr.proofs.kit.symbols import STATE, TIME, general_class
from gnr.proofs.kit.totals import Total

RATIO = sp.Symbol("rho_i", nonnegative=True)
GOAL = sp.Symbol("x_star_i", positive=True)
OTHER, OTHER_GOAL = sp.symbols("x_j x_star_j", positive=True)
ADMITTED = CONTROLS["U_p"]
START = sp.Symbol("x_0", positive=True)


def closed_gate() -> Any:
    """Return the drift of class i in prefill while nobody of it is admitted."""
    return drift(general_class(), STATE).prefill.xreplace({CONTROLS["U_p"]: sp.Integer(0)})


# L10.1-a, L10.1-b


def above_target_falls_everywhere(allowed: Any = 0) -> Finding:
    """Let the gate work in an exact state and look at the class above target that it admits.

    `allowed` times its departures is how fast an occupancy above target may yet grow.
    """
    here = gated(crowded_state())
    net = drift(general_class(), STATE)
    moves, leaving = here.of_each(net.prefill), here.of_each(closed_gate())
    held, goals = here.of_each(STATE.prefill), here.of_each(TARGET)
    queued, speeds = here.of_each(net.prefill_queue), here.of_each(general_class().rates.prefill)
    for k, (x, goal, move, out) in enumerate(zip(held, goals, moves, leaving, strict=True)):
        if x > goal and move > allowed * -out and queued[0] == 0:
            return refuted(
                f"x* = {_list(goals)}, mu_p = {_list(speeds)}, x = {_list(held)}, all slots full; "
                "q_p,1 = 0, lambda_1 = 3/20, q_p,2 and q_p,3 > 0",
                f"{-sum(leaving)} slots per second come free; class 1 has the least index, but "
                f"only its arrivals can take them; admitted {_list(here.of_each(ADMITTED))}",
                f"x_{k + 1}' = {move} > 0 although x_{k + 1} > x_{k + 1}*; q_p,1' = {queued[0]}",
            )
    return undecided("no occupancy above its target grows in this state")


def _list(values: Any) -> str:
    return "(" + ", ".join(map(str, values)) + ")"


def only_those_below_are_admitted(index: Any = None) -> Finding:
    """Show that with full slots and every class waiting a class above target is not admitted.

    Were every class at or above target, the slots would be more than full; so some class is
    below, and it comes before all those above. `index` maps occupancy and target to the index.
    """
    rank = (lambda x, goal: x / goal) if index is None else index
    above, below = STATE.prefill - GOAL, OTHER_GOAL - OTHER
    mu = general_class().rates.prefill
    return all_of(
        nonnegative(
            Total(GOAL * RATIO) - Total(GOAL),
            [over_classes(GOAL, RATIO - 1)],
            [RATIO - 1],
            "all rho_i ≥ 1: sum x_i - x* = sum x_i*(rho_i - 1), positive if one rho_i > 1; but "
            "full slots make it 0, so some rho_j < 1",
        ),
        nonnegative(
            sp.expand(rank(STATE.prefill, GOAL) - rank(OTHER, OTHER_GOAL)),
            [product(above, 1 / GOAL), product(below, 1 / OTHER_GOAL)],
            [above, below],
            "rho_i - rho_j = (rho_i - 1) + (1 - rho_j) > 0: class j comes first and waits",
        ),
        nonnegative(
            -closed_gate(), [product(mu, STATE.prefill)], says="class i: x_i' = -mu_p,i x_i < 0"
        ),
    )


def all_reach_their_targets(index: Any = None, slowly: Any = 1) -> Finding:
    r"""Follow the classes above target until none is left, while everybody waits.

    At :math:`t_0=\max_i\mu_{p,i}^{-1}\ln\rho_i(0)` every :math:`\rho_i\le1`; with full slots
    then all are 1. A class at 1 does not rise while another is below. `slowly` scales the time.
    """
    mu, net = general_class().rates.prefill, closed_gate()
    path = relaxation(net, STATE.prefill, START)
    when = slowly * sp.log(START / GOAL) / mu
    kept = drift(general_class(), STATE).prefill
    return all_of(
        only_those_below_are_admitted(index),
        solves(path, net, STATE.prefill, START, "x_i(t) = x_i(0) exp(-mu_p,i t)"),
        equal(path.xreplace({TIME: when}), GOAL, "at ln(x_i(0)/x_i*)/mu_p,i it is x_i*"),
        nonnegative(
            Total(GOAL) - Total(GOAL * RATIO),
            [over_classes(GOAL, 1 - RATIO)],
            [1 - RATIO],
            "all rho_i ≤ 1: x* - sum x_i is a sum of nonnegative terms; full slots make it 0, so "
            "all rho_i = 1",
        ),
        equal(
            kept.xreplace({CONTROLS["U_p"]: mu * GOAL, STATE.prefill: GOAL}),
            0,
            "there x stays, admitted as fast as it finishes: mu_p,i x_i*",
        ),
    )


# L10.1-c


def no_crossing_after(before: str = "t_1") -> Finding:
    """Go back from t_1 to the last time at or below target and integrate the drift from there.

    `before` is the time before which that last time is sought: ``t_1``, or as printed ``t_0``;
    ``first`` seeks the first time in their stead. A path that rises through its target shows
    what the choice does.
    """
    level, times = sp.Integer(1), {"first": 0, "t_0": 0, "t_1": 2}
    rising = (1 + TIME) / 2
    (crossing,) = sp.solve(rising - level, TIME)
    last = min(crossing, sp.Integer(times[before]))
    at_last = rising.xreplace({TIME: last})
    if at_last < level:
        middle = (last + crossing) / 2
        return refuted(
            f"x(t) = {rising}, x* = {level}, t_0 = 0, t_1 = 2: the time so chosen is {last}",
            f"but on ({last}, 2) x is not above x*: x({middle}) = "
            f"{rising.xreplace({TIME: middle})}, so nothing makes the integrand negative",
        )
    mu, net = general_class().rates.prefill, closed_gate()
    above, since = STATE.prefill - GOAL, sp.Symbol("t_tilde", nonnegative=True)
    lasting, moment = sp.symbols("lasting s", positive=True)
    lost = sp.integrate(-mu * GOAL, (moment, since, since + lasting))
    return all_of(
        equal(at_last, level, "x = x* at the last time before t_1, x > x* from then to t_1"),
        nonnegative(
            -mu * GOAL - net,
            [product(mu, above)],
            [above],
            "there x_i' = -mu_p,i x_i ≤ -mu_p,i x_i*, where L10.1-a holds",
        ),
        nonnegative(
            GOAL - (GOAL + sp.expand(lost)),
            [product(mu, GOAL, lasting)],
            says="x_i(t_1) ≤ x_i* - mu_p,i x_i* (t_1 - last time) < x_i*: no such t_1",
        ),
    )


# L10.1-d


def level_is_reached(linear: bool = False) -> Finding:
    """Solve the closed gate; a positive target is met at a known time, a target of 0 never.

    `linear` claims the time that the initial speed would take.
    """
    mu, net = general_class().rates.prefill, closed_gate()
    path = relaxation(net, STATE.prefill, START)
    when = (START - GOAL) / (mu * START) if linear else sp.log(START / GOAL) / mu
    return all_of(
        solves(path, net, STATE.prefill, START, "x_i(t) = x_i(0) exp(-mu_p,i t)"),
        equal(path.xreplace({TIME: when}), GOAL, "it is x_i* at t = ln(x_i(0)/x_i*)/mu_p,i"),
        proved("x_i* = 0: x_i(t) > 0 at every t, so L10.1 fails for a class shut out but present")
        if path.is_positive
        else undecided(f"sign of {path}"),
        equal(sp.limit(path, TIME, sp.oo), 0, "only in the limit it is 0"),
    )


# L10.1-e


def trajectory_of_the_base_instance() -> Finding:
    """Derive the plan and the exact path of the gate on the base instance.

    Also why the second switch is the last: where free slots fill up, Σ x_i grows, and its growth
    is what class 0 is admitted less than it arrives once they are full.
    """
    served = drift(general_class(), STATE).prefill.xreplace(
        {ADMITTED: general_class().rates.arrival_rate}
    )
    arriving, freed = Total(general_class().rates.arrival_rate), Total(-closed_gate())
    plan = base_plan(mixed=(2,))
    same = base_trajectory.base_plan().prefill
    prices = plan.numbers.of_each(PREFILL_PRICE)
    return all_of(
        plan.finding,
        proved("class 1 is planned without a queue: hat phi_1 theta_1 > 0 in every optimum")
        if prices[1] > 0 and plan.states[1].prefill_queue == 0
        else undecided("class 1 may wait in some optimum"),
        *(
            equal(state.prefill, sp.Rational(x.numerator, x.denominator), f"x_{k}* as planned")
            for k, (state, x) in enumerate(zip(plan.states, same, strict=True))
        ),
        equal(
            Total(served),
            arriving - freed,
            "where slots fill, sum x_i' = sum lambda_i - freed ≥ 0: full, class 0 is admitted at "
            "freed - lambda_1 ≤ lambda_0, and its queue grows from 0",
        ),
        base_trajectory.solves_the_model(),
        base_trajectory.obeys_the_gate(),
        base_trajectory.occupancy_stays_above_the_plan(),
    )


def omitted_case_is_the_same(allowed: Any = 0) -> Finding:
    """Ask of the base instance that x_0 be at most x_0* from some time on.

    `allowed` times what class 1 lacks of its target is how far class 0 may yet be above its own.
    """
    derived = trajectory_of_the_base_instance()
    if derived.verdict is not Verdict.PROVED:
        return unsettled(derived)
    plan, last = base_plan(mixed=(2,)), base_trajectory.phases()[2]
    above, lacking = (
        sign * (last.prefill[k] - plan.states[k].prefill) for k, sign in ((0, 1), (1, -1))
    )
    over = sp.expand(above - allowed * lacking)
    if not over.is_positive:
        return undecided(f"x_0 is above what is allowed by {over}")
    return refuted(
        "base instance: q_p,1* = 0 in every optimum, so its class 1 is outside the scope; a "
        "vertex has at most two classes inside it (M-q)",
        f"x* = ({shown(plan.states[0].prefill)}, {shown(plan.states[1].prefill)}); start x = 0, "
        "q_p = (1/2, 0)",
        "x_1(t) = x_1*(1 - exp(-mu_p,1 t)); slots full: x_0 - x_0* = x_1* exp(-mu_p,1 t) > 0; "
        "slots free: x_0 ≥ lambda_0/mu_p,0 > x_0*",
        "so x_0(t) > x_0* at every t > 0: no t_0 exists",
        f"in the end x_0 - x_0* exceeds {allowed} (x_1* - x_1) by {over}",
    )


def targets_are_limits(unlimited: bool = False) -> Finding:
    """Take the limit of the exact path of the base instance, occupancies and queue.

    `unlimited` claims that class 0 rests where it would if it were admitted whole.
    """
    plan, last = base_plan(mixed=(2,)), base_trajectory.phases()[2]
    aims = [state.prefill for state in plan.states]
    if unlimited:
        aims[0] = plan.numbers.of(general_class().rates.full_prefill, 1)
    return all_of(
        trajectory_of_the_base_instance(),
        *(
            equal(sp.limit(last.prefill[k], TIME, sp.oo), aims[k], f"x_{k}(t) → x_{k}*")
            for k in (0, 1)
        ),
        equal(
            sp.limit(last.queue[0], TIME, sp.oo),
            plan.states[0].prefill_queue,
            "q_p,0(t) → q_p,0*; class 1 never waits, q_p,1* = 0",
        ),
    )


CLAIMS = (
    Claim(
        id="L10.1-a/printed",
        statement="Under the gate every occupancy above its target falls.",
        latex=r"x_i>x_i^\star\Rightarrow\dot x_i<0",
        source="THEORY 8.4, Lemma 10.1",
        check=above_target_falls_everywhere,
        mutants=(
            Mutant(
                "it grows at most half as fast as it finishes",
                lambda: above_target_falls_everywhere(allowed=sp.Rational(1, 2)),
            ),
        ),
    ),
    Claim(
        id="L10.1-a/corrected",
        statement="With full slots, and requests of every class waiting, every occupancy above "
        "its target falls.",
        latex=r"q_{p,j}>0\ \forall j,\ \sum_jx_j=x^\star:\quad "
        r"x_i>x_i^\star\Rightarrow\dot x_i=-\mu_{p,i}x_i<0",
        source="THEORY 8.4, Lemma 10.1",
        assumptions=(sp.Gt(STATE.prefill_queue, 0),),
        check=only_those_below_are_admitted,
        mutants=(
            Mutant(
                "the gate ranks by occupancy, not relative to target",
                lambda: only_those_below_are_admitted(lambda x, goal: x),
            ),
            Mutant(
                "the gate ranks by target over occupancy",
                lambda: only_those_below_are_admitted(lambda x, goal: goal / x),
            ),
        ),
    ),
    Claim(
        id="L10.1-b",
        statement="While slots are full and every class waits, all occupancies are at target "
        "from a known time on.",
        latex=r"t_0=\max_i\mu_{p,i}^{-1}\ln\rho_i(0):\quad x_i(t)=x_i^\star\ \forall t\ge t_0",
        source="THEORY 8.4, derived",
        assumptions=(sp.Gt(STATE.prefill_queue, 0),),
        check=all_reach_their_targets,
        mutants=(
            Mutant(
                "the gate ranks by occupancy, not relative to target",
                lambda: all_reach_their_targets(lambda x, goal: x),
            ),
            Mutant("in half the time", lambda: all_reach_their_targets(slowly=sp.Rational(1, 2))),
        ),
    ),
    Claim(
        id="L10.1-c/printed",
        statement="After the last time before t_0 at or below target, up to t_1, the occupancy is "
        "above target.",
        latex=r"\tilde t=\sup\{t<t_0:x_i(t)\le x_i^\star\}",
        source="THEORY 8.4, proof of Lemma 10.1",
        check=lambda: no_crossing_after("t_0"),
        mutants=(
            Mutant("the first such time instead of the last", lambda: no_crossing_after("first")),
        ),
    ),
    Claim(
        id="L10.1-c/corrected",
        statement="After the last time before t_1 at or below target the occupancy falls, so it is "
        "not above target at t_1.",
        latex=r"\tilde t=\sup\{t<t_1:x_i(t)\le x_i^\star\},\quad x_i(t_1)=x_i(\tilde t)"
        r"+\int_{\tilde t}^{t_1}\dot x_i\,dt<x_i^\star",
        source="THEORY 8.4, proof of Lemma 10.1",
        check=no_crossing_after,
        mutants=(Mutant("the last time before t_0", lambda: no_crossing_after("t_0")),),
        cites=("occupancies are Lipschitz, the integral of their derivative",),
    ),
    Claim(
        id="L10.1-d",
        statement="With the gate closed an occupancy meets a positive target in finite time, a "
        "target of 0 never.",
        latex=r"x_i(t)=x_i(0)e^{-\mu_{p,i}t}=x_i^\star\iff "
        r"t=\mu_{p,i}^{-1}\ln(x_i(0)/x_i^\star)",
        source="THEORY 8.4, proof of Lemma 10.1",
        check=level_is_reached,
        mutants=(
            Mutant("at its initial speed all the way", lambda: level_is_reached(linear=True)),
        ),
    ),
    Claim(
        id="L10.1-e/printed",
        statement="The case that the paper calls straightforward: where a class is planned without "
        "a queue, as in the base instance, Lemma 10.1 holds as well.",
        latex=r"q_{p,1}^\star=0:\quad\exists t_0\ \forall t\ge t_0\ x_0(t)\le x_0^\star",
        source="THEORY 8.4, scope of Lemmas 10.1 to 10.5",
        check=omitted_case_is_the_same,
        mutants=(
            Mutant(
                "in the end half as far above as class 1 is below",
                lambda: omitted_case_is_the_same(allowed=sp.Rational(1, 2)),
            ),
        ),
    ),
    Claim(
        id="L10.1-e/corrected",
        statement="There the targets are reached only in the limit: on the base instance, from an "
        "empty cluster with class 0 waiting, prefills and queues tend to the plan.",
        latex=r"x_0(t)-x_0^\star=x_1^\star e^{-\mu_{p,1}t}\to0,\quad q_{p,0}(t)\to q_{p,0}^\star",
        source="THEORY 8.4, M-q, 11.2",
        check=targets_are_limits,
        mutants=(
            Mutant("class 0 ends up admitted whole", lambda: targets_are_limits(unlimited=True)),
        ),
    ),
)
