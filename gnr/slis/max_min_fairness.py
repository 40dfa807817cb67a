r"""Max-min fairness: every class is served at least so much of its fair share."""

from dataclasses import replace
from typing import Any

from gnr.slis.affine import Affine, variable
from gnr.slis.indicator import Form, Indicator, Scope, finished


def form(scope: Scope) -> Form:
    r"""Return the least served part of a fair share.

    Hard and soft, with :math:`r_i` the fraction of its arrivals that class i is served at the
    lexicographically max-min fair plan:

    .. math:: \min_{i:r_i>0}\frac{\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}}{r_i\lambda_i}\ge\eta,\qquad
       l=\eta'\bigg(1-\min_{i:r_i>0}\frac{\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}}{r_i\lambda_i}\bigg)

    Both sides: a fraction of the fair share. Written with an auxiliary v,
    :math:`v\,r_i\lambda_i\le\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}` for all i. The :math:`r_i` are
    numbers here: prices hold them fixed.
    """
    shares = zip(scope.classes, scope.fair_shares, strict=True)
    return Form(
        variable("least"),
        definitions=tuple(_missing(scope, i, share) for i, share in shares),
        auxiliaries=("least",),
    )


def _missing(scope: Scope, i: int, share: Any) -> Affine:
    """Return by how much class `i` falls short of the least part of its share, requests/s."""
    fair = share * scope.rates.arrival_rate[i]
    return variable("least").times(fair) - finished(replace(scope, owner=i))


def value(scope: Scope, point: Any) -> Any:
    """Return the least part at a point; nan if no class has a fair share."""
    import numpy as np

    parts = [
        finished(replace(scope, owner=i)).at(point) / (share * scope.rates.arrival_rate[i])
        for i, share in zip(scope.classes, scope.fair_shares, strict=True)
        if share > 0
    ]
    return np.min(parts, axis=0) if parts else np.full(np.shape(point.prefill)[1:], np.nan)


INDICATOR = Indicator(
    kind="max_min_fairness",
    title="least served part of a class's max-min fair share",
    source="lexicographic max-min fairness over the set of eq. P40",
    unit="fraction of the fair share",
    directions=("at_least",),
    scopes=("cluster",),
    form=form,
    highest=1.0,
    best=lambda _: 1,
    value=value,
    needs_fair_shares=True,
)
