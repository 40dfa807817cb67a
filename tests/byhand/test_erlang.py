"""Queues and their staffing worked out on paper; the working stands in the docstrings."""

import math

import pytest

from gnr.validation.erlang import ErlangQueue
from gnr.validation.staffing import (
    Requirement,
    abandonment_at_most,
    beta_for_delay,
    delay_at_most,
    delay_probability_limit,
    fewest_servers,
    square_root_staffing,
    wait_at_most,
)

E = math.e


def exactly(value: float) -> object:
    """Return what a measure must equal: `value` up to rounding."""
    return pytest.approx(value, rel=1e-12, abs=0)


def test_one_server() -> None:
    """M/M/1, lambda = 1, mu = 2: P(W > t) = rho e^-(mu - lambda)t = e^-t / 2, mean wait 1/2."""
    queue = ErlangQueue(1, 2, 0, 1)
    assert queue.delay_probability == exactly(1 / 2)
    assert queue.mean_wait == exactly(1 / 2)
    assert queue.mean_wait_served == exactly(1 / 2)
    assert queue.mean_waiting == exactly(1 / 2)
    assert queue.occupancy == exactly(1 / 2)
    assert queue.abandonment_fraction == 0
    for seconds in (0, 1, 30):
        assert queue.offered_wait_tail(seconds) == exactly(math.exp(-seconds) / 2)
        assert queue.served_wait_tail(seconds) == exactly(math.exp(-seconds) / 2)


def test_two_servers() -> None:
    """M/M/2, lambda = mu = 1: C = 2 rho^2 / (1 + rho) = 1/3, line C rho / (1 - rho) = 1/3."""
    queue = ErlangQueue(1, 1, 0, 2)
    assert queue.delay_probability == exactly(1 / 3)
    assert queue.mean_waiting == exactly(1 / 3)
    assert queue.served_wait_tail(2) == exactly(math.exp(-2) / 3)


def test_ten_servers_and_eight_erlang() -> None:
    """Textbook value 0.4092.

    B_k = 8 B / (k + 8 B) from B_0 = 1 gives B_10 = 0.121661..., C = B / (1 - 0.8 (1 - B)).
    """
    blocked = 1.0
    for servers in range(1, 11):
        blocked = 8 * blocked / (servers + 8 * blocked)
    queue = ErlangQueue(8, 1, 0, 10)
    assert queue.delay_probability == exactly(blocked / (1 - 0.8 * (1 - blocked)))
    assert queue.delay_probability == pytest.approx(0.409180, abs=5e-7)


def test_patience_as_long_as_service_is_as_endless_servers() -> None:
    """With theta = mu = lambda = 1 the number in the system is Poisson with mean 1.

    Two servers: P(N >= 2) = 1 - 2/e. One server: E(N - 1)+ = 1/e leave, 1 - 1/e is busy; V has
    the density e^-v e^-(e^-v), so P(V > t) = 1 - e^-u with u = e^-t, and with the weight e^-v of
    those who stay P(V > t, served) = 1 - (1 + u) e^-u.
    """
    assert ErlangQueue(1, 1, 1, 2).delay_probability == exactly(1 - 2 / E)
    queue = ErlangQueue(1, 1, 1, 1)
    assert queue.abandonment_fraction == exactly(1 / E)
    assert queue.occupancy == exactly(1 - 1 / E)
    assert queue.mean_wait == exactly(1 / E)
    for seconds in (0.0, 0.5, 3.0, 10.0):
        u = math.exp(-seconds)
        served = 1 - (1 + u) * math.exp(-u)
        assert queue.offered_wait_tail(seconds) == exactly(-math.expm1(-u))
        assert queue.served_wait_tail(seconds) == pytest.approx(served / (1 - 1 / E), abs=1e-15)


