"""Figure 8: what fairness of prefill, fairness of decode and time per output token cost."""

import numpy as np

from gnr.frontier_result import Frontier
from gnr.reproduction import Lines, Reference, Series
from gnr.validation.studies.reproduction.base_runs import base, planned
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.parts import FrontierPart
from gnr.validation.studies.reproduction.quantities import exactly

PREFILL, DECODE, TPOT = "prefill_fairness", "decode_fairness", "mean_tpot"
"""The promises (P43), (P45) and (P47), one at a time."""

PLAN = "gate-and-route"
"""The policy whose plan the spreads are told of: the optimum of (P40) without promises."""

POINTS = 40
"""Points of a curve on each piece."""

MS = 1e-3
"""s per ms."""


def parts(effort: Effort) -> dict[str, FrontierPart]:
    """Return the three frontiers by kind of promise."""
    return {kind: FrontierPart(base(), kind) for kind in (PREFILL, DECODE, TPOT)}


def measured(runs: dict[str, Frontier], effort: Effort) -> Measured:
    """Return what each promise costs half way and at its tightest, and the frontiers."""
    tpot = runs[TPOT]
    half, full = (
        {kind: lost(runs[kind], share * plan_spread(kind)) for kind in (PREFILL, DECODE)}
        for share in (0.5, 0.0)
    )
    first, last = tpot.pieces[0].slope_from, tpot.pieces[-1].slope_to
    middle = (tpot.pieces[0].low + tpot.pieces[-1].high) / 2
    halved, none = "spread of the plan halved", "no spread at all"
    quantities = [
        exactly("prefill_half", f"revenue lost, prefill: {halved}", half[PREFILL], "%"),
        exactly("prefill_full", f"revenue lost, prefill: {none}", full[PREFILL], "%"),
        exactly("decode_half", f"revenue lost, solo decode: {halved}", half[DECODE], "%"),
        exactly("decode_full", f"revenue lost, solo decode: {none}", full[DECODE], "%"),
        exactly(
            "decode_free",
            "solo decode: spread left where it begins to cost, of the plan's",
            100 * runs[DECODE].pieces[-1].high / plan_spread(DECODE),
            "%",
        ),
        exactly(
            "half_excess",
            f"prefill fairness costs more than decode fairness: {halved}",
            half[PREFILL] - half[DECODE],
            "% points",
        ),
        exactly("full_excess", f"the same: {none}", full[PREFILL] - full[DECODE], "% points"),
        exactly(
            "tpot_half",
            "revenue lost, half way from the free bound to the tightest time per token",
            lost(tpot, middle),
            "%",
        ),
        exactly(
            "tpot_price_loose",
            "price of the time per output token where it begins to cost",
            last * MS,
            "money/s per GPU and ms",
        ),
        exactly(
            "tpot_price_tight",
            "its price at the tightest bound",
            first * MS,
            "money/s per GPU and ms",
        ),
        exactly("tpot_price_rise", "the second over the first", first / last),
        exactly(
            "tpot_prefill_left",
            "prefills at the tightest time per token, of the plan's",
            100 * _prefills(tpot),
            "%",
        ),
    ]
    panels = [
        _curve(runs[PREFILL], "Prefill fairness", "largest difference in prefills per GPU", 1.0),
        _curve(runs[DECODE], "Decode fairness", "largest difference in solo decodes per GPU", 1.0),
        _curve(tpot, "Time per output token", "bound on the mean, ms", MS),
        _price(tpot),
    ]
    return Measured(quantities, panels, _doubts(runs))


def plan_spread(kind: str) -> float:
    """Return how far apart the classes are in the plan without promises, per GPU."""
    field = {PREFILL: "prefill", DECODE: "solo_decode"}[kind]
    held = [float(getattr(each, field)) for each in planned(PLAN)]
    return max(held) - min(held)


def revenue_at(frontier: Frontier, bound: float) -> float:
    """Return the best revenue at a bound from the tightest on, money/s per GPU."""
    for piece in frontier.pieces:
        if bound <= piece.high:
            return piece.at(bound)
    return frontier.loosest_revenue_rate


def lost(frontier: Frontier, bound: float) -> float:
    """Return what a bound costs, % of the best revenue without it."""
    return 100 * (1 - revenue_at(frontier, bound) / frontier.best_revenue_rate)


def _prefills(tpot: Frontier) -> float:
    """Return the prefills at the tightest bound over those of the plan."""
    held = sum(each.prefill for each in tpot.breakpoints[0].classes)
    return held / sum(each.prefill for each in planned(PLAN))


def _bounds(frontier: Frontier) -> list[float]:
    """Return bounds close to each other on every piece, the ends among them."""
    found = [np.linspace(each.low, each.high, POINTS) for each in frontier.pieces]
    return [float(bound) for piece in found for bound in piece]


def _curve(frontier: Frontier, title: str, x_label: str, unit: float) -> Lines:
    """Return a frontier as a picture, going on over the bounds that cost nothing."""
    bounds = _bounds(frontier)
    bounds.append(bounds[-1] + 0.5 * (bounds[-1] - bounds[0]))
    line = Series(
        label="with the promise",
        x=tuple(each / unit for each in bounds),
        y=tuple(revenue_at(frontier, each) for each in bounds),
    )
    return Lines(
        title=title,
        x_label=x_label,
        y_label="money/s per GPU",
        series=(line,),
        references=(Reference(label="optimum R*, no promise", y=frontier.best_revenue_rate),),
        marks=False,
    )


def _price(tpot: Frontier) -> Lines:
    """Return the slope of the frontier of the time per token; it jumps between pieces."""
    points = [
        (bound / MS, piece.slope_at(bound) * MS)
        for piece in tpot.pieces
        for bound in np.linspace(piece.low, piece.high, POINTS).tolist()
    ]
    x, y = zip(*points, strict=True)
    return Lines(
        title="Price of the time per output token",
        x_label="bound on the mean, ms",
        y_label="money/s per GPU and ms",
        series=(Series(label="shadow price", x=x, y=y),),
        y_log=True,
        marks=False,
    )


def _doubts(runs: dict[str, Frontier]) -> list[str]:
    found = [f"{kind}: {text}" for kind, each in runs.items() for text in each.warnings]
    found += [
        f"{kind}: the solver does not agree with the frontier"
        for kind, each in runs.items()
        if not each.verified
    ]
    return found
