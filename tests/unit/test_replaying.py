"""What a replay is made of besides its engine: classes, plans on the way, what is measured."""

from dataclasses import replace

import numpy as np
import pytest

import gnr
from gnr.batch_law import BatchLaw
from gnr.errors import InputError
from gnr.request_trace import RequestTrace
from gnr.validation.policies import find_policy
from gnr.validation.studies.replanning import (
    PRIOR,
    _recent,
    follows_a_plan,
    own_plan,
    replanned,
    rules_of,
)
from gnr.validation.studies.trace_classes import classed


def trace(rows: list[tuple[float, int, int]]) -> RequestTrace:
    """Return a trace of arrival (s), prompt and output."""
    arrival, prompt, output = zip(*rows, strict=True)
    return RequestTrace(
        "made up", "0" * 64, np.array(arrival, float), np.array(prompt), np.array(output), 0, 0, 1.0
    )


ROWS = [
    (0.0, 300, 1000), (1.0, 3000, 400), (2.0, 310, 900), (4.0, 2000, 500), (10.0, 280, 1100)
]  # fmt: skip
"""Three requests like the decode-heavy class of `two-class`, two like the other."""


def long_trace(seed: int, requests: int = 400) -> RequestTrace:
    rng = np.random.default_rng(seed)
    heavy = rng.random(requests) < 0.5
    return replace(
        trace([(0.0, 1, 1)]),
        arrival=np.cumsum(rng.exponential(0.25, requests)),
        prompt_tokens=np.where(heavy, 300, 3000),
        output_tokens=np.where(heavy, 1000, 400),
    )


def test_classes_rates_and_lengths_by_hand() -> None:
    """5 requests in 10 s on 2 GPUs: 3/20 and 2/20 per second and GPU, means of the lengths."""
    found = classed(gnr.load("two-class"), trace(ROWS), gpus=2)
    assert list(found.kind) == [0, 1, 0, 1, 0]
    heavy, light = found.instance.classes
    assert (heavy.arrival_rate, light.arrival_rate) == (pytest.approx(0.15), pytest.approx(0.10))
    assert (heavy.prompt_tokens, light.prompt_tokens) == (pytest.approx(890 / 3), 2500)
    assert (heavy.output_tokens, light.output_tokens) == (1000, 450)
    assert found.missing == ()


def test_a_class_without_requests_is_left_out() -> None:
    found = classed(gnr.load("two-class"), trace([ROWS[0], ROWS[2]]), gpus=1)
    assert found.missing == ("prefill-heavy",)
    assert [each.name for each in found.instance.classes] == ["decode-heavy"]
    assert list(found.kind) == [0, 0]


def test_all_at_once_has_no_rate() -> None:
    with pytest.raises(InputError, match="at the same time"):
        classed(gnr.load("two-class"), trace([(1.0, 5, 5), (1.0, 6, 6)]), gpus=1)


@pytest.mark.parametrize("speed", [0.2, 1.0, 7.0])
def test_up_to_a_load_of_one_the_program_serves_everybody(speed: float) -> None:
    """The load is linear in the speed, and 1 is where the optimum begins to turn some away."""
    base = classed(gnr.load("two-class"), long_trace(1), gpus=3)
    faster = classed(gnr.load("two-class"), long_trace(1).faster(speed), gpus=3)
    assert faster.load == pytest.approx(speed * base.load)
    for load, served in ((0.999, True), (1.01, False)):
        at = classed(gnr.load("two-class"), long_trace(1).faster(load / base.load), gpus=3)
        solution = gnr.solve(at.instance)
        waiting = sum(each.prefill_queue + each.decode_queue for each in solution.classes)
        assert (waiting < 1e-9) == served


def test_a_new_plan_knows_nothing_of_the_future() -> None:
    """Requests that come after a plan is made do not change it."""
    early = long_trace(1)
    late = early.arrival >= 50.0
    other = replace(early, output_tokens=np.where(late, 4000, early.output_tokens))
    policy = find_policy("gate-and-route")
    first = classed(gnr.load("two-class"), early, 4)
    second = classed(gnr.load("two-class"), other, 4)
    one, another = (replanned(each, first.instance, policy, 4, 25.0) for each in (first, second))
    assert [time for time, _ in one] == [time for time, _ in another]
    for (time, rules), (_, others) in zip(one, another, strict=True):
        same = all(np.array_equal(*pair) for pair in zip(rules, others, strict=True))
        assert same == (time <= 50.0)


