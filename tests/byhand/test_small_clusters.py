"""Clusters small enough to solve on paper; the working stands in the docstrings."""

from typing import Any

import pytest

from gnr.instance import Instance
from gnr.limits import bottleneck
from gnr.models.steady_state import solve
from gnr.plan import Occupancy
from gnr.reading import build


def cluster(*classes: dict[str, float], slots: int = 2, **changes: Any) -> Instance:
    """Return an instance with C = 100, tau = 0.5 + 0.005 * 100 = 1 s and, by default, kappa = 1.

    A class has P = 100, D = 2, lambda = 1, theta = 0.5 unless said otherwise, so that
    mu_p = 1, mu_m = 1/2, mu_s = kappa/2, C phi = 2; prices are 0 and 1 per token: w = 2.
    """
    usual = {"prompt_tokens": 100, "output_tokens": 2, "arrival_rate": 1, "patience_rate": 0.5}
    return build(
        {
            "schema_version": 1,
            "name": "by-hand",
            "title": "By hand",
            "source": "paper and pencil",
            "gpu": {
                "batch_slots": slots,
                "chunk_tokens": 100,
                "iteration_time": {
                    "base": 0.5,
                    "per_chunk_token": 0.005,
                    "decode_only": changes.get("decode_only", 1.0),
                },
            },
            "prices": {
                "scheme": changes.get("scheme", "bundled"),
                "prompt_token": changes.get("prompt_token", 0),
                "output_token": 1,
            },
            "classes": [{"name": f"c{i}"} | usual | each for i, each in enumerate(classes)],
        },
        "by-hand",
    )


def test_one_class_held_back_by_decode() -> None:
    """One class, B = 2, kappa = 1.

    Knapsack (D4): max 2 x subject to (2 + 2 - 1) x <= 2, x <= 1: x = 2/3, R = 4/3.
    Served flow 2/3; q_p = (1 - 2/3)/0.5 = 2/3. Decode work 4/3, solo room 2 (1 - 2/3) = 2/3,
    mixed room 2/3: y_s = y_m = 2/3. Price of a slot: beta = profit/weight = 2/3, delta = 2/3.
    phi = 0 (held back); eta = w - beta/mu_m = 2 - 4/3 = 2/3. One more GPU: B delta = 4/3.
    TPOT: all iterations take 1 s.
    """
    solution = solve(cluster({}))
    (only,) = solution.classes
    assert solution.revenue_rate == pytest.approx(4 / 3)
    assert only.prefill == pytest.approx(2 / 3)
    assert only.prefill_queue == pytest.approx(2 / 3)
    assert (only.mixed_decode, only.solo_decode) == pytest.approx((2 / 3, 2 / 3))
    assert list(solution.marginals.values()) == pytest.approx([0, 2 / 3, 2 / 3])
    assert (only.marginal_value, only.decode_marginal) == pytest.approx((0, 2 / 3))
    assert solution.gpu_value == pytest.approx(4 / 3)
    assert solution.tpot is not None
    assert solution.tpot.capacity == pytest.approx(1)
    assert solution.tpot.token_mean == pytest.approx(1)


def test_light_load_is_served_and_nothing_binds() -> None:
    """lambda = 1/2: weight 3/2 of 2 is used, x = 1/2, R = w/2 = 1, one more request earns w."""
    solution = solve(cluster({"arrival_rate": 0.5}))
    (only,) = solution.classes
    assert solution.revenue_rate == pytest.approx(1)
    assert only.prefill_queue == 0
    assert only.marginal_value == pytest.approx(2)
    assert list(solution.marginals.values()) == pytest.approx([0, 0, 0], abs=1e-12)
    assert solution.gpu_value == pytest.approx(0, abs=1e-12)


def test_prefill_binds_when_answers_are_short() -> None:
    """D = 2, P = 400, B = 4: C phi = 1/2, mu_p = 1/4, w = 2, kappa = 1, lambda = 1.

    Weight C phi + kappa B - (B-1) = 3/2, so x = 1 uses 3/2 of 4: prefill binds, R = 2/4 = 1/2.
    Every GPU prefills: alpha + B delta = profit of a prefill slot = w mu_p = 1/2; alpha alone is
    not identified and not shown. phi = 0, eta = w = 2.
    """
    solution = solve(cluster({"prompt_tokens": 400}, slots=4))
    (only,) = solution.classes
    assert solution.revenue_rate == pytest.approx(0.5)
    assert only.prefill == pytest.approx(1)
    assert solution.marginals["prefill_capacity"] is None
    assert solution.marginals["mixed_decode_capacity"] == pytest.approx(0, abs=1e-12)
    assert solution.gpu_value == pytest.approx(0.5)
    assert (only.marginal_value, only.decode_marginal) == pytest.approx((0, 2), abs=1e-12)


