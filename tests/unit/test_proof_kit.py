"""The proof kit says neither too much nor the wrong thing."""

from gnr.proofs.kit.claim import Verdict, refuted, unsettled


def test_a_premise_that_fails_settles_nothing() -> None:
    finding = unsettled(refuted("x < 0"))
    assert finding.verdict is Verdict.UNDECIDED
    assert finding.evidence == ("a premise fails: x < 0",)