def test_a_new_plan_is_for_the_requests_of_late() -> None:
    """One class stops: the next plan gives it the prior's share alone."""
    rows = [(0.1 * k, 300, 1000) for k in range(100)]
    rows += [(0.1 * k + 0.05, 3000, 400) for k in range(40)]
    classes = classed(gnr.load("two-class"), trace(sorted(rows)), 4)
    recent = _recent(classes, classes.instance, 4, 5.0, 10.0)
    heavy, light = recent.classes
    whole = classes.instance.classes
    assert light.arrival_rate == pytest.approx(PRIOR * whole[1].arrival_rate / (1 + PRIOR))
    assert heavy.arrival_rate == pytest.approx(
        (50 / (4 * 5.0) + PRIOR * whole[0].arrival_rate) / (1 + PRIOR), rel=0.03
    )


def test_policies_that_look_at_no_plan_are_known() -> None:
    """Replaying them again with new plans would show the same."""
    assert not follows_a_plan(find_policy("fcfs-immediate"))
    for name in ("gate-and-route", "fcfs-route", "price-index-fill", "disaggregated"):
        assert follows_a_plan(find_policy(name))


def test_rules_are_those_of_the_policy_s_own_plan() -> None:
    """The mixed group is the plan's."""
    instance = gnr.load("two-class")
    policy = find_policy("gate-and-route")
    rules = rules_of(instance, policy, own_plan(instance, policy, 50))
    assert rules.prefill_gpus == gnr.solve(instance).plan(gpus=50).mixed_gpus


def test_revenue_and_times_by_hand() -> None:
    """One GPU, two requests far apart: every time follows from the law.

    The law takes 10 ms for any iteration without a chunk and 30 ms with one. Chunks of 256: a
    prompt of 300 takes two iterations, the first token comes after 60 ms; nine further tokens take
    10 ms each. The second request has one token and one chunk: 30 ms. Revenue:
    (301 x 0.1 + 11 x 0.2) over 10 s.
    """
    instance = gnr.load("two-class")
    law = BatchLaw(base=0.01, with_chunk=0.02)
    found = gnr.replay(
        trace([(0.0, 300, 10), (10.0, 1, 1)]), instance, gnr.Cluster(1, law),
        policies=["fcfs-immediate"], replications=1,
    )  # fmt: skip
    (policy,) = found.policies
    latency = policy.latency
    assert latency.ttft is not None
    assert latency.tpot is not None
    assert latency.ttft.p50.mean == pytest.approx((0.06 + 0.03) / 2)
    assert latency.tpot.mean.mean == pytest.approx(0.01)
    assert latency.end_to_end is not None
    assert latency.end_to_end.mean.mean == pytest.approx((0.15 + 0.03) / 2)
    assert policy.revenue_rate.mean == pytest.approx((301 * 0.1 + 11 * 0.2) / 10.0)
    assert policy.fates.finished.mean == 1
    assert policy.makespan_s.mean == pytest.approx(10.03)
    assert policy.iterations.mean == 12
    assert policy.mixed_iterations.mean == pytest.approx(3 / 12)
    assert policy.mean_iteration_s.mean == pytest.approx((9 * 0.01 + 3 * 0.03) / 12)
    assert policy.behind_best is None


def test_separate_pricing_counts_prompts_of_requests_that_left() -> None:
    """Who leaves between prefill and decode has paid for the prompt, if each phase is billed."""
    crowded = long_trace(2).faster(6.0)
    revenue = {}
    for account in ("bundled", "separate"):
        found = gnr.replay(
            crowded, gnr.load("two-class", ["classes.0.patience_rate=2"]), gnr.Cluster(2),
            policies=["gate-and-route"], replications=1, account=account,
        )  # fmt: skip
        (policy,) = found.policies
        revenue[account] = policy.revenue_rate.mean
        left = policy.fates.left_before_decode.mean
    assert left > 0
    assert revenue["separate"] > revenue["bundled"]


def test_the_best_is_behind_nobody_and_the_order_of_the_policies_is_kept() -> None:
    names = ["fcfs-immediate", "gate-and-route", "price-index-fill"]
    found = gnr.replay(
        long_trace(3).faster(3.0), gnr.load("two-class"), gnr.Cluster(4), policies=names,
        replications=2,
    )  # fmt: skip
    assert [each.policy for each in found.policies] == names
    rates = [each.revenue_rate.mean for each in found.policies]
    for each, rate in zip(found.policies, rates, strict=True):
        if each.behind_best is None:
            assert rate == max(rates)
        else:
            assert each.behind_best.mean == pytest.approx(max(rates) - rate)
    shares = [each.share_of_optimum.mean * found.lp_revenue_rate for each in found.policies]
    assert shares == pytest.approx(rates)
