"""From ranks to priorities of an engine, and what is said of them."""

import pytest

import gnr
from gnr.plan import ClassPlan
from gnr.router_export import MOST_NAMES, find_format, priorities_of, vllm_priorities


def ranked(*ranks: int | None) -> list[ClassPlan]:
    """Return classes of these ranks, named a, b, ... in file order."""
    numbers = set(ClassPlan.model_fields) - {"name", "admitted", "rank"}
    return [
        ClassPlan(name=name, admitted=rank is not None, rank=rank, **dict.fromkeys(numbers, 0.0))
        for name, rank in zip("abcdefgh", ranks, strict=False)
    ]


def test_priorities_are_the_ranks_most_urgent_first() -> None:
    assert list(priorities_of(ranked(3, 1, 2)).items()) == [("b", 1), ("c", 2), ("a", 3)]


def test_equal_ranks_share_a_priority_and_keep_file_order() -> None:
    assert list(priorities_of(ranked(2, 1, 2)).items()) == [("b", 1), ("a", 2), ("c", 2)]
    assert priorities_of(ranked(1, 1)) == {"a": 1, "b": 1}


def test_a_class_without_rank_has_no_priority() -> None:
    assert priorities_of(ranked(None, 1, None, 2)) == {"b": 1, "d": 2}
    assert priorities_of(ranked(None)) == {}


def test_no_priority_is_that_of_requests_without_one() -> None:
    assert min(priorities_of(ranked(1, 2, 2)).values()) > 0


def test_priorities_do_not_depend_on_the_size_of_the_cluster() -> None:
    solution = gnr.solve(gnr.load("dolly-eight-class"))
    small, large = (vllm_priorities(solution, solution.plan(gpus)) for gpus in (1, 100_000))
    assert small == large


def test_sentences_name_a_few_classes_and_count_the_rest() -> None:
    """Seven of eight classes decode so long for their pay that the optimum shuts them out."""
    classes = gnr.load("two-class").classes
    poor = [
        classes[0].model_copy(update={"name": f"poor-{i}", "output_tokens": 50_000.0 + i})
        for i in range(MOST_NAMES + 2)
    ]
    crowd = gnr.load("two-class").model_copy(
        update={"classes": (classes[0].model_copy(update={"arrival_rate": 5.0}), *poor)}
    )
    solution = gnr.solve(crowd)
    document = vllm_priorities(solution, solution.plan(10))
    assert set(document.not_admitted) == {each.name for each in poor}
    assert "'poor-4' and 2 more before the engine" in document.does_not_reproduce[0]


def test_no_plan_nothing_to_export() -> None:
    stuck = ["classes.0.patience_rate=0", "classes.0.arrival_rate=2"]
    infeasible = gnr.solve(gnr.load("two-class", stuck))
    with pytest.raises(ValueError, match="infeasible"):
        infeasible.plan(10)
    with pytest.raises(gnr.InputError, match="integer from 1 to"):
        gnr.solve(gnr.load("two-class")).plan(0)


def test_unknown_format_without_a_near_miss_names_all() -> None:
    with pytest.raises(gnr.InputError, match="no format 'yaml'; use json or vllm-priority"):
        find_format("yaml")