def test_two_classes_are_admitted_by_profit_per_weight() -> None:
    """Class 0: D = 2, w = 2, weight 3, ratio 2/3. Class 1: D = 8, w = 8, weight 9, ratio 8/9.

    lambda = 1/9 and kappa B = 2: class 1 goes first, x_1 = 1/9 uses 1; x_0 = 1/9 uses 1/3; all is
    served with 2/3 to spare. With lambda_0 = 1: x_0 = (2 - 1)/3 = 1/3, R = 8/9 + 2/3 = 14/9.
    beta = 2/3: phi_1 = 8 - 2/3 * 9 = 2, phi_0 = 0.
    """
    solution = solve(cluster({}, {"output_tokens": 8, "arrival_rate": 1 / 9}))
    assert solution.revenue_rate == pytest.approx(14 / 9)
    assert [each.prefill for each in solution.classes] == pytest.approx([1 / 3, 1 / 9])
    assert [each.marginal_value for each in solution.classes] == pytest.approx([0, 2], abs=1e-12)


def test_separate_prices_keep_a_decode_backlog() -> None:
    """c_p = 0.1, c_d = 1: a prefill slot pays c_p C / tau = 10, a mixed slot 1, kappa = 1.

    With decode full the revenue is 10 X + (2 - X): prefill all, X = 1 (lambda = 1, mu_p = 1).
    R = 11; the one mixed slot decodes 1/2 request/s, the other half waits: q_d = (1 - 1/2)/0.5.
    """
    solution = solve(cluster({}, scheme="separate", prompt_token=0.1))
    (only,) = solution.classes
    assert solution.revenue_rate == pytest.approx(11)
    assert only.prefill == pytest.approx(1)
    assert only.decode_queue == pytest.approx(1)
    assert (only.mixed_decode, only.solo_decode) == pytest.approx((1, 0))


def test_slow_solo_gpus_keep_everything_mixed() -> None:
    """kappa = 1/4 < (B-1)/B = 1/2: decode_only = 4 s, mu_s = 1/8. lambda = 1, mu_p = 1.

    (D12): X_b = 1, room (B-1) X_b = 1: C phi z = 2 z <= 1, z = 1/2, R = w z = 1. Every GPU
    prefills, half of what is prefilled waits to decode: theta q_d = 1/2, q_d = 1.
    Without a backlog, (D4) with weight 2 + 1/2 - 1 = 3/2 and room 1/2: x = 1/3, R = 2/3.
    """
    solution = solve(cluster({}, decode_only=4.0))
    (only,) = solution.classes
    assert solution.revenue_rate == pytest.approx(1)
    assert only.decode_queue == pytest.approx(1)
    assert any("Theorem 4.1" in warning for warning in solution.warnings)
    drained = solve(cluster({}, decode_only=4.0), empty_decode_buffer=True)
    assert drained.revenue_rate == pytest.approx(2 / 3)


def test_requests_that_never_leave_can_be_too_many() -> None:
    """theta = 0, lambda = 1: x = 1 is forced and needs weight 3 of 2.

    At most x = 2/3 fits: 1/3 request/s cannot be served; 3/2 of the GPUs would do.
    """
    solution = solve(cluster({"patience_rate": 0}))
    assert solution.status == "infeasible"
    assert solution.revenue_rate is None
    assert [each.by for each in solution.shortfall] == pytest.approx([1 / 3, 1 / 2])
    assert [each.unit for each in solution.shortfall] == ["requests/s per GPU", "GPUs per GPU"]
    enough = solve(cluster({"patience_rate": 0, "arrival_rate": 2 / 3}))
    assert enough.status == "optimal"
    assert enough.revenue_rate == pytest.approx(4 / 3)


def test_impatient_requests_make_room_for_those_that_never_leave() -> None:
    """Class 0 never leaves, lambda = 1/3: weight 1 of 2. Class 1 takes the rest: x = 1/3."""
    solution = solve(cluster({"patience_rate": 0, "arrival_rate": 1 / 3}, {"output_tokens": 2}))
    assert [each.prefill for each in solution.classes] == pytest.approx([1 / 3, 1 / 3])
    assert solution.revenue_rate == pytest.approx(4 / 3)
    assert solution.unique is not None
    assert solution.unique.prefill_queue is False, "the queue of class 0 is open"


