"""The law of the iteration time, compiled: `gnr.batch_law.BatchLaw` as a row of numbers."""

from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.batch_law import BatchLaw
from gnr.validation.per_gpu.structures import inlined

PARAMETERS = (
    "base",
    "per_decode",
    "per_context_token",
    "with_chunk",
    "per_chunk_token",
    "free_tokens",
    "decode_weight",
    "per_token_pair",
    "per_context_token_with_chunk",
)
"""Fields of `BatchLaw`, in the order of the row."""

BASE, DECODE, CONTEXT, WITH_CHUNK, CHUNK, FREE, WEIGHT, PAIR, CONTEXT_WITH_CHUNK = range(9)


def row_of_law(law: BatchLaw) -> Floats:
    """Return the parameters of a law, shape ``(9,)``, columns as `PARAMETERS`."""
    return np.array([getattr(law, name) for name in PARAMETERS], float)


@inlined
def iteration_time(law: Any, chunk: float, prefix: float, decodes: float, context: float) -> float:
    """Return the time of an iteration, s; `chunk` is 0 where no prompt is processed.

    Parameters
    ----------
    law
        As from `row_of_law`.
    chunk, prefix
        C, and the tokens of the same prompt that were processed before, F.
    decodes, context
        n, and the tokens of context of all of them, K.
    """
    time: float = law[BASE] + law[DECODE] * decodes + law[CONTEXT] * context
    if chunk > 0.0:
        before = law[WEIGHT] * decodes - law[FREE]
        above = max(chunk + before, 0.0) - max(before, 0.0)
        time += law[WITH_CHUNK] + law[CHUNK] * above
        time += law[PAIR] * chunk * (prefix + 0.5 * chunk) + law[CONTEXT_WITH_CHUNK] * context
    return time
