"""Figure 8: what fairness of prefill, fairness of decode and time per output token cost."""

from collections.abc import Iterator

import numpy as np

from gnr.frontier_result import Frontier
from gnr.reproduction import Lines, Quantity, Reference, Series
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
    prefill, decode, tpot = runs[PREFILL], runs[DECODE], runs[TPOT]
    quantities = [*_of_fairness(prefill, decode), *_of_tpot(tpot)]
    tight, free = _ends(tpot)
    panels = [
        _curve(prefill, 1.2 * plan_spread(PREFILL), "Prefill fairness",
               "largest difference between classes, prefills per GPU"),
        _curve(decode, 1.2 * plan_spread(DECODE), "Decode fairness",
               "largest difference between classes, solo decodes per GPU"),
        _curve(tpot, free + 0.2 * (free - tight), "Time per output token", "bound on the mean, s"),
        _price(tpot),
    ]  # fmt: skip
    return Measured(quantities, panels, _doubts(runs))


def _of_fairness(prefill: Frontier, decode: Frontier) -> Iterator[Quantity]:
    for name, words, share in (
        ("half", "half way", 0.5),
        ("full", "in full", 0.0),
    ):
        of_prefill = lost(prefill, share * plan_spread(PREFILL))
        of_decode = lost(decode, share * plan_spread(DECODE))
        yield exactly(
            f"prefill_{name}", f"prefill fairness, {words}: revenue lost", of_prefill, "%"
        )
        yield exactly(f"decode_{name}", f"decode fairness, {words}: revenue lost", of_decode, "%")
        words = f"prefill less decode fairness, {words}: revenue lost"
        yield exactly(f"{name}_excess", words, of_prefill - of_decode, "%")
    _, free = _ends(decode)
    words = "decode fairness: difference where it begins to cost, share of the plan's"
    yield exactly("decode_free", words, 100 * free / plan_spread(DECODE), "%")
    words = "decode fairness, half of the difference where it begins to cost: revenue lost"
    yield exactly("decode_half_of_free", words, lost(decode, free / 2), "%")


def _of_tpot(tpot: Frontier) -> Iterator[Quantity]:
    unit = "money/s per GPU and ms"
    loose, tight = tpot.pieces[-1].slope_to, tpot.pieces[0].slope_from
    words = "price of time per output token where it begins to cost"
    yield exactly("tpot_price_loose", words, loose * MS, unit)
    yield exactly(
        "tpot_price_tight", "price of time per output token at the tightest bound", tight * MS, unit
    )
    yield exactly(
        "tpot_price_rise",
        "price of time per output token: at the tightest bound, over where it begins to cost",
        tight / loose,
    )
    words = "time per output token, half way between these two bounds: revenue lost"
    yield exactly("tpot_half", words, lost(tpot, sum(_ends(tpot)) / 2), "%")
    words = "prefills left at the tightest bound, share of the plan's"
    yield exactly("tpot_prefill_left", words, 100 * _prefills(tpot), "%")


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


def _ends(frontier: Frontier) -> tuple[float, float]:
    """Return the tightest bound and the one from which on the promise costs nothing."""
    return frontier.pieces[0].low, frontier.pieces[-1].high


def _prefills(tpot: Frontier) -> float:
    """Return the prefills at the tightest bound over those of the plan."""
    held = sum(each.prefill for each in tpot.breakpoints[0].classes)
    return held / sum(each.prefill for each in planned(PLAN))


def _bounds(frontier: Frontier) -> list[float]:
    """Return bounds close to each other on every piece, the ends among them."""
    found = [np.linspace(each.low, each.high, POINTS) for each in frontier.pieces]
    return [float(bound) for piece in found for bound in piece]


def _curve(frontier: Frontier, until: float, title: str, x_label: str) -> Lines:
    """Return a frontier as a picture, going on over bounds that cost nothing."""
    bounds = [*_bounds(frontier), until]
    line = Series(
        label="with the promise",
        x=tuple(bounds),
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
        (bound, piece.slope_at(bound) * MS)
        for piece in tpot.pieces
        for bound in np.linspace(piece.low, piece.high, POINTS).tolist()
    ]
    x, y = zip(*points, strict=True)
    return Lines(
        title="Price of time per output token",
        x_label="bound on the mean, s",
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
