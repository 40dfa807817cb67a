"""The statistical checks: what is estimated, what it must be, and how surely each would notice.

A check is a z score. All of them together raise a false alarm with probability at most
`FALSE_ALARM` (Bonferroni); each planted fault is found with probability at least `POWER`, computed
from the standard errors at the sizes that are run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gnr.arrays import Floats

FALSE_ALARM = 1e-3
POWER = 0.99
CHECKS = 330
"""z scores of the suite, at most. Pooled chain: 22 clocks, 8 of queues and 10 against the oracle in
the short form, 80 against the oracle in the long one. Per-GPU cluster: 22 clocks, 78 against exact
chains, 30 against queues with general service, 32 against the oracle and as many in the long form,
1 between the fidelities."""

LEVEL = FALSE_ALARM / CHECKS
"""Level of each, two-sided."""


@dataclass(frozen=True)
class Check:
    """One estimate against what it must be.

    Attributes
    ----------
    name
        What is checked.
    estimate, expected
        In the same unit.
    standard_error
        Of the estimate.
    degrees
        Degrees of freedom of the standard error; infinite where it is known.
    """

    name: str
    estimate: float
    expected: float
    standard_error: float
    degrees: float = np.inf

    @property
    def p_value(self) -> float:
        """Return the two-sided p value."""
        z = abs(self.estimate - self.expected) / self.standard_error
        return float(2 * stats.t.sf(z, self.degrees))

    @property
    def alarmed(self) -> bool:
        """Return whether it raises an alarm at its share of the suite's level."""
        return self.p_value < LEVEL

    def power(self, effect: float) -> float:
        """Return the probability of an alarm if the truth is off by `effect`."""
        critical = stats.t.isf(LEVEL / 2, self.degrees)
        shift = abs(effect) / self.standard_error
        return float(stats.nct.sf(critical, min(self.degrees, 1e6), shift))


def mean_check(name: str, samples: Floats, expected: float) -> Check:
    """Return the check of the mean of independent samples."""
    error = float(samples.std(ddof=1)) / np.sqrt(len(samples))
    return Check(name, float(samples.mean()), expected, error, len(samples) - 1)


def difference_check(name: str, a: Floats, b: Floats) -> Check:
    """Return the check that two independent samples have one mean (Welch)."""
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    degrees = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return Check(name, float(a.mean()), float(b.mean()), float(np.sqrt(va + vb)), float(degrees))


def clock_check(name: str, counts: Floats, exposure: Floats, rate: float) -> Check:
    """Return the check that a clock rings at `rate` per request-second.

    Counts less rate times exposure is a martingale with variance rate times exposure: no
    assumption on the rest of the model, no warm-up. It is Little's law of the station too: the
    exposure per departure is the mean sojourn.
    """
    total = float(exposure.sum())
    return Check(name, float(counts.sum()) / total, rate, np.sqrt(rate / total))


def report(title: str, rows: Sequence[tuple[Check, str, float]]) -> str:
    """Return a table of checks with the planted effect and the power to find it."""
    lines = [f"\n{title}: level {LEVEL:.2g} each, {FALSE_ALARM:g} for the suite"]
    for check, fault, effect in rows:
        lines.append(
            f"  {check.name:<42} {check.estimate:>11.6g} expected {check.expected:>11.6g}  "
            f"p {check.p_value:.2g}; finds {fault} with power {check.power(effect):.5f}"
        )
    return "\n".join(lines)
