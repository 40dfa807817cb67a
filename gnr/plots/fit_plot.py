"""Picture of a fit: classes in the plane of lengths, laws of lengths, rate over time, bursts."""

from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from gnr.arrays import Floats
from gnr.fit_result import Arrivals, Fit
from gnr.plots.layout import headed_figure, label_by_ratio
from gnr.plots.palette import FAINT, INK, class_colour
from gnr.plots.save import one_line, plain_text

WIDTH, ROW, FOOT = 12.0, 4.3, 0.55
"""Of the figure, of a row of panels and of the legend below them, inches."""

MOST_NAMES = 10
"""Classes in the legend."""

MOST_POINTS = 20_000
"""Cells of lengths that are drawn; the fullest."""

POISSON = "#dfe6ee"


@plain_text()
def draw_fit(result: Fit) -> Any:
    """Return the matplotlib figure of a fit; without times the lower row is left out."""
    rows = 1 if result.arrivals is None else 2
    body = rows * ROW + FOOT
    figure, below = headed_figure(WIDTH, body, f"{result.name}: request classes", *_texts(result))
    down = ROW / body

    def panel(row: int, left: float, width: float) -> Any:
        bottom = 1 - (row + 1) * down + 0.62 / body
        return below.add_axes((left, bottom, width, (ROW - 1.05) / body))

    _draw_lengths(panel(0, 0.06, 0.35), result)
    for left, what in ((0.475, "output"), (0.765, "prompt")):
        _draw_law(panel(0, left, 0.22), result, what)
    if result.arrivals is not None:
        _draw_rate(panel(1, 0.06, 0.53), result.arrivals)
        _draw_dispersion(panel(1, 0.665, 0.32), result.arrivals)
    _legend(below, result)
    return figure


def _texts(result: Fit) -> list[str]:
    log, plan = result.log, result.plan
    rate = "" if result.total_rate is None else f", {result.total_rate.value:.4g} requests/s"
    return [
        f"{log.requests:,} requests of {log.file}{rate}. GPU and prices: {plan.hardware_from}; one "
        f"GPU serves {plan.capacity.value:.4g} requests/s of this mix in full.",
    ]


def _draw_lengths(axes: Any, result: Fit) -> None:
    points, requests, labels = (result.pictured[k] for k in ("points", "requests", "labels"))
    fullest = np.argsort(-requests, kind="stable")[:MOST_POINTS]
    points, requests, labels = points[fullest], requests[fullest], labels[fullest]
    sizes = 2.0 + 60.0 * requests / max(float(requests.max()), 30.0)
    colours = np.array([class_colour(k) for k in range(len(result.classes))])
    mixed = np.random.default_rng(0).permutation(len(points))
    axes.scatter(
        points[mixed, 0], points[mixed, 1], s=sizes[mixed], c=colours[labels[mixed]], alpha=0.45,
        linewidths=0, rasterized=True,
    )  # fmt: skip
    for k, each in enumerate(result.classes):
        axes.plot(
            each.prompt_tokens.value, each.output_tokens.value, marker="P", markersize=11,
            color=class_colour(k), markeredgecolor=INK, markeredgewidth=1.3, linestyle="none",
        )  # fmt: skip
    _by_ratio(axes, points[:, 0], points[:, 1])
    _dress(axes, "lengths of requests; crosses: class means", "prompt, tokens", "output, tokens")


