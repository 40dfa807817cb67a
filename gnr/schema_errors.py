"""pydantic's findings about a file, reworded: what is wrong, the value found, the remedy."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gnr.instance import Gpu, Instance, RequestClass

CHECKS = (
    "missing-key",
    "unknown-key",
    "misplaced-key",
    "reserved-key",
    "wrong-type",
    "not-finite",
    "out-of-range",
    "not-a-choice",
    "bad-name",
    "no-classes",
)
"""Identifiers of the checks that the schema makes."""

RESERVED = {
    (Gpu, "memory"): "KV-cache memory of a GPU",
    (RequestClass, "length_law"): "length distributions other than exponential",
}
"""Keys kept for later versions of the format, with what they will be for."""

_TYPE_NAMES = {
    "float_type": "a number",
    "int_type": "an integer",
    "string_type": "a string",
    "string_unicode": "valid text",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "tuple_type": "an array of tables",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}

Explanation = tuple[str, str, str, str]
"""Check, path, message, remedy."""


def explain(error: ValidationError, data: Mapping[str, Any]) -> Iterator[Explanation]:
    """Yield (check, path, message, remedy) for each finding of pydantic about `data`."""
    for finding in error.errors(include_url=False):
        location, kind, value = finding["loc"], finding["type"], finding["input"]
        path, field = format_path(location), _field_at(location)
        context = finding.get("ctx", {})
        if kind == "missing":
            yield "missing-key", path, f"is missing{_unit(field)}", _example(location, field)
        elif kind == "extra_forbidden":
            yield _explain_extra(location)
        elif kind == "too_short" and isinstance(value, tuple):
            if not value:
                yield "no-classes", path, "must hold at least one class, got none", _class_remedy()
        elif kind == "finite_number":
            yield (
                "not-finite",
                path,
                f"must be finite, got {show(value)}{_unit(field)}",
                _example(location, field),
            )
        elif kind in _BOUNDS:
            key, words = _BOUNDS[kind]
            yield (
                "out-of-range",
                path,
                f"must be {words} {context[key]:g}, got {show(value)}{_unit(field)}",
                _example(location, field),
            )
        elif kind == "literal_error":
            choices = context["expected"]
            yield "not-a-choice", path, f"must be {choices}, got {show(value)}", ""
        elif kind in ("string_pattern_mismatch", "string_too_short"):
            rule = _naming_rule(kind)
            yield "bad-name", path, f"{rule}, got {show(value)}", _example(location, field)
        else:
            wanted = _TYPE_NAMES.get(kind, finding["msg"])
            found = f"{show(value)}, {_type_name(value)}"
            yield (
                "wrong-type",
                path,
                f"must be {wanted}, got {found}{_unit(field)}",
                _example(location, field) if field is not None else "",
            )


def format_path(location: tuple[int | str, ...]) -> str:
    """Return a location as users write it: ``classes[1].arrival_rate``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def show(value: object) -> str:
    """Return a short text for a value found in a file, as TOML writes it; never fails."""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a huge integer"
    return text if len(text) <= 40 else text[:37] + "..."


def suggest(word: str, choices: list[str]) -> str:
    """Return the choice that `word` was probably meant to be, or an empty string."""
    found = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return found[0] if found else ""


def optional_tables(location: Iterable[int | str]) -> list[str]:
    """Return the tables that the format lets be left out of the table at `location`."""
    owner = _model_at(location)
    if owner is None:
        return []
    return [
        field.alias or name
        for name, field in owner.model_fields.items()
        if field.default is None and _inner_model(field) is not None
    ]


def _explain_extra(location: tuple[int | str, ...]) -> Explanation:
    path, key = format_path(location), str(location[-1])
    owner = _model_at(location[:-1])
    purpose = next((text for (m, k), text in RESERVED.items() if (m, k) == (owner, key)), "")
    if purpose:
        return (
            "reserved-key",
            path,
            f"is reserved for a later version of this format ({purpose})",
            "remove it",
        )
    if len(location) > 1 and key in _keys(Instance):
        return (
            "misplaced-key",
            path,
            f"is a top-level key, but here it belongs to the table {format_path(location[:-1])}",
            "move the line above the first [table] header",
        )
    siblings = _keys(owner) if owner is not None else []
    near = suggest(key, siblings)
    remedy = f"did you mean {near}?" if near else "known here: " + ", ".join(siblings)
    return "unknown-key", path, "is not a known key", remedy


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the table a field holds, directly or in an array; None for a plain value."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _model_at(location: Iterable[int | str]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Instance
    for part in location:
        if isinstance(part, int) or model is None:
            continue
        field = _find(model, part)
        model = _inner_model(field) if field is not None else None
    return model


def _find(model: type[BaseModel], key: str) -> FieldInfo | None:
    return next((f for name, f in model.model_fields.items() if (f.alias or name) == key), None)


def _field_at(location: tuple[int | str, ...]) -> FieldInfo | None:
    owner = _model_at(location[:-1])
    last = location[-1] if location else None
    return _find(owner, last) if owner is not None and isinstance(last, str) else None


def _extra(field: FieldInfo | None) -> Mapping[str, Any]:
    found = field.json_schema_extra if field is not None else None
    return found if isinstance(found, dict) else {}


def _unit(field: FieldInfo | None) -> str:
    text = _extra(field).get("unit")
    return f" ({text})" if text else ""


def _example(location: tuple[int | str, ...], field: FieldInfo | None) -> str:
    example = _extra(field).get("example")
    if example:
        return f"for example {location[-1]} = {example}"
    if location[-1] == "slis":
        return "add a [[slis]] table for each promise"
    return (
        f"add a [{format_path(location)}] table" if location[-1] != "classes" else _class_remedy()
    )


def _class_remedy() -> str:
    return "add a [[classes]] table for each request class"


def _naming_rule(kind: str) -> str:
    if kind == "string_too_short":
        return "must not be empty"
    return "must be lower-case letters and digits joined by single hyphens"


def _type_name(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {
        int: "an integer",
        float: "a real number",
        str: "a string",
        dict: "a table",
        list: "an array",
        tuple: "an array",
    }
    return names.get(type(value), f"a {type(value).__name__}")
