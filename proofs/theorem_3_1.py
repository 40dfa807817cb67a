r"""Ledger 8.2, rows a to e: bounds on the counts behind Theorem 3.1 (THEORY 2 and 7).

Balances come from the edges; each bound is shown by naming what is left of it.
"""

from collections.abc import Sequence
from typing import Any

import sympy as sp

from gnr.network import Station
from gnr.proofs.kit.claim import Claim, Finding, Mutant, Verdict, all_of, proved, refuted
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.paths import (
    COUNTS,
    GPUS,
    after,
    capacity_gaps,
    edges,
    intensity,
    taken,
    without,
)
from gnr.proofs.kit.symbols import BATCH, Model, State, general_class
from gnr.proofs.kit.totals import Total, numbered

PREFILLS, MIXED, SOLO = sp.symbols("X Y_m Y_s", nonnegative=True)
"""Prefills, mixed and solo decodes in the whole cluster, totals over the classes."""

DECODES = sp.Symbol("d_i", nonnegative=True)
"""Decodes on GPU i, or on the GPU of event i."""

ON_ONE = sp.Symbol("X_i", nonnegative=True)
"""Prefills on GPU i, at most one."""

HOLDING = sp.Symbol("Delta_i", nonnegative=True)
"""How long the counts stay as they are, the i-th time."""

QUEUES = (
    (Station.PREFILL_QUEUE, "A", ("U_p",), "B_p"),
    (Station.DECODE_BUFFER, "S_p", ("U_dm", "U_ds"), "B_d"),
)
"""Each queue: what feeds it, what is admitted from it, what gives up in it."""

NAMES = {Station.PREFILL_QUEUE: "Q_p", Station.DECODE_BUFFER: "Q_d"}


def at_most(
    quantity: Any, bound: Any, left: Sequence[Any], given: Sequence[Any] = (), says: str = ""
) -> Finding:
    """Show a bound by naming what it leaves, no part of it negative."""
    told = f"{says}: it leaves ({') + ('.join(map(sp.sstr, left))})"
    return nonnegative(bound - quantity, [product(each) for each in left], given, told)


def queues_balance(model: Model) -> Finding:
    """Compare what the edges do to the queues with the printed balances."""
    now = after(model, COUNTS, taken)
    return all_of(
        *(
            equal(
                now.at(station),
                COUNTS.at(station) + taken(source) - sp.Add(*map(taken, admitted)) - taken(lost),
                f"({equation}): the {station.value.replace('_', ' ')} gains by {source}, loses by "
                f"{', '.join(admitted)}, {lost}",
            )
            for equation, (station, source, admitted, lost) in zip(
                ("P15", "P17"), QUEUES, strict=True
            )
        )
    )


def service_is_bounded(
    prefill_slots: int = 1, mixed_bound: Any = (BATCH - 1) * GPUS, solo_bound: Any = BATCH * GPUS
) -> Finding:
    """Count slots GPU by GPU, which gives the capacities; then put X at most n into them."""
    slots = general_class().rates.batch_slots
    on_gpus = []
    for prefilling in (0, 1):
        room = slots - prefill_slots * prefilling - DECODES
        gaps = capacity_gaps(slots, 1, prefilling, prefilling * DECODES, (1 - prefilling) * DECODES)
        factors = ((1 - prefilling,), (prefilling, room), (1 - prefilling, room))
        on_gpus += [
            nonnegative(gap, [product(*parts)], [room], f"({name}) on a GPU with {prefilling}"
                        f" prefill and d decodes leaves {sp.sstr(gap)} ≥ 0")
            for name, gap, parts in zip(("P12", "P13", "P14"), gaps, factors, strict=True)
        ]  # fmt: skip
    gaps = capacity_gaps(slots, GPUS, PREFILLS, MIXED, SOLO)
    free, mixed_room, solo_room = gaps
    return all_of(
        *on_gpus,
        nonnegative(
            capacity_gaps(slots, Total(1), Total(ON_ONE), 0, 0)[0],
            [over_classes(1 - ON_ONE)],
            [1 - ON_ONE],
            "X ≤ n: what (P12) leaves is the sum over GPUs of 1 less their prefills",
        ),
        nonnegative(mixed_bound - MIXED, [product(mixed_room), product(slots - 1, free)],
                    [*gaps, slots - 1], "Y_m ≤ (B-1) X ≤ (B-1) n"),
        nonnegative(solo_bound - SOLO, [product(solo_room), product(slots, PREFILLS)],
                    [*gaps, slots - 1], "Y_s ≤ B (n - X) ≤ B n",
                    witness={BATCH: 3, GPUS: 1, PREFILLS: 0, MIXED: 0, SOLO: 3}),
    )  # fmt: skip


