"""A broken premise is no refutation: it leaves a claim that should be refuted undecided."""

import re

import pytest

from gnr.proofs.ledger import expected_verdict
from gnr.proofs.proving import check_claim
from gnr.proofs.registry import all_claims
from gnr.verdicts import ClaimVerdict
from planted_faults import PROCESSES, Fault, formula, judged, no_edge

REFUTED = [claim.id for claim in all_claims() if expected_verdict(claim.id) == "refuted"]

FAULTS: dict[str, Fault] = {
    "no arrivals": no_edge("A"),
    "prefill twice as fast": formula("prefill_rate", lambda right, *_: 2 * right),
    "solo speed doubled": formula("speed_ratio", lambda right, *_: 2 * right),
}
MORE_FAULTS: dict[str, Fault] = {
    **{f"no {process}": no_edge(process) for process in PROCESSES if process != "A"},
    **{
        f"{name} doubled": formula(name, lambda right, *_: 2 * right)
        for name in ("mixed_decode_rate", "solo_decode_rate", "bundled_reward")
    },
}


def words(verdict: ClaimVerdict) -> set[str]:
    """Return the lines of the evidence without their numbers, or the point they are at."""
    lines = [re.sub(r" at \w+ = .*", "", line) for line in verdict.evidence]
    return {re.sub(r"[-+*/.,()\s\d]+", " ", line) for line in lines}


@pytest.fixture(scope="module")
def told() -> dict[str, set[str]]:
    """What refutes each claim where no fault is planted."""
    return {each: words(check_claim(each, faults=False)) for each in REFUTED}


def assert_refuted_by_the_same_argument(fault: Fault, told: dict[str, set[str]]) -> None:
    for verdict in judged(fault, REFUTED):
        if verdict.verdict == "refuted":
            assert words(verdict) <= told[verdict.id], (verdict.id, verdict.evidence)
            assert not any("a premise fails" in line for line in verdict.evidence)


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_refutes_no_premise(name: str, told: dict[str, set[str]]) -> None:
    assert_refuted_by_the_same_argument(FAULTS[name], told)


@pytest.mark.long
@pytest.mark.parametrize("name", list(MORE_FAULTS))
def test_another_fault_refutes_no_premise(name: str, told: dict[str, set[str]]) -> None:
    assert_refuted_by_the_same_argument(MORE_FAULTS[name], told)


def test_premises_that_fail_are_told() -> None:
    ids = ["L10.12-c/printed", "L10.1-e/printed", "T4.1-a/printed"]
    for verdict in judged(FAULTS["solo speed doubled"], ids):
        assert verdict.label == "undecided"
        assert verdict.evidence[0].startswith("a premise fails: ")
