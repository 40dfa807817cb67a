r"""Decode fairness: no class holds many more solo decode slots than another (eqs. P45, P46)."""

from typing import Any

from gnr.slis.indicator import Form, Indicator, Scope, spread


def form(scope: Scope) -> Form:
    r"""Return the spread of the solo decode occupancies.

    Hard (eq. P45) and soft (eq. P46):

    .. math:: \max_{i,j\in\mathcal I}\{y_{s,i}-y_{s,j}\}\le\eta_2,\qquad
       l_2=\eta_2'\max_{i,j\in\mathcal I}\{y_{s,i}-y_{s,j}\},\qquad q_{d,i}=0\ \ \forall i

    Both sides: requests decoding on solo GPUs, per GPU. Written as
    :math:`\overline v-\underline v` with :math:`\underline v\le y_{s,i}\le\overline v`.
    """
    return spread(scope, "solo_decode")


def value(_: Scope, point: Any) -> Any:
    """Return the spread at a point."""
    return point.solo_decode.max(axis=0) - point.solo_decode.min(axis=0)


INDICATOR = Indicator(
    kind="decode_fairness",
    title="largest difference of solo decode occupancies between classes",
    source="eqs. P45, P46",
    unit="requests per GPU",
    directions=("at_most",),
    scopes=("cluster",),
    form=form,
    value=value,
)
