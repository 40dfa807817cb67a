"""The picture of two promises at once: contours of the best revenue."""

from typing import Any

import numpy as np
from matplotlib import rc_context

from gnr.frontier_result import FrontierMap, wide
from gnr.frontier_summary import SYMBOLS, Measure, measure
from gnr.instance import Instance
from gnr.plots.contours import label_contours
from gnr.plots.layout import headed_figure, label_by_ratio, wrap
from gnr.plots.palette import FAINT, IDLE, INK
from gnr.plots.save import one_line, plain_text

LEVELS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.9, 100)
"""Contours, percent of the best revenue."""

LONGEST_LABEL = 5.6
"""Of an axis, inches."""


def draw_map(instance: Instance, result: FrontierMap) -> Any:
    """Return the best revenue against the bounds of two promises, as contours over the grid."""
    measures = [measure(sli, bounds[-1]) for sli, bounds in zip(result.slis, result.bounds,
                                                                strict=True)]  # fmt: skip
    with plain_text():
        title = f"What {' and '.join(sli.name for sli in result.slis)} cost together"
        figure, body = headed_figure(8.6, 6.1, title, *_paragraphs(instance, result, measures))
        axes = body.add_axes((0.12, 0.12, 0.72, 0.86))
        for place, shown in enumerate(measures):
            _scale(axes, result, place, shown)
        filled = _fill(figure, axes, result, [each.factor for each in measures])
        bar = figure.colorbar(filled, cax=body.add_axes((0.87, 0.12, 0.025, 0.86)))
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        bar.ax.tick_params(labelsize=8)
        bar.set_label("share of the best revenue", color=INK, fontsize=9)
    return figure


def _scale(axes: Any, result: FrontierMap, place: int, shown: Measure) -> None:
    """Lay out one axis, which ends with the grid, and draw the bound of the file."""
    sli, bounds = result.slis[place], result.bounds[place]
    axis = (axes.xaxis, axes.yaxis)[place]
    limits = (axes.set_xlim, axes.set_ylim)[place]
    if wide(bounds[0], bounds[-1]):
        (axes.set_xscale, axes.set_yscale)[place]("log")
        label_by_ratio(axis, bounds[0], bounds[-1])
    limits(shown.factor * bounds[0], shown.factor * bounds[-1])
    label = f"{one_line(sli.name)} {SYMBOLS[sli.direction]} this promise, {shown.unit}"
    wrap(axis.set_label_text(label, color=INK), LONGEST_LABEL)
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


def _paragraphs(
    instance: Instance, result: FrontierMap, measures: list[Measure]
) -> tuple[str, str, str]:
    """Return whose map it is, how it was made, and what its marks mean."""
    points = " by ".join(str(len(bounds)) for bounds in result.bounds)
    agree = "agree" if result.verified else "DISAGREE"
    marks = []
    if any(cell is None for row in result.revenue_rate for cell in row):
        marks.append("Hatched: no plan keeps both. Grey: the grid does not tell.")
    marks += [
        f"{result.slis[place].name} tighter than {shown.text(result.tightest[place])} is kept only "
        "by serving nobody it is about."
        for place, shown in enumerate(measures)
        if _kept_beyond(result, place)
    ]
    if any(sli.bound is not None for sli in result.slis):
        marks.append("Dotted: the bounds of the file.")
    return (
        f"{instance.title}. {result.scheme.capitalize()} pricing; the best is "
        f"{result.best_revenue_rate:.6g} money/s per GPU.",
        f"A grid of {points} bounds (dots), exact there and interpolated between; "
        f"{len(result.resolved)} points solved anew {agree}.",
        " ".join(marks),
    )


def _kept_beyond(result: FrontierMap, place: int) -> bool:
    """Return whether some plan keeps a promise beyond its tightest bound."""
    attained = _attained(result, place)
    cells = np.moveaxis(np.array(result.revenue_rate, dtype=float), place, 0)
    beyond = [k for k in range(len(cells)) if k not in attained]
    return bool(np.isfinite(cells[beyond]).any())
