"""Promises in conflict on an instance small enough to follow on paper.

One class on GPUs of two slots: tau = 2 s, 1/gamma = 1 s, so kappa = 2; chunks, prompts and outputs
of one token, so mu_p = mu_m = 1/2 and mu_s = 1; lambda = theta = 1. Per GPU then:

- finished requests are T = y_m/2 + y_s <= x/2 with y_m <= x and y_s <= 2(1 - x); mixed slots alone
  do all that is prefilled, so T can be anything up to x/2, at most 1/2, at x = 1;
- (P47) is (2x + 2(1 - x))/(x + 2(1 - x)) = 2/(2 - x);
- q_p = 1 - x/2, so the mean wait per prefill is (1 - x/2)/(x/2) = (2 - x)/x.
"""

from typing import Any

import pytest

from gnr.models.steady_state import solve
from gnr.reading import build
from gnr.result import Conflict

DATA: dict[str, Any] = {
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
    "classes": [
        {
            "name": "all",
            "prompt_tokens": 1.0,
            "output_tokens": 1.0,
            "arrival_rate": 1.0,
            "patience_rate": 1.0,
        }
    ],
}
FAST = {"kind": "mean_tpot", "at_most": 1.25}
"""2/(2 - x) <= 5/4: x <= 2/5, so that T <= 1/5."""
BUSY = {"kind": "throughput", "at_least": 0.25}
"""x >= 1/2, so that (P47) is 4/3 at least and the mean wait may be anything down to 1 s."""
IDLE = {"kind": "throughput", "at_most": 0.2}
PROMPT = {"kind": "mean_wait", "at_most": 1.0}
"""(2 - x)/x <= 1: x = 1, so that (P47) is 2."""


def conflict_of(*promises: dict[str, Any]) -> Conflict | None:
    return solve(build(DATA | {"slis": list(promises)}, "paper")).conflict


def nearest(conflict: Conflict | None) -> dict[str, float | None]:
    assert conflict is not None
    return {each.name: each.nearest for each in conflict.keepable}


def clashing_without(conflict: Conflict | None) -> dict[str, tuple[str, ...]]:
    assert conflict is not None
    return {each.name: each.clashing_without for each in conflict.keepable}


def test_promises_that_can_be_kept_are_in_no_conflict() -> None:
    for one in (FAST, BUSY, PROMPT):
        assert conflict_of(one) is None
    assert conflict_of(BUSY, PROMPT) is None


def test_one_promise_out_of_reach() -> None:
    """T <= 1/2."""
    found = conflict_of(FAST | {"at_most": 9.0}, BUSY | {"at_least": 0.6})
    assert nearest(found) == {"throughput": 0.5}


def test_two_promises_in_conflict_round_outward() -> None:
    """x >= 1/2 asks for (P47) >= 4/3, and x <= 2/5 for T <= 1/5."""
    found = conflict_of(FAST, BUSY)
    assert nearest(found) == {"mean_tpot": 1.33334, "throughput": 0.2}
    found = conflict_of(FAST, BUSY | {"at_least": 0.3})
    assert nearest(found) == {"mean_tpot": 1.42858, "throughput": 0.2}, "2/(2 - 3/5) = 10/7"


def test_of_two_conflicts_as_small_the_first_of_the_file_is_told() -> None:
    """FAST clashes with either of the others; beside both, x = 1, so that only (P47) = 2 is left.

    No throughput can be kept beside FAST and PROMPT, which clash without it.
    """
    assert nearest(conflict_of(FAST, BUSY, PROMPT)) == {"mean_tpot": 2.0, "throughput": None}
    assert nearest(conflict_of(PROMPT, BUSY, FAST)) == {"mean_wait": None, "mean_tpot": 2.0}


def test_three_promises_of_which_any_two_can_be_kept() -> None:
    """x = 1 leaves no solo slot: T = y_m/2 <= 1/4, below 2/5.

    - mean_wait: T >= 2/5 with y_m <= 1/2 needs 1/4 + 2(1 - x) >= 2/5, x <= 37/40, so the wait is
      (2 - x)/x >= 43/37 = 1.162162...;
    - throughput: T <= 1/4;
    - disaggregation: y_m >= 4/5.
    """
    slow = {"kind": "disaggregation", "at_most": 0.5}
    busy = BUSY | {"at_least": 0.4}
    three = (PROMPT, busy, slow)
    for left_out in range(3):
        assert conflict_of(*(three[k] for k in range(3) if k != left_out)) is None
    assert nearest(conflict_of(*three)) == {
        "mean_wait": 1.16217,
        "throughput": 0.25,
        "disaggregation": 0.8,
    }


