"""Every check an instance file must pass, with its message and remedy.

`problems_in` runs them all on the parsed file and returns every fault at once: the schema's
(from pydantic, reworded) and those of fields taken together. The latter look at the raw data
field by field, so that a fault elsewhere does not hide them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from gnr import schema_errors
from gnr.errors import Problem
from gnr.instance import Instance
from gnr.rates import ROUNDING, Rates, compute_rates
from gnr.slis import INDICATORS
from gnr.slis.indicator import Indicator

CAPACITIES = ("prefill_capacity", "mixed_decode_capacity", "solo_decode_capacity")
"""Names of the capacities in results; an SLI cannot take one of them."""

FAR_ABOVE = 50.0
"""A bound so many times the slowest iteration is taken for a mistake, as milliseconds are."""

LONG_ITERATION = 2.0
"""Iteration time in s above which the unit is asked after."""

SMALLEST, LARGEST = 1e-18, 1e18
"""Magnitudes that derived rates may have: far beyond any cluster, below a solver's infinity."""


class Fault(NamedTuple):
    """A fault without its file: where it is, what is wrong, what to write instead."""

    check: str
    path: str
    message: str
    remedy: str


Check = Callable[[Mapping[str, Any]], Iterator[Fault]]


def problems_in(data: Mapping[str, Any], file: str) -> list[Problem]:
    """Return every fault of the parsed file `data`, those of the schema first."""
    faults: list[Fault] = []
    try:
        Instance.model_validate(data)
    except ValidationError as error:
        faults.extend(Fault(*each) for each in schema_errors.explain(error, data))
    for check in RELATION_CHECKS:
        faults.extend(check(data))
    return [Problem(f.check, file, f.path, f.message, f.remedy) for f in faults]


