"""Which penalties are convex on the feasible set: those said to be, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from gnr.models.point import Point
from gnr.plan import Occupancy
from gnr.rates import Rates, rates_of
from gnr.reading import build
from gnr.slis import INDICATORS
from gnr.slis.indicator import Indicator, Scope
from random_feasible import random_feasible_point
from random_instances import REGIMES, random_data

FORMS = [(kind, scope) for kind in INDICATORS for scope in INDICATORS[kind].scopes]
FIELDS = tuple(Occupancy.model_fields)
PAIRS = 200

Case = tuple[Rates, Point, Point]
"""A random cluster with two lots of feasible points, arrays of shape ``(classes, PAIRS)``."""


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Clusters with classes unlike each other, and some with equal patience or prefill rates."""
    rng, found = np.random.default_rng(7), []
    for seed in range(12):
        data = random_data(np.random.default_rng(seed), classes=3, regime=REGIMES[seed % 3])
        rates = rates_of(build(data, "random.toml"))
        if seed % 2:
            rates = replace(rates, patience_rate=np.full(3, 0.1))
        if seed % 4 == 3:
            rates = replace(rates, prefill=np.full(3, rates.prefill[0]))
        found.append((rates, feasible_points(rng, rates), feasible_points(rng, rates)))
    return found


def feasible_points(rng: np.random.Generator, rates: Rates) -> Point:
    points = [random_feasible_point(rng, rates) for _ in range(PAIRS)]
    return Point(*(np.stack([getattr(each, f) for each in points], axis=1) for f in FIELDS))


def bend(indicator: Indicator, scope: Scope, one: Point, two: Point) -> float:
    """Return how far, at most, the penalty lies above a chord, as a part of its values there."""
    middle = Point(*(0.5 * (getattr(one, f) + getattr(two, f)) for f in FIELDS))
    first, second, between = (indicator.at(scope, each) for each in (one, two, middle))
    sign = 1.0 if indicator.best is None else -1.0
    above = sign * (between - 0.5 * (first + second))
    return float(np.max(above / np.maximum(abs(first) + abs(second), 1e-12)))


@pytest.mark.parametrize(("kind", "scope"), FORMS)
def test_penalties_are_convex_where_they_are_said_to_be(
    cases: list[Case], kind: str, scope: str
) -> None:
    indicator = INDICATORS[kind]
    shares = (0.5, 1.0, 0.0) if indicator.needs_fair_shares else ()
    bends: dict[bool, list[float]] = {True: [], False: []}
    for rates, one, two in cases:
        case = Scope(rates, 1 if scope == "class" else None, shares)
        bends[bool(indicator.convex(case))].append(bend(indicator, case, one, two))
    assert max(bends[True], default=0.0) < 1e-9
    assert max(bends[False], default=1.0) > 1e-6, "somewhere it is not"