def test_an_indicator_without_meaning_beside_the_others_has_no_nearest_bound() -> None:
    """(P47) <= 1 leaves x = 0: nobody is prefilled, and the mean wait of nobody is not bounded.

    A mean wait of 5 s needs x >= 1/3, so (P47) >= 6/5.
    """
    found = conflict_of(FAST | {"at_most": 1.0}, PROMPT | {"at_most": 5.0})
    assert nearest(found) == {"mean_tpot": 1.2, "mean_wait": None}


def test_what_a_promise_comes_with_is_part_of_the_conflict() -> None:
    """Decode fairness demands q_d = 0, so T = x/2: with T <= 1/5 no x is above 2/5.

    Then the mean wait is (2 - x)/x >= 4 s, without the demand 1 s. Its own bound never matters:
    with one class the spread is 0.
    """
    fair = {"kind": "decode_fairness", "at_most": 0.1}
    assert conflict_of(PROMPT, IDLE) is None
    found = conflict_of(PROMPT, IDLE, fair)
    assert nearest(found) == {"mean_wait": 4.0, "throughput": 0.5, "decode_fairness": None}


def test_a_cluster_too_small_is_no_fault_of_its_promises() -> None:
    """Two arrivals a second that never leave: x <= 1 prefills 1/2 of them."""
    one = DATA["classes"][0] | {"patience_rate": 0.0, "arrival_rate": 2.0}
    data = DATA | {"classes": [one], "slis": [FAST | {"at_most": 1.0}]}
    solution = solve(build(data, "paper"))
    assert (solution.status, solution.conflict) == ("infeasible", None)
    assert "never leaves" in solution.shortfall[0].requirement


def test_what_clashes_without_a_promise_is_told() -> None:
    """FAST clashes with either of the others: only without FAST can the rest be kept."""
    found = conflict_of(FAST, BUSY, PROMPT)
    assert clashing_without(found) == {"mean_tpot": (), "throughput": ("mean_tpot", "mean_wait")}
    alone = PROMPT | {"at_most": 0.5}
    found = conflict_of(BUSY | {"at_least": 0.6}, alone)
    assert clashing_without(found) == {"throughput": ("mean_wait",)}, "the wait is 1 s at least"
    fair = {"kind": "decode_fairness", "at_most": 0.1}
    found = conflict_of(PROMPT, IDLE, fair)
    assert clashing_without(found)["decode_fairness"] == (), (
        "no bound of it helps, dropping it does"
    )
    assert found is not None
    assert found.penalties == ()


def test_what_a_penalty_comes_with_is_told() -> None:
    """Soft decode fairness demands q_d = 0 as hard does: then the mean wait is 4 s."""
    fair = {"kind": "decode_fairness", "penalty_weight": 1.0}
    found = conflict_of(PROMPT, IDLE, fair)
    assert nearest(found) == {"mean_wait": 4.0, "throughput": 0.5}
    assert found is not None
    assert found.penalties == ("decode_fairness",)
    found = conflict_of(PROMPT | {"at_most": 0.5}, IDLE, fair)
    assert found is not None
    assert found.penalties == (), "the wait is 1 s at least, penalty or not"
    found = conflict_of(PROMPT, IDLE, {"kind": "mean_tpot", "penalty_weight": 1.0})
    assert found is None


@pytest.mark.parametrize("bound", [0.6, 0.7])
def test_shortfall_is_the_distance_to_the_nearest_bound(bound: float) -> None:
    solution = solve(build(DATA | {"slis": [BUSY | {"at_least": bound}]}, "paper"))
    (short,) = solution.shortfall
    assert short.requirement == f"promise throughput at least {bound} requests/s per GPU"
    assert short.by == pytest.approx(bound - 0.5)
