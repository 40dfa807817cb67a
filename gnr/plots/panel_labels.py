"""Labels of dashed lines, legends that do not cover the data, and numbers along short axes."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.path import Path

from gnr.plots.layout import label_by_ratio
from gnr.plots.save import clipped
from gnr.plots.themes import Theme
from gnr.reproduction import Bars, HeatMap, Lines, Panel, Reference

LETTERS_IN_A_ROW = 56
"""Of a legend, each entry counted with its mark."""

MARK = 6
"""Letters that the mark of an entry takes, with the space after it."""

LONGEST_ENTRY = 50
"""Letters of an entry."""

DASHES = ((0, (5, 3)), (0, (1.5, 1.5)), (0, (8, 2, 1.5, 2)), (0, (2.5, 4)))
"""Of lines to compare with, in this order."""

SIDES = (("right", 1.0, -3), ("left", 0.0, 3), ("center", 0.5, 0))
"""Where along its line a label may stand: alignment, share of the axis, and points from there."""

UP_OR_DOWN = (("bottom", 2), ("top", -3))
"""Over or under the line: alignment, and points from it."""

CLEAR = 3
"""Pixels that a label keeps from what is drawn."""

SHORT_AXIS = 60.0
"""Ratio of the ends of an axis from which on a panel has room for powers of ten only."""


def number_by_ratio(axis: Any, ends: tuple[float, float]) -> None:
    """Write plain numbers along a logarithmic axis of a panel."""
    label_by_ratio(axis, *ends, many=SHORT_AXIS)


def legend_rows(panel: Panel) -> int:
    """Return in how many rows the entries of a legend stand, without lines labelled in place."""
    if isinstance(panel, HeatMap):
        return 0
    labels = [each.label for each in panel.series]
    if isinstance(panel, Bars):
        labels += [each.label for each in panel.references]
    return -(-len(labels) // _columns(labels)) if labels else 0


def _columns(labels: Sequence[str]) -> int:
    widest = MARK + max(len(clipped(each, LONGEST_ENTRY)) for each in labels)
    return max(1, min(3, len(labels), LETTERS_IN_A_ROW // widest))


def dashed(index: int, theme: Theme) -> dict[str, Any]:
    """Return the style of a line to compare with."""
    return {"color": theme.ink, "linewidth": 1, "linestyle": DASHES[index % len(DASHES)]}


def place_legend(
    place: Any, axes: Any, theme: Theme, more: Sequence[tuple[int, Reference]] = ()
) -> None:
    """Write the legend of axes, and of lines that have no label, at the foot of their figure."""
    for old in place.legends:
        old.remove()
    handles, labels = axes.get_legend_handles_labels()
    handles = handles + [Line2D([], [], **dashed(k, theme)) for k, _ in more]
    labels = [clipped(each, LONGEST_ENTRY) for each in (*labels, *(one.label for _, one in more))]
    if handles:
        place.legend(
            handles, labels, loc="outside lower left", ncols=_columns(labels), frameon=False,
            fontsize=8.5, labelcolor=theme.ink, handlelength=1.6, columnspacing=1.2,
            borderpad=0.1, labelspacing=0.3,
        )  # fmt: skip


def label_references(axes: Any, panel: Lines, theme: Theme) -> list[tuple[int, Reference]]:
    """Label dashed lines where the label touches nothing; return those that found no room.

    The axes must be laid out and their limits final.
    """
    renderer = axes.get_figure(root=True).canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    drawn: list[tuple[Reference | None, Path]] = [(None, path) for path in _paths(axes)]
    drawn += [(each, _level(axes, each)) for each in panel.references]
    taken: list[Any] = []
    left = []
    for k, each in enumerate(panel.references):
        for (side, share, right), (foot, up) in product(SIDES, UP_OR_DOWN):
            label = axes.annotate(
                clipped(each.label, LONGEST_ENTRY), (share, each.y),
                xycoords=("axes fraction", "data"), xytext=(right, up),
                textcoords="offset points", ha=side, va=foot, fontsize=8, color=theme.ink,
            )  # fmt: skip
            box = label.get_window_extent(renderer)
            wide = box.padded(CLEAR)
            inside = all(frame.contains(*corner) for corner in box.corners())
            free = not wide.count_overlaps(taken)
            clear = not any(path.intersects_bbox(box if of is each else wide, filled=False)
                            for of, path in drawn)  # fmt: skip
            if inside and free and clear:
                taken.append(wide)
                break
            label.remove()
        else:
            left.append((k, each))
    return left


def _paths(axes: Any) -> list[Path]:
    """Return lines, intervals and bands of axes as paths over the pixels."""
    lines = [
        each.get_path().transformed(each.get_transform())
        for each in axes.lines
        if each.get_transform() == axes.transData
    ]
    areas = [
        path.transformed(each.get_transform())
        for each in axes.collections
        for path in each.get_paths()
    ]
    return [path for path in (*lines, *areas) if len(path.vertices)]


def _level(axes: Any, reference: Reference) -> Path:
    ends = axes.transAxes.transform([(0, 0), (1, 0)])
    height = axes.transData.transform((axes.get_xlim()[0], reference.y))[1]
    return Path([(ends[0][0], height), (ends[1][0], height)])
