"""Words and terminal summary of a reproduction: numbers say no more than their intervals."""

import pytest
from made_up_reproduction import LARGEST, MARKUP, PANELS, claim, experiment, made_up
from rich.console import Console

from gnr.reproduction import Condition, Kind, Quantity
from gnr.reproduction_words import (
    MARKS,
    bound_text,
    caution_text,
    command_of,
    description_of,
    interval_text,
    name_of,
    quantity_text,
    value_text,
    verdict_text,
    with_finding,
)


def quantity(
    value: float, low: float, high: float, unit: str = "%", kind: Kind = "estimated"
) -> Quantity:
    return Quantity(name="q", words="it", kind=kind, value=value, low=low, high=high, unit=unit)


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (3.8631, 3.8012, 3.9251, "3.863 % (3.801 to 3.926)"),
        (21.5486, 18.6938, 24.4033, "21.5 % (18.6 to 24.5)"),
        (123456.0, 123000.0, 124000.0, "123,460 % (123,000 to 124,000)"),
        (-0.001, -0.21, 0.2, "0.00 % (-0.21 to 0.20)"),
        (100.0, 100.0, 100.0, "100 % (100 to 100)"),
        (0.5, -LARGEST, LARGEST, "0.5 % (-∞ to ∞)"),
        (0.5, 0.25, LARGEST, "0.5 % (0.25 to ∞)"),
    ],
)
def test_numbers_have_the_digits_that_their_intervals_leave(
    value: float, low: float, high: float, told: str
) -> None:
    assert quantity_text(quantity(value, low, high)) == told


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("exact", "297.703 % (exact)"),
        ("printed", "297.703 % (paper's numbers)"),
        ("unrepeated", "297.703 % (no interval)"),
    ],
)
def test_where_there_is_no_interval_the_reason_stands_in_its_place(kind: Kind, told: str) -> None:
    """A measurement whose repetitions are not told is never called exact."""
    value = 297.7031698
    assert quantity_text(quantity(value, value, value, kind=kind)) == told


def test_a_finding_on_a_measurement_without_interval_says_so() -> None:
    bound = Condition(quantity="unrepeated", direction="at_least", bound=0.99, met="yes")
    some = claim("alpha", "confirmed")
    bare = some.model_copy(update={"conditions": (*some.conditions, bound)})
    told = experiment("figure3", (), some, bare)
    assert not caution_text(some, told)
    assert caution_text(bare, told).startswith("No interval: the source does not say how often")


def test_intervals_are_rounded_outwards() -> None:
    """One that crosses a bound at 1 is never told as one that ends there."""
    assert interval_text(quantity(0.7, 0.4, 1.0004)) == "0.40 to 1.01"
    assert interval_text(quantity(0.7, 0.4, 1.0)) == "0.40 to 1.00"
    assert interval_text(quantity(1.5, 0.9996, 2.0)) == "0.99 to 2.00"


def test_units_stand_by_values_and_bounds() -> None:
    plain = quantity(1.5, 1.4, 1.6, unit="")
    assert value_text(plain) == "1.50"
    bound = Condition(quantity="q", direction="at_least", bound=12000.0, met="no")
    assert bound_text(bound, plain) == "at least 12,000"
    assert bound_text(bound, quantity(1, 1, 1)) == "at least 12,000 %"


def test_a_verdict_with_a_limit_tells_what_was_found_in_its_place() -> None:
    assert verdict_text(claim("a", "partly")) == "partly"
    limited = claim("a", "not confirmed", "data not public")
    assert verdict_text(limited) == "data not public; on what is public, not confirmed"


def test_failing_claims_come_first_by_finding_then_in_the_order_of_the_paper() -> None:
    found = with_finding(made_up(), "not confirmed", "partly")
    assert [each.name for _, each in found] == ["gamma", "eta", "epsilon"]


def test_every_verdict_has_a_sign_of_its_own() -> None:
    assert len(set(MARKS.values())) == len(MARKS)


def test_experiments_are_named_as_in_the_paper_and_the_command_names_them_all() -> None:
    assert [name_of(each) for each in ("figure10", "table2")] == ["Figure 10", "Table 2"]
    names = "figure2 figure4 figure7 figure11 table2"
    assert command_of(made_up()) == f"gnr reproduce {names} --quick"


def test_panels_are_told_in_words() -> None:
    told = description_of(PANELS["lines"])
    assert told.startswith("Revenue of growing clusters: lines of money/s per GPU over GPUs")
    assert "policy 0; policy 1; policy 2. Dashed: optimum R* at 310; another at 282." in told
    assert all(description_of(each) for each in PANELS.values())


def test_the_summary_has_every_claim_with_its_numbers() -> None:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(made_up())
    text = " ".join(captured.get().split())
    assert "8 claims, 4 confirmed, 1 partly, 2 not confirmed, 1 undecided" in text
    assert "3 claims fail at least in part." in text
    for one in made_up().experiments:
        assert name_of(one.name) in text
        for each in one.claims:
            assert f"{verdict_text(each)}: {each.says}" in text
    assert "✗ gap to the optimum, 500 GPUs: 3.863 % (3.801 to 3.926), required: at most 1 %" in text
    assert "Warning: the cluster had not settled" in text
    assert MARKUP not in text, "quantities that no claim names are in the report alone"
