"""Replayed clusters for the tests: made by hand or at random, and recounted by brute force."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from per_gpu_rooms import FIXED, plan_by_hand, rates_by_hand

from gnr.batch_law import BatchLaw
from gnr.plan import Plan
from gnr.validation.lanes import lane_seeds
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu import replay_kernel
from gnr.validation.per_gpu import replay_layout as own
from gnr.validation.per_gpu.layout import Rules
from gnr.validation.per_gpu.replay_engine import ReplayEngine
from gnr.validation.per_gpu.replay_layout import Trace
from gnr.validation.per_gpu.rules import make_rules
from gnr.validation.policies import POLICIES

DIGEST = "5" * 64
"""Stands for the SHA-256 of an instance."""

REAL = BatchLaw(
    base=0.012,
    per_decode=1.5e-4,
    per_context_token=2e-8,
    with_chunk=0.001,
    per_chunk_token=6e-5,
    free_tokens=60,
    decode_weight=1,
    per_token_pair=1e-9,
    per_context_token_with_chunk=1e-8,
)
"""A law in which every term counts."""


def trace_of(*rows: Sequence[float]) -> Trace:
    """Return a trace of rows: arrival, prompt, output, and class if it is not 0."""
    full = np.array([[*row, 0][:4] for row in rows], float)
    return Trace(full[:, 0], full[:, 3].astype(int), *full[:, 1:3].T.astype(int))


def random_trace(count: int, seconds: float, seed: int, mean: Sequence[float] = (300, 20)) -> Trace:
    """Return requests of two classes at random times; short ones and ties are among them."""
    numbers = np.random.default_rng(seed)
    arrival = np.sort(numbers.uniform(0, seconds, count))
    again = numbers.random(count) < 0.1
    arrival[1:][again[1:]] = arrival[:-1][again[1:]]
    lengths = [1 + numbers.geometric(1 / each, count) for each in mean]
    lengths[1][numbers.random(count) < 0.1] = 1
    return Trace(np.sort(arrival), numbers.integers(0, 2, count), lengths[0], lengths[1])


def rules_of(
    policy: str, plan: Plan, patience: float = 0.0, slots: int = 2, **changes: Any
) -> Rules:
    """Return the rules of a plan made by hand."""
    rates = rates_by_hand(len(plan.classes), patience, slots)
    return make_rules(rates, plan, POLICIES[policy], FIXED)._replace(**changes)


def random_plan(gpus: int, policy: str, seed: int) -> Plan:
    """Return a plan of two classes that no program has made, as the policy needs it."""
    numbers = np.random.default_rng(seed)
    whole = POLICIES[policy].layout(plan_by_hand(7, 3), 4).prefill_gpus == 7
    mixed = gpus if whole else int(numbers.integers(1, gpus))
    targets = numbers.uniform(0.5, mixed, 2)
    return plan_by_hand(
        gpus,
        mixed,
        targets,
        ranks=(1, 2),
        solo_probability=float(numbers.uniform(0.2, 0.8)),
        indices=(1.0, 3.0),
        mixed_decodes=float(mixed),
        disaggregated=POLICIES[policy].disaggregated,
        prefill_cap=0.6 * gpus if POLICIES[policy].prefill_cap else None,
    )


def engine_of(
    rules: Rules, trace: Trace, gpus: int, law: BatchLaw = REAL, seed: int = 1, **changes: Any
) -> ReplayEngine:
    """Return an engine; C = 100 unless said otherwise."""
    usual: dict[str, Any] = {"chunk_tokens": 100, "seeds": lane_seeds(DIGEST, gpus, seed, 1)}
    return ReplayEngine(rules, law, trace, gpus, **(usual | changes))


def one_event(engine: ReplayEngine) -> bool:
    """Simulate one event; return whether there was one."""
    return replay_kernel.advance(engine._rules, engine._room, np.inf, 1) == replay_kernel.MORE


def faults_in_replay(engine: ReplayEngine) -> list[str]:
    """Return what is inconsistent in a replayed cluster between two events, by brute force."""
    return [told for told, wrong in _checks(engine) if wrong]


def _checks(engine: ReplayEngine) -> list[tuple[str, bool]]:
    rules, room, replay = engine._rules, engine._room, engine._room.own
    whole, gpus = room.gpu_integers, len(room.ready)
    log, integers = replay.log, room.request_integers
    decodes, busy = whole[:, at.DECODES], whole[:, at.PREFILLING] != at.NOBODY
    held = [list(whole[g, rules.holders : rules.holders + decodes[g]]) for g in range(gpus)]
    need = replay.prompts + replay.outputs
    inside = log.outcome == own.STILL_THERE
    waiting = inside & ~np.isnan(log.first_token) & np.isnan(log.decode_start)
    reserved = np.zeros(gpus)
    for gpu in range(gpus):
        reserved[gpu] += need[held[gpu]].sum() + need[whole[gpu, at.PREFILLING]] * busy[gpu]
        reserved[gpu] += need[waiting & (integers[:, at.ORIGIN] == gpu)].sum()
    tokens, finish = room.gpu_reals[:, at.TOKENS], room.gpu_reals[:, rules.finish :]
    running = replay.gpus[:, own.PHASE] == own.RUNNING
    ahead = np.array([finish[g, : decodes[g]].sum() - decodes[g] * tokens[g] for g in range(gpus)])
    left = np.array([need[each].sum() for each in held]) - replay.gpus[:, own.CONTEXT]
    joining = decodes - replay.gpus[:, own.ACTIVE]
    awaiting = np.where(running, joining, 0)  # they count from the end of this iteration
    state = room.state.reshape(-1, at.ROWS)
    seated = [sum(decodes[busy]), sum(decodes[~busy])]
    return [
        ("slots", bool(np.any(decodes + busy > rules.slots))),
        ("memory of a GPU", not np.array_equal(replay.gpus[:, own.RESERVED], reserved)),
        ("memory of all", replay.now[own.NOW_RESERVED] != reserved.sum()),
        ("cap", bool(np.any(replay.gpus[:, own.MOST_RESERVED] > replay.kv_tokens))),
        ("context", not np.array_equal(ahead - awaiting, left)),
        ("decodes", state[:, [at.MIXED, at.SOLO]].sum(axis=0).tolist() != seated),
        ("prefills", state[:, at.PREFILL].sum() != busy.sum()),
        ("everybody", state.sum() != inside.sum()),
        ("running", not np.array_equal(np.isfinite(room.tree[:gpus]), running)),
        ("ended", replay.counters[own.ENDED] != (log.outcome < own.STILL_THERE).sum()),
    ]
