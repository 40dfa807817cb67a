"""Promises in words: the side that loosens is priced, nothing is made up where nothing is known."""

import pytest

import gnr
from gnr.promise_facts import (
    conflict_sentences,
    cost_sentences,
    holds_back,
    planned_words,
    price_sentences,
    quantity,
    slope_of,
)
from gnr.result import MarginalRanges, Solution

PROMISES = (
    'slis=[{kind="mean_tpot", at_most=0.023}, {kind="throughput", at_least=0.5}, '
    '{kind="mean_ttft", class="prefill-heavy", penalty_weight=2}]'
)


@pytest.fixture(scope="module")
def solution() -> Solution:
    return gnr.solve(gnr.load("two-class", PROMISES))


def with_ends(solution: Solution, **ends: tuple[float, float]) -> Solution:
    assert solution.unique is not None
    ranges = MarginalRanges(marginals=ends)
    unique = solution.unique.model_copy(update={"ranges": ranges})
    return solution.model_copy(update={"unique": unique})


def test_where_prices_have_two_sides_the_looser_side_is_told(solution: Solution) -> None:
    """Raising an upper bound is to its right, lowering a lower bound to its left."""
    kink = with_ends(solution, mean_tpot=(3.0, 8.0), throughput=(-9.0, -2.0))
    fast, busy, _ = kink.promises
    assert slope_of(kink, fast) == 3
    assert slope_of(kink, busy) == 2


def test_a_promise_that_costs_nothing_is_not_said_to_earn(solution: Solution) -> None:
    fast, busy, slow = solution.promises
    assert [holds_back(solution, each) for each in (fast, busy, slow)] == [True, False, False]
    told = price_sentences(solution)
    assert [line.split(":")[0] for line in told[:-1]] == ["mean_tpot", "mean_ttft"]
    assert told[-1] == "How far that holds is traced by `gnr frontier`."


def test_what_is_left_after_penalties_and_without_them_is_told(solution: Solution) -> None:
    after, without = cost_sentences(solution)
    assert after.endswith("no other plan leaves more.")
    assert without.startswith("Without its promises and penalties it would earn 297.703 money/s")


def test_what_has_no_meaning_is_shown_as_a_dash(solution: Solution) -> None:
    blank = tuple(each.model_copy(update={"planned": None}) for each in solution.promises)
    assert "(planned -)" in planned_words(solution.model_copy(update={"promises": blank}))


EMPTY = '{kind="empty_decode_buffer", at_most=0}'
WAIT = '{kind="mean_wait", at_most=0.5}'
BOTH = '{kind="mean_tpot", at_most=0.023}, {kind="throughput", at_least=0.9}'


@pytest.mark.parametrize(
    ("slis", "told"),
    [
        (
            f'{EMPTY}, {WAIT}, {{kind="throughput", at_most=0.1}}',
            "  empty_decode_buffer: leave it out; no bound of it can be kept beside the others",
        ),
        (
            f"{BOTH}, {WAIT}",
            "  throughput: leaving it out does not help, mean_tpot and mean_wait cannot be kept "
            "together either",
        ),
        (
            '{kind="throughput", at_least=3}, {kind="mean_tpot", at_most=0.01}',
            "  throughput: leaving it out does not help, mean_tpot cannot be kept either",
        ),
        (
            f'{WAIT}, {{kind="throughput", at_most=0.1}}, '
            '{kind="decode_fairness", penalty_weight=1}',
            "Penalising decode_fairness comes with an empty decode buffer (eqs. P43, P45); without "
            "that the promises can be kept.",
        ),
        (
            f'{BOTH}, {{kind="mean_ttft", penalty_weight=1}}',
            "No plan exists: mean_tpot and throughput cannot be kept together; any fewer of them "
            "can.",
        ),
    ],
)
def test_ways_out_of_a_conflict_are_told(slis: str, told: str) -> None:
    assert told in conflict_sentences(gnr.solve(gnr.load("two-class", f"slis=[{slis}]")))


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.023, "s", "23 ms"),
        (4.5, "s", "4.5 s"),
        (0.0, "s", "0 ms"),
        (0.9, "fraction of arrivals", "0.9 of arrivals"),
        (1.0, "fraction of arrivals", "1 of arrivals"),
        (120.0, "tokens per GPU", "120 tokens per GPU"),
        (1.0, "tokens per GPU", "1 token per GPU"),
        (1.0, "requests/s per GPU", "1 request/s per GPU"),
        (1.0, "s", "1 s"),
        (0.001, "s", "1 ms"),
    ],
)
def test_values_are_told_with_their_units(value: float, unit: str, words: str) -> None:
    assert quantity(value, unit) == words
