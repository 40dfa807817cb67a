"""Pictures of the experiments of a reproduction: each panel is data, drawn here in any theme."""

from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from gnr.plots.heat_map import draw_heat_map
from gnr.plots.layout import wrap
from gnr.plots.panel_labels import (
    dashed,
    label_references,
    legend_rows,
    number_by_ratio,
    place_legend,
)
from gnr.plots.save import new_figure, one_line, plain_text
from gnr.plots.themes import Theme
from gnr.reproduction import Bars, HeatMap, Lines, Panel, Scatter, Series

WIDTH, BODY = 4.2, 2.6
"""Of a panel with its labels, without title and legend, inches: small enough for a phone."""

MARGIN = 0.1
"""Between a title and the right edge, inches."""

ROOM_FOR_TITLE, LEGEND_ROW = 0.28, 0.19
"""Heights of the title and of a row of the legend, inches."""

BAR, BETWEEN = 0.17, 0.14
"""Heights of a bar and of the space between two categories, inches."""

LONGEST_CATEGORY, LONGEST_LABEL, LONGEST_TITLE = 1.2, 2.3, 3.4
"""Widths from which on texts are wrapped, inches."""

TICK = 8.5
"""Size of the numbers along an axis, points."""

MOST_TICKS = 6
"""Steps between the numbers below bars: more of them would run into each other."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

MANY_POINTS = 400
"""Points of a cloud from which on it is drawn as pixels."""


@plain_text()
def draw_panel(panel: Panel, theme: Theme) -> Any:
    """Return the matplotlib figure of one panel."""
    figure = new_figure(WIDTH, height_of(panel))
    figure.set_layout_engine("constrained", h_pad=0.05, w_pad=0.05)
    figure.set_facecolor(theme.background)
    axes = _draw_one(figure, panel, theme)
    figure.draw_without_rendering()  # what must find room comes last
    _set_title(axes, panel.title, theme, WIDTH * (1 - axes.get_position().x0) - MARGIN)
    if isinstance(panel, Lines):
        place_legend(figure, axes, theme, label_references(axes, panel, theme))
    return figure


def _set_title(axes: Any, title: str, theme: Theme, inches: float) -> None:
    """Set the title above the axes in lines that end within the panel."""
    text = axes.set_title(one_line(title), loc="left", fontsize=10.5, weight="bold",
                          color=theme.ink, pad=8)  # fmt: skip
    wrap(text, min(inches, LONGEST_TITLE))


def height_of(panel: Panel) -> float:
    """Return the height that a panel needs with title and legend, inches."""
    body = BODY
    if isinstance(panel, Bars):
        body = 0.5 + len(panel.categories) * (BETWEEN + BAR * len(panel.series))
    return ROOM_FOR_TITLE + max(body, 1.6) + LEGEND_ROW * legend_rows(panel)


def _draw_one(place: Any, panel: Panel, theme: Theme) -> Any:
    """Draw a panel into a figure or a part of one and return its axes."""
    axes = place.subplots()
    _set_title(axes, panel.title, theme, LONGEST_TITLE)
    _dress(axes, theme)
    match panel:
        case Lines():
            _draw_lines(axes, panel, theme)
        case Bars():
            _draw_bars(axes, panel, theme)
        case HeatMap():
            _label(axes, panel.x_label, panel.y_label, theme)
            draw_heat_map(place, axes, panel, theme)
        case Scatter():
            _draw_clouds(axes, panel, theme)
    place_legend(place, axes, theme)
    return axes


def _dress(axes: Any, theme: Theme) -> None:
    axes.set_facecolor(theme.background)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.faint)
    axes.tick_params(labelsize=TICK, color=theme.faint, labelcolor=theme.ink, which="both")
    axes.grid(color=theme.grid, linewidth=0.7)
    axes.set_axisbelow(True)


def _label(axes: Any, x: str, y: str, theme: Theme) -> None:
    for label in (axes.set_xlabel(one_line(x)), axes.set_ylabel(one_line(y))):
        label.set(fontsize=9, color=theme.ink)
        wrap(label, LONGEST_LABEL)


def _draw_lines(axes: Any, panel: Lines, theme: Theme) -> None:
    _label(axes, panel.x_label, panel.y_label, theme)
    _scale(axes, panel)
    for k, series in enumerate(panel.series):
        style = {"color": theme.colour(k), "label": one_line(series.label), "zorder": 3}
        if panel.marks:
            axes.errorbar(
                series.x, series.y, errors(series), marker=MARKERS[k % len(MARKERS)],
                markersize=4, linewidth=1.2, elinewidth=1, capsize=2, **style,
            )  # fmt: skip
        else:
            axes.plot(series.x, series.y, linewidth=1.6, **style)
            if series.low is not None and series.high is not None:
                axes.fill_between(
                    series.x, series.low, series.high, color=theme.colour(k), alpha=0.2, linewidth=0
                )
    for k, each in enumerate(panel.references):
        axes.axhline(each.y, **dashed(k, theme), zorder=2)
    axes.margins(y=0.09)
    _number(axes, panel)


def errors(series: Series) -> Any:
    """Return the lengths of the intervals below and above the points; None where they are exact."""
    if series.low is None or series.high is None:
        return None
    y = np.array(series.y)
    return np.maximum([y - series.low, series.high - y], 0)


def _scale(axes: Any, panel: Lines | Scatter) -> None:
    """Choose the scales; what is not positive cannot be on a logarithmic one and is left out."""
    if panel.x_log:
        axes.set_xscale("log", nonpositive="mask")
    if panel.y_log:
        axes.set_yscale("log", nonpositive="clip")


def _number(axes: Any, panel: Lines | Scatter) -> None:
    """Write plain numbers along logarithmic axes, and say what these cannot show."""
    if panel.x_log:
        number_by_ratio(axes.xaxis, axes.get_xlim())
    if not panel.y_log:
        return
    shown = [y for series in panel.series for y in series.y if y > 0]
    if shown:
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, min(shown) / 3), high)
    number_by_ratio(axes.yaxis, axes.get_ylim())
    hidden = sum(y <= 0 for series in panel.series for y in series.y)
    if hidden:
        points = "1 point" if hidden == 1 else f"{hidden} points"
        axes.set_xlabel(f"{axes.get_xlabel()}\n({points} at or below 0 cannot be shown)")


def _draw_bars(axes: Any, panel: Bars, theme: Theme) -> None:
    """Draw bars from left to right, so that long names of categories can be read."""
    _label(axes, panel.y_label, "", theme)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    count = len(panel.series)
    thick = BAR / (BETWEEN + BAR * count)
    for k, series in enumerate(panel.series):
        at = np.array(series.x) + thick * (k - (count - 1) / 2)
        axes.barh(
            at, series.y, 0.88 * thick, color=theme.colour(k), label=one_line(series.label),
            xerr=errors(series), error_kw={"ecolor": theme.ink, "elinewidth": 1, "capsize": 2},
        )  # fmt: skip
        _write_values(axes, at, series, theme)
    axes.axvline(0, color=theme.faint, linewidth=0.8)
    for k, each in enumerate(panel.references):
        axes.axvline(each.y, **dashed(k, theme), zorder=2, label=one_line(each.label))
    names = [_wrapped(axes, each) for each in panel.categories]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.xaxis.set_major_locator(MaxNLocator(MOST_TICKS))


def _wrapped(axes: Any, name: str) -> str:
    """Return a name of a category in lines that leave room for the bars."""
    text = axes.text(0, 0, one_line(name), fontsize=TICK)
    wrap(text, LONGEST_CATEGORY)
    lines = str(text.get_text())
    text.remove()
    return lines


def _write_values(axes: Any, at: Any, series: Series, theme: Theme) -> None:
    """Write each value beyond the end of its interval."""
    for k, (place, value) in enumerate(zip(at, series.y, strict=True)):
        ends = (value, *(each[k] for each in (series.low, series.high) if each is not None))
        beyond, side = (max(ends), 1) if value >= 0 else (min(ends), -1)
        told = f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"
        axes.annotate(
            told, (beyond, place), xytext=(4 * side, 0), textcoords="offset points",
            fontsize=7.5, color=theme.ink, va="center", ha="left" if side > 0 else "right",
        )  # fmt: skip


def _draw_clouds(axes: Any, panel: Scatter, theme: Theme) -> None:
    _label(axes, panel.x_label, panel.y_label, theme)
    _scale(axes, panel)
    for k, series in enumerate(panel.series):
        many = len(series.x) > MANY_POINTS
        axes.plot(
            series.x, series.y, linestyle="none", marker=MARKERS[k % len(MARKERS)],
            markersize=2.5 if many else 4.5, alpha=0.5 if many else 0.8, markeredgewidth=0,
            color=theme.colour(k), label=one_line(series.label), rasterized=many, zorder=3,
        )  # fmt: skip
        if series.low is not None:
            axes.errorbar(series.x, series.y, errors(series), fmt="none", alpha=0.6,
                          ecolor=theme.colour(k), elinewidth=0.8)  # fmt: skip
    _number(axes, panel)
