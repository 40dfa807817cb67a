r"""Ledger 8.2, rows f to j: jumps, clocks and limits behind Theorem 3.1 (THEORY 2, 3 and 7).

The strong law and Doob's inequality are cited; what they are applied to comes from the edges.
"""

from typing import Any

import sympy as sp

from gnr.network import TRANSIENT
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.exact import below_zero, equal, nonnegative, product
from gnr.proofs.kit.paths import (
    COUNTS,
    GPUS,
    after,
    capacity_gaps,
    edges,
    intensity,
    primitives,
    scaled,
    without,
)
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    MIXED_TIME,
    SOLO_TIME,
    TIME,
    TRAJECTORY,
    Model,
    State,
    general_class,
)
from gnr.proofs.theorem_3_1 import DECODES, MIXED, PREFILLS, SOLO, mode_changes

NOTHING = State(0, 0, 0, 0, 0)

LARGEST = sp.Symbol("b", positive=True)
"""A number that is at least 1 and at least B-1."""

ARRIVAL = sp.Symbol("lambda_i", positive=True)

CLOCK = sp.Symbol("L_n", nonnegative=True)
"""A random clock over n at some time, below K; its limit is ``LIMIT``."""
LIMIT = sp.Symbol("L", nonnegative=True)
CEILING = sp.Symbol("K", positive=True)

STRONG_LAW = "functional strong law: sup over u ≤ K of |N(nu)/n - u| → 0 almost surely"
DOOB = "Doob: E sup M² ≤ 4 E M(T)² for a square-integrable martingale M"
DYNKIN = "Dynkin: f(N) less the integral of the generator applied to f is a martingale"
CONTINUOUS_MAPPING = (
    "continuous mapping: q ↦ ∫ q ds is continuous in the uniform topology, and so in J1 at"
    " continuous q"
)


def jumps_are_bounded(
    room: Any = BATCH - 1, events: int = 1, model: Model | None = None
) -> Finding:
    """Take each edge once, with the switches of one GPU where it has any, in every coordinate.

    LARGEST stands for a number that is at least 1 and at least `room`, the decodes beside a
    prefill; the least such number is max(1, B-1).
    """
    model = model or general_class()
    slots = model.rates.batch_slots
    given = [slots - 1 - DECODES, slots - 1, LARGEST - 1, LARGEST - room]
    parts = [mode_changes(model)]
    for process, sizes in _single_events(model).items():
        for size in filter(None, sizes):
            says = f"{process}: a coordinate moves by {sp.sstr(size)} ≤ max(1, B-1)"
            if size.is_number:
                parts.append(equal(events * size, 1, says))
                continue
            left = [product(LARGEST - room), product(given[0])]
            parts.append(nonnegative(LARGEST - events * size, left, given, says))
    return all_of(*parts)


def _single_events(model: Model) -> dict[str, list[Any]]:
    """Return how far each event moves the coordinates; a prefill switches one GPU's decodes."""
    sizes = {}
    for process in edges(model):
        if process in _SWITCHED_WITH.values():
            continue
        moves = {process: sp.Integer(1)}
        if process in _SWITCHED_WITH:
            moves[_SWITCHED_WITH[process]] = DECODES
        jump = after(model, NOTHING, moves)
        moved = {sp.Abs(jump.at(station)) for station in TRANSIENT} | set(moves.values())
        sizes[process] = sorted(moved, key=sp.sstr)
    return sizes


_SWITCHED_WITH = {"U_p": "M_sm", "S_p": "M_ms"}


def jumps_as_printed(
    gpus: int = 4, slots: int = 3, largest: int = 1, model: Model | None = None
) -> Finding:
    """Play two events of a small cluster and read off how far the scaled counts jump."""
    model = model or general_class()
    before = State(gpus, 0, 0, 0, slots - 1)
    turned = after(model, before, {"U_p": 1, "M_sm": slots - 1})
    filled = after(model, State(gpus, 0, 0, 0, 0), {"U_p": gpus})
    switch = sp.Rational(turned.mixed_decode, gpus)
    bulk = sp.Rational(filled.prefill, gpus)
    told, bound = [], sp.Rational(largest, gpus)
    if below_zero(bound - switch):
        told.append(
            f"n = {gpus}, B = {slots}: a prefill joins {slots - 1} solo decodes of one GPU; Y_m/n "
            f"and Y_s/n jump by {switch} > {bound}"
        )
    if below_zero(bound - bulk):
        told.append(
            f"n = {gpus}, all idle, {gpus} requests waiting at t = 0, all admitted at once, as 2.7 "
            f"allows: U_p/n, X/n, Q_p/n jump by {bulk} > {bound}, for every n"
        )
    return refuted(*told) if told else proved(f"these events jump by {switch} and {bulk}")


