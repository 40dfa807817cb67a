"""`--records`, `--lengths` and `--fidelity` of the simulating verbs, as a user gives them."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest

from gnr.cli.app import run
from gnr.schemas import read_schema

QUICK = ("--gpus", "6", "--horizon", "30", "--warmup", "10", "--replications", "4")


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def simulated(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the JSON document of a run that was not refused."""
    code, out, err = gnr(capsys, "simulate", "two-class", *QUICK, *arguments, "--json")
    assert code in (0, 3), err
    document = json.loads(out)
    jsonschema.validate(document, read_schema("simulate"))
    return document


def test_records_are_written_and_belong_to_the_result(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One row per request; the throughput of the document is that of the file."""
    path = tmp_path / "new" / "requests.parquet"
    document = simulated(capsys, "--records", str(path))
    table = pq.read_table(path)
    assert set(table["replication"].to_pylist()) == {0, 1, 2, 3}
    for each in document["classes"]:
        rows = [row for row in table.to_pylist() if row["class"] == each["name"]]
        done = sum(row["outcome"] == "finished" for row in rows)
        assert each["throughput"]["mean"] == pytest.approx(done / (4 * 30 * 6))
    origin = json.loads(table.schema.metadata[b"provenance"])
    assert origin["instance_sha256"] == document["provenance"]["instance_sha256"]
    assert origin["seed"] == document["seed"]
    again = simulated(capsys)
    assert again["revenue_rate"] == document["revenue_rate"], "records only look"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("two-class-separate",), "holds the requests of one instance, several were given"),
        (("--fidelity", "pooled"), "there are no records to keep"),
        (("--precision", "1%"), "there are no records to keep"),
        (("--engine", "numpy"), "there are no records to keep"),
    ],
)
def test_records_are_refused_where_there_are_none_or_too_many(
    more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And no file is left that looks as if there had been some."""
    path = tmp_path / "requests.parquet"
    code, out, err = gnr(capsys, "simulate", "two-class", *more, *QUICK, "--records", str(path))
    assert code == 2
    assert not out
    assert err.startswith("--records: ") or "--records: " in err
    assert said in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("law", ["exponential", "deterministic", "lognormal:0.8", "file"])
def test_every_law_of_lengths_runs_and_is_named(
    law: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The records show the law: equal, listed or all different lengths; the plan does not move."""
    if law == "file":
        law = str(tmp_path / "lengths.csv")
        Path(law).write_text(
            "class,prompt_tokens,output_tokens\n"
            "decode-heavy,10,5\ndecode-heavy,30,15\nprefill-heavy,1,1\n"
        )
    path = tmp_path / "requests.parquet"
    document = simulated(capsys, "--lengths", law, "--records", str(path))
    assert document["lengths"] == law
    assert document["fidelity"] == "per-gpu"
    rows = [row for row in pq.read_table(path).to_pylist() if row["arrival_s"] > 0]
    found = {row["output_tokens"] for row in rows if row["class"] == "decode-heavy"}
    if law == "deterministic":
        assert found == {1000.0}
    elif law.endswith(".csv"):
        assert sorted(found) == pytest.approx([500.0, 1500.0])
    else:
        assert len(found) > 50


def refused_lines(capsys: pytest.CaptureFixture[str], path: Path) -> list[dict[str, str]]:
    """Return the messages about a file of lengths with two bad lines."""
    path.write_text(
        "class,prompt_tokens,output_tokens\nnobody,1,1\nprefill-heavy,-1,1\ndecode-heavy,1,1\n"
    )
    arguments = ("simulate", "two-class", *QUICK, "--lengths", str(path), "--json")
    code, out, _ = gnr(capsys, *arguments)
    document = json.loads(out)
    jsonschema.validate(document, read_schema("error"))
    assert code == document["error"]["code"] == 2
    return list(document["error"]["messages"])


def test_a_bad_file_of_lengths_ends_with_2_and_tells_every_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    messages = refused_lines(capsys, tmp_path / "lengths.csv")
    assert [each["path"] for each in messages] == ["line 2", "line 3"]
    assert all(each["remedy"] for each in messages)


def test_a_bad_file_of_lengths_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`two-class: line 2: ...` sends the user to the wrong file."""
    path = tmp_path / "lengths.csv"
    assert {each["file"] for each in refused_lines(capsys, path)} == {str(path)}


@pytest.mark.parametrize("fidelity", ["per-gpu", "pooled"])
def test_the_fidelity_asked_for_is_the_one_that_runs(
    fidelity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only single requests have latencies."""
    document = simulated(capsys, "--fidelity", fidelity)
    assert document["fidelity"] == fidelity
    assert (document["latency"] is None) == (fidelity == "pooled")
    assert all((each["latency"] is None) == (fidelity == "pooled") for each in document["classes"])


def test_a_policy_that_looks_at_single_gpus_needs_no_fidelity(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = simulated(capsys, "--policy", "price-index-fill")
    assert (document["policy"], document["fidelity"]) == ("price-index-fill", "per-gpu")
    code, _, err = gnr(
        capsys, "simulate", "two-class", *QUICK, "--policy", "price-index-fill",
        "--fidelity", "pooled",
    )  # fmt: skip
    assert code == 2
    assert "say --fidelity per-gpu, or take gate-and-route" in err


def test_a_place_that_can_hold_no_records_is_refused_before_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A run of an hour must not fail at its last step."""
    code, _, err = gnr(capsys, "simulate", "two-class", *QUICK, "--records", str(tmp_path))
    assert code == 2
    assert "--records" in err
