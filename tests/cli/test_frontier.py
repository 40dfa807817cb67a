"""`gnr frontier` as a user runs it."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gnr.cli.app import run
from gnr.frontier_result import FrontierMap
from gnr.instance_text import to_toml
from gnr.models import frontiers, steady_state
from gnr.models.moving_promise import moving_promise
from gnr.models.promise_map import frontier_map
from gnr.plots.map_plot import draw_map
from gnr.reading import load
from gnr.schemas import read_schema


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(("frontier", *arguments))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def gnr_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = gnr(capsys, *arguments, "--json")
    return code, json.loads(out)


def solves(document: Any) -> list[Any]:
    """Return all solves anew of a frontier."""
    found = [(each["resolved_left"], each["resolved_right"]) for each in document["breakpoints"]]
    return [each for sides in found for each in sides if each is not None]


def with_slis(folder: Path, *slis: str) -> str:
    """Return the path of the two-class instance with promises added."""
    path = folder / "promised.toml"
    text = to_toml(load("two-class"))
    path.write_text(text + "".join(f"\n[[slis]]\n{sli}\n" for sli in slis))
    return str(path)


def test_frontier_prints_the_documented_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = gnr_json(capsys, "two-class", "--sli", "mean_tpot")
    assert code == 0
    jsonschema.validate(document, read_schema("frontier"))
    assert document["sli"]["direction"] == "at_most"
    assert document["best_revenue_rate"] == pytest.approx(297.7031698642446, rel=1e-12)
    assert document["tightest"]["bound"] == pytest.approx(0.022002200220022)
    assert len(document["pieces"]) == 3
    assert document["verified"] is True
    for piece in document["pieces"]:
        (a, b), (c, d), low = piece["numerator"], piece["denominator"], piece["from"]
        assert (a + b * low) / (c + d * low) == pytest.approx(piece["revenue_from"], abs=1e-6)
    for point in document["breakpoints"]:
        assert point["agrees"] is True
        assert [each["name"] for each in point["classes"]] == ["decode-heavy", "prefill-heavy"]
        for solve in (point["resolved_left"], point["resolved_right"]):
            assert solve["status"] in ("optimal", "infeasible")
    assert document["provenance"]["options"]["sli"] == "mean_tpot"


def test_frontier_tells_people_where_the_price_changes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = gnr(capsys, "two-class", "--sli", "mean_tpot", "--sli", "throughput")
    assert code == 0
    assert "22.0023" in out, "times in ms"
    assert "24.2853" in out
    assert "No tighter one can be kept." in out
    assert "8 of 8 solves agree" in out
    assert "throughput ≥ bound" in out


@pytest.mark.parametrize(
    ("sli", "unit", "priced"),
    [
        ("mean_tpot", "ms", "1 ms"),
        ("mean_end_to_end:decode-heavy", "s", "1 s"),
        ("max_min_fairness", "of the fair share", "0.01 of the fair share"),
        ("disaggregation", "requests per GPU", "1 request per GPU"),
        ("throughput", "requests/s per GPU", "1 request/s per GPU"),
    ],
)
def test_the_bounds_told_can_be_kept_and_read_as_english(
    capsys: pytest.CaptureFixture[str], sli: str, unit: str, priced: str
) -> None:
    code, out, _ = gnr(capsys, "two-class", "--sli", sli)
    assert code == 0
    told = " ".join(out.split())
    assert f"price: money/s per GPU for {priced} promise" in told
    found = re.search(r"can be promised is (\S+) (.*?): it", told)
    assert found is not None
    assert found[2] == unit
    moving = moving_promise(load("two-class"), sli)
    typed = float(found[1]) / (1000 if unit == "ms" else 1)
    assert steady_state.solve(moving.at(typed)).status == "optimal"


def test_several_promises_are_several_results(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    slis = ("prefill_fairness", "max_min_fairness", "mean_ttft:decode-heavy")
    options = [word for sli in slis for word in ("--sli", sli)]
    code, document = gnr_json(capsys, "two-class", *options, "--out", str(tmp_path))
    assert code == 0
    assert [each["sli"]["name"] for each in document["results"]] == list(slis)
    assert [each["sli"]["class"] for each in document["results"]] == [None, None, "decode-heavy"]
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {
        "two-class.frontier.prefill_fairness.json",
        "two-class.frontier.max_min_fairness.json",
        "two-class.frontier.mean_ttft-decode-heavy.json",
        "two-class.frontiers.png",
        "two-class.frontiers.svg",
    }
    ET.parse(tmp_path / "two-class.frontiers.svg")
    lines = json.loads((tmp_path / "two-class.frontier.max_min_fairness.json").read_text())
    assert lines["pieces"][0]["slope_from"] < 0, "raising an at_least costs"


def test_a_promise_that_costs_nothing_is_one_point(capsys: pytest.CaptureFixture[str]) -> None:
    spare = ("--set", "classes.0.arrival_rate=0.1", "--set", "classes.1.arrival_rate=0.1")
    code, document = gnr_json(capsys, "two-class", "--sli", "max_min_fairness", *spare)
    assert code == 0
    (point,) = document["breakpoints"]
    assert point["bound"] == document["tightest"]["bound"] == document["loosest"]["bound"] == 1
    assert point["revenue_rate"] == pytest.approx(0.1 * (230 + 380), rel=1e-12)


@pytest.mark.parametrize(("sli", "bound"), [("disaggregation", 3.0), ("throughput", 0.0)])
def test_a_single_bound_is_solved_at(
    capsys: pytest.CaptureFixture[str], sli: str, bound: float
) -> None:
    only = ("--sli", sli, "--from", str(bound), "--to", str(bound))
    code, document = gnr_json(capsys, "two-class", *only)
    assert (code, document["verified"]) == (0, True)
    (point,) = document["breakpoints"]
    (solve,) = solves(document)
    assert solve["bound"] == bound
    assert solve["revenue_rate"] == pytest.approx(point["revenue_rate"], rel=1e-9)
    assert "Solved anew here: 1 of 1 solves agree." in gnr(capsys, "two-class", *only)[1]


@pytest.mark.parametrize(
    "sli",
    ["mean_tpot", "token_tpot", "decode_fairness", "max_min_fairness", "mean_ttft", "mean_wait"],
)
def test_the_tightest_bound_alone_is_solved_at(
    capsys: pytest.CaptureFixture[str], sli: str
) -> None:
    tightest = gnr_json(capsys, "two-class", "--sli", sli)[1]["tightest"]
    only = [word for end in ("--from", "--to") for word in (end, repr(tightest["bound"]))]
    code, document = gnr_json(capsys, "two-class", "--sli", sli, *only)
    assert code == 0
    expected = pytest.approx(tightest["revenue_rate"], rel=1e-7, abs=1e-7)
    assert any(each["revenue_rate"] == expected for each in solves(document))


def test_nothing_is_verified_without_a_solve(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontiers, "_at", lambda *_: None)
    code, out, _ = gnr(capsys, "two-class", "--sli", "disaggregation", "--from", "3", "--to", "3")
    assert code == 3
    assert "NOT VERIFIED" in out


@pytest.mark.parametrize(
    "sli", ["max_min_fairness", "abandonment_fraction", "mean_end_to_end:decode-heavy"]
)
def test_a_piece_that_no_solve_can_tell_from_a_jump_is_not_held_against_one(
    capsys: pytest.CaptureFixture[str], sli: str
) -> None:
    """At kappa = (B - 1)/B up to the rounding of one double, revenue jumps up to that rounding."""
    slow = ("--set", "gpu.iteration_time.decode_only=0.03549013333333333")
    code, document = gnr_json(capsys, "two-class-separate", "--sli", sli, *slow)
    assert code == 0
    (piece,) = document["pieces"]
    assert piece["from"] == pytest.approx(piece["to"], rel=1e-15)
    assert abs(piece["revenue_to"] - piece["revenue_from"]) > 1
    assert piece["exact"]["from"] != piece["exact"]["to"], "found all the same"
    assert solves(document)
    assert piece["from"] not in [each["bound"] for each in solves(document)]
    told = " ".join(gnr(capsys, "two-class-separate", "--sli", sli, *slow)[1].split())
    solved = [
        bool(each["resolved_left"] or each["resolved_right"]) for each in document["breakpoints"]
    ]
    assert [each["agrees"] for each in document["breakpoints"]] == [each or None for each in solved]
    everywhere = all(solved)
    assert ("beside every breakpoint" in told) == everywhere


def test_a_promise_to_a_class_that_the_optimum_shuts_out_always_costs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = gnr(
        capsys, "dolly-eight-class", "--sli", "mean_ttft:creative-writing", "--out", str(tmp_path)
    )
    assert code == 0
    assert "It costs something at any bound." in out
    (file,) = tmp_path.glob("*.json")
    document = json.loads(file.read_text())
    assert document["loosest"] is None
    assert document["breakpoints"][-1]["revenue_rate"] >= 0.999 * document["best_revenue_rate"]


def test_a_promise_of_the_file_moves_and_the_others_stay(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = with_slis(
        tmp_path,
        'kind = "mean_tpot"\nat_most = 0.023\nname = "quick"',
        'kind = "prefill_fairness"\nat_most = 0.05',
    )
    code, document = gnr_json(capsys, file, "--sli", "quick")
    assert code == 0
    assert document["sli"]["name"] == "quick"
    assert document["sli"]["bound"] == 0.023
    alone = gnr_json(capsys, "two-class", "--sli", "prefill_fairness", "--to", "0.05")[1]
    kept = alone["breakpoints"][-1]["revenue_rate"]
    assert document["best_revenue_rate"] == pytest.approx(kept, rel=1e-12)
    assert document["loosest"]["revenue_rate"] == pytest.approx(kept, rel=1e-12)


def test_a_range_without_a_promise_that_can_be_kept_is_an_honest_negative(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, document = gnr_json(capsys, "two-class", "--sli", "mean_tpot", "--to", "0.022")
    assert code == 1
    jsonschema.validate(document, read_schema("error"))
    (message,) = document["error"]["messages"]
    assert "less than 0.02200220022 s cannot be promised" in message["message"]


@pytest.mark.parametrize(
    ("slis", "moving", "told"),
    [
        (
            (
                'kind = "mean_tpot"\nat_most = 0.0225',
                'kind = "mean_ttft"\nat_most = 3.0',
                'kind = "throughput"\nat_least = 0.1',
            ),
            "token_tpot",
            "no plan keeps mean_tpot and mean_ttft",
        ),
        (
            ('kind = "mean_wait"\nat_most = 0.5', 'kind = "throughput"\nat_most = 0.1'),
            "decode_fairness",
            "no plan with that keeps mean_wait and throughput",
        ),
        (('kind = "throughput"\nat_least = 3',), "mean_tpot", "no plan keeps throughput"),
    ],
)
def test_other_promises_that_clash_are_named(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    slis: tuple[str, ...],
    moving: str,
    told: str,
) -> None:
    code, document = gnr_json(capsys, with_slis(tmp_path, *slis), "--sli", moving)
    assert code == 1
    (message,) = document["error"]["messages"]
    assert message["message"].endswith(told)


def test_a_frontier_that_the_solver_disputes_is_undecided(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontiers, "SAME_REVENUE", -1.0)
    code, out, _ = gnr(capsys, "two-class", "--sli", "decode_fairness")
    assert code == 3
    assert "NOT VERIFIED" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no promise is named"),
        (("--sli", "mean_tpott"), "did you mean 'mean_tpot'?"),
        (("--sli", ":"), "there is no indicator"),
        (("--sli", "p99_ttft"), "percentiles are promised in gnr size"),
        (("--sli", "mean_tpot:decode-heavy"), "is about the whole cluster"),
        (("--sli", "mean_ttft:nobody"), "there is no class"),
        (("--sli", "proportional_share"), "is about one class"),
        (("--sli", "empty_decode_buffer"), "has only the bound 0"),
        (("--sli", "mean_tpot", "--sli", "mean_tpot"), "named twice"),
        (("--sli", "mean_tpot", "--map"), "needs two --sli"),
        (("--sli", "mean_tpot", "--sli", "mean_ttft", "--from", "1"), "bounds of one promise"),
        (("--sli", "mean_tpot", "--from", "1", "--to", "0"), "1 is above 0"),
        (("--sli", "mean_tpot", "--to", "nan"), "must be finite"),
        (("--sli", "mean_ttft", "--set", "classes.0.patience_rate=0"), "is not defined for"),
        (("--sli", "mean_tpot", "--sli", "mean_ttft", "--map", "--points", "2"), "too few"),
    ],
)
def test_bad_input_is_told(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = gnr(capsys, "two-class", *arguments)
    assert code == 2
    assert told in err
    assert not out


def test_penalties_have_no_frontier(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = with_slis(tmp_path, 'kind = "decode_fairness"\npenalty_weight = 3.0')
    code, _, err = gnr(capsys, file, "--sli", "mean_tpot")
    assert code == 2
    assert "decode_fairness of the instance is a penalty" in err
    code, _, err = gnr(capsys, file, "--sli", "decode_fairness")
    assert code == 0, "its own bound is what moves"
    assert "the penalty on decode_fairness is set aside: a promise of it moves instead" in err
    drawn = frontier_map(load(file), "decode_fairness", "mean_tpot", points=5)
    assert "the penalty on decode_fairness is set aside" in drawn.warnings[0]
    promised = with_slis(tmp_path, 'kind = "decode_fairness"\nat_most = 3.0')
    for name in ("two-class", promised):
        assert "set aside" not in gnr(capsys, name, "--sli", "decode_fairness")[2]


def test_a_map_of_two_promises(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    two = ("--sli", "mean_tpot", "--sli", "prefill_fairness", "--map", "--points", "6")
    code, document = gnr_json(capsys, "two-class", *two, "--out", str(tmp_path))
    assert code == 0
    jsonschema.validate(document, read_schema("frontier-map"))
    rows, bounds = document["revenue_rate"], document["bounds"]
    assert (len(rows), len(rows[0])) == (len(bounds[0]), len(bounds[1]))
    assert rows[0] == [None] * len(bounds[1]), "below 1/gamma nothing is kept"
    known = [[cell for cell in row if cell is not None] for row in rows]
    assert all(row == sorted(row) for row in known)
    assert all(list(column) == sorted(column) for column in zip(*known[1:], strict=True))
    assert rows[-1][-1] == pytest.approx(document["best_revenue_rate"], rel=1e-12)
    assert document["verified"] is True
    assert len(document["resolved"]) == 9
    stem = "two-class.frontier-map.mean_tpot.prefill_fairness"
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{stem}.{suffix}" for suffix in ("json", "png", "svg")
    }


def test_a_map_is_told_to_people_as_a_grid(capsys: pytest.CaptureFixture[str]) -> None:
    two = ("--sli", "token_tpot", "--sli", "max_min_fairness", "--map", "--points", "5")
    code, out, _ = gnr(capsys, "two-class", *two)
    assert code == 0
    assert "A grid: the figures are exact at its points" in out
    assert "all agree" in out


def test_a_map_covers_what_costs_only_together(capsys: pytest.CaptureFixture[str]) -> None:
    """The tightest backlog is free alone; under the tightest wait at least 96 tokens must wait."""
    two = ("--sli", "mean_wait", "--sli", "decode_backlog", "--map", "--points", "5")
    code, document = gnr_json(capsys, "two-class", *two)
    assert code == 0
    waits, backlogs = document["bounds"]
    assert document["tightest"] == [0.0, 0.0]
    row = document["revenue_rate"][waits.index(0.0)]
    assert row[0] is None
    assert row[-1] is not None
    assert backlogs[-1] > 96


def test_the_bounds_of_the_file_are_on_the_grid_of_a_map(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = with_slis(
        tmp_path,
        'kind = "mean_tpot"\nat_most = 0.04',
        'kind = "mean_ttft"\nclass = "prefill-heavy"\nat_most = 8.5',
    )
    two = ("--sli", "mean_tpot", "--sli", "mean_ttft:prefill-heavy", "--map", "--points", "6")
    code, document = gnr_json(capsys, file, *two, "--out", str(tmp_path))
    assert code == 0
    for bounds, own, tightest in zip(
        document["bounds"], (0.04, 8.5), document["tightest"], strict=True
    ):
        assert bounds[0] < tightest < own < bounds[-1]
        assert {tightest, own} < set(bounds)
    drawn = draw_map(load(file), FrontierMap.model_validate(document)).axes[0]
    for limits, bounds, factor in zip(
        (drawn.get_xlim(), drawn.get_ylim()), document["bounds"], (1e3, 1.0), strict=True
    ):
        assert limits == pytest.approx((factor * bounds[0], factor * bounds[-1])), "no further"


def test_a_promise_that_costs_nothing_has_a_map_around_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spare = ("--set", "classes.0.arrival_rate=0.1", "--set", "classes.1.arrival_rate=0.1")
    two = ("--sli", "max_min_fairness", "--sli", "prefill_fairness", "--map", "--points", "5")
    code, document = gnr_json(capsys, "two-class", *two, *spare)
    assert code == 0
    assert all(bounds[-1] > bounds[0] for bounds in document["bounds"])


TWO_CAPS = (
    'kind = "mean_tpot"\nname = "a"\nat_most = 0.025',
    'kind = "mean_tpot"\nname = "b"\nat_most = 0.0225',
)


@pytest.mark.parametrize(
    ("slis", "first", "second"),
    [
        pytest.param(TWO_CAPS, "a", "prefill_fairness", id="one-of-two-of-a-kind"),
        pytest.param(TWO_CAPS, "a", "b", id="two-of-a-kind"),
        pytest.param(
            ('kind = "throughput"\nat_most = 0.5',), "throughput", "mean_tpot", id="from-above"
        ),
        pytest.param((), "max_min_fairness", "mean_tpot", id="none-in-the-file"),
    ],
)
def test_a_map_is_of_the_promises_of_the_file(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    slis: tuple[str, ...],
    first: str,
    second: str,
) -> None:
    """Each point is what `gnr solve` earns with both bounds typed in and all others kept."""
    path = with_slis(tmp_path, *slis)
    code, document = gnr_json(
        capsys, path, "--sli", first, "--sli", second, "--map", "--points", "5"
    )
    assert code == 0
    assert document["verified"]
    told = {each["name"]: each["direction"] for each in document["slis"]}
    known = [name for name in told if any(f'"{name}"' in sli for sli in slis)]
    for i, across in enumerate(document["bounds"][0]):
        for j, down in enumerate(document["bounds"][1]):
            bounds = {first: across, second: down}
            new = [
                f'kind = "{name}"\n{told[name]} = {bounds[name]!r}'
                for name in bounds
                if name not in known
            ]
            typed = [f"slis.{name}.{told[name]}={bounds[name]!r}" for name in known]
            instance = load(with_slis(tmp_path, *slis, *new), overrides=typed)
            revenue = steady_state.solve(instance).revenue_rate
            assert document["revenue_rate"][i][j] == (
                None if revenue is None else pytest.approx(revenue, rel=1e-7, abs=1e-7)
            )


def test_no_instance_is_traced_if_another_cannot_make_the_promise(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[str] = []
    monkeypatch.setattr(frontiers, "frontier", lambda *_, **__: traced.append("one"))
    code, _, err = gnr(capsys, "two-class", "dolly-eight-class", "--sli", "mean_ttft:decode-heavy")
    assert code == 2
    assert "there is no class" in err
    assert not traced


def test_an_overload_is_not_blamed_on_promises(capsys: pytest.CaptureFixture[str]) -> None:
    patient = ("--set", "classes.0.patience_rate=0", "--set", "classes.0.arrival_rate=100")
    code, document = gnr_json(capsys, "two-class", "--sli", "mean_tpot", *patient)
    assert code == 1
    (message,) = document["error"]["messages"]
    assert message["message"] == "no plan serves all requests that never leave"


def test_bounds_beyond_all_reason_are_traced(capsys: pytest.CaptureFixture[str]) -> None:
    """As far as floats go a promise that costs nothing is one flat piece."""
    code, document = gnr_json(
        capsys, "two-class", "--sli", "mean_tpot", "--from", "1e300", "--to", "1e301"
    )
    assert code == 0
    assert [piece["shape"] for piece in document["pieces"]] == ["flat"]
    assert document["pieces"][0]["revenue_to"] == pytest.approx(297.7031698642446, rel=1e-12)


def test_interrupted_keeps_the_frontiers_that_are_done(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced = frontiers.frontier

    def once(instance: Any, sli: str, **options: Any) -> Any:
        if sli != "mean_tpot":
            raise KeyboardInterrupt
        return traced(instance, sli, **options)

    monkeypatch.setattr(frontiers, "frontier", once)
    slis = ("--sli", "mean_tpot", "--sli", "prefill_fairness")
    code, _, err = gnr(capsys, "two-class", *slis, "--out", str(tmp_path))
    assert code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["two-class.frontier.mean_tpot.json"]
    assert "two-class.frontier.mean_tpot.json" in err


def test_the_share_done_grows_to_all() -> None:
    shares: list[float] = []
    frontiers.frontier(load("two-class"), "mean_tpot", progress=shares.append)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5 < shares[-1] == 1
