"""Promises on percentiles if no request ever waited: no number of GPUs does better."""

from collections.abc import Sequence

import numpy as np
from scipy import special

from gnr.arrays import Floats
from gnr.latency_promise import LatencyPromise
from gnr.rates import Rates


def spare(rates: Rates, promise: LatencyPromise, names: Sequence[str]) -> Floats:
    """Return by how much a promise would be kept if nobody waited, above 0 if it would be.

    For times per token it is the bound less the shortest iteration, s; for other times what may be
    above the bound less what is, as shares of the requests. Prefill and decode of a request take
    independent exponential times, as in first guesses, and decodes are at the higher speed.

    Parameters
    ----------
    rates
        Of a batch of demands; class arrays have shape ``(..., classes)``.
    promise
        The promise.
    names
        Names of the classes.

    Returns
    -------
    Shape ``(...)``.
    """
    if promise.latency == "tpot":
        shortest = np.minimum(rates.mixed_time, rates.solo_time)
        return np.broadcast_to(promise.at_most - shortest, (*rates.prefill.shape[:-1], 1))[..., 0]
    owned = [promise.class_name in (None, name) for name in names]
    shares = rates.arrival_rate * owned
    tail = _tail(rates, promise.at_most, to_the_end=promise.latency == "end_to_end")
    above: Floats = (shares * tail).sum(axis=-1) / shares.sum(axis=-1)
    return promise.share_above - above


def _tail(rates: Rates, seconds: float, *, to_the_end: bool) -> Floats:
    r"""Return the probability of longer times by class, shape ``(..., classes)``.

    Of prefill and decode together, :math:`e^{-at}+a\int_0^te^{-as}e^{-b(t-s)}ds`.
    """
    prefilling = np.asarray(np.exp(-rates.prefill * seconds))
    if not to_the_end:
        return prefilling
    decode = np.maximum(rates.mixed_decode, rates.solo_decode)
    both = special.exprel((decode - rates.prefill) * seconds)
    return np.asarray(prefilling + rates.prefill * seconds * np.exp(-decode * seconds) * both)
