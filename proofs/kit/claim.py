"""A claim, its verdict, and the faults it must notice.

A claim says one thing. Its `check` derives that thing by machine and returns a `Finding`;
each of its mutants is the same check with one fault planted, and must come out refuted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sympy import Basic


class Verdict(StrEnum):
    """What a machine could say of a claim."""

    PROVED = "proved"
    REFUTED = "refuted"
    """With an exact counterexample."""
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes
    ----------
    verdict
        Proved, refuted or undecided.
    evidence
        What was derived, or the counterexample in exact numbers, a line each.
    restriction
        What the proof is limited to, as in ``I ≤ 4``; empty for none.
    supported
        Number of instances on which numerics agree; they never make a proof.
    """

    verdict: Verdict
    evidence: tuple[str, ...] = ()
    restriction: str = ""
    supported: int = 0

    @property
    def label(self) -> str:
        """The verdict as it is printed, ``proved for I ≤ 4`` for instance."""
        if self.restriction:
            return f"{self.verdict} for {self.restriction}"
        if self.supported:
            return f"{self.verdict}, supported ({self.supported} instances)"
        return str(self.verdict)


def proved(*evidence: str, restriction: str = "") -> Finding:
    """Return a finding that the claim holds."""
    return Finding(Verdict.PROVED, evidence, restriction)


def refuted(*evidence: str) -> Finding:
    """Return a finding that the claim fails; `evidence` holds the exact counterexample."""
    return Finding(Verdict.REFUTED, evidence)


def undecided(*evidence: str, supported: int = 0) -> Finding:
    """Return a finding that settles nothing; `evidence` says what is missing."""
    return Finding(Verdict.UNDECIDED, evidence, supported=supported)


def all_of(*findings: Finding) -> Finding:
    """Return the finding of a claim that needs every one of `findings`.

    One refuted part refutes it; otherwise one undecided part leaves it undecided.

    Raises
    ------
    ValueError
        If there are no findings: nothing is proved by nothing.
    """
    if not findings:
        raise ValueError("no findings to join")
    evidence = _lines(findings)
    for verdict in (Verdict.REFUTED, Verdict.UNDECIDED):
        parts = [each for each in findings if each.verdict is verdict]
        if parts:
            return Finding(verdict, _lines(parts), supported=min(p.supported for p in parts))
    restrictions = dict.fromkeys(each.restriction for each in findings if each.restriction)
    return Finding(Verdict.PROVED, evidence, ", ".join(restrictions))


def unsettled(premises: Finding) -> Finding:
    """Return the finding of a refutation one of whose premises is not proved: undecided.

    A premise that fails says nothing of the claim, whatever it says of the model.
    """
    return undecided(*(f"a premise fails: {line}" for line in premises.evidence))


def _lines(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(line for each in findings for line in each.evidence)


@dataclass(frozen=True)
class Mutant:
    """A check with one fault planted, which must be refuted."""

    name: str
    check: Callable[[], Finding]


@dataclass(frozen=True)
class Claim:
    r"""One step of the theory.

    Attributes
    ----------
    id
        Row of the ledger; where the paper's step is at fault ``ROW/printed`` and
        ``ROW/corrected``.
    statement
        The claim in words.
    latex
        The claim as a formula, without dollar signs.
    source
        Where it stands: row of the ledger, theorem, equation numbers.
    check
        Derives the claim and returns what came out.
    mutants
        Faults that the check must notice; at least one.
    assumptions
        Relations the claim is made under; the signs of the symbols are in the symbols.
    cites
        Facts taken from the literature without proof, such as the functional strong law.
    """

    id: str
    statement: str
    latex: str
    source: str
    check: Callable[[], Finding]
    mutants: tuple[Mutant, ...]
    assumptions: tuple[Basic, ...] = ()
    cites: tuple[str, ...] = ()

    @property
    def row(self) -> str:
        """The row of the ledger."""
        return self.id.partition("/")[0]
