"""`gnr simulate` and `gnr converge` as a user runs them."""

import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xarray as xr

from gnr.cli.app import run
from gnr.schemas import read_schema

QUICK = ("--horizon", "60", "--warmup", "20", "--replications", "8")


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def gnr_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = gnr(capsys, *arguments, "--json")
    return code, json.loads(out)


CONTRACT = {
    "schema_version", "instance", "policy", "fidelity", "gpus", "replications", "horizon_s",
    "warmup_s", "seed", "engine", "accounting", "lp_revenue_rate", "plan_revenue_rate",
    "revenue_rate", "gap", "gap_terms", "classes", "events", "events_per_second", "provenance",
}  # fmt: skip
CLASS_CONTRACT = {
    "name", "prefill", "mixed_decode", "solo_decode", "prefill_queue", "decode_queue",
    "throughput", "abandoned_prefill", "abandoned_decode", "tpot",
}  # fmt: skip


def test_simulate_prints_the_documented_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Other programs rely on these keys (DESIGN section 2)."""
    code, document = gnr_json(capsys, "simulate", "two-class", "--gpus", "20")
    assert code == 0
    jsonschema.validate(document, read_schema("simulate"))
    assert set(document) >= CONTRACT
    assert set(document["revenue_rate"]) == {"mean", "half_width", "confidence"}
    assert set(document["gap"]) == {"mean", "half_width"}
    for one in document["classes"]:
        assert set(one) == CLASS_CONTRACT | {"latency"}
        assert all(set(one[key]) == {"mean", "half_width"} for key in CLASS_CONTRACT - {"name"})
    assert document["lp_revenue_rate"] == pytest.approx(297.7031698642446, rel=1e-12)
    assert document["provenance"]["seed"] == document["seed"] == 1
    assert document["fidelity"] == "per-gpu"
    assert document["latency"]["ttft_p50"]["mean"] < document["latency"]["ttft_p99"]["mean"]
    _, pooled = gnr_json(
        capsys, "simulate", "two-class", "--gpus", "20", *QUICK, "--fidelity", "pooled"
    )
    jsonschema.validate(pooled, read_schema("simulate"))
    assert (pooled["fidelity"], pooled["latency"]) == ("pooled", None)


def test_same_seed_same_numbers_another_seed_others(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("simulate", "two-class", "--gpus", "20", *QUICK)
    first, again, other = (
        gnr_json(capsys, *arguments, "--seed", seed)[1]["revenue_rate"] for seed in "112"
    )
    assert first == again != other


def test_accounting_changes_the_target_and_policy_the_plan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("simulate", "two-class", "--gpus", "20", *QUICK)
    _, bundled = gnr_json(capsys, *arguments, "--policy", "prioritize-and-route")
    _, separate = gnr_json(
        capsys, *arguments, "--policy", "prioritize-and-route", "--account", "separate"
    )
    assert (bundled["accounting"], separate["accounting"]) == ("bundled", "separate")
    assert bundled["lp_revenue_rate"] == pytest.approx(297.7031698642446)
    assert separate["lp_revenue_rate"] == pytest.approx(298.58655675)
    assert bundled["plan_revenue_rate"] == separate["plan_revenue_rate"]
    assert bundled["gap"]["mean"] > separate["gap"]["mean"]
    _, by_price = gnr_json(capsys, "simulate", "two-class-separate", "--gpus", "20", *QUICK)
    assert by_price["policy"] == "prioritize-and-route"


def test_the_group_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("simulate", "two-class", "--gpus", "20", *QUICK, "--policy", "disaggregated")
    _, own = gnr_json(capsys, *arguments)
    _, asked = gnr_json(capsys, *arguments, "--mixed-gpus", "2")
    assert any("2 of 20 GPUs prefill, as asked for" in each for each in asked["warnings"])
    assert asked["provenance"]["options"]["mixed_gpus"] == 2
    assert asked["revenue_rate"]["mean"] < own["revenue_rate"]["mean"], "too few can prefill"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--mixed-gpus", "21"), "--mixed-gpus: must be from 1 to 20"),
        (("--mixed-gpus", "3", "--policy", "fcfs-immediate"), "there is none under fcfs-immediate"),
    ],
)
def test_a_group_that_cannot_be_is_told_of(
    more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = gnr(capsys, "simulate", "two-class", "--gpus", "20", *more)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "best"), "no policy 'best'"),
        (("--engine", "fastest"), "no engine 'fastest'"),
        (("--account", "twice"), "no accounting 'twice'"),
        (("--fidelity", "exact"), "--fidelity: no 'exact'"),
        (("--fidelity", "per-gpu", "--engine", "numpy"), "numpy does not simulate GPU by GPU"),
        (("--fidelity", "pooled", "--lengths", "deterministic"), "exponential lengths only"),
        (
            ("--fidelity", "pooled", "--policy", "disaggregated"),
            "the pooled chain cannot follow disaggregated",
        ),
        (
            ("--gpus", "2000000", "--fidelity", "per-gpu"),
            "2,000,000 GPUs one by one need too much memory",
        ),
        (("--lengths", "uniform"), "--lengths: no law of lengths 'uniform'"),
        (("--lengths", "lognormal:-1"), "lognormal needs a coefficient of variation"),
        (("--lengths", "nowhere.csv"), "nowhere.csv"),
        (("--gpus", "0"), "must be an integer from 1"),
        (("--replications", "1"), "--replications: must be at least 4"),
        (("--horizon", "-3"), "--horizon: must be above 0 s"),
        (("--precision", "lots"), "--precision: must be a share, got 'lots'"),
        (("--precision", "300%"), "--precision: must be a share"),
        (("--seed", "-1"), "--seed: must be at least 0"),
    ],
)
@pytest.mark.parametrize("verb", ["simulate", "converge"])
def test_bad_options_end_with_2_and_name_the_option(
    verb: str, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = gnr(capsys, verb, "two-class", *arguments)
    assert code == 2
    assert not out
    if (verb, arguments[0]) != ("converge", "--gpus"):
        assert said in err


@pytest.mark.parametrize("verb", ["simulate", "converge"])
def test_an_overload_that_nobody_leaves_is_an_honest_negative(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    never = ("--set", "classes.0.patience_rate=0", "--set", "classes.1.patience_rate=0")
    code, document = gnr_json(capsys, verb, "two-class", *never)
    assert code == document["error"]["code"] == 1
    assert "no steady state exists" in document["error"]["messages"][0]["message"]


def test_a_window_too_short_to_tell_is_undecided(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing happens in a millisecond; equal zeros are no agreement."""
    code, document = gnr_json(capsys, "simulate", "two-class", "--horizon", "0.001", "--gpus", "5")
    assert code == 3
    assert document["warmup_check"]["agree"] == "undecided"


