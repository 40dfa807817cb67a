"""``gnr replay`` as a user runs it, bad input included."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from gnr.cli.app import run
from gnr.schemas import read_schema

HEADER = "arrival,prompt,output"


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def log(path: Path, requests: int = 300, rate: float = 2.0) -> Path:
    """Write a log of both classes of `two-class`, about."""
    rng = np.random.default_rng(5)
    arrival = np.cumsum(rng.exponential(1 / rate, requests))
    decode_heavy = rng.random(requests) < 0.5
    prompt = np.where(decode_heavy, rng.integers(200, 400, requests), 3000)
    output = np.where(decode_heavy, rng.integers(500, 1500, requests), 400)
    lines = [f"{a:.6f},{p},{d}" for a, p, d in zip(arrival, prompt, output, strict=True)]
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_log_is_replayed_under_policies(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Table, JSON of the schema, picture; every request is accounted for."""
    file, out = log(tmp_path / "log.csv"), tmp_path / "out"
    code, shown, told = gnr(
        capsys, "replay", str(file), "two-class", "--gpus", "4", "--replan", "40",
        "--replications", "2", "--out", str(out),
    )  # fmt: skip
    assert code == 0
    assert "gate-and-route, replanned" in shown
    assert "fcfs-immediate, replanned" not in shown, "it looks at no plan"
    assert "the KV memory has no limit here" in told
    names = {path.name for path in out.iterdir()}
    assert names == {f"two-class.4-gpus.replay.{each}" for each in ("json", "svg", "png")}
    document = json.loads((out / "two-class.4-gpus.replay.json").read_text())
    jsonschema.validate(document, read_schema("replay"))
    assert document["requests"] == 300
    for policy in document["policies"]:
        assert sum(policy["fates"][each]["mean"] for each in policy["fates"]) == pytest.approx(1)
        assert policy["latency"]["ttft"]["p50"]["mean"] > 0
        assert sum(policy["course"]["arrivals"]) > 0


def test_json_alone_on_stdout_and_the_same_for_the_same_seed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = log(tmp_path / "log.csv")
    documents = []
    for seed in ("1", "1", "2"):
        code, shown, _ = gnr(
            capsys, "replay", str(file), "two-class", "--gpus", "4", "--seed", seed, "--json",
            "--policies", "gate-and-route", "--replications", "2",
        )  # fmt: skip
        assert code == 0
        document = json.loads(shown)
        document.pop("provenance")
        documents.append(document)
    assert documents[0] == documents[1]
    assert documents[0]["policies"] != documents[2]["policies"]


def test_load_sets_the_speed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = log(tmp_path / "log.csv")
    common = ("replay", str(file), "two-class", "--gpus", "4", "--json", "--replications", "1",
              "--policies", "fcfs-immediate")  # fmt: skip
    by_load = json.loads(gnr(capsys, *common, "--load", "0.8")[1])
    assert by_load["load"] == pytest.approx(0.8)
    by_speed = json.loads(gnr(capsys, *common, "--speed", repr(by_load["speed"]))[1])
    assert by_speed["load"] == pytest.approx(0.8)
    assert by_speed["policies"] == by_load["policies"]


