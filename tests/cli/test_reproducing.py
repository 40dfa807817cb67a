"""``gnr reproduce``: the report agrees with its numbers, and an end from outside loses little."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from verdicts import check_verdicts

from gnr.cli.app import run

ROOT = Path(__file__).parents[2]

FAILING = {
    "figure4": "converged-at-500",
    "figure7": "only-gate-and-route-on-the-base-instance",
    "figure8": "decode-fairness-is-nearly-flat-throughout",
    "figure10": "one-best-price-ratio",
}
"""Claims of the paper that fail: convergence speed, ablations, decode fairness, price ratio."""


def reproduced(folder: Path, *experiments: str) -> subprocess.Popen[str]:
    arguments = ["reproduce", *experiments, "--quick", "--json", "--out", str(folder)]
    return subprocess.Popen(
        [sys.executable, "-m", "gnr", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduction")


@pytest.fixture(scope="module")
def document(folder: Path) -> Any:
    process = reproduced(folder, "all")
    out, err = process.communicate(timeout=1500)
    assert process.returncode in (0, 3), err
    assert "Traceback" not in err
    assert json.loads(out) == json.loads((folder / "reproduction.json").read_text())
    return json.loads(out)


@pytest.mark.long
def test_verdicts_are_those_of_the_stored_numbers_and_the_committed_bounds(document: Any) -> None:
    check_verdicts(document)


@pytest.mark.long
def test_all_verdicts_hold_together_with_95_percent(document: Any) -> None:
    """Counts the conditions that chance is in; an end of a 99.8 % interval errs with 0.1 %."""
    chances = 0
    for experiment in document["experiments"]:
        kinds = {each["name"]: each["kind"] for each in experiment["quantities"]}
        for claim in experiment["claims"]:
            chances += sum(kinds[each["quantity"]] == "estimated" for each in claim["conditions"])
    assert document["joint"] == pytest.approx(1 - 0.001 * chances)
    assert document["joint"] >= 0.95


@pytest.mark.long
def test_the_numbers_are_those_of_the_kept_parts(document: Any, folder: Path) -> None:
    """Recomputes one: the gap of gate-and-route with 500 GPUs, from the runs on disk."""
    (file,) = (folder / "parts").glob("two-class.gate-and-route.500.per-gpu.*.json")
    part = json.loads(file.read_text())["part"]
    gaps = 100 * (1 - np.array(part["revenue"]["bundled"]) * 404310343 / 120364470720)
    half = stats.t.ppf(0.999, len(gaps) - 1) * stats.sem(gaps)
    (figure4,) = (each for each in document["experiments"] if each["name"] == "figure4")
    (told,) = (each for each in figure4["quantities"] if each["name"] == "gap_500")
    assert told["value"] == pytest.approx(gaps.mean(), rel=1e-9)
    assert told["high"] - told["value"] == pytest.approx(half, rel=1e-9)


@pytest.mark.long
def test_the_report_says_where_the_paper_fails(document: Any, folder: Path) -> None:
    page = (folder / "report.html").read_text()
    (page,) = re.findall(r'<section id="failing".*?</section>', page, re.S)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    experiments = {each["name"]: each for each in document["experiments"]}
    for name, wanted in FAILING.items():
        claims = {each["name"]: each for each in experiments[name]["claims"]}
        assert claims[wanted]["finding"] == "not confirmed", wanted
        assert claims[wanted]["says"] in text


@pytest.mark.long
def test_nothing_is_computed_twice(document: Any, folder: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (folder / "parts").iterdir()}
    process = reproduced(folder, "figure4", "figure5")
    out, _ = process.communicate(timeout=300)
    assert before == {file: file.stat().st_mtime_ns for file in (folder / "parts").iterdir()}
    experiments = {each["name"]: each for each in document["experiments"]}
    for each in json.loads(out)["experiments"]:
        assert each == experiments[each["name"]]


@pytest.mark.long
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
def test_what_is_done_outlives_an_end_from_outside(
    end: signal.Signals, document: Any, tmp_path: Path
) -> None:
    process = reproduced(tmp_path, "figure5")
    parts = tmp_path / "parts"
    wait_until(lambda: parts.is_dir() and len(finished(parts)) >= 2, process)
    os.kill(process.pid, end)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    if end == signal.SIGINT:
        assert process.returncode == 130
        assert str(parts) in err
    kept = finished(parts)
    again = reproduced(tmp_path, "figure5")
    out, err = again.communicate(timeout=300)
    assert finished(parts).items() >= kept.items(), "a finished part was computed again"
    (found,) = json.loads(out)["experiments"]
    (straight,) = (each for each in document["experiments"] if each["name"] == "figure5")
    assert found == straight


def finished(folder: Path) -> dict[str, int]:
    """Return the complete parts and when they were written."""
    return {
        file.name: file.stat().st_mtime_ns
        for file in folder.iterdir()
        if not file.name.startswith(".")
    }


def wait_until(reached: Any, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, "it ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_unknown_experiment_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["reproduce", "figure99", "--out", str(tmp_path)]) == 2
    assert "figure99" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(["reproduce", "figure5", "--out", str(tmp_path / "file")]) == 2
    assert "--out" in capsys.readouterr().err
