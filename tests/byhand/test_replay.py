"""Replays of two or three requests, every iteration worked out on paper; B = 2 unless said.

An iteration with n decodes that read K tokens takes 1 + n/10 + K/1000 s, with a chunk of c tokens
1/2 + c/100 s more. C = 100. A request `P, D` has a prompt of P and an output of D tokens.
"""

import numpy as np
import pytest
from per_gpu_rooms import plan_by_hand
from replays import engine_of, rules_of, trace_of

from gnr.batch_law import BatchLaw
from gnr.validation.per_gpu.replay_engine import ReplayEngine
from gnr.validation.per_gpu.replay_layout import FINISHED, LEFT_BEFORE_PREFILL, REFUSED, Log

PAPER = BatchLaw(
    base=1.0,
    per_decode=0.1,
    per_context_token=0.001,
    with_chunk=0.5,
    per_chunk_token=0.01,
    decode_weight=0.0,
)


def served(engine: ReplayEngine) -> Log:
    """Return what became of every request once nothing happens any more."""
    engine.advance()
    return engine.requests()


def one_gpu(*rows: tuple[float, ...], slots: int = 2, **changes: float) -> ReplayEngine:
    rules = rules_of("fcfs-immediate", plan_by_hand(1, 1), slots=slots)
    return engine_of(rules, trace_of(*rows), 1, PAPER, **changes)


THREE = ((0, 150, 3), (2.2, 50, 2), (7, 100, 1))


def test_chunks_a_remainder_and_a_join_in_the_middle_of_an_iteration() -> None:
    """One GPU, B = 3. a: 150, 3 at 0. b: 50, 2 at 2.2. c: 100, 1 at 7.

    a: 100 tokens to 2.5, the other 50 to 4.5, with its first token. b starts then: 50 tokens beside
    a (K = 151) take 2.251: to 6.751, first token of b, second of a. Both (K = 152 + 51) decode for
    1.403 s, to 8.154, and are done. c takes its slot at 7, in the middle of that, and joins after
    it: 2.5 s to 10.654, its only token.
    """
    log = served(one_gpu(*THREE, slots=3))
    assert log.prefill_start == pytest.approx([0, 4.5, 7])
    assert log.first_token == pytest.approx([4.5, 6.751, 10.654])
    assert log.decode_start[:2] == pytest.approx([4.5, 6.751])
    assert np.isnan(log.decode_start[2])
    assert log.end == pytest.approx([8.154, 8.154, 10.654])
    assert log.outcome.tolist() == [FINISHED] * 3
    assert log.decode_gpu.tolist() == [0, 0, -1]


def test_the_time_series_of_the_same_cluster() -> None:
    """Rows of 5 s. To 5: a in prefill 4.5 s, b waits 2.3 s, then 0.5 s of a beside b's prefill.

    From 5 to 10: b in prefill and a beside it to 6.751; both alone to 7, 0.498 s in all; beside c,
    which takes its slot at 7, to 8.154, 2.308 s. c in prefill for 3 s, and 0.654 s after that.
    Tokens reserved: 153 and 52 to 8.154, 101 from 7 on. The iterations that end at 2.5, 4.5, 6.751,
    8.154 and 10.654 process 100, 50, 50, 0, 100 tokens and emit 0, 1, 2, 2, 1.
    """
    engine = one_gpu(*THREE, slots=3, interval=5.0)
    engine.advance()
    series, totals = engine.series(), engine.totals()
    assert series.start.tolist() == [0, 5, 10]
    assert series.end == pytest.approx([5, 10, 10.654])
    assert series.state[:, 0] == pytest.approx(
        np.array(
            [
                [2.3, 5.0, 0, 0.5, 0, 0],
                [0, 1.751 + 3, 0, 1.751 + 2.308, 0.498, 0],
                [0, 0.654, 0, 0, 0, 0],
            ]
        )
    )
    assert series.busy_gpus == pytest.approx([5, 5, 0.654])
    second = (153 + 52) * 3.154 + 101 * 3
    assert series.kv_tokens == pytest.approx([153 * 5 + 52 * 0.5, second, 101 * 0.654])
    assert series.arrivals.tolist() == [2, 1, 0]
    assert series.prompt_tokens.tolist() == [150, 50, 100]
    assert series.output_tokens.tolist() == [1, 4, 1]
    assert series.finished.tolist() == [0, 2, 1]
    assert (totals.iterations, totals.mixed_iterations) == (5, 4)
    assert totals.iteration_time == pytest.approx(10.654)


def test_a_prefill_waits_for_memory_and_who_is_too_large_is_refused() -> None:
    """One GPU, 200 tokens of memory. a: 100, 2 at 0. b: 100, 1 and c: 150, 60 at 1.

    c needs 210: refused. a is prefilled to 2.5; then its slot is free, but 102 + 101 are too many.
    a decodes for 1.201 s (K = 101): b starts at 3.701 and has its token at 6.201.
    """
    engine = one_gpu((0, 100, 2), (1, 100, 1), (1, 150, 60), kv_tokens=200)
    log, totals = served(engine), engine.totals()
    assert log.outcome.tolist() == [FINISHED, FINISHED, REFUSED]
    assert log.prefill_start[:2] == pytest.approx([0, 3.701])
    assert log.end == pytest.approx([3.701, 6.201, 1])
    assert log.held_up.tolist() == [0, 1, 0]
    assert totals.held_up_requests == 1
    assert totals.held_up_time == pytest.approx(1.201)
    assert totals.most_kv_tokens.tolist() == [102]
    assert totals.clock == pytest.approx(6.201)


