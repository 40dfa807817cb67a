r"""The steady-state programs (P40) and (P42) in exact fractions.

Written from the theory beside `gnr.models.constraints`, whose names the rows bear; a test compares
all coefficients. A variable is named ``prefill[NAME]`` and so on, NAME being the class. Classes
with :math:`\theta_i=0` have no queues, as there. A demand drops columns: that of an empty decode
buffer the decode queues, that of disaggregation the mixed decodes.
"""

from collections.abc import Sequence
from fractions import Fraction

from gnr.exact_lp import LinearProgram, Row, Sense, slack_name
from gnr.models.point import Point
from gnr.plan import Occupancy
from gnr.rates import Rates

ONE = Fraction(1)

PREFILL, MIXED, SOLO = "prefill_capacity", "mixed_decode_capacity", "solo_decode_capacity"
"""Names of the capacity rows."""

NOTICEABLE = 1e-9
"""Occupancy or idle slots per GPU that count as more than rounding when a basis is guessed."""

AGREEMENT = 1e-8
"""Relative difference up to which a value in floats agrees with the exact one."""


def bundled_objective(rates: Rates, names: Sequence[str]) -> dict[str, Fraction]:
    """Return the objective of (P40) by variable, money/s per request."""
    found = {}
    for i, name in enumerate(names):
        found[f"mixed_decode[{name}]"] = rates.reward[i] * rates.mixed_decode[i]
        found[f"solo_decode[{name}]"] = rates.reward[i] * rates.solo_decode[i]
    return found


def separate_objective(rates: Rates, names: Sequence[str]) -> dict[str, Fraction]:
    """Return the objective of (P42) by variable, money/s per request."""
    found = {}
    for name in names:
        found[f"prefill[{name}]"] = rates.prompt_price * rates.chunk_tokens / rates.mixed_time
        found[f"mixed_decode[{name}]"] = rates.output_price / rates.mixed_time
        found[f"solo_decode[{name}]"] = rates.output_price / rates.solo_time
    return found


OBJECTIVES = {"bundled": bundled_objective, "separate": separate_objective}
"""Objective of each pricing scheme."""


def exact_program(
    rates: Rates,
    names: Sequence[str],
    objective: dict[str, Fraction],
    *,
    empty_decode_buffer: bool = False,
    disaggregated: bool = False,
) -> LinearProgram:
    """Return the program of an instance.

    Parameters
    ----------
    rates
        In fractions, class arrays of shape ``(classes,)``.
    names
        Names of the classes.
    objective
        One of `OBJECTIVES` for these.
    empty_decode_buffer, disaggregated
        Demand q_d = 0, y_m = 0.
    """
    slots = rates.batch_slots
    shared: dict[str, tuple[dict[str, Fraction], Sense, Fraction]] = {
        PREFILL: ({}, "<=", ONE),
        MIXED: ({}, "<=", 0 * ONE),
        SOLO: ({}, "<=", slots),
    }
    balances: dict[str, Row] = {}
    dropped = set()
    for i, name in enumerate(names):
        prefill, mixed, solo = f"prefill[{name}]", f"mixed_decode[{name}]", f"solo_decode[{name}]"
        shared[PREFILL][0][prefill] = ONE
        shared[MIXED][0].update({mixed: ONE, prefill: 1 - slots})
        shared[SOLO][0].update({solo: ONE, prefill: slots})
        started = {prefill: rates.prefill[i]}
        decoded = {
            mixed: rates.mixed_decode[i],
            solo: rates.solo_decode[i],
            prefill: -rates.prefill[i],
        }
        if rates.patience_rate[i]:
            started[f"prefill_queue[{name}]"] = rates.patience_rate[i]
            decoded[f"decode_queue[{name}]"] = rates.patience_rate[i]
        balances[f"prefill_balance[{name}]"] = Row(started, "=", rates.arrival_rate[i])
        balances[f"decode_balance[{name}]"] = Row(decoded, "=", 0 * ONE)
        if empty_decode_buffer:
            dropped.add(f"decode_queue[{name}]")
        if disaggregated:
            dropped.add(mixed)
    rows = {name: Row(*parts) for name, parts in shared.items()} | balances
    return _without(LinearProgram(objective, rows), dropped)


def columns_in_use(names: Sequence[str], point: Point, slots: int) -> list[str]:
    """Return the columns, variables and slacks, in use at a point in floats: where to begin."""
    found = [
        f"{field}[{name}]"
        for field in Occupancy.model_fields
        for name, value in zip(names, getattr(point, field).tolist(), strict=True)
        if value > NOTICEABLE
    ]
    used = float(point.prefill.sum())
    idle = {
        PREFILL: 1 - used,
        MIXED: (slots - 1) * used - float(point.mixed_decode.sum()),
        SOLO: slots * (1 - used) - float(point.solo_decode.sum()),
    }
    return found + [slack_name(row) for row, left in idle.items() if left > slots * NOTICEABLE]


def told_apart(value: float, exact: Fraction) -> str | None:
    """Return in words how a solver's value differs from the exact one; None if it does not."""
    if abs(Fraction(value) - exact) <= Fraction(AGREEMENT) * abs(exact):
        return None
    return f"the solver's value {value!r} is not the exact one, {float(exact)!r}"


def _without(program: LinearProgram, dropped: set[str]) -> LinearProgram:
    def kept(coefficients: dict[str, Fraction]) -> dict[str, Fraction]:
        return {name: value for name, value in coefficients.items() if name not in dropped}

    return LinearProgram(
        kept(dict(program.objective)),
        {
            name: Row(kept(dict(row.coefficients)), row.sense, row.bound)
            for name, row in program.rows.items()
        },
    )
