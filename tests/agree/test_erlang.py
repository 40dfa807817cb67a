"""Queues and their staffing against balance equations and the chain of one request in line."""

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest

from gnr.validation.erlang import ErlangQueue
from gnr.validation.staffing import (
    abandonment_at_most,
    beta_for_delay,
    delay_at_most,
    delay_probability_limit,
    fewest_servers,
    square_root_staffing,
    wait_at_most,
)
from oracles.erlang_oracle import (
    RequestInLine,
    abandoned,
    delay_formula,
    large_queue,
    line_law,
)
from oracles.queue_oracle import erlang_a

SERVICE = 0.8
QUEUES = [
    ErlangQueue(use * servers * SERVICE, SERVICE, patience, servers)
    for servers, use, patience in itertools.product(
        (1, 2, 12), (0.02, 0.6, 1.0, 2.5), (0.0, 0.01, 0.8, 30.0)
    )
    if patience >= 0.8 or use < 1
]
TIMES = (0.0, 0.1, 2.0)
EXACT = 1e-9
"""Relative; the oracle's matrix exponentials keep 1e-15 of 1."""
LOADS = (Fraction(1, 2), Fraction(3), Fraction(8), Fraction(20))
SHARES = (Fraction(1, 2), Fraction(1, 5), Fraction(1, 100), Fraction(1, 10**6))


def numbers(queue: ErlangQueue) -> tuple[float, float, float, int]:
    """Return the parameters, as the oracles take them."""
    return queue.arrival_rate, queue.service_rate, queue.patience_rate, queue.servers


def measured(queue: ErlangQueue) -> dict[str, float]:
    """Return all measures by name."""
    tails = {f"offered {t}": queue.offered_wait_tail(t) for t in TIMES}
    tails |= {f"served {t}": queue.served_wait_tail(t) for t in TIMES}
    return tails | {
        "delay": queue.delay_probability,
        "served": queue.served_share,
        "wait": queue.mean_wait,
        "wait of served": queue.mean_wait_served,
        "left": queue.abandonment_fraction,
        "line": queue.mean_waiting,
        "busy": queue.occupancy * queue.servers,
    }


def by_definition(queue: ErlangQueue) -> dict[str, float]:
    """Return the same from the two oracles."""
    request = RequestInLine(*numbers(queue))
    means = erlang_a(*numbers(queue))
    tails = {f"offered {t}": request.offered_tail(t) for t in TIMES}
    tails |= {f"served {t}": request.served_tail(t) for t in TIMES}
    return tails | {
        "delay": request.start.sum(),
        "served": request.served,
        "wait": request.mean_wait(),
        "wait of served": request.mean_wait_served(),
        "left": means["left"],
        "line": means["queue"],
        "busy": means["busy"],
    }


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: str(numbers(queue)))
def test_measures_are_those_of_the_definition(queue: ErlangQueue) -> None:
    """The line, the means and the whole law of both waits; 1 % in the service rate is found."""
    known = by_definition(queue)
    agreed = {name: pytest.approx(each, rel=EXACT, abs=1e-14) for name, each in known.items()}
    assert measured(queue) == agreed
    faulty = measured(replace(queue, service_rate=1.01 * queue.service_rate))
    assert [name for name, each in faulty.items() if each != agreed[name]]


@pytest.mark.parametrize("patience", [Fraction(1, 10), Fraction(1), Fraction(25)])
@pytest.mark.parametrize("servers", [1, 4, 15])
def test_measures_are_those_of_exact_fractions(servers: int, patience: Fraction) -> None:
    load = Fraction(6)
    queue = ErlangQueue(6, 1, float(patience), servers)
    free, _ = line_law(load, Fraction(1), patience, servers)
    left = abandoned(load, Fraction(1), patience, servers)
    assert queue.delay_probability == pytest.approx(float(1 - free), rel=1e-12)
    assert queue.abandonment_fraction == pytest.approx(float(left), rel=1e-12)


@pytest.mark.parametrize("servers", [9_700, 10_000, 10_200, 12_000])
def test_large_queues(servers: int) -> None:
    """Ten thousand erlang: the sums over all states in logarithms."""
    for patience in (0.2, 5.0):
        queue = ErlangQueue(1e4, 1, patience, servers)
        delay, left = large_queue(1e4, patience, servers)
        assert queue.delay_probability == pytest.approx(delay, rel=1e-8)
        assert queue.abandonment_fraction == pytest.approx(left, rel=1e-8)
    queue = ErlangQueue(1e4, 1, 0, servers)
    assert queue.delay_probability == pytest.approx(delay_formula(1e4, servers), rel=1e-9)


