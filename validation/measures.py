"""What a run is worth: revenue, occupancies, fates and latencies from the records of its lanes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gnr.arrays import Floats
from gnr.rates import Rates
from gnr.validation.chain import Flow, Row
from gnr.validation.lanes import Lanes


@dataclass(frozen=True)
class Measures:
    """Per GPU and replication; class arrays have shape ``(classes, replications)``.

    Attributes
    ----------
    prefill, mixed_decode, solo_decode, prefill_queue, decode_queue
        Time averages of the requests at each station, per GPU.
    throughput
        Requests finished, 1/s per GPU.
    prefills
        Prefills finished, 1/s per GPU.
    abandoned_prefill, abandoned_decode
        Requests that left either queue, over the arrivals expected in that time: known, so that a
        class that hardly ever arrives does no harm.
    tpot
        Mean iteration time over the output tokens of the class, s (eq. D9); nan without any.
    """

    prefill: Floats
    mixed_decode: Floats
    solo_decode: Floats
    prefill_queue: Floats
    decode_queue: Floats
    throughput: Floats
    prefills: Floats
    abandoned_prefill: Floats
    abandoned_decode: Floats
    tpot: Floats


def measure(records: Lanes, rates: Rates, gpus: int) -> Measures:
    """Return the measures of the lanes in `records`, counted over their clocks."""
    mean = records.mean_state() / gpus
    flow = records.flow() / gpus
    mixed, solo = mean[:, Row.MIXED_DECODE], mean[:, Row.SOLO_DECODE]
    tokens = mixed / rates.mixed_time + solo / rates.solo_time
    decoding = tokens > 0
    arrivals = rates.arrival_rate[:, None]
    left_decode = flow[:, Flow.DECODE_ABANDONMENTS] + flow[:, Flow.SOLO_QUEUE_ABANDONMENTS]
    return Measures(
        prefill=mean[:, Row.PREFILL],
        mixed_decode=mixed,
        solo_decode=solo,
        prefill_queue=mean[:, Row.PREFILL_QUEUE],
        decode_queue=mean[:, Row.DECODE_QUEUE] + mean[:, Row.SOLO_QUEUE],
        throughput=flow[:, Flow.MIXED_COMPLETIONS] + flow[:, Flow.SOLO_COMPLETIONS],
        prefills=flow[:, Flow.PREFILLS],
        abandoned_prefill=flow[:, Flow.PREFILL_ABANDONMENTS] / arrivals,
        abandoned_decode=left_decode / arrivals,
        tpot=np.where(decoding, (mixed + solo) / np.where(decoding, tokens, 1.0), np.nan),
    )


def bundled_revenue(measures: Measures, rates: Rates) -> Floats:
    """Return what finished requests earn, money/s per GPU (eq. P22); shape ``(replications,)``."""
    return np.asarray(rates.reward @ measures.throughput)


def separate_revenue(measures: Measures, rates: Rates) -> Floats:
    """Return what finished prefills and decodes earn, money/s per GPU (eq. P23)."""
    prompts = rates.prompt_price * rates.prompt_tokens
    outputs = rates.output_price * rates.output_tokens
    return np.asarray(prompts @ measures.prefills + outputs @ measures.throughput)


REVENUE: Mapping[str, Callable[[Measures, Rates], Floats]] = MappingProxyType(
    {"bundled": bundled_revenue, "separate": separate_revenue}
)
"""Revenue under each accounting."""


def conservation_error(before: Floats, records: Lanes) -> Floats:
    """Return requests that appeared from nowhere, shape ``(2, classes, lanes)``; exactly 0.

    Parameters
    ----------
    before
        State at the start of the records, shape ``(classes, 6, lanes)``.
    records
        State at the end and counts between.

    Notes
    -----
    Before the end of prefill: Q_p + X changes by arrivals less abandonments and prefills. After:
    Q_d + Y_m + Y_s changes by prefills less abandonments and completions (eqs. P15-P19).
    """
    change, count = records.state - before, records.count
    early = change[:, Row.PREFILL_QUEUE] + change[:, Row.PREFILL]
    late = change.sum(axis=1) - early
    return np.stack(
        [
            early
            - count[:, Flow.ARRIVALS]
            + count[:, Flow.PREFILL_ABANDONMENTS]
            + count[:, Flow.PREFILLS],
            late
            - count[:, Flow.PREFILLS]
            + count[:, Flow.DECODE_ABANDONMENTS]
            + count[:, Flow.SOLO_QUEUE_ABANDONMENTS]
            + count[:, Flow.MIXED_COMPLETIONS]
            + count[:, Flow.SOLO_COMPLETIONS],
        ]
    )
