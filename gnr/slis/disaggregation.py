r"""Disaggregation: few decodes share a GPU with a prefill, or none."""

from gnr.slis.affine import total
from gnr.slis.indicator import Form, Indicator, Scope


def form(scope: Scope) -> Form:
    r"""Return the number of requests that decode on mixed GPUs.

    Hard and soft, sums over the classes in scope:

    .. math:: \sum_iy_{m,i}\le\eta,\qquad l=\eta'\sum_iy_{m,i}

    Both sides: requests per GPU. At 0 no GPU decodes while it prefills.
    """
    return Form(total({("mixed_decode", i): 1 for i in scope.classes}))


INDICATOR = Indicator(
    kind="disaggregation",
    title="decodes on GPUs that prefill",
    source="mixed decode occupancy of eq. P40",
    unit="requests per GPU",
    directions=("at_most",),
    scopes=("cluster", "class"),
    form=form,
)
