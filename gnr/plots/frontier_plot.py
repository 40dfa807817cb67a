"""The picture of frontiers: revenue and shadow price against the bound of a promise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnr.frontier_result import Frontier, FrontierPiece
from gnr.frontier_summary import SYMBOLS, Measure, measure_of, prices_at, share, verification
from gnr.instance import Instance
from gnr.plots.layout import headed_figure, wrap
from gnr.plots.palette import FAINT, IDLE, INK
from gnr.plots.save import clipped, one_line, plain_text

REVENUE, PRICE, OPTIMUM = "#4477aa", "#cc6677", "#117733"

PANELS_IN_A_ROW = 3

WIDTH, HEIGHT = 4.7, 6.35
"""Size of a column of panels, inches."""

CAPTION = 3.6
"""Longest line above a panel, inches."""

LONGEST_NAME = 34
"""Letters of a promise above its panel."""

SAMPLES = 80
"""Points drawn of a curved piece."""

BEFORE, AFTER = 0.09, 0.16
"""Shares of the range shown on the side that cannot be kept and on the side that is free."""


@dataclass(frozen=True)
class View:
    """What one panel shows: bounds as they are printed.

    Attributes
    ----------
    low, high
        Ends of the axis.
    measure
        How bounds are shown.
    """

    low: float
    high: float
    measure: Measure


def draw_frontiers(instance: Instance, frontiers: Sequence[Frontier]) -> Any:
    """Return revenue and shadow price against the bound, one column for each promise."""
    columns = min(len(frontiers), PANELS_IN_A_ROW)
    rows = -(-len(frontiers) // columns)
    width, height = max(WIDTH * columns, 7.6), HEIGHT * rows
    low, high = _money_range(frontiers)
    with plain_text():
        text = f"{_paragraph(instance, frontiers)} {_legend(frontiers)}"
        figure, body = headed_figure(width, height, "What a promise costs", text)
        for place, frontier in enumerate(frontiers):
            column, row = place % columns, place // columns
            left, across = (column + 0.2) / columns, 0.63 / columns
            top = height - HEIGHT * row
            revenue = body.add_axes((left, (top - 3.75) / height, across, 2.8 / height))
            price = body.add_axes((left, (top - 5.45) / height, across, 1.4 / height))
            _draw_frontier(revenue, price, frontier)
            revenue.set_ylim(low, high)
    return figure


def _money_range(frontiers: Sequence[Frontier]) -> tuple[float, float]:
    """Return one range of revenue for all panels, so that steepness can be compared.

    Where nothing costs anything it begins at 0.
    """
    best = max(each.best_revenue_rate for each in frontiers)
    lowest = min(point.revenue_rate for each in frontiers for point in each.breakpoints)
    if best - lowest <= 1e-9 * best:
        lowest = 0.0
    room = (best - lowest) or 1.0
    return lowest - 0.06 * room, best + 0.06 * room


def _paragraph(instance: Instance, found: Sequence[Frontier]) -> str:
    solves = " ".join(dict.fromkeys(verification(each) for each in found))
    if all(each.verified for each in found):
        solves = "Every breakpoint was solved anew by the LP solver and agrees."
    bests = dict.fromkeys(f"{each.best_revenue_rate:.6g}" for each in found)
    without = "the promise" if len(found) == 1 else "the promise of a panel"
    return (
        f"{instance.title}. {found[0].scheme.capitalize()} pricing; without {without} the best is "
        f"{' or '.join(bests)} money/s per GPU. All pieces are exact, none is interpolated. "
        f"{solves}"
    )


def _legend(found: Sequence[Frontier]) -> str:
    """Return what the marks mean, of those that may be hard to see only if they are there."""
    told = ["Hatched: kept by no plan, or only by serving nobody it is about."]
    told.append("Dots: where the price changes.")
    if any(_free_side(each, _view(each)) for each in found):
        told.append("Green diamond: beyond it the bound costs nothing.")
    if any(each.sli.bound is not None for each in found):
        told.append("Dotted line: the bound of the file.")
    return " ".join(told)


def _draw_frontier(revenue: Any, price: Any, frontier: Frontier) -> None:
    view = _view(frontier)
    for axes in (revenue, price):
        axes.set_xlim(view.low, view.high)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        _shade(axes, frontier, view)
    _draw_revenue(revenue, frontier, view)
    _draw_prices(price, frontier, view)
    sli, unit = frontier.sli, view.measure.unit
    _write_above(revenue, _captions(frontier, view))
    revenue.tick_params(labelbottom=False)
    label = f"{one_line(sli.title)}\n{SYMBOLS[sli.direction]} this promise, {unit}"
    wrap(price.set_xlabel(label, fontsize=8.5, color=INK), CAPTION)


def _write_above(axes: Any, captions: list[str]) -> None:
    """Write the name of a promise and what there is to say of it above a panel."""
    style: dict[str, Any] = {
        "xycoords": "axes fraction", "textcoords": "offset points", "color": INK,
    }  # fmt: skip
    name, *lines = captions
    below = axes.annotate("\n".join(lines), (0, 1), (0, 9), fontsize=8.5, linespacing=1.4, **style)
    wrap(below, CAPTION)
    above = 15 + 72 * below.get_window_extent().height / axes.figure.dpi
    axes.annotate(clipped(name, LONGEST_NAME), (0, 1), (0, above), fontsize=11, weight="bold",
                  **style)  # fmt: skip


def _captions(frontier: Frontier, view: View) -> list[str]:
    """Return the name of the promise, where it begins, and where it costs nothing."""
    shown, tight, loose = view.measure, frontier.tightest, frontier.loosest
    best = frontier.best_revenue_rate
    left = f"leaves {share(tight.revenue_rate, best)} of the best"
    found = [frontier.sli.name, f"tightest: {shown.text(tight.bound)}, {left}"]
    if loose is None:
        return [*found, "costs something at any bound"]
    left = f"leaves {share(loose.revenue_rate, best)} of the best"
    price = "costs nothing" if loose.revenue_rate >= best * (1 - 1e-9) else left
    onwards = "on" if frontier.sli.direction == "at_most" else "down"
    return [*found, f"{price} from {shown.text(loose.bound)} {onwards}"]


def _view(frontier: Frontier) -> View:
    measure = measure_of(frontier)
    low, high = frontier.breakpoints[0].bound, frontier.breakpoints[-1].bound
    width = (high - low) or abs(high) or 1.0
    before, after = BEFORE * width, AFTER * width
    if frontier.sli.direction == "at_least":
        before, after = after, before
    if frontier.sli.bound is not None:
        low, high = min(low, frontier.sli.bound), max(high, frontier.sli.bound)
    return View(measure.factor * (low - before), measure.factor * (high + after), measure)


def _shade(axes: Any, frontier: Frontier, view: View) -> None:
    """Hatch the side that cannot be kept; mark the bound in the file."""
    edge = view.measure.factor * frontier.tightest.bound
    upwards = frontier.sli.direction == "at_most"
    span = (min(view.low, edge), edge) if upwards else (edge, max(view.high, edge))
    axes.axvspan(*span, facecolor=IDLE, edgecolor=FAINT, hatch="///", linewidth=0, alpha=0.8)
    if frontier.sli.bound is not None:
        stated = view.measure.factor * frontier.sli.bound
        axes.axvline(stated, color=INK, linewidth=0.9, linestyle=":")


def _samples(piece: FrontierPiece) -> tuple[Any, Any]:
    """Return bounds along a piece and its revenue there."""
    bounds = np.linspace(piece.low, piece.high, SAMPLES if piece.shape == "curved" else 2)
    return bounds, np.array([piece.at(float(bound)) for bound in bounds])


def _draw_revenue(axes: Any, frontier: Frontier, view: View) -> None:
    factor, best = view.measure.factor, frontier.best_revenue_rate
    for piece in frontier.pieces:
        bounds, values = _samples(piece)
        axes.plot(factor * bounds, values, color=REVENUE, linewidth=1.8)
    free = _free_side(frontier, view)
    if free is not None:
        level = frontier.loosest_revenue_rate
        axes.plot(free, [level, level], color=REVENUE, linewidth=1.8)
    axes.plot(
        [factor * each.bound for each in frontier.breakpoints],
        [each.revenue_rate for each in frontier.breakpoints],
        color=REVENUE, marker="o", markersize=4.5, linestyle="none",
    )  # fmt: skip
    if free is not None and frontier.loosest is not None:
        at = [factor * frontier.loosest.bound], [frontier.loosest.revenue_rate]
        axes.plot(*at, color=OPTIMUM, marker="D", markersize=6.5)
    axes.set_ylabel("best revenue, money/s per GPU", color=INK, fontsize=9)
    _short_ticks(axes)
    if best > 0:
        shares = axes.secondary_yaxis(
            "right", functions=(lambda money: 100 * money / best, lambda part: part * best / 100)
        )
        shares.yaxis.set_major_formatter(
            lambda value, _: f"{value:g} %" if value < 100 + 1e-6 else ""
        )
        shares.spines["right"].set_visible(False)
        shares.tick_params(labelsize=8, colors=FAINT, length=0)


def _free_side(frontier: Frontier, view: View) -> tuple[float, float] | None:
    """Return the shown bounds from which on the promise costs nothing, if they are in view."""
    if frontier.loosest is None:
        return None
    edge = view.measure.factor * frontier.loosest.bound
    if not view.low <= edge <= view.high:
        return None
    return (edge, view.high) if frontier.sli.direction == "at_most" else (view.low, edge)


def _draw_prices(axes: Any, frontier: Frontier, view: View) -> None:
    factor = view.measure.factor
    for piece in frontier.pieces:
        bounds = np.linspace(piece.low, piece.high, SAMPLES)
        slopes = np.array([piece.slope_at(float(bound)) for bound in bounds])
        axes.plot(factor * bounds, slopes / factor, color=PRICE, linewidth=1.8)
    free = _free_side(frontier, view)
    if free is not None:
        axes.plot(free, [0, 0], color=PRICE, linewidth=1.8)
    for point in frontier.breakpoints:
        ends = [slope / factor for slope in prices_at(frontier, point) if slope is not None]
        if len(ends) > 1:
            axes.plot([factor * point.bound] * 2, ends, color=PRICE, linewidth=0.8, linestyle=":")
    axes.axhline(0, color=FAINT, linewidth=0.6)
    if not any(piece.slope_from or piece.slope_to for piece in frontier.pieces):
        axes.set_ylim(-0.1, 1)
        axes.set_yticks([0])
    unit = view.measure.unit
    per = f"per {unit}" if len(unit) < 4 else "per unit"
    axes.set_ylabel(f"shadow price\nmoney/s {per}", color=INK, fontsize=9)
    _short_ticks(axes)


def _short_ticks(axes: Any) -> None:
    """Write small and large money with one power of ten for all ticks, clear of the label."""
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4), useMathText=False)
    axes.yaxis.get_offset_text().set(fontsize=8, color=INK, x=-0.26)
    axes.yaxis.set_label_coords(-0.17, 0.5)
