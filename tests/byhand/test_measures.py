"""Measures of a run worked out on paper, field by field; a tie of the gate; Stein in a study.

One GPU pair, two classes, two lanes, 10 s. tau = 0.033272 s and 1/gamma = 0.022002... s.
"""

from dataclasses import replace

import numpy as np
import pytest
from pooled_chains import DIGEST, chain_of

import gnr
from gnr.models.lost_revenue import explain_gap
from gnr.models.point import Point
from gnr.rates import rates_of
from gnr.validation.array_engine import ArrayEngine
from gnr.validation.chain import Flow, Row
from gnr.validation.compiled_engine import CompiledEngine
from gnr.validation.lanes import Lanes, lane_seeds
from gnr.validation.measures import REVENUE, Measures, measure
from gnr.validation.replications import WARMUP_CONSTANTS, default_warmup
from gnr.validation.statistics import two_stage_interval

GPUS, SECONDS = 2, 10.0


def recorded() -> tuple[Lanes, Measures]:
    """Return records written by hand and what is measured from them."""
    integral, count = np.zeros((2, 6, 2)), np.zeros((2, 7, 2))
    integral[0, :, 0] = [40, 6, 10, 60, 100, 20]
    integral[1, :, 1] = [20, 8, 0, 0, 40, 0]
    count[0, :, 0] = [12, 3, 8, 1, 2, 4, 2]
    count[1, :, 1] = [9, 1, 7, 0, 0, 5, 0]
    clock = np.full(2, SECONDS)
    lanes = Lanes(np.zeros((2, 6, 2)), integral, count, clock, np.full(2, 99.0))
    return lanes, measure(lanes, rates_of(gnr.load("two-class")), GPUS)


def test_occupancies_are_integrals_over_time_and_gpus() -> None:
    """40 request-seconds in 10 s on 2 GPUs are 2 requests per GPU; both buffers count."""
    _, found = recorded()
    assert found.prefill_queue[0, 0] == 2.0
    assert found.prefill[0, 0] == pytest.approx(0.3)
    assert found.decode_queue[0, 0] == pytest.approx((10 + 20) / 20)
    assert found.mixed_decode[0, 0] == 3.0
    assert found.solo_decode[0, 0] == 5.0
    assert found.solo_decode[1, 1] == 2.0
    assert found.prefill_queue[0, 1] == 0.0


def test_fates_are_over_the_expected_arrivals() -> None:
    """0.5 requests/s per GPU on 2 GPUs in 10 s: 10 arrivals expected, whatever came."""
    _, found = recorded()
    assert found.abandoned_prefill[0, 0] == pytest.approx(3 / 10)
    assert found.abandoned_decode[0, 0] == pytest.approx((1 + 2) / 10)
    assert found.abandoned_prefill[1, 1] == pytest.approx(1 / 10)
    assert found.throughput[0, 0] == pytest.approx((2 + 4) / 20)
    assert found.prefills[0, 0] == pytest.approx(8 / 20)


def test_time_per_token_weighs_by_tokens() -> None:
    """3 decodes at 0.033272 s and 5 at 0.0220022 s a token: 8 over 3/0.033272 + 5 x 45.45."""
    _, found = recorded()
    assert found.tpot[0, 0] == pytest.approx(8 / (3 / 0.033272 + 5 * 45.45))
    assert found.tpot[1, 1] == pytest.approx(1 / 45.45)
    assert np.isnan(found.tpot[1, 0])


def test_revenue_counts_requests_or_phases() -> None:
    """w = (230, 380); by phase 30 per prompt and 200 per answer, 300 and 80 (prices .1 and .2)."""
    _, found = recorded()
    rates = rates_of(gnr.load("two-class"))
    assert REVENUE["bundled"](found, rates) == pytest.approx([230 * 6 / 20, 380 * 5 / 20])
    separate = [(30 * 8 + 200 * 6) / 20, (300 * 7 + 80 * 5) / 20]
    assert REVENUE["separate"](found, rates) == pytest.approx(separate)


def test_a_class_that_hardly_arrives_does_no_harm() -> None:
    """A request from before the window leaves inside it, without an arrival: no division by 0."""
    lanes, _ = recorded()
    lanes.count[0, Flow.ARRIVALS] = 0
    found = measure(lanes, rates_of(gnr.load("two-class")), GPUS)
    assert np.isfinite(found.abandoned_prefill).all()
    rare = gnr.simulate(
        gnr.reading.load(
            "dolly-eight-class",
            ["classes.creative-writing.arrival_rate=0.001",
             "classes.creative-writing.patience_rate=0.02"],
        ),
        gpus=5, horizon=100.0, warmup=50.0,
    )  # fmt: skip
    assert rare.to_json()


