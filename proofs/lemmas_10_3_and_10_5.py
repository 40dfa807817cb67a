r"""Ledger L10.3-a, L10.3-b and L10.5-a: prefill queues fill, stay and settle at their targets."""

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
from gnr.proofs.kit.drift import CONTROLS, drift
from gnr.proofs.kit.exact import equal, nonnegative, product
from gnr.proofs.kit.fluid_gate import TARGET, crowded_state, gated
from gnr.proofs.kit.relaxation import relaxation, solves
from gnr.proofs.kit.symbols import STATE, TIME, Model, State, general_class

ADMITTED = CONTROLS["U_p"]
GOAL, QUEUE_GOAL = sp.symbols("x_star_i q_star_i", positive=True)
START, QUEUE_START = sp.symbols("x_0 q_0", positive=True)


def planned_arrivals(model: Model) -> Any:
    """Return lambda_i as the balance of the plan gives it, from x* and q_p*."""
    plan = State(QUEUE_GOAL, GOAL, *[sp.Integer(0)] * 3)
    net = drift(model, plan)
    (arrivals,) = sp.solve(net.prefill_queue + net.prefill, model.rates.arrival_rate)
    return arrivals


def without_queue(model: Model) -> Any:
    """Return the drift in prefill of a class that is admitted on arrival."""
    net = drift(model, STATE)
    empty = net.prefill_queue.xreplace({STATE.prefill_queue: sp.Integer(0)})
    (admitted,) = sp.solve(empty, ADMITTED)
    return net.prefill.xreplace({ADMITTED: admitted})


# L10.3-a


def empty_queue_means_balance(since: Any = 0) -> Finding:
    """Look for lambda_i = mu_p,i x_i(t) along the path of a class that never waits.

    `since` is the time in units of 1/mu_p,i from which on it should hold.
    """
    model = general_class()
    rates = model.rates
    path = relaxation(without_queue(model), STATE.prefill, START)
    excess = (rates.arrival_rate - rates.prefill * path).xreplace({TIME: since / rates.prefill})
    solved = solves(path, without_queue(model), STATE.prefill, START, "x' = lambda - mu_p x")
    if solved.verdict is not Verdict.PROVED:
        return unsettled(solved)
    return equal(sp.expand(excess), 0, "lambda_i = mu_p,i x_i if q_p,i = 0")


def occupancy_outgrows_its_target(limit_exceeds_by: Any = None) -> Finding:
    r"""Solve the path of a class that never waits and compare its limit with the target.

    `limit_exceeds_by` is the excess; :math:`\theta_iq^\star_{p,i}/\mu_{p,i}` if None.
    """
    model = general_class()
    rates = model.rates
    net = without_queue(model)
    path = relaxation(net, STATE.prefill, START)
    limit = sp.limit(path, TIME, sp.oo).xreplace({rates.arrival_rate: planned_arrivals(model)})
    excess = rates.patience_rate * QUEUE_GOAL / rates.prefill
    claimed = excess if limit_exceeds_by is None else limit_exceeds_by
    return all_of(
        solves(path, net, STATE.prefill, START, "q_p,i = 0: x_i' = lambda_i - mu_p,i x_i"),
        equal(limit, GOAL + claimed, "x_i → x_i* + theta_i q_p,i*/mu_p,i"),
        nonnegative(
            sp.expand(limit - GOAL),
            [product(excess)],
            says="above x_i* if q_p,i*, theta_i > 0: x_i passes its target, which L10.1 denies",
        ),
    )


# L10.3-b