def test_a_misspelt_policy_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = gnr(capsys, "simulate", "two-class", "--policy", "gate-and-rout")
    assert "use gate-and-route?" in err


def test_small_clusters_alone_give_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """Four sizes up to 32 GPUs once said `does not converge`, with a gap that does."""
    code, document = gnr_json(
        capsys, "converge", "two-class", "--gpus", "4,8,16,32", "--replications", "4"
    )
    assert code == 3
    assert document["verdict"] == "undecided"
    assert any("a verdict needs" in warning for warning in document["warnings"])


def test_a_missing_engine_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        import cupy

        cupy.zeros(1)
        pytest.skip("this machine has a GPU")
    except Exception:
        code, document = gnr_json(capsys, "simulate", "two-class", "--engine", "cupy")
    assert code == 2
    assert "cupy is not available here" in document["error"]["messages"][0]["message"]


def test_a_precision_that_is_not_reached_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("simulate", "two-class", "--gpus", "20", "--horizon", "200", "--replications", "8")
    code, document = gnr_json(
        capsys, *arguments, "--precision", "0.01%", "--most-replications", "8"
    )
    assert code == 3
    assert document["precision"]["reached"] is False
    assert any("precision was not reached" in warning for warning in document["warnings"])


def test_simulate_draws_surge_and_drain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = str(tmp_path / "new" / "folder")
    pooled = ("--fidelity", "pooled")
    gnr(capsys, "simulate", "two-class", "--gpus", "50", *QUICK, *pooled, "--out", out)
    written = {path.name for path in Path(out).iterdir()}
    stem = "two-class.gate-and-route"
    expected = {f"{stem}.simulation.json", f"{stem}.courses.svg", f"{stem}.courses.png"}
    assert written == expected
    ET.parse(Path(out) / f"{stem}.courses.svg")


