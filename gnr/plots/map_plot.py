"""The picture of two promises at once: contours of the best revenue."""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.ticker import LogLocator, NullLocator

from gnr.frontier_result import FrontierMap, wide
from gnr.frontier_summary import SYMBOLS, Measure, measure
from gnr.instance import Instance
from gnr.plots.contours import label_contours
from gnr.plots.palette import FAINT, IDLE, INK
from gnr.plots.save import new_figure, one_line, plain_text

LEVELS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.9, 100)
"""Contours, percent of the best revenue."""


def draw_map(instance: Instance, result: FrontierMap) -> Any:
    """Return the best revenue against the bounds of two promises, as contours over the grid."""
    measures = [measure(sli, bounds[-1]) for sli, bounds in zip(result.slis, result.bounds,
                                                                strict=True)]  # fmt: skip
    with plain_text():
        figure = new_figure(8.6, 7.4)
        axes = figure.add_axes((0.12, 0.11, 0.72, 0.7))
        for place, shown in enumerate(measures):
            _scale(axes, result, place, shown)
        filled = _fill(figure, axes, result, [each.factor for each in measures])
        bar = figure.colorbar(filled, cax=figure.add_axes((0.87, 0.11, 0.025, 0.7)))
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        bar.ax.tick_params(labelsize=8)
        bar.set_label("share of the best revenue", color=INK, fontsize=9)
        _headline(figure, instance, result)
    return figure


def _scale(axes: Any, result: FrontierMap, place: int, shown: Measure) -> None:
    """Lay out one axis, which ends with the grid, and draw the bound of the file."""
    sli, bounds = result.slis[place], result.bounds[place]
    axis = (axes.xaxis, axes.yaxis)[place]
    limits = (axes.set_xlim, axes.set_ylim)[place]
    if wide(bounds[0], bounds[-1]):
        (axes.set_xscale, axes.set_yscale)[place]("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_locator(NullLocator())
    limits(shown.factor * bounds[0], shown.factor * bounds[-1])
    label = f"{one_line(sli.name)} {SYMBOLS[sli.direction]} this promise, {shown.unit}"
    axis.set_label_text(label, color=INK)
    if sli.bound is not None:
        mark = (axes.axvline, axes.axhline)[place]
        mark(shown.factor * sli.bound, color=INK, linewidth=0.9, linestyle=":", zorder=3)


def _fill(figure: Any, axes: Any, result: FrontierMap, factors: list[float]) -> Any:
    """Draw the contours, the grid, and hatches between points at which there is no plan."""
    across, up = (
        factor * np.array(bounds) for factor, bounds in zip(factors, result.bounds, strict=True)
    )
    axes.plot(*np.meshgrid(across, up), color=INK, marker=".", markersize=1.6, linestyle="none",
              alpha=0.4)  # fmt: skip
    best = result.best_revenue_rate or 1.0
    shares = np.array(
        [[np.nan if cell is None else min(100 * cell / best, 100) for cell in row]
         for row in result.revenue_rate]
    )  # fmt: skip
    kept = [_attained(result, place) for place in (0, 1)]
    inner = across[kept[0]], up[kept[1]], np.ma.masked_invalid(shares[np.ix_(*kept)].T)
    places = [_with_jump(result, place) for place in (0, 1)]
    across, up = (
        values[[at for at, _ in steps]] for values, steps in zip((across, up), places, strict=True)
    )
    shares = shares[np.ix_(*([taken for _, taken in steps] for steps in places))].T
    axes.set_facecolor(IDLE)
    nothing = np.isnan(shares).astype(float)
    if nothing.any():
        with rc_context({"hatch.color": FAINT}):
            axes.contourf(across, up, nothing, [0.999, 2], colors="none", hatches=["///"])
    filled = axes.contourf(across, up, np.ma.masked_invalid(shares), LEVELS, cmap="YlGnBu_r")
    lines = axes.contour(*inner, LEVELS[1:-1], colors=INK, linewidths=0.6)
    label_contours(figure, axes, lines, lambda level: f"{level:g} %")
    return filled


def _attained(result: FrontierMap, place: int) -> list[int]:
    """Return the places of the bounds of one promise that can be kept by serving somebody."""
    tightest, upwards = result.tightest[place], result.slis[place].direction == "at_most"
    return [
        k
        for k, bound in enumerate(result.bounds[place])
        if bound == tightest or (bound > tightest) == upwards
    ]


def _with_jump(result: FrontierMap, place: int) -> list[tuple[int, int]]:
    """Return the places of the bounds of one promise, and those where the revenue is taken.

    The tightest bound is there twice, with the revenue of the one beyond it and with its own: all
    bounds beyond it earn the same, and the revenue jumps only there.
    """
    bounds = result.bounds[place]
    steps = [(k, k) for k in range(len(bounds))]
    tightest = bounds.index(result.tightest[place])
    upwards = result.slis[place].direction == "at_most"
    beyond = tightest - 1 if upwards else tightest + 1
    if 0 <= beyond < len(bounds):
        steps.insert(tightest + (not upwards), (tightest, beyond))
    return steps


def _headline(figure: Any, instance: Instance, result: FrontierMap) -> None:
    first, second = (one_line(sli.name) for sli in result.slis)
    points = " by ".join(str(len(bounds)) for bounds in result.bounds)
    agree = "agree" if result.verified else "DISAGREE"
    lines = (
        f"{one_line(instance.title)}. {result.scheme.capitalize()} pricing; the best is "
        f"{result.best_revenue_rate:.6g} money/s per GPU.",
        f"A grid of {points} bounds (dots), exact there and interpolated between; "
        f"{len(result.resolved)} points solved anew {agree}.",
        "Hatched: the two cannot be promised together. Grey: the grid does not tell."
        + (" Dotted: the file." if any(sli.bound is not None for sli in result.slis) else ""),
    )
    figure.text(0.02, 0.965, f"What {first} and {second} cost together", fontsize=14,
                weight="bold", color=INK, va="center")  # fmt: skip
    for k, line in enumerate(lines):
        figure.text(0.02, 0.925 - 0.033 * k, line, fontsize=9.5, color=INK, va="center")
