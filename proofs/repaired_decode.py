r"""The decode side of Theorem 4.1, repaired: the decode buffer empties.

Proposition 10.14 watches the work W_d, which refills whenever slots are free. What cannot refill
is the content of the classes that hold more than the plan. With the work-conserving router
of Algorithm 3, which takes classes as they come and fills solo slots first:

* `blind`: if all classes are equally patient, those who get a slot are a sample of those who
  arrive: their shares tend to the planned ones.
* `solo`: then every class holds its planned share of the solo slots, or more, up to a shortfall
  that vanishes.
* `drain`: then :math:`V=\sum_i(n_i-t_i)^+/\mu_{m,i}` dies out, where :math:`n_i` is everything of
  class i behind prefill and :math:`t_i` a target; and :math:`q_d\le\sum_i(n_i-t_i)^+`.

If :math:`\kappa=1` the first two are not needed.
"""

from dataclasses import replace
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Finding, Verdict, all_of
from gnr.proofs.kit.drift import CONTROLS, drift
from gnr.proofs.kit.exact import CLASS_COUNTS, equal, nonnegative, over_classes, product
from gnr.proofs.kit.symbols import (
    BATCH,
    MIXED_TIME,
    SOLO_TIME,
    STATE,
    TIME,
    Model,
    State,
    general_class,
)
from gnr.proofs.kit.totals import Total, numbered
from gnr.proofs.lemma_10_12 import EXCESS, PLAN, PLANNED_WORK, SHIFT, capacity
from gnr.proofs.lemmas_10_7_and_10_10 import PLANNED_PREFILL, mixed_slots, solo_slots

COMPARISON = (
    "Grönwall's inequality",
    "the positive part of an absolutely continuous function is differentiable a.e.",
)

RESTRICTION = "equal θ_i, or κ = 1"

SHORT, OVER = sp.symbols("d_i o_i", nonnegative=True)
"""How much less, how much more than its share of the solo slots a class holds."""
IS_SHORT = sp.Symbol("N_i", nonnegative=True)
"""1 for a class that is short, 0 for another."""
SHARE = sp.Symbol("g_i", nonnegative=True)
"""Share of class i among those who get a solo slot."""
SOLO_PLAN = sp.Symbol("S", positive=True)
"""Solo slots that the plan keeps busy if solo slots come first: min((1 - x*) B, A*/kappa)."""
INFLOW, ARRIVALS, PLANNED_ARRIVALS = sp.symbols("u a astar", positive=True)
"""Decodes that get a solo slot, finished prefills now, finished prefills by the plan; 1/s."""
SLACK = sp.Symbol("zeta", nonnegative=True)
"""A quantity that vanishes with time."""
SLACK_OF_CLASS = sp.Symbol("zeta_i", nonnegative=True)
LEAST = sp.Symbol("m", positive=True)
"""Least solo decode rate."""


ABOVE = sp.Symbol("U_i", nonnegative=True)
"""1 for a class that holds more than its target, 0 for another."""
SLOWEST = sp.Symbol("c", nonnegative=True)
"""min(1, θ_i/μ_m,i) over the classes, and κ if that is less."""


def alike(**values: Any) -> dict[Any, Any]:
    """Return a point at which all classes are alike; what is not named is 1.

    The names are those of the symbols, without the index of the class.
    """
    symbols = general_class().rates.decode_work.free_symbols | {
        MIXED_TIME, SOLO_TIME, BATCH, PLANNED_PREFILL, PLANNED_WORK, PLANNED_ARRIVALS, ARRIVALS,
        INFLOW, SOLO_PLAN, LEAST, SLOWEST, SLACK, EXCESS, SHORT, OVER, IS_SHORT, SHARE, ABOVE,
        SHIFT, SLACK_OF_CLASS, PLAN.prefill, STATE.prefill, STATE.decode_buffer,
        STATE.mixed_decode, STATE.solo_decode, general_class().rates.patience_rate,
    }  # fmt: skip
    point = {}
    for each in symbols:
        value = sp.Rational(values.get(each.name.removesuffix("_i"), 1))
        for number in range(1, 1 + max(CLASS_COUNTS)):
            point[numbered(each, number)] = value
    return point


def planned_solo(model: Model) -> Any:
    """Return the planned solo decodes of class i, in proportion to the work it brings."""
    return SOLO_PLAN * model.rates.decode_work * PLAN.prefill / PLANNED_WORK


def planned_share(model: Model) -> Any:
    """Return the share of class i among planned finished prefills."""
    return model.rates.prefill * PLAN.prefill / PLANNED_ARRIVALS


