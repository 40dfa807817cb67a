"""Each constraint and objective by itself, written as an LP file that a reviewer can check.

Two classes: class 0 leaves at theta = 0.5, class 1 never. The files in `lp/` are compared by
meaning: signs, constants and order of terms do not matter.
"""

import inspect
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from gnr.models import constraints, objectives, programs
from gnr.rates import compute_rates
from golden.lp_meaning import parse

FOLDER = Path(__file__).with_name("lp")

RATES = compute_rates(
    batch_slots=4.0,
    chunk_tokens=100.0,
    base=0.5,
    per_chunk_token=0.005,
    decode_only=0.5,
    prompt_price=0.25,
    output_price=1.0,
    prompt_tokens=np.array([100.0, 400.0]),
    output_tokens=np.array([2.0, 8.0]),
    arrival_rate=np.array([3.0, 0.125]),
    patience_rate=np.array([0.5, 0.0]),
)
"""tau = 1 s, kappa = 2; mu_p = (1, 1/4), mu_m = (1/2, 1/8), mu_s = (1, 1/4), w = (27, 108)."""


def public(module: Any) -> dict[str, Any]:
    return {
        name: function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
    }


CONSTRAINTS, OBJECTIVES = public(constraints), public(objectives)


def bare_model() -> Any:
    """Return a model with all sets and variables and nothing else."""
    model = programs.bundled_program(RATES)
    model.unserved_rate = pyo.Var(model.patient_classes, domain=pyo.NonNegativeReals)
    model.gpus = pyo.Var(domain=pyo.NonNegativeReals)
    for component in model.component_objects((pyo.Constraint, pyo.Objective)):
        component.deactivate()
    return model


def with_only(name: str) -> Any:
    model = bare_model()
    if name in OBJECTIVES:
        least = name in ("unserved_arrivals", "fewest_gpus")
        sense = pyo.minimize if least else pyo.maximize
        model.alone = pyo.Objective(rule=OBJECTIVES[name], sense=sense)
        return model
    function = CONSTRAINTS[name]
    if len(inspect.signature(function).parameters) == 1:
        model.alone = pyo.Constraint(rule=function)
    else:
        impatient_only = name in ("decode_flow_limit", "empty_decode_buffer")
        patient_only = name == "served_balance"
        index = model.impatient_classes if impatient_only else model.classes
        model.alone = pyo.Constraint(
            model.patient_classes if patient_only else index, rule=function
        )
    model.nothing = pyo.Objective(expr=0)
    return model


def write(name: str, path: Path) -> None:
    with_only(name).write(str(path), io_options={"symbolic_solver_labels": True})


@pytest.mark.parametrize("name", [*CONSTRAINTS, *OBJECTIVES])
def test_written_form_is_the_golden_one(name: str, tmp_path: Path) -> None:
    write(name, tmp_path / "found.lp")
    golden = FOLDER / f"{name}.lp"
    if os.environ.get("GNR_WRITE_GOLDEN"):  # for a new constraint; then read the file
        write(name, golden)
    assert parse((tmp_path / "found.lp").read_text()) == parse(golden.read_text())


def test_comparison_is_by_meaning_and_sees_every_change() -> None:
    text = (FOLDER / "decode_balance.lp").read_text()
    turned = text.replace("+0.5 decode_queue(0)\n", "").replace(
        "-1 prefill_occupancy(0)", "+0.5 decode_queue(0)\n-1 prefill_occupancy(0)"
    )
    assert parse(turned) == parse(text)
    for old, new in (("-0.25", "+0.25"), ("= 0\n", "<= 0\n"), ("= 0\n", "= 1\n"), ("-1 ", "-2 ")):
        assert old in text
        assert parse(text.replace(old, new, 1)) != parse(text)


def test_every_constraint_and_objective_has_a_golden_file_and_no_file_is_left_over() -> None:
    assert {file.stem for file in FOLDER.glob("*.lp")} == {*CONSTRAINTS, *OBJECTIVES}


@pytest.mark.parametrize("name", [*CONSTRAINTS, *OBJECTIVES])
def test_docstring_is_the_published_form(name: str) -> None:
    text = {**CONSTRAINTS, **OBJECTIVES}[name].__doc__
    assert ".. math::" in text
    assert "per GPU" in text or "money/s" in text, "it tells the unit"
    assert "eq. P" in text or "eqs. P" in text or "elastic program" in text, "it tells its source"


def test_components_bear_the_names_of_their_functions() -> None:
    builders = (
        programs.bundled_program,
        programs.separate_program,
        programs.reduced_program,
        programs.elastic_program,
        programs.fewest_gpus_program,
    )
    used = set()
    for build in builders:
        model = build(RATES)
        programs.require_empty_decode_buffer(model)
        programs.require_disaggregation(model)
        found = {each.local_name for each in model.component_objects(pyo.Constraint)}
        assert found <= set(CONSTRAINTS)
        goals = {each.local_name for each in model.component_objects(pyo.Objective)}
        assert goals <= set(OBJECTIVES)
        used |= found | goals
    assert used == {*CONSTRAINTS, *OBJECTIVES}
