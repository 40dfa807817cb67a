"""Figures on the pages come from the kept files, and what is said about them is so."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
kept_results = importlib.import_module("kept_results")
mathml = importlib.import_module("mathml").mathml


def test_a_number_is_read_from_the_newest_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, gap in (("2026-01-01", 0.5), ("2026-01-02", 0.0148)):
        document = {"two-class": {"gaps": [{"gap": gap}]}}
        (tmp_path / f"lengths-{day}.json").write_text(json.dumps(document))
    monkeypatch.setattr(kept_results, "RESULTS", tmp_path)
    assert kept_results.written("lengths/two-class/gaps/0/gap", "percent") == "1.48\u202f%"


@pytest.mark.parametrize(
    ("path", "form"),
    [("no-such/a", "text"), ("lengths/no-such", "text"), ("lengths/two-class/gpus", "no-such")],
)
def test_a_number_that_is_not_there_ends_the_build(path: str, form: str) -> None:
    with pytest.raises(LookupError):
        kept_results.written(path, form)


def gaps(instance: str) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = kept_results.kept(f"lengths/{instance}/gaps")
    return found


@pytest.mark.parametrize("instance", ["two-class", "azure-2023-conversation"])
def test_limits_tell_of_lengths_what_was_measured(instance: str) -> None:
    """Some tenths of a percent, most for gate-immediate; price-index-fill smallest everywhere."""
    moved = {}
    for policy, laws in gaps(instance).items():
        found = [law["gap"] for law in laws.values()]
        moved[policy] = max(found) - min(found)
    assert max(moved, key=lambda policy: moved[policy]) == "gate-immediate"
    assert moved["gate-immediate"] < 0.012
    assert all(change < 0.007 for policy, change in moved.items() if policy != "gate-immediate")
    for law in next(iter(gaps(instance).values())):
        of_law = {policy: laws[law]["gap"] for policy, laws in gaps(instance).items()}
        assert min(of_law, key=lambda policy: of_law[policy]) == "price-index-fill"


def test_limits_tell_of_arrivals_what_was_measured() -> None:
    """One to three percent, most for gate-and-route; TTFT p95 by half to eightfold."""
    found = kept_results.kept("model-limits/arrivals")
    cost = {
        policy: each["poisson_of_optimum"] - each["log_of_optimum"]
        for policy, each in found.items()
    }
    assert all(0.005 < each < 0.03 for each in cost.values())
    assert max(cost, key=lambda policy: cost[policy]) == "gate-and-route"
    longer = [each["log_ttft_p95_s"] / each["poisson_ttft_p95_s"] for each in found.values()]
    assert all(1.5 < each < 8.5 for each in longer)


def test_a_formula_becomes_mathml_with_its_own_letters() -> None:
    shown = mathml(r"\sum_{i\in\mathcal I}x_i\le1\iff\arg\max", "inline")
    assert "ℐ" in shown
    assert "<mo>⟺</mo>" in shown
    assert "\\" not in shown


def test_a_formula_that_cannot_be_shown_ends_the_build() -> None:
    with pytest.raises(ValueError, match="no_such"):
        mathml(r"a\nosuchcommand b".replace("nosuchcommand", "no_such"), "inline")
