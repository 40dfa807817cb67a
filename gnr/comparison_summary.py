"""The terminal summary of `gnr compare`."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.comparison import Best, Comparison, Condition, PolicyPair
from gnr.promise_facts import asked_for
from gnr.simulation import Estimate, Simulation
from gnr.simulation_summary import (
    KEPT,
    bound_text,
    gathered_terms,
    interval_text,
    plain_value,
    promise_advice,
    verdict_text,
    worst_excess,
)
from gnr.survey import Survey
from gnr.validation.ranking import ISOLATES

CAUSES = {
    "idle": "idle\nslots",
    "prefill_queue": "left before\nprefill",
    "decode_queue": "left before\ndecode",
    "shunned_work": "shunned",
    "flow_errors": "noise",
}
"""Heads of the columns of causes (eq. D11)."""

LEGEND = (
    "TTFT: time to first token, mean and 95th percentile over requests; TPOT: mean time per output "
    "token; left, all: share of the arrivals that lost patience; KV: caches moved to another GPU "
    "per decode."
)

POOLED_LEGEND = " –: the pooled chain has no single requests."

SIZES_IN_A_TABLE = 3

FEW_POLICIES = 3
"""With so few policies every pair is shown, else those that isolate one thing."""


def summarize_comparison(result: Comparison) -> Any:
    """Return the summary of a comparison on one instance as a rich renderable."""
    lines: list[Any] = [
        Text(
            f"{result.instance}: {len(result.policies)} policies, {result.accounting} accounting, "
            f"LP optimum {result.lp_revenue_rate:.6g} money/s per GPU",
            style="bold",
        )
    ]
    if result.promised_revenue_rate is not None:
        lines.append(Text(_cost_of_promises(result, result.promised_revenue_rate)))
    lines += [_cells_table(result, condition) for condition in result.conditions]
    lines += _promise_tables(result)
    pooled = any(cell.latency is None for cell in result.cells)
    lines += [Text(LEGEND + POOLED_LEGEND * pooled, style="dim"), Text()]
    lines += pair_tables(result.pairs, result.policies, result.conditions)
    lines += [Text(best_sentence(each, result.conditions), style="bold") for each in result.best]
    return Group(*lines, *_advice(result))


def _advice(result: Comparison) -> list[Text]:
    """Return what to do where no policy surely keeps all promises, in the largest such cluster."""
    unkept = [
        each
        for each in result.best
        if each.keeps_promises in ("no", "undecided") and each.best_keeping is None
    ]
    if not unkept:
        return []
    at = max(unkept, key=lambda each: each.gpus).condition
    nearest = min(result.cells_at(at), key=worst_excess)
    told = (
        f"{place_of(at, result.conditions)}: {nearest.policy} comes nearest to all promises (its "
        "largest excess over one, as a share of that, is the smallest)."
    )
    return [Text(told), *promise_advice(nearest, result.policies)]


def _cost_of_promises(result: Comparison, promised: float) -> str:
    paying = [each.promised is None for each in result.promises]
    told = (
        f"That optimum promises nothing; the best plan under the {asked_for(paying)} earns "
        f"{promised:.6g} ({promised / result.lp_revenue_rate - 1:+.2%})."
    )
    return told + " Penalties are subtracted nowhere: see what each costs." * any(paying)


def _promise_tables(result: Comparison) -> list[Any]:
    """Return by law a table for each promise and one for all of them, nothing without any."""
    if not result.promises:
        return []
    tables: list[Any] = []
    for law in dict.fromkeys(each.lengths for each in result.conditions):
        columns = [each for each in result.conditions if each.lengths == law]
        tables += [_promise_table(result, k, columns) for k in range(len(result.promises))]
        tables.append(_plan_table(result, columns))
    note = "Intervals are at 95 %. A promise is kept or broken by all of its interval, without a"
    return [*tables, Text(f"{note} tolerance; between them it is undecided.", style="dim")]


def _promise_table(result: Comparison, k: int, columns: Sequence[Condition]) -> Table:
    """Return one promise under one law of the lengths."""
    promise = result.promises[k]
    asked = "priced" if promise.promised is None else f"promised {bound_text(promise)}"
    table = summary_table(
        f"{promise.name}, {asked} ({promise.unit}): measured with {columns[0].law}",
        "policy",
        ["planned", *(f"{condition.gpus:,} GPUs" for condition in columns)],
    )
    for policy in result.policies:
        cells = [result.cell(policy, condition) for condition in columns]
        found = [None if cell is None else cell.promises[k] for cell in cells]
        planned = next((each.planned for each in found if each is not None), None)
        shown = (
            "–" if one is None else f"{interval_text(one.measured)} {verdict_text(one):9}"
            for one in found
        )
        table.add_row(policy, plain_value(planned), *shown)
    return table


def _plan_table(result: Comparison, columns: Sequence[Condition]) -> Table:
    """Return the gaps to the plans and whether all promises are kept, under one law."""
    table = summary_table(
        f"all promises together, and the gap to the policy's own plan with {columns[0].law}",
        "policy",
        [f"{condition.gpus:,} GPUs" for condition in columns],
    )
    for policy in result.policies:
        cells = [result.cell(policy, condition) for condition in columns]
        table.add_row(policy, *("–" if cell is None else _plan_gap(cell) for cell in cells))
    return table


def _plan_gap(cell: Simulation) -> str:
    gap = cell.plan_gap
    shown = "–" if gap is None else f"{percent(gap.mean)} ±{percent(gap.half_width)}"
    return f"{shown} {KEPT[cell.keeps_promises]:9}"


def summarize_survey(result: Survey) -> Any:
    """Return the summary of policies over random instances as a rich renderable."""
    lines: list[Any] = [
        Text(
            f"{len(result.instances)} random instances (seed {result.seed}), "
            f"{result.accounting} accounting: gaps to each instance's LP optimum",
            style="bold",
        ),
        Text(f"Rule: {result.rule}."),
    ]
    for condition in result.conditions:
        table = summary_table(
            f"{condition}: mean over instances with its 95 % interval",
            "policy",
            ["mean gap", "standard\ndeviation", "worst gap", "on instance", "wins"],
        )
        for each in sorted(result.at(condition), key=lambda one: one.gap.mean):
            table.add_row(
                each.policy,
                f"{each.gap.mean:.2%} ±{each.gap.half_width:.2%}",
                percent(each.standard_deviation),
                percent(each.worst_gap),
                str(each.worst_instance),
                str(each.wins),
            )
        lines.append(table)
    lines += pair_tables(result.pairs, result.names, result.conditions)
    lines += [Text(best_sentence(each, result.conditions), style="bold") for each in result.best]
    return Group(*lines)


def best_sentence(best: Best, conditions: Sequence[Condition]) -> str:
    """Return in one sentence which policy is best, and against which that is undecided."""
    text = (
        f"{place_of(best.condition, conditions)}: {best.policy} comes closest to the optimum, "
        f"gap {percent(best.gap.mean)} ± {percent(best.gap.half_width)}"
    )
    beaten = len(best.better_than)
    if not best.undecided and beaten:
        text += f"; better than {'all others' if beaten > 1 else best.better_than[0]}"
    elif best.undecided:
        text += f"; undecided against {listed(best.undecided)}"
        text += f", better than the other {'one' if beaten == 1 else beaten}" * (beaten > 0)
    return f"{text}." + (f" It {_keeping(best)}." if best.keeps_promises is not None else "")


def promise_sentence(best: Best, conditions: Sequence[Condition]) -> str:
    """Return in one sentence which policy is best, and which of those that keep all promises."""
    if best.keeps_promises is None:
        return best_sentence(best, conditions)
    place = place_of(best.condition, conditions)
    return f"{place}: {best.policy} comes closest to the optimum and {_keeping(best)}."


def _keeping(best: Best) -> str:
    """Return whether the best policy keeps its promises, and if not for sure, which one does."""
    if best.keeps_promises == "yes":
        return "keeps every promise"
    broken = best.keeps_promises == "no"
    text = "breaks a promise" if broken else "may or may not keep every promise"
    if best.best_keeping is None:
        return f"{text}; no policy surely keeps them all"
    return f"{text}; of those that keep them all {best.best_keeping} comes closest"


def best_by_law(best: Sequence[Best], gpus: int) -> str:
    """Return in one sentence which policy is best under which law, at one cluster size."""
    laws: dict[str, list[str]] = {}
    for each in best:
        if each.gpus == gpus:
            laws.setdefault(each.policy, []).append(each.condition.law)
    if len(laws) == 1:
        return f"{gpus:,} GPUs: {next(iter(laws))} comes closest to the optimum under every law."
    named = "; ".join(f"{policy} under {listed(under)}" for policy, under in laws.items())
    return f"{gpus:,} GPUs, closest to the optimum: {named}."


def place_of(condition: Condition, conditions: Sequence[Condition]) -> str:
    """Return a condition in words, the law only where there are several."""
    several = len({each.lengths for each in conditions}) > 1
    return str(condition) if several else f"{condition.gpus:,} GPUs"


def pair_tables(
    pairs: Sequence[PolicyPair], policies: Sequence[str], conditions: Sequence[Condition]
) -> list[Any]:
    """Return the pairs that isolate one thing, with how to read them; nothing if there are none."""
    every = len(policies) <= FEW_POLICIES
    shown = [pair for pair in pairs if every or pair.isolates]
    if not shown:
        return []
    laws = dict.fromkeys(each.lengths for each in conditions)
    columns = [[each for each in conditions if each.lengths == law] for law in laws]
    tables = [
        _pairs_table(shown, some[start : start + SIZES_IN_A_TABLE])
        for some in columns
        for start in range(0, len(some), SIZES_IN_A_TABLE)
    ]
    counted = f"{len(pairs)} pairs" if len(pairs) > 1 else "one pair"
    rule = Text(
        "Pairs: revenue of the first policy less that of the second, in shares of the LP value, on "
        f"the same random numbers. The intervals are corrected for the {counted} of this "
        "result (Holm): + better, – worse, no sign: undecided.",
        style="italic",
    )
    return [rule, *tables]


def _pairs_table(shown: Sequence[PolicyPair], columns: Sequence[Condition]) -> Table:
    """Return the pairs at a few cluster sizes."""
    order = list(ISOLATES.values())
    names = sorted(
        dict.fromkeys((pair.first, pair.second, pair.isolates) for pair in shown),
        key=lambda name: order.index(name[2]) if name[2] else len(order),
    )
    table = summary_table(
        f"pairs with {columns[0].law}",
        "first – second",
        [f"{condition.gpus:,} GPUs" for condition in columns],
    )
    found = {(pair.first, pair.second, pair.condition): pair for pair in shown}
    for first, second, isolates in names:
        label = f"{first} – {second}" + (f"\n  {isolates}" if isolates else "")
        cells = (found.get((first, second, condition)) for condition in columns)
        table.add_row(label, *("–" if pair is None else difference(pair) for pair in cells))
    return table


def difference(pair: PolicyPair) -> str:
    """Return the difference of a pair with its verdict as a sign."""
    sign = {"better": " +", "worse": " –", "undecided": "  "}[pair.verdict]
    mean = round(pair.difference.mean, 4) + 0.0
    return f"{mean:+.2%} ±{pair.difference.half_width:.2%}{sign}"


def _cells_table(result: Comparison, condition: Condition) -> Table:
    cells = sorted(result.cells_at(condition), key=lambda cell: cell.gap.mean)
    terms = [gathered_terms(cell) for cell in cells]
    causes = [name for name in CAUSES if any(abs(each[name]) >= 5e-5 for each in terms)]
    table = summary_table(
        f"{condition}: gap to the LP optimum, its causes (eq. D11), and what requests see",
        "policy",
        [
            "gap",
            *(CAUSES[name] for name in causes),
            "TTFT",
            "TTFT\np95",
            "TPOT",
            "left,\nall",
            "KV",
        ],
    )
    table.collapse_padding, table.pad_edge = True, False  # else too wide for 120 characters
    for cell, shares in zip(cells, terms, strict=True):
        table.add_row(
            cell.policy,
            f"{percent(cell.gap.mean)} ±{percent(cell.gap.half_width)}",
            *(percent(shares[name]) for name in causes),
            *_service(cell, result.arrival_shares),
        )
    return table


def _service(cell: Simulation, arrival_shares: dict[str, float]) -> list[str]:
    """Return TTFT mean and p95, TPOT, the share that left, and KV transfers per request."""
    tpot, left = token_time(cell), percent(abandoned(cell, arrival_shares))
    per_token = "–" if tpot is None else f"{tpot * 1e3:.1f} ms"
    if cell.latency is None:
        return ["–", "–", per_token, left, "–"]
    moved = cell.latency.kv_transfers
    return [
        duration(cell.latency.ttft),
        duration(cell.latency.ttft_p95),
        per_token,
        left,
        "–" if moved is None else f"{moved.mean:.2f}",
    ]


def duration(estimate: Estimate | None) -> str:
    """Return a mean time with its unit; a dash where there is none."""
    if estimate is None:
        return "–"
    seconds = estimate.mean
    return f"{seconds * 1e3:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def token_time(cell: Simulation) -> float | None:
    """Return the mean iteration time over all output tokens, s; None if none was decoded.

    A class with y requests in decode that take t seconds per token emits y / t tokens per second.
    """
    known = [
        (each.mixed_decode.mean + each.solo_decode.mean, each.tpot.mean)
        for each in cell.classes
        if each.tpot is not None
    ]
    tokens = sum(decoding / time for decoding, time in known)
    return sum(decoding for decoding, _ in known) / tokens if tokens > 0 else None


def abandoned(cell: Simulation, arrival_shares: dict[str, float]) -> float:
    """Return the requests that left in either queue as a share of all arrivals."""
    return sum(
        arrival_shares[each.name] * (each.abandoned_prefill.mean + each.abandoned_decode.mean)
        for each in cell.classes
    )


def percent(share: float) -> str:
    """Return a share in percent, without the sign of a rounded zero."""
    return f"{round(share, 4) + 0.0:.2%}"


def listed(names: Sequence[str]) -> str:
    """Return names with commas and an `and`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def summary_table(title: str, first: str, columns: Sequence[str]) -> Table:
    """Return an empty table whose first column holds names and the others numbers."""
    table = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="italic")
    table.add_column(first, no_wrap=True)
    for column in columns:
        wraps = "\n" in column  # over lines, so that no digit is cut off
        table.add_column(
            column, justify="right", no_wrap=not wraps, overflow="fold" if wraps else "ellipsis"
        )
    return table
