"""The terminal summary of a solution, for a planner who has not read the paper."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from gnr.plan import Plan
from gnr.rates import Rates, rates_of
from gnr.result import Solution

HOUR = 3600.0
MILLION = 1e6
FULL = 1e-9
"""Relative room below which a capacity counts as full."""
MOST_ROWS = 40
"""Classes shown in full; the rest is in the JSON."""


@dataclass(frozen=True)
class Fate:
    """Where the requests of a class end, as fractions of its arrivals."""

    served: float
    left_before_prefill: float
    left_before_decode: float


def fates(solution: Solution) -> list[Fate]:
    """Return for each class what becomes of its requests."""
    rates, found = rates_of(solution.instance), []
    for i, each in enumerate(solution.classes):
        arrivals = float(rates.arrival_rate[i])
        done = rates.mixed_decode[i] * each.mixed_decode + rates.solo_decode[i] * each.solo_decode
        waiting = float(rates.patience_rate[i])
        found.append(
            Fate(
                served=float(done) / arrivals,
                left_before_prefill=waiting * each.prefill_queue / arrivals,
                left_before_decode=waiting * each.decode_queue / arrivals,
            )
        )
    return found


def served_tokens(solution: Solution) -> float:
    """Return the prompt and output tokens of finished requests, tokens/s per GPU."""
    rates = rates_of(solution.instance)
    lengths = rates.prompt_tokens + rates.output_tokens
    return sum(
        fate.served * float(arrivals * length)
        for fate, arrivals, length in zip(fates(solution), rates.arrival_rate, lengths, strict=True)
    )


def summarize(solution: Solution) -> Any:
    """Return the summary of one solution as a rich renderable."""
    instance = solution.instance
    heading = Text(f"{instance.name}: {instance.title}", style="bold")
    if solution.revenue_rate is None:
        return Group(heading, *_no_optimum(solution))
    rates = rates_of(instance)
    parts: list[Any] = [
        heading,
        Text(f"Best plan under {solution.scheme} pricing: {earnings(solution)}."),
        Text(_where_it_runs(solution)),
        Text(bottleneck(solution)),
        _class_table(solution, rates),
        _capacity_table(solution, rates),
        Text(_tpot_line(solution)),
    ]
    if solution.unique is not None and not solution.unique.mixed_decode:
        parts.append(Text(f"Other splits of the decodes earn the same; shown: {_shown(solution)}."))
    if ends := _ends(solution):
        parts.append(Text(f"At a kink, one more and one less are worth different amounts: {ends}."))
    if solution.plan_for_gpus is not None:
        parts.extend(_plan_tables(solution.plan_for_gpus))
    return Group(*parts)


def compare(solutions: Sequence[Solution]) -> Any:
    """Return one table with a row for each solution."""
    table = Table(title="best plans, per GPU", title_justify="left")
    table.add_column("instance", no_wrap=True)
    table.add_column("pricing")
    for heading in (
        "money/s",
        "money/hour",
        "per 1M tokens",
        "mixed GPUs",
        "served",
        "one more GPU, money/s",
        "time per token",
    ):
        table.add_column(heading, justify="right")
    for each in solutions:
        name, scheme = each.instance.name, each.scheme
        if each.revenue_rate is None or each.totals is None or each.tpot is None:
            table.add_row(name, scheme, each.status, *["-"] * 6)
            continue
        rates = rates_of(each.instance)
        requests = sum(
            fate.served * float(rate)
            for fate, rate in zip(fates(each), rates.arrival_rate, strict=True)
        )
        table.add_row(
            name,
            scheme,
            money(each.revenue_rate),
            money(each.revenue_rate * HOUR),
            _per_million(each),
            f"{each.totals.prefill:.1%}",
            f"{requests / float(rates.arrival_rate.sum()):.1%}",
            money(each.gpu_value or 0.0),
            _milliseconds(each.tpot.token_mean),
        )
    return Group(table, *(Text(f"{each.instance.name}: {bottleneck(each)}") for each in solutions))


def to_html(solution: Solution) -> str:
    """Return the summary as HTML for a notebook."""
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(summarize(solution))
    return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def earnings(solution: Solution) -> str:
    """Return the revenue in words: per GPU-second, per GPU-hour, per million tokens."""
    rate = solution.revenue_rate or 0.0
    return (
        f"{money(rate)} money/s per GPU, {money(rate * HOUR)} per GPU-hour, "
        f"{_per_million(solution)} per million tokens served"
    )


def money(amount: float) -> str:
    """Return an amount with about six digits, never in scientific notation if it is large."""
    if abs(amount) >= 1e5:
        return f"{amount:,.0f}"
    if 0 < abs(amount) < 1e-3:
        return f"{amount:.4g}"
    return f"{amount:.6g}"


def bottleneck(solution: Solution) -> str:
    """Return in one sentence which capacity binds."""
    if solution.totals is None or solution.gpu_value is None:
        return f"no plan ({solution.status})"
    worth = f"one more GPU would earn {money(solution.gpu_value)} money/s"
    decode = solution.marginals["mixed_decode_capacity"] or 0.0
    scale = (solution.revenue_rate or 0.0) * FULL
    if solution.marginals["prefill_capacity"] is None:
        what = "prefill and decode both bind" if decode > scale else "prefill binds"
        return f"Every GPU prefills: {what}; {worth}."
    if decode > scale:
        return f"Decode slots are the bottleneck; {worth}."
    return "Nothing binds: the demand is served with room to spare, one more GPU earns nothing."


def _no_optimum(solution: Solution) -> list[Any]:
    if solution.status != "infeasible":
        return [Text(f"No plan: the solver ended with status {solution.status!r}.")]
    lines = [
        Text("No plan exists: requests of some classes never leave, and the cluster is too small.")
    ]
    for each in solution.shortfall:
        lines.append(Text(f"  {each.requirement}: short by {each.by:.6g} {each.unit}"))
    return lines


def _where_it_runs(solution: Solution) -> str:
    assert solution.totals is not None
    share = solution.totals.prefill
    return (
        f"{share:.1%} of the GPUs prefill and decode (mixed), {1 - share:.1%} only decode (solo)."
    )


def _class_table(solution: Solution, rates: Rates) -> Table:
    table = Table(
        title="requests by class: where they are (per GPU) and what becomes of them",
        title_justify="left",
    )
    table.add_column("class", no_wrap=True)
    for heading in (
        "arrive /s",
        "in prefill",
        "decode mixed",
        "decode solo",
        "served",
        "leave before prefill",
        "leave before decode",
        "pays",
        "one more earns",
    ):
        table.add_column(heading, justify="right")
    rows = list(zip(solution.classes, fates(solution), strict=True))
    for i, (each, fate) in enumerate(rows[:MOST_ROWS]):
        table.add_row(
            Text(each.name),
            f"{rates.arrival_rate[i]:.4g}",
            f"{each.prefill:.4f}",
            f"{each.mixed_decode:.3f}",
            f"{each.solo_decode:.3f}",
            f"{fate.served:.1%}",
            f"{fate.left_before_prefill:.1%}",
            f"{fate.left_before_decode:.1%}",
            money(float(rates.reward[i])),
            money(each.marginal_value),
        )
    if len(rows) > MOST_ROWS:
        table.caption = f"and {len(rows) - MOST_ROWS} more classes (see --json)"
    return table


def _capacity_table(solution: Solution, rates: Rates) -> Table:
    assert solution.totals is not None
    used, slots = solution.totals, float(rates.batch_slots)
    table = Table(title="capacities, per GPU", title_justify="left")
    table.add_column("capacity", no_wrap=True)
    for heading in ("used", "there is", "", "one more earns, money/s", "per hour"):
        table.add_column(heading, justify="right")
    rows = (
        ("GPUs that prefill", used.prefill, 1.0, "prefill_capacity"),
        (
            "decode slots, mixed",
            used.mixed_decode,
            (slots - 1) * used.prefill,
            "mixed_decode_capacity",
        ),
        (
            "decode slots, solo",
            used.solo_decode,
            slots * (1 - used.prefill),
            "solo_decode_capacity",
        ),
    )
    for label, taken, room, key in rows:
        worth = solution.marginals[key]
        full = room - taken <= FULL * slots
        table.add_row(
            label,
            f"{taken:.4f}",
            f"{max(room, 0.0):.4f}",
            "full" if full and room > FULL else "",
            "see GPU" if worth is None else money(worth),
            "" if worth is None else money(worth * HOUR),
        )
    worth = solution.gpu_value or 0.0
    table.add_row("one more GPU", "", "", "", money(worth), money(worth * HOUR))
    return table


def _plan_tables(plan: Plan) -> list[Any]:
    line = Text(
        f"Plan for {plan.gpus} GPUs: {plan.mixed_gpus} mixed ({plan.mixed_decode_slots} decode "
        f"slots), {plan.solo_gpus} solo ({plan.solo_decode_slots} decode slots)."
    )
    table = Table(title="targets of the policies, whole cluster", title_justify="left")
    table.add_column("class", no_wrap=True)
    for heading in (
        "prefills (gate)",
        "queue",
        "to solo",
        "weight mixed",
        "weight solo",
        "rank",
    ):
        table.add_column(heading, justify="right")
    for each in plan.classes[:MOST_ROWS]:
        table.add_row(
            Text(each.name),
            f"{each.gate_target:.2f}" if each.admitted else "shut out",
            f"{each.queue_target:.1f}",
            f"{each.solo_probability:.1%}",
            f"{each.mixed_weight:.3f}",
            f"{each.solo_weight:.3f}",
            "-" if each.rank is None else str(each.rank),
        )
    return [line, table]


def _tpot_line(solution: Solution) -> str:
    assert solution.tpot is not None
    return (
        f"Time per output token: {_milliseconds(solution.tpot.token_mean)} on average over tokens, "
        f"{_milliseconds(solution.tpot.capacity)} over decode slots."
    )


def _shown(solution: Solution) -> str:
    return solution.unique.reported if solution.unique is not None else ""


def _ends(solution: Solution) -> str:
    """Return gain and loss where one more unit earns less than one fewer costs."""
    if solution.unique is None:
        return ""
    ranges = solution.unique.ranges
    found = {**ranges.marginals, **ranges.marginal_value}
    shown = [
        f"{name} {_end(gain)} gained, {_end(loss)} lost" for name, (gain, loss) in found.items()
    ]
    return "; ".join(shown[:6]) + ("; and others" if len(shown) > 6 else "")


def _end(value: float | None) -> str:
    return "impossible" if value is None else money(value)


def _per_million(solution: Solution) -> str:
    tokens = served_tokens(solution)
    rate = solution.revenue_rate or 0.0
    return money(rate / tokens * MILLION) if tokens > 0 else "-"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.1f} ms"