def waiting_class_is_at_target(at_least: Any = 0) -> Finding:
    """Let the gate work in an exact state where a class waits away from its target.

    All three classes are planned to wait. `at_least` is what the drift of a short queue should
    exceed, in units of the drift that it has in the proof.
    """
    model = general_class()
    here = gated(crowded_state())
    net = drift(model, STATE)
    arriving = here.of_each(model.rates.arrival_rate)
    needed = here.of_each(model.rates.prefill * TARGET)
    waiting, moves = here.of_each(STATE.prefill_queue), here.of_each(net.prefill_queue)
    patience = here.of_each(model.rates.patience_rate)
    held, goals = here.of_each(STATE.prefill), here.of_each(TARGET)
    planned = [(a - b) / c for a, b, c in zip(arriving, needed, patience, strict=True)]
    possible = all(move >= 0 for move, queue in zip(moves, waiting, strict=True) if queue == 0)
    for k, move in enumerate(moves if possible and min(planned) > 0 else ()):
        promised = patience[k] * (planned[k] - waiting[k])
        if waiting[k] > 0 and move <= at_least * promised:
            return refuted(
                f"state of L10.1-a with lambda = {_list(arriving)}: all classes are planned to "
                f"wait, q_p* = {_list(planned)}",
                f"q_p,{k + 1} = {waiting[k]} > 0 but x_{k + 1} = {held[k]}, not x* = {goals[k]}",
                f"q_p,{k + 1}' = {move}, not theta (q_p* - q_p) = {promised}: this queue falls",
                "the step needs x_i ≤ x_i* for all i, which L10.1-a does not give; see L10.1-b",
            )
    return undecided("no waiting class is away from its target in this state")


def queue_at_target_stays_positive(shift: Any = 0, lowest: Any = 1) -> Finding:
    r"""Solve the queue with x = x* and bound it away from 0.

    That x = x* then lasts is L10.1-b. `shift` is added to x* while the class is admitted.
    """
    model = general_class()
    path, steps = _settling_queue(model, shift)
    fading = sp.Symbol("fading", positive=True)
    frozen = sp.expand(path).xreplace({sp.exp(-model.rates.patience_rate * TIME): fading})
    least = lowest * sp.Symbol("least", positive=True)
    symbol = sp.Symbol("least", positive=True)
    given = [QUEUE_START - symbol, QUEUE_GOAL - symbol, 1 - fading]
    near_zero = _queue_drift(model, shift).xreplace({STATE.prefill_queue: sp.Integer(0)})
    return all_of(
        steps,
        equal(
            near_zero,
            model.rates.patience_rate * QUEUE_GOAL,
            "near 0 the queue grows at theta_i q_p,i* > 0",
        ),
        nonnegative(
            frozen - least,
            [
                product(QUEUE_START - symbol, fading),
                product(QUEUE_GOAL - symbol, 1 - fading),
            ],
            given,
            "q_p,i(t) ≥ min(q_p,i(t_i), q_p,i*) > 0",
        ),
    )


# L10.5-a


def queue_settles_at_its_target(admitted: Any = None) -> Finding:
    """Solve the queue with x = x* and take its limit; `admitted` replaces x* in the outflow."""
    model = general_class()
    shift = 0 if admitted is None else admitted - GOAL
    path, steps = _settling_queue(model, shift)
    theta = model.rates.patience_rate
    stated = QUEUE_GOAL + (QUEUE_START - QUEUE_GOAL) * sp.exp(-theta * TIME)
    return all_of(
        equal(
            _queue_drift(model, shift),
            theta * (QUEUE_GOAL - STATE.prefill_queue),
            "q_p,i' = lambda_i - mu_p,i x_i* - theta_i q_p,i = theta_i (q_p,i* - q_p,i)",
        ),
        steps,
        equal(path, stated, "q_p,i(t) = q_p,i* + (q_p,i(t_i) - q_p,i*) exp(-theta_i (t - t_i))"),
        equal(sp.limit(stated, TIME, sp.oo), QUEUE_GOAL, "q_p,i(t) → q_p,i*"),
    )


