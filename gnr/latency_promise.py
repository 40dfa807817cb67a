"""Promises that only a simulation can judge: percentiles of what single requests meet."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gnr.errors import InputError, Problem
from gnr.instance import Instance, Sli
from gnr.slis import INDICATORS

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}

LATENCIES = {
    "ttft": "time to the first token",
    "tpot": "time per output token of a request",
    "end_to_end": "time from arrival to the last token",
}

KINDS = tuple(f"{percentile}_{latency}" for latency in LATENCIES for percentile in PERCENTILES)
"""Names of the promises on percentiles."""

OPTION = "--promise"

UNITS = {"ms": 1e-3, "s": 1.0, "%": 1e-2}
"""What may follow a number, and what it is worth."""

LONGEST_WITHOUT_UNIT = {"tpot": 1.0, "ttft": 60.0}
"""Times above which a bound without a unit is taken for one in ms, s."""


class LatencyPromise(BaseModel):
    """A bound on a percentile of a latency, over the requests that come so far."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    latency: Literal["ttft", "tpot", "end_to_end"]
    """What is timed: to the first token, per output token, to the last token."""
    percentile: Literal["p50", "p90", "p95", "p99"]
    """Which requests may take longer: all but that share of them."""
    at_most: float = Field(gt=0)
    """The bound, s."""
    class_name: str | None = Field(default=None, alias="class")
    """Class it is about; null: all requests."""

    @property
    def label(self) -> str:
        """Return its name in results: p99_ttft, or p99_ttft:chat."""
        kind = f"{self.percentile}_{self.latency}"
        return kind if self.class_name is None else f"{kind}:{self.class_name}"

    @property
    def share_above(self) -> float:
        """Return the share of the requests that may take longer."""
        return 1.0 - PERCENTILES[self.percentile]


def read_promises(
    texts: Sequence[str], instance: Instance
) -> tuple[tuple[LatencyPromise, ...], tuple[Sli, ...]]:
    """Return the promises that `texts` name: percentiles, and those that a program knows.

    A promise is ``KIND=BOUND`` or ``KIND:CLASS=BOUND``, as in ``p99_ttft=500ms``,
    ``abandonment_fraction=1%`` or ``mean_ttft:chat=0.2``; a bound goes in the natural direction of
    its kind.

    Raises
    ------
    InputError
        Naming every promise that cannot be read.
    """
    percentiles: list[LatencyPromise] = []
    others: list[Sli] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            promise = _read(text, [each.name for each in instance.classes])
        except InputError as error:
            problems += error.problems
            continue
        if isinstance(promise, LatencyPromise):
            percentiles.append(promise)
        else:
            others.append(promise)
    labels = [*(each.label for each in percentiles), *(each.label for each in others)]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    problems += [_problem(f"{label} is promised twice", "name it once") for label in twice]
    if problems:
        raise InputError(problems)
    return tuple(percentiles), tuple(others)


def _read(text: str, names: Sequence[str]) -> LatencyPromise | Sli:
    name, equals, number = text.partition("=")
    kind, colon, owner = (part.strip() for part in name.partition(":"))
    if not equals:
        raise InputError([_problem(f"{text!r} has no bound", "write KIND=BOUND: p99_ttft=500ms")])
    if colon and owner not in names:
        raise InputError([_unknown(f"{text!r}: no class {owner!r}", owner, names)])
    if kind not in KINDS and kind not in INDICATORS:
        raise InputError([_unknown(f"{text!r}: no promise {kind!r}", kind, (*KINDS, *INDICATORS))])
    bound = _bound(text, number.strip())
    _refuse_doubtful_unit(text, kind, number.strip())
    about = {"class": owner} if colon else {}
    if kind in KINDS:
        percentile, _, latency = kind.partition("_")
        return LatencyPromise.model_validate(
            {"latency": latency, "percentile": percentile, "at_most": bound} | about
        )
    return _indicated(text, kind, bound, about)


def _indicated(text: str, kind: str, bound: float, about: dict[str, str]) -> Sli:
    indicator = INDICATORS[kind]
    wanted = "class" if about else "cluster"
    if wanted not in indicator.scopes:
        other = f"{kind}:CLASS" if wanted == "cluster" else kind
        raise InputError([_problem(f"{text!r}: {kind} is not of a {wanted}", f"write {other}")])
    if not indicator.lowest <= bound <= indicator.highest:
        between = f"{indicator.lowest:g} and {indicator.highest:g}"
        raise InputError([_problem(f"{text!r}: no bound of {kind}", f"take one between {between}")])
    return Sli.model_validate({"kind": kind, indicator.directions[0]: bound} | about)


def _bound(text: str, number: str) -> float:
    unit = next((each for each in UNITS if number.endswith(each)), "")
    try:
        value = float(number.removesuffix(unit)) * UNITS.get(unit, 1.0)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf") or (value == 0 and text.split("_")[0] in PERCENTILES):
        remedy = "write a number, with s, ms or % behind it if you like: p99_ttft=500ms"
        raise InputError([_problem(f"{text!r}: no bound {number!r}", remedy)])
    return value


def _refuse_doubtful_unit(text: str, kind: str, number: str) -> None:
    """Raise `InputError` where a time has no unit and is so long that ms may be meant."""
    longest = LONGEST_WITHOUT_UNIT.get(kind.rpartition("_")[2], float("inf"))
    if not number.endswith(tuple(UNITS)) and float(number) > longest:
        message = f"{text!r}: ms or s? A {kind} of {number} s would be long"
        raise InputError([_problem(message, f"write {number}ms or {number}s")])


def _unknown(message: str, found: str, known: Sequence[str]) -> Problem:
    near = get_close_matches(found, known, 1)
    return _problem(message, f"{near[0]}?" if near else f"use {', '.join(known)}")


def _problem(message: str, remedy: str) -> Problem:
    return Problem("promise", OPTION, "", message, remedy)
