"""The terminal summary of `gnr.plan_for_size`."""

from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.finite_plan import FinitePlan, GroupSize

MOST_ROWS = 12


def summarize_finite_plan(found: FinitePlan) -> Any:
    """Return the summary as a rich renderable."""
    heading = Text(
        f"{found.instance}: {found.policy} on {found.gpus:,} GPUs, {found.plan.mixed_gpus:,} of "
        f"them for prefill, by {found.decided_by}",
        style="bold",
    )
    table = Table(box=box.SIMPLE)
    for name in ("may prefill", "limit", "n x rounded", "predicted gap", "least gap", "gap"):
        table.add_column(name, justify="right")
    table.add_column("behind the chosen", justify="right")
    for each in found.sizes[:MOST_ROWS]:
        chosen = each.mixed_gpus == found.plan.mixed_gpus
        table.add_row(*_row(each), style="bold" if chosen else None)
    if len(found.sizes) > MOST_ROWS:
        table.caption = f"and {len(found.sizes) - MOST_ROWS} more sizes (see the JSON)"
    rule = (
        f"Differences of {found.indifference:.1%} are let pass, confidence {found.confidence:.0%}."
    )
    lines = [rule, *(f"Warning: {warning}." for warning in found.warnings)]
    return Group(heading, table, *(Text(line) for line in lines))


def _row(each: GroupSize) -> list[str]:
    gap, behind = each.gap, each.behind
    return [
        f"{each.mixed_gpus:,}",
        "-" if each.prefill_limit is None else str(each.prefill_limit),
        each.rounding or "-",
        f"{each.predicted_gap:.2%}",
        f"{each.least_gap:.2%}",
        "-" if gap is None else f"{gap.mean:.2%} ± {gap.half_width:.2%}",
        "-" if behind is None else f"{behind.mean:.2%} ± {behind.half_width:.2%}",
    ]
