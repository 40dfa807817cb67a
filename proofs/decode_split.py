r"""Ledger D4/split: decodes fit into the two pools if and only if their work fits the capacity.

The plans that the closed forms of THEORY 4.5 rest on are made and certified here: prefills
:math:`x_i`, decode work :math:`a_i` in mixed slots, one fraction of every class decoded solo.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.exact import Term, equal, nonnegative, product
from gnr.proofs.kit.steady_state import Program, program, solve_for
from gnr.proofs.kit.symbols import BATCH, STATE, Model, State, general_class
from gnr.proofs.kit.totals import Total

SHARE = sp.Symbol("f", nonnegative=True)
"""Fraction of every class that decodes solo."""

MANY_SLOTS = BATCH - 2
"""At least 0: a GPU has a slot beside the one of its prefill."""


def mixing_cost(model: Model) -> Any:
    r"""Return :math:`\kappa B-(B-1)`, decode capacity that a mixed GPU lacks, mixed slots."""
    return model.rates.speed_ratio * BATCH - (BATCH - 1)


def decode_capacity(model: Model, prefills: Any) -> Any:
    r"""Return :math:`(B-1)X+\kappa B(1-X)`, decode capacity per GPU in mixed slots."""
    return (BATCH - 1) * prefills + model.rates.speed_ratio * BATCH * (1 - prefills)


@dataclass(frozen=True)
class Plan:
    r"""A point of (P40) made from prefills and decode work.

    Attributes
    ----------
    model
        Whose rates it follows.
    prefills
        X, the sum of prefill occupancies.
    work
        Decode completions of class i over :math:`\mu_{m,i}`, mixed slots.
    point
        Occupancies of class i.
    fractions
        Values of the symbols of `point` that are fractions common to all classes, such as
        `SHARE`.
    """

    model: Model
    prefills: Any
    work: Any
    point: State
    fractions: Mapping[Any, Any]

    @property
    def rows(self) -> Program:
        """The rows of (P40) at the point; common fractions are put in once the sums are made."""
        rows = program(self.model, self.point)
        return Program(
            **{
                each.name: getattr(rows, each.name).xreplace(self.fractions)
                for each in fields(rows)
            }
        )

    @property
    def room(self) -> Any:
        """Decode capacity less decode work, mixed slots."""
        work = Total(self.work).xreplace(self.fractions)
        return decode_capacity(self.model, self.prefills) - work


def plan(
    model: Model,
    prefill: Any,
    work: Any,
    prefills: Any,
    solo_share: Any = None,
    fractions: Mapping[Any, Any] | None = None,
) -> Plan:
    r"""Return the plan with prefills `prefill` and decode work `work` of class i.

    The solo share is by default that of the solo pool in the decode capacity; `fractions` gives
    further symbols their values. The queues follow from the balances of the network: whoever is
    not prefilled leaves the prefill queue, whoever is not decoded leaves the buffer.
    """
    kappa = model.rates.speed_ratio
    if solo_share is None:
        solo_share = kappa * BATCH * (1 - prefills) / decode_capacity(model, prefills)
    mixed, solo = (1 - SHARE) * work, SHARE * work / kappa
    rows = program(model, State(STATE.prefill_queue, prefill, STATE.decode_buffer, mixed, solo))
    queue = solve_for(rows.prefill_balance, STATE.prefill_queue)
    buffer = solve_for(rows.decode_balance, STATE.decode_buffer)
    point = State(queue, prefill, buffer, mixed, solo)
    return Plan(model, prefills, work, point, {SHARE: solo_share, **(fractions or {})})


def plan_is_feasible(
    plan: Plan,
    queue: Iterable[Term],
    buffer: Iterable[Term],
    given: Sequence[Any] = (),
) -> Finding:
    """Certify a plan in every row of (P40); its prefills and work must be nonnegative already.

    Parameters
    ----------
    plan
        Its `room` and 1 - `prefills` are assumed nonnegative.
    queue, buffer
        Certificates of the two queues of class i.
    given
        What else is assumed at least 0.
    """
    prefills, rows, solo_share = plan.prefills, plan.rows, plan.fractions[SHARE]
    total, kappa = decode_capacity(plan.model, prefills), plan.model.rates.speed_ratio
    assumed = [*given, plan.room, prefills, 1 - prefills, MANY_SLOTS, 1 / total]
    mixed_pool, solo_pool = (BATCH - 1, prefills), (BATCH, 1 - prefills)
    return all_of(
        some_capacity_is_left(plan.model, prefills),
        equal(rows.prefill_balance, 0, "prefill balance holds"),
        equal(rows.decode_balance, 0, "decode balance holds"),
        equal(rows.prefill_room, 1 - prefills, "prefill row: leaves 1 - X ≥ 0"),
        nonnegative(
            rows.mixed_room,
            [product(*mixed_pool, plan.room, 1 / total)],
            assumed,
            "mixed row: the pool keeps its share of the room",
        ),
        nonnegative(
            rows.solo_room,
            [product(*solo_pool, plan.room, 1 / total)],
            assumed,
            "solo row: the pool keeps its share of the room",
        ),
        nonnegative(solo_share, [product(kappa, *solo_pool, 1 / total)], assumed, "solo share ≥ 0"),
        nonnegative(1 - solo_share, [product(*mixed_pool, 1 / total)], assumed, "solo share ≤ 1"),
        nonnegative(plan.point.prefill_queue, queue, assumed, "prefill queue ≥ 0"),
        nonnegative(plan.point.decode_buffer, buffer, assumed, "decode buffer ≥ 0"),
    )


def some_capacity_is_left(model: Model, prefills: Any) -> Finding:
    """Show that decode capacity is positive for 0 ≤ X ≤ 1 and B ≥ 2, in two cases."""
    total, kappa = decode_capacity(model, prefills), model.rates.speed_ratio
    half = sp.Rational(1, 2)
    given = [prefills, 1 - prefills, MANY_SLOTS]
    return all_of(
        nonnegative(
            total - half,
            [
                product(BATCH - 1, prefills - half),
                product(kappa, BATCH, 1 - prefills),
                product(half, MANY_SLOTS),
            ],
            [*given, prefills - half],
            "X ≥ 1/2: decode capacity ≥ 1/2 > 0",
        ),
        nonnegative(
            total - kappa * BATCH / 2,
            [product(BATCH - 1, prefills), product(kappa, BATCH, half - prefills)],
            [*given, half - prefills],
            "X ≤ 1/2: decode capacity ≥ kappa B/2 > 0",
        ),
    )


def split_exists_iff_work_fits(solo_share: Any = None, reserved: int = 1) -> Finding:
    """For given prefills and an empty buffer: some split fits iff the work fits the capacity.

    Necessity: with the decode balance the capacity row is the mixed row plus kappa times the
    solo row. Sufficiency: the split in proportion to the pools, or with `solo_share` in its
    place. A mixed GPU has `reserved` slots that do not decode.
    """
    model = general_class()
    rates, prefills = model.rates, Total(STATE.prefill)
    work = rates.decode_work * STATE.prefill
    made = plan(model, STATE.prefill, work, prefills, solo_share)
    rows = program(model)
    emptied = rows.decode_balance.xreplace({STATE.decode_buffer: sp.Integer(0)})
    mixed = solve_for(emptied, STATE.mixed_decode)
    rooms = [each.xreplace({STATE.mixed_decode: mixed}) for each in rows.rooms]
    below_arrivals = rates.full_prefill - STATE.prefill
    return all_of(
        nonnegative(
            made.room - (reserved - 1) * prefills,
            [product(rooms[1]), product(rates.speed_ratio, rooms[2])],
            [*rooms, mixed],
            "only if: the room is the mixed row + kappa times the solo row",
        ),
        equal(made.point.decode_buffer, 0, "if: the buffer is empty"),
        plan_is_feasible(
            made,
            queue=[product(below_arrivals, rates.prefill, 1 / rates.patience_rate)],
            buffer=[],
            given=[below_arrivals],
        ),
    )


CLAIMS = (
    Claim(
        id="D4/split",
        statement="For given prefills and an empty buffer the decodes can be split over the two "
        "pools if and only if their work fits the decode capacity; splitting every class in "
        "proportion to the pools always does it then.",
        latex=r"\exists\,y_m,y_s\ge0:\ \mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}=\mu_{p,i}x_i,\ "
        r"\textstyle\sum_iy_{m,i}\le(B-1)X,\ \sum_iy_{s,i}\le B(1-X)"
        r"\iff C\sum_i\phi_ix_i\le(B-1)X+\kappa B(1-X)",
        source="THEORY 4.5, before eq. D4",
        assumptions=(sp.Ge(BATCH, 2), sp.Le(Total(STATE.prefill), 1)),
        check=split_exists_iff_work_fits,
        mutants=(
            Mutant("everything decodes solo", lambda: split_exists_iff_work_fits(sp.Integer(1))),
            Mutant("a mixed GPU decodes B-2", lambda: split_exists_iff_work_fits(reserved=2)),
        ),
    ),
)