def test_gap_terms_of_a_hand_made_point() -> None:
    """An idle cluster loses the whole value: B delta, and theta q phi for the class with phi > 0.

    With nobody anywhere the prefill balance misses lambda, valued at phi: 0.5 x 264.46; all
    solo slots idle: 16 x 10.342; together the optimum 297.703 (11.2).
    """
    solution = gnr.solve(gnr.load("two-class"))
    empty = Point(*(np.zeros(2) for _ in range(5)))
    terms = explain_gap(solution, empty, 0.0)
    assert terms["idle_solo_decode"] == pytest.approx(16 * 10.342055483849)
    assert terms["flow_errors"] == pytest.approx(0.5 * 264.460564245)
    assert sum(terms.values()) == pytest.approx(297.7031698642446)


@pytest.mark.parametrize("engine", [CompiledEngine, ArrayEngine])
@pytest.mark.parametrize(("targets", "first"), [((0.0, 3.0), 0), ((3.0, 0.0), 1), ((1.0, 1.0), 0)])
def test_a_tie_goes_to_the_queue_furthest_above_its_target(
    engine: type, targets: tuple[float, float], first: int
) -> None:
    """(U5), then file order. Nobody in prefill, four of each waiting: both indices are 0."""
    chain = chain_of("two-class", "gate-and-route", 5)
    assert chain.gate is not None
    chain = replace(
        chain,
        arrival=np.full(2, 1e-9),
        leaving=np.full((2, 6), 1e-9),
        prefill_slots=1.0,
        gate=replace(chain.gate, queue_target=np.array(targets)),
    )
    start = np.zeros((2, 6, 1))
    start[:, Row.PREFILL_QUEUE] = 4
    run = engine([chain], start, lane_seeds(DIGEST, 1, 1, 1))
    run.advance(np.array([1e-6]))
    assert list(run.snapshot().state[:, Row.PREFILL, 0]) == [1 - first, first]


def test_weights_choose_the_class_of_a_freed_slot() -> None:
    """(U11) with all weight on class 1: class 0 is served only when class 1 does not wait."""
    chain = chain_of("two-class", "sli-aware-general", 5)
    one = np.array([0.0, 1.0])
    chain = replace(
        chain,
        arrival=np.full(2, 1e-9),
        leaving=np.array([[0, 0, 0, 1.0, 1.0, 0]] * 2) + 1e-12,
        mixed_decode_slots=1.0,
        solo_decode_slots=1.0,
        mixed_weight=one,
        solo_weight=one,
    )
    start = np.zeros((2, 6, 1))
    start[:, Row.DECODE_QUEUE], start[:, Row.SOLO_QUEUE] = 50, 50
    start[0, Row.MIXED_DECODE] = start[0, Row.SOLO_DECODE] = 1
    lanes = 16
    start = np.repeat(start, lanes, axis=-1)
    for engine in (CompiledEngine, ArrayEngine):
        run = engine([chain] * lanes, start, lane_seeds(DIGEST, 1, 1, lanes))
        run.advance(np.full(lanes, 20.0))
        early = run.snapshot()
        assert np.all(early.state[0, Row.DECODE_QUEUE] == 50)
        assert np.all(early.state[0, Row.SOLO_QUEUE] == 50)
        assert np.all(early.state[1, Row.SOLO_QUEUE] < 50)
        run.advance(np.full(lanes, 400.0))
        late = run.snapshot().state
        assert not late[:, [Row.DECODE_QUEUE, Row.SOLO_QUEUE]].any(), "no slot idles"


def test_warmup_is_at_least_five_slowest_constants() -> None:
    """D tau of class 0 is 33.272 s, longer than 1/theta = 10 s and D/gamma."""
    chain = chain_of("two-class", "gate-and-route", 5)
    assert WARMUP_CONSTANTS >= 5
    assert default_warmup(chain) == pytest.approx(WARMUP_CONSTANTS * 33.272)


def test_a_precise_run_reports_steins_interval() -> None:
    found = gnr.simulate(
        gnr.load("two-class"), gpus=20, horizon=300.0, replications=8, precision=0.005, seed=3
    )
    revenue = found.samples["revenue_rate"]
    expected = two_stage_interval(revenue[:8], revenue)
    assert len(revenue) > 8
    assert found.revenue_rate.half_width == expected.half_width
    assert found.revenue_rate.mean == expected.mean


def test_start_check_is_empty_less_planned() -> None:
    """Without warm-up an empty cluster has earned less: the difference is negative."""
    found = gnr.simulate(gnr.load("two-class"), gpus=20, warmup=0.0, horizon=40.0, seed=2)
    assert found.warmup_check.difference.mean < -0.1


def test_planning_keeps_the_instances_scheme_where_the_policy_can() -> None:
    separate = gnr.load("two-class-separate")
    by_scheme = gnr.simulate(separate, policy="sli-aware-general", gpus=5, horizon=40.0)
    assert by_scheme.plan_revenue_rate == pytest.approx(298.58655675)
