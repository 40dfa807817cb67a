"""``gnr size`` as a user runs it: the answer, its JSON, its files, and bad input."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
from sized import one_station

from gnr.cli.app import run as run_gnr
from gnr.instance_text import to_toml
from gnr.schemas import read_schema

DEMAND = "class,requests_per_second\nonly,20\n"


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


@pytest.fixture
def gnr(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Return a function that runs one command in this process."""

    def run(*arguments: str) -> Run:
        code = run_gnr(arguments)
        printed = capsys.readouterr()
        return Run(code, printed.out, printed.err)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one-station.toml").write_text(to_toml(one_station(0.5)))
    (tmp_path / "demand.csv").write_text(DEMAND)
    return tmp_path


def sized(folder: Path, *more: str) -> list[str]:
    return ["size", str(folder / "one-station.toml"), "--demand", str(folder / "demand.csv"), *more]


ONE_POLICY = ("--policies", "fcfs-immediate", "--promise", "abandonment_fraction=2.1%")


def test_the_answer_is_told_in_words(folder: Path, gnr: Callable[..., Run]) -> None:
    run = gnr(*sized(folder, *ONE_POLICY, "--set", "gpu.cost.per_hour=2"))
    assert run.code == 0
    assert "24 GPUs under fcfs-immediate" in run.out
    assert "keep all promises with 95% confidence" in " ".join(run.out.split())
    assert "With 22, a twentieth fewer, a promise is broken" in run.out
    assert "48" in run.out, "two an hour for each"


def test_the_document_follows_its_schema_and_is_written(
    folder: Path, gnr: Callable[..., Run]
) -> None:
    out = folder / "plans"
    run = gnr(*sized(folder, *ONE_POLICY, "--json", "--out", str(out)))
    assert run.code == 0
    document = json.loads(run.out)
    jsonschema.validate(document, read_schema("size"))
    assert document["best"] == "fcfs-immediate"
    assert document["policies"][0]["gpus"] == 24
    assert json.loads((out / "one-station.size.json").read_text())["policies"][0]["gpus"] == 24
    assert {path.name for path in out.iterdir()} == {
        f"one-station.size.{ending}" for ending in ("json", "png", "svg")
    }


def test_the_demand_is_scaled_and_replicas_are_counted(
    folder: Path, gnr: Callable[..., Run]
) -> None:
    run = gnr(
        *sized(folder, *ONE_POLICY, "--scale", "0.05", "--set", "gpu.replica_gpus=8", "--json")
    )
    found = json.loads(run.out)["policies"][0]
    assert found["physical_gpus"] == 8 * found["gpus"]
    assert found["gpus"] < 6


def test_a_promise_that_no_cluster_keeps_is_an_honest_negative(
    folder: Path, gnr: Callable[..., Run]
) -> None:
    """Of prefills of 1 s on average 5 % take longer than 3 s even if nobody waits."""
    run = gnr(*sized(folder, "--policies", "fcfs-immediate", "--promise", "p95_ttft=2s"))
    assert run.code == 1
    text = " ".join(run.out.split())
    assert "No cluster that was tried keeps its promises" in text
    assert "p95_ttft was broken by every cluster up to" in text
    assert "(--promise p95_ttft=3.2)" in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--promise", "p99_tfft=1"], "p99_ttft?"),
        (["--promise", "abandonment_fraction=0"], "abandonment_fraction=0.1%"),
        (["--scale", "1e6"], "--scale 0.01"),
        (["--scale", "0"], "--scale"),
        (["--policies", "gate-and-rout"], "gate-and-route?"),
        (["--policies", ""], "--policies"),
        (["--lengths", "normal"], "--lengths"),
        (["--policies", "price-index-capped"], "price-index-capped"),
    ],
)
def test_bad_options_are_refused_before_anything_runs(
    folder: Path, gnr: Callable[..., Run], more: list[str], message: str
) -> None:
    run = gnr(*sized(folder, *more))
    assert run.code == 2
    assert message in run.err
    assert "Traceback" not in run.err


def test_a_rate_takes_the_place_of_a_file(folder: Path, gnr: Callable[..., Run]) -> None:
    source = str(folder / "one-station.toml")
    run = gnr("size", source, "--rate", "20", *ONE_POLICY, "--json")
    assert json.loads(run.out)["policies"][0]["gpus"] == 24
    for wrong in ((), ("--rate", "20", "--demand", str(folder / "demand.csv")), ("--rate", "-1")):
        assert gnr("size", source, *wrong).code == 2


def test_a_demand_for_other_classes_is_refused(folder: Path, gnr: Callable[..., Run]) -> None:
    (folder / "demand.csv").write_text("class,requests_per_second\nonyl,20\n")
    run = gnr(*sized(folder))
    assert run.code == 2
    assert "demand.csv" in run.err
    assert "only" in run.err