def test_a_law_is_read_from_a_calibration(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The law of the file is used, and where it goes beyond what was measured is told."""
    file = log(tmp_path / "log.csv")
    law = {"base": 0.011, "per_decode": 1e-4, "per_chunk_token": 6e-5}
    path = tmp_path / "gpu.calibration.json"
    path.write_text(json.dumps({"law": law, "measured": {"decodes": [1, 4]}}))
    code, shown, told = gnr(
        capsys, "replay", str(file), "two-class", "--gpus", "4", "--law", str(path), "--json",
        "--policies", "fcfs-immediate", "--replications", "1",
    )  # fmt: skip
    assert code == 0
    document = json.loads(shown)
    assert document["law"]["per_decode"] == 1e-4
    assert document["law_source"] == "gpu.calibration.json"
    assert "beyond what was measured: decodes up to 16 (measured up to 4)" in told


def test_a_small_memory_holds_up_and_refuses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """3,400 tokens of the long requests fit into 3,500 one at a time, and not into 3,000."""
    file = log(tmp_path / "log.csv")
    common = ("replay", str(file), "two-class", "--gpus", "4", "--json", "--replications", "1",
              "--policies", "fcfs-immediate", "--kv-tokens")  # fmt: skip
    held = json.loads(gnr(capsys, *common, "3500")[1])["policies"][0]
    assert held["held_up_requests"]["mean"] > 0
    assert held["most_kv_tokens"]["mean"] <= 3500
    assert held["fates"]["refused"]["mean"] == 0
    code, shown, told = gnr(capsys, *common, "100")
    assert code == 0
    assert json.loads(shown)["policies"][0]["fates"]["refused"]["mean"] == 1
    code, shown, told = gnr(capsys, *common, "3000")
    assert code == 0
    assert json.loads(shown)["policies"][0]["fates"]["refused"]["mean"] > 0.3
    assert "larger than the KV memory of a GPU and were refused" in told


def test_the_group_can_be_chosen_and_the_split_is_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Of those with a partition; new plans keep the group that was asked for."""
    common = ("replay", str(log(tmp_path / "log.csv")), "two-class", "--gpus", "4",
              "--replications", "1", "--policies", "disaggregated,fcfs-immediate")  # fmt: skip
    code, shown, told = gnr(capsys, *common, "--replan", "40", "--mixed-gpus", "3")
    assert code == 0
    rows = [line.split() for line in shown.splitlines() if line.startswith(" disaggregated")]
    assert [row[row.index("3:1")] for row in rows] == ["3:1", "3:1"], "with and without replanning"
    (whole,) = [line.split() for line in shown.splitlines() if line.startswith(" fcfs-immediate")]
    assert whole[1] == "all"
    assert "disaggregated: 3 of 4 GPUs prefill, as asked for; the plan's own group has 1" in told
    asked, own = (
        json.loads(gnr(capsys, *common, *more, "--json")[1]) for more in (("--mixed-gpus", "3"), ())
    )
    assert [each["mixed_gpus"] for each in asked["policies"]] == [3, None]
    assert [each["mixed_gpus"] for each in own["policies"]] == [1, None]
    assert asked["provenance"]["options"]["mixed_gpus"] == 3
    waits = [each["policies"][0]["latency"]["ttft"]["mean"]["mean"] for each in (asked, own)]
    assert waits[0] < waits[1], "three GPUs prefill sooner than one"
    assert asked["policies"][1]["latency"] == own["policies"][1]["latency"]


def test_all_bad_options_are_told_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = log(tmp_path / "log.csv", requests=20)
    wrong = ("--gpus", "4", "--mixed-gpus", "5", "--speed", "-1", "--policies", "fcfs-immediate")
    code, _, told = gnr(capsys, "replay", str(file), "two-class", *wrong)
    assert code == 2
    assert "--mixed-gpus: must be from 1 to 4 (--gpus), got 5" in told
    assert "--speed" in told
    assert "there is none under fcfs-immediate" in told


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--gpus", "0"), "--gpus"),
        (("--gpus", "4", "--mixed-gpus", "0"), "--mixed-gpus"),
        (
            ("--gpus", "4", "--mixed-gpus", "4", "--policies", "disaggregated"),
            "--mixed-gpus: must be from 1 to 3",
        ),
        (("--gpus", "4", "--speed", "-1"), "--speed"),
        (("--gpus", "4", "--speed", "2", "--load", "0.5"), "--load"),
        (("--gpus", "4", "--load", "90"), "0.9 for 90 %"),
        (("--gpus", "4", "--replan", "0"), "--replan"),
        (("--gpus", "4", "--kv-tokens", "0"), "--kv-tokens"),
        (("--gpus", "4", "--plan-for", "weather"), "--plan-for"),
        (("--gpus", "4", "--policies", "gate-and-rout"), "--policies"),
        (("--gpus", "4", "--policies", "price-index-capped"), "prefill_cap"),
        (("--gpus", "4", "--replications", "0"), "--replications"),
        (("--gpus", "4", "--interval", "0"), "--interval"),
        (("--gpus", "4", "--interval", "1e-6"), "--interval"),
        (("--gpus", "4", "--replan", "1e-6"), "--replan"),
        (("--gpus", "4", "--law", "absent.json"), "absent.json"),
        (("--gpus", "4", "--account", "twice"), "--account"),
    ],
)
def test_bad_options_end_in_a_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    file = log(tmp_path / "log.csv", requests=20)
    code, shown, told = gnr(capsys, "replay", str(file), "two-class", *options)
    assert code == 2
    assert shown == ""
    assert expected in told


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "empty"),
        ("arrival,prompt,output\n", "no rows"),
        ("arrival,prompt,output\n1,2,3\n", "fewer than two"),
        ("prompt,output\n2,3\n2,3\n", "when requests came"),
        ("arrival,prompt,output\n1,2,3\n1,2,3\n", "at the same time"),
        ("arrival,prompt,output\n1,2,3\n2,-2,3\n", "negative"),
        ("arrival,prompt,output\n1,2,3\n2,nan,3\n", "finite"),
        ("arrival,prompt\n1,2\n2,3\n", "no column for output"),
    ],
)
def test_bad_logs_end_in_a_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, expected: str
) -> None:
    file = tmp_path / "log.csv"
    file.write_text(content, encoding="utf-8")
    code, _, told = gnr(capsys, "replay", str(file), "two-class", "--gpus", "2")
    assert code == 2
    assert "log.csv" in told
    assert expected in told


def test_a_law_file_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Not JSON, no law in it, a law out of range."""
    file, path = log(tmp_path / "log.csv", requests=20), tmp_path / "law.json"
    zero = '{"law": {"base": 0}, "measured": {}}'
    for content in ("no json", "{}", '{"law": {"base": -1}, "measured": {}}', "[]", zero):
        path.write_text(content)
        code, _, told = gnr(
            capsys, "replay", str(file), "two-class", "--gpus", "2", "--law", str(path)
        )
        assert code == 2
        assert "law" in told
