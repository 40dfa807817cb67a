"""A fault in rates, network or programs turns red the claims that rest on it, by name."""

import ast
import sys
from pathlib import Path

import pytest
import sympy as sp

from gnr.proofs.ledger import expected_verdict
from gnr.proofs.registry import all_claims
from planted_faults import (
    PROCESSES,
    Fault,
    doubled,
    formula,
    free_edge,
    free_formula,
    no_edge,
    verdicts,
)

THREE_PER_CENT = sp.Rational(103, 100)

SOLO_FAULTS: dict[str, Fault] = {
    "3 % fast": formula("solo_decode_rate", lambda right, *_: right * THREE_PER_CENT),
    "constant in D": formula("solo_decode_rate", lambda _, output, time: 1 / time),
}

FLUID = "FL-drift FL-balances FL-clocks FL-steady"

RATE_FAULTS: dict[str, tuple[Fault, str]] = {
    **{
        f"solo decode rate {name}": (
            fault,
            f"M-b M-d M-f M-m T3.1-i L10.10-c L10.10-d L10.12-b L10.12-d S-c S-g {FLUID}"
            " FL-revenue FL-objectives",
        )
        for name, fault in SOLO_FAULTS.items()
    },
    "mixed decode rate 3 % fast": (
        formula("mixed_decode_rate", lambda right, *_: right * THREE_PER_CENT),
        f"M-d M-e M-f T3.1-i {FLUID} FL-revenue FL-objectives",
    ),
    "prefill rate without the chunk": (
        formula("prefill_rate", lambda right, chunk, *_: right / chunk),
        f"M-e M-f T3.1-i {FLUID} FL-revenue FL-objectives",
    ),
    "reward without the prompt": (
        formula("bundled_reward", lambda _, cp, cd, prompt, output: cd * output),
        "FL-revenue",
    ),
}

EDGE_FAULTS = {
    "A": f"M-j M-m T3.1-b T3.1-c T3.1-d T3.1-g T3.1-i {FLUID} FL-pyomo FL-variants",
    "B_p": f"M-j M-m T3.1-b T3.1-c T3.1-d T3.1-i {FLUID} FL-pyomo FL-variants",
    "U_p": "M-j T3.1-b T3.1-c T3.1-d T3.1-e T3.1-f/corrected FL-drift FL-balances FL-steady"
    " FL-pyomo FL-variants",
    "S_p": f"M-f M-j M-l M-m T3.1-b T3.1-c T3.1-d T3.1-e T3.1-f/corrected T3.1-i L10.10-d {FLUID}"
    " L10.7-a FL-revenue FL-pyomo FL-objectives FL-variants",
    "B_d": f"L10.7-a M-j M-l M-n T3.1-b T3.1-c T3.1-d T3.1-i L10.12-d T13-a T13-d {FLUID}"
    " FL-pyomo FL-variants",
    "U_dm": "L10.7-a T13-d M-i M-j T3.1-b T3.1-c T3.1-d FL-drift FL-balances FL-steady",
    "U_ds": "L10.7-a T13-d M-i M-j T3.1-b T3.1-c T3.1-d FL-drift FL-balances FL-steady",
    "S_dm": f"L10.7-a T13-a T13-b M-f M-i T3.1-i L10.10-d L10.12-b L10.12-d {FLUID}"
    " FL-revenue FL-pyomo FL-objectives FL-variants",
    "S_ds": f"L10.7-a M-f M-i T3.1-i L10.10-d L10.12-b L10.12-d T13-a {FLUID}"
    " FL-revenue FL-pyomo FL-objectives FL-variants",
    "M_sm": "M-i T3.1-e T3.1-f/corrected FL-drift FL-balances",
    "M_ms": "M-i T3.1-e T3.1-f/corrected FL-drift FL-balances",
}
"""Claims that a missing edge refutes."""

PROGRAM_CLAIMS = ("FL-pyomo", "FL-capacities", "FL-objectives", "FL-variants", "FL-size")

X, Y_M, Y_S = "prefill_occupancy", "mixed_decode_occupancy", "solo_decode_occupancy"
Q_P, Q_D, UNSERVED = "prefill_queue", "decode_queue", "unserved_rate"
BALANCES = "FL-pyomo FL-variants"

ROW_FAULTS = {
    "prefill_capacity": ((X, "bound"), "FL-capacities FL-size"),
    "mixed_decode_capacity": ((X, Y_M), "FL-capacities"),
    "solo_decode_capacity": ((X, Y_S, "bound"), "FL-capacities FL-size"),
    "prefill_balance": ((X, Q_P, "bound"), BALANCES),
    "decode_balance": ((X, Y_M, Y_S, Q_D), BALANCES),
    "decode_flow_limit": ((X, Y_M, Y_S), "FL-variants"),
    "empty_decode_buffer": ((Q_D,), "FL-variants"),
    "disaggregation": ((Y_M,), "FL-variants"),
    "served_balance": ((X, UNSERVED, "bound"), "FL-variants"),
    "bundled_revenue": ((Y_M, Y_S), "FL-objectives"),
    "separate_revenue": ((X, Y_M, Y_S), "FL-objectives"),
    "unserved_arrivals": ((UNSERVED,), "FL-variants"),
    "sized_prefill_capacity": ((X, "gpus"), "FL-size"),
    "sized_solo_decode_capacity": ((X, Y_S, "gpus"), "FL-size"),
    "fewest_gpus": (("gpus",), "FL-size"),
}
"""Rows of the programs: coefficients to double one by one, and the claims refuted, no others."""

