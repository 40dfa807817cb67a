"""Pictures of a convergence study: the gap and its causes, occupancies and queues, against n."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gnr.convergence import Convergence
from gnr.instance import Instance
from gnr.plots.palette import FAINT, INK, class_colour
from gnr.plots.save import new_figure, one_line, plain_text
from gnr.simulation_summary import TERMS, WITHOUT, gathered_terms

POLICY_STYLES: tuple[tuple[str, Any], ...] = (
    ("o", "-"),
    ("s", "--"),
    ("^", ":"),
    ("D", "-."),
    ("v", (0, (5, 1))),
)
"""Marker and line of each policy."""

POLICY_COLOURS = ("#332288", "#cc6677", "#117733", "#999933", "#44aa99")

TERM_COLOURS = {
    "idle": "#ddcc77",
    "prefill_queue": "#88ccee",
    "decode_queue": "#4477aa",
    "shunned_work": "#aa4499",
    "flow_errors": "#c9c9c9",
}

PANELS = (
    ("prefill", "in prefill"),
    ("mixed_decode", "decoding on mixed GPUs"),
    ("solo_decode", "decoding on solo GPUs"),
    ("prefill_queue", "waiting for prefill"),
    ("decode_queue", "waiting for a decode slot"),
)

MOST_CLASSES = 10
"""Classes drawn; a panel with more cannot be read."""


def draw_gap(instance: Instance, results: Sequence[Convergence]) -> Any:
    """Return revenue and gap against n, and where the gap comes from at each n."""
    with plain_text():
        figure = new_figure(12, 8.8)
        revenue, gap = (
            figure.add_axes((0.085, 0.51, 0.39, 0.27)),
            figure.add_axes((0.57, 0.51, 0.4, 0.27)),
        )
        _draw_revenue(revenue, results)
        _draw_gaps(gap, results)
        _draw_causes(figure.add_axes((0.075, 0.09, 0.895, 0.3)), results)
        approached = "their plan" if results[0].against == "plan" else "the LP optimum"
        _headline(figure, instance, results, f"How clusters of n GPUs approach {approached}")
    return figure


def draw_occupancies(instance: Instance, results: Sequence[Convergence]) -> Any:
    """Return occupancies and queues by class against n, with the plan's lines."""
    with plain_text():
        figure = new_figure(13, 8.2)
        names = list(results[0].targets)[:MOST_CLASSES]
        for place, (field, title) in enumerate(PANELS):
            column, row = place % 3, place // 3
            axes = figure.add_axes((0.06 + 0.325 * column, 0.52 - 0.435 * row, 0.265, 0.32))
            _draw_panel(axes, results, names, field, title)
        _legend(figure.add_axes((0.71, 0.06, 0.27, 0.34)), results, names)
        _headline(figure, instance, results, "Where the requests are, against the plan")
    return figure


def _headline(figure: Any, instance: Instance, results: Sequence[Convergence], title: str) -> None:
    figure.text(0.02, 0.96, title, fontsize=14, weight="bold", color=INK, va="center")
    verdicts = "; ".join(f"{result.policy}: {result.verdict}" for result in results)
    first = results[0]
    subtitle = (
        f"{one_line(instance.title)}. {first.accounting.capitalize()} accounting; "
        "bars: 95 % intervals."
    )
    figure.text(0.02, 0.922, subtitle, fontsize=10, color=INK, va="center")
    rule = f"Is the limit of the {_gap(first)} within ±{first.delta:.2%}? {verdicts}."
    figure.text(0.02, 0.892, rule, fontsize=10, color=INK, va="center")


def _gap(result: Convergence) -> str:
    """Return what the fitted gap is counted from, in words."""
    promised = result.against == "plan"
    return "gap to the plan with its promises" if promised else "gap to the LP optimum"


def _style(place: int) -> dict[str, Any]:
    marker, line = POLICY_STYLES[place % len(POLICY_STYLES)]
    return {"marker": marker, "linestyle": line, "markersize": 4.5, "linewidth": 1.1, "capsize": 2}