def planned_inflow(model: Model) -> Any:
    """Return the decodes per second that keep the planned solo slots busy."""
    return model.rates.speed_ratio * SOLO_PLAN * PLANNED_ARRIVALS / PLANNED_WORK


def solo_change(model: Model, held: Any, inflow: Any) -> Any:
    """Return the change of the solo decodes of class i; fixed groups, so no switches."""
    quiet = {CONTROLS["M_sm"]: 0, CONTROLS["M_ms"]: 0, CONTROLS["U_ds"]: inflow}
    return drift(model, State(0, 0, 0, 0, held)).solo_decode.subs(quiet)


def plan_keeps_its_solo_slots() -> Finding:
    """Show that the planned solo decodes are at rest when every class gets its planned share."""
    model = general_class()
    entering = planned_share(model) * planned_inflow(model)
    return equal(
        solo_change(model, planned_solo(model), entering),
        0,
        "planned shares keep S solo slots busy, S C φ_i x_i*/A* by class i",
    )


def shortfall_when_all_arrivals_fit(takes_all: bool = True) -> Finding:
    """Let the solo slots take all that arrives, or more, while they have room.

    Then a class that is short catches up at its solo rate, but for a slack that vanishes as the
    shares and the arrivals reach the plan.
    """
    model = general_class()
    held = planned_solo(model) - SHORT
    falls = -solo_change(model, held, SHARE * INFLOW)
    slack = SLACK_OF_CLASS - (planned_share(model) * PLANNED_ARRIVALS - SHARE * ARRIVALS)
    more = INFLOW - ARRIVALS
    spare = PLANNED_WORK - model.rates.speed_ratio * SOLO_PLAN
    return nonnegative(
        SLACK_OF_CLASS - model.rates.solo_decode * SHORT - falls,
        [
            product(slack),
            product(SHARE, more),
            product(planned_share(model), PLANNED_ARRIVALS, 1 / PLANNED_WORK, spare),
        ],
        given=[slack, spare, *([more] if takes_all else [])],
        says="solo slots free: d_i' ≤ ζ_i(t) - μ_s,i d_i",
        witness=alike(d=0, zeta=0, u="1/2"),
    )


def shortfall_when_solo_slots_are_full(refilled: Any = 1) -> Finding:
    """Refill every freed solo slot, with shares g_i, and add up the classes that are short."""
    model = general_class()
    rates = model.rates
    freed = planned_inflow(model) + Total(rates.solo_decode * (OVER - SHORT))
    of_short = Total(IS_SHORT * SHARE)
    # a class that is short has no surplus: N_i y_s,i = N_i s_i - d_i
    falls = (
        Total(IS_SHORT * planned_share(model)) * planned_inflow(model)
        - Total(rates.solo_decode * SHORT)
        - refilled * of_short * freed
    )
    drawn = (Total(IS_SHORT * planned_share(model)) - of_short) * planned_inflow(model)
    faster = rates.solo_decode - LEAST
    return nonnegative(
        SLACK - (1 - of_short) * LEAST * Total(SHORT) - falls,
        [
            product(SLACK - drawn),
            product(of_short, Total(rates.solo_decode * OVER)),
            product(1 - of_short, Total(faster * SHORT)),
        ],
        given=[SLACK - drawn, 1 - of_short, faster, Total(faster * SHORT)],
        says="solo slots full: D' ≤ ζ(t) - (1 - G) m D, D = Σ d_i, G the share of those short",
        witness=alike(d=0, zeta=0, g="1/3", xstar="1/3"),
    )


def somebody_is_not_short() -> Finding:
    """Count the full solo slots: those who are short leave a share of the inflow to others."""
    model = general_class()
    planned = sp.Symbol("p_i", nonnegative=True)
    least = sp.Symbol("p_low", positive=True)
    of_short = Total(IS_SHORT * SHARE)
    drawn = SLACK - Total(IS_SHORT * (SHARE - planned))
    left = Total((1 - IS_SHORT) * planned) - least
    return all_of(
        equal(Total(planned_solo(model)).xreplace(_work()), SOLO_PLAN, "Σ planned solo slots = S"),
        nonnegative(
            (Total(planned) - of_short) - (least - SLACK),
            [product(left), product(drawn)],
            given=[left, drawn],
            says="1 - G ≥ min p_i - ζ(t), unless every planned class is short; then D is at most "
            "what classes outside the plan still hold, which vanishes",
        ),
    )


