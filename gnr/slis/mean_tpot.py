r"""Mean time per output token over the decode slots of the plan (eqs. P47, P48, D7, D8)."""

from gnr.rates import Rates
from gnr.slis.affine import constant, total
from gnr.slis.indicator import Form, Indicator, Scope


def form(scope: Scope) -> Form:
    r"""Return the iteration time averaged over the decode slots, with X the sum of all x_i.

    Hard (eq. P47) and soft (eq. P48):

    .. math:: \frac{\tau(B-1)X+\frac1\gamma B(1-X)}{(B-1)X+B(1-X)}\le\eta_3,\qquad
       l_3=\eta_3'\frac{\tau(B-1)X+\frac1\gamma B(1-X)}{(B-1)X+B(1-X)}

    Both sides: s. The denominator is :math:`B-X>0`, so the hard form is one linear row (eq. D7).
    """
    rates = scope.rates
    slots, mixed, solo = rates.batch_slots, rates.mixed_time, rates.solo_time
    everyone = range(rates.classes)
    slope = mixed * (slots - 1) - solo * slots
    return Form(
        total({("prefill", i): slope for i in everyone}) + constant(solo * slots),
        total({("prefill", i): -1 for i in everyone}) + constant(slots),
    )


def convex(scope: Scope) -> bool:
    r"""Whether it is convex in X: :math:`\kappa\ge1` (eq. D8)."""
    return bool(scope.rates.mixed_time >= scope.rates.solo_time)


def most_prefill(rates: Rates, bound: float) -> float | None:
    """Return the largest prefill occupancy per GPU that a promised mean allows (eq. D7).

    None where it does not grow with the prefills, at kappa of at most 1. `bound` is in seconds.
    """
    if rates.mixed_time <= rates.solo_time:
        return None
    slots, mixed, solo = rates.batch_slots, rates.mixed_time, rates.solo_time
    slope = mixed * (slots - 1) - solo * slots + bound
    return float(min(1.0, max(0.0, slots * (bound - solo) / slope)))


INDICATOR = Indicator(
    kind="mean_tpot",
    title="time per output token, mean over the decode slots",
    source="eqs. P47, P48",
    unit="s",
    directions=("at_most",),
    scopes=("cluster",),
    form=form,
    convex=convex,
    averages_iterations=True,
)
