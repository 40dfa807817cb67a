r"""The queues M/M/c and M/M/c+M (Erlang-A) in statistical equilibrium, first come first served.

Requests arrive as a Poisson process of rate :math:`\lambda` at c servers of rate :math:`\mu`; each
waits no longer than an exponential patience of rate :math:`\theta`, forever if :math:`\theta=0`.

Everything is an expectation over the *offered wait* V: how long an arrival would wait if it had
endless patience. It abandons if its patience T is less than V. With :math:`\pi_k` the stationary
law of the number in the system (Baccelli and Hebuterne 1981; Zeltyn and Mandelbaum 2005, sections
3 and 4, of which this is the exponential case)

.. math::
   P(V\in dv)=\pi_c\,c\mu\,e^{h(v)}dv,\quad
   h(v)=\frac\lambda\theta\big(1-e^{-\theta v}\big)-c\mu v,\quad v>0,
.. math::
   \sum_{k\ge c}\frac{\pi_k}{\pi_c}=c\mu\int_0^\infty e^{h(v)}dv,\quad
   \sum_{k<c}\frac{\pi_k}{\pi_c}=c\mu\int_0^\infty
   \exp\Big(c\mu v-\frac\lambda\mu\big(e^{\mu v}-1\big)\Big)dv .

The second integral is Erlang's loss formula, for
:math:`\sum_{j\ge1}c(c-1)\cdots(c-j+1)(\mu/\lambda)^j` is term by term that of
:math:`\int_0^\infty\lambda e^{-\lambda u}(1+\mu u)^cdu`, less 1. Both exponents are concave; they
are integrated around their peaks by `gnr.validation.peaked_integral`, at a cost that depends on
no rate and no number of servers. So the measures are exact but for rounding: relative errors stay
below 1e-12, besides what the rounding of the rates themselves does, which a queue at the edge of
its capacity magnifies.

References
----------
F. Baccelli, G. Hebuterne, On queues with impatient customers, Performance '81, 159-179.
O. Garnett, A. Mandelbaum, M. Reiman, Designing a call center with impatient customers,
Manufacturing & Service Operations Management 4 (2002) 208-227.
S. Zeltyn, A. Mandelbaum, Call centers with impatient customers: many-server asymptotics of the
M/M/n+G queue, Queueing Systems 51 (2005) 361-402.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from gnr.arrays import Floats
from gnr.validation.peaked_integral import Peak


@dataclass(frozen=True)
class ErlangQueue:
    """One stationary queue; rates in 1/s.

    Raises
    ------
    ValueError
        If arrival or service rate is not positive, the patience rate negative, one of them not
        finite, or there is no server.
    """

    arrival_rate: float
    """lambda, positive."""
    service_rate: float
    """mu of one server, positive."""
    patience_rate: float
    """theta, not negative; 0 if nobody ever leaves the line."""
    servers: int
    """c, at least 1."""

    def __post_init__(self) -> None:
        rates = (self.arrival_rate, self.service_rate, self.patience_rate)
        if not all(math.isfinite(rate) for rate in rates):
            raise ValueError(f"rates must be finite, got {rates}")
        if min(self.arrival_rate, self.service_rate) <= 0 or self.patience_rate < 0:
            raise ValueError(f"only the patience rate may be 0, and no rate negative: {rates}")
        if self.servers < 1:
            raise ValueError(f"a queue needs at least one server, got {self.servers}")

    @property
    def capacity(self) -> float:
        r"""Return :math:`c\mu`, requests/s."""
        return self.servers * self.service_rate

    @property
    def load(self) -> float:
        r"""Return :math:`R=\lambda/\mu`, in servers (erlang)."""
        return self.arrival_rate / self.service_rate

    @property
    def stable(self) -> bool:
        r"""Tell whether the line stays finite: if :math:`\theta>0` or :math:`\lambda<c\mu`."""
        return self.patience_rate > 0 or self.arrival_rate < self.capacity

    @property
    def delay_probability(self) -> float:
        r"""Return :math:`P(V>0)`: Erlang's C, or that of Erlang-A; 1 if the queue is not stable."""
        return float(special.expit(self._log_delay_odds())) if self.stable else 1.0

    @property
    def mean_wait(self) -> float:
        r"""Return :math:`E[\min(V,T)]`, s, of all arrivals; infinite if not stable.

        Of V alone, :math:`E[\min(v,T)]=(1-e^{-\theta v})/\theta`.
        """
        if not self.stable:
            return math.inf
        waits, chances = self._offered_waits()
        return float(chances @ (waits * special.exprel(-self.patience_rate * waits)))

    @property
    def mean_wait_served(self) -> float:
        r"""Return :math:`E[V\mid V<T]`, s; infinite if not stable."""
        if not self.stable:
            return math.inf
        waits, chances = self._offered_waits()
        return float(chances @ (waits * np.exp(-self.patience_rate * waits))) / self.served_share

    @property
    def mean_waiting(self) -> float:
        r"""Return the mean number in line, :math:`\lambda E[\min(V,T)]` by Little's law."""
        return self.arrival_rate * self.mean_wait

    @property
    def abandonment_fraction(self) -> float:
        r"""Return :math:`P(T<V)`, of all arrivals: :math:`\theta E[\min(V,T)]`; 0 if theta is 0.

        The same is the balance of flows :math:`\lambda P(T<V)=\theta E[\text{number in line}]`.
        """
        return self.patience_rate * self.mean_wait if self.patience_rate > 0 else 0.0

    @property
    def served_share(self) -> float:
        r"""Return :math:`P(V<T)`, of all arrivals; :math:`c\mu/\lambda` if not stable."""
        if not self.stable:
            return self.capacity / self.arrival_rate
        waits, chances = self._offered_waits()
        at_once = float(special.expit(-self._log_delay_odds()))
        return at_once + float(chances @ np.exp(-self.patience_rate * waits))

    @property
    def occupancy(self) -> float:
        """Return the mean fraction of the servers that are busy."""
        return self.arrival_rate * self.served_share / self.capacity

    def offered_wait_tail(self, seconds: float) -> float:
        r"""Return :math:`P(V>t)`, what an arrival of endless patience would meet.

        For :math:`\theta=0` it is :math:`P(V>0)\,e^{-(c\mu-\lambda)t}`, for :math:`\theta>0` a
        quotient of incomplete gamma functions. The time t is in seconds, at least 0.
        """
        _refuse_negative(seconds)
        return float(self._offered_waits(seconds)[1].sum()) if self.stable else 1.0

    def served_wait_tail(self, seconds: float) -> float:
        r"""Return :math:`P(V>t\mid V<T)`, of the requests that are served.

        The time t is in seconds, at least 0; the answer is 1 if the queue is not stable.
        """
        _refuse_negative(seconds)
        if not self.stable:
            return 1.0
        waits, chances = self._offered_waits(seconds)
        return float(chances @ np.exp(-self.patience_rate * waits)) / self.served_share

    def served_waits(self) -> tuple[Floats, Floats]:
        r"""Return waits, s, and probabilities that stand for the law of V given V < T.

        Both have shape ``(nodes,)``, and the first wait is none at all. The mean of a smooth
        function of the wait is its sum with these probabilities. One endless wait if not stable.
        """
        if not self.stable:
            return np.array([math.inf]), np.ones(1)
        waits, chances = self._offered_waits()
        at_once = float(special.expit(-self._log_delay_odds()))
        served = np.append(at_once, chances * np.exp(-self.patience_rate * waits))
        return np.append(0.0, waits), served / served.sum()

    def _offered_waits(self, after: float = 0.0) -> tuple[Floats, Floats]:
        """Return waits above `after`, s, and probabilities that stand for the law of V there."""
        whole, rest = self._waiting_peak(0.0), self._waiting_peak(after)
        start = max(whole.room, after)
        offsets, weights = rest.rule()
        share = np.exp(-whole.fall(start - whole.room) - whole.log_mass())
        return start + offsets, self.delay_probability * share * weights

    def _log_delay_odds(self) -> float:
        """Return the logarithm of P(V > 0) / P(V = 0), from the two integrals of the module."""
        delayed, at_once = self._waiting_peak(0.0), self._serving_peak()
        height = float(delayed.fall(-delayed.room) - at_once.fall(-at_once.room))
        return height + delayed.log_mass() - at_once.log_mass()

    def _waiting_peak(self, after: float) -> Peak:
        r"""Return :math:`e^{h(v)}` for v above `after`, seen from its highest point there.

        What lies beyond `after` is a queue with the arrival rate :math:`\lambda e^{-\theta t}`.
        """
        leaving, patient = self.patience_rate, math.exp(-self.patience_rate * after)
        spare = self.capacity - self.arrival_rate
        drift = spare - self.arrival_rate * math.expm1(-leaving * after)
        top = math.log1p(-spare / self.capacity) / leaving if spare < 0 else 0.0
        pressure = min(self.arrival_rate * patient, self.capacity)
        return Peak(max(drift, 0.0), pressure * leaving, -leaving, max(top - after, 0.0))

    def _serving_peak(self) -> Peak:
        """Return the integrand of the states with a free server, seen from its highest point."""
        excess = self.arrival_rate - self.capacity
        top = math.log1p(-excess / self.arrival_rate) / self.service_rate if excess < 0 else 0.0
        pressure = max(self.arrival_rate, self.capacity)
        return Peak(max(excess, 0.0), pressure * self.service_rate, self.service_rate, top)


def _refuse_negative(seconds: float) -> None:
    """Raise ValueError for a time that is negative or not a number."""
    if not seconds >= 0:
        raise ValueError(f"a wait cannot be {seconds} s")
