r"""Algorithm 0 in symbols: from a feasible point of (P40) to one that holds no decode queue.

Everything starts from the rows of `steady_state.program`; nothing of the model is restated.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import sympy as sp

from gnr.proofs.kit.steady_state import Program, program
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SOLO_TIME,
    STATE,
    Model,
    State,
    general_class,
)
from gnr.proofs.kit.totals import Total, numbered


def without_buffer(model: Model, state: State = STATE) -> Program:
    """Return the program at a point where nobody waits for a decode slot.

    Its decode balance is the slack of (P50): what is prefilled less what is decoded.
    """
    return program(model, replace(state, decode_buffer=sp.Integer(0)))


def capacity_margin(model: Model) -> Any:
    r"""Return :math:`\kappa B-(B-1)`, nonnegative exactly under the hypothesis of 3.2."""
    return model.rates.speed_ratio * BATCH - (BATCH - 1)


HALF = sp.Rational(1, 2)

Witness: TypeAlias = dict[Any, Any]
"""A point in exact numbers, by symbol."""


def one_class() -> Witness:
    """Return a point with one busy class, too slow alone: kappa B < B-1, and too much to decode.

    Of the three classes that a counterexample is written out for, the others do nothing.
    """
    rates = general_class().rates
    shared = {BATCH: 2, CHUNK: 1, MIXED_TIME: 1, SOLO_TIME: 4, PROMPT_PRICE: 1, OUTPUT_PRICE: 1}
    busy = {STATE.prefill: 1, STATE.mixed_decode: 1, STATE.decode_buffer: HALF}
    parameters = {
        rates.prompt_tokens: 1,
        rates.output_tokens: 2,
        rates.arrival_rate: 1,
        rates.patience_rate: 1,
    }
    point = {symbol: sp.Integer(value) for symbol, value in shared.items()}
    for number in (1, 2, 3):
        for name in fields(STATE):
            symbol = getattr(STATE, name.name)
            held = busy.get(symbol, 0) if number == 1 else 0
            point[numbered(symbol, number)] = sp.sympify(held)
        for symbol, value in parameters.items():
            point[numbered(symbol, number)] = sp.Integer(value)
    return point


@dataclass(frozen=True)
class Reduction:
    r"""Algorithm 0 applied to the point `STATE`, class i.

    Attributes
    ----------
    model
        The model whose program is reduced.
    before
        The program at `STATE`.
    slack
        Slack of (P50), at least 0 at a feasible point.
    gap
        :math:`\Delta_i`, by which the prefill occupancy falls.
    prefill, prefill_queue
        :math:`\tilde x_i` and :math:`\tilde q_{p,i}`.
    overflow
        :math:`\Delta`, by which the mixed decodes then exceed their slots.
    """

    model: Model
    before: Program
    slack: Any
    gap: Any
    prefill: Any
    prefill_queue: Any
    overflow: Any

    @property
    def mixed_shift(self) -> Any:
        r"""The proportional choice, :math:`\delta y_{m,i}=-\Delta y_{m,i}/\sum_jy_{m,j}`."""
        return -self.overflow * STATE.mixed_decode / Total(STATE.mixed_decode)

    def solo_shift(self, mixed_shift: Any) -> Any:
        r"""Return the :math:`\delta y_{s,i}` that keeps the decode rate of the class (P58)."""
        moved = sp.Symbol("dy_s_i", real=True)
        kept = self.decoded(mixed_shift, moved) - self.decoded()
        (found,) = sp.solve(kept, moved)
        return found

    def decoded(self, mixed_shift: Any = 0, solo_shift: Any = 0) -> Any:
        """Return the decodes of class i finished per second after a shift."""
        state = self.state(mixed_shift, solo_shift)
        idle = replace(state, mixed_decode=sp.Integer(0), solo_decode=sp.Integer(0))
        return (
            without_buffer(self.model, idle).decode_balance
            - without_buffer(self.model, state).decode_balance
        )

    def state(self, mixed_shift: Any = 0, solo_shift: Any = 0) -> State:
        """Return the point that comes out."""
        return State(
            prefill_queue=self.prefill_queue,
            prefill=self.prefill,
            decode_buffer=sp.Integer(0),
            mixed_decode=STATE.mixed_decode + mixed_shift,
            solo_decode=STATE.solo_decode + solo_shift,
        )

    def after(self, mixed_shift: Any = 0, solo_shift: Any = 0) -> Program:
        """Return the program at the point that comes out."""
        return program(self.model, self.state(mixed_shift, solo_shift))


def reduction(shrunk_by: Any = 1) -> Reduction:
    """Return Algorithm 0 on the general model.

    Parameters
    ----------
    shrunk_by
        The prefill occupancy falls by this multiple of the gap.
    """
    model = general_class()
    slack = without_buffer(model).decode_balance
    gap = sp.expand(slack / model.rates.prefill)
    prefill = STATE.prefill - shrunk_by * gap
    returned = model.rates.prefill * gap / model.rates.patience_rate
    held = Total(STATE.mixed_decode)
    return Reduction(
        model=model,
        before=program(model),
        slack=slack,
        gap=gap,
        prefill=prefill,
        prefill_queue=STATE.prefill_queue + returned,
        overflow=held - (BATCH - 1) * Total(prefill),
    )
