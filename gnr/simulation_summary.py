"""The terminal summaries of `gnr simulate` and `gnr converge`."""

import math
import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from gnr.convergence import Bounded, Convergence
from gnr.simulation import Estimate, Kept, MeasuredPromise, Simulation
from gnr.summary_table import narrow_table

TERMS = {
    "idle": "idle slots",
    "prefill_queue": "left before prefill",
    "decode_queue": "left before decode",
    "shunned_work": "shunned classes",
    "flow_errors": "noise",
}
"""What the terms of (D11) are called; the three idle terms are told together."""

KEPT: dict[Kept | None, str] = {
    "yes": "kept", "no": "broken", "undecided": "undecided", None: "priced"
}  # fmt: skip
"""How the verdict on a promise is told; a penalty has none."""

FOLLOW_THE_PLAN = ("sli-aware", "price-index-capped", "price-index-token-mean")
"""How the names of policies begin that come near a plan under promises as clusters grow."""

EXACT = 1e-12
"""Half-width, as a share of the mean, that is rounding."""

GENERAL = "sli-aware-general"
"""The policy that follows any plan."""

WITHOUT = " without the promises"

IDLE_TERMS = ("idle_prefill", "idle_mixed_decode", "idle_solo_decode")


def gathered_terms(point: Simulation) -> dict[str, float]:
    """Return the terms of (D11) as shares of the LP value, the idle slots together.

    In the pooled chain a GPU counts as mixed while its prefill slot is idle, so single idle terms
    may be negative; their sum is not, where solo GPUs decode no slower than mixed ones.
    """
    terms = {name: value.mean / point.lp_revenue_rate for name, value in point.gap_terms.items()}
    idle = sum(terms.pop(name) for name in IDLE_TERMS)
    return {"idle": idle} | terms


def summarize_simulation(result: Simulation) -> Any:
    """Return the summary of one simulation as a rich renderable."""
    rate = result.revenue_rate
    heading = Text(f"{result.instance}: {result.policy} on {result.gpus:,} GPUs", style="bold")
    table = narrow_table("means per GPU; their intervals are in the JSON", "class", [
        "in prefill", "mixed decode", "solo decode", "wait prefill", "wait decode", "served/s",
        "left", "TPOT",
    ])  # fmt: skip
    for each in result.classes:
        left = each.abandoned_prefill.mean + each.abandoned_decode.mean
        table.add_row(
            each.name,
            *(
                _mean(estimate)
                for estimate in (
                    each.prefill,
                    each.mixed_decode,
                    each.solo_decode,
                    each.prefill_queue,
                    each.decode_queue,
                    each.throughput,
                )
            ),
            f"{min(left, 1.0):.2%}",
            "–" if each.tpot is None else f"{each.tpot.mean * 1e3:.2f} ms",
        )
        plan = result.planned[each.name]
        occupancies = (plan.prefill, plan.mixed_decode, plan.solo_decode, plan.prefill_queue)
        numbers = [f"{value:.3g}" for value in (*occupancies, plan.decode_queue)]
        table.add_row("  planned", *numbers, "", "", "", style="dim")
    return Group(
        heading,
        Text(
            f"Earns {rate.mean:.6g} ± {rate.half_width:.2g} money/s per GPU ({result.accounting} "
            f"accounting); the optimum is {result.lp_revenue_rate:.6g}: "
            f"a gap of {result.gap.mean:.3%} ± {result.gap.half_width:.3%}."
        ),
        *_plan_note(result),
        Text(f"Where it goes: {_causes(result)}."),
        table,
        *_promise_table(result),
        *_latency_note(result),
        *_split_note(result),
        Text(
            f"{result.replications} runs of {result.horizon_s:,.0f} s after {result.warmup_s:,.0f} "
            f"s of warm-up; starts agree within {result.warmup_check.delta:.1%}: "
            f"{result.warmup_check.agree}. {result.events:.3g} events{_speed(result)} "
            f"({result.engine})."
        ),
    )


def _speed(result: Simulation) -> str:
    speed = result.events_per_second
    return "" if speed is None else f", {speed:.2g} per second"


def _plan_note(result: Simulation) -> list[Text]:
    """Return how far the run is from its plan, where promises make that another distance."""
    if not result.promises or result.plan_gap is None:
        return []
    gap = result.plan_gap
    beyond = gap.mean + gap.half_width < 0 and result.keeps_promises == "no"
    more = ": it earns more than the plan, and breaks a promise" * beyond
    return [
        Text(
            "That optimum promises nothing; to the plan, made under the promises, the gap is "
            f"{gap.mean:.3%} ± {gap.half_width:.3%}{more}."
        )
    ]


