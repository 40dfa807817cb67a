"""Exact and float must agree: coefficients with Pyomo's, values with the solver's, and the checker,
which builds its own program from the file, must accept every certificate.
"""

import tomllib
from fractions import Fraction
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.repn import generate_standard_repn

from gnr.exact_rates import exact_rates
from gnr.models.certificate import certify, disagreement
from gnr.models.exact_program import OBJECTIVES, exact_program
from gnr.models.programs import require_disaggregation, require_empty_decode_buffer
from gnr.models.steady_state import PROGRAMS, solve
from gnr.proofs.certificate_checker import check, program
from gnr.rates import rates_of
from gnr.reading import build, load, shipped_instances
from random_instances import REGIMES, random_data

DEMANDS = [
    {"empty_decode_buffer": empty, "disaggregated": apart}
    for empty in (False, True)
    for apart in (False, True)
]
VARIABLES = {
    "prefill_occupancy": "prefill",
    "mixed_decode_occupancy": "mixed_decode",
    "solo_decode_occupancy": "solo_decode",
    "prefill_queue": "prefill_queue",
    "decode_queue": "decode_queue",
}


def cases(count: int, seed: int) -> Any:
    """Yield raw instances of all kinds with demands: some patient, alike, or with a free price."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        data = random_data(
            rng,
            regime=REGIMES[k % 3],
            scheme=("bundled", "separate")[k // 3 % 2],
            patient=(0.0, 0.0, 0.4)[k // 6 % 3],
            twins=bool(k // 18 % 2),
            free=(None, None, "output_token", "prompt_token")[k // 36 % 4],
        )
        yield data, DEMANDS[0 if k % 2 else k // 2 % 4]


def accepted(data: dict[str, Any], demands: dict[str, bool]) -> Any:
    """Return the certificate of an instance; it agrees with the solver and the checker takes it."""
    solution = solve(build(data, "random"), **demands)
    certificate = certify(solution)
    assert disagreement(solution, certificate) is None
    assert check(certificate.model_dump(mode="json"), data) == []
    return certificate


@pytest.mark.parametrize("demands", DEMANDS)
@pytest.mark.parametrize("name", shipped_instances())
def test_shipped_instances_are_certified(name: str, demands: dict[str, bool]) -> None:
    accepted(tomllib.loads(shipped_instances()[name].read_text()), demands)


def test_200_random_instances_are_certified() -> None:
    seen = {(each.status, each.unique) for each in (accepted(*case) for case in cases(200, 41))}
    assert seen == {("optimal", True), ("optimal", False), ("infeasible", None)}


@pytest.mark.long
def test_1000_more_random_instances_are_certified() -> None:
    for case in cases(1000, 42):
        accepted(*case)


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["bundled", "separate"])
@pytest.mark.parametrize("patient", [0.0, 0.2, 1.0])
def test_100_classes_are_certified(scheme: str, patient: float) -> None:
    rng = np.random.default_rng(43)
    accepted(random_data(rng, classes=100, scheme=scheme, patient=patient, twins=True), DEMANDS[0])


def exactly_at_the_threshold(scheme: str) -> dict[str, Any]:
    """Return three equal classes with kappa = 0.015/0.016 = 15/16 = (B-1)/B, exactly."""
    like = {"prompt_tokens": 500, "output_tokens": 250, "arrival_rate": 4, "patience_rate": 0.1}
    return {
        "schema_version": 1,
        "name": "threshold",
        "title": "t",
        "source": "tests",
        "gpu": {
            "batch_slots": 16,
            "chunk_tokens": 1000,
            "iteration_time": {"base": 0.005, "per_chunk_token": 1e-5, "decode_only": 0.016},
        },
        "prices": {"scheme": scheme, "prompt_token": 0.1, "output_token": 0.2},
        "classes": [like | {"name": name} for name in ("a", "b", "c")],
    }


@pytest.mark.parametrize("demands", DEMANDS)
@pytest.mark.parametrize("scheme", ["bundled", "separate"])
def test_equal_classes_exactly_at_the_threshold(scheme: str, demands: dict[str, bool]) -> None:
    """(B-1)/B of a mixed slot is a solo slot, so a buffer can be kept at no cost."""
    certificate = accepted(exactly_at_the_threshold(scheme), demands)
    assert certificate.unique is False
    if scheme == "bundled" and demands == DEMANDS[0]:
        moved = {name for direction in certificate.directions for name in direction}
        assert {"decode_queue[a]", "prefill[a]", "mixed_decode[a]"} <= moved


def test_base_instance_has_the_value_of_the_theory() -> None:
    """11.2 with 1/gamma = 20/909 s, which no file can hold; the two vertices as printed there."""
    instance, exact = load("two-class"), Fraction(20, 909)
    certificate = certify(solve(instance), replaced={"decode_only": exact})
    assert certificate.value == "120364470720/404310343"
    data = tomllib.loads(shipped_instances()["two-class"].read_text())
    assert check(certificate.model_dump(mode="json"), data), "the file says 0.022002200220022"
    data["gpu"]["iteration_time"]["decode_only"] = exact
    assert check(certificate.model_dump(mode="json"), data) == []
    (direction,) = certificate.directions
    start = {name: float(Fraction(text)) for name, text in certificate.primal.items()}
    end = {name: start[name] + float(Fraction(direction.get(name, "0"))) for name in start}
    vertices = [
        tuple(round(point[f"{place}[{name}]"], 8) for name in ("decode-heavy", "prefill-heavy"))
        for point in (start, end)
        for place in ("mixed_decode", "solo_decode")
    ]
    assert vertices == [
        (0, 3.19817170), (10.30307264, 2.28554422), (3.19817170, 0), (8.18817681, 4.40044004),
    ]  # fmt: skip


def test_separate_base_instance_has_the_value_of_the_theory() -> None:
    """11.3: 298.58655675 is exact with 1/gamma = 20/909 s, and 297.703 with an empty buffer."""
    instance, exact = load("two-class-separate"), {"decode_only": Fraction(20, 909)}
    assert certify(solve(instance), replaced=exact).value == str(Fraction("298.58655675"))
    empty = certify(solve(instance, empty_decode_buffer=True), replaced=exact)
    assert empty.value == "120364470720/404310343"


@pytest.mark.parametrize("demands", DEMANDS)
def test_coefficients_are_those_of_the_pyomo_programs(demands: dict[str, bool]) -> None:
    for data, _ in cases(60, 44):
        instance = build(data, "random")
        names, exact = [each.name for each in instance.classes], exact_rates(instance)
        scheme = instance.prices.scheme
        found = exact_program(exact, names, OBJECTIVES[scheme](exact, names), **demands)
        model = PROGRAMS[scheme][0](rates_of(instance))
        if demands["empty_decode_buffer"]:
            require_empty_decode_buffer(model)
        if demands["disaggregated"]:
            require_disaggregation(model)
        objective, rows = pyomo_program(model, names)
        assert nonzero(found.objective) == pytest.approx(objective, rel=1e-12)
        assert set(found.rows) == set(rows)
        for name, row in found.rows.items():
            coefficients, sense, bound = rows[name]
            assert nonzero(row.coefficients) == pytest.approx(coefficients, rel=1e-12)
            assert (row.sense, float(row.bound)) == (sense, pytest.approx(bound, rel=1e-12))


@pytest.mark.parametrize("demands", DEMANDS)
def test_coefficients_are_exactly_those_of_the_checker(demands: dict[str, bool]) -> None:
    for data, _ in cases(40, 45):
        instance = build(data, "random")
        names, rates = [each.name for each in instance.classes], exact_rates(instance)
        found = exact_program(
            rates, names, OBJECTIVES[instance.prices.scheme](rates, names), **demands
        )
        objective, rows = program(data, *demands.values())
        assert set(found.variables) == set(objective)
        assert nonzero(found.objective) == nonzero(objective)
        assert {
            name: (nonzero(row.coefficients), row.sense == "<=", float(row.bound))
            for name, row in found.rows.items()
        } == {
            name: (nonzero(row), loose, float(bound)) for name, (row, loose, bound) in rows.items()
        }


def nonzero(coefficients: Any) -> dict[str, float]:
    return {name: float(value) for name, value in coefficients.items() if value}


def pyomo_program(model: Any, names: list[str]) -> tuple[dict[str, float], dict[str, Any]]:
    """Return objective and rows of a Pyomo model; variables that a row fixes at 0 are dropped."""
    fixed = {
        id(expression.linear_vars[0])
        for component in ("empty_decode_buffer", "disaggregation")
        if hasattr(model, component)
        for row in getattr(model, component).values()
        for expression in [generate_standard_repn(row.body)]
    }

    def read(expression: Any) -> tuple[dict[str, float], float]:
        linear = generate_standard_repn(expression)
        pairs = zip(linear.linear_vars, linear.linear_coefs, strict=True)
        kept = {
            f"{VARIABLES[variable.parent_component().name]}[{names[variable.index()]}]": value
            for variable, value in pairs
            if value and id(variable) not in fixed
        }
        return kept, float(linear.constant)

    (goal,) = model.component_objects(pyo.Objective)
    rows = {}
    for component in model.component_objects(pyo.Constraint):
        if component.name in ("empty_decode_buffer", "disaggregation"):
            continue
        for index, row in component.items():
            name = component.name if index is None else f"{component.name}[{names[index]}]"
            coefficients, constant = read(row.body)
            sense = "=" if row.equality else "<="
            rows[name] = coefficients, sense, pyo.value(row.upper) - constant
    return read(goal.expr)[0], rows
