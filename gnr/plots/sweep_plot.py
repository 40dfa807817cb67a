"""Pictures of a sweep: revenue and TPOT along one parameter, or over two with what binds where."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.patheffects import withStroke

from gnr.instance import Instance
from gnr.plots.contours import label_contours
from gnr.plots.layout import headed_figure, label_by_ratio, wrap
from gnr.plots.palette import FAINT, INK
from gnr.plots.save import plain_text
from gnr.sweep_result import Axis, Sweep
from gnr.sweep_summary import best_words, price_sentences, promise_words, without_what

BINDING_COLOURS = {
    "none": "#eceff1",
    "decode": "#a9cfe6",
    "prefill": "#ecd98a",
    "decode + prefill": "#7fb8a4",
    "promise": "#e2a0a8",
    "decode + promise": "#b48ac0",
    "prefill + promise": "#c77f5c",
    "decode + prefill + promise": "#8a7a9e",
    "penalty": "#f0c4a0",
    "infeasible": "#ffffff",
    "undecided": "#8a8a8a",
    "missing": "#bdbdbd",
}
"""Fill of each region; text on them is dark."""

BINDING_LABELS = {
    "none": "nothing is short",
    "decode": "decode capacity is short",
    "prefill": "prefill is short",
    "promise": "the promise binds",
    "penalty": "a penalty holds back",
    "infeasible": "no plan",
}
"""In words; the others stand for themselves."""

REVENUE, CAPACITY_TPOT, TOKEN_TPOT, MARK = "#332288", "#aa4499", "#117733", "#cc3311"

STAR: dict[str, Any] = {
    "marker": "*", "markersize": 16, "markeredgecolor": "white", "linestyle": "none", "zorder": 5,
}  # fmt: skip
"""The point that earns most."""

WITHOUT_PLAN = ("infeasible", "undecided", "missing")
"""Words of `Sweep.binding` where there is no revenue."""

BODY = 5.4
"""Height below the heading, inches."""

LONGEST_LABEL = 4.9
"""Of an axis, inches."""

SYMBOLS = {
    "gpu.batch_slots": "batch slots B",
    "gpu.chunk_tokens": "chunk size C",
    "gpu.iteration_time.base": "base iteration time α",
    "gpu.iteration_time.per_chunk_token": "time per chunk token β",
    "gpu.iteration_time.decode_only": "decode-only iteration time 1/γ",
    "prices.prompt_token": "price of a prompt token c_p",
    "prices.output_token": "price of an output token c_d",
}
"""Paths in words."""


@plain_text()
def draw_sweep(instance: Instance, result: Sweep) -> dict[str, Any]:
    """Return the matplotlib figures of a sweep by kind.

    One axis: ``curves``, revenue and TPOT. Two axes: ``revenue``, a heat map, with the segment of
    prices of one sum if both prices are varied, and ``binding``, the map of what is short.
    """
    if len(result.axes) == 1:
        return {"curves": _draw_curves(instance, result)}
    return {"revenue": _draw_revenue(instance, result), "binding": _draw_binding(instance, result)}


def _draw_curves(instance: Instance, result: Sweep) -> Any:
    axis, values = result.axes[0], np.array(result.axes[0].values)
    title = f"Revenue and time per output token against {_name(axis)}"
    figure, body = headed_figure(11, BODY, title, *_paragraphs(instance, result))
    axes = body.add_axes((0.085, 0.25, 0.82, 0.74))
    style: dict[str, Any] = {"linewidth": 1.8}
    if len(values) <= 40:
        style |= {"marker": "o", "markersize": 3.5}
    axes.plot(
        values, result.array("revenue_rate"), color=REVENUE, label="revenue", zorder=3, **style
    )
    if _paying(result):
        axes.plot(
            values, _left(result), color=REVENUE, linestyle=(0, (1, 1.2)), linewidth=1.8,
            label="revenue less penalties", zorder=3,
        )  # fmt: skip
    if result.alone is not None:
        alone = np.array(result.alone.revenue_rate, dtype=float)
        axes.plot(
            values, alone, color=REVENUE, linestyle=(0, (4, 2)), linewidth=1.3,
            label=f"revenue without {without_what(result)}", zorder=3,
        )  # fmt: skip
    right = axes.twinx()
    for name, colour, label, line in (
        ("tpot_capacity", CAPACITY_TPOT, "TPOT over decode slots (P47)", "-"),
        ("tpot_token_mean", TOKEN_TPOT, "TPOT over tokens (D9)", "--"),
    ):
        right.plot(
            values,
            1000 * result.array(name),
            color=colour,
            linestyle=line,
            linewidth=1.3,
            label=label,
        )
    _shade(right, result)
    if result.best is not None:
        x, y = result.best.values[axis.path], result.best.revenue_rate - result.best.penalty
        axes.plot([x], [y], color=MARK, label="earns most", clip_on=False, **STAR)
    axes.set_zorder(right.get_zorder() + 1)
    axes.patch.set_visible(False)
    _scale(axes, axis, "x")
    axes.set_ylim(*_roomy(axes.get_ylim()))
    right.set_ylim(*_roomy(right.get_ylim()))
    axes.set_ylabel("revenue, money/s per GPU", color=REVENUE)
    right.set_ylabel("time per output token, ms", color=CAPACITY_TPOT)
    for each in (axes, right):
        each.spines["top"].set_visible(False)
    lines = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    _legend(body, list({line.get_label(): line for line in lines}.values()))
    return figure


def _paying(result: Sweep) -> bool:
    return any(sli.penalty_weight is not None for sli in result.promises)


def _left(result: Sweep) -> Any:
    """Return what is left of the revenue after penalties, as a grid."""
    return result.array("revenue_rate") - result.array("penalty")


def _shade(axes: Any, result: Sweep) -> None:
    """Shade the stretches of one axis by what is short, and mark where that changes."""
    axis, values = result.axes[0], result.axes[0].values
    changes = [_between(axis, kink.lower, kink.upper) for kink in result.kinks]
    names = [result.binding[0], *(kink.after for kink in result.kinks)]
    low, high = (_position(axis, each) for each in (values[0], values[-1]))
    for (left, right), name in zip(pairwise([values[0], *changes, values[-1]]), names, strict=True):
        band = axes.axvspan(
            left, right, color=BINDING_COLOURS[name], alpha=0.55, linewidth=0, zorder=0
        )
        start, end = ((_position(axis, each) - low) / (high - low) for each in (left, right))
        if not _fits(axes, _label(name), start, end):
            band.set_label(_label(name))
    for kink in changes:
        axes.axvline(kink, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    for start, end in _untrusted(result):
        axes.axvspan(
            start, end, facecolor="none", edgecolor=FAINT, hatch="///", linewidth=0, zorder=0.5,
            label="not to be trusted: kappa < 1",
        )  # fmt: skip
    axes.set_xlim(values[0], values[-1])
    for x in _threshold(result):
        axes.axvline(x, color=INK, linewidth=1, zorder=2)
        axes.annotate(
            "kappa = 1", (x, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=8.5,
            xytext=(3, 0), textcoords="offset points", color=INK,
        )  # fmt: skip


def _fits(axes: Any, label: str, start: float, end: float) -> bool:
    """Write a label between two shares of the width if there is room; return whether there is."""
    text = axes.annotate(
        label.replace(" is ", "\nis ").replace(" binds", "\nbinds").replace(" holds", "\nholds"),
        ((start + end) / 2, 0.985), xycoords="axes fraction", ha="center", va="top", fontsize=8.5,
        color=INK, zorder=6,
    )  # fmt: skip
    fits = text.get_window_extent().width < (end - start) * axes.get_window_extent().width
    if not fits:
        text.remove()
    return bool(fits)


def _threshold(result: Sweep) -> Iterator[float]:
    """Yield where kappa passes 1 between two values of the only axis."""
    values, ratio = result.axes[0].values, np.array(result.speed_ratio)
    for k in np.flatnonzero((ratio[1:] > 1) != (ratio[:-1] > 1)):
        yield float(
            values[k] + (values[k + 1] - values[k]) * (1 - ratio[k]) / (ratio[k + 1] - ratio[k])
        )


def _untrusted(result: Sweep) -> list[tuple[float, float]]:
    """Return the stretches of the only axis on which kappa is below 1."""
    values = result.axes[0].values
    ends = [values[0], *_threshold(result), values[-1]]
    below = result.speed_ratio[0] < 1
    return [span for k, span in enumerate(pairwise(ends)) if (k % 2 == 0) == below]


def _draw_revenue(instance: Instance, result: Sweep) -> Any:
    segment, what = result.price_segment, "revenue less penalties" if _paying(result) else "revenue"
    figure, body = headed_figure(
        14 if segment else 9.5, BODY, f"Best {what} over two parameters",
        *_paragraphs(instance, result),
    )  # fmt: skip
    axes = body.add_axes((0.07, 0.18, 0.42, 0.8) if segment else (0.1, 0.18, 0.74, 0.8))
    bar = body.add_axes((0.5, 0.18, 0.012, 0.8) if segment else (0.86, 0.18, 0.02, 0.8))
    first, second = result.axes
    revenue = _left(result).T
    image = axes.pcolormesh(*_edges(first, second), revenue, cmap="viridis", rasterized=True)
    figure.colorbar(image, cax=bar).set_label(f"{what}, money/s per GPU", color=INK)
    _lay_out(axes, result)
    if np.nanmax(revenue) > np.nanmin(revenue):
        lines = axes.contour(
            first.values, second.values, revenue, 8, colors="white", linewidths=0.9
        )
        label_contours(figure, axes, lines, lambda level: f"{level:g}")
    handles = [*_draw_kappa(axes, result), *_draw_best(axes, result), *_white(result)]
    _legend(body, handles, 0.28 if segment else 0.47)
    if segment is not None:
        _draw_segment(body, axes, result)
    return figure


def _white(result: Sweep) -> list[Any]:
    """Return the handle of the points without a revenue, if there are any."""
    from matplotlib.patches import Patch

    names = [_label(name) for name in WITHOUT_PLAN if name in result.binding]
    return [Patch(facecolor="white", edgecolor=FAINT, label=" or ".join(names))] if names else []


def _draw_segment(body: Any, axes: Any, result: Sweep) -> None:
    """Draw the prices of one sum on the map, and revenue along them beside it."""
    segment = result.price_segment
    assert segment is not None
    prompt = np.array(segment.prompt_token)
    line = {"prices.prompt_token": prompt, "prices.output_token": segment.total - prompt}
    axes.plot(*(line[axis.path] for axis in result.axes), color=MARK, linewidth=1.6)
    beside = body.add_axes((0.64, 0.41, 0.33, 0.36))
    below = body.add_axes((0.64, 0.12, 0.33, 0.2))
    revenue, share = np.array(segment.revenue_rate), prompt / segment.total
    end = int(revenue[-1] > revenue[0]) * (len(prompt) - 1)
    beside.plot(prompt, revenue, color=MARK, linewidth=1.8)
    beside.plot([prompt[end]], [revenue[end]], color=MARK, clip_on=False, **STAR)
    beside.set_ylabel("revenue,\nmoney/s per GPU", color=INK)
    chord = (1 - share) * revenue[0] + share * revenue[-1]
    below.fill_between(prompt, revenue - chord, color=MARK, alpha=0.5, linewidth=0)
    below.set_ylabel("less its\nchord", color=INK)
    below.set_xlabel(f"c_p along c_p + c_d = {segment.total:g}, money/token", color=INK)
    for each in (beside, below):
        each.set_xlim(0.0, segment.total)
        for side in ("top", "right"):
            each.spines[side].set_visible(False)
    words = body.text(0.62, 0.98, price_sentences(segment)[1], fontsize=9, color=INK, va="top")
    wrap(words, 5.0)


def _draw_binding(instance: Instance, result: Sweep) -> Any:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    title = "Which capacity is short where"
    figure, body = headed_figure(9.5, BODY, title, *_paragraphs(instance, result))
    axes = body.add_axes((0.1, 0.22, 0.86, 0.76))
    first, second = result.axes
    names = [name for name in BINDING_COLOURS if name in result.binding]
    codes = np.array([names.index(name) for name in result.binding]).reshape(result.shape).T
    colours = ListedColormap([BINDING_COLOURS[name] for name in names])
    axes.pcolormesh(
        *_edges(first, second), codes, cmap=colours, vmin=-0.5, vmax=len(names) - 0.5,
        rasterized=True,
    )  # fmt: skip
    _lay_out(axes, result)
    handles = [
        Patch(facecolor=BINDING_COLOURS[name], edgecolor=FAINT, label=_label(name))
        for name in names
    ]
    handles += [*_draw_kappa(axes, result), *_draw_best(axes, result)]
    _legend(body, handles)
    return figure


def _draw_kappa(axes: Any, result: Sweep) -> list[Any]:
    """Draw the lines kappa = 1 and kappa = (B-1)/B; return a handle of each that is on the map."""
    from matplotlib.lines import Line2D

    first, second = result.axes
    ratio, handles = result.array("speed_ratio"), []
    lines: tuple[tuple[str, Any, Any], ...] = (
        ("kappa = 1", "-", ratio - 1),
        ("kappa = (B-1)/B", "--", ratio - result.array("speed_threshold")),
    )
    for name, line, figures in lines:
        if np.min(figures) < 0 < np.max(figures):
            drawn = axes.contour(
                first.values, second.values, figures.T, [0.0], colors=INK, linestyles=line,
                linewidths=1.3,
            )  # fmt: skip
            drawn.set(path_effects=[withStroke(linewidth=3, foreground="white")])
            handles.append(Line2D([], [], color=INK, linestyle=line, linewidth=1.3, label=name))
    return handles


def _draw_best(axes: Any, result: Sweep) -> list[Any]:
    """Mark the point that earns most; return its handle."""
    if result.best is None:
        return []
    place = [[result.best.values[axis.path]] for axis in result.axes]
    return list(axes.plot(*place, color=MARK, clip_on=False, label="earns most", **STAR))


def _legend(body: Any, handles: list[Any], middle: float = 0.5) -> None:
    """Write the legend at the foot, in as few rows as fit the width."""
    for rows in range(1, 1 + len(handles)):
        legend = body.legend(
            handles=handles, loc="lower center", ncols=-(-len(handles) // rows), frameon=False,
            fontsize=9, bbox_to_anchor=(middle, 0.005),
        )  # fmt: skip
        if rows == len(handles) or legend.get_window_extent().x0 > 0:
            return
        legend.remove()


def _edges(first: Axis, second: Axis) -> tuple[Any, Any]:
    return _edges_of(first), _edges_of(second)


def _edges_of(axis: Axis) -> Any:
    """Return the edges of the cells around the values of an axis."""
    values = np.array(axis.values)
    middle = np.array([_between(axis, a, b) for a, b in pairwise(values)])
    return np.concatenate([values[:1], middle, values[-1:]])


def _lay_out(axes: Any, result: Sweep) -> None:
    for axis, side in zip(result.axes, "xy", strict=True):
        _scale(axes, axis, side)


def _scale(axes: Any, axis: Axis, side: str) -> None:
    label = f"{_name(axis)}, {axis.unit}" if axis.unit else _name(axis)
    low, high = axis.values[0], axis.values[-1]
    drawn, limits, scale = (
        (axes.xaxis, axes.set_xlim, axes.set_xscale)
        if side == "x"
        else (axes.yaxis, axes.set_ylim, axes.set_yscale)
    )
    if _logarithmic(axis):
        scale("log")
        label_by_ratio(drawn, low, high)
    limits(low, high)
    wrap(drawn.set_label_text(label, color=INK), LONGEST_LABEL)


def _logarithmic(axis: Axis) -> bool:
    """Whether values are spread by ratio rather than by difference."""
    low, middle, high = axis.values[0], axis.values[len(axis.values) // 2], axis.values[-1]
    return low > 0 and len(axis.values) > 2 and middle < 0.75 * (low + high) / 2


def _position(axis: Axis, value: float) -> float:
    return float(np.log(value)) if _logarithmic(axis) else value


def _between(axis: Axis, low: float, high: float) -> float:
    return float(np.sqrt(low * high)) if _logarithmic(axis) else (low + high) / 2


def _roomy(limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits with room for the labels of the regions."""
    low, high = limits
    return low, high + 0.16 * (high - low)


def _name(axis: Axis) -> str:
    """Return a parameter in words."""
    if axis.path in SYMBOLS:
        return SYMBOLS[axis.path]
    owner, _, field = axis.path.removeprefix("classes.").rpartition(".")
    return f"{field.replace('_', ' ')} of {owner}"


def _label(name: str) -> str:
    return BINDING_LABELS.get(name, f"{name} are short" if " + " in name else name)


def _paragraphs(instance: Instance, result: Sweep) -> list[str]:
    """Return whose sweep it is, and which point earns most."""
    kept = f"; {', '.join(map(promise_words, result.promises))}" if result.promises else ""
    told = [f"{instance.title}. {result.scheme.capitalize()} prices{kept}."]
    return told if result.best is None else [*told, best_words(result, result.best)]
