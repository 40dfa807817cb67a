r"""Mean time from arrival to the last token, per finished request (Little's law)."""

from gnr.slis.affine import total
from gnr.slis.indicator import Form, Indicator, Scope, finished

STATIONS = ("prefill_queue", "prefill", "decode_queue", "mixed_decode", "solo_decode")
"""Where a request can be."""


def form(scope: Scope) -> Form:
    r"""Return the time spent in the system per request that finishes.

    Hard and soft, sums over the classes in scope:

    .. math:: \frac{\sum_i(q_{p,i}+x_i+q_{d,i}+y_{m,i}+y_{s,i})}
       {\sum_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})}\le\eta,\qquad
       l=\eta'\frac{\sum_i(q_{p,i}+x_i+q_{d,i}+y_{m,i}+y_{s,i})}
       {\sum_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})}

    Both sides: s. The waits of requests that leave are counted, so it is never below the mean
    over the requests that finish. One more busy decode slot lengthens the stay and the list of
    the finished alike: not convex, even for one class.
    """
    inside = {(station, i): 1 for station in STATIONS for i in scope.classes}
    return Form(total(inside), finished(scope))


INDICATOR = Indicator(
    kind="mean_end_to_end",
    title="time in the system, mean per finished request, waits of those who left counted",
    source="Little's law",
    unit="s",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
    convex=lambda _: False,
    needs_patience=True,
)
