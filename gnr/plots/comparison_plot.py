"""Pictures of a comparison: the gap of each policy with its causes, and against the lengths."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from gnr.comparison import Best, Comparison, Condition
from gnr.comparison_summary import best_by_law, best_sentence, promise_sentence
from gnr.instance import Instance
from gnr.plots.convergence_plot import POLICY_COLOURS, TERM_COLOURS
from gnr.plots.palette import FAINT, INK
from gnr.plots.save import clipped, new_figure, one_line, plain_text
from gnr.simulation import Kept, Simulation
from gnr.simulation_summary import KEPT, TERMS, gathered_terms

PANELS_IN_A_ROW = 3

WIDTH = 13.0
"""Of every picture, inches."""

HEADING, FOOT, ROW, BETWEEN = 1.6, 0.95, 0.36, 1.0
"""Heights of heading, foot, one policy, and the space between two rows of panels, inches."""

LONGEST_LINE = 160
"""Characters of the heading's lines that fit the width."""

LEAST_DRAWN = 5e-5
"""Causes below this share of the LP value are not drawn."""

LAW_MARKERS = ("o", "s", "^", "D", "v", "P")

KEPT_COLOURS: dict[Kept | None, str] = {
    "yes": "#117733", "no": "#cc6677", "undecided": "#bbaa22", None: "#332288"
}  # fmt: skip
"""Of what was measured, by the verdict on the promise; a penalty has none."""


def draw_gaps(instance: Instance, result: Comparison) -> Any:
    """Return the gap of each policy and its causes, one panel for each cluster size.

    With several laws of the lengths the first is drawn.
    """
    law = result.conditions[0].lengths
    drawn = [each for each in result.conditions if each.lengths == law]
    order = policy_order(result, drawn)
    largest = next(each for each in result.best if each.condition == drawn[-1])
    with plain_text():
        figure, panels = panel_grid(len(drawn), len(order))
        shown: dict[str, Any] = {}
        for place, (axes, condition) in enumerate(zip(panels, drawn, strict=True)):
            cells = {cell.policy: cell for cell in result.cells_at(condition)}
            best = next(each for each in result.best if each.condition == condition)
            lay_out(axes, order, condition, names=place % PANELS_IN_A_ROW == 0)
            _draw_promised(axes, result)
            for row, name in enumerate(order):
                if name in cells:
                    _draw_causes(axes, row, cells[name], shown, bold=name == _marked(best))
        share_axis(panels)
        headline(
            figure,
            "How far each policy stays behind the LP optimum, and where the money goes",
            f"{one_line(instance.title)}. {result.accounting.capitalize()} accounting, "
            f"{drawn[0].law}.",
            promise_sentence(largest, drawn) if result.promises else best_sentence(largest, drawn),
            "Dots: gap, 95 % interval. Bars: its causes (eq. D11); left of 0 counts against it. "
            + ("Bold: smallest gap. Shared random numbers sharpen the differences."
               if result.promised_revenue_rate is None
               else "Dashed: the optimum with all promises. Bold: smallest gap that keeps them."),
        )  # fmt: skip
        figure.legend(
            [shown[name] for name in TERMS if name in shown],
            [TERMS[name] for name in TERMS if name in shown],
            frameon=False, fontsize=9, ncols=len(shown), loc="lower left",
            bbox_to_anchor=(0.01, 0.0),
        )  # fmt: skip
    return figure


def draw_laws(instance: Instance, result: Comparison) -> Any:
    """Return the gap of each policy under each law of the lengths, one panel for each size."""
    laws = list(dict.fromkeys(each.lengths for each in result.conditions))
    drawn = [each for each in result.conditions if each.lengths == laws[0]]
    order = policy_order(result, drawn)
    with plain_text():
        figure, panels = panel_grid(len(drawn), len(order))
        shown: dict[str, Any] = {}
        for place, (axes, condition) in enumerate(zip(panels, drawn, strict=True)):
            lay_out(axes, order, condition, names=place % PANELS_IN_A_ROW == 0)
            for number, law in enumerate(laws):
                found = result.cells_at(Condition(condition.gpus, law))
                shift = 0.6 * ((number + 0.5) / len(laws) - 0.5)
                shown[Condition(0, law).law] = axes.errorbar(
                    [100 * cell.gap.mean for cell in found],
                    [order.index(cell.policy) + shift for cell in found],
                    xerr=[100 * cell.gap.half_width for cell in found],
                    color=POLICY_COLOURS[number % len(POLICY_COLOURS)],
                    marker=LAW_MARKERS[number % len(LAW_MARKERS)],
                    linestyle="none", markersize=4.5, capsize=2, linewidth=1.1,
                )  # fmt: skip
        share_axis(panels)
        headline(
            figure,
            "Does the order of the policies depend on the law of the lengths?",
            f"{one_line(instance.title)}. {result.accounting.capitalize()} accounting.",
            best_by_law(result.best, drawn[-1].gpus),
            "Gap to the LP optimum with its 95 % interval; equal means under every law.",
        )
        figure.legend(
            shown.values(), list(shown), frameon=False, fontsize=9, ncols=len(shown),
            loc="lower left", bbox_to_anchor=(0.01, 0.0),
        )  # fmt: skip
    return figure


