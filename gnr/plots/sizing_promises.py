"""Panels of `gnr size`: the fewest GPUs of those tried against the bound of a promise."""

import math
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gnr.plots.comparison_plot import LAW_MARKERS
from gnr.plots.convergence_plot import POLICY_COLOURS
from gnr.plots.palette import FAINT, IDLE, INK
from gnr.plots.sizing_points import (
    Bound,
    claimed,
    drawn_policies,
    fluid_names,
    fluid_sizes,
    gpus_words,
    points_of,
    staircase,
)
from gnr.sizing import SizedCluster, SizedPolicy, Sizing

MOST_PANELS = 3
"""Promises drawn: those that some cluster breaks come first."""

LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1, 2)), (0, (1, 1)), "-")
"""Lines of the policies."""

FLUID_LINES: tuple[Any, ...] = (":", "-.")
"""Lines of the linear program, with mixed GPUs and without."""

BEYOND = 2.5
"""Times the bound at which a panel ends on the side that breaks it, at the latest."""

AROUND, SHADED = 0.1, 0.2
"""Shares of a panel that are left free beside what is drawn, and shaded at least."""

HIGHEST = 1.15
"""Times the largest size found up to which clusters are drawn."""


def gpus_range(result: Sizing) -> tuple[float, float]:
    """Return the ends of the axis of GPUs, one for all panels."""
    found = [each.gpus for each in result.policies if each.gpus is not None]
    reference = max(found) if found else min(each.first_guess for each in result.policies)
    most = HIGHEST * reference
    seen = [
        each.gpus
        for policy in drawn_policies(result)
        for each in points_of(policy)
        if len(each.broken) < 2 and each.gpus <= most
    ]
    seen += [each.gpus for policy in result.policies for each in claimed(policy)]
    shown = [*seen, *found, *fluid_sizes(result), reference]
    room = max(0.06 * (max(shown) - min(shown)), 1.0)
    return max(min(shown) - room, 0.0), max(shown) + room