def _queue_drift(model: Model, shift: Any) -> Any:
    """Return the drift of a queue whose class is kept at x* + `shift` in prefill."""
    net = drift(model, STATE)
    (kept,) = sp.solve(net.prefill, ADMITTED)
    outflow = kept.xreplace({STATE.prefill: GOAL + shift})
    return sp.expand(
        net.prefill_queue.xreplace({ADMITTED: outflow}).xreplace(
            {model.rates.arrival_rate: planned_arrivals(model)}
        )
    )


def _settling_queue(model: Model, shift: Any) -> tuple[Any, Finding]:
    net = _queue_drift(model, shift)
    path = relaxation(net, STATE.prefill_queue, QUEUE_START)
    return path, solves(path, net, STATE.prefill_queue, QUEUE_START, "x_i = x_i*: solved")


def _list(values: Any) -> str:
    return "(" + ", ".join(map(str, values)) + ")"


CLAIMS = (
    Claim(
        id="L10.3-a/printed",
        statement="A class that never waits has mu_p,i x_i = lambda_i at every time.",
        latex=r"q_{p,i}\equiv0\Rightarrow\lambda_i=\mu_{p,i}x_i(t)",
        source="THEORY 8.4, proof of Lemma 10.3",
        check=empty_queue_means_balance,
        mutants=(
            Mutant(
                "at least once a mean prefill time has passed",
                lambda: empty_queue_means_balance(since=sp.Integer(1)),
            ),
        ),
    ),
    Claim(
        id="L10.3-a/corrected",
        statement="A class that never waits tends to an occupancy above its target if it is "
        "planned to wait.",
        latex=r"q_{p,i}\equiv0\Rightarrow x_i(t)\to\lambda_i/\mu_{p,i}"
        r"=x_i^\star+\theta_iq_{p,i}^\star/\mu_{p,i}>x_i^\star",
        source="THEORY 8.4, Lemma 10.3",
        check=occupancy_outgrows_its_target,
        mutants=(
            Mutant(
                "it tends to its target",
                lambda: occupancy_outgrows_its_target(sp.Integer(0)),
            ),
        ),
    ),
    Claim(
        id="L10.3-b/printed",
        statement="Wherever a class waits its occupancy is at target, so a short queue grows.",
        latex=r"q_{p,i}>0\Rightarrow x_i=x_i^\star,\ \dot q_{p,i}=\theta_i(q_{p,i}^\star-q_{p,i})",
        source="THEORY 8.4, proof of Lemma 10.3",
        check=waiting_class_is_at_target,
        mutants=(
            Mutant(
                "it grows at least half as fast as said",
                lambda: waiting_class_is_at_target(at_least=sp.Rational(1, 2)),
            ),
        ),
    ),
    Claim(
        id="L10.3-b/corrected",
        statement="Once all occupancies are at target a queue that is positive stays above the "
        "smaller of its length and its target.",
        latex=r"x=x^\star:\quad q_{p,i}(t)\ge\min(q_{p,i}(t_i),q_{p,i}^\star)>0",
        source="THEORY 8.4, Lemma 10.3, L10.1-b",
        check=queue_at_target_stays_positive,
        mutants=(
            Mutant(
                "with one more GPU in ten on its prefills",
                lambda: queue_at_target_stays_positive(shift=sp.Rational(1, 10)),
            ),
            Mutant(
                "above twice the smaller of the two",
                lambda: queue_at_target_stays_positive(lowest=2),
            ),
        ),
    ),
    Claim(
        id="L10.5-a",
        statement="With occupancies at target every prefill queue tends to its target.",
        latex=r"q_{p,i}(t)=q_{p,i}^\star+(q_{p,i}(t_i)-q_{p,i}^\star)e^{-\theta_i(t-t_i)}",
        source="THEORY 8.4, Lemma 10.5",
        check=queue_settles_at_its_target,
        mutants=(
            Mutant(
                "with prefills at twice their target",
                lambda: queue_settles_at_its_target(2 * GOAL),
            ),
        ),
    ),
)
