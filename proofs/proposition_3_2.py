r"""Ledger 8.3, first part: the reduced program and the shrunk prefills of Proposition 3.2."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.algorithm_0 import reduction, without_buffer
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.exact import equal, equivalent, nonnegative, over_classes, product
from gnr.proofs.kit.steady_state import program
from gnr.proofs.kit.symbols import BATCH, STATE, general_class
from gnr.proofs.kit.totals import component_derivative

BUFFER = STATE.decode_buffer
UNTOUCHED = ("prefill balance", "prefill room", "mixed room", "solo room", "revenue")
"""Rows that do not hold the decode queue, and the objective."""


def buffer_is_the_slack_over_patience(
    rate: str = "patience_rate", scheme: str = "bundled"
) -> Finding:
    """Solve the decode balance of the network for the buffer; show that nothing else holds it.

    Then a point of (P52) and one of (P40) determine each other, with the same revenue.
    """
    model = general_class()
    full, slack = program(model), without_buffer(model).decode_balance
    (buffer,) = sp.solve(full.decode_balance, BUFFER)
    others = (full.prefill_balance, *full.rooms, getattr(full, scheme))
    reduced = without_buffer(model)
    same = (reduced.prefill_balance, *reduced.rooms, reduced.bundled)
    return all_of(
        equal(buffer, slack / getattr(model.rates, rate), "q_d,i = slack of (P50) / theta_i"),
        equivalent(
            buffer, slack, 1 / model.rates.patience_rate, says="q_d,i ≥ 0 exactly under (P50)"
        ),
        *(
            equal(mine, theirs, f"{name}: the same in both programs")
            for name, mine, theirs in zip(UNTOUCHED, others, same, strict=True)
        ),
    )


def empty_buffer_means_tight_row(row: str = "decode_balance") -> Finding:
    """Show the buffer to be a positive multiple of the slack, so that both vanish together."""
    model = general_class()
    (buffer,) = sp.solve(program(model).decode_balance, BUFFER)
    slack = getattr(without_buffer(model), row)
    return equivalent(
        buffer, slack, 1 / model.rates.patience_rate, says="q_d,i is the slack times 1/theta_i > 0"
    )


def queue_of_the_patient_is_free(patience: Any = 0) -> Finding:
    """Set theta_i to its value in all rows: none may then hold the buffer, and (P50) is tight."""
    model = general_class()
    never = {model.rates.patience_rate: sp.sympify(patience)}
    full = program(model)
    rows = (full.prefill_balance, *full.rooms, full.bundled, full.decode_balance)
    slack = without_buffer(model).decode_balance
    return all_of(
        *(
            equal(
                component_derivative(row.xreplace(never), BUFFER),
                0,
                f"{name}: free of q_d,i",
            )
            for name, row in zip((*UNTOUCHED, "decode balance"), rows, strict=True)
        ),
        equal(full.decode_balance.xreplace(never), slack, "the balance says that (P50) is tight"),
    )


def gap_is_a_prefill_occupancy(sign: int = 1) -> Finding:
    """Divide the slack of (P50) by mu_p,i, and take it off x_i: what is decoded remains."""
    made = reduction()
    rates, point = made.model.rates, STATE
    decoded = rates.mixed_decode * point.mixed_decode + rates.solo_decode * point.solo_decode
    return all_of(
        nonnegative(
            sign * made.gap,
            [product(made.slack, 1 / rates.prefill)],
            [made.slack],
            "Delta_i ≥ 0 under (P50)",
        ),
        equal(
            made.prefill,
            decoded / rates.prefill,
            "x_i - Delta_i = (mu_m y_m + mu_s y_s) / mu_p",
        ),
    )


def prefill_balance_is_kept(shrunk_by: int = 1) -> Finding:
    """Put the new prefill occupancy and queue into the balance that the network gives."""
    made = reduction(shrunk_by)
    return equal(
        made.after().prefill_balance,
        made.before.prefill_balance,
        "lambda_i - theta_i q_p - mu_p x_i before and after",
    )


def shrunk_prefill_is_what_is_decoded(growth: int = 1) -> Finding:
    """Certify the signs of the new occupancy, always, and of the queue's growth, under (P50)."""
    made = reduction()
    rates, point = made.model.rates, STATE
    grown = growth * (made.prefill_queue - point.prefill_queue)
    return all_of(
        nonnegative(
            made.prefill,
            [
                product(rates.mixed_decode, point.mixed_decode, 1 / rates.prefill),
                product(rates.solo_decode, point.solo_decode, 1 / rates.prefill),
            ],
            says="x_i - Delta_i ≥ 0 with or without (P50)",
        ),
        equivalent(
            grown,
            made.gap,
            rates.prefill / rates.patience_rate,
            says="the prefill queue grows exactly if Delta_i ≥ 0",
        ),
        equivalent(made.gap, made.slack, 1 / rates.prefill, says="Delta_i ≥ 0 is (P50)"),
    )


def shrunk_prefill_has_the_sign_of(row: str = "decode_balance") -> Finding:
    """Try to deduce that a row has slack from x_i - Delta_i ≥ 0, as the equivalence would."""
    made = reduction()
    slack = getattr(without_buffer(made.model), row)
    return nonnegative(
        slack,
        [product(made.model.rates.prefill, made.prefill)],
        [made.prefill],
        "x_i ≥ Delta_i holds, but the slack is not nonnegative",
    )


