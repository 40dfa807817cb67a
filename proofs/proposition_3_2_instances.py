r"""Ledger 8.3, instances: what fails below the threshold, and under separate pricing."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.exact_instances import maximum
from gnr.proofs.kit.numbers import Numbers, base_instance, stated
from gnr.proofs.kit.steady_state import Program, program
from gnr.proofs.kit.symbols import STATE, general_class
from gnr.proofs.kit.totals import Total

BUNDLED = sp.Rational(120364470720, 404310343)
SEPARATE = sp.Rational(1194346227, 4000000)
"""Optima of the base instance, money/s per GPU."""


def slow_solo_instance(solo_time: int) -> Numbers:
    """Return one class on GPUs with two slots, more than can be decoded; kappa is 1/solo_time."""
    return stated(
        prompt=(1,),
        output=(2,),
        arrivals=(1,),
        patience=(1,),
        base=sp.Integer(0),
        per_chunk_token=sp.Integer(1),
        decode_only=sp.Integer(solo_time),
        batch=2,
        chunk=1,
        prices=(sp.Integer(1), sp.Integer(1)),
    )


def best(numbers: Numbers, scheme: str = "bundled", *, queue: bool = True) -> Fraction:
    """Return the optimum of (P40) or (P42), of which a certificate was checked.

    `queue` says whether requests may wait for decode.
    """
    state = STATE if queue else replace(STATE, decode_buffer=sp.Integer(0))
    rows = program(general_class(), state)
    return _most(numbers, rows, getattr(rows, scheme))


def longest_queue(numbers: Numbers) -> Fraction:
    """Return the largest decode queue at an optimum of (P40), requests per GPU."""
    rows = program(general_class())
    return _most(numbers, rows, Total(STATE.decode_buffer), [rows.bundled - best(numbers)])


def _most(numbers: Numbers, rows: Program, goal: Any, besides: Any = ()) -> Fraction:
    """Return the maximum of `goal` over the points of a program, `besides` being nonnegative."""
    return maximum(
        sp.expand(numbers.of(goal)),
        [sp.expand(numbers.of(each)) for each in (*rows.rooms, *besides)],
        [
            sp.expand(value)
            for balance in (rows.prefill_balance, rows.decode_balance)
            for value in numbers.of_each(balance)
        ],
    )


def a_queue_pays_below_the_threshold(solo_time: int = 4) -> Finding:
    """Compare the optimum with the decode queue free, and with it at 0, on one exact instance."""
    numbers = slow_solo_instance(solo_time)
    free, empty = best(numbers), best(numbers, queue=False)
    told = (
        f"one class, B = 2, kappa = 1/{solo_time}, D = 2, all else 1: the optimum is "
        f"{free} with q_d free, {empty} with q_d = 0"
    )
    return proved(told) if free > empty else refuted(told)


def no_optimum_has_a_queue(solo_time: int) -> Finding:
    """Maximise the decode queue among the optima of one exact instance."""
    queue = longest_queue(slow_solo_instance(solo_time))
    told = f"one class, B = 2, kappa = 1/{solo_time}, D = 2, all else 1: an optimum has q_d = "
    return proved(told + "0") if queue == 0 else refuted(f"{told}{queue}")


def separate_pricing_keeps_a_queue(
    scheme: str = "separate", expected: sp.Rational = SEPARATE
) -> Finding:
    """Compare optima of the base instance, with the decode queue free and with it at 0."""
    numbers = base_instance()
    free, empty = best(numbers, scheme), best(numbers, scheme, queue=False)
    told = f"{_figure(free)} with q_d free exceeds {_figure(empty)} with q_d = 0"
    return all_of(
        equal(free, expected, f"{scheme}, q_d free: {_figure(expected)}"),
        equal(empty, BUNDLED, f"{scheme}, q_d = 0: {_figure(BUNDLED)}"),
        equal(best(numbers), BUNDLED, f"bundled, q_d free: {_figure(BUNDLED)}"),
        proved(told) if free > empty else refuted(f"not so: {told}"),
    )


def _figure(value: Any) -> str:
    return f"{value} = {float(value):.10f}"


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
