"""Which column of a table is which quantity, and in what unit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gnr.errors import InputError, Problem
from gnr.schema_errors import suggest

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Units of time, s."""

SPELT_OUT = {"seconds": "s", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}
"""Units that a header may give in words."""

COUNTS = {"": 1.0}
"""The one unit of what is counted."""

ABOUT = "--column"
"""The option that names a column."""


@dataclass(frozen=True)
class Quantity:
    """What a column may hold.

    Attributes
    ----------
    name
        The quantity, as in ``--column NAME=HEADER``.
    headers
        Headers that are taken for it, without a unit; upper and lower case are alike.
    units
        Factor to the unit that is worked with, by unit; the first is assumed where neither the
        header nor the user names one.
    required
        Whether a table without it is refused.
    """

    name: str
    headers: tuple[str, ...]
    units: Mapping[str, float] = field(default_factory=lambda: COUNTS)
    required: bool = True


@dataclass(frozen=True)
class Column:
    """A column that was found: its header, and what its numbers are multiplied by."""

    header: str
    unit: str
    factor: float
    assumed: bool
    """Whether nobody named the unit."""


@dataclass(frozen=True)
class Choice:
    """What the user says of a quantity: the header, the unit, or both."""

    header: str | None
    unit: str | None


def read_choices(options: Iterable[str], quantities: Sequence[Quantity]) -> dict[str, Choice]:
    """Return what ``--column NAME=HEADER[:UNIT]`` says, by quantity; ``NAME=:UNIT`` is allowed.

    Raises
    ------
    InputError
        If an option has another form, or names a quantity or a unit that there is not.
    """
    known = {each.name: each for each in quantities}
    chosen: dict[str, Choice] = {}
    problems = []
    for option in options:
        name, equals, rest = option.partition("=")
        header, _, unit = (
            rest.rpartition(":")
            if _names_a_unit(rest, known.get(name))
            else (
                rest,
                "",
                "",
            )
        )
        if not equals or not rest:
            problems.append(_problem(option, "must be NAME=HEADER or NAME=HEADER:UNIT", known))
        elif name not in known:
            problems.append(_problem(option, f"there is no quantity {name!r}", known))
        else:
            chosen[name] = Choice(header or None, unit or None)
    if problems:
        raise InputError(problems)
    return chosen


def _names_a_unit(text: str, quantity: Quantity | None) -> bool:
    """Tell whether what follows the last colon is a unit of the quantity."""
    return quantity is not None and ":" in text and text.rpartition(":")[2] in quantity.units


def _problem(option: str, message: str, known: Mapping[str, Quantity]) -> Problem:
    units = sorted({unit for each in known.values() for unit in each.units} - {""})
    remedy = f"quantities: {', '.join(known)}"
    if units:
        remedy += f"; units of time: {', '.join(units)}"
    return Problem("columns", ABOUT, option, message, remedy)


def match_columns(
    header: Sequence[str],
    quantities: Sequence[Quantity],
    chosen: Mapping[str, Choice],
    file: str,
) -> dict[str, Column]:
    """Return the column of each quantity that the table has.

    Raises
    ------
    InputError
        If a required quantity has no column, a header that was named is not there, or two columns
        could be meant.
    """
    found: dict[str, Column] = {}
    problems = []
    for each in quantities:
        choice = chosen.get(each.name, Choice(None, None))
        fitting = _fitting(header, each, choice)
        if len(fitting) == 1:
            found[each.name] = fitting[0]
        elif len(fitting) > 1:
            names = ", ".join(one.header for one in fitting)
            message = f"more than one column could be {each.name}: {names}"
            problems.append(_missing(file, each, message, fitting[0].header))
        elif choice.header is not None:
            near = suggest(choice.header, list(header))
            message = f"there is no column {choice.header!r} for {each.name}"
            problems.append(_missing(file, each, message, near or "HEADER", header))
        elif each.required:
            message = f"there is no column for {each.name}"
            problems.append(_missing(file, each, message, "HEADER", header))
    headers = [each.header for each in found.values()]
    for twice in dict.fromkeys(each for each in headers if headers.count(each) > 1):
        names = " and ".join(name for name, each in found.items() if each.header == twice)
        message = f"one column cannot be {names}"
        problems.append(Problem("columns", file, twice, message, f"name others with {ABOUT}"))
    if problems:
        raise InputError(problems)
    return found


def _missing(
    file: str, quantity: Quantity, message: str, header: str, headers: Sequence[str] = ()
) -> Problem:
    form = f"{quantity.name}={header}" + (":UNIT" if len(quantity.units) > 1 else "")
    there = f"; the table has {', '.join(headers) or 'no header'}" if headers else ""
    return Problem("columns", file, "", message + there, f"say {ABOUT} {form}")


def _fitting(header: Sequence[str], quantity: Quantity, choice: Choice) -> list[Column]:
    """Return the columns that may be meant: the one named, or those with a known header."""
    if choice.header is not None:
        names = [name for name in header if name == choice.header]
        return [_column(name, quantity, choice.unit or _unit_of(name, quantity)) for name in names]
    found: list[Column] = []
    for known in quantity.headers:
        for name in header:
            unit = choice.unit or _unit_of(name, quantity)
            if _bare(name, quantity) == known and not any(name == one.header for one in found):
                found.append(_column(name, quantity, unit))
        if found:
            return found
    return found


def _column(header: str, quantity: Quantity, unit: str | None) -> Column:
    assumed = next(iter(quantity.units))
    used = assumed if unit is None else unit
    return Column(header, used, quantity.units[used], unit is None)


def _unit_of(header: str, quantity: Quantity) -> str | None:
    """Return the unit that a header ends with: ``tau_ms``, ``time(us)``, ``latency [s]``."""
    text = header.strip().lower().rstrip(")]")
    if SPELT_OUT.get(text) in quantity.units:
        return SPELT_OUT[text]
    for unit in quantity.units:
        if unit and (
            text == unit or text.endswith(("_" + unit, "(" + unit, "[" + unit, " " + unit))
        ):
            return unit
    return None


def _bare(header: str, quantity: Quantity) -> str:
    """Return a header in lower case, without its unit."""
    text, unit = header.strip().lower(), _unit_of(header, quantity)
    if unit is not None and text != unit and text not in SPELT_OUT:
        text = text.rstrip(")]").removesuffix(unit).rstrip("_([ ")
    return text.strip().replace(" ", "_").replace("-", "_")
