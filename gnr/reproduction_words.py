"""What was measured and what stands, in the words of the summary and of the report."""

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from gnr.reproduction import (
    Bars,
    Claim,
    Condition,
    Experiment,
    Finding,
    HeatMap,
    Kind,
    Lines,
    Met,
    Panel,
    Quantity,
    Reproduction,
    Scatter,
)

MARKS = {
    "confirmed": "✓",
    "partly": "◐",
    "not confirmed": "✗",
    "undecided": "?",
    "not specified enough": "…",
    "data not public": "∅",
}
"""A sign for each verdict, for those who do not see its colour."""

FINDINGS: tuple[Finding, ...] = ("confirmed", "partly", "not confirmed", "undecided")

IN_PLACE = {
    "not specified enough": "with our choices",
    "data not public": "on what is public",
}
"""What a finding is about where the claim cannot be rebuilt as it stands."""

MARK_OF_MET: dict[Met, str] = {"yes": "✓", "no": "✗", "undecided": "?"}
"""A sign for whether a bound is kept."""

WITHOUT_INTERVAL: dict[Kind, str] = {
    "exact": "exact",
    "printed": "paper's numbers",
    "unrepeated": "no interval",
}
"""What is told in the place of an interval."""

DIGITS = 2
"""Of half the width of an interval, to which a number and its interval are told."""

MOST_DECIMALS = 9


def name_of(experiment: str) -> str:
    """Return the name of an experiment as it stands in the paper, as `Figure 4`."""
    found = re.fullmatch(r"([a-z]+)(\d+)", experiment)
    return experiment if found is None else f"{found[1].capitalize()} {found[2]}"


def value_text(quantity: Quantity) -> str:
    """Return the value of a quantity with its unit."""
    return _with_unit(_number(quantity.value, quantity, ROUND_HALF_EVEN), quantity.unit)


def interval_text(quantity: Quantity) -> str:
    """Return the interval of a quantity, rounded outwards, or why it has none."""
    if quantity.kind != "estimated":
        return WITHOUT_INTERVAL[quantity.kind]
    low = _number(quantity.low, quantity, ROUND_FLOOR)
    return f"{low} to {_number(quantity.high, quantity, ROUND_CEILING)}"


def quantity_text(quantity: Quantity) -> str:
    """Return a quantity with its interval and unit."""
    return f"{value_text(quantity)} ({interval_text(quantity)})"


def bound_text(condition: Condition, quantity: Quantity) -> str:
    """Return the bound of a condition in words."""
    side = {"at_most": "at most", "at_least": "at least"}[condition.direction]
    return f"{side} {_with_unit(f'{condition.bound:,.10g}', quantity.unit)}"


def condition_text(condition: Condition, experiment: Experiment) -> str:
    """Return what was measured and what is required of it in one sentence."""
    quantity = experiment.quantity(condition.quantity)
    required = bound_text(condition, quantity)
    return f"{quantity.words}: {quantity_text(quantity)}, required: {required}"


def verdict_text(claim: Claim) -> str:
    """Return the verdict on a claim; where it has a limit, what was found in its place too."""
    if claim.limit is None:
        return claim.finding
    return f"{claim.limit}; {IN_PLACE[claim.limit]}, {claim.finding}"


def caution_text(claim: Claim, experiment: Experiment) -> str:
    """Return that a finding rests on measurements without interval; empty where it does not."""
    kinds = {experiment.quantity(each.quantity).kind for each in claim.conditions}
    if "unrepeated" not in kinds:
        return ""
    return (
        "No interval: the source does not say how often this was measured, so the value alone "
        "decides."
    )


def counted(claims: Iterable[Claim]) -> list[tuple[Finding, int]]:
    """Return how often each finding occurs, without those that do not."""
    numbers = Counter(each.finding for each in claims)
    return [(each, numbers[each]) for each in FINDINGS if numbers[each]]


def counts_text(claims: Sequence[Claim]) -> str:
    """Return how many claims there are, and with which findings."""
    numbers = ", ".join(f"{count} {finding}" for finding, count in counted(claims))
    return f"{len(claims)} claims, {numbers}"


def with_finding(found: Reproduction, *findings: Finding) -> list[tuple[Experiment, Claim]]:
    """Return the claims with one of these findings, in the order of the findings."""
    return [
        (experiment, claim)
        for finding in findings
        for experiment in found.experiments
        for claim in experiment.claims
        if claim.finding == finding
    ]


def command_of(found: Reproduction) -> str:
    """Return the command that makes the reproduction again."""
    names = " ".join(each.name for each in found.experiments)
    seed = f" --seed {found.provenance.seed}" if "seed" in found.provenance.options else ""
    return f"gnr reproduce {names}{' --quick' * (found.effort == 'quick')}{seed}"


def duration_text(seconds: float) -> str:
    """Return a time in seconds, or in minutes where it is long."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def description_of(panel: Panel) -> str:
    """Return in words what is drawn in a panel, for those who do not see it."""
    match panel:
        case HeatMap():
            drawn = f"colours for {panel.z_label}, by {panel.x_label} and {panel.y_label}"
        case Bars():
            drawn = f"bars of {panel.y_label} for {', '.join(panel.categories)}"
        case Lines():
            drawn = f"lines of {panel.y_label} over {panel.x_label}"
        case Scatter():
            drawn = f"points of {panel.y_label} over {panel.x_label}"
    parts = [f"{panel.title}: {drawn}"]
    if not isinstance(panel, HeatMap):
        parts.append("; ".join(each.label for each in panel.series))
    if isinstance(panel, Lines | Bars) and panel.references:
        dashed = (f"{each.label} at {each.y:,.5g}" for each in panel.references)
        parts.append(f"Dashed: {'; '.join(dashed)}")
    return ". ".join(parts) + "."


def with_intervals(panels: Iterable[Panel]) -> bool:
    """Tell whether a panel has points with intervals."""
    drawn = (each.series for each in panels if not isinstance(each, HeatMap))
    return any(one.low is not None for series in drawn for one in series)


def _with_unit(number: str, unit: str) -> str:
    return f"{number} {unit}" if unit else number


def _number(value: float, of: Quantity, rounding: str) -> str:
    """Return a number to the digits that its interval leaves; an end that is none as infinity."""
    if abs(value) >= sys.float_info.max:
        return "∞" if value > 0 else "-∞"
    half = of.high / 2 - of.low / 2
    if half == 0 or half >= sys.float_info.max / 2:
        return f"{value:,.6g}"
    decimals = DIGITS - 1 - math.floor(math.log10(half))
    if decimals > MOST_DECIMALS:
        return f"{value:,.{DIGITS + 4}g}"
    rounded = Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), rounding)
    return f"{rounded + 0:,f}"
