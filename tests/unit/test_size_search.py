"""The search for the smallest cluster, on promises whose answer is known."""

from collections.abc import Callable

import pytest

from gnr.validation.studies.size_search import Vector, grown, smallest


def counted(keeps: Callable[[Vector], bool]) -> tuple[Callable[[Vector], bool], set[Vector]]:
    asked: set[Vector] = set()

    def ask(vector: Vector) -> bool:
        asked.add(vector)
        return keeps(vector)

    return ask, asked


@pytest.mark.parametrize("guess", [8, 60, 99, 100, 101, 140, 400])
def test_one_number_is_found_from_any_guess(guess: int) -> None:
    assert smallest(lambda v: v[0] >= 100, (guess,), (1,)) == (100,)


def test_two_stations_in_a_row_are_found_apart() -> None:
    assert smallest(lambda v: v[0] >= 37 and v[1] >= 210, (30, 190), (1, 1)) == (37, 210)


def test_what_is_found_cannot_do_with_less_of_either() -> None:
    """Stations that help each other: 3 M + 2 S >= 600 and M >= 50; the fewest are 200 and 0."""

    def keeps(vector: Vector) -> bool:
        return 3 * vector[0] + 2 * vector[1] >= 600 and vector[0] >= 50

    found = smallest(keeps, (90, 120), (1, 1))
    assert found is not None
    assert keeps(found)
    assert not keeps((found[0] - 1, found[1]))
    assert not keeps((found[0], found[1] - 1))


@pytest.mark.parametrize("guess", [(50, 50), (80, 30), (40, 80), (60, 60)])
def test_a_budget_that_two_stations_share_is_split_wherever_the_search_begins(
    guess: Vector,
) -> None:
    """1/M + 1/S <= 1/20: M = S = 40 are the fewest; what is spent on one lacks the other."""
    found = smallest(lambda v: 20 / v[0] + 20 / v[1] <= 1.0, guess, (1, 1))
    assert found is not None
    assert sum(found) <= 81


def test_below_the_least_nothing_is_tried() -> None:
    ask, asked = counted(lambda _: True)
    assert smallest(ask, (100, 40), (95, 7)) == (95, 7)
    assert all(first >= 95 and second >= 7 for first, second in asked)


def test_it_gives_up_where_no_size_will_do() -> None:
    ask, asked = counted(lambda _: False)
    assert smallest(ask, (10, 10), (1, 1)) is None
    assert len(asked) < 15, "it grows faster and faster"
    assert max(sum(vector) for vector in asked) > 16 * 20


def test_few_sizes_are_looked_at() -> None:
    ask, asked = counted(lambda v: v[0] >= 10_300)
    assert smallest(ask, (10_000,), (1,)) == (10_300,)
    assert len(asked) < 25


def test_growth_is_by_one_at_least() -> None:
    assert grown((1, 500), 0.01) == (2, 505)
