"""Laws of prompt and output lengths: exponential as in the paper, or another with the same means.

``exponential``, ``deterministic``, ``lognormal:CV`` with that coefficient of variation, or a CSV
file with the columns ``class,prompt_tokens,output_tokens``: lengths are then drawn from its rows,
prompt and output together, and scaled so that their means are those of the instance.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.validation.per_gpu import layout

COLUMNS = ("class", "prompt_tokens", "output_tokens")

OPTION = "--lengths"

LONGEST = 1e12
"""Largest length that is read, tokens."""

RANGE = f"must be positive numbers of at most {LONGEST:g} tokens"

MOST_PROBLEMS = 20
"""Bad lines of a file that are told."""


@dataclass(frozen=True)
class LengthLaw:
    """How the lengths of every class are drawn.

    Attributes
    ----------
    name
        As on the command line; the name of the file without its folder.
    code
        Row of the kernel's table of laws.
    spread
        Standard deviation of the logarithm, of a lognormal law.
    listed
        For each class the lengths to draw from, tokens, shape ``(lengths, 2)``; empty otherwise.
    """

    name: str
    code: int
    spread: float = 0.0
    listed: tuple[Floats, ...] = ()


def read_law(text: str, instance: Instance) -> LengthLaw:
    """Return the law that `text` names, for the classes of `instance`.

    Raises
    ------
    InputError
        If it names none, or if a file cannot be read or does not fit the classes.
    """
    word, _, number = text.partition(":")
    if text == "exponential":
        return LengthLaw(text, layout.EXPONENTIAL)
    if text == "deterministic":
        return LengthLaw(text, layout.DETERMINISTIC)
    if word == "lognormal":
        variation = _positive(number)
        return LengthLaw(text, layout.LOGNORMAL, math.sqrt(math.log1p(variation**2)))
    if text.endswith(".csv"):
        return LengthLaw(Path(text).name, layout.LISTED_LENGTHS, listed=_read(text, instance))
    raise _wrong(f"no law of lengths {text!r}")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:
        raise _wrong(f"lognormal needs a coefficient of variation in (0, 100], got {text!r}")
    return value


def _read(path: str, instance: Instance) -> tuple[Floats, ...]:
    """Return the lengths of each class, scaled to its means."""
    rows = _rows(path, [each.name for each in instance.classes])
    missing = [name for name, found in rows.items() if not found]
    if missing:
        raise InputError([_at(path, "class", f"no row of class {name!r}") for name in missing])
    listed = []
    for each in instance.classes:
        lengths = np.array(rows[each.name])
        listed.append(lengths * [each.prompt_tokens, each.output_tokens] / lengths.mean(axis=0))
    return tuple(listed)


def _rows(path: str, names: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """Return prompt and output lengths by class; every bad line is told at once."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    problems = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise InputError([_at(path, "header", f"lacks the column {', '.join(missing)}")])
            for row in table:
                line, lengths = table.line_num, _lengths(row)
                if row["class"] not in found:
                    problems.append(_at(path, f"line {line}", f"no class {row['class']!r}"))
                elif lengths is None:
                    problems.append(_at(path, f"line {line}", f"lengths {RANGE}"))
                else:
                    found[row["class"]].append(lengths)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError([_at(path, "", f"cannot be read: {error}")]) from error
    if problems:
        raise InputError(problems[:MOST_PROBLEMS])
    return found


def _lengths(row: dict[str, str]) -> tuple[float, float] | None:
    try:
        prompt, output = float(row["prompt_tokens"]), float(row["output_tokens"])
    except (TypeError, ValueError):
        return None
    return (prompt, output) if 0 < prompt <= LONGEST and 0 < output <= LONGEST else None


def _at(path: str, place: str, message: str) -> Problem:
    remedy = f"write a CSV file with the columns {','.join(COLUMNS)}, classes as in the instance"
    return Problem("lengths-file", path, place, message, remedy)


def _wrong(message: str) -> InputError:
    remedy = "say exponential, deterministic, lognormal:1.5, or a .csv file"
    return InputError([Problem("lengths", OPTION, "", message, remedy)])