def queues_are_bounded(
    fed_by: tuple[str | None, str | None] = ("A", "S_p"), model: Model | None = None
) -> Finding:
    """Take a queue's balance from the edges: only what leaves is missing from the bound."""
    model = model or general_class()
    balances = queues_balance(model)
    if balances.verdict is not Verdict.PROVED:
        return balances
    now = after(model, COUNTS, taken)
    return all_of(
        balances,
        *(
            at_most(
                now.at(station),
                COUNTS.at(station) + (taken(source) if source else 0),
                [*map(taken, admitted), taken(lost)],
                [now.at(station)],
                f"{NAMES[station]}(s) ≤ {NAMES[station]}(0) + {source}(s)",
            )
            for (station, _, admitted, lost), source in zip(QUEUES, fed_by, strict=True)
        ),
    )


def abandonment_clocks_are_bounded(
    fed_by: tuple[str | None, str | None] = ("A", "S_p"), given_monotone: bool = True
) -> Finding:
    r"""Sum a clock over the intervals between jumps and compare each with the end of time.

    A path is a step function, so its clock is the sum of rate times holding time; on the i-th
    interval the bound leaves what has left the queue, and what is still to come in. Symbols
    with index i belong to an interval here, those of the class carry 1.
    """
    model = general_class()
    parts = [queues_balance(model)]
    if parts[0].verdict is not Verdict.PROVED:
        return parts[0]
    start = numbered_state(COUNTS)
    held = after(model, start, taken)
    horizon = Total(HOLDING)
    for (station, _, admitted, lost), source in zip(QUEUES, fed_by, strict=True):
        rate = intensity(model, lost, COUNTS).coeff(COUNTS.at(station))
        patience = sp.Symbol("theta_1", nonnegative=True)
        clock = Total(patience * held.at(station) * HOLDING) / GPUS
        by_the_end = _by_the_end(source) if source else sp.Integer(0)
        to_come = by_the_end - taken(source) if source else sp.Integer(0)
        bound = patience * horizon * (start.at(station) + by_the_end) / GPUS
        share = (patience, HOLDING, 1 / GPUS)
        certificate = [over_classes(*share, taken(each)) for each in (*admitted, lost)]
        certificate.append(over_classes(*share, to_come))
        parts += [
            equal(rate, sp.Symbol("theta_i", positive=True), f"{lost} runs at theta per waiting"),
            nonnegative(
                bound - clock,
                certificate,
                [held.at(station)] + [to_come] * given_monotone,
                f"clock of {lost} over n ≤ theta t ({NAMES[station]}(0) + {by_the_end})/n",
            ),
        ]
    return all_of(*parts)


def _by_the_end(process: str) -> sp.Symbol:
    """Return how often an edge has been taken when the clock is read, at t."""
    return sp.Symbol(f"{process}(t)", nonnegative=True)


def numbered_state(state: State) -> State:
    """Return the state of class 1."""
    return State(**{station.value: numbered(state.at(station), 1) for station in _HELD})


_HELD = tuple(Station(name) for name in State.__dataclass_fields__)


def controls_are_bounded(
    queues_hold: bool = True, fed_by: tuple[str, str] = ("A", "S_p"), model: Model | None = None
) -> Finding:
    """Solve a queue's balance for the admissions; the queue itself is what is left."""
    model = model or general_class()
    balances = queues_balance(model)
    if balances.verdict is not Verdict.PROVED:
        return balances
    now = after(model, COUNTS, taken)
    return all_of(
        balances,
        *(
            at_most(
                sp.Add(*map(taken, admitted)),
                COUNTS.at(station) + taken(source),
                [now.at(station), taken(lost)],
                [now.at(station)] * queues_hold,
                f"{' + '.join(admitted)} ≤ {NAMES[station]}(0) + {source}",
            )
            for (station, _, admitted, lost), source in zip(QUEUES, fed_by, strict=True)
        ),
    )


def switches_are_bounded(per_event: Any = BATCH, model: Model | None = None) -> Finding:
    """Add up the decodes of one GPU over the events at which a GPU changes its mode."""
    model = model or general_class()
    parts = [mode_changes(model)]
    room = model.rates.batch_slots - 1 - DECODES
    for trigger, switch in (("S_p", "M_ms"), ("U_p", "M_sm")):
        events, moved = Total(sp.Integer(1)), Total(DECODES)
        spare = per_event - (model.rates.batch_slots - 1)
        parts.append(
            nonnegative(
                per_event * events - moved,
                [over_classes(room), over_classes(spare)],
                [room],
                f"{switch} ≤ ({sp.sstr(per_event)}) {trigger}: an event leaves "
                f"({sp.sstr(room)}) + ({sp.sstr(spare)})",
            )
        )
    return all_of(*parts)


