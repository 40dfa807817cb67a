"""Many-server queues from the definition: balance equations, and the chain of one request in line.

Rates may be fractions; the laws are then exact but for a rest of 1e-24.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TypeVar

import numpy as np
from scipy.linalg import expm

Number = TypeVar("Number", float, Fraction)


def delay_formula(load: Number, servers: int) -> Number:
    """Return Erlang's C from his B, by the recursion in the number of servers."""
    if load >= servers:
        return load / load
    blocked = load / load
    for c in range(1, servers + 1):
        blocked = load * blocked / (c + load * blocked)
    use = load / servers
    return blocked / (1 - use * (1 - blocked))


def line_weights(
    arrival: Number, service: Number, patience: Number, servers: int
) -> Iterator[Number]:
    """Yield the stationary weights of 0, 1, 2, ... in line, all servers busy."""
    weight, line = arrival / arrival, 0
    while True:
        yield weight
        line += 1
        weight = weight * arrival / (servers * service + line * patience)


def line_law(
    arrival: Number, service: Number, patience: Number, servers: int
) -> tuple[Number, list[Number]]:
    """Return the probability of a free server and those of 0, 1, ... in line, no server free."""
    weight = one = arrival / arrival
    free = arrival - arrival
    for busy in range(servers, 0, -1):  # down from all busy
        weight = weight * busy * service / arrival
        free += weight
    line, total = [], one * 0
    for each in line_weights(arrival, service, patience, servers):
        line.append(each)
        total += each
        falling = arrival < servers * service + len(line) * patience
        if falling and each < Fraction(1, 10**24) * total:
            break
    return free / (free + total), [each / (free + total) for each in line]


def abandoned(arrival: Number, service: Number, patience: Number, servers: int) -> Number:
    """Return the share of the arrivals that leave the line: by rate, not by count."""
    _, line = line_law(arrival, service, patience, servers)
    return patience * sum(j * p for j, p in enumerate(line)) / arrival


def large_queue(load: float, patience: float, servers: int) -> tuple[float, float]:
    """Return delay and abandonment with service rate 1 and `patience` > 0, summed in logarithms."""
    rates = np.arange(1, servers + math.ceil(4 * load / patience) + 2000, dtype=np.float64)
    deaths = np.minimum(rates, servers) + patience * np.maximum(rates - servers, 0)
    logs = np.append(0.0, np.cumsum(np.log(load / deaths)))
    law = np.exp(logs - logs.max())
    law /= law.sum()
    line = law[servers:]
    return float(line.sum()), float(patience * (line @ np.arange(len(line))) / load)


class RequestInLine:
    """What becomes of one arrival: the requests ahead of it go, and it may go itself.

    It sees the stationary law. With j ahead of it in line the next of them, or the first server,
    makes way at rate c mu + j theta; it gives up at rate theta.
    """

    def __init__(self, arrival: float, service: float, patience: float, servers: int) -> None:
        self.free, line = line_law(arrival, service, patience, servers)
        self.start = np.array(line)
        ahead = np.arange(len(line))
        way = servers * service + patience * ahead
        self.patient = np.diag(way[1:], -1) - np.diag(way)
        self.mortal = self.patient - patience * np.eye(len(line))
        into_service = np.where(ahead == 0, way, 0.0)
        self.reaches_service = np.linalg.solve(-self.mortal, into_service)
        self.served = self.free + float(self.start @ self.reaches_service)

    def offered_tail(self, seconds: float) -> float:
        """Return the probability that it would wait longer, had it endless patience."""
        return float((self.start @ expm(self.patient * seconds)).sum())

    def served_tail(self, seconds: float) -> float:
        """Return the probability that it waits longer, given that it is served."""
        waiting = self.start @ expm(self.mortal * seconds)
        return float(waiting @ self.reaches_service) / self.served

    def mean_wait_served(self) -> float:
        """Return its mean wait, given that it is served."""
        onward = np.linalg.solve(-self.mortal, self.reaches_service)
        return float(self.start @ onward) / self.served

    def mean_wait(self) -> float:
        """Return its mean time in line, whether it is served or gives up."""
        return float(self.start @ np.linalg.solve(-self.mortal, np.ones(len(self.start))))
