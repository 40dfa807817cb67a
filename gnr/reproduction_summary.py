"""The terminal summary of `gnr reproduce`."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from gnr.reproduction import Claim, Experiment, Reproduction
from gnr.reproduction_words import (
    FINDINGS,
    MARK_OF_MET,
    MARKS,
    caution_text,
    condition_text,
    counted,
    counts_text,
    duration_text,
    name_of,
    verdict_text,
    with_finding,
)
from gnr.summary_table import table

COLOURS = {
    "confirmed": "green",
    "partly": "yellow",
    "not confirmed": "red",
    "undecided": "magenta",
}
"""Of findings; limits have none."""


def summarize_reproduction(found: Reproduction) -> Any:
    """Return the verdicts, then every claim with its numbers, as a rich renderable."""
    claims = [claim for each in found.experiments for claim in each.claims]
    failing = len(with_finding(found, "not confirmed", "partly"))
    heading = Text(
        f"The paper's evaluation, run again ({found.effort}, "
        f"{duration_text(found.provenance.wall_time_s)}): {counts_text(claims)}",
        style="bold",
    )
    foot = Text(
        f"Intervals have a confidence of {found.confidence:.2%}: with at least {found.joint:.1%}, "
        "chance has made no verdict wrong. A bound is kept if the whole interval is on its side. "
        "The report explains terms and names."
    )
    several = "claim fails" if failing == 1 else "claims fail"
    told = Text(f"{failing} {several} at least in part." if failing else "No claim fails.")
    parts = (part for each in found.experiments for part in _experiment(each))
    return Group(heading, told, _verdicts(found), *parts, foot)


def _verdicts(found: Reproduction) -> Any:
    rows = table("", ("experiment", "verdict", *(MARKS[each] for each in FINDINGS)))
    rows.columns[1].justify = "left"
    for each in found.experiments:
        numbers = dict(counted(each.claims))
        counts = (str(numbers.get(finding, "")) for finding in FINDINGS)
        rows.add_row(Text(f"{name_of(each.name)}: {each.title}"), _verdict(each), *counts)
    return rows


def _verdict(of: Experiment) -> Text:
    told = (Text(f"{MARKS[each]} {each}", style=COLOURS.get(each, "")) for each in of.verdicts)
    return Text(", ").join(told)


def _experiment(of: Experiment) -> Iterator[Any]:
    yield Text(f"{name_of(of.name)}: {of.title}", style="bold")
    for claim in of.claims:
        yield from _claim(claim, of)
    for warning in of.warnings:
        yield Padding(Text(f"Warning: {warning}"), (0, 0, 0, 2))
    yield Text()


def _claim(claim: Claim, of: Experiment) -> Iterator[Any]:
    verdict = Text(f"{MARKS[claim.finding]} {verdict_text(claim)}", style=COLOURS[claim.finding])
    yield Padding(Text.assemble(verdict, f": {claim.says}"), (0, 0, 0, 2))
    for condition in claim.conditions:
        told = f"{MARK_OF_MET[condition.met]} {condition_text(condition, of)}"
        yield Padding(Text(told), (0, 0, 0, 6))
    if caution := caution_text(claim, of):
        yield Padding(Text(caution), (0, 0, 0, 8))
