"""`gnr compare` as a user runs it."""

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xarray as xr

from gnr.cli.app import run
from gnr.schemas import read_schema

QUICK = ("--horizon", "60", "--warmup", "20", "--replications", "4")
PAIR = ("--policies", "gate-and-route,fcfs-route")


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(("compare", *arguments))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def gnr_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = gnr(capsys, *arguments, "--json")
    return code, json.loads(out)


def test_compare_prints_the_documented_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(capsys, "two-class", *PAIR, "--gpus", "20,5", *QUICK)
    assert code == 0
    jsonschema.validate(document, read_schema("compare"))
    jsonschema.validate(document["cells"][0], read_schema("simulate"))
    assert document["accounting"] == "bundled"
    assert document["lp_revenue_rate"] == pytest.approx(297.7031698642446, rel=1e-12)
    assert [(cell["gpus"], cell["policy"]) for cell in document["cells"]] == [
        (5, "gate-and-route"), (5, "fcfs-route"), (20, "gate-and-route"), (20, "fcfs-route"),
    ]  # fmt: skip
    assert document["arrival_shares"] == {"decode-heavy": 0.5, "prefill-heavy": 0.5}
    for pair, gate, fcfs in zip(
        document["pairs"], document["cells"][::2], document["cells"][1::2], strict=True
    ):
        assert (pair["first"], pair["second"]) == ("gate-and-route", "fcfs-route")
        assert pair["isolates"] == "the gate under a static partition"
        expected = gate["revenue_rate"]["mean"] - fcfs["revenue_rate"]["mean"]
        assert pair["money"]["mean"] == pytest.approx(expected)
        assert 0 < pair["correlation"] <= 1
        assert pair["confidence"] > 0.95
    assert [each["gpus"] for each in document["best"]] == [5, 20]


def test_all_leaves_out_what_plans_for_other_pricing(capsys: pytest.CaptureFixture[str]) -> None:
    _, document = gnr_json(capsys, "two-class", "--gpus", "5", *QUICK)
    names = [cell["policy"] for cell in document["cells"]]
    assert "gate-and-route" in names
    assert "prioritize-and-route" not in names
    assert any(
        warning.startswith("left out prioritize-and-route: it plans for separate pricing")
        for warning in document["warnings"]
    )
    _, document = gnr_json(
        capsys, "two-class", "--policies", "prioritize-and-route", "--gpus", "5", *QUICK
    )
    assert [cell["policy"] for cell in document["cells"]] == ["prioritize-and-route"]
    assert document["pairs"] == []
    assert document["best"][0]["policy"] == "prioritize-and-route"
    _, document = gnr_json(capsys, "two-class-separate", "--gpus", "5", *QUICK)
    names = [cell["policy"] for cell in document["cells"]]
    assert "prioritize-and-route" in names
    assert "gate-and-route" not in names


