"""The terminal summary of `gnr sweep`."""

from collections import Counter
from typing import Any

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.instance import Sli
from gnr.promise_facts import asked_for
from gnr.rates import ROUNDING
from gnr.sweep_result import Best, Kink, PriceSegment, Sweep

MOST_ROWS, MOST_COLUMNS = 14, 7
"""Values of an axis that a table shows, evenly chosen."""

SHORT_OF = {
    "none": "nothing is short",
    "penalty": "a penalty makes it best to turn requests away",
    "infeasible": "there is no plan",
    "undecided": "the solver found no answer that stands up",
    "missing": "not solved",
}
"""What the words of `Sweep.binding` mean, where they are not capacities."""


def summarize_sweep(result: Sweep) -> Any:
    """Return the summary of a sweep as a rich renderable."""
    kept = "".join(f", {promise_words(each)}" for each in result.promises)
    head = f"{result.instance}: {len(result.binding):,} points, {result.scheme} prices{kept}"
    parts: list[Any] = [Text(head, style="bold")]
    parts.append(_row_table(result) if len(result.axes) == 1 else _grid_table(result))
    parts += [Text(line) for line in sweep_sentences(result)]
    return Group(*parts)


def sweep_sentences(result: Sweep) -> list[str]:
    """Return what a sweep says, best point first, one sentence each."""
    lines = []
    if result.best is not None:
        lines.append(f"{_kept_words(result)}{best_words(result, result.best)}")
    if result.alone is not None and result.alone.best is not None:
        best = best_words(result, result.alone.best)
        lines.append(f"Without {without_what(result)}, {best}")
    if result.best_outside is not None:
        lines.append(
            f"Not to be trusted: {best_words(result, result.best_outside)} There kappa < 1, "
            "outside the range of the iteration-time law (eq. D1)."
        )
    lines += [kink_sentence(kink, result) for kink in result.kinks]
    lines.append(_regions(result))
    if result.price_segment is not None:
        lines += price_sentences(result.price_segment)
    return lines


def _kept_words(result: Sweep) -> str:
    """Return what the best point is best at, to begin a sentence with."""
    told = without_what(result)
    if not told:
        return ""
    kept = told.replace("promises", "the promises kept")
    return f"With {kept.replace('penalties', 'penalties subtracted')}, "


def without_what(result: Sweep) -> str:
    """Return what the sweep that is drawn beside it does without."""
    return asked_for(sli.penalty_weight is not None for sli in result.promises)


def promise_words(sli: Sli) -> str:
    """Return what is promised, or paid for."""
    if sli.penalty_weight is not None:
        return f"{sli.label} penalised by {sli.penalty_weight:g} money/s per GPU and unit"
    if sli.at_most is not None:
        return f"{sli.label} at most {sli.at_most:g}"
    return f"{sli.label} at least {sli.at_least:g}"


def best_words(result: Sweep, best: Best) -> str:
    """Return where a best point is and what it earns."""
    units = {axis.path: axis.unit for axis in result.axes}
    place = ", ".join(
        f"{path} = {value:.6g}{_unit(units[path])}" for path, value in best.values.items()
    )
    same = ""
    if best.equally_good:
        others = "another point earns" if best.equally_good == 1 else "more points earn"
        count = "" if best.equally_good == 1 else f"{best.equally_good:,} "
        same = f"; {count}{others} the same ({_ranges(result, best)})"
    left = f"{best.revenue_rate - best.penalty:.6g} money/s per GPU"
    paid = f"{best.revenue_rate:.6g} less {best.penalty:.6g} of penalties, " if best.penalty else ""
    outside = best != result.best_outside and min(result.speed_ratio) < 1 - ROUNDING
    among = " of the points with kappa ≥ 1" * outside
    return f"{place} earns most{among}: {paid}{left}{same}.{_ends(best)}"


def _ranges(result: Sweep, best: Best) -> str:
    """Return where the points are that earn the same as the best."""
    found = []
    for axis in result.axes:
        low, high = best.equally_good_range[axis.path]
        span = f"from {low:.6g} to {high:.6g}" if low < high else f"= {low:.6g}"
        found.append(f"{axis.path} {span}{_unit(axis.unit)}")
    return ", ".join(found)


def _ends(best: Best) -> str:
    """Return what to do about a best point at an end of what was varied."""
    if not best.at_end:
        return ""
    ends = " and ".join(f"of {path}" for path in best.at_end)
    return f" This is the end {ends}: more may be earned beyond, so vary further."


