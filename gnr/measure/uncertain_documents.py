"""Documents that tell how uncertain inputs are: read, checked, and set against what is sized."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gnr.demand import Demand
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.measure.stated_uncertainty import OPTION, Key, label, nominal
from gnr.size_band import WIDEST, WORDS, UncertainInput

Document = TypeVar("Document", bound=BaseModel)

ROUNDING = 1e-9
"""Relative difference of two values that are the same."""


@dataclass
class Reading:
    """What a file says.

    Attributes
    ----------
    inputs
        What is uncertain, and by how much.
    unknown
        What it should tell and does not, as faults.
    """

    inputs: list[UncertainInput] = field(default_factory=list)
    unknown: dict[Key, Problem] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What a file says of one input.

    Attributes
    ----------
    key
        What it is.
    value
        Its value.
    share
        Its relative uncertainty; None where not known.
    warnings
        What speaks against it.
    """

    key: Key
    value: float
    share: float | None
    warnings: tuple[str, ...] = ()


def read_document(path: Path, model: type[Document], verb: str) -> Document:
    """Return the document that `gnr verb` wrote.

    Raises
    ------
    InputError
        If it cannot be read or is another one.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        message = f"is not a result of `gnr {verb}`"
        if isinstance(error, OSError):
            message = f"cannot be read: {error.strerror}"
        elif isinstance(error, ValidationError) and error.errors()[0]["loc"]:
            place = ".".join(str(part) for part in error.errors()[0]["loc"])
            message += f": {place}: {error.errors()[0]['msg']}"
        raise InputError([_not_read(path, message, verb)]) from error


def _not_read(path: Path, message: str, verb: str) -> Problem:
    ending = {"calibrate": "calibration"}.get(verb, verb)
    remedy = f"name the .{ending}.json that `gnr {verb} --out DIR` writes"
    return Problem("uncertain-file", str(path), "", message, remedy)


def reading_of(
    path: Path, told: Sequence[Told], instance: Instance, demand: Demand, verb: str
) -> Reading:
    """Return what was told as uncertain inputs, at the values that are sized for.

    Raises
    ------
    InputError
        If a value is not positive and finite.
    """
    problems = [
        _not_read(path, f"{label(each.key)} is {each.value}", verb)
        for each in told
        if not 0 < each.value < math.inf
    ]
    if problems:
        raise InputError(problems)
    found = Reading()
    for each in told:
        if each.share is None or not each.share <= WIDEST:
            found.unknown[each.key] = _no_band(path, each)
        elif each.share > 0:
            sized = nominal(each.key, instance, demand)
            found.inputs.append(
                UncertainInput.model_validate(
                    {
                        "quantity": each.key[0],
                        "class": each.key[1],
                        "value": sized,
                        "share": each.share,
                        "source": str(path),
                        "warnings": (*each.warnings, *_differs(path, each, sized)),
                    }
                )
            )
    return found


def beyond(value: float, other: float, share: float | None) -> bool:
    """Tell whether positive values are further apart than a relative uncertainty that is known."""
    return share is not None and abs(math.log(value / other)) > math.log1p(share) + ROUNDING


def _no_band(path: Path, told: Told) -> Problem:
    message = f"does not tell how uncertain {label(told.key)} is: too few measurements"
    if told.share is not None and not math.isnan(told.share):
        message = f"{label(told.key)} may be wrong by a factor of {1 + told.share:.3g}"
    remedy = f"state it: {OPTION} {label(told.key)}=10%, or 0% if it is known"
    return Problem("uncertain-unknown", str(path), label(told.key), message, remedy)


def _differs(path: Path, told: Told, sized: float | None) -> tuple[str, ...]:
    """Return the warning that what is sized for is not what the file found, beyond its band.

    A demand may be many times that of a log: `Told` has warnings of its own for it.
    """
    quantity, owner = told.key
    if quantity == "demand" or sized is None or not beyond(sized, told.value, told.share):
        return ()
    whose = "" if owner is None else f" of {owner}"
    return (
        f"{WORDS[quantity]}{whose} is {sized:.4g} in the instance and {told.value:.4g} in {path}: "
        "that is outside its band, which is carried in proportion",
    )