def test_cells_that_may_remember_their_start_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, no exit code: the differences are what is asked for."""
    code, document = gnr_json(capsys, "two-class", *PAIR, "--gpus", "5", *QUICK)
    assert code == 0
    (warning,) = [each for each in document["warnings"] if each.startswith("runs from")]
    assert warning.endswith("5 GPUs, exponential lengths (undecided): gate-and-route, fcfs-route")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("two-class", "--policies", "gate-and-rout"), "use gate-and-route?"),
        (("two-class", "--policies", "best,worst"), "--policies: no policy 'worst'"),
        (("two-class", "--policies", ""), "--policies: no policy is named"),
        (("two-class", "--policies", "fcfs-route,fcfs-route"), "fcfs-route comes twice"),
        (("two-class", "--gpus", "5,5"), "--gpus: must be different sizes"),
        (("two-class", "--gpus", "five"), "--gpus: must be whole numbers"),
        (("two-class", "--lengths", "exponential,exponential"), "--lengths: must be different"),
        (("two-class", "--lengths", ""), "--lengths: must be different laws"),
        (("two-class", "--lengths", "uniform"), "--lengths: no law of lengths 'uniform'"),
        (("two-class", "--fidelity", "exact"), "--fidelity: no 'exact'"),
        (
            ("two-class", "--fidelity", "pooled", "--lengths", "exponential,deterministic"),
            "--lengths: the pooled chain has exponential lengths only",
        ),
        (("two-class", "--account", "twice"), "no accounting 'twice'"),
        (("two-class", "--replications", "1"), "--replications: must be at least 4"),
        (("two-class", "--random", "4"), "--random: cannot go with two-class"),
        ((), "INSTANCE: nothing to compare on"),
        (("--random", "1"), "--random: must be from 2 to"),
        (("--random", "4", "--set", "gpu.batch_slots=4"), "--set: cannot go with --random"),
        (("--random", "4", "--policies", "fcfs"), "no policy 'fcfs'"),
        (("--random", "4", "--lengths", "mine.csv"), "--lengths: mine.csv cannot fit"),
        (("--random", "4", "--seed", "-1"), "--seed: must be at least 0"),
    ],
)
def test_bad_options_end_with_2_and_name_the_option(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = gnr(capsys, *arguments)
    assert code == 2
    assert not out
    assert said in err


def test_a_policy_that_the_fidelity_cannot_follow_is_left_out_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pooled = ("two-class", "--fidelity", "pooled", "--gpus", "5", *QUICK)
    _, document = gnr_json(capsys, *pooled)
    assert {cell["fidelity"] for cell in document["cells"]} == {"pooled"}
    assert document["cells"][0]["latency"] is None
    left_out = [each for each in document["warnings"] if each.startswith("left out fcfs-immediate")]
    assert left_out == [
        "left out fcfs-immediate: the pooled chain cannot follow fcfs-immediate: it looks at "
        "single GPUs"
    ]
    code, _, err = gnr(capsys, *pooled, "--policies", "gate-and-route,fcfs-immediate")
    assert code == 2
    assert "the pooled chain cannot follow fcfs-immediate" in err
    _, shown, _ = gnr(capsys, *pooled)
    assert "the pooled chain has no single requests" in shown


def test_lengths_of_several_laws_and_of_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Pictures show a file by its name alone."""
    file = tmp_path / "real.csv"
    rows = ["class,prompt_tokens,output_tokens", "decode-heavy,100,1500", "decode-heavy,500,500"]
    file.write_text("\n".join([*rows, "prefill-heavy,3000,400"]) + "\n")
    out = tmp_path / "out"
    code, document = gnr_json(
        capsys, "two-class", *PAIR, "--gpus", "5,20", *QUICK, "--out", str(out),
        "--lengths", f"exponential,deterministic,{file}",
    )  # fmt: skip
    assert code == 0
    assert [(best["lengths"], best["gpus"]) for best in document["best"]] == [
        (law, gpus) for law in ("exponential", "deterministic", str(file)) for gpus in (5, 20)
    ]
    assert {cell["lengths"] for cell in document["cells"]} == {
        "exponential", "deterministic", str(file)
    }  # fmt: skip
    picture = (out / "two-class.comparison.laws.svg").read_text()
    assert "lengths of real.csv" in picture
    assert str(file) not in picture
    with xr.open_dataset(out / "two-class.comparison.nc", engine="h5netcdf") as arrays:
        assert arrays["gap"].sizes["lengths"] == 3
    file.write_text("class,prompt_tokens,output_tokens\nother,1,1\n")
    code, _, err = gnr(capsys, "two-class", *PAIR, "--lengths", f"exponential,{file}")
    assert code == 2
    assert "no class 'other'" in err


def test_an_overload_that_nobody_leaves_is_an_honest_negative(
    capsys: pytest.CaptureFixture[str],
) -> None:
    never = ("--set", "classes.0.patience_rate=0", "--set", "classes.1.patience_rate=0")
    code, document = gnr_json(capsys, "two-class", *never)
    assert code == document["error"]["code"] == 1
    assert "no steady state exists" in document["error"]["messages"][0]["message"]


def test_several_instances_come_as_results(capsys: pytest.CaptureFixture[str]) -> None:
    _, document = gnr_json(capsys, "two-class", "two-class-qwen-4b", *PAIR, "--gpus", "5", *QUICK)
    assert [one["instance"] for one in document["results"]] == ["two-class", "two-class-qwen-4b"]


def test_compare_writes_json_arrays_and_pictures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, document = gnr_json(
        capsys, "two-class", *PAIR, "--gpus", "5,20", *QUICK, "--out", str(tmp_path)
    )
    assert code == 0
    stem = "two-class.comparison"
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{stem}.json", f"{stem}.nc", f"{stem}.gaps.svg", f"{stem}.gaps.png",
    }  # fmt: skip
    ET.parse(tmp_path / f"{stem}.gaps.svg")
    assert json.loads((tmp_path / f"{stem}.json").read_text())["pairs"] == document["pairs"]
    with xr.open_dataset(tmp_path / f"{stem}.nc", engine="h5netcdf") as arrays:
        assert dict(arrays.sizes) == {
            "policy": 2, "gpus": 2, "lengths": 1, "class": 2, "replication": 4,
        }  # fmt: skip
        gap = arrays["gap"].sel(policy="fcfs-route", gpus=20, lengths="exponential")
        assert float(gap.mean()) == pytest.approx(document["cells"][3]["gap"]["mean"])
        assert not arrays["tpot"].isnull().all()


