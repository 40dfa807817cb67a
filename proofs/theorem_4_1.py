r"""Ledger T4.1-b, c, e and f: index, rounding, domination and reward of Theorem 4.1.

What the theorem needs, T4.1-a, is in `gnr.proofs.theorem_4_1_hypotheses`; that no policy does
better, T4.1-d, in `gnr.proofs.theorem_4_1_converse`.
"""

from collections.abc import Callable
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import (
    Claim,
    Finding,
    Mutant,
    Verdict,
    all_of,
    proved,
    refuted,
    undecided,
    unsettled,
)
from gnr.proofs.kit.class_blind import MIXED_SHARE, completed, resting_decodes
from gnr.proofs.kit.drift import CONTROLS, revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.numbers import Numbers, base_instance, shown
from gnr.proofs.kit.optimum import (
    VARIABLES,
    balances,
    base_plan,
    certified,
    rooms,
)
from gnr.proofs.kit.symbols import BATCH, STATE, State, general_class
from gnr.proofs.kit.totals import Total

GPUS = sp.Symbol("n", integer=True, positive=True)
PERIOD = sp.Symbol("T", positive=True)
COUNT, OTHER_COUNT = sp.symbols("X_here X_there", nonnegative=True)
TARGET, OTHER_TARGET = sp.symbols("x_here x_there", positive=True)
MIXED_FRACTION = sp.Symbol("x_star", nonnegative=True)
NOTHING = {getattr(STATE, name): sp.Integer(0) for name in VARIABLES}
IDLE = dict.fromkeys(CONTROLS.values(), sp.Integer(0))


# T4.1-b, T4.1-c


def index_ranks_by_relative_occupancy(divided_by: Any = TARGET) -> Finding:
    """Compare the index (U4) of two classes: it is X/x* less n, and n is the same for both.

    `divided_by` is what the deviation from the target is divided by.
    """
    index = (COUNT - GPUS * TARGET) / divided_by
    swapped = {COUNT: OTHER_COUNT, TARGET: OTHER_TARGET}
    ratio = COUNT / TARGET
    return equal(
        index - index.xreplace(swapped),
        ratio - ratio.xreplace(swapped),
        "xi_i - xi_j = X_i/x_i* - X_j/x_j*: same order, same arg min, same ties",
    )


def rounding_adds_less_than_one_gpu(group: Any = None) -> Finding:
    """Write the ceiling as n x* plus a fractional part, which is at least 0 and below 1."""
    planned = GPUS * MIXED_FRACTION
    size = sp.ceiling(planned) if group is None else group(planned)
    excess = sp.expand(size.rewrite(sp.frac) - planned)
    part = sp.Symbol("part", nonnegative=True)
    return all_of(
        nonnegative(excess, [product(excess)], says="M - n x* = frac(-n x*) ≥ 0"),
        proved("a fractional part is below 1: M < n x* + 1")
        if (excess < 1) == sp.true
        else _reaches_one(excess),
        equal(sp.limit(part / GPUS, GPUS, sp.oo), 0, "M/n exceeds x* by part/n, part < 1: → 0"),
    )


def _reaches_one(excess: Any) -> Finding:
    """Return whether rounding adds a whole GPU where nothing had to be rounded."""
    added = excess.xreplace({GPUS: sp.Integer(4), MIXED_FRACTION: sp.Rational(1, 2)})
    return (
        refuted(f"M - n x* = {added} at n = 4, x* = 1/2") if added >= 1 else undecided("M - n x*")
    )


# T4.1-e


def completions_are_dominated(slots: Any = BATCH) -> Finding:
    """Bound the intensity of all decode completions, and a Poisson variable's second moment.

    `slots` is what a GPU is said to decode at most.
    """
    model = general_class()
    rates, fastest = model.rates, sp.Symbol("nu", positive=True)
    prefill_room, mixed_room, solo_room = rooms(model, STATE)
    given = [
        prefill_room,
        mixed_room,
        solo_room,
        fastest - rates.mixed_decode,
        fastest - rates.solo_decode,
        GPUS - 1,
    ]
    mean, dummy = sp.symbols("m z", positive=True)
    generating = sp.exp(mean * (dummy - 1))
    second = sum(sp.diff(generating, dummy, order).subs(dummy, 1) for order in (1, 2))
    rate = sp.Symbol("Lambda", positive=True)
    return all_of(
        nonnegative(
            fastest * slots - Total(sp.expand(completed(model))),
            [
                over_classes(fastest - rates.mixed_decode, STATE.mixed_decode),
                over_classes(fastest - rates.solo_decode, STATE.solo_decode),
                product(fastest, mixed_room),
                product(fastest, solo_room),
                product(fastest, Total(STATE.prefill)),
            ],
            given,
            "decodes end at most at n B nu per second, nu the fastest decode rate",
            None if slots == BATCH else _all_solo(fastest),
        ),
        equal(second, mean + mean**2, "second moment of a Poisson variable: m + m²"),
        nonnegative(
            rate**2 + rate - (second / GPUS**2).xreplace({mean: GPUS * rate}),
            [product(rate, GPUS - 1, 1 / GPUS)],
            given,
            "E[(N/n)²] ≤ (B nu T)² + B nu T for every n, N ~ Poisson(n B nu T)",
        ),
    )


