"""Panels of `gnr size`: the GPUs that prefill and the GPUs that decode, by class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from gnr.plots.comparison_plot import LAW_MARKERS
from gnr.plots.palette import FAINT, IDLE, INK, class_colour, text_on
from gnr.plots.plan_plot import MOST_CLASSES, OTHERS
from gnr.plots.save import clipped
from gnr.plots.sizing_points import drawn_policies, fluid_names, fluid_sizes, gpus_words
from gnr.sizing import FluidGpus, SizedPolicy, Sizing

LANE = 0.36
"""Height of a lane, where a row is 1 high."""

LONGEST_NAME = 26
"""Letters of a class in the legend."""

LETTER, ROOM = 0.065, 0.035
"""Inches that a piece has for each letter of its number, and besides."""


RESERVE: dict[str, Any] = {
    "facecolor": IDLE, "edgecolor": FAINT, "hatch": "......", "linewidth": 0
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """A way to run the cluster: GPUs by class, which prefill and which the decodes would fill.

    Attributes
    ----------
    name
        What is written beside it.
    gpus
        n.
    group
        M, GPUs that may prefill; None where every GPU may.
    prefill, decode
        By class.
    whole
        Whether n and M are whole numbers.
    """

    name: str
    gpus: float
    group: float | None
    prefill: tuple[float, ...]
    decode: tuple[float, ...]
    whole: bool

    @property
    def ratio(self) -> str:
        """Return M : n - M in words."""
        if self.group is None:
            return "together"
        sides = self.group, self.gpus - self.group
        return " : ".join(f"{each:,.0f}" if self.whole else gpus_words(each) for each in sides)

    @property
    def per_decoding(self) -> str:
        """Return M / (n - M) in words; nothing where it has no meaning."""
        if self.group is None or self.gpus - self.group <= 0:
            return f"of {self.gpus:,.0f}"
        return f"= {self.group / (self.gpus - self.group):.2f} : 1"


@dataclass(frozen=True)
class Shown:
    """A class as it is drawn, or the small ones together."""

    name: str
    colour: str
    marker: str
    members: tuple[str, ...]


def shown_classes(result: Sizing) -> list[Shown]:
    """Return the classes in file order; where there are too many, the largest and the others."""
    names = [each.name for each in result.demanded]
    rest: list[str] = []
    if len(names) > MOST_CLASSES:
        gpus = _largest_use(result)
        by_use = sorted(names, key=lambda name: -gpus.get(name, 0.0))
        rest = by_use[MOST_CLASSES - 1 :]
    kept = [name for name in names if name not in rest]
    shown = [
        Shown(name, class_colour(k), LAW_MARKERS[k % len(LAW_MARKERS)], (name,))
        for k, name in enumerate(kept)
    ]
    if rest:
        shown.append(Shown(f"{len(rest)} smaller classes", OTHERS, "*", tuple(rest)))
    return shown


def _largest_use(result: Sizing) -> dict[str, float]:
    """Return the GPUs of each class, whatever it needs most of."""
    most: dict[str, float] = {}
    for policy in result.policies:
        for prefill, decode in _by_class(policy):
            for name in prefill:
                most[name] = max(most.get(name, 0.0), prefill[name] + decode[name])
    return most


def _by_class(policy: SizedPolicy) -> list[tuple[Mapping[str, float], Mapping[str, float]]]:
    pairs: list[tuple[Mapping[str, float], Mapping[str, float]]] = []
    if policy.fluid is not None:
        pairs.append((policy.fluid.prefill_gpus, policy.fluid.decode_gpus))
    if policy.classes:
        pairs.append(_measured(policy))
    return pairs


def _measured(policy: SizedPolicy) -> tuple[dict[str, float], dict[str, float]]:
    return (
        {each.name: each.prefill_gpus for each in policy.classes},
        {each.name: each.decode_gpus for each in policy.classes},
    )


def ways_of(result: Sizing) -> list[Way]:
    """Return the linear program with mixed GPUs and without, then each policy with a size."""
    classes, sizes = shown_classes(result), fluid_sizes(result)
    fluids: dict[int, FluidGpus] = {}
    for each in result.policies:
        if each.fluid is not None:
            nearest = min(range(len(sizes)), key=lambda k, n=each.fluid.gpus: abs(sizes[k] - n))  # type: ignore[misc]
            fluids.setdefault(nearest, each.fluid)
    names = fluid_names(sizes)
    ways = [
        Way(
            names[k].replace(", ", ",\n"),
            fluid.gpus,
            sum(fluid.prefill_gpus.values()),
            _together(fluid.prefill_gpus, classes),
            _together(fluid.decode_gpus, classes),
            whole=False,
        )
        for k, fluid in sorted(fluids.items())
    ]
    for policy in drawn_policies(result):
        if policy.gpus is not None:
            prefill, decode = _measured(policy)
            ways.append(
                Way(
                    clipped(policy.policy, LONGEST_NAME),
                    policy.gpus,
                    policy.prefill_gpus,
                    _together(prefill, classes),
                    _together(decode, classes),
                    whole=True,
                )
            )
    return ways


def _together(by_class: Mapping[str, float], classes: Sequence[Shown]) -> tuple[float, ...]:
    return tuple(sum(by_class.get(name, 0.0) for name in each.members) for each in classes)


def draw_groups(axes: Any, ways: Sequence[Way], classes: Sequence[Shown]) -> None:
    """Draw all GPUs of each way side by side, above those that prefill, below what decodes fill."""
    most = max(each.gpus for each in ways)
    axes.set_xlim(0, most)
    inches = axes.get_window_extent().width / axes.figure.dpi / most
    for row, way in enumerate(ways):
        _draw_way(axes, row, way, classes, inches)
        axes.annotate(
            way.ratio, (1, row), xycoords=("axes fraction", "data"), xytext=(10, 1),
            textcoords="offset points", va="bottom", fontsize=10.5, weight="bold", color=INK,
        )  # fmt: skip
        axes.annotate(
            way.per_decoding, (1, row), xycoords=("axes fraction", "data"), xytext=(10, -2),
            textcoords="offset points", va="top", fontsize=8.5, color=INK,
        )  # fmt: skip
    _rows(axes, ways)
    axes.set_yticks(range(len(ways)), [each.name for each in ways], fontsize=9.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.12g}")
    axes.set_xlabel("GPUs, side by side", fontsize=9, color=INK)


def _draw_way(axes: Any, row: int, way: Way, classes: Sequence[Shown], inches: float) -> None:
    """Draw one way; decodes fill the GPUs from the right, those that only decode first."""
    group = way.gpus if way.group is None else way.group
    decodes = 0.0 if way.group is None else way.group
    upper, lower = row - LANE, row
    for left, width, bottom in ((0.0, group, upper), (decodes, way.gpus - decodes, lower)):
        axes.add_patch(Rectangle((left, bottom), width, LANE, **RESERVE))
    start, end = 0.0, way.gpus
    for each, prefill, decode in zip(classes, way.prefill, way.decode, strict=True):
        _piece(axes, start, upper, prefill, each, inches, hatch="////")
        start += prefill
        end -= decode
        _piece(axes, end, lower, decode, each, inches)
    axes.add_patch(
        Rectangle((0, upper), way.gpus, 2 * LANE, facecolor="none", edgecolor=FAINT, linewidth=0.8)
    )
    if way.group is not None:
        axes.plot([group, group], [upper - 0.07, lower + LANE + 0.07], color=INK, linewidth=2,
                  zorder=4, solid_capstyle="butt")  # fmt: skip


def _piece(
    axes: Any, left: float, bottom: float, width: float, of: Shown, inches: float, hatch: str = ""
) -> None:
    if width <= 0:
        return
    axes.add_patch(
        Rectangle((left, bottom), width, LANE, facecolor=of.colour, edgecolor="white",
                  linewidth=0.6, hatch=hatch)
    )  # fmt: skip
    number = f"{width:,.1f}" if width < 100 else f"{width:,.0f}"
    if width * inches >= LETTER * len(number) + ROOM:
        axes.text(
            left + width / 2, bottom + LANE / 2, number,
            ha="center", va="center", fontsize=8.5, color=text_on(of.colour), zorder=5,
            bbox={"boxstyle": "square,pad=0.2", "facecolor": of.colour, "edgecolor": "none"},
        )  # fmt: skip


def draw_shares(axes: Any, ways: Sequence[Way], classes: Sequence[Shown]) -> None:
    """Draw which share of each class's GPUs prefills, a row for each way."""
    for row, way in enumerate(ways):
        total = sum(way.prefill) + sum(way.decode)
        axes.axhline(row, color=FAINT, alpha=0.3, linewidth=0.6, zorder=0)
        if total > 0:
            axes.plot([100 * sum(way.prefill) / total] * 2, [row - 0.4, row + 0.4], color=INK,
                      linewidth=2, solid_capstyle="butt")  # fmt: skip
        for k, (each, prefill, decode) in enumerate(
            zip(classes, way.prefill, way.decode, strict=True)
        ):
            if prefill + decode > 0:
                shift = 0.66 * ((k + 0.5) / len(classes) - 0.5)
                axes.plot(
                    [100 * prefill / (prefill + decode)], [row + shift], marker=each.marker,
                    color=each.colour, markeredgecolor=INK, markeredgewidth=0.5, markersize=6.5,
                    linestyle="none", zorder=3, clip_on=False,
                )  # fmt: skip
    _rows(axes, ways)
    axes.set_yticks([])
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 25, 50, 75, 100], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("share of a class's GPUs that prefill", fontsize=9, color=INK)
    axes.grid(axis="x", color=FAINT, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _rows(axes: Any, ways: Sequence[Way]) -> None:
    axes.set_ylim(len(ways) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def class_handles(classes: Sequence[Shown]) -> tuple[list[Any], list[str]]:
    """Return what stands for each class in the legend, then hatches and free GPUs."""
    handles: list[Any] = [
        Line2D([], [], color=each.colour, marker=each.marker, markeredgecolor=INK,
               markeredgewidth=0.5, markersize=6.5, linewidth=5)
        for each in classes
    ]  # fmt: skip
    handles += [
        Patch(facecolor=FAINT, edgecolor="white", hatch="////"),
        Patch(facecolor=FAINT, edgecolor="white"),
        Patch(**RESERVE),
        Line2D([], [], color=INK, linewidth=2, marker="|", markersize=9, linestyle="none",
               markeredgewidth=2),
    ]  # fmt: skip
    names = [clipped(each.name, LONGEST_NAME) for each in classes]
    return handles, [*names, "prefills", "decodes", "reserve", "left: P | D; right: all classes"]
