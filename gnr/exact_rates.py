"""The rates of an instance as exact fractions."""

from fractions import Fraction
from typing import Any

from gnr.instance import Instance
from gnr.rates import Rates, compute_rates


def exact(value: float) -> Fraction:
    """Return a number of an instance as a fraction: the shortest decimal that denotes its double.

    ``0.1`` in a file is a double once it is read, and 1/10 here, not the double's binary value.
    Digits beyond those a double holds are dropped.
    """
    return Fraction(repr(float(value)))


def exact_rates(instance: Instance, **replaced: Fraction) -> Rates:
    """Return the rates of an instance in fractions; class arrays are object arrays, ``(classes,)``.

    Parameters
    ----------
    instance
        Each of its numbers is taken as the shortest decimal that denotes its double.
    replaced
        Values of the GPU or prices to use instead, by their names in `compute_rates`, for those
        that no file can hold, as in ``decode_only=Fraction(20, 909)``.

    Notes
    -----
    `Rates.mixing_cost` rounds: do not use it with fractions.
    """
    import numpy as np

    def column(field: str) -> Any:
        return np.array([exact(getattr(each, field)) for each in instance.classes], dtype=object)

    time = instance.gpu.iteration_time
    numbers = {
        "batch_slots": exact(instance.gpu.batch_slots),
        "chunk_tokens": exact(instance.gpu.chunk_tokens),
        "base": exact(time.base),
        "per_chunk_token": exact(time.per_chunk_token),
        "decode_only": exact(time.decode_only),
        "prompt_price": exact(instance.prices.prompt_token),
        "output_price": exact(instance.prices.output_token),
    }
    columns = ("prompt_tokens", "output_tokens", "arrival_rate", "patience_rate")
    return compute_rates(**(numbers | replaced), **{field: column(field) for field in columns})
