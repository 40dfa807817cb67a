"""The replaying engine: every policy, consistent after every event, nothing lost, in pieces."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from per_gpu_rooms import plan_by_hand
from replays import (
    REAL,
    engine_of,
    faults_in_replay,
    one_event,
    random_plan,
    random_trace,
    rules_of,
    trace_of,
)

from gnr.batch_law import BatchLaw
from gnr.errors import InputError
from gnr.validation.per_gpu import iteration_law, replay_engine
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu import replay_layout as own
from gnr.validation.per_gpu.iteration_law import PARAMETERS, iteration_time, row_of_law
from gnr.validation.per_gpu.layout import Rules
from gnr.validation.per_gpu.replay_engine import ReplayEngine
from gnr.validation.per_gpu.replay_layout import Trace
from gnr.validation.policies import POLICIES

CAP = 700.0
"""Tokens of memory: two requests of mean length, some of them none."""


def busy_engine(policy: str, seed: int = 1, count: int = 300, **changes: Any) -> ReplayEngine:
    """Return a small cluster that gets more than it can serve; some give up, some are refused."""
    gpus = 2 + seed % 4
    rules = rules_of(policy, random_plan(gpus, policy, seed), patience=0.4, slots=4)
    usual = {"kv_tokens": CAP, "interval": 1.0}
    return engine_of(rules, random_trace(count, 30.0 / gpus, seed), gpus, **(usual | changes))


def everything(engine: ReplayEngine) -> list[np.ndarray[Any, Any]]:
    """Return all that an engine tells, as arrays."""
    series, totals = vars(engine.series()), vars(engine.totals())
    return [*engine.requests(), *series.values(), *map(np.asarray, totals.values())]


def assert_same(one: ReplayEngine, other: ReplayEngine) -> None:
    """Bit for bit."""
    for mine, theirs in zip(everything(one), everything(other), strict=True):
        assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f")


# The law.


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(0, 2), min_size=len(PARAMETERS), max_size=len(PARAMETERS)),
    st.integers(1, 4096),
    st.integers(0, 100_000),
    st.integers(0, 256),
    st.integers(0, 1_000_000),
)
def test_the_compiled_law_is_the_law(
    values: list[float], chunk: int, prefix: int, decodes: int, context: int
) -> None:
    """One formula in two places: a term that is mistyped or left out would go unnoticed."""
    scale = dict.fromkeys(PARAMETERS, 1.0) | {"free_tokens": 200.0, "decode_weight": 0.5}
    fields = {name: scale[name] * value for name, value in zip(PARAMETERS, values, strict=True)}
    law, formula = BatchLaw(**fields), iteration_time.py_func  # type: ignore[attr-defined]
    row = row_of_law(law)
    mixed = law.mixed_time(chunk, prefix, decodes, context)
    assert formula(row, chunk, prefix, decodes, context) == pytest.approx(mixed, rel=1e-12)
    solo = law.solo_time(decodes, context)
    assert formula(row, 0.0, 0.0, decodes, context) == pytest.approx(solo, rel=1e-12)


def test_the_row_of_a_law_has_every_parameter_once() -> None:
    """A parameter that is added to the law must not be forgotten here."""
    assert set(PARAMETERS) == set(BatchLaw.model_fields)
    names = ("BASE", "DECODE", "CONTEXT", "WITH_CHUNK", "CHUNK", "FREE", "WEIGHT", "PAIR",
             "CONTEXT_WITH_CHUNK")  # fmt: skip
    assert [getattr(iteration_law, name) for name in names] == list(range(len(PARAMETERS)))


# Consistency.


@pytest.mark.parametrize("policy", POLICIES)
def test_a_cluster_is_consistent_after_every_event(policy: str) -> None:
    """Slots, memory, context and counts, recounted from the requests after every event."""
    engine = busy_engine(policy, seed=2, count=150)
    seen = {"ready": 0, "decodes": 0}
    while one_event(engine):
        assert not faults_in_replay(engine)
        seen["ready"] += engine._room.counters[at.READY_GPUS] > 0
        seen["decodes"] += engine._room.gpu_integers[:, at.DECODES].max() > 1
    assert engine.ended
    assert min(seen.values()) > 0, "nothing happened"


def test_the_recount_finds_planted_faults() -> None:
    """A recount that is blind would make the test above green for ever."""
    faults = {
        "context": lambda room: room.own.gpus.__setitem__((0, own.CONTEXT), 7.0),
        "memory of a GPU": lambda room: room.own.gpus.__setitem__((0, own.RESERVED), 7.0),
        "memory of all": lambda room: room.own.now.__setitem__(own.NOW_RESERVED, 7.0),
        "cap": lambda room: room.own.gpus.__setitem__((0, own.MOST_RESERVED), 1e9),
        "slots": lambda room: room.gpu_integers.__setitem__((0, at.DECODES), 5),
        "everybody": lambda room: room.state.__setitem__(0, 1e6),
    }
    for told, fault in faults.items():
        engine = busy_engine("fcfs-immediate")
        engine.advance(2.0)
        assert not faults_in_replay(engine)
        fault(engine._room)
        assert told in faults_in_replay(engine)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(1, 5))
def test_nothing_is_lost(policy: str, seed: int) -> None:
    """Every request has one outcome and its times in order; tokens and memory add up; cap kept."""
    engine = busy_engine(policy, seed)
    trace, gpus = engine._room.own, len(engine._room.ready)
    engine.advance()
    log, series, totals = engine.requests(), engine.series(), engine.totals()
    assert engine.ended
    fates = {name: log.outcome == place for place, name in enumerate(own.OUTCOMES)}
    done, refused = fates["finished"], fates["refused"]
    assert sum(each.sum() for each in fates.values()) == len(trace.arrivals)
    assert np.array_equal(refused, trace.prompts + trace.outputs > CAP)
    assert refused.sum() > 0
    assert done.sum() > 20
    read = ~np.isnan(log.first_token)
    assert np.array_equal(read, done | fates["left before decode"])
    assert series.prompt_tokens.sum() == trace.prompts[read].sum()
    emitted = trace.outputs[done].sum() + fates["left before decode"].sum()
    assert series.output_tokens.sum() == emitted
    assert series.finished.sum() == done.sum()
    assert series.arrivals.sum() == len(trace.arrivals)
    assert totals.most_kv_tokens.max() <= CAP
    assert engine._room.own.now.tolist() == [0, 0]
    assert not engine._room.own.gpus[:, [own.CONTEXT, own.RESERVED]].any()
    assert totals.held_up_requests == log.held_up.sum() > 0
    assert 0 < totals.held_up_time < totals.clock
    assert series.busy_gpus.sum() == pytest.approx(totals.iteration_time)
    assert totals.clock == pytest.approx(np.nanmax(log.end))
    decoded = done & (trace.outputs > 1)
    order = [trace.arrivals, log.prefill_start, log.first_token, log.decode_start, log.end]
    for earlier, later in pairwise(order):
        assert np.all(earlier[decoded] <= later[decoded])
    assert np.array_equal(decoded, ~np.isnan(log.decode_start))
    assert np.array_equal(decoded, log.decode_gpu >= 0)
    assert set(log.prefill_gpu[read]) <= set(range(gpus))
    spans, span = series.state.sum(axis=0), (log.first_token - log.prefill_start)[read]
    in_prefill = [span[trace.kinds[read] == i].sum() for i in range(2)]
    assert spans[:, at.PREFILL] == pytest.approx(in_prefill)
    held = (log.end - log.prefill_start) * (trace.prompts + trace.outputs)
    assert series.kv_tokens.sum() == pytest.approx(held[read].sum())


@pytest.mark.parametrize("policy", ["fcfs-immediate", "price-index-in-place"])
def test_memory_without_a_limit_holds_nobody_up(policy: str) -> None:
    engine = busy_engine(policy, kv_tokens=np.inf)
    engine.advance()
    totals, log = engine.totals(), engine.requests()
    assert (totals.held_up_requests, totals.held_up_time) == (0, 0)
    assert not np.any(log.outcome == own.REFUSED)


def test_gpus_are_picked_uniformly_among_those_with_memory() -> None:
    """Six idle GPUs, two of them full: 600 requests go to the other four alike.

    Each count is binomial with mean 150; five standard deviations are 53.
    """
    rules = rules_of("fcfs-immediate", plan_by_hand(6, 6), slots=2)
    counts = np.zeros(6)
    for seed in range(600):
        engine = engine_of(rules, trace_of((0, 100, 5)), 6, seed=seed, kv_tokens=1000)
        engine._room.own.gpus[[1, 4], own.RESERVED] = 900
        engine.advance()
        counts[engine.requests().prefill_gpu[0]] += 1
    assert counts[[1, 4]].tolist() == [0, 0]
    assert np.abs(counts[[0, 2, 3, 5]] - 150).max() < 53


# Pieces.


@pytest.mark.parametrize("policy", POLICIES)
def test_replacing_rules_by_equal_rules_changes_nothing(policy: str) -> None:
    """Every GPU is filed anew where it was; no number is drawn for it."""
    straight, replaced = busy_engine(policy, seed=3), busy_engine(policy, seed=3)
    for until in (1.0, 2.5, 4.0, np.inf):
        straight.advance(until)
        replaced.advance(until)
        replaced.replace_rules(Rules(*(np.copy(each) if isinstance(each, np.ndarray) else each
                                       for each in replaced._rules)))  # fmt: skip
        assert not faults_in_replay(replaced)
    assert_same(straight, replaced)


@pytest.mark.parametrize("policy", POLICIES)
def test_stops_and_rounds_do_not_change_what_happens(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking now and then leaves every time as it is; integrals agree to rounding."""
    straight, halting, rounds = (busy_engine(policy) for _ in range(3))
    straight.advance()
    for until in np.linspace(0, straight.clock, 57)[1:-1]:
        halting.advance(float(until))
    halting.advance()
    monkeypatch.setattr(replay_engine, "ROUND", 5)
    told: list[float] = []
    rounds.advance(progress=told.append)
    assert told == sorted(told)
    assert told[-1] == straight.totals().events
    for other in (halting, rounds):
        for mine, theirs in zip(straight.requests(), other.requests(), strict=True):
            assert np.array_equal(mine, theirs, equal_nan=True)
        for mine, theirs in zip(everything(straight), everything(other), strict=True):
            assert theirs == pytest.approx(mine, rel=1e-9, abs=1e-9, nan_ok=True)


