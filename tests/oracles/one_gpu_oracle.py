"""Exact stationary Markov chains of one or two GPUs: an oracle independent of the simulator.

Nothing here simulates and nothing here is imported from the package under test. Every chain is
enumerated from its transition rates and solved by sparse LU.

Two oracles (THEORY section 2 for the model, 10 for the conventions):

* `one_gpu`: n = 1 with its queues, PI-IP with a strict ranking (one class: also FI-WSP);
* `gate_and_route`: one class, one mixed GPU and a solo group (n = 2 is "a pair of GPUs").

Common conventions: exponential lengths and patience; a class-i arrival rate is `lam[i]` PER GPU;
occupancies, queues, throughputs and revenue in a result are per GPU; y_m counts decodes that share
their GPU with a prefill in progress, y_s all the others (PER-GPU accounting) unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

Array = NDArray[np.float64]
State = tuple[int, ...]
Transitions = Callable[[State], Iterator[tuple[State, float]]]


@dataclass(frozen=True)
class Instance:
    """Platform, classes and prices; the defaults are the platform and prices of section 11."""

    P: tuple[float, ...]  # mean prompt length, tokens
    D: tuple[float, ...]  # mean output length, tokens
    lam: tuple[float, ...]  # arrivals per GPU per second
    theta: tuple[float, ...]  # abandonment rate of a waiting job, 1/s
    B: int = 16
    C: float = 256.0
    alpha: float = 0.0174
    beta: float = 6.2e-5
    gamma: float = 45.45
    c_p: float = 0.1
    c_d: float = 0.2

    @property
    def classes(self) -> int:
        return len(self.P)

    @property
    def tau(self) -> float:
        return self.alpha + self.beta * self.C

    @property
    def kappa(self) -> float:
        return self.gamma * self.tau

    @property
    def mu_p(self) -> Array:
        return self.C / (np.array(self.P) * self.tau)

    @property
    def mu_m(self) -> Array:
        return 1.0 / (np.array(self.D) * self.tau)

    @property
    def mu_s(self) -> Array:
        return self.gamma / np.array(self.D)

    @property
    def w(self) -> Array:
        return self.c_p * np.array(self.P) + self.c_d * np.array(self.D)


BASE = Instance(P=(300.0, 3000.0), D=(1000.0, 400.0), lam=(0.5, 0.5), theta=(0.1, 0.1))


# ------------------------------------------------------------------------------------------------
# Stationary distribution of an enumerated chain
# ------------------------------------------------------------------------------------------------


def stationary(start: State, transitions: Transitions) -> tuple[NDArray[np.int64], Array, float]:
    """All states reachable from `start`, their stationary law, and the residual max |pi Q|.

    The equations are solved with the probability of one reference state fixed, first `start`,
    then, if that one is improbable, the most probable state found, and normalised. The matrix
    is a column diagonally dominant M-matrix: elimination on the diagonal is stable.
    """
    index: dict[State, int] = {start: 0}
    order = [start]
    rows: list[int] = []
    cols: list[int] = []
    vals: list[float] = []
    i = 0
    while i < len(order):
        out = 0.0
        for target, rate in transitions(order[i]):
            if rate <= 0.0 or target == order[i]:
                continue
            j = index.setdefault(target, len(order))
            if j == len(order):
                order.append(target)
            rows.append(j)
            cols.append(i)
            vals.append(rate)
            out += rate
        rows.append(i)
        cols.append(i)
        vals.append(-out)
        i += 1
    size = len(order)
    states = np.array(order, dtype=np.int64)
    if size == 1:
        return states, np.ones(1), 0.0
    balance = csc_matrix((vals, (rows, cols)), shape=(size, size))  # transpose of the generator
    pi, ref = np.ones(size), 0
    for _ in range(2):
        keep = np.delete(np.arange(size), ref)
        rest = splu(
            balance[keep][:, keep],
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        pi = np.ones(size)
        pi[keep] = rest.solve(-balance[keep][:, [ref]].toarray().ravel())
        pi /= pi.sum()
        if pi[ref] > 1e-6:
            break
        ref = int(np.argmax(pi))
    return states, pi, float(np.max(np.abs(balance @ pi)))


# ------------------------------------------------------------------------------------------------
# (b) one GPU with its queues, (c) a mixed and a solo group
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """Stationary averages per GPU, per class."""

    x: Array
    y_m: Array
    y_s: Array
    q_p: Array
    q_d: Array
    throughput: Array  # finished requests per second
    abandoned: Array  # fraction of the arrivals, both queues together
    revenue: float  # bundled
    truncation_mass: float  # sum over queues of P(queue = its cap)
    caps: tuple[int, ...]
    states: int
    residual: float


def _result(
    inst: Instance, x: Array, y_m: Array, y_s: Array, q_p: Array, q_d: Array,
    mass: float, caps: Sequence[int], states: int, residual: float,
) -> Result:  # fmt: skip
    throughput = inst.mu_m * y_m + inst.mu_s * y_s
    theta, lam = np.array(inst.theta), np.array(inst.lam)
    shut_out = np.isinf(q_p)  # only with theta = 0: waits for ever, never abandons
    lost = theta * np.where(shut_out, 0.0, q_p + q_d)
    return Result(
        x=x, y_m=y_m, y_s=y_s, q_p=q_p, q_d=q_d, throughput=throughput, abandoned=lost / lam,
        revenue=float(inst.w @ throughput),
        truncation_mass=mass,
        caps=tuple(caps), states=states, residual=residual,
    )  # fmt: skip


def _grow(
    solve: Callable[[list[int]], tuple[NDArray[np.int64], Array, float]],
    columns: Sequence[int], tol: float, caps: Sequence[int] | None,
) -> tuple[NDArray[np.int64], Array, float, float, list[int]]:  # fmt: skip
    """Solve with queue caps enlarged until sum over queues of P(queue = cap) < tol."""
    cap = [8] * len(columns) if caps is None else list(caps)
    for _ in range(40):
        states, pi, residual = solve(cap)
        hit = [float(pi[states[:, c] == m].sum()) for c, m in zip(columns, cap, strict=True)]
        if caps is not None or sum(hit) < tol:
            return states, pi, residual, sum(hit), cap
        cap = [
            m + max(4, m // 3) if h >= tol / (2 * len(cap)) else m
            for m, h in zip(cap, hit, strict=True)
        ]
    raise ValueError("the queues do not seem to be stable")


def one_gpu(
    inst: Instance,
    ranking: Sequence[int] | None = None,
    tol: float = 1e-12,
    caps: Sequence[int] | None = None,
) -> Result:
    """n = 1, exact. A prefill starts whenever none runs, a slot of the B is free and a job waits.

    `ranking` lists the admitted classes, best first (strict priority, non-preemptive, no
    marginal tie rule); default: all classes in file order. A class not in it is never admitted,
    its queue is M/M/infinity. The finished prefill keeps its slot for the decode. FI-WSP is the
    same chain for one class (for more, counts are no Markov state there). Queues are cut at
    `caps` (one per ranked class, in ranking order; arrivals to a full queue vanish), by default
    grown until P(some queue at its cap) < tol.
    """
    rank = list(range(inst.classes)) if ranking is None else list(ranking)
    r = len(rank)
    mu_p, mu_m, mu_s = inst.mu_p[rank], inst.mu_m[rank], inst.mu_s[rank]
    lam, theta = np.array(inst.lam)[rank], np.array(inst.theta)[rank]

    def settle(k: int, d: list[int], q: list[int]) -> State:
        """Start the best ranked waiting class if the GPU has no prefill and a free slot."""
        if k < 0 and sum(d) < inst.B:
            for j in range(r):
                if q[j] > 0:
                    return (j, *d, *q[:j], q[j] - 1, *q[j + 1 :])
        return (k, *d, *q)

    def solve(cap: list[int]) -> tuple[NDArray[np.int64], Array, float]:
        def transitions(state: State) -> Iterator[tuple[State, float]]:
            k, d, q = state[0], list(state[1 : 1 + r]), list(state[1 + r :])
            for j in range(r):
                if q[j] < cap[j]:
                    yield settle(k, d, [*q[:j], q[j] + 1, *q[j + 1 :]]), lam[j]
                if q[j] > 0:
                    yield (k, *d, *q[:j], q[j] - 1, *q[j + 1 :]), theta[j] * q[j]
                if d[j] > 0:
                    speed = mu_m[j] if k >= 0 else mu_s[j]
                    yield settle(k, [*d[:j], d[j] - 1, *d[j + 1 :]], q), speed * d[j]
            if k >= 0:
                yield settle(-1, [*d[:k], d[k] + 1, *d[k + 1 :]], q), mu_p[k]

        return stationary((-1, *([0] * (2 * r))), transitions)

    states, pi, residual, mass, cap = _grow(solve, range(1 + r, 1 + 2 * r), tol, caps)
    size = inst.classes
    x, y_m, y_s = np.zeros(size), np.zeros(size), np.zeros(size)
    q_p = np.array([a / t if t > 0 else inf for a, t in zip(inst.lam, inst.theta, strict=True)])
    mixed = states[:, 0] >= 0
    x[rank] = [pi[states[:, 0] == j].sum() for j in range(r)]
    y_m[rank] = pi[mixed] @ states[mixed, 1 : 1 + r]
    y_s[rank] = pi[~mixed] @ states[~mixed, 1 : 1 + r]
    q_p[rank] = pi @ states[:, 1 + r :]
    return _result(inst, x, y_m, y_s, q_p, np.zeros(size), mass, cap, len(pi), residual)


def gate_and_route(
    inst: Instance,
    n: int = 2,
    tol: float = 1e-12,
    caps: tuple[int, int] | None = None,
) -> Result:
    """Gate-and-route for ONE class, n GPUs, one of them the mixed group; exact.

    Prefills run on the mixed GPU only and start whenever a job waits and none runs
    (work-conserving, whatever the decode buffer holds). The mixed GPU holds at most B - 1
    decodes, the solo group at most B (n - 1). A finished prefill goes to the solo group if it
    has a free slot, else to the mixed GPU, else to the decode buffer (Algorithm 3); a freed slot
    takes the head of the buffer; nothing migrates. Jobs abandon at rate theta in the prefill
    queue and in the buffer.

    Decodes of the mixed GPU run at solo speed, and count in y_s, while it has no prefill: the
    counts are the whole state only because the group is one GPU. `caps` are for (prefill queue,
    buffer).
    """
    if inst.classes != 1:
        raise ValueError("one class only")
    mu_p, mu_m, mu_s = float(inst.mu_p[0]), float(inst.mu_m[0]), float(inst.mu_s[0])
    lam, theta = n * inst.lam[0], inst.theta[0]
    room_m, room_s = inst.B - 1, inst.B * (n - 1)

    def solve(cap: list[int]) -> tuple[NDArray[np.int64], Array, float]:
        def transitions(state: State) -> Iterator[tuple[State, float]]:
            u, dm, ds, qp, qd = state
            if u < 1:
                yield (u + 1, dm, ds, qp, qd), lam
            elif qp < cap[0]:
                yield (u, dm, ds, qp + 1, qd), lam
            if qp > 0:
                yield (u, dm, ds, qp - 1, qd), theta * qp
            if qd > 0:
                yield (u, dm, ds, qp, qd - 1), theta * qd
            if u > 0:
                v, left = (u, qp - 1) if qp > 0 else (u - 1, 0)
                if ds < room_s:
                    yield (v, dm, ds + 1, left, qd), mu_p * u
                elif dm < room_m:
                    yield (v, dm + 1, ds, left, qd), mu_p * u
                else:  # at the cap the job vanishes
                    yield (v, dm, ds, left, min(qd + 1, cap[1])), mu_p * u
            speed = mu_m if u > 0 else mu_s
            if dm > 0:
                yield (u, dm - (qd == 0), ds, qp, max(qd - 1, 0)), speed * dm
            if ds > 0:
                yield (u, dm, ds - (qd == 0), qp, max(qd - 1, 0)), mu_s * ds

        return stationary((0, 0, 0, 0, 0), transitions)

    states, pi, residual, mass, cap = _grow(solve, (3, 4), tol, caps)
    mean = pi @ states / n
    slow = float(pi @ (states[:, 1] * (states[:, 0] > 0))) / n
    return _result(
        inst, mean[[0]], np.array([slow]), np.array([mean[1] - slow + mean[2]]),
        mean[[3]], mean[[4]], mass, cap, len(pi), residual,
    )  # fmt: skip
