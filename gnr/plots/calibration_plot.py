"""Picture of `gnr calibrate`: the line against the measured times, and where it is off."""

from typing import Any

import numpy as np

from gnr.calibration_result import Calibration, Measured
from gnr.plots.layout import headed_figure, label_by_ratio
from gnr.plots.palette import CLASS_COLOURS, FAINT, IDLE, INK
from gnr.plots.save import plain_text

WIDTH, BODY = 10.5, 6.2
MEASURED, FITTED, LAW = CLASS_COLOURS[0], CLASS_COLOURS[1], CLASS_COLOURS[2]


def draw_calibration(found: Calibration) -> Any:
    """Return the figure: times by chunk above, the relative error of line and law below."""
    with plain_text():
        figure, body = headed_figure(
            WIDTH,
            BODY,
            f"Iteration time beside {found.decodes:g} decodes of {found.context_tokens:g} tokens",
            _told(found),
            _whole(found),
        )
        above, below = body.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        body.subplots_adjust(left=0.08, right=0.98, top=0.97, bottom=0.1, hspace=0.1)
        _times(above, found)
        _errors(below, found)
    return figure


def _told(found: Calibration) -> str:
    line = found.line
    return (
        f"τ = α + βC with α = {_interval(line.base, 1e3)} ms, "
        f"β = {_interval(line.per_chunk_token, 1e6)} µs per token from C = "
        f"{line.chunk_tokens[0]:g} to {line.chunk_tokens[1]:g}: at most {line.max_error:.1%} off. "
        f"Decode only: {_interval(found.decode_only, 1e3)} ms."
    )


def _interval(number: Measured, factor: float) -> str:
    half = "" if number.half_width is None else f" ± {number.half_width * factor:.2g}"
    return f"{number.value * factor:.4g}{half}"


def _whole(found: Calibration) -> str:
    line = found.ordinary_line
    r_squared = "" if line.r_squared is None else f"has R² = {line.r_squared:.4f} and "
    return (
        f"The least-squares line over all chunk sizes {r_squared}is up to {line.max_error:.0%} "
        f"off, at C = {line.max_error_at:g}. Shaded: the range of the line."
    )


def _columns(found: Calibration, outlier: bool) -> tuple[Any, Any]:
    chosen = [each for each in found.curve if each.outlier == outlier]
    return (
        np.array([each.chunk_tokens for each in chosen]),
        np.array([each.seconds for each in chosen]),
    )


def _law_times(found: Calibration, chunk: Any) -> Any:
    context = found.decodes * found.context_tokens
    return found.law.mixed_time(chunk, found.prefix_tokens, found.decodes, context)


def _times(axes: Any, found: Calibration) -> None:
    chunk, seconds = _columns(found, outlier=False)
    line, low_high = found.line, found.line.chunk_tokens
    grid = np.geomspace(chunk[0], chunk[-1], 300)
    straight = 1e3 * (line.base.value + line.per_chunk_token.value * grid)
    inside = (grid >= low_high[0]) & (grid <= low_high[1])
    axes.axvspan(*low_high, color=IDLE, zorder=0)
    axes.plot(grid, 1e3 * _law_times(found, grid), color=LAW, linewidth=1.2, label="law by batch")
    shown = straight > 0
    axes.plot(grid[shown], straight[shown], color=FITTED, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.plot(grid[inside], straight[inside], color=FITTED, linewidth=2.0, label="line α + βC")
    axes.plot(chunk, 1e3 * seconds, "o", color=MEASURED, markersize=5, label="measured")
    spikes = _columns(found, outlier=True)
    if len(spikes[0]):
        axes.plot(spikes[0], 1e3 * spikes[1], "x", color=INK, markersize=6, label="set aside")
    axes.axhline(1e3 * found.decode_only.value, color=FAINT, linewidth=1.0, linestyle=":")
    axes.text(chunk[-1], 1e3 * found.decode_only.value, "decode only", color=INK, fontsize=8.5,
              ha="right", va="bottom")  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    every = np.concatenate([seconds, spikes[1], [found.decode_only.value]])
    label_by_ratio(axes.yaxis, 1e3 * every.min(), 1e3 * every.max())
    axes.set_ylim(0.8e3 * every.min(), 1.25e3 * every.max())
    axes.set_ylabel("ms per iteration", color=INK)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    _plain(axes)


def _errors(axes: Any, found: Calibration) -> None:
    chunk, seconds = _columns(found, outlier=False)
    off = (found.line.base.value + found.line.per_chunk_token.value * chunk) / seconds - 1
    law = _law_times(found, chunk) / seconds - 1
    axes.axvspan(*found.line.chunk_tokens, color=IDLE, zorder=0)
    axes.axhspan(-1e2 * found.tolerance, 1e2 * found.tolerance, color=FITTED, alpha=0.12, zorder=1)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(chunk, 1e2 * law, "s-", color=LAW, markersize=3.5, linewidth=0.9)
    axes.plot(chunk, 1e2 * off, "o-", color=FITTED, markersize=4, linewidth=1.2)
    axes.set_ylabel("error (%)", color=INK)
    axes.set_xlabel("chunk, prompt tokens per iteration", color=INK)
    axes.text(0.99, 0.96, f"band: ± {found.tolerance:.0%}", transform=axes.transAxes, fontsize=8.5,
              color=INK, ha="right", va="top")  # fmt: skip
    label_by_ratio(axes.xaxis, chunk[0], chunk[-1])
    axes.set_xlim(chunk[0] / 1.08, chunk[-1] * 1.08)
    most = max(1e2 * np.max(np.abs([*off, *law])), 150 * found.tolerance) * 1.1
    axes.set_ylim(-most, most)
    _plain(axes)


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
