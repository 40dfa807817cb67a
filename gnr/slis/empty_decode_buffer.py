r"""Empty decode buffer: who is prefilled decodes at once (the demand of eqs. P43, P45)."""

from gnr.slis.affine import total
from gnr.slis.indicator import Form, Indicator, Scope


def form(scope: Scope) -> Form:
    r"""Return the number of requests that wait for a decode slot.

    Hard and soft, sums over the classes in scope:

    .. math:: \sum_iq_{d,i}\le0,\qquad l=\eta'\sum_iq_{d,i}

    Both sides: requests per GPU. Only classes with :math:`\theta_i>0` have a queue that the
    programs determine.
    """
    return Form(total({("decode_queue", i): 1 for i in scope.impatient}))


INDICATOR = Indicator(
    kind="empty_decode_buffer",
    title="requests that wait for a decode slot",
    source="eqs. P43, P45",
    unit="requests per GPU",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
    highest=0.0,
)
