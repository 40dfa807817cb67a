"""The faults of the paper that are known by number come out with exactly these numbers.

The figures are those of THEORY 8 and 10(k), computed there by other means.
"""

import pytest

from gnr.proofs.proving import check_claim


def evidence(claim_id: str) -> str:
    """Return what a refuted claim rests on, in one text."""
    claim = check_claim(claim_id, faults=False)
    assert claim.verdict == "refuted"
    return "\n".join(claim.evidence)


@pytest.mark.parametrize(
    ("claim_id", "figures"),
    [
        ("T4.1-a/printed", ["18889477/33272 (567.729)", "(482.771)", "(121.95)"]),
        ("L10.1-a/printed", ["x_2' = 21/50 > 0", "69/100 slots per second come free"]),
        ("L10.1-e/printed", ["x_0(t) > x_0* at every t > 0", "q_p,1* = 0 in every optimum"]),
        ("L10.12-c/printed", ["A(t) > A* for all t ≥ 18/25 s (0.72 s)"]),
        ("P13.5-f/printed", ["share of class 1 90/19", "du_1/dt = 1, not 0"]),
        ("10k/printed", ["120364470720/404310343 = 297.7032 at c_p = 1/10", "462.9785"]),
    ],
)
def test_known_fault_comes_out_exactly(claim_id: str, figures: list[str]) -> None:
    told = evidence(claim_id)
    for figure in figures:
        assert figure in told


@pytest.mark.parametrize("claim_id", ["P10.14-b/printed", "P12.1-d/printed", "L13.3-d/printed"])
def test_known_fault_has_a_counterexample(claim_id: str) -> None:
    assert any(character.isdigit() for character in evidence(claim_id))


def test_filling_rests_at_the_optimum_but_the_conjecture_is_open() -> None:
    assert check_claim("PI-fill/at-rest", faults=False).label == "proved"
    assert check_claim("PI-fill/conjecture", faults=False).label == "undecided"
