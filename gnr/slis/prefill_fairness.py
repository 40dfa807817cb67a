r"""Prefill fairness: no class holds many more prefill slots than another (eqs. P43, P44)."""

from typing import Any

from gnr.slis.indicator import Form, Indicator, Scope, spread


def form(scope: Scope) -> Form:
    r"""Return the spread of the prefill occupancies.

    Hard (eq. P43) and soft (eq. P44):

    .. math:: \max_{i,j\in\mathcal I}\{x_i-x_j\}\le\eta_1,\qquad
       l_1=\eta_1'\max_{i,j\in\mathcal I}\{x_i-x_j\},\qquad q_{d,i}=0\ \ \forall i

    Both sides: requests in prefill per GPU. Written as
    :math:`\overline v-\underline v` with :math:`\underline v\le x_i\le\overline v`.
    """
    return spread(scope, "prefill")


def value(_: Scope, point: Any) -> Any:
    """Return the spread at a point."""
    return point.prefill.max(axis=0) - point.prefill.min(axis=0)


INDICATOR = Indicator(
    kind="prefill_fairness",
    title="largest difference of prefill occupancies between classes",
    source="eqs. P43, P44",
    unit="requests per GPU",
    directions=("at_most",),
    scopes=("cluster",),
    form=form,
    value=value,
)
