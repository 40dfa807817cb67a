"""The terminal summary of a solution, for a planner who has not read the paper."""

import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from gnr.certificate_summary import certificate_lines
from gnr.facts import (
    CAPACITY_LABELS,
    FULL,
    HOUR,
    MILLION,
    alternatives,
    capacity_gain,
    earnings,
    fates,
    gpu_gain,
    kinks,
    milliseconds,
    money,
    request_gain,
    revenue_per_token,
    served_share,
)
from gnr.limits import below_nothing, bottleneck
from gnr.plan import Plan
from gnr.promise_facts import (
    conflict_sentences,
    cost_sentences,
    price_sentences,
    promised,
    slope_of,
)
from gnr.rates import Rates, rates_of
from gnr.result import Solution

MOST_ROWS = 40
"""Classes shown; the rest is in the JSON."""
MOST_KINKS = 6
NAME_WIDTH = 26


def summarize(solution: Solution) -> Any:
    """Return the summary of one solution as a rich renderable."""
    instance = solution.instance
    heading = Text(f"{instance.name}: {instance.title}", style="bold")
    if solution.totals is None or solution.tpot is None:
        return Group(heading, *_no_optimum(solution), *_certificate_parts(solution))
    rates, share = rates_of(instance), solution.totals.prefill
    tpot = solution.tpot
    parts: list[Any] = [
        heading,
        Text(f"Best plan under {solution.scheme} pricing: {earnings(solution)}."),
        *(Text(sentence) for sentence in cost_sentences(solution)),
        Text(
            f"{share:.1%} of the GPUs {_mixed_group(solution.disaggregated)}, "
            f"{1 - share:.1%} only decode (solo)."
        ),
        Text(bottleneck(solution)),
        Text(
            f"Time per output token: {milliseconds(tpot.token_mean)} on average over tokens, "
            f"{milliseconds(tpot.capacity)} over the decode slots of the plan."
        ),
        _place_table(solution, rates),
        _fate_table(solution, rates),
        _capacity_table(solution, rates),
        *_promise_parts(solution),
        *(Text(sentence) for sentence in below_nothing(solution)),
        *(Text(sentence) for sentence in alternatives(solution)),
    ]
    found = kinks(solution)
    parts += [Text(f"At a kink: {line}.") for line in found[:MOST_KINKS]]
    if len(found) > MOST_KINKS:
        parts.append(Text(f"And {len(found) - MOST_KINKS} more kinks (see --json)."))
    if solution.plan_for_gpus is not None:
        parts.extend(_plan_parts(solution.plan_for_gpus))
        parts.extend(_recommendation_parts(solution.plan_for_gpus))
    return Group(*parts, *_certificate_parts(solution))


def _certificate_parts(solution: Solution) -> list[Any]:
    certificate = solution.certificate
    return [] if certificate is None else [Text(line) for line in certificate_lines(certificate)]


def _mixed_group(disaggregated: bool) -> str:
    """Return what the GPUs do that prefill."""
    return "only prefill" if disaggregated else "prefill and decode (mixed)"


def compare(solutions: Sequence[Solution]) -> Any:
    """Return one table with a row for each solution."""
    planned = any(each.plan_for_gpus is not None for each in solutions)
    penalised = any(each.penalty for each in solutions)
    headings = ["money/hour", "per 1M tokens", "mixed GPUs", "served", "+1 GPU, per hour", "TPOT"]
    headings += ["penalties, per hour"] if penalised else []
    headings += ["mixed + solo"] if planned else []
    table = _table("best plans; money per GPU-hour", "instance", headings)
    for each in solutions:
        if each.totals is None or each.tpot is None:
            table.add_row(each.instance.name, each.status, *["-"] * (len(headings) - 1))
            continue
        token, plan = revenue_per_token(each), each.plan_for_gpus
        row = [
            money((each.revenue_rate or 0.0) * HOUR),
            "-" if token is None else money(token * MILLION),
            f"{each.totals.prefill:.1%}",
            f"{served_share(each):.1%}",
            money(gpu_gain(each) * HOUR),
            milliseconds(each.tpot.token_mean),
        ]
        row += [money(each.penalty * HOUR)] if penalised else []
        row += [f"{plan.mixed_gpus} + {plan.solo_gpus}"] if plan is not None else []
        table.add_row(each.instance.name, *row)
    lines = [f"{each.instance.name} ({each.scheme}): {bottleneck(each)}" for each in solutions]
    for each in solutions:
        if each.certificate is not None:
            first, *rest = certificate_lines(each.certificate)
            lines += [f"{each.instance.name}: {first}", *rest]
    return Group(table, *map(Text, lines))