def test_the_summary_names_the_best_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    _, shown, _ = gnr(capsys, "two-class", *PAIR, "--gpus", "5,20", *QUICK)
    for words in ("comes closest to the optimum", "the gate under a static partition", "TTFT"):
        assert words in shown
    assert shown.count("GPUs: ") == 2


LONG = "no-decode-beside-a-prefill-on-any-gpu-of-the-cluster"
"""A name of one word that no heading has room for."""


def promising(tmp_path: Path, sli: str) -> str:
    """Write the shipped instance with one promise; return its path."""
    from gnr.instance_text import to_toml
    from gnr.reading import load

    path = tmp_path / "promising.toml"
    text = to_toml(load("two-class")).replace('name = "two-class"', 'name = "promising"', 1)
    path.write_text(f"{text}\n[[slis]]\n{sli}\n")
    return str(path)


def test_promises_are_compared_policy_by_policy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Only the disaggregated cluster keeps decodes off mixed GPUs; it is not the one with most."""
    named = f'\nname = "{LONG}"'
    slow_enough = '\n[[slis]]\nkind = "token_tpot"\nat_most = 0.5'
    file = promising(tmp_path, 'kind = "disaggregation"\nat_most = 0.0' + named + slow_enough)
    arguments = (file, "--policies", "gate-and-route,disaggregated", "--gpus", "5,20", *QUICK)
    code, shown, _ = gnr(capsys, *arguments, "--out", str(tmp_path))
    assert code == 0
    document = json.loads((tmp_path / "promising.comparison.json").read_text())
    jsonschema.validate(document, read_schema("compare"))
    assert document["lp_revenue_rate"] == pytest.approx(297.7031698642446, rel=1e-9)
    assert document["promised_revenue_rate"] == pytest.approx(276.205, rel=1e-4)
    kept = {cell["policy"]: cell["promises"][0]["kept"] for cell in document["cells"]}
    assert kept == {"gate-and-route": "no", "disaggregated": "yes"}
    for best in document["best"]:
        assert best["policy"] == "gate-and-route"
        assert (best["keeps_promises"], best["best_keeping"]) == ("no", "disaggregated")
    written = {path.name for path in tmp_path.iterdir()}
    assert "promising.comparison.promises.png" in written
    assert "broken" in (tmp_path / "promising.comparison.gaps.svg").read_text()
    assert f"{LONG[:43]}…" in (tmp_path / "promising.comparison.promises.svg").read_text()
    assert ">ms<" in (tmp_path / "promising.comparison.promises.svg").read_text()
    for words in (
        "best plan under the promises earns 276.2",
        "promised ≤ 0 (requests", "all promises together",
        "It breaks a promise; of those that keep them all disaggregated comes closest",
    ):  # fmt: skip
        assert words in " ".join(shown.split())
    assert "comes nearest to all promises" not in shown
    _, shown, _ = gnr(
        capsys, file, "--policies", "gate-and-route,fcfs-route", "--gpus", "5", *QUICK
    )
    told = " ".join(shown.split())
    assert "comes nearest to all promises" in told
    assert f"is the smallest). {LONG} is broken, by up to" in told
    assert "take the policy sli-aware-general" in told


def test_a_policy_without_a_plan_that_keeps_the_promises_is_left_out_of_all(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without decodes on mixed GPUs no more than 0.9 requests/s per GPU can be served."""
    file = promising(tmp_path, 'kind = "throughput"\nat_least = 0.96')
    code, document = gnr_json(capsys, file, "--gpus", "5", *QUICK)
    assert code == 0
    assert "disaggregated" not in {cell["policy"] for cell in document["cells"]}
    (warning,) = [each for each in document["warnings"] if "left out disaggregated" in each]
    reason = (
        "no plan keeps throughput with no decodes on prefilling GPUs, which disaggregated needs"
    )
    assert reason in warning
    code, document = gnr_json(capsys, file, "--policies", "disaggregated", "--gpus", "5", *QUICK)
    assert code == document["error"]["code"] == 1
    nobody = promising(tmp_path, 'kind = "throughput"\nat_least = 0.999')
    code, document = gnr_json(capsys, nobody, "--gpus", "5", *QUICK)
    assert code == document["error"]["code"] == 1
    assert document["error"]["messages"][0]["message"] == "no plan keeps throughput"