def _promise_table(result: Simulation) -> list[Any]:
    """Return what was promised and what came of it, nothing without promises."""
    if not result.promises:
        return []
    served = any(each.served_only is not None for each in result.promises)
    headings = ["promised", "planned", "measured", *["served only"] * served, "", "unit"]
    table = narrow_table("promises, 95 % intervals, no tolerance", "promise", headings)
    for each in result.promises:
        row = [bound_text(each), plain_value(each.planned), interval_text(each.measured)]
        row += [interval_text(each.served_only)] * served
        table.add_row(each.name, *row, verdict_text(each), each.unit)
    return [table, *_served_note(served), *promise_advice(result)]


def _served_note(served: bool) -> list[Text]:
    """Return what the column of the served requests is."""
    if not served:
        return []
    note = "Served only: the same time over the requests that got that far, without those who left."
    return [Text(note, style="dim")]


def promise_advice(result: Simulation, tried: Sequence[str] = ()) -> list[Text]:
    """Return what to do about hard promises that are not surely kept, a sentence for each.

    Policies in `tried` are not proposed.
    """
    return [
        Text(_advice(each, excess, result, tried))
        for each in result.promises
        if each.kept in ("no", "undecided") and (excess := _excess(each)) is not None
    ]


def verdict_text(promise: MeasuredPromise) -> str:
    """Return whether a promise is kept, or what a penalty comes to."""
    if promise.penalty is None:
        return KEPT[promise.kept]
    return f"costs {promise.penalty.mean:.4g} /s"


def worst_excess(result: Simulation) -> float:
    """Return the largest excess over a promise, interval included, as a share of its bound."""
    known = [
        excess / max(abs(each.promised or 0.0), abs(each.measured.mean), 1e-300)
        for each in result.promises
        if each.measured is not None and (excess := _excess(each)) is not None
    ]
    return max(known, default=math.inf)


def _excess(promise: MeasuredPromise) -> float | None:
    """Return by how much the wrong end of the interval is beyond a hard bound, if both exist."""
    if promise.promised is None or promise.measured is None:
        return None
    beyond = promise.measured.mean - promise.promised
    sign = 1.0 if promise.direction == "at_most" else -1.0
    return sign * beyond + promise.measured.half_width


def _advice(
    promise: MeasuredPromise, excess: float, result: Simulation, tried: Sequence[str]
) -> str:
    """Return how a promise that is not surely kept can be."""
    state = "is broken" if promise.kept == "no" else "may be broken"
    told = f"{promise.name} {state}, by up to {excess:.2g} {promise.unit}: "
    if promise.planned is None:
        return told + _only_by_nobody(promise)
    ways = _ways(promise, excess, result, tried)
    return f"{told}{', or '.join(ways) or 'no plan keeps a tighter one'}."


def _only_by_nobody(promise: MeasuredPromise) -> str:
    who = "nobody" if promise.class_name is None else f"nobody of {promise.class_name}"
    told = f"the plan keeps it only because {who} is served"
    if promise.keepable is None:
        return f"{told}."
    return f"{told}; the tightest that can be kept without that is {promise.keepable:.6g}."


def _ways(
    promise: MeasuredPromise, excess: float, result: Simulation, tried: Sequence[str]
) -> list[str]:
    """Return what can be done, the first thing first.

    The tighter promise moves the plan: from where it is now, or from the bound if that is
    tighter still, by the excess; not to where no plan can be.
    """
    bound, upper = float(promise.promised or 0.0), promise.direction == "at_most"
    tightest = min if upper else max
    held = bound if promise.planned is None else tightest(bound, promise.planned)
    tighter = held - excess if upper else held + excess
    last = promise.keepable
    reachable = last is not None and tightest(tighter, last) == last
    ways = []
    if result.policy.startswith(FOLLOW_THE_PLAN):
        ways.append(f"try more than {result.gpus:,} GPUs")
    if 0 < tighter < math.inf and reachable:
        setting = shlex.quote(f"slis.{promise.name}.{promise.direction}={tighter:.4g}")
        ways.insert(0, f"plan with --set {setting}, tighter by as much, and judge by {bound:.5g}")
    if not result.policy.startswith("sli-aware") and GENERAL not in tried:
        ways.insert(0, f"take the policy {GENERAL}, which keeps the planned split")
    if promise.kept == "undecided":
        ways.insert(0, "add --replications")
    return ways


def bound_text(promise: MeasuredPromise) -> str:
    """Return the bound of a promise with its direction; a dash for a penalty."""
    if promise.promised is None:
        return "–"
    return f"{'≤' if promise.direction == 'at_most' else '≥'} {promise.promised:.5g}"


def plain_value(value: float | None) -> str:
    """Return a number, or a dash where there is none."""
    return "–" if value is None else f"{value:.5g}"


def interval_text(estimate: Estimate | None) -> str:
    """Return a mean to two digits of its half-width, and that; a dash where there is none."""
    if estimate is None:
        return "–"
    mean, half = estimate.mean, estimate.half_width
    if half <= EXACT * abs(mean):
        return f"{mean:.5g} ±0"
    if not 1e-6 < half < math.inf:
        return f"{mean:.5g} ±{half:.2g}"
    digits = max(0, 1 - math.floor(math.log10(half)))
    return f"{mean:.{digits}f} ±{half:.{digits}f}"


