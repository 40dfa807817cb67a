"""The ledger as a page: every row, its claims, formulas, verdicts and what they rest on.

``python -m gnr.proofs.ledger_page`` checks everything and writes ``proofs/LEDGER.md``; a test
keeps it fresh.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from gnr.proofs.ledger import Row, rows
from gnr.verdicts import ClaimVerdict, ProofReport

PAGE = Path(__file__).with_name("LEDGER.md")

SIGNS = {"proved": "✔", "refuted": "✘", "undecided": "?"}

SECTIONS = {
    "1": "Iteration time",
    "3": "The fluid limit from the network, and the programs as they are built",
    "4.2": "Both pricing schemes",
    "4.3": "Proposition 3.2, assembled and sharper",
    "4.4": "Duality and lost revenue",
    "4.5": "Closed forms",
    "6": "Promises",
    "7": "Theorem 4.1, repaired",
    "8.1": "Model and programs",
    "8.2": "Theorem 3.1",
    "8.3": "Proposition 3.2",
    "8.4": "Theorem 4.1 and Lemmas 10.1 to 10.14",
    "8.5": "Theorem 4.2",
    "8.6": "Promises, Theorem 5.1 and Proposition 12.1",
    "8.7": "Section 13 of the paper",
    "8.8": "Data",
    "10.1": "Token prices",
    "12": "Price-index policies",
}
"""Titles of the sections of the theory that have rows."""

LEGEND = """\
Made by `make ledger` from the claims in this folder; `gnr prove ROW` checks any of them again.
Equations (P..) are those of the paper, arXiv:2602.02987v1, and so are the numbers of theorems and
lemmas; (U..) are displays without a number there; (D..), the sections and the rows are those of
this project's restatement of it ("THEORY").

*In the paper*: OK; IMPL right, left implicit; TYPO; SLIP right for a wrong reason; GAP not proved;
FALSE fails as stated; ASSERTED without argument; DOUBTFUL; DER not in the paper, derived here. A
printed step at fault has a claim `/printed` and, where the right one is known, one `/corrected`.
Sums over classes hold for any number of classes unless a verdict says otherwise. *Cites* are facts
used without proof.

*Notation*: class i has prompts of P_i and outputs of D_i tokens, arrivals λ_i, patience rate θ_i,
price w_i, and rates μ_p,i, μ_m,i, μ_s,i of prefill, mixed and solo decode; κ = μ_s,i/μ_m,i;
φ_i = D_i/P_i; B slots, chunk C, mixed iteration time τ. Per GPU: q_p, q_d waiting for prefill and
for decode, x in prefill, y_m, y_s decoding. A star marks the planned optimum, a hat its multipliers
(α̂, β̂, δ̂ of the prefill, mixed and solo capacity, φ̂_i, η̂_i of the balances). A is the decode work
that prefills bring and C* = (B-1)x* + κB(1-x*) the capacity for it; W_d is the decode work in the
system; s = (B-1)X - y_m counts idle mixed slots."""


def render(report: ProofReport) -> str:
    """Return the page for a report on all claims, planted faults included."""
    of_row: dict[str, list[ClaimVerdict]] = {}
    for claim in report.claims:
        of_row.setdefault(claim.row, []).append(claim)
    lines = [*_opening(report)]
    for section, group in groupby(rows().values(), key=lambda row: row.section):
        entries = list(group)
        heading = f"## {section} {SECTIONS[section]}"
        lines += [heading, "", *_overview(entries, of_row), ""]
        for row in entries:
            lines += _row(row, of_row.get(row.id, []))
    return "\n".join(lines).rstrip() + "\n"


def _opening(report: ProofReport) -> Iterator[str]:
    yield from ("# The ledger: every step of the theory, with its verdict", "", LEGEND, "")
    restricted = sum(bool(claim.restriction) for claim in report.claims)
    planted = sum(len(claim.faults) for claim in report.claims)
    idle = sum(len(claim.faults) for claim in report.claims if claim.verdict == "refuted")
    yield (
        f"{len(report.claims)} claims: {report.proved} proved ({restricted} of them with a "
        f"restriction), {report.refuted} refuted with a counterexample, {report.undecided} "
        f"undecided. {planted} faults are planted in the checks, and each is found; {idle} of them "
        "in claims that are refuted anyway, where that shows little."
    )
    for verdict, heading in (("refuted", "What fails"), ("undecided", "What is not settled")):
        yield from ("", f"## {heading}", "", "| claim | in the paper | says |", "|---|---|---|")
        for claim in report.claims:
            if claim.verdict == verdict:
                yield f"| {_link(claim.id)} | {claim.paper} | {_plain(claim.statement)} |"
    yield ""


def _link(claim_id: str) -> str:
    """Return a link to the claim's own heading, whose anchor keeps letters, digits and hyphens."""
    anchor = "".join(sign for sign in claim_id.lower() if sign.isalnum() or sign == "-")
    return f"[{claim_id}](#{anchor})"


def _overview(entries: list[Row], of_row: Mapping[str, list[ClaimVerdict]]) -> Iterator[str]:
    yield "| row | in the paper | claim | verdict |"
    yield "|---|---|---|---|"
    for row in entries:
        if row.reading_only:
            yield f"| {row.id} | {row.paper} | – | read, not computed |"
        for claim in of_row.get(row.id, []):
            verdict = f"{SIGNS[claim.verdict]} {claim.label}"
            yield f"| {row.id} | {row.paper} | {_link(claim.id)} | {verdict} |"


def _row(row: Row, claims: list[ClaimVerdict]) -> Iterator[str]:
    if row.reading_only:
        yield from (f"### {row.id}", "", f"Read, not computed: {row.reading}", "")
    for claim in claims:
        yield from (f"### {claim.id}", "", claim.statement, "", "```math", claim.latex, "```", "")
        if claim.assumptions:
            where = ", ".join(f"$`{each}`$" for each in claim.assumptions)
            yield from (f"Where {where}.", "")
        if claim.cites:
            yield from (f"Cites: {_plain('; '.join(claim.cites)).rstrip('.')}.", "")
        yield from (f"{claim.source}. **{claim.label}**", "")
        yield from (f"- {_plain(line)}" for line in claim.evidence)
        planted = "; ".join(_plain(each.fault) for each in claim.faults)
        yield from ("", f"Planted faults, all found: {planted}.", "")


def _plain(text: str) -> str:
    """Return text with the signs escaped that Markdown would take for its own."""
    for sign in "\\*_<|":
        text = text.replace(sign, "\\" + sign)
    return text


if __name__ == "__main__":
    from gnr.proofs.proving import prove_claims
    from gnr.proofs.registry import all_claims

    PAGE.write_text(render(prove_claims(all_claims(), faults=True)), encoding="utf-8")