def converged(capsys: pytest.CaptureFixture[str], out: Path, *more: str) -> tuple[int, Any, str]:
    code, printed, err = gnr(
        capsys, "converge", "two-class", "--gpus", "5,20,50,200", "--horizon", "400",
        "--replications", "8", "--out", str(out), "--json", *more,
    )  # fmt: skip
    return code, json.loads(printed), err


def test_converge_writes_json_arrays_and_pictures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, document, err = converged(capsys, tmp_path)
    jsonschema.validate(document, read_schema("converge"))
    assert code == {"converges": 0, "does not converge": 1, "undecided": 3}[document["verdict"]]
    assert [point["gpus"] for point in document["points"]] == [5, 20, 50, 200]
    assert document["fit"]["exponent"]["low"] > 0
    stem = "two-class.gate-and-route"
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{stem}.convergence.json", f"{stem}.convergence.nc", f"{stem}.gap.svg", f"{stem}.gap.png",
        f"{stem}.occupancies.svg", f"{stem}.occupancies.png",
    }  # fmt: skip
    assert "5 GPUs: gap" in err
    with xr.open_dataset(tmp_path / f"{stem}.convergence.nc", engine="h5netcdf") as arrays:
        assert dict(arrays.sizes) == {"policy": 1, "gpus": 4, "class": 2, "replication": 8}
        mean = arrays["gap"].mean("replication").values[0]
        assert mean == pytest.approx([point["gap"]["mean"] for point in document["points"]])
        assert "seed" in json.loads(arrays.attrs["provenance"])


