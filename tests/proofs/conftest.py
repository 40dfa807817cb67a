"""One run of all claims with their planted faults, for all tests that look at it."""

import pytest

from gnr.proofs.proving import prove_claims
from gnr.proofs.registry import all_claims
from gnr.verdicts import ProofReport


@pytest.fixture(scope="session")
def report() -> ProofReport:
    """The verdicts on every claim and every planted fault."""
    return prove_claims(all_claims(), faults=True)
