"""`gnr fit` as a user runs it, bad files included."""

import gzip
import json
import os
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from gnr.cli.app import run
from gnr.demand import read_demand
from gnr.measure.listed_lengths import MOST_LISTED, lengths_csv
from gnr.reading import load
from gnr.schemas import read_schema
from gnr.validation.per_gpu.lengths import read_law

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
GOOD = "".join(
    f"2023-11-16 18:{15 + k // 60:02d}:{k % 60:02d}.{k:07d},{100 + 700 * (k % 3)},{50 + k % 7}\n"
    for k in range(120)
)


def log_of(folder: Path, content: str | bytes, name: str = "log.csv") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def line(at: str = "2023-11-16 18:20:00", prompt: str = "10", output: str = "5") -> str:
    return f"{at},{prompt},{output}\n"


def damaged(content: bytes) -> bytes:
    """Return the bytes with some in the middle changed."""
    middle = len(content) // 2
    return content[:middle] + bytes(20) + content[middle + 20 :]


BAD = {
    "missing column": ("TIMESTAMP,ContextTokens\n2023-11-16 18:15:46,3\n", "output", "--column"),
    "empty file": ("", "is empty", ""),
    "blank file": ("\n \n\n", "is empty", ""),
    "header only": (HEADER, "no rows", ""),
    "no header": ("1,2,3\n4,5,6\n", "has no header", ""),
    "negative length": (HEADER + GOOD + line(prompt="-3"), "line 122", "negative"),
    "fractional length": (HEADER + GOOD + line(output="3.5"), "line 122", "whole number"),
    "absurd length": (HEADER + GOOD + line(output="20000000"), "line 122", "10,000,000"),
    "not a number": (HEADER + GOOD + line(output="nan"), "line 122", "finite"),
    "infinite": (HEADER + GOOD + line(prompt="inf"), "line 122", "finite"),
    "empty cell": (HEADER + GOOD + line(output=""), "line 122", "empty"),
    "empty time": (HEADER + GOOD + line(at=""), "line 122", "empty"),
    "text in a number": (HEADER + GOOD + line(output="five"), "line 122", "GeneratedTokens"),
    "another kind of time": (HEADER + GOOD + line(at="16.11.2023 18:20"), "line 122", "TIMESTAMP"),
    "no such day": (HEADER + GOOD + line(at="2023-02-31 18:20:00"), "line 122", "TIMESTAMP"),
    "zones here and there": (HEADER + GOOD + line(at="2023-11-16T18:20:00Z"), "line 122", "time"),
    "short row": (HEADER + GOOD + "2023-11-16 18:20:00,3\n", "line 122", "2 cells"),
    "long row": (HEADER + GOOD + line(output="3,4"), "line 122", "4 cells"),
    "after empty lines": (HEADER + "\n\n" + line(output="-1"), "line 4", "negative"),
    "only failed requests": (HEADER + line(output="0"), "none of its 1 rows", ""),
    "cut gzip": (gzip.compress((HEADER + GOOD * 99).encode())[:-400], "cut short", ""),
    "cut gzip head": (gzip.compress((HEADER + GOOD).encode())[:30], "cut short", ""),
    "damaged gzip": (damaged(gzip.compress((HEADER + GOOD).encode())), "damaged", ""),
    "UTF-16": ((HEADER + GOOD).encode("utf-16"), "UTF-16", "UTF-8"),
    "UTF-16 without mark": ((HEADER + GOOD).encode("utf-16-le"), "not UTF-8", ""),
    "latin-1 header": (("é" + HEADER + GOOD).encode("latin-1"), "line 1 is not UTF-8", ""),
    "latin-1 number": (HEADER.encode() + GOOD.encode() + b"2023-11-16 18:20:00,3,\xe9\n",
                       "line 122 is not UTF-8", ""),
    "parquet": (b"PAR1" + bytes(40), "Parquet", ""),
    "no digits": (HEADER + line(at="x", prompt="y", output="z"), "line 2", "number"),
    "JSON array": ('[{"a": 1}]', "JSON array", "each line"),
    "JSON not closed": ('{"prompt": 1, "output": 2\n', "line 1", "JSON object"),
    "JSON later": ('{"prompt": 1, "output": 2}\n' * 5 + "{oops\n", "line 6", "JSON object"),
    "JSON text": ('{"prompt": 1, "output": 2}\n{"prompt": "1", "output": 2}\n', "line 2", "number"),
    "JSON list": ('{"prompt": 1, "output": 2}\n[1]\n', "line 2", "JSON object"),
    "JSON no value": ('{"prompt": 1, "output": 2}\n\n{"prompt": 1}\n', "line 3", "no value"),
    "JSON null": ('{"prompt": 1, "output": 2}\n{"prompt": null, "output": 2}\n', "line 2", "value"),
    "JSON true": ('{"prompt": 1, "output": 2}\n{"prompt": true, "output": 2}\n', "line 2", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_told_with_their_line(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, *told = BAD[case]
    code = run(["fit", log_of(tmp_path, content), "--load", "1"])
    shown = capsys.readouterr()
    assert code == 2, shown.err
    assert not shown.out
    for words in told:
        assert words in shown.err
    assert len(shown.err.splitlines()) == 1
    assert "; " in shown.err, "a remedy"


SHORT = "time,prompt,output\n" + "".join(f"{k},{10 + k % 5},3\n" for k in range(60))


def test_lines_are_counted_as_an_editor_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f'{k},5,"a\nb,c",7\n' for k in range(50))
    assert run(["fit", log_of(tmp_path, f'time,prompt,text,output\n{rows}1,5,"x",-1\n')]) == 2
    assert "line 102, column output" in capsys.readouterr().err


def test_what_cannot_be_read_twice_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for path, told in ((pipe, "regular"), (tmp_path, "regular"), (tmp_path / "no.csv", "no such")):
        assert run(["fit", str(path)]) == 2
        assert told in capsys.readouterr().err


def test_a_wrong_unit_and_a_stray_row_are_no_crash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = "time,prompt,output\n" + "".join(f"{1700000000000 + k},5,7\n" for k in range(50))
    assert run(["fit", log_of(tmp_path, late)]) == 0
    assert "it may be in ms" in capsys.readouterr().err
    assert run(["fit", log_of(tmp_path, late), "--column", "arrival=:ms"]) == 0
    assert "it may be in ms" not in capsys.readouterr().err
    assert run(["fit", log_of(tmp_path, SHORT + "99999999999,5,5\n"), "--json"]) == 0
    json.loads(capsys.readouterr().out)


def test_rates_far_from_sense_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fit", log_of(tmp_path, SHORT), "--gpus", "1e-30"]) == 2
    assert "--gpus" in capsys.readouterr().err


def test_blocks_with_other_names_than_numbers_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"timestamp": 3, "input_length": 900, "output_length": 4, "hash_ids": ["a", "b"]}
    log = log_of(tmp_path, (json.dumps(row) + "\n") * 60)
    assert run(["fit", log, "--load", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prefix_cache"] is None
    assert run(["fit", log, "--load", "1", "--column", "hash_ids=hash_ids"]) == 2
    assert "no list of block numbers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--classes", "many"], "--classes"),
        (["--classes", "0"], "--classes"),
        (["--classes", "500"], "--classes"),
        (["--gpus", "0"], "--gpus"),
        (["--load", "-1"], "--load"),
        (["--load", "1", "--gpus", "3"], "--gpus"),
        (["--rate", "nan"], "--rate"),
        (["--patience", "0"], "--patience"),
        (["--block-tokens", "0.5"], "--block-tokens"),
        (["--name", "No Slug"], "no-slug"),
        (["--like", "nothing"], "no shipped instance"),
        (["--column", "prompt=Context"], "ContextTokens"),
        (["--column", "length=ContextTokens"], "length"),
        (["--column", "prompt"], "NAME=HEADER"),
        (["--where", "model"], "COLUMN=VALUE"),
        (["--where", "model=x"], "no such column"),
        (["--where", "GeneratedTokens=999"], "GeneratedTokens=999"),
        (["--prefix-caching"], "cached"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_bad_options_are_told(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fit", log_of(tmp_path, HEADER + GOOD), *options]) == 2
    assert told in capsys.readouterr().err


def test_a_time_column_that_is_not_known_is_asked_for_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is told to give a rate throws the times away."""
    log = log_of(tmp_path, "seen,ContextTokens,GeneratedTokens\n" + GOOD)
    assert run(["fit", log]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "the table has seen, ContextTokens, GeneratedTokens" in told
    assert told.index("--column arrival=HEADER") < told.index("--rate R")
    assert run(["fit", log, "--rate", "3"]) == 0
    assert "no arrival times were read" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("header", ["ts", "created_at", "start_time", "datetime", "time"])
def test_usual_headers_of_times_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str
) -> None:
    log = log_of(tmp_path, f"{header},ContextTokens,GeneratedTokens\n" + GOOD)
    assert run(["fit", log]) == 0
    assert f"arrival from {header}" in " ".join(capsys.readouterr().out.split())


def test_a_log_without_times_asks_for_a_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of(tmp_path, "num_prefill_tokens,num_decode_tokens\n" + "100,20\n900,7\n" * 200)
    assert run(["fit", log]) == 2
    assert "--rate R" in capsys.readouterr().err
    assert run(["fit", log, "--gpus", "4"]) == 2
    assert "--rate R" in capsys.readouterr().err
    assert run(["fit", log, "--rate", "8", "--gpus", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total_rate"]["value"] == 8
    assert sum(each["arrival_rate"] for each in found["instance"]["classes"]) == pytest.approx(2)
    assert run(["fit", log, "--load", "0.5", "--out", str(tmp_path / "out")]) == 0
    assert "no demand file" in capsys.readouterr().err


def test_one_row_gives_a_class_and_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of(tmp_path, HEADER + line())
    assert run(["fit", log]) == 2
    assert "same time" in capsys.readouterr().err
    assert run(["fit", log, "--load", "1", "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert [each["name"] for each in found["classes"]] == ["p10-d5"]
    assert "p10-d5 (1)" in shown.err
    assert "too few requests for intervals" in shown.err


def test_the_document_is_as_documented_and_the_files_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    log = log_of(tmp_path, HEADER + GOOD, "My Log_2023.csv")
    code = run(["fit", log, "--classes", "2", "--gpus", "4", "--json", "--out", str(out)])
    document = json.loads(capsys.readouterr().out)
    assert code == 0
    jsonschema.validate(document, read_schema("fit"))
    names = {path.name for path in out.iterdir()}
    stem = "my-log-2023"
    endings = ("fit.json", "fit.svg", "fit.png", "toml", "lengths.csv", "demand.csv")
    assert names == {f"{stem}.{end}" for end in endings}
    instance = load(out / f"{stem}.toml")
    assert instance.model_dump(mode="json", by_alias=True) == document["instance"]
    assert document["log"]["sha256"] in instance.source
    assert "patience" in instance.notes
    rows = [each.split(",") for each in (out / f"{stem}.demand.csv").read_text().splitlines()]
    assert rows[0] == ["class", "requests_per_second"]
    assert [row[0] for row in rows[1:]] == [each.name for each in instance.classes]
    for row, each in zip(rows[1:], instance.classes, strict=True):
        assert float(row[1]) == pytest.approx(4 * each.arrival_rate)
    again = read_demand(out / f"{stem}.demand.csv").instance_for(instance, 4)
    for each, other in zip(again.classes, instance.classes, strict=True):
        assert each.arrival_rate == pytest.approx(other.arrival_rate)
    assert run(["check", str(out / f"{stem}.toml")]) == 0
    law = read_law(str(out / f"{stem}.lengths.csv"), instance)
    for own, each in zip(law.listed, document["classes"], strict=True):
        assert len(own) == each["requests"]
        means = (each["prompt_tokens"]["value"], each["output_tokens"]["value"])
        assert own.mean(axis=0) == pytest.approx(means)
        for lengths, kind in zip(own.T, ("prompt_law", "output_law"), strict=True):
            assert np.quantile(lengths, 0.9) <= each[kind]["quantiles"]["p95"] * 1.02
            assert lengths.var() / lengths.mean() ** 2 == pytest.approx(
                each[kind]["squared_cv"], abs=1e-3
            )


def test_the_lengths_of_many_requests_are_thinned_evenly() -> None:
    lengths = np.array([[10.0, 1.0], [20.0, 2.0], [30.0, 3.0]])
    text = lengths_csv(["a", "b"], lengths, np.array([90e3, 10e3, 2.0]), np.array([0, 0, 1]))
    rows = text.splitlines()
    assert rows[0] == "class,prompt_tokens,output_tokens"
    assert rows.count("a,10,1") == 0.9 * MOST_LISTED
    assert rows.count("a,20,2") == 0.1 * MOST_LISTED
    assert rows[-2:] == ["b,30,3", "b,30,3"]


def test_the_summary_tells_unit_span_and_where_prices_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of(tmp_path, "time,prompt,output\n" + "".join(f"{k},10,{k + 1}\n" for k in range(99)))
    assert run(["fit", log, "--column", "arrival=:ms"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "arrival from time in ms" in shown
    assert "It spans 0.098 s" in shown
    assert "GPU and prices are those of azure-2023-conversation" in shown
    assert "Llama-3-8B on A100" in shown
    assert run(["fit", log]) == 0
    assert "arrival from time in s (assumed)" in " ".join(capsys.readouterr().out.split())


def test_help_stays_quick() -> None:
    import subprocess
    import sys

    heavy = "('pyomo', 'numpy', 'pydantic', 'matplotlib', 'pyarrow', 'scipy')"
    script = (
        "import sys; from gnr.cli.app import run; run(['--help']); "
        f"sys.exit(any(m in sys.modules for m in {heavy}))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == 0
