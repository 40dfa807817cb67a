"""The table of recommendations, the kept runs and the rule that drew them cannot drift apart."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from drawn_kinds import RULE, drawn_of_kind

import gnr
from gnr.models.recommending import evidence, recommend, rivals_of
from gnr.models.situation import figures_of, kind_of
from gnr.recommendation import Kind
from gnr.validation.policies import POLICIES
from gnr.validation.studies.tabulating import tabulate

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
SURVEY = "random-instances-2026-11-23.json"
"""Comparison runs on the random instances of THEORY 12, made apart from those of the table."""


@pytest.fixture(scope="module")
def kept() -> Any:
    return json.loads((RESULTS / evidence().source).read_text(encoding="utf-8"))


def test_the_table_is_computed_from_the_kept_runs(kept: Any) -> None:
    assert tabulate(kept, evidence().source) == evidence()


def test_a_forged_figure_is_noticed(kept: Any) -> None:
    forged = json.loads(json.dumps(kept))
    forged["kinds"][0]["cells"][0]["prefill_queue"][0] += 1e-4
    assert tabulate(forged, evidence().source) != evidence()


def test_every_kind_was_simulated_at_every_size_with_policies_that_exist() -> None:
    assert {each.kind for each in evidence().kinds} == set(get_args(Kind))
    for record in evidence().kinds:
        assert [each.gpus for each in record.sizes] == [5, 20, 100, 500]
        names = [{each.policy for each in size.policies} for size in record.sizes]
        assert all(each == names[0] <= set(POLICIES) for each in names)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_instances_of_the_kept_runs_can_be_drawn_again(kind: Kind, kept: Any) -> None:
    assert kept["rule"] == RULE
    (runs,) = (each for each in kept["kinds"] if each["kind"] == kind)
    drawn = {
        (solution := drawn_of_kind(kind, kept["seed"], number)).instance.sha256(): solution
        for number in range(4)
    }
    known = [each for each in runs["instances"] if each["sha256"] in drawn]
    assert known  # some are drawn again because a policy has no plan or runs are too long
    for each in known:
        solution = drawn[each["sha256"]]
        assert kind_of(solution) == kind
        assert figures_of(solution) == pytest.approx(each["figures"], rel=1e-6)


@pytest.mark.parametrize("gpus", [100, 500])
def test_runs_made_apart_from_the_table_agree_with_it(gpus: int) -> None:
    """The best policy of the survey is the table's, or one that it is not shown to be worse."""
    survey = json.loads((RESULTS / SURVEY).read_text(encoding="utf-8"))
    (best,) = (each for each in survey["best"] if each["gpus"] == gpus)
    for kind in ("mostly_solo", "mostly_mixed"):
        (record,) = (each for each in evidence().kinds if each.kind == kind)
        (size,) = (each for each in record.sizes if each.gpus == gpus)
        good = {size.policies[0].policy, *(each.policy for each in rivals_of(size))}
        assert best["policy"] in good
        worse = {each.policy for each in size.policies} - good
        assert worse <= set(best["better_than"]) | {"price-index-in-place"}


def test_the_base_instance_is_told_to_run_a_price_index_policy_by_evidence() -> None:
    found = recommend(gnr.solve(gnr.load("two-class")), 500)
    assert found is not None
    assert found.policy in ("price-index-fill", "price-index-in-place")
    assert found.extrapolated == ()
    assert found.expected.gap.mean + found.expected.gap.half_width < 0.002
    assert set(found.rivals) <= {"price-index-fill", "price-index-in-place"}
