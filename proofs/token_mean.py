r"""Beyond the ledger: the mean time per output token as users see it (THEORY 6, D9 and D13)."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, undecided
from gnr.proofs.kit.exact import equal, equivalent
from gnr.proofs.kit.symbols import BATCH, MIXED_TIME, SOLO_TIME
from gnr.proofs.promises import LIMIT, SHARE, SPARE, amount, gap, slots, token_mean


def token_cap_is_linear(exchanged: bool = False) -> Finding:
    """Multiply the cap on the token mean by the tokens per second, positive if any are made."""
    findings = []
    for one in ("y_m", "y_s"):
        mixed, solo = (amount(name, positive=name == one) for name in ("y_m", "y_s"))
        fast, slow = (MIXED_TIME, SOLO_TIME) if exchanged else (SOLO_TIME, MIXED_TIME)
        row = solo * (LIMIT / fast - 1) - mixed * (1 - LIMIT / slow)
        findings.append(
            equivalent(
                LIMIT - token_mean(mixed, solo),
                row,
                1 / (mixed / MIXED_TIME + solo / SOLO_TIME),
                says=f"token mean ≤ eta iff y_m (1 - eta/tau) ≤ y_s (eta gamma - 1), {one} > 0",
            )
        )
    return all_of(*findings)


def means_meet_only_at_the_ends(meeting: tuple[Any, ...] = (0, 1)) -> Finding:
    """Evaluate the gap where the means should meet; elsewhere its factors are all positive."""
    mixed, solo = (amount(name, positive=True) for name in ("m", "r"))
    difference, certificate = gap(mixed, solo, solo)
    at_share = dict(zip((mixed, solo), slots(), strict=True))
    more = sp.Symbol("g", positive=True)
    findings = [
        equal(difference.subs(at_share).subs(SHARE, share), 0, f"the means meet at X = {share}")
        for share in meeting
    ]
    findings.append(equal(difference.subs(MIXED_TIME, SOLO_TIME), 0, "the means meet at kappa = 1"))
    weights = sp.symbols("p s", positive=True)
    inside = {BATCH: 2 + SPARE, SHARE: weights[0] / sp.Add(*weights)}
    between = [sp.factor(each.subs(inside)) for each in slots()]
    for told, times in (
        ("kappa > 1", {MIXED_TIME: SOLO_TIME + more}),
        ("kappa < 1", {SOLO_TIME: MIXED_TIME + more}),
    ):
        apart = certificate.expression.subs(times)
        says = f"0 < X < 1, B ≥ 2, {told}: they differ by a product of positive factors"
        positive = all(each.is_positive for each in (apart, *between))
        findings.append(
            equal(difference.subs(times), apart, says)
            if positive
            else undecided(f"{says}? sign unknown")
        )
    return all_of(*findings)


CLAIMS = (
    Claim(
        id="D13",
        statement="A cap on the mean over tokens is one linear row as well, without any capacity.",
        latex=r"y_m\Big(1-\frac\eta\tau\Big)\le y_s(\eta\gamma-1)",
        source="THEORY 6, eqs. D9, D13",
        check=token_cap_is_linear,
        mutants=(Mutant("pools exchanged", lambda: token_cap_is_linear(exchanged=True)),),
    ),
    Claim(
        id="D13/equality",
        statement="Both means agree at full slots only if one pool is empty or kappa = 1.",
        latex=r"f(X)=\text{TPOT}_{\rm token}\iff X\in\{0,1\}\ \text{or}\ \kappa=1",
        source="THEORY 6, eq. D9",
        assumptions=(sp.Ge(BATCH, 2), sp.Le(SHARE, 1)),
        check=means_meet_only_at_the_ends,
        mutants=(
            Mutant(
                "at half and half too",
                lambda: means_meet_only_at_the_ends((0, sp.Rational(1, 2), 1)),
            ),
        ),
    ),
)
