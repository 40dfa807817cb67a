"""The terminal summary of `gnr calibrate`."""

from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.calibration_result import Calibration, FittedLine, Measured

TERMS = (
    ("base", "c_0", "any iteration", 1e3, "ms"),
    ("per_decode", "c_1", "each decode", 1e6, "µs"),
    ("per_context_token", "c_2", "each token of context read", 1e9, "ns"),
    ("with_chunk", "m_0", "a chunk, if there is one", 1e3, "ms"),
    ("per_chunk_token", "m_1", "each prompt token above b_0", 1e6, "µs"),
    ("free_tokens", "b_0", "tokens, decodes among them, that are free", 1.0, "tokens"),
    ("per_token_pair", "m_2", "each pair of its tokens and those before", 1e9, "ns"),
    ("per_context_token_with_chunk", "m_3", "each token of context beside it", 1e9, "ns"),
)
"""Terms of the law: key, symbol, in words, factor, unit."""

NOTHING = 1e-9
"""Half-width, as a share of the value, that is rounding."""

MOST_ROWS = 24
"""Chunk sizes shown; the rest is in the JSON."""


def summarize_calibration(found: Calibration) -> Any:
    """Return the summary as a rich renderable."""
    return Group(
        Text(_heading(found), style="bold"),
        Text(_reading(found)),
        Text(_line(found)),
        _curve_table(found),
        _law_table(found),
        Text(_law_note(found)),
        *_points(found),
        Text(""),
        Text(toml_of(found)),
    )


def toml_of(found: Calibration) -> str:
    """Return the iteration time as a table of an instance file."""
    time = found.iteration_time
    return (
        "[gpu.iteration_time]\n"
        f"base = {time.base!r}\n"
        f"per_chunk_token = {time.per_chunk_token!r}\n"
        f"decode_only = {time.decode_only!r}"
    )


def _heading(found: Calibration) -> str:
    prefix = f", {found.prefix_tokens:g} prompt tokens before" if found.prefix_tokens else ""
    return (
        f"Iteration times beside {found.decodes:g} decodes of {found.context_tokens:g} tokens of "
        f"context{prefix}"
    )


def _reading(found: Calibration) -> str:
    units = {each.unit for each in found.columns if each.quantity == "seconds"}
    assumed = any(each.assumed for each in found.columns if each.quantity == "seconds")
    again = f", {found.repeated:,} of them repetitions (medians are used)" * bool(found.repeated)
    more = f"; {found.overhead * 1e3:g} ms were added to each" if found.overhead else ""
    from_where = dict.fromkeys(f"{each.quantity} from {each.header}" for each in found.columns)
    return (
        f"{found.rows:,} rows{again}. Read {', '.join(from_where)}.\n"
        f"Times are in {'/'.join(sorted(units))}"
        f"{' (assumed)' if assumed else ''}: the median iteration takes "
        f"{found.median_seconds * 1e3:.4g} ms{more}."
    )


def _line(found: Calibration) -> str:
    line, low_high = found.line, found.line.chunk_tokens
    good = (
        f"a line within {found.tolerance:.0%} from C = {found.good_range[0]:g} to "
        f"{found.good_range[1]:g}"
        if found.good_range
        else f"no line within {found.tolerance:.0%} anywhere"
    )
    return (
        f"tau = alpha + beta C from C = {low_high[0]:g} to {low_high[1]:g}: "
        f"alpha = {_interval(line.base, 1e3)} ms, "
        f"beta = {_interval(line.per_chunk_token, 1e6)} µs/token; tau_solo = "
        f"{_interval(found.decode_only, 1e3)} ms.\n"
        f"Largest error {line.max_error:.1%}, at C = {line.max_error_at:g}; there is {good}. "
        f"{_r_squared(line)}"
    )


def _r_squared(line: FittedLine) -> str:
    if line.r_squared is None:
        return "The times do not vary."
    return f"R^2 = {line.r_squared:.4f}, which says little: it is near 1 for lines far off."


def _interval(number: Measured, factor: float) -> str:
    if number.half_width is None:
        return f"{number.value * factor:.4g} (too few batches for an interval)"
    half = 0.0 if number.half_width < NOTHING * abs(number.value) else number.half_width
    return f"{number.value * factor:.4g} ± {half * factor:.2g}"


def _curve_table(found: Calibration) -> Table:
    table = Table(title="the line against the measured times", box=box.SIMPLE_HEAD,
                  title_justify="left", title_style="")  # fmt: skip
    for header in ("C", "measured (ms)", "line (ms)", "error", ""):
        table.add_column(header, justify="left" if not header else "right")
    low, high = found.line.chunk_tokens
    points = found.curve[:: -(-len(found.curve) // MOST_ROWS)]
    for each in points:
        inside = low <= each.chunk_tokens <= high
        remark = "set aside" if each.outlier else "" if inside else "not in the fit"
        table.add_row(
            f"{each.chunk_tokens:g}",
            f"{each.seconds * 1e3:.2f}",
            f"{each.seconds * (1 + each.error) * 1e3:.2f}",
            f"{each.error:+.1%}",
            remark,
            style="" if inside and not each.outlier else "dim",
        )
    return table


def _law_table(found: Calibration) -> Table:
    table = Table(title="the law by batch, for simulation: what an iteration takes for ...",
                  box=box.SIMPLE_HEAD, title_justify="left", title_style="")  # fmt: skip
    for header in ("", "", "", "unit"):
        table.add_column(header, justify="right" if header == "" else "left")
    for key, symbol, words, factor, unit in TERMS:
        told = f"{getattr(found.law, key) * factor:.4g}"
        table.add_row(words, symbol, "not told" if key in found.undetermined else told, unit)
    return table


def _law_note(found: Calibration) -> str:
    errors = found.law_errors
    return (
        f"It is {errors.mean:.1%} off on average, more than {errors.p95:.1%} for one batch in "
        f"twenty, {errors.max:.0%} at the most ({errors.rows:,} batches, {errors.outliers} set "
        "aside)."
    )


def _points(found: Calibration) -> list[Any]:
    if not found.operating_points:
        return []
    several = len(found.operating_points) > 1
    lines = [
        f"Where the plan of {found.instance} and this law agree"
        + (" (several regimes):" if several else ":")
    ]
    for point in found.operating_points:
        time = point.iteration_time
        lines.append(
            f"  {point.mixed_decodes:.3g} decodes beside a prefill, {point.solo_decodes:.3g} "
            f"without: tau = {point.mixed_time * 1e3:.4g} ms (alpha = {time.base * 1e3:.4g} ms, "
            f"beta = {time.per_chunk_token * 1e6:.4g} µs/token), tau_solo = "
            f"{time.decode_only * 1e3:.4g} ms, kappa = {point.speed_ratio:.3g}; "
            f"{point.revenue_rate:.6g} money/s per GPU, {point.mixed_gpus:.1%} of the GPUs prefill"
        )
        if point.mixed_decodes == 0:
            lines.append(
                "  (at this load the GPUs without a prefill have room for all decodes, and the "
                "plan puts them there)"
            )
    return [Text("\n".join(lines))]