def test_disaggregated_gpus_share_their_slots_with_nobody() -> None:
    """y_m = 0: a prefill slot takes B = 2 solo slots and keeps C phi / kappa = 2 more busy.

    4 x <= 2: x = 1/2 of 1, y_s = 1 = B (1 - x), R = 2 x = 1 (4/3 where GPUs mix). A solo slot
    more earns delta = 1/2, a GPU B delta = 1; w mu_s = delta + eta mu_s: eta = 1.
    """
    solution = solve(cluster({}), disaggregated=True)
    (only,) = solution.classes
    assert solution.revenue_rate == pytest.approx(1)
    assert (only.prefill, only.mixed_decode, only.solo_decode) == pytest.approx((1 / 2, 0, 1))
    assert (only.prefill_queue, only.decode_queue) == pytest.approx((1, 0))
    assert list(solution.marginals.values()) == pytest.approx([0, 0, 1 / 2], abs=1e-12)
    assert solution.gpu_value == pytest.approx(1)
    assert (only.marginal_value, only.decode_marginal) == pytest.approx((0, 1), abs=1e-12)
    assert solution.tpot is not None
    assert (solution.tpot.capacity, solution.tpot.token_mean) == pytest.approx((1, 1))
    assert "Decode slots are the bottleneck" in bottleneck(solution)
    assert solution.unique is not None
    assert all(getattr(solution.unique, name) for name in (*Occupancy.model_fields, "marginals"))


def test_disaggregation_of_slow_solo_gpus_needs_no_backlog() -> None:
    """kappa = 1/4, B = 2: (2 * 4 + 2) x <= 2: x = 1/5, R = 2/5, and nothing waits to decode."""
    solution = solve(cluster({}, decode_only=4.0), disaggregated=True)
    (only,) = solution.classes
    assert solution.revenue_rate == pytest.approx(2 / 5)
    assert (only.prefill, only.solo_decode) == pytest.approx((1 / 5, 8 / 5))
    assert only.decode_queue == 0


def test_the_plan_of_disaggregated_gpus_has_no_mixed_decode_slots() -> None:
    """x = 1/2, y_s = 1: of 4 GPUs 2 prefill; of 3 GPUs too, and 3 decodes meet 2 solo slots."""
    solution = solve(cluster({}), disaggregated=True)
    fitting, crowded = solution.plan(4), solution.plan(3)
    assert fitting.disaggregated
    assert (fitting.mixed_gpus, fitting.mixed_decode_slots, fitting.solo_decode_slots) == (2, 0, 4)
    assert fitting.classes[0].solo_probability == 1
    assert fitting.warnings == ()
    assert (crowded.mixed_gpus, crowded.mixed_decode_slots, crowded.solo_decode_slots) == (2, 0, 2)
    (told,) = crowded.warnings
    assert "3.0 decodes on solo GPUs" in told
    assert "room for 2" in told


def test_disaggregated_gpus_that_only_prefill_where_prompts_pay() -> None:
    """c_p = 0.1, c_d = 1, kappa = 1, lambda = 2: a prefill pays 10, the B = 2 slots it takes 2.

    X = 1 (of 2), R = 10, q_p = (2 - 1)/0.5, q_d = 1/0.5. A solo slot more would decode and earn
    1, one fewer costs half a prefill, 5; a prefill slot more earns nothing, one fewer 10 - 2.
    """
    solution = solve(
        cluster({"arrival_rate": 2}, scheme="separate", prompt_token=0.1), disaggregated=True
    )
    (only,) = solution.classes
    assert solution.revenue_rate == pytest.approx(10)
    assert (only.prefill, only.mixed_decode, only.solo_decode) == (1, 0, 0)
    assert (only.prefill_queue, only.decode_queue) == pytest.approx((2, 2))
    assert solution.gpu_value == pytest.approx(10)
    assert solution.unique is not None
    ends = solution.unique.ranges.marginals
    assert set(ends) == {"prefill_capacity", "solo_decode_capacity"}
    assert ends["prefill_capacity"] == pytest.approx((0, 8), abs=1e-6)
    assert ends["solo_decode_capacity"] == pytest.approx((1, 5))
    assert bottleneck(solution).startswith("Every GPU prefills: prefill binds; one more GPU")
    assert solution.unique.mixed_decode
    assert solution.unique.solo_decode


def test_disaggregated_gpus_can_be_too_few_for_requests_that_never_leave() -> None:
    """theta = 0, lambda = 1: weight 4 of 2, so x = 1/2 fits; 1 + C phi / (kappa B) = 2 GPUs do."""
    solution = solve(cluster({"patience_rate": 0}), disaggregated=True)
    assert solution.status == "infeasible"
    assert [each.by for each in solution.shortfall] == pytest.approx([1 / 2, 1])