def _work() -> dict[Any, Any]:
    """Return what puts the planned work in place of its sum."""
    work = Total(general_class().rates.decode_work * PLAN.prefill)
    (summed,) = work.atoms(Total)
    return {summed: PLANNED_WORK * summed / work}


def solo_shortfall_vanishes(refilled: Any = 1, takes_all: bool = True) -> Finding:
    """Bound the shortfall in both states of the solo group, then compare with the solution."""
    return all_of(
        plan_keeps_its_solo_slots(),
        shortfall_when_all_arrivals_fit(takes_all),
        shortfall_when_solo_slots_are_full(refilled),
        somebody_is_not_short(),
        dies_out(),
    )


def dies_out(sign: int = -1) -> Finding:
    """Solve v' = ε - c v: what is left of a vanishing ε(t) is its supremum from now on, over c."""
    rate, start = sp.Symbol("c", positive=True), sp.Symbol("v_0", nonnegative=True)
    path = SLACK / rate + (start - SLACK / rate) * sp.exp(sign * rate * TIME)
    return all_of(
        equal(
            path.diff(TIME), SLACK - rate * path, "v' ≤ ε - c v: v ≤ ε/c + (v_0 - ε/c) exp(-c t)"
        ),
        equal(sp.limit(path, TIME, sp.oo), SLACK / rate, "so limsup v ≤ sup ε / c, which vanishes"),
    )


# The content of class i behind prefill -----------------------------------------------------

CASES = ("solo decodes faster", "solo decodes slower", "solo slots suffice, slower")


def target(model: Model, case: str) -> Any:
    """Return the content of class i that V measures from."""
    work, kappa = model.rates.decode_work * PLAN.prefill, model.rates.speed_ratio
    return work / kappa if case == CASES[2] else work - (kappa - 1) * planned_solo(model)


def content_dies_out(case: str, abandonment: Any = 1, full: bool = True) -> Finding:
    """Differentiate V along the network's drift and bound it by -c Σ (n_i - t_i)^+."""
    model = general_class()
    rates, kappa, queue = model.rates, model.rates.speed_ratio, STATE.decode_buffer
    solo = planned_solo(model) - SHORT + OVER
    if case == CASES[2]:
        solo = target(model, case) + SHIFT - queue - STATE.mixed_decode
        mixed = STATE.mixed_decode
    else:
        mixed = target(model, case) + SHIFT - queue - solo
    net = drift(model, State(0, STATE.prefill, queue, mixed, solo))
    change = net.decode_buffer + net.mixed_decode + net.solo_decode
    change += (1 - abandonment) * rates.patience_rate * queue
    above, waiting = Total(ABOVE * SHIFT), Total(queue)
    ahead = Total(ABOVE * rates.decode_work * (STATE.prefill - PLAN.prefill))
    leave, rest = rates.patience_rate / rates.mixed_decode - SLOWEST, 1 - ABOVE
    faster = kappa - 1
    most, pool, terms = {
        CASES[0]: (
            sp.Integer(1),
            faster * Total(SHORT),
            [product(faster, Total(rest * SHORT)), product(faster, Total(ABOVE * OVER))],
        ),
        CASES[1]: (
            sp.Integer(1),
            -faster * Total(OVER),
            [product(-faster, Total(rest * OVER)), product(-faster, Total(ABOVE * SHORT))],
        ),
        CASES[2]: (kappa, sp.Integer(0), [product(-faster, Total(ABOVE * STATE.mixed_decode))]),
    }[case]
    sign = faster if case == CASES[0] else -faster
    return nonnegative(
        EXCESS + pool - SLOWEST * above - Total(ABOVE * change / rates.mixed_decode),
        [
            product(EXCESS - ahead),
            *terms,
            product(most - SLOWEST, above - waiting),
            over_classes(ABOVE, leave, queue),
            product(most - SLOWEST, Total(rest * queue)),
        ],
        given=[
            EXCESS - ahead, sign, rest, leave, most - SLOWEST, Total(rest * SHORT),
            Total(rest * OVER), Total(rest * queue), *([above - waiting] if full else []),
        ],
        says=f"{case}: V' ≤ vanishing - c Σ (n_i - t_i)^+",
        witness=alike(
            tau_solo="1/2" if case == CASES[0] else 2, theta="1/2", c="1/2" if full else 0,
            e=1 if full else 0, d=0, o=0, y_m=0, epsilon=0,
        ),
    )  # fmt: skip