def test_a_new_layout_takes_hold_at_once() -> None:
    """Three GPUs, one may prefill; from 1 s on two, from 8 s on none but the first again."""
    rules = {mixed: rules_of("gate-and-route", plan_by_hand(3, mixed, (float(mixed),)), slots=4)
             for mixed in (1, 2)}  # fmt: skip
    trace = random_trace(400, 12.0, 5)
    trace = Trace(trace.arrival, np.zeros(400, int), trace.prompt_tokens, trace.output_tokens)
    engine = engine_of(rules[1], trace, 3, kv_tokens=3000)
    engine.advance(1.0)
    engine.replace_rules(rules[2])
    assert not faults_in_replay(engine)
    engine.advance(8.0)
    engine.replace_rules(rules[1])
    while one_event(engine):
        assert not faults_in_replay(engine)
    log = engine.requests()
    used = [set(log.prefill_gpu[(log.prefill_start >= since) & (log.prefill_start < until)])
            for since, until in ((0, 1), (1, 8), (8, np.inf))]  # fmt: skip
    assert used == [{0}, {0, 1}, {0}]
    first = np.nanmin(log.prefill_start[log.prefill_gpu == 1])
    assert first == 1.0, "somebody waited for the GPU"
    assert engine.ended


@pytest.mark.parametrize("other", ["gate-and-route", "sli-aware"])
def test_who_waits_for_a_group_that_is_gone_waits_for_the_other(other: str) -> None:
    """Nobody must wait for ever for decode slots that a new plan does not have."""
    had = rules_of("sli-aware", plan_by_hand(3, 2, (2.0,), solo_probability=1.0), slots=2)
    mixed = 3 if other == "sli-aware" else 2
    share = 0.0 if other == "sli-aware" else 1.0
    plan = plan_by_hand(3, mixed, (float(mixed),), solo_probability=share)
    engine = engine_of(had, trace_of(*(((0, 100, 400),) * 12)), 3)
    engine.advance(0.5)
    assert engine._room.counters[at.WAITING + 1] > 0
    engine.replace_rules(rules_of(other, plan, slots=2))
    assert not faults_in_replay(engine)
    assert engine._room.counters[at.WAITING + 1] == 0
    engine.advance()
    assert engine.ended


