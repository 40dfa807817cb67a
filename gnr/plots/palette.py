"""Colours that stay apart for colour-blind readers and in print."""

CLASS_COLOURS = (
    "#4477aa",
    "#cc6677",
    "#117733",
    "#ddcc77",
    "#332288",
    "#88ccee",
    "#aa4499",
    "#999933",
    "#882255",
    "#44aa99",
)
"""One colour for each class, in file order, repeated when there are more classes."""

DARK_FILLS = {"#4477aa", "#117733", "#332288", "#aa4499", "#882255", "#cc6677", "#999933"}
"""Fills on which text must be white."""

INK = "#222222"
FAINT = "#8a8a8a"
IDLE = "#f1f1f1"
LEFT_BEFORE_PREFILL = "#c9c9c9"
LEFT_BEFORE_DECODE = "#8f8f8f"


def class_colour(index: int) -> str:
    """Return the colour of a class."""
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]


def text_on(colour: str) -> str:
    """Return the colour of text on a fill."""
    return "white" if colour in DARK_FILLS else INK
