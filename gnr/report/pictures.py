"""Pictures of panels as addresses that hold the whole picture."""

import base64
from dataclasses import dataclass
from typing import Any

from gnr.plots.panels import draw_panel
from gnr.plots.save import svg_of
from gnr.plots.themes import DARK, LIGHT
from gnr.reproduction import Panel
from gnr.reproduction_words import description_of

PIXELS = 96
"""Of a page in an inch."""


@dataclass(frozen=True)
class Picture:
    """A panel drawn for light and for dark pages.

    Attributes
    ----------
    words
        What is drawn, for those who do not see it.
    width, height
        In pixels of the page, at the size it was drawn for.
    light, dark
        The pictures as ``data:`` addresses.
    """

    words: str
    width: int
    height: int
    light: str
    dark: str


def picture_of(panel: Panel) -> Picture:
    """Return the picture of a panel."""
    figures = [draw_panel(panel, theme) for theme in (LIGHT, DARK)]
    width, height = (round(PIXELS * float(each)) for each in figures[0].get_size_inches())
    return Picture(description_of(panel), width, height, *map(_address, figures))


def _address(figure: Any) -> str:
    text = base64.b64encode(svg_of(figure).encode()).decode()
    return f"data:image/svg+xml;base64,{text}"
