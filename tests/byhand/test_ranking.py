"""Pairs, verdicts and the best policy from samples written by hand."""

import numpy as np
import pytest

from gnr.comparison import Condition
from gnr.comparison_summary import best_sentence, listed, promise_sentence
from gnr.simulation import Estimate, Kept
from gnr.validation.ranking import ISOLATES, best_policies, policy_pairs
from gnr.validation.studies.survey import summaries

SMALL, LARGE = Condition(20, "exponential"), Condition(100, "exponential")

SHARES = {
    SMALL: {
        "fcfs-route": np.array([0.80, 0.79, 0.78]),
        "gate-and-route": np.array([0.90, 0.90, 0.90]),
        "sli-aware": np.array([0.91, 0.90, 0.92]),
    },
    LARGE: {
        "fcfs-route": np.array([0.97, 0.98, 0.99]),
        "gate-and-route": np.array([0.97, 0.98, 0.99]),
    },
}


def gaps() -> dict[Condition, dict[str, Estimate]]:
    return {
        condition: {
            name: Estimate(mean=1 - float(values.mean()), half_width=0.01)
            for name, values in named.items()
        }
        for condition, named in SHARES.items()
    }


def test_pairs_by_hand() -> None:
    """Four pairs; three runs each.

    20 GPUs: gate-and-route less fcfs-route is 0.10, 0.11, 0.12: mean 0.11, s = 0.01,
    t = 0.11 / (0.01 / sqrt 3) = 19.05, p = 0.00274.
    sli-aware less fcfs-route is 0.11, 0.11, 0.14: mean 0.12, s = 0.017321, t = 12, p = 0.00687.
    gate-and-route less sli-aware is -0.01, 0, -0.02: mean -0.01, t = -1.732, p = 0.225.
    100 GPUs: no difference at all, p = 1.
    Holm at 0.05: 0.00274 <= 0.05 / 4, 0.00687 <= 0.05 / 3, 0.225 > 0.05 / 2: two are decided; the
    other two keep level 0.025, t_2(0.9875) = 6.2053, half-width 6.2053 * 0.01 / sqrt 3 = 0.035826.
    """
    pairs = policy_pairs(SHARES, lp_revenue_rate=300.0)
    named = {(each.first, each.second, each.gpus): each for each in pairs}
    assert list(named) == [
        ("gate-and-route", "fcfs-route", 20),
        ("fcfs-route", "sli-aware", 20),
        ("gate-and-route", "sli-aware", 20),
        ("gate-and-route", "fcfs-route", 100),
    ]
    gate, fcfs, split, same = pairs
    assert gate.isolates == same.isolates == "the gate under a static partition"
    assert fcfs.isolates is None
    assert [each.verdict for each in pairs] == ["better", "worse", "undecided", "undecided"]
    assert gate.difference.mean == pytest.approx(0.11)
    assert fcfs.difference.mean == pytest.approx(-0.12)
    assert gate.money is not None
    assert gate.money.mean == pytest.approx(33)
    assert gate.money.half_width == pytest.approx(300 * gate.difference.half_width)
    assert [each.confidence for each in pairs] == pytest.approx(
        [1 - 0.05 / 4, 1 - 0.05 / 3, 0.975, 0.975]
    )
    assert split.difference.half_width == pytest.approx(0.035826, rel=1e-4)
    assert (same.difference.mean, same.difference.half_width, same.correlation) == (0, 0, 1)


def test_best_and_whom_it_beats() -> None:
    """Equal is never told: what is not decided is undecided, even for identical runs."""
    small, large = best_policies(gaps(), policy_pairs(SHARES))
    assert (small.policy, small.gpus) == ("sli-aware", 20)
    assert small.gap.mean == pytest.approx(0.09)
    assert small.better_than == ("fcfs-route",)
    assert small.undecided == ("gate-and-route",)
    assert (large.policy, large.better_than, large.undecided) == (
        "fcfs-route", (), ("gate-and-route",)
    )  # fmt: skip
    assert best_sentence(small, [SMALL, LARGE]) == (
        "20 GPUs: sli-aware comes closest to the optimum, gap 9.00% ± 1.00%; undecided "
        "against gate-and-route, better than the other one."
    )
    assert "exponential lengths" in best_sentence(small, [SMALL, Condition(20, "deterministic")])
    for text in (best_sentence(small, [SMALL]), best_sentence(large, [LARGE])):
        assert "equal" not in text


def test_the_best_policy_is_not_crowned_over_a_broken_promise() -> None:
    """20 GPUs: sli-aware has the smallest gap and breaks one; gate-and-route keeps all, with a
    larger gap, fcfs-route may. 100 GPUs: equal gaps, the first of them is undecided and the other
    keeps none."""
    keeping: dict[tuple[Condition, str], Kept | None] = {
        (SMALL, "sli-aware"): "no",
        (SMALL, "gate-and-route"): "yes",
        (SMALL, "fcfs-route"): "undecided",
        (LARGE, "fcfs-route"): "undecided",
        (LARGE, "gate-and-route"): "no",
    }
    small, large = best_policies(gaps(), policy_pairs(SHARES), keeping)
    assert (small.policy, small.keeps_promises) == ("sli-aware", "no")
    assert small.best_keeping == "gate-and-route"
    assert (large.keeps_promises, large.best_keeping) == ("undecided", None)
    assert best_sentence(small, [SMALL, LARGE]).endswith(
        "It breaks a promise; of those that keep them all gate-and-route comes closest."
    )
    assert promise_sentence(large, [LARGE]) == (
        "100 GPUs: fcfs-route comes closest to the optimum and may or may not keep every promise; "
        "no policy surely keeps them all."
    )
    (without, _) = best_policies(gaps(), policy_pairs(SHARES))
    assert (without.keeps_promises, without.best_keeping) == (None, None)


def test_isolating_pairs_put_first_what_has_the_feature() -> None:
    first, second = "price-index-fill", "price-index-in-place"
    assert (first, second) in ISOLATES
    turned = {SMALL: {second: np.zeros(3), first: np.ones(3)}}
    (pair,) = policy_pairs(turned)
    assert (pair.first, pair.verdict) == ("price-index-fill", "better")


def test_survey_by_hand() -> None:
    """Gaps 1, 2, 6 % and 1, 4, 4 %: means 3 and 3, s = 2.6458 and 1.7321 %; instance 0 is a tie."""
    at = {SMALL: {"a": np.array([0.01, 0.02, 0.06]), "b": np.array([0.01, 0.04, 0.04])}}
    first, second = summaries(at, [0, 3, 5])
    assert first.gap.mean == pytest.approx(0.03)
    assert first.gap.half_width == pytest.approx(4.302653 * 0.026458 / np.sqrt(3), rel=1e-4)
    assert first.standard_deviation == pytest.approx(0.026458, rel=1e-4)
    assert (first.worst_gap, first.worst_instance, first.wins) == (0.06, 5, 2)
    assert (second.worst_gap, second.worst_instance, second.wins) == (0.04, 3, 2)
    assert second.standard_deviation == pytest.approx(0.017321, rel=1e-4)


def test_names_in_a_sentence() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
