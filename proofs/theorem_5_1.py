r"""Ledger 8.6, T5.1-a: the chance of the solo pool under Algorithm 6."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.pools import PLAN, planned_prefill, solo_share
from gnr.proofs.kit.symbols import general_class


def share_is_the_solo_part_of_the_prefills(backlog: Any = 0) -> Finding:
    """Put the decode balance, with the planned backlog, under the fraction of the statement."""
    model = general_class()
    rates = model.rates
    stated = rates.solo_decode * PLAN.solo_decode / (rates.prefill * PLAN.prefill)
    balanced = stated.subs(planned_prefill(model)).subs(PLAN.decode_buffer, backlog)
    return equal(solo_share(model), balanced, "(U7) is mu_s,i y*_s,i/(mu_p,i x*_i) if q*_d,i = 0")


CLAIMS = (
    Claim(
        id="T5.1-a",
        statement="Without planned backlog the solo chance is the solo part of the prefills.",
        latex=r"p_{s,i}=\frac{\mu_{s,i}y^\star_{s,i}}{\mu_{p,i}x^\star_i}",
        source="THEORY 8.6, Theorem 5.1, eq. U7",
        assumptions=(sp.Eq(PLAN.decode_buffer, 0), sp.Gt(PLAN.prefill, 0)),
        check=share_is_the_solo_part_of_the_prefills,
        mutants=(
            Mutant(
                "with a planned backlog",
                lambda: share_is_the_solo_part_of_the_prefills(backlog=PLAN.decode_buffer),
            ),
        ),
    ),
)