@pytest.mark.parametrize("load", [0.01, 3.0, 50.0])
def test_endless_servers(load: float) -> None:
    """With theta = mu, P(W > 0) = P(Poisson >= c), whatever c."""
    below = 0.0
    for servers in range(1, 9):
        below += math.exp(-load) * load ** (servers - 1) / math.factorial(servers - 1)
        if 1 - below > 1e-3:
            queue = ErlangQueue(2 * load, 2, 2, servers)
            assert queue.delay_probability == pytest.approx(1 - below, rel=1e-11)


@pytest.mark.parametrize("patience", [1e-6, 0.3, 40.0])
@pytest.mark.parametrize("servers", [1, 7, 9, 30])
def test_flows_balance(servers: int, patience: float) -> None:
    """What arrives leaves: lambda = c mu occupancy + theta E[line]."""
    queue = ErlangQueue(8, 1, patience, servers)
    gone = queue.capacity * queue.occupancy + patience * queue.mean_waiting
    assert gone == exactly(queue.arrival_rate)
    assert queue.served_share + queue.abandonment_fraction == exactly(1)


def test_a_line_without_end() -> None:
    """Without impatience lambda >= c mu lets the line grow: all wait, c mu / lambda is served."""
    for arrival, share in [(2, 1), (4, 1 / 2)]:
        queue = ErlangQueue(arrival, 1, 0, 2)
        assert not queue.stable
        assert queue.delay_probability == queue.offered_wait_tail(9) == 1
        assert queue.served_wait_tail(9) == queue.occupancy == 1
        assert queue.mean_wait == queue.mean_wait_served == queue.mean_waiting == math.inf
        assert queue.served_share == share
        assert queue.abandonment_fraction == 0
    assert ErlangQueue(4, 1, 1e-9, 2).stable


def test_endless_overload_of_the_most_patient() -> None:
    """The offered wait is near ln(lambda / c mu) / theta: half wait longer than that."""
    for patience in (1e-10, 1e-300):
        queue = ErlangQueue(13, 1, patience, 12)
        middle = math.log(13 / 12) / patience
        assert queue.offered_wait_tail(0.999 * middle) == exactly(1)
        assert queue.offered_wait_tail(1.001 * middle) < 1e-99
        assert queue.abandonment_fraction == exactly(1 / 13)
        if patience == 1e-10:
            assert queue.offered_wait_tail(middle) == pytest.approx(1 / 2, abs=1e-5)


@pytest.mark.parametrize("patience", [1e6, 1e18])
def test_no_patience(patience: float) -> None:
    """theta without end is a loss system: Erlang's B of 2 erlang and 2 servers is 2 / 5 lost.

    The line is of order 1 / theta, and so is the share of the served that waited; of these only
    e^-theta t waited longer than t, while the offered wait has the rate c mu = 2.
    """
    queue = ErlangQueue(2, 1, patience, 2)
    assert queue.abandonment_fraction == pytest.approx(2 / 5, abs=1e-12 + 10 / patience)
    assert queue.delay_probability == pytest.approx(2 / 5, abs=1e-12 + 10 / patience)
    for times in (0.0, 1.0, 1.1, 30.0, 700.0, 1e5):
        left = queue.offered_wait_tail(times / patience) / queue.delay_probability
        assert left == pytest.approx(1, abs=1e-12 + 3 * times / patience)
        assert queue.served_wait_tail(times / patience) <= 10 / patience * math.exp(-times)


def test_square_root_staffing() -> None:
    """100 + 1 * 10; 100 + 0.05 * 10 rounds up; never fewer than one."""
    assert square_root_staffing(100, 1) == 110
    assert square_root_staffing(100, 0.05) == 101
    assert square_root_staffing(4, -5) == 1