def _all_solo(fastest: Any) -> dict[Any, Any]:
    """Return a cluster without prefills, full of the shortest answers."""
    base = base_instance()
    everyone = tuple({**known, **NOTHING} for known in (*base.classes, base.classes[0]))
    everyone[1][STATE.solo_decode] = base.shared[BATCH]
    speed = Numbers(base.shared, everyone).of(general_class().rates.solo_decode, 2)
    return Numbers({**base.shared, fastest: speed, GPUS: sp.Integer(1)}, everyone).point


# T4.1-f


def completions_average_to_the_plan(buffer_empties: bool = True) -> Finding:
    r"""Bound what class i completes on average around :math:`\mu_{p,i}x_i^\star`.

    Averages over [0, T] are within :math:`\epsilon` of x* for prefills and of 0 for the buffer,
    but for what happened before a fixed time, which is in K/T with what the stations gained.
    """
    model = general_class()
    rates = model.rates
    planned = sp.Symbol("x_star_i", nonnegative=True)
    near, gain, most = sp.symbols("epsilon gain_i K", real=True)
    _, after = balances(model, STATE)
    done = sp.expand(after + completed(model)) - gain / PERIOD
    off = done - rates.prefill * planned
    theta, mean = rates.patience_rate, STATE.prefill
    margin = (rates.prefill + theta) * near + most / PERIOD
    given = [near - mean + planned, near + mean - planned, most - gain, most + gain, near]
    if buffer_empties:
        given.append(near - STATE.decode_buffer)
    steady = after.xreplace({STATE.decode_buffer: sp.Integer(0)})
    says = "|average completions - mu_p,i x_i*| ≤ (mu_p,i + theta_i) epsilon + K/T"
    return all_of(
        nonnegative(
            margin - off,
            [
                product(rates.prefill, near - mean + planned),
                product(theta, near),
                product(theta, STATE.decode_buffer),
                product(1 / PERIOD, most + gain),
            ],
            given,
            f"{says}: above",
        ),
        nonnegative(
            margin + off,
            [
                product(rates.prefill, near + mean - planned),
                product(theta, near - STATE.decode_buffer),
                product(1 / PERIOD, most - gain),
            ],
            given,
            f"{says}: below",
        ),
        equal(sp.limit(margin.subs(near, 1 / PERIOD), PERIOD, sp.oo), 0, "the bound tends to 0"),
        equal(
            revenue_rate(model, STATE, "bundled"),
            rates.reward * (rates.prefill * STATE.prefill - steady),
            "planned revenue with q_d* = 0: sum w_i mu_p,i x_i*",
        ),
    )


def decodes_reach_the_planned_split(of: str = "each group") -> Finding:
    """Compare where gate-and-route rests on the base instance with two exact optima.

    `of` is ``each group``, or ``both groups`` for the weaker y_m,i + y_s,i.
    """
    model = general_class()
    plans = [base_plan(mixed=(2,)), base_plan(mixed=(1,))]
    here = plans[0].numbers
    mixed, solo = resting_decodes(model, sp.Integer(1))
    _, room, solo_space = rooms(model, STATE)
    taken = {STATE.mixed_decode: mixed, STATE.solo_decode: solo}
    (share,) = sp.solve(here.of(room.xreplace(taken)), MIXED_SHARE)
    held = Numbers({**here.shared, MIXED_SHARE: share}, here.classes)
    rest = [
        State(each.prefill_queue, each.prefill, sp.Integer(0), m, s)
        for each, m, s in zip(plans[0].states, held.of_each(mixed), held.of_each(solo), strict=True)
    ]
    here = here.at(rest)
    derived = all_of(*(plan.finding for plan in plans), certified(here))
    if derived.verdict is not Verdict.PROVED:
        return unsettled(derived)
    views: dict[str, Callable[[State], tuple[Any, ...]]] = {
        "each group": lambda state: (state.mixed_decode, state.solo_decode),
        "both groups": lambda state: (state.mixed_decode + state.solo_decode,),
    }
    reached = [
        [views[of](each) for each in states] for states in (rest, *(p.states for p in plans))
    ]
    same_prefills = len({tuple(each.prefill for each in plan.states) for plan in plans}) == 1
    if not same_prefills or reached[0] in reached[1:] or held.of(solo_space.xreplace(taken)):
        return undecided("this instance does not tell the points apart")
    return refuted(
        f"base instance, R* = {shown(plans[0].value)}, attained by all three points below",
        *(
            f"{name}: y_m = {_pair(states, 'mixed_decode')}, y_s = {_pair(states, 'solo_decode')}"
            for name, states in (
                ("one planned optimum", plans[0].states),
                ("another", plans[1].states),
                ("where a class-blind router rests", rest),
            )
        ),
        "both plans have the same x*, hence the same policy and the same trajectories",
    )


