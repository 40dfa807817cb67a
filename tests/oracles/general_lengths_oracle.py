"""Queues with Poisson arrivals and general service laws: exact values and proven bounds.

For checking a simulator with non-exponential lengths. Every function is an identity, an exact
formula or a theorem; heuristic approximations (Lee-Longton and the like) are left out on purpose.
All of them are about stationary queues WITHOUT abandonment unless the docstring says otherwise.
`lam` is the arrival rate, `es` = E[S], `es2` = E[S^2], `c` the number of servers, "wait" the time
in the queue, service excluded.

Use for the model of THEORY section 2: one GPU whose slots never run out is, at prefill, an M/G/1
queue (with non-preemptive priorities under PI-IP) with S = P tau / C; decodes at one constant
speed with slots that never run out are M/G/infinity; c GPUs serving prefills only, FCFS, are
M/G/c.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log

import numpy as np

# --- second moments of the usual length laws -----------------------------------------------------


def second_moment(es: float, cv: float) -> float:
    """E[S^2] = E[S]^2 (1 + cv^2): deterministic cv = 0, exponential 1, Erlang-k 1 / sqrt(k)."""
    return es * es * (1.0 + cv * cv)


# --- M/G/infinity and losses: insensitive to the law ---------------------------------------------


def mginf_pmf(lam: float, es: float, k: int) -> float:
    """P(N = k) in M/G/infinity: Poisson with mean lam E[S], whatever the law of S.

    Takacs (1962), Introduction to the Theory of Queues, ch. 3. Also the law of a queue that is
    never served and whose jobs abandon after a patience with mean E[S].
    """
    load = lam * es
    if load == 0.0:
        return float(k == 0)
    return exp(k * log(load) - load - lgamma(k + 1.0))


def erlang_b(load: float, c: int) -> float:
    """Blocking probability of M/G/c/c with offered load lam E[S]; insensitive to the law.

    Sevastyanov (1957), Theory Probab. Appl. 2, 104-112. Busy servers: load (1 - blocking).
    """
    blocked = 1.0
    for k in range(1, c + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


# --- one server ----------------------------------------------------------------------------------


def mg1_wait(lam: float, es: float, es2: float) -> float:
    """M/G/1, exact: lam E[S^2] / (2 (1 - rho)); FCFS or any order blind to the service times.

    Pollaczek (1930), Khinchine (1932). M/D/1: es2 = es^2; M/M/1: es2 = 2 es^2.
    """
    rho = lam * es
    if rho >= 1.0:
        raise ValueError("unstable")
    return lam * es2 / (2.0 * (1.0 - rho))


def mg1_priority_waits(
    lam: Sequence[float], es: Sequence[float], es2: Sequence[float]
) -> list[float]:
    """M/G/1 with non-preemptive priorities, classes best first, exact mean wait per class.

    W_k = (sum_j lam_j E[S_j^2] / 2) / ((1 - r_{k-1})(1 - r_k)), r_k = sum_{j <= k} rho_j.
    Cobham (1954), J. Oper. Res. Soc. Am. 2, 70-76.
    """
    residual = sum(a * m for a, m in zip(lam, es2, strict=True)) / 2.0
    waits, before = [], 0.0
    for a, m in zip(lam, es, strict=True):
        after = before + a * m
        if after >= 1.0:
            raise ValueError("unstable")
        waits.append(residual / ((1.0 - before) * (1.0 - after)))
        before = after
    return waits


def daley_upper(lam: float, var_a: float, es: float, var_s: float) -> float:
    """GI/G/1, sharper: lam (rho (2 - rho) var_a + var_s) / (2 (1 - rho)).

    Daley (1977), Z. Wahrscheinlichkeitstheorie 41, 139-143.
    """
    rho = lam * es
    if rho >= 1.0:
        raise ValueError("unstable")
    return lam * (rho * (2.0 - rho) * var_a + var_s) / (2.0 * (1.0 - rho))


# --- several servers -----------------------------------------------------------------------------


def mmc_wait(lam: float, es: float, c: int) -> float:
    """M/M/c, exact (Erlang 1917): P(wait > 0) E[S] / (c - load), P from Erlang C."""
    load = lam * es
    if load >= c:
        raise ValueError("unstable")
    blocked = erlang_b(load, c)
    delayed = c * blocked / (c - load * (1.0 - blocked))
    return delayed * es / (c - load)


def mdc_wait(lam: float, es: float, c: int, size: int = 0) -> float:
    """M/D/c, exact up to truncation: L(t + D) = (L(t) - c)^+ + Poisson(lam D), solved linearly.

    Crommelin (1932), P.O.E.E. Journal 25, 41-50. Wait = E[(L - c)^+] / lam.
    """
    load = lam * es
    if load >= c:
        raise ValueError("unstable")
    size = size or c + 20 + int(40.0 / (1.0 - load / c))
    step = np.array([mginf_pmf(lam, es, k) for k in range(size)])
    kernel = np.zeros((size, size))
    for k in range(size):
        left = max(k - c, 0)
        kernel[k, left:] = step[: size - left]
        kernel[k, -1] += 1.0 - kernel[k].sum()
    system = kernel.T - np.eye(size)
    system[-1] = 1.0
    law = np.linalg.solve(system, np.eye(size)[-1])
    return float(law @ np.maximum(np.arange(size) - c, 0)) / lam


def mgc_wait_lower(lam: float, es: float, es2: float, c: int) -> float:
    """M/G/c FCFS, lower bound: wait of one server c times as fast, less (c-1)/c E[S^2]/(2 E[S]).

    The fast server never has more work than the c servers; take means and use H = lambda G.
    Brumelle (1971), Operations Research 19, 402-413. Clipped at 0; exact for c = 1.
    """
    fast = mg1_wait(lam, es / c, es2 / (c * c))
    return max(0.0, fast - (c - 1) / c * es2 / (2.0 * es))


def mgc_wait_upper(lam: float, es: float, es2: float, c: int) -> float:
    """M/G/c FCFS, upper bound: the better of two static assignments, each a GI/G/1 per server.

    FCFS to the first free server has a mean wait no larger than any static assignment: random
    (M/G/1 with lam / c, exact by Pollaczek-Khinchine) or cyclic (Erlang-c/G/1, bounded by Daley).
    Wolff (1977), J. Appl. Prob. 14, 884-888; Foss (1980), Siberian Math. J. 21, 874-880;
    Asmussen (2003), Applied Probability and Queues, ch. XII. Exact for c = 1.
    """
    split = mg1_wait(lam / c, es, es2)
    cyclic = daley_upper(lam / c, c / lam**2, es, es2 - es * es)
    return min(split, cyclic)
