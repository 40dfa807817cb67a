"""The plan of an instance with a decode backlog, every entry from the formulas of THEORY 5."""

import numpy as np
import pytest

import gnr
from gnr.errors import InputError
from gnr.facts import (
    alternatives,
    capacity_gain,
    fates,
    gpu_gain,
    kinks,
    request_gain,
    revenue_per_token,
    served_share,
)
from gnr.limits import bottleneck
from gnr.load_report import report_load
from gnr.plan import with_mixed_gpus
from gnr.reading import build
from gnr.validation.drawing_rule import drawn_instance
from random_instances import random_data

KAPPA = 45.45 * 0.033272


def test_every_target_of_the_separate_plan() -> None:
    """11.3, split in file order: y_s,0 = 16.636/kappa, y_s,1 = 12.568825 - y_s,0, y_m,1 = 3.2167,
    q_d,1 = 0.80168; class 1 is served 0.5 - 0.1 q_d,1 = 0.419832 requests/s."""
    plan = gnr.solve(gnr.load("two-class-separate")).plan(500)
    solo_0 = 16.636 / KAPPA
    solo_1, mixed_1, waiting = 12.568825 - solo_0, 3.2167265625, 0.80168040625
    share = KAPPA * solo_1 / (mixed_1 + KAPPA * solo_1)  # (U7): the rates differ by kappa only
    solo_flow = (solo_0 / 1000, solo_1 / 400)  # mu_s y_s up to gamma (U10)
    first, second = plan.classes
    assert plan.mixed_gpus == 108
    assert plan.mixed_decode_slots == 108 * 15
    assert plan.solo_decode_slots == 392 * 16
    assert first.gate_target == pytest.approx(500 * 0.0194953125)
    assert second.gate_target == pytest.approx(500 * 0.194953125)
    assert (first.queue_target, second.queue_target) == (0, 0)
    assert (first.mixed_decode_target, second.mixed_decode_target) == pytest.approx(
        (0, 500 * mixed_1)
    )
    assert (first.solo_decode_target, second.solo_decode_target) == pytest.approx(
        (500 * solo_0, 500 * solo_1)
    )
    assert (first.solo_probability, second.solo_probability) == pytest.approx((1, share))
    assert (first.solo_queue_target, second.solo_queue_target) == pytest.approx(
        (0, 500 * share * waiting)
    )
    assert (first.mixed_queue_target, second.mixed_queue_target) == pytest.approx(
        (0, 500 * (1 - share) * waiting)
    )
    assert (first.mixed_weight, second.mixed_weight) == (0, 1)
    assert (first.solo_weight, second.solo_weight) == pytest.approx(
        tuple(flow / sum(solo_flow) for flow in solo_flow)
    )
    assert (first.prefill_index, second.prefill_index) == pytest.approx((10 / 3, 2 / 15))
    assert (first.rank, second.rank) == (2, 1)
    assert plan.revenue_rate == pytest.approx(298.58655675)


def test_facts_of_the_separate_plan() -> None:
    """Class 0 is served in full, class 1 to 83.97 %; the rest leaves before it decodes."""
    solution = gnr.solve(gnr.load("two-class-separate"))
    first, second = fates(solution)
    assert (first.served, first.left_before_decode) == pytest.approx((1, 0))
    assert second.served == pytest.approx(1 - 0.2 * 0.80168040625)
    assert second.left_before_decode == pytest.approx(0.2 * 0.80168040625)
    assert second.left_before_prefill == pytest.approx(0)
    assert served_share(solution) == pytest.approx(1 - 0.1 * 0.80168040625)
    # Prompts are billed whether or not their requests stay to decode.
    tokens = 0.5 * 1300 + 0.5 * (3000 + second.served * 400)
    assert revenue_per_token(solution) == pytest.approx(298.58655675 / tokens)
    assert gpu_gain(solution) == pytest.approx(16 * 9.09)
    assert capacity_gain(solution, "solo_decode_capacity") == pytest.approx(9.09)
    assert request_gain(solution, solution.classes[1]) == pytest.approx(278.448285)
    assert "Decode slots are the bottleneck" in bottleneck(solution)
    (told,) = alternatives(solution)
    assert "splits of the decodes" in told
    assert kinks(solution) == []


