r"""Proposition 3.2 as a whole: Algorithm 0 on any feasible point of (P40), certified row by row."""

from dataclasses import replace

import sympy as sp

from gnr.proofs.kit.algorithm_0 import (
    Reduction,
    Witness,
    capacity_margin,
    one_class,
    reduction,
)
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.steady_state import program
from gnr.proofs.kit.symbols import BATCH, MIXED_TIME, SOLO_TIME, STATE, State
from gnr.proofs.kit.totals import Total
from gnr.proofs.proposition_3_2_shift import SLOWDOWN, gain_in_room

SUFFICE, EXCEED = "mixed slots suffice", "mixed slots are exceeded"


def an_optimum_without_queue_exists(
    weaker: int = 0, scheme: str = "bundled", witness: Witness | None = None
) -> Finding:
    """Run the construction on a feasible point: every row, every sign, and the same revenue.

    The revenue is bounded, so a feasible program has an optimum, and the construction makes of
    it an optimum without decode queue. Patience may be 0 in some classes.
    """
    made = reduction()
    shift = made.mixed_shift
    return all_of(
        _revenue_is_bounded(made, scheme),
        _balances_hold(made, made.state(), SUFFICE),
        _balances_hold(made, made.state(shift, made.solo_shift(shift)), EXCEED),
        _slots_suffice(made),
        _overflow_fits(made, weaker, witness),
        _same_revenue(made, made.state(), scheme, SUFFICE),
        _same_revenue(made, made.state(shift, made.solo_shift(shift)), scheme, EXCEED),
    )


def _revenue_is_bounded(made: Reduction, scheme: str) -> Finding:
    """Value both balances at the reward: what is not earned leaves one of the queues."""
    rates, rows = made.model.rates, made.before
    earned = getattr(rows, scheme) + Total(
        rates.reward * (rows.prefill_balance + rows.decode_balance)
    )
    return nonnegative(
        Total(rates.reward * rates.arrival_rate) - earned,
        [
            over_classes(rates.reward, rates.patience_rate, STATE.prefill_queue),
            over_classes(rates.reward, rates.patience_rate, STATE.decode_buffer),
        ],
        says="sum of w_i lambda_i - revenue = sum of w_i theta_i (q_p,i + q_d,i)",
    )


def _balances_hold(made: Reduction, state: State, case: str) -> Finding:
    """Let those who waited for decode wait for prefill instead: both balances stay 0."""
    rows = made.before
    after = program(
        made.model, replace(state, prefill_queue=STATE.prefill_queue + STATE.decode_buffer)
    )
    return all_of(
        equal(
            made.model.rates.patience_rate * (made.prefill_queue - STATE.prefill_queue),
            rows.decode_balance + made.model.rates.patience_rate * STATE.decode_buffer,
            "q_p,i grows by mu_p,i Delta_i / theta_i = q_d,i, if theta_i > 0",
        ),
        equal(
            after.prefill_balance,
            rows.prefill_balance + rows.decode_balance,
            f"{case}: prefill balance after = sum of both balances before",
        ),
        equal(after.decode_balance, 0, f"{case}: decode balance with q_d,i = 0"),
    )


def _slots_suffice(made: Reduction) -> Finding:
    """Certify the capacities and signs if the mixed decodes can stay where they are."""
    rows, after, per_slack = made.before, made.after(), 1 / made.model.rates.prefill
    given = [made.slack, -made.overflow, *rows.rooms]
    rates, point = made.model.rates, STATE
    return all_of(
        nonnegative(
            after.prefill_room,
            [product(rows.prefill_room), over_classes(made.slack, per_slack)],
            given,
            f"{SUFFICE}: prefill capacity",
        ),
        nonnegative(
            after.mixed_room, [product(-made.overflow)], given, f"{SUFFICE}: mixed capacity"
        ),
        nonnegative(
            after.solo_room,
            [product(rows.solo_room), over_classes(BATCH, made.slack, per_slack)],
            given,
            f"{SUFFICE}: solo capacity",
        ),
        nonnegative(
            made.prefill,
            [
                product(rates.mixed_decode, point.mixed_decode, per_slack),
                product(rates.solo_decode, point.solo_decode, per_slack),
            ],
            given,
            f"{SUFFICE}: prefill occupancies ≥ 0",
        ),
    )


def _overflow_fits(made: Reduction, weaker: int, witness: Witness | None) -> Finding:
    """Certify the rows that the shift changes; the prefills are those of the other case."""
    hypothesis = capacity_margin(made.model) + weaker
    mixed, held = made.mixed_shift, Total(STATE.mixed_decode)
    solo = made.solo_shift(mixed)
    after, shrunk = made.after(mixed, solo), Total(made.prefill)
    given = [hypothesis, made.slack, made.overflow, shrunk, *made.before.rooms]
    return all_of(
        equal(after.mixed_room, 0, f"{EXCEED}: mixed capacity, no slot left"),
        nonnegative(
            after.solo_room,
            [product(made.before.solo_room), *gain_in_room(made, hypothesis)],
            given,
            f"{EXCEED}: solo capacity",
            witness,
        ),
        nonnegative(
            held * (STATE.mixed_decode + mixed),
            [product(STATE.mixed_decode, BATCH - 1, shrunk)],
            given,
            f"{EXCEED}: mixed decodes ≥ 0",
        ),
        nonnegative(
            held * (STATE.solo_decode + solo),
            [
                product(held, STATE.solo_decode),
                product(SLOWDOWN, made.overflow, STATE.mixed_decode),
            ],
            given,
            f"{EXCEED}: solo decodes ≥ 0",
        ),
    )


def _same_revenue(made: Reduction, state: State, scheme: str, case: str) -> Finding:
    return equal(
        getattr(program(made.model, state), scheme),
        getattr(made.before, scheme),
        f"{case}: the revenue is the same",
    )


HYPOTHESIS = sp.Ge(MIXED_TIME / SOLO_TIME * BATCH, BATCH - 1)

CLAIMS = (
    Claim(
        id="P3.2",
        statement="If full solo GPUs decode no slower than full mixed ones and the program is "
        "feasible, some optimum of (P40) keeps nobody waiting for decode.",
        latex=r"\gamma\tau\ge\frac{B-1}B\implies\exists\text{ an optimum of (P40) with }"
        r"q_{d,i}^\star=0\ \forall i",
        source="Proposition 3.2; THEORY 4.3 and 8.3",
        assumptions=(HYPOTHESIS,),
        cites=("A feasible linear program with a bounded objective has an optimum.",),
        check=an_optimum_without_queue_exists,
        mutants=(
            Mutant(
                "kappa B ≥ B-2 is enough",
                lambda: an_optimum_without_queue_exists(weaker=1, witness=one_class()),
            ),
            Mutant(
                "for the separate program (P42)",
                lambda: an_optimum_without_queue_exists(scheme="separate"),
            ),
        ),
    ),
)
