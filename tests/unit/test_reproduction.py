"""Verdicts follow from numbers and bounds alone, and finished parts are never computed again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnr.errors import InputError
from gnr.reading import load
from gnr.reproduction import Claim, Quantity, finding_of, met, verdict_of
from gnr.validation.studies.reproduction import quantities, running
from gnr.validation.studies.reproduction.effort import FULL, QUICK
from gnr.validation.studies.reproduction.outline import (
    DIRECTIONS,
    confidence,
    judged,
    read_claims,
)
from gnr.validation.studies.reproduction.parts import SweepPart
from gnr.validation.studies.reproduction.registry import REBUILDS


def between(low: float, high: float) -> Quantity:
    return quantities.quantity("q", "", (low, (low + high) / 2, high))


@pytest.mark.parametrize(
    ("low", "high", "direction", "expected"),
    [
        (1, 2, "at_most", "yes"),
        (2, 2, "at_most", "yes"),
        (1, 2.5, "at_most", "undecided"),
        (2, 2.5, "at_most", "undecided"),
        (2.1, 2.5, "at_most", "no"),
        (2, 3, "at_least", "yes"),
        (1.9, 3, "at_least", "undecided"),
        (1, 1.9, "at_least", "no"),
        (1, 2, "at_least", "undecided"),
    ],
)
def test_a_bound_is_kept_by_the_whole_interval_or_not_at_all(
    low: float, high: float, direction: str, expected: str
) -> None:
    assert met(between(low, high), direction, 2.0) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["yes", "yes"], "confirmed"),
        (["no"], "not confirmed"),
        (["yes", "no", "undecided"], "partly"),
        (["yes", "undecided"], "undecided"),
        (["no", "undecided"], "not confirmed"),
        ([], "undecided"),
    ],
)
def test_undecided_is_never_green(parts: Any, expected: str) -> None:
    assert finding_of(parts) == expected


def claim(finding: Any, limit: Any = None) -> Claim:
    return Claim(name="c", says="", source="", reason="", conditions=(), finding=finding,
                 limit=limit)  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([claim("confirmed"), claim("confirmed")], "confirmed"),
        ([claim("confirmed"), claim("partly"), claim("undecided")], "partly"),
        ([claim("confirmed"), claim("undecided")], "undecided"),
        ([claim("not confirmed"), claim("undecided")], "not confirmed"),
        ([claim("not confirmed"), claim("not confirmed")], "not confirmed"),
        ([claim("confirmed", "data not public")] * 2, "data not public"),
        ([claim("confirmed", "data not public"), claim("not confirmed")], "partly"),
    ],
)
def test_an_experiment_counts_its_claims_by_the_same_rule(claims: Any, expected: str) -> None:
    assert verdict_of(claims) == expected


def test_every_experiment_has_claims_with_words_source_reason_and_bounds() -> None:
    outline = {name: each for name, each in read_claims().items() if isinstance(each, dict)}
    assert list(outline) == list(REBUILDS)
    for name, each in outline.items():
        assert each["title"]
        assert each["caption"]
        names = [entry["name"] for entry in each["claims"]]
        assert len(set(names)) == len(names) > 0, name
        for entry in each["claims"]:
            assert all(entry[field] for field in ("says", "source", "reason")), entry
            assert sum(len(entry.get(direction, {})) for direction in DIRECTIONS), entry
            unknown = set(entry) - {"name", "says", "source", "reason", "limit", *DIRECTIONS}
            assert not unknown, entry


def test_unknown_experiments_are_all_named_with_the_near_one() -> None:
    with pytest.raises(InputError) as caught:
        running.read_experiments(["figure22", "table9", "figure4"])
    assert [each.file for each in caught.value.problems] == ["figure22", "table9"]
    assert "use figure2?" in caught.value.problems[0].remedy


def test_experiments_come_in_the_order_of_the_paper() -> None:
    assert running.read_experiments(["figure5", "figure2"]) == ["figure2", "figure5"]
    assert running.read_experiments([]) == running.read_experiments(["all"]) == list(REBUILDS)


def test_efforts_differ_in_how_much_not_in_what() -> None:
    for name, rebuild in REBUILDS.items():
        quick, full = rebuild.parts(QUICK), rebuild.parts(FULL)
        assert set(quick) <= set(full) or len(quick) < len(full), name


def parts(folder: Path) -> dict[str, float]:
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


@pytest.fixture
def small() -> SweepPart:
    """Return a part that is done in no time."""
    return SweepPart(load("two-class"), ("gpu.batch_slots=8:16",))


def test_a_part_that_is_there_is_not_computed_again_and_a_damaged_one_is(
    small: SweepPart, tmp_path: Path
) -> None:
    running.run_parts({"a": small}, tmp_path)
    ((name, written),) = parts(tmp_path).items()
    assert running.missing([small], tmp_path) == {}
    damaged = tmp_path / name
    document = json.loads(damaged.read_text())
    document["part"]["revenue_rate"][0] += 1.0
    damaged.write_text(json.dumps(document))
    assert list(running.missing([small], tmp_path)) == [name]
    running.run_parts(running.missing([small], tmp_path), tmp_path)
    assert running.missing([small], tmp_path) == {}
    assert parts(tmp_path)[name] > written


def test_what_is_done_before_an_interrupt_is_kept(
    small: SweepPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(run: Any, todo: Any) -> Any:
        yield 0, run(todo[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "spread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        running.run_parts({"a": small, "b": small}, tmp_path)
    assert running.missing([small], tmp_path) == {}


def test_intervals_have_the_confidence_that_is_told() -> None:
    """Covers: a mean and a largest distance, on samples of known law."""
    random, trials = np.random.default_rng(7), 1500
    missed = np.zeros(2)
    for _ in range(trials):
        values = random.normal(1.0, 1.0, (2, 8))
        found = quantities.mean_of("q", "", values[0])
        missed[0] += not found.low <= 1.0 <= found.high
        found = quantities.largest_of("q", "", values - 1.5)
        missed[1] += not found.low <= 0.5 <= found.high
    most = trials * (1 - confidence()) + 4 * np.sqrt(trials * (1 - confidence()))
    assert (missed <= most).all(), missed


def test_the_exponent_of_a_band_is_missed_at_each_end_as_often_as_told() -> None:
    """The law of its error is one, whatever the sample: its ends are held against fresh draws."""
    sizes, runs, trials = (5, 20, 50, 200, 500), 16, 100_000
    random = np.random.default_rng(9)
    sample = [random.normal(0.0, n**-0.5, runs) for n in sizes]
    found = quantities.narrowing("q", "", sizes, sample, [1.0] * 5)
    fresh = np.log([random.normal(0.0, n**-0.5, (trials, runs)).std(axis=1, ddof=1) for n in sizes])
    slopes = np.polyfit(np.log(sizes), fresh, 1)[0]
    tail = (1 - confidence()) / 2
    for share in (
        np.mean(slopes - (found.value - found.low) > -0.5),
        np.mean(slopes + (found.high - found.value) < -0.5),
    ):
        assert share == pytest.approx(tail, abs=4 * np.sqrt(tail / trials))


def test_a_planted_band_that_does_not_narrow_is_found() -> None:
    random = np.random.default_rng(8)
    samples = [random.normal(0.0, 1.0, 32) for _ in range(5)]
    found = quantities.narrowing("q", "", (5, 20, 50, 200, 500), samples, [1.0] * 5)
    assert met(found, "at_most", -0.25) == "no"


def test_only_what_is_estimated_takes_from_the_joint_confidence() -> None:
    """Figure 3 rests on unrepeated measurements, table 1 on print; figure 11 has two estimates."""
    found = {
        name: judged(name, REBUILDS[name].measured({}, QUICK))
        for name in ("figure3", "table1", "figure11")
    }
    assert running.joint_confidence([found["figure3"], found["table1"]]) == 1
    half = (1 - confidence()) / 2
    assert running.joint_confidence(found.values()) == pytest.approx(1 - 2 * half)
    assert {each.kind for each in found["figure3"].quantities} == {"unrepeated", "printed"}
