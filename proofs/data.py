"""Ledger 8.8: the published data on workloads, and the fit of exponential lengths (THEORY 9)."""

from typing import Any, NamedTuple

import sympy as sp

from gnr import rates as formulas
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.exact import equal, positive, product
from gnr.proofs.kit.symbols import SOLO_TIME
from gnr.proofs.kit.totals import Total


class Category(NamedTuple):
    """A row of Table 1: mean lengths as printed, and the number of samples."""

    prompt: int
    output: int
    samples: int


TABLE_1 = {
    "brainstorming": Category(61, 331, 1764),
    "classification": Category(123, 142, 2136),
    "closed QA": Category(992, 182, 1738),
    "creative writing": Category(89, 915, 699),
    "general QA": Category(69, 572, 2187),
    "information extraction": Category(1139, 273, 1462),
    "open QA": Category(45, 293, 3739),
    "summarization": Category(1177, 436, 1150),
}
LONG_PROMPTS = ("information extraction", "summarization")
SHORT_PROMPTS = ("creative writing", "open QA")


def samples_in_all(printed: int = 14_875) -> Finding:
    """Add the samples of the eight categories."""
    return equal(
        sum(each.samples for each in TABLE_1.values()), printed, f"the samples add up to {printed}"
    )


def prompts_longer_than(limit: int = 1000) -> Finding:
    """Select the categories whose mean prompt exceeds the limit."""
    selected = tuple(name for name, each in TABLE_1.items() if each.prompt > limit)
    told = f"above {limit}: " + ", ".join(f"{each} {TABLE_1[each].prompt}" for each in selected)
    return proved(told) if selected == LONG_PROMPTS else refuted(told)


def outputs_are_longer(than: tuple[str, ...] = LONG_PROMPTS, per_prompt: bool = False) -> Finding:
    """Compare the outputs of the short-prompt categories with those of others, pair by pair.

    Either the outputs themselves or, with `per_prompt`, output tokens per prompt token.
    """

    def size(name: str) -> Any:
        each = TABLE_1[name]
        return sp.Rational(each.output, each.prompt if per_prompt else 1)

    pairs = [(short, other) for short in SHORT_PROMPTS for other in than if short != other]
    kept = all(TABLE_1[short].prompt < 100 for short in SHORT_PROMPTS)
    failing = [(short, other) for short, other in pairs if size(short) <= size(other)]
    if failing or not kept:
        return refuted(
            *(f"{one}: {size(one)} ≤ {size(two)} of {two}" for one, two in failing),
            *([] if kept else ["a prompt is not below 100"]),
        )
    return proved(
        "prompts below 100: "
        + ", ".join(f"{each} {TABLE_1[each].prompt}" for each in SHORT_PROMPTS),
        *(f"{one}: {size(one)} > {size(two)} of {two}" for one, two in pairs),
    )


def likelihood_is_greatest_at(inverted: bool = False, shape: int = 1) -> Finding:
    """Set the score of independent exponential lengths to 0; the second derivative is negative.

    Lengths of the sample are d_i, their number is the total of 1. The density is minus the
    derivative of the survival function, for `shape` 2 that of a sum of two exponentials.
    """
    rate, length = sp.Symbol("mu", positive=True), sp.Symbol("d_i", positive=True)
    survival = sp.exp(-rate * length) * sum((rate * length) ** k for k in range(shape))
    density = sp.factor(-sp.diff(survival, length))
    likelihood = Total(sp.expand_log(sp.log(density)))
    observations = Total(sp.Integer(1))
    mean = Total(length) / observations
    fitted = mean if inverted else 1 / mean
    return all_of(
        equal(likelihood.diff(rate).subs(rate, fitted), 0, "the score vanishes at 1/mean"),
        positive(
            -likelihood.diff(rate, 2),
            [product(observations, 1 / rate**2)],
            says="the second derivative is -n/mu^2 < 0: no other maximum",
        ),
        equal(
            formulas.solo_decode_rate(mean, SOLO_TIME) * SOLO_TIME,
            fitted,
            "a class with the sample's mean length has this rate per iteration",
        ),
    )


CLAIMS = (
    Claim(
        id="N-a",
        statement="Table 1 holds 14,875 samples.",
        latex=r"\sum\text{samples}=14875",
        source="THEORY 8.8, 9.10",
        check=samples_in_all,
        mutants=(Mutant("another total", lambda: samples_in_all(printed=14_785)),),
    ),
    Claim(
        id="N-b",
        statement="Information extraction and summarization are the categories with mean prompts "
        "above 1,000.",
        latex=r"P>1000:\quad 1139,\ 1177",
        source="THEORY 8.8, 9.10",
        check=prompts_longer_than,
        mutants=(Mutant("a lower limit", lambda: prompts_longer_than(limit=900)),),
    ),
    Claim(
        id="N-c/printed",
        statement="Creative writing and open QA have prompts below 100 and longer outputs than the "
        "categories with long prompts.",
        latex=r"P<100,\qquad D>D_{\text{long prompts}}",
        source="THEORY 8.8, 9.10",
        check=outputs_are_longer,
        mutants=(
            Mutant(
                "longer than all other categories",
                lambda: outputs_are_longer(than=tuple(TABLE_1)),
            ),
        ),
    ),
    Claim(
        id="N-c/corrected",
        statement="They have prompts below 100 and more output tokens per prompt token.",
        latex=r"P<100,\qquad D/P>(D/P)_{\text{long prompts}}",
        source="THEORY 8.8, 9.10",
        check=lambda: outputs_are_longer(per_prompt=True),
        mutants=(
            Mutant(
                "more than all other categories",
                lambda: outputs_are_longer(than=tuple(TABLE_1), per_prompt=True),
            ),
        ),
    ),
    Claim(
        id="N-f",
        statement="The exponential fit by maximum likelihood has the rate 1 over the sample mean.",
        latex=r"\hat\mu=\Big(\frac1n\sum_kd_k\Big)^{-1}",
        source="THEORY 8.8, 9.11",
        check=likelihood_is_greatest_at,
        mutants=(
            Mutant("the mean itself", lambda: likelihood_is_greatest_at(inverted=True)),
            Mutant("lengths in two phases", lambda: likelihood_is_greatest_at(shape=2)),
        ),
    ),
)
