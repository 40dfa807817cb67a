"""Each thing the checker looks at is the only one wrong in some certificate, and it says so.

The forgeries are optimal for a neighbouring program: a row or a sign less, or one too many.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from gnr.certificate import Certificate
from gnr.exact_lp import LinearProgram, Outcome, Row, maximize
from gnr.exact_rates import exact_rates
from gnr.models.exact_program import bundled_objective, exact_program
from gnr.proofs.certificate_checker import check
from gnr.reading import build

NAMES = ("a", "b")
DATA: dict[str, Any] = {
    "schema_version": 1,
    "name": "forged",
    "title": "tau = 1 s, kappa = 2",
    "source": "tests",
    "gpu": {
        "batch_slots": 2,
        "chunk_tokens": 100,
        "iteration_time": {"base": 0.5, "per_chunk_token": 0.005, "decode_only": 0.5},
    },
    "prices": {"scheme": "bundled", "prompt_token": 0.25, "output_token": 1.0},
    "classes": [
        {
            "name": name,
            "prompt_tokens": prompt,
            "output_tokens": output,
            "arrival_rate": rate,
            "patience_rate": 0.5,
        }
        for name, prompt, output, rate in (("a", 100, 2, 3.0), ("b", 50, 3, 0.1))
    ],
}


def honest() -> LinearProgram:
    rates = exact_rates(build(DATA, "forged"))
    return exact_program(rates, NAMES, bundled_objective(rates, NAMES))


def without(coefficients: Mapping[str, Fraction], name: str) -> dict[str, Fraction]:
    return {each: value for each, value in coefficients.items() if each != name}


def texts(numbers: Mapping[str, Fraction]) -> dict[str, str]:
    return {name: str(value) for name, value in numbers.items()}


def complaints(outcome: Outcome, directions: tuple[dict[str, Fraction], ...] = ()) -> list[str]:
    """Return what the checker says of an outcome sold as the optimum of the honest program."""
    program, optimal = honest(), outcome.status == "optimal"
    primal = dict.fromkeys(program.variables, Fraction(0)) | outcome.primal
    dual = dict.fromkeys(program.rows, Fraction(0)) | outcome.dual
    certificate = Certificate(
        instance="forged",
        instance_sha256="",
        overrides=(),
        status="optimal" if optimal else "infeasible",
        scheme="bundled",
        empty_decode_buffer=False,
        disaggregated=False,
        value=str(outcome.value) if optimal else None,
        primal=texts(primal) if optimal else {},
        dual=texts(dual),
        unique=not directions if optimal else None,
        directions=tuple(texts(each) for each in directions),
    )
    return check(certificate.sealed().model_dump(mode="json"), DATA)


def test_honest_certificate_is_accepted() -> None:
    assert complaints(maximize(honest())) == []


def test_a_row_left_out_makes_the_point_violate_it() -> None:
    program = honest()
    for name in ("solo_decode_capacity", "mixed_decode_capacity"):
        rows = {each: row for each, row in program.rows.items() if each != name}
        assert complaints(maximize(replace(program, rows=rows))) == [f"the point violates {name}"]


def test_an_equation_made_an_inequality_is_violated_from_below() -> None:
    """Requests of class a that are neither served nor wait are gone."""
    program = honest()
    row = program.rows["prefill_balance[a]"]
    looser = program.rows | {"prefill_balance[a]": replace(row, sense="<=")}
    lacking = maximize(LinearProgram(dict(program.objective), looser))
    point = lacking.primal | {"prefill_queue[a]": Fraction(0)}
    assert complaints(replace(lacking, primal=point)) == ["the point violates prefill_balance[a]"]


def test_a_row_made_an_equation_has_a_negative_multiplier() -> None:
    program = honest()
    row = program.rows["prefill_capacity"]
    tight = program.rows | {"prefill_capacity": replace(row, sense="=")}
    forged = maximize(LinearProgram(dict(program.objective), tight))
    assert complaints(forged) == ["prefill_capacity has a negative multiplier"]


def test_a_variable_left_out_earns_more_than_it_costs() -> None:
    program, name = honest(), "solo_decode[a]"
    smaller = LinearProgram(
        without(program.objective, name),
        {
            each: replace(row, coefficients=without(row.coefficients, name))
            for each, row in program.rows.items()
        },
    )
    assert complaints(maximize(smaller)) == [f"{name} earns more than it costs"]


def test_a_variable_allowed_below_0_is_negative() -> None:
    """Less than nothing waits to decode of class a: more of it is decoded than was prefilled."""
    program, name = honest(), "decode_queue[a]"
    rows = {
        each: replace(
            row,
            coefficients=dict(row.coefficients)
            | ({"below": -row.coefficients[name]} if name in row.coefficients else {}),
        )
        for each, row in program.rows.items()
    }
    found = maximize(LinearProgram(dict(program.objective), rows))
    primal = dict(found.primal)
    primal[name] -= primal.pop("below")
    assert complaints(replace(found, primal=primal)) == [f"the point is negative at {name}"]


def test_a_worse_point_does_not_have_the_value() -> None:
    program = honest()
    best, worst = maximize(program), maximize(replace(program, objective={}))
    assert best.value != 0
    assert complaints(replace(best, primal=worst.primal)) == ["the point does not have the value"]


def test_multipliers_of_a_larger_bound_do_not_have_the_value() -> None:
    best = maximize(honest())
    dearer = best.dual | {"prefill_capacity": best.dual["prefill_capacity"] + 1}
    assert complaints(replace(best, dual=dearer)) == ["the multipliers do not have the value"]


def test_farkas_multipliers_must_combine_to_a_contradiction() -> None:
    minus, plus = {"prefill_balance[b]": Fraction(-1)}, {"prefill_balance[b]": Fraction(1)}
    assert complaints(Outcome("infeasible", dual=minus)) == [
        "the combined row is negative at prefill[b]",
        "the combined row is negative at prefill_queue[b]",
    ]
    assert complaints(Outcome("infeasible", dual=plus)) == [
        "the combined row has no negative bound"
    ]
    impossible = {"prefill_capacity": Fraction(-1)}
    assert "prefill_capacity has a negative multiplier" in complaints(
        Outcome("infeasible", dual=impossible)
    )


def test_a_direction_that_leads_nowhere_or_out_is_refused() -> None:
    best = maximize(honest())
    still = {name: Fraction(0) for name in best.primal}
    assert complaints(best, (still,)) == [
        "the directions are not proved to be independent and all there are"
    ]
    assert complaints(best, ({"prefill[a]": Fraction(1, 100)},)) == [
        f"direction 1: the end violates {row}"
        for row in ("prefill_balance[a]", "decode_balance[a]", "solo_decode_capacity")
    ]
    assert complaints(best, ({"prefill[nobody]": Fraction(1)},)) == [
        "direction 1: the end does not have the variables of this instance"
    ]


def test_rows_of_this_program_are_expected() -> None:
    program = LinearProgram({"x": Fraction(1)}, {"r": Row({"x": Fraction(1)}, "<=", Fraction(1))})
    assert complaints(maximize(program)) == [
        "the multipliers are not those of the rows of this instance"
    ]