def gap_frees_capacity(freed: int = 1) -> Finding:
    """Certify the prefill and the solo row after the shrinking: old room plus what is freed."""
    made = reduction(freed)
    given = [made.slack, *made.before.rooms]
    per_slack = 1 / made.model.rates.prefill
    return all_of(
        nonnegative(
            made.after().prefill_room,
            [product(made.before.prefill_room), over_classes(made.slack, per_slack)],
            given,
            "1 - sum of x_i - Delta_i = old room + sum of Delta_i",
        ),
        nonnegative(
            made.after().solo_room,
            [product(made.before.solo_room), over_classes(BATCH, made.slack, per_slack)],
            given,
            "B (1 - sum of x_i - Delta_i) - sum of y_s,i = old room + B sum of Delta_i",
        ),
    )


FLOW_ROW = r"\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}\le\mu_{p,i}x_i"
IMPATIENT = sp.Gt(sp.Symbol("theta_i", real=True), 0)

CLAIMS = (
    Claim(
        id="P3.2-a",
        statement="Where requests are impatient, the decode queue can be eliminated: (P52) and "
        "(P40) have the same points and the same revenue.",
        latex=r"q_{d,i}=(\mu_{p,i}x_i-\mu_{m,i}y_{m,i}-\mu_{s,i}y_{s,i})/\theta_i\ge0"
        rf"\iff {FLOW_ROW}",
        source="THEORY 4.3 and 8.3, eqs. P50-P52",
        assumptions=(IMPATIENT,),
        check=buffer_is_the_slack_over_patience,
        mutants=(
            Mutant(
                "slack over the arrival rate",
                lambda: buffer_is_the_slack_over_patience(rate="arrival_rate"),
            ),
            Mutant(
                "prefills are billed, too",
                lambda: buffer_is_the_slack_over_patience(scheme="separate"),
            ),
        ),
    ),
    Claim(
        id="P3.2-b",
        statement="A class has an empty decode queue exactly if its row (P50) is tight.",
        latex=r"q_{d,i}=0\iff\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}=\mu_{p,i}x_i",
        source="THEORY 8.3, eq. P51",
        assumptions=(IMPATIENT,),
        check=empty_buffer_means_tight_row,
        mutants=(
            Mutant(
                "the mixed capacity is tight instead",
                lambda: empty_buffer_means_tight_row("mixed_room"),
            ),
        ),
    ),
    Claim(
        id="P3.2-h",
        statement="The gap of a class is nonnegative, and without it prefill produces just what "
        "is decoded.",
        latex=r"\Delta_i\ge0,\qquad\tilde x_i=x_i^\star-\Delta_i"
        r"=(\mu_{m,i}y_{m,i}^\star+\mu_{s,i}y_{s,i}^\star)/\mu_{p,i}",
        source="THEORY 8.3, Algorithm 0, steps 1 and 2",
        assumptions=(IMPATIENT,),
        check=gap_is_a_prefill_occupancy,
        mutants=(Mutant("gap taken the other way", lambda: gap_is_a_prefill_occupancy(sign=-1)),),
    ),
    Claim(
        id="P3.2-i",
        statement="What prefill no longer takes waits and leaves: the prefill balance is kept.",
        latex=r"\lambda_i-\theta_i\tilde q_{p,i}-\mu_{p,i}\tilde x_i"
        r"=\lambda_i-\theta_iq_{p,i}^\star-\mu_{p,i}x_i^\star",
        source="THEORY 8.3, Algorithm 0, step 2",
        assumptions=(IMPATIENT,),
        check=prefill_balance_is_kept,
        mutants=(Mutant("prefill falls by twice the gap", lambda: prefill_balance_is_kept(2)),),
    ),
    Claim(
        id="P3.2-j/printed",
        statement="The shrunk prefill occupancy is nonnegative exactly under (P50).",
        latex=rf"x_i^\star\ge\Delta_i\iff {FLOW_ROW}",
        source="THEORY 8.3, proof of Proposition 3.2 as printed",
        assumptions=(IMPATIENT,),
        check=shrunk_prefill_has_the_sign_of,
        mutants=(
            Mutant(
                "exactly where mixed slots are left",
                lambda: shrunk_prefill_has_the_sign_of("mixed_room"),
            ),
        ),
    ),
    Claim(
        id="P3.2-j/corrected",
        statement="The shrunk prefill occupancy is nonnegative in any case; it is the growth of "
        "the prefill queue that is nonnegative exactly under (P50).",
        latex=r"\tilde x_i\ge0,\qquad\tilde q_{p,i}\ge q_{p,i}^\star\iff\Delta_i\ge0\iff "
        + FLOW_ROW,
        source="THEORY 8.3",
        assumptions=(IMPATIENT,),
        check=shrunk_prefill_is_what_is_decoded,
        mutants=(
            Mutant("the queue shrinks", lambda: shrunk_prefill_is_what_is_decoded(growth=-1)),
        ),
    ),
    Claim(
        id="P3.2-k",
        statement="Fewer prefills leave the prefill and the solo capacity intact.",
        latex=r"\sum_i\tilde x_i\le1,\qquad\sum_iy_{s,i}^\star\le B(1-\tilde X)",
        source="THEORY 8.3",
        assumptions=(IMPATIENT,),
        check=gap_frees_capacity,
        mutants=(Mutant("prefills grow by the gap", lambda: gap_frees_capacity(freed=-1)),),
    ),
    Claim(
        id="P3.2-u",
        statement="For a class that never leaves, (P50) is tight at every feasible point and its "
        "decode queue, being in no row, may be set to 0.",
        latex=r"\theta_i=0\implies\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}=\mu_{p,i}x_i",
        source="THEORY 8.3, proof of Proposition 3.2 (without loss of generality)",
        assumptions=(sp.Eq(sp.Symbol("theta_i", real=True), 0),),
        check=queue_of_the_patient_is_free,
        mutants=(
            Mutant("requests do leave", lambda: queue_of_the_patient_is_free(sp.Rational(1, 10))),
        ),
    ),
)
