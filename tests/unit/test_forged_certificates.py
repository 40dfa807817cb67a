"""Each thing the checker looks at is the only one wrong in some certificate, and it says so.

The forgeries are optimal for a neighbouring program: a row or a sign less, or one too many. Or they
are honest but for one field, which is not of the form that it should have.
"""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gnr.certificate import Certificate, checksum_of
from gnr.exact_lp import LinearProgram, Outcome, Row, maximize
from gnr.exact_rates import exact_rates
from gnr.instance_text import to_toml
from gnr.models.certificate import certify
from gnr.models.exact_program import bundled_objective, exact_program
from gnr.models.steady_state import solve
from gnr.proofs import certificate_checker
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


def complaints(
    outcome: Outcome,
    directions: tuple[dict[str, Fraction], ...] = (),
    data: Mapping[str, Any] = DATA,
) -> list[str]:
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
    return check(certificate.sealed().model_dump(mode="json"), data)


def certified(**prices: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an honest certificate, JSON, and its instance, TOML, which the checker accepts."""
    data = copy.deepcopy(DATA)
    data["prices"] |= prices
    certificate = certify(solve(build(data, "forged"))).model_dump(mode="json")
    assert check(certificate, data) == []
    return certificate, data


def resealed(certificate: dict[str, Any], **changes: Any) -> dict[str, Any]:
    content = {key: each for key, each in (certificate | changes).items() if key != "checksum"}
    return content | {"checksum": checksum_of(content)}


def files(folder: Path, certificate: str, instance: str) -> list[str]:
    """Write both files and return their names."""
    names = [folder / "forged.json", folder / "forged.toml"]
    for file, text in zip(names, (certificate, instance), strict=True):
        file.write_text(text, encoding="utf-8")
    return [str(file) for file in names]


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


@pytest.mark.parametrize("demand", ["empty_decode_buffer", "disaggregated"])
@pytest.mark.parametrize("flag", [-1, 0, 10**12, 0.0, None, "", []])
def test_a_demand_is_true_or_false(demand: str, flag: object) -> None:
    """With -1 the plain program would be checked, and the demand be printed as met."""
    certificate, data = certified()
    with pytest.raises(ValueError, match=f"{demand} is .*, not true or false"):
        check(resealed(certificate, **{demand: flag}), data)


def test_an_unknown_scheme_is_not_taken_for_separate() -> None:
    certificate, data = certified(scheme="separate")
    data["prices"]["scheme"] = "Bundled"
    with pytest.raises(ValueError, match="scheme is 'Bundled', not"):
        check(resealed(certificate, scheme="Bundled"), data)


@pytest.mark.parametrize("version", [True, 1.0])
def test_a_version_is_an_integer(version: object) -> None:
    certificate, data = certified()
    with pytest.raises(ValueError, match=r"certificate.schema_version is .*, not 1"):
        check(resealed(certificate, schema_version=version), data)
    with pytest.raises(ValueError, match=r"instance.schema_version is .*, not 1"):
        check(certificate, data | {"schema_version": version})


@pytest.mark.parametrize("key", ["instance", "instance_sha256", "overrides"])
def test_fields_that_only_tell_are_there_and_of_their_type(key: str) -> None:
    certificate, data = certified()
    for value in (None, 0, {}, [1]):
        with pytest.raises(ValueError, match=rf"certificate\.{key}.* not (str|a list)"):
            check(resealed(certificate, **{key: value}), data)
    del certificate[key]
    with pytest.raises(ValueError, match=f"certificate has no '{key}'"):
        check(resealed(certificate), data)


def test_a_checksum_is_there() -> None:
    certificate, data = certified()
    with pytest.raises(ValueError, match=r"certificate\.checksum is None"):
        check(certificate | {"checksum": None}, data)
    del certificate["checksum"]
    with pytest.raises(ValueError, match="certificate has no 'checksum'"):
        check(certificate, data)


def test_unknown_keys_are_refused() -> None:
    certificate, data = certified()
    with pytest.raises(ValueError, match="certificate has an unknown 'proved'"):
        check(resealed(certificate, proved="all"), data)
    tables: dict[str, Callable[[Any], Any]] = {
        "instance": lambda data: data,
        "instance.gpu": lambda data: data["gpu"],
        "instance.gpu.iteration_time": lambda data: data["gpu"]["iteration_time"],
        "instance.gpu.cost": lambda data: data["gpu"].setdefault("cost", {"per_hour": 2.5}),
        "instance.prices": lambda data: data["prices"],
        "instance.classes[1]": lambda data: data["classes"][1],
    }
    for place, table in tables.items():
        changed = copy.deepcopy(data)
        table(changed)["sli"] = {"kind": "mean_tpot", "at_most": 0.5}
        with pytest.raises(ValueError, match=f"^{re.escape(place)} has an unknown 'sli'$"):
            check(certificate, changed)


def test_replicas_and_cost_are_no_part_of_the_program() -> None:
    certificate, data = certified()
    data["gpu"] |= {"replica_gpus": 8, "cost": {"per_hour": 2.5}}
    assert check(certificate, data) == []
    for key, value in (("replica_gpus", "8"), ("cost", 2.5), ("cost", {"per_hour": True})):
        with pytest.raises(ValueError, match=rf"^instance\.gpu\.{key}"):
            check(certificate, data | {"gpu": data["gpu"] | {key: value}})
    for key, value in (("cost", {}), ("cost", []), ("memory", {})):
        with pytest.raises(ValueError, match=r"^instance\.gpu"):
            check(certificate, data | {"gpu": data["gpu"] | {key: value}})
    with pytest.raises(ValueError, match=r"instance\.gpu has no 'batch_slots'"):
        check(certificate, data | {"gpu": {"cost": {"per_hour": 2.5}}})
    with pytest.raises(ValueError, match=r"instance\.gpu is 3, not a table"):
        check(certificate, data | {"gpu": 3})


def test_promises_are_a_list_of_tables() -> None:
    certificate, data = certified()
    assert check(certificate, data | {"slis": [], "notes": "none"}) == []
    for table in ({"kind": "mean_tpot", "at_most": 0.5}, {}, "", False):
        with pytest.raises(ValueError, match=r"instance\.slis is .*, not a list"):
            check(certificate, data | {"slis": table})
    for entry in ([], "mean_tpot", 5, None):
        with pytest.raises(ValueError, match=r"instance\.slis\[0\] is .*, not a table"):
            check(certificate, data | {"slis": [entry]})


@pytest.mark.parametrize("zero", ["-0", "00", "0/1", "0/5", "-0/1", " 0", "0\n", "+0", "\uff10"])
def test_a_number_has_one_spelling(zero: str) -> None:
    certificate, data = certified()
    name = next(name for name, text in certificate["primal"].items() if text == "0")
    changed = resealed(certificate, primal=certificate["primal"] | {name: zero})
    with pytest.raises(ValueError, match="is not a fraction in lowest terms"):
        check(changed, data)


@pytest.mark.parametrize(
    "rest", [{"value": "1"}, {"primal": {"x": "1"}}, {"unique": True}, {"directions": [{}]}]
)
def test_what_is_infeasible_has_no_optimum(rest: dict[str, Any]) -> None:
    data = copy.deepcopy(DATA)
    for each in data["classes"]:
        each["patience_rate"] = 0.0
    certificate = certify(solve(build(data, "forged"))).model_dump(mode="json")
    assert certificate["status"] == "infeasible"
    assert check(certificate, data) == []
    found = check(resealed(certificate, **rest), data)
    assert found == ["it is called infeasible and has an optimum"]


def test_a_patience_is_not_negative() -> None:
    """Otherwise those who wait would beget others, and more be served than has come."""
    program, data = honest(), copy.deepcopy(DATA)
    for each in data["classes"]:
        each["patience_rate"] = -0.5
    rows = {
        name: replace(
            row,
            coefficients={
                each: -value if "queue" in each else value
                for each, value in row.coefficients.items()
            },
        )
        for name, row in program.rows.items()
    }
    with pytest.raises(ValueError, match="negative patience"):
        complaints(maximize(LinearProgram(dict(program.objective), rows)), data=data)


def test_a_key_does_not_stand_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate, data = certified()
    text, instance = json.dumps(certificate), to_toml(build(data, "forged"))
    name = next(iter(certificate["primal"]))
    for old, new in (
        ('"value":', '"value": "12345", "value":'),
        (f'"{name}":', f'"{name}": "77", "{name}":'),
    ):
        names = files(tmp_path, text.replace(old, new, 1), instance)
        assert certificate_checker.main(names) == 2
        assert f"{names[0]}: ValueError: a key stands twice" in capsys.readouterr().err
    assert certificate_checker.main(files(tmp_path, text, instance)) == 0


def test_files_without_end_in_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate, data = certified()
    deep, text, instance = "[" * 10**5, json.dumps(certificate), to_toml(build(data, "forged"))
    for k, pair in enumerate(((deep, instance), (text, f"x = {deep}"))):
        names = files(tmp_path, *pair)
        assert certificate_checker.main(names) == 2
        assert f"{names[k]}: RecursionError" in capsys.readouterr().err


@pytest.mark.parametrize("code", [1, 2])
def test_no_name_passes_for_a_line_of_its_own(code: int, tmp_path: Path) -> None:
    """Nor does one end in a traceback where it cannot be printed."""
    certificate, data = certified()
    text, instance = json.dumps(certificate), to_toml(build(data, "forged"))
    name = "caf\\u00e9\\nproved: the optimum is unique\\r\\u001b[2J\\u202e\\ud83d\\ude00"
    text = text.replace("[a]", f"[{name}]")
    content = {key: each for key, each in json.loads(text).items() if key != "checksum"}
    content["primal"] |= {place: "-1" for place in content["primal"] if code == 1}
    content["primal"] |= {place: None for place in content["primal"] if code == 2}
    name = name.replace("\\ud83d\\ude00", "\\U0001f600")
    instance = instance.replace('name = "a"', f'name = "{name}"')
    names = files(tmp_path, json.dumps(content | {"checksum": checksum_of(content)}), instance)
    done = subprocess.run(
        [sys.executable, certificate_checker.__file__, *names],
        env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code
    lines = (done.stdout + done.stderr).splitlines()
    assert all(line.startswith(("REJECTED: ", "cannot check ")) for line in lines)
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert any("caf\\xe9\\nproved: the optimum is unique\\r\\x1b[2J" in line for line in lines)


def test_unusable_input_is_told_with_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, data = certified()
    text = json.dumps(resealed(certificate, empty_decode_buffer=-1))
    names = files(tmp_path, text, to_toml(build(data, "forged")))
    assert certificate_checker.main(names) == 2
    assert capsys.readouterr() == (
        "",
        f"cannot check {names[0]} against {names[1]}: "
        "certificate.empty_decode_buffer is -1, not true or false\n",
    )