def _pair(states: Any, name: str) -> str:
    return "(" + ", ".join(f"{float(getattr(each, name)):.6g}" for each in states) + ")"


CLAIMS = (
    Claim(
        id="T4.1-b",
        statement="The gate's index ranks classes by occupancy relative to target; it has no "
        "meaning where the target is 0.",
        latex=r"\xi_i-\xi_j=X_i/x_i^\star-X_j/x_j^\star",
        source="THEORY 8.4, eq. U4",
        assumptions=(sp.Gt(TARGET, 0), sp.Gt(OTHER_TARGET, 0)),
        check=index_ranks_by_relative_occupancy,
        mutants=(
            Mutant(
                "the deviation is not divided by the target",
                lambda: index_ranks_by_relative_occupancy(sp.Integer(1)),
            ),
        ),
    ),
    Claim(
        id="T4.1-c",
        statement="The mixed group has the planned size rounded up, by less than one GPU.",
        latex=r"nx^\star\le M=\lceil nx^\star\rceil<nx^\star+1",
        source="THEORY 8.4, eq. U3",
        check=rounding_adds_less_than_one_gpu,
        mutants=(
            Mutant("rounded down", lambda: rounding_adds_less_than_one_gpu(sp.floor)),
            Mutant(
                "one more than rounded down",
                lambda: rounding_adds_less_than_one_gpu(lambda planned: sp.floor(planned) + 1),
            ),
        ),
    ),
    Claim(
        id="T4.1-e",
        statement="Completions per GPU are dominated by Poisson variables with second moments "
        "bounded in n, so limits pass into the expectation.",
        latex=r"\sum_iS^n_{d,i}(T)\le_{st}{\rm Poisson}(nB\nu T),\quad "
        r"\mathbb E[({\rm Poisson}(nB\nu T)/n)^2]\le(B\nu T)^2+B\nu T",
        source="THEORY 8.4, T3.1-a",
        check=completions_are_dominated,
        mutants=(
            Mutant(
                "a GPU decodes at most B - 1 requests",
                lambda: completions_are_dominated(BATCH - 1),
            ),
        ),
        cites=(
            "a process that counts at intensity at most r is dominated by Poisson of rate r",
            "bounded second moments make a family uniformly integrable (Vitali)",
        ),
    ),
    Claim(
        id="T4.1-f/printed",
        statement="The decode occupancies of each class reach the planned point.",
        latex=r"(y_{m,i}(t),y_{s,i}(t))\to(y_{m,i}^\star,y_{s,i}^\star)",
        source="THEORY 8.4, closing remark of the proof of Theorem 4.1",
        check=decodes_reach_the_planned_split,
        mutants=(
            Mutant(
                "at least the decodes of a class in both groups together do",
                lambda: decodes_reach_the_planned_split("both groups"),
            ),
        ),
    ),
    Claim(
        id="T4.1-f/corrected",
        statement="If prefills reach the plan and the buffer empties, completions of each class "
        "average to the planned ones, and revenue to R*.",
        latex=r"x_i\to x_i^\star,\ q_d\to0\ \Rightarrow\ R(T)\to\sum_iw_i\mu_{p,i}x_i^\star"
        r"=R^\star",
        source="THEORY 8.4, P10.14, L10.5",
        check=completions_average_to_the_plan,
        mutants=(
            Mutant(
                "the buffer need not empty",
                lambda: completions_average_to_the_plan(buffer_empties=False),
            ),
        ),
        cites=("averages of a convergent function converge to its limit",),
    ),
)
