"""Certificates under promises: exact and float agree, and the checker, which writes the rows of all
kinds anew from their definitions, has the same rows and accepts every one.
"""

from typing import Any

import numpy as np
import pytest
from random_promises import KINDS, random_promises

from gnr.exact_rates import exact_rates
from gnr.models.certificate import certify, disagreement
from gnr.models.exact_promises import promised_program
from gnr.models.steady_state import solve
from gnr.proofs.certificate_checker import DIRECTIONS, check, program
from gnr.reading import build
from gnr.slis import INDICATORS
from random_instances import random_data


def accepted(data: dict[str, Any], demands: dict[str, bool]) -> Any:
    """Return the certificate of an instance; it agrees with the solver and the checker takes it."""
    solution = solve(build(data, "random"), **demands)
    certificate = certify(solution)
    assert disagreement(solution, certificate) is None, data["slis"]
    assert check(certificate.model_dump(mode="json"), data) == [], data["slis"]
    return certificate


def test_instances_with_promises_of_all_kinds_are_certified() -> None:
    found = [
        accepted(*case) for case in (*random_promises(18, 51), *random_promises(12, 52, promises=3))
    ]
    assert {(each.status, each.unique) for each in found} == {
        ("optimal", True), ("optimal", False), ("infeasible", None),
    }  # fmt: skip
    binding = [
        name
        for each in found
        for name, multiplier in each.dual.items()
        if each.status == "optimal" and name.startswith("promise[") and multiplier != "0"
    ]
    assert len(binding) > 5


@pytest.mark.long
def test_200_more_instances_with_promises_are_certified() -> None:
    for case in (*random_promises(130, 53), *random_promises(70, 54, promises=3)):
        accepted(*case)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_promises_are_exactly_those_of_the_checker(kind: str) -> None:
    """In every scope and direction; classes that never leave have no queues in them."""
    indicator, rng = INDICATORS[kind], np.random.default_rng(55)
    for scheme, patient in (("bundled", 0.0), ("separate", 0.5)):
        data = random_data(rng, classes=3, scheme=scheme, patient=patient)
        if indicator.needs_patience:
            for each in data["classes"]:
                each["patience_rate"] = each["patience_rate"] or 0.1
        for direction in indicator.directions:
            for owner in indicator.scopes:
                bound = min(float(rng.uniform(0.01, 0.9)), indicator.highest)
                entry = {"kind": kind, direction: bound}
                if owner == "class":
                    entry["class"] = "class-1"
                for demands in ((False, False), (True, True)):
                    same_program(data | {"slis": [entry]}, *demands)


def same_program(data: dict[str, Any], empty: bool, disaggregated: bool) -> None:
    instance = build(data, "random")
    demands = {"empty_decode_buffer": empty, "disaggregated": disaggregated}
    found = promised_program(instance, exact_rates(instance), **demands)
    empty = not any(name.startswith("decode_queue") for name in found.variables)
    objective, rows = program(data, empty, disaggregated)
    assert set(found.variables) == set(objective)
    assert {name: (dict(row.coefficients), row.sense == "<=", row.bound)
            for name, row in found.rows.items()} == rows  # fmt: skip


def test_checker_knows_the_directions_of_every_kind() -> None:
    for kind in KINDS:
        assert set(DIRECTIONS[kind]) == set(INDICATORS[kind].directions), kind
