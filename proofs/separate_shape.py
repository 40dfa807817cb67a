r"""Ledger D5/...: where the maximum of the separate form is, and when more prefill pays.

The form is :math:`c_p\frac C\tau X+\frac{c_d}\tau\min\{C\Phi(X),K(X)\}` with the decode capacity
:math:`K(X)=(B-1)X+\kappa B(1-X)` (eq. D5, THEORY 4.5).
"""

from typing import Any

import sympy as sp

from gnr.proofs.decode_split import decode_capacity, mixing_cost, plan
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.exact import equal, equivalent, nonnegative, product
from gnr.proofs.kit.exact_instances import ExactInstance
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    Model,
    general_class,
)
from gnr.proofs.kit.totals import Total
from gnr.proofs.separate_form import FILLED, PREFILLS, earned

PART = sp.Symbol("s", nonnegative=True)
"""Position on the way from one point to another, at most 1."""

REST = 1 - PART

FED, FED_THERE, FED_BETWEEN = sp.symbols("Phi Phi' Phi_s", nonnegative=True)
"""Phi at X, at X' and between them."""

THERE = sp.Symbol("X'", nonnegative=True)

LEAST, LEAST_THERE = sp.symbols("M M'", nonnegative=True)
"""The smaller of the two terms at X and at X'."""


def between(here: Any, there: Any) -> Any:
    """Return the point at `PART` of the way."""
    return REST * here + PART * there


def revenue_of_a_saturated_plan(model: Model) -> Any:
    """Return the revenue of a plan with X prefills that fills both pools, from the network."""
    capacity = decode_capacity(model, Total(FILLED))
    share = sp.Symbol("g", nonnegative=True)
    work = share * model.rates.decode_work * FILLED
    fed = Total(model.rates.decode_work * FILLED)
    made = plan(model, FILLED, work, Total(FILLED), fractions={share: capacity / fed})
    return sp.cancel(made.rows.separate.xreplace({Total(FILLED): PREFILLS}))


def more_prefill_pays(cost: Any = None) -> Finding:
    """Differentiate what a plan with both pools full earns; its slope has the sign of the test."""
    model = general_class()
    slope = sp.diff(revenue_of_a_saturated_plan(model), PREFILLS)
    lost = mixing_cost(model) if cost is None else cost
    return equivalent(
        slope,
        PROMPT_PRICE * CHUNK - OUTPUT_PRICE * lost,
        1 / model.rates.mixed_time,
        says="slope = (c_p C - c_d (kappa B - (B-1)))/tau",
    )


def mixture_feeds_the_mixture() -> Finding:
    """Mix two choices of prefills: the mixture is a choice for the mixed X, so Phi is concave."""
    rates = general_class().rates
    other = sp.Symbol("v_i", nonnegative=True)
    mixed = between(FILLED, other)
    per_prefill = rates.decode_work / CHUNK
    bounds = [rates.full_prefill - FILLED, rates.full_prefill - other]
    return all_of(
        equal(Total(mixed), between(Total(FILLED), Total(other)), "a mixture has the mixed X"),
        nonnegative(
            rates.full_prefill - mixed,
            [product(REST, bounds[0]), product(PART, bounds[1])],
            [REST, *bounds],
            "it keeps the bounds",
        ),
        equal(
            Total(per_prefill * mixed),
            between(Total(per_prefill * FILLED), Total(per_prefill * other)),
            "and feeds the mixture: Phi is concave",
        ),
    )


def form_is_concave(larger: bool = False) -> Finding:
    """Bound each term at the mixed X by the mixture of the smaller terms at its ends.

    `larger` asks it of the larger terms instead.
    """
    model = general_class()
    capacity, capacity_there = (decode_capacity(model, each) for each in (PREFILLS, THERE))
    over = decode_capacity(model, between(PREFILLS, THERE))
    sign = -1 if larger else 1
    gaps = [
        sign * (CHUNK * FED - LEAST),
        sign * (CHUNK * FED_THERE - LEAST_THERE),
        sign * (capacity - LEAST),
        sign * (capacity_there - LEAST_THERE),
    ]
    concave = FED_BETWEEN - between(FED, FED_THERE)
    given = [*gaps, concave, REST]
    mixture = between(LEAST, LEAST_THERE)
    return all_of(
        nonnegative(
            CHUNK * FED_BETWEEN - mixture,
            [product(CHUNK, concave), product(REST, gaps[0]), product(PART, gaps[1])],
            given,
            "C Phi at the mixed X ≥ the mixture of the smaller terms",
        ),
        nonnegative(
            over - mixture,
            [product(REST, gaps[2]), product(PART, gaps[3])],
            given,
            "K at the mixed X ≥ the mixture of the smaller terms: the form is concave",
        ),
    )


