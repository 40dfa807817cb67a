r"""The fewest servers of a queue that keep a promise: a square-root guess, then the exact search.

Promises are functions ``ErlangQueue -> bool`` that stay kept when a server is added. Those made
here do: one more server lowers the law of the offered wait V in the likelihood ratio order. Up to
the same constant, its density gains the factor :math:`\frac{c+1}ce^{-\mu v}`, and the weight of no
wait at least :math:`\frac{c+1}c`, because :math:`\sum_{k<c}\pi_k/\pi_c\le c\mu/(\lambda-c\mu)`
where :math:`\lambda>c\mu`. The order survives the condition V < T: the tails of the served are
lower too.

References
----------
S. Halfin, W. Whitt, Heavy-traffic limits for queues with many exponential servers, Operations
Research 29 (1981) 567-588.
O. Garnett, A. Mandelbaum, M. Reiman, Designing a call center with impatient customers,
Manufacturing & Service Operations Management 4 (2002) 208-227.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

from scipy import optimize, special

from gnr.validation.erlang import ErlangQueue

Requirement: TypeAlias = Callable[[ErlangQueue], bool]
"""A promise that, once kept, stays kept when a server is added."""

ROUNDING = 1e-11
"""A bound missed by less than this fraction of it counts as met: rounding could hide as much."""
MOST_SERVERS = 10_000_000
"""Where a search gives up."""


def delay_at_most(probability: float) -> Requirement:
    """Return the promise that at most this share of the arrivals waits.

    The share lies in (0, 1), or ValueError is raised.
    """
    bound = _share(probability)
    return lambda queue: _at_most(queue.delay_probability, bound)


def abandonment_at_most(share: float) -> Requirement:
    """Return the promise that at most this share of the arrivals abandons and the line is stable.

    The share lies in (0, 1), or ValueError is raised.
    """
    bound = _share(share)
    return lambda queue: queue.stable and _at_most(queue.abandonment_fraction, bound)


def wait_at_most(seconds: float, share: float) -> Requirement:
    """Return the promise that at least this share of the *served* waits at most so long.

    The share lies in (0, 1) and the time is not negative, or ValueError is raised.
    """
    bound = 1 - _share(share)
    if not seconds >= 0:
        raise ValueError(f"a wait cannot be {seconds} s")
    return lambda queue: _at_most(queue.served_wait_tail(seconds), bound)


def square_root_staffing(load: float, beta: float) -> int:
    r"""Return :math:`\max(1,\lceil R+\beta\sqrt R\rceil)` for the load R, in servers."""
    if not 0 < load < math.inf:
        raise ValueError(f"the load must be positive and finite, got {load}")
    return max(1, math.ceil(load + beta * math.sqrt(load)))


def delay_probability_limit(beta: float, patience_ratio: float) -> float:
    r"""Return the limit of P(V > 0) when :math:`c=R+\beta\sqrt R` and R grows.

    .. math:: \Big[1+\sqrt{\tfrac\theta\mu}\,
       \frac{\eta(\beta\sqrt{\mu/\theta})}{\eta(-\beta)}\Big]^{-1},\quad
       \eta=\frac\varphi{1-\Phi}

    (Garnett, Mandelbaum and Reiman 2002), and for :math:`\theta=0` its own limit
    :math:`[1+\beta/\eta(-\beta)]^{-1}` (Halfin and Whitt 1981), which is 1 for
    :math:`\beta\le0`. The patience ratio is :math:`\theta/\mu\ge0`.
    """
    if not patience_ratio >= 0:
        raise ValueError(f"the patience ratio must not be negative, got {patience_ratio}")
    scale = math.sqrt(patience_ratio)
    leaving = scale * _hazard(beta / scale) if scale > 0 else max(beta, 0.0)
    serving = _hazard(-beta)
    return serving / (serving + leaving)


def beta_for_delay(probability: float, patience_ratio: float) -> float:
    """Return the beta at which `delay_probability_limit` is `probability`, which lies in (0, 1).

    It is negative where impatience alone keeps most from waiting.
    """
    target = _share(probability)
    highest = math.sqrt(2 * -math.log(target)) + 1  # beta of a normal tail far below the target
    lowest = -40 * math.sqrt(patience_ratio)  # there the limit is 1 in floating point
    return float(
        optimize.brentq(
            lambda beta: delay_probability_limit(beta, patience_ratio) - target, lowest, highest
        )
    )


def fewest_servers(
    arrival_rate: float,
    service_rate: float,
    patience_rate: float,
    requirement: Requirement,
    first_guess: int | None = None,
) -> int:
    """Return the smallest number of servers with which `requirement` is met.

    From the guess the search doubles its steps until it has one number that is enough and one
    that is not, and halves what is between. The answer does not depend on the guess; it is exact
    but for bounds met or missed by less than `ROUNDING`, which count as met.

    Parameters
    ----------
    arrival_rate, service_rate, patience_rate
        As those of `ErlangQueue`, 1/s.
    requirement
        A monotone promise.
    first_guess
        Where to begin; by default at the load.

    Raises
    ------
    ValueError
        If a rate is out of range or `MOST_SERVERS` are not enough.
    """

    def enough(servers: int) -> bool:
        queue = ErlangQueue(arrival_rate, service_rate, patience_rate, servers)
        return requirement(queue)

    load = ErlangQueue(arrival_rate, service_rate, patience_rate, 1).load
    guess = first_guess or square_root_staffing(load, 0.0)
    low, high = _bracket(enough, min(guess, MOST_SERVERS), math.ceil(math.sqrt(load)))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _bracket(enough: Callable[[int], bool], guess: int, step: int) -> tuple[int, int]:
    """Return a number of servers that is not enough and one that is; none is never enough."""
    if enough(guess):
        low, high = guess - step, guess
        while low > 0 and enough(low):
            step *= 2
            low, high = low - step, low
        return max(low, 0), high
    low, high = guess, min(guess + step, MOST_SERVERS)
    while not enough(high):
        if high == MOST_SERVERS:
            raise ValueError(f"the requirement is not met by {MOST_SERVERS} servers")
        step *= 2
        low, high = high, min(high + step, MOST_SERVERS)
    return low, high


def _hazard(at: float) -> float:
    r"""Return the hazard :math:`\varphi(z)/(1-\Phi(z))` of the normal law; 0 far to the left."""
    return math.sqrt(2 / math.pi) / float(special.erfcx(at / math.sqrt(2)))


def _at_most(value: float, bound: float) -> bool:
    """Tell whether a bound is met, a tie by rounding included."""
    return value <= bound * (1 + ROUNDING)


def _share(value: float) -> float:
    """Return a share that lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"a share lies between 0 and 1, got {value}")
    return value
