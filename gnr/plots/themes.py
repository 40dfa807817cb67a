"""Colours of pictures for light and for dark pages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours that can be read on one background, and stay apart for colour-blind readers.

    Attributes
    ----------
    background
        Of the page and of the picture.
    ink
        Texts and what is compared with.
    faint
        Axes and ticks.
    grid
        Lines behind the data.
    colours
        Of series, in this order; their contrast to the background is at least 3:1.
    sequential
        Name of the colour map for values.
    diverging
        Colours below, at and above 0, for values on both sides of it.
    """

    background: str
    ink: str
    faint: str
    grid: str
    colours: tuple[str, ...]
    sequential: str
    diverging: tuple[str, str, str]

    def colour(self, index: int) -> str:
        """Return the colour of a series; they come again when there are more series."""
        return self.colours[index % len(self.colours)]


LIGHT = Theme(
    background="#ffffff",
    ink="#1f2328",
    faint="#6e7781",
    grid="#e6e8eb",
    colours=("#0072b2", "#d55e00", "#117733", "#882255", "#332288", "#ee3377", "#009988"),
    sequential="YlGnBu",
    diverging=("#b35806", "#f7f7f7", "#542788"),
)

DARK = Theme(
    background="#171a1f",
    ink="#e3e6ea",
    faint="#9aa3ad",
    grid="#2e333a",
    colours=("#56b4e9", "#ee8866", "#f0e442", "#cc6677", "#6d8cff", "#ffffff", "#d55e00"),
    sequential="cividis",
    diverging=("#fdb863", "#262a31", "#9f8fe0"),
)