def mode_changes(model: Model) -> Finding:
    """Find in the network the events that start and end a prefill, and what they switch."""
    nothing = State(0, 0, 0, 0, 0)
    effect = {process: after(model, nothing, {process: 1}) for process in edges(model)}
    found = (
        {p for p, jump in effect.items() if jump.prefill == 1},
        {p for p, jump in effect.items() if jump.prefill == -1},
        {p for p, jump in effect.items() if (jump.mixed_decode, jump.solo_decode) == (1, -1)},
        {p for p, jump in effect.items() if (jump.mixed_decode, jump.solo_decode) == (-1, 1)},
    )
    told = ", ".join("/".join(sorted(each)) or "nothing" for each in found)
    if found != ({"U_p"}, {"S_p"}, {"M_sm"}, {"M_ms"}):
        return refuted(f"prefills start, end; decodes turn mixed, solo by: {told}")
    return proved("a GPU turns mixed by U_p, with it M_sm, and solo by S_p, with it M_ms")


CLAIMS = (
    Claim(
        id="T3.1-a",
        statement="Prefills and decodes are at most what the slots of n GPUs hold.",
        latex=r"X^n\le n,\quad Y^n_m\le(B-1)X^n\le(B-1)n,\quad Y^n_s\le B(n-X^n)\le Bn",
        source="THEORY 8.2, eqs. P12-P14",
        check=service_is_bounded,
        mutants=(
            Mutant("a prefill takes no slot", lambda: service_is_bounded(prefill_slots=0)),
            Mutant(
                "one slot fewer on mixed GPUs",
                lambda: service_is_bounded(mixed_bound=(BATCH - 2) * GPUS),
            ),
            Mutant(
                "one slot fewer on solo GPUs",
                lambda: service_is_bounded(solo_bound=(BATCH - 1) * GPUS),
            ),
        ),
    ),
    Claim(
        id="T3.1-b",
        statement="A queue is at most what it held at first plus what has come in.",
        latex=r"Q^n_{p,i}(s)\le Q^n_{p,i}(0)+A^n_i(s),\qquad"
        r" Q^n_{d,i}(s)\le Q^n_{d,i}(0)+S^n_{p,i}(s)",
        source="THEORY 8.2, eqs. P15, P17",
        check=queues_are_bounded,
        mutants=(
            Mutant("arrivals left out", lambda: queues_are_bounded((None, "S_p"))),
            Mutant("decode buffer fed by arrivals", lambda: queues_are_bounded(("A", "A"))),
            Mutant(
                "edge B_d missing",
                lambda: queues_are_bounded(model=without(general_class(), "B_d")),
            ),
            Mutant(
                "edge A missing", lambda: queues_are_bounded(model=without(general_class(), "A"))
            ),
        ),
    ),
    Claim(
        id="T3.1-c",
        statement="An abandonment clock is at most theta t times the bound on its queue at t.",
        latex=r"\frac1n\int_0^t\theta_iQ^n_{p,i}\,ds\le\theta_it\big(\bar Q^n_{p,i}(0)"
        r"+\bar A^n_i(t)\big),\qquad \frac1n\int_0^t\theta_iQ^n_{d,i}\,ds\le\theta_it"
        r"\big(\bar Q^n_{d,i}(0)+\bar S^n_{p,i}(t)\big)",
        source="THEORY 8.2, eqs. P7, P8; the paper prints theta_p,i, theta_d,i for theta_i",
        assumptions=(
            sp.Ge(sp.Symbol("A(t)"), taken("A")),
            sp.Ge(sp.Symbol("S_p(t)"), taken("S_p")),
        ),
        check=abandonment_clocks_are_bounded,
        mutants=(
            Mutant("arrivals left out", lambda: abandonment_clocks_are_bounded((None, "S_p"))),
            Mutant(
                "counts may decrease",
                lambda: abandonment_clocks_are_bounded(given_monotone=False),
            ),
        ),
    ),
    Claim(
        id="T3.1-d",
        statement="Admissions are at most what a queue held at first plus what has come in.",
        latex=r"U^n_{p,i}\le Q^n_{p,i}(0)+A^n_i,\qquad"
        r" U^n_{d,m,i}+U^n_{d,s,i}\le Q^n_{d,i}(0)+S^n_{p,i}",
        source="THEORY 8.2, eqs. P15, P17",
        check=controls_are_bounded,
        mutants=(
            Mutant("queues may be negative", lambda: controls_are_bounded(queues_hold=False)),
            Mutant("the two sources exchanged", lambda: controls_are_bounded(fed_by=("S_p", "A"))),
            Mutant(
                "edge S_p missing",
                lambda: controls_are_bounded(model=without(general_class(), "S_p")),
            ),
        ),
    ),
    Claim(
        id="T3.1-e",
        statement="At most B decodes, in fact at most B-1, switch with each prefill.",
        latex=r"M^n_{m\to s}\le(B-1)S^n_p\le BS^n_p,\qquad"
        r" M^n_{s\to m}\le(B-1)U^n_p\le BU^n_p",
        source="THEORY 8.2, eq. P10",
        check=lambda: all_of(switches_are_bounded(), switches_are_bounded(BATCH - 1)),
        mutants=(
            Mutant("B-2 decodes per event", lambda: switches_are_bounded(BATCH - 2)),
            Mutant(
                "edge M_ms missing",
                lambda: switches_are_bounded(model=without(general_class(), "M_ms")),
            ),
        ),
    ),
)
