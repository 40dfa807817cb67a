"""Clusters as sizing tries them: what they show, and of which side."""

from dataclasses import replace

import pytest
from sized import demand, one_station

import gnr
from gnr.demand import Demand
from gnr.latency_promise import read_promises
from gnr.validation.policies import find_policy
from gnr.validation.replications import Windows
from gnr.validation.statistics import Verdict
from gnr.validation.studies import trials
from gnr.validation.studies.size_claims import fails_on_a_side, keeps
from gnr.validation.studies.trials import Effort, Side, Size, Task, Trial

SHORT = Effort(first=0, requests=200.0, warmup=1.0, horizon=1.0)


def task(policy: str, *promises: str) -> Task:
    instance = one_station(0.5)
    percentiles, others = read_promises(promises, instance)
    return Task(demand().instance_for(instance, 1), find_policy(policy), percentiles, others)


def test_an_interrupt_within_a_window_ends_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """`replicate` keeps what is complete of a window; a claim must not rest on it."""
    real = trials.replicate

    def interrupted(*arguments: object, **options: object) -> Windows:
        return replace(real(*arguments, **options), complete=False)  # type: ignore[arg-type]

    monkeypatch.setattr(trials, "replicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Trial(task("fcfs-immediate", "p95_ttft=3"), Size(24), SHORT).run(2)


def test_tokens_may_come_faster_with_fewer_gpus_that_only_decode() -> None:
    """24 GPUs for 20 requests/s: with 5 that prefill a promise is broken that 24 of them keep.

    A claim about every split must not rest on such a promise where GPUs prefill and decode.
    """
    instance = gnr.load("two-class")
    percentiles, others = read_promises(
        ["p99_ttft=3s", "p99_tpot=28.9ms", "abandonment_fraction=3%"], instance
    )
    rates = {each.name: 10.0 for each in instance.classes}
    demanded = Demand(source="by hand", rates=rates).instance_for(instance, 1)
    shared = Task(demanded, find_policy("gate-and-route"), percentiles, others)
    few, all_of_them = (
        Trial(shared, Size(24, prefill), replace(SHORT, requests=10_000.0, warmup=4.0)).run(4)
        for prefill in (5, 24)
    )
    assert few.bounds[1].low.mean() > 2 * few.bounds[1].limit
    assert all_of_them.seems_to_keep
    (left,) = few.on_side(Side.DECODE)
    assert left.limit == 0.03, "only those who leave while they wait to decode"
    apart = replace(few, task=replace(shared, policy=find_policy("disaggregated")))
    assert len(apart.on_side(Side.DECODE)) == 2


def test_one_side_alone_is_not_said_to_keep_all_promises() -> None:
    """30 GPUs prefill with ease and one decodes for all: only the other side can be tested."""
    easy = task("gate-and-route", "p95_ttft=20", "abandonment_fraction=0.5")
    claim = fails_on_a_side(Trial(easy, Size(31, 30), SHORT), Side.PREFILL, 0.05)
    assert claim.verdict is Verdict.UNDECIDED


def test_what_was_seen_of_a_line_that_has_not_settled_keeps_nothing() -> None:
    """M/M/5 at 99.7 % load: truly 1.1 % wait and prefill for more than 300 s; short runs see none.

    Its relaxation time is 25 hours. Six servers settle in half a minute.
    """
    instance = one_station(0.0)
    percentiles, others = read_promises(["p99_ttft=300s"], instance)
    demanded = Demand(source="by hand", rates={"only": 4.985}).instance_for(instance, 1)
    crowded = Task(demanded, find_policy("fcfs-immediate"), percentiles, others)
    assert keeps(Trial(crowded, Size(5), SHORT), 0.05).verdict is Verdict.UNDECIDED
    assert keeps(Trial(crowded, Size(6), SHORT), 0.05).verdict is Verdict.YES
