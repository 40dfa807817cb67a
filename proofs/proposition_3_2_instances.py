r"""Ledger 8.3, instances: what fails below the threshold, and under separate pricing."""

from typing import Any

import sympy as sp

from gnr import rates as formulas
from gnr.proofs.kit.certificates import Instance, certified
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PER_CHUNK_TOKEN,
    PROMPT_PRICE,
    SOLO_TIME,
    general_class,
)

POOLS = ("mixed_room", "solo_room")

BUNDLED = sp.Rational(120364470720, 404310343)
SEPARATE = sp.Rational(1194346227, 4000000)
"""Optima of the base instance, money/s per GPU."""


def slow_solo_instance(solo_time: Any) -> Instance:
    """Return one class on GPUs with two slots, more than can be decoded; kappa is 1/solo_time."""
    rates = general_class().rates
    return Instance(
        shared={
            BATCH: 2,
            CHUNK: 1,
            MIXED_TIME: 1,
            SOLO_TIME: solo_time,
            PROMPT_PRICE: 1,
            OUTPUT_PRICE: 1,
        },
        columns={
            rates.prompt_tokens: [1],
            rates.output_tokens: [2],
            rates.arrival_rate: [1],
            rates.patience_rate: [1],
        },
    )


def base_instance() -> Instance:
    """Return the base instance of the paper (THEORY 9.2)."""
    rates = general_class().rates
    base, per_token, chunk = sp.Rational(174, 10000), sp.Rational(62, 10**6), sp.Integer(256)
    return Instance(
        shared={
            BATCH: 16,
            CHUNK: chunk,
            PER_CHUNK_TOKEN: per_token,
            MIXED_TIME: formulas.mixed_iteration_time(base, per_token, chunk),
            SOLO_TIME: sp.Rational(20, 909),
            PROMPT_PRICE: sp.Rational(1, 10),
            OUTPUT_PRICE: sp.Rational(1, 5),
        },
        columns={
            rates.prompt_tokens: [300, 3000],
            rates.output_tokens: [1000, 400],
            rates.arrival_rate: [sp.Rational(1, 2)] * 2,
            rates.patience_rate: [sp.Rational(1, 10)] * 2,
        },
    )


def a_queue_pays_below_the_threshold(solo_time: int = 4) -> Finding:
    """Certify both optima, with the decode queue free and with it at 0, and compare."""
    instance = slow_solo_instance(solo_time)
    free = certified(instance, ["x_1", "y_m_1", "y_s_1", "q_d_1"], POOLS)
    empty = certified(instance, ["x_1", "y_m_1", "y_s_1", "q_p_1"], POOLS, queue=False)
    told = (
        f"one class, B = 2, kappa = 1/{solo_time}, all else 1 but D = 2: the optimum is "
        f"{free.value} with q_d = {free.point['q_d_1']}, and {empty.value} with q_d = 0"
    )
    return proved(told) if free.value > empty.value else refuted(told)


def no_optimum_has_a_queue(solo_time: int) -> Finding:
    """Certify an optimum of (P40) and look at its decode queue."""
    instance = slow_solo_instance(solo_time)
    free = certified(instance, ["x_1", "y_m_1", "y_s_1", "q_d_1"], POOLS)
    queue = free.point["q_d_1"]
    told = f"B = 2, kappa = 1/{solo_time}: an optimum, worth {free.value}, has q_d = {queue}"
    return proved(told) if queue == 0 else refuted(told)


def separate_pricing_keeps_a_queue(
    scheme: str = "separate", expected: sp.Rational = SEPARATE
) -> Finding:
    """Certify the optimum of the base instance, with the decode queue free and with it at 0."""
    instance, basis = base_instance(), ["x_1", "x_2", "q_p_1", "y_s_1", "y_m_2", "y_s_2"]
    queued = ["x_1", "x_2", "y_m_1", "y_s_1", "y_s_2", "q_d_2"] if scheme == "separate" else basis
    free = certified(instance, queued, POOLS, scheme).value
    empty = certified(instance, basis, POOLS, scheme, queue=False).value
    bundled = certified(instance, basis, POOLS).value
    told = f"{_figure(free)} with q_d free exceeds {_figure(empty)} with q_d = 0"
    return all_of(
        equal(free, expected, f"{scheme}, q_d free: {_figure(expected)}"),
        equal(empty, BUNDLED, f"{scheme}, q_d = 0: {_figure(BUNDLED)}"),
        equal(bundled, BUNDLED, f"bundled, q_d free: {_figure(BUNDLED)}"),
        proved(told) if free > empty else refuted(f"not so: {told}"),
    )


def _figure(value: sp.Rational) -> str:
    return f"{value} = {sp.Float(value, 13)}"


CLAIMS = (
    Claim(
        id="P3.2-t",
        statement="Below the threshold an empty decode queue can cost revenue.",
        latex=r"\kappa<\frac{B-1}B:\quad R^\star=\frac32>1=R^\star\big|_{q_d=0}",
        source="THEORY 8.3; derived",
        check=a_queue_pays_below_the_threshold,
        mutants=(
            Mutant("at the threshold", lambda: a_queue_pays_below_the_threshold(solo_time=2)),
        ),
    ),
    Claim(
        id="P3.2-v",
        statement="The proposition does not extend to separate pricing: on the base instance an "
        "empty decode queue costs revenue under (P42), and none under (P40).",
        latex=r"\tilde R^\star=\frac{1194346227}{4000000}"
        r">\frac{120364470720}{404310343}=\tilde R^\star\big|_{q_d=0}=R^\star",
        source="THEORY 8.3, 11.2 and 11.3",
        check=separate_pricing_keeps_a_queue,
        mutants=(
            Mutant("bundled pricing", lambda: separate_pricing_keeps_a_queue("bundled", BUNDLED)),
        ),
    ),
)
