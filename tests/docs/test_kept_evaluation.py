"""The kept run of ``gnr reproduce all`` and the page that is made from it."""

import copy
import importlib
import json
import sys
from typing import Any

import pytest
from pages import ROOT
from verdicts import check_verdicts

from gnr.validation.studies.reproduction.registry import REBUILDS

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
evaluation_page = importlib.import_module("evaluation_page")
newest = importlib.import_module("kept_results").newest


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(newest("reproduction").read_text(encoding="utf-8"))


def test_what_is_kept_is_the_whole_evaluation_at_full_effort(document: Any) -> None:
    assert document["effort"] == "full"
    assert [each["name"] for each in document["experiments"]] == list(REBUILDS)


def test_kept_verdicts_are_those_of_its_numbers_and_of_the_bounds_of_today(document: Any) -> None:
    """A bound or a claim that is changed asks for another run to keep."""
    check_verdicts(document)


def test_a_kept_number_that_was_changed_is_found_out(document: Any) -> None:
    planted = copy.deepcopy(document)
    figure4 = next(each for each in planted["experiments"] if each["name"] == "figure4")
    gap = next(each for each in figure4["quantities"] if each["name"] == "gap_500")
    gap.update(value=0.5, low=0.4, high=0.6)
    with pytest.raises(AssertionError):
        check_verdicts(planted)


def test_the_page_has_every_claim_with_its_verdict(document: Any) -> None:
    text = "\n".join(evaluation_page.lines_of(evaluation_page.kept_reproduction()))
    for experiment in document["experiments"]:
        for claim in experiment["claims"]:
            assert evaluation_page.escaped(claim["says"]) in text


def test_text_is_shown_as_it_stands() -> None:
    assert evaluation_page.escaped("R* of c_p | <b>") == r"R\* of c\_p \| \<b\>"
