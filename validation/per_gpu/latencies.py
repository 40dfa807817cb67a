"""How long requests took, from the sums and histograms of a per-GPU run."""

import numpy as np

from gnr.arrays import Floats
from gnr.validation.chain import Flow
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.engine import PerGpuLanes

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

TIMES = {
    "ttft": at.TTFT_BINS,
    "tpot": at.TPOT_BINS,
    "end_to_end": at.END_TO_END_BINS,
}
"""Times that have a histogram."""

EDGES = np.exp2(
    at.LOWEST_OCTAVE
    + np.floor(np.arange(at.BINS + 1) / at.BINS_PER_OCTAVE)
    + np.log2(1 + np.arange(at.BINS + 1) % at.BINS_PER_OCTAVE / at.BINS_PER_OCTAVE)
)
"""Ends of the bins, s: every power of two in 32 equal parts, so 3 % wide at most."""


def latencies(records: PerGpuLanes) -> dict[str, Floats]:
    """Return each latency, shape ``(classes + 1, replications)``; the last row is all classes.

    Keys as in `gnr.simulation.Latency`; nan where no request came that far. A mean is over the
    requests that reached the end of what is timed within the window: waits of requests that left
    are not in it.
    """
    sums = _and_all(records.sums)
    count = _and_all(records.count)
    prefills = count[:, Flow.PREFILLS]
    done = count[:, Flow.MIXED_COMPLETIONS] + count[:, Flow.SOLO_COMPLETIONS]
    decodes = sums[:, at.DECODE_STARTS]
    found = {
        "wait_prefill": _ratio(sums[:, at.WAIT_PREFILL], sums[:, at.STARTS]),
        "wait_decode": _ratio(sums[:, at.WAIT_DECODE], decodes),
        "ttft": _ratio(sums[:, at.TTFT], prefills),
        "end_to_end": _ratio(sums[:, at.END_TO_END], done),
        "kv_transfers": _ratio(sums[:, at.TRANSFERS], decodes),
    }
    bins = _and_all(records.bins.astype(float))
    for name, histogram in TIMES.items():
        cumulative = np.cumsum(bins[:, histogram], axis=1)
        for label, share in QUANTILES.items():
            found[f"{name}_{label}"] = quantile(cumulative, share)
    return found


def _and_all(values: Floats) -> Floats:
    """Append the sum over the classes, the first axis."""
    return np.concatenate([values, values.sum(axis=0, keepdims=True)])


def _ratio(total: Floats, number: Floats) -> Floats:
    return np.where(number > 0, total / np.where(number > 0, number, 1.0), np.nan)


def quantile(cumulative: Floats, share: float) -> Floats:
    """Return quantiles of histograms, shape ``(classes, bins, lanes)``, linear within a bin."""
    found = np.full((cumulative.shape[0], cumulative.shape[2]), np.nan)
    for i, lane in np.ndindex(*found.shape):
        rising = cumulative[i, :, lane]
        if rising[-1] > 0:
            target = share * rising[-1]
            place = int(np.searchsorted(rising, target))
            below = rising[place - 1] if place else 0.0
            part = (target - below) / (rising[place] - below)
            found[i, lane] = EDGES[place] + part * (EDGES[place + 1] - EDGES[place])
    return found
