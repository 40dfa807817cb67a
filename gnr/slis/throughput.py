r"""Finished requests per second and GPU."""

from gnr.slis.affine import Number
from gnr.slis.indicator import Form, Indicator, Scope, finished


def form(scope: Scope) -> Form:
    r"""Return the rate at which requests finish.

    Hard and soft, sums over the classes in scope:

    .. math:: \sum_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})\ge\eta,\qquad
       l=\eta'\sum_i(\lambda_i-\mu_{m,i}y_{m,i}-\mu_{s,i}y_{s,i})

    Both sides: requests/s per GPU. As an upper bound, a cap on what a class may take.
    """
    return Form(finished(scope))


def best(scope: Scope) -> Number:
    """Return the arrival rate: no more can finish."""
    return sum(scope.rates.arrival_rate[i] for i in scope.classes)


INDICATOR = Indicator(
    kind="throughput",
    title="finished requests",
    source="flow out of the decode slots, eq. P40",
    unit="requests/s per GPU",
    directions=("at_least", "at_most"),
    scopes=("cluster", "class"),
    form=form,
    best=best,
)