def test_an_interrupt_keeps_the_cells_that_are_done(tmp_path: Path) -> None:
    command = (
        sys.executable, "-m", "gnr", "compare", "two-class", *PAIR, "--gpus", "5,100000",
        "--out", str(tmp_path),
    )  # fmt: skip
    code, err = interrupted(command, "gnr: fcfs-route, 5 GPUs")
    assert code == 130, err
    document = json.loads((tmp_path / "two-class.comparison.json").read_text())
    assert document["complete"] is False
    assert [cell["gpus"] for cell in document["cells"]] == [5, 5]
    assert len(document["pairs"]) == 1


def interrupted(command: tuple[str, ...], after: str) -> tuple[int, str]:
    """Run a command, send Ctrl-C after a line of stderr; return exit code and the rest of it."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(after):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    return process.returncode, rest


RANDOM = ("--random", "3", "--seed", "7", *PAIR, "--gpus", "5,20", *QUICK)


def told(document: Any) -> Any:
    """Return what a survey found, without what it cost and what it noticed."""
    return {key: document[key] for key in document if key not in ("provenance", "warnings")}


def test_random_instances_without_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = gnr(capsys, *RANDOM, "--json")
    document = json.loads(out)
    assert code == 0
    assert "without --out nothing is kept" in err
    jsonschema.validate(document, read_schema("compare-random"))
    assert [one["number"] for one in document["instances"]] == [0, 1, 2]
    assert len(document["gaps"]) == 3 * 2 * 2
    assert {each["wins"] for each in document["policies"]} <= {0, 1, 2, 3}
    for each in document["policies"]:
        gaps = [
            one["gap"]["mean"]
            for one in document["gaps"]
            if (one["policy"], one["gpus"]) == (each["policy"], each["gpus"])
        ]
        assert each["gap"]["mean"] == pytest.approx(sum(gaps) / 3)
        assert each["worst_gap"] == max(gaps)
    assert all(pair["money"] is None for pair in document["pairs"])


def test_a_survey_goes_on_where_it_stopped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing is computed twice, but what was damaged; the numbers are the same."""
    arguments = (*RANDOM, "--out", str(tmp_path))
    _, first = gnr_json(capsys, *arguments)
    cells = sorted((tmp_path / "cells").iterdir())
    assert len(cells) == 12
    before = {cell: cell.stat().st_mtime_ns for cell in cells}
    code, out, err = gnr(capsys, *arguments, "--json")
    assert code == 0
    assert err.count("4 cells, 4 kept") == 3
    assert {cell: cell.stat().st_mtime_ns for cell in cells} == before
    assert told(json.loads(out)) == told(first)
    cells[5].write_text(cells[5].read_text()[:1000])
    cells[7].write_text("")
    code, out, err = gnr(capsys, *arguments, "--json")
    assert code == 0
    again = json.loads(out)
    assert told(again) == told(first)
    damaged = [warning for warning in again["warnings"] if "damaged" in warning]
    assert len(damaged) == 2
    assert str(cells[5]) in "".join(damaged)
    _, _, err = gnr(capsys, *arguments)
    assert "damaged" not in err
    stem = "random-3-seed-7.comparison"
    assert {path.name for path in tmp_path.iterdir()} == {
        "cells", f"{stem}.json", f"{stem}.nc", f"{stem}.gaps.svg", f"{stem}.gaps.png",
    }  # fmt: skip
    ET.parse(tmp_path / f"{stem}.gaps.svg")


def test_more_instances_use_the_cells_of_fewer_and_other_options_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    few = ("--random", "2", *PAIR, "--gpus", "5", *QUICK, "--out", str(tmp_path))
    gnr(capsys, *few)
    _, _, err = gnr(capsys, *few[:1], "3", *few[2:])
    assert err.count("2 cells, 2 kept") == 2
    assert err.count("2 cells, 0 kept") == 1
    _, _, err = gnr(capsys, *few, "--seed", "2")
    assert err.count("2 cells, 0 kept") == 2
    _, _, err = gnr(capsys, *few, "--account", "separate")
    assert err.count("2 cells, 0 kept") == 2


@pytest.mark.long
def test_an_interrupted_survey_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = (*PAIR, "--gpus", "20,2000", "--horizon", "300", "--warmup", "20",
               "--replications", "4", "--out", str(tmp_path))  # fmt: skip
    command = (sys.executable, "-m", "gnr", "compare", "--random", "40", *options)
    code, err = interrupted(command, "gnr: instance 0")
    assert code == 130, err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert len(list((tmp_path / "cells").iterdir())) >= 4
    _, _, err = gnr(capsys, "--random", "2", *options)
    assert "4 cells, 4 kept" in err