def test_next_to_no_impatience_is_none() -> None:
    """A million servers; the smallest patience rates do not disturb."""
    endless = measured(ErlangQueue(998_500, 1, 0, 1_000_000))
    for patience in (1e-300, 1e-18):
        nearly = measured(ErlangQueue(998_500, 1, patience, 1_000_000))
        assert nearly == {name: pytest.approx(each, abs=1e-12) for name, each in endless.items()}


@pytest.mark.parametrize("load", LOADS, ids=str)
@pytest.mark.parametrize("share", SHARES, ids=str)
def test_staffing_is_that_of_exact_fractions(load: Fraction, share: Fraction) -> None:
    """The first number of servers, one by one from 1, that keeps the promise, in fractions."""
    one, patience = Fraction(1), Fraction(1, 3)
    plain = next(c for c in itertools.count(1) if delay_formula(load, c) <= share)
    assert fewest_servers(float(load), 1, 0, delay_at_most(float(share))) == plain
    impatient = next(
        c for c in itertools.count(1) if 1 - line_law(load, one, patience, c)[0] <= share
    )
    rates = (float(load), 1.0, float(patience))
    assert fewest_servers(*rates, delay_at_most(float(share))) == impatient
    staying = next(c for c in itertools.count(1) if abandoned(load, one, patience, c) <= share)
    assert fewest_servers(*rates, abandonment_at_most(float(share))) == staying


def test_a_tie_of_fractions_is_kept() -> None:
    """The share that two servers keep exactly is kept by two, as by Erlang's own fraction."""
    for load in LOADS[:1] + tuple(Fraction(k, 7) for k in range(1, 14)):
        share = float(delay_formula(load, 2))
        assert fewest_servers(float(load), 1, 0, delay_at_most(share)) == 2


@pytest.mark.parametrize("load", [40.0, 600.0, 10_000.0])
@pytest.mark.parametrize("share", [0.49957, 0.02, 1e-5])
def test_staffing_of_large_queues_is_the_fewest(load: float, share: float) -> None:
    """By the oracles the answer is enough and one less is not; 1 % in the service rate shows."""
    plain = fewest_servers(load, 1, 0, delay_at_most(share))
    assert delay_formula(load, plain) <= share < delay_formula(load, plain - 1)
    for patience in (0.2, 5.0):
        delay = fewest_servers(load, 1, patience, delay_at_most(share))
        left = fewest_servers(load, 1, patience, abandonment_at_most(share))
        fewer = [large_queue(load, patience, c - 1) for c in (delay, left)]
        assert large_queue(load, patience, delay)[0] <= share < fewer[0][0]
        assert large_queue(load, patience, left)[1] <= share < fewer[1][1]
        if load > 100:
            assert fewest_servers(load, 1.01, patience, delay_at_most(share)) < delay
            assert fewest_servers(load, 1.01, patience, abandonment_at_most(share)) < left


@pytest.mark.parametrize("patience", [0.0, 0.2, 4.0])
@pytest.mark.parametrize("load", [0.5, 8.0, 30.0])
def test_staffing_for_waits_is_the_fewest(load: float, patience: float) -> None:
    """By the chain of one request; a queue that cannot be stable keeps no promise."""
    for seconds, share in [(0.0, 0.8), (0.1, 0.99)]:
        enough = fewest_servers(load, 1, patience, wait_at_most(seconds, share))
        tail = RequestInLine(load, 1, patience, enough).served_tail(seconds)
        assert tail <= 1 - share
        if enough > 1 and (patience > 0 or enough - 1 > load):
            fewer = RequestInLine(load, 1, patience, enough - 1).served_tail(seconds)
            assert fewer > 1 - share


@pytest.mark.parametrize("patience", [0.0, 0.5, 6.0])
def test_the_square_root_law_is_the_limit(patience: float) -> None:
    """The error of the delay probability falls as 1 / sqrt R; the first guess is a few off."""
    for beta in (0.3, 1.2):
        gaps = []
        for root in (100, 1000):
            servers = square_root_staffing(root**2, beta)
            queue = ErlangQueue(root**2, 1, patience, servers)
            gaps.append(abs(queue.delay_probability - delay_probability_limit(beta, patience)))
        assert gaps[1] < gaps[0] / 5 < 0.01
    guess = square_root_staffing(1e4, beta_for_delay(0.2, patience))
    assert abs(guess - fewest_servers(1e4, 1, patience, delay_at_most(0.2))) <= 2