SAME_FOR_ALL = "a slot still earns the same for every class, be it another amount or nothing"
EXAMPLE = "says that an example exists; its instance remains one under the fault"

STILL_TRUE = {
    "any_solo_decode_rate": {
        "PI-IP/bound": "the chain at any speeds bounds those who decode in place at these",
        "P3.2-t": EXAMPLE,
        "PI-IP/light-load": EXAMPLE,
        "T4.2-a": SAME_FOR_ALL,
        "P13.5-k/corrected": "outputs are equally long: any function of D will do",
    },
    "any_A": {
        "T4.1-d": "bounds from above; they hold a fortiori for queues that nothing feeds",
        "10k/corrected": "without arrivals the value is constantly 0 in the prices",
    },
    "any_S_p": {
        "T4.2-a": SAME_FOR_ALL,
        "T4.1-d": "bounds from above; they hold a fortiori for buffers that nothing feeds",
    },
    "any_B_d": {
        "M-m": "waiting for prefill for ever needs no decode buffer",
        "P3.2-u": "is about classes that never leave the buffer; now none does",
        "R4.1-blind": "assumes equal patience; now all wait for ever",
    },
    "any_S_dm": {"T4.2-a": SAME_FOR_ALL},
    "any_S_ds": {"T4.2-a": SAME_FOR_ALL, "P3.2-t": EXAMPLE},
}
"""Proved claims that use the right formula, and yet hold, truly, under the planted fault."""


@pytest.mark.parametrize("name", list(RATE_FAULTS))
def test_a_wrong_rate_refutes(name: str) -> None:
    fault, claims = RATE_FAULTS[name]
    found = verdicts(fault, claims.split())
    assert set(found.values()) == {"refuted"}, found


@pytest.mark.parametrize("process", PROCESSES)
def test_a_missing_edge_refutes(process: str) -> None:
    found = verdicts(no_edge(process), EDGE_FAULTS[process].split())
    assert set(found.values()) == {"refuted"}, found


@pytest.mark.parametrize(
    ("row", "part"), [(row, part) for row, (parts, _) in ROW_FAULTS.items() for part in parts]
)
def test_a_wrong_coefficient_refutes(row: str, part: str) -> None:
    found = verdicts(doubled(row, part), ROW_FAULTS[row][1].split(), anew=False)
    assert set(found.values()) == {"refuted"}, found


@pytest.mark.long
@pytest.mark.parametrize("row", list(ROW_FAULTS))
def test_a_wrong_coefficient_refutes_nothing_else(row: str) -> None:
    others = set(PROGRAM_CLAIMS) - set(ROW_FAULTS[row][1].split())
    found = verdicts(doubled(row, ROW_FAULTS[row][0][0]), sorted(others), anew=False)
    assert found == {each: expected_verdict(each) for each in found}


def test_every_row_and_objective_of_the_programs_is_put_to_the_test() -> None:
    from gnr.models import constraints, objectives

    built = {
        name
        for module in (constraints, objectives)
        for name, value in vars(module).items()
        if callable(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert built == set(ROW_FAULTS)


def test_the_faulty_programs_are_read_by_these_claims_alone() -> None:
    folder = Path(sys.modules["gnr.proofs"].__path__[0])
    readers = {path.stem for path in folder.rglob("*.py") if _imports_models(path)}
    assert readers == {"fluid_programs"}
    from gnr.proofs import fluid_programs

    assert {claim.id for claim in fluid_programs.CLAIMS} == set(PROGRAM_CLAIMS)


def _imports_models(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    named += [n.name for each in ast.walk(tree) if isinstance(each, ast.Import) for n in each.names]
    return any(name.startswith("gnr.models") for name in named)


@pytest.mark.long
@pytest.mark.parametrize("name", list(SOLO_FAULTS))
def test_nothing_stays_green_that_rests_on_the_solo_rate(name: str) -> None:
    """A claim rests on a formula if it fails once the formula may be anything."""
    _nothing_stays_green(
        free_formula("solo_decode_rate"), SOLO_FAULTS[name], "any_solo_decode_rate"
    )


@pytest.mark.long
@pytest.mark.parametrize("process", ["A", "B_p", "B_d", "S_p", "S_dm", "S_ds"])
def test_nothing_stays_green_that_rests_on_a_missing_edge(process: str) -> None:
    """A claim rests on a clock if it fails once the clock may run at any rate."""
    _nothing_stays_green(free_edge(process), no_edge(process), f"any_{process}")


def _nothing_stays_green(freed: Fault, fault: Fault, symbol: str) -> None:
    proved = [
        claim.id
        for claim in all_claims()
        if (expected_verdict(claim.id) or "").startswith("proved")
    ]
    resting = [
        claim
        for claim, label in verdicts(freed, proved).items()
        if label != expected_verdict(claim)
    ]
    assert resting
    green = {
        claim
        for claim, label in verdicts(fault, resting).items()
        if label == expected_verdict(claim)
    }
    assert green <= set(STILL_TRUE.get(symbol, {}))
