"""`gnr solve`, and what all verbs have in common: output, exit code, JSON, files."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gnr.cli.app import run
from gnr.reading import shipped_instances
from gnr.schemas import read_schema

SHIPPED = list(shipped_instances())
HEAVY = (
    "pyomo", "sympy", "numba", "numpy", "networkx", "pydantic", "matplotlib", "joblib",
    "distributed",
)  # fmt: skip


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def gnr_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = gnr(capsys, *arguments, "--json")
    return code, json.loads(out)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from gnr.cli.app import run; code = run(['--help']);"
        f"loaded = [m for m in {HEAVY} if m in sys.modules]; sys.exit(code or bool(loaded))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_help_names_every_verb_and_no_arguments_mean_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, shown, _ = gnr(capsys, "--help")
    for verb in ("new", "check", "solve", "draw", "export", "simulate", "converge", "sweep"):
        assert f"\n  {verb} " in shown
        assert gnr(capsys, verb, "--help")[0] == 0
    assert gnr(capsys)[:2] == (0, shown)
    assert gnr(capsys, "--version")[1].startswith("gnr 0.")


@pytest.mark.parametrize("name", SHIPPED)
def test_solve_prints_the_documented_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(capsys, "solve", name, "--gpus", "100")
    assert code == 0
    jsonschema.validate(document, read_schema("solve"))
    assert document["instance"] == name
    assert {
        "schema_version", "instance", "status", "scheme", "revenue_rate", "penalty", "classes",
        "totals", "marginals", "tpot", "unique", "plan", "shortfall", "warnings", "provenance",
    } <= set(document)  # fmt: skip
    assert {
        "name", "prefill", "mixed_decode", "solo_decode", "prefill_queue", "decode_queue",
        "marginal_value", "decode_marginal",
    } == set(document["classes"][0])  # fmt: skip
    assert set(document["tpot"]) == {"capacity", "token_mean"}
    plan = document["plan"]
    assert plan["gpus"] == plan["mixed_gpus"] + plan["solo_gpus"] == 100


def test_json_has_the_published_values_at_full_precision(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, document = gnr_json(capsys, "solve", "two-class")
    assert document["revenue_rate"] == pytest.approx(297.7031698642446, rel=1e-12)
    assert document["plan"] is None
    _, document = gnr_json(capsys, "solve", "two-class-separate")
    assert document["revenue_rate"] == pytest.approx(298.58655675, rel=1e-12)
    provenance = document["provenance"]
    assert set(provenance["versions"]) >= {"python", "pyomo", "highspy", "numpy", "cupy"}
    assert len(provenance["instance_sha256"]) == 64


def test_several_instances_make_one_table_or_one_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(capsys, "solve", *SHIPPED)
    assert code == 0
    assert [each["instance"] for each in document["results"]] == SHIPPED
    code, out, _ = gnr(capsys, "solve", *SHIPPED)
    assert code == 0
    assert all(name in out for name in SHIPPED)


def test_summary_tells_a_planner_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = gnr(capsys, "solve", "two-class", "--gpus", "500")
    assert (code, err) == (0, "")
    for expected in (
        "297.703 money/s per GPU",
        "1,071,731 per GPU-hour",
        "per million tokens",
        "21.3% of the GPUs prefill",
        "Decode slots are the bottleneck",
        "one more GPU",
        "107 mixed",
        "393 solo",
        "264.461",
        "23.6 ms",
    ):
        assert expected in out


def test_bare_summary_has_no_colour_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in gnr(capsys, "solve", "two-class")[1]


def test_set_asks_what_if(capsys: pytest.CaptureFixture[str]) -> None:
    _, document = gnr_json(capsys, "solve", "two-class", "--set", "prices.scheme=separate")
    assert document["revenue_rate"] == pytest.approx(298.58655675)
    assert document["provenance"]["options"]["set"] == ["prices.scheme=separate"]
    _, document = gnr_json(capsys, "solve", "two-class-separate", "--empty-decode-buffer")
    assert document["revenue_rate"] == pytest.approx(297.7031698642446)


def test_disaggregated_gpus_are_planned_and_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """11.1: class 1 in full, class 0 to (16 - 38.57179 * 0.194953125) / 580.29463 prefill slots."""
    wanted = ("solve", "two-class", "--disaggregated", "--gpus", "500")
    code, document = gnr_json(capsys, *wanted)
    assert code == 0
    jsonschema.validate(document, read_schema("solve"))
    assert document["disaggregated"]
    assert document["provenance"]["options"]["disaggregated"]
    assert document["revenue_rate"] == pytest.approx(276.2046743)
    plan = document["plan"]
    assert plan["disaggregated"]
    assert (plan["mixed_gpus"], plan["mixed_decode_slots"]) == (105, 0)
    assert (plan["solo_gpus"], plan["solo_decode_slots"]) == (395, 395 * 16)
    assert not gnr_json(capsys, "solve", "two-class")[1]["disaggregated"]
    _, out, _ = gnr(capsys, *wanted, "--out", str(tmp_path))
    assert "21.0% of the GPUs only prefill, 79.0% only decode" in out
    assert "105 that only prefill, 395 solo (6320 decode slots)" in out
    assert "mixed GPUs" not in out
    assert "prefill only" in (tmp_path / "two-class.plan.svg").read_text()


def test_infeasible_instance_says_what_is_short_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stuck = ("--set", "classes.decode-heavy.patience_rate=0",
             "--set", "classes.decode-heavy.arrival_rate=2")  # fmt: skip
    code, document = gnr_json(capsys, "solve", "two-class", *stuck, "--out", str(tmp_path))
    assert code == 1
    jsonschema.validate(document, read_schema("solve"))
    assert document["status"] == "infeasible"
    assert document["revenue_rate"] is None
    served = 24.1953984 / 862.5287317 * 25.64719083  # kappa B / weight * mu_p
    assert document["shortfall"][0]["by"] == pytest.approx(2 - served, rel=1e-8)
    assert "decode-heavy" in document["shortfall"][0]["requirement"]
    assert json.loads((tmp_path / "two-class.solution.json").read_text()) == document
    code, out, _ = gnr(capsys, "solve", "two-class", *stuck)
    assert code == 1
    assert "short by" in out


def test_warnings_go_to_stderr_and_into_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    change = ("--set", "gpu.iteration_time.decode_only=0.04")
    code, out, err = gnr(capsys, "solve", "two-class", "--json", *change)
    assert code == 0
    assert len(json.loads(out)["warnings"]) == 2
    assert err.count("warning: two-class:") == 2


def test_out_writes_json_and_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    code, out, _ = gnr(capsys, "solve", "two-class", "--json", "--out", str(folder))
    assert code == 0
    assert json.loads((folder / "two-class.solution.json").read_text()) == json.loads(out)
    assert (folder / "two-class.plan.png").read_bytes().startswith(b"\x89PNG")
    picture = (folder / "two-class.plan.svg").read_text()
    assert "decode-heavy" in picture
    gnr(capsys, "solve", "two-class", "--out", str(tmp_path / "again"))
    assert (tmp_path / "again" / "two-class.plan.svg").read_text() == picture, "reproducible"


def test_cite_prints_bibtex_and_keeps_json_clean(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = gnr(capsys, "solve", "two-class", "--cite")
    assert out.count("@") >= 4
    assert "2602.02987" in out
    _, out, err = gnr(capsys, "solve", "two-class", "--cite", "--json")
    json.loads(out)
    assert "@software{gnr" in err


PROMISE = 'slis=[{kind="mean_tpot", at_most=%s}]'


def test_solve_tells_promises_and_what_looser_ones_earn(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At 23 ms the mixed group is capped by (D7); revenue rises 91164 money/s per second of eta."""
    promised = ("solve", "two-class", "--set", PROMISE % 0.023)
    code, document = gnr_json(capsys, *promised, "--out", str(tmp_path))
    assert code == 0
    jsonschema.validate(document, read_schema("solve"))
    (told,) = document["promises"]
    assert told["planned"] == pytest.approx(0.023, rel=1e-9)
    assert document["marginals"]["mean_tpot"] == told["price"]
    assert "mean_tpot at most 23 ms" in (tmp_path / "two-class.plan.svg").read_text()
    _, out, _ = gnr(capsys, *promised)
    assert "at most 0.023" in out
    assert "mean_tpot: looser, it earns at first 91.1" in out
    assert "the promise mean_tpot holds the revenue back" in out