def _latency_note(result: Simulation) -> list[Text]:
    """Return what requests saw, where single requests were simulated."""
    seen = result.latency
    if seen is None or seen.ttft is None or seen.end_to_end is None:
        return []
    tails = [
        f"{name} {tail.mean:.3g} s"
        for name, tail in (("p50", seen.ttft_p50), ("p95", seen.ttft_p95), ("p99", seen.ttft_p99))
        if tail is not None
    ]
    moved = 0.0 if seen.kv_transfers is None else seen.kv_transfers.mean
    return [
        Text(
            f"Time to first token {seen.ttft.mean:.3g} s on average ({', '.join(tails)}), end to "
            f"end {seen.end_to_end.mean:.3g} s; {moved:.0%} of the decodes start on another GPU. "
            f"Lengths: {result.lengths}."
        )
    ]


def _split_note(result: Simulation) -> list[Text]:
    """Return why the measured split is not the planned one, where that costs nothing."""
    if result.promises or result.policy.startswith("sli-aware") or result.policy == "disaggregated":
        return []
    return [
        Text(
            "Mixed and solo decode need not be as planned: other splits earn the same, and only "
            "the sli-aware policies keep the planned one."
        )
    ]


def summarize_convergence(result: Convergence) -> Any:
    """Return the summary of a convergence study as a rich renderable."""
    promised = result.against == "plan"
    table = narrow_table(
        f"gap to the LP optimum and its causes, {result.accounting} accounting, 95 % intervals",
        "GPUs",
        ["money/s per GPU", *["gap to the plan"] * promised, "gap", *TERMS.values()],
    )
    for point in result.points:
        rate, terms = point.revenue_rate, gathered_terms(point)
        gaps = [result.fitted_gap(point)] * promised + [point.gap]
        table.add_row(
            f"{point.gpus:,}",
            f"{rate.mean:.6g} ±{rate.half_width:.2g}",
            *(f"{gap.mean:.2%} ±{gap.half_width:.2%}" for gap in gaps),
            *(_plain(terms[name]) for name in TERMS),
        )
    lines: list[Any] = [
        Text(f"{result.instance}: {result.policy} against n", style="bold"),
        Text(f"LP optimum{WITHOUT * promised}: {result.lp_revenue_rate:.6g} money/s per GPU."),
        table,
        *_kept_by_size(result.points),
    ]
    if result.fit is not None:
        fit = result.fit
        lines.append(
            Text(
                f"gap(n) = g + a n^-s with g = {_share(fit.limit)}, s = {_number(fit.exponent)}; "
                f"points scatter {fit.lack_of_fit:.0%} around the decaying part."
            )
        )
    lines += [
        Text(
            f"{pair.gpus:,} GPUs: earns {pair.difference.mean:+.3f} ± "
            f"{pair.difference.half_width:.3f} money/s per GPU against {pair.against} (same random "
            f"numbers, correlation {pair.correlation:.2f})."
        )
        for pair in result.paired
    ]
    of_what = " of the gap to the plan" * promised
    lines.append(
        Text(
            f"Verdict: {result.verdict} (is g{of_what} within ±{result.delta:.2%}?).", style="bold"
        )
    )
    return Group(*lines)


def _kept_by_size(points: Sequence[Simulation]) -> list[Any]:
    """Return what was promised and what came of it at each size, nothing without promises."""
    if not points or not points[0].promises:
        return []
    headings = ["promised", "planned", *(f"{point.gpus:,} GPUs" for point in points)]
    table = narrow_table("promises by cluster size: measured", "promise", headings)
    for k, each in enumerate(points[0].promises):
        found = [point.promises[k] for point in points]
        cells = [f"{interval_text(one.measured)}\n{KEPT[one.kept]}" for one in found]
        table.add_row(each.name, bound_text(each), plain_value(each.planned), *cells)
    return [table]


def _causes(result: Simulation) -> str:
    terms = gathered_terms(result)
    named = [f"{TERMS[name]} {share:.2%}" for name, share in terms.items() if abs(share) >= 5e-5]
    return ", ".join(named) or "nowhere"


def _mean(estimate: Estimate) -> str:
    return f"{estimate.mean:.3g}"


def _plain(share: float) -> str:
    """Return a share in percent, without the sign of a rounded zero."""
    return f"{round(share, 4) + 0.0:.2%}"


def _share(value: Bounded) -> str:
    return f"{value.estimate:.3%} ({value.low:.3%} to {value.high:.3%})"


def _number(value: Bounded) -> str:
    return f"{value.estimate:.3f} ({value.low:.3f} to {value.high:.3f})"
