"""Price-index in place as n -> infinity, exact, from the chain of one GPU (THEORY 12).

Written from THEORY alone; nothing here simulates and nothing is imported from the package under
test. The linear program (P40) is restated for HiGHS, with its multipliers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, lgamma, log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, linprog

from oracles.one_gpu_oracle import Array, Instance, State, stationary

# ------------------------------------------------------------------------------------------------
# The linear program (P40)
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """An optimum of (P40) and its multipliers in the sign convention of (U2)."""

    value: float
    x: Array
    q_p: Array
    alpha: float
    beta: float
    delta: float
    phi: Array
    eta: Array

    def marginal(self) -> list[int]:
        """Admitted classes with phi_hat = 0 (section 12, ranking)."""
        scale = 1e-9 * max(1.0, float(np.max(np.abs(self.eta))), float(np.max(np.abs(self.phi))))
        return [i for i in range(len(self.x)) if self.x[i] > 1e-12 and abs(self.phi[i]) <= scale]


def solve_p40(inst: Instance) -> Plan:
    """(P40) by HiGHS. Variables in the order x, y_m, y_s, q_p, q_d, each per class."""
    k, one = inst.classes, np.ones(inst.classes)
    eye, zero, nul = np.eye(k), np.zeros((k, k)), np.zeros(k)
    mu_p, mu_m, mu_s, w = inst.mu_p, inst.mu_m, inst.mu_s, inst.w
    theta = np.diag(inst.theta)
    upper = np.array(
        [
            np.concatenate([one, nul, nul, nul, nul]),
            np.concatenate([-(inst.B - 1) * one, one, nul, nul, nul]),
            np.concatenate([inst.B * one, nul, one, nul, nul]),
        ]
    )
    equal = np.block(
        [
            [np.diag(mu_p), zero, zero, theta, zero],  # prefill balance, right side lambda
            [-np.diag(mu_p), np.diag(mu_m), np.diag(mu_s), zero, theta * eye],  # decode balance
        ]
    )
    res = linprog(
        -np.concatenate([nul, w * mu_m, w * mu_s, nul, nul]),
        A_ub=upper,
        b_ub=[1.0, 0.0, float(inst.B)],
        A_eq=equal,
        b_eq=np.concatenate([inst.lam, nul]),
        method="highs",
    )
    if res.status != 0:
        raise ValueError(f"(P40) not solved: {res.message}")
    capacity, balance = -res.ineqlin.marginals, -res.eqlin.marginals
    return Plan(
        value=-float(res.fun),
        x=res.x[:k],
        q_p=res.x[3 * k : 4 * k],
        alpha=float(capacity[0]),
        beta=float(capacity[1]),
        delta=float(capacity[2]),
        phi=balance[:k],
        eta=balance[k:],
    )


def mixed_price(inst: Instance, plan: Plan, marginal: int) -> float:
    """beta_hat as section 12 needs it: if the decode row of (D4) binds, profit / weight there.

    Equal to `plan.beta` unless the optimum is degenerate: where sum x* = 1 and the decode row
    bind together (one class with C phi = B - 1) the multipliers are not unique, and this is the
    choice with alpha_hat = 0 and delta_hat = kappa beta_hat, for which R = R* - beta_hat s holds.
    """
    capacity = inst.kappa * inst.B
    weight = inst.C * np.array(inst.D) / np.array(inst.P) + capacity - (inst.B - 1)
    if capacity < inst.B - 1 or abs(float(weight @ plan.x) - capacity) > 1e-9 * capacity:
        return plan.beta
    return float(inst.w[marginal] * inst.mu_p[marginal] / weight[marginal])


# ------------------------------------------------------------------------------------------------
# (a) PI-IP in the limit n -> infinity
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SaturatedResult:
    """Limit of PI-IP per GPU. `predicted` is R* - beta_hat s."""

    X: float
    x: Array
    y_m: Array
    y_s: Array
    s: float  # idle mixed decode slots, (B - 1) X - sum y_m
    start_rate: float
    p: Array  # class law of a started prefill
    throughput: Array
    q_p: Array  # fluid queues: (lambda - throughput) / theta
    revenue: float
    r_star: float
    beta_hat: float
    predicted: float
    gap: float  # 1 - revenue / R*
    states: int
    residual: float


def _limit_chain(inst: Instance, p: Array) -> tuple[NDArray[np.int64], Array, float]:
    """States (k, d_1, .., d_I): class k in prefill (-1: none, then sum d = B), decodes d."""
    mu_p, mu_m, mu_s = inst.mu_p, inst.mu_m, inst.mu_s

    def restart(d: list[int]) -> Iterator[tuple[State, float]]:
        """The GPU has no prefill: a free slot is filled at once, the class drawn from p."""
        if sum(d) == inst.B:
            yield (-1, *d), 1.0
            return
        for j, share in enumerate(p):
            yield (j, *d), float(share)

    def transitions(state: State) -> Iterator[tuple[State, float]]:
        k, d = state[0], list(state[1:])
        if k >= 0:
            after = d.copy()
            after[k] += 1
            for target, share in restart(after):
                yield target, share * mu_p[k]
        for j, count in enumerate(d):
            if count == 0:
                continue
            after = d.copy()
            after[j] -= 1
            if k >= 0:
                yield (k, *after), count * mu_m[j]
            else:
                for target, share in restart(after):
                    yield target, share * count * mu_s[j]

    first = int(np.argmax(p))
    return stationary((first, *([0] * inst.classes)), transitions)


def saturated_in_place(
    inst: Instance,
    marginal: int | None = None,
    r_star: float | None = None,
    beta_hat: float | None = None,
) -> SaturatedResult:
    """PI-IP in the limit of section 12: the queue of class `marginal` is never empty.

    Every other class k with x_k* > 0 starts at rate lambda_k; classes with x_k* = 0 are shut out.
    The class of each start is independent with law p, p_k = lambda_k / start_rate, the marginal
    class takes the rest; start_rate is the root of start_rate(p(s)) = s. By default `marginal`
    is the one class with x* > 0 and phi_hat = 0; give it where the LP has none (light load by the
    LP but above PI-IP's own capacity). Raises ValueError if the assumptions fail.
    """
    plan = solve_p40(inst)
    r_star = plan.value if r_star is None else r_star
    if marginal is None:
        found = plan.marginal()
        if len(found) != 1:
            raise ValueError(f"need exactly one marginal class, the LP has {found}")
        marginal = found[0]
    beta_hat = mixed_price(inst, plan, marginal) if beta_hat is None else beta_hat
    mu_p, lam, theta = inst.mu_p, np.array(inst.lam), np.array(inst.theta)
    fixed = np.where(plan.x > 1e-12, lam, 0.0)
    fixed[marginal] = 0.0

    def law(rate: float) -> Array:
        p: Array = fixed / rate
        p[marginal] = max(0.0, 1.0 - p.sum())
        return p

    def rate_of(p: Array) -> float:
        states, pi, _ = _limit_chain(inst, p)
        return float(sum(mu_p[k] * pi[states[:, 0] == k].sum() for k in range(inst.classes)))

    low, high = float(fixed.sum()), float(mu_p.max()) * (1.0 + 1e-9)
    if low == 0.0:
        p = law(1.0)
    else:
        if rate_of(law(low)) <= low:
            raise ValueError("the other classes alone exceed the capacity of PI-IP")
        p = law(brentq(lambda r: rate_of(law(r)) - r, low, high, xtol=1e-15, rtol=1e-14))
    states, pi, residual = _limit_chain(inst, p)
    x = np.array([pi[states[:, 0] == k].sum() for k in range(inst.classes)])
    mixed = states[:, 0] >= 0
    y_m = pi[mixed] @ states[mixed, 1:]
    y_s = pi[~mixed] @ states[~mixed, 1:]
    throughput = inst.mu_m * y_m + inst.mu_s * y_s
    if throughput[marginal] > lam[marginal]:
        raise ValueError("not saturated: the marginal class would start faster than it arrives")
    short = np.where(p > 0.0, lam - throughput, lam)
    short[np.abs(short) < 1e-11 * lam] = 0.0
    q_p = np.array(
        [
            sh / th if th > 0 else (inf if sh > 0 else 0.0)
            for sh, th in zip(short, theta, strict=True)
        ]
    )
    revenue = float(inst.w @ throughput)
    s = float((inst.B - 1) * x.sum() - y_m.sum())
    return SaturatedResult(
        X=float(x.sum()), x=x, y_m=y_m, y_s=y_s, s=s, start_rate=float(mu_p @ x), p=p,
        throughput=throughput, q_p=q_p, revenue=revenue, r_star=r_star, beta_hat=beta_hat,
        predicted=r_star - beta_hat * s, gap=1.0 - revenue / r_star,
        states=len(pi), residual=residual,
    )  # fmt: skip


def saturated_closed_form(inst: Instance) -> tuple[float, float, float]:
    """(X, y_m, throughput) of the saturated limit for ONE class, in closed form.

    The number d of decodes is a birth-death chain (up at mu_p for d < B; down at d mu_m for
    d < B, at B mu_s from B), so with A = C phi = mu_p / mu_m:
    pi_d ~ A^d / d! for d < B, and pi_B ~ A^B / (B! kappa); only d = B has no prefill.
    """
    if inst.classes != 1:
        raise ValueError("one class only")
    load = inst.C * inst.D[0] / inst.P[0]
    logs = np.array([d * log(load) - lgamma(d + 1.0) for d in range(inst.B + 1)])
    logs[-1] -= log(inst.kappa)
    pi = np.exp(logs - logs.max())
    pi /= pi.sum()
    busy = 1.0 - float(pi[-1])
    return busy, float(pi[:-1] @ np.arange(inst.B)), float(inst.mu_p[0]) * busy