def test_a_promise_out_of_reach_names_the_nearest_that_typed_back_is_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """(P47) is never below 1/gamma = 0.0220022002... s, which six digits outward round up."""
    code, document = gnr_json(capsys, "solve", "two-class", "--set", PROMISE % 0.022)
    assert code == 1
    jsonschema.validate(document, read_schema("solve"))
    assert document["conflict"]["promises"] == ["mean_tpot"]
    (way_out,) = document["conflict"]["keepable"]
    assert way_out["nearest"] == 0.0220023
    (short,) = document["shortfall"]
    assert short["requirement"] == "promise mean_tpot at most 0.022 s"
    code, out, _ = gnr(capsys, "solve", "two-class", "--set", PROMISE % 0.022)
    assert code == 1
    assert "mean_tpot: at_most = 0.0220023 instead of 0.022 (s)" in out
    assert gnr(capsys, "solve", "two-class", "--set", PROMISE % 0.0220023)[0] == 0
    _, out, _ = gnr(capsys, "solve", "two-class", "dolly-eight-class", "--set", PROMISE % 0.01)
    assert out.count("promises in conflict: mean_tpot") == 2


def test_a_promise_is_overridden_by_its_label(capsys: pytest.CaptureFixture[str]) -> None:
    def tighten(path: str) -> tuple[int, str, str]:
        changes = ("--set", PROMISE % 0.03, "--set", f"{path}=0.022")
        return gnr(capsys, "solve", "two-class", *changes)

    assert tighten("slis.mean_tpot.at_most")[0] == 1
    assert tighten("slis[0].at_most")[0] == 1
    code, _, err = tighten("slis.mean_tpt.at_most")
    assert code == 2
    assert "did you mean mean_tpot?" in err
    code, _, err = gnr(capsys, "solve", "two-class", "--set", "slis.mean_tpot.at_most=1")
    assert code == 2
    assert "the file promises nothing" in err


