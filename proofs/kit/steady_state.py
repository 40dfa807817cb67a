r"""The steady-state programs (P40) and (P42), derived from the network.

Balances are the drift of the fluid model set to 0, with the controls and the mode switches
eliminated; revenue is what the edges of the network earn. Capacities are (P33)-(P35).
"""

from dataclasses import dataclass
from typing import Any

import sympy as sp

from gnr.proofs.kit.drift import drift, revenue_rate
from gnr.proofs.kit.symbols import STATE, Model, State
from gnr.proofs.kit.totals import Total


@dataclass(frozen=True)
class Program:
    """Rows and revenue of the programs at a point.

    Attributes
    ----------
    prefill_balance, decode_balance
        What must be 0 for every class, requests/s per GPU.
    prefill_room, mixed_room, solo_room
        Free capacity, which must be nonnegative: prefills, mixed and solo decodes per GPU.
    bundled, separate
        Revenue under each scheme, money/s per GPU.
    """

    prefill_balance: Any
    decode_balance: Any
    prefill_room: Any
    mixed_room: Any
    solo_room: Any
    bundled: Any
    separate: Any

    @property
    def rooms(self) -> tuple[Any, Any, Any]:
        """The three free capacities."""
        return self.prefill_room, self.mixed_room, self.solo_room


def solve_for(balance: Any, unknown: Any) -> Any:
    """Return what a balance, affine in `unknown`, gives for it; itself if it does not occur.

    In a network that lacks an edge the balance may not hold the unknown: then it is not solved,
    and a check that puts the result back into the balance fails.
    """
    rate = sp.expand(balance).diff(unknown)
    return unknown if rate == 0 else sp.expand(unknown - balance / rate)


def program(model: Model, state: State = STATE) -> Program:
    """Return the programs at `state`, the occupancies of class i.

    Every control enters one station at the rate at which it leaves another, so it is gone from
    the sum of the drifts up to prefill, and from that of the drifts from the decode buffer on.
    """
    net = drift(model, state)
    slots, prefills = model.rates.batch_slots, Total(state.prefill)
    return Program(
        prefill_balance=net.prefill_queue + net.prefill,
        decode_balance=net.decode_buffer + net.mixed_decode + net.solo_decode,
        prefill_room=1 - prefills,
        mixed_room=(slots - 1) * prefills - Total(state.mixed_decode),
        solo_room=slots * (1 - prefills) - Total(state.solo_decode),
        bundled=Total(revenue_rate(model, state, "bundled")),
        separate=Total(revenue_rate(model, state, "separate")),
    )
