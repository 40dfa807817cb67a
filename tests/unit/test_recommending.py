"""The rule of recommendations: kinds of instance, the verdict, how far runs reach, the words."""

from collections.abc import Sequence
from typing import get_args

import pytest

import gnr
from gnr.instance import Instance
from gnr.models.lost_revenue import LOSSES
from gnr.models.recommending import nearest_size, recommend, rivals_of, verdict
from gnr.models.situation import TITLES, figures_of, kind_of
from gnr.recommendation import Evidence, Kind, KindRecord, PolicyRecord, Share, SizeRecord
from gnr.result import Solution

OVERLOAD = ["classes.decode-heavy.arrival_rate=1.5"]
PROMPTS_FREE = ["prices.prompt_token=0.001"]


def solved(name: str = "two-class", changes: Sequence[str] = ()) -> Solution:
    return gnr.solve(gnr.load(name, list(changes)))


def promising(*slis: str) -> Solution:
    return solved(changes=[f"slis=[{', '.join(slis)}]"])


def record(
    policy: str,
    gap: float,
    behind: tuple[float, float] | None = None,
    kept_on: int | None = None,
    worse_on: int | None = None,
) -> PolicyRecord:
    """Return a record whose gap is half idle slots on solo GPUs, half impatience before decode."""
    losses = dict.fromkeys(LOSSES, 0.0) | {"idle_solo_decode": gap / 2, "decode_queue": gap / 2}
    return PolicyRecord(
        policy=policy,
        plans_for=("bundled",),
        gap=Share(mean=gap, half_width=gap / 10),
        least_gap=gap / 2,
        worst_gap=2 * gap,
        smallest_on=3,
        terms=losses,
        kept_on=kept_on,
        broken_on=None if kept_on is None else 12 - kept_on,
        behind=None if behind is None else Share(mean=behind[0], half_width=behind[1]),
        worse_on=worse_on,
        clearly_worse=None if worse_on is None else worse_on == 12,
    )


def sized(
    *behind: tuple[float, float, int], gpus: int = 100, kept_on: int | None = None
) -> SizeRecord:
    """Return a best policy and others: behind by that mean and half-width, on so many of 12."""
    others = [
        record(f"other-{i}", 0.01 + mean, (mean, half_width), kept_on, worse_on)
        for i, (mean, half_width, worse_on) in enumerate(behind)
    ]
    return SizeRecord(gpus=gpus, policies=(record("best", 0.01, None, kept_on), *others))


def table(kind: Kind, *sizes: SizeRecord, promised: tuple[str, ...] = ()) -> Evidence:
    """Return a table of one kind whose ranges hold the base instance."""
    figures = figures_of(solved())
    ranges = {name: (value / 1.1, value * 1.1) for name, value in figures.items()}
    one = KindRecord(kind=kind, instances=12, promised=promised, ranges=ranges, sizes=sizes)
    return Evidence(
        source="runs.json", date="2026-01-01", seed=1, rule="by hand", runs="none", kinds=(one,)
    )


@pytest.mark.parametrize(
    ("kind", "name", "changes"),
    [
        ("mostly_solo", "two-class", []),
        ("light", "two-class-qwen-4b", []),
        ("mostly_mixed", "azure-2023-conversation", []),
        ("slow_solo", "two-class", ["gpu.iteration_time.decode_only=0.05"]),
        ("separate_prefill", "two-class-separate", []),
        ("separate_decode", "two-class-separate", PROMPTS_FREE),
        ("light", "two-class-separate", ["classes.decode-heavy.arrival_rate=0.2"]),
        ("mean_tpot", "two-class", ['slis=[{kind="mean_tpot", at_most=0.024}]']),
        ("token_tpot", "two-class", ['slis=[{kind="token_tpot", at_most=0.0232}]']),
        ("other_promises", "two-class-promises", []),
        ("other_promises", "two-class", ['slis=[{kind="mean_tpot", penalty_weight=1.0}]']),
        ("other_promises", "two-class", ['slis=[{kind="mean_ttft", at_most=0.5}]']),
    ],
)
def test_an_instance_is_of_the_kind_that_its_pricing_promises_and_plan_say(
    kind: Kind, name: str, changes: list[str]
) -> None:
    assert kind_of(solved(name, changes)) == kind


