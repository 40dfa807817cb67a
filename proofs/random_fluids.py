"""Fluid paths of the decode side on random instances: they support, they prove nothing."""

from typing import Any

import numpy as np

INSTANCES = 200
CLASSES = 3
HORIZON, STEP = 60.0, 0.02
"""In units of a typical decode time."""


def largest_buffer_left(seed: int = 11, load: float = 1.0) -> float:
    """Return the largest decode buffer at the horizon, per decode slot.

    Each instance draws decode rates, speed ratio, patience, class mix and slots; decode work
    arrives at `load` times the capacity. It starts with a random class holding all slots and
    another filling a buffer twice as large. Served in proportion to the counts, solo slots first.
    """
    draw = np.random.default_rng(seed)

    def one(low: float, high: float) -> Any:
        return draw.uniform(low, high, (INSTANCES, 1))

    shape = (INSTANCES, CLASSES)
    mixed_rate = np.exp(draw.uniform(np.log(0.2), np.log(2.0), shape))
    kappa, solo, patience = one(0.5, 3.0), one(0.1, 0.9), draw.uniform(0.2, 2.0, shape)
    mixed = 1.0 - solo
    work = draw.dirichlet(np.ones(CLASSES), INSTANCES)
    arrivals = load * work * (mixed + kappa * solo) * mixed_rate
    holder, waiter = (np.eye(CLASSES)[draw.integers(CLASSES, size=INSTANCES)] for _ in range(2))
    y_m, y_s, queue = holder * mixed, holder * solo, 2.0 * waiter
    for _ in range(round(HORIZON / STEP)):
        queue = queue + STEP * (arrivals - patience * queue)
        y_m = y_m - STEP * mixed_rate * y_m
        y_s = y_s - STEP * kappa * mixed_rate * y_s
        for pool, slots in ((y_s, solo), (y_m, mixed)):
            waiting = queue.sum(1, keepdims=True)
            free = slots - pool.sum(1, keepdims=True)
            taken = np.minimum(free / np.maximum(waiting, 1e-300), 1.0) * queue
            pool += taken
            queue = queue - taken
    return float(queue.sum(1).max())
