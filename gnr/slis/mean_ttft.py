r"""Mean time to first token, per completed prefill (Little's law)."""

from gnr.slis.affine import total
from gnr.slis.indicator import Form, Indicator, Scope, started


def form(scope: Scope) -> Form:
    r"""Return the time spent before the first token per prefill that completes.

    Hard and soft, sums over the classes in scope:

    .. math:: \frac{\sum_i(q_{p,i}+x_i)}{\sum_i\mu_{p,i}x_i}\le\eta,\qquad
       l=\eta'\frac{\sum_i(q_{p,i}+x_i)}{\sum_i\mu_{p,i}x_i}

    Both sides: s. The waits of requests that leave are counted, so it is never below the mean
    over the requests that are served.
    """
    waiting = total({("prefill_queue", i): 1 for i in scope.classes})
    in_prefill = total({("prefill", i): 1 for i in scope.classes})
    return Form(waiting + in_prefill, started(scope))


def convex(scope: Scope) -> bool:
    r"""Whether all in scope are equally patient and have equal prefill rates.

    With F the prefills per second, it is then :math:`(\sum_i\lambda_i/F-1)/\theta+1/\mu_p`.
    """
    rates = scope.rates
    return len({(rates.patience_rate[i], rates.prefill[i]) for i in scope.classes}) == 1


INDICATOR = Indicator(
    kind="mean_ttft",
    title="time to first token, mean per completed prefill, waits of those who left counted",
    source="Little's law",
    unit="s",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
    convex=convex,
    needs_patience=True,
    ends_at_first_token=True,
)
