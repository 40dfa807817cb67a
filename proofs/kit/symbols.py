r"""The model in symbols: the formulas of `gnr.rates` and `gnr.network`, evaluated on SymPy.

Nothing is restated here: rates come out of `compute_rates` and transitions out of
`build_network`, so a fault in either reaches every claim that rests on it.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import sympy as sp

from gnr import network as network_module
from gnr import rates as rates_module
from gnr.network import Station
from gnr.proofs.kit.totals import numbered
from gnr.rates import Rates

TIME = sp.Symbol("t", nonnegative=True)
BATCH = sp.Symbol("B", integer=True, positive=True)
r"""B; that :math:`B\ge2` is an assumption to state where it is needed."""
CHUNK = sp.Symbol("C", positive=True)
MIXED_TIME = sp.Symbol("tau", positive=True)
SOLO_TIME = sp.Symbol("tau_solo", positive=True)
PER_CHUNK_TOKEN = sp.Symbol("beta", positive=True)
PROMPT_PRICE = sp.Symbol("c_p", nonnegative=True)
OUTPUT_PRICE = sp.Symbol("c_d", nonnegative=True)


@dataclass(frozen=True)
class State:
    """Occupancies of one class per GPU, as symbols or functions of time."""

    prefill_queue: Any
    prefill: Any
    decode_buffer: Any
    mixed_decode: Any
    solo_decode: Any

    def at(self, station: Station) -> Any:
        """Return the occupancy of a transient station."""
        return getattr(self, station.value)


_NAMES = ("q_p", "x", "q_d", "y_m", "y_s")

STATE = State(*(sp.Symbol(f"{name}_i", nonnegative=True) for name in _NAMES))
"""A point of the linear programs, class i."""

TRAJECTORY = State(*(sp.Function(f"{name}_i", nonnegative=True)(TIME) for name in _NAMES))
"""A fluid trajectory, class i."""


@dataclass(frozen=True)
class Model:
    """Rates and network of one class i, the general one, in symbols.

    Attributes
    ----------
    rates
        `gnr.rates.Rates`; class entries are scalars, of class i.
    network
        The transitions of class i; its nodes are ``(0, station)``.
    """

    rates: Rates
    network: Any


def general_class() -> Model:
    """Return the model of class i; sums over classes are written with `Total`.

    The mixed iteration time is the positive symbol tau: base + per_chunk_token * C with
    base = tau - beta C.
    """
    rates = rates_module.compute_rates(
        batch_slots=BATCH,
        chunk_tokens=CHUNK,
        base=MIXED_TIME - PER_CHUNK_TOKEN * CHUNK,
        per_chunk_token=PER_CHUNK_TOKEN,
        decode_only=SOLO_TIME,
        prompt_price=PROMPT_PRICE,
        output_price=OUTPUT_PRICE,
        prompt_tokens=sp.Symbol("P_i", positive=True),
        output_tokens=sp.Symbol("D_i", positive=True),
        arrival_rate=sp.Symbol("lambda_i", positive=True),
        patience_rate=sp.Symbol("theta_i", positive=True),
    )
    return Model(rates, network_module.build_network(_listed(rates), ["i"]))


def several_classes(count: int) -> Rates:
    """Return the rates of classes 1 to `count`, object arrays of shape ``(count,)``."""
    general = general_class().rates
    values = {each.name: getattr(general, each.name) for each in fields(general)}
    return Rates(
        **{
            name: np.array([numbered(value, k) for k in range(1, count + 1)], dtype=object)
            if name in _CLASS_FIELDS
            else value
            for name, value in values.items()
        }
    )


def _listed(rates: Rates) -> Rates:
    """Return rates whose class entries can be indexed, as the network wants them."""
    values = {each.name: getattr(rates, each.name) for each in fields(rates)}
    return Rates(**{n: [v] if n in _CLASS_FIELDS else v for n, v in values.items()})


_CLASS_FIELDS = {
    "prompt_tokens",
    "output_tokens",
    "arrival_rate",
    "patience_rate",
    "prefill",
    "mixed_decode",
    "solo_decode",
    "decode_work",
    "reward",
}
