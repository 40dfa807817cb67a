"""What the verbs share: exit codes, printing, errors."""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gnr.errors import InputError, Problem

InstanceArguments = Annotated[
    list[str], typer.Argument(metavar="INSTANCE...", help="Shipped names or paths of files.")
]
SetOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change a value, as in gpu.batch_slots=32 or classes.chat.arrival_rate=0.7.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write results and pictures here.")
]


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    NEGATIVE = 1
    """An honest negative: infeasible."""
    BAD_INPUT = 2
    UNDECIDED = 3
    INTERNAL_ERROR = 4
    INTERRUPTED = 130


def print_json(document: Any) -> None:
    """Print one JSON document to stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_documents(documents: Sequence[Any]) -> None:
    """Print one result as it is, several as ``{"results": [...]}``."""
    print_json(documents[0] if len(documents) == 1 else {"results": list(documents)})


def print_rich(*renderables: Any) -> None:
    """Print to stdout for people: colours on a terminal, plain text elsewhere."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=120)
    for renderable in renderables:
        console.print(renderable)


def note(text: str) -> None:
    """Print a line to stderr."""
    sys.stderr.write(f"gnr: {text}\n")


def report_problems(
    problems: Iterable[Problem], as_json: bool, code: ExitCode = ExitCode.BAD_INPUT
) -> None:
    """Tell every problem: as lines on stderr, or as the one JSON object on stdout."""
    problems = list(problems)
    if as_json:
        fields = ("file", "path", "message", "remedy")
        messages = [{field: getattr(each, field) for field in fields} for each in problems]
        print_json({"error": {"code": int(code), "messages": messages}})
        return
    for problem in problems:
        sys.stderr.write(f"{problem}\n")


def report_crash(error: Exception, arguments: Sequence[str], as_json: bool) -> None:
    """Write the traceback of an internal error to a file and say where it is."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="gnr-report-", suffix=".txt", delete=False, encoding="utf-8"
    ) as report:
        report.write(f"gnr {' '.join(arguments)}\n\n")
        report.write("".join(traceback.format_exception(error)))
    message = f"internal error ({type(error).__name__}); the report is in {report.name}"
    _report_failure(report.name, message, "please send it", as_json)


def report_system_error(error: OSError, as_json: bool) -> None:
    """Tell that the system refused to read or write, as on a full disk."""
    place = str(error.filename or "output")
    _report_failure(place, f"{place}: {error.strerror}", "make room or choose a place", as_json)


def _report_failure(place: str, message: str, remedy: str, as_json: bool) -> None:
    if as_json:
        detail = {"file": place, "path": "", "message": message, "remedy": remedy}
        print_json({"error": {"code": int(ExitCode.INTERNAL_ERROR), "messages": [detail]}})
    else:
        note(f"{message}; {remedy}")


def load_all(sources: Sequence[str], overrides: Sequence[str]) -> list[Any]:
    """Return the instances; the problems of all files are reported together.

    Raises
    ------
    InputError
        With the problems of every source that could not be used.
    """
    from gnr.reading import load

    instances: list[Any] = []
    problems: list[Problem] = []
    for source in sources:
        try:
            instances.append(load(source, overrides))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(dict.fromkeys(problems))
    return instances


@contextmanager
def told_of(source: str) -> Iterator[None]:
    """Let problems raised inside name `source`, what the user typed, as their file.

    Problems with an option keep its name, and those with another file that of the file.
    """
    try:
        yield
    except InputError as error:
        named = (
            each if _speaks_for_itself(each.file) else replace(each, file=source)
            for each in error.problems
        )
        raise type(error)(named) from error


def _speaks_for_itself(name: str) -> bool:
    """Tell whether a problem names an option or a file with an ending, not a part of the plan."""
    return name.startswith("-") or bool(Path(name).suffix)


def prepare_folder(folder: Path, instances: Sequence[Any]) -> None:
    """Make the output folder for the results of `instances`.

    Raises
    ------
    InputError
        If it cannot be made or written to, or if two instances would write the same files.
    """
    names = [instance.name for instance in instances]
    clashes = sorted({name for name in names if names.count(name) > 1})
    if clashes:
        raise InputError(
            Problem(
                "same-name",
                f"--out {folder}",
                "name",
                f"two instances are called {name!r} and would write the same files",
                "give each file its own name",
            )
            for name in clashes
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            [
                Problem(
                    "out-folder",
                    f"--out {folder}",
                    "",
                    f"cannot be written to: {error.strerror}",
                    "name a folder of your own",
                )
            ]
        ) from error
