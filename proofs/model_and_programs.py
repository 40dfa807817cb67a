r"""Ledger 8.1: identities of the model and of its linear programs (THEORY 1, 2 and 4)."""

import sympy as sp

from gnr import rates as formulas
from gnr.proofs.kit.claim import Claim, Finding, Mutant
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.symbols import MIXED_TIME, SOLO_TIME, general_class

SLOPE, THRESHOLD, FLOOR = sp.symbols("a b_0 c", positive=True)
CHUNK = sp.Symbol("C", positive=True)


def mixed_time_is_linear(base: sp.Expr = FLOOR - SLOPE * THRESHOLD) -> Finding:
    """Put the law (P1) above its threshold beside the formula the package computes with."""
    law = FLOOR + SLOPE * (CHUNK - THRESHOLD)
    return equal(law, formulas.mixed_iteration_time(base, SLOPE, CHUNK), "(P1) for C ≥ b_0 is (P3)")


def speed_ratio_is_the_same_for_all_classes(expected: sp.Expr = MIXED_TIME / SOLO_TIME) -> Finding:
    """Divide the two decode rates; the class must drop out."""
    rates = general_class().rates
    ratio = rates.solo_decode / rates.mixed_decode
    return equal(ratio, expected, "mu_s,i / mu_m,i = gamma tau")


CLAIMS = (
    Claim(
        id="M-a",
        statement="Above its threshold the iteration time is linear in the chunk.",
        latex=r"c+a(C-b_0)=\alpha+\beta C,\qquad \alpha=c-ab_0,\ \beta=a",
        source="THEORY 8.1, eqs. P1, P3",
        assumptions=(sp.Ge(CHUNK, THRESHOLD),),
        check=mixed_time_is_linear,
        mutants=(Mutant("the floor is not lowered", lambda: mixed_time_is_linear(base=FLOOR)),),
    ),
    Claim(
        id="M-d",
        statement="Solo decodes are faster by one ratio, the same for every class.",
        latex=r"\mu_{s,i}/\mu_{m,i}=\gamma\tau=\kappa",
        source="THEORY 8.1, eqs. P4, U1",
        check=speed_ratio_is_the_same_for_all_classes,
        mutants=(
            Mutant(
                "ratio upside down",
                lambda: speed_ratio_is_the_same_for_all_classes(SOLO_TIME / MIXED_TIME),
            ),
        ),
    ),
)
