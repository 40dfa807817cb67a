r"""Fraction of the arrivals that leave before they are served."""

from gnr.slis.affine import constant, total
from gnr.slis.indicator import Form, Indicator, Scope


def form(scope: Scope) -> Form:
    r"""Return the requests that leave either queue, over the arrivals.

    Hard and soft, sums over the classes in scope:

    .. math:: \frac{\sum_i\theta_i(q_{p,i}+q_{d,i})}{\sum_i\lambda_i}\le\eta,\qquad
       l=\eta'\frac{\sum_i\theta_i(q_{p,i}+q_{d,i})}{\sum_i\lambda_i}

    Both sides: a fraction. Classes with :math:`\theta_i=0` arrive, and none of them leaves.
    """
    rates = scope.rates
    leaving = {
        (queue, i): rates.patience_rate[i]
        for queue in ("prefill_queue", "decode_queue")
        for i in scope.impatient
    }
    return Form(total(leaving), constant(sum(rates.arrival_rate[i] for i in scope.classes)))


INDICATOR = Indicator(
    kind="abandonment_fraction",
    title="share of the arrivals that leave unserved",
    source="balances of eq. P40",
    unit="fraction of arrivals",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
    highest=1.0,
)