def test_no_picture_of_an_earlier_plan_stays_beside_an_infeasible_solution(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ("--out", str(tmp_path))
    assert gnr(capsys, "solve", "two-class", *out)[0] == 0
    impossible = 'slis=[{kind="throughput", at_least=9.0}]'
    code, _, told = gnr(capsys, "solve", "two-class", "--set", impossible, *out)
    assert code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["two-class.solution.json"]
    assert "removed" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("solve",),
        ("solve", "nope"),
        ("solve", "none.toml"),
        ("solve", "."),
        ("solve", "two-class", "--gpus", "0"),
        ("solve", "two-class", "--gpus", "many"),
        ("solve", "two-class", "--unknown"),
        ("solve", "two-class", "--set", "gpu.batch_slots"),
        ("solve", "two-class", "--set", "gpus.batch_slots=3"),
        ("solve", "two-class", "--set", "gpu.batch_slots=1"),
        ("solve", "two-class", "--out", os.devnull),
        ("draw", "two-class", "--format", "bmp"),
        ("export", "two-class"),
        ("export", "two-class", "--gpus", "0"),
        ("export", "two-class", "--gpus", "5", "--format", "yaml"),
        ("export", "two-class", "--gpus", "5", "--out", os.devnull),
        ("frobnicate",),
    ],
)
def test_bad_input_ends_with_2_a_message_and_nothing_on_stdout(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = gnr(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err
    if arguments[0] != "frobnicate":
        code, document = gnr_json(capsys, *arguments)
        assert code == 2
        jsonschema.validate(document, read_schema("error"))
        assert document["error"]["code"] == 2


def test_internal_error_ends_with_4_and_a_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("gnr.models.steady_state.solve", broken)
    code, out, err = gnr(capsys, "solve", "two-class")
    assert (code, out) == (4, "")
    assert "Traceback" not in err
    report = Path(err.split("the report is in ")[1].split(";")[0])
    assert "planted" in report.read_text()
    report.unlink()


def test_interrupt_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gnr.models.steady_state.solve", interrupted)
    assert gnr(capsys, "solve", "two-class")[0] == 130


def test_the_installed_command_runs_anywhere(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("gnr")
    done = subprocess.run(
        [command, "solve", "two-class", "--json"], cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["status"] == "optimal"


def test_the_solver_says_nothing_before_the_json() -> None:
    """HiGHS prints a banner as soon as it is made, into a buffer that only a process empties."""
    sweep = ["sweep", "two-class-promises", "--vary", "gpu.batch_slots=8:10", "--json"]
    command = Path(sys.executable).with_name("gnr")
    done = subprocess.run([command, *sweep], capture_output=True, check=True)
    assert json.loads(done.stdout)["instance"] == "two-class-promises"


def test_a_closed_pipe_is_no_error() -> None:
    command = Path(sys.executable).with_name("gnr")
    done = subprocess.run(
        ["bash", "-c", f"{command} solve two-class --json | head -c 1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_two_instances_of_one_name_do_not_overwrite_each_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = gnr(capsys, "solve", "two-class", "two-class", "--out", str(tmp_path))
    assert code == 2
    assert "would write the same files" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["[red]x[/]", "$\\\\foo$", "cost $5 & <6>", "日本語", "ünï çödé"])
def test_odd_class_names_are_shown_as_they_are(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    change = ("--set", f'classes.0.name="{name}"', "--out", str(tmp_path))
    shown = name.replace("\\\\", "\\")
    code, out, _ = gnr(capsys, "solve", "two-class", *change)
    assert code == 0
    assert shown in out
    assert gnr(capsys, "draw", "two-class", *change)[0] == 0
    for picture in ("two-class.plan.svg", "two-class.network.svg"):
        assert shown in "".join(ET.parse(tmp_path / picture).getroot().itertext())
    assert shown in (tmp_path / "two-class.network.graphml").read_text() or "<" in shown


def test_an_interrupt_leaves_no_half_written_file(tmp_path: Path) -> None:
    from gnr.atomic import complete_file

    path = tmp_path / "result.json"
    path.write_text("older")

    def write_half() -> None:
        with complete_file(path) as temporary:
            temporary.write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_without_a_traceback() -> None:
    command = Path(sys.executable).with_name("gnr")
    for option in ("--json", "--cite"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [command, "solve", "two-class", option],
                stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert done.returncode == 4
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_file_without_suffix_is_reached_as_new_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, _, err = gnr(capsys, "new", "two-class")
    assert "gnr check ./two-class" in err, "not the shipped instance of this name"
    code, document = gnr_json(capsys, "check", "./two-class")
    assert (code, document["mixed_iteration_time"]) == (0, pytest.approx(0.049388))
    gnr(capsys, "new", "mine")
    assert "write ./mine" in gnr(capsys, "check", "mine")[2]


def test_a_plan_too_small_for_its_groups_comes_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = gnr(capsys, "solve", "two-class", "--gpus", "1")
    assert code == 0
    assert "the cluster is too small to follow it (mixed GPUs are rounded up to 1; " in err
    assert "warning" not in gnr(capsys, "solve", "two-class", "--gpus", "500")[2]


def test_times_in_milliseconds_are_asked_after(capsys: pytest.CaptureFixture[str]) -> None:
    changes = ("base=17.4", "per_chunk_token=0.062", "decode_only=22")
    sets = [part for each in changes for part in ("--set", f"gpu.iteration_time.{each}")]
    assert gnr(capsys, "check", "two-class", *sets)[2].count("are the times in seconds?") == 2


def test_narrow_terminals_cut_no_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in SHIPPED:
        _, out, _ = gnr(capsys, "solve", name, "--gpus", "64")
        assert "…" not in out.replace("information-extract…", "")
        assert max(map(len, out.splitlines())) <= 80


def test_a_limit_of_the_solver_ends_with_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gnr.models import steady_state
    from gnr.models.solver import Outcome, Status

    for route in ("optimize", "optimize_scaled"):
        monkeypatch.setattr(steady_state, route, lambda model: Outcome(Status.LIMIT))
    code, document = gnr_json(capsys, "solve", "two-class", "--gpus", "5")
    assert (code, document["status"], document["plan"]) == (3, "limit", None)


def test_comparison_shows_hourly_money_and_groups(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = gnr(capsys, "solve", "two-class", "two-class-separate", "--gpus", "500")
    (row,) = [line for line in out.splitlines() if line.strip().startswith("two-class ")][:1]
    assert row.split() == [
        "two-class", "1,071,731", "128,945", "21.3%", "96.8%", "595,702", "23.6", "ms",
        "107", "+", "393",
    ]  # fmt: skip


def test_tables_show_each_number_in_its_column(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = gnr(capsys, "solve", "two-class-separate", "--gpus", "500")
    rows = [line.split()[1:] for line in out.splitlines() if line.startswith(" prefill-heavy")]
    assert rows == [
        ["0.5", "0.0000", "0.1950", "0.8017", "3.217", "1.568"],
        ["84.0%", "0.0%", "16.0%", "380", "278.448"],
        ["97.48", "0.0", "42.4%", "1.000", "0.263", "1"],
    ]
    (solo,) = [line for line in out.splitlines() if line.startswith(" decode slots on solo")]
    assert solo.split()[5:] == ["12.5688", "12.5688", "full", "9.09", "32724"]
