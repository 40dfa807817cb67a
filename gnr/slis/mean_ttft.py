r"""Mean time to first token, per completed prefill (Little's law)."""

from gnr.slis.affine import total
from gnr.slis.indicator import Form, Indicator, Scope


def form(scope: Scope) -> Form:
    r"""Return the time spent before the first token per prefill that completes.

    Hard, sums over the classes in scope:

    .. math:: \frac{\sum_i(q_{p,i}+x_i)}{\sum_i\mu_{p,i}x_i}\le\eta

    Soft: the weight times the mean. Both sides: s. The waits of requests that leave are counted,
    so it is never below the mean over the requests that are served.
    """
    rates = scope.rates
    waiting = {("prefill_queue", i): 1 for i in scope.classes}
    started = {("prefill", i): 1 for i in scope.classes}
    return Form(
        total(waiting) + total(started),
        total({("prefill", i): rates.prefill[i] for i in scope.classes}),
    )


INDICATOR = Indicator(
    kind="mean_ttft",
    title="time to first token, mean per completed prefill, waits of those who left counted",
    source="Little's law",
    unit="s",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
    convex=lambda scope: scope.owner is not None or scope.rates.classes == 1,
    needs_patience=True,
)
