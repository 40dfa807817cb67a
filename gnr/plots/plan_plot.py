"""The picture of a plan: an average GPU's slots, and what becomes of each class."""

import textwrap
from dataclasses import dataclass, replace
from typing import Any

from gnr.facts import Fate, earnings, fates, money, request_gain
from gnr.limits import bottleneck
from gnr.plots.layout import headed_figure
from gnr.plots.palette import (
    FAINT,
    IDLE,
    INK,
    LEFT_BEFORE_DECODE,
    LEFT_BEFORE_PREFILL,
    class_colour,
    text_on,
)
from gnr.plots.save import plain_text
from gnr.promise_facts import planned_words
from gnr.result import Solution

MOST_CLASSES = 10
"""Classes drawn one by one; beyond that the smallest share one bar."""
OTHERS = "#c8b89a"


@dataclass(frozen=True)
class Bar:
    """What is drawn of one class, or of the small ones together; occupancies per GPU."""

    name: str
    colour: str
    prefill: float
    mixed_decode: float
    solo_decode: float
    fate: Fate
    note: str


@plain_text()
def draw_plan(solution: Solution) -> Any:
    """Return a matplotlib figure of an optimal solution.

    Left: all GPUs side by side, each as tall as its slots; areas are occupancies. Right: which
    share of each class is served, and what one more request of it would earn.

    Raises
    ------
    ValueError
        If the solution is not optimal.
    """
    if solution.totals is None:
        raise ValueError(f"{solution.instance.name}: nothing to draw, {solution.status}")
    bars = _bars(solution)
    told = [
        f"Best plan under {solution.scheme} pricing: {earnings(solution)}.",
        bottleneck(solution),
        planned_words(solution) if solution.promises else "",
    ]
    height = max(4.7, 2.0 + 0.42 * len(bars))
    figure, body = headed_figure(12.5, height, solution.instance.title, *told)
    grid = body.add_gridspec(
        1, 2, width_ratios=(1.15, 1), left=0.055, right=0.985, top=1 - 0.5 / height,
        bottom=0.62 / height, wspace=0.4,
    )  # fmt: skip
    _draw_slots(body.add_subplot(grid[0]), solution, bars)
    _draw_fates(body.add_subplot(grid[1]), bars)
    return figure


def _bars(solution: Solution) -> list[Bar]:
    fate = fates(solution)
    bars = [
        Bar(
            each.name,
            class_colour(i),
            each.prefill,
            each.mixed_decode,
            each.solo_decode,
            fate[i],
            _short(request_gain(solution, each)),
        )
        for i, each in enumerate(solution.classes)
    ]
    if len(bars) <= MOST_CLASSES:
        return bars
    bars.sort(key=lambda bar: -(bar.prefill + bar.mixed_decode + bar.solo_decode))
    shown, rest = bars[: MOST_CLASSES - 1], bars[MOST_CLASSES - 1 :]
    shown = [replace(bar, colour=class_colour(i)) for i, bar in enumerate(shown)]
    together = Fate(
        *(
            sum(getattr(bar.fate, part) for bar in rest) / len(rest)
            for part in ("served", "left_before_prefill", "left_before_decode")
        )
    )
    return [
        *shown,
        Bar(
            f"{len(rest)} smaller classes",
            OTHERS,
            sum(bar.prefill for bar in rest),
            sum(bar.mixed_decode for bar in rest),
            sum(bar.solo_decode for bar in rest),
            together,
            "",
        ),
    ]


def _short(amount: float | None) -> str:
    return f"{amount:.3g}" if amount is not None and abs(amount) < 1e3 else money(amount)


