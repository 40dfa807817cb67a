"""Figures without a display, and files that are the same for the same figure."""

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

from gnr.atomic import complete_file

FORMATS = ("svg", "png")

DPI = 150
"""Of pictures made of pixels; texts are measured at the same, since their width depends on it."""


@contextmanager
def plain_text() -> Iterator[None]:
    """Take texts as they are while a figure is drawn: a dollar sign starts no formula."""
    with matplotlib.rc_context({"text.parse_math": False}):
        yield


def one_line(text: str) -> str:
    """Return `text` as one line of printable characters, for a heading."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def clipped(text: str, most: int) -> str:
    """Return the beginning of `text` on one line, at most so many characters, also of one word."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of the given size in inches, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(
    figure: Any, folder: Path, stem: str, origin: str, formats: Iterable[str] = FORMATS
) -> list[Path]:
    """Write `figure` as ``folder/stem.format`` for each format and return the paths.

    `origin` goes into the metadata. Dates and random identifiers are left out, so equal figures
    give equal files. Characters that the font does not have are drawn as boxes.
    """
    written = []
    with _reproducible():
        for suffix in formats:
            path = folder / f"{stem}.{suffix}"
            metadata: dict[str, str | None] = (
                {"Date": None} if suffix == "svg" else {"Software": None}
            )
            metadata["Description"] = origin
            with complete_file(path) as temporary:
                figure.savefig(temporary, dpi=DPI, metadata=metadata)
            written.append(path)
    return written


@contextmanager
def _reproducible() -> Iterator[None]:
    """Save without random identifiers, texts in SVG as texts, and without warnings of the font."""
    with (
        matplotlib.rc_context({"svg.hashsalt": "gnr", "svg.fonttype": "none"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def svg_of(figure: Any) -> str:
    """Return `figure` as the text of an SVG without metadata, the same for the same figure."""
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    text = io.StringIO()
    with _reproducible():
        figure.savefig(text, format="svg", dpi=DPI, metadata=nothing)
    return text.getvalue()


def remove_figure(folder: Path, stem: str, formats: Iterable[str] = FORMATS) -> list[Path]:
    """Remove what an earlier `save_figure` wrote and return the paths of what there was."""
    found = [folder / f"{stem}.{suffix}" for suffix in formats]
    found = [path for path in found if path.is_file()]
    for path in found:
        path.unlink()
    return found
