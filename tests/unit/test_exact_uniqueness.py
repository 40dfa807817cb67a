"""What exact fractions say beside a solver: doubts, and what is left open."""

import tomllib
from fractions import Fraction
from typing import Any

import pytest

from gnr.models.exact_uniqueness import MOST_CLASSES, Settled
from gnr.models.steady_state import solve
from gnr.rates import rates_of
from gnr.reading import build, load, shipped_instances
from gnr.result import MarginalRanges, Solution


def promised(**promise: Any) -> Solution:
    data = tomllib.loads(shipped_instances()["two-class"].read_text())
    return solve(build(data | {"slis": [promise]}, "x"))


def test_an_optimum_that_only_rounding_allows_is_doubted() -> None:
    """The solver takes a promise for kept that is out of reach by 1e-11 of it."""
    most = Fraction(55126383313531351, 56932589553355330)
    solution = promised(kind="throughput", at_least=float(most) * (1 + 1e-11))
    assert solution.status == "optimal"
    assert "the solver found an optimum, exactly nothing is feasible" in solution.warnings
    assert solution.unique is not None
    assert solution.unique.prefill is solution.unique.marginals is None


def test_an_honest_optimum_is_not_doubted() -> None:
    solution = promised(kind="mean_tpot", at_most=0.0225)
    assert not any("exact" in warning for warning in solution.warnings)
    assert solution.unique is not None
    assert solution.unique.marginals is True


def test_a_wrong_value_is_doubted() -> None:
    settled = Settled(Fraction(10), {}, MarginalRanges())
    assert settled.doubt(10 * (1 + 1e-9)) is None
    assert "is not the exact one" in str(settled.doubt(10 * (1 + 1e-7)))


@pytest.mark.parametrize(
    ("price", "holds"), [(0.0, True), (4.5, True), (2.0, True), (4.6, False), (-0.1, False)]
)
def test_multipliers_hold_between_their_ends_only(price: float, holds: bool) -> None:
    rates = rates_of(load("two-class"))
    ends = MarginalRanges(marginals={"a": (0.0, 4.5), "b": (4.5, 0.0)})
    settled = Settled(Fraction(10), {}, ends)
    assert settled.holds(rates, (), {"a": price}) is holds
    assert settled.holds(rates, (), {"a": None, "b": price}) is holds


def test_an_end_that_is_nowhere_holds_everything_beyond() -> None:
    """No right slope is one of minus infinity, no left slope one of infinity."""
    rates = rates_of(load("two-class"))
    settled = Settled(
        Fraction(10), {}, MarginalRanges(marginals={"a": (None, 1.0), "b": (2.0, None)})
    )
    assert settled.holds(rates, (), {"a": -1e9, "b": 1e9})
    assert not settled.holds(rates, (), {"a": 1.1, "b": 3.0})
    assert not settled.holds(rates, (), {"a": 0.0, "b": 1.9})


def test_many_classes_and_shares_in_floats_are_left_open() -> None:
    data = tomllib.loads(shipped_instances()["two-class"].read_text())
    fair = {"kind": "max_min_fairness", "at_least": 0.1}
    many = [
        data["classes"][0] | {"name": f"c{i}", "arrival_rate": 0.01}
        for i in range(MOST_CLASSES + 1)
    ]
    cap = {"kind": "mean_tpot", "at_most": 0.03}
    for changed in (data | {"slis": [fair]}, data | {"classes": many, "slis": [cap]}):
        solution = solve(build(changed, "x"))
        assert solution.unique is not None
        assert solution.unique.prefill is solution.unique.marginals is None
