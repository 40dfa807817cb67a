"""`gnr solve --gpus n` names the policy to run: in JSON, in the summary, and fast."""

import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

from gnr.cli.app import run
from gnr.schemas import read_schema

TWO = ("solve", "two-class", "--gpus")


def solved(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, read_schema("solve"))
    return document


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the summary as one line."""
    assert run(arguments) == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_plan_says_which_policy_to_run_and_by_which_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = solved(capsys, *TWO, "500")["plan"]["recommendation"]
    assert found["policy"] in ("price-index-fill", "price-index-in-place")
    assert found["kind"] == "mostly_solo"
    assert found["measured_gpus"] == 500
    assert found["source"].startswith("recommendation-")
    expected = found["expected"]
    assert expected["policy"] == found["policy"]
    assert sum(expected["terms"].values()) == pytest.approx(expected["gap"]["mean"], abs=5e-6)


def test_the_summary_names_the_policy_in_one_paragraph(capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, *TWO, "500")
    assert "Policy to run: price-index-" in shown
    assert "random instances of this kind (overload, most GPUs only decode) at 500 GPUs" in shown
    assert "named by its revenue" in shown
    assert "Policy to run" not in told(capsys, "solve", "two-class")


def test_beyond_the_runs_it_is_undecided_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    found = solved(capsys, *TWO, "20000")["plan"]["recommendation"]
    assert found["clear"] == "undecided"
    assert found["extrapolated"] == ["20,000 GPUs, only 5 to 500"]
    shown = told(capsys, *TWO, "20000")
    assert "whether it is best is undecided" in shown
    assert "Not simulated: 20,000 GPUs, only 5 to 500." in shown


def test_a_disaggregated_plan_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert solved(capsys, *TWO, "500", "--disaggregated")["plan"]["recommendation"] is None


def test_several_promises_at_once_are_undecided(capsys: pytest.CaptureFixture[str]) -> None:
    found = solved(capsys, "solve", "two-class-promises", "--gpus", "100")["plan"]["recommendation"]
    assert found["clear"] == "undecided"
    assert "several promises at once" in found["extrapolated"]


def test_recommending_compiles_and_simulates_nothing() -> None:
    script = (
        "import sys; from gnr.cli.app import run;"
        "code = run(['solve', 'two-class', '--gpus', '9']);"
        "sys.exit(code or 'numba' in sys.modules or 'gnr.validation.policies' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == 0
