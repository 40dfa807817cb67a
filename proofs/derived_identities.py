r"""Identities of THEORY 1 and 4.2 that the paper does not state: (D1) and (D2)."""

from typing import Any

import sympy as sp

from gnr import rates as formulas
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.exact import equal, equivalent, nonnegative, over_classes
from gnr.proofs.kit.steady_state import program
from gnr.proofs.kit.symbols import (
    CHUNK,
    OUTPUT_PRICE,
    PER_CHUNK_TOKEN,
    PROMPT_PRICE,
    SOLO_TIME,
    STATE,
    general_class,
)
from gnr.proofs.kit.totals import Total

BASE = sp.Symbol("alpha", real=True)
THRESHOLD = sp.Symbol("b_0", real=True)


def constants_fix_the_threshold(rise: Any = SOLO_TIME - BASE) -> Finding:
    """Let the mixed iteration time start from the solo one at the threshold, and solve for it."""
    at_threshold = formulas.mixed_iteration_time(BASE, PER_CHUNK_TOKEN, THRESHOLD)
    (threshold,) = sp.solve(at_threshold - SOLO_TIME, THRESHOLD)
    mixed_time = formulas.mixed_iteration_time(BASE, PER_CHUNK_TOKEN, CHUNK)
    ratio = formulas.speed_ratio(mixed_time, SOLO_TIME)
    stated = rise / PER_CHUNK_TOKEN
    return all_of(
        equal(threshold, stated, "b_0 = (1/gamma - alpha) / beta"),
        equivalent(
            ratio - 1,
            CHUNK - stated,
            PER_CHUNK_TOKEN / SOLO_TIME,
            says="kappa - 1 = gamma beta (C - b_0), so both have one sign",
        ),
    )


def separate_pricing_also_bills_who_leaves(billed: Any = PROMPT_PRICE) -> Finding:
    """Subtract the revenues of the network; a multiple of the decode balance is all else."""
    model = general_class()
    rates, full = model.rates, program(model)
    stated = Total(billed * rates.prompt_tokens * rates.patience_rate * STATE.decode_buffer)
    difference = (
        full.separate
        - full.bundled
        - Total(PROMPT_PRICE * rates.prompt_tokens * full.decode_balance)
    )
    return all_of(
        equal(difference, stated, "separate - bundled = sum of c_p P_i theta_i q_d,i"),
        nonnegative(
            difference,
            [
                over_classes(
                    PROMPT_PRICE, rates.prompt_tokens, rates.patience_rate, STATE.decode_buffer
                )
            ],
            says="it is ≥ 0 everywhere, so the separate optimum is no less than the bundled one",
        ),
        equal(stated.subs(STATE.decode_buffer, 0), 0, "it is 0 where q_d = 0"),
    )


CLAIMS = (
    Claim(
        id="D1",
        statement="Measured constants fix the threshold of the iteration time; solo decodes are "
        "no slower than mixed ones exactly if the chunk reaches it.",
        latex=r"b_0=\frac{1/\gamma-\alpha}\beta,\qquad\kappa\ge1\iff C\ge b_0",
        source="THEORY 1, D1; derived",
        check=constants_fix_the_threshold,
        mutants=(Mutant("alpha is added", lambda: constants_fix_the_threshold(SOLO_TIME + BASE)),),
    ),
    Claim(
        id="D2",
        statement="Separate pricing earns what bundled pricing does, and the prompts of those "
        "who leave the decode queue.",
        latex=r"\tilde R-R=\sum_ic_pP_i\theta_iq_{d,i}\ge0",
        source="THEORY 4.2, D2; derived",
        check=separate_pricing_also_bills_who_leaves,
        mutants=(
            Mutant(
                "at the price of output",
                lambda: separate_pricing_also_bills_who_leaves(OUTPUT_PRICE),
            ),
        ),
    ),
)
