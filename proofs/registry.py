"""All claims, in the order of the ledger."""

from gnr.proofs import (
    balances,
    data,
    fluid_limit,
    fluid_programs,
    lemma_10_12,
    lemma_13_3,
    lemma_13_3_limit,
    lemmas_10_7_and_10_10,
    model_and_programs,
    price_index,
    promises,
    section_13,
    theorem_3_1,
    theorem_3_1_limits,
    theorem_4_1_hypotheses,
    theorem_4_2,
    token_mean,
)
from gnr.proofs.kit.claim import Claim
from gnr.proofs.ledger import rows

MODULES = (
    balances,
    data,
    fluid_limit,
    fluid_programs,
    lemma_10_12,
    lemma_13_3,
    lemma_13_3_limit,
    lemmas_10_7_and_10_10,
    model_and_programs,
    price_index,
    promises,
    section_13,
    theorem_3_1,
    theorem_3_1_limits,
    theorem_4_1_hypotheses,
    theorem_4_2,
    token_mean,
)


def all_claims() -> tuple[Claim, ...]:
    """Return every claim, in the order of the ledger."""
    order = {row: position for position, row in enumerate(rows())}
    claims = [claim for module in MODULES for claim in module.CLAIMS]
    return tuple(sorted(claims, key=lambda claim: order[claim.row]))