def _draw_law(axes: Any, result: Fit, what: str) -> None:
    """Draw quantiles of lengths over those of the exponential of the same mean, by class."""
    exponential = -np.log1p(-result.pictured["probabilities"])
    inside = exponential > 0.02
    shown = exponential[inside]
    for k, quantiles in enumerate(result.pictured[f"{what}_quantiles"]):
        each = result.classes[k]
        mean = (each.output_tokens if what == "output" else each.prompt_tokens).value
        axes.plot(shown, quantiles[inside] / mean, color=class_colour(k), linewidth=1.7)
    ends = [shown[0], shown[-1]]
    axes.plot(ends, ends, color=FAINT, linewidth=1.2, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    label_by_ratio(axes.xaxis, *ends)
    label_by_ratio(axes.yaxis, *axes.get_ylim())
    title = f"{what}s against the exponential"
    _dress(axes, title, "exponential quantile / mean", f"{what} quantile / mean")


def _draw_rate(axes: Any, arrivals: Arrivals) -> None:
    scale, unit = _time_unit(arrivals)
    if not arrivals.parts:
        axes.text(0.5, 0.5, "too few requests to tell", ha="center", va="center", color=INK)
        axes.set_axis_off()
        return
    width = (arrivals.parts[1].start_s - arrivals.parts[0].start_s) / scale
    for each in arrivals.parts:
        left, band = each.start_s / scale, each.poisson_band
        axes.fill_between(
            [left, left + width], band.low, band.high, color="#4477aa", alpha=0.25, linewidth=0
        )
        axes.plot([left, left + width], [each.rate, each.rate], color="#4477aa", linewidth=2)
    mean = sum(each.rate for each in arrivals.parts) / len(arrivals.parts)
    axes.axhline(mean, color=FAINT, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(0, width * len(arrivals.parts))
    title = "rate by tenths of the log; bands: 95 % if Poisson; dashed: mean"
    _dress(axes, title, unit, "requests/s")


def _time_unit(arrivals: Arrivals) -> tuple[float, str]:
    last = arrivals.parts[-1].start_s if arrivals.parts else 0.0
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if last > 3 * size:
            return size, f"{unit} since the first request"
    return 1.0, "seconds since the first request"


def _draw_dispersion(axes: Any, arrivals: Arrivals) -> None:
    found = arrivals.dispersion
    if not found:
        axes.text(0.5, 0.5, "no window fits the log", ha="center", va="center", color=INK)
        axes.set_axis_off()
        return
    highest = max(max(each.index, each.poisson_band.high) for each in found)
    lowest = min(min(each.index or 1.0, each.poisson_band.low) for each in found)
    lowest = max(lowest, 0.01)  # perfectly regular arrivals have index 0
    for k, each in enumerate(found):
        band = each.poisson_band
        axes.fill_between([k - 0.35, k + 0.35], band.low, band.high, color=POISSON, linewidth=0)
        height = max(each.index, lowest)
        axes.plot([k], [height], marker="o", markersize=8, color="#cc6677")
        axes.annotate(
            f"{each.index:.3g}", (k, height), xytext=(9, 0), textcoords="offset points",
            va="center", fontsize=9, color=INK,
        )  # fmt: skip
    axes.axhline(1, color=FAINT, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_yscale("log")
    axes.set_ylim(lowest / 1.3, highest * 1.3)
    label_by_ratio(axes.yaxis, *axes.get_ylim())
    axes.set_xlim(-0.6, len(found) - 0.4)
    axes.set_xticks(range(len(found)), [f"{each.window_s:g} s" for each in found])
    title = "bursts; bands: 95 % if Poisson"
    _dress(axes, title, "window", "variance of counts / mean")


def _by_ratio(axes: Any, x: Floats, y: Floats) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, values, limits in ((axes.xaxis, x, axes.set_xlim), (axes.yaxis, y, axes.set_ylim)):
        low, high = float(values.min()) / 1.3, float(values.max()) * 1.3
        limits(low, high)
        axis_low = max(low, 1e-3)
        label_by_ratio(axis, axis_low, high * 20)  # powers of ten sooner: panels are small


def _dress(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.tick_params(labelsize=8.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _legend(figure: Any, result: Fit) -> None:
    shown = result.classes[:MOST_NAMES]
    handles = [Line2D([], [], color=class_colour(k), linewidth=4) for k in range(len(shown))]
    names = [f"{one_line(each.name)} ({each.share.value:.1%})" for each in shown]
    if len(result.classes) > len(shown):
        handles.append(Line2D([], [], linestyle="none"))
        names.append(f"and {len(result.classes) - len(shown)} more")
    figure.legend(
        handles, names, loc="lower center", ncols=min(len(names), 6), frameon=False, fontsize=9.5,
        bbox_to_anchor=(0.5, 0.0),
    )  # fmt: skip