def draw_bound(axes: Any, result: Sizing, bound: Bound) -> None:
    """Draw GPUs against the bound of one promise, a line for each policy."""
    limits = gpus_range(result)
    low, high = _ends(result, bound)
    factor = bound.factor
    broken_side = (bound.promised, high) if bound.direction == "at_most" else (low, bound.promised)
    axes.axvspan(*(factor * each for each in broken_side), facecolor=IDLE, linewidth=0, zorder=0)
    axes.axvline(factor * bound.promised, color=INK, linewidth=1.1, zorder=1)
    for gpus, line in zip(fluid_sizes(result), FLUID_LINES, strict=False):
        axes.axhline(gpus, color=FAINT, linewidth=1.2, linestyle=line, zorder=1)
    if not any(points_of(each) for each in result.policies):
        axes.text(0.5, 0.5, "no cluster was tried", transform=axes.transAxes, ha="center",
                  va="center", fontsize=9, color=INK)  # fmt: skip
    for place, policy in enumerate(drawn_policies(result)):
        _draw_policy(axes, place, policy, bound, (low, high))
    axes.set_xlim(factor * low, factor * high)
    axes.set_ylim(*limits)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title(bound.words, loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel(f"bound that could be promised ({bound.shown_unit})", fontsize=9, color=INK)
    axes.tick_params(labelsize=8.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _ends(result: Sizing, bound: Bound) -> tuple[float, float]:
    """Return the bounds at the ends of a panel: around all lines and sizes found."""
    policies = drawn_policies(result)
    lines = [value for each in policies for value, _ in staircase(points_of(each), bound)]
    measured = [point.measured.get(bound.name) for each in policies for point in points_of(each)]
    values = [bound.promised, *(lines or [each for each in measured if each is not None])]
    for each in policies:
        values += [] if each.cluster is None else _means(each.cluster, bound)
    upper = bound.direction == "at_most"
    far = bound.looser(bound.promised * (BEYOND if upper else 1 / BEYOND)) or math.inf
    inside = [each for each in values if bound.looser(each) <= far]
    low, high = min(inside), max(inside)
    span = (high - low) or 0.5 * abs(bound.promised) or 1.0
    loosest = (high if upper else low) - bound.promised
    more = max(AROUND * span, SHADED * span - abs(loosest))
    less = AROUND * span
    if low >= 0:  # room for a mark at 0, and no bounds below it
        less = min(less, low + 0.04 * span)
    return (low - less, high + more) if upper else (low - more, high + less)


def _means(cluster: SizedCluster, bound: Bound) -> list[float]:
    return [
        each.measured.mean
        for each in cluster.promises
        if each.name == bound.name and each.measured is not None
    ]


def _style(place: int) -> dict[str, Any]:
    return {
        "color": POLICY_COLOURS[place % len(POLICY_COLOURS)],
        "marker": LAW_MARKERS[place % len(LAW_MARKERS)],
    }


def _draw_policy(
    axes: Any, place: int, policy: SizedPolicy, bound: Bound, ends: tuple[float, float]
) -> None:
    points, style = points_of(policy), _style(place)
    last = ends[1] if bound.direction == "at_most" else ends[0]
    steps = [each for each in staircase(points, bound)
             if bound.looser(each[0]) <= bound.looser(last)]  # fmt: skip
    if steps:
        x = [bound.factor * value for value, _ in (*steps, (last, 0))]
        y = [gpus for _, gpus in steps] + [steps[-1][1]]
        axes.step(x, y, where="post", color=style["color"], linestyle=LINES[place], linewidth=1.7,
                  label=policy.policy, zorder=2)  # fmt: skip
    for each in points:
        value = each.measured.get(bound.name)
        if value is not None:
            fill = style["color"] if each.keeps_all_but(bound) else "white"
            axes.plot(
                [bound.factor * value], [each.gpus], linestyle="none", markersize=4.5,
                markerfacecolor=fill, markeredgewidth=0.9, zorder=3, **style,
            )  # fmt: skip
    for cluster in claimed(policy):
        _draw_claimed(axes, cluster, bound, style, ends, found=cluster is policy.cluster)


def _draw_claimed(
    axes: Any,
    cluster: SizedCluster,
    bound: Bound,
    style: dict[str, Any],
    ends: tuple[float, float],
    *,
    found: bool,
) -> None:
    """Mark a cluster that a claim is about; beyond the panel it is drawn on the edge."""
    measured = next((each.measured for each in cluster.promises if each.name == bound.name), None)
    if measured is None:
        return
    shown, factor = min(max(measured.mean, ends[0]), ends[1]), bound.factor
    mark = style if found else style | {"marker": "X"}
    axes.plot(
        [factor * shown], [cluster.gpus], linestyle="none", markeredgecolor=INK,
        markersize=9 if found else 8, markeredgewidth=1.1, clip_on=False, zorder=6, **mark,
    )  # fmt: skip
    if shown == measured.mean:
        axes.errorbar(
            [factor * shown], [cluster.gpus], xerr=[factor * measured.half_width],
            color=INK, elinewidth=1.2, capsize=2.5, linestyle="none", zorder=5,
        )  # fmt: skip


def policy_handles(result: Sizing) -> tuple[list[Any], list[str]]:
    """Return what stands for each policy in the legend, with the size found."""
    handles, labels = [], []
    for place, each in enumerate(drawn_policies(result)):
        handles.append(Line2D([], [], linewidth=1.7, markersize=5, linestyle=LINES[place],
                              **_style(place)))  # fmt: skip
        perhaps = "" if each.status == "found" else "perhaps "
        size = "none found" if each.gpus is None else f"{perhaps}{each.gpus:,}"
        labels.append(f"{each.policy}: {size}")
    return handles, labels


def mark_handles(result: Sizing) -> tuple[list[Any], list[str]]:
    """Return what the marks mean, of those that there are."""
    grey: dict[str, Any] = {"color": FAINT, "marker": "o", "linestyle": "none"}
    marks: list[tuple[Any, str]] = [
        (Line2D([], [], markersize=5, **grey), "tried: keeps the other promises"),
        (
            Line2D([], [], markersize=5, markerfacecolor="white", **grey),
            "tried: breaks another promise",
        ),
    ]
    if any(each.cluster is not None for each in result.policies):
        big = Line2D([], [], markersize=9, markeredgecolor=INK, markeredgewidth=1.1, **grey)
        marks.append((big, "size found, with 95 % interval"))
    if any(each.smaller is not None and each.smaller.clusters for each in result.policies):
        cross: dict[str, Any] = {"color": FAINT, "marker": "X", "linestyle": "none"}
        small = Line2D([], [], markersize=8, markeredgecolor=INK, markeredgewidth=1.1, **cross)
        marks.append((small, "a twentieth fewer (on the edge: beyond)"))
    marks.append((Patch(facecolor=IDLE, edgecolor=FAINT), "breaks this promise"))
    sizes = fluid_sizes(result)
    for size, line, name in zip(sizes, FLUID_LINES, fluid_names(sizes), strict=False):
        handle = Line2D([], [], color=FAINT, linewidth=1.2, linestyle=line)
        marks.append((handle, f"{name}: {gpus_words(size)}"))
    return [each for each, _ in marks], [text for _, text in marks]
