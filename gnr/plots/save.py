"""Write figures so that the same result gives the same file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib

FORMATS = ("svg", "png")


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of the given size in inches, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(
    figure: Any, folder: Path, stem: str, formats: Iterable[str] = FORMATS
) -> list[Path]:
    """Write `figure` as ``folder/stem.format`` for each format and return the paths.

    Dates and random identifiers are left out, so equal figures give equal files.
    """
    written = []
    with matplotlib.rc_context({"svg.hashsalt": "gnr", "svg.fonttype": "none"}):
        for suffix in formats:
            path = folder / f"{stem}.{suffix}"
            metadata = {"Date": None} if suffix == "svg" else {"Software": None}
            figure.savefig(path, dpi=150, metadata=metadata)
            written.append(path)
    return written
