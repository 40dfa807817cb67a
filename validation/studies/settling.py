r"""How long a line that nobody leaves takes to settle.

Where somebody leaves, the clocks of the cluster bound how long its past lasts. A line of patient
requests near its capacity remembers far longer: of M/M/c the relaxation time is
:math:`1/(\sqrt{c\mu}-\sqrt\lambda)^2`, and a shorter run sees few of its long waits.

References
----------
J. P. C. Blanc, E. A. van Doorn, Relaxation times for queueing systems, CWI Monographs 1 (1986)
139-162.
"""

import math

from gnr.instance import Instance
from gnr.rates import rates_of

MOST_REQUESTS = 50_000.0
"""Arrivals in the longest relaxation time that is simulated."""


def relaxation_time(
    demanded: Instance, gpus: int, prefill_gpus: int | None, *, disaggregated: bool
) -> float:
    """Return about how long the slower of prefill and decode line takes to settle, s.

    Infinite where a line may grow for ever, and 0 if every class leaves at some rate.

    Parameters
    ----------
    demanded
        The instance with the rates of the whole demand, requests/s.
    gpus, prefill_gpus
        GPUs of the cluster, and how many of them may prefill; None: every one.
    disaggregated
        Whether these never decode.
    """
    if all(each.patience_rate > 0 for each in demanded.classes):
        return 0.0
    rates = rates_of(demanded)
    prefill = float((rates.arrival_rate / rates.prefill).sum())
    decode = float((rates.arrival_rate / rates.solo_decode).sum())
    busy = prefill if prefill_gpus is None else prefill_gpus
    beside = 0 if disaggregated else rates.batch_slots - 1
    slots = rates.batch_slots * (gpus - busy) + beside * busy
    arrivals = float(rates.arrival_rate.sum())
    return max(
        _of_queue(arrivals, prefill, gpus if prefill_gpus is None else prefill_gpus),
        _of_queue(arrivals, decode, slots),
    )


def longest_simulated(demanded: Instance) -> float:
    """Return the longest relaxation time that is waited for, s."""
    return MOST_REQUESTS / sum(each.arrival_rate for each in demanded.classes)


def _of_queue(arrival_rate: float, load: float, servers: float) -> float:
    if load >= servers:
        return math.inf
    return load / arrival_rate / (math.sqrt(servers) - math.sqrt(load)) ** 2
