r"""The fluid gate on the base instance from an empty cluster, solved exactly, phase by phase.

Start: no prefill in progress, half a request per GPU of class 0 in the queue, none of class 1
(THEORY 8.4, row L10.1-e). At time 0 the gate fills every slot with class 0. Then

1. slots full, class 0 waits: class 1, below its target, gets every arrival admitted at once;
2. nobody waits, some slots are free: each class is served on arrival;
3. slots full again: as in 1, and the queue of class 0 fills towards its target.

The plan admits all of class 1 and fills the decode capacity with class 0 (THEORY 11.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from gnr import rates as formulas
from gnr.proofs.kit.claim import Finding, all_of, proved, refuted
from gnr.proofs.kit.drift import CONTROLS, drift
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.symbols import TIME, State, general_class

WAITING = Fraction(1, 2)
"""Requests of class 0 in the prefill queue at the start, per GPU."""


def platform(
    prompt: Sequence[int], output: Sequence[int], arrivals: Sequence[Fraction]
) -> formulas.Rates:
    """Return classes on the GPU and at the prices of THEORY 9.2, theta = 1/10, in fractions.

    Class arrays have shape ``(classes,)``; lengths are in tokens, arrivals in 1/s per GPU.
    """

    def column(values: Sequence[Any]) -> Any:
        return np.array([Fraction(each) for each in values], dtype=object)

    return formulas.compute_rates(
        batch_slots=Fraction(16),
        chunk_tokens=Fraction(256),
        base=Fraction("0.0174"),
        per_chunk_token=Fraction("0.000062"),
        decode_only=Fraction(20, 909),
        prompt_price=Fraction(1, 10),
        output_price=Fraction(1, 5),
        prompt_tokens=column(prompt),
        output_tokens=column(output),
        arrival_rate=column(arrivals),
        patience_rate=column([Fraction(1, 10)] * len(prompt)),
    )


def base_rates() -> formulas.Rates:
    """Return the rates of the base instance (THEORY 9.2) in fractions."""
    return platform([300, 3000], [1000, 400], [Fraction(1, 2)] * 2)


@dataclass(frozen=True)
class Plan:
    """The bundled optimum of the base instance.

    Attributes
    ----------
    prefill
        x* by class.
    work, capacity
        A* and C*, mixed decode slots per GPU.
    """

    prefill: tuple[Fraction, Fraction]
    work: Fraction
    capacity: Fraction

    @property
    def total(self) -> Fraction:
        """x*, the fraction of mixed GPUs."""
        return sum(self.prefill, Fraction(0))


@cache
def base_plan() -> Plan:
    """Return the plan: class 1 admitted whole, class 0 up to the decode capacity (D4)."""
    rates = base_rates()
    slots, kappa = rates.batch_slots, rates.speed_ratio
    weight = rates.decode_work + kappa * slots - (slots - 1)
    second = rates.full_prefill[1]
    first = (kappa * slots - weight[1] * second) / weight[0]
    total = first + second
    capacity = (slots - 1) * total + kappa * slots * (1 - total)
    work = sum(rates.decode_work * np.array([first, second], dtype=object), Fraction(0))
    return Plan((first, second), work, capacity)


def decay(exponent: Fraction) -> tuple[Fraction, Fraction]:
    """Return two fractions around exp(-exponent), exponent at least 0, about 1e-20 apart.

    The exponent is halved until it is at most 1; there the alternating series brackets the
    value, and every rounding goes outwards.
    """
    halvings = 0
    while exponent > 1:
        exponent, halvings = exponent / 2, halvings + 1
    term, partial, sums = Fraction(1), Fraction(0), []
    for k in range(1, 26):
        partial += term
        sums.append(partial)
        term *= -exponent / k
    low, high = _outwards(min(sums[-2:]), max(sums[-2:]))
    for _ in range(halvings):
        low, high = _outwards(low * low, high * high)
    return low, high


GRAIN = 10**24


def _outwards(low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    return Fraction(low * GRAIN // 1, GRAIN), Fraction(-(-high * GRAIN // 1), GRAIN)


@dataclass(frozen=True)
class Phase:
    """Closed forms of one phase, functions of time.

    Attributes
    ----------
    prefill, queue, admitted
        x_i, q_p,i and the rate of admission of each class.
    full
        Whether every prefill slot is taken.
    """

    prefill: tuple[Any, Any]
    queue: tuple[Any, Any]
    admitted: tuple[Any, Any]
    full: bool


FIRST_SWITCH, SECOND_SWITCH = sp.symbols("t_1 t_2", positive=True)
"""End of phase 1: the queue is empty. End of phase 2: the slots are full again."""


@cache
def phases() -> tuple[Phase, Phase, Phase]:
    """Return the three phases in closed form."""
    rates, plan = base_rates(), base_plan()
    mu = [_rational(each) for each in rates.prefill]
    arriving = [_rational(each) for each in rates.arrival_rate]
    theta = _rational(rates.patience_rate[0])
    slots, second = _rational(plan.total), arriving[1] / mu[1]
    x_1 = second * (1 - sp.exp(-mu[1] * TIME))
    full = (slots - x_1, x_1)
    busy = mu[0] * full[0] + mu[1] * full[1]
    admitted = (busy - arriving[1], arriving[1])
    # q_0' + theta q_0 = lambda_0 - u_0 = steady + fading exp(-mu_1 t)
    steady = arriving[0] + arriving[1] - mu[0] * (slots - second) - mu[1] * second
    fading = (mu[1] - mu[0]) * second

    def queue(start: Any, amount: Any) -> Any:
        rise = steady / theta, fading / (theta - mu[1])
        rest = amount - rise[0] - rise[1] * sp.exp(-mu[1] * start)
        return rise[0] + rise[1] * sp.exp(-mu[1] * TIME) + rest * sp.exp(-theta * (TIME - start))

    light = arriving[0] / mu[0]
    left = full[0].subs(TIME, FIRST_SWITCH) - light
    relaxing = light + left * sp.exp(-mu[0] * (TIME - FIRST_SWITCH))
    nobody = sp.Integer(0)
    return (
        Phase(full, (queue(0, _rational(WAITING) - slots), nobody), admitted, full=True),
        Phase((relaxing, x_1), (nobody, nobody), (arriving[0], arriving[1]), full=False),
        Phase(full, (queue(SECOND_SWITCH, 0), nobody), admitted, full=True),
    )


def solves_the_model() -> Finding:
    """Put the closed forms into the drift of the network; both stations of both classes."""
    model = general_class()
    parts = []
    for number, phase in enumerate(phases(), start=1):
        for k in (0, 1):
            state = State(phase.queue[k], phase.prefill[k], 0, 0, 0)
            net = drift(model, state)
            values = {CONTROLS["U_p"]: phase.admitted[k]}
            for station, held in (("prefill_queue", phase.queue[k]), ("prefill", phase.prefill[k])):
                moved = _with_numbers(getattr(net, station), k).subs(values)
                parts.append(
                    equal(
                        sp.expand(sp.diff(held, TIME) - moved),
                        0,
                        f"phase {number}, class {k}: {station} follows the network",
                    )
                )
    return all_of(*parts)


def _with_numbers(expression: Any, k: int) -> Any:
    """Return an expression of class i with the parameters of class `k` in numbers."""
    rates, values = general_class().rates, base_rates()
    known = {
        rates.batch_slots: values.batch_slots,
        rates.chunk_tokens: values.chunk_tokens,
        rates.solo_time: values.solo_time,
        rates.prompt_tokens: values.prompt_tokens[k],
        rates.output_tokens: values.output_tokens[k],
        rates.arrival_rate: values.arrival_rate[k],
        rates.patience_rate: values.patience_rate[k],
        sp.Symbol("tau", positive=True): values.mixed_time,
    }
    return sp.sympify(expression).subs({each: _rational(v) for each, v in known.items()})


def _rational(value: Fraction) -> sp.Rational:
    return sp.Rational(value.numerator, value.denominator)


EARLY = Fraction(1, 10)
"""A time, in s, by which phase 1 is over."""
BEFORE, AFTER = Fraction(71, 100), Fraction(18, 25)
"""Times, in s, between which the decode work that arrives passes its planned value."""


def obeys_the_gate() -> Finding:
    """Check, by exact bounds, what makes the three phases the path of the fluid gate."""
    rates, plan = base_rates(), base_plan()
    mu, arriving = rates.prefill, rates.arrival_rate
    light = arriving[0] / mu[0]
    low = decay(mu[1] * EARLY)[0]
    left = plan.total - plan.prefill[1] * (1 - low)
    return all_of(
        _holds(_queue_at_most(EARLY) < 0, f"class 0 stops waiting before t = {EARLY} s"),
        _holds(left > light, "then x_0 is above λ_0/μ_p,0 and falls towards it"),
        _holds(light > plan.prefill[0], "λ_0/μ_p,0 > x_0*: class 0 is marginal"),
        _holds(light + plan.prefill[1] > plan.total, "the slots fill again: Σ λ_i/μ_p,i > x*"),
        _holds(
            mu[0] > mu[1] and mu[0] * plan.prefill[0] > 0,
            "with full slots u_0 = μ_p,0 x_0 + μ_p,1 x_1 - λ_1 ≥ μ_p,0 x_0* > 0, and it falls, so "
            "q_0 grows from the second switch on",
        ),
        _holds(
            arriving[1] == mu[1] * plan.prefill[1],
            "x_1/x_1* = 1 - exp(-μ_p,1 t) < 1 < x_0/x_0* with full slots: class 1 goes first",
        ),
    )


def _queue_at_most(when: Fraction) -> Fraction:
    """Return an upper bound on the closed form of q_0 in phase 1."""
    form = phases()[0].queue[0]
    parts = sp.Add.make_args(sp.expand(form.subs(TIME, _rational(when))))
    total = Fraction(0)
    for part in parts:
        factor, power = part.as_independent(sp.exp)
        exponent = sp.expand_log(sp.log(power), force=True) if power != 1 else sp.Integer(0)
        bounds = decay(Fraction(int((-exponent).p), int((-exponent).q)))
        size = Fraction(int(factor.p), int(factor.q))
        total += size * (bounds[1] if size > 0 else bounds[0])
    return total


def _holds(true: bool, says: str) -> Finding:
    return proved(says) if true else refuted(f"not so: {says}")


def arriving_work_stays_above_the_plan(since: Fraction = AFTER) -> Finding:
    """Bound A(t) - A* from below for all later t, phase by phase.

    Phase 2: at least C phi_0 (lambda_0/mu_0 - x_0*) - C phi_1 x_1* exp(-mu_1 t), which grows with
    t. Phases 1 and 3: exactly (C phi_0 - C phi_1) x_1* exp(-mu_1 t).
    """
    rates, plan = base_rates(), base_plan()
    work, second = rates.decode_work, plan.prefill[1]
    light = rates.arrival_rate[0] / rates.prefill[0]
    fading = decay(rates.prefill[1] * since)[1]
    free = work[0] * (light - plan.prefill[0]) - work[1] * second * fading
    slope = (work[0] - work[1]) * second
    ahead = decay(rates.prefill[1] * BEFORE)[0]
    gone = decay(rates.prefill[0] * (BEFORE - EARLY))[1]
    before = work[0] * (light - plan.prefill[0] + (plan.total - light) * gone)
    before -= work[1] * second * ahead
    return all_of(
        _full_phase_excess(slope),
        _holds(slope > 0, f"slots full: A - A* = {float(slope):.4g} exp(-μ_p,1 t) > 0"),
        _holds(free > 0, f"slots free: A - A* ≥ {float(free):.4g} at t ≥ {since} s"),
        _holds(before < 0, f"A < A* at t = {BEFORE} s: the passage is at 0.72 s"),
    )


def _full_phase_excess(slope: Fraction) -> Finding:
    """Put the closed form of a full phase into A = sum of C phi_i x_i."""
    work = [_rational(each) for each in base_rates().decode_work]
    mu = _rational(base_rates().prefill[1])
    prefill = phases()[2].prefill
    excess = work[0] * prefill[0] + work[1] * prefill[1] - _rational(base_plan().work)
    return equal(
        sp.expand(excess), _rational(slope) * sp.exp(-mu * TIME), "A - A* with full slots, exactly"
    )


def occupancy_stays_above_the_plan() -> Finding:
    """Bound x_0(t) - x_0* from below in every phase."""
    rates, plan = base_rates(), base_plan()
    light = rates.arrival_rate[0] / rates.prefill[0]
    mu = _rational(rates.prefill[1])
    excess = phases()[2].prefill[0] - _rational(plan.prefill[0])
    return all_of(
        equal(
            sp.expand(excess),
            _rational(plan.prefill[1]) * sp.exp(-mu * TIME),
            "slots full: x_0 - x_0* = x_1* exp(-μ_p,1 t) > 0",
        ),
        _holds(light > plan.prefill[0], "slots free: x_0 ≥ λ_0/μ_p,0 > x_0*"),
    )
