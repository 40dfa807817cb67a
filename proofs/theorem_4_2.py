r"""Ledger 8.5: Theorem 4.2, prioritize-and-route under separate prices (THEORY 4.2 and 5)."""

from typing import Any

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.drift import revenue_rate
from gnr.proofs.kit.exact import equal, equivalent
from gnr.proofs.kit.symbols import CHUNK, STATE, general_class
from gnr.proofs.kit.totals import Total, component_derivative, numbered


def only_aggregates_count(scheme: str = "separate") -> Finding:
    """Move prefills or decodes from one class to another; revenue must not change.

    Revenue is summed over the moves of the network and linear in the occupancies, so it is
    enough that any two classes have the same derivative.
    """
    earned = Total(revenue_rate(general_class(), STATE, scheme))
    shares = {
        place: component_derivative(earned, place)
        for place in (STATE.prefill, STATE.mixed_decode, STATE.solo_decode)
    }
    return all_of(
        equal(
            earned,
            Total(sum(share * place for place, share in shares.items())),
            "revenue is linear in x_i, y_m,i, y_s,i and does not see the queues",
        ),
        *(
            equal(
                numbered(share, 1),
                numbered(share, 2),
                f"revenue per {place} is the same for classes 1 and 2",
            )
            for place, share in shares.items()
        ),
    )


def priority_ranks_by_decode_work(index: Any = None) -> Finding:
    """Compare the decode work of two classes' prefill slots with the difference of indices."""
    rates = general_class().rates
    work = rates.prefill / rates.mixed_decode
    chosen = rates.output_tokens / rates.prompt_tokens if index is None else index
    one, other = ((numbered(work, k), numbered(chosen, k)) for k in (1, 2))
    return equivalent(
        one[0] - other[0],
        one[1] - other[1],
        CHUNK,
        says="a prefill slot of class 1 makes at least the decode work of class 2 iff "
        "D_1/P_1 ≥ D_2/P_2",
    )


CLAIMS = (
    Claim(
        id="T4.2-a",
        statement="With separate prices the revenue depends on the class occupancies through their "
        "sums only.",
        latex=r"\frac{\partial\tilde R}{\partial x_i}=\frac{\partial\tilde R}{\partial x_j},\quad "
        r"\frac{\partial\tilde R}{\partial y_{\bullet,i}}"
        r"=\frac{\partial\tilde R}{\partial y_{\bullet,j}}",
        source="THEORY 8.5, Theorem 4.2, eq. P42",
        check=only_aggregates_count,
        mutants=(Mutant("bundled prices", lambda: only_aggregates_count(scheme="bundled")),),
    ),
    Claim(
        id="T4.2-b",
        statement="The index D/P ranks classes by the decode work that a prefill slot makes.",
        latex=r"\frac{\mu_{p,i}}{\mu_{m,i}}\ge\frac{\mu_{p,j}}{\mu_{m,j}}"
        r"\iff\frac{D_i}{P_i}\ge\frac{D_j}{P_j}",
        source="THEORY 8.5, Theorem 4.2, eqs. U1, U6",
        check=priority_ranks_by_decode_work,
        mutants=(
            Mutant(
                "longest output first",
                lambda: priority_ranks_by_decode_work(general_class().rates.output_tokens),
            ),
        ),
    ),
)
