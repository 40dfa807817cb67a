"""Which theorem covers an instance: hypotheses in exact numbers, conclusions in plain words."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from gnr.certificate import Certificate
from gnr.checks import warnings_for
from gnr.coverage import Coverage, Covered, Hypothesis
from gnr.exact_rates import exact_rates
from gnr.instance import Instance
from gnr.proofs.ledger import expected_verdict
from gnr.provenance import record
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
    promises: Sequence[str]

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

    def _those(self, flags: Iterable[bool]) -> list[str]:
        return [name for name, flag in zip(self.names, flags, strict=True) if flag]

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


def cover(
    instance: Instance, certificate: Certificate, options: Mapping[str, Any] | None = None
) -> Coverage:
    """Return which hypotheses hold for an instance, and which theorem covers it.

    Parameters
    ----------
    instance
        What is asked about.
    certificate
        The exact optimum of its program.
    options
        Options to write into the provenance.
    """
    started = time.perf_counter()
    facts = Facts(
        names=[each.name for each in instance.classes],
        scheme=instance.prices.scheme,
        rates=exact_rates(instance),
        optimum=_optimum(instance, certificate),
        promises=[each.label for each in instance.slis],
    )
    return Coverage(
        instance=instance.name,
        scheme=instance.prices.scheme,
        status=certificate.status,
        value=certificate.value,
        hypotheses=tuple(hypotheses(facts)),
        theorems=tuple(theorems(facts)) if facts.optimum is not None else (),
        warnings=(*warnings_for(instance), *_why_nothing(instance, facts)),
        provenance=record(instance.sha256(), started, options or {}),
    )


def _why_nothing(instance: Instance, facts: Facts) -> list[str]:
    if facts.optimum is not None:
        return []
    return [f"no plan is feasible; `gnr solve {instance.name}` tells what is short"]


def _optimum(instance: Instance, certificate: Certificate) -> Optimum | None:
    if certificate.value is None:
        return None

    def column(station: str) -> list[Fraction]:
        names = (f"{station}[{each.name}]" for each in instance.classes)
        return [Fraction(certificate.primal.get(name, "0")) for name in names]

    return Optimum(
        value=Fraction(certificate.value),
        prefill=column("prefill"),
        mixed_decode=column("mixed_decode"),
        solo_decode=column("solo_decode"),
        prefill_queue=column("prefill_queue"),
        decode_queue=column("decode_queue"),
        unique=bool(certificate.unique),
    )


def hypotheses(facts: Facts) -> list[Hypothesis]:
    """Return what theorems assume, and whether it holds here."""
    kappa, threshold = facts.kappa, facts.threshold
    found = [
        _hypothesis(
            "κ ≥ (B-1)/B",
            kappa >= threshold,
            {"κ": kappa, "(B-1)/B": threshold},
            "a full solo GPU writes at least as many tokens per second as a full mixed one",
        ),
        _hypothesis(
            "κ ≥ 1",
            kappa >= 1,
            {"κ": kappa},
            "the chunk is at least the threshold of the iteration-time law (D1)",
        ),
        _hypothesis(
            "θ_i > 0 for all i",
            not facts.patient,
            {"least θ": min(map(Fraction, facts.rates.patience_rate))},
            "every waiting request leaves in the end, so no queue grows without bound",
            facts.patient,
        ),
    ]
    return found if facts.optimum is None else found + _of_the_optimum(facts, facts.optimum)


def _of_the_optimum(facts: Facts, optimum: Optimum) -> list[Hypothesis]:
    x = sum(optimum.prefill, Fraction(0))
    work, capacity = facts.decode_load(optimum)
    marginal, waiting = facts.marginal(optimum), facts.waiting(optimum)
    buffered = facts.buffered(optimum)
    return [
        _hypothesis(
            "q_d* = 0",
            not buffered,
            {"Σ q_d*": sum(optimum.decode_queue, Fraction(0))},
            "the plan lets nobody wait for a decode slot",
            buffered,
        ),
        _hypothesis("Σ x* < 1", x < 1, {"Σ x*": x}, "some GPUs only decode"),
        _hypothesis(
            "critical loading, A* = C*",
            work == capacity,
            {"A*": work, "C*": capacity},
            "the plan makes exactly as much decode work as the slots can take",
        ),
        _hypothesis(
            "one marginal class at most",
            len(marginal) <= 1,
            {"classes admitted in part": Fraction(len(marginal))},
            "every other class is admitted in full or shut out",
            marginal,
        ),
        _hypothesis(
            "q_p,i* > 0 for all i",
            len(waiting) == len(facts.names),
            {"classes that queue": Fraction(len(waiting))},
            "every class has a prefill queue in the plan: the scope of Lemma 10.1 as the paper "
            "proves it",
            waiting,
        ),
        _hypothesis(
            "unique optimum",
            optimum.unique,
            {},
            "no other plan earns as much",
        ),
    ]


def _hypothesis(
    name: str,
    holds: bool,
    numbers: Mapping[str, Fraction],
    meaning: str,
    classes: Sequence[str] = (),
) -> Hypothesis:
    """Return a hypothesis with the numbers it rests on; `classes` are those it is about."""
    shown = ", ".join(f"{key} = {told(value)}" for key, value in numbers.items())
    return Hypothesis(
        name=name,
        holds=holds,
        because=(shown or "shown by the certificate") + (f" ({_list(classes)})" if classes else ""),
        exact={key: str(value) for key, value in numbers.items()},
        meaning=meaning,
    )


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
        *_without_promises(facts, _proposition(facts)),
        *_without_promises(facts, _gate_and_route(facts, facts.optimum)),
        *_without_promises(facts, [_prioritize_and_route(facts)]),
        _promises(facts, facts.optimum),
        _section_13(facts, facts.optimum),
        *_without_promises(facts, [_closed_form(facts)]),
        *_without_promises(facts, _price_index(facts, facts.optimum)),
    ]


def _without_promises(facts: Facts, found: Sequence[Covered]) -> list[Covered]:
    """Return what theorems about (P40) and (P42) say: nothing of a program with promises."""
    if not facts.promises:
        return list(found)
    why = "it is about the program without promises"
    return [each.model_copy(update={"covers": "no", "because": why}) for each in found]


def _proposition(facts: Facts) -> list[Covered]:
    name = "Proposition 3.2 (an optimum without decode queue)"
    if not facts.bundled:
        why = "it is about bundled pricing; this instance charges separately"
        return [_covered(name, "no", why, "P3.2", "P3.2-v")]
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
            (
                "a plan without decode queue, as κ ≥ (B-1)/B would ensure",
                bool(facts.buffered(optimum)) and facts.kappa < facts.threshold,
            ),
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
    even = len(set(facts.rates.patience_rate)) == 1
    carried = even or facts.kappa == 1
    why = (
        f"its hypotheses hold and {'all classes are equally patient' if even else 'κ = 1'}: "
        "the repaired chain carries it"
        if carried
        else "the hypotheses it needs hold, but the repaired chain is carried only for equally "
        "patient classes or κ = 1"
    )
    claims = ("R4.1-chain",) if carried else ("R4.1-chain", "R4.1-unequal")
    return [_covered(name, "yes" if carried else "open", why, *claims), outside]


def _prioritize_and_route(facts: Facts) -> Covered:
    name = "Theorem 4.2 (prioritize-and-route earns the separate optimum in the limit)"
    if facts.bundled:
        return _covered(name, "no", "it is about separate pricing", "T4.2-c")
    if facts.patient:
        return _covered(name, "no", "it needs θ > 0 for every class", "T4.2-c")
    why = "the greedy order is optimal for the program; the limit itself is asserted, not proved"
    return _covered(name, "open", why, "T4.2-c", "T4.2-d/corrected", "T4.2-e/printed")


def _promises(facts: Facts, optimum: Optimum) -> Covered:
    name = "Theorem 5.1 (split pools reach the plan class by class)"
    buffered = facts.buffered(optimum)
    if buffered or facts.patient:
        lacking = "a plan with q_d* = 0" if buffered else "θ > 0 for every class"
        return _covered(name, "no", f"it needs {lacking}", "P12.1-c/printed")
    why = "its hypotheses hold; the exchange of limits is proved nowhere"
    return _covered(name, "open", why, "P12.1-c/corrected", "P12.1-i")


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
        return _covered(
            name, "no", f"it needs θ > 0, and requests of {_list(facts.patient)} never leave", row
        )
    return _covered(name, "yes", "it gives the same value without a solver", row)


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
        (place, lacking + alone, ("PI-IP/identity", "PI-IP/limit")),
        (fill, lacking, ("PI-fill/at-rest", "PI-fill/conjecture")),
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
    """Return a fraction if it is short, else its value rounded to eight digits."""
    text = str(value)
    return text if len(text) <= 8 else f"{float(value):.8g}"


def _list(names: Sequence[str]) -> str:
    shown = list(names[:6])
    return ", ".join(shown) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
