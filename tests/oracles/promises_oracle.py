"""The linear programs of THEORY section 4 under the promises of section 6, restated with scipy.

Written from THEORY.md alone. A promise is a row N - eta D <= 0 (>= 0 where it is at_least) with N
and D affine in z = (x, y_m, y_s, q_p, q_d), I of each; (P43) and (P45) are written as one row for
every ordered pair of classes, not with the auxiliaries that the text offers first. The slope of
the value in eta is the multiplier times D at the optimum, summed over the rows of a promise.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from oracles.linprog_oracle import _maximise, _Program, _program, max_min_shares

Array = npt.NDArray[np.float64]

_EMPTY_BUFFER = ("prefill_fairness", "decode_fairness")


class Pledge(NamedTuple):
    """A hard promise: an indicator, its bound, the index of its class (None for all), its side."""

    kind: str
    bound: float
    owner: int | None = None
    at_least: bool = False


class Quotient(NamedTuple):
    """(above @ z + above_constant) / (below @ z + below_constant + below_arrivals @ lambda)."""

    above: Array
    below: Array
    above_constant: float
    below_constant: float
    below_arrivals: Array
    arrivals: Array

    @property
    def scale(self) -> float:
        """What of the denominator does not depend on z."""
        return self.below_constant + float(self.below_arrivals @ self.arrivals)

    def value(self, z: Array) -> float:
        """The quotient at z; nan where the denominator is not positive."""
        under = float(self.below @ z) + self.scale
        return (float(self.above @ z) + self.above_constant) / under if under > 0 else np.nan


@dataclass(frozen=True)
class Kept:
    """Optimum under promises; all nan unless status is "optimal".

    prices: slope of the value in each bound. marginal_value: slope in each arrival rate, through
    the balances and through promises counted per arrival, max-min shares held. gpu_value: what a
    further GPU is worth, by the multipliers of the capacities and of what promises hold per GPU.
    """

    status: str
    value: float
    z: Array
    prices: Array
    marginal_value: Array
    gpu_value: float


def quotients(
    data: dict[str, Any], kind: str, owner: int | None = None, shares: Array | None = None
) -> list[Quotient]:
    """Every quotient that a promise of this kind bounds; section 6, rates by (P3)-(P4).

    shares: the max-min fair served fractions, by default those of the data.
    """
    gpu, classes = data["gpu"], data["classes"]
    law, slots, chunk = gpu["iteration_time"], float(gpu["batch_slots"]), gpu["chunk_tokens"]
    keys = ("prompt_tokens", "output_tokens", "arrival_rate", "patience_rate")
    prompt, output, lam, theta = (np.array([float(c[key]) for c in classes]) for key in keys)
    tau, gamma = law["base"] + law["per_chunk_token"] * chunk, 1.0 / law["decode_only"]
    mu_p, mu_m, mu_s = chunk / (prompt * tau), 1.0 / (output * tau), gamma / output
    count = lam.size
    each, nil = np.ones(count), np.zeros(count)
    own = each if owner is None else np.eye(count)[owner]

    def over(*parts: Array) -> Array:
        return np.concatenate(parts)

    def ratio(
        above: Array, below: Array | float = 1.0, add: float = 0.0, plus: Array = nil
    ) -> Quotient:
        row, free = (np.zeros(5 * count), below) if isinstance(below, float) else (below, 0.0)
        return Quotient(above, row, add, free, plus, lam)

    started = over(own * mu_p, nil, nil, nil, nil)
    finished = over(nil, own * mu_m, own * mu_s, nil, nil)

    if kind == "mean_tpot":
        slope = tau * (slots - 1.0) - slots / gamma
        above, below = over(slope * each, nil, nil, nil, nil), over(-each, nil, nil, nil, nil)
        return [ratio(above, below, slots / gamma)._replace(below_constant=slots)]
    if kind in _EMPTY_BUFFER:
        first = 0 if kind == "prefill_fairness" else 2 * count
        unit = np.eye(5 * count)[first : first + count]
        return [ratio(unit[i] - unit[j]) for i, j in permutations(range(count), 2)]
    if kind == "max_min_fairness":
        fair = max_min_shares(data) if shares is None else shares
        return [
            ratio(over(nil, unit * mu_m, unit * mu_s, nil, nil), 0.0, plus=share * unit)
            for unit, share in zip(np.eye(count), fair, strict=True)
        ]
    if kind == "abandonment_fraction":
        return [ratio(over(nil, nil, nil, own * theta, own * theta), 0.0, plus=own)]
    single = {
        "token_tpot": (over(nil, own, own, nil, nil), over(nil, own / tau, own * gamma, nil, nil)),
        "mean_wait": (over(nil, nil, nil, own, nil), started),
        "mean_ttft": (over(own, nil, nil, own, nil), started),
        "mean_end_to_end": (over(own, own, own, own, own), finished),
        "proportional_share": (finished, over(nil, mu_m, mu_s, nil, nil)),
        "throughput": (finished,),
        "decode_backlog": (over(nil, nil, nil, nil, own * prompt),),
        "empty_decode_buffer": (over(nil, nil, nil, nil, own),),
        "disaggregation": (over(nil, own, nil, nil, nil),),
    }
    return [ratio(*single[kind])]


def _rows(
    data: dict[str, Any], pledge: Pledge, shares: Array | None
) -> tuple[Array, Array, list[Quotient]]:
    """Rows row @ z <= right of one promise, in the units of its kind."""
    sign = -1.0 if pledge.at_least else 1.0
    held = quotients(data, pledge.kind, pledge.owner, shares)
    rows = [sign * (q.above - pledge.bound * q.below) for q in held]
    right = [sign * (pledge.bound * q.scale - q.above_constant) for q in held]
    return np.reshape(rows, (len(held), 5 * len(data["classes"]))), np.array(right), held


def _promised(
    data: dict[str, Any], scheme: str, pledges: list[Pledge], shares: Array | None = None
) -> _Program:
    empty = any(pledge.kind in _EMPTY_BUFFER for pledge in pledges)
    program = _program(data, scheme, empty_decode_buffer=empty)
    parts = [_rows(data, pledge, shares) for pledge in pledges]
    return program._replace(
        ub=np.vstack([program.ub, *(rows for rows, _, _ in parts)]),
        ub_rhs=np.concatenate([program.ub_rhs, *(right for _, right, _ in parts)]),
    )


def solve(
    data: dict[str, Any], scheme: str, pledges: list[Pledge], shares: Array | None = None
) -> Kept:
    """Solve (P40), or (P42) for scheme "separate", under hard promises (P49)."""
    program = _promised(data, scheme, pledges, shares)
    status, z, dual, balance = _maximise(program)
    marginal, prices, at = balance[: len(data["classes"])].copy(), [], 3
    gpu_value = float(dual[:3] @ program.ub_rhs[:3])
    for pledge in pledges:
        sign, held = -1.0 if pledge.at_least else 1.0, _rows(data, pledge, shares)[2]
        multipliers, at = sign * dual[at : at + len(held)], at + len(held)
        prices.append(0.0)
        for nu, q in zip(multipliers, held, strict=True):
            prices[-1] += float(nu) * (float(q.below @ z) + q.scale)
            gpu_value += float(nu) * (pledge.bound * q.below_constant - q.above_constant)
            marginal += float(nu) * pledge.bound * q.below_arrivals
    value = float(program.cost @ z)
    return Kept(status, value, z, np.array(prices), marginal, gpu_value)


def attained(data: dict[str, Any], pledge: Pledge, z: Array) -> float:
    """The indicator at z: the largest of its quotients, the smallest where more is better."""
    values = [q.value(z) for q in quotients(data, pledge.kind, pledge.owner)]
    return float((min if pledge.at_least else max)(values, default=0.0))


def tightest(
    data: dict[str, Any],
    pledge: Pledge,
    others: list[Pledge],
    scheme: str = "bundled",
    least: float = 0.0,
) -> float:
    """The best value of a promise's indicator beside other promises, in plans worth `least`.

    One program in (t z, t, v), every denominator being constant or the only one: v is t times the
    best quotient, and t makes the denominator 1, or is 1. nan where there is no plan.
    """
    program, sign = _promised(data, scheme, others), 1.0 if pledge.at_least else -1.0
    program = program._replace(
        ub=np.vstack([program.ub, -program.cost]), ub_rhs=np.append(program.ub_rhs, -least)
    )
    held = quotients(data, pledge.kind, pledge.owner)
    if not held:
        return 0.0
    if pledge.kind in _EMPTY_BUFFER:
        program = _program_with_empty_buffer(program)
    several, width = len(held) > 1, program.cost.size
    level = [np.append(-sign * q.above, [-sign * q.above_constant, sign * q.scale]) for q in held]
    unit = np.append(np.zeros(width), [1.0, 0.0])
    if not several:
        level = [np.append(-sign * held[0].above, [-sign * held[0].above_constant, sign])]
        unit = np.append(held[0].below, [held[0].scale, 0.0])
    rows, equations = program.ub.shape[0], program.eq.shape[0]
    lifted = np.column_stack([program.ub, -program.ub_rhs, np.zeros(rows)])
    balances = np.column_stack([program.eq, -program.eq_rhs, np.zeros(equations)])
    found = program._replace(
        cost=np.append(np.zeros(width + 1), sign),
        ub=np.vstack([lifted, level]),
        ub_rhs=np.zeros(rows + len(level)),
        eq=np.vstack([balances, unit]),
        eq_rhs=np.append(np.zeros(equations), 1.0),
        upper=np.append(program.upper, [np.inf, np.inf]),
        unit=np.append(program.unit, [1.0, 1.0]),
    )
    status, z, _, _ = _maximise(found)
    return float(z[-1]) if status == "optimal" else np.nan


def _program_with_empty_buffer(program: _Program) -> _Program:
    count = program.cost.size // 5
    return program._replace(upper=np.append(program.upper[: 4 * count], np.zeros(count)))


def slopes(
    data: dict[str, Any], scheme: str, pledges: list[Pledge], which: int, step: float
) -> tuple[float, float]:
    """Left and right difference quotient of the value in one bound; nan where infeasible."""

    def at(shift: float) -> float:
        moved = list(pledges)
        moved[which] = pledges[which]._replace(bound=pledges[which].bound + shift)
        return solve(data, scheme, moved).value

    return (at(0.0) - at(-step)) / step, (at(step) - at(0.0)) / step


def arrival_slopes(
    data: dict[str, Any], scheme: str, pledges: list[Pledge], cls: int, step: float
) -> tuple[float, float]:
    """Left and right difference quotient in one arrival rate, max-min shares held."""

    shares = max_min_shares(data)

    def at(shift: float) -> float:
        moved = copy.deepcopy(data)
        moved["classes"][cls]["arrival_rate"] += shift
        return solve(moved, scheme, pledges, shares).value

    return (at(0.0) - at(-step)) / step, (at(step) - at(0.0)) / step
