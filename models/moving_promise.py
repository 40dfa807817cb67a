"""One promise of an instance whose bound moves: what is asked for, and its exact course."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from gnr.errors import InputError, NoOptimumError, Problem
from gnr.exact_lp import LinearProgram, Row, maximize
from gnr.exact_rates import exact, exact_rates
from gnr.instance import Instance, Sli
from gnr.latency_promise import KINDS as PERCENTILES
from gnr.models.conflict import find_conflict
from gnr.models.exact_program import OBJECTIVES, exact_program
from gnr.models.exact_promises import promise_row, row_name, with_promises
from gnr.models.parametric import ParametricProgram, Piece, tightest, trace
from gnr.models.point import Program
from gnr.models.promises import promises_of
from gnr.models.steady_state import PROGRAMS
from gnr.rates import rates_of
from gnr.schema_errors import show, suggest
from gnr.slis import INDICATORS
from gnr.slis.indicator import Direction, Indicator

ZERO, ONE = Fraction(0), Fraction(1)

MOST_CLASSES = 60
"""Classes beyond which frontiers are refused: exact elimination would take minutes."""

NEARLY_ALL = Fraction(999, 1000)
"""Share of the best revenue up to which a promise is followed that never stops costing."""


@dataclass(frozen=True)
class MovingPromise:
    """A promise about an indicator, with any bound, in the place it has among the others.

    Attributes
    ----------
    instance
        The instance; the promise at `place` of its SLIs is the one that moves.
    place
        Its place.
    direction
        Which way its bound goes.
    stated
        The bound in the instance file; None if there is none.
    """

    instance: Instance
    place: int
    direction: Direction
    stated: float | None

    @property
    def sli(self) -> Sli:
        """Its entry."""
        return self.instance.slis[self.place]

    @property
    def label(self) -> str:
        """Its key in results."""
        return self.sli.label

    @property
    def key(self) -> str:
        """Its kind, with its class if it has one."""
        owner = self.sli.class_name
        return self.sli.kind if owner is None else f"{self.sli.kind}:{owner}"

    @property
    def indicator(self) -> Indicator:
        """What it is about."""
        return INDICATORS[self.sli.kind]

    def at(self, bound: float) -> Instance:
        """Return the instance with this bound promised."""
        sli = Sli.model_validate(
            {
                "kind": self.sli.kind,
                "class": self.sli.class_name,
                "name": self.sli.name,
                self.direction: bound,
            }
        )
        slis = [*self.instance.slis[: self.place], sli, *self.instance.slis[self.place + 1 :]]
        return self.instance.model_copy(update={"slis": tuple(slis)})

    def without(self, place: int) -> "MovingPromise":
        """Return the same where another promise, that at `place`, is not made."""
        slis = [*self.instance.slis[:place], *self.instance.slis[place + 1 :]]
        moved = self.instance.model_copy(update={"slis": tuple(slis)})
        return replace(self, instance=moved, place=self.place - (place < self.place))


@dataclass(frozen=True)
class Course:
    """The exact best value against the bound of a promise.

    Attributes
    ----------
    best
        Best value without the promise.
    top
        Best value with the bound as loose as may be.
    tightest
        Best bound that can be kept.
    least
        Best value there.
    beyond
        Best value under a still better one; None if there is none, or no plan keeps it.
    loosest
        Bound from which on the value is `top`; None if there is none.
    pieces
        By increasing bound; empty if no bound asked for can be kept.
    """

    best: Fraction
    top: Fraction
    tightest: Fraction
    least: Fraction
    beyond: Fraction | None
    loosest: Fraction | None
    pieces: tuple[Piece, ...]

    def at(self, bound: Fraction) -> Fraction | None:
        """Return the best value at a bound between those asked for; None if it cannot be kept."""
        for piece in self.pieces:
            if piece.low <= bound <= piece.high:
                return piece.value.at(bound)
        return self.beyond


def moving_promise(instance: Instance, text: str, option: str = "--sli") -> MovingPromise:
    """Return the promise that ``KIND``, ``KIND:CLASS`` or the name of an SLI of the file means.

    An entry of the file that it means loses its bound; otherwise one is added at the end.

    Raises
    ------
    InputError
        If there is no such indicator, or it has no frontier.
    """
    kind, _, owner = text.partition(":")
    place, sli = _meant(instance, text, kind, owner or None)
    if sli is None:
        near = suggest(kind, list(INDICATORS))
        hint = f"did you mean {near!r}? " if near else ""
        known = "the indicators are " + ", ".join(INDICATORS)
        if kind in PERCENTILES:
            known += "; percentiles are promised in gnr size"
        message = f"there is no indicator {show(kind)}"
        raise InputError([Problem("frontier", f"{option} {text}", "", message, hint + known)])
    problems = list(_faults(instance, sli))
    problems += [
        (
            f"{each.label} of the instance is a penalty, and a frontier is drawn under promises",
            "give it a bound or leave it out",
        )
        for k, each in enumerate(instance.slis)
        if each.penalty_weight is not None and k != place
    ]
    if problems:
        given = f"{option} {text}"
        raise InputError(Problem("frontier", given, "", *each) for each in problems)
    stated = sli.at_most if sli.at_most is not None else sli.at_least
    direction: Direction = INDICATORS[sli.kind].directions[0]
    if stated is not None:
        direction = "at_most" if sli.at_most is not None else "at_least"
    free = Sli.model_validate({"kind": sli.kind, "class": sli.class_name, "name": sli.name})
    slis = [*instance.slis[:place], free, *instance.slis[place + 1 :]]
    moved = instance.model_copy(update={"slis": tuple(slis)})
    return MovingPromise(moved, place, direction, stated)


def set_aside(instance: Instance, moving: MovingPromise) -> list[str]:
    """Return a warning if the promise takes the place of a penalty of the instance."""
    stated = instance.slis[moving.place : moving.place + 1]
    return [
        f"the penalty on {each.label} is set aside: a promise of it moves instead"
        for each in stated
        if each.penalty_weight is not None
    ]


def _meant(
    instance: Instance, text: str, kind: str, class_name: str | None
) -> tuple[int, Sli | None]:
    """Return the SLI that a text means and its place, a new one at the end; None if nothing."""
    for place, sli in enumerate(instance.slis):
        if sli.label == text or (sli.kind, sli.class_name) == (kind, class_name):
            return place, sli
    place = len(instance.slis)
    if kind not in INDICATORS:
        return place, None
    return place, Sli.model_validate({"kind": kind, "class": class_name})


def _faults(instance: Instance, sli: Sli) -> Iterator[tuple[str, str]]:
    """Yield what keeps an SLI from having a frontier, as message and remedy."""
    indicator, names = INDICATORS[sli.kind], [each.name for each in instance.classes]
    if sli.class_name is None and "cluster" not in indicator.scopes:
        yield "is about one class", f"say which, as in {sli.kind}:{names[0]}"
    if sli.class_name is not None and "class" not in indicator.scopes:
        yield "is about the whole cluster", f"say {sli.kind}"
    elif sli.class_name is not None and sli.class_name not in names:
        yield f"there is no class {show(sli.class_name)}", "use one of: " + ", ".join(names)
    if indicator.lowest == indicator.highest:
        yield f"has only the bound {indicator.lowest:g}, and so no frontier", "choose another"
    about = [each for each in instance.classes if sli.class_name in (None, each.name)]
    patient = [each.name for each in about if not each.patience_rate]
    if indicator.needs_patience and patient:
        yield (
            f"is not defined for {', '.join(patient)}: requests that never leave have no queue in "
            "the program",
            "set a patience_rate above 0",
        )
    if len(instance.classes) > MOST_CLASSES:
        yield f"{len(instance.classes)} classes are too many", f"at most {MOST_CLASSES}"


def course(
    moving: MovingPromise,
    low: float | None = None,
    high: float | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Course:
    """Return the exact best value against the bound, between two bounds if these are given.

    By default from the tightest bound that can be kept to the one at which it stops to cost.
    `progress` is called with the share of the bounds that is done.

    Raises
    ------
    NoOptimumError
        If no bound at all can be kept, or the rest of the instance is infeasible.
    """
    unpromised, program = _programs(moving)
    best = maximize(unpromised)
    top = maximize(program.fixed, best.basis)
    if best.value is None:
        raise no_optimum(moving, f"no plan {_impossible(moving)}", "see `gnr solve`")
    if top.value is None:
        raise no_optimum(
            moving,
            "it comes with an empty decode buffer (eqs. P43, P45), and no plan with that "
            + _impossible(moving, empty_decode_buffer=True),
            "loosen the other promises or leave one out",
        )
    tight = tightest(program, top.basis)
    if tight is None:
        raise no_optimum(moving, "no plan has a best value of it", "choose another")
    tight = _in_file(moving, tight)
    least = maximize(program.at(tight), top.basis)
    assert least.value is not None  # `tightest` has found a plan
    upwards = moving.direction == "at_most"
    last_word = moving.indicator.lowest if upwards else moving.indicator.highest
    beyond = None if tight == last_word else maximize(_standing_still(program).fixed).value
    face = program.with_rows({"revenue": Row(program.fixed.objective, ">=", top.value)})
    loose = _loosest(program, face, top.basis, tight)
    loose = None if loose is None else _in_file(moving, loose)
    end = _far_enough(program, tight, top.value) if loose is None else loose
    first, last = (tight, end) if upwards else (end, tight)
    if low is not None:
        first = max(exact(low), tight) if upwards else _in_file(moving, exact(low))
    if high is not None:
        last = _in_file(moving, exact(high)) if upwards else min(exact(high), tight)
    pieces = trace(program, first, last, top.basis, progress) if first <= last else ()
    return Course(best.value, top.value, tight, least.value, beyond, loose, pieces)


def _impossible(moving: MovingPromise, *, empty_decode_buffer: bool = False) -> str:
    """Return what no plan does where all but the promise is infeasible already."""
    others = moving.without(moving.place).instance
    rates = rates_of(others)
    build, weigh = PROGRAMS[others.prices.scheme]
    program = Program(rates, weigh(rates), empty_decode_buffer=empty_decode_buffer)
    conflict = find_conflict(build, program, promises_of(others, rates))
    if conflict is None:
        return "serves all requests that never leave"
    return f"keeps {' and '.join(conflict.promises)}"


def _in_file(moving: MovingPromise, bound: Fraction) -> Fraction:
    """Return the nearest bound that an instance file may hold."""
    lowest, highest = moving.indicator.lowest, moving.indicator.highest
    bound = max(bound, exact(lowest))
    return bound if math.isinf(highest) else min(bound, exact(highest))


def _programs(moving: MovingPromise) -> tuple[LinearProgram, ParametricProgram]:
    """Return the program without the promise, and that with its row moving."""
    instance = moving.at(moving.indicator.lowest)
    rates, names = exact_rates(instance), [each.name for each in instance.classes]
    promises = promises_of(instance, rates)
    promise = promises[moving.place]
    others = [each for each in promises if each is not promise]
    objective = OBJECTIVES[instance.prices.scheme](rates, names)
    programs = {
        demand: exact_program(rates, names, objective, empty_decode_buffer=demand)
        for demand in (False, True)
    }
    demanded = any(each.form.empty_decode_buffer for each in others)
    unpromised = with_promises(programs[demanded], names, others)
    plain = programs[demanded or promise.form.empty_decode_buffer]
    whole = with_promises(plain, names, promises)
    name = row_name(promise)
    fixed = LinearProgram(
        plain.objective, {key: row for key, row in whole.rows.items() if key != name}
    )
    start, next_ = (promise_row(plain, names, promise, bound) for bound in (ZERO, ONE))
    change = {
        variable: value
        for variable in {**start.coefficients, **next_.coefficients}
        if (
            value := next_.coefficients.get(variable, ZERO) - start.coefficients.get(variable, ZERO)
        )
    }
    moves = Row(change, "<=", next_.bound - start.bound)
    return unpromised, ParametricProgram(fixed, name, start, moves)


def _standing_still(program: ParametricProgram) -> ParametricProgram:
    """Return the program over the points that keep the row whatever its parameter."""
    still = Row(program.change.coefficients, "=", program.change.bound)
    return program.with_rows({"unmoved": still, "kept": program.start})


def _loosest(
    program: ParametricProgram, face: ParametricProgram, basis: tuple[str, ...], tight: Fraction
) -> Fraction | None:
    """Return the tightest bound that an optimum keeps; None if none keeps any."""
    if maximize(_standing_still(face).fixed).value is not None:
        return tight
    return tightest(face, basis)


def _far_enough(program: ParametricProgram, tight: Fraction, top: Fraction) -> Fraction:
    """Return a bound at which nearly all is earned, for a promise that never stops costing."""
    step = abs(tight) or ONE
    while True:
        found = maximize(program.at(tight + step)).value
        if found is not None and found >= NEARLY_ALL * top:
            return tight + step
        step *= 2


def no_optimum(moving: MovingPromise, message: str, remedy: str) -> NoOptimumError:
    """Return what to raise where nothing can be promised."""
    problem = Problem("frontier", moving.instance.name, moving.label, message, remedy)
    return NoOptimumError([problem])
