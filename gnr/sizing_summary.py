"""The terminal summary of `gnr size`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.latency_promise import PERCENTILES
from gnr.sizing import KeptPromise, SizedPolicy, Sizing
from gnr.summary_table import table
from gnr.validation.per_gpu.layout import BINS_PER_OCTAVE

MOST_CLASSES = 12
"""Classes shown; the rest is in the JSON."""

NOTHING = 1e-9
"""Share of a mean below which a half-width is rounding."""

LONGEST_LINE = 76
"""Signs in a line of a command: more would be folded where a shell does not expect it."""

BIN = 1 / BINS_PER_OCTAVE
"""Largest relative width of the bins that percentiles are read off."""

TOGETHER = "all do both"
"""What is said where every GPU may prefill and decode."""

MILLISECONDS = 0.2
"""Times shorter than this, s, are told in ms."""


def summarize_sizing(found: Sizing) -> Any:
    """Return the summary as a rich renderable."""
    choice = found.choice
    tables = [] if choice is None else [_promise_table(choice), _class_table(choice)]
    return Group(
        Text(_heading(found), style="bold"),
        Text(_answer(found)),
        _policy_table(found),
        *tables,
        Text(_foot(found)),
        *_next_parts(found),
    )


def compare_profiles(results: Sequence[Sizing]) -> Any:
    """Return one table of several instances, the cheapest or smallest told."""
    rows = table("profiles side by side", ("instance", "policy", "GPUs", "in all", "cost/h"))
    for each in results:
        choice = each.choice
        rows.add_row(each.instance, *(["–"] * 4 if choice is None else _profile(choice)))
    sized = [(each.instance, each.choice) for each in results if each.choice is not None]
    if not sized:
        return rows
    priced = [(name, one.cost.per_hour) for name, one in sized if one.cost is not None]
    if len(priced) == len(sized):
        name, cost = min(priced, key=lambda pair: pair[1])
        return Group(rows, Text(f"Cheapest: {name}, {cost:,.6g} an hour."))
    name, gpus = min(((n, one.physical_gpus or 0) for n, one in sized), key=lambda pair: pair[1])
    return Group(rows, Text(f"Fewest GPUs: {name}, {gpus:,}. Prices ([gpu.cost]) would say more."))


def _profile(choice: SizedPolicy) -> list[str]:
    cost = "–" if choice.cost is None else f"{choice.cost.per_hour:,.6g}"
    return [choice.policy, f"{choice.gpus:,}", f"{choice.physical_gpus:,}", cost]


def _heading(found: Sizing) -> str:
    total = sum(each.requests_per_second for each in found.demanded)
    return f"{found.instance}: GPUs for {total:,.6g} requests/s"


def _answer(found: Sizing) -> str:
    choice = found.choice
    if choice is None:
        return "No cluster that was tried keeps its promises under any of these policies."
    split = _split(choice)
    group = f": {split}" + " prefilling and decoding" * (split != TOGETHER)
    physical = ""
    if found.replica_gpus > 1:
        physical = f" ({choice.physical_gpus:,} GPUs, {found.replica_gpus} a replica)"
    if choice.status != "found":
        return (
            f"Perhaps {_gpus(choice)}{physical} under {choice.policy}{group}: that they keep all "
            "promises was not shown."
        )
    return (
        f"{_gpus(choice)}{physical} under {choice.policy}{group}. They keep all promises with "
        f"95% confidence.\nThat is for Poisson arrivals at a steady rate and {_law(found)}: replay "
        f"your log before you buy.\n{_fewer(choice)}"
    )


def _law(found: Sizing) -> str:
    if _listed(found):
        return f"the lengths of {Path(found.lengths).name}"
    return f"{found.lengths} lengths"


def _listed(found: Sizing) -> bool:
    """Return whether lengths were drawn from a file."""
    return found.lengths.endswith(".csv")


def _gpus(choice: SizedPolicy) -> str:
    return "1 GPU" if choice.gpus == 1 else f"{choice.gpus:,} GPUs"


def _fewer(choice: SizedPolicy) -> str:
    smaller = choice.smaller
    if smaller is None:
        return ""
    less = choice.gpus - smaller.gpus if choice.gpus is not None else 0
    fewer = f"{smaller.gpus:,} ({'one' if less == 1 else f'{less:,}'} fewer)"
    if smaller.fails == "yes":
        sure = ", with 95% confidence" if smaller.clusters else ""
        return f"With {fewer}, a promise is broken ({smaller.reason}{sure})."
    if smaller.fails == "no":
        return f"So do {fewer}: the search stopped too early."
    return f"Whether {fewer} keep them too is undecided."


def _policy_table(found: Sizing) -> Table:
    priced = any(each.cost is not None for each in found.policies)
    headers = ("policy", "GPUs", "prefill:decode", "fluid limit", "first guess", "with fewer",
               *(["cost/h", "per 1M tokens"] * priced))  # fmt: skip
    rows = table("what each policy needs", headers)
    for each in found.policies:
        cost = each.cost
        cells = ["–", "–"] if cost is None else [f"{cost.per_hour:,.6g}",
                                                f"{cost.per_million_tokens:.4g}"]  # fmt: skip
        rows.add_row(
            each.policy,
            {"found": "", "undecided": "? "}.get(each.status, "")
            + ("none" if each.gpus is None else f"{each.gpus:,}"),
            _split(each),
            "–" if each.fluid is None else f"{each.fluid.gpus:,.1f}",
            f"{each.first_guess:,}",
            _with_fewer(each),
            *(cells * priced),
        )
    return rows


def _with_fewer(each: SizedPolicy) -> str:
    if each.smaller is None:
        return "–"
    told = {"yes": "fail", "no": "keep"}.get(each.smaller.fails, "undecided")
    return f"{each.smaller.gpus:,} {told}"


def _split(each: SizedPolicy) -> str:
    if each.gpus is None:
        return "–"
    if each.prefill_gpus in (None, each.gpus):
        return TOGETHER
    return f"{each.prefill_gpus:,}:{each.gpus - each.prefill_gpus:,}"


def _promise_table(choice: SizedPolicy) -> Table:
    headers = ("promise", "promised", "measured", "kept")
    rows = table(f"promises under {choice.policy}", headers)
    for each in () if choice.cluster is None else choice.cluster.promises:
        sign = "≤" if each.direction == "at_most" else "≥"
        promised = f"{sign} {_amount(each.promised, each.unit)}"
        rows.add_row(each.name, promised, measured_words(each), each.kept)
    return rows


def measured_words(each: KeptPromise) -> str:
    """Return a measured promise with its half-width; for a percentile no less than its bin."""
    if each.measured is None:
        return "–"
    mean, half = each.measured.mean, each.measured.half_width
    if half <= NOTHING * abs(mean):
        binned = each.name.partition("_")[0] in PERCENTILES
        return _amount(mean, each.unit) + f" ± below {BIN:.0%}" * binned
    told = _amount(half, each.unit, like=mean)
    return f"{_amount(mean, each.unit)} ±{'<0.01%' if told == '0.00%' else told}"


def _amount(value: float, unit: str, like: float | None = None) -> str:
    """Return a value with its unit; `like` chooses the unit of a half-width."""
    if unit == "s":
        if abs(value if like is None else like) < MILLISECONDS:
            return f"{1e3 * value:.3g} ms"
        return f"{value:.3g} s"
    if unit.startswith("fraction"):
        return f"{value:.2%}"
    return f"{value:.4g}"


def _class_table(choice: SizedPolicy) -> Table:
    headers = ("class", "GPUs prefilling", "GPUs' worth of decodes", "finished /s", "left")
    rows = table("by class, means over time", headers)
    for each in choice.classes[:MOST_CLASSES]:
        rows.add_row(
            each.name,
            f"{each.prefill_gpus:,.2f}",
            f"{each.decode_gpus:,.2f}",
            f"{each.finished:,.5g}",
            f"{each.abandoned:.2%}",
        )
    return rows


def _foot(found: Sizing) -> str:
    lines = [
        f"{each.policy}: {each.band.in_words}" for each in found.policies if each.band is not None
    ]
    lines += [
        f"{each.policy}: the linear program says that no number of GPUs keeps these promises."
        for each in found.policies
        if each.fluid is None
    ]
    for each in found.policies:
        for near in each.nearest:
            sign = "at most" if near.keepable > near.promised else "at least"
            largest = max(one.gpus for one in each.tried)
            lines.append(
                f"{each.policy}: {near.name} was broken by every cluster up to {largest:,} GPUs; "
                f"such a one could promise {sign} {_amount(near.keepable, near.unit)} "
                f"(--promise {near.name}={near.keepable:g}{'s' * (near.unit == 's')})."
            )
    if any(each.nearest for each in found.policies) and not _listed(found):
        lines.append(
            f"Tails depend on the law of the lengths, here {_law(found)}: with the measured ones "
            "(--lengths FILE) this may differ."
        )
    lines.append(
        "Decodes of a GPU's worth fill its batch. The fluid limit is the fewest GPUs of any such "
        "policy by the linear program, without percentiles."
    )
    if not found.complete:
        lines.append("Interrupted: only the policies that were done are shown.")
    return "\n".join(lines)


def _next_parts(found: Sizing) -> list[Text]:
    """Return the commands that replay and export the cluster, as they can be pasted."""
    if not found.next_commands:
        return []
    total = sum(each.requests_per_second for each in found.demanded)
    head = f"Next, with a log that brings {total:,.6g} requests/s, or --speed so that it does:"
    return [Text(line) for line in (head, *(_folded(each) for each in found.next_commands))]


def _folded(command: str) -> str:
    """Return a command in lines that a shell takes as one; an option stays with its value."""
    first, *options = re.split(r" (?=--)", command)
    lines = [first]
    for each in options:
        if len(lines[-1]) + 1 + len(each) > LONGEST_LINE:
            lines.append(f"    {each}")
        else:
            lines[-1] += f" {each}"
    return "  " + " \\\n  ".join(lines)