def _sizes(axes: Any, results: Sequence[Convergence]) -> None:
    """Lay out the axis of cluster sizes, on a logarithmic scale with plain numbers."""
    sizes = sorted({point.gpus for result in results for point in result.points})
    axes.set_xscale("log")
    shown = [size for place, size in enumerate(sizes) if len(sizes) <= 10 or place % 2 == 0]
    axes.set_xticks(shown, [_plain(size) for size in shown], fontsize=8.5)
    axes.minorticks_off()
    axes.set_xlim(sizes[0] / 1.6, sizes[-1] * 1.6)
    axes.set_xlabel("GPUs in the cluster, n", color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _plain(size: int) -> str:
    return f"{size // 1000:,}k" if size >= 1000 and size % 1000 == 0 else f"{size:,}"


def _draw_revenue(axes: Any, results: Sequence[Convergence]) -> None:
    for place, result in enumerate(results):
        axes.errorbar(
            [point.gpus for point in result.points],
            [point.revenue_rate.mean for point in result.points],
            [point.revenue_rate.half_width for point in result.points],
            color=POLICY_COLOURS[place % len(POLICY_COLOURS)],
            label=result.policy,
            **_style(place),
        )
    value = results[0].lp_revenue_rate
    without = WITHOUT * (results[0].against == "plan")
    axes.axhline(value, color=INK, linewidth=1, linestyle=(0, (6, 3)))
    axes.annotate(
        f"LP optimum{without} {value:.5g}", (0.02, value), xycoords=("axes fraction", "data"),
        xytext=(0, 3), textcoords="offset points", fontsize=8.5, color=INK,
    )  # fmt: skip
    for place, result in enumerate(results):
        if result.against == "plan":
            axes.axhline(
                result.approached_revenue_rate, color=POLICY_COLOURS[place % len(POLICY_COLOURS)],
                linewidth=1, linestyle=(0, (2, 2)),
                label=f"{result.policy}: its plan {result.approached_revenue_rate:.5g}",
            )  # fmt: skip
    _sizes(axes, results)
    axes.set_ylabel("revenue, money/s per GPU", color=INK)
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def _draw_gaps(axes: Any, results: Sequence[Convergence]) -> None:
    from matplotlib.ticker import LogLocator

    for place, result in enumerate(results):
        colour = POLICY_COLOURS[place % len(POLICY_COLOURS)]
        gaps = {point.gpus: result.fitted_gap(point) for point in result.points}
        drawn = [point for point in result.points if gaps[point.gpus].mean > 0]
        marker = POLICY_STYLES[place % len(POLICY_STYLES)][0]
        means = np.array([100 * gaps[point.gpus].mean for point in drawn])
        halves = np.array([100 * gaps[point.gpus].half_width for point in drawn])
        axes.errorbar(
            [point.gpus for point in drawn],
            means,
            [np.minimum(halves, 0.999 * means), halves],
            color=colour, marker=marker, linestyle="none", markersize=4.5, capsize=2,
        )  # fmt: skip
        if result.fit is not None and drawn:
            fit = result.fit
            n = np.geomspace(drawn[0].gpus, drawn[-1].gpus, 200)
            curve = 100 * (fit.limit.estimate + fit.amplitude.estimate * n**-fit.exponent.estimate)
            axes.plot(
                n[curve > 0],
                curve[curve > 0],
                color=colour,
                linewidth=1,
                label=f"{result.policy}: limit {_percent(fit.limit)}, exponent "
                f"{fit.exponent.estimate:.2f} ({fit.exponent.low:.2f} to {fit.exponent.high:.2f})",
            )
    axes.set_yscale("log")
    _sizes(axes, results)
    levels = [result.fitted_gap(point).mean for result in results for point in result.points]
    if max(levels) > 0:
        axes.set_ylim(bottom=30 * min(each for each in levels if each > 0))
    hidden = sorted(
        {p.gpus for result in results for p in result.points if result.fitted_gap(p).mean <= 0}
    )
    if hidden:
        text = f"not shown: gaps of 0 or less at n = {', '.join(_plain(size) for size in hidden)}"
        axes.text(0.02, 0.03, text, transform=axes.transAxes, fontsize=8, color=INK)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.yaxis.set_minor_formatter(lambda *_: "")
    axes.set_ylabel(_gap(results[0]), color=INK)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.01, 1.0), borderpad=0
        )