def targets_fit(case: str, solo_slots_busy: bool, overload: Any = 0) -> Finding:
    """Bound q_d where it is positive: the slots being full, it is content above the targets."""
    model = general_class()
    slots, kappa = mixed_slots() + solo_slots(), model.rates.speed_ratio
    busy = solo_slots() if solo_slots_busy else PLANNED_WORK / kappa
    targets = Total(target(model, case)).xreplace(_work()).subs(SOLO_PLAN, busy)
    waiting = targets + Total(SHIFT) - slots
    below = -(1 - ABOVE) * SHIFT
    spare = capacity(model) - PLANNED_WORK
    rooms = [spare] if solo_slots_busy else [mixed_slots(), solo_slots() - busy]
    return nonnegative(
        Total(ABOVE * SHIFT) - waiting,
        [over_classes(below), *map(product, rooms)],
        given=[below, rooms[0] + overload, *rooms[1:]],
        says=f"{case}, {'A* ≥' if solo_slots_busy else 'A* <'} κ (1 - x*) B: q_d ≤ Σ (n_i - t_i)^+",
        witness=alike(B=2, xstar="1/2", Astar=2, e=0),
    )


def buffer_empties(abandonment: Any = 1, overload: Any = 0) -> Finding:
    """Put the pieces together: V dies out for every kappa, and q_d with it."""
    first, second, third = CASES
    weight, largest = general_class().rates.mixed_decode, sp.Symbol("mu_high", positive=True)
    slower = largest - weight
    held = sp.Symbol("v_i", nonnegative=True)
    finding = all_of(
        *(content_dies_out(case, abandonment) for case in CASES),
        targets_fit(first, True, overload),
        targets_fit(first, False, overload),
        targets_fit(second, True, overload),
        targets_fit(third, False, overload),
        nonnegative(
            largest * Total(held / weight) - Total(held),
            [over_classes(held, 1 / weight, slower)],
            given=[slower],
            says="Σ (n_i - t_i)^+ ≤ max μ_m,i · V, so V' ≤ ε(t) - c V with another c, and V → 0",
        ),
        dies_out(),
    )
    return (
        replace(finding, restriction=RESTRICTION) if finding.verdict is Verdict.PROVED else finding
    )


# Who gets a slot ----------------------------------------------------------------------------

WAIT = sp.Symbol("w", nonnegative=True)
"""How long the head of the buffer has waited."""
PATIENCE = sp.Symbol("theta", positive=True)


def shares_of_the_oldest(equally_patient: bool = True) -> Finding:
    """Let those who finished prefill w ago wait in the buffer; compare shares then and now."""
    model = general_class()
    finished, leaving = sp.Symbol("a_i", positive=True), sp.Symbol("q_i", positive=True)
    quiet = dict.fromkeys((CONTROLS["U_dm"], CONTROLS["U_ds"]), 0)
    rate = drift(model, State(0, 0, leaving, 0, 0)).decode_buffer.subs(quiet) / leaving
    left = finished * sp.exp(sp.expand(rate) * WAIT)
    if equally_patient:
        left = left.subs(model.rates.patience_rate, PATIENCE)
    return equal(
        left / Total(left),
        finished / Total(finished),
        "first come first served: shares of those who enter are those who finished prefill w ago",
    )


def shares_of_a_random_pick(equally_patient: bool = True) -> Finding:
    """Differentiate the share of a class in a buffer that is served in proportion to its counts."""
    model = general_class()
    finished, waiting = sp.Symbol("a_i", positive=True), sp.Symbol("q_d_i", nonnegative=True)
    served, all_waiting = sp.Symbol("u", positive=True), sp.Symbol("q", positive=True)
    share = waiting / all_waiting
    state = State(0, finished / model.rates.prefill, waiting, 0, 0)
    change = drift(model, state).decode_buffer.subs(
        {CONTROLS["U_dm"]: served * share, CONTROLS["U_ds"]: 0}
    )
    if equally_patient:
        change = change.subs(model.rates.patience_rate, PATIENCE)
    total = Total(change).xreplace({Total(waiting): all_waiting})
    slope = change / all_waiting - share * total / all_waiting
    return equal(
        slope,
        (finished - share * Total(finished)) / all_waiting,
        "random pick: a share moves towards that of the arrivals at rate (Σ a_j)/q_d",
    )


def served_are_a_sample(equally_patient: bool = True) -> Finding:
    """Show it for both readings of Algorithm 3, true order of arrival and the count chain."""
    return all_of(shares_of_the_oldest(equally_patient), shares_of_a_random_pick(equally_patient))
