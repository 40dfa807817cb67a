"""The figures of THEORY 11.2 and 11.3, to the digits printed there."""

import pytest

from gnr.models.steady_state import solve
from gnr.reading import load


def column(solution, field):
    return [getattr(each, field) for each in solution.classes]


def test_bundled_optimum_of_the_base_instance() -> None:
    """11.2: value, unique occupancies, vertex 1, all multipliers, both TPOT figures."""
    solution = solve(load("two-class"))
    assert solution.revenue_rate == pytest.approx(297.7031698642446, rel=1e-9)
    assert solution.revenue_rate == pytest.approx(120364470720 / 404310343, rel=1e-12)
    assert column(solution, "prefill") == pytest.approx([0.01825832133690, 0.194953125], rel=1e-12)
    assert column(solution, "prefill_queue") == pytest.approx([0.31725348416328, 0], rel=1e-12)
    assert column(solution, "decode_queue") == [0, 0]
    assert column(solution, "mixed_decode") == pytest.approx([0, 3.19817170], abs=5e-9)
    assert column(solution, "solo_decode") == pytest.approx([10.30307264, 2.28554422], abs=5e-9)
    assert solution.totals.prefill == pytest.approx(0.21321144633690, rel=1e-12)
    assert solution.totals.solo_decode == pytest.approx(12.58861686, abs=5e-9)
    assert solution.marginals == {
        "prefill_capacity": pytest.approx(0, abs=1e-12),
        "mixed_decode_capacity": pytest.approx(6.839023065708, rel=1e-12),
        "solo_decode_capacity": pytest.approx(10.342055483849, rel=1e-12),
    }
    assert column(solution, "decode_marginal") == pytest.approx([2.452024558, 288.980809823])
    assert column(solution, "marginal_value") == pytest.approx([0, 264.460564245], abs=1e-8)
    assert solution.tpot.capacity == pytest.approx(0.0242852963, abs=5e-11)
    assert solution.tpot.token_mean == pytest.approx(0.0236232042, abs=5e-11)
    unique = solution.unique
    assert (unique.prefill, unique.prefill_queue, unique.decode_queue) == (True, True, True)
    assert (unique.mixed_decode, unique.solo_decode, unique.marginals) == (False, False, True)


def test_separate_optimum_of_the_base_instance() -> None:
    """11.3: value, unique occupancies, multipliers, TPOT; the split is that of 10.1(d)."""
    solution = solve(load("two-class-separate"))
    assert solution.revenue_rate == pytest.approx(298.58655675, rel=1e-9)
    assert column(solution, "prefill") == pytest.approx([0.0194953125, 0.194953125], rel=1e-12)
    assert column(solution, "prefill_queue") == [0, 0]
    assert solution.totals.mixed_decode == pytest.approx(3.2167265625, rel=1e-12)
    assert solution.totals.solo_decode == pytest.approx(12.568825, rel=1e-12)
    assert column(solution, "decode_queue") == pytest.approx([0, 0.80168040625], rel=1e-12)
    # File order: class 0 is served in full, all of it solo: 853.333 * 0.0194953125 / kappa.
    assert column(solution, "solo_decode")[0] == pytest.approx(16.636 / 1.5122124, rel=1e-9)
    assert column(solution, "mixed_decode") == pytest.approx([0, 3.2167265625], rel=1e-12)
    assert list(solution.marginals.values()) == pytest.approx([0, 6.01106035, 9.09], abs=5e-9)
    assert column(solution, "marginal_value") == pytest.approx([27.8448285, 278.448285])
    assert column(solution, "decode_marginal") == pytest.approx([0, 0], abs=1e-9)
    assert solution.tpot.capacity == pytest.approx(0.0242987221, abs=5e-11)
    assert solution.tpot.token_mean == pytest.approx(0.0236334433, abs=5e-11)
    assert solution.unique.decode_queue is False
    assert solution.unique.prefill is True


def test_separate_value_with_an_empty_decode_buffer_is_the_bundled_one() -> None:
    solution = solve(load("two-class-separate"), empty_decode_buffer=True)
    assert solution.revenue_rate == pytest.approx(297.7031698642446, rel=1e-12)


def test_values_of_the_schemes_on_the_counterexample_to_theorem_4_1() -> None:
    """8.4, T4.1-a: 567.73 with a backlog of 14, 482.77 without one, kappa = 1/4."""
    changes = [
        "classes.0.prompt_tokens=200",
        "classes.0.output_tokens=2450",
        "classes.0.arrival_rate=1.4",
        "classes.1.prompt_tokens=2800",
        "classes.1.output_tokens=200",
        "classes.1.arrival_rate=1.85",
        "gpu.iteration_time.decode_only=0.133088",
    ]
    instance = load("two-class", changes)
    solution = solve(instance)
    assert solution.revenue_rate == pytest.approx(567.73, abs=5e-3)
    assert column(solution, "decode_queue")[0] == pytest.approx(14, abs=5e-3)
    assert solve(instance, empty_decode_buffer=True).revenue_rate == pytest.approx(482.77, abs=5e-3)


def test_plan_of_the_base_instance() -> None:
    """Groups by 11.4, p_s of vertex 1 by 11.2, gate and queue targets n x and n q_p."""
    solution = solve(load("two-class"))
    for gpus, mixed in ((5, 2), (20, 5), (50, 11), (200, 43), (500, 107), (2000, 427)):
        plan = solution.plan(gpus)
        assert (plan.mixed_gpus, plan.solo_gpus) == (mixed, gpus - mixed)
    plan = solution.plan(500)
    first, second = plan.classes
    assert plan.objective == "bundled"
    assert plan.empty_decode_buffer
    assert (first.solo_probability, second.solo_probability) == pytest.approx((1, 0.51938992))
    assert (first.gate_target, second.gate_target) == pytest.approx((9.129160668, 97.4765625))
    assert (first.queue_target, second.queue_target) == pytest.approx((158.62674208, 0))
    assert (first.rank, second.rank) == (2, 1), "class 0 is marginal and comes last"
    assert first.mixed_weight + second.mixed_weight == pytest.approx(1)
    assert first.solo_weight + second.solo_weight == pytest.approx(1)
    separate = solve(load("two-class-separate"))
    mixed = [separate.plan(gpus).mixed_gpus for gpus in (5, 20, 50, 200, 500)]
    assert mixed == [2, 5, 11, 43, 108]
    assert separate.plan(500).objective == "separate"
    assert not separate.plan(500).empty_decode_buffer
