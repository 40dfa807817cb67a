"""Texts that stay on the picture, and axes by ratio that can be read."""

from bisect import bisect_right
from textwrap import fill
from typing import Any

from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from gnr.plots.palette import INK
from gnr.plots.save import new_figure, one_line

MARGIN = 0.22
"""Beside and above the heading, inches."""

GAP = 0.09
"""Between the parts of the heading, inches."""

MANY_DECADES = 1e4
"""Ratio of the ends of an axis from which on only powers of ten are written."""


def headed_figure(width: float, body: float, title: str, *paragraphs: str) -> tuple[Any, Any]:
    """Return a figure under a heading as tall as its text needs, and the part below the heading.

    Parameters
    ----------
    width, body
        Width of the figure and height below the heading, inches.
    title, paragraphs
        The heading; each paragraph begins a line and runs over as many as it fills.
    """
    figure, room = new_figure(width, body), width - 2 * MARGIN
    texts = [figure.text(0, 1, one_line(title), fontsize=14, weight="bold", color=INK, va="top")]
    texts += [
        figure.text(0, 1, one_line(each), fontsize=9.5, color=INK, va="top", linespacing=1.3)
        for each in filter(None, paragraphs)
    ]
    down = MARGIN
    for text in texts:
        wrap(text, room)
        offset = ScaledTranslation(MARGIN, -down, figure.dpi_scale_trans)
        text.set_transform(figure.transFigure + offset)
        down += text.get_window_extent().height / figure.dpi + GAP
    figure.set_figheight(body + down)
    _, below = figure.subfigures(2, 1, height_ratios=(down, body), hspace=0)
    return figure, below


def wrap(text: Any, inches: float) -> None:
    """Break a text of a figure into lines that are no longer than so many inches."""
    lines = text.get_text().splitlines()

    def length(letters: int) -> float:
        text.set_text("\n".join(fill(line, letters) for line in lines))
        box = text.get_window_extent()
        return float(box.height if text.get_rotation() else box.width)

    choices = range(1, 1 + max(map(len, lines), default=0))
    length(max(1, bisect_right(choices, inches * text.figure.dpi, key=length)))


def label_by_ratio(axis: Any, low: float, high: float, many: float = MANY_DECADES) -> None:
    """Write plain numbers along a logarithmic axis with these ends.

    From `many` times the lower end on they are powers of ten.
    """
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < many * low else (1,)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())
