"""``--vary PATH=FROM:TO[:COUNT][:log]``: which values a parameter of an instance takes."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.checks import problems_in
from gnr.errors import InputError, Problem
from gnr.instance import Gpu, Instance, IterationTime, Prices, RequestClass
from gnr.overrides import locate
from gnr.rates import Rates, compute_rates, parameters_of
from gnr.sweep_result import Axis

VARY_CHECKS = (
    "vary-syntax",
    "vary-path",
    "vary-values",
    "vary-twice",
    "vary-count",
    "vary-points",
)
"""Identifiers of the checks made on what is varied."""

DEFAULT_COUNT = 41
"""Values of a real parameter where no count is given."""

MOST_POINTS = 1_000_000
"""Points of one sweep."""

Keys = tuple[str | int, ...]

GPU_PARAMETERS: dict[Keys, tuple[str, Any]] = {
    ("gpu", "batch_slots"): ("batch_slots", Gpu),
    ("gpu", "chunk_tokens"): ("chunk_tokens", Gpu),
    ("gpu", "iteration_time", "base"): ("base", IterationTime),
    ("gpu", "iteration_time", "per_chunk_token"): ("per_chunk_token", IterationTime),
    ("gpu", "iteration_time", "decode_only"): ("decode_only", IterationTime),
    ("prices", "prompt_token"): ("prompt_price", Prices),
    ("prices", "output_token"): ("output_price", Prices),
}
"""Arguments of `compute_rates` that are alike for all classes, with the table of the format."""

CLASS_PARAMETERS = ("prompt_tokens", "output_tokens", "arrival_rate", "patience_rate")
"""Those of one class."""

PRICE_PATHS = ("prices.prompt_token", "prices.output_token")


@dataclass(frozen=True)
class Parameter:
    """A varied parameter: its axis and where it stands.

    Attributes
    ----------
    axis
        Path as typed, unit and values.
    keys
        Where it stands in the parsed file.
    argument
        Which argument of `compute_rates` it is.
    whole
        Whether its values are integers.
    """

    axis: Axis
    keys: Keys
    argument: str
    whole: bool

    def put(self, data: Any, value: float) -> None:
        """Set the parameter in the parsed file `data`."""
        *inner, last = self.keys
        for key in inner:
            data = data[key]
        data[last] = int(value) if self.whole else float(value)


def parse_axes(instance: Instance, texts: Sequence[str]) -> tuple[Parameter, ...]:
    """Return the parameters that ``--vary`` texts name, checked at the corners of the grid.

    Raises
    ------
    InputError
        With every fault: of the texts, or of an instance at a corner.
    """
    data = plain(instance)
    found: list[Parameter] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            found.append(_parse(data, text))
        except InputError as error:
            problems.extend(error.problems)
    if not problems:
        problems = [*_of_the_whole(found), *_at_corners(data, found)]
    if problems:
        raise InputError(dict.fromkeys(problems))
    return tuple(found)


def plain(instance: Instance) -> dict[str, Any]:
    """Return the instance as parsed TOML."""
    return dict(instance.model_dump(mode="json", by_alias=True, exclude_none=True))


def rates_over(instance: Instance, parameters: Sequence[Parameter]) -> Rates:
    """Return the rates at all points; class arrays of shape ``(points, classes)``.

    The last axis runs fastest.
    """
    grid = points_of(parameters)
    arguments = parameters_of(instance)
    for column, parameter in zip(grid.T, parameters, strict=True):
        values = column[:, None]
        if parameter.keys[0] == "classes":
            row = np.asarray(arguments[parameter.argument])
            owner = np.arange(len(instance.classes)) == parameter.keys[1]
            values = np.where(owner, values, row)
        arguments[parameter.argument] = values
    first = np.broadcast_to(arguments["arrival_rate"], (len(grid), len(instance.classes)))
    return compute_rates(**{**arguments, "arrival_rate": first})


def points_of(parameters: Sequence[Parameter]) -> Floats:
    """Return the values at all points, shape ``(points, parameters)``."""
    grids = np.meshgrid(*(each.axis.values for each in parameters), indexing="ij")
    return np.stack([grid.ravel() for grid in grids], axis=1)


def _parse(data: dict[str, Any], text: str) -> Parameter:
    option = f"--vary {text}"
    path, equals, right = text.partition("=")
    path, right = path.strip(), right.strip()
    if not equals or not path or not right:
        raise _problem(
            "vary-syntax", option, "must be PATH=FROM:TO[:COUNT][:log] or PATH=VALUE,VALUE,...",
            "as in gpu.batch_slots=2:32 or gpu.iteration_time.per_chunk_token=1e-5:1e-3:60:log",
        )  # fmt: skip
    if path.split(".")[0] == "slis":
        raise _problem(
            "vary-path", option, "a promise cannot be varied", "trace its bound with gnr frontier"
        )
    keys = locate(data, path, option)
    argument, field = _field(keys, path, option)
    whole = field.annotation is int
    values = _values(right, whole, option)
    axis = Axis(path=path, unit=field.json_schema_extra["unit"], values=values)
    return Parameter(axis, keys, argument, whole)


def _field(keys: Keys, path: str, option: str) -> tuple[str, Any]:
    if keys in GPU_PARAMETERS:
        argument, model = GPU_PARAMETERS[keys]
        return argument, model.model_fields[str(keys[-1])]
    last = str(keys[-1])
    if len(keys) == 3 and keys[0] == "classes" and last in CLASS_PARAMETERS:
        return last, RequestClass.model_fields[last]
    known = [".".join(map(str, each)) for each in GPU_PARAMETERS]
    known += [f"classes.NAME.{name}" for name in CLASS_PARAMETERS]
    raise _problem("vary-path", option, f"{path!r} cannot be varied", "one of: " + ", ".join(known))


def _values(text: str, whole: bool, option: str) -> tuple[float, ...]:
    if ":" not in text:
        values = sorted({_number(each, whole, option) for each in text.split(",")})
        if len(values) < 2:
            raise _problem("vary-values", option, "needs at least two values", "as in 8,16,32")
        return tuple(values)
    parts = [part.strip() for part in text.split(":")]
    logarithmic = parts[-1] == "log"
    parts = parts[:-1] if logarithmic else parts
    if len(parts) not in (2, 3):
        raise _problem(
            "vary-syntax", option, "must be FROM:TO[:COUNT][:log]", "as in 2:32, 2:32:4 or 1:9:log"
        )
    low, high = (_number(part, whole, option) for part in parts[:2])
    if low >= high:
        raise _problem("vary-values", option, f"{low:g} is not below {high:g}", "FROM below TO")
    if logarithmic and low <= 0:
        raise _problem(
            "vary-values", option, "a logarithmic range must start above 0", "leave out :log"
        )
    count = _count(parts[2], option) if len(parts) == 3 else None
    if count is None:
        every = whole and not logarithmic
        count = int(high - low) + 1 if every else DEFAULT_COUNT
    if count > MOST_POINTS:
        raise _points_problem(option, count)
    spread = np.geomspace if logarithmic else np.linspace
    values = [*spread(low, high, count)]
    values[0], values[-1] = low, high
    return tuple(sorted({float(round(each)) if whole else float(each) for each in values}))


def _number(text: str, whole: bool, option: str) -> float:
    try:
        value = float(int(text)) if whole else float(text)
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        kind = "an integer" if whole else "a number"
        raise _problem("vary-values", option, f"{text.strip()!r} is not {kind}", f"write {kind}")
    return value


def _count(text: str, option: str) -> int:
    count = int(text) if text.isdecimal() and len(text) < 10 else 0
    if count < 2:
        raise _problem(
            "vary-count", option, f"{text!r} is not a number of values", "an integer from 2 on"
        )
    return count


def _of_the_whole(found: Sequence[Parameter]) -> Iterator[Problem]:
    if not found:
        yield Problem(
            "vary-count", "--vary", "", "nothing is varied", "--vary gpu.batch_slots=2:32"
        )
    if len(found) > 2:
        yield Problem(
            "vary-count", "--vary", "", f"{len(found)} parameters are varied", "vary one or two"
        )
    if len({each.keys for each in found}) < len(found):
        yield Problem("vary-twice", "--vary", "", "the same parameter twice", "give it once")
    points = math.prod(len(each.axis.values) for each in found)
    if points > MOST_POINTS:
        yield from _points_problem("--vary", points).problems


def _at_corners(data: dict[str, Any], found: Sequence[Parameter]) -> Iterator[Problem]:
    """Yield the faults of the instances at the corners; all checks are monotone in between."""
    for corner in itertools.product(
        *((each.axis.values[0], each.axis.values[-1]) for each in found)
    ):
        for parameter, value in zip(found, corner, strict=True):
            parameter.put(data, value)
        at = ", ".join(f"{p.axis.path}={v:g}" for p, v in zip(found, corner, strict=True))
        yield from problems_in(data, f"--vary, at {at}")


def _points_problem(option: str, points: int) -> InputError:
    return _problem(
        "vary-points", option, f"{points:,} points are too many", f"at most {MOST_POINTS:,}"
    )


def _problem(check: str, option: str, message: str, remedy: str) -> InputError:
    return InputError([Problem(check, option, "", message, remedy)])
