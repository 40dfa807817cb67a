"""Each indicator by itself as an LP file that a reviewer can check, for each of its scopes.

Three classes, of which class 1 never leaves, but for the kinds that need all to leave. Promises
about one class are about class 0. Bounds are 3/4, or the highest that the kind allows; penalties
weigh 2. A penalty that is not linear shows how it is held from below: in a box, and by a tangent if
it is convex. Files are compared by meaning, as in `golden.test_constraints`.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.common.collections import ComponentMap

from gnr import slis
from gnr.instance import Sli
from gnr.models import programs
from gnr.models.penalties import Box, curved_penalties
from gnr.models.point import Program, bundled_weights
from gnr.models.promised_state import build_program, demanded
from gnr.models.promises import Promise
from gnr.models.solver import Outcome, Status
from gnr.rates import Rates, compute_rates
from gnr.slis import INDICATORS
from gnr.slis.indicator import Scope
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

WEIGHT = 2.0

SOMEWHERE = {
    "prefill_occupancy": (0.5, 1.0, 0.5),
    "mixed_decode_occupancy": (1.0, 0.0, 1.0),
    "solo_decode_occupancy": (0.0, 1.0, 0.0),
    "prefill_queue": (1.0, 1.0, 1.0),
    "decode_queue": (1.0, 1.0, 1.0),
}
"""Where a penalty that is convex gets its tangent; all denominators are powers of two there."""

BOX = Box(least=0.25, most=0.75, narrowest=0.5, widest=2.0)
"""Of indicators and denominators, for penalties that are not linear."""

FORMS = [
    (kind, scope, how)
    for kind, indicator in INDICATORS.items()
    for scope in indicator.scopes
    for how in (*indicator.directions, "penalty_weight")
]


def written_form(kind: str, scope: str, how: str) -> Any:
    """Return a model of what one SLI adds to (P40), and nothing else."""
    indicator = INDICATORS[kind]
    number = WEIGHT if how == "penalty_weight" else min(0.75, indicator.highest)
    rates = ALL_LEAVE if indicator.needs_patience else RATES
    shares = FAIR_SHARES if indicator.needs_fair_shares else ()
    sli = Sli.model_validate({"kind": kind, how: number})
    promise = Promise(sli, indicator, Scope(rates, 0 if scope == "class" else None, shares))
    program = demanded(Program(rates, bundled_weights(rates), False), [promise])
    model = build_program(without_revenue, program, [promise])
    for component in model.component_objects(pyo.Constraint, descend_into=False):
        if component.local_name != "empty_decode_buffer":
            component.deactivate()
    for penalty in curved_penalties(model, [promise]):
        penalty.confine(BOX)
        if penalty.convex:
            penalty.cut(somewhere(model))
    return model


def without_revenue(rates: Rates) -> Any:
    model = programs.bundled_program(rates)
    model.bundled_revenue.set_value(0.0)
    return model


def somewhere(model: Any) -> Outcome:
    values: Any = ComponentMap()
    for name, numbers in SOMEWHERE.items():
        for i, data in getattr(model, name).items():
            values[data] = numbers[i]
    return Outcome(Status.OPTIMAL, values=values)


@pytest.mark.parametrize(("kind", "scope", "how"), FORMS)
def test_written_form_is_the_golden_one(kind: str, scope: str, how: str, tmp_path: Path) -> None:
    model, golden = written_form(kind, scope, how), FOLDER / f"{kind}.{scope}.{how}.lp"
    found = tmp_path / "found.lp"
    for file in (found, golden) if os.environ.get("GNR_WRITE_GOLDEN") else (found,):
        model.write(str(file), io_options={"symbolic_solver_labels": True})
    assert parse(found.read_text()) == parse(golden.read_text())


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
