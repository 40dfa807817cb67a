"""Picture of policies over random instances: every instance's gap, mean and interval."""

import math
from collections.abc import Sequence
from typing import Any

from gnr.comparison import Condition
from gnr.comparison_summary import best_sentence
from gnr.plots.comparison_plot import PANELS_IN_A_ROW, headline, lay_out, panel_grid
from gnr.plots.palette import FAINT, INK
from gnr.plots.save import plain_text
from gnr.survey import PolicySummary, Survey

DOT, MEAN = "#88ccee", "#332288"
"""Colours of one instance and of the mean."""

ROW = 0.52
"""Height of one policy with the line of numbers below its dots, inches."""

FOOT = 0.65
"""Height of the foot, which has no legend, inches."""

LINEAR = 1.0
"""Gaps up to so many percent are on a linear scale, larger ones on a logarithmic one."""

TICKS = (0, 0.5, 1, 2, 5, 10, 20, 50, 100)
"""Percent."""


def draw_survey(result: Survey) -> Any:
    """Return the gap of each policy on each instance, one panel for each cluster size.

    With several laws of the lengths the first is drawn.
    """
    law = result.conditions[0].lengths
    drawn = [each for each in result.conditions if each.lengths == law]
    last = {each.policy: each.gap.mean for each in result.at(drawn[-1])}
    order = sorted(result.names, key=lambda name: last.get(name, math.inf))
    best = {each.condition: each for each in result.best}
    with plain_text():
        figure, panels = panel_grid(len(drawn), len(order), ROW, FOOT)
        for place, (axes, condition) in enumerate(zip(panels, drawn, strict=True)):
            lay_out(axes, order, condition, names=place % PANELS_IN_A_ROW == 0)
            _draw_dots(axes, result, condition, order)
            for each in result.at(condition):
                _draw_mean(axes, order.index(each.policy), each, best[condition].policy)
        _bend_axes(panels, result)
        headline(
            figure,
            f"How far each policy stays behind the LP optimum on {len(result.instances)} random "
            "instances",
            f"Seed {result.seed}, {result.accounting} accounting, {drawn[0].law}. The scale is "
            f"linear up to {LINEAR:g} %, then logarithmic.",
            best_sentence(best[drawn[-1]], drawn),
            "Light: single instances. Dark: mean over instances, 95 % interval. A win is the "
            "smallest gap on an instance. Bold: smallest mean.",
        )
    return figure


def _draw_dots(axes: Any, result: Survey, condition: Condition, order: Sequence[str]) -> None:
    """Draw one light dot for each instance and policy."""
    found = [each for each in result.gaps if Condition(each.gpus, each.lengths) == condition]
    axes.plot(
        [100 * each.gap.mean for each in found],
        [order.index(each.policy) - 0.12 for each in found],
        color=DOT, marker="o", markersize=4.5, markeredgewidth=0, alpha=0.7, linestyle="none",
    )  # fmt: skip


def _draw_mean(axes: Any, row: int, each: PolicySummary, best: str) -> None:
    axes.errorbar(
        [100 * each.gap.mean], [row - 0.12], xerr=[100 * each.gap.half_width], color=MEAN,
        marker="D", markersize=4.5, capsize=2.5, linewidth=1.2,
    )  # fmt: skip
    wins = "1 win" if each.wins == 1 else f"{each.wins} wins"
    axes.annotate(
        f"mean {each.gap.mean:.2%} ±{each.gap.half_width:.2%}, worst {each.worst_gap:.1%}, {wins}",
        (0, row + 0.27), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5,
        color=INK, weight="bold" if each.policy == best else "normal",
    )  # fmt: skip
    axes.axhline(row + 0.5, color=FAINT, alpha=0.25, linewidth=0.6)


def _bend_axes(panels: Sequence[Any], result: Survey) -> None:
    """Give all panels one scale on which small and large gaps can both be read."""
    ends = [100 * each.gap.mean for each in result.gaps]
    for each in result.policies:
        ends += [100 * (each.gap.mean - each.gap.half_width)]
        ends += [100 * (each.gap.mean + each.gap.half_width)]
    low, high = min(*ends, 0.0) - 0.1 * LINEAR, 1.2 * max(*ends, LINEAR)
    for axes in panels:
        axes.set_xscale("symlog", linthresh=LINEAR, linscale=1.0)
        axes.set_xlim(low, high)
        axes.set_xticks([tick for tick in TICKS if low <= tick <= high])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        axes.minorticks_off()
