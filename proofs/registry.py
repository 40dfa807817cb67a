"""All claims, in the order of the ledger."""

from gnr.proofs import model_and_programs
from gnr.proofs.kit.claim import Claim

MODULES = (model_and_programs,)


def all_claims() -> tuple[Claim, ...]:
    """Return every claim, in the order of the ledger."""
    return tuple(claim for module in MODULES for claim in module.CLAIMS)
