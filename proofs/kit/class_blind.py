r"""The work-conserving decode router in the fluid model: it does not look at classes.

Waiting requests of every class are taken at one rate :math:`v(t)` per waiting request, and one
share :math:`p(t)` of what is taken goes to the mixed group. The groups are permanent, so nothing
is switched between them. First come, first served does the same to classes with equal patience
and steady inflows :math:`a_i`: after a wait :math:`w`, the buffer holds
:math:`a_i\int_0^we^{-\theta s}ds` of class i, the same multiple of :math:`a_i` for each.
"""

from typing import Any

import sympy as sp

from gnr.proofs.kit.drift import CONTROLS, drift
from gnr.proofs.kit.symbols import STATE, Model, State

TAKEN = sp.Symbol("v", nonnegative=True)
"""Rate at which each waiting request is taken, 1/s."""

MIXED_SHARE = sp.Symbol("p", nonnegative=True)
"""Share of the taken requests that goes to the mixed group."""

SERVED = sp.Symbol("f", nonnegative=True)
"""Share of the prefilled requests that gets a decode slot."""

PATIENCE = sp.Symbol("theta", positive=True)
"""The patience rate of all classes, where it is equal."""


def equally_patient(model: Model, expression: Any) -> Any:
    """Return an expression with one patience rate for all classes."""
    return sp.sympify(expression).xreplace({model.rates.patience_rate: PATIENCE})


def prefilled(model: Model) -> Any:
    """Return the requests of class i that finish prefill, per second and GPU: what drains it."""
    return -drift(model, STATE).prefill.xreplace({CONTROLS["U_p"]: sp.Integer(0)})


def completed(model: Model) -> Any:
    """Return the decodes of class i that end, per second and GPU."""
    net = drift(model, STATE)
    return -(net.mixed_decode + net.solo_decode).xreplace(
        dict.fromkeys(CONTROLS.values(), sp.Integer(0))
    )


def routed(model: Model, taken: Any, state: State = STATE) -> State:
    """Return the drift when the router takes `taken` requests of class i per second."""
    rule = {
        CONTROLS["U_dm"]: MIXED_SHARE * taken,
        CONTROLS["U_ds"]: (1 - MIXED_SHARE) * taken,
        CONTROLS["M_sm"]: sp.Integer(0),
        CONTROLS["M_ms"]: sp.Integer(0),
    }
    net = drift(model, state)
    return State(
        prefill_queue=net.prefill_queue,
        prefill=net.prefill,
        decode_buffer=net.decode_buffer.xreplace(rule),
        mixed_decode=net.mixed_decode.xreplace(rule),
        solo_decode=net.solo_decode.xreplace(rule),
    )


def served_share(model: Model) -> Any:
    """Return the share of class i that is served where the buffer rests."""
    net = routed(model, TAKEN * STATE.decode_buffer)
    (waiting,) = sp.solve(net.decode_buffer, STATE.decode_buffer)
    return sp.cancel(TAKEN * waiting / prefilled(model))


def resting_decodes(model: Model, share: Any = SERVED) -> tuple[Any, Any]:
    """Return where mixed and solo decodes of class i rest if a share of it is served."""
    net = routed(model, share * prefilled(model))
    (mixed,) = sp.solve(net.mixed_decode, STATE.mixed_decode)
    (solo,) = sp.solve(net.solo_decode, STATE.solo_decode)
    return mixed, solo
