"""The measured constants of the base instance as exact fractions (THEORY 9.1 and 9.2).

They serve counterexamples: a fault that shows with these figures is one that users meet.
"""

from typing import Any

import sympy as sp

from gnr import rates as formulas
from gnr.proofs.kit.symbols import BATCH, CHUNK, MIXED_TIME, SOLO_TIME

SLOTS = sp.Integer(16)
CHUNK_TOKENS = sp.Integer(256)
SOLO_ITERATION = 1 / sp.Rational("45.45")
"""1/gamma, s; slightly more than the 0.022 s that is printed."""


def constants() -> dict[Any, Any]:
    """Return B, C, tau and 1/gamma of the base instance, for `subs`."""
    mixed = formulas.mixed_iteration_time(
        sp.Rational("0.0174"), sp.Rational("0.000062"), CHUNK_TOKENS
    )
    return {BATCH: SLOTS, CHUNK: CHUNK_TOKENS, MIXED_TIME: mixed, SOLO_TIME: SOLO_ITERATION}


def decode_heavy() -> dict[Any, Any]:
    """Return prompt and output length of the base instance's decode-heavy class, for `subs`."""
    return {sp.Symbol("P_i", positive=True): 300, sp.Symbol("D_i", positive=True): 1000}
