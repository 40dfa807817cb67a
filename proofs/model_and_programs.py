r"""Ledger 8.1, rates: what follows from the iteration-time law and the rates (THEORY 1)."""

from typing import Any

import sympy as sp

from gnr import rates as formulas
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.drift import revenue_rate
from gnr.proofs.kit.exact import equal, equivalent, nonnegative, product
from gnr.proofs.kit.numbers import base_instance
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SOLO_TIME,
    STATE,
    general_class,
)
from gnr.proofs.kit.totals import Total

SLOPE, FLOOR = sp.symbols("a c", positive=True)
THRESHOLD, DISTANCE = sp.symbols("b_0 h", nonnegative=True)
POSITIVE_PRICE = sp.Symbol("c_d", positive=True)


def iteration_time(tokens: Any) -> Any:
    """Return the empirical law (P1) at a load of some tokens, s."""
    return FLOOR + SLOPE * sp.Max(0, tokens - THRESHOLD)


def mixed_time_is_linear(
    base: Any = FLOOR - SLOPE * THRESHOLD, chunk: Any = THRESHOLD + DISTANCE
) -> Finding:
    """Put the law at a chunk above its threshold beside the time the package computes with."""
    return equal(
        iteration_time(chunk),
        formulas.mixed_iteration_time(base, SLOPE, chunk),
        "(P1) at C = b_0 + h, h ≥ 0, is alpha + beta C with alpha = c - a b_0",
    )


def solo_time_is_flat(load: Any = THRESHOLD - DISTANCE) -> Finding:
    """Let each token of a decode take the law's time at a load below the threshold."""
    output = sp.Symbol("D_i", positive=True)
    return equal(
        1 / (output * iteration_time(load)),
        formulas.solo_decode_rate(output, FLOOR),
        "at b' = b_0 - h, h ≥ 0, a decode of D_i iterations ends at rate gamma/D_i, gamma = 1/c",
    )


def solo_is_faster_above_the_threshold(base: Any = FLOOR - SLOPE * THRESHOLD) -> Finding:
    """Compute kappa from the law; kappa - 1 is a positive multiple of C - b_0."""
    mixed = formulas.mixed_iteration_time(base, SLOPE, CHUNK)
    ratio = formulas.speed_ratio(mixed, FLOOR)
    return all_of(
        equal(ratio - 1, SLOPE * (CHUNK - THRESHOLD) / FLOOR, "kappa - 1 = gamma a (C - b_0)"),
        equivalent(ratio - 1, CHUNK - THRESHOLD, SLOPE / FLOOR, says="kappa ≥ 1 iff C ≥ b_0"),
    )


def speed_ratio_is_the_same_for_all_classes(expected: Any = MIXED_TIME / SOLO_TIME) -> Finding:
    """Divide the two decode rates; the class must drop out."""
    rates = general_class().rates
    ratio = rates.solo_decode / rates.mixed_decode
    return all_of(
        equal(ratio, expected, "mu_s,i / mu_m,i = gamma tau"),
        equal(ratio, rates.speed_ratio, "which is the kappa of the package"),
    )


def decode_work_of_a_prefill(exchange_lengths: bool = False) -> Finding:
    """Divide the rates of prefill and mixed decode; the iteration time must drop out."""
    rates = general_class().rates
    lengths = rates.output_tokens / rates.prompt_tokens
    ratio = rates.prefill / rates.mixed_decode
    return all_of(
        equal(
            ratio, CHUNK * (1 / lengths if exchange_lengths else lengths), "mu_p/mu_m = C D_i/P_i"
        ),
        equal(ratio, rates.decode_work, "which is the decode work of the package"),
    )


def prices_per_slot(solo_time: Any = SOLO_TIME) -> Finding:
    """Sum separate rewards over the moves of the network; rates must cancel the lengths."""
    earned = Total(revenue_rate(general_class(), STATE, "separate"))
    prompt = PROMPT_PRICE * CHUNK / MIXED_TIME * Total(STATE.prefill)
    mixed = OUTPUT_PRICE / MIXED_TIME * Total(STATE.mixed_decode)
    solo = OUTPUT_PRICE / solo_time * Total(STATE.solo_decode)
    return equal(
        earned,
        prompt + mixed + solo,
        "separate revenue = c_p (C/tau) sum x_i + (c_d/tau) sum y_m,i + c_d gamma sum y_s,i",
    )


def solo_slot_earns_more(threshold: Any = 1) -> Finding:
    """Compare what one decode earns per second in each pool, by the rewards of the network."""
    model = general_class()
    earned = revenue_rate(model, STATE, "separate").xreplace({OUTPUT_PRICE: POSITIVE_PRICE})
    solo, mixed = (sp.cancel(earned.diff(y)) for y in (STATE.solo_decode, STATE.mixed_decode))
    return equivalent(
        solo - mixed,
        model.rates.speed_ratio - threshold,
        POSITIVE_PRICE / MIXED_TIME,
        says="c_d gamma - c_d/tau = (c_d/tau) (kappa - 1)",
    )