@pytest.mark.long
def test_converge_shows_several_policies_together(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, document, _ = converged(
        capsys, tmp_path, "--policy", "gate-and-route", "--policy", "sli-aware"
    )
    assert [one["policy"] for one in document["results"]] == ["gate-and-route", "sli-aware"]
    assert (tmp_path / "two-class.gate-and-route+sli-aware.occupancies.png").exists()
    assert not document["results"][0]["paired"]
    for pair, one, other in zip(
        document["results"][1]["paired"],
        document["results"][1]["points"],
        document["results"][0]["points"],
        strict=True,
    ):
        expected = one["revenue_rate"]["mean"] - other["revenue_rate"]["mean"]
        assert pair["difference"]["mean"] == pytest.approx(expected)
        assert 0 < pair["correlation"] <= 1


def test_few_sizes_leave_the_verdict_undecided(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(capsys, "converge", "two-class", "--gpus", "5,20", *QUICK)
    assert code == 3
    assert document["fit"] is None
    assert any("no power law" in warning for warning in document["warnings"])


@pytest.mark.parametrize("sizes", ["5,5", "0,5", "five", ""])
def test_bad_sizes_are_refused(sizes: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = gnr(capsys, "converge", "two-class", "--gpus", sizes)
    assert code == 2
    assert err.startswith("--gpus: ")


@pytest.mark.long
def test_an_interrupt_keeps_the_sizes_that_are_done(tmp_path: Path) -> None:
    """Ctrl-C in the middle: what is finished is on disk, complete, and marked as partial."""
    command = (
        sys.executable, "-m", "gnr", "converge", "two-class", "--gpus", "5,20,100000",
        "--out", str(tmp_path),
    )  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("gnr: 20 GPUs"):
                break
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    document = json.loads((tmp_path / "two-class.gate-and-route.convergence.json").read_text())
    assert document["complete"] is False
    assert [point["gpus"] for point in document["points"]] == [5, 20]


def test_an_interrupted_simulation_keeps_its_complete_parts(tmp_path: Path) -> None:
    command = (
        sys.executable, "-m", "gnr", "simulate", "two-class", "--gpus", "20000", "--json",
        "--warmup", "1", "--horizon", "20000", "--replications", "4",
    )  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:  # progress: the simulation has begun
            if "%" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130, err
    assert "gnr: interrupted" in err
    assert "Traceback" not in err


def test_summary_names_gap_causes_and_warmup(capsys: pytest.CaptureFixture[str]) -> None:
    _, shown, _ = gnr(capsys, "simulate", "two-class", "--gpus", "20")
    for words in ("a gap of", "left before decode", "starts agree within 0.5%", "events"):
        assert words in shown


def promising(tmp_path: Path, *slis: str) -> str:
    """Write the shipped instance with these tables of promises; return its path."""
    from gnr.instance_text import to_toml
    from gnr.reading import load

    path = tmp_path / "promising.toml"
    text = to_toml(load("two-class")).replace('name = "two-class"', 'name = "promising"', 1)
    path.write_text("\n[[slis]]\n".join([text, *slis]))
    return str(path)


FAIR = 'kind = "prefill_fairness"\nat_most = 0.15\nname = "fair"'
SOON = 'kind = "mean_ttft"\nclass = "decode-heavy"\nat_most = 9'


def test_promises_are_measured_and_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = (promising(tmp_path, FAIR, SOON), "--policy", "sli-aware", "--gpus", "20", *QUICK)
    _, document = gnr_json(capsys, "simulate", *arguments)
    jsonschema.validate(document, read_schema("simulate"))
    fair, soon = document["promises"]
    assert set(fair) == {
        "name", "kind", "class", "unit", "direction", "promised", "planned", "measured",
        "served_only", "kept", "keepable", "penalty",
    }  # fmt: skip
    assert (fair["name"], fair["promised"], fair["planned"]) == ("fair", 0.15, pytest.approx(0.15))
    assert (fair["class"], fair["served_only"]) == (None, None)
    measured = fair["measured"]["mean"] - fair["measured"]["half_width"]
    assert fair["kept"] == ("no" if measured > 0.15 else "undecided")
    assert (soon["class"], soon["kept"]) == ("decode-heavy", "yes")
    assert set(soon["served_only"]) == {"mean", "half_width"}
    assert document["lp_revenue_rate"] == pytest.approx(297.7031698642446, rel=1e-9)
    assert document["plan_revenue_rate"] == pytest.approx(280.188987737437, rel=1e-6)
    earned = document["revenue_rate"]["mean"]
    assert document["plan_gap"]["mean"] == pytest.approx(1 - earned / 280.188987737437, rel=1e-6)
    _, shown, _ = gnr(capsys, "simulate", *arguments)
    for words in ("promises, 95 % intervals", "served only", "kept", "That optimum promises"):
        assert words in shown
    _, pooled = gnr_json(capsys, "simulate", *arguments, "--fidelity", "pooled")
    assert pooled["promises"][1]["served_only"] is None


def test_without_promises_nothing_is_said_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("simulate", "two-class", "--gpus", "5", *QUICK)
    _, document = gnr_json(capsys, *arguments)
    assert document["promises"] == []
    assert document["plan_gap"]["mean"] == pytest.approx(document["gap"]["mean"])
    assert "promise" not in gnr(capsys, *arguments)[1]


def test_under_promises_the_default_policy_keeps_the_planned_split(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Other splits earn the same without promises, and may break one."""
    few = ("--gpus", "5", *QUICK)
    file = promising(tmp_path, 'kind = "disaggregation"\nat_most = 1.5')
    _, document = gnr_json(capsys, "simulate", file, *few)
    assert document["policy"] == "sli-aware-general"
    _, shown, _ = gnr(capsys, "simulate", file, "--policy", "gate-and-route", *few)
    assert "other splits earn the same" not in shown
    _, shown, _ = gnr(capsys, "simulate", "two-class", *few)
    assert shown.startswith("two-class: gate-and-route")
    assert "other splits earn" in shown
    sizes = ("--gpus", "5,20", "--out", str(tmp_path))
    gnr(capsys, "converge", file, *sizes, *QUICK)
    assert (tmp_path / "promising.sli-aware-general.convergence.json").exists()


@pytest.mark.parametrize("verb", ["simulate", "converge"])
def test_promises_that_no_plan_of_the_policy_keeps_are_an_honest_negative(
    verb: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = promising(tmp_path, 'kind = "mean_tpot"\nat_most = 0.01\nname = "speedy"')
    code, document = gnr_json(capsys, verb, file, "--policy", "sli-aware")
    assert code == document["error"]["code"] == 1
    (problem,) = document["error"]["messages"]
    assert problem["message"] == "no plan keeps speedy"
    assert "promise speedy at most 0.022" in problem["remedy"]


def test_converge_under_promises_is_judged_against_the_plan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Against the optimum without promises no cluster, however large, could converge."""
    arguments = (
        "converge", promising(tmp_path, FAIR), "--policy", "sli-aware", "--gpus", "5,20,50,200",
        *QUICK,
    )  # fmt: skip
    _, shown, _ = gnr(capsys, *arguments, "--out", str(tmp_path))
    document = json.loads((tmp_path / "promising.sli-aware.convergence.json").read_text())
    jsonschema.validate(document, read_schema("converge"))
    assert document["against"] == "plan"
    assert document["approached_revenue_rate"] == pytest.approx(280.188987737437, rel=1e-6)
    assert document["lp_revenue_rate"] == pytest.approx(297.7031698642446, rel=1e-9)
    assert document["fit"]["limit"]["estimate"] < 1 - 280.2 / 297.7
    for words in ("gap to the plan", "promises by cluster size", "LP optimum without the promises"):
        assert words in shown
    picture = (tmp_path / "promising.sli-aware.gap.svg").read_text()
    assert "gap to the plan with its promises" in picture
    _, free = gnr_json(capsys, "converge", "two-class", "--gpus", "5,20", *QUICK)
    assert (free["against"], free["approached_revenue_rate"]) == (
        "optimum", free["lp_revenue_rate"]
    )  # fmt: skip


def test_who_breaks_a_promise_does_not_converge_to_the_plan_but_beyond_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The static ranking ignores the cap and earns a fifth more than the plan at every size."""
    file = promising(tmp_path, 'kind = "mean_tpot"\nat_most = 0.0235')
    arguments = (file, "--policy", "price-index-fill", "--gpus", "10,20,40,80", *QUICK)
    _, document = gnr_json(capsys, "converge", *arguments, "--out", str(tmp_path))
    assert all(point["promises"][0]["kept"] == "no" for point in document["points"])
    limit = document["fit"]["limit"]
    assert 1 - 297.704 / document["approached_revenue_rate"] < limit["low"]
    assert limit["high"] < -0.05


@pytest.mark.parametrize(
    ("verdict", "reached", "complete", "code"),
    [
        ("converges", True, True, 0),
        ("does not converge", True, True, 1),
        ("undecided", True, True, 3),
        ("converges", False, True, 3),
        ("converges", True, False, 130),
    ],
)
def test_exit_codes_of_converge(verdict: str, reached: bool, complete: bool, code: int) -> None:
    from types import SimpleNamespace

    from gnr.cli.converge_verb import _exit_code

    point = SimpleNamespace(precision=SimpleNamespace(reached=reached))
    result = SimpleNamespace(verdict=verdict, complete=complete, points=(point,))
    assert _exit_code([result]) == code


def test_theta_zero_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(
        capsys, "simulate", "two-class", "--gpus", "20", *QUICK,
        "--set", "classes.1.patience_rate=0",
    )  # fmt: skip
    assert code in (0, 3)
    assert any("never leave" in warning for warning in document["warnings"])