def arrivals_follow_their_rate(
    rate: Any = ARRIVAL,
    scale: Any = GPUS,
    model: Model | None = None,
) -> Finding:
    """Solve the generator's equations for mean and variance of A; both scaled limits follow."""
    model = model or general_class()
    if "A" not in edges(model):
        return refuted("nothing arrives: no edge A")
    speed = intensity(model, "A", COUNTS)
    moment = sp.Function("m")
    mean = _solved(moment, speed)
    second = _solved(moment, speed * (2 * mean + 1))
    variance = sp.expand((second - mean**2) / scale**2)
    return all_of(
        equal(mean / scale, rate * TIME, "E A/n = lambda t, from m' = n lambda, m(0) = 0"),
        _dies_out(variance, "variance of A/n, from m2' = n lambda (2 m + 1)"),
    )


def _solved(function: Any, slope: Any) -> Any:
    """Return the solution of function' = slope from 0."""
    equation = sp.Eq(function(TIME).diff(TIME), slope)
    return sp.expand(sp.dsolve(equation, function(TIME), ics={function(0): 0}).rhs)


def _dies_out(amount: Any, says: str) -> Finding:
    """Return whether an amount vanishes as n grows."""
    limit = sp.limit(amount, GPUS, sp.oo)
    if limit == 0:
        return proved(f"{says}: {sp.sstr(amount)} → 0")
    return refuted(f"{says}: {sp.sstr(amount)} → {limit}, not 0")


def time_change(compensated: bool = True, scale: Any = GPUS, converges: bool = True) -> Finding:
    r"""Split the error into that of the Poisson process and that of the clock.

    The first is small uniformly on [0, K], and its second moment comes from the generator: with
    M = N(nL) - nL, jumps of 1 at rate nl and slope -nl between them, the square of M gains nl
    on average, so E M² = n E L ≤ nK.
    """
    process, speed = sp.symbols("M l", real=True)
    noise, shift = sp.symbols("e_N e_L", nonnegative=True)
    jump = (process + 1) ** 2 - process**2
    gain = GPUS * speed * jump - GPUS * speed * sp.diff(process**2, process) * int(compensated)
    counted = sp.Symbol("N(nL_n)/n", real=True)
    within = [noise - counted + CLOCK, noise + counted - CLOCK]
    if converges:
        within += [shift - CLOCK + LIMIT, shift + CLOCK - LIMIT]
    error = noise + shift
    return all_of(
        equal(gain, GPUS * speed, "the square of N(nL) - nL gains n l"),
        _dies_out(GPUS * CEILING / scale**2, "E (N(nL)/n - L)² is at most"),
        *(
            nonnegative(
                error - sign * (counted - LIMIT),
                [
                    product(noise - sign * (counted - CLOCK)),
                    product(shift - sign * (CLOCK - LIMIT)),
                ],
                within,
                f"{'above' if sign > 0 else 'below'}: the error is at most sup |N(nu)/n - u| + "
                "sup |L_n - L|",
            )
            for sign in (1, -1)
        ),
    )


def printed_flows(state: State) -> dict[str, tuple[str, Any]]:
    """Return the integrands of (P29)-(P32) with the rates (P4), by process."""
    prompt, output = sp.symbols("P_i D_i", positive=True)
    arrival, patience = sp.symbols("lambda_i theta_i", positive=True)
    return {
        "A": ("P29", arrival),
        "B_p": ("P30", patience * state.prefill_queue),
        "B_d": ("P30", patience * state.decode_buffer),
        "S_p": ("P31", CHUNK / (prompt * MIXED_TIME) * state.prefill),
        "S_dm": ("P32", state.mixed_decode / (output * MIXED_TIME)),
        "S_ds": ("P32", state.solo_decode / (output * SOLO_TIME)),
    }


