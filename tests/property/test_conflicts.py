"""What must hold of every conflict of promises: none can be left out, and its ways out are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnr.models.steady_state import solve
from gnr.rates import rates_of
from gnr.reading import build
from gnr.result import KeepablePromise, Solution
from gnr.slis import INDICATORS
from gnr.slis.indicator import Scope
from random_instances import REGIMES, random_data

Promise = dict[str, Any]
NEAR_NOTHING = 1e-4
"""Distance that is hardly told from 0: nothing tighter is tried so near the end of a range."""
MUCH_LOOSER = 1e3
"""Multiple of a bound that is not in reach where no nearest one is named."""


def random_promises(rng: np.random.Generator, data: dict[str, Any]) -> list[Promise]:
    """Return promises of any kinds, at bounds about what the plan without any attains."""
    instance = build(data, "random")
    free, rates = solve(instance), rates_of(instance)
    point = free.to_dataset()
    found: dict[str, Promise] = {}
    for kind in rng.choice(list(INDICATORS), size=4, replace=False):
        indicator = INDICATORS[str(kind)]
        scope, direction = str(rng.choice(indicator.scopes)), str(rng.choice(indicator.directions))
        owner = int(rng.integers(rates.classes)) if scope == "class" else None
        shares = (1.0,) * rates.classes if indicator.needs_fair_shares else ()
        value = float(indicator.at(Scope(rates, owner, shares), Columns(point)))
        factor = float(rng.choice([0.1, 0.5, 0.9, 1.5]))
        bound = (value if np.isfinite(value) else 1.0) * factor
        bound = bound / factor**2 if direction == "at_least" else bound
        promise: Promise = {"kind": str(kind), direction: min(max(bound, 0.0), indicator.highest)}
        if owner is not None:
            promise["class"] = f"class-{owner}"
        found[str(kind)] = promise
    return list(found.values())


class Columns:
    """The columns of a solution as arrays, for an indicator."""

    def __init__(self, dataset: Any) -> None:
        for name in dataset:
            setattr(self, str(name), dataset[name].values)


def solved(data: dict[str, Any], promises: list[Promise]) -> Solution:
    return solve(build(data | {"slis": promises}, "random"))


def label(promise: Promise) -> str:
    return promise["kind"] + (f":{promise['class']}" if "class" in promise else "")


def moved(promises: list[Promise], way_out: KeepablePromise, bound: float) -> list[Promise]:
    """Return the promises with another bound for one of them."""
    return [
        each | {way_out.direction: bound} if label(each) == way_out.name else each
        for each in promises
    ]


def check_conflict(data: dict[str, Any], promises: list[Promise], solution: Solution) -> None:
    conflict = solution.conflict
    assert conflict is not None
    members = [each for each in promises if label(each) in conflict.promises]
    assert solved(data, members).status == "infeasible"
    for member in members:
        rest = [each for each in members if each is not member]
        assert solved(data, rest).status == "optimal", f"without {label(member)}"
    for way_out in conflict.keepable:
        (kind,) = {each["kind"] for each in members if label(each) == way_out.name}
        highest = INDICATORS[kind].highest
        if way_out.nearest is None:
            looser = min(MUCH_LOOSER * way_out.bound, highest)
            far = looser if way_out.direction == "at_most" else 0.0
            assert solved(data, moved(promises, way_out, far)).status == "infeasible"
            continue
        assert solved(data, moved(promises, way_out, way_out.nearest)).status == "optimal"
        further = way_out.nearest * (0.99 if way_out.direction == "at_most" else 1.01)
        tighter = min(further, highest)
        if way_out.nearest > NEAR_NOTHING and abs(tighter / way_out.nearest - 1) > NEAR_NOTHING:
            tried = moved(promises, way_out, tighter)
            assert solved(data, tried).status == "infeasible", f"{way_out} {tighter}"


def check_some(seed: int, regime: str, scheme: str) -> None:
    rng = np.random.default_rng(seed)
    data = random_data(rng, classes=int(rng.integers(1, 4)), regime=regime, scheme=scheme)
    promises = random_promises(rng, data)
    solution = solved(data, promises)
    if solution.status == "infeasible":
        check_conflict(data, promises, solution)
    else:
        assert solution.status == "optimal"
        assert solution.conflict is None


cases = (
    st.integers(0, 2**32),
    st.sampled_from(REGIMES),
    st.sampled_from(["bundled", "separate"]),
)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(*cases)
def test_conflict_is_irreducible_and_its_ways_out_are_the_nearest(
    seed: int, regime: str, scheme: str
) -> None:
    check_some(seed, regime, scheme)


@pytest.mark.long
@settings(max_examples=60, deadline=None, derandomize=True)
@given(*cases)
def test_many_conflicts_are_irreducible(seed: int, regime: str, scheme: str) -> None:
    check_some(seed, regime, scheme)
