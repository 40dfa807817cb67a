"""Every claim reaches the verdict of the reviewed table, and notices its planted faults."""

import pytest

from gnr.proofs.ledger import rows
from gnr.proofs.ledger_page import PAGE, render
from gnr.proofs.proving import prove_claims
from gnr.proofs.registry import all_claims
from gnr.verdicts import ClaimVerdict, ProofReport

CLAIMS = all_claims()
UNDECIDED = 6
"""Claims that no machine settles; more of them is a step back that must be argued for."""


@pytest.fixture(scope="module")
def report() -> ProofReport:
    """One run of all claims with their planted faults, for all tests that look at it."""
    return prove_claims(CLAIMS, faults=True)


def verdict_on(report: ProofReport, claim_id: str) -> ClaimVerdict:
    return next(each for each in report.claims if each.id == claim_id)


@pytest.mark.parametrize("claim_id", [claim.id for claim in CLAIMS])
def test_claim_reaches_the_expected_verdict(claim_id: str, report: ProofReport) -> None:
    verdict = verdict_on(report, claim_id)
    assert verdict.label == verdict.expected, verdict.evidence
    assert verdict.evidence, "a verdict says what it rests on"


@pytest.mark.parametrize("claim_id", [claim.id for claim in CLAIMS])
def test_planted_faults_are_refuted(claim_id: str, report: ProofReport) -> None:
    verdict = verdict_on(report, claim_id)
    assert verdict.faults, "a check that nothing can turn red checks nothing"
    assert {each.verdict for each in verdict.faults} == {"refuted"}, verdict.faults


def test_undecided_claims_do_not_grow_unseen(report: ProofReport) -> None:
    assert report.undecided == UNDECIDED


@pytest.mark.parametrize("row_id", list(rows()))
def test_every_row_of_the_ledger_is_accounted_for(row_id: str) -> None:
    row = rows()[row_id]
    ids = [claim.id for claim in CLAIMS if claim.row == row_id]
    assert list(row.verdicts) == ids
    assert bool(row.reading) == row.reading_only
    assert bool(ids) != row.reading_only


@pytest.mark.parametrize("row_id", list(rows()))
def test_a_faulty_step_has_a_printed_claim_that_is_not_proved(row_id: str) -> None:
    row = rows()[row_id]
    faulty = bool({"TYPO", "SLIP", "GAP", "FALSE", "ASSERTED"} & set(row.paper.split(", ")))
    printed = row.verdicts.get(f"{row_id}/printed")
    if row.reading_only:
        assert printed is None
    elif faulty:
        assert printed is not None
        assert not printed.startswith("proved")
    else:
        assert printed is None


def test_ids_are_unique() -> None:
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)


def test_the_ledger_page_is_fresh(report: ProofReport) -> None:
    assert PAGE.read_text(encoding="utf-8") == render(report), (
        "run `python -m gnr.proofs.ledger_page`"
    )
