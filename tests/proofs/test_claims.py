"""Every claim reaches the verdict of the reviewed table, and notices its planted faults."""

import pytest

from gnr.proofs.kit.claim import Claim, Mutant, Verdict
from gnr.proofs.ledger import expected_verdict
from gnr.proofs.registry import all_claims

CLAIMS = all_claims()
MUTANTS = [(claim, mutant) for claim in CLAIMS for mutant in claim.mutants]


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])
def test_claim_reaches_the_expected_verdict(claim: Claim) -> None:
    finding = claim.check()
    assert finding.label == expected_verdict(claim.id), finding.evidence
    assert finding.evidence, "a verdict says what it rests on"


@pytest.mark.parametrize(
    ("claim", "mutant"), MUTANTS, ids=[f"{claim.id}: {mutant.name}" for claim, mutant in MUTANTS]
)
def test_planted_fault_is_refuted(claim: Claim, mutant: Mutant) -> None:
    finding = mutant.check()
    assert finding.verdict is Verdict.REFUTED, finding
    assert finding.evidence
