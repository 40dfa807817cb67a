"""Random feasible points of the programs, for tests."""

import numpy as np

from gnr.models.point import Point
from gnr.rates import Rates


def random_feasible_point(rng: np.random.Generator, rates: Rates) -> Point:
    """Return a feasible point of (P40), all theta > 0: shares of what there is room for."""
    prefill = rng.random(rates.classes) * rates.full_prefill
    prefill *= rng.random() / max(1.0, prefill.sum())
    used = prefill.sum()
    mixed = rng.dirichlet(np.ones(rates.classes)) * (rates.batch_slots - 1) * used
    solo = rng.dirichlet(np.ones(rates.classes)) * rates.batch_slots * (1 - used)
    decoded = rates.mixed_decode * mixed + rates.solo_decode * solo
    started = rates.prefill * prefill
    fit = np.minimum(1.0, rng.random(rates.classes) * started / decoded)
    mixed, solo = fit * mixed, fit * solo
    return Point(
        prefill,
        mixed,
        solo,
        (rates.arrival_rate - started) / rates.patience_rate,
        (started - rates.mixed_decode * mixed - rates.solo_decode * solo) / rates.patience_rate,
    )
