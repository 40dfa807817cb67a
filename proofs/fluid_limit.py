r"""Beyond the ledger: the fluid limit derived from the network (THEORY 2, 3 and 4.1).

The generator of the chain, summed edge by edge, gives the drift; its integral gives (P24)-(P32),
its rewards (P38) and (P39), its zeros the equality rows of the linear programs.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import sympy as sp

from gnr.network import TRANSIENT, Station
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.drift import CONTROLS, drift, flow, revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, product
from gnr.proofs.kit.paths import (
    COUNTS,
    GPUS,
    after,
    edges,
    generator,
    intensity,
    primitives,
    scaled,
    taken,
    without,
)
from gnr.proofs.kit.steady_state import program
from gnr.proofs.kit.symbols import (
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SOLO_TIME,
    STATE,
    TIME,
    TRAJECTORY,
    Model,
    State,
    general_class,
)
from gnr.proofs.kit.totals import Total
from gnr.proofs.theorem_3_1_limits import (
    CONTINUOUS_MAPPING,
    DYNKIN,
    capacities_pass_to_the_limit,
    printed_flows,
)

PROCESSES = ("A", "B_p", "U_p", "S_p", "B_d", "U_dm", "U_ds", "S_dm", "S_ds", "M_sm", "M_ms")

Signs = Mapping[Station, tuple[str, Mapping[str, int]]]

BALANCES: Signs = {
    Station.PREFILL_QUEUE: ("P24", {"A": 1, "U_p": -1, "B_p": -1}),
    Station.PREFILL: ("P25", {"U_p": 1, "S_p": -1}),
    Station.DECODE_BUFFER: ("P26", {"S_p": 1, "U_dm": -1, "U_ds": -1, "B_d": -1}),
    Station.MIXED_DECODE: ("P27", {"U_dm": 1, "S_dm": -1, "M_sm": 1, "M_ms": -1}),
    Station.SOLO_DECODE: ("P28", {"U_ds": 1, "S_ds": -1, "M_ms": 1, "M_sm": -1}),
}
"""The balances as printed: what adds to a station and what takes from it."""

SWITCHED_TWICE: Signs = {
    **BALANCES,
    Station.SOLO_DECODE: ("P28", {"U_ds": 1, "S_ds": -1, "M_ms": 1, "M_sm": 1}),
}
"""(P28) with a wrong sign at one mode switch, a planted fault."""

PROMPT, OUTPUT = sp.symbols("P_i D_i", positive=True)
ARRIVAL, PATIENCE = sp.symbols("lambda_i theta_i", positive=True)
FASTER = sp.Rational(103, 100)


def generator_gives_the_drift(
    balances: Signs = BALANCES,
    factor: Mapping[str, Any] | None = None,
    model: Model | None = None,
) -> Finding:
    """Apply the generator to every coordinate and its square, at counts n z, over n.

    The generator is the sum over edges of intensity times change of the function. The first is
    the drift, also as printed with the rates (P4); carre du champ of the second, over n squared,
    is the variance a coordinate gains per second.
    """
    model, factor = model or general_class(), factor or {}
    counts, parts = scaled(STATE, GPUS), []
    clocks = printed_flows(STATE)
    for station in TRANSIENT:
        equation, signs = balances[station]

        def held(state: State, station: Station = station) -> Any:
            return state.at(station)

        def squared(state: State, station: Station = station) -> Any:
            return state.at(station) ** 2

        gain = sp.expand(generator(model, held, counts) / GPUS)
        printed = sum(
            sign * (clocks[p][1] * factor.get(p, 1) if p in clocks else CONTROLS[p])
            for p, sign in signs.items()
        )
        noise = sp.expand(
            (generator(model, squared, counts) - 2 * held(counts) * GPUS * gain) / GPUS**2
        )
        name = station.value.replace("_", " ")
        parts += [
            equal(gain, printed, f"{name}, by ({equation}): {sp.sstr(gain)}"),
            equal(gain, drift(model, STATE).at(station), f"{name}: the same as the kit's drift"),
            equal(sp.limit(noise, GPUS, sp.oo), 0, f"{name}: the variance it gains vanishes"),
        ]
    return all_of(*parts)


def balances_integrate_the_drift(balances: Signs = BALANCES, model: Model | None = None) -> Finding:
    """Scale the counting balances by n, and differentiate (P24)-(P28) with (P29)-(P32) put in.

    Each right side starts at the initial state and its slope is the drift, which determines it.
    """
    model = model or general_class()
    controls = {CONTROLS[p]: _cumulative(p).diff(TIME) for p in CONTROLS}
    parts = []
    for station in TRANSIENT:
        equation, signs = balances[station]
        counted = after(model, COUNTS, taken).at(station) / GPUS
        stated = (COUNTS.at(station) + sum(sign * taken(p) for p, sign in signs.items())) / GPUS
        start = sp.Symbol(f"{STATE.at(station)}(0)", nonnegative=True)
        solution = start + sum(sign * _cumulative(p) for p, sign in signs.items())
        slope = drift(model, TRAJECTORY).at(station).xreplace(controls)
        at_zero = solution.subs(TIME, 0).doit()
        at_zero = at_zero.xreplace({_cumulative(p).subs(TIME, 0): 0 for p in CONTROLS})
        parts += [
            equal(counted, stated, f"({equation}) is its counting balance over n"),
            equal(solution.diff(TIME), slope, f"({equation}) has the drift as its slope"),
            equal(at_zero, start, f"({equation}) starts at the initial state"),
        ]
    return all_of(*parts, capacities_pass_to_the_limit())


def _cumulative(process: str) -> Any:
    """Return a cumulative fluid process, (P29)-(P32); a control is a function of its own."""
    clocks = printed_flows(TRAJECTORY)
    if process not in clocks:
        return sp.Function(f"{process.lower()}_i")(TIME)
    now = sp.Symbol("s", nonnegative=True)
    return sp.Integral(clocks[process][1].subs(TIME, now), (now, 0, TIME))


def clocks_of_the_fluid(
    factor: Mapping[str, Any] | None = None, model: Model | None = None
) -> Finding:
    """Compare the speed of every clock in the network with (P29)-(P32) and (P4)."""
    model, factor = model or general_class(), factor or {}
    printed = printed_flows(TRAJECTORY)
    found = primitives(model)
    if set(found) != set(printed):
        return refuted(f"clocks drive {', '.join(found)}; printed are {', '.join(printed)}")
    return all_of(
        *(
            equal(
                flow(model, edges(model)[process], TRAJECTORY),
                _cumulative(process).diff(TIME) * factor.get(process, 1),
                f"({printed[process][0]}): {process} runs at {sp.sstr(printed[process][1])}",
            )
            for process in found
        )
    )


def revenue_of_the_fluid(
    billed: str = "prefill", bundle: Any = None, model: Model | None = None
) -> Finding:
    """Add up reward times intensity over the edges; totals over the classes give (P42).

    By Dynkin's formula the expected reward per second and GPU is this sum over n, at the counts.
    """
    model = model or general_class()
    bundle = PROMPT_PRICE * PROMPT + OUTPUT_PRICE * OUTPUT if bundle is None else bundle
    clocks = {process: speed for process, (_, speed) in printed_flows(STATE).items()}
    decoded = clocks["S_dm"] + clocks["S_ds"]
    prefilled = CHUNK / (PROMPT * MIXED_TIME) * STATE.at(Station(billed))
    stated = {
        "bundled": ("P38", bundle * decoded),
        "separate": (
            "P39",
            PROMPT_PRICE * PROMPT * prefilled + OUTPUT_PRICE * OUTPUT * decoded,
        ),
    }
    parts = []
    for scheme, (equation, expected) in stated.items():
        earned = revenue_rate(model, STATE, scheme)
        per_event = sum(
            getattr(model.network.edges[edge]["transition"], f"{scheme}_reward")
            * intensity(model, process, scaled(STATE, GPUS))
            for process, edge in edges(model).items()
        )
        parts += [
            equal(per_event / GPUS, earned, f"{scheme}: rewards times intensities over n"),
            equal(earned, expected, f"({equation}): the integrand is {sp.sstr(expected)}"),
        ]
    slots = (
        PROMPT_PRICE * CHUNK / MIXED_TIME * Total(STATE.prefill)
        + OUTPUT_PRICE / MIXED_TIME * Total(STATE.mixed_decode)
        + OUTPUT_PRICE / SOLO_TIME * Total(STATE.solo_decode)
    )
    total = Total(revenue_rate(model, STATE, "separate"))
    return all_of(*parts, equal(total, slots, "(P39) over all classes is the objective of (P42)"))


def steady_equations(model: Model, state: State) -> tuple[Any, ...]:
    """Return what the drift says of a state at rest once the controls are eliminated.

    These are the combinations of the five components in which no control appears.
    """
    rates = sp.Matrix([drift(model, state).at(station) for station in TRANSIENT])
    effect = rates.jacobian(list(CONTROLS.values()))
    kernel = effect.T.nullspace()
    if not kernel:
        return ()
    free, _ = sp.Matrix.hstack(*kernel).T.rref()
    return tuple(sp.expand(each) for each in free * rates)


def _balances(model: Model) -> tuple[Any, Any]:
    """Return the balances that claims about the programs start from."""
    rows = program(model)
    return rows.prefill_balance, rows.decode_balance


def steady_states(
    factor: Mapping[str, Any] | None = None,
    model: Model | None = None,
) -> Finding:
    """Eliminate the controls from drift = 0; conversely find controls for every solution.

    The components in which no control appears are spanned by two, the prefill balance and the
    decode balance. Where both hold, admitting and routing what is completed, and switching
    nothing, leaves no drift; those controls are nonnegative.
    """
    model, factor = model or general_class(), factor or {}
    clocks = {p: speed * factor.get(p, 1) for p, (_, speed) in printed_flows(STATE).items()}
    printed = (
        clocks["A"] - clocks["B_p"] - clocks["S_p"],
        clocks["S_p"] - clocks["B_d"] - clocks["S_dm"] - clocks["S_ds"],
    )
    found = steady_equations(model, STATE)
    if len(found) != len(printed):
        return refuted(f"{len(found)} equations without controls: {sp.sstr(found)}")
    controls = {
        CONTROLS["U_p"]: clocks["S_p"],
        CONTROLS["U_dm"]: clocks["S_dm"],
        CONTROLS["U_ds"]: clocks["S_ds"],
        CONTROLS["M_sm"]: sp.Integer(0),
        CONTROLS["M_ms"]: sp.Integer(0),
    }
    left = [drift(model, STATE).at(station).xreplace(controls) for station in TRANSIENT]
    return all_of(
        proved("the controls leave two equations per class; the mode switches cancel"),
        *(
            equal(each, built, "as the kit's program has it")
            for each, built in zip(found, _balances(model), strict=True)
        ),
        equal(found[0], printed[0], f"prefill balance: {sp.sstr(printed[0])} = 0"),
        equal(found[1], printed[1], f"decode balance: {sp.sstr(printed[1])} = 0"),
        *(nonnegative(rate, [product(rate)], says=f"{control} = {sp.sstr(rate)} ≥ 0")
          for control, rate in controls.items()),
        *(
            equal(rest, expected, f"then the {station.value.replace('_', ' ')} drifts by {says}")
            for station, rest, expected, says in zip(
                TRANSIENT,
                left,
                (printed[0], 0, printed[1], 0, 0),
                ("the prefill balance", "0", "the decode balance", "0", "0"),
                strict=True,
            )
        ),
    )  # fmt: skip


def missing(check: Any, processes: tuple[str, ...] = PROCESSES) -> tuple[Mutant, ...]:
    """Return the mutants of a check that lack one edge each."""
    return tuple(
        Mutant(f"edge {process} missing", partial(_lacking, check, process))
        for process in processes
    )


def _lacking(check: Any, process: str) -> Finding:
    finding: Finding = check(model=without(general_class(), process))
    return finding


CLAIMS = (
    Claim(
        id="FL-drift",
        statement="The generator of the chain, applied to the scaled counts, is the drift; the"
        " variance it adds per second vanishes as 1/n.",
        latex=r"\tfrac1n\sum_er_e(N)\big(f(N+\Delta_e)-f(N)\big)=\text{drift}(N/n),\qquad f(N)=N_k",
        source="derived here from THEORY 2.2-2.6",
        cites=(DYNKIN,),
        check=generator_gives_the_drift,
        mutants=(
            *missing(generator_gives_the_drift),
            Mutant("wrong sign of a switch", lambda: generator_gives_the_drift(SWITCHED_TWICE)),
            Mutant(
                "solo decodes 3 % faster",
                lambda: generator_gives_the_drift(factor={"S_ds": FASTER}),
            ),
            Mutant(
                "patience twice as long",
                lambda: generator_gives_the_drift(factor={"B_d": sp.Rational(1, 2)}),
            ),
        ),
    ),
    Claim(
        id="FL-balances",
        statement="The fluid balances are the counting balances over n and integrate the drift;"
        " the fluid capacities are the limits of the capacities.",
        latex=r"q_{p,i}(t)=q_{p,i}(0)+a_i-u_{p,i}-b_{p,i},\ \dots;\quad"
        r" 0\le x\le1,\ y_m\le(B-1)x,\ y_s\le B(1-x)",
        source="derived here; eqs. P12-P19, P24-P28, P33-P35",
        cites=(CONTINUOUS_MAPPING,),
        check=balances_integrate_the_drift,
        mutants=(
            *missing(balances_integrate_the_drift),
            Mutant("wrong sign of a switch", lambda: balances_integrate_the_drift(SWITCHED_TWICE)),
        ),
    ),
    Claim(
        id="FL-clocks",
        statement="Every clock of the network runs at the speed of (P29)-(P32).",
        latex=r"a_i=\lambda_it,\ b_{p,i}=\int\theta_iq_{p,i},\ b_{d,i}=\int\theta_iq_{d,i},\ "
        r"s_{p,i}=\int\mu_{p,i}x_i,\ s_{d,m,i}=\int\mu_{m,i}y_{m,i},\ "
        r"s_{d,s,i}=\int\mu_{s,i}y_{s,i}",
        source="derived here; eqs. P4, P7-P9, P29-P32",
        check=clocks_of_the_fluid,
        mutants=(
            *missing(clocks_of_the_fluid, ("A", "B_p", "B_d", "S_p", "S_dm", "S_ds")),
            Mutant("solo decodes 3 % faster", lambda: clocks_of_the_fluid({"S_ds": FASTER})),
            Mutant("solo decodes constant in D", lambda: clocks_of_the_fluid({"S_ds": OUTPUT})),
        ),
    ),
    Claim(
        id="FL-revenue",
        statement="The rewards on the edges earn the integrands of (P38) and (P39), and (P39) is"
        " the objective of (P42).",
        latex=r"\sum_iw_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}),\qquad"
        r" \sum_i\big[c_pP_i\mu_{p,i}x_i+c_dD_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})\big]",
        source="derived here; eqs. P21-P23, P38, P39, P42",
        cites=(DYNKIN,),
        check=revenue_of_the_fluid,
        mutants=(
            *missing(revenue_of_the_fluid, ("S_p", "S_dm", "S_ds")),
            Mutant("prefill earns by mixed decodes", lambda: revenue_of_the_fluid("mixed_decode")),
            Mutant(
                "the bundle leaves out the prompt",
                lambda: revenue_of_the_fluid(bundle=OUTPUT_PRICE * OUTPUT),
            ),
        ),
    ),
    Claim(
        id="FL-steady",
        statement="A state at rest obeys the prefill balance and the decode balance of every class"
        " and no other equation, mode switches cancelling; where both hold, it is at rest if"
        " admissions and routings equal completions.",
        latex=r"\lambda_i-\theta_iq_{p,i}=\mu_{p,i}x_i,\qquad"
        r" \mu_{p,i}x_i-\theta_iq_{d,i}=\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}",
        source="derived here; eqs. P24-P32, P40",
        check=steady_states,
        mutants=(
            *missing(steady_states, PROCESSES[:-2]),
            Mutant("solo decodes 3 % faster", lambda: steady_states({"S_ds": FASTER})),
            Mutant("decode buffers without abandonment", lambda: steady_states({"B_d": 0})),
        ),
    ),
)
