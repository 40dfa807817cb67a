"""``gnr solve --certify`` as a user runs it, and the checker on what it writes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gnr.cli.app import run
from gnr.models import steady_state
from gnr.reading import shipped_instances
from gnr.schemas import read_schema
from packaging_tools import ROOT

CHECKER = ROOT / "proofs" / "certificate_checker.py"
OVERLOAD = ("--set", "classes.0.patience_rate=0", "--set", "classes.0.arrival_rate=50")


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def verdict(certificate: Path, instance: Path) -> int:
    command = [sys.executable, "-I", CHECKER, certificate, instance]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_table_has_the_fraction_and_the_directions(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = gnr(capsys, "solve", "two-class", "--certify")
    assert (code, err) == (0, "")
    assert "exactly 1694901237861386048/5693258955335533." in out
    assert "not unique: it can move in this direction" in out
    assert "3.198 more decoding mixed" in out


def test_json_has_the_certificate_and_none_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = gnr(capsys, "solve", "two-class", "--certify", "--json")
    document = json.loads(out)
    assert code == 0
    jsonschema.validate(document, read_schema("solve"))
    jsonschema.validate(document["certificate"], read_schema("certificate"))
    assert document["certificate"]["value"] == "1694901237861386048/5693258955335533"
    assert json.loads(gnr(capsys, "solve", "two-class", "--json")[1])["certificate"] is None


def test_written_certificates_stand_up_to_the_checker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = list(shipped_instances())
    code, out, _ = gnr(capsys, "solve", *names, "--certify", "--out", str(tmp_path))
    assert code == 0
    for name in names:
        assert f"{name}: Certified" in out
        certificate = tmp_path / f"{name}.certificate.json"
        shipped = tmp_path / "shipped.toml"
        shipped.write_text(shipped_instances()[name].read_text())
        assert verdict(certificate, shipped) == 0
        assert verdict(certificate, tmp_path / f"{name}.instance.toml") == 0
    assert verdict(tmp_path / "two-class.certificate.json", shipped) == 1
    text = (tmp_path / "two-class.certificate.json").read_text()
    altered = tmp_path / "altered.json"
    altered.write_text(text.replace("1694901237861386048", "1694901237861386049"))
    assert verdict(altered, tmp_path / "two-class.instance.toml") == 1


def test_overrides_are_recorded_and_written_into_the_instance_beside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = "gpu.batch_slots=32"
    wanted = ("solve", "two-class", "--certify", "--disaggregated", "--set", change)
    assert gnr(capsys, *wanted, "--out", str(tmp_path))[0] == 0
    certificate = tmp_path / "two-class.certificate.json"
    assert json.loads(certificate.read_text())["overrides"] == [change]
    assert verdict(certificate, tmp_path / "two-class.instance.toml") == 0
    shipped = tmp_path / "shipped.toml"
    shipped.write_text(shipped_instances()["two-class"].read_text())
    assert verdict(certificate, shipped) == 1


def test_infeasible_is_certified_and_still_a_negative(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ("solve", "two-class", "--certify", *OVERLOAD)
    code, out, _ = gnr(capsys, *wanted, "--out", str(tmp_path))
    assert code == 1
    assert "Certified, and checked independently: nothing is feasible." in out
    files = (tmp_path / f"two-class.{end}" for end in ("certificate.json", "instance.toml"))
    assert verdict(*files) == 0
    code, out, _ = gnr(capsys, *wanted, "--json")
    assert (code, json.loads(out)["certificate"]["status"]) == (1, "infeasible")


def test_wrong_value_of_the_solver_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = steady_state.solve

    def wrong(*arguments: Any, **options: Any) -> Any:
        solution = right(*arguments, **options)
        return solution.model_copy(update={"revenue_rate": solution.revenue_rate * 1.000001})

    monkeypatch.setattr(steady_state, "solve", wrong)
    code, out, err = gnr(capsys, "solve", "two-class", "--certify")
    assert code == 3
    assert "is not the exact one" in err
    assert "1694901237861386048/5693258955335533" in out


def test_promises_are_certified_and_penalties_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.toml"
    shipped = shipped_instances()["two-class"].read_text()
    file.write_text(shipped + '\n[[slis]]\nkind = "mean_tpot"\nat_most = 0.0225\n')
    code, out, err = gnr(capsys, "solve", str(file), "--certify", "--out", str(tmp_path / "made"))
    assert code == 0, err
    assert "Certified, and checked independently" in out
    certificate = tmp_path / "made" / "two-class.certificate.json"
    assert verdict(certificate, file) == 0
    assert verdict(certificate, tmp_path / "made" / "two-class.instance.toml") == 0
    file.write_text(file.read_text().replace("0.0225", "0.0226"))
    assert verdict(certificate, file) == 1
