"""The terminal summary of claims: a table, and in full where there are few."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.coverage import Coverage
from gnr.verdicts import ClaimList, ClaimVerdict, ProofReport

IN_FULL = 6
"""So few claims are told with formula and evidence."""

ANSWERS = {"yes": "green", "no": "yellow", "open": "magenta"}
COLOURS = {"proved": "green", "refuted": "yellow", "undecided": "magenta"}


def summarize(report: ProofReport) -> Any:
    """Return the verdicts as a rich renderable."""
    parts: list[Any] = (
        [_in_full(each) for each in report.claims]
        if len(report.claims) <= IN_FULL
        else [_table(report.claims)]
    )
    parts += [Text(f"{each.row} ({each.paper}) read, not computed: {each.reading}")
              for each in report.reading_only]  # fmt: skip
    return Group(*parts, *map(Text, _totals(report)))


def list_table(listed: ClaimList) -> Any:
    """Return the claims as a table, without verdicts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("claim", "in the paper", "expected", "says"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "claim")
    for each in listed.claims:
        table.add_row(Text(each.id), each.paper, each.expected, Text(each.statement))
    return table


def _table(claims: Sequence[ClaimVerdict]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("claim", no_wrap=True)
    table.add_column("in the paper")
    table.add_column("verdict", overflow="fold", max_width=26)
    table.add_column("s", justify="right")
    table.add_column("says", overflow="fold")
    for each in claims:
        table.add_row(
            Text(each.id), each.paper, _verdict(each), f"{each.seconds:.2f}", Text(each.statement)
        )
    return table


def _verdict(claim: ClaimVerdict) -> Text:
    text = Text(claim.label, style=COLOURS[claim.verdict])
    if not claim.as_expected:
        text.append(f" (expected: {claim.expected or 'nothing'})", style="bold red")
    missed = [each.fault for each in claim.faults if each.verdict != "refuted"]
    if missed:
        text.append(f" misses a fault: {missed[0]}", style="bold red")
    return text


def _in_full(claim: ClaimVerdict) -> Group:
    lines = [Text(f"{claim.id}: {claim.statement}", style="bold"), Text(f"  {claim.latex}")]
    if claim.assumptions:
        lines.append(Text(f"  where {', '.join(claim.assumptions)}"))
    if claim.cites:
        lines.append(Text(f"  cites: {'; '.join(claim.cites)}"))
    lines.append(Text(f"  {claim.source}; in the paper: {claim.paper}"))
    lines.append(Text("  ").append_text(_verdict(claim)).append(f" ({claim.seconds:.2f} s)"))
    lines += [Text(f"    {line}") for line in claim.evidence]
    lines += [Text(f"    planted fault: {f.fault}: {f.verdict}") for f in claim.faults]
    return Group(*lines, Text(""))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _of_them_restricted(report: ProofReport) -> str:
    number = sum(bool(each.restriction) for each in report.claims)
    return f" ({number} with a restriction)" if number else ""


def _totals(report: ProofReport) -> list[str]:
    if not report.claims:
        return []
    faults = [fault for claim in report.claims for fault in claim.faults]
    counted = _counted(len(report.claims), "claim")
    lines = [
        f"{counted}: {report.proved} proved{_of_them_restricted(report)}, {report.refuted} refuted "
        "with a counterexample, "
        f"{report.undecided} undecided; {report.provenance.wall_time_s:.1f} s."
    ]
    if faults:
        found = sum(each.verdict == "refuted" for each in faults)
        lines.append(f"{found} of {len(faults)} planted faults were found.")
    if report.unexpected:
        lines.append(f"Not as the reviewed ledger expects: {', '.join(report.unexpected)}.")
    else:
        lines.append("Every verdict is the one the reviewed ledger expects.")
    return lines


def summarize_coverage(coverage: Coverage) -> Any:
    """Return what is known of one instance as a rich renderable."""
    heading = Text(f"{coverage.instance}: which theorems cover it", style="bold")
    if coverage.value is None:
        value = "No steady state exists: the program is infeasible, shown by Farkas multipliers."
    else:
        value = (
            f"Optimal revenue, {coverage.scheme} pricing, exact: {coverage.value} money/s per GPU."
        )
    assumed = _columns("hypotheses", "hypothesis", "holds", "because", "means")
    for each in coverage.hypotheses:
        holds = Text("yes", style="green") if each.holds else Text("no", style="yellow")
        assumed.add_row(Text(each.name), holds, Text(each.because), Text(each.meaning))
    known = _columns("theorems", "theorem", "covers it", "because", "see")
    for theorem in coverage.theorems:
        claims = (f"{claim}: {verdict}" for claim, verdict in theorem.claims.items())
        known.add_row(
            Text(theorem.theorem),
            Text(theorem.covers, style=ANSWERS[theorem.covers]),
            Text(theorem.because),
            Text("\n".join(claims)),
        )
    return Group(heading, Text(value), assumed, *([known] if coverage.theorems else []))


def _columns(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
