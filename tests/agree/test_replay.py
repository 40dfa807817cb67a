"""The replaying engine against an oracle, and against the engine that counts tokens."""

import numpy as np
import pytest
from per_gpu_clusters import bundled, case, instance_of
from per_gpu_rooms import plan_by_hand
from replays import DIGEST, REAL, engine_of, random_trace, rules_of

from gnr.arrays import Floats
from gnr.batch_law import law_of
from gnr.rates import rates_of
from gnr.validation.lanes import lane_seeds
from gnr.validation.per_gpu.replay_engine import ReplayEngine
from gnr.validation.per_gpu.replay_layout import FINISHED, REFUSED, Trace
from oracles.iteration_oracle import Served, serve


def time_of(chunk: int, prefix: int, decodes: int, context: int) -> float:
    """Return the time of an iteration under the law of the tests."""
    if chunk == 0:
        return float(REAL.solo_time(decodes, context))
    return float(REAL.mixed_time(chunk, prefix, decodes, context))


@pytest.mark.parametrize("memory", [np.inf, 2500.0, 900.0])
@pytest.mark.parametrize("slots", [1, 2, 5, 16])
@pytest.mark.parametrize("seed", range(3))
def test_one_gpu_serves_as_the_oracle_does(seed: int, slots: int, memory: float) -> None:
    """Every time of every request to 1e-9 s; light, critical and heavy load, chunks of 1 to 256."""
    chunk, seconds = (64, 1, 256)[seed], (400.0, 60.0, 8.0)[seed]
    trace = random_trace(250, seconds, seed, mean=(20, 20) if chunk == 1 else (400, 25))
    if np.isfinite(memory) and chunk == 1:
        memory /= 10
    rules = rules_of("fcfs-immediate", plan_by_hand(1, 1, (1.0, 1.0)), slots=slots)
    engine = engine_of(rules, trace, 1, chunk_tokens=chunk, kv_tokens=memory)
    engine.advance()
    log, totals = engine.requests(), engine.totals()
    columns = (trace.arrival, trace.prompt_tokens, trace.output_tokens)
    requests = [Served(*(each.item() for each in row)) for row in zip(*columns, strict=True)]
    gpu = serve(requests, time_of, chunk, slots, memory)
    for name, found in (
        ("start", log.prefill_start),
        ("first_token", log.first_token),
        ("decode_start", log.decode_start),
        ("end", log.end),
    ):
        expected = np.array([getattr(each, name) for each in requests])
        assert found == pytest.approx(expected, rel=0, abs=1e-9, nan_ok=True), name
    refused = np.array([each.refused for each in requests])
    assert np.array_equal(log.outcome, np.where(refused, REFUSED, FINISHED))
    assert totals.iterations == gpu.iterations
    assert totals.iteration_time == pytest.approx(gpu.busy)
    assert totals.held_up_requests == len(gpu.held_up)
    assert totals.held_up_time == pytest.approx(gpu.held_up_time, abs=1e-9)
    if memory < 500 * (0.1 if chunk == 1 else 1) and slots > 2:
        assert len(gpu.held_up) > 5, "memory decides nothing"


LONG = instance_of((6000, 40000), (9000, 5000), (0.06, 0.06), (0.02, 0.02))
"""Long requests: the last chunk, which is shorter, and whole iterations hardly matter."""


def poisson(gpus: int, seconds: float, seed: int) -> Trace:
    """Return arrivals and lengths of `LONG`, drawn as the per-GPU engine draws them."""
    rates, numbers = rates_of(LONG), np.random.default_rng(seed)
    arrival = gpus * np.asarray(rates.arrival_rate)
    count = int(numbers.poisson(arrival.sum() * seconds))
    kind = numbers.choice(len(arrival), count, p=arrival / arrival.sum())
    lengths = [
        np.ceil(numbers.exponential(np.asarray(mean)[kind])).astype(int)
        for mean in (rates.prompt_tokens, rates.output_tokens)
    ]
    return Trace(np.sort(numbers.uniform(0, seconds, count)), kind, *lengths)


def replayed_revenue(policy: str, gpus: int, warmup: float, seconds: float) -> Floats:
    """Return revenue per GPU and second of runs with the instance's own law."""
    cluster, found = case(LONG, policy, gpus), []
    for seed in range(4):
        trace = poisson(gpus, warmup + seconds, seed)
        engine = ReplayEngine(
            cluster.rules,
            law_of(LONG),
            trace,
            gpus,
            chunk_tokens=LONG.gpu.chunk_tokens,
            seeds=lane_seeds(DIGEST, gpus, seed, 1),
        )
        engine.advance(warmup + seconds)
        log = engine.requests()
        done = (log.outcome == FINISHED) & (log.end > warmup)
        counts = np.bincount(trace.kind[done], minlength=2)
        found.append(bundled(cluster.rates, counts / seconds / gpus))
    return np.array(found)


@pytest.mark.parametrize("policy", ["gate-and-route", "price-index-fill", "fcfs-immediate"])
def test_revenue_is_that_of_the_engine_that_counts_tokens(policy: str) -> None:
    """With the law of the instance, Poisson arrivals and long exponential lengths, within 1 %."""
    gpus, warmup, seconds = 20, 1500.0, 12_000.0
    cluster = case(LONG, policy, gpus)
    records = cluster.window(4, warmup, seconds, seed=3)
    measured = cluster.measured(records)
    expected = bundled(cluster.rates, measured.throughput)
    found = replayed_revenue(policy, gpus, warmup, seconds)
    assert found.mean() == pytest.approx(expected.mean(), rel=0.01)
