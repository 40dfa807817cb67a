"""The terminal summary of `gnr replay`."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.replay_result import Fates, Latencies, Repeated, Replay, ReplayedPolicy, Times
from gnr.summary_table import table

MOST_CLASSES = 12
"""Classes shown; the rest is in the JSON."""


def name_of(each: ReplayedPolicy) -> str:
    """Return what a policy is called in tables and pictures."""
    if each.replanned_every_s is None:
        return each.policy
    return f"{each.policy}, replanned"


def summarize_replay(found: Replay) -> Any:
    """Return the summary as a rich renderable."""
    return Group(
        Text(f"{found.trace} on {found.gpus:,} GPUs of {found.instance}", style="bold"),
        Text(_heading(found)),
        _policy_table(found),
        *(_class_table(found, each) for each in found.policies[:1]),
        Text(_foot(found)),
    )


def _heading(found: Replay) -> str:
    faster = "" if found.speed == 1 else f", {found.speed:.4g} times as fast as in the log"
    memory = "" if found.kv_tokens is None else f"; {found.kv_tokens:,.0f} KV tokens per GPU"
    plans = "the averages of the log" if found.planned_for == "trace" else "the rates of the file"
    return (
        f"{found.requests:,} requests in {found.span_s:,.4g} s{faster}: a load of {found.load:.1%} "
        f"of what the linear program serves in full. Its optimum at these averages: "
        f"{found.lp_revenue_rate:.6g} money/s per GPU ({found.accounting}).\n"
        f"Plans for {plans}; iteration times: {found.law_source}{memory}."
    )


def _policy_table(found: Replay) -> Table:
    refused = any(each.fates.refused.mean for each in found.policies)
    headers = ("policy", "P:D", "of the optimum", "left", *(["refused"] * refused), "TTFT", "p95",
               "p99", "TPOT", "p95", "p99", "end to end", "p95", "all done")  # fmt: skip
    rows = table("what each policy makes of it; times in s, TPOT in ms", headers)
    for each in found.policies:
        latency = each.latency
        rows.add_row(
            name_of(each),
            _split(found, each),
            _share(each.share_of_optimum),
            _left(each.fates),
            *([f"{each.fates.refused.mean:.2%}"] if refused else []),
            *_cells(latency.ttft, 1.0),
            *_cells(latency.tpot, 1e3),
            *_cells(latency.end_to_end, 1.0)[:2],
            f"{each.makespan_s.mean:,.4g}",
        )
    return rows


def _split(found: Replay, each: ReplayedPolicy) -> str:
    """Return GPUs that may prefill and GPUs that only decode."""
    if each.mixed_gpus is None:
        return "all"
    return f"{each.mixed_gpus:,}:{found.gpus - each.mixed_gpus:,}"


def _class_table(found: Replay, policy: ReplayedPolicy) -> Table:
    headers = ("class", "finished", "left", "refused", "TTFT", "p95", "TPOT", "p95", "end to end",
               "p95")  # fmt: skip
    rows = table(f"by class under {name_of(policy)}", headers)
    for each in policy.classes[:MOST_CLASSES]:
        rows.add_row(
            each.name,
            f"{each.fates.finished.mean:.2%}",
            _left(each.fates),
            f"{each.fates.refused.mean:.2%}",
            *_by_class(each.latency),
        )
    return rows


def _left(fates: Fates) -> str:
    """Return the share of the requests that lost patience."""
    return f"{fates.left_before_prefill.mean + fates.left_before_decode.mean:.2%}"


def _by_class(latency: Latencies) -> list[str]:
    return [
        *_cells(latency.ttft, 1.0)[:2],
        *_cells(latency.tpot, 1e3)[:2],
        *_cells(latency.end_to_end, 1.0)[:2],
    ]


def _cells(times: Times | None, factor: float) -> list[str]:
    """Return mean, 95 % and 99 % quantile of a time."""
    if times is None:
        return ["–", "–", "–"]
    return [f"{factor * each.mean:.3g}" for each in (times.mean, times.p95, times.p99)]


def _share(number: Repeated) -> str:
    if number.half_width is None:
        return f"{number.mean:.2%}"
    return f"{number.mean:.2%} ±{number.half_width:.2%}"


def _foot(found: Replay) -> str:
    lines = []
    if any(each.mixed_gpus is not None for each in found.policies):
        lines.append(
            "P:D: GPUs that may prefill (--mixed-gpus) and GPUs that only decode; all: every GPU "
            "may do both."
        )
    best = [name_of(each) for each in found.policies if each.behind_best is None]
    for each in found.policies:
        behind = each.behind_best
        if behind is None:
            continue
        if behind.mean == 0 and not behind.half_width:
            lines.append(f"{name_of(each)} earns the same as {best[0]}.")
            continue
        sure = behind.half_width is not None and behind.mean > behind.half_width
        share = behind.mean / found.lp_revenue_rate if found.lp_revenue_rate else 0.0
        words = "behind" if sure else "not told apart from"
        half = (
            ""
            if behind.half_width is None or not found.lp_revenue_rate
            else f" ± {behind.half_width / found.lp_revenue_rate:.2%}"
        )
        lines.append(f"{name_of(each)}: {share:.2%}{half} of the optimum {words} {best[0]}.")
    for each in found.policies:
        if each.held_up_requests.mean:
            lines.append(
                f"{name_of(each)}: {each.held_up_requests.mean:,.0f} prefills were held up for KV "
                f"memory alone, for {each.held_up_time_s.mean:,.4g} s in all."
            )
    if found.replications > 1:
        lines.append(
            f"Means of {found.replications} replays; ± tells what other draws of patience and of "
            "GPUs do, not another day."
        )
    if not found.complete:
        lines.append("Interrupted: only the policies that were done are shown.")
    return "\n".join(lines)
