r"""One GPU that decodes in place, one class (Algorithm 9).

States of a GPU whose free slots are taken at once: ``k < B`` means a prefill in progress beside
k decodes; ``B`` means B decodes and no prefill. A finished prefill leaves its decode in the slot,
so the chain is a birth-death chain on 0, ..., B. Everything is exact.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import factorial

from gnr.rates import Rates


@dataclass(frozen=True)
class OneGpu:
    """Stationary averages of the chain.

    Attributes
    ----------
    prefill
        X, the fraction of time with a prefill in progress.
    mixed_decode
        y_m, decodes beside a prefill.
    prefill_rate
        Prefills finished per second.
    idle_mixed_slots
        s = (B-1) X - y_m.
    """

    prefill: Fraction
    mixed_decode: Fraction
    prefill_rate: Fraction
    idle_mixed_slots: Fraction


def saturated(rates: Rates) -> OneGpu:
    """Return the averages for one class; `rates` holds fractions, class arrays of length 1."""
    slots, up, down = _clocks(rates)
    weights = [Fraction(1)]
    for k in range(slots):
        weights.append(weights[-1] * up / down[k + 1])
    total = sum(weights, Fraction(0))
    law = [weight / total for weight in weights]
    prefill = 1 - law[slots]
    mixed = sum((k * law[k] for k in range(slots)), Fraction(0))
    return OneGpu(prefill, mixed, up * prefill, (slots - 1) * prefill - mixed)


def relative_values(rates: Rates) -> list[Fraction]:
    r"""Return values h_k of the states against which the chain finishes g prefills per second.

    They solve :math:`g=\mu_p(1+h_{k+1}-h_k)+k\mu_m(h_{k-1}-h_k)` for k < B with h_0 = 0; the
    equation at B, :math:`g=B\mu_s(h_{B-1}-h_B)`, then holds as well.
    """
    slots, up, down = _clocks(rates)
    gain = saturated(rates).prefill_rate
    values = [Fraction(0)]
    for k in range(slots):
        back = down[k] * (values[k - 1] - values[k]) if k else Fraction(0)
        values.append(values[k] + (gain - back) / up - 1)
    return values


def exceeds(rates: Rates, gain: Fraction, values: list[Fraction]) -> str | None:
    r"""Return a state and a decision that finish more than `gain` prefills per second, or None.

    A controller may leave free slots idle: beside k decodes without a prefill it may start one,
    which leads to state k at once, or wait while they decode at the solo rate. If no decision
    anywhere gains more than `gain` against `values`, no controller of any number of such GPUs
    does in the long run (Dynkin's formula).
    """
    slots, up, down = _clocks(rates)
    solo = [k * Fraction(rates.solo_decode[0]) for k in range(slots + 1)]
    for k in range(slots):
        back = down[k] * (values[k - 1] - values[k]) if k else Fraction(0)
        if up * (1 + values[k + 1] - values[k]) + back > gain:
            return f"a prefill beside {k} decodes"
    for k in range(1, slots + 1):
        if solo[k] * (values[k - 1] - values[k]) > gain:
            return f"{k} decodes alone"
    return None


def product_form(work: Fraction, kappa: Fraction, slots: int) -> Fraction:
    r"""Return s in closed form, from :math:`r=C\phi` and kappa alone.

    .. math:: s = \frac{\sum_{k<B}(B-1-k)\,r^k/k!}{\sum_{k<B}r^k/k!+r^B/(\kappa B!)}
    """
    terms = [work**k / factorial(k) for k in range(slots)]
    full = work**slots / (kappa * factorial(slots))
    idle = sum(((slots - 1 - k) * term for k, term in enumerate(terms)), Fraction(0))
    return idle / (sum(terms, Fraction(0)) + full)


def _clocks(rates: Rates) -> tuple[int, Fraction, list[Fraction]]:
    """Return B, the rate of prefill completion, and those of decode completion by state."""
    slots = int(rates.batch_slots)
    down = [k * Fraction(rates.mixed_decode[0]) for k in range(slots)]
    return slots, Fraction(rates.prefill[0]), [*down, slots * Fraction(rates.solo_decode[0])]