def test_a_class_that_is_held_up_lets_another_pass_unless_service_is_in_order() -> None:
    """One GPU, 200 tokens. a: 50, 9 at 0, b: 100, 90 of class 0 at 1, c: 50, 1 of class 1 at 1.2.

    a has its first token at 2; b does not fit beside it, c does. Ranked, c starts at 2; in order
    of arrival it waits behind b, until a has ended: 8 iterations from 2 on, K = 51 to 58. Then b
    takes 190 tokens, and c is held up itself.
    """
    rows = ((0, 50, 9), (1, 100, 90), (1.2, 50, 1, 1))
    plan = plan_by_hand(1, 1, (1.0, 1.0), ranks=(1, 2))
    start = {}
    for policy in ("price-index-in-place", "fcfs-immediate"):
        engine = engine_of(
            rules_of(policy, plan, slots=3), trace_of(*rows), 1, PAPER, kv_tokens=200
        )
        log = served(engine)
        start[policy] = log.prefill_start
        assert log.held_up.tolist() == [0, 1, policy == "fcfs-immediate"]
    assert start["price-index-in-place"][2] == pytest.approx(2)
    ended = 2 + 8 * 1.1 + sum(range(51, 59)) / 1000
    assert start["fcfs-immediate"][1] == pytest.approx(ended)
    assert start["fcfs-immediate"][2] > ended


def test_a_decode_moves_in_the_middle_of_an_iteration_and_joins_the_next() -> None:
    """GPU 0 prefills, GPU 1 decodes. a: 100, 9 and b: 100, 2 at 0.

    a decodes on GPU 1 from 2.5, in iterations to 3.701, 4.903 and 6.106. b has its first token at
    5 and takes a slot there; it joins at 6.106 (K = 104 + 101, 1.405 s) and is done at 7.511.
    """
    rules = rules_of("gate-and-route", plan_by_hand(2, 1))
    log = served(engine_of(rules, trace_of((0, 100, 9), (0, 100, 2)), 2, PAPER))
    assert log.decode_gpu.tolist() == [1, 1]
    assert log.decode_start == pytest.approx([2.5, 5])
    assert log.end[1] == pytest.approx(7.511)


def test_a_decode_moves_only_where_memory_is_and_holds_its_own_until_then() -> None:
    """GPU 0 prefills, GPU 1 decodes, 200 tokens each. a: 100, 10, b: 100, 3 and c: 100, 1 at 0.

    a decodes on GPU 1 from 2.5: 9 iterations, K = 101 to 109, to 13.345. b is prefilled to 5 and
    would not fit beside it: it waits on GPU 0, where c does not fit beside b. At 13.345 b moves
    and c starts. b ends after K = 101 and 102: at 15.748.
    """
    rules = rules_of("disaggregated", plan_by_hand(2, 1, disaggregated=True))
    trace = trace_of((0, 100, 10), (0, 100, 3), (0, 100, 1))
    engine = engine_of(rules, trace, 2, PAPER, kv_tokens=200)
    log, totals = served(engine), engine.totals()
    assert log.end[:2] == pytest.approx([13.345, 15.748])
    assert log.decode_start[:2] == pytest.approx([2.5, 13.345])
    assert log.prefill_start == pytest.approx([0, 2.5, 13.345])
    assert totals.held_up_time == pytest.approx(13.345 - 5)
    assert totals.most_kv_tokens.tolist() == [110, 110]


def test_an_own_slot_is_taken_where_memory_forbids_the_move() -> None:
    """As above under gate-and-route: b may decode on GPU 0 and needs no further memory there."""
    rules = rules_of("gate-and-route", plan_by_hand(2, 1))
    engine = engine_of(rules, trace_of((0, 100, 10), (0, 100, 3)), 2, PAPER, kv_tokens=200)
    log = served(engine)
    assert log.decode_gpu.tolist() == [1, 0]
    assert log.decode_start == pytest.approx([2.5, 5])


def test_who_loses_patience_leaves_at_the_drawn_time_and_who_is_served_stays() -> None:
    """One GPU, theta = 1/s: behind a prompt of 100 s, 200 requests leave after 1 s on average.

    Their mean has a standard error of 0.07 s.
    """
    rules = rules_of("fcfs-immediate", plan_by_hand(1, 1), patience=1.0)
    rows = [(0, 4000, 1), *((1, 10, 1),) * 200]
    log = served(engine_of(rules, trace_of(*rows), 1, PAPER))
    assert log.outcome.tolist() == [FINISHED, *[LEFT_BEFORE_PREFILL] * 200]
    assert np.mean(log.end[1:] - 1) == pytest.approx(1, abs=0.28)
    assert np.unique(log.end).size == 201


def test_a_class_that_is_shut_out_stays_until_the_run_is_cut_off() -> None:
    """Nobody admits class 1 and its patience has no end: the run stops when nothing happens."""
    plan = plan_by_hand(1, 1, (1.0, 0.0))
    rules = rules_of("gate-and-route", plan)
    engine = engine_of(rules, trace_of((0, 100, 1), (0, 100, 1, 1)), 1, PAPER, interval=1.0)
    log = served(engine)
    assert log.outcome.tolist() == [2, 4]
    assert engine.clock == pytest.approx(2.5)
    engine.advance(7.0)
    assert engine.series().state[:, 1, 0].sum() == pytest.approx(7)