@pytest.mark.parametrize(
    ("plan", "slots", "told"),
    [(plan_by_hand(2, 2, (1.0, 1.0)), 2, "classes"), (plan_by_hand(2, 2), 3, "slots"),
     (plan_by_hand(3, 3), 2, "GPUs")],
)  # fmt: skip
def test_rules_of_another_cluster_are_refused(plan: Any, slots: int, told: str) -> None:
    engine = engine_of(rules_of("fcfs-immediate", plan_by_hand(2, 2)), trace_of((0, 1, 1)), 2)
    with pytest.raises(ValueError, match=told):
        engine.replace_rules(rules_of("fcfs-immediate", plan, slots=slots))


def test_a_run_that_is_cut_off_says_who_is_still_there() -> None:
    engine = busy_engine("gate-and-route")
    engine.advance(3.0)
    log, trace = engine.requests(), engine._room.own
    assert not engine.ended
    assert engine.clock == 3.0
    assert np.array_equal(log.outcome == own.NOT_ARRIVED, trace.arrivals > 3.0)
    there = log.outcome == own.STILL_THERE
    assert there.sum() == engine._room.state.sum() > 0
    assert np.isnan(log.end[there]).all()
    assert engine.series().end[-1] == 3.0
    with pytest.raises(ValueError, match="already"):
        engine.advance(2.0)


