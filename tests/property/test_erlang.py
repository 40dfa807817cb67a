"""What must hold for every queue: more servers never hurt, more load never helps."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnr.validation.erlang import ErlangQueue
from gnr.validation.staffing import (
    Requirement,
    abandonment_at_most,
    beta_for_delay,
    delay_at_most,
    delay_probability_limit,
    fewest_servers,
    wait_at_most,
)

Promise: TypeAlias = Callable[[float], Requirement]
"""What makes a promise of a share."""

often = settings(max_examples=60, deadline=None, derandomize=True)

SLACK = 1e-11
"""Rounding, relative."""


def logarithmic(low: float, high: float) -> st.SearchStrategy[float]:
    """Return powers of ten between 10^low and 10^high."""
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


patience_rates = st.just(0.0) | logarithmic(-9, 4)
server_numbers = logarithmic(0, 6).map(round)
queues = st.builds(
    lambda servers, use, service, patience: ErlangQueue(
        use * servers * service, service, patience * service, servers
    ),
    server_numbers,
    logarithmic(-2, 0.3) | st.floats(0.95, 1.05),
    logarithmic(-3, 3),
    patience_rates,
)
services = st.just(0.0) | logarithmic(-7, 0.5)
"""Times, in units of a mean service."""


def burdens(queue: ErlangQueue, seconds: float) -> list[float]:
    """Return the measures of which less is better."""
    return [
        queue.delay_probability,
        queue.mean_wait,
        queue.mean_waiting,
        queue.mean_wait_served,
        queue.abandonment_fraction if queue.stable else 1.0,
        queue.offered_wait_tail(seconds),
        queue.served_wait_tail(seconds),
    ]


def assert_lighter(light: ErlangQueue, heavy: ErlangQueue, seconds: float) -> None:
    for less, more in zip(burdens(light, seconds), burdens(heavy, seconds), strict=True):
        assert less <= more * (1 + SLACK) + 1e-300


@often
@given(queues, services, st.integers(1, 50))
def test_more_servers_never_hurt(queue: ErlangQueue, services: float, more: int) -> None:
    larger = replace(queue, servers=queue.servers + more)
    assert_lighter(larger, queue, services / queue.service_rate)


@often
@given(queues, services, st.floats(1.0, 2.0))
def test_more_load_never_helps(queue: ErlangQueue, services: float, times: float) -> None:
    busier = replace(queue, arrival_rate=queue.arrival_rate * times)
    assert_lighter(queue, busier, services / queue.service_rate)
    assert queue.occupancy <= busier.occupancy * (1 + SLACK)


@often
@given(queues, services)
def test_measures_are_of_probabilities(queue: ErlangQueue, services: float) -> None:
    """Tails begin at the delay probability and fall; the served wait no longer than offered."""
    seconds = services / queue.service_rate
    tail, served = queue.offered_wait_tail(seconds), queue.served_wait_tail(seconds)
    assert queue.offered_wait_tail(0) == pytest.approx(queue.delay_probability, rel=SLACK)
    assert 0 <= tail <= queue.delay_probability * (1 + SLACK)
    assert 0 <= served <= tail * (1 + SLACK) <= 1 + 2 * SLACK
    assert 0 < queue.occupancy <= 1 + SLACK
    if queue.stable:
        assert queue.served_share + queue.abandonment_fraction == pytest.approx(1, rel=SLACK)


@often
@given(queues, st.floats(1e-3, 1e3))
def test_the_unit_of_time_does_not_matter(queue: ErlangQueue, unit: float) -> None:
    """The rounding of the rates shows where the queue is at the edge of its capacity."""
    rates = (queue.arrival_rate * unit, queue.service_rate * unit, queue.patience_rate * unit)
    other = ErlangQueue(*rates, servers=queue.servers)
    if abs(1 - queue.arrival_rate / queue.capacity) > 1e-6:
        assert other.delay_probability == pytest.approx(queue.delay_probability, rel=1e-8, abs=0)
        assert other.mean_waiting == pytest.approx(queue.mean_waiting, rel=1e-8, abs=0)


@often
@given(
    logarithmic(-1, 6),
    patience_rates,
    logarithmic(-6, -0.1),
    st.integers(1, 1_000_000),
    st.sampled_from([delay_at_most, abandonment_at_most, lambda p: wait_at_most(0.02, 1 - p)]),
)
def test_the_answer_is_the_fewest_whatever_the_guess(
    load: float, patience: float, share: float, guess: int, promise: Promise
) -> None:
    requirement = promise(share)
    enough = fewest_servers(load, 1, patience, requirement)
    assert requirement(ErlangQueue(load, 1, patience, enough))
    assert enough == 1 or not requirement(ErlangQueue(load, 1, patience, enough - 1))
    assert fewest_servers(load, 1, patience, requirement, first_guess=guess) == enough


@often
@given(logarithmic(-12, -0.01), patience_rates)
def test_beta_is_the_inverse_of_the_limit(probability: float, ratio: float) -> None:
    beta = beta_for_delay(probability, ratio)
    assert delay_probability_limit(beta, ratio) == pytest.approx(probability, rel=1e-9)
