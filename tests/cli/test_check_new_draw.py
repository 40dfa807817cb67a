"""`gnr check`, `gnr new` and `gnr draw` as a user runs them."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gnr.cli.app import run
from gnr.reading import load, shipped_instances
from gnr.schemas import read_schema
from gnr.slis import INDICATORS

SHIPPED = list(shipped_instances())


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def gnr_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = gnr(capsys, *arguments, "--json")
    return code, json.loads(out)


def test_check_tells_what_is_promised(capsys: pytest.CaptureFixture[str]) -> None:
    promises = (
        'slis=[{kind="mean_tpot", at_most=0.03}, '
        '{kind="mean_ttft", class="prefill-heavy", penalty_weight=2}]'
    )
    code, document = gnr_json(capsys, "check", "two-class", "--set", promises)
    assert code == 0
    jsonschema.validate(document, read_schema("check"))
    hard, soft = document["promises"]
    assert (hard["name"], hard["at_most"], hard["unit"]) == ("mean_tpot", 0.03, "s")
    assert (soft["name"], soft["class"]) == ("mean_ttft:prefill-heavy", "prefill-heavy")
    _, out, _ = gnr(capsys, "check", "two-class", "--set", promises)
    assert "at most 30 ms" in out
    assert "2 money/s per s" in out


def test_check_tells_the_load(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(capsys, "check", *SHIPPED)
    assert code == 0
    for each in document["results"]:
        jsonschema.validate(each, read_schema("check"))
    loads = {each["instance"]: each["decode_load"] for each in document["results"]}
    assert loads["dolly-eight-class"] == pytest.approx(1.2)
    assert loads["azure-2023-conversation"] == pytest.approx(1.1)
    assert "104.4%" in gnr(capsys, "check", "two-class")[1]


def test_check_tells_the_faults_of_all_files_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, text in (("a", "x = 1"), ("b", "= 2")):
        (tmp_path / f"{name}.toml").write_text(text)
    code, out, err = gnr(capsys, "check", str(tmp_path / "a.toml"), str(tmp_path / "b.toml"))
    assert (code, out) == (2, "")
    assert "a.toml: gpu: is missing" in err
    assert "a.toml: x: is not a known key" in err
    assert "b.toml: is not valid TOML" in err


def test_new_writes_a_valid_commented_file_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "My Cluster.toml"
    assert gnr(capsys, "new", str(file))[0] == 0
    assert file.read_text().count("#") > 10
    assert gnr(capsys, "check", str(file))[0] == 0
    code, document = gnr_json(capsys, "solve", str(file))
    assert (code, document["instance"]) == (0, "my-cluster")
    code, _, err = gnr(capsys, "new", str(file))
    assert code == 2
    assert "exists already" in err
    assert gnr(capsys, "new", str(tmp_path / "none" / "x.toml"))[0] == 2


def test_new_lists_every_kind_and_its_example_of_a_promise_holds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "promising.toml"
    assert gnr(capsys, "new", str(file))[0] == 0
    text = file.read_text()
    assert all(f"\n# {kind} " in text for kind in INDICATORS)
    before, rest = text.split("# [[slis]]\n")
    example, after = rest.split("#\n", 1)
    mended = [line.removeprefix("# ") for line in ("# [[slis]]\n" + example).splitlines()]
    file.write_text(before + "\n".join(mended) + "\n" + after)
    code, document = gnr_json(capsys, "solve", str(file))
    assert code == 0
    assert [each["name"] for each in document["promises"]] == ["speed"]


def test_replicas_and_cost_of_the_template_hold(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "sized.toml"
    assert gnr(capsys, "new", str(file))[0] == 0
    text = file.read_text()
    for line in ("replica_gpus = 8", "[gpu.cost]", "per_hour = 2.5"):
        assert text.count(f"\n# {line}") == 1
        text = text.replace(f"\n# {line}", f"\n{line}")
    file.write_text(text)
    gpu = load(file).gpu
    assert gpu.cost is not None
    assert (gpu.replica_gpus, gpu.cost.per_hour) == (8, 2.5)
    assert gnr(capsys, "check", str(file), "--set", "gpu.cost.per_hour=3")[0] == 0


def test_draw_writes_pictures_and_a_graph_with_flows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import networkx as nx

    code, document = gnr_json(capsys, "draw", "dolly-eight-class", "--out", str(tmp_path))
    assert code == 0
    jsonschema.validate(document, read_schema("draw"))
    assert [Path(file).suffix for file in document["files"]] == [".svg", ".png", ".graphml"]
    ET.parse(tmp_path / "dolly-eight-class.network.svg")
    graph = nx.read_graphml(tmp_path / "dolly-eight-class.network.graphml")
    assert graph.number_of_nodes() == 8 * 8
    assert graph.number_of_edges() == 8 * 11
    arrivals = graph.edges["open-qa/arrivals", "open-qa/prefill_queue"]
    assert arrivals["flow"] == pytest.approx(0.6171, abs=5e-5)


def test_draw_without_flows_needs_no_solution(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ("draw", "two-class", "--out", str(tmp_path), "--no-flows", "--format", "svg")
    code, document = gnr_json(capsys, *arguments)
    assert (code, document["status"], len(document["files"])) == (0, None, 1)
    assert "S_dm" in (tmp_path / "two-class.network.svg").read_text()


def test_draw_of_an_infeasible_instance_is_a_negative_with_a_warning(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stuck = ("--set", "classes.0.patience_rate=0", "--set", "classes.0.arrival_rate=2")
    code, document = gnr_json(capsys, "draw", "two-class", "--out", str(tmp_path), *stuck)
    assert (code, document["status"]) == (1, "infeasible")
    assert "no flows" in document["warnings"][0]
