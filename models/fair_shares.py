"""Max-min fair shares: how much of its arrivals each class gets at the fairest plan."""

from gnr.rates import Rates
from gnr.slis.affine import Number


def fair_shares(rates: Rates) -> tuple[Number, ...]:
    r"""Return the fraction of its arrivals that each class is served at the max-min fair plan.

    That plan makes the least fraction as large as it can be, then the next one, and so on, over the
    feasible set of (P40). Classes with :math:`\theta_i=0` are served in full. All others get one
    fraction r: with :math:`\bar x_i=\lambda_i/\mu_{p,i}`, sums over those that never leave marked 0
    and over the others marked 1, and :math:`m=\kappa B-(B-1)`, the largest :math:`r\le1` with

    .. math:: \bar X_0+r\bar X_1\le1,\qquad
       C\sum_0\phi_i\bar x_i+rC\sum_1\phi_i\bar x_i\le\kappa B-mX

    where :math:`X=\bar X_0+r\bar X_1` if :math:`m\ge0` (derived from eq. D4) and
    :math:`X=\min(1,\bar X_0+\bar X_1)` if not (eq. D12). At :math:`r<1` one of the two rows is
    tight, and every class needs more of it for each request more: nobody can rise by himself.

    Parameters
    ----------
    rates
        Rates of the instance, in floats or in fractions, class arrays of shape ``(classes,)``.

    Returns
    -------
    tuple
        Shape ``(classes,)``, numbers like the rates, from 0 to 1. Where classes that never leave
        are too many for the cluster, the others have 0.
    """
    full, work = rates.full_prefill, rates.decode_work * rates.full_prefill
    leaving = [i for i in range(rates.classes) if rates.patience_rate[i] > 0]
    staying = [i for i in range(rates.classes) if i not in leaving]
    if not leaving:
        return (1,) * rates.classes
    first, more = sum(full[i] for i in staying), sum(full[i] for i in leaving)
    needed, added = sum(work[i] for i in staying), sum(work[i] for i in leaving)
    slots = rates.speed_ratio * rates.batch_slots
    cost = slots - (rates.batch_slots - 1)
    if cost >= 0:
        needed, added = needed + cost * first, added + cost * more
    else:
        slots -= cost * min(1, first + more)
    share = max(0, min(1, (1 - first) / more, (slots - needed) / added))
    return tuple(share if i in leaving else 1 for i in range(rates.classes))
