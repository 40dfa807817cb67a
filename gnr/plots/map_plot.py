"""The picture of two promises at once: contours of the best revenue."""

from typing import Any

import numpy as np

from gnr.frontier_result import FrontierMap
from gnr.frontier_summary import SYMBOLS, measure
from gnr.instance import Instance
from gnr.plots.palette import FAINT, IDLE, INK
from gnr.plots.save import new_figure, one_line, plain_text

LEVELS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.9, 100)
"""Contours, percent of the best revenue."""


def draw_map(instance: Instance, result: FrontierMap) -> Any:
    """Return the best revenue against the bounds of two promises, as contours over the grid."""
    measures = [measure(sli, bounds[-1]) for sli, bounds in zip(result.slis, result.bounds,
                                                                strict=True)]  # fmt: skip
    across, up = (
        each.factor * np.array(bounds) for each, bounds in zip(measures, result.bounds, strict=True)
    )
    best = result.best_revenue_rate or 1.0
    shares = np.array(
        [[np.nan if cell is None else 100 * cell / best for cell in row]
         for row in result.revenue_rate]
    ).T  # fmt: skip
    from matplotlib.patheffects import withStroke

    with plain_text():
        figure = new_figure(8.6, 7.4)
        axes = figure.add_axes((0.12, 0.11, 0.72, 0.7))
        axes.set_facecolor(IDLE)
        axes.patch.set(hatch="///", edgecolor=FAINT)
        masked = np.ma.masked_invalid(shares)
        filled = axes.contourf(across, up, masked, LEVELS, cmap="YlGnBu_r")
        lines = axes.contour(across, up, masked, LEVELS[1:-1], colors=INK, linewidths=0.6)
        halo = [withStroke(linewidth=2.5, foreground="white")]
        for text in axes.clabel(lines, fmt=lambda level: f"{level:g} %", fontsize=8, colors=INK):
            text.set_path_effects(halo)
        grid = np.meshgrid(across, up)
        axes.plot(*grid, color=INK, marker=".", markersize=1.6, linestyle="none", alpha=0.4)
        bar = figure.colorbar(filled, cax=figure.add_axes((0.87, 0.11, 0.025, 0.7)))
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        bar.ax.tick_params(labelsize=8)
        bar.set_label("share of the best revenue", color=INK, fontsize=9)
        for place, (sli, shown) in enumerate(zip(result.slis, measures, strict=True)):
            label = f"{one_line(sli.name)} {SYMBOLS[sli.direction]} this promise, {shown.unit}"
            (axes.set_xlabel, axes.set_ylabel)[place](label, color=INK)
            if sli.bound is not None:
                mark = (axes.axvline, axes.axhline)[place]
                mark(shown.factor * sli.bound, color=INK, linewidth=0.9, linestyle=":")
        _headline(figure, instance, result)
    return figure


def _headline(figure: Any, instance: Instance, result: FrontierMap) -> None:
    first, second = (one_line(sli.name) for sli in result.slis)
    points = len(result.bounds[0])
    agree = "agree" if result.verified else "DISAGREE"
    lines = (
        f"{one_line(instance.title)}. {result.scheme.capitalize()} pricing; the best is "
        f"{result.best_revenue_rate:.6g} money/s per GPU.",
        f"A grid of {points} by {points} bounds (dots), exact there and interpolated between; "
        f"{len(result.resolved)} points solved anew {agree}.",
        "Hatched: the two cannot be promised together, as far as the grid tells.",
    )
    figure.text(0.02, 0.965, f"What {first} and {second} cost together", fontsize=14,
                weight="bold", color=INK, va="center")  # fmt: skip
    for k, line in enumerate(lines):
        figure.text(0.02, 0.925 - 0.033 * k, line, fontsize=9.5, color=INK, va="center")
