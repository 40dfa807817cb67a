r"""Lemma 10.7 and Lemma 10.10: full decode slots, and the drift of the weighted decode work."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import Any

import sympy as sp

from gnr.network import TRANSIENT, Station
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.drift import drift, flow
from gnr.proofs.kit.exact import equal, vanishes
from gnr.proofs.kit.paths import after, edges, without
from gnr.proofs.kit.symbols import BATCH, STATE, TIME, TRAJECTORY, Model, State, general_class
from gnr.proofs.kit.totals import Total, component_derivative

PLANNED_PREFILL = sp.Symbol("xstar", positive=True)
"""x*, the fraction of GPUs that stay mixed."""

WAITING_AT_START, FREE_AT_START = sp.symbols("q_d(0) free(0)", nonnegative=True)
"""Waiting decodes and free decode slots per GPU at time 0."""


def mixed_slots() -> Any:
    """Return the decode slots of the mixed group, per GPU of the cluster."""
    return (BATCH - 1) * PLANNED_PREFILL


def solo_slots() -> Any:
    """Return the decode slots of the solo group, per GPU of the cluster."""
    return BATCH * (1 - PLANNED_PREFILL)


Load = tuple[Any, Any, Any]
"""Waiting decodes, free mixed and free solo slots; also what a move adds to each."""

Router = Callable[[Load, Load, Mapping[Load, str]], Load]
"""What a router makes of a load and an event, with the moves that the network has."""

EVENTS: dict[Load, str] = {
    (1, 0, 0): "a prefill is finished",
    (-1, 0, 0): "a waiting decode gives up",
    (0, 1, 0): "a mixed decode is finished",
    (0, 0, 1): "a solo decode is finished",
}
TO_MIXED: Load = (-1, -1, 0)
TO_SOLO: Load = (-1, 0, -1)
"""What it does to send a waiting decode to a mixed, or to a solo, slot."""


def moves_of_decodes(model: Model) -> dict[Load, str]:
    """Return the processes of the network that change the load, by what they add to it."""
    nobody = State(0, 0, 0, 0, 0)
    jumps = {process: after(model, nobody, {process: 1}) for process in edges(model)}
    added = {p: (j.decode_buffer, -j.mixed_decode, -j.solo_decode) for p, j in jumps.items()}
    return {move: process for process, move in added.items() if any(move)}


def moved(load: Load, *moves: Load) -> Load:
    """Return a load after moves."""
    waiting, mixed, solo = (sp.Add(*parts) for parts in zip(load, *moves, strict=True))
    return waiting, mixed, solo


def work_conserving(load: Load, event: Load, known: Mapping[Load, str]) -> Load:
    """Return the load after an event by Algorithm 3: one who waits takes a slot that is free.

    The router can only make the moves that are edges of the network, those of `known`.
    """
    waiting, mixed, solo = moved(load, event)
    for move, free in ((TO_SOLO, solo), (TO_MIXED, mixed)):
        if move in known and waiting.is_positive and free.is_positive:
            return moved((waiting, mixed, solo), move)
    return waiting, mixed, solo


def never_pulling(load: Load, event: Load, known: Mapping[Load, str]) -> Load:
    """Return the same for a router that leaves a freed slot to the next arrival."""
    freed = event in ((0, 1, 0), (0, 0, 1))
    return moved(load, event) if freed else work_conserving(load, event, known)


def slots_are_full_while_a_decode_waits(
    router: Router = work_conserving, at_start: bool = True, model: Model | None = None
) -> Finding:
    """Follow the product of waiting decodes and free slots through every event of the chain.

    If it is 0 at the start it stays 0 for every n; divided by n^2 it is continuous in the state,
    so it is 0 in the limit, where both free capacities are nonnegative. `at_start` False drops
    the hypothesis on the start.
    """
    known = moves_of_decodes(model or general_class())
    more = sp.Symbol("k", integer=True, nonnegative=True) + 1
    none = sp.Integer(0)
    loads = [(more, none, none), *product((none,), (none, more), (none, more))]
    if not at_start:
        loads.append((more, more, more))
    parts = []
    for event, text in EVENTS.items():
        if event not in known:
            return refuted(f"no edge of the network by which {text}")
        for load in loads:
            if load[0] + event[0] == -1:
                continue
            waiting, mixed, solo = router(load, event, known)
            told = (
                f"{known[event]} at (waiting, free mixed, free solo) = {load} leads to "
                f"{(waiting, mixed, solo)}"
            )
            idle = waiting * (mixed + solo)
            parts.append(proved(told) if vanishes(idle) else refuted(told))
    q, free = sp.Symbol("q_d", positive=True), sp.Symbol("free", real=True)
    limit = sp.solve(q * free, free)
    parts.append(
        proved("q_d · (free mixed + free solo) = 0 in the limit, so both vanish where q_d > 0")
        if limit == [0]
        else refuted(f"free slots {limit}")
    )
    return all_of(*parts, _capacities_of_the_groups())


def _slots_without_the_edge(process: str) -> Finding:
    return slots_are_full_while_a_decode_waits(model=without(general_class(), process))


def _capacities_of_the_groups() -> Finding:
    """Squeeze M/n between x* and x* + 1/n: the slots of the two groups per GPU."""
    n = sp.Symbol("n", positive=True)
    ends = [
        (
            sp.limit((BATCH - 1) * share, n, sp.oo) - mixed_slots(),
            sp.limit(BATCH * (1 - share), n, sp.oo) - solo_slots(),
        )
        for share in (PLANNED_PREFILL, PLANNED_PREFILL + 1 / n)
    ]
    return equal(
        sp.Add(*(sp.Abs(each) for pair in ends for each in pair)),
        0,
        "x* ≤ M/n < x* + 1/n: (B-1) M/n → (B-1) x*, B (1 - M/n) → B (1 - x*)",
    )


def decode_work_of(model: Model, state: State) -> Any:
    """Return the weighted decode work W_d (U12) at a state."""
    held = state.decode_buffer + state.mixed_decode + state.solo_decode
    return Total(held / model.rates.mixed_decode)


def contribution(model: Model, process: str, work: Any | None = None) -> Any:
    """Return what the moves of one process add to W_d, or to another `work`, per second."""
    counted = decode_work_of(model, STATE) if work is None else work

    def held_at(station: Station) -> Any:
        if station not in TRANSIENT:
            return sp.Integer(0)
        return component_derivative(counted, STATE.at(station))

    edge = edges(model)[process]
    return Total(flow(model, edge, STATE) * (held_at(edge[1][1]) - held_at(edge[0][1])))


def work_drift(model: Model) -> Any:
    """Return dW_d/dt: what all processes of the network add together."""
    processes = [process for _, _, process in model.network.edges(keys=True)]
    return sp.Add(*(contribution(model, each) for each in processes))


def finished_prefills_bring(
    work: Callable[[Model], Any] = lambda m: m.rates.decode_work,
) -> Finding:
    """Read off what finished prefills add to W_d, and put C phi_i in it."""
    model = general_class()
    return equal(
        contribution(model, "S_p"),
        Total(work(model) * STATE.prefill),
        "S_p adds Σ C φ_i x_i = Σ (mu_p,i / mu_m,i) x_i",
    )


def mixed_decodes_take(speed: Any = 1) -> Finding:
    """Read off what mixed completions take from W_d: one unit per second and busy slot."""
    model = general_class()
    taken = -contribution(model, "S_dm")
    return equal(taken, speed * Total(STATE.mixed_decode), "S_dm takes y_m")


def solo_decodes_take(speed: Callable[[Model], Any] = lambda m: m.rates.speed_ratio) -> Finding:
    """Read off what solo completions take from W_d: kappa per second and busy slot."""
    model = general_class()
    taken = -contribution(model, "S_ds")
    return equal(taken, speed(model) * Total(STATE.solo_decode), "S_ds takes κ y_s")


def stated_drift(model: Model, state: State, abandonment: Any = 1) -> Any:
    """Return the right side of (P61)."""
    rates = model.rates
    return (
        Total(rates.decode_work * state.prefill)
        - Total(state.mixed_decode)
        - rates.speed_ratio * Total(state.solo_decode)
        - abandonment * Total(rates.patience_rate / rates.mixed_decode * state.decode_buffer)
    )


def moves_cancel_and_the_drift_is(
    abandonment: Any = 1, work: Callable[[Model, State], Any] = decode_work_of
) -> Finding:
    """Let routing and switches cancel; then differentiate W_d along the trajectory (P61)."""
    model = general_class()
    counted = work(model, STATE)
    moved = [contribution(model, each, counted) for each in ("U_dm", "U_ds", "M_sm", "M_ms")]
    rates = model.rates
    left = Total(rates.patience_rate * STATE.decode_buffer / rates.mixed_decode)
    return all_of(
        *(equal(each, 0, "moves from buffer to slot and between modes keep W_d") for each in moved),
        equal(
            -contribution(model, "B_d", counted), abandonment * left, "B_d takes Σ θ_i/μ_m,i q_d,i"
        ),
        equal(
            along_the_trajectory(model, work(model, TRAJECTORY)),
            stated_drift(model, TRAJECTORY, abandonment),
            "(P61), every class, any number of them",
        ),
    )


def along_the_trajectory(model: Model, quantity: Any) -> Any:
    """Return the time derivative of a quantity of the decode side, by the network's drift."""
    net = drift(model, TRAJECTORY)
    rates = {TRAJECTORY.at(station).diff(TIME): net.at(station) for station in TRANSIENT}
    return quantity.diff(TIME).xreplace(rates)


