"""Special cases of the chain against queues in closed form: M/M/c, Erlang-A, M/M/infinity.

One class; the prefill station is the line with servers, decode has slots for everybody.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pooled_chains import DIGEST, chain_of
from statistical.checks import POWER, Check, mean_check, report

from gnr.validation.chain import Chain, Flow, Row
from gnr.validation.compiled_engine import CompiledEngine
from gnr.validation.lanes import empty_cluster, lane_seeds
from oracles.queue_oracle import erlang_a, erlang_c_queue, infinite_servers

LANES = 64
SERVERS, ARRIVAL, SERVICE, DECODE = 12, 10.0, 1.0, 0.25
WARMUP, SECONDS = 100.0, 4000.0
PATIENCE = {"M/M/c": 0.0, "Erlang-A": 0.3}


def one_class(patience: float, servers: int = SERVERS) -> Chain:
    """Return a chain with one class, `servers` prefill slots and endless decode slots."""
    chain = chain_of("two-class", "gate-and-route", 20)
    assert chain.gate is not None
    gate = replace(chain.gate, slope=np.ones(1), offset=np.zeros(1), queue_target=np.zeros(1))
    return replace(
        chain,
        names=("only",),
        arrival=np.array([ARRIVAL]),
        leaving=np.array([[patience, SERVICE, patience, DECODE, DECODE, patience]]),
        prefill_slots=float(servers),
        mixed_decode_slots=0.0,
        solo_decode_slots=1e9,
        gate=gate,
        solo_probability=np.ones(1),
        mixed_weight=np.zeros(1),
        solo_weight=np.zeros(1),
        planned=np.zeros((1, 6)),
    )


def queue_checks(chain: Chain, patience: float) -> list[Check]:
    """Return line, busy servers, decodes and the share that left, against the closed forms."""
    start = np.repeat(empty_cluster(chain)[..., None], LANES, axis=-1)
    run = CompiledEngine([chain] * LANES, start, lane_seeds(DIGEST, 1, 4, LANES))
    run.advance(np.full(LANES, WARMUP))
    warm = run.snapshot()
    run.advance(np.full(LANES, WARMUP + SECONDS))
    seen = run.snapshot().since(warm)
    mean = seen.mean_state()[0]
    known = erlang_a(ARRIVAL, SERVICE, patience, SERVERS)
    checks = [
        mean_check("waiting", mean[Row.PREFILL_QUEUE], known["queue"]),
        mean_check("busy servers", mean[Row.PREFILL], known["busy"]),
    ]
    if patience == 0:
        poisson = infinite_servers(ARRIVAL, DECODE)[0]  # departures of M/M/c are Poisson
        checks.append(mean_check("decodes", mean[Row.SOLO_DECODE], poisson))
    else:
        left = seen.count[0, Flow.PREFILL_ABANDONMENTS] / seen.count[0, Flow.ARRIVALS]
        checks.append(mean_check("share that left", left, known["left"]))
    return checks


def effect_of_a_slot_too_many(patience: float) -> float:
    """Return by how much the mean line changes with one more server."""
    lines = [erlang_a(ARRIVAL, SERVICE, patience, SERVERS + more)["queue"] for more in (0, 1)]
    return lines[0] - lines[1]


@pytest.mark.parametrize("queue", PATIENCE)
def test_means_are_those_of_the_closed_form(queue: str, tell: Callable[[str], None]) -> None:
    patience = PATIENCE[queue]
    checks = queue_checks(one_class(patience), patience)
    effect = effect_of_a_slot_too_many(patience)
    tell(report(queue, [(checks[0], "a slot too many", effect)]))
    assert not [check for check in checks if check.alarmed]
    assert checks[0].power(effect) >= POWER


@pytest.mark.parametrize("queue", PATIENCE)
def test_a_slot_too_many_is_found(queue: str) -> None:
    patience = PATIENCE[queue]
    checks = queue_checks(one_class(patience, SERVERS + 1), patience)
    assert checks[0].alarmed


def test_the_oracle_agrees_with_erlangs_delay_formula() -> None:
    """Two derivations of the same line; the truncated sum is long enough."""
    line = erlang_a(ARRIVAL, SERVICE, 0.0, SERVERS)["queue"]
    assert line == pytest.approx(erlang_c_queue(ARRIVAL, SERVICE, SERVERS), rel=1e-12)


def test_decode_with_slots_for_all_is_poisson() -> None:
    """M/M/infinity: mean and variance agree; a snapshot per lane is independent."""
    chain = one_class(0.0)
    lanes = 4096
    start = np.repeat(empty_cluster(chain)[..., None], lanes, axis=-1)
    run = CompiledEngine([chain] * lanes, start, lane_seeds(DIGEST, 2, 4, lanes))
    run.advance(np.full(lanes, 60.0))
    counts = run.snapshot().state[0, Row.SOLO_DECODE]
    mean, variance = infinite_servers(ARRIVAL, DECODE)
    spread = (counts - mean) ** 2
    checks = [
        mean_check("decodes, mean", counts, mean),
        mean_check("decodes, variance", spread, variance),
    ]
    assert not [check for check in checks if check.alarmed]