def test_two_classes_partly_turned_away_are_a_kind_of_their_own(two_marginal: Instance) -> None:
    assert kind_of(gnr.solve(two_marginal)) == "two_marginal"


@pytest.fixture
def two_marginal() -> Instance:
    """THEORY 12: P = (3000, 1000), D = (100, 400), lambda = (4, 4)."""
    changes = [
        f"classes.{name}.{key}={value}"
        for name, numbers in {"decode-heavy": (1000, 400), "prefill-heavy": (3000, 100)}.items()
        for key, value in zip(("prompt_tokens", "output_tokens"), numbers, strict=True)
    ]
    changes += [f"classes.{name}.arrival_rate=4.0" for name in ("decode-heavy", "prefill-heavy")]
    return gnr.load("two-class", changes)


def test_every_kind_has_a_title_and_a_record() -> None:
    assert set(TITLES) == set(get_args(Kind))


@pytest.mark.parametrize(
    ("behind", "clear"),
    [
        ([(0.01, 0.002, 12), (0.02, 0.03, 12)], "yes"),
        ([(0.0003, 0.0002, 12)], "yes"),
        ([(0.0003, 0.0004, 8), (0.02, 0.002, 12)], "no"),
        ([(0.0, 0.0, 0)], "no"),
        ([(0.001, 0.0001, 9)], "undecided"),
        ([(0.0001, 0.0002, 5), (0.001, 0.002, 8)], "undecided"),
    ],
)
def test_clear_if_all_others_are_worse_and_no_if_they_are_alike(
    behind: list[tuple[float, float, int]], clear: str
) -> None:
    size = sized(*behind)
    assert verdict(size, 12) == clear
    assert bool(rivals_of(size)) == (clear != "yes")


def test_a_policy_that_broke_a_promise_somewhere_is_never_clearly_best() -> None:
    assert verdict(sized((0.01, 0.001, 12), kept_on=11), 12) == "undecided"
    assert verdict(sized((0.01, 0.001, 12), kept_on=12), 12) == "yes"


@pytest.mark.parametrize(("gpus", "read"), [(1, 5), (9, 5), (11, 20), (60, 100), (10**6, 500)])
def test_the_runs_at_the_nearest_size_by_ratio_are_read(gpus: int, read: int) -> None:
    sizes = [sized((0.01, 0.001, 12), gpus=each) for each in (5, 20, 100, 500)]
    assert nearest_size(table("light", *sizes).kinds[0], gpus).gpus == read


def test_the_recommendation_tells_expectation_terms_and_runner_up() -> None:
    found = recommend(
        solved(), 100, table("mostly_solo", sized((0.01, 0.002, 12), (0.03, 0.002, 12)))
    )
    assert found is not None
    assert (found.policy, found.clear, found.measured_gpus) == ("best", "yes", 100)
    assert found.expected.terms["decode_queue"] == 0.005
    assert found.runner_up.policy == "other-0"
    assert (found.rivals, found.extrapolated, found.source) == ((), (), "runs.json")
    assert found.why == (
        "In runs on 12 random instances of this kind (overload, most GPUs only decode) at 100 GPUs "
        "it left 1.00% ± 0.10% of the optimum, 0.50% to 2.00%.",
        "Lost to idle slots on solo GPUs 0.50%, requests that leave before decode 0.50%.",
        "Next is other-0 (1.00% ± 0.20% behind, worse on 12 of 12), most of it by idle slots on "
        "solo GPUs.",
    )


def test_where_nothing_is_clearly_best_the_others_are_named() -> None:
    found = recommend(
        solved(), 100, table("mostly_solo", sized((0.0003, 0.0004, 8), (0.03, 0.002, 12)))
    )
    assert found is not None
    assert (found.clear, found.rivals) == ("no", ("other-0",))
    assert (
        found.why[-1] == "Not shown to be worse: other-0 (0.03% ± 0.04% behind, worse on 8 of 12)."
    )


