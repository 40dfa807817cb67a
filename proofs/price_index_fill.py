r"""THEORY 12: price-index with filling (Algorithm 10) earns the optimum wherever it rests."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, Verdict, all_of, undecided
from gnr.proofs.kit.drift import flow
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.paths import after, edges
from gnr.proofs.kit.symbols import BATCH, STATE, State, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.price_index_account import NEEDS, account, knapsack_prices_link_the_pools

PLAN = sp.Symbol("xstar_i", nonnegative=True)
"""x* of the plan."""
SHIFT = sp.Symbol("e_i", nonnegative=True)
"""How far the prefill occupancy of class i is from the plan."""

REFILL: Mapping[str, Any] = {"S_ds": 1, "U_p": 1, "M_sm": BATCH - 1}
"""A decode ends on a full solo GPU: a prefill starts there, the other B-1 decodes turn mixed."""


def hole_drift(refill: Mapping[str, Any] = REFILL) -> Finding:
    """Follow X, y_m and the idle mixed slots h = (B-1)X - y_m along the edges of each event.

    While h > 0 a finished prefill goes to a hole elsewhere, and the GPU it leaves, which has a
    free slot, starts another.
    """
    model = general_class()
    nobody = State(*(sp.Integer(0) for _ in fields(State)))

    def change(moves: Mapping[str, Any]) -> State:
        return after(model, nobody, moves)

    def holes(state: State) -> Any:
        return (BATCH - 1) * state.prefill - state.mixed_decode

    filled = change({"S_p": 1, "U_dm": 1, "U_p": 1})
    ended, turned = change({"S_dm": 1}), change(refill)
    solo_room = BATCH * (1 - turned.prefill) - BATCH - turned.solo_decode
    growth = sum(
        each.prefill * Total(flow(model, edges(model)[process], STATE))
        for each, process in ((filled, "S_p"), (ended, "S_dm"), (turned, "S_ds"))
    )
    return all_of(
        equal(holes(filled), -1, "a finished prefill fills a hole, and its GPU starts another"),
        equal(holes(ended), 1, "a decode that ends on a mixed GPU leaves a hole"),
        equal(holes(turned), 0, "a solo GPU that refills leaves none"),
        equal(solo_room, 0, "and solo GPUs stay full"),
        equal(
            growth,
            Total(STATE.solo_decode * model.rates.solo_decode),
            "so X grows at the rate of solo completions while h > 0: at rest y_s = 0, X = 1",
        ),
    )


def marginal_classes_stand_above_the_plan(tie_rule: bool = True) -> Finding:
    """With X = 1 and the marginal classes level, x_j = rho x_j*, each is at least as planned."""
    marginal = sp.Symbol("m_i", positive=True)
    idle = 1 - Total(PLAN)
    level = idle / Total(marginal)
    shift = level * marginal if tie_rule else sp.Symbol("e_i", real=True)
    return nonnegative(
        shift,
        [product(idle, 1 / Total(marginal), marginal)],
        [idle],
        "X = 1 and x_j = ρ x_j* on marginal classes: e_j = (ρ - 1) x_j* ≥ 0",
    )


def no_paying_class_waits(mixing_costs: bool = True) -> Finding:
    """With all slots busy and x ≤ x*, the decode row of the plan forces x = x*."""
    work, cost, room = _work_of_the_plan()
    below = PLAN - SHIFT
    full = Total((work + cost) * below) - general_class().rates.speed_ratio * BATCH
    given = [room, full] + ([cost] if mixing_costs else [])
    return nonnegative(
        -Total(work * SHIFT),
        [product(room), product(full), product(cost, Total(SHIFT))],
        given,
        "x = x* - e with e ≥ 0 (a paying class waits, or ρ < 1) and full slots: e = 0",
    )


def no_holes_when_all_prefill(mixing_costs: bool = True, tie_rule: bool = True) -> Finding:
    """With X = 1, x ≥ x* and decode slots that have a price, holes cannot be left."""
    work, cost, _ = _work_of_the_plan()
    kappa_slots = general_class().rates.speed_ratio * BATCH
    shift = SHIFT if tie_rule else sp.Symbol("e_i", real=True)
    spare = 1 - Total(PLAN)
    planned = (BATCH - 1) * (1 - spare) + kappa_slots * spare
    holes = (BATCH - 1) - planned - Total(work * shift)
    given = [spare] + ([cost] if mixing_costs else [])
    return nonnegative(
        -holes,
        [product(cost, spare), over_classes(work, shift)],
        given,
        "x = x* + e with e ≥ 0 (ρ ≥ 1 by the tie rule) and X = 1: no idle mixed slots",
    )


def _work_of_the_plan() -> tuple[Any, Any, Any]:
    """Return decode work C phi_i, the cost of mixing kappa B - (B-1), and room left by the plan."""
    rates = general_class().rates
    work = rates.prefill / rates.mixed_decode
    cost = rates.speed_ratio * BATCH - (BATCH - 1)
    room = rates.speed_ratio * BATCH - Total((work + cost) * PLAN)
    return work, cost, room


def filling_is_optimal_at_rest(mixing_costs: bool = True, tie_rule: bool = True) -> Finding:
    """Put the pieces together: every stationary fluid point of Algorithm 10 earns R*.

    Either no admitted class waits, and all of its arrivals are served. Or some class waits, and
    then no slot outside of mixed GPUs is idle. A class with phi-hat > 0 that waited would keep
    lower ranks out, so x ≤ x*, and full slots give x = x*. Otherwise all of those are served as
    planned, and the marginal classes stand level, x_i = rho x_i*: if there are holes, X = 1 at
    rest, hence rho ≥ 1, and with a price on decode slots the holes vanish; if there are none
    and prefill has a price, X* = 1, and rho < 1 is the case x ≤ x* again. Every term of the
    account (D11) is then zero.
    """
    rates = general_class().rates
    queue = rates.arrival_rate - rates.prefill * PLAN
    return all_of(
        nonnegative(
            Total(rates.reward * queue),
            [over_classes(rates.reward, queue)],
            [queue],
            "nobody who is admitted waits: all arrivals are served, at least what the plan earns",
        ),
        account(),
        knapsack_prices_link_the_pools(),
        hole_drift(),
        no_paying_class_waits(mixing_costs),
        marginal_classes_stand_above_the_plan(tie_rule),
        no_holes_when_all_prefill(mixing_costs, tie_rule),
    )


def filling_is_optimal() -> Finding:
    """Say what is proved of the conjecture and what is not."""
    at_rest = filling_is_optimal_at_rest()
    if at_rest.verdict is not Verdict.PROVED:
        return undecided("not even at rest", *at_rest.evidence)
    return undecided(
        "proved: every stationary fluid point earns R* (PI-fill/at-rest)",
        "missing: that clusters follow these fluid equations although holes come and go at once "
        "(an averaging argument), that trajectories come to rest, and that the limits of time "
        "and of n may be exchanged",
    )


SOURCE = "THEORY 12, Algorithm 10"

CLAIMS = (
    Claim(
        id="PI-fill/at-rest",
        statement="Every stationary fluid point of price-index with filling earns the optimum, "
        "for any number of classes and of marginal ones under the tie rule.",
        latex=r"\kappa\ge\tfrac{B-1}B,\ \theta_i>0\ \Longrightarrow\ R=R^\star\text{ at rest}",
        source=f"{SOURCE}, (D4), (D11)",
        assumptions=NEEDS,
        cites=(
            "what the rules of Algorithm 10 mean at rest, case by case (told in the docstring): "
            "who waits, which slots are busy, which case applies",
        ),
        check=filling_is_optimal_at_rest,
        mutants=(
            Mutant("without κ ≥ (B-1)/B", lambda: filling_is_optimal_at_rest(mixing_costs=False)),
            Mutant("without the tie rule", lambda: filling_is_optimal_at_rest(tie_rule=False)),
            Mutant("solo GPUs do not refill", lambda: hole_drift({"S_ds": 1})),
            Mutant(
                "decodes stay solo as a prefill starts", lambda: hole_drift({"S_ds": 1, "U_p": 1})
            ),
        ),
    ),
    Claim(
        id="PI-fill/conjecture",
        statement="Price-index with filling is asymptotically optimal.",
        latex=r"R^n\to R^\star",
        source=SOURCE,
        assumptions=NEEDS,
        check=filling_is_optimal,
        mutants=(
            Mutant(
                "also below κ = (B-1)/B: holes stay",
                lambda: no_holes_when_all_prefill(mixing_costs=False),
            ),
        ),
    ),
)
