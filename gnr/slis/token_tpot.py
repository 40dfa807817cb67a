r"""Mean time per output token over the tokens, as users see it (eqs. D9, D13)."""

from gnr.slis.affine import total
from gnr.slis.indicator import Form, Indicator, Scope


def form(scope: Scope) -> Form:
    r"""Return the iteration time averaged over the output tokens, sums over the classes in scope.

    Hard (eq. D13), for :math:`D>0`:

    .. math:: \frac{y_m+y_s}{y_m/\tau+\gamma y_s}\le\eta\iff
       y_m\Big(1-\frac\eta\tau\Big)\le y_s(\eta\gamma-1)

    Soft: the weight times the mean. Both sides: s. A plan in which nobody decodes keeps it.
    """
    rates = scope.rates
    mixed = {("mixed_decode", i): 1 for i in scope.classes}
    solo = {("solo_decode", i): 1 for i in scope.classes}
    return Form(
        total(mixed) + total(solo),
        total(mixed).times(1 / rates.mixed_time) + total(solo).times(1 / rates.solo_time),
    )


INDICATOR = Indicator(
    kind="token_tpot",
    title="time per output token, mean over the tokens",
    source="eq. D13",
    unit="s",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
    convex=lambda _: False,
    averages_iterations=True,
)
