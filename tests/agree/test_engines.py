"""The engines of the pooled chain agree event by event when fed the same uniforms.

Two separately written step functions: one branch-free over blocks of lanes, one in array algebra.
"""

from dataclasses import replace
from types import ModuleType

import array_api_strict
import numpy as np
import pytest
from pooled_chains import DIGEST, chain_of

from gnr.validation.array_engine import ArrayEngine
from gnr.validation.chain import Chain
from gnr.validation.compiled_engine import CompiledEngine
from gnr.validation.lanes import Lanes, fluid_point, lane_seeds
from gnr.validation.policies import POOLED

INSTANCES = ("two-class", "dolly-eight-class")
SIZES = (5, 7, 20, 50, 500, 2000)
EVENTS = 100_000
TIME_ERROR = 1e-10


def started(chains: list[Chain], library: ModuleType | None) -> CompiledEngine | ArrayEngine:
    """Return an engine with one lane for each chain, at its planned state."""
    start = np.stack([fluid_point(chain) for chain in chains], axis=-1)
    seeds = lane_seeds(DIGEST, 1, 1, len(chains))
    if library is None:
        return CompiledEngine(chains, start, seeds)
    return ArrayEngine(chains, start, seeds, library)


def assert_same(a: Lanes, b: Lanes) -> None:
    assert np.array_equal(a.state, b.state)
    assert np.array_equal(a.count, b.count)
    assert np.array_equal(a.events, b.events)
    assert np.abs(a.clock / b.clock - 1).max() < TIME_ERROR
    assert np.abs(a.integral - b.integral).max() <= TIME_ERROR * max(a.integral.max(), 1.0)


@pytest.mark.parametrize("policy", POOLED)
def test_compiled_and_array_engine_make_the_same_events_from_the_same_uniforms(policy: str) -> None:
    """Lanes of one batch differ in size; checked every few steps, so an event cannot hide."""
    chains = [chain_of("two-class", policy, gpus) for gpus in SIZES]
    compiled, array = started(chains, None), started(chains, np)
    random = np.random.default_rng(7)
    steps, looks = EVENTS // len(SIZES) + 1, 200
    for _ in range(looks):
        uniforms = random.random((steps // looks + 1, 3, len(SIZES)))
        compiled.feed(uniforms.copy())
        array.feed(uniforms)
        assert_same(compiled.snapshot(), array.snapshot())
    assert compiled.snapshot().events.sum() >= EVENTS


@pytest.mark.parametrize("policy", POOLED)
@pytest.mark.parametrize(
    ("library", "scale"), [(np, 1.0), (array_api_strict, 0.05)], ids=["numpy", "strict"]
)
def test_engines_draw_the_same_numbers_from_the_same_seeds(
    policy: str, library: ModuleType, scale: float
) -> None:
    """Same generator on every engine: whole runs agree, ends of lanes included."""
    chains = [chain_of("dolly-eight-class", policy, gpus) for gpus in (5, 20, 300)]
    until = scale * np.array([2.0, 3.0, 1.0])
    runs = [started(chains, None), started(chains, library)]
    for run in runs:
        run.advance(until)
        run.advance(1.2 * until)
    assert np.all(runs[0].snapshot().clock == 1.2 * until)
    assert_same(*(run.snapshot() for run in runs))


def test_agreement_notices_a_slot_too_many() -> None:
    """Planted fault: the check above is able to fail."""
    chain = chain_of("two-class", "gate-and-route", 20)
    faulty = replace(chain, mixed_decode_slots=chain.mixed_decode_slots + 1)
    runs = [started([chain], None), started([faulty], np)]
    for run in runs:
        run.advance(np.array([200.0]))
    with pytest.raises(AssertionError):
        assert_same(*(run.snapshot() for run in runs))


def test_results_do_not_depend_on_threads_or_on_the_other_lanes() -> None:
    """A lane is the same alone, in a batch, and with any number of threads."""
    chains = [chain_of("two-class", "sli-aware", gpus) for gpus in (5, 20, 50) * 7]
    start = np.stack([fluid_point(chain) for chain in chains], axis=-1)
    seeds = lane_seeds(DIGEST, 1, 1, len(chains))
    found = []
    for threads in (1, 2, 3):
        run = CompiledEngine(chains, start, seeds, threads)
        run.advance(np.full(len(chains), 10.0))
        run.advance(np.full(len(chains), 30.0))
        found.append(run.snapshot())
    alone = CompiledEngine(chains[4:5], start[..., 4:5], seeds[:, 4:5])
    alone.advance(np.array([10.0]))
    alone.advance(np.array([30.0]))
    for other in found[1:]:
        assert np.array_equal(found[0].state, other.state)
        assert np.array_equal(found[0].count, other.count)
        assert np.allclose(found[0].integral, other.integral, rtol=1e-12)
    assert np.array_equal(alone.snapshot().count[..., 0], found[0].count[..., 4])
