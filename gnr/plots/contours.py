"""Labels of contour lines that can be read."""

from collections.abc import Callable
from typing import Any

from matplotlib.patheffects import withStroke

from gnr.plots.palette import INK


def label_contours(figure: Any, axes: Any, lines: Any, text: Callable[[float], str]) -> None:
    """Label contour lines, leaving out labels that would cross the frame or another label.

    Parameters
    ----------
    figure, axes
        Where the lines are, limits and scales already set.
    lines
        What ``axes.contour`` returned.
    text
        What to write at a level.
    """
    halo = [withStroke(linewidth=2.5, foreground="white")]
    renderer = figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    taken: list[Any] = []
    for label in axes.clabel(lines, fmt=text, fontsize=8, colors=INK, inline=False):
        label.set_path_effects(halo)
        box = label.get_window_extent(renderer).padded(2)
        inside = all(frame.contains(*corner) for corner in box.corners())
        if box.count_overlaps(taken) or not inside:
            label.remove()
        else:
            taken.append(box)
