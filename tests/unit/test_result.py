"""A solution as text, HTML, JSON, arrays; plans and what they refuse."""

import io
import json
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import gnr
from gnr.limits import bottleneck
from gnr.plan import price_index_ranks
from gnr.summary import compare, fates, summarize


def text_of(renderable: Any) -> str:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(renderable)
    return console.export_text()


@pytest.fixture(scope="module")
def solution() -> gnr.Solution:
    return gnr.solve(gnr.load("dolly-eight-class"))


def test_dataset_holds_the_numbers_by_class(solution: gnr.Solution) -> None:
    data = solution.to_dataset()
    assert data["prefill"].sel({"class": "open-qa"}).item() == solution.classes[6].prefill
    assert data["marginal_value"].shape == (8,)
    assert json.loads(data.attrs["provenance"])["version"] == gnr.__version__


def test_html_is_the_summary_and_json_can_be_read_back(solution: gnr.Solution) -> None:
    html = solution._repr_html_()
    assert "creative-writing" in html
    assert html.startswith("<pre")
    document = json.loads(solution.to_json())
    assert document["classes"][3]["prefill"] == 0
    assert document["instance"] == "dolly-eight-class"


def test_fates_add_up_to_all_arrivals(solution: gnr.Solution) -> None:
    for fate in fates(solution):
        total = fate.served + fate.left_before_prefill + fate.left_before_decode
        assert total == pytest.approx(1, abs=1e-12)


def test_class_shut_out_has_no_rank_no_gate_and_a_range_of_decode_value(
    solution: gnr.Solution,
) -> None:
    plan = solution.plan(100)
    shut_out = plan.classes[3]
    assert (shut_out.admitted, shut_out.gate_target, shut_out.rank) == (False, 0, None)
    assert shut_out.solo_probability == 1, "eq. U7 where nothing is served"
    ranks = sorted(each.rank for each in plan.classes if each.rank is not None)
    assert ranks == list(range(1, 8))
    assert solution.unique is not None
    low, high = solution.unique.ranges.decode_marginal["creative-writing"]
    assert low is not None
    assert high is not None
    assert low < high


def test_ranking_is_by_marginal_value_with_marginal_classes_last_and_level() -> None:
    ranks = price_index_ranks(
        np.array([0.1, 0.2, 0.0, 0.3, 0.1]),
        np.array([5.0, 0.0, 9.0, 7.0, 1e-12]),
        np.full(5, 10.0),
    )
    assert ranks == [2, 3, None, 1, 3]


@pytest.mark.parametrize("gpus", [0, -1, 2.5, True, "5", 10**13, 10**400])
def test_plan_refuses_what_is_no_number_of_gpus(solution: gnr.Solution, gpus: Any) -> None:
    with pytest.raises(gnr.InputError, match="integer from 1 to"):
        solution.plan(gpus)


def test_plan_of_an_infeasible_instance_is_an_error() -> None:
    stuck = ["classes.0.patience_rate=0", "classes.0.arrival_rate=2"]
    infeasible = gnr.solve(gnr.load("two-class", stuck))
    with pytest.raises(ValueError, match="infeasible"):
        infeasible.plan(10)
    assert "No plan exists" in text_of(infeasible)
    assert "infeasible" in text_of(compare([infeasible]))


def test_group_size_is_not_raised_by_solver_noise() -> None:
    """n x = 2 within 1e-12 needs two GPUs, not three (Algorithm 1, step 2)."""
    instance = gnr.load("two-class", ["classes.0.arrival_rate=1e-9", "classes.1.arrival_rate=0.5"])
    solution = gnr.solve(instance)
    share = solution.totals.prefill
    assert solution.plan(round(10 / share * 1e6)).mixed_gpus <= np.ceil(10e6 * (1 + 1e-6))
    nudged = solution.model_copy(
        update={
            "classes": tuple(
                each.model_copy(update={"prefill": value})
                for each, value in zip(solution.classes, (0.1, 0.1 + 1e-13), strict=True)
            )
        }
    )
    assert nudged.plan(10).mixed_gpus == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], "Decode slots are the bottleneck"),
        (["classes.0.arrival_rate=0.01"], "Nothing binds"),
        (["classes.0.arrival_rate=0.001", "classes.1.output_tokens=1",
          "classes.1.arrival_rate=9"], "prefill binds"),
    ],
)  # fmt: skip
def test_bottleneck_is_named(changes: list[str], expected: str) -> None:
    solution = gnr.solve(gnr.load("two-class", changes))
    assert expected in bottleneck(solution)
    assert expected in text_of(summarize(solution))


def test_kinks_are_told() -> None:
    """Exactly critical: one more slot earns nothing, one fewer costs."""
    rates_fit = 0.5 * 24.1953984 / (862.5287317 * 0.0194953125 + 43.32873173 * 0.194953125)
    base = gnr.load("two-class")
    from gnr.rates import rates_of

    rates = rates_of(base)
    weight = rates.decode_work + rates.mixing_cost
    fit = rates.speed_ratio * rates.batch_slots / float(weight @ rates.full_prefill)
    critical = gnr.solve(
        gnr.load("two-class", [f"classes.{i}.arrival_rate={0.5 * fit!r}" for i in (0, 1)])
    )
    assert fit * 0.5 == pytest.approx(rates_fit, rel=1e-6)
    assert critical.unique is not None
    assert critical.unique.marginals is False
    gain, loss = critical.unique.ranges.marginals["mixed_decode_capacity"]
    assert gain == pytest.approx(0, abs=1e-6)
    assert loss == pytest.approx(6.839023065708, rel=1e-6)
    assert "At a kink" in text_of(critical)


def test_a_plan_for_another_group_says_so_and_whose_it_is() -> None:
    """The plan's own group asked for by its number is the plan itself, without a warning."""
    solution = gnr.solve(gnr.load("two-class"), disaggregated=True)
    own, other = solution.plan(70), solution.plan(70, 30)
    assert solution.plan(70, own.mixed_gpus) == own
    assert (other.mixed_gpus, other.solo_gpus, other.solo_decode_slots) == (30, 40, 40 * 16)
    assert "30 of 70 GPUs prefill, as asked for; the plan's own group has 15" in other.warnings[0]
    assert other.warnings[1:], "40 solo GPUs have no room for the planned decodes"
    assert solution.with_plan(70, 30).plan_for_gpus == other


@pytest.mark.parametrize(
    ("gpus", "mixed_gpus", "disaggregated", "said"),
    [
        (5, 6, False, r"must be from 1 to 5 \(--gpus\); got 6; say 2, as in the plan"),
        (5, 0, False, "must be from 1 to 5"),
        (5, -1, True, "must be from 1 to 4, one less than --gpus: they do not decode; got -1"),
        (5, 5, True, "must be from 1 to 4"),
        (1, 2, True, "cannot split one GPU; say --gpus 2 or more"),
    ],
)
def test_a_group_that_serves_nobody_is_refused(
    gpus: int, mixed_gpus: int, disaggregated: bool, said: str
) -> None:
    solution = gnr.solve(gnr.load("two-class"), disaggregated=disaggregated)
    with pytest.raises(gnr.InputError, match=f"--mixed-gpus: {said}"):
        solution.plan(gpus, mixed_gpus)
