"""Random instances follow the rule of THEORY section 12 and depend on seed and number alone."""

import numpy as np
import pytest
from scipy import stats

from gnr.checks import problems_in, warnings_for
from gnr.instance import Instance
from gnr.rates import rates_of
from gnr.validation.drawing_rule import RULE, drawn_instance
from gnr.validation.paper_drawing_rule import PAPER

DRAWN = [drawn_instance(7, number) for number in range(400)]
BY_THE_PAPER = [PAPER.instance(7, number) for number in range(400)]

FALSE_ALARM = 1e-4


def test_instances_are_valid_and_in_the_range_of_the_theory() -> None:
    for one in DRAWN:
        assert not problems_in(one.model_dump(by_alias=True), one.name)
        assert not warnings_for(one)
        assert rates_of(one).speed_ratio >= 1.05
        assert (one.gpu.batch_slots, one.gpu.chunk_tokens) == (16, 256)
        assert (one.prices.scheme, one.prices.prompt_token, one.prices.output_token) == (
            "bundled", 0.1, 0.2
        )  # fmt: skip
        assert 2 <= len(one.classes) <= 5
        assert one.source.endswith(RULE)


@pytest.mark.parametrize(
    ("drawn", "field", "low", "high", "right"),
    [
        (DRAWN, "prompt_tokens", 200, 3000, True),
        (DRAWN, "output_tokens", 200, 3000, True),
        (DRAWN, "arrival_rate", 0.25, 0.5, True),
        (DRAWN, "patience_rate", 0.02, 0.2, True),
        (DRAWN, "arrival_rate", 0.25, 0.55, False),
        (BY_THE_PAPER, "prompt_tokens", 200, 3000, True),
        (BY_THE_PAPER, "output_tokens", 200, 3000, True),
        (BY_THE_PAPER, "arrival_rate", 0.25, 0.5, True),
        (BY_THE_PAPER, "arrival_rate", 0.25, 0.55, False),
    ],
)
def test_classes_are_uniform(
    drawn: list[Instance], field: str, low: float, high: float, right: bool
) -> None:
    """Kolmogorov and Smirnov over 400 instances; cases that are not right are planted faults."""
    values = [getattr(each, field) for one in drawn for each in one.classes]
    assert low <= min(values)
    assert max(values) <= high
    found = stats.kstest(values, stats.uniform(low, high - low).cdf)
    assert bool(found.pvalue > FALSE_ALARM) is right


def test_iteration_times_are_as_the_rule_says_given_kappa() -> None:
    """Against a plain rejection sampler, by two-sample tests."""
    rng = np.random.default_rng(20250103)
    base, speed = rng.uniform(0.015, 0.02, 100_000), rng.uniform(20, 60, 100_000)
    slope = 10 ** rng.uniform(-5, -3, 100_000)
    kept = speed * (base + 256 * slope) >= 1.05
    drawn = [one.gpu.iteration_time for one in DRAWN]
    for ours, theirs in (
        ([each.base for each in drawn], base),
        ([each.per_chunk_token for each in drawn], slope),
        ([1 / each.decode_only for each in drawn], speed),
    ):
        assert stats.ks_2samp(ours, theirs[kept]).pvalue > FALSE_ALARM
    assert stats.ks_2samp([each.per_chunk_token for each in drawn], slope).pvalue < FALSE_ALARM


def test_numbers_of_classes_are_equally_likely() -> None:
    counts = np.bincount([len(one.classes) for one in DRAWN], minlength=6)[2:]
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


def test_an_instance_depends_on_seed_and_number_alone() -> None:
    assert drawn_instance(7, 3) == DRAWN[3]
    digests = {one.sha256() for one in DRAWN}
    assert len(digests) == len(DRAWN)
    assert drawn_instance(8, 3).sha256() not in digests
    assert drawn_instance(7, 3).name == "random-7-3"


def test_instances_by_the_paper_are_valid_and_like_the_base_instance_where_it_is_silent() -> None:
    for one in BY_THE_PAPER:
        assert not problems_in(one.model_dump(by_alias=True), one.name)
        assert (one.gpu.batch_slots, one.gpu.chunk_tokens) == (16, 256)
        assert (one.prices.scheme, one.prices.prompt_token, one.prices.output_token) == (
            "bundled", 0.1, 0.2
        )  # fmt: skip
        assert [each.patience_rate for each in one.classes] == [0.1, 0.1]
        assert one.source.endswith(PAPER.words)
        assert rates_of(one).speed_ratio >= 15 / 16
    assert any(rates_of(one).speed_ratio < 1 for one in BY_THE_PAPER)


def test_iteration_times_by_the_paper_are_uniform_given_kappa() -> None:
    """Against a plain rejection sampler; the last line is a planted fault: beta log-uniform."""
    rng = np.random.default_rng(20250104)
    base, speed = rng.uniform(0.015, 0.02, 100_000), rng.uniform(10, 50, 100_000)
    slope = rng.uniform(1e-5, 1e-3, 100_000)
    kept = speed * (base + 256 * slope) >= 15 / 16
    assert np.mean(~kept) == pytest.approx(0.070, abs=0.004)  # THEORY 9.6
    drawn = [one.gpu.iteration_time for one in BY_THE_PAPER]
    for ours, theirs in (
        ([each.base for each in drawn], base),
        ([each.per_chunk_token for each in drawn], slope),
        ([1 / each.decode_only for each in drawn], speed),
    ):
        assert stats.ks_2samp(ours, theirs[kept]).pvalue > FALSE_ALARM
    wrong = 10 ** rng.uniform(-5, -3, 100_000)
    assert stats.ks_2samp([each.per_chunk_token for each in drawn], wrong).pvalue < FALSE_ALARM


def test_an_instance_by_the_paper_depends_on_seed_and_number_alone() -> None:
    assert PAPER.instance(7, 3) == BY_THE_PAPER[3]
    digests = {one.sha256() for one in BY_THE_PAPER}
    assert len(digests) == len(BY_THE_PAPER)
    assert PAPER.instance(8, 3).sha256() not in digests
    assert PAPER.instance(7, 3).name == "paper-7-3"