def kink_sentence(kink: Kink, result: Sweep) -> str:
    """Return where it changes what is short."""
    path = result.axes[0].path
    return (
        f"Between {path} = {kink.lower:.6g} and {kink.upper:.6g} what is short changes from "
        f"{short_words(kink.before)} to {short_words(kink.after)}."
    )


def short_words(binding: str) -> str:
    """Return what is short in words."""
    return {"none": "nothing", "infeasible": "no plan at all"}.get(binding, binding)


def price_sentences(segment: PriceSegment) -> list[str]:
    """Return how revenue runs along prices of one sum, and what that means (10.1(k))."""
    k, first, last = segment.total, segment.revenue_rate[0], segment.revenue_rate[-1]
    least = int(np.argmin(segment.revenue_rate))
    shape = (
        f"Where the prices of a prompt token (c_p) and of an output token (c_d) sum to {k:.6g}, "
        f"revenue runs from {first:.6g} (all on output tokens) to {last:.6g} (all on prompt "
        f"tokens), least {segment.revenue_rate[least]:.6g} at c_p = "
        f"{segment.prompt_token[least]:.6g}."
    )
    if segment.best_at == "everywhere":
        return [shape, "Every ratio of the two prices earns the same."]
    if segment.interior_best:
        return [shape, "A ratio between the ends earns more than both: this contradicts (D6)."]
    return [
        shape,
        f"So at fixed demand it is best to put {segment.best_at}, whatever the sum. The paper's "
        "claim that one ratio in between is best is refuted: revenue is convex and homogeneous in "
        "the two prices (D6).",
        "No point lies above the chord of its neighbours by more than "
        f"{segment.largest_dent:.1e} of the best. What keeps prices in between is demand that "
        "answers to them, and that is not modelled.",
    ]


def _regions(result: Sweep) -> str:
    counts, points = Counter(result.binding), len(result.binding)
    parts = (
        f"{SHORT_OF.get(name, f'{name} is short')} at {count / points:.1%}"
        for name, count in counts.most_common()
    )
    return f"Of the points: {'; '.join(parts)}."


def _row_table(result: Sweep) -> Table:
    axis = result.axes[0]
    paying = any(sli.penalty_weight is not None for sli in result.promises)
    columns = ["revenue /s"] + (["penalties /s"] if paying else [])
    columns += [f"without {without_what(result)}"] if result.alone else []
    columns += ["mixed GPUs", "TPOT, slots", "TPOT, tokens", "kappa", "short"]
    table = _table(f"{axis.path}{_unit(axis.unit)}", columns)
    alone = result.alone.revenue_rate if result.alone else ()
    for k in _with_best(result, 0):
        row = [_number(result.revenue_rate[k])]
        row += [_number(result.penalty[k])] if paying else []
        row += [_number(alone[k])] if alone else []
        row += [_percent(result.mixed_share[k]), _milliseconds(result.tpot_capacity[k])]
        row += [_milliseconds(result.tpot_token_mean[k]), f"{result.speed_ratio[k]:.3g}"]
        table.add_row(f"{axis.values[k]:.6g}", *row, result.binding[k])
    return table


def _grid_table(result: Sweep) -> Table:
    first, second = result.axes
    columns = _with_best(result, 1)
    table = _table(f"{first.path}{_unit(first.unit)}", [f"{second.values[k]:.4g}" for k in columns])
    table.title = f"revenue, money/s per GPU; across: {second.path}{_unit(second.unit)}"
    revenue = result.array("revenue_rate")
    for k in _with_best(result, 0):
        table.add_row(f"{first.values[k]:.6g}", *(_number(revenue[k, j]) for j in columns))
    return table


def _table(first: str, columns: list[str]) -> Table:
    table = Table(
        title_justify="left", title_style="italic", box=box.SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    for name in (first, *columns):
        table.add_column(name, justify="right")
    return table


def _with_best(result: Sweep, place: int) -> list[int]:
    """Return which values of an axis are shown: some evenly chosen, and the best."""
    values = result.axes[place].values
    shown = _chosen(len(values), MOST_ROWS if place == 0 else MOST_COLUMNS)
    if result.best is None:
        return shown
    return sorted({*shown, values.index(result.best.values[result.axes[place].path])})


def _chosen(count: int, most: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def _number(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.6g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{1000 * value:.3f} ms"