@pytest.mark.parametrize(
    ("gpus", "changes", "told"),
    [
        (2, [], "2 GPUs, only 100 to 100"),
        (2000, [], "2,000 GPUs, only 100 to 100"),
        (100, ["gpu.batch_slots=64"], "64 batch slots, only 14.5 to 17.6"),
        (100, OVERLOAD, "times the load that can be served"),
        (100, ["classes.prefill-heavy.patience_rate=0.0"], "classes that never leave"),
    ],
)
def test_outside_of_what_was_simulated_it_says_so_and_is_undecided(
    gpus: int, changes: list[str], told: str
) -> None:
    kinds = [table(kind, sized((0.01, 0.002, 12))).kinds[0] for kind in get_args(Kind)]
    every = table("light").model_copy(update={"kinds": tuple(kinds)})
    found = recommend(solved(changes=changes), gpus, every)
    assert found is not None
    assert any(told in each for each in found.extrapolated)
    assert found.clear == "undecided"
    assert found.why[-1].startswith("Not simulated: ")


@pytest.mark.parametrize(
    ("promises", "told"),
    [
        (['{kind="mean_tpot", at_most=0.024}'], None),
        (['{kind="mean_tpot", penalty_weight=1.0}'], "a penalty on mean_tpot"),
        (
            ['{kind="mean_ttft", at_most=0.5}'],
            "a promised mean_ttft, only mean_tpot of the whole cluster",
        ),
        (
            ['{kind="mean_tpot", at_most=0.024}', '{kind="token_tpot", at_most=0.024}'],
            "several promises at once",
        ),
    ],
)
def test_promises_that_were_not_simulated_are_told(promises: list[str], told: str | None) -> None:
    solution = promising(*promises)
    kind = kind_of(solution)
    runs = table(kind, sized((0.01, 0.002, 12), kept_on=12), promised=("mean_tpot",))
    found = recommend(solution, 100, runs)
    assert found is not None
    assert (told in found.extrapolated) if told else not found.extrapolated
    assert (found.clear == "yes") == (told is None)
    assert "kept the promise on all of them" in found.why[0]


def test_a_promise_that_costs_nothing_changes_neither_kind_nor_policy_but_is_undecided() -> None:
    solution = promising('{kind="mean_tpot", at_most=0.03}')
    found = recommend(solution, 100, table("mostly_solo", sized((0.01, 0.002, 12))))
    assert found is not None
    assert found.extrapolated == ("whether it keeps mean_tpot, which costs nothing at this plan",)
    assert (found.kind, found.clear) == ("mostly_solo", "undecided")


def test_a_policy_alone_in_keeping_a_promise_says_so() -> None:
    runs = table("mean_tpot", sized((0.01, 0.1, 12), kept_on=9), promised=("mean_tpot",))
    (size,) = runs.kinds[0].sizes
    unranked = {"behind": None, "worse_on": None, "clearly_worse": None, "broken_on": 10}
    other = size.policies[1].model_copy(update=unranked)
    lone = size.model_copy(update={"policies": (size.policies[0], other)})
    runs = table("mean_tpot", lone, promised=("mean_tpot",))
    found = recommend(promising('{kind="mean_tpot", at_most=0.024}'), 100, runs)
    assert found is not None
    assert found.clear == "undecided"
    assert "surely kept the promise on 9 of them, surely broke it on 3" in found.why[0]
    assert found.why[-1] == "Every other policy broke the promise more often."


def test_a_policy_that_plans_for_the_other_pricing_says_how_to_get_its_plan() -> None:
    runs = table("separate_prefill", sized((0.01, 0.002, 12)))
    found = recommend(solved("two-class-separate"), 100, runs)
    assert found is not None
    assert found.plans_for == "bundled"
    assert "--set prices.scheme=bundled" in found.why[-1]


def test_a_disaggregated_plan_has_no_choice_of_policy() -> None:
    assert recommend(gnr.solve(gnr.load("two-class"), disaggregated=True), 100) is None


def test_without_an_optimum_there_is_nothing_to_recommend() -> None:
    impatient = [f"classes.{name}.patience_rate=0.0" for name in ("decode-heavy", "prefill-heavy")]
    solution = solved(changes=[*impatient, *OVERLOAD])
    assert solution.status == "infeasible"
    with pytest.raises(ValueError, match="no plan"):
        recommend(solution, 100)
    with pytest.raises(ValueError, match="no plan"):
        solved().with_recommendation(None)