def test_facts_where_every_gpu_prefills() -> None:
    """P = 400, D = 2, C = 100, tau = 1, B = 4, kappa = 1, w = 2, lambda = 1, theta = 1/2.

    mu_p = 1/4, x = 1 (of lambda/mu_p = 4), R = 1/2. nu = w mu_p = 1/2, u = 0. A prefill slot more
    earns nothing, since solo slots bind prefill too; one fewer costs 1/2; a solo slot fewer costs
    nu/B = 1/8. A GPU more earns 1/2. Three quarters of the requests leave.
    """
    data = {
        "schema_version": 1, "name": "full", "title": "t", "source": "s",
        "gpu": {"batch_slots": 4, "chunk_tokens": 100,
                "iteration_time": {"base": 0.5, "per_chunk_token": 0.005, "decode_only": 1.0}},
        "prices": {"scheme": "bundled", "prompt_token": 0, "output_token": 1},
        "classes": [{"name": "only", "prompt_tokens": 400, "output_tokens": 2, "arrival_rate": 1,
                     "patience_rate": 0.5}],
    }  # fmt: skip
    solution = gnr.solve(build(data, "full"))
    assert solution.unique is not None
    ends = solution.unique.ranges.marginals
    assert ends["prefill_capacity"] == pytest.approx((0, 0.5), abs=1e-6)
    assert ends["solo_decode_capacity"] == pytest.approx((0, 0.125), abs=1e-6)
    assert set(ends) == {"prefill_capacity", "solo_decode_capacity"}
    assert capacity_gain(solution, "prefill_capacity") == pytest.approx(0, abs=1e-6)
    assert gpu_gain(solution) == pytest.approx(0.5)
    assert fates(solution)[0].left_before_prefill == pytest.approx(0.75)
    assert bottleneck(solution).startswith("Every GPU prefills: prefill binds; one more GPU")
    assert any("GPUs that prefill: one more earns" in line for line in kinks(solution))


def test_an_empty_decode_buffer_at_the_threshold_is_reported() -> None:
    """kappa = (B-1)/B = 1/2, B = 2: prefill costs no decode capacity, so a backlog costs nothing;
    the plan shown has none, whatever the solver returns (Algorithm 0)."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = random_data(rng, regime="at")
        solution = gnr.solve(build(data, "threshold"))
        assert all(each.decode_queue == 0 for each in solution.classes)


def test_load_report_of_the_base_instance() -> None:
    """11.1: sum of lambda/mu_p = 0.2144484375; weights 862.53 and 43.33 over kappa B."""
    report = report_load(gnr.load("two-class"))
    assert report.prefill_load == pytest.approx(0.2144484375)
    weight = 862.5287317 * 0.0194953125 + 43.32873173 * 0.194953125
    assert report.decode_load == pytest.approx(weight / (16 * KAPPA))
    assert report.speed_ratio == pytest.approx(KAPPA)


def test_another_group_size_moves_what_has_no_room() -> None:
    """Two-class, n = 5, vertex 1 of 11.2: n x = (0.0913, 0.9748), n y_m = (0, 15.99), n y_s =
    (51.515, 11.428). With M = 1 there are 15 mixed and 64 solo slots: 0.99 decodes of class 1 move
    to the solo group, which has room for 1.06, and prefills shrink by 1/1.066. With M = 3 the solo
    group has 32 slots for 62.94 decodes: 30.94 move, in proportion, to the 45 - 15.99 = 29.01 that
    are free, and the rest is given up."""
    plan = gnr.solve(gnr.load("two-class")).plan(5)
    small, large = with_mixed_gpus(plan, 1, 16), with_mixed_gpus(plan, 3, 16)
    first, second = small.classes
    assert (small.mixed_gpus, small.solo_gpus) == (1, 4)
    assert (small.mixed_decode_slots, small.solo_decode_slots) == (15, 64)
    assert first.gate_target + second.gate_target == pytest.approx(1)
    assert first.gate_target / second.gate_target == pytest.approx(0.0182583213369 / 0.194953125)
    assert (first.mixed_decode_target, second.mixed_decode_target) == pytest.approx((0, 15))
    assert first.solo_decode_target == pytest.approx(5 * 10.30307264)
    assert second.solo_decode_target == pytest.approx(5 * (2.28554422 + 3.19817170) - 15)
    assert sum(each.solo_decode_target for each in large.classes) == pytest.approx(32)
    assert sum(each.mixed_decode_target for each in large.classes) == pytest.approx(45)
    assert [each.gate_target for each in large.classes] == [
        each.gate_target for each in plan.classes
    ]
    assert with_mixed_gpus(plan, plan.mixed_gpus, 16).mixed_gpus == plan.mixed_gpus


@pytest.mark.parametrize("wrong", [-1, 6, True, 2.0])
def test_a_group_size_that_cannot_be_is_refused(wrong: object) -> None:
    plan = gnr.solve(gnr.load("two-class")).plan(5)
    with pytest.raises(InputError, match="must be an integer from 0 to 5"):
        with_mixed_gpus(plan, wrong, 16)  # type: ignore[arg-type]


def test_a_full_group_takes_nobody() -> None:
    """A mixed group that is exactly full has no room, also where rounding leaves less than none."""
    plan = gnr.solve(drawn_instance(77, 0)).plan(5)
    small = with_mixed_gpus(plan, 1, 16)
    assert sum(each.mixed_decode_target for each in small.classes) == pytest.approx(15)
    assert with_mixed_gpus(plan, 0, 16).mixed_decode_slots == 0
