"""The demand to be served: requests per second of each class, in all and not per GPU."""

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gnr.checks import LARGEST, SMALLEST
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.reading import build
from gnr.schema_errors import show, suggest

DEMAND_CHECKS = ("demand-file", "demand-header", "demand-line", "demand-rate", "demand-class")
"""Identifiers of the checks made on a demand file."""

COLUMNS = ("class", "requests_per_second")
HEADER = ",".join(COLUMNS)
EXAMPLE = f"write {HEADER} and a line for each class, as in chat,55.3; `gnr fit` makes one of a log"

LARGEST_FILE = 16 << 20
"""Bytes above which a file is taken to be a log: a demand has one line for each class."""

LONGEST_LINE = 10_000
"""Signs of a line above which it is no class with its rate."""

_TOO_LONG = f"has more than {LONGEST_LINE:,} signs, and not just a class and a rate"

FEW = 50
"""Classes up to which what does not match is taken for misspelt; more are another demand."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.I | re.A)

Line = tuple[int, list[str]]
"""Number of a line, the first being 1, and its cells."""


class Demand(BaseModel):
    """Requests per second of each class, in all."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: str
    """The file it was read from, as named, or what else it comes from."""
    sha256: str | None = None
    """SHA-256 of that file; null if it was not read from one."""
    rates: dict[str, Annotated[float, Field(gt=SMALLEST, lt=LARGEST)]]
    """Requests/s in all, by class."""
    lines: dict[str, int] = Field(default={}, exclude=True, repr=False)
    """Line of each class in the file, for messages; not in the JSON document."""

    @property
    def total(self) -> float:
        """Return the requests/s of all classes."""
        return math.fsum(self.rates.values())

    def scaled(self, factor: float) -> "Demand":
        """Return the demand with all rates `factor` times as large.

        Raises
        ------
        ValueError
            If a rate is then not above 0, or too small or too large to compute with.
        """
        rates = {name: rate * factor for name, rate in self.rates.items()}
        return Demand(source=self.source, sha256=self.sha256, rates=rates, lines=self.lines)

    def for_instance(self, instance: Instance) -> "Demand":
        """Return the demand with its classes in the order of `instance`, which must have the same.

        Raises
        ------
        InputError
            With every class that only one of the two has.
        """
        names = [each.name for each in instance.classes]
        problems = list(self._mismatches(names, instance.name))
        if problems:
            raise InputError(problems)
        return self.model_copy(update={"rates": {name: self.rates[name] for name in names}})

    def instance_for(self, instance: Instance, gpus: float) -> Instance:
        """Return `instance` with this demand spread over `gpus` GPUs: lambda_i = rate_i / gpus.

        A GPU is what the instance calls one: with `replica_gpus`, a replica of several.

        Parameters
        ----------
        instance
            Hardware, prices, promises and classes; its arrival rates are replaced.
        gpus
            Number of GPUs, above 0.

        Raises
        ------
        InputError
            If the classes are not the same, or a rate per GPU is too small or too large to compute
            with.
        """
        rates = self.for_instance(instance).rates
        data = instance.model_dump(mode="json", by_alias=True, exclude_none=True)
        for each in data["classes"]:
            each["arrival_rate"] = rates[each["name"]] / gpus
        return build(data, f"{self.source} on {gpus:g} GPUs")

    def _mismatches(self, names: Sequence[str], instance: str) -> Iterator[Problem]:
        """Yield the classes that only the demand has, then those that only the instance has."""
        known = set(names)
        missing = [name for name in names if name not in self.rates]
        unknown = [name for name in self.rates if name not in known]
        misspelt = max(len(missing), len(unknown)) <= FEW
        for name in unknown:
            near = suggest(name, missing) if misspelt else ""
            yield Problem(
                "demand-class",
                self.source,
                f"line {self.lines[name]:,}" if name in self.lines else "",
                f"{show(name)} is no class of {instance}",
                f"did you mean {near}?"
                if near
                else "remove the line, or add the class to the instance",
            )
        for name in missing:
            near = suggest(name, unknown) if misspelt else ""
            yield Problem(
                "demand-class",
                self.source,
                "",
                f"has no rate of {show(name)}, a class of {instance}",
                f"is it {show(near)}?"
                if near
                else "add a line for it, or remove the class from "
                "the instance if nobody asks for it",
            )