def test_an_interrupt_leaves_a_run_that_can_be_gone_on_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C between two rounds: a partial result, and the rest as if nothing had been."""
    straight, stopped = busy_engine("price-index-fill"), busy_engine("price-index-fill")
    straight.advance()
    monkeypatch.setattr(replay_engine, "ROUND", 100)

    def interrupt(events: float) -> None:
        if events > 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.advance(progress=interrupt)
    assert 0 < stopped.clock < straight.clock
    assert not faults_in_replay(stopped)
    assert stopped.series().finished.sum() == np.sum(stopped.requests().outcome == own.FINISHED)
    stopped.advance()
    for mine, theirs in zip(straight.requests(), stopped.requests(), strict=True):
        assert np.array_equal(mine, theirs, equal_nan=True)


def test_policies_meet_the_same_patience() -> None:
    """Common random numbers: who leaves an idle line does so after the same time."""
    plan = plan_by_hand(1, 1)
    trace = trace_of((0, 90_000, 1), *(((1, 10, 1),) * 30))
    ends = []
    for policy in ("fcfs-immediate", "gate-and-route", "price-index-fill"):
        engine = engine_of(rules_of(policy, plan, patience=0.9), trace, 1)
        engine.advance()
        ends.append(engine.requests().end[1:])
    assert np.array_equal(ends[0], ends[1])
    assert np.array_equal(ends[0], ends[2])


# What is refused.


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"arrival": np.array([1.0, 0.5])}, "sorted"),
        ({"arrival": np.array([-1.0, 0.5])}, "0 s or later"),
        ({"arrival": np.array([0.0, np.nan])}, "0 s or later"),
        ({"prompt_tokens": np.array([1, 0])}, "whole numbers of tokens"),
        ({"output_tokens": np.array([1.5, 1])}, "whole numbers of tokens"),
        ({"kind": np.array([0, -1])}, "numbers of classes"),
        ({"kind": np.array([0])}, "one shape"),
    ],
)
def test_a_trace_that_is_none_is_an_input_error(changes: dict[str, Any], told: str) -> None:
    ones = np.ones(2, int)
    usual = {"arrival": np.array([0.0, 1.0]), "kind": 0 * ones}
    usual |= {"prompt_tokens": ones, "output_tokens": ones}
    with pytest.raises(InputError, match=told):
        Trace(**(usual | changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"chunk_tokens": 0}, "chunk_tokens"),
        ({"interval": 0.0}, "interval"),
        ({"kv_tokens": -1.0}, "kv_tokens"),
        ({"gpus": 1}, "gpus"),
        ({"trace": trace_of((0, 1, 1, 1))}, "kind"),
        ({"law": BatchLaw(base=0.1, with_chunk=-1.0)}, "law"),
    ],
)
def test_numbers_out_of_range_are_input_errors(changes: dict[str, Any], told: str) -> None:
    rules = rules_of("fcfs-immediate", plan_by_hand(2, 2))
    usual: dict[str, Any] = {"trace": trace_of((0, 1, 1)), "gpus": 2, "law": REAL}
    with pytest.raises(InputError, match=told):
        engine_of(rules, **(usual | changes))