def hypothesis_compares_capacities(mixed_slots: Any = BATCH - 1) -> Finding:
    """Compare tokens per second of a full solo and a full mixed GPU, from the decode rates."""
    rates = general_class().rates
    solo = BATCH * rates.output_tokens * rates.solo_decode
    mixed = mixed_slots * rates.output_tokens * rates.mixed_decode
    margin = rates.speed_ratio - (BATCH - 1) / BATCH
    return all_of(
        equivalent(
            margin,
            solo - mixed,
            MIXED_TIME / BATCH,
            says="kappa ≥ (B-1)/B iff B gamma ≥ (B-1)/tau",
        ),
        nonnegative(
            margin,
            [product(rates.speed_ratio - 1), product(1 / BATCH)],
            given=[rates.speed_ratio - 1],
            says="which follows from kappa ≥ 1, with 1/B to spare",
        ),
    )


def hypothesis_means_a_faster_solo_gpu() -> Finding:
    """Ask the hypothesis for faster solo decodes, at kappa = 19/20 and B = 16."""
    ratio = general_class().rates.speed_ratio
    base = base_instance().shared
    point = {symbol: base[symbol] for symbol in (BATCH, CHUNK, MIXED_TIME)}
    point[SOLO_TIME] = point[MIXED_TIME] * sp.Rational(20, 19)
    return nonnegative(
        ratio - 1,
        [],
        given=[ratio - (BATCH - 1) / BATCH],
        says="kappa ≥ 1 does not follow from kappa ≥ (B-1)/B: kappa - 1",
        witness=point,
    )


CLAIMS = (
    Claim(
        id="M-a",
        statement="Above its threshold the iteration time is linear in the chunk.",
        latex=r"c+a(C-b_0)=\alpha+\beta C,\qquad \alpha=c-ab_0,\ \beta=a",
        source="THEORY 8.1, eqs. P1, P3",
        assumptions=(sp.Ge(CHUNK, THRESHOLD),),
        check=mixed_time_is_linear,
        mutants=(
            Mutant("the floor is not lowered", lambda: mixed_time_is_linear(base=FLOOR)),
            Mutant(
                "a chunk below the threshold",
                lambda: mixed_time_is_linear(chunk=THRESHOLD - DISTANCE),
            ),
        ),
    ),
    Claim(
        id="M-b",
        statement="Up to its threshold the iteration time does not depend on the load.",
        latex=r"\tau(b')=c\quad(0\le b'\le b_0),\qquad \mu_{s,i}=\gamma/D_i,\ \gamma=1/c",
        source="THEORY 8.1, eqs. P1, P2, P4",
        check=solo_time_is_flat,
        mutants=(
            Mutant("a load above the threshold", lambda: solo_time_is_flat(THRESHOLD + DISTANCE)),
        ),
    ),
    Claim(
        id="M-c",
        statement="Solo decodes are the faster ones exactly if the chunk is above the threshold.",
        latex=r"\kappa-1=\gamma a(C-b_0),\qquad \kappa\ge1\iff C\ge b_0",
        source="THEORY 8.1, eq. D1",
        check=solo_is_faster_above_the_threshold,
        mutants=(
            Mutant(
                "the floor is not lowered", lambda: solo_is_faster_above_the_threshold(base=FLOOR)
            ),
        ),
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
    Claim(
        id="M-e",
        statement="A busy prefill slot keeps C D/P mixed decode slots busy.",
        latex=r"\mu_{p,i}/\mu_{m,i}=CD_i/P_i=C\phi_i",
        source="THEORY 8.1, eqs. P4, U1",
        check=decode_work_of_a_prefill,
        mutants=(
            Mutant(
                "prompt and output exchanged",
                lambda: decode_work_of_a_prefill(exchange_lengths=True),
            ),
        ),
    ),
    Claim(
        id="M-f",
        statement="With separate prices a busy slot earns the same whatever class is in it.",
        latex=r"c_pP_i\mu_{p,i}=\frac{c_pC}{\tau},\quad c_dD_i\mu_{m,i}=\frac{c_d}{\tau},\quad "
        r"c_dD_i\mu_{s,i}=c_d\gamma",
        source="THEORY 8.1, eqs. P4, P39, P42",
        check=prices_per_slot,
        mutants=(
            Mutant("solo slots at mixed speed", lambda: prices_per_slot(solo_time=MIXED_TIME)),
        ),
    ),
    Claim(
        id="M-g",
        statement="A solo decode slot earns more per second than a mixed one exactly if kappa > 1.",
        latex=r"c_d\gamma>c_d/\tau\iff\kappa>1",
        source="THEORY 8.1, section 4.2",
        assumptions=(sp.Gt(OUTPUT_PRICE, 0),),
        check=solo_slot_earns_more,
        mutants=(
            Mutant(
                "from the hypothesis of Proposition 3.2",
                lambda: solo_slot_earns_more(threshold=(BATCH - 1) / BATCH),
            ),
        ),
    ),
    Claim(
        id="M-h",
        statement="The hypothesis of Proposition 3.2 compares the token speeds of full GPUs; it is "
        "implied by kappa ≥ 1.",
        latex=r"\gamma\tau\ge\frac{B-1}{B}\iff B\gamma\ge\frac{B-1}{\tau}",
        source="THEORY 8.1, Proposition 3.2",
        check=hypothesis_compares_capacities,
        mutants=(
            Mutant(
                "mixed GPUs decode on all slots",
                lambda: hypothesis_compares_capacities(mixed_slots=BATCH),
            ),
            Mutant("it means kappa ≥ 1", hypothesis_means_a_faster_solo_gpu),
        ),
    ),
)
