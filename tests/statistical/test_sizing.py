"""Sizing held against queues whose staffing is known exactly.

The seeds are fixed: a run either finds the known number of GPUs or does not. The promises are far
enough from what one GPU fewer or more would keep that the pilot's noise cannot decide (more than
five standard errors), which the oracle's values in each test show.
"""

import math

import pytest
from sized import PREFILL, RATE, demand, one_station

from gnr.latency_promise import read_promises
from gnr.validation.policies import find_policy
from gnr.validation.statistics import Verdict
from gnr.validation.studies import size_claims
from gnr.validation.studies.sizing import size
from gnr.validation.studies.trials import CLAIM, Size, Task, Trial

LOAD = RATE * PREFILL


def waiting_probability(servers: int) -> float:
    """Return Erlang's C by its definition, terms of the Poisson law."""
    terms = [math.exp(k * math.log(LOAD) - math.lgamma(k + 1)) for k in range(servers)]
    last = math.exp(servers * math.log(LOAD) - math.lgamma(servers + 1))
    last *= servers / (servers - LOAD)
    return last / (sum(terms) + last)


def late(servers: int, seconds: float) -> float:
    """Return P(W + S > t) of M/M/c: the exponential law of S folded with that of W."""
    if servers <= LOAD:
        return 1.0
    drain, mu = (servers - LOAD) / PREFILL, 1 / PREFILL
    at_once = math.exp(-mu * seconds)
    if math.isclose(drain, mu):
        folded = (1 + mu * seconds) * at_once
    else:
        folded = (drain * at_once - mu * math.exp(-drain * seconds)) / (drain - mu)
    waits = waiting_probability(servers)
    return (1 - waits) * at_once + waits * folded


def leaving(servers: int, patience_rate: float) -> float:
    """Return the share that leaves M/M/c+M, from the detailed balance of the first 2,000 states."""
    weight, total, lost = 1.0, 1.0, 0.0
    for k in range(1, 2000):
        waiting = max(k - servers, 0)
        weight *= RATE / (min(k, servers) / PREFILL + waiting * patience_rate)
        total += weight
        lost += weight * waiting * patience_rate
    return lost / total / RATE


def sized(patience_rate: float, promise: str, policy: str) -> tuple[int, int]:
    """Return the first guess and the size found of the GPUs that prefill."""
    instance = one_station(patience_rate)
    (found,) = size(instance, demand(), [promise], policies=[policy]).policies
    assert found.status == "found"
    assert found.gpus is not None
    assert found.smaller is not None
    assert found.smaller.fails == "yes"
    others = found.gpus - (found.prefill_gpus or found.gpus)
    assert others == (1 if policy == "disaggregated" else 0), "one GPU decodes for all"
    return found.first_guess - others, found.gpus - others


@pytest.mark.parametrize("policy", ["fcfs-immediate", "disaggregated"])
def test_the_staffing_of_a_line_that_nobody_leaves(policy: str) -> None:
    """M/M/c, at most 5 % later than 3.7 s: 22 servers (3.8 %), for 21 have 9.4 %."""
    assert late(21, 3.7) > 0.08 > 0.05 > 0.045 > late(22, 3.7)
    assert sized(0.0, "p95_ttft=3.7", policy) == (22, 22)


@pytest.mark.parametrize("policy", ["fcfs-immediate", "disaggregated"])
def test_the_staffing_of_a_line_that_the_impatient_leave(policy: str) -> None:
    """Erlang-A, at most 2.1 % leave: 24 servers (1.7 %), for 23 have 2.6 %."""
    assert leaving(23, 0.5) > 0.025 > 0.021 > 0.0175 > leaving(24, 0.5)
    assert sized(0.5, "abandonment_fraction=0.021", policy) == (24, 24)


@pytest.mark.parametrize(("servers", "verdict"), [(22, Verdict.YES), (21, Verdict.NO)])
def test_a_server_too_few_is_not_claimed_to_be_enough(servers: int, verdict: Verdict) -> None:
    """The planted fault: a cluster that breaks its promise is told from one that keeps it."""
    instance = one_station(0.0)
    percentiles, promises = read_promises(["p95_ttft=3.7"], instance)
    task = Task(
        demand().instance_for(instance, 1), find_policy("fcfs-immediate"), percentiles, promises
    )
    trial = Trial(task, Size(servers), CLAIM)
    assert size_claims.keeps(trial, 0.05).verdict is verdict