def draw_promises(instance: Instance, result: Comparison) -> Any:
    """Return each promise as measured under each policy, a panel by promise, a mark by size.

    With several laws of the lengths the first is drawn.
    """
    law = result.conditions[0].lengths
    drawn = [each for each in result.conditions if each.lengths == law]
    order = policy_order(result, drawn)
    largest = next(each for each in result.best if each.condition == drawn[-1])
    with plain_text():
        figure, panels = panel_grid(len(result.promises), len(order), row=ROW * 1.25)
        for place, axes in enumerate(panels):
            _draw_promise(axes, result, place, drawn, order)
        headline(
            figure,
            "What becomes of the promises under each policy",
            f"{one_line(instance.title)}. {result.accounting.capitalize()} accounting, "
            f"{drawn[0].law}.",
            promise_sentence(largest, drawn),
            "Dots: measured, 95 % interval. Line: promised; the shaded side breaks it. "
            "Diamonds: planned.",
        )
        _legend_of_promises(figure, result, drawn)
    return figure


def _draw_promise(
    axes: Any, result: Comparison, k: int, drawn: Sequence[Condition], order: Sequence[str]
) -> None:
    """Draw one promise: measured by policy and size, planned, and the bound."""
    promise = result.promises[k]
    lay_out(axes, order, drawn[-1], names=k % PANELS_IN_A_ROW == 0)
    axes.set_title(clipped(promise.name, 44), loc="left", fontsize=10.5, color=INK)
    axes.lines[0].remove()  # no line at 0: it means nothing here
    reached = [each for each in (promise.promised, promise.planned) if each is not None]
    for row, name in enumerate(order):
        for number, condition in enumerate(drawn):
            cell = result.cell(name, condition)
            found = None if cell is None else cell.promises[k]
            if found is None or found.measured is None:
                continue
            mean, half = found.measured.mean, found.measured.half_width
            reached += [mean - half, mean + half]
            axes.errorbar(
                [mean], [row + 0.7 * ((number + 0.5) / len(drawn) - 0.5)], xerr=[half],
                color=KEPT_COLOURS[found.kept], marker=LAW_MARKERS[number % len(LAW_MARKERS)],
                markersize=4.5, capsize=2, linewidth=1.1, linestyle="none", zorder=3,
            )  # fmt: skip
            if number == 0 and found.planned is not None:
                reached.append(found.planned)
                axes.plot(
                    [found.planned], [row], marker="D", markersize=9, markerfacecolor="none",
                    markeredgecolor=FAINT, linestyle="none", zorder=2,
                )  # fmt: skip
    room = 0.06 * (max(reached) - min(reached)) or 1.0
    low, high = min(reached) - room, max(reached) + room
    if promise.promised is not None:
        axes.axvline(promise.promised, color=INK, linewidth=1)
        end = high if promise.direction == "at_most" else low
        axes.axvspan(promise.promised, end, color=KEPT_COLOURS["no"], alpha=0.09, linewidth=0)
    axes.set_xlim(low, high)
    small = promise.unit == "s" and max(reached) < 1
    factor, unit = (1e3, "ms") if small else (1.0, promise.unit)
    axes.set_xlabel(unit, fontsize=9, color=INK)
    axes.xaxis.set_major_formatter(lambda value, _: f"{factor * value:g}")


def _legend_of_promises(figure: Any, result: Comparison, drawn: Sequence[Condition]) -> None:
    """Write which mark is which size, and which colour which verdict, of those there can be."""
    from matplotlib.lines import Line2D

    verdicts: dict[Kept | None, str] = {}
    if any(each.promised is not None for each in result.promises):
        verdicts |= {"yes": "kept", "undecided": "undecided", "no": "broken"}
    if any(each.promised is None for each in result.promises):
        verdicts[None] = "penalised, without a bound"
    handles = [
        Line2D([], [], color=INK, marker=LAW_MARKERS[number % len(LAW_MARKERS)], linestyle="none")
        for number in range(len(drawn))
    ]
    handles += [Line2D([], [], color=KEPT_COLOURS[kept], linewidth=3) for kept in verdicts]
    labels = [f"{each.gpus:,} GPUs" for each in drawn] + list(verdicts.values())
    figure.legend(
        handles, labels, frameon=False, fontsize=9, ncols=len(handles), loc="lower left",
        bbox_to_anchor=(0.01, 0.0),
    )  # fmt: skip


