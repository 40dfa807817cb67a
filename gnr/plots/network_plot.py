"""The picture of the network: a row for each class, a column for each station."""

import textwrap
from collections.abc import Mapping
from typing import Any

from gnr.network import Edge, Kind, Node, Station
from gnr.plots.palette import FAINT, INK, class_colour
from gnr.plots.save import new_figure, one_line, plain_text

ROW = 1.55
"""Height of a class's row; columns are 1.9 apart."""
COLUMN = 1.9
BOX = (1.02, 0.36)
WIDEST = 7.0
"""Line width of the largest flow, points."""

PLACES = {
    Station.ARRIVALS: (0.0, 0.0),
    Station.PREFILL_QUEUE: (1.0, 0.0),
    Station.PREFILL: (2.0, 0.0),
    Station.DECODE_BUFFER: (3.0, 0.0),
    Station.MIXED_DECODE: (4.0, -0.38),
    Station.SOLO_DECODE: (4.0, 0.38),
    Station.DONE: (5.0, 0.0),
    Station.LEFT: (2.0, 0.62),
}
"""Column and height (down) of each station in its row."""

HEADINGS = {
    0: "arrivals",
    1: "waiting\nfor prefill",
    2: "in prefill",
    3: "waiting\nto decode",
    4: "decoding",
    5: "done",
}
LINES = {Kind.PRIMITIVE: "solid", Kind.CONTROL: "solid", Kind.MODE_SWITCH: (0, (2, 2))}
CONTROL_COLOUR = "#1f6fb2"


@plain_text()
def plot_network(
    graph: Any,
    title: str,
    flows: Mapping[Edge, float] | None = None,
    occupancy: Mapping[Node, float] | None = None,
) -> Any:
    """Return a matplotlib figure of a network built by `gnr.network.build_network`.

    Parameters
    ----------
    graph, title
        The network and the heading.
    flows
        Requests/s per GPU on each edge: line widths and labels. Without them the edges show
        the names of their processes.
    occupancy
        Requests per GPU, written into the stations.
    """
    names = graph.graph["classes"]
    height = ROW * len(names)
    figure = new_figure(12.5, 1.75 + 0.86 * height)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set_xlim(-1.75, 5 * COLUMN + 0.75)
    axes.set_ylim(height - ROW * 0.3, -2.05)
    axes.set_axis_off()
    axes.text(-1.7, -1.85, one_line(title), fontsize=14, weight="bold", color=INK, va="center")
    axes.text(-1.7, -1.5, _legend(flows), fontsize=9.5, color=INK, va="center")
    for column, heading in HEADINGS.items():
        axes.text(
            column * COLUMN, -0.86, heading, ha="center", va="center", fontsize=10, color=FAINT
        )
    largest = max(flows.values(), default=0.0) if flows else 0.0
    for edge in graph.edges(keys=True):
        _draw_edge(axes, graph, edge, flows, largest)
    for node in graph:
        _draw_station(axes, node, occupancy)
    for index, name in enumerate(names):
        text = "\n".join(textwrap.wrap(textwrap.shorten(name, 48, placeholder="…"), 18))
        axes.text(
            -1.7,
            index * ROW,
            text,
            fontsize=11,
            weight="bold",
            va="center",
            color=INK,
        )
        if index:
            axes.axhline((index - 0.5) * ROW + 0.12, color="#e2e2e2", linewidth=0.8, zorder=0)
    return figure


def _legend(flows: Mapping[Edge, float] | None) -> str:
    what = (
        "Widths and labels: requests/s per GPU at the optimum; in the boxes: requests per GPU."
        if flows is not None
        else "A arrivals, B leaving, U admission and routing, S completion; p prefill, d decode."
    )
    return (
        what + " Grey: clocks of the model; blue: decisions of the policy; dashed: mode switches."
    )


def _place(node: Node) -> tuple[float, float]:
    column, down = PLACES[node[1]]
    return column * COLUMN, node[0] * ROW + down


def _draw_station(axes: Any, node: Node, occupancy: Mapping[Node, float] | None) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = _place(node)
    colour = class_colour(node[0])
    if node[1] in (Station.ARRIVALS, Station.DONE):
        axes.plot([x], [y], marker="o", markersize=9, color=colour, zorder=3)
        return
    if node[1] is Station.LEFT:
        axes.text(
            x,
            y,
            "left",
            ha="center",
            va="center",
            fontsize=9,
            color=FAINT,
            zorder=3,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
        return
    width, height = BOX
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            facecolor="white",
            edgecolor=colour,
            linewidth=1.6,
            boxstyle="round,pad=0,rounding_size=0.08",
            zorder=3,
        )
    )
    held = "" if occupancy is None else f"{occupancy.get(node, 0.0):.3g}"
    kind = {Station.MIXED_DECODE: "mixed", Station.SOLO_DECODE: "solo"}.get(node[1], "")
    text = " ".join(part for part in (kind, held) if part)
    axes.text(x, y, text, ha="center", va="center", fontsize=9.5, color=INK, zorder=4)


def _draw_edge(
    axes: Any, graph: Any, edge: Edge, flows: Mapping[Edge, float] | None, largest: float
) -> None:
    from matplotlib.patches import FancyArrowPatch

    origin, target, key = edge
    transition = graph.edges[edge]["transition"]
    start, end, bend = _ends(origin, target)
    flow = flows[edge] if flows is not None else None
    width = 1.1 if not flow or largest <= 0 else 0.8 + (WIDEST - 0.8) * flow / largest
    colour = CONTROL_COLOUR if transition.kind is Kind.CONTROL else "#777777"
    idle = flow is not None and flow <= 0 and transition.kind is not Kind.MODE_SWITCH
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>",
            mutation_scale=9 + width,
            linewidth=width,
            color=colour,
            linestyle=LINES[transition.kind],
            alpha=0.3 if idle else 0.9,
            shrinkA=0,
            shrinkB=0,
            zorder=2,
        )
    )
    if transition.kind is Kind.MODE_SWITCH:
        return
    label = key if flow is None else f"{flow:.3g}"
    x, y = _label_place(origin, target, start, end)
    axes.text(
        x,
        y,
        label,
        ha="center",
        va="center",
        fontsize=8.5,
        zorder=5,
        color=FAINT if idle else colour,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
    )


def _ends(origin: Node, target: Node) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return start, end and bend of an arrow between two stations of a row."""
    (x0, y0), (x1, y1) = _place(origin), _place(target)
    half, tall = BOX[0] / 2, BOX[1] / 2
    if {origin[1], target[1]} == {Station.MIXED_DECODE, Station.SOLO_DECODE}:
        shift = 0.14 if origin[1] is Station.SOLO_DECODE else -0.14
        down = 1 if y1 > y0 else -1
        return (x0 + shift, y0 + down * tall), (x1 + shift, y1 - down * tall), 0.0
    if target[1] is Station.LEFT:
        side = 1 if x1 > x0 else -1
        return (x0, y0 + tall), (x1 - side * 0.22, y1), 0.35 * side
    start = x0 + (0.1 if origin[1] is Station.ARRIVALS else half)
    end = x1 - (0.1 if target[1] is Station.DONE else half)
    return (start, y0), (end, y1), 0.0


def _label_place(
    origin: Node, target: Node, start: tuple[float, float], end: tuple[float, float]
) -> tuple[float, float]:
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    if target[1] is Station.LEFT:
        return x - (0.28 if end[0] > start[0] else -0.28), end[1] - 0.07
    if origin[0] == target[0] and start[1] == end[1]:
        return x, y - 0.17
    return x, y
