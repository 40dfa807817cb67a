"""All claims, in the order of the ledger."""

from gnr.proofs import (
    balances,
    closed_forms,
    data,
    decode_split,
    fluid_limit,
    fluid_programs,
    knapsack_vertices,
    lemma_10_1,
    lemma_10_12,
    lemma_13_3,
    lemma_13_3_limit,
    lemmas_10_3_and_10_5,
    lemmas_10_7_and_10_10,
    model_and_programs,
    price_index,
    prices,
    promises,
    proposition_3_2,
    proposition_3_2_sharp,
    proposition_3_2_shift,
    proposition_3_2_statement,
    repaired_gate,
    section_13,
    separate_form,
    separate_shape,
    theorem_3_1,
    theorem_3_1_limits,
    theorem_4_1,
    theorem_4_1_converse,
    theorem_4_1_hypotheses,
    theorem_4_2,
    token_mean,
)
from gnr.proofs.kit.claim import Claim
from gnr.proofs.ledger import rows

MODULES = (
    balances,
    closed_forms,
    data,
    decode_split,
    fluid_limit,
    fluid_programs,
    knapsack_vertices,
    lemma_10_1,
    lemma_10_12,
    lemma_13_3,
    lemma_13_3_limit,
    lemmas_10_3_and_10_5,
    lemmas_10_7_and_10_10,
    model_and_programs,
    price_index,
    prices,
    promises,
    proposition_3_2,
    proposition_3_2_sharp,
    proposition_3_2_shift,
    proposition_3_2_statement,
    repaired_gate,
    section_13,
    separate_form,
    separate_shape,
    theorem_3_1,
    theorem_3_1_limits,
    theorem_4_1,
    theorem_4_1_converse,
    theorem_4_1_hypotheses,
    theorem_4_2,
    token_mean,
)


def all_claims() -> tuple[Claim, ...]:
    """Return every claim, in the order of the ledger."""
    order = {row: position for position, row in enumerate(rows())}
    claims = [claim for module in MODULES for claim in module.CLAIMS]
    return tuple(sorted(claims, key=lambda claim: order[claim.row]))
