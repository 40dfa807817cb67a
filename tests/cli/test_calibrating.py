"""``gnr calibrate`` as a user runs it, bad tables included."""

import gzip
import json
from pathlib import Path

import jsonschema
import pytest

from gnr.cli.app import run
from gnr.schemas import read_schema

HEADER = "chunk,decodes,context,seconds"


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def rows() -> list[str]:
    """Return a table with alpha = 10 ms, beta = 0.1 ms, decode-only 12 ms + 0.01 ms per decode."""
    found = []
    for decodes in (8, 16, 32):
        found += [
            f"{chunk},{decodes},512,{0.010 + 1e-4 * chunk + 1e-5 * decodes:.6f}"
            for chunk in (128, 256, 512, 1024)
        ]
        found.append(f"0,{decodes},512,{0.012 + 1e-5 * decodes:.6f}")
    return found


def write(path: Path, lines: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_table_becomes_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = write(tmp_path / "times.csv", rows())
    code, shown, _ = gnr(capsys, "calibrate", str(file), "--decodes", "16")
    assert code == 0
    assert "alpha = 10.16 ± " in shown
    assert "beta = 100 ± " in shown
    assert "decode_only = 0.01216" in shown
    assert "[gpu.iteration_time]" in shown
    assert "Read chunk from chunk, decodes from decodes" in shown
    assert "Times are in s: the median iteration takes" in shown


def test_json_is_one_document_of_the_schema(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = write(tmp_path / "times.csv", rows())
    code, shown, _ = gnr(capsys, "calibrate", str(file), "--json")
    document = json.loads(shown)
    jsonschema.validate(document, read_schema("calibrate"))
    assert code == 0
    assert document["line"]["per_chunk_token"]["value"] == pytest.approx(1e-4)


def test_an_instance_is_written_with_the_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Results, picture and an instance that can be solved."""
    file, out = write(tmp_path / "times.csv", rows()), tmp_path / "out"
    code, shown, _ = gnr(capsys, "calibrate", str(file), "--for", "two-class", "--out", str(out))
    assert code == 0
    assert "Where the plan of two-class and this law agree" in shown
    written = {path.name for path in out.iterdir()}
    assert written == {
        "two-class.calibration.json", "two-class.calibration.svg", "two-class.calibration.png",
        "two-class.calibrated.toml",
    }  # fmt: skip
    assert gnr(capsys, "solve", str(out / "two-class.calibrated.toml"))[0] == 0
    stated = ("calibrate", str(file), "--for", "two-class", "--decodes", "16", "--out", str(out))
    code, shown, _ = gnr(capsys, *stated)
    assert code == 0
    assert "agree" not in shown, "the batch is stated: no other is sought"


def test_two_files_and_a_gzipped_one_are_joined(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    solo = [f"{d},512,{12 + 0.01 * d}" for d in (8, 16, 32)]
    one = write(tmp_path / "solo.csv", solo, "B,ctx,tau_ms")
    text = "\n".join([HEADER, *(row for row in rows() if not row.startswith("0,"))])
    other = tmp_path / "mixed.csv.gz"
    other.write_bytes(gzip.compress(text.encode()))
    code, shown, _ = gnr(capsys, "calibrate", str(one), str(other), "--decodes", "16")
    assert code == 0
    assert "decode_only = 0.01216" in shown


BAD = {
    "missing column": (["8,512,0.01"], "decodes,context,duration_of_it", "no column for seconds"),
    "negative": ([*rows(), "128,8,512,-0.01"], HEADER, "must be above 0"),
    "nan": ([*rows(), "128,8,512,nan"], HEADER, "finite"),
    "empty cell": ([*rows(), "128,8,512,"], HEADER, "line 17"),
    "text": ([*rows(), "128,8,512,soon"], HEADER, "line 17"),
    "header only": ([], HEADER, "row"),
    "one row": (rows()[:1], HEADER, "decode-only batches"),
    "no mixed rows": ([row for row in rows() if row.startswith("0,")], HEADER, "with a chunk"),
    "no solo rows": ([row for row in rows() if not row.startswith("0,")], HEADER, "decode-only"),
    "two units": (
        [row if k % 2 else row.rpartition(",")[0] + f",{1e3 * float(row.rpartition(',')[2])}"
         for k, row in enumerate(rows())], HEADER, "two units",
    ),
    "ragged": ([*rows(), "128,8"], HEADER, "line 17"),
    "one column for two": (rows(), "chunk,decodes,context,seconds", "cannot be"),
    "two of a kind": (rows(), "chunk,decodes,context,seconds,time_ms", "cells"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_bad_tables_end_in_a_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, fault: str
) -> None:
    """File, place and remedy, exit code 2."""
    lines, header, expected = BAD[fault]
    file = write(tmp_path / "times.csv", lines, header)
    more = ("--column", "seconds=decodes") if fault == "one column for two" else ()
    code, shown, told = gnr(capsys, "calibrate", str(file), *more)
    assert code == 2
    assert shown == ""
    assert "times.csv" in told
    assert expected in told


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (gzip.compress(b"chunk,decodes,context,seconds\n1,2,3,4\n", mtime=0)[:-9], "gz"),
        ("chunk,decodes,context,seconds\n".encode("utf-16"), "UTF-8"),
        (b"chunk,decodes,context,seconds\n1,2,3,\xff4\n", "UTF-8"),
    ],
)
def test_files_that_are_no_table(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, expected: str
) -> None:
    file = tmp_path / "times.csv"
    file.write_bytes(content)
    code, _, told = gnr(capsys, "calibrate", str(file))
    assert code == 2
    assert expected in told


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--chunks", "4096:256"),
        ("--chunks", "many"),
        ("--chunks", "3000:4000"),
        ("--decodes", "-1"),
        ("--decodes", "inf"),
        ("--prefix", "inf"),
        ("--tolerance", "5"),
        ("--overhead", "-1"),
        ("--within", "context=9:1"),
        ("--within", "colour=1:2"),
        ("--where", "model"),
        ("--where", "model=x"),
        ("--column", "speed=x"),
        ("--column", "seconds=absent:ms"),
        ("--decodes", "4000"),
    ],
)
def test_bad_options_name_themselves(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, value: str
) -> None:
    file = write(tmp_path / "times.csv", rows())
    code, _, told = gnr(capsys, "calibrate", str(file), option, value)
    assert code == 2
    assert option in told or "absent" in told


def test_a_line_that_does_not_rise_is_shown_and_not_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Constant mixed times: JSON without infinities, no instance."""
    flat = [row if row.startswith("0,") else row.rpartition(",")[0] + ",0.03" for row in rows()]
    file = write(tmp_path / "times.csv", flat)
    code, shown, _ = gnr(capsys, "calibrate", str(file), "--decodes", "16", "--json")
    assert code == 0
    assert json.loads(shown)["ordinary_line"]["r_squared"] is None
    code, _, told = gnr(
        capsys, "calibrate", str(file), "--for", "two-class", "--decodes", "16",
        "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert code == 2
    assert "does not grow with the chunk" in told