def _percent(value: Any) -> str:
    return f"{value.estimate:.2%} ({value.low:.2%} to {value.high:.2%})"


def _draw_causes(axes: Any, results: Sequence[Convergence]) -> None:
    """Stack the terms of (D11) for each n, policies side by side."""
    sizes = sorted({point.gpus for result in results for point in result.points})
    width = 0.8 / len(results)
    shown = set()
    for place, result in enumerate(results):
        for point in result.points:
            left = sizes.index(point.gpus) + (place - (len(results) - 1) / 2) * width
            up = down = 0.0
            for name, share in gathered_terms(point).items():
                height = 100 * share
                bottom = up if height >= 0 else down
                axes.bar(
                    left, height, width * 0.92, bottom=bottom, color=TERM_COLOURS[name],
                    label=TERMS[name] if abs(height) > 0.005 and name not in shown else None,
                )  # fmt: skip
                shown |= {name} if abs(height) > 0.005 else set()
                up, down = (up + height, down) if height >= 0 else (up, down + height)
            axes.plot(
                [left], [100 * point.gap.mean], color=INK, linestyle="none", markersize=4,
                marker=POLICY_STYLES[place % len(POLICY_STYLES)][0],
            )  # fmt: skip
            axes.annotate(
                f"{point.gap.mean:.2%}", (left, up), xytext=(0, 3), textcoords="offset points",
                ha="center", fontsize=7.5 if len(results) < 3 else 5.5, color=INK,
            )  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.margins(y=0.12)
    axes.set_xticks(range(len(sizes)), [_plain(size) for size in sizes])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.set_ylabel("share of the LP value lost", color=INK)
    axes.set_xlabel("GPUs in the cluster, n", color=INK)
    axes.set_title(
        "where the money goes, against the LP optimum (eq. D11)",
        loc="left",
        fontsize=10.5,
        color=INK,
    )
    axes.legend(frameon=False, fontsize=8.5, loc="lower right", ncols=5, bbox_to_anchor=(1.0, 1.0))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_panel(
    axes: Any, results: Sequence[Convergence], names: Sequence[str], field: str, title: str
) -> None:
    for i, name in enumerate(names):
        for place, result in enumerate(results):
            found = [getattr(point.classes[i], field) for point in result.points]
            axes.errorbar(
                [point.gpus for point in result.points],
                [each.mean for each in found],
                [each.half_width for each in found],
                color=class_colour(i),
                **_style(place),
            )
            axes.axhline(
                getattr(result.targets[name], field), color=class_colour(i), linewidth=0.9,
                linestyle=(0, (6, 3)), alpha=0.8,
            )  # fmt: skip
    _sizes(axes, results)
    axes.set_ylim(bottom=0)
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    axes.set_ylabel("requests per GPU", color=INK, fontsize=9)
    axes.tick_params(axis="x", rotation=35)


def _legend(axes: Any, results: Sequence[Convergence], names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    axes.set_axis_off()
    handles = [Line2D([], [], color=class_colour(i), linewidth=3) for i in range(len(names))]
    labels = [one_line(name) for name in names]
    for place, result in enumerate(results):
        marker, line = POLICY_STYLES[place % len(POLICY_STYLES)]
        handles.append(Line2D([], [], color=FAINT, marker=marker, linestyle=line))
        labels.append(f"{result.policy}, measured")
    handles.append(Line2D([], [], color=FAINT, linestyle=(0, (6, 3)), linewidth=0.9))
    labels.append("the plan (fluid optimum)")
    if len(results[0].targets) > len(names):
        handles.append(Line2D([], [], linestyle="none"))
        labels.append(f"first {len(names)} of {len(results[0].targets)} classes")
    axes.legend(handles, labels, frameon=False, fontsize=9.5, loc="upper left")