def duplicate_class_name(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find two classes of the same name."""
    first: dict[str, int] = {}
    for index, each in _tables(data, "classes"):
        name = each.get("name")
        if not isinstance(name, str):
            continue
        if name in first:
            yield Fault(
                "duplicate-class-name",
                f"classes[{index}].name",
                f"must be unique, got {name!r} as in classes[{first[name]}]",
                "give each class its own name",
            )
        first.setdefault(name, index)


def unprintable_text(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find a title or a name with control characters, which tables and pictures cannot show."""
    texts = [("title", data.get("title"))]
    for table in ("classes", "slis"):
        texts += [(f"{table}[{i}].name", each.get("name")) for i, each in _tables(data, table)]
    for path, text in texts:
        if isinstance(text, str) and not text.isprintable():
            yield Fault(
                "unprintable-text",
                path,
                f"must be one line without control characters, got {schema_errors.show(text)}",
                "keep longer texts for notes",
            )


def no_price(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find token prices that are both zero, so that nothing can be earned."""
    prices = _table(data, "prices")
    if _number(prices, "prompt_token") == 0 and _number(prices, "output_token") == 0:
        yield Fault(
            "no-price",
            "prices",
            "prompt_token and output_token are both 0, so no plan earns anything (money/token)",
            "set at least one of them above 0",
        )


def mixed_time_not_positive(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find an iteration-time law by which a mixed iteration takes no time."""
    gpu = _table(data, "gpu")
    time = _table(gpu, "iteration_time")
    base, slope = _number(time, "base"), _number(time, "per_chunk_token")
    chunk = _number(gpu, "chunk_tokens")
    if base is None or slope is None or chunk is None:
        return
    total = base + slope * chunk
    if total <= 0:
        yield Fault(
            "mixed-time-not-positive",
            "gpu.iteration_time",
            f"base + per_chunk_token * chunk_tokens must be above 0, got {total:g} (s)",
            "check the signs and that all times are in seconds",
        )


def rates_not_representable(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find a class with a derived rate that overflows or vanishes in floating point."""
    gpu, prices = _table(data, "gpu"), _table(data, "prices")
    time = _table(gpu, "iteration_time")
    for index, each in _tables(data, "classes"):
        values = {
            "batch_slots": _integer(gpu, "batch_slots"),
            "chunk_tokens": _integer(gpu, "chunk_tokens"),
            "base": _number(time, "base"),
            "per_chunk_token": _number(time, "per_chunk_token"),
            "decode_only": _number(time, "decode_only"),
            "prompt_price": _number(prices, "prompt_token"),
            "output_price": _number(prices, "output_token"),
            "prompt_tokens": _number(each, "prompt_tokens"),
            "output_tokens": _number(each, "output_tokens"),
            "arrival_rate": _number(each, "arrival_rate"),
            "patience_rate": _number(each, "patience_rate"),
        }
        known = {key: value for key, value in values.items() if value is not None}
        if len(known) < len(values):
            continue
        culprit = _not_representable(known)
        if culprit:
            yield Fault(
                "rates-not-representable",
                f"classes[{index}]",
                f"{culprit} is too large or too small to compute with",
                "check the units: seconds, tokens, requests/s per GPU, money/token",
            )


def cost_not_representable(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find a replica or a cost beyond all that there is, which sums would overflow with."""
    gpu = _table(data, "gpu")
    figures = {
        "replica_gpus": _integer(gpu, "replica_gpus"),
        "cost.per_hour": _number(_table(gpu, "cost"), "per_hour"),
    }
    for key, value in figures.items():
        if value is not None and value > 0 and not SMALLEST < value < LARGEST:
            yield Fault(
                "cost-not-representable",
                f"gpu.{key}",
                f"is too large or too small to compute with, got {schema_errors.show(value)}",
                "check the units: GPUs behind one replica, money per hour of one GPU",
            )


def sli_bound(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find an SLI without exactly one of at_most, at_least, penalty_weight."""
    for index, each in _tables(data, "slis"):
        given = [key for key in ("at_most", "at_least", "penalty_weight") if key in each]
        if len(given) != 1:
            yield Fault(
                "sli-bound",
                f"slis[{index}]",
                "needs exactly one of at_most, at_least, penalty_weight, got "
                + (" and ".join(given) or "none"),
                "keep one: a bound makes a promise, a weight makes a penalty"
                + (_whole_table(index, each, given) if len(given) > 1 else ""),
            )


def _whole_table(index: int, sli: Mapping[str, Any], given: Sequence[str]) -> str:
    """Return how to say with ``--set`` that of several bounds of an SLI the last one counts."""
    *_, last = (key for key in sli if key in given)
    known = [(key, sli[key]) for key in ("kind", "class", "name", last) if key in sli]
    words = ", ".join(
        f'{key}="{value}"' if isinstance(value, str) else f"{key}={schema_errors.show(value)}"
        for key, value in known
    )
    return f"; --set changes one key, but replaces all of them as 'slis.{index}={{{words}}}'"


def sli_unknown_class(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find an SLI about a class that the file does not have."""
    names = [each.get("name") for _, each in _tables(data, "classes")]
    for index, each in _tables(data, "slis"):
        name = each.get("class")
        if isinstance(name, str) and name not in names:
            yield Fault(
                "sli-unknown-class",
                f"slis[{index}].class",
                f"names no class of this file, got {name!r}",
                "use one of: " + ", ".join(str(each) for each in names),
            )


def sli_unknown_kind(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find an SLI of a kind that does not exist."""
    for index, each in _tables(data, "slis"):
        kind = each.get("kind")
        if isinstance(kind, str) and kind not in INDICATORS:
            near = schema_errors.suggest(kind, list(INDICATORS))
            yield Fault(
                "sli-unknown-kind",
                f"slis[{index}].kind",
                f"is not a kind of SLI, got {schema_errors.show(kind)}",
                (f"did you mean {near}? " if near else "") + "known: " + ", ".join(INDICATORS),
            )


def sli_direction(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find an SLI bounded from the side on which a bound would promise nothing."""
    for index, each, indicator in _indicators(data):
        for direction in ("at_most", "at_least"):
            if direction in each and direction not in indicator.directions:
                yield Fault(
                    "sli-direction",
                    f"slis[{index}].{direction}",
                    f"{indicator.kind} can only be promised {' or '.join(indicator.directions)}",
                    f"{indicator.kind} is: {indicator.title}",
                )


def sli_scope(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find an SLI about a class where its kind is about the cluster, or the other way round."""
    for index, each, indicator in _indicators(data):
        if "class" in each and "class" not in indicator.scopes:
            yield Fault(
                "sli-scope",
                f"slis[{index}].class",
                f"{indicator.kind} is about the whole cluster, not about one class",
                "remove it",
            )
        if "class" not in each and "cluster" not in indicator.scopes:
            yield Fault(
                "sli-scope",
                f"slis[{index}]",
                f"{indicator.kind} is about one class, none is named",
                "add class = with the name of one",
            )


def sli_out_of_range(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find a bound that its SLI can never reach or never miss."""
    for index, each, indicator in _indicators(data):
        for direction in indicator.directions:
            bound = _number(each, direction)
            if bound is None or indicator.lowest <= bound <= indicator.highest:
                continue
            yield Fault(
                "sli-out-of-range",
                f"slis[{index}].{direction}",
                f"must be {_range(indicator)}, got {bound:g} ({indicator.unit})",
                f"{indicator.kind} is: {indicator.title}",
            )


def sli_needs_patience(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find an SLI that asks how long requests wait, about a class whose queue may be anything."""
    for index, each, indicator in _indicators(data):
        if not indicator.needs_patience:
            continue
        for number, one in _tables(data, "classes"):
            name = one.get("name")
            if _number(one, "patience_rate") == 0 and each.get("class", name) == name:
                yield Fault(
                    "sli-needs-patience",
                    f"slis[{index}]",
                    f"{indicator.kind} is not defined where requests never leave, as in "
                    f"classes[{number}] with patience_rate = 0: their queue may be of any length",
                    "give that class a patience_rate above 0, however small (1/s while waiting)",
                )


def duplicate_sli_name(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find SLIs with the same key in results, or with that of a capacity."""
    taken = dict.fromkeys(CAPACITIES, "a capacity")
    for index, each in _tables(data, "slis"):
        kind, owner = each.get("kind"), each.get("class")
        default = f"{kind}:{owner}" if owner is not None else kind
        name = each.get("name", default)
        if not isinstance(name, str):
            continue
        if name in taken:
            yield Fault(
                "duplicate-sli-name",
                f"slis[{index}]",
                f"its key in results is already that of {taken[name]}: {name!r}",
                "give it a name of its own",
            )
        taken.setdefault(name, f"slis[{index}]")


RELATION_CHECKS: tuple[Check, ...] = (
    duplicate_class_name,
    unprintable_text,
    no_price,
    mixed_time_not_positive,
    rates_not_representable,
    cost_not_representable,
    sli_bound,
    sli_unknown_class,
    sli_unknown_kind,
    sli_direction,
    sli_scope,
    sli_out_of_range,
    sli_needs_patience,
    duplicate_sli_name,
)
"""Checks that relate several fields; each is named after its identifier."""

CHECKS: tuple[str, ...] = (
    *schema_errors.CHECKS,
    *(check.__name__.replace("_", "-") for check in RELATION_CHECKS),
)
"""Identifiers of all checks of a file's content."""


def warnings_for(instance: Instance) -> list[str]:
    """Return what is accepted but should be known: constants outside the range of the theory."""
    time, gpu = instance.gpu.iteration_time, instance.gpu
    mixed = time.base + time.per_chunk_token * gpu.chunk_tokens
    ratio, threshold = mixed / time.decode_only, (gpu.batch_slots - 1) / gpu.batch_slots
    found = []
    if time.per_chunk_token <= 0:
        found.append(
            f"gpu.iteration_time.per_chunk_token: {time.per_chunk_token:g} s/token is not above "
            "0, as the iteration-time law asks (eq. P1)"
        )
    if time.decode_only > mixed:
        found.append(
            f"gpu.iteration_time.decode_only: {time.decode_only:g} s is above base + "
            f"per_chunk_token * chunk_tokens = {mixed:g} s: the chunk is below the range of the "
            "iteration-time law (kappa < 1, eq. D1)"
        )
    for name, seconds in (
        ("base + per_chunk_token * chunk_tokens", mixed),
        ("decode_only", time.decode_only),
    ):
        if seconds > LONG_ITERATION:
            found.append(
                f"gpu.iteration_time: {name} is {seconds:g} s, long for one iteration: are the "
                "times in seconds?"
            )
    if ratio < threshold * (1 - ROUNDING):
        found.append(
            f"kappa = {ratio:.6g} is below (B-1)/B = {threshold:.6g}: a full mixed GPU decodes "
            "faster than a solo one, so Proposition 3.2 and Theorem 4.1 do not cover this "
            "instance and the optimum may keep a decode backlog"
        )
    slowest = max(mixed, time.decode_only)
    found += [
        f"slis: {sli.label} at most {sli.at_most:g} s can never be broken, for no iteration takes "
        f"more than {slowest:g} s: bounds are in seconds"
        for sli in instance.slis
        if INDICATORS[sli.kind].averages_iterations and (sli.at_most or 0.0) > FAR_ABOVE * slowest
    ]
    return found


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}


def _tables(data: Mapping[str, Any], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    found = data.get(key)
    for index, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, Mapping):
            yield index, each


def _indicators(
    data: Mapping[str, Any],
) -> Iterator[tuple[int, Mapping[str, Any], Indicator]]:
    """Yield the SLIs of a known kind with their indicators."""
    for index, each in _tables(data, "slis"):
        kind = each.get("kind")
        if isinstance(kind, str) and kind in INDICATORS:
            yield index, each, INDICATORS[kind]


def _range(indicator: Indicator) -> str:
    if indicator.lowest == indicator.highest:
        return f"{indicator.lowest:g}"
    if math.isinf(indicator.highest):
        return f"at least {indicator.lowest:g}"
    return f"between {indicator.lowest:g} and {indicator.highest:g}"


def _integer(table: Mapping[str, Any], key: str) -> int | None:
    found = table.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _number(table: Mapping[str, Any], key: str) -> float | None:
    found = table.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        value = float(found)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _not_representable(values: Mapping[str, float]) -> str | None:
    """Return the name of the first derived figure out of range, or None.

    None too where a field is out of its own range: that is said by the schema.
    """
    above_zero = ("arrival_rate", "decode_only")
    at_least_one = ("chunk_tokens", "prompt_tokens", "output_tokens")
    if any(values[key] <= 0 for key in above_zero) or any(values[key] < 1 for key in at_least_one):
        return None
    try:
        rates = compute_rates(**{key: float(value) for key, value in values.items()})
    except OverflowError:
        return "batch_slots or chunk_tokens"
    if rates.mixed_time <= 0:
        return None  # said by mixed_time_not_positive
    return next(
        (name for name, value in _derived(rates) if not SMALLEST < abs(value) < LARGEST), None
    )


def _derived(rates: Rates) -> Iterator[tuple[str, float]]:
    yield "batch_slots", rates.batch_slots
    yield "the speed ratio kappa", rates.speed_ratio
    yield "the prefill rate", rates.prefill
    yield "the mixed decode rate", rates.mixed_decode
    yield "the solo decode rate", rates.solo_decode
    yield "output_tokens / prompt_tokens", rates.decode_work
    yield "arrival_rate", rates.arrival_rate
    yield "arrival_rate over the prefill rate", rates.full_prefill
    if rates.patience_rate:
        yield "patience_rate", rates.patience_rate
        yield "arrival_rate / patience_rate", rates.arrival_rate / rates.patience_rate
    if rates.reward:
        yield "the reward of a request", rates.reward
        yield "the reward rate", rates.reward * rates.prefill
