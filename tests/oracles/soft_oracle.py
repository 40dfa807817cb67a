"""Penalties that are not linear, restated on a grid over the value of the indicator.

Written from THEORY section 6 alone, on the programs of `linprog_oracle`. For every eta of a grid
the best revenue under N - eta D <= 0 is found; less eta times the weight it is what the best plan
with that indicator is worth at least, and the largest over a fine grid what the best plan is worth.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from oracles.linprog_oracle import _maximise, _program

Array = npt.NDArray[np.float64]


def quotient(data: dict[str, Any], kind: str, owner: int | None) -> tuple[Array, Array, float]:
    """Coefficients of N and of D over (x, y_m, y_s, q_p, q_d), and the constant of D.

    N and D of mean_tpot have the constants B/gamma and B; the first is returned by `constants`.
    """
    gpu, classes = data["gpu"], data["classes"]
    law, slots = gpu["iteration_time"], gpu["batch_slots"]
    tau, gamma = law["base"] + law["per_chunk_token"] * gpu["chunk_tokens"], 1 / law["decode_only"]
    count = len(classes)
    mine = np.ones(count) if owner is None else np.eye(count)[owner]
    output = np.array([float(each["output_tokens"]) for each in classes])
    prompt = np.array([float(each["prompt_tokens"]) for each in classes])
    zero, one = np.zeros(count), np.ones(count)
    mu_p, mu_m, mu_s = gpu["chunk_tokens"] / (prompt * tau), 1 / (output * tau), gamma / output
    finished = [zero, mine * mu_m, mine * mu_s, zero, zero]
    rows: dict[str, tuple[list[Array], list[Array], float]] = {
        "mean_tpot": (
            [(tau * (slots - 1) - slots / gamma) * one, zero, zero, zero, zero],
            [-one, zero, zero, zero, zero],
            float(slots),
        ),
        "token_tpot": (
            [zero, mine, mine, zero, zero],
            [zero, mine / tau, mine * gamma, zero, zero],
            0.0,
        ),
        "mean_wait": ([zero, zero, zero, mine, zero], [mine * mu_p, zero, zero, zero, zero], 0.0),
        "mean_ttft": ([mine, zero, zero, mine, zero], [mine * mu_p, zero, zero, zero, zero], 0.0),
        "mean_end_to_end": ([mine, mine, mine, mine, mine], finished, 0.0),
        "proportional_share": (finished, [zero, mu_m, mu_s, zero, zero], 0.0),
    }
    above, below, size = rows[kind]
    return np.concatenate(above), np.concatenate(below), size


def constants(data: dict[str, Any], kind: str) -> float:
    """Constant of N."""
    gpu = data["gpu"]
    return gpu["batch_slots"] * gpu["iteration_time"]["decode_only"] if kind == "mean_tpot" else 0.0


def indicator(data: dict[str, Any], kind: str, owner: int | None, z: Array) -> float:
    """N/D at z; nan where D = 0."""
    above, below, size = quotient(data, kind, owner)
    under = float(below @ z) + size
    return (float(above @ z) + constants(data, kind)) / under if under > 0 else float("nan")


def best_with(data: dict[str, Any], kind: str, owner: int | None, eta: float) -> float:
    """Best revenue with the indicator at most eta (at least, for a share); nan if there is none."""
    scheme = data["prices"]["scheme"]
    program = _program(data, scheme)
    above, below, size = quotient(data, kind, owner)
    sign = -1.0 if kind == "proportional_share" else 1.0
    row, right = sign * (above - eta * below), sign * (eta * size - constants(data, kind))
    unit = float(np.max(np.abs(row))) or 1.0
    program = program._replace(
        ub=np.vstack([program.ub, row / unit]), ub_rhs=np.append(program.ub_rhs, right / unit)
    )
    status, z, _, _ = _maximise(program)
    return float(program.cost @ z) if status == "optimal" else float("nan")


def revenue(data: dict[str, Any], z: Array) -> float:
    """Revenue of z, and a check that it is a plan: all rows of the program hold to 1e-8."""
    program = _program(data, data["prices"]["scheme"])
    slack = program.ub_rhs - program.ub @ z
    missed = np.abs(program.eq @ z - program.eq_rhs) / np.maximum(np.abs(program.eq) @ z, 1e-300)
    size = np.maximum(np.abs(program.ub) @ z, 1.0)
    if np.any(z < 0) or np.any(slack < -1e-8 * size) or np.any(missed > 1e-8):
        raise AssertionError("not a plan")
    return float(program.cost @ z)
