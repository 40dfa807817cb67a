"""What is said of promises and penalties that hold the revenue back, small enough for paper.

One class on GPUs of two slots: tau = 2 s, 1/gamma = 1 s, so kappa = 2; chunks, prompts and outputs
of one token, so mu_p = mu_m = 1/2 and mu_s = 1; lambda = theta = 1; a request pays 2. Per GPU then:

- finished requests are T = y_m/2 + y_s <= x/2 with y_s <= 2(1 - x), so that any x earns x at most;
- an output token takes between 1 s, all of them on solo slots, and 2 s;
- (P47) is 2/(2 - x), and 1 s if nobody is served.
"""

import re
from typing import Any

import pytest

from gnr.limits import below_nothing, bottleneck
from gnr.models.steady_state import solve
from gnr.promise_facts import cost_sentences
from gnr.reading import build
from gnr.result import Solution

ONE: dict[str, Any] = {
    "name": "one",
    "prompt_tokens": 1.0,
    "output_tokens": 1.0,
    "arrival_rate": 1.0,
    "patience_rate": 1.0,
}
LONG = ONE | {"name": "long", "prompt_tokens": 3.0}
"""Pays 4 after three times the prefill: with x = 1 it is left out, the others filling it."""
SOLO_TPOT = {"kind": "token_tpot", "at_most": 1.0}


def solved(*slis: dict[str, Any], classes: tuple[dict[str, Any], ...] = (ONE,)) -> Solution:
    data = {
        "schema_version": 1,
        "name": "paper",
        "title": "Small enough for paper",
        "source": "tests",
        "gpu": {
            "batch_slots": 2,
            "chunk_tokens": 1,
            "iteration_time": {"base": 1.0, "per_chunk_token": 1.0, "decode_only": 1.0},
        },
        "prices": {"scheme": "bundled", "prompt_token": 1.0, "output_token": 1.0},
        "classes": list(classes),
        "slis": list(slis),
    }
    solution = solve(build(data, "paper"))
    assert solution.status == "optimal"
    return solution


def cautions(*slis: dict[str, Any], classes: tuple[dict[str, Any], ...] = (ONE,)) -> list[str]:
    return list(solved(*slis, classes=classes).warnings)


def test_a_promise_out_of_reach_is_said_to_be_kept_by_serving_nobody() -> None:
    (found,) = cautions(SOLO_TPOT | {"at_most": 0.9})
    assert found.startswith("token_tpot is kept only because nobody is served; the tightest bound")
    assert found.endswith("at most 1 s")


def test_a_promise_within_reach_is_none_of_that() -> None:
    assert cautions(SOLO_TPOT | {"at_most": 1.5}) == []


def test_a_class_that_is_left_out_anyhow_has_no_indicator() -> None:
    about_long = SOLO_TPOT | {"class": "long", "at_most": 1.5}
    (found,) = cautions(about_long, classes=(ONE, LONG))
    assert found.startswith("token_tpot:long has no meaning at this plan, in which nobody of long")


def test_a_penalty_that_shuts_the_cluster_down_is_told() -> None:
    """At most 1 is earned, and a second per token costs 2."""
    (found,) = cautions({"kind": "token_tpot", "penalty_weight": 2.0})
    assert found.startswith("the penalty on token_tpot comes to 0 only because nobody is served")


@pytest.mark.parametrize(
    ("weight", "penalty", "revenue"),
    [
        (3.0, 3.0, 0.0),  # x - 6/(2 - x) falls from x = 0 on
        (1.0, 2**0.5, 2 - 2**0.5),  # x - 2/(2 - x) is largest at 2 - sqrt 2
    ],
)
def test_penalties_above_the_revenue_are_explained(
    weight: float, penalty: float, revenue: float
) -> None:
    """The maximum at 2 - sqrt 2 is flat: the point is known to the root of its tolerance."""
    (found,) = cautions({"kind": "mean_tpot", "penalty_weight": weight})
    figures = re.match(r"the penalties come to more than the revenue, (\S+) against (\S+) ", found)
    assert figures is not None
    assert [float(each) for each in figures.groups()] == pytest.approx([penalty, revenue], abs=1e-4)
    assert "on the whole level of its indicator" in found
    assert found.endswith(f"a cluster that serves nobody pays {weight:.6g} too")