def test_limits_of_the_delay_probability() -> None:
    """At beta = 0 both hazards cancel: 1 / (1 + sqrt(theta / mu)). theta = mu: Phi(-beta).

    theta = 0, beta = 1: 1 / (1 + Phi(1) / phi(1)) = 1 / (1 + 0.841345 / 0.241971) = 0.223361.
    """
    assert delay_probability_limit(0, 4) == exactly(1 / 3)
    assert delay_probability_limit(0, 0) == delay_probability_limit(-1, 0) == 1
    assert delay_probability_limit(1, 1) == pytest.approx(0.158655, abs=5e-7)
    assert delay_probability_limit(1, 0) == pytest.approx(0.223361, abs=5e-7)
    assert delay_probability_limit(1, 1e-12) == pytest.approx(0.223361, abs=1e-6)
    assert beta_for_delay(1 / 3, 4) == pytest.approx(0, abs=1e-10)
    assert beta_for_delay(0.158655, 1) == pytest.approx(1, abs=3e-6)


@pytest.mark.parametrize(
    ("requirement", "servers"),
    [
        (delay_at_most(1 / 2), 1),
        (delay_at_most(0.499999), 2),
        (wait_at_most(0, 1 / 2), 1),
        (wait_at_most(math.log(5), 0.9), 1),
        (wait_at_most(math.log(5) - 1e-6, 0.9), 2),
        (abandonment_at_most(0.01), 1),
    ],
)
def test_fewest_servers_of_a_single_server_queue(requirement: Requirement, servers: int) -> None:
    """M/M/1 with P(W > t) = e^-t / 2: a bound met to the last digit is met. M/M/2: C = 0.1."""
    assert fewest_servers(1, 2, 0, requirement) == servers


def test_fewest_servers_of_impatient_requests() -> None:
    """Poisson with mean 1: P(N >= c) = 0.632, 0.264, 0.080; E(N - c)+ = 0.368, 0.104, 0.023."""
    assert [fewest_servers(1, 1, 1, delay_at_most(p)) for p in (0.64, 0.63, 0.26)] == [1, 2, 3]
    assert [fewest_servers(1, 1, 1, abandonment_at_most(p)) for p in (0.37, 0.36, 0.1)] == [1, 2, 3]


def test_a_bound_that_floating_point_cannot_tell_from_met() -> None:
    """Far in overload 1 - c / R abandons but for P(a server is free), here 1e-202."""
    assert fewest_servers(600, 1, 0.2, abandonment_at_most(0.5)) == 300
    assert fewest_servers(600, 1, 0.2, abandonment_at_most(0.5 - 1e-9)) == 301


def test_what_no_queue_is() -> None:
    for rates in [(0, 1, 0), (1, 0, 0), (1, 1, -1), (math.nan, 1, 0), (1, math.inf, 0)]:
        with pytest.raises(ValueError, match="rate"):
            ErlangQueue(*rates, servers=1)
    with pytest.raises(ValueError, match="at least one server"):
        ErlangQueue(1, 1, 1, 0)
    for seconds in (-1, math.nan):
        with pytest.raises(ValueError, match="wait"):
            ErlangQueue(1, 1, 1, 1).offered_wait_tail(seconds)
        with pytest.raises(ValueError, match="wait"):
            ErlangQueue(1, 1, 1, 1).served_wait_tail(seconds)
        with pytest.raises(ValueError, match="wait"):
            wait_at_most(seconds, 0.5)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, math.nan])
def test_what_no_share_is(share: float) -> None:
    for ask in (delay_at_most, abandonment_at_most, lambda p: beta_for_delay(p, 1)):
        with pytest.raises(ValueError, match="share"):
            ask(share)
    with pytest.raises(ValueError, match="share"):
        wait_at_most(1, share)


def test_a_requirement_that_nothing_meets() -> None:
    with pytest.raises(ValueError, match="not met by 10000000 servers"):
        fewest_servers(1, 1, 1, lambda queue: False)
    with pytest.raises(ValueError, match="not met by 10000000 servers"):
        fewest_servers(2e7, 1, 0, delay_at_most(0.5))
    with pytest.raises(ValueError, match="load"):
        square_root_staffing(-1, 0)
    with pytest.raises(ValueError, match="patience ratio"):
        delay_probability_limit(1, -1)
