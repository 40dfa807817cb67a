"""The plan that a policy is given: its own program, and an empty decode buffer where it shares one.

On the shipped two-class instance with solo decode at 0.1 s an iteration (kappa = 0.22) the best
plan keeps requests in the decode buffer.
"""

import pytest

import gnr
from gnr.errors import NoOptimumError
from gnr.result import Solution
from gnr.validation.policies import POLICIES
from gnr.validation.studies.optima import planning_optimum

SLOW = "gpu.iteration_time.decode_only=0.1"
PROMISED = 'slis=[{kind="throughput", class="prefill-heavy", at_least=0.1}]'
WITH_A_QUEUE_ONLY = 'slis=[{kind="mean_ttft", class="decode-heavy", at_most=9}]'


def planned(policy: str, *overrides: str) -> Solution:
    return planning_optimum(gnr.load("two-class", overrides), POLICIES[policy])


def queue(solution: Solution) -> float:
    return sum(each.decode_queue for each in solution.classes)


@pytest.mark.parametrize("policy", ["gate-and-route", "fcfs-route"])
def test_under_promises_a_shared_decode_buffer_is_planned_empty(policy: str) -> None:
    found = planned(policy, SLOW, PROMISED)
    assert queue(found) == 0
    assert found.empty_decode_buffer
    best = planned("sli-aware-general", SLOW, PROMISED)
    assert queue(best) > 4
    assert found.revenue_rate < best.revenue_rate


def test_without_promises_the_plan_stays_the_best_one() -> None:
    found = planned("gate-and-route", SLOW)
    assert queue(found) > 4
    assert not found.empty_decode_buffer


def test_promises_that_need_a_decode_queue_are_planned_with_one() -> None:
    assert queue(planned("gate-and-route", SLOW, WITH_A_QUEUE_ONLY)) > 4


def test_a_policy_whose_own_demand_breaks_the_promises_is_named() -> None:
    with pytest.raises(NoOptimumError) as refused:
        planned("price-index-token-mean", SLOW, WITH_A_QUEUE_ONLY)
    (problem,) = refused.value.problems
    assert problem.message == (
        "no plan keeps mean_ttft:decode-heavy with an empty decode buffer, which "
        "price-index-token-mean needs"
    )
    assert problem.remedy.startswith("take a policy without that need, as sli-aware-general, or ")