def clocks_converge(factor: dict[str, Any] | None = None, model: Model | None = None) -> Finding:
    """Divide each clock of the chain by n at counts n q(t), and compare with the printed limit.

    The clock of an edge is the integral of its intensity; (P4) stands for the rates.
    """
    model, factor = model or general_class(), factor or {}
    printed = printed_flows(TRAJECTORY)
    found = primitives(model)
    if set(found) != set(printed):
        return refuted(f"clocks drive {', '.join(found)}; printed are {', '.join(printed)}")
    parts = []
    for process in found:
        equation, flow = printed[process]
        clock = _clock(intensity(model, process, scaled(TRAJECTORY, GPUS)) / GPUS)
        stated = _clock(flow * factor.get(process, 1))
        says = f"({equation}): the clock of {process} over n"
        parts += [
            equal(clock.diff(TIME), stated.diff(TIME), f"{says} runs at {sp.sstr(flow)}"),
            equal(clock.subs(TIME, 0).doit(), stated.subs(TIME, 0).doit(), f"{says} starts at 0"),
        ]
    return all_of(*parts)


def _clock(speed: Any) -> Any:
    """Return the integral of a speed from 0 to now."""
    now = sp.Symbol("s", nonnegative=True)
    return sp.Integral(speed.subs(TIME, now), (now, 0, TIME))


def capacities_pass_to_the_limit(strict: bool = False, slots_kept: int = 1) -> Finding:
    r"""Divide (P12)-(P14) by n and let the scaled counts converge.

    Each is linear and homogeneous in counts and n, so what it leaves converges to what the
    fluid capacity leaves; a limit of nonnegative numbers is nonnegative, which fails for
    positive numbers.
    """
    slots = general_class().rates.batch_slots
    x, y_m, y_s = sp.symbols("x y_m y_s", nonnegative=True)
    h_x, h_m, h_s = sp.symbols("h_x h_m h_s", real=True)
    counts = {PREFILLS: GPUS * x + h_x, MIXED: GPUS * y_m + h_m, SOLO: GPUS * y_s + h_s}
    fluid = (1 - x, (slots - slots_kept) * x - y_m, slots * (1 - x) - y_s)
    chain_gaps = capacity_gaps(slots, GPUS, PREFILLS, MIXED, SOLO)
    parts = []
    for name, chain, limit in zip(("P33", "P34", "P35"), chain_gaps, fluid, strict=True):
        free = sp.expand(chain.subs(counts, simultaneous=True) / GPUS)
        parts.append(
            equal(
                sp.limit(free, GPUS, sp.oo),
                limit,
                f"({name}) with counts n q + h over n leaves {sp.sstr(limit)} in the limit",
            )
        )
    last_idle = sp.expand(capacity_gaps(slots, GPUS, GPUS - 1, 0, 0)[0] / GPUS)
    end = sp.limit(last_idle, GPUS, sp.oo)
    if strict and not end.is_positive:
        return refuted(f"X = n - 1 leaves {last_idle} > 0 of (P12) over n, and {end} in the limit")
    return all_of(*parts, nonnegative(end, [product(end)], says="X = n - 1 → (P33) with equality"))


