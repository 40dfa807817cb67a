"""The prefill gate in the fluid model, where every prefill slot is taken, in exact numbers."""

from collections.abc import Sequence
from typing import Any

import sympy as sp

from gnr.proofs.kit.drift import CONTROLS, drift
from gnr.proofs.kit.numbers import Numbers, stated
from gnr.proofs.kit.symbols import STATE, State, general_class

R = sp.Rational
TARGET = sp.Symbol("x_star_i", nonnegative=True)
"""Planned prefill occupancy of class i."""


def admissions(
    waiting: Sequence[Any], arriving: Sequence[Any], freed: Any, index: Sequence[Any]
) -> list[Any]:
    """Return how fast each class is admitted, 1/s per GPU.

    Freed slots go to classes in the order of `index`. One that waits takes all that is left, one
    whose queue is empty no more than arrives.

    Raises
    ------
    ValueError
        If two classes tie: the rule then depends on more than the state.
    """
    if len(set(index)) < len(index):
        raise ValueError("classes tie at the gate")
    admitted, left = [sp.Integer(0)] * len(index), freed
    for k in sorted(range(len(index)), key=index.__getitem__):
        admitted[k] = left if waiting[k] > 0 else min(left, arriving[k])
        left -= admitted[k]
    return admitted


def crowded_state() -> Numbers:
    """Return three classes with full slots, the one furthest below target without a queue.

    All classes are planned to wait: lambda_i > mu_p,i x_i*.
    """
    chunk = 256
    instance = stated(
        prompt=(8000, 8000, 2000),
        output=(100, 100, 100),
        arrivals=(R(15, 100), R(1, 5), R(1, 2)),
        patience=(R(1, 10), R(1, 10), R(1, 10)),
        base=R(8, 1000),
        per_chunk_token=R(24, 1000) / chunk,
        decode_only=R(2, 100),
        chunk=chunk,
    )
    nobody, short = sp.Integer(0), R(1, 100)
    return instance.at(
        [
            State(nobody, R(5, 100), *[nobody] * 3),
            State(short, R(12, 100), *[nobody] * 3),
            State(short, R(13, 100), *[nobody] * 3),
        ]
    ).and_columns({TARGET: [R(1, 10)] * 3})


def gated(here: Numbers) -> Numbers:
    """Return a state together with what the gate admits in it, by relative occupancy."""
    model = general_class()
    idle = drift(model, STATE).prefill.xreplace({CONTROLS["U_p"]: sp.Integer(0)})
    taken = admissions(
        here.of_each(STATE.prefill_queue),
        here.of_each(model.rates.arrival_rate),
        -sum(here.of_each(idle)),
        here.of_each(STATE.prefill / TARGET),
    )
    return here.and_columns({CONTROLS["U_p"]: taken})
