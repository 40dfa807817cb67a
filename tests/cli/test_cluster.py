"""`--scheduler` with a real scheduler and workers, and `--workers`: the same files, clean ends."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from dask_clusters import OTHER_SOURCES, Command, DaskCluster, dask_cluster, other_version

from gnr.cli.app import run
from packaging_tools import ROOT

PAIR = ("--policies", "gate-and-route,fcfs-immediate")
COMPARE = ("compare", "two-class", *PAIR, "--gpus", "20,50,100", "--replications", "8")
"""Six cells of three parts, each of about a second."""

COMMANDS = {
    "compare": (
        "compare", "two-class", *PAIR, "--gpus", "20,100", "--replications", "9",
        "--lengths", "exponential,lognormal:1.5", "--horizon", "1500",
    ),
    "promised": (
        "compare", "two-class-promises", "--policies", "sli-aware-general,price-index-fill",
        "--gpus", "20", "--replications", "6", "--horizon", "400",
    ),
    "random": (
        "compare", "--random", "3", *PAIR, "--gpus", "20", "--replications", "6",
        "--horizon", "300",
    ),
    "converge": (
        "converge", "two-class", "--gpus", "5,50,500", "--replications", "40",
        "--horizon", "300", "--precision", "0.3%", "--most-replications", "90",
    ),
    "sweep": (
        "sweep", "two-class-promises", "--vary", "gpu.batch_slots=8:40:12",
        "--vary", "prices.prompt_token=0.05:0.2:12",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), 2) as two:
        yield two


def gnr(*arguments: str) -> tuple[int, str]:
    """Run a command in a process of its own; return its exit code and its notes."""
    return Command(*arguments).end()


def without_provenance(value: Any) -> Any:
    """Return a document without where it comes from, in its parts too."""
    if isinstance(value, dict):
        return {key: without_provenance(each) for key, each in value.items() if key != "provenance"}
    return [without_provenance(each) for each in value] if isinstance(value, list) else value


def documents(folder: Path) -> dict[str, str]:
    """Return the text of every result in a folder, by its name; of arrays that of their values."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        document = without_provenance(json.loads(file.read_text()))
        found[file.name] = json.dumps(document, indent=2)
    for file in sorted(folder.glob("*.nc")):
        with xr.open_dataset(file, engine="h5netcdf") as arrays:
            values = arrays.load().drop_attrs().to_dict(data="list")
            bits = {name: arrays[name].values.tobytes().hex() for name in arrays.data_vars}
            found[file.name] = json.dumps([values, bits])
    assert found
    return found


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_results_are_the_same_in_this_process_in_two_and_on_a_cluster(
    name: str, cluster: DaskCluster, tmp_path: Path
) -> None:
    places = {
        "here": (), "processes": ("--workers", "2"), "cluster": ("--scheduler", cluster.address),
    }  # fmt: skip
    codes = {}
    for place, options in places.items():
        codes[place], told = gnr(*COMMANDS[name], *options, "--out", str(tmp_path / place))
        assert "Traceback" not in told
    here = documents(tmp_path / "here")
    assert documents(tmp_path / "processes") == here
    assert documents(tmp_path / "cluster") == here
    assert len(set(codes.values())) == 1


FLUID = ("reproduce", "figure8", "figure10", "--quick")
"""Ten parts in which nothing is simulated."""


