r"""Ledger 8.7, L13.1-b: how a pool with waiting jobs shares its admissions (eq. U15)."""

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, refuted, undecided
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.pools import MIXED, PLAN, SOLO, class_weight, pool_flows
from gnr.proofs.kit.symbols import STATE, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.stuck_class import START_OCCUPANCY, START_QUEUE, mixed_pool, plan_is_optimal

WAITING = sp.Symbol("e_i", nonnegative=True)
"""1 if a class waits in the pool's buffer, 0 if its queue is empty."""


def shares_follow_the_indicator(empty_counts: bool = False) -> Finding:
    """Ask which way the queue of class 1 moves at 0 and just above, the pool being positive.

    Up at 0 and down above it: no path can obey the formula. `empty_counts` drops the indicator.
    """
    pool = mixed_pool()
    served = pool.served(START_OCCUPANCY)
    chosen = [
        weight if queue > 0 or empty_counts else 0
        for weight, queue in zip(pool.weight, START_QUEUE, strict=True)
    ]
    inflow, entitled = pool.inflow[0], served * pool.weight[0]
    at_zero = inflow - served * chosen[0] / sum(chosen)
    start = (
        f"mu = {pool.speed}, weights {pool.weight}, inflow {pool.inflow}, "
        f"y = {START_OCCUPANCY}, q = {START_QUEUE}"
    )
    if at_zero < 0:
        return refuted(start, f"the empty queue of class 1 would move at {at_zero}")
    above = inflow - entitled
    if not (at_zero > 0 > above and plan_is_optimal().label == "proved"):
        return undecided("the start does not separate the two")
    return refuted(
        start,
        f"where q_1 = 0 the formula gives dq_1/dt = {at_zero}, just above it {above}: "
        "q_1 can neither leave 0 nor rest there, so no path obeys it",
        f"a fluid limit rests at 0 and serves class 1 at {inflow}, between 0 and {entitled}",
    )


def empty_queues_take_their_inflow(passed_on: int = 1) -> Finding:
    r"""Share what the classes at rest leave, and compare with the general formula.

    A nonnegative differentiable queue that is 0 has derivative 0, so the buffer equation gives
    its admissions. Those of the others are in proportion to their weights; the total is that of
    the completions. `passed_on` is the part of an inflow at 0 that is admitted.
    """
    model = general_class()
    level = sp.Symbol("r", real=True)
    parts = []
    for pool in (MIXED, SOLO):
        flows = pool_flows(model, STATE, pool)
        (at_rest,) = sp.solve(flows.buffer_drift.subs(pool.buffer, 0), flows.admitted)
        weight = class_weight(model, pool, PLAN)
        served, inflow = Total(flows.completed), passed_on * flows.inflow
        admitted = WAITING * level * weight + (1 - WAITING) * at_rest
        (common,) = sp.solve(Total(admitted) - served, level)
        left = served - Total((1 - WAITING) * inflow)
        stated = left / Total(WAITING * weight)
        parts += [
            equal(at_rest, inflow, f"{pool.station}: an empty queue at rest passes its inflow on"),
            equal(common, stated, f"{pool.station}: the others share the rest by weight"),
            equal(
                admitted.subs(level, common).subs(WAITING, 1),
                weight * served,
                f"{pool.station}: with all queues positive this is (U15)",
            ),
        ]
    return all_of(*parts)


_PRINTED = (
    r"\dot u_{d,\bullet,i}=\dot u_{d,\bullet}\frac{\varpi_{\bullet,i}"
    r"\mathbf 1\{q_{d,\bullet,i}>0\}}{\sum_j\varpi_{\bullet,j}\mathbf 1\{q_{d,\bullet,j}>0\}}"
)
_CORRECTED = (
    r"\dot u_{d,\bullet,i}=\alpha_{\bullet,i}\ \text{if}\ q_{d,\bullet,i}=0,\quad\text{else}\quad"
    r"\varpi_{\bullet,i}\frac{\sum_j\mu_{\bullet,j}y_{\bullet,j}"
    r"-\sum_{j:q_j=0}\alpha_{\bullet,j}}{\sum_{j:q_j>0}\varpi_{\bullet,j}}"
)

CLAIMS = (
    Claim(
        id="L13.1-b/printed",
        statement="A pool with waiting jobs admits no class whose own queue is empty.",
        latex=_PRINTED,
        source="Lemma 13.1, eq. U15, as printed",
        cites=("a fluid limit exists from every start (Theorem 3.1)",),
        check=shares_follow_the_indicator,
        mutants=(
            Mutant(
                "weights of all classes, waiting or not",
                lambda: shares_follow_the_indicator(empty_counts=True),
            ),
        ),
    ),
    Claim(
        id="L13.1-b/corrected",
        statement=(
            "At a regular time a class whose queue is empty is admitted at its inflow; the "
            "others share what is left by their weights."
        ),
        latex=_CORRECTED,
        source="THEORY 8.7",
        cites=(
            "law of large numbers: classes that wait throughout are drawn in proportion to "
            "their weights",
        ),
        check=empty_queues_take_their_inflow,
        mutants=(
            Mutant("empty queues get nothing", lambda: empty_queues_take_their_inflow(passed_on=0)),
        ),
    ),
)
