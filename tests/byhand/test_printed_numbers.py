"""Ledger rows N-a to N-f and the calibration of section 6.1, worked out by hand."""

import math

import pytest

import gnr
from gnr.reproduction import Experiment
from gnr.validation.studies.reproduction.effort import QUICK
from gnr.validation.studies.reproduction.outline import judged
from gnr.validation.studies.reproduction.printed import CATEGORIES
from gnr.validation.studies.reproduction.registry import REBUILDS


def experiment(name: str) -> Experiment:
    return judged(name, REBUILDS[name].measured({}, QUICK))


def value(name: str, quantity: str) -> float:
    found = experiment(name).quantity(quantity)
    assert found.kind == "printed"
    return found.value


def finding(name: str, claim: str) -> str:
    return {each.name: each.finding for each in experiment(name).claims}[claim]


def test_the_samples_of_table_1_add_up() -> None:
    """N-a: 1764 + 2136 = 3900; + 1738 = 5638; + 699 = 6337; + 2187 = 8524; + 1462 = 9986;
    + 3739 = 13725; + 1150 = 14875.
    """
    assert value("table1", "samples") == 14875
    assert finding("table1", "total") == "confirmed"


def test_the_lengths_of_table_1_are_those_of_the_shipped_instance() -> None:
    """Both were typed from the paper, apart from each other."""
    shipped = {
        each.name: (each.prompt_tokens, each.output_tokens)
        for each in gnr.load("dolly-eight-class").classes
    }
    printed = {
        each.label.lower().replace(" ", "-"): (each.prompt, each.output)
        for each in CATEGORIES.values()
    }
    assert printed == shipped


def test_the_words_on_long_inputs_hold() -> None:
    """N-b: 1177 and 1139 are above 1000. Short ones: 89 and 45 are below 100."""
    assert value("table1", "input_summarization") == 1177
    assert value("table1", "input_extraction") == 1139
    assert finding("table1", "long-inputs") == "confirmed"
    assert finding("table1", "short-inputs") == "confirmed"


def test_the_words_on_longer_outputs_hold_for_one_of_two() -> None:
    """N-c: creative writing 915 / 436 = 2.0986; open QA 293 / 436 = 0.6720, the slip."""
    assert value("table1", "output_creative") == pytest.approx(2.0986, abs=5e-5)
    assert value("table1", "output_open_qa") == pytest.approx(0.6720, abs=5e-5)
    assert value("table1", "own_open_qa") == pytest.approx(6.5111, abs=5e-5)  # 293 / 45
    assert finding("table1", "longer-outputs") == "partly"


def test_the_unit_of_table_1_is_doubted_aloud() -> None:
    """N-d."""
    assert any("characters" in each and "N-d" in each for each in experiment("table1").choices)


def test_the_two_categories_of_figure_11_are_on_either_side_of_the_diagonal() -> None:
    """273 / 1139 = 0.2397 and 915 / 89 = 10.2809."""
    assert value("figure11", "ratio_extraction") == pytest.approx(0.2397, abs=5e-5)
    assert value("figure11", "ratio_creative") == pytest.approx(10.2809, abs=5e-5)
    assert finding("figure11", "opposite-in-the-means") == "confirmed"


def test_information_extraction_is_called_good_with_the_largest_divergence() -> None:
    """N-e: 0.2631 / 0.1595 = 1.6495 (creative writing), 0.2631 / 0.1309 = 2.0099 (general QA)."""
    assert value("table2", "good_over_others") == pytest.approx(1.6495, abs=5e-5)
    assert value("table2", "good_over_deviating") == pytest.approx(2.0099, abs=5e-5)
    assert finding("table2", "words-and-numbers-agree") == "not confirmed"
    conditions = experiment("figure12").claims[0].conditions
    assert [each.quantity for each in conditions if each.met == "no"] == ["printed_extraction"]


def test_the_best_exponential_has_the_mean_of_the_sample() -> None:
    """N-f: of 1, 2, 6 the log-likelihood 3 log r - 9 r is largest at r = 1/3 = 1 / mean."""
    lengths = (1, 2, 6)

    def likelihood(rate: float) -> float:
        return sum(math.log(rate) - rate * each for each in lengths)

    best = likelihood(len(lengths) / sum(lengths))
    assert best == pytest.approx(3 * math.log(1 / 3) - 3)
    assert all(best > likelihood(rate) for rate in (0.30, 0.33, 0.34, 0.37))


def test_the_printed_calibration_derives_what_theory_derives() -> None:
    """1/45.45 = 0.0220022; (0.0220022 - 0.0174) / 6.2e-5 = 74.23; 0.0174 + 256 x 6.2e-5 =
    0.033272, times 45.45 = 1.51221. The smaller model: 0.0190006; 105.57; 0.024416; 1.28501.
    """
    for name, solo, threshold, mixed, kappa in (
        ("8b", 22.0022, 74.23, 33.272, 1.51221),
        ("4b", 19.0006, 105.57, 24.416, 1.28501),
    ):
        assert value("figure3", f"solo_{name}") == pytest.approx(solo, abs=5e-5)
        assert value("figure3", f"threshold_{name}") == pytest.approx(threshold, abs=5e-3)
        assert value("figure3", f"mixed_{name}") == pytest.approx(mixed, abs=1e-9)
        assert value("figure3", f"kappa_{name}") == pytest.approx(kappa, abs=5e-6)
