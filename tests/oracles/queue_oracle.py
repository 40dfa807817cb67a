"""Stationary queues in closed form, from the textbooks, for the tests of the simulators."""

import math


def erlang_a(arrival: float, service: float, patience: float, servers: int) -> dict[str, float]:
    """Return the means of M/M/c+M: the stationary law of its birth-death chain, summed up.

    Requests wait for one of `servers` and leave the line at rate `patience` each.
    """
    weights, log_weight, states = [], 0.0, 40 * servers + 4000
    for k in range(states):
        weights.append(log_weight)
        after = k + 1
        death = min(after, servers) * service + max(after - servers, 0) * patience
        log_weight += math.log(arrival / death)
    top = max(weights)
    law = [math.exp(weight - top) for weight in weights]
    total = sum(law)
    queue = sum(max(k - servers, 0) * p for k, p in enumerate(law)) / total
    busy = sum(min(k, servers) * p for k, p in enumerate(law)) / total
    return {"queue": queue, "busy": busy, "left": patience * queue / arrival}


def erlang_c_queue(arrival: float, service: float, servers: int) -> float:
    """Return the mean line of M/M/c by Erlang's delay formula."""
    load = arrival / service
    head = sum(load**k / math.factorial(k) for k in range(servers))
    tail = load**servers / math.factorial(servers) * servers / (servers - load)
    return tail / (head + tail) * load / (servers - load)


def infinite_servers(arrival: float, service: float) -> tuple[float, float]:
    """Return mean and variance of M/M/infinity: Poisson."""
    return arrival / service, arrival / service
