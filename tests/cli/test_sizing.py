"""``gnr size`` as a user runs it: the answer, its JSON, its files, and bad input."""

import json
import shlex
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
    assert "With 22 (2 fewer), a promise is broken" in run.out
    told = " ".join(run.out.split())
    assert "for Poisson arrivals at a steady rate and exponential lengths: replay your log" in told
    assert "22 fail" in told
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
    assert "(--promise p95_ttft=3.2s)" in text
    assert "depend on the law of the lengths, here exponential lengths" in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--promise", "p99_tfft=1"], "p99_ttft?"),
        (["--promise", "p99_tpot=30"], "write 30ms or 30s"),
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


def test_the_next_commands_are_about_the_cluster_that_was_found(
    folder: Path, gnr: Callable[..., Run]
) -> None:
    """Pasted from the summary, they plan, replay and export that size and split, and no other."""
    promises = ("--policies", "disaggregated", "--scale", "0.2", "--promise", "p95_ttft=4s")
    run = gnr(*sized(folder, *promises, "--out", str(folder)))
    document = json.loads((folder / "one-station.size.json").read_text())
    found = document["policies"][0]
    shown = run.out.replace(" \\\n", " ")
    for command in document["next_commands"]:
        assert command in " ".join(shown.split())
    replay, export = (shlex.split(each)[1:] for each in document["next_commands"])
    exported = json.loads(gnr(*export).out)
    assert (exported["gpus"], exported["mixed_gpus"]) == (found["gpus"], found["prefill_gpus"])
    assert exported["disaggregated"]
    prefills = sum(each["gate_target"] for each in exported["classes"])
    assert prefills == pytest.approx(4.0, rel=1e-4), "4 requests/s with prefills of 1 s"
    log = folder / "log.csv"
    rows = "".join(f"{0.25 * k},1000,1\n" for k in range(40))
    log.write_text("arrival,prompt,output\n" + rows)
    replayed = gnr(*(str(log) if each == "LOG" else each for each in replay), "--json")
    (policy,) = json.loads(replayed.out)["policies"]
    assert json.loads(replayed.out)["gpus"] == found["gpus"]
    assert json.loads(replayed.out)["speed"] == 0.2
    assert (policy["policy"], policy["mixed_gpus"]) == ("disaggregated", found["prefill_gpus"])


def test_without_groups_the_ranking_is_what_is_exported(
    folder: Path, gnr: Callable[..., Run]
) -> None:
    """And what was changed stays changed; promises are kept by the size and leave the plan."""
    changed = ("gpu.batch_slots=32", 'slis=[{kind="abandonment_fraction", at_most=0.03}]')
    sets = [part for each in changed for part in ("--set", each)]
    run = gnr(*sized(folder, "--policies", "fcfs-immediate", *sets, "--json"))
    replay, export = (shlex.split(each) for each in json.loads(run.out)["next_commands"])
    assert "--mixed-gpus" not in replay + export
    assert export[export.index("--format") + 1] == "vllm-priority"
    for command in (replay, export):
        assert [each for each in command if each in changed] == list(changed)
        assert "slis=[]" in command
    assert gnr(*export[1:]).code == 0