def test_penalties_below_the_revenue_need_no_word() -> None:
    """x - 0.6/(2 - x) grows up to x = 1: 1 is earned, 0.6 paid."""
    assert cautions({"kind": "mean_tpot", "penalty_weight": 0.3}) == []


def test_what_promises_cost_and_that_they_hold_the_revenue_back() -> None:
    """(P47) of at most 5/4 is x <= 2/5: 0.4 is earned instead of 1; mixed slots do it all."""
    found = solved({"kind": "mean_tpot", "at_most": 1.25})
    assert found.revenue_rate == pytest.approx(0.4)
    assert found.unpromised_revenue_rate == pytest.approx(1)
    assert cost_sentences(found) == [
        "Without its promises it would earn 1 money/s per GPU (150.0% more)."
    ]
    assert bottleneck(found).startswith(
        "No capacity is short: the promise mean_tpot holds the revenue back; one more GPU"
    )


def test_slots_and_promises_that_both_hold_the_revenue_back_are_both_named() -> None:
    """A token takes 1 s on solo slots alone: T <= x/2 and T <= 2(1 - x) are both tight."""
    found = solved(SOLO_TPOT)
    assert found.revenue_rate == pytest.approx(0.8)
    assert bottleneck(found).startswith(
        "Decode slots on solo GPUs and the promise token_tpot hold the revenue back; one more GPU"
    )


def test_a_promise_that_serves_nobody_is_named_though_it_has_no_price() -> None:
    found = solved(SOLO_TPOT | {"at_most": 0.9})
    assert "the promise token_tpot holds the revenue back" in bottleneck(found)
    assert cost_sentences(found) == ["Without its promises it would earn 1 money/s per GPU."]


def test_without_promises_nothing_is_compared() -> None:
    found = solved()
    assert found.unpromised_revenue_rate is None
    assert cost_sentences(found) == below_nothing(found) == []


def test_a_promise_that_costs_nothing_is_told_so() -> None:
    found = solved({"kind": "throughput", "at_least": 0.25})
    assert cost_sentences(found) == ["Without its promises it would earn no more."]
    assert "promise" not in bottleneck(found)


def test_a_request_that_costs_more_than_it_pays_is_explained() -> None:
    """At x = 1 the wait per prefill is 2 lambda - 1: one more request costs twice the weight."""
    found = solved({"kind": "mean_wait", "penalty_weight": 0.1})
    assert found.classes[0].marginal_value == pytest.approx(-0.2)
    assert below_nothing(found) == [
        "A request that earns less than nothing costs more than it pays: it adds to the penalties."
    ]


def test_a_gpu_that_costs_more_than_it_earns_is_explained() -> None:
    """Nobody is served, and each GPU pays 3."""
    found = solved({"kind": "mean_tpot", "penalty_weight": 3.0})
    assert found.gpu_value == pytest.approx(-3)
    (told,) = below_nothing(found)
    assert told.startswith("One more GPU earns less than nothing")


def test_a_first_token_that_no_answer_follows_is_told() -> None:
    """Time to the first token is (q_p + x)/(x/2) = 2/x + 1, as q_p = 1 - x/2: at least 3, at x = 1.

    Then no GPU is solo and y_m <= 1: of 1/2 prefilled per second 1/2 is decoded, all. With outputs
    of 4 tokens mu_m = 1/8 is, and 3 of 4 leave.
    """
    soon = {"kind": "mean_ttft", "at_most": 3.0}
    assert cautions(soon) == []
    slow = ONE | {"output_tokens": 4.0}
    (found,) = cautions(soon, classes=(slow,))
    assert "prefilled, 75% of one leave before they are decoded" in found
    assert cautions({"kind": "throughput", "at_least": 0.01}, classes=(slow,)) == []
