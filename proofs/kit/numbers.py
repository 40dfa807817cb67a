"""Instances in exact rationals: every symbol of the model gets its number, class by class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from gnr import rates as rates_module
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SOLO_TIME,
    STATE,
    State,
    general_class,
)
from gnr.proofs.kit.totals import numbered, written_out

PER_CLASS = ("prompt_tokens", "output_tokens", "arrival_rate", "patience_rate")


@dataclass(frozen=True)
class Numbers:
    """Values of the symbols of the model.

    Attributes
    ----------
    shared
        Of the symbols that belong to no class.
    classes
        Of the symbols of class i, one mapping for each class.
    """

    shared: Mapping[sp.Symbol, Any]
    classes: tuple[Mapping[sp.Symbol, Any], ...]

    def of(self, expression: Any, number: int = 1) -> Any:
        """Return the value of an expression, that of class `number` if it is about class i."""
        return written_out(sp.sympify(expression), len(self.classes), number).xreplace(self.point)

    def of_each(self, expression: Any) -> tuple[Any, ...]:
        """Return the values of an expression about class i, one for each class."""
        return tuple(self.of(expression, number) for number in range(1, len(self.classes) + 1))

    @property
    def point(self) -> dict[Any, Any]:
        """The value of every symbol, those of the classes by their numbers."""
        values = dict(self.shared)
        for number, known in enumerate(self.classes, start=1):
            values |= {numbered(symbol, number): value for symbol, value in known.items()}
        return values

    def at(self, states: Sequence[State]) -> "Numbers":
        """Return these numbers together with an occupancy of every station."""
        return Numbers(
            self.shared,
            tuple(
                {**known, **dict(zip(_fields(STATE), _fields(state), strict=True))}
                for known, state in zip(self.classes, states, strict=True)
            ),
        )

    def and_columns(self, columns: Mapping[sp.Symbol, Sequence[Any]]) -> "Numbers":
        """Return these numbers together with columns of more symbols of class i."""
        more = _rows(columns)
        return Numbers(
            self.shared,
            tuple({**known, **row} for known, row in zip(self.classes, more, strict=True)),
        )


def in_columns(
    shared: Mapping[sp.Symbol, Any], columns: Mapping[sp.Symbol, Sequence[Any]]
) -> Numbers:
    """Return numbers whose symbols of class i come with the value of each class."""
    return Numbers(
        {symbol: sp.sympify(value) for symbol, value in shared.items()}, tuple(_rows(columns))
    )


def stated(
    *,
    prompt: Sequence[Any],
    output: Sequence[Any],
    arrivals: Sequence[Any],
    patience: Sequence[Any],
    base: Any,
    per_chunk_token: Any,
    decode_only: Any,
    batch: int = 16,
    chunk: int = 256,
    prices: tuple[Any, Any] = (sp.Rational(1, 10), sp.Rational(1, 5)),
) -> Numbers:
    """Return the numbers of an instance; parameters as in an instance file, all exact."""
    rates = general_class().rates
    symbols = [getattr(rates, name) for name in PER_CLASS]
    given = zip(prompt, output, arrivals, patience, strict=True)
    return Numbers(
        {
            BATCH: sp.Integer(batch),
            CHUNK: sp.Integer(chunk),
            MIXED_TIME: rates_module.mixed_iteration_time(base, per_chunk_token, chunk),
            SOLO_TIME: decode_only,
            PROMPT_PRICE: prices[0],
            OUTPUT_PRICE: prices[1],
        },
        tuple(
            {symbol: sp.Rational(value) for symbol, value in zip(symbols, each, strict=True)}
            for each in given
        ),
    )


def base_instance() -> Numbers:
    """Return the two classes of section 6.2: decode-heavy, then prefill-heavy."""
    half, tenth = sp.Rational(1, 2), sp.Rational(1, 10)
    return stated(
        prompt=(300, 3000),
        output=(1000, 400),
        arrivals=(half, half),
        patience=(tenth, tenth),
        base=sp.Rational(174, 10_000),
        per_chunk_token=sp.Rational(62, 1_000_000),
        decode_only=1 / sp.Rational("45.45"),  # slightly more than the 0.022 s that is printed
    )


def shown(value: Any, digits: int = 6) -> str:
    """Return an exact number with its decimals, ``1/3 (0.333333)``; whole numbers plain."""
    if value.is_Integer:
        return str(value)
    decimals = f"{float(value):.{digits}g}"
    return f"{value} ({decimals})" if len(str(value)) <= LONGEST else decimals


LONGEST = 40
"""Digits up to which a fraction is written out."""


def _rows(columns: Mapping[sp.Symbol, Sequence[Any]]) -> list[dict[sp.Symbol, Any]]:
    return [
        dict(zip(columns, map(sp.sympify, row), strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def _fields(state: State) -> tuple[Any, ...]:
    return (
        state.prefill_queue,
        state.prefill,
        state.decode_buffer,
        state.mixed_decode,
        state.solo_decode,
    )
