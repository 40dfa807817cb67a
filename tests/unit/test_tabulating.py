"""From kept runs to the table: gaps, who is best, by how much, who keeps promises."""

from collections.abc import Sequence
from typing import Any

import pytest

from gnr.models.lost_revenue import LOSSES
from gnr.validation.statistics import interval
from gnr.validation.studies.tabulating import size_record

A, B, C, D = "price-index-fill", "gate-and-route", "fcfs-immediate", "gate-immediate"
GAPS = {
    A: [0.02, 0.03, 0.01, 0.02, 0.02, 0.02, 0.02, 0.02],
    B: [0.05, 0.06, 0.04, 0.9, 0.05, 0.05, 0.05, 0.05],
    C: [0.9, 0.1, 0.2, 0.0, 0.02, 0.01, 0.03, 0.03],
}
"""The second is worse than the first on every instance, by very unequal amounts; the third on most,
and by more."""


def cell(policy: str, gaps: Sequence[float], excess: Sequence[float] | None = None) -> Any:
    """Return a cell of the kept runs; a quarter of each gap is idle slots on mixed GPUs."""
    losses = {name: [0.0] * len(gaps) for name in LOSSES}
    losses["idle_mixed_decode"] = [gap / 4 for gap in gaps]
    losses["prefill_queue"] = [3 * gap / 4 for gap in gaps]
    noise = {"flow_errors": [0.5] * len(gaps)}
    promise = {} if excess is None else {
        "excess": list(excess), "excess_half_width": [0.01] * len(gaps)
    }  # fmt: skip
    return {"policy": policy, "gpus": 20, **losses, **noise, **promise}


def test_gaps_are_the_terms_without_the_noise_of_finite_runs() -> None:
    (best, *_) = size_record(20, [cell(*each) for each in GAPS.items()]).policies
    assert best.policy == A
    assert best.gap.mean == pytest.approx(0.02)
    assert best.gap.half_width == pytest.approx(interval(GAPS[A]).half_width, abs=1e-6)
    assert (best.least_gap, best.worst_gap, best.smallest_on) == (0.01, 0.03, 6)
    assert sum(best.terms.values()) == pytest.approx(best.gap.mean)
    assert set(best.terms) == set(LOSSES)


def test_the_others_are_clearly_worse_only_if_they_are_on_nearly_every_instance() -> None:
    policies = size_record(20, [cell(*each) for each in GAPS.items()]).policies
    found = {each.policy: each for each in policies}
    assert (found[A].behind, found[A].worse_on, found[A].clearly_worse) == (None, None, None)
    assert (found[B].worse_on, found[B].clearly_worse) == (8, True)  # 2/2^8 times 3 < 5 %
    assert (found[C].worse_on, found[C].clearly_worse) == (5, False)
    for name in (B, C):
        expected = interval([y - x for x, y in zip(GAPS[A], GAPS[name], strict=True)])
        behind = found[name].behind
        assert behind is not None
        assert (behind.mean, behind.half_width) == pytest.approx(
            (expected.mean, expected.half_width), abs=1e-6
        )


def test_all_pairs_are_corrected_together() -> None:
    """Seven of seven have p = 2/128; times three pairs that is within 5 %, times six it is not."""
    seven = {name: gaps[:7] for name, gaps in GAPS.items()}
    few = size_record(20, [cell(name, seven[name]) for name in (A, B, C)])
    (worse,) = (each.clearly_worse for each in few.policies if each.policy == B)
    assert worse is True
    many = size_record(20, [*(cell(name, seven[name]) for name in (A, B, C)), cell(D, seven[C])])
    (worse,) = (each.clearly_worse for each in many.policies if each.policy == B)
    assert worse is False


def test_a_policy_that_is_worse_on_the_mean_alone_is_not_clearly_worse() -> None:
    usual, rare = [0.02] * 8, [0.01] * 7 + [0.9]
    policies = size_record(20, [cell(A, usual), cell(B, rare)]).policies
    assert [each.policy for each in policies] == [A, B]
    assert policies[1].clearly_worse is False


def test_the_order_of_the_cells_changes_nothing() -> None:
    cells = [cell(*each) for each in GAPS.items()]
    assert size_record(20, cells) == size_record(20, cells[::-1])


def test_who_breaks_a_promise_is_not_best_whatever_it_earns() -> None:
    surely, barely, never = [-0.02] * 8, [-0.02] * 6 + [-0.005, 0.02], [0.1] * 8
    cells = [
        cell(A, [0.0] * 8, never),
        cell(B, GAPS[B], surely),
        cell(C, GAPS[A], barely),
    ]
    policies = size_record(20, cells).policies
    assert [each.policy for each in policies] == [B, C, A]
    assert [each.kept_on for each in policies] == [8, 6, 0]
    assert [each.broken_on for each in policies] == [0, 1, 8]
    assert [each.behind for each in policies] == [None, None, None]
    assert [each.smallest_on for each in policies] == [8, 0, 0]