def to_html(solution: Solution) -> str:
    """Return the summary as HTML for a notebook."""
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(summarize(solution))
    return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def _table(title: str, first: str, headings: Iterable[str]) -> Table:
    """Return a table whose numbers are never cut; only names in the first column are."""
    table = Table(
        title=title, title_justify="left", title_style="italic", box=box.SIMPLE_HEAD,
        pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column(first, no_wrap=True, max_width=NAME_WIDTH, overflow="ellipsis")
    for heading in headings:
        widest = max(map(len, heading.split()), default=0)
        table.add_column(heading, justify="right", min_width=widest, overflow="fold")
    return table


def _class_rows(table: Table, solution: Solution, rows: Iterable[Sequence[str]]) -> Table:
    """Fill a table with a row for each class, up to the number that is shown."""
    for each, row in zip(solution.classes[:MOST_ROWS], rows, strict=False):
        table.add_row(Text(each.name), *row)
    if len(solution.classes) > MOST_ROWS:
        table.caption = f"and {len(solution.classes) - MOST_ROWS} more classes (see --json)"
    return table


def _no_optimum(solution: Solution) -> list[Any]:
    if solution.status != "infeasible":
        return [Text(f"No plan: the solver ended with status {solution.status!r}.")]
    if solution.conflict is not None:
        return [Text(line) for line in conflict_sentences(solution)]
    lines = ["No plan exists: requests of some classes never leave, and the cluster is too small."]
    gpus = solution.provenance.options.get("gpus")
    for each in solution.shortfall:
        if each.unit == "GPUs per GPU":
            enough = f", {math.ceil(gpus * (1 + each.by))} instead of {gpus}" if gpus else ""
            lines.append(f"  {each.requirement}: {each.by:.1%} more{enough}")
        else:
            lines.append(f"  {each.requirement}: short by {each.by:.6g} {each.unit}")
    return [Text(line) for line in lines]


def _place_table(solution: Solution, rates: Rates) -> Table:
    headings = ("arrive /s", "wait for prefill", "in prefill", "wait to decode", "decode mixed",
                "decode solo")  # fmt: skip
    table = _table("where the requests of each class are, per GPU", "class", headings)
    rows = (
        (
            f"{rates.arrival_rate[i]:.4g}",
            f"{each.prefill_queue:.4f}",
            f"{each.prefill:.4f}",
            f"{each.decode_queue:.4f}",
            f"{each.mixed_decode:.3f}",
            f"{each.solo_decode:.3f}",
        )
        for i, each in enumerate(solution.classes)
    )
    return _class_rows(table, solution, rows)


def _fate_table(solution: Solution, rates: Rates) -> Table:
    headings = ("served", "leave before prefill", "leave before decode", "a request pays",
                "one more earns")  # fmt: skip
    table = _table("what becomes of them, and what they are worth", "class", headings)
    rows = (
        (
            f"{fate.served:.1%}",
            f"{fate.left_before_prefill:.1%}",
            f"{fate.left_before_decode:.1%}",
            money(float(rates.reward[i])),
            money(request_gain(solution, each)),
        )
        for i, (each, fate) in enumerate(zip(solution.classes, fates(solution), strict=True))
    )
    return _class_rows(table, solution, rows)


def _capacity_table(solution: Solution, rates: Rates) -> Table:
    assert solution.totals is not None
    used, slots = solution.totals, float(rates.batch_slots)
    headings = ("used", "there is", "", "one more earns /s", "per hour")
    table = _table("capacities, per GPU", "capacity", headings)
    rows = {
        "prefill_capacity": (used.prefill, 1.0),
        "mixed_decode_capacity": (used.mixed_decode, (slots - 1) * used.prefill),
        "solo_decode_capacity": (used.solo_decode, slots * (1 - used.prefill)),
    }
    if solution.disaggregated:
        del rows["mixed_decode_capacity"]
    for capacity, (taken, room) in rows.items():
        gain = capacity_gain(solution, capacity)
        table.add_row(
            CAPACITY_LABELS[capacity],
            f"{taken:.4f}",
            f"{max(room, 0.0):.4f}",
            "full" if room - taken <= FULL * slots and room > FULL else "",
            money(gain),
            money(None if gain is None else gain * HOUR),
        )
    return table


def _promise_parts(solution: Solution) -> list[Any]:
    """Return what is promised and penalised, what the plan attains, and at what price."""
    if not solution.promises:
        return []
    headings = ("promised", "planned", "unit", "price /s per unit")
    table = _table("promises, and what a unit looser is worth, per GPU", "promise", headings)
    for each in solution.promises:
        table.add_row(
            Text(each.name),
            promised(each),
            "-" if each.planned is None else f"{each.planned:.6g}",
            each.unit,
            money(slope_of(solution, each)),
        )
    return [table, *(Text(sentence) for sentence in price_sentences(solution))]


def _plan_parts(plan: Plan) -> list[Any]:
    gpus = "GPU" if plan.gpus == 1 else "GPUs"
    mixed = f"{plan.mixed_gpus} mixed ({plan.mixed_decode_slots} decode slots)"
    mixed = f"{plan.mixed_gpus} that only prefill" if plan.disaggregated else mixed
    line = Text(
        f"Plan for {plan.gpus} {gpus}: {mixed}, {plan.solo_gpus} solo ({plan.solo_decode_slots} "
        "decode slots)."
    )
    headings = ("in prefill", "waiting", "chance to solo", "weight mixed", "weight solo", "rank")
    table = _table("targets of the policies, whole cluster", "class", headings)
    for each in plan.classes[:MOST_ROWS]:
        table.add_row(
            Text(each.name),
            f"{each.gate_target:.2f}" if each.admitted else "shut out",
            f"{each.queue_target:.1f}",
            f"{each.solo_probability:.1%}" if each.admitted else "-",
            f"{each.mixed_weight:.3f}",
            f"{each.solo_weight:.3f}",
            "-" if each.rank is None else str(each.rank),
        )
    if len(plan.classes) > MOST_ROWS:
        table.caption = f"and {len(plan.classes) - MOST_ROWS} more classes (see --json)"
    legend = Text(
        "in prefill, waiting: requests the gate steers to; chance to solo: of a finished prefill; "
        "weights: shares of a freed decode slot; rank: who goes first by price, level at the last."
    )
    return [line, table, legend]


CLEAR = {
    "yes": "clearly best of those simulated",
    "no": "but nothing is clearly best",
    "undecided": "but whether it is best is undecided",
}
"""Whether a policy is clearly best, in words."""


def _recommendation_parts(plan: Plan) -> list[Any]:
    """Return which policy to run, and why, as one paragraph."""
    advice = plan.recommendation
    if advice is None:
        return []
    policy = f"Policy to run: {advice.policy}, {CLEAR[advice.clear]}."
    told = [Text(" ".join([policy, *advice.why]))]
    if advice.expected.kept_on is None:
        told.append(Text("It is named by its revenue; by promised latencies gnr size chooses."))
    return told
