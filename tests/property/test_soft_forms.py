"""What must hold of penalties: monotone in the weight, and relaxations that lose no plan."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
from hypothesis import given, settings
from hypothesis import strategies as st

import gnr
from gnr.instance import Instance, Sli
from gnr.models.penalties import Box, Curved, curved_penalties
from gnr.models.penalty_search import TOLERANCE
from gnr.models.point import Point, Program
from gnr.models.promised_state import build_program
from gnr.models.promises import FIELDS, promises_of
from gnr.models.solver import Outcome, Status
from gnr.models.steady_state import PROGRAMS
from gnr.rates import rates_of
from gnr.reading import build
from gnr.slis import INDICATORS
from random_feasible import random_feasible_point
from random_instances import REGIMES, random_data

instances = st.builds(
    lambda seed, regime, scheme: build(
        random_data(
            np.random.default_rng(seed), classes=1 + seed % 3, regime=regime, scheme=scheme
        ),
        "random.toml",
    ),
    st.integers(0, 2**32),
    st.sampled_from(REGIMES),
    st.sampled_from(["bundled", "separate"]),
)
entries = st.sampled_from(
    [(kind, scope) for kind, each in INDICATORS.items() for scope in each.scopes]
)


def penalised(instance: Instance, entry: tuple[str, str], weight: float) -> Instance:
    kind, scope = entry
    owner = {"class": instance.classes[-1].name} if scope == "class" else {}
    sli = Sli.model_validate({"kind": kind, "penalty_weight": weight} | owner)
    return instance.model_copy(update={"slis": (sli,)})


@settings(max_examples=5, deadline=None, derandomize=True)
@given(instances, entries, st.floats(-3, 1), st.floats(1.2, 10))
def test_a_dearer_indicator_gets_better_and_the_plan_earns_less(
    instance: Instance, entry: tuple[str, str], size: float, factor: float
) -> None:
    """Of two weights each optimum is the better plan at its own, which gives all three; both are
    known to the tolerance of the search."""
    unit = 10**size * gnr.solve(instance).revenue_rate
    cheap = gnr.solve(penalised(instance, entry, unit))
    dear = gnr.solve(penalised(instance, entry, factor * unit))
    slack = 0.0
    for each in (cheap, dear):
        assert each.status == "optimal", each.warnings
        value = each.revenue_rate - each.penalty
        scale = max(each.revenue_rate + each.penalty, unit / 10**size)
        assert value <= each.penalty_bound <= value + TOLERANCE * scale * (1 + 1e-6)
        slack += 2 * TOLERANCE * scale
    charged, charged_more = cheap.penalty, dear.penalty / factor  # at the same weight
    assert (factor - 1) * (charged_more - charged) <= slack
    assert dear.revenue_rate <= cheap.revenue_rate + slack * factor / (factor - 1)
    assert dear.revenue_rate - dear.penalty <= cheap.revenue_rate - cheap.penalty + slack


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    instances,
    st.sampled_from(
        [
            (kind, scope)
            for kind in (
                "mean_tpot",
                "token_tpot",
                "mean_wait",
                "mean_ttft",
                "mean_end_to_end",
                "proportional_share",
            )
            for scope in INDICATORS[kind].scopes
        ]
    ),
    st.integers(0, 1000),
)
def test_neither_a_tangent_nor_a_box_cuts_a_plan_off(
    instance: Instance, entry: tuple[str, str], seed: int
) -> None:
    """With the true penalty as its cost every plan is feasible in the relaxed program."""
    curved, points = penalised_model(instance, entry, seed)
    ends = []
    for point in points:
        fill(curved.model, point)
        ends.append(curved.quotient(outcome_of(curved.model)))
    above, below = np.array(ends).T
    if curved.convex:
        curved.cut(outcome_of(curved.model))
    values = above / below
    curved.confine(Box(values.min(), values.max(), below.min(), below.max()))
    for point in points:
        assert least_slack(curved, point) >= -1e-9 * max(1.0, values.max(), above.max())


def test_a_wrong_tangent_would_be_seen() -> None:
    """The tangents of a concave mean_tpot, kappa < 1, do cut plans off."""
    data = random_data(np.random.default_rng(1), classes=2, regime="below")
    curved, points = penalised_model(build(data, "x.toml"), ("mean_tpot", "cluster"), 0)
    fill(curved.model, points[0])
    curved.cut(outcome_of(curved.model))
    assert min(least_slack(curved, point) for point in points) < -1e-4


def penalised_model(
    instance: Instance, entry: tuple[str, str], seed: int
) -> tuple[Curved, list[Point]]:
    """Return the penalty of an entry in a model, and random plans."""
    instance, rates = penalised(instance, entry, 2.0), rates_of(instance)
    builder, weigh = PROGRAMS[instance.prices.scheme]
    promises = promises_of(instance, rates)
    model = build_program(builder, Program(rates, weigh(rates), False), promises)
    (curved,) = curved_penalties(model, promises)
    rng = np.random.default_rng(seed)
    return curved, [random_feasible_point(rng, rates) for _ in range(12)]


def least_slack(curved: Curved, point: Point) -> float:
    """Return the least slack of the rows of a penalty at a plan with its true penalty."""
    fill(curved.model, point)
    curved.cost.set_value(curved.promise.penalty(point))
    rows = list(curved.block.component_data_objects(pyo.Constraint, active=True))
    assert rows
    return min(float(row.slack()) for row in rows)


def fill(model: Any, point: Point) -> None:
    for name, field in FIELDS.items():
        for i, data in getattr(model, field).items():
            data.set_value(float(getattr(point, name)[i]), skip_validation=True)


def outcome_of(model: Any) -> Outcome:
    values = pyo.ComponentMap(
        (data, data.value)
        for data in model.component_data_objects(pyo.Var)
        if data.value is not None
    )
    return Outcome(Status.OPTIMAL, values=values)
