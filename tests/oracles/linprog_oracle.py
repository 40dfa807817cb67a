"""The linear programs of THEORY section 4, restated with scipy (HiGHS) as a test oracle.

Written from THEORY.md alone. ``data`` is the raw mapping that ``tomllib.load`` gives for an
instance file; its ``prices.scheme`` is ignored, the function called says which program is meant.
Variables are ordered (x, y_m, y_s, q_p, q_d), I of each. Queues of classes with theta_i = 0 are
free in the programs and fixed to 0 here. Where the optimum or its multipliers are not unique the
solver's choice is returned; where sum_i x_i = 1 only alpha-hat + B delta-hat is identified (4.4).
eta-hat >= 0 needs a free q_{d,i}: with q_d = 0 imposed, or theta_i = 0, it can be negative.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

Array = npt.NDArray[np.float64]

_STATUS = {0: "optimal", 1: "limit", 2: "infeasible", 3: "unbounded", 4: "numerical"}
_TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_FACE = 1e-11  # relative loss of objective that still counts as optimal


@dataclass(frozen=True)
class Optimum:
    """An optimum and its multipliers, signs as in (U2); all nan unless status is "optimal"."""

    status: str
    value: float
    prefill: Array
    mixed_decode: Array
    solo_decode: Array
    prefill_queue: Array
    decode_queue: Array
    prefill_capacity: float  # alpha-hat
    mixed_decode_capacity: float  # beta-hat
    solo_decode_capacity: float  # delta-hat
    marginal_value: Array  # phi-hat
    decode_marginal: Array  # eta-hat


class _Program(NamedTuple):
    """max cost @ z subject to ub @ z <= ub_rhs, eq @ z = eq_rhs, 0 <= z <= upper."""

    cost: Array
    ub: Array
    ub_rhs: Array
    eq: Array
    eq_rhs: Array
    upper: Array  # inf, or 0 for a variable fixed to 0
    unit: Array  # typical size of each variable, for scaling only


def _maximise(p: _Program) -> tuple[str, Array, Array, Array]:
    """Status, argmax, d max / d ub_rhs, d max / d eq_rhs (columns, rows and objective scaled)."""
    ub, eq, money = p.ub * p.unit, p.eq * p.unit, float(np.max(np.abs(p.cost * p.unit))) or 1.0
    ub_unit = np.maximum(np.abs(ub).max(axis=1), np.abs(p.ub_rhs))
    eq_unit = np.maximum(np.abs(eq).max(axis=1), np.abs(p.eq_rhs))
    found = linprog(
        -p.cost * p.unit / money,
        A_ub=ub / ub_unit[:, None],
        b_ub=p.ub_rhs / ub_unit,
        A_eq=eq / eq_unit[:, None],
        b_eq=p.eq_rhs / eq_unit,
        bounds=np.column_stack([np.zeros_like(p.upper), p.upper]),
        method="highs",
        options={**_TIGHT, "presolve": False},
    )
    if found.status != 0:
        z, ub_dual, eq_dual = (np.full(len(v), np.nan) for v in (p.cost, p.ub_rhs, p.eq_rhs))
        return _STATUS[found.status], z, ub_dual, eq_dual
    ub_dual = -found.ineqlin.marginals * money / ub_unit
    eq_dual = -found.eqlin.marginals * money / eq_unit
    return "optimal", found.x * p.unit, ub_dual, eq_dual


def _program(
    data: dict[str, Any],
    scheme: str,
    empty_decode_buffer: bool = False,
    disaggregated: bool = False,
) -> _Program:
    """(P40), or (P42) for scheme "separate"; rates by (P3)-(P4), rewards by (P21).

    The balances are written mu_p x + theta q_p = lambda and mu_m y_m + mu_s y_s + theta q_d -
    mu_p x = 0, so that their duals are +phi-hat and +eta-hat (the sign trap of 4.4).
    """
    gpu, prices = data["gpu"], data["prices"]
    law, slots, chunk = gpu["iteration_time"], float(gpu["batch_slots"]), float(gpu["chunk_tokens"])
    keys = ("prompt_tokens", "output_tokens", "arrival_rate", "patience_rate")
    table = np.array([[float(k[key]) for k in data["classes"]] for key in keys])
    prompt, output, lam, theta = table
    c_p, c_d = float(prices["prompt_token"]), float(prices["output_token"])
    tau, gamma = law["base"] + law["per_chunk_token"] * chunk, 1.0 / law["decode_only"]
    mu_p, mu_m, mu_s = chunk / (prompt * tau), 1.0 / (output * tau), gamma / output
    one, zero, none = np.ones_like(lam), np.zeros_like(lam), np.zeros((lam.size, lam.size))
    reward = c_p * prompt + c_d * output
    cost = {
        "bundled": np.concatenate([zero, reward * mu_m, reward * mu_s, zero, zero]),
        "separate": np.repeat([c_p * chunk / tau, c_d / tau, c_d * gamma, 0.0, 0.0], lam.size),
    }[scheme]
    totals = [[1.0, 0.0, 0.0], [-(slots - 1.0), 1.0, 0.0], [slots, 0.0, 1.0]]
    prefill = [np.diag(mu_p), none, none, np.diag(theta), none]
    decode = [-np.diag(mu_p), np.diag(mu_m), np.diag(mu_s), none, np.diag(theta)]
    free, patient = np.where(theta > 0, np.inf, 0.0), np.where(theta > 0, theta, 1.0)
    mixed = zero if disaggregated else one * np.inf
    upper = [one * np.inf, mixed, one * np.inf, free, zero if empty_decode_buffer else free]
    flow = np.where(lam > 0, lam, 1.0)
    return _Program(
        cost=cost,
        ub=np.array([np.repeat([*row, 0.0, 0.0], lam.size) for row in totals]),
        ub_rhs=np.array([1.0, 0.0, slots]),
        eq=np.block([prefill, decode]),
        eq_rhs=np.concatenate([lam, zero]),
        upper=np.concatenate(upper),
        unit=np.concatenate([flow / rate for rate in (mu_p, mu_m, mu_s, patient, patient)]),
    )


def _optimum(status: str, value: float, z: Array, capacity: Array, balance: Array) -> Optimum:
    x, y_m, y_s, q_p, q_d = z.reshape(5, -1)
    alpha, beta, delta = (float(dual) for dual in capacity)
    phi, eta = balance.reshape(2, -1)
    return Optimum(status, value, x, y_m, y_s, q_p, q_d, alpha, beta, delta, phi, eta)


def _solve(data: dict[str, Any], scheme: str, **demands: bool) -> Optimum:
    program = _program(data, scheme, **demands)
    status, z, capacity, balance = _maximise(program)
    return _optimum(status, float(program.cost @ z), z, capacity, balance)


def bundled(data: dict[str, Any], **demands: bool) -> Optimum:
    """Solve (P40); demands: ``empty_decode_buffer`` imposes q_d = 0, ``disaggregated`` y_m = 0."""
    return _solve(data, "bundled", **demands)


def separate(data: dict[str, Any], **demands: bool) -> Optimum:
    """Solve (P42); demands as for `bundled`."""
    return _solve(data, "separate", **demands)


def reduced(data: dict[str, Any]) -> Optimum:
    """Solve (P52): rows (P50) in place of the decode balances, decode queues by (P51).

    (P50) needs theta_i > 0; a class with theta_i = 0 keeps its decode balance as an equation.
    """
    full = _program(data, "bundled")
    count = full.cost.size // 5
    theta = np.diag(full.eq[:count, 3 * count : 4 * count])
    rows = np.arange(2 * count)
    loose = (rows >= count) & np.concatenate([theta > 0, theta > 0])
    program = _Program(
        cost=full.cost[: 4 * count],
        ub=np.vstack([full.ub, full.eq[loose]])[:, : 4 * count],
        ub_rhs=np.concatenate([full.ub_rhs, full.eq_rhs[loose]]),
        eq=full.eq[~loose, : 4 * count],
        eq_rhs=full.eq_rhs[~loose],
        upper=full.upper[: 4 * count],
        unit=full.unit[: 4 * count],
    )
    status, z, ub_dual, eq_dual = _maximise(program)
    balance = np.empty(2 * count)
    balance[loose], balance[~loose] = ub_dual[3:], eq_dual
    surplus = -full.eq[count:, : 4 * count] @ z  # mu_p x - mu_m y_m - mu_s y_s
    q_d = np.where(theta > 0, surplus / np.where(theta > 0, theta, 1.0), 0.0 * surplus)
    value = float(program.cost @ z)
    return _optimum(status, value, np.concatenate([z, q_d]), ub_dual[:3], balance)


def _face(
    data: dict[str, Any], scheme: str, direction: npt.ArrayLike, **demands: bool
) -> tuple[float, float]:
    program, along = _program(data, scheme, **demands), np.asarray(direction, dtype=np.float64)
    status, best, _, _ = _maximise(program)
    value = float(program.cost @ best)
    ends = []
    for sign in (-1.0, 1.0):
        if status == "optimal":
            face = program._replace(
                cost=sign * along,
                ub=np.vstack([program.ub, -program.cost]),
                ub_rhs=np.append(program.ub_rhs, _FACE * abs(value) - value),
            )
            status, end, _, _ = _maximise(face)
            ends.append(float(along @ end))
    if status != "optimal":
        raise ValueError(f"no optimal face: solver status {status}")
    return ends[0], ends[1]


def bundled_face(
    data: dict[str, Any], direction: npt.ArrayLike, **demands: bool
) -> tuple[float, float]:
    """Least and largest direction @ (x, y_m, y_s, q_p, q_d) over the optima of (P40)."""
    return _face(data, "bundled", direction, **demands)


def separate_face(
    data: dict[str, Any], direction: npt.ArrayLike, **demands: bool
) -> tuple[float, float]:
    """Least and largest direction @ (x, y_m, y_s, q_p, q_d) over the optima of (P42)."""
    return _face(data, "separate", direction, **demands)


def marginal_range(
    data: dict[str, Any], scheme: str, cls: int, step: float, **demands: bool
) -> tuple[float, float]:
    """Right and left difference quotient of the optimal value in lambda_cls (4.4, iii).

    By concavity right <= phi-hat <= left; nan where a shifted program is infeasible.
    """
    values = []
    for shift in (step, 0.0, -step):
        moved = copy.deepcopy(data)
        moved["classes"][cls]["arrival_rate"] += shift
        values.append(_solve(moved, scheme, **demands).value)
    return (values[0] - values[1]) / step, (values[1] - values[2]) / step


def max_min_shares(data: dict[str, Any]) -> Array:
    """Served fraction of the arrivals of each class at the lexicographically max-min fair plan.

    A class stays at a level if, with nobody below it, it cannot go higher by itself: one program
    for each class and level. nan where (P40) is infeasible.
    """
    program = _program(data, "bundled")
    count = program.cost.size // 5
    flow = program.eq[count:].copy()
    flow[:, :count] = flow[:, 3 * count :] = 0.0  # mu_m y_m + mu_s y_s is what finishes
    served = flow / program.eq_rhs[:count, None]

    def highest(goal: Array, least: Array, level: Array) -> float:
        """Largest goal @ (z, v), class i served at least least_i + level_i v, v at most 1."""
        bounded = program._replace(
            cost=goal,
            ub=np.block([[program.ub, np.zeros((3, 1))], [-served, level[:, None]]]),
            ub_rhs=np.concatenate([program.ub_rhs, -least]),
            eq=np.column_stack([program.eq, np.zeros(2 * count)]),
            upper=np.append(program.upper, 1.0),
            unit=np.append(program.unit, 1.0),
        )
        status, z, _, _ = _maximise(bounded)
        return float(goal @ z) if status == "optimal" else np.nan

    shares, rising = np.zeros(count), np.ones(count, dtype=bool)
    while rising.any():
        common = highest(np.eye(5 * count + 1)[-1], shares * ~rising, rising * 1.0)
        shares[rising] = common
        if np.isnan(common):
            break
        alone = [highest(np.append(served[i], 0.0), shares, 0.0 * shares) for i in range(count)]
        rising &= np.array(alone) > common + 1e-6
    return shares
