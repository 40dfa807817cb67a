r"""One GPU under price-index in place with one class that always waits (Algorithm 9).

States: ``k < B`` means a prefill in progress beside k decodes; ``B`` means B decodes and no
prefill. A finished prefill leaves its decode in the slot, and while a slot is free the next
prefill starts at once, so the chain is a birth-death chain on 0, ..., B.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import factorial

from gnr.rates import Rates


@dataclass(frozen=True)
class OneGpu:
    """Stationary averages of the chain, exact.

    Attributes
    ----------
    prefill
        X, the fraction of time with a prefill in progress.
    mixed_decode
        y_m, decodes beside a prefill.
    idle_mixed_slots
        s = (B-1) X - y_m.
    """

    prefill: Fraction
    mixed_decode: Fraction
    idle_mixed_slots: Fraction


def saturated(rates: Rates) -> OneGpu:
    """Return the averages for one class; `rates` holds fractions, class arrays of length 1."""
    slots = int(rates.batch_slots)
    up = Fraction(rates.prefill[0])
    down = [k * Fraction(rates.mixed_decode[0]) for k in range(slots)]
    down.append(slots * Fraction(rates.solo_decode[0]))
    weights = [Fraction(1)]
    for k in range(slots):
        weights.append(weights[-1] * up / down[k + 1])
    total = sum(weights, Fraction(0))
    law = [weight / total for weight in weights]
    prefill = 1 - law[slots]
    mixed = sum((k * law[k] for k in range(slots)), Fraction(0))
    return OneGpu(prefill, mixed, (slots - 1) * prefill - mixed)


def product_form(work: Fraction, kappa: Fraction, slots: int) -> Fraction:
    r"""Return s in closed form, from :math:`r=C\phi` and kappa alone.

    .. math:: s = \frac{\sum_{k<B}(B-1-k)\,r^k/k!}{\sum_{k<B}r^k/k!+r^B/(\kappa B!)}
    """
    terms = [work**k / factorial(k) for k in range(slots)]
    full = work**slots / (kappa * factorial(slots))
    idle = sum(((slots - 1 - k) * term for k, term in enumerate(terms)), Fraction(0))
    return idle / (sum(terms, Fraction(0)) + full)
