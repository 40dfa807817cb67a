"""The per-GPU cluster against a blind SimPy simulation, request by request in another hand's words.

Same plan, same window, both from an empty cluster: the means over independent runs must agree,
whatever the warm-up leaves behind.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from per_gpu_clusters import TWO, Case, bundled, case, optimum_for
from statistical.checks import POWER, Check, difference_check, report

from gnr.arrays import Floats
from gnr.validation.chain import Flow
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.engine import PerGpuLanes
from oracles import per_gpu_simpy_oracle as oracle

ORACLE_POLICIES = {
    "gate-and-route": oracle.gate_and_route,
    "price-index-fill": oracle.price_index_fill,
}
WARMUP, LANES = 100.0, 256
OCCUPANCIES = {
    "x": "prefill",
    "y_m": "mixed_decode",
    "y_s": "solo_decode",
    "q_p": "prefill_queue",
    "q_d": "decode_queue",
}


@cache
def theirs(policy: str, gpus: int, runs: int, seconds: float) -> dict[str, Floats]:
    """Return the oracle's figures, each of shape ``(classes or 1, runs)``."""
    solution, iteration = optimum_for(TWO, policy), TWO.gpu.iteration_time
    params = {
        "B": TWO.gpu.batch_slots,
        "C": TWO.gpu.chunk_tokens,
        "alpha": iteration.base,
        "beta": iteration.per_chunk_token,
        "tau_solo": iteration.decode_only,
        "c_p": TWO.prices.prompt_token,
        "c_d": TWO.prices.output_token,
        "classes": [
            {
                "P": each.prompt_tokens,
                "D": each.output_tokens,
                "lam": each.arrival_rate,
                "theta": each.patience_rate,
            }
            for each in TWO.classes
        ],
    }
    plan = {
        "x_star": [each.prefill for each in solution.classes],
        "q_p_star": [each.prefill_queue for each in solution.classes],
        "phi_hat": [each.marginal_value for each in solution.classes],
    }
    found = [
        oracle.simulate(params, plan, ORACLE_POLICIES[policy], gpus, WARMUP, seconds, seed)
        for seed in range(runs)
    ]
    return {key: np.array([np.atleast_1d(run[key]) for run in found]).T for key in found[0]}


def ours(cluster: Case, seconds: float) -> dict[str, Floats]:
    """Return the same figures of the cluster under test."""
    seen: PerGpuLanes = cluster.window(LANES, WARMUP, seconds, seed=9)
    found, count, sums = cluster.measured(seen), seen.count, seen.sums
    left = count[:, [Flow.DECODE_ABANDONMENTS, Flow.SOLO_QUEUE_ABANDONMENTS]].sum(axis=1)
    done = count[:, [Flow.MIXED_COMPLETIONS, Flow.SOLO_COMPLETIONS]].sum(axis=1)
    return {key: getattr(found, field) for key, field in OCCUPANCIES.items()} | {
        "revenue": bundled(cluster.rates, found.throughput)[None],
        "ttft": sums[:, at.TTFT] / count[:, Flow.PREFILLS],
        "abandoned_prefill": count[:, Flow.PREFILL_ABANDONMENTS] / count[:, Flow.ARRIVALS],
        "abandoned_decode": left / count[:, Flow.PREFILLS],
        "kv_transfers": (sums[:, at.TRANSFERS].sum(axis=0) / done.sum(axis=0))[None],
    }


def oracle_checks(policy: str, gpus: int, runs: int, seconds: float, **rules: Any) -> list[Check]:
    """Compare every figure of both, class by class; rules may be tampered with."""
    known = theirs(policy, gpus, runs, seconds)
    found = ours(case(TWO, policy, gpus).with_rules(**rules), seconds)
    return [
        difference_check(f"{key} of {i}", values[i], known[key][i])
        for key, values in found.items()
        for i in range(len(values))
        if known[key][i].std() > 0 or values[i].std() > 0
    ]


def faulty_rules(policy: str) -> dict[str, Any]:
    """Return rules under which decodes beside a prefill stay fast."""
    return {"speeds": case(TWO, policy, 1).rules.speeds[[0, 0]]}


SHORT: dict[str, Any] = {"gpus": 5, "runs": 24, "seconds": 500.0}
"""Many short runs: with few, the t quantile at this level is twice the normal one."""
LONG: dict[str, Any] = {"gpus": 10, "runs": 32, "seconds": 3000.0}


@pytest.mark.parametrize("policy", ORACLE_POLICIES)
def test_policies_agree_with_the_blind_oracle(policy: str, tell: Callable[[str], None]) -> None:
    """Revenue, times to first token, abandonment, KV transfers and occupancies at n = 5."""
    checks = oracle_checks(policy, **SHORT)
    planted = oracle_checks(policy, **SHORT, **faulty_rules(policy))
    rows = [
        (each, "no mode switch", other.estimate - each.estimate)
        for each, other in zip(checks, planted, strict=True)
    ]
    tell(report(f"per-GPU SimPy, {policy}", rows))
    assert not [check for check in checks if check.alarmed]
    assert max(check.power(effect) for check, _, effect in rows) >= POWER
    assert any(check.alarmed for check in planted)


@pytest.mark.long
@pytest.mark.parametrize("policy", ORACLE_POLICIES)
def test_policies_agree_with_the_blind_oracle_at_length(
    policy: str, tell: Callable[[str], None]
) -> None:
    """The same at n = 10, over windows that find 2 % in the revenue."""
    checks = oracle_checks(policy, **LONG)
    tell(report(f"per-GPU SimPy, {policy}, long", [(c, "2 %", 0.02 * c.expected) for c in checks]))
    assert not [check for check in checks if check.alarmed]
    revenue = next(check for check in checks if check.name.startswith("revenue"))
    assert revenue.power(0.02 * revenue.expected) >= POWER