def _draw_slots(axes: Any, solution: Solution, bars: list[Bar]) -> None:
    assert solution.totals is not None
    slots, mixed = solution.instance.gpu.batch_slots, solution.totals.prefill
    gap = 0.012
    axes.set_xlim(0, 1 + gap)
    axes.set_ylim(0, slots)
    groups = [
        (
            0.0,
            mixed,
            "prefill only" if solution.disaggregated else "prefill + decode",
            [(bar, bar.prefill, True) for bar in bars]
            + [(bar, bar.mixed_decode, False) for bar in bars],
        ),
        (mixed + gap, 1 - mixed, "decode only", [(bar, bar.solo_decode, False) for bar in bars]),
    ]
    for left, width, what, pieces in groups:
        if width < 1e-6:
            continue
        _draw_group(axes, left, width, slots, pieces)
        first = left == 0
        axes.text(
            left if first else left + width,
            slots * 1.015,
            f"{width:.1%} of GPUs: {what}",
            ha="left" if first else "right",
            va="bottom",
            fontsize=9.5,
            color=INK,
        )
    axes.set_ylabel("slots of a GPU", color=INK)
    axes.set_xlabel("all GPUs, side by side (hatched: prefill slots; pale grey: idle)", color=INK)
    axes.set_xticks([])
    axes.set_yticks(sorted({0, slots // 2, slots} | ({1} if slots <= 24 else set())))
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _draw_group(
    axes: Any, left: float, width: float, slots: int, pieces: list[tuple[Bar, float, bool]]
) -> None:
    """Stack the occupancies of a group of GPUs; a prefill row is one slot high, cut by class."""
    axes.add_patch(_rectangle(left, 0, width, slots, IDLE))
    start = left
    for bar, amount, is_prefill in pieces:
        if is_prefill and amount > 0:
            axes.add_patch(_rectangle(start, 0, amount, 1, bar.colour, hatch="////"))
            start += amount
    bottom = 1.0 if any(is_prefill for _, _, is_prefill in pieces) else 0.0
    for bar, amount, is_prefill in pieces:
        height = amount / width
        if is_prefill or height <= 0:
            continue
        axes.add_patch(_rectangle(left, bottom, width, height, bar.colour))
        if height > slots / 22 and width > 0.12:
            axes.text(
                left + width / 2,
                bottom + height / 2,
                textwrap.shorten(bar.name, max(6, int(70 * width)), placeholder="…"),
                ha="center",
                va="center",
                fontsize=9,
                color=text_on(bar.colour),
            )
        bottom += height


def _rectangle(
    left: float, bottom: float, width: float, height: float, colour: str, hatch: str = ""
) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (left, bottom),
        width,
        height,
        facecolor=colour,
        edgecolor="white",
        linewidth=0.6,
        hatch=hatch,
    )


def _draw_fates(axes: Any, bars: list[Bar]) -> None:
    parts = (
        ("served", None, "served"),
        ("left_before_prefill", LEFT_BEFORE_PREFILL, "left before prefill"),
        ("left_before_decode", LEFT_BEFORE_DECODE, "left before decode"),
    )
    rows = range(len(bars))
    start = [0.0] * len(bars)
    for part, colour, label in parts:
        widths = [getattr(bar.fate, part) for bar in bars]
        axes.barh(
            rows,
            widths,
            left=start,
            color=[colour or bar.colour for bar in bars],
            height=0.6,
            label=label if colour and max(widths) > 0 else None,
        )
        start = [a + b for a, b in zip(start, widths, strict=True)]
    for row, bar in zip(rows, bars, strict=True):
        if bar.fate.served > 0.12:
            axes.text(
                0.015,
                row,
                f"{bar.fate.served:.1%}",
                va="center",
                fontsize=9,
                color=text_on(bar.colour),
            )
        else:
            axes.text(
                bar.fate.served + 0.015,
                row,
                f"{bar.fate.served:.1%}",
                va="center",
                fontsize=9,
                color=INK,
            )
        axes.text(1.03, row, bar.note, va="center", fontsize=9, color=INK)
    axes.text(1.03, -0.5, "one more\nearns,\nmoney", va="bottom", fontsize=8.5, color=FAINT)
    names = [
        "\n".join(textwrap.wrap(textwrap.shorten(bar.name, 44, placeholder="…"), 22))
        for bar in bars
    ]
    axes.set_yticks(list(rows), names, fontsize=9.5)
    axes.set_xlim(0, 1.2)
    axes.spines["bottom"].set_bounds(0, 1)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("what becomes of the requests (class colour: served)", color=INK)
    axes.xaxis.set_label_coords(0.42, -0.07)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.42, 1.12), ncols=2, frameon=False, fontsize=9
        )
