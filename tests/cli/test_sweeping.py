"""`gnr sweep` as a user runs it."""

import json
from pathlib import Path

import jsonschema
import pytest
import xarray as xr

from gnr.cli.app import run
from gnr.models import sweeps
from gnr.schemas import read_schema

PRICES = ["--vary", "prices.prompt_token=0:0.5:6", "--vary", "prices.output_token=0.01:0.5:5"]


def test_json_along_one_parameter_is_as_documented(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["sweep", "two-class", "--vary", "gpu.batch_slots=2:32", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0
    jsonschema.validate(document, read_schema("sweep"))
    assert document["axes"][0]["values"] == list(range(2, 33))
    assert document["best"]["values"] == {"gpu.batch_slots": 17}
    assert document["kinks"] == [{"lower": 16, "upper": 17, "before": "decode", "after": "none"}]
    assert document["revenue_rate"][14] == pytest.approx(297.7031698642447, rel=1e-12)
    assert document["tpot_capacity"][14] == pytest.approx(0.0242852963, rel=1e-8)
    assert document["tpot_token_mean"][14] == pytest.approx(0.0236232042, rel=1e-8)


def test_the_best_chunk_is_told_alone_and_under_a_promise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chunks = "gpu.chunk_tokens=256,512,1024"
    code = run(["sweep", "two-class", "--vary", chunks, "--tpot-at-most", "0.024"])
    shown = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert "With the promises kept, gpu.chunk_tokens = 256" in shown
    assert "Without promises, gpu.chunk_tokens = 256" in shown
    assert "mean_tpot at most 0.024" in shown


def test_a_best_point_outside_the_iteration_time_law_is_not_trusted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["sweep", "two-class", "--vary", "gpu.chunk_tokens=32,256"]) == 0
    shown = capsys.readouterr()
    assert "gpu.chunk_tokens = 256 tokens per iteration earns most" in shown.out
    assert "Not to be trusted: gpu.chunk_tokens = 32" in shown.out
    assert "kappa is below 1" in shown.err


def test_a_best_point_at_the_end_of_its_range_is_flagged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def told(vary: str) -> str:
        assert run(["sweep", "two-class", "--vary", vary]) == 0
        return " ".join(capsys.readouterr().out.split())

    assert "This is the end of gpu.batch_slots: more may be earned" in told("gpu.batch_slots=4:8")
    assert "This is the end" not in told("gpu.batch_slots=30,40,50,3000,4000"), "flat there"
    assert "This is the end" not in told("gpu.chunk_tokens=64,256,8192")
    assert "This is the end" not in told("prices.prompt_token=0.1,0.2"), "at fixed demand"


def test_sweeps_of_different_parameters_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for vary in ("gpu.batch_slots=4,8", "classes.decode-heavy.arrival_rate=0.1,0.2"):
        assert run(["sweep", "two-class", "--vary", vary, "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.glob("*.json")} == {
        "two-class.sweep.batch_slots.json",
        "two-class.sweep.decode-heavy-arrival_rate.json",
    }


def test_a_map_of_prices_refutes_the_best_ratio_and_writes_pictures_and_arrays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "two-class", *PRICES, "--out", str(tmp_path)]) == 0
    assert "claim that one ratio in between is best is refuted" in " ".join(
        capsys.readouterr().out.split()
    )
    kinds = {f"{kind}.{suffix}" for kind in ("revenue", "binding") for suffix in ("png", "svg")}
    stem = "two-class.sweep.prompt_token-output_token"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{stem}.{kind}" for kind in kinds | {"json", "nc"}}
    document = json.loads((tmp_path / f"{stem}.json").read_text())
    with xr.open_dataset(tmp_path / f"{stem}.nc", engine="h5netcdf") as arrays:
        assert arrays.revenue_rate.shape == (6, 5)
        assert arrays.revenue_rate.values.ravel().tolist() == document["revenue_rate"]
        assert arrays.binding.values.ravel().tolist() == document["binding"]


def test_a_curve_is_drawn_with_what_cannot_be_kept(tmp_path: Path) -> None:
    vary = ["--vary", "gpu.iteration_time.decode_only=0.01:0.03:9", "--tpot-at-most", "0.022"]
    assert run(["sweep", "two-class", *vary, "--out", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "two-class.sweep.decode_only.json").read_text())
    assert document["binding"][-1] == "infeasible"
    assert document["revenue_rate"][-1] is None
    assert (tmp_path / "two-class.sweep.decode_only.curves.png").stat().st_size > 10_000


def test_a_promise_that_no_point_keeps_is_an_honest_negative(
    capsys: pytest.CaptureFixture[str],
) -> None:
    vary = ["--vary", "gpu.batch_slots=8,16", "--tpot-at-most", "0.01"]
    assert run(["sweep", "two-class", *vary]) == 1
    assert "there is no plan at 100.0%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ([], "command line"),
        (["--vary", "gpu.batch_slots"], "--vary gpu.batch_slots"),
        (["--vary", "gpu.batch_slots=1:4"], "--vary, at gpu.batch_slots=1"),
        (["--vary", "gpu.batch_slots=2:4", "--tpot-at-most", "-1"], "--tpot-at-most"),
        (["--vary", "gpu.batch_slots=2:4", "--tpot-at-most", "nan"], "--tpot-at-most"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    options: list[str], place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "two-class", *options, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert place in {message["file"] for message in error["messages"]}


def test_no_instance_is_swept_if_another_cannot_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[str] = []
    monkeypatch.setattr(sweeps, "sweep", lambda *_, **__: swept.append("one"))
    vary = "classes.decode-heavy.arrival_rate=0.1:1"
    assert run(("sweep", "two-class", "dolly-eight-class", "--vary", vary)) == 2
    assert "no element 'decode-heavy'" in capsys.readouterr().err
    assert not swept


@pytest.mark.parametrize(
    ("slis", "binding"),
    [
        ('[{kind="token_tpot",at_most=0.023}]', ["promise", "promise", "none", "none"]),
        ('[{kind="token_tpot",at_most=0.0219}]', ["promise"] * 4),
        ('[{kind="token_tpot",penalty_weight=1e5}]', ["penalty"] * 4),
    ],
)
def test_what_turns_requests_away_is_named(
    slis: str, binding: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With 18 slots and more all are served, and the first promise, though used up, costs nothing.

    The second is below an iteration without prefill, and the penalty is more than anybody pays:
    nobody is served, though nothing is short.
    """
    vary = ["--vary", "gpu.batch_slots=16:19"]
    assert run(["sweep", "two-class", "--set", f"slis={slis}", *vary, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["binding"] == binding
    nobody = "at 4 of 4 points the promises are kept only by serving nobody"
    assert document["warnings"] == ([nobody] if "0.0219" in slis else [])


def test_the_best_of_some_points_is_not_called_the_best_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Below C = 76 kappa is under 1: at 64 tokens 305 is earned too, but not to be trusted."""
    assert run(["sweep", "two-class", "--vary", "gpu.chunk_tokens=64,96"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "earns most of the points with kappa ≥ 1" in shown


def test_a_promise_is_not_varied_but_traced(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "two-class", "--vary", "slis.token_tpot.at_most=0.02:0.03"]) == 2
    assert "gnr frontier" in capsys.readouterr().err