CLAIMS = (
    Claim(
        id="T3.1-f/printed",
        statement="Every jump of a scaled coordinate is 1/n.",
        latex=r"\|\Delta\bar{\mathcal X}^n\|\le\tfrac1n",
        source="THEORY 8.2, T3.1-f, as printed",
        check=jumps_as_printed,
        mutants=(Mutant("2/n for any batch", lambda: jumps_as_printed(5, 4, 2)),),
    ),
    Claim(
        id="T3.1-f/corrected",
        statement="A single event, with the mode switches it causes on its GPU, moves every scaled"
        " coordinate by at most max(1, B-1)/n; several admissions at one epoch add up, so a bound"
        " per epoch must be assumed, or the state after the first admissions be taken as z_0.",
        latex=r"|\Delta\bar{\mathcal X}^n|\le\max(1,B-1)/n\ \text{ per event}",
        source="THEORY 8.2, T3.1-f",
        assumptions=(sp.Ge(BATCH - 1, DECODES), sp.Ge(LARGEST, 1), sp.Ge(LARGEST, BATCH - 1)),
        check=jumps_are_bounded,
        mutants=(
            Mutant("B-2 is enough", lambda: jumps_are_bounded(room=BATCH - 2)),
            Mutant("two events at one epoch", lambda: jumps_are_bounded(events=2)),
            Mutant(
                "edge M_sm missing",
                lambda: jumps_are_bounded(model=without(general_class(), "M_sm")),
            ),
        ),
    ),
    Claim(
        id="T3.1-g",
        statement="Scaled arrivals converge to lambda t, uniformly on bounded intervals.",
        latex=r"\bar A^n_i(t)=N_{A,i}(n\lambda_it)/n\to\lambda_it",
        source="THEORY 8.2, eqs. P7, P29",
        cites=(DYNKIN, DOOB, STRONG_LAW),
        check=arrivals_follow_their_rate,
        mutants=(
            Mutant(
                "twice the rate",
                lambda: arrivals_follow_their_rate(2 * ARRIVAL),
            ),
            Mutant(
                "scaled by the root of n",
                lambda: arrivals_follow_their_rate(scale=sp.sqrt(GPUS)),
            ),
            Mutant(
                "edge A missing",
                lambda: arrivals_follow_their_rate(model=without(general_class(), "A")),
            ),
        ),
    ),
    Claim(
        id="T3.1-h",
        statement="A Poisson process run by converging clocks converges to the limit clock.",
        latex=r"L^n\to L\ \text{u.o.c.}\ \Rightarrow\ N(nL^n(\cdot))/n\to L(\cdot)",
        source="THEORY 8.2, eqs. P7-P9",
        assumptions=(sp.Le(CLOCK, CEILING),),
        cites=(DYNKIN, DOOB, STRONG_LAW),
        check=time_change,
        mutants=(
            Mutant("no compensator", lambda: time_change(compensated=False)),
            Mutant("scaled by the root of n", lambda: time_change(scale=sp.sqrt(GPUS))),
            Mutant("clocks need not converge", lambda: time_change(converges=False)),
        ),
    ),
    Claim(
        id="T3.1-i",
        statement="The clocks of the chain over n converge to the fluid clocks (P30)-(P32).",
        latex=r"\bar B^n_{p,i}\to\int_0^t\theta_iq_{p,i}ds,\ \bar B^n_{d,i}\to\int_0^t\theta_i"
        r"q_{d,i}ds,\ \bar S^n_{p,i}\to\int_0^t\mu_{p,i}x_ids,\ \bar S^n_{d,m,i}\to\int_0^t"
        r"\mu_{m,i}y_{m,i}ds,\ \bar S^n_{d,s,i}\to\int_0^t\mu_{s,i}y_{s,i}ds",
        source="THEORY 8.2, eqs. P4, P7-P9, P29-P32",
        cites=(STRONG_LAW, CONTINUOUS_MAPPING),
        check=lambda: all_of(clocks_converge(), time_change()),
        mutants=(
            Mutant(
                "solo decodes 3 % faster",
                lambda: clocks_converge({"S_ds": sp.Rational(103, 100)}),
            ),
            Mutant(
                "edge B_d missing",
                lambda: clocks_converge(model=without(general_class(), "B_d")),
            ),
            Mutant("prefill C times as fast", lambda: clocks_converge({"S_p": CHUNK})),
        ),
    ),
    Claim(
        id="T3.1-j",
        statement="The capacities are closed and pass to the limit.",
        latex=r"0\le\bar X^n\le1,\quad 0\le\bar Y^n_m\le(B-1)\bar X^n,\quad"
        r" 0\le\bar Y^n_s\le B(1-\bar X^n)",
        source="THEORY 8.2, eqs. P12-P14, P33-P35",
        cites=("a limit of nonnegative numbers is nonnegative",),
        check=capacities_pass_to_the_limit,
        mutants=(
            Mutant("strict inequalities", lambda: capacities_pass_to_the_limit(strict=True)),
            Mutant(
                "all B slots decode beside a prefill",
                lambda: capacities_pass_to_the_limit(slots_kept=0),
            ),
        ),
    ),
)
