r"""Share of one class among the finished requests."""

from dataclasses import replace

from gnr.slis.indicator import Form, Indicator, Scope, finished


def form(scope: Scope) -> Form:
    r"""Return the finished requests of class i over those of all classes.

    Hard and soft:

    .. math:: \frac{\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}}
       {\sum_j(\mu_{m,j}y_{m,j}+\mu_{s,j}y_{s,j})}\ge\eta,\qquad
       l=\eta'\bigg(1-\frac{\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}}
       {\sum_j(\mu_{m,j}y_{m,j}+\mu_{s,j}y_{s,j})}\bigg)

    Both sides: a fraction. A plan that finishes nothing keeps every such promise.
    """
    return Form(finished(scope), finished(replace(scope, owner=None)))


INDICATOR = Indicator(
    kind="proportional_share",
    title="share of the class among the finished requests",
    source="flow out of the decode slots, eq. P40",
    unit="fraction of finished requests",
    directions=("at_least", "at_most"),
    scopes=("class",),
    form=form,
    highest=1.0,
    convex=lambda _: False,
    best=lambda _: 1,
)