def read_demand(path: str | Path) -> Demand:
    """Return the demand of a CSV file ``class,requests_per_second``, as `gnr fit` writes it.

    One line for each class, in any order; a rate is in requests/s in all, above 0. Whether the
    classes are those of an instance is asked by `Demand.for_instance`.

    Raises
    ------
    InputError
        With every fault of the file, each with its line and remedy.
    """
    file, content = str(path), _content(Path(path))
    lines = _lines(content, file)
    problems, body = _without_header(lines, file)
    first: dict[str, int] = {}
    rates: dict[str, float] = {}
    for number, cells in body:
        faults = [
            Problem(check, file, f"line {number:,}", message, remedy)
            for check, message, remedy in _faults(cells, first)
        ]
        problems += faults
        first.setdefault(cells[0], number)
        if not faults:
            rates[cells[0]] = float(cells[1])
    if not problems and not rates:
        problems = [Problem("demand-file", file, "", "has no class", EXAMPLE)]
    if problems:
        raise InputError(problems)
    digest = hashlib.sha256(content).hexdigest()
    return Demand(source=file, sha256=digest, rates=rates, lines=first)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        problem = Problem("file-missing", str(path), "", "there is no such file", EXAMPLE)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem = Problem(
            "file-unreadable", str(path), "", f"cannot be read: {reason}", "name a readable file"
        )
    else:
        if len(content) <= LARGEST_FILE:
            return content
        size = f"is above {LARGEST_FILE >> 20} MiB, too large to be a line for each class"
        problem = Problem("demand-file", str(path), "", size, "`gnr fit` makes a demand of a log")
    raise InputError([problem])


def _text(content: bytes, file: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start
    else:
        at = content.find(b"\0")  # as in UTF-16 without a byte order mark
        if at < 0:
            return text
    message = f"is not UTF-8 text (byte {at})"
    raise InputError([Problem("file-not-text", file, "", message, "save it as CSV in UTF-8")])


def _lines(content: bytes, file: str) -> list[Line]:
    """Return the lines that are not blank; there is at least one."""
    text = _text(content, file)
    too_long = [
        Problem("demand-line", file, f"line {number:,}", _TOO_LONG, "shorten it")
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > LONGEST_LINE
    ]
    if too_long:
        raise InputError(too_long)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        found = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        place, message = f"line {reader.line_num:,}", f"is not CSV: {error}"
        problem = Problem("demand-line", file, place, message, "check the double quotes")
        raise InputError([problem]) from error
    if not found:
        raise InputError([Problem("demand-file", file, "", "is empty", EXAMPLE)])
    return found


def _without_header(lines: Sequence[Line], file: str) -> tuple[list[Problem], Iterable[Line]]:
    """Return what is wrong with the header, and the lines below that can be judged all the same."""
    (number, cells), *body = lines
    titles = [cell.strip() for cell in cells]
    if tuple(titles) == COLUMNS:
        return [], body
    is_data = len(titles) == 2 and NUMBER.fullmatch(titles[1]) is not None
    remedy = "write it above this line" if is_data else _header_remedy(titles)
    message = f"must be {HEADER}, got {show(','.join(cells))}"
    problems = [Problem("demand-header", file, f"line {number:,}", message, remedy)]
    if is_data:
        return problems, lines
    return problems, body if len(titles) == 2 and _near(titles[1]) == COLUMNS[1] else []


def _header_remedy(titles: Sequence[str]) -> str:
    if set(titles) == set(COLUMNS):
        return "name the class first, then its rate"
    if len(titles) == 1 and re.search(r"[;\t|]", titles[0]):
        return "separate the columns with a comma"
    near = {title: _near(title) for title in titles if title not in COLUMNS}
    meant = [f"{name} by {show(title)}" for title, name in near.items() if name]
    return f"did you mean {' and '.join(meant)}?" if meant else EXAMPLE


def _near(title: str) -> str:
    return suggest(title.lower(), list(COLUMNS))


def _faults(cells: Sequence[str], first: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    """Yield check, message and remedy for what is wrong with a line.

    `first` is where each class was given before.
    """
    if len(cells) != 2:
        count = f"{len(cells)} cells" if len(cells) > 1 else f"only {show(cells[0])}"
        yield (
            "demand-line",
            f"must be a class and its rate, got {count}",
            "as in chat,55.3: a number has a point and no comma, a name with one needs double "
            "quotes",
        )
        return
    name, text = cells
    if not name.strip():
        yield "demand-class", "names no class", "write its name before the comma"
    elif name in first:
        message = f"gives {show(name)} again, after line {first[name]:,}"
        yield "demand-class", message, "give each class once, with the rate of all its requests"
    yield from _rate_faults(text.strip())


def _rate_faults(text: str) -> Iterator[tuple[str, str, str]]:
    got = f"got {show(text)} (requests/s)"
    if not NUMBER.fullmatch(text):
        yield "demand-rate", f"must end in a number, {got}", "as in chat,55.3"
    elif not math.isfinite(value := float(text)):
        yield "demand-rate", f"the rate must be finite, {got}", "as in chat,55.3"
    elif value <= 0:
        remedy = "leave a class that nobody asks for out, here and in the instance"
        yield "demand-rate", f"the rate must be above 0, {got}", remedy
    elif not SMALLEST < value < LARGEST:
        remedy = "check the unit: requests per second of all GPUs together"
        yield "demand-rate", f"the rate is too small or too large to compute with, {got}", remedy
