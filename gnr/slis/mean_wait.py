r"""Mean wait before prefill, per completed prefill (Little's law)."""

from gnr.slis.affine import total
from gnr.slis.indicator import Form, Indicator, Scope, started


def form(scope: Scope) -> Form:
    r"""Return the time spent in the prefill queue per prefill that completes.

    Hard and soft, sums over the classes in scope:

    .. math:: \frac{\sum_iq_{p,i}}{\sum_i\mu_{p,i}x_i}\le\eta,\qquad
       l=\eta'\frac{\sum_iq_{p,i}}{\sum_i\mu_{p,i}x_i}

    Both sides: s. By Little's law the queue holds the waits of all who join it, so those of
    requests that leave are counted: never below the mean over the requests that are served.
    """
    return Form(total({("prefill_queue", i): 1 for i in scope.classes}), started(scope))


def convex(scope: Scope) -> bool:
    r"""Whether all in scope are equally patient.

    With F the prefills per second, the wait is then :math:`(\sum_i\lambda_i/F-1)/\theta`.
    """
    return len({scope.rates.patience_rate[i] for i in scope.classes}) == 1


INDICATOR = Indicator(
    kind="mean_wait",
    title="wait before prefill, mean per completed prefill, waits of those who left counted",
    source="Little's law",
    unit="s",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
    convex=convex,
    needs_patience=True,
    ends_at_first_token=True,
)
