"""From a name or a path to an `Instance`: read, override, check, or refuse with every reason."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gnr.checks import problems_in
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.overrides import apply_override, with_value
from gnr.schema_errors import show, suggest

FILE_CHECKS = (
    "unknown-instance",
    "file-missing",
    "file-unreadable",
    "file-not-text",
    "toml-syntax",
)
"""Identifiers of the checks made before the content of a file is looked at."""

Overrides = Iterable[str] | Mapping[str, Any]
"""Changes made before the checks: texts ``path=value`` as on the command line, or by path."""


def load(source: str | Path, overrides: Overrides = ()) -> Instance:
    """Return the instance that `source` names, with overrides applied.

    Parameters
    ----------
    source
        Name of a shipped instance, or a path: a text with a separator or ending in ``.toml``.
    overrides
        One change or several, such as ``gpu.batch_slots=32`` or
        ``classes.decode-heavy.arrival_rate=0.7`` (class by name or index), made before the checks;
        or values by path, such as ``{"gpu.batch_slots": 32}``.

    Raises
    ------
    InputError
        With every fault of the file, each with its place and remedy.
    """
    file, data = read(source)
    return build(data, file, overrides)


def build(data: Mapping[str, Any], file: str, overrides: Overrides = ()) -> Instance:
    """Return the instance of parsed TOML `data`; `file` names it in messages.

    Raises
    ------
    InputError
        With every fault found.
    """
    changed = dict(data)
    if isinstance(overrides, Mapping):
        for path, value in overrides.items():
            changed = with_value(changed, path, value, f"override {path}")
    else:
        for override in [overrides] if isinstance(overrides, str) else overrides:
            changed = apply_override(changed, override)
    problems = problems_in(changed, file)
    if problems:
        raise InputError(problems)
    return Instance.model_validate(changed)


def read(source: str | Path) -> tuple[str, dict[str, Any]]:
    """Return the label and the parsed TOML of a shipped instance or of a file.

    Raises
    ------
    InputError
        If there is no such instance or file, or it is not TOML.
    """
    text = str(source)
    if is_path(source):
        return text, _parse(_read_bytes(Path(source)), text)
    shipped = shipped_instances()
    if text not in shipped:
        near = suggest(text, list(shipped))
        hint = f"did you mean {near}?" if near else "shipped: " + ", ".join(shipped)
        if Path(text).exists():
            hint = f"for the file of this name write .{os.sep}{text}"
        raise InputError(
            [
                Problem(
                    "unknown-instance",
                    text,
                    "",
                    "there is no shipped instance of this name",
                    f"{hint} (a path has a separator or ends in .toml)",
                )
            ]
        )
    return text, _parse(shipped[text].read_bytes(), text)


def is_path(source: str | Path) -> bool:
    """Tell whether `source` is taken as a path rather than a shipped name."""
    text = str(source)
    return isinstance(source, Path) or "/" in text or "\\" in text or text.endswith(".toml")


def shipped_instances() -> dict[str, Traversable]:
    """Return the shipped instance files by name, in alphabetical order."""
    found = {
        file.name.removesuffix(".toml"): file
        for folder in files("gnr.instances").iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }
    return dict(sorted(found.items()))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problem = Problem(
            "file-missing", str(path), "", "there is no such file", "`gnr new FILE` writes one"
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem = Problem(
            "file-unreadable", str(path), "", f"cannot be read: {reason}", "name a readable file"
        )
    raise InputError([problem])


def _parse(content: bytes, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        problem = Problem(
            "file-not-text",
            file,
            "",
            f"is not UTF-8 text (byte {error.start})",
            "save it as UTF-8; an instance is a TOML text file",
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        reason = reason.partition(";")[0] + _quoted_line(content, reason)
        remedy = "`gnr new FILE` writes a valid example"
        if "('classes',)" in reason:
            remedy = "write each class under [[classes]], with double brackets"
        problem = Problem("toml-syntax", file, "", f"is not valid TOML: {reason}", remedy)
    raise InputError([problem])


def _quoted_line(content: bytes, reason: str) -> str:
    """Return the line that a TOML error speaks of, quoted; empty if it names none."""
    found = re.search(r"at line (\d+)", reason)
    lines = content.decode("utf-8-sig").splitlines()
    if not found or int(found[1]) > len(lines):
        return ""
    return f": {show(lines[int(found[1]) - 1].strip())}"