def pieces_are_straight(bend: Any = 0) -> Finding:
    """Between neighbouring special points each term is affine, so the form lies below its ends.

    Inside a piece one class is being filled, and one of the two terms is the smaller; `bend`
    adds curvature to Phi.
    """
    model = general_class()
    rates = model.rates
    start, stop, fed = sp.symbols("l r Phi_l", nonnegative=True)
    slope = sp.Symbol("phi", positive=True)
    best = sp.Symbol("F", nonnegative=True)

    def filled(prefills: Any) -> Any:
        return CHUNK * (fed + slope * (prefills - start) - bend * (prefills - start) ** 2)

    findings = []
    for name, term in (
        ("C Phi", filled),
        ("K", lambda prefills: decode_capacity(model, prefills)),
    ):
        ends = [earned(model, each, term(each)) for each in (start, stop)]
        inside = earned(model, between(start, stop), term(between(start, stop)))
        gaps = [best - ends[0], best - ends[1]]
        findings.append(
            nonnegative(
                best - inside,
                [product(REST, gaps[0]), product(PART, gaps[1])],
                [*gaps, REST],
                f"where {name} is the smaller term no point of a piece exceeds both ends",
            )
        )
    other = sp.Symbol("d_i", real=True)
    return all_of(
        equal(
            Total(rates.decode_work * (FILLED + other)) - Total(rates.decode_work * FILLED),
            Total(rates.decode_work * other),
            "Phi changes by phi_k per prefill of the class k that is being filled",
        ),
        *findings,
    )


def maximum_is_at_a_special_point() -> Finding:
    """Concave and straight in pieces: ends, breakpoints of Phi and crossings are enough."""
    return all_of(mixture_feeds_the_mixture(), form_is_concave(), pieces_are_straight())


def terms_cross_once(hypothesis: bool = True) -> Finding:
    """Let X grow: C Phi less capacity never falls where a mixed GPU decodes no faster."""
    model = general_class()
    more, fed_more = sp.symbols("dX dPhi", nonnegative=True)
    cost = mixing_cost(model)
    gap, gap_there = (
        CHUNK * fed - decode_capacity(model, prefills)
        for prefills, fed in ((PREFILLS, FED), (PREFILLS + more, FED + fed_more))
    )
    return nonnegative(
        gap_there - gap,
        [product(CHUNK, fed_more), product(cost, more)],
        [cost] if hypothesis else [],
        "kappa ≥ (B-1)/B: C Phi - K does not fall, so it changes sign at most once",
    )


def terms_can_cross_twice(speed_ratio: str = "1/4") -> Finding:
    """Evaluate C Phi - K in exact fractions on an instance with one class that feeds little."""
    instance = ExactInstance(
        (256, 25600), (100, 100), ("3", "0.28"), ("0.1", "0.1"), speed_ratio=speed_ratio
    )
    model = general_class()
    bounds, works = (
        instance.of_each(each) for each in (model.rates.full_prefill, model.rates.decode_work)
    )
    points = [sp.Integer(0), bounds[0], min(sp.Integer(1), bounds[0] + bounds[1])]
    fed = [sp.Integer(0), works[0] * points[1], works[0] * points[1] + works[1] * bounds[1]]
    gaps = [
        each - instance.of(decode_capacity(model, at)) for each, at in zip(fed, points, strict=True)
    ]
    told = ", ".join(
        f"{gap} = {float(gap):.4f} at X = {at}" for gap, at in zip(gaps, points, strict=True)
    )
    twice = gaps[0] < 0 < gaps[1] and gaps[2] < 0
    return (proved if twice else refuted)(f"kappa = {speed_ratio}: C Phi - K is {told}")


KAPPA = general_class().rates.speed_ratio

CLAIMS = (
    Claim(
        id="D5/breakpoints",
        statement="The separate form is concave and piecewise linear in X: its maximum is at a "
        "breakpoint of Phi, where the two terms cross, or at an end.",
        latex=r"X\mapsto c_p\tfrac C\tau X+\tfrac{c_d}\tau\min\{C\Phi(X),(B-1)X+\kappa B(1-X)\}"
        r"\ \text{concave, piecewise linear}",
        source="THEORY 4.5, after eq. D5",
        check=maximum_is_at_a_special_point,
        mutants=(
            Mutant("the larger of the two terms", lambda: form_is_concave(larger=True)),
            Mutant("Phi bends inside a piece", lambda: pieces_are_straight(bend=1)),
        ),
    ),
    Claim(
        id="D5/saturated",
        statement="Where decode is saturated more prefill pays exactly if a prompt chunk earns "
        "more than the decode capacity that a mixed GPU lacks.",
        latex=r"\frac{d\tilde R}{dX}\ge0\iff c_pC\ge c_d(\kappa B-(B-1))",
        source="THEORY 4.5, after eq. D5",
        check=more_prefill_pays,
        mutants=(
            Mutant(
                "a mixed GPU decodes on B slots", lambda: more_prefill_pays(BATCH * (KAPPA - 1))
            ),
        ),
    ),
    Claim(
        id="D5/crossings",
        statement="What is fed meets the decode capacity at most once where kappa ≥ (B-1)/B, and "
        "can meet it twice below.",
        latex=r"\kappa\ge\tfrac{B-1}B\ \Rightarrow\ X\mapsto C\Phi(X)-(B-1)X-\kappa B(1-X)\ "
        r"\text{is nondecreasing}",
        source="THEORY 4.5, after eq. D12",
        check=lambda: all_of(terms_cross_once(), terms_can_cross_twice()),
        mutants=(
            Mutant("at most once for any kappa", lambda: terms_cross_once(hypothesis=False)),
            Mutant("twice at kappa = 3/2", lambda: terms_can_cross_twice("3/2")),
        ),
    ),
)
