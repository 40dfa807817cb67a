"""Each indicator by itself as an LP file that a reviewer can check, for each of its scopes.

Three classes, of which class 1 never leaves, but for the kinds that need all to leave. Promises
about one class are about class 0. Bounds are 3/4, or the highest that the kind allows. Files are
compared by meaning, as in `golden.test_constraints`.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from gnr import slis
from gnr.instance import Sli
from gnr.models import programs
from gnr.models.point import Program, bundled_weights
from gnr.models.promised_state import build_program, demanded
from gnr.models.promises import Promise
from gnr.rates import compute_rates
from gnr.slis import INDICATORS
from gnr.slis.indicator import Indicator, Scope
from golden.lp_meaning import parse

FOLDER = Path(__file__).with_name("slis")

RATES = compute_rates(
    batch_slots=4.0,
    chunk_tokens=100.0,
    base=0.5,
    per_chunk_token=0.005,
    decode_only=0.5,
    prompt_price=0.25,
    output_price=1.0,
    prompt_tokens=np.array([100.0, 400.0, 200.0]),
    output_tokens=np.array([2.0, 8.0, 4.0]),
    arrival_rate=np.array([3.0, 0.125, 1.0]),
    patience_rate=np.array([0.5, 0.0, 0.25]),
)
"""tau = 1 s, kappa = 2; mu_p = (1, 1/4, 1/2), mu_m = (1/2, 1/8, 1/4), mu_s = (1, 1/4, 1/2)."""

ALL_LEAVE = replace(RATES, patience_rate=np.array([0.5, 1.0, 0.25]))

FAIR_SHARES = (0.5, 1.0, 0.25)

FORMS = [
    (kind, scope, direction)
    for kind, indicator in INDICATORS.items()
    for scope in indicator.scopes
    for direction in indicator.directions
]


def sli_of(indicator: Indicator, scope: str, **how: float) -> Promise:
    """Return a promise or penalty about the cluster or about class 0."""
    rates = ALL_LEAVE if indicator.needs_patience else RATES
    shares = FAIR_SHARES if indicator.needs_fair_shares else ()
    sli = Sli.model_validate({"kind": indicator.kind, **how})
    return Promise(sli, indicator, Scope(rates, 0 if scope == "class" else None, shares))


def hard_form(kind: str, scope: str, direction: str) -> Any:
    """Return a model of the rows that a promise adds to (P40), and nothing else."""
    indicator = INDICATORS[kind]
    promise = sli_of(indicator, scope, **{direction: min(0.75, indicator.highest)})
    rates = promise.scope.rates
    program = demanded(Program(rates, bundled_weights(rates), False), [promise])
    model = build_program(programs.bundled_program, program, [promise])
    for component in model.component_objects((pyo.Constraint, pyo.Objective), descend_into=False):
        if component.local_name != "empty_decode_buffer":
            component.deactivate()
    model.nothing = pyo.Objective(expr=0)
    return model


@pytest.mark.parametrize(("kind", "scope", "direction"), FORMS)
def test_hard_form_is_the_golden_one(kind: str, scope: str, direction: str, tmp_path: Path) -> None:
    assert_golden(hard_form(kind, scope, direction), f"{kind}.{scope}.{direction}", tmp_path)


def assert_golden(model: Any, name: str, folder: Path) -> None:
    golden = FOLDER / f"{name}.lp"
    for file in [folder / "found.lp", *([golden] if os.environ.get("GNR_WRITE_GOLDEN") else [])]:
        model.write(str(file), io_options={"symbolic_solver_labels": True})
    assert parse((folder / "found.lp").read_text()) == parse(golden.read_text())


def test_every_kind_has_a_file_of_its_name_and_no_file_is_left_over() -> None:
    files = {file.stem for file in Path(slis.__file__).parent.glob("*.py")}
    assert files - {"__init__", "affine", "indicator"} == set(INDICATORS)


def test_every_kind_and_scope_has_a_golden_file_and_no_file_is_left_over() -> None:
    expected = {".".join(form) for form in FORMS}
    assert {file.stem for file in FOLDER.glob("*.lp")} == expected


@pytest.mark.parametrize("kind", INDICATORS)
def test_docstring_is_the_published_form(kind: str) -> None:
    text = INDICATORS[kind].form.__doc__ or ""
    assert ".. math::" in text
    assert "Hard" in text
    assert "soft" in text.lower()
    assert "Both sides:" in text, "it tells the unit"
