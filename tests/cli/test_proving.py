"""`gnr prove` as a user runs it: claims, rows, theorems, instances, bad input, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gnr.cli.app import run
from gnr.proofs import model_and_programs
from gnr.proofs.kit.claim import Claim, Finding, Mutant, proved, refuted, undecided
from gnr.proofs.registry import all_claims
from gnr.reading import shipped_instances
from gnr.schemas import read_schema


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def gnr_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = gnr(capsys, *arguments, "--json")
    return code, json.loads(out)


def test_a_claim_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = gnr(capsys, "prove", "M-d", "--faults")
    assert code == 0
    for part in ("M-d", r"\kappa", "eqs. P4, U1", "proved", "planted fault", "refuted"):
        assert part in out


def test_a_row_and_a_theorem_mean_their_claims(capsys: pytest.CaptureFixture[str]) -> None:
    _, one = gnr_json(capsys, "prove", "N-c/printed")
    _, row = gnr_json(capsys, "prove", "N-c")
    _, section = gnr_json(capsys, "prove", "N", "N-c")
    assert [each["id"] for each in one["claims"]] == ["N-c/printed"]
    assert [each["id"] for each in row["claims"]] == ["N-c/printed", "N-c/corrected"]
    assert {"N-a", "N-b", "N-f"} < {each["id"] for each in section["claims"]}
    assert {each["row"] for each in section["reading_only"]} == {"N-d", "N-e"}
    jsonschema.validate(section, read_schema("prove"))


def test_a_refuted_step_of_the_paper_is_success(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(capsys, "prove", "PI-IP/optimal")
    assert code == 0
    assert (document["refuted"], document["unexpected"]) == (1, [])
    assert "(0.0750853747) at every n" in document["claims"][0]["evidence"][0]


def test_a_row_that_was_read_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = gnr(capsys, "prove", "M-s")
    assert code == 0
    assert "M-s (SLIP) read, not computed: A GPU counts as mixed" in out
    code, document = gnr_json(capsys, "prove", "M-s")
    assert (code, document["claims"]) == (0, [])
    jsonschema.validate(document, read_schema("prove"))


@pytest.mark.parametrize("pause", [0.02, 0.2])
def test_an_interrupt_ends_every_worker(pause: float) -> None:
    """Two Ctrl-C in a row, to the whole group as a terminal sends them, `pause` seconds apart."""
    command = [sys.executable, "-m", "gnr", "prove", "--faults"]
    running = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(4)
    for _ in range(2):
        os.killpg(running.pid, signal.SIGINT)
        time.sleep(pause)
    _, told = running.communicate(timeout=30)
    assert running.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in told
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


PROVE_ALL = """
from gnr.proofs.proving import prove_claims
from gnr.proofs.registry import all_claims
prove_claims(all_claims(), told=lambda done: print(done, flush=True))
"""


def test_workers_end_with_a_parent_that_was_killed() -> None:
    """The pipe ends when the last process that could write to it has ended."""
    running = subprocess.Popen(
        [sys.executable, "-c", PROVE_ALL], start_new_session=True, stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"1\n"
    running.kill()
    try:
        running.communicate(timeout=10)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


def test_list_names_every_claim_and_checks_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(capsys, "prove", "--list")
    assert code == 0
    jsonschema.validate(document, read_schema("prove-list"))
    assert [each["id"] for each in document["claims"]] == [claim.id for claim in all_claims()]
    _, shown, _ = gnr(capsys, "prove", "--list")
    assert all(claim.id in shown for claim in all_claims())


def test_out_keeps_the_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert gnr(capsys, "prove", "M-a", "--out", str(tmp_path))[0] == 0
    document = json.loads((tmp_path / "proofs.json").read_text())
    jsonschema.validate(document, read_schema("prove"))
    assert document["provenance"]["versions"]["sympy"]


@pytest.mark.parametrize(
    ("finding", "fault", "code"),
    [
        (proved("as expected"), refuted("found"), 0),
        (refuted("a counterexample"), refuted("found"), 1),
        (undecided("nothing settled"), refuted("found"), 3),
        (proved("for few", restriction="I ≤ 4"), refuted("found"), 3),
        (proved("as expected"), proved("missed"), 1),
        (proved("as expected"), undecided("not seen"), 3),
    ],
)
def test_exit_codes_of_a_claim_of_ours(
    finding: Finding,
    fault: Finding,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    planted = Claim("M-d", "", "", "", lambda: finding, (Mutant("a fault", lambda: fault),))
    monkeypatch.setattr(model_and_programs, "CLAIMS", (planted,))
    assert gnr(capsys, "prove", "M-d", "--faults")[0] == code


def test_a_check_that_breaks_down_settles_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Finding:
        raise RecursionError("too deep")

    planted = Claim("M-d", "", "", "", broken, (Mutant("a fault", broken),))
    monkeypatch.setattr(model_and_programs, "CLAIMS", (planted,))
    code, out, _ = gnr(capsys, "prove", "M-d")
    assert code == 3
    assert "RecursionError: too deep" in out


@pytest.mark.parametrize("expected", ["refuted", "undecided"])
@pytest.mark.parametrize("verdict", ["proved", "refuted", "undecided"])
def test_exit_codes_of_a_printed_step(
    expected: str,
    verdict: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding = {"proved": proved("x"), "refuted": refuted("x"), "undecided": undecided("x")}
    planted = Claim("N-c/printed", "", "", "", lambda: finding[verdict], ())
    monkeypatch.setattr(model_and_programs, "CLAIMS", (planted,))
    monkeypatch.setattr("gnr.proofs.registry.MODULES", (model_and_programs,))
    monkeypatch.setattr("gnr.proofs.proving.expected_verdict", lambda _: expected)
    codes = {("refuted", "proved"): 1, ("refuted", "undecided"): 3}
    assert gnr(capsys, "prove", "N-c")[0] == codes.get((expected, verdict), 0)


@pytest.mark.parametrize("name", list(shipped_instances()))
def test_an_instance_is_told_which_theorem_covers_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = gnr_json(capsys, "prove", name)
    assert code == 0
    jsonschema.validate(document, read_schema("prove-instance"))
    covers = {each["theorem"].split(" (")[0]: each["covers"] for each in document["theorems"]}
    assert covers["Theorem 3.1"] == "yes"
    theorem = "Theorem 4.2" if document["scheme"] == "bundled" else "Theorem 4.1"
    assert covers[theorem] == "no"


def hypotheses(document: Any) -> dict[str, bool]:
    return {each["name"]: each["holds"] for each in document["hypotheses"]}


def covered(document: Any, start: str) -> str:
    return next(e["covers"] for e in document["theorems"] if e["theorem"].startswith(start))


def test_the_base_instance_is_outside_the_printed_proof(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, document = gnr_json(capsys, "prove", "two-class")
    holds = hypotheses(document)
    assert holds["κ ≥ (B-1)/B"]
    assert holds["critical loading, A* = C*"]
    assert not holds["q_p,i* > 0 for all i"]
    assert not holds["unique optimum"]
    assert covered(document, "Proposition 3.2") == "yes"
    assert covered(document, "its proof as the paper prints it") == "no"
    assert covered(document, "Theorem 4.1") == "yes"
    assert all(each["claims"] and all(each["claims"].values()) for each in document["theorems"])


def test_theorem_4_1_is_open_where_classes_are_not_equally_patient(
    capsys: pytest.CaptureFixture[str],
) -> None:
    uneven = ("--set", "classes.0.patience_rate=0.2")
    _, document = gnr_json(capsys, "prove", "two-class", *uneven)
    assert covered(document, "Theorem 4.1") == "open"


def test_below_the_threshold_proposition_3_2_does_not_cover(
    capsys: pytest.CaptureFixture[str],
) -> None:
    below = ("--set", "gpu.iteration_time.decode_only=0.13")
    _, document = gnr_json(capsys, "prove", "two-class", *below)
    assert not hypotheses(document)["κ ≥ (B-1)/B"]
    for theorem in ("Proposition 3.2", "Theorem 4.1", "price-index-fill"):
        assert covered(document, theorem) == "no"
    assert covered(document, "closed form of the value (D12)") == "yes"


def test_classes_that_never_leave_are_outside_of_theorem_4_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    patient = ("--set", "classes.0.patience_rate=0")
    code, document = gnr_json(capsys, "prove", "two-class", *patient)
    assert code == 0
    assert not hypotheses(document)["θ_i > 0 for all i"]
    assert covered(document, "Theorem 4.1") == "no"
    assert covered(document, "closed form") == "no"
    code, document = gnr_json(
        capsys, "prove", "two-class", *patient, "--set", "classes.0.arrival_rate=50"
    )
    assert (code, document["status"], document["theorems"]) == (1, "infeasible", [])


def test_several_instances_and_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = ("two-class", "dolly-eight-class")
    code, document = gnr_json(capsys, "prove", *names, "--out", str(tmp_path))
    assert code == 0
    assert [each["instance"] for each in document["results"]] == list(names)
    assert {file.name for file in tmp_path.iterdir()} == {f"{n}.theorems.json" for n in names}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("M-zz",), "is neither a claim nor a shipped instance"),
        (("two-clas",), "did you mean two-class?"),
        (("M-a", "two-class"), "ask for claims and for instances in separate runs"),
        (("N-c/prnted",), "claims of this row: N-c/printed, N-c/corrected"),
        (("M-a", "--set", "gpu.batch_slots=8"), "changes an instance"),
        (("two-class", "--faults"), "is about claims"),
        (("two-class", "--list"), "is about claims"),
        (("there/is/none.toml",), "there is no such file"),
    ],
)
def test_bad_input_is_told_with_its_remedy(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, told = gnr(capsys, "prove", *arguments)
    assert (code, out) == (2, "")
    assert says in told
    code, document = gnr_json(capsys, "prove", *arguments)
    assert code == 2
    jsonschema.validate(document, read_schema("error"))


def test_theorems_about_the_programs_without_promises_do_not_cover_one_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fair.toml"
    promise = '\n[[slis]]\nkind = "prefill_fairness"\nat_most = 0.1\n'
    file.write_text(shipped_instances()["two-class"].read_text() + promise)
    _, document = gnr_json(capsys, "prove", str(file))
    for theorem in ("Proposition 3.2", "Theorem 4.1", "closed form", "price-index-fill"):
        assert covered(document, theorem) == "no"
    assert covered(document, "Theorem 3.1") == "yes"
    assert covered(document, "Theorem 5.1") == "open", "fairness comes with an empty buffer"