@pytest.mark.long
def test_a_reproduction_is_the_same_on_a_cluster_and_goes_on_from_its_folder(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    places = {"here": ("--workers", "1"), "there": ("--scheduler", cluster.address)}
    for place, options in places.items():
        assert gnr(*FLUID, *options, "--out", str(tmp_path / place))[0] == 0
    here = documents(tmp_path / "here")
    assert list(here) == ["reproduction.json"]
    assert documents(tmp_path / "there") == here
    kept = written(tmp_path / "there" / "parts")
    assert len(kept) == 10
    assert gnr(*FLUID, *places["there"], "--out", str(tmp_path / "there"))[0] == 0
    assert written(tmp_path / "there" / "parts") == kept, "a finished part was computed again"
    assert documents(tmp_path / "there") == here


def written(folder: Path) -> dict[str, int]:
    """Return the files of a folder and when they were written."""
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


SIMULATED = """
import sys
from dataclasses import replace
from pathlib import Path
from gnr.cli.workers import spread_over
from gnr.validation.studies.reproduction.effort import QUICK
from gnr.validation.studies.reproduction.running import reproduce
folder, scheduler = Path(sys.argv[1]), (sys.argv[2:] or [None])[0]
with spread_over(None, scheduler):
    small = replace(QUICK, replications=4, single_gpu_seconds=1e3)
    reproduce(["figure5"], small, folder / "parts").write(folder)
"""
"""Figure 5 with so little simulated that it is done in seconds."""


@pytest.mark.long
def test_simulated_parts_of_a_reproduction_are_the_same_on_a_cluster(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    """The files of the parts too, byte for byte."""
    for place, options in {"here": [], "there": [cluster.address]}.items():
        command = [sys.executable, "-c", SIMULATED, str(tmp_path / place), *options]
        subprocess.run(command, check=True, timeout=120)
    assert documents(tmp_path / "there") == documents(tmp_path / "here")
    here, there = (
        {file.name: file.read_bytes() for file in (tmp_path / place / "parts").iterdir()}
        for place in ("here", "there")
    )
    assert len(here) == 5
    assert there == here


@pytest.mark.long
def test_a_killed_worker_leaves_the_same_file(tmp_path: Path) -> None:
    assert gnr(*COMPARE, "--out", str(tmp_path / "here"))[0] == 0
    with dask_cluster(tmp_path, 2) as cluster:
        command = Command(
            *COMPARE, "--scheduler", cluster.address, "--out", str(tmp_path / "there")
        )
        command.until("gap")  # one of six cells is done
        assert cluster.ask("len(client.nthreads())") == "2"
        cluster.processes[1].kill()
        done = sum("gap" in line for line in command.lines)
        code, told = command.end()
        assert cluster.ask("len(client.nthreads())") == "1"
    assert code == 0, told
    assert done == 1
    assert documents(tmp_path / "there") == documents(tmp_path / "here")


@pytest.mark.long
@pytest.mark.parametrize("place", ["cluster", "processes"])
def test_ctrl_c_ends_with_130_and_leaves_what_is_finished_and_nothing_else(
    place: str, cluster: DaskCluster, tmp_path: Path
) -> None:
    options = ("--workers", "2") if place == "processes" else ("--scheduler", cluster.address)
    command = Command(*COMPARE, *options, "--out", str(tmp_path))
    command.until("gap")
    command.interrupt()
    code, told = command.end()
    assert code == 130, told
    assert "Traceback" not in told and "Exception" not in told, told  # noqa: PT018
    document = json.loads((tmp_path / "two-class.comparison.json").read_text())
    assert not document["complete"]
    assert 1 <= len(document["cells"]) < 6
    assert cluster.ask("sum(map(len, client.processing().values()))") == "0"
    assert not command.left_over()


@pytest.mark.long
def test_other_versions_are_refused_and_named(tmp_path: Path) -> None:
    planted = other_version("numpy", "1.0.0") + other_version("highspy", None)
    with dask_cluster(tmp_path, 1, planted) as cluster:
        code, told = gnr("compare", "two-class", "--scheduler", cluster.address)
    assert code == 2
    assert "numpy: is " in told
    assert "1.0.0 on tcp://127.0.0.1" in told
    assert "pip install 'numpy==" in told
    assert "highspy: is " in told
    assert "missing on tcp://" in told
    assert "scipy" not in told


@pytest.mark.long
def test_another_commit_of_gnr_is_refused_also_where_it_joins_later(tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 1, OTHER_SOURCES) as cluster:
        code, told = gnr("compare", "two-class", "--scheduler", cluster.address)
        assert code == 2
        assert "gnr: has other sources here" in told
        cluster.processes[1].kill()
        cluster.add_worker()
        command = Command(*COMPARE, "--scheduler", cluster.address)
        command.until("gap")
        cluster.add_worker(OTHER_SOURCES)
        code, told = command.end()
    assert code == 2
    assert "a worker has another gnr" in told


@pytest.mark.long
def test_nobody_there_is_told_and_waited_for(cluster: DaskCluster, tmp_path: Path) -> None:
    code, told = gnr("sweep", "two-class", "--vary", "gpu.batch_slots=2:9", "--scheduler",
                     "tcp://127.0.0.1:1")  # fmt: skip
    assert code == 2
    assert "no Dask scheduler answers within 10 s; start one with `dask scheduler`" in told
    with dask_cluster(tmp_path, 0) as empty:
        command = Command(*COMMANDS["sweep"], "--scheduler", empty.address)
        command.until(f"start one with `dask worker {empty.address}`")
        empty.add_worker()
        assert command.end()[0] == 0


DEADLY = """
import os, sys
from gnr.dask_cluster import on_cluster
from gnr.errors import InputError
from gnr.spreading import spread
with on_cluster(sys.argv[1], print):
    try:
        list(spread(os._exit, [1]))
    except InputError as error:
        print(error)
"""


@pytest.mark.long
def test_a_part_that_ends_every_worker_fails_in_plain_words(tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 4) as cluster:
        command = [sys.executable, "-c", DEADLY, cluster.address]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "4 workers in a row ended while they worked on the same part" in ended.stdout


@pytest.mark.long
def test_the_page_on_dask_works_as_it_is_printed(tmp_path: Path) -> None:
    """The commands start a cluster in the background; all of it ends with their session."""
    page = (ROOT / "docs" / "how-to" / "run-on-dask.md").read_text()
    followed = re.findall(r"follows it -->\n```(\w+)\n(.*?)```", page, re.S)
    assert [language for language, _ in followed] == ["console", "python"]
    commands = followed[0][1].replace("$ ", "")
    (tmp_path / "page.py").write_text(followed[1][1] + "\nprint(len(found.cells))\n")
    shell = subprocess.Popen(
        ["bash", "-c", f"set -e\n{commands}\npython page.py"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    try:
        assert shell.stdout is not None
        printed, told = shell.communicate(timeout=120)
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, told.decode()
    assert printed.decode().endswith("\n2\n")
    assert (tmp_path / "results" / "two-class.comparison.json").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "0"], "must be at least 1"),
        (["--workers", "2", "--scheduler", "tcp://h:8786"], "cannot go with --scheduler"),
        (["--scheduler", "http://h:8786"], "tcp://HOST:8786"),
        (["--scheduler", "tcp://h:port"], "tcp://HOST:8786"),
    ],
)
@pytest.mark.parametrize("verb", ["compare", "converge", "sweep"])
def test_bad_places_end_with_2_before_anything_is_done(
    verb: str, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    vary = ["--vary", "gpu.batch_slots=2:9"] if verb == "sweep" else []
    assert run((verb, "two-class", *vary, *options)) == 2
    assert words in capsys.readouterr().err


def test_without_dask_the_remedy_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnr.cli.workers.find_spec", lambda name: None)
    assert run(("converge", "two-class", "--scheduler", "tcp://h:8786")) == 2
    assert "pip install 'gnr[cluster]'" in capsys.readouterr().err
