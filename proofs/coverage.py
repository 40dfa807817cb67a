"""Which theorem covers an instance: hypotheses in exact numbers, conclusions in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from gnr.coverage import Covered, Hypothesis
from gnr.proofs.ledger import expected_verdict
from gnr.rates import Rates

Answer = Literal["yes", "no", "open"]


@dataclass(frozen=True)
class Optimum:
    """An exact optimum of (P40) or (P42), per GPU; lists are by class, in file order.

    Attributes
    ----------
    value
        Revenue rate, money/s.
    prefill, mixed_decode, solo_decode, prefill_queue, decode_queue
        Occupancies; a class that never leaves has empty queues.
    unique
        Whether it is the only one.
    """

    value: Fraction
    prefill: Sequence[Fraction]
    mixed_decode: Sequence[Fraction]
    solo_decode: Sequence[Fraction]
    prefill_queue: Sequence[Fraction]
    decode_queue: Sequence[Fraction]
    unique: bool


@dataclass(frozen=True)
class Facts:
    """The exact facts of an instance that theorems ask for."""

    names: Sequence[str]
    scheme: str
    rates: Rates
    optimum: Optimum | None

    @property
    def kappa(self) -> Fraction:
        """Solo over mixed decode speed."""
        return Fraction(self.rates.speed_ratio)

    @property
    def threshold(self) -> Fraction:
        """(B-1)/B."""
        return Fraction(self.rates.batch_slots - 1, self.rates.batch_slots)

    @property
    def patient(self) -> list[str]:
        """Classes that never leave."""
        return self._those(theta == 0 for theta in self.rates.patience_rate)

    @property
    def bundled(self) -> bool:
        """Whether a request pays when it is finished."""
        return self.scheme == "bundled"

    def _those(self, flags: object) -> list[str]:
        return [name for name, flag in zip(self.names, flags, strict=True) if flag]  # type: ignore[call-overload]

    def marginal(self, optimum: Optimum) -> list[str]:
        """Return the classes admitted in part: 0 < x < lambda / mu_p."""
        full = self.rates.full_prefill
        return self._those(0 < x < most for x, most in zip(optimum.prefill, full, strict=True))

    def waiting(self, optimum: Optimum) -> list[str]:
        """Return the classes with a prefill queue in the plan."""
        return self._those(q > 0 for q in optimum.prefill_queue)

    def buffered(self, optimum: Optimum) -> list[str]:
        """Return the classes with a decode queue in the plan."""
        return self._those(q > 0 for q in optimum.decode_queue)

    def decode_load(self, optimum: Optimum) -> tuple[Fraction, Fraction]:
        """Return decode work A* and decode capacity C*, mixed slots per GPU (THEORY 0)."""
        x = sum(optimum.prefill, Fraction(0))
        slots = self.rates.batch_slots
        work = sum(
            (w * each for w, each in zip(self.rates.decode_work, optimum.prefill, strict=True)),
            Fraction(0),
        )
        return work, (slots - 1) * x + self.kappa * slots * (1 - x)


def hypotheses(facts: Facts) -> list[Hypothesis]:
    """Return what theorems assume, and whether it holds here."""
    kappa, threshold = facts.kappa, facts.threshold
    found = [
        Hypothesis(
            name="κ ≥ (B-1)/B",
            holds=kappa >= threshold,
            exact=f"κ = {told(kappa)}, (B-1)/B = {threshold}",
            meaning="a full solo GPU writes at least as many tokens per second as a full mixed one",
        ),
        Hypothesis(
            name="κ ≥ 1",
            holds=kappa >= 1,
            exact=f"κ = {told(kappa)}",
            meaning="the chunk is at least the threshold of the iteration-time law (D1)",
        ),
        Hypothesis(
            name="θ_i > 0 for all i",
            holds=not facts.patient,
            exact=f"{len(facts.patient)} of {len(facts.names)} classes have θ = 0"
            + _listed(facts.patient),
            meaning="every waiting request leaves in the end, so no queue grows without bound",
        ),
    ]
    return found if facts.optimum is None else found + _of_the_optimum(facts, facts.optimum)


def _of_the_optimum(facts: Facts, optimum: Optimum) -> list[Hypothesis]:
    x = sum(optimum.prefill, Fraction(0))
    work, capacity = facts.decode_load(optimum)
    marginal, waiting = facts.marginal(optimum), facts.waiting(optimum)
    buffered = facts.buffered(optimum)
    return [
        Hypothesis(
            name="q_d* = 0",
            holds=not buffered,
            exact=f"Σ q_d* = {told(sum(optimum.decode_queue, Fraction(0)))}" + _listed(buffered),
            meaning="the plan lets nobody wait for a decode slot",
        ),
        Hypothesis(
            name="Σ x* < 1",
            holds=x < 1,
            exact=f"Σ x* = {told(x)}",
            meaning="some GPUs only decode",
        ),
        Hypothesis(
            name="critical loading, A* = C*",
            holds=work == capacity,
            exact=f"A* = {told(work)}, C* = {told(capacity)}",
            meaning="the plan makes exactly as much decode work as the slots can take",
        ),
        Hypothesis(
            name="one marginal class at most",
            holds=len(marginal) <= 1,
            exact=f"{len(marginal)} classes are admitted in part" + _listed(marginal),
            meaning="every other class is served in full or shut out",
        ),
        Hypothesis(
            name="q_p,i* > 0 for all i",
            holds=len(waiting) == len(facts.names),
            exact=f"{len(waiting)} of {len(facts.names)} classes queue" + _listed(waiting),
            meaning="every class has a prefill queue in the plan: the scope of Lemma 10.1 as "
            "the paper proves it",
        ),
        Hypothesis(
            name="unique optimum",
            holds=optimum.unique,
            exact="shown by the certificate",
            meaning="no other plan earns as much",
        ),
    ]


def theorems(facts: Facts) -> list[Covered]:
    """Return what each theorem says of an instance that has an optimum."""
    assert facts.optimum is not None
    return [
        _covered(
            "Theorem 3.1 (fluid limit)",
            "yes",
            "it asks only that the scaled initial state converges",
            "T3.1-i",
            "FL-balances",
        ),
        *_proposition(facts),
        *_gate_and_route(facts, facts.optimum),
        _prioritize_and_route(facts),
        _promises(facts, facts.optimum),
        _section_13(facts, facts.optimum),
        _closed_form(facts),
        *_price_index(facts, facts.optimum),
    ]


def _proposition(facts: Facts) -> list[Covered]:
    name = "Proposition 3.2 (an optimum without decode queue)"
    if not facts.bundled:
        return [_covered(name, "no", "it is about bundled pricing, this instance prices apart",
                         "P3.2", "P3.2-v")]  # fmt: skip
    if facts.kappa < facts.threshold:
        return [
            _covered(
                name,
                "no",
                f"κ is below (B-1)/B by {told(facts.threshold - facts.kappa)}: mixed GPUs decode "
                "faster than solo ones, and to forbid a decode queue can cost revenue",
                "P3.2",
                "P3.2-t",
            )
        ]
    sharp = facts.kappa > facts.threshold and not facts.patient
    return [
        _covered(name, "yes", "κ ≥ (B-1)/B: Algorithm 0 empties the decode queue", "P3.2"),
        _covered(
            "the sharper form: every optimum has an empty decode queue",
            "yes" if sharp else "no",
            "κ > (B-1)/B strictly and all θ > 0"
            if sharp
            else "it needs κ > (B-1)/B strictly and all θ > 0",
            "P3.2-sharp",
        ),
    ]


def _gate_and_route(facts: Facts, optimum: Optimum) -> list[Covered]:
    name = "Theorem 4.1 (gate-and-route earns the optimum in the limit)"
    lemmas = "its proof as the paper prints it (Lemmas 10.1 to 10.5)"
    if not facts.bundled:
        reason = "it is about bundled pricing; see Theorem 4.2"
        return [_covered(name, "no", reason, "T4.1-a/printed")]
    lacking = [
        text
        for text, missing in (
            ("κ ≥ (B-1)/B", facts.kappa < facts.threshold),
            ("θ > 0 for every class", bool(facts.patient)),
        )
        if missing
    ]
    idle = [name for name, queue in zip(facts.names, optimum.prefill_queue, strict=True)
            if queue == 0]  # fmt: skip
    outside = _covered(
        lemmas,
        "no" if idle else "open",
        f"it supposes that every class queues; here {_list(idle)} would not"
        if idle
        else "every class queues, but the steps themselves have gaps",
        "L10.1-a/printed",
        "L10.1-e/printed",
    )
    if lacking:
        why = f"it needs {' and '.join(lacking)}, which the statement does not say"
        return [_covered(name, "no", why, "T4.1-a/printed", "T4.1-a/corrected"), outside]
    carried = (expected_verdict("R4.1-chain") or "").startswith("proved")
    return [
        _covered(
            name,
            "yes" if carried else "open",
            "the hypotheses it needs hold; the repaired chain is carried as far as its claims say",
            "T4.1-a/corrected",
            "R4.1-chain",
        ),
        outside,
    ]


def _prioritize_and_route(facts: Facts) -> Covered:
    name = "Theorem 4.2 (prioritize-and-route earns the separate optimum in the limit)"
    if facts.bundled:
        return _covered(name, "no", "it is about separate pricing", "T4.2-c")
    if facts.patient:
        return _covered(name, "no", "it needs θ > 0 for every class", "T4.2-c")
    why = "the greedy order is optimal for the program; the limit itself is asserted, not proved"
    return _covered(name, "open", why, "T4.2-c", "T4.2-d/printed", "T4.2-e/printed")


def _promises(facts: Facts, optimum: Optimum) -> Covered:
    name = "Theorem 5.1 (split pools reach the plan class by class)"
    buffered = facts.buffered(optimum)
    if buffered or facts.patient:
        lacking = "a plan with q_d* = 0" if buffered else "θ > 0 for every class"
        return _covered(name, "no", f"it needs {lacking}", "P12.1-c/printed")
    why = "its hypotheses hold; the exchange of limits is not argued in the paper"
    return _covered(name, "open", why, "P12.1-c/printed", "P12.1-i")


def _section_13(facts: Facts, optimum: Optimum) -> Covered:
    name = "Proposition 13.5 (the general policy reaches a plan with decode queues)"
    all_wait = len(facts.buffered(optimum)) == len(facts.names) and not facts.patient
    why = (
        "every class has a decode queue in the plan; persistence of the queues is not proved"
        if all_wait
        else "it needs a decode queue of every class in the plan and θ > 0"
    )
    return _covered(name, "open" if all_wait else "no", why, "P13.5-e/printed", "P13.5-f/printed")


def _closed_form(facts: Facts) -> Covered:
    row = "D5" if not facts.bundled else "D4" if facts.kappa >= facts.threshold else "D12"
    name = f"closed form of the value ({row})"
    if facts.patient:
        return _covered(name, "no", f"it needs θ > 0; {_list(facts.patient)} never leave", row)
    return _covered(name, "yes", "a knapsack gives the same value without a solver", row)


def _price_index(facts: Facts, optimum: Optimum) -> list[Covered]:
    place = "limit of price-index-in-place, the optimum less β̂ s"
    fill = "price-index-fill earns the optimum in the limit (conjecture)"
    lacking = [
        text
        for text, missing in (
            ("bundled pricing", not facts.bundled),
            ("κ ≥ (B-1)/B", facts.kappa < facts.threshold),
            ("θ > 0 for every class", bool(facts.patient)),
        )
        if missing
    ]
    alone = [
        text
        for text, missing in (
            ("Σ x* < 1", sum(optimum.prefill, Fraction(0)) >= 1),
            ("exactly one marginal class", len(facts.marginal(optimum)) != 1),
        )
        if missing
    ]
    found = []
    for name, needs, claims in (
        (place, lacking + alone, ("PI-IP",)),
        (fill, lacking, ("PI-fill",)),
    ):
        if needs:
            found.append(_covered(name, "no", f"it needs {' and '.join(needs)}", *claims))
        else:
            found.append(_covered(name, "open", "its hypotheses hold", *claims))
    return found


def _covered(theorem: str, covers: Answer, because: str, *claims: str) -> Covered:
    verdicts = {each: expected_verdict(each) or "" for each in claims}
    return Covered(theorem=theorem, covers=covers, because=because, claims=verdicts)


def told(value: Fraction) -> str:
    """Return a fraction, and its decimal value beside it where it is not a short one."""
    text = str(value)
    if value.denominator == 1:
        return text
    digits = text if len(text) <= 40 else f"{text[:18]}…/…{text[-6:]}"
    return f"{digits} ≈ {float(value):.8g}"


def _listed(names: Sequence[str]) -> str:
    return f" ({_list(names)})" if names else ""


def _list(names: Sequence[str]) -> str:
    shown = list(names[:6])
    return ", ".join(shown) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