def _count_of_waiting_twice(model: Model, state: State) -> Any:
    """Return a work that counts a waiting decode twice."""
    return decode_work_of(model, state) + Total(state.decode_buffer / model.rates.mixed_decode)


CLAIMS = (
    Claim(
        id="L10.7-a",
        statement="If no decode slot is free beside a waiting decode at the start, a "
        "work-conserving router keeps it so: while decodes wait, every decode slot of both fixed "
        "groups is taken.",
        latex=r"q_d(0)\,[x^\star(B-1)-y_m(0)+(1-x^\star)B-y_s(0)]=0:\quad "
        r"q_d>0\ \Rightarrow\ y_m=x^\star(B-1),\quad y_s=(1-x^\star)B",
        source="THEORY 8.4, Lemma 10.7; Algorithms 1 and 3",
        assumptions=(sp.Eq(WAITING_AT_START * FREE_AT_START, 0),),
        check=slots_are_full_while_a_decode_waits,
        mutants=(
            Mutant(
                "a freed slot waits for the next finished prefill",
                lambda: slots_are_full_while_a_decode_waits(never_pulling),
            ),
            Mutant(
                "slots free beside waiting decodes at the start",
                lambda: slots_are_full_while_a_decode_waits(at_start=False),
            ),
            *(
                Mutant(f"edge {process} missing", partial(_slots_without_the_edge, process))
                for process in ("S_p", "S_dm", "S_ds", "U_dm", "U_ds")
            ),
        ),
        cites=("continuous mapping theorem",),
    ),
    Claim(
        id="L10.10-a",
        statement="Finished prefills of class i bring C phi_i mixed slots of work per busy slot.",
        latex=r"\mu_{p,i}x_i\cdot\frac1{\mu_{m,i}}=C\phi_ix_i",
        source="THEORY 8.4, Lemma 10.10",
        check=finished_prefills_bring,
        mutants=(
            Mutant(
                "work in solo seconds",
                lambda: finished_prefills_bring(lambda m: m.rates.prefill / m.rates.solo_decode),
            ),
        ),
    ),
    Claim(
        id="L10.10-b",
        statement="A busy mixed slot takes one unit of work per second, whatever it decodes.",
        latex=r"\sum_i\mu_{m,i}y_{m,i}/\mu_{m,i}=y_m",
        source="THEORY 8.4, Lemma 10.10",
        check=mixed_decodes_take,
        mutants=(Mutant("kappa units", lambda: mixed_decodes_take(sp.Symbol("kappa"))),),
    ),
    Claim(
        id="L10.10-c",
        statement="A busy solo slot takes kappa units of work per second, whatever it decodes.",
        latex=r"\sum_i\mu_{s,i}y_{s,i}/\mu_{m,i}=\kappa y_s",
        source="THEORY 8.4, Lemma 10.10",
        check=solo_decodes_take,
        mutants=(
            Mutant("one unit", lambda: solo_decodes_take(lambda m: sp.Integer(1))),
            Mutant("1/kappa", lambda: solo_decodes_take(lambda m: 1 / m.rates.speed_ratio)),
        ),
    ),
    Claim(
        id="L10.10-d",
        statement=(
            "Those who leave the buffer take their work along; routing and mode switches keep the "
            "decode work. With the other three rows this is (P61)."
        ),
        latex=(
            r"\dot W_d=\sum_i\tfrac{\mu_{p,i}}{\mu_{m,i}}x_i-(y_m+\kappa y_s)"
            r"-\sum_i\tfrac{\theta_i}{\mu_{m,i}}q_{d,i}"
        ),
        source="THEORY 8.4, Lemma 10.10, eq. P61",
        check=moves_cancel_and_the_drift_is,
        mutants=(
            Mutant("nobody leaves", lambda: moves_cancel_and_the_drift_is(abandonment=0)),
            Mutant(
                "waiting decodes weigh double",
                lambda: moves_cancel_and_the_drift_is(work=_count_of_waiting_twice),
            ),
        ),
    ),
)