def policy_order(result: Comparison, drawn: Sequence[Condition]) -> list[str]:
    """Return the policies by their gap in the largest cluster drawn, the smallest first."""
    last = {cell.policy: cell.gap.mean for cell in result.cells_at(drawn[-1])}
    return sorted(result.policies, key=lambda name: last.get(name, math.inf))


def panel_grid(
    count: int, policies: int, row: float = ROW, foot: float = FOOT
) -> tuple[Any, list[Any]]:
    """Return a figure with `count` panels of so many policies each, and the panels."""
    columns = min(count, PANELS_IN_A_ROW)
    rows = math.ceil(count / columns)
    tall = row * (policies + 0.6)
    height = HEADING + foot + rows * tall + (rows - 1) * BETWEEN
    figure = new_figure(WIDTH, height)
    left, right, gap = 0.145, 0.985, 0.022
    wide = (right - left - gap * (columns - 1)) / columns
    panels = [
        figure.add_axes(
            (
                left + (place % columns) * (wide + gap),
                (foot + (rows - 1 - place // columns) * (tall + BETWEEN)) / height,
                wide,
                tall / height,
            )
        )
        for place in range(count)
    ]
    return figure, panels


def lay_out(axes: Any, order: Sequence[str], condition: Condition, *, names: bool) -> None:
    """Prepare a panel: policies from top to bottom, their names in the first column only."""
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_yticks(range(len(order)), order if names else [""] * len(order), fontsize=9.5)
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"{condition.gpus:,} GPUs", loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel("gap to the LP optimum", fontsize=9, color=INK)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.tick_params(axis="x", labelsize=9)
    axes.grid(axis="x", color=FAINT, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def share_axis(panels: Sequence[Any]) -> None:
    """Give all panels the same scale, so that sizes can be compared."""
    low = min(axes.get_xlim()[0] for axes in panels)
    high = max(axes.get_xlim()[1] for axes in panels)
    for axes in panels:
        axes.set_xlim(low, high)


def headline(figure: Any, title: str, *lines: str) -> None:
    """Write what the picture shows and how to read it, in at most three lines of their width."""
    height = figure.get_figheight()
    figure.text(0.015, 1 - 0.3 / height, title, fontsize=14, weight="bold", color=INK, va="center")
    for place, text in enumerate(lines):
        down = 0.62 + 0.25 * place
        shown = textwrap.shorten(text, LONGEST_LINE, placeholder=" …")
        figure.text(0.015, 1 - down / height, shown, fontsize=10, color=INK, va="center")


def _marked(best: Best) -> str | None:
    """Return the policy with the smallest gap, of those that keep all promises if there are any."""
    return best.policy if best.keeps_promises is None else best.best_keeping


def _draw_promised(axes: Any, result: Comparison) -> None:
    """Draw what the promises cost at best, as a gap; nothing without promises or plan."""
    if result.promised_revenue_rate is not None:
        cost = 1 - result.promised_revenue_rate / result.lp_revenue_rate
        axes.axvline(100 * cost, color=FAINT, linewidth=0.9, linestyle=(0, (5, 3)), zorder=0.5)


def _draw_causes(
    axes: Any, row: int, cell: Simulation, shown: dict[str, Any], *, bold: bool
) -> None:
    """Stack the causes of one gap; positive ones to the right of 0, the others to the left."""
    right = left = 0.0
    for name, share in gathered_terms(cell).items():
        if abs(share) < LEAST_DRAWN:
            continue
        width = 100 * share
        bar = axes.barh(
            row, width, left=right if width > 0 else left, height=0.62, color=TERM_COLOURS[name]
        )
        shown.setdefault(name, bar)
        right, left = (right + width, left) if width > 0 else (right, left + width)
    gap, half = 100 * cell.gap.mean, 100 * cell.gap.half_width
    axes.errorbar(
        [gap], [row], xerr=[half], color=INK, marker="o", markersize=4, capsize=2, linewidth=1
    )
    verdict = "" if cell.keeps_promises is None else f", {KEPT[cell.keeps_promises]}"
    axes.annotate(
        f"{gap:.2f} ±{half:.2f} %{verdict}", (max(right, gap + half), row), xytext=(5, 0),
        textcoords="offset points", va="center", fontsize=8, color=INK,
        weight="bold" if bold else "normal",
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip
    # Room for the label: its width in data depends on the scale, so extend by a share of it.
    label = 1.62 if verdict else 1.32
    axes.update_datalim([(label * max(right, gap + half), row), (min(left, gap - half), row)])
    axes.autoscale_view(scaley=False)
